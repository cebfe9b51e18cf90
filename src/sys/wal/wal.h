/* sys/wal/wal.h: the write-ahead log: records staged by many threads, written and flushed in one order.
 *
 *     thread, under a shard's lock     wal_stage   a copy into its lane, and a number (LSN); no system call
 *     committer                        collects lanes in order -> a batch -> write -> flush -> tells who waits
 *
 *     state      stage    admit          means
 *     RUNNING    yes      yes            all is well
 *     FULL       yes      STATUS_FULL    the disk has no room. What was admitted goes into the room that was set aside; what finds none waits, and is
 *                                        tried again every WAL_RETRY_MS
 *     FAILED     yes      STATUS_IO      a write or a flush failed. The file is left alone for good; wal_begin_anew starts another
 *
 *     RUNNING <-> FULL          room went, room came back
 *     RUNNING, FULL -> FAILED   STATUS_IO from the disk
 *     FAILED -> RUNNING         wal_begin_anew
 *
 * Records are bytes without meaning. `written` is the highest number up to which all records have been handed to the kernel (a killed process
 * loses none of them), `flushed` the one up to which they are durable (a power cut loses none of them). Neither goes back.
 *
 * Modes: WAL_ALWAYS flushes whatever was written, one flush for all who wait. WAL_INTERVAL flushes every interval_ms. WAL_NO leaves it to the
 * kernel. A flush also comes with each new file and at wal_close.
 *
 * Before it takes a shard's lock, a thread asks wal_admit whether its record will be taken. If it was told so, staging up to that many
 * bytes in its own lane cannot fail. STATUS_AGAIN means wait (for a watcher's call, or wal_admit_wait): the lane is full, or in WAL_INTERVAL
 * a flush has taken more than WAL_PRESSURE_MS, so that more writes would only widen what a power cut loses.
 *
 * Threads: any, where nothing else is said. wal_open, wal_close and wal_free only while nobody uses the log.
 * Memory:  two halves of lane_bytes a lane, a batch, kept_bytes of what was written and not flushed; more only while a record is larger than that.
 * Time:    from the clock of the options.
 */
#ifndef STRATA_SYS_WAL_WAL_H
#define STRATA_SYS_WAL_WAL_H

#include "base/slice.h"
#include "sys/wal/read.h"

enum { WAL_RETRY_MS = 100, WAL_PRESSURE_MS = 2000, WAL_BATCH_SIZE_MAX = 1 << 20 };

enum wal_mode { WAL_ALWAYS, WAL_INTERVAL, WAL_NO };
enum wal_state { WAL_RUNNING, WAL_FULL, WAL_FAILED };
enum wal_point { WAL_WRITTEN, WAL_FLUSHED };

/* What is 0 takes the value in brackets. */
struct wal_options {
    const struct memory *memory; /* [memory_libc] */
    enum wal_mode mode;
    uint32_t interval_ms; /* [1000] between flushes in WAL_INTERVAL */
    unsigned lanes;       /* [1] */
    size_t lane_bytes;    /* [1 MiB] */
    uint64_t file_bytes;  /* [64 MiB] a file that reaches this is followed by another */
    /* [twice what all lanes can hold, at least 4 MiB] set aside ahead, or half of it where there is no more, so that what has been staged has room when
     * the disk is full; 1: nothing. */
    uint64_t reserve_bytes;
    /* [16 MiB] of what was written and not flushed is kept, to be written again after a failed flush. */
    size_t kept_bytes;
    uint64_t log_id;                   /* for a log that begins here; any number but 0, drawn at random */
    bool stepped;                      /* no thread: the caller calls wal_step, as tests do */
    uint64_t (*now_ns)(void *context); /* [the steady clock] */
    void *now_context;
};

struct wal;

/* Reads what there is (as wal_read; the report is filled likewise and is the caller's to finish) and begins a new file behind what was proven, with the
 * records after that written again. Records that were read are durable when this returns, unless the report has some that are unproven: see wal_cover_needed. */
MUST_CHECK enum status wal_open(const struct files *files, const struct wal_options *options,
                                const struct wal_need *need, const struct wal_visitor *visitor,
                                struct wal_report *ret_report, struct wal **ret_wal);
/* Writes and flushes all that was staged, and says in the log that it was closed in order. Also frees; the answer says whether all is durable. */
MUST_CHECK enum status wal_close(struct wal *wal);
/* Frees without writing, as if the process had died. */
void wal_free(struct wal *wal);

/* --- staging --- */

/* STATUS_OK; STATUS_AGAIN; STATUS_FULL; STATUS_IO; STATUS_TOO_LARGE (over LOG_RECORD_SIZE_MAX); STATUS_NO_MEMORY. */
MUST_CHECK enum status wal_admit(struct wal *wal, unsigned lane, size_t size);
/* The same, waiting up to `timeout_ms` while it is STATUS_AGAIN. */
MUST_CHECK enum status wal_admit_wait(struct wal *wal, unsigned lane, size_t size, uint64_t timeout_ms);

/* One record, made of the parts. Numbers are given in the order of the calls, so a caller that holds a shard's lock gets them in the order
 * of its changes. STATUS_BUSY, STATUS_NO_MEMORY, STATUS_TOO_LARGE: only without wal_admit; nothing was staged then. */
MUST_CHECK enum status wal_stage(struct wal *wal, unsigned lane, const struct slice *parts, unsigned count,
                                 uint64_t *ret_lsn);

/* The same for a change that cannot be refused any more, in any state: its lane grows. STATUS_NO_MEMORY, STATUS_TOO_LARGE: nothing was staged. `ret_behind`,
 * set when it was: more is staged than the disk takes, more than half a lane, or a flush takes too long (wal_pressure); who has not begun yet should wait. */
MUST_CHECK enum status wal_stage_anyway(struct wal *wal, unsigned lane, const struct slice *parts, unsigned count,
                                        uint64_t *ret_lsn, bool *ret_behind);

/* The same in place (lanes.h): room for `size_max` bytes at `ret_to`, until wal_placed says how many they are. Nothing else is called in between, and little is done. */
MUST_CHECK enum status wal_place_anyway(struct wal *wal, unsigned lane, size_t size_max, uint8_t **ret_to);
void wal_placed(struct wal *wal, unsigned lane, size_t size, uint64_t *ret_lsn, bool *ret_behind);

/* Whether writers should wait, see above. wal_admit asks it, too. */
bool wal_pressure(const struct wal *wal);

/* --- waiting --- */

uint64_t wal_staged(const struct wal *wal); /* the highest number given */
uint64_t wal_written(const struct wal *wal);
uint64_t wal_flushed(const struct wal *wal);
/* As wal_flushed, but for a hole that a snapshot has yet to cover: what a snapshot that was begun behind the hole may rely on. */
uint64_t wal_durable(struct wal *wal);
enum wal_state wal_state(const struct wal *wal);

/* The calling thread writes what is staged, all lanes', without flushing: afterwards a killed process loses nothing that was staged before the call.
 * STATUS_FULL, STATUS_IO: the state has changed. */
MUST_CHECK enum status wal_write_out(struct wal *wal);

/* The same, unless another thread is writing just now, which is not waited for: false. */
bool wal_try_write_out(struct wal *wal);

/* Sleeps until the point has reached this number. STATUS_AGAIN: not within `timeout_ms`. STATUS_IO: the log has failed. A full disk is waited for. */
MUST_CHECK enum status wal_wait(struct wal *wal, enum wal_point point, uint64_t lsn, uint64_t timeout_ms);

/* For event loops: one for each loop. `call` comes from the committer (or from who calls wal_write_out), is short, such as loop_wake, and means: look
 * again. It comes when a wish is fulfilled, when there is room again, and with every change of the state. */
struct wal_watcher {
    void (*call)(void *context);
    void *context;
    /* The log's own. */
    _Atomic uint64_t wished[2];
    _Atomic bool wants_room;
    struct wal_watcher *next;
};
void wal_watch(struct wal *wal, struct wal_watcher *watcher);
void wal_unwatch(struct wal *wal, struct wal_watcher *watcher);
/* True: the point is there already. False: `call` comes when it is; of several wishes for one point the lowest counts, and it is gone with the call. */
bool wal_wish(struct wal *wal, struct wal_watcher *watcher, enum wal_point point, uint64_t lsn);
/* After STATUS_AGAIN of wal_admit: `call` comes when it is worth asking again. */
void wal_wish_room(struct wal *wal, struct wal_watcher *watcher);

/* --- running it --- */

void wal_mode_set(struct wal *wal, enum wal_mode mode, uint32_t interval_ms);

enum wal_mode wal_mode_now(const struct wal *wal);

/* What the committer does whenever it wakes; with `stepped`, what the caller has it do. Answers after how many nanoseconds there is something to do again,
 * UINT64_MAX: not before something is staged or asked for. */
uint64_t wal_step(struct wal *wal);

/* In WAL_FAILED: asks the committer to begin a new file with what was kept of the unflushed records. If all were kept, nothing is lost and the log
 * runs as before. If not, records between `flushed` and the new file may be missing on disk: `flushed` stays where it is until wal_covered
 * tells of a snapshot that was begun behind them. The state says whether it worked; it may be asked again. */
void wal_begin_anew(struct wal *wal);
/* The first number that a snapshot must begin at for `flushed` to go on, 0 if none is needed. */
uint64_t wal_cover_needed(const struct wal *wal);

/* A snapshot that is durable makes records before `from_lsn` needless: files that hold no others are removed. Not by several threads at once. STATUS_IO: some could
 * not be removed, and will be with the next call. */
MUST_CHECK enum status wal_covered(struct wal *wal, uint64_t from_lsn);

/* What has been staged is flushed as soon as it is written, whatever the mode says. Asked for, done by the committer. */
void wal_hurry(struct wal *wal);

/* The next record would begin a new file; so that a snapshot begun now leaves none of the old ones behind. Asked for, done by the committer. */
void wal_rotate(struct wal *wal);

struct wal_statistics {
    uint64_t log_id;
    enum wal_state state;
    enum wal_mode mode;
    uint64_t staged_lsn, written_lsn, flushed_lsn;
    uint64_t files,
        log_bytes; /* that have not been removed; of those from before wal_open only what was needed counts */
    uint64_t file_number, file_bytes; /* of the one at the end */
    uint64_t records, bytes, batches; /* written since wal_open; bytes with headers */
    uint64_t flushes, flush_ns, flush_ns_max, flush_ns_last;
    uint64_t rotations, fulls, failures, begun_anew; /* how often */
    int error;                                       /* errno of the last failure, 0: none */
    char error_text[128];                            /* what failed; empty: nothing */
};
void wal_statistics(struct wal *wal, struct wal_statistics *ret_statistics);

#endif
