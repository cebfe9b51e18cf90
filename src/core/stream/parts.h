/* core/stream/parts.h: what records that are not kept any more were about, in bounded memory.
 *
 * For a few hundred groups (the beginning of keys up to their first colon, a tag, a class, a pattern) the position of the last record that left. When
 * there is no room for another one, that which was last touched longest ago goes into one number for all others. So whoever missed little is
 * told exactly what; whoever missed more than can be told is told that anything may be old.
 *
 * Threads: one owner at a time.
 * Memory:  one allocation of 140 KiB with the first record that leaves; without it anything may be old.
 * Time:    a pass over STREAM_PARTS_MAX hashes for each record.
 */
#ifndef STRATA_CORE_STREAM_PARTS_H
#define STRATA_CORE_STREAM_PARTS_H

#include "base/memory.h"
#include "core/stream/filter.h"

enum {
    STREAM_PARTS_MAX = 512,
    STREAM_PART_SIZE_MAX = 255,
    STREAM_PART_KEY_MAX = 64, /* of a key without a colon, or with a late one */
};

struct stream_parts_rows {
    uint32_t hashes[STREAM_PARTS_MAX];
    uint64_t positions[STREAM_PARTS_MAX];
    uint8_t kinds[STREAM_PARTS_MAX], sizes[STREAM_PARTS_MAX];
    uint8_t texts[STREAM_PARTS_MAX][STREAM_PART_SIZE_MAX];
};

struct stream_parts {
    const struct memory *memory;
    struct stream_parts_rows *rows; /* NULL: none were needed yet, or there was no memory */
    uint32_t count;
    uint64_t all,
        all_writes; /* beside those: anything may have changed up to here; or anything may have been written */
};

void stream_parts_init(struct stream_parts *parts, const struct memory *memory);
void stream_parts_fini(struct stream_parts *parts);
/* The record is not kept any more. Positions come in ascending order. */
void stream_parts_note(struct stream_parts *parts, const struct stream_record *record);
/* Nor is anything up to this position. */
void stream_parts_note_all(struct stream_parts *parts, uint64_t position);

struct stream_parts_visit {
    void (*visit)(void *context, enum stream_part_kind kind, struct slice text, uint64_t position);
    void *context;
};
/* Visits what concerns the filter and happened after the position. False, with nothing visited: anything may have. */
bool stream_parts_since(const struct stream_parts *parts, uint64_t after, const struct stream_filter *filter,
                        const struct stream_parts_visit *visit);

void stream_parts_verify(const struct stream_parts *parts);

#endif
