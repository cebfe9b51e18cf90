#include "app/server/stats.h"

#include <string.h>

#include "app/server/leases.h"
#include "app/server/monitor.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "sys/os/log.h"

void rate_look(struct rate *rate, uint64_t count, uint64_t now_ms) {
    if (rate->last_ms && now_ms > rate->last_ms) {
        uint64_t growth = count > rate->last ? count - rate->last : 0;
        rate->samples[rate->next++ % RATE_SAMPLES] = (double)growth * 1000 / (double)(now_ms - rate->last_ms);
    }
    rate->last = count;
    rate->last_ms = now_ms;
}

double rate_per_s(const struct rate *rate) {
    double sum = 0;
    for (unsigned i = 0; i < RATE_SAMPLES; i++)
        sum += rate->samples[i];
    return sum / RATE_SAMPLES;
}

void stats_note_memory(struct server *server) {
    struct cache_stats stats;
    cache_stats(server->cache, &stats);
    if (stats.occupied_bytes > atomic_load_explicit(&server->memory_peak_bytes, memory_order_relaxed))
        atomic_store_explicit(&server->memory_peak_bytes, stats.occupied_bytes, memory_order_relaxed);
}

static void add_worker(struct cmd_server_counts *sum, struct worker *worker) {
    const struct worker_counts *counts = &worker->counts;
    double ticks_per_us = worker->server->ticks_per_us;
    sum->connections_received += counts->connections_received;
    sum->connections_rejected += counts->connections_rejected;
    sum->commands += counts->commands;
    sum->bytes_in += counts->bytes_in;
    sum->bytes_out += counts->bytes_out;
    sum->reads += counts->reads;
    sum->writes += counts->writes;
    sum->loop_turns += counts->loop_turns;
    sum->loop_us += (uint64_t)((double)counts->loop_ticks / ticks_per_us);
    sum->loop_command_us += (uint64_t)((double)counts->command_ticks / ticks_per_us);
    sum->query_limit_cuts += counts->query_limit_cuts;
    sum->output_limit_cuts += counts->output_limit_cuts;
    sum->pubsub_cuts += counts->pubsub_cuts;
    sum->errors += counts->errors;
    sum->hits += worker->actor.counts.hits;
    sum->misses += worker->actor.counts.misses;
    for (int i = 0; i < MISS_CAUSES; i++)
        sum->misses_by[i] += worker->misses[i];
    sum->expired += worker->actor.counts.expired;
    sum->evicted += worker->actor.counts.evicted;
    sum->invalidated += worker->actor.counts.invalidated;
    sum->copied_bytes += worker->actor.counts.copied_bytes;
    sum->retries += worker->actor.counts.retries;
    sum->changes += worker->actor.counts.changes;
    sum->commands_per_s += rate_per_s(&counts->commands_rate);
    sum->input_kb_per_s += rate_per_s(&counts->input_rate) / 1024;
    sum->output_kb_per_s += rate_per_s(&counts->output_rate) / 1024;
    if (counts->input_largest_bytes > sum->input_largest_bytes)
        sum->input_largest_bytes = counts->input_largest_bytes;
    if (counts->output_largest_bytes > sum->output_largest_bytes)
        sum->output_largest_bytes = counts->output_largest_bytes;
    for (const struct connection *connection = worker->first; connection; connection = connection->older) {
        sum->input_buffers_bytes += connection->in.capacity;
        sum->output_buffers_bytes += connection->out.capacity;
    }
}

void stats_sum(struct cmd_server *api, struct cmd_server_counts *ret_counts) {
    struct server *server = server_of(api);
    *ret_counts = (struct cmd_server_counts){
        .clients = atomic_load(&server->clients),
        .clients_max = SETTING(server, clients_max),
        .monitors = atomic_load(&server->monitors),
    };
    for (size_t i = 0; i < sizeof server->denied / sizeof *server->denied; i++)
        ret_counts->denied[i] = atomic_load(&server->denied[i]);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        add_worker(ret_counts, server->workers[i]);
        worker_leave(server->workers[i]);
    }
    /* Of some misses (OBJECT) nobody is told. */
    ret_counts->misses_by[MISS_NEVER] = ret_counts->misses;
    for (int i = MISS_NEVER + 1; i < MISS_CAUSES; i++)
        ret_counts->misses_by[MISS_NEVER] -= ret_counts->misses_by[i];
}

void stats_store(struct cmd_server *api, uint32_t store, struct actor_counts *ret_counts) {
    struct server *server = server_of(api);
    struct actor_counts sum = {0};
    ASSERT(store < cache_store_count(server->cache));
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        const struct actor_counts *counts = &server->workers[i]->actor.of_store[store];
        sum.hits += counts->hits;
        sum.misses += counts->misses;
        sum.filtered += counts->filtered;
        sum.unfiltered += counts->unfiltered;
        sum.expired += counts->expired;
        sum.evicted += counts->evicted;
        sum.invalidated += counts->invalidated;
        worker_leave(server->workers[i]);
    }
    *ret_counts = sum;
}

void stats_command(struct cmd_server *api, uint32_t spec_index, struct cmd_command_counts *ret_counts) {
    struct server *server = server_of(api);
    struct cmd_command_counts sum = {0};
    uint64_t ticks = 0;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        const struct command_stat *stat = &server->workers[i]->commands[spec_index];
        sum.calls += stat->calls;
        sum.rejected += stat->rejected;
        sum.failed += stat->failed;
        ticks += stat->ticks;
        worker_leave(server->workers[i]);
    }
    sum.usec = (uint64_t)((double)ticks / server->ticks_per_us);
    *ret_counts = sum;
}

static void add_times(struct times *times, const struct histogram *run_times, double ticks_per_ns) {
    for (uint32_t column = 0; column < run_times->column_count; column++) {
        if (run_times->columns[column])
            times->counts[times_column((uint64_t)((double)histogram_column_top(run_times, column) / ticks_per_ns))] +=
                run_times->columns[column];
    }
}

/* A visit to each worker, and not one for each command. */
void stats_all_commands(struct cmd_server *api, struct cmd_command_facts *ret_facts) {
    struct server *server = server_of(api);
    memset(ret_facts, 0, cmd_index_count * sizeof *ret_facts);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        for (uint32_t k = 0; k < cmd_index_count; k++) {
            const struct command_stat *stat = &server->workers[i]->commands[k];
            struct cmd_command_facts *facts = &ret_facts[k];
            facts->calls += stat->calls;
            facts->rejected += stat->rejected;
            facts->failed += stat->failed;
            facts->times.seconds += (double)stat->ticks / server->ticks_per_us / 1e6;
            if (stat->run_times.columns)
                add_times(&facts->times, &stat->run_times, server->ticks_per_us / 1000);
        }
        worker_leave(server->workers[i]);
    }
}

/* Adds a histogram of ticks to one of `unit_ticks` each. */
static void merge_ticks(struct histogram *into, const struct histogram *from, double unit_ticks) {
    for (uint32_t column = 0; column < from->column_count; column++) {
        if (from->columns[column])
            histogram_add_many(into, (uint64_t)((double)histogram_column_top(from, column) / unit_ticks),
                               from->columns[column]);
    }
}

bool stats_command_histogram(struct cmd_server *api, uint32_t spec_index, struct histogram *into) {
    struct server *server = server_of(api);
    bool found = false;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        const struct histogram *run_times = &server->workers[i]->commands[spec_index].run_times;
        if (run_times->columns && run_times->count) {
            merge_ticks(into, run_times, server->ticks_per_us / 1000);
            found = true;
        }
        worker_leave(server->workers[i]);
    }
    return found;
}

double stats_command_percentile(struct cmd_server *api, uint32_t spec_index, double percentile) {
    struct histogram sum;
    if (histogram_init(&sum, &memory_libc, RUN_TIMES_SUB_BITS) != STATUS_OK)
        return 0;
    bool ran = stats_command_histogram(api, spec_index, &sum);
    double us = ran ? (double)histogram_percentile(&sum, percentile) / 1000 : 0;
    histogram_fini(&sum);
    return us;
}

void stats_reset(struct cmd_server *api) {
    struct server *server = server_of(api);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        worker_visit(worker);
        struct worker_counts before = worker->counts;
        /* The rates look at growth, so their last look starts from zero as well. */
        worker->counts = (struct worker_counts){
            .commands_rate = before.commands_rate, .input_rate = before.input_rate, .output_rate = before.output_rate};
        worker->counts.commands_rate.last = worker->counts.input_rate.last = worker->counts.output_rate.last = 0;
        worker->actor.counts = (struct actor_counts){.changes = worker->actor.counts.changes};
        memset(worker->misses, 0, sizeof worker->misses);
        worker->filtered_seen = 0;
        class_stats_reset(worker);
        memset(worker->actor.of_store, 0, CACHE_STORES_MAX * sizeof *worker->actor.of_store);
        for (uint32_t k = 0; k < cmd_index_count; k++) {
            histogram_fini(&worker->commands[k].run_times);
            worker->commands[k] = (struct command_stat){0};
        }
        worker_leave(worker);
    }
    for (size_t i = 0; i < sizeof server->denied / sizeof *server->denied; i++)
        atomic_store(&server->denied[i], 0);
    leases_reset_counts(server);
    streaming_reset_counts(server);
    pthread_mutex_lock(&server->errors_lock);
    server->error_count = 0;
    pthread_mutex_unlock(&server->errors_lock);
}

/* ------------------------------------------------------------------- errors */

void stats_error(struct worker *worker, struct slice reply) {
    worker->counts.errors++;
    struct slice code = SLICE("ERR"); /* an error inside a larger reply: its text is not looked for */
    if (reply.size > 1 && reply.data[0] == '-') {
        size_t size = 0;
        while (1 + size < reply.size && reply.data[1 + size] > ' ')
            size++;
        if (size > 0 && size < STATS_ERROR_CODE_SIZE)
            code = slice_make(reply.data + 1, size);
    }
    struct server *server = worker->server;
    pthread_mutex_lock(&server->errors_lock);
    uint32_t at = 0;
    while (at < server->error_count && !slice_equal(slice_from_string(server->errors[at].code), code))
        at++;
    if (at == server->error_count) {
        if (at == STATS_ERROR_CODES_MAX) {
            at--;
        } else {
            server->error_count++;
            server->errors[at] = (struct error_count){0};
            memcpy(server->errors[at].code, code.data, code.size);
        }
    }
    server->errors[at].count++;
    pthread_mutex_unlock(&server->errors_lock);
}

void stats_each_error(struct cmd_server *api, void (*visit)(void *context, const char *code, uint64_t count),
                      void *context) {
    struct server *server = server_of(api);
    struct error_count copy[STATS_ERROR_CODES_MAX];
    pthread_mutex_lock(&server->errors_lock);
    uint32_t count = server->error_count;
    memcpy(copy, server->errors, count * sizeof *copy);
    pthread_mutex_unlock(&server->errors_lock);
    for (uint32_t i = 0; i < count; i++)
        visit(context, copy[i].code, copy[i].count);
}

/* --------------------------------------------------------------------- logs */

/* The caller has the lock of logs. */
static void add_entry(struct worker *worker, const struct cmd_call *call, enum cmd_log log, uint64_t value) {
    const struct connection *connection = call->client->connection;
    struct slowlog_event event = {
        .unix_s = worker->actor.now_ms / 1000,
        .value = value,
        .argument_count = call->argc,
        .client_address = slice_from_string(connection->peer),
        .client_name = buf_slice(&call->client->name),
    };
    struct slice shown[SLOWLOG_ARGUMENTS_MAX];
    for (uint32_t i = 0; i < call->argc && i < SLOWLOG_ARGUMENTS_MAX; i++)
        shown[i] = call->argv[i].data ? monitor_shown(call, i) : call->argv[i];
    event.arguments = shown;
    enum status status = slowlog_add(&worker->server->command_logs[log], &event);
    MAYBE(status != STATUS_OK);
}

/* Its arguments stay in the slow log: this one goes further, and they may be secret. */
static void tell_slow(const struct cmd_call *call, uint64_t us) {
    const struct connection *connection = call->client->connection;
    log_event(LOG_VERBOSE, "slow_command",
              LOG_FIELDS(log_text("command", call->spec->name), log_number("us", us),
                         log_number("client", call->client->id), log_text("address", connection->peer)),
              "Slow: %s took %llu us: id=%llu addr=%s", call->spec->name, (unsigned long long)us,
              (unsigned long long)call->client->id, connection->peer);
}

void stats_slow(struct worker *worker, const struct cmd_call *call, uint64_t us, bool slowlog, bool latency) {
    struct server *server = worker->server;
    slowlog = slowlog && !(call->spec->flags & CMD_SKIP_SLOWLOG);
    if (slowlog)
        tell_slow(call, us);
    pthread_mutex_lock(&server->logs_lock);
    if (slowlog)
        add_entry(worker, call, CMD_LOG_SLOW, us);
    if (latency)
        latency_add(&server->latency, call->spec->flags & CMD_FAST ? "fast-command" : "command",
                    worker->actor.now_ms / 1000, us / 1000);
    pthread_mutex_unlock(&server->logs_lock);
}

void stats_large(struct worker *worker, const struct cmd_call *call, uint64_t request_bytes, uint64_t reply_bytes) {
    struct server *server = worker->server;
    bool request = request_bytes && request_bytes >= SETTING(server, large_request_bytes);
    bool reply = reply_bytes && reply_bytes >= SETTING(server, large_reply_bytes);
    if (!(request | reply) || call->spec->flags & CMD_SKIP_SLOWLOG)
        return;
    pthread_mutex_lock(&server->logs_lock);
    if (request)
        add_entry(worker, call, CMD_LOG_LARGE_REQUEST, request_bytes);
    if (reply)
        add_entry(worker, call, CMD_LOG_LARGE_REPLY, reply_bytes);
    pthread_mutex_unlock(&server->logs_lock);
}
