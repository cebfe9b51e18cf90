/* core/track/track.h: which clients have read which keys, so that they can be told of a change.
 *
 *     key  --chain--> key        a client is a number, not 0; a key has them in place (two of them) or in a set of its own
 *      |  tags
 *      v
 *     link --> tag               a key that bore tags when it was read is found by them as well
 *
 * A key is noted before it is read, and taken (removed, with all who have it) after it was changed. Whoever is noted later reads what the
 * change made.
 *
 * Threads: every call needs the lock of its table, which is the caller's.
 * Memory:  from `memory`. A key takes 44 bytes and its name, its place in the table 8 to 16 more; the third client and those after it 5 to 11
 *          bytes each; a tag of a key 40 bytes, its first key in this table 32 and its name more.
 * Time:    all constant but for the clients that are visited; the table doubles now and then.
 * Errors:  STATUS_NO_MEMORY changes nothing.
 */
#ifndef STRATA_CORE_TRACK_TRACK_H
#define STRATA_CORE_TRACK_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

struct track_key;
struct track_tag;

struct track {
    const struct memory *memory;
    struct track_key **heads;
    uint64_t head_count; /* a power of two, or 0 */
    struct track_tag **tag_heads;
    uint64_t tag_head_count;
    uint64_t keys, items, tags; /* items: clients of all keys */
    uint64_t oldest_head;       /* where track_take_any goes on */
};

/* Of a key that is being taken: called once for each client. True: this one keeps it. */
struct track_taking {
    bool (*visit)(void *context, struct slice name, uint32_t client);
    void *context;
};

void track_init(struct track *track, const struct memory *memory);
void track_fini(struct track *track);

struct track_noted {
    bool new_key, new_client; /* the table had no such key; or the key had no such client */
};
/* `hash` is of the name, by the same function and seed in all calls, as are those of tags. */
MUST_CHECK enum status track_note(struct track *track, struct slice name, uint64_t hash, uint32_t client,
                                  struct track_noted *ret_noted);
/* The key, if anybody has it, is found by this tag as well. */
MUST_CHECK enum status track_note_tag(struct track *track, struct slice name, uint64_t hash, struct slice tag,
                                      uint64_t tag_hash);

/* Takes a key. */
void track_take(struct track *track, struct slice name, uint64_t hash, const struct track_taking *taking);
/* Takes all keys with this tag. */
void track_take_tag(struct track *track, struct slice tag, uint64_t tag_hash, const struct track_taking *taking);
/* Takes some key, if there is one: each in its turn, so that no key stays for ever. */
void track_take_any(struct track *track, const struct track_taking *taking);
/* Takes all of them; visits nobody. */
void track_clear(struct track *track, void (*forget)(void *context, uint32_t client), void *context);

/* Takes clients out that are gone, from about `keys_max` keys; answers where to go on, 0 at the end. */
uint64_t track_sweep(struct track *track, uint64_t cursor, uint32_t keys_max,
                     bool (*gone)(void *context, uint32_t client), void *context);

bool track_has(const struct track *track, struct slice name, uint64_t hash, uint32_t client);
void track_verify(const struct track *track);

#endif
