/* core/obs/latency.h: when did which kind of event take too long.
 *
 * For each kind ("command", "expire-cycle", ...) the last 160 spikes, at most one a second: a second keeps its worst.
 *
 * Threads: none of its own and no lock: a server with several threads holds one mutex around every call here.
 * Memory:  about 42 KiB in the struct itself; allocates nothing but the texts that are asked for.
 * Time:    handed in, Unix seconds.
 */
#ifndef STRATA_CORE_OBS_LATENCY_H
#define STRATA_CORE_OBS_LATENCY_H

#include "base/buf.h"

enum {
    LATENCY_EVENTS_MAX = 32, /* kinds; further ones are not recorded */
    LATENCY_SAMPLES_MAX = 160,
    LATENCY_NAME_MAX = 31,
};

struct latency_sample {
    uint32_t unix_s, ms;
};

struct latency_event {
    char name[LATENCY_NAME_MAX + 1];
    uint32_t highest_ms; /* ever, also of samples that are gone */
    uint32_t first, count;
    struct latency_sample samples[LATENCY_SAMPLES_MAX]; /* a ring */
};

struct latency_monitor {
    uint32_t event_count;
    struct latency_event events[LATENCY_EVENTS_MAX];
};

static inline void latency_init(struct latency_monitor *monitor) { monitor->event_count = 0; }

/* The caller has found that `ms` is over its threshold. Samples come in order of time. */
void latency_add(struct latency_monitor *monitor, const char *name, uint64_t unix_s, uint64_t ms);

/* NULL if nothing is known of it. Names compare as they are. */
const struct latency_event *latency_find(const struct latency_monitor *monitor, struct slice name);

/* From 0, the oldest, to count - 1. */
static inline const struct latency_sample *latency_sample(const struct latency_event *event, uint32_t index) {
    return &event->samples[(event->first + index) % LATENCY_SAMPLES_MAX];
}

/* Forgets one kind (true if it was there), or all of them: answers how many. */
bool latency_reset(struct latency_monitor *monitor, struct slice name);
uint32_t latency_reset_all(struct latency_monitor *monitor);

/* A drawing of the samples, one column each, with their age below. */
MUST_CHECK enum status latency_graph(const struct latency_event *event, uint64_t now_s, struct buf *text);

/* What can be said about all kinds, in sentences. `threshold_ms` 0: monitoring is off. */
MUST_CHECK enum status latency_doctor(const struct latency_monitor *monitor, uint64_t threshold_ms, uint64_t now_s,
                                      struct buf *text);

#endif
