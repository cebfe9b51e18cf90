/* app/embed/whole.c: calls about a whole cache. */
#include "app/embed/call.h"
#include "app/embed/filing.h"
#include "app/embed/image.h"
#include "app/embed/persistence.h"
#include "base/bits.h"
#include "core/store/store.h"

/* ------------------------------------------------------------------------------------------ scanning */

/* Entries as cache_scan showed them; the names follow one another in a buffer of their own. */
struct scanned {
    struct buf entries; /* struct strata_entry */
    struct buf names;
};

static void gather(void *context, struct slice name, const struct cache_info *info) {
    struct scanned *scanned = context;
    struct strata_entry entry = entry_out(name, info);
    /* What fails here is noted by the allocator, and the whole scan is given up. */
    if (buf_append_slice(&scanned->names, name) == STATUS_OK)
        (void)!buf_append(&scanned->entries, &entry, sizeof entry);
}

static void visit_all(struct scanned *scanned, strata_visit visit, void *context) {
    struct strata_entry *entries = (struct strata_entry *)(void *)scanned->entries.data;
    const uint8_t *name = scanned->names.data;
    for (size_t i = 0; i < scanned->entries.size / sizeof *entries; i++) {
        entries[i].key = name;
        visit(context, &entries[i]);
        name += entries[i].key_size;
    }
}

enum strata_status strata_scan(struct strata_cache *cache, uint64_t *cursor, uint32_t count, strata_visit visit,
                               void *context) {
    if (!cache || !cursor || !visit)
        return STRATA_INVALID;
    struct scanned scanned;
    struct slot *slot = call_begin(cache);
    buf_init(&scanned.entries, &cache->core_memory);
    buf_init(&scanned.names, &cache->core_memory);
    slot->actor.now_ms = clock_unix_ms();
    uint64_t next = cache->tier
                        ? filing_scan(cache, slot, *cursor, count ? count : 1, gather, &scanned)
                        : cache_scan(cache->core, &slot->actor, 0, *cursor, count ? count : 1, gather, &scanned);
    bool whole = !slot->no_memory && next != CACHE_SCAN_FAILED;
    call_end(cache, slot);
    if (whole) {
        *cursor = next;
        visit_all(&scanned, visit, context);
    }
    buf_fini(&scanned.entries);
    buf_fini(&scanned.names);
    return whole ? STRATA_OK : STRATA_NO_MEMORY;
}

/* ------------------------------------------------------------------------------------------- changing */

enum strata_status strata_clear(struct strata_cache *cache) {
    if (!cache)
        return STRATA_INVALID;
    struct slot *slot = call_begin_writes(cache);
    if (!slot)
        return STRATA_IO;
    call_time_to_write(cache, slot);
    cache_flush_all(cache->core, &slot->actor);
    return call_end_writes(cache, slot, 1);
}

enum strata_status strata_limit_set(struct strata_cache *cache, uint64_t limit_bytes) {
    if (!cache || limit_bytes > cache->limit_max_bytes)
        return STRATA_INVALID;
    struct slot *slot = call_begin(cache);
    bool fits = image_has_room(cache, limit_bytes);
    enum status status = fits ? cache_limit_set(cache->core, limit_bytes) : STATUS_IO;
    if (status == STATUS_OK)
        image_limit_note(cache, limit_bytes);
    call_end(cache, slot);
    return fits ? status_out(status) : STRATA_IO;
}

enum strata_status strata_entries_max_set(struct strata_cache *cache, uint64_t entries_max) {
    if (!cache || (entries_max && entries_max < STRATA_ENTRIES_MAX_MIN))
        return STRATA_INVALID;
    struct slot *slot = call_begin(cache);
    enum status status = cache_store_entries_max_set(cache->core, 0, entries_max);
    if (status == STATUS_OK)
        atomic_store(&cache->entries_max, entries_max);
    call_end(cache, slot);
    return status_out(status);
}

/* No entry has an expiry any more: reads need no clock until one has again. Nobody is writing one while the gate is closed. */
static void forget_expiry(struct strata_cache *cache) {
    gate_close(cache);
    if (cache_count_expiring(cache->core, 0) == 0)
        atomic_store(&cache->expiring, 0);
    gate_open(cache);
}

enum strata_status strata_maintain(struct strata_cache *cache, uint64_t max_us) {
    if (!cache)
        return STRATA_INVALID;
    uint64_t begin_ns = clock_steady_ns(), max_ns = max_us < UINT64_MAX / 1000 ? max_us * 1000 : UINT64_MAX;
    bool more;
    do {
        struct slot *slot = call_begin(cache);
        slot->actor.now_ms = clock_unix_ms();
        more = cache_housekeep(cache->core, &slot->actor);
        more |= cache->tier && filing_maintain(cache, slot);
        call_end(cache, slot);
    } while (more && clock_steady_ns() - begin_ns < max_ns);
    if (atomic_load(&cache->expiring) && cache_count_expiring(cache->core, 0) == 0)
        forget_expiry(cache);
    return more ? STRATA_MORE : STRATA_OK;
}

/* ----------------------------------------------------------------------------------------- statistics */

/* Counters that their threads go on counting: each is one aligned word, read at some moment. The thread sanitizer would have every
 * count of every read be an atomic operation. */
__attribute__((no_sanitize("thread"), noinline)) static void add_slot(const struct slot *slot,
                                                                      struct strata_statistics *sum) {
    const volatile struct actor_counts *counts = &slot->actor.counts;
    const volatile uint64_t *events_lost = &slot->events_lost;
    sum->hits += counts->hits;
    sum->misses += counts->misses;
    sum->written += counts->changes;
    sum->expired += counts->expired;
    sum->evicted += counts->evicted;
    sum->retries += counts->retries;
    sum->copied_bytes += counts->copied_bytes;
    sum->events_lost += *events_lost;
}

enum strata_status strata_stats(struct strata_cache *cache, struct strata_statistics *ret_statistics) {
    if (!cache || !ret_statistics)
        return STRATA_INVALID;
    struct cache_stats core;
    struct slot *slot = call_begin(cache);
    cache_stats(cache->core, &core);
    call_end(cache, slot);
    struct strata_statistics sum = {
        .entries = core.entries,
        .entries_expiring = core.expiring,
        .entries_max = atomic_load(&cache->entries_max),
        .limit_bytes = core.limit_bytes,
        .limit_max_bytes = cache->limit_max_bytes,
        .used_bytes = core.occupied_bytes,
        .live_bytes = core.live_bytes,
        .index_bytes = core.index_bytes,
        .pinned_bytes = core.pinned_bytes,
        .key_size_max = core.segment_size / 2 < STRATA_KEY_SIZE_MAX ? core.segment_size / 2 : STRATA_KEY_SIZE_MAX,
        .shards = core.shards,
    };
    for (uint32_t number = 0; number < slot_number_end(); number++)
        add_slot(&cache->slots[number], &sum);
    sum.memory_file_attached = image_was_attached(cache);
    if (cache->persistence)
        persistence_statistics(cache->persistence, &sum);
    if (cache->tier)
        filing_statistics(cache, &sum);
    *ret_statistics = sum;
    return STRATA_OK;
}
