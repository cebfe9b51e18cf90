#include "app/cmd/key_fixture.h"

static void select_takes_the_sixteen_databases(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "SELECT 15", "+OK\r\n");
    EXPECT_REPLY(&f, "EXISTS a", ":0\r\n");
    EXPECT_REPLY(&f, "SELECT 16", "-ERR DB index is out of range\r\n");
    EXPECT_REPLY(&f, "SELECT -1", "-ERR DB index is out of range\r\n");
    EXPECT_REPLY(&f, "SELECT x", "-ERR value is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "SELECT 99999999999",
                 "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
    assert_int_equal(f.client.db, 15);
    cmd_fixture_close(&f);
}

static void swapdb_exchanges_what_clients_see(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "SWAPDB 0 3", "+OK\r\n");
    key_expect_gone(&f, 0, "a");
    key_expect(&f, 3, "a", "1", 0);
    EXPECT_REPLY(&f, "SWAPDB 3 3", "+OK\r\n");
    EXPECT_REPLY(&f, "SWAPDB x 0", "-ERR invalid first DB index\r\n");
    EXPECT_REPLY(&f, "SWAPDB 99 x", "-ERR invalid second DB index\r\n");
    EXPECT_REPLY(&f, "SWAPDB 0 99999999999", "-ERR invalid second DB index\r\n");
    EXPECT_REPLY(&f, "SWAPDB 0 99", "-ERR DB index is out of range\r\n");
    EXPECT_REPLY(&f, "SWAPDB -1 0", "-ERR DB index is out of range\r\n");
    cmd_fixture_close(&f);
}

static void flushes_empty_one_database_or_all(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    for (uint32_t db = 0; db < 3; db++)
        key_put_slice(&f, db, SLICE("a"), SLICE("1"), 0);
    EXPECT_REPLY(&f, "DBSIZE", ":1\r\n");
    EXPECT_REPLY(&f, "FLUSHDB FOO", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "FLUSHALL ASYNC SYNC", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "DBSIZE", ":1\r\n");
    EXPECT_REPLY(&f, "FLUSHDB async", "+OK\r\n");
    key_expect_gone(&f, 0, "a");
    key_expect(&f, 1, "a", "1", 0);
    EXPECT_REPLY(&f, "FLUSHALL SYNC", "+OK\r\n");
    key_expect_gone(&f, 1, "a");
    key_expect_gone(&f, 2, "a");
    EXPECT_REPLY(&f, "DBSIZE", ":0\r\n");
    EXPECT_REPLY(&f, "FLUSHDB", "+OK\r\n");
    cmd_fixture_close(&f);
}

static void randomkey_finds_every_key_sooner_or_later(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "RANDOMKEY", "$-1\r\n");
    EXPECT_REPLY(&f, "SET \"\" 1", "+OK\r\n");
    EXPECT_REPLY(&f, "RANDOMKEY", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "DEL \"\"", ":1\r\n");
    enum { COUNT = 8, DRAWS = 2000 };
    for (unsigned i = 0; i < COUNT; i++)
        key_put(&f, (char[2]){(char)('a' + i), 0}, "1");
    unsigned seen[COUNT] = {0};
    for (unsigned i = 0; i < DRAWS; i++) {
        struct slice reply = cmd_fixture_run(&f, "RANDOMKEY");
        assert_int_equal(reply.size, 7);
        assert_true(reply.data[4] >= 'a' && reply.data[4] < 'a' + COUNT);
        seen[reply.data[4] - 'a']++;
    }
    for (unsigned i = 0; i < COUNT; i++)
        assert_true(seen[i] > 0);
    cmd_fixture_close(&f);
}

UNIT_TESTS(keyspace, UNIT(select_takes_the_sixteen_databases), UNIT(swapdb_exchanges_what_clients_see),
           UNIT(flushes_empty_one_database_or_all), UNIT(randomkey_finds_every_key_sooner_or_later));
