/* app/http/exchange.h: one HTTP request and its answer, whichever version of HTTP carries it.
 *
 *     begin(request) ── respond                               an answer that is known whole
 *                    └─ start ── send ── send ── ... ── finish     one that goes on: events, long lists
 *                    └─ ... gone                              the client went away before the answer was complete
 *
 * The handler is called with a whole request (its body too) and may answer at once or later, from the same thread. What it does in
 * between is its own: it may watch sources and timers in the loop that it is given (http_loop). Requests of a connection are
 * handed over in their order; with HTTP/1.1 the next one only after the answer before it is complete, with HTTP/2 up to
 * HTTP_STREAMS_MAX of them stand side by side.
 *
 * Threads: all of it by the one thread that serves HTTP.
 * Memory:  the request lives until the exchange ends (answered whole, or `gone`); what is sent is copied.
 * Limits:  of fields, targets, bodies and times: http.h.
 */
#ifndef STRATA_APP_HTTP_EXCHANGE_H
#define STRATA_APP_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/status.h"
#include "core/http/http_text.h"

struct http_request {
    struct slice method; /* as sent: methods are case-sensitive */
    struct slice
        target; /* path and query as sent, percent signs and all; begins with '/' ("*" of OPTIONS is answered before) */
    struct slice path, query; /* parts of `target`; `query` without '?' */
    struct slice authority;   /* of Host or :authority */
    const struct http_field *fields;
    uint32_t field_count;
    struct slice body;
    const char *client;   /* "127.0.0.1:51234" */
    const char *tls_user; /* whom the client's certificate stands for; NULL: nobody */
    bool secure;          /* over TLS */
    uint8_t version;      /* 10, 11, 20 */
};

struct http_exchange; /* with room for one pointer of the handler's */

struct http_handler {
    void *context;
    void (*begin)(void *context, struct http_exchange *exchange, const struct http_request *request);
    /* Nobody waits for this answer any more; the exchange ends with this call. Not called after respond or finish. */
    void (*gone)(void *context, struct http_exchange *exchange);
    /* There is room again, after http_unsent had been above HTTP_UNSENT_MAX; only between start and finish. */
    void (*room)(void *context, struct http_exchange *exchange);
};

enum { HTTP_UNSENT_MAX = 256 * 1024 }; /* who sends without end stops there, and goes on when told of room */

void http_exchange_set(struct http_exchange *exchange, void *data);
void *http_exchange_get(const struct http_exchange *exchange);

/* The whole answer; the exchange ends. Fields of connections and lengths are not the handler's; a HEAD gets the length and no body. */
void http_respond(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                  struct slice body);
/* An answer whose length is not known. http_send after the client has gone does nothing; `gone` is called later, not within. */
void http_start(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count);
void http_send(struct http_exchange *exchange, struct slice bytes);
/* The exchange ends. */
void http_finish(struct http_exchange *exchange);
/* The exchange ends, and the client sees that the answer is not complete (a reset, a closed connection). */
void http_abort(struct http_exchange *exchange);
/* Bytes that the client has not taken yet. */
size_t http_unsent(const struct http_exchange *exchange);

/* The value of the first field of this name (small letters); false: there is none. */
bool http_field_get(const struct http_request *request, const char *name, struct slice *ret_value);

#endif
