/* app/server/stats.h: what each worker counts, and how it is summed up.
 *
 * Run times are kept in processor ticks and become microseconds only when somebody asks. Reading the ticks takes 8 to 20 ns,
 * a tenth of a GET; so up to TIMED_TOGETHER_MAX fast commands of one kind in a row, and what cmd_run_row runs as one, share a reading, and
 * each counts with their average. All others are timed one by one, and so is everything when the slow log begins below TIMED_APART_US, or a log of what is large
 * below LARGE_APART_BYTES. A slow row of fast
 * commands (which takes a stop of the whole thread) enters the slow log under its last one. Every command has a histogram whose columns
 * are an eighth of an octave wide, so a percentile is at most 12 % too high.
 *
 * Threads: a worker's counters are written by that worker, in its turn; others read them while they hold the turn.
 * Memory:  a histogram is made when its command first runs: 2.5 KiB. If there is no memory, it stays away.
 */
#ifndef STRATA_APP_SERVER_STATS_H
#define STRATA_APP_SERVER_STATS_H

#include <stdint.h>

#include "app/cmd/server_api.h"
#include "core/obs/histogram.h"

enum {
    STATS_ERROR_CODES_MAX = 128, /* different error codes; later ones count as the last */
    STATS_ERROR_CODE_SIZE = 32,
    RUN_TIMES_SUB_BITS = 3,
    TIMED_TOGETHER_MAX = 16,
    TIMED_APART_US = 1000,
    LARGE_APART_BYTES = 2 * 64 * 1024, /* nothing of a row is as large */
    RATE_SAMPLES = 16,
};

struct error_count {
    char code[STATS_ERROR_CODE_SIZE];
    uint64_t count;
};

struct command_stat {
    uint64_t calls, ticks, rejected, failed;
    struct histogram run_times; /* in ticks; columns NULL until the command first runs */
};

/* Growth of a counter per second, from the last RATE_SAMPLES looks. */
struct rate {
    uint64_t last, last_ms;
    double samples[RATE_SAMPLES];
    uint32_t next;
};
void rate_look(struct rate *rate, uint64_t count, uint64_t now_ms);
double rate_per_s(const struct rate *rate);

/* Of one worker. */
struct worker_counts {
    uint64_t connections_received, connections_rejected;
    uint64_t commands, bytes_in, bytes_out, reads, writes, loop_turns;
    uint64_t loop_ticks, command_ticks;
    uint64_t query_limit_cuts, output_limit_cuts, pubsub_cuts, errors;
    uint64_t input_largest_bytes, output_largest_bytes;
    struct rate commands_rate, input_rate, output_rate;
};

struct server;
struct worker;
/* Once in a while: how large the cache has been. */
void stats_note_memory(struct server *server);
void stats_sum(struct cmd_server *server, struct cmd_server_counts *ret_counts);
void stats_store(struct cmd_server *server, uint32_t store, struct actor_counts *ret_counts);
void stats_command(struct cmd_server *server, uint32_t spec_index, struct cmd_command_counts *ret_counts);
void stats_all_commands(struct cmd_server *server, struct cmd_command_facts *ret_facts);
bool stats_command_histogram(struct cmd_server *server, uint32_t spec_index, struct histogram *into);
double stats_command_percentile(struct cmd_server *server, uint32_t spec_index, double percentile);
void stats_each_error(struct cmd_server *server, void (*visit)(void *context, const char *code, uint64_t count),
                      void *context);
void stats_reset(struct cmd_server *server);

/* A command that took long: for the slow log, for LATENCY, or both. */
void stats_slow(struct worker *worker, const struct cmd_call *call, uint64_t us, bool slowlog, bool latency);

/* A command enters the logs of what is large, if it is. 0: that is not known now. */
void stats_large(struct worker *worker, const struct cmd_call *call, uint64_t request_bytes, uint64_t reply_bytes);

/* Counts an error reply: the bytes of the reply, "-CODE text". */
void stats_error(struct worker *worker, struct slice reply);

#endif
