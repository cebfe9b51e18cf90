/* app/bench/generator.h: one thread of the load generator with its share of the connections.
 *
 * Closed loop: a connection sends a batch, waits for all its replies, and sends the next. Open loop: batches start when
 * they are due, on the connection that has been free for longest; while none is free they wait, and that counts as latency.
 *
 *                 start_batch                    last reply
 *     free client -----------> batch is sent ---------------> free (open loop) or start_batch (closed loop)
 *
 * Threads: generator_run runs in one; `answered` and `stop` are shared with the thread that watches.
 * Memory:  one buffer for what is received and one for a batch, for all connections; a connection keeps the
 *          unfinished reply only. A batch that the socket did not take whole is written again from its request list.
 * Time:    replies are counted when they are received; one clock reading a receive call.
 * Errors:  stay in `failure`; it ends then and tells the others by `stop`.
 */
#ifndef STRATA_APP_BENCH_GENERATOR_H
#define STRATA_APP_BENCH_GENERATOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/bench/keypick.h"
#include "app/bench/options.h"
#include "core/obs/histogram.h"
#include "sys/loop/loop.h"

enum { GENERATOR_FAILURE_SIZE = 800 };

/* What is common to all generators of a run. */
struct generator_plan {
    const struct bench_options *options;
    const struct keypick *pick;
    const struct memory *memory;
    struct loop *watcher; /* woken when a generator ends */
    atomic_bool stop;
};

struct generator_counts {
    uint64_t answered, gets, errors, misses, mismatches;
};

struct generator_result {
    struct generator_counts counts;
    struct histogram latency_ns;
    uint64_t first_ns, last_ns; /* begin of what is counted, and its last reply */
    uint64_t unsent;            /* open loop: requests that were due and had no free connection until the end */
    uint64_t cpu_ns;            /* of this thread */
    uint64_t server_cpu_ns;     /* of options->server_process when counting began */
    char first_error[GENERATOR_FAILURE_SIZE]; /* text of the first error reply */
    char failure[GENERATOR_FAILURE_SIZE];     /* why the run ended early; empty: it did not */
};

struct generator {
    struct generator_plan *plan;
    uint32_t index; /* of plan->options->threads */
    struct generator_result result;
    _Atomic uint64_t answered; /* so far, for the watcher */
    atomic_bool ended;
};

/* Connects its clients and runs to the end. */
void generator_run(void *generator);

/* Processor time of another process so far; 0 if it cannot be known. */
uint64_t generator_process_cpu_ns(uint64_t process_id);

#endif
