#include "app/cmd/cmd_fixture.h"

#include "app/cmd/spec_docs.h"

static bool contains(struct slice text, const char *part) {
    return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static void count_and_list_agree_with_the_table(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    char expected[32];
    snprintf(expected, sizeof expected, ":%u\r\n", cmd_table_count);
    assert_true(slice_equal(cmd_fixture_run(&f, "COMMAND COUNT"), slice_from_string(expected)));
    snprintf(expected, sizeof expected, "*%u\r\n", cmd_index_count); /* subcommands are listed too */
    assert_true(slice_starts_with(cmd_fixture_run(&f, "COMMAND LIST"), slice_from_string(expected)));
    snprintf(expected, sizeof expected, "*%u\r\n*10\r\n", cmd_table_count);
    assert_true(slice_starts_with(cmd_fixture_run(&f, "COMMAND"), slice_from_string(expected)));
    assert_true(slice_starts_with(cmd_fixture_run(&f, "COMMAND INFO"), slice_from_string(expected)));
    snprintf(expected, sizeof expected, "%%%u\r\n", cmd_table_count);
    f.client.protocol = 3;
    assert_true(slice_starts_with(cmd_fixture_run(&f, "COMMAND DOCS"), slice_from_string(expected)));
    cmd_fixture_close(&f);
}

static void info_has_the_ten_fields_of_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "COMMAND INFO Unwatch nothing command|nothing nothing|count",
                 "*4\r\n*10\r\n$7\r\nunwatch\r\n:1\r\n*5\r\n+noscript\r\n+loading\r\n+stale\r\n+fast\r\n+allow_busy\r\n"
                 ":0\r\n:0\r\n:0\r\n*2\r\n+@fast\r\n+@transaction\r\n*0\r\n*0\r\n*0\r\n$-1\r\n$-1\r\n$-1\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "COMMAND INFO watch",
                 "*1\r\n*10\r\n$5\r\nwatch\r\n:-2\r\n~5\r\n+noscript\r\n+loading\r\n+stale\r\n+fast\r\n+allow_busy\r\n"
                 ":1\r\n:-1\r\n:1\r\n~2\r\n+@fast\r\n+@transaction\r\n*0\r\n"
                 "*1\r\n%3\r\n$5\r\nflags\r\n~1\r\n+RO\r\n"
                 "$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n%1\r\n$5\r\nindex\r\n:1\r\n"
                 "$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n"
                 "%3\r\n$7\r\nlastkey\r\n:-1\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n");
    cmd_fixture_close(&f);
}

static void docs_are_answered_for_known_commands_only(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "COMMAND DOCS nothing", "*0\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "COMMAND DOCS nothing", "%0\r\n");
    EXPECT_REPLY(
        &f, "COMMAND DOCS nothing watch",
        "%1\r\n$5\r\nwatch\r\n%5\r\n$7\r\nsummary\r\n$59\r\nLets the next EXEC run only if these keys stay as "
        "they are.\r\n$5\r\nsince\r\n$5\r\n2.2.0\r\n$5\r\ngroup\r\n$12\r\ntransactions\r\n"
        "$10\r\ncomplexity\r\n$17\r\nO(1) for each key\r\n$9\r\narguments\r\n*1\r\n%5\r\n$4\r\nname\r\n$3\r\nkey\r\n"
        "$4\r\ntype\r\n$3\r\nkey\r\n$12\r\ndisplay_text\r\n$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0\r\n"
        "$5\r\nflags\r\n~1\r\n+multiple\r\n");
    struct slice reply = cmd_fixture_run(&f, "COMMAND DOCS command|list");
    assert_true(contains(reply, "$12\r\ncommand|list\r\n"));
    assert_true(contains(reply, "$4\r\ntype\r\n$5\r\noneof\r\n$5\r\ntoken\r\n$8\r\nFILTERBY\r\n"));
    cmd_fixture_close(&f);
}

static void list_is_filtered(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "COMMAND LIST FILTERBY ACLCAT transaction",
                 "*5\r\n$7\r\ndiscard\r\n$4\r\nexec\r\n$5\r\nmulti\r\n$7\r\nunwatch\r\n$5\r\nwatch\r\n");
    EXPECT_REPLY(&f, "command list filterby pattern *WATCH", "*2\r\n$7\r\nunwatch\r\n$5\r\nwatch\r\n");
    EXPECT_REPLY(&f, "command list filterby pattern command|c*", "*1\r\n$13\r\ncommand|count\r\n");
    EXPECT_REPLY(&f, "COMMAND LIST FILTERBY ACLCAT nothing", "*0\r\n");
    EXPECT_REPLY(&f, "COMMAND LIST FILTERBY MODULE x", "*0\r\n");
    static const char *const wrong[] = {"COMMAND LIST x",
                                        "COMMAND LIST FILTERBY",
                                        "COMMAND LIST FILTERBY ACLCAT",
                                        "COMMAND LIST FILTERBY x y",
                                        "COMMAND LIST x ACLCAT y",
                                        "COMMAND LIST FILTERBY ACLCAT x y"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EXPECT_REPLY(&f, wrong[i], "-ERR syntax error\r\n");
    cmd_fixture_close(&f);
}

static void keys_of_a_full_command_are_found(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "COMMAND GETKEYS GET a", "*1\r\n$1\r\na\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS mset a b c d", "*2\r\n$1\r\na\r\n$1\r\nc\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS MSETEX 2 a 1 b 2 NX", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS BITOP and d a b", "*3\r\n$1\r\nd\r\n$1\r\na\r\n$1\r\nb\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS MSETEX 3 a 1 b 2", "-ERR Invalid arguments specified for command\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS get a b", "-ERR Invalid number of arguments specified for command\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS foo a", "-ERR Invalid command specified\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS command foo", "-ERR Invalid command specified\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS command count", "-ERR The command has no key arguments\r\n");
    cmd_fixture_close(&f);
}

static void keys_are_told_with_what_is_done_to_them(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "COMMAND GETKEYSANDFLAGS set a b", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYSANDFLAGS set a get", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYSANDFLAGS set a b get",
                 "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYSANDFLAGS bitop and d a",
                 "*2\r\n*2\r\n$1\r\nd\r\n*2\r\n+OW\r\n+update\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYSANDFLAGS bitfield a get u8 0", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYSANDFLAGS bitfield a get u8 0 set u8 0 1",
                 "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "COMMAND GETKEYSANDFLAGS get a", "*1\r\n*2\r\n$1\r\na\r\n~2\r\n+RO\r\n+access\r\n");
    cmd_fixture_close(&f);
}

static void every_container_has_its_help(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        const struct cmd_spec *spec = &cmd_table[i];
        if (!spec->subcommand_count)
            continue;
        char line[64], head[160];
        snprintf(line, sizeof line, "%s Help", spec->name);
        struct slice reply = cmd_fixture_run(&f, line);
        char upper[32] = {0};
        for (size_t k = 0; spec->name[k]; k++)
            upper[k] = (char)(spec->name[k] & ~0x20);
        snprintf(head, sizeof head, "*%u\r\n+%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n",
                 1 + 2 * spec->subcommand_count, upper);
        assert_true(slice_starts_with(reply, slice_from_string(head)));
        assert_true(contains(reply, "\r\n+HELP\r\n+    Lists the subcommands.\r\n"));
    }
    assert_true(contains(cmd_fixture_run(&f, "COMMAND HELP"), "\r\n+GETKEYS command-name [arg [arg ...]]\r\n"));
    cmd_fixture_close(&f);
}

UNIT_TESTS(command, UNIT(count_and_list_agree_with_the_table), UNIT(info_has_the_ten_fields_of_redis),
           UNIT(docs_are_answered_for_known_commands_only), UNIT(list_is_filtered),
           UNIT(keys_of_a_full_command_are_found), UNIT(keys_are_told_with_what_is_done_to_them),
           UNIT(every_container_has_its_help));
