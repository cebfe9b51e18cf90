#include "core/http/http_answer.h"

#include <time.h>

#include "base/rng.h"
#include "unit.h"

static void dates_are_those_of_the_calendar(void **state) {
    (void)state;
    static const struct {
        int64_t unix_s;
        const char *text;
    } known[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},  {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},  {-5, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"}, {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    char text[HTTP_DATE_SIZE];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        http_date(known[i].unix_s, text);
        assert_memory_equal(text, known[i].text, HTTP_DATE_SIZE);
    }
}

/* The C library in its own locale says the same. */
static void dates_are_those_of_the_c_library(void **state) {
    (void)state;
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct rng rng = rng_seeded(unit_seed());
    for (int i = 0; i < 20000; i++) {
        time_t at = (time_t)rng_below(&rng, 253402300800);
        struct tm tm;
        char text[HTTP_DATE_SIZE], wanted[64];
        assert_non_null(gmtime_r(&at, &tm));
        snprintf(wanted, sizeof wanted, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        http_date(at, text);
        if (memcmp(text, wanted, HTTP_DATE_SIZE) != 0)
            fail_msg("seed %llu: %.29s and not %s", (unsigned long long)unit_seed(), text, wanted);
    }
}

static void heads_are_written(void **state) {
    (void)state;
    struct buf head;
    buf_init(&head, &memory_libc);
    assert_int_equal(http_write_status(&head, 404), STATUS_OK);
    assert_int_equal(http_write_field(&head, SLICE("date"), SLICE("now")), STATUS_OK);
    assert_int_equal(http_write_field(&head, SLICE("x-empty"), (struct slice){NULL, 0}), STATUS_OK);
    assert_int_equal(http_write_end(&head), STATUS_OK);
    static const char wanted[] = "HTTP/1.1 404 Not Found\r\ndate: now\r\nx-empty: \r\n\r\n";
    assert_int_equal(head.size, sizeof wanted - 1);
    assert_memory_equal(head.data, wanted, head.size);
    buf_fini(&head);
}

static void a_value_cannot_end_its_line(void **state) {
    (void)state;
    struct buf head;
    buf_init(&head, &memory_libc);
    static const char *const bad[] = {"a\r\nset-cookie: x", "a\nb", "a\rb", "\x01", "a\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(http_write_field(&head, SLICE("x"), slice_from_string(bad[i])), STATUS_INVALID);
    assert_int_equal(http_write_field(&head, SLICE("x"), slice_make("a\0b", 3)), STATUS_INVALID);
    static const char *const bad_names[] = {"", "a b", "a:", "a\r\n", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++)
        assert_int_equal(http_write_field(&head, slice_from_string(bad_names[i]), SLICE("x")), STATUS_INVALID);
    assert_int_equal(head.size, 0);
    assert_int_equal(http_write_field(&head, SLICE("x"), SLICE("\xc3\xa9\tb")), STATUS_OK);
    buf_fini(&head);
}

static void every_status_has_a_reason(void **state) {
    (void)state;
    for (uint16_t status = 100; status <= 599; status++)
        assert_true(http_is_value(slice_from_string(http_reason(status))) && http_reason(status)[0]);
    assert_string_equal(http_reason(421), "Misdirected Request");
    assert_string_equal(http_reason(499), "Client Error");
    assert_true(http_is_bodiless(304) && http_is_bodiless(204) && http_is_bodiless(100) && !http_is_bodiless(200));
}

static void problems_are_json(void **state) {
    (void)state;
    char text[HTTP_PROBLEM_MAX], longest[1000];
    size_t size = http_problem(400, "there is no Host", text);
    static const char wanted[] =
        "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"there is no Host\"}";
    assert_int_equal(size, sizeof wanted - 1);
    assert_string_equal(text, wanted);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    size = http_problem(431, longest, text);
    assert_true(size < HTTP_PROBLEM_MAX && text[size - 1] == '}');
    size = http_problem(404, NULL, text);
    assert_string_equal(text, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}");
    assert_int_equal(size, strlen(text));
}

UNIT_TESTS(http_answer, UNIT(dates_are_those_of_the_calendar), UNIT(dates_are_those_of_the_c_library),
           UNIT(heads_are_written), UNIT(a_value_cannot_end_its_line), UNIT(every_status_has_a_reason),
           UNIT(problems_are_json));
