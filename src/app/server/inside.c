#include "app/server/inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/server/users.h"
#include "app/server/worker.h"
#include "sys/os/clock.h"

/* "127.0.0.1:4711", "[::1]:4711" */
static bool is_near(const char *address) {
    char host[64];
    const char *colon = strrchr(address, ':');
    size_t size = colon ? (size_t)(colon - address) : strlen(address);
    bool brackets = size > 2 && address[0] == '[';
    snprintf(host, sizeof host, "%.*s", (int)(brackets ? size - 2 : size), address + brackets);
    return socket_address_is_loopback(host);
}

static enum status take_place(struct server *server, const struct server_inside *inside) {
    if (atomic_load(&server->stop) != SERVER_RUNS)
        return STATUS_CLOSED;
    if (SETTING(server, protected_mode) && !SETTING(server, password_set) && !is_near(inside->address)) {
        audit_kept_out(server, inside->address, "DENIED");
        return STATUS_BUSY;
    }
    if (atomic_fetch_add(&server->insiders, 1) < INSIDE_MAX)
        return STATUS_OK;
    atomic_fetch_sub(&server->insiders, 1);
    return STATUS_FULL;
}

/* In the worker's turn; takes over the descriptor and the place. */
static enum status adopt(struct worker *worker, int fd, const struct server_inside *inside) {
    struct server *server = worker->server;
    if (worker->stopping || atomic_load(&server->stop) != SERVER_RUNS) {
        close(fd);
        atomic_fetch_sub(&server->insiders, 1);
        return STATUS_CLOSED;
    }
    struct connection *connection = connection_open(worker, fd, DOOR_INSIDE);
    if (!connection) {
        atomic_fetch_sub(&server->insiders, 1);
        return STATUS_NO_MEMORY;
    }
    atomic_fetch_add_explicit(&server->clients, 1, memory_order_relaxed);
    worker->counts.connections_received++;
    snprintf(connection->peer, sizeof connection->peer, "%s", inside->address);
    snprintf(connection->local, sizeof connection->local, "inside:0");
    enum status status = buf_append_slice(&connection->client.name, slice_from_string(inside->name));
    audit_opened(connection);
    if (status == STATUS_OK && inside->user.data) {
        const bool known = users_be(server, &connection->client, inside->user);
        audit_certificate(connection, inside->user, known);
        status = known ? STATUS_OK : STATUS_INVALID;
    }
    if (status != STATUS_OK)
        connection_close(connection);
    return status;
}

enum status server_open_inside(struct server *server, const struct server_inside *inside, int *ret_fd) {
    int ends[2];
    TRY(take_place(server, inside));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        atomic_fetch_sub(&server->insiders, 1);
        return STATUS_IO;
    }
    uint32_t turn = atomic_fetch_add_explicit(&server->insiders_ever, 1, memory_order_relaxed);
    struct worker *worker = server->workers[turn % server->worker_count];
    worker_visit(worker);
    enum status status = adopt(worker, ends[1], inside);
    worker_leave(worker);
    if (status == STATUS_OK)
        *ret_fd = ends[0];
    else
        close(ends[0]);
    return status;
}

uint64_t server_users_version(const struct server *server) {
    return atomic_load_explicit(&server->users_version, memory_order_acquire);
}

void server_health(const struct server *server, struct server_health *ret_health) {
    *ret_health = (struct server_health){
        .loading = server_is_loading(server),
        .log_refuses = atomic_load(&server->log_refuses),
        .stopping = atomic_load(&server->stop) != SERVER_RUNS,
        .clients = atomic_load(&server->clients),
        .uptime_ms = clock_unix_ms() - server->started_ms,
    };
}
