/* sys/wal/scan.h: reads one file of a log from its beginning to the first thing that is not in order.
 *
 * Threads: one owner at a time.
 * Memory:  a window of SCAN_WINDOW_SIZE bytes, larger for a larger batch; never more than the file has.
 * Errors:  STATUS_CORRUPT: what stands at `offset` is no batch, or not the next one. STATUS_CLOSED: the file ends here. STATUS_IO: it cannot
 *          be read; errno says why. STATUS_NO_MEMORY.
 */
#ifndef STRATA_SYS_WAL_SCAN_H
#define STRATA_SYS_WAL_SCAN_H

#include "base/buf.h"
#include "sys/os/files.h"
#include "sys/wal/format.h"

enum { SCAN_WINDOW_SIZE = 256 * 1024 };

struct scan {
    const struct files *files;
    int file;
    uint64_t size_bytes;
    uint64_t offset;   /* of the next batch */
    uint64_t next_lsn; /* that it must begin with */
    struct log_header header;
    struct buf window;
    uint64_t window_offset;
};

/* Opens the file, without looking into it: for readers of other formats, who use scan_bytes. */
MUST_CHECK enum status scan_begin(struct scan *scan, const struct files *files, const struct memory *memory,
                                  const char *name);
/* Opens the file and reads its header. STATUS_INVALID: of a version that is not known, which ret_version says; all other failures as above. */
MUST_CHECK enum status scan_open(struct scan *scan, const struct files *files, const struct memory *memory,
                                 const char *name, uint32_t *ret_version);
void scan_close(struct scan *scan);

/* The next batch. Its payload is valid until the next call. */
MUST_CHECK enum status scan_next(struct scan *scan, struct log_batch *ret_batch, struct slice *ret_payload);

/* Behind damage: the highest number that any batch from here to the end of the file knew to be flushed, and the highest that any of them holds; 0 if there
 * is none. Every place is tried, since after damage nobody knows where the next batch begins. */
MUST_CHECK enum status scan_proof(struct scan *scan, uint64_t *ret_flushed_lsn, uint64_t *ret_last_lsn);

/* Bytes of the file, as far as it has them: at least `least` (else STATUS_CLOSED), at most `most`. */
MUST_CHECK enum status scan_bytes(struct scan *scan, uint64_t offset, size_t least, size_t most,
                                  struct slice *ret_bytes);

#endif
