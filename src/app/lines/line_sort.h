/* app/lines/line_sort.h: many lines in the order of their keys, each key once, in little memory.
 *
 *     add ── memory is full ──> sorted, to a file without a name ── add ── ... ── finish ──> all merged, to a stream
 *
 * Of lines with the same key the one that was added last stays.
 *
 * Threads: one owner at a time.
 * Memory:  about what it is made with, or a line that is larger; then some 128 KiB for each time that it was full.
 * Errors:  STATUS_NO_MEMORY; STATUS_IO with errno. Afterwards only line_sort_free is left.
 */
#ifndef STRATA_APP_LINES_LINE_SORT_H
#define STRATA_APP_LINES_LINE_SORT_H

#include <stdio.h>

#include "base/buf.h"

struct line_sort;

/* The file without a name is made in `folder` (copied), when there is need of one. */
MUST_CHECK enum status line_sort_new(const char *folder, size_t memory_bytes, struct line_sort **ret_sort);
void line_sort_free(struct line_sort *sort); /* NULL: nothing */

/* Keys are of up to 2^32 - 1 bytes. */
MUST_CHECK enum status line_sort_add(struct line_sort *sort, struct slice key, struct slice line);
/* Once. Answers how many lines that were. */
MUST_CHECK enum status line_sort_finish(struct line_sort *sort, FILE *to, uint64_t *ret_count);

#endif
