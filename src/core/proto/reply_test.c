#include "core/proto/reply.h"

#include <math.h>

#include "base/rng.h"
#include "unit.h"

struct fixture {
    struct buf out, foreign;
    struct reply reply;
};

static void fixture_init(struct fixture *fixture, int protocol) {
    buf_init(&fixture->out, &memory_libc);
    buf_init(&fixture->foreign, &memory_libc);
    reply_init(&fixture->reply, &fixture->out, &fixture->foreign, protocol);
}

static void fixture_fini(struct fixture *fixture) {
    buf_fini(&fixture->out);
    buf_fini(&fixture->foreign);
}

#define EXPECT_BYTES(fixture, literal)                                                                    \
    do {                                                                                                  \
        assert_int_equal((fixture)->reply.status, STATUS_OK);                                             \
        if (!slice_equal(buf_slice(&(fixture)->out), SLICE(literal)))                                     \
            fail_msg("got %.*s, not %s", (int)(fixture)->out.size, (char *)(fixture)->out.data, literal); \
        buf_clear(&(fixture)->out);                                                                       \
    } while (0)

/* Every kind of reply, in both protocols. */
#define EXPECT_REPLY(call, resp2, resp3)  \
    do {                                  \
        struct fixture fixture;           \
        struct reply *r = &fixture.reply; \
        fixture_init(&fixture, 2);        \
        call;                             \
        EXPECT_BYTES(&fixture, resp2);    \
        fixture_fini(&fixture);           \
        fixture_init(&fixture, 3);        \
        call;                             \
        EXPECT_BYTES(&fixture, resp3);    \
        fixture_fini(&fixture);           \
    } while (0)

static void types_of_both_protocols_are_the_same(void **state) {
    EXPECT_REPLY(reply_ok(r), "+OK\r\n", "+OK\r\n");
    EXPECT_REPLY(reply_error(r, SLICE("ERR a\r\nb")), "-ERR a  b\r\n", "-ERR a  b\r\n");
    EXPECT_REPLY(reply_errorf(r, "ERR %s %d", "x", 7), "-ERR x 7\r\n", "-ERR x 7\r\n");
    EXPECT_REPLY(reply_bulk(r, SLICE("a\r\nb")), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n");
    EXPECT_REPLY(reply_bulk(r, slice_make(NULL, 0)), "$0\r\n\r\n", "$0\r\n\r\n");
    EXPECT_REPLY(reply_bulk_string(r, "0123456789"), "$10\r\n0123456789\r\n", "$10\r\n0123456789\r\n");
    EXPECT_REPLY(reply_bulk_integer(r, -12), "$3\r\n-12\r\n", "$3\r\n-12\r\n");
    EXPECT_REPLY(reply_array(r, 0), "*0\r\n", "*0\r\n");
    EXPECT_REPLY(reply_array(r, 12345), "*12345\r\n", "*12345\r\n");
    EXPECT_REPLY(reply_raw(r, SLICE(":1\r\n")), ":1\r\n", ":1\r\n");
    (void)state;
}

static void types_that_resp2_lacks_become_others(void **state) {
    EXPECT_REPLY(reply_null(r), "$-1\r\n", "_\r\n");
    EXPECT_REPLY(reply_null_array(r), "*-1\r\n", "_\r\n");
    EXPECT_REPLY(reply_boolean(r, true), ":1\r\n", "#t\r\n");
    EXPECT_REPLY(reply_boolean(r, false), ":0\r\n", "#f\r\n");
    EXPECT_REPLY(reply_double(r, 3.25), "$4\r\n3.25\r\n", ",3.25\r\n");
    EXPECT_REPLY(reply_double(r, 10), "$2\r\n10\r\n", ",10\r\n");
    EXPECT_REPLY(reply_double(r, (double)INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    EXPECT_REPLY(reply_double(r, -(double)INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    EXPECT_REPLY(reply_double(r, (double)NAN), "$3\r\nnan\r\n", ",nan\r\n");
    EXPECT_REPLY(reply_verbatim(r, "txt", SLICE("hi")), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    EXPECT_REPLY(reply_big_number(r, SLICE("-123")), "$4\r\n-123\r\n", "(-123\r\n");
    EXPECT_REPLY(reply_map(r, 3), "*6\r\n", "%3\r\n");
    EXPECT_REPLY(reply_set(r, 3), "*3\r\n", "~3\r\n");
    EXPECT_REPLY(reply_push(r, 3), "*3\r\n", ">3\r\n");
    (void)state;
}

static void integers_are_written_like_printf(void **state) {
    static const int64_t edges[] = {0,  1,  9,   10,   11,        99,        100,           101,
                                    -1, -9, -10, -100, INT64_MAX, INT64_MIN, INT64_MIN + 1, 1000000};
    struct fixture fixture;
    fixture_init(&fixture, 2);
    struct rng rng = rng_seeded(unit_seed());
    for (int i = 0; i < 2000; i++) {
        int64_t value = i < 16 ? edges[i] : (int64_t)(rng_next(&rng) >> rng_below(&rng, 64));
        char expected[64];
        snprintf(expected, sizeof expected, ":%lld\r\n", (long long)value);
        reply_integer(&fixture.reply, value);
        assert_true(slice_equal(buf_slice(&fixture.out), slice_from_string(expected)));
        buf_clear(&fixture.out);
    }
    fixture_fini(&fixture);
    (void)state;
}

static void foreign_values_note_their_place(void **state) {
    struct fixture fixture;
    fixture_init(&fixture, 2);
    reply_array(&fixture.reply, 2);
    reply_bulk_foreign(&fixture.reply, 70000, 5, (const uint64_t[2]){11, 12});
    reply_bulk_foreign(&fixture.reply, 80000, 0, (const uint64_t[2]){13, 14});
    const struct reply_foreign *foreign = (const struct reply_foreign *)(const void *)fixture.foreign.data;
    assert_int_equal(fixture.foreign.size, 2 * sizeof *foreign);
    assert_int_equal(foreign[0].at, 4 + 8);
    assert_int_equal(foreign[0].size, 70000);
    assert_int_equal(foreign[0].offset, 5);
    assert_int_equal(foreign[0].handle[1], 12);
    assert_int_equal(foreign[1].at, 4 + 8 + 2 + 8);
    EXPECT_BYTES(&fixture, "*2\r\n$70000\r\n\r\n$80000\r\n\r\n");
    fixture_fini(&fixture);
    (void)state;
}

static void rewinding_forgets_bytes_foreign_values_and_errors(void **state) {
    struct fixture fixture;
    fixture_init(&fixture, 3);
    reply_ok(&fixture.reply);
    struct reply_mark mark = reply_mark(&fixture.reply);
    reply_error(&fixture.reply, SLICE("ERR x"));
    reply_bulk_foreign(&fixture.reply, 9, 0, (const uint64_t[2]){1, 2});
    assert_int_equal(fixture.reply.errors, 1);
    reply_rewind(&fixture.reply, mark);
    assert_int_equal(fixture.reply.errors, 0);
    assert_int_equal(fixture.foreign.size, 0);
    EXPECT_BYTES(&fixture, "+OK\r\n");
    fixture_fini(&fixture);
    (void)state;
}

static void *limited_resize(void *context, void *old, size_t size_old, size_t size_new) {
    int *calls_left = context;
    return size_new && (*calls_left)-- == 0 ? NULL : memory_libc.resize(NULL, old, size_old, size_new);
}

static void write_everything(struct reply *reply) {
    char text[300];
    memset(text, 'x', sizeof text);
    reply_map(reply, 4);
    for (int i = 0; i < 8; i++) {
        reply_bulk(reply, slice_make(text, sizeof text));
        reply_bulk_foreign(reply, 1, 0, (const uint64_t[2]){0, 0});
        reply_error(reply, slice_make(text, sizeof text));
        reply_verbatim(reply, "txt", slice_make(text, sizeof text));
        reply_double(reply, 0.1);
        reply_integer(reply, i);
    }
}

/* What was written before the failure stays whole; nothing is written after it. */
static void a_failure_to_get_memory_ends_the_writing(void **state) {
    struct fixture whole;
    fixture_init(&whole, 3);
    write_everything(&whole.reply);
    int n = 0;
    for (bool done = false; !done; n++) {
        int calls_left = n;
        struct memory memory = {limited_resize, &calls_left};
        struct fixture fixture;
        buf_init(&fixture.out, &memory);
        buf_init(&fixture.foreign, &memory);
        reply_init(&fixture.reply, &fixture.out, &fixture.foreign, 3);
        write_everything(&fixture.reply);
        done = fixture.reply.status == STATUS_OK;
        assert_true(done || fixture.reply.status == STATUS_NO_MEMORY);
        assert_true(fixture.out.size <= whole.out.size);
        assert_true(slice_equal(buf_slice(&fixture.out), slice_part(buf_slice(&whole.out), 0, fixture.out.size)));
        size_t size = fixture.out.size;
        reply_null(&fixture.reply);
        assert_int_equal(fixture.out.size, done ? size + 3 : size);
        fixture_fini(&fixture);
    }
    assert_true(n > 5);
    fixture_fini(&whole);
    (void)state;
}

UNIT_TESTS(reply, UNIT(types_of_both_protocols_are_the_same), UNIT(types_that_resp2_lacks_become_others),
           UNIT(integers_are_written_like_printf), UNIT(foreign_values_note_their_place),
           UNIT(rewinding_forgets_bytes_foreign_values_and_errors), UNIT(a_failure_to_get_memory_ends_the_writing));
