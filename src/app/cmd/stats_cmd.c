/* app/cmd/stats_cmd.c: STATS: what classes of keys do. */
#include <stdio.h>

#include "app/cmd/class_stats.h"
#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "app/cmd/words.h"
#include "base/glob.h"

static const struct {
    const char *name;
    uint64_t until_ms;
} ttl_steps[CLASS_TTL_STEPS] = {{"1m", 60000ull},       {"10m", 600000ull},      {"1h", 3600000ull},
                                {"6h", 6 * 3600000ull}, {"1d", 24 * 3600000ull}, {"7d", 7 * 24 * 3600000ull},
                                {"longer", UINT64_MAX}, {"none", UINT64_MAX}};

const char *class_ttl_name(uint32_t step) { return ttl_steps[step].name; }

uint32_t class_ttl_step(uint64_t left_ms) {
    uint32_t step = 0;
    if (left_ms == UINT64_MAX)
        return CLASS_TTL_STEPS - 1;
    while (left_ms >= ttl_steps[step].until_ms)
        step++;
    return step;
}

static uint64_t sum_misses(const struct class_counts *counts) {
    uint64_t sum = 0;
    for (int i = 0; i < MISS_CAUSES; i++)
        sum += counts->misses[i];
    return sum;
}

/* ------------------------------------------------------------------------------------------ STATS CLASS */

/* Those that match, collected first, as a reply says beforehand how many there are. */
struct collection {
    struct cmd_call *call;
    struct slice pattern; /* empty: all */
    struct buf items;     /* of struct cmd_class_stats, with names in the arena */
    enum status status;
};

static void put_number(struct reply *reply, const char *name, uint64_t number) {
    reply_bulk_string(reply, name);
    reply_integer(reply, (int64_t)number);
}

static void put_micros(struct reply *reply, const char *name, double us) {
    char text[32];
    reply_bulk_string(reply, name);
    snprintf(text, sizeof text, "%.2f", us);
    reply_bulk_string(reply, text);
}

static void collect(void *context, const struct cmd_class_stats *stats) {
    struct collection *collection = context;
    struct cmd_class_stats copy = *stats;
    bool wanted = collection->pattern.size == 0 || slice_equal(collection->pattern, stats->name) ||
                  glob_matches(collection->pattern, stats->name, false);
    if (!wanted || collection->status != STATUS_OK)
        return;
    uint8_t *name = arena_take(collection->call->arena, stats->name.size ? stats->name.size : 1);
    if (!name) {
        collection->status = STATUS_NO_MEMORY;
        return;
    }
    if (stats->name.size)
        memcpy(name, stats->name.data, stats->name.size);
    copy.name = slice_make(name, stats->name.size);
    collection->status = buf_append(&collection->items, &copy, sizeof copy);
}

/* Of what there are none nothing is said; the misses of prefixes are not told apart. */
static void put_misses(struct reply *reply, const struct cmd_class_stats *stats) {
    put_number(reply, "misses", sum_misses(&stats->counts));
    if (stats->kind == CLASS_PREFIX)
        return;
    uint32_t count = 0;
    for (int i = 0; i < MISS_CAUSES; i++)
        count += stats->counts.misses[i] != 0;
    reply_bulk_string(reply, "misses_by");
    reply_map(reply, count);
    for (int i = 0; i < MISS_CAUSES; i++)
        if (stats->counts.misses[i])
            put_number(reply, miss_cause_name((enum miss_cause)i), stats->counts.misses[i]);
}

static void put_ttl(struct reply *reply, const struct class_contents *contents) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < CLASS_TTL_STEPS; i++)
        count += contents->ttl[i] != 0;
    reply_bulk_string(reply, "ttl");
    reply_map(reply, count);
    for (uint32_t i = 0; i < CLASS_TTL_STEPS; i++)
        if (contents->ttl[i])
            put_number(reply, class_ttl_name(i), contents->ttl[i]);
}

static void put_contents(struct reply *reply, const struct cmd_class_stats *stats) {
    put_number(reply, "keys", stats->contents.keys);
    put_number(reply, "bytes", stats->contents.bytes);
    if (stats->kind != CLASS_PREFIX)
        put_ttl(reply, &stats->contents);
    reply_bulk_string(reply, "counted_ago_ms");
    if (stats->walked)
        reply_integer(reply, (int64_t)stats->walk_age_ms);
    else
        reply_null(reply);
}

static void reply_stats(struct reply *reply, const struct cmd_class_stats *stats) {
    enum { COMMON = 11, OF_PREFIX = 1, OF_CLASS = 4 };
    static const char *const kinds[] = {
        [CLASS_DECLARED] = "class", [CLASS_PREFIX] = "prefix", [CLASS_OTHERS] = "others"};
    reply_map(reply, COMMON + (stats->kind == CLASS_PREFIX ? OF_PREFIX : OF_CLASS));
    reply_bulk_string(reply, kinds[stats->kind]);
    reply_bulk(reply, stats->name);
    put_contents(reply, stats);
    put_number(reply, "hits", stats->counts.hits);
    put_misses(reply, stats);
    put_number(reply, "writes", stats->counts.writes);
    put_number(reply, "expired", stats->counts.expired);
    put_number(reply, "evicted", stats->counts.evicted);
    put_number(reply, "invalidated", stats->counts.invalidated);
    put_number(reply, "deleted", stats->counts.deleted);
    if (stats->kind == CLASS_PREFIX) {
        put_number(reply, "error", stats->weight_error);
    } else {
        put_micros(reply, "usec_per_call", stats->latency_us);
        put_micros(reply, "usec_max", stats->latency_max_us);
    }
}

void cmd_stats_class(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct collection collection = {.call = call, .pattern = call->argc > 2 ? call->argv[2] : SLICE("")};
    if (call->argc > 3) {
        (void)words_refuse(call, 3, "nothing more");
        return;
    }
    buf_init(&collection.items, &memory_libc);
    enum status status = server->api->each_class(server, call->client, true, collect, &collection);
    if (status == STATUS_OK)
        status = collection.status;
    if (status == STATUS_OK) {
        const struct cmd_class_stats *stats = (const struct cmd_class_stats *)(const void *)collection.items.data;
        size_t count = collection.items.size / sizeof *stats;
        reply_array(call->reply, count);
        for (size_t i = 0; i < count; i++)
            reply_stats(call->reply, &stats[i]);
    } else if (status == STATUS_BUSY) {
        reply_error(call->reply, SLICE("BUSY other rules have come into force; try again"));
    } else {
        cmd_error_status(call, status);
    }
    buf_fini(&collection.items);
}
