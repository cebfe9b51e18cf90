#include "app/bench/trace.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/rng.h"

enum { ROOM_FIRST = 4096 };

static enum status refuse(uint64_t line, const char *why, char *ret_error) {
    snprintf(ret_error, TRACE_ERROR_SIZE, "line %llu: %s", (unsigned long long)line, why);
    return STATUS_INVALID;
}

static enum status reserve_request(struct trace *trace) {
    if (trace->request_count < trace->request_room)
        return STATUS_OK;
    uint64_t room = trace->request_room ? trace->request_room * 2 : ROOM_FIRST;
    void *grown = trace->memory->resize(trace->memory->context, trace->requests,
                                        trace->request_room * sizeof *trace->requests, room * sizeof *trace->requests);
    if (!grown)
        return STATUS_NO_MEMORY;
    trace->requests = grown;
    trace->request_room = room;
    return STATUS_OK;
}

static enum status reserve_number(struct trace *trace, uint32_t number) {
    if (number < trace->size_room)
        return STATUS_OK;
    uint32_t room = trace->size_room ? trace->size_room : ROOM_FIRST;
    while (room <= number)
        room *= 2;
    void *grown = trace->memory->resize(trace->memory->context, trace->sizes,
                                        (size_t)trace->size_room * sizeof *trace->sizes, room * sizeof *trace->sizes);
    if (!grown)
        return STATUS_NO_MEMORY;
    trace->sizes = grown;
    for (uint32_t i = trace->size_room; i < room; i++)
        trace->sizes[i] = TRACE_UNSEEN;
    trace->size_room = room;
    return STATUS_OK;
}

/* Digits up to the end of the line, or up to the space before a second number. */
static enum status parse_line(struct trace *trace, struct slice line, uint64_t at, char *ret_error) {
    const uint8_t *space = memchr(line.data, ' ', line.size);
    size_t key_size = space ? (size_t)(space - line.data) : line.size;
    uint64_t number, size = 0;
    if (!number_parse_u64(slice_part(line, 0, key_size), &number) || number < 1 || number > TRACE_NUMBER_MAX)
        return refuse(at, "a request begins with an object's number, 1 to 16777216", ret_error);
    if (space && (!number_parse_u64(slice_part(line, key_size + 1, line.size), &size) || size > TRACE_SIZE_MAX))
        return refuse(at, "behind the number stands nothing, or one space and a size of at most 67108864", ret_error);
    if (trace->request_count == TRACE_REQUESTS_MAX)
        return refuse(at, "more requests than can be replayed", ret_error);
    if (trace->request_count && trace->has_sizes != (space != NULL))
        return refuse(at, "either every request has a size, or none", ret_error);
    TRY(reserve_request(trace));
    TRY(reserve_number(trace, (uint32_t)number));
    uint32_t *known = &trace->sizes[number];
    if (*known != TRACE_UNSEEN && *known != size)
        return refuse(at, "the object had another size before", ret_error);
    trace->object_count += *known == TRACE_UNSEEN;
    trace->number_max = number > trace->number_max ? (uint32_t)number : trace->number_max;
    trace->has_sizes = space != NULL;
    *known = (uint32_t)size;
    trace->requests[trace->request_count++] = (uint32_t)number;
    return STATUS_OK;
}

static enum status parse_lines(struct trace *trace, struct slice text, char *ret_error) {
    for (uint64_t at = 1; text.size; at++) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        struct slice line = slice_part(text, 0, size);
        text = slice_part(text, end ? size + 1 : size, text.size);
        if (line.size && line.data[line.size - 1] == '\r')
            line.size--;
        if (!line.size || line.data[0] == '#')
            continue;
        TRY(parse_line(trace, line, at, ret_error));
    }
    return trace->request_count ? STATUS_OK : refuse(1, "there is no request in it", ret_error);
}

enum status trace_parse(struct trace *trace, const struct memory *memory, struct slice text,
                        char ret_error[TRACE_ERROR_SIZE]) {
    *trace = (struct trace){.memory = memory};
    enum status status = parse_lines(trace, text, ret_error);
    if (status == STATUS_NO_MEMORY)
        snprintf(ret_error, TRACE_ERROR_SIZE, "out of memory");
    if (status != STATUS_OK)
        trace_fini(trace);
    return status;
}

void trace_fini(struct trace *trace) {
    memory_give(trace->memory, trace->requests, trace->request_room * sizeof *trace->requests);
    memory_give(trace->memory, trace->sizes, (size_t)trace->size_room * sizeof *trace->sizes);
    *trace = (struct trace){.memory = trace->memory};
}

/* Box and Muller 1958. */
static double draw_normal(struct rng *rng) {
    double radius = sqrt(-2 * log(1 - rng_unit(rng)));
    return radius * cos(2 * M_PI * rng_unit(rng));
}

void trace_draw_sizes(struct trace *trace, double median, double sigma, uint64_t seed) {
    for (uint32_t number = 1; number <= trace->number_max; number++) {
        if (trace->sizes[number] == TRACE_UNSEEN)
            continue;
        struct rng rng = rng_seeded(seed * 0x9e3779b97f4a7c15u ^ (uint64_t)number << 24);
        double size = floor(median * exp(sigma * draw_normal(&rng)));
        trace->sizes[number] = size < 1 ? 1 : size > TRACE_SIZE_MAX ? TRACE_SIZE_MAX : (uint32_t)size;
    }
}

uint64_t trace_object_bytes(const struct trace *trace, uint32_t key_size) {
    uint64_t bytes = 0;
    for (uint32_t number = 1; number <= trace->number_max; number++)
        bytes += trace->sizes[number] == TRACE_UNSEEN ? 0 : (uint64_t)trace->sizes[number] + key_size;
    return bytes;
}
