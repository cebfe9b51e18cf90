/* app/cmd/lease_lost.h: LEASELOST: what happened to a key while it was loaded, and who did it.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_LEASE_LOST_H
#define STRATA_APP_CMD_LEASE_LOST_H

#include "app/cmd/server_api.h"

/* A token was refused. `tag`: the one that was invalidated since; empty: it was none, or is not known. */
void lease_lost_reply(struct cmd_call *call, const struct cmd_lease_lost *lost, struct slice tag);

#endif
