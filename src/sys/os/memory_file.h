/* sys/os/memory_file.h: memory that outlives the process, as a file of a file system in memory (tmpfs), such as /dev/shm.
 *
 *     | head, the caller's | range, MEMORY_FILE_RANGE_AT on | the caller's again |        sparse: what was never written takes nothing
 *
 * A file on a disk is refused: the system would write all of it there again and again, and readers would wait for that. It is locked while it is open, readable
 * for its owner only, and gone when the machine restarts.
 *
 * Threads: one owner; the mapped bytes are anybody's.
 * Memory:  the range counts as the process's (shared) memory as far as it was touched, and stays taken when the process ends. When the file system runs full, whoever
 *          touches a new page is killed by SIGBUS: memory_file_room says before what there is.
 * Errors:  STATUS_BUSY: another process has it open. STATUS_INVALID: it lies on a disk, or is no regular file. STATUS_IO: errno says what.
 */
#ifndef STRATA_SYS_OS_MEMORY_FILE_H
#define STRATA_SYS_OS_MEMORY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { MEMORY_FILE_RANGE_AT = 2 * 1024 * 1024 };

struct memory_file {
    int fd; /* -1: not open */
    void *range;
    uint64_t range_size;
};

/* Opened, or made empty. With STATUS_BUSY ret_file->fd can still be read from (what the other process has written there about itself), until memory_file_close. */
MUST_CHECK enum status memory_file_open(const char *path, struct memory_file *ret_file);
/* Children of forks do not have what is mapped. */
void memory_file_withhold(const struct memory_file *file);
/* NULL afterwards, and may be mapped anew. */
void memory_file_unmap(struct memory_file *file);
/* Unmaps and unlocks; what it holds stays. */
void memory_file_close(struct memory_file *file);

/* Exactly so many bytes; STATUS_CORRUPT if the file ends before. */
MUST_CHECK enum status memory_file_read(const struct memory_file *file, uint64_t offset, void *ret_bytes, size_t size);
MUST_CHECK enum status memory_file_write(const struct memory_file *file, uint64_t offset, const void *bytes,
                                         size_t size);
uint64_t memory_file_size(const struct memory_file *file);

/* All is zero afterwards. Not while it is mapped. */
MUST_CHECK enum status memory_file_clear(const struct memory_file *file);
/* Maps so many bytes of it, which the file is made long enough for; aligned like pages_take. From here on it is for its owner only, whatever it was before. */
MUST_CHECK enum status memory_file_map(struct memory_file *file, uint64_t range_size);
/* Bytes that the file can take up, with those that it has already. */
uint64_t memory_file_room(const struct memory_file *file);

/* From here on the log says why, should this process be killed because the file system has run full. */
void memory_file_explain(void);

/* As pages_release, for a part of the range. */
void memory_file_release(void *bytes, uint64_t size);

#endif
