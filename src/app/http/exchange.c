#include "app/http/exchange.h"

#include "app/http/http1.h"
#include "app/http/http2.h"
#include "base/assert.h"
#include "core/http/http_address.h"
#include "sys/os/log.h"

static bool is_two(const struct http_exchange *exchange) { return exchange->connection->spoken == HTTP_SPOKEN_2; }

static bool is_handlers(const struct http_exchange *exchange) {
    return exchange->state == EXCHANGE_OPEN || exchange->state == EXCHANGE_STARTED;
}

/* ---------------------------------------------------------------------------------- their life */

struct http_exchange *http_exchange_new(struct http_connection *connection) {
    struct http_exchange *exchange = memory_take(connection->service->memory, sizeof *exchange);
    if (!exchange)
        return NULL;
    *exchange = (struct http_exchange){.connection = connection, .since_ms = http_connection_now(connection)};
    buf_init(&exchange->bytes, connection->service->memory);
    buf_init(&exchange->body, connection->service->memory);
    buf_init(&exchange->answer, connection->service->memory);
    exchange->request.client = connection->client;
    exchange->request.tls_user = connection->user[0] ? connection->user : NULL;
    exchange->request.secure = connection->tls != NULL;
    exchange->next = connection->exchanges;
    exchange->place = &connection->exchanges;
    if (exchange->next)
        exchange->next->place = &exchange->next;
    connection->exchanges = exchange;
    connection->exchange_count++;
    return exchange;
}

void http_exchange_free(struct http_exchange *exchange) {
    struct http_connection *connection = exchange->connection;
    struct http_service *service = connection->service;
    if (is_handlers(exchange)) {
        exchange->state = EXCHANGE_ENDED;
        service->handler.gone(service->handler.context, exchange);
    }
    *exchange->place = exchange->next;
    if (exchange->next)
        exchange->next->place = exchange->place;
    connection->exchange_count--;
    connection->bodies -= exchange->body.size;
    http_connection_drop(connection,
                         exchange->head_held + exchange->body.size + exchange->answer.size - exchange->answer_sent);
    buf_fini(&exchange->bytes);
    buf_fini(&exchange->body);
    buf_fini(&exchange->answer);
    memory_give(service->memory, exchange->fields, exchange->field_capacity * sizeof *exchange->fields);
    memory_give(service->memory, exchange, sizeof *exchange);
}

uint16_t http_exchange_receive(struct http_exchange *exchange, struct slice part, const char **ret_reason) {
    struct http_connection *connection = exchange->connection;
    const struct http_limits *limits = &connection->service->limits;
    exchange->moved += part.size;
    *ret_reason = "the body is larger than http-max-body or http-max-memory allows";
    if (part.size > limits->body_max - exchange->body.size)
        return 413;
    *ret_reason = "too much is being received at present";
    if (part.size > limits->body_max - connection->bodies || !http_connection_has_room(connection, part.size) ||
        buf_append_slice(&exchange->body, part) != STATUS_OK)
        return 503;
    connection->bodies += part.size;
    http_connection_hold(connection, part.size);
    return 0;
}

/* ------------------------------------------------------------------------------------ requests */

uint16_t http_exchange_judge(struct http_exchange *exchange, const char **ret_reason) {
    struct http_connection *connection = exchange->connection;
    const struct http_service *service = connection->service;
    size_t size = exchange->bytes.capacity + exchange->field_capacity * sizeof *exchange->fields;
    *ret_reason = "too much is being received at present";
    if (!http_connection_has_room(connection, size))
        return 503;
    exchange->head_held = (uint32_t)size;
    http_connection_hold(connection, size);
    struct slice host, port, authority = exchange->request.authority;
    if (!authority.size && exchange->request.version == 10) /* no browser says so little */
        return 0;
    *ret_reason = "the authority cannot be understood";
    if (!http_authority_split(authority, &host, &port))
        return 400;
    *ret_reason = "this server is not known by that name; http-hosts says which it has";
    if (!http_host_is_address(host) && !http_host_matches(host, service->hosts, service->host_count))
        return 421;
    return 0;
}

static void count_request(const struct http_exchange *exchange) {
    unsigned index = exchange->request.version == 20 ? 2 : exchange->request.version - 10u;
    HTTP_COUNT(exchange->connection->service, requests[index]);
}

void http_exchange_begin(struct http_exchange *exchange) {
    static const struct http_field allowed[] = {
        {{(const uint8_t *)"allow", 5}, {(const uint8_t *)"GET, HEAD, PUT, POST, PATCH, DELETE, PURGE, OPTIONS", 51}}};
    struct http_service *service = exchange->connection->service;
    count_request(exchange);
    exchange->request.body = buf_slice(&exchange->body);
    exchange->state = EXCHANGE_OPEN;
    exchange->bodiless = slice_equal(exchange->request.method, SLICE("HEAD"));
    if (slice_equal(exchange->request.target, SLICE("*")))
        http_respond(exchange, 204, allowed, 1, (struct slice){NULL, 0});
    else
        service->handler.begin(service->handler.context, exchange, &exchange->request);
}

/* Of a problem; the second one says that it passes. */
static const struct http_field problem_fields[] = {
    {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"application/problem+json", 24}},
    {{(const uint8_t *)"retry-after", 11}, {(const uint8_t *)"1", 1}}};

void http_exchange_refuse(struct http_exchange *exchange, uint16_t status, const char *reason) {
    char text[HTTP_PROBLEM_MAX];
    size_t size = http_problem(status, reason, text);
    HTTP_COUNT(exchange->connection->service, refused);
    exchange->state = EXCHANGE_OPEN;
    exchange->closes = exchange->refused = true;
    exchange->bodiless = slice_equal(exchange->request.method, SLICE("HEAD"));
    http_respond(exchange, status, problem_fields, status == 503 ? 2 : 1, slice_make(text, size));
}

void http_exchange_tell_room(struct http_exchange *exchange) {
    struct http_service *service = exchange->connection->service;
    if (!exchange->full || exchange->state != EXCHANGE_STARTED || http_unsent(exchange) > HTTP_UNSENT_MAX / 2)
        return;
    exchange->full = false;
    service->handler.room(service->handler.context, exchange);
}

/* ------------------------------------------------------------------------------------- answers */

/* Of the connection, or of how long an answer is, nobody but the transport knows. */
static bool is_ours(struct slice name) {
    static const char *const ours[] = {
        "connection", "keep-alive", "proxy-connection", "content-length", "transfer-encoding", "upgrade", "te",
        "trailer",    "date"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (slice_equal_nocase(name, slice_from_string(ours[i])))
            return true;
    return false;
}

static bool is_given(const struct http_field *fields, uint32_t count, struct slice name) {
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal_nocase(fields[i].name, name))
            return true;
    return false;
}

uint32_t http_exchange_fields(struct http_exchange *exchange, const struct http_field *fields, uint32_t count,
                              struct http_field ret_fields[HTTP_ANSWER_FIELDS_MAX + HTTP_OUR_FIELDS]) {
    const struct http_field habits[] = {
        {SLICE("x-content-type-options"), SLICE("nosniff")},
        {SLICE("referrer-policy"), SLICE("no-referrer")},
        {SLICE("cache-control"), SLICE("no-store")},
    };
    uint32_t filled = 0;
    ASSERT(count <= HTTP_ANSWER_FIELDS_MAX);
    ret_fields[filled++] = (struct http_field){SLICE("date"), http_service_date(exchange->connection->service)};
    for (uint32_t i = 0; i < count; i++)
        if (!is_ours(fields[i].name))
            ret_fields[filled++] = fields[i];
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
        if (!is_given(fields, count, habits[i].name))
            ret_fields[filled++] = habits[i];
    return filled;
}

/* What a handler was given by somebody else may stand in a field, and a line's end in that. */
static bool are_good(const struct http_field *fields, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (http_field_is_good(&fields[i]))
            continue;
        log_warning("A field of an answer over HTTP cannot be sent: %.*s", (int)slice_part(fields[i].name, 0, 64).size,
                    fields[i].name.size ? (const char *)fields[i].name.data : "");
        return false;
    }
    return true;
}

/* Everything that is said of it after the client has gone comes here, and to nothing. */
static bool is_over(struct http_exchange *exchange) {
    http_connection_touch(exchange->connection);
    return exchange->connection->dead;
}

/* 0, or the status that is answered in place of what there is no room for. Who leaves earlier answers untaken is not told, but cut when it is sent. */
static uint16_t judge_answer(const struct http_exchange *exchange, size_t size, const char **ret_reason) {
    const struct http_connection *connection = exchange->connection;
    const struct http_limits *limits = &connection->service->limits;
    uint64_t whole = (uint64_t)size + HTTP_HEAD_SIZE_MAX;
    if (exchange->bodiless || size <= HTTP_HELD_ALWAYS)
        return 0;
    *ret_reason = "the answer is larger than http-max-memory and client-output-buffer-limit allow";
    if (whole > limits->unread_max || whole > limits->held_max)
        return 422;
    *ret_reason = "too many bytes of answers wait for being taken";
    uint64_t unsent = http_connection_unsent(connection) + (is_two(exchange) ? http2_unsent(connection) : (uint64_t)0);
    return unsent <= HTTP_OUT_MARK && !http_connection_has_room(connection, whole) ? 503 : 0;
}

void http_respond(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                  struct slice body) {
    char text[HTTP_PROBLEM_MAX];
    const char *reason;
    ASSERT(exchange->state == EXCHANGE_OPEN && status >= 200 && status <= 599);
    exchange->state = EXCHANGE_ENDED;
    if (is_over(exchange))
        return;
    if (!are_good(fields, count)) {
        status = 500;
        count = 0;
        body = (struct slice){NULL, 0};
    }
    exchange->bodiless |= http_is_bodiless(status);
    uint16_t other = judge_answer(exchange, body.size, &reason);
    if (other) {
        status = other;
        fields = problem_fields;
        count = other == 503 ? 2 : 1;
        body = slice_make(text, http_problem(status, reason, text));
    }
    if (is_two(exchange))
        http2_respond(exchange, status, fields, count, body);
    else
        http1_respond(exchange, status, fields, count, body);
}

void http_start(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count) {
    ASSERT(exchange->state == EXCHANGE_OPEN && status >= 200 && status <= 599);
    exchange->state = EXCHANGE_STARTED;
    if (is_over(exchange))
        return;
    exchange->bodiless |= http_is_bodiless(status);
    count = are_good(fields, count) ? count : 0;
    if (is_two(exchange))
        http2_start(exchange, status, fields, count);
    else
        http1_start(exchange, status, fields, count);
}

void http_send(struct http_exchange *exchange, struct slice bytes) {
    ASSERT(exchange->state == EXCHANGE_STARTED);
    if (is_over(exchange) || exchange->bodiless || !bytes.size)
        return;
    if (is_two(exchange))
        http2_send(exchange, bytes);
    else
        http1_send(exchange, bytes);
    exchange->full |= http_unsent(exchange) > HTTP_UNSENT_MAX;
}

void http_finish(struct http_exchange *exchange) {
    ASSERT(exchange->state == EXCHANGE_STARTED);
    exchange->state = EXCHANGE_ENDED;
    if (is_over(exchange))
        return;
    if (is_two(exchange))
        http2_finish(exchange);
    else
        http1_finish(exchange);
}

void http_abort(struct http_exchange *exchange) {
    ASSERT(is_handlers(exchange));
    exchange->state = EXCHANGE_ENDED;
    if (is_over(exchange))
        return;
    if (is_two(exchange))
        http2_abort(exchange);
    else
        http_connection_end(exchange->connection);
}

size_t http_unsent(const struct http_exchange *exchange) {
    return is_two(exchange) ? exchange->answer.size - exchange->answer_sent
                            : http_connection_unsent(exchange->connection);
}

/* ------------------------------------------------------------------------------------- the rest */

void http_exchange_set(struct http_exchange *exchange, void *data) { exchange->data = data; }
void *http_exchange_get(const struct http_exchange *exchange) { return exchange->data; }

bool http_field_get(const struct http_request *request, const char *name, struct slice *ret_value) {
    struct slice wanted = slice_from_string(name);
    for (uint32_t i = 0; i < request->field_count; i++) {
        if (!slice_equal(request->fields[i].name, wanted))
            continue;
        *ret_value = request->fields[i].value;
        return true;
    }
    return false;
}
