#include "app/server/manager.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sys/os/log.h"
#include "sys/os/service.h"

/* The server runs as well without; but who started it may wait for it in vain. */
static void tell_manager(enum status told) {
    if (told != STATUS_OK)
        log_warning("Cannot tell the service manager at NOTIFY_SOCKET: %s",
                    told == STATUS_IO ? strerror(errno) : status_text(told));
}

void manager_tell_ready(const struct server *server) {
    char memory[32];
    char doors[160] = "";
    if (server->tcp_port)
        snprintf(doors, sizeof doors, "port %u, ", server->tcp_port);
    if (server->tls_port)
        snprintf(doors + strlen(doors), sizeof doors - strlen(doors), "TLS port %u, ", server->tls_port);
    if (server->unix_open)
        snprintf(doors + strlen(doors), sizeof doors - strlen(doors), "%s, ", server->unix_path);
    config_size_text(cache_limit(server->cache), memory, sizeof memory);
    log_event(LOG_NOTICE, "ready",
              LOG_FIELDS(log_number("port", server->tcp_port), log_number("tls_port", server->tls_port),
                         log_text("unix", server->unix_open ? server->unix_path : ""),
                         log_number("workers", server->worker_count),
                         log_number("maxmemory_bytes", cache_limit(server->cache))),
              "Strata is ready: %s%u workers, maxmemory %s", doors, server->worker_count, memory);
    tell_manager(
        service_tell("READY=1\nSTATUS=Serving: %s%u workers, maxmemory %s", doors, server->worker_count, memory));
}

void manager_tell_reloading(struct server *server) {
    if (server_is_loading(server))
        return;
    tell_manager(service_tell_reloading());
    atomic_store(&server->reload_told, true);
}

void manager_tell_reloaded(struct server *server) {
    if (atomic_exchange(&server->reload_told, false))
        tell_manager(service_tell("READY=1"));
}

void manager_tell_stopping(void) { tell_manager(service_tell("STOPPING=1\nSTATUS=Stopping")); }
