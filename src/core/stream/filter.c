#include "core/stream/filter.h"

static size_t literal_size(struct slice pattern) {
    size_t size = 0;
    while (size < pattern.size && !memchr("*?[\\{", pattern.data[size], 5))
        size++;
    return size;
}

static bool begin_alike(struct slice a, struct slice b) { return slice_starts_with(a, b) || slice_starts_with(b, a); }

static struct slice literal(struct slice pattern) { return slice_part(pattern, 0, literal_size(pattern)); }

static bool takes_key(const struct stream_word *word, struct slice name, struct slice class) {
    switch (word->kind) {
        case STREAM_WORD_PREFIX:
            return slice_starts_with(name, word->text);
        case STREAM_WORD_CLASS:
            return slice_equal(class, word->text);
        case STREAM_WORD_TAG:
        case STREAM_WORDS:
            break;
    }
    return true;
}

static bool takes_tag(const struct stream_word *word, struct slice tag) {
    return word->kind != STREAM_WORD_TAG || slice_equal(tag, word->text);
}

static bool takes_class(const struct stream_word *word, struct slice class) {
    if (word->kind == STREAM_WORD_CLASS)
        return slice_equal(class, word->text);
    return word->kind == STREAM_WORD_TAG || begin_alike(literal(class), word->text);
}

static bool takes_pattern(const struct stream_word *word, struct slice pattern) {
    if (word->kind == STREAM_WORD_TAG)
        return true;
    return begin_alike(literal(pattern), word->kind == STREAM_WORD_CLASS ? literal(word->text) : word->text);
}

static bool word_takes(const struct stream_word *word, const struct stream_record *record) {
    struct slice name = record->texts[STREAM_NAME];
    if (stream_is_of_key(record->kind))
        return takes_key(word, name, record->texts[STREAM_OF_CLASS]);
    switch (record->kind) {
        case STREAM_TAG:
            return takes_tag(word, name);
        case STREAM_CLASS:
            return takes_class(word, name);
        case STREAM_PATTERN:
            return takes_pattern(word, name);
        default:
            return true;
    }
}

bool stream_filter_takes(const struct stream_filter *filter, const struct stream_record *record) {
    if (!filter->writes && (stream_is_write(record->kind) || record->kind == STREAM_WRITES_BEGAN))
        return false;
    if (filter->groups && stream_is_of_key(record->kind))
        return false;
    for (uint32_t i = 0; i < filter->count; i++)
        if (word_takes(&filter->words[i], record))
            return true;
    return filter->count == 0;
}

static bool word_takes_part(const struct stream_word *word, enum stream_part_kind kind, struct slice text) {
    switch (kind) {
        case STREAM_PART_KEYS:
        case STREAM_PART_WRITTEN:
            /* A beginning of keys: of which classes they were is not known any more. */
            if (word->kind == STREAM_WORD_TAG)
                return true;
            return begin_alike(text, word->kind == STREAM_WORD_CLASS ? literal(word->text) : word->text);
        case STREAM_PART_TAG:
            return takes_tag(word, text);
        case STREAM_PART_CLASS:
            return takes_class(word, text);
        case STREAM_PART_PATTERN:
            return takes_pattern(word, text);
        case STREAM_PART_KINDS:
            break;
    }
    return true;
}

bool stream_filter_takes_part(const struct stream_filter *filter, enum stream_part_kind kind, struct slice text) {
    if (kind == STREAM_PART_WRITTEN && !filter->writes)
        return false;
    if (filter->groups && (kind == STREAM_PART_KEYS || kind == STREAM_PART_WRITTEN))
        return false;
    for (uint32_t i = 0; i < filter->count; i++)
        if (word_takes_part(&filter->words[i], kind, text))
            return true;
    return filter->count == 0;
}
