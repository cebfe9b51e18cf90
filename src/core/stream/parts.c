#include "core/stream/parts.h"

#include "base/assert.h"
#include "base/hash.h"

void stream_parts_init(struct stream_parts *parts, const struct memory *memory) {
    *parts = (struct stream_parts){.memory = memory};
}

void stream_parts_fini(struct stream_parts *parts) {
    memory_give(parts->memory, parts->rows, sizeof *parts->rows);
    parts->rows = NULL;
}

static void note_max(uint64_t *at, uint64_t position) { *at = *at > position ? *at : position; }

/* The place of the part; a new one if there is room, or another's. */
static uint32_t place_of(struct stream_parts *parts, enum stream_part_kind kind, struct slice text, uint32_t hash) {
    const struct stream_parts_rows *rows = parts->rows;
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < parts->count; i++)
        if (rows->hashes[i] == hash && rows->kinds[i] == kind &&
            slice_equal(slice_make(rows->texts[i], rows->sizes[i]), text))
            return i;
    if (parts->count < STREAM_PARTS_MAX)
        return parts->count++;
    for (uint32_t i = 1; i < parts->count; i++)
        if (rows->positions[i] < rows->positions[oldest])
            oldest = i;
    bool written = rows->kinds[oldest] == STREAM_PART_WRITTEN;
    note_max(written ? &parts->all_writes : &parts->all, rows->positions[oldest]);
    return oldest;
}

static void note(struct stream_parts *parts, enum stream_part_kind kind, struct slice text, uint64_t position) {
    if (text.size <= STREAM_PART_SIZE_MAX && !parts->rows)
        parts->rows = memory_take(parts->memory, sizeof *parts->rows);
    if (text.size > STREAM_PART_SIZE_MAX || !parts->rows) {
        note_max(&parts->all, position);
        return;
    }
    uint32_t hash = (uint32_t)hash_bytes(text, kind), at = place_of(parts, kind, text, hash);
    struct stream_parts_rows *rows = parts->rows;
    rows->hashes[at] = hash;
    rows->kinds[at] = (uint8_t)kind;
    rows->sizes[at] = (uint8_t)text.size;
    if (text.size)
        memcpy(rows->texts[at], text.data, text.size);
    rows->positions[at] = position;
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
        case STREAM_INVALIDATED:
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
        struct slice text = slice_make(parts->rows->texts[i], parts->rows->sizes[i]);
        if (parts->rows->positions[i] > after &&
            stream_filter_takes_part(filter, (enum stream_part_kind)parts->rows->kinds[i], text))
            visit->visit(visit->context, (enum stream_part_kind)parts->rows->kinds[i], text, parts->rows->positions[i]);
    }
    return true;
}

void stream_parts_verify(const struct stream_parts *parts) {
    ASSERT(parts->count <= STREAM_PARTS_MAX);
    for (uint32_t i = 0; i < parts->count; i++) {
        struct slice text = slice_make(parts->rows->texts[i], parts->rows->sizes[i]);
        ASSERT(parts->rows->kinds[i] < STREAM_PART_KINDS && parts->rows->positions[i] > 0);
        ASSERT(parts->rows->hashes[i] == (uint32_t)hash_bytes(text, parts->rows->kinds[i]));
        for (uint32_t j = 0; j < i; j++)
            ASSERT(parts->rows->kinds[i] != parts->rows->kinds[j] || parts->rows->hashes[i] != parts->rows->hashes[j] ||
                   !slice_equal(text, slice_make(parts->rows->texts[j], parts->rows->sizes[j])));
    }
}
