/* core/classes/terms.h: what a set of rules says of a value that is written.
 *
 * Threads: no state.
 * Time:    one rules_match and a copy of each tag's name; nothing is allocated.
 */
#ifndef STRATA_CORE_CLASSES_TERMS_H
#define STRATA_CORE_CLASSES_TERMS_H

#include "core/classes/names.h"

/* Fills in tags and expiry for struct cache_rules. Answers the class, or RULES_NONE: then nothing has changed. `random`: any number, for the
 * jitter of new values. */
uint32_t classes_terms(const struct rules *rules, struct slice name, uint64_t now_ms, uint64_t random, size_t name_max,
                       struct cache_terms *terms);

#endif
