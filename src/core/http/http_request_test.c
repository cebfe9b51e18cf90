#include "core/http/http_request.h"

#include "base/buf.h"
#include "base/rng.h"
#include "core/http/http_body.h"
#include "unit.h"

enum { BODY_MAX = 1000 };

/* What one request came to, as text: "GET /a?b HOST name=value ... |body" or "!400 reason". "..." behind it: it is not over. */
struct reading {
    struct buf said;
    uint8_t *copy; /* of what has arrived, in memory of its own size, so that reads beyond it are noticed */
    size_t head_size, body_at;
    struct http_parser parser;
    struct http_body body;
    struct http_head head;
    bool has_head, over;
};

static void say(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct reading *reading, const char *format, ...) {
    char text[512];
    va_list rest;
    va_start(rest, format);
    vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    assert_int_equal(buf_append(&reading->said, text, strlen(text)), STATUS_OK);
}

static void say_slice(struct reading *reading, struct slice text) {
    assert_int_equal(buf_append_slice(&reading->said, text), STATUS_OK);
}

static void say_refusal(struct reading *reading, struct http_refusal refusal) {
    buf_clear(&reading->said);
    assert_true(refusal.status >= 400 && refusal.status < 600 && refusal.reason);
    say(reading, "!%u %s", refusal.status, refusal.reason);
    reading->over = true;
}

static void say_head(struct reading *reading) {
    const struct http_head *head = &reading->head;
    say_slice(reading, head->method);
    say(reading, " ");
    say_slice(reading, head->path);
    say(reading, "%s", head->query.data ? "?" : "");
    say_slice(reading, head->query);
    say(reading, " ");
    say_slice(reading, head->authority);
    say(reading, " %u%s%s", head->version, head->closes ? " closes" : "", head->continues ? " continues" : "");
    for (uint32_t i = 0; i < head->field_count; i++) {
        say(reading, " ");
        say_slice(reading, head->fields[i].name);
        say(reading, "=");
        say_slice(reading, head->fields[i].value);
    }
    say(reading, " |");
}

static void read_head(struct reading *reading, size_t size) {
    enum http_result result = http_parse(&reading->parser, slice_make(reading->copy, size));
    if (result == HTTP_DONE)
        result = http_request_head(&reading->parser, reading->copy, &reading->head);
    reading->head_size = http_head_size(&reading->parser);
    if (result == HTTP_MORE)
        return;
    if (result == HTTP_REFUSED) {
        say_refusal(reading, http_refusal(&reading->parser));
        assert_int_equal(http_parse(&reading->parser, slice_make(reading->copy, size)), HTTP_REFUSED);
        return;
    }
    assert_true(reading->head_size <= size && reading->head_size <= HTTP_HEAD_SIZE_MAX);
    reading->has_head = true;
    reading->body_at = reading->head_size;
    say_head(reading);
    result = http_body_begin(&reading->body, &reading->head, BODY_MAX);
    if (result == HTTP_REFUSED)
        say_refusal(reading, reading->body.refusal);
    reading->over |= result == HTTP_DONE;
}

static void read_body(struct reading *reading, size_t size) {
    while (!reading->over && reading->body_at < size) {
        size_t taken;
        struct slice part;
        struct slice rest = slice_make(reading->copy + reading->body_at, size - reading->body_at);
        enum http_result result = http_body_read(&reading->body, rest, &taken, &part);
        if (result == HTTP_REFUSED) {
            say_refusal(reading, reading->body.refusal);
            return;
        }
        assert_true(taken > 0 && taken <= rest.size && part.size <= taken);
        say_slice(reading, part);
        reading->body_at += taken;
        reading->over = result == HTTP_DONE;
        assert_true(result == HTTP_DONE || part.size || taken == rest.size);
    }
}

/* In pieces of this size, the first of `cut` bytes. */
static void read_in_pieces(struct reading *reading, struct slice input, size_t cut, size_t piece) {
    *reading = (struct reading){0};
    buf_init(&reading->said, &memory_libc);
    http_parser_init(&reading->parser);
    for (size_t size = 0; size < input.size && !reading->over;) {
        size = size == 0 && cut ? cut : size + piece;
        size = size < input.size ? size : input.size;
        uint8_t *next = malloc(size);
        assert_non_null(next);
        memcpy(next, input.data, size);
        free(reading->copy);
        reading->copy = next;
        if (!reading->has_head)
            read_head(reading, size);
        if (reading->has_head)
            read_body(reading, size);
    }
    if (!reading->over)
        say(reading, "...");
    assert_int_equal(buf_append(&reading->said, "", 1), STATUS_OK);
}

static void end_reading(struct reading *reading) {
    free(reading->copy);
    buf_fini(&reading->said);
}

static void expect_read(struct slice input, size_t cut, size_t piece, const char *wanted) {
    struct reading reading;
    read_in_pieces(&reading, input, cut, piece);
    const char *said = (const char *)reading.said.data;
    bool same = wanted[0] == '!' && strlen(wanted) == 4 ? strncmp(said, wanted, 4) == 0 : strcmp(said, wanted) == 0;
    if (!same)
        fail_msg("cut %zu, pieces of %zu: %s and not %s", cut, piece, said, wanted);
    end_reading(&reading);
}

/* Whole, byte by byte, and cut at every byte (of long ones at every 97th). */
static void expect(struct slice input, const char *wanted) {
    expect_read(input, 0, input.size, wanted);
    if (input.size <= 4096)
        expect_read(input, 0, 1, wanted);
    for (size_t cut = 1; cut<input.size; cut += input.size> 600 ? 97 : 1)
        expect_read(input, cut, input.size, wanted);
}

#define EXPECT(text, wanted) expect(SLICE(text), wanted)

static void plain_requests_are_read(void **state) {
    (void)state;
    EXPECT("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / a 11 host=a |");
    EXPECT("\r\nGET /x?y=1 HTTP/1.1\r\nHOST:a:80 \r\nX-Y:\t v w \t\r\nEmpty:\r\n\r\n",
           "GET /x?y=1 a:80 11 host=a:80 x-y=v w empty= |");
    EXPECT("PURGE /a%2fb HTTP/1.1\r\nhost: [::1]:7\r\nConnection: x, Close\r\n\r\n",
           "PURGE /a%2fb [::1]:7 11 closes host=[::1]:7 connection=x, Close |");
    EXPECT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * a 11 host=a |");
    EXPECT("GET http://b:1/p?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p?q b:1 11 host=a |");
    EXPECT("GET HTTPS://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / b 11 host=a |");
    EXPECT("GET / HTTP/1.0\r\n\r\n", "GET /  10 closes |");
    EXPECT("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
           "GET / a 10 closes host=a connection=keep-alive |");
    EXPECT("GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "GET /? a 11 host=a |");
    EXPECT("GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n", "GET / a 11 host=a x=\xc3\xa9 |");
    EXPECT("GET / HTTP/1.1\r\nHost: a\r\n", "...");
}

static void bodies_are_read(void **state) {
    (void)state;
    EXPECT("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "PUT / a 11 host=a content-length=5 |hello");
    EXPECT("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", "PUT / a 11 host=a content-length=5 |hel...");
    EXPECT("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET", "PUT / a 11 host=a content-length=0 |");
    EXPECT("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
           "PUT / a 11 continues host=a expect=100-Continue content-length=1 |x");
    EXPECT(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00a;x=\"y\"\r\n, "
        "worlds!!\r\n0\r\n\r\n",
        "PUT / a 11 host=a transfer-encoding=Chunked |hello, worlds!!");
    EXPECT("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n000\r\nA: b\r\nC-d:\r\n\r\nGET",
           "PUT / a 11 host=a transfer-encoding=chunked |x");
    EXPECT("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "PUT / a 11 host=a transfer-encoding=chunked |");
}

/* What proxies and servers have read differently. */
#define WITH(fields) "POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n\r\n0\r\n\r\n"
static const struct shape {
    const char *text, *wanted;
} double_meanings[] = {
    {WITH("Content-Length: 5\r\nTransfer-Encoding: chunked"), "!400"},
    {WITH("Transfer-Encoding: chunked\r\nContent-Length: 5"), "!400"},
    {WITH("Content-Length: 5\r\nContent-Length: 5"), "!400"},
    {WITH("Content-Length: 5\r\nContent-Length: 6"), "!400"},
    {WITH("Content-Length: 5, 5"), "!400"},
    {WITH("Content-Length: +5"), "!400"},
    {WITH("Content-Length: -5"), "!400"},
    {WITH("Content-Length: 0x5"), "!400"},
    {WITH("Content-Length: 05"), "!400"},
    {WITH("Content-Length: 5 5"), "!400"},
    {WITH("Content-Length:"), "!400"},
    {WITH("Content-Length: 1.0"), "!400"},
    {WITH("Content-Length: 18446744073709551617"), "!400"},
    {WITH("Content-Length: 9999999999999999999"), "!400"},
    {WITH("Content-Length : 5"), "!400"},
    {WITH("Content-Length\t: 5"), "!400"},
    {WITH("Transfer-Encoding : chunked"), "!400"},
    {WITH("Transfer-Encoding:\x0b"
          "chunked"),
     "!400"},
    {WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "!400"},
    {WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), "!400"},
    {WITH("Transfer-Encoding: identity"), "!501"},
    {WITH("Transfer-Encoding: gzip, chunked"), "!501"},
    {WITH("Transfer-Encoding: chunked, chunked"), "!501"},
    {WITH("Transfer-Encoding: chunked,"), "!501"},
    {WITH("Transfer-Encoding: xchunked"), "!501"},
    {WITH("Transfer-Encoding: \"chunked\""), "!501"},
    {WITH("Transfer-Encoding: chunked;x"), "!501"},
    {WITH("Transfer-Encoding:"), "!501"},
    {WITH(" X: folded"), "!400"},
    {WITH("X: a\r\n folded"), "!400"},
    {WITH("X: a\r\n\tTransfer-Encoding: chunked"), "!400"},
    {WITH("no colon"), "!400"},
    {WITH(": no name"), "!400"},
    {WITH("X\xc3\xa9: a"), "!400"},
    {WITH("X(y): a"), "!400"},
    {WITH("X: a\x01"), "!400"},
    {WITH("X: a\x7f"), "!400"},
    {WITH("X: a\rY: b"), "!400"},
    {WITH("X: a\nY: b"), "!400"},
    {WITH("X: a\r\r\nY: b"), "!400"},
    {WITH("Host: a"), "!400"},
    {WITH("Host: b"), "!400"},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "!400"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!400"},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "!400"},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "!400"},
    {"GET / HTTP/1.1\r\n\r\n", "!400"},
    {"GET / HTTP/1.1\nHost: a\n\n", "!400"},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", "!400"},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", "!400"},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "!400"},
    {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /\r\nHost: a\r\n\r\n", "!400"},
    {"GET\r\nHost: a\r\n\r\n", "!400"},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET / HTTP/1.1x\r\nHost: a\r\n\r\n", "!400"},
    {"GET / HTTP/11\r\nHost: a\r\n\r\n", "!400"},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "!505"},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "!505"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!505"},
    {"G\xc3\xa9T / HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"\x16\x03\x01\x02", "!400"},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "!501"},
    {"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /\\x HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "!400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", "!417"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", "!413"},
};

static void what_can_be_read_in_two_ways_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof double_meanings / sizeof *double_meanings; i++)
        expect(slice_from_string(double_meanings[i].text), double_meanings[i].wanted);
    expect(SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), "!400");
    expect(SLICE("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"), "!400");
}

static void chunks_are_read_in_one_way_only(void **state) {
    (void)state;
#define CHUNKED(body) "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" body
    static const struct {
        const char *text, *wanted;
    } shapes[] = {
        {CHUNKED("\r\n"), "!400"},
        {CHUNKED("x\r\n"), "!400"},
        {CHUNKED("0x1\r\nx\r\n"), "!400"},
        {CHUNKED("+1\r\nx\r\n"), "!400"},
        {CHUNKED("-1\r\nx\r\n"), "!400"},
        {CHUNKED(" 1\r\nx\r\n"), "!400"},
        {CHUNKED("1 \r\nx\r\n"), "!400"},
        {CHUNKED("1 ;a\r\nx\r\n"), "!400"},
        {CHUNKED("1\nx\r\n"), "!400"},
        {CHUNKED("1\rx\r\n"), "!400"},
        {CHUNKED("1;a\nb\r\nx\r\n"), "!400"},
        {CHUNKED("1;a\r\r\nx\r\n"), "!400"},
        {CHUNKED("1\r\nxx\r\n"), "!400"},
        {CHUNKED("1\r\nx\n"), "!400"},
        {CHUNKED("1\r\nx\r1\r\n"), "!400"},
        {CHUNKED("1\r\nx0\r\n\r\n"), "!400"},
        {CHUNKED("0\r\n x\r\n\r\n"), "!400"},
        {CHUNKED("0\r\nx\r\n\r\n"), "!400"},
        {CHUNKED("0\r\n: x\r\n\r\n"), "!400"},
        {CHUNKED("0\r\nx y: z\r\n\r\n"), "!400"},
        {CHUNKED("0\r\nx: \x01\r\n\r\n"), "!400"},
        {CHUNKED("0\r\nx: y\n\r\n"), "!400"},
        {CHUNKED("0\r\n\n"), "!400"},
        {CHUNKED("0\r\n\rx"), "!400"},
        {CHUNKED("3e9\r\n"), "!413"},
        {CHUNKED("fffffffffffffff\r\n"), "!413"},
        {CHUNKED("1000000000000000\r\n"), "!413"},
        {CHUNKED("ffffffffffffffff0\r\n"), "!413"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        expect(slice_from_string(shapes[i].text), shapes[i].wanted);
    /* Not a byte more in all than in one. */
    struct buf text;
    buf_init(&text, &memory_libc);
    assert_int_equal(buf_append_slice(&text, SLICE(CHUNKED("1f4\r\n"))), STATUS_OK);
    for (int i = 0; i < 500; i++)
        assert_int_equal(buf_append(&text, "y", 1), STATUS_OK);
    assert_int_equal(buf_append_slice(&text, SLICE("\r\n1f5\r\n")), STATUS_OK);
    expect(buf_slice(&text), "!413");
    buf_fini(&text);
}

static void repeat(struct buf *text, const char *what, size_t times) {
    for (size_t i = 0; i < times; i++)
        assert_int_equal(buf_append(text, what, strlen(what)), STATUS_OK);
}

/* `before`, so many of `what`, `after`. */
static void expect_long(const char *before, const char *what, size_t times, const char *after, const char *wanted) {
    struct buf text;
    buf_init(&text, &memory_libc);
    repeat(&text, before, 1);
    repeat(&text, what, times);
    repeat(&text, after, 1);
    struct reading reading;
    for (size_t piece = 61; piece <= text.size * 61; piece *= 61) {
        read_in_pieces(&reading, buf_slice(&text), 0, piece);
        if (strncmp((const char *)reading.said.data, wanted, strlen(wanted)) != 0)
            fail_msg("%zu of '%s' in pieces of %zu: %.100s and not %s", times, what, piece, (char *)reading.said.data,
                     wanted);
        end_reading(&reading);
    }
    buf_fini(&text);
}

static void what_grows_has_a_limit(void **state) {
    (void)state;
    const char *end = " HTTP/1.1\r\nHost: a\r\n\r\n";
    expect_long("GET /", "x", HTTP_TARGET_SIZE_MAX - 1, end, "GET /xxx");
    expect_long("GET /", "x", HTTP_TARGET_SIZE_MAX, end, "!414");
    expect_long("GET /", "x", 20000, end, "!414");
    expect_long("GET /", "x", 20000, "", "!414");
    expect_long("", "X", HTTP_METHOD_SIZE_MAX, " / HTTP/1.1\r\nHost: a\r\n\r\n", "XXXX");
    expect_long("", "X", HTTP_METHOD_SIZE_MAX + 1, " / HTTP/1.1\r\nHost: a\r\n\r\n", "!501");
    expect_long("", "X", 20000, "", "!414");
    expect_long("GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n", HTTP_FIELDS_MAX - 1, "\r\n", "GET / a 11");
    expect_long("GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n", HTTP_FIELDS_MAX, "\r\n", "!431");
    expect_long("GET / HTTP/1.1\r\nHost: a\r\nX: ", "y", HTTP_HEAD_SIZE_MAX - 32, "\r\n\r\n", "GET / a 11");
    expect_long("GET / HTTP/1.1\r\nHost: a\r\nX: ", "y", HTTP_HEAD_SIZE_MAX - 31, "\r\n\r\n", "!431");
    expect_long("GET / HTTP/1.1\r\nHost: a\r\nX: ", "y", HTTP_HEAD_SIZE_MAX, "", "!431");
    expect_long("GET / HTTP/1.1\r\nHost: a\r\n", "y", HTTP_HEAD_SIZE_MAX, "", "!431");
    expect_long(CHUNKED("1;"), "x", HTTP_CHUNK_LINE_MAX, "\r\nx\r\n0\r\n\r\n", "POST");
    expect_long(CHUNKED("1;"), "x", HTTP_CHUNK_LINE_MAX + 1, "\r\nx\r\n0\r\n\r\n", "!400");
    expect_long(CHUNKED(""), "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\ny\r\n", 102, "0\r\n\r\n", "POST");
    expect_long(CHUNKED(""), "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\ny\r\n", 103, "0\r\n\r\n", "!400");
    expect_long(CHUNKED("0\r\n"), "X: y\r\n", 600, "\r\n", "POST");
    expect_long(CHUNKED("0\r\n"), "X: y\r\n", 1000, "\r\n", "!431");
}

/* Requests with bytes changed: however they arrive, they come to the same. */
static void pieces_do_not_matter(void **state) {
    (void)state;
    static const char *const models[] = {
        "PUT /v1/keys/a%2fb?ttl=3 HTTP/1.1\r\nHost: a:8\r\nContent-Length: 5\r\nX-Y: z\r\n\r\nhello",
        CHUNKED("5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n"),
        "\r\nGET http://b/ HTTP/1.0\r\nConnection: close\r\n\r\n",
    };
    static const char bytes[] = "\r\n\t :;,%/*0159aAxXfF\x01\x7f\xff";
    struct rng rng = rng_seeded(unit_seed());
    for (int round = 0; round < 20000; round++) {
        char text[256];
        size_t size = (size_t)snprintf(text, sizeof text, "%s", models[rng_below(&rng, 3)]);
        for (uint64_t change = rng_below(&rng, 4); change > 0; change--) {
            size_t at = (size_t)rng_below(&rng, size);
            if (rng_below(&rng, 3) == 0) {
                memmove(text + at, text + at + 1, size - at);
                size--;
            } else {
                text[at] = bytes[rng_below(&rng, sizeof bytes - 1)];
            }
        }
        struct reading whole, pieces;
        read_in_pieces(&whole, slice_make(text, size), 0, size);
        read_in_pieces(&pieces, slice_make(text, size), 0, 1 + rng_below(&rng, 9));
        if (strcmp((char *)whole.said.data, (char *)pieces.said.data) != 0)
            fail_msg("seed %llu, round %d: %s, and in pieces %s", (unsigned long long)unit_seed(), round,
                     (char *)whole.said.data, (char *)pieces.said.data);
        end_reading(&whole);
        end_reading(&pieces);
    }
}

UNIT_TESTS(http_request, UNIT(plain_requests_are_read), UNIT(bodies_are_read),
           UNIT(what_can_be_read_in_two_ways_is_refused), UNIT(chunks_are_read_in_one_way_only),
           UNIT(what_grows_has_a_limit), UNIT(pieces_do_not_matter));
