#include "sys/os/memory_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bits.h"
#include "sys/os/log.h"
#include "sys/os/pages.h"

static_assert((int)MEMORY_FILE_RANGE_AT % (int)PAGES_HUGE_SIZE == 0, "the file system may use huge pages");

static enum status prepare(int fd) {
    struct stat facts;
    struct statfs system;
    if (fstat(fd, &facts) != 0 || fstatfs(fd, &system) != 0)
        return STATUS_IO;
    if (!S_ISREG(facts.st_mode) || system.f_type != TMPFS_MAGIC)
        return STATUS_INVALID;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? STATUS_BUSY : STATUS_IO;
    return STATUS_OK;
}

enum status memory_file_open(const char *path, struct memory_file *ret_file) {
    *ret_file = (struct memory_file){.fd = -1};
    struct stat facts;
    bool was_there = stat(path, &facts) == 0;
    /* Without waiting for the other end, should it be a pipe. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return errno == EISDIR || errno == ENXIO ? STATUS_INVALID : STATUS_IO;
    enum status status = prepare(fd);
    ret_file->fd = fd;
    if (status == STATUS_OK || status == STATUS_BUSY)
        return status;
    int error = errno;
    if (!was_there)
        unlink(path);
    memory_file_close(ret_file);
    errno = error;
    return status;
}

void memory_file_unmap(struct memory_file *file) {
    if (file->range)
        munmap(file->range, bits_align_up(file->range_size, PAGES_HUGE_SIZE));
    file->range = NULL;
}

void memory_file_close(struct memory_file *file) {
    memory_file_unmap(file);
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

enum status memory_file_read(const struct memory_file *file, uint64_t offset, void *ret_bytes, size_t size) {
    uint8_t *to = ret_bytes;
    while (size) {
        ssize_t read = pread(file->fd, to, size, (off_t)offset);
        if (read < 0 && errno == EINTR)
            continue;
        if (read <= 0)
            return read ? STATUS_IO : STATUS_CORRUPT;
        to += read, offset += (uint64_t)read, size -= (size_t)read;
    }
    return STATUS_OK;
}

enum status memory_file_write(const struct memory_file *file, uint64_t offset, const void *bytes, size_t size) {
    const uint8_t *from = bytes;
    while (size) {
        ssize_t written = pwrite(file->fd, from, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return STATUS_IO;
        from += written, offset += (uint64_t)written, size -= (size_t)written;
    }
    return STATUS_OK;
}

uint64_t memory_file_size(const struct memory_file *file) {
    struct stat facts;
    return fstat(file->fd, &facts) == 0 ? (uint64_t)facts.st_size : 0;
}

enum status memory_file_clear(const struct memory_file *file) {
    return ftruncate(file->fd, 0) == 0 ? STATUS_OK : STATUS_IO;
}

enum status memory_file_map(struct memory_file *file, uint64_t range_size) {
    if (range_size == 0 || range_size > UINT64_MAX / 4)
        return STATUS_INVALID;
    uint64_t size = bits_align_up(range_size, PAGES_HUGE_SIZE);
    if (fchmod(file->fd, S_IRUSR | S_IWUSR) != 0)
        return STATUS_IO;
    if (memory_file_size(file) < MEMORY_FILE_RANGE_AT + size &&
        ftruncate(file->fd, (off_t)(MEMORY_FILE_RANGE_AT + size)) != 0)
        return STATUS_IO;
    /* Room for a huge page more, so that an aligned part of it can be mapped over. */
    uint8_t *space = mmap(NULL, size + PAGES_HUGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return STATUS_NO_MEMORY;
    uint8_t *range = (uint8_t *)bits_align_up((uintptr_t)space, PAGES_HUGE_SIZE);
    if (mmap(range, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file->fd,
             MEMORY_FILE_RANGE_AT) == MAP_FAILED) {
        munmap(space, size + PAGES_HUGE_SIZE);
        return STATUS_NO_MEMORY;
    }
    if (range > space)
        munmap(space, (size_t)(range - space));
    if (space + PAGES_HUGE_SIZE > range)
        munmap(range + size, (size_t)(space + PAGES_HUGE_SIZE - range));
    file->range = range;
    file->range_size = range_size;
    return STATUS_OK;
}

void memory_file_withhold(const struct memory_file *file) {
    (void)madvise(file->range, bits_align_up(file->range_size, PAGES_HUGE_SIZE), MADV_DONTFORK);
}

uint64_t memory_file_room(const struct memory_file *file) {
    struct stat facts;
    struct statfs system;
    if (fstat(file->fd, &facts) != 0 || fstatfs(file->fd, &system) != 0)
        return 0;
    if (system.f_blocks == 0) /* mounted without a limit */
        return UINT64_MAX;
    return (uint64_t)facts.st_blocks * 512 + (uint64_t)system.f_bavail * (uint64_t)system.f_bsize;
}

/* By the thread that has touched the page, in the middle of nothing but that; then it touches it again, and the signal does what it does. */
static void say_why(int number) {
    (void)number;
    log_warning(
        "Killed by SIGBUS: the file system of the memory-file has no room for another page: others have filled it");
}

void memory_file_explain(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = say_why;
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGBUS, &action, NULL);
}

/* Where that cannot be given back, what must read as zero does so all the same. */
void memory_file_release(void *bytes, uint64_t size) {
    if (madvise(bytes, size, MADV_REMOVE) != 0)
        memset(bytes, 0, size);
}
