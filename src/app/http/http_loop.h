/* app/http/http_loop.h: the loop of the thread that serves HTTP, for all that takes part in it.
 *
 *     struct thing { struct http_source source; struct http_timer timer; ... };      the first member, or found by offsetof
 *
 * Threads: the one that turns it; http_loop_wake from anywhere.
 * Memory:  sources, timers and tasks belong to the caller and stay where they are while they are known here.
 * Time:    steady, in milliseconds, read once a turn.
 */
#ifndef STRATA_APP_HTTP_HTTP_LOOP_H
#define STRATA_APP_HTTP_HTTP_LOOP_H

#include "base/status.h"
#include "sys/loop/loop.h"
#include "sys/loop/timers.h"

struct http_loop;

struct http_source {
    struct loop_source source; /* fd is the caller's to set */
    void (*ready)(struct http_source *source, uint32_t ready /* enum loop_ready */);
};

struct http_timer {
    struct timer timer;
    void (*due)(struct http_timer *timer); /* it is not set any more */
};

/* Something to be done when the turn's events have been seen to: what is freed there is met by none of them. */
struct http_task {
    void (*run)(struct http_task *task);
    struct http_task *next;
    bool waits;
};

/* `now_ms`: the clock; NULL: the system's. */
MUST_CHECK enum status http_loop_new(const struct memory *memory, uint64_t (*now_ms)(void),
                                     struct http_loop **ret_loop);
void http_loop_free(struct http_loop *loop);

/* Waits for something to do, at most so long, and does it. */
void http_loop_turn(struct http_loop *loop, uint64_t wait_ms_max);
void http_loop_wake(struct http_loop *loop);

uint64_t http_loop_now_ms(const struct http_loop *loop);
const struct memory *http_loop_memory(const struct http_loop *loop);

MUST_CHECK enum status http_loop_watch(struct http_loop *loop, struct http_source *source, uint32_t interest);
MUST_CHECK enum status http_loop_change(struct http_loop *loop, struct http_source *source, uint32_t interest);
/* Before the descriptor is closed; it is not told of anything any more, not of what this turn has found either. Of one that is not watched: nothing. */
void http_loop_forget(struct http_loop *loop, struct http_source *source);

/* Sets, or sets anew. STATUS_NO_MEMORY. */
MUST_CHECK enum status http_loop_set(struct http_loop *loop, struct http_timer *timer, uint64_t due_ms);
void http_loop_clear(struct http_loop *loop, struct http_timer *timer);

/* At the end of this turn, or of the next one if there is none now. Again while it waits: once. */
void http_loop_later(struct http_loop *loop, struct http_task *task);

#endif
