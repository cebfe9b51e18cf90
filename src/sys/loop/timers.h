/* sys/loop/timers.h: what is due at which time.
 *
 * A binary heap of timers that live inside whatever they belong to; a turn of a loop asks how long it may sleep
 * and then takes what is due.
 *
 * Threads: one owner at a time.
 * Memory:  the heap holds pointers only; it grows by doubling, so timers_set may fail.
 * Time:    handed in; the owner says which clock it means, in milliseconds.
 * Always:  a timer is in the heap once or not at all, and knows its place.
 */
#ifndef STRATA_SYS_LOOP_TIMERS_H
#define STRATA_SYS_LOOP_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

struct timer {
    uint64_t due_ms;
    uint32_t place; /* 1 + index in the heap; 0: not set */
};

struct timers {
    struct timer **heap;
    uint32_t count, capacity;
    const struct memory *memory;
};

void timers_init(struct timers *timers, const struct memory *memory);
void timers_fini(struct timers *timers);

/* Sets, or sets anew. */
MUST_CHECK enum status timers_set(struct timers *timers, struct timer *timer, uint64_t due_ms);
void timers_clear(struct timers *timers, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer) { return timer->place != 0; }

/* The earliest timer that is due, taken out of the heap; NULL if none is. */
struct timer *timers_take_due(struct timers *timers, uint64_t now_ms);

/* Milliseconds until the earliest is due, at most `most_ms`. */
uint64_t timers_wait_ms(const struct timers *timers, uint64_t now_ms, uint64_t most_ms);

void timers_verify(const struct timers *timers);

#endif
