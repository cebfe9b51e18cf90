#include "app/link/server_link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/terminal_text.h"
#include "core/cache/cache.h"
#include "sys/os/clock.h"
#include "sys/os/socket.h"

enum { CONNECT_MS = 5000, PIECE = 256 * 1024, WORDS_MAX = 8, KEEP = 1 << 20, ARENA_CHUNK = 64 * 1024 };

static bool fail(struct server_link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct server_link *link, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(link->problem, sizeof link->problem, format, arguments);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ bytes */

static bool broke(struct server_link *link) {
    return fail(link, "the connection to the server broke: %s", link->tls ? tls_reason(link->tls) : strerror(errno));
}

/* STATUS_AGAIN: not now. */
static enum status send_some(struct server_link *link, struct slice bytes, size_t *ret_size) {
    *ret_size = 0;
    if (link->tls) {
        const struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.size};
        return tls_write(link->tls, &piece, 1, ret_size);
    }
    for (;;) {
        ssize_t size = send(link->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (size >= 0) {
            *ret_size = (size_t)size;
            return STATUS_OK;
        }
        if (errno != EINTR)
            return errno == EAGAIN ? STATUS_AGAIN : STATUS_IO;
    }
}

static enum status receive_some(struct server_link *link, void *room, size_t room_size, size_t *ret_size) {
    *ret_size = 0;
    if (link->tls)
        return tls_read(link->tls, room, room_size, ret_size);
    for (;;) {
        ssize_t size = recv(link->fd, room, room_size, 0);
        if (size > 0) {
            *ret_size = (size_t)size;
            return STATUS_OK;
        }
        if (size == 0)
            return STATUS_CLOSED;
        if (errno != EINTR)
            return errno == EAGAIN ? STATUS_AGAIN : STATUS_IO;
    }
}

short server_link_events(const struct server_link *link, bool has_bytes) {
    bool writes = has_bytes || (link->tls && tls_waits_to_write(link->tls));
    return (short)(writes ? POLLIN | POLLOUT : POLLIN);
}

static bool wait_for(const struct server_link *link, short events, int timeout_ms) {
    struct pollfd wanted = {.fd = link->fd, .events = events};
    int ready;
    do
        ready = poll(&wanted, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool server_link_push(struct server_link *link, struct slice bytes, size_t *ret_size) {
    enum status status = send_some(link, bytes, ret_size);
    return status == STATUS_OK || status == STATUS_AGAIN || broke(link);
}

bool server_link_send(struct server_link *link) {
    size_t sent = 0, size;
    while (sent < link->out.size) {
        if (!server_link_push(link, slice_part(buf_slice(&link->out), sent, SIZE_MAX), &size))
            return false;
        sent += size;
        if (size == 0) /* TLS may want to read first */
            MAYBE(!wait_for(link, link->tls ? server_link_events(link, true) : POLLOUT, -1));
    }
    buf_clear(&link->out);
    buf_shrink(&link->out, KEEP);
    return true;
}

/* STATUS_AGAIN as success, with nothing received. */
static bool pull(struct server_link *link, bool *ret_came) {
    size_t size;
    buf_consume(&link->in, link->taken);
    link->taken = 0;
    buf_shrink(&link->in, KEEP);
    if (buf_reserve(&link->in, PIECE) != STATUS_OK)
        return fail(link, "there is not enough memory for a reply");
    enum status status = receive_some(link, link->in.data + link->in.size, link->in.capacity - link->in.size, &size);
    link->in.size += size;
    *ret_came = size > 0;
    if (status == STATUS_CLOSED)
        return fail(link, "the server has closed the connection");
    return status == STATUS_OK || status == STATUS_AGAIN || broke(link);
}

bool server_link_pull(struct server_link *link) {
    bool came;
    return pull(link, &came);
}

static bool receive(struct server_link *link) {
    for (;;) {
        bool came = false;
        if (!pull(link, &came))
            return false;
        if (came)
            return true;
        MAYBE(!wait_for(link, server_link_events(link, false), -1));
    }
}

/* ------------------------------------------------------------------------------------------ requests and replies */

bool server_link_add(struct server_link *link, const struct slice *words, size_t count) {
    return resp_request_write(&link->out, words, count) == STATUS_OK || fail(link, "there is not enough memory");
}

bool server_link_take(struct server_link *link, struct resp_value *ret_reply, bool *ret_there) {
    struct resp_reply_item item;
    struct slice input = slice_part(buf_slice(&link->in), link->taken, SIZE_MAX);
    *ret_there = false;
    arena_reset(&link->arena);
    enum resp_reply_result result = resp_reply_skip(&link->scanner, input, &item);
    if (result == RESP_REPLY_ERROR)
        return fail(link, "what the server says is not RESP: %s", link->scanner.error);
    if (result != RESP_REPLY_DONE)
        return true;
    struct slice reply = slice_make(link->in.data + link->taken, item.size);
    link->taken += item.size;
    *ret_there = true;
    return resp_reply_build(reply, &link->arena, ret_reply) == STATUS_OK ||
           fail(link, "there is not enough memory for a reply");
}

bool server_link_read(struct server_link *link, struct resp_value *ret_reply) {
    for (;;) {
        bool there;
        if (!server_link_take(link, ret_reply, &there))
            return false;
        if (there)
            return true;
        if (!receive(link))
            return false;
    }
}

bool server_link_is_due(const struct server_link *link, int timeout_ms) {
    return link->in.size > link->taken || (link->tls && tls_has_more(link->tls)) ||
           wait_for(link, server_link_events(link, false), timeout_ms);
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
    char shown[300];
    terminal_text_copy(reply.text, shown, sizeof shown);
    return !resp_type_is_error(reply.type) || fail(link, "the server answers: %s", shown);
}

static bool introduce(struct server_link *link, const struct server_place *place) {
    char digits[16];
    if (place->password) {
        struct slice words[3] = {SLICE("AUTH")};
        size_t count = 1;
        if (place->user)
            words[count++] = slice_from_string(place->user);
        words[count++] = slice_from_string(place->password);
        if (!ask_well(link, words, count))
            return false;
    }
    if (place->protocol) {
        const struct slice hello[] = {SLICE("HELLO"), slice_from_string(place->protocol == 3 ? "3" : "2")};
        if (!ask_well(link, hello, 2))
            return false;
    }
    snprintf(digits, sizeof digits, "%d", place->db);
    const struct slice select[] = {SLICE("SELECT"), slice_from_string(digits)};
    if (place->db && !ask_well(link, select, 2))
        return false;
    const struct slice service[] = {SLICE("CLIENT"), SLICE("SERVICE"),
                                    slice_from_string(place->service ? place->service : "")};
    return !place->service || ask_well(link, service, 3);
}

static bool shake_hands(struct server_link *link) {
    uint64_t end_ms = clock_steady_ms() + TLS_HANDSHAKE_MS_MAX;
    for (;;) {
        size_t nothing;
        tls_continue(link->tls);
        if (tls_is_ready(link->tls))
            return true;
        if (tls_read(link->tls, NULL, 0, &nothing) == STATUS_IO)
            return fail(link, "no connection over TLS: %s", tls_reason(link->tls));
        uint64_t now_ms = clock_steady_ms();
        if (now_ms >= end_ms || !wait_for(link, server_link_events(link, false), (int)(end_ms - now_ms)))
            return fail(link, "no connection over TLS: the server does not answer the handshake");
    }
}

static bool begin_tls(struct server_link *link, const struct server_place *place) {
    const struct server_trust *trust = &place->tls;
    const struct tls_options options = {.client = true,
                                        .certificate_path = trust->certificate,
                                        .key_path = trust->key,
                                        .authorities_path = trust->authorities,
                                        .authorities_folder = trust->authorities_folder,
                                        .ciphers = trust->ciphers,
                                        .suites = trust->suites,
                                        .unverified = trust->insecure};
    struct tls_material *material;
    char reason[TLS_REASON_SIZE];
    signal(SIGPIPE, SIG_IGN);
    if (tls_material_load(&options, &material, reason) != STATUS_OK)
        return fail(link, "no connection over TLS: %s", reason);
    enum status status = tls_context_new(material, &link->tls_context);
    tls_material_unref(material);
    const char *name = trust->name     ? trust->name
                       : place->socket ? "localhost"
                       : place->host   ? place->host
                                       : "127.0.0.1";
    if (status == STATUS_OK)
        link->tls = tls_connect(link->tls_context, link->fd, name);
    else
        link->tls_context = NULL;
    return link->tls ? shake_hands(link) : fail(link, "no connection over TLS: there is not enough memory");
}

void server_place_text(const struct server_place *place, char *ret_text, size_t size) {
    const char *host = place->host ? place->host : "127.0.0.1";
    if (place->socket)
        snprintf(ret_text, size, "%s", place->socket);
    else
        snprintf(ret_text, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
                 place->port ? place->port : SERVER_LINK_PORT);
}

bool server_link_open(struct server_link *link, const struct server_place *place) {
    const char *host = place->host ? place->host : "127.0.0.1";
    uint16_t port = place->port ? place->port : SERVER_LINK_PORT;
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
    return (!place->tls.used || begin_tls(link, place)) && introduce(link, place);
}

void server_link_close(struct server_link *link) {
    if (link->tls)
        tls_end(link->tls);
    tls_free(link->tls);
    if (link->tls_context)
        tls_context_free(link->tls_context);
    link->tls = NULL;
    link->tls_context = NULL;
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    buf_fini(&link->out);
    buf_fini(&link->in);
    arena_fini(&link->arena);
}
