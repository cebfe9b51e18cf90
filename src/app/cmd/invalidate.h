/* app/cmd/invalidate.h: what follows from an invalidation by the rules, for commands of other families. */
#ifndef STRATA_APP_CMD_INVALIDATE_H
#define STRATA_APP_CMD_INVALIDATE_H

#include "app/cmd/invalidate_words.h"

/* Invalidates the tags that the arguments from `from` to before `until` name, and what follows from them, and replies how many entries went, or as the
 * words say. False: there are no rules, and no words that need one; nothing was done. */
bool invalidate_by_rules(struct cmd_call *call, uint32_t from, uint32_t until, const struct invalidate_words *words);

#endif
