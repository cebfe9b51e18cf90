/* app/cmd/info.h: names that INFO shares with others.
 *
 * Threads: constant data.
 */
#ifndef STRATA_APP_CMD_INFO_H
#define STRATA_APP_CMD_INFO_H

#include "core/cache/cache.h"

/* "allkeys-lfu" and so on. */
const char *cmd_policy_name(enum cache_policy policy);

#endif
