#include "app/cmd/cmd_fixture.h"
#include "base/rng.h"

#define NO_TYPE "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.\r\n"
#define NO_OFFSET "-ERR bit offset is not an integer or out of range\r\n"
#define SYNTAX "-ERR syntax error\r\n"

static void bitfield_answers_as_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "BITFIELD a", "*0\r\n");
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW wrap", "*0\r\n");
    EXPECT_REPLY(&f, "BITFIELD a GET u8 4294967289", "*1\r\n:0\r\n");
    EXPECT_REPLY(&f, "STRLEN a", ":0\r\n");
    EXPECT_REPLY(&f, "BITFIELD a SET u8 #1 200 GET u8 8 INCRBY i8 #1 -1", "*3\r\n:0\r\n:200\r\n:-57\r\n");
    EXPECT_REPLY(&f, "GET a", "$2\r\n\0\xc7\r\n");
    EXPECT_REPLY(&f, "BITFIELD a set i64 3 -2 get i64 3 get u63 4",
                 "*3\r\n:448108162923364352\r\n:-2\r\n:9223372036854775806\r\n");
    EXPECT_REPLY(&f, "BITFIELD_RO a GET u4 0 OVERFLOW SAT", "*1\r\n:1\r\n");
    EXPECT_REPLY(&f, "BITFIELD_RO a SET u4 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n");
    EXPECT_REPLY(&f, "BITFIELD a GET u64 0", NO_TYPE);
    EXPECT_REPLY(&f, "BITFIELD a GET i65 0", NO_TYPE);
    EXPECT_REPLY(&f, "BITFIELD a GET u0 0", NO_TYPE);
    EXPECT_REPLY(&f, "BITFIELD a GET U8 0", NO_TYPE);
    EXPECT_REPLY(&f, "BITFIELD a GET \"\" 0", NO_TYPE);
    EXPECT_REPLY(&f, "BITFIELD a GET u8 -1", NO_OFFSET);
    EXPECT_REPLY(&f, "BITFIELD a GET u8 #", NO_OFFSET);
    EXPECT_REPLY(&f, "BITFIELD a GET u8 #536870912", NO_OFFSET);
    EXPECT_REPLY(&f, "BITFIELD a GET u8 #9223372036854775807", NO_OFFSET);
    EXPECT_REPLY(&f, "BITFIELD a SET u8 0 abc", "-ERR value is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "BITFIELD a SET u8 0", SYNTAX);
    EXPECT_REPLY(&f, "BITFIELD a GET u8", SYNTAX);
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW", SYNTAX);
    EXPECT_REPLY(&f, "BITFIELD a GET u8 0 foo", SYNTAX);
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW foo", "-ERR Invalid OVERFLOW type specified\r\n");
    EXPECT_REPLY(&f, "BITFIELD a SET u8 4294967289 1",
                 "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    EXPECT_REPLY(&f, "STRLEN a", ":9\r\n");
    cmd_fixture_close(&f);
}

static void overflow_wraps_saturates_or_fails(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW FAIL SET u8 8 256", "*1\r\n$-1\r\n");
    EXPECT_REPLY(&f, "STRLEN a", ":2\r\n");
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW SAT SET u8 0 -1 GET u8 0", "*2\r\n:0\r\n:255\r\n");
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW SAT INCRBY u8 0 -9223372036854775808", "*1\r\n:0\r\n");
    EXPECT_REPLY(&f, "BITFIELD a INCRBY u8 0 257 INCRBY u8 0 -2", "*2\r\n:1\r\n:255\r\n");
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW SAT SET i8 0 1000 GET i8 0", "*2\r\n:-1\r\n:127\r\n");
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW SAT SET i8 0 -1000 GET i8 0", "*2\r\n:127\r\n:-128\r\n");
    /* Below a point a SET saturates on the wrong side, in Redis and so here. */
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW SAT SET i8 0 -9223372036854775680 GET i8 0", "*2\r\n:-128\r\n:-128\r\n");
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW SAT SET i8 0 -9223372036854775681 GET i8 0", "*2\r\n:-128\r\n:127\r\n");
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW SAT INCRBY i8 0 -9223372036854775808", "*1\r\n:-128\r\n");
    EXPECT_REPLY(&f, "BITFIELD b SET i64 0 9223372036854775807 INCRBY i64 0 1",
                 "*2\r\n:0\r\n:-9223372036854775808\r\n");
    EXPECT_REPLY(&f, "BITFIELD b OVERFLOW SAT INCRBY i64 0 -1 OVERFLOW FAIL INCRBY i64 0 -1",
                 "*2\r\n:-9223372036854775808\r\n$-1\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "BITFIELD a OVERFLOW FAIL INCRBY i8 0 -1", "*1\r\n_\r\n");
    cmd_fixture_close(&f);
}

/* Far more bytes apart than the window holds: every field is written by itself. */
static void distant_fields_are_written_too(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "BITFIELD a SET u8 0 1 SET u16 8000000 515 GET u8 8000008 INCRBY u8 0 1",
                 "*4\r\n:0\r\n:0\r\n:3\r\n:2\r\n");
    EXPECT_REPLY(&f, "STRLEN a", ":1000002\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 999999 -1", "$3\r\n\0\x02\x03\r\n");
    EXPECT_REPLY(&f, "BITCOUNT a", ":4\r\n");
    EXPECT_REPLY(&f, "BITFIELD a GET u8 0 GET u24 7999992", "*2\r\n:2\r\n:515\r\n");
    cmd_fixture_close(&f);
}

static void random_fields_equal_single_bits(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct rng rng = rng_seeded(unit_seed());
    print_message("seed %llu\n", (unsigned long long)unit_seed());
    uint8_t twin[512] = {0}; /* one bit each */
    EXPECT_REPLY(&f, "SETRANGE a 63 \"\\x00\"", ":64\r\n");
    for (int round = 0; round < 5000; round++) {
        unsigned bits = 1 + (unsigned)rng_below(&rng, 63), at = (unsigned)rng_below(&rng, 512 - bits);
        uint64_t value = rng_next(&rng) >> (64 - bits), old = 0;
        for (unsigned i = 0; i < bits; i++) {
            old = old << 1 | twin[at + i];
            twin[at + i] = value >> (bits - 1 - i) & 1;
        }
        char line[96], expected[64];
        snprintf(line, sizeof line, "BITFIELD a SET u%u %u %llu GET u%u %u", bits, at, (unsigned long long)value, bits,
                 at);
        snprintf(expected, sizeof expected, "*2\r\n:%llu\r\n:%llu\r\n", (unsigned long long)old,
                 (unsigned long long)value);
        cmd_fixture_expect(&f, line, slice_from_string(expected), __FILE__, __LINE__);
    }
    cmd_fixture_close(&f);
}

UNIT_TESTS(bitfield, UNIT(bitfield_answers_as_redis), UNIT(overflow_wraps_saturates_or_fails),
           UNIT(distant_fields_are_written_too), UNIT(random_fields_equal_single_bits));
