/* app/cmd/counts.h: counts that are visited one by one (TIER INFO, AUDIT STATUS), as a reply.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_COUNTS_H
#define STRATA_APP_CMD_COUNTS_H

#include "app/cmd/cmd.h"

/* `context`: a uint32_t that says how many there were. */
static inline void counts_count(void *context, const char *name, uint64_t value) {
    (void)name;
    (void)value;
    ++*(uint32_t *)context;
}

/* `context`: the call; a pair of its map. */
static inline void counts_reply(void *context, const char *name, uint64_t value) {
    struct cmd_call *call = context;
    reply_bulk(call->reply, slice_from_string(name));
    reply_integer(call->reply, (int64_t)value);
}

#endif
