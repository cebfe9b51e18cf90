#include "app/bench/memcached_reply.h"

#include "base/assert.h"
#include "base/number.h"

enum { LINE_END_SIZE = 2 };

static enum memcached_reply_result fail(struct memcached_scanner *scanner, const char *error) {
    scanner->error = error;
    return MEMCACHED_REPLY_ERROR;
}

/* The size of the value that a line "VALUE key flags size" or "VALUE key flags size unique" announces. */
static bool parse_value_line(struct slice line, uint64_t *ret_size) {
    size_t at = 0;
    for (int words = 0; words < 3; words++) {
        const uint8_t *space = line.size > at ? memchr(line.data + at, ' ', line.size - at) : NULL;
        if (!space)
            return false;
        at = (size_t)(space - line.data) + 1;
    }
    const uint8_t *space = memchr(line.data + at, ' ', line.size - at);
    size_t end = space ? (size_t)(space - line.data) : line.size;
    return number_parse_u64(slice_part(line, at, end - at), ret_size) && *ret_size <= UINT64_MAX - LINE_END_SIZE;
}

static enum memcached_reply_result done(struct memcached_scanner *scanner, enum memcached_reply_kind kind,
                                        struct slice payload, struct memcached_reply *ret_reply) {
    *ret_reply = (struct memcached_reply){kind, payload, scanner->position};
    *scanner = (struct memcached_scanner){0};
    return MEMCACHED_REPLY_DONE;
}

static enum memcached_reply_result read_line(struct memcached_scanner *scanner, struct slice input, struct slice line,
                                             struct memcached_reply *ret_reply) {
    size_t begin = scanner->position;
    uint64_t size;
    scanner->position += line.size + LINE_END_SIZE;
    if (slice_starts_with(line, SLICE("VALUE "))) {
        if (!parse_value_line(line, &size))
            return fail(scanner, "bad VALUE line in a reply");
        scanner->body_left = size + LINE_END_SIZE;
        scanner->payload_at = scanner->position;
        scanner->payload_size = size;
        scanner->has_value = true;
        scanner->payload_lost = false;
        return MEMCACHED_REPLY_MORE;
    }
    if (slice_equal(line, SLICE("END"))) {
        const uint8_t *data = scanner->payload_lost ? NULL : input.data + scanner->payload_at;
        bool has_value = scanner->has_value;
        return done(scanner, has_value ? MEMCACHED_VALUE : MEMCACHED_MISS,
                    slice_make(has_value ? data : NULL, scanner->payload_size), ret_reply);
    }
    if (scanner->has_value)
        return fail(scanner, "no END behind a value");
    if (slice_equal(line, SLICE("STORED")))
        return done(scanner, MEMCACHED_STORED, slice_make(NULL, 0), ret_reply);
    if (slice_equal(line, SLICE("ERROR")) || slice_equal(line, SLICE("NOT_STORED")) ||
        slice_starts_with(line, SLICE("CLIENT_ERROR")) || slice_starts_with(line, SLICE("SERVER_ERROR")))
        return done(scanner, MEMCACHED_REFUSED, slice_make(input.data + begin, line.size), ret_reply);
    return fail(scanner, "a reply that memcached does not make");
}

static enum memcached_reply_result read_body(struct memcached_scanner *scanner, struct slice input) {
    size_t received = input.size - scanner->position;
    if (received < scanner->body_left) {
        uint64_t value_left = scanner->body_left - LINE_END_SIZE;
        size_t passed = received < value_left ? received : (size_t)value_left;
        scanner->position += passed;
        scanner->body_left -= passed;
        return MEMCACHED_REPLY_MORE;
    }
    scanner->position += (size_t)scanner->body_left;
    scanner->body_left = 0;
    if (memcmp(input.data + scanner->position - LINE_END_SIZE, "\r\n", LINE_END_SIZE) != 0)
        return fail(scanner, "a value without CR LF behind it");
    return MEMCACHED_REPLY_MORE;
}

enum memcached_reply_result memcached_reply_skip(struct memcached_scanner *scanner, struct slice input,
                                                 struct memcached_reply *ret_reply) {
    if (scanner->error)
        return MEMCACHED_REPLY_ERROR;
    ASSERT(scanner->position <= input.size);
    for (;;) {
        enum memcached_reply_result result;
        if (scanner->body_left) {
            result = read_body(scanner, input);
            if (result != MEMCACHED_REPLY_MORE || scanner->body_left)
                return result;
        }
        size_t left = input.size - scanner->position;
        const uint8_t *from = input.data + scanner->position, *end = left ? memchr(from, '\n', left) : NULL;
        if ((end ? (size_t)(end - from) : left) > MEMCACHED_REPLY_LINE_MAX)
            return fail(scanner, "line of a reply too long");
        if (!end)
            return MEMCACHED_REPLY_MORE;
        if (end == from || end[-1] != '\r')
            return fail(scanner, "LF without CR in a reply");
        result = read_line(scanner, input, slice_make(from, (size_t)(end - from) - 1), ret_reply);
        if (result != MEMCACHED_REPLY_MORE)
            return result;
    }
}

void memcached_reply_drop(struct memcached_scanner *scanner, size_t size) {
    ASSERT(size <= scanner->position);
    scanner->position -= size;
    if (scanner->payload_at < size)
        scanner->payload_lost = true;
    else
        scanner->payload_at -= size;
}
