#include "app/server/server_cache.h"

#include "app/server/changes.h"
#include "app/server/image.h"
#include "app/server/notify.h"
#include "app/server/rules.h"
#include "app/server/stores.h"
#include "app/server/tiering.h"
#include "app/server/worker.h"
#include "base/bits.h"
#include "core/classes/names.h"
#include "sys/os/clock.h"
#include "sys/os/futex.h"
#include "sys/os/log.h"
#include "sys/os/pages.h"
#include "sys/os/process.h"

enum { RANGE_PER_LIMIT_MAX = 16 }; /* address space kept for a larger maxmemory, in multiples of the present one */

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

enum status server_cache_open(struct server *server) {
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
