#include "app/lines/entry_line.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "core/classes/names.h"

/* ------------------------------------------------------------------------------------------ writing */

static int by_bytes(const void *a, const void *b) {
    const struct slice *one = a, *other = b;
    size_t size = one->size < other->size ? one->size : other->size;
    int order = size ? memcmp(one->data, other->data, size) : 0;
    return order ? order : (one->size > other->size) - (one->size < other->size);
}

static enum status write_value(struct buf *to, struct slice value) {
    if (value.size >= ENTRY_LINE_BASE64_MIN && json_string_size(value) > 2 * value.size)
        return json_base64_write(to, value);
    return json_text_write(to, value);
}

static enum status write_tags(struct buf *to, struct entry_line *entry) {
    qsort(entry->tags, entry->tag_count, sizeof *entry->tags, by_bytes);
    for (uint32_t i = 0; i < entry->tag_count; i++) {
        TRY(buf_append_slice(to, i ? SLICE(",") : SLICE(",\"tags\":[")));
        TRY(json_text_write(to, entry->tags[i]));
    }
    return entry->tag_count ? buf_append_slice(to, SLICE("]")) : STATUS_OK;
}

static enum status write_all(struct buf *to, struct entry_line *entry) {
    TRY(buf_printf(to, "{\"db\":%u,\"key\":", entry->db));
    TRY(json_text_write(to, entry->key));
    TRY(buf_append_slice(to, SLICE(",\"type\":\"string\",\"value\":")));
    TRY(write_value(to, entry->value));
    if (entry->expires_at_ms)
        TRY(buf_printf(to, ",\"expires_at_ms\":%llu", (unsigned long long)entry->expires_at_ms));
    if (entry->version)
        TRY(buf_printf(to, ",\"version\":%llu", (unsigned long long)entry->version));
    TRY(write_tags(to, entry));
    return buf_append_slice(to, SLICE("}\n"));
}

enum status entry_line_write(struct entry_line *entry, struct buf *to) {
    size_t size = to->size;
    enum status status = write_all(to, entry);
    if (status != STATUS_OK)
        to->size = size;
    return status;
}

/* ------------------------------------------------------------------------------------------ reading */

static enum status refuse(char *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum status refuse(char *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, ENTRY_LINE_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    return STATUS_INVALID;
}

/* A string, or an object with base64. */
static enum status read_text(struct entry_line_reader *reader, const char *name, const json_t *from, size_t size_max,
                             struct slice *ret_text, char *problem) {
    const json_t *inner = json_is_object(from) && json_object_size(from) == 1 ? json_object_get(from, "base64") : NULL;
    const json_t *text = inner ? inner : from;
    if (!json_is_string(text))
        return refuse(problem, "\"%s\" is neither a string nor {\"base64\": \"...\"}", name);
    *ret_text = slice_make((const uint8_t *)json_string_value(text), json_string_length(text));
    if (inner) {
        size_t at = reader->bytes.size;
        enum status status = json_base64_read(*ret_text, &reader->bytes);
        if (status == STATUS_INVALID)
            return refuse(problem, "\"%s\" is not base64 (with padding, and nothing else)", name);
        TRY(status);
        *ret_text = slice_make(reader->bytes.data + at, reader->bytes.size - at);
    }
    if (ret_text->size > size_max)
        return refuse(problem, "\"%s\" has %zu bytes, and %zu are the most", name, ret_text->size, size_max);
    return STATUS_OK;
}

static enum status read_number(const char *name, const json_t *from, uint64_t least, uint64_t most,
                               uint64_t *ret_number, char *problem) {
    json_int_t number = json_is_integer(from) ? json_integer_value(from) : -1;
    if (number < 0 || (uint64_t)number < least || (uint64_t)number > most)
        return refuse(problem, "\"%s\" is not a number from %llu to %llu", name, (unsigned long long)least,
                      (unsigned long long)most);
    *ret_number = (uint64_t)number;
    return STATUS_OK;
}

static enum status read_tags(struct entry_line_reader *reader, const json_t *from, struct entry_line *entry,
                             char *problem) {
    size_t count = json_array_size(from);
    if (!json_is_array(from) || count > CACHE_TAGS_MAX)
        return refuse(problem, "\"tags\" is not an array of at most %d", CACHE_TAGS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct slice *tag = &entry->tags[i];
        TRY(read_text(reader, "tags", json_array_get(from, i), CACHE_TAG_NAME_MAX, tag, problem));
        if (tag->size == 0 || classes_is_marked(*tag))
            return refuse(problem, "a tag is not empty, and does not begin with one of " CLASSES_MARKS " or byte 1");
        for (size_t j = 0; j < i; j++)
            if (slice_equal(*tag, entry->tags[j]))
                return refuse(problem, "a tag stands there twice");
    }
    entry->tag_count = (uint32_t)count;
    return STATUS_OK;
}

static enum status read_type(const json_t *from, char *problem) {
    struct slice type = slice_make((const uint8_t *)json_string_value(from), json_string_length(from));
    return slice_equal(type, SLICE("string")) ? STATUS_OK : refuse(problem, "\"type\" is not \"string\"");
}

enum { HAS_KEY = 1, HAS_VALUE = 2 };

static enum status read_member(struct entry_line_reader *reader, const char *name, const json_t *value,
                               struct entry_line *entry, unsigned *has, char *problem) {
    uint64_t number;
    if (strcmp(name, "key") == 0) {
        *has |= HAS_KEY;
        return read_text(reader, name, value, CACHE_KEY_SIZE_MAX, &entry->key, problem);
    }
    if (strcmp(name, "value") == 0) {
        *has |= HAS_VALUE;
        return read_text(reader, name, value, CACHE_VALUE_SIZE_MAX, &entry->value, problem);
    }
    if (strcmp(name, "type") == 0)
        return read_type(value, problem);
    if (strcmp(name, "expires_at_ms") == 0)
        return read_number(name, value, 1, INT64_MAX, &entry->expires_at_ms, problem);
    if (strcmp(name, "version") == 0)
        return read_number(name, value, 1, INT64_MAX, &entry->version, problem);
    if (strcmp(name, "tags") == 0)
        return read_tags(reader, value, entry, problem);
    if (strcmp(name, "db") != 0)
        return refuse(problem, "nobody knows what \"%.40s\" means", name);
    TRY(read_number(name, value, 0, CACHE_DATABASES - 1, &number, problem));
    entry->db = (uint32_t)number;
    return STATUS_OK;
}

static enum status read_members(struct entry_line_reader *reader, struct entry_line *entry, char *problem) {
    unsigned has = 0;
    if (!json_is_object((json_t *)reader->root))
        return refuse(problem, "it is not an object");
    for (void *at = json_object_iter(reader->root); at; at = json_object_iter_next(reader->root, at))
        TRY(read_member(reader, json_object_iter_key(at), json_object_iter_value(at), entry, &has, problem));
    if (!(has & HAS_KEY) || !(has & HAS_VALUE))
        return refuse(problem, "\"%s\" is missing", has & HAS_KEY ? "value" : "key");
    return STATUS_OK;
}

void entry_line_reader_init(struct entry_line_reader *reader) {
    *reader = (struct entry_line_reader){.root = NULL};
    buf_init(&reader->bytes, &memory_libc);
}

void entry_line_reader_fini(struct entry_line_reader *reader) {
    json_decref(reader->root);
    reader->root = NULL;
    buf_fini(&reader->bytes);
}

enum status entry_line_read(struct entry_line_reader *reader, struct slice line, struct entry_line *ret_entry,
                            char ret_problem[ENTRY_LINE_PROBLEM_SIZE]) {
    json_error_t error;
    json_decref(reader->root);
    buf_clear(&reader->bytes);
    *ret_entry = (struct entry_line){.db = 0};
    reader->root = json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!reader->root && json_error_code(&error) == json_error_out_of_memory)
        return STATUS_NO_MEMORY;
    if (!reader->root)
        return refuse(ret_problem, "it is not JSON: %.120s (at byte %d)", error.text, error.position);
    TRY(buf_reserve(&reader->bytes, line.size)); /* so that what is decoded stays where it is */
    return read_members(reader, ret_entry, ret_problem);
}
