#include "sys/wal/format.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/little.h"

/* Places in the header of a file, and of a batch. */
enum { AT_VERSION = 8, AT_SIZE = 12, AT_ID = 16, AT_NUMBER = 24, AT_FIRST = 32, AT_PROVEN = 40, AT_SUM = 56 };
enum {
    BATCH_AT_SIZE = 4,
    BATCH_AT_FIRST = 8,
    BATCH_AT_COUNT = 16,
    BATCH_AT_FLAGS = 20,
    BATCH_AT_FLUSHED = 24,
    BATCH_AT_PAYLOAD_SUM = 32,
    BATCH_AT_SUM = 40,
};

enum { NAME_DIGITS = 10 };

uint64_t format_seed(uint64_t id, uint64_t number, uint64_t offset) {
    uint8_t bytes[24];
    little_put_u64(bytes, id);
    little_put_u64(bytes + 8, number);
    little_put_u64(bytes + 16, offset);
    return hash_bytes(slice_make(bytes, sizeof bytes), 0);
}

void log_header_encode(const struct log_header *header, uint8_t ret_bytes[LOG_HEADER_SIZE]) {
    ASSERT(header->log_id && header->number && header->proven_lsn < header->first_lsn);
    memset(ret_bytes, 0, LOG_HEADER_SIZE);
    memcpy(ret_bytes, LOG_MAGIC, 8);
    little_put_u32(ret_bytes + AT_VERSION, LOG_VERSION);
    little_put_u32(ret_bytes + AT_SIZE, LOG_HEADER_SIZE);
    little_put_u64(ret_bytes + AT_ID, header->log_id);
    little_put_u64(ret_bytes + AT_NUMBER, header->number);
    little_put_u64(ret_bytes + AT_FIRST, header->first_lsn);
    little_put_u64(ret_bytes + AT_PROVEN, header->proven_lsn);
    little_put_u64(ret_bytes + AT_SUM, hash_bytes(slice_make(ret_bytes, AT_SUM), 0));
}

enum status log_header_decode(const uint8_t bytes[LOG_HEADER_SIZE], struct log_header *ret_header,
                              uint32_t *ret_version) {
    if (memcmp(bytes, LOG_MAGIC, 8) != 0 || little_u64(bytes + AT_SUM) != hash_bytes(slice_make(bytes, AT_SUM), 0))
        return STATUS_CORRUPT;
    if (little_u32(bytes + AT_VERSION) != LOG_VERSION) {
        *ret_version = little_u32(bytes + AT_VERSION);
        return STATUS_INVALID;
    }
    struct log_header header = {
        .log_id = little_u64(bytes + AT_ID),
        .number = little_u64(bytes + AT_NUMBER),
        .first_lsn = little_u64(bytes + AT_FIRST),
        .proven_lsn = little_u64(bytes + AT_PROVEN),
    };
    if (little_u32(bytes + AT_SIZE) != LOG_HEADER_SIZE || !header.log_id || header.proven_lsn >= header.first_lsn)
        return STATUS_CORRUPT;
    *ret_header = header;
    return STATUS_OK;
}

void log_batch_encode(const struct log_batch *batch, uint64_t seed, struct slice payload,
                      uint8_t ret_bytes[LOG_BATCH_HEADER_SIZE]) {
    ASSERT(payload.size == batch->payload_size);
    little_put_u32(ret_bytes, LOG_BATCH_MARK);
    little_put_u32(ret_bytes + BATCH_AT_SIZE, batch->payload_size);
    little_put_u64(ret_bytes + BATCH_AT_FIRST, batch->first_lsn);
    little_put_u32(ret_bytes + BATCH_AT_COUNT, batch->count);
    little_put_u32(ret_bytes + BATCH_AT_FLAGS, batch->flags);
    little_put_u64(ret_bytes + BATCH_AT_FLUSHED, batch->flushed_lsn);
    little_put_u64(ret_bytes + BATCH_AT_PAYLOAD_SUM, hash_bytes(payload, seed));
    little_put_u64(ret_bytes + BATCH_AT_SUM, hash_bytes(slice_make(ret_bytes, BATCH_AT_SUM), seed));
}

bool log_batch_decode(const uint8_t bytes[LOG_BATCH_HEADER_SIZE], uint64_t seed, struct log_batch *ret_batch) {
    if (little_u32(bytes) != LOG_BATCH_MARK ||
        little_u64(bytes + BATCH_AT_SUM) != hash_bytes(slice_make(bytes, BATCH_AT_SUM), seed))
        return false;
    *ret_batch = (struct log_batch){
        .payload_size = little_u32(bytes + BATCH_AT_SIZE),
        .count = little_u32(bytes + BATCH_AT_COUNT),
        .flags = little_u32(bytes + BATCH_AT_FLAGS),
        .first_lsn = little_u64(bytes + BATCH_AT_FIRST),
        .flushed_lsn = little_u64(bytes + BATCH_AT_FLUSHED),
        .payload_sum = little_u64(bytes + BATCH_AT_PAYLOAD_SUM),
    };
    return true;
}

bool log_batch_verify(const struct log_batch *batch, uint64_t seed, struct slice payload) {
    if (payload.size != batch->payload_size || hash_bytes(payload, seed) != batch->payload_sum)
        return false;
    struct slice record;
    uint32_t count = 0;
    while (format_record_next(&payload, &record))
        count++;
    return payload.size == 0 && count == batch->count;
}

bool format_record_next(struct slice *payload, struct slice *ret_record) {
    if (payload->size < LOG_RECORD_HEADER_SIZE)
        return false;
    uint32_t size = little_u32(payload->data);
    if (size > payload->size - LOG_RECORD_HEADER_SIZE)
        return false;
    *ret_record = slice_make(payload->data + LOG_RECORD_HEADER_SIZE, size);
    payload->data += LOG_RECORD_HEADER_SIZE + size;
    payload->size -= LOG_RECORD_HEADER_SIZE + size;
    return true;
}

void format_name(const char *prefix, uint64_t number, const char *suffix, char ret_name[LOG_NAME_SIZE]) {
    int size = snprintf(ret_name, LOG_NAME_SIZE, "%s%0*" PRIu64 "%s", prefix, NAME_DIGITS, number, suffix);
    ASSERT(size > 0 && size < LOG_NAME_SIZE);
}

bool format_name_parse(const char *name, const char *prefix, const char *suffix, uint64_t *ret_number) {
    size_t size = strlen(prefix);
    if (strncmp(name, prefix, size) != 0)
        return false;
    uint64_t number = 0;
    for (unsigned i = 0; i < NAME_DIGITS; i++) {
        char digit = name[size + i];
        if (digit < '0' || digit > '9')
            return false;
        number = number * 10 + (uint64_t)(digit - '0');
    }
    if (strcmp(name + size + NAME_DIGITS, suffix) != 0 || number == 0)
        return false;
    *ret_number = number;
    return true;
}
