/* app/persist/work_fixture.h: a thread's work on a cache, drawn from a seed, and what it knows of it; for tests that recover.
 *
 * Each worker writes to keys of its own, and invalidates what others wrote as well: whatever is found under one of its keys begins with the number that it wrote there last.
 * Keys and tags are those of naive_fixture.h.
 */
#ifndef STRATA_APP_PERSIST_WORK_FIXTURE_H
#define STRATA_APP_PERSIST_WORK_FIXTURE_H

#include "app/persist/naive_fixture.h"
#include "base/little.h"
#include "base/rng.h"

enum { WORK_VALUE_MAX = 24 * 1024, WORK_SMALL = 40, WORK_NUMBER_SIZE = 8, WORK_ROW_MAX = 3, WORK_EXPIRY_MS = 3600000 };

struct work {
    struct cache *cache;
    struct actor actor;
    struct rng rng;
    uint32_t worker, workers; /* keys whose number leaves this rest are its own */
    uint32_t size_max;        /* of most values */
    uint32_t large_one_in;    /* so many values is of up to WORK_VALUE_MAX bytes; 0: none */
    uint32_t expires_within_ms;
    uint64_t number, refused, banned;
    uint64_t truth[NAIVE_DATABASES][NAIVE_KEYS]; /* 0: deleted, or never there */
    uint8_t bytes[WORK_VALUE_MAX];
};

static inline void work_init(struct work *work, struct cache *cache, uint64_t seed, uint32_t worker, uint32_t workers) {
    memset(work, 0, sizeof *work);
    work->cache = cache;
    work->rng = rng_seeded(seed ^ (uint64_t)(worker + 1) << 48);
    work->worker = worker;
    work->workers = workers;
    work->size_max = WORK_SMALL;
    work->expires_within_ms = WORK_EXPIRY_MS;
    for (size_t i = 0; i < sizeof work->bytes; i++)
        work->bytes[i] = (uint8_t)rng_next(&work->rng);
}

static inline uint32_t work_below(struct work *work, uint32_t limit) { return (uint32_t)rng_below(&work->rng, limit); }

static inline uint32_t work_any_key(struct work *work) {
    uint32_t key = work_below(work, NAIVE_KEYS / work->workers) * work->workers + work->worker;
    return key < NAIVE_KEYS ? key : work->worker;
}

/* A new value, and its number. */
static inline struct slice work_any_value(struct work *work) {
    uint32_t size = WORK_NUMBER_SIZE + work_below(work, work->size_max);
    if (work->large_one_in && work_below(work, work->large_one_in) == 0)
        size = WORK_NUMBER_SIZE + work_below(work, WORK_VALUE_MAX - WORK_NUMBER_SIZE);
    little_put_u64(work->bytes, ++work->number << 8 | (work->worker + 1));
    return slice_make(work->bytes, size);
}

static inline uint64_t work_any_expiry(struct work *work) {
    return work_below(work, 3) ? 0 : work->actor.now_ms + 1 + work_below(work, work->expires_within_ms);
}

static inline bool work_done(struct work *work, enum status status) {
    if (status != STATUS_OK && status != STATUS_FULL)
        fail_msg("a write was answered: %s", status_text(status));
    work->refused += status != STATUS_OK;
    return status == STATUS_OK;
}

static inline void work_set(struct work *work, uint32_t db, uint32_t key) {
    char text[16];
    struct cache_key name = cache_key(work->cache, db, naive_key(key, text));
    struct slice value = work_any_value(work);
    if (work_done(work, cache_set(work->cache, &work->actor, &name, value, work_any_expiry(work))))
        work->truth[db][key] = little_u64(value.data);
}

static inline uint32_t work_any_tags(struct work *work, struct slice tags[3], char texts[3][16]) {
    uint32_t count = work_below(work, 4);
    for (uint32_t i = 0; i < count; i++)
        tags[i] = naive_tag(work_below(work, NAIVE_TAGS), texts[i]);
    return count;
}

static inline void work_write(struct work *work, struct cache_edit *edit, uint32_t db, uint32_t key) {
    struct slice tags[3], value = work_any_value(work);
    char texts[3][16];
    edit->tag_count = work_any_tags(work, tags, texts);
    edit->tags = tags;
    edit->set_row = work_below(work, WORK_ROW_MAX);
    if (work_done(work, cache_edit_set(edit, CACHE_STRING, value, work_any_expiry(work))))
        work->truth[db][key] = little_u64(value.data);
    edit->tags = NULL;
    edit->tag_count = 0;
    edit->set_row = 0;
}

/* Another expiry, other tags, other bytes behind the number, or none at all. */
static inline void work_change(struct work *work, struct cache_edit *edit, uint32_t db, uint32_t key) {
    struct slice tags[3];
    char texts[3][16];
    uint64_t at = WORK_NUMBER_SIZE + work_below(work, (uint32_t)(edit->size - WORK_NUMBER_SIZE) + 1);
    switch (work_below(work, 5)) {
        case 0:
            return (void)work_done(work, cache_edit_expire(edit, work_any_expiry(work)));
        case 1: {
            uint32_t count = work_any_tags(work, tags, texts);
            return (void)work_done(work, cache_edit_retag(edit, tags, count));
        }
        case 2:
        case 3:
            return (void)work_done(
                work, cache_edit_patch(edit, at, slice_make(work->bytes + 8, 1 + work_below(work, work->size_max))));
        default:
            cache_edit_delete(edit);
            work->truth[db][key] = 0;
    }
}

static inline void work_edit(struct work *work, uint32_t db, uint32_t key) {
    char text[16];
    struct cache_key name = cache_key(work->cache, db, naive_key(key, text));
    struct cache_edit edit;
    cache_edit_begin(work->cache, &work->actor, &name, &edit);
    if (!edit.found || work_below(work, 2))
        work_write(work, &edit, db, key);
    else
        work_change(work, &edit, db, key);
    cache_edit_end(&edit);
}

static inline void work_several(struct work *work, uint32_t db) {
    struct cache_key names[3];
    char texts[3][16];
    uint32_t keys[3];
    for (int i = 0; i < 3; i++) {
        keys[i] = work_any_key(work);
        names[i] = cache_key(work->cache, db, naive_key(keys[i], texts[i]));
    }
    cache_lock_keys(work->cache, &work->actor, names, 3, WORK_VALUE_MAX);
    for (int i = 0; i < 3; i++) {
        struct cache_edit edit;
        cache_edit_begin(work->cache, &work->actor, &names[i], &edit);
        work_write(work, &edit, db, keys[i]);
        cache_edit_end(&edit);
    }
    cache_unlock(work->cache, &work->actor);
}

static inline void work_sweep(struct work *work) {
    char text[16];
    uint32_t what = work_below(work, 60);
    if (what == 0)
        cache_flush(work->cache, &work->actor, 1);
    else if (what < 4)
        work->banned += cache_ban(work->cache, &work->actor, work_below(work, NAIVE_DATABASES),
                                  work_below(work, 2) ? SLICE("key:1?") : SLICE("key:*7"));
    else
        cache_tag_invalidate(work->cache, &work->actor, naive_tag(work_below(work, NAIVE_TAGS), text));
}

/* One command, as a client would send it. */
static inline void work_step(struct work *work) {
    uint32_t what = work_below(work, 16), db = work_below(work, 4) == 0, key = work_any_key(work);
    char text[16];
    struct cache_key name = cache_key(work->cache, db, naive_key(key, text));
    if (what < 6) {
        work_set(work, db, key);
    } else if (what < 12) {
        work_edit(work, db, key);
    } else if (what == 12) {
        work_several(work, db);
    } else if (what < 15) {
        cache_delete(work->cache, &work->actor, &name);
        work->truth[db][key] = 0;
    } else {
        work_sweep(work);
    }
}

/* Whether what is found under the worker's keys is what it wrote there last; else `text` says where not. */
static inline bool work_differs(const struct work *work, struct testing_cache *t, char text[160]) {
    struct seen seen;
    bool differs = false;
    buf_init(&seen.value, &memory_libc);
    for (uint32_t i = work->worker; i < NAIVE_DATABASES * NAIVE_KEYS && !differs; i += work->workers) {
        char name[16];
        uint32_t db = i / NAIVE_KEYS, key = i % NAIVE_KEYS;
        if (key % work->workers != work->worker)
            continue;
        testing_see(t, db, naive_key(key, name), &seen);
        differs = seen.found && (seen.size < WORK_NUMBER_SIZE || little_u64(seen.value.data) != work->truth[db][key]);
        if (differs)
            snprintf(text, 160, "key:%u of database %u is not what was written last", key, db);
    }
    buf_fini(&seen.value);
    return differs;
}

#endif
