/* app/cli/audit_show.h: `strata audit show`.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_CLI_AUDIT_SHOW_H
#define STRATA_APP_CLI_AUDIT_SHOW_H

/* argv[0] is the first word behind `show`; answers the exit code. */
int audit_show(int argc, char **argv);

#endif
