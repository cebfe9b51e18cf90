#include "app/bench/engine_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/bench/engine.h"

static const char *const subjects[ENGINE_SUBJECTS] = {"floor",     "get hit", "get miss",     "set (new)",
                                                      "overwrite", "delete",  "set expiring", "expire"};
static const char *const ways[ENGINE_WAYS] = {"alone", "row", "batch"};

struct figure {
    double median, least;
    double ratio; /* to the floor of the same way: the median of the rounds' quotients; 0: there is none */
};

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count) {
    qsort(values, count, sizeof *values, by_size);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static struct figure figure_of(const struct engine_result *result, const double *ns, const double *floor_ns) {
    double values[ENGINE_ROUNDS_MAX], ratios[ENGINE_ROUNDS_MAX];
    struct figure figure = {0};
    for (uint32_t i = 0; i < result->rounds; i++) {
        values[i] = ns[i];
        ratios[i] = floor_ns[i] > 0 ? ns[i] / floor_ns[i] : 0;
    }
    figure.median = median(values, result->rounds);
    figure.least = values[0];
    figure.ratio = median(ratios, result->rounds);
    return figure;
}

static struct figure subject_figure(const struct engine_result *result, int subject, int way) {
    return figure_of(result, result->ns[subject][way], result->ns[ENGINE_FLOOR][way]);
}

/* Of several threads beside one. */
static struct figure thread_figure(const struct engine_result *result, int step, int way) {
    return figure_of(result, result->threads_ns[step][way], result->threads_ns[0][way]);
}

static void print_figure(struct figure figure, bool shows_ratio) {
    if (figure.least <= 0)
        printf("  %22s", "");
    else if (shows_ratio)
        printf("  %6.1f (%6.1f) %5.2fx", figure.median, figure.least, figure.ratio);
    else
        printf("  %6.1f (%6.1f)       ", figure.median, figure.least);
}

static void print_table(const struct engine_options *options, const struct engine_result *result) {
    printf("%llu entries: %llu MiB, of these %llu of index; ns an operation, median (least) and ratio to the floor\n",
           (unsigned long long)options->entries, (unsigned long long)((result->live_bytes + result->index_bytes) >> 20),
           (unsigned long long)(result->index_bytes >> 20));
    printf("  %-14s  %-22s  %-22s  %s\n", "", "alone", "one after the other", "batches of 64");
    for (int subject = 0; subject < ENGINE_SUBJECTS; subject++) {
        printf("  %-14s", subjects[subject]);
        for (int way = 0; way < ENGINE_WAYS; way++)
            print_figure(subject_figure(result, subject, way), subject != ENGINE_FLOOR);
        printf("\n");
    }
    for (int step = 0; step < ENGINE_THREAD_STEPS && engine_thread_steps[step] <= options->threads; step++) {
        printf("  get hit, %2u thr", engine_thread_steps[step]);
        for (int way = 0; way < ENGINE_WAYS; way++)
            print_figure(thread_figure(result, step, way), true);
        printf("%s\n", step ? "" : "   (ratio: to one thread)");
    }
}

static void print_json_figure(const char *name, struct figure figure, const char **separator) {
    if (figure.least <= 0)
        return;
    printf("%s\"%s\": {\"ns\": %.2f, \"ns_min\": %.2f, \"ratio\": %.3f}", *separator, name, figure.median, figure.least,
           figure.ratio);
    *separator = ", ";
}

static void print_json(const struct engine_options *options, const struct engine_result *result) {
    printf("{\"entries\": %llu, \"rounds\": %u, \"index_bytes\": %llu, \"live_bytes\": %llu, \"subjects\": {",
           (unsigned long long)options->entries, result->rounds, (unsigned long long)result->index_bytes,
           (unsigned long long)result->live_bytes);
    for (int subject = 0; subject < ENGINE_SUBJECTS; subject++) {
        const char *separator = "";
        printf("%s\"%s\": {", subject ? ", " : "", subjects[subject]);
        for (int way = 0; way < ENGINE_WAYS; way++)
            print_json_figure(ways[way], subject_figure(result, subject, way), &separator);
        printf("}");
    }
    printf("}, \"threads\": {");
    for (int step = 0; step < ENGINE_THREAD_STEPS && engine_thread_steps[step] <= options->threads; step++) {
        const char *separator = "";
        printf("%s\"%u\": {", step ? ", " : "", engine_thread_steps[step]);
        for (int way = 0; way < ENGINE_WAYS; way++)
            print_json_figure(ways[way], thread_figure(result, step, way), &separator);
        printf("}");
    }
    printf("}}\n");
}

int engine_command(int argc, char **argv) {
    static struct engine_result result; /* too large for a stack */
    struct engine_options options;
    char error[OPTIONS_ERROR_SIZE], why[ENGINE_ERROR_SIZE];
    if (options_parse_engine(argc, argv, &options, error) != STATUS_OK) {
        fprintf(stderr, "strata bench engine: %s\n", error);
        return 1;
    }
    if (options.help) {
        options_print_engine_help();
        return 0;
    }
    if (engine_measure(&options, &result, why) != STATUS_OK) {
        fprintf(stderr, "strata bench engine: %s\n", why);
        return 1;
    }
    if (options.json)
        print_json(&options, &result);
    else
        print_table(&options, &result);
    return 0;
}
