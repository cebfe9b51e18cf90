/* app/bench/report.h: what a run is said to have been.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_BENCH_REPORT_H
#define STRATA_APP_BENCH_REPORT_H

#include "app/bench/generator.h"

/* The sum of all generators. */
struct report {
    struct generator_counts counts;
    struct histogram latency_ns;
    uint64_t first_ns, last_ns, unsent, cpu_ns;
    uint64_t server_cpu_ns; /* while it was counted; 0: not known */
    const char *first_error;
};

/* Operations a second; 0 if nothing was answered. */
double report_rate(const struct report *report);

void report_print(const struct report *report, const struct bench_options *options);
void report_print_json(const struct report *report, const struct bench_options *options);

/* One line that writes over itself: seconds so far, replies so far and since the last time. */
void report_progress(const struct bench_options *options, double elapsed_s, uint64_t answered, double rate);

#endif
