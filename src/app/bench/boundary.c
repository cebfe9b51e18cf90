#include "app/bench/boundary.h"

enum { LINE_END_SIZE = 2 };

/* A head is complete. "*0" is a request too. */
static void end_head(struct boundary *boundary, uint64_t *count) {
    if (boundary->arguments_left == 0) {
        boundary->step = boundary->number > BOUNDARY_ARGUMENTS_MAX ? BOUNDARY_BROKEN : BOUNDARY_TYPE;
        boundary->arguments_left = (uint32_t)boundary->number;
        *count += boundary->number == 0;
        return;
    }
    boundary->step = BOUNDARY_BODY;
    boundary->number += LINE_END_SIZE;
}

static inline void step_head(struct boundary *boundary, uint8_t byte, uint64_t *count) {
    switch (boundary->step) {
        case BOUNDARY_TYPE:
            boundary->step = byte == (boundary->arguments_left ? '$' : '*') ? BOUNDARY_FIRST : BOUNDARY_BROKEN;
            boundary->number = 0;
            break;
        case BOUNDARY_DIGITS:
            if (byte == '\r') {
                boundary->step = BOUNDARY_LF;
                break;
            }
            /* fall through */
        case BOUNDARY_FIRST:
            boundary->number = boundary->number * 10 + (uint8_t)(byte - '0');
            boundary->step = (uint8_t)(byte - '0') <= 9 && boundary->number <= BOUNDARY_ARGUMENT_SIZE_MAX
                                 ? BOUNDARY_DIGITS
                                 : BOUNDARY_BROKEN;
            break;
        case BOUNDARY_LF:
            if (byte == '\n')
                end_head(boundary, count);
            else
                boundary->step = BOUNDARY_BROKEN;
            break;
        default:
            boundary->step = BOUNDARY_BROKEN;
    }
}

enum status boundary_count(struct boundary *boundary, struct slice input, uint64_t *ret_count) {
    struct boundary now = *boundary;
    const uint8_t *at = input.data, *const end = input.data + input.size;
    uint64_t count = 0;
    while (at < end && now.step != BOUNDARY_BROKEN) {
        if (now.step != BOUNDARY_BODY) {
            step_head(&now, *at++, &count);
            continue;
        }
        uint64_t received = (uint64_t)(end - at), passed = received < now.number ? received : now.number;
        at += passed;
        now.number -= passed;
        if (now.number)
            break;
        now.step = BOUNDARY_TYPE;
        count += --now.arguments_left == 0;
    }
    *boundary = now;
    if (now.step == BOUNDARY_BROKEN)
        return STATUS_INVALID;
    *ret_count = count;
    return STATUS_OK;
}
