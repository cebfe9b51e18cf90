/* app/server/listeners.h: the doors of the server: its ports and its Unix socket, each with a listener of every worker.
 *
 * Threads: after the workers are made, before they run.
 * Errors:  STATUS_BUSY: another program has the address. The log says what is wrong; what was opened is closed with the workers.
 */
#ifndef STRATA_APP_SERVER_LISTENERS_H
#define STRATA_APP_SERVER_LISTENERS_H

#include "app/server/state.h"

/* Opens what is configured; server->tcp_port, tls_port and unix_open say what. */
MUST_CHECK enum status listeners_open(struct server *server);

#endif
