/* The calls one by one, at their boundaries. */
#include <sys/resource.h>

#include "app/embed/embed_fixture.h"
#include "base/bits.h"
#include "base/version.h"
#include "core/store/range.h"

static uint8_t large[3 << 20];

static void fill_large(void) {
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 31 + i / 251);
}

static void what_is_set_is_got(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb");
    assert_string_equal(testing_get(cache, "a"), "-");
    assert_int_equal(testing_set(cache, "a", "one"), STRATA_OK);
    assert_string_equal(testing_get(cache, "a"), "one");
    assert_int_equal(testing_set(cache, "a", ""), STRATA_OK);
    assert_string_equal(testing_get(cache, "a"), "");
    assert_int_equal(testing_set(cache, "", "of the empty key"), STRATA_OK);
    assert_string_equal(testing_get(cache, ""), "of the empty key");
    assert_int_equal(strata_exists(cache, "a", 1), STRATA_OK);
    assert_int_equal(strata_exists(cache, "b", 1), STRATA_MISS);
    assert_int_equal(strata_delete(cache, "a", 1), STRATA_OK);
    assert_int_equal(strata_delete(cache, "a", 1), STRATA_MISS);
    assert_string_equal(testing_get(cache, "a"), "-");
    struct strata_statistics s = testing_stats(cache);
    assert_int_equal(s.hits, 3);
    assert_int_equal(s.misses, 2);
    assert_int_equal(s.written, 4);
    assert_int_equal(s.entries, 1);
    testing_close(cache);
}

/* At every size around the boundaries of the quick way, of inline values and of extents. */
static void a_buffer_that_is_too_small_is_told_the_size(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 511, 512, 513, 4000, 70000, 262144, 1 << 20};
    struct strata_cache *cache = testing_open("memory:32mb");
    uint8_t *buffer = malloc(sizeof large);
    fill_large();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t size = sizes[i], got = 99;
        assert_int_equal(strata_set(cache, "k", 1, large, size, NULL, NULL), STRATA_OK);
        if (size) {
            uint8_t *tight = malloc(size - 1); /* nothing is written beyond it: the sanitizer watches */
            assert_int_equal(strata_get(cache, "k", 1, tight, size - 1, &got), STRATA_TOO_SMALL);
            assert_int_equal(got, size);
            free(tight);
            assert_int_equal(strata_get(cache, "k", 1, NULL, 0, &got), STRATA_TOO_SMALL);
            assert_int_equal(got, size);
        }
        uint8_t *exact = malloc(size ? size : 1);
        assert_int_equal(strata_get(cache, "k", 1, size ? exact : NULL, size, &got), STRATA_OK);
        assert_int_equal(got, size);
        assert_memory_equal(exact, large, size);
        free(exact);
        assert_int_equal(strata_get(cache, "k", 1, buffer, sizeof large, &got), STRATA_OK);
        assert_int_equal(got, size);
        assert_memory_equal(buffer, large, size);
    }
    free(buffer);
    testing_close(cache);
}

static enum strata_status set_with(struct strata_cache *cache, const char *key, const char *value,
                                   struct strata_set_options options) {
    return strata_set(cache, key, strlen(key), value, strlen(value), &options, NULL);
}

static void conditions_of_writes_hold(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb");
    assert_int_equal(set_with(cache, "k", "1", (struct strata_set_options){.flags = STRATA_IF_PRESENT}), STRATA_MISS);
    assert_string_equal(testing_get(cache, "k"), "-");
    assert_int_equal(set_with(cache, "k", "2", (struct strata_set_options){.flags = STRATA_IF_ABSENT}), STRATA_OK);
    assert_int_equal(set_with(cache, "k", "3", (struct strata_set_options){.flags = STRATA_IF_ABSENT}), STRATA_REFUSED);
    assert_string_equal(testing_get(cache, "k"), "2");
    assert_int_equal(set_with(cache, "k", "4", (struct strata_set_options){.flags = STRATA_IF_PRESENT}), STRATA_OK);
    assert_string_equal(testing_get(cache, "k"), "4");
    /* What makes no sense changes nothing. */
    const struct strata_set_options wrong[] = {
        {.flags = STRATA_IF_ABSENT | STRATA_IF_PRESENT},
        {.flags = STRATA_IF_ABSENT, .if_version = 1},
        {.flags = 1u << 4},
        {.ttl_ms = 1, .expires_at_ms = 1},
        {.ttl_ms = 1, .flags = STRATA_NO_TTL},
        {.reserved_flags = 1},
        {.reserved = {0, 0, 0, 1}},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(set_with(cache, "k", "5", wrong[i]), STRATA_INVALID);
    assert_string_equal(testing_get(cache, "k"), "4");
    testing_close(cache);
}

static uint64_t ttl_of(struct strata_cache *cache, const char *key) {
    uint64_t ttl_ms = 0;
    return strata_ttl(cache, key, strlen(key), &ttl_ms) == STRATA_OK ? ttl_ms : 0;
}

/* Asks until the entry is gone, which takes about its time to live. */
static void wait_until_gone(struct strata_cache *cache, const char *key) {
    uint64_t until_ms = clock_steady_ms() + 20000;
    while (strata_exists(cache, key, strlen(key)) == STRATA_OK)
        assert_true(clock_steady_ms() < until_ms);
}

static void entries_expire(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb");
    assert_int_equal(testing_set(cache, "stays", "x"), STRATA_OK);
    assert_true(ttl_of(cache, "stays") == STRATA_TTL_NEVER);
    assert_int_equal(ttl_of(cache, "none"), 0);
    uint64_t before_ms = clock_unix_ms();
    assert_int_equal(set_with(cache, "k", "1", (struct strata_set_options){.ttl_ms = 30}), STRATA_OK);
    assert_string_equal(testing_get(cache, "k"), clock_unix_ms() < before_ms + 30 ? "1" : testing_get(cache, "k"));
    wait_until_gone(cache, "k");
    assert_true(clock_unix_ms() >= before_ms + 30);
    assert_int_equal(set_with(cache, "k", "2", (struct strata_set_options){.expires_at_ms = 1}), STRATA_OK);
    assert_string_equal(testing_get(cache, "k"), "-"); /* that moment is long past */
    assert_int_equal(testing_set(cache, "k", "3"), STRATA_OK);
    assert_int_equal(set_with(cache, "k", "4", (struct strata_set_options){.expires_at_ms = 1}), STRATA_OK);
    assert_string_equal(testing_get(cache, "k"), "-");
    assert_int_equal(set_with(cache, "k", "5", (struct strata_set_options){.expires_at_ms = clock_unix_ms() + 100000}),
                     STRATA_OK);
    uint64_t left_ms = ttl_of(cache, "k");
    assert_true(left_ms > 50000 && left_ms <= 100000);
    assert_int_equal(set_with(cache, "k", "6", (struct strata_set_options){.flags = STRATA_KEEP_TTL}), STRATA_OK);
    assert_true(ttl_of(cache, "k") > 50000 && ttl_of(cache, "k") <= 100000);
    assert_int_equal(strata_touch(cache, "k", 1, 0), STRATA_OK);
    assert_true(ttl_of(cache, "k") == STRATA_TTL_NEVER);
    assert_int_equal(strata_touch(cache, "k", 1, 20), STRATA_OK);
    wait_until_gone(cache, "k");
    assert_int_equal(strata_touch(cache, "k", 1, 20), STRATA_MISS);
    assert_string_equal(testing_get(cache, "stays"), "x");
    testing_close(cache);
}

static void a_default_time_to_live_is_for_those_without(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb,ttl=100s");
    assert_int_equal(testing_set(cache, "k", "1"), STRATA_OK);
    assert_true(ttl_of(cache, "k") <= 100000);
    assert_int_equal(set_with(cache, "k", "1", (struct strata_set_options){.flags = STRATA_NO_TTL}), STRATA_OK);
    assert_true(ttl_of(cache, "k") == STRATA_TTL_NEVER);
    assert_int_equal(set_with(cache, "k", "1", (struct strata_set_options){.ttl_ms = 900000}), STRATA_OK);
    assert_true(ttl_of(cache, "k") > 800000);
    assert_int_equal(strata_increment(cache, "n", 1, 1, NULL, NULL), STRATA_OK);
    assert_true(ttl_of(cache, "n") <= 100000);
    assert_int_equal(strata_append(cache, "a", 1, "x", 1, NULL), STRATA_OK);
    assert_true(ttl_of(cache, "a") <= 100000);
    struct strata_set_item item = {.key = "b", .key_size = 1, .value = "x", .value_size = 1};
    assert_int_equal(strata_set_many(cache, &item, 1, NULL), 1);
    assert_true(ttl_of(cache, "b") <= 100000);
    testing_close(cache);
}

static void expired_entries_are_cleared_away(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb");
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(set_with(cache, key, "value", (struct strata_set_options){.ttl_ms = 1}), STRATA_OK);
    }
    assert_int_equal(testing_set(cache, "stays", "x"), STRATA_OK);
    uint64_t until_ms = clock_steady_ms() + 20000;
    while (testing_stats(cache).entries != 1) {
        enum strata_status status = strata_maintain(cache, 1000);
        assert_true(status == STRATA_OK || status == STRATA_MORE);
        assert_true(clock_steady_ms() < until_ms);
    }
    struct strata_statistics s = testing_stats(cache);
    assert_int_equal(s.expired, 1000);
    assert_int_equal(s.entries_expiring, 0);
    assert_int_equal(strata_maintain(cache, 1000), STRATA_OK);
    assert_int_equal(cache->expiring, 0); /* reads go without a clock again */
    assert_int_equal(set_with(cache, "k", "v", (struct strata_set_options){.ttl_ms = 1}), STRATA_OK);
    wait_until_gone(cache, "k");
    testing_close(cache);
}

static void versions_tell_changes(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb");
    char value[16];
    size_t size;
    uint64_t first, again, second, third;
    assert_int_equal(strata_get_versioned(cache, "k", 1, value, sizeof value, &size, &first), STRATA_MISS);
    assert_int_equal(testing_set(cache, "k", "one"), STRATA_OK);
    assert_int_equal(strata_get_versioned(cache, "k", 1, value, 2, &size, &first), STRATA_TOO_SMALL);
    assert_int_equal(size, 3);
    assert_int_equal(strata_get_versioned(cache, "k", 1, value, sizeof value, &size, &first), STRATA_OK);
    assert_true(first != 0 && size == 3 && memcmp(value, "one", 3) == 0);
    assert_int_equal(strata_get_versioned(cache, "k", 1, value, sizeof value, &size, &again), STRATA_OK);
    assert_true(first == again);
    assert_int_equal(strata_touch(cache, "k", 1, 100000), STRATA_OK);
    assert_int_equal(strata_get_versioned(cache, "k", 1, value, sizeof value, &size, &again), STRATA_OK);
    assert_true(first == again); /* the value is the same */
    struct strata_set_options options = {.if_version = first};
    assert_int_equal(strata_set(cache, "k", 1, "two", 3, &options, &second), STRATA_OK);
    assert_true(second != 0 && second != first);
    assert_int_equal(strata_set(cache, "k", 1, "no", 2, &options, &third), STRATA_REFUSED);
    options.if_version = second;
    assert_int_equal(testing_set(cache, "k", "two"), STRATA_OK); /* the same bytes, but written */
    assert_int_equal(strata_set(cache, "k", 1, "no", 2, &options, &third), STRATA_REFUSED);
    assert_int_equal(strata_delete_version(cache, "k", 1, second), STRATA_REFUSED);
    assert_int_equal(strata_get_versioned(cache, "k", 1, value, sizeof value, &size, &third), STRATA_OK);
    assert_int_equal(strata_delete_version(cache, "k", 1, third), STRATA_OK);
    assert_int_equal(strata_delete_version(cache, "k", 1, third), STRATA_MISS);
    assert_int_equal(strata_delete_version(cache, "k", 1, 0), STRATA_INVALID);
    options.if_version = third;
    assert_int_equal(strata_set(cache, "k", 1, "no", 2, &options, NULL), STRATA_MISS);
    assert_int_equal(strata_set(cache, "k", 1, "two", 3, NULL, &again), STRATA_OK); /* written anew */
    assert_true(again != first && again != second && again != third);
    assert_int_equal(strata_set(cache, "k", 1, "no", 2, &options, NULL), STRATA_REFUSED);
    testing_close(cache);
}

/* Small and large values, by every call that changes a value. */
static void every_write_makes_another_version(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:32mb");
    uint8_t *buffer = malloc(sizeof large);
    size_t size;
    for (int is_large = 0; is_large < 2; is_large++) {
        uint64_t versions[4];
        struct strata_set_options options = {0};
        assert_int_equal(strata_set(cache, "k", 1, large, is_large ? 500000 : 5, NULL, &versions[0]), STRATA_OK);
        assert_int_equal(strata_append(cache, "k", 1, "1", 1, NULL), STRATA_OK);
        assert_int_equal(strata_get_versioned(cache, "k", 1, buffer, sizeof large, &size, &versions[1]), STRATA_OK);
        assert_int_equal(strata_append(cache, "k", 1, "2", 1, NULL), STRATA_OK);
        options.if_version = versions[1];
        assert_int_equal(strata_set(cache, "k", 1, "x", 1, &options, NULL), STRATA_REFUSED);
        assert_int_equal(strata_set(cache, "k", 1, "41", 2, NULL, &versions[2]), STRATA_OK);
        assert_int_equal(strata_increment(cache, "k", 1, 1, NULL, NULL), STRATA_OK);
        options.if_version = versions[2];
        assert_int_equal(strata_set(cache, "k", 1, "x", 1, &options, NULL), STRATA_REFUSED);
        assert_int_equal(strata_get_versioned(cache, "k", 1, buffer, sizeof large, &size, &versions[3]), STRATA_OK);
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < i; k++)
                assert_true(versions[i] != versions[k]);
    }
    free(buffer);
    testing_close(cache);
}

static void counters_count(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb");
    struct strata_increment_options options = {.initial = 100, .ttl_ms = 50000};
    int64_t value;
    assert_int_equal(strata_increment(cache, "n", 1, 5, NULL, &value), STRATA_OK);
    assert_int_equal(value, 5);
    assert_int_equal(strata_increment(cache, "n", 1, -7, &options, &value), STRATA_OK);
    assert_int_equal(value, -2);
    assert_string_equal(testing_get(cache, "n"), "-2");
    assert_true(ttl_of(cache, "n") == STRATA_TTL_NEVER);
    assert_int_equal(strata_increment(cache, "m", 1, 1, &options, &value), STRATA_OK);
    assert_int_equal(value, 101);
    assert_int_equal(strata_increment(cache, "m", 1, 1, NULL, &value), STRATA_OK);
    assert_true(ttl_of(cache, "m") > 40000 && ttl_of(cache, "m") <= 50000);
    assert_int_equal(testing_set(cache, "n", "9223372036854775806"), STRATA_OK);
    assert_int_equal(strata_increment(cache, "n", 1, 1, NULL, &value), STRATA_OK);
    assert_true(value == INT64_MAX);
    value = 7;
    assert_int_equal(strata_increment(cache, "n", 1, 1, NULL, &value), STRATA_OVERFLOW);
    assert_int_equal(value, 7);
    assert_string_equal(testing_get(cache, "n"), "9223372036854775807");
    options.initial = INT64_MIN;
    assert_int_equal(strata_increment(cache, "new", 3, -1, &options, &value), STRATA_OVERFLOW);
    assert_string_equal(testing_get(cache, "new"), "-");
    static const char *const words[] = {
        "", "x", "1.5", " 1", "01", "9223372036854775808", "a text of more than twenty letters"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        assert_int_equal(testing_set(cache, "w", words[i]), STRATA_OK);
        assert_int_equal(strata_increment(cache, "w", 1, 1, NULL, NULL), STRATA_NOT_NUMBER);
        assert_string_equal(testing_get(cache, "w"), words[i]);
    }
    options.reserved[3] = 1;
    assert_int_equal(strata_increment(cache, "n", 1, 1, &options, NULL), STRATA_INVALID);
    testing_close(cache);
}

static void values_are_built_by_appending(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:32mb");
    uint8_t *buffer = malloc(sizeof large);
    size_t built = 0, step = 1, got;
    uint64_t total;
    fill_large();
    while (built + step < sizeof large) {
        assert_int_equal(strata_append(cache, "k", 1, large + built, step, &total), STRATA_OK);
        built += step;
        assert_int_equal(total, built);
        step = step * 3 / 2 + 1;
    }
    assert_int_equal(strata_get(cache, "k", 1, buffer, sizeof large, &got), STRATA_OK);
    assert_int_equal(got, built);
    assert_memory_equal(buffer, large, built);
    assert_int_equal(set_with(cache, "t", "a", (struct strata_set_options){.ttl_ms = 90000}), STRATA_OK);
    assert_int_equal(strata_append(cache, "t", 1, "b", 1, NULL), STRATA_OK);
    assert_string_equal(testing_get(cache, "t"), "ab");
    assert_true(ttl_of(cache, "t") <= 90000);
    free(buffer);
    testing_close(cache);
}

static void keys_and_values_have_limits(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb,policy=nothing");
    size_t max = testing_stats(cache).key_size_max, got;
    char *key = calloc(1, 70000), byte;
    assert_int_equal(strata_set(cache, key, max, "x", 1, NULL, NULL), STRATA_OK);
    assert_int_equal(strata_get(cache, key, max, &byte, 1, &got), STRATA_OK);
    assert_int_equal(strata_set(cache, key, max + 1, "x", 1, NULL, NULL), STRATA_TOO_LARGE);
    assert_int_equal(strata_get(cache, key, max + 1, &byte, 1, &got), STRATA_MISS);
    assert_int_equal(strata_delete(cache, key, 70000), STRATA_MISS);
    assert_int_equal(strata_increment(cache, key, max + 1, 1, NULL, NULL), STRATA_TOO_LARGE);
    assert_int_equal(strata_append(cache, key, max + 1, "x", 1, NULL), STRATA_TOO_LARGE);
    assert_int_equal(strata_set(cache, "v", 1, large, STRATA_VALUE_SIZE_MAX + 1u, NULL, NULL), STRATA_TOO_LARGE);
    /* What a failed read() may have put there. */
    assert_int_equal(strata_set(cache, "v", 1, large, SIZE_MAX, NULL, NULL), STRATA_TOO_LARGE);
    assert_int_equal(strata_set(cache, "v", 1, large, SIZE_MAX - 100, NULL, NULL), STRATA_TOO_LARGE);
    assert_int_equal(strata_append(cache, "v", 1, large, SIZE_MAX, NULL), STRATA_TOO_LARGE);
    assert_int_equal(strata_set(cache, key, SIZE_MAX, "x", 1, NULL, NULL), STRATA_TOO_LARGE);
    assert_int_equal(strata_get(cache, key, SIZE_MAX, &byte, 1, &got), STRATA_MISS);
    struct strata_get_item items[2] = {{.key = key, .key_size = SIZE_MAX, .buffer = &byte, .buffer_size = 1},
                                       {.key = key, .key_size = max, .buffer = &byte, .buffer_size = 1}};
    assert_int_equal(strata_get_many(cache, items, 2), 1);
    struct strata_set_item sets[1] = {{.key = key, .key_size = SIZE_MAX, .value = "x", .value_size = 1}};
    assert_int_equal(strata_set_many(cache, sets, 1, NULL), 0);
    assert_int_equal(sets[0].status, STRATA_TOO_LARGE);
    free(key);
    /* Nothing may be evicted, so it is full some time, and what is there stays. */
    enum strata_status status = STRATA_OK;
    int written = 0;
    for (; status == STRATA_OK && written < 100; written++) {
        snprintf((char *)large, 16, "large%d", written);
        status = strata_set(cache, large, strlen((char *)large), large, 200000, NULL, NULL);
    }
    assert_int_equal(status, STRATA_FULL);
    assert_true(written > 20 && written < 45);
    assert_int_equal(strata_exists(cache, "large0", 6), STRATA_OK);
    testing_close(cache);
}

static void what_is_not_there_is_refused(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb"), *none = NULL;
    size_t size;
    uint64_t number;
    void *value;
    struct strata_pinned pinned;
    struct strata_entry entry;
    assert_int_equal(strata_get(cache, NULL, 1, &size, 1, &size), STRATA_INVALID);
    assert_int_equal(strata_get(cache, "k", 1, NULL, 1, &size), STRATA_INVALID);
    assert_int_equal(strata_get(cache, "k", 1, &size, 1, NULL), STRATA_INVALID);
    assert_int_equal(strata_get(none, "k", 1, &size, 1, &size), STRATA_INVALID);
    assert_int_equal(strata_get_versioned(cache, "k", 1, &size, 1, &size, NULL), STRATA_INVALID);
    assert_int_equal(strata_get_copy(cache, "k", 1, NULL, &size), STRATA_INVALID);
    assert_int_equal(strata_get_copy(none, "k", 1, &value, &size), STRATA_INVALID);
    assert_int_equal(strata_get_many(none, NULL, 3), 0);
    assert_int_equal(strata_exists(none, "k", 1), STRATA_INVALID);
    assert_int_equal(strata_find(cache, "k", 1, NULL), STRATA_INVALID);
    assert_int_equal(strata_find(none, "k", 1, &entry), STRATA_INVALID);
    assert_int_equal(strata_ttl(cache, "k", 1, NULL), STRATA_INVALID);
    assert_int_equal(strata_pin(cache, "k", 1, NULL), STRATA_INVALID);
    assert_int_equal(strata_pin(none, "k", 1, &pinned), STRATA_INVALID);
    assert_int_equal(strata_set(cache, "k", 1, NULL, 1, NULL, NULL), STRATA_INVALID);
    assert_int_equal(strata_set(none, "k", 1, "v", 1, NULL, NULL), STRATA_INVALID);
    assert_int_equal(strata_append(cache, "k", 1, NULL, 1, NULL), STRATA_INVALID);
    assert_int_equal(strata_increment(cache, NULL, 1, 1, NULL, NULL), STRATA_INVALID);
    assert_int_equal(strata_touch(none, "k", 1, 1), STRATA_INVALID);
    assert_int_equal(strata_delete(none, "k", 1), STRATA_INVALID);
    assert_int_equal(strata_scan(cache, &number, 1, NULL, NULL), STRATA_INVALID);
    assert_int_equal(strata_clear(none), STRATA_INVALID);
    assert_int_equal(strata_stats(cache, NULL), STRATA_INVALID);
    assert_int_equal(strata_maintain(none, 1), STRATA_INVALID);
    assert_int_equal(strata_limit_set(none, 1 << 20), STRATA_INVALID);
    assert_int_equal(strata_entries_max_set(cache, 9), STRATA_INVALID);
    strata_free(none, NULL, 0);
    strata_unpin(cache, NULL);
    strata_close(none);
    assert_int_equal(testing_stats(cache).entries, 0);
    testing_close(cache);
}

static void wrong_options_are_explained(void **state) {
    (void)state;
    static const struct {
        const char *description, *says;
        struct strata_options options;
    } wrong[] = {
        {NULL, "no description", {0}},
        {"memory:5potatoes", "'5potatoes' is not a size", {0}},
        {"memory:1mb", "limit_bytes differ", {.limit_bytes = 2 << 20}},
        {"memory:63kb", "under STRATA_LIMIT_MIN", {0}},
        {"memory", "under STRATA_LIMIT_MIN", {.limit_bytes = 1000}},
        {"memory:entries=100", "entries_max differ", {.entries_max = 101}},
        {"memory", "entries_max is under 10", {.entries_max = 9}},
        {"memory:ttl=5ms", "default_ttl_ms differ", {.default_ttl_ms = 6}},
        {"memory:shards=2", "shards differ", {.shards = 4}},
        {"memory", "power of two", {.shards = 6}},
        {"memory:policy=lru", "policy differ", {.policy = STRATA_EVICT_RANDOM}},
        {"memory", "no enum strata_policy", {.policy = (enum strata_policy)77}},
        {"memory:8mb,max=4mb", "limit_max_bytes is under", {0}},
        {"memory:8mb,max=99000000tb", "not a size", {0}},
        {"memory:8mb,max=8000000tb", "more than a cache can have", {0}},
        {"memory:1tb", "more than a cache can have", {0}},
        {"memory:16000000tb", "more than a cache can have", {0}},
        {"memory", "more than a cache can have", {.limit_bytes = UINT64_MAX}},
        {"memory", "reserved", {.reserved = {1}}},
        {"memory file:/tmp/x:8mb", "no enum strata_file_access", {.file_access = (enum strata_file_access)2}},
        {"memory", "and no file", {.file_access = STRATA_FILE_MMAP}},
        {"memory file:/tmp/x:8mb,access=direct", "file_access differ", {.file_access = STRATA_FILE_MMAP}},
        {"memory", "reserved", {.reserved = {[6] = 1}}},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char problem[STRATA_ERROR_TEXT_SIZE] = "", tiny[5] = "";
        struct strata_options options = wrong[i].options;
        struct strata_cache *cache = (struct strata_cache *)(void *)problem;
        options.error_text = problem;
        options.error_text_size = sizeof problem;
        assert_int_equal(strata_open(wrong[i].description, &options, &cache), STRATA_INVALID);
        assert_ptr_equal(cache, problem);
        if (!strstr(problem, wrong[i].says))
            fail_msg("%s: \"%s\" does not say: %s", wrong[i].description, problem, wrong[i].says);
        options.error_text = tiny;
        options.error_text_size = sizeof tiny;
        assert_int_equal(strata_open(wrong[i].description, &options, &cache), STRATA_INVALID);
        assert_int_equal(strlen(tiny), 4);
    }
    assert_int_equal(strata_open("memory", NULL, NULL), STRATA_INVALID);
    assert_int_equal(STRATA_LIMIT_MIN, RANGE_LIMIT_MIN); /* the header says what the engine can do */
    struct strata_cache *cache;
    struct strata_options options = {.limit_bytes = 8 << 20, .policy = STRATA_EVICT_LRU};
    assert_int_equal(strata_open("memory:8mb,policy=lru", &options, &cache), STRATA_OK); /* they agree */
    strata_close(cache);
}

static void lack_of_address_space_is_told(void **state) {
    (void)state;
    struct strata_cache *cache;
    char problem[STRATA_ERROR_TEXT_SIZE] = "what stood there before";
    struct strata_options options = {.error_text = problem, .error_text_size = sizeof problem};
#if !UNIT_SANITIZED /* sanitizers have mapped terabytes themselves */
    struct rlimit before, little = {.rlim_cur = 64ull << 30};
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    assert_int_equal(strata_open("memory:900gb", &options, &cache), STRATA_NO_MEMORY);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_non_null(strstr(problem, "address space"));
#endif
    assert_int_equal(strata_open("memory:2mb", &options, &cache), STRATA_OK);
    assert_string_equal(problem, "");
    testing_close(cache);
}

/* The address space is there; nothing of it is touched. */
static void large_caches_open(void **state) {
    (void)state;
    static const char *const descriptions[] = {"memory:256gb", "memory:900gb", "memory:64gb,max=1000gb"};
    for (size_t i = 0; i < COUNT_OF(descriptions); i++) {
        struct strata_cache *cache;
        assert_int_equal(strata_open(descriptions[i], NULL, &cache), STRATA_OK);
        struct strata_statistics statistics = testing_stats(cache);
        assert_true(statistics.limit_max_bytes >= statistics.limit_bytes && statistics.limit_max_bytes < 1ull << 40);
        assert_int_equal(strata_set(cache, "key", 3, "value", 5, NULL, NULL), STRATA_OK);
        strata_close(cache);
    }
}

static void statuses_have_texts(void **state) {
    (void)state;
    assert_string_equal(strata_status_text(STRATA_OK), "done");
    assert_string_equal(strata_status_text(STRATA_TOO_SMALL), "the buffer is too small for the value");
    assert_string_equal(strata_status_text((enum strata_status)99), "no status of this library");
    assert_string_equal(strata_version(), STRATA_VERSION_TEXT);
    assert_string_equal(STRATA_VERSION, STRATA_VERSION_TEXT);
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", STRATA_VERSION_MAJOR, STRATA_VERSION_MINOR, STRATA_VERSION_PATCH);
    assert_string_equal(text, STRATA_VERSION_TEXT);
}

UNIT_TESTS(calls, UNIT(large_caches_open), UNIT(what_is_set_is_got), UNIT(a_buffer_that_is_too_small_is_told_the_size),
           UNIT(conditions_of_writes_hold), UNIT(entries_expire), UNIT(a_default_time_to_live_is_for_those_without),
           UNIT(expired_entries_are_cleared_away), UNIT(versions_tell_changes), UNIT(every_write_makes_another_version),
           UNIT(counters_count), UNIT(values_are_built_by_appending), UNIT(keys_and_values_have_limits),
           UNIT(what_is_not_there_is_refused), UNIT(wrong_options_are_explained), UNIT(lack_of_address_space_is_told),
           UNIT(statuses_have_texts));
