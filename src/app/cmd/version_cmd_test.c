/* Versions that writers give, numbers of the cache's own, and writes that are guarded by them. */
#include "app/cmd/key_fixture.h"
#include "base/bits.h"

#define OK "+OK\r\n"
#define NIL "$-1\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define RANGE(word, number) "-ERR " word " takes 1 to 9223372036854775807, not '" number "'\r\n"
#define AT(word, which) "-ERR syntax error at '" word "', which " which "\r\n"

static int64_t version(struct cmd_fixture *f, const char *key) {
    char line[64];
    snprintf(line, sizeof line, "CVERSION %s", key);
    struct slice reply = cmd_fixture_run(f, line);
    assert_int_equal(reply.data[0], ':');
    return strtoll((const char *)reply.data + 1, NULL, 10); /* a line end stands behind it */
}

static void an_entry_has_the_version_that_it_was_given(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "CVERSION a", ":0\r\n");
    EXPECT_REPLY(&f, "SET a one VERSION 7", OK);
    EXPECT_REPLY(&f, "CVERSION a", ":7\r\n");
    EXPECT_REPLY(&f, "SET a one VERSION 9223372036854775807 EX 100 TAGS 2 x y", OK);
    EXPECT_REPLY(&f, "CVERSION a", ":9223372036854775807\r\n");
    EXPECT_REPLY(&f, "SET a two VERSION 1", OK);
    EXPECT_REPLY(&f, "CVERSION a", ":1\r\n");
    EXPECT_REPLY(&f, "GET a", "$3\r\ntwo\r\n");
    cmd_fixture_close(&f);
}

static void only_newer_versions_are_written(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a five IFNEWER 5", OK);
    EXPECT_REPLY(&f, "SET a five IFNEWER 5", NIL);
    EXPECT_REPLY(&f, "SET a four IFNEWER 4", NIL);
    EXPECT_REPLY(&f, "SET a four IFNEWER 4 GET", "$4\r\nfive\r\n");
    EXPECT_REPLY(&f, "GET a", "$4\r\nfive\r\n");
    EXPECT_REPLY(&f, "SET a six IFNEWER 6 GET EX 9 TAGS 1 t", "$4\r\nfive\r\n");
    EXPECT_REPLY(&f, "CVERSION a", ":6\r\n");
    EXPECT_REPLY(&f, "SET a plain", OK);
    EXPECT_REPLY(&f, "SET a one IFNEWER 1", OK);
    EXPECT_REPLY(&f, "DEL a", ":1\r\n");
    EXPECT_REPLY(&f, "SET a one IFNEWER 1 GET", NIL);
    EXPECT_REPLY(&f, "GET a", "$3\r\none\r\n");
    cmd_fixture_close(&f);
}

/* What is stale is no entry, but nothing older than it is written. */
static void nothing_older_than_what_is_stale_is_written(void **state) {
    struct cmd_fixture f;
    struct cache_edit edit;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a five VERSION 5 EX 100", OK);
    struct cache_key key = cache_key(f.cache, 0, SLICE("a"));
    cache_edit_begin(f.cache, &f.actor, &key, &edit);
    assert_int_equal(cache_edit_soften(&edit), STATUS_OK);
    cache_edit_end(&edit);
    EXPECT_REPLY(&f, "GET a", NIL);
    EXPECT_REPLY(&f, "CVERSION a", ":0\r\n");
    EXPECT_REPLY(&f, "SET a four IFNEWER 4", NIL);
    EXPECT_REPLY(&f, "SET a five IFVERSION 5", NIL);
    EXPECT_REPLY(&f, "SET a five IFNEWER 5", OK);
    EXPECT_REPLY(&f, "CVERSION a", ":5\r\n");
    cmd_fixture_close(&f);
}

static void a_write_may_expect_a_version(void **state) {
    struct cmd_fixture f;
    char line[80];
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a one IFVERSION 1", NIL);
    EXPECT_REPLY(&f, "SET a one IFVERSION 0 VERSION 1", OK);
    EXPECT_REPLY(&f, "SET a two IFVERSION 0", NIL);
    EXPECT_REPLY(&f, "SET a two IFVERSION 1 VERSION 2 GET", "$3\r\none\r\n");
    EXPECT_REPLY(&f, "SET a three IFVERSION 2", OK);
    EXPECT_REPLY(&f, "SET a four IFVERSION 2", NIL);
    int64_t own = version(&f, "a");
    assert_true(own < 0);
    assert_true(own == version(&f, "a"));
    snprintf(line, sizeof line, "SET a four IFVERSION %lld", (long long)own);
    EXPECT_REPLY(&f, line, OK);
    EXPECT_REPLY(&f, line, NIL);
    assert_true(version(&f, "a") < own);
    EXPECT_REPLY(&f, "GET a", "$4\r\nfour\r\n");
    cmd_fixture_close(&f);
}

/* A number that nobody has asked for is none, so it cannot be expected by chance. */
static void a_tagged_entry_has_a_number_of_its_own(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a one TAGS 1 t", OK);
    int64_t own = version(&f, "a");
    assert_true(own < 0);
    EXPECT_REPLY(&f, "SET b one VERSION 3 TAGS 1 t", OK);
    EXPECT_REPLY(&f, "CVERSION b", ":3\r\n");
    EXPECT_REPLY(&f, "TAG INVALIDATE t", ":2\r\n");
    EXPECT_REPLY(&f, "CVERSION b", ":0\r\n");
    EXPECT_REPLY(&f, "SET b two IFVERSION 3", NIL);
    EXPECT_REPLY(&f, "SET b two IFVERSION 0", OK);
    cmd_fixture_close(&f);
}

static void what_changes_the_value_takes_the_version(void **state) {
    static const char *const changes[] = {
        "APPEND a 1",      "INCR a",          "SETRANGE a 0 9", "SETBIT a 1 1",
        "INCRBYFLOAT a 1", "SET a 2 KEEPTTL", "GETSET a 2",     "BITFIELD a SET u8 0 50",
        "MSET a 2",        "SETEX a 100 2",   "BITOP NOT a a"};
    static const char *const others[] = {"EXPIRE a 100",   "PERSIST a",         "GETEX a EX 50", "TAG ADD a t",
                                         "TAG REMOVE a t", "SETRANGE a 0 \"\"", "TOUCH a",       "SET a 2 NX",
                                         "GET a",          "SET a 2 IFEQ 3"};
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        EXPECT_REPLY(&f, "SET a 1 VERSION 7 EX 1000", OK);
        assert_true(cmd_fixture_run(&f, changes[i]).data[0] != '-');
        if (version(&f, "a") >= 0)
            fail_msg("%s", changes[i]);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        EXPECT_REPLY(&f, "SET a 1 VERSION 7 EX 1000", OK);
        assert_true(cmd_fixture_run(&f, others[i]).data[0] != '-');
        if (version(&f, "a") != 7)
            fail_msg("%s", others[i]);
    }
    cmd_fixture_close(&f);
}

static void other_names_keep_the_version(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a 1 VERSION 7", OK);
    EXPECT_REPLY(&f, "COPY a b", ":1\r\n");
    EXPECT_REPLY(&f, "CVERSION b", ":7\r\n");
    EXPECT_REPLY(&f, "SET c 1 VERSION 9", OK);
    EXPECT_REPLY(&f, "RENAME a c", OK);
    EXPECT_REPLY(&f, "CVERSION c", ":7\r\n");
    EXPECT_REPLY(&f, "MOVE c 3", ":1\r\n");
    EXPECT_REPLY(&f, "SELECT 3", OK);
    EXPECT_REPLY(&f, "CVERSION c", ":7\r\n");
    cmd_fixture_close(&f);
}

static void large_values_have_versions_too(void **state) {
    enum { SIZE = 300 * 1024 };
    struct cmd_fixture f;
    char *line = malloc(SIZE + 64);
    assert_non_null(line);
    cmd_fixture_open(&f);
    memcpy(line, "SET a ", 6);
    memset(line + 6, 'x', SIZE);
    strcpy(line + 6 + SIZE, " IFNEWER 7");
    EXPECT_REPLY(&f, line, OK);
    EXPECT_REPLY(&f, line, NIL);
    EXPECT_REPLY(&f, "CVERSION a", ":7\r\n");
    EXPECT_REPLY(&f, "COPY a b", ":1\r\n");
    EXPECT_REPLY(&f, "CVERSION b", ":7\r\n");
    EXPECT_REPLY(&f, "SETRANGE a 5 y", ":307200\r\n");
    assert_true(version(&f, "a") < 0);
    EXPECT_REPLY(&f, "CVERSION b", ":7\r\n");
    free(line);
    cmd_fixture_close(&f);
}

static void what_is_wrong_is_refused(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a 1 VERSION 0", RANGE("VERSION", "0"));
    EXPECT_REPLY(&f, "SET a 1 VERSION -1", RANGE("VERSION", "-1"));
    EXPECT_REPLY(&f, "SET a 1 IFNEWER 0", RANGE("IFNEWER", "0"));
    EXPECT_REPLY(&f, "SET a 1 VERSION 9223372036854775808", RANGE("VERSION", "9223372036854775808"));
    EXPECT_REPLY(&f, "SET a 1 IFVERSION x", "-ERR IFVERSION takes a number, not 'x'\r\n");
    EXPECT_REPLY(&f, "SET a 1 VERSION", "-ERR syntax error after 'VERSION', expected a version\r\n");
    EXPECT_REPLY(&f, "SET a 1 IFNEWER 2 VERSION 3", AT("VERSION", "does not go with IFNEWER"));
    EXPECT_REPLY(&f, "SET a 1 VERSION 3 IFNEWER 2", AT("IFNEWER", "does not go with VERSION"));
    EXPECT_REPLY(&f, "SET a 1 IFNEWER 2 NX", AT("NX", "does not go with IFNEWER"));
    EXPECT_REPLY(&f, "SET a 1 XX IFVERSION 2", AT("IFVERSION", "does not go with XX"));
    EXPECT_REPLY(&f, "SET a 1 IFVERSION 1 IFVERSION 2", AT("IFVERSION", "stands there twice"));
    EXPECT_REPLY(&f, "SET a 1 IFEQ 1 IFVERSION 2", AT("IFVERSION", "does not go with IFEQ"));
    EXPECT_REPLY(&f, "GETEX a VERSION 1", SYNTAX);
    EXPECT_REPLY(&f, "CVERSION", "-ERR wrong number of arguments for 'cversion' command: CVERSION key\r\n");
    EXPECT_REPLY(&f, "EXISTS a", ":0\r\n");
    EXPECT_REPLY(&f, "SET a 1 VERSION 3 VERSION 4", OK);
    EXPECT_REPLY(&f, "CVERSION a", ":4\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(version_cmd, UNIT(an_entry_has_the_version_that_it_was_given), UNIT(only_newer_versions_are_written),
           UNIT(nothing_older_than_what_is_stale_is_written), UNIT(a_write_may_expect_a_version),
           UNIT(a_tagged_entry_has_a_number_of_its_own), UNIT(what_changes_the_value_takes_the_version),
           UNIT(other_names_keep_the_version), UNIT(large_values_have_versions_too), UNIT(what_is_wrong_is_refused));
