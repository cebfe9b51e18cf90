/* core/stream/record.h: what the invalidation stream tells of.
 *
 * A record says that copies of something may be old. It carries no value and does not say whether there is one now, so records of one key mean
 * the same in any order.
 *
 * Threads: plain data.
 * Memory:  texts are borrowed.
 */
#ifndef STRATA_CORE_STREAM_RECORD_H
#define STRATA_CORE_STREAM_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum stream_kind {
    /* of one key, which is the name */
    STREAM_DELETED,     /* also if nothing was there */
    STREAM_INVALIDATED, /* softly */
    STREAM_EXPIRED,
    STREAM_EVICTED,
    STREAM_RETAGGED, /* the value is the same, its tags are not */
    STREAM_CREATED,  /* this and the next two are writes, for those who asked for them */
    STREAM_REPLACED,
    STREAM_PATCHED,
    /* of all entries with a tag, of a class, or whose keys match a pattern, in every database */
    STREAM_TAG,
    STREAM_CLASS,
    STREAM_PATTERN, /* of one database, or of all */
    /* without a name */
    STREAM_FLUSHED,      /* a database, or all */
    STREAM_SWAPPED,      /* a database has another number */
    STREAM_RULES,        /* other rules are in force: keys bear other tags */
    STREAM_LOST,         /* nobody knows what has happened: anything may be old */
    STREAM_BEGAN,        /* the same: nothing was recorded before this */
    STREAM_WRITES_BEGAN, /* writes were not recorded before this */
    STREAM_KINDS
};

enum { STREAM_EVERY_DB = UINT32_MAX };

enum stream_text {
    STREAM_NAME,
    STREAM_OF_CLASS, /* the pattern of the class of a key, if rules say so */
    STREAM_COMMAND,  /* that did it; empty: it happened by itself */
    STREAM_ACTOR,    /* name or service of the client */
    STREAM_TRIGGER,  /* what began it: "event user.updated" */
    STREAM_PATH,     /* and how it led here */
    STREAM_REASON,   /* as the client gave it */
    STREAM_TEXTS
};

struct stream_record {
    uint64_t position; /* from 1, without gaps */
    uint64_t at_ms;    /* Unix time */
    uint64_t client;   /* 0: nobody */
    enum stream_kind kind;
    uint32_t db; /* STREAM_EVERY_DB: of none in particular */
    bool soft;   /* may still be served as stale */
    struct slice texts[STREAM_TEXTS];
};

static inline bool stream_is_of_key(enum stream_kind kind) { return kind <= STREAM_PATCHED; }
static inline bool stream_is_write(enum stream_kind kind) { return kind >= STREAM_CREATED && kind <= STREAM_PATCHED; }
/* What has no name concerns everything that is kept. */
static inline bool stream_is_of_all(enum stream_kind kind) { return kind >= STREAM_FLUSHED; }

#endif
