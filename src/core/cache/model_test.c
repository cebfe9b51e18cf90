/* core/cache/model_test.c: the cache against a naive twin, under random operations.
 *
 * The twin is an array of keys with malloc'd values. Every operation is done on both and every answer compared; the whole
 * structure is verified now and then. The seed is STRATA_SEED, the number of operations STRATA_MODEL_OPS.
 */
#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { KEYS = 400, DATABASES = 3, OPERATIONS = 15000, LARGE = 300000 };

struct twin_entry {
    bool there;
    uint8_t *value;
    uint64_t size, expires_at_ms;
    uint64_t version; /* 0: none */
    bool patched;     /* since the version was read: it may be gone or be a new one */
};

struct model {
    struct testing_cache t;
    struct twin_entry twin[DATABASES][KEYS];
    struct rng rng;
    struct buf got;
    uint8_t *bytes;        /* LARGE + slack random bytes */
    uint64_t version_last; /* versions only grow here, so none comes again */
    bool may_lose;         /* memory is too small: entries may be evicted, but what is there must be right */
    uint64_t step, seed;
};

#define CHECK(model, condition)                                                                                       \
    do {                                                                                                              \
        if (!(condition))                                                                                             \
            fail_msg("seed %llu step %llu: %s", (unsigned long long)(model)->seed, (unsigned long long)(model)->step, \
                     #condition);                                                                                     \
    } while (0)

static struct slice name_of(uint32_t key) {
    static char text[4096];
    /* Some names are long, one is empty. */
    if (key == 0)
        return slice_make("", 0);
    size_t size = (size_t)snprintf(text, sizeof text, "key:%u", key);
    if (key % 17 == 0) {
        memset(text + size, 'x', 700);
        size += 700;
    }
    return slice_make(text, size);
}

static void twin_drop(struct twin_entry *entry) {
    free(entry->value);
    *entry = (struct twin_entry){0};
}

static struct twin_entry *twin_at(struct model *m, uint32_t db, uint32_t key) {
    struct twin_entry *entry = &m->twin[db][key];
    if (entry->there && entry->expires_at_ms && entry->expires_at_ms <= m->t.actor.now_ms)
        twin_drop(entry);
    return entry;
}

static void twin_put(struct twin_entry *entry, const uint8_t *bytes, uint64_t size, uint64_t expires_at_ms) {
    uint8_t *value = malloc(size + 1);
    assert_non_null(value);
    memcpy(value, bytes, size);
    twin_drop(entry);
    *entry = (struct twin_entry){.there = true, .value = value, .size = size, .expires_at_ms = expires_at_ms};
}

static uint64_t random_size(struct model *m) {
    switch (rng_below(&m->rng, 10)) {
        case 0:
            return 0;
        case 1:
            return rng_below(&m->rng, 20000);
        case 2:
            return rng_below(&m->rng, 10) == 0 ? rng_below(&m->rng, LARGE) : rng_below(&m->rng, 40);
        default:
            return rng_below(&m->rng, 300);
    }
}

static uint64_t random_expiry(struct model *m) {
    return rng_below(&m->rng, 3) ? 0 : m->t.actor.now_ms + 1 + rng_below(&m->rng, 5000);
}

/* What is there must be what the twin has; what is missing must be missing, unless entries may be lost. */
static void check_key(struct model *m, uint32_t db, uint32_t key) {
    struct twin_entry *entry = twin_at(m, db, key);
    struct cache_info info;
    bool found = testing_get(&m->t, db, name_of(key), &m->got, &info);
    if (!found && m->may_lose) {
        twin_drop(entry);
        return;
    }
    CHECK(m, found == entry->there);
    if (!found)
        return;
    CHECK(m, m->got.size == entry->size && info.size == entry->size);
    CHECK(m, memcmp(m->got.data, entry->value, entry->size) == 0);
    CHECK(m, info.expires_at_ms == entry->expires_at_ms);
    if (entry->patched && info.version) {
        CHECK(m, info.version > entry->version);
        if (info.version > m->version_last)
            m->version_last = info.version;
    } else {
        CHECK(m, info.version == (entry->patched ? 0 : entry->version));
    }
    entry->version = info.version;
    entry->patched = false;
}

static void do_set(struct model *m, uint32_t db, uint32_t key) {
    uint64_t size = random_size(m), expires_at_ms = random_expiry(m);
    const uint8_t *bytes = m->bytes + rng_below(&m->rng, 1000);
    enum status status = testing_set(&m->t, db, name_of(key), slice_make(bytes, size), expires_at_ms);
    if (status == STATUS_FULL && m->may_lose)
        return;
    CHECK(m, status == STATUS_OK);
    twin_put(&m->twin[db][key], bytes, size, expires_at_ms);
}

static void do_patch(struct model *m, uint32_t db, uint32_t key) {
    check_key(m, db, key);
    struct twin_entry *entry = twin_at(m, db, key);
    uint64_t size = random_size(m) / 4;
    uint64_t offset = rng_below(&m->rng, 3) ? entry->size : rng_below(&m->rng, entry->size + 500);
    if (offset + size > LARGE)
        return;
    const uint8_t *bytes = m->bytes + rng_below(&m->rng, 1000);
    struct cache_key name = cache_key(m->t.cache, db, name_of(key));
    struct cache_edit edit;
    cache_prepare(m->t.cache, &m->t.actor, &name, LARGE);
    cache_edit_begin(m->t.cache, &m->t.actor, &name, &edit);
    bool found = edit.found;
    enum status status = cache_edit_patch(&edit, offset, slice_make(bytes, size));
    cache_edit_end(&edit);
    if (m->may_lose && (status == STATUS_FULL || found != entry->there)) {
        cache_delete(m->t.cache, &m->t.actor, &name);
        twin_drop(entry);
        return;
    }
    CHECK(m, found == entry->there && status == STATUS_OK);
    uint64_t total = entry->size > offset + size ? entry->size : offset + size, version = entry->version;
    uint8_t *value = calloc(1, total + 1);
    if (entry->size)
        memcpy(value, entry->value, entry->size);
    memcpy(value + offset, bytes, size);
    twin_put(entry, value, total, entry->expires_at_ms);
    entry->version = version;
    entry->patched = version != 0;
    free(value);
}

/* Asks for the version of an entry, or sets one with a version. */
static void do_version(struct model *m, uint32_t db, uint32_t key) {
    check_key(m, db, key);
    struct twin_entry *entry = twin_at(m, db, key);
    struct cache_key name = cache_key(m->t.cache, db, name_of(key));
    uint64_t size = random_size(m), expires_at_ms = random_expiry(m), before = entry->version;
    const uint8_t *bytes = m->bytes + rng_below(&m->rng, 1000);
    bool set = rng_below(&m->rng, 2);
    enum status status = STATUS_OK;
    struct cache_edit edit;
    cache_prepare(m->t.cache, &m->t.actor, &name, size);
    cache_edit_begin(m->t.cache, &m->t.actor, &name, &edit);
    if (!edit.found) /* it may have been lost just now, to make room */
        twin_drop(entry);
    edit.versioned = true;
    if (set)
        status = cache_edit_set(&edit, CACHE_STRING, slice_make(bytes, size), expires_at_ms);
    else if (edit.found)
        status = cache_edit_version(&edit);
    uint64_t version = edit.found ? edit.version : 0;
    cache_edit_end(&edit);
    CHECK(m, status == STATUS_OK || (m->may_lose && status == STATUS_FULL));
    if (status != STATUS_OK)
        return;
    if (set)
        twin_put(entry, bytes, size, expires_at_ms);
    else if (!entry->there)
        return;
    if (set || !before) {
        CHECK(m, version > m->version_last);
        m->version_last = version;
    } else {
        CHECK(m, version == before);
    }
    entry->version = version;
    check_key(m, db, key);
}

static void do_delete(struct model *m, uint32_t db, uint32_t key) {
    struct cache_key name = cache_key(m->t.cache, db, name_of(key));
    struct twin_entry *entry = twin_at(m, db, key);
    bool was = cache_delete(m->t.cache, &m->t.actor, &name);
    CHECK(m, was == entry->there || (m->may_lose && !was));
    twin_drop(entry);
}

static void do_expire(struct model *m, uint32_t db, uint32_t key) {
    struct cache_key name = cache_key(m->t.cache, db, name_of(key));
    struct twin_entry *entry = twin_at(m, db, key);
    struct cache_edit edit;
    cache_edit_begin(m->t.cache, &m->t.actor, &name, &edit);
    CHECK(m, edit.found == entry->there || (m->may_lose && !edit.found));
    if (edit.found) {
        /* Sometimes further away than 32 bits of milliseconds reach. */
        uint64_t at_ms = rng_below(&m->rng, 10) ? random_expiry(m) : m->t.actor.now_ms + (1ull << 40);
        enum status status = cache_edit_expire(&edit, at_ms);
        CHECK(m, status == STATUS_OK || (m->may_lose && status == STATUS_FULL));
        if (status == STATUS_OK)
            entry->expires_at_ms = at_ms;
    } else {
        twin_drop(entry);
    }
    cache_edit_end(&edit);
}

static void do_copy(struct model *m, uint32_t db, uint32_t from, uint32_t to) {
    if (from == to)
        return;
    struct twin_entry *source = twin_at(m, db, from);
    char from_name[1024];
    struct slice name = name_of(from);
    memcpy(from_name, name.data, name.size);
    struct cache_key keys[2] = {cache_key(m->t.cache, db, slice_make(from_name, name.size)),
                                cache_key(m->t.cache, db, name_of(to))};
    cache_lock_keys(m->t.cache, &m->t.actor, keys, 2, LARGE);
    struct cache_edit a, b;
    cache_edit_begin(m->t.cache, &m->t.actor, &keys[0], &a);
    cache_edit_begin(m->t.cache, &m->t.actor, &keys[1], &b);
    if (a.found) {
        CHECK(m, source->there);
        enum status status = cache_edit_copy(&a, &b, a.expires_at_ms);
        CHECK(m, status == STATUS_OK || (m->may_lose && status == STATUS_FULL));
        if (status == STATUS_OK)
            twin_put(&m->twin[db][to], source->value, source->size, source->expires_at_ms);
    } else {
        CHECK(m, !source->there || m->may_lose);
        twin_drop(source);
    }
    cache_edit_end(&a);
    cache_edit_end(&b);
    cache_unlock(m->t.cache, &m->t.actor);
}

static void do_upload(struct model *m, uint32_t db, uint32_t key) {
    uint64_t size = cache_upload_size_min(m->t.cache) + rng_below(&m->rng, LARGE / 2);
    if (size > LARGE)
        return;
    struct cache_upload upload;
    CHECK(m, cache_upload_begin(m->t.cache, size, &upload) == STATUS_OK);
    const uint8_t *bytes = m->bytes + rng_below(&m->rng, 1000);
    bool finish = rng_below(&m->rng, 4) != 0;
    uint64_t until = finish ? size : rng_below(&m->rng, size);
    while (upload.filled < until) {
        void *room;
        uint64_t room_size;
        if (cache_upload_room(m->t.cache, &m->t.actor, &upload, &room, &room_size) != STATUS_OK) {
            CHECK(m, m->may_lose);
            finish = false;
            break;
        }
        uint64_t part = 1 + rng_below(&m->rng, room_size);
        memcpy(room, bytes + upload.filled, part);
        cache_upload_filled(&upload, part);
    }
    if (finish) {
        struct cache_key name = cache_key(m->t.cache, db, name_of(key));
        struct cache_edit edit;
        cache_edit_begin(m->t.cache, &m->t.actor, &name, &edit);
        enum status status = cache_edit_set_upload(&edit, &upload, 0);
        CHECK(m, status == STATUS_OK || (m->may_lose && status == STATUS_FULL));
        cache_edit_end(&edit);
        if (status == STATUS_OK)
            twin_put(&m->twin[db][key], bytes, size, 0);
    }
    cache_upload_drop(m->t.cache, &m->t.actor, &upload);
}

struct scan_check {
    struct model *m;
    uint8_t seen[KEYS];
};

static void saw(void *context, struct slice name, const struct cache_info *info) {
    struct scan_check *check = context;
    (void)info;
    for (uint32_t key = 0; key < KEYS; key++)
        if (slice_equal(name_of(key), name)) {
            check->seen[key] = 1;
            return;
        }
    CHECK(check->m, !"a name that nobody wrote");
}

/* Also counts the entries, whatever the clock says of the expired ones. */
static void do_scan(struct model *m, uint32_t db) {
    struct scan_check check = {.m = m};
    uint64_t cursor = 0;
    do
        cursor = cache_scan(m->t.cache, &m->t.actor, db, cursor, 1 + (uint32_t)rng_below(&m->rng, 50), saw, &check);
    while (cursor != 0);
    for (uint32_t key = 0; key < KEYS; key++) {
        bool there = twin_at(m, db, key)->there;
        CHECK(m, check.seen[key] == there || (m->may_lose && !check.seen[key]));
    }
}

static void do_flush(struct model *m, uint32_t db) {
    if (rng_below(&m->rng, 3) == 0) {
        cache_flush_all(m->t.cache, &m->t.actor);
        for (uint32_t other = 0; other < DATABASES; other++)
            for (uint32_t key = 0; key < KEYS; key++)
                twin_drop(&m->twin[other][key]);
    } else {
        cache_flush(m->t.cache, &m->t.actor, db);
        for (uint32_t key = 0; key < KEYS; key++)
            twin_drop(&m->twin[db][key]);
    }
    CHECK(m, cache_count(m->t.cache, db) == 0);
}

static void do_swap(struct model *m, uint32_t a, uint32_t b) {
    cache_swap(m->t.cache, &m->t.actor, a, b);
    for (uint32_t key = 0; key < KEYS && a != b; key++) {
        struct twin_entry entry = m->twin[a][key];
        m->twin[a][key] = m->twin[b][key];
        m->twin[b][key] = entry;
    }
}

/* A filter may come, change and go at any time, and nobody sees a difference. */
static void do_filter(struct model *m) {
    static const uint32_t rates_ppm[] = {100000, 10000, 200};
    bool on = rng_below(&m->rng, 4) != 0;
    uint32_t rate_ppm = rates_ppm[rng_below(&m->rng, 3)];
    CHECK(m, cache_filter_set(m->t.cache, &m->t.actor, 0, on, rate_ppm) == STATUS_OK);
    struct cache_filter_info info;
    CHECK(m, cache_filter_info(m->t.cache, &m->t.actor, 0, &info) == STATUS_OK);
    CHECK(m, (info.state == CACHE_FILTER_OFF) == !on);
    CHECK(m, on || info.bytes == 0);
}

static void one_step(struct model *m) {
    uint32_t db = rng_below(&m->rng, 4) ? 0 : (uint32_t)rng_below(&m->rng, DATABASES);
    uint32_t key = (uint32_t)rng_below(&m->rng, KEYS);
    switch (rng_below(&m->rng, 64)) {
        case 0 ... 19:
            do_set(m, db, key);
            break;
        case 20 ... 29:
            check_key(m, db, key);
            break;
        case 30 ... 37:
            do_patch(m, db, key);
            break;
        case 38 ... 43:
            do_delete(m, db, key);
            break;
        case 44 ... 48:
            do_expire(m, db, key);
            break;
        case 49 ... 52:
            do_copy(m, db, key, (uint32_t)rng_below(&m->rng, KEYS));
            break;
        case 53 ... 55:
            do_upload(m, db, key);
            break;
        case 56 ... 58:
            (void)cache_housekeep(m->t.cache, &m->t.actor);
            break;
        case 59:
        case 60:
            do_version(m, db, key);
            break;
        case 61:
            m->t.actor.now_ms += rng_below(&m->rng, 200);
            break;
        default:
            if (rng_below(&m->rng, 40)) {
                if (rng_below(&m->rng, 20) == 0)
                    do_filter(m);
                break;
            }
            do_scan(m, db);
            if (rng_below(&m->rng, 4) == 0)
                do_flush(m, db);
            if (rng_below(&m->rng, 4) == 0)
                do_swap(m, db, (uint32_t)rng_below(&m->rng, DATABASES));
            cache_verify(m->t.cache, &m->t.actor);
    }
}

static void run_model(uint64_t limit_bytes, uint32_t shards, enum cache_policy policy, bool may_lose) {
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->seed = unit_seed();
    m->rng = rng_seeded(m->seed + limit_bytes + shards);
    m->t = testing_open(limit_bytes, shards, policy);
    m->may_lose = may_lose;
    m->bytes = malloc(LARGE + 2000);
    for (size_t i = 0; i < LARGE + 2000; i++)
        m->bytes[i] = (uint8_t)rng_next(&m->rng);
    buf_init(&m->got, &memory_libc);
    const char *operations = getenv("STRATA_MODEL_OPS");
    uint64_t steps = operations ? strtoull(operations, NULL, 0) : OPERATIONS;
    for (m->step = 0; m->step < steps; m->step++)
        one_step(m);
    for (uint32_t db = 0; db < DATABASES; db++) {
        do_scan(m, db);
        for (uint32_t key = 0; key < KEYS; key++)
            check_key(m, db, key);
    }
    testing_close(&m->t);
    for (uint32_t db = 0; db < DATABASES; db++)
        for (uint32_t key = 0; key < KEYS; key++)
            twin_drop(&m->twin[db][key]);
    buf_fini(&m->got);
    free(m->bytes);
    free(m);
}

static void agrees_with_twin_in_ample_memory(void **state) {
    (void)state;
    run_model(256u << 20, 8, CACHE_NOEVICTION, false);
}

static void agrees_with_twin_in_one_shard(void **state) {
    (void)state;
    run_model(64u << 20, 1, CACHE_ALLKEYS_LFU, true);
}

static void what_is_left_is_right_under_eviction(void **state) {
    (void)state;
    run_model(2u << 20, 1, CACHE_ALLKEYS_LFU, true);
    run_model(4u << 20, 4, CACHE_ALLKEYS_LRU, true);
}

static void what_is_left_is_right_under_volatile_policies(void **state) {
    (void)state;
    run_model(3u << 20, 2, CACHE_VOLATILE_LFU, true);
    run_model(3u << 20, 2, CACHE_VOLATILE_TTL, true);
}

static void full_cache_without_eviction_refuses_and_stays_right(void **state) {
    (void)state;
    run_model(2u << 20, 1, CACHE_NOEVICTION, true);
}

UNIT_TESTS(model, UNIT(agrees_with_twin_in_ample_memory), UNIT(agrees_with_twin_in_one_shard),
           UNIT(what_is_left_is_right_under_eviction), UNIT(what_is_left_is_right_under_volatile_policies),
           UNIT(full_cache_without_eviction_refuses_and_stays_right));
