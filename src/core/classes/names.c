#include "core/classes/names.h"

#include "base/assert.h"
#include "base/hash.h"

/* Pieces of a name one behind the other. */
struct spelling {
    const struct slice *pieces;
    uint32_t count;
};

static size_t size_of(const struct spelling *spelling) {
    size_t size = 0;
    for (uint32_t i = 0; i < spelling->count; i++)
        size += spelling->pieces[i].size;
    return size;
}

static struct slice shortened(const struct spelling *spelling, uint8_t *to) {
    static const char digits[] = "0123456789abcdef";
    to[0] = CLASSES_CLASS_MARK;
    to[1] = CLASSES_LONG_MARK;
    for (uint64_t half = 0; half < 2; half++) {
        XXH64_state_t state;
        XXH64_reset(&state, half);
        for (uint32_t i = 0; i < spelling->count; i++)
            if (spelling->pieces[i].size)
                XXH64_update(&state, spelling->pieces[i].data, spelling->pieces[i].size);
        uint64_t hash = XXH64_digest(&state);
        for (int i = 0; i < 16; i++)
            to[2 + 16 * half + (uint64_t)i] = (uint8_t)digits[hash >> (60 - 4 * i) & 15];
    }
    return slice_make(to, CLASSES_LONG_SIZE);
}

/* The server's own mark is none that a key or a client can spell. */
static bool begins_hidden(const struct spelling *spelling) {
    uint32_t at = 0;
    while (at < spelling->count && spelling->pieces[at].size == 0)
        at++;
    return at < spelling->count && classes_is_hidden(spelling->pieces[at]);
}

static struct slice spell(const struct spelling *spelling, size_t name_max, uint8_t *to) {
    size_t size = size_of(spelling), at = 0;
    ASSERT(name_max >= CLASSES_LONG_SIZE && name_max <= CACHE_TAG_NAME_MAX);
    if (size > name_max || begins_hidden(spelling))
        return shortened(spelling, to);
    for (uint32_t i = 0; i < spelling->count; at += spelling->pieces[i++].size)
        if (spelling->pieces[i].size)
            memcpy(to + at, spelling->pieces[i].data, spelling->pieces[i].size);
    return slice_make(to, size);
}

struct slice classes_tag_name(struct slice text, size_t name_max, uint8_t *to) {
    return spell(&(struct spelling){&text, 1}, name_max, to);
}

struct slice classes_tag_asked(struct slice text, size_t name_max, uint8_t *to) {
    return classes_is_hidden(text) ? classes_tag_name(text, name_max, to) : text;
}

struct slice classes_tag_filled(const struct rules_template *template, struct slice key,
                                const struct rules_fields *fields, size_t name_max, uint8_t *to) {
    struct slice pieces[2 * RULES_FIELDS_MAX + 1];
    uint32_t count = 0;
    ASSERT(template->field_count <= RULES_FIELDS_MAX);
    for (uint32_t i = 0; i < template->field_count; i++) {
        pieces[count++] = template->pieces[i];
        pieces[count++] = rules_field(fields, key, template->fields[i]);
    }
    pieces[count++] = template->pieces[template->field_count];
    return spell(&(struct spelling){pieces, count}, name_max, to);
}

struct slice classes_class_tag(const struct rules_class *class, size_t name_max, uint8_t *to) {
    static const uint8_t mark = CLASSES_CLASS_MARK;
    const struct slice pieces[] = {slice_make(&mark, 1), class->pattern.text};
    return spell(&(struct spelling){pieces, 2}, name_max, to);
}
