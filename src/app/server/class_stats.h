/* app/server/class_stats.h: what each class of keys does, and which prefixes are busy among keys without one.
 *
 * Misses and removals are told of and counted one by one. Hits and writes are sampled, one in SAMPLE_EVERY on average (all of the first few), and the one
 * that is looked at counts for all since the last: a read then pays two comparisons. What is there is counted by a walk through all keys, in slices of worker 0's ticks.
 *
 *     worker: counts of each class, a sketch of prefixes ──┐
 *     worker: ...                                          ├── summed up for STATS CLASS
 *     walk:   keys, bytes, expiries of each class ─────────┘
 *
 * Threads: the worker's own; class_stats_each visits all of them.
 * Memory:  some 370 bytes a class and worker, 48 a class for the walk; counts of classes stay through a load of other rules if the pattern does.
 * Errors:  without memory, classes are not counted until the next load of rules.
 */
#ifndef STRATA_APP_SERVER_CLASS_STATS_H
#define STRATA_APP_SERVER_CLASS_STATS_H

#include "app/cmd/class_stats.h"
#include "app/cmd/server_api.h"
#include "base/rng.h"
#include "core/obs/sketch.h"

struct server;
struct worker;
struct class_walk;

/* The counts of a prefix in a sketch. */
enum class_prefix_count {
    PREFIX_HITS,
    PREFIX_WRITES,
    PREFIX_MISSES,
    PREFIX_EXPIRED,
    PREFIX_EVICTED,
    PREFIX_INVALIDATED,
    PREFIX_DELETED,
    PREFIX_COUNTS
};

struct worker_classes {
    struct class_counts *counts; /* by class, the last one of keys without a class; NULL: no memory */
    uint32_t class_count;
    uint64_t generation; /* how many sets of rules it has gone by */
    uint64_t hits_next, hits_seen, changes_next, changes_seen, changes_base;
    struct class_counts *timed; /* whose command runs; NULL: it is not looked at */
    uint32_t miss_skip, gone_skip;
    struct rng rng;
    struct sketch prefixes;
};

MUST_CHECK enum status class_stats_start(struct server *server);
void class_stats_stop(struct server *server);
void class_stats_fini(struct worker *worker);

/* Before the worker goes by other rules. */
struct rules;
void class_stats_rules(struct worker *worker, const struct rules *before, const struct rules *after);
/* CONFIG RESETSTAT, for one worker in its turn. */
void class_stats_reset(struct worker *worker);

void class_stats_miss(struct worker *worker, struct slice name, enum miss_cause cause);
void class_stats_gone(struct worker *worker, enum cache_change kind, struct slice name, bool caused);

/* Looks at one of the commands that have just run. */
void class_stats_sample(struct worker *worker, const struct cmd_request *items, uint32_t count);
/* So many commands took so long, the one that is looked at among them. */
void class_stats_time(struct worker *worker, uint64_t ticks, uint32_t count);

/* A slice of the walk, in a tick of worker 0. */
void class_stats_tick(struct worker *worker);

/* For struct cmd_server_api: classes in the order of the file, prefixes by weight, the others. */
/* `walks`: keys are counted now, if they are few. STATUS_BUSY: other rules have come into force meanwhile; nobody was visited. */
enum status class_stats_each(struct cmd_server *api, struct cmd_client *client, bool walks,
                             void (*visit)(void *context, const struct cmd_class_stats *), void *context);

#endif
