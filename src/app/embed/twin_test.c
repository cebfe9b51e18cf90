/* The library against a naive twin, under random calls. The seed is STRATA_SEED, the number of calls STRATA_MODEL_OPS.
 *
 * The twin keeps values and versions in arrays. Where memory is short an entry may be gone, but what is there must be right.
 */
#include "app/embed/embed_fixture.h"
#include "base/bits.h"
#include "base/rng.h"

enum { KEYS = 300, VALUE_MAX = 400000, OPERATIONS = 20000 };

struct twin_entry {
    bool there, expires;
    uint8_t *value;
    size_t size;
    uint64_t version; /* the last that was told, if nothing was written since */
};

struct model {
    struct strata_cache *cache;
    struct twin_entry twin[KEYS];
    struct rng rng;
    uint8_t *bytes, *got;
    uint64_t step, seed, version_last;
    bool may_lose;
};

#define CHECK(m, condition)                                                                                   \
    do {                                                                                                      \
        if (!(condition))                                                                                     \
            fail_msg("seed %llu step %llu: %s", (unsigned long long)(m)->seed, (unsigned long long)(m)->step, \
                     #condition);                                                                             \
    } while (0)

static size_t name_of(uint32_t key, char *ret_name) {
    size_t size = key ? (size_t)snprintf(ret_name, 300, "key:%u", key) : 0;
    if (key % 19 == 3) {
        memset(ret_name + size, 'x', 280);
        size += 280;
    }
    return size;
}

static size_t random_size(struct model *m) {
    uint64_t kind = rng_below(&m->rng, 20);
    return (size_t)rng_below(&m->rng, kind == 0 ? VALUE_MAX : kind < 3 ? 5000 : 200);
}

static void twin_put(struct twin_entry *entry, const uint8_t *bytes, size_t size) {
    uint8_t *value = malloc(size + 1);
    assert_non_null(value);
    memcpy(value, bytes, size);
    free(entry->value);
    *entry = (struct twin_entry){.there = true, .value = value, .size = size, .expires = entry->expires};
}

static void twin_drop(struct twin_entry *entry) {
    free(entry->value);
    *entry = (struct twin_entry){0};
}

/* Something answered that there is no entry. */
static void was_missing(struct model *m, struct twin_entry *entry) {
    CHECK(m, !entry->there || m->may_lose);
    twin_drop(entry);
}

static void check_value(struct model *m, struct twin_entry *entry, const void *value, size_t size) {
    CHECK(m, entry->there && size == entry->size && memcmp(value, entry->value, size) == 0);
}

static bool lost_room(struct model *m, enum strata_status status) {
    CHECK(m, status != STRATA_FULL || m->may_lose);
    return status == STRATA_FULL;
}

static void do_get(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    size_t size, room = rng_below(&m->rng, 3) ? VALUE_MAX : random_size(m);
    enum strata_status status = strata_get(m->cache, name, name_size, m->got, room, &size);
    if (status == STRATA_MISS) {
        was_missing(m, entry);
    } else if (status == STRATA_TOO_SMALL) {
        CHECK(m, entry->there && size == entry->size && size > room);
    } else {
        CHECK(m, status == STRATA_OK);
        check_value(m, entry, m->got, size);
    }
}

static void do_get_versioned(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    size_t size;
    uint64_t version;
    enum strata_status status = strata_get_versioned(m->cache, name, name_size, m->got, VALUE_MAX, &size, &version);
    if (status == STRATA_MISS) {
        was_missing(m, entry);
    } else if (!lost_room(m, status)) {
        CHECK(m, status == STRATA_OK);
        check_value(m, entry, m->got, size);
        CHECK(m, entry->version ? version == entry->version : version != 0);
        entry->version = version;
    }
}

static void do_pin(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    struct strata_pinned pinned;
    enum strata_status status = strata_pin(m->cache, name, name_size, &pinned);
    if (status == STRATA_MISS) {
        was_missing(m, entry);
        return;
    }
    CHECK(m, status == STRATA_OK);
    size_t at = 0, size;
    const void *piece;
    do {
        CHECK(m, strata_pinned_piece(m->cache, &pinned, at, &piece, &size) == STRATA_OK);
        if (size)
            memcpy(m->got + at, piece, size);
        at += size;
    } while (size);
    check_value(m, entry, m->got, at);
    strata_unpin(m->cache, &pinned);
}

static void do_set(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    static const uint32_t flags[] = {0, 0, 0, STRATA_IF_ABSENT, STRATA_IF_PRESENT, STRATA_KEEP_TTL};
    const uint8_t *bytes = m->bytes + rng_below(&m->rng, 100);
    size_t size = random_size(m);
    struct strata_set_options options = {.flags = flags[rng_below(&m->rng, COUNT_OF(flags))]};
    if (rng_below(&m->rng, 4) == 0)
        options.ttl_ms = 1000000 + rng_below(&m->rng, 1000000);
    bool compares = !(options.flags & STRATA_IF_ABSENT) && rng_below(&m->rng, 4) == 0, wants = rng_below(&m->rng, 2);
    if (compares)
        options.if_version = entry->version && rng_below(&m->rng, 4) ? entry->version : 1 + rng_below(&m->rng, 1 << 20);
    uint64_t version = 0;
    enum strata_status status = strata_set(m->cache, name, name_size, bytes, size, &options, wants ? &version : NULL);
    if (lost_room(m, status))
        return;
    if (status == STRATA_MISS) {
        CHECK(m, compares || (options.flags & STRATA_IF_PRESENT));
        was_missing(m, entry);
    } else if (status == STRATA_REFUSED) {
        CHECK(m, entry->there);
        CHECK(m, (options.flags & STRATA_IF_ABSENT) || (compares && options.if_version != entry->version));
    } else {
        CHECK(m, status == STRATA_OK);
        if ((options.flags & STRATA_IF_ABSENT) && entry->there)
            was_missing(m, entry);
        CHECK(m, !compares || options.if_version == entry->version);
        bool keeps = (options.flags & STRATA_KEEP_TTL) && entry->there;
        bool expires = keeps ? entry->expires : options.ttl_ms != 0;
        twin_put(entry, bytes, size);
        entry->expires = expires;
        entry->version = version;
        CHECK(m, !wants || version > m->version_last);
        if (wants)
            m->version_last = version;
    }
}

static void do_append(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    size_t size = random_size(m) / 2;
    uint64_t total;
    if (entry->size + size > VALUE_MAX)
        return;
    do_get(m, entry, name, name_size); /* an entry that has been lost would begin anew */
    bool known = entry->there;
    enum strata_status status = strata_append(m->cache, name, name_size, m->bytes, size, &total);
    if (lost_room(m, status))
        return;
    CHECK(m, status == STRATA_OK);
    if (known && total != entry->size + size)
        was_missing(m, entry);
    size_t before = entry->size;
    CHECK(m, total == before + size);
    uint8_t *value = malloc(total + 1);
    if (before)
        memcpy(value, entry->value, before);
    memcpy(value + before, m->bytes, size);
    twin_put(entry, value, total);
    free(value);
}

static void do_delete(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    if (rng_below(&m->rng, 3) == 0) {
        uint64_t version = entry->version ? entry->version : 5;
        enum strata_status status = strata_delete_version(m->cache, name, name_size, version);
        if (status == STRATA_REFUSED) {
            CHECK(m, entry->there && entry->version != version);
            return;
        }
        CHECK(m, status == STRATA_MISS || (status == STRATA_OK && entry->version == version));
        if (status == STRATA_MISS)
            was_missing(m, entry);
        twin_drop(entry);
        return;
    }
    if (strata_delete(m->cache, name, name_size) == STRATA_MISS)
        was_missing(m, entry);
    twin_drop(entry);
}

static void do_touch(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    uint64_t ttl_ms = rng_below(&m->rng, 2) ? 5000000 : 0, left_ms;
    enum strata_status status = strata_touch(m->cache, name, name_size, ttl_ms);
    if (status == STRATA_MISS)
        was_missing(m, entry);
    else if (!lost_room(m, status))
        entry->expires = ttl_ms != 0;
    status = strata_ttl(m->cache, name, name_size, &left_ms);
    if (status == STRATA_MISS)
        was_missing(m, entry);
    else
        CHECK(m, (left_ms != STRATA_TTL_NEVER) == entry->expires && left_ms > 0);
}

static void do_increment(struct model *m, struct twin_entry *entry, const char *name, size_t name_size) {
    int64_t value;
    char text[24];
    enum strata_status status = strata_increment(m->cache, name, name_size, 3, NULL, &value);
    if (lost_room(m, status))
        return;
    if (status == STRATA_NOT_NUMBER) {
        CHECK(m, entry->there);
        return;
    }
    CHECK(m, status == STRATA_OK);
    int64_t before = 0;
    if (entry->there && entry->size < sizeof text) {
        memcpy(text, entry->value, entry->size);
        text[entry->size] = 0;
        before = strtoll(text, NULL, 10);
    }
    if (value != before + 3) {
        was_missing(m, entry);
        CHECK(m, value == 3);
    }
    bool expires = entry->expires;
    twin_put(entry, (uint8_t *)text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
    entry->expires = expires;
}

static void do_batch(struct model *m) {
    enum { BATCH = 70 };
    static char names[BATCH][320];
    static uint8_t buffers[BATCH][300];
    struct strata_get_item items[BATCH];
    uint32_t keys[BATCH];
    size_t found = 0;
    for (uint32_t i = 0; i < BATCH; i++) {
        keys[i] = (uint32_t)rng_below(&m->rng, KEYS);
        items[i] = (struct strata_get_item){.key = names[i],
                                            .key_size = name_of(keys[i], names[i]),
                                            .buffer = buffers[i],
                                            .buffer_size = sizeof buffers[i]};
    }
    size_t count = 1 + rng_below(&m->rng, BATCH), answered = strata_get_many(m->cache, items, count);
    for (size_t i = 0; i < count; i++) {
        struct twin_entry *entry = &m->twin[keys[i]];
        if (items[i].status == STRATA_MISS) {
            was_missing(m, entry);
            continue;
        }
        CHECK(m, entry->there && items[i].size == entry->size);
        found += items[i].status == STRATA_OK;
        CHECK(m, items[i].status == (entry->size <= sizeof buffers[i] ? STRATA_OK : STRATA_TOO_SMALL));
        if (items[i].status == STRATA_OK)
            check_value(m, entry, buffers[i], items[i].size);
    }
    CHECK(m, found == answered);
}

static void one_step(struct model *m) {
    static void (*const calls[])(struct model * m, struct twin_entry * entry, const char *name, size_t name_size) = {
        do_get, do_get, do_get_versioned, do_pin, do_set, do_set, do_set, do_append, do_delete, do_touch, do_increment};
    char name[600];
    uint32_t key = (uint32_t)rng_below(&m->rng, KEYS);
    size_t name_size = name_of(key, name);
    uint64_t what = rng_below(&m->rng, COUNT_OF(calls) + 1);
    if (what < COUNT_OF(calls)) {
        calls[what](m, &m->twin[key], name, name_size);
        return;
    }
    do_batch(m);
    if (rng_below(&m->rng, 50) == 0)
        (void)!strata_maintain(m->cache, 100);
    if (rng_below(&m->rng, 500) == 0) {
        CHECK(m, strata_clear(m->cache) == STRATA_OK);
        for (uint32_t k = 0; k < KEYS; k++)
            twin_drop(&m->twin[k]);
    }
}

static void run(const char *description, bool may_lose) {
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->seed = unit_seed();
    m->rng = rng_seeded(m->seed);
    m->cache = testing_open(description);
    m->may_lose = may_lose;
    m->bytes = malloc(VALUE_MAX + 1000);
    m->got = malloc(VALUE_MAX + 1000);
    for (size_t i = 0; i < VALUE_MAX + 1000; i++)
        m->bytes[i] = (uint8_t)rng_next(&m->rng);
    const char *text = getenv("STRATA_MODEL_OPS");
    uint64_t operations = text ? strtoull(text, NULL, 0) : OPERATIONS;
    for (m->step = 0; m->step < operations; m->step++)
        one_step(m);
    uint64_t there = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        there += m->twin[key].there;
        twin_drop(&m->twin[key]);
    }
    if (!may_lose)
        assert_int_equal(testing_stats(m->cache).entries, there);
    free(m->bytes);
    free(m->got);
    testing_close(m->cache);
    free(m);
}

static void agrees_with_twin_in_ample_memory(void **state) {
    (void)state;
    run("memory:256mb", false);
}

static void what_is_left_is_right_under_eviction(void **state) {
    (void)state;
    run("memory:4mb", true);
    run("memory:4mb,shards=4,policy=lru", true);
}

static void full_caches_refuse_and_stay_right(void **state) {
    (void)state;
    run("memory:4mb,policy=nothing", true);
}

UNIT_TESTS(twin, UNIT(agrees_with_twin_in_ample_memory), UNIT(what_is_left_is_right_under_eviction),
           UNIT(full_caches_refuse_and_stay_right));
