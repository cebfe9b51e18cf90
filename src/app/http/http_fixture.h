/* app/http/http_fixture.h: for tests: a connection over a pair of sockets, a clock that the test moves, and a handler that notes what it is told.
 *
 *     PUT /x 11 [body] gone room            in `said`
 *
 * The handler answers /now at once, with the body or "ok"; whatever else is asked stands in `open` until the test answers.
 */
#ifndef STRATA_APP_HTTP_HTTP_FIXTURE_H
#define STRATA_APP_HTTP_HTTP_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/http/connection.h"
#include "scarce.h"
#include "unit.h"

enum { FIXTURE_OPEN_MAX = 256, FIXTURE_TURNS = 12 };

static uint64_t fixture_now_ms;
static uint64_t fixture_clock(void) { return fixture_now_ms; }
static int64_t fixture_unix_s(void) { return 784111777; }

struct fixture {
    struct scarce scarce;
    struct http_service service;
    struct http_loop *loop;
    int client;
    bool closed; /* by the server */
    struct buf received, said;
    struct http_exchange *open[FIXTURE_OPEN_MAX];
    uint32_t open_count;
};

static inline void fixture_say(struct fixture *fixture, struct slice text) {
    assert_int_equal(buf_append_slice(&fixture->said, text), STATUS_OK);
}

static inline void fixture_begin(void *context, struct http_exchange *exchange, const struct http_request *request) {
    struct fixture *fixture = context;
    char version[16];
    snprintf(version, sizeof version, " %u [", request->version);
    fixture_say(fixture, request->method);
    fixture_say(fixture, SLICE(" "));
    fixture_say(fixture, request->target);
    fixture_say(fixture, slice_from_string(version));
    fixture_say(fixture, slice_part(request->body, 0, 64));
    fixture_say(fixture, SLICE("] "));
    if (slice_equal(request->path, SLICE("/now"))) {
        http_respond(exchange, 200, NULL, 0, request->body.size ? request->body : SLICE("ok"));
        return;
    }
    assert_true(fixture->open_count < FIXTURE_OPEN_MAX);
    fixture->open[fixture->open_count++] = exchange;
}

static inline void fixture_gone(void *context, struct http_exchange *exchange) {
    struct fixture *fixture = context;
    fixture_say(fixture, SLICE("gone "));
    for (uint32_t i = 0; i < fixture->open_count; i++)
        if (fixture->open[i] == exchange)
            fixture->open[i] = NULL;
}

static inline void fixture_room(void *context, struct http_exchange *exchange) {
    (void)exchange;
    fixture_say(context, SLICE("room "));
}

/* A client of its own, connected to the same service. */
static inline int fixture_connect(struct fixture *fixture) {
    int ends[2];
    struct http_connection *connection;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    if (http_connection_open(&fixture->service, ends[1], NULL, &connection) != STATUS_OK)
        assert_true(fixture->scarce.failed);
    return ends[0];
}

static inline void fixture_init(struct fixture *fixture) {
    static const struct slice hosts[] = {{(const uint8_t *)"localhost", 9}};
    *fixture = (struct fixture){.client = -1};
    fixture_now_ms = 1000000;
    const struct memory *memory = scarce_begin(&fixture->scarce, SCARCE_NEVER);
    buf_init(&fixture->received, &memory_libc);
    buf_init(&fixture->said, &memory_libc);
    assert_int_equal(http_loop_new(&memory_libc, fixture_clock, &fixture->loop), STATUS_OK);
    fixture->service = (struct http_service){
        .memory = memory,
        .loop = fixture->loop,
        .handler = {fixture, fixture_begin, fixture_gone, fixture_room},
        .limits = {.body_max = 100000,
                   .held_max = 4 * 1024 * 1024,
                   .unread_max = 2 * 1024 * 1024,
                   .connections_max = 10},
        .hosts = hosts,
        .host_count = 1,
        .unix_s = fixture_unix_s,
    };
    fixture->client = fixture_connect(fixture);
}

/* What has come to the client; it does not read more than it is told to. */
static inline void fixture_take(struct fixture *fixture, size_t size_max) {
    uint8_t room[65536];
    while (size_max && fixture->client >= 0) {
        ssize_t got = recv(fixture->client, room, size_max < sizeof room ? size_max : sizeof room, MSG_DONTWAIT);
        if (got <= 0) {
            fixture->closed |= got == 0 || (errno != EAGAIN && errno != EINTR);
            return;
        }
        assert_int_equal(buf_append(&fixture->received, room, (size_t)got), STATUS_OK);
        size_max -= (size_t)got;
    }
}

static inline void fixture_turn_unread(struct fixture *fixture) {
    for (int i = 0; i < FIXTURE_TURNS; i++)
        http_loop_turn(fixture->loop, 0);
}

static inline void fixture_turn(struct fixture *fixture) {
    for (int i = 0; i < FIXTURE_TURNS; i++) {
        http_loop_turn(fixture->loop, 0);
        fixture_take(fixture, SIZE_MAX);
    }
}

static inline void fixture_pass(struct fixture *fixture, uint64_t ms) {
    fixture_now_ms += ms;
    fixture_turn(fixture);
}

/* All of it, with turns in between when the socket is full. */
static inline void fixture_send(struct fixture *fixture, struct slice bytes) {
    size_t at = 0;
    for (int stuck = 0; at < bytes.size && stuck < 3;) {
        ssize_t sent = send(fixture->client, bytes.data + at, bytes.size - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        stuck = sent > 0 ? 0 : stuck + 1;
        at += sent > 0 ? (size_t)sent : 0;
        if (sent < 0)
            fixture_turn(fixture);
    }
    fixture_turn(fixture);
}

#define SEND(fixture, text) fixture_send(fixture, SLICE(text))

/* The client goes away. */
static inline void fixture_leave(struct fixture *fixture) {
    close(fixture->client);
    fixture->client = -1;
    fixture_turn(fixture);
}

static inline void fixture_fini(struct fixture *fixture) {
    if (fixture->client >= 0)
        close(fixture->client);
    http_service_cut(&fixture->service);
    fixture_turn_unread(fixture);
    assert_int_equal(fixture->service.count, 0);
    assert_int_equal(atomic_load(&fixture->service.counts.held_bytes), 0);
    assert_int_equal(fixture->scarce.held, 0);
    http_loop_free(fixture->loop);
    buf_fini(&fixture->received);
    buf_fini(&fixture->said);
}

static inline bool fixture_has(const struct buf *buf, const char *text) {
    return buf->size && memmem(buf->data, buf->size, text, strlen(text)) != NULL;
}

static inline uint32_t fixture_count(const struct buf *buf, const char *text) {
    uint32_t count = 0;
    const uint8_t *at = buf->data, *end = buf->data + buf->size;
    while (buf->size && (at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
        count++;
        at++;
    }
    return count;
}

static inline void fixture_expect_said(struct fixture *fixture, const char *wanted) {
    if (!slice_equal(buf_slice(&fixture->said), slice_from_string(wanted)))
        fail_msg("the handler was told '%.*s' and not '%s'", (int)fixture->said.size,
                 fixture->said.size ? (const char *)fixture->said.data : "", wanted);
    buf_clear(&fixture->said);
}

#endif
