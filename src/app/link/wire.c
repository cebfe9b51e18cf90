#include "app/link/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/os/clock.h"
#include "sys/os/socket.h"

enum { CONNECT_MS = 5000 };

static bool fail(char ret_problem[SERVER_PROBLEM_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(char ret_problem[SERVER_PROBLEM_SIZE], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_problem, SERVER_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ bytes */

enum status server_wire_write(struct server_wire *wire, struct slice bytes, size_t *ret_size) {
    *ret_size = 0;
    if (wire->tls) {
        const struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.size};
        return tls_write(wire->tls, &piece, 1, ret_size);
    }
    for (;;) {
        ssize_t size = send(wire->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (size >= 0) {
            *ret_size = (size_t)size;
            return STATUS_OK;
        }
        if (errno != EINTR)
            return errno == EAGAIN ? STATUS_AGAIN : STATUS_IO;
    }
}

enum status server_wire_read(struct server_wire *wire, void *room, size_t room_size, size_t *ret_size) {
    *ret_size = 0;
    if (wire->tls)
        return tls_read(wire->tls, room, room_size, ret_size);
    for (;;) {
        ssize_t size = recv(wire->fd, room, room_size, 0);
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

const char *server_wire_reason(const struct server_wire *wire) {
    return wire->tls ? tls_reason(wire->tls) : strerror(errno);
}

short server_wire_events(const struct server_wire *wire, bool has_bytes) {
    bool writes = has_bytes || (wire->tls && tls_waits_to_write(wire->tls));
    return (short)(writes ? POLLIN | POLLOUT : POLLIN);
}

bool server_wire_has_more(const struct server_wire *wire) { return wire->tls && tls_has_more(wire->tls); }

bool server_wire_wait(const struct server_wire *wire, short events, int timeout_ms) {
    if (events & POLLIN && server_wire_has_more(wire))
        return true;
    struct pollfd wanted = {.fd = wire->fd, .events = events};
    int ready;
    do
        ready = poll(&wanted, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* ------------------------------------------------------------------------------------------ begin and end */

bool server_wire_trust(const struct server_place *place, struct tls_context **ret_context,
                       char ret_problem[SERVER_PROBLEM_SIZE]) {
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
    *ret_context = NULL;
    if (!trust->used)
        return true;
    signal(SIGPIPE, SIG_IGN);
    if (tls_material_load(&options, &material, reason) != STATUS_OK)
        return fail(ret_problem, "no connection over TLS: %s", reason);
    enum status status = tls_context_new(material, ret_context);
    tls_material_unref(material);
    if (status == STATUS_OK)
        return true;
    *ret_context = NULL;
    return fail(ret_problem, "no connection over TLS: there is not enough memory");
}

/* What to do about the two that everybody meets first. */
static const char *advice(const char *reason) {
    if (strstr(reason, "certificate verify failed"))
        return " (--cacert FILE names the authority that has signed the server's)";
    return strstr(reason, "wrong version number") ? " (does this port speak TLS?)" : "";
}

static bool shake_hands(const struct server_wire *wire, char *ret_problem) {
    uint64_t end_ms = clock_steady_ms() + TLS_HANDSHAKE_MS_MAX;
    for (;;) {
        size_t nothing;
        tls_continue(wire->tls);
        if (tls_is_ready(wire->tls))
            return true;
        if (tls_read(wire->tls, NULL, 0, &nothing) == STATUS_IO)
            return fail(ret_problem, "no connection over TLS: %s%s", tls_reason(wire->tls),
                        advice(tls_reason(wire->tls)));
        uint64_t now_ms = clock_steady_ms();
        if (now_ms >= end_ms || !server_wire_wait(wire, server_wire_events(wire, false), (int)(end_ms - now_ms)))
            return fail(ret_problem, "no connection over TLS: the server does not answer the handshake");
    }
}

static bool begin_tls(struct server_wire *wire, const struct server_place *place, struct tls_context *context,
                      char *ret_problem) {
    const char *name = place->tls.name ? place->tls.name
                       : place->socket ? "localhost"
                       : place->host   ? place->host
                                       : "127.0.0.1";
    wire->tls = tls_connect(context, wire->fd, name);
    return wire->tls ? shake_hands(wire, ret_problem)
                     : fail(ret_problem, "no connection over TLS: there is not enough memory");
}

bool server_wire_open(struct server_wire *wire, const struct server_place *place, struct tls_context *context,
                      char ret_problem[SERVER_PROBLEM_SIZE]) {
    const char *host = place->host ? place->host : "127.0.0.1";
    uint16_t port = place->port ? place->port : SERVER_PORT;
    *wire = (struct server_wire){.fd = -1};
    enum status status = place->socket ? socket_connect_unix(place->socket, &wire->fd)
                                       : socket_connect_tcp(host, port, CONNECT_MS, &wire->fd);
    if (status != STATUS_OK)
        wire->fd = -1;
    const char *why = status == STATUS_IO ? strerror(errno) : status_text(status);
    if (status != STATUS_OK && place->socket)
        return fail(ret_problem, "there is no server at %s: %s", place->socket, why);
    if (status != STATUS_OK)
        return fail(ret_problem, "there is no server at %s, port %u: %s", host, port, why);
    if (!context || begin_tls(wire, place, context, ret_problem))
        return true;
    server_wire_close(wire);
    return false;
}

void server_wire_close(struct server_wire *wire) {
    if (wire->tls)
        tls_end(wire->tls);
    tls_free(wire->tls);
    wire->tls = NULL;
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}
