/* base/json_text.h: bytes as texts of JSON, and back.
 *
 *     UTF-8            "caf\u0009é"                 as it is, but for " \ and what is below a space
 *     any other bytes  {"base64": "/wA="}           RFC 4648, with padding
 *
 * The same bytes always become the same text.
 *
 * Threads: no state.
 */
#ifndef STRATA_BASE_JSON_TEXT_H
#define STRATA_BASE_JSON_TEXT_H

#include "base/buf.h"

/* Bytes of the string with its quotes; 0: it is not UTF-8, so there is none. */
size_t json_string_size(struct slice text);

/* Appends a string where that is possible, else an object as above; json_base64_write always the object. */
MUST_CHECK enum status json_text_write(struct buf *to, struct slice text);
MUST_CHECK enum status json_base64_write(struct buf *to, struct slice bytes);

/* Appends what the digits stand for. STATUS_INVALID: they are not base64 as it is written here (length, padding, bits beyond the end). */
MUST_CHECK enum status json_base64_read(struct slice digits, struct buf *to);

#endif
