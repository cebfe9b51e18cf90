/* core/cache/cache_test.c: edits, uploads, pins and databases at their boundaries. */
#include "base/rng.h"
#include "core/cache/cache_fixture.h"
#include "scarce.h"

static uint8_t *pattern(uint64_t size, uint32_t seed) {
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed + i * 7 + i / 251);
    return bytes;
}

static struct cache_key key_of(const struct testing_cache *t, const char *name) {
    return cache_key(t->cache, 0, slice_from_string(name));
}

static void expect(struct testing_cache *t, struct slice name, struct slice value, uint64_t expires_at_ms) {
    struct buf got;
    struct cache_info info;
    buf_init(&got, &memory_libc);
    assert_true(testing_get(t, 0, name, &got, &info));
    assert_int_equal(got.size, value.size);
    assert_int_equal(info.size, value.size);
    if (value.size)
        assert_memory_equal(got.data, value.data, value.size);
    assert_true(info.expires_at_ms == expires_at_ms);
    buf_fini(&got);
}

static void expect_nothing(struct testing_cache *t, struct slice name) {
    struct cache_key key = cache_key(t->cache, 0, name);
    struct cache_info info;
    assert_false(cache_find(t->cache, &t->actor, &key, false, &info));
}

/* ------------------------------------------------------------------------------------------ sizes */

static void values_of_all_sizes_come_back(void **state) {
    (void)state;
    struct testing_cache t = testing_open(64u << 20, 1, CACHE_NOEVICTION);
    uint64_t edge = store_inline_max(t.cache->engine), segment = range_segment_size(&t.cache->engine->range);
    const uint64_t sizes[] = {0,
                              1,
                              7,
                              8,
                              16,
                              17,
                              255,
                              256,
                              1023,
                              1024,
                              16383,
                              16384,
                              edge - 30,
                              edge - 24,
                              edge - 20,
                              edge - 8,
                              edge - 1,
                              edge,
                              edge + 1,
                              segment - 17,
                              segment - 16,
                              segment - 15,
                              segment,
                              2 * segment - 32,
                              2 * segment - 31,
                              3000001};
    uint8_t *bytes = pattern(3000001, 1);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t k = 0; k < COUNT_OF(sizes); k += 3) { /* each over each */
            assert_int_equal(testing_set(&t, 0, SLICE("k"), slice_make(bytes, sizes[k]), 0), STATUS_OK);
            assert_int_equal(testing_set(&t, 0, SLICE("k"), slice_make(bytes + 1, sizes[i]), 0), STATUS_OK);
            expect(&t, SLICE("k"), slice_make(bytes + 1, sizes[i]), 0);
        }
    assert_int_equal(cache_count(t.cache, 0), 1);
    free(bytes);
    testing_close(&t);
}

static void keys_of_all_sizes_are_found(void **state) {
    (void)state;
    static const uint64_t sizes[] = {0, 1, 2, 3, 4, 5, 8, 254, 255, 256, 257, 1000, 4096, 65535, 65536};
    struct testing_cache t = testing_open(128u << 20, 2, CACHE_NOEVICTION);
    uint8_t *name = pattern(65537, 3);
    for (uint32_t db = 0; db < 16; db += 15)
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            for (size_t v = 0; v < 20; v += 19)
                assert_int_equal(testing_set(&t, db, slice_make(name, sizes[i]), slice_make(name, v + sizes[i] / 3), 0),
                                 STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        expect(&t, slice_make(name, sizes[i]), slice_make(name, 19 + sizes[i] / 3), 0);
    assert_int_equal(cache_count(t.cache, 0), COUNT_OF(sizes));
    assert_int_equal(testing_set(&t, 0, slice_make(name, 65537), SLICE("v"), 0), STATUS_TOO_LARGE);
    expect_nothing(&t, slice_make(name, 65537));
    free(name);
    testing_close(&t);
}

/* Entries without key and value, in another database, fill a segment to its last eight bytes. */
static void smallest_entries_fit_a_segments_end(void **state) {
    (void)state;
    struct testing_cache t = testing_open(1u << 20, 1, CACHE_NOEVICTION);
    uint8_t filler[4096] = {0};
    uint32_t segment = range_segment_size(&t.cache->engine->range);
    for (uint32_t left = 8; left <= 64; left += 8) {
        cache_flush_all(t.cache, &t.actor);
        /* All of one size class: plain entries with keys of two bytes, then a last one of what is missing. */
        uint32_t filled = 0;
        for (uint16_t n = 0; segment - filled > left; n++) {
            uint32_t size = segment - filled - left < 48 ? segment - filled - left : 24;
            assert_int_equal(testing_set(&t, 0, slice_make(&n, 2), slice_make(filler, size - 6), 0), STATUS_OK);
            filled += size;
        }
        assert_int_equal(testing_set(&t, 3, SLICE(""), SLICE(""), 0), STATUS_OK);
        struct cache_key key = cache_key(t.cache, 3, SLICE(""));
        struct cache_info info;
        assert_true(cache_find(t.cache, &t.actor, &key, false, &info));
        assert_int_equal(info.size, 0);
        cache_verify(t.cache, &t.actor);
        assert_true(cache_delete(t.cache, &t.actor, &key));
    }
    testing_close(&t);
}

static void largest_value_goes_in_and_out(void **state) {
    (void)state;
    struct testing_cache t = testing_open(640ull << 20, 1, CACHE_NOEVICTION);
    struct cache_upload upload;
    uint64_t size = CACHE_VALUE_SIZE_MAX, at = 0;
    assert_int_equal(cache_upload_begin(t.cache, size + 1, &upload), STATUS_TOO_LARGE);
    assert_int_equal(cache_upload_begin(t.cache, size, &upload), STATUS_OK);
    while (upload.filled <
           upload.size) { /* only the first and last bytes of each piece are written: the range stays lazy */
        void *bytes;
        uint64_t room;
        assert_int_equal(cache_upload_room(t.cache, &t.actor, &upload, &bytes, &room), STATUS_OK);
        memcpy(bytes, &upload.filled, room < 8 ? room : 8);
        cache_upload_filled(&upload, room);
    }
    struct cache_key key = key_of(&t, "huge");
    struct cache_edit edit;
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_int_equal(cache_edit_set_upload(&edit, &upload, 0), STATUS_OK);
    assert_int_equal(edit.size, size);
    assert_int_equal(cache_edit_patch(&edit, size - 3, SLICE("end")), STATUS_OK);
    assert_int_equal(cache_edit_patch(&edit, size - 2, SLICE("end")), STATUS_TOO_LARGE);
    cache_edit_end(&edit);
    struct cache_read read = {.size_max = UINT64_MAX, .pin_min = 1};
    bool found;
    assert_int_equal(cache_get(t.cache, &t.actor, &key, &read, &found), STATUS_OK);
    assert_true(found && read.pin.first && read.size == size);
    while (at < size) {
        struct slice piece = cache_pin_piece(t.cache, read.pin, at);
        assert_true(piece.size > 0);
        assert_memory_equal(piece.data, &at, piece.size < 8 ? piece.size : 8);
        at += piece.size;
        assert_true(at < size || memcmp(piece.data + piece.size - 3, "end", 3) == 0);
    }
    cache_unpin(t.cache, &t.actor, read.pin);
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ patches */

static void patches_grow_values_over_every_boundary(void **state) {
    (void)state;
    struct testing_cache t = testing_open(64u << 20, 1, CACHE_NOEVICTION);
    uint64_t edge = store_inline_max(t.cache->engine), most = 3 * edge;
    uint8_t *twin = calloc(1, most + 1000), *bytes = pattern(1000, 9);
    struct cache_key key = key_of(&t, "grows");
    uint64_t size = 0, expires = t.actor.now_ms + 5000;
    struct rng rng = rng_seeded(unit_seed());
    assert_int_equal(testing_set(&t, 0, key.name, SLICE(""), expires), STATUS_OK);
    for (int step = 0; size < most; step++) {
        struct cache_edit edit;
        uint64_t part = 1 + rng_below(&rng, 999), offset = step % 3 == 1 ? rng_below(&rng, size + 1) : size;
        if (step % 11 == 10)
            offset = size + rng_below(&rng, 100); /* zeros between */
        cache_edit_begin(t.cache, &t.actor, &key, &edit);
        assert_int_equal(cache_edit_patch(&edit, offset, slice_make(bytes, part)), STATUS_OK);
        memcpy(twin + offset, bytes, part);
        size = offset + part > size ? offset + part : size;
        assert_int_equal(edit.size, size);
        cache_edit_end(&edit);
        if (step % 20 == 0 || (size > edge - 1500 && size < edge + 1500))
            expect(&t, key.name, slice_make(twin, size), expires);
    }
    expect(&t, key.name, slice_make(twin, size), expires);
    free(twin);
    free(bytes);
    testing_close(&t);
}

static void patch_at_the_end_of_the_allowed_is_refused(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 1, CACHE_NOEVICTION);
    struct cache_key key = key_of(&t, "k");
    struct cache_edit edit;
    assert_int_equal(testing_set(&t, 0, key.name, SLICE("value"), 0), STATUS_OK);
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_int_equal(cache_edit_patch(&edit, CACHE_VALUE_SIZE_MAX, SLICE("x")), STATUS_TOO_LARGE);
    assert_int_equal(cache_edit_patch(&edit, UINT64_MAX, SLICE("x")), STATUS_TOO_LARGE);
    assert_int_equal(cache_edit_patch(&edit, CACHE_VALUE_SIZE_MAX - 1, SLICE("x")), STATUS_FULL); /* 512 MiB in 16 */
    assert_int_equal(edit.size, 5);
    cache_edit_end(&edit);
    expect(&t, key.name, SLICE("value"), 0);
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ expiry */

static void expiry_is_kept_whatever_its_width(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 1, CACHE_NOEVICTION);
    uint64_t now = t.actor.now_ms, edge = store_inline_max(t.cache->engine);
    const uint64_t times[] = {now + 1, now + UINT32_MAX, now + UINT32_MAX + 1, now + (1ull << 40), 0, UINT64_MAX};
    uint8_t *bytes = pattern(edge + 5000, 2);
    for (uint64_t size = 5; size < edge + 5000; size += edge + 2000)
        for (size_t a = 0; a < COUNT_OF(times); a++)
            for (size_t b = 0; b < COUNT_OF(times); b++) {
                struct cache_key key = key_of(&t, "k");
                struct cache_edit edit;
                assert_int_equal(testing_set(&t, 0, key.name, slice_make(bytes, size), times[a]), STATUS_OK);
                assert_int_equal(cache_count_expiring(t.cache, 0), times[a] != 0);
                cache_edit_begin(t.cache, &t.actor, &key, &edit);
                assert_int_equal(cache_edit_expire(&edit, times[b]), STATUS_OK);
                assert_true(edit.expires_at_ms == times[b]);
                cache_edit_end(&edit);
                expect(&t, key.name, slice_make(bytes, size), times[b]);
                assert_int_equal(cache_count_expiring(t.cache, 0), times[b] != 0);
            }
    free(bytes);
    testing_close(&t);
}

static void expired_entries_do_not_exist(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 1, CACHE_NOEVICTION);
    struct cache_key key = key_of(&t, "k");
    struct cache_edit edit;
    assert_int_equal(testing_set(&t, 0, key.name, SLICE("v"), t.actor.now_ms + 10), STATUS_OK);
    t.actor.now_ms += 9;
    expect(&t, key.name, SLICE("v"), t.actor.now_ms + 1);
    t.actor.now_ms += 1;
    expect_nothing(&t, key.name);
    assert_int_equal(cache_count(t.cache, 0), 1);
    assert_false(cache_delete(t.cache, &t.actor, &key));
    assert_int_equal(cache_count(t.cache, 0), 0);
    assert_int_equal(t.actor.counts.expired, 1);
    cache_edit_begin(t.cache, &t.actor, &key, &edit);
    assert_int_equal(cache_edit_patch(&edit, 2, SLICE("x")), STATUS_OK);
    cache_edit_end(&edit);
    expect(&t, key.name, slice_make("\0\0x", 3), 0);
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ pins and uploads */

static void pins_outlive_deletion_and_flush(void **state) {
    (void)state;
    struct testing_cache t = testing_open(64u << 20, 1, CACHE_NOEVICTION);
    uint64_t size = 1000000;
    uint8_t *bytes = pattern(size, 4), *other = pattern(size, 5);
    struct cache_key key = key_of(&t, "large");
    struct cache_pin pins[4];
    struct cache_stats stats;
    for (int i = 0; i < 4; i++) {
        struct cache_read read = {.size_max = UINT64_MAX, .pin_min = 1000};
        struct cache_edit edit;
        bool found;
        assert_int_equal(testing_set(&t, 0, key.name, slice_make(bytes, size), 0), STATUS_OK);
        assert_int_equal(cache_get(t.cache, &t.actor, &key, &read, &found), STATUS_OK);
        assert_true(found && read.pin.first);
        pins[i] = read.pin;
        switch (i) {
            case 0:
                assert_true(cache_delete(t.cache, &t.actor, &key));
                break;
            case 1:
                assert_int_equal(testing_set(&t, 0, key.name, slice_make(other, size), 0), STATUS_OK);
                break;
            case 2: /* the patch makes a value of its own */
                cache_edit_begin(t.cache, &t.actor, &key, &edit);
                assert_int_equal(cache_edit_patch(&edit, 10, SLICE("patched")), STATUS_OK);
                cache_edit_end(&edit);
                break;
            default:
                cache_flush_all(t.cache, &t.actor);
        }
    }
    cache_stats(t.cache, &stats);
    assert_int_equal(stats.pinned_bytes, 4 * size);
    for (int i = 0; i < 4; i++) {
        for (uint64_t at = 0; at < size;) {
            struct slice piece = cache_pin_piece(t.cache, pins[i], at);
            assert_memory_equal(piece.data, bytes + at, piece.size);
            at += piece.size;
        }
        assert_int_equal(cache_pin_piece(t.cache, pins[i], size).size, 0);
        cache_unpin(t.cache, &t.actor, pins[i]);
    }
    cache_stats(t.cache, &stats);
    assert_int_equal(stats.pinned_bytes, 0);
    assert_int_equal(stats.live_bytes, 0);
    free(bytes);
    free(other);
    testing_close(&t);
}

static void dropped_uploads_leave_nothing(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 1, CACHE_NOEVICTION);
    uint64_t size = 300000;
    struct cache_stats before, after;
    cache_stats(t.cache, &before);
    struct cache_upload upload;
    assert_int_equal(cache_upload_begin(t.cache, cache_upload_size_min(t.cache) - 1, &upload), STATUS_INVALID);
    for (uint64_t until = 0; until < size; until += 70000) {
        assert_int_equal(cache_upload_begin(t.cache, size, &upload), STATUS_OK);
        while (upload.filled < until) {
            void *bytes;
            uint64_t room;
            assert_int_equal(cache_upload_room(t.cache, &t.actor, &upload, &bytes, &room), STATUS_OK);
            assert_true(room > 0 && room <= size - upload.filled);
            memset(bytes, 1, room);
            cache_upload_filled(&upload, room);
        }
        cache_upload_drop(t.cache, &t.actor, &upload);
        cache_stats(t.cache, &after);
        assert_int_equal(after.live_bytes, before.live_bytes);
        assert_int_equal(after.segments_used, before.segments_used);
    }
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ databases */

static void watches_see_changes(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 4, CACHE_NOEVICTION);
    struct cache_key key = key_of(&t, "watched"), other = key_of(&t, "other");
    for (int change = 0; change < 8; change++) {
        struct cache_edit edit;
        assert_int_equal(testing_set(&t, 0, key.name, SLICE("v"), t.actor.now_ms + 1000), STATUS_OK);
        struct cache_watch watch = cache_watch_begin(t.cache, &t.actor, &key);
        assert_true(cache_watch_holds(t.cache, &t.actor, &key, watch));
        cache_edit_begin(t.cache, &t.actor, change == 0 ? &other : &key, &edit);
        if (change < 2)
            assert_int_equal(cache_edit_set(&edit, CACHE_STRING, SLICE("v"), 0), STATUS_OK);
        else if (change == 2)
            cache_edit_delete(&edit);
        else if (change == 3)
            assert_int_equal(cache_edit_expire(&edit, 0), STATUS_OK);
        else if (change == 4)
            assert_int_equal(cache_edit_patch(&edit, 0, SLICE("w")), STATUS_OK);
        cache_edit_end(&edit);
        if (change == 5)
            cache_flush(t.cache, &t.actor, 0);
        if (change == 6)
            t.actor.now_ms += 1000;
        if (change == 7)
            cache_swap(t.cache, &t.actor, 0, 1);
        assert_int_equal(cache_watch_holds(t.cache, &t.actor, &key, watch), change == 0);
        cache_watch_end(t.cache);
    }
    testing_close(&t);
}

static void flush_of_one_database_leaves_the_others(void **state) {
    (void)state;
    struct testing_cache t = testing_open(32u << 20, 4, CACHE_NOEVICTION);
    uint8_t *bytes = pattern(40000, 8);
    for (uint32_t i = 0; i < 3000; i++) {
        char name[16];
        struct slice text = slice_make(name, (size_t)snprintf(name, sizeof name, "k%u", i / 3));
        uint64_t size = i % 100 < 3 ? 40000 : i % 200;
        assert_int_equal(testing_set(&t, i % 3, text, slice_make(bytes, size), i % 2 ? t.actor.now_ms + 9999 : 0),
                         STATUS_OK);
    }
    cache_flush(t.cache, &t.actor, 1);
    cache_verify(t.cache, &t.actor);
    assert_int_equal(cache_count(t.cache, 0), 1000);
    assert_int_equal(cache_count(t.cache, 1), 0);
    assert_int_equal(cache_count_expiring(t.cache, 1), 0);
    assert_int_equal(cache_count(t.cache, 2), 1000);
    cache_swap(t.cache, &t.actor, 1, 2);
    assert_int_equal(cache_count(t.cache, 1), 1000);
    assert_int_equal(cache_count(t.cache, 2), 0);
    struct cache_key key = cache_key(t.cache, 1, SLICE("k7"));
    struct cache_info info;
    assert_true(cache_find(t.cache, &t.actor, &key, false, &info));
    cache_flush_all(t.cache, &t.actor);
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        assert_int_equal(cache_count(t.cache, db), 0);
    struct cache_stats stats;
    cache_stats(t.cache, &stats);
    assert_int_equal(stats.live_bytes, 0);
    free(bytes);
    testing_close(&t);
}

static void moments_break_when_one_of_their_keys_changes(void **state) {
    (void)state;
    struct testing_cache t = testing_open(256u << 20, 8, CACHE_NOEVICTION);
    struct cache_key keys[3] = {key_of(&t, "a"), key_of(&t, "b"), key_of(&t, "c")};
    struct cache_moment moment = cache_moment_begin(t.cache, keys, 3);
    assert_true(cache_moment_holds(t.cache, keys, 3, moment));
    for (int i = 0; i < 3; i++) {
        moment = cache_moment_begin(t.cache, keys, 3);
        assert_int_equal(testing_set(&t, 0, keys[i].name, SLICE("v"), 0), STATUS_OK);
        assert_false(cache_moment_holds(t.cache, keys, 3, moment));
    }
    cache_lock_keys(t.cache, &t.actor, keys, 3, 0);
    moment = cache_moment_begin(t.cache, keys, 3);
    assert_false(moment.usable);
    assert_false(cache_moment_holds(t.cache, keys, 3, moment));
    cache_unlock(t.cache, &t.actor);
    assert_false(cache_locked(&t.actor));
    testing_close(&t);
}

/* ------------------------------------------------------------------------------------------ the handle */

static void opening_fails_at_every_allocation(void **state) {
    (void)state;
    uint64_t size = 4u << 20;
    for (int n = 0;; n++) {
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, n);
        scarce.once = true;
        struct cache *cache = NULL;
        void *range = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        struct cache_options options = {.range = range,
                                        .range_size = size,
                                        .limit_bytes = size / 2,
                                        .waiting = {testing_wait, testing_wake, NULL},
                                        .memory = memory};
        enum status status = cache_open(&options, &cache);
        if (status == STATUS_OK)
            cache_close(cache);
        else
            assert_true(status == STATUS_NO_MEMORY && cache == NULL);
        assert_int_equal(scarce.held, 0);
        munmap(range, size);
        if (status == STATUS_OK) {
            assert_true(n >= 2);
            return;
        }
    }
}

static void reads_without_room_say_so(void **state) {
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 1, CACHE_NOEVICTION);
    uint8_t *bytes = pattern(100000, 1);
    for (uint64_t size = 10; size <= 100000; size *= 10000) {
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, 0);
        struct cache_key key = key_of(&t, "k");
        struct buf buf;
        bool found = false;
        buf_init(&buf, memory);
        assert_int_equal(testing_set(&t, 0, key.name, slice_make(bytes, size), 0), STATUS_OK);
        struct cache_read read = {.size_max = UINT64_MAX, .reserve = testing_reserve, .context = &buf};
        assert_int_equal(cache_get(t.cache, &t.actor, &key, &read, &found), STATUS_NO_MEMORY);
        expect(&t, key.name, slice_make(bytes, size), 0);
    }
    free(bytes);
    testing_close(&t);
}

static void count_visit(void *context, struct slice name, const struct cache_info *info) {
    (void)name, (void)info;
    ++*(uint32_t *)context;
}

static void a_scan_without_memory_says_so_and_leaves_nothing_out(void **state) {
    enum { KEYS = 300 };
    (void)state;
    struct testing_cache t = testing_open(16u << 20, 1, CACHE_NOEVICTION);
    char name[16];
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(testing_set(&t, 0, slice_make(name, (size_t)sprintf(name, "key:%d", i)), SLICE("v"), 0),
                         STATUS_OK);
    uint32_t failures = 0;
    for (int n = 0;; n++) {
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, n);
        scarce.once = true;
        uint32_t seen = 0;
        uint64_t cursor = 0;
        t.cache->memory = memory;
        do {
            uint32_t before = seen;
            uint64_t next = cache_scan_place(t.cache, &t.actor, 0, cursor, 16, count_visit, &seen);
            failures += next == CACHE_SCAN_FAILED;
            assert_true(next != CACHE_SCAN_FAILED || seen == before);
            cursor = next == CACHE_SCAN_FAILED ? cursor : next;
        } while (cursor || !seen);
        t.cache->memory = &memory_libc;
        assert_int_equal(seen, KEYS);
        assert_int_equal(scarce.held, 0);
        if (!scarce.failed)
            break;
    }
    assert_true(failures > 0);
    testing_close(&t);
}

UNIT_TESTS(cache, UNIT(values_of_all_sizes_come_back), UNIT(keys_of_all_sizes_are_found),
           UNIT(smallest_entries_fit_a_segments_end), UNIT(largest_value_goes_in_and_out),
           UNIT(patches_grow_values_over_every_boundary), UNIT(patch_at_the_end_of_the_allowed_is_refused),
           UNIT(expiry_is_kept_whatever_its_width), UNIT(expired_entries_do_not_exist),
           UNIT(pins_outlive_deletion_and_flush), UNIT(dropped_uploads_leave_nothing), UNIT(watches_see_changes),
           UNIT(flush_of_one_database_leaves_the_others), UNIT(moments_break_when_one_of_their_keys_changes),
           UNIT(opening_fails_at_every_allocation), UNIT(reads_without_room_say_so),
           UNIT(a_scan_without_memory_says_so_and_leaves_nothing_out));
