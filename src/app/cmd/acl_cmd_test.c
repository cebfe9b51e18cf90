#include "app/cmd/server_fixture.h"

#define NOT_RUN(name) "-NOPERM this user has no permissions to run the '" name "' command\r\n"
#define NOT_KEY "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"
#define NOT_ALL(name) "-NOPERM this user has no permissions to access all keys, as '" name "' may do\r\n"
#define NOT_CHANNEL "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n"

/* The client of `f` is a user with these rules. */
static void become(struct server_fixture *s, struct cmd_fixture *f, const char *rules) {
    char line[512];
    snprintf(line, sizeof line, "ACL SETUSER joe reset on nopass %s", rules);
    rights_bind(&f->client, auth_users_find(&s->users, SLICE("default")));
    EXPECT_REPLY(f, line, "+OK\r\n");
    EXPECT_REPLY(f, "AUTH joe x", "+OK\r\n");
}

static void users_do_what_they_may_and_nothing_else(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "MSET mine:1 a yours:1 b", "+OK\r\n");
    become(&s, &f, "~mine:* +@read +set +acl|whoami &ch*");
    EXPECT_REPLY(&f, "ACL WHOAMI", "$3\r\njoe\r\n");
    EXPECT_REPLY(&f, "GET mine:1", "$1\r\na\r\n");
    EXPECT_REPLY(&f, "GET yours:1", NOT_KEY);
    EXPECT_REPLY(&f, "MGET mine:1 mine:2 yours:1", NOT_KEY);
    EXPECT_REPLY(&f, "DEL mine:1", NOT_RUN("del"));
    EXPECT_REPLY(&f, "CONFIG GET x", NOT_RUN("config|get"));
    EXPECT_REPLY(&f, "PUBLISH ch x", NOT_RUN("publish"));
    EXPECT_REPLY(&f, "GET", "-ERR wrong number of arguments for 'get' command\r\n");
    EXPECT_REPLY(&f, "KEYS *", "*1\r\n$6\r\nmine:1\r\n");
    EXPECT_REPLY(&f, "SCAN 0 COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$6\r\nmine:1\r\n");
    EXPECT_REPLY(&f, "RANDOMKEY", NOT_ALL("randomkey"));
    assert_int_equal(s.denied[AUTH_REASON_KEY], 3);
    assert_int_equal(s.denied[AUTH_REASON_COMMAND], 3);
    EXPECT_REPLY(&f, "RESET", "+RESET\r\n");
    EXPECT_REPLY(&f, "ACL WHOAMI", "$7\r\ndefault\r\n");
    EXPECT_REPLY(&f, "GET yours:1", "$1\r\nb\r\n");
    cmd_fixture_close(&f);
}

static void reading_and_writing_are_told_apart(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    become(&s, &f, "%R~r* %W~w* +@all");
    EXPECT_REPLY(&f, "SET w x", "+OK\r\n");
    EXPECT_REPLY(&f, "SET r x", NOT_KEY);
    EXPECT_REPLY(&f, "SET w x GET", NOT_KEY);    /* which reads */
    EXPECT_REPLY(&f, "SET w y IFEQ x", NOT_KEY); /* which compare */
    EXPECT_REPLY(&f, "DELIFEQ w x", NOT_KEY);
    EXPECT_REPLY(&f, "GET w", NOT_KEY);
    EXPECT_REPLY(&f, "GET r", "$-1\r\n");
    EXPECT_REPLY(&f, "COPY r1 w1", ":0\r\n");
    EXPECT_REPLY(&f, "COPY w1 r1", NOT_KEY);
    EXPECT_REPLY(&f, "BITFIELD r1 GET u8 0", "*1\r\n:0\r\n");
    EXPECT_REPLY(&f, "BITFIELD r1 SET u8 0 1", NOT_KEY);
    cmd_fixture_close(&f);
}

static void keys_that_are_not_named_need_every_key(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    become(&s, &f, "~mine:* +@all allchannels");
    EXPECT_REPLY(&f, "FLUSHALL", NOT_ALL("flushall"));
    EXPECT_REPLY(&f, "SWAPDB 0 1", NOT_ALL("swapdb"));
    EXPECT_REPLY(&f, "TAG INVALIDATE t", NOT_ALL("tag|invalidate"));
    EXPECT_REPLY(&f, "INVALIDATE PATTERN *", NOT_KEY);
    EXPECT_REPLY(&f, "INVALIDATE PATTERN min*", NOT_KEY);
    EXPECT_REPLY(&f, "STREAM SUBSCRIBE", NOT_ALL("stream|subscribe"));
    EXPECT_REPLY(&f, "CLIENT TRACKING ON BCAST", NOT_KEY);
    EXPECT_REPLY(&f, "CLIENT TRACKING ON PREFIX mine:a PREFIX y BCAST", NOT_KEY);
    EXPECT_REPLY(&f, "CLIENT TRACKING ON PREFIX mine:a BCAST", "+OK\r\n");
    EXPECT_REPLY(&f, "SUBSCRIBE __keyspace@0__:yours", NOT_KEY);
    EXPECT_REPLY(&f, "SUBSCRIBE __keyevent@0__:del", NOT_KEY);
    EXPECT_REPLY(&f, "PSUBSCRIBE __key*", NOT_KEY);
    EXPECT_REPLY(&f, "PSUBSCRIBE *", NOT_KEY);
    EXPECT_REPLY(&f, "PSUBSCRIBE __keyspace@*__:mine:*", NOT_KEY);
    EXPECT_REPLY(&f, "SUBSCRIBE __keyspace@0__:mine:1",
                 "*3\r\n$9\r\nsubscribe\r\n$21\r\n__keyspace@0__:mine:1\r\n:1\r\n");
    EXPECT_REPLY(&f, "PSUBSCRIBE __keyspace@0__:mine:*",
                 "*3\r\n$10\r\npsubscribe\r\n$21\r\n__keyspace@0__:mine:*\r\n:2\r\n");
    server_fixture_close(&s, &f);
}

static void channels_are_permitted_by_patterns(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    become(&s, &f, "&news.* +publish +subscribe +psubscribe +spublish");
    EXPECT_REPLY(&f, "PUBLISH news.1 x", ":0\r\n");
    EXPECT_REPLY(&f, "PUBLISH old x", NOT_CHANNEL);
    EXPECT_REPLY(&f, "SPUBLISH old x", NOT_CHANNEL);
    EXPECT_REPLY(&f, "SUBSCRIBE news.1 old", NOT_CHANNEL);
    EXPECT_REPLY(&f, "PSUBSCRIBE news.1*", NOT_CHANNEL);
    EXPECT_REPLY(&f, "PSUBSCRIBE news.*", "*3\r\n$10\r\npsubscribe\r\n$6\r\nnews.*\r\n:1\r\n");
    assert_true(rights_hold_listening(&f.client));
    struct auth_user *less = auth_user_copy(auth_users_find(&s.users, SLICE("joe")));
    assert_int_equal(auth_user_apply(less, SLICE("resetchannels")), AUTH_FINE);
    rights_bind(&f.client, less);
    auth_user_unref(less);
    assert_false(rights_hold_listening(&f.client));
    server_fixture_close(&s, &f);
}

static void what_was_queued_is_judged_again(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    become(&s, &f, "~a* +@all");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a1 x", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "SET a2 x", "+QUEUED\r\n");
    struct auth_user *less = auth_user_copy(auth_users_find(&s.users, SLICE("joe")));
    assert_int_equal(auth_user_apply(less, SLICE("resetkeys")), AUTH_FINE);
    assert_int_equal(auth_user_apply(less, SLICE("~a1")), AUTH_FINE);
    assert_int_equal(auth_users_put(&s.users, less), STATUS_OK);
    rights_bind(&f.client, less);
    EXPECT_REPLY(
        &f, "EXEC",
        "*2\r\n+OK\r\n-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
        "call. This command is no longer allowed for the following reason: no permission to touch the specified "
        "keys\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a2 x", NOT_KEY);
    EXPECT_REPLY(&f, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_true(s.users.newest->context == AUTH_CONTEXT_MULTI && s.users.newest->count == 2);
    cmd_fixture_close(&f);
}

static void rows_end_where_rights_do(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "MSET a 1 b 2", "+OK\r\n");
    become(&s, &f, "~a +get");
    struct slice argv[3][2] = {{SLICE("GET"), SLICE("a")}, {SLICE("GET"), SLICE("b")}, {SLICE("GET"), SLICE("a")}};
    struct cache_key keys[3];
    struct cmd_request requests[3];
    for (int i = 0; i < 3; i++) {
        keys[i] = cache_key(f.cache, 0, argv[i][1]);
        requests[i] = (struct cmd_request){
            .spec = cmd_lookup(SLICE("get")), .client = &f.client, .argv = argv[i], .argc = 2, .key = &keys[i]};
    }
    struct reply reply;
    buf_clear(&f.out);
    buf_clear(&f.foreign);
    reply_init(&reply, &f.out, &f.foreign, 2);
    struct cmd_call call = {.env = &f.env, .actor = &f.actor, .arena = &f.arena, .reply = &reply};
    assert_int_equal(cmd_run_row(&call, requests, 3), 1);
    assert_true(slice_equal(buf_slice(&f.out), SLICE("$1\r\n1\r\n")));
    assert_int_equal(cmd_run_row(&call, requests + 1, 2), 0);
    /* The same by way of prefixes, of which one lets most through. */
    static const char *const rules[] = {"~a* +get", "~z* ~a* +get", "%R~a* %W~b* +get", "~b* +set (%R~a* +get)",
                                        "%W~b* ~[a] +get"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        become(&s, &f, rules[i]);
        buf_clear(&f.out);
        assert_int_equal(cmd_run_row(&call, requests, 3), 1);
        assert_int_equal(cmd_run_row(&call, requests + 1, 2), 0);
        assert_true(slice_equal(buf_slice(&f.out), SLICE("$1\r\n1\r\n")));
    }
    cmd_fixture_close(&f);
}

/* A row and single requests agree on every length of prefix and name. */
static void rows_and_single_requests_agree(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    static const char text[] = "abcdefghijklmnopqrst";
    for (int prefix = 1; prefix < 20; prefix++) {
        char rule[64];
        snprintf(rule, sizeof rule, "~%.*s* +get", prefix, text);
        become(&s, &f, rule);
        for (int size = 1; size < 20; size++) {
            for (int wrong = -1; wrong < size; wrong++) {
                char name[20];
                memcpy(name, text, sizeof name);
                if (wrong >= 0)
                    name[wrong] = '!';
                struct slice argv[] = {SLICE("GET"), slice_make(name, (size_t)size)};
                struct cmd_request request = {
                    .spec = cmd_lookup(SLICE("get")), .client = &f.client, .argv = argv, .argc = 2};
                struct cmd_call call = {.env = &f.env, .actor = &f.actor, .arena = &f.arena};
                bool permitted = size >= prefix && (wrong < 0 || wrong >= prefix);
                assert_int_equal(rights_row(&call, &request, 1), permitted);
            }
        }
    }
    cmd_fixture_close(&f);
}

static void a_rule_that_is_wrong_changes_nothing(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "ACL SETUSER joe on (+get ~x) ~y", "+OK\r\n");
    EXPECT_REPLY(&f, "ACL SETUSER joe off nopass +nosuch",
                 "-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL\r\n");
    EXPECT_REPLY(&f, "ACL SETUSER joe off (+get ~z",
                 "-ERR Unmatched parenthesis in acl selector starting at '(+get'.\r\n");
    EXPECT_REPLY(&f, "ACL SETUSER \"a b\"", "-ERR Usernames can't contain spaces or null characters\r\n");
    EXPECT_PART(&f, "ACL LIST", "user joe on ~y resetchannels -@all (~x resetchannels -@all +get)\r\n");
    EXPECT_REPLY(&f, "ACL DELUSER joe default", "-ERR The 'default' user cannot be removed\r\n");
    EXPECT_REPLY(&f, "ACL USERS", "*2\r\n$7\r\ndefault\r\n$3\r\njoe\r\n");
    EXPECT_REPLY(&f, "ACL DELUSER joe nobody", ":1\r\n");
    EXPECT_REPLY(&f, "ACL GETUSER joe", "$-1\r\n");
    EXPECT_REPLY(&f, "ACL GENPASS 12", "$3\r\na7a\r\n");
    cmd_fixture_close(&f);
}

/* What has waited for a lease is judged when it runs again. */
static void what_has_waited_is_judged_again(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    become(&s, &f, "~a +get");
    f.client.lease_waited = true;
    EXPECT_REPLY(&f, "GET b", NOT_KEY);
    assert_int_equal(s.waits_ended, 1);
    assert_false(f.client.lease_waited);
    cmd_fixture_close(&f);
}

UNIT_TESTS(acl_cmd, UNIT(users_do_what_they_may_and_nothing_else), UNIT(reading_and_writing_are_told_apart),
           UNIT(keys_that_are_not_named_need_every_key), UNIT(channels_are_permitted_by_patterns),
           UNIT(what_was_queued_is_judged_again), UNIT(rows_end_where_rights_do), UNIT(rows_and_single_requests_agree),
           UNIT(a_rule_that_is_wrong_changes_nothing), UNIT(what_has_waited_is_judged_again));
