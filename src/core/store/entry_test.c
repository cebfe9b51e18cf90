#include "core/store/entry.h"

#include "base/rng.h"
#include "unit.h"

static const uint64_t base_ms = 1700000000000u;

/* Plans, encodes into exactly as many bytes as planned, decodes there and compares. */
static void round_trip(struct entry entry) {
    entry_plan(&entry, base_ms);
    assert_int_equal(entry.size % ENTRY_ALIGNMENT, 0);
    assert_true(entry.value_at + entry.stored_size <= entry.size &&
                entry.size < entry.value_at + entry.stored_size + 8);
    uint8_t *bytes = aligned_alloc(ENTRY_ALIGNMENT, entry.size);
    assert_non_null(bytes);
    memset(bytes, 0xee, entry.size < 64 ? entry.size : 64);
    entry_encode(&entry, base_ms, bytes);
    for (uint32_t i = entry.key_at; i < entry.size && i < 64; i++) /* encoding writes the fields only */
        assert_int_equal(bytes[i], 0xee);
    struct entry got;
    memset(&got, 0x77, sizeof got);
    if (!entry_decode(bytes, entry.size, &base_ms, &got))
        fail_msg("key %u stored %u db %u expires %llu is not decoded in its own room", entry.key_size,
                 entry.stored_size, entry.db, (unsigned long long)entry.expires_at_ms);
    assert_int_equal(got.type, entry.type);
    assert_int_equal(got.db, entry.db);
    assert_int_equal(got.flags, entry.flags);
    assert_int_equal(got.key_size, entry.key_size);
    assert_int_equal(got.stored_size, entry.stored_size);
    assert_true(got.expires_at_ms == entry.expires_at_ms);
    assert_true(got.stamp == entry.stamp && got.row == entry.row);
    assert_true(got.stale == entry.stale && got.softened == entry.softened && got.invalidated == entry.invalidated);
    assert_int_equal(got.key_at, entry.key_at);
    assert_int_equal(got.value_at, entry.value_at);
    assert_int_equal(got.size, entry.size);
    if (entry.size > 8)
        assert_false(entry_decode(bytes, entry.size - 8, &base_ms, &got));
    free(bytes);
}

static void all_shapes_come_back(void **state) {
    (void)state;
    static const uint32_t keys[] = {0, 1, 3, 4, 5, 8, 254, 255, 256, 1000, 65535, 65536};
    static const uint32_t values[] = {0, 1, 4, 7, 8, 100, 16382, 16383, 16384, 100000, ENTRY_STORED_MAX};
    const uint64_t expiries[] = {
        0, 1, base_ms - 1, base_ms, base_ms + 1, base_ms + UINT32_MAX, base_ms + UINT32_MAX + 1, 1u << 31, UINT64_MAX};
    for (size_t k = 0; k < COUNT_OF(keys); k++)
        for (size_t v = 0; v < COUNT_OF(values); v++)
            for (size_t e = 0; e < COUNT_OF(expiries); e++)
                for (uint32_t db = 0; db < 16; db += 5)
                    round_trip((struct entry){.type = (db + (uint32_t)v) % 8,
                                              .db = db,
                                              .key_size = keys[k],
                                              .stored_size = values[v],
                                              .expires_at_ms = expiries[e]});
}

static void stamps_come_back(void **state) {
    (void)state;
    const uint64_t stamps[] = {ENTRY_STAMP_FIRST, ENTRY_STAMP_FIRST + 1, 2 * ENTRY_STAMP_FIRST, 0x123456789abu,
                               ENTRY_STAMP_END - 1};
    const uint64_t expiries[] = {0, base_ms + 1, 1};
    static const uint32_t keys[] = {0, 1, 2, 3, 4, 5, 255, 300, 65536};
    for (size_t s = 0; s < COUNT_OF(stamps); s++)
        for (size_t e = 0; e < COUNT_OF(expiries); e++)
            for (size_t k = 0; k < COUNT_OF(keys); k++)
                for (uint32_t db = 0; db < 16; db += 5)
                    for (uint32_t size = 0; size < 10; size++)
                        round_trip((struct entry){.db = db,
                                                  .key_size = keys[k],
                                                  .stored_size = size,
                                                  .stamp = stamps[s],
                                                  .expires_at_ms = expiries[e]});
    struct entry entry = {.flags = ENTRY_EXTENTS, .stored_size = ENTRY_OWNED_SIZE, .stamp = ENTRY_STAMP_END - 1};
    round_trip(entry);
    entry = (struct entry){.key_size = 12, .stored_size = 32, .stamp = ENTRY_STAMP_FIRST};
    entry_plan(&entry, base_ms);
    assert_int_equal(entry.key_at, 12); /* eight bytes more than without */
    entry = (struct entry){
        .key_size = 300, .stored_size = 1, .db = 1, .stamp = ENTRY_STAMP_FIRST, .row = 1, .expires_at_ms = UINT64_MAX};
    entry_plan(&entry, base_ms);
    assert_int_equal(entry.key_at, ENTRY_FIELDS_MAX); /* all there are */
}

static void given_versions_and_times_of_staleness_come_back(void **state) {
    (void)state;
    static const uint64_t rows[] = {0, 1, UINT32_MAX, 1ull << 32, UINT64_MAX};
    static const uint32_t stale[] = {0, 1, 0x1234, ENTRY_STALE_FOREVER};
    for (size_t r = 0; r < COUNT_OF(rows); r++)
        for (size_t s = 0; s < COUNT_OF(stale); s++)
            for (uint32_t shape = 0; shape < 32; shape++)
                round_trip((struct entry){.db = shape & 1 ? 15 : 0,
                                          .key_size = shape & 2 ? 300 : 7,
                                          .stored_size = 9,
                                          .stamp = shape & 4 ? ENTRY_STAMP_END - 1 : 0,
                                          .row = rows[r],
                                          .stale = stale[s],
                                          .softened = (r + s) % 2,
                                          .invalidated = (r + s) % 2 && shape & 8 && shape & 16,
                                          .expires_at_ms = shape & 8 ? base_ms + 1 : 0});
}

static void times_of_staleness_are_never_too_short(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    assert_int_equal(entry_stale_code(0), 0);
    assert_int_equal(entry_stale_ms(0), 0);
    assert_true(entry_stale_ms(entry_stale_code(UINT64_MAX)) == UINT64_MAX);
    for (uint64_t ms = 1; ms < 1024; ms++)
        assert_int_equal(entry_stale_ms(entry_stale_code(ms)), ms);
    for (int i = 0; i < 100000; i++) {
        uint64_t ms = rng_next(&rng) >> rng_below(&rng, 64), kept = entry_stale_ms(entry_stale_code(ms));
        assert_true(kept >= ms);
        if (kept != UINT64_MAX)
            assert_true(kept - ms <= ms / 250);
        else
            assert_true(ms > 8ull * 365 * 24 * 3600 * 1000);
    }
}

static void tags_come_back(void **state) {
    (void)state;
    uint32_t numbers[ENTRY_TAGS_MAX];
    for (uint32_t i = 0; i < ENTRY_TAGS_MAX; i++)
        numbers[i] = i % 2 ? ENTRY_TAG_LAST - 1 - i : i;
    for (uint32_t count = 1; count <= ENTRY_TAGS_MAX; count++)
        for (uint32_t shape = 0; shape < 16; shape++) {
            struct entry got, entry = {.db = shape & 1 ? 3 : 0,
                                       .key_size = shape & 2 ? 300 : 7,
                                       .stored_size = 5,
                                       .stamp = ENTRY_STAMP_FIRST + shape,
                                       .tag_count = count,
                                       .expires_at_ms = shape & 4   ? base_ms + 1
                                                        : shape & 8 ? 1
                                                                    : 0};
            entry_plan(&entry, base_ms);
            uint8_t *bytes = aligned_alloc(ENTRY_ALIGNMENT, entry.size);
            assert_non_null(bytes);
            entry_encode(&entry, base_ms, bytes);
            entry_tags_encode(&entry, numbers, bytes);
            assert_true(entry_decode(bytes, entry.size, &base_ms, &got));
            assert_int_equal(got.tag_count, count);
            assert_int_equal(got.key_at, entry.key_at);
            assert_true(got.stamp == entry.stamp && got.expires_at_ms == entry.expires_at_ms && got.size == entry.size);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(entry_tag(&got, bytes, i), numbers[i]);
            /* A list without an end is none, wherever the room ends. */
            uint8_t *last = bytes + got.key_at - ENTRY_TAG_SIZE;
            words_store32(last, words_load32(last) & ~ENTRY_TAG_LAST);
            assert_false(entry_decode(bytes, got.key_at, &base_ms, &got));
            free(bytes);
        }
}

static void owners_of_memory_come_back(void **state) {
    (void)state;
    for (uint32_t flag = ENTRY_EXTENTS; flag <= ENTRY_OBJECT; flag <<= 1)
        for (uint32_t key = 0; key < 600; key += 37)
            round_trip((struct entry){.type = 6,
                                      .flags = flag,
                                      .key_size = key,
                                      .stored_size = ENTRY_OWNED_SIZE,
                                      .expires_at_ms = key % 2 ? base_ms + 5 : 0});
    /* One that owns something has nothing but 16 bytes to say where. */
    uint32_t words[4] = {ENTRY_EXTENTS | 1u << 10 | 3u << 18, 0, 0, 0};
    struct entry got;
    assert_false(entry_decode((const uint8_t *)words, sizeof words, &base_ms, &got));
    words[0] = ENTRY_OBJECT | 1u << 10 | 9u << 18;
    assert_false(entry_decode((const uint8_t *)words, sizeof words, &base_ms, &got));
}

static void plain_entries_have_four_bytes_of_header(void **state) {
    (void)state;
    struct entry entry = {.key_size = 12, .stored_size = 32};
    entry_plan(&entry, base_ms);
    assert_int_equal(entry.size, 48);
    entry.expires_at_ms = base_ms + 1000;
    entry_plan(&entry, base_ms);
    assert_int_equal(entry.value_at, 20);
}

/* Whatever the bytes are, nothing beyond the room is read (the sanitizer watches) and all parts lie within it. */
static void decoding_random_bytes_stays_in_its_room(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t round = 0; round < 200000; round++) {
        uint32_t room = ENTRY_ALIGNMENT * (uint32_t)(1 + rng_below(&rng, 16));
        uint32_t *bytes = malloc(room);
        assert_non_null(bytes);
        for (uint32_t i = 0; i < room / 4; i++)
            bytes[i] = (uint32_t)rng_next(&rng);
        if (rng_below(&rng, 2)) /* small sizes, so that some are accepted */
            bytes[0] &= 0x3ffu | (uint32_t)rng_below(&rng, 64) << 10 | (uint32_t)rng_below(&rng, 64) << 18;
        struct entry got;
        uint64_t any_base_ms = rng_next(&rng);
        if (entry_decode((const uint8_t *)bytes, room, &any_base_ms, &got)) {
            assert_true(got.size <= room && got.size > 0 && got.size % ENTRY_ALIGNMENT == 0);
            assert_true(got.value_at + got.stored_size <= got.size);
            assert_int_equal(got.value_at, got.key_at + got.key_size);
            assert_true(got.db < 16 && got.type < 8);
        }
        free(bytes);
    }
}

UNIT_TESTS(entry, UNIT(all_shapes_come_back), UNIT(stamps_come_back),
           UNIT(given_versions_and_times_of_staleness_come_back), UNIT(times_of_staleness_are_never_too_short),
           UNIT(tags_come_back), UNIT(owners_of_memory_come_back), UNIT(plain_entries_have_four_bytes_of_header),
           UNIT(decoding_random_bytes_stays_in_its_room));
