/* sys/audit/audit_inner.h: what the files of this folder share.
 *
 * Threads: what is behind `lock` is so marked; the rest belongs to whoever steps.
 */
#ifndef STRATA_SYS_AUDIT_AUDIT_INNER_H
#define STRATA_SYS_AUDIT_AUDIT_INNER_H

#include <pthread.h>

#include "sys/audit/audit_log.h"

struct audit_log {
    struct audit_log_options options;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    /* under lock */
    struct buf queue; /* bodies, a line each */
    uint64_t queued, lost_now, lost, settings_version;
    struct audit_log_setting setting_next;
    bool full, sleeps, gathers, ends, rotate_asked;
    struct audit_log_facts facts;

    struct audit_log_setting setting;
    struct audit_chain chain;
    struct buf taken; /* of the queue, being made lines */
    size_t taken_at;
    uint64_t taken_lost; /* events that were lost behind it */
    /* The file has `base` bytes that are settled; behind them comes `out`, of which `written` bytes are in the file. */
    int file;               /* -1: none */
    uint64_t number, first; /* of the file; of the first one there is */
    uint64_t base;
    struct buf out;
    size_t written;
    bool directory_changed; /* since it was flushed */
    uint64_t remove_until;  /* files up to this number are to go, and lines say so */
    uint64_t opened_ms, flushed_ms, anchored_ms, anchored_seq, retry_ms, looked_ms;
    uint64_t anchor_lines; /* of an anchor that is not written yet; 0: none */
    char anchor_hash[AUDIT_HASH_SIZE];
    uint64_t events, bytes;
    uint64_t failures;
    bool fails, rotates;
    int error;
};

static inline uint64_t audit_file_size(const struct audit_log *log) { return log->base + log->out.size; }

/* Writes what `out` has. */
MUST_CHECK enum status audit_files_write(struct audit_log *log);
/* Makes it durable, and forgets it. */
MUST_CHECK enum status audit_files_flush(struct audit_log *log);
/* The next file: everything in the one before is flushed. Its first lines are in `out`. */
MUST_CHECK enum status audit_files_next(struct audit_log *log, struct audit_now now);
/* Whether under the file's name stands something else than what was written; what cannot be found out is no. */
bool audit_files_is_taken(const struct audit_log *log);
/* Those that are to go, once the lines that say so are flushed. */
void audit_files_remove(struct audit_log *log);
/* Finds the end of what there is. */
MUST_CHECK enum status audit_files_open(struct audit_log *log, struct audit_now now, char ret_reason[AUDIT_REASON_SIZE],
                                        char ret_notice[AUDIT_REASON_SIZE]);

#endif
