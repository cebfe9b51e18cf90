/* app/http/connection.h: one connection of HTTP and its exchanges.
 *
 *     socket, TLS <-> in, out (here) <-> HTTP/1.1 (http1.h) or HTTP/2 (http2.h) <-> exchanges (exchange.c) <-> handler
 *
 * Whatever happens to it, be it that bytes have come or that a handler has answered, it is settled once at the end of the loop's turn: requests are read and handed over, answers
 * are sent, the loop is told what is waited for, and until when. There, too, one that has ended is freed, after its handlers were told.
 *
 * Threads: the one of HTTP.
 * Memory:  `in` only while something stands in it; `out` likewise.
 */
#ifndef STRATA_APP_HTTP_CONNECTION_H
#define STRATA_APP_HTTP_CONNECTION_H

#include "app/http/http.h"
#include "app/http/service.h"
#include "base/buf.h"
#include "core/http/http_body.h"
#include "core/http/http_request.h"
#include "sys/os/socket.h"
#include "sys/tls/tls.h"

enum {
    HTTP_IN_SIZE = 64 * 1024,   /* received and not looked at: beyond it nothing is read */
    HTTP_READ_SIZE = 16 * 1024, /* of an idle connection */
    HTTP_LINGER_SIZE = 1024 * 1024,
    HTTP_HELD_ALWAYS = 64 * 1024,    /* that a connection may hold, whatever others do */
    HTTP_OUT_MARK = HTTP_UNSENT_MAX, /* with more to be sent no request is begun, and HTTP/2 makes no frames */
};

enum http_spoken { HTTP_SPOKEN_UNKNOWN, HTTP_SPOKEN_1, HTTP_SPOKEN_2 };

enum http_exchange_state {
    EXCHANGE_RECEIVED, /* part by part */
    EXCHANGE_WAITS,    /* whole, to be handed over */
    EXCHANGE_OPEN,     /* the handler has it */
    EXCHANGE_STARTED,  /* the same, and it has begun to answer */
    EXCHANGE_ENDED,    /* the handler has nothing to do with it any more */
};

struct http_exchange {
    struct http_connection *connection;
    struct http_exchange *next, **place; /* of the connection */
    void *data;                          /* the handler's */
    struct http_request request;
    struct buf bytes; /* of the head */
    struct buf body;
    struct http_field *fields;
    uint32_t field_capacity;
    uint32_t head_held;   /* bytes of the head, as far as they are counted */
    uint8_t state;        /* enum http_exchange_state */
    bool bodiless;        /* the answer has no body, whatever is sent */
    bool closes;          /* HTTP/1: the connection ends with it */
    bool full;            /* more was unsent than should be; the handler is to be told of room */
    bool refused;         /* by the transport: what comes of its body is thrown away */
    uint64_t since_ms;    /* the body is being received; HTTP/2: the answer is being taken, or it lingers */
    uint64_t moved;       /* bytes since then */
    struct http_body one; /* HTTP/1 */
    int32_t stream;       /* HTTP/2, as all that follows */
    struct buf answer;
    size_t answer_sent;
    bool answer_whole, deferred, head_too_large;
    bool lingers; /* it is answered, and the client still sends the request */
    uint64_t head_size;
    struct slice scheme;
};

struct http2;

struct http_connection {
    struct http_source source; /* first */
    struct http_timer timer;
    struct http_task task;
    struct http_service *service;
    struct http_connection *next, **place;
    struct tls_stream *tls; /* NULL: plain */
    uint8_t spoken;         /* enum http_spoken */
    bool ready;             /* the handshake is over, if there is one */
    bool ended;             /* by the client: it sends no more */
    bool closing;           /* when `out` is sent */
    bool lingers;           /* all is sent and said; what still comes is thrown away */
    bool dead;
    char client[SOCKET_TEXT_SIZE];
    char user[TLS_NAME_MAX + 1]; /* empty: none */
    struct buf in, out;
    size_t in_at, out_at; /* what stands before is done with */
    uint64_t since_ms;    /* HTTP/1: idle, or in a head; HTTP/2: idle */
    uint64_t out_since_ms, out_taken;
    uint64_t lingers_until_ms, lingered;
    uint64_t bodies; /* bytes of its requests' bodies */
    uint64_t held;   /* bytes of heads, bodies and answers that were not taken */
    struct http_exchange *exchanges;
    uint32_t exchange_count;
    struct http_parser parser; /* HTTP/1 */
    struct http2 *two;
};

/* Takes over the socket and the stream, which are closed and freed if it fails. */
MUST_CHECK enum status http_connection_open(struct http_service *service, int fd, struct tls_stream *tls,
                                            struct http_connection **ret_connection);
/* It is to be settled. */
void http_connection_touch(struct http_connection *connection);
/* Ends it at once; it is freed when it is settled. */
void http_connection_end(struct http_connection *connection);
/* Says in the log that it ends because nobody takes its answers. */
void http_connection_tell_unread(const struct http_connection *connection);
/* Ends when all is sent. */
void http_connection_close(struct http_connection *connection);
/* Appends to what is sent. False: the connection has ended, for want of memory or because too much waits. */
bool http_connection_send(struct http_connection *connection, struct slice bytes);
static inline size_t http_connection_unsent(const struct http_connection *connection) {
    return connection->out.size - connection->out_at;
}
static inline struct slice http_connection_input(const struct http_connection *connection) {
    return slice_part(buf_slice(&connection->in), connection->in_at, SIZE_MAX);
}
static inline uint64_t http_connection_now(const struct http_connection *connection) {
    return http_loop_now_ms(connection->service->loop);
}

/* Bytes that it holds, or does not any more. */
static inline void http_connection_hold(struct http_connection *connection, uint64_t size) {
    connection->held += size;
    atomic_fetch_add_explicit(&connection->service->counts.held_bytes, size, memory_order_relaxed);
}
static inline void http_connection_drop(struct http_connection *connection, uint64_t size) {
    connection->held -= size;
    atomic_fetch_sub_explicit(&connection->service->counts.held_bytes, size, memory_order_relaxed);
}
/* Whether so much more may be held. What others hold does not count for who has little. */
static inline bool http_connection_has_room(const struct http_connection *connection, uint64_t size) {
    const struct http_service *service = connection->service;
    return connection->held + size <= HTTP_HELD_ALWAYS ||
           atomic_load_explicit(&service->counts.held_bytes, memory_order_relaxed) + size <= service->limits.held_max;
}

/* ------------------------------------------------------------------------------------ exchange.c */

/* NULL: no memory. */
struct http_exchange *http_exchange_new(struct http_connection *connection);
/* Tells the handler, if it does not know that it has ended. */
void http_exchange_free(struct http_exchange *exchange);
/* Appends to the body. 0, or the status with which it is refused; `ret_reason` says why. */
uint16_t http_exchange_receive(struct http_exchange *exchange, struct slice part, const char **ret_reason);
/* The head is whole: whether it may be answered by a handler; 0, or a status as above. What it takes counts from here on. */
uint16_t http_exchange_judge(struct http_exchange *exchange, const char **ret_reason);
/* The request is whole: to the handler. */
void http_exchange_begin(struct http_exchange *exchange);
/* By the transport itself; in HTTP/1 the connection ends with it. */
void http_exchange_refuse(struct http_exchange *exchange, uint16_t status, const char *reason);
/* The handler is told if there is room again. */
void http_exchange_tell_room(struct http_exchange *exchange);

/* What is sent as head: what the handler gives but for what is ours, and ours. */
enum { HTTP_OUR_FIELDS = 4 };
uint32_t http_exchange_fields(struct http_exchange *exchange, const struct http_field *fields, uint32_t count,
                              struct http_field ret_fields[HTTP_ANSWER_FIELDS_MAX + HTTP_OUR_FIELDS]);

#endif
