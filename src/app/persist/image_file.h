/* app/persist/image_file.h: a cache that lies in a file in memory, and is there again for the next process after an orderly end: the server's `memory-file`, and that of libstrata.
 *
 *     open    locked, one of ours?
 *     attach  head, log and notes fit? -> map it, cache_attach -> the user has nothing against it? -> as it was
 *     begin   else: emptied, mapped, an empty cache
 *     keep    notes, head -> cache_close_kept, which sets the mark
 *
 *     file    | head 4 KiB | ... | range of the cache, from 2 MiB on | notes |
 *     head    magic 8  version 4  0 4  range size 8  notes' size 8  notes' hash 8  log: lsn 8, token 16  closed at 8  program 64  hash of all that 8  owner 4
 *     notes   the user's
 *
 * With a log the image says up to which of its records it has everything; those behind are applied, and neither the snapshot nor the log before is read. A
 * log that does not have the image's note where it is to be is another one, or shorter: then the image is of no use.
 *
 * Threads: one, while nobody uses the cache.
 * Errors:  what does not fit is no error: `why_not` says why, and the cache begins anew. Only a file that cannot be used at all is one.
 */
#ifndef STRATA_APP_PERSIST_IMAGE_FILE_H
#define STRATA_APP_PERSIST_IMAGE_FILE_H

#include "app/persist/persist.h"
#include "core/cache/cache.h"
#include "sys/os/memory_file.h"

enum { IMAGE_WHY_SIZE = 256, IMAGE_PROGRAM_SIZE = 64 };

struct image_user {
    /* What was kept beside the cache. Not STATUS_OK: it begins anew. NULL: nothing was. */
    enum status (*take)(void *context, struct slice notes);
    /* The cache that was attached is there; why it is of no use, or NULL. `refuse` NULL: it always is. */
    const char *(*refuse)(void *context, struct cache *cache);
    void *context;
};

struct image_file {
    struct memory_file file;
    uint64_t magic;
    const char *program;
    struct persist_image log;     /* lsn 0: it knows of no log */
    uint32_t owner;               /* with STATUS_BUSY: the process that has it */
    char why_not[IMAGE_WHY_SIZE]; /* it was not attached */
};

/* It is not open. */
void image_file_init(struct image_file *image);
/* Locks it, and makes it if it is not there. A file with another `magic` is somebody else's. `program`: its version, shorter than IMAGE_PROGRAM_SIZE: no other attaches it again; stays. STATUS_BUSY: `owner` has it; STATUS_INVALID: it lies on a disk, or is no file; STATUS_CORRUPT: somebody else's; STATUS_IO: errno. Whatever
 * the answer is, image_file_end follows. */
MUST_CHECK enum status image_file_open(struct image_file *image, uint64_t magic, const char *program, const char *path);

/* Whether a cache of so many bytes finds room in it; how much that takes, and how much there is. */
bool image_file_has_room(const struct image_file *image, uint64_t limit_bytes, uint64_t *ret_needed,
                         uint64_t *ret_room);

/* The cache as it was left; range and range_size of the options are those of the file then, and so are backing and program always. `log`: the directory of the log, locked; NULL: there is none. `user` NULL: nothing
 * was kept beside it, and it is always of use.
 * STATUS_INVALID: it is of no use, as `why_not` says; STATUS_NO_MEMORY. */
MUST_CHECK enum status image_file_attach(struct image_file *image, const struct files *log,
                                         const struct image_user *user, struct cache_options *options,
                                         struct cache **ret_cache);
/* An empty one, of options->range_size. STATUS_IO: errno; else as cache_open. */
MUST_CHECK enum status image_file_begin(struct image_file *image, struct cache_options *options,
                                        struct cache **ret_cache);
/* Before anything is changed in it: from here on it is in use, by this process. */
MUST_CHECK enum status image_file_use(const struct image_file *image);

/* Closes the cache so that it can be attached again, with the log of image->log. STATUS_BUSY, STATUS_IO: it is not kept, `ret_reason` says why; closed all the same. */
MUST_CHECK enum status image_file_keep(struct image_file *image, struct cache *cache, struct actor *actor,
                                       struct slice notes, const char **ret_reason);
/* Unmaps, unlocks. What it holds stays. */
void image_file_end(struct image_file *image);

__attribute__((format(printf, 2, 3))) void image_file_say_not(struct image_file *image, const char *format, ...);

#endif
