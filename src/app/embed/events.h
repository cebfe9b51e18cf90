/* app/embed/events.h: telling of entries that are gone, after the locks.
 *
 * The engine says what goes while it holds a shard's lock; the slot of the thread notes it, and call_end tells the program.
 *
 *     slot->events   [reason 4 | key size 4 | key, padded to 8][...]
 *
 * What a callback removes by calling the cache is noted behind and told after it has returned, so callbacks do not nest (but
 * for threads without a slot of their own).
 *
 * Errors:  without memory for the note an event is lost, and counted.
 */
#ifndef STRATA_APP_EMBED_EVENTS_H
#define STRATA_APP_EMBED_EVENTS_H

#include "app/embed/handle.h"

/* For cache_changes.call, with the cache as context. */
void events_note(void *context, struct actor *actor, unsigned reason, uint32_t db, struct slice name);

/* Ends a call that has noted something: leaves the gate and tells. */
void events_tell(struct strata_cache *cache, struct slot *slot);

#endif
