#include "app/bench/answers.h"

#include "unit.h"

struct wanted {
    enum answer_kind kind;
    const char *payload;
};

/* Reads the text cut at `cut`; `drop`: what is understood leaves the input in between, as without --verify. */
static void expect(enum requests_protocol protocol, const char *text, size_t cut, bool drop,
                   const struct wanted *wanted, size_t count) {
    struct answers answers;
    struct answer answer;
    answers_init(&answers, protocol);
    struct slice whole = slice_from_string(text), input = slice_part(whole, 0, cut);
    size_t found = 0, from = 0, begin = 0;
    for (int part = 0; part < 2; part++) {
        enum answers_result result;
        while ((result = answers_next(&answers, input, &answer)) == ANSWERS_DONE) {
            assert_true(found < count);
            assert_int_equal(answer.kind, wanted[found].kind);
            const char *payload = wanted[found++].payload;
            if (payload && answer.payload.data)
                assert_true(slice_equal(answer.payload, slice_from_string(payload)));
            else if (payload && !drop)
                assert_int_equal(strlen(payload), 0);
            from += answer.size;
            input = slice_part(input, answer.size, input.size);
            begin = from;
            if (!input.size)
                break;
        }
        assert_int_not_equal(result, ANSWERS_BROKEN);
        if (part == 0 && drop && result == ANSWERS_MORE)
            from += answers_drop(&answers);
        input = slice_part(whole, from, whole.size);
    }
    assert_int_equal(found, count);
    assert_int_equal(begin, whole.size);
}

static void replies_of_both_protocols_are_told_apart(void **state) {
    static const char resp[] = "$5\r\nhello\r\n+OK\r\n$-1\r\n-ERR no\r\n:7\r\n$0\r\n\r\n_\r\n";
    static const struct wanted of_resp[] = {{ANSWER_VALUE, "hello"},    {ANSWER_OTHER, "OK"}, {ANSWER_MISS, NULL},
                                            {ANSWER_REFUSED, "ERR no"}, {ANSWER_OTHER, "7"},  {ANSWER_VALUE, ""},
                                            {ANSWER_MISS, NULL}};
    static const char memcached[] =
        "VALUE k 0 5\r\nhello\r\nEND\r\nSTORED\r\nEND\r\nSERVER_ERROR out of memory\r\nVALUE k 1 0 "
        "99\r\n\r\nEND\r\nERROR\r\n";
    static const struct wanted of_memcached[] = {
        {ANSWER_VALUE, "hello"}, {ANSWER_OTHER, NULL},
        {ANSWER_MISS, NULL},     {ANSWER_REFUSED, "SERVER_ERROR out of memory"},
        {ANSWER_VALUE, ""},      {ANSWER_REFUSED, "ERROR"}};
    for (size_t cut = 0; cut < sizeof resp; cut++) {
        expect(REQUESTS_RESP, resp, cut, false, of_resp, 7);
        expect(REQUESTS_RESP, resp, cut, true, of_resp, 7);
    }
    for (size_t cut = 0; cut < sizeof memcached; cut++) {
        expect(REQUESTS_MEMCACHED, memcached, cut, false, of_memcached, 6);
        expect(REQUESTS_MEMCACHED, memcached, cut, true, of_memcached, 6);
    }
}

static void what_is_no_reply_breaks_the_stream(void **state) {
    static const char *const bad_memcached[] = {"HELLO\r\n",
                                                "VALUE k 0\r\n",
                                                "VALUE k 0 x\r\n",
                                                "VALUE k 0 1\r\nab\r\n",
                                                "VALUE k 0 1\r\na\r\nSTORED\r\n",
                                                "END\n",
                                                "\n"};
    struct answer answer;
    struct answers answers;
    for (size_t i = 0; i < sizeof bad_memcached / sizeof *bad_memcached; i++) {
        answers_init(&answers, REQUESTS_MEMCACHED);
        assert_int_equal(answers_next(&answers, slice_from_string(bad_memcached[i]), &answer), ANSWERS_BROKEN);
        assert_int_equal(answers_next(&answers, SLICE("END\r\n"), &answer), ANSWERS_BROKEN);
        assert_true(strlen(answers_error(&answers)) > 0);
    }
    answers_init(&answers, REQUESTS_RESP);
    assert_int_equal(answers_next(&answers, SLICE("STORED\r\n"), &answer), ANSWERS_BROKEN);
    assert_true(strlen(answers_error(&answers)) > 0);
}

UNIT_TESTS(answers, UNIT(replies_of_both_protocols_are_told_apart), UNIT(what_is_no_reply_breaks_the_stream));
