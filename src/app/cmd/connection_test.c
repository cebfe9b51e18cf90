#include "app/cmd/server_fixture.h"

#define WRONGPASS "-WRONGPASS invalid username-password pair or user is disabled.\r\n"

static void hello_greets_in_the_protocol_that_is_chosen(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "HELLO 3",
                 "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n" CMD_REDIS_VERSION
                 "\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n"
                 "$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
    EXPECT_REPLY(&f, "CLIENT GETNAME", "_\r\n");
    assert_true(cmd_fixture_run(&f, "HELLO").data[0] == '%');
    assert_true(slice_starts_with(cmd_fixture_run(&f, "HELLO 2 SETNAME me"), SLICE("*14\r\n$6\r\nserver")));
    EXPECT_REPLY(&f, "CLIENT GETNAME", "$2\r\nme\r\n");
    cmd_fixture_close(&f);
}

static void hello_refuses_as_redis_does_and_changes_nothing(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    server_fixture_password(&s, "secret");
    EXPECT_REPLY(&f, "HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    EXPECT_REPLY(&f, "HELLO 1", "-NOPROTO unsupported protocol version\r\n");
    EXPECT_REPLY(&f, "HELLO x", "-ERR Protocol version is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "HELLO SETNAME x", "-ERR Protocol version is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "HELLO 3 foo", "-ERR Syntax error in HELLO option 'foo'\r\n");
    EXPECT_REPLY(&f, "HELLO 3 AUTH x", "-ERR Syntax error in HELLO option 'AUTH'\r\n");
    EXPECT_REPLY(&f, "HELLO 3 AUTH default secret SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n");
    EXPECT_REPLY(&f, "HELLO 3 SETNAME \"a b\"",
                 "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    EXPECT_REPLY(&f, "HELLO 3 AUTH default wrong SETNAME me", WRONGPASS);
    assert_int_equal(f.client.protocol, 2);
    EXPECT_REPLY(&f, "CLIENT GETNAME", "$-1\r\n");
    assert_int_equal(s.denied[AUTH_REASON_AUTH], 1);
    cmd_fixture_close(&f);
}

static void strangers_may_only_introduce_themselves(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    server_fixture_password(&s, "secret");
    f.client.authenticated = false;
    EXPECT_REPLY(&f, "PING", "-NOAUTH Authentication required.\r\n");
    EXPECT_REPLY(&f, "HELLO 3",
                 "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
                 "<pass> option can be used to authenticate the client and select the RESP protocol version at the "
                 "same time\r\n");
    assert_int_equal(f.client.protocol, 2);
    EXPECT_REPLY(&f, "AUTH wrong", WRONGPASS);
    EXPECT_REPLY(&f, "AUTH secre", WRONGPASS);
    EXPECT_REPLY(&f, "AUTH secretsecret", WRONGPASS);
    EXPECT_REPLY(&f, "AUTH \"\"", WRONGPASS);
    EXPECT_REPLY(&f, "AUTH other secret", WRONGPASS);
    EXPECT_REPLY(&f, "AUTH a b c", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "PING", "-NOAUTH Authentication required.\r\n");
    EXPECT_REPLY(&f, "AUTH default secret", "+OK\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    EXPECT_REPLY(&f, "RESET", "+RESET\r\n");
    EXPECT_REPLY(&f, "PING", "-NOAUTH Authentication required.\r\n");
    EXPECT_REPLY(&f, "AUTH secret", "+OK\r\n");
    EXPECT_REPLY(&f, "AUTH wrong", WRONGPASS);
    EXPECT_REPLY(&f, "PING", "+PONG\r\n"); /* who was in stays in */
    assert_int_equal(s.denied[AUTH_REASON_AUTH], 6);
    cmd_fixture_close(&f);
}

static size_t longest_hashed;

static void note_hashed(struct slice password, char ret_hash[AUTH_HASH_SIZE]) {
    longest_hashed = password.size > longest_hashed ? password.size : longest_hashed;
    server_fixture_hash(password, ret_hash);
}

/* Whoever is in may send half a gigabyte as a password: it is not one, which is told without looking at it. */
static void what_is_too_long_for_a_password_is_not_hashed(void **state) {
    (void)state;
    enum { LONGEST = 16 << 10, TOO_LONG = 1 << 20 };
    struct server_fixture s;
    struct cmd_fixture f;
    char *text = malloc(TOO_LONG);
    assert_non_null(text);
    memset(text, 0, TOO_LONG);
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "ACL SETUSER open on nopass", "+OK\r\n");
    server_fixture_password(&s, "");
    s.users.setting.hash = note_hashed;
    const struct slice named[] = {SLICE("AUTH"), SLICE("default"), slice_make(text, TOO_LONG)};
    const struct slice plain[] = {SLICE("AUTH"), slice_make(text, TOO_LONG)};
    const struct slice hello[] = {SLICE("HELLO"), SLICE("3"), SLICE("AUTH"), SLICE("default"),
                                  slice_make(text, TOO_LONG)};
    assert_true(slice_equal(cmd_fixture_run_argv(&f, named, 3), SLICE(WRONGPASS)));
    assert_true(slice_equal(cmd_fixture_run_argv(&f, plain, 2), SLICE(WRONGPASS)));
    assert_true(slice_equal(cmd_fixture_run_argv(&f, hello, 5), SLICE(WRONGPASS)));
    assert_true(longest_hashed <= LONGEST);
    const struct slice longest[] = {SLICE("AUTH"), slice_make(text, LONGEST)};
    (void)cmd_fixture_run_argv(&f, longest, 2);
    assert_int_equal(longest_hashed, LONGEST);
    const struct slice any[] = {SLICE("AUTH"), SLICE("open"), slice_make(text, TOO_LONG)};
    assert_true(slice_equal(cmd_fixture_run_argv(&f, any, 3), SLICE("+OK\r\n")));
    cmd_fixture_close(&f);
    free(text);
}

static void without_a_password_the_default_user_needs_none(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "AUTH x",
                 "-ERR AUTH <password> called without any password configured for the default user. Are you sure your "
                 "configuration is correct?\r\n");
    EXPECT_REPLY(&f, "AUTH default anything", "+OK\r\n");
    EXPECT_REPLY(&f, "AUTH someone anything", WRONGPASS);
    EXPECT_REPLY(&f, "RESET", "+RESET\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    cmd_fixture_close(&f);
}

static void small_ones_answer(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    EXPECT_REPLY(&f, "PING \"a b\"", "$3\r\na b\r\n");
    EXPECT_REPLY(&f, "PING a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    EXPECT_REPLY(&f, "ECHO \"\"", "$0\r\n\r\n");
    assert_false(f.client.close_after_reply);
    EXPECT_REPLY(&f, "QUIT", "+OK\r\n");
    assert_true(f.client.close_after_reply);
    cmd_fixture_close(&f);
}

static void reset_brings_everything_back(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    (void)cmd_fixture_run(&f, "HELLO 3 SETNAME me");
    EXPECT_REPLY(&f, "SELECT 5", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT NO-EVICT on", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT NO-TOUCH on", "+OK\r\n");
    EXPECT_REPLY(&f, "WATCH k", "+OK\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "PING", "+QUEUED\r\n");
    f.client.monitor = true;
    EXPECT_REPLY(&f, "RESET", "+RESET\r\n");
    EXPECT_REPLY(&f, "EXEC", "-ERR EXEC without MULTI\r\n");
    EXPECT_REPLY(&f, "CLIENT GETNAME", "$-1\r\n");
    assert_int_equal(f.client.db, 0);
    assert_int_equal(cmd_watched_count(&f.client), 0);
    assert_false(f.client.monitor || f.client.no_evict || f.client.no_touch);
    EXPECT_REPLY(&f, "CLIENT REPLY OFF", "");
    EXPECT_REPLY(&f, "PING", "");
    EXPECT_REPLY(&f, "RESET", "+RESET\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(connection, UNIT(hello_greets_in_the_protocol_that_is_chosen),
           UNIT(hello_refuses_as_redis_does_and_changes_nothing), UNIT(strangers_may_only_introduce_themselves),
           UNIT(what_is_too_long_for_a_password_is_not_hashed), UNIT(without_a_password_the_default_user_needs_none),
           UNIT(small_ones_answer), UNIT(reset_brings_everything_back));
