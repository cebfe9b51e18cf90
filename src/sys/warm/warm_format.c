#include "sys/warm/warm_format.h"

#include "base/assert.h"
#include "base/little.h"

/* Places in the header of the file, of a segment, and in an entry of an index. */
enum { AT_VERSION = 8, AT_SIZE = 12, AT_ID = 16, AT_SEGMENT_SIZE = 24, AT_WORD = 32, AT_SUM = 56 };
enum {
    SEGMENT_AT_COUNT = 4,
    SEGMENT_AT_GENERATION = 8,
    SEGMENT_AT_SALT = 16,
    SEGMENT_AT_RECORDS = 24,
    SEGMENT_AT_INDEX_SUM = 32,
    SEGMENT_AT_SUM = 56,
};
enum { ENTRY_AT_WORD = 8, ENTRY_AT_OFFSET = 16, ENTRY_AT_SIZE = 20, ENTRY_AT_FROM = 24 };
enum { RECORD_AT_VALUE_SIZE = 8, RECORD_AT_SIZES = 12, META_BITS = 12 };

void warm_file_header_encode(const struct warm_file_header *header, uint8_t ret_bytes[WARM_HEADER_SIZE]) {
    ASSERT(header->id);
    memset(ret_bytes, 0, WARM_HEADER_SIZE);
    memcpy(ret_bytes, WARM_MAGIC, 8);
    little_put_u32(ret_bytes + AT_VERSION, WARM_VERSION);
    little_put_u32(ret_bytes + AT_SIZE, WARM_HEADER_SIZE);
    little_put_u64(ret_bytes + AT_ID, header->id);
    little_put_u32(ret_bytes + AT_SEGMENT_SIZE, header->segment_size);
    little_put_u64(ret_bytes + AT_WORD, header->word);
    little_put_u64(ret_bytes + AT_SUM, hash_bytes(slice_make(ret_bytes, AT_SUM), 0));
}

static bool is_segment_size(uint32_t size) {
    return bits_is_power_of_two(size) && size >= WARM_SEGMENT_SIZE_MIN && size <= WARM_SEGMENT_SIZE_MAX;
}

enum status warm_file_header_decode(const uint8_t bytes[WARM_HEADER_SIZE], struct warm_file_header *ret_header,
                                    uint32_t *ret_version) {
    if (memcmp(bytes, WARM_MAGIC, 8) != 0 || little_u64(bytes + AT_SUM) != hash_bytes(slice_make(bytes, AT_SUM), 0))
        return STATUS_CORRUPT;
    if (little_u32(bytes + AT_VERSION) != WARM_VERSION) {
        *ret_version = little_u32(bytes + AT_VERSION);
        return STATUS_INVALID;
    }
    struct warm_file_header header = {.id = little_u64(bytes + AT_ID),
                                      .word = little_u64(bytes + AT_WORD),
                                      .segment_size = little_u32(bytes + AT_SEGMENT_SIZE)};
    if (little_u32(bytes + AT_SIZE) != WARM_HEADER_SIZE || !header.id || !is_segment_size(header.segment_size))
        return STATUS_CORRUPT;
    *ret_header = header;
    return STATUS_OK;
}

uint64_t warm_segment_seed(uint64_t id, uint64_t position, uint64_t generation, uint64_t salt) {
    uint8_t bytes[32];
    little_put_u64(bytes, id);
    little_put_u64(bytes + 8, position);
    little_put_u64(bytes + 16, generation);
    little_put_u64(bytes + 24, salt);
    return hash_bytes(slice_make(bytes, sizeof bytes), 0);
}

/* Generation and salt stand in the header itself, so its own sum knows only the file and the place. */
static uint64_t header_sum(const uint8_t *bytes, uint64_t id, uint64_t position) {
    return hash_bytes(slice_make(bytes, SEGMENT_AT_SUM), warm_segment_seed(id, position, 0, 0));
}

void warm_segment_header_encode(const struct warm_segment_header *header, uint64_t id, uint64_t position,
                                uint8_t ret_bytes[WARM_SEGMENT_HEADER_SIZE]) {
    ASSERT(header->generation && header->count);
    memset(ret_bytes, 0, WARM_SEGMENT_HEADER_SIZE);
    little_put_u32(ret_bytes, WARM_SEGMENT_MARK);
    little_put_u32(ret_bytes + SEGMENT_AT_COUNT, header->count);
    little_put_u64(ret_bytes + SEGMENT_AT_GENERATION, header->generation);
    little_put_u64(ret_bytes + SEGMENT_AT_SALT, header->salt);
    little_put_u32(ret_bytes + SEGMENT_AT_RECORDS, header->records_size);
    little_put_u64(ret_bytes + SEGMENT_AT_INDEX_SUM, header->index_sum);
    little_put_u64(ret_bytes + SEGMENT_AT_SUM, header_sum(ret_bytes, id, position));
}

bool warm_segment_header_decode(const uint8_t bytes[WARM_SEGMENT_HEADER_SIZE], uint64_t id, uint64_t position,
                                uint32_t segment_size, struct warm_segment_header *ret_header) {
    if (little_u32(bytes) != WARM_SEGMENT_MARK || little_u64(bytes + SEGMENT_AT_SUM) != header_sum(bytes, id, position))
        return false;
    struct warm_segment_header header = {
        .generation = little_u64(bytes + SEGMENT_AT_GENERATION),
        .salt = little_u64(bytes + SEGMENT_AT_SALT),
        .count = little_u32(bytes + SEGMENT_AT_COUNT),
        .records_size = little_u32(bytes + SEGMENT_AT_RECORDS),
        .index_sum = little_u64(bytes + SEGMENT_AT_INDEX_SUM),
    };
    uint64_t index_size = (uint64_t)header.count * WARM_INDEX_ENTRY_SIZE;
    /* Nobody writes so many segments, and there must be numbers left to count on. */
    if (!header.generation || header.generation >> 56 || !header.count ||
        header.records_size < WARM_SEGMENT_HEADER_SIZE || header.records_size + index_size > segment_size)
        return false;
    *ret_header = header;
    return true;
}

void warm_index_entry_encode(const struct warm_index_entry *entry, uint8_t ret_bytes[WARM_INDEX_ENTRY_SIZE]) {
    little_put_u64(ret_bytes, entry->hash);
    little_put_u64(ret_bytes + ENTRY_AT_WORD, entry->word);
    little_put_u32(ret_bytes + ENTRY_AT_OFFSET, entry->offset);
    little_put_u32(ret_bytes + ENTRY_AT_SIZE, entry->size);
    little_put_u64(ret_bytes + ENTRY_AT_FROM, entry->from);
}

void warm_index_entry_decode(const uint8_t bytes[WARM_INDEX_ENTRY_SIZE], struct warm_index_entry *ret_entry) {
    *ret_entry = (struct warm_index_entry){
        .hash = little_u64(bytes),
        .word = little_u64(bytes + ENTRY_AT_WORD),
        .offset = little_u32(bytes + ENTRY_AT_OFFSET),
        .size = little_u32(bytes + ENTRY_AT_SIZE),
        .from = little_u64(bytes + ENTRY_AT_FROM),
    };
}

bool warm_index_verify(const struct warm_segment_header *header, uint64_t seed, struct slice index) {
    if (index.size != (uint64_t)header->count * WARM_INDEX_ENTRY_SIZE || hash_bytes(index, seed) != header->index_sum)
        return false;
    uint64_t end = WARM_SEGMENT_HEADER_SIZE;
    for (uint32_t i = 0; i < header->count; i++) {
        struct warm_index_entry entry;
        warm_index_entry_decode(index.data + index.size - warm_index_back(i), &entry);
        if (entry.offset != bits_align_up(end, WARM_RECORD_ALIGNMENT) || entry.size < WARM_RECORD_HEADER_SIZE ||
            (uint64_t)entry.offset + entry.size > header->records_size)
            return false;
        end = (uint64_t)entry.offset + entry.size;
    }
    return end == header->records_size;
}

static_assert(WARM_SEGMENT_HEADER_SIZE % WARM_RECORD_ALIGNMENT == 0, "the first record follows the header");

void warm_record_encode(const struct warm_parts *parts, uint8_t *ret_bytes) {
    ASSERT(parts->meta.size <= WARM_META_SIZE_MAX && parts->key.size <= WARM_KEY_SIZE_MAX);
    little_put_u32(ret_bytes + RECORD_AT_VALUE_SIZE, (uint32_t)parts->value.size);
    little_put_u32(ret_bytes + RECORD_AT_SIZES, (uint32_t)(parts->key.size << META_BITS | parts->meta.size));
    uint8_t *to = ret_bytes + WARM_RECORD_HEADER_SIZE;
    const struct slice in_order[] = {parts->meta, parts->key, parts->value};
    for (size_t i = 0; i < COUNT_OF(in_order); i++) {
        if (in_order[i].data)
            memcpy(to, in_order[i].data, in_order[i].size);
        to += in_order[i].size;
    }
}

static uint64_t record_sum(const uint8_t *bytes, uint64_t size, uint64_t segment_seed, uint32_t offset) {
    return hash_bytes(slice_make(bytes + RECORD_AT_VALUE_SIZE, size - RECORD_AT_VALUE_SIZE), segment_seed + offset);
}

void warm_record_seal(uint8_t *bytes, uint32_t size, uint64_t segment_seed, uint32_t offset) {
    little_put_u64(bytes, record_sum(bytes, size, segment_seed, offset));
}

bool warm_record_decode(struct slice bytes, bool is_sealed, uint64_t segment_seed, uint32_t offset,
                        struct warm_parts *ret_parts) {
    if (bytes.size < WARM_RECORD_HEADER_SIZE)
        return false;
    uint32_t sizes = little_u32(bytes.data + RECORD_AT_SIZES);
    uint64_t value_size = little_u32(bytes.data + RECORD_AT_VALUE_SIZE), key_size = sizes >> META_BITS;
    uint64_t meta_size = sizes & ((1u << META_BITS) - 1);
    uint64_t size = WARM_RECORD_HEADER_SIZE + meta_size + key_size + value_size;
    if (size > bytes.size)
        return false;
    if (is_sealed && little_u64(bytes.data) != record_sum(bytes.data, size, segment_seed, offset))
        return false;
    const uint8_t *at = bytes.data + WARM_RECORD_HEADER_SIZE;
    *ret_parts = (struct warm_parts){
        .meta = slice_make(at, meta_size),
        .key = slice_make(at + meta_size, key_size),
        .value = slice_make(at + meta_size + key_size, value_size),
    };
    return true;
}
