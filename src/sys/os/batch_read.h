/* sys/os/batch_read.h: several reads of a file at the same time, for a thread that waits for all of them.
 *
 *     reads --io_submit--> the disk works on all at once --io_getevents--> each has bytes or an error
 *
 * By the system calls of Linux for asynchronous files, which read so past the page cache only (FILES_DIRECT); of another file they are read one after the other. No thread, no library.
 *
 * Threads: one at a time for each reader.
 * Memory:  the kernel's, some kilobytes a reader, out of what fs.aio-max-nr allows. A child of a fork does not have it.
 */
#ifndef STRATA_SYS_OS_BATCH_READ_H
#define STRATA_SYS_OS_BATCH_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { BATCH_READS_MAX = 64 };

struct batch_read {
    uint64_t offset; /* in: multiples of a block, as for FILES_DIRECT */
    void *bytes;
    uint32_t size;
    uint32_t got; /* out: less than `size` at the file's end */
    int error;    /* out: an errno, or 0 */
};

struct batch_reader {
    uint64_t context; /* 0: not open */
};

/* STATUS_IO: the kernel refuses; errno says why. */
MUST_CHECK enum status batch_reader_open(struct batch_reader *ret_reader);
/* Nothing if it is not open. */
void batch_reader_close(struct batch_reader *reader);

/* At most BATCH_READS_MAX; all have ended when it returns. */
void batch_read(struct batch_reader *reader, int file, struct batch_read *reads, uint32_t count);

#endif
