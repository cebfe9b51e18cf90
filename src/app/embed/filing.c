#include "app/embed/filing.h"

#include <stdio.h>

#include "app/embed/call.h"
#include "app/tier/warm_tier.h"
#include "base/assert.h"
#include "sys/os/random.h"

enum {
    KEEP_PERCENT = 25, /* decision 0060 */
    IDLE_MS = 5 * 60 * 1000,
    LOOK_EVERY_MS = 60 * 1000,
    TIER_ACTOR = SLOT_COUNT + 100, /* behind those of the log and of who loads it */
    SCAN_PART = 128,               /* entries of a scan that are read before it goes on, */
    SCAN_TRIES = 64,               /* and so often at most while some of them move */
};

/* ------------------------------------------------------------------------------------------ opening */

static void on_say(void *context, enum log_level level, const char *text) { call_say(context, level, text); }

static enum strata_status refused(enum status status) {
    switch (status) {
        case STATUS_INVALID:
            return STRATA_INVALID;
        case STATUS_NO_MEMORY:
            return STRATA_NO_MEMORY;
        case STATUS_BUSY:
            return STRATA_BUSY;
        default:
            return STRATA_IO;
    }
}

uint64_t filing_seed(const struct strata_options *options) {
    uint64_t seed;
    if (options->seed)
        return options->seed;
    return filing_lasts(options) && warm_tier_seed(options->file, &seed) ? seed : random_u64() | 1;
}

void filing_begin(struct strata_cache *cache, const struct strata_options *options) {
    if (cache->tier)
        warm_write_rate_set(warm_tier_file(cache->tier), options->file_rate_bytes);
}

enum strata_status filing_open(struct strata_cache *cache, const struct strata_options *options, char *problem) {
    if (!options->file)
        return STRATA_OK;
    const struct warm_tier_options file = {
        .path = options->file,
        .size_bytes = options->file_bytes,
        .write_rate_bytes = options->file_rate_bytes,
        .keep_percent = KEEP_PERCENT,
        .mapped = options->file_access == STRATA_FILE_MMAP,
        .actor = TIER_ACTOR,
        .lasts = filing_lasts(options),
        .seed = cache->hash_seed,
        .memory = &cache->memory,
        .say = on_say,
        .context = cache,
    };
    struct actor actor = {.id = TIER_ACTOR + 1, .now_ms = clock_unix_ms()};
    char reason[WARM_TIER_REASON_SIZE];
    enum status status = warm_tier_open(&file, &cache->tier, reason);
    if (status != STATUS_OK) {
        snprintf(problem, STRATA_ERROR_TEXT_SIZE, "the file tier: %.*s", (int)STRATA_ERROR_TEXT_SIZE - 20, reason);
        return refused(status);
    }
    cache->idle_ms = options->file_idle_ms ? options->file_idle_ms : IDLE_MS;
    status = warm_tier_begin(cache->tier, cache->core, &actor, options->file_promote_hits);
    if (status != STATUS_OK)
        snprintf(problem, STRATA_ERROR_TEXT_SIZE, "the file tier: %s", status_text(status));
    return status == STATUS_OK ? STRATA_OK : refused(status);
}

void filing_close(struct strata_cache *cache) {
    struct actor actor = {.id = TIER_ACTOR + 1, .now_ms = clock_unix_ms()};
    warm_tier_end(cache->tier, &actor);
    cache->tier = NULL;
}

/* ------------------------------------------------------------------------------------------ reading */

/* What was found in the file. */
struct found {
    struct buf bytes;
    enum cache_tier_verdict verdict;
    struct cache_tier_place place;
    struct cache_tier_found record;
    struct cache_info info;
};

static bool find_record(struct strata_cache *cache, struct slot *slot, const struct cache_key *key, bool quiet,
                        const struct warm_ahead *ahead, struct found *ret_found) {
    buf_init(&ret_found->bytes, &cache->core_memory);
    if (warm_tier_find(cache->tier, &slot->actor, key, quiet, ahead, &ret_found->bytes, &ret_found->verdict,
                       &ret_found->place, &ret_found->record, &ret_found->info) == STATUS_OK)
        return true;
    buf_fini(&ret_found->bytes);
    return false;
}

/* With `pin_min` the value is copied: it stands nowhere in memory. */
static enum strata_status show(const struct found *found, struct cache_read *read) {
    struct slice value = found->record.value;
    read->info = found->info;
    read->size = value.size;
    void *to = read->reserve(read->context, value.size);
    if (!to)
        return STRATA_TOO_SMALL;
    if (value.size)
        memcpy(to, value.data, value.size);
    return STRATA_OK;
}

void filing_ahead(struct strata_cache *cache, const struct cache_key *keys, uint32_t count, struct warm_ahead *ahead) {
    warm_tier_read_ahead(cache->tier, keys, count, ahead);
}

enum strata_status filing_read(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                               const struct warm_ahead *ahead, struct cache_read *read) {
    struct found found;
    enum strata_status answer = STRATA_MORE;
    if (!find_record(cache, slot, key, read->quiet, ahead, &found))
        return STRATA_NO_MEMORY;
    if (found.verdict == CACHE_TIER_SHOWN)
        answer = show(&found, read);
    else if (found.verdict == CACHE_TIER_WANTED) /* without room it is a miss, and stays where it is */
        MAYBE(cache_tier_promote(cache->core, &slot->actor, key, found.place, &found.record) != STATUS_OK);
    buf_fini(&found.bytes);
    return answer;
}

bool filing_find(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                 struct cache_info *ret_info) {
    struct found found;
    if (!find_record(cache, slot, key, true, NULL, &found))
        return false;
    bool shown = found.verdict == CACHE_TIER_SHOWN;
    *ret_info = found.info;
    if (found.verdict == CACHE_TIER_WANTED)
        MAYBE(cache_tier_promote(cache->core, &slot->actor, key, found.place, &found.record) != STATUS_OK);
    buf_fini(&found.bytes);
    return shown || cache_find(cache->core, &slot->actor, key, false, ret_info);
}

enum strata_status filing_fetch_anyway(struct strata_cache *cache, struct slot *slot, const struct cache_key *key) {
    struct buf bytes;
    buf_init(&bytes, &cache->core_memory);
    enum status status = warm_tier_fetch(cache->tier, &slot->actor, key, &bytes);
    buf_fini(&bytes);
    return status_out(status);
}

/* ------------------------------------------------------------------------------------------ scanning */

/* Places of the file that a scan came by. */
struct scanning {
    struct buf places; /* struct cache_tier_place */
    cache_visit visit;
    void *context;
    bool no_memory;
};

static void note_entry(void *context, struct slice name, const struct cache_info *info) {
    const struct scanning *scanning = context;
    scanning->visit(scanning->context, name, info);
}

static void note_place(void *context, const struct cache_tier_place *place) {
    struct scanning *scanning = context;
    scanning->no_memory |= buf_append(&scanning->places, place, sizeof *place) != STATUS_OK;
}

enum visited {
    VISITED,   /* or nothing that lives stands there */
    ELSEWHERE, /* it has moved meanwhile: this part of the scan is done again */
    NO_MEMORY
};

/* What may not be shown without the ordinary ways goes into memory, where they decide. */
static bool is_there(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                     struct cache_tier_place place, const struct cache_tier_found *found,
                     enum cache_tier_verdict verdict, struct cache_info *ret_info) {
    if (verdict == CACHE_TIER_WANTED)
        MAYBE(cache_tier_promote(cache->core, &slot->actor, key, place, found) != STATUS_OK);
    return verdict == CACHE_TIER_SHOWN || cache_find(cache->core, &slot->actor, key, false, ret_info);
}

static enum visited visit_place(struct strata_cache *cache, struct slot *slot, const struct scanning *scanning,
                                struct cache_tier_place place, struct buf *bytes) {
    enum warm_outcome outcome;
    struct warm_parts parts;
    struct cache_key key;
    struct cache_info info;
    if (warm_read_here(warm_tier_file(cache->tier), place.address, place.generation, bytes, &outcome, &parts) !=
        STATUS_OK)
        return NO_MEMORY;
    struct cache_tier_found found = {parts.meta, parts.key, parts.value};
    if (outcome != WARM_FOUND)
        return outcome == WARM_STALE ? ELSEWHERE : VISITED;
    if (!cache_tier_key(cache->core, &found, &key))
        return VISITED;
    enum cache_tier_verdict verdict = cache_tier_look(cache->core, &slot->actor, &key, place, &found, true, &info);
    if (is_there(cache, slot, &key, place, &found, verdict, &info))
        scanning->visit(scanning->context, key.name, &info);
    else if (verdict == CACHE_TIER_AGAIN)
        return ELSEWHERE;
    return VISITED;
}

static enum visited visit_places(struct strata_cache *cache, struct slot *slot, const struct scanning *scanning,
                                 struct buf *bytes) {
    enum visited all = VISITED;
    for (size_t i = 0; i < scanning->places.size / sizeof(struct cache_tier_place); i++) {
        struct cache_tier_place place;
        memcpy(&place, scanning->places.data + i * sizeof place, sizeof place);
        enum visited one = visit_place(cache, slot, scanning, place, bytes);
        if (one == NO_MEMORY)
            return one;
        all = one == ELSEWHERE ? one : all;
    }
    return all;
}

/* Some entries, again and again until none of them has moved meanwhile. CACHE_SCAN_FAILED: no memory. */
static uint64_t scan_part(struct strata_cache *cache, struct slot *slot, uint64_t cursor, uint32_t count,
                          struct scanning *scanning, struct buf *bytes) {
    enum visited all = ELSEWHERE;
    uint64_t next = cursor;
    for (int tries = 0; all == ELSEWHERE && tries < SCAN_TRIES; tries++) {
        buf_clear(&scanning->places);
        next = cache_tier_scan(cache->core, &slot->actor, 0, cursor, count, note_entry, note_place, scanning);
        all = scanning->no_memory ? NO_MEMORY : visit_places(cache, slot, scanning, bytes);
    }
    return all == NO_MEMORY ? CACHE_SCAN_FAILED : next;
}

uint64_t filing_scan(struct strata_cache *cache, struct slot *slot, uint64_t cursor, uint32_t count, cache_visit visit,
                     void *context) {
    struct scanning scanning = {.visit = visit, .context = context};
    struct buf bytes;
    buf_init(&scanning.places, &cache->core_memory);
    buf_init(&bytes, &cache->core_memory);
    do {
        uint32_t part = count < SCAN_PART ? count : SCAN_PART;
        cursor = scan_part(cache, slot, cursor, part, &scanning, &bytes);
        count -= part;
    } while (count && cursor && cursor != CACHE_SCAN_FAILED);
    buf_fini(&scanning.places);
    buf_fini(&bytes);
    return cursor;
}

/* ------------------------------------------------------------------------------------------ upkeep and figures */

bool filing_maintain(struct strata_cache *cache, struct slot *slot) {
    uint64_t now_ms = clock_steady_ms(), look_ms = atomic_load_explicit(&cache->idle_look_ms, memory_order_relaxed);
    if (!cache->tier || now_ms < look_ms)
        return false;
    if (cache_tier_idle(cache->core, &slot->actor, cache->idle_ms))
        return true;
    atomic_store_explicit(&cache->idle_look_ms,
                          now_ms + (cache->idle_ms < LOOK_EVERY_MS ? cache->idle_ms : LOOK_EVERY_MS),
                          memory_order_relaxed);
    return false;
}

void filing_statistics(const struct strata_cache *cache, struct strata_statistics *statistics) {
    struct cache_tier_stats core;
    struct warm_statistics file;
    cache_tier_stats(cache->core, &core);
    warm_statistics(warm_tier_file(cache->tier), &file);
    statistics->file_entries = core.records;
    statistics->file_bytes = file.segments * WARM_SEGMENT_SIZE_DEFAULT;
    statistics->file_written_bytes = file.written_bytes;
    statistics->file_hits = core.hits;
    statistics->promoted = core.promoted;
    statistics->demoted = core.demoted;
    statistics->file_damaged = core.damaged;
}

/* ------------------------------------------------------------------------------------------ forks */

void filing_fork_prepare(struct strata_cache *cache) {
    if (cache->tier)
        warm_tier_stand_still(cache->tier);
}

void filing_fork_parent(struct strata_cache *cache) {
    if (cache->tier)
        warm_tier_go_on(cache->tier);
}

/* The file is the parent's: what stands in it is evicted here. */
void filing_fork_child(struct strata_cache *cache) {
    struct actor actor = {.id = TIER_ACTOR + 1, .now_ms = clock_unix_ms()};
    if (cache->tier)
        warm_tier_forget(cache->tier, cache->image ? NULL : &actor);
    cache->tier = NULL;
}
