/* app/cmd/tier_cmd.h: the figures of the warm tier, for INFO and TIER INFO.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_TIER_CMD_H
#define STRATA_APP_CMD_TIER_CMD_H

#include "app/cmd/tier.h"

/* The first is `tier_enabled`; without a tier it is the only one. */
void tier_each_count(struct cmd_call *call, void (*visit)(void *context, const char *name, uint64_t value),
                     void *context);

#endif
