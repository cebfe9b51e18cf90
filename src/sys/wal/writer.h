/* sys/wal/writer.h: the file at the end of a log.
 *
 * A file comes into being under a name of its own, is flushed, renamed, and its name flushed before anything more is written to it. So a file
 * of the log is there with a whole header or not at all, and one that is there proves those before it.
 *
 * Threads: one owner at a time; writer_sync may run beside writer_write.
 * Memory:  one batch.
 * Errors:  STATUS_FULL: no room; nothing has happened that matters, the same call may be tried again. STATUS_IO: the file, or the directory,
 *          is not to be trusted any more; errno says why. STATUS_NO_MEMORY.
 */
#ifndef STRATA_SYS_WAL_WRITER_H
#define STRATA_SYS_WAL_WRITER_H

#include "base/buf.h"
#include "sys/os/files.h"
#include "sys/wal/format.h"

struct writer {
    const struct files *files;
    uint64_t log_id;
    uint64_t number; /* of the file; 0: none yet */
    uint64_t first_lsn;
    uint64_t offset;   /* where the next batch goes */
    uint64_t reserved; /* room is set aside up to here */
    uint64_t told_lsn; /* what the last batch said to be flushed */
    int file;          /* -1: none */
    struct buf batch;  /* the one in the making: room for its header, then its payload */
};

void writer_init(struct writer *writer, const struct files *files, const struct memory *memory, uint64_t log_id);
/* Closes without writing. */
void writer_fini(struct writer *writer);

/* Makes the file `number` (replacing one of that name) with these batches, as writer_keep laid them up, durable at once. The file before it, if
 * `seal`, is given the word that it is followed. After a failure the writer has the file it had. */
MUST_CHECK enum status writer_start(struct writer *writer, const struct log_header *header, const struct buf *kept,
                                    bool seal);

/* An empty batch in the making. Then append the payload to `batch`. */
MUST_CHECK enum status writer_prepare(struct writer *writer);
static inline size_t writer_payload_size(const struct writer *writer) {
    return writer->batch.size - LOG_BATCH_HEADER_SIZE;
}

/* Writes the batch in the making; its sizes and sum are filled in. The same batch may be written again after STATUS_FULL. */
MUST_CHECK enum status writer_write(struct writer *writer, struct log_batch *batch);

/* Lays a batch up, to be written again by writer_start. */
MUST_CHECK enum status writer_keep(struct buf *kept, const struct log_batch *batch, struct slice payload);
/* Drops those from the front of `kept` whose records all are at most `lsn`. */
void writer_keep_after(struct buf *kept, uint64_t lsn);

/* Room for `wanted` bytes more if there are less than `least`; for `least` if the disk has no more. */
MUST_CHECK enum status writer_reserve(struct writer *writer, uint64_t least, uint64_t wanted);

MUST_CHECK enum status writer_sync(const struct writer *writer, int file);

/* Gives back what was reserved and closes. */
void writer_close(struct writer *writer);

#endif
