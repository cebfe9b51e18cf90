#include "sys/wal/snapshot_format.h"

#include "base/assert.h"
#include "base/little.h"

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
    little_put_u32(ret_bytes + AT_VERSION, SNAPSHOT_VERSION);
    little_put_u32(ret_bytes + AT_SIZE, SNAPSHOT_HEADER_SIZE);
    little_put_u64(ret_bytes + AT_ID, facts->id);
    little_put_u64(ret_bytes + AT_NUMBER, facts->number);
    little_put_u64(ret_bytes + AT_LOG_ID, facts->log_id);
    little_put_u64(ret_bytes + AT_START, facts->start_lsn);
    little_put_u64(ret_bytes + AT_CREATED, facts->created_ms);
    little_put_u64(ret_bytes + AT_SUM, hash_bytes(slice_make(ret_bytes, AT_SUM), 0));
}

enum status snapshot_header_decode(const uint8_t bytes[SNAPSHOT_HEADER_SIZE], struct snapshot_facts *facts,
                                   uint32_t *ret_version) {
    if (memcmp(bytes, SNAPSHOT_MAGIC, 8) != 0 || little_u64(bytes + AT_SUM) != hash_bytes(slice_make(bytes, AT_SUM), 0))
        return STATUS_CORRUPT;
    if (little_u32(bytes + AT_VERSION) != SNAPSHOT_VERSION) {
        *ret_version = little_u32(bytes + AT_VERSION);
        return STATUS_INVALID;
    }
    if (little_u32(bytes + AT_SIZE) != SNAPSHOT_HEADER_SIZE || !little_u64(bytes + AT_ID) ||
        !little_u64(bytes + AT_START))
        return STATUS_CORRUPT;
    facts->id = little_u64(bytes + AT_ID);
    facts->number = little_u64(bytes + AT_NUMBER);
    facts->log_id = little_u64(bytes + AT_LOG_ID);
    facts->start_lsn = little_u64(bytes + AT_START);
    facts->created_ms = little_u64(bytes + AT_CREATED);
    return STATUS_OK;
}

void snapshot_block_encode(struct snapshot_block *block, uint64_t seed, struct slice payload,
                           uint8_t ret_bytes[SNAPSHOT_BLOCK_HEADER_SIZE]) {
    block->payload_size = (uint32_t)payload.size;
    block->payload_sum = hash_bytes(payload, seed);
    memset(ret_bytes, 0, SNAPSHOT_BLOCK_HEADER_SIZE);
    little_put_u32(ret_bytes, SNAPSHOT_BLOCK_MARK);
    little_put_u32(ret_bytes + BLOCK_AT_SIZE, block->payload_size);
    little_put_u32(ret_bytes + BLOCK_AT_COUNT, block->count);
    little_put_u64(ret_bytes + BLOCK_AT_INDEX, block->index);
    little_put_u64(ret_bytes + BLOCK_AT_PAYLOAD_SUM, block->payload_sum);
    little_put_u64(ret_bytes + BLOCK_AT_SUM, hash_bytes(slice_make(ret_bytes, BLOCK_AT_SUM), seed));
}

bool snapshot_block_decode(const uint8_t bytes[SNAPSHOT_BLOCK_HEADER_SIZE], uint64_t seed,
                           struct snapshot_block *ret_block) {
    if (little_u32(bytes) != SNAPSHOT_BLOCK_MARK ||
        little_u64(bytes + BLOCK_AT_SUM) != hash_bytes(slice_make(bytes, BLOCK_AT_SUM), seed))
        return false;
    *ret_block = (struct snapshot_block){
        .payload_size = little_u32(bytes + BLOCK_AT_SIZE),
        .count = little_u32(bytes + BLOCK_AT_COUNT),
        .index = little_u64(bytes + BLOCK_AT_INDEX),
        .payload_sum = little_u64(bytes + BLOCK_AT_PAYLOAD_SUM),
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
    little_put_u32(ret_bytes, SNAPSHOT_FOOTER_MARK);
    little_put_u32(ret_bytes + FOOTER_AT_SIZE, SNAPSHOT_FOOTER_SIZE);
    little_put_u64(ret_bytes + FOOTER_AT_BLOCKS, facts->blocks);
    little_put_u64(ret_bytes + FOOTER_AT_RECORDS, facts->records);
    little_put_u64(ret_bytes + FOOTER_AT_BYTES, facts->bytes);
    little_put_u64(ret_bytes + FOOTER_AT_START, facts->start_lsn);
    little_put_u64(ret_bytes + FOOTER_AT_END, facts->end_lsn);
    little_put_u64(ret_bytes + FOOTER_AT_LOG_ID, facts->log_id);
    little_put_u64(ret_bytes + FOOTER_AT_CHAIN, chain);
    little_put_u64(ret_bytes + FOOTER_AT_SUM, hash_bytes(slice_make(ret_bytes, FOOTER_AT_SUM), seed));
}

bool snapshot_footer_decode(const uint8_t bytes[SNAPSHOT_FOOTER_SIZE], uint64_t seed, struct snapshot_facts *facts,
                            uint64_t *ret_chain) {
    if (little_u32(bytes) != SNAPSHOT_FOOTER_MARK || little_u32(bytes + FOOTER_AT_SIZE) != SNAPSHOT_FOOTER_SIZE ||
        little_u64(bytes + FOOTER_AT_SUM) != hash_bytes(slice_make(bytes, FOOTER_AT_SUM), seed) ||
        little_u64(bytes + FOOTER_AT_START) != facts->start_lsn ||
        little_u64(bytes + FOOTER_AT_LOG_ID) != facts->log_id)
        return false;
    facts->blocks = little_u64(bytes + FOOTER_AT_BLOCKS);
    facts->records = little_u64(bytes + FOOTER_AT_RECORDS);
    facts->bytes = little_u64(bytes + FOOTER_AT_BYTES);
    facts->end_lsn = little_u64(bytes + FOOTER_AT_END);
    *ret_chain = little_u64(bytes + FOOTER_AT_CHAIN);
    return true;
}
