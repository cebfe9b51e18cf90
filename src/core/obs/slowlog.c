#include "core/obs/slowlog.h"

#include <stdio.h>

#include "base/assert.h"

enum { NOTE_SIZE = 48 }; /* "... (18446744073709551615 more arguments)" */

void slowlog_init(struct slowlog *log, const struct memory *memory, uint32_t entries_max) {
    *log = (struct slowlog){.entries_max = entries_max, .memory = memory};
}

void slowlog_fini(struct slowlog *log) {
    if (log)
        slowlog_clear(log);
}

static void drop_oldest(struct slowlog *log) {
    struct slowlog_entry *entry = log->oldest;
    ASSERT(entry && log->count > 0);
    log->oldest = entry->newer;
    if (log->oldest)
        log->oldest->older = NULL;
    else
        log->newest = NULL;
    log->count--;
    memory_give(log->memory, entry, entry->block_size);
}

void slowlog_limit(struct slowlog *log, uint32_t entries_max) {
    log->entries_max = entries_max;
    while (log->count > entries_max)
        drop_oldest(log);
}

void slowlog_clear(struct slowlog *log) {
    while (log->count > 0)
        drop_oldest(log);
}

/* What is kept of an event, before it is known where. */
struct clipping {
    uint32_t count;  /* arguments kept, the note of those left out included */
    uint32_t copied; /* of these, arguments themselves */
    size_t size;     /* bytes of everything */
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static struct clipping clip(const struct slowlog_event *event) {
    struct clipping clipping = {.count = event->argument_count, .copied = event->argument_count};
    if (clipping.count > SLOWLOG_ARGUMENTS_MAX) {
        clipping.count = SLOWLOG_ARGUMENTS_MAX;
        clipping.copied = SLOWLOG_ARGUMENTS_MAX - 1;
    }
    clipping.size = clipping.count * sizeof(struct slice) + NOTE_SIZE;
    for (uint32_t i = 0; i < clipping.copied; i++)
        clipping.size += event->arguments[i].data
                             ? least(event->arguments[i].size, SLOWLOG_ARGUMENT_SIZE_MAX + NOTE_SIZE)
                             : NOTE_SIZE;
    clipping.size += least(event->client_address.size, SLOWLOG_CLIENT_SIZE_MAX);
    clipping.size += least(event->client_name.size, SLOWLOG_CLIENT_SIZE_MAX);
    return clipping;
}

static struct slice copy(uint8_t **at, struct slice bytes) {
    struct slice kept = slice_make(*at, bytes.size);
    if (bytes.size)
        memcpy(*at, bytes.data, bytes.size);
    *at += bytes.size;
    return kept;
}

static struct slice note(uint8_t **at, struct slice before, uint64_t left_out, const char *what) {
    char text[NOTE_SIZE];
    int size = snprintf(text, sizeof text, "... (%llu more %s)", (unsigned long long)left_out, what);
    struct slice kept = copy(at, before);
    (void)copy(at, slice_make(text, (size_t)size));
    kept.size += (size_t)size;
    return kept;
}

static void fill(struct slowlog_entry *entry, const struct slowlog_event *event, struct clipping clipping) {
    uint8_t *at = (uint8_t *)(entry->arguments + clipping.count);
    for (uint32_t i = 0; i < clipping.copied; i++) {
        struct slice argument = event->arguments[i];
        struct slice part = slice_part(argument, 0, argument.data ? SLOWLOG_ARGUMENT_SIZE_MAX : 0);
        bool whole = part.size == argument.size;
        entry->arguments[i] = whole ? copy(&at, part) : note(&at, part, argument.size - part.size, "bytes");
    }
    if (clipping.copied < clipping.count)
        entry->arguments[clipping.copied] = note(&at, SLICE(""), event->argument_count - clipping.copied, "arguments");
    entry->client_address = copy(&at, slice_part(event->client_address, 0, SLOWLOG_CLIENT_SIZE_MAX));
    entry->client_name = copy(&at, slice_part(event->client_name, 0, SLOWLOG_CLIENT_SIZE_MAX));
    ASSERT(at <= (uint8_t *)entry + entry->block_size);
}

enum status slowlog_add(struct slowlog *log, const struct slowlog_event *event) {
    if (log->entries_max == 0)
        return STATUS_OK;
    struct clipping clipping = clip(event);
    size_t block_size = sizeof(struct slowlog_entry) + clipping.size;
    struct slowlog_entry *entry = memory_take(log->memory, block_size);
    if (!entry)
        return STATUS_NO_MEMORY;
    *entry = (struct slowlog_entry){
        .id = log->id_next++,
        .unix_s = event->unix_s,
        .value = event->value,
        .argument_count = clipping.count,
        .arguments = (struct slice *)(entry + 1),
        .older = log->newest,
        .block_size = block_size,
    };
    fill(entry, event, clipping);
    if (log->newest)
        log->newest->newer = entry;
    else
        log->oldest = entry;
    log->newest = entry;
    log->count++;
    slowlog_limit(log, log->entries_max);
    return STATUS_OK;
}
