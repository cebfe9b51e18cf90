/* app/server/image.h: a cache that lies in a file in memory, and is there again after an orderly restart (`memory-file`).
 *
 *     start   app/persist/image_file.h -> as it was? -> rules, settings of stores -> served
 *             else: it is emptied, and the log says why; what is on disk is loaded as ever
 *     stop    all workers have ended -> the log's last record is a note -> kept, with the notes
 *
 *     notes   as in the log (kept.h), each: size 1  name  size 8  bytes
 *
 * Threads: before the workers run, and after they have ended.
 * Errors:  whatever does not fit is no error: the cache begins anew. Only a file that cannot be used at all ends the start.
 */
#ifndef STRATA_APP_SERVER_IMAGE_H
#define STRATA_APP_SERVER_IMAGE_H

#include "app/persist/image_file.h"

struct server;

struct server_image {
    struct image_file file;
    bool used;        /* the configuration names one, and it is open */
    bool attached;    /* the cache is as it was left */
    bool untouched;   /* and nobody has changed anything yet */
    bool placed;      /* stores that the rules of the notes have made are there, and keys lie in them */
    bool spoiled;     /* the log could not be closed behind it */
    bool keeps;       /* decided at the end */
    uint64_t took_us; /* until it was attached */
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
