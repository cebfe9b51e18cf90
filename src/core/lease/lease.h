/* core/lease/lease.h: who may load a key that is missing, who waits for it, and whether what was loaded may be written.
 *
 * A *lease* is the right to load one key. Its token guards the write: it holds as long as nothing has happened to the key, and to the
 * tags that the write brings, since the token was given.
 *
 *     nobody ── ask ──> held ── written ──────────────> gone: all waiters look
 *                        │ ^
 *                        │ └─── the first waiter that wants to load ───┐
 *                        └── deleted, flushed, released, timed out ────┴─> gone, if no such waiter: all waiters miss
 *
 * Time alone makes nothing old: who comes late with his token may still write while nothing has happened to the key since he got it, be the lease
 * another one's meanwhile or nobody's. Then it has *lapsed*: it is remembered for LEASE_LATE_MS, the last LEASES_LAPSED_MAX of them, and the
 * next who asks has it at once.
 *
 * A lease ends with whatever happens to its key. Most are of keys that were absent when they were asked for: so who changes keys has to tell of
 * what is created and of deletions, those that found nothing included, while `out` or `lapsed` is not 0; and of what is overwritten or changed while
 * `out_there` or `lapsed_there` is not 0, as some are of keys that were there, to load them anew in time.
 *
 * A token is a number of 64 bits that is given once: the lease's serial number and its place, mixed with a secret.
 *
 * Tags: an invalidation is noted in two rows of stamps by the tag's hash; a lease is refused if both are younger than it. Notes are
 * never lost, so none is missed; two other tags invalidated since may refuse a write that need not be, once in some 16 million pairs.
 *
 * Threads: one at a time; whoever shares it has a lock around it. Of one key, asking, writing and telling stand under one more lock,
 *          under which the key is as it is said to be when it is asked for; who has that one may ask leases_may_concern without the other.
 * Memory:  from `memory`; one piece for each lease and tables that grow. Waiters belong to the caller.
 * Time:    `now_ms` is handed in and never goes back.
 * Errors:  what fails changes nothing.
 */
#ifndef STRATA_CORE_LEASE_LEASE_H
#define STRATA_CORE_LEASE_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    LEASES_MAX = 1 << 20,
    LEASE_MS_MAX = 3600 * 1000,
    LEASE_WAIT_MS_MAX = 3600 * 1000,
    LEASE_MARKS = 4096, /* stamps of each row, a power of two: 64 KiB in all */
    LEASE_COUNTS = 4096,
    LEASE_LATE_MS = 60 * 1000,
    LEASES_LAPSED_MAX = 1024, /* whoever changes keys has to look at these too: few */
};

struct lease_key {
    struct slice name;
    uint64_t hash;  /* those that are removed together have the same */
    uint32_t place; /* the database; LEASE_PLACES_ALL is none */
};
#define LEASE_PLACES_ALL UINT32_MAX

/* Why a token does not hold. */
enum lease_end {
    LEASE_HOLDS,
    LEASE_TIMED_OUT,
    LEASE_WRITTEN, /* by somebody without the token */
    LEASE_DELETED,
    LEASE_INVALIDATED, /* by its name, a pattern, or what follows by rules */
    LEASE_FLUSHED,
    LEASE_SWAPPED,
    LEASE_RULED, /* other rules have come into force */
    LEASE_RELEASED,
    LEASE_USED, /* its write has been done */
    LEASE_OF_TAG,
    LEASE_OF_OTHER_KEY,
    LEASE_UNKNOWN, /* never given, or so long ago that it is forgotten why it ended */
    LEASE_ENDS,
};

/* What becomes of a waiter. */
enum lease_wake {
    LEASE_LOOK, /* something was written: who finds nothing asks again, and keeps its place in the order */
    LEASE_LOAD, /* it has the lease */
    LEASE_MISS, /* it has waited long enough, or there is nobody to wait for */
};

struct lease_due { /* private */
    uint64_t at_ms;
    uint32_t index;
    bool waits;
};

/* Who ends leases, or has one: numbers of the caller's. */
struct lease_by {
    uint64_t client;  /* 0: nobody */
    uint32_t command; /* 0: none */
};

struct lease;

/* Embedded by the caller, zero at first; it stays where it is while it waits. */
struct lease_waiter {
    uint64_t until_ms; /* in */
    uint32_t lease_ms; /* in: of the lease that it wants; 0: it only wants the value */
    uint32_t bytes;    /* in: what it takes, for the bound */
    uint64_t client;   /* in: who waits, and would have the lease */
    bool bound;        /* in: so the lease ends with that client */
    /* private */
    struct lease_due due;
    struct lease *lease; /* NULL: it does not wait */
    struct lease_waiter *next, *previous;
    uint64_t arrived;
};

struct leases_options {
    uint32_t leases_max, waiters_max; /* may be changed later */
    uint64_t bytes_max;               /* of leases and waiters, names included */
    uint64_t seed;                    /* nobody outside should know it */
    const struct memory *memory;
    /* A number larger than all before. */
    uint64_t (*stamp)(void *context);
    /* Called within other calls, and may not call back: only notes what is to be done. The waiter does not wait any more. */
    void (*wake)(void *context, struct lease_waiter *waiter, enum lease_wake how, uint64_t token);
    void *context;
};

struct lease_slot { /* private */
    struct lease *lease;
    uint64_t lost, lost_since; /* the last one that ended here, and with it all that were late since the first */
    enum lease_end why;
    uint32_t next_free;
    struct lease_by by;
};

struct leases { /* only the calls below touch it; what is counted may be read */
    struct leases_options options;
    uint32_t out, waiting;         /* at present */
    uint32_t out_there;            /* of those that are out: of keys that were there */
    uint32_t lapsed, lapsed_there; /* not out, but remembered */
    uint64_t bytes;
    struct lease_by by;        /* set by the caller: who does what is told of next */
    uint64_t given;            /* ever */
    uint64_t ends[LEASE_ENDS]; /* ever, of leases: how they ended */
    uint64_t late;             /* ever: writes by a token whose time was over */
    /* private */
    uint64_t serial, arrivals;
    uint32_t lost_tag;
    uint64_t lost_stamp;
    struct lease_slot *slots;
    uint32_t slot_count, free_first, free_last;
    struct lease *lapsed_first, *lapsed_last; /* in the order in which they have */
    struct lease **buckets;
    uint32_t bucket_count;
    struct lease_due **heap;
    uint32_t heap_count, heap_room;
    uint64_t (*marks)[LEASE_MARKS];
    _Atomic uint32_t *counts; /* of leases by their hashes */
};

MUST_CHECK enum status leases_init(struct leases *leases, const struct leases_options *options);
/* Nobody waits any more. */
void leases_fini(struct leases *leases);

enum lease_answer {
    LEASE_GIVEN,   /* load it: token, until when */
    LEASE_WAITS,   /* the waiter will be woken */
    LEASE_BUSY,    /* another loads it: until when at most */
    LEASE_NOBODY,  /* nobody loads it, and no lease was asked for */
    LEASE_TOO_MANY /* leases, waiters or bytes: nothing is given, and nobody waits */
};
struct lease_given {
    uint64_t token, until_ms;
};
/* `lease_ms`: at most LEASE_MS_MAX; 0: none is wanted. `there`: the key is not absent. `waiter`: NULL if it does not wait. */
MUST_CHECK enum lease_answer leases_ask(struct leases *leases, const struct lease_key *key, uint32_t lease_ms,
                                        bool there, struct lease_waiter *waiter, uint64_t now_ms,
                                        struct lease_given *ret_given);
/* Says whose the lease is that was just given. */
void leases_hold(struct leases *leases, uint64_t token, uint64_t client, bool bound);

/* A lease as it is now. */
struct lease_view {
    uint64_t client, given_ms, until_ms;
    bool bound, there;
    uint32_t waiting;
};
/* False: nobody has one of this key. */
bool leases_look_at(const struct leases *leases, const struct lease_key *key, uint64_t now_ms,
                    struct lease_view *ret_view);

/* It does not wait any more; does nothing if it did not. */
void leases_forget(struct leases *leases, struct lease_waiter *waiter);

/* Before the write. LEASE_HOLDS, also late: nothing but leases_end_write ends the lease by time meanwhile; what is written counts as written at the
 * stamp. `tags`: hashes of those that the value brings; they are there already, so that an invalidation which is noted after this finds them. */
MUST_CHECK enum lease_end leases_begin_write(struct leases *leases, const struct lease_key *key, uint64_t token,
                                             const uint64_t *tags, uint32_t tag_count, uint64_t now_ms,
                                             uint64_t *ret_stamp);
/* Of LEASE_OF_TAG that was just answered: which of the tags, and the stamp of the lease; `tag_count` and more: it was refused before. */
uint32_t leases_lost_tag(const struct leases *leases, uint64_t *ret_stamp);
/* By whom a lease has ended, if that is still known; nobody: it ended by itself, or was not told by whom. */
struct lease_by leases_lost_by(const struct leases *leases, uint64_t token);
/* After it. `done`: it has changed the key; else the lease goes on. */
void leases_end_write(struct leases *leases, uint64_t token, bool done);

/* The token's owner does not want it any more. `key` NULL: of whichever key it is. False: its time was over, its write is under way, or
 * it did not hold. */
bool leases_release(struct leases *leases, const struct lease_key *key, uint64_t token, uint64_t now_ms);
/* Whether there is a lease with this token. */
bool leases_is_out(const struct leases *leases, uint64_t token);

/* Whether there may be a lease of a key with this hash. */
static inline bool leases_may_concern(const struct leases *leases, uint64_t hash) {
    return atomic_load_explicit(&leases->counts[hash % LEASE_COUNTS], memory_order_relaxed) != 0;
}

/* What happened. */
void leases_written(struct leases *leases, const struct lease_key *key);
/* All keys with this hash; `why`: LEASE_DELETED or LEASE_INVALIDATED. Answers how many leases have ended. */
uint32_t leases_removed(struct leases *leases, uint32_t place, uint64_t hash, enum lease_end why, uint64_t now_ms);
/* Of a place, or LEASE_PLACES_ALL. Of one that was swapped whoever waits looks into the other. */
void leases_cleared(struct leases *leases, uint32_t place, enum lease_end why, uint64_t now_ms);
/* All keys of a place that match. */
void leases_removed_like(struct leases *leases, uint32_t place, bool (*matches)(void *context, struct slice name),
                         void *context, uint64_t now_ms);
void leases_tag_invalidated(struct leases *leases, uint64_t tag_hash);

/* When leases_run_due has something to do; UINT64_MAX: never. */
uint64_t leases_due_ms(const struct leases *leases);
/* Ends leases and waits whose time is over. */
void leases_run_due(struct leases *leases, uint64_t now_ms);

/* Walks everything and asserts every invariant. */
void leases_verify(const struct leases *leases);

#endif
