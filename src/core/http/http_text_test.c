#include "core/http/http_text.h"

#include "core/http/http_address.h"
#include "unit.h"

static void expect_slice(struct slice got, const char *wanted) {
    if (!slice_equal(got, slice_from_string(wanted)))
        fail_msg("'%.*s' and not '%s'", (int)got.size, got.size ? (const char *)got.data : "", wanted);
}

static void expect_decoded(const char *text, bool plus, const char *wanted, size_t wanted_size) {
    uint8_t room[64];
    size_t size = 99;
    assert_true(http_percent_decode(slice_from_string(text), plus, room, &size));
    assert_int_equal(size, wanted_size);
    assert_memory_equal(room, wanted, wanted_size);
}

static void percent_signs_are_decoded(void **state) {
    (void)state;
    expect_decoded("", false, "", 0);
    expect_decoded("a%2Fb%2fc", false, "a/b/c", 5);
    expect_decoded("%00%ff%FF", false, "\0\xff\xff", 3);
    expect_decoded("a+b", false, "a+b", 3);
    expect_decoded("a+b%2B", true, "a b+", 4);
    expect_decoded("%25%32%35", false, "%25", 3); /* once, and not again */
}

static void half_a_percent_sign_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"%", "%2", "a%", "a%2", "%g0", "%0g", "%%25", "% 0", "%+1", "%-1", "%2\xff"};
    uint8_t room[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t size = 99;
        assert_false(http_percent_decode(slice_from_string(bad[i]), true, room, &size));
        assert_int_equal(size, 99);
    }
}

/* In place, too. */
static void every_byte_comes_back_from_its_percent_sign(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        size_t size;
        snprintf(text, sizeof text, byte & 1 ? "%%%02x" : "%%%02X", byte);
        assert_true(http_percent_decode(slice_from_string(text), false, (uint8_t *)text, &size));
        assert_int_equal(size, 1);
        assert_int_equal((uint8_t)text[0], byte);
    }
}

static void queries_come_apart(void **state) {
    (void)state;
    struct slice query = SLICE("&a=1&&b&c=&=d&e=f=g&"), name, value;
    static const char *const wanted[][2] = {{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_true(http_query_next(&query, &name, &value));
        expect_slice(name, wanted[i][0]);
        expect_slice(value, wanted[i][1]);
    }
    assert_false(http_query_next(&query, &name, &value));
    query = (struct slice){NULL, 0};
    assert_false(http_query_next(&query, &name, &value));
}

static void lists_come_apart(void **state) {
    (void)state;
    struct slice list = SLICE(" , a ,\tb,,c d ,"), member;
    assert_true(http_list_next(&list, &member));
    expect_slice(member, "a");
    assert_true(http_list_next(&list, &member));
    expect_slice(member, "b");
    assert_true(http_list_next(&list, &member));
    expect_slice(member, "c d");
    assert_false(http_list_next(&list, &member));
}

static void authorities_come_apart(void **state) {
    (void)state;
    static const struct {
        const char *authority, *host, *port;
        bool address;
    } good[] = {
        {"localhost", "localhost", "", false},
        {"localhost:", "localhost", "", false},
        {"cache.example:8080", "cache.example", "8080", false},
        {"127.0.0.1:80", "127.0.0.1", "80", true},
        {"255.255.255.255", "255.255.255.255", "", true},
        {"[::1]:80", "[::1]", "80", true},
        {"[fe80::1]", "[fe80::1]", "", true},
        {"256.0.0.1", "256.0.0.1", "", false},
        {"1.2.3", "1.2.3", "", false},
        {"1.2.3.4.5", "1.2.3.4.5", "", false},
        {"1.2.3.4x", "1.2.3.4x", "", false},
        {"0001.2.3.4", "0001.2.3.4", "", false},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct slice host, port;
        if (!http_authority_split(slice_from_string(good[i].authority), &host, &port))
            fail_msg("%s", good[i].authority);
        expect_slice(host, good[i].host);
        expect_slice(port, good[i].port);
        assert_int_equal(http_host_is_address(host), good[i].address);
    }
    static const char *const bad[] = {"",    ":80",    "a:b",    "a:123456", "a b",   "user@host", "[::1",
                                      "[]",  "[:]",    "[::1]x", "[::g]",    "a/b",   "a?b",       "a#b",
                                      "::1", "[::1]]", "a:8:0",  "a\tb",     "[v1.x]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice host, port;
        if (http_authority_split(slice_from_string(bad[i]), &host, &port))
            fail_msg("%s was taken", bad[i]);
    }
}

static void hosts_are_compared_with_patterns(void **state) {
    (void)state;
    const struct slice patterns[] = {SLICE("localhost"), SLICE("*.cache.example")};
    assert_true(http_host_matches(SLICE("LocalHost"), patterns, 2));
    assert_true(http_host_matches(SLICE("localhost."), patterns, 2));
    assert_true(http_host_matches(SLICE("a.Cache.example"), patterns, 2));
    assert_false(http_host_matches(SLICE("cache.example"), patterns, 2));
    assert_false(http_host_matches(SLICE("localhost.evil.example"), patterns, 2));
    assert_false(http_host_matches(SLICE("evil"), patterns, 0));
}

UNIT_TESTS(http_text, UNIT(percent_signs_are_decoded), UNIT(half_a_percent_sign_is_refused),
           UNIT(every_byte_comes_back_from_its_percent_sign), UNIT(queries_come_apart), UNIT(lists_come_apart),
           UNIT(authorities_come_apart), UNIT(hosts_are_compared_with_patterns));
