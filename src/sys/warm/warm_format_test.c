#include "sys/warm/warm_format.h"

#include "base/little.h"
#include "base/rng.h"
#include "unit.h"

static void addresses_fit_a_cell_and_lead_back(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    for (int i = 0; i < 100000; i++) {
        uint64_t position = rng_below(&rng, WARM_SIZE_MAX / WARM_RECORD_ALIGNMENT) * WARM_RECORD_ALIGNMENT;
        uint32_t size = 1 + (uint32_t)rng_below(&rng, 1ull << rng_below(&rng, 25)) % WARM_SEGMENT_SIZE_MAX;
        uint64_t address = warm_address(position, size);
        assert_true(address >> WARM_ADDRESS_BITS == 0);
        assert_true(warm_address_position(address) == position);
        assert_true(warm_address_size(address) >= size);
        assert_true(warm_address_size(address) == WARM_CLASS_SIZE_MIN || warm_address_size(address) / 2 < size);
    }
    assert_int_equal(WARM_ADDRESS_BITS, 39); /* what a cell of the engine's index has for a location */
    assert_true(warm_address_size(warm_address(0, WARM_SEGMENT_SIZE_MAX)) == WARM_SEGMENT_SIZE_MAX);
}

static void file_header_is_read_back(void **state) {
    uint8_t bytes[WARM_HEADER_SIZE];
    struct warm_file_header header = {.id = 77, .word = 5, .segment_size = 1 << 20}, found;
    uint32_t version = 0;
    warm_file_header_encode(&header, bytes);
    assert_int_equal(warm_file_header_decode(bytes, &found, &version), STATUS_OK);
    assert_true(found.id == 77 && found.word == 5 && found.segment_size == 1 << 20);
    for (unsigned bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(warm_file_header_decode(bytes, &found, &version), STATUS_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    little_put_u32(bytes + 8, WARM_VERSION + 1);
    little_put_u64(bytes + 56, hash_bytes(slice_make(bytes, 56), 0));
    assert_int_equal(warm_file_header_decode(bytes, &found, &version), STATUS_INVALID);
    assert_int_equal(version, WARM_VERSION + 1);
}

static void segment_header_is_of_one_place_and_file(void **state) {
    uint8_t bytes[WARM_SEGMENT_HEADER_SIZE];
    struct warm_segment_header header = {.generation = 9, .salt = 5, .count = 3, .records_size = 300, .index_sum = 8},
                               found;
    warm_segment_header_encode(&header, 1, 1 << 20, bytes);
    assert_true(warm_segment_header_decode(bytes, 1, 1 << 20, 1 << 20, &found));
    assert_memory_equal(&header, &found, sizeof header);
    assert_false(warm_segment_header_decode(bytes, 2, 1 << 20, 1 << 20, &found));
    assert_false(warm_segment_header_decode(bytes, 1, 2 << 20, 1 << 20, &found));
    static const struct warm_segment_header none[] = {
        {.generation = 1ull << 56, .count = 3, .records_size = 300},
        {.generation = 9, .count = 43691, .records_size = 300},
        {.generation = 9, .count = 3, .records_size = 63},
    };
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        warm_segment_header_encode(&none[i], 1, 1 << 20, bytes);
        assert_false(warm_segment_header_decode(bytes, 1, 1 << 20, 1 << 20, &found));
    }
    warm_segment_header_encode(&header, 1, 1 << 20, bytes);
    for (unsigned bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(warm_segment_header_decode(bytes, 1, 1 << 20, 1 << 20, &found));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Each bit but those that fill up, each other seed, each other place, each cut. */
static void record_is_whole_or_none(void **state) {
    uint8_t bytes[200] = {0};
    struct warm_parts parts = {SLICE("meta"), SLICE("key"), SLICE("some value")}, found;
    uint32_t size = (uint32_t)warm_record_size(&parts);
    warm_record_encode(&parts, bytes);
    warm_record_seal(bytes, size, 12345, 64);
    assert_true(warm_record_decode(slice_make(bytes, sizeof bytes), true, 12345, 64, &found));
    assert_true(slice_equal(found.meta, parts.meta) && slice_equal(found.key, parts.key) &&
                slice_equal(found.value, parts.value));
    assert_false(warm_record_decode(slice_make(bytes, sizeof bytes), true, 12346, 64, &found));
    assert_false(warm_record_decode(slice_make(bytes, sizeof bytes), true, 12345, 96, &found));
    for (unsigned cut = 0; cut < size; cut++)
        assert_false(warm_record_decode(slice_make(bytes, cut), true, 12345, 64, &found));
    for (unsigned bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(warm_record_decode(slice_make(bytes, sizeof bytes), true, 12345, 64, &found));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Whose sum is right, and which still cannot be: a program that wrote nonsense. */
static void index_that_leads_outside_is_none(void **state) {
    struct warm_segment_header header = {.generation = 1, .count = 2, .records_size = 64 + 32 + 20};
    struct warm_index_entry entries[2] = {{1, 2, 64, 30, 0}, {3, 4, 96, 20, 0}};
    static const struct {
        unsigned entry;
        uint32_t offset, size;
    } wrong[] = {{0, 32, 30}, {0, 64, 15}, {0, 64, 33}, {1, 96, 21}, {1, 128, 20}, {1, 97, 19}, {1, 96, UINT32_MAX}};
    uint8_t bytes[2 * WARM_INDEX_ENTRY_SIZE];
    struct slice index = slice_make(bytes, sizeof bytes);
    for (unsigned i = 0; i < 2; i++)
        warm_index_entry_encode(&entries[i], bytes + sizeof bytes - warm_index_back(i));
    header.index_sum = hash_bytes(index, 7);
    assert_true(warm_index_verify(&header, 7, index));
    assert_false(warm_index_verify(&header, 8, index));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct warm_index_entry entry = entries[wrong[i].entry];
        entry.offset = wrong[i].offset;
        entry.size = wrong[i].size;
        uint8_t *at = bytes + sizeof bytes - warm_index_back(wrong[i].entry);
        warm_index_entry_encode(&entry, at);
        header.index_sum = hash_bytes(index, 7);
        assert_false(warm_index_verify(&header, 7, index));
        warm_index_entry_encode(&entries[wrong[i].entry], at);
    }
}

UNIT_TESTS(warm_format, UNIT(addresses_fit_a_cell_and_lead_back), UNIT(file_header_is_read_back),
           UNIT(segment_header_is_of_one_place_and_file), UNIT(record_is_whole_or_none),
           UNIT(index_that_leads_outside_is_none));
