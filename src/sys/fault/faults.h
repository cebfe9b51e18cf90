/* sys/fault/faults.h: calls of a directory that fail as told, by a plan or by a seed.
 *
 * Stands in front of another struct files (a directory of the kernel, or a disk in memory) and hands on what it does not spoil.
 *
 * Threads: any. faults_add, faults_random and faults_clear may come between calls of other threads.
 * Memory:  none of its own.
 */
#ifndef STRATA_SYS_FAULT_FAULTS_H
#define STRATA_SYS_FAULT_FAULTS_H

#include <pthread.h>

#include "base/rng.h"
#include "sys/fault/disk.h"

/* Kinds of calls, to be put together. */
enum fault_call {
    FAULT_OPEN = 1,
    FAULT_READ = 2,
    FAULT_WRITE = 4,
    FAULT_RESERVE = 8,
    FAULT_TRUNCATE = 16,
    FAULT_SYNC = 32,
    FAULT_SYNC_DIRECTORY = 64,
    FAULT_RENAME = 128,
    FAULT_REMOVE = 256,
    FAULT_LIST = 512,
    FAULT_ANY = 1023,
};

enum fault_kind {
    FAULT_BROKEN, /* EIO, nothing done. Of a sync: and the disk, if one is told, takes what was to be flushed for clean */
    FAULT_NO_ROOM, /* ENOSPC, nothing done */
    FAULT_SHORT,   /* a write takes at most `amount` bytes and answers STATUS_OK */
    FAULT_TORN,    /* a write takes its first half and then answers EIO */
    FAULT_FLIPPED, /* one bit of what is read or written is another, drawn from the seed; answers STATUS_OK */
    FAULT_SLOW,    /* takes `amount` milliseconds longer */
    FAULT_KINDS,
};

struct fault {
    unsigned calls; /* which */
    enum fault_kind kind;
    uint64_t first; /* the n-th of such calls from now on, 1: the next */
    uint64_t count; /* that many in a row; 0: for ever */
    uint32_t amount;
};

enum { FAULTS_MAX = 16 };

struct faults {
    struct files files; /* what the program under test is given */
    const struct files *inner;
    struct disk *disk;
    pthread_mutex_t lock;
    struct rng rng;
    struct fault plan[FAULTS_MAX];
    uint64_t seen[FAULTS_MAX]; /* calls that each entry of the plan has counted */
    unsigned planned;
    unsigned random_calls;
    uint32_t random_one_in;
    uint64_t calls, spoiled;
    /* Called before each call, without the lock; may wait. */
    void (*before)(void *context, enum fault_call call);
    void *before_context;
};

/* `disk` may be NULL; it is the one behind `inner`. `faults` stays where it is. */
void faults_init(struct faults *faults, const struct files *inner, struct disk *disk, uint64_t seed);
void faults_fini(struct faults *faults);

void faults_add(struct faults *faults, struct fault fault);
/* One in so many of these calls is spoiled, in a way that suits it. FAULT_FLIPPED and FAULT_SLOW are left to plans. */
void faults_random(struct faults *faults, unsigned calls, uint32_t one_in);
/* From now on nothing fails. */
void faults_clear(struct faults *faults);

/* How many calls there were, and how many were spoiled. */
uint64_t faults_calls(struct faults *faults);
uint64_t faults_spoiled(struct faults *faults);

#endif
