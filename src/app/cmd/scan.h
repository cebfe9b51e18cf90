/* app/cmd/scan.h: what commands with a cursor share.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_SCAN_H
#define STRATA_APP_CMD_SCAN_H

#include "app/cmd/key_call.h"

enum { SCAN_COUNT_DEFAULT = 10 };

/* The cursor at argument `at`; false with the error written if it is none. */
bool scan_cursor(struct cmd_call *call, uint32_t at, uint64_t *ret_cursor);

/* Ends the reply: the cursor before the array of names, or an error instead of both. */
void scan_end(struct cmd_call *call, struct key_call_array *names, uint64_t cursor);

/* What is left of a KEYS that waits. */
void scan_client_ends(struct cmd_client *client);

#endif
