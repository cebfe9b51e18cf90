/* Batches, copies, pins, scans, events, limits: what is about many entries, or holds one. */
#include "app/embed/embed_fixture.h"
#include "base/bits.h"

static uint8_t large[2 << 20];

static void fill_large(void) {
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 37 + i / 253);
}

enum { MANY = 1000 };

static void batches_do_what_single_calls_do(void **state) {
    (void)state;
    static char keys[MANY][16], buffers[MANY][600];
    struct strata_cache *cache = testing_open("memory:32mb");
    struct strata_set_item *sets = calloc(MANY, sizeof *sets);
    struct strata_get_item *gets = calloc(MANY, sizeof *gets);
    struct strata_delete_item *deletes = calloc(MANY, sizeof *deletes);
    fill_large();
    size_t fit = 0;
    for (int i = 0; i < MANY; i++) {
        size_t key_size = (size_t)snprintf(keys[i], sizeof keys[i], "key:%d", i);
        sets[i] = (struct strata_set_item){
            .key = keys[i], .key_size = key_size, .value = large + i, .value_size = (size_t)i % 700};
        gets[i] = (struct strata_get_item){
            .key = keys[i], .key_size = key_size, .buffer = buffers[i], .buffer_size = sizeof buffers[i]};
        deletes[i] = (struct strata_delete_item){.key = keys[i], .key_size = key_size};
        fit += sets[i].value_size <= sizeof buffers[i];
    }
    assert_int_equal(strata_get_many(cache, gets, MANY), 0);
    sets[500].key = NULL; /* one is wrong, the others are not */
    gets[600].key = NULL;
    deletes[700].key = NULL;
    assert_int_equal(strata_set_many(cache, sets, MANY, NULL), MANY - 1);
    /* 500 % 700 and 600 % 700 would have fitted. */
    assert_int_equal(strata_get_many(cache, gets, MANY), fit - 2);
    for (int i = 0; i < MANY; i++) {
        bool fits = sets[i].value_size <= sizeof buffers[i];
        enum strata_status wanted = i == 500   ? STRATA_MISS
                                    : i == 600 ? STRATA_INVALID
                                    : fits     ? STRATA_OK
                                               : STRATA_TOO_SMALL;
        assert_int_equal(sets[i].status, i == 500 ? STRATA_INVALID : STRATA_OK);
        assert_int_equal(gets[i].status, wanted);
        if (wanted == STRATA_MISS || wanted == STRATA_INVALID)
            continue;
        assert_int_equal(gets[i].size, sets[i].value_size);
        if (fits)
            assert_memory_equal(buffers[i], sets[i].value, sets[i].value_size);
    }
    struct strata_set_options only_new = {.flags = STRATA_IF_ABSENT};
    sets[500].key = keys[500];
    assert_int_equal(strata_set_many(cache, sets, MANY, &only_new), 1);
    assert_int_equal(sets[500].status, STRATA_OK);
    assert_int_equal(sets[501].status, STRATA_REFUSED);
    only_new.if_version = 5;
    assert_int_equal(strata_set_many(cache, sets, MANY, &only_new), 0);
    assert_int_equal(sets[0].status, STRATA_INVALID);
    assert_int_equal(strata_delete_many(cache, deletes, MANY), MANY - 1);
    assert_int_equal(strata_delete_many(cache, deletes, MANY), 0);
    assert_int_equal(deletes[0].status, STRATA_MISS);
    assert_int_equal(deletes[700].status, STRATA_INVALID);
    assert_int_equal(testing_stats(cache).entries, 1);
    free(sets), free(gets), free(deletes);
    testing_close(cache);
}

static void copies_and_pins_outlive_their_entry(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 600, 5000, 300000, 2 << 20};
    struct strata_cache *cache = testing_open("memory:64mb");
    fill_large();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t size = sizes[i], got, at = 0;
        void *copy;
        struct strata_pinned pinned;
        assert_int_equal(strata_set(cache, "k", 1, large, size, NULL, NULL), STRATA_OK);
        assert_int_equal(strata_get_copy(cache, "k", 1, &copy, &got), STRATA_OK);
        assert_int_equal(strata_pin(cache, "k", 1, &pinned), STRATA_OK);
        assert_int_equal(testing_stats(cache).pinned_bytes, size > 131072 ? size : 0);
        assert_int_equal(testing_set(cache, "k", "another"), STRATA_OK);
        assert_int_equal(strata_clear(cache), STRATA_OK);
        assert_non_null(copy);
        assert_int_equal(got, size);
        assert_memory_equal(copy, large, size);
        strata_free(cache, copy, got);
        assert_int_equal(pinned.size, size);
        for (;;) {
            const void *piece;
            assert_int_equal(strata_pinned_piece(cache, &pinned, at, &piece, &got), STRATA_OK);
            if (got == 0)
                break;
            assert_memory_equal(piece, large + at, got);
            at += got;
        }
        assert_int_equal(at, size);
        strata_unpin(cache, &pinned);
        assert_int_equal(pinned.size, 0);
        assert_int_equal(testing_stats(cache).pinned_bytes, 0);
        void *untouched = large;
        assert_int_equal(strata_get_copy(cache, "k", 1, &untouched, &got), STRATA_MISS);
        assert_int_equal(strata_pin(cache, "k", 1, &pinned), STRATA_MISS);
        assert_ptr_equal(untouched, large);
    }
    testing_close(cache);
}

struct seen {
    struct strata_cache *cache;
    uint32_t times[MANY];
    uint64_t visits;
    bool changes;
};

static void see(void *context, const struct strata_entry *entry) {
    struct seen *seen = context;
    char text[16] = "";
    memcpy(text, entry->key, entry->key_size < 15 ? entry->key_size : 15);
    int number = atoi(text + 1);
    assert_true(number >= 0 && number < MANY);
    assert_int_equal(entry->value_size, number);
    assert_true(entry->charged_bytes >= entry->key_size + entry->value_size);
    seen->times[number]++;
    seen->visits++;
    if (seen->changes) { /* no lock is held: the cache may be called */
        assert_int_equal(strata_touch(seen->cache, entry->key, entry->key_size, 100000), STRATA_OK);
        assert_int_equal(testing_set(seen->cache, "k0", ""), STRATA_OK);
    }
}

static void scans_see_every_entry(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:16mb,shards=4");
    struct seen seen = {.cache = cache};
    uint64_t cursor = 0;
    assert_int_equal(strata_scan(cache, &cursor, 10, see, &seen), STRATA_OK);
    for (int i = 0; i < MANY; i++) {
        char key[16];
        size_t size = (size_t)snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(strata_set(cache, key, size, large, (size_t)i, NULL, NULL), STRATA_OK);
    }
    for (int changes = 0; changes < 2; changes++) {
        memset(seen.times, 0, sizeof seen.times);
        seen.changes = changes;
        uint32_t calls = 0;
        cursor = 0;
        do {
            assert_int_equal(strata_scan(cache, &cursor, 10, see, &seen), STRATA_OK);
            calls++;
        } while (cursor != 0);
        assert_true(calls > 10);
        for (int i = 0; i < MANY; i++)
            assert_true(seen.times[i] >= 1);
    }
    struct strata_entry entry;
    assert_int_equal(strata_find(cache, "k77", 3, &entry), STRATA_OK);
    assert_int_equal(entry.value_size, 77);
    assert_true(entry.expires_at_ms > clock_unix_ms());
    assert_int_equal(strata_find(cache, "none", 4, &entry), STRATA_MISS);
    assert_int_equal(strata_clear(cache), STRATA_OK);
    assert_int_equal(testing_stats(cache).entries, 0);
    testing_close(cache);
}

/* ------------------------------------------------------------------------------------------- events */

struct told {
    struct strata_cache *cache;
    uint32_t reasons[5];
    uint32_t depth, depth_max;
    char last[16];
    bool answers; /* the callback calls the cache */
};

static void note(void *context, const struct strata_event *event) {
    struct told *told = context;
    assert_ptr_equal(event->cache, told->cache);
    assert_true(event->reason >= 1 && event->reason <= 4);
    told->reasons[event->reason]++;
    snprintf(told->last, sizeof told->last, "%.*s", (int)event->key_size, (const char *)event->key);
    if (++told->depth > told->depth_max)
        told->depth_max = told->depth;
    if (told->answers && event->reason == STRATA_REPLACED) {
        char key[24];
        int size = snprintf(key, sizeof key, "again:%s", told->last);
        assert_int_equal(strata_set(told->cache, key, (size_t)size, "x", 1, NULL, NULL), STRATA_OK);
        assert_int_equal(strata_delete(told->cache, key, (size_t)size), STRATA_OK);
    }
    told->depth--;
}

static struct strata_cache *open_telling(const char *description, struct told *told) {
    struct strata_options options = {.on_removed = note, .on_removed_context = told, .seed = 5};
    assert_int_equal(strata_open(description, &options, &told->cache), STRATA_OK);
    return told->cache;
}

static void removals_are_told_with_their_reason(void **state) {
    (void)state;
    struct told told = {0};
    struct strata_cache *cache = open_telling("memory:8mb", &told);
    struct strata_set_options soon = {.ttl_ms = 5};
    assert_int_equal(testing_set(cache, "a", "1"), STRATA_OK);
    assert_int_equal(told.reasons[STRATA_REPLACED], 0);
    assert_int_equal(testing_set(cache, "a", "2"), STRATA_OK);
    assert_int_equal(told.reasons[STRATA_REPLACED], 1);
    assert_string_equal(told.last, "a");
    uint64_t version;
    size_t size;
    char byte;
    assert_int_equal(strata_get_versioned(cache, "a", 1, &byte, 1, &size, &version), STRATA_OK);
    assert_int_equal(strata_touch(cache, "a", 1, 0), STRATA_OK);
    for (int i = 0; i < 30; i++)
        assert_int_equal(strata_append(cache, "a", 1, large, 10000, NULL), STRATA_OK);
    assert_int_equal(told.reasons[STRATA_REPLACED], 1); /* it is the same entry */
    assert_int_equal(strata_delete(cache, "a", 1), STRATA_OK);
    assert_int_equal(told.reasons[STRATA_DELETED], 1);
    assert_int_equal(strata_delete(cache, "a", 1), STRATA_MISS);
    assert_int_equal(told.reasons[STRATA_DELETED], 1);
    assert_int_equal(strata_set(cache, "b", 1, "1", 1, &soon, NULL), STRATA_OK);
    uint64_t until_ms = clock_steady_ms() + 20000;
    while (told.reasons[STRATA_EXPIRED] == 0) {
        (void)!strata_maintain(cache, 100);
        assert_true(clock_steady_ms() < until_ms);
    }
    assert_string_equal(told.last, "b");
    assert_int_equal(told.reasons[STRATA_EVICTED], 0);
    for (int i = 0; i < 40000; i++) {
        char key[16];
        snprintf(key, sizeof key, "e%d", i);
        assert_int_equal(strata_set(cache, key, strlen(key), large, 400, NULL, NULL), STRATA_OK);
    }
    struct strata_statistics s = testing_stats(cache);
    assert_true(s.evicted > 0);
    assert_int_equal(told.reasons[STRATA_EVICTED], s.evicted);
    assert_int_equal(s.entries + s.evicted, 40000);
    assert_int_equal(s.events_lost, 0);
    assert_int_equal(told.depth_max, 1);
    testing_close(cache);
}

static void callbacks_may_call_the_cache(void **state) {
    (void)state;
    struct told told = {.answers = true};
    struct strata_cache *cache = open_telling("memory:8mb", &told);
    for (int i = 0; i < 3; i++)
        assert_int_equal(testing_set(cache, "k", "1"), STRATA_OK);
    assert_int_equal(told.reasons[STRATA_REPLACED], 2);
    assert_int_equal(told.reasons[STRATA_DELETED], 2);
    assert_int_equal(told.depth_max, 1); /* one after the other */
    testing_close(cache);
}

/* ------------------------------------------------------------------------------------------- limits */

static void fill_some(struct strata_cache *cache, int count, size_t size) {
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "f%d", i);
        assert_int_equal(strata_set(cache, key, strlen(key), large, size, NULL, NULL), STRATA_OK);
    }
}

static void the_limit_changes_while_running(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb,max=32mb");
    assert_int_equal(testing_stats(cache).limit_max_bytes, 32 << 20);
    fill_some(cache, 20000, 1000);
    assert_true(testing_stats(cache).live_bytes < 8 << 20);
    assert_int_equal(strata_limit_set(cache, 32 << 20), STRATA_OK);
    assert_int_equal(testing_stats(cache).limit_bytes, 32 << 20);
    fill_some(cache, 20000, 1000);
    struct strata_statistics s = testing_stats(cache);
    assert_int_equal(s.entries, 20000);
    assert_true(s.live_bytes > 20000000);
    assert_int_equal(strata_limit_set(cache, (32 << 20) + 1), STRATA_INVALID);
    assert_int_equal(strata_limit_set(cache, 1000), STRATA_INVALID);
    assert_int_equal(testing_stats(cache).limit_bytes, 32 << 20);
    assert_int_equal(strata_limit_set(cache, 4 << 20), STRATA_OK);
    for (int i = 0; i < 10000 && testing_stats(cache).used_bytes > 4 << 20; i++) {
        (void)!strata_maintain(cache, 1000);
        assert_int_equal(testing_set(cache, "more", "x"), STRATA_OK);
    }
    assert_true(testing_stats(cache).used_bytes <= 4 << 20);
    testing_close(cache);
}

static void capacity_can_be_in_entries(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:entries=10");
    fill_some(cache, 1000, 20);
    struct strata_statistics s = testing_stats(cache);
    assert_int_equal(s.entries, 10);
    assert_int_equal(s.entries_max, 10);
    assert_int_equal(strata_entries_max_set(cache, 100), STRATA_OK);
    fill_some(cache, 1000, 20);
    s = testing_stats(cache);
    assert_int_equal(s.entries, 100);
    assert_int_equal(strata_entries_max_set(cache, 0), STRATA_OK);
    fill_some(cache, 1000, 20);
    assert_int_equal(testing_stats(cache).entries, 1000);
    testing_close(cache);
}

static void the_smallest_caches_hold_most_of_their_limit(void **state) {
    (void)state;
    static const char *const descriptions[] = {"memory:64kb", "memory:100kb", "memory:1mb"};
    for (size_t i = 0; i < COUNT_OF(descriptions); i++) {
        struct strata_cache *cache = testing_open(descriptions[i]);
        fill_some(cache, 50000, 100);
        struct strata_statistics s = testing_stats(cache);
        assert_true(s.used_bytes <= s.limit_bytes);
        assert_true(s.entries * 104 >= s.limit_bytes / 2); /* keys and values */
        print_message("%s: %llu entries\n", descriptions[i], (unsigned long long)s.entries);
        testing_close(cache);
    }
}

static void caches_do_not_know_each_other(void **state) {
    (void)state;
    struct strata_cache *caches[5];
    for (int i = 0; i < 5; i++)
        caches[i] = testing_open("memory:2mb");
    for (int i = 0; i < 5; i++)
        assert_int_equal(testing_set(caches[i], "k", i % 2 ? "odd" : "even"), STRATA_OK);
    strata_close(caches[2]);
    assert_int_equal(strata_clear(caches[0]), STRATA_OK);
    assert_string_equal(testing_get(caches[0], "k"), "-");
    assert_string_equal(testing_get(caches[1], "k"), "odd");
    assert_string_equal(testing_get(caches[4], "k"), "even");
    assert_int_equal(testing_stats(caches[4]).hits, 1);
    for (int i = 0; i < 5; i++)
        if (i != 2)
            testing_close(caches[i]);
}

UNIT_TESTS(whole, UNIT(batches_do_what_single_calls_do), UNIT(copies_and_pins_outlive_their_entry),
           UNIT(scans_see_every_entry), UNIT(removals_are_told_with_their_reason), UNIT(callbacks_may_call_the_cache),
           UNIT(the_limit_changes_while_running), UNIT(capacity_can_be_in_entries),
           UNIT(the_smallest_caches_hold_most_of_their_limit), UNIT(caches_do_not_know_each_other));
