/* app/persist/loaders.h: threads that apply what is read of a log or snapshot, while it is read on.
 *
 *     reader   round 8   | lane 0: changes | lane 1: changes |   being filled
 *              7, 6, 5                                           applied by the threads of their lanes, each in its own order
 *
 * A lane takes the changes of its shards (core/cache/replay.h). A round is over for a lane when it has applied its part; the reader is ahead by LOADERS_ROUNDS - 1 rounds at
 * most. Few changes before something that concerns all are applied by the reader itself, if the threads are idle anyway: a log full of invalidations would wake them for nothing.
 *
 * Threads: the caller reads; the others are the loaders' own. With one lane the caller applies, too, a round at a time, and there is no other thread.
 * Memory:  LOADERS_ROUNDS times about LOADERS_ROUND_SIZE a lane.
 * Errors:  the first failure of any lane is the answer of the next call of the replay; nothing is applied after it.
 */
#ifndef STRATA_APP_PERSIST_LOADERS_H
#define STRATA_APP_PERSIST_LOADERS_H

#include "core/cache/replay.h"

enum { LOADERS_MAX = 8, LOADERS_ROUNDS = 4, LOADERS_ROUND_SIZE = 64 * 1024, LOADERS_FEW_SIZE = 4096 };

struct loaders;

/* The replay hands its changes to them from here on: between cache_replay_begin and its end. `lanes`: 1 to LOADERS_MAX; where the system has fewer threads to give there are
 * fewer. `first_id`: of their actors, with those that follow. */
MUST_CHECK enum status loaders_begin(struct cache_replay *replay, uint32_t lanes, uint32_t first_id,
                                     struct loaders **ret_loaders);
/* All is applied, unless something has failed; the threads end. Before cache_replay_end. NULL: nothing. */
MUST_CHECK enum status loaders_end(struct loaders *loaders);

#endif
