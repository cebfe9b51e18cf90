/* app/http/http1.h: HTTP/1.1 on a connection: one request after the other, also if they came together.
 *
 * Threads: the one of HTTP.
 */
#ifndef STRATA_APP_HTTP_HTTP1_H
#define STRATA_APP_HTTP_HTTP1_H

#include "app/http/connection.h"

/* Reads what has come, as far as answers do not have to be waited for. */
void http1_step(struct http_connection *connection);
/* When the client has to have come further; UINT64_MAX: nobody waits for it. */
uint64_t http1_due_ms(const struct http_connection *connection);
void http1_too_slow(struct http_connection *connection);

/* As in exchange.h. */
void http1_respond(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                   struct slice body);
void http1_start(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count);
void http1_send(struct http_exchange *exchange, struct slice bytes);
void http1_finish(struct http_exchange *exchange);

#endif
