/* app/shell/modes.h: what `strata cli` does instead of sending one command. Each answers the exit code.
 *
 * Threads: one.
 * Errors:  told on standard error.
 */
#ifndef STRATA_APP_SHELL_MODES_H
#define STRATA_APP_SHELL_MODES_H

#include "app/shell/session.h"

int modes_pipe(struct session *session);
int modes_scan(struct session *session);
int modes_largest(struct session *session);
int modes_hot(struct session *session);
int modes_stat(struct session *session);
int modes_latency(struct session *session);
/* Of this machine; there is no server in it. */
int modes_intrinsic_latency(const struct shell_options *options);

#endif
