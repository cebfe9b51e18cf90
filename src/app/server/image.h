/* app/server/image.h: a cache that lies in a file in memory, and is there again after an orderly restart (`memory-file`).
 *
 *     start   the file's head, notes and log fit? -> map it, cache_attach -> rules, settings of stores -> served
 *             else: it is emptied, and the log says why; what is on disk is loaded as ever
 *     stop    all workers have ended -> the log's last record is a note -> notes, head -> cache_close_kept
 *
 *     file    | head 4 KiB | ... | range of the cache, from 2 MiB on | notes |
 *     head    magic 8  version 4  0 4  range size 8  notes' size 8  notes' hash 8  log: lsn 8, token 16  closed at 8  program 64  hash of all that 8  owner 4
 *     notes   as in the log (kept.h), each: size 1  name  size 8  bytes
 *
 * With a log the image says up to which of its records it has everything; those behind are applied, and neither the snapshot nor the log before is read. A
 * log that does not have the image's note where it is to be is another one, or shorter: then the image is thrown away.
 *
 * Threads: before the workers run, and after they have ended.
 * Errors:  whatever does not fit is no error: the cache begins anew. Only a file that cannot be used at all ends the start.
 */
#ifndef STRATA_APP_SERVER_IMAGE_H
#define STRATA_APP_SERVER_IMAGE_H

#include "app/persist/persist.h"
#include "core/cache/cache.h"
#include "sys/os/memory_file.h"

struct server;

enum { IMAGE_WHY_SIZE = 256 };

struct server_image {
    struct memory_file file;
    bool used;                    /* the configuration names one, and it is open */
    bool attached;                /* the cache is as it was left */
    bool untouched;               /* and nobody has changed anything yet */
    bool placed;                  /* stores that the rules of the notes have made are there, and keys lie in them */
    bool spoiled;                 /* the log could not be closed behind it */
    bool keeps;                   /* decided at the end */
    struct persist_image log;     /* lsn 0: it knows of no log */
    uint64_t took_us;             /* until it was attached */
    char why_not[IMAGE_WHY_SIZE]; /* it was not attached */
};

void image_init(struct server *server);
/* Opens the cache of the options, in the file that the configuration names or in memory of its own; server->range and range_size, and whether it was attached. The directory
 * of the log, if there is one, is locked. */
MUST_CHECK enum status image_open(struct server *server, struct cache_options *options);

/* Decides whether it is kept, and ends what is under way in it. After the workers have ended; with a log, before the last record. */
void image_rest(struct server *server);
/* Closes the cache. */
void image_close(struct server *server);

/* Whether the file could take up a cache of so many bytes; true without one. */
bool image_has_room(const struct server *server, uint64_t limit_bytes);

#endif
