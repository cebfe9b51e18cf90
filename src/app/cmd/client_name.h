/* app/cmd/client_name.h: the names that a client gives itself.
 *
 * Threads: those of the call.
 * Memory:  a name is at most CLIENT_NAME_SIZE_MAX bytes; the client owns its copy.
 * Errors:  false: the error is written, and nothing has changed.
 */
#ifndef STRATA_APP_CMD_CLIENT_NAME_H
#define STRATA_APP_CMD_CLIENT_NAME_H

#include "app/cmd/cmd.h"

enum { CLIENT_NAME_SIZE_MAX = 4096 };

/* `what` begins the error text: "Client names". */
bool client_name_check(struct cmd_call *call, const char *what, struct slice name);
bool client_name_set(struct cmd_call *call, struct buf *kept, struct slice name);

#endif
