/* core/audit/verify.h: whether an audit log is as it was written.
 *
 * Lines are handed in one after the other, file after file; what is wrong is told at once, with file and line. After something wrong it goes on with what
 * stands there, so that one change is told once.
 *
 * What is found, of lines that somebody has changed, taken away, doubled, exchanged or written in between:
 *
 *     without a key   all of it, unless every hash from there to the end was computed anew: everybody can do that. Then only the hash of a later line
 *                     that was noted elsewhere shows it (`expected`)
 *     with the key    that as well
 *     lines cut off at the end leave a good log. `expected` shows it, as far as that reaches; that a log does not end with `stop` is noted
 *
 * A last line that is cut off in its middle is what a crash leaves: it is noted and no tampering.
 *
 * Threads: belongs to one.
 * Memory:  the struct, about 30 KiB; nothing else.
 */
#ifndef STRATA_CORE_AUDIT_VERIFY_H
#define STRATA_CORE_AUDIT_VERIFY_H

#include "core/audit/chain.h"

enum audit_finding_kind {
    /* tampering, or damage that cannot be told from it */
    AUDIT_CHANGED,      /* a line is not what its hash says */
    AUDIT_NOT_A_LINE,   /* bytes that are none */
    AUDIT_MISSING,      /* lines are */
    AUDIT_OUT_OF_ORDER, /* one that was missing stands here */
    AUDIT_DOUBLED,      /* one that stood before stands here again */
    AUDIT_INSERTED,     /* one that does not follow from those before */
    AUDIT_FILE_MISSING,
    AUDIT_FILE_SWAPPED, /* a file is another one than its name says, or stands in another's place */
    AUDIT_UNKEYED,      /* a key was given, and this is not hashed with one */
    AUDIT_UNEXPECTED,   /* the log does not have what was expected: its end was cut off, or it is another one */
    /* for people to know */
    AUDIT_NOTES,
    AUDIT_TORN = AUDIT_NOTES, /* the last line, by a crash */
    AUDIT_MENDED,             /* the same, and the server has gone on behind it */
    AUDIT_EVENTS_LOST,        /* events that found no room: the log says so itself */
    AUDIT_NOT_STOPPED,        /* a server begins where none has ended in order */
    AUDIT_GOES_ON,            /* the last line is no `stop` */
    AUDIT_FIRST_REMOVED,      /* files before the first one: the log says so itself, or they were not handed in */
    AUDIT_FINDINGS,
};

enum {
    AUDIT_HASHES_MAX = 8,  /* without a key, and keys */
    AUDIT_GAPS_MAX = 256,  /* of lines that are missing; more are not told apart from such that stand twice */
    AUDIT_SEEN_MAX = 1024, /* lines back, so that one that stands twice is known */
    AUDIT_FINDING_TEXT_MAX = 240,
};

struct audit_finding {
    enum audit_finding_kind kind;
    const char *file; /* as it was handed in */
    uint64_t line;    /* from 1; 0: of the file as a whole */
    char text[AUDIT_FINDING_TEXT_MAX];
};

struct audit_wish {
    const struct audit_hash
        *hashes; /* one without a key, and those keys that are known; live as long as the verifier */
    uint32_t hash_count;
    struct slice expected; /* the hash of a line that is to be there; empty: nothing is expected */
    uint64_t lines_min;    /* so many lines are to be there; 0: the same */
    bool whole;            /* all files there are: those before the first one have to be accounted for */
    void (*tell)(void *context, const struct audit_finding *finding);
    void *context;
};

struct audit_gap {
    uint64_t from, until;
};

struct audit_verifier {
    struct audit_wish wish;
    const char *name; /* of the file */
    uint64_t name_number, line;
    const struct audit_hash *hash;  /* NULL: its key is not known */
    uint64_t file_first, file_last; /* numbers of files; 0: there was none */
    uint64_t seq_next;              /* 0: any */
    char prev[AUDIT_HASH_SIZE];
    bool has_prev;                      /* not after a line that was changed */
    char key_id[AUDIT_KEY_ID_SIZE + 1]; /* of the file before */
    bool key_changed;                   /* which only a server that begins can do */
    bool file_told;                     /* what is wrong with the file explains its first line */
    bool file_swapped;                  /* and this all of its lines */
    bool torn;                          /* the file's last line */
    bool stopped, keyed, expected_seen;
    uint64_t removed_until;
    /* bytes that are no line: perhaps the next one says that they were torn */
    bool suspect;
    uint64_t suspect_line, suspect_size;
    char suspect_hash[AUDIT_HASH_SIZE];
    struct audit_gap gaps[AUDIT_GAPS_MAX];
    uint32_t gap_count;
    uint64_t seen[AUDIT_SEEN_MAX]; /* by number: the beginning of the hash */
    uint64_t seen_seq[AUDIT_SEEN_MAX];
    /* results */
    uint64_t files, lines, events, lost, tampered, notes;
    uint64_t unchecked; /* lines whose key is not known: only their order was looked at */
};

void audit_verify_begin(struct audit_verifier *verifier, const struct audit_wish *wish);
/* Files in the order of their names. `number`: as its name says; 0: it says nothing. `name` lives as long as findings are of use. */
void audit_verify_file(struct audit_verifier *verifier, const char *name, uint64_t number);
/* Without its end; `ended`: it had one, or else it is the last of the file. */
void audit_verify_line(struct audit_verifier *verifier, struct slice bytes, bool ended);
/* All of a file's bytes, as lines. */
void audit_verify_bytes(struct audit_verifier *verifier, struct slice bytes);
void audit_verify_end(struct audit_verifier *verifier);

/* "changed", "missing", ... */
const char *audit_finding_name(enum audit_finding_kind kind);

#endif
