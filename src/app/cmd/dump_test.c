#include "app/cmd/key_fixture.h"
#include "base/rng.h"
#include "core/rdb/crc64.h"
#include "core/rdb/rdb_string.h"

/* The bytes of a bulk string reply. */
static struct slice bulk(struct slice reply) {
    int used;
    size_t size;
    assert_int_equal(sscanf((const char *)reply.data, "$%zu\r\n%n", &size, &used), 1);
    assert_int_equal(reply.size, (size_t)used + size + 2);
    return slice_make(reply.data + used, size);
}

static struct slice restore(struct cmd_fixture *f, const char *name, const char *ttl, struct slice payload,
                            const char *option) {
    struct slice argv[] = {SLICE("RESTORE"), slice_from_string(name), slice_from_string(ttl), payload,
                           slice_from_string(option)};
    return cmd_fixture_run_argv(f, argv, *option ? 5 : 4);
}

static void expect_restore(struct cmd_fixture *f, const char *name, const char *ttl, struct slice payload,
                           const char *option, const char *wanted) {
    struct slice reply = restore(f, name, ttl, payload, option);
    if (!slice_equal(reply, slice_from_string(wanted)))
        fail_msg("wanted %s, received %.*s", wanted, (int)reply.size, (const char *)reply.data);
}

/* A payload with a good footer; the caller frees the bytes. */
static struct slice payload_make(struct slice body) {
    uint8_t *bytes = malloc(body.size + RDB_FOOTER_SIZE);
    if (body.size)
        memcpy(bytes, body.data, body.size);
    rdb_footer(body, bytes + body.size);
    return slice_make(bytes, body.size + RDB_FOOTER_SIZE);
}

static void dump_writes_what_redis_writes(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "DUMP nokey", "$-1\r\n");
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "DUMP a", "$13\r\n\x00\xc0\x01\n\x00&x\xe7\xb6\xd1\x01\x11\xfc\r\n");
    key_put(&f, "a", "");
    EXPECT_REPLY(&f, "DUMP a", "$12\r\n\x00\x00\n\x00]\x9b\\@\x0f\x7f\xa2\xda\r\n");
    key_put(&f, "a", "2147483648");
    EXPECT_REPLY(&f, "DUMP a", "$22\r\n\x00\n2147483648\n\x00\xe7\xb1)\xa3L\x1dv\xee\r\n");
    key_put(&f, "a", "hello world");
    EXPECT_REPLY(&f, "DUMP a",
                 "$23\r\n\x00\x0bhello world\n\x00\x0b\xfcI\xb9\xa6\xc7\xa0"
                 "4\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "DUMP nokey", "_\r\n");
    cmd_fixture_close(&f);
}

static void values_of_all_sizes_come_back(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    uint64_t seed = unit_seed();
    struct rng rng = rng_seeded(seed);
    static const size_t sizes[] = {0, 1, 11, 12, 13, 63, 64, 1000, 16383, 16384, 100000, 1 << 20, 5000001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *value = malloc(sizes[i] + 1);
        for (size_t at = 0; at < sizes[i]; at++)
            value[at] = (uint8_t)rng_next(&rng);
        key_put_slice(&f, 0, SLICE("a"), slice_make(value, sizes[i]), 0);
        struct slice dumped = bulk(key_run_text(&f, "DUMP a"));
        uint8_t *payload = malloc(dumped.size);
        memcpy(payload, dumped.data, dumped.size);
        expect_restore(&f, "b", "0", slice_make(payload, dumped.size), "REPLACE", "+OK\r\n");
        struct key_value back = key_value_get(&f, 0, "b");
        if (!back.found || back.info.size != sizes[i] || memcmp(back.bytes, value, sizes[i]) != 0)
            fail_msg("size %zu, seed %llu", sizes[i], (unsigned long long)seed);
        free(back.bytes);
        free(payload);
        free(value);
    }
    cmd_fixture_close(&f);
}

/* A value of `size` times 'a', compressed. */
static struct slice compressed_make(uint32_t size) {
    uint32_t stored = 2, left = size - 1;
    uint8_t *body = malloc(20 + size);
    uint8_t *at = body + 12;
    *at++ = 0;
    *at++ = 'a';
    for (; left >= 264; left -= 264, stored += 3, at += 3)
        memcpy(at, (uint8_t[]){0xe0, 255, 0}, 3);
    for (; left > 0; left--, stored += 2) {
        *at++ = 0;
        *at++ = 'a';
    }
    body[0] = 0;
    body[1] = 0xc3;
    for (int part = 0; part < 2; part++) {
        uint32_t length = part ? size : stored;
        uint8_t *head = body + 2 + part * 5;
        head[0] = 0x80;
        for (int i = 0; i < 4; i++)
            head[1 + i] = (uint8_t)(length >> (24 - 8 * i));
    }
    struct slice payload = payload_make(slice_make(body, 12 + stored));
    free(body);
    return payload;
}

static void compressed_values_are_unpacked(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static const uint32_t sizes[] = {1, 265, 1000, 50000, 300000, 4 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct slice payload = compressed_make(sizes[i]);
        expect_restore(&f, "a", "0", payload, "REPLACE", "+OK\r\n");
        struct key_value value = key_value_get(&f, 0, "a");
        assert_true(value.found && value.info.size == sizes[i]);
        for (uint32_t at = 0; at < sizes[i]; at++)
            assert_true(value.bytes[at] == 'a');
        free(value.bytes);
        free((void *)payload.data);
    }
    cmd_fixture_close(&f);
}

static void restore_gives_the_expiry_that_is_asked_for(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct slice payload = payload_make(SLICE("\x00\x03one"));
    expect_restore(&f, "a", "0", payload, "", "+OK\r\n");
    key_expect(&f, 0, "a", "one", 0);
    expect_restore(&f, "a", "5000", payload, "REPLACE", "+OK\r\n");
    key_expect(&f, 0, "a", "one", f.actor.now_ms + 5000);
    struct slice argv[] = {SLICE("RESTORE"),  SLICE("a"), SLICE("1700000001234"), payload,           SLICE("absttl"),
                           SLICE("IDLETIME"), SLICE("7"), SLICE("replace"),       SLICE("idletime"), SLICE("0")};
    assert_true(slice_equal(cmd_fixture_run_argv(&f, argv, 10), SLICE("+OK\r\n")));
    key_expect(&f, 0, "a", "one", 1700000001234);
    argv[2] = SLICE("1700000000000"); /* now: past */
    assert_true(slice_equal(cmd_fixture_run_argv(&f, argv, 10), SLICE("+OK\r\n")));
    key_expect_gone(&f, 0, "a");
    struct slice large = compressed_make(4 << 20);
    expect_restore(&f, "b", "1", large, "ABSTTL", "+OK\r\n");
    key_expect_gone(&f, 0, "b");
    free((void *)large.data);
    free((void *)payload.data);
    cmd_fixture_close(&f);
}

static void restore_refuses_in_the_order_of_redis(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "old");
    struct slice good = payload_make(SLICE("\x00\x03new"));
    expect_restore(&f, "a", "0", good, "", "-BUSYKEY Target key name already exists.\r\n");
    expect_restore(&f, "a", "x", SLICE("bad"), "", "-BUSYKEY Target key name already exists.\r\n");
    expect_restore(&f, "a", "x", good, "FOO", "-ERR syntax error\r\n");
    expect_restore(&f, "a", "x", good, "REPLACE", "-ERR value is not an integer or out of range\r\n");
    expect_restore(&f, "a", "-1", good, "REPLACE", "-ERR Invalid TTL value, must be >= 0\r\n");
    expect_restore(&f, "a", "9223372036854775807", good, "REPLACE", "-ERR Invalid TTL value, out of range\r\n");
    expect_restore(&f, "a", "-1", SLICE("bad"), "REPLACE", "-ERR Invalid TTL value, must be >= 0\r\n");
    expect_restore(&f, "a", "0", SLICE("bad"), "REPLACE", "-ERR DUMP payload version or checksum are wrong\r\n");
    expect_restore(&f, "a", "0", SLICE(""), "REPLACE", "-ERR DUMP payload version or checksum are wrong\r\n");
    expect_restore(&f, "a", "0", good, "FREQ", "-ERR syntax error\r\n");
    static const struct {
        struct slice body;
    } bad[] = {{{NULL, 0}},
               {SLICE("\x01\x01\x03new")},
               {SLICE("\x00")},
               {SLICE("\x00\x04new")},
               {SLICE("\x00\xc3\x02\x05\x00"
                      "a")}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice payload = payload_make(bad[i].body);
        expect_restore(&f, "a", "0", payload, "REPLACE", "-ERR Bad data format\r\n");
        expect_restore(&f, "b", "0", payload, "", "-ERR Bad data format\r\n");
        free((void *)payload.data);
    }
    key_expect(&f, 0, "a", "old", 0);
    key_expect_gone(&f, 0, "b");
    free((void *)good.data);
    cmd_fixture_close(&f);
}

static void restore_checks_idle_time_and_frequency(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct slice good = payload_make(SLICE("\x00\x03new"));
    struct slice argv[] = {SLICE("RESTORE"),  SLICE("a"),  SLICE("0"),    good,
                           SLICE("IDLETIME"), SLICE("-1"), SLICE("FREQ"), SLICE("5")};
    assert_true(slice_equal(cmd_fixture_run_argv(&f, argv, 6), SLICE("-ERR Invalid IDLETIME value, must be >= 0\r\n")));
    argv[5] = SLICE("x");
    assert_true(
        slice_equal(cmd_fixture_run_argv(&f, argv, 6), SLICE("-ERR value is not an integer or out of range\r\n")));
    argv[5] = SLICE("5");
    assert_true(slice_equal(cmd_fixture_run_argv(&f, argv, 8), SLICE("-ERR syntax error\r\n")));
    argv[4] = SLICE("FREQ");
    argv[5] = SLICE("256");
    assert_true(
        slice_equal(cmd_fixture_run_argv(&f, argv, 6), SLICE("-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n")));
    argv[5] = SLICE("255");
    assert_true(slice_equal(cmd_fixture_run_argv(&f, argv, 8), SLICE("+OK\r\n")));
    key_expect(&f, 0, "a", "new", 0);
    free((void *)good.data);
    cmd_fixture_close(&f);
}

static void large_malformed_values_leave_nothing_behind(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct slice good = compressed_make(4 << 20);
    struct slice body = slice_part(good, 0, good.size - RDB_FOOTER_SIZE);
    uint8_t *broken = malloc(body.size);
    memcpy(broken, body.data, body.size);
    broken[body.size - 2] = 0x1f; /* the last run claims more than there is */
    struct slice payload = payload_make(slice_make(broken, body.size));
    struct cache_stats before, after;
    cache_stats(f.cache, &before);
    expect_restore(&f, "a", "0", payload, "", "-ERR Bad data format\r\n");
    cache_stats(f.cache, &after);
    assert_int_equal(after.entries, before.entries);
    assert_int_equal(after.live_bytes, before.live_bytes);
    expect_restore(&f, "a", "0", good, "", "+OK\r\n");
    free((void *)payload.data);
    free(broken);
    free((void *)good.data);
    cmd_fixture_close(&f);
}

UNIT_TESTS(dump, UNIT(dump_writes_what_redis_writes), UNIT(values_of_all_sizes_come_back),
           UNIT(compressed_values_are_unpacked), UNIT(restore_gives_the_expiry_that_is_asked_for),
           UNIT(restore_refuses_in_the_order_of_redis), UNIT(restore_checks_idle_time_and_frequency),
           UNIT(large_malformed_values_leave_nothing_behind));
