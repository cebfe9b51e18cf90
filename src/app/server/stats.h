/* app/server/stats.h: what each worker counts, and how it is summed up.
 *
 * Run times are kept in processor ticks, read once a command (about 20 cycles); they become microseconds
 * only when somebody asks. The run time of a command goes into a run_times whose columns are an eighth of an octave wide, so a
 * percentile is at most 12 % too high.
 *
 * Threads: a worker's counters are written by that worker, in its turn; others read them while they hold the turn.
 * Memory:  a run_times is made when its command first runs: 2.5 KiB. If there is no memory, it stays away.
 */
#ifndef STRATA_APP_SERVER_STATS_H
#define STRATA_APP_SERVER_STATS_H

#include <stdint.h>

#include "app/cmd/server_api.h"

enum {
    STATS_ERROR_CODES_MAX = 128, /* different error codes; later ones count as the last */
    STATS_ERROR_CODE_SIZE = 32,
    RUN_TIMES_COLUMNS = 320, /* 8 for each of 40 octaves: up to 2^40 ticks, minutes */
    RUN_TIMES_ALL_BELOW = 64, /* so many calls are all recorded, later ones are sampled */
    RUN_TIMES_SAMPLE = 16,    /* one in so many, and every slow one */
    RATE_SAMPLES = 16,
};

struct error_count {
    char code[STATS_ERROR_CODE_SIZE];
    uint64_t count;
};

struct run_times {
    uint64_t columns[RUN_TIMES_COLUMNS];
};

static inline unsigned run_times_column(uint64_t value) {
    if (value < 8)
        return (unsigned)value;
    unsigned octave = 63u - (unsigned)__builtin_clzll(value);
    unsigned column = (octave - 2) * 8 + (unsigned)((value >> (octave - 3)) & 7);
    return column < RUN_TIMES_COLUMNS ? column : RUN_TIMES_COLUMNS - 1;
}

/* The largest value that falls into the column. */
uint64_t run_times_column_top(unsigned column);
static inline void run_times_add(struct run_times *run_times, uint64_t value) {
    run_times->columns[run_times_column(value)]++;
}
void run_times_merge(struct run_times *into, const struct run_times *from);
/* The value that `percentile` per cent of the recorded ones do not exceed; 0 if none is recorded. */
uint64_t run_times_percentile(const struct run_times *run_times, double percentile);

struct command_stat {
    uint64_t calls, ticks, rejected, failed;
    struct run_times *run_times;
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
    uint64_t query_limit_cuts, output_limit_cuts, errors, auth_denied;
    uint64_t input_largest_bytes, output_largest_bytes;
    struct rate commands_rate, input_rate, output_rate;
};

struct worker;
void stats_sum(struct cmd_server *server, struct cmd_server_counts *ret_counts);
void stats_command(struct cmd_server *server, uint32_t spec_index, struct cmd_command_counts *ret_counts);
double stats_command_percentile(struct cmd_server *server, uint32_t spec_index, double percentile);
void stats_each_error(struct cmd_server *server, void (*visit)(void *context, const char *code, uint64_t count),
                      void *context);
void stats_reset(struct cmd_server *server);

/* NULL when there is no memory. */
struct run_times *stats_run_times_new(void);

/* A command that took long: for the slow log, for LATENCY, or both. */
void stats_slow(struct worker *worker, const struct cmd_call *call, uint64_t us, bool slowlog, bool latency);

/* Counts an error reply: the bytes of the reply, "-CODE text". */
void stats_error(struct worker *worker, struct slice reply);

#endif
