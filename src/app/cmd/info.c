/* app/cmd/info.c: INFO. */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/cmd/audit_cmd.h"
#include "app/cmd/class_stats.h"
#include "app/cmd/commands.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "app/cmd/tier_cmd.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/version.h"
#include "core/auth/users.h"
#include "core/obs/slowlog.h"

enum { CLASS_NAME_SHOWN_MAX = 255 };
enum { TTL_SAMPLES = 64 };              /* entries looked at for avg_ttl */
enum { LOADING_SPEED_MIN = 10 * 1000 }; /* bytes a millisecond, 10 MB/s */

/* What the sections are made from, fetched once. */
struct info {
    struct cmd_call *call;
    struct cmd_server *server;
    const struct cmd_server_api *api;
    struct buf *text;
    struct cmd_server_counts counts;
    struct cmd_process process;
    struct cache_stats cache;
    enum status status;      /* of the text: NO_MEMORY stays */
    uint32_t class_lines[3]; /* of each kind so far */
};

static void line(struct info *info, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct info *info, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text - 2, format, arguments);
    va_end(arguments);
    size_t used = (size_t)size < sizeof text - 3 ? (size_t)size : sizeof text - 3;
    memcpy(text + used, "\r\n", 2);
    if (info->status == STATUS_OK)
        info->status = buf_append(info->text, text, used + 2);
}

static void number(struct info *info, const char *name, uint64_t value) {
    line(info, "%s:%llu", name, (unsigned long long)value);
}

/* The same in bytes and for people: "used_memory:1048576" and "used_memory_human:1.00M". */
static void bytes(struct info *info, const char *name, uint64_t value) {
    static const char letters[] = "BKMGTP";
    double scaled = (double)value;
    size_t unit = 0;
    while (scaled >= 1024 && unit + 2 < sizeof letters) {
        scaled /= 1024;
        unit++;
    }
    number(info, name, value);
    if (unit == 0)
        line(info, "%s_human:%lluB", name, (unsigned long long)value);
    else
        line(info, "%s_human:%.2f%c", name, scaled, letters[unit]);
}

static double share(uint64_t part, uint64_t whole) { return whole ? (double)part * 100.0 / (double)whole : 0; }

static void section_server(struct info *info) {
    uint64_t now_us = info->api->now_us(info->server), started_ms = info->api->started_ms(info->server);
    uint64_t up_s = now_us / 1000 > started_ms ? (now_us / 1000 - started_ms) / 1000 : 0;
    line(info, "redis_version:%s", CMD_REDIS_VERSION);
    line(info, "server_name:strata");
    line(info, "strata_version:%s", STRATA_VERSION);
    line(info, "redis_mode:standalone");
    line(info, "os:%s", info->process.os);
    line(info, "arch_bits:%zu", sizeof(void *) * 8);
    line(info, "multiplexing_api:epoll");
    line(info, "process_id:%d", info->process.process_id);
    line(info, "process_supervised:no");
    line(info, "run_id:%s", info->api->run_id(info->server));
    line(info, "tcp_port:%d", info->process.tcp_port);
    number(info, "server_time_usec", now_us);
    number(info, "uptime_in_seconds", up_s);
    number(info, "uptime_in_days", up_s / 86400);
    line(info, "executable:%s", info->process.executable);
    line(info, "config_file:%s", info->process.config_file);
}

static void section_clients(struct info *info) {
    number(info, "connected_clients", info->counts.clients);
    number(info, "cluster_connections", 0);
    number(info, "maxclients", info->counts.clients_max);
    number(info, "client_recent_max_input_buffer", info->counts.input_largest_bytes);
    number(info, "client_recent_max_output_buffer", info->counts.output_largest_bytes);
    number(info, "blocked_clients", info->counts.leases.blocked);
    number(info, "tracking_clients", info->counts.tracking_clients);
    number(info, "pubsub_clients", info->counts.pubsub_clients);
    number(info, "clients_in_timeout_table", 0);
    number(info, "total_blocking_keys", 0);
    number(info, "total_blocking_keys_on_nokey", 0);
    number(info, "monitor_clients", info->counts.monitors);
}

static void section_memory(struct info *info) {
    const struct cache_stats *cache = &info->cache;
    const struct cmd_process *process = &info->process;
    uint64_t used = cache->occupied_bytes, peak = info->counts.memory_peak_bytes;
    uint64_t overhead = used > cache->live_bytes ? used - cache->live_bytes : 0;
    uint64_t client_bytes = info->counts.input_buffers_bytes + info->counts.output_buffers_bytes;
    if (peak < used)
        peak = used;
    bytes(info, "used_memory", used);
    bytes(info, "used_memory_rss", process->resident_bytes);
    bytes(info, "used_memory_peak", peak);
    line(info, "used_memory_peak_perc:%.2f%%", share(used, peak));
    number(info, "used_memory_overhead", overhead);
    number(info, "used_memory_startup", cache->table_bytes);
    number(info, "used_memory_dataset", cache->live_bytes);
    line(info, "used_memory_dataset_perc:%.2f%%",
         share(cache->live_bytes, used > cache->table_bytes ? used - cache->table_bytes : 0));
    bytes(info, "total_system_memory", process->system_memory_bytes);
    number(info, "number_of_cached_scripts", 0);
    number(info, "number_of_functions", 0);
    number(info, "number_of_libraries", 0);
    bytes(info, "maxmemory", cache->limit_bytes);
    line(info, "maxmemory_policy:%s", cache_policy_name(cache_policy_now(info->call->env->cache)));
    line(info, "maxmemory_policy_method:%s", cache_policy_method(cache_policy_now(info->call->env->cache)));
    line(info, "mem_fragmentation_ratio:%.2f", used ? (double)process->resident_bytes / (double)used : 0);
    line(info, "mem_fragmentation_bytes:%lld", (long long)(process->resident_bytes - used));
    number(info, "mem_not_counted_for_evict", client_bytes);
    number(info, "mem_replication_backlog", 0);
    number(info, "mem_total_replication_buffers", 0);
    number(info, "mem_clients_slaves", 0);
    number(info, "mem_clients_normal", client_bytes);
    number(info, "mem_cluster_links", 0);
    number(info, "mem_aof_buffer", 0);
    line(info, "mem_allocator:strata-segments");
    number(info, "active_defrag_running", 0);
    number(info, "lazyfree_pending_objects", 0);
    line(info, "memory_pressure:%s", (const char *const[]){"calm", "tight", "critical"}[cache->pressure]);
    number(info, "mem_logs", cache->log_bytes);
    number(info, "mem_index", cache->index_bytes);
    number(info, "mem_large_values", cache->large_bytes);
    number(info, "mem_objects", cache->object_bytes);
    number(info, "mem_ghosts", cache->ghost_bytes);
    number(info, "mem_filters", cache->filter_bytes);
    number(info, "mem_tags", cache->tag_bytes);
    number(info, "mem_tables", cache->table_bytes);
    number(info, "mem_idle", cache->idle_bytes);
    number(info, "mem_pinned", cache->pinned_bytes);
    number(info, "mem_segments_used", cache->segments_used);
    number(info, "mem_segments_total", cache->segments_total);
    number(info, "mem_segment_size", cache->segment_size);
    number(info, "mem_shards", cache->shards);
}

/* Of the log, where there is one. */
static void of_log(struct info *info, const struct cmd_persistence *facts) {
    number(info, "aof_current_size", facts->log_bytes);
    number(info, "aof_base_size", facts->snapshot_bytes);
    number(info, "log_staged_lsn", facts->staged_lsn);
    number(info, "log_written_lsn", facts->written_lsn);
    number(info, "log_flushed_lsn", facts->flushed_lsn);
    number(info, "log_files", facts->files);
    number(info, "backup_last_time", facts->backed_up_at_ms / 1000);
    line(info, "backup_last_status:%s", facts->last_backup_failed ? "err" : "ok");
    number(info, "log_flushes", facts->flushes);
    number(info, "log_flush_last_us", facts->flush_us_last);
    number(info, "log_flush_max_us", facts->flush_us_max);
    number(info, "log_refuses_writes", facts->refuses);
    number(info, "log_holds_writes_back", facts->behind);
    number(info, "log_cut_bytes", facts->cut_bytes);
    number(info, "loaded_records", facts->loaded_records);
    number(info, "loaded_ms", facts->loaded_ms);
    number(info, "loaded_without_room", facts->loaded_lost);
    number(info, "snapshot_tier_keys", facts->saved_below);
    number(info, "snapshot_tier_left_out", facts->saved_below_left_out);
}

/* Bytes a millisecond. The first bytes of a file say little: while there is less than a hundredth, as many as any disk brings are assumed. */
static double loading_speed(const struct cmd_persistence *facts, uint64_t total, uint64_t took_ms) {
    double speed = (double)facts->loading_bytes / (double)(took_ms ? took_ms : 1);
    bool unknown = facts->loading_bytes * 100 < total;
    return unknown && speed < LOADING_SPEED_MIN ? LOADING_SPEED_MIN : speed;
}

/* How far the loading is. The time that is left goes by the speed so far, and is at least a second: clients ask again then. */
static void of_loading(struct info *info, const struct cmd_persistence *facts, uint64_t now_ms) {
    uint64_t took_ms = now_ms > facts->loading_since_ms ? now_ms - facts->loading_since_ms : 0;
    uint64_t total = facts->loading_total > facts->loading_bytes ? facts->loading_total : facts->loading_bytes;
    uint64_t left = total - facts->loading_bytes;
    double left_ms = left ? (double)left / loading_speed(facts, total, took_ms) : 0;
    number(info, "loading_start_time", facts->loading_since_ms / 1000);
    number(info, "loading_total_bytes", total);
    number(info, "loading_loaded_bytes", facts->loading_bytes);
    line(info, "loading_loaded_perc:%.2f", total ? 100.0 * (double)facts->loading_bytes / (double)total : 0);
    number(info, "loading_eta_seconds", 1 + (uint64_t)(left_ms / 1000));
}

/* By the speed so far. Entries that come meanwhile may be met as well. */
static void of_saving(struct info *info, const struct cmd_persistence *facts, uint64_t since_ms) {
    uint64_t total = facts->saving_total > facts->saving_done ? facts->saving_total : facts->saving_done;
    double took_ms = since_ms ? (double)since_ms : 1;
    line(info, "snapshot_percent:%.2f", total ? 100.0 * (double)facts->saving_done / (double)total : 0.0);
    number(info, "snapshot_bytes_written", facts->saving_bytes);
    number(info, "snapshot_bytes_per_sec", (uint64_t)((double)facts->saving_bytes * 1000 / took_ms));
    if (facts->saving_done)
        number(info, "snapshot_remaining_sec",
               (uint64_t)(took_ms * (double)(total - facts->saving_done) / (double)facts->saving_done / 1000));
}

static void of_memory_file(struct info *info, const struct cmd_persistence *facts) {
    number(info, "memory_file_attached", facts->attached);
    line(info, "memory_file_attach_ms:%llu.%03llu", (unsigned long long)(facts->attach_us / 1000),
         (unsigned long long)(facts->attach_us % 1000));
    if (!facts->attached)
        line(info, "memory_file_begun_anew:%s", facts->why_not);
}

static void section_persistence(struct info *info) {
    struct cmd_persistence facts;
    info->api->persistence(info->server, &facts);
    uint64_t now_ms = info->api->now_us(info->server) / 1000;
    uint64_t since_ms = facts.saving && now_ms > facts.saving_since_ms ? now_ms - facts.saving_since_ms : 0;
    number(info, "loading", facts.loading);
    number(info, "async_loading", 0);
    number(info, "rdb_changes_since_last_save",
           facts.enabled ? facts.staged_lsn - facts.saved_lsn : info->counts.changes);
    number(info, "rdb_bgsave_in_progress", facts.saving);
    number(info, "rdb_last_save_time", facts.saved_at_ms / 1000);
    line(info, "rdb_last_bgsave_status:%s", facts.last_save_failed ? "err" : "ok");
    number(info, "rdb_saves", facts.saves);
    number(info, "rdb_current_save_keys_processed", facts.saving ? facts.saving_done : 0);
    number(info, "rdb_current_save_keys_total", facts.saving ? facts.saving_total : 0);
    line(info, "rdb_current_bgsave_time_sec:%lld", facts.saving ? (long long)(since_ms / 1000) : -1);
    line(info, "rdb_last_bgsave_time_sec:%lld",
         facts.saves + facts.save_failures ? (long long)(facts.save_ms_last / 1000) : -1);
    if (facts.saving)
        of_saving(info, &facts, since_ms);
    number(info, "aof_enabled", facts.enabled);
    number(info, "aof_rewrite_in_progress", facts.saving);
    number(info, "aof_rewrite_scheduled", 0);
    number(info, "aof_current_rewrite_time_sec", since_ms / 1000);
    line(info, "aof_last_bgrewrite_status:%s", facts.last_save_failed ? "err" : "ok");
    line(info, "aof_last_write_status:%s", facts.refuses ? "err" : "ok");
    number(info, "aof_rewrites", facts.saves);
    number(info, "module_fork_in_progress", 0);
    if (facts.in_file)
        of_memory_file(info, &facts);
    if (facts.loading)
        of_loading(info, &facts, now_ms);
    else if (facts.enabled)
        of_log(info, &facts);
}

/* What was invalidated and is not yet removed. */
static void section_dead(struct info *info) {
    struct cache_bans bans;
    cache_bans(info->call->env->cache, &bans);
    number(info, "invalidated_keys", info->counts.invalidated);
    number(info, "dead_keys", info->cache.dead);
    number(info, "banned_patterns", bans.live);
    number(info, "banned_patterns_total", bans.set);
    number(info, "banned_keys_removed", bans.removed);
    line(info, "banned_sweep_percent:%.1f", bans.done_permille / 10.0);
}

static void counted_by_rules(struct info *info) {
    const struct cmd_env *env = info->call->env;
    number(info, "rules_lost_entries", atomic_load_explicit(&env->lost_to_rules, memory_order_relaxed));
    struct cmd_rules_loads loads = {.failures = 0};
    if (info->call->env->server)
        info->call->env->server->api->rules_loads(info->call->env->server, &loads);
    line(info, "rules_last_load_status:%s", loads.failed ? "err" : "ok");
    number(info, "rules_last_load_time", loads.last_at_ms);
    line(info, "rules_last_load_error:%s", loads.problem);
    number(info, "rules_failed_loads", loads.failures);
    number(info, "not_owner_writes", atomic_load_explicit(&env->not_owner, memory_order_relaxed));
    number(info, "not_borrower_reads", atomic_load_explicit(&env->not_borrower, memory_order_relaxed));
    number(info, "not_guarded_writes", atomic_load_explicit(&env->not_guarded, memory_order_relaxed));
    number(info, "unknown_events", atomic_load_explicit(&env->unknown_events, memory_order_relaxed));
}

static void denied(struct info *info, const struct cmd_server_counts *counts) {
    number(info, "acl_access_denied_auth", counts->denied[AUTH_REASON_AUTH]);
    number(info, "acl_access_denied_cmd", counts->denied[AUTH_REASON_COMMAND]);
    number(info, "acl_access_denied_key", counts->denied[AUTH_REASON_KEY]);
    number(info, "acl_access_denied_channel", counts->denied[AUTH_REASON_CHANNEL]);
}

static void command_logs(struct info *info) {
    static const char *const names[CMD_LOGS] = {
        [CMD_LOG_SLOW] = "slow", [CMD_LOG_LARGE_REQUEST] = "large_request", [CMD_LOG_LARGE_REPLY] = "large_reply"};
    uint64_t lengths[CMD_LOGS], counts[CMD_LOGS];
    info->api->logs_lock(info->server);
    for (int log = 0; log < CMD_LOGS; log++) {
        lengths[log] = info->api->command_log(info->server, (enum cmd_log)log)->count;
        counts[log] = info->api->command_log(info->server, (enum cmd_log)log)->id_next;
    }
    info->api->logs_unlock(info->server);
    for (int log = 0; log < CMD_LOGS; log++) {
        line(info, "commandlog_%s_len:%llu", names[log], (unsigned long long)lengths[log]);
        line(info, "commandlog_%s_total:%llu", names[log], (unsigned long long)counts[log]);
    }
}

static void of_leases(struct info *info) {
    number(info, "lease_out", info->counts.leases.out);
    number(info, "lease_waiting", info->counts.leases.waiting);
    number(info, "lease_bytes", info->counts.leases.bytes);
    number(info, "lease_given", info->counts.leases.given);
    number(info, "lease_used", info->counts.leases.used);
    number(info, "lease_lost", info->counts.leases.lost);
    number(info, "lease_expired", info->counts.leases.expired);
    number(info, "lease_late", info->counts.leases.late);
    number(info, "lease_released", info->counts.leases.released);
    number(info, "lease_refused", info->counts.leases.refused);
    number(info, "lease_refused_sets", info->counts.leases.refused_sets);
}

static void section_stats(struct info *info) {
    const struct cmd_server_counts *counts = &info->counts;
    number(info, "total_connections_received", counts->connections_received);
    number(info, "total_commands_processed", counts->commands);
    line(info, "instantaneous_ops_per_sec:%.0f", counts->commands_per_s);
    number(info, "total_net_input_bytes", counts->bytes_in);
    number(info, "total_net_output_bytes", counts->bytes_out);
    number(info, "total_net_repl_input_bytes", 0);
    number(info, "total_net_repl_output_bytes", 0);
    line(info, "instantaneous_input_kbps:%.2f", counts->input_kb_per_s);
    line(info, "instantaneous_output_kbps:%.2f", counts->output_kb_per_s);
    number(info, "rejected_connections", counts->connections_rejected);
    number(info, "sync_full", 0);
    number(info, "sync_partial_ok", 0);
    number(info, "sync_partial_err", 0);
    number(info, "expired_keys", counts->expired);
    number(info, "evicted_keys", counts->evicted);
    section_dead(info);
    counted_by_rules(info);
    number(info, "evicted_clients", 0);
    number(info, "evicted_scripts", 0);
    number(info, "keyspace_hits", counts->hits);
    number(info, "keyspace_misses", counts->misses);
    for (int i = 0; i < MISS_CAUSES; i++)
        line(info, "keyspace_misses_%s:%llu", miss_cause_name((enum miss_cause)i),
             (unsigned long long)counts->misses_by[i]);
    number(info, "pubsub_channels", counts->topics[TOPIC_CHANNEL]);
    number(info, "pubsub_patterns", counts->topics[TOPIC_PATTERN]);
    number(info, "pubsubshard_channels", counts->topics[TOPIC_SHARD_CHANNEL]);
    number(info, "latest_fork_usec", 0);
    number(info, "total_forks", 0);
    number(info, "migrate_cached_sockets", 0);
    number(info, "slave_expires_tracked_keys", 0);
    number(info, "tracking_total_keys", counts->tracked_keys);
    number(info, "tracking_total_items", counts->tracked_items);
    number(info, "tracking_total_prefixes", counts->tracked_prefixes);
    number(info, "total_error_replies", counts->errors);
    number(info, "total_reads_processed", counts->reads);
    number(info, "total_writes_processed", counts->writes);
    number(info, "client_query_buffer_limit_disconnections", counts->query_limit_cuts);
    number(info, "client_output_buffer_limit_disconnections", counts->output_limit_cuts);
    number(info, "pubsub_cut_clients", counts->pubsub_cuts);
    denied(info, counts);
    command_logs(info);
    of_leases(info);
    number(info, "eventloop_cycles", counts->loop_turns);
    number(info, "eventloop_duration_sum", counts->loop_us);
    number(info, "eventloop_duration_cmd_sum", counts->loop_command_us);
    number(info, "reclaim_copied_bytes", counts->copied_bytes);
    number(info, "read_retries", counts->retries);
}

static void section_replication(struct info *info) {
    line(info, "role:master");
    number(info, "connected_slaves", 0);
    line(info, "master_failover_state:no-failover");
    line(info, "master_replid:%s", info->api->run_id(info->server));
    line(info, "master_replid2:0000000000000000000000000000000000000000");
    number(info, "master_repl_offset", 0);
    line(info, "second_repl_offset:-1");
    number(info, "repl_backlog_active", 0);
    number(info, "repl_backlog_size", 0);
    number(info, "repl_backlog_first_byte_offset", 0);
    number(info, "repl_backlog_histlen", 0);
}

static void section_cpu(struct info *info) {
    line(info, "used_cpu_sys:%.6f", info->process.cpu_system_s);
    line(info, "used_cpu_user:%.6f", info->process.cpu_user_s);
    line(info, "used_cpu_sys_children:%.6f", info->process.cpu_system_children_s);
    line(info, "used_cpu_user_children:%.6f", info->process.cpu_user_children_s);
}

static void section_modules(struct info *info) { (void)info; /* there are none */ }

static void commandstat(struct info *info, const struct cmd_spec *spec) {
    struct cmd_command_counts counts = {0};
    info->api->command_counts(info->server, spec->index, &counts);
    if (counts.calls == 0 && counts.rejected == 0 && counts.failed == 0)
        return;
    line(info, "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu", spec->name,
         (unsigned long long)counts.calls, (unsigned long long)counts.usec,
         counts.calls ? (double)counts.usec / (double)counts.calls : 0, (unsigned long long)counts.rejected,
         (unsigned long long)counts.failed);
}

static void latencystat(struct info *info, const struct cmd_spec *spec) {
    double p50 = info->api->command_percentile(info->server, spec->index, 50);
    if (p50 <= 0)
        return;
    line(info, "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f", spec->name, p50,
         info->api->command_percentile(info->server, spec->index, 99),
         info->api->command_percentile(info->server, spec->index, 99.9));
}

static void each_command(struct info *info, void (*visit)(struct info *, const struct cmd_spec *)) {
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        if (cmd_table[i].run)
            visit(info, &cmd_table[i]);
        for (uint32_t j = 0; j < cmd_table[i].subcommand_count; j++)
            visit(info, &cmd_table[i].subcommands[j]);
    }
}

static void section_commandstats(struct info *info) { each_command(info, commandstat); }

static void section_latencystats(struct info *info) { each_command(info, latencystat); }

static void errorstat(void *context, const char *code, uint64_t count) {
    line(context, "errorstat_%s:count=%llu", code, (unsigned long long)count);
}

static void section_errorstats(struct info *info) { info->api->each_error(info->server, errorstat, info); }

static void section_cluster(struct info *info) { number(info, "cluster_enabled", 0); }

struct ttl_sample {
    uint64_t now_ms, sum_ms, count;
};

static void sample_ttl(void *context, struct slice name, const struct cache_info *entry) {
    struct ttl_sample *sample = context;
    if (entry->expires_at_ms <= sample->now_ms)
        return;
    sample->sum_ms += entry->expires_at_ms - sample->now_ms;
    sample->count++;
}

/* avg_ttl is that of the first entries that a scan meets: names are scattered by their hash, so these are a fair sample. */
static void section_keyspace(struct info *info) {
    struct cache *cache = info->call->env->cache;
    for (uint32_t db = 0; db < CACHE_DATABASES; db++) {
        uint64_t keys = cache_count(cache, db), expiring = cache_count_expiring(cache, db);
        if (keys == 0)
            continue;
        struct ttl_sample sample = {.now_ms = info->call->actor->now_ms};
        if (expiring)
            (void)cache_scan(cache, info->call->actor, db, 0, TTL_SAMPLES, sample_ttl, &sample);
        line(info, "db%u:keys=%llu,expires=%llu,avg_ttl=%llu", db, (unsigned long long)keys,
             (unsigned long long)expiring, (unsigned long long)(sample.count ? sample.sum_ms / sample.count : 0));
    }
}

/* One line a store, the default one first. `bytes` walks the table of segments, 2 MiB each in a large cache: about a microsecond
 * a store and gigabyte. */
static void section_stores(struct info *info) {
    struct cache *cache = info->call->env->cache;
    for (uint32_t store = 0; store < cache_store_count(cache); store++) {
        if (!cache_store_is_there(cache, store))
            continue;
        struct cache_store_info of;
        struct actor_counts counts = {0};
        cache_store_info(cache, store, &of);
        info->api->store_counts(info->server, store, &counts);
        line(info,
             "store_%s:policy=%s,entries=%llu,bytes=%llu,guaranteed=%llu,hits=%llu,misses=%llu,expired=%llu,"
             "evicted=%llu",
             of.name, cache_policy_name(of.policy), (unsigned long long)of.entries, (unsigned long long)of.bytes,
             (unsigned long long)of.guaranteed_bytes, (unsigned long long)counts.hits,
             (unsigned long long)counts.misses, (unsigned long long)counts.expired, (unsigned long long)counts.evicted);
    }
}

/* Keys may hold any bytes, and a line of INFO may not. */
static int printable(struct slice name, char to[CLASS_NAME_SHOWN_MAX]) {
    size_t size = name.size < CLASS_NAME_SHOWN_MAX ? name.size : CLASS_NAME_SHOWN_MAX;
    for (size_t i = 0; i < size; i++)
        to[i] = name.data[i] > ' ' && name.data[i] < 0x7f && name.data[i] != ',' ? (char)name.data[i] : '?';
    return (int)size;
}

static void class_line(void *context, const struct cmd_class_stats *stats) {
    static const char *const kinds[] = {
        [CLASS_DECLARED] = "class", [CLASS_PREFIX] = "prefix", [CLASS_OTHERS] = "others"};
    struct info *info = context;
    if (stats->kind == CLASS_PREFIX && !rights_see_all(info->call, stats->name))
        return; /* it is a part of keys' names */
    const struct class_counts *counts = &stats->counts;
    char name[CLASS_NAME_SHOWN_MAX];
    int name_size = printable(stats->name, name);
    uint64_t misses = 0;
    for (int i = 0; i < MISS_CAUSES; i++)
        misses += counts->misses[i];
    line(info,
         "%s_%u:name=%.*s,keys=%llu,bytes=%llu,hits=%llu,misses=%llu,writes=%llu,expired=%llu,evicted=%llu,"
         "invalidated=%llu,deleted=%llu",
         kinds[stats->kind], info->class_lines[stats->kind]++, name_size, name,
         (unsigned long long)stats->contents.keys, (unsigned long long)stats->contents.bytes,
         (unsigned long long)counts->hits, (unsigned long long)misses, (unsigned long long)counts->writes,
         (unsigned long long)counts->expired, (unsigned long long)counts->evicted,
         (unsigned long long)counts->invalidated, (unsigned long long)counts->deleted);
}

/* Nothing, if other rules come into force at this moment. */
static void section_classes(struct info *info) {
    MAYBE(info->api->each_class(info->server, info->call->client, false, class_line, info) != STATUS_OK);
}

static void section_stream(struct info *info) {
    const struct cmd_stream_counts *counts = &info->counts.stream;
    number(info, "stream_recording", counts->recording);
    number(info, "stream_recording_writes", counts->writes);
    number(info, "stream_position", counts->position);
    number(info, "stream_first", counts->position > counts->floor ? counts->floor + 1 : 0);
    number(info, "stream_bytes", counts->bytes);
    number(info, "stream_subscribers", counts->subscribers);
    number(info, "stream_subscribers_writes", counts->writers);
    number(info, "stream_subscribers_ack", counts->ackers);
    number(info, "stream_told", counts->told);
    number(info, "stream_gaps", counts->gaps);
    number(info, "stream_sync_waiting", counts->waiting);
    number(info, "stream_sync_complete", counts->synced);
    number(info, "stream_sync_incomplete", counts->unacknowledged);
}

static void tier_line(void *context, const char *name, uint64_t value) { number(context, name, value); }

static void section_tier(struct info *info) {
    struct cmd_tier_counts counts = {.enabled = false};
    tier_each_count(info->call, tier_line, info);
    if (info->api->tier)
        info->api->tier(info->server, &counts);
    if (!counts.enabled)
        return;
    line(info, "tier_file:%s", counts.path);
    line(info, "tier_read_by:%s", counts.reader);
    number(info, "tier_past_page_cache", counts.direct);
}

static void section_tls(struct info *info) {
    struct cmd_secure_counts counts = {.port = 0};
    if (info->api->secure_counts)
        info->api->secure_counts(info->server, &counts);
    number(info, "tls_port", counts.port);
    number(info, "tls_handshakes", counts.handshakes);
    number(info, "tls_handshakes_resumed", counts.resumed);
    number(info, "tls_handshakes_failed", counts.failed);
    number(info, "tls_certificate_loads", counts.loads);
    number(info, "tls_certificate_load_failures", counts.load_failures);
    number(info, "tls_certificate_ends", (uint64_t)counts.certificate_ends_s);
}

static void audit_line(void *context, const char *name, uint64_t value) { number(context, name, value); }

static void section_audit(struct info *info) {
    struct cmd_audit_counts counts = {.enabled = false};
    if (info->api->audit)
        info->api->audit(info->server, &counts);
    audit_each_count(&counts, audit_line, info);
    if (counts.enabled)
        line(info, "audit_last_hash:%s", counts.last_hash);
}

static void section_http(struct info *info) {
    struct cmd_http_counts counts = {.port = 0};
    if (info->api->http_counts)
        info->api->http_counts(info->server, &counts);
    number(info, "http_port", counts.port);
    number(info, "http_tls_port", counts.tls_port);
    number(info, "http_connections", counts.connections);
    number(info, "http_connections_received", counts.received);
    number(info, "http_connections_rejected", counts.rejected);
    number(info, "http_requests_1_0", counts.requests[0]);
    number(info, "http_requests_1_1", counts.requests[1]);
    number(info, "http_requests_2", counts.requests[2]);
    number(info, "http_requests_refused", counts.refused);
    number(info, "http_cut_slow", counts.timed_out);
    number(info, "http_cut_unread", counts.unread);
    number(info, "http_cut_calmed", counts.calmed);
    number(info, "http_input_bytes", counts.bytes_in);
    number(info, "http_output_bytes", counts.bytes_out);
    number(info, "http_held_bytes", counts.held_bytes);
    number(info, "http_tls_handshakes", counts.handshakes);
    number(info, "http_tls_handshakes_failed", counts.handshakes_failed);
}

static const struct section {
    const char *name, *title;
    void (*write)(struct info *);
    bool is_default;
} sections[] = {
    {"server", "Server", section_server, true},
    {"clients", "Clients", section_clients, true},
    {"memory", "Memory", section_memory, true},
    {"persistence", "Persistence", section_persistence, true},
    {"stats", "Stats", section_stats, true},
    {"replication", "Replication", section_replication, true},
    {"cpu", "CPU", section_cpu, true},
    {"modules", "Modules", section_modules, true},
    {"commandstats", "Commandstats", section_commandstats, false},
    {"errorstats", "Errorstats", section_errorstats, true},
    {"latencystats", "Latencystats", section_latencystats, false},
    {"cluster", "Cluster", section_cluster, true},
    {"keyspace", "Keyspace", section_keyspace, true},
    {"stores", "Stores", section_stores, true},
    {"classes", "Classes", section_classes, false},
    {"stream", "Stream", section_stream, true},
    {"tier", "Tier", section_tier, true},
    {"tls", "TLS", section_tls, true},
    {"audit", "Audit", section_audit, true},
    {"http", "HTTP", section_http, true},
};

/* Marks the sections that the arguments name. Unknown names are no error: tools ask for what newer servers have. */
static uint32_t wanted_sections(const struct cmd_call *call) {
    uint32_t wanted = 0;
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        bool named = call->argc == 1 && sections[i].is_default;
        for (uint32_t at = 1; at < call->argc; at++) {
            named |= cmd_is(call, at, sections[i].name) || cmd_is(call, at, "all") || cmd_is(call, at, "everything") ||
                     (sections[i].is_default && cmd_is(call, at, "default"));
        }
        wanted |= (uint32_t)named << i;
    }
    return wanted;
}

void cmd_info(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct buf text;
    buf_init(&text, &memory_libc);
    struct info info = {.call = call, .server = server, .api = server->api, .text = &text};
    uint32_t wanted = wanted_sections(call);
    info.api->counts(server, &info.counts);
    info.api->process(server, &info.process);
    cache_stats(call->env->cache, &info.cache);
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (!(wanted & 1u << i))
            continue;
        if (text.size)
            line(&info, "%s", "");
        line(&info, "# %s", sections[i].title);
        sections[i].write(&info);
    }
    if (info.status == STATUS_OK)
        reply_verbatim(call->reply, "txt", buf_slice(&text));
    else
        cmd_error_status(call, info.status);
    buf_fini(&text);
}
