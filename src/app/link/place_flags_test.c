#include "app/link/place_flags.h"

#include "unit.h"

enum { WORDS_MAX = 16 };

static struct place_flags flags;
static char line[300], problem[PLACE_FLAGS_PROBLEM_SIZE];
static char *words[WORDS_MAX + 1];

/* Answers how many words were taken; -1: one is wrong. */
static int take(const char *text) {
    int count = 0, at = 0;
    snprintf(line, sizeof line, "%s", text);
    for (char *word = strtok(line, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = word;
    for (; at < count; at++) {
        enum place_flags_result result = place_flags_read(&flags, count, words, &at, problem);
        if (result == PLACE_FLAGS_WRONG)
            return -1;
        if (result == PLACE_FLAGS_OTHER)
            break;
    }
    return at;
}

static int take_anew(const char *text) {
    flags = (struct place_flags){0};
    return take(text);
}

static void flags_say_where_and_as_whom(void **state) {
    (void)state;
    assert_int_equal(take_anew("-h cache.example --port=7000 --user me -n 3 --tls --cacert ca.pem --other 1"), 10);
    assert_string_equal(flags.place.host, "cache.example");
    assert_string_equal(flags.place.user, "me");
    assert_string_equal(flags.place.tls.authorities, "ca.pem");
    assert_true(flags.place.port == 7000 && flags.place.db == 3 && flags.place.tls.used && !flags.place.tls.insecure);
    assert_int_equal(take_anew("--unix /run/strata --askpass --service billing"), 5);
    assert_string_equal(flags.place.socket, "/run/strata");
    assert_string_equal(flags.place.service, "billing");
    assert_true(flags.asks_password);
}

static void a_secret_leaves_the_command_line(void **state) {
    (void)state;
    static const char *const lines[][2] = {{"-a secret", "******"},
                                           {"--pass secret", "******"},
                                           {"--pass=secret", "--pass=******"},
                                           {"--password=secret", "--password=******"},
                                           {"-u redis://:secret@h", "*****************"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_true(take_anew(lines[i][0]) > 0);
        assert_string_equal(flags.place.password, "secret");
        assert_string_equal(words[1] ? words[1] : words[0], lines[i][1]);
        assert_true(flags.password_shown);
        words[1] = NULL;
    }
    char text[700] = "-a ";
    memset(text + 3, 'x', 600);
    char flag[] = "-a", *given[] = {flag, text + 3};
    int at = 0;
    assert_int_equal(place_flags_read(&flags, 2, given, &at, problem), PLACE_FLAGS_WRONG);
    assert_string_equal(problem, "-a takes at most 511 bytes");
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"-p 0", "-p takes a number from 1 to 65535, not '0'"},
        {"--port=x", "--port takes a number from 1 to 65535, not 'x'"},
        {"--db -1", "--db takes a number from 0 to 1048576, not '-1'"},
        {"-u http://x", "-u takes redis://[USER:PASSWORD@]HOST[:PORT][/DB], or the same with rediss://"},
        {"--tls=yes", "--tls takes no value"},
        {"--tls --cacert", "--cacert takes a value"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(take_anew(wrong[i][0]), -1);
        assert_string_equal(problem, wrong[i][1]);
    }
    assert_true(take_anew("--user me") == 2 && !place_flags_check(&flags, problem));
    assert_non_null(strstr(problem, "needs a password"));
    assert_true(take("--askpass") == 1 && place_flags_check(&flags, problem));
    assert_true(take("--cert mine.pem") == 2 && !place_flags_check(&flags, problem));
    assert_string_equal(problem, "--cert and --key go together");
    assert_true(take("--key mine.key") == 2 && place_flags_check(&flags, problem));
}

static void a_command_keeps_its_own_letters(void **state) {
    (void)state;
    flags = (struct place_flags){.taken = "nh"};
    assert_int_equal(take("-n 3"), 0);
    assert_int_equal(take("-h x"), 0);
    assert_int_equal(take("--db 3 --host x -p 1"), 6);
    flags = (struct place_flags){.without_db = true};
    assert_int_equal(take("--db 3"), 0);
    assert_int_equal(take("-n 3"), 0);
    assert_string_equal(place_flags_name(0), "--host");
    size_t count = 0;
    while (place_flags_name(count))
        count++;
    assert_int_equal(count, 18);
}

UNIT_TESTS(place_flags, UNIT(flags_say_where_and_as_whom), UNIT(a_secret_leaves_the_command_line),
           UNIT(what_is_wrong_is_named), UNIT(a_command_keeps_its_own_letters));
