#include "sys/os/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* False: there is no file. */
static bool identify(struct watch *watch) {
    struct stat found;
    if (stat(watch->path, &found) != 0)
        return false;
    watch->device = (uint64_t)found.st_dev;
    watch->number = (uint64_t)found.st_ino;
    watch->size_bytes = (uint64_t)found.st_size;
    watch->changed_s = found.st_mtim.tv_sec;
    watch->changed_ns = found.st_mtim.tv_nsec;
    return true;
}

enum status watch_open(const char *path, struct watch *ret_watch) {
    struct watch watch = {.fd = -1};
    char directory[WATCH_PATH_MAX + 1];
    if (strlen(path) > WATCH_PATH_MAX) {
        errno = ENAMETOOLONG;
        return STATUS_IO;
    }
    snprintf(watch.path, sizeof watch.path, "%s", path);
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (!slash)
        snprintf(directory, sizeof directory, ".");
    else
        slash[slash == directory] = 0;
    watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch.fd < 0)
        return STATUS_IO;
    if (inotify_add_watch(watch.fd, directory, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0) {
        int error = errno;
        close(watch.fd);
        errno = error;
        return STATUS_IO;
    }
    identify(&watch);
    *ret_watch = watch;
    return STATUS_OK;
}

void watch_close(struct watch *watch) {
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

bool watch_look(struct watch *watch) {
    char events[4096] __attribute__((aligned(8)));
    while (read(watch->fd, events, sizeof events) > 0)
        ;
    struct watch before = *watch;
    watch->gone = !identify(watch);
    if (watch->gone)
        return false;
    return before.gone || before.device != watch->device || before.number != watch->number ||
           before.size_bytes != watch->size_bytes || before.changed_s != watch->changed_s ||
           before.changed_ns != watch->changed_ns;
}
