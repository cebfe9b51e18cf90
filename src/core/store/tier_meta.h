/* core/store/tier_meta.h: what a record of the tier says beside key and value.
 *
 *     | format 1 | type 4, flags 4 | place 1 | tags 1 | stale 4 | seq 8 | down since 8 |([expiry 8])([stamp 8])([row 8])([tag 4] ...)
 *
 * `seq`: as many stamps had been handed out when it went down. Tags are numbers as they stand in an entry (entry.h), valid for as long as a cell leads to the
 * record. Numbers are little-endian.
 *
 * Threads: no state.
 * Errors:  reading is safe for any bytes.
 */
#ifndef STRATA_CORE_STORE_TIER_META_H
#define STRATA_CORE_STORE_TIER_META_H

#include <stdbool.h>

#include "base/slice.h"
#include "core/store/entry.h"

enum {
    TIER_META_FORMAT = 1,
    TIER_META_FIXED = 24,
    TIER_META_SIZE_MAX = TIER_META_FIXED + 24 + ENTRY_TAGS_MAX * ENTRY_TAG_SIZE,
};

struct tier_meta {
    uint32_t type, place;
    uint64_t seq, since_ms;
    uint64_t expires_at_ms, stamp, row; /* 0: none */
    uint32_t stale;                     /* entry_stale_code */
    uint32_t tag_count;
    uint32_t tags[ENTRY_TAGS_MAX]; /* numbers */
};

/* Answers the size. */
size_t tier_meta_write(const struct tier_meta *meta, uint8_t to[TIER_META_SIZE_MAX]);
/* False: this cannot have been written here. */
bool tier_meta_read(struct slice bytes, struct tier_meta *ret_meta);

#endif
