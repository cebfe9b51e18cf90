/* core/rdb/lzf.h: reads LZF, the compression of RDB strings.
 *
 * A sequence of runs; the first byte of each says what follows:
 *
 *     000nnnnn  n + 1 bytes as they are
 *     nnnddddd  dddddddd            repeats n + 2 bytes from d + 1 bytes ago, n from 1 to 6
 *     111ddddd  nnnnnnnn  dddddddd  repeats n + 9 bytes
 *
 * The output is taken in pieces of any size, so that a large value never stands anywhere as a whole: the reader
 * keeps the last 8 KiB, which is as far as a run can reach back.
 *
 * Threads: one owner at a time.
 * Memory:  none but the struct; `input` must live as long as it is read.
 * Errors:  any input is safe. Once a call has answered false, so do all later ones.
 */
#ifndef STRATA_CORE_RDB_LZF_H
#define STRATA_CORE_RDB_LZF_H

#include "base/slice.h"

enum {
    LZF_WINDOW_SIZE = 8192,
    LZF_RUN_MAX = 264,     /* bytes that one run can yield ... */
    LZF_RUN_MAX_STORED = 3 /* ... from this many bytes of input */
};

struct lzf_reader {
    struct slice input;
    size_t at;               /* bytes of the input that are read */
    uint32_t plain, repeats; /* bytes left of the run; at most one is not 0 */
    uint32_t distance;       /* of the repeats, 1 to LZF_WINDOW_SIZE */
    uint64_t produced;
    bool broken;
    uint8_t window[LZF_WINDOW_SIZE]; /* byte number n of the output stands at n modulo the size */
};

void lzf_reader_init(struct lzf_reader *reader, struct slice input);

/* The next `size` bytes; false if the input is malformed or does not yield as many. */
bool lzf_read(struct lzf_reader *reader, uint8_t *ret_bytes, size_t size);

/* The input ends exactly here. */
bool lzf_finished(const struct lzf_reader *reader);

#endif
