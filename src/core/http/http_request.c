#include "core/http/http_request.h"

#include "base/assert.h"
#include "base/hex.h"
#include "base/number.h"
#include "core/http/http_address.h"

enum {
    VERSION_SIZE = 8,                                                               /* "HTTP/1.1" */
    LINE_SIZE_MAX = HTTP_METHOD_SIZE_MAX + HTTP_TARGET_SIZE_MAX + VERSION_SIZE + 4, /* with spaces and its end */
    LENGTH_DIGITS_MAX = 18,
};

void http_parser_init(struct http_parser *parser) {
    parser->position = parser->searched = parser->field_count = 0;
    parser->begun = parser->done = false;
    parser->version = 0;
    parser->method = parser->target = parser->authority = (struct http_place){0, 0};
    parser->refusal = (struct http_refusal){0, NULL};
}

static enum http_result refuse(struct http_parser *parser, uint16_t status, const char *reason) {
    parser->refusal = (struct http_refusal){status, reason};
    return HTTP_REFUSED;
}

static struct http_place place(const uint8_t *input, struct slice part) {
    return (struct http_place){part.size ? (uint16_t)(part.data - input) : 0, (uint16_t)part.size};
}

static struct slice at_place(const uint8_t *input, struct http_place place) {
    return slice_make(input + place.at, place.size);
}

/* ----------------------------------------------------------------------------------------- targets */

bool http_is_target(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte <= ' ' || byte >= 0x7f || strchr("\"<>#\\", byte))
            return false;
        if (byte == '%' && (text.size - i < 3 || hex_value(text.data[i + 1]) < 0 || hex_value(text.data[i + 2]) < 0))
            return false;
    }
    return text.size > 0 && text.data[0] == '/';
}

void http_target_split(struct slice target, struct slice *ret_path, struct slice *ret_query) {
    const uint8_t *mark = target.size ? memchr(target.data, '?', target.size) : NULL;
    size_t size = mark ? (size_t)(mark - target.data) : target.size;
    *ret_path = slice_part(target, 0, size);
    *ret_query = mark ? slice_part(target, size + 1, SIZE_MAX) : slice_make(NULL, 0);
}

/* "http://host:port/path": whom it is addressed to stands in it, and Host does not count. */
static enum http_result take_absolute(struct http_parser *parser, const uint8_t *input, struct slice target) {
    struct slice rest, host, port;
    if (target.size > 7 && slice_equal_nocase(slice_part(target, 0, 7), SLICE("http://")))
        rest = slice_part(target, 7, SIZE_MAX);
    else if (target.size > 8 && slice_equal_nocase(slice_part(target, 0, 8), SLICE("https://")))
        rest = slice_part(target, 8, SIZE_MAX);
    else
        return refuse(parser, 400, "the target is no path");
    const uint8_t *slash = memchr(rest.data, '/', rest.size);
    if (!slash)
        return refuse(parser, 400, "the target has no path");
    struct slice authority = slice_part(rest, 0, (size_t)(slash - rest.data));
    struct slice path = slice_part(rest, authority.size, SIZE_MAX);
    if (!http_authority_split(authority, &host, &port) || !http_is_target(path))
        return refuse(parser, 400, "the target cannot be understood");
    parser->authority = place(input, authority);
    parser->target = place(input, path);
    return HTTP_DONE;
}

static enum http_result take_target(struct http_parser *parser, const uint8_t *input, struct slice target) {
    struct slice method = at_place(input, parser->method);
    if (target.size > HTTP_TARGET_SIZE_MAX)
        return refuse(parser, 414, "the target is too long");
    if (slice_equal(method, SLICE("CONNECT")))
        return refuse(parser, 501, "there is no CONNECT here");
    parser->target = place(input, target);
    if (slice_equal(target, SLICE("*")))
        return slice_equal(method, SLICE("OPTIONS")) ? HTTP_DONE : refuse(parser, 400, "the target is no path");
    if (target.size && target.data[0] != '/')
        return take_absolute(parser, input, target);
    return http_is_target(target) ? HTTP_DONE : refuse(parser, 400, "the target has bytes that have to be encoded");
}

static enum http_result take_version(struct http_parser *parser, struct slice text) {
    bool shaped = text.size == VERSION_SIZE && memcmp(text.data, "HTTP/", 5) == 0 && text.data[6] == '.' &&
                  text.data[5] >= '0' && text.data[5] <= '9' && text.data[7] >= '0' && text.data[7] <= '9';
    if (!shaped)
        return refuse(parser, 400, "the first line is not METHOD TARGET HTTP/1.1");
    if (text.data[5] != '1' || text.data[7] > '1')
        return refuse(parser, 505, "HTTP/1.1, HTTP/1.0 and HTTP/2 are spoken here");
    parser->version = (uint8_t)(10 + text.data[7] - '0');
    return HTTP_DONE;
}

/* METHOD SP TARGET SP VERSION, with one space each. */
static enum http_result read_request_line(struct http_parser *parser, const uint8_t *input, struct slice line) {
    size_t method_size = 0;
    while (method_size < line.size && http_is_token_byte(line.data[method_size]))
        method_size++;
    if (method_size == 0 || method_size == line.size || line.data[method_size] != ' ')
        return refuse(parser, 400, "the first line is not METHOD TARGET HTTP/1.1");
    if (method_size > HTTP_METHOD_SIZE_MAX)
        return refuse(parser, 501, "there is no such method");
    parser->method = place(input, slice_part(line, 0, method_size));
    struct slice rest = slice_part(line, method_size + 1, SIZE_MAX);
    const uint8_t *space = rest.size ? memchr(rest.data, ' ', rest.size) : NULL;
    if (!space)
        return refuse(parser, 400, "the first line is not METHOD TARGET HTTP/1.1");
    struct slice target = slice_part(rest, 0, (size_t)(space - rest.data));
    enum http_result result = take_version(parser, slice_part(rest, target.size + 1, SIZE_MAX));
    return result == HTTP_DONE ? take_target(parser, input, target) : result;
}

/* ------------------------------------------------------------------------------------------ fields */

static enum http_result read_field(struct http_parser *parser, const uint8_t *input, struct slice line) {
    size_t name_size = 0;
    while (name_size < line.size && http_is_token_byte(line.data[name_size]))
        name_size++;
    if (name_size == 0)
        return refuse(parser, 400, "a line of the head has no name, or goes on with the one before");
    if (name_size == line.size || line.data[name_size] != ':')
        return refuse(parser, 400, "the name of a field does not end at a colon");
    struct slice value = slice_part(line, name_size + 1, SIZE_MAX);
    if (!http_is_value(value))
        return refuse(parser, 400, "the value of a field has control characters");
    if (parser->field_count == HTTP_FIELDS_MAX)
        return refuse(parser, 431, "there are too many fields");
    parser->names[parser->field_count] = place(input, slice_part(line, 0, name_size));
    parser->values[parser->field_count++] = place(input, http_trim(value));
    return HTTP_DONE;
}

/* ------------------------------------------------------------------------------------------- lines */

/* One line, without its end. What is too long is known by where no end was found, so it does not matter in which pieces it has come. */
static enum http_result next_line(struct http_parser *parser, struct slice input, size_t *ret_end) {
    size_t size = input.size;
    size_t until = parser->begun ? HTTP_HEAD_SIZE_MAX : (size_t)parser->position + LINE_SIZE_MAX;
    until = until < size ? until : size;
    size_t from = parser->position + parser->searched;
    const uint8_t *end = from < until ? memchr(input.data + from, '\n', until - from) : NULL;
    if (!end) {
        parser->searched = (uint32_t)(until - parser->position);
        if (until == size && (parser->begun ? size < HTTP_HEAD_SIZE_MAX : size - parser->position < LINE_SIZE_MAX))
            return HTTP_MORE;
        return parser->begun ? refuse(parser, 431, "the head is too large")
                             : refuse(parser, 414, "the first line is too long");
    }
    *ret_end = (size_t)(end - input.data);
    if (*ret_end == parser->position || end[-1] != '\r')
        return refuse(parser, 400, "a line ends with a line feed alone");
    (*ret_end)--;
    return HTTP_DONE;
}

static enum http_result read_line(struct http_parser *parser, struct slice input) {
    size_t end;
    /* What is no HTTP at all is not waited for until it has a line. */
    if (!parser->begun && input.size > parser->position && input.data[parser->position] != '\r' &&
        !http_is_token_byte(input.data[parser->position]))
        return refuse(parser, 400, "this is not HTTP");
    enum http_result result = next_line(parser, input, &end);
    if (result != HTTP_DONE)
        return result;
    struct slice line = slice_part(input, parser->position, end - parser->position);
    bool first = parser->position == 0;
    parser->position = (uint32_t)end + 2;
    parser->searched = 0;
    if (parser->begun && line.size == 0) {
        parser->done = true;
        return HTTP_DONE;
    }
    if (parser->begun)
        return read_field(parser, input.data, line);
    if (line.size == 0) /* one empty line before a request is left over from the one before (RFC 9112, 2.2) */
        return first ? HTTP_DONE : refuse(parser, 400, "there are empty lines before the request");
    parser->begun = true;
    return read_request_line(parser, input.data, line);
}

enum http_result http_parse(struct http_parser *parser, struct slice input) {
    if (parser->refusal.status)
        return HTTP_REFUSED;
    while (!parser->done) {
        enum http_result result = read_line(parser, input);
        if (result != HTTP_DONE)
            return result;
    }
    return HTTP_DONE;
}

/* ------------------------------------------------------------------------- what fields say together */

struct meaning {
    uint32_t hosts, lengths, codings;
    struct slice host, length, coding;
    bool close, keep, expects, expects_more;
};

static void note_connection(struct meaning *meaning, struct slice list) {
    struct slice member;
    while (http_list_next(&list, &member)) {
        meaning->close |= slice_equal_nocase(member, SLICE("close"));
        meaning->keep |= slice_equal_nocase(member, SLICE("keep-alive"));
    }
}

static void note_field(struct meaning *meaning, const struct http_field *field) {
    if (slice_equal(field->name, SLICE("host"))) {
        meaning->hosts++;
        meaning->host = field->value;
    } else if (slice_equal(field->name, SLICE("content-length"))) {
        meaning->lengths++;
        meaning->length = field->value;
    } else if (slice_equal(field->name, SLICE("transfer-encoding"))) {
        meaning->codings++;
        meaning->coding = field->value;
    } else if (slice_equal(field->name, SLICE("connection"))) {
        note_connection(meaning, field->value);
    } else if (slice_equal(field->name, SLICE("expect"))) {
        bool known = slice_equal_nocase(field->value, SLICE("100-continue"));
        meaning->expects |= known;
        meaning->expects_more |= !known;
    }
}

static enum http_result judge_length(struct http_parser *parser, const struct meaning *meaning,
                                     struct http_head *head) {
    if (meaning->lengths > 1)
        return refuse(parser, 400, "there is more than one Content-Length");
    if (meaning->lengths && meaning->codings)
        return refuse(parser, 400, "there is a Content-Length beside a Transfer-Encoding");
    if (meaning->codings > 1)
        return refuse(parser, 400, "there is more than one Transfer-Encoding");
    if (meaning->codings && parser->version < 11)
        return refuse(parser, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (meaning->codings && !slice_equal_nocase(meaning->coding, SLICE("chunked")))
        return refuse(parser, 501, "the only Transfer-Encoding is chunked");
    head->length = meaning->codings ? HTTP_CHUNKED : HTTP_NO_BODY;
    head->body_size = 0;
    if (!meaning->lengths)
        return HTTP_DONE;
    if (meaning->length.size > LENGTH_DIGITS_MAX || !number_parse_u64(meaning->length, &head->body_size))
        return refuse(parser, 400, "Content-Length is no number");
    if (head->body_size)
        head->length = HTTP_SIZED;
    return HTTP_DONE;
}

static enum http_result judge(struct http_parser *parser, const struct meaning *meaning, struct http_head *head) {
    struct slice host, port;
    if (meaning->hosts > 1)
        return refuse(parser, 400, "there is more than one Host");
    if (!meaning->hosts && parser->version > 10)
        return refuse(parser, 400, "there is no Host");
    if (meaning->hosts && !http_authority_split(meaning->host, &host, &port))
        return refuse(parser, 400, "Host cannot be understood");
    if (!head->authority.size)
        head->authority = meaning->host;
    if (judge_length(parser, meaning, head) != HTTP_DONE)
        return HTTP_REFUSED;
    if (meaning->expects_more)
        return refuse(parser, 417, "nothing but 100-continue is expected here");
    head->closes = meaning->close || parser->version < 11;
    head->continues = meaning->expects && parser->version > 10 && head->length != HTTP_NO_BODY;
    return HTTP_DONE;
}

static void make_small(uint8_t *bytes, struct http_place name) {
    for (size_t i = name.at; i < (size_t)name.at + name.size; i++)
        if (bytes[i] >= 'A' && bytes[i] <= 'Z')
            bytes[i] |= 0x20;
}

enum http_result http_request_head(struct http_parser *parser, uint8_t *bytes, struct http_head *ret_head) {
    struct meaning meaning = {0};
    ASSERT(parser->done);
    if (parser->refusal.status)
        return HTTP_REFUSED;
    ret_head->method = at_place(bytes, parser->method);
    ret_head->target = at_place(bytes, parser->target);
    ret_head->authority = at_place(bytes, parser->authority);
    ret_head->version = parser->version;
    ret_head->field_count = parser->field_count;
    http_target_split(ret_head->target, &ret_head->path, &ret_head->query);
    for (uint32_t i = 0; i < parser->field_count; i++) {
        make_small(bytes, parser->names[i]);
        ret_head->fields[i] =
            (struct http_field){at_place(bytes, parser->names[i]), at_place(bytes, parser->values[i])};
        note_field(&meaning, &ret_head->fields[i]);
    }
    return judge(parser, &meaning, ret_head);
}
