#include "core/obs/latency.h"

#include <stdio.h>

enum {
    GRAPH_COLUMNS_MAX = 80,
    GRAPH_ROWS = 4,
    GRAPH_LABEL_SIZE = 5, /* "999d" and a terminator */
};

static struct latency_event *find(struct latency_monitor *monitor, struct slice name) {
    return (struct latency_event *)latency_find(monitor, name);
}

const struct latency_event *latency_find(const struct latency_monitor *monitor, struct slice name) {
    for (uint32_t i = 0; i < monitor->event_count; i++) {
        if (slice_equal(slice_from_string(monitor->events[i].name), name))
            return &monitor->events[i];
    }
    return NULL;
}

static struct latency_event *find_or_make(struct latency_monitor *monitor, const char *name) {
    struct latency_event *event = find(monitor, slice_from_string(name));
    if (event || monitor->event_count == LATENCY_EVENTS_MAX)
        return event;
    event = &monitor->events[monitor->event_count++];
    snprintf(event->name, sizeof event->name, "%s", name);
    event->highest_ms = event->first = event->count = 0;
    return event;
}

void latency_add(struct latency_monitor *monitor, const char *name, uint64_t unix_s, uint64_t ms) {
    struct latency_event *event = find_or_make(monitor, name);
    if (!event)
        return;
    uint32_t ms32 = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
    if (ms32 > event->highest_ms)
        event->highest_ms = ms32;
    if (event->count > 0) {
        struct latency_sample *last = &event->samples[(event->first + event->count - 1) % LATENCY_SAMPLES_MAX];
        if (last->unix_s == (uint32_t)unix_s) {
            last->ms = ms32 > last->ms ? ms32 : last->ms;
            return;
        }
    }
    if (event->count == LATENCY_SAMPLES_MAX)
        event->first = (event->first + 1) % LATENCY_SAMPLES_MAX;
    else
        event->count++;
    event->samples[(event->first + event->count - 1) % LATENCY_SAMPLES_MAX] =
        (struct latency_sample){(uint32_t)unix_s, ms32};
}

bool latency_reset(struct latency_monitor *monitor, struct slice name) {
    struct latency_event *event = find(monitor, name);
    if (!event)
        return false;
    *event = monitor->events[--monitor->event_count];
    return true;
}

uint32_t latency_reset_all(struct latency_monitor *monitor) {
    uint32_t count = monitor->event_count;
    monitor->event_count = 0;
    return count;
}

/* --------------------------------------------------------------------- drawing */

static void age_text(uint64_t age_s, char ret_text[GRAPH_LABEL_SIZE]) {
    static const struct {
        uint64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    unsigned unit = 0;
    while (unit < 3 && age_s < units[unit].seconds)
        unit++;
    uint64_t count = age_s / units[unit].seconds;
    snprintf(ret_text, GRAPH_LABEL_SIZE, "%u%c", (unsigned)(count < 999 ? count : 999), units[unit].letter);
}

struct drawn {
    uint32_t first, count, low, high;
};

static struct drawn drawn_part(const struct latency_event *event) {
    struct drawn part = {.count = event->count, .low = UINT32_MAX};
    if (part.count > GRAPH_COLUMNS_MAX)
        part.count = GRAPH_COLUMNS_MAX;
    part.first = event->count - part.count;
    for (uint32_t i = 0; i < part.count; i++) {
        uint32_t ms = latency_sample(event, part.first + i)->ms;
        part.low = ms < part.low ? ms : part.low;
        part.high = ms > part.high ? ms : part.high;
    }
    return part;
}

/* Twelve heights: each row of the drawing has three, '_' below 'o' below '#'. */
static char mark_at(const struct drawn *part, uint32_t ms, int row) {
    uint32_t span = part->high - part->low;
    int height = span ? (int)((uint64_t)(ms - part->low) * (GRAPH_ROWS * 3 - 1) / span) : 0;
    int above = height - (GRAPH_ROWS - 1 - row) * 3;
    if (above < 0)
        return ' ';
    return above > 2 ? '|' : "_o#"[above];
}

enum status latency_graph(const struct latency_event *event, uint64_t now_s, struct buf *text) {
    struct drawn part = drawn_part(event);
    size_t longest = 0;
    char line[GRAPH_COLUMNS_MAX + 1] = "", labels[GRAPH_COLUMNS_MAX][GRAPH_LABEL_SIZE];
    TRY(buf_printf(text, "%s - high %u ms, low %u ms (all time high %u ms)\n", event->name, part.high, part.low,
                   event->highest_ms));
    memset(line, '-', GRAPH_COLUMNS_MAX);
    TRY(buf_printf(text, "%s\n", line));
    for (int row = 0; row < GRAPH_ROWS; row++) {
        for (uint32_t i = 0; i < part.count; i++)
            line[i] = mark_at(&part, latency_sample(event, part.first + i)->ms, row);
        line[part.count] = 0;
        TRY(buf_printf(text, "%s\n", line));
    }
    for (uint32_t i = 0; i < part.count; i++) {
        uint64_t at = latency_sample(event, part.first + i)->unix_s;
        age_text(now_s > at ? now_s - at : 0, labels[i]);
        longest = strlen(labels[i]) > longest ? strlen(labels[i]) : longest;
    }
    for (size_t row = 0; row < longest; row++) {
        for (uint32_t i = 0; i < part.count; i++)
            line[i] = row < strlen(labels[i]) ? labels[i][row] : ' ';
        TRY(buf_printf(text, "%s%s\n", row ? "" : "\n", line));
    }
    return STATUS_OK;
}

/* ---------------------------------------------------------------------- report */

static enum status doctor_event(const struct latency_event *event, uint64_t now_s, struct buf *text) {
    uint64_t sum = 0, off = 0;
    struct drawn part = {.count = event->count, .low = UINT32_MAX};
    for (uint32_t i = 0; i < event->count; i++) {
        uint32_t ms = latency_sample(event, i)->ms;
        sum += ms;
        part.high = ms > part.high ? ms : part.high;
    }
    uint64_t average = event->count ? sum / event->count : 0;
    for (uint32_t i = 0; i < event->count; i++) {
        uint32_t ms = latency_sample(event, i)->ms;
        off += ms > average ? ms - average : average - ms;
    }
    uint64_t oldest = event->count ? latency_sample(event, 0)->unix_s : now_s;
    uint64_t span_s = now_s > oldest ? now_s - oldest : 0;
    return buf_printf(text,
                      "- %s: %u spikes in the last %llu seconds, %llu ms on average (typically %llu ms off), the worst "
                      "%u ms, the worst ever %u ms.\n",
                      event->name, event->count, (unsigned long long)span_s, (unsigned long long)average,
                      (unsigned long long)(event->count ? off / event->count : 0), part.high, event->highest_ms);
}

static enum status doctor_advice(const struct latency_monitor *monitor, struct buf *text) {
    TRY(buf_printf(text, "\nWhat may help:\n"));
    if (latency_find(monitor, SLICE("command")) || latency_find(monitor, SLICE("fast-command")))
        TRY(buf_printf(text,
                       "- SLOWLOG GET shows which commands took long; KEYS, large values and long ranges are the "
                       "usual ones. SCAN instead of KEYS spreads the work.\n"));
    if (latency_find(monitor, SLICE("expire-cycle")))
        TRY(buf_printf(text, "- Many entries expire at the same moment: vary their time to live a little.\n"));
    if (latency_find(monitor, SLICE("eviction-cycle")))
        TRY(buf_printf(text, "- Memory is full and making room takes long: raise maxmemory, or store less at once.\n"));
    return buf_printf(text,
                      "- A busy or swapping machine delays everything: compare with the load of the processors.\n");
}

enum status latency_doctor(const struct latency_monitor *monitor, uint64_t threshold_ms, uint64_t now_s,
                           struct buf *text) {
    if (threshold_ms == 0)
        return buf_printf(text,
                          "Latency monitoring is off, so there is nothing to report. CONFIG SET "
                          "latency-monitor-threshold MILLISECONDS turns it on.\n");
    if (monitor->event_count == 0)
        return buf_printf(text, "No event took %llu ms or longer since monitoring began. All is well.\n",
                          (unsigned long long)threshold_ms);
    TRY(buf_printf(text, "Events that took %llu ms or longer:\n\n", (unsigned long long)threshold_ms));
    for (uint32_t i = 0; i < monitor->event_count; i++)
        TRY(doctor_event(&monitor->events[i], now_s, text));
    return doctor_advice(monitor, text);
}
