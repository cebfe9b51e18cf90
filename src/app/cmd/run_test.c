#include "app/cmd/cmd_fixture.h"

#include <math.h>

#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static void unknown_commands_get_the_text_of_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "foo", "-ERR unknown command 'foo', with args beginning with: \r\n");
    assert_int_equal(f.outcome, CMD_REJECTED);
    assert_int_equal(f.errors, 1);
    EXPECT_REPLY(&f, "foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
    EXPECT_REPLY(&f, "\"\"", "-ERR unknown command '', with args beginning with: \r\n");
    EXPECT_REPLY(&f, "\"f\\r\\no\" \"a\\n\"", "-ERR unknown command 'f  o', with args beginning with: 'a ' \r\n");
    EXPECT_REPLY(&f, "\"f\\x00o\" \"a\\x00b\" c", "-ERR unknown command 'f', with args beginning with: 'a' 'c' \r\n");
    EXPECT_REPLY(&f, "command|info get", "-ERR unknown command 'command|info', with args beginning with: 'get' \r\n");
    cmd_fixture_close(&f);
}

static void unknown_commands_are_repeated_in_part(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, A100 A100, "-ERR unknown command '" A100 A10 A10 "aaaaaaaa', with args beginning with: \r\n");
    EXPECT_REPLY(&f, "foo " A100 A100 " b",
                 "-ERR unknown command 'foo', with args beginning with: '" A100 A10 A10 "aaaaaaaa' \r\n");
    EXPECT_REPLY(&f, "foo " A100 A10 A10 "aaaa bcd c",
                 "-ERR unknown command 'foo', with args beginning with: '" A100 A10 A10 "aaaa' 'b' \r\n");
    EXPECT_REPLY(&f, "foo " A100 A10 A10 "aaaaa b",
                 "-ERR unknown command 'foo', with args beginning with: '" A100 A10 A10 "aaaaa' \r\n");
    cmd_fixture_close(&f);
}

static void unknown_subcommands_get_the_text_of_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "COMMAND foo", "-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n");
    EXPECT_REPLY(&f, "command \"a\\x00b\" x", "-ERR unknown subcommand 'a'. Try COMMAND HELP.\r\n");
    EXPECT_REPLY(&f, "COMMAND " A100 A100, "-ERR unknown subcommand '" A100 A10 A10 "aaaaaaaa'. Try COMMAND HELP.\r\n");
    cmd_fixture_close(&f);
}

static void wrong_number_of_arguments_is_refused(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "MULTI a", "-ERR wrong number of arguments for 'multi' command\r\n");
    EXPECT_REPLY(&f, "watch", "-ERR wrong number of arguments for 'watch' command\r\n");
    EXPECT_REPLY(&f, "COMMAND Count a", "-ERR wrong number of arguments for 'command|count' command\r\n");
    EXPECT_REPLY(&f, "COMMAND GETKEYS get", "-ERR wrong number of arguments for 'command|getkeys' command\r\n");
    cmd_fixture_close(&f);
}

static void strangers_are_refused(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    f.client.authenticated = false;
    EXPECT_REPLY(&f, "MULTI", "-NOAUTH Authentication required.\r\n");
    EXPECT_REPLY(&f, "COMMAND COUNT", "-NOAUTH Authentication required.\r\n");
    EXPECT_REPLY(&f, "EXEC", "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n");
    /* What is wrong in itself is told to anybody, as Redis does. */
    EXPECT_REPLY(&f, "foo", "-ERR unknown command 'foo', with args beginning with: \r\n");
    EXPECT_REPLY(&f, "MULTI a", "-ERR wrong number of arguments for 'multi' command\r\n");
    assert_false(f.client.in_multi);
    f.client.authenticated = true;
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    cmd_fixture_close(&f);
}

static void replies_are_left_out_on_demand(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    f.client.reply_off = true;
    EXPECT_REPLY(&f, "UNWATCH", "");
    EXPECT_REPLY(&f, "foo", "");
    assert_int_equal(f.errors, 1); /* still counted */
    f.client.reply_off = false;
    EXPECT_REPLY(&f, "UNWATCH", "+OK\r\n");
    f.client.reply_skip_next = true; /* as CLIENT REPLY SKIP leaves it */
    cmd_fixture_run(&f, "UNWATCH");
    EXPECT_REPLY(&f, "UNWATCH", "");
    EXPECT_REPLY(&f, "UNWATCH", "+OK\r\n");
    cmd_fixture_close(&f);
}

static void caller_learns_which_command_ran(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "unwatch");
    assert_int_equal(f.outcome, CMD_RAN);
    assert_ptr_equal(f.client.last_command, cmd_lookup(SLICE("unwatch")));
    cmd_fixture_run(&f, "multi");
    cmd_fixture_run(&f, "command count");
    assert_int_equal(f.outcome, CMD_QUEUED);
    assert_string_equal(f.client.last_command->name, "command|count");
    cmd_fixture_close(&f);
}

/* A call with these arguments, to test what commands use. */
static struct cmd_call call_of(struct cmd_fixture *f, struct reply *reply, const struct slice *argv, uint32_t argc) {
    buf_clear(&f->out);
    reply_init(reply, &f->out, &f->foreign, 2);
    return (struct cmd_call){.env = &f->env, .client = &f->client, .argv = argv, .argc = argc, .reply = reply};
}

static void numbers_are_read_as_redis_reads_them(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct reply reply;
    static const struct {
        const char *text;
        bool good;
        double value;
    } cases[] = {
        {"1", true, 1},
        {"-1.5e3", true, -1500},
        {"+2", true, 2},
        {".5", true, 0.5},
        {"0x10", true, 16},
        {"inf", true, INFINITY},
        {"-Infinity", true, -INFINITY},
        {"", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"nan", false, 0},
        {"1a", false, 0},
        {"\t1", false, 0},
        {"1e5000", false, 0},
        {"abc", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice argv[] = {SLICE("x"), slice_from_string(cases[i].text)};
        struct cmd_call call = call_of(&f, &reply, argv, 2);
        long double value = 7;
        assert_int_equal(cmd_float(&call, 1, &value), cases[i].good);
        assert_true(value == (cases[i].good ? (long double)cases[i].value : 7));
        struct slice expected = cases[i].good ? SLICE("") : SLICE("-ERR value is not a valid float\r\n");
        assert_true(slice_equal(buf_slice(&f.out), expected));
    }
    struct slice argv[] = {SLICE("x"), SLICE("-9223372036854775808"), SLICE("9223372036854775808")};
    struct cmd_call call = call_of(&f, &reply, argv, 3);
    int64_t integer;
    assert_true(cmd_integer(&call, 1, &integer));
    assert_true(integer == INT64_MIN);
    assert_false(cmd_integer(&call, 2, &integer));
    assert_true(slice_equal(buf_slice(&f.out), SLICE("-ERR value is not an integer or out of range\r\n")));
    cmd_fixture_close(&f);
}

static void keys_hashed_ahead_are_used_for_their_argument_only(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct slice argv[] = {SLICE("x"), SLICE("a"), SLICE("b")};
    struct reply reply;
    struct cmd_call call = call_of(&f, &reply, argv, 3);
    struct cache_key ahead = cache_key(f.cache, 0, argv[1]);
    call.first_key = &ahead;
    assert_true(cmd_key(&call, 1).hash == ahead.hash);
    assert_true(cmd_key(&call, 2).hash == cache_key(f.cache, 0, argv[2]).hash);
    f.client.db = 3;
    assert_int_equal(cmd_key(&call, 1).db, 3);
    cmd_fixture_close(&f);
}

static void failures_have_texts(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct slice argv[] = {SLICE("x")};
    struct reply reply;
    for (int status = STATUS_OK + 1; status < STATUS_COUNT; status++) {
        struct cmd_call call = call_of(&f, &reply, argv, 1);
        cmd_error_status(&call, (enum status)status);
        assert_int_equal(reply.errors, 1);
    }
    struct cmd_call call = call_of(&f, &reply, argv, 1);
    cmd_error_status(&call, STATUS_FULL);
    assert_true(slice_equal(buf_slice(&f.out), SLICE("-OOM command not allowed when used memory > 'maxmemory'.\r\n")));
    cmd_fixture_close(&f);
}

UNIT_TESTS(run, UNIT(unknown_commands_get_the_text_of_redis), UNIT(unknown_commands_are_repeated_in_part),
           UNIT(unknown_subcommands_get_the_text_of_redis), UNIT(wrong_number_of_arguments_is_refused),
           UNIT(strangers_are_refused), UNIT(replies_are_left_out_on_demand), UNIT(caller_learns_which_command_ran),
           UNIT(numbers_are_read_as_redis_reads_them), UNIT(keys_hashed_ahead_are_used_for_their_argument_only),
           UNIT(failures_have_texts));
