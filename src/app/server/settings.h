/* app/server/settings.h: the configuration while the server runs: what of it is in force, and CONFIG.
 *
 *     CONFIG SET --> a copy with the new values --> everybody concerned agrees? --> server->config --> settings_settle --> server->settings
 *
 * A value that anybody refuses changes nothing, neither it nor those beside it.
 *
 * Threads: settings_settle by who holds config_lock, or before the workers run; the calls of commands by any worker.
 * Errors:  as CONFIG SET answers them, without "ERR ".
 */
#ifndef STRATA_APP_SERVER_SETTINGS_H
#define STRATA_APP_SERVER_SETTINGS_H

#include "app/server/state.h"

/* Puts server->config into server->settings, and tells all who go by it. */
void settings_settle(struct server *server);

/* Raises the limit of open files for `maxclients`. If the system allows fewer, the log says so, and they are what counts. Before the workers run. */
void settings_allow_clients(struct server *server);

/* A duration in ticks of the clock; a negative one is never over. */
uint64_t settings_ticks(const struct server *server, int64_t us);

void settings_api_each(struct cmd_server *api,
                       void (*visit)(void *context, const char *name, const char *value, bool secret), void *context);
bool settings_api_set(struct cmd_server *api, const struct slice *names, const struct slice *values, uint32_t count,
                      char *ret_error, size_t error_size);
bool settings_api_rewrite(struct cmd_server *api, char *ret_error, size_t error_size);

#endif
