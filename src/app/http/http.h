/* app/http/http.h: HTTP/1.1 and HTTP/2, plain and over TLS, served by one thread beside the workers.
 *
 *     http_open(&config, &http)          ports are taken
 *     http_run(http, server, &handler)   the thread runs; requests go to the handler (exchange.h)
 *     http_stop(http)                    no new connections; who is being answered has the server's time for stopping
 *     http_free(http)                    after the server was freed
 *
 * On the plain port the first bytes say which version is spoken, on that of TLS the handshake does (ALPN).
 *
 * Threads: open, run, stop and free by one; the handler by the thread that http_run starts.
 * Memory:  what clients make it hold, requests and unread answers, is bounded for each and for all (`http-max-memory`).
 * Time:    who does not come to an end is cut: HTTP_..._MS_MAX.
 * Errors:  a sentence on standard error or in the log.
 */
#ifndef STRATA_APP_HTTP_HTTP_H
#define STRATA_APP_HTTP_HTTP_H

#include "app/config/config.h"
#include "app/http/exchange.h"
#include "base/status.h"

enum {
    HTTP_STREAMS_MAX = 100,      /* requests side by side on a connection of HTTP/2 */
    HTTP_ANSWER_FIELDS_MAX = 64, /* that a handler may give */
    HTTP_HEAD_MS_MAX = 10000,    /* from the first byte of a head to its end */
    HTTP_BODY_MS_MAX = 10000,    /* for a body, and a millisecond more for each byte that has come */
    HTTP_IDLE_MS_MAX = 60000,    /* between requests */
    HTTP_UNREAD_MS_MAX = 30000,  /* for taking an answer, and a millisecond more for each byte that was taken */
    HTTP_LINGER_MS_MAX = 2000,   /* for reading why it was refused */
};

struct http;
struct http_loop;
struct server;

/* Nothing is configured: STATUS_OK, and all of this does nothing. STATUS_BUSY: an address is taken. */
MUST_CHECK enum status http_open(const struct config *config, struct http **ret_http);
/* The loop for what a handler watches besides; before http_run. NULL: nothing is served. */
struct http_loop *http_loop_of(struct http *http);
MUST_CHECK enum status http_run(struct http *http, struct server *server, const struct http_handler *handler);
void http_stop(struct http *http);
void http_free(struct http *http);

/* 0: none. */
uint16_t http_port(const struct http *http);
uint16_t http_tls_port(const struct http *http);

/* Answers /livez, and 404 else. */
extern const struct http_handler http_handler_plain;

#endif
