/* core/store/session.h: entries that live and die together.
 *
 * In a store with the policy `session` the keys of one session share an id, the part that the first `{}` of their pattern
 * matched. The key that the store's first pattern of one part and no star names is the session's *head*:
 *
 *     keys: ["session:{sid}", "cart:{sid}:*"]        session:42 is the head, cart:42:1 and cart:42:2 are members
 *
 * When the head expires, is deleted or evicted, all members go at the same moment; a member that is older than the head's end is
 * never seen again. Until there is a head, members are entries like any other. A session whose head lives is protected: it is
 * evicted only as a whole, and only when none of its entries has been used for a round of the main queue.
 *
 * How: keys are hashed by their session's id alone, so a session stands in one chain of the index, under one lock, and one
 * validated read sees member and head at the same moment. The end of a session is one write of that chain: for readers all of it goes at
 * once. A session of n entries costs n / 7 buckets to walk, so it is meant for up to some hundred entries a session. Its end costs one
 * such walk, and eviction, which asks about each entry that it passes, looks no further than SESSION_LOOK_BUCKETS for uses: in a session of
 * more than about 220 entries those that stand behind do not protect it.
 *
 * Threads: session_is_over by readers inside their validation; the others under the shard's lock.
 */
#ifndef STRATA_CORE_STORE_SESSION_H
#define STRATA_CORE_STORE_SESSION_H

#include "core/store/read.h"

enum {
    STORE_SESSION_ID_MAX = 255, /* a key with a longer id belongs to no session */
    SESSION_LOOK_BUCKETS = 32,
};

/* Whether the key's session has a head whose time has come. For a reader that has opened a view of the key: `view` of the head is of the same
 * bucket, and false if that has changed since, which the reader's own check will find too. */
bool session_is_over(const struct engine *engine, const struct shard *shard, const struct store_key *key,
                     uint64_t now_ms);

/* Before a key is edited: takes away a session whose head has expired, so that the edit begins a new one. */
void session_tidy(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_key *key);

/* The entry at the spot is to be removed: if it is a head, it goes together with its members, for the same reason; but not the one at
 * the location `kept`, which is newer than the session's end. False: it is none, and nothing has happened. */
bool session_ends(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_spot *spot,
                  enum store_change reason, uint64_t kept);

/* What eviction should know of an entry's session. */
struct session_state {
    bool live; /* it has a head that has not expired */
    bool used; /* so, and the head or one of the entries in the first SESSION_LOOK_BUCKETS of its chain has been used */
    uint32_t entries; /* that were looked at, at least 1 */
};
struct session_state session_look(const struct engine *engine, struct shard *shard, uint32_t db, struct slice name,
                                  uint64_t hash, uint64_t now_ms);

/* Takes one use off each of those entries, of which `uses_max` count. Eviction does so once for each time that it has passed all of a
 * session, or a head that is read would keep its members for ever, as it need not stand where they do. */
void session_cool(const struct engine *engine, struct shard *shard, uint32_t db, struct slice name, uint64_t hash,
                  uint32_t uses_max);

/* Removes the head of the entry's session, and with it all of it. */
void session_evict(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t db, struct slice name,
                   uint64_t hash);

#endif
