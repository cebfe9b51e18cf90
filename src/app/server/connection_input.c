#include <errno.h>
#include <sys/socket.h>

#include "app/server/connection_inner.h"
#include "app/server/persistence.h"
#include "app/server/run.h"
#include "app/server/secure.h"
#include "app/server/tiering.h"
#include "base/assert.h"
#include "sys/os/log.h"

enum { DROPS_PER_TURN = 16 }; /* reads of what nobody wants any more */

static void parse_input(struct connection *connection);

/* --------------------------------------------------------------------- read */

bool connection_take(struct connection *connection, void *room, size_t size, size_t *ret_size) {
    struct worker *worker = connection->worker;
    ssize_t got = __builtin_expect(connection->tls != NULL, 0) ? secure_receive(connection, room, size)
                                                               : recv(connection->source.fd, room, size, MSG_DONTWAIT);
    if (got > 0) {
        worker->counts.reads++;
        worker->counts.bytes_in += (uint64_t)got;
        connection->bytes_in += (uint64_t)got;
        connection->active_ms = worker->now_ms;
        *ret_size = (size_t)got;
        return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    connection->input_ended = true;
    if (got < 0 || connection_unsent(connection) == 0 || connection->state == CONNECTION_LINGERING) {
        connection_close(connection);
    } else {
        connection_close_after_output(connection);
        connection_update_interest(connection);
    }
    return false;
}

uint8_t *connection_area(struct worker *worker, size_t size) {
    if (READ_AREA_SIZE - worker->area_used < size)
        batch_finish(worker);
    return worker->area + worker->area_used;
}

static void receive_and_drop(struct connection *connection) {
    /* A few reads: who sends without an end must not keep the turn. */
    size_t size;
    for (int i = 0; i < DROPS_PER_TURN; i++) {
        if (!connection_take(connection, connection_area(connection->worker, READ_SIZE_MIN), READ_SIZE_MIN, &size) ||
            size < READ_SIZE_MIN)
            return;
    }
}

void connection_receive(struct connection *connection) {
    struct worker *worker = connection->worker;
    if (connection->state == CONNECTION_LINGERING) {
        receive_and_drop(connection);
        return;
    }
    if (!connection_may_read(connection) || connection->touched)
        return;
    if ((connection->upload.filled < connection->upload.size || connection->upload_discard) &&
        !connection_receive_upload(connection))
        return;
    size_t room = connection->bulky ? READ_SIZE_MAX : READ_SIZE_MIN, size;
    if (connection->in.size == 0) {
        uint8_t *at = connection_area(worker, room);
        if (!connection_take(connection, at, room, &size))
            return;
        worker->area_used += size;
        connection->turn_in = at;
        connection->turn_in_size = size;
    } else {
        if (buf_reserve(&connection->in, room) != STATUS_OK) {
            connection_close(connection);
            return;
        }
        room = connection->in.capacity - connection->in.size;
        if (!connection_take(connection, connection->in.data + connection->in.size, room, &size))
            return;
        connection->in.size += size;
        connection->turn_in = connection->in.data;
        connection->turn_in_size = connection->in.size;
    }
    connection->bulky = size == room;
    parse_input(connection);
}

void connection_resume(struct connection *connection) {
    if (!connection_may_read(connection) || connection->touched)
        return;
    connection->turn_in = connection->in.size ? connection->in.data : NULL;
    connection->turn_in_size = connection->in.size;
    if (connection->turn_in)
        parse_input(connection);
    else
        connection_update_interest(connection);
}

/* -------------------------------------------------------------------- parse */

static struct resp_limits limits_of(const struct connection *connection) {
    bool known = connection->client.authenticated;
    return (struct resp_limits){
        .arguments_max = known ? RESP_ARGUMENTS_MAX : RESP_ARGUMENTS_UNAUTHENTICATED_MAX,
        .bulk_size_max = known ? SETTING(connection->worker->server, bulk_size_max) : RESP_BULK_UNAUTHENTICATED_MAX,
        .inline_size_max = RESP_INLINE_MAX,
        .large_size_min = known ? UPLOAD_SIZE_MIN : 0,
        .unauthenticated = !known,
    };
}

/* Replies pile up: they go out before more is run, and if the client does not take them, the rest of its input waits. */
static void relieve_output(struct connection *connection) {
    if (connection_unsent(connection) < OUTPUT_EARLY_BYTES || connection->state != CONNECTION_OPEN)
        return;
    connection_send(connection);
    if (connection->state == CONNECTION_OPEN && connection_unsent(connection) > OUTPUT_CHOKE_BYTES &&
        !connection->patient)
        connection->choked = true;
}

static void parse_input(struct connection *connection) {
    struct worker *worker = connection->worker;
    struct resp_limits limits = limits_of(connection);
    while (connection_may_read(connection)) {
        struct slice input = slice_make(connection->turn_in, connection->turn_in_size);
        if (!limits.unauthenticated && batch_add_short(worker, connection, input, &limits)) {
            batch_run(worker);
            relieve_output(connection);
            continue;
        }
        struct resp_request request;
        enum resp_result result = resp_parse(&connection->parser, input, &limits, &request);
        if (result == RESP_REQUEST) {
            /* Before authentication each command may change the limits of the next; text in quotes is gone at the next call. */
            bool alone = limits.unauthenticated || connection->parser.text || request.large_index >= 0;
            batch_add(worker, connection, &request, alone);
            if (limits.unauthenticated)
                limits = limits_of(connection);
            if (worker->batch->count == 0)
                relieve_output(connection);
        } else if (result == RESP_MORE) {
            break;
        } else if (result == RESP_LARGE) {
            batch_run(worker); /* so that MULTI, AUTH and SELECT before it have happened */
            if (connection_may_read(connection))
                connection_begin_upload(connection);
        } else {
            batch_run(worker);
            if (connection->state == CONNECTION_OPEN && !connection->held) {
                connection_error(connection, connection->parser.error);
                connection_close_after_output(connection);
            }
            break;
        }
    }
    batch_touch(worker, connection);
}

void connection_hold(struct connection *connection, size_t begins_at) {
    ASSERT(!connection->held && begins_at <= connection->turn_in_size);
    connection->held = true;
    connection->rest_at = begins_at;
}

void connection_postpone(struct connection *connection, size_t begins_at) {
    ASSERT(!connection->postponed);
    connection_hold(connection, begins_at);
    connection->postponed = true;
    connection->worker->postponed++;
}

void connection_block(struct connection *connection, size_t begins_at) {
    ASSERT(!connection->blocked);
    connection_hold(connection, begins_at);
    connection->blocked = true;
}

void connection_unblock(struct connection *connection) {
    connection->blocked = false;
    connection_resume(connection);
}

/* Puts what is not finished into the connection's own buffer. False: it is closed. */
static bool keep_rest(struct connection *connection) {
    struct worker *worker = connection->worker;
    bool own = connection->turn_in == connection->in.data;
    size_t done = connection->rest_at;
    if (connection->held) {
        /* Read again from the held request on, when its time comes. */
        resp_parser_fini(&connection->parser);
        connection->held = false;
    } else {
        done = resp_parser_droppable(&connection->parser);
        resp_parser_drop(&connection->parser, done);
    }
    size_t rest = connection->turn_in_size - done;
    uint64_t limit =
        connection->client.authenticated ? SETTING(worker->server, query_limit_bytes) : UNAUTHENTICATED_INPUT_MAX;
    if (rest > worker->counts.input_largest_bytes)
        worker->counts.input_largest_bytes = rest;
    if (rest > limit) {
        worker->counts.query_limit_cuts++;
        log_event(LOG_WARNING, "client_closed",
                  LOG_FIELDS(log_text("why", "query_buffer"), log_number("client", connection->client.id),
                             log_text("address", connection->peer)),
                  "Closing a client that reached the query buffer limit: id=%llu addr=%s",
                  (unsigned long long)connection->client.id, connection->peer);
        connection_close(connection);
        return false;
    }
    if (own) {
        buf_consume(&connection->in, done);
    } else if (rest) {
        if (!connection->in.data)
            connection->in = worker_take_buffer(worker);
        if (buf_append(&connection->in, connection->turn_in + done, rest) != STATUS_OK) {
            connection_close(connection);
            return false;
        }
    }
    if (connection->in.size == 0 && connection->in.data)
        worker_give_buffer(worker, &connection->in);
    return true;
}

void connection_finish_turn(struct connection *connection) {
    connection->touched = false;
    if (__builtin_expect(connection->tier != NULL, 0))
        tiering_forget(connection);
    if (connection->state == CONNECTION_OPEN && !keep_rest(connection))
        return;
    connection->turn_in = NULL;
    connection->turn_in_size = 0;
    if (connection->state != CONNECTION_DEAD)
        connection_send(connection);
    if (connection->state != CONNECTION_OPEN)
        return;
    connection->choked |= connection_unsent(connection) > OUTPUT_CHOKE_BYTES && !connection->patient;
    if (connection->choked && connection_unsent(connection) < OUTPUT_CHOKE_BYTES / 2)
        worker_resume_later(connection->worker, connection);
    connection_update_interest(connection);
}
