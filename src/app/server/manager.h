/* app/server/manager.h: what the service manager that has started the server is told of its life (sys/os/service.h).
 *
 *     [loading] --> ready --> reloading --> reloaded --> stopping
 *
 * Threads: any.
 * Errors:  a manager that cannot be told is a warning in the log.
 */
#ifndef STRATA_APP_SERVER_MANAGER_H
#define STRATA_APP_SERVER_MANAGER_H

#include "app/server/state.h"

/* Everybody is served from here on. The log says so as well. */
void manager_tell_ready(const struct server *server);
/* SIGHUP has come. A manager that is told of the beginning waits for the end. It is not told of either before the server was ready once, since
 * READY=1 would then mean that. */
void manager_tell_reloading(struct server *server);
/* What SIGHUP asked for is done. */
void manager_tell_reloaded(struct server *server);
void manager_tell_stopping(void);

#endif
