/* sys/os/files.h: the files of one directory, as calls that something else can stand in for.
 *
 * Whoever keeps data on disk asks a `struct files`, never the kernel: a real directory (below), one in which calls fail (sys/fault/faults.h), or a
 * disk in memory whose power can be cut (sys/fault/disk.h). Names are names of the directory, without a slash. A file is a number.
 *
 * Nothing is durable before `sync` has answered STATUS_OK, and no name (new, renamed, removed) before `sync_directory` has.
 *
 * Threads: any, also on one file. What several write to the same bytes is theirs to order.
 * Errors:  STATUS_FULL: there is no room (ENOSPC, EDQUOT, EFBIG). STATUS_IO: anything else; errno says what, files_cause in one word.
 *          Interrupted calls are repeated inside. A failed call has changed nothing but for `write`, which says how far it came.
 */
#ifndef STRATA_SYS_OS_FILES_H
#define STRATA_SYS_OS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { FILES_NAME_MAX = 255 };

enum files_how {
    FILES_READ,  /* one that is there, only to read */
    FILES_WRITE, /* one that is there, to read and write */
    FILES_NEW,   /* one that is not there yet (else EEXIST), to read and write */
    FILES_DIRECT, /* one that is there, to read and write past the page cache: memory, offsets and sizes are multiples of 4096. A file
                   * system that cannot do that fails with EINVAL, here or at the first read */
};

struct files {
    enum status (*open)(void *context, const char *name, enum files_how how, int *ret_file);
    void (*close)(void *context, int file);
    /* As many bytes as there are, at most `size`: fewer is the end of the file. */
    enum status (*read)(void *context, int file, uint64_t offset, void *ret_bytes, size_t size, size_t *ret_size);
    /* May write fewer than `size` bytes and answer STATUS_OK; at least one. files_write writes all. */
    enum status (*write)(void *context, int file, uint64_t offset, const void *bytes, size_t size, size_t *ret_size);
    /* Room up to `size` bytes is set aside, so that writes below it are not STATUS_FULL. The file's size stays. A file
     * system that cannot do this answers STATUS_OK. */
    enum status (*reserve)(void *context, int file, uint64_t size);
    /* Cuts the file (or fills it up with zeros), and gives back what was reserved beyond. */
    enum status (*truncate)(void *context, int file, uint64_t size);
    enum status (*size)(void *context, int file, uint64_t *ret_size);
    /* The file's bytes and its size are durable. After a failure nobody knows which are: the kernel may take pages that it could not write
     * for clean, so a second call that succeeds says nothing. */
    enum status (*sync)(void *context, int file);
    enum status (*sync_directory)(void *context);
    /* Replaces what has the name `to`, at one moment. */
    enum status (*rename)(void *context, const char *from, const char *to);
    enum status (*remove)(void *context, const char *name);
    /* Visits the name of each file, in no order, not "." and "..". The visitor changes nothing; another status than STATUS_OK ends it. */
    enum status (*list)(void *context, enum status (*visit)(void *visitor, const char *name), void *visitor);
    /* Bytes that can still be written in this directory. */
    enum status (*room)(void *context, uint64_t *ret_bytes);
    bool is_kernel; /* a file's number is a descriptor, which other calls of the kernel may be given as well */
    void *context;
};

enum files_cause { FILES_BROKEN, FILES_ABSENT, FILES_EXISTS, FILES_DENIED, FILES_NO_ROOM };

/* What an errno means: FILES_DENIED is a lack of rights or a directory that cannot be written to, FILES_BROKEN all that is not named. */
enum files_cause files_cause(int error);

/* All of the bytes, with as many calls as it takes. */
MUST_CHECK enum status files_write(const struct files *files, int file, uint64_t offset, const void *bytes,
                                   size_t size);

/* Exactly `size` bytes; STATUS_CORRUPT if the file ends before. */
MUST_CHECK enum status files_read(const struct files *files, int file, uint64_t offset, void *ret_bytes, size_t size);

/* A directory of the kernel. `files.context` is the directory itself: it stays where it is while it is used. */
struct directory {
    struct files files;
    int fd;
    int lock; /* descriptor of the lock's file; -1 when it is not held */
};

/* `create`: makes it if it is not there (its parent must be), and the name durable. */
MUST_CHECK enum status directory_open(const char *path, bool create, struct directory *ret_directory);
void directory_close(struct directory *directory);
/* An empty one that nobody has open. */
MUST_CHECK enum status directory_remove(const char *path);

/* For one process alone, until directory_close or its end, however it ends. STATUS_BUSY: another process has it; ret_owner is its id,
 * 0 if it does not say. The file is called DIRECTORY_LOCK. */
#define DIRECTORY_LOCK "lock"
MUST_CHECK enum status directory_lock(struct directory *directory, int *ret_owner);
/* The same for a part of the directory that has a lock of its own, by the name of that file. */
MUST_CHECK enum status directory_lock_as(struct directory *directory, const char *name, int *ret_owner);

#endif
