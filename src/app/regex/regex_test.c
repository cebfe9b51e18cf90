#include "app/regex/regex.h"

#include "app/regex/regex_fixture.h"
#include "base/bits.h"
#include "unit.h"

static enum regex_answer answer(const char *text, struct slice key) {
    struct regex *regex;
    struct regex_problem problem;
    assert_int_equal(regex_new(slice_from_string(text), &memory_libc, &regex, &problem), STATUS_OK);
    enum regex_answer answer = regex_match(regex, key);
    regex_free(regex);
    return answer;
}

static void keys_are_bytes_and_found_anywhere(void **state) {
    (void)state;
    assert_int_equal(answer("user", SLICE("a:user:7")), REGEX_YES);
    assert_int_equal(answer("^user", SLICE("a:user:7")), REGEX_NO);
    assert_int_equal(answer("^user:[0-9]+$", SLICE("user:77")), REGEX_YES);
    assert_int_equal(answer("^user:[0-9]+$", SLICE("user:77\n")), REGEX_NO);
    assert_int_equal(answer("a.b", SLICE("a\nb")), REGEX_YES);
    assert_int_equal(answer("^.$", SLICE("\xff")), REGEX_YES);
    assert_int_equal(answer("^a\\x00b$", SLICE("a\0b")), REGEX_YES);
    assert_int_equal(answer("^$", SLICE("")), REGEX_YES);
    assert_int_equal(answer("", SLICE("anything")), REGEX_YES);
    assert_int_equal(answer("(?i)USER", SLICE("user")), REGEX_YES);
    assert_int_equal(answer("^(a|b)\\1$", SLICE("aa")), REGEX_YES);
    assert_int_equal(answer("^(a|b)\\1$", SLICE("ab")), REGEX_NO);
    assert_int_equal(answer("^user:(?!7$)", SLICE("user:7")), REGEX_NO);
}

static void whatever_takes_too_long_is_given_up(void **state) {
    (void)state;
    static uint8_t many[64 * 1024];
    memset(many, 'a', sizeof many);
    assert_int_equal(answer("^(a+)+$", SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")), REGEX_GAVE_UP);
    assert_int_equal(answer("^(a|aa)+$", SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")), REGEX_GAVE_UP);
    assert_int_equal(answer("(x+x+)+y", SLICE("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")), REGEX_NO); /* no y */
    assert_int_equal(answer("(*LIMIT_MATCH=1)(a+)+b", SLICE("aaac b")), REGEX_GAVE_UP);
    assert_int_equal(answer("^(a(?1)?b)$", SLICE("aaabbb")), REGEX_YES);
    assert_int_equal(answer("^((a)|b)*[cd]", slice_make(many, sizeof many)), REGEX_GAVE_UP);
    assert_int_equal(answer("a$", slice_make(many, sizeof many)), REGEX_YES);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t at;
        const char *says;
    } wrong[] = {
        {"(", 1, "missing closing parenthesis"},
        {"a[", 2, "missing terminating ]"},
        {"*", 0, "quantifier does not follow"},
        {"a\\", 2, "\\ at end of pattern"},
        {"(?<=a+)b", 0, "lookbehind"},
        {"(*UTF)a", 6, "UTF"},
        {"((a{999}){999}){99}", 19, "too large"},
        {"(?P>nobody)", 4, "non-existent"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct regex *regex = NULL;
        struct regex_problem problem = {0};
        assert_int_equal(regex_new(slice_from_string(wrong[i].text), &memory_libc, &regex, &problem), STATUS_INVALID);
        assert_null(regex);
        if (!strstr(problem.text, wrong[i].says) || problem.at != wrong[i].at)
            fail_msg("%s: %zu %s", wrong[i].text, problem.at, problem.text);
    }
    struct regex *regex = NULL;
    struct regex_problem problem = {0};
    static uint8_t longer[REGEX_SIZE_MAX + 1];
    memset(longer, 'a', sizeof longer);
    assert_int_equal(regex_new(slice_make(longer, sizeof longer), &memory_libc, &regex, &problem), STATUS_INVALID);
    assert_int_equal(regex_new(slice_make(longer, REGEX_SIZE_MAX), &memory_libc, &regex, &problem), STATUS_OK);
    regex_free(regex);
    memset(longer, '(', sizeof longer);
    memset(longer + REGEX_NESTING_MAX + 1, ')', REGEX_NESTING_MAX + 1);
    regex = NULL;
    assert_int_equal(regex_new(slice_make(longer, 2 * (REGEX_NESTING_MAX + 1)), &memory_libc, &regex, &problem),
                     STATUS_INVALID);
    assert_non_null(strstr(problem.text, "nested"));
}

static void what_is_around_it(void **state) {
    (void)state;
    static const struct {
        const char *text, *glob;
    } cases[] = {
        {"^user:[0-9]+$", "user:*"},
        {"user:", "*"},
        {"", "*"},
        {"^", "*"},
        {"^ab*c", "a*"},
        {"^ab?", "a*"},
        {"^ab{2}", "a*"},
        {"^a|b", "*"},
        {"^a(b|c)", "*"},
        {"^a]b$", "a\\]b*"},
        {"^a\\.b", "a*"},
        {"^(a)", "*"},
        {"(?i)^a", "*"},
        {"^user:7$", "user:7*"},
        {"^^a", "*"},
        {"^a+", "*"},
    };
    uint8_t glob[REGEX_GLOB_MAX];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t size = regex_around(slice_from_string(cases[i].text), glob);
        if (!slice_equal(slice_make(glob, size), slice_from_string(cases[i].glob)))
            fail_msg("%s: %.*s", cases[i].text, (int)size, (const char *)glob);
    }
    static uint8_t longer[REGEX_SIZE_MAX];
    memset(longer, ']', sizeof longer);
    longer[0] = '^';
    size_t size = regex_around(slice_make(longer, sizeof longer), glob);
    assert_true(size <= REGEX_GLOB_MAX && glob[size - 1] == '*' && glob[size - 3] == '\\');
}

/* Each allocation of making and matching fails once. */
static void want_of_memory_is_an_answer(void **state) {
    (void)state;
    bool done = false, failed_while_matching = false;
    for (long left = 0; !done; left++) {
        struct fixture_memory memory = {.left = left};
        const struct memory failing = fixture_memory(&memory);
        struct regex *regex = NULL;
        struct regex_problem problem;
        enum status status = regex_new(SLICE("^((a)|(b))*(c|d)[[:alpha:]]{3,9}$"), &failing, &regex, &problem);
        if (status == STATUS_OK) {
            enum regex_answer answer = regex_match(regex, SLICE("abababababababababababababababcxyz"));
            assert_int_equal(answer, memory.failed ? REGEX_NO_MEMORY : REGEX_YES);
            failed_while_matching |= memory.failed;
            done = !memory.failed;
        } else {
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_null(regex);
        }
        regex_free(regex);
        assert_int_equal(memory.live, 0);
    }
    assert_true(failed_while_matching);
}

UNIT_TESTS(regex, UNIT(keys_are_bytes_and_found_anywhere), UNIT(whatever_takes_too_long_is_given_up),
           UNIT(what_is_wrong_is_said), UNIT(what_is_around_it), UNIT(want_of_memory_is_an_answer));
