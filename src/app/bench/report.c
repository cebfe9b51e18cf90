#include "app/bench/report.h"

#include <stdio.h>
#include <string.h>

enum { GROUPED_SIZE = 32, TIME_SIZE = 24 };

/* 1234567 as "1,234,567". */
static const char *grouped(uint64_t number, char ret_text[GROUPED_SIZE]) {
    char digits[GROUPED_SIZE];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), at = 0;
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            ret_text[at++] = ',';
        ret_text[at++] = digits[i];
    }
    ret_text[at] = 0;
    return ret_text;
}

static const char *time_text(uint64_t ns, char ret_text[TIME_SIZE]) {
    if (ns < 10000000)
        snprintf(ret_text, TIME_SIZE, "%.4g us", (double)ns / 1e3);
    else if (ns < 10000000000)
        snprintf(ret_text, TIME_SIZE, "%.4g ms", (double)ns / 1e6);
    else
        snprintf(ret_text, TIME_SIZE, "%.4g s", (double)ns / 1e9);
    return ret_text;
}

double report_rate(const struct report *report) {
    return report->last_ns > report->first_ns
               ? (double)report->counts.answered * 1e9 / (double)(report->last_ns - report->first_ns)
               : 0;
}

static const char *mix_text(const struct bench_options *options, char *ret_text, size_t size) {
    if (options->load)
        snprintf(ret_text, size, "load");
    else if (options->set_share <= 0 || options->set_share >= 1)
        snprintf(ret_text, size, "%s", options->set_share > 0 ? "set" : "get");
    else
        snprintf(ret_text, size, "%.4g/%.4g", 100 - options->set_share * 100, options->set_share * 100);
    return ret_text;
}

static void print_heading(const struct bench_options *options) {
    char mix[48], keys[GROUPED_SIZE];
    printf("%s, %llu connections, batches of %llu, %s keys of %llu bytes, values of %llu bytes",
           mix_text(options, mix, sizeof mix), (unsigned long long)options->clients,
           (unsigned long long)options->pipeline, grouped(options->keys, keys), (unsigned long long)options->key_size,
           (unsigned long long)options->value_size);
    if (options->zipf > 0)
        printf(", Zipf %.4g", options->zipf);
    if (options->rate > 0)
        printf(", open loop at %.6g a second", options->rate);
    if (options->server.place.tls.used)
        printf(", over TLS");
    printf("\n");
}

void report_print(const struct report *report, const struct bench_options *options) {
    static const double percentiles[] = {50, 99, 99.9};
    char text[GROUPED_SIZE], time[TIME_SIZE];
    const struct generator_counts *counts = &report->counts;
    print_heading(options);
    printf("  throughput  %s a second", grouped((uint64_t)(report_rate(report) + 0.5), text));
    printf(" (%s in %.3f s)\n  latency     ", grouped(counts->answered, text),
           (double)(report->last_ns - report->first_ns) / 1e9);
    for (int i = 0; i < 3; i++)
        printf("p%.4g %s, ", percentiles[i],
               time_text(histogram_percentile(&report->latency_ns, percentiles[i]), time));
    printf("max %s\n", time_text(report->latency_ns.highest, time));
    printf("  errors      %s", grouped(counts->errors, text));
    if (report->first_error)
        printf(" (first: %s)", report->first_error);
    printf("\n  misses      %s", grouped(counts->misses, text));
    printf(" of %s\n", grouped(counts->gets, text));
    if (options->verify)
        printf("  mismatches  %s\n", grouped(counts->mismatches, text));
    if (report->unsent)
        printf("  unsent      %s were due and had no free connection when the time was over\n",
               grouped(report->unsent, text));
    if (counts->answered && report->server_cpu_ns)
        printf("  server      %.0f ns of processor time an operation\n",
               (double)report->server_cpu_ns / (double)counts->answered);
    if (counts->answered)
        printf("  generator   %.0f ns of processor time an operation\n",
               (double)report->cpu_ns / (double)counts->answered);
}

static double per_operation(uint64_t ns, const struct report *report) {
    return report->counts.answered ? (double)ns / (double)report->counts.answered : 0;
}

/* Quotes, backslashes and control bytes become spaces: error texts are for reading. */
static void print_json_text(const char *text) {
    putchar('"');
    for (; *text; text++)
        putchar(*text == '"' || *text == '\\' || (unsigned char)*text < ' ' || (unsigned char)*text > '~' ? ' '
                                                                                                          : *text);
    putchar('"');
}

void report_print_json(const struct report *report, const struct bench_options *options) {
    static const struct {
        const char *name;
        double percentile;
    } latencies[] = {{"p50_us", 50}, {"p99_us", 99}, {"p99_9_us", 99.9}};
    char mix[48];
    const struct generator_counts *counts = &report->counts;
    printf(
        "{\"mix\": \"%s\", \"clients\": %llu, \"pipeline\": %llu, \"keys\": %llu, \"key_size\": %llu, \"value_size\": "
        "%llu, ",
        mix_text(options, mix, sizeof mix), (unsigned long long)options->clients, (unsigned long long)options->pipeline,
        (unsigned long long)options->keys, (unsigned long long)options->key_size,
        (unsigned long long)options->value_size);
    printf("\"zipf\": %.6g, \"rate\": %.6g, \"tls\": %s, ", options->zipf, options->rate,
           options->server.place.tls.used ? "true" : "false");
    printf("\"operations\": %llu, \"seconds\": %.6f, \"operations_per_s\": %.1f, ",
           (unsigned long long)counts->answered, (double)(report->last_ns - report->first_ns) / 1e9,
           report_rate(report));
    for (int i = 0; i < 3; i++)
        printf("\"%s\": %.3f, ", latencies[i].name,
               (double)histogram_percentile(&report->latency_ns, latencies[i].percentile) / 1e3);
    printf(
        "\"max_us\": %.3f, \"gets\": %llu, \"misses\": %llu, \"errors\": %llu, \"mismatches\": %llu, \"unsent\": "
        "%llu, ",
        (double)report->latency_ns.highest / 1e3, (unsigned long long)counts->gets, (unsigned long long)counts->misses,
        (unsigned long long)counts->errors, (unsigned long long)counts->mismatches, (unsigned long long)report->unsent);
    if (report->first_error) {
        printf("\"first_error\": ");
        print_json_text(report->first_error);
        printf(", ");
    }
    if (report->server_cpu_ns)
        printf("\"server_cpu_ns\": %.1f, ", per_operation(report->server_cpu_ns, report));
    printf("\"generator_cpu_ns\": %.1f}\n", per_operation(report->cpu_ns, report));
}

void report_progress(const struct bench_options *options, double elapsed_s, uint64_t answered, double rate) {
    char count[GROUPED_SIZE], speed[GROUPED_SIZE];
    fprintf(stderr, "\r%7.1f s  %15s replies", elapsed_s, grouped(answered, count));
    if (options->requests)
        fprintf(stderr, " (%3.0f %%)", (double)answered * 100 / (double)options->requests);
    fprintf(stderr, "  %13s a second ", grouped((uint64_t)rate, speed));
    fflush(stderr);
}
