#include "app/http/http_loop.h"

#include "sys/os/clock.h"

enum { EVENTS_MAX = 128, WAIT_MS_MAX = 1000 * 1000 };

struct http_loop {
    const struct memory *memory;
    struct loop *loop;
    struct timers timers;
    uint64_t (*clock)(void);
    uint64_t now_ms;
    struct http_task *first, *last;
    struct loop_event events[EVENTS_MAX]; /* of this turn; a source that is forgotten is taken out */
    uint32_t event_count;
};

static uint64_t steady_ms(void) { return clock_steady_ms(); }

enum status http_loop_new(const struct memory *memory, uint64_t (*now_ms)(void), struct http_loop **ret_loop) {
    struct http_loop *loop = memory_take(memory, sizeof *loop);
    if (!loop)
        return STATUS_NO_MEMORY;
    *loop = (struct http_loop){.memory = memory, .clock = now_ms ? now_ms : steady_ms};
    timers_init(&loop->timers, memory);
    loop->now_ms = loop->clock();
    enum status status = loop_new(memory, &loop->loop);
    if (status == STATUS_OK)
        *ret_loop = loop;
    else
        memory_give(memory, loop, sizeof *loop);
    return status;
}

void http_loop_free(struct http_loop *loop) {
    if (!loop)
        return;
    timers_fini(&loop->timers);
    loop_free(loop->loop);
    memory_give(loop->memory, loop, sizeof *loop);
}

void http_loop_wake(struct http_loop *loop) { loop_wake(loop->loop); }

uint64_t http_loop_now_ms(const struct http_loop *loop) { return loop->now_ms; }
const struct memory *http_loop_memory(const struct http_loop *loop) { return loop->memory; }

enum status http_loop_watch(struct http_loop *loop, struct http_source *source, uint32_t interest) {
    return loop_watch(loop->loop, &source->source, interest);
}

enum status http_loop_change(struct http_loop *loop, struct http_source *source, uint32_t interest) {
    return loop_change(loop->loop, &source->source, interest);
}

void http_loop_forget(struct http_loop *loop, struct http_source *source) {
    if (source->source.fd < 0)
        return;
    loop_forget(loop->loop, &source->source);
    for (uint32_t i = 0; i < loop->event_count; i++)
        if (loop->events[i].source == &source->source)
            loop->events[i].source = NULL;
}

enum status http_loop_set(struct http_loop *loop, struct http_timer *timer, uint64_t due_ms) {
    return timers_set(&loop->timers, &timer->timer, due_ms);
}

void http_loop_clear(struct http_loop *loop, struct http_timer *timer) { timers_clear(&loop->timers, &timer->timer); }

void http_loop_later(struct http_loop *loop, struct http_task *task) {
    if (task->waits)
        return;
    task->waits = true;
    task->next = NULL;
    if (loop->first)
        loop->last->next = task;
    else
        loop->first = task;
    loop->last = task;
}

static void run_events(struct http_loop *loop) {
    for (uint32_t i = 0; i < loop->event_count; i++) {
        struct http_source *source = (struct http_source *)loop->events[i].source;
        if (source)
            source->ready(source, loop->events[i].ready);
    }
    loop->event_count = 0;
}

static void run_timers(struct http_loop *loop) {
    struct timer *due;
    while ((due = timers_take_due(&loop->timers, loop->now_ms)))
        ((struct http_timer *)due)->due((struct http_timer *)due);
}

/* Those that come about meanwhile have their turn in the next one. */
static void run_tasks(struct http_loop *loop) {
    struct http_task *list = loop->first, *next;
    loop->first = loop->last = NULL;
    for (struct http_task *task = list; task; task = next) {
        next = task->next;
        task->waits = false;
        task->run(task);
    }
}

void http_loop_turn(struct http_loop *loop, uint64_t wait_ms_max) {
    bool woken;
    uint64_t wait_ms = loop->first ? 0 : wait_ms_max < WAIT_MS_MAX ? wait_ms_max : WAIT_MS_MAX;
    loop->now_ms = loop->clock();
    wait_ms = timers_wait_ms(&loop->timers, loop->now_ms, wait_ms);
    loop->event_count = loop_wait(loop->loop, wait_ms, loop->events, EVENTS_MAX, &woken);
    loop->now_ms = loop->clock();
    run_events(loop);
    run_timers(loop);
    run_tasks(loop);
}
