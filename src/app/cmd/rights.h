/* app/cmd/rights.h: what the user of a connection may do.
 *
 * A connection has a user, or none: then it may do everything (the library, and tests). Whether it has to be asked at all stands in
 * client->restricted; core/auth judges, and here is found out what a request touches: its keys as spec/commands has them, channels,
 * and for some commands all keys that begin with something.
 *
 * Threads: those of the call. A user never changes; the server gives connections other ones (server_api.h, users_changed).
 */
#ifndef STRATA_APP_CMD_RIGHTS_H
#define STRATA_APP_CMD_RIGHTS_H

#include "app/cmd/cmd.h"
#include "app/cmd/server_api.h"
#include "core/auth/users.h"

/* The client goes by this user from now on; it takes a reference of its own. */
void rights_bind(struct cmd_client *client, struct auth_user *user);

/* The service as which it reads and writes: that of its user, or else the one that it has named. Empty: none. */
struct slice rights_service(const struct cmd_client *client);

/* Whether the user may run that, by the rules in force for the call's client. `ret_at`: the argument that is not permitted, 0 for the command.
 * STATUS_NO_MEMORY: nothing is known. */
MUST_CHECK enum status rights_judge(struct cmd_call *call, const struct auth_user *user, const struct cmd_spec *spec,
                                    const struct slice *argv, uint32_t argc, enum auth_verdict *ret_verdict,
                                    uint32_t *ret_at);

/* Of a client that is restricted. False: the text that refuses is in `ret_text` (without NOPERM), and the refusal is logged. */
enum { RIGHTS_TEXT_MAX = 256 };
bool rights_hold(struct cmd_call *call, const struct cmd_spec *spec, char ret_text[RIGHTS_TEXT_MAX]);

/* The same for a command that was queued, at EXEC: writes the error reply. */
bool rights_hold_queued(struct cmd_call *call);

/* How many of the first requests, alike and of one client, its user may run. */
uint32_t rights_row(struct cmd_call *call, const struct cmd_request *requests, uint32_t count);

/* Whether a key may be shown by the command of this call. */
bool rights_see(const struct cmd_call *call, struct slice key);
/* The same of all keys that begin so. */
bool rights_see_all(const struct cmd_call *call, struct slice prefix);

/* Whether it may be told if there is such a key, as EXISTS tells it; or with `prefix`, such keys as begin so. */
bool rights_know(const struct cmd_call *call, struct slice key, bool prefix);

/* Whether a topic is none by which the server tells of keys that the user may not read. */
bool rights_hear(const struct cmd_client *client, enum topic_kind kind, struct slice topic);

/* What a connection listens to is still permitted. */
bool rights_hold_listening(const struct cmd_client *client);

/* AUTH or HELLO were refused: counted and logged. */
void rights_denied(struct cmd_call *call, struct slice user);

#endif
