#include "app/cmd/cmd_fixture.h"

/* Replies and errors are those of redis-server 7.0.15; of newer commands those of their documentation. */

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define NO_INTEGER "-ERR value is not an integer or out of range\r\n"
#define TOO_LONG "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"

/* An entry that is no string, under the name "object". */
static void make_object(struct cmd_fixture *f) {
    struct cache_key key = cache_key(f->cache, 0, SLICE("object"));
    struct cache_edit edit;
    cache_edit_begin(f->cache, &f->actor, &key, &edit);
    assert_int_equal(cache_edit_set(&edit, CACHE_OBJECT, SLICE("thing"), 0), STATUS_OK);
    cache_edit_end(&edit);
}

static uint64_t expires_at_ms(struct cmd_fixture *f, const char *name) {
    struct cache_key key = cache_key(f->cache, 0, slice_from_string(name));
    struct cache_info info;
    assert_true(cache_find(f->cache, &f->actor, &key, false, &info));
    return info.expires_at_ms;
}

static void set_answers_as_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "SET a 1", "+OK\r\n");
    EXPECT_REPLY(&f, "GET a", "$1\r\n1\r\n");
    EXPECT_REPLY(&f, "GET b", "$-1\r\n");
    EXPECT_REPLY(&f, "SET e \"\"", "+OK\r\n");
    EXPECT_REPLY(&f, "GET e", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "SET \"\" \"\\x00x\"", "+OK\r\n");
    EXPECT_REPLY(&f, "GET \"\"", "$2\r\n\0x\r\n");
    EXPECT_REPLY(&f, "GET object", WRONG_TYPE);
    EXPECT_REPLY(&f, "SET a 2 NX", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a 2 nx GET", "$1\r\n1\r\n");
    EXPECT_REPLY(&f, "SET b 2 XX", "$-1\r\n");
    EXPECT_REPLY(&f, "SET b 2 xx get", "$-1\r\n");
    EXPECT_REPLY(&f, "SET b 2 NX GET", "$-1\r\n");
    EXPECT_REPLY(&f, "SET b 3 XX GET", "$1\r\n2\r\n");
    EXPECT_REPLY(&f, "SET object 1 GET", WRONG_TYPE);
    EXPECT_REPLY(&f, "SET object 1 NX GET", WRONG_TYPE);
    EXPECT_REPLY(&f, "SET object 1 NX", "$-1\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "SET object 1 NX", "_\r\n");
    EXPECT_REPLY(&f, "GET nothing", "_\r\n");
    EXPECT_REPLY(&f, "SET object 1", "+OK\r\n");
    EXPECT_REPLY(&f, "GET object", "$1\r\n1\r\n");
    cmd_fixture_close(&f);
}

static void set_refuses_options_that_exclude_each_other(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a old", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a 1 NX XX", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 EX 10 PX 10", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 EX 10 KEEPTTL", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 KEEPTTL PXAT 10", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 PERSIST", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 EX", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 foo", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 EX x foo", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 IFEQ", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 IFEQ old NX", SYNTAX);
    EXPECT_REPLY(&f, "SET a 1 XX IFEQ old", SYNTAX);
    EXPECT_REPLY(&f, "SET a", "-ERR wrong number of arguments for 'set' command\r\n");
    EXPECT_REPLY(&f, "GET a", "$3\r\nold\r\n");
    EXPECT_REPLY(&f, "SET a 1 EX 10 EX 20 NX NX", "$-1\r\n");
    cmd_fixture_close(&f);
}

static void set_ifeq_compares_before_it_writes(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "SET a 1 IFEQ x", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a 1 IFEQ \"\"", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a one", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a two IFEQ on", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a two IFEQ onf GET", "$3\r\none\r\n");
    EXPECT_REPLY(&f, "SET a two IFEQ one GET EX 5", "$3\r\none\r\n");
    EXPECT_REPLY(&f, "SET a three ifeq two KEEPTTL", "+OK\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), f.actor.now_ms + 5000);
    EXPECT_REPLY(&f, "SET object x IFEQ thing", WRONG_TYPE);
    EXPECT_REPLY(&f, "DELIFEQ a two", ":0\r\n");
    EXPECT_REPLY(&f, "DELIFEQ nothing two", ":0\r\n");
    EXPECT_REPLY(&f, "DELIFEQ object thing", WRONG_TYPE);
    EXPECT_REPLY(&f, "DELIFEQ a three", ":1\r\n");
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    cmd_fixture_close(&f);
}

static void expiry_is_checked_for_overflow(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
#define BAD_SET "-ERR invalid expire time in 'set' command\r\n"
    EXPECT_REPLY(&f, "SET a 1 EX 0", BAD_SET);
    EXPECT_REPLY(&f, "SET a 1 EX -1", BAD_SET);
    EXPECT_REPLY(&f, "SET a 1 PXAT 0", BAD_SET);
    EXPECT_REPLY(&f, "SET a 1 EX 9223372036854775807", BAD_SET);
    EXPECT_REPLY(&f, "SET a 1 EX 9223372036854775", BAD_SET);
    EXPECT_REPLY(&f, "SET a 1 PX 9223372036854775807", BAD_SET);
    EXPECT_REPLY(&f, "SET a 1 EX 9223372036854775808", NO_INTEGER);
    EXPECT_REPLY(&f, "SET a 1 EX ten", NO_INTEGER);
    EXPECT_REPLY(&f, "SETEX a 0 1", "-ERR invalid expire time in 'setex' command\r\n");
    EXPECT_REPLY(&f, "SETEX a x 1", NO_INTEGER);
    EXPECT_REPLY(&f, "PSETEX a -5 1", "-ERR invalid expire time in 'psetex' command\r\n");
    EXPECT_REPLY(&f, "MSETEX 1 a 1 EX 0", "-ERR invalid expire time in 'msetex' command\r\n");
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a 1 PXAT 9223372036854775807", "+OK\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), INT64_MAX);
    char line[64];
    snprintf(line, sizeof line, "SET a 1 PX %lld", (long long)(INT64_MAX - (int64_t)f.actor.now_ms));
    EXPECT_REPLY(&f, line, "+OK\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), INT64_MAX);
    snprintf(line, sizeof line, "SET a 1 PX %lld", (long long)(INT64_MAX - (int64_t)f.actor.now_ms + 1));
    EXPECT_REPLY(&f, line, BAD_SET);
    cmd_fixture_close(&f);
}

static void expiry_is_kept_set_and_dropped(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    uint64_t now_ms = f.actor.now_ms;
    EXPECT_REPLY(&f, "SET a 1 EX 10", "+OK\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), now_ms + 10000);
    EXPECT_REPLY(&f, "INCR a", ":2\r\n");
    EXPECT_REPLY(&f, "APPEND a 0", ":2\r\n");
    EXPECT_REPLY(&f, "SETRANGE a 1 1", ":2\r\n");
    EXPECT_REPLY(&f, "SETBIT a 40 1", ":0\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), now_ms + 10000);
    EXPECT_REPLY(&f, "SET a 2 KEEPTTL", "+OK\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT a 0.5", "$3\r\n2.5\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), now_ms + 10000);
    EXPECT_REPLY(&f, "GETEX a PERSIST", "$3\r\n2.5\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), 0);
    EXPECT_REPLY(&f, "GETEX a PX 7", "$3\r\n2.5\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), now_ms + 7);
    EXPECT_REPLY(&f, "MSETEX 1 a 3 KEEPTTL", ":1\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), now_ms + 7);
    EXPECT_REPLY(&f, "GETSET a 3", "$1\r\n3\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), 0);
    EXPECT_REPLY(&f, "PSETEX a 5 v", "+OK\r\n");
    EXPECT_REPLY(&f, "BITOP NOT a a", ":1\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), 0);
    EXPECT_REPLY(&f, "SETEX a 5 v", "+OK\r\n");
    f.actor.now_ms += 4999;
    EXPECT_REPLY(&f, "GET a", "$1\r\nv\r\n");
    f.actor.now_ms += 1;
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a 2 KEEPTTL", "+OK\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), 0);
    cmd_fixture_close(&f);
}

static void past_expiry_deletes(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a 1", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a 2 EXAT 1", "+OK\r\n");
    EXPECT_REPLY(&f, "STRLEN a", ":0\r\n");
    EXPECT_REPLY(&f, "SET a 1", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a 2 GET PXAT 1", "$1\r\n1\r\n");
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a 1", "+OK\r\n");
    EXPECT_REPLY(&f, "GETEX a EXAT 1", "$1\r\n1\r\n");
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    EXPECT_REPLY(&f, "MSET a 1 b 1", "+OK\r\n");
    EXPECT_REPLY(&f, "MSETEX 2 a 1 c 1 EXAT 1", ":1\r\n");
    EXPECT_REPLY(&f, "MGET a b c", "*3\r\n$-1\r\n$1\r\n1\r\n$-1\r\n");
    assert_int_equal(cache_count(f.cache, 0), 1);
    cmd_fixture_close(&f);
}

static void getex_and_getdel_answer_as_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "GETEX nothing EX abc", "$-1\r\n");
    EXPECT_REPLY(&f, "GETEX nothing EX 0", "$-1\r\n");
    EXPECT_REPLY(&f, "GETEX object EX abc", WRONG_TYPE);
    EXPECT_REPLY(&f, "GETEX object", WRONG_TYPE);
    EXPECT_REPLY(&f, "SET a 1", "+OK\r\n");
    EXPECT_REPLY(&f, "GETEX a", "$1\r\n1\r\n");
    EXPECT_REPLY(&f, "GETEX a EX 0", "-ERR invalid expire time in 'getex' command\r\n");
    EXPECT_REPLY(&f, "GETEX a EX abc", NO_INTEGER);
    EXPECT_REPLY(&f, "GETEX a EX 100 PERSIST", SYNTAX);
    EXPECT_REPLY(&f, "GETEX a KEEPTTL", SYNTAX);
    EXPECT_REPLY(&f, "GETEX a EX", SYNTAX);
    assert_int_equal(expires_at_ms(&f, "a"), 0);
    EXPECT_REPLY(&f, "GETDEL object", WRONG_TYPE);
    EXPECT_REPLY(&f, "GETDEL a", "$1\r\n1\r\n");
    EXPECT_REPLY(&f, "GETDEL a", "$-1\r\n");
    EXPECT_REPLY(&f, "GETSET a 2", "$-1\r\n");
    EXPECT_REPLY(&f, "GETSET object 2", WRONG_TYPE);
    EXPECT_REPLY(&f, "SETNX a 3", ":0\r\n");
    EXPECT_REPLY(&f, "SETNX b 3", ":1\r\n");
    EXPECT_REPLY(&f, "MGET a b object nothing", "*4\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n$-1\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "MGET object", "*1\r\n_\r\n");
    cmd_fixture_close(&f);
}

static void several_keys_are_written_together(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "MSET a 1 b 2 a 3", "+OK\r\n");
    EXPECT_REPLY(&f, "MGET a b", "*2\r\n$1\r\n3\r\n$1\r\n2\r\n");
    EXPECT_REPLY(&f, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n");
    EXPECT_REPLY(&f, "MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command\r\n");
    EXPECT_REPLY(&f, "MSETNX c 1 b 9", ":0\r\n");
    EXPECT_REPLY(&f, "MSETNX c 1 object 9", ":0\r\n");
    EXPECT_REPLY(&f, "GET c", "$-1\r\n");
    EXPECT_REPLY(&f, "MSETNX c 1 d 2 c 3", ":1\r\n");
    EXPECT_REPLY(&f, "GET c", "$1\r\n3\r\n");
    EXPECT_REPLY(&f, "MSET object 1 x 2", "+OK\r\n");
    EXPECT_REPLY(&f, "GET object", "$1\r\n1\r\n");
    EXPECT_REPLY(&f, "MSETEX x a 1", "-ERR invalid numkeys value\r\n");
    EXPECT_REPLY(&f, "MSETEX 0 a 1", "-ERR invalid numkeys value\r\n");
    EXPECT_REPLY(&f, "MSETEX 2147483648 a 1", "-ERR invalid numkeys value\r\n");
    EXPECT_REPLY(&f, "MSETEX 2147483647 a 1", "-ERR wrong number of key-value pairs\r\n");
    EXPECT_REPLY(&f, "MSETEX 2 a 1 b", "-ERR wrong number of key-value pairs\r\n");
    EXPECT_REPLY(&f, "MSETEX 1 a 1 b", SYNTAX);
    EXPECT_REPLY(&f, "MSETEX 1 a 1 NX XX", SYNTAX);
    EXPECT_REPLY(&f, "MSETEX 1 a 1 GET", SYNTAX);
    EXPECT_REPLY(&f, "MSETEX 1 a 1 EX 1 KEEPTTL", SYNTAX);
    EXPECT_REPLY(&f, "MSETEX 2 a 9 n 9 NX", ":0\r\n");
    EXPECT_REPLY(&f, "MSETEX 2 a 9 n 9 XX EX 5", ":0\r\n");
    EXPECT_REPLY(&f, "MGET a n", "*2\r\n$1\r\n3\r\n$-1\r\n");
    EXPECT_REPLY(&f, "MSETEX 2 a 9 b 8 EX 5 XX", ":1\r\n");
    assert_int_equal(expires_at_ms(&f, "a"), f.actor.now_ms + 5000);
    assert_int_equal(expires_at_ms(&f, "b"), f.actor.now_ms + 5000);
    EXPECT_REPLY(&f, "MSETEX 2 n 1 m 2 NX", ":1\r\n");
    EXPECT_REPLY(&f, "MGET a b n m", "*4\r\n$1\r\n9\r\n$1\r\n8\r\n$1\r\n1\r\n$1\r\n2\r\n");
    cmd_fixture_close(&f);
}

static void ranges_are_clamped(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "SET a hello", "+OK\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 0 -1", "$5\r\nhello\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 1 3", "$3\r\nell\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 3 1", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 5 9", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "GETRANGE a -3 -2", "$2\r\nll\r\n");
    EXPECT_REPLY(&f, "GETRANGE a -100 -90", "$1\r\nh\r\n");
    EXPECT_REPLY(&f, "GETRANGE a -90 -100", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "GETRANGE a -9223372036854775808 9223372036854775807", "$5\r\nhello\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 0 9223372036854775807", "$5\r\nhello\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 9223372036854775807 9223372036854775807", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "SUBSTR a -2 -1", "$2\r\nlo\r\n");
    EXPECT_REPLY(&f, "GETRANGE nothing 0 1", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "GETRANGE nothing -2 -1", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "GETRANGE object 0 x", NO_INTEGER);
    EXPECT_REPLY(&f, "GETRANGE object 0 1", WRONG_TYPE);
    EXPECT_REPLY(&f, "GETRANGE object 3 1", WRONG_TYPE);
    EXPECT_REPLY(&f, "GETRANGE object -2 -1", WRONG_TYPE);
    cmd_fixture_close(&f);
}

static void parts_are_written_and_sizes_bounded(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "SETRANGE a 5 \"\"", ":0\r\n");
    EXPECT_REPLY(&f, "STRLEN a", ":0\r\n");
    EXPECT_REPLY(&f, "SETRANGE a 2 hi", ":4\r\n");
    EXPECT_REPLY(&f, "GET a", "$4\r\n\0\0hi\r\n");
    EXPECT_REPLY(&f, "SETRANGE a 0 x", ":4\r\n");
    EXPECT_REPLY(&f, "SETRANGE a 536870912 \"\"", ":4\r\n");
    EXPECT_REPLY(&f, "SETRANGE a -1 x", "-ERR offset is out of range\r\n");
    EXPECT_REPLY(&f, "SETRANGE a x x", NO_INTEGER);
    EXPECT_REPLY(&f, "SETRANGE a 536870912 x", TOO_LONG);
    EXPECT_REPLY(&f, "SETRANGE a 9223372036854775807 x", TOO_LONG);
    EXPECT_REPLY(&f, "SETRANGE b 9223372036854775807 x", TOO_LONG);
    EXPECT_REPLY(&f, "SETRANGE object 536870912 x", WRONG_TYPE);
    EXPECT_REPLY(&f, "SETRANGE object 0 \"\"", WRONG_TYPE);
    EXPECT_REPLY(&f, "APPEND a !", ":5\r\n");
    EXPECT_REPLY(&f, "GET a", "$5\r\nx\0hi!\r\n");
    EXPECT_REPLY(&f, "APPEND b \"\"", ":0\r\n");
    EXPECT_REPLY(&f, "GET b", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "APPEND c x", ":1\r\n");
    EXPECT_REPLY(&f, "APPEND object x", WRONG_TYPE);
    EXPECT_REPLY(&f, "STRLEN object", WRONG_TYPE);
    EXPECT_REPLY(&f, "STRLEN a", ":5\r\n");
    cmd_fixture_close(&f);
}

static void integers_stop_at_the_edges_of_64_bits(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
#define OVERFLOWS "-ERR increment or decrement would overflow\r\n"
    EXPECT_REPLY(&f, "INCRBY a 9223372036854775807", ":9223372036854775807\r\n");
    EXPECT_REPLY(&f, "INCR a", OVERFLOWS);
    EXPECT_REPLY(&f, "INCRBY a 9223372036854775807", OVERFLOWS);
    EXPECT_REPLY(&f, "DECRBY a -1", OVERFLOWS);
    EXPECT_REPLY(&f, "INCRBY a 0", ":9223372036854775807\r\n");
    EXPECT_REPLY(&f, "INCRBY a -9223372036854775808", ":-1\r\n");
    EXPECT_REPLY(&f, "INCRBY a -9223372036854775807", ":-9223372036854775808\r\n");
    EXPECT_REPLY(&f, "DECR a", OVERFLOWS);
    EXPECT_REPLY(&f, "DECRBY a 9223372036854775807", OVERFLOWS);
    EXPECT_REPLY(&f, "INCRBY a -1", OVERFLOWS);
    EXPECT_REPLY(&f, "DECRBY a -9223372036854775807", ":-1\r\n");
    EXPECT_REPLY(&f, "DECRBY a -9223372036854775808", "-ERR decrement would overflow\r\n");
    EXPECT_REPLY(&f, "DECRBY object -9223372036854775808", "-ERR decrement would overflow\r\n");
    EXPECT_REPLY(&f, "DECRBY a 9223372036854775808", NO_INTEGER);
    EXPECT_REPLY(&f, "INCRBY a -9223372036854775809", NO_INTEGER);
    EXPECT_REPLY(&f, "GET a", "$2\r\n-1\r\n");
    EXPECT_REPLY(&f, "INCR object", WRONG_TYPE);
    EXPECT_REPLY(&f, "INCRBY object x", NO_INTEGER);
    static const char *const no_numbers[] = {"\"\"",
                                             "abc",
                                             "\" 1\"",
                                             "01",
                                             "+1",
                                             "-0",
                                             "1.0",
                                             "9223372036854775808",
                                             "-9223372036854775809",
                                             "123456789012345678901"};
    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++) {
        char line[64];
        snprintf(line, sizeof line, "SET n %s", no_numbers[i]);
        EXPECT_REPLY(&f, line, "+OK\r\n");
        EXPECT_REPLY(&f, "INCR n", NO_INTEGER);
    }
    cmd_fixture_close(&f);
}

static void decimals_are_added(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
#define NO_FLOAT "-ERR value is not a valid float\r\n"
#define NO_RESULT "-ERR increment would produce NaN or Infinity\r\n"
    EXPECT_REPLY(&f, "INCRBYFLOAT a 10.5", "$4\r\n10.5\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT a -5", "$3\r\n5.5\r\n");
    EXPECT_REPLY(&f, "SET a 5.0e3", "+OK\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT a 2.0e2", "$4\r\n5200\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT a 0x1p-3", "$8\r\n5200.125\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT a nan", NO_FLOAT);
    EXPECT_REPLY(&f, "INCRBYFLOAT a \" 1\"", NO_FLOAT);
    EXPECT_REPLY(&f, "INCRBYFLOAT a 1e5000", NO_FLOAT);
    EXPECT_REPLY(&f, "INCRBYFLOAT a -inf", NO_RESULT);
    EXPECT_REPLY(&f, "GET a", "$8\r\n5200.125\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT z -0", "$1\r\n0\r\n");
    EXPECT_REPLY(&f, "SET z \"\"", "+OK\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT z 1", NO_FLOAT);
    EXPECT_REPLY(&f, "SET z inf", "+OK\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT z 1", NO_RESULT);
    EXPECT_REPLY(&f, "INCRBYFLOAT object x", WRONG_TYPE);
    cmd_fixture_close(&f);
}

UNIT_TESTS(string, UNIT(set_answers_as_redis), UNIT(set_refuses_options_that_exclude_each_other),
           UNIT(set_ifeq_compares_before_it_writes), UNIT(expiry_is_checked_for_overflow),
           UNIT(expiry_is_kept_set_and_dropped), UNIT(past_expiry_deletes), UNIT(getex_and_getdel_answer_as_redis),
           UNIT(several_keys_are_written_together), UNIT(ranges_are_clamped), UNIT(parts_are_written_and_sizes_bounded),
           UNIT(integers_stop_at_the_edges_of_64_bits), UNIT(decimals_are_added));
