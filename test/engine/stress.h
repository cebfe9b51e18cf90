/* test/engine/stress.h: the threads of the stress program, and what each of them can do.
 *
 * A run is one scene: a cache, a history of its keys, and the workers. What a worker does stands in a file by subject: reading and pins
 * (stress_read.c), writing and edits (stress_write.c), several keys at once (stress_group.c), watching and scanning (stress_scan.c),
 * limits, filters, flushes (stress_rarely.c). stress.c has the scenes and begins and ends the threads.
 *
 * Threads: a worker belongs to its thread; `run` is shared, and what changes in it is atomic.
 * Memory:  a run and its workers are allocated by stress.c; values are read into the worker's own `got`.
 * Time:    the world's clock, which all workers move.
 * Errors:  what is found wrong is said by stress_wrong, which ends the scene.
 */
#ifndef STRATA_TEST_ENGINE_STRESS_H
#define STRATA_TEST_ENGINE_STRESS_H

#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "history.h"
#include "world.h"

enum {
    STRESS_THREADS_MAX = 64,
    STRESS_PINS_MAX = 2, /* of a thread at a time */
    STRESS_NAME_SIZE = 32,
};

enum fault { FAULT_NONE, FAULT_OLD, FAULT_TORN, FAULT_LOST, FAULT_COUNT };

struct scene {
    const char *name;
    enum cache_policy policy;
    uint32_t shards, keys;
    uint64_t limit_bytes;
    bool moves_limit, changes_policy;
    /* Two more stores, if `resizes`: what is guaranteed to each, and how many entries they may have, changes all the time. */
    bool resizes;
    enum cache_policy policies[HISTORY_STORES_MAX]; /* [0] is not used */
};

struct tally {
    uint64_t operations, hits, misses, writes, full, patched, appended, uploaded, pinned, scanned, limits, flushes,
        resized, toggled;
    uint64_t filtered, evicted, expired, retries, watched, grouped;
};

struct run {
    struct world world;
    struct history history;
    const struct scene *scene;
    uint32_t threads;
    uint64_t seed, deadline_ms;
    enum fault fault;
    _Atomic uint64_t operations; /* of all threads, now and then */
    _Atomic uint32_t failures, stop;
    _Atomic uint32_t flushing;
    _Atomic uint64_t groups[STRESS_THREADS_MAX]; /* the last number that was acknowledged, 0: removed */
};

struct pinned {
    struct cache_pin pin;
    uint64_t key;
    struct value_shape shape;
};

struct worker {
    struct run *run;
    uint32_t number;
    struct actor actor;
    struct rng rng;
    struct tally tally;
    pthread_t thread;
    uint8_t *value, *got; /* VALUE_SIZE_MAX each */
    struct value_shape shapes[HISTORY_KEYS_MAX];
    uint64_t seen[HISTORY_KEYS_MAX];
    uint64_t version, group;
    struct pinned pins[STRESS_PINS_MAX];
    uint64_t cursor, scan_flushes, anchored_flushes;
    uint32_t anchors_seen;
    bool scanning, anchored;
    uint64_t got_size;
};

/* ---------------------------------------------------------------------------------- stress_keys.c */

/* Notes that something is wrong, says it unless faults are planted, and ends the scene. */
void stress_wrong_in(struct run *run, uint32_t thread, const char *what, const char *how, uint64_t key,
                     uint64_t version);
void stress_wrong(struct worker *worker, const char *what, const char *how, uint64_t key, uint64_t version);

/* 'g' groups, 'c' copies and 'a' anchors belong to the default store, as do the keys of kind 'k'. */
struct cache_key stress_key(struct run *run, char kind, uint64_t number, char text[STRESS_NAME_SIZE]);
/* One of the keys with a history, in the store that its number says. Every eighth of the third store is a session's head. */
struct cache_key stress_name(struct run *run, uint64_t number, char text[STRESS_NAME_SIZE]);

uint64_t stress_any_key(struct worker *worker);
/* One of the worker's own: those with its number as remainder. */
uint64_t stress_own_key(struct worker *worker);

/* What the engine tells while it does it, under the lock of the key's shard; the context is the run. */
void stress_removed(void *context, struct actor *actor, unsigned reason, uint32_t db, struct slice name);

/* ---------------------------------------------------------------------------------- stress_read.c */

/* Where cache_get puts a value: the worker's `got`; the context is the worker. */
void *stress_room(void *context, uint64_t size);
void stress_check_miss(struct worker *worker, const char *what, uint64_t key, struct history_note note);
void stress_get(struct worker *worker, const struct cache_key *name, uint64_t key);
void stress_read(struct worker *worker);
void stress_read_batch(struct worker *worker);
/* Looks at what was held once more and lets it go. */
void stress_unpin(struct worker *worker, struct pinned *pinned);
void stress_pin_or_unpin(struct worker *worker);

/* ---------------------------------------------------------------------------------- stress_write.c */

/* 0 (never), soon, or later. */
uint64_t stress_draw_expiry(struct worker *worker);
void stress_set(struct worker *worker);
void stress_erase(struct worker *worker);
void stress_upload(struct worker *worker);
void stress_edit(struct worker *worker);
/* Two edits of one key, open at the same time, change it in turns. */
void stress_edit_twice(struct worker *worker);

/* ---------------------------------------------------------------------------------- stress_group.c */

void stress_write_group(struct worker *worker);
void stress_read_group(struct worker *worker);
void stress_copy(struct worker *worker);

/* ---------------------------------------------------------------------------------- stress_scan.c */

void stress_watch(struct worker *worker);
void stress_scan(struct worker *worker);
void stress_random_key(struct worker *worker);

/* ---------------------------------------------------------------------------------- stress_rarely.c */

/* The limit, a store's size, a filter, the policy or the clock changes; or a flush, a look at everything, all locks at once. */
void stress_rarely(struct worker *worker);

#endif
