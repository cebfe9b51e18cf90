/* app/persist/persist.h: a cache that is kept in a directory: a log of what changes, and snapshots that make it short.
 *
 *     open    newest snapshot -> cache, log behind it -> cache (core/cache/replay), a new file of the log; from then on every change is staged
 *     serve   change -> record in the actor's lane -> written, flushed (sys/wal) -> whoever waits for its number is told
 *     save    a thread of its own: dump, slice by slice, while others write -> snapshot -> needless files of the log are removed
 *     close   all that was staged is flushed; the log says that it was closed in order
 *
 *     the log     writes       and then
 *     runs        are taken
 *     is behind   wait         for the disk, until the lanes are empty again
 *     is full     are refused  the log looks for room every 100 ms
 *     has failed  are refused  another file is begun every PERSIST_RETRY_MS; if that lost records, a snapshot is taken at once
 *
 * Threads: persist_open and persist_close while nobody uses the cache; everything else any.
 * Memory:  two halves of PERSIST_LANE_SIZE a lane; a slice of a snapshot.
 * Errors:  opening says in one sentence what is wrong, with file and offset.
 */
#ifndef STRATA_APP_PERSIST_PERSIST_H
#define STRATA_APP_PERSIST_PERSIST_H

#include <stdatomic.h>

#include "core/cache/journal.h"
#include "sys/os/files.h"
#include "sys/os/log.h"
#include "sys/wal/wal.h"

enum { PERSIST_REASON_SIZE = WAL_REASON_SIZE + 160, PERSIST_LANE_SIZE = 1 << 20, PERSIST_RETRY_MS = 1000 };

/* Calls come from threads that stage, from the committer and from whoever saves; they are short and call nothing of this header. Any of them may be NULL. */
struct persist_user {
    /* That actor has staged the record of this number; by its own thread, under locks of the cache. */
    void (*staged)(void *context, uint32_t actor, uint64_t lsn);
    /* Writers are to wait, or not any more. */
    void (*behind)(void *context, bool waits);
    /* The log has stopped taking writes, or does again. */
    void (*refuses)(void *context, bool refuses);
    /* A snapshot was finished, or has failed. */
    void (*saved)(void *context);
    /* A sentence for people; NULL: it goes to the program's log (sys/os/log.h). */
    void (*say)(void *context, enum log_level level, const char *text);
    /* What else is kept, as notes (core/cache/journal.h). */
    /* One is read while opening, with the number of its record: 0 in a snapshot. What is not STATUS_OK ends the opening, and `reason` says why. */
    enum status (*note)(void *context, uint64_t lsn, struct slice name, struct slice bytes,
                        char reason[PERSIST_REASON_SIZE]);
    /* As in core/cache/replay.h. */
    enum status (*lay_in)(void *context, struct slice store, struct slice key, bool *ret_yes);
    /* As in core/cache/journal.h. */
    bool (*beside)(void *context, struct actor *actor, struct slice *ret_name, struct slice *ret_bytes);
    /* For a snapshot, behind its beginning: those that hold now, handed to `add`, whose status it answers. */
    enum status (*notes)(void *context, enum status (*add)(void *adding, struct slice name, struct slice bytes),
                         void *adding);
    /* Whether all is done that records up to this one have begun: before that no snapshot takes their place. */
    bool (*settled)(void *context, uint64_t lsn);
    void *context;
};

/* The warm tier of the cache, whose file lasts (core/cache/tier.h): a snapshot lists what stands there. The first two as in core/cache/replay.h. */
struct persist_tier {
    enum status (*bring)(void *context, struct actor *actor, const struct cache_key *key);
    void (*spare)(void *context);
    /* All has been loaded: nothing more is asked for that an earlier process has listed. */
    void (*loaded)(void *context);
    /* What stands there is durable when this answers STATUS_OK. */
    enum status (*flush)(void *context);
    /* A durable snapshot lists all that stood in generations up to this one. */
    void (*listed)(void *context, uint64_t generation);
    void *context;
};

/* When snapshots are taken, beside what the log's length says, and how quickly. */
enum { PERSIST_POINTS_MAX = 8, PERSIST_PATH_MAX = 1023, PERSIST_BACKUP_RETRY_MS = 60000 };
struct persist_pace {
    uint32_t count;
    struct {
        uint64_t seconds, changes; /* since the last one began */
    } points[PERSIST_POINTS_MAX];
    uint64_t bytes_per_second; /* written at most; 0: as many as the disk takes */
    /* Copies of snapshot and log, each a directory in this one, made if it is not there; empty: none. */
    char backup_folder[PERSIST_PATH_MAX + 1];
    uint64_t backup_seconds; /* so old the last one is when the next is made */
    uint32_t backups_kept;   /* older ones are removed; at least 1 */
};

/* A cache in memory that outlived its process (core/store/image.h) holds all that the log says up to a record, which is a note with a number that was drawn
 * for it: a log that has gone on from an older copy of itself does not have that there. */
enum { PERSIST_TOKEN_SIZE = 16 };
struct persist_image {
    uint64_t lsn; /* 0: there is none */
    uint8_t token[PERSIST_TOKEN_SIZE];
    uint64_t behind; /* records that the log has behind it: persist_image_check */
};

struct persist_options {
    const struct files *files; /* locked by the caller; stays */
    struct cache *cache;       /* empty; it has no rules yet, and nobody is told of its changes */
    struct actor *actor;       /* whoever opens; persist_load: one of its own */
    uint32_t actors;           /* ids from 1 on that will write; the next one is for whoever saves */
    uint32_t lanes;            /* that actors share, of PERSIST_LANE_SIZE; 0: one for each */
    enum wal_mode mode;
    uint32_t interval_ms;       /* of WAL_INTERVAL */
    uint64_t rewrite_min_bytes; /* a log smaller than this is left to grow */
    uint32_t rewrite_percent;   /* beyond: so much longer than the last snapshot is one too long; 0: never */
    struct persist_pace pace;
    struct persist_user user;
    const struct persist_tier
        *tier; /* stays, with what it points to; the cache has it already. NULL: none, or one that does not last */
    struct persist_progress *progress; /* of loading; NULL: nobody asks */
    struct persist_image image;        /* the cache is not empty: only what is behind is applied */
    uint32_t loaders;                  /* threads that apply what is read, to LOADERS_MAX; 0: one a processor */
};

/* For others to look at, and to end the loading. */
struct persist_progress {
    _Atomic uint64_t total_bytes, loaded_bytes; /* of the snapshot and the log; total 0: not yet known */
    atomic_bool ends;                           /* set by others: persist_load answers STATUS_CLOSED */
};

struct persist;
struct persist_facts;

/* The first half of persist_open: the cache is made, while others may look at it but nobody changes it. */
MUST_CHECK enum status persist_load(const struct persist_options *options, struct persist **ret_persist,
                                    char ret_reason[PERSIST_REASON_SIZE]);
/* Only looks: the cache is made, and nothing is written to the directory, which may be one that cannot be written to. Of the options, those from `mode` to `pace` are not
 * looked at. Of the facts those that begin with `loaded_` are filled, and `cut_bytes` and `missing`. */
MUST_CHECK enum status persist_read(const struct persist_options *options, struct persist_facts *ret_facts,
                                    char ret_reason[PERSIST_REASON_SIZE]);
/* The second: from here on changes are told. While nobody else uses the cache. */
MUST_CHECK enum status persist_begin(struct persist *persist, struct actor *actor);

MUST_CHECK enum status persist_open(const struct persist_options *options, struct persist **ret_persist,
                                    char ret_reason[PERSIST_REASON_SIZE]);
/* Ends the journal and closes the log. The answer says whether all is on disk. NULL: nothing. */
MUST_CHECK enum status persist_close(struct persist *persist, struct actor *actor);

/* The note, as the last record before persist_close: while nobody changes the cache any more. It holds if persist_close answers STATUS_OK. STATUS_BUSY: the log has entries
 * that found no room (persist_is_settling), and is to be read once more. */
MUST_CHECK enum status persist_image_mark(struct persist *persist, struct actor *actor,
                                          struct persist_image *ret_image);
/* Whether the log in that directory has the note where it is to be; else `ret_reason` says why the image is of no use with it. Reads what is behind. */
MUST_CHECK enum status persist_image_check(const struct files *files, struct persist_image *image,
                                           char ret_reason[PERSIST_REASON_SIZE]);

struct wal *persist_log(struct persist *persist);
void persist_mode_set(struct persist *persist, enum wal_mode mode, uint32_t interval_ms);
void persist_rewrite_set(struct persist *persist, uint64_t min_bytes, uint32_t percent);
void persist_pace_set(struct persist *persist, const struct persist_pace *pace);

/* What has been staged is handed to the kernel, by this thread if no other is at it. */
void persist_write_out(struct persist *persist);

/* Asks for a snapshot that is begun after this call; answers its turn: it is over when persist_facts says so many turns. */
uint64_t persist_save(struct persist *persist);

/* Takes one, as quickly as the disk takes it, and waits for its end. While nobody writes. STATUS_OK also if nothing has changed since the last one. */
MUST_CHECK enum status persist_save_last(struct persist *persist);

/* How many are over. */
uint64_t persist_turns(const struct persist *persist);

/* Some of what was loaded found no room, and the log still has it: who deletes it finds nothing to delete, and a start with more room would bring it back. So the first
 * thing after persist_begin is a snapshot without it, and nobody is served before this answers false. It does, too, when that snapshot has failed: it is tried again,
 * each PERSIST_RETRY_MS. */
bool persist_is_settling(const struct persist *persist);

/* While keys change their stores no snapshot is at work in the cache. */
void persist_stand_still(struct persist *persist);
void persist_go_on(struct persist *persist);

struct persist_facts {
    struct wal_statistics log;
    bool refuses, behind, saving;
    uint64_t turns, saves, save_failures; /* turns: over, in whatever way */
    bool last_save_failed;
    uint64_t saved_lsn;                                  /* what the last one holds of the log, at least */
    uint64_t saved_at_ms;                                /* Unix time; 0: there is none */
    uint64_t save_ms_last;                               /* how long it took; */
    uint64_t saving_since_ms, saving_done, saving_total; /* of the running one; entries */
    uint64_t saving_bytes;                               /* of its file so far */
    bool last_backup_failed;
    uint64_t backed_up_at_ms;           /* Unix time, since the start; 0: not yet */
    uint64_t snapshot_bytes, log_bytes; /* log_bytes: since that snapshot was begun */
    uint64_t left_out;                  /* collections, of the last one */
    uint64_t below,
        below_left_out; /* entries of the warm tier, of the last one: that it lists, and that it does not have */
    uint64_t loaded_below, loaded_below_lost; /* that were listed, and are there; and that are not */
    uint64_t loaded_records, loaded_entries_lost, loaded_ms, cut_bytes, missing;
};
void persist_facts(struct persist *persist, struct persist_facts *ret_facts);

#endif
