/* sys/wal/read.h: reads the log of a directory: what can be trusted, where it ends, and when it must not be used.
 *
 *     log-3 [ records 100..199 ]   log-4 [ 200..299 ]   log-5 [ 300..341 | torn ]
 *                                                                        ^ behind what was proven flushed: the tail, cut and counted
 *                  ^ damage here, before it: refused, with file and place
 *
 * What was flushed is proven by every batch that follows (it says up to where its writer knew it) and by every file that follows (its header
 * says it). Damage that nothing proves to have been whole is the end that a power cut leaves; any other is a loss, which nobody passes over in silence.
 *
 * Nothing is changed by reading.
 *
 * Threads: one owner at a time; nobody writes meanwhile.
 * Errors:  STATUS_CORRUPT: damaged, incomplete, or of another log. STATUS_INVALID: of a version that is not known. STATUS_IO, STATUS_NO_MEMORY,
 *          and what the visitor answers. Each leaves a sentence in the report's `reason`.
 */
#ifndef STRATA_SYS_WAL_READ_H
#define STRATA_SYS_WAL_READ_H

#include "base/buf.h"
#include "sys/os/files.h"
#include "sys/wal/format.h"

enum { WAL_REASON_SIZE = 320 };

/* What the caller has already, from a snapshot; all zero: nothing. */
struct wal_need {
    uint64_t log_id; /* the log that it belongs to; 0: any */
    /* The first record to be visited; 0: the first of all. It must be there, unless it would be the next to be written. */
    uint64_t from_lsn;
    uint64_t to_lsn; /* the log must reach to here */
    bool keep_tail;  /* for wal_open */
};

struct wal_visitor {
    /* In order of their numbers. Another answer than STATUS_OK ends the reading. */
    enum status (*record)(void *context, uint64_t lsn, struct slice record);
    /* Records that a failed flush has lost, by the word of the file that was begun after it. May be NULL. */
    enum status (*missing)(void *context, uint64_t first_lsn, uint64_t last_lsn);
    void *context;
};

struct wal_file {
    uint64_t number;
    uint64_t first_lsn; /* 0: not looked at, since it is not needed */
    uint64_t bytes;     /* its size; likewise */
};

/* Why reading was refused. */
enum wal_damage {
    WAL_WHOLE,   /* it was not, or not for the log's sake */
    WAL_DAMAGED, /* a batch of `damage_number`, at `damage_offset`: record `damage_lsn` stood there */
    WAL_HEADER,  /* the header of file `damage_number` is damaged or does not belong here */
    WAL_MISSING, /* there is no file `damage_number`; if it would be the last, the one before says at `damage_offset` that it was there, else that is 0 */
    WAL_BEGINNING,  /* records before the oldest file are needed */
    WAL_SHORT,      /* the log ends before the snapshot does */
    WAL_NONE,       /* there is no log, and a snapshot needs one */
    WAL_UNREADABLE, /* file `damage_number` cannot be read, or is of another version */
};

/* Filled as far as it came, also after a failure. */
struct wal_report {
    uint64_t log_id;                /* 0: there is no log */
    uint64_t first_number;          /* of the files that are needed; 0: there are none */
    uint64_t next_lsn;              /* of the next record */
    uint64_t files, records, bytes; /* read; records: visited */
    uint64_t cut_offset, cut_bytes; /* of the last file: what does not count any more; cut_bytes 0: nothing */
    uint64_t missing;               /* records that a failed flush has lost, as told to the visitor */
    /* Records between a flush that succeeded and the file that was begun because the next had failed; 0: none. They could be read, but perhaps only from
     * the kernel's memory. Of several ranges, from the first to the end of the last. */
    uint64_t unproven_first, unproven_last;
    bool closed;            /* the log was closed in order */
    struct log_header last; /* of the last file; number 0: there is none */
    uint64_t proven_lsn;    /* records of the last file up to here were flushed */
    uint64_t tail_offset;   /* where its others begin */
    struct buf tail;        /* them, as kept batches (sys/wal/writer.h), if `keep_tail` */
    struct buf list;        /* struct wal_file: all files of logs in the directory, ascending */
    enum wal_damage damage;
    uint64_t damage_number, damage_offset, damage_lsn;
    char reason[WAL_REASON_SIZE];
};

/* `visitor` may be NULL: everything is verified. Afterwards wal_report_fini, whatever the answer. */
MUST_CHECK enum status wal_read(const struct files *files, const struct memory *memory, const struct wal_need *need,
                                const struct wal_visitor *visitor, struct wal_report *ret_report);
void wal_report_fini(struct wal_report *report);

/* From a list of struct wal_file. */
static inline size_t wal_list_count(const struct buf *list) { return list->size / sizeof(struct wal_file); }
struct wal_file wal_list_at(const struct buf *list, size_t at);

#endif
