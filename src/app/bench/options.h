/* app/bench/options.h: the flags of `strata bench`.
 *
 * Threads: one, at start.
 * Errors:  STATUS_INVALID with a sentence that names the flag and what it takes; the options are then of no use.
 */
#ifndef STRATA_APP_BENCH_OPTIONS_H
#define STRATA_APP_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/bench/requests.h"
#include "app/link/place_flags.h"
#include "base/status.h"

enum {
    OPTIONS_CLIENTS_MAX = 10000,
    OPTIONS_THREADS_MAX = 64,
    OPTIONS_PIPELINE_MAX = 10000,
    OPTIONS_VALUE_SIZE_MAX = 64 << 20,
    OPTIONS_ERROR_SIZE = 256,
    OPTIONS_REPLAY_BATCH_MAX = 1024,
    OPTIONS_SET_ALWAYS = 100
};

struct bench_options {
    struct place_flags server;
    enum requests_protocol protocol;
    uint64_t clients, threads, pipeline;
    uint64_t requests; /* 0: until the time is over */
    double seconds;    /* 0: until all requests are answered */
    double warmup_s;
    double stall_s; /* without any reply for that long, the run has failed */
    uint64_t keys, key_size, value_size;
    double zipf;
    double rate;      /* requests a second; 0: closed loop */
    double set_share; /* of 1; the rest are gets */
    uint64_t seed;
    uint64_t server_process; /* whose processor time is reported; 0: none */
    bool load, verify, relaxed, json, progress, help;
};

/* `argv` has the words behind `bench`. The options stay where they are: they point into themselves. */
MUST_CHECK enum status options_parse(int argc, char **argv, struct bench_options *ret_options,
                                     char ret_error[OPTIONS_ERROR_SIZE]);

void options_print_help(const struct bench_options *options);

/* The flags of `strata bench null`. */
struct null_options {
    uint64_t port, reply_size;
    bool help;
};

MUST_CHECK enum status options_parse_null(int argc, char **argv, struct null_options *ret_options,
                                          char ret_error[OPTIONS_ERROR_SIZE]);

void options_print_null_help(void);

/* The flags of `strata bench replay`. */
struct replay_options {
    const char *trace; /* path, or "-" */
    struct place_flags server;
    enum requests_protocol protocol;
    uint64_t batch, copies;
    double median, sigma; /* of sizes that a trace does not tell */
    uint64_t seed;
    double stall_s;
    uint64_t simulate; /* bytes of an LRU that is simulated instead; 0: a server is asked */
    bool hash_tag, describe, json, help;
};

MUST_CHECK enum status options_parse_replay(int argc, char **argv, struct replay_options *ret_options,
                                            char ret_error[OPTIONS_ERROR_SIZE]);

void options_print_replay_help(const struct replay_options *options);

/* The flags of `strata bench engine`. */
struct engine_options {
    uint64_t entries, operations, rounds, threads, shards, seed;
    bool json, help;
};

MUST_CHECK enum status options_parse_engine(int argc, char **argv, struct engine_options *ret_options,
                                            char ret_error[OPTIONS_ERROR_SIZE]);

void options_print_engine_help(void);

#endif
