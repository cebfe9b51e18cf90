/* sys/warm/reader.h: reading records without waiting for the disk.
 *
 *     warm_read, warm_read, ... warm_reader_submit          (a turn of the loop)
 *     descriptor readable --> warm_reader_poll --> done(request's context, outcome, record)
 *
 * Behind it stands io_uring, past the page cache where that is possible. Where the kernel refuses it (containers do), or the files are not the
 * kernel's, a few threads read instead, shared by all readers of a store.
 *
 * `done` is always called later, from warm_reader_poll, never from warm_read; in the order in which reads end.
 *
 * Threads: one owner, the loop's thread.
 * Memory:  8 KiB for each of `depth_max` reads; larger ones take theirs for as long as they run, together at most `large_bytes_max`.
 */
#ifndef STRATA_SYS_WARM_READER_H
#define STRATA_SYS_WARM_READER_H

#include "sys/warm/warm.h"

enum {
    WARM_READER_DEPTH_DEFAULT = 128,
    WARM_READER_DEPTH_MAX = 4096,
    WARM_READER_LARGE_DEFAULT = 16 * 1024 * 1024,
    WARM_READER_BUFFER_SIZE = 8192,
    WARM_READER_THREADS = 4,
};

struct warm_request {
    uint64_t address;
    uint64_t generation; /* warm_generation, asked while the index had the address */
    /* `parts`, of WARM_FOUND, are lent for the call; NULL otherwise. May call warm_read. */
    void (*done)(void *context, enum warm_outcome outcome, const struct warm_parts *parts);
    void *context;
};

struct warm_reader_options {
    uint32_t depth_max;       /* reads under way; 0: WARM_READER_DEPTH_DEFAULT */
    uint64_t large_bytes_max; /* 0: WARM_READER_LARGE_DEFAULT */
    bool threads;             /* not io_uring, even if there is one */
};

struct warm_reader;

/* Before warm_close of its store. STATUS_NO_MEMORY; STATUS_IO: no descriptor, or no threads. */
MUST_CHECK enum status warm_reader_new(struct warm *warm, const struct warm_reader_options *options,
                                       struct warm_reader **ret_reader);
/* Waits for reads under way, whose `done` is not called any more. */
void warm_reader_free(struct warm_reader *reader);

/* Readable when warm_reader_poll has something to do. */
int warm_reader_descriptor(const struct warm_reader *reader);
/* "io_uring" or "threads" (or "steps"). */
const char *warm_reader_kind(const struct warm_reader *reader);

/* STATUS_BUSY: as many are under way as may be, by number or bytes. STATUS_NO_MEMORY. `request` is copied. Reads begin with
 * warm_reader_submit at the latest. */
MUST_CHECK enum status warm_read(struct warm_reader *reader, const struct warm_request *request);
void warm_reader_submit(struct warm_reader *reader);

/* Calls `done` of what has ended; answers of how many. */
uint32_t warm_reader_poll(struct warm_reader *reader);
uint32_t warm_reader_pending(const struct warm_reader *reader);

#endif
