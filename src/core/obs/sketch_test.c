#include "core/obs/sketch.h"

#include "base/rng.h"
#include "unit.h"

static struct slice text(const char *name) { return slice_from_string(name); }

static void a_prefix_ends_before_what_differs(void **state) {
    (void)state;
    static const struct {
        const char *key, *prefix;
    } cases[] = {{"user:7", "user:"},
                 {"shop:cart:77:items", "shop:cart:"},
                 {"user:ada", "user:"},
                 {"img/a/1.png", "img/a/"},
                 {"v2:user:7", ""},
                 {"plain", ""},
                 {"", ""},
                 {"a-very-long-beginning-without-end:1", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(slice_equal(sketch_prefix(text(cases[i].key)), text(cases[i].prefix)));
}

static void counts_stay_with_their_name(void **state) {
    (void)state;
    struct sketch sketch = {0};
    sketch_add(&sketch, text("user:"), 1)->counts[0] += 5;
    sketch_add(&sketch, text("feed:"), 1)->counts[0] += 7;
    struct sketch_item *item = sketch_add(&sketch, text("user:"), 2);
    assert_int_equal(item->weight, 3);
    assert_int_equal(item->counts[0], 5);
    assert_int_equal(item->error, 0);
    assert_int_equal(sketch.count, 2);
}

static void heavy_names_are_kept_among_many_light_ones(void **state) {
    (void)state;
    enum { HEAVY = 20, STEPS = 200000 };
    struct sketch sketch = {0};
    uint64_t truth[HEAVY] = {0}, seed = unit_seed();
    struct rng rng = rng_seeded(seed);
    char name[32];
    for (int step = 0; step < STEPS; step++) {
        uint64_t which = rng_below(&rng, 2 * HEAVY);
        snprintf(name, sizeof name, which < HEAVY ? "heavy%llu:" : "light%llu:",
                 (unsigned long long)(which < HEAVY ? which : rng_below(&rng, 100000)));
        if (which < HEAVY)
            truth[which]++;
        sketch_add(&sketch, text(name), 1);
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < sketch.count; i++) {
        const struct sketch_item *item = &sketch.items[i];
        unsigned which;
        snprintf(name, sizeof name, "%.*s", item->size, (const char *)item->name);
        if (sscanf(name, "heavy%u:", &which) != 1)
            continue;
        found++;
        if (item->weight < truth[which] || item->weight - item->error > truth[which])
            fail_msg("%s: weight %llu, error %llu, but %llu; seed %llu", name, (unsigned long long)item->weight,
                     (unsigned long long)item->error, (unsigned long long)truth[which], (unsigned long long)seed);
    }
    assert_int_equal(found, HEAVY);
}

static void long_names_are_cut(void **state) {
    (void)state;
    struct sketch sketch = {0};
    sketch_add(&sketch, text("0123456789012345678901234567890123456789"), 1);
    sketch_add(&sketch, text("0123456789012345678901234567890ABC"), 1);
    assert_int_equal(sketch.count, 1);
    assert_int_equal(sketch.items[0].size, SKETCH_NAME_MAX);
    sketch_add(&sketch, text(""), 1);
    assert_int_equal(sketch.count, 2);
}

UNIT_TESTS(sketch, UNIT(a_prefix_ends_before_what_differs), UNIT(counts_stay_with_their_name),
           UNIT(heavy_names_are_kept_among_many_light_ones), UNIT(long_names_are_cut));
