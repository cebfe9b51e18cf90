#include "app/cmd/server_fixture.h"

static void wrong_options_are_refused_as_redis_does(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    s.views[0].id = 7;
    s.view_count = 1;
    EXPECT_REPLY(&f, "CLIENT TRACKING maybe", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on WHAT", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on PREFIX", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on REDIRECT x", "-ERR value is not an integer or out of range\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on REDIRECT 8", "-ERR The client ID you want redirect to does not exist\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on REDIRECT -7", "-ERR The client ID you want redirect to does not exist\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on REDIRECT 7 REDIRECT 7",
                 "-ERR A client can only redirect to a single other client\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on OPTOUT OPTIN", "-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on BCAST PREFIX ab PREFIX x PREFIX a",
                 "-ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a single client must not "
                 "overlap.\r\n");
    EXPECT_REPLY(&f, "CLIENT CACHING yes",
                 "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
                 "enabled\r\n");
    assert_int_equal(f.client.tracking, 0);
    EXPECT_REPLY(&f, "CLIENT GETREDIR", ":-1\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKINGINFO",
                 "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n");
    server_fixture_close(&s, &f);
}

static void modes_are_kept_and_shown(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    s.views[0].id = 7;
    s.view_count = 1;
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "CLIENT TRACKING on BCAST PREFIX b PREFIX a NOLOOP REDIRECT 7", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKINGINFO",
                 "%3\r\n$5\r\nflags\r\n~3\r\n$2\r\non\r\n$5\r\nbcast\r\n$6\r\nnoloop\r\n$8\r\nredirect\r\n:7\r\n"
                 "$8\r\nprefixes\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on",
                 "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
                 "re-enabling it with a different mode.\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on BCAST PREFIX abc",
                 "-ERR Prefix 'abc' overlaps with an existing prefix 'a'. Prefixes for a single client must not "
                 "overlap.\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING off", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on OPTIN", "+OK\r\n");
    EXPECT_REPLY(&f, "CLIENT GETREDIR", ":0\r\n");
    EXPECT_REPLY(&f, "CLIENT TRACKING on OPTOUT",
                 "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
                 "re-enabling it with a different mode.\r\n");
    EXPECT_REPLY(&f, "CLIENT CACHING no",
                 "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n");
    EXPECT_REPLY(&f, "CLIENT CACHING what", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "RESET", "+RESET\r\n");
    assert_int_equal(f.client.tracking, 0);
    s.track_status = STATUS_CLOSED;
    EXPECT_REPLY(&f, "CLIENT TRACKING on REDIRECT 7", "-ERR The client ID you want redirect to does not exist\r\n");
    s.track_status = STATUS_NO_MEMORY;
    EXPECT_REPLY(&f, "CLIENT TRACKING on", "-ERR out of memory\r\n");
    s.track_status = STATUS_FULL;
    EXPECT_PART(&f, "CLIENT TRACKING on", "-ERR a connection may have at most");
    server_fixture_close(&s, &f);
}

static void expect_noted(struct server_fixture *s, const char *expected) {
    if (!slice_equal(buf_slice(&s->noted), slice_from_string(expected))) {
        cmd_fixture_print("expected", slice_from_string(expected));
        cmd_fixture_print("noted", buf_slice(&s->noted));
        fail();
    }
    buf_clear(&s->noted);
}

static void keys_of_what_reads_are_noted(void **state) {
    struct server_fixture s;
    struct cmd_fixture f;
    server_fixture_open(&s, &f);
    f.env.note_keys = server_fixture_note_keys;
    cmd_fixture_run(&f, "GET before");
    cmd_fixture_run(&f, "CLIENT TRACKING on");
    cmd_fixture_run(&f, "MGET a b a");
    cmd_fixture_run(&f, "SET c 1");
    cmd_fixture_run(&f, "GETEX d PERSIST");
    cmd_fixture_run(&f, "EXISTS e f");
    cmd_fixture_run(&f, "GET");
    expect_noted(&s, "a\nb\na\ne\nf\n");
    cmd_fixture_run(&f, "CLIENT TRACKING off");
    cmd_fixture_run(&f, "CLIENT TRACKING on OPTIN");
    cmd_fixture_run(&f, "GET a");
    cmd_fixture_run(&f, "CLIENT CACHING yes");
    cmd_fixture_run(&f, "CLIENT ID");
    cmd_fixture_run(&f, "GET b");
    cmd_fixture_run(&f, "GET c");
    cmd_fixture_run(&f, "CLIENT CACHING yes");
    cmd_fixture_run(&f, "NOSUCH");
    cmd_fixture_run(&f, "GET d");
    expect_noted(&s, "b\n");
    cmd_fixture_run(&f, "CLIENT TRACKING off");
    cmd_fixture_run(&f, "CLIENT TRACKING on OPTOUT");
    cmd_fixture_run(&f, "CLIENT CACHING no");
    cmd_fixture_run(&f, "GET a");
    cmd_fixture_run(&f, "GET b");
    expect_noted(&s, "b\n");
    cmd_fixture_run(&f, "CLIENT TRACKING off");
    cmd_fixture_run(&f, "CLIENT TRACKING on BCAST");
    cmd_fixture_run(&f, "GET a");
    expect_noted(&s, "");
    cmd_fixture_run(&f, "CLIENT TRACKING off");
    server_fixture_close(&s, &f);
}

UNIT_TESTS(tracking_cmd, UNIT(wrong_options_are_refused_as_redis_does), UNIT(modes_are_kept_and_shown),
           UNIT(keys_of_what_reads_are_noted));
