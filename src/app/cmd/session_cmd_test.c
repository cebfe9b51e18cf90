/* Commands on keys that live and die with the head of their session. */
#include "app/cmd/cmd_fixture.h"
#include "base/bits.h"

enum { ENTRIES_MAX = 10 };

/* Sessions beside a default store that takes no more than ENTRIES_MAX entries. */
static void open_sessions(struct cmd_fixture *f) {
    static const struct slice patterns[] = {{(const uint8_t *)"session:{sid}", 13},
                                            {(const uint8_t *)"cart:{sid}:*", 12}};
    const struct cache_store stores[] = {
        {.name = SLICE("default"), .policy = CACHE_NOEVICTION, .entries_max = ENTRIES_MAX},
        {.name = SLICE("sessions"),
         .patterns = patterns,
         .pattern_count = COUNT_OF(patterns),
         .ttl_ms = 50 * 1000,
         .policy = CACHE_SESSION},
    };
    cmd_fixture_open_with(f, (struct cache_options){
                                 .limit_bytes = FIXTURE_RANGE_SIZE, .stores = stores, .store_count = COUNT_OF(stores)});
}

static void a_head_is_renamed_to_a_member(void **state) {
    struct cmd_fixture f;
    open_sessions(&f);
    for (int round = 0; round < 3; round++) {
        /* Whether the target is there before or not, and in a transaction too. */
        EXPECT_REPLY(&f, "MSET session:42 head cart:42:2 x session:7 other cart:7:1 y", "+OK\r\n");
        if (round == 1)
            EXPECT_REPLY(&f, "SET cart:42:1 old", "+OK\r\n");
        if (round == 2)
            EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
        (void)cmd_fixture_run(&f, "RENAME session:42 cart:42:1");
        if (round == 2)
            EXPECT_REPLY(&f, "EXEC", "*1\r\n+OK\r\n");
        EXPECT_REPLY(&f, "GET cart:42:1", "$4\r\nhead\r\n");
        EXPECT_REPLY(&f, "EXISTS session:42 cart:42:2", ":0\r\n");
        EXPECT_REPLY(&f, "EXISTS session:7 cart:7:1", ":2\r\n");
        EXPECT_REPLY(&f, "FLUSHALL", "+OK\r\n");
    }
    EXPECT_REPLY(&f, "MSET session:42 head cart:42:2 x", "+OK\r\n");
    EXPECT_REPLY(&f, "RENAMENX session:42 cart:42:2", ":0\r\n");
    EXPECT_REPLY(&f, "EXISTS session:42 cart:42:2", ":2\r\n");
    EXPECT_REPLY(&f, "RENAMENX session:42 cart:42:3", ":1\r\n");
    EXPECT_REPLY(&f, "MGET session:42 cart:42:2 cart:42:3", "*3\r\n$-1\r\n$-1\r\n$4\r\nhead\r\n");
    /* The other way round, nothing ends; and away from its session, a head takes it along. */
    EXPECT_REPLY(&f, "MSET session:1 a cart:1:1 b cart:1:2 c", "+OK\r\n");
    EXPECT_REPLY(&f, "RENAME cart:1:1 session:1", "+OK\r\n");
    EXPECT_REPLY(&f, "MGET session:1 cart:1:1 cart:1:2", "*3\r\n$1\r\nb\r\n$-1\r\n$1\r\nc\r\n");
    EXPECT_REPLY(&f, "RENAME session:1 user:1", "+OK\r\n");
    EXPECT_REPLY(&f, "MGET session:1 cart:1:2 user:1", "*3\r\n$-1\r\n$-1\r\n$1\r\nb\r\n");
    EXPECT_REPLY(&f, "MSET session:1 a cart:1:1 b", "+OK\r\n");
    EXPECT_REPLY(&f, "RENAME session:1 session:1", "+OK\r\n");
    EXPECT_REPLY(&f, "MGET session:1 cart:1:1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    cmd_fixture_close(&f);
}

static void a_large_head_is_renamed_to_a_member(void **state) {
    struct cmd_fixture f;
    open_sessions(&f);
    EXPECT_REPLY(&f, "SETRANGE session:42 3000000 end", ":3000003\r\n");
    EXPECT_REPLY(&f, "SET cart:42:2 x", "+OK\r\n");
    EXPECT_REPLY(&f, "RENAME session:42 cart:42:1", "+OK\r\n");
    EXPECT_REPLY(&f, "EXISTS session:42 cart:42:2", ":0\r\n");
    EXPECT_REPLY(&f, "GETRANGE cart:42:1 2999999 -1", "$4\r\n\0end\r\n");
    cmd_fixture_close(&f);
}

#define FULL "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

/* The last key of each row finds no room in the default store: all is as it was, also what the row did not name. */
static void a_row_that_fails_leaves_sessions_whole(void **state) {
    struct cmd_fixture f;
    open_sessions(&f);
    for (int i = 0; i < ENTRIES_MAX; i++) {
        char line[32];
        snprintf(line, sizeof line, "SET user:%d x", i);
        EXPECT_REPLY(&f, line, "+OK\r\n");
    }
    EXPECT_REPLY(&f, "MSET session:1 head cart:1:1 a cart:1:2 b cart:2:1 orphan", "+OK\r\n");
    EXPECT_REPLY(&f, "EXPIRE session:1 100", ":1\r\n");
    EXPECT_REPLY(&f, "SETRANGE cart:1:3 3000000 end", ":3000003\r\n");
    EXPECT_REPLY(&f, "PERSIST cart:1:1", ":1\r\n");
    EXPECT_REPLY(&f, "MSET session:1 longer-than-before cart:1:1 new user:more x", FULL);
    EXPECT_REPLY(&f, "MGET session:1 cart:1:1 cart:1:2", "*3\r\n$4\r\nhead\r\n$1\r\na\r\n$1\r\nb\r\n");
    EXPECT_REPLY(&f, "TTL session:1", ":100\r\n");
    EXPECT_REPLY(&f, "TTL cart:1:1", ":-1\r\n");
    EXPECT_REPLY(&f, "MSET cart:1:3 short cart:1:3 shorter session:1 new session:1 newer user:more x", FULL);
    EXPECT_REPLY(&f, "GETRANGE cart:1:3 2999999 -1", "$4\r\n\0end\r\n");
    EXPECT_REPLY(&f, "MGET session:1 cart:1:1 cart:1:2", "*3\r\n$4\r\nhead\r\n$1\r\na\r\n$1\r\nb\r\n");
    /* A head that was not there before goes again without those that were. */
    EXPECT_REPLY(&f, "MSET cart:2:1 changed session:2 head cart:2:2 member user:more x", FULL);
    EXPECT_REPLY(&f, "MGET session:2 cart:2:1 cart:2:2 user:more", "*4\r\n$-1\r\n$6\r\norphan\r\n$-1\r\n$-1\r\n");
    EXPECT_REPLY(&f, "DBSIZE", ":15\r\n");
    /* What is written with an expiry in the past goes, and a session with its head. */
    EXPECT_REPLY(&f, "MSETEX 2 session:1 x user:more x PXAT 1", ":1\r\n");
    EXPECT_REPLY(&f, "DBSIZE", ":11\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(session_cmd, UNIT(a_head_is_renamed_to_a_member), UNIT(a_large_head_is_renamed_to_a_member),
           UNIT(a_row_that_fails_leaves_sessions_whole));
