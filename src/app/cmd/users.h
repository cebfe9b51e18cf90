/* app/cmd/users.h: who a connection is.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_USERS_H
#define STRATA_APP_CMD_USERS_H

#include "app/cmd/server_api.h"

/* The user `default` is on and needs no password: a connection is it from its beginning. */
bool users_default_is_open(struct cmd_server *server);
/* It needs no password, on or off. */
bool users_default_needs_none(struct cmd_server *server);

/* False: the error is written, and the refusal logged. */
bool users_authenticate(struct cmd_call *call, struct slice name, struct slice password);

/* The same by an access token. */
bool users_authenticate_token(struct cmd_call *call, struct slice text);

/* As a connection begins: RESET. */
void users_be_default(struct cmd_call *call);

#endif
