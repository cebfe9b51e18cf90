#include "app/cmd/key_fixture.h"

enum { KEYS_MAX = 3000 };

/* Reads "*2 $n cursor *count names" and marks the names, "k<number>". */
static uint64_t scan_read(struct slice reply, uint32_t *seen, size_t *ret_count) {
    const char *at = (const char *)reply.data;
    int size, used;
    unsigned long long cursor, count;
    assert_int_equal(sscanf(at, "*2\r\n$%d\r\n%llu\r\n*%llu\r\n%n", &size, &cursor, &count, &used), 3);
    at += used;
    for (unsigned long long i = 0; i < count; i++) {
        unsigned number;
        assert_int_equal(sscanf(at, "$%d\r\nk%u\r\n%n", &size, &number, &used), 2);
        assert_true(number < KEYS_MAX);
        seen[number]++;
        at += used;
    }
    assert_ptr_equal(at, (const char *)reply.data + reply.size);
    *ret_count += count;
    return cursor;
}

static void fill(struct cmd_fixture *f, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%u", i);
        key_put(f, name, "v");
    }
}

static void scan_shows_every_key(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static uint32_t seen[KEYS_MAX];
    memset(seen, 0, sizeof seen);
    fill(&f, KEYS_MAX);
    uint64_t cursor = 0;
    size_t count = 0, calls = 0;
    do {
        char line[64];
        snprintf(line, sizeof line, "SCAN %llu COUNT 100", (unsigned long long)cursor);
        struct slice reply = key_run_text(&f, line);
        cursor = scan_read(reply, seen, &count);
        assert_true(++calls < 10 * KEYS_MAX);
    } while (cursor);
    assert_true(calls > 3);
    for (unsigned i = 0; i < KEYS_MAX; i++)
        assert_true(seen[i] >= 1);
    cmd_fixture_close(&f);
}

static void scan_filters_by_name_and_type(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SCAN 0 COUNT 100000", "*2\r\n$1\r\n0\r\n*0\r\n");
    key_put(&f, "abc", "1");
    key_put(&f, "xyz", "1");
    EXPECT_REPLY(&f, "SCAN 0 MATCH a* COUNT 100000", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nabc\r\n");
    EXPECT_REPLY(&f, "SCAN 0 COUNT 100000 TYPE STRING MATCH ?y?", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nxyz\r\n");
    EXPECT_REPLY(&f, "SCAN 0 COUNT 100000 TYPE list", "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT_REPLY(&f, "SCAN 0 COUNT 100000 TYPE nonsense", "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT_REPLY(&f, "SCAN \"\" MATCH [ab]* COUNT 100000", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nabc\r\n");
    EXPECT_REPLY(&f, "SCAN +0 MATCH [ab]* COUNT 100000", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nabc\r\n");
    EXPECT_REPLY(&f, "SCAN 0 MATCH a* COUNT 9223372036854775807", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nabc\r\n");
    cmd_fixture_close(&f);
}

static void scan_says_what_is_wrong_as_redis_does(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static const char *const bad_cursors[] = {"SCAN x",     "SCAN \" 0\"", "SCAN \"0 \"", "SCAN 18446744073709551616",
                                              "SCAN x FOO", "SCAN -",      "SCAN 0x1"};
    for (size_t i = 0; i < sizeof bad_cursors / sizeof *bad_cursors; i++)
        EXPECT_REPLY(&f, bad_cursors[i], "-ERR invalid cursor\r\n");
    static const char *const bad_options[] = {"SCAN 0 COUNT 0", "SCAN 0 COUNT -1", "SCAN 0 MATCH",
                                              "SCAN 0 FOO bar", "SCAN 0 TYPE",     "SCAN 0 COUNT"};
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++)
        EXPECT_REPLY(&f, bad_options[i], "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "SCAN 0 COUNT x", "-ERR value is not an integer or out of range\r\n");
    cmd_fixture_close(&f);
}

static void any_cursor_is_safe(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static uint32_t seen[KEYS_MAX];
    memset(seen, 0, sizeof seen);
    fill(&f, 100);
    static const char *const lines[] = {"SCAN 18446744073709551615", "SCAN -1", "SCAN 9223372036854775808",
                                        "SCAN 4294967296", "SCAN 12345"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        size_t count = 0;
        struct slice reply = key_run_text(&f, lines[i]);
        (void)scan_read(reply, seen, &count);
        assert_true(count <= 100);
    }
    cmd_fixture_close(&f);
}

static void keys_lists_each_matching_key_once(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "KEYS *", "*0\r\n");
    fill(&f, KEYS_MAX);
    key_put_expiring(&f, "gone", "1", 5);
    f.actor.now_ms += 5;
    f.client.db = 1;
    key_put(&f, "elsewhere", "1");
    f.client.db = 0;
    struct slice reply = key_run_text(&f, "KEYS *");
    static uint32_t seen[KEYS_MAX];
    memset(seen, 0, sizeof seen);
    const char *at = (const char *)reply.data;
    int used, size;
    unsigned count, number;
    assert_int_equal(sscanf(at, "*%u\r\n%n", &count, &used), 1);
    assert_int_equal(count, KEYS_MAX);
    for (at += used; count > 0; count--, at += used) {
        assert_int_equal(sscanf(at, "$%d\r\nk%u\r\n%n", &size, &number, &used), 2);
        assert_int_equal(seen[number]++, 0);
    }
    assert_ptr_equal(at, (const char *)reply.data + reply.size);
    EXPECT_REPLY(&f, "KEYS k123?x", "*0\r\n");
    EXPECT_REPLY(&f, "KEYS k1234", "*1\r\n$5\r\nk1234\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(scan, UNIT(scan_shows_every_key), UNIT(scan_filters_by_name_and_type),
           UNIT(scan_says_what_is_wrong_as_redis_does), UNIT(any_cursor_is_safe),
           UNIT(keys_lists_each_matching_key_once));
