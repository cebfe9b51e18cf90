#include "app/http/http2.h"

#include <nghttp2/nghttp2.h>

#include "app/http/http_fixture.h"
#include "base/number.h"

/* The client's side, by nghttp2 as well. What comes back is noted: "1:200 [body] 3:404 [] 5:reset8 goaway11". */
struct client {
    struct fixture fixture;
    nghttp2_session *session;
    struct buf heard;
    struct buf bodies[64]; /* by stream / 2 */
    unsigned status[64];
    const uint8_t *upload; /* of the request that is being made */
    size_t upload_size, upload_sent;
    bool never_ends; /* the upload */
};

static void hear(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void hear(struct client *client, const char *format, ...) {
    char text[256];
    va_list rest;
    va_start(rest, format);
    int size = vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    assert_int_equal(buf_append(&client->heard, text, (size_t)size), STATUS_OK);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *context) {
    struct client *client = context;
    (void)session, (void)flags;
    if (slice_equal(slice_make(name, name_size), SLICE(":status"))) {
        uint64_t status;
        assert_true(number_parse_u64(slice_make(value, value_size), &status));
        client->status[frame->hd.stream_id / 2 % 64] = (unsigned)status;
        if (status == 100)
            hear(client, "%d:100 ", frame->hd.stream_id);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
                   void *context) {
    struct client *client = context;
    (void)session, (void)flags;
    assert_int_equal(buf_append(&client->bodies[stream / 2 % 64], data, size), STATUS_OK);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct client *client = context;
    (void)session;
    int32_t stream = frame->hd.stream_id;
    struct buf *body = &client->bodies[stream / 2 % 64];
    if (frame->hd.type == NGHTTP2_GOAWAY)
        hear(client, "goaway%u ", frame->goaway.error_code);
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        hear(client, "%d:reset%u ", stream, frame->rst_stream.error_code);
    if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        hear(client, "%d:%u [%.*s] ", stream, client->status[stream / 2 % 64], (int)(body->size < 40 ? body->size : 40),
             body->size ? (const char *)body->data : "");
        buf_clear(body);
    }
    return 0;
}

static void client_init(struct client *client, bool auto_window) {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;
    *client = (struct client){0};
    fixture_init(&client->fixture);
    buf_init(&client->heard, &memory_libc);
    for (int i = 0; i < 64; i++)
        buf_init(&client->bodies[i], &memory_libc);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    assert_int_equal(nghttp2_option_new(&options), 0);
    nghttp2_option_set_no_auto_window_update(options, !auto_window);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    assert_int_equal(nghttp2_session_client_new2(&client->session, callbacks, client, options), 0);
    assert_int_equal(nghttp2_submit_settings(client->session, 0, NULL, 0), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
}

static void client_fini(struct client *client) {
    nghttp2_session_del(client->session);
    fixture_fini(&client->fixture);
    buf_fini(&client->heard);
    for (int i = 0; i < 64; i++)
        buf_fini(&client->bodies[i]);
}

/* What both have to say to each other. */
static void talk(struct client *client) {
    struct fixture *fixture = &client->fixture;
    for (int round = 0; round < 40; round++) {
        const uint8_t *bytes;
        ssize_t size;
        bool moved = false;
        while (!fixture->closed && (size = nghttp2_session_mem_send(client->session, &bytes)) > 0) {
            fixture_send(fixture, slice_make(bytes, (size_t)size));
            moved = true;
        }
        fixture_turn(fixture);
        if (fixture->received.size) {
            assert_true(nghttp2_session_mem_recv(client->session, fixture->received.data, fixture->received.size) >= 0);
            buf_clear(&fixture->received);
            moved = true;
        }
        if (!moved)
            break;
    }
}

static nghttp2_nv pair(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0};
}

static ssize_t read_upload(nghttp2_session *session, int32_t stream, uint8_t *room, size_t size, uint32_t *flags,
                           nghttp2_data_source *source, void *context) {
    struct client *client = context;
    (void)session, (void)stream, (void)source;
    size_t left = client->upload_size - client->upload_sent;
    if (!left && client->never_ends)
        return NGHTTP2_ERR_DEFERRED;
    size = size < left ? size : left;
    if (size)
        memcpy(room, client->upload + client->upload_sent, size);
    client->upload_sent += size;
    if (size == left && !client->never_ends)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static int32_t ask_with(struct client *client, const char *method, const char *path, const char *authority,
                        const char *name, const char *value, bool upload) {
    nghttp2_nv pairs[] = {pair(":method", method), pair(":scheme", "http"), pair(":authority", authority),
                          pair(":path", path), pair(name ? name : "x", value ? value : "y")};
    nghttp2_data_provider provider = {.read_callback = read_upload};
    int32_t stream = nghttp2_submit_request(client->session, NULL, pairs, 5, upload ? &provider : NULL, NULL);
    assert_true(stream > 0);
    return stream;
}

static int32_t ask(struct client *client, const char *method, const char *path) {
    return ask_with(client, method, path, "localhost", NULL, NULL, false);
}

static void upload(struct client *client, const char *path, const void *bytes, size_t size) {
    client->upload = bytes;
    client->upload_size = size;
    client->upload_sent = 0;
    (void)ask_with(client, "PUT", path, "localhost", NULL, NULL, true);
}

static void expect_heard(struct client *client, const char *wanted) {
    if (!slice_equal(buf_slice(&client->heard), slice_from_string(wanted)))
        fail_msg("heard '%.*s' and not '%s'", (int)client->heard.size,
                 client->heard.size ? (const char *)client->heard.data : "", wanted);
    buf_clear(&client->heard);
}

/* ---------------------------------------------------------------------------------------- requests */

static void requests_are_answered(void **state) {
    (void)state;
    struct client client;
    client_init(&client, true);
    (void)ask(&client, "GET", "/now");
    talk(&client);
    expect_heard(&client, "1:200 [ok] ");
    upload(&client, "/now", "hello", 5);
    talk(&client);
    expect_heard(&client, "3:200 [hello] ");
    (void)ask(&client, "HEAD", "/now");
    (void)ask(&client, "OPTIONS", "*");
    talk(&client);
    expect_heard(&client, "5:200 [] 7:204 [] ");
    fixture_expect_said(&client.fixture, "GET /now 20 [] PUT /now 20 [hello] HEAD /now 20 [] ");
    client_fini(&client);
}

/* The preface comes in any pieces, and what only begins like it is a request of HTTP/1.1. */
static void the_first_bytes_say_which_version(void **state) {
    (void)state;
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t i = 0; i < sizeof preface - 1; i++)
        fixture_send(&fixture, slice_make(preface + i, 1));
    assert_true(fixture.received.size > 9 && fixture.received.data[3] == NGHTTP2_SETTINGS && !fixture.closed);
    fixture_fini(&fixture);
    fixture_init(&fixture);
    SEND(&fixture, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert_true(fixture_has(&fixture.received, "505 HTTP Version Not Supported") && fixture.closed);
    fixture_fini(&fixture);
    fixture_init(&fixture);
    SEND(&fixture, "PRINT /now HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(fixture_has(&fixture.received, "HTTP/1.1 200 OK"));
    fixture_fini(&fixture);
}

static void streams_stand_side_by_side(void **state) {
    (void)state;
    struct client client;
    client_init(&client, true);
    for (int i = 0; i < 3; i++)
        (void)ask(&client, "GET", "/later");
    talk(&client);
    assert_int_equal(client.fixture.open_count, 3);
    (void)ask(&client, "GET", "/now");
    http_respond(client.fixture.open[2], 200, NULL, 0, SLICE("c"));
    talk(&client);
    expect_heard(&client, "5:200 [c] 7:200 [ok] ");
    http_respond(client.fixture.open[0], 404, NULL, 0, SLICE("a"));
    http_start(client.fixture.open[1], 200, NULL, 0);
    talk(&client);
    http_send(client.fixture.open[1], SLICE("b1"));
    talk(&client);
    http_send(client.fixture.open[1], SLICE("b2"));
    http_finish(client.fixture.open[1]);
    talk(&client);
    expect_heard(&client, "1:404 [a] 3:200 [b1b2] ");
    client_fini(&client);
}

static void heads_are_judged(void **state) {
    (void)state;
    struct client client;
    char long_value[2000];
    memset(long_value, 'x', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = 0;
    client_init(&client, true);
    (void)ask_with(&client, "GET", "/now", "evil.example", NULL, NULL, false);
    (void)ask_with(&client, "GET", "/a<b", "localhost", NULL, NULL, false);
    (void)ask_with(&client, "CONNECTED", "/%", "localhost", NULL, NULL, false);
    (void)ask_with(&client, "GET", "/now", "localhost", "expect", "magic", false);
    (void)ask_with(&client, "GET", "/now", "localhost", "host", "other", false);
    (void)ask_with(&client, "GET", "/now", "[::1]:80", "x", long_value, false);
    talk(&client);
    static const char *const wanted[] = {"1:421 [", "3:400 [", "5:400 [", "7:417 [", "9:400 [", "11:200 [ok]"};
    for (size_t i = 0; i < 6; i++)
        if (!fixture_has(&client.heard, wanted[i]))
            fail_msg("%s is not in %.*s", wanted[i], (int)client.heard.size, (const char *)client.heard.data);
    fixture_expect_said(&client.fixture, "GET /now 20 [] ");
    client_fini(&client);
}

static void heads_have_a_limit(void **state) {
    (void)state;
    struct client client;
    static char value[9000];
    memset(value, 'x', sizeof value - 1);
    client_init(&client, true);
    nghttp2_nv pairs[HTTP_FIELDS_MAX + 10] = {
        pair(":method", "GET"), pair(":scheme", "http"), pair(":authority", "localhost"),
        pair(":path", "/now"),  pair("a", value),        pair("b", value)};
    assert_true(nghttp2_submit_request(client.session, NULL, pairs, 6, NULL, NULL) > 0);
    for (int i = 4; i < HTTP_FIELDS_MAX + 10; i++)
        pairs[i] = pair("a", "b");
    assert_true(nghttp2_submit_request(client.session, NULL, pairs, HTTP_FIELDS_MAX + 10, NULL, NULL) > 0);
    (void)ask(&client, "GET", "/now");
    talk(&client);
    assert_true(fixture_has(&client.heard, "1:431 [") && fixture_has(&client.heard, "3:431 [") &&
                fixture_has(&client.heard, "5:200 [ok] "));
    client_fini(&client);
}

static void bodies_have_a_limit(void **state) {
    (void)state;
    struct client client;
    static char bytes[100000];
    memset(bytes, 'x', sizeof bytes);
    client_init(&client, true);
    upload(&client, "/now", bytes, sizeof bytes);
    talk(&client);
    expect_heard(&client, "1:200 [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx] ");
    client_fini(&client);
}

static void who_sends_too_much_is_told_and_need_not_go_on(void **state) {
    (void)state;
    struct client client;
    static char bytes[100001];
    client_init(&client, true);
    upload(&client, "/now", bytes, sizeof bytes);
    talk(&client);
    assert_true(fixture_has(&client.heard, "1:413 ["));
    (void)ask_with(&client, "PUT", "/now", "localhost", "content-length", "100001", true);
    client.upload_sent = 0;
    client.never_ends = true;
    client.upload_size = 10;
    talk(&client);
    assert_true(fixture_has(&client.heard, "3:413 [") && !fixture_has(&client.heard, "3:reset0 "));
    fixture_now_ms += HTTP_LINGER_MS_MAX;
    talk(&client);
    assert_true(fixture_has(&client.heard, "3:reset0 "));
    (void)ask_with(&client, "PUT", "/now", "localhost", "expect", "100-continue", true);
    talk(&client);
    assert_true(fixture_has(&client.heard, "5:100 "));
    fixture_expect_said(&client.fixture, "");
    client_fini(&client);
}

/* ------------------------------------------------------------------------------------------ endings */

static void a_reset_tells_the_handler(void **state) {
    (void)state;
    struct client client;
    client_init(&client, true);
    int32_t stream = ask(&client, "GET", "/a");
    talk(&client);
    http_start(client.fixture.open[0], 200, NULL, 0);
    talk(&client);
    assert_int_equal(nghttp2_submit_rst_stream(client.session, 0, stream, NGHTTP2_CANCEL), 0);
    talk(&client);
    fixture_expect_said(&client.fixture, "GET /a 20 [] gone ");
    (void)ask(&client, "GET", "/b");
    talk(&client);
    fixture_leave(&client.fixture);
    fixture_expect_said(&client.fixture, "GET /b 20 [] gone ");
    client_fini(&client);
}

static void an_aborted_answer_is_reset(void **state) {
    (void)state;
    struct client client;
    client_init(&client, true);
    (void)ask(&client, "GET", "/a");
    (void)ask(&client, "GET", "/b");
    talk(&client);
    http_start(client.fixture.open[0], 200, NULL, 0);
    http_send(client.fixture.open[0], SLICE("x"));
    talk(&client);
    http_abort(client.fixture.open[0]);
    http_abort(client.fixture.open[1]);
    talk(&client);
    expect_heard(&client, "1:reset2 3:reset2 ");
    fixture_expect_said(&client.fixture, "GET /a 20 [] GET /b 20 [] ");
    client_fini(&client);
}

static void a_stop_says_so_and_waits(void **state) {
    (void)state;
    struct client client;
    client_init(&client, true);
    (void)ask(&client, "GET", "/a");
    talk(&client);
    http_service_stop(&client.fixture.service);
    talk(&client);
    expect_heard(&client, "goaway0 ");
    assert_false(client.fixture.closed);
    http_respond(client.fixture.open[0], 200, NULL, 0, SLICE("last"));
    talk(&client);
    expect_heard(&client, "1:200 [last] ");
    assert_true(client.fixture.closed);
    client_fini(&client);
}

/* -------------------------------------------------------------------------------------------- abuse */

static void frame(struct fixture *fixture, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                  uint32_t size) {
    uint8_t bytes[9 + 256] = {
        (uint8_t)(size >> 16),   (uint8_t)(size >> 8),    (uint8_t)size,          type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    assert_true(size <= 256);
    if (size)
        memcpy(bytes + 9, payload, size);
    ssize_t sent = send(fixture->client, bytes, 9 + size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

static void raw_begin(struct fixture *fixture) {
    fixture_init(fixture);
    SEND(fixture, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(fixture, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    fixture_turn(fixture);
}

/* GET / of localhost: static table entries and one literal. */
static const uint8_t head_block[] = {0x82, 0x86, 0x84, 0x01, 9, 'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't'};

static void flood(uint8_t type, uint8_t flags, uint32_t size, uint32_t frames) {
    static const uint8_t payload[64];
    struct fixture fixture;
    raw_begin(&fixture);
    if (type == NGHTTP2_DATA)
        frame(&fixture, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, head_block, sizeof head_block);
    fixture_turn(&fixture);
    int64_t held = fixture.scarce.held;
    uint32_t sent = 0;
    while (!fixture.closed && sent < frames) {
        for (int i = 0; i < 50; i++, sent++)
            frame(&fixture, type, flags, type == NGHTTP2_DATA || type == NGHTTP2_PRIORITY ? 1 : 0, payload, size);
        fixture_turn(&fixture);
        assert_true(fixture.scarce.held < held + 256 * 1024);
    }
    if (!fixture.closed)
        fail_msg("%u frames of type %u are let through", sent, type);
    assert_true(atomic_load(&fixture.service.counts.calmed) == 1);
    fixture_fini(&fixture);
}

static void floods_end_the_connection(void **state) {
    (void)state;
    flood(NGHTTP2_PING, 0, 8, 10000);
    flood(NGHTTP2_SETTINGS, 0, 0, 10000);
    flood(NGHTTP2_DATA, 0, 0, 10000);
    flood(NGHTTP2_PRIORITY, 0, 5, 10000);
}

static void steady_pings_do_not(void **state) {
    (void)state;
    static const uint8_t payload[8];
    struct fixture fixture;
    raw_begin(&fixture);
    for (int second = 0; second < 50; second++) {
        for (int i = 0; i < 100; i++)
            frame(&fixture, NGHTTP2_PING, 0, 0, payload, 8);
        fixture_pass(&fixture, 1000);
    }
    assert_false(fixture.closed);
    fixture_pass(&fixture, 10000); /* but they are no requests */
    assert_true(fixture.closed);
    fixture_fini(&fixture);
}

/* CVE-2023-44487: requests that are taken back at once. */
static void rapid_resets_end_the_connection(void **state) {
    (void)state;
    static const uint8_t cancel[4] = {0, 0, 0, 8};
    struct fixture fixture;
    raw_begin(&fixture);
    uint32_t stream = 1;
    for (; !fixture.closed && stream < 20000; stream += 2) {
        frame(&fixture, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, stream, head_block,
              sizeof head_block);
        frame(&fixture, NGHTTP2_RST_STREAM, 0, stream, cancel, 4);
        fixture_turn(&fixture);
        fixture.open_count = 0;
        assert_true(fixture.service.count == 0 || fixture.service.first->exchange_count <= HTTP_STREAMS_MAX);
    }
    assert_true(fixture.closed && stream < 2 * 2100);
    fixture_fini(&fixture);
}

static void a_head_without_end_ends_the_connection(void **state) {
    (void)state;
    static const uint8_t more[200] = {0x00, 1, 'x', 127, 0x40}; /* a literal of 191 bytes, which never comes whole */
    struct fixture fixture;
    raw_begin(&fixture);
    frame(&fixture, NGHTTP2_HEADERS, 0, 1, head_block, sizeof head_block);
    uint32_t sent = 0;
    for (; !fixture.closed && sent < 1000; sent++) {
        frame(&fixture, NGHTTP2_CONTINUATION, 0, 1, more, sizeof more);
        fixture_turn(&fixture);
    }
    assert_true(fixture.closed && sent < 50);
    fixture_fini(&fixture);
    raw_begin(&fixture); /* slowly */
    frame(&fixture, NGHTTP2_HEADERS, 0, 1, head_block, sizeof head_block);
    fixture_pass(&fixture, 0);
    fixture_pass(&fixture, HTTP_HEAD_MS_MAX - 1);
    assert_false(fixture.closed);
    fixture_pass(&fixture, 1);
    assert_true(fixture.closed);
    fixture_fini(&fixture);
}

static void more_streams_than_allowed_are_refused(void **state) {
    (void)state;
    struct fixture fixture;
    raw_begin(&fixture);
    for (uint32_t i = 0; i < 150; i++)
        frame(&fixture, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 2 * i + 1, head_block,
              sizeof head_block);
    fixture_turn(&fixture);
    assert_int_equal(fixture.open_count, HTTP_STREAMS_MAX);
    assert_int_equal(fixture.service.first->exchange_count, HTTP_STREAMS_MAX);
    fixture_fini(&fixture);
}

/* Answers are made and no window is opened for them. */
static void answers_without_a_window_are_bounded_and_end(void **state) {
    (void)state;
    struct client client;
    static char body[90000];
    client_init(&client, false);
    for (int i = 0; i < 40; i++) {
        upload(&client, "/now", body, sizeof body);
        talk(&client);
    }
    uint64_t held = atomic_load(&client.fixture.service.counts.held_bytes);
    if (held > HTTP_UNSENT_MAX + 2 * sizeof body + client.fixture.service.limits.body_max)
        fail_msg("%llu bytes are held", (unsigned long long)held);
    fixture_now_ms += HTTP_UNREAD_MS_MAX + 200000;
    talk(&client);
    assert_true(fixture_has(&client.heard, ":reset8 "));
    assert_true(atomic_load(&client.fixture.service.counts.unread) > 0);
    client_fini(&client);
}

static void an_upload_that_stands_still_is_ended(void **state) {
    (void)state;
    struct client client;
    client_init(&client, true);
    client.never_ends = true;
    upload(&client, "/now", "hello", 5);
    talk(&client);
    fixture_now_ms += HTTP_BODY_MS_MAX + 4;
    talk(&client);
    expect_heard(&client, "");
    fixture_now_ms += 1;
    talk(&client);
    assert_true(fixture_has(&client.heard, "1:408 ["));
    fixture_now_ms += HTTP_LINGER_MS_MAX;
    talk(&client);
    assert_true(fixture_has(&client.heard, "1:reset0 "));
    client_fini(&client);
}

static void idle_connections_are_told_to_go(void **state) {
    (void)state;
    struct client client;
    client_init(&client, true);
    (void)ask(&client, "GET", "/now");
    talk(&client);
    expect_heard(&client, "1:200 [ok] ");
    fixture_now_ms += HTTP_IDLE_MS_MAX;
    talk(&client);
    expect_heard(&client, "goaway0 ");
    assert_true(client.fixture.closed);
    client_fini(&client);
}

/* ------------------------------------------------------------------------------------------- memory */

static void without_memory_one_connection_ends_and_no_other(void **state) {
    (void)state;
    bool failed = true;
    uint64_t n = 0;
    for (; failed; n++) {
        struct client client;
        static char body[5000];
        client_init(&client, true);
        struct fixture *fixture = &client.fixture;
        int other = fixture_connect(fixture);
        fixture_turn(fixture);
        fixture->scarce.left = n;
        fixture->scarce.once = true;
        (void)ask(&client, "GET", "/now");
        upload(&client, "/now", body, sizeof body);
        (void)ask(&client, "GET", "/a");
        talk(&client);
        if (fixture->open_count && fixture->open[0]) {
            http_start(fixture->open[0], 200, NULL, 0);
            http_send(fixture->open[0], slice_make(body, sizeof body));
            http_finish(fixture->open[0]);
        }
        talk(&client);
        failed = fixture->scarce.failed;
        fixture->scarce.left = SCARCE_NEVER;
        assert_true(failed || fixture_has(&client.heard, "5:200 ["));
        close(fixture->client);
        fixture->client = other;
        fixture->closed = false;
        buf_clear(&fixture->received);
        SEND(fixture, "GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_true(fixture_has(&fixture->received, "HTTP/1.1 200 OK"));
        client_fini(&client);
    }
    assert_true(n > 30);
}

UNIT_TESTS(http2, UNIT(requests_are_answered), UNIT(the_first_bytes_say_which_version),
           UNIT(streams_stand_side_by_side), UNIT(heads_are_judged), UNIT(heads_have_a_limit),
           UNIT(bodies_have_a_limit), UNIT(who_sends_too_much_is_told_and_need_not_go_on),
           UNIT(a_reset_tells_the_handler), UNIT(an_aborted_answer_is_reset), UNIT(a_stop_says_so_and_waits),
           UNIT(floods_end_the_connection), UNIT(steady_pings_do_not), UNIT(rapid_resets_end_the_connection),
           UNIT(a_head_without_end_ends_the_connection), UNIT(more_streams_than_allowed_are_refused),
           UNIT(answers_without_a_window_are_bounded_and_end), UNIT(an_upload_that_stands_still_is_ended),
           UNIT(idle_connections_are_told_to_go), UNIT(without_memory_one_connection_ends_and_no_other));
