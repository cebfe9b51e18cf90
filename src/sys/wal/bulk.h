/* sys/wal/bulk.h: a file that is written from its beginning to its end, past the page cache where the file system can do that.
 *
 * Through the page cache every byte is copied by the kernel, which a worker on the same processor waits for, and what others have in the cache is pushed out by what
 * nobody is going to read. 2 GiB took 6.4 s of processor in it and 0.3 s past it (decision 0060).
 *
 * Threads: one at a time.
 * Memory:  a part of BULK_SIZE.
 * Errors:  those of struct files, and STATUS_NO_MEMORY.
 */
#ifndef STRATA_SYS_WAL_BULK_H
#define STRATA_SYS_WAL_BULK_H

#include "base/buf.h"
#include "sys/os/files.h"

enum { BULK_SIZE = 1 << 20, BULK_ALIGN = 4096 };

struct bulk {
    const struct files *files;
    const char *name;
    int file, direct; /* direct: the same file, opened past the page cache; -1: not yet, or it cannot be */
    bool refused;     /* the file system cannot do that */
    uint64_t offset;  /* where `bytes` go */
    struct buf room;  /* in which they are aligned */
    uint8_t *bytes;
    size_t size;
};

/* `file` is new and empty; both it and the name stay the caller's. */
MUST_CHECK enum status bulk_begin(struct bulk *bulk, const struct files *files, const struct memory *memory,
                                  const char *name, int file);
MUST_CHECK enum status bulk_write(struct bulk *bulk, const void *bytes, size_t size);
/* What is still in memory is written; nothing can be written behind it. */
MUST_CHECK enum status bulk_finish(struct bulk *bulk);
/* All zeros: nothing. */
void bulk_end(struct bulk *bulk);

#endif
