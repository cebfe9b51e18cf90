#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "sys/wal/wal_inner.h"

/* --- state --- */

static void note_error(struct wal *wal, const char *what) {
    wal->statistics.error = errno;
    snprintf(wal->statistics.error_text, sizeof wal->statistics.error_text, "%s of log-%010llu: %s", what,
             (unsigned long long)wal->writer.number, strerror(errno));
}

void wal_fail(struct wal *wal, const char *what) {
    note_error(wal, what);
    wal->statistics.failures++;
    atomic_store(&wal->state, WAL_FAILED);
}

static void no_room(struct wal *wal, const char *what) {
    note_error(wal, what);
    if (atomic_load(&wal->state) == WAL_RUNNING)
        wal->statistics.fulls++;
    atomic_store(&wal->retry_due_ns, wal_now_ns(wal) + (uint64_t)WAL_RETRY_MS * 1000000);
    atomic_store(&wal->state, WAL_FULL);
}

/* Whether it worked; else the state is another now. Memory that is short is no fault of the file: it is tried again, as for room. */
static bool well(struct wal *wal, enum status status, const char *what) {
    if (status == STATUS_OK)
        return true;
    if (status == STATUS_NO_MEMORY)
        errno = ENOMEM;
    if (status == STATUS_FULL || status == STATUS_NO_MEMORY)
        no_room(wal, what);
    else
        wal_fail(wal, what);
    return false;
}

/* --- writing --- */

/* Room for what the lanes hold is set aside before more is admitted: a disk that is full lets down nobody who has been admitted. */
static bool reserve(struct wal *wal) {
    uint64_t bytes = wal->options.reserve_bytes;
    return bytes <= 1 || well(wal, writer_reserve(&wal->writer, bytes / 2, bytes), "setting room aside at the end");
}

static bool collect(struct wal *wal) {
    uint64_t first_lsn = wal->lanes.next_collected;
    uint32_t count = 0;
    enum status status = writer_prepare(&wal->writer);
    if (status == STATUS_OK)
        status = lanes_collect(&wal->lanes, WAL_BATCH_SIZE_MAX, &wal->writer.batch, &count);
    if (!well(wal, status, "collecting a batch"))
        return false;
    wal->batch = (struct log_batch){.count = count, .first_lsn = first_lsn};
    wal->pending = count > 0;
    return wal->pending;
}

/* What was written stays in memory until it is flushed, as long as that is not too much. */
static void keep(struct wal *wal) {
    uint64_t last = wal->batch.first_lsn + wal->batch.count - 1;
    struct slice payload = slice_part(buf_slice(&wal->writer.batch), LOG_BATCH_HEADER_SIZE, SIZE_MAX);
    if (atomic_load(&wal->mode) == WAL_NO ||
        wal->kept.size + wal->batch.payload_size + sizeof wal->batch > wal->options.kept_bytes ||
        writer_keep(&wal->kept, &wal->batch, payload) != STATUS_OK) {
        buf_clear(&wal->kept);
        wal->unkept_lsn = last;
    }
}

static bool write_pending(struct wal *wal) {
    wal->batch.flushed_lsn = wal->durable;
    if (!well(wal, writer_write(&wal->writer, &wal->batch), "writing to the end"))
        return false;
    wal->pending = false;
    wal->statistics.batches++;
    wal->statistics.records += wal->batch.count;
    wal->statistics.bytes += wal->writer.batch.size;
    keep(wal);
    buf_clear(&wal->writer.batch);
    buf_shrink(&wal->writer.batch, 2 * WAL_BATCH_SIZE_MAX);
    atomic_store(&wal->written, wal->batch.first_lsn + wal->batch.count - 1);
    return true;
}

/* The next batch, with room for it. On a full disk what the lanes still hold was admitted before, and has the room that was set aside; what did not
 * find room once is left to try_again. */
static bool next_batch(struct wal *wal) {
    if (atomic_load(&wal->state) == WAL_RUNNING)
        return wal->pending || collect(wal);
    return atomic_load(&wal->state) == WAL_FULL && !wal->pending && collect(wal) &&
           wal->writer.reserved >= wal->writer.offset + wal->writer.batch.size;
}

bool wal_commit(struct wal *wal) {
    bool any = false;
    while (next_batch(wal) && write_pending(wal)) {
        any = true;
        if (atomic_load(&wal->state) == WAL_RUNNING)
            (void)reserve(wal);
    }
    return any;
}

/* --- flushing --- */

/* Under `writing`. */
static void flushed_up_to(struct wal *wal, uint64_t lsn) {
    if (lsn > wal->durable)
        wal->durable = lsn;
    writer_keep_after(&wal->kept, wal->durable);
    if (!atomic_load(&wal->cover_needed))
        atomic_store(&wal->flushed, wal->durable);
}

static void count_flush(struct wal *wal, uint64_t took_ns) {
    struct wal_statistics *statistics = &wal->statistics;
    statistics->flushes++;
    statistics->flush_ns += took_ns;
    statistics->flush_ns_last = took_ns;
    if (took_ns > statistics->flush_ns_max)
        statistics->flush_ns_max = took_ns;
}

void wal_flush(struct wal *wal) {
    pthread_mutex_lock(&wal->writing);
    uint64_t lsn = atomic_load(&wal->written);
    int file = wal->writer.file;
    bool due = atomic_load(&wal->state) != WAL_FAILED && lsn > wal->durable;
    uint64_t begun_ns = wal_now_ns(wal);
    if (due)
        atomic_store(&wal->flush_begun_ns, begun_ns ? begun_ns : 1);
    pthread_mutex_unlock(&wal->writing);
    if (!due)
        return;
    enum status status = writer_sync(&wal->writer, file);
    int error = errno;
    pthread_mutex_lock(&wal->writing);
    atomic_store(&wal->flush_begun_ns, 0);
    count_flush(wal, wal_now_ns(wal) - begun_ns);
    errno = error;
    if (status == STATUS_OK)
        flushed_up_to(wal, lsn);
    else
        wal_fail(wal, "flushing the end");
    pthread_mutex_unlock(&wal->writing);
}

static bool flush_is_due(const struct wal *wal, uint64_t now_ns) {
    int mode = atomic_load(&wal->mode);
    return atomic_load(&wal->flush_wanted) > wal->durable || mode == WAL_ALWAYS ||
           (mode == WAL_INTERVAL && now_ns >= wal->flush_due_ns);
}

/* --- files --- */

enum status wal_list_add(struct wal *wal, uint64_t number, uint64_t first_lsn, uint64_t bytes_before) {
    struct wal_file file = {.number = number, .first_lsn = first_lsn}, last = {0};
    if (wal->list.size) {
        wal->list.size -= sizeof last;
        memcpy(&last, wal->list.data + wal->list.size, sizeof last);
    }
    last.bytes = bytes_before;
    if (last.number && last.number != number)
        TRY(buf_append(&wal->list, &last, sizeof last));
    return buf_append(&wal->list, &file, sizeof file);
}

/* Under `writing`, with nothing pending. Without room the old file grows on, and the new one is tried again later. */
static void rotate(struct wal *wal) {
    uint64_t written = atomic_load(&wal->written);
    if (written > wal->durable) {
        if (!well(wal, writer_sync(&wal->writer, wal->writer.file) == STATUS_OK ? STATUS_OK : STATUS_IO,
                  "flushing the end"))
            return;
        flushed_up_to(wal, written);
    }
    struct log_header header = {wal->writer.log_id, wal->writer.number + 1, written + 1, written};
    uint64_t bytes_before = wal->writer.offset;
    enum status status = buf_reserve(&wal->list, sizeof(struct wal_file));
    if (status == STATUS_OK)
        status = writer_start(&wal->writer, &header, NULL, true);
    if (status == STATUS_FULL || status == STATUS_NO_MEMORY) {
        wal->rotate_at_bytes = wal->writer.offset + wal->options.file_bytes / 8;
        return;
    }
    if (!well(wal, status, "beginning the file behind the end"))
        return;
    wal->rotate_at_bytes = wal->options.file_bytes;
    wal->statistics.rotations++;
    status = wal_list_add(wal, header.number, header.first_lsn, bytes_before);
    ASSERT(status == STATUS_OK);
    (void)reserve(wal);
}

/* What the next file proves is flushed while others write on, and once more what they wrote meanwhile; only the rest is flushed while they stand still. */
static void flush_ahead(struct wal *wal) {
    for (int i = 0; i < 2; i++) {
        pthread_mutex_lock(&wal->writing);
        bool due = atomic_load(&wal->state) == WAL_RUNNING && !wal->pending &&
                   wal->writer.offset >= wal->rotate_at_bytes && atomic_load(&wal->written) > wal->durable;
        pthread_mutex_unlock(&wal->writing);
        if (due)
            wal_flush(wal);
    }
}

static void rotate_if_due(struct wal *wal) {
    flush_ahead(wal);
    pthread_mutex_lock(&wal->writing);
    if (atomic_load(&wal->state) == WAL_RUNNING && !wal->pending) {
        bool asked = atomic_exchange(&wal->rotate_wanted, false);
        if (wal->writer.offset >= wal->rotate_at_bytes || (asked && wal->writer.offset > LOG_HEADER_SIZE))
            rotate(wal);
    }
    pthread_mutex_unlock(&wal->writing);
}

/* In WAL_FAILED. The number is that of the file which may have come into being when beginning it failed. */
static void begin_anew(struct wal *wal) {
    pthread_mutex_lock(&wal->writing);
    uint64_t written = atomic_load(&wal->written);
    bool whole = wal->unkept_lsn <= wal->durable;
    struct log_header header = {wal->writer.log_id, wal->writer.number + 1, (whole ? wal->durable : written) + 1,
                                wal->durable};
    uint64_t bytes_before = wal->writer.offset;
    enum status status = buf_reserve(&wal->list, sizeof(struct wal_file));
    if (status == STATUS_OK)
        status = writer_start(&wal->writer, &header, whole ? &wal->kept : NULL, false);
    if (status == STATUS_OK) {
        if (!whole && written > wal->durable)
            atomic_store(&wal->cover_needed, written + 1);
        status = wal_list_add(wal, header.number, header.first_lsn, bytes_before);
        ASSERT(status == STATUS_OK);
        buf_clear(&wal->kept);
        wal->unkept_lsn = 0;
        flushed_up_to(wal, written);
        wal->statistics.begun_anew++;
        wal->rotate_at_bytes = wal->options.file_bytes;
        atomic_store(&wal->state, WAL_RUNNING);
        (void)reserve(wal);
    } else {
        note_error(wal, "beginning anew behind the end");
    }
    pthread_mutex_unlock(&wal->writing);
    wal_tell(wal, wal_state_is_new(wal));
}

/* In WAL_FULL, when its time has come. The state changes when it has worked. */
static void try_again(struct wal *wal, uint64_t now_ns) {
    if (now_ns < atomic_load(&wal->retry_due_ns))
        return;
    pthread_mutex_lock(&wal->writing);
    uint64_t room = 0, need = wal->pending ? wal->writer.batch.size : 0;
    enum status status = wal->files->room(wal->files->context, &room);
    bool reserved = wal->writer.reserved >= wal->writer.offset + need;
    if (atomic_load(&wal->state) != WAL_FULL) {
        /* It has failed meanwhile. */
    } else if (status != STATUS_OK || (room < need && !reserved)) {
        atomic_store(&wal->retry_due_ns, now_ns + (uint64_t)WAL_RETRY_MS * 1000000);
    } else {
        if ((!wal->pending || write_pending(wal)) && reserve(wal))
            atomic_store(&wal->state, WAL_RUNNING);
    }
    pthread_mutex_unlock(&wal->writing);
    wal_tell(wal, wal_state_is_new(wal));
}

/* When nothing more comes, one batch without records says what the last flush has proven; so that damage to the last records
 * is no less of a loss than damage to others. It needs no flush itself. */
static void prove(struct wal *wal) {
    pthread_mutex_lock(&wal->writing);
    if (atomic_load(&wal->state) == WAL_RUNNING && !wal->pending && wal->durable > wal->writer.told_lsn) {
        struct log_batch batch = {.first_lsn = atomic_load(&wal->written) + 1, .flushed_lsn = wal->durable};
        enum status status = writer_prepare(&wal->writer);
        if (status == STATUS_OK)
            status = writer_write(&wal->writer, &batch);
        if (status == STATUS_IO)
            wal_fail(wal, "writing to the end");
    }
    pthread_mutex_unlock(&wal->writing);
}

/* --- the turn --- */

static uint64_t until(uint64_t due_ns, uint64_t now_ns) { return due_ns > now_ns ? due_ns - now_ns : 0; }

static uint64_t next_turn(struct wal *wal, uint64_t now_ns) {
    int state = atomic_load(&wal->state), mode = atomic_load(&wal->mode);
    uint64_t staged = wal_staged(wal), written = wal_written(wal);
    if (state == WAL_FAILED)
        return UINT64_MAX;
    if (state == WAL_FULL)
        return until(atomic_load(&wal->retry_due_ns), now_ns);
    if (staged > written)
        return 1000000; /* a record has its number, and is just being copied */
    return mode == WAL_INTERVAL && written > wal->durable ? until(wal->flush_due_ns, now_ns) : UINT64_MAX;
}

uint64_t wal_step(struct wal *wal) {
    uint64_t now_ns = wal_now_ns(wal);
    if (atomic_load(&wal->state) == WAL_FAILED && atomic_exchange(&wal->anew_wanted, false))
        begin_anew(wal);
    if (atomic_load(&wal->state) == WAL_FULL)
        try_again(wal, now_ns);
    pthread_mutex_lock(&wal->writing);
    bool any = wal_commit(wal);
    pthread_mutex_unlock(&wal->writing);
    wal_tell(wal, wal_state_is_new(wal));
    if (flush_is_due(wal, now_ns)) {
        wal->flush_due_ns = now_ns + (uint64_t)atomic_load(&wal->interval_ms) * 1000000;
        wal_flush(wal);
    }
    rotate_if_due(wal);
    wal_tell(wal, wal_state_is_new(wal));
    if (!any)
        prove(wal);
    return any ? 0 : next_turn(wal, wal_now_ns(wal));
}
