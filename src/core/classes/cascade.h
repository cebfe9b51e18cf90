/* core/classes/cascade.h: what a plan says is done.
 *
 * Actions are done in the order of the plan: keys are deleted, tags and classes invalidated with one stamp each; those that are soft leave what
 * would go as stale. A pattern that no class takes as a whole
 * is looked for among all keys of the database, or banned (cache_ban) where there are many: looking at a million takes about half a second.
 *
 * Threads: any, each with an actor of its own that holds no locks, or all.
 * Errors:  none: what a plan says can always be done. A pattern's scan sees every key that is there from its begin to its end.
 */
#ifndef STRATA_CORE_CLASSES_CASCADE_H
#define STRATA_CORE_CLASSES_CASCADE_H

#include "core/classes/names.h"
#include "core/rules/plan.h"

/* What one action did, or would do. */
struct cascade_action {
    const struct rules_action *action;
    uint64_t
        entries; /* that went, or are stale now; of classes and tags those that were written since they were last invalidated; or
                    CASCADE_UNCOUNTED */
};

#define CASCADE_UNCOUNTED UINT64_MAX /* a pattern was banned */

struct cascade {
    struct cache *cache;
    struct actor *actor;
    uint32_t
        place; /* in the engine, of the database of keys and patterns (cache_key); tags and classes reach all databases */
    bool everywhere; /* keys and patterns as well: it began with a tag or a class */
    bool dry_run;    /* only counts */
    bool soft;       /* as the action that is being done: whoever begins leaves it */
    uint64_t
        search_max; /* patterns are banned in databases with more entries than that, unless it is soft or somebody is to hear of each */
    const struct cache_matcher *expression; /* what the plan's RULES_TARGET_EXPRESSION means, if there is one */
    /* Told of each action, before it is done and after; may be NULL. They may not call the cache. */
    void (*begins)(void *context, const struct rules_action *action);
    void (*done)(void *context, const struct cascade_action *action);
    void *context;
};

/* Answers how many entries went, or would go; some perhaps twice; or CASCADE_UNCOUNTED, if that is so of any action. */
uint64_t cascade_run(const struct cascade *cascade, const struct rules_plan *plan);

/* Without a plan, for want of memory: every class goes. */
uint64_t cascade_everything(const struct cascade *cascade, const struct rules *rules);

#endif
