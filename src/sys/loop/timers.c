#include "sys/loop/timers.h"

#include "base/assert.h"

enum { CAPACITY_MIN = 8 };

void timers_init(struct timers *timers, const struct memory *memory) { *timers = (struct timers){.memory = memory}; }

void timers_fini(struct timers *timers) {
    if (!timers || !timers->heap)
        return;
    memory_give(timers->memory, timers->heap, timers->capacity * sizeof *timers->heap);
    *timers = (struct timers){.memory = timers->memory};
}

static void put(struct timers *timers, uint32_t at, struct timer *timer) {
    timers->heap[at] = timer;
    timer->place = at + 1;
}

/* Moves a timer to where it belongs, starting from a free place `at`. */
static void settle(struct timers *timers, uint32_t at, struct timer *timer) {
    while (at > 0 && timers->heap[(at - 1) / 2]->due_ms > timer->due_ms) {
        put(timers, at, timers->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count && timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
            child++;
        if (timers->heap[child]->due_ms >= timer->due_ms)
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

enum status timers_set(struct timers *timers, struct timer *timer, uint64_t due_ms) {
    if (!timer_is_set(timer)) {
        if (timers->count == timers->capacity) {
            uint32_t capacity = timers->capacity ? 2 * timers->capacity : CAPACITY_MIN;
            void *heap =
                timers->memory->resize(timers->memory->context, timers->heap, timers->capacity * sizeof *timers->heap,
                                       capacity * sizeof *timers->heap);
            if (!heap)
                return STATUS_NO_MEMORY;
            timers->heap = heap;
            timers->capacity = capacity;
        }
        timer->place = ++timers->count;
    }
    ASSERT(timer->place <= timers->count);
    timer->due_ms = due_ms;
    settle(timers, timer->place - 1, timer);
    return STATUS_OK;
}

void timers_clear(struct timers *timers, struct timer *timer) {
    if (!timer_is_set(timer))
        return;
    ASSERT(timers->heap[timer->place - 1] == timer);
    uint32_t at = timer->place - 1;
    struct timer *last = timers->heap[--timers->count];
    timer->place = 0;
    if (last != timer)
        settle(timers, at, last);
}

struct timer *timers_take_due(struct timers *timers, uint64_t now_ms) {
    if (timers->count == 0 || timers->heap[0]->due_ms > now_ms)
        return NULL;
    struct timer *timer = timers->heap[0];
    timers_clear(timers, timer);
    return timer;
}

uint64_t timers_wait_ms(const struct timers *timers, uint64_t now_ms, uint64_t most_ms) {
    if (timers->count == 0)
        return most_ms;
    uint64_t due_ms = timers->heap[0]->due_ms;
    uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    return wait_ms < most_ms ? wait_ms : most_ms;
}

void timers_verify(const struct timers *timers) {
    ASSERT(timers->count <= timers->capacity);
    for (uint32_t at = 0; at < timers->count; at++) {
        ASSERT(timers->heap[at]->place == at + 1);
        ASSERT(at == 0 || timers->heap[(at - 1) / 2]->due_ms <= timers->heap[at]->due_ms);
    }
}
