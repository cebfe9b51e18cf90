/* app/cmd/class_stats.h: what classes of keys do, as STATS CLASS and INFO tell it.
 *
 * Three kinds of groups: classes of the manifest; *prefixes* of keys that fall into none, found by themselves, of which the heaviest are kept; and all keys together
 * that fall into neither.
 *
 * Threads: plain data.
 */
#ifndef STRATA_APP_CMD_CLASS_STATS_H
#define STRATA_APP_CMD_CLASS_STATS_H

#include "app/cmd/gone.h"
#include "core/obs/times.h"

enum { CLASS_TTL_STEPS = 8 };

/* "none", "1m": entries without an expiry, those with less than a minute left, ... */
const char *class_ttl_name(uint32_t step);
uint32_t class_ttl_step(uint64_t left_ms); /* UINT64_MAX: none */

enum class_kind { CLASS_DECLARED, CLASS_PREFIX, CLASS_OTHERS };

/* What happened. Hits and writes are estimates from samples, whose sums are exact; everything else is counted. */
struct class_counts {
    uint64_t hits, writes;
    uint64_t misses[MISS_CAUSES];
    uint64_t expired, evicted, invalidated, deleted;
    uint64_t timed, timed_ticks, timed_max_ticks; /* commands among the samples, and how long they took */
    struct times times;                           /* the same of them, by columns */
};

/* What is there, as a walk saw it. */
struct class_contents {
    uint64_t keys, bytes, ttl[CLASS_TTL_STEPS];
};

struct cmd_class_stats {
    enum class_kind kind;
    struct slice name; /* the pattern of a class, a prefix; empty for the others */
    uint32_t line;     /* of a class */
    struct class_counts counts;
    struct class_contents contents;
    uint64_t weight_error; /* of a prefix: how much of what it did may have been that of others */
    double latency_us, latency_max_us;
    bool walked;          /* there are contents; */
    uint64_t walk_age_ms; /* the walk ended so long ago */
};

#endif
