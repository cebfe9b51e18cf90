/* Requests of HTTP/1.1 one after another on a connection: in whatever pieces they arrive, they and the refusal are the same, every part lies in the input, and what is over a
 * limit is refused.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "core/http/http_address.h"
#include "core/http/http_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096 };

struct outcome {
    uint64_t digest, requests;
    struct http_refusal refusal;
};

struct connection {
    struct http_parser parser;
    struct http_body body;
    bool in_body;
    struct outcome outcome;
};

static void digest(struct connection *connection, struct slice bytes, bool ends) {
    struct outcome *outcome = &connection->outcome;
    for (size_t i = 0; i < bytes.size; i++) /* pieces of a body are none of it */
        outcome->digest = outcome->digest * 1099511628211u + bytes.data[i];
    outcome->digest += ends;
}

static void refused(struct connection *connection, struct http_refusal refusal) {
    ASSERT(refusal.status >= 400 && refusal.status < 600 && refusal.reason);
    connection->outcome.refusal = refusal;
}

static void check_head(struct connection *connection, const struct http_head *head, struct slice input) {
    struct slice rest = head->query, name, value, host;
    const struct slice parts[] = {head->method, head->target, head->path, head->query, head->authority};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        ASSERT(!parts[i].size ||
               (parts[i].data >= input.data && parts[i].data + parts[i].size <= input.data + input.size));
        digest(connection, parts[i], true);
    }
    ASSERT(http_is_target(head->target) || slice_equal(head->target, SLICE("*")));
    ASSERT(!head->authority.size || http_authority_split(head->authority, &host, &name));
    ASSERT(head->authority.size || head->version == 10);
    for (uint32_t i = 0; i < head->field_count; i++) {
        ASSERT(http_is_token(head->fields[i].name) && http_is_value(head->fields[i].value));
        digest(connection, head->fields[i].name, true);
        digest(connection, head->fields[i].value, true);
    }
    uint8_t *decoded = malloc(head->target.size);
    size_t size;
    ASSERT(decoded && http_percent_decode(head->path, false, decoded, &size) && size <= head->path.size);
    while (http_query_next(&rest, &name, &value))
        ASSERT(http_percent_decode(name, true, decoded, &size) && http_percent_decode(value, true, decoded, &size));
    free(decoded);
}

/* Answers how many bytes are done with; 0: more are needed, or it was refused. */
static size_t read_head(struct connection *connection, uint8_t *input, size_t size) {
    struct http_head head;
    enum http_result result = http_parse(&connection->parser, slice_make(input, size));
    size_t head_size = http_head_size(&connection->parser);
    if (result == HTTP_DONE)
        result = http_request_head(&connection->parser, input, &head);
    if (result == HTTP_REFUSED)
        refused(connection, http_refusal(&connection->parser));
    ASSERT(result != HTTP_MORE || size < HTTP_HEAD_SIZE_MAX);
    if (result != HTTP_DONE)
        return 0;
    ASSERT(head_size <= size && head_size <= HTTP_HEAD_SIZE_MAX);
    check_head(connection, &head, slice_make(input, size));
    connection->outcome.requests++;
    http_parser_init(&connection->parser);
    result = http_body_begin(&connection->body, &head, BODY_MAX);
    if (result == HTTP_REFUSED)
        refused(connection, connection->body.refusal);
    connection->in_body = result == HTTP_MORE;
    return head_size;
}

static size_t read_body(struct connection *connection, struct slice input) {
    size_t taken;
    struct slice part;
    enum http_result result = http_body_read(&connection->body, input, &taken, &part);
    if (result == HTTP_REFUSED) {
        refused(connection, connection->body.refusal);
        return 0;
    }
    ASSERT(taken <= input.size && connection->body.received <= BODY_MAX);
    digest(connection, part, result == HTTP_DONE);
    connection->in_body = result == HTTP_MORE;
    return taken;
}

static struct outcome read_in_pieces(struct slice input, size_t piece) {
    struct connection connection = {0};
    http_parser_init(&connection.parser);
    for (size_t from = 0, until = 0; until < input.size && !connection.outcome.refusal.status;) {
        until = input.size - until > piece ? until + piece : input.size;
        uint8_t *copy = malloc(until - from ? until - from : 1);
        ASSERT(copy);
        memcpy(copy, input.data + from, until - from);
        size_t at = 0, taken;
        do {
            size_t left = until - from - at;
            taken = connection.in_body ? read_body(&connection, slice_make(copy + at, left))
                                       : read_head(&connection, copy + at, left);
            at += taken;
        } while (taken && at < until - from && !connection.outcome.refusal.status);
        from += at;
        free(copy);
    }
    return connection.outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size);
    if (size == 0)
        return 0;
    struct outcome whole = read_in_pieces(input, size);
    const size_t pieces[] = {1, 7, 64};
    for (size_t i = size > 8192; i < sizeof pieces / sizeof *pieces; i++) {
        struct outcome outcome = read_in_pieces(input, pieces[i]);
        ASSERT(outcome.digest == whole.digest && outcome.requests == whole.requests);
        ASSERT(outcome.refusal.status == whole.refusal.status && outcome.refusal.reason == whole.refusal.reason);
    }
    return 0;
}
