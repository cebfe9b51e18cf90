/* app/lines/line_read.h: a stream in lines, of any bytes.
 *
 * Threads: one owner at a time.
 * Memory:  the longest line.
 */
#ifndef STRATA_APP_LINES_LINE_READ_H
#define STRATA_APP_LINES_LINE_READ_H

#include <stdio.h>

#include "base/buf.h"

struct line_read {
    FILE *from;
    size_t size_max;
    uint64_t number; /* of the last line; the first is 1 */
    /* private */
    struct buf bytes;
    size_t at;
    bool ended;
};

void line_read_init(struct line_read *lines, FILE *from, size_t size_max);
void line_read_fini(struct line_read *lines);

/* The next line without its end, valid until the next call; the last one may do without an end. STATUS_CLOSED: there is no more. STATUS_TOO_LARGE, STATUS_NO_MEMORY,
 * STATUS_IO with errno: nothing more can be read. */
MUST_CHECK enum status line_read_next(struct line_read *lines, struct slice *ret_line);

#endif
