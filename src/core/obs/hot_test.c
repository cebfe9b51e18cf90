#include "core/obs/hot.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/rng.h"
#include "unit.h"

static struct hot_key key(const char *name) {
    struct slice text = slice_from_string(name);
    return (struct hot_key){.name = text, .hash = hash_bytes(text, 0)};
}

static bool near(double a, double b, double share) { return a > b * (1 - share) && a < b * (1 + share); }

static const struct hot_item *named(const struct hot *hot, const char *name) {
    for (uint32_t i = 0; i < hot->count; i++)
        if (slice_equal(hot_name(&hot->items[i]), slice_from_string(name)))
            return &hot->items[i];
    fail_msg("%s is not there", name);
    return NULL;
}

static void a_steady_rate_is_told_from_the_first_seconds_on(void **state) {
    (void)state;
    struct hot hot = {.count = 0};
    struct hot_key a = key("a");
    for (uint64_t s = 1000; s < 1300; s++) {
        for (int i = 0; i < 50; i++)
            hot_add(&hot, &a, i % 5 ? HOT_READ : HOT_WRITE, 2, s);
        assert_true(near(hot_rate(&hot, named(&hot, "a")->weight), 100, 0.001));
        assert_true(near(hot_rate(&hot, named(&hot, "a")->uses[HOT_READ]), 80, 0.001));
        assert_true(near(hot_rate(&hot, hot.total), 100, 0.001));
    }
}

static void what_was_busy_fades(void **state) {
    (void)state;
    struct hot hot = {.count = 0};
    struct hot_key a = key("a"), b = key("b");
    for (uint64_t s = 1; s < 600; s++)
        hot_add(&hot, &a, HOT_READ, 1000, s);
    double before = hot_rate(&hot, named(&hot, "a")->weight);
    hot_fade(&hot, 599 + HOT_HALF_LIFE_S);
    assert_true(near(hot_rate(&hot, named(&hot, "a")->weight), before / 2, 0.01));
    for (uint64_t s = 700; s < 1200; s++)
        hot_add(&hot, &b, HOT_READ, 10, s);
    hot_sort(&hot);
    assert_true(slice_equal(hot_name(&hot.items[0]), SLICE("b")));
    hot_fade(&hot, 1000000);
    assert_int_equal(hot.count, 0);
    assert_true(hot_rate(&hot, hot.total) <= 0);
}

/* Against exact counts: a heavy key is there, and its weight is within what its error says. */
static void heavy_keys_are_there_within_their_error(void **state) {
    (void)state;
    enum { KEYS = 5000, ADDED = 200000 };
    struct rng rng = rng_seeded(unit_seed());
    static uint32_t exact[KEYS];
    memset(exact, 0, sizeof exact);
    struct hot hot = {.count = 0};
    for (int i = 0; i < ADDED; i++) {
        uint32_t which = (uint32_t)rng_below(&rng, 1 + rng_below(&rng, 1 + rng_below(&rng, KEYS)));
        char name[16];
        snprintf(name, sizeof name, "key%u", which);
        struct hot_key it = key(name);
        hot_add(&hot, &it, HOT_READ, 1, 1);
        exact[which]++;
    }
    assert_int_equal(hot.count, HOT_ITEMS);
    for (uint32_t k = 0; k < KEYS; k++) {
        char name[16];
        snprintf(name, sizeof name, "key%u", k);
        if (exact[k] <= ADDED / HOT_ITEMS)
            continue;
        const struct hot_item *item = named(&hot, name);
        assert_true(item->weight >= exact[k]);
        assert_true(item->weight - item->error <= exact[k]);
    }
}

static void keys_of_other_databases_and_longer_names_are_others(void **state) {
    (void)state;
    struct hot hot = {.count = 0};
    char name[HOT_NAME_MAX + 3];
    memset(name, 'n', sizeof name);
    struct hot_key a = {.name = slice_make(name, HOT_NAME_MAX + 1), .hash = 1}, b = a, c = a, d = a;
    b.place = 1;
    c.name.size++;
    d.hash = 2;
    hot_add(&hot, &a, HOT_READ, 1, 1);
    hot_add(&hot, &b, HOT_READ, 1, 1);
    hot_add(&hot, &c, HOT_READ, 1, 1);
    hot_add(&hot, &d, HOT_READ, 1, 1);
    hot_add(&hot, &a, HOT_MISS, 5, 1);
    assert_int_equal(hot.count, 4);
    hot_sort(&hot);
    assert_int_equal(hot.items[0].size, HOT_NAME_MAX + 1);
    assert_int_equal(hot_name(&hot.items[0]).size, HOT_NAME_MAX);
    assert_true(near(hot.items[0].uses[HOT_MISS], 5, 0.001));
}

static void what_several_have_seen_adds_up(void **state) {
    (void)state;
    struct hot one = {.count = 0}, two = {.count = 0}, sum = {.count = 0};
    struct hot_key a = key("a"), b = key("b");
    for (uint64_t s = 1; s < 100; s++) {
        hot_add(&one, &a, HOT_READ, 10, s);
        hot_add(&two, &a, HOT_READ, 20, s);
        hot_add(&two, &b, HOT_WRITE, 5, s);
    }
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "light%d", i);
        struct hot_key light = key(name);
        hot_add(i % 2 ? &one : &two, &light, HOT_READ, 0.01, 99);
    }
    hot_merge(&sum, &one);
    hot_merge(&sum, &two);
    hot_sort(&sum);
    assert_true(slice_equal(hot_name(&sum.items[0]), SLICE("a")));
    assert_true(near(hot_rate(&sum, sum.items[0].weight), 30, 0.01));
    assert_true(slice_equal(hot_name(&sum.items[1]), SLICE("b")));
    assert_true(near(hot_rate(&sum, sum.items[1].weight), 5, 0.01));
    assert_true(near(hot_rate(&sum, sum.total), 35, 0.01));
}

UNIT_TESTS(hot, UNIT(a_steady_rate_is_told_from_the_first_seconds_on), UNIT(what_was_busy_fades),
           UNIT(heavy_keys_are_there_within_their_error), UNIT(keys_of_other_databases_and_longer_names_are_others),
           UNIT(what_several_have_seen_adds_up));
