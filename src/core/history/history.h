/* core/history/history.h: what became of keys that are no longer there, as far as there is room to remember it.
 *
 *     records  [ 32 B ][ 32 B ][ 32 B ] ...     a ring: the newest takes the place of the oldest
 *                 ^  `--back--^                 of those in one bucket, newest first
 *     heads    hash -> newest record            as many as records, or half
 *     texts    [who, why][who, why] ...         a ring of bytes that records refer to; what is the same as the last one stands there once
 *
 * A name is known by its hash of 64 bits, so a record may be taken for that of another key: one time in 2^64 / records. A name has one record:
 * the last thing that happened. Nothing is taken off a chain when the ring overwrites a record: a chain ends where it leads further back than the ring
 * reaches.
 *
 * Threads: one at a time; whoever shares it has a lock around it.
 * Memory:  one piece from `memory`, of the size that is asked for; zero pages that are not written cost nothing. Adding allocates nothing.
 * Time:    adding and finding look at HISTORY_STEPS_MAX records at most, usually at two. `when_ms` is handed in.
 * Errors:  none but want of memory at the beginning. What was pushed out is forgotten.
 */
#ifndef STRATA_CORE_HISTORY_HISTORY_H
#define STRATA_CORE_HISTORY_HISTORY_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    HISTORY_TEXT_MAX = 2048,
    HISTORY_STEPS_MAX = 16,
    HISTORY_RECORDS_MIN = 64,
    HISTORY_SIZE_MIN = 16 * 1024,
    HISTORY_SIZE_MAX = 64 * 1024 * 1024, /* so that a place in `texts` is told from an older one by 32 bits */
};

struct history_event {
    uint64_t when_ms;
    uint64_t client;  /* 0: nobody. 40 bits are kept */
    uint32_t kind;    /* below 16: the caller's */
    uint32_t detail;  /* below 256: the caller's */
    uint32_t command; /* below 65,536: the caller's */
    struct slice
        text; /* what else is to be said; found: points into the history, until the next call; empty if it has been pushed out */
    bool text_lost; /* found: there was one */
};

struct history {
    struct history_record *records;
    uint32_t *heads; /* low bits of the number of a record + 1; 0: none yet */
    uint8_t *texts;
    uint32_t record_count, head_mask, text_room; /* text_room is a power of two */
    uint64_t added, texts_end;                   /* records and bytes ever */
    uint64_t last_text_at;
    uint32_t last_text_size; /* 0: none */
    size_t size;
    void *piece;
    const struct memory *memory;
};

/* `size_bytes`: between the limits above; rounded down to what fits. */
MUST_CHECK enum status history_init(struct history *history, size_t size_bytes, const struct memory *memory);
/* Also of one that is all zero. */
void history_fini(struct history *history);

void history_add(struct history *history, uint64_t hash, const struct history_event *event);
bool history_find(const struct history *history, uint64_t hash, struct history_event *ret_event);

/* Records that can be found at most, and those that were added ever. */
static inline uint32_t history_count(const struct history *history) {
    return history->added < history->record_count ? (uint32_t)history->added : history->record_count;
}

void history_verify(const struct history *history);

#endif
