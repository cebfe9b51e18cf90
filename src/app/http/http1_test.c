#include "app/http/http1.h"

#include "app/http/http_fixture.h"

#define DATED "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define HABITS "x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\ncache-control: no-store\r\n"
#define HOST "Host: localhost\r\n"
#define OK_ANSWER "HTTP/1.1 200 OK\r\n" DATED HABITS "content-length: 2\r\n\r\nok"

static void expect_received(struct fixture *fixture, const char *wanted) {
    if (!slice_equal(buf_slice(&fixture->received), slice_from_string(wanted)))
        fail_msg("the client has got '%.*s' and not '%s'", (int)fixture->received.size,
                 fixture->received.size ? (const char *)fixture->received.data : "", wanted);
    buf_clear(&fixture->received);
}

/* Answered with that status, once, and closed. */
static void expect_refused(struct fixture *fixture, const char *status) {
    if (!fixture_has(&fixture->received, status) || fixture_count(&fixture->received, "HTTP/1.1 ") != 1 ||
        !fixture_has(&fixture->received, "connection: close\r\n") || !fixture->closed)
        fail_msg("%s and a closed connection were expected: %.*s", status, (int)fixture->received.size,
                 fixture->received.size ? (const char *)fixture->received.data : "");
    buf_clear(&fixture->received);
}

static void requests_are_answered(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect_received(&fixture, OK_ANSWER);
    SEND(&fixture, "PUT /now HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    expect_received(&fixture, "HTTP/1.1 200 OK\r\n" DATED HABITS "content-length: 3\r\n\r\nabc");
    SEND(&fixture, "HEAD /now HTTP/1.1\r\n" HOST "\r\n");
    expect_received(&fixture, "HTTP/1.1 200 OK\r\n" DATED HABITS "content-length: 2\r\n\r\n");
    SEND(&fixture, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    assert_true(fixture_has(&fixture.received, "HTTP/1.1 204 No Content\r\n"));
    assert_false(fixture_has(&fixture.received, "content-length"));
    fixture_expect_said(&fixture, "GET /now 11 [] PUT /now 11 [abc] HEAD /now 11 [] ");
    assert_false(fixture.closed);
    fixture_fini(&fixture);
}

/* However they arrive. */
static void pieces_do_not_matter(void **state) {
    (void)state;
    static const char text[] = "GET /now HTTP/1.1\r\n" HOST
                               "\r\n"
                               "PUT /now HTTP/1.1\r\n" HOST
                               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
                               "GET /now HTTP/1.1\r\n" HOST "\r\n";
    for (size_t piece = 1; piece < sizeof text; piece += piece < 8 ? 1 : 13) {
        struct fixture fixture;
        fixture_init(&fixture);
        for (size_t at = 0; at < sizeof text - 1; at += piece)
            fixture_send(&fixture, slice_part(slice_make(text, sizeof text - 1), at, piece));
        expect_received(&fixture,
                        OK_ANSWER "HTTP/1.1 200 OK\r\n" DATED HABITS "content-length: 5\r\n\r\nabcde" OK_ANSWER);
        fixture_fini(&fixture);
    }
}

static void pipelined_requests_are_answered_in_order(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n");
    fixture_expect_said(&fixture, "GET /a 11 [] ");
    expect_received(&fixture, "");
    http_respond(fixture.open[0], 404, NULL, 0, SLICE("none"));
    fixture_turn(&fixture);
    fixture_expect_said(&fixture, "GET /now 11 [] GET /b 11 [] ");
    expect_received(&fixture, "HTTP/1.1 404 Not Found\r\n" DATED HABITS "content-length: 4\r\n\r\nnone" OK_ANSWER);
    http_respond(fixture.open[1], 304, NULL, 0, SLICE("nothing of this"));
    fixture_turn(&fixture);
    expect_received(&fixture, "HTTP/1.1 304 Not Modified\r\n" DATED HABITS "\r\n");
    fixture_fini(&fixture);
}

static void answers_may_go_on(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    const struct http_field fields[] = {{SLICE("content-type"), SLICE("text/event-stream")},
                                        {SLICE("cache-control"), SLICE("no-cache")},
                                        {SLICE("content-length"), SLICE("1")},
                                        {SLICE("connection"), SLICE("upgrade")}};
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_start(fixture.open[0], 200, fields, 4);
    fixture_turn(&fixture);
    expect_received(&fixture, "HTTP/1.1 200 OK\r\n" DATED
                              "content-type: text/event-stream\r\ncache-control: no-cache\r\n"
                              "x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"
                              "transfer-encoding: chunked\r\n\r\n");
    http_send(fixture.open[0], SLICE("hello"));
    http_send(fixture.open[0], SLICE(""));
    http_send(fixture.open[0], SLICE("0123456789abcdef"));
    fixture_turn(&fixture);
    expect_received(&fixture, "5\r\nhello\r\n10\r\n0123456789abcdef\r\n");
    http_finish(fixture.open[0]);
    fixture_turn(&fixture);
    expect_received(&fixture, "0\r\n\r\n");
    SEND(&fixture, "HEAD /b HTTP/1.1\r\n" HOST "\r\n");
    http_start(fixture.open[1], 200, NULL, 0);
    http_send(fixture.open[1], SLICE("hello"));
    http_finish(fixture.open[1]);
    fixture_turn(&fixture);
    expect_received(&fixture, "HTTP/1.1 200 OK\r\n" DATED HABITS "transfer-encoding: chunked\r\n\r\n");
    SEND(&fixture, "GET /c HTTP/1.0\r\n\r\n");
    http_start(fixture.open[2], 200, NULL, 0);
    http_send(fixture.open[2], SLICE("hello"));
    http_finish(fixture.open[2]);
    fixture_turn(&fixture);
    expect_received(&fixture, "HTTP/1.1 200 OK\r\n" DATED HABITS "connection: close\r\n\r\nhello");
    assert_true(fixture.closed);
    fixture_fini(&fixture);
}

static void a_connection_ends_as_asked(void **state) {
    (void)state;
    static const char *const texts[] = {"GET /now HTTP/1.0\r\n\r\n",
                                        "GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                                        "GET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        fixture_send(&fixture, slice_from_string(texts[i]));
        expect_refused(&fixture, "HTTP/1.1 200 OK");
        fixture_fini(&fixture);
    }
}

static void who_waits_to_send_a_body_is_told_to(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "PUT /now HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    expect_received(&fixture, "HTTP/1.1 100 Continue\r\n\r\n");
    SEND(&fixture, "abc");
    expect_received(&fixture, "HTTP/1.1 200 OK\r\n" DATED HABITS "content-length: 3\r\n\r\nabc");
    SEND(&fixture, "PUT /now HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
    expect_received(&fixture, "HTTP/1.1 200 OK\r\n" DATED HABITS "content-length: 3\r\n\r\nabc");
    SEND(&fixture, "PUT /now HTTP/1.1\r\n" HOST "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n");
    expect_refused(&fixture, "HTTP/1.1 413 Content Too Large");
    fixture_fini(&fixture);
}

static void what_is_wrong_is_answered_once_and_closed(void **state) {
    (void)state;
    static const struct {
        const char *text, *status;
    } wrong[] = {
        {"GET /now HTTP/1.1\r\n\r\nGET /now HTTP/1.1\r\n" HOST "\r\n", "400 Bad Request"},
        {"\x16\x03\x01", "400 Bad Request"},
        {"GET /now HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /now HTTP/1.1\r\n" HOST "\r\n", "421 Misdirected Request"},
        {"PUT /now HTTP/1.1\r\n" HOST
         "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /now HTTP/1.1\r\n" HOST "\r\n",
         "400 Bad Request"},
        {"PUT /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "400 Bad Request"},
        {"PUT /now HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 "},
        {"GET /now HTTP/2.0\r\n" HOST "\r\n", "505 HTTP Version Not Supported"},
        {"PUT /now HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", "417 Expectation Failed"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        fixture_send(&fixture, slice_from_string(wrong[i].text));
        assert_true(fixture_has(&fixture.received, "application/problem+json"));
        expect_refused(&fixture, wrong[i].status);
        fixture_expect_said(&fixture, "");
        assert_int_equal(atomic_load(&fixture.service.counts.refused), 1);
        fixture_fini(&fixture);
    }
}

static void names_of_ours_are_known(void **state) {
    (void)state;
    static const char *const hosts[] = {"localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct fixture fixture;
        char text[100];
        fixture_init(&fixture);
        snprintf(text, sizeof text, "GET /now HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        fixture_send(&fixture, slice_from_string(text));
        expect_received(&fixture, OK_ANSWER);
        fixture_fini(&fixture);
    }
}

static void a_field_that_ends_its_line_is_not_sent(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    const struct http_field bad = {SLICE("x"), SLICE("a\r\nset-cookie: b")};
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_respond(fixture.open[0], 200, &bad, 1, SLICE("hello"));
    fixture_turn(&fixture);
    expect_received(&fixture, "HTTP/1.1 500 Internal Server Error\r\n" DATED HABITS "content-length: 0\r\n\r\n");
    fixture_fini(&fixture);
}

/* ------------------------------------------------------------------------------------------- time */

static void a_slow_head_is_ended(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_pass(&fixture, HTTP_IDLE_MS_MAX - 1);
    SEND(&fixture, "GET ");
    for (int i = 0; i < 9; i++) { /* a byte a second makes it no longer */
        fixture_pass(&fixture, HTTP_HEAD_MS_MAX / 10);
        SEND(&fixture, "/");
    }
    expect_received(&fixture, "");
    fixture_pass(&fixture, HTTP_HEAD_MS_MAX / 10 - 1);
    assert_false(fixture.closed);
    fixture_pass(&fixture, 1);
    expect_refused(&fixture, "408 Request Timeout");
    assert_int_equal(atomic_load(&fixture.service.counts.timed_out), 1);
    fixture_fini(&fixture);
}

static void an_idle_connection_is_closed_without_a_word(void **state) {
    (void)state;
    for (int used = 0; used < 2; used++) {
        struct fixture fixture;
        fixture_init(&fixture);
        fixture_pass(&fixture, 50);
        if (used)
            SEND(&fixture, "GET /now HTTP/1.1\r\n" HOST "\r\n");
        else
            fixture_now_ms -= 50;
        buf_clear(&fixture.received);
        fixture_pass(&fixture, HTTP_IDLE_MS_MAX - 1);
        assert_false(fixture.closed);
        fixture_pass(&fixture, 1);
        assert_true(fixture.closed);
        expect_received(&fixture, "");
        fixture_pass(&fixture, HTTP_LINGER_MS_MAX);
        assert_int_equal(fixture.service.count, 0);
        fixture_fini(&fixture);
    }
}

static void a_slow_body_is_ended_and_a_steady_one_is_not(void **state) {
    (void)state;
    struct fixture fixture;
    char second[1000];
    memset(second, 'x', sizeof second);
    fixture_init(&fixture);
    SEND(&fixture, "PUT /now HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n");
    for (int i = 0; i < 59; i++) {
        fixture_send(&fixture, slice_make(second, sizeof second));
        fixture_pass(&fixture, 1000);
    }
    assert_false(fixture.closed);
    fixture_pass(&fixture, HTTP_BODY_MS_MAX - 1);
    expect_received(&fixture, "");
    fixture_pass(&fixture, 1);
    expect_refused(&fixture, "408 Request Timeout");
    fixture_expect_said(&fixture, "");
    fixture_fini(&fixture);
}

static void fill(struct fixture *fixture, struct http_exchange *exchange, size_t size) {
    static uint8_t bytes[65536];
    (void)fixture;
    for (size_t sent = 0; sent < size; sent += sizeof bytes)
        http_send(exchange, slice_make(bytes, sizeof bytes));
}

static void who_does_not_take_an_answer_is_cut(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_start(fixture.open[0], 200, NULL, 0);
    fill(&fixture, fixture.open[0], 1024 * 1024);
    fixture_turn_unread(&fixture);
    fixture_now_ms += HTTP_UNREAD_MS_MAX - 1;
    fixture_turn_unread(&fixture);
    assert_int_equal(fixture.service.count, 1);
    /* What the socket took is counted as milliseconds, too. */
    fixture_now_ms += 1024 * 1024 + 1000;
    fixture_turn_unread(&fixture);
    assert_int_equal(fixture.service.count, 0);
    assert_int_equal(atomic_load(&fixture.service.counts.unread), 1);
    fixture_expect_said(&fixture, "GET /a 11 [] gone ");
    fixture_fini(&fixture);
}

/* ------------------------------------------------------------------------------------------ bounds */

static void unsent_bytes_have_a_limit(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    int other = fixture.client;
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_start(fixture.open[0], 200, NULL, 0);
    fill(&fixture, fixture.open[0], 4 * 1024 * 1024); /* what comes after it was cut does nothing */
    fixture_turn_unread(&fixture);
    fixture_expect_said(&fixture, "GET /a 11 [] gone ");
    assert_int_equal(atomic_load(&fixture.service.counts.unread), 1);
    /* Another one is served. */
    fixture.client = fixture_connect(&fixture);
    SEND(&fixture, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect_received(&fixture, OK_ANSWER);
    close(other);
    fixture_fini(&fixture);
}

static void who_sends_without_end_is_told_of_room(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\n");
    http_start(fixture.open[0], 200, NULL, 0);
    fill(&fixture, fixture.open[0], 1024 * 1024);
    fixture_turn_unread(&fixture);
    assert_true(http_unsent(fixture.open[0]) > HTTP_UNSENT_MAX);
    fixture_expect_said(&fixture, "GET /a 11 [] ");
    fixture_turn(&fixture);
    fixture_expect_said(&fixture, "room ");
    assert_true(http_unsent(fixture.open[0]) <= HTTP_UNSENT_MAX / 2);
    http_finish(fixture.open[0]);
    fixture_turn(&fixture);
    fixture_expect_said(&fixture, "GET /now 11 [] "); /* who was behind it has its turn */
    fixture_fini(&fixture);
}

/* A client that asks and asks and takes nothing does not get its answers made. */
static void answers_that_are_not_taken_hold_requests_back(void **state) {
    (void)state;
    struct fixture fixture;
    static char body[50000];
    char head[100];
    fixture_init(&fixture);
    int size = snprintf(head, sizeof head, "PUT /now HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", sizeof body);
    size_t sent = 0;
    for (int i = 0; i < 100; i++) {
        struct iovec pieces[] = {{head, (size_t)size}, {body, sizeof body}};
        ssize_t done = writev(fixture.client, pieces, 2);
        if (done < size + (ssize_t)sizeof body)
            break;
        sent++;
        fixture_turn_unread(&fixture);
    }
    assert_true(sent < 100);
    assert_true(atomic_load(&fixture.service.counts.held_bytes) < HTTP_UNSENT_MAX + 3 * sizeof body);
    assert_true(fixture.scarce.held < 3 * HTTP_UNSENT_MAX);
    fixture_fini(&fixture);
}

/* Many requests at once are not answered in one turn. */
static void others_have_their_turn(void **state) {
    (void)state;
    struct fixture fixture;
    struct buf many;
    fixture_init(&fixture);
    buf_init(&many, &memory_libc);
    for (int i = 0; i < 300; i++)
        assert_int_equal(buf_append_slice(&many, SLICE("GET /now HTTP/1.1\r\n" HOST "\r\n")), STATUS_OK);
    assert_int_equal(send(fixture.client, many.data, many.size, MSG_DONTWAIT), many.size);
    http_loop_turn(fixture.loop, 0); /* it was opened */
    http_loop_turn(fixture.loop, 0);
    fixture_take(&fixture, SIZE_MAX);
    uint32_t count = fixture_count(&fixture.received, "HTTP/1.1 200 OK");
    assert_true(count > 0 && count < 300);
    fixture_turn(&fixture);
    assert_int_equal(fixture_count(&fixture.received, "HTTP/1.1 200 OK"), 300);
    buf_fini(&many);
    fixture_fini(&fixture);
}

/* Who asks for little is served all the same. */
static void bodies_of_all_have_a_limit(void **state) {
    (void)state;
    struct fixture fixture;
    static char body[80000];
    fixture_init(&fixture);
    fixture.service.limits.held_max = sizeof body + 2000;
    int first = fixture.client;
    SEND(&fixture, "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 80001\r\n\r\n");
    fixture_send(&fixture, slice_make(body, sizeof body));
    fixture.client = fixture_connect(&fixture);
    SEND(&fixture, "PUT /b HTTP/1.1\r\n" HOST "Content-Length: 70001\r\n\r\n");
    fixture_send(&fixture, slice_make(body, 70000));
    assert_true(fixture_has(&fixture.received, "retry-after: 1\r\n"));
    expect_refused(&fixture, "503 Service Unavailable");
    close(fixture.client);
    fixture.client = fixture_connect(&fixture);
    fixture.closed = false;
    SEND(&fixture, "PUT /c HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n");
    fixture_send(&fixture, slice_make(body, 20000));
    assert_int_equal(fixture.open_count, 1);
    http_respond(fixture.open[0], 200, NULL, 0, SLICE("ok"));
    fixture_turn(&fixture);
    expect_received(&fixture, OK_ANSWER);
    close(fixture.client);
    fixture.client = first;
    SEND(&fixture, "x");
    assert_int_equal(fixture.open_count, 2);
    http_respond(fixture.open[1], 204, NULL, 0, SLICE(""));
    fixture_turn(&fixture);
    expect_received(&fixture, "HTTP/1.1 204 No Content\r\n" DATED HABITS "\r\n");
    fixture_fini(&fixture);
}

/* What is too large for good is told from what there is no room for at present; the connection goes on. */
static void an_answer_without_room_is_another_one(void **state) {
    static char body[3 * 1024 * 1024];
    struct fixture fixture;
    (void)state;
    fixture_init(&fixture);
    fixture.service.limits.held_max = 2 * 1024 * 1024;
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_respond(fixture.open[0], 200, NULL, 0, slice_make(body, sizeof body));
    fixture_turn(&fixture);
    assert_true(fixture_has(&fixture.received, "HTTP/1.1 422 Unprocessable Content\r\n"));
    assert_true(fixture_has(&fixture.received, "content-type: application/problem+json\r\n"));
    assert_false(fixture_has(&fixture.received, "retry-after"));
    buf_clear(&fixture.received);
    /* Another client has asked for much, and does not take it. */
    int first = fixture.client;
    int other = fixture.client = fixture_connect(&fixture);
    SEND(&fixture, "GET /b HTTP/1.1\r\n" HOST "\r\n");
    http_respond(fixture.open[1], 200, NULL, 0, slice_make(body, 1900 * 1024));
    fixture_turn_unread(&fixture);
    fixture.client = first;
    SEND(&fixture, "GET /c HTTP/1.1\r\n" HOST "\r\n");
    http_respond(fixture.open[2], 200, NULL, 0, slice_make(body, 1024 * 1024));
    fixture_turn(&fixture);
    assert_true(fixture_has(&fixture.received, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_true(fixture_has(&fixture.received, "retry-after: 1\r\n"));
    assert_int_equal(atomic_load(&fixture.service.counts.unread), 0);
    buf_clear(&fixture.received);
    fixture.client = other;
    fixture_leave(&fixture);
    fixture.client = first;
    SEND(&fixture, "GET /d HTTP/1.1\r\n" HOST "\r\n");
    http_respond(fixture.open[3], 200, NULL, 0, slice_make(body, 1024 * 1024));
    fixture_turn(&fixture);
    assert_true(fixture_has(&fixture.received, "HTTP/1.1 200 OK\r\n"));
    fixture_fini(&fixture);
}

/* ---------------------------------------------------------------------------------------- endings */

static void handlers_are_told_of_who_has_gone(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_start(fixture.open[0], 200, NULL, 0);
    fixture_turn(&fixture);
    struct http_exchange *exchange = fixture.open[0];
    fixture_leave(&fixture);
    fixture_expect_said(&fixture, "GET /a 11 [] gone ");
    assert_int_equal(fixture.service.count, 0);
    (void)exchange;
    fixture_fini(&fixture);
}

/* In the same turn in which it has gone the handler still answers. */
static void an_answer_to_nobody_is_nothing(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct fixture fixture;
        fixture_init(&fixture);
        SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
        if (way)
            http_start(fixture.open[0], 200, NULL, 0);
        http_connection_end(fixture.service.first);
        if (way == 0)
            http_respond(fixture.open[0], 200, NULL, 0, SLICE("x"));
        else
            http_send(fixture.open[0], SLICE("x"));
        if (way == 2)
            http_finish(fixture.open[0]);
        if (way == 3)
            http_abort(fixture.open[0]);
        fixture_turn(&fixture);
        fixture_expect_said(&fixture, way == 1 ? "GET /a 11 [] gone " : "GET /a 11 [] ");
        fixture_fini(&fixture);
    }
}

static void an_aborted_answer_is_seen_to_be_incomplete(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_start(fixture.open[0], 200, NULL, 0);
    http_send(fixture.open[0], SLICE("hello"));
    fixture_turn(&fixture);
    http_abort(fixture.open[0]);
    fixture_turn(&fixture);
    assert_true(fixture.closed && !fixture_has(&fixture.received, "0\r\n\r\n"));
    fixture_expect_said(&fixture, "GET /a 11 [] ");
    fixture_fini(&fixture);
}

/* Who has ended its sending gets the answers to what it had sent. */
static void half_closed_clients_are_answered(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\nGET /half");
    shutdown(fixture.client, SHUT_WR);
    fixture_turn(&fixture);
    assert_false(fixture.closed);
    http_respond(fixture.open[0], 200, NULL, 0, SLICE("late"));
    fixture_turn(&fixture);
    assert_true(fixture.closed);
    assert_int_equal(fixture_count(&fixture.received, "HTTP/1.1 200 OK"), 2);
    fixture_fini(&fixture);
}

static void a_stop_waits_for_answers(void **state) {
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    int idle = fixture_connect(&fixture);
    SEND(&fixture, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    http_service_stop(&fixture.service);
    fixture_turn(&fixture);
    char byte;
    assert_int_equal(recv(idle, &byte, 1, MSG_DONTWAIT), 0);
    close(idle);
    assert_false(fixture.closed);
    http_respond(fixture.open[0], 200, NULL, 0, SLICE("last"));
    fixture_turn(&fixture);
    expect_refused(&fixture, "HTTP/1.1 200 OK");
    fixture_leave(&fixture);
    assert_int_equal(fixture.service.count, 0);
    fixture_fini(&fixture);
}

/* ------------------------------------------------------------------------------------------- memory */

static void play(struct fixture *fixture) {
    SEND(fixture, "PUT /now HTTP/1.1\r\n" HOST "Content-Length: 3\r\nX: y\r\n\r\nabc");
    SEND(fixture, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\n");
    if (fixture->open_count && fixture->open[0]) {
        http_start(fixture->open[0], 200, NULL, 0);
        if (fixture->open[0])
            http_send(fixture->open[0], SLICE("hello"));
        if (fixture->open[0])
            http_finish(fixture->open[0]);
    }
    fixture_turn(fixture);
    SEND(fixture, "nonsense\r\n");
}

static void without_memory_one_connection_ends_and_no_other(void **state) {
    (void)state;
    bool failed = true;
    uint64_t n = 0;
    for (; failed; n++) {
        struct fixture fixture;
        fixture_init(&fixture);
        int other = fixture_connect(&fixture);
        fixture_turn(&fixture);
        fixture.scarce.left = n;
        fixture.scarce.once = true;
        play(&fixture);
        failed = fixture.scarce.failed;
        fixture.scarce.left = SCARCE_NEVER;
        assert_true(failed ? fixture.closed : fixture_has(&fixture.received, "400 Bad Request"));
        close(fixture.client);
        fixture.client = other;
        buf_clear(&fixture.received);
        SEND(&fixture, "GET /now HTTP/1.1\r\n" HOST "\r\n");
        expect_received(&fixture, OK_ANSWER);
        fixture_fini(&fixture);
    }
    assert_true(n > 10);
}

UNIT_TESTS(http1, UNIT(requests_are_answered), UNIT(pieces_do_not_matter),
           UNIT(pipelined_requests_are_answered_in_order), UNIT(answers_may_go_on), UNIT(a_connection_ends_as_asked),
           UNIT(who_waits_to_send_a_body_is_told_to), UNIT(what_is_wrong_is_answered_once_and_closed),
           UNIT(names_of_ours_are_known), UNIT(a_field_that_ends_its_line_is_not_sent), UNIT(a_slow_head_is_ended),
           UNIT(an_idle_connection_is_closed_without_a_word), UNIT(a_slow_body_is_ended_and_a_steady_one_is_not),
           UNIT(who_does_not_take_an_answer_is_cut), UNIT(unsent_bytes_have_a_limit),
           UNIT(who_sends_without_end_is_told_of_room), UNIT(answers_that_are_not_taken_hold_requests_back),
           UNIT(others_have_their_turn), UNIT(bodies_of_all_have_a_limit), UNIT(an_answer_without_room_is_another_one),
           UNIT(handlers_are_told_of_who_has_gone), UNIT(an_answer_to_nobody_is_nothing),
           UNIT(an_aborted_answer_is_seen_to_be_incomplete), UNIT(half_closed_clients_are_answered),
           UNIT(a_stop_waits_for_answers), UNIT(without_memory_one_connection_ends_and_no_other));
