/* test/truth/truth.h: readers, writers and loaders of a real server, held against what is true.
 *
 *     row of truth: now, known              a writer raises `now`, invalidates what was made of the row, waits for the answer,
 *        │                                  and raises `known` to what it wrote
 *        ├─ part 0 .. PARTS - 1             keys whose values say of which `now` they were made; loaders fill them under leases
 *        │
 *     reader: takes `known`, then reads; what it finds is no older, or it is stale, of which a soft invalidation allows to tell those who ask
 *
 * Each row is of a kind: how what was made of it is invalidated. On half of the rows only one writer is at work at a time, and may then
 * write the new value itself.
 *
 * Threads: a truth is shared; a player belongs to its thread. What goes wrong ends the program with ASSERT, but for stale values, which are
 *          counted.
 */
#ifndef STRATA_TEST_TRUTH_H
#define STRATA_TEST_TRUTH_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/server/peer_fixture.h"
#include "base/rng.h"

enum {
    PARTS = 4,
    ROWS_OF_KIND = 4,
    WRITERS = 14,
    FILLERS = 2,
    READERS = 48, /* 64 threads in all */
    PLAYERS = WRITERS + FILLERS + READERS,
    REQUEST_MAX = 1024,
};

/* ------------------------------------------------------------------------------------------ kinds */

/* In texts `@` is the number of the row and `#` that of the part; a line is a command, its words end at spaces. */
struct kind {
    const char *name;
    const char *parts[PARTS]; /* one for all: the others are NULL */
    const char *tag;          /* that its values bear */
    bool copies;              /* its parts go together, so a copy of one under the name of another is no staler */
    const char *changes[12];
    const char *soft[6]; /* after which the older values are there for those who ask for them */
};

extern const struct kind kinds[];
extern const uint32_t kind_count;

/* The manifest by which the kinds work; the caller frees it. `moved`: it sends most keys to another store. */
char *kinds_manifest(bool moved);
/* The key of a part. */
void kind_key(uint32_t kind, uint32_t row, uint32_t part, char ret_key[64]);

/* ------------------------------------------------------------------------------------------ faults */

/* What the test's own program forgets to do, now and then: calls between folders are wrapped in faults.c. */
enum fault {
    FAULT_NONE,
    FAULT_KEY,           /* a deletion */
    FAULT_TAG,           /* an invalidation of a tag or class */
    FAULT_TAG_LATE,      /* it is done with the next one */
    FAULT_CASCADE_KEY,   /* a deletion that rules demand, or INVALIDATE KEY */
    FAULT_SEARCH,        /* the first keys in a search for a pattern */
    FAULT_EDGES,         /* the edges of a change */
    FAULT_BAN,           /* a pattern */
    FAULT_PATTERN_TOLD,  /* to tell leases of a pattern */
    FAULT_MATCHER_TOLD,  /* of an expression */
    FAULT_SOFT_TAG,      /* to make stale what bears a tag */
    FAULT_SOFT_KEY,      /* or one key */
    FAULT_LEASE_CHECKED, /* to ask whether a lease holds */
    FAULT_RENEWED,       /* that a value was invalidated before it was changed */
    FAULT_READ,          /* a reader's look at the tags of what it has found */
    FAULT_COUNT
};
extern const char *const fault_names[FAULT_COUNT];
extern _Atomic int fault_planted;

/* ------------------------------------------------------------------------------------------ play */

struct row {
    _Atomic uint64_t now, known;
    _Atomic uint64_t gone;           /* `known`, but of changes that leave nothing behind */
    _Atomic uint64_t nothing[PARTS]; /* the last `now` of which it was stored that there is nothing */
    _Atomic(const char *) last;      /* the change that was acknowledged last */
    pthread_mutex_t alone;           /* of whoever changes a row that one writer changes at a time */
};

struct kind_counts {
    _Atomic uint64_t changes, hits, nothings, flagged, loads, lost, wrote, stale;
};

struct truth {
    struct server *server;
    struct row *rows; /* of each kind ROWS_OF_KIND */
    struct kind_counts *counts;
    _Atomic uint64_t tickets; /* of changes, kind by kind */
    uint64_t tickets_end;
    _Atomic uint64_t reads, refused, moves, busy; /* busy: changes that were refused because rules were being loaded */
    atomic_bool over;
    bool expires, fills, moving, flushes;
    char first[300]; /* about the first stale value */
    pthread_mutex_t first_lock;
};

struct truth_options {
    uint64_t changes; /* of each kind */
    bool expires;     /* values live some milliseconds */
    bool fills;       /* others' values press out these */
    bool moving;      /* rules are loaded all the time, which send keys to other stores */
    bool until_stale; /* it is over with the first stale value */
};

/* Plays it through, prints what happened, and answers how many stale values were read. */
uint64_t truth_play(struct server *server, const struct truth_options *options);

/* A client of the server. */
struct player {
    struct truth *truth;
    uint32_t number;
    struct rng rng;
    struct peer *peer;
    char request[8 * REQUEST_MAX];
    size_t size;
    bool resp3;
};

/* Adds commands to what will be said, one a line, with numbers filled in; answers how many. */
uint32_t player_add(struct player *player, const char *lines, uint32_t row, uint32_t part);
/* The same with arguments as printf takes them. */
void player_addf(struct player *player, const char *format, ...) __attribute__((format(printf, 2, 3)));
void player_say(struct player *player);
/* Reads a reply whose content does not matter, unless it is an error: then the program ends. False: it was refused because rules are being loaded. */
bool player_skip(struct player *player);
/* A line of the reply; what follows it depends on its first letter. */
const char *player_line(struct player *player);
/* A value; NULL: there is none. It lives until the next call. */
const char *player_value(struct player *player);

void *play_reader(void *player);
void *play_writer(void *player);
void *play_filler(void *player);
void *play_mover(void *player);

#endif
