/* sys/os/watch.h: whether a file has changed, or another stands in its place.
 *
 * What is watched is the directory, so that an editor which writes a new file and renames it, and a deployment which turns a symbolic link, are
 * noticed as well. A change is another size, time or number of the file behind the path.
 *
 * Threads: one.
 * Memory:  a descriptor (inotify), closed by watch_close.
 * Errors:  STATUS_IO: the directory cannot be watched; errno says why.
 */
#ifndef STRATA_SYS_OS_WATCH_H
#define STRATA_SYS_OS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { WATCH_PATH_MAX = 1023 };

struct watch {
    int fd; /* readable when something has happened in the directory */
    char path[WATCH_PATH_MAX + 1];
    uint64_t device, number, size_bytes;
    int64_t changed_s, changed_ns;
    bool gone; /* there was no file at the last look */
};

MUST_CHECK enum status watch_open(const char *path, struct watch *ret_watch);
void watch_close(struct watch *watch);

/* Reads what has happened. True if there is a file and it is another than at the last look; one that is gone has not changed,
 * and one that comes back has, even if it is the same. */
bool watch_look(struct watch *watch);

#endif
