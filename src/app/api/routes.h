/* app/api/routes.h: the routes, made of spec/http.yaml; a path with a parameter stands behind those that are longer or have none.
 *
 * Threads: constants.
 */
#ifndef STRATA_APP_API_ROUTES_H
#define STRATA_APP_API_ROUTES_H

#include "app/api/call.h"

extern const struct api_route api_routes[];
extern const uint32_t api_route_count;
/* PURGE of a path that has no other. */
extern const struct api_route api_purge_route;

#endif
