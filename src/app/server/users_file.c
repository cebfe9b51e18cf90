/* app/server/users_file.c: the bytes of the ACL file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/server/users.h"

enum { PATH_SIZE_MAX = 1024 + 32, READ_SIZE = 64 * 1024 };

static bool read_all(int fd, struct buf *text) {
    for (;;) {
        if (text->size > USERS_FILE_SIZE_MAX) {
            errno = EFBIG;
            return false;
        }
        if (buf_reserve(text, READ_SIZE) != STATUS_OK) {
            errno = ENOMEM;
            return false;
        }
        ssize_t got = read(fd, text->data + text->size, READ_SIZE);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        text->size += got > 0 ? (size_t)got : 0;
    }
}

static bool close_with(int fd, bool good) {
    int error = errno;
    if (close(fd) != 0 && good)
        return false;
    errno = error;
    return good;
}

bool users_file_read(const char *path, struct buf *text) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &facts) == 0;
    if (good && !S_ISREG(facts.st_mode)) {
        errno = S_ISDIR(facts.st_mode) ? EISDIR : EINVAL;
        good = false;
    }
    return close_with(fd, good && read_all(fd, text));
}

static bool write_all(int fd, struct slice text) {
    while (text.size) {
        ssize_t wrote = write(fd, text.data, text.size);
        if (wrote < 0 && errno != EINTR)
            return false;
        text = slice_part(text, wrote > 0 ? (size_t)wrote : 0, SIZE_MAX);
    }
    return true;
}

/* The names in the folder of the file are durable. */
static bool sync_folder(const char *path) {
    char folder[PATH_SIZE_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash == path ? 1 : slash - path) : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && close_with(fd, fsync(fd) == 0);
}

bool users_file_write(const char *path, struct slice text) {
    char beside[PATH_SIZE_MAX];
    struct stat old;
    snprintf(beside, sizeof beside, "%.1000s.new-%d", path, (int)getpid());
    mode_t mode = stat(path, &old) == 0 ? old.st_mode & 0777 : 0600;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return false;
    if (!close_with(fd, write_all(fd, text) && fsync(fd) == 0) || rename(beside, path) != 0) {
        int error = errno;
        unlink(beside);
        errno = error;
        return false;
    }
    return sync_folder(path);
}
