/* app/embed/slot.h: what the library keeps for each thread in each cache.
 *
 * Threads get small numbers as they come and give them back as they end; a cache has a row of slots by these numbers, so
 * that finding one's own takes a load from thread-local memory and an addition.
 *
 *     numbers   1 .. STRATA_THREADS_MAX        one thread each
 *     slot 0                                   shared by the threads for which there was no number, under a lock
 *
 * Threads: a slot belongs to its thread while it runs, and later to another with the same number. Counters may be read by
 *          others and lag.
 * Memory:  the row is address space; a slot becomes resident when its thread first calls the cache.
 */
#ifndef STRATA_APP_EMBED_SLOT_H
#define STRATA_APP_EMBED_SLOT_H

#include <assert.h>
#include <stdatomic.h>

#include <strata/strata.h>
#include "base/buf.h"
#include "core/store/actor.h"

enum { SLOT_SHARED = 0, SLOT_COUNT = (int)STRATA_THREADS_MAX + 1 };

struct slot {
    struct actor actor;
    _Atomic uint32_t inside; /* between call_begin and call_end: a fork waits */
    uint32_t writes_left;    /* until the next look for something to clean up */
    bool delivering;         /* callbacks of this slot are being called */
    bool no_memory;          /* an allocation of this thread failed in the call under way */
    uint64_t events_lost;
    struct buf events; /* removals to tell of, see events.h */
} __attribute__((aligned(64)));

/* 0: none yet. Over STRATA_THREADS_MAX: no number was left. */
extern __thread uint32_t slot_number_now __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's number, which it gets now if it has none; SLOT_SHARED if none is left. */
uint32_t slot_number_take(void);

/* Numbers in use are below. */
uint32_t slot_number_end(void);

/* Around a fork: no number changes hands; in the child only the calling thread has one. */
void slot_fork_prepare(void);
void slot_fork_parent(void);
void slot_fork_child(void);

#endif
