/* app/cmd/audit_cmd.h: the figures of the audit log, for INFO and AUDIT STATUS.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_AUDIT_CMD_H
#define STRATA_APP_CMD_AUDIT_CMD_H

#include "app/cmd/server_api.h"

/* The first is `audit_enabled`; without a log it is the only one. */
void audit_each_count(const struct cmd_audit_counts *counts,
                      void (*visit)(void *context, const char *name, uint64_t value), void *context);

#endif
