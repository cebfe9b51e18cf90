#include "app/cmd/key_fixture.h"

static void encoding_is_what_redis_would_say(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static const struct {
        const char *value, *encoding;
    } cases[] = {{"9223372036854775807", "$3\r\nint\r\n"},
                 {"-9223372036854775808", "$3\r\nint\r\n"},
                 {"9223372036854775808", "$6\r\nembstr\r\n"},
                 {"12345678901234567890123", "$6\r\nembstr\r\n"},
                 {"01", "$6\r\nembstr\r\n"},
                 {"", "$6\r\nembstr\r\n"},
                 {"01234567890123456789012345678901234567890123", "$6\r\nembstr\r\n"},
                 {"012345678901234567890123456789012345678901234", "$3\r\nraw\r\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        key_put(&f, "a", cases[i].value);
        assert_true(slice_equal(cmd_fixture_run(&f, "OBJECT ENCODING a"), slice_from_string(cases[i].encoding)));
    }
    EXPECT_REPLY(&f, "OBJECT ENCODING nokey", "$-1\r\n");
    cmd_fixture_close(&f);
}

static void counters_answer_where_the_policy_makes_sense_of_them(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "OBJECT IDLETIME a", ":0\r\n");
    EXPECT_REPLY(&f, "OBJECT REFCOUNT a", ":1\r\n");
    EXPECT_REPLY(&f, "OBJECT FREQ a",
                 "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
                 "switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n");
    assert_int_equal(cache_policy_set(f.cache, CACHE_ALLKEYS_LFU), STATUS_OK);
    EXPECT_REPLY(&f, "OBJECT IDLETIME a",
                 "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
                 "switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n");
    EXPECT_REPLY(&f, "OBJECT FREQ a", ":0\r\n");
    EXPECT_REPLY(&f, "TOUCH a", ":1\r\n");
    EXPECT_REPLY(&f, "OBJECT FREQ a", ":1\r\n");
    static const char *const missing[] = {"OBJECT FREQ x", "OBJECT IDLETIME x", "OBJECT REFCOUNT x"};
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        EXPECT_REPLY(&f, missing[i], "$-1\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "OBJECT FREQ x", "_\r\n");
    EXPECT_REPLY(&f, "OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command\r\n");
    EXPECT_REPLY(&f, "OBJECT foo a", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(object, UNIT(encoding_is_what_redis_would_say), UNIT(counters_answer_where_the_policy_makes_sense_of_them));
