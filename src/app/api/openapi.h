/* app/api/openapi.h: the description of the routes as OpenAPI 3.1, made of spec/http.yaml.
 *
 * Threads: constants.
 */
#ifndef STRATA_APP_API_OPENAPI_H
#define STRATA_APP_API_OPENAPI_H

#include <stddef.h>

extern const char openapi_document[];
extern const size_t openapi_document_size;

#endif
