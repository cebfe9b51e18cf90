/* sys/wal/snapshot.h: a file with everything that a cache holds, as records without meaning (docs/format-snapshot.md).
 *
 *     snapshot-0000000003   [header 64][block][block] ... [footer 72]
 *     block                 [header 40][length 4 | record][length 4 | record] ...
 *
 * A snapshot is made while changes go on: it holds each of them or not, as it comes. `start_lsn` is the number of the first change that it may
 * lack, `end_lsn` the last that it may hold. With the log from start_lsn to at least end_lsn it is exact, since records of the log carry results.
 *
 * It is written under another name and gets its own when it is complete and durable. So a file of this name that is damaged was damaged later, and is
 * refused; a power cut leaves the one before.
 *
 * Threads: one owner at a time.
 * Memory:  one block, or one record if that is larger.
 * Errors:  STATUS_FULL: no room. STATUS_IO with errno. STATUS_CORRUPT and STATUS_INVALID (a version that is not known) with a sentence in the
 *          reason. STATUS_NO_MEMORY.
 */
#ifndef STRATA_SYS_WAL_SNAPSHOT_H
#define STRATA_SYS_WAL_SNAPSHOT_H

#include "base/buf.h"
#include "sys/os/files.h"
#include "sys/wal/read.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HEADER_SIZE = 64,
    SNAPSHOT_BLOCK_HEADER_SIZE = 40,
    SNAPSHOT_FOOTER_SIZE = 72,
    SNAPSHOT_BLOCK_SIZE = 256 * 1024, /* a block is closed when it has reached this */
    SNAPSHOT_SYNC_SIZE = 32 << 20,    /* flushed that often while it is written, so that the end has little to flush */
};

#define SNAPSHOT_MAGIC "STRATASN"
#define SNAPSHOT_BLOCK_MARK 0x42535253u  /* "SRSB" in the file */
#define SNAPSHOT_FOOTER_MARK 0x45535253u /* "SRSE" */

struct snapshot_facts {
    uint64_t number;                 /* of the file, as in its name */
    uint64_t id;                     /* drawn for this snapshot; not 0 */
    uint64_t log_id;                 /* of the log that goes with it; 0: none */
    uint64_t start_lsn;              /* at least 1 */
    uint64_t end_lsn;                /* at least start_lsn - 1 */
    uint64_t created_ms;             /* since 1970 */
    uint64_t blocks, records, bytes; /* bytes: of records, without headers */
    uint64_t file_bytes;
};

/* --- writing --- */

struct snapshot_writer;

/* The facts up to `created_ms` but end_lsn. */
MUST_CHECK enum status snapshot_begin(const struct files *files, const struct memory *memory,
                                      const struct snapshot_facts *facts, struct snapshot_writer **ret_writer);

/* One record, made of the parts; at most LOG_RECORD_SIZE_MAX bytes (STATUS_TOO_LARGE). After STATUS_FULL, STATUS_IO or STATUS_NO_MEMORY only
 * snapshot_cancel is left. */
MUST_CHECK enum status snapshot_add(struct snapshot_writer *writer, const struct slice *parts, unsigned count);

/* How long to wait before the next snapshot_add, so that no more than this many bytes a second are written (0: as many as
 * there are). `now_ns` never goes back. */
uint64_t snapshot_wait_ns(struct snapshot_writer *writer, uint64_t now_ns, uint64_t bytes_per_second);

/* How far it is. */
void snapshot_progress(const struct snapshot_writer *writer, struct snapshot_facts *ret_facts);

/* Completes the file, makes it durable, and then gives it its name. The log has to be flushed up to the end first, or a power cut could leave a snapshot that
 * knows more than its log: STATUS_AGAIN if `flushed_lsn` says that it is not; the same call may come again. With STATUS_OK
 * the writer is gone. After any other answer only snapshot_cancel is left. */
MUST_CHECK enum status snapshot_finish(struct snapshot_writer *writer, uint64_t end_lsn, uint64_t flushed_lsn);

/* Removes what there is of it. NULL: nothing. */
void snapshot_cancel(struct snapshot_writer *writer);
/* Forgets the writer and leaves the file, as if the process had died. */
void snapshot_abandon(struct snapshot_writer *writer);

/* --- reading --- */

struct snapshot_reader;

/* Looks at header and footer; the blocks are verified as they are read. `ret_reason` is filled with every failure. */
MUST_CHECK enum status snapshot_open(const struct files *files, const struct memory *memory, uint64_t number,
                                     struct snapshot_reader **ret_reader, struct snapshot_facts *ret_facts,
                                     char ret_reason[WAL_REASON_SIZE]);

/* The next record, valid until the next call. STATUS_CLOSED: that was the last, and all is as the footer says. */
MUST_CHECK enum status snapshot_next(struct snapshot_reader *reader, struct slice *ret_record,
                                     char ret_reason[WAL_REASON_SIZE]);
void snapshot_close(struct snapshot_reader *reader);

/* --- which there are --- */

/* Numbers (uint64_t, ascending) of all snapshots, good or not. The newest counts. */
MUST_CHECK enum status snapshot_list(const struct files *files, struct buf *numbers);
/* Removes all whose number is below `number`, and files that were being made; makes that durable. Not while one is being made. */
MUST_CHECK enum status snapshot_remove_before(const struct files *files, const struct memory *memory, uint64_t number);

#endif
