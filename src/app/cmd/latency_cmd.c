/* app/cmd/latency_cmd.c: LATENCY. */
#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "base/assert.h"
#include "base/number.h"
#include "core/obs/histogram.h"
#include "core/obs/latency.h"

enum {
    HISTOGRAM_FINENESS = 6,          /* sub_bits */
    HISTOGRAM_FIRST_OCTAVE = 10,     /* columns of the reply begin with 1024 ns */
    HISTOGRAM_COLUMN_DIGITS_BITS = 7 /* their upper ends are rounded up to 2 digits, as Redis shows them */
};

static struct latency_monitor *latency_lock(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    server->api->logs_lock(server);
    return server->api->latency(server);
}

static void latency_unlock(struct cmd_call *call) { call->env->server->api->logs_unlock(call->env->server); }

void cmd_latency_latest(struct cmd_call *call) {
    const struct latency_monitor *monitor = latency_lock(call);
    reply_array(call->reply, monitor->event_count);
    for (uint32_t i = 0; i < monitor->event_count; i++) {
        const struct latency_event *event = &monitor->events[i];
        const struct latency_sample *last = latency_sample(event, event->count - 1);
        reply_array(call->reply, 4);
        reply_bulk_string(call->reply, event->name);
        reply_integer(call->reply, last->unix_s);
        reply_integer(call->reply, last->ms);
        reply_integer(call->reply, event->highest_ms);
    }
    latency_unlock(call);
}

void cmd_latency_history(struct cmd_call *call) {
    const struct latency_event *event = latency_find(latency_lock(call), call->argv[2]);
    uint32_t count = event ? event->count : 0;
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct latency_sample *sample = latency_sample(event, i);
        reply_array(call->reply, 2);
        reply_integer(call->reply, sample->unix_s);
        reply_integer(call->reply, sample->ms);
    }
    latency_unlock(call);
}

void cmd_latency_reset(struct cmd_call *call) {
    struct latency_monitor *monitor = latency_lock(call);
    uint32_t count = 0;
    if (call->argc == 2)
        count = latency_reset_all(monitor);
    for (uint32_t at = 2; at < call->argc; at++)
        count += latency_reset(monitor, call->argv[at]);
    latency_unlock(call);
    reply_integer(call->reply, count);
}

static void latency_reply_text(struct cmd_call *call, enum status status, struct buf *text) {
    if (status == STATUS_OK)
        reply_verbatim(call->reply, "txt", buf_slice(text));
    else
        cmd_error_status(call, status);
    buf_fini(text);
}

void cmd_latency_graph(struct cmd_call *call) {
    struct buf text;
    buf_init(&text, &memory_libc);
    const struct latency_event *event = latency_find(latency_lock(call), call->argv[2]);
    enum status status = event ? latency_graph(event, call->actor->now_ms / 1000, &text) : STATUS_OK;
    latency_unlock(call);
    if (event)
        latency_reply_text(call, status, &text);
    else
        reply_errorf(call->reply, "ERR No samples available for event '%.*s'", (int)call->argv[2].size,
                     (const char *)call->argv[2].data);
}

static void find_threshold(void *context, const char *name, const char *value, bool secret) {
    int64_t number;
    MAYBE(secret);
    if (strcmp(name, "latency-monitor-threshold") == 0 && number_parse_i64(slice_from_string(value), &number))
        *(uint64_t *)context = (uint64_t)number;
}

void cmd_latency_doctor(struct cmd_call *call) {
    uint64_t threshold_ms = 0;
    struct buf text;
    buf_init(&text, &memory_libc);
    call->env->server->api->each_config(call->env->server, find_threshold, &threshold_ms);
    const struct latency_monitor *monitor = latency_lock(call);
    enum status status = latency_doctor(monitor, threshold_ms, call->actor->now_ms / 1000, &text);
    latency_unlock(call);
    latency_reply_text(call, status, &text);
}

/* ------------------------------------------------------------------- HISTOGRAM */

static uint64_t column_end_ns(unsigned octave) {
    return (1ull << octave) + (1ull << (octave - HISTOGRAM_COLUMN_DIGITS_BITS)) - 1;
}

/* Cumulative counts at powers of two; columns in which nothing was added are left out. */
static uint32_t histogram_reply_columns(struct reply *reply, const struct histogram *times) {
    uint64_t before = 0;
    uint32_t columns = 0;
    for (unsigned octave = HISTOGRAM_FIRST_OCTAVE; octave <= HISTOGRAM_OCTAVES && before < times->count; octave++) {
        uint64_t end_ns = column_end_ns(octave);
        uint64_t count = octave == HISTOGRAM_OCTAVES ? times->count : histogram_count_to(times, end_ns);
        if (count == before)
            continue;
        before = count;
        columns++;
        if (reply) {
            reply_integer(reply, (int64_t)(end_ns / 1000));
            reply_integer(reply, (int64_t)count);
        }
    }
    return columns;
}

static void histogram_reply(struct reply *reply, const struct cmd_spec *spec, const struct histogram *times) {
    reply_bulk_string(reply, spec->name);
    reply_map(reply, 2);
    reply_bulk_string(reply, "calls");
    reply_integer(reply, (int64_t)times->count);
    reply_bulk_string(reply, "histogram_usec");
    reply_map(reply, histogram_reply_columns(NULL, times));
    (void)histogram_reply_columns(reply, times);
}

struct histogram_search {
    struct cmd_call *call;
    struct histogram times;
    struct buf specs; /* array of const struct cmd_spec * that ran */
    enum status status;
};

static void histogram_consider(struct histogram_search *search, const struct cmd_spec *spec) {
    struct cmd_server *server = search->call->env->server;
    const struct cmd_spec *const *known = (const struct cmd_spec *const *)search->specs.data;
    if (!spec->run || search->status != STATUS_OK)
        return;
    for (size_t i = 0; i < search->specs.size / sizeof spec; i++) {
        if (known[i] == spec)
            return;
    }
    histogram_clear(&search->times);
    if (server->api->command_histogram(server, spec->index, &search->times) && search->times.count > 0)
        search->status = buf_append(&search->specs, &spec, sizeof spec);
}

static void histogram_consider_all(struct histogram_search *search, const struct cmd_spec *spec) {
    histogram_consider(search, spec);
    for (uint32_t i = 0; i < spec->subcommand_count; i++)
        histogram_consider(search, &spec->subcommands[i]);
}

/* "config" means it and its subcommands; "config|get" that one. */
static void histogram_consider_name(struct histogram_search *search, struct slice name) {
    const uint8_t *bar = name.size ? memchr(name.data, '|', name.size) : NULL;
    size_t size = bar ? (size_t)(bar - name.data) : name.size;
    const struct cmd_spec *spec = cmd_lookup(slice_part(name, 0, size));
    if (spec && bar)
        spec = cmd_lookup_sub(spec, slice_part(name, size + 1, name.size));
    if (spec)
        histogram_consider_all(search, spec);
}

static void histogram_reply_found(struct histogram_search *search) {
    const struct cmd_spec *const *found = (const struct cmd_spec *const *)search->specs.data;
    struct cmd_server *server = search->call->env->server;
    size_t count = search->specs.size / sizeof *found;
    reply_map(search->call->reply, count);
    for (size_t i = 0; i < count; i++) {
        histogram_clear(&search->times);
        (void)server->api->command_histogram(server, found[i]->index, &search->times);
        histogram_reply(search->call->reply, found[i], &search->times);
    }
}

void cmd_latency_histogram(struct cmd_call *call) {
    struct histogram_search search = {.call = call};
    buf_init(&search.specs, &memory_libc);
    search.status = histogram_init(&search.times, &memory_libc, HISTOGRAM_FINENESS);
    for (uint32_t i = 0; call->argc == 2 && i < cmd_table_count; i++)
        histogram_consider_all(&search, &cmd_table[i]);
    for (uint32_t at = 2; at < call->argc; at++)
        histogram_consider_name(&search, call->argv[at]);
    if (search.status == STATUS_OK)
        histogram_reply_found(&search);
    else
        cmd_error_status(call, search.status);
    buf_fini(&search.specs);
    histogram_fini(&search.times);
}
