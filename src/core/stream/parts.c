#include "core/stream/parts.h"

#include "base/assert.h"
#include "base/hash.h"

void stream_parts_init(struct stream_parts *parts) {
    parts->count = 0;
    parts->all = parts->all_writes = 0;
}

static void note_max(uint64_t *at, uint64_t position) { *at = *at > position ? *at : position; }

/* The place of the part; a new one if there is room, or another's. */
static uint32_t place_of(struct stream_parts *parts, enum stream_part_kind kind, struct slice text, uint32_t hash) {
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < parts->count; i++)
        if (parts->hashes[i] == hash && parts->kinds[i] == kind &&
            slice_equal(slice_make(parts->texts[i], parts->sizes[i]), text))
            return i;
    if (parts->count < STREAM_PARTS_MAX)
        return parts->count++;
    for (uint32_t i = 1; i < parts->count; i++)
        if (parts->positions[i] < parts->positions[oldest])
            oldest = i;
    bool written = parts->kinds[oldest] == STREAM_PART_WRITTEN;
    note_max(written ? &parts->all_writes : &parts->all, parts->positions[oldest]);
    return oldest;
}

static void note(struct stream_parts *parts, enum stream_part_kind kind, struct slice text, uint64_t position) {
    if (text.size > STREAM_PART_SIZE_MAX) {
        note_max(&parts->all, position);
        return;
    }
    uint32_t hash = (uint32_t)hash_bytes(text, kind), at = place_of(parts, kind, text, hash);
    parts->hashes[at] = hash;
    parts->kinds[at] = (uint8_t)kind;
    parts->sizes[at] = (uint8_t)text.size;
    if (text.size)
        memcpy(parts->texts[at], text.data, text.size);
    parts->positions[at] = position;
}

/* "user:" of "user:7:cart". */
static struct slice beginning_of(struct slice key) {
    struct slice text = slice_part(key, 0, STREAM_PART_KEY_MAX);
    const uint8_t *colon = text.size ? memchr(text.data, ':', text.size) : NULL;
    return colon ? slice_part(text, 0, (size_t)(colon - text.data) + 1) : text;
}

void stream_parts_note(struct stream_parts *parts, const struct stream_record *record) {
    struct slice name = record->texts[STREAM_NAME];
    switch (record->kind) {
        case STREAM_DELETED:
        case STREAM_EXPIRED:
        case STREAM_EVICTED:
        case STREAM_RETAGGED:
            note(parts, STREAM_PART_KEYS, beginning_of(name), record->position);
            break;
        case STREAM_CREATED:
        case STREAM_REPLACED:
        case STREAM_PATCHED:
            note(parts, STREAM_PART_WRITTEN, beginning_of(name), record->position);
            break;
        case STREAM_TAG:
            note(parts, STREAM_PART_TAG, name, record->position);
            break;
        case STREAM_CLASS:
            note(parts, STREAM_PART_CLASS, name, record->position);
            break;
        case STREAM_PATTERN:
            note(parts, STREAM_PART_PATTERN, name, record->position);
            break;
        case STREAM_WRITES_BEGAN:
            note_max(&parts->all_writes, record->position);
            break;
        default:
            note_max(&parts->all, record->position);
            break;
    }
}

void stream_parts_note_all(struct stream_parts *parts, uint64_t position) {
    parts->count = 0;
    note_max(&parts->all, position);
}

bool stream_parts_since(const struct stream_parts *parts, uint64_t after, const struct stream_filter *filter,
                        const struct stream_parts_visit *visit) {
    if (parts->all > after || (filter->writes && parts->all_writes > after))
        return false;
    for (uint32_t i = 0; i < parts->count; i++) {
        struct slice text = slice_make(parts->texts[i], parts->sizes[i]);
        if (parts->positions[i] > after &&
            stream_filter_takes_part(filter, (enum stream_part_kind)parts->kinds[i], text))
            visit->visit(visit->context, (enum stream_part_kind)parts->kinds[i], text, parts->positions[i]);
    }
    return true;
}

void stream_parts_verify(const struct stream_parts *parts) {
    ASSERT(parts->count <= STREAM_PARTS_MAX);
    for (uint32_t i = 0; i < parts->count; i++) {
        struct slice text = slice_make(parts->texts[i], parts->sizes[i]);
        ASSERT(parts->kinds[i] < STREAM_PART_KINDS && parts->positions[i] > 0);
        ASSERT(parts->hashes[i] == (uint32_t)hash_bytes(text, parts->kinds[i]));
        for (uint32_t j = 0; j < i; j++)
            ASSERT(parts->kinds[i] != parts->kinds[j] || parts->hashes[i] != parts->hashes[j] ||
                   !slice_equal(text, slice_make(parts->texts[j], parts->sizes[j])));
    }
}
