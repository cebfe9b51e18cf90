/* app/shell/format.h: replies as people and programs read them.
 *
 *     *2 $1 a :7      standard            raw     CSV      JSON
 *                     1) "a"              a       "a",7    ["a",7]
 *                     2) (integer) 7      7
 *
 * Standard (but what is `guarded` from), raw and CSV are those of redis-cli 7.0, byte for byte. JSON: text that is UTF-8 is a string, other bytes are {"base64": ...}; a map is an
 * object if all its names are UTF-8 text, else an array of pairs; an error is {"error": ...}; what JSON has no number for (inf, nan) is a string.
 *
 * Threads: no state.
 * Errors:  STATUS_NO_MEMORY; what was appended until then is of no use.
 */
#ifndef STRATA_APP_SHELL_FORMAT_H
#define STRATA_APP_SHELL_FORMAT_H

#include "core/proto/resp_reply.h"

enum format_kind { FORMAT_STANDARD, FORMAT_RAW, FORMAT_CSV, FORMAT_JSON };

struct format {
    enum format_kind kind;
    struct slice between; /* members of a raw reply */
    struct slice behind;  /* a raw reply */
    bool ascii;           /* JSON with nothing but ASCII in it */
    bool guarded;         /* the standard form is for a terminal, which does nothing that a reply asks it to do */
};

/* With its line end. `is_text`: bytes of a string are for people, so the standard form shows them as they are, and no line end behind. */
MUST_CHECK enum status format_reply(const struct format *format, const struct resp_value *reply, bool is_text,
                                    struct buf *out);

/* In double quotes, with \n, \r, \t, \a, \b, \\, \" and \xHH for what cannot be printed. */
MUST_CHECK enum status format_quoted(struct buf *out, struct slice text);

#endif
