#include "app/http/http1.h"

#include <stdio.h>

#include "base/assert.h"

enum { ANSWERS_PER_TURN = 64 }; /* of one connection: others have their turn */

/* The one exchange that there is, or NULL. */
static struct http_exchange *current(const struct http_connection *connection) { return connection->exchanges; }

/* ---------------------------------------------------------------------------------------- answers */

enum framing { FRAMED_BY_SIZE, FRAMED_IN_CHUNKS, FRAMED_BY_END };

/* Through a buffer of its own, so that half a head is never sent. */
static enum status write_head(struct http_exchange *exchange, struct buf *head, uint16_t status,
                              const struct http_field *given, uint32_t given_count, enum framing framing,
                              uint64_t size) {
    struct http_field fields[HTTP_ANSWER_FIELDS_MAX + HTTP_OUR_FIELDS];
    uint32_t count = http_exchange_fields(exchange, given, given_count, fields);
    TRY(http_write_status(head, status));
    for (uint32_t i = 0; i < count; i++)
        TRY(http_write_field(head, fields[i].name, fields[i].value));
    if (framing == FRAMED_BY_SIZE && !http_is_bodiless(status))
        TRY(buf_printf(head, "content-length: %llu\r\n", (unsigned long long)size));
    if (framing == FRAMED_IN_CHUNKS)
        TRY(http_write_field(head, SLICE("transfer-encoding"), SLICE("chunked")));
    if (exchange->closes)
        TRY(http_write_field(head, SLICE("connection"), SLICE("close")));
    return http_write_end(head);
}

static bool send_head(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                      enum framing framing, uint64_t size) {
    struct http_connection *connection = exchange->connection;
    struct buf head;
    buf_init(&head, connection->service->memory);
    exchange->closes |= connection->service->stopping;
    bool written = write_head(exchange, &head, status, fields, count, framing, size) == STATUS_OK;
    if (!written)
        http_connection_end(connection);
    else
        written = http_connection_send(connection, buf_slice(&head));
    buf_fini(&head);
    return written;
}

void http1_respond(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                   struct slice body) {
    if (send_head(exchange, status, fields, count, FRAMED_BY_SIZE, body.size) && !exchange->bodiless)
        (void)http_connection_send(exchange->connection, body);
}

void http1_start(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count) {
    bool chunked = exchange->request.version > 10 && !http_is_bodiless(status);
    exchange->closes |= !chunked && !exchange->bodiless;
    (void)send_head(exchange, status, fields, count, chunked ? FRAMED_IN_CHUNKS : FRAMED_BY_END, 0);
}

void http1_send(struct http_exchange *exchange, struct slice bytes) {
    struct http_connection *connection = exchange->connection;
    char line[24];
    if (exchange->request.version == 10) {
        (void)http_connection_send(connection, bytes);
        return;
    }
    int size = snprintf(line, sizeof line, "%zx\r\n", bytes.size);
    if (http_connection_send(connection, slice_make(line, (size_t)size)) && http_connection_send(connection, bytes))
        (void)http_connection_send(connection, SLICE("\r\n"));
}

void http1_finish(struct http_exchange *exchange) {
    if (exchange->request.version > 10 && !exchange->bodiless)
        (void)http_connection_send(exchange->connection, SLICE("0\r\n\r\n"));
}

/* --------------------------------------------------------------------------------------- requests */

/* What cannot be read has no exchange; the answer needs one for a moment. */
static void refuse(struct http_connection *connection, uint16_t status, const char *reason) {
    struct http_exchange *exchange = current(connection);
    if (!exchange)
        exchange = http_exchange_new(connection);
    if (!exchange) {
        http_connection_end(connection);
        return;
    }
    http_exchange_refuse(exchange, status, reason);
}

static bool keep_head(struct http_exchange *exchange, struct slice bytes, struct http_head *head) {
    struct http_connection *connection = exchange->connection;
    if (buf_append_slice(&exchange->bytes, bytes) != STATUS_OK)
        return false;
    if (http_request_head(&connection->parser, exchange->bytes.data, head) != HTTP_DONE)
        return true;
    if (head->field_count) {
        size_t size = head->field_count * sizeof *exchange->fields;
        exchange->fields = memory_take(connection->service->memory, size);
        if (!exchange->fields)
            return false;
        exchange->field_capacity = head->field_count;
        memcpy(exchange->fields, head->fields, size);
    }
    struct http_request *request = &exchange->request;
    request->method = head->method;
    request->target = head->target;
    request->path = head->path;
    request->query = head->query;
    request->authority = head->authority;
    request->fields = exchange->fields;
    request->field_count = head->field_count;
    request->version = head->version;
    exchange->closes = head->closes;
    return true;
}

/* A whole head stands at the front. */
static void begin(struct http_connection *connection) {
    struct http_head head;
    const char *reason = NULL;
    size_t size = http_head_size(&connection->parser);
    struct http_exchange *exchange = http_exchange_new(connection);
    if (!exchange || !keep_head(exchange, slice_part(http_connection_input(connection), 0, size), &head)) {
        http_connection_end(connection);
        return;
    }
    connection->in_at += size;
    struct http_refusal refusal = http_refusal(&connection->parser);
    if (refusal.status) {
        http_exchange_refuse(exchange, refusal.status, refusal.reason);
        return;
    }
    uint16_t status = http_exchange_judge(exchange, &reason);
    enum http_result result = http_body_begin(&exchange->one, &head, connection->service->limits.body_max);
    if (status)
        http_exchange_refuse(exchange, status, reason);
    else if (result == HTTP_REFUSED)
        http_exchange_refuse(exchange, exchange->one.refusal.status, exchange->one.refusal.reason);
    else if (result == HTTP_DONE)
        http_exchange_begin(exchange);
    else if (head.continues && !http_connection_input(connection).size)
        (void)http_connection_send(connection, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* False: more has to come. */
static bool read_head(struct http_connection *connection) {
    struct slice input = http_connection_input(connection);
    if (!input.size)
        return false;
    if (connection->parser.position + connection->parser.searched == 0)
        connection->since_ms = http_connection_now(connection);
    enum http_result result = http_parse(&connection->parser, input);
    if (result == HTTP_REFUSED) {
        struct http_refusal refusal = http_refusal(&connection->parser);
        refuse(connection, refusal.status, refusal.reason);
    } else if (result == HTTP_DONE) {
        begin(connection);
    }
    return result != HTTP_MORE;
}

static bool read_body(struct http_exchange *exchange) {
    struct http_connection *connection = exchange->connection;
    struct slice input = http_connection_input(connection), part;
    const char *reason;
    size_t taken;
    if (!input.size)
        return false;
    enum http_result result = http_body_read(&exchange->one, input, &taken, &part);
    if (result == HTTP_REFUSED) {
        http_exchange_refuse(exchange, exchange->one.refusal.status, exchange->one.refusal.reason);
        return true;
    }
    connection->in_at += taken;
    uint16_t status = http_exchange_receive(exchange, part, &reason);
    if (status)
        http_exchange_refuse(exchange, status, reason);
    else if (result == HTTP_DONE)
        http_exchange_begin(exchange);
    return true;
}

/* An answer is complete: the next request may come. */
static void end_exchange(struct http_connection *connection) {
    struct http_exchange *exchange = current(connection);
    if (exchange->closes)
        http_connection_close(connection);
    http_exchange_free(exchange);
    http_parser_init(&connection->parser);
    connection->since_ms = http_connection_now(connection);
}

void http1_step(struct http_connection *connection) {
    uint32_t ended = 0;
    for (bool more = true; more && !connection->dead;) {
        struct http_exchange *exchange = current(connection);
        if (exchange && exchange->state == EXCHANGE_ENDED && ++ended > ANSWERS_PER_TURN) {
            http_connection_touch(connection);
            return;
        }
        if (exchange && exchange->state == EXCHANGE_ENDED)
            end_exchange(connection);
        else if (connection->closing || http_connection_unsent(connection) >= HTTP_OUT_MARK)
            more = false;
        else if (!exchange)
            more = read_head(connection);
        else
            more = exchange->state == EXCHANGE_RECEIVED && read_body(exchange);
    }
    struct http_exchange *exchange = current(connection);
    if (connection->dead || connection->closing)
        return;
    /* Who sends no more gets the answers to what has come whole; what goes on without end is for nobody. */
    if (connection->ended && (!exchange || exchange->state == EXCHANGE_RECEIVED) &&
        http_connection_unsent(connection) < HTTP_OUT_MARK)
        http_connection_close(connection);
    else if (connection->ended && exchange && exchange->state == EXCHANGE_STARTED)
        http_connection_end(connection);
    else if (connection->service->stopping && !exchange && !http_connection_input(connection).size)
        http_connection_close(connection);
}

uint64_t http1_due_ms(const struct http_connection *connection) {
    const struct http_exchange *exchange = current(connection);
    if (exchange)
        return exchange->state == EXCHANGE_RECEIVED ? exchange->since_ms + HTTP_BODY_MS_MAX + exchange->moved
                                                    : UINT64_MAX;
    bool in_head = http_connection_input(connection).size > 0;
    return connection->since_ms + (in_head ? HTTP_HEAD_MS_MAX : HTTP_IDLE_MS_MAX);
}

void http1_too_slow(struct http_connection *connection) {
    if (!current(connection) && !http_connection_input(connection).size) {
        http_connection_close(connection); /* it was only idle */
        return;
    }
    HTTP_COUNT(connection->service, timed_out);
    refuse(connection, 408, "the request did not come to its end");
}
