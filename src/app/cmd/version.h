/* app/cmd/version.h: the version of an entry as clients see it.
 *
 * Whoever writes a value may give it the version of its row, 1 to 2^63-1. An entry without one gets a number of the cache's own when somebody asks; it is
 * shown below 0, so that the two are never taken for each other. 0 is no entry.
 *
 *     SET key value VERSION 7    7, until the value is changed by something that gives none
 *     SET key value              0 at first; asked for: -4294967301, until the value is changed
 *
 * Threads: those of the edit.
 */
#ifndef STRATA_APP_CMD_VERSION_H
#define STRATA_APP_CMD_VERSION_H

#include "core/cache/cache.h"

static inline int64_t version_shown(uint64_t row, uint64_t stamp) { return row ? (int64_t)row : -(int64_t)stamp; }

/* That of an edit's entry, which gets one if it has none; 0 without an entry. May fail for want of memory. */
MUST_CHECK enum status version_of(struct cache_edit *edit, int64_t *ret_version);

#endif
