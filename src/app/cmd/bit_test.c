#include "app/cmd/bit.h"

#include "app/cmd/cmd_fixture.h"
#include "base/rng.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define NO_INTEGER "-ERR value is not an integer or out of range\r\n"
#define NO_OFFSET "-ERR bit offset is not an integer or out of range\r\n"

static void make_object(struct cmd_fixture *f) {
    struct cache_key key = cache_key(f->cache, 0, SLICE("object"));
    struct cache_edit edit;
    cache_edit_begin(f->cache, &f->actor, &key, &edit);
    assert_int_equal(cache_edit_set(&edit, CACHE_OBJECT, SLICE("thing"), 0), STATUS_OK);
    cache_edit_end(&edit);
}

static void single_bits_answer_as_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "SETBIT a 9 1", ":0\r\n");
    EXPECT_REPLY(&f, "GET a", "$2\r\n\0\x40\r\n");
    EXPECT_REPLY(&f, "SETBIT a 9 0", ":1\r\n");
    EXPECT_REPLY(&f, "SETBIT b 7 0", ":0\r\n");
    EXPECT_REPLY(&f, "GET b", "$1\r\n\0\r\n");
    EXPECT_REPLY(&f, "GETBIT a 9", ":0\r\n");
    EXPECT_REPLY(&f, "GETBIT a 4294967295", ":0\r\n");
    EXPECT_REPLY(&f, "GETBIT nothing 3", ":0\r\n");
    EXPECT_REPLY(&f, "GETBIT object 3", WRONG_TYPE);
    EXPECT_REPLY(&f, "GETBIT a 4294967296", NO_OFFSET);
    EXPECT_REPLY(&f, "SETBIT a -1 1", NO_OFFSET);
    EXPECT_REPLY(&f, "SETBIT a #1 1", NO_OFFSET);
    EXPECT_REPLY(&f, "SETBIT a x 2", NO_OFFSET);
    EXPECT_REPLY(&f, "SETBIT a 1 2", "-ERR bit is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "SETBIT object 1 x", "-ERR bit is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "SETBIT object 1 1", WRONG_TYPE);
    cmd_fixture_close(&f);
}

static void ranges_of_bits_answer_as_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "SET a foobar", "+OK\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a", ":26\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a 1 1", ":6\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a 5 30 bit", ":17\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a -100 -90", ":4\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a -90 -100 foo", ":0\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a -9223372036854775808 9223372036854775807 BYTE", ":26\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a 1", SYNTAX);
    EXPECT_REPLY(&f, "BITCOUNT a 1 x foo", NO_INTEGER);
    EXPECT_REPLY(&f, "BITCOUNT a 0 1 foo", SYNTAX);
    EXPECT_REPLY(&f, "BITCOUNT a x 1 bit bit", SYNTAX);
    EXPECT_REPLY(&f, "BITCOUNT object x", WRONG_TYPE);
    EXPECT_REPLY(&f, "BITCOUNT nothing x", ":0\r\n");
    EXPECT_REPLY(&f, "SET b \"\\xff\\xf0\\x00\"", "+OK\r\n");
    EXPECT_REPLY(&f, "BITPOS b 0", ":12\r\n");
    EXPECT_REPLY(&f, "BITPOS b 1 2", ":-1\r\n");
    EXPECT_REPLY(&f, "BITPOS b 0 13 -1 bit", ":13\r\n");
    EXPECT_REPLY(&f, "BITPOS b 1 -24 -1 BIT", ":0\r\n");
    EXPECT_REPLY(&f, "SET c \"\\xff\\xff\"", "+OK\r\n");
    EXPECT_REPLY(&f, "BITPOS c 0", ":16\r\n");
    EXPECT_REPLY(&f, "BITPOS c 0 1", ":16\r\n");
    EXPECT_REPLY(&f, "BITPOS c 0 2", ":-1\r\n");
    EXPECT_REPLY(&f, "BITPOS c 0 0 -1", ":-1\r\n");
    EXPECT_REPLY(&f, "BITPOS nothing 0 x y z", ":0\r\n");
    EXPECT_REPLY(&f, "BITPOS nothing 1", ":-1\r\n");
    EXPECT_REPLY(&f, "BITPOS c 2", "-ERR The bit argument must be 1 or 0.\r\n");
    EXPECT_REPLY(&f, "BITPOS c x", NO_INTEGER);
    EXPECT_REPLY(&f, "BITPOS c 0 x 1 foo", NO_INTEGER);
    EXPECT_REPLY(&f, "BITPOS c 0 1 x foo", SYNTAX);
    EXPECT_REPLY(&f, "BITPOS c 0 1 1 bit bit", SYNTAX);
    EXPECT_REPLY(&f, "BITPOS object 1", WRONG_TYPE);
    EXPECT_REPLY(&f, "SET e \"\"", "+OK\r\n");
    EXPECT_REPLY(&f, "BITPOS e 0", ":-1\r\n");
    EXPECT_REPLY(&f, "BITCOUNT e", ":0\r\n");
    cmd_fixture_close(&f);
}

static void bitop_answers_as_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    make_object(&f);
    EXPECT_REPLY(&f, "MSET a \"\\xf0\\x0f\\xaa\" b \"\\xcc\"", "+OK\r\n");
    EXPECT_REPLY(&f, "BITOP AND d a b", ":3\r\n");
    EXPECT_REPLY(&f, "GET d", "$3\r\n\xc0\0\0\r\n");
    EXPECT_REPLY(&f, "BITOP or d a b nothing", ":3\r\n");
    EXPECT_REPLY(&f, "GET d", "$3\r\n\xfc\x0f\xaa\r\n");
    EXPECT_REPLY(&f, "BITOP XOR a a b", ":3\r\n");
    EXPECT_REPLY(&f, "GET a", "$3\r\n\x3c\x0f\xaa\r\n");
    EXPECT_REPLY(&f, "BITOP NOT object b", ":1\r\n");
    EXPECT_REPLY(&f, "GET object", "$1\r\n\x33\r\n");
    make_object(&f);
    EXPECT_REPLY(&f, "BITOP foo d object", SYNTAX);
    EXPECT_REPLY(&f, "BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.\r\n");
    EXPECT_REPLY(&f, "BITOP AND d a object", WRONG_TYPE);
    EXPECT_REPLY(&f, "GET d", "$3\r\n\xfc\x0f\xaa\r\n");
    EXPECT_REPLY(&f, "BITOP AND object nothing nothing", ":0\r\n");
    EXPECT_REPLY(&f, "GET object", "$-1\r\n");
    cmd_fixture_close(&f);
}

/* ------------------------------------------------------- against naive loops */

static bool naive_bit(const uint8_t *bytes, uint64_t at) { return bytes[at / 8] >> (7 - at % 8) & 1; }

static void helpers_equal_naive_loops(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    print_message("seed %llu\n", (unsigned long long)unit_seed());
    for (int round = 0; round < 5000; round++) {
        uint8_t bytes[100];
        uint64_t size = rng_below(&rng, sizeof bytes + 1), count = 0, first[2] = {UINT64_MAX, UINT64_MAX};
        memset(bytes, rng_below(&rng, 2) ? 0xff : 0, sizeof bytes);
        for (uint64_t changes = rng_below(&rng, 4); changes && size; changes--)
            bytes[rng_below(&rng, size)] = (uint8_t)rng_next(&rng);
        for (uint64_t at = size * 8; at-- > 0;) {
            count += naive_bit(bytes, at);
            first[naive_bit(bytes, at)] = at;
        }
        assert_int_equal(bit_count(slice_make(bytes, size)), count);
        assert_int_equal(bit_find(slice_make(bytes, size), false), first[0]);
        assert_int_equal(bit_find(slice_make(bytes, size), true), first[1]);
    }
}

enum { VALUE_SIZE = 300000 }; /* stands in several pieces */

static int64_t run_integer(struct cmd_fixture *f, const char *format, ...) {
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    struct slice reply = cmd_fixture_run(f, line);
    char text[32] = {0};
    assert_true(reply.size < sizeof text);
    memcpy(text, reply.data, reply.size);
    assert_int_equal(text[0], ':');
    return strtoll(text + 1, NULL, 10);
}

static void expect_bytes(struct cmd_fixture *f, const char *line, const uint8_t *bytes, uint64_t size) {
    char head[32];
    struct slice reply = cmd_fixture_run(f, line);
    size_t head_size = (size_t)snprintf(head, sizeof head, "$%llu\r\n", (unsigned long long)size);
    assert_int_equal(reply.size, head_size + size + 2);
    assert_memory_equal(reply.data, head, head_size);
    assert_memory_equal(reply.data + head_size, bytes, size);
}

/* Few bits are set, so that searches walk over whole pieces. */
static void large_value_equals_a_plain_array(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct rng rng = rng_seeded(unit_seed());
    print_message("seed %llu\n", (unsigned long long)unit_seed());
    uint8_t *twin = calloc(VALUE_SIZE, 1);
    assert_int_equal(run_integer(&f, "SETRANGE v %d \"\\x00\"", VALUE_SIZE - 1), VALUE_SIZE);
    for (int round = 0; round < 150; round++) {
        uint64_t at = rng_below(&rng, VALUE_SIZE * 8), from = rng_below(&rng, VALUE_SIZE * 8);
        uint64_t to = from + rng_below(&rng, VALUE_SIZE * 8 - from), count = 0, first = UINT64_MAX;
        unsigned bit = (unsigned)rng_below(&rng, 2);
        assert_int_equal(run_integer(&f, "SETBIT v %llu %u", (unsigned long long)at, bit), naive_bit(twin, at));
        twin[at / 8] = (uint8_t)((twin[at / 8] & ~(0x80u >> at % 8)) | (bit << (7 - at % 8)));
        for (uint64_t i = to + 1; i-- > from;) {
            count += naive_bit(twin, i);
            first = naive_bit(twin, i) ? i : first;
        }
        assert_int_equal(run_integer(&f, "BITCOUNT v %llu %llu BIT", (unsigned long long)from, (unsigned long long)to),
                         count);
        assert_int_equal(run_integer(&f, "BITPOS v 1 %llu %llu BIT", (unsigned long long)from, (unsigned long long)to),
                         (int64_t)first);
    }
    expect_bytes(&f, "GET v", twin, VALUE_SIZE);
    expect_bytes(&f, "GETRANGE v 1000 250000", twin + 1000, 249001);
    expect_bytes(&f, "GETRANGE v -250000 -10000", twin + 50000, 240001);
    expect_bytes(&f, "GETRANGE v -200000 -199990", twin + 100000, 11);
    assert_int_equal(run_integer(&f, "BITOP NOT w v"), VALUE_SIZE);
    for (int i = 0; i < VALUE_SIZE; i++)
        twin[i] = (uint8_t)~twin[i];
    expect_bytes(&f, "GET w", twin, VALUE_SIZE);
    assert_int_equal(run_integer(&f, "BITOP OR w v w nothing"), VALUE_SIZE);
    memset(twin, 0xff, VALUE_SIZE);
    expect_bytes(&f, "GETSET w x", twin, VALUE_SIZE);
    assert_int_equal(run_integer(&f, "BITOP XOR v v v"), VALUE_SIZE);
    memset(twin, 0, VALUE_SIZE);
    expect_bytes(&f, "GETDEL v", twin, VALUE_SIZE);
    free(twin);
    cmd_fixture_close(&f);
}

UNIT_TESTS(bit, UNIT(single_bits_answer_as_redis), UNIT(ranges_of_bits_answer_as_redis), UNIT(bitop_answers_as_redis),
           UNIT(helpers_equal_naive_loops), UNIT(large_value_equals_a_plain_array));
