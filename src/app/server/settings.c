#include "app/server/settings.h"

#include <stdio.h>
#include <string.h>

#include "app/server/audit.h"
#include "app/server/changes.h"
#include "app/server/clients.h"
#include "app/server/history.h"
#include "app/server/image.h"
#include "app/server/inside.h"
#include "app/server/notify.h"
#include "app/server/persistence.h"
#include "app/server/rules.h"
#include "app/server/secure.h"
#include "app/server/stores.h"
#include "app/server/streaming.h"
#include "app/server/tiering.h"
#include "app/server/users.h"
#include "app/server/worker.h"
#include "sys/os/log.h"
#include "sys/os/process.h"

/* ----------------------------------------------------------------- in force */

uint64_t settings_ticks(const struct server *server, int64_t us) {
    return us < 0 || (double)us > 1e15 ? UINT64_MAX : (uint64_t)((double)us * server->ticks_per_us);
}

static void set_u32(_Atomic uint32_t *field, int64_t value) {
    atomic_store_explicit(field, (uint32_t)value, memory_order_relaxed);
}

static void set_u64(_Atomic uint64_t *field, uint64_t value) {
    atomic_store_explicit(field, value, memory_order_relaxed);
}

static uint64_t bytes_or_never(int64_t bytes) { return bytes < 0 ? UINT64_MAX : (uint64_t)bytes; }

void settings_settle(struct server *server) {
    const struct config_values *values = &server->config.values;
    struct settings *settings = &server->settings;
    set_u32(&settings->clients_max, values->maxclients);
    set_u32(&settings->leases_max, values->lease_max);
    set_u32(&settings->lease_waiters_max, values->lease_waiters_max);
    set_u32(&settings->stream_retention_s, values->stream_retention);
    streaming_settle(server);
    set_u32(&settings->timeout_s, values->timeout_s);
    set_u32(&settings->keepalive_s, values->tcp_keepalive_s);
    set_u32(&settings->output_soft_s, values->client_output_buffer_limit.normal.soft_s);
    set_u32(&settings->events, values->notify_keyspace_events);
    set_u32(&settings->pubsub_soft_s, values->client_output_buffer_limit.pubsub.soft_s);
    set_u32(&settings->shutdown_timeout_s, values->shutdown_timeout_s);
    set_u32(&settings->housekeeping_ms, values->housekeeping_interval_ms);
    set_u64(&settings->query_limit_bytes, values->client_query_buffer_limit_bytes);
    set_u64(&settings->output_hard_bytes, values->client_output_buffer_limit.normal.hard_bytes);
    set_u64(&settings->output_soft_bytes, values->client_output_buffer_limit.normal.soft_bytes);
    set_u64(&settings->pubsub_hard_bytes, values->client_output_buffer_limit.pubsub.hard_bytes);
    set_u64(&settings->pubsub_soft_bytes, values->client_output_buffer_limit.pubsub.soft_bytes);
    set_u64(&settings->tracked_keys_max, (uint64_t)values->tracking_table_max_keys);
    set_u64(&settings->search_max, (uint64_t)values->pattern_search_max_keys);
    set_u64(&settings->bulk_size_max, values->proto_max_bulk_len_bytes);
    set_u64(&settings->slow_ticks, settings_ticks(server, values->slowlog_log_slower_than_us));
    set_u64(&settings->large_request_bytes, bytes_or_never(values->commandlog_request_larger_than));
    set_u64(&settings->large_reply_bytes, bytes_or_never(values->commandlog_reply_larger_than));
    int64_t latency_ms = values->latency_monitor_threshold_ms;
    set_u64(&settings->latency_ticks, settings_ticks(server, latency_ms ? latency_ms * 1000 : -1));
    users_settle(server);
    atomic_store(&settings->protected_mode, values->protected_mode);
    static const enum log_level levels[] = {LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING};
    log_level_set(levels[values->loglevel]);
    log_form_set(values->log_format == CONFIG_LOG_FORMAT_JSON ? LOG_JSON : LOG_TEXT);
    set_u32(&settings->certificate_names, values->tls_auth_clients_user);
    set_u32(&settings->ownership, values->ownership); /* by the numbers of enum cmd_ownership */
    rules_settle(server);
    set_u64(&settings->history_bytes, values->history_max_bytes_bytes);
    history_settle(server);
    persistence_settle(server);
    tiering_settle(server);
    audit_settle(server);
    pthread_mutex_lock(&server->logs_lock);
    slowlog_limit(&server->command_logs[CMD_LOG_SLOW], (uint32_t)values->slowlog_max_len);
    slowlog_limit(&server->command_logs[CMD_LOG_LARGE_REQUEST], (uint32_t)values->commandlog_large_request_max_len);
    slowlog_limit(&server->command_logs[CMD_LOG_LARGE_REPLY], (uint32_t)values->commandlog_large_reply_max_len);
    pthread_mutex_unlock(&server->logs_lock);
}

/* -------------------------------------------------------------- descriptors */

/* Raises the limit of open files for so many clients; answers for how many of them it allows. */
static int64_t allow_clients(const struct server *server, int64_t wanted) {
    const struct config_values *values = &server->config.values;
    uint64_t others = SERVER_DESCRIPTORS_SPARE + server->worker_count * (4 + values->bind.count);
    if (values->http_port || values->http_tls_port) /* connections within the process have two ends */
        others += (uint64_t)values->http_max_connections + 2 * INSIDE_MAX;
    uint64_t allowed = process_descriptors_raise((uint64_t)wanted + others);
    if (allowed >= (uint64_t)wanted + others)
        return wanted;
    return allowed > others ? (int64_t)(allowed - others) : 1;
}

void settings_allow_clients(struct server *server) {
    int64_t wanted = server->config.values.maxclients, clients = allow_clients(server, wanted);
    if (clients == wanted)
        return;
    log_event(LOG_WARNING, "clients_limited",
              LOG_FIELDS(log_number("maxclients", (uint64_t)clients), log_number("wanted", (uint64_t)wanted)),
              "maxclients is %lld and not %lld: the system allows no more open files", (long long)clients,
              (long long)wanted);
    server->config.values.maxclients = clients;
    set_u32(&server->settings.clients_max, clients);
}

/* ------------------------------------------------------------------- CONFIG */

void settings_api_each(struct cmd_server *api,
                       void (*visit)(void *context, const char *name, const char *value, bool secret), void *context) {
    struct server *server = server_of(api);
    pthread_mutex_lock(&server->config_lock);
    config_each(&server->config, visit, context);
    pthread_mutex_unlock(&server->config_lock);
}

static bool may_have_clients(const struct server *server, int64_t wanted, char *ret_error, size_t error_size) {
    if (wanted <= server->config.values.maxclients)
        return true;
    int64_t allowed = allow_clients(server, wanted);
    if (allowed == wanted)
        return true;
    snprintf(
        ret_error, error_size,
        "CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle "
        "the specified number of clients, try with %lld",
        (long long)allowed);
    return false;
}

static bool may_grow(const struct server *server, const struct config *next, char *ret_error, size_t error_size) {
    if (next->values.maxmemory_bytes <= server->config.values.maxmemory_bytes ||
        image_has_room(server, next->values.maxmemory_bytes))
        return true;
    snprintf(ret_error, error_size,
             "CONFIG SET failed (possibly related to argument 'maxmemory') - the file system of the memory-file has no "
             "room for that");
    return false;
}

static bool sets_password(const struct slice *names, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (config_find(names[i]) == CONFIG_REQUIREPASS)
            return true;
    return false;
}

static bool take_password(struct server *server, const struct config *next, const struct slice *names, uint32_t count,
                          char *ret_error, size_t error_size) {
    if (!sets_password(names, count) || users_set_password(server, next->values.requirepass) == STATUS_OK)
        return true;
    snprintf(ret_error, error_size, "CONFIG SET failed (possibly related to argument 'requirepass') - out of memory");
    return false;
}

static bool concern_tls(const struct slice *names, uint32_t count) {
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        enum config_key_id id = config_find(names[i]);
        any |= id < CONFIG_KEY_COUNT && strncmp(config_keys[id].name, "tls-", 4) == 0;
    }
    return any;
}

bool settings_api_set(struct cmd_server *api, const struct slice *names, const struct slice *values, uint32_t count,
                      char *ret_error, size_t error_size) {
    struct server *server = server_of(api);
    pthread_mutex_lock(&server->config_lock);
    struct config next = server->config;
    struct config_error error;
    bool done = config_set(&next, names, values, count, NULL, &error) == STATUS_OK;
    struct tls_material *material = NULL;
    if (!done)
        snprintf(ret_error, error_size, "%s", error.text);
    else
        done = (!concern_tls(names, count) || secure_try(server, &next, &material, ret_error, error_size)) &&
               may_have_clients(server, next.values.maxclients, ret_error, error_size) &&
               may_grow(server, &next, ret_error, error_size) &&
               stores_apply(server->cache, server->range_size, &server->config, &next, ret_error, error_size) &&
               audit_try(&next.values, ret_error, error_size) &&
               take_password(server, &next, names, count, ret_error, error_size);
    if (done && material)
        secure_use(server, &next.values, material);
    else
        tls_material_unref(material);
    if (done) {
        bool same = next.values.notify_keyspace_events == server->config.values.notify_keyspace_events;
        audit_settings(server, worker_current() ? worker_current()->call.client : NULL, names, values, count);
        server->config = next;
        settings_settle(server);
        if (!same)
            changes_want(worker_current(), CHANGES_TO_PUBLISH, notify_kinds(next.values.notify_keyspace_events));
    }
    pthread_mutex_unlock(&server->config_lock);
    if (done && sets_password(names, count))
        users_refresh(api, worker_current() ? worker_current()->call.client : NULL);
    if (done)
        clients_tell_settings(names, values, count);
    return done;
}

bool settings_api_rewrite(struct cmd_server *api, char *ret_error, size_t error_size) {
    struct server *server = server_of(api);
    pthread_mutex_lock(&server->config_lock);
    struct config copy = server->config;
    pthread_mutex_unlock(&server->config_lock);
    struct config_error error;
    bool done = config_rewrite(&copy, &memory_libc, &error) == STATUS_OK;
    if (!done)
        snprintf(ret_error, error_size, "%s", error.text);
    return done;
}
