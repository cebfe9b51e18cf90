/* app/embed/filing.h: the file behind memory (app/tier), and the calls that wait for it.
 *
 *     read    in memory? else what stands in the file is read by the calling thread: shown from there, or brought into memory if it was read often enough
 *     change  what the file has of the key comes into memory first
 *
 * Threads: as the library's calls; opening, closing and those of a fork while nobody is inside the gate.
 * Memory:  a record at a time, of the program's allocator.
 */
#ifndef STRATA_APP_EMBED_FILING_H
#define STRATA_APP_EMBED_FILING_H

#include "app/embed/handle.h"

/* Whether what stands in the file is found again: with a directory, and unless the memory is left to the next process. */
static inline bool filing_lasts(const struct strata_options *options) {
    return options->file && options->directory && !options->memory_file;
}
/* The seed of the core's hash: if what is in the file is to be found again, which a directory is needed for, that of the file. */
uint64_t filing_seed(const struct strata_options *options);
/* Before what is kept is loaded, which finds what is in the file; and after it. Nothing if no file is wanted. What fails says why in `problem` (STRATA_ERROR_TEXT_SIZE). */
MUST_CHECK enum strata_status filing_open(struct strata_cache *cache, const struct strata_options *options,
                                          char *problem);
void filing_begin(struct strata_cache *cache, const struct strata_options *options);
void filing_close(struct strata_cache *cache);

/* What of these keys stands in the file is read at the same time, for filing_read of each of them. Between begin and end of a call. */
struct warm_ahead;
void filing_ahead(struct strata_cache *cache, const struct cache_key *keys, uint32_t count, struct warm_ahead *ahead);

/* After a read that was `tiered`; `ahead` NULL: nothing was read ahead. STRATA_MORE: read again, as `settled`. STRATA_TOO_SMALL: read->size says what it takes. Else as strata_get. */
enum strata_status filing_read(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                               const struct warm_ahead *ahead, struct cache_read *read);
/* The same for what is to be known of it, and is not in memory; counts nothing. */
bool filing_find(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                 struct cache_info *ret_info);
/* It is in memory afterwards, if it is anywhere. STRATA_FULL, STRATA_NO_MEMORY: it stays where it is. Before an edit begins. */
enum strata_status filing_fetch_anyway(struct strata_cache *cache, struct slot *slot, const struct cache_key *key);
static inline enum strata_status filing_fetch(struct strata_cache *cache, struct slot *slot,
                                              const struct cache_key *key) {
    return __builtin_expect(cache->tier == NULL, 1) ? STRATA_OK : filing_fetch_anyway(cache, slot, key);
}

/* cache_scan over both: what stands in the file is read for it, and stays there. CACHE_SCAN_FAILED: no memory. */
uint64_t filing_scan(struct strata_cache *cache, struct slot *slot, uint64_t cursor, uint32_t count, cache_visit visit,
                     void *context);

/* A slice of putting away what is idle; true: there is more. */
bool filing_maintain(struct strata_cache *cache, struct slot *slot);
void filing_statistics(const struct strata_cache *cache, struct strata_statistics *statistics);

/* Around a fork, while all gates are closed. */
void filing_fork_prepare(struct strata_cache *cache);
void filing_fork_parent(struct strata_cache *cache);
void filing_fork_child(struct strata_cache *cache);

#endif
