#include "app/http/connection.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "app/http/http1.h"
#include "app/http/http2.h"
#include "base/assert.h"
#include "sys/os/log.h"

enum {
    OUT_KEPT_SIZE = 16 * 1024,
    OUT_DONE_SIZE = 1024 * 1024,
    FLUSH_SIZE_MAX = 4 * 1024 * 1024, /* in a turn: others have theirs */
};

static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_SIZE = sizeof preface - 1 };

static void on_ready(struct http_source *source, uint32_t ready);
static void on_due(struct http_timer *timer);
static void settle(struct http_task *task);

/* ------------------------------------------------------------------------------------ its life */

enum status http_connection_open(struct http_service *service, int fd, struct tls_stream *tls,
                                 struct http_connection **ret_connection) {
    struct http_connection *connection = memory_take(service->memory, sizeof *connection);
    if (!connection) {
        tls_free(tls);
        close(fd);
        return STATUS_NO_MEMORY;
    }
    *connection = (struct http_connection){.source = {.source = {.fd = fd}, .ready = on_ready},
                                           .timer = {.due = on_due},
                                           .task = {.run = settle},
                                           .service = service,
                                           .tls = tls,
                                           .ready = tls == NULL};
    buf_init(&connection->in, service->memory);
    buf_init(&connection->out, service->memory);
    http_parser_init(&connection->parser);
    connection->since_ms = http_connection_now(connection);
    socket_peer_text(fd, connection->client);
    enum status status = http_loop_watch(service->loop, &connection->source, LOOP_READ);
    if (status != STATUS_OK) {
        tls_free(tls);
        close(fd);
        memory_give(service->memory, connection, sizeof *connection);
        return status;
    }
    connection->next = service->first;
    connection->place = &service->first;
    if (connection->next)
        connection->next->place = &connection->next;
    service->first = connection;
    service->count++;
    HTTP_COUNT(service, connections);
    http_connection_touch(connection);
    *ret_connection = connection;
    return STATUS_OK;
}

void http_connection_touch(struct http_connection *connection) {
    http_loop_later(connection->service->loop, &connection->task);
}

/* Who speaks HTTP in the clear to a port for TLS hears so in the clear, and not that the connection broke. What he has sent is read away, so that the answer
 * gets there. */
static void answer_in_clear(const struct http_connection *connection) {
    char text[HTTP_PROBLEM_MAX], answer[2 * HTTP_PROBLEM_MAX];
    const int fd = connection->source.source.fd;
    size_t size = http_problem(400, "this port speaks HTTPS: ask for https:// and not for http://", text);
    int all = snprintf(answer, sizeof answer,
                       "HTTP/1.1 400 %s\r\ncontent-type: application/problem+json\r\ncontent-length: %zu\r\n"
                       "connection: close\r\n\r\n%s",
                       http_reason(400), size, text);
    MAYBE(send(fd, answer, (size_t)all, MSG_NOSIGNAL | MSG_DONTWAIT) < 0);
    MAYBE(recv(fd, answer, sizeof answer, MSG_DONTWAIT) < 0);
}

void http_connection_end(struct http_connection *connection) {
    if (connection->dead)
        return;
    struct http_service *service = connection->service;
    connection->dead = true;
    if (connection->tls && !connection->ready) {
        HTTP_COUNT(service, handshakes_failed);
        log_verbose("TLS with %s has not come about: %s", connection->client, tls_reason(connection->tls));
        if (tls_met_http(connection->tls))
            answer_in_clear(connection);
    }
    http_loop_forget(service->loop, &connection->source);
    http_loop_clear(service->loop, &connection->timer);
    tls_free(connection->tls);
    connection->tls = NULL;
    close(connection->source.source.fd);
    connection->source.source.fd = -1;
    http_connection_touch(connection);
}

static void bury(struct http_connection *connection) {
    struct http_service *service = connection->service;
    http2_end(connection);
    while (connection->exchanges)
        http_exchange_free(connection->exchanges);
    if (connection->task.waits) /* a handler has said something meanwhile; it comes to nothing next time */
        return;
    *connection->place = connection->next;
    if (connection->next)
        connection->next->place = connection->place;
    service->count--;
    atomic_fetch_sub_explicit(&service->counts.connections, 1, memory_order_relaxed);
    http_connection_drop(connection, http_connection_unsent(connection));
    buf_fini(&connection->in);
    buf_fini(&connection->out);
    memory_give(service->memory, connection, sizeof *connection);
}

void http_connection_close(struct http_connection *connection) {
    connection->closing = true;
    http_connection_touch(connection);
}

/* -------------------------------------------------------------------------------------- output */

void http_connection_tell_unread(const struct http_connection *connection) {
    log_event(LOG_WARNING, "http_client_closed", LOG_FIELDS(log_text("address", connection->client)),
              "Closing an HTTP connection of %s: too many bytes of answers wait for being taken", connection->client);
}

bool http_connection_send(struct http_connection *connection, struct slice bytes) {
    struct http_service *service = connection->service;
    size_t unsent = http_connection_unsent(connection);
    if (connection->dead)
        return false;
    if (unsent + bytes.size > service->limits.unread_max || !http_connection_has_room(connection, bytes.size)) {
        HTTP_COUNT(service, unread);
        http_connection_tell_unread(connection);
        http_connection_end(connection);
        return false;
    }
    if (unsent == 0) {
        connection->out_since_ms = http_connection_now(connection);
        connection->out_taken = 0;
    }
    if (buf_append_slice(&connection->out, bytes) != STATUS_OK) {
        http_connection_end(connection);
        return false;
    }
    http_connection_hold(connection, bytes.size);
    return true;
}

/* As send does; -1 with errno. */
static ssize_t write_some(struct http_connection *connection) {
    struct iovec piece = {connection->out.data + connection->out_at, http_connection_unsent(connection)};
    size_t taken;
    if (!connection->tls)
        return send(connection->source.source.fd, piece.iov_base, piece.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    enum status status = tls_write(connection->tls, &piece, 1, &taken);
    if (status == STATUS_OK)
        return (ssize_t)taken;
    errno = status == STATUS_AGAIN ? EAGAIN : EPIPE;
    return -1;
}

static void tidy_output(struct http_connection *connection) {
    if (http_connection_unsent(connection) == 0) {
        buf_clear(&connection->out);
        buf_shrink(&connection->out, connection->exchanges ? OUT_KEPT_SIZE : 0);
        connection->out_at = 0;
    } else if (connection->out_at > OUT_DONE_SIZE && connection->out_at > connection->out.size / 2) {
        buf_consume(&connection->out, connection->out_at);
        connection->out_at = 0;
    }
}

static void flush(struct http_connection *connection) {
    for (uint64_t until = connection->out_taken + FLUSH_SIZE_MAX;
         http_connection_unsent(connection) > 0 && connection->out_taken < until;) {
        ssize_t sent = write_some(connection);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            http_connection_end(connection);
            return;
        }
        connection->out_at += (size_t)sent;
        connection->out_taken += (size_t)sent;
        http_connection_drop(connection, (size_t)sent);
        atomic_fetch_add_explicit(&connection->service->counts.bytes_out, (uint64_t)sent, memory_order_relaxed);
    }
    if (!connection->dead)
        tidy_output(connection);
}

/* Whoever is refused is to read why: closing a socket in which bytes wait would take that from it. */
static void linger(struct http_connection *connection) {
    if (connection->tls)
        tls_end(connection->tls);
    if (connection->ended || shutdown(connection->source.source.fd, SHUT_WR) != 0) {
        http_connection_end(connection);
        return;
    }
    connection->lingers = true;
    connection->lingers_until_ms = http_connection_now(connection) + HTTP_LINGER_MS_MAX;
    connection->in_at = 0;
    buf_clear(&connection->in);
}

/* --------------------------------------------------------------------------------------- input */

static bool wants_input(const struct http_connection *connection) {
    if (connection->dead || connection->ended || (connection->closing && !connection->lingers))
        return false;
    if (connection->lingers || !connection->ready)
        return true;
    if (http_connection_input(connection).size >= HTTP_IN_SIZE)
        return false;
    return connection->spoken != HTTP_SPOKEN_2 || http2_wants_input(connection);
}

/* Who has shown a certificate is the user of its name, if that is asked for. */
static void note_handshake(struct http_connection *connection) {
    struct http_service *service = connection->service;
    if (connection->ready || !tls_is_ready(connection->tls))
        return;
    connection->ready = true;
    HTTP_COUNT(service, handshakes);
    connection->since_ms = http_connection_now(connection);
    char name[TLS_NAME_MAX + 1];
    if (service->certificates != HTTP_CERTIFICATE_NOBODY &&
        tls_peer_name(connection->tls,
                      service->certificates == HTTP_CERTIFICATE_COMMON_NAME ? TLS_NAME_COMMON : TLS_NAME_URI, name))
        memcpy(connection->user, name, sizeof name);
    connection->spoken = strcmp(tls_protocol(connection->tls), "h2") == 0 ? HTTP_SPOKEN_2 : HTTP_SPOKEN_1;
    if (connection->spoken == HTTP_SPOKEN_2 && http2_begin(connection) != STATUS_OK)
        http_connection_end(connection);
}

/* As recv does: -1 with errno, 0 at the end. */
static ssize_t read_some(struct http_connection *connection, void *room, size_t size) {
    size_t got;
    if (!connection->tls)
        return recv(connection->source.source.fd, room, size, MSG_DONTWAIT);
    enum status status = tls_read(connection->tls, room, size, &got);
    note_handshake(connection);
    if (status == STATUS_OK)
        return (ssize_t)got;
    errno = status == STATUS_AGAIN ? EAGAIN : EPROTO;
    return status == STATUS_CLOSED ? 0 : -1;
}

static void throw_away(struct http_connection *connection) {
    uint8_t room[4096];
    ssize_t got = read_some(connection, room, sizeof room);
    connection->lingered += got > 0 ? (uint64_t)got : 0;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) || connection->lingered > HTTP_LINGER_SIZE)
        http_connection_end(connection);
}

static void receive(struct http_connection *connection) {
    if (!wants_input(connection))
        return;
    if (connection->lingers) {
        throw_away(connection);
        return;
    }
    bool busy = connection->exchanges || connection->in.size;
    size_t size = busy ? HTTP_IN_SIZE : HTTP_READ_SIZE;
    buf_consume(&connection->in, connection->in_at);
    connection->in_at = 0;
    if (buf_reserve(&connection->in, size) != STATUS_OK) {
        http_connection_end(connection);
        return;
    }
    ssize_t got = read_some(connection, connection->in.data + connection->in.size, size);
    if (connection->dead)
        return;
    if (got > 0) {
        connection->in.size += (size_t)got;
        atomic_fetch_add_explicit(&connection->service->counts.bytes_in, (uint64_t)got, memory_order_relaxed);
    } else if (got == 0) {
        connection->ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        http_connection_end(connection);
    }
}

static void on_ready(struct http_source *source, uint32_t ready) {
    struct http_connection *connection = (struct http_connection *)source;
    http_connection_touch(connection);
    if (connection->tls && (ready & LOOP_WRITABLE) && tls_waits_to_write(connection->tls)) {
        tls_continue(connection->tls);
        note_handshake(connection);
    }
    if (connection->dead)
        return;
    if ((ready & LOOP_BROKEN) && !wants_input(connection))
        http_connection_end(connection);
    else if (ready & (LOOP_READABLE | LOOP_BROKEN))
        receive(connection);
}

/* -------------------------------------------------------------------------------------- versions */

/* What the first bytes say. */
static void sniff(struct http_connection *connection) {
    struct slice input = http_connection_input(connection);
    size_t size = input.size < PREFACE_SIZE ? input.size : PREFACE_SIZE;
    if (memcmp(input.size ? input.data : preface, preface, size) != 0)
        connection->spoken = HTTP_SPOKEN_1;
    else if (size == PREFACE_SIZE && http2_begin(connection) != STATUS_OK)
        http_connection_end(connection);
    else if (connection->ended && size < PREFACE_SIZE)
        connection->spoken = HTTP_SPOKEN_1;
}

static void step(struct http_connection *connection) {
    if (!connection->ready || connection->lingers) {
        if (connection->ended || (!connection->ready && connection->service->stopping))
            http_connection_end(connection);
        return;
    }
    if (connection->spoken == HTTP_SPOKEN_UNKNOWN)
        sniff(connection);
    if (connection->dead)
        return;
    if (connection->spoken == HTTP_SPOKEN_1)
        http1_step(connection);
    else if (connection->spoken == HTTP_SPOKEN_2)
        http2_step(connection);
    else if (connection->service->stopping)
        http_connection_close(connection);
}

/* ----------------------------------------------------------------------------------------- time */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t unread_due_ms(const struct http_connection *connection) {
    return http_connection_unsent(connection) ? connection->out_since_ms + HTTP_UNREAD_MS_MAX + connection->out_taken
                                              : UINT64_MAX;
}

/* Of what the client is waited for. */
static uint64_t input_due_ms(const struct http_connection *connection) {
    if (connection->lingers)
        return connection->lingers_until_ms;
    if (connection->closing)
        return UINT64_MAX;
    if (!connection->ready)
        return connection->since_ms + TLS_HANDSHAKE_MS_MAX;
    return connection->spoken == HTTP_SPOKEN_2 ? http2_due_ms(connection) : http1_due_ms(connection);
}

static void set_timer(struct http_connection *connection) {
    uint64_t due_ms = earlier(unread_due_ms(connection), input_due_ms(connection));
    struct http_loop *loop = connection->service->loop;
    bool set = timer_is_set(&connection->timer.timer);
    if (due_ms == UINT64_MAX || (set && connection->timer.timer.due_ms <= due_ms))
        return; /* one that comes too early looks again */
    if (http_loop_set(loop, &connection->timer, due_ms) != STATUS_OK)
        http_connection_end(connection);
}

static void on_due(struct http_timer *timer) {
    struct http_connection *connection =
        (struct http_connection *)(void *)((uint8_t *)timer - offsetof(struct http_connection, timer));
    uint64_t now_ms = http_connection_now(connection);
    http_connection_touch(connection);
    if (unread_due_ms(connection) <= now_ms) {
        HTTP_COUNT(connection->service, unread);
        log_verbose("Closing an HTTP connection of %s: answers are not taken", connection->client);
        http_connection_end(connection);
    } else if (input_due_ms(connection) > now_ms) {
        return;
    } else if (connection->lingers || !connection->ready) {
        http_connection_end(connection);
    } else if (connection->spoken == HTTP_SPOKEN_2) {
        http2_too_slow(connection);
    } else {
        connection->spoken = HTTP_SPOKEN_1;
        http1_too_slow(connection);
    }
}

/* -------------------------------------------------------------------------------------- settling */

static void tell_room(struct http_connection *connection) {
    struct http_exchange *next;
    for (struct http_exchange *exchange = connection->exchanges; exchange && !connection->dead; exchange = next) {
        next = exchange->next;
        http_exchange_tell_room(exchange);
    }
}

static uint32_t interest(const struct http_connection *connection) {
    bool writes = http_connection_unsent(connection) > 0 || (connection->tls && tls_waits_to_write(connection->tls));
    return (wants_input(connection) ? (uint32_t)LOOP_READ : 0u) | (writes ? (uint32_t)LOOP_WRITE : 0u);
}

/* Input that stood there while an answer was waited for, or that only TLS knows of, is told of by nobody. */
static bool goes_on(const struct http_connection *connection) {
    return connection->tls && tls_has_more(connection->tls) && wants_input(connection);
}

static void tidy_input(struct http_connection *connection) {
    buf_consume(&connection->in, connection->in_at);
    connection->in_at = 0;
    if (!connection->in.size)
        buf_shrink(&connection->in, 0);
}

static void settle(struct http_task *task) {
    struct http_connection *connection =
        (struct http_connection *)(void *)((uint8_t *)task - offsetof(struct http_connection, task));
    if (!connection->dead && goes_on(connection))
        receive(connection);
    if (!connection->dead)
        step(connection);
    bool choked = http_connection_unsent(connection) >= HTTP_OUT_MARK;
    if (!connection->dead)
        flush(connection);
    if (choked && http_connection_unsent(connection) < HTTP_OUT_MARK)
        http_connection_touch(connection); /* what has waited for that goes on */
    if (!connection->dead && connection->closing && !connection->lingers && !http_connection_unsent(connection))
        linger(connection);
    if (!connection->dead)
        tell_room(connection);
    if (!connection->dead) {
        tidy_input(connection);
        if (http_loop_change(connection->service->loop, &connection->source, interest(connection)) != STATUS_OK)
            http_connection_end(connection);
    }
    if (!connection->dead)
        set_timer(connection);
    if (!connection->dead && goes_on(connection))
        http_connection_touch(connection);
    if (connection->dead && !connection->task.waits)
        bury(connection);
}
