#include "app/server/calls.h"

#include <string.h>

#include "app/server/audit.h"
#include "app/server/beside.h"
#include "app/server/cause.h"
#include "app/server/class_stats.h"
#include "app/server/clients.h"
#include "app/server/history.h"
#include "app/server/hot_keys.h"
#include "app/server/kept.h"
#include "app/server/leases.h"
#include "app/server/monitor.h"
#include "app/server/persistence.h"
#include "app/server/pubsub.h"
#include "app/server/rules.h"
#include "app/server/secure.h"
#include "app/server/settings.h"
#include "app/server/streaming.h"
#include "app/server/tiering.h"
#include "app/server/tracking.h"
#include "app/server/users.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/process.h"

static uint64_t api_search_max(const struct cmd_server *api) {
    const struct server *server = (const struct server *)api;
    return SETTING(server, search_max);
}

static enum status api_shutdown(struct cmd_server *api, enum cmd_save_last saves, bool now, bool force, bool abort) {
    struct server *server = server_of(api);
    if (abort)
        return STATUS_INVALID; /* a stop is under way at once; there is nothing to take back */
    log_event(LOG_NOTICE, "stopping", LOG_FIELDS(log_text("cause", "SHUTDOWN")), "SHUTDOWN was asked for");
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

static uint64_t api_started_ms(struct cmd_server *api) { return server_of(api)->started_ms; }
static const char *api_run_id(struct cmd_server *api) { return server_of(api)->run_id; }
static uint64_t api_now_us(struct cmd_server *api) { return clock_unix_us(); }
static void api_logs_lock(struct cmd_server *api) { pthread_mutex_lock(&server_of(api)->logs_lock); }
static void api_logs_unlock(struct cmd_server *api) { pthread_mutex_unlock(&server_of(api)->logs_lock); }
static struct slowlog *api_command_log(struct cmd_server *api, enum cmd_log log) {
    return &server_of(api)->command_logs[log];
}
static struct latency_monitor *api_latency(struct cmd_server *api) { return &server_of(api)->latency; }

const struct cmd_server_api server_calls = {
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
    .each_config = settings_api_each,
    .config_set = settings_api_set,
    .config_rewrite = settings_api_rewrite,
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
