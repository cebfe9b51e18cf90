#include "core/proto/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/number.h"
#include "core/proto/resp_put.h"

enum {
    ERROR_SIZE_MAX = 1024, /* bytes of the text that reply_errorf writes; the rest is cut off */
    VERBATIM_FORMAT_SIZE = 3,
};

void reply_init(struct reply *reply, struct buf *out, struct buf *foreign, int protocol) {
    ASSERT(out && (protocol == 2 || protocol == 3));
    *reply = (struct reply){.out = out, .foreign = foreign, .protocol = protocol, .status = STATUS_OK};
}

/* Room for `size` bytes at the end of the output, or NULL. The caller moves the output's size. */
static inline uint8_t *room(struct reply *reply, size_t size) {
    if (__builtin_expect(reply->status != STATUS_OK, 0))
        return NULL;
    struct buf *out = reply->out;
    if (__builtin_expect(out->capacity - out->size < size, 0)) {
        reply->status = buf_grow(out, size);
        if (reply->status != STATUS_OK)
            return NULL;
    }
    return out->data + out->size;
}

static inline void advance_to(struct reply *reply, const uint8_t *end) {
    reply->out->size = (size_t)(end - reply->out->data);
}

static void write_head(struct reply *reply, char type, uint64_t number) {
    uint8_t *at = room(reply, RESP_HEAD_SIZE_MAX);
    if (at)
        advance_to(reply, resp_put_head(at, type, number));
}

/* A line of the type byte and the bytes, in which CR and LF become spaces if `clean` asks for it. */
static void write_line(struct reply *reply, char type, struct slice text, bool clean) {
    if (text.size > SIZE_MAX / 4) {
        reply->status = STATUS_TOO_LARGE;
        return;
    }
    uint8_t *at = room(reply, 1 + text.size + RESP_LINE_END_SIZE);
    if (!at)
        return;
    *at++ = (uint8_t)type;
    if (text.size)
        memcpy(at, text.data, text.size);
    for (size_t i = 0; clean && i < text.size; i++) {
        if (at[i] == '\r' || at[i] == '\n')
            at[i] = ' ';
    }
    advance_to(reply, resp_put_line_end(at + text.size));
}

void reply_raw(struct reply *reply, struct slice bytes) {
    if (reply->status == STATUS_OK)
        reply->status = buf_append_slice(reply->out, bytes);
}

void reply_simple(struct reply *reply, struct slice text) { write_line(reply, '+', text, true); }

void reply_error(struct reply *reply, struct slice text) {
    if (reply->status != STATUS_OK)
        return;
    write_line(reply, '-', text, true);
    reply->errors += reply->status == STATUS_OK;
}

void reply_errorf(struct reply *reply, const char *format, ...) {
    char text[ERROR_SIZE_MAX];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ASSERT(size >= 0);
    reply_error(reply, slice_make(text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1));
}

void reply_integer(struct reply *reply, int64_t value) {
    uint8_t *at = room(reply, RESP_HEAD_SIZE_MAX);
    if (!at)
        return;
    *at++ = ':';
    if (value < 0)
        *at++ = '-';
    advance_to(reply, resp_put_line_end(resp_put_number(at, value < 0 ? 0 - (uint64_t)value : (uint64_t)value)));
}

void *reply_bulk_reserve(struct reply *reply, size_t size) {
    if (size > SIZE_MAX / 4) {
        reply->status = STATUS_TOO_LARGE;
        return NULL;
    }
    uint8_t *at = room(reply, RESP_HEAD_SIZE_MAX + size + RESP_LINE_END_SIZE);
    if (!at)
        return NULL;
    uint8_t *bytes = resp_put_head(at, '$', size);
    advance_to(reply, resp_put_line_end(bytes + size));
    return bytes;
}

enum { SMALL_HEAD_SIZE = 6 }; /* "$999\r\n" */

uint8_t *reply_bulk_small(struct reply *reply, size_t size) {
    uint8_t *at = room(reply, SMALL_HEAD_SIZE + size + RESP_LINE_END_SIZE);
    return at ? resp_put_small_head(at, '$', (uint32_t)size) : NULL;
}

void reply_bulk_done(struct reply *reply, uint8_t *bytes, size_t size) {
    advance_to(reply, resp_put_line_end(bytes + size));
}

void reply_bulk(struct reply *reply, struct slice bytes) {
    void *to = reply_bulk_reserve(reply, bytes.size);
    if (to && bytes.size)
        memcpy(to, bytes.data, bytes.size);
}

void reply_bulk_string(struct reply *reply, const char *text) { reply_bulk(reply, slice_from_string(text)); }

void reply_bulk_integer(struct reply *reply, int64_t value) {
    char digits[NUMBER_TEXT_MAX];
    reply_bulk(reply, slice_make(digits, number_format_i64(value, digits)));
}

/* Both appends or neither: the room for the line end is there before the place is noted. */
void reply_bulk_foreign(struct reply *reply, uint64_t size, uint64_t offset, const uint64_t handle[2]) {
    ASSERT(reply->foreign);
    uint8_t *at = room(reply, RESP_HEAD_SIZE_MAX + RESP_LINE_END_SIZE);
    if (!at)
        return;
    uint8_t *bytes = resp_put_head(at, '$', size);
    struct reply_foreign foreign = {
        .at = (size_t)(bytes - reply->out->data),
        .size = size,
        .offset = offset,
        .handle = {handle[0], handle[1]},
    };
    reply->status = buf_append(reply->foreign, &foreign, sizeof foreign);
    if (reply->status == STATUS_OK)
        advance_to(reply, resp_put_line_end(bytes));
}

void reply_null(struct reply *reply) { reply_raw(reply, reply->protocol == 3 ? SLICE("_\r\n") : SLICE("$-1\r\n")); }

void reply_null_array(struct reply *reply) {
    reply_raw(reply, reply->protocol == 3 ? SLICE("_\r\n") : SLICE("*-1\r\n"));
}

void reply_double(struct reply *reply, double value) {
    char text[DECIMAL_SHORT_MAX];
    struct slice digits = slice_make(text, decimal_format_short(value, text));
    if (reply->protocol == 3)
        write_line(reply, ',', digits, false);
    else
        reply_bulk(reply, digits);
}

void reply_boolean(struct reply *reply, bool value) {
    if (reply->protocol == 3)
        reply_raw(reply, value ? SLICE("#t\r\n") : SLICE("#f\r\n"));
    else
        reply_raw(reply, value ? SLICE(":1\r\n") : SLICE(":0\r\n"));
}

void reply_verbatim(struct reply *reply, const char *format3, struct slice text) {
    ASSERT(strlen(format3) == VERBATIM_FORMAT_SIZE);
    if (reply->protocol == 2) {
        reply_bulk(reply, text);
        return;
    }
    if (text.size > SIZE_MAX / 4) {
        reply->status = STATUS_TOO_LARGE;
        return;
    }
    size_t size = VERBATIM_FORMAT_SIZE + 1 + text.size;
    uint8_t *at = room(reply, RESP_HEAD_SIZE_MAX + size + RESP_LINE_END_SIZE);
    if (!at)
        return;
    at = resp_put_head(at, '=', size);
    memcpy(at, format3, VERBATIM_FORMAT_SIZE);
    at[VERBATIM_FORMAT_SIZE] = ':';
    at += VERBATIM_FORMAT_SIZE + 1;
    if (text.size)
        memcpy(at, text.data, text.size);
    advance_to(reply, resp_put_line_end(at + text.size));
}

void reply_big_number(struct reply *reply, struct slice digits) {
    if (reply->protocol == 3)
        write_line(reply, '(', digits, true);
    else
        reply_bulk(reply, digits);
}

void reply_array(struct reply *reply, size_t count) { write_head(reply, '*', count); }

void reply_map(struct reply *reply, size_t pairs) {
    if (reply->protocol == 3)
        write_head(reply, '%', pairs);
    else
        write_head(reply, '*', 2 * pairs);
}

void reply_set(struct reply *reply, size_t count) { write_head(reply, reply->protocol == 3 ? '~' : '*', count); }

void reply_push(struct reply *reply, size_t count) { write_head(reply, reply->protocol == 3 ? '>' : '*', count); }

struct reply_mark reply_mark(const struct reply *reply) {
    return (struct reply_mark){
        .out_size = reply->out->size,
        .foreign_size = reply->foreign ? reply->foreign->size : 0,
        .errors = reply->errors,
    };
}

void reply_rewind(struct reply *reply, struct reply_mark mark) {
    ASSERT(mark.out_size <= reply->out->size);
    reply->out->size = mark.out_size;
    if (reply->foreign) {
        ASSERT(mark.foreign_size <= reply->foreign->size);
        reply->foreign->size = mark.foreign_size;
    }
    reply->errors = mark.errors;
}
