#include "core/audit/record.h"

#include "base/assert.h"
#include "unit.h"

static void expect_body(const struct audit_record *record, const char *text) {
    struct buf body;
    buf_init(&body, &memory_libc);
    assert_int_equal(audit_record_write(record, &body), STATUS_OK);
    assert_int_equal(body.size, strlen(text));
    assert_memory_equal(body.data, text, body.size);
    buf_fini(&body);
}

static void a_record_is_one_json_text(void **state) {
    (void)state;
    struct audit_record record = {.time_us = 1769860800000001u,
                                  .node = SLICE("0a1b"),
                                  .class = AUDIT_ADMINISTRATION,
                                  .action = SLICE("CONFIG SET"),
                                  .user = SLICE("a\"d\n"),
                                  .client = SLICE("[::1]:7"),
                                  .client_id = 12,
                                  .transport = AUDIT_OVER_TLS,
                                  .names = {SLICE("maxmemory"), SLICE("\xff")},
                                  .name_count = 2,
                                  .touched = 3,
                                  .result = AUDIT_REFUSED,
                                  .error = SLICE("NOPERM"),
                                  .timed = true,
                                  .us = 31};
    expect_body(
        &record,
        "\"time\":\"2026-01-31T12:00:00.000001Z\",\"kind\":\"event\",\"node\":\"0a1b\",\"class\":\"administration\","
        "\"action\":\"CONFIG SET\",\"user\":\"a\\\"d\\u000a\",\"client\":\"[::1]:7\",\"id\":12,\"over\":\"tls\","
        "\"names\":[\"maxmemory\",{\"base64\":\"/"
        "w==\"}],\"touched\":3,\"result\":\"denied\",\"error\":\"NOPERM\",\"us\":31");
    record = (struct audit_record){
        .class = AUDIT_INVALIDATION, .action = SLICE("FLUSHALL"), .counted = true, .removed = 5, .multi = true};
    expect_body(&record,
                "\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"event\",\"node\":\"\",\"class\":\"invalidation\","
                "\"action\":\"FLUSHALL\",\"multi\":true,\"result\":\"ok\",\"removed\":5");
    record = (struct audit_record){.class = AUDIT_DENIED, .result = AUDIT_REFUSED, .left_out = 7};
    expect_body(&record,
                "\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"event\",\"node\":\"\",\"class\":\"denied\","
                "\"action\":\"\",\"result\":\"denied\",\"left_out\":7");
}

static void the_largest_record_is_as_large_as_is_said(void **state) {
    (void)state;
    static uint8_t bytes[4096];
    struct buf body;
    memset(bytes, 1, sizeof bytes); /* escaped, it takes six */
    struct slice large = slice_make(bytes, sizeof bytes);
    struct audit_record record = {.time_us = UINT64_MAX,
                                  .node = SLICE("abc"),
                                  .action = large,
                                  .user = large,
                                  .client = large,
                                  .client_id = UINT64_MAX,
                                  .multi = true,
                                  .name_count = AUDIT_NAMES_MAX,
                                  .touched = UINT32_MAX,
                                  .error = large,
                                  .timed = true,
                                  .us = UINT64_MAX,
                                  .counted = true,
                                  .removed = UINT64_MAX,
                                  .left_out = UINT64_MAX};
    for (int i = 0; i < AUDIT_NAMES_MAX; i++)
        record.names[i] = large;
    buf_init(&body, &memory_libc);
    assert_int_equal(audit_record_write(&record, &body), STATUS_OK);
    assert_true(body.size <= AUDIT_BODY_SIZE_MAX);
    buf_fini(&body);
}

static void times_are_those_of_the_calendar(void **state) {
    (void)state;
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},          {951782399, "2000-02-28T23:59:59.000000Z"},
        {951782400, "2000-02-29T00:00:00.000000Z"},  {951868800, "2000-03-01T00:00:00.000000Z"},
        {1735689599, "2024-12-31T23:59:59.000000Z"}, {4107542400, "2100-03-01T00:00:00.000000Z"},
    };
    char text[AUDIT_TIME_SIZE + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        audit_time_text(cases[i].seconds * 1000000, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void classes_are_found_by_name(void **state) {
    (void)state;
    for (uint32_t class = 0; class < AUDIT_CLASSES; class ++)
        assert_int_equal(audit_class_find(slice_from_string(audit_class_name(class))), class);
    assert_int_equal(audit_class_find(SLICE("Data-Read")), AUDIT_DATA_READ);
    assert_int_equal(audit_class_find(SLICE("data")), AUDIT_CLASSES);
    assert_null(audit_class_name(AUDIT_CLASSES));
}

static void keys_lose_what_is_particular_to_them(void **state) {
    (void)state;
    char to[AUDIT_NAME_SIZE_MAX];
    static uint8_t long_key[1024];
    memset(long_key, 'k', sizeof long_key);
    long_key[sizeof long_key - 1] = ':';
    assert_true(slice_equal(audit_key_family(SLICE("user:42:mail"), to), SLICE("user:*")));
    assert_true(slice_equal(audit_key_family(SLICE("secret"), to), SLICE("*")));
    assert_true(slice_equal(audit_key_family(SLICE(""), to), SLICE("*")));
    assert_true(slice_equal(audit_key_family(slice_make(long_key, sizeof long_key), to), SLICE("*")));
}

UNIT_TESTS(record, UNIT(a_record_is_one_json_text), UNIT(the_largest_record_is_as_large_as_is_said),
           UNIT(times_are_those_of_the_calendar), UNIT(classes_are_found_by_name),
           UNIT(keys_lose_what_is_particular_to_them));
