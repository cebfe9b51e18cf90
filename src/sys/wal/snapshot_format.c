#include "sys/wal/snapshot_format.h"

#include "base/assert.h"

enum {
    AT_VERSION = 8,
    AT_SIZE = 12,
    AT_ID = 16,
    AT_NUMBER = 24,
    AT_LOG_ID = 32,
    AT_START = 40,
    AT_CREATED = 48,
    AT_SUM = 56,
};
enum { BLOCK_AT_SIZE = 4, BLOCK_AT_COUNT = 8, BLOCK_AT_INDEX = 16, BLOCK_AT_PAYLOAD_SUM = 24, BLOCK_AT_SUM = 32 };
enum {
    FOOTER_AT_SIZE = 4,
    FOOTER_AT_BLOCKS = 8,
    FOOTER_AT_RECORDS = 16,
    FOOTER_AT_BYTES = 24,
    FOOTER_AT_START = 32,
    FOOTER_AT_END = 40,
    FOOTER_AT_LOG_ID = 48,
    FOOTER_AT_CHAIN = 56,
    FOOTER_AT_SUM = 64,
};

void snapshot_header_encode(const struct snapshot_facts *facts, uint8_t ret_bytes[SNAPSHOT_HEADER_SIZE]) {
    ASSERT(facts->id && facts->number && facts->start_lsn);
    memset(ret_bytes, 0, SNAPSHOT_HEADER_SIZE);
    memcpy(ret_bytes, SNAPSHOT_MAGIC, 8);
    format_put_u32(ret_bytes + AT_VERSION, SNAPSHOT_VERSION);
    format_put_u32(ret_bytes + AT_SIZE, SNAPSHOT_HEADER_SIZE);
    format_put_u64(ret_bytes + AT_ID, facts->id);
    format_put_u64(ret_bytes + AT_NUMBER, facts->number);
    format_put_u64(ret_bytes + AT_LOG_ID, facts->log_id);
    format_put_u64(ret_bytes + AT_START, facts->start_lsn);
    format_put_u64(ret_bytes + AT_CREATED, facts->created_ms);
    format_put_u64(ret_bytes + AT_SUM, hash_bytes(slice_make(ret_bytes, AT_SUM), 0));
}

enum status snapshot_header_decode(const uint8_t bytes[SNAPSHOT_HEADER_SIZE], struct snapshot_facts *facts,
                                   uint32_t *ret_version) {
    if (memcmp(bytes, SNAPSHOT_MAGIC, 8) != 0 || format_u64(bytes + AT_SUM) != hash_bytes(slice_make(bytes, AT_SUM), 0))
        return STATUS_CORRUPT;
    if (format_u32(bytes + AT_VERSION) != SNAPSHOT_VERSION) {
        *ret_version = format_u32(bytes + AT_VERSION);
        return STATUS_INVALID;
    }
    if (format_u32(bytes + AT_SIZE) != SNAPSHOT_HEADER_SIZE || !format_u64(bytes + AT_ID) ||
        !format_u64(bytes + AT_START))
        return STATUS_CORRUPT;
    facts->id = format_u64(bytes + AT_ID);
    facts->number = format_u64(bytes + AT_NUMBER);
    facts->log_id = format_u64(bytes + AT_LOG_ID);
    facts->start_lsn = format_u64(bytes + AT_START);
    facts->created_ms = format_u64(bytes + AT_CREATED);
    return STATUS_OK;
}

void snapshot_block_encode(struct snapshot_block *block, uint64_t seed, struct slice payload,
                           uint8_t ret_bytes[SNAPSHOT_BLOCK_HEADER_SIZE]) {
    block->payload_size = (uint32_t)payload.size;
    block->payload_sum = hash_bytes(payload, seed);
    memset(ret_bytes, 0, SNAPSHOT_BLOCK_HEADER_SIZE);
    format_put_u32(ret_bytes, SNAPSHOT_BLOCK_MARK);
    format_put_u32(ret_bytes + BLOCK_AT_SIZE, block->payload_size);
    format_put_u32(ret_bytes + BLOCK_AT_COUNT, block->count);
    format_put_u64(ret_bytes + BLOCK_AT_INDEX, block->index);
    format_put_u64(ret_bytes + BLOCK_AT_PAYLOAD_SUM, block->payload_sum);
    format_put_u64(ret_bytes + BLOCK_AT_SUM, hash_bytes(slice_make(ret_bytes, BLOCK_AT_SUM), seed));
}

bool snapshot_block_decode(const uint8_t bytes[SNAPSHOT_BLOCK_HEADER_SIZE], uint64_t seed,
                           struct snapshot_block *ret_block) {
    if (format_u32(bytes) != SNAPSHOT_BLOCK_MARK ||
        format_u64(bytes + BLOCK_AT_SUM) != hash_bytes(slice_make(bytes, BLOCK_AT_SUM), seed))
        return false;
    *ret_block = (struct snapshot_block){
        .payload_size = format_u32(bytes + BLOCK_AT_SIZE),
        .count = format_u32(bytes + BLOCK_AT_COUNT),
        .index = format_u64(bytes + BLOCK_AT_INDEX),
        .payload_sum = format_u64(bytes + BLOCK_AT_PAYLOAD_SUM),
    };
    return true;
}

bool snapshot_block_verify(const struct snapshot_block *block, uint64_t seed, struct slice payload) {
    if (payload.size != block->payload_size || hash_bytes(payload, seed) != block->payload_sum)
        return false;
    struct slice record;
    uint32_t count = 0;
    while (format_record_next(&payload, &record))
        count++;
    return payload.size == 0 && count == block->count;
}

void snapshot_footer_encode(const struct snapshot_facts *facts, uint64_t chain, uint64_t seed,
                            uint8_t ret_bytes[SNAPSHOT_FOOTER_SIZE]) {
    format_put_u32(ret_bytes, SNAPSHOT_FOOTER_MARK);
    format_put_u32(ret_bytes + FOOTER_AT_SIZE, SNAPSHOT_FOOTER_SIZE);
    format_put_u64(ret_bytes + FOOTER_AT_BLOCKS, facts->blocks);
    format_put_u64(ret_bytes + FOOTER_AT_RECORDS, facts->records);
    format_put_u64(ret_bytes + FOOTER_AT_BYTES, facts->bytes);
    format_put_u64(ret_bytes + FOOTER_AT_START, facts->start_lsn);
    format_put_u64(ret_bytes + FOOTER_AT_END, facts->end_lsn);
    format_put_u64(ret_bytes + FOOTER_AT_LOG_ID, facts->log_id);
    format_put_u64(ret_bytes + FOOTER_AT_CHAIN, chain);
    format_put_u64(ret_bytes + FOOTER_AT_SUM, hash_bytes(slice_make(ret_bytes, FOOTER_AT_SUM), seed));
}

bool snapshot_footer_decode(const uint8_t bytes[SNAPSHOT_FOOTER_SIZE], uint64_t seed, struct snapshot_facts *facts,
                            uint64_t *ret_chain) {
    if (format_u32(bytes) != SNAPSHOT_FOOTER_MARK || format_u32(bytes + FOOTER_AT_SIZE) != SNAPSHOT_FOOTER_SIZE ||
        format_u64(bytes + FOOTER_AT_SUM) != hash_bytes(slice_make(bytes, FOOTER_AT_SUM), seed) ||
        format_u64(bytes + FOOTER_AT_START) != facts->start_lsn ||
        format_u64(bytes + FOOTER_AT_LOG_ID) != facts->log_id)
        return false;
    facts->blocks = format_u64(bytes + FOOTER_AT_BLOCKS);
    facts->records = format_u64(bytes + FOOTER_AT_RECORDS);
    facts->bytes = format_u64(bytes + FOOTER_AT_BYTES);
    facts->end_lsn = format_u64(bytes + FOOTER_AT_END);
    *ret_chain = format_u64(bytes + FOOTER_AT_CHAIN);
    return true;
}
