/* app/bench/null_server.h: a server that does nothing, to measure what the network costs.
 *
 * It counts requests of the Redis protocol as they come in, whatever they ask, and answers each with the same bytes.
 *
 * Threads: one.
 * Memory:  one buffer for all connections, and a block of repeated replies.
 * Errors:  printed on standard error; the exit code is 1.
 */
#ifndef STRATA_APP_BENCH_NULL_SERVER_H
#define STRATA_APP_BENCH_NULL_SERVER_H

#include "app/bench/options.h"

/* Runs until a signal ends the process; answers the exit code if it cannot. */
int null_server_run(const struct null_options *options);

#endif
