/* app/bench/engine_command.h: `strata bench engine`.
 *
 * Threads: one, beside those that it measures.
 */
#ifndef STRATA_APP_BENCH_ENGINE_COMMAND_H
#define STRATA_APP_BENCH_ENGINE_COMMAND_H

/* `argv` are the words behind `engine`; answers the exit code, 1 also if the cache did not do what it was told. */
int engine_command(int argc, char **argv);

#endif
