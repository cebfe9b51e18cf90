/* core/rules/match.h: which of many patterns is meant by a key.
 *
 * Patterns up to their first star are laid into one tree; bytes that stand for themselves are compared in runs, and where they end, the branches
 * are followed in the order of what they may find. A tree that cannot find anything better than what is found is not entered. What stands behind a star that is
 * not the last thing of its pattern is matched by pattern, best first.
 *
 *     user:  ---{id}--- .                 user:{id}
 *        |          `-- :settings         user:{id}:settings
 *        `-- admin                        user:admin
 *
 * Threads: any; a matcher is never changed.
 * Memory:  in the arena that is handed in, together with the patterns; a match allocates nothing.
 * Time:    at most one visit of each node of the tree, for the place in the key follows from the node; in practice those on the key's way.
 */
#ifndef STRATA_CORE_RULES_MATCH_H
#define STRATA_CORE_RULES_MATCH_H

#include "core/rules/pattern.h"

struct rules_matcher;

/* The patterns have to live as long as the matcher. No two may be the same (rules_pattern_same). */
MUST_CHECK enum status rules_matcher_new(const struct rules_pattern *patterns, uint32_t count, struct arena *arena,
                                         const struct rules_matcher **ret_matcher);

/* The number of the pattern that is meant, or `none`; of patterns that are neither before the other (rules_pattern_order) the one with the smaller
 * number. `ret_fields` is filled only with an answer. */
uint32_t rules_matcher_find(const struct rules_matcher *matcher, struct slice key, uint32_t none,
                            struct rules_fields *ret_fields);

#endif
