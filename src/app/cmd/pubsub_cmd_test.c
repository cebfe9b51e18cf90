#include "app/cmd/server_fixture.h"

static void expect_messages(struct server_fixture *s, const char *expected) {
    if (!slice_equal(buf_slice(&s->messages), slice_from_string(expected))) {
        cmd_fixture_print("expected", slice_from_string(expected));
        cmd_fixture_print("sent", buf_slice(&s->messages));
        fail();
    }
    buf_clear(&s->messages);
}

static void confirmations_count_channels_and_patterns_together(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "SUBSCRIBE a b a",
                 "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
                 "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
    EXPECT_REPLY(&f, "PSUBSCRIBE a*", "*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:3\r\n");
    EXPECT_REPLY(&f, "SSUBSCRIBE a", "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n");
    EXPECT_REPLY(&f, "UNSUBSCRIBE nothing", "*3\r\n$11\r\nunsubscribe\r\n$7\r\nnothing\r\n:3\r\n");
    EXPECT_REPLY(&f, "UNSUBSCRIBE",
                 "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    EXPECT_REPLY(&f, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n");
    EXPECT_REPLY(&f, "PUNSUBSCRIBE a*", "*3\r\n$12\r\npunsubscribe\r\n$2\r\na*\r\n:0\r\n");
    EXPECT_REPLY(&f, "SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "SUNSUBSCRIBE", ">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0\r\n");
    EXPECT_REPLY(&f, "SUBSCRIBE \"\"", ">3\r\n$9\r\nsubscribe\r\n$0\r\n\r\n:1\r\n");
    server_fixture_close(&s, &f);
}

static void a_subscriber_of_resp2_may_do_little(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    cmd_fixture_run(&f, "SSUBSCRIBE a");
    EXPECT_REPLY(&f, "GET a",
                 "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
                 "in this context\r\n");
    assert_int_equal(f.outcome, CMD_REJECTED);
    EXPECT_PART(&f, "CLIENT ID", "-ERR Can't execute 'client|id': only");
    EXPECT_PART(&f, "MULTI", "-ERR Can't execute 'multi': only");
    EXPECT_PART(&f, "GET", "-ERR wrong number of arguments for 'get'");
    EXPECT_REPLY(&f, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    EXPECT_REPLY(&f, "PING x", "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    EXPECT_REPLY(&f, "SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    cmd_fixture_run(&f, "SUBSCRIBE a");
    EXPECT_REPLY(&f, "RESET", "+RESET\r\n");
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    EXPECT_REPLY(&f, "PUBSUB CHANNELS", "*0\r\n");
    f.client.protocol = 3;
    cmd_fixture_run(&f, "SUBSCRIBE a");
    EXPECT_REPLY(&f, "GET a", "_\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    server_fixture_close(&s, &f);
}

static void publishing_counts_every_way_to_listen(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    struct cmd_client other;
    server_fixture_open(&s, &f);
    cmd_client_init(&other, 7, &memory_libc);
    other.authenticated = true;
    f.sender = &other;
    cmd_fixture_run(&f, "PSUBSCRIBE n* [a-n]ews");
    cmd_fixture_run(&f, "SUBSCRIBE news");
    cmd_fixture_run(&f, "SSUBSCRIBE news");
    f.sender = &f.client;
    EXPECT_REPLY(&f, "PUBLISH news hello", ":3\r\n");
    expect_messages(&s, "7 0 news hello\n7 1 n* hello\n7 1 [a-n]ews hello\n");
    EXPECT_REPLY(&f, "SPUBLISH news hello", ":1\r\n");
    expect_messages(&s, "7 2 news hello\n");
    EXPECT_REPLY(&f, "PUBLISH other hello", ":0\r\n");
    EXPECT_REPLY(&f, "SPUBLISH nothing hello", ":0\r\n");
    expect_messages(&s, "");
    EXPECT_REPLY(&f, "PUBSUB NUMSUB news other", "*4\r\n$4\r\nnews\r\n:1\r\n$5\r\nother\r\n:0\r\n");
    EXPECT_REPLY(&f, "PUBSUB NUMSUB", "*0\r\n");
    EXPECT_REPLY(&f, "PUBSUB SHARDNUMSUB news", "*2\r\n$4\r\nnews\r\n:1\r\n");
    EXPECT_REPLY(&f, "PUBSUB NUMPAT", ":2\r\n");
    EXPECT_REPLY(&f, "PUBSUB CHANNELS", "*1\r\n$4\r\nnews\r\n");
    EXPECT_REPLY(&f, "PUBSUB CHANNELS x*", "*0\r\n");
    EXPECT_REPLY(&f, "PUBSUB SHARDCHANNELS n?ws", "*1\r\n$4\r\nnews\r\n");
    EXPECT_PART(&f, "PUBSUB CHANNELS a b", "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'");
    EXPECT_PART(&f, "PUBSUB", "-ERR wrong number of arguments for 'pubsub' command");
    EXPECT_PART(&f, "PUBSUB WHAT", "-ERR unknown subcommand 'WHAT'. Try PUBSUB HELP.");
    server_fixture_unsubscribe_all(&s.server, &other);
    cmd_client_fini(&other, &f.env, &f.actor);
    server_fixture_close(&s, &f);
}

static void inside_transactions(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    cmd_fixture_run(&f, "MULTI");
    EXPECT_REPLY(&f, "SUBSCRIBE a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "SSUBSCRIBE a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "GET a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "PUBLISH a x", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC",
                 "*4\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                 "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n$-1\r\n:1\r\n");
    expect_messages(&s, "1 0 a x\n");
    EXPECT_PART(&f, "GET a", "-ERR Can't execute 'get'");
    server_fixture_close(&s, &f);
}

static void pushes_are_not_kept_back(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    f.client.protocol = 3;
    cmd_fixture_run(&f, "CLIENT REPLY OFF");
    EXPECT_REPLY(&f, "SUBSCRIBE a", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    EXPECT_REPLY(&f, "SUBSCRIBE", "");
    EXPECT_REPLY(&f, "PUBLISH a x", "");
    cmd_fixture_run(&f, "CLIENT REPLY ON");
    cmd_fixture_run(&f, "CLIENT REPLY SKIP");
    EXPECT_REPLY(&f, "UNSUBSCRIBE", ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    server_fixture_close(&s, &f);
}

static void a_connection_has_limits(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    f.client.listener.name_bytes = TOPICS_LISTENER_NAMES_MAX - 1;
    EXPECT_REPLY(&f, "SUBSCRIBE a bb",
                 "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                 "-ERR a connection may have at most 1048576 subscriptions, with names of 268435456 bytes\r\n");
    f.client.listener.name_bytes = 1;
    server_fixture_close(&s, &f);
}

static void client_lists_tell_subscribers(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    f.client.protocol = 3;
    EXPECT_PART(&f, "CLIENT INFO", " flags=N db=0 sub=0 psub=0 ssub=0 multi=-1");
    cmd_fixture_run(&f, "SUBSCRIBE a b");
    cmd_fixture_run(&f, "PSUBSCRIBE c*");
    cmd_fixture_run(&f, "SSUBSCRIBE d");
    EXPECT_PART(&f, "CLIENT INFO", " flags=P db=0 sub=2 psub=1 ssub=1 multi=-1");
    EXPECT_PART(&f, "CLIENT LIST TYPE pubsub", "id=1 ");
    EXPECT_REPLY(&f, "CLIENT LIST TYPE normal", "=4\r\ntxt:\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL TYPE pubsub SKIPME no", ":1\r\n");
    assert_true(f.client.close_after_reply);
    server_fixture_close(&s, &f);
}

UNIT_TESTS(pubsub_cmd, UNIT(confirmations_count_channels_and_patterns_together),
           UNIT(a_subscriber_of_resp2_may_do_little), UNIT(publishing_counts_every_way_to_listen),
           UNIT(inside_transactions), UNIT(pushes_are_not_kept_back), UNIT(a_connection_has_limits),
           UNIT(client_lists_tell_subscribers));
