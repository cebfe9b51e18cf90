/* app/shell/interactive.h: `strata cli` at a prompt.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_SHELL_INTERACTIVE_H
#define STRATA_APP_SHELL_INTERACTIVE_H

#include "app/shell/session.h"

/* Answers the exit code. */
int interactive_run(struct session *session);

#endif
