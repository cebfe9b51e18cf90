#include "core/proto/resp_request.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/hex.h"
#include "base/number.h"
#include "core/proto/resp_escape.h"

#define BULK_SIZE_UNKNOWN UINT64_MAX
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

enum {
    CAPACITY_FIRST = 16,  /* arguments; doubles from here */
    CAPACITY_KEPT = 1024, /* a larger table is given back after its request: 16 KiB a connection stay */
    LINE_END_SIZE = 2,
    SHORT_HEAD_SIZE = 4, /* "$3\r\n" */
};

static_assert(sizeof(size_t) == 8, "sizes of bulk strings are added up in size_t");

/* What the helpers answer: the caller's results, or that reading goes on. */
enum step {
    STEP_REQUEST = RESP_REQUEST,
    STEP_MORE = RESP_MORE,
    STEP_LARGE = RESP_LARGE,
    STEP_ERROR = RESP_ERROR,
    STEP_ON, /* this part is done, the next one follows */
};

static enum step begin_request(struct resp_parser *parser, struct slice input, const struct resp_limits *limits);
static void read_short_arguments(struct resp_parser *parser, struct slice input, const struct resp_limits *limits);
static enum step read_argument(struct resp_parser *parser, struct slice input, const struct resp_limits *limits);
static void follow_input(struct resp_parser *parser, struct slice input);
static void give_surplus_back(struct resp_parser *parser);

void resp_parser_init(struct resp_parser *parser, const struct memory *memory) {
    ASSERT(memory);
    *parser = (struct resp_parser){.memory = memory, .bulk_size = BULK_SIZE_UNKNOWN, .large_index = -1};
}

void resp_parser_fini(struct resp_parser *parser) {
    if (!parser || !parser->memory)
        return;
    memory_give(parser->memory, parser->arguments, parser->capacity * sizeof *parser->arguments);
    memory_give(parser->memory, parser->text, parser->text_size);
    resp_parser_init(parser, parser->memory);
}

enum resp_result resp_parse(struct resp_parser *parser, struct slice input, const struct resp_limits *limits,
                            struct resp_request *ret_request) {
    ASSERT(parser->position <= input.size);
    if (parser->error)
        return RESP_ERROR;
    enum step step = STEP_ON;
    if (!parser->announced)
        step = begin_request(parser, input, limits);
    else
        follow_input(parser, input);

    while (step == STEP_ON) {
        if (parser->bulk_size == BULK_SIZE_UNKNOWN)
            read_short_arguments(parser, input, limits);
        step = parser->count == parser->announced ? STEP_REQUEST : read_argument(parser, input, limits);
    }
    if (step != STEP_REQUEST)
        return (enum resp_result)step;

    *ret_request = (struct resp_request){
        .arguments = parser->arguments,
        .count = parser->count,
        .begins_at = parser->start,
        .size = parser->position - parser->start,
        .large_index = parser->large_index,
    };
    parser->start = parser->position;
    parser->announced = 0;
    parser->large_index = -1;
    parser->busy = parser->surplus;
    return RESP_REQUEST;
}

void resp_parser_drop(struct resp_parser *parser, size_t size) {
    ASSERT(size <= resp_parser_droppable(parser));
    parser->position -= size;
    parser->searched = parser->searched > size ? parser->searched - size : 0;
    parser->start = parser->start > size ? parser->start - size : 0;
    parser->base += size;
}

/* The input stands elsewhere than at the last call: the arguments known so far go along. */
static void follow_input(struct resp_parser *parser, struct slice input) {
    uintptr_t base = (uintptr_t)input.data;
    if (parser->base == base)
        return;
    for (uint32_t i = 0; i < parser->count; i++) {
        if ((int64_t)i != parser->large_index)
            parser->arguments[i].data = (const uint8_t *)((uintptr_t)parser->arguments[i].data - parser->base + base);
    }
    parser->base = base;
}

struct resp_large resp_parser_large(struct resp_parser *parser, struct slice input) {
    ASSERT(parser->bulk_size != BULK_SIZE_UNKNOWN);
    follow_input(parser, input);
    return (struct resp_large){
        .arguments = parser->arguments,
        .count = parser->count,
        .announced = parser->announced,
        .size = parser->bulk_size,
        .begins_at = parser->position,
    };
}

void resp_parser_large_taken(struct resp_parser *parser) {
    ASSERT(parser->bulk_size != BULK_SIZE_UNKNOWN && parser->large_index < 0);
    parser->large_index = (int32_t)parser->count;
}

void resp_parser_large_refused(struct resp_parser *parser) {
    ASSERT(parser->bulk_size != BULK_SIZE_UNKNOWN && parser->large_index < 0);
    parser->large_refused = true;
}

static enum step fail(struct resp_parser *parser, const char *error) {
    parser->error = error;
    parser->busy = true;
    return STEP_ERROR;
}

static enum step fail_expected_bulk(struct resp_parser *parser, uint8_t got) {
    snprintf(parser->error_text, sizeof parser->error_text, "ERR Protocol error: expected '$', got '%c'",
             got ? got : ' ');
    return fail(parser, parser->error_text);
}

static void give_surplus_back(struct resp_parser *parser) {
    parser->surplus = parser->busy = false;
    memory_give(parser->memory, parser->text, parser->text_size);
    parser->text = NULL;
    parser->text_size = 0;
    if (parser->capacity > CAPACITY_KEPT) {
        memory_give(parser->memory, parser->arguments, parser->capacity * sizeof *parser->arguments);
        parser->arguments = NULL;
        parser->capacity = 0;
    }
}

static bool grow_table(struct resp_parser *parser) {
    uint32_t capacity = parser->capacity ? parser->capacity * 2 : CAPACITY_FIRST;
    struct slice *arguments =
        parser->memory->resize(parser->memory->context, parser->arguments, parser->capacity * sizeof *parser->arguments,
                               capacity * sizeof *parser->arguments);
    if (!arguments) {
        (void)fail(parser, "ERR out of memory");
        return false;
    }
    parser->arguments = arguments;
    parser->capacity = capacity;
    parser->surplus |= capacity > CAPACITY_KEPT;
    return true;
}

/* Looks for the byte that ends the line at `position`; the line may have inline_size_max bytes before it. True with its
 * offset; else `ret_step` says whether to wait or that the line is `too_long`. */
static bool find_line_end(struct resp_parser *parser, struct slice input, const struct resp_limits *limits, int byte,
                          const char *too_long, size_t *ret_end, enum step *ret_step) {
    size_t from = parser->searched > parser->position ? parser->searched : parser->position;
    size_t until = input.size;
    bool limited = until - parser->position > limits->inline_size_max;
    if (limited)
        until = parser->position + limits->inline_size_max + 1;
    const uint8_t *end = until > from ? memchr(input.data + from, byte, until - from) : NULL;
    if (end) {
        *ret_end = (size_t)(end - input.data);
        return true;
    }
    parser->searched = until;
    *ret_step = limited ? fail(parser, too_long) : STEP_MORE;
    return false;
}

/* Reads the number between the type byte at `position` and the line's CR. As in Redis, whatever byte follows the CR counts as
 * the LF. */
static enum step read_head(struct resp_parser *parser, struct slice input, const struct resp_limits *limits,
                           const char *too_long, struct slice *ret_digits, size_t *ret_next) {
    size_t end;
    enum step step;
    if (!find_line_end(parser, input, limits, '\r', too_long, &end, &step))
        return step;
    if (input.size - end < LINE_END_SIZE) {
        parser->searched = end;
        return STEP_MORE;
    }
    *ret_digits =
        slice_make(input.data + parser->position + 1, end > parser->position ? end - parser->position - 1 : 0);
    *ret_next = end + LINE_END_SIZE;
    return STEP_ON;
}

static enum step begin_array(struct resp_parser *parser, struct slice input, const struct resp_limits *limits) {
    struct slice digits;
    size_t next;
    enum step step = read_head(parser, input, limits, "ERR Protocol error: too big mbulk count string", &digits, &next);
    if (step != STEP_ON)
        return step;
    int64_t count;
    if (!number_parse_i64(digits, &count) || count > INT32_MAX)
        return fail(parser, "ERR Protocol error: invalid multibulk length");
    if (count > limits->arguments_max)
        return fail(parser, limits->unauthenticated ? "ERR Protocol error: unauthenticated multibulk length"
                                                    : "ERR Protocol error: invalid multibulk length");
    parser->position = next;
    parser->announced = count > 0 ? (uint32_t)count : 0;
    parser->busy |= count > 0;
    return STEP_ON;
}

static enum step read_inline(struct resp_parser *parser, struct slice input, const struct resp_limits *limits);

/* Skips empty requests and reads the head of an array, or a whole inline command. */
static enum step begin_request(struct resp_parser *parser, struct slice input, const struct resp_limits *limits) {
    parser->count = 0;
    parser->base = (uintptr_t)input.data;
    if (UNLIKELY(parser->surplus))
        give_surplus_back(parser);
    enum step step = STEP_ON;
    while (step == STEP_ON && !parser->announced) {
        if (parser->position == input.size)
            return STEP_MORE;
        step = input.data[parser->position] == '*' ? begin_array(parser, input, limits)
                                                   : read_inline(parser, input, limits);
    }
    return step;
}

/* Little-endian patterns of heads with one and two digits: "$d\r\n", "*d\r\n" and "$dd\r". */
#define HEAD_MASK_1 0xffff00ffu
#define HEAD_MASK_2 0xff0000ffu
#define HEAD_BULK_1 ((uint32_t)'$' | (uint32_t)'\r' << 16 | (uint32_t)'\n' << 24)
#define HEAD_ARRAY_1 ((uint32_t)'*' | (uint32_t)'\r' << 16 | (uint32_t)'\n' << 24)
#define HEAD_BULK_2 ((uint32_t)'$' | (uint32_t)'\r' << 24)

static inline uint32_t load_head(const uint8_t *at) {
    uint32_t head;
    memcpy(&head, at, sizeof head);
    return le32toh(head);
}

/* The body of a bulk string whose head is well formed, of two to nine digits and wholly received; else NULL. */
static inline const uint8_t *long_head(const uint8_t *at, const uint8_t *end, uint64_t *ret_size) {
    uint64_t size = at[1] - (uint64_t)'0';
    if (at[0] != '$' || size - 1 > 8)
        return NULL;
    const uint8_t *digits_end = end - at > 10 ? at + 10 : end;
    for (at += 2; at < digits_end; at++) {
        unsigned digit = *at - (unsigned)'0';
        if (digit > 9)
            break;
        size = size * 10 + digit;
    }
    if (end - at < LINE_END_SIZE || at[0] != '\r' || at[1] != '\n')
        return NULL;
    *ret_size = size;
    return at + LINE_END_SIZE;
}

/* Reads an argument that is complete and has a plain head; answers what is behind it. NULL: leave it to read_argument. Two digits are
 * the usual case. */
static inline const uint8_t *short_argument(const uint8_t *at, const uint8_t *end, uint64_t size_max,
                                            struct slice *ret_argument) {
    if (end - at < SHORT_HEAD_SIZE + LINE_END_SIZE)
        return NULL;
    const uint8_t *body;
    uint64_t size;
    uint32_t head = load_head(at), first = (head >> 8 & 0xff) - '0', second = (head >> 16 & 0xff) - '0';
    if ((head & HEAD_MASK_2) == HEAD_BULK_2 && first - 1 <= 8 && second <= 9 && at[SHORT_HEAD_SIZE] == '\n') {
        size = first * 10 + second;
        body = at + SHORT_HEAD_SIZE + 1;
    } else if ((head & HEAD_MASK_1) == HEAD_BULK_1 && first <= 9) {
        size = first;
        body = at + SHORT_HEAD_SIZE;
    } else {
        body = long_head(at, end, &size);
        if (!body)
            return NULL;
    }
    if (size > size_max || (uint64_t)(end - body) < size + LINE_END_SIZE)
        return NULL;
    *ret_argument = (struct slice){body, size};
    return body + size + LINE_END_SIZE;
}

static inline uint64_t load_word(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

/* A head is "*d\r\n$d\r\n", the name, CR LF (as everywhere, no one looks at these two). */
enum {
    NAME_AT = 2 * SHORT_HEAD_SIZE,
    HEAD_SIZE_MAX = NAME_AT + RESP_SHORT_NAME_MAX + LINE_END_SIZE,
    WORD_SIZE = 8,
};
static_assert(HEAD_SIZE_MAX <= 3 * WORD_SIZE, "three words cover a head, overlapping in the middle");

/* By the name's first bytes and the number of arguments. */
static inline struct resp_head *head_slot(struct resp_heads *heads, const uint8_t *at) {
    uint32_t mixed = (load_head(at + NAME_AT) + at[1]) * 0x9e3779b1u;
    return &heads->slots[mixed >> 27];
}
static_assert(RESP_HEADS == 1 << (32 - 27), "the slot is the upper bits of a hash of 32");

static inline bool is_head(const struct resp_head *head, const uint8_t *at) {
    return load_word(at) == head->front && load_word(at + head->middle_at) == head->middle &&
           load_word(at + head->back_at) == head->back;
}

/* Notes the head at `at`, where HEAD_SIZE_MAX bytes are to be read. False: it is none that is kept. Not inlined: it happens once a
 * command. */
static __attribute__((noinline)) bool note_head(struct resp_head *head, const uint8_t *at) {
    uint32_t array = load_head(at), bulk = load_head(at + SHORT_HEAD_SIZE);
    uint32_t count = (array >> 8 & 0xff) - '0', name_size = (bulk >> 8 & 0xff) - '0';
    if ((array & HEAD_MASK_1) != HEAD_ARRAY_1 || (bulk & HEAD_MASK_1) != HEAD_BULK_1 ||
        count - 1 >= RESP_SHORT_ARGUMENTS_MAX || name_size - 1 >= RESP_SHORT_NAME_MAX)
        return false;
    uint32_t size = NAME_AT + name_size + LINE_END_SIZE, back_at = size - WORD_SIZE, middle_at = back_at / 2;
    *head = (struct resp_head){
        .front = load_word(at),
        .middle = load_word(at + middle_at),
        .back = load_word(at + back_at),
        .size = (uint8_t)size,
        .middle_at = (uint8_t)middle_at,
        .back_at = (uint8_t)back_at,
        .count = (uint8_t)count,
    };
    return true;
}

void resp_heads_init(struct resp_heads *heads) {
    /* No bytes equal a head whose first words differ though they stand at the same place. */
    for (uint32_t i = 0; i < RESP_HEADS; i++)
        heads->slots[i] = (struct resp_head){.front = 1, .middle = 2};
}

bool resp_parse_short(struct resp_parser *parser, struct slice input, const struct resp_limits *limits,
                      struct resp_heads *heads, struct slice *arguments, struct resp_request *ret_request) {
    if (parser->busy || (int64_t)(input.size - parser->position) < HEAD_SIZE_MAX)
        return false;
    const uint8_t *at = input.data + parser->position, *const end = input.data + input.size;
    struct resp_head *head = head_slot(heads, at);
    if (UNLIKELY(!is_head(head, at)) && !note_head(head, at))
        return false;
    const uint32_t count = head->count, size = head->size;
    arguments[0] = (struct slice){at + NAME_AT, size - (NAME_AT + LINE_END_SIZE)};
    at += size;
    for (struct slice *argument = arguments + 1; argument < arguments + count; argument++) {
        at = short_argument(at, end, limits->bulk_size_max, argument);
        if (!at)
            return false;
    }
    size_t start = parser->start, position = (size_t)(at - input.data);
    parser->start = parser->position = position;
    *ret_request = (struct resp_request){
        .arguments = arguments,
        .count = count,
        .begins_at = start,
        .size = position - start,
        .large_index = -1,
        .head = head,
    };
    return true;
}

/* Complete arguments with plain heads, as far as the table has room. */
static void read_short_arguments(struct resp_parser *parser, struct slice input, const struct resp_limits *limits) {
    if (!parser->arguments)
        return;
    const uint8_t *at = input.data + parser->position, *const end = input.data + input.size;
    uint32_t count_max = parser->announced < parser->capacity ? parser->announced : parser->capacity;
    struct slice *argument = parser->arguments + parser->count, *const argument_end = parser->arguments + count_max;
    while (argument < argument_end) {
        const uint8_t *next = short_argument(at, end, limits->bulk_size_max, argument);
        if (!next)
            break;
        at = next;
        argument++;
    }
    parser->count = (uint32_t)(argument - parser->arguments);
    parser->position = (size_t)(at - input.data);
}

static enum step read_bulk_head(struct resp_parser *parser, struct slice input, const struct resp_limits *limits) {
    struct slice digits;
    size_t next;
    enum step step = read_head(parser, input, limits, "ERR Protocol error: too big bulk count string", &digits, &next);
    if (step != STEP_ON)
        return step;
    if (input.data[parser->position] != '$')
        return fail_expected_bulk(parser, input.data[parser->position]);
    uint64_t size;
    if (!number_parse_u64(digits, &size) || size > INT64_MAX)
        return fail(parser, "ERR Protocol error: invalid bulk length");
    if (size > limits->bulk_size_max)
        return fail(parser, limits->unauthenticated && size <= RESP_BULK_MAX
                                ? "ERR Protocol error: unauthenticated bulk length"
                                : "ERR Protocol error: invalid bulk length");
    parser->bulk_size = size;
    parser->position = next;
    return STEP_ON;
}

/* Any argument, in any state of arrival. As in Redis, the two bytes behind a bulk string are not looked at. */
static enum step read_argument(struct resp_parser *parser, struct slice input, const struct resp_limits *limits) {
    if (parser->count == parser->capacity && !grow_table(parser))
        return STEP_ERROR;
    if (parser->bulk_size == BULK_SIZE_UNKNOWN) {
        enum step step = read_bulk_head(parser, input, limits);
        if (step != STEP_ON)
            return step;
    }
    bool elsewhere = parser->large_index == (int64_t)parser->count;
    uint64_t size = parser->bulk_size, size_here = elsewhere ? 0 : size;
    if (input.size - parser->position < size_here + LINE_END_SIZE) {
        bool large = limits->large_size_min && size >= limits->large_size_min && parser->count > 0 &&
                     parser->large_index < 0 && !parser->large_refused;
        return large ? STEP_LARGE : STEP_MORE;
    }
    parser->arguments[parser->count++] = slice_make(elsewhere ? NULL : input.data + parser->position, size);
    parser->position += size_here + LINE_END_SIZE;
    parser->bulk_size = BULK_SIZE_UNKNOWN;
    parser->large_refused = false;
    return STEP_ON;
}

/* Inline commands: words of a line, for people who type. */

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Vertical tabs and form feeds part words only at their beginning, as in Redis. */
static bool ends_word(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Copies what stands between quotes, `*at` being behind the opening one; false when it does not end as it should. */
static bool unquote(struct slice line, size_t *at, uint8_t quote, uint8_t **out) {
    size_t i = *at;
    while (i < line.size && line.data[i] != quote) {
        const uint8_t *c = line.data + i;
        size_t left = line.size - i;
        if (*c != '\\' || left < 2) {
            *(*out)++ = *c;
            i++;
        } else if (quote == '\'') {
            bool is_quote = c[1] == '\'';
            *(*out)++ = is_quote ? '\'' : '\\';
            i += is_quote ? 2 : 1;
        } else if (c[1] == 'x' && left >= 4 && hex_value(c[2]) >= 0 && hex_value(c[3]) >= 0) {
            *(*out)++ = (uint8_t)(hex_value(c[2]) * 16 + hex_value(c[3]));
            i += 4;
        } else {
            *(*out)++ = resp_unescape(c[1]);
            i += 2;
        }
    }
    if (i == line.size)
        return false;
    *at = i + 1;
    return *at == line.size || is_space(line.data[*at]);
}

/* Copies the word at `*at`, which has quotes in it; the part in quotes ends it. */
static bool unquote_word(struct slice line, size_t *at, uint8_t **out) {
    for (; *at < line.size && !ends_word(line.data[*at]); (*at)++) {
        uint8_t c = line.data[*at];
        if (c == '"' || c == '\'') {
            (*at)++;
            return unquote(line, at, c, out);
        }
        *(*out)++ = c;
    }
    return true;
}

/* Room for every unquoted word of the line, which are never longer than the line. */
static bool take_text(struct resp_parser *parser, struct slice line) {
    parser->text = memory_take(parser->memory, line.size);
    if (!parser->text) {
        (void)fail(parser, "ERR out of memory");
        return false;
    }
    parser->text_size = line.size;
    parser->surplus = true;
    return true;
}

static enum step split_line(struct resp_parser *parser, struct slice line) {
    uint8_t *out = NULL;
    for (size_t at = 0;;) {
        while (at < line.size && is_space(line.data[at]))
            at++;
        if (at == line.size)
            return STEP_ON;
        if (parser->count == parser->capacity && !grow_table(parser))
            return STEP_ERROR;
        size_t end = at;
        while (end < line.size && !ends_word(line.data[end]) && line.data[end] != '"' && line.data[end] != '\'')
            end++;
        struct slice word = slice_make(line.data + at, end - at);
        if (end < line.size && !ends_word(line.data[end])) {
            if (!out && !take_text(parser, line))
                return STEP_ERROR;
            uint8_t *begin = out ? out : parser->text;
            out = begin;
            if (!unquote_word(line, &at, &out))
                return fail(parser, "ERR Protocol error: unbalanced quotes in request");
            word = slice_make(begin, (size_t)(out - begin));
            end = at;
        }
        parser->arguments[parser->count++] = word;
        at = end;
    }
}

static enum step read_inline(struct resp_parser *parser, struct slice input, const struct resp_limits *limits) {
    size_t end;
    enum step step;
    if (!find_line_end(parser, input, limits, '\n', "ERR Protocol error: too big inline request", &end, &step))
        return step;
    size_t size = end - parser->position;
    if (size && input.data[end - 1] == '\r')
        size--;
    step = split_line(parser, slice_make(input.data + parser->position, size));
    if (step != STEP_ON)
        return step;
    parser->position = end + 1;
    return parser->count ? STEP_REQUEST : STEP_ON;
}
