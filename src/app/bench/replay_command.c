#include "app/bench/replay_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/bench/lru_model.h"
#include "app/bench/replay.h"
#include "base/buf.h"

enum { READ_SIZE = 1 << 20 };

static int complain(const char *text) {
    fprintf(stderr, "strata bench replay: %s\n", text);
    return 1;
}

/* The whole of a file, or of standard input for "-"; STATUS_IO with errno. */
static enum status read_file(const char *path, struct buf *ret_text) {
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : 1;
    enum status status = STATUS_OK;
    while (size > 0 && (status = buf_reserve(ret_text, READ_SIZE)) == STATUS_OK) {
        size = read(fd, ret_text->data + ret_text->size, READ_SIZE);
        if (size > 0)
            ret_text->size += (size_t)size;
    }
    int error = errno;
    if (fd > STDIN_FILENO)
        close(fd);
    errno = error;
    return status == STATUS_OK && size < 0 ? STATUS_IO : status;
}

static enum status load_trace(const struct replay_options *options, struct trace *ret_trace) {
    struct buf text;
    char error[TRACE_ERROR_SIZE];
    buf_init(&text, &memory_libc);
    enum status status = read_file(options->trace, &text);
    if (status != STATUS_OK) {
        fprintf(stderr, "strata bench replay: %s: %s\n", options->trace,
                status == STATUS_IO ? strerror(errno) : status_text(status));
    } else {
        status = trace_parse(ret_trace, &memory_libc, buf_slice(&text), error);
        if (status != STATUS_OK)
            fprintf(stderr, "strata bench replay: %s: %s\n", options->trace, error);
    }
    buf_fini(&text);
    if (status == STATUS_OK && !ret_trace->has_sizes)
        trace_draw_sizes(ret_trace, options->median, options->sigma, options->seed);
    return status;
}

/* What is said of the trace in any case: `bytes` are those of all objects once, in one copy. */
static void print_trace(const struct replay_options *options, const struct trace *trace) {
    uint64_t bytes = trace_object_bytes(trace, OBJECTS_KEY_SIZE);
    unsigned long long requests = trace->request_count * options->copies;
    if (options->json) {
        printf("{\"requests\": %llu, \"copies\": %u, \"objects\": %u, \"bytes\": %llu, \"sized\": %s", requests,
               (unsigned)options->copies, trace->object_count, (unsigned long long)bytes,
               trace->has_sizes ? "true" : "false");
        return;
    }
    printf("%llu requests in %u copies; %u objects a copy, %llu bytes with their keys%s\n", requests,
           (unsigned)options->copies, trace->object_count, (unsigned long long)bytes,
           trace->has_sizes ? "" : " (sizes drawn)");
}

static void print_ratio(const struct replay_options *options, double ratio) {
    printf(options->json ? ", \"hit_ratio\": %.6f" : "hit ratio        %.4f\n", ratio);
}

static int simulate(const struct replay_options *options, const struct trace *trace) {
    uint64_t hits;
    if (lru_model_run(trace, (uint32_t)options->copies, OBJECTS_KEY_SIZE, options->simulate, &memory_libc, &hits) !=
        STATUS_OK)
        return complain("out of memory");
    print_trace(options, trace);
    print_ratio(options, (double)hits / (double)(trace->request_count * options->copies));
    printf(options->json ? "}\n" : "(an LRU of %llu bytes without any overhead, simulated)\n",
           (unsigned long long)options->simulate);
    return 0;
}

static int play(const struct replay_options *options, const struct trace *trace) {
    struct replay_result result;
    char error[REPLAY_ERROR_SIZE];
    if (replay_run(options, trace, &memory_libc, &result, error) != STATUS_OK)
        return complain(error);
    print_trace(options, trace);
    print_ratio(options, (double)result.hits / (double)result.gets);
    double byte_ratio = result.get_bytes ? (double)result.hit_bytes / (double)result.get_bytes : 0;
    printf(options->json
               ? ", \"byte_hit_ratio\": %.6f, \"wrong\": %llu, \"refused\": %llu, \"seconds\": %.3f}\n"
               : "byte hit ratio   %.4f\nwrong values     %llu\nrefused          %llu\nseconds          %.3f\n",
           byte_ratio, (unsigned long long)result.wrong, (unsigned long long)result.refused, result.seconds);
    if (result.refused && !options->json)
        printf("first refusal    %s\n", result.first_refusal);
    return result.wrong ? 1 : 0;
}

int replay_command(int argc, char **argv) {
    static struct replay_options options; /* holds the password: not on the stack */
    struct trace trace;
    char error[OPTIONS_ERROR_SIZE];
    if (options_parse_replay(argc, argv, &options, error) != STATUS_OK)
        return complain(error);
    if (options.help) {
        options_print_replay_help(&options);
        return 0;
    }
    if (!place_flags_ask(&options.server) || load_trace(&options, &trace) != STATUS_OK)
        return 1;
    int code = 0;
    if (options.describe) {
        print_trace(&options, &trace);
        printf(options.json ? "}\n" : "");
    } else {
        code = options.simulate ? simulate(&options, &trace) : play(&options, &trace);
    }
    trace_fini(&trace);
    return code;
}
