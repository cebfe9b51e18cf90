#include "sys/os/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"

enum files_cause files_cause(int error) {
    switch (error) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return FILES_NO_ROOM;
        case ENOENT:
        case ENOTDIR:
            return FILES_ABSENT;
        case EEXIST:
            return FILES_EXISTS;
        case EACCES:
        case EPERM:
        case EROFS:
            return FILES_DENIED;
        default:
            return FILES_BROKEN;
    }
}

static enum status failed(void) { return files_cause(errno) == FILES_NO_ROOM ? STATUS_FULL : STATUS_IO; }

enum status files_write(const struct files *files, int file, uint64_t offset, const void *bytes, size_t size) {
    const uint8_t *from = bytes;
    while (size) {
        size_t written = 0;
        TRY(files->write(files->context, file, offset, from, size, &written));
        ASSERT(written > 0 && written <= size);
        from += written;
        offset += written;
        size -= written;
    }
    return STATUS_OK;
}

enum status files_read(const struct files *files, int file, uint64_t offset, void *ret_bytes, size_t size) {
    size_t found;
    TRY(files->read(files->context, file, offset, ret_bytes, size, &found));
    return found == size ? STATUS_OK : STATUS_CORRUPT;
}

static int descriptor(void *context) { return ((struct directory *)context)->fd; }

static enum status real_open(void *context, const char *name, enum files_how how, int *ret_file) {
    ASSERT(!strchr(name, '/'));
    static const int flags_of[] = {
        [FILES_READ] = O_RDONLY,
        [FILES_WRITE] = O_RDWR,
        [FILES_NEW] = O_RDWR | O_CREAT | O_EXCL,
        [FILES_DIRECT] = O_RDWR | O_DIRECT,
    };
    int flags = flags_of[how];
    int fd;
    do
        fd = openat(descriptor(context), name, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return failed();
    *ret_file = fd;
    return STATUS_OK;
}

static void real_close(void *context, int file) { close(file); }

static enum status real_read(void *context, int file, uint64_t offset, void *ret_bytes, size_t size, size_t *ret_size) {
    uint8_t *to = ret_bytes;
    size_t found = 0;
    while (found < size) {
        ssize_t got = pread(file, to + found, size - found, (off_t)(offset + found));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed();
        if (got == 0)
            break;
        found += (size_t)got;
    }
    *ret_size = found;
    return STATUS_OK;
}

static enum status real_write(void *context, int file, uint64_t offset, const void *bytes, size_t size,
                              size_t *ret_size) {
    ssize_t written;
    do
        written = pwrite(file, bytes, size, (off_t)offset);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        return failed();
    if (written == 0 && size) {
        errno = EIO;
        return STATUS_IO;
    }
    *ret_size = (size_t)written;
    return STATUS_OK;
}

static enum status real_reserve(void *context, int file, uint64_t size) {
    int result;
    do
        result = fallocate(file, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
    while (result != 0 && errno == EINTR);
    if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return STATUS_OK;
    return failed();
}

static enum status real_truncate(void *context, int file, uint64_t size) {
    int result;
    do
        result = ftruncate(file, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? STATUS_OK : failed();
}

static enum status real_size(void *context, int file, uint64_t *ret_size) {
    struct stat found;
    if (fstat(file, &found) != 0)
        return failed();
    *ret_size = (uint64_t)found.st_size;
    return STATUS_OK;
}

/* Not repeated when interrupted: what a flush that failed has done is unknown, whatever the reason. */
static enum status real_sync(void *context, int file) { return fdatasync(file) == 0 ? STATUS_OK : STATUS_IO; }

static enum status real_sync_directory(void *context) {
    return fsync(descriptor(context)) == 0 ? STATUS_OK : STATUS_IO;
}

static enum status real_rename(void *context, const char *from, const char *to) {
    return renameat(descriptor(context), from, descriptor(context), to) == 0 ? STATUS_OK : failed();
}

static enum status real_remove(void *context, const char *name) {
    return unlinkat(descriptor(context), name, 0) == 0 ? STATUS_OK : failed();
}

/* A second descriptor, since a stream has a place and closes what it reads. */
static enum status real_list(void *context, enum status (*visit)(void *visitor, const char *name), void *visitor) {
    int fd = openat(descriptor(context), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed();
    DIR *stream = fdopendir(fd);
    if (!stream) {
        close(fd);
        return STATUS_NO_MEMORY;
    }
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            status = errno ? failed() : STATUS_OK;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = visit(visitor, entry->d_name);
    }
    int error = errno;
    closedir(stream);
    errno = error;
    return status;
}

static enum status real_room(void *context, uint64_t *ret_bytes) {
    struct statvfs found;
    if (fstatvfs(descriptor(context), &found) != 0)
        return failed();
    *ret_bytes = (uint64_t)found.f_bavail * (uint64_t)found.f_frsize;
    return STATUS_OK;
}

static const struct files real = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .reserve = real_reserve,
    .truncate = real_truncate,
    .size = real_size,
    .sync = real_sync,
    .sync_directory = real_sync_directory,
    .rename = real_rename,
    .remove = real_remove,
    .list = real_list,
    .room = real_room,
    .is_kernel = true,
};

/* The name of a new directory is durable when its parent has been flushed. */
static enum status parent_sync(const char *path) {
    char text[PATH_MAX];
    if ((size_t)snprintf(text, sizeof text, "%s", path) >= sizeof text) {
        errno = ENAMETOOLONG;
        return STATUS_IO;
    }
    int fd = open(dirname(text), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed();
    enum status status = fsync(fd) == 0 ? STATUS_OK : STATUS_IO;
    int error = errno;
    close(fd);
    errno = error;
    return status;
}

enum status directory_open(const char *path, bool create, struct directory *ret_directory) {
    if (create) {
        if (mkdir(path, 0750) == 0)
            TRY(parent_sync(path));
        else if (errno != EEXIST)
            return failed();
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed();
    *ret_directory = (struct directory){.files = real, .fd = fd, .lock = -1};
    ret_directory->files.context = ret_directory;
    return STATUS_OK;
}

void directory_close(struct directory *directory) {
    if (directory->lock >= 0)
        close(directory->lock);
    if (directory->fd >= 0)
        close(directory->fd);
    directory->lock = directory->fd = -1;
}

enum status directory_remove(const char *path) { return rmdir(path) == 0 ? STATUS_OK : failed(); }

static int owner_in(int fd) {
    char text[16] = {0};
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    return size > 0 ? atoi(text) : 0;
}

enum status directory_lock(struct directory *directory, int *ret_owner) {
    return directory_lock_as(directory, DIRECTORY_LOCK, ret_owner);
}

enum status directory_lock_as(struct directory *directory, const char *name, int *ret_owner) {
    ASSERT(directory->lock < 0);
    int fd = openat(directory->fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return failed();
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum status status = errno == EWOULDBLOCK ? STATUS_BUSY : failed();
        int error = errno;
        if (status == STATUS_BUSY)
            *ret_owner = owner_in(fd);
        close(fd);
        errno = error;
        return status;
    }
    /* The number only serves the message that others print; without room for it the lock holds all the same. */
    char text[16];
    int size = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) == 0) {
        ssize_t written = pwrite(fd, text, (size_t)size, 0);
        MAYBE(written < 0);
    }
    directory->lock = fd;
    return STATUS_OK;
}
