/* app/bench/lru_model.h: how often an LRU would hit that pays for keys and values and for nothing else.
 *
 * The yardstick beside real servers: exact order of use, no byte of overhead, no rounding.
 *
 * Threads: no state of its own.
 * Memory:  9 bytes an object of every copy while it runs.
 */
#ifndef STRATA_APP_BENCH_LRU_MODEL_H
#define STRATA_APP_BENCH_LRU_MODEL_H

#include "app/bench/trace.h"

/* Replays `copies` interleaved copies of the trace. An object larger than the limit is never kept. */
MUST_CHECK enum status lru_model_run(const struct trace *trace, uint32_t copies, uint32_t key_size,
                                     uint64_t limit_bytes, const struct memory *memory, uint64_t *ret_hits);

#endif
