#include "sys/wal/scan.h"

#include "base/assert.h"
#include "base/little.h"

enum status scan_begin(struct scan *scan, const struct files *files, const struct memory *memory, const char *name) {
    *scan = (struct scan){.files = files, .file = -1};
    buf_init(&scan->window, memory);
    TRY(files->open(files->context, name, FILES_READ, &scan->file));
    enum status status = files->size(files->context, scan->file, &scan->size_bytes);
    if (status != STATUS_OK)
        scan_close(scan);
    return status;
}

enum status scan_open(struct scan *scan, const struct files *files, const struct memory *memory, const char *name,
                      uint32_t *ret_version) {
    TRY(scan_begin(scan, files, memory, name));
    struct slice bytes;
    enum status status = scan_bytes(scan, 0, LOG_HEADER_SIZE, LOG_HEADER_SIZE, &bytes);
    if (status == STATUS_CLOSED)
        status = STATUS_CORRUPT;
    if (status == STATUS_OK)
        status = log_header_decode(bytes.data, &scan->header, ret_version);
    if (status != STATUS_OK) {
        scan_close(scan);
        return status;
    }
    scan->offset = LOG_HEADER_SIZE;
    scan->next_lsn = scan->header.first_lsn;
    return STATUS_OK;
}

void scan_close(struct scan *scan) {
    if (scan->file >= 0)
        scan->files->close(scan->files->context, scan->file);
    scan->file = -1;
    buf_fini(&scan->window);
}

enum status scan_bytes(struct scan *scan, uint64_t offset, size_t least, size_t most, struct slice *ret_bytes) {
    ASSERT(least <= most);
    if (offset > scan->size_bytes || scan->size_bytes - offset < least)
        return STATUS_CLOSED;
    if (most > scan->size_bytes - offset)
        most = (size_t)(scan->size_bytes - offset);
    uint64_t end = scan->window_offset + scan->window.size;
    if (offset < scan->window_offset || offset + least > end) {
        size_t wanted = least > SCAN_WINDOW_SIZE ? least : SCAN_WINDOW_SIZE, found = 0;
        if (wanted > scan->size_bytes - offset)
            wanted = (size_t)(scan->size_bytes - offset);
        buf_clear(&scan->window);
        buf_shrink(&scan->window, wanted > SCAN_WINDOW_SIZE ? wanted : SCAN_WINDOW_SIZE);
        TRY(buf_reserve(&scan->window, wanted));
        TRY(scan->files->read(scan->files->context, scan->file, offset, scan->window.data, wanted, &found));
        scan->window_offset = offset;
        scan->window.size = found;
        if (found < least)
            return STATUS_CLOSED; /* the file has become shorter while it was read */
    }
    *ret_bytes = slice_part(buf_slice(&scan->window), (size_t)(offset - scan->window_offset), most);
    return STATUS_OK;
}

static uint64_t seed_at(const struct scan *scan, uint64_t offset) {
    return format_seed(scan->header.log_id, scan->header.number, offset);
}

enum status scan_next(struct scan *scan, struct log_batch *ret_batch, struct slice *ret_payload) {
    if (scan->offset == scan->size_bytes)
        return STATUS_CLOSED;
    uint64_t seed = seed_at(scan, scan->offset);
    struct slice bytes, payload;
    struct log_batch batch;
    enum status status = scan_bytes(scan, scan->offset, LOG_BATCH_HEADER_SIZE, LOG_BATCH_HEADER_SIZE, &bytes);
    if (status == STATUS_CLOSED)
        return STATUS_CORRUPT; /* part of a header */
    TRY(status);
    if (!log_batch_decode(bytes.data, seed, &batch) || batch.first_lsn != scan->next_lsn ||
        batch.flushed_lsn >= batch.first_lsn)
        return STATUS_CORRUPT;
    status = scan_bytes(scan, scan->offset + LOG_BATCH_HEADER_SIZE, batch.payload_size, batch.payload_size, &payload);
    if (status == STATUS_CLOSED)
        return STATUS_CORRUPT; /* part of a payload */
    TRY(status);
    if (!log_batch_verify(&batch, seed, payload))
        return STATUS_CORRUPT;
    scan->offset += LOG_BATCH_HEADER_SIZE + (uint64_t)batch.payload_size;
    scan->next_lsn += batch.count;
    *ret_batch = batch;
    *ret_payload = payload;
    return STATUS_OK;
}

enum status scan_proof(struct scan *scan, uint64_t *ret_flushed_lsn, uint64_t *ret_last_lsn) {
    uint64_t flushed = 0, last = 0;
    for (uint64_t at = scan->offset; scan->size_bytes - at >= LOG_BATCH_HEADER_SIZE;) {
        struct slice bytes;
        enum status status = scan_bytes(scan, at, LOG_BATCH_HEADER_SIZE, SCAN_WINDOW_SIZE, &bytes);
        if (status == STATUS_CLOSED)
            break;
        TRY(status);
        size_t places = bytes.size - LOG_BATCH_HEADER_SIZE + 1;
        for (size_t i = 0; i < places; i++) {
            struct log_batch batch;
            if (little_u32(bytes.data + i) != LOG_BATCH_MARK ||
                !log_batch_decode(bytes.data + i, seed_at(scan, at + i), &batch))
                continue;
            if (batch.flushed_lsn > flushed)
                flushed = batch.flushed_lsn;
            if (batch.first_lsn + batch.count - 1 > last)
                last = batch.first_lsn + batch.count - 1;
        }
        at += places;
    }
    *ret_flushed_lsn = flushed;
    *ret_last_lsn = last;
    return STATUS_OK;
}
