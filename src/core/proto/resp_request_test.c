#include "core/proto/resp_request.h"

#include "base/buf.h"
#include "base/rng.h"
#include "scarce.h"
#include "unit.h"

static const struct resp_limits usual = {
    .arguments_max = RESP_ARGUMENTS_MAX,
    .bulk_size_max = RESP_BULK_MAX,
    .inline_size_max = RESP_INLINE_MAX,
};

/* A transcript of everything the parser said: "[SET|k|v]" for a request, "!text" for an error, "..." for unfinished. Bytes
 * that would not show are written as \HH. */
static void note(struct buf *out, const char *text) {
    assert_int_equal(buf_append(out, text, strlen(text)), STATUS_OK);
}

static void note_argument(struct buf *out, struct slice argument) {
    for (size_t i = 0; i < argument.size; i++) {
        uint8_t c = argument.data[i];
        if (c < ' ' || c > '~' || c == '\\' || c == '|')
            assert_int_equal(buf_printf(out, "\\%02x", c), STATUS_OK);
        else
            assert_int_equal(buf_append(out, &c, 1), STATUS_OK);
    }
}

static void note_request(struct buf *out, const struct resp_request *request) {
    for (uint32_t i = 0; i < request->count; i++) {
        note(out, i ? "|" : "[");
        note_argument(out, request->arguments[i]);
    }
    note(out, "]");
}

/* Feeds the input in pieces, each in fresh memory, so that moved input and reads beyond the end are noticed. */
struct feeder {
    struct resp_parser parser;
    struct slice input;
    size_t dropped, seen; /* of `input` */
    struct buf transcript;
    bool drop_each; /* after each request, instead of after each piece */
    const struct resp_limits *limits;
    bool quick; /* by resp_parse_short as far as it goes */
    struct resp_heads heads;
    struct slice arguments[RESP_SHORT_ARGUMENTS_MAX];
};

static void feeder_init(struct feeder *feeder, struct slice input, const struct resp_limits *limits) {
    *feeder = (struct feeder){.input = input, .limits = limits};
    resp_parser_init(&feeder->parser, &memory_libc);
    resp_heads_init(&feeder->heads);
    buf_init(&feeder->transcript, &memory_libc);
}

static void feeder_fini(struct feeder *feeder) {
    resp_parser_fini(&feeder->parser);
    buf_fini(&feeder->transcript);
}

static enum resp_result feeder_next(struct feeder *feeder, struct slice input, struct resp_request *ret_request) {
    if (feeder->quick &&
        resp_parse_short(&feeder->parser, input, feeder->limits, &feeder->heads, feeder->arguments, ret_request)) {
        assert_true(ret_request->head && ret_request->arguments == feeder->arguments && ret_request->large_index == -1);
        return RESP_REQUEST;
    }
    enum resp_result result = resp_parse(&feeder->parser, input, feeder->limits, ret_request);
    assert_true(result != RESP_REQUEST || !ret_request->head);
    return result;
}

static void feed_until(struct feeder *feeder, size_t until) {
    feeder->seen = until;
    size_t size = until - feeder->dropped, at = 0;
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, feeder->input.data + feeder->dropped, size);
    struct resp_request request;
    enum resp_result result;
    while ((result = feeder_next(feeder, slice_make(copy + at, size - at), &request)) == RESP_REQUEST) {
        note_request(&feeder->transcript, &request);
        assert_true(request.begins_at + request.size == feeder->parser.position);
        assert_true(request.size > 0 && request.size <= resp_parser_droppable(&feeder->parser));
        if (feeder->drop_each) {
            at += resp_parser_droppable(&feeder->parser);
            resp_parser_drop(&feeder->parser, resp_parser_droppable(&feeder->parser));
        }
    }
    assert_int_not_equal(result, RESP_LARGE);
    if (result == RESP_MORE) {
        at += resp_parser_droppable(&feeder->parser);
        resp_parser_drop(&feeder->parser, resp_parser_droppable(&feeder->parser));
        feeder->dropped += at;
    }
    free(copy);
}

static void feeder_end(struct feeder *feeder, size_t *ret_unread) {
    if (feeder->parser.error) {
        note(&feeder->transcript, "!");
        note(&feeder->transcript, feeder->parser.error);
    } else if (feeder->dropped < feeder->seen) {
        note(&feeder->transcript, "...");
    }
    *ret_unread = feeder->seen - feeder->dropped;
    assert_int_equal(buf_append(&feeder->transcript, "", 1), STATUS_OK);
}

static void expect_fed_by(bool quick, struct slice input, size_t piece, size_t cut, bool drop_each,
                          const struct resp_limits *limits, const char *expected) {
    struct feeder feeder;
    feeder_init(&feeder, input, limits);
    feeder.drop_each = drop_each;
    feeder.quick = quick;
    for (size_t at = 0; at < input.size && !feeder.parser.error;) {
        size_t until = cut && at < cut ? cut : at + piece;
        at = until < input.size ? until : input.size;
        feed_until(&feeder, at);
    }
    size_t unread;
    feeder_end(&feeder, &unread);
    if (strcmp((char *)feeder.transcript.data, expected) != 0)
        fail_msg("piece %zu, cut %zu: got %s, not %s", piece, cut, (char *)feeder.transcript.data, expected);
    feeder_fini(&feeder);
}

static void expect_fed(struct slice input, size_t piece, size_t cut, bool drop_each, const struct resp_limits *limits,
                       const char *expected) {
    expect_fed_by(false, input, piece, cut, drop_each, limits, expected);
    if (limits->arguments_max >= RESP_SHORT_ARGUMENTS_MAX && limits->bulk_size_max >= RESP_SHORT_NAME_MAX)
        expect_fed_by(true, input, piece, cut, drop_each, limits, expected);
}

/* Whole, byte by byte, and cut in two at every point (at 300 points of a long input). */
static void expect_limited(struct slice input, const struct resp_limits *limits, const char *expected) {
    expect_fed(input, input.size, 0, false, limits, expected);
    expect_fed(input, input.size, 0, true, limits, expected);
    expect_fed(input, input.size < 4096 ? 1 : 1009, 0, true, limits, expected);
    for (size_t cut = 1; cut < input.size; cut += 1 + input.size / 300)
        expect_fed(input, input.size, cut, false, limits, expected);
}

static void expect(struct slice input, const char *expected) { expect_limited(input, &usual, expected); }

#define EXPECT(literal, expected) expect(SLICE(literal), expected)

static void arrays_of_bulk_strings_are_requests(void **state) {
    EXPECT("*1\r\n$4\r\nPING\r\n", "[PING]");
    EXPECT("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n", "[SET|k|hello]");
    EXPECT("*2\r\n$0\r\n\r\n$0\r\n\r\n", "[|]");
    EXPECT("*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n", "[GET|0123456789]");
    EXPECT("*2\r\n$3\r\nGET\r\n$4\r\n\r\n*1\r\n", "[GET|\\0d\\0a*1]");
    EXPECT(
        "*10\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n"
        "$1\r\nj\r\n",
        "[a|b|c|d|e|f|g|h|i|j]");
    (void)state;
}

static void requests_follow_each_other(void **state) {
    EXPECT("*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", "[PING][ECHO|hi]");
    EXPECT("PING\r\n*1\r\n$4\r\nPING\r\nPING x\n*1\r\n$1\r\na\r\n", "[PING][PING][PING|x][a]");
    EXPECT("*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nh", "[PING]...");
    (void)state;
}

/* Each as redis-server 7.0.15 does it. */
static void empty_requests_are_skipped(void **state) {
    EXPECT("*0\r\n*1\r\n$4\r\nPING\r\n", "[PING]");
    EXPECT("*-1\r\nPING\r\n", "[PING]");
    EXPECT("*-2147483649\r\nPING\r\n", "[PING]");
    EXPECT("\r\n\r\nPING\r\n\r\n", "[PING]");
    EXPECT("\n \t\x0b\x0c\nPING\n", "[PING]");
    EXPECT("", "");
    (void)state;
}

static void two_bytes_end_a_line_whatever_they_are(void **state) {
    EXPECT("*1\rX$4\rXPINGXXPING\r\n", "[PING][PING]");
    EXPECT("*1\n$4\nPING\n", "...");
    (void)state;
}

#define BAD_ARRAY "!ERR Protocol error: invalid multibulk length"
#define BAD_BULK "!ERR Protocol error: invalid bulk length"

static void odd_lengths_are_errors(void **state) {
    EXPECT("*\r\n", BAD_ARRAY);
    EXPECT("*+1\r\n", BAD_ARRAY);
    EXPECT("*01\r\n", BAD_ARRAY);
    EXPECT("*-0\r\n", BAD_ARRAY);
    EXPECT("* 1\r\n", BAD_ARRAY);
    EXPECT("*1 \r\n", BAD_ARRAY);
    EXPECT("*a\r\n", BAD_ARRAY);
    EXPECT("*:\r\n", BAD_ARRAY);
    EXPECT("*1048576\r\n", "...");
    EXPECT("*1048577\r\n", BAD_ARRAY);
    EXPECT("*2147483648\r\n", BAD_ARRAY);
    EXPECT("*9223372036854775808\r\n", BAD_ARRAY);
    EXPECT("*-9223372036854775809\r\n", BAD_ARRAY);
    EXPECT("*1\r\n$-1\r\n", BAD_BULK);
    EXPECT("*1\r\n$\r\n", BAD_BULK);
    EXPECT("*1\r\n$+4\r\nPING\r\n", BAD_BULK);
    EXPECT("*1\r\n$04\r\nPING\r\n", BAD_BULK);
    EXPECT("*1\r\n$4x\r\nPING\r\n", BAD_BULK);
    EXPECT("*1\r\n$536870912\r\n", "...");
    EXPECT("*1\r\n$536870913\r\n", BAD_BULK);
    EXPECT("*1\r\n$18446744073709551615\r\n", BAD_BULK);
    EXPECT("*1\r\n$99999999999999999999\r\n", BAD_BULK);
    EXPECT("PING\r\n*2\r\n$1\r\na\r\n$-5\r\n", "[PING]" BAD_BULK);
    (void)state;
}

static void other_types_are_errors(void **state) {
    EXPECT("*1\r\nX\r\n", "!ERR Protocol error: expected '$', got 'X'");
    EXPECT("*1\r\n*1\r\n$4\r\nPING\r\n", "!ERR Protocol error: expected '$', got '*'");
    EXPECT("*1\r\n\r\n", "!ERR Protocol error: expected '$', got '\r'");
    EXPECT("*2\r\n$1\r\na\r\n:12\r\n", "!ERR Protocol error: expected '$', got ':'");
    EXPECT("*1\r\nX", "...");
    (void)state;
}

static void nested_arrays_end_at_the_second(void **state) {
    struct buf input;
    buf_init(&input, &memory_libc);
    for (int i = 0; i < 100000; i++)
        note(&input, "*1\r\n");
    expect_fed(buf_slice(&input), input.size, 0, false, &usual, "!ERR Protocol error: expected '$', got '*'");
    buf_fini(&input);
    (void)state;
}

static struct slice repeated(struct buf *buf, const char *front, char c, size_t count, const char *back) {
    buf_clear(buf);
    note(buf, front);
    assert_int_equal(buf_reserve(buf, count), STATUS_OK);
    memset(buf->data + buf->size, c, count);
    buf->size += count;
    note(buf, back);
    return buf_slice(buf);
}

static void lines_without_end_are_errors(void **state) {
    struct buf input;
    buf_init(&input, &memory_libc);
    expect(repeated(&input, "*", '1', 65535, ""), "...");
    expect(repeated(&input, "*", '1', 65536, ""), "!ERR Protocol error: too big mbulk count string");
    expect(repeated(&input, "*1\r\n$", '1', 65535, ""), "...");
    expect(repeated(&input, "*1\r\n$", '1', 65536, ""), "!ERR Protocol error: too big bulk count string");
    expect(repeated(&input, "", 'a', 65536, ""), "...");
    expect(repeated(&input, "", 'a', 65537, ""), "!ERR Protocol error: too big inline request");
    expect(repeated(&input, "", 'a', 65537, "\r\n"), "!ERR Protocol error: too big inline request");
    expect(repeated(&input, "", ' ', 65530, "PING\r\n"), "[PING]");
    buf_fini(&input);
    (void)state;
}

static void limits_before_authentication_have_their_own_words(void **state) {
    struct resp_limits limits = usual;
    limits.arguments_max = RESP_ARGUMENTS_UNAUTHENTICATED_MAX;
    limits.bulk_size_max = RESP_BULK_UNAUTHENTICATED_MAX;
    limits.unauthenticated = true;
    expect_limited(SLICE("*10\r\n"), &limits, "...");
    expect_limited(SLICE("*11\r\n"), &limits, "!ERR Protocol error: unauthenticated multibulk length");
    expect_limited(SLICE("*2147483648\r\n"), &limits, BAD_ARRAY);
    expect_limited(SLICE("*1\r\n$16384\r\n"), &limits, "...");
    expect_limited(SLICE("*1\r\n$16385\r\n"), &limits, "!ERR Protocol error: unauthenticated bulk length");
    expect_limited(SLICE("*1\r\n$536870913\r\n"), &limits, BAD_BULK);
    limits.unauthenticated = false;
    expect_limited(SLICE("*11\r\n"), &limits, BAD_ARRAY);
    expect_limited(SLICE("*1\r\n$16385\r\n"), &limits, BAD_BULK);
    limits.arguments_max = 2;
    limits.bulk_size_max = 3;
    expect_limited(SLICE("*2\r\n$3\r\nabc\r\n$3\r\nabc\r\n*3\r\n"), &limits, "[abc|abc]" BAD_ARRAY);
    expect_limited(SLICE("*1\r\n$4\r\nabcd\r\n"), &limits, BAD_BULK);
    (void)state;
}

#define UNBALANCED "!ERR Protocol error: unbalanced quotes in request"

/* Each as redis-server 7.0.15 does it. */
static void inline_commands_have_quotes(void **state) {
    EXPECT("  SET  key\tvalue \r\n", "[SET|key|value]");
    EXPECT("PING \"a b\"\r\n", "[PING|a b]");
    EXPECT("\"PING\"\r\n", "[PING]");
    EXPECT("\"\"\n", "[]");
    EXPECT("ECHO \"\" ''\n", "[ECHO||]");
    EXPECT("ECHO \"a\\x41\\n\\r\\t\\b\\a\\q\\\"\"\r\n", "[ECHO|aA\\0a\\0d\\09\\08\\07q\"]");
    EXPECT("ECHO \"\\x4\" \"\\xzz\" \"\\xfF\" \"\\x\"\r\n", "[ECHO|x4|xzz|\\ff|x]");
    EXPECT("ECHO 'a\\'b\\n'\r\n", "[ECHO|a'b\\5cn]");
    EXPECT("ECHO a\"b\" a\"b c\" c'd'\r\n", "[ECHO|ab|ab c|cd]");
    EXPECT("ECHO a\\ b\r\n", "[ECHO|a\\5c|b]");
    EXPECT("ECHO \"a\"\x0b'b'\n", "[ECHO|a|b]");
    EXPECT(
        "PING\x0b"
        "a \x0c"
        "b\n",
        "[PING\\0ba|b]");
    EXPECT("PING a\rb\r\r\n", "[PING|a|b]");
    EXPECT("PING \"\r\"\r\n", "[PING|\\0d]");
    EXPECT("PING \x85\xa0\r\n", "[PING|\\85\\a0]");
    EXPECT("PING \"a\"b\r\n", UNBALANCED);
    EXPECT("PING 'a'b\r\n", UNBALANCED);
    EXPECT("PING a''b\r\n", UNBALANCED);
    EXPECT("PING \"a\r\n", UNBALANCED);
    EXPECT("PING 'a\r\n", UNBALANCED);
    EXPECT("PING \"a\\\r\n", UNBALANCED);
    EXPECT("PING \"a\\x\r\n", UNBALANCED);
    EXPECT("PING \"a\\\"\r\n", UNBALANCED);
    EXPECT("PING 'a\\\\'\r\n", UNBALANCED);
    EXPECT("PING\r\nPING \"\r\n", "[PING]" UNBALANCED);
    (void)state;
}

static void an_error_stays(void **state) {
    struct resp_parser parser;
    struct resp_request request;
    resp_parser_init(&parser, &memory_libc);
    assert_int_equal(resp_parse(&parser, SLICE("*x\r\n"), &usual, &request), RESP_ERROR);
    assert_int_equal(resp_parse(&parser, SLICE("*1\r\n$4\r\nPING\r\n"), &usual, &request), RESP_ERROR);
    assert_string_equal(parser.error, "ERR Protocol error: invalid multibulk length");
    resp_parser_fini(&parser);
    (void)state;
}

static void sizes_tell_where_a_request_ends(void **state) {
    struct slice input = SLICE("\r\n*0\r\nPING\r\n*1\r\n$4\r\nPING\r\n\r\n*2\r\n$1\r\na\r\n");
    struct resp_parser parser;
    struct resp_request request;
    resp_parser_init(&parser, &memory_libc);
    assert_int_equal(resp_parse(&parser, input, &usual, &request), RESP_REQUEST);
    assert_int_equal(request.size, 2 + 4 + 6);
    assert_int_equal(resp_parse(&parser, input, &usual, &request), RESP_REQUEST);
    assert_int_equal(request.size, 14);
    assert_int_equal(resp_parse(&parser, input, &usual, &request), RESP_MORE);
    assert_int_equal(resp_parser_droppable(&parser), 2 + 4 + 6 + 14);
    resp_parser_drop(&parser, 12);
    assert_int_equal(resp_parser_droppable(&parser), 14);
    resp_parser_drop(&parser, 14);
    input = slice_part(SLICE("\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"), 0, 100);
    assert_int_equal(resp_parse(&parser, input, &usual, &request), RESP_REQUEST);
    assert_int_equal(request.size, input.size);
    assert_int_equal(request.large_index, -1);
    resp_parser_fini(&parser);
    (void)state;
}

static const struct resp_limits large_limits = {
    .arguments_max = RESP_ARGUMENTS_MAX,
    .bulk_size_max = RESP_BULK_MAX,
    .inline_size_max = RESP_INLINE_MAX,
    .large_size_min = 100,
};

static void a_large_bulk_is_taken_out_of_the_input(void **state) {
    uint8_t input[256];
    struct slice front = SLICE("*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\nxyz"), back = SLICE("\r\n$2\r\nEX\r\nPING\r\n");
    struct resp_parser parser;
    struct resp_request request;
    resp_parser_init(&parser, &memory_libc);
    memcpy(input, front.data, front.size);
    assert_int_equal(resp_parse(&parser, slice_make(input, front.size), &large_limits, &request), RESP_LARGE);
    assert_int_equal(resp_parse(&parser, slice_make(input, front.size), &large_limits, &request), RESP_LARGE);
    struct resp_large large = resp_parser_large(&parser, slice_make(input, front.size));
    assert_int_equal(large.count, 2);
    assert_int_equal(large.announced, 4);
    assert_int_equal(large.size, 1000);
    assert_int_equal(large.begins_at, front.size - 3);
    assert_true(slice_equal(large.arguments[0], SLICE("SET")) && slice_equal(large.arguments[1], SLICE("k")));
    resp_parser_large_taken(&parser);

    /* The bytes received are cut out; the input goes on, elsewhere and byte by byte, with what follows the bulk. */
    uint8_t moved[256];
    for (size_t i = 0; i < back.size; i++) {
        memcpy(moved, input, large.begins_at);
        memcpy(moved + large.begins_at, back.data, i);
        enum resp_result result = resp_parse(&parser, slice_make(moved, large.begins_at + i), &large_limits, &request);
        if (result == RESP_REQUEST)
            break;
        assert_int_equal(result, RESP_MORE);
    }
    assert_int_equal(request.count, 4);
    assert_int_equal(request.large_index, 2);
    assert_int_equal(request.size, large.begins_at + 10);
    assert_true(slice_equal(request.arguments[0], SLICE("SET")) && slice_equal(request.arguments[1], SLICE("k")));
    assert_null(request.arguments[2].data);
    assert_int_equal(request.arguments[2].size, 1000);
    assert_true(slice_equal(request.arguments[3], SLICE("EX")));
    resp_parser_drop(&parser, request.size);
    assert_int_equal(resp_parse(&parser, SLICE("PING\r\n"), &large_limits, &request), RESP_REQUEST);
    assert_int_equal(request.large_index, -1);
    resp_parser_fini(&parser);
    (void)state;
}

static void a_refused_large_bulk_arrives_like_any_other(void **state) {
    struct buf input;
    buf_init(&input, &memory_libc);
    struct slice whole = repeated(&input, "*3\r\n$3\r\nSET\r\n$200\r\n", 'v', 200, "\r\n$150\r\n");
    struct resp_parser parser;
    struct resp_request request;
    resp_parser_init(&parser, &memory_libc);
    assert_int_equal(resp_parse(&parser, slice_part(whole, 0, 50), &large_limits, &request), RESP_LARGE);
    resp_parser_large_refused(&parser);
    assert_int_equal(resp_parse(&parser, slice_part(whole, 0, 60), &large_limits, &request), RESP_MORE);
    /* The refusal was about that argument only. */
    assert_int_equal(resp_parse(&parser, whole, &large_limits, &request), RESP_LARGE);
    assert_int_equal(resp_parser_large(&parser, whole).count, 2);
    assert_int_equal(resp_parser_large(&parser, whole).arguments[1].size, 200);
    resp_parser_fini(&parser);
    buf_fini(&input);
    (void)state;
}

static void large_bulks_that_are_here_or_are_names_are_not_reported(void **state) {
    struct buf input;
    buf_init(&input, &memory_libc);
    struct resp_parser parser;
    struct resp_request request;
    resp_parser_init(&parser, &memory_libc);
    struct slice whole = repeated(&input, "*2\r\n$3\r\nGET\r\n$200\r\n", 'v', 200, "\r\n");
    assert_int_equal(resp_parse(&parser, whole, &large_limits, &request), RESP_REQUEST);
    resp_parser_drop(&parser, request.size);
    whole = repeated(&input, "*2\r\n$200\r\n", 'v', 200, "\r\n");
    assert_int_equal(resp_parse(&parser, slice_part(whole, 0, 100), &large_limits, &request), RESP_MORE);
    resp_parser_fini(&parser);
    buf_fini(&input);
    (void)state;
}

static void running_out_of_memory_is_an_error(void **state) {
    struct buf input;
    buf_init(&input, &memory_libc);
    note(&input, "*40\r\n");
    for (int i = 0; i < 40; i++)
        note(&input, "$3\r\nabc\r\n");
    note(&input, "PING \"a b\"\r\n");
    int failures = 0;
    for (unsigned n = 0;; n++, failures++) {
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, n);
        scarce.once = true;
        struct resp_parser parser;
        struct resp_request request;
        resp_parser_init(&parser, memory);
        enum resp_result first = resp_parse(&parser, buf_slice(&input), &usual, &request);
        enum resp_result second = resp_parse(&parser, buf_slice(&input), &usual, &request);
        if (second == RESP_ERROR)
            assert_string_equal(parser.error, "ERR out of memory");
        resp_parser_fini(&parser);
        assert_int_equal(scarce.held, 0);
        if (first == RESP_REQUEST && second == RESP_REQUEST)
            break;
        assert_int_equal(second, RESP_ERROR);
    }
    assert_int_equal(failures, 4); /* tables of 16, 32 and 64, and the text without quotes */
    buf_fini(&input);
    (void)state;
}

static void memory_follows_what_arrives_and_is_given_back(void **state) {
    struct scarce scarce;
    const struct memory *memory = scarce_begin(&scarce, SCARCE_NEVER);
    struct resp_parser parser;
    struct resp_request request;
    resp_parser_init(&parser, memory);
    assert_int_equal(resp_parse(&parser, SLICE("*1048576\r\n$536870912\r\n"), &usual, &request), RESP_MORE);
    assert_true((size_t)scarce.held_max <= 16 * sizeof(struct slice));
    resp_parser_fini(&parser);

    struct buf input;
    buf_init(&input, &memory_libc);
    note(&input, "*5000\r\n");
    for (int i = 0; i < 5000; i++)
        note(&input, "$1\r\na\r\n");
    note(&input, "PING\r\n");
    resp_parser_init(&parser, memory);
    assert_int_equal(resp_parse(&parser, buf_slice(&input), &usual, &request), RESP_REQUEST);
    assert_int_equal(request.count, 5000);
    assert_int_equal(scarce.held, 8192 * sizeof(struct slice));
    assert_int_equal(resp_parse(&parser, buf_slice(&input), &usual, &request), RESP_REQUEST);
    assert_int_equal(scarce.held, 16 * sizeof(struct slice));
    resp_parser_fini(&parser);
    assert_int_equal(scarce.held, 0);
    buf_fini(&input);
    (void)state;
}

/* Random requests: what is written is also noted at once by this naive twin, and must come back from pieces of any size. */
static void write_random_request(struct rng *rng, struct buf *wire, struct buf *expected) {
    uint32_t count = 1 + (uint32_t)rng_below(rng, rng_below(rng, 10) ? 6 : 200);
    bool typed = rng_below(rng, 5) == 0;
    if (rng_below(rng, 8) == 0)
        note(wire, rng_below(rng, 2) ? "\r\n" : "*0\r\n");
    if (!typed)
        assert_int_equal(buf_printf(wire, "*%u\r\n", count), STATUS_OK);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t bytes[2000];
        size_t size = (size_t)rng_below(rng, rng_below(rng, 8) ? 20 : sizeof bytes);
        for (size_t j = 0; j < size; j++)
            bytes[j] = (uint8_t)rng_next(rng);
        if (typed) {
            /* 200 arguments stay below the 64 KiB of a line. */
            size = size > 60 ? 60 : size;
            note(wire, i ? " \"" : "\"");
            for (size_t j = 0; j < size; j++)
                assert_int_equal(buf_printf(wire, "\\x%02x", bytes[j]), STATUS_OK);
            note(wire, "\"");
        } else {
            assert_int_equal(buf_printf(wire, "$%zu\r\n", size), STATUS_OK);
            assert_int_equal(buf_append(wire, bytes, size), STATUS_OK);
            note(wire, "\r\n");
        }
        note(expected, i ? "|" : "[");
        note_argument(expected, slice_make(bytes, size));
    }
    if (typed)
        note(wire, "\r\n");
    note(expected, "]");
}

static void random_requests_come_back(void **state) {
    uint64_t seed = unit_seed();
    struct rng rng = rng_seeded(seed);
    for (int round = 0; round < 200; round++) {
        struct buf wire, expected;
        buf_init(&wire, &memory_libc);
        buf_init(&expected, &memory_libc);
        for (uint64_t n = 1 + rng_below(&rng, 20); n > 0; n--)
            write_random_request(&rng, &wire, &expected);
        assert_int_equal(buf_append(&expected, "", 1), STATUS_OK);
        struct feeder feeder;
        feeder_init(&feeder, buf_slice(&wire), &usual);
        feeder.drop_each = rng_below(&rng, 2);
        uint64_t piece_max = 1 + rng_below(&rng, rng_below(&rng, 2) ? 50 : 5000);
        for (size_t at = 0; at < wire.size;) {
            at += 1 + (size_t)rng_below(&rng, piece_max);
            at = at < wire.size ? at : wire.size;
            feed_until(&feeder, at);
        }
        size_t unread;
        feeder_end(&feeder, &unread);
        if (unread || strcmp((char *)feeder.transcript.data, (char *)expected.data) != 0)
            fail_msg("seed %llu, round %d, %zu bytes unread", (unsigned long long)seed, round, unread);
        feeder_fini(&feeder);
        buf_fini(&wire);
        buf_fini(&expected);
    }
    (void)state;
}

/* Parses all of the text by resp_parse_short; the requests are counted. */
static int count_short(struct resp_heads *heads, const char *text, struct resp_request *ret_last) {
    struct resp_parser parser;
    static struct slice arguments[RESP_SHORT_ARGUMENTS_MAX];
    resp_parser_init(&parser, &memory_libc);
    int count = 0;
    while (resp_parse_short(&parser, slice_from_string(text), &usual, heads, arguments, ret_last))
        count++;
    resp_parser_fini(&parser);
    return count;
}

static void heads_keep_their_meaning(void **state) {
    static const char get[] = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$12\r\nabcdefghijkl\r\n";
    static const char small[] = "*2\r\n$3\r\nget\r\n$1\r\na\r\n";
    static const char more[] = "*3\r\n$3\r\nGET\r\n$1\r\na\r\n$0\r\n\r\n";
    struct resp_heads heads;
    struct resp_request request;
    int meaning;
    resp_heads_init(&heads);
    assert_int_equal(count_short(&heads, get, &request), 2);
    assert_true(slice_equal(request.arguments[0], SLICE("GET")) &&
                slice_equal(request.arguments[1], SLICE("abcdefghijkl")));
    assert_null(request.head->meaning);
    request.head->meaning = &meaning;
    assert_int_equal(count_short(&heads, small, &request), 1);
    assert_null(request.head->meaning);
    assert_int_equal(count_short(&heads, more, &request), 1);
    assert_null(request.head->meaning);
    assert_int_equal(request.count, 3);
    assert_int_equal(count_short(&heads, get, &request), 2);
    assert_true(request.head->meaning == &meaning || request.head->meaning == NULL);
}

/* Eight zero bytes look like a table of nothing. */
static void nothing_is_no_head(void **state) {
    struct resp_heads heads;
    struct resp_parser parser;
    struct resp_request request;
    struct slice arguments[RESP_SHORT_ARGUMENTS_MAX];
    static const uint8_t zeros[64], ones[64] = {1};
    resp_heads_init(&heads);
    resp_parser_init(&parser, &memory_libc);
    assert_false(resp_parse_short(&parser, slice_make(zeros, sizeof zeros), &usual, &heads, arguments, &request));
    assert_false(resp_parse_short(&parser, slice_make(ones, sizeof ones), &usual, &heads, arguments, &request));
    resp_parser_fini(&parser);
}

UNIT_TESTS(resp_request, UNIT(arrays_of_bulk_strings_are_requests), UNIT(requests_follow_each_other),
           UNIT(empty_requests_are_skipped), UNIT(two_bytes_end_a_line_whatever_they_are), UNIT(odd_lengths_are_errors),
           UNIT(other_types_are_errors), UNIT(nested_arrays_end_at_the_second), UNIT(lines_without_end_are_errors),
           UNIT(limits_before_authentication_have_their_own_words), UNIT(inline_commands_have_quotes),
           UNIT(an_error_stays), UNIT(sizes_tell_where_a_request_ends), UNIT(a_large_bulk_is_taken_out_of_the_input),
           UNIT(a_refused_large_bulk_arrives_like_any_other),
           UNIT(large_bulks_that_are_here_or_are_names_are_not_reported), UNIT(running_out_of_memory_is_an_error),
           UNIT(memory_follows_what_arrives_and_is_given_back), UNIT(heads_keep_their_meaning),
           UNIT(nothing_is_no_head), UNIT(random_requests_come_back));
