#include "core/proto/resp_reply.h"

#include <math.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/number.h"
#include "core/proto/resp_put.h"

enum { SHORT_HEAD_SIZE = 4, VERBATIM_HEAD_SIZE = 4 /* "txt:" */ };

/* A head: the type byte with its line, understood. */
struct head {
    enum resp_type type;
    struct slice line; /* behind the type byte */
    uint64_t number;   /* size of a bulk string, or count of members */
    bool has_body;
    bool has_members;
};

static const char *understand_head(struct slice line, const struct resp_reply_limits *limits, struct head *ret_head);

void resp_reply_scanner_init(struct resp_reply_scanner *scanner, const struct resp_reply_limits *limits) {
    ASSERT(limits->members_max <= INT32_MAX && limits->bulk_size_max <= 1ull << 62);
    *scanner = (struct resp_reply_scanner){.limits = *limits, .left = {1}};
}

static enum resp_reply_result fail(struct resp_reply_scanner *scanner, const char *error) {
    scanner->error = error;
    return RESP_REPLY_ERROR;
}

/* Whether a value has just ended that was the whole reply; else leaves every array that it was the last member of. */
static bool value_ended(struct resp_reply_scanner *scanner) {
    scanner->left[scanner->depth]--;
    while (scanner->left[scanner->depth] == 0) {
        if (scanner->depth == 0)
            return true;
        bool attribute = scanner->attributes >> scanner->depth & 1;
        scanner->depth--;
        if (attribute)
            break;
        scanner->left[scanner->depth]--;
    }
    return false;
}

static enum resp_reply_result enter(struct resp_reply_scanner *scanner, enum resp_type type, uint64_t count) {
    if (scanner->depth == RESP_REPLY_NESTING_MAX)
        return fail(scanner, "reply nested too deep");
    scanner->depth++;
    scanner->left[scanner->depth] = count;
    scanner->attributes &= ~(1ull << scanner->depth);
    scanner->attributes |= (uint64_t)(type == RESP_ATTRIBUTE) << scanner->depth;
    return RESP_REPLY_MORE;
}

static void note_outermost(struct resp_reply_scanner *scanner, const struct head *head, size_t head_at,
                           size_t body_at) {
    scanner->item = (struct resp_reply_item){.type = head->type};
    if (head->has_members) {
        scanner->item.count = head->number;
        return;
    }
    scanner->payload_at = head->has_body ? body_at : head_at + 1;
    scanner->payload_lost = false;
    scanner->item.payload.size = head->has_body ? (size_t)head->number : head->line.size;
}

/* The line at `position`, without its end; MORE when the end is not here yet. */
static enum resp_reply_result find_line(struct resp_reply_scanner *scanner, struct slice input,
                                        struct slice *ret_line) {
    size_t at = scanner->position, from = scanner->searched > at ? scanner->searched : at;
    const uint8_t *end = input.size > from ? memchr(input.data + from, '\r', input.size - from) : NULL;
    size_t size = (end ? (size_t)(end - input.data) : input.size) - at;
    if (size > RESP_REPLY_LINE_MAX)
        return fail(scanner, "line of a reply too long");
    scanner->searched = at + size;
    if (!end || input.size - scanner->searched < RESP_LINE_END_SIZE)
        return RESP_REPLY_MORE;
    if (end[1] != '\n')
        return fail(scanner, "CR without LF in a reply");
    *ret_line = slice_make(input.data + at, size);
    return RESP_REPLY_DONE;
}

/* Reads one head. DONE: the reply ended with it. */
static enum resp_reply_result read_head(struct resp_reply_scanner *scanner, struct slice input, bool *ret_waits) {
    struct slice line;
    enum resp_reply_result result = find_line(scanner, input, &line);
    if (result != RESP_REPLY_DONE) {
        *ret_waits = true;
        return result;
    }
    struct head head;
    const char *error = understand_head(line, &scanner->limits, &head);
    if (error)
        return fail(scanner, error);
    size_t body_at = scanner->position + line.size + RESP_LINE_END_SIZE;
    if (scanner->depth == 0 && head.type != RESP_ATTRIBUTE)
        note_outermost(scanner, &head, scanner->position, body_at);
    scanner->position = body_at;
    if (head.has_members && head.number)
        return enter(scanner, head.type, head.number);
    if (head.type == RESP_ATTRIBUTE)
        return RESP_REPLY_MORE;
    if (head.has_body) {
        scanner->bulk_left = head.number + RESP_LINE_END_SIZE;
        return RESP_REPLY_MORE;
    }
    return value_ended(scanner) ? RESP_REPLY_DONE : RESP_REPLY_MORE;
}

/* Passes over the body of a bulk string, as far as it is here; its line end is checked when both bytes are. */
static enum resp_reply_result read_body(struct resp_reply_scanner *scanner, struct slice input, bool *ret_waits) {
    size_t received = input.size - scanner->position;
    if (received < scanner->bulk_left) {
        uint64_t body_left = scanner->bulk_left - RESP_LINE_END_SIZE;
        size_t passed = received < body_left ? received : (size_t)body_left;
        scanner->position += passed;
        scanner->bulk_left -= passed;
        *ret_waits = true;
        return RESP_REPLY_MORE;
    }
    scanner->position += (size_t)scanner->bulk_left;
    scanner->bulk_left = 0;
    const uint8_t *end = input.data + scanner->position - RESP_LINE_END_SIZE;
    if (end[0] != '\r' || end[1] != '\n')
        return fail(scanner, "bulk string of a reply without CR LF behind it");
    return value_ended(scanner) ? RESP_REPLY_DONE : RESP_REPLY_MORE;
}

static enum resp_reply_result skip_any(struct resp_reply_scanner *scanner, struct slice input,
                                       struct resp_reply_item *ret_item) {
    if (scanner->error)
        return RESP_REPLY_ERROR;
    ASSERT(scanner->position <= input.size);
    enum resp_reply_result result = RESP_REPLY_MORE;
    for (bool waits = false; result == RESP_REPLY_MORE && !waits;)
        result = scanner->bulk_left ? read_body(scanner, input, &waits) : read_head(scanner, input, &waits);
    if (result != RESP_REPLY_DONE)
        return result;
    if (scanner->item.payload.size && !scanner->payload_lost)
        scanner->item.payload.data = input.data + scanner->payload_at;
    scanner->item.size = scanner->position;
    *ret_item = scanner->item;
    scanner->position = scanner->searched = scanner->dropped = 0;
    scanner->left[0] = 1;
    return RESP_REPLY_DONE;
}

/* The end of a bulk string with a plain head, wholly received, or 0. */
static inline size_t skip_bulk(struct slice input, uint64_t size_max, struct slice *ret_payload) {
    const uint8_t *at = input.data + 1, *const end = input.data + input.size;
    uint64_t size = *at - (uint64_t)'0';
    if (size > 9)
        return 0;
    const uint8_t *digits_end = end - at > 10 ? at + 10 : end;
    for (at++; at < digits_end && (uint8_t)(*at - '0') <= 9; at++)
        size = size * 10 + (*at - (uint64_t)'0');
    if (input.data[1] == '0' && at != input.data + 2)
        return 0;
    if (size > size_max || end - at < RESP_LINE_END_SIZE || at[0] != '\r' || at[1] != '\n')
        return 0;
    at += RESP_LINE_END_SIZE;
    if ((uint64_t)(end - at) < size + RESP_LINE_END_SIZE || at[size] != '\r' || at[size + 1] != '\n')
        return 0;
    *ret_payload = slice_make(at, size);
    return (size_t)(at + size + RESP_LINE_END_SIZE - input.data);
}

/* The two replies that a load generator sees most, "$5\r\n..." and "+OK\r\n", take a short way. */
enum resp_reply_result resp_reply_skip(struct resp_reply_scanner *scanner, struct slice input,
                                       struct resp_reply_item *ret_item) {
    bool fresh = !scanner->position && !scanner->dropped && !scanner->error;
    if (fresh && input.size > SHORT_HEAD_SIZE) {
        struct slice payload;
        size_t size = 0;
        if (input.data[0] == '$') {
            size = skip_bulk(input, scanner->limits.bulk_size_max, &payload);
        } else if (memcmp(input.data, "+OK\r\n", 5) == 0) {
            payload = slice_make(input.data + 1, 2);
            size = 5;
        }
        if (size) {
            *ret_item =
                (struct resp_reply_item){.type = (enum resp_type)input.data[0], .payload = payload, .size = size};
            scanner->searched = 0;
            return RESP_REPLY_DONE;
        }
    }
    return skip_any(scanner, input, ret_item);
}

void resp_reply_drop(struct resp_reply_scanner *scanner, size_t size) {
    ASSERT(size <= scanner->position);
    scanner->position -= size;
    scanner->searched = scanner->searched > size ? scanner->searched - size : 0;
    scanner->dropped += size;
    if (scanner->payload_at < size)
        scanner->payload_lost = true;
    else
        scanner->payload_at -= size;
}

/* Heads */

static bool is_digits(struct slice text) {
    size_t at = text.size && (text.data[0] == '-' || text.data[0] == '+');
    if (at == text.size)
        return false;
    for (; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
    }
    return true;
}

static bool parse_double(struct slice text, double *ret_value) {
    if (slice_equal_nocase(text, SLICE("nan")) || slice_equal_nocase(text, SLICE("-nan"))) {
        *ret_value = (double)NAN;
        return true;
    }
    return decimal_parse(text, ret_value);
}

static const char *understand_scalar(struct head *head) {
    int64_t integer;
    double number;
    switch (head->type) {
        case RESP_SIMPLE:
        case RESP_SIMPLE_ERROR:
            return NULL;
        case RESP_INTEGER:
            return number_parse_i64(head->line, &integer) ? NULL : "bad integer in a reply";
        case RESP_NULL:
            return head->line.size == 0 ? NULL : "bad null in a reply";
        case RESP_DOUBLE:
            return parse_double(head->line, &number) ? NULL : "bad double in a reply";
        case RESP_BOOLEAN:
            return slice_equal(head->line, SLICE("t")) || slice_equal(head->line, SLICE("f"))
                       ? NULL
                       : "bad boolean in a reply";
        case RESP_BIG_NUMBER:
            return is_digits(head->line) ? NULL : "bad big number in a reply";
        default:
            return "unknown type of reply";
    }
}

static const char *understand_body(struct head *head, const struct resp_reply_limits *limits) {
    head->has_body = true;
    if (!number_parse_u64(head->line, &head->number))
        return "bad size of a bulk string in a reply";
    if (head->number > limits->bulk_size_max)
        return "bulk string of a reply too large";
    if (head->type == RESP_VERBATIM && head->number < VERBATIM_HEAD_SIZE)
        return "verbatim text of a reply without a format";
    return NULL;
}

static const char *understand_members(struct head *head, const struct resp_reply_limits *limits) {
    head->has_members = true;
    if (!number_parse_u64(head->line, &head->number))
        return "bad count of members in a reply";
    if (head->number > limits->members_max)
        return "too many members in a reply";
    if (head->type == RESP_MAP || head->type == RESP_ATTRIBUTE)
        head->number *= 2;
    return NULL;
}

/* NULL, or what is wrong. Streamed strings and arrays ("$?"), which Redis never sends, are refused as bad numbers. */
static const char *understand_head(struct slice line, const struct resp_reply_limits *limits, struct head *ret_head) {
    if (line.size == 0)
        return "unknown type of reply";
    *ret_head = (struct head){.type = (enum resp_type)line.data[0], .line = slice_part(line, 1, line.size)};
    if (slice_equal(line, SLICE("$-1")) || slice_equal(line, SLICE("*-1"))) {
        ret_head->type = RESP_NULL;
        ret_head->line.size = 0;
        return NULL;
    }
    if (resp_type_has_members(ret_head->type))
        return understand_members(ret_head, limits);
    if (ret_head->type == RESP_BULK || ret_head->type == RESP_VERBATIM || ret_head->type == RESP_BULK_ERROR)
        return understand_body(ret_head, limits);
    return understand_scalar(ret_head);
}

/* Trees */

struct builder {
    struct slice rest;
    struct arena *arena;
};

static enum status build_value(struct builder *builder, uint32_t depth, struct resp_value *ret_value);

/* The bytes are here, so every member has at least three of them: a count beyond that is not believed. */
static enum status build_members(struct builder *builder, uint32_t depth, struct resp_value *ret_value) {
    size_t count = ret_value->count;
    if (depth == RESP_REPLY_NESTING_MAX || count > builder->rest.size / 3)
        return STATUS_INVALID;
    ret_value->members = arena_take(builder->arena, count * sizeof *ret_value->members);
    if (!ret_value->members)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(build_value(builder, depth + 1, &ret_value->members[i]));
    return STATUS_OK;
}

static enum status take_head(struct builder *builder, struct head *ret_head) {
    static const struct resp_reply_limits limits = {.bulk_size_max = 1ull << 62, .members_max = INT32_MAX};
    const uint8_t *end = builder->rest.size ? memchr(builder->rest.data, '\r', builder->rest.size) : NULL;
    size_t size = end ? (size_t)(end - builder->rest.data) : 0;
    if (!end || builder->rest.size - size < RESP_LINE_END_SIZE ||
        understand_head(slice_part(builder->rest, 0, size), &limits, ret_head))
        return STATUS_INVALID;
    builder->rest = slice_part(builder->rest, size + RESP_LINE_END_SIZE, builder->rest.size);
    return STATUS_OK;
}

static enum status build_scalar(struct builder *builder, const struct head *head, struct resp_value *value) {
    value->text = head->line;
    if (head->has_body) {
        if (builder->rest.size < RESP_LINE_END_SIZE || builder->rest.size - RESP_LINE_END_SIZE < head->number)
            return STATUS_INVALID;
        value->text = slice_part(builder->rest, 0, head->number);
        builder->rest = slice_part(builder->rest, head->number + RESP_LINE_END_SIZE, builder->rest.size);
    }
    if (value->type == RESP_VERBATIM)
        value->text = slice_part(value->text, VERBATIM_HEAD_SIZE, value->text.size);
    if (value->type == RESP_BOOLEAN)
        value->boolean = value->text.data[0] == 't';
    bool understood = (value->type != RESP_INTEGER || number_parse_i64(value->text, &value->integer)) &&
                      (value->type != RESP_DOUBLE || parse_double(value->text, &value->number));
    ASSERT(understood);
    return STATUS_OK;
}

/* A value with the attributes before it. Several attributes: the last one counts. */
static enum status build_value(struct builder *builder, uint32_t depth, struct resp_value *ret_value) {
    const struct resp_value *attributes = NULL;
    for (;;) {
        struct head head;
        TRY(take_head(builder, &head));
        *ret_value = (struct resp_value){.type = head.type, .attributes = attributes};
        if (head.has_members) {
            if (head.number > UINT32_MAX)
                return STATUS_INVALID;
            ret_value->count = (uint32_t)head.number;
            if (head.number)
                TRY(build_members(builder, depth, ret_value));
        } else {
            TRY(build_scalar(builder, &head, ret_value));
        }
        if (head.type != RESP_ATTRIBUTE)
            return STATUS_OK;
        struct resp_value *kept = arena_take(builder->arena, sizeof *kept);
        if (!kept)
            return STATUS_NO_MEMORY;
        *kept = *ret_value;
        kept->attributes = NULL;
        attributes = kept;
    }
}

enum status resp_reply_build(struct slice bytes, struct arena *arena, struct resp_value *ret_value) {
    struct builder builder = {.rest = bytes, .arena = arena};
    struct resp_value value;
    TRY(build_value(&builder, 0, &value));
    if (builder.rest.size)
        return STATUS_INVALID;
    *ret_value = value;
    return STATUS_OK;
}

/* Requests */

enum status resp_request_write(struct buf *out, const struct slice *arguments, size_t count) {
    ASSERT(count > 0);
    size_t size = RESP_HEAD_SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t argument_size = RESP_HEAD_SIZE_MAX + RESP_LINE_END_SIZE + arguments[i].size;
        if (arguments[i].size > SIZE_MAX / 4 || size > SIZE_MAX / 4)
            return STATUS_TOO_LARGE;
        size += argument_size;
    }
    TRY(buf_reserve(out, size));
    uint8_t *at = resp_put_head(out->data + out->size, '*', count);
    for (size_t i = 0; i < count; i++) {
        at = resp_put_head(at, '$', arguments[i].size);
        at = resp_put_line_end(resp_put_bytes(at, arguments[i]));
    }
    out->size = (size_t)(at - out->data);
    return STATUS_OK;
}
