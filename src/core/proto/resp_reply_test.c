#include "core/proto/resp_reply.h"

#include <math.h>

#include "base/bits.h"
#include "base/rng.h"
#include "core/proto/reply.h"
#include "core/proto/resp_request.h"
#include "unit.h"

static const struct resp_reply_limits usual = {.bulk_size_max = 512 << 20, .members_max = INT32_MAX};

static void note(struct buf *out, const char *text) {
    assert_int_equal(buf_append(out, text, strlen(text)), STATUS_OK);
}

/* A tree as text: "*(+OK :1 $x)", so that tests compare strings. */
static void note_value(struct buf *out, const struct resp_value *value) {
    if (value->attributes) {
        note_value(out, value->attributes);
        note(out, " ");
    }
    assert_int_equal(buf_printf(out, "%c%.*s", (char)value->type, (int)value->text.size,
                                value->text.size ? (const char *)value->text.data : ""),
                     STATUS_OK);
    if (!resp_type_has_members(value->type))
        return;
    note(out, "(");
    for (uint32_t i = 0; i < value->count; i++) {
        note(out, i ? " " : "");
        note_value(out, &value->members[i]);
    }
    note(out, ")");
}

static void note_item(struct buf *out, struct slice bytes, const struct resp_reply_item *item) {
    struct arena arena;
    arena_init(&arena, &memory_libc, 4096);
    struct resp_value value;
    assert_int_equal(resp_reply_build(slice_part(bytes, 0, item->size), &arena, &value), STATUS_OK);
    assert_int_equal(value.type, item->type);
    assert_int_equal(value.count, item->count);
    if (!item->count && item->type != RESP_VERBATIM)
        assert_true(slice_equal(value.text, item->payload));
    note_value(out, &value);
    note(out, ";");
    arena_fini(&arena);
}

/* Reads the input in two pieces, or in pieces of one byte (cut 0), each in fresh memory; notes what comes out. */
static void expect_cut(struct slice input, size_t cut, const char *expected) {
    struct resp_reply_scanner scanner;
    struct resp_reply_item item;
    struct buf noted;
    resp_reply_scanner_init(&scanner, &usual);
    buf_init(&noted, &memory_libc);
    size_t from = 0;
    for (size_t until = cut ? cut : 1;; until = cut ? input.size : until + 1) {
        uint8_t *copy = malloc(until - from ? until - from : 1);
        assert_non_null(copy);
        memcpy(copy, input.data + from, until - from);
        struct slice rest = slice_make(copy, until - from);
        enum resp_reply_result result;
        while ((result = resp_reply_skip(&scanner, rest, &item)) == RESP_REPLY_DONE) {
            note_item(&noted, rest, &item);
            from += item.size;
            rest = slice_part(rest, item.size, rest.size);
        }
        free(copy);
        if (result == RESP_REPLY_ERROR || until == input.size)
            break;
    }
    note(&noted, scanner.error ? scanner.error : from < input.size ? "..." : "");
    assert_int_equal(buf_append(&noted, "", 1), STATUS_OK);
    if (strcmp((char *)noted.data, expected) != 0)
        fail_msg("cut at %zu: got %s, not %s", cut, (char *)noted.data, expected);
    buf_fini(&noted);
}

static void expect(struct slice input, const char *expected) {
    for (size_t cut = 0; cut <= input.size; cut++)
        expect_cut(input, cut, expected);
}

#define EXPECT(literal, expected) expect(SLICE(literal), expected)

static void every_type_is_understood(void **state) {
    EXPECT("+OK\r\n+\r\n+a b\r\n", "+OK;+;+a b;");
    EXPECT("-ERR no\r\n", "-ERR no;");
    EXPECT(":0\r\n:-9223372036854775808\r\n", ":0;:-9223372036854775808;");
    EXPECT("$0\r\n\r\n$5\r\nhello\r\n$12\r\nhello\r\nworld\r\n", "$;$hello;$hello\r\nworld;");
    EXPECT("$-1\r\n*-1\r\n_\r\n", "_;_;_;");
    EXPECT("*0\r\n*2\r\n:1\r\n*1\r\n$1\r\na\r\n", "*();*(:1 *($a));");
    EXPECT(",3.25\r\n,inf\r\n,-inf\r\n,nan\r\n,1e+10\r\n", ",3.25;,inf;,-inf;,nan;,1e+10;");
    EXPECT("#t\r\n#f\r\n", "#t;#f;");
    EXPECT("!5\r\nERR x\r\n=6\r\ntxt:hi\r\n", "!ERR x;=hi;");
    EXPECT("(123456789012345678901234567890\r\n(-1\r\n", "(123456789012345678901234567890;(-1;");
    EXPECT("%1\r\n+k\r\n:1\r\n%0\r\n~2\r\n:1\r\n:2\r\n", "%(+k :1);%();~(:1 :2);");
    EXPECT(">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n", ">(+invalidate *($k));");
    (void)state;
}

static void attributes_belong_to_what_follows(void **state) {
    EXPECT("|1\r\n+ttl\r\n:9\r\n$1\r\na\r\n:1\r\n", "|(+ttl :9) $a;:1;");
    EXPECT("|0\r\n:1\r\n", "|() :1;");
    EXPECT("*2\r\n:1\r\n|1\r\n+k\r\n*1\r\n+v\r\n:2\r\n", "*(:1 |(+k *(+v)) :2);");
    EXPECT("|1\r\n+k\r\n+v\r\n", "...");
    (void)state;
}

static void what_is_no_reply_is_an_error(void **state) {
    EXPECT("hello\r\n", "unknown type of reply");
    EXPECT("\r\n", "unknown type of reply");
    EXPECT(":1\r\n:x\r\n", ":1;bad integer in a reply");
    EXPECT(":\r\n", "bad integer in a reply");
    EXPECT("+a\rb\r\n", "CR without LF in a reply");
    EXPECT("$1\r\nab\r\n", "bulk string of a reply without CR LF behind it");
    EXPECT("$12\r\nhello\r\nworldXX\r\n", "bulk string of a reply without CR LF behind it");
    EXPECT("$-2\r\n", "bad size of a bulk string in a reply");
    EXPECT("$01\r\na\r\n", "bad size of a bulk string in a reply");
    EXPECT("$?\r\n", "bad size of a bulk string in a reply");
    EXPECT("$536870913\r\n", "bulk string of a reply too large");
    EXPECT("*-2\r\n", "bad count of members in a reply");
    EXPECT("*2147483648\r\n", "too many members in a reply");
    EXPECT("=3\r\ntxt\r\n", "verbatim text of a reply without a format");
    EXPECT("#x\r\n", "bad boolean in a reply");
    EXPECT("_x\r\n", "bad null in a reply");
    EXPECT(",x\r\n", "bad double in a reply");
    EXPECT("(12x\r\n", "bad big number in a reply");
    EXPECT("(-\r\n", "bad big number in a reply");
    EXPECT("*1\r\n$5\r\nabc", "...");
    (void)state;
}

static void nesting_has_a_limit(void **state) {
    char input[4 * (RESP_REPLY_NESTING_MAX + 1) + 5];
    for (int levels = RESP_REPLY_NESTING_MAX; levels <= RESP_REPLY_NESTING_MAX + 1; levels++) {
        for (int i = 0; i < levels; i++)
            memcpy(input + 4 * i, "*1\r\n", 4);
        memcpy(input + 4 * levels, ":1\r\n", 4);
        struct slice bytes = slice_make(input, (size_t)(4 * levels + 4));
        struct resp_reply_scanner scanner;
        struct resp_reply_item item;
        struct resp_value value;
        struct arena arena;
        bool too_deep = levels > RESP_REPLY_NESTING_MAX;
        resp_reply_scanner_init(&scanner, &usual);
        arena_init(&arena, &memory_libc, 4096);
        assert_int_equal(resp_reply_skip(&scanner, bytes, &item), too_deep ? RESP_REPLY_ERROR : RESP_REPLY_DONE);
        assert_int_equal(resp_reply_build(bytes, &arena, &value), too_deep ? STATUS_INVALID : STATUS_OK);
        arena_fini(&arena);
    }
    (void)state;
}

static void a_line_has_a_limit(void **state) {
    struct buf input;
    buf_init(&input, &memory_libc);
    note(&input, "+");
    assert_int_equal(buf_reserve(&input, RESP_REPLY_LINE_MAX), STATUS_OK);
    memset(input.data + 1, 'a', RESP_REPLY_LINE_MAX);
    struct resp_reply_scanner scanner;
    struct resp_reply_item item;
    resp_reply_scanner_init(&scanner, &usual);
    assert_int_equal(resp_reply_skip(&scanner, slice_make(input.data, RESP_REPLY_LINE_MAX), &item), RESP_REPLY_MORE);
    assert_int_equal(resp_reply_skip(&scanner, slice_make(input.data, RESP_REPLY_LINE_MAX + 1), &item),
                     RESP_REPLY_ERROR);
    buf_fini(&input);
    (void)state;
}

/* A client that does not look at values needs no room for them. */
static void what_is_understood_may_be_dropped(void **state) {
    struct resp_reply_scanner scanner;
    struct resp_reply_item item;
    struct slice input = SLICE("*2\r\n$10\r\n0123456789\r\n$3\r\nabc\r\n$4\r\nabcd\r\n");
    for (size_t piece = 1; piece < 20; piece++) {
        resp_reply_scanner_init(&scanner, &usual);
        size_t from = 0, replies = 0;
        for (size_t until = 0; until < input.size;) {
            until = until + piece < input.size ? until + piece : input.size;
            while (resp_reply_skip(&scanner, slice_part(input, from, until - from), &item) == RESP_REPLY_DONE) {
                from += item.size;
                replies++;
                if (item.payload.data)
                    assert_true(slice_equal(item.payload, SLICE("abcd")));
            }
            assert_null(scanner.error);
            from += scanner.position;
            resp_reply_drop(&scanner, scanner.position);
        }
        assert_int_equal(replies, 2);
        assert_int_equal(item.payload.size, 4);
    }
    (void)state;
}

static void numbers_of_trees_are_parsed(void **state) {
    struct slice bytes = SLICE("*4\r\n:-5\r\n,2.5\r\n#t\r\n,nan\r\n");
    struct arena arena;
    struct resp_value value;
    arena_init(&arena, &memory_libc, 64);
    assert_int_equal(resp_reply_build(bytes, &arena, &value), STATUS_OK);
    assert_int_equal(value.count, 4);
    assert_int_equal(value.members[0].integer, -5);
    assert_true(value.members[1].number == 2.5);
    assert_true(value.members[2].boolean);
    assert_true(isnan(value.members[3].number));
    arena_fini(&arena);
    (void)state;
}

static void trees_of_broken_bytes_are_refused(void **state) {
    static const char *const broken[] = {"", "*1\r\n", "*1000000\r\n:1\r\n", "$5\r\nabc\r\n", ":1\r\n:2\r\n", ":1\r"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct arena arena;
        struct resp_value value;
        arena_init(&arena, &memory_libc, 4096);
        assert_int_equal(resp_reply_build(slice_from_string(broken[i]), &arena, &value), STATUS_INVALID);
        arena_fini(&arena);
    }
    (void)state;
}

static void *limited_resize(void *context, void *old, size_t size_old, size_t size_new) {
    int *calls_left = context;
    return size_new && (*calls_left)-- == 0 ? NULL : memory_libc.resize(NULL, old, size_old, size_new);
}

static void running_out_of_memory_is_a_status(void **state) {
    struct slice bytes = SLICE("|1\r\n+k\r\n*2\r\n:1\r\n:2\r\n*3\r\n:1\r\n%1\r\n:1\r\n:2\r\n~1\r\n*1\r\n:1\r\n");
    int n = 0;
    for (enum status status = STATUS_NO_MEMORY; status != STATUS_OK; n++) {
        int calls_left = n;
        struct memory memory = {limited_resize, &calls_left};
        struct arena arena;
        struct resp_value value;
        arena_init(&arena, &memory, 1);
        status = resp_reply_build(bytes, &arena, &value);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        arena_fini(&arena);
    }
    assert_true(n > 5);

    int calls_left = 0;
    struct memory memory = {limited_resize, &calls_left};
    struct buf out;
    buf_init(&out, &memory);
    assert_int_equal(resp_request_write(&out, (struct slice[]){SLICE("PING")}, 1), STATUS_NO_MEMORY);
    assert_int_equal(out.size, 0);
    (void)state;
}

static void written_requests_are_parsed(void **state) {
    struct buf out;
    buf_init(&out, &memory_libc);
    struct slice arguments[12] = {SLICE("SET"), SLICE("key"), slice_make(NULL, 0), SLICE("0123456789\r\n")};
    for (size_t i = 4; i < COUNT_OF(arguments); i++)
        arguments[i] = SLICE("x");
    assert_int_equal(resp_request_write(&out, arguments, 3), STATUS_OK);
    assert_true(slice_equal(buf_slice(&out), SLICE("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n")));
    assert_int_equal(resp_request_write(&out, arguments, COUNT_OF(arguments)), STATUS_OK);
    static const struct resp_limits limits = {RESP_ARGUMENTS_MAX, RESP_BULK_MAX, RESP_INLINE_MAX, 0, false};
    struct resp_parser parser;
    struct resp_request request;
    resp_parser_init(&parser, &memory_libc);
    assert_int_equal(resp_parse(&parser, buf_slice(&out), &limits, &request), RESP_REQUEST);
    assert_int_equal(resp_parse(&parser, buf_slice(&out), &limits, &request), RESP_REQUEST);
    assert_int_equal(request.count, COUNT_OF(arguments));
    for (size_t i = 0; i < COUNT_OF(arguments); i++)
        assert_true(slice_equal(request.arguments[i], arguments[i]));
    resp_parser_fini(&parser);
    buf_fini(&out);
    (void)state;
}

/* Writes a random reply with reply.h and notes beside it what the decoder should say (in RESP3). */
static void write_random_reply(struct rng *rng, struct reply *reply, struct buf *expected, int depth) {
    uint8_t letters[300];
    struct slice text = slice_make(letters, (size_t)rng_below(rng, rng_below(rng, 4) ? 12 : sizeof letters));
    for (size_t i = 0; i < text.size; i++)
        letters[i] = (uint8_t)('a' + rng_below(rng, 26));
    uint64_t kind = rng_below(rng, depth < 4 ? 12 : 8), count = rng_below(rng, 5);
    int64_t integer = (int64_t)(rng_next(rng) >> rng_below(rng, 64));
    static const char *const begins[12] = {"+", "-", ":", "$", "_", ",0.5", "#t", "=", "*(", "%(", "~(", ">("};
    note(expected, begins[kind]);
    if (kind == 0)
        reply_simple(reply, text);
    else if (kind == 1)
        reply_error(reply, text);
    else if (kind == 2)
        reply_integer(reply, integer);
    else if (kind == 3)
        reply_bulk(reply, text);
    else if (kind == 4)
        reply_null(reply);
    else if (kind == 5)
        reply_double(reply, 0.5);
    else if (kind == 6)
        reply_boolean(reply, true);
    else if (kind == 7)
        reply_verbatim(reply, "txt", text);
    else if (kind == 8)
        reply_array(reply, count);
    else if (kind == 9)
        reply_map(reply, count);
    else if (kind == 10)
        reply_set(reply, count);
    else
        reply_push(reply, count);
    if (kind == 2)
        assert_int_equal(buf_printf(expected, "%lld", (long long)integer), STATUS_OK);
    if (kind < 2 || kind == 3 || kind == 7)
        assert_int_equal(buf_append_slice(expected, text), STATUS_OK);
    if (kind < 8)
        return;
    for (uint64_t i = 0; i < (kind == 9 ? 2 * count : count); i++) {
        note(expected, i ? " " : "");
        write_random_reply(rng, reply, expected, depth + 1);
    }
    note(expected, ")");
}

static void random_replies_come_back(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    for (int round = 0; round < 300; round++) {
        struct buf out, expected;
        struct reply reply;
        buf_init(&out, &memory_libc);
        buf_init(&expected, &memory_libc);
        reply_init(&reply, &out, NULL, 3);
        for (uint64_t n = 1 + rng_below(&rng, 5); n > 0; n--) {
            write_random_reply(&rng, &reply, &expected, 0);
            note(&expected, ";");
        }
        assert_int_equal(reply.status, STATUS_OK);
        assert_int_equal(buf_append(&expected, "", 1), STATUS_OK);
        expect_cut(buf_slice(&out), out.size, (char *)expected.data);
        expect_cut(buf_slice(&out), 1 + (size_t)rng_below(&rng, out.size), (char *)expected.data);
        if (out.size < 4000)
            expect_cut(buf_slice(&out), 0, (char *)expected.data);
        buf_fini(&out);
        buf_fini(&expected);
    }
    (void)state;
}

UNIT_TESTS(resp_reply, UNIT(every_type_is_understood), UNIT(attributes_belong_to_what_follows),
           UNIT(what_is_no_reply_is_an_error), UNIT(nesting_has_a_limit), UNIT(a_line_has_a_limit),
           UNIT(what_is_understood_may_be_dropped), UNIT(numbers_of_trees_are_parsed),
           UNIT(trees_of_broken_bytes_are_refused), UNIT(running_out_of_memory_is_a_status),
           UNIT(written_requests_are_parsed), UNIT(random_replies_come_back));
