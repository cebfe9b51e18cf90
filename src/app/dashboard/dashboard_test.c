#include "app/dashboard/dashboard.h"

#include "app/http/http_fixture.h"

#define HOST "Host: localhost\r\n"

static const struct dashboard_file two[] = {
    {"/",
     "text/html; charset=utf-8",
     "\"plain\"",
     "\"packed\"",
     {(const uint8_t *)"<p>page</p>", 11},
     {(const uint8_t *)"zip", 3},
     false},
    {"/assets/app-1.js", "text/javascript", "\"one\"", "\"none\"", {(const uint8_t *)"run()", 5}, {NULL, 0}, true},
};

/* A fixture whose requests come by a dashboard. */
static void begin(struct fixture *fixture, struct dashboard *dashboard, const struct dashboard_file *files,
                  uint32_t count) {
    fixture_init(fixture);
    *dashboard = (struct dashboard){fixture->service.handler, files, count};
    fixture->service.handler = dashboard_handler(dashboard);
}

static void expect(struct fixture *fixture, const char *text) {
    if (!fixture_has(&fixture->received, text))
        fail_msg("'%s' is not in '%.*s'", text, (int)fixture->received.size,
                 fixture->received.size ? (const char *)fixture->received.data : "");
}

static void files_are_answered_with_what_protects_them(void **state) {
    (void)state;
    struct fixture fixture;
    struct dashboard dashboard;
    begin(&fixture, &dashboard, two, 2);
    SEND(&fixture, "GET / HTTP/1.1\r\n" HOST "\r\n");
    expect(&fixture, "HTTP/1.1 200 OK\r\n");
    expect(&fixture,
           "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ");
    expect(&fixture, "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'");
    expect(&fixture, "x-frame-options: DENY\r\n");
    expect(&fixture, "cache-control: no-cache\r\n");
    expect(&fixture, "etag: \"plain\"\r\n");
    expect(&fixture, "\r\n\r\n<p>page</p>");
    assert_false(fixture_has(&fixture.received, "content-encoding"));
    assert_int_equal(fixture_count(&fixture.received, "nosniff"), 1);
    assert_int_equal(fixture_count(&fixture.received, "cache-control"), 1);
    buf_clear(&fixture.received);
    SEND(&fixture, "HEAD /assets/app-1.js HTTP/1.1\r\n" HOST "\r\n");
    expect(&fixture, "content-length: 5\r\n");
    expect(&fixture, "cache-control: public, max-age=31536000, immutable\r\n");
    assert_false(fixture_has(&fixture.received, "run()"));
    fixture_expect_said(&fixture, "");
    fixture_fini(&fixture);
}

static void who_takes_gzip_gets_it(void **state) {
    (void)state;
    static const char *const taken[] = {"gzip", "br, GZIP ;q=0.5", "gzip;q=0.001, deflate"};
    static const char *const refused[] = {"br", "gzip;q=0", "gzip; q=0", "xgzip", ""};
    struct fixture fixture;
    struct dashboard dashboard;
    char text[200];
    begin(&fixture, &dashboard, two, 2);
    for (size_t i = 0; i < 3 + 5; i++) {
        bool takes = i < 3;
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "Accept-Encoding: %s\r\n\r\n",
                 takes ? taken[i] : refused[i - 3]);
        fixture_send(&fixture, slice_from_string(text));
        expect(&fixture, takes ? "content-encoding: gzip\r\n" : "etag: \"plain\"\r\n");
        expect(&fixture, takes ? "etag: \"packed\"\r\n" : "\r\n\r\n<p>page</p>");
        expect(&fixture, "vary: Accept-Encoding\r\n");
        buf_clear(&fixture.received);
    }
    SEND(&fixture, "GET /assets/app-1.js HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    expect(&fixture, "\r\n\r\nrun()");
    fixture_fini(&fixture);
}

static void a_good_copy_is_not_sent_again(void **state) {
    (void)state;
    struct fixture fixture;
    struct dashboard dashboard;
    begin(&fixture, &dashboard, two, 2);
    SEND(&fixture, "GET / HTTP/1.1\r\n" HOST "If-None-Match: \"x\", W/\"plain\"\r\n\r\n");
    expect(&fixture, "HTTP/1.1 304 Not Modified\r\n");
    assert_false(fixture_has(&fixture.received, "page"));
    buf_clear(&fixture.received);
    SEND(&fixture, "GET / HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\nIf-None-Match: \"plain\"\r\n\r\n");
    expect(&fixture, "HTTP/1.1 200 OK\r\n");
    fixture_fini(&fixture);
}

static void everything_else_is_the_next_handlers(void **state) {
    (void)state;
    struct fixture fixture;
    struct dashboard dashboard;
    begin(&fixture, &dashboard, two, 2);
    SEND(&fixture, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    SEND(&fixture, "PURGE / HTTP/1.1\r\n" HOST "\r\n");
    fixture_expect_said(&fixture, "GET /now 11 [] PURGE / 11 [] ");
    fixture_leave(&fixture);
    fixture_expect_said(&fixture, "gone ");
    fixture_fini(&fixture);
}

static void a_program_without_pages_says_how_to_make_them(void **state) {
    (void)state;
    struct fixture fixture;
    struct dashboard dashboard;
    begin(&fixture, &dashboard, NULL, 0);
    SEND(&fixture, "GET / HTTP/1.1\r\n" HOST "\r\n");
    expect(&fixture, "HTTP/1.1 404 Not Found\r\n");
    expect(&fixture, "./dev dashboard");
    SEND(&fixture, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    fixture_expect_said(&fixture, "GET /now 11 [] ");
    fixture_fini(&fixture);
}

UNIT_TESTS(dashboard, UNIT(files_are_answered_with_what_protects_them), UNIT(who_takes_gzip_gets_it),
           UNIT(a_good_copy_is_not_sent_again), UNIT(everything_else_is_the_next_handlers),
           UNIT(a_program_without_pages_says_how_to_make_them));
