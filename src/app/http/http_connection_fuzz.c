/* A connection of HTTP, whatever is sent on it, in whatever pieces: nothing is read or freed twice, what it holds stays below its bounds, and nothing is left when it has gone.
 *
 * The first byte says how large the pieces are, whether the preface of HTTP/2 stands before the rest, and whether answers wait.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/http/connection.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPEN_MAX_COUNT = 64, HELD_MAX = 8 * 1024 * 1024, LATER = 64, TWO = 128 };

static uint64_t now_ms = 1000000;
static uint64_t read_clock(void) { return now_ms; }
static int64_t unix_s(void) { return 0; }

static int64_t held;

static void *resize(void *context, void *old, size_t size_old, size_t size_new) {
    (void)context;
    held += (int64_t)size_new - (int64_t)size_old;
    ASSERT(held >= 0 && held < HELD_MAX);
    return memory_libc.resize(memory_libc.context, old, size_old, size_new);
}

static const struct memory counted = {resize, NULL};

struct handler {
    struct http_exchange *open[OPEN_MAX_COUNT];
    uint32_t count;
    bool later;
};

static void answer(struct http_exchange *exchange, uint32_t way) {
    static const uint8_t bytes[3000];
    const struct http_field field = {SLICE("x"), SLICE("y")};
    if (way % 4 == 0) {
        http_respond(exchange, 404, &field, 1, slice_make(bytes, sizeof bytes));
        return;
    }
    http_start(exchange, 200, &field, 1);
    http_send(exchange, slice_make(bytes, way % 4 == 1 ? 1 : sizeof bytes));
    if (way % 4 == 3)
        http_abort(exchange);
    else
        http_finish(exchange);
}

static void begin(void *context, struct http_exchange *exchange, const struct http_request *request) {
    struct handler *handler = context;
    struct slice value;
    ASSERT(request->method.size && request->path.size && request->path.data[0] == '/');
    ASSERT(request->field_count <= HTTP_FIELDS_MAX);
    MAYBE(http_field_get(request, "host", &value));
    if (handler->later && handler->count < OPEN_MAX_COUNT)
        handler->open[handler->count++] = exchange;
    else
        answer(exchange, (uint32_t)request->target.size);
}

static void gone(void *context, struct http_exchange *exchange) {
    struct handler *handler = context;
    for (uint32_t i = 0; i < handler->count; i++)
        if (handler->open[i] == exchange)
            handler->open[i] = NULL;
}

static void room(void *context, struct http_exchange *exchange) { (void)context, (void)exchange; }

static void turn(struct http_loop *loop, int fd) {
    uint8_t received[65536];
    for (int i = 0; i < 4; i++) {
        http_loop_turn(loop, 0);
        MAYBE(recv(fd, received, sizeof received, MSG_DONTWAIT) < 0);
    }
}

static void send_all(struct http_loop *loop, int fd, struct slice bytes, size_t piece) {
    for (size_t at = 0; at < bytes.size; at += piece) {
        struct slice part = slice_part(bytes, at, piece);
        MAYBE(send(fd, part.data, part.size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0);
        turn(loop, fd);
        now_ms += 7;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct slice hosts[] = {{(const uint8_t *)"*", 1}};
    struct handler handler = {0};
    struct http_loop *loop;
    struct http_connection *connection;
    int ends[2];
    if (size == 0 || size > 16384)
        return 0;
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    ASSERT(http_loop_new(&memory_libc, read_clock, &loop) == STATUS_OK);
    struct http_service service = {
        .memory = &counted,
        .loop = loop,
        .handler = {&handler, begin, gone, room},
        .limits = {.body_max = 5000, .held_max = 1024 * 1024, .unread_max = 512 * 1024, .connections_max = 1},
        .hosts = hosts,
        .host_count = 1,
        .unix_s = unix_s,
    };
    handler.later = data[0] & LATER;
    ASSERT(http_connection_open(&service, ends[1], NULL, &connection) == STATUS_OK);
    if (data[0] & TWO)
        send_all(loop, ends[0], SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), 64);
    static const size_t pieces[] = {1, 5, 100, 16384};
    send_all(loop, ends[0], slice_make(data + 1, size - 1), pieces[data[0] & 3]);
    for (uint32_t i = 0; i < handler.count; i++)
        if (handler.open[i])
            answer(handler.open[i], i);
    turn(loop, ends[0]);
    now_ms += data[0] & 4 ? HTTP_HEAD_MS_MAX : 0;
    turn(loop, ends[0]);
    close(ends[0]);
    http_service_cut(&service);
    for (int i = 0; i < 4; i++)
        http_loop_turn(loop, 0);
    ASSERT(service.count == 0 && held == 0 && atomic_load(&service.counts.held_bytes) == 0);
    http_loop_free(loop);
    return 0;
}
