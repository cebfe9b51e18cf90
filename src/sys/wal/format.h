/* sys/wal/format.h: how a log lies in its files, byte by byte (docs/format-log.md).
 *
 *     log-0000000007   [header 64][batch][batch][batch] ...
 *     batch            [header 48][length 4 | record][length 4 | record] ...
 *
 * Numbers are little-endian. Checksums are XXH3 with 64 bits; those of a batch have the log's id, the file's number and the batch's
 * place as their seed, so that no batch is taken for another that lies elsewhere.
 *
 * Threads: no state.
 * Errors:  bytes that fail their check are an answer here (false, STATUS_CORRUPT), never an assertion.
 */
#ifndef STRATA_SYS_WAL_FORMAT_H
#define STRATA_SYS_WAL_FORMAT_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    LOG_VERSION = 1,
    LOG_HEADER_SIZE = 64,
    LOG_BATCH_HEADER_SIZE = 48,
    LOG_RECORD_HEADER_SIZE = 4,
    LOG_RECORD_SIZE_MAX = 1 << 30,
    LOG_NAME_SIZE = 32, /* room for "snapshot-0000000001.new" and its end */
};

#define LOG_MAGIC "STRATALG"
#define LOG_BATCH_MARK 0x42415253u /* "SRAB" in the file */

struct log_header {
    uint64_t log_id;     /* the same in all files of a log, drawn when it began; not 0 */
    uint64_t number;     /* of the file, as in its name */
    uint64_t first_lsn;  /* of the first record that can stand here */
    uint64_t proven_lsn; /* records up to here were flushed in files before this one */
};

enum log_batch_flags {
    LOG_BATCH_CONTINUED = 1, /* the last of its file: the file with the next number was durable when this was written */
    LOG_BATCH_CLOSED = 2,    /* the log was closed in order */
};

struct log_batch {
    uint32_t payload_size;
    uint32_t count;
    uint32_t flags;
    uint64_t first_lsn;   /* of the first record; of a batch without records, of the next one to come */
    uint64_t flushed_lsn; /* records up to here were known to be flushed when this was written */
    uint64_t payload_sum;
};

/* The seed of a batch (or a snapshot's block) at this place. */
uint64_t format_seed(uint64_t id, uint64_t number, uint64_t offset);

void log_header_encode(const struct log_header *header, uint8_t ret_bytes[LOG_HEADER_SIZE]);
/* STATUS_CORRUPT; STATUS_INVALID: whole, but of a version that this program does not know, which ret_version says. */
MUST_CHECK enum status log_header_decode(const uint8_t bytes[LOG_HEADER_SIZE], struct log_header *ret_header,
                                         uint32_t *ret_version);

/* `payload_sum` is worked out from the payload. */
void log_batch_encode(const struct log_batch *batch, uint64_t seed, struct slice payload,
                      uint8_t ret_bytes[LOG_BATCH_HEADER_SIZE]);
/* Of the header alone: false if it is none of this place. */
bool log_batch_decode(const uint8_t bytes[LOG_BATCH_HEADER_SIZE], uint64_t seed, struct log_batch *ret_batch);
/* Whether the payload is the one that was written, and made of `count` records. */
bool log_batch_verify(const struct log_batch *batch, uint64_t seed, struct slice payload);

/* Takes the next record off a payload: false at its end, or when the rest is no record. */
bool format_record_next(struct slice *payload, struct slice *ret_record);

/* "log-0000000007" and back; a name with another end, or none of this prefix, is false. */
#define LOG_PREFIX "log-"
#define SNAPSHOT_PREFIX "snapshot-"
#define FORMAT_NEW_SUFFIX ".new" /* of a file that is being made */
void format_name(const char *prefix, uint64_t number, const char *suffix, char ret_name[LOG_NAME_SIZE]);
bool format_name_parse(const char *name, const char *prefix, const char *suffix, uint64_t *ret_number);

#endif
