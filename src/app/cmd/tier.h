/* app/cmd/tier.h: commands and the warm tier.
 *
 *     permitted ── fetch: keys that may be there are read ── CMD_WAITS ── again ── they are in memory, or shown ── it runs
 *
 * A command runs as if everything stood in memory. What of its keys may be in the tier is read first, all of it at once, while its connection waits;
 * then it comes into memory. GET and MGET are shown what was read, and it stays where it is.
 *
 * A key that goes to the tier between that and the run was evicted. A command that only reads looks again afterwards, and waits once more.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_TIER_H
#define STRATA_APP_CMD_TIER_H

#include "app/cmd/cmd.h"
#include "core/cache/tier.h"

enum tier_name {
    TIER_NAMED,     /* a key that is there */
    TIER_NONE,      /* nothing that is there */
    TIER_WAITS,     /* not read yet */
    TIER_ELSEWHERE, /* it has moved: the step of the walk is done again */
};

/* What the process offers. */
struct cmd_tier {
    /* Before the command runs, and again after it. True: something is being read for it, so it has to answer CMD_WAITS. */
    bool (*fetch)(struct cmd_call *call, bool after);
    /* Under the locks of its keys: whether one of them may be there, and was not read. */
    bool (*lacks)(struct cmd_call *call);
    /* Of a key that a read has not found in memory: its value as it was read from there, which lives until the command is over. False: it was not read, or is
     * another key's, or not the value any more; a settled read decides. */
    bool (*show)(struct cmd_call *call, const struct cache_key *key, struct slice *ret_value,
                 struct cache_info *ret_info);
    /* For walks: the key of a record that was read for this command. TIER_WAITS: it is not read yet; `wait` then begins all reads of that kind, and the command
     * has to answer CMD_WAITS and comes again, unless that says false. */
    enum tier_name (*name)(struct cmd_call *call, const struct cache_tier_place *place, struct cache_key *ret_key,
                           struct cache_info *ret_info);
    bool (*wait)(struct cmd_call *call);
    /* A step is done: what was read for it is not needed any more. */
    void (*forget)(struct cmd_call *call);
};

/* Visits the keys of which the command has to know whether they are there, and what they are; of EXEC, all of those that are queued and
 * watched. Until one visit answers false. */
void tier_each_key(const struct cmd_call *call, bool (*visit)(void *context, const struct cache_key *key),
                   void *context);
/* Whether it may be shown what stays in the tier. */
bool tier_is_shown(const struct cmd_call *call);
/* Whether the command has to know what stands under its first key before it writes a value that was received elsewhere. */
bool tier_asks_first(const struct cmd_spec *spec, const struct slice *argv, uint32_t argc);

#endif
