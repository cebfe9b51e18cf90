#include "app/http/http2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/number.h"
#include "sys/os/log.h"

enum {
    STREAM_WINDOW = 256 * 1024,
    CONNECTION_WINDOW = 1024 * 1024,
    FIELD_COST = 32,                        /* of a field in a list's size, RFC 9113 6.5.2 */
    HEAD_COST_MAX = 8 * HTTP_HEAD_SIZE_MAX, /* beyond it the connection ends: what packs that much is no browser */
    FIELDS_FIRST = 16,
    FEED_SIZE = 16 * 1024, /* of one connection in a turn: others have theirs */
    RESETS_BURST = 1000,   /* that a client may do at once, and in a second */
    RESETS_PER_S = 33,
    ACKS_MAX = 200,     /* that wait to be sent */
    IDLE_FRAMES = 2000, /* of no use, in so long */
    IDLE_FRAMES_MS = 10000,
};

struct piece;

struct http2 {
    nghttp2_session *session;
    nghttp2_mem memory;
    struct piece *pieces; /* all that the session has */
    struct http_connection *connection;
    uint64_t begun_ms;
    uint64_t block_ms;    /* a head is being received since then; 0: none */
    uint64_t unsent;      /* bytes of answers that are no frames yet */
    uint64_t idle_ms;     /* frames of no use are counted since then */
    uint32_t idle_frames; /* the same */
    bool settled;         /* the client has sent its settings */
    bool stopped, calmed;
};

/* ----------------------------------------------------------------------------------------- memory */

/* nghttp2 does not say how large what it gives back is; and when memory has run out it may free an item of its queue twice as the session is deleted (1.52, without the
 * priorities of RFC 7540). So pieces know their size, and a session ends by giving back all that there are: it has nothing but memory. */
struct piece {
    struct piece *next, **place;
    size_t size;
    uint8_t padding[8];
    uint8_t bytes[];
};

static struct piece *piece_of(void *bytes) {
    return (struct piece *)(void *)((uint8_t *)bytes - offsetof(struct piece, bytes));
}

static void unlink_piece(struct piece *piece) {
    *piece->place = piece->next;
    if (piece->next)
        piece->next->place = piece->place;
}

static void link_piece(struct http2 *two, struct piece *piece) {
    piece->next = two->pieces;
    piece->place = &two->pieces;
    if (piece->next)
        piece->next->place = &piece->next;
    two->pieces = piece;
}

static void *resize(void *bytes, size_t size, void *context) {
    struct http2 *two = context;
    const struct memory *memory = two->connection->service->memory;
    struct piece *old = bytes ? piece_of(bytes) : NULL;
    size_t old_size = old ? sizeof *old + old->size : 0;
    if (size > SIZE_MAX - sizeof *old)
        return NULL;
    if (old)
        unlink_piece(old);
    struct piece *piece = memory->resize(memory->context, old, old_size, sizeof *piece + size);
    if (!piece && old)
        link_piece(two, old);
    if (!piece)
        return NULL;
    piece->size = size;
    link_piece(two, piece);
    return piece->bytes;
}

static void *take(size_t size, void *context) { return resize(NULL, size, context); }

static void *take_clear(size_t count, size_t size, void *context) {
    void *bytes = size && count > SIZE_MAX / size ? NULL : resize(NULL, count * size, context);
    if (bytes)
        memset(bytes, 0, count * size);
    return bytes;
}

static void give_piece(struct http2 *two, struct piece *piece) {
    unlink_piece(piece);
    memory_give(two->connection->service->memory, piece, sizeof *piece + piece->size);
}

static void give(void *bytes, void *context) {
    if (bytes)
        give_piece(context, piece_of(bytes));
}

/* ------------------------------------------------------------------------------------------ heads */

/* While the bytes may still move, a part is known by its place. */
static struct slice placed(size_t at, size_t size) {
    return (struct slice){(const uint8_t *)at, size}; /* NOLINT: made a pointer by `resolve` */
}

static void resolve(const struct http_exchange *exchange, struct slice *part) {
    if (part->size)
        part->data = exchange->bytes.data + (size_t)part->data;
    else
        part->data = NULL;
}

static bool make_field_room(struct http_exchange *exchange) {
    uint32_t capacity = exchange->field_capacity;
    if (exchange->request.field_count < capacity)
        return true;
    const struct memory *memory = exchange->connection->service->memory;
    uint32_t wanted = capacity ? 2 * capacity : FIELDS_FIRST;
    struct http_field *fields =
        memory->resize(memory->context, exchange->fields, capacity * sizeof *fields, wanted * sizeof *fields);
    if (!fields)
        return false;
    exchange->fields = fields;
    exchange->field_capacity = wanted;
    return true;
}

static struct slice *pseudo(struct http_exchange *exchange, struct slice name) {
    if (slice_equal(name, SLICE(":method")))
        return &exchange->request.method;
    if (slice_equal(name, SLICE(":path")))
        return &exchange->request.target;
    if (slice_equal(name, SLICE(":authority")))
        return &exchange->request.authority;
    return &exchange->scheme;
}

static bool keep_field(struct http_exchange *exchange, struct slice name, struct slice value) {
    size_t at = exchange->bytes.size;
    if (name.data[0] == ':') {
        if (buf_append_slice(&exchange->bytes, value) != STATUS_OK)
            return false;
        *pseudo(exchange, name) = placed(at, value.size);
        return true;
    }
    if (!make_field_room(exchange) || buf_append_slice(&exchange->bytes, name) != STATUS_OK ||
        buf_append_slice(&exchange->bytes, value) != STATUS_OK)
        return false;
    exchange->fields[exchange->request.field_count++] =
        (struct http_field){placed(at, name.size), placed(at + name.size, value.size)};
    return true;
}

static void resolve_all(struct http_exchange *exchange) {
    struct http_request *request = &exchange->request;
    resolve(exchange, &request->method);
    resolve(exchange, &request->target);
    resolve(exchange, &request->authority);
    resolve(exchange, &exchange->scheme);
    for (uint32_t i = 0; i < request->field_count; i++) {
        resolve(exchange, &exchange->fields[i].name);
        resolve(exchange, &exchange->fields[i].value);
    }
    request->fields = exchange->fields;
    request->version = 20;
    http_target_split(request->target, &request->path, &request->query);
}

/* nghttp2 has seen to it that names are small and values have no control characters, and that pseudo fields are there and come first. */
static uint16_t judge_head(struct http_exchange *exchange, const char **ret_reason) {
    struct http_request *request = &exchange->request;
    const struct http_limits *limits = &exchange->connection->service->limits;
    struct slice host, value;
    uint64_t size;
    *ret_reason = "the head is too large";
    if (exchange->head_too_large)
        return 431;
    *ret_reason = "there is no CONNECT here";
    if (slice_equal(request->method, SLICE("CONNECT")))
        return 501;
    *ret_reason = "the target is too long";
    if (request->target.size > HTTP_TARGET_SIZE_MAX)
        return 414;
    *ret_reason = "the target is no path, or has bytes that have to be encoded";
    bool star = slice_equal(request->target, SLICE("*")) && slice_equal(request->method, SLICE("OPTIONS"));
    if (!star && !http_is_target(request->target))
        return 400;
    *ret_reason = "Host is another than the authority";
    bool has_host = http_field_get(request, "host", &host);
    if (has_host && request->authority.size && !slice_equal_nocase(host, request->authority))
        return 400;
    if (has_host && !request->authority.size)
        request->authority = host;
    *ret_reason = "the body is larger than http-max-body or http-max-memory allows";
    if (http_field_get(request, "content-length", &value) && number_parse_u64(value, &size) && size > limits->body_max)
        return 413;
    *ret_reason = "nothing but 100-continue is expected here";
    if (http_field_get(request, "expect", &value) && !slice_equal_nocase(value, SLICE("100-continue")))
        return 417;
    return http_exchange_judge(exchange, ret_reason);
}

static int end_head(struct http2 *two, struct http_exchange *exchange, bool whole) {
    const char *reason = NULL;
    struct slice value;
    resolve_all(exchange);
    uint16_t status = judge_head(exchange, &reason);
    exchange->since_ms = http_connection_now(two->connection);
    if (status) {
        http_exchange_refuse(exchange, status, reason);
    } else if (whole) {
        exchange->state = EXCHANGE_WAITS;
    } else if (http_field_get(&exchange->request, "expect", &value)) {
        nghttp2_nv nv = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};
        if (nghttp2_submit_headers(two->session, NGHTTP2_FLAG_NONE, exchange->stream, NULL, &nv, 1, NULL) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return 0;
}

/* --------------------------------------------------------------------------------- what has come */

/* Frames that ask for nothing cost as much as those that do. True: there were too many. */
static bool spend(struct http2 *two) {
    struct http_connection *connection = two->connection;
    uint64_t now_ms = http_connection_now(connection);
    if (now_ms - two->idle_ms > IDLE_FRAMES_MS) {
        two->idle_ms = now_ms;
        two->idle_frames = 0;
    }
    if (++two->idle_frames <= IDLE_FRAMES || two->calmed)
        return two->calmed;
    two->calmed = true;
    HTTP_COUNT(connection->service, calmed);
    log_verbose("Closing an HTTP/2 connection of %s: too many frames to no purpose", connection->client);
    return nghttp2_session_terminate_session(two->session, NGHTTP2_ENHANCE_YOUR_CALM) == 0;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *context) {
    (void)session;
    bool serves = head->type == NGHTTP2_HEADERS || head->type == NGHTTP2_WINDOW_UPDATE ||
                  head->type == NGHTTP2_CONTINUATION ||
                  (head->type == NGHTTP2_DATA && (head->length || (head->flags & NGHTTP2_FLAG_END_STREAM)));
    if (!serves)
        (void)spend(context);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct http2 *two = context;
    two->block_ms = http_connection_now(two->connection);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct http_exchange *exchange = http_exchange_new(two->connection);
    if (!exchange)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    exchange->stream = frame->hd.stream_id;
    return nghttp2_session_set_stream_user_data(session, exchange->stream, exchange) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *context) {
    (void)flags, (void)context;
    struct http_exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!exchange)
        return 0;
    exchange->head_size += name_size + value_size + FIELD_COST;
    if (exchange->head_size > HEAD_COST_MAX)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (exchange->head_size > HTTP_HEAD_SIZE_MAX || exchange->request.field_count == HTTP_FIELDS_MAX)
        exchange->head_too_large = true;
    if (exchange->head_too_large || frame->headers.cat != NGHTTP2_HCAT_REQUEST) /* trailers are dropped */
        return 0;
    return keep_field(exchange, slice_make(name, name_size), slice_make(value, value_size))
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Some clients lose the answer if the reset follows at once. */
static int end_lingering(nghttp2_session *session, struct http_exchange *exchange) {
    exchange->lingers = false;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream, NGHTTP2_NO_ERROR) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
                   void *context) {
    (void)flags, (void)context;
    const char *reason;
    struct http_exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
    if (exchange && exchange->lingers && (exchange->moved += size) > HTTP_LINGER_SIZE)
        return end_lingering(session, exchange);
    if (!exchange || exchange->state != EXCHANGE_RECEIVED)
        return 0;
    uint16_t status = http_exchange_receive(exchange, slice_make(data, size), &reason);
    if (status)
        http_exchange_refuse(exchange, status, reason);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct http2 *two = context;
    bool whole = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type == NGHTTP2_SETTINGS)
        two->settled = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        two->block_ms = 0;
    struct http_exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!exchange || exchange->state != EXCHANGE_RECEIVED)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        return end_head(two, exchange, whole);
    if (whole)
        exchange->state = EXCHANGE_WAITS;
    return 0;
}

/* Who was answered before all of its request had come need not send the rest, and is told so after a while. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct http2 *two = context;
    int32_t stream = frame->hd.stream_id;
    struct http_exchange *exchange = stream ? nghttp2_session_get_stream_user_data(session, stream) : NULL;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        (void)spend(two);
    bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (exchange && ends && nghttp2_session_get_stream_remote_close(session, stream) == 0) {
        exchange->lingers = true;
        exchange->since_ms = http_connection_now(two->connection);
        exchange->moved = 0;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *context) {
    (void)error;
    struct http2 *two = context;
    struct http_exchange *exchange = nghttp2_session_get_stream_user_data(session, stream);
    if (!exchange)
        return 0;
    two->unsent -= exchange->answer.size - exchange->answer_sent;
    http_exchange_free(exchange);
    if (!two->connection->exchanges)
        two->connection->since_ms = http_connection_now(two->connection);
    return 0;
}

/* ----------------------------------------------------------------------------------------- its life */

static nghttp2_session_callbacks *make_callbacks(void) {
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return callbacks;
}

static nghttp2_option *make_options(void) {
    nghttp2_option *options;
    if (nghttp2_option_new(&options) != 0)
        return NULL;
    nghttp2_option_set_max_outbound_ack(options, ACKS_MAX);
    nghttp2_option_set_max_settings(options, 32);
    nghttp2_option_set_stream_reset_rate_limit(options, RESETS_BURST, RESETS_PER_S);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_max_deflate_dynamic_table_size(options, 4096);
    return options;
}

static bool make_session(struct http2 *two) {
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_SIZE_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *options = make_options();
    bool made =
        callbacks && options && nghttp2_session_server_new3(&two->session, callbacks, two, options, &two->memory) == 0;
    made =
        made &&
        nghttp2_submit_settings(two->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) == 0 &&
        nghttp2_session_set_local_window_size(two->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
    if (callbacks)
        nghttp2_session_callbacks_del(callbacks);
    if (options)
        nghttp2_option_del(options);
    return made;
}

enum status http2_begin(struct http_connection *connection) {
    const struct memory *memory = connection->service->memory;
    struct http2 *two = memory_take(memory, sizeof *two);
    if (!two)
        return STATUS_NO_MEMORY;
    *two = (struct http2){.connection = connection, .begun_ms = http_connection_now(connection)};
    two->memory = (nghttp2_mem){two, take, give, take_clear, resize};
    connection->two = two;
    connection->spoken = HTTP_SPOKEN_2;
    return make_session(two) ? STATUS_OK : STATUS_NO_MEMORY; /* what there is of it ends with the connection */
}

void http2_end(struct http_connection *connection) {
    struct http2 *two = connection->two;
    if (!two)
        return;
    while (two->pieces)
        give_piece(two, two->pieces);
    memory_give(connection->service->memory, two, sizeof *two);
    connection->two = NULL;
}

void http2_stop(struct http_connection *connection) {
    struct http2 *two = connection->two;
    if (two->stopped)
        return;
    two->stopped = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(two->session);
    if (nghttp2_submit_goaway(two->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) != 0)
        http_connection_end(connection);
}

/* ------------------------------------------------------------------------------------------- turns */

uint64_t http2_unsent(const struct http_connection *connection) { return connection->two->unsent; }

bool http2_wants_input(const struct http_connection *connection) {
    return http_connection_unsent(connection) < HTTP_OUT_MARK;
}

static void feed(struct http_connection *connection) {
    struct slice input = slice_part(http_connection_input(connection), 0, FEED_SIZE);
    if (!input.size)
        return;
    ssize_t taken = nghttp2_session_mem_recv(connection->two->session, input.data, input.size);
    if (taken == NGHTTP2_ERR_FLOODED)
        HTTP_COUNT(connection->service, calmed);
    if (taken < 0)
        http_connection_end(connection);
    else
        connection->in_at += (size_t)taken;
    if (taken == FEED_SIZE)
        http_connection_touch(connection);
}

/* The one that has waited for longest: they stand newest first. */
static struct http_exchange *next_waiting(const struct http_connection *connection) {
    struct http_exchange *found = NULL;
    for (struct http_exchange *exchange = connection->exchanges; exchange; exchange = exchange->next)
        if (exchange->state == EXCHANGE_WAITS)
            found = exchange;
    return found;
}

static void begin_waiting(struct http_connection *connection) {
    struct http_exchange *exchange;
    while (!connection->dead && connection->two->unsent + http_connection_unsent(connection) < HTTP_OUT_MARK &&
           (exchange = next_waiting(connection)))
        http_exchange_begin(exchange);
}

static void pull(struct http_connection *connection) {
    while (!connection->dead && http_connection_unsent(connection) < HTTP_OUT_MARK) {
        const uint8_t *bytes;
        ssize_t size = nghttp2_session_mem_send(connection->two->session, &bytes);
        if (size < 0)
            http_connection_end(connection);
        if (size <= 0 || !http_connection_send(connection, slice_make(bytes, (size_t)size)))
            return;
    }
}

void http2_step(struct http_connection *connection) {
    struct http2 *two = connection->two;
    if (connection->closing)
        return;
    if (connection->service->stopping)
        http2_stop(connection);
    if (!connection->dead)
        feed(connection);
    if (!connection->dead)
        begin_waiting(connection);
    if (!connection->dead)
        pull(connection);
    if (connection->dead)
        return;
    if (next_waiting(connection) && two->unsent + http_connection_unsent(connection) < HTTP_OUT_MARK)
        http_connection_touch(connection);
    if (connection->ended && !http_connection_input(connection).size)
        http_connection_end(connection);
    else if (!nghttp2_session_want_read(two->session) && !nghttp2_session_want_write(two->session))
        http_connection_close(connection);
}

/* -------------------------------------------------------------------------------------------- time */

static uint64_t exchange_due_ms(const struct http_exchange *exchange) {
    if (exchange->lingers)
        return exchange->since_ms + HTTP_LINGER_MS_MAX;
    if (exchange->state == EXCHANGE_RECEIVED)
        return exchange->since_ms + HTTP_BODY_MS_MAX + exchange->moved;
    if (exchange->answer.size > exchange->answer_sent)
        return exchange->since_ms + HTTP_UNREAD_MS_MAX + exchange->moved;
    return UINT64_MAX;
}

uint64_t http2_due_ms(const struct http_connection *connection) {
    const struct http2 *two = connection->two;
    uint64_t due_ms = UINT64_MAX;
    if (!two->settled)
        due_ms = two->begun_ms + HTTP_HEAD_MS_MAX;
    else if (two->block_ms)
        due_ms = two->block_ms + HTTP_HEAD_MS_MAX;
    else if (!connection->exchanges)
        due_ms = connection->since_ms + HTTP_IDLE_MS_MAX;
    for (const struct http_exchange *exchange = connection->exchanges; exchange; exchange = exchange->next)
        due_ms = exchange_due_ms(exchange) < due_ms ? exchange_due_ms(exchange) : due_ms;
    return due_ms;
}

static void end_slow_exchanges(struct http_connection *connection, uint64_t now_ms) {
    struct http_exchange *next;
    for (struct http_exchange *exchange = connection->exchanges; exchange && !connection->dead; exchange = next) {
        next = exchange->next;
        if (exchange_due_ms(exchange) > now_ms)
            continue;
        if (exchange->lingers) {
            if (end_lingering(connection->two->session, exchange) != 0)
                http_connection_end(connection);
            continue;
        }
        if (exchange->state == EXCHANGE_RECEIVED) {
            HTTP_COUNT(connection->service, timed_out);
            http_exchange_refuse(exchange, 408, "the request did not come to its end");
            continue;
        }
        HTTP_COUNT(connection->service, unread);
        exchange->since_ms = now_ms; /* until the stream is closed, which is soon */
        if (nghttp2_submit_rst_stream(connection->two->session, NGHTTP2_FLAG_NONE, exchange->stream, NGHTTP2_CANCEL) !=
            0)
            http_connection_end(connection);
    }
}

void http2_too_slow(struct http_connection *connection) {
    struct http2 *two = connection->two;
    uint64_t now_ms = http_connection_now(connection);
    bool begins = !two->settled && two->begun_ms + HTTP_HEAD_MS_MAX <= now_ms;
    bool in_head = two->block_ms && two->block_ms + HTTP_HEAD_MS_MAX <= now_ms;
    if (begins || in_head) {
        HTTP_COUNT(connection->service, timed_out);
        http_connection_end(connection);
    } else if (!connection->exchanges) {
        if (nghttp2_session_terminate_session(two->session, NGHTTP2_NO_ERROR) != 0)
            http_connection_end(connection);
    } else {
        end_slow_exchanges(connection, now_ms);
    }
}

/* ----------------------------------------------------------------------------------------- answers */

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *room, size_t size, uint32_t *flags,
                           nghttp2_data_source *source, void *context) {
    (void)session, (void)stream;
    enum { DONE_SIZE = 1024 * 1024 };
    struct http2 *two = context;
    struct http_exchange *exchange = source->ptr;
    size_t unsent = exchange->answer.size - exchange->answer_sent;
    if (unsent == 0 && !exchange->answer_whole) {
        exchange->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    size = size < unsent ? size : unsent;
    if (size)
        memcpy(room, exchange->answer.data + exchange->answer_sent, size);
    exchange->answer_sent += size;
    exchange->moved += size;
    two->unsent -= size;
    http_connection_drop(two->connection, size);
    if (size == unsent || (exchange->answer_sent > DONE_SIZE && exchange->answer_sent > exchange->answer.size / 2)) {
        buf_consume(&exchange->answer, exchange->answer_sent);
        exchange->answer_sent = 0;
        buf_shrink(&exchange->answer, size == unsent ? 0 : SIZE_MAX);
    }
    if (size == unsent && exchange->answer_whole)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static nghttp2_nv pair(struct slice name, struct slice value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.size, value.size,
                        NGHTTP2_NV_FLAG_NONE};
}

/* `size` UINT64_MAX: not known. */
static void submit(struct http_exchange *exchange, uint16_t status, const struct http_field *given,
                   uint32_t given_count, uint64_t size, bool has_data) {
    struct http_connection *connection = exchange->connection;
    struct http_field fields[HTTP_ANSWER_FIELDS_MAX + HTTP_OUR_FIELDS];
    nghttp2_nv pairs[HTTP_ANSWER_FIELDS_MAX + HTTP_OUR_FIELDS + 2];
    char status_text[NUMBER_TEXT_MAX], size_text[NUMBER_TEXT_MAX];
    uint32_t count = http_exchange_fields(exchange, given, given_count, fields), filled = 0;
    pairs[filled++] = pair(SLICE(":status"), slice_make(status_text, number_format_u64(status, status_text)));
    for (uint32_t i = 0; i < count; i++)
        pairs[filled++] = pair(fields[i].name, fields[i].value);
    if (size != UINT64_MAX && !http_is_bodiless(status))
        pairs[filled++] = pair(SLICE("content-length"), slice_make(size_text, number_format_u64(size, size_text)));
    nghttp2_data_provider provider = {.source = {.ptr = exchange}, .read_callback = read_answer};
    if (nghttp2_submit_response(connection->two->session, exchange->stream, pairs, filled,
                                has_data ? &provider : NULL) != 0)
        http_connection_end(connection);
}

/* False: the connection has ended. */
static bool append(struct http_exchange *exchange, struct slice bytes) {
    struct http_connection *connection = exchange->connection;
    struct http_service *service = connection->service;
    struct http2 *two = connection->two;
    if (two->unsent + bytes.size > service->limits.unread_max || !http_connection_has_room(connection, bytes.size)) {
        HTTP_COUNT(service, unread);
        http_connection_tell_unread(connection);
        http_connection_end(connection);
        return false;
    }
    if (exchange->answer.size == exchange->answer_sent) {
        exchange->since_ms = http_connection_now(connection);
        exchange->moved = 0;
    }
    if (buf_append_slice(&exchange->answer, bytes) != STATUS_OK) {
        http_connection_end(connection);
        return false;
    }
    two->unsent += bytes.size;
    http_connection_hold(connection, bytes.size);
    return true;
}

void http2_respond(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                   struct slice body) {
    bool has_data = !exchange->bodiless && body.size;
    exchange->answer_whole = true;
    if (!has_data || append(exchange, body))
        submit(exchange, status, fields, count, body.size, has_data);
}

void http2_start(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count) {
    submit(exchange, status, fields, count, UINT64_MAX, !exchange->bodiless);
}

static void resume(struct http_exchange *exchange) {
    if (!exchange->deferred)
        return;
    exchange->deferred = false;
    int result = nghttp2_session_resume_data(exchange->connection->two->session, exchange->stream);
    if (result != 0 && nghttp2_is_fatal(result))
        http_connection_end(exchange->connection);
}

void http2_send(struct http_exchange *exchange, struct slice bytes) {
    if (append(exchange, bytes))
        resume(exchange);
}

void http2_finish(struct http_exchange *exchange) {
    exchange->answer_whole = true;
    resume(exchange);
}

void http2_abort(struct http_exchange *exchange) {
    struct http_connection *connection = exchange->connection;
    if (nghttp2_submit_rst_stream(connection->two->session, NGHTTP2_FLAG_NONE, exchange->stream,
                                  NGHTTP2_INTERNAL_ERROR) != 0)
        http_connection_end(connection);
}
