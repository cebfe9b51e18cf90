#include "app/api/json_out.h"

#include <math.h>

#include "base/json_text.h"
#include "base/number.h"

enum { SIZE_MEASURED = 4096 }; /* bytes from which on a text is measured before it is written */

static bool fits(struct json_out *out, size_t more) {
    if (out->status == STATUS_OK && (out->to->size > out->max || more > out->max - out->to->size))
        out->status = STATUS_TOO_LARGE;
    return out->status == STATUS_OK;
}

static void put(struct json_out *out, struct slice text) {
    if (fits(out, text.size))
        out->status = buf_append_slice(out->to, text);
}

/* As a text, where it may become six times as large, or else as base64. */
static size_t size_of(struct slice text) {
    if (text.size < SIZE_MEASURED)
        return text.size;
    size_t size = json_string_size(text);
    return size ? size : text.size / 3 * 4;
}

static void separate(struct json_out *out) {
    if (out->comma)
        put(out, SLICE(","));
    out->comma = true;
}

void json_put_open(struct json_out *out, char bracket) {
    separate(out);
    put(out, slice_make(&bracket, 1));
    out->comma = false;
}

void json_put_close(struct json_out *out, char bracket) {
    put(out, slice_make(&bracket, 1));
    out->comma = true;
}

void json_put_name_bytes(struct json_out *out, struct slice name) {
    separate(out);
    if (json_string_size(name)) {
        if (out->status == STATUS_OK)
            out->status = json_text_write(out->to, name);
    } else if (out->status == STATUS_OK) {
        size_t at = out->to->size;
        out->status = json_base64_write(out->to, name);
        if (out->status == STATUS_OK) { /* {"base64":"..."} without what is around the digits' text */
            static const char head[] = "{\"base64\":";
            size_t size = out->to->size - at - (sizeof head - 1) - 1;
            memmove(out->to->data + at, out->to->data + at + sizeof head - 1, size);
            out->to->size = at + size;
        }
    }
    put(out, SLICE(":"));
    out->comma = false;
}

void json_put_name(struct json_out *out, const char *name) { json_put_name_bytes(out, slice_from_string(name)); }

void json_put_bytes(struct json_out *out, struct slice text) {
    separate(out);
    if (fits(out, size_of(text)))
        out->status = json_text_write(out->to, text);
}

void json_put_text(struct json_out *out, const char *text) { json_put_bytes(out, slice_from_string(text)); }

void json_put_number(struct json_out *out, int64_t number) {
    char text[NUMBER_TEXT_MAX];
    separate(out);
    put(out, slice_make(text, number_format_i64(number, text)));
}

void json_put_boolean(struct json_out *out, bool value) {
    separate(out);
    put(out, value ? SLICE("true") : SLICE("false"));
}

void json_put_null(struct json_out *out) {
    separate(out);
    put(out, SLICE("null"));
}

void json_put_raw(struct json_out *out, struct slice json) {
    separate(out);
    put(out, json);
}

static bool is_number(struct slice text) {
    size_t at = text.size && text.data[0] == '-', digits = 0;
    bool leading_zero = text.size > at + 1 && text.data[at] == '0' && text.data[at + 1] != '.';
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++)
        digits++;
    if (at < text.size && digits && text.data[at] == '.') {
        size_t point = at++;
        while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9')
            at++;
        digits = at - point > 1 ? digits : 0;
    }
    return at == text.size && digits && digits < 19 && !leading_zero;
}

void json_put_digits_or_text(struct json_out *out, struct slice text) {
    if (is_number(text))
        json_put_raw(out, text);
    else
        json_put_bytes(out, text);
}

static void reply_object(struct json_out *out, const struct resp_value *value) {
    json_put_open(out, '{');
    for (uint32_t i = 0; i + 1 < value->count; i += 2) {
        struct slice name = value->members[i].text;
        char number[NUMBER_TEXT_MAX];
        if (value->members[i].type == RESP_INTEGER)
            name = slice_make(number, number_format_i64(value->members[i].integer, number));
        json_put_name_bytes(out, name);
        json_put_reply(out, &value->members[i + 1]);
    }
    json_put_close(out, '}');
}

void json_put_reply_pairs(struct json_out *out, const struct resp_value *value) {
    if (resp_type_has_members(value->type) && value->count % 2 == 0)
        reply_object(out, value);
    else
        json_put_reply(out, value);
}

static void reply_array(struct json_out *out, const struct resp_value *value) {
    json_put_open(out, '[');
    for (uint32_t i = 0; i < value->count; i++)
        json_put_reply(out, &value->members[i]);
    json_put_close(out, ']');
}

static void reply_error(struct json_out *out, struct slice text) {
    json_put_open(out, '{');
    json_put_name(out, "error");
    json_put_bytes(out, text);
    json_put_close(out, '}');
}

void json_put_reply(struct json_out *out, const struct resp_value *value) {
    switch (value->type) {
        case RESP_INTEGER:
            json_put_number(out, value->integer);
            break;
        case RESP_NULL:
            json_put_null(out);
            break;
        case RESP_BOOLEAN:
            json_put_boolean(out, value->boolean);
            break;
        case RESP_DOUBLE:
            if (is_number(value->text))
                json_put_raw(out, value->text);
            else if (isfinite(value->number))
                json_put_bytes(out, value->text);
            else
                json_put_null(out);
            break;
        case RESP_MAP:
            reply_object(out, value);
            break;
        case RESP_ARRAY:
        case RESP_SET:
        case RESP_PUSH:
            reply_array(out, value);
            break;
        case RESP_SIMPLE_ERROR:
        case RESP_BULK_ERROR:
            reply_error(out, value->text);
            break;
        default:
            json_put_bytes(out, value->text);
            break;
    }
}
