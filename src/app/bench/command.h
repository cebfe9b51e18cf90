/* app/bench/command.h: `strata bench`.
 *
 * Threads: the calling one watches, others generate.
 * Errors:  printed on standard error; the exit code is 1, also when replies were errors or values were wrong.
 */
#ifndef STRATA_APP_BENCH_COMMAND_H
#define STRATA_APP_BENCH_COMMAND_H

/* `argv` are the words behind `bench`; answers the exit code. */
int bench_command(int argc, char **argv);

#endif
