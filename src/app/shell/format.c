#include "app/shell/format.h"

#include "base/json_text.h"
#include "base/terminal_text.h"

/* ------------------------------------------------------------------------------------------ quotes */

static const char *escape_of(uint8_t byte) {
    switch (byte) {
        case '\\':
            return "\\\\";
        case '"':
            return "\\\"";
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        case '\a':
            return "\\a";
        case '\b':
            return "\\b";
        default:
            return NULL;
    }
}

enum status format_quoted(struct buf *out, struct slice text) {
    TRY(buf_append(out, "\"", 1));
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        const char *escape = escape_of(byte);
        if (escape)
            TRY(buf_append(out, escape, 2));
        else if (byte >= ' ' && byte < 0x7f)
            TRY(buf_append(out, &byte, 1));
        else
            TRY(buf_printf(out, "\\x%02x", byte));
    }
    return buf_append(out, "\"", 1);
}

static enum status put(struct buf *out, const char *text) { return buf_append(out, text, strlen(text)); }

/* ------------------------------------------------------------------------------------------ standard */

static enum status put_spaces(struct buf *out, size_t count) {
    TRY(buf_reserve(out, count));
    memset(out->data + out->size, ' ', count);
    out->size += count;
    return STATUS_OK;
}

static enum status standard(struct buf *out, const struct resp_value *reply, size_t indent);

/* A value of a map with more than one line begins on a line of its own. */
static bool takes_lines(const struct resp_value *value) {
    while (resp_type_has_members(value->type) && value->count) {
        uint32_t of_one = value->type == RESP_MAP ? 2 : 1;
        if (value->count > of_one)
            return true;
        value = &value->members[of_one - 1];
    }
    return false;
}

static enum status standard_members(struct buf *out, const struct resp_value *reply, size_t indent) {
    bool is_map = reply->type == RESP_MAP;
    char sign = is_map ? '#' : reply->type == RESP_SET ? '~' : ')';
    int digits = 0;
    for (uint32_t left = is_map ? reply->count / 2 : reply->count; digits == 0 || left; left /= 10)
        digits++;
    for (uint32_t i = 0; i < reply->count; i++) {
        uint32_t number = (is_map ? i / 2 : i) + 1;
        if (i)
            TRY(put_spaces(out, indent));
        TRY(buf_printf(out, "%*u%c ", digits, number, sign));
        TRY(standard(out, &reply->members[i], indent + (size_t)digits + 2));
        if (!is_map)
            continue;
        out->size--; /* the line end */
        TRY(put(out, " => "));
        if (takes_lines(&reply->members[i + 1])) {
            TRY(put(out, "\n"));
            TRY(put_spaces(out, indent + (size_t)digits + 2));
        }
        TRY(standard(out, &reply->members[++i], indent + (size_t)digits + 2));
    }
    return STATUS_OK;
}

static const char *name_of_empty(enum resp_type type) {
    return type == RESP_MAP    ? "(empty hash)\n"
           : type == RESP_SET  ? "(empty set)\n"
           : type == RESP_PUSH ? "(empty push)\n"
                               : "(empty array)\n";
}

static enum status put_line(struct buf *out, const char *before, struct slice text) {
    TRY(put(out, before));
    TRY(buf_append_slice(out, text));
    return buf_append(out, "\n", 1);
}

static enum status standard(struct buf *out, const struct resp_value *reply, size_t indent) {
    switch (reply->type) {
        case RESP_SIMPLE:
        case RESP_VERBATIM:
            return put_line(out, "", reply->text);
        case RESP_SIMPLE_ERROR:
        case RESP_BULK_ERROR:
            return put_line(out, "(error) ", reply->text);
        case RESP_INTEGER:
            return buf_printf(out, "(integer) %lld\n", (long long)reply->integer);
        case RESP_DOUBLE:
            return put_line(out, "(double) ", reply->text);
        case RESP_BIG_NUMBER:
            return put_line(out, "(big number) ", reply->text);
        case RESP_BOOLEAN:
            return put(out, reply->boolean ? "(true)\n" : "(false)\n");
        case RESP_NULL:
            return put(out, "(nil)\n");
        case RESP_BULK:
            TRY(format_quoted(out, reply->text));
            return put(out, "\n");
        case RESP_ARRAY:
        case RESP_MAP:
        case RESP_SET:
        case RESP_PUSH:
        case RESP_ATTRIBUTE:
            break;
    }
    return reply->count ? standard_members(out, reply, indent) : put(out, name_of_empty(reply->type));
}

/* ------------------------------------------------------------------------------------------ raw */

static enum status raw(const struct format *format, struct buf *out, const struct resp_value *reply) {
    switch (reply->type) {
        case RESP_NULL:
            return STATUS_OK;
        case RESP_SIMPLE_ERROR:
        case RESP_BULK_ERROR:
            return put_line(out, "", reply->text);
        case RESP_INTEGER:
            return buf_printf(out, "%lld", (long long)reply->integer);
        case RESP_BOOLEAN:
            return put(out, reply->boolean ? "(true)" : "(false)");
        case RESP_SIMPLE:
        case RESP_BULK:
        case RESP_VERBATIM:
        case RESP_DOUBLE:
        case RESP_BIG_NUMBER:
            return buf_append_slice(out, reply->text);
        case RESP_ARRAY:
        case RESP_MAP:
        case RESP_SET:
        case RESP_PUSH:
        case RESP_ATTRIBUTE:
            break;
    }
    for (uint32_t i = 0; i < reply->count; i++) {
        if (reply->type == RESP_MAP && i % 2)
            TRY(put(out, " "));
        else if (i)
            TRY(buf_append_slice(out, format->between));
        TRY(raw(format, out, &reply->members[i]));
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ CSV */

static enum status csv(struct buf *out, const struct resp_value *reply) {
    switch (reply->type) {
        case RESP_NULL:
            return put(out, "NULL");
        case RESP_SIMPLE_ERROR:
        case RESP_BULK_ERROR:
            TRY(put(out, "ERROR,"));
            return format_quoted(out, reply->text);
        case RESP_INTEGER:
            return buf_printf(out, "%lld", (long long)reply->integer);
        case RESP_BOOLEAN:
            return put(out, reply->boolean ? "true" : "false");
        case RESP_DOUBLE:
        case RESP_BIG_NUMBER:
            return buf_append_slice(out, reply->text);
        case RESP_SIMPLE:
        case RESP_BULK:
        case RESP_VERBATIM:
            return format_quoted(out, reply->text);
        case RESP_ARRAY:
        case RESP_MAP:
        case RESP_SET:
        case RESP_PUSH:
        case RESP_ATTRIBUTE:
            break;
    }
    for (uint32_t i = 0; i < reply->count; i++) {
        if (i)
            TRY(put(out, ","));
        TRY(csv(out, &reply->members[i]));
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ JSON */

/* The text is UTF-8 in a JSON string: characters beyond ASCII become \uHHHH, two of them beyond the first 65536. */
static enum status put_ascii(struct buf *out, struct slice json) {
    for (size_t i = 0; i < json.size;) {
        uint32_t byte = json.data[i++];
        if (byte < 0x80) {
            TRY(buf_append(out, &json.data[i - 1], 1));
            continue;
        }
        unsigned more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        uint32_t point = byte & (0x3fu >> more);
        for (unsigned k = 0; k < more && i < json.size; k++)
            point = point << 6 | (json.data[i++] & 0x3fu);
        if (point >= 0x10000)
            TRY(buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (point >> 10)),
                           (unsigned)(0xdc00 + (point & 0x3ff))));
        else
            TRY(buf_printf(out, "\\u%04x", (unsigned)point));
    }
    return STATUS_OK;
}

static enum status json_text(const struct format *format, struct buf *out, struct slice text) {
    size_t from = out->size;
    TRY(json_text_write(out, text));
    if (!format->ascii)
        return STATUS_OK;
    struct buf copy = {.memory = out->memory};
    enum status status = buf_append(&copy, out->data + from, out->size - from);
    out->size = from;
    if (status == STATUS_OK)
        status = put_ascii(out, buf_slice(&copy));
    buf_fini(&copy);
    return status;
}

static size_t digits(struct slice text, size_t at) {
    size_t count = 0;
    while (at + count < text.size && text.data[at + count] >= '0' && text.data[at + count] <= '9')
        count++;
    return count;
}

/* By the grammar of RFC 8259. */
static bool is_json_number(struct slice text) {
    size_t at = text.size && text.data[0] == '-', whole = digits(text, at);
    if (whole == 0 || (whole > 1 && text.data[at] == '0'))
        return false;
    at += whole;
    if (at < text.size && text.data[at] == '.') {
        size_t count = digits(text, at + 1);
        if (count == 0)
            return false;
        at += 1 + count;
    }
    if (at < text.size && (text.data[at] | 0x20) == 'e') {
        at += 1 + (at + 1 < text.size && (text.data[at + 1] == '+' || text.data[at + 1] == '-'));
        size_t count = digits(text, at);
        if (count == 0)
            return false;
        at += count;
    }
    return at == text.size;
}

static bool has_names(const struct resp_value *map) {
    for (uint32_t i = 0; i < map->count; i += 2) {
        enum resp_type type = map->members[i].type;
        if ((type != RESP_BULK && type != RESP_SIMPLE && type != RESP_VERBATIM) ||
            !json_string_size(map->members[i].text))
            return false;
    }
    return true;
}

static enum status json(const struct format *format, struct buf *out, const struct resp_value *reply);

static enum status json_members(const struct format *format, struct buf *out, const struct resp_value *reply) {
    bool is_map = reply->type == RESP_MAP, is_object = is_map && has_names(reply);
    TRY(put(out, is_object ? "{" : "["));
    for (uint32_t i = 0; i < reply->count; i++) {
        bool is_value = is_map && i % 2;
        if (i)
            TRY(put(out, is_value && is_object ? ":" : ","));
        if (is_map && !is_object && !is_value)
            TRY(put(out, "["));
        TRY(json(format, out, &reply->members[i]));
        if (is_value && !is_object)
            TRY(put(out, "]"));
    }
    return put(out, is_object ? "}" : "]");
}

static enum status json(const struct format *format, struct buf *out, const struct resp_value *reply) {
    switch (reply->type) {
        case RESP_NULL:
            return put(out, "null");
        case RESP_SIMPLE_ERROR:
        case RESP_BULK_ERROR:
            TRY(put(out, "{\"error\":"));
            TRY(json_text(format, out, reply->text));
            return put(out, "}");
        case RESP_INTEGER:
            return buf_printf(out, "%lld", (long long)reply->integer);
        case RESP_BOOLEAN:
            return put(out, reply->boolean ? "true" : "false");
        case RESP_DOUBLE:
        case RESP_BIG_NUMBER:
            return is_json_number(reply->text) ? buf_append_slice(out, reply->text)
                                               : json_text(format, out, reply->text);
        case RESP_SIMPLE:
        case RESP_BULK:
        case RESP_VERBATIM:
            return json_text(format, out, reply->text);
        case RESP_ARRAY:
        case RESP_MAP:
        case RESP_SET:
        case RESP_PUSH:
        case RESP_ATTRIBUTE:
            break;
    }
    return json_members(format, out, reply);
}

static enum status for_people(const struct format *format, const struct resp_value *reply, bool is_text,
                              struct buf *out) {
    return is_text ? raw(format, out, reply) : standard(out, reply, 0);
}

/* Errors, simple strings and texts stand there as they came. */
static enum status guarded(const struct format *format, const struct resp_value *reply, bool is_text, struct buf *out) {
    struct buf plain = {.memory = out->memory};
    enum status status = for_people(format, reply, is_text, &plain);
    if (status == STATUS_OK)
        status = terminal_text_write(out, buf_slice(&plain), true);
    buf_fini(&plain);
    return status;
}

enum status format_reply(const struct format *format, const struct resp_value *reply, bool is_text, struct buf *out) {
    switch (format->kind) {
        case FORMAT_STANDARD:
            return (format->guarded ? guarded : for_people)(format, reply, is_text, out);
        case FORMAT_RAW:
            TRY(raw(format, out, reply));
            return is_text ? STATUS_OK : buf_append_slice(out, format->behind);
        case FORMAT_CSV:
            TRY(csv(out, reply));
            return put(out, "\n");
        case FORMAT_JSON:
            TRY(json(format, out, reply));
            return put(out, "\n");
    }
    return STATUS_INVALID;
}
