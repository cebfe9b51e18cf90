#include "core/store/tier_meta.h"

#include "base/rng.h"
#include "unit.h"

static struct tier_meta random_meta(struct rng *rng) {
    struct tier_meta meta = {.type = (uint32_t)rng_below(rng, 7),
                             .place = (uint32_t)rng_below(rng, 16),
                             .seq = rng_next(rng),
                             .since_ms = rng_next(rng),
                             .expires_at_ms = rng_below(rng, 2) ? rng_next(rng) | 1 : 0,
                             .stamp = rng_below(rng, 2) ? rng_next(rng) | 1 : 0,
                             .row = rng_below(rng, 2) ? rng_next(rng) | 1 : 0,
                             .stale = (uint32_t)rng_below(rng, ENTRY_STALE_FOREVER + 1)};
    meta.tag_count = meta.stamp ? (uint32_t)rng_below(rng, ENTRY_TAGS_MAX + 1) : 0;
    for (uint32_t i = 0; i < meta.tag_count; i++)
        meta.tags[i] = (uint32_t)rng_next(rng);
    return meta;
}

static void what_was_written_is_read(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct tier_meta meta = random_meta(&rng), read;
        uint8_t bytes[TIER_META_SIZE_MAX];
        size_t size = tier_meta_write(&meta, bytes);
        assert_true(size >= TIER_META_FIXED && size <= TIER_META_SIZE_MAX);
        assert_true(tier_meta_read(slice_make(bytes, size), &read));
        assert_memory_equal(&read, &meta, offsetof(struct tier_meta, tags));
        assert_memory_equal(read.tags, meta.tags, meta.tag_count * sizeof *meta.tags);
        assert_false(tier_meta_read(slice_make(bytes, size - 1), &read));
    }
}

static void bytes_that_nobody_wrote_are_refused_or_read_within_bounds(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t size = (size_t)rng_below(&rng, TIER_META_SIZE_MAX + 1);
        uint8_t *bytes = malloc(size ? size : 1);
        struct tier_meta read;
        for (size_t b = 0; b < size; b++)
            bytes[b] = (uint8_t)(b == 0 && rng_below(&rng, 8) ? TIER_META_FORMAT : rng_next(&rng));
        if (tier_meta_read(slice_make(bytes, size), &read))
            assert_true(read.place < 16 && read.type <= ENTRY_TYPE_MASK && read.tag_count <= ENTRY_TAGS_MAX);
        free(bytes);
    }
}

UNIT_TESTS(tier_meta, UNIT(what_was_written_is_read), UNIT(bytes_that_nobody_wrote_are_refused_or_read_within_bounds));
