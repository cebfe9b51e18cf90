#include "app/bench/replay.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/bench/answers.h"
#include "app/link/server_link.h"
#include "base/buf.h"
#include "sys/os/clock.h"

enum { INPUT_ROOM = 256 * 1024, COMMAND_SIZE_MAX = 96 };

struct asked {
    uint32_t copy, number;
    bool missed;
};

struct replay {
    const struct replay_options *options;
    const struct trace *trace;
    struct objects objects;
    struct answers answers;
    struct buf output, input;
    size_t input_taken; /* bytes of the input that were answers already */
    struct asked batch[OPTIONS_REPLAY_BATCH_MAX];
    uint32_t batch_count;
    uint64_t batch_bytes;
    uint64_t *batch_of; /* by copy and number: the batch that asked for the object last */
    uint64_t batch_number;
    struct server_link link; /* after the login its bytes alone are of interest */
    struct replay_result result;
    char *error;
};

static enum status fail(struct replay *replay, const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum status fail(struct replay *replay, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(replay->error, REPLAY_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return STATUS_IO;
}

/* --------------------------------------------------------------- the connection */

static enum status no_reply(struct replay *replay) {
    return fail(replay, "no reply for %g seconds", replay->options->stall_s);
}

static enum status send_output(struct replay *replay) {
    struct server_wire *wire = &replay->link.wire;
    struct slice rest = buf_slice(&replay->output);
    while (rest.size) {
        size_t sent;
        enum status status = server_wire_write(wire, rest, &sent);
        if (status == STATUS_IO)
            return fail(replay, "the connection broke while sending: %s", server_wire_reason(wire));
        rest = slice_part(rest, sent, rest.size);
        if (sent == 0 && !server_wire_wait(wire, wire->tls ? server_wire_events(wire, true) : POLLOUT,
                                           (int)(replay->options->stall_s * 1000)))
            return no_reply(replay);
    }
    buf_clear(&replay->output);
    return STATUS_OK;
}

static enum status receive(struct replay *replay) {
    struct server_wire *wire = &replay->link.wire;
    buf_consume(&replay->input, replay->input_taken);
    replay->input_taken = 0;
    if (buf_reserve(&replay->input, INPUT_ROOM) != STATUS_OK)
        return fail(replay, "out of memory");
    for (;;) {
        size_t received;
        enum status status = server_wire_read(wire, replay->input.data + replay->input.size, INPUT_ROOM, &received);
        replay->input.size += received;
        if (status == STATUS_OK)
            return STATUS_OK;
        if (status == STATUS_CLOSED)
            return fail(replay, "the server closed the connection");
        if (status != STATUS_AGAIN)
            return fail(replay, "the connection broke: %s", server_wire_reason(wire));
        if (!server_wire_wait(wire, server_wire_events(wire, false), (int)(replay->options->stall_s * 1000)))
            return no_reply(replay);
    }
}

static enum status next_answer(struct replay *replay, struct answer *ret_answer) {
    for (;;) {
        struct slice input = slice_part(buf_slice(&replay->input), replay->input_taken, replay->input.size);
        enum answers_result result = input.size ? answers_next(&replay->answers, input, ret_answer) : ANSWERS_MORE;
        if (result == ANSWERS_BROKEN)
            return fail(replay, "not a reply of this protocol: %s", answers_error(&replay->answers));
        if (result == ANSWERS_DONE) {
            replay->input_taken += ret_answer->size;
            return STATUS_OK;
        }
        TRY(receive(replay));
    }
}

/* --------------------------------------------------------------------- requests */

static enum status write_get(struct replay *replay, const uint8_t *key) {
    const char *format =
        replay->options->protocol == REQUESTS_MEMCACHED ? "get %.*s\r\n" : "*2\r\n$3\r\nGET\r\n$16\r\n%.*s\r\n";
    TRY(buf_reserve(&replay->output, COMMAND_SIZE_MAX));
    char *at = (char *)replay->output.data + replay->output.size;
    replay->output.size += (size_t)snprintf(at, COMMAND_SIZE_MAX, format, OBJECTS_KEY_SIZE, (const char *)key);
    return STATUS_OK;
}

static enum status write_set(struct replay *replay, const uint8_t *key, uint32_t size) {
    const char *format = replay->options->protocol == REQUESTS_MEMCACHED ? "set %.*s 0 0 %u\r\n"
                                                                         : "*3\r\n$3\r\nSET\r\n$16\r\n%.*s\r\n$%u\r\n";
    TRY(buf_reserve(&replay->output, (size_t)COMMAND_SIZE_MAX + size + 2));
    char *at = (char *)replay->output.data + replay->output.size;
    replay->output.size += (size_t)snprintf(at, COMMAND_SIZE_MAX, format, OBJECTS_KEY_SIZE, (const char *)key, size);
    objects_write(&replay->objects, key, size, replay->output.data + replay->output.size);
    replay->output.size += size;
    return buf_append(&replay->output, "\r\n", 2);
}

static enum status take_value(struct replay *replay, struct asked *asked) {
    struct answer answer;
    uint8_t key[OBJECTS_KEY_SIZE];
    uint32_t size = replay->trace->sizes[asked->number];
    TRY(next_answer(replay, &answer));
    replay->result.gets++;
    replay->result.get_bytes += (uint64_t)size + OBJECTS_KEY_SIZE;
    if (answer.kind == ANSWER_MISS) {
        asked->missed = true;
        return STATUS_OK;
    }
    if (answer.kind != ANSWER_VALUE)
        return fail(replay, "an error instead of a value: %.*s",
                    (int)(answer.payload.size < 100 ? answer.payload.size : 100),
                    answer.payload.data ? (const char *)answer.payload.data : "");
    objects_key(&replay->objects, asked->copy, asked->number, key);
    replay->result.hits++;
    replay->result.hit_bytes += (uint64_t)size + OBJECTS_KEY_SIZE;
    replay->result.wrong += !objects_check(&replay->objects, key, size, answer.payload);
    return STATUS_OK;
}

/* Sends the SETs that were written and takes their answers. */
static enum status store(struct replay *replay, uint32_t count) {
    struct answer answer;
    TRY(send_output(replay));
    for (; count; count--) {
        TRY(next_answer(replay, &answer));
        if (answer.kind != ANSWER_REFUSED)
            continue;
        if (!replay->result.refused++)
            snprintf(replay->result.first_refusal, REPLAY_ERROR_SIZE, "%.*s",
                     (int)(answer.payload.size < 150 ? answer.payload.size : 150),
                     answer.payload.data ? (const char *)answer.payload.data : "");
    }
    return STATUS_OK;
}

static enum status end_batch(struct replay *replay) {
    uint32_t written = 0;
    uint8_t key[OBJECTS_KEY_SIZE];
    TRY(send_output(replay));
    for (uint32_t i = 0; i < replay->batch_count; i++)
        TRY(take_value(replay, &replay->batch[i]));
    for (uint32_t i = 0; i < replay->batch_count; i++) {
        const struct asked *asked = &replay->batch[i];
        uint32_t size = replay->trace->sizes[asked->number];
        if (!asked->missed)
            continue;
        if (written && replay->output.size + size > REPLAY_FLIGHT_BYTES) {
            TRY(store(replay, written));
            written = 0;
        }
        objects_key(&replay->objects, asked->copy, asked->number, key);
        TRY(write_set(replay, key, size));
        written++;
    }
    TRY(store(replay, written));
    replay->batch_count = 0;
    replay->batch_bytes = 0;
    replay->batch_number++;
    return STATUS_OK;
}

static enum status ask(struct replay *replay, uint32_t copy, uint32_t number) {
    uint8_t key[OBJECTS_KEY_SIZE];
    uint64_t *batch_of = &replay->batch_of[(uint64_t)copy * (replay->trace->number_max + 1) + number];
    uint32_t size = replay->trace->sizes[number];
    if (replay->batch_count && (replay->batch_count == replay->options->batch || *batch_of == replay->batch_number ||
                                replay->batch_bytes + size > REPLAY_FLIGHT_BYTES))
        TRY(end_batch(replay));
    *batch_of = replay->batch_number;
    replay->batch_bytes += size;
    replay->batch[replay->batch_count++] = (struct asked){.copy = copy, .number = number};
    objects_key(&replay->objects, copy, number, key);
    return write_get(replay, key);
}

static enum status ask_all(struct replay *replay) {
    uint32_t copies = (uint32_t)replay->options->copies;
    for (uint64_t i = 0; i < replay->trace->request_count; i++) {
        for (uint32_t copy = 0; copy < copies; copy++)
            TRY(ask(replay, copy, replay->trace->requests[i]));
    }
    return end_batch(replay);
}

static enum status connect_server(struct replay *replay) {
    struct server_place place = replay->options->server.place;
    if (replay->options->protocol == REQUESTS_MEMCACHED)
        place.password = NULL;
    return server_link_open(&replay->link, &place) ? STATUS_OK : fail(replay, "%s", replay->link.problem);
}

static enum status run(struct replay *replay, const struct memory *memory) {
    size_t marks = (size_t)replay->options->copies * (replay->trace->number_max + 1);
    replay->batch_of = memory_take(memory, marks * sizeof *replay->batch_of);
    if (!replay->batch_of)
        return fail(replay, "out of memory");
    memset(replay->batch_of, 0, marks * sizeof *replay->batch_of);
    replay->batch_number = 1;
    enum status status = connect_server(replay);
    uint64_t begin_ns = clock_steady_ns();
    if (status == STATUS_OK)
        status = ask_all(replay);
    if (status == STATUS_NO_MEMORY)
        status = fail(replay, "out of memory");
    replay->result.seconds = (double)(clock_steady_ns() - begin_ns) / 1e9;
    server_link_close(&replay->link);
    memory_give(memory, replay->batch_of, marks * sizeof *replay->batch_of);
    return status;
}

enum status replay_run(const struct replay_options *options, const struct trace *trace, const struct memory *memory,
                       struct replay_result *ret_result, char ret_error[REPLAY_ERROR_SIZE]) {
    struct replay *replay = memory_take(memory, sizeof *replay);
    if (!replay) {
        snprintf(ret_error, REPLAY_ERROR_SIZE, "out of memory");
        return STATUS_NO_MEMORY;
    }
    *replay = (struct replay){.options = options, .trace = trace, .link.wire.fd = -1, .error = ret_error};
    objects_init(&replay->objects, options->hash_tag);
    answers_init(&replay->answers, options->protocol);
    buf_init(&replay->output, memory);
    buf_init(&replay->input, memory);
    enum status status = run(replay, memory);
    if (status == STATUS_OK)
        *ret_result = replay->result;
    buf_fini(&replay->output);
    buf_fini(&replay->input);
    memory_give(memory, replay, sizeof *replay);
    return status;
}
