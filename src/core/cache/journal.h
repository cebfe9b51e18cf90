/* core/cache/journal.h: what has changed, told to a log; and a cache made of that again.
 *
 *     edit ──promise──> log: is there room?        refused: nothing has changed
 *       └── publishes ── notes a part ── ... ── lets go of its first lock ──stage──> one record (core/record)
 *
 *     position a ── pass ── position b ── dump, slice by slice, while others write ──> as records
 *     then: dump, tags of records after a, everything of records after b             = the cache as it was (decision 0051)
 *
 * Everything that one actor changes while it holds locks is one record: MSET, EXEC, RENAME, a flush. A record says what is the case now. Evictions
 * are recorded; expiry is not, as values carry their time, nor what dies by a tag or pattern, as those are recorded.
 *
 * Threads: as in cache.h. `stage` is called under the locks of the shards that it speaks of, so the records of one key come in the order in which it
 *          changed. Whoever replays is alone in the cache.
 * Memory:  an actor keeps what its locks have changed in a buffer of the cache's memory until it is staged; cache_journal_forget gives that back.
 * Time:    expiries are Unix time, as everywhere. A record carries its actor's now_ms.
 * Errors:  a write for which the log promises no room answers the log's status and changes nothing. Deletions, evictions, invalidations and flushes
 *          cannot be refused: whoever starts commands asks the log first, and the log keeps room for those under way.
 */
#ifndef STRATA_CORE_CACHE_JOURNAL_H
#define STRATA_CORE_CACHE_JOURNAL_H

#include "base/buf.h"
#include "core/cache/cache.h"

/* A log. All of its calls are quick and wait for nothing; any thread calls them. */
struct cache_journal {
    /* Room for a write of so many bytes, more or less; a status that is not STATUS_OK refuses the write. */
    enum status (*reserve)(void *context, uint64_t bytes);
    /* A promise that is not needed. */
    void (*release)(void *context, uint64_t bytes);
    /* Takes a record, in `part_count` pieces that live during the call, and the promises made for it: `reserved` bytes; what is beyond that is of changes that
     * cannot be refused. Answers its number: higher than that of all records that were staged before. `lane`: the actor, to keep threads apart. */
    void (*stage)(void *context, uint32_t lane, const struct slice *parts, uint32_t part_count, uint64_t reserved,
                  uint64_t *ret_lsn);
    /* The same for a small record, which is written where the log has it: room for `size_max` bytes, until `placed` says how many they are; little is done in between. NULL, both: by `stage`. */
    uint8_t *(*place)(void *context, uint32_t lane, size_t size_max);
    void (*placed)(void *context, uint32_t lane, size_t size, uint64_t reserved, uint64_t *ret_lsn);
    /* The number of the youngest record; 0: there is none. */
    uint64_t (*position)(void *context);
    /* Before what an actor has changed is staged, under its locks: a note that goes into the same record, as bytes that live until the next call; false: none.
     * NULL: never. Without memory for both the note is a record of its own, before the other. */
    bool (*beside)(void *context, struct actor *actor, struct slice *ret_name, struct slice *ret_bytes);
    void *context;
};

/* Begins to tell the journal, or with NULL stops. Passes through all locks, so the actor holds none: what begins afterwards is told. What is there already is not:
 * it takes a dump. */
void cache_journal_set(struct cache *cache, struct actor *actor, const struct cache_journal *journal);
/* Has a note of somebody else staged, in order with all that the actor does: the text of rules, stores that were made. A refusal of the log is passed on. */
MUST_CHECK enum status cache_journal_note(struct cache *cache, struct actor *actor, struct slice name,
                                          struct slice bytes);
/* Gives back what the actor keeps, before it ends. */
void cache_journal_forget(struct cache *cache, struct actor *actor);

#endif
