/* app/cmd/client_line.h: a connection as a line of CLIENT LIST.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_CLIENT_LINE_H
#define STRATA_APP_CMD_CLIENT_LINE_H

#include "app/cmd/server_api.h"

/* The server's snapshot of the caller may be older than this very command. */
void client_line_refresh(const struct cmd_call *call, struct cmd_client_view *view);

/* The letters of its flags, or N. */
#define CLIENT_FLAGS "OPxbtRBcUeTN"
enum { CLIENT_FLAGS_SIZE = sizeof CLIENT_FLAGS };
void client_line_flags(const struct cmd_client_view *view, char ret_flags[CLIENT_FLAGS_SIZE]);
bool client_line_subscribes(const struct cmd_client_view *view);

/* Ends with a line feed. */
MUST_CHECK enum status client_line_write(struct buf *out, const struct cmd_client_view *view);

#endif
