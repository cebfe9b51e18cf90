#include "app/bench/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/bench/engine_command.h"
#include "app/bench/generator.h"
#include "app/bench/null_server.h"
#include "app/bench/replay_command.h"
#include "app/bench/report.h"
#include "sys/os/clock.h"
#include "sys/os/process.h"
#include "sys/os/thread.h"

enum { PROGRESS_MS = 250, DESCRIPTORS_SPARE = 64 };

struct run {
    struct generator_plan plan;
    struct generator *generators;
    struct thread *threads;
    uint32_t started;
    struct report report;
};

static int complain(const char *text) {
    fprintf(stderr, "strata bench: %s\n", text);
    return 1;
}

/* Until all generators have ended. */
static void watch(struct run *run) {
    const struct bench_options *options = run->plan.options;
    bool shows = options->progress && isatty(STDERR_FILENO), woken;
    struct loop_event events[1];
    uint64_t begin_ns = clock_steady_ns(), before_ns = begin_ns, before = 0;
    for (;;) {
        uint32_t ended = 0;
        uint64_t answered = 0;
        for (uint32_t i = 0; i < run->started; i++) {
            ended += atomic_load(&run->generators[i].ended);
            answered += atomic_load(&run->generators[i].answered);
        }
        if (ended == run->started)
            break;
        (void)loop_wait(run->plan.watcher, shows ? PROGRESS_MS : UINT32_MAX, events, 1, &woken);
        uint64_t now_ns = clock_steady_ns();
        if (!shows || now_ns < before_ns + PROGRESS_MS * 1000000u)
            continue;
        uint64_t more = answered > before ? answered - before : 0; /* counting begins anew after warming up */
        report_progress(options, (double)(now_ns - begin_ns) / 1e9, answered,
                        (double)more * 1e9 / (double)(now_ns - before_ns));
        before = answered;
        before_ns = now_ns;
    }
    if (shows)
        fprintf(stderr, "\r\033[K");
}

static enum status start(struct run *run) {
    uint32_t count = (uint32_t)run->plan.options->threads;
    run->generators = memory_take(run->plan.memory, count * sizeof *run->generators);
    run->threads = memory_take(run->plan.memory, count * sizeof *run->threads);
    if (!run->generators || !run->threads)
        return STATUS_NO_MEMORY;
    TRY(loop_new(run->plan.memory, &run->plan.watcher));
    memset(run->generators, 0, count * sizeof *run->generators);
    for (uint32_t i = 0; i < count; i++) {
        run->generators[i].plan = &run->plan;
        run->generators[i].index = i;
    }
    for (; run->started < count; run->started++) {
        enum status status =
            thread_start(&run->threads[run->started], "bench", generator_run, &run->generators[run->started]);
        if (status != STATUS_OK) {
            atomic_store(&run->plan.stop, true);
            return status;
        }
    }
    return STATUS_OK;
}

/* Adds up the generators; answers why the run failed, or NULL. */
static const char *collect(struct run *run) {
    struct report *report = &run->report;
    const char *failure = NULL;
    uint64_t server_cpu_ns = generator_process_cpu_ns(run->plan.options->server_process);
    if (run->generators[0].result.server_cpu_ns)
        report->server_cpu_ns = server_cpu_ns - run->generators[0].result.server_cpu_ns;
    for (uint32_t i = 0; i < run->started; i++) {
        const struct generator_result *result = &run->generators[i].result;
        if (result->failure[0] && !failure)
            failure = result->failure;
        if (result->first_error[0] && !report->first_error)
            report->first_error = result->first_error;
        report->counts.answered += result->counts.answered;
        report->counts.gets += result->counts.gets;
        report->counts.errors += result->counts.errors;
        report->counts.misses += result->counts.misses;
        report->counts.mismatches += result->counts.mismatches;
        report->unsent += result->unsent;
        report->cpu_ns += result->cpu_ns;
        if (result->latency_ns.columns)
            histogram_merge(&report->latency_ns, &result->latency_ns);
        if (!i || result->first_ns < report->first_ns)
            report->first_ns = result->first_ns;
        if (!i || result->last_ns > report->last_ns)
            report->last_ns = result->last_ns;
    }
    return failure;
}

static int conclude(struct run *run) {
    const char *failure = collect(run);
    if (failure)
        return complain(failure);
    if (run->plan.options->json)
        report_print_json(&run->report, run->plan.options);
    else
        report_print(&run->report, run->plan.options);
    return run->report.counts.errors || run->report.counts.mismatches ? 1 : 0;
}

static void clean_up(struct run *run) {
    const struct memory *memory = run->plan.memory;
    uint64_t count = run->plan.options->threads;
    for (uint32_t i = 0; i < run->started; i++) {
        if (run->generators[i].result.latency_ns.columns)
            histogram_fini(&run->generators[i].result.latency_ns);
    }
    memory_give(memory, run->generators, count * sizeof *run->generators);
    memory_give(memory, run->threads, count * sizeof *run->threads);
    if (run->plan.watcher)
        loop_free(run->plan.watcher);
}

static int measure(const struct bench_options *options) {
    struct keypick pick;
    struct run run = {.plan = {.options = options, .pick = &pick, .memory = &memory_libc}};
    uint64_t descriptors = options->clients + options->threads * 4 + DESCRIPTORS_SPARE;
    if (process_descriptors_raise(descriptors) < descriptors)
        return complain("the system does not allow so many connections; use fewer --clients, or raise 'ulimit -n'");
    if (keypick_init(&pick, &memory_libc, options->keys, options->zipf) != STATUS_OK)
        return complain("out of memory");
    int code = 1;
    if (histogram_init(&run.report.latency_ns, &memory_libc, HISTOGRAM_SUB_BITS_MAX) != STATUS_OK) {
        (void)complain("out of memory");
    } else {
        enum status status = start(&run);
        if (run.started)
            watch(&run);
        for (uint32_t i = 0; i < run.started; i++)
            thread_join(&run.threads[i]);
        code = status == STATUS_OK ? conclude(&run) : complain("threads cannot be started");
        histogram_fini(&run.report.latency_ns);
    }
    clean_up(&run);
    keypick_fini(&pick);
    return code;
}

static int run_null(int argc, char **argv) {
    struct null_options options;
    char error[OPTIONS_ERROR_SIZE];
    if (options_parse_null(argc, argv, &options, error) != STATUS_OK) {
        fprintf(stderr, "strata bench null: %s\n", error);
        return 1;
    }
    if (!options.help)
        return null_server_run(&options);
    options_print_null_help();
    return 0;
}

int bench_command(int argc, char **argv) {
    static struct bench_options options; /* holds the password: not on the stack */
    char error[OPTIONS_ERROR_SIZE];
    if (argc > 0 && strcmp(argv[0], "null") == 0)
        return run_null(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "replay") == 0)
        return replay_command(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "engine") == 0)
        return engine_command(argc - 1, argv + 1);
    if (options_parse(argc, argv, &options, error) != STATUS_OK)
        return complain(error);
    if (!options.help)
        return place_flags_ask(&options.server) ? measure(&options) : 1;
    options_print_help(&options);
    return 0;
}
