/* app/server/clients.h: CLIENT LIST, KILL, PAUSE across workers.
 *
 * Threads: called from commands; each holds one worker's turn at a time.
 */
#ifndef STRATA_APP_SERVER_CLIENTS_H
#define STRATA_APP_SERVER_CLIENTS_H

#include "app/server/worker.h"

void clients_each(struct cmd_server *server, void (*visit)(void *context, const struct cmd_client_view *view),
                  void *context);
uint32_t clients_kill(struct cmd_server *server, bool (*matches)(void *context, const struct cmd_client_view *view),
                      void *context);
void clients_pause(struct cmd_server *server, uint64_t until_ms, bool writes_only);
void clients_unpause(struct cmd_server *server);
/* The pause that holds now, or 0. */
uint64_t clients_paused_until(struct server *server, uint64_t now_ms);
/* Until when invalidations wait for rules that come into force now, at most; or 0. */
uint64_t clients_awaiting_rules_until(struct server *server, uint64_t now_ms);
/* All workers look whether those who were postponed may go on. */
void clients_wake(struct server *server);

enum { CLIENT_SHOWN_MAX = 220 };

/* Says in the log, at notice, what a client has done that concerns everybody, and who it is. */
void clients_api_tell(struct cmd_server *api, struct cmd_client *client, const char *what);
/* "client 7 at 10.0.0.1:4711, name n, service s" */
void clients_describe(const struct cmd_client *client, char *text, size_t size);

/* Which settings the client whose command runs has changed, without secrets. Nothing, if it is no command. */
void clients_tell_settings(const struct slice *names, const struct slice *values, uint32_t count);

#endif
