/* How many instructions and nanoseconds a request costs to parse and answer: resp_request_bench [ROUNDS | --check].
 *
 * Prints a line a workload. Under valgrind --tool=callgrind --toggle-collect='resp_parse*' the instructions of the parser alone
 * are counted; divided by the arguments printed here they are the cost of an argument.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "core/proto/reply.h"
#include "core/proto/resp_reply.h"
#include "core/proto/resp_request.h"

enum { BATCH = 64, ROUNDS_DEFAULT = 2000 };

struct workload {
    const char *name;
    size_t value_size; /* 0: GET */
};

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void check(enum status status) { ASSERT(status == STATUS_OK); }

static void write_batch(const struct workload *workload, struct buf *out) {
    static uint8_t value[16384];
    for (int i = 0; i < BATCH; i++) {
        char key[32];
        int key_size = snprintf(key, sizeof key, "key:%012d", i);
        struct slice arguments[3] = {workload->value_size ? SLICE("SET") : SLICE("GET"),
                                     slice_make(key, (size_t)key_size), slice_make(value, workload->value_size)};
        check(resp_request_write(out, arguments, workload->value_size ? 3 : 2));
    }
}

/* Parses the batch again and again; answers the arguments seen. */
static uint64_t parse_rounds(struct slice batch, int rounds) {
    static const struct resp_limits limits = {RESP_ARGUMENTS_MAX, RESP_BULK_MAX, RESP_INLINE_MAX, 16384, false};
    struct resp_parser parser;
    struct resp_heads heads;
    struct resp_request request;
    struct slice room[RESP_SHORT_ARGUMENTS_MAX];
    resp_parser_init(&parser, &memory_libc);
    resp_heads_init(&heads);
    uint64_t arguments = 0;
    for (int round = 0; round < rounds; round++) {
        while (resp_parse_short(&parser, batch, &limits, &heads, room, &request) ||
               resp_parse(&parser, batch, &limits, &request) == RESP_REQUEST)
            arguments += request.count;
        ASSERT(resp_parser_droppable(&parser) == batch.size);
        resp_parser_drop(&parser, batch.size);
    }
    resp_parser_fini(&parser);
    return arguments;
}

static void reply_rounds(const struct workload *workload, int rounds) {
    static uint8_t value[16384];
    struct buf out;
    buf_init(&out, &memory_libc);
    for (int round = 0; round < rounds; round++) {
        struct reply reply;
        reply_init(&reply, &out, NULL, 2);
        buf_clear(&out);
        for (int i = 0; i < BATCH; i++)
            reply_bulk(&reply, slice_make(value, workload->value_size ? workload->value_size : 32));
        check(reply.status);
    }
    struct resp_reply_limits limits = {RESP_BULK_MAX, INT32_MAX};
    struct resp_reply_scanner scanner;
    resp_reply_scanner_init(&scanner, &limits);
    for (int round = 0; round < rounds; round++) {
        struct resp_reply_item item;
        size_t at = 0;
        while (resp_reply_skip(&scanner, slice_part(buf_slice(&out), at, out.size), &item) == RESP_REPLY_DONE)
            at += item.size;
        ASSERT(at == out.size);
    }
    buf_fini(&out);
}

int main(int argc, char **argv) {
    static const struct workload workloads[] = {
        {"GET", 0}, {"SET 8 B", 8}, {"SET 32 B", 32}, {"SET 1 KiB", 1024}, {"SET 16 KiB", 16384}};
    bool check_only = argc > 1 && strcmp(argv[1], "--check") == 0;
    int rounds = check_only ? 1 : argc > 1 ? atoi(argv[1]) : ROUNDS_DEFAULT;
    if (rounds < 1) {
        fprintf(stderr, "usage: %s [ROUNDS | --check]\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        struct buf batch;
        buf_init(&batch, &memory_libc);
        write_batch(&workloads[i], &batch);
        double begun = now_ns();
        uint64_t arguments = parse_rounds(buf_slice(&batch), rounds);
        double parsed = now_ns();
        reply_rounds(&workloads[i], rounds);
        double replies = (double)rounds * BATCH;
        printf("%-10s %9" PRIu64 " arguments  %6.1f ns a request  %6.1f ns a reply written and skipped\n",
               workloads[i].name, arguments, (parsed - begun) / replies, (now_ns() - parsed) / replies);
        buf_fini(&batch);
    }
    return 0;
}
