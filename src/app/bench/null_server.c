#include "app/bench/null_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/bench/boundary.h"
#include "sys/loop/loop.h"
#include "sys/os/socket.h"

enum { INPUT_SIZE = 256 * 1024, REPLIES_SIZE_MIN = 64 * 1024, EVENTS_MAX = 512, BACKLOG = 511 };

struct connection {
    struct loop_source source;
    struct boundary boundary;
    uint64_t owed; /* bytes of replies to be sent */
    size_t phase;  /* bytes of the current reply that are sent */
};

struct null_server {
    struct loop *loop;
    struct loop_source listener;
    uint8_t *input;
    uint8_t *replies; /* the same reply again and again */
    size_t reply_size, replies_size;
};

static void close_connection(struct null_server *server, struct connection *connection) {
    loop_forget(server->loop, &connection->source);
    close(connection->source.fd);
    memory_give(&memory_libc, connection, sizeof *connection);
}

static void accept_one(struct null_server *server) {
    int fd;
    if (socket_accept(server->listener.fd, &fd) != STATUS_OK)
        return;
    socket_tune_tcp(fd, 0);
    struct connection *connection = memory_take(&memory_libc, sizeof *connection);
    if (connection)
        *connection = (struct connection){.source.fd = fd};
    if (!connection || loop_watch(server->loop, &connection->source, LOOP_READ) != STATUS_OK) {
        memory_give(&memory_libc, connection, sizeof *connection);
        close(fd);
    }
}

/* False: the connection is gone. */
static bool send_owed(struct null_server *server, struct connection *connection) {
    while (connection->owed) {
        size_t ready = server->replies_size - connection->phase;
        size_t size = connection->owed < ready ? (size_t)connection->owed : ready;
        ssize_t sent = send(connection->source.fd, server->replies + connection->phase, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent < 0)
            break;
        connection->owed -= (size_t)sent;
        connection->phase = (connection->phase + (size_t)sent) % server->reply_size;
    }
    uint32_t interest = connection->owed ? LOOP_READ | LOOP_WRITE : LOOP_READ;
    return loop_change(server->loop, &connection->source, interest) == STATUS_OK;
}

static bool receive(struct null_server *server, struct connection *connection) {
    uint64_t count;
    ssize_t received = recv(connection->source.fd, server->input, INPUT_SIZE, 0);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (received <= 0 ||
        boundary_count(&connection->boundary, slice_make(server->input, (size_t)received), &count) != STATUS_OK)
        return false;
    connection->owed += count * server->reply_size;
    return send_owed(server, connection);
}

static void serve(struct null_server *server) {
    struct loop_event events[EVENTS_MAX];
    bool woken;
    for (;;) {
        uint32_t count = loop_wait(server->loop, UINT32_MAX, events, EVENTS_MAX, &woken);
        for (uint32_t i = 0; i < count; i++) {
            struct connection *connection = (struct connection *)events[i].source; /* its first member */
            bool stays = true;
            if (events[i].source == &server->listener) {
                accept_one(server);
                continue;
            }
            if (events[i].ready & (LOOP_READABLE | LOOP_BROKEN))
                stays = receive(server, connection);
            else if (events[i].ready & LOOP_WRITABLE)
                stays = send_owed(server, connection);
            if (!stays)
                close_connection(server, connection);
        }
    }
}

static enum status make_replies(struct null_server *server, uint64_t value_size) {
    char head[32] = "+OK\r\n";
    bool is_value = value_size != UINT64_MAX;
    if (is_value)
        snprintf(head, sizeof head, "$%llu\r\n", (unsigned long long)value_size);
    size_t head_size = strlen(head);
    server->reply_size = head_size + (is_value ? value_size + 2 : 0);
    size_t count = REPLIES_SIZE_MIN / server->reply_size + 1;
    server->replies_size = count * server->reply_size;
    server->replies = memory_take(&memory_libc, server->replies_size);
    server->input = memory_take(&memory_libc, INPUT_SIZE);
    if (!server->replies || !server->input)
        return STATUS_NO_MEMORY;
    memset(server->replies, 'v', server->replies_size);
    for (size_t i = 0; i < count; i++) {
        uint8_t *reply = server->replies + i * server->reply_size;
        memcpy(reply, head, head_size);
        if (is_value)
            memcpy(reply + server->reply_size - 2, "\r\n", 2);
    }
    return STATUS_OK;
}

static enum status listen_at(struct null_server *server, uint16_t port, uint16_t *ret_port) {
    TRY(socket_port_probe("127.0.0.1", port, ret_port));
    TRY(socket_listen_tcp("127.0.0.1", *ret_port, BACKLOG, &server->listener.fd));
    TRY(loop_new(&memory_libc, &server->loop));
    return loop_watch(server->loop, &server->listener, LOOP_READ);
}

int null_server_run(const struct null_options *options) {
    struct null_server server = {.listener.fd = -1};
    uint16_t port;
    enum status status = make_replies(&server, options->reply_size);
    if (status == STATUS_OK)
        status = listen_at(&server, (uint16_t)options->port, &port);
    if (status != STATUS_OK) {
        const char *why = status == STATUS_IO     ? strerror(errno)
                          : status == STATUS_BUSY ? "is taken"
                                                  : status_text(status);
        fprintf(stderr, "strata bench null: port %u on 127.0.0.1: %s\n", (unsigned)options->port, why);
        return 1;
    }
    printf("The null server is ready on 127.0.0.1:%u\n", port);
    fflush(stdout);
    serve(&server);
    return 0;
}
