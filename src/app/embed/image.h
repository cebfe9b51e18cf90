/* app/embed/image.h: a cache whose memory is left to the next process in a file in memory (app/persist/image_file.h).
 *
 *     open    the directory, if there is one, is locked -> as it was, or begun anew -> the log behind it, if there is one
 *     close   the log's last record is a note -> kept, unless somebody still holds a part of it
 *     fork    the memory is the parent's; the child begins with an empty cache in memory of its own
 *
 * Threads: as opening, closing and forking; image_has_room any.
 * Memory:  some kilobytes of the program's allocator.
 */
#ifndef STRATA_APP_EMBED_IMAGE_H
#define STRATA_APP_EMBED_IMAGE_H

#include "app/embed/handle.h"
#include "app/persist/persist.h"
#include "sys/os/files.h"

/* Opens cache->core in the file of the options. `core`: all but range and backing; range_size as for a new one. `log`: the locked directory, or NULL. What fails says why in `problem`
 * (STRATA_ERROR_TEXT_SIZE). */
MUST_CHECK enum strata_status image_open(struct strata_cache *cache, const struct strata_options *options,
                                         const struct cache_options *core, const struct files *log, char *problem);
/* Closes cache->core, which may be NULL, whether there is an image or not, and gives back what it stands in. */
void image_close(struct strata_cache *cache);

/* Up to where the memory has the log; lsn 0: it knows of none. Beginning to load what is behind, it may not be kept until that has come to an end. */
struct persist_image image_log(const struct strata_cache *cache);
void image_load_begins(struct strata_cache *cache);
void image_load_ended(struct strata_cache *cache);
/* The last record of the log, and whether it has come to the disk. Nothing without an image. */
void image_mark(struct strata_cache *cache, struct persist *persist, struct actor *actor);
void image_log_closed(struct strata_cache *cache, enum status status);

/* Whether the file could take up a cache of so many bytes; true without one. */
bool image_has_room(const struct strata_cache *cache, uint64_t limit_bytes);
void image_limit_note(struct strata_cache *cache, uint64_t limit_bytes);
bool image_was_attached(const struct strata_cache *cache);

/* In the child, when nothing else of the cache is left. */
void image_fork_child(struct strata_cache *cache);

#endif
