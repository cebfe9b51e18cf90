#include "app/cmd/cmd_fixture.h"

static void unknown_command_gets_the_text_of_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "foo", "-ERR unknown command 'foo', with args beginning with: \r\n");
    EXPECT_REPLY(&f, "foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
    EXPECT_REPLY(&f, "\"f\\r\\no\" \"a\\n\"", "-ERR unknown command 'f  o', with args beginning with: 'a ' \r\n");
    EXPECT_REPLY(&f, "COMMAND foo", "-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n");
    EXPECT_REPLY(&f, "EXEC a", "-ERR wrong number of arguments for 'exec' command\r\n");
    EXPECT_REPLY(&f, "COMMAND count a", "-ERR wrong number of arguments for 'command|count' command\r\n");
    cmd_fixture_close(&f);
}

static void transaction_queues_and_runs(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "EXEC", "-ERR EXEC without MULTI\r\n");
    EXPECT_REPLY(&f, "DISCARD", "-ERR DISCARD without MULTI\r\n");
    EXPECT_REPLY(&f, "multi", "+OK\r\n");
    EXPECT_REPLY(&f, "MULTI", "-ERR MULTI calls can not be nested\r\n");
    EXPECT_REPLY(&f, "COMMAND INFO nothing", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "UNWATCH", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "WATCH a", "-ERR WATCH inside MULTI is not allowed\r\n");
    EXPECT_REPLY(&f, "EXEC", "*2\r\n*1\r\n*-1\r\n+OK\r\n");
    EXPECT_REPLY(&f, "EXEC", "-ERR EXEC without MULTI\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(run, UNIT(unknown_command_gets_the_text_of_redis), UNIT(transaction_queues_and_runs));
