/* sys/audit/audit_log.h: writing the audit log: a queue that anybody fills, and one thread that numbers, hashes and writes.
 *
 *     audit_log_put ──> [ queue, bounded ] ──> lines ──> audit-000017.jsonl ──> flushed
 *                          | full: told, or counted         | too large, too old
 *                          v                                v
 *                       a `lost` line               audit-000018.jsonl, and `keep` of them
 *
 * A call that fails is made again every AUDIT_RETRY_MS, from where it is known what stands in the file; meanwhile the queue fills up. After a failed
 * flush nobody knows what the kernel has kept, so everything since the last good one is written again: it is kept until it is flushed.
 *
 * Before lines are written, once in AUDIT_FLUSH_MS, the end of the file is looked at under its name: who removes, cuts or replaces it while it is written
 * would take what comes later with it. The log goes on in the next file then, so that the verifier misses this one.
 *
 * An open log goes on where the last line ends. A torn last line, as a crash leaves it, stays where it is, and a `recovered` line accounts for it.
 *
 * Threads: audit_log_put, _facts, _set and _rotate from any; audit_log_step from one, which audit_log_run may be.
 * Memory:  the queue, what is being written (at most as much again), and up to AUDIT_UNFLUSHED_MAX of what is not flushed.
 * Time:    handed in to audit_log_step. audit_log_put copies a record under a lock that no system call is made under.
 */
#ifndef STRATA_SYS_AUDIT_AUDIT_LOG_H
#define STRATA_SYS_AUDIT_AUDIT_LOG_H

#include "core/audit/chain.h"
#include "sys/os/files.h"

enum {
    AUDIT_RETRY_MS = 500,
    AUDIT_FLUSH_MS = 1000,                 /* AUDIT_EVERY_SECOND */
    AUDIT_GATHER_MS = 2,                   /* between two batches of the thread, unless half of the queue is full */
    AUDIT_BATCH_SIZE = 256 * 1024,         /* is written at once */
    AUDIT_UNFLUSHED_MAX = 4 * 1024 * 1024, /* then it is flushed */
    AUDIT_OVERDRAFT = 4,                   /* what may not be lost has so many times the queue */
    AUDIT_REASON_SIZE = 256,
};

enum audit_sync { AUDIT_ALWAYS, AUDIT_EVERY_SECOND, AUDIT_NEVER };

struct audit_log_setting {
    enum audit_sync sync;
    uint64_t queue_bytes;
    uint64_t file_bytes;   /* a file that has so many is followed by the next */
    uint64_t file_ms;      /* and one that is so old; 0: any age */
    uint32_t keep;         /* files; 0: all */
    uint32_t anchor_lines; /* an anchor after so many lines; 0: none */
    uint64_t anchor_ms;    /* and after this time, if there were any; 0: the same */
};

struct audit_log_facts {
    uint64_t lines, written, bytes; /* of the whole chain; events since the start; bytes since then */
    uint64_t lost, waiting, waiting_bytes;
    uint64_t failures, file, file_bytes;
    bool fails, full;
    int error; /* errno of the last failure; 0: none */
    char last[AUDIT_HASH_SIZE + 1];
};

/* Called with no lock of the caller's held; `full` under the log's own. */
struct audit_log_user {
    void (*full)(void *context, bool full);              /* the queue is, or has room again */
    void (*fails)(void *context, bool fails, int error); /* it cannot be written, or can again */
    void (*anchored)(void *context, uint64_t lines, const char hash[AUDIT_HASH_SIZE]); /* as written */
    void (*taken)(void *context, uint64_t file); /* somebody has removed, cut or replaced the file that was written */
    void *context;
};

struct audit_log_options {
    const struct files *files;
    const struct audit_hash *hash;
    const char *node, *version; /* plain words */
    struct audit_log_setting setting;
    struct audit_log_user user;
    const struct memory *memory;
};

struct audit_now {
    uint64_t unix_us, steady_ms;
};

struct audit_log;

/* What stands there is read to its end, and `start` is written with the first step. Options live as long as the log. On failure `ret_reason` says why;
 * `ret_notice` is what people are to know of what was found, empty if it was as it was left. */
MUST_CHECK enum status audit_log_open(const struct audit_log_options *options, struct audit_now now,
                                      struct audit_log **ret_log, char ret_reason[AUDIT_REASON_SIZE],
                                      char ret_notice[AUDIT_REASON_SIZE]);
/* Writes all that waits, and `stop`. A failure leaves the file as a crash would. */
MUST_CHECK enum status audit_log_close(struct audit_log *log, struct audit_now now);

/* Queues a body (record.h). False: there is no room, and it is counted as lost. `must`: it has happened and nothing could hold it up; it finds room
 * up to AUDIT_OVERDRAFT times the queue. */
bool audit_log_put(struct audit_log *log, struct slice body, bool must);
bool audit_log_is_full(struct audit_log *log);
void audit_log_set(struct audit_log *log, const struct audit_log_setting *setting);
/* With the next step. */
void audit_log_rotate(struct audit_log *log);
void audit_log_facts(struct audit_log *log, struct audit_log_facts *ret_facts);

/* Does what is due; answers in how many milliseconds there may be something again, if nothing is put. */
uint64_t audit_log_step(struct audit_log *log, struct audit_now now);

/* Steps until audit_log_end, as the body of a thread. */
void audit_log_run(void *log);
void audit_log_end(struct audit_log *log);

#endif
