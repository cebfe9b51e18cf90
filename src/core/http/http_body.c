#include "core/http/http_body.h"

#include "base/assert.h"
#include "base/hex.h"

enum { SIZE_DIGITS_MAX = 15 };

enum state {
    BODY_SIZED,
    CHUNK_SIZE,      /* digits */
    CHUNK_EXTENSION, /* up to the line's end */
    CHUNK_LINE_FEED,
    CHUNK_DATA,
    CHUNK_DATA_RETURN,
    CHUNK_DATA_LINE_FEED,
    TRAILER_NAME, /* or the last line's end */
    TRAILER_VALUE,
    TRAILER_LINE_FEED,
    LAST_LINE_FEED,
    BODY_DONE,
};

static enum http_result refuse(struct http_body *body, uint16_t status, const char *reason) {
    body->refusal = (struct http_refusal){status, reason};
    return HTTP_REFUSED;
}

enum http_result http_body_begin(struct http_body *body, const struct http_head *head, uint64_t size_max) {
    *body = (struct http_body){.size_max = size_max};
    body->state = head->length == HTTP_CHUNKED ? CHUNK_SIZE : head->length == HTTP_SIZED ? BODY_SIZED : BODY_DONE;
    if (head->length != HTTP_SIZED)
        return body->state == BODY_DONE ? HTTP_DONE : HTTP_MORE;
    if (head->body_size > size_max)
        return refuse(body, 413, "the body is larger than http-max-body or http-max-memory allows");
    body->left = head->body_size;
    return HTTP_MORE;
}

/* The digits are over. */
static enum http_result end_size(struct http_body *body, uint8_t byte) {
    if (body->digits == 0 || (byte != ';' && byte != '\r'))
        return refuse(body, 400, "the size of a chunk is no number");
    if (body->left > body->size_max - body->received)
        return refuse(body, 413, "the body is larger than http-max-body or http-max-memory allows");
    body->state = byte == ';' ? CHUNK_EXTENSION : CHUNK_LINE_FEED;
    return HTTP_MORE;
}

static enum http_result read_size(struct http_body *body, uint8_t byte) {
    int value = hex_value(byte);
    if (value < 0)
        return end_size(body, byte);
    if (body->digits == SIZE_DIGITS_MAX)
        return refuse(body, 413, "the size of a chunk is too large");
    body->digits++;
    body->left = body->left * 16 + (unsigned)value;
    return HTTP_MORE;
}

static enum http_result read_extension(struct http_body *body, uint8_t byte) {
    if (byte == '\r')
        body->state = CHUNK_LINE_FEED;
    else if (!http_is_value(slice_make(&byte, 1)))
        return refuse(body, 400, "an extension of a chunk has control characters");
    else if (++body->line_size > HTTP_CHUNK_LINE_MAX || ++body->extensions_size > HTTP_EXTENSIONS_MAX)
        return refuse(body, 400, "there are too many extensions of chunks");
    return HTTP_MORE;
}

static void begin_chunk(struct http_body *body) {
    body->state = CHUNK_SIZE;
    body->left = 0;
    body->digits = 0;
    body->line_size = 0;
}

static void begin_trailer(struct http_body *body) {
    body->state = TRAILER_NAME;
    body->name_begun = false;
}

static enum http_result read_trailer(struct http_body *body, uint8_t byte) {
    if (++body->trailers_size > HTTP_TRAILERS_MAX)
        return refuse(body, 431, "there are too many trailers");
    if (body->state == TRAILER_NAME && byte == '\r' && !body->name_begun) {
        body->state = LAST_LINE_FEED;
    } else if (body->state == TRAILER_NAME && byte == ':' && body->name_begun) {
        body->state = TRAILER_VALUE;
    } else if (body->state == TRAILER_NAME) {
        if (!http_is_token_byte(byte))
            return refuse(body, 400, "the name of a trailer does not end at a colon");
        body->name_begun = true;
    } else if (byte == '\r') {
        body->state = TRAILER_LINE_FEED;
    } else if (!http_is_value(slice_make(&byte, 1))) {
        return refuse(body, 400, "the value of a trailer has control characters");
    }
    return HTTP_MORE;
}

/* Each of these bytes can be no other. */
static enum http_result read_fixed(struct http_body *body, uint8_t byte) {
    uint8_t wanted = body->state == CHUNK_DATA_RETURN ? '\r' : '\n';
    if (byte != wanted)
        return refuse(body, 400,
                      wanted == '\r' ? "a chunk does not end where it should" : "a line ends with no line feed");
    if (body->state == CHUNK_DATA_RETURN)
        body->state = CHUNK_DATA_LINE_FEED;
    else if (body->state == CHUNK_DATA_LINE_FEED)
        begin_chunk(body);
    else if (body->state == TRAILER_LINE_FEED)
        begin_trailer(body);
    else if (body->state == LAST_LINE_FEED)
        body->state = BODY_DONE;
    else if (body->left)
        body->state = CHUNK_DATA;
    else
        begin_trailer(body);
    return body->state == BODY_DONE ? HTTP_DONE : HTTP_MORE;
}

static enum http_result read_framing(struct http_body *body, uint8_t byte) {
    switch ((enum state)body->state) {
        case CHUNK_SIZE:
            return read_size(body, byte);
        case CHUNK_EXTENSION:
            return read_extension(body, byte);
        case TRAILER_NAME:
        case TRAILER_VALUE:
            return read_trailer(body, byte);
        default:
            return read_fixed(body, byte);
    }
}

/* The part that is here; afterwards the body goes on in another way, or ends. */
static struct slice take_part(struct http_body *body, struct slice input) {
    struct slice part = slice_part(input, 0, body->left < input.size ? (size_t)body->left : input.size);
    body->left -= part.size;
    body->received += part.size;
    if (body->left == 0)
        body->state = body->state == BODY_SIZED ? BODY_DONE : CHUNK_DATA_RETURN;
    return part;
}

enum http_result http_body_read(struct http_body *body, struct slice input, size_t *ret_taken, struct slice *ret_part) {
    size_t at = 0;
    *ret_part = (struct slice){NULL, 0};
    *ret_taken = 0;
    if (body->refusal.status)
        return HTTP_REFUSED;
    while (at < input.size && body->state != BODY_DONE) {
        if (body->state == BODY_SIZED || body->state == CHUNK_DATA) {
            *ret_part = take_part(body, slice_part(input, at, SIZE_MAX));
            *ret_taken = at + ret_part->size;
            return body->state == BODY_DONE ? HTTP_DONE : HTTP_MORE;
        }
        if (read_framing(body, input.data[at++]) == HTTP_REFUSED)
            return HTTP_REFUSED;
    }
    *ret_taken = at;
    return body->state == BODY_DONE ? HTTP_DONE : HTTP_MORE;
}
