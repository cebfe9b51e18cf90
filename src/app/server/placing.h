/* app/server/placing.h: the stores that rules want, made while the server runs.
 *
 *     RULES LOAD --> same stores, same keys in them?  --yes--> only numbers change, at once
 *                          | no
 *                          v
 *                    every worker stops between two commands -> stores are added, entries move, stores are given up -> they go on
 *
 * Threads: placing_apply by one thread at a time, under the lock of the rules.
 * Time:    while workers are stopped, 0.3 microseconds for each entry there is, and about 2 for each that moves.
 * Errors:  STATUS_FULL: it cannot be done now, `problem` says why, and nothing has changed. STATUS_BUSY: a worker did not come to a stop.
 */
#ifndef STRATA_APP_SERVER_PLACING_H
#define STRATA_APP_SERVER_PLACING_H

#include "base/buf.h"
#include "core/classes/placement.h"

struct server;
struct worker;

/* Is called when keys lie where the rules say, while nobody writes if any have moved; cannot fail. */
struct placing_note {
    void (*call)(void *context, struct actor *actor);
    void *context;
};

/* `worker`: the one that loads; NULL: before the workers run. Line and what is in the way are appended to `problem`, as "12: ...". */
MUST_CHECK enum status placing_apply(struct server *server, struct worker *worker, const struct rules *rules,
                                     const struct placing_note *note, struct buf *problem);
void placing_stop(struct server *server);

/* What placing_apply would do to stores, a line each: "+ store @job-id", "~ store sessions". */
MUST_CHECK enum status placing_diff(struct server *server, const struct rules *rules, struct buf *lines);

#endif
