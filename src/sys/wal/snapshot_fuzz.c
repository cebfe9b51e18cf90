/* sys/wal/snapshot_fuzz.c: whatever a snapshot's file holds, reading it ends, with all that the footer says or with a reason.
 *
 * Sums are made right, as in log_fuzz.c, and so are the counts of the footer if a bit of the input asks for that.
 */
#include "base/assert.h"
#include "base/little.h"
#include "sys/fault/disk.h"
#include "sys/wal/snapshot_format.h"

enum { SIZE_MAX_BYTES = 1 << 16 };

static void repair(uint8_t *bytes, size_t size, bool whole) {
    struct snapshot_facts facts = {.number = 1, .id = 7, .log_id = bytes[32], .start_lsn = 1 + bytes[40]};
    uint64_t chain = 0;
    bool wrong = bytes[63] & 1;
    snapshot_header_encode(&facts, bytes);
    bytes[56] ^= wrong;
    size_t end = size - SNAPSHOT_FOOTER_SIZE;
    for (size_t at = SNAPSHOT_HEADER_SIZE; end - at >= SNAPSHOT_BLOCK_HEADER_SIZE;) {
        size_t most = end - at - SNAPSHOT_BLOCK_HEADER_SIZE;
        size_t payload_size = whole                                      ? most
                              : little_u32(bytes + at + 4) % 1024 < most ? little_u32(bytes + at + 4) % 1024
                                                                         : most;
        struct slice payload = slice_make(bytes + at + SNAPSHOT_BLOCK_HEADER_SIZE, payload_size), record,
                     rest = payload;
        struct snapshot_block block = {.count = bytes[at + 8], .index = facts.blocks + (bytes[at + 16] == 255)};
        for (uint32_t count = 0; whole && format_record_next(&rest, &record); block.count = count) {
            count++;
            facts.records++;
            facts.bytes += record.size;
        }
        snapshot_block_encode(&block, format_seed(7, 1, at), payload, bytes + at);
        chain = snapshot_chain(chain, block.payload_sum);
        facts.blocks++;
        at += SNAPSHOT_BLOCK_HEADER_SIZE + payload_size;
    }
    if (!whole) {
        facts.records = bytes[end + 16];
        facts.bytes = bytes[end + 24];
    }
    snapshot_footer_encode(&facts, chain, format_seed(7, 1, end), bytes + end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t bytes[SIZE_MAX_BYTES];
    if (size < 1 || size > SIZE_MAX_BYTES)
        return 0;
    memcpy(bytes, data + 1, --size);
    if (size >= SNAPSHOT_HEADER_SIZE + SNAPSHOT_FOOTER_SIZE && data[0] % 8)
        repair(bytes, size, data[0] % 2);
    struct disk *disk = disk_new(&memory_libc, 1, 0);
    disk_put(disk, "snapshot-0000000001", slice_make(bytes, size));
    struct snapshot_reader *reader;
    struct snapshot_facts facts;
    struct slice record;
    char reason[WAL_REASON_SIZE] = "";
    uint64_t records = 0, sum = 0;
    enum status status = snapshot_open(disk_files(disk), &memory_libc, 1, &reader, &facts, reason);
    if (status == STATUS_OK) {
        while ((status = snapshot_next(reader, &record, reason)) == STATUS_OK) {
            records++;
            sum += record.size;
        }
        snapshot_close(reader);
    }
    ASSERT(status == STATUS_CLOSED ? records == facts.records && sum == facts.bytes : reason[0] != 0);
    disk_free(disk);
    return 0;
}
