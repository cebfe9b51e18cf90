/* sys/wal/wal_inner.h: what the parts of the log share: wal.c (opening, staging, waiting), commit.c (the committer's work).
 *
 * Locks: `writing` before `gate`; lanes' locks under `writing`. `writing` is held for writes, never for the flush of WAL_ALWAYS or
 * WAL_INTERVAL; `gate` for some dozen instructions.
 */
#ifndef STRATA_SYS_WAL_WAL_INNER_H
#define STRATA_SYS_WAL_WAL_INNER_H

#include <pthread.h>

#include "sys/os/thread.h"
#include "sys/wal/lanes.h"
#include "sys/wal/wal.h"
#include "sys/wal/writer.h"

struct wal {
    struct wal_options options;
    const struct files *files;
    struct lanes lanes;
    _Atomic int state; /* enum wal_state; changes under `writing` */
    _Atomic int state_told;
    _Atomic int mode;
    _Atomic uint32_t interval_ms;
    _Atomic uint64_t written, flushed;
    _Atomic uint64_t flush_begun_ns; /* 0: none is under way */
    _Atomic uint64_t cover_needed;   /* see wal_cover_needed */
    _Atomic bool anew_wanted, rotate_wanted;
    _Atomic uint64_t
        flush_wanted; /* up to this record; a wish that is not fulfilled yet stays, whatever is flushed meanwhile */
    _Atomic uint64_t retry_due_ns; /* in WAL_FULL */

    /* Who writes: the committer, and threads in wal_write_out. */
    pthread_mutex_t writing;
    struct writer writer;
    struct log_batch batch;   /* the one in the making */
    bool pending;             /* it has been collected and not written */
    uint64_t durable;         /* as `flushed`, but for a hole that a snapshot has yet to cover */
    struct buf kept;          /* batches after `durable` */
    uint64_t unkept_lsn;      /* records up to here are not among them */
    struct buf list;          /* struct wal_file, ascending: what has not been removed */
    uint64_t rotate_at_bytes; /* a file of this size is followed by another */
    struct wal_statistics statistics;

    /* The committer's own. */
    uint64_t flush_due_ns;
    struct thread thread;
    bool runs;

    /* Who sleeps. */
    pthread_mutex_t gate;
    pthread_cond_t work, progress;
    bool kicked, stopping;
    _Atomic bool kick_seen; /* a kick is under way already */
    uint32_t sleepers;
    uint64_t told; /* how often wal_tell was called */
    struct wal_watcher *watchers;
};

uint64_t wal_now_ns(const struct wal *wal);
void wal_kick(struct wal *wal);
/* After any progress: wakes sleepers and watchers whose wish is fulfilled; all of them if `everybody`. Without `writing`. */
void wal_tell(struct wal *wal, bool everybody);

/* Whether watchers have not yet been told of the state as it is now; they count as told then. Who waits wishes again when he is told, which wakes the committer: if that
 * told everybody each time while the log does not run, both would be at it without an end. */
static inline bool wal_state_is_new(struct wal *wal) {
    int state = atomic_load(&wal->state);
    return atomic_exchange(&wal->state_told, state) != state;
}

/* Collects and writes until nothing is staged. Under `writing`; wal_tell afterwards. Answers whether there was anything. */
bool wal_commit(struct wal *wal);
/* Under `writing`. */
void wal_fail(struct wal *wal, const char *what);
/* Under `writing`: takes note of a new file at the end, and of the size of the one before. With room for one more in the list it does not fail. */
MUST_CHECK enum status wal_list_add(struct wal *wal, uint64_t number, uint64_t first_lsn, uint64_t bytes_before);
/* Flushes what was written. Takes `writing` before and after. */
void wal_flush(struct wal *wal);

#endif
