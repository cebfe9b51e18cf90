/* A disk that the test holds in its hand: preloaded into the server, it stands between it and the C library's calls on files.
 *
 *     CRASH_FOLDER    the server's directory; nothing outside it is touched
 *     CRASH_CONTROL   a file of `struct control`, mapped by the test too: what is to go wrong, and what has happened
 *     CRASH_DURABLE   optional: a folder that gets exactly what a disk without mercy would keep at a power cut:
 *                         ID        the bytes of a file up to its last flush, and nothing that was written since
 *                         names     one line `ID NAME` for each file, as of the last flush of the directory
 *                         ID.lost   a flush of this file has failed: what it was to write is nowhere, though the kernel shows it to readers
 *
 * An ID is a file's inode and its time of birth, so that it stays the file's own through renaming and through restarts of the server.
 * A failed flush behaves as Linux does: the pages count as clean, and another flush of the same file succeeds without having written them.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { FILES_MAX = 4096, ID_SIZE = 64, LATE_MS = 50, COPY_SIZE = 1 << 16 };
enum plant { PLANT_NOTHING, PLANT_NO_FLUSH, PLANT_LATE_FLUSH, PLANT_NO_DIRECTORY_FLUSH };

/* Shared with disks.py: 32 bits each. */
struct control {
    _Atomic uint32_t plant;
    _Atomic uint32_t fail;     /* so many flushes of files answer EIO; UINT32_MAX: all */
    _Atomic uint32_t delay_us; /* how long each flush takes at most */
    _Atomic uint32_t flushes, failed, directory_flushes;
    _Atomic uint32_t again; /* flushes of a file of which one had failed before */
    _Atomic uint32_t
        fail_writes; /* so many writes answer `write_error`; UINT32_MAX: all. Without room (not EIO) no file is made either, and no room set aside */
    _Atomic uint32_t write_error;    /* an errno. EIO: what failed has left its first half */
    _Atomic uint32_t only_snapshots; /* 1: those of the log go on */
    _Atomic uint32_t short_writes;   /* 1: each takes about half of what it is given */
    _Atomic uint32_t failed_writes;
};

/* What of a file has been written and not flushed. A file that this process has not made may have anything. */
struct file {
    char id[ID_SIZE];
    bool whole;
    uint64_t from, to;
};

static struct control none, *control = &none;
static const char *folder, *durable;
static dev_t device;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES_MAX];
static unsigned file_count;

static int (*true_fdatasync)(int);
static int (*true_fsync)(int);
static ssize_t (*true_pwrite)(int, const void *, size_t, off_t);
static int (*true_openat)(int, const char *, int, ...);
static int (*true_fallocate)(int, int, off_t, off_t);

static void die(const char *what) {
    fprintf(stderr, "shim: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void) {
    true_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    true_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    true_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    true_openat = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    true_fallocate = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate");
    const char *path = getenv("CRASH_CONTROL");
    struct stat found;
    folder = getenv("CRASH_FOLDER");
    durable = getenv("CRASH_DURABLE");
    if (!folder || !path || stat(folder, &found) != 0)
        die("the environment says too little");
    device = found.st_dev;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        die("control");
    close(fd);
    control = shared;
}

/* Whether it is the directory itself or a file in it, and which. */
static bool find_ours(int fd, bool *ret_directory, char path[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int error = errno;
    ssize_t size = folder ? readlink(link, path, PATH_MAX - 1) : -1;
    errno = error;
    if (size < 0)
        return false;
    path[size] = 0;
    size_t length = strlen(folder);
    *ret_directory = strcmp(path, folder) == 0;
    return *ret_directory || (strncmp(path, folder, length) == 0 && path[length] == '/');
}

static bool is_ours(int fd, bool *ret_directory) {
    char path[PATH_MAX];
    return find_ours(fd, ret_directory, path);
}

static void id_of(int fd, const char *name, char id[ID_SIZE]) {
    struct statx found;
    if (statx(fd, name, name[0] ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &found) != 0)
        die("statx");
    snprintf(id, ID_SIZE, "%llu-%lld.%09u", (unsigned long long)found.stx_ino, (long long)found.stx_btime.tv_sec,
             found.stx_btime.tv_nsec);
}

static void durable_path(char path[PATH_MAX], const char *id, const char *suffix) {
    snprintf(path, PATH_MAX, "%s/%s%s", durable, id, suffix);
}

/* Under `lock`. */
static struct file *file_of(int fd, bool fresh) {
    char id[ID_SIZE];
    id_of(fd, "", id);
    for (unsigned i = file_count; i-- > 0;) {
        if (strcmp(files[i].id, id) == 0)
            return &files[i];
    }
    if (file_count == FILES_MAX)
        die("too many files");
    struct file *file = &files[file_count++];
    *file = (struct file){.whole = !fresh, .from = UINT64_MAX};
    memcpy(file->id, id, sizeof id);
    return file;
}

/* ------------------------------------------------------------------------------------------ what becomes durable */

static void copy(int from, int to, uint64_t at, uint64_t end) {
    static char bytes[COPY_SIZE]; /* under `lock` */
    while (at < end) {
        uint64_t left = end - at;
        ssize_t got = pread(from, bytes, left < sizeof bytes ? left : sizeof bytes, (off_t)at);
        if (got < 0)
            die("pread");
        if (got == 0)
            return;
        if (true_pwrite(to, bytes, (size_t)got, (off_t)at) != got)
            die("pwrite");
        at += (uint64_t)got;
    }
}

/* Under `lock`. */
static bool is_lost(const struct file *file) {
    char path[PATH_MAX];
    durable_path(path, file->id, ".lost");
    return durable && access(path, F_OK) == 0;
}

static void flush_file(int fd) {
    char path[PATH_MAX];
    struct stat found;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd, false);
    durable_path(path, file->id, "");
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0 || fstat(fd, &found) != 0)
        die("a durable file");
    /* What a failed flush has left is taken for clean. */
    if (file->whole && !is_lost(file))
        file->from = 0, file->to = (uint64_t)found.st_size;
    if (file->from < file->to)
        copy(fd, to, file->from, file->to);
    if (ftruncate(to, found.st_size) != 0)
        die("ftruncate");
    close(to);
    file->whole = false;
    file->from = UINT64_MAX;
    file->to = 0;
    pthread_mutex_unlock(&lock);
}

static void flush_names(void) {
    char path[PATH_MAX], path_new[PATH_MAX];
    durable_path(path, "names", "");
    durable_path(path_new, "names.", "new");
    pthread_mutex_lock(&lock);
    DIR *stream = opendir(folder);
    FILE *out = fopen(path_new, "we");
    if (!stream || !out)
        die("names");
    for (const struct dirent *entry; (entry = readdir(stream));) {
        char id[ID_SIZE];
        if (entry->d_name[0] == '.')
            continue;
        id_of(dirfd(stream), entry->d_name, id);
        fprintf(out, "%s %s\n", id, entry->d_name);
    }
    closedir(stream);
    if (fclose(out) != 0 || rename(path_new, path) != 0)
        die("names");
    pthread_mutex_unlock(&lock);
}

/* ------------------------------------------------------------------------------------------ the calls */

static uint32_t below(uint32_t limit) {
    static _Atomic uint32_t state = 2463534242;
    uint32_t x = atomic_load(&state);
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    atomic_store(&state, x);
    return limit ? x % limit : 0;
}

/* A slow disk. */
static void take_time(uint32_t us) {
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    ppoll(NULL, 0, &time, NULL);
}

static int do_flush(int fd) {
    if (!durable)
        return true_fdatasync(fd);
    flush_file(fd);
    return 0;
}

static void *flush_late(void *argument) {
    int fd = (int)(intptr_t)argument;
    take_time(LATE_MS * 1000);
    do_flush(fd);
    close(fd);
    return NULL;
}

static void begin_late_flush(int fd) {
    pthread_t thread;
    int second = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (second < 0 || pthread_create(&thread, NULL, flush_late, (void *)(intptr_t)second) != 0)
        die("a late flush");
    pthread_detach(thread);
}

/* Takes one of those that are left of a number. */
static bool take_one(_Atomic uint32_t *number) {
    uint32_t left = atomic_load(number);
    while (left && left != UINT32_MAX && !atomic_compare_exchange_weak(number, &left, left - 1))
        ;
    return left != 0;
}

static int fail_flush(int fd) {
    pthread_mutex_lock(&lock);
    struct file *file = file_of(fd, false);
    file->whole = false;
    file->from = UINT64_MAX;
    file->to = 0;
    if (durable) {
        char path[PATH_MAX];
        durable_path(path, file->id, ".lost");
        int mark = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (mark < 0)
            die("a lost file");
        close(mark);
    }
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&control->failed, 1);
    errno = EIO;
    return -1;
}

static int sync_file(int fd) {
    uint32_t delay_us = atomic_load(&control->delay_us), first_us = below(delay_us);
    atomic_fetch_add(&control->flushes, 1);
    pthread_mutex_lock(&lock);
    bool lost = is_lost(file_of(fd, false));
    pthread_mutex_unlock(&lock);
    if (lost)
        atomic_fetch_add(&control->again, 1);
    if (take_one(&control->fail))
        return fail_flush(fd);
    switch (atomic_load(&control->plant)) {
        case PLANT_NO_FLUSH:
            return 0;
        case PLANT_LATE_FLUSH:
            begin_late_flush(fd);
            return 0;
        default:
            break;
    }
    take_time(first_us);
    int result = do_flush(fd);
    take_time(delay_us - first_us);
    return result;
}

static int sync_any(int fd, int (*true_call)(int)) {
    bool directory;
    if (!is_ours(fd, &directory))
        return true_call(fd);
    if (!directory)
        return sync_file(fd);
    atomic_fetch_add(&control->directory_flushes, 1);
    if (atomic_load(&control->plant) == PLANT_NO_DIRECTORY_FLUSH)
        return 0;
    if (!durable)
        return true_call(fd);
    flush_names();
    return 0;
}

int fdatasync(int fd) { return sync_any(fd, true_fdatasync); }
int fsync(int fd) { return sync_any(fd, true_fsync); }

/* Whether this call on a file, or one that makes `name`, is one of those that fail; with errno. */
static bool is_write_to_fail(int fd, const char *name) {
    char path[PATH_MAX];
    bool directory;
    if (!atomic_load(&control->fail_writes) || !find_ours(fd, &directory, path))
        return false;
    if (atomic_load(&control->only_snapshots) && !strstr(name ? name : path, "snapshot-"))
        return false;
    errno = (int)atomic_load(&control->write_error);
    if ((name && errno == EIO) || !take_one(&control->fail_writes))
        return false;
    atomic_fetch_add(&control->failed_writes, 1);
    return true;
}

static ssize_t do_write(int fd, const void *bytes, size_t size, off_t offset) {
    bool directory;
    if (atomic_load(&control->short_writes) && size > 1 && is_ours(fd, &directory))
        size -= size / 2 - below((uint32_t)(size / 4) + 1);
    return true_pwrite(fd, bytes, size, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    bool directory, fails = is_write_to_fail(fd, NULL);
    int why = errno;
    ssize_t written = !fails       ? do_write(fd, bytes, size, offset)
                      : why == EIO ? true_pwrite(fd, bytes, size / 2, offset)
                                   : 0;
    if (durable && written > 0 && is_ours(fd, &directory)) {
        int error = errno;
        pthread_mutex_lock(&lock);
        struct file *file = file_of(fd, false);
        if ((uint64_t)offset < file->from)
            file->from = (uint64_t)offset;
        if ((uint64_t)(offset + written) > file->to)
            file->to = (uint64_t)(offset + written);
        pthread_mutex_unlock(&lock);
        errno = error;
    }
    if (fails)
        errno = why;
    return fails ? -1 : written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset) { return pwrite(fd, bytes, size, offset); }

int fallocate(int fd, int mode, off_t offset, off_t size) {
    if (atomic_load(&control->write_error) != EIO && is_write_to_fail(fd, NULL))
        return -1;
    return true_fallocate(fd, mode, offset, size);
}

int fallocate64(int fd, int mode, off_t offset, off_t size) { return fallocate(fd, mode, offset, size); }

/* To know which files are new, and to make none where there is no room. */
int openat(int at, const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (flags & O_CREAT && is_write_to_fail(at, name))
        return -1;
    int fd = true_openat(at, name, flags, mode);
    bool directory;
    if (durable && fd >= 0 && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) && is_ours(fd, &directory)) {
        pthread_mutex_lock(&lock);
        file_of(fd, true);
        pthread_mutex_unlock(&lock);
    }
    return fd;
}

int openat64(int at, const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return openat(at, name, flags, mode);
}
