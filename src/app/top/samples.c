#include "app/top/samples.h"

#include <math.h>

#include "base/decimal.h"

static bool is_name_byte(uint8_t byte, bool first) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == ':' ||
           (!first && byte >= '0' && byte <= '9');
}

static bool read_name(struct slice line, size_t *at, struct slice *ret_name) {
    size_t from = *at;
    while (*at < line.size && is_name_byte(line.data[*at], *at == from))
        (*at)++;
    *ret_name = slice_part(line, from, *at - from);
    return *at > from;
}

static bool skip(struct slice line, size_t *at, char byte) {
    if (*at >= line.size || line.data[*at] != (uint8_t)byte)
        return false;
    (*at)++;
    return true;
}

/* From behind the opening quote to behind the closing one: \\, \" and \n are the only escapes. */
static enum status read_value(struct slice line, size_t *at, struct arena *arena, struct slice *ret_value) {
    size_t end = *at, size = 0;
    while (end < line.size && line.data[end] != '"')
        end += line.data[end] == '\\' ? 2 : 1;
    if (end >= line.size)
        return STATUS_INVALID;
    uint8_t *value = arena_take(arena, end - *at + 1);
    if (!value)
        return STATUS_NO_MEMORY;
    for (size_t i = *at; i < end; i++) {
        uint8_t byte = line.data[i];
        if (byte == '\\') {
            byte = line.data[++i];
            if (byte != '\\' && byte != '"' && byte != 'n')
                return STATUS_INVALID;
            byte = byte == 'n' ? '\n' : byte;
        }
        value[size++] = byte;
    }
    *ret_value = slice_make(value, size);
    *at = end + 1;
    return STATUS_OK;
}

static enum status read_labels(struct slice line, size_t *at, struct arena *arena, struct sample *sample) {
    if (skip(line, at, '}'))
        return STATUS_OK;
    do {
        if (sample->label_count == SAMPLE_LABELS_MAX)
            return STATUS_TOO_LARGE;
        struct sample_label *label = &sample->labels[sample->label_count++];
        if (!read_name(line, at, &label->name) || !skip(line, at, '=') || !skip(line, at, '"'))
            return STATUS_INVALID;
        TRY(read_value(line, at, arena, &label->value));
    } while (skip(line, at, ','));
    return skip(line, at, '}') ? STATUS_OK : STATUS_INVALID;
}

static bool read_number(struct slice text, double *ret_value) {
    if (slice_equal(text, SLICE("NaN"))) {
        *ret_value = NAN;
        return true;
    }
    if (slice_equal(text, SLICE("+Inf")))
        text = SLICE("inf");
    /* What the C library takes beyond that is not for here: hexadecimal, and words in other cases. */
    for (size_t i = 0; i < text.size; i++)
        if (!memchr("0123456789+-.eEinfI", text.data[i], 19))
            return false;
    return decimal_parse(text, ret_value);
}

static enum status read_sample(struct slice line, struct arena *arena, struct sample *ret_sample) {
    size_t at = 0;
    struct sample sample = {.label_count = 0};
    if (!read_name(line, &at, &sample.name))
        return STATUS_INVALID;
    if (skip(line, &at, '{'))
        TRY(read_labels(line, &at, arena, &sample));
    if (!skip(line, &at, ' ') || !read_number(slice_part(line, at, SIZE_MAX), &sample.value))
        return STATUS_INVALID;
    *ret_sample = sample;
    return STATUS_OK;
}

static size_t line_size(struct slice text, size_t from) {
    const uint8_t *end = memchr(text.data + from, '\n', text.size - from);
    return end ? (size_t)(end - text.data) - from : text.size - from;
}

enum status samples_parse(struct slice text, struct arena *arena, struct samples *ret_samples) {
    size_t most = 0, count = 0, size;
    for (size_t at = 0; at < text.size; at += size + 1) {
        size = line_size(text, at);
        most += size > 0 && text.data[at] != '#';
    }
    if (most > SAMPLES_MAX)
        return STATUS_TOO_LARGE;
    struct sample *list = arena_take(arena, (most + 1) * sizeof *list);
    if (!list)
        return STATUS_NO_MEMORY;
    for (size_t at = 0; at < text.size; at += size + 1) {
        size = line_size(text, at);
        if (size > 0 && text.data[at] != '#')
            TRY(read_sample(slice_part(text, at, size), arena, &list[count++]));
    }
    *ret_samples = (struct samples){list, count};
    return STATUS_OK;
}

struct slice sample_label(const struct sample *sample, const char *name) {
    for (uint32_t i = 0; i < sample->label_count; i++)
        if (slice_equal(sample->labels[i].name, slice_from_string(name)))
            return sample->labels[i].value;
    return slice_make(NULL, 0);
}

double samples_sum(const struct samples *samples, const char *name, const char *label, const char *value) {
    struct slice wanted = slice_from_string(name);
    double sum = 0;
    for (size_t i = 0; i < samples->count; i++) {
        const struct sample *sample = &samples->list[i];
        if (slice_equal(sample->name, wanted) &&
            (!label || slice_equal(sample_label(sample, label), slice_from_string(value))))
            sum += sample->value;
    }
    return sum;
}
