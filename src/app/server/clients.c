#include "app/server/clients.h"

#include <stdio.h>
#include <string.h>

#include "app/cmd/rights.h"
#include "core/auth/auth.h"
#include "sys/os/log.h"

void clients_each(struct cmd_server *api, void (*visit)(void *context, const struct cmd_client_view *view),
                  void *context) {
    struct server *server = server_of(api);
    struct buf views;
    buf_init(&views, &memory_libc);
    /* Copied first: `visit` writes a reply, which must not happen while this worker's turn is let go. */
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        worker_visit(worker);
        if (buf_reserve(&views, worker->count * sizeof(struct cmd_client_view)) == STATUS_OK) {
            for (const struct connection *connection = worker->first; connection; connection = connection->older) {
                connection_view(connection, (struct cmd_client_view *)(views.data + views.size));
                views.size += sizeof(struct cmd_client_view);
            }
        }
        worker_leave(worker);
    }
    const struct cmd_client_view *all = (const struct cmd_client_view *)views.data;
    for (size_t i = 0; i < views.size / sizeof *all; i++)
        visit(context, &all[i]);
    buf_fini(&views);
}

uint32_t clients_kill(struct cmd_server *api, bool (*matches)(void *context, const struct cmd_client_view *view),
                      void *context) {
    struct server *server = server_of(api);
    uint32_t killed = 0;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        uint32_t here = 0;
        worker_visit(worker);
        for (struct connection *connection = worker->first; connection; connection = connection->older) {
            struct cmd_client_view view;
            if (connection->state > CONNECTION_CLOSING || connection->killed)
                continue;
            connection_view(connection, &view);
            if (!matches(context, &view))
                continue;
            connection->killed = true;
            here++;
        }
        worker->kills += here;
        worker_leave(worker);
        if (here)
            loop_wake(worker->loop);
        killed += here;
    }
    return killed;
}

uint64_t clients_paused_until(struct server *server, uint64_t now_ms) {
    uint64_t until_ms = atomic_load_explicit(&server->pause_until_ms, memory_order_relaxed);
    return until_ms > now_ms ? until_ms : 0;
}

uint64_t clients_awaiting_rules_until(struct server *server, uint64_t now_ms) {
    uint64_t until_ms = atomic_load_explicit(&server->env.rules_awaited_until_ms, memory_order_relaxed);
    return until_ms > now_ms ? until_ms : 0;
}

void clients_wake(struct server *server) {
    for (uint32_t i = 0; i < server->worker_count; i++)
        loop_wake(server->workers[i]->loop);
}

void clients_pause(struct cmd_server *api, uint64_t until_ms, bool writes_only) {
    struct server *server = server_of(api);
    atomic_store(&server->pause_writes_only, writes_only);
    atomic_store(&server->pause_until_ms, until_ms); /* a second pause replaces the first, as in Redis 7.0 */
    clients_wake(server);
}

void clients_unpause(struct cmd_server *api) {
    struct server *server = server_of(api);
    atomic_store(&server->pause_until_ms, 0);
    clients_wake(server);
}

void clients_describe(const struct cmd_client *client, char *text, size_t size) {
    const struct connection *connection = client->connection;
    struct slice name = buf_slice(&client->name), service = rights_service(client);
    snprintf(text, size, "client %llu at %s%s%.*s%s%.*s", (unsigned long long)client->id, connection->peer,
             name.size ? ", name " : "", (int)name.size, name.size ? (const char *)name.data : "",
             service.size ? ", service " : "", (int)service.size, service.size ? (const char *)service.data : "");
}

void clients_api_tell(struct cmd_server *api, struct cmd_client *client, const char *what) {
    const struct connection *connection = client->connection;
    char who[CLIENT_SHOWN_MAX];
    (void)api;
    clients_describe(client, who, sizeof who);
    log_event(
        LOG_NOTICE, "administration",
        LOG_FIELDS(log_text("deed", what), log_number("client", client->id), log_text("address", connection->peer),
                   log_bytes("client_name", buf_slice(&client->name)), log_bytes("service", rights_service(client))),
        "%s, by %s", what, who);
}

static void tell_setting(const struct cmd_client *client, const char *key, struct slice value) {
    const struct connection *connection = client->connection;
    char who[CLIENT_SHOWN_MAX];
    clients_describe(client, who, sizeof who);
    log_event(LOG_NOTICE, "configuration_changed",
              LOG_FIELDS(log_text("key", key), log_bytes("value", value), log_number("client", client->id),
                         log_text("address", connection->peer), log_bytes("client_name", buf_slice(&client->name)),
                         log_bytes("service", rights_service(client))),
              "CONFIG SET %s %.*s, by %s", key, (int)value.size, value.size ? (const char *)value.data : "", who);
}

void clients_tell_settings(const struct slice *names, const struct slice *values, uint32_t count) {
    const struct worker *worker = worker_current();
    if (!worker)
        return;
    for (uint32_t i = 0; i < count; i++) {
        enum config_key_id id = config_find(names[i]);
        bool shown = id < CONFIG_KEY_COUNT && !config_keys[id].secret;
        struct slice value = shown ? slice_part(values[i], 0, 256) : SLICE("(not shown)");
        tell_setting(worker->call.client, id < CONFIG_KEY_COUNT ? config_keys[id].name : "", value);
    }
}
