/* app/server/beside.h: what those who serve other protocols beside the server tell of themselves (server.h has their calls).
 *
 * Threads: any.
 */
#ifndef STRATA_APP_SERVER_BESIDE_H
#define STRATA_APP_SERVER_BESIDE_H

#include "app/cmd/server_api.h"

void beside_api_http_counts(struct cmd_server *api, struct cmd_http_counts *ret_counts);

#endif
