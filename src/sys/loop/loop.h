/* sys/loop/loop.h: which descriptors are ready.
 *
 * A loop watches sources and answers the ready ones as an array, so that its owner may look at all of them together before
 * acting on any. Other threads can end its sleep. Behind it stands epoll, level-triggered; another way
 * of polling has to answer these calls only.
 *
 * Threads: one owner; loop_wake may be called from anywhere, signal handlers included.
 * Memory:  sources belong to the caller and stay where they are while watched.
 * Errors:  STATUS_IO with errno; STATUS_NO_MEMORY.
 */
#ifndef STRATA_SYS_LOOP_LOOP_H
#define STRATA_SYS_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

enum loop_interest {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_ALONE = 4, /* of several loops that watch the same descriptor, wake one (a shared listener) */
    LOOP_GONE = 8,  /* an end of the other side's sending is LOOP_BROKEN, too */
};

enum loop_ready {
    LOOP_READABLE = 1,
    LOOP_WRITABLE = 2,
    LOOP_BROKEN = 4, /* error or hang-up: reading says which */
};

struct loop_source {
    int fd;
    uint32_t interest; /* kept by the loop */
    int kind;          /* the owner's: what this source is part of */
};

struct loop_event {
    struct loop_source *source;
    uint32_t ready; /* enum loop_ready */
};

struct loop;

MUST_CHECK enum status loop_new(const struct memory *memory, struct loop **ret_loop);
void loop_free(struct loop *loop);

MUST_CHECK enum status loop_watch(struct loop *loop, struct loop_source *source, uint32_t interest);
/* Costs a system call only if the interest is another than before. Interest 0 still reports LOOP_BROKEN. */
MUST_CHECK enum status loop_change(struct loop *loop, struct loop_source *source, uint32_t interest);
/* Before the descriptor is closed. Events of this source that were already answered are the caller's to drop. */
void loop_forget(struct loop *loop, struct loop_source *source);

/* Sleeps until something is ready, somebody calls loop_wake, or the time is over (0: only looks). Answers how many events
 * there are; 0 after a wake or a signal. `ret_woken`: loop_wake was called since the last time. */
uint32_t loop_wait(struct loop *loop, uint64_t timeout_ms, struct loop_event *ret_events, uint32_t max,
                   bool *ret_woken);

void loop_wake(struct loop *loop);

#endif
