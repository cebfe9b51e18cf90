/* app/embed/persistence.h: a cache that is kept in a directory.
 *
 *     open    locks the directory, reads what is kept, begins the log (app/persist)
 *     write   call_write_begin: is the log taking writes?   change   call_end_writes: with `always`, is it on disk?
 *     fork    the parent goes on; the child's copy is kept nowhere
 *
 * Threads: as the library's calls; opening, closing and the three of a fork while nobody is inside the gate.
 * Memory:  LANES lanes of app/persist and what the log keeps until it is flushed, some 20 MiB at most.
 */
#ifndef STRATA_APP_EMBED_PERSISTENCE_H
#define STRATA_APP_EMBED_PERSISTENCE_H

#include "app/embed/handle.h"

struct persistence;

/* Locks the directory, before the cache is there. Nothing if it is not to be kept. What fails says why in `problem` (STRATA_ERROR_TEXT_SIZE). */
MUST_CHECK enum strata_status persistence_lock(struct strata_cache *cache, const struct strata_options *options,
                                               char *problem);
/* The locked directory, or NULL. */
const struct files *persistence_files(const struct strata_cache *cache);
/* Of a cache that is empty, or has all of the log up to image_log; NULL into cache->persistence if it is not to be kept. What fails says why in `problem` (STRATA_ERROR_TEXT_SIZE). */
MUST_CHECK enum strata_status persistence_open(struct strata_cache *cache, const struct strata_options *options,
                                               char *problem);
/* Whatever was staged is on disk then, or cannot be. Nothing if there is none. */
void persistence_close(struct strata_cache *cache);

/* Waits while the disk is too slow, outside of the gate. False: it takes no writes. */
bool persistence_admits(struct persistence *persistence);
/* Whether callers wait until what they have changed is on disk. */
bool persistence_flushes(const struct persistence *persistence);
/* Waits until that record is. STRATA_IO: the log has failed. */
enum strata_status persistence_wait(struct persistence *persistence, uint64_t lsn);

void persistence_statistics(struct persistence *persistence, struct strata_statistics *statistics);

/* Around a fork, while all gates are closed. */
void persistence_fork_prepare(struct strata_cache *cache);
void persistence_fork_parent(struct strata_cache *cache);
void persistence_fork_child(struct strata_cache *cache);

#endif
