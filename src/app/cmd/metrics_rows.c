/* app/cmd/metrics_rows.c: what METRICS tells, collected. */
#include <malloc.h>
#include <stdio.h>

#include "app/cmd/metrics.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/number.h"
#include "base/version.h"
#include "core/obs/latency.h"
#include "core/obs/slowlog.h"

enum { TTL_SAMPLES = 64 }; /* entries looked at for ttl_s, as for avg_ttl of INFO */

static const size_t row_sizes[METRIC_EACHES] = {
    [METRIC_EACH_SERVER] = sizeof(struct metric_facts),      [METRIC_EACH_COMMAND] = sizeof(struct metric_command),
    [METRIC_EACH_STORE] = sizeof(struct metric_store),       [METRIC_EACH_CLASS] = sizeof(struct metric_class),
    [METRIC_EACH_DATABASE] = sizeof(struct metric_database), [METRIC_EACH_ERROR] = sizeof(struct metric_error),
    [METRIC_EACH_EVENT] = sizeof(struct metric_event),       [METRIC_EACH_BUILD] = sizeof(struct metric_said),
    [METRIC_EACH_INSTANCE] = sizeof(struct metric_said)};

struct collecting {
    struct cmd_call *call;
    struct cmd_server *server;
    const struct cmd_server_api *api;
    struct metric_rows *rows;
};

static void fail(struct collecting *collecting) { collecting->rows->status = STATUS_NO_MEMORY; }

static void *take(struct collecting *collecting, size_t size) {
    void *bytes = arena_take(collecting->call->arena, size ? size : 1);
    if (!bytes)
        fail(collecting);
    return bytes;
}

/* A row of zeros; NULL without memory. It moves when the next one of its kind comes. */
static void *add_row(struct collecting *collecting, enum metric_each each) {
    struct buf *of = &collecting->rows->of[each];
    size_t size = row_sizes[each];
    if (collecting->rows->status != STATUS_OK || buf_reserve(of, size) != STATUS_OK) {
        fail(collecting);
        return NULL;
    }
    void *row = memset(of->data + of->size, 0, size);
    of->size += size;
    return row;
}

/* ---------------------------------------------------------------------------------------- labels */

static struct slice copy(struct collecting *collecting, struct slice text) {
    struct slice kept = SLICE("");
    if (!arena_copy(collecting->call->arena, text, &kept))
        fail(collecting);
    return kept;
}

static void say_all(struct collecting *collecting, struct metric_said *said, enum metric_set set,
                    const struct metric_label *labels, uint32_t count) {
    struct metric_label *list = take(collecting, count * sizeof *list);
    if (!list)
        return;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct metric_label){labels[i].name, copy(collecting, labels[i].value)};
    said->labels[set] = (struct metric_labels){list, count};
}

static void say(struct collecting *collecting, struct metric_said *said, enum metric_set set, const char *name,
                struct slice value) {
    say_all(collecting, said, set, &(const struct metric_label){name, value}, 1);
}

/* ---------------------------------------------------------------------------------------- rows */

static void add_command(struct collecting *collecting, const struct cmd_spec *spec,
                        const struct cmd_command_facts *facts) {
    const struct cmd_command_facts *of = &facts[spec->index];
    if (!spec->run || of->calls + of->rejected + of->failed == 0)
        return;
    struct metric_command *row = add_row(collecting, METRIC_EACH_COMMAND);
    if (!row)
        return;
    row->facts = *of;
    say(collecting, &row->said, METRIC_SET_STRATA, "command", slice_from_string(spec->name));
    say(collecting, &row->said, METRIC_SET_REDIS, "cmd", slice_from_string(spec->name));
}

static void add_commands(struct collecting *collecting) {
    struct cmd_command_facts *facts = take(collecting, cmd_index_count * sizeof *facts);
    if (!facts)
        return;
    collecting->api->all_commands(collecting->server, facts);
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        add_command(collecting, &cmd_table[i], facts);
        for (uint32_t k = 0; k < cmd_table[i].subcommand_count; k++)
            add_command(collecting, &cmd_table[i].subcommands[k], facts);
    }
}

static void add_stores(struct collecting *collecting) {
    struct cache *cache = collecting->call->env->cache;
    for (uint32_t store = 0; store < cache_store_count(cache); store++) {
        if (!cache_store_is_there(cache, store))
            continue;
        struct metric_store *row = add_row(collecting, METRIC_EACH_STORE);
        if (!row)
            return;
        cache_store_info(cache, store, &row->of);
        MAYBE(cache_filter_info(cache, collecting->call->actor, store, &row->filter) != STATUS_OK);
        collecting->api->store_counts(collecting->server, store, &row->counts);
        say(collecting, &row->said, METRIC_SET_STRATA, "store", slice_from_string(row->of.name));
    }
}

/* Prefixes that were found by themselves come and go, and each would stay for ever where metrics are kept: they are told by STATS CLASS only. */
static void add_class(void *context, const struct cmd_class_stats *stats) {
    struct collecting *collecting = context;
    if (stats->kind == CLASS_PREFIX)
        return;
    struct metric_class *row = add_row(collecting, METRIC_EACH_CLASS);
    if (!row)
        return;
    row->stats = *stats;
    say(collecting, &row->said, METRIC_SET_STRATA, "class",
        stats->kind == CLASS_OTHERS ? SLICE("(none)") : stats->name);
}

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

static void add_database(struct collecting *collecting, uint32_t db) {
    struct cache *cache = collecting->call->env->cache;
    char number[NUMBER_TEXT_MAX], name[2 + NUMBER_TEXT_MAX] = "db";
    struct ttl_sample sample = {.now_ms = collecting->call->actor->now_ms};
    struct metric_database *row = add_row(collecting, METRIC_EACH_DATABASE);
    if (!row)
        return;
    row->keys = cache_count(cache, db);
    row->expiring = cache_count_expiring(cache, db);
    if (row->expiring)
        (void)cache_scan(cache, collecting->call->actor, db, 0, TTL_SAMPLES, sample_ttl, &sample);
    if (sample.count)
        row->ttl_s = (double)(sample.sum_ms / sample.count) / 1000;
    size_t size = number_format_u64(db, number);
    memcpy(name + 2, number, size);
    say(collecting, &row->said, METRIC_SET_STRATA, "database", slice_make(number, size));
    say(collecting, &row->said, METRIC_SET_REDIS, "db", slice_make(name, 2 + size));
}

/* The first one always, so that the metric is there. */
static void add_databases(struct collecting *collecting) {
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        if (db == 0 || cache_count(collecting->call->env->cache, db))
            add_database(collecting, db);
}

static void add_error(void *context, const char *code, uint64_t count) {
    struct collecting *collecting = context;
    struct metric_error *row = add_row(collecting, METRIC_EACH_ERROR);
    if (!row)
        return;
    row->count = count;
    say(collecting, &row->said, METRIC_SET_STRATA, "code", slice_from_string(code));
    say(collecting, &row->said, METRIC_SET_REDIS, "err", slice_from_string(code));
}

/* Both logs have one lock, under which nothing of the server is called. */
static void add_logs(struct collecting *collecting, struct metric_facts *facts) {
    collecting->api->logs_lock(collecting->server);
    const struct slowlog *slowlog = collecting->api->command_log(collecting->server, CMD_LOG_SLOW);
    const struct slowlog_entry *newest = slowlog_first(slowlog);
    facts->large_requests = collecting->api->command_log(collecting->server, CMD_LOG_LARGE_REQUEST)->id_next;
    facts->large_replies = collecting->api->command_log(collecting->server, CMD_LOG_LARGE_REPLY)->id_next;
    facts->slowlog_entries = slowlog->count;
    facts->slow_commands = slowlog->id_next;
    facts->slow_last_id = newest ? newest->id : 0;
    facts->slow_last_us = newest ? newest->value : 0;
    const struct latency_monitor *latency = collecting->api->latency(collecting->server);
    for (uint32_t i = 0; i < latency->event_count; i++) {
        const struct latency_event *event = &latency->events[i];
        struct metric_event *row = add_row(collecting, METRIC_EACH_EVENT);
        if (!row)
            break;
        row->last_ms = event->count ? latency_sample(event, event->count - 1)->ms : 0;
        row->highest_ms = event->highest_ms;
        say(collecting, &row->said, METRIC_SET_STRATA, "event", slice_from_string(event->name));
        say(collecting, &row->said, METRIC_SET_REDIS, "event_name", slice_from_string(event->name));
    }
    collecting->api->logs_unlock(collecting->server);
}

static void add_infos(struct collecting *collecting, const struct metric_facts *facts) {
    struct cmd_call *call = collecting->call;
    char port[NUMBER_TEXT_MAX], process[NUMBER_TEXT_MAX];
    size_t port_size = number_format_i64(facts->process.tcp_port, port);
    size_t process_size = number_format_i64(facts->process.process_id, process);
    struct metric_said *build = add_row(collecting, METRIC_EACH_BUILD);
    struct metric_said *instance = add_row(collecting, METRIC_EACH_INSTANCE);
    if (!build || !instance)
        return;
    const struct metric_label of_build[] = {{"version", slice_from_string(STRATA_VERSION)},
                                            {"redis_version", SLICE(CMD_REDIS_VERSION)}};
    const struct metric_label of_instance[] = {
        {"role", SLICE("master")},
        {"redis_version", SLICE(CMD_REDIS_VERSION)},
        {"redis_mode", SLICE("standalone")},
        {"os", slice_from_string(facts->process.os ? facts->process.os : "")},
        {"maxmemory_policy", slice_from_string(cache_policy_name(cache_policy_now(call->env->cache)))},
        {"tcp_port", slice_make(port, port_size)},
        {"run_id", slice_from_string(collecting->api->run_id(collecting->server))},
        {"process_id", slice_make(process, process_size)}};
    say_all(collecting, build, METRIC_SET_STRATA, of_build, COUNT_OF(of_build));
    say_all(collecting, instance, METRIC_SET_REDIS, of_instance, COUNT_OF(of_instance));
}

/* ---------------------------------------------------------------------------------------- the server */

/* How busy the busiest key is, and not which it is. */
static void add_hottest(struct collecting *collecting, struct metric_facts *facts) {
    struct hot *hot = take(collecting, sizeof *hot);
    if (!hot)
        return;
    collecting->api->hot_keys(collecting->server, hot);
    double weight = hot->count ? hot->items[0].weight : 0;
    facts->hottest_rate = hot_rate(hot, weight);
    facts->hottest_share = hot->total > 0 ? weight / hot->total : 0;
}

static void ask_server(struct collecting *collecting, struct metric_facts *facts) {
    struct cmd_server *server = collecting->server;
    const struct cmd_server_api *api = collecting->api;
    const struct cmd_env *env = collecting->call->env;
    api->counts(server, &facts->counts);
    api->process(server, &facts->process);
    api->persistence(server, &facts->persistence);
    api->rules_loads(server, &facts->loads);
    if (api->secure_counts)
        api->secure_counts(server, &facts->secure);
    if (api->audit)
        api->audit(server, &facts->audit);
    if (api->http_counts)
        api->http_counts(server, &facts->http);
    api->tier(server, &facts->file);
    cache_stats(env->cache, &facts->cache);
    cache_bans(env->cache, &facts->bans);
    if (facts->file.enabled)
        cache_tier_stats(env->cache, &facts->tier);
    facts->rules.lost_entries = atomic_load_explicit(&env->lost_to_rules, memory_order_relaxed);
    facts->rules.not_owner = atomic_load_explicit(&env->not_owner, memory_order_relaxed);
    facts->rules.not_borrower = atomic_load_explicit(&env->not_borrower, memory_order_relaxed);
    facts->rules.not_guarded = atomic_load_explicit(&env->not_guarded, memory_order_relaxed);
    facts->rules.unknown_events = atomic_load_explicit(&env->unknown_events, memory_order_relaxed);
}

static uint64_t above(uint64_t value, uint64_t other) { return value > other ? value - other : 0; }

static double ratio(uint64_t part, uint64_t whole) { return whole ? (double)part / (double)whole : 0; }

static void derive_times(struct collecting *collecting, struct metric_facts *facts) {
    uint64_t started_ms = collecting->api->started_ms(collecting->server);
    uint64_t now_ms = collecting->api->now_us(collecting->server) / 1000;
    facts->started_s = (double)started_ms / 1000;
    facts->uptime_s = (double)above(now_ms, started_ms) / 1000;
}

static void derive(struct metric_facts *facts) {
    const struct cmd_persistence *persistence = &facts->persistence;
    const struct cache_stats *cache = &facts->cache;
    struct mallinfo2 heap = mallinfo2();
    facts->up = true;
    facts->ready = !persistence->loading;
    facts->tls = facts->secure.port || facts->http.tls_port;
    facts->has_http = facts->http.port || facts->http.tls_port;
    facts->logs = persistence->enabled && !persistence->loading;
    facts->save_ok = !persistence->last_save_failed;
    facts->log_ok = !persistence->refuses;
    facts->process_id = (uint64_t)facts->process.process_id;
    facts->memory_peak_bytes = facts->counts.memory_peak_bytes;
    if (facts->memory_peak_bytes < cache->occupied_bytes)
        facts->memory_peak_bytes = cache->occupied_bytes;
    facts->overhead_bytes = above(cache->occupied_bytes, cache->live_bytes);
    facts->client_bytes = facts->counts.input_buffers_bytes + facts->counts.output_buffers_bytes;
    facts->pressure = cache->pressure;
    facts->fragmentation = ratio(facts->process.resident_bytes, cache->occupied_bytes);
    facts->heap_used_bytes = heap.uordblks;
    facts->heap_free_bytes = heap.fordblks;
    facts->heap_mapped_bytes = heap.hblkhd;
    facts->log_unflushed = above(persistence->staged_lsn, persistence->flushed_lsn);
    facts->log_error = (uint64_t)persistence->error;
    facts->changes_unsaved =
        persistence->enabled ? above(persistence->staged_lsn, persistence->saved_lsn) : facts->counts.changes;
    facts->saving_done = persistence->saving ? ratio(persistence->saving_done, persistence->saving_total) : 0;
    facts->saving_done = facts->saving_done > 1 ? 1 : facts->saving_done;
    facts->tls_full = above(facts->secure.handshakes, facts->secure.resumed);
    facts->certificate_ends_s = (double)facts->secure.certificate_ends_s;
}

void metric_rows_collect(struct cmd_call *call, struct metric_rows *ret_rows) {
    *ret_rows = (struct metric_rows){.status = STATUS_OK};
    for (int each = 0; each < METRIC_EACHES; each++) {
        buf_init(&ret_rows->of[each], &memory_libc);
        ret_rows->size[each] = row_sizes[each];
    }
    struct collecting collecting = {
        .call = call, .server = call->env->server, .api = call->env->server->api, .rows = ret_rows};
    struct metric_facts *facts = add_row(&collecting, METRIC_EACH_SERVER);
    if (!facts)
        return;
    ask_server(&collecting, facts);
    derive_times(&collecting, facts);
    derive(facts);
    add_hottest(&collecting, facts);
    add_logs(&collecting, facts);
    add_infos(&collecting, facts);
    add_commands(&collecting);
    add_stores(&collecting);
    add_databases(&collecting);
    collecting.api->each_error(collecting.server, add_error, &collecting);
    /* None, if other rules come into force at this moment. */
    enum status classes = collecting.api->each_class(collecting.server, call->client, false, add_class, &collecting);
    if (classes == STATUS_NO_MEMORY)
        fail(&collecting);
}

void metric_rows_fini(struct metric_rows *rows) {
    for (int each = 0; each < METRIC_EACHES; each++)
        buf_fini(&rows->of[each]);
}
