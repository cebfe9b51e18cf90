/* app/api/json_out.h: JSON as it is written, and replies of commands as JSON.
 *
 *     json_put_open(&out, '{');  json_put_name(&out, "key");  json_put_bytes(&out, key);  json_put_close(&out, '}');
 *
 * Commas are set by themselves. Bytes that are no UTF-8 become {"base64": "..."}. A failure is kept in `status`, and makes later calls do nothing.
 *
 * Threads: one owner at a time.
 * Memory:  `to` belongs to the caller.
 * Errors:  STATUS_NO_MEMORY, STATUS_TOO_LARGE.
 */
#ifndef STRATA_APP_API_JSON_OUT_H
#define STRATA_APP_API_JSON_OUT_H

#include "base/buf.h"
#include "core/proto/resp_reply.h"

struct json_out {
    struct buf *to;
    size_t max; /* bytes of `to`; what goes beyond is not written: STATUS_TOO_LARGE */
    enum status status;
    bool comma; /* before the next value */
};

static inline struct json_out json_out(struct buf *to) { return (struct json_out){.to = to, .max = SIZE_MAX}; }

void json_put_open(struct json_out *out, char bracket);
void json_put_close(struct json_out *out, char bracket);
void json_put_name(struct json_out *out, const char *name);
void json_put_name_bytes(struct json_out *out,
                         struct slice name); /* of a member; what is no UTF-8 is written as its base64 text */
void json_put_bytes(struct json_out *out, struct slice text);
void json_put_text(struct json_out *out, const char *text);
void json_put_number(struct json_out *out, int64_t number);
void json_put_boolean(struct json_out *out, bool value);
void json_put_null(struct json_out *out);
void json_put_raw(struct json_out *out, struct slice json); /* a whole value */

/* A reply as a value: maps are objects, arrays, sets and pushes are arrays, big numbers texts, doubles that are no numbers null. An error inside is
 * {"error": "ERR ..."}. */
void json_put_reply(struct json_out *out, const struct resp_value *value);
/* An array of names and values in turn, as RESP2 has a map, as an object too. */
void json_put_reply_pairs(struct json_out *out, const struct resp_value *value);
/* A text of digits as a number, any other as a text. */
void json_put_digits_or_text(struct json_out *out, struct slice text);

#endif
