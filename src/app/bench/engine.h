/* app/bench/engine.h: what the calls of core/cache cost inside a process, beside the floor of the same run.
 *
 * Keys of 20 bytes, values of 32. Each round measures every subject once, so that a change of the machine's mood meets all:
 *
 *     alone   a call begins when the one before has answered
 *     row     one call after the other; the processor may overlap what does not depend on each other
 *     batch   ENGINE_BATCH together, prefetched first, as the server does with what it received
 *
 * What is read is checked: the sum of all values must be that of the keys asked for.
 *
 * Threads: engine_measure starts its own and joins them.
 * Memory:  a cache of 2 times what the entries need, and the floor's areas of their size.
 * Time:    processor time of the thread that works (writing the keys does not count); the cache's time is a number.
 * Errors:  STATUS_NO_MEMORY; STATUS_CORRUPT with a sentence when the cache did not do what it was told.
 */
#ifndef STRATA_APP_BENCH_ENGINE_H
#define STRATA_APP_BENCH_ENGINE_H

#include "app/bench/options.h"

enum { ENGINE_VALUE_SIZE = 32, ENGINE_THREADS_MAX = 16, ENGINE_ROUNDS_MAX = 99, ENGINE_ERROR_SIZE = 160 };

enum engine_way { ENGINE_ALONE, ENGINE_ROW, ENGINE_TOGETHER, ENGINE_WAYS };

enum engine_subject {
    ENGINE_FLOOR,
    ENGINE_GET_HIT,
    ENGINE_GET_MISS,
    ENGINE_SET_NEW,
    ENGINE_OVERWRITE,
    ENGINE_DELETE,
    ENGINE_SET_EXPIRING,
    ENGINE_EXPIRE, /* an entry that housekeeping removes because its time has come */
    ENGINE_SUBJECTS
};

enum { ENGINE_THREAD_STEPS = 4 };
extern const uint32_t engine_thread_steps[ENGINE_THREAD_STEPS]; /* 1, 2, 4, 16 */

struct engine_result {
    uint64_t index_bytes, live_bytes;
    uint32_t rounds;
    double ns[ENGINE_SUBJECTS][ENGINE_WAYS][ENGINE_ROUNDS_MAX];             /* an operation; 0: not measured */
    double threads_ns[ENGINE_THREAD_STEPS][ENGINE_WAYS][ENGINE_ROUNDS_MAX]; /* get hits, processor time an operation */
};

MUST_CHECK enum status engine_measure(const struct engine_options *options, struct engine_result *ret_result,
                                      char ret_error[ENGINE_ERROR_SIZE]);

#endif
