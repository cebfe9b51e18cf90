#include "app/cmd/key_fixture.h"

static void del_counts_what_was_there(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    key_put(&f, "b", "2");
    key_put_expiring(&f, "c", "3", 10);
    f.actor.now_ms += 10;
    EXPECT_REPLY(&f, "DEL a", ":1\r\n");
    EXPECT_REPLY(&f, "DEL a", ":0\r\n");
    EXPECT_REPLY(&f, "DEL a b b c", ":1\r\n");
    key_put(&f, "a", "1");
    key_put(&f, "b", "2");
    EXPECT_REPLY(&f, "UNLINK a b", ":2\r\n");
    EXPECT_REPLY(&f, "DBSIZE", ":0\r\n");
    EXPECT_REPLY(&f, "DEL", "-ERR wrong number of arguments for 'del' command\r\n");
    cmd_fixture_close(&f);
}

static void exists_counts_a_key_as_often_as_it_is_named(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "EXISTS a", ":1\r\n");
    EXPECT_REPLY(&f, "EXISTS a b a", ":2\r\n");
    assert_int_equal(f.actor.counts.hits, 3);
    assert_int_equal(f.actor.counts.misses, 1);
    EXPECT_REPLY(&f, "TOUCH a b", ":1\r\n");
    EXPECT_REPLY(&f, "TYPE a", "+string\r\n");
    EXPECT_REPLY(&f, "TYPE b", "+none\r\n");
    cmd_fixture_close(&f);
}

static void only_reads_of_the_value_and_touch_count_as_uses(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    struct cache_key key = cache_key(f.cache, 0, SLICE("a"));
    struct cache_info before, after;
    assert_true(cache_find(f.cache, &f.actor, &key, false, &before));
    EXPECT_REPLY(&f, "EXISTS a", ":1\r\n");
    EXPECT_REPLY(&f, "TYPE a", "+string\r\n");
    EXPECT_REPLY(&f, "TTL a", ":-1\r\n");
    assert_true(cache_find(f.cache, &f.actor, &key, false, &after));
    assert_int_equal(after.use_count, before.use_count);
    f.client.no_touch = true;
    uint64_t hits = f.actor.counts.hits;
    (void)cmd_fixture_run(&f, "DUMP a");
    EXPECT_REPLY(&f, "COPY a b", ":1\r\n");
    assert_true(f.actor.counts.hits == hits + 2);
    assert_true(cache_find(f.cache, &f.actor, &key, false, &after));
    assert_int_equal(after.use_count, before.use_count);
    EXPECT_REPLY(&f, "TOUCH a", ":1\r\n"); /* which is what TOUCH is for */
    assert_true(cache_find(f.cache, &f.actor, &key, false, &after));
    assert_int_equal(after.use_count, before.use_count + 1);
    f.client.no_touch = false;
    (void)cmd_fixture_run(&f, "DUMP a");
    assert_true(cache_find(f.cache, &f.actor, &key, false, &after));
    assert_int_equal(after.use_count, before.use_count + 2);
    cmd_fixture_close(&f);
}

static void rename_takes_value_and_expiry_along(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    uint64_t end = f.actor.now_ms + 5000;
    key_put_expiring(&f, "a", "old", 5000);
    key_put(&f, "b", "other");
    EXPECT_REPLY(&f, "RENAME a b", "+OK\r\n");
    key_expect(&f, 0, "b", "old", end);
    key_expect_gone(&f, 0, "a");
    key_put_expiring(&f, "c", "new", 90000);
    EXPECT_REPLY(&f, "RENAMENX b c", ":0\r\n");
    EXPECT_REPLY(&f, "RENAMENX b d", ":1\r\n");
    key_expect(&f, 0, "d", "old", end);
    key_put(&f, "plain", "p");
    EXPECT_REPLY(&f, "RENAME plain d", "+OK\r\n");
    key_expect(&f, 0, "d", "p", 0);
    cmd_fixture_close(&f);
}

static void rename_to_itself_needs_the_key(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "RENAME a b", "-ERR no such key\r\n");
    EXPECT_REPLY(&f, "RENAME a a", "-ERR no such key\r\n");
    EXPECT_REPLY(&f, "RENAMENX a b", "-ERR no such key\r\n");
    key_put_expiring(&f, "a", "1", 1000);
    EXPECT_REPLY(&f, "RENAME a a", "+OK\r\n");
    EXPECT_REPLY(&f, "RENAMENX a a", ":0\r\n");
    key_expect(&f, 0, "a", "1", f.actor.now_ms + 1000);
    cmd_fixture_close(&f);
}

static void rename_to_a_name_that_is_too_long_changes_nothing(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static uint8_t name[CACHE_KEY_SIZE_MAX + 1];
    memset(name, 'n', sizeof name);
    key_put(&f, "a", "1");
    const struct slice argv[] = {SLICE("RENAME"), SLICE("a"), slice_make(name, sizeof name)};
    assert_int_equal(cmd_fixture_run_argv(&f, argv, 3).data[0], '-');
    key_expect(&f, 0, "a", "1", 0);
    cmd_fixture_close(&f);
}

static void copy_leaves_the_source(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    uint64_t end = f.actor.now_ms + 5000;
    key_put_expiring(&f, "a", "1", 5000);
    EXPECT_REPLY(&f, "COPY a b", ":1\r\n");
    EXPECT_REPLY(&f, "COPY a b", ":0\r\n");
    key_put(&f, "b", "other");
    EXPECT_REPLY(&f, "COPY a b REPLACE", ":1\r\n");
    key_expect(&f, 0, "a", "1", end);
    key_expect(&f, 0, "b", "1", end);
    EXPECT_REPLY(&f, "COPY a a DB 1", ":1\r\n");
    EXPECT_REPLY(&f, "COPY a a DB 1 DB 2 replace", ":1\r\n");
    key_expect(&f, 1, "a", "1", end);
    key_expect(&f, 2, "a", "1", end);
    EXPECT_REPLY(&f, "COPY nokey b", ":0\r\n");
    cmd_fixture_close(&f);
}

static void copy_says_what_is_wrong_as_redis_does(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    EXPECT_REPLY(&f, "COPY a a", "-ERR source and destination objects are the same\r\n");
    EXPECT_REPLY(&f, "COPY nokey nokey", "-ERR source and destination objects are the same\r\n");
    EXPECT_REPLY(&f, "COPY a a DB 0", "-ERR source and destination objects are the same\r\n");
    EXPECT_REPLY(&f, "COPY a b DB 99", "-ERR DB index is out of range\r\n");
    EXPECT_REPLY(&f, "COPY a b DB -1", "-ERR DB index is out of range\r\n");
    EXPECT_REPLY(&f, "COPY a b DB x", "-ERR value is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "COPY a b DB 99999999999",
                 "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
    EXPECT_REPLY(&f, "COPY a b DB", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "COPY a b FOO", "-ERR syntax error\r\n");
    key_expect_gone(&f, 0, "b");
    cmd_fixture_close(&f);
}

static void move_goes_to_another_database_if_there_is_room(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    uint64_t end = f.actor.now_ms + 5000;
    key_put_expiring(&f, "a", "1", 5000);
    EXPECT_REPLY(&f, "MOVE a 1", ":1\r\n");
    key_expect_gone(&f, 0, "a");
    key_expect(&f, 1, "a", "1", end);
    key_put(&f, "a", "2");
    EXPECT_REPLY(&f, "MOVE a 1", ":0\r\n");
    key_expect(&f, 0, "a", "2", 0);
    EXPECT_REPLY(&f, "MOVE nokey 1", ":0\r\n");
    EXPECT_REPLY(&f, "MOVE a 0", "-ERR source and destination objects are the same\r\n");
    EXPECT_REPLY(&f, "MOVE a 16", "-ERR DB index is out of range\r\n");
    EXPECT_REPLY(&f, "MOVE a x", "-ERR value is not an integer or out of range\r\n");
    cmd_fixture_close(&f);
}

static void several_keys_work_inside_a_transaction(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    key_put(&f, "a", "1");
    key_put(&f, "b", "2");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "RENAME a c", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXISTS a b c", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "COPY c d DB 3", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "OBJECT ENCODING c", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "DUMP c", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXPIRE c 100", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "TTL c", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "KEYS *", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "DEL b c", "+QUEUED\r\n");
    struct slice reply = cmd_fixture_run(&f, "EXEC");
#define HEAD \
    "*9\r\n+OK\r\n:2\r\n:1\r\n$3\r\nint\r\n$13\r\n\x00\xc0\x01\n\x00&x\xe7\xb6\xd1\x01\x11\xfc\r\n:1\r\n:100\r\n"
    struct slice one = SLICE(HEAD "*2\r\n$1\r\nb\r\n$1\r\nc\r\n:2\r\n");
    struct slice other = SLICE(HEAD "*2\r\n$1\r\nc\r\n$1\r\nb\r\n:2\r\n");
#undef HEAD
    assert_true(slice_equal(reply, one) || slice_equal(reply, other));
    key_expect(&f, 3, "d", "1", 0);
    cmd_fixture_close(&f);
}

static void large_values_are_renamed_and_copied_whole(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    enum { SIZE = 3 << 20 };
    uint8_t *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    key_put_slice(&f, 0, SLICE("a"), slice_make(bytes, SIZE), 0);
    EXPECT_REPLY(&f, "RENAME a b", "+OK\r\n");
    EXPECT_REPLY(&f, "COPY b c", ":1\r\n");
    EXPECT_REPLY(&f, "DEL b", ":1\r\n");
    struct key_value value = key_value_get(&f, 0, "c");
    assert_true(value.found && value.info.size == SIZE);
    assert_memory_equal(value.bytes, bytes, SIZE);
    free(value.bytes);
    free(bytes);
    cmd_fixture_close(&f);
}

static void thousands_of_renames_lose_nothing(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    enum { COUNT = 5000 };
    char line[64], name[16], value[16];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "k%u", i);
        snprintf(value, sizeof value, "v%u", i);
        key_put(&f, name, value);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(line, sizeof line, "RENAME k%u r%u", i, i);
        EXPECT_REPLY(&f, line, "+OK\r\n");
        snprintf(line, sizeof line, "COPY r%u c%u", i, i);
        EXPECT_REPLY(&f, line, ":1\r\n");
    }
    EXPECT_REPLY(&f, "DBSIZE", ":10000\r\n");
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(value, sizeof value, "v%u", i);
        snprintf(name, sizeof name, "r%u", i);
        key_expect(&f, 0, name, value, 0);
        name[0] = 'c';
        key_expect(&f, 0, name, value, 0);
        name[0] = 'k';
        key_expect_gone(&f, 0, name);
    }
    cmd_fixture_close(&f);
}

UNIT_TESTS(key, UNIT(del_counts_what_was_there), UNIT(exists_counts_a_key_as_often_as_it_is_named),
           UNIT(only_reads_of_the_value_and_touch_count_as_uses), UNIT(rename_takes_value_and_expiry_along),
           UNIT(rename_to_itself_needs_the_key), UNIT(rename_to_a_name_that_is_too_long_changes_nothing),
           UNIT(copy_leaves_the_source), UNIT(copy_says_what_is_wrong_as_redis_does),
           UNIT(move_goes_to_another_database_if_there_is_room), UNIT(several_keys_work_inside_a_transaction),
           UNIT(large_values_are_renamed_and_copied_whole), UNIT(thousands_of_renames_lose_nothing));
