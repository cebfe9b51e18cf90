#include <stdio.h>

#include "app/api/api_fixture.h"
#include "app/api/api_inner.h"
#include "base/bits.h"
#include "unit.h"

static void every_key_has_a_name(void **state) {
    const char *const names[] = {"", ".", "..", "a%2Fb", "a/../b", "%00%ff%fe", "a+b%2Bc", "%3Fx%3D1%26", "//"};
    const char *const keys[] = {"\"\"",      "\".\"",     "\"..\"", "\"a/b\"", "\"a/../b\"", "{\"base64\":\"AP/+\"}",
                                "\"a b+c\"", "\"?x=1&\"", "\"//\""};
    struct api_fixture fixture;
    char target[128], key[128];
    (void)state;
    api_fixture_start(&fixture, NULL);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(target, sizeof target, "/v1/key?key=%s&form=json", names[i]);
        snprintf(key, sizeof key, "{\"key\":%s,", keys[i]);
        target[strlen(target) - 10] = 0;
        expect_answer(&fixture, "PUT", target, NULL, "1", 201, NULL);
        expect_answer(&fixture, "PATCH", target, JSON, "{\"increment\":1,\"tags\":{\"add\":[\"t\"]}}", 200,
                      "\"value\":2");
        expect_answer(&fixture, "GET", target, NULL, NULL, 200, "2");
        target[strlen(target)] = '&';
        expect_answer(&fixture, "GET", target, NULL, NULL, 200, key);
        snprintf(target, sizeof target, "/v1/explain?key=%s", names[i]);
        expect_answer(&fixture, "GET", target, NULL, NULL, 200, "\"state\":\"present\"");
        snprintf(target, sizeof target, "/v1/key?key=%s", names[i]);
        expect_answer(&fixture, i % 2 ? "DELETE" : "PURGE", target, NULL, NULL, i % 2 ? 204 : 200,
                      i % 2 ? NULL : "\"entries\":1");
        expect_answer(&fixture, "GET", target, NULL, NULL, 404, "NOTFOUND");
    }
    expect_answer(&fixture, "GET", "/v1/key", NULL, NULL, 400, "one 'key'");
    expect_answer(&fixture, "GET", "/v1/key?key=a&key=b", NULL, NULL, 400, "'key' more than once");
    expect_answer(&fixture, "PUT", "/v1/key?kye=a", NULL, "v", 400, "no 'kye'");
    expect_answer(&fixture, "POST", "/v1/key?key=a", NULL, "v", 405, "METHOD");
    expect_answer(&fixture, "PUT", "/v1/key?key=a&tag=..%2F", NULL, "v", 201, NULL);
    expect_answer(&fixture, "GET", "/v1/tag?tag=../", NULL, NULL, 200, "{\"tag\":\"../\",\"count\":1,\"keys\":[\"a\"]");
    expect_answer(&fixture, "PURGE", "/v1/tag?tag=../", NULL, NULL, 200, "\"entries\":1");
    api_fixture_stop(&fixture);
}

/* RFC 9110, 8.8.3.2: who compares strongly takes no weak tag. */
static void weak_tags_match_where_they_may(void **state) {
    const char *const methods[] = {"PUT", "PATCH", "DELETE", "GET"};
    const char *const never[] = {"if-match: W/\"5\"", "if-match: W/\"5-json\"", "if-match: \"5-json\"",
                                 "if-match: \"other\""};
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a?version=5", NULL, "0123456789", 201, NULL);
    for (size_t i = 0; i < COUNT_OF(methods) * COUNT_OF(never); i++) {
        char fields[128];
        snprintf(fields, sizeof fields, JSON "\n%s", never[i % COUNT_OF(never)]);
        expect_answer(&fixture, methods[i / COUNT_OF(never)], "/v1/keys/a", fields, "{\"ttl\":9}", 412, "PRECONDITION");
    }
    expect_answer(&fixture, "GET", "/v1/keys/a", "if-match: \"6\", \"5\"", NULL, 200, "0123456789");
    expect_answer(&fixture, "GET", "/v1/keys/a", "if-none-match: W/\"5\"", NULL, 304, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/a", "range: bytes=1-2\nif-range: \"5\"", NULL, 206, "12");
    const char *const whole[] = {"W/\"5\"", "\"6\"", "*", "\"5\", \"6\"", "Sun, 06 Nov 1994 08:49:37 GMT"};
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        char fields[128];
        snprintf(fields, sizeof fields, "range: bytes=1-2\nif-range: %s", whole[i]);
        expect_answer(&fixture, "GET", "/v1/keys/a", fields, NULL, 200, "0123456789");
    }
    api_fixture_stop(&fixture);
}

/* A cache that keeps both forms is not to take one for the other. */
static void each_form_has_a_tag_of_its_own(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a?version=5", NULL, "one", 201, NULL);
    const char *const forms[] = {"accept: */*", "accept: application/json"}, *const tags[] = {"\"5\"", "W/\"5-json\""};
    for (int i = 0; i < 2; i++) {
        struct http_exchange *exchange = api_fixture_ask(&fixture, "GET", "/v1/keys/a", forms[i], SLICE(""));
        assert_string_equal(api_fixture_field(exchange, "etag"), tags[i]);
        assert_non_null(strstr(api_fixture_field(exchange, "vary"), "Accept"));
        api_fixture_free(&fixture, exchange);
        for (int k = 0; k < 2; k++) {
            char fields[128];
            snprintf(fields, sizeof fields, "%s\nif-none-match: %s", forms[i], tags[k]);
            expect_answer(&fixture, "GET", "/v1/keys/a", fields, NULL, i == k ? 304 : 200, i == k ? NULL : "one");
        }
    }
    api_fixture_stop(&fixture);
}

static void parts_are_those_of_the_standard(void **state) {
    static const struct {
        const char *range;
        int status;
        const char *body;
    } parts[] = {
        {"bytes=5-3", 200, "0123456789"},
        {"bytes=5-5", 206, "5"},
        {"Bytes=8-100", 206, "89"},
        {"bytes=007-8", 206, "78"},
        {"bytes=-100", 206, "0123456789"},
        {"bytes=9-", 206, "9"},
        {"bytes=0-99999999999999999999999", 206, "0123456789"},
        {"bytes=10-", 416, "RANGE"},
        {"bytes=10-11", 416, "RANGE"},
        {"bytes=99999999999999999999999-", 416, "RANGE"},
        {"bytes=-0", 416, "RANGE"},
        {"bytes=-", 200, "0123456789"},
        {"bytes=1-2,4-5", 200, "0123456789"},
        {"bytes=a-b", 200, "0123456789"},
        {"bytes=+1-2", 200, "0123456789"},
        {"bytes 1-2", 200, "0123456789"},
    };
    struct api_fixture fixture;
    char fields[128];
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, "0123456789", 201, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/empty", NULL, "", 201, NULL);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        snprintf(fields, sizeof fields, "range: %s", parts[i].range);
        struct http_exchange *exchange = api_fixture_ask(&fixture, "GET", "/v1/keys/a", fields, SLICE(""));
        const char *place = api_fixture_field(exchange, "content-range");
        if (exchange->status != parts[i].status || (place != NULL) != (exchange->status != 200))
            fail_msg("%s: %d, %s", parts[i].range, exchange->status, place ? place : "no place");
        if (exchange->status == 416)
            assert_string_equal(place, "bytes */10");
        assert_true(api_fixture_until(&fixture, exchange, parts[i].body));
        api_fixture_free(&fixture, exchange);
    }
    struct http_exchange *head = api_fixture_ask(&fixture, "HEAD", "/v1/keys/a", "range: bytes=1-2", SLICE(""));
    assert_int_equal(head->status, 200);
    api_fixture_free(&fixture, head);
    expect_answer(&fixture, "GET", "/v1/keys/empty", "range: bytes=-5", NULL, 200, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/empty", "range: bytes=0-", NULL, 416, "RANGE");
    api_fixture_stop(&fixture);
}

/* What will be as large next time is not answered with a time to come again. */
static void what_is_too_large_is_so_for_good(void **state) {
    enum { SIZE = 3 << 20 };
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    char *value = memory_take(&memory_libc, SIZE + 1);
    memset(value, 'x', SIZE);
    value[SIZE] = 0;
    expect_answer(&fixture, "PATCH", "/v1/config", JSON, "{\"proto-max-bulk-len\":2097152}", 204, NULL);
    struct http_exchange *exchange = api_fixture_ask(&fixture, "PUT", "/v1/keys/a", NULL, slice_make(value, SIZE));
    assert_int_equal(exchange->status, 413);
    assert_null(api_fixture_field(exchange, "retry-after"));
    api_fixture_free(&fixture, exchange);
    value[2 << 20] = 0;
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, value, 201, NULL);
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"SETRANGE\", \"a\", 536870912, \"x\"]", 413,
                  "exceeds maximum");
    memory_give(&memory_libc, value, SIZE + 1);
    api_fixture_stop(&fixture);
}

UNIT_TESTS(keys, UNIT(every_key_has_a_name), UNIT(weak_tags_match_where_they_may), UNIT(each_form_has_a_tag_of_its_own),
           UNIT(parts_are_those_of_the_standard), UNIT(what_is_too_large_is_so_for_good));
