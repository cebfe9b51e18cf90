#include "app/cmd/cmd_fixture.h"

static void tags_are_given_and_taken(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "TAG ADD k red", ":0\r\n");
    EXPECT_REPLY(&f, "SET k v TAGS 2 red blue EX 100", "+OK\r\n");
    EXPECT_REPLY(&f, "TTL k", ":100\r\n");
    EXPECT_REPLY(&f, "TAG OF k", "*2\r\n$3\r\nred\r\n$4\r\nblue\r\n");
    EXPECT_REPLY(&f, "TAG ADD k blue green green", ":1\r\n");
    EXPECT_REPLY(&f, "TAG COUNT green", ":1\r\n");
    EXPECT_REPLY(&f, "TAG REMOVE k red yellow", ":1\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "TAG OF k", "~2\r\n$5\r\ngreen\r\n$4\r\nblue\r\n");
    f.client.protocol = 2;
    EXPECT_REPLY(&f, "TTL k", ":100\r\n");
    EXPECT_REPLY(&f, "APPEND k w", ":2\r\n");
    EXPECT_REPLY(&f, "RENAME k l", "+OK\r\n");
    EXPECT_REPLY(&f, "TAG OF k", "*0\r\n");
    EXPECT_REPLY(&f, "COPY l m", ":1\r\n");
    EXPECT_REPLY(&f, "TAG COUNT blue", ":2\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE blue", ":2\r\n");
    EXPECT_REPLY(&f, "MGET l m", "*2\r\n$-1\r\n$-1\r\n");
    EXPECT_REPLY(&f, "TAG OF l", "*0\r\n");
    cmd_fixture_close(&f);
}

static void a_set_without_tags_drops_them(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET k v TAGS 1 red", "+OK\r\n");
    EXPECT_REPLY(&f, "SET k w", "+OK\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE red", ":0\r\n");
    EXPECT_REPLY(&f, "GET k", "$1\r\nw\r\n");
    EXPECT_REPLY(&f, "SET n 1 TAGS 1 red", "+OK\r\n");
    EXPECT_REPLY(&f, "INCR n", ":2\r\n");
    EXPECT_REPLY(&f, "INCRBYFLOAT n 0", "$1\r\n2\r\n");
    EXPECT_REPLY(&f, "DECRBY n 0", ":2\r\n");
    EXPECT_REPLY(&f, "SETBIT n 7 0", ":0\r\n");
    EXPECT_REPLY(&f, "GETEX n EX 100", "$1\r\n2\r\n");
    EXPECT_REPLY(&f, "TAG OF n", "*1\r\n$3\r\nred\r\n");
    EXPECT_REPLY(&f, "SET n 5 GET TAGS 1 blue", "$1\r\n2\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE red", ":0\r\n");
    EXPECT_REPLY(&f, "SET n 6 XX KEEPTTL TAGS 1 blue", "+OK\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE red blue green", ":1\r\n");
    EXPECT_REPLY(&f, "SET n 7 XX", "$-1\r\n");
    EXPECT_REPLY(&f, "SET n 8 NX TAGS 1 blue", "+OK\r\n");
    EXPECT_REPLY(&f, "GET n", "$1\r\n8\r\n");
    cmd_fixture_close(&f);
}

static void wrong_tags_are_told_and_change_nothing(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET k v TAGS 1 red", "+OK\r\n");
    EXPECT_REPLY(&f, "SET k w TAGS", "-ERR syntax error after 'TAGS', expected how many tags follow\r\n");
    EXPECT_REPLY(&f, "SET k w TAGS red", "-ERR TAGS takes 1 to 16 and as many tags behind it, not 'red'\r\n");
    EXPECT_REPLY(&f, "SET k w TAGS 0 red", "-ERR TAGS takes 1 to 16 and as many tags behind it, not '0'\r\n");
    EXPECT_REPLY(&f, "SET k w TAGS 17 red", "-ERR TAGS takes 1 to 16 and as many tags behind it, not '17'\r\n");
    EXPECT_REPLY(&f, "SET k w TAGS 2 red", "-ERR TAGS says 2 tags, and there are 1 behind it\r\n");
    EXPECT_REPLY(&f, "SET k w TAGS 1 \"\"", "-ERR a tag has 1 to 255 bytes\r\n");
    EXPECT_PART(&f, "SET k w TAGS 1 a b", "-ERR syntax error at 'b', expected ");
    EXPECT_REPLY(&f, "TAG ADD k \"\"", "-ERR a tag has 1 to 255 bytes\r\n");
    EXPECT_REPLY(&f, "TAG ADD k 1 2 3 4 5 6 7 8 9 a b c d e f", ":15\r\n");
    EXPECT_REPLY(&f, "TAG ADD k g", "-ERR a key has at most 16 tags\r\n");
    EXPECT_REPLY(&f, "TAG ADD k",
                 "-ERR wrong number of arguments for 'tag|add' command: TAG ADD key tag [tag ...]\r\n");
    EXPECT_REPLY(&f, "GETEX k TAGS 1 a", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "GET k", "$1\r\nv\r\n");
    EXPECT_REPLY(&f, "TAG COUNT red", ":1\r\n");
    cmd_fixture_close(&f);
}

static void keys_of_a_tag_are_listed_in_steps(void **state) {
    (void)state;
    struct cmd_fixture f;
    char line[80];
    cmd_fixture_open(&f);
    for (int i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "SET key:%d v TAGS 1 %s", i, i % 100 ? "other" : "hundredth");
        EXPECT_REPLY(&f, line, "+OK\r\n");
    }
    EXPECT_REPLY(&f, "SELECT 1", "+OK\r\n");
    EXPECT_REPLY(&f, "SET elsewhere v TAGS 1 hundredth", "+OK\r\n");
    EXPECT_REPLY(&f, "TAG KEYS hundredth 0 COUNT 1000000", "*2\r\n$1\r\n0\r\n*1\r\n$9\r\nelsewhere\r\n");
    EXPECT_REPLY(&f, "SELECT 0", "+OK\r\n");
    EXPECT_PART(&f, "TAG KEYS hundredth 0 COUNT 1000000", "*2\r\n$1\r\n0\r\n*5\r\n$");
    EXPECT_PART(&f, "TAG KEYS hundredth 0 COUNT 1000000", "key:400");
    EXPECT_REPLY(&f, "TAG COUNT hundredth", ":6\r\n");
    EXPECT_REPLY(&f, "TAG KEYS nobody 0", "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT_REPLY(&f, "TAG KEYS other x", "-ERR invalid cursor\r\n");
    EXPECT_REPLY(&f, "TAG KEYS other 0 COUNT", "-ERR syntax error after 'COUNT', expected a number\r\n");
    EXPECT_REPLY(&f, "TAG KEYS other 0 COUNT 0", "-ERR COUNT takes 1 to 9223372036854775807, not '0'\r\n");
    EXPECT_REPLY(&f, "TAG KEYS other 0 MATCH x", "-ERR syntax error at 'MATCH', expected COUNT\r\n");
    int found = 0;
    uint64_t cursor = 0;
    do {
        snprintf(line, sizeof line, "TAG KEYS other %llu", (unsigned long long)cursor);
        struct slice reply = cmd_fixture_run(&f, line);
        for (size_t i = 0; i + 4 <= reply.size; i++)
            found += memcmp(reply.data + i, "key:", 4) == 0;
        cursor = strtoull((const char *)memchr(reply.data + 4, '\n', reply.size - 4) + 1, NULL, 10);
    } while (cursor);
    assert_true(found >= 495);
    cmd_fixture_close(&f);
}

/* The second key is too long: the first one is put back. */
static void a_failed_mset_puts_tags_back(void **state) {
    (void)state;
    enum { TOO_LONG = 70000 };
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    char *name = malloc(TOO_LONG);
    assert_non_null(name);
    memset(name, 'x', TOO_LONG);
    const struct slice argv[] = {SLICE("MSET"), SLICE("k"), SLICE("new"), slice_make(name, TOO_LONG), SLICE("v")};
    EXPECT_REPLY(&f, "SET k old TAGS 1 red EX 100", "+OK\r\n");
    (void)cmd_fixture_run_argv(&f, argv, 5);
    assert_int_equal(f.errors, 1);
    EXPECT_REPLY(&f, "GET k", "$3\r\nold\r\n");
    EXPECT_REPLY(&f, "TTL k", ":100\r\n");
    EXPECT_REPLY(&f, "TAG OF k", "*1\r\n$3\r\nred\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE red", ":1\r\n");
    EXPECT_REPLY(&f, "GET k", "$-1\r\n");
    free(name);
    cmd_fixture_close(&f);
}

static void transactions_notice(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET k v TAGS 1 red", "+OK\r\n");
    EXPECT_REPLY(&f, "WATCH k", "+OK\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE red", ":1\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET k w", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*-1\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET k w TAGS 1 red", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE red", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "GET k", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*3\r\n+OK\r\n:1\r\n$-1\r\n");
    cmd_fixture_close(&f);
}

static void entry_tells_all_that_a_client_has_written(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "ENTRY a", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a one", "+OK\r\n");
    EXPECT_REPLY(&f, "ENTRY a", "*5\r\n$6\r\nstring\r\n$3\r\none\r\n:-1\r\n:0\r\n*0\r\n");
    EXPECT_REPLY(&f, "SET a two PXAT 4102444800000 VERSION 7 TAGS 1 x", "+OK\r\n");
    EXPECT_REPLY(&f, "ENTRY a", "*5\r\n$6\r\nstring\r\n$3\r\ntwo\r\n:4102444800000\r\n:7\r\n*1\r\n$1\r\nx\r\n");
    EXPECT_REPLY(&f, "CVERSION a", ":7\r\n");
    EXPECT_REPLY(&f, "DEL a", ":1\r\n");
    EXPECT_REPLY(&f, "ENTRY a", "$-1\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(tag_cmd, UNIT(entry_tells_all_that_a_client_has_written), UNIT(tags_are_given_and_taken),
           UNIT(a_set_without_tags_drops_them), UNIT(wrong_tags_are_told_and_change_nothing),
           UNIT(keys_of_a_tag_are_listed_in_steps), UNIT(a_failed_mset_puts_tags_back), UNIT(transactions_notice));
