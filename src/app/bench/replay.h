/* app/bench/replay.h: a trace played against a server, the way a program with a cache in front of its data behaves.
 *
 * GET the object; on a miss SET it. Over one connection, in batches: all GETs, then the SETs of those that missed.
 *
 *     GET a GET b GET c  ->  <-  value, miss, miss    SET b SET c  ->  <-  OK, OK    GET c ...
 *
 * A batch ends before an object that is in it already (its second GET comes behind the SET, as it would one by one) and before
 * it asks for more than REPLAY_FLIGHT_BYTES, so that the server's buffers stay small beside its cache.
 *
 * Threads: one.
 * Memory:  one buffer for what is sent and one for what is received.
 * Errors:  STATUS_IO with a sentence: no connection, a broken one, nonsense, an error reply to a GET, or no reply for too long. A SET
 *          that is refused is counted, and the first such error kept.
 */
#ifndef STRATA_APP_BENCH_REPLAY_H
#define STRATA_APP_BENCH_REPLAY_H

#include "app/bench/objects.h"
#include "app/bench/options.h"
#include "app/bench/trace.h"
#include "app/link/wire.h"

enum { REPLAY_FLIGHT_BYTES = 64 * 1024, REPLAY_ERROR_SIZE = SERVER_PROBLEM_SIZE };

struct replay_result {
    uint64_t gets, hits, hit_bytes, get_bytes; /* bytes of keys and values */
    uint64_t wrong;                            /* hits whose value is not the object's */
    uint64_t refused;
    double seconds;
    char first_refusal[REPLAY_ERROR_SIZE];
};

MUST_CHECK enum status replay_run(const struct replay_options *options, const struct trace *trace,
                                  const struct memory *memory, struct replay_result *ret_result,
                                  char ret_error[REPLAY_ERROR_SIZE]);

#endif
