/* app/server/server_cache.h: the server's cache: how much of the machine it may take, and whom it calls.
 *
 * Threads: before the workers run.
 * Memory:  an address range of its own or a file in memory (image.h); image_close gives it back.
 */
#ifndef STRATA_APP_SERVER_SERVER_CACHE_H
#define STRATA_APP_SERVER_SERVER_CACHE_H

#include "app/server/state.h"

/* Opens server->cache as the configuration wants it. The log says what does not fit. */
MUST_CHECK enum status server_cache_open(struct server *server);

#endif
