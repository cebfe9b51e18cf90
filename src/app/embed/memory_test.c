/* Allocations: counted where there must be none, and failing one after the other. */
#include "app/embed/embed_fixture.h"
#include "base/bits.h"

/* An allocator that counts, and from a certain allocation on fails every one or just that one. */
struct counting {
    uint64_t calls, live_bytes;
    uint64_t fail_at; /* 0: never */
    bool fail_on;     /* and every one after it */
};

static void *resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct counting *counting = context;
    if (size_new) {
        counting->calls++;
        if (counting->fail_at &&
            (counting->calls == counting->fail_at || (counting->fail_on && counting->calls > counting->fail_at)))
            return NULL;
    }
    assert_true(old || size_old == 0);
    counting->live_bytes += size_new;
    counting->live_bytes -= size_old;
    void *bytes = size_new ? malloc(size_new) : NULL;
    assert_true(bytes || !size_new);
    if (old && size_new)
        memcpy(bytes, old, size_old < size_new ? size_old : size_new);
    free(old);
    return bytes;
}

static void count_event(void *context, const struct strata_event *event) {
    (void)event;
    ++*(uint64_t *)context;
}

static void small_reads_allocate_nothing(void **state) {
    (void)state;
    struct counting counting = {0};
    struct strata_options options = {.allocator = {resize, &counting}};
    struct strata_cache *cache;
    char buffer[700];
    size_t size;
    assert_int_equal(strata_open("memory:8mb", &options, &cache), STRATA_OK);
    assert_int_equal(strata_set(cache, "k", 1, "value", 5, NULL, NULL), STRATA_OK);
    static const char much[700];
    assert_int_equal(strata_set(cache, "m", 1, much, sizeof much, NULL, NULL), STRATA_OK);
    static uint8_t large[400000];
    assert_int_equal(strata_set(cache, "l", 1, large, sizeof large, NULL, NULL), STRATA_OK);
    uint64_t before = counting.calls;
    struct strata_get_item items[3] = {
        {.key = "k", .key_size = 1, .buffer = buffer, .buffer_size = sizeof buffer},
        {.key = "m", .key_size = 1, .buffer = buffer, .buffer_size = sizeof buffer},
        {.key = "n", .key_size = 1, .buffer = buffer, .buffer_size = sizeof buffer},
    };
    for (int i = 0; i < 100; i++) {
        assert_int_equal(strata_get(cache, "k", 1, buffer, sizeof buffer, &size), STRATA_OK);
        assert_int_equal(strata_get(cache, "m", 1, buffer, sizeof buffer, &size), STRATA_OK);
        assert_int_equal(strata_get(cache, "l", 1, large, sizeof large, &size), STRATA_OK);
        assert_int_equal(strata_get(cache, "l", 1, buffer, sizeof buffer, &size), STRATA_TOO_SMALL);
        assert_int_equal(strata_get(cache, "n", 1, buffer, sizeof buffer, &size), STRATA_MISS);
        assert_int_equal(strata_get_many(cache, items, 3), 2);
        assert_int_equal(strata_exists(cache, "k", 1), STRATA_OK);
        assert_int_equal(strata_set(cache, "k", 1, "value", 5, NULL, NULL), STRATA_OK);
    }
    assert_int_equal(counting.calls, before);
    strata_close(cache);
    assert_int_equal(counting.live_bytes, 0);
}

static void ignore(void *context, const struct strata_entry *entry) { (void)context, (void)entry; }

static void allow(enum strata_status status, enum strata_status good, uint32_t *failures) {
    if (status == STRATA_NO_MEMORY)
        ++*failures;
    else
        assert_int_equal(status, good);
}

/* Everything that allocates. Whatever fails, fails with STRATA_NO_MEMORY and leaves what was there. */
static void use_everything(struct strata_cache *cache, uint32_t *failures) {
    static uint8_t large[400000];
    void *value;
    size_t size;
    struct strata_pinned pinned;
    enum strata_status status;
    assert_int_equal(testing_set(cache, "small", "text"), STRATA_OK);
    assert_int_equal(strata_set(cache, "large", 5, large, sizeof large, NULL, NULL), STRATA_OK);
    for (int i = 0; i < 5; i++) {
        status = strata_append(cache, "grows", 5, large, 2000, NULL);
        allow(status, STRATA_OK, failures);
    }
    assert_int_equal(testing_set(cache, "small", "text"), STRATA_OK); /* an event that may be lost */
    allow(status = strata_get_copy(cache, "small", 5, &value, &size), STRATA_OK, failures);
    if (status == STRATA_OK) {
        assert_memory_equal(value, "text", 4);
        strata_free(cache, value, size);
    }
    allow(status = strata_get_copy(cache, "large", 5, &value, &size), STRATA_OK, failures);
    if (status == STRATA_OK)
        strata_free(cache, value, size);
    allow(status = strata_pin(cache, "small", 5, &pinned), STRATA_OK, failures);
    if (status == STRATA_OK)
        strata_unpin(cache, &pinned);
    uint64_t cursor = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t before = cursor;
        allow(status = strata_scan(cache, &cursor, 100, ignore, NULL), STRATA_OK, failures);
        if (status == STRATA_NO_MEMORY)
            assert_true(cursor == before);
    }
    assert_string_equal(testing_get(cache, "small"), "text");
    assert_int_equal(strata_exists(cache, "large", 5), STRATA_OK);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    uint64_t allocations = 0, opened = 0, lost_total = 0;
    for (int fail_on = 0; fail_on < 2; fail_on++)
        for (uint64_t at = 0; at == 0 || at <= allocations; at++) { /* 0: none fails, which counts them */
            struct counting counting = {.fail_at = at, .fail_on = fail_on};
            uint64_t told = 0;
            struct strata_options options = {
                .allocator = {resize, &counting}, .on_removed = count_event, .on_removed_context = &told, .seed = 1};
            struct strata_cache *cache;
            uint32_t failures = 0;
            enum strata_status status = strata_open("memory:8mb", &options, &cache);
            if (status != STRATA_OK) {
                assert_int_equal(status, STRATA_NO_MEMORY);
                assert_int_equal(counting.live_bytes, 0);
                continue;
            }
            opened++;
            use_everything(cache, &failures);
            uint64_t lost = testing_stats(cache).events_lost;
            lost_total += lost;
            assert_true(at != 0 || (failures == 0 && lost == 0));
            assert_true(at == 0 || failures + lost > 0);
            counting.fail_at = 0;
            testing_close(cache);
            assert_int_equal(counting.live_bytes, 0);
            if (at == 0)
                allocations = counting.calls;
        }
    print_message("%llu allocations, each failed\n", (unsigned long long)allocations);
    assert_true(allocations > 8 && opened > 8 && lost_total > 0);
}

UNIT_TESTS(memory, UNIT(small_reads_allocate_nothing), UNIT(each_allocation_may_fail));
