/* app/cmd/invalidate.h: what follows from an invalidation by the rules, for commands of other families. */
#ifndef STRATA_APP_CMD_INVALIDATE_H
#define STRATA_APP_CMD_INVALIDATE_H

#include "app/cmd/cmd.h"

/* Invalidates the tags that the arguments from `from` up to `to` name, and what follows from them, and replies how many entries went or are stale.
 * False: there are no rules, and nothing was done. */
bool invalidate_by_rules(struct cmd_call *call, uint32_t from, uint32_t to, bool soft);

#endif
