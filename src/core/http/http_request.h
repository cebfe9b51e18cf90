/* core/http/http_request.h: the head of a request of HTTP/1.1 (RFC 9112), and no other.
 *
 *     PUT /v1/keys/a?ttl=30s HTTP/1.1\r\n Host: localhost\r\n Content-Length: 3\r\n \r\n abc
 *     ^ the front                                              ^ `position`             ^ http_body.h
 *
 * Servers and proxies that read the same bytes differently are how requests are smuggled past somebody. So what can be read in two ways is refused, and whoever refuses
 * closes: a line feed alone, a space before a colon, a line that goes on in the next one, more than one length, a length beside a coding, any coding but `chunked` alone,
 * control characters, no Host or two of them, targets with bytes that have to be encoded.
 *
 * The parser goes line by line and remembers how far it has searched, so no byte is read twice; what it finds it keeps as places. The input may stand elsewhere at each call as
 * long as the front stays the front.
 *
 * Threads: one owner at a time.
 * Memory:  none but the parser's own; the parts of a head point into the bytes that http_request_head is handed.
 * Errors:  after HTTP_REFUSED every further call answers it again.
 */
#ifndef STRATA_CORE_HTTP_HTTP_REQUEST_H
#define STRATA_CORE_HTTP_HTTP_REQUEST_H

#include "core/http/http_text.h"

enum {
    HTTP_HEAD_SIZE_MAX = 16 * 1024, /* with an empty line before it */
    HTTP_TARGET_SIZE_MAX = 8 * 1024,
    HTTP_METHOD_SIZE_MAX = 32,
    HTTP_FIELDS_MAX = 100,
};

enum http_result {
    HTTP_MORE,    /* not complete */
    HTTP_DONE,    /* a whole head; its bytes are http_request_head's */
    HTTP_REFUSED, /* http_refusal says why; answer and close */
};

struct http_refusal {
    uint16_t status;
    const char *reason; /* a sentence */
};

enum http_length { HTTP_NO_BODY, HTTP_SIZED, HTTP_CHUNKED };

struct http_head {
    struct slice method;
    struct slice target;      /* path and query, whatever the form; "*" */
    struct slice path, query; /* of `target` */
    struct slice authority;   /* of the target if it names one, else of Host */
    struct http_field fields[HTTP_FIELDS_MAX];
    uint32_t field_count;
    uint64_t body_size; /* of HTTP_SIZED */
    uint8_t length;     /* enum http_length */
    uint8_t version;    /* 10, 11 */
    bool closes;        /* the client wants no other answer on this connection, or cannot */
    bool continues;     /* it waits for 100 before it sends the body */
};

struct http_place {
    uint16_t at, size; /* in a head of 16 KiB */
};

struct http_parser {   /* visible because a connection embeds one; only the calls below touch it */
    uint32_t position; /* input bytes understood so far */
    uint32_t searched; /* input bytes behind `position` known to end no line */
    uint32_t field_count;
    bool begun, done; /* the request line was read; all was */
    uint8_t version;
    struct http_place method, target, authority; /* authority of size 0: Host has it */
    struct http_place names[HTTP_FIELDS_MAX], values[HTTP_FIELDS_MAX];
    struct http_refusal refusal; /* status 0: none */
};

void http_parser_init(struct http_parser *parser);
/* `input`: everything received from the front on. */
enum http_result http_parse(struct http_parser *parser, struct slice input);
/* Bytes of the head, after HTTP_DONE. */
static inline size_t http_head_size(const struct http_parser *parser) { return parser->position; }
/* After HTTP_DONE: what the head at `bytes` says; names of fields are made small where they stand. HTTP_REFUSED: what its fields say together makes no sense. */
enum http_result http_request_head(struct http_parser *parser, uint8_t *bytes, struct http_head *ret_head);
static inline struct http_refusal http_refusal(const struct http_parser *parser) { return parser->refusal; }

/* A path with or without query: visible characters, percent signs with two digits. For targets that come by HTTP/2, too. */
bool http_is_target(struct slice text);
/* Parts a target at its question mark. */
void http_target_split(struct slice target, struct slice *ret_path, struct slice *ret_query);

#endif
