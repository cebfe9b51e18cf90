/* app/top/top.h: `strata top`, a live view of a server.
 *
 * Threads: one.
 * Errors:  told on standard error; the exit code is 1.
 */
#ifndef STRATA_APP_TOP_TOP_H
#define STRATA_APP_TOP_TOP_H

int top_command(int argc, char **argv);

#endif
