#include "app/cmd/cmd_fixture.h"
#include "app/cmd/tier.h"

/* A tier that notes which keys are asked for, and has nothing. */
static struct {
    char asked[512]; /* "a b@1 " */
    int waits;       /* so often commands have to wait */
    int fetches, after;
} fake;

static bool note(void *context, const struct cache_key *key) {
    size_t size = strlen(fake.asked);
    (void)context;
    size += (size_t)snprintf(fake.asked + size, sizeof fake.asked - size, "%.*s", (int)key->name.size,
                             (const char *)key->name.data);
    if (key->db)
        size += (size_t)snprintf(fake.asked + size, sizeof fake.asked - size, "@%u", key->db);
    snprintf(fake.asked + size, sizeof fake.asked - size, " ");
    return true;
}

static bool fetch(struct cmd_call *call, bool after) {
    fake.fetches++;
    fake.after += after;
    if (!after)
        tier_each_key(call, note, NULL);
    bool waits = fake.waits > 0;
    fake.waits -= waits;
    call->client->tier_waited |= waits;
    return waits;
}

static bool has_nothing(struct cmd_call *call, const struct cache_key *key, struct slice *ret_value,
                        struct cache_info *ret_info) {
    return false;
}

static bool lacks_nothing(struct cmd_call *call) { return false; }

static const struct cmd_tier tier = {.fetch = fetch, .show = has_nothing, .lacks = lacks_nothing};

static void open_with_tier(struct cmd_fixture *f) {
    memset(&fake, 0, sizeof fake);
    cmd_fixture_open(f);
    f->env.tier = &tier;
}

static void expect_asked(struct cmd_fixture *f, const char *line, const char *keys) {
    fake.asked[0] = 0;
    cmd_fixture_run(f, line);
    if (strcmp(fake.asked, keys) != 0)
        fprintf(stderr, "%s: asked for '%s' and not '%s'\n", line, fake.asked, keys);
    assert_string_equal(fake.asked, keys);
}

static void what_overwrites_asks_for_nothing(void **state) {
    struct cmd_fixture f;
    open_with_tier(&f);
    static const char *const lines[] = {
        "SET a b",
        "SET a b EX 10",
        "SET a b PXAT 99999999999999 TAGS 1 t",
        "MSET a 1 b 2",
        "SETEX a 10 b",
        "PSETEX a 10 b",
        "MSETEX 1 a b EX 9",
        "PING",
        "SET a",
        "DBSIZE",
        "FLUSHDB",
        "SELECT 0",
        "TIER DEMOTE a b",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect_asked(&f, lines[i], "");
    cmd_fixture_close(&f);
}

static void what_depends_on_the_old_value_asks_for_it(void **state) {
    struct cmd_fixture f;
    open_with_tier(&f);
    static const char *const lines[][2] = {
        {"GET a", "a "},
        {"MGET a b c", "a b c "},
        {"SET a b NX", "a "},
        {"SET a b XX", "a "},
        {"SET a b GET", "a "},
        {"SET a b KEEPTTL", "a "},
        {"SET a b ex 10 ifeq c", "a "},
        {"SET a b IFVERSION 1", "a "},
        {"SET a b IFNEWER 1", "a "},
        {"MSETEX 2 a 1 b 2 NX", "a b "},
        {"SETNX a b", "a "},
        {"MSETNX a 1 b 2", "a b "},
        {"GETSET a b", "a "},
        {"APPEND a b", "a "},
        {"INCR n", "n "},
        {"DEL a b", "a b "},
        {"EXISTS a", "a "},
        {"EXPIRE a 10", "a "},
        {"TTL a", "a "},
        {"RENAME a b", "a b "},
        {"COPY a b", "a b "},
        {"COPY a b DB 3", "a b b@3 "},
        {"COPY a b DB 99", "a b "},
        {"MOVE a 2", "a a@2 "},
        {"BITOP AND a b c", "b c "},
        {"RESTORE a 0 x", "a "},
        {"RESTORE a 0 x REPLACE", ""},
        {"WATCH a b", "a b "},
        {"TIER PROMOTE a b", "a b "},
        {"EXPLAIN a", "a "},
        {"OBJECT ENCODING a", "a "},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect_asked(&f, lines[i][0], lines[i][1]);
    cmd_fixture_run(&f, "UNWATCH");
    cmd_fixture_close(&f);
}

static void exec_asks_for_all_that_is_queued_and_watched(void **state) {
    struct cmd_fixture f;
    open_with_tier(&f);
    cmd_fixture_run(&f, "WATCH w");
    expect_asked(&f, "MULTI", "");
    expect_asked(&f, "GET a", "");
    expect_asked(&f, "SET b 1", "");
    expect_asked(&f, "SELECT 2", "");
    expect_asked(&f, "INCR c", "");
    fake.waits = 1;
    expect_asked(&f, "EXEC", "w a c@2 ");
    assert_int_equal(f.outcome, CMD_WAITS);
    assert_true(f.client.in_multi);
    EXPECT_REPLY(&f, "EXEC", "*4\r\n$-1\r\n+OK\r\n+OK\r\n:1\r\n");
    assert_false(f.client.tier_waited);
    cmd_fixture_close(&f);
}

static void who_waits_has_replied_and_done_nothing(void **state) {
    struct cmd_fixture f;
    open_with_tier(&f);
    fake.waits = 2;
    EXPECT_REPLY(&f, "INCR n", "");
    assert_int_equal(f.outcome, CMD_WAITS);
    EXPECT_REPLY(&f, "INCR n", "");
    EXPECT_REPLY(&f, "INCR n", ":1\r\n");
    assert_int_equal(f.outcome, CMD_RAN);
    cmd_fixture_close(&f);
}

/* Another thread may have put a key there in between. A write is over; a read can be taken back. */
static void who_only_reads_looks_again(void **state) {
    struct cmd_fixture f;
    open_with_tier(&f);
    cmd_fixture_run(&f, "GET a");
    cmd_fixture_run(&f, "EXISTS a b");
    assert_int_equal(fake.after, 2);
    cmd_fixture_run(&f, "INCR n");
    cmd_fixture_run(&f, "PING");
    assert_int_equal(fake.after, 2);
    assert_int_equal(fake.fetches, 6);
    cmd_fixture_close(&f);
}

static void tier_commands_say_that_there_is_none(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_PART(&f, "TIER PROMOTE a", "-ERR there is no warm tier");
    EXPECT_PART(&f, "TIER DEMOTE a", "-ERR there is no warm tier");
    EXPECT_REPLY(&f, "TIER INFO", "*2\r\n$12\r\ntier_enabled\r\n:0\r\n");
    EXPECT_PART(&f, "TIER", "-ERR wrong number of arguments for 'tier' command");
    EXPECT_PART(&f, "TIER NONSENSE", "-ERR unknown subcommand 'NONSENSE', expected INFO, PROMOTE, DEMOTE or HELP");
    cmd_fixture_close(&f);
}

UNIT_TESTS(tier_keys, UNIT(what_overwrites_asks_for_nothing), UNIT(what_depends_on_the_old_value_asks_for_it),
           UNIT(exec_asks_for_all_that_is_queued_and_watched), UNIT(who_waits_has_replied_and_done_nothing),
           UNIT(who_only_reads_looks_again), UNIT(tier_commands_say_that_there_is_none));
