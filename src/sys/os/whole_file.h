/* sys/os/whole_file.h: small files that are read, and put in place, as a whole: settings, users, certificates.
 *
 * Threads: any.
 * Memory:  the caller's buffer.
 * Errors:  false with errno set. Reading: EFBIG over `size_max` bytes, EISDIR or EINVAL for what is no regular file (it could block whoever reads it, which may be a
 *          server that runs), ENOMEM.
 */
#ifndef STRATA_SYS_OS_WHOLE_FILE_H
#define STRATA_SYS_OS_WHOLE_FILE_H

#include <stdbool.h>

#include "base/buf.h"

/* Appends the bytes. */
bool whole_file_read(const char *path, size_t size_max, struct buf *bytes);

/* The same to the end of what is open already, such as standard input; it may wait. */
bool whole_file_read_open(int fd, size_t size_max, struct buf *bytes);

/* Beside the file first, then in its place, both durable: a crash leaves one or the other, whole. `mode`: its permissions; 0: those of the file that is there, or 0600. */
bool whole_file_write(const char *path, struct slice bytes, unsigned mode);

/* Of a file with secrets: says in the log if others than its owner and group may read or write it. `what` it is: "aclfile". */
void whole_file_judge(const char *path, const char *what);

#endif
