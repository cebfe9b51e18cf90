/* core/obs/slowlog.h: the last commands that took long, or that were large: by a value that the caller gives each.
 *
 * The newest entry comes first; when the log is full the oldest goes. Long commands are clipped: at most 32 arguments of 128
 * bytes, with a note of how much was left out.
 *
 * Threads: none of its own and no lock: a server with several threads holds one mutex around every call here, and around its use of
 *          what slowlog_first answers.
 * Memory:  one block an entry, at most about 5 KiB; an entry for which there is no memory is left out.
 * Time:    handed in.
 */
#ifndef STRATA_CORE_OBS_SLOWLOG_H
#define STRATA_CORE_OBS_SLOWLOG_H

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    SLOWLOG_ARGUMENTS_MAX = 32,
    SLOWLOG_ARGUMENT_SIZE_MAX = 128,
    SLOWLOG_CLIENT_SIZE_MAX = 128, /* bytes kept of the address, and of the name */
};

/* What happened. */
struct slowlog_event {
    uint64_t unix_s, value;
    const struct slice
        *arguments;          /* the first SLOWLOG_ARGUMENTS_MAX are looked at; data NULL: only the size is known */
    uint32_t argument_count; /* all of them */
    struct slice client_address, client_name;
};

struct slowlog_entry {
    uint64_t id; /* counts up from 0, also over slowlog_clear */
    uint64_t unix_s, value;
    struct slice client_address, client_name;
    uint32_t argument_count;
    struct slice *arguments;
    struct slowlog_entry *older;
    /* private */
    struct slowlog_entry *newer;
    size_t block_size;
};

struct slowlog {
    struct slowlog_entry *newest, *oldest;
    uint64_t id_next;
    uint32_t count, entries_max;
    const struct memory *memory;
};

void slowlog_init(struct slowlog *log, const struct memory *memory, uint32_t entries_max);
void slowlog_fini(struct slowlog *log);

/* STATUS_NO_MEMORY: the log is as it was. */
MUST_CHECK enum status slowlog_add(struct slowlog *log, const struct slowlog_event *event);

/* Drops all entries; numbers go on. */
void slowlog_clear(struct slowlog *log);

/* Another limit; the oldest entries beyond it go. */
void slowlog_limit(struct slowlog *log, uint32_t entries_max);

/* The newest entry, or NULL; the others by `older`. */
static inline const struct slowlog_entry *slowlog_first(const struct slowlog *log) { return log->newest; }

#endif
