#include "core/history/history.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "unit.h"

enum { SIZE = 64 * 1024 };

static struct history begin(size_t size) {
    struct history history;
    assert_int_equal(history_init(&history, size, &memory_libc), STATUS_OK);
    return history;
}

/* A hash that spreads over all bits. */
static uint64_t hash_of(uint64_t name) {
    uint64_t x = (name + 1) * 0x9e3779b97f4a7c15u;
    return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
}

static void add(struct history *history, uint64_t name, uint64_t when_ms, const char *text) {
    history_add(history, hash_of(name),
                &(struct history_event){.when_ms = when_ms,
                                        .client = name,
                                        .kind = (uint32_t)(name % 16),
                                        .detail = (uint32_t)(name % 256),
                                        .command = (uint32_t)(name % 65536),
                                        .text = slice_from_string(text)});
}

static void expect(const struct history *history, uint64_t name, uint64_t when_ms, const char *text) {
    struct history_event event;
    assert_true(history_find(history, hash_of(name), &event));
    assert_int_equal(event.when_ms, when_ms);
    assert_int_equal(event.client, name);
    assert_int_equal(event.kind, name % 16);
    assert_int_equal(event.detail, name % 256);
    assert_int_equal(event.command, name % 65536);
    assert_false(event.text_lost);
    assert_true(slice_equal(event.text, slice_from_string(text)));
}

static void what_was_added_is_found_with_all_that_was_said(void **state) {
    (void)state;
    struct history history = begin(SIZE);
    struct history_event event;
    assert_false(history_find(&history, hash_of(1), &event));
    add(&history, 1, 1000, "by nobody");
    add(&history, 70001, 1ull << 47, "");
    expect(&history, 1, 1000, "by nobody");
    expect(&history, 70001, 1ull << 47, "");
    assert_false(history_find(&history, hash_of(2), &event));
    history_verify(&history);
    history_fini(&history);
    history_fini(&history);
}

static void the_last_event_of_a_name_counts(void **state) {
    (void)state;
    struct history history = begin(SIZE);
    for (uint64_t i = 0; i < 10; i++)
        add(&history, 5, 100 + i, i % 2 ? "odd" : "even");
    expect(&history, 5, 109, "odd");
    history_verify(&history);
    history_fini(&history);
}

static void the_oldest_go_first(void **state) {
    (void)state;
    struct history history = begin(SIZE);
    struct history_event event;
    const uint64_t count = history.record_count;
    for (uint64_t i = 0; i < count + 3; i++)
        add(&history, i, i, "");
    for (uint64_t i = 0; i < 3; i++)
        assert_false(history_find(&history, hash_of(i), &event));
    uint64_t found = 0;
    for (uint64_t i = 3; i < count + 3; i++)
        found += history_find(&history, hash_of(i), &event);
    assert_true(found * 100 >= count * 99); /* but for buckets with more than HISTORY_STEPS_MAX */
    assert_int_equal(history_count(&history), count);
    history_verify(&history);
    history_fini(&history);
}

static void a_name_that_comes_again_and_again_hides_no_other(void **state) {
    (void)state;
    struct history history = begin(SIZE);
    /* All in one bucket: the lower bits are the same. */
    for (uint64_t i = 0; i < history.record_count - 2; i++) {
        if (i == 0)
            history_add(&history, 0x500000000, &(struct history_event){.when_ms = 1});
        else
            history_add(&history, 0x100000000 + (i % 3 << 40), &(struct history_event){.when_ms = i});
    }
    struct history_event event;
    assert_true(history_find(&history, 0x500000000, &event));
    assert_int_equal(event.when_ms, 1);
    history_verify(&history);
    history_fini(&history);
}

static void texts_that_are_the_same_stand_there_once(void **state) {
    (void)state;
    struct history history = begin(SIZE);
    for (uint64_t i = 0; i < 100; i++)
        add(&history, i, i, "INVALIDATE TAG user:7 of client 5");
    assert_true(history.texts_end < 100);
    for (uint64_t i = 0; i < 100; i++)
        expect(&history, i, i, "INVALIDATE TAG user:7 of client 5");
    history_fini(&history);
}

static void a_text_that_was_pushed_out_is_said_to_be_lost(void **state) {
    (void)state;
    struct history history = begin(SIZE);
    char text[1025] = {0};
    add(&history, 1, 1, "first");
    memset(text, 'x', 1024);
    for (uint64_t i = 0; i < history.text_room / 1024 + 1; i++) {
        text[i % 1000] ^= 1;
        add(&history, 100 + i, i, text);
    }
    struct history_event event;
    assert_true(history_find(&history, hash_of(1), &event));
    assert_true(event.text_lost);
    assert_int_equal(event.text.size, 0);
    history_verify(&history);
    history_fini(&history);
}

static void *refuse(void *context, void *old, size_t size_old, size_t size_new) {
    (void)context, (void)old, (void)size_old, (void)size_new;
    return NULL;
}

static void without_memory_there_is_none(void **state) {
    (void)state;
    const struct memory none = {refuse, NULL};
    struct history history;
    assert_int_equal(history_init(&history, SIZE, &none), STATUS_NO_MEMORY);
    history_fini(&history);
}

/* Against a list of all that was ever added: what is found is the newest of its name, and young names are found. */
static void random_events_are_found_like_in_a_list(void **state) {
    (void)state;
    enum { NAMES = 3000, STEPS = 60000, YOUNG = 100 };
    struct history history = begin(HISTORY_SIZE_MIN);
    static struct {
        uint64_t when_ms, number;
        char text[24];
    } last[NAMES];
    struct rng rng = rng_seeded(unit_seed());
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint64_t name = rng_below(&rng, NAMES);
        last[name].when_ms = last[name].number = step;
        unsigned long long text = rng_below(&rng, 5);
        last[name].text[0] = '\0';
        if (rng_below(&rng, 3))
            snprintf(last[name].text, sizeof last[name].text, "text %llu", text);
        add(&history, name, step, last[name].text);
        uint64_t asked = rng_below(&rng, NAMES);
        struct history_event event;
        bool found = history_find(&history, hash_of(asked), &event);
        if (found) {
            assert_int_equal(event.when_ms, last[asked].when_ms);
            if (!event.text_lost)
                assert_true(slice_equal(event.text, slice_from_string(last[asked].text)));
        } else {
            assert_true(!last[asked].number || step - last[asked].number >= YOUNG);
        }
    }
    history_verify(&history);
    history_fini(&history);
}

UNIT_TESTS(history, UNIT(what_was_added_is_found_with_all_that_was_said), UNIT(the_last_event_of_a_name_counts),
           UNIT(the_oldest_go_first), UNIT(a_name_that_comes_again_and_again_hides_no_other),
           UNIT(texts_that_are_the_same_stand_there_once), UNIT(a_text_that_was_pushed_out_is_said_to_be_lost),
           UNIT(without_memory_there_is_none), UNIT(random_events_are_found_like_in_a_list));
