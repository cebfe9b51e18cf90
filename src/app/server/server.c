#include "app/server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/server/audit.h"
#include "app/server/beside.h"
#include "app/server/class_stats.h"
#include "app/server/clients.h"
#include "app/server/history.h"
#include "app/server/inside.h"
#include "app/server/leases.h"
#include "app/server/monitor.h"
#include "app/server/persistence.h"
#include "app/server/placing.h"
#include "app/server/pubsub.h"
#include "app/server/rules.h"
#include "app/server/run.h"
#include "app/server/secure.h"
#include "app/server/stores.h"
#include "app/server/streaming.h"
#include "app/server/tiering.h"
#include "app/server/tracking.h"
#include "app/server/users.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/bits.h"
#include "core/classes/names.h"
#include "sys/os/clock.h"
#include "sys/os/futex.h"
#include "sys/os/log.h"
#include "sys/os/pages.h"
#include "sys/os/process.h"
#include "sys/os/random.h"
#include "sys/os/service.h"

enum {
    TICKS_MEASURE_US = 10000,
    PORT_TRIES_MAX = 16,      /* port 0 on several addresses: other ports are tried when one is taken on one of them */
    RANGE_PER_LIMIT_MAX = 16, /* address space kept for a larger maxmemory, in multiples of the present one */
};

/* ------------------------------------------------------------------ settings */

static uint64_t ticks_of_us(const struct server *server, int64_t us) {
    return us < 0 || (double)us > 1e15 ? UINT64_MAX : (uint64_t)((double)us * server->ticks_per_us);
}

static void set_u32(_Atomic uint32_t *field, int64_t value) {
    atomic_store_explicit(field, (uint32_t)value, memory_order_relaxed);
}

static void set_u64(_Atomic uint64_t *field, uint64_t value) {
    atomic_store_explicit(field, value, memory_order_relaxed);
}

static uint64_t bytes_or_never(int64_t bytes) { return bytes < 0 ? UINT64_MAX : (uint64_t)bytes; }

void server_settle(struct server *server) {
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
    set_u64(&settings->slow_ticks, ticks_of_us(server, values->slowlog_log_slower_than_us));
    set_u64(&settings->large_request_bytes, bytes_or_never(values->commandlog_request_larger_than));
    set_u64(&settings->large_reply_bytes, bytes_or_never(values->commandlog_reply_larger_than));
    int64_t latency_ms = values->latency_monitor_threshold_ms;
    set_u64(&settings->latency_ticks, ticks_of_us(server, latency_ms ? latency_ms * 1000 : -1));
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

void server_note_memory(struct server *server) {
    struct cache_stats stats;
    cache_stats(server->cache, &stats);
    if (stats.occupied_bytes > atomic_load_explicit(&server->memory_peak_bytes, memory_order_relaxed))
        atomic_store_explicit(&server->memory_peak_bytes, stats.occupied_bytes, memory_order_relaxed);
}

/* --------------------------------------------------------- what commands ask for */

static uint64_t api_search_max(const struct cmd_server *api) {
    const struct server *server = (const struct server *)api;
    return SETTING(server, search_max);
}

static enum status api_shutdown(struct cmd_server *api, enum cmd_save_last saves, bool now, bool force, bool abort) {
    struct server *server = server_of(api);
    if (abort)
        return STATUS_INVALID; /* a stop is under way at once; there is nothing to take back */
    log_notice("SHUTDOWN was asked for");
    atomic_store(&server->saves_last, (int)saves);
    server_request_stop(server, now || force ? SERVER_STOPS_NOW : SERVER_STOPS);
    return STATUS_OK;
}

static void api_counts(struct cmd_server *api, struct cmd_server_counts *ret_counts) {
    stats_sum(api, ret_counts);
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        ret_counts->topics[kind] = pubsub_count(api, (enum topic_kind)kind);
    ret_counts->pubsub_clients = pubsub_clients(server_of(api));
    tracking_counts(server_of(api), ret_counts);
    leases_counts(server_of(api), &ret_counts->leases);
    streaming_counts(server_of(api), &ret_counts->stream);
    ret_counts->memory_peak_bytes = atomic_load(&server_of(api)->memory_peak_bytes);
}

static uint64_t api_started_ms(struct cmd_server *api) { return server_of(api)->started_ms; }
static const char *api_run_id(struct cmd_server *api) { return server_of(api)->run_id; }
static uint64_t api_now_us(struct cmd_server *api) { return clock_unix_us(); }

static void api_secure_counts(struct cmd_server *api, struct cmd_secure_counts *ret_counts) {
    secure_counts(server_of(api), ret_counts);
}

static void api_process(struct cmd_server *api, struct cmd_process *ret_process) {
    struct server *server = server_of(api);
    struct process_facts facts;
    struct process_memory memory;
    process_facts(&facts);
    process_memory(&memory);
    *ret_process = (struct cmd_process) {
        .resident_bytes = facts.resident_bytes, .resident_peak_bytes = facts.resident_peak_bytes,
        .system_memory_bytes = process_memory_total_bytes(), .cpu_user_s = facts.cpu_user_s,
        .cpu_system_s = facts.cpu_system_s, .cpu_user_children_s = facts.cpu_user_children_s,
        .cpu_system_children_s = facts.cpu_system_children_s, .process_id = facts.process_id,
        .tcp_port = server->tcp_port, .executable = server->executable, .config_file = server->config_file,
        .os = server->system, .swapped_bytes = memory.swapped_bytes, .commits_strictly = memory.commits_strictly,
        .no_huge_pages = strcmp(memory.huge_pages, "never") == 0,
#if defined(__x86_64__)
        .arch = "x86_64",
#elif defined(__aarch64__)
        .arch = "aarch64",
#else
        .arch = "unknown",
#endif
    };
}

static void api_each_config(struct cmd_server *api,
                            void (*visit)(void *context, const char *name, const char *value, bool secret),
                            void *context) {
    struct server *server = server_of(api);
    pthread_mutex_lock(&server->config_lock);
    config_each(&server->config, visit, context);
    pthread_mutex_unlock(&server->config_lock);
}

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

static bool api_config_set(struct cmd_server *api, const struct slice *names, const struct slice *values,
                           uint32_t count, char *ret_error, size_t error_size) {
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
        server_settle(server);
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

static bool api_config_rewrite(struct cmd_server *api, char *ret_error, size_t error_size) {
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

static void api_logs_lock(struct cmd_server *api) { pthread_mutex_lock(&server_of(api)->logs_lock); }
static void api_logs_unlock(struct cmd_server *api) { pthread_mutex_unlock(&server_of(api)->logs_lock); }
static struct slowlog *api_command_log(struct cmd_server *api, enum cmd_log log) {
    return &server_of(api)->command_logs[log];
}
static struct latency_monitor *api_latency(struct cmd_server *api) { return &server_of(api)->latency; }

static const struct cmd_server_api server_calls = {
    .users_lock = users_api_lock,
    .users_unlock = users_api_unlock,
    .users_changed = users_refresh,
    .users_load = users_api_load,
    .users_save = users_api_save,
    .denied = users_api_denied,
    .view_client = users_api_view,
    .random = users_api_random,
    .each_client = clients_each,
    .kill_clients = clients_kill,
    .pause = clients_pause,
    .unpause = clients_unpause,
    .monitor = monitor_begin,
    .subscribe = pubsub_subscribe,
    .unsubscribe = pubsub_unsubscribe,
    .unsubscribe_all = pubsub_unsubscribe_all,
    .publish = pubsub_api_publish,
    .each_topic = pubsub_each,
    .topic_listeners = pubsub_listeners,
    .topic_count = pubsub_count,
    .track = tracking_on,
    .untrack = tracking_off,
    .each_tracked_prefix = tracking_each_prefix,
    .client_is_there = tracking_client_is_there,
    .lease_ask = leases_api_ask,
    .lease_begin_write = leases_api_begin_write,
    .lease_end_write = leases_api_end_write,
    .lease_look_at = leases_api_look_at,
    .lease_release = leases_api_release,
    .lease_woken = leases_api_woken,
    .lease_wait_end = leases_api_wait_end,
    .lease_leave = leases_api_leave,
    .stream_begin = streaming_api_begin,
    .stream_subscribe = streaming_api_subscribe,
    .stream_unsubscribe = streaming_api_unsubscribe,
    .stream_ack = streaming_api_ack,
    .stream_next = streaming_api_next,
    .stream_consumers = streaming_api_consumers,
    .stream_counts = streaming_api_counts,
    .stream_sync = streaming_api_sync,
    .stream_synced = streaming_api_synced,
    .persistence = persistence_api_facts,
    .save = persistence_api_save,
    .wait_log = persistence_api_wait,
    .tier = tiering_api_counts,
    .shutdown = api_shutdown,
    .counts = api_counts,
    .store_counts = stats_store,
    .stores_changed = kept_api_stores,
    .plan_begins = kept_api_plan,
    .command_counts = stats_command,
    .command_percentile = stats_command_percentile,
    .command_histogram = stats_command_histogram,
    .all_commands = stats_all_commands,
    .each_error = stats_each_error,
    .reset_counts = stats_reset,
    .started_ms = api_started_ms,
    .run_id = api_run_id,
    .now_us = api_now_us,
    .process = api_process,
    .secure_counts = api_secure_counts,
    .audit_notes = audit_api_notes,
    .audit = audit_api_counts,
    .audit_rotate = audit_api_rotate,
    .http_counts = beside_api_http_counts,
    .each_config = api_each_config,
    .config_set = api_config_set,
    .config_rewrite = api_config_rewrite,
    .logs_lock = api_logs_lock,
    .logs_unlock = api_logs_unlock,
    .command_log = api_command_log,
    .latency = api_latency,
    .rules_load = rules_api_load,
    .rules_now = rules_api_now,
    .rules_origin = rules_api_origin,
    .rules_loads = rules_api_loads,
    .tell_deed = clients_api_tell,
    .search_max = api_search_max,
    .each_class = class_stats_each,
    .hot_keys = hot_keys_sum,
    .hot_reset = hot_keys_reset,
    .rules_broken = rules_api_broken,
    .rules_diff_stores = rules_api_diff_stores,
    .gone = history_api_gone,
    .tag_gone = history_api_tag_gone,
    .stale_gone = history_api_stale_gone,
    .swapped = history_api_swapped,
    .flushed = history_api_flushed,
    .last_miss = history_api_last_miss,
    .cause_begin = cause_api_begin,
    .cause_step = cause_api_step,
    .cause_end = cause_api_end,
};

/* -------------------------------------------------------------------- cache */

static void sleep_in_cache(void *context, _Atomic uint32_t *word, uint32_t seen) {
    worker_pause_turn();
    futex_wait(context, word, seen);
    worker_resume_turn();
}

/* A shard has logs, index pages and directories of its own. Under a mebibyte they cost more than one lock more is worth. */
static unsigned shards_for(const struct config_values *values) {
    enum { SHARD_BYTES_MIN = 1024 * 1024 };
    uint64_t most = values->maxmemory_bytes / SHARD_BYTES_MIN, wanted = (uint64_t)values->shards;
    if (wanted)
        wanted = bits_floor_power_of_two(wanted);
    if (wanted > most) {
        most = most ? bits_floor_power_of_two(most) : 1;
        log_warning("With maxmemory %llu there are %llu shards and not %llu: each has a mebibyte at least",
                    (unsigned long long)values->maxmemory_bytes, (unsigned long long)most, (unsigned long long)wanted);
        wanted = most;
    }
    return (unsigned)wanted;
}

static enum status open_cache(struct server *server) {
    const struct config_values *values = &server->config.values;
    uint64_t limit = values->maxmemory_bytes, machine = process_memory_total_bytes();
    uint64_t range = limit > machine / RANGE_PER_LIMIT_MAX ? machine : limit * RANGE_PER_LIMIT_MAX;
    range = 2 * (range < limit ? limit : range); /* tables may take half of it */
    range = range > CACHE_RANGE_SIZE_MAX ? CACHE_RANGE_SIZE_MAX : range;
    struct stores_wanted wanted;
    stores_wanted(&server->config, &wanted);
    uint32_t events = server->changes_wanted[CHANGES_TO_PUBLISH] = notify_kinds(values->notify_keyspace_events);
    atomic_store(&server->changes_noted, events);
    struct cache_options options = {
        .range_size = range,
        .limit_bytes = limit,
        .cores = server->worker_count,
        .shards = shards_for(values),
        .policy = (enum cache_policy)values->maxmemory_policy,
        .entries_max = (uint64_t)values->maxentries,
        .stores = wanted.stores,
        .store_count = wanted.count,
        .spare_stores = CACHE_STORES_MAX,
        .changes = {.call = changes_note, .context = server, .wanted = changes_asked(events, events)},
        .rules = {.terms = rules_terms, .context = server, .marks = CLASSES_MARKS, .time_mark = CLASSES_HIDDEN_MARK},
        .tiered = values->warm_file[0] != 0,
        .seed = server->hash_seed = tiering_seed(values),
        .waiting = {.wait = sleep_in_cache, .wake = futex_wake},
        .backing = {.huge_size = PAGES_HUGE_SIZE, .dense = pages_dense, .release = pages_release},
        .memory = &memory_libc,
    };
    enum status status = image_open(server, &options);
    if (status == STATUS_OK) {
        struct actor actor = {.id = 1, .now_ms = clock_unix_ms()}; /* no worker is there yet */
        stores_switch_filters(&server->config, server->cache, &actor);
        return STATUS_OK;
    }
    if (server->range)
        log_warning("The cache does not open with maxmemory %llu and %u stores: %s%s", (unsigned long long)limit,
                    wanted.count, status_text(status),
                    status == STATUS_INVALID
                        ? " (each store and each shard has tables of its own; give more memory, or fewer of them)"
                        : "");
    return status;
}

/* ---------------------------------------------------------------- listeners */

/* "-::1": no error if this machine has no such address. */
static const char *bind_address(const char *item, bool *ret_optional) {
    *ret_optional = item[0] == '-';
    return item + *ret_optional;
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
            log_warning("Cannot listen on %s port %u: %s", address, port,
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
static enum status listen_all(struct server *server) {
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
        log_warning("Cannot listen on %s: %s", values->unixsocket,
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

/* -------------------------------------------------------------------- start */

static void allow_descriptors(struct server *server) {
    int64_t wanted = server->config.values.maxclients, clients = allow_clients(server, wanted);
    if (clients == wanted)
        return;
    log_warning("maxclients is %lld and not %lld: the system allows no more open files", (long long)clients,
                (long long)wanted);
    server->config.values.maxclients = clients;
    set_u32(&server->settings.clients_max, clients);
}

static void make_run_id(char ret_id[41]) {
    uint8_t bytes[20];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(ret_id + 2 * i, 3, "%02x", bytes[i]);
}

static struct server *make_server(const struct config *config) {
    struct server *server = memory_take(&memory_libc, sizeof *server);
    if (!server)
        return NULL;
    memset(server, 0, sizeof *server);
    server->pubsub = pubsub_new(random_u64());
    server->leases = leases_new(server, random_u64());
    server->tracking = tracking_new(random_u64());
    server->streaming = streaming_new(server);
    if (!server->pubsub || !server->leases || !server->tracking || !server->streaming ||
        history_start(server) != STATUS_OK || class_stats_start(server) != STATUS_OK) {
        class_stats_stop(server);
        history_stop(server);
        streaming_free(server->streaming);
        pubsub_free(server->pubsub);
        leases_free(server->leases);
        tracking_free(server->tracking);
        memory_give(&memory_libc, server, sizeof *server);
        return NULL;
    }
    server->api.api = &server_calls;
    server->config = *config;
    snprintf(server->config_file, sizeof server->config_file, "%s", config->file);
    snprintf(server->unix_path, sizeof server->unix_path, "%s", config->values.unixsocket);
    server->has_stores = config->stores.count > 0;
    snprintf(server->acl_path, sizeof server->acl_path, "%s", config->values.aclfile);
    snprintf(server->rules_path, sizeof server->rules_path, "%s", config->values.rules);
    image_init(server);
    server->stop_fd = server->signal_fd = server->rules_watch.fd = server->directory.fd = -1;
    pthread_mutex_init(&server->config_lock, NULL);
    pthread_mutex_init(&server->users_lock, NULL);
    pthread_mutex_init(&server->logs_lock, NULL);
    pthread_mutex_init(&server->errors_lock, NULL);
    pthread_mutex_init(&server->changes_lock, NULL);
    pthread_mutex_init(&server->rules_lock, NULL);
    pthread_mutex_init(&server->rules_loads_lock, NULL);
    kept_init(server);
    for (int log = 0; log < CMD_LOGS; log++) /* their limits come by server_settle */
        slowlog_init(&server->command_logs[log], &memory_libc, 0);
    latency_init(&server->latency);
    server->worker_count = (uint32_t)config->values.threads;
    server->started_ms = clock_unix_ms();
    server->ticks_per_us = clock_ticks_per_us(TICKS_MEASURE_US);
    server->timed_apart_ticks = ticks_of_us(server, TIMED_APART_US);
    make_run_id(server->run_id);
    process_executable(server->executable, sizeof server->executable);
    process_system_name(server->system, sizeof server->system);
    return server;
}

/* SIGTERM and SIGINT become readable on a descriptor; SIGPIPE is nobody's business. */
static enum status take_signals(struct server *server) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, &server->signals_before);
    signal(SIGPIPE, SIG_IGN);
    server->signals_taken = true;
    server->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    server->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return server->signal_fd >= 0 && server->stop_fd >= 0 ? STATUS_OK : STATUS_IO;
}

/* The rules are in force without it; the log says that changes are not noticed. */
static void watch_rules(struct server *server) {
    const struct config_values *values = &server->config.values;
    if (values->rules_watch && values->rules[0] && watch_open(values->rules, &server->rules_watch) != STATUS_OK)
        log_warning("Cannot watch the rules in %s: %s", values->rules, strerror(errno));
}

enum status server_rules_start(struct server *server) {
    TRY(rules_start(server));
    streaming_start(server);
    return STATUS_OK;
}

static enum status start_all(struct server *server) {
    if (server->worker_count == 0 || server->worker_count > SERVER_WORKERS_MAX)
        return STATUS_INVALID;
    TRY(take_signals(server));
    TRY(users_start(server));
    server_settle(server);
    allow_descriptors(server);
    TRY(secure_start(server));
    TRY(audit_start(server));
    TRY(persistence_lock(server));
    TRY(open_cache(server));
    server->env = (struct cmd_env){.cache = server->cache,
                                   .server = &server->api,
                                   .run_queued = run_queued,
                                   .refuse_queued = audit_refused_queued,
                                   .note_keys = tracking_note};
    for (uint32_t i = 0; i < server->worker_count; i++)
        TRY(worker_new(server, i, &server->workers[i]));
    TRY(persistence_start(server));
    TRY(tiering_open(server));
    if (!server_is_loading(server))
        TRY(tiering_begin(server, &server->workers[0]->actor));
    watch_rules(server); /* before they are read: a change in between is read again */
    TRY(server_is_loading(server) ? rules_look(server) : server_rules_start(server));
    /* TCP last: whoever finds the port open finds the socket ready as well. */
    TRY(listen_unix(server));
    TRY(listen_all(server));
    const char *pid_path = server->config.values.pidfile;
    if (pid_path[0]) {
        if (process_id_file_write(pid_path) != STATUS_OK) {
            log_warning("Cannot write the pid file %s: %s", pid_path, strerror(errno));
            return STATUS_IO;
        }
        server->pid_written = true;
    }
    for (uint32_t i = 0; i < server->worker_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "worker-%u", i);
        TRY(thread_start(&server->workers[i]->thread, name, worker_run, server->workers[i]));
        server->started_count++;
    }
    return persistence_load(server);
}

/* The server runs as well without; but who started it may wait for it in vain. */
static void tell_manager(enum status told) {
    if (told != STATUS_OK)
        log_warning("Cannot tell the service manager at NOTIFY_SOCKET: %s",
                    told == STATUS_IO ? strerror(errno) : status_text(told));
}

void server_tell_ready(const struct server *server) {
    char memory[32];
    char doors[160] = "";
    if (server->tcp_port)
        snprintf(doors, sizeof doors, "port %u, ", server->tcp_port);
    if (server->tls_port)
        snprintf(doors + strlen(doors), sizeof doors - strlen(doors), "TLS port %u, ", server->tls_port);
    if (server->unix_open)
        snprintf(doors + strlen(doors), sizeof doors - strlen(doors), "%s, ", server->unix_path);
    config_size_text(cache_limit(server->cache), memory, sizeof memory);
    log_notice("Strata is ready: %s%u workers, maxmemory %s", doors, server->worker_count, memory);
    tell_manager(
        service_tell("READY=1\nSTATUS=Serving: %s%u workers, maxmemory %s", doors, server->worker_count, memory));
}

enum status server_start(const struct config *config, struct server **ret_server) {
    struct server *server = make_server(config);
    if (!server)
        return STATUS_NO_MEMORY;
    enum status status = start_all(server);
    if (status != STATUS_OK) {
        server_free(server);
        return status;
    }
    if (!config->values.appendonly && !config->values.memory_file[0]) /* else when all is there */
        server_tell_ready(server);
    *ret_server = server;
    return STATUS_OK;
}

bool server_check(const struct config *config, struct buf *reason) {
    char text[TLS_REASON_SIZE];
    if (!users_check(&config->values, reason) || !audit_check(&config->values, reason))
        return false;
    if (secure_check(&config->values, text))
        return true;
    MAYBE(buf_printf(reason, "%s", text) != STATUS_OK);
    return false;
}

bool server_is_whole(const struct server *server) { return atomic_load(&server->load.state) != SERVER_NOT_LOADED; }

uint16_t server_port(const struct server *server) { return server->tcp_port; }

uint16_t server_tls_port(const struct server *server) { return server->tls_port; }

/* --------------------------------------------------------------------- stop */

void server_request_stop(struct server *server, enum server_stop how) {
    int before = SERVER_RUNS;
    /* Only ever towards a quicker stop. */
    while (before < (int)how && !atomic_compare_exchange_weak(&server->stop, &before, (int)how))
        ;
    uint64_t one = 1;
    ssize_t written = write(server->stop_fd, &one, sizeof one);
    MAYBE(written < 0);
    for (uint32_t i = 0; i < server->worker_count; i++)
        loop_wake(server->workers[i]->loop);
}

void server_stop(struct server *server) { server_request_stop(server, SERVER_STOPS); }

static void ask_for_rules(struct server *server) {
    atomic_store(&server->rules_asked_for, true);
    loop_wake(server->workers[0]->loop);
}

/* Something has happened in the folder of the watched file. */
static void look_at_file(struct server *server) {
    bool was_gone = server->rules_watch.gone;
    if (watch_look(&server->rules_watch))
        ask_for_rules(server);
    else if (!was_gone && server->rules_watch.gone)
        rules_file_gone(server);
}

/* A manager that is told of the beginning waits for the end. It is not told of either before the server was ready once, since READY=1 would
 * then mean that. */
static void reload(struct server *server) {
    if (!server_is_loading(server)) {
        tell_manager(service_tell_reloading());
        atomic_store(&server->reload_told, true);
    }
    ask_for_rules(server);
}

void server_tell_reloaded(struct server *server) {
    if (atomic_exchange(&server->reload_told, false))
        tell_manager(service_tell("READY=1"));
}

/* Whoever rotates logs has moved the file away. */
static void reopen_log(void) {
    if (log_reopen() != STATUS_OK)
        log_warning("Cannot open the log again, and go on with the one before: %s", strerror(errno));
}

static void take_signal(struct server *server) {
    struct signalfd_siginfo signal_info;
    if (read(server->signal_fd, &signal_info, sizeof signal_info) != sizeof signal_info)
        return;
    if (signal_info.ssi_signo == SIGHUP) {
        reopen_log();
        reload(server);
        return;
    }
    bool again = atomic_load(&server->stop) != SERVER_RUNS;
    if (again && signal_info.ssi_signo == SIGINT) {
        log_warning("Second interrupt: stopping at once");
        _exit(1);
    }
    audit_signal(server, signal_info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    log_notice("Received %s, stopping", signal_info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    server_request_stop(server, SERVER_STOPS);
}

void server_wait(struct server *server) {
    while (atomic_load(&server->stop) == SERVER_RUNS) {
        struct pollfd ready[3] = {{.fd = server->signal_fd, .events = POLLIN},
                                  {.fd = server->stop_fd, .events = POLLIN},
                                  {.fd = server->rules_watch.fd, .events = POLLIN}};
        if (poll(ready, 3, -1) <= 0)
            continue;
        if (ready[0].revents)
            take_signal(server);
        if (ready[2].revents)
            look_at_file(server);
    }
    tell_manager(service_tell("STOPPING=1\nSTATUS=Stopping"));
}

/* Waits for the workers, still listening for a second interrupt. */
static void join_workers(struct server *server) {
    enum { LOOK_MS = 10 };
    server_request_stop(server, SERVER_STOPS);
    while (atomic_load(&server->ended) < server->started_count) {
        struct pollfd ready = {.fd = server->signal_fd, .events = POLLIN};
        if (poll(&ready, 1, LOOK_MS) > 0)
            take_signal(server);
    }
    for (uint32_t i = 0; i < server->started_count; i++)
        thread_join(&server->workers[i]->thread);
    server->started_count = 0;
}

void server_free(struct server *server) {
    if (!server)
        return;
    bool ran = server->started_count > 0;
    if (ran)
        join_workers(server);
    persistence_end(server);
    tiering_end(server); /* nobody else is in the cache */
    for (uint32_t i = 0; i < server->worker_count; i++)
        worker_free(server->workers[i]);
    audit_stop(server);
    users_stop(server);
    secure_stop(server);
    rules_stop(server);
    placing_stop(server);
    pubsub_free(server->pubsub);
    tracking_free(server->tracking);
    leases_free(server->leases);
    class_stats_stop(server);
    streaming_free(server->streaming);
    history_stop(server);
    if (server->unix_open)
        unlink(server->config.values.unixsocket);
    if (server->pid_written)
        unlink(server->config.values.pidfile);
    image_close(server);
    for (int log = 0; log < CMD_LOGS; log++)
        slowlog_fini(&server->command_logs[log]);
    pthread_mutex_destroy(&server->config_lock);
    pthread_mutex_destroy(&server->users_lock);
    pthread_mutex_destroy(&server->logs_lock);
    pthread_mutex_destroy(&server->errors_lock);
    pthread_mutex_destroy(&server->changes_lock);
    pthread_mutex_destroy(&server->rules_lock);
    pthread_mutex_destroy(&server->rules_loads_lock);
    kept_fini(server);
    watch_close(&server->rules_watch);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    if (server->signal_fd >= 0)
        close(server->signal_fd);
    if (server->signals_taken)
        pthread_sigmask(SIG_SETMASK, &server->signals_before, NULL);
    memory_give(&memory_libc, server, sizeof *server);
    if (ran)
        log_notice("Strata has stopped");
}
