/* app/api/api.h: the JSON API behind HTTP: keys, invalidation, tags, events, statistics.
 *
 * Whoever serves HTTP makes one of these and hands its handler to the transport. What requests ask for is asked of the workers as a client asks
 * (link.h), so rights, limits and logs are those of commands. Only what concerns the process itself (livez, readyz, health, openapi.json) is answered here.
 *
 * Threads: all of it by the one that serves HTTP.
 * Memory:  a request's until its exchange ends; links; a copy of the settings.
 */
#ifndef STRATA_APP_API_API_H
#define STRATA_APP_API_API_H

#include "app/config/config.h"
#include "app/http/exchange.h"
#include "app/http/http_loop.h"

struct api;
struct server;

MUST_CHECK enum status api_new(struct server *server, struct http_loop *loop, const struct config_values *values,
                               struct api **ret_api);
/* When all exchanges have ended. */
void api_free(struct api *api);

struct http_handler api_handler(struct api *api);

#endif
