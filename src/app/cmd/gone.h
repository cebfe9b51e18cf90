/* app/cmd/gone.h: what the server remembers of keys that are no longer there, for those who explain.
 *
 * Threads: plain data.
 * Memory:  slices point into `bytes` of the same struct, so it is not to be copied.
 */
#ifndef STRATA_APP_CMD_GONE_H
#define STRATA_APP_CMD_GONE_H

#include "app/cmd/cause.h"
#include "core/cache/cache.h"

struct cmd_spec;

/* Why a read has found nothing. */
enum miss_cause {
    MISS_NEVER, /* nothing is known of the key: it was never there, or that is forgotten */
    MISS_EXPIRED,
    MISS_EVICTED,
    MISS_INVALIDATED,
    MISS_DELETED,
    MISS_FLUSHED,  /* supposed: nothing else is known of it, its database was emptied, and nobody has missed it since */
    MISS_NOTHING,  /* it is cached that there is nothing */
    MISS_FILTERED, /* as MISS_NEVER, and a filter knew it */
    MISS_CAUSES
};
const char *miss_cause_name(enum miss_cause cause);

enum { CMD_ADDRESS_MAX = 55 }; /* host:port, or the path of a socket, of which the rest is cut */

/* What a key, a tag or a database went through. */
struct cmd_gone {
    enum cache_change kind; /* CACHE_DELETED, EXPIRED, EVICTED, INVALIDATED, FLUSHED, SWAPPED or TAG_INVALIDATED */
    uint64_t when_ms;
    uint64_t client;             /* 0: nobody */
    const struct cmd_spec *spec; /* NULL: no command */
    bool over_capacity;          /* evicted because its store had more entries than it may; else for want of memory */
    bool soft;                   /* what went might have been shown as stale from then on */
    bool text_lost;              /* there was more to say, which is forgotten */
    bool
        at_latest; /* of several invalidations of its tag this is the first that is remembered, but it may have been one before */
    struct slice who, killer; /* as in struct change */
    bool by_ban;              /* as there */
    bool has_cause;
    struct cause cause;
    char address[CMD_ADDRESS_MAX + 1]; /* of the client; empty: forgotten */
    uint8_t bytes[2048];
};

struct cmd_miss {
    enum miss_cause cause;
    uint64_t when_ms;
};

#endif
