#include "sys/os/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/os/log.h"

enum { PATH_SIZE_MAX = 4096 + 32, READ_SIZE = 64 * 1024 };

bool whole_file_read_open(int fd, size_t size_max, struct buf *bytes) {
    for (size_t before = bytes->size;;) {
        if (bytes->size - before > size_max) {
            errno = EFBIG;
            return false;
        }
        if (buf_reserve(bytes, READ_SIZE) != STATUS_OK) {
            errno = ENOMEM;
            return false;
        }
        ssize_t got = read(fd, bytes->data + bytes->size, READ_SIZE);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        bytes->size += got > 0 ? (size_t)got : 0;
    }
}

static bool close_with(int fd, bool good) {
    int error = errno;
    if (close(fd) != 0 && good)
        return false;
    errno = error;
    return good;
}

bool whole_file_read(const char *path, size_t size_max, struct buf *bytes) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &facts) == 0;
    if (good && !S_ISREG(facts.st_mode)) {
        errno = S_ISDIR(facts.st_mode) ? EISDIR : EINVAL;
        good = false;
    }
    return close_with(fd, good && whole_file_read_open(fd, size_max, bytes));
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

bool whole_file_write(const char *path, struct slice bytes, unsigned mode) {
    char beside[PATH_SIZE_MAX];
    struct stat old;
    if (snprintf(beside, sizeof beside, "%s.new-%d", path, (int)getpid()) >= (int)sizeof beside) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!mode)
        mode = stat(path, &old) == 0 ? old.st_mode & 0777 : 0600;
    unlink(beside); /* of a process with this number, long ago */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return false;
    if (!close_with(fd, write_all(fd, bytes) && fsync(fd) == 0) || rename(beside, path) != 0) {
        int error = errno;
        unlink(beside);
        errno = error;
        return false;
    }
    return sync_folder(path);
}

void whole_file_judge(const char *path, const char *what) {
    struct stat facts;
    if (stat(path, &facts) == 0 && facts.st_mode & (S_IROTH | S_IWOTH))
        log_warning("%s: %s can be %s by everybody on this machine: chmod o= %s", what, path,
                    facts.st_mode & S_IWOTH ? "changed" : "read", path);
}
