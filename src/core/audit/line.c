#include "core/audit/line.h"

#include "base/number.h"

#define BEFORE_SEQ SLICE("{\"seq\":")
#define BEFORE_PREV SLICE(",\"prev\":\"")
#define BEFORE_HASH SLICE(",\"hash\":\"")

static bool is_hash(struct slice digits) {
    for (size_t i = 0; i < digits.size; i++)
        if (!((digits.data[i] >= '0' && digits.data[i] <= '9') || (digits.data[i] >= 'a' && digits.data[i] <= 'f')))
            return false;
    return digits.size == AUDIT_HASH_SIZE;
}

/* `"KIND"` behind `,"time":"27 characters","kind":` */
static bool read_kind(struct slice rest, struct slice *ret_kind) {
    enum { TIME_SIZE = 27, KIND_SIZE_MAX = 16 };
    struct slice time = SLICE(",\"time\":\""), kind = SLICE("\",\"kind\":\"");
    if (!slice_starts_with(rest, time))
        return false;
    rest = slice_part(rest, time.size + TIME_SIZE, SIZE_MAX);
    if (!slice_starts_with(rest, kind))
        return false;
    rest = slice_part(rest, kind.size, KIND_SIZE_MAX + 1);
    const uint8_t *end = rest.size ? memchr(rest.data, '"', rest.size) : NULL;
    if (!end)
        return false;
    *ret_kind = slice_make(rest.data, (size_t)(end - rest.data));
    return true;
}

bool audit_line_read(struct slice bytes, struct audit_line *ret_line) {
    const size_t hash_part = BEFORE_HASH.size + AUDIT_HASH_SIZE + 2, prev_part = BEFORE_PREV.size + AUDIT_HASH_SIZE + 1;
    if (bytes.size < BEFORE_SEQ.size + 1 + prev_part + hash_part || !slice_starts_with(bytes, BEFORE_SEQ))
        return false;
    const struct slice end = slice_part(bytes, bytes.size - hash_part, hash_part);
    const struct slice covered = slice_part(bytes, 0, bytes.size - hash_part);
    const struct slice before = slice_part(covered, covered.size - prev_part, prev_part);
    struct audit_line line = {.covered = covered,
                              .hash = slice_part(end, BEFORE_HASH.size, AUDIT_HASH_SIZE),
                              .prev = slice_part(before, BEFORE_PREV.size, AUDIT_HASH_SIZE)};
    if (!slice_starts_with(end, BEFORE_HASH) || !slice_equal(slice_part(end, hash_part - 2, 2), SLICE("\"}")) ||
        !slice_starts_with(before, BEFORE_PREV) || before.data[before.size - 1] != '"' || !is_hash(line.hash) ||
        !is_hash(line.prev))
        return false;
    struct slice digits = slice_part(bytes, BEFORE_SEQ.size, 20);
    const uint8_t *comma = memchr(digits.data, ',', digits.size);
    if (!comma)
        return false;
    digits.size = (size_t)(comma - digits.data);
    if (!number_parse_u64(digits, &line.seq) ||
        !read_kind(slice_part(bytes, BEFORE_SEQ.size + digits.size, SIZE_MAX), &line.kind))
        return false;
    *ret_line = line;
    return true;
}

/* ------------------------------------------------------------------ fields */

struct reader {
    struct slice text;
    size_t at;
};

/* 0 at the end. */
static uint8_t here(const struct reader *reader) {
    return reader->at < reader->text.size ? reader->text.data[reader->at] : 0;
}

/* From its first quote to behind its last one. */
static bool read_text(struct reader *reader, struct slice *ret_text) {
    if (here(reader) != '"')
        return false;
    const size_t from = ++reader->at;
    while (reader->at < reader->text.size && here(reader) != '"')
        reader->at += here(reader) == '\\' ? 2 : 1;
    if (here(reader) != '"')
        return false;
    *ret_text = slice_part(reader->text, from, reader->at - from);
    reader->at++;
    return true;
}

/* An array or object: what is in it is not looked at. */
static bool read_nested(struct reader *reader, struct slice *ret_value) {
    const size_t from = reader->at;
    struct slice text;
    uint32_t depth = 0;
    do {
        const uint8_t byte = here(reader);
        if (byte == '"') {
            if (!read_text(reader, &text))
                return false;
            continue;
        }
        if (byte == 0)
            return false;
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        reader->at++;
    } while (depth);
    *ret_value = slice_part(reader->text, from, reader->at - from);
    return true;
}

static bool read_value(struct reader *reader, struct slice *ret_value) {
    if (here(reader) == '"')
        return read_text(reader, ret_value);
    if (here(reader) == '{' || here(reader) == '[')
        return read_nested(reader, ret_value);
    const size_t from = reader->at;
    while (here(reader) && here(reader) != ',' && here(reader) != '}' && here(reader) != ']')
        reader->at++;
    *ret_value = slice_part(reader->text, from, reader->at - from);
    return reader->at > from;
}

bool audit_line_field(struct slice line, const char *name, struct slice *ret_value) {
    struct reader reader = {.text = line, .at = 1};
    struct slice key, value;
    while (read_text(&reader, &key) && here(&reader) == ':') {
        reader.at++;
        if (!read_value(&reader, &value))
            return false;
        if (slice_equal(key, slice_from_string(name))) {
            *ret_value = value;
            return true;
        }
        if (here(&reader) != ',')
            return false;
        reader.at++;
    }
    return false;
}

bool audit_line_number(struct slice line, const char *name, uint64_t *ret_value) {
    struct slice text;
    return audit_line_field(line, name, &text) && number_parse_u64(text, ret_value);
}

void audit_line_each(struct slice array, void (*visit)(void *context, struct slice text), void *context) {
    struct reader reader = {.text = array, .at = 1};
    struct slice text;
    while (here(&reader) && here(&reader) != ']' && read_value(&reader, &text)) {
        visit(context, text);
        if (here(&reader) != ',')
            return;
        reader.at++;
    }
}
