/* app/server/clients.h: CLIENT LIST, KILL, PAUSE across workers.
 *
 * Threads: called from commands; each holds one worker's turn at a time.
 */
#ifndef STRATA_APP_SERVER_CLIENTS_H
#define STRATA_APP_SERVER_CLIENTS_H

#include "app/server/worker.h"

void clients_each(struct cmd_server *server, void (*visit)(void *context, const struct cmd_client_view *view),
                  void *context);
uint32_t clients_kill(struct cmd_server *server, const struct cmd_kill_filter *filter);
void clients_pause(struct cmd_server *server, uint64_t until_ms, bool writes_only);
void clients_unpause(struct cmd_server *server);
/* The pause that holds now, or 0. */
uint64_t clients_paused_until(struct server *server, uint64_t now_ms);

#endif
