/* app/lines/entry_line.h: an entry as a line of JSON, and back.
 *
 *     {"db":0,"key":"user:7","type":"string","value":"Ada","expires_at_ms":1767225600000,"version":42,"tags":["team:1"]}
 *
 * What is not UTF-8 is {"base64": "..."} (base/json_text.h), and so are values from ENTRY_LINE_BASE64_MIN bytes on that would take more than twice their size
 * as text. Members that say nothing are left out; the others stand in this order, tags by their bytes, so the same entry is always the same line. Whoever reads a line takes
 * them in any order and does without "db" (0) and "type", but neither with others nor with one twice.
 *
 * Threads: a reader has one owner at a time.
 * Memory:  what is written goes to the caller's buf; what was read lives in the reader until the next line. A line takes some times its size to read.
 */
#ifndef STRATA_APP_LINES_ENTRY_LINE_H
#define STRATA_APP_LINES_ENTRY_LINE_H

#include "base/buf.h"
#include "core/cache/cache.h"

enum { ENTRY_LINE_BASE64_MIN = 64 * 1024, ENTRY_LINE_PROBLEM_SIZE = 256 };
#define ENTRY_LINE_SIZE_MAX ((size_t)1100 << 20) /* a value of 512 MiB as text, with all that may stand beside it */

struct entry_line {
    uint32_t db;
    struct slice key, value;
    uint64_t expires_at_ms; /* Unix time; 0: never */
    uint64_t version;       /* given by whoever wrote it; 0: none */
    uint32_t tag_count;
    struct slice tags[CACHE_TAGS_MAX]; /* writing sorts them */
};

/* Appends the line with its end. After a failure `to` is as it was. */
MUST_CHECK enum status entry_line_write(struct entry_line *entry, struct buf *to);

struct entry_line_reader { /* all zero but for `bytes`, which is initialised, before the first line */
    void *root;
    struct buf bytes;
};
void entry_line_reader_init(struct entry_line_reader *reader);
void entry_line_reader_fini(struct entry_line_reader *reader);

/* The line without its end. STATUS_INVALID: `ret_problem` says what is wrong with it. STATUS_NO_MEMORY. */
MUST_CHECK enum status entry_line_read(struct entry_line_reader *reader, struct slice line,
                                       struct entry_line *ret_entry, char ret_problem[ENTRY_LINE_PROBLEM_SIZE]);

#endif
