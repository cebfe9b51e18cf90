#include "app/cli/server_link.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "core/cache/cache.h"
#include "sys/os/socket.h"

enum { CONNECT_MS = 5000, PORT = 6379, PIECE = 256 * 1024, WORDS_MAX = 8, KEEP = 1 << 20, ARENA_CHUNK = 64 * 1024 };

static bool fail(struct server_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct server_link *link, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(link->problem, sizeof link->problem, format, arguments);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ requests and replies */

bool server_link_add(struct server_link *link, const struct slice *words, size_t count) {
    return resp_request_write(&link->out, words, count) == STATUS_OK || fail(link, "there is not enough memory");
}

static bool wait_for(const struct server_link *link, short events, int timeout_ms) {
    struct pollfd wanted = {.fd = link->fd, .events = events};
    int ready;
    do
        ready = poll(&wanted, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool server_link_send(struct server_link *link) {
    size_t sent = 0;
    while (sent < link->out.size) {
        ssize_t size = send(link->fd, link->out.data + sent, link->out.size - sent, MSG_NOSIGNAL);
        if (size >= 0)
            sent += (size_t)size;
        else if (errno == EAGAIN)
            MAYBE(!wait_for(link, POLLOUT, -1));
        else if (errno != EINTR)
            return fail(link, "the connection to the server broke: %s", strerror(errno));
    }
    buf_clear(&link->out);
    buf_shrink(&link->out, KEEP);
    return true;
}

static bool receive(struct server_link *link) {
    buf_consume(&link->in, link->taken);
    link->taken = 0;
    buf_shrink(&link->in, KEEP);
    if (buf_reserve(&link->in, PIECE) != STATUS_OK)
        return fail(link, "there is not enough memory for a reply");
    for (;;) {
        ssize_t size = recv(link->fd, link->in.data + link->in.size, link->in.capacity - link->in.size, 0);
        if (size > 0) {
            link->in.size += (size_t)size;
            return true;
        }
        if (size == 0)
            return fail(link, "the server has closed the connection");
        if (errno == EAGAIN)
            MAYBE(!wait_for(link, POLLIN, -1));
        else if (errno != EINTR)
            return fail(link, "the connection to the server broke: %s", strerror(errno));
    }
}

bool server_link_read(struct server_link *link, struct resp_value *ret_reply) {
    struct resp_reply_item item;
    arena_reset(&link->arena);
    for (;;) {
        struct slice input = slice_part(buf_slice(&link->in), link->taken, SIZE_MAX);
        enum resp_reply_result result = resp_reply_skip(&link->scanner, input, &item);
        if (result == RESP_REPLY_ERROR)
            return fail(link, "what the server says is not RESP: %s", link->scanner.error);
        if (result == RESP_REPLY_DONE)
            break;
        if (!receive(link))
            return false;
    }
    struct slice reply = slice_make(link->in.data + link->taken, item.size);
    link->taken += item.size;
    return resp_reply_build(reply, &link->arena, ret_reply) == STATUS_OK ||
           fail(link, "there is not enough memory for a reply");
}

bool server_link_is_due(const struct server_link *link, int timeout_ms) {
    return link->in.size > link->taken || wait_for(link, POLLIN, timeout_ms);
}

bool server_link_ask(struct server_link *link, const char *line, struct resp_value *ret_reply) {
    struct slice words[WORDS_MAX];
    size_t count = 0;
    for (const char *at = line; *at && count < WORDS_MAX;) {
        size_t size = strcspn(at, " ");
        words[count++] = slice_make(at, size);
        at += size + (at[size] == ' ');
    }
    return server_link_add(link, words, count) && server_link_send(link) && server_link_read(link, ret_reply);
}

/* ------------------------------------------------------------------------------------------ begin and end */

static bool ask_well(struct server_link *link, const struct slice *words, size_t count) {
    struct resp_value reply;
    if (!server_link_add(link, words, count) || !server_link_send(link) || !server_link_read(link, &reply))
        return false;
    return !resp_type_is_error(reply.type) ||
           fail(link, "the server answers: %.*s", (int)(reply.text.size < 300 ? reply.text.size : 300),
                (const char *)reply.text.data);
}

static bool introduce(struct server_link *link, const struct server_place *place) {
    if (place->password) {
        struct slice words[3] = {SLICE("AUTH")};
        size_t count = 1;
        if (place->user)
            words[count++] = slice_from_string(place->user);
        words[count++] = slice_from_string(place->password);
        if (!ask_well(link, words, count))
            return false;
    }
    const struct slice service[] = {SLICE("CLIENT"), SLICE("SERVICE"),
                                    slice_from_string(place->service ? place->service : "")};
    return !place->service || ask_well(link, service, 3);
}

bool server_link_open(struct server_link *link, const struct server_place *place) {
    const char *host = place->host ? place->host : "127.0.0.1";
    uint16_t port = place->port ? place->port : PORT;
    *link = (struct server_link){.fd = -1};
    buf_init(&link->out, &memory_libc);
    buf_init(&link->in, &memory_libc);
    arena_init(&link->arena, &memory_libc, ARENA_CHUNK);
    const struct resp_reply_limits limits = {CACHE_VALUE_SIZE_MAX, 1u << 24};
    resp_reply_scanner_init(&link->scanner, &limits);
    enum status status = place->socket ? socket_connect_unix(place->socket, &link->fd)
                                       : socket_connect_tcp(host, port, CONNECT_MS, &link->fd);
    if (status != STATUS_OK)
        link->fd = -1;
    const char *why = status == STATUS_IO ? strerror(errno) : status_text(status);
    if (status != STATUS_OK && place->socket)
        return fail(link, "there is no server at %s: %s", place->socket, why);
    if (status != STATUS_OK)
        return fail(link, "there is no server at %s, port %u: %s", host, port, why);
    return introduce(link, place);
}

void server_link_close(struct server_link *link) {
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    buf_fini(&link->out);
    buf_fini(&link->in);
    arena_fini(&link->arena);
}
