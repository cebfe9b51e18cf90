#include "app/cmd/key_fixture.h"

static void expire_and_ttl_agree_until_the_key_is_gone(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "TTL a", ":-1\r\n");
    EXPECT_REPLY(&f, "PTTL nokey", ":-2\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10", ":1\r\n");
    EXPECT_REPLY(&f, "TTL a", ":10\r\n");
    EXPECT_REPLY(&f, "PTTL a", ":10000\r\n");
    EXPECT_REPLY(&f, "EXPIRETIME a", ":1700000010\r\n");
    EXPECT_REPLY(&f, "PEXPIRETIME a", ":1700000010000\r\n");
    f.actor.now_ms += 501;
    EXPECT_REPLY(&f, "TTL a", ":9\r\n"); /* rounded to the nearest second */
    f.actor.now_ms += 9498;
    EXPECT_REPLY(&f, "PTTL a", ":1\r\n");
    EXPECT_REPLY(&f, "TTL a", ":0\r\n");
    f.actor.now_ms += 1;
    EXPECT_REPLY(&f, "PTTL a", ":-2\r\n");
    EXPECT_REPLY(&f, "EXPIRETIME a", ":-2\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10", ":0\r\n");
    cmd_fixture_close(&f);
}

static void every_unit_and_base_means_what_it_says(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "PEXPIRE a 1500", ":1\r\n");
    EXPECT_REPLY(&f, "PEXPIRETIME a", ":1700000001500\r\n");
    EXPECT_REPLY(&f, "EXPIRETIME a", ":1700000002\r\n");
    EXPECT_REPLY(&f, "EXPIREAT a 1700000100", ":1\r\n");
    EXPECT_REPLY(&f, "PTTL a", ":100000\r\n");
    EXPECT_REPLY(&f, "PEXPIREAT a 1700000000001", ":1\r\n");
    EXPECT_REPLY(&f, "PTTL a", ":1\r\n");
    EXPECT_REPLY(&f, "PERSIST a", ":1\r\n");
    EXPECT_REPLY(&f, "PERSIST a", ":0\r\n");
    EXPECT_REPLY(&f, "PERSIST nokey", ":0\r\n");
    EXPECT_REPLY(&f, "PTTL a", ":-1\r\n");
    cmd_fixture_close(&f);
}

static void a_time_in_the_past_deletes(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static const char *const lines[] = {"EXPIRE a -1",
                                        "EXPIRE a 0",
                                        "PEXPIRE a -9000000000000000000",
                                        "EXPIREAT a 1",
                                        "PEXPIREAT a 1700000000000",
                                        "PEXPIREAT a -9223372036854775808",
                                        "EXPIREAT a 0 XX",
                                        "EXPIRE a -1 LT"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        key_put_expiring(&f, "a", "1", 1000);
        EXPECT_REPLY(&f, lines[i], ":1\r\n");
        key_expect_gone(&f, 0, "a");
        EXPECT_REPLY(&f, "DBSIZE", ":0\r\n");
    }
    key_put_expiring(&f, "a", "1", 1000);
    EXPECT_REPLY(&f, "EXPIRE a -1 GT", ":0\r\n");
    EXPECT_REPLY(&f, "EXPIRE a -1 NX", ":0\r\n");
    key_expect(&f, 0, "a", "1", f.actor.now_ms + 1000);
    cmd_fixture_close(&f);
}

static void conditions_compare_with_the_present_expiry(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "EXPIRE a 10 GT", ":0\r\n"); /* nothing is later than never */
    EXPECT_REPLY(&f, "EXPIRE a 10 XX", ":0\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10 LT", ":1\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10 NX", ":0\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10 gt", ":0\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10 LT", ":0\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 11 XX GT", ":1\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 9 LT LT", ":1\r\n");
    EXPECT_REPLY(&f, "TTL a", ":9\r\n");
    EXPECT_REPLY(&f, "PERSIST a", ":1\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10 XX LT", ":0\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 10 NX", ":1\r\n");
    EXPECT_REPLY(&f, "TTL a", ":10\r\n");
    cmd_fixture_close(&f);
}

static void bad_arguments_get_the_texts_of_redis(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 9223372036854775", "-ERR invalid expire time in 'expire' command\r\n");
    EXPECT_REPLY(&f, "EXPIRE nokey -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n");
    EXPECT_REPLY(&f, "PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n");
    EXPECT_REPLY(&f, "EXPIREAT a 9223372036854776", "-ERR invalid expire time in 'expireat' command\r\n");
    EXPECT_REPLY(&f, "EXPIRE a x", "-ERR value is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "EXPIRE a x FOO", "-ERR Unsupported option FOO\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 20 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
    EXPECT_REPLY(&f, "EXPIRE a 20 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n");
    EXPECT_REPLY(&f, "TTL a", ":-1\r\n");
    cmd_fixture_close(&f);
}

static void the_latest_time_of_all_is_kept(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "EXPIREAT a 9223372036854775", ":1\r\n");
    EXPECT_REPLY(&f, "PEXPIREAT a 9223372036854775807", ":1\r\n");
    EXPECT_REPLY(&f, "PEXPIRETIME a", ":9223372036854775807\r\n");
    EXPECT_REPLY(&f, "PTTL a", ":9223370336854775807\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(expire, UNIT(expire_and_ttl_agree_until_the_key_is_gone), UNIT(every_unit_and_base_means_what_it_says),
           UNIT(a_time_in_the_past_deletes), UNIT(conditions_compare_with_the_present_expiry),
           UNIT(bad_arguments_get_the_texts_of_redis), UNIT(the_latest_time_of_all_is_kept));
