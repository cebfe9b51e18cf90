#include "app/cmd/cmd_fixture.h"

static void expect(struct cmd_fixture *f, const char *line, const char *wanted) {
    cmd_fixture_expect(f, line, slice_from_string(wanted), __FILE__, __LINE__);
}

/* Of commands that Redis does not have. */
static void an_error_names_the_word_and_what_goes_there(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "TAG KEYS t 0 5", "-ERR syntax error at '5', expected COUNT\r\n");
    EXPECT_REPLY(&f, "TAG KEYS t 0 COUNT", "-ERR syntax error after 'COUNT', expected a number\r\n");
    EXPECT_REPLY(&f, "TAG KEYS t 0 count x", "-ERR COUNT takes 1 to 9223372036854775807, not 'x'\r\n");
    EXPECT_REPLY(&f, "TAG KEYS t 0 count 1 more", "-ERR syntax error at 'more', expected nothing more\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY k REASON",
                 "-ERR syntax error after 'REASON', expected a text (quote it if it has spaces)\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY k SOFT hard",
                 "-ERR syntax error at 'hard', expected SOFT, DRYRUN, SYNC or REASON\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY k SOFT soft", "-ERR syntax error at 'soft', which stands there twice\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY k SYNC 5 SYNC 5", "-ERR syntax error at 'SYNC', which stands there twice\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY k SYNC", "-ERR syntax error after 'SYNC', expected milliseconds\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY k SYNC 5s", "-ERR SYNC takes 0 to 600000 milliseconds, not '5s'\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY k SYNC -1", "-ERR SYNC takes 0 to 600000 milliseconds, not '-1'\r\n");
    EXPECT_REPLY(&f, "INVALIDATE product:7",
                 "-ERR unknown subcommand 'product:7', expected KEY, TAG, CLASS, PATTERN, REGEX, EVENT or HELP. Try "
                 "INVALIDATE HELP.\r\n");
    EXPECT_REPLY(
        &f, "INVALIDATE KEY",
        "-ERR wrong number of arguments for 'invalidate|key' command: INVALIDATE KEY key [SOFT] [DRYRUN] [SYNC "
        "milliseconds] [REASON text]\r\n");
    EXPECT_REPLY(&f, "CRELEASE k", "-ERR wrong number of arguments for 'crelease' command: CRELEASE key token\r\n");
    cmd_fixture_close(&f);
}

static void commands_of_redis_keep_its_words(void **state) {
    (void)state;
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET k v nonsense", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "SET k v EX", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "SET k v NX XX", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "GETEX k TAGS 1 a", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "SET k", "-ERR wrong number of arguments for 'set' command\r\n");
    EXPECT_REPLY(&f, "OBJECT nonsense k", "-ERR unknown subcommand 'nonsense'. Try OBJECT HELP.\r\n");
    EXPECT_REPLY(&f, "EXISTS k", ":0\r\n");
    cmd_fixture_close(&f);
}

static void options_of_strata_are_told_of_in_commands_of_redis(void **state) {
    (void)state;
    struct cmd_fixture f;
    static const char all[] =
        "one of EX, PX, EXAT, PXAT, KEEPTTL, NX, XX, VERSION, IFVERSION, IFNEWER, IFEQ, GET, TAGS";
    char wanted[256];
    cmd_fixture_open(&f);
    snprintf(wanted, sizeof wanted, "-ERR syntax error at 'TAG', expected %s\r\n", all);
    expect(&f, "SET k v TAG t", wanted);
    snprintf(wanted, sizeof wanted, "-ERR syntax error at 'b', expected %s, or a larger number behind TAGS\r\n", all);
    expect(&f, "SET k v TAGS 1 a b", wanted);
    EXPECT_REPLY(&f, "SET k v TAGS", "-ERR syntax error after 'TAGS', expected how many tags follow\r\n");
    EXPECT_REPLY(&f, "SET k v STALE 1000", "-ERR syntax error at 'STALE', which only CSET takes\r\n");
    EXPECT_REPLY(&f, "SET k v NX IFVERSION 3", "-ERR syntax error at 'IFVERSION', which does not go with NX\r\n");
    EXPECT_REPLY(&f, "SET k v IFVERSION", "-ERR syntax error after 'IFVERSION', expected a version\r\n");
    EXPECT_REPLY(&f, "SET k v IFVERSION x", "-ERR IFVERSION takes a number, not 'x'\r\n");
    EXPECT_REPLY(&f, "SET k v VERSION 0", "-ERR VERSION takes 1 to 9223372036854775807, not '0'\r\n");
    EXPECT_REPLY(&f, "SET k v TAGS 3 a b", "-ERR TAGS says 3 tags, and there are 2 behind it\r\n");
    EXPECT_REPLY(&f, "EXISTS k", ":0\r\n");
    cmd_fixture_close(&f);
}

/* What a client sent is shown, but is not let break out of the line. */
static void odd_words_are_shown_as_far_as_they_can_be(void **state) {
    (void)state;
    struct cmd_fixture f;
    char command[256] = "TAG KEYS t 0 ", wanted[256] = "-ERR syntax error at '";
    cmd_fixture_open(&f);
    memset(command + strlen(command), 'w', 100);
    memset(wanted + strlen(wanted), 'w', 64);
    strcat(wanted, "...', expected COUNT\r\n");
    expect(&f, command, wanted);
    EXPECT_REPLY(&f, "TAG KEYS t 0 \"\\x01\\x7f\"", "-ERR syntax error at '\?\?', expected COUNT\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(words, UNIT(an_error_names_the_word_and_what_goes_there), UNIT(commands_of_redis_keep_its_words),
           UNIT(options_of_strata_are_told_of_in_commands_of_redis), UNIT(odd_words_are_shown_as_far_as_they_can_be));
