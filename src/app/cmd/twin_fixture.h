/* test/model/twin.h: what a cache should do, in the fewest words.
 *
 * A list of entries that is searched from the front. Tests run the same calls on the cache and on its
 * twin and compare what both hold; core/cache/cache.h says what the calls mean.
 *
 * Threads: one.
 * Memory:  malloc; running out of it ends the program. Slices handed out live until the next change.
 * Time:    `now_ms` is set by the test. What has expired is not there.
 * Errors:  none: there is no limit, and sizes are the caller's to check.
 */
#ifndef STRATA_APP_CMD_TWIN_FIXTURE_H
#define STRATA_APP_CMD_TWIN_FIXTURE_H

#include "base/slice.h"

struct twin_entry {
    struct twin_entry *next;
    uint32_t db;
    struct slice name, value; /* owned */
    int type;                 /* enum cache_type */
    uint64_t expires_at_ms;   /* 0: never */
};

struct twin {
    struct twin_entry *first;
    uint64_t now_ms;
};

void twin_init(struct twin *twin, uint64_t now_ms);
void twin_fini(struct twin *twin);

/* The live entry, or NULL. */
const struct twin_entry *twin_find(struct twin *twin, uint32_t db, struct slice name);

/* Replaces or creates. */
void twin_set(struct twin *twin, uint32_t db, struct slice name, int type, struct slice value, uint64_t expires_at_ms);

/* Writes a part, zero-filling up to it; type and expiry stay. Creates an entry of type 0 (a string) when there is none. */
void twin_patch(struct twin *twin, uint32_t db, struct slice name, uint64_t offset, struct slice bytes);

/* Each answers whether the entry was there. */
bool twin_expire(struct twin *twin, uint32_t db, struct slice name, uint64_t expires_at_ms);
bool twin_delete(struct twin *twin, uint32_t db, struct slice name);
bool twin_copy(struct twin *twin, uint32_t db, struct slice name, uint32_t to_db, struct slice to,
               uint64_t expires_at_ms);

void twin_flush(struct twin *twin, uint32_t db);
void twin_flush_all(struct twin *twin);
void twin_swap(struct twin *twin, uint32_t a, uint32_t b);

/* Live entries of a database, and how many of them have an expiry. */
uint64_t twin_count(struct twin *twin, uint32_t db);
uint64_t twin_count_expiring(struct twin *twin, uint32_t db);

#endif
