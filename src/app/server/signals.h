/* app/server/signals.h: what comes to the server from outside of its connections: signals, a wish to stop, changes of the file of rules.
 *
 *     SIGTERM, SIGINT   an orderly stop; SIGINT a second time: the process ends at once
 *     SIGHUP            the log's file is opened again, the rules are read again
 *     SIGPIPE           nobody's business
 *
 * Threads: that which starts and frees the server.
 */
#ifndef STRATA_APP_SERVER_SIGNALS_H
#define STRATA_APP_SERVER_SIGNALS_H

#include "app/server/state.h"

/* From here on signals become readable on a descriptor, for this thread and those that it starts. */
MUST_CHECK enum status signals_take(struct server *server);
/* The rules are in force without it; the log says that changes are not noticed. */
void signals_watch_rules(struct server *server);
/* Sleeps until any of it comes, and does what it asks for. */
void signals_wait(struct server *server);
/* The same for signals only, for `wait_ms` at most: the server stops already. */
void signals_look(struct server *server, int wait_ms);
/* Undoes signals_take and signals_watch_rules, also half of them. */
void signals_give_back(struct server *server);

#endif
