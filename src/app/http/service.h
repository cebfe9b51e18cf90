/* app/http/service.h: what all connections of HTTP share.
 *
 * Threads: the one of HTTP; `counts` may be read by any.
 */
#ifndef STRATA_APP_HTTP_SERVICE_H
#define STRATA_APP_HTTP_SERVICE_H

#include <stdatomic.h>

#include "app/http/exchange.h"
#include "app/http/http_loop.h"
#include "core/http/http_answer.h"
#include "sys/tls/tls.h"

/* Whose name a client's certificate has. */
enum http_certificate_user { HTTP_CERTIFICATE_NOBODY, HTTP_CERTIFICATE_COMMON_NAME, HTTP_CERTIFICATE_URI };

struct http_limits {
    uint64_t body_max;   /* bytes of a request's body, and of all that a connection's requests have at once */
    uint64_t held_max;   /* bytes of bodies and of answers that were not taken, of all connections */
    uint64_t unread_max; /* bytes of answers that one client has not taken; beyond it is cut */
    uint32_t connections_max;
};

struct http_counts {
    _Atomic uint64_t connections, received, rejected; /* at present; since the start; for which there was no room */
    _Atomic uint64_t requests[3];                     /* of HTTP/1.0, 1.1, 2 */
    _Atomic uint64_t refused;                         /* requests that no handler has seen */
    _Atomic uint64_t timed_out, unread, calmed; /* connections cut: too slow; answers not taken; frames to no purpose */
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t handshakes, handshakes_failed;
    _Atomic uint64_t held_bytes;
};

struct http_connection;

struct http_service {
    const struct memory *memory;
    struct http_loop *loop;
    struct http_handler handler;
    struct http_limits limits;
    const struct slice *hosts; /* patterns of names that requests may be addressed to */
    uint32_t host_count;
    enum http_certificate_user certificates;
    int64_t (*unix_s)(void);
    struct http_counts counts;
    struct http_connection *first; /* newest first */
    uint32_t count;
    bool stopping;
    int64_t date_s; /* of `date` */
    char date[HTTP_DATE_SIZE];
};

#define HTTP_COUNT(service, name) atomic_fetch_add_explicit(&(service)->counts.name, 1, memory_order_relaxed)

/* What answers of this second are dated. */
struct slice http_service_date(struct http_service *service);
/* Connections end when what they are being answered is complete. */
void http_service_stop(struct http_service *service);
/* They end now. */
void http_service_cut(struct http_service *service);

#endif
