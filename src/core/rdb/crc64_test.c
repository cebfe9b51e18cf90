#include "core/rdb/crc64.h"

#include "base/rng.h"
#include "unit.h"

/* The definition, bit by bit. */
static uint64_t crc64_naive(uint64_t crc, struct slice bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x95ac9329ac4bc9b5u : 0);
    }
    return crc;
}

static void known_text_has_known_checksum(void **state) {
    (void)state;
    assert_true(crc64(0, SLICE("123456789")) == 0xe9c6d914c4b8d9cau);
    assert_true(crc64(0, SLICE("")) == 0);
    assert_true(crc64(7, slice_make(NULL, 0)) == 7);
}

static void agrees_with_the_definition_at_every_size(void **state) {
    (void)state;
    uint64_t seed = unit_seed();
    struct rng rng = rng_seeded(seed);
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint64_t wanted = crc64_naive(0, slice_make(bytes, size));
        if (crc64(0, slice_make(bytes, size)) != wanted)
            fail_msg("size %zu, seed %llu", size, (unsigned long long)seed);
    }
}

static void goes_on_from_any_cut(void **state) {
    (void)state;
    struct slice text = SLICE("a text that is longer than two steps of eight bytes");
    uint64_t whole = crc64(0, text);
    for (size_t cut = 0; cut <= text.size; cut++)
        assert_true(crc64(crc64(0, slice_part(text, 0, cut)), slice_part(text, cut, text.size)) == whole);
}

UNIT_TESTS(crc64, UNIT(known_text_has_known_checksum), UNIT(agrees_with_the_definition_at_every_size),
           UNIT(goes_on_from_any_cut));
