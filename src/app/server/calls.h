/* app/server/calls.h: what commands may ask of the server (app/cmd/server_api.h), as one table of the folder's calls.
 *
 * Threads: a worker's, in its turn; each call says more where it is declared.
 */
#ifndef STRATA_APP_SERVER_CALLS_H
#define STRATA_APP_SERVER_CALLS_H

#include "app/cmd/server_api.h"

extern const struct cmd_server_api server_calls;

#endif
