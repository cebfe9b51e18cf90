#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "sys/wal/scan.h"
#include "sys/wal/snapshot_format.h"

struct snapshot_reader {
    const struct memory *memory;
    struct scan scan;
    struct snapshot_facts facts; /* as header and footer say */
    uint64_t chain;              /* likewise */
    uint64_t blocks, records, bytes, chain_read;
    uint64_t offset, end_offset; /* of the next block; of the footer */
    struct slice payload;        /* what is left of the block */
    char name[LOG_NAME_SIZE];
};

static enum status refuse(char reason[WAL_REASON_SIZE], enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status refuse(char reason[WAL_REASON_SIZE], enum status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, WAL_REASON_SIZE, format, arguments);
    va_end(arguments);
    return status;
}

static enum status unreadable(const struct snapshot_reader *reader, enum status status, uint64_t offset, char *reason) {
    if (status == STATUS_CLOSED)
        return refuse(reason, STATUS_CORRUPT, "%s is damaged at offset %" PRIu64 ": it ends there", reader->name,
                      offset);
    return refuse(reason, status, "%s cannot be read at offset %" PRIu64 ": %s", reader->name, offset,
                  status == STATUS_IO ? strerror(errno) : status_text(status));
}

static enum status read_header(struct snapshot_reader *reader, uint64_t number, char *reason) {
    struct slice bytes;
    uint32_t version = 0;
    enum status status = scan_bytes(&reader->scan, 0, SNAPSHOT_HEADER_SIZE, SNAPSHOT_HEADER_SIZE, &bytes);
    if (status != STATUS_OK)
        return unreadable(reader, status, 0, reason);
    status = snapshot_header_decode(bytes.data, &reader->facts, &version);
    if (status == STATUS_INVALID)
        return refuse(reason, status, "%s has version %" PRIu32 "; this program reads version %d", reader->name,
                      version, SNAPSHOT_VERSION);
    if (status != STATUS_OK)
        return refuse(reason, status, "%s: the header at offset 0 is damaged or missing", reader->name);
    if (reader->facts.number != number)
        return refuse(reason, STATUS_CORRUPT, "%s says that it is number %" PRIu64 "; it has been renamed",
                      reader->name, reader->facts.number);
    return STATUS_OK;
}

static enum status read_footer(struct snapshot_reader *reader, char *reason) {
    uint64_t size = reader->scan.size_bytes;
    if (size < SNAPSHOT_HEADER_SIZE + SNAPSHOT_FOOTER_SIZE)
        return unreadable(reader, STATUS_CLOSED, size, reason);
    struct slice bytes;
    reader->end_offset = size - SNAPSHOT_FOOTER_SIZE;
    enum status status =
        scan_bytes(&reader->scan, reader->end_offset, SNAPSHOT_FOOTER_SIZE, SNAPSHOT_FOOTER_SIZE, &bytes);
    if (status != STATUS_OK)
        return unreadable(reader, status, reader->end_offset, reason);
    uint64_t seed = format_seed(reader->facts.id, reader->facts.number, reader->end_offset);
    if (!snapshot_footer_decode(bytes.data, seed, &reader->facts, &reader->chain))
        return refuse(reason, STATUS_CORRUPT, "%s: the footer at offset %" PRIu64 " is damaged or missing",
                      reader->name, reader->end_offset);
    reader->facts.file_bytes = size;
    reader->offset = SNAPSHOT_HEADER_SIZE;
    return STATUS_OK;
}

enum status snapshot_open(const struct files *files, const struct memory *memory, uint64_t number,
                          struct snapshot_reader **ret_reader, struct snapshot_facts *ret_facts,
                          char ret_reason[WAL_REASON_SIZE]) {
    struct snapshot_reader *reader = memory_take(memory, sizeof *reader);
    if (!reader)
        return refuse(ret_reason, STATUS_NO_MEMORY, "no memory to read a snapshot");
    memset(reader, 0, sizeof *reader);
    reader->memory = memory;
    format_name(SNAPSHOT_PREFIX, number, "", reader->name);
    enum status status = scan_begin(&reader->scan, files, memory, reader->name);
    if (status != STATUS_OK) {
        refuse(ret_reason, status, "%s cannot be read: %s", reader->name, strerror(errno));
        memory_give(memory, reader, sizeof *reader);
        return status;
    }
    status = read_header(reader, number, ret_reason);
    if (status == STATUS_OK)
        status = read_footer(reader, ret_reason);
    if (status != STATUS_OK) {
        snapshot_close(reader);
        return status;
    }
    *ret_reader = reader;
    *ret_facts = reader->facts;
    return STATUS_OK;
}

void snapshot_close(struct snapshot_reader *reader) {
    if (!reader)
        return;
    scan_close(&reader->scan);
    memory_give(reader->memory, reader, sizeof *reader);
}

static enum status damaged(const struct snapshot_reader *reader, char *reason) {
    return refuse(reason, STATUS_CORRUPT,
                  "%s is damaged at offset %" PRIu64 ": block %" PRIu64 " of %" PRIu64 " stood there", reader->name,
                  reader->offset, reader->blocks, reader->facts.blocks);
}

static enum status next_block(struct snapshot_reader *reader, char *reason) {
    uint64_t seed = format_seed(reader->facts.id, reader->facts.number, reader->offset);
    struct slice bytes;
    struct snapshot_block block;
    uint64_t left = reader->end_offset - reader->offset;
    if (left < SNAPSHOT_BLOCK_HEADER_SIZE)
        return damaged(reader, reason);
    enum status status =
        scan_bytes(&reader->scan, reader->offset, SNAPSHOT_BLOCK_HEADER_SIZE, SNAPSHOT_BLOCK_HEADER_SIZE, &bytes);
    if (status != STATUS_OK)
        return unreadable(reader, status, reader->offset, reason);
    if (!snapshot_block_decode(bytes.data, seed, &block) || block.index != reader->blocks ||
        block.payload_size > left - SNAPSHOT_BLOCK_HEADER_SIZE)
        return damaged(reader, reason);
    status = scan_bytes(&reader->scan, reader->offset + SNAPSHOT_BLOCK_HEADER_SIZE, block.payload_size,
                        block.payload_size, &bytes);
    if (status != STATUS_OK)
        return unreadable(reader, status, reader->offset, reason);
    if (!snapshot_block_verify(&block, seed, bytes))
        return damaged(reader, reason);
    reader->payload = bytes;
    reader->blocks++;
    reader->chain_read = snapshot_chain(reader->chain_read, block.payload_sum);
    reader->offset += SNAPSHOT_BLOCK_HEADER_SIZE + (uint64_t)block.payload_size;
    return STATUS_OK;
}

enum status snapshot_next(struct snapshot_reader *reader, struct slice *ret_record, char ret_reason[WAL_REASON_SIZE]) {
    while (!format_record_next(&reader->payload, ret_record)) {
        if (reader->offset < reader->end_offset) {
            TRY(next_block(reader, ret_reason));
            continue;
        }
        if (reader->blocks != reader->facts.blocks || reader->records != reader->facts.records ||
            reader->bytes != reader->facts.bytes || reader->chain_read != reader->chain)
            return refuse(ret_reason, STATUS_CORRUPT, "%s does not hold what its footer says", reader->name);
        return STATUS_CLOSED;
    }
    reader->records++;
    reader->bytes += ret_record->size;
    return STATUS_OK;
}
