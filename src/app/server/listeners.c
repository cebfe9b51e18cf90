#include "app/server/listeners.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/server/worker.h"
#include "sys/os/log.h"
#include "sys/os/socket.h"

enum { PORT_TRIES_MAX = 16 }; /* port 0 on several addresses: other ports are tried when one is taken on one of them */

/* "-::1": no error if this machine has no such address. */
static const char *bind_address(const char *item, bool *ret_optional) {
    *ret_optional = item[0] == '-';
    return item + *ret_optional;
}

/* `where`: the address, with its port if it has one. */
static void tell_problem(const char *where, const char *address, uint16_t port, const char *problem) {
    log_event(LOG_WARNING, "listen_failed",
              LOG_FIELDS(log_text("address", address), log_number("port", port), log_text("problem", problem)),
              "Cannot listen on %s: %s", where, problem);
}

/* Whether all addresses have this port free; 0 chooses one by the first. */
static enum status probe_all(const struct config_list *bind, uint16_t port, bool *usable, uint16_t *ret_port) {
    for (uint32_t i = 0; i < bind->count; i++) {
        bool optional;
        const char *address = bind_address(bind->items[i], &optional);
        uint16_t found = port;
        enum status status = socket_port_probe(address, port, &found);
        usable[i] = status == STATUS_OK;
        if (status == STATUS_OK) {
            port = found;
        } else if (status == STATUS_BUSY || !optional) {
            char where[CONFIG_LIST_ITEM_MAX + 16];
            snprintf(where, sizeof where, "%s port %u", address, port);
            tell_problem(where, address, port,
                         status == STATUS_BUSY      ? "another program does already"
                         : status == STATUS_INVALID ? "not an address"
                                                    : strerror(errno));
            return status;
        }
    }
    *ret_port = port;
    return STATUS_OK;
}

/* On all addresses, one listener for each worker. `wanted` 0: a free port. */
static enum status listen_tcp(struct server *server, int64_t wanted, enum source_kind kind, uint16_t *ret_port) {
    const struct config_values *values = &server->config.values;
    bool usable[CONFIG_LIST_MAX] = {false};
    enum status status = STATUS_BUSY;
    for (int i = 0; i < PORT_TRIES_MAX && status == STATUS_BUSY; i++) {
        status = probe_all(&values->bind, (uint16_t)wanted, usable, ret_port);
        if (wanted != 0)
            break;
    }
    if (status != STATUS_OK)
        return status;
    uint32_t opened = 0;
    for (uint32_t w = 0; w < server->worker_count; w++) {
        for (uint32_t i = 0; i < values->bind.count; i++) {
            bool optional;
            const char *address = bind_address(values->bind.items[i], &optional);
            int fd;
            if (!usable[i])
                continue;
            TRY(socket_listen_tcp(address, *ret_port, (int)values->tcp_backlog, &fd));
            TRY(worker_listen(server->workers[w], fd, kind));
            opened++;
        }
    }
    if (opened == 0)
        log_warning("None of the addresses in `bind` exists on this machine");
    return opened ? STATUS_OK : STATUS_INVALID;
}

/* A plain port is one of several doors: with another one open, 0 means none. */
static enum status listen_ports(struct server *server) {
    const struct config_values *values = &server->config.values;
    if (values->tls_port)
        TRY(listen_tcp(server, values->tls_port, SOURCE_LISTENER_TLS, &server->tls_port));
    if (values->port == 0 && (values->unixsocket[0] || values->tls_port))
        return STATUS_OK;
    return listen_tcp(server, values->port, SOURCE_LISTENER_TCP, &server->tcp_port);
}

static enum status listen_unix(struct server *server) {
    const struct config_values *values = &server->config.values;
    int first;
    if (!values->unixsocket[0])
        return STATUS_OK;
    enum status status =
        socket_listen_unix(values->unixsocket, (unsigned)values->unixsocketperm, (int)values->tcp_backlog, &first);
    if (status != STATUS_OK) {
        tell_problem(values->unixsocket, values->unixsocket, 0,
                     status == STATUS_BUSY      ? "another program does already"
                     : status == STATUS_INVALID ? "there is a file that is not a socket"
                                                : strerror(errno));
        return status;
    }
    server->unix_open = true;
    for (uint32_t w = 0; w < server->worker_count && status == STATUS_OK; w++) {
        int fd = dup(first);
        status = fd < 0 ? STATUS_IO : worker_listen(server->workers[w], fd, SOURCE_LISTENER_UNIX);
    }
    close(first);
    return status;
}

enum status listeners_open(struct server *server) {
    /* TCP last: whoever finds the port open finds the socket ready as well. */
    TRY(listen_unix(server));
    return listen_ports(server);
}
