/* app/cmd/lease_cmd.h: what the server does of CGET by itself.
 *
 * Threads: those of the call, of which env, client, actor, arena and reply are filled in.
 * Errors:  written into the push.
 */
#ifndef STRATA_APP_CMD_LEASE_CMD_H
#define STRATA_APP_CMD_LEASE_CMD_H

#include "app/cmd/server_api.h"

/* A CGET of a client of RESP3 that does not wait any more. */
struct cmd_lease_push {
    uint64_t id;
    uint32_t db, lease_ms;
    bool bound, versions;
    struct slice name;
    struct cmd_lease_woken woken;
};

/* Writes the push. False: there is nothing to say yet, and it waits again. */
bool cmd_lease_push(struct cmd_call *call, const struct cmd_lease_push *push);

#endif
