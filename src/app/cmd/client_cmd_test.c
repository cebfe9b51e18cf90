#include "app/cmd/server_fixture.h"

#define NAMES_ERROR "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"

static void names_are_kept_if_they_are_printable(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "CLIENT ID", ":1\r\n");
    EXPECT_REPLY(&f, "CLIENT GETNAME", "$-1\r\n");
    EXPECT_REPLY(&f, "CLIENT SETNAME worker:1", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT SETNAME \"a b\"", NAMES_ERROR);
    EXPECT_REPLY(&f, "CLIENT SETNAME \"a\\n\"", NAMES_ERROR);
    EXPECT_REPLY(&f, "CLIENT SETNAME \"\\x7f\"", NAMES_ERROR);
    EXPECT_REPLY(&f, "CLIENT GETNAME", "$8\r\nworker:1\r\n");
    EXPECT_REPLY(&f, "CLIENT SETNAME \"\"", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT GETNAME", "$-1\r\n");
    static uint8_t name[5000];
    memset(name, 'n', sizeof name);
    const struct slice argv[] = {SLICE("CLIENT"), SLICE("SETNAME"), slice_make(name, sizeof name)};
    assert_true(slice_equal(cmd_fixture_run_argv(&f, argv, 3),
                            SLICE("-ERR Client names cannot be longer than 4096 bytes.\r\n")));
    EXPECT_REPLY(&f, "CLIENT SETINFO lib-name \"a b\"",
                 "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
    EXPECT_REPLY(&f, "CLIENT SETINFO LIB-FOO a", "-ERR Unrecognized option 'LIB-FOO'\r\n");
    cmd_fixture_close(&f);
}

static void info_is_the_line_of_redis(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    server_fixture_add(&s, 2, "127.0.0.1:5002", 1);
    EXPECT_REPLY(&f, "CLIENT SETNAME me", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT SETINFO LIB-NAME lib", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT SETINFO lib-ver 1.2", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT NO-TOUCH ON", "+OK\r\n");
    EXPECT_REPLY(&f, "SELECT 3", "+OK\r\n");
    EXPECT_REPLY(&f, "WATCH k", "+OK\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "CLIENT INFO",
                 "=348\r\ntxt:id=1 addr=127.0.0.1:5001 laddr=127.0.0.1:6379 fd=9 name=me age=100 idle=0 flags=T db=3 "
                 "sub=0 psub=0 ssub=0 multi=-1 watch=1 qbuf=26 qbuf-free=1000 argv-mem=0 multi-mem=0 rbs=0 rbp=0 "
                 "obl=0 oll=0 omem=0 tot-mem=2000 events=r cmd=client|info user=default redir=-1 resp=3 lib-name=lib "
                 "lib-ver=1.2 tot-net-in=300 tot-net-out=400 tot-cmds=5 service=\n\r\n");
    cmd_fixture_close(&f);
}

/* The numbers of the clients in a list, in order: "1 2 ". */
static const char *ids(struct slice reply) {
    static char text[200];
    size_t used = 0;
    text[0] = 0;
    for (size_t at = 0; at + 3 < reply.size; at++)
        if ((at == 0 || reply.data[at - 1] == '\n') && memcmp(reply.data + at, "id=", 3) == 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "%d ", atoi((const char *)reply.data + at + 3));
    return text;
}

static void list_shows_those_that_are_asked_for(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    server_fixture_add(&s, 7, "127.0.0.1:5002", 1)->output_bytes = 10;
    server_fixture_add(&s, 3, "/run/s:0", 1)->unix_socket = true;
    assert_string_equal(ids(cmd_fixture_run(&f, "CLIENT LIST")), "1 7 3 ");
    assert_string_equal(ids(cmd_fixture_run(&f, "CLIENT LIST TYPE normal")), "1 7 3 ");
    assert_string_equal(ids(cmd_fixture_run(&f, "CLIENT LIST ID 3 1 99 3 -5 7")), "3 1 3 7 ");
    EXPECT_REPLY(&f, "CLIENT LIST TYPE replica", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST TYPE slave", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST TYPE pubsub", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST ID 99", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST ID x", "-ERR Invalid client ID\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST ID", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST TYPE", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST foo", "-ERR syntax error\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "CLIENT LIST ID 99", "=4\r\ntxt:\r\n");
    cmd_fixture_close(&f);
}

static void kill_closes_what_every_filter_matches(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    server_fixture_add(&s, 2, "127.0.0.1:5002", 10);
    server_fixture_add(&s, 3, "127.0.0.1:5003", 20);
    server_fixture_add(&s, 4, "127.0.0.1:5004", 30);
    EXPECT_REPLY(&f, "CLIENT KILL 1.2.3.4:5", "-ERR No such client\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL 127.0.0.1:5002", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL ID 3 ADDR 127.0.0.1:5004", ":0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL MAXAGE 25 TYPE normal LADDR 127.0.0.1:6379 USER default", ":1\r\n");
    assert_string_equal(ids(cmd_fixture_run(&f, "CLIENT LIST")), "1 3 ");
    EXPECT_REPLY(&f, "CLIENT KILL TYPE pubsub", ":0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL SKIPME yes", ":1\r\n");
    assert_string_equal(ids(cmd_fixture_run(&f, "CLIENT LIST")), "1 ");
    assert_false(f.client.close_after_reply);
    server_fixture_add(&s, 5, "127.0.0.1:5005", 10)->topics[TOPIC_PATTERN] = 1;
    server_fixture_add(&s, 6, "127.0.0.1:5006", 10);
    assert_string_equal(ids(cmd_fixture_run(&f, "CLIENT LIST TYPE pubsub")), "5 ");
    EXPECT_REPLY(&f, "CLIENT KILL TYPE pubsub", ":1\r\n");
    assert_string_equal(ids(cmd_fixture_run(&f, "CLIENT LIST TYPE normal")), "1 6 ");
    cmd_fixture_close(&f);
}

/* Four others: their words differ in one thing each. */
static void open_four(struct server_fixture *s, struct cmd_fixture *f) {
    server_fixture_open(s, f);
    struct cmd_client_view *view = server_fixture_add(s, 2, "127.0.0.1:5002", 10);
    snprintf(view->name, sizeof view->name, "worker");
    view->name_size = 6;
    view = server_fixture_add(s, 3, "[::1]:5003", 20);
    view->db = 3;
    view->idle_s = 15;
    view = server_fixture_add(s, 4, "10.0.0.1:5004", 30);
    snprintf(view->lib_name, sizeof view->lib_name, "redis-py");
    view->lib_name_size = 8;
    snprintf(view->lib_version, sizeof view->lib_version, "5.0");
    view->lib_version_size = 3;
    view->topics[TOPIC_CHANNEL] = 2;
    view = server_fixture_add(s, 5, "127.0.0.1:5005", 40);
    view->monitor = view->no_evict = true;
    snprintf(view->name, sizeof view->name, "worker"); /* of a longer one that begins so */
    view->name_size = 4000;
}

static void filters_choose_who_is_listed_and_killed(void **state) {
    (void)state;
    static const struct {
        const char *filter, *ids;
    } cases[] = {{"ID 3 5 2 SKIPME no", "2 3 5 "},
                 {"NOT-ID 1 3", "2 4 5 "},
                 {"ID 2 4 TYPE pubsub", "4 "},
                 {"NOT-TYPE pubsub SKIPME yes", "2 3 5 "},
                 {"ADDR [::1]:5003", "3 "},
                 {"NOT-ADDR [::1]:5003 SKIPME yes", "2 4 5 "},
                 {"NOT-LADDR 127.0.0.1:6379", ""},
                 {"IP ::1", "3 "},
                 {"IP 10.0.0.1", "4 "},
                 {"NOT-IP 127.0.0.1", "3 4 "},
                 {"NAME worker", "2 "},
                 {"NOT-NAME worker SKIPME yes", "3 4 5 "},
                 {"LIB-NAME redis-py", "4 "},
                 {"NOT-LIB-NAME redis-py SKIPME yes", "2 3 5 "},
                 {"LIB-VER 5.0", "4 "},
                 {"FLAGS O", "5 "},
                 {"flags eO", "5 "},
                 {"FLAGS ON", ""},
                 {"NOT-FLAGS N", "4 5 "},
                 {"DB 3", "3 "},
                 {"NOT-DB 0", "3 "},
                 {"MAXAGE 30 SKIPME yes", "4 5 "},
                 {"IDLE 15", "3 "},
                 {"USER default NOT-ID 1", "2 3 4 5 "},
                 {"NOT-USER default NOT-ID 1", ""},
                 {"DB 0 NOT-DB 0", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_fixture s;
        struct cmd_fixture f;
        char line[160];
        open_four(&s, &f);
        snprintf(line, sizeof line, "CLIENT LIST %s", cases[i].filter);
        assert_string_equal(ids(cmd_fixture_run(&f, line)), cases[i].ids);
        snprintf(line, sizeof line, "CLIENT KILL %s", cases[i].filter);
        size_t count = 0;
        for (const char *at = cases[i].ids; *at; at++)
            count += *at == ' ';
        char reply[16];
        snprintf(reply, sizeof reply, ":%zu\r\n", count);
        assert_true(slice_equal(cmd_fixture_run(&f, line), slice_from_string(reply)));
        cmd_fixture_close(&f);
    }
}

static void filters_that_make_no_sense_close_nobody(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    open_four(&s, &f);
    EXPECT_REPLY(&f, "CLIENT KILL IDLE 0", "-ERR idle should be greater than 0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL IDLE x", "-ERR idle is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL NOT-IDLE 1", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL NOT-SKIPME yes", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL NOT- x", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL DB 16", "-ERR DB index is out of range\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL FLAGS Nz", "-ERR Unknown flags found in the provided filter: 'Nz'\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL ID 2 0", "-ERR client-id should be greater than 0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL ID 2 NAME", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST NAME worker IDLE", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST NAME worker NAME worker", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST TYPE 1 2 3", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT LIST ID 1 2 LIST ID 1", "-ERR Invalid client ID\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL ID 7 ID 8", ":0\r\n"); /* the last one counts */
    s.kill_calls = 0;
    assert_int_equal(s.kill_calls, 0);
    cmd_fixture_close(&f);
}

static void kill_of_oneself_answers_first(void **state) {
    (void)state;
    static const struct {
        const char *line, *reply;
        bool closes;
    } cases[] = {{"CLIENT KILL ID 1", ":0\r\n", false},
                 {"CLIENT KILL ID 1 SKIPME no", ":1\r\n", true},
                 {"CLIENT KILL ADDR 127.0.0.1:5002 SKIPME no", ":1\r\n", false},
                 {"CLIENT KILL 127.0.0.1:5001", "+OK\r\n", true},
                 {"CLIENT KILL MAXAGE 100 SKIPME no", ":1\r\n", true},
                 {"CLIENT KILL MAXAGE 101 SKIPME no", ":0\r\n", false},
                 {"CLIENT KILL LADDR 127.0.0.1:6379 SKIPME no", ":2\r\n", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_fixture s;
        struct cmd_fixture f;
        server_fixture_open(&s, &f);
        server_fixture_add(&s, 2, "127.0.0.1:5002", 10);
        struct slice reply = cmd_fixture_run(&f, cases[i].line);
        if (!slice_equal(reply, slice_from_string(cases[i].reply)) || f.client.close_after_reply != cases[i].closes)
            fail_msg("%s: %.*s", cases[i].line, (int)reply.size, (const char *)reply.data);
        assert_false(s.views[0].closing); /* left to the reply */
        cmd_fixture_close(&f);
    }
}

static void kill_says_what_is_wrong_as_redis_does(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "CLIENT KILL ID x", "-ERR client-id should be greater than 0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL USER foo", "-ERR No such user 'foo'\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL MAXAGE x", "-ERR maxage is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL MAXAGE 0", "-ERR maxage should be greater than 0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL SKIPME foo", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL FOO bar", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL LADDR x ID", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL ADDR", "-ERR No such client\r\n");
    EXPECT_REPLY(&f,
                 "CLIENT KILL ADDR "
                 "0123456789012345678901234567890123456789012345678901234567890123456789",
                 ":0\r\n");
    EXPECT_REPLY(&f, "CLIENT KILL", "-ERR wrong number of arguments for 'client|kill' command\r\n");
    cmd_fixture_close(&f);
}

static void replies_are_kept_back_as_asked(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "CLIENT REPLY foo", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT REPLY skip", "");
    EXPECT_REPLY(&f, "PING", "");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    EXPECT_REPLY(&f, "CLIENT REPLY off", "");
    EXPECT_REPLY(&f, "CLIENT REPLY skip", "");
    EXPECT_REPLY(&f, "CLIENT REPLY foo", "");
    EXPECT_REPLY(&f, "CLIENT REPLY on", "+OK\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    EXPECT_REPLY(&f, "CLIENT REPLY skip", "");
    EXPECT_REPLY(&f, "CLIENT REPLY on", "+OK\r\n");
    EXPECT_REPLY(&f, "PING", "+PONG\r\n");
    cmd_fixture_close(&f);
}

static void pause_and_unblock_check_their_arguments(void **state) {
    (void)state;
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    EXPECT_REPLY(&f, "CLIENT PAUSE x", "-ERR timeout is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "CLIENT PAUSE -1", "-ERR timeout is negative\r\n");
    EXPECT_REPLY(&f, "CLIENT PAUSE x foo", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n");
    EXPECT_REPLY(&f, "CLIENT PAUSE 9223372036854775807", "-ERR timeout is out of range\r\n");
    EXPECT_REPLY(&f, "CLIENT PAUSE 1 write x",
                 "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.\r\n");
    assert_int_equal(s.pause_until_ms, 0);
    EXPECT_REPLY(&f, "CLIENT PAUSE 100 write", "+OK\r\n");
    assert_true(s.pause_until_ms == f.actor.now_ms + 100 && s.pause_writes_only);
    EXPECT_REPLY(&f, "CLIENT PAUSE 50", "+OK\r\n");
    assert_true(s.pause_until_ms == f.actor.now_ms + 50 && !s.pause_writes_only);
    EXPECT_REPLY(&f, "CLIENT UNPAUSE", "+OK\r\n");
    assert_int_equal(s.pause_until_ms, 0);
    EXPECT_REPLY(&f, "CLIENT UNBLOCK x", "-ERR value is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "CLIENT UNBLOCK x foo", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n");
    EXPECT_REPLY(&f, "CLIENT UNBLOCK 5 error", ":0\r\n");
    EXPECT_REPLY(&f, "CLIENT NO-EVICT maybe", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT FOLLOW on", "-ERR unknown subcommand 'FOLLOW'. Try CLIENT HELP.\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(client_cmd, UNIT(names_are_kept_if_they_are_printable), UNIT(info_is_the_line_of_redis),
           UNIT(list_shows_those_that_are_asked_for), UNIT(kill_closes_what_every_filter_matches),
           UNIT(filters_choose_who_is_listed_and_killed), UNIT(filters_that_make_no_sense_close_nobody),
           UNIT(kill_of_oneself_answers_first), UNIT(kill_says_what_is_wrong_as_redis_does),
           UNIT(replies_are_kept_back_as_asked), UNIT(pause_and_unblock_check_their_arguments));
