#include "core/store/resident.h"

#include "base/rng.h"
#include "core/store/reclaim.h"
#include "core/store/store_fixture.h"

enum { HUGE = 64 * 1024, LIMIT = 16 << 20 };

/* What the engine asked of the system. */
static struct {
    uint8_t *base;
    uint64_t huge;
    uint64_t released, condensed, expected, calls;
    uint8_t dense[4096]; /* by huge page */
} asked;

static void note_dense(void *bytes, uint64_t size, bool filled) {
    uint64_t at = (uint64_t)((uint8_t *)bytes - asked.base);
    assert_int_equal((uintptr_t)bytes % asked.huge, 0);
    assert_int_equal(size % asked.huge, 0);
    for (uint64_t page = at / asked.huge; page < (at + size) / asked.huge; page++) {
        assert_true(page < sizeof asked.dense);
        asked.dense[page]++;
    }
    if (filled)
        asked.condensed += size;
    else
        asked.expected += size;
}

static void note_release(void *bytes, uint64_t size) {
    memset(bytes, 0, size);
    asked.released += size;
    asked.calls++;
}

static struct testing_store open_backed(uint64_t huge_size) {
    struct testing_store t = testing_store_open(LIMIT, 1, STORE_ALLKEYS_LFU, NULL);
    assert_int_equal((uintptr_t)t.range % 4096, 0);
    memset(&asked, 0, sizeof asked);
    asked.huge = huge_size ? huge_size : 1;
    asked.base = (uint8_t *)((uintptr_t)t.range / HUGE * HUGE);
    t.engine->range.backing = (struct range_backing){huge_size, note_dense, note_release};
    return t;
}

static void put(struct testing_store *t, uint32_t i, uint32_t size) {
    static uint8_t bytes[2000];
    char text[16];
    struct store_key key = testing_store_key(t, 0, slice_make(text, (size_t)snprintf(text, sizeof text, "key:%u", i)));
    struct shard *shard = &t->engine->shards[0];
    struct store_spot spot;
    assert_int_equal(reclaim_make_room(t->engine, &t->actor, 0, 0), STATUS_OK);
    store_lock(t->engine, &t->actor, 0);
    store_find(t->engine, shard, &key, &spot);
    struct store_value value = {.value = slice_make(bytes, size)};
    assert_int_equal(store_put(t->engine, &t->actor, shard, &key, &value, &spot), STATUS_OK);
    store_unlock(t->engine, &t->actor, 0);
}

static uint32_t entries_of(const struct testing_store *t) { return (uint32_t)t->engine->shards[0].index.entries; }

static void remove_all_but(struct testing_store *t, uint32_t count, uint32_t keep) {
    struct shard *shard = &t->engine->shards[0];
    store_lock(t->engine, &t->actor, 0);
    for (uint32_t i = keep; i < count; i++) {
        char text[16];
        struct store_key key =
            testing_store_key(t, 0, slice_make(text, (size_t)snprintf(text, sizeof text, "key:%u", i)));
        struct store_spot spot;
        store_find(t->engine, shard, &key, &spot);
        if (spot.location)
            store_remove(t->engine, &t->actor, shard, &spot, STORE_DELETED);
    }
    store_unlock(t->engine, &t->actor, 0);
}

static uint32_t resident_segments(const struct testing_store *t) {
    return t->engine->range.head->used + t->engine->range.head->free_resident;
}

static void settle(struct testing_store *t) {
    for (uint32_t turns = 0; turns < 100000; turns++) {
        bool more = reclaim_housekeep(t->engine, &t->actor);
        if (!resident_step(t->engine, &t->actor, false) && !more)
            return;
    }
    fail_msg("there is always more to do");
}

static void lowered_limit_gives_memory_back(void **state) {
    (void)state;
    struct testing_store t = open_backed(0);
    const struct range_head *head = t.engine->range.head;
    for (uint32_t i = 0; i < 60000; i++)
        put(&t, i, 300);
    uint32_t entries = entries_of(&t), full = resident_segments(&t), units = head->units;
    settle(&t);
    assert_int_equal(asked.released, 0);
    assert_int_equal(engine_limit_set(t.engine, LIMIT / 8), STATUS_OK);
    settle(&t);
    assert_true(head->used <= head->limit);
    assert_true(resident_segments(&t) <= head->limit);
    /* What was given back, by the bytes the system was told of. */
    assert_true(asked.released >= (uint64_t)(full - head->limit) * range_segment_size(&t.engine->range));
    /* The index has shrunk with its entries; else it alone would fill the new limit. */
    assert_true(entries_of(&t) > entries / 12 && entries_of(&t) < entries / 7);
    assert_true(head->units <= units / 4);
    engine_verify(t.engine, &t.actor);
    /* Up again, into segments that are zero. */
    assert_int_equal(engine_limit_set(t.engine, LIMIT), STATUS_OK);
    for (uint32_t i = 0; i < 60000; i++)
        put(&t, i, 300);
    assert_true(entries_of(&t) >= entries * 9 / 10);
    testing_store_close(&t);
}

static void idle_memory_goes_after_a_while(void **state) {
    (void)state;
    struct testing_store t = open_backed(0);
    const struct range_head *head = t.engine->range.head;
    for (uint32_t i = 0; i < 30000; i++)
        put(&t, i, 300);
    remove_all_but(&t, 30000, 100);
    /* Dead bytes are not memory yet: compaction by hand, as if it had been tight. */
    struct shard *shard = &t.engine->shards[0];
    store_lock(t.engine, &t.actor, 0);
    for (uint32_t log = 0; log < STORE_LOGS_MAX; log++)
        for (uint32_t number = shard->logs[log].first, next; number; number = next) {
            next = t.engine->range.segments[number].next;
            if (number != shard->logs[log].open && t.engine->range.segments[number].live == 0)
                store_drop_segment(t.engine, &t.actor, shard, number);
        }
    store_unlock(t.engine, &t.actor, 0);
    uint32_t keep = head->limit / 8;
    assert_true(head->free_resident > 2 * keep);
    settle(&t);
    t.actor.now_ms += 900;
    settle(&t);
    assert_int_equal(asked.released, 0);
    t.actor.now_ms += 200;
    settle(&t);
    assert_int_equal(head->free_resident, keep);
    assert_true(asked.released > 0);
    /* A cache that comes and goes within the eighth is left alone. */
    uint64_t released = asked.released;
    t.actor.now_ms += 100000;
    settle(&t);
    assert_int_equal(asked.released, released);
    testing_store_close(&t);
}

static void full_segments_become_huge_pages(void **state) {
    (void)state;
    struct testing_store t = open_backed(HUGE);
    struct range *range = &t.engine->range;
    assert_int_equal(range_group(range), 2);
    for (uint32_t i = 0; i < 40000; i++) {
        put(&t, i, 300);
        if (i % 1000 == 0)
            settle(&t);
    }
    settle(&t);
    /* Nearly all that is used, each page once, and nothing that is open. */
    assert_true(asked.condensed > (uint64_t)range->head->used * range_segment_size(range) * 8 / 10);
    for (size_t page = 0; page < sizeof asked.dense; page++)
        assert_true(asked.dense[page] <= 1);
    const struct shard *shard = &t.engine->shards[0];
    for (uint32_t log = 0; log < STORE_LOGS_MAX; log++) {
        uint32_t open = shard->logs[log].open;
        uint8_t *at = open ? range->base + range_segment_at(range, open) : asked.base;
        assert_false(open && asked.dense[(uint64_t)(at - asked.base) / HUGE]);
    }
    assert_int_equal(asked.expected, 0); /* a segment is half a page: nobody knows whether the other half fills */
    testing_store_close(&t);
}

/* Where a segment is a huge page, the first of a log are condensed when they are full, later ones huge from the start. */
static void long_logs_are_huge_from_the_start(void **state) {
    (void)state;
    static uint64_t condensed, expected;
    struct testing_store t = open_backed(32 * 1024);
    struct range *range = &t.engine->range;
    assert_int_equal(range_group(range), 1);
    for (uint32_t i = 0; i < 40000; i++) {
        put(&t, i, 300);
        if (i == 1000) {
            settle(&t);
            condensed = asked.condensed, expected = asked.expected;
        }
    }
    assert_true(condensed > 0);
    assert_int_equal(expected, 0);
    assert_true(asked.expected > (uint64_t)range->head->used * range_segment_size(range) / 2);
    for (size_t page = 0; page < sizeof asked.dense; page++)
        assert_true(asked.dense[page] <= 1);
    testing_store_close(&t);
}

static void uses_add_up(void **state) {
    (void)state;
    struct testing_store t = open_backed(0);
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t i = 0; i < 100000; i++) {
        put(&t, (uint32_t)rng_below(&rng, 50000), (uint32_t)rng_below(&rng, 1000));
        if (i % 9999 == 0)
            resident_verify(t.engine);
    }
    struct resident_account account = resident_account(t.engine);
    const struct range_head *head = t.engine->range.head;
    uint64_t all = resident_occupied(&account);
    assert_true(account.logs > 0 && account.index > 0 && account.ghosts > 0);
    assert_true(all > head->limit_bytes / 10 * 9 && all <= head->limit_bytes);
    assert_true(all + account.idle <=
                (uint64_t)resident_segments(&t) * range_segment_size(&t.engine->range) + account.tables);
    testing_store_close(&t);
}

UNIT_TESTS(resident, UNIT(lowered_limit_gives_memory_back), UNIT(idle_memory_goes_after_a_while),
           UNIT(full_segments_become_huge_pages), UNIT(long_logs_are_huge_from_the_start), UNIT(uses_add_up));
