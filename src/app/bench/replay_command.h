/* app/bench/replay_command.h: `strata bench replay`.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_BENCH_REPLAY_COMMAND_H
#define STRATA_APP_BENCH_REPLAY_COMMAND_H

/* `argv` are the words behind `replay`; answers the exit code, 1 also if a value was wrong. */
int replay_command(int argc, char **argv);

#endif
