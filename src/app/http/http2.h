/* app/http/http2.h: HTTP/2 on a connection, by nghttp2.
 *
 * What a client can make it hold or do is bounded: streams and heads by settings, bodies as of any connection, frames that are waiting to be sent by reading no more until they are taken,
 * and frames to no purpose (resets, settings, pings, empty data) by ending the connection.
 *
 * Threads: the one of HTTP.
 * Memory:  nghttp2's comes from the service's allocator, too.
 */
#ifndef STRATA_APP_HTTP_HTTP2_H
#define STRATA_APP_HTTP_HTTP2_H

#include "app/http/connection.h"

/* The connection speaks HTTP/2 from here on. */
MUST_CHECK enum status http2_begin(struct http_connection *connection);
void http2_end(struct http_connection *connection);
/* No more requests. */
void http2_stop(struct http_connection *connection);
void http2_step(struct http_connection *connection);
/* Bytes of answers that are no frames yet. */
uint64_t http2_unsent(const struct http_connection *connection);
/* Whether more may be read. */
bool http2_wants_input(const struct http_connection *connection);
uint64_t http2_due_ms(const struct http_connection *connection);
void http2_too_slow(struct http_connection *connection);

/* As in exchange.h. */
void http2_respond(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                   struct slice body);
void http2_start(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count);
void http2_send(struct http_exchange *exchange, struct slice bytes);
void http2_finish(struct http_exchange *exchange);
void http2_abort(struct http_exchange *exchange);

#endif
