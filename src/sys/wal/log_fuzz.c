/* sys/wal/log_fuzz.c: whatever two files of a log hold, reading them visits records in order or refuses with a reason, and opening them and reading
 * again gives the same records.
 *
 * Random bytes would fail at the first checksum, so sums are made right: of each header, and of each batch that the input's own sizes
 * lead to, unless the lowest bit of the last byte of its sum asks for a wrong one.
 */
#include "base/assert.h"
#include "base/little.h"
#include "sys/fault/disk.h"
#include "sys/wal/wal.h"

enum { SIZE_MAX_BYTES = 1 << 16 };

struct visit {
    uint64_t first, last, count, sum;
};

static enum status note(void *context, uint64_t lsn, struct slice record) {
    struct visit *visit = context;
    ASSERT(lsn > visit->last);
    visit->first = visit->count++ ? visit->first : lsn;
    visit->last = lsn;
    visit->sum = hash_bytes(record, visit->sum + lsn);
    return STATUS_OK;
}

/* Makes the sums right, from `offset` on, as far as the sizes lead. */
static void repair(uint8_t *bytes, size_t size, uint64_t log_id, uint64_t number) {
    for (size_t at = LOG_HEADER_SIZE; size - at >= LOG_BATCH_HEADER_SIZE;) {
        uint8_t *batch = bytes + at;
        uint32_t payload_size = little_u32(batch + 4) % 1024;
        if (payload_size > size - at - LOG_BATCH_HEADER_SIZE)
            payload_size = (uint32_t)(size - at - LOG_BATCH_HEADER_SIZE);
        bool wrong = batch[47] & 1;
        uint64_t seed = format_seed(log_id, number, at);
        little_put_u32(batch, LOG_BATCH_MARK);
        little_put_u32(batch + 4, payload_size);
        /* Small numbers, or hardly any batch would follow another. */
        little_put_u64(batch + 8, little_u64(batch + 8) % 256);
        little_put_u32(batch + 16, little_u32(batch + 16) % 256);
        little_put_u64(batch + 24, little_u64(batch + 24) % 256);
        little_put_u64(batch + 32, hash_bytes(slice_make(batch + LOG_BATCH_HEADER_SIZE, payload_size), seed));
        little_put_u64(batch + 40, hash_bytes(slice_make(batch, 40), seed) + wrong);
        at += LOG_BATCH_HEADER_SIZE + payload_size;
    }
}

static void put_file(struct disk *disk, uint64_t number, const uint8_t *data, size_t size) {
    static uint8_t bytes[SIZE_MAX_BYTES];
    char name[LOG_NAME_SIZE];
    memcpy(bytes, data, size);
    format_name(LOG_PREFIX, number, "", name);
    if (size >= LOG_HEADER_SIZE) {
        struct log_header header = {5, number, 1 + little_u64(bytes + 32) % 256, 0};
        header.proven_lsn = little_u64(bytes + 40) % header.first_lsn;
        bool wrong = bytes[63] & 1;
        log_header_encode(&header, bytes);
        bytes[56] ^= wrong;
        repair(bytes, size, 5, number);
    }
    disk_put(disk, name, slice_make(bytes, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4 || size > SIZE_MAX_BYTES)
        return 0;
    struct disk *disk = disk_new(&memory_libc, 1, 0);
    struct wal_need need = {.from_lsn = data[0], .to_lsn = data[1] % 4 ? 0 : data[1]};
    size_t first = data[2] % 3 == 0 ? 0 : (size - 4) * data[3] / 256;
    if (first)
        put_file(disk, 1, data + 4, first);
    put_file(disk, 2, data + 4 + first, size - 4 - first);
    struct visit visit = {0}, again = {0};
    struct wal_visitor visitor = {.record = note, .context = &visit};
    struct wal_options options = {.log_id = 9, .stepped = true, .lane_bytes = 4096, .reserve_bytes = 1};
    struct wal_report report;
    struct wal *wal = NULL;
    enum status status = wal_read(disk_files(disk), &memory_libc, &need, &visitor, &report);
    uint64_t next_lsn = report.next_lsn;
    ASSERT(status == STATUS_OK || report.reason[0]);
    wal_report_fini(&report);
    visitor.context = &again;
    enum status opened = wal_open(disk_files(disk), &options, &need, &visitor, &report, &wal);
    ASSERT((opened == STATUS_OK) == (status == STATUS_OK));
    wal_report_fini(&report);
    wal_free(wal);
    if (status == STATUS_OK) {
        again = (struct visit){0};
        ASSERT(wal_read(disk_files(disk), &memory_libc, &need, &visitor, &report) == STATUS_OK);
        ASSERT(report.next_lsn == next_lsn);
        ASSERT(again.count == visit.count && again.sum == visit.sum && again.last == visit.last);
        wal_report_fini(&report);
    }
    disk_free(disk);
    return 0;
}
