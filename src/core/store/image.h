/* core/store/image.h: a range that was closed in order, and is opened again as it was.
 *
 *     engine_close_kept   nobody is at work -> sum of the tables -> mark
 *     engine_attach       mark, sum and descriptions are right -> mark off -> engine
 *
 * Everything in a range is found by its offset, so it can be opened again at another address and by another process. Without the mark it cannot:
 * whoever was killed may have left anything half done. The mark is set last, and taken away before anything else is written.
 *
 * What counts as the same: the program (engine_options.program), sizes and offsets of all structures, the size of the range, number of shards and names,
 * patterns and numbers of the stores that options describe. The seed of the hash is the range's. Policy and capacity of the default store may
 * be others, and hold then, and so may the limit, from a quarter of that of the first opening to four times as much; shards and segments stay as they were chosen for that. Stores that engine_store_add has made are there again.
 *
 * The process's own: patterns are taken from the options, bans are ended before it is closed (all entries are walked over then), the router
 * and changes begin anew.
 *
 * Threads: while nobody else is in the engine.
 * Errors:  reasons are constant sentences, for people.
 */
#ifndef STRATA_CORE_STORE_IMAGE_H
#define STRATA_CORE_STORE_IMAGE_H

#include "core/store/store.h"

/* For engine_open: what is to be the same later. */
void image_describe(struct range_head *head, const struct engine_options *options);

/* STATUS_INVALID: the range is not usable, `ret_reason` says why. STATUS_NO_MEMORY. Nothing has changed then, so it may be tried again. */
MUST_CHECK enum status engine_attach(const struct engine_options *options, struct engine **ret_engine,
                                     const char **ret_reason);

/* Closes the engine. STATUS_BUSY: somebody has not ended what he had begun, as `ret_reason` says; the range is not usable again then. The actor holds no lock. */
MUST_CHECK enum status engine_close_kept(struct engine *engine, struct actor *actor, const char **ret_reason);

#endif
