#include "app/server/connection.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/cmd/rights.h"
#include "app/server/clients.h"
#include "app/server/leases.h"
#include "app/server/monitor.h"
#include "app/server/run.h"
#include "app/server/secure.h"
#include "app/server/streaming.h"
#include "app/server/tiering.h"
#include "app/server/users.h"
#include "base/assert.h"
#include "sys/os/log.h"
#include "sys/os/socket.h"

enum {
    LARGE_PER_TURN = 4 * 1024 * 1024, /* bytes of large values taken from one connection in a turn */
    DROPS_PER_TURN = 16,              /* reads of what nobody wants any more */
};

static void begin_input(struct connection *connection);
static void parse_input(struct connection *connection);

/* ------------------------------------------------------------ begin and end */

struct connection *connection_open(struct worker *worker, int fd, enum connection_door door) {
    struct connection *connection = memory_take(&memory_libc, sizeof *connection);
    if (!connection) {
        close(fd);
        return NULL;
    }
    struct server *server = worker->server;
    *connection = (struct connection){
        .source = {.fd = fd, .kind = SOURCE_CONNECTION},
        .worker = worker,
        .older = worker->first,
        .is_unix = door == DOOR_UNIX,
        .inside = door == DOOR_INSIDE,
        .born_ms = worker->now_ms,
        .active_ms = worker->now_ms,
        .known_ms = worker->now_ms,
        .progress_ms = worker->now_ms,
    };
    uint64_t id = atomic_fetch_add_explicit(&server->client_id_last, 1, memory_order_relaxed) + 1;
    cmd_client_init(&connection->client, id, &memory_libc);
    connection->client.connection = connection;
    users_begin(server, &connection->client);
    resp_parser_init(&connection->parser, &memory_libc);
    buf_init(&connection->in, &memory_libc);
    buf_init(&connection->out, &memory_libc);
    buf_init(&connection->foreign, &memory_libc);
    buf_init(&connection->bound_leases, &memory_libc);
    char text[SOCKET_TEXT_SIZE];
    socket_peer_text(fd, text);
    snprintf(connection->peer, sizeof connection->peer, "%.63s", text);
    socket_local_text(fd, text);
    snprintf(connection->local, sizeof connection->local, "%.63s", text);
    bool good = true;
    if (door == DOOR_TLS)
        good = (connection->tls = secure_accept(worker, fd)) != NULL;
    if (!good || loop_watch(worker->loop, &connection->source, LOOP_READ) != STATUS_OK) {
        tls_free(connection->tls);
        close(fd);
        cmd_client_fini(&connection->client, &server->env, &worker->actor);
        memory_give(&memory_libc, connection, sizeof *connection);
        return NULL;
    }
    if (worker->first)
        worker->first->newer = connection;
    worker->first = connection;
    worker->count++;
    if (door != DOOR_INSIDE) /* whose address is not known yet */
        audit_opened(connection);
    return connection;
}

void connection_close(struct connection *connection) {
    if (connection->state == CONNECTION_DEAD)
        return;
    struct worker *worker = connection->worker;
    connection->state = CONNECTION_DEAD;
    loop_forget(worker->loop, &connection->source);
    close(connection->source.fd);
    secure_connection_ends(connection);
    audit_closed(connection);
    monitor_end(connection);
    pubsub_unsubscribe_all(&worker->server->api, &connection->client);
    tracking_leave(connection);
    leases_connection_ends(connection);
    streaming_connection_ends(connection);
    persistence_connection_ends(connection);
    tiering_connection_ends(connection);
    if (connection->postponed)
        worker->postponed--;
    if (worker->walk == connection)
        worker->walk = connection->older;
    if (connection->newer)
        connection->newer->older = connection->older;
    else
        worker->first = connection->older;
    if (connection->older)
        connection->older->newer = connection->newer;
    worker->count--;
    atomic_fetch_sub_explicit(&worker->server->clients, 1, memory_order_relaxed);
    if (connection->inside)
        atomic_fetch_sub(&worker->server->insiders, 1);
    connection->dead_next = worker->dead;
    worker->dead = connection;
}

static struct cache_pin pin_of(const struct reply_foreign *value) {
    return (struct cache_pin){.first = value->handle[0], .size = value->handle[1]};
}

static struct pubsub_message *message_of(const struct reply_foreign *value) {
    return value->handle[1] == FOREIGN_MESSAGE ? (struct pubsub_message *)(uintptr_t)value->handle[0] : NULL;
}

/* It is sent, or never will be. */
static void let_go(struct connection *connection, const struct reply_foreign *value) {
    if (message_of(value))
        pubsub_message_unref(message_of(value));
    else
        cache_unpin(connection->worker->server->cache, &connection->worker->actor, pin_of(value));
}

static void unpin_all(struct connection *connection) {
    const struct reply_foreign *values = (const struct reply_foreign *)connection->foreign.data;
    uint32_t count = (uint32_t)(connection->foreign.size / sizeof *values);
    for (uint32_t i = connection->foreign_at; i < count; i++)
        let_go(connection, &values[i]);
    buf_clear(&connection->foreign);
    connection->foreign_at = connection->foreign_counted = 0;
    connection->foreign_sent = connection->foreign_bytes = 0;
}

void connection_free_dead(struct worker *worker) {
    while (worker->dead) {
        struct connection *connection = worker->dead;
        ASSERT(connection->state == CONNECTION_DEAD && !connection->touched);
        worker->dead = connection->dead_next;
        connection_drop_upload(connection);
        unpin_all(connection);
        tls_free(connection->tls);
        buf_fini(&connection->foreign);
        worker_give_buffer(worker, &connection->in);
        worker_give_buffer(worker, &connection->out);
        resp_parser_fini(&connection->parser);
        cmd_client_fini(&connection->client, &worker->server->env, &worker->actor);
        memory_give(&memory_libc, connection, sizeof *connection);
    }
}

/* Everything is sent: ends our side, and lets the other side finish. */
static void begin_linger(struct connection *connection) {
    if (connection->input_ended) {
        connection_close(connection);
        return;
    }
    if (connection->tls)
        tls_end(connection->tls);
    shutdown(connection->source.fd, SHUT_WR);
    connection->state = CONNECTION_LINGERING;
    connection->progress_ms = connection->worker->now_ms;
    connection_update_interest(connection);
}

void connection_close_after_output(struct connection *connection) {
    if (connection->state == CONNECTION_OPEN)
        connection->state = CONNECTION_CLOSING;
}

void connection_drop_upload(struct connection *connection) {
    if (connection->upload.size)
        cache_upload_drop(connection->worker->server->cache, &connection->worker->actor, &connection->upload);
    connection->upload = (struct cache_upload){0};
    connection->upload_discard = 0;
    connection->upload_status = STATUS_OK;
}

void connection_error(struct connection *connection, const char *text) {
    if (!connection->out.data)
        connection->out = worker_take_buffer(connection->worker);
    struct reply reply;
    reply_init(&reply, &connection->out, &connection->foreign, connection->client.protocol);
    size_t before = connection->out.size;
    reply_error(&reply, slice_from_string(text));
    if (reply.status == STATUS_OK)
        stats_error(connection->worker, slice_part(buf_slice(&connection->out), before, SIZE_MAX));
}

/* ------------------------------------------------------------------- output */

void connection_count_foreign(struct connection *connection) {
    const struct reply_foreign *values = (const struct reply_foreign *)connection->foreign.data;
    uint32_t count = (uint32_t)(connection->foreign.size / sizeof *values);
    if (connection->foreign_counted == 0)
        connection->foreign_since_ms = connection->worker->now_ms;
    for (uint32_t i = connection->foreign_counted; i < count; i++)
        connection->foreign_bytes += values[i].size;
    connection->foreign_counted = count;
}

uint64_t connection_waiting(const struct connection *connection) {
    const struct reply_foreign *values = (const struct reply_foreign *)connection->foreign.data;
    uint32_t count = (uint32_t)(connection->foreign.size / sizeof *values);
    uint64_t unsent = connection_unsent(connection);
    if (connection->foreign_at >= count)
        return unsent;
    uint64_t newest_sent = connection->foreign_at == count - 1 ? connection->foreign_sent : 0;
    return unsent - (values[count - 1].size - newest_sent);
}

/* Bytes of the value from `sent` on that stand in one place. */
static struct slice foreign_piece(const struct connection *connection, const struct reply_foreign *value,
                                  uint64_t sent) {
    const struct pubsub_message *message = message_of(value);
    if (message)
        return slice_make(message->bytes + sent, message->size - sent);
    return cache_pin_piece(connection->worker->server->cache, pin_of(value), value->offset + sent);
}

/* What is sent next, as pieces; answers how many. */
static int gather(const struct connection *connection, struct iovec *ret_pieces, int max, size_t *ret_size) {
    const struct reply_foreign *values = (const struct reply_foreign *)connection->foreign.data;
    uint32_t value_count = (uint32_t)(connection->foreign.size / sizeof *values);
    uint32_t at = connection->foreign_at;
    uint64_t value_sent = connection->foreign_sent;
    size_t sent = connection->out_sent, size = 0;
    int count = 0;
    while (count < max) {
        size_t until = at < value_count ? values[at].at : connection->out.size;
        if (sent < until) {
            ret_pieces[count++] = (struct iovec){connection->out.data + sent, until - sent};
            size += until - sent;
            sent = until;
        } else if (at < value_count) {
            const struct reply_foreign *value = &values[at];
            struct slice piece = foreign_piece(connection, value, value_sent);
            piece = slice_part(piece, 0, value->size - value_sent);
            ASSERT(piece.size > 0);
            ret_pieces[count++] = (struct iovec){(void *)(uintptr_t)piece.data, piece.size};
            size += piece.size;
            value_sent += piece.size;
            if (value_sent == value->size) {
                value_sent = 0;
                at++;
            }
        } else {
            break;
        }
    }
    *ret_size = size;
    return count;
}

/* Notes that the kernel took `size` bytes, and lets go of the values that are through. */
static void advance(struct connection *connection, size_t size) {
    const struct reply_foreign *values = (const struct reply_foreign *)connection->foreign.data;
    uint32_t value_count = (uint32_t)(connection->foreign.size / sizeof *values);
    while (size > 0) {
        bool more = connection->foreign_at < value_count;
        size_t until = more ? values[connection->foreign_at].at : connection->out.size;
        if (connection->out_sent < until) {
            size_t step = until - connection->out_sent < size ? until - connection->out_sent : size;
            connection->out_sent += step;
            size -= step;
            continue;
        }
        ASSERT(more);
        const struct reply_foreign *value = &values[connection->foreign_at];
        uint64_t left = value->size - connection->foreign_sent;
        uint64_t step = left < size ? left : size;
        connection->foreign_sent += step;
        connection->foreign_bytes -= step;
        size -= step;
        if (connection->foreign_sent == value->size) {
            let_go(connection, value);
            connection->foreign_at++;
            connection->foreign_sent = 0;
        }
    }
}

/* Moves what is unsent to the front, now and then, so that a client that is always a little behind does not keep all it ever got. */
static void compact_output(struct connection *connection) {
    if (connection->out_sent < OUTPUT_EARLY_BYTES || connection->out_sent < connection->out.size / 2)
        return;
    buf_consume(&connection->out, connection->out_sent);
    buf_consume(&connection->foreign, connection->foreign_at * sizeof(struct reply_foreign));
    struct reply_foreign *values = (struct reply_foreign *)connection->foreign.data;
    connection->foreign_counted -= connection->foreign_at;
    for (uint32_t i = 0; i < connection->foreign_counted; i++)
        values[i].at -= connection->out_sent;
    connection->foreign_at = 0;
    connection->out_sent = 0;
}

static void output_is_through(struct connection *connection) {
    if (connection->out.data)
        worker_give_buffer(connection->worker, &connection->out);
    buf_clear(&connection->foreign);
    connection->out_sent = 0;
    connection->foreign_at = connection->foreign_counted = 0;
    connection->soft_since_ms = connection->pushed_bytes = 0;
    connection->patient = false;
}

/* As sendmsg. */
static ssize_t send_pieces(struct connection *connection, struct iovec *pieces, int count, size_t size) {
    int fd = connection->source.fd;
    if (__builtin_expect(connection->tls != NULL, 0))
        return secure_send(connection, pieces, count);
    if (count == 1)
        return send(fd, pieces[0].iov_base, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void connection_send(struct connection *connection) {
    enum { PIECES_MAX = 64 };
    struct worker *worker = connection->worker;
    if (connection->state >= CONNECTION_LINGERING)
        return;
    if (__builtin_expect(connection->log_lsn != 0, 0) && persistence_holds(connection)) {
        connection_update_interest(connection);
        return;
    }
    uint64_t unsent = connection_unsent(connection);
    if (unsent > worker->counts.output_largest_bytes)
        worker->counts.output_largest_bytes = unsent;
    while (unsent > 0) {
        struct iovec pieces[PIECES_MAX];
        size_t size;
        int count = gather(connection, pieces, PIECES_MAX, &size);
        ssize_t taken = send_pieces(connection, pieces, count, size);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken < 0 && errno != EAGAIN) {
            connection_close(connection);
            return;
        }
        if (taken <= 0)
            break;
        worker->counts.writes++;
        worker->counts.bytes_out += (uint64_t)taken;
        connection->bytes_out += (uint64_t)taken;
        connection->progress_ms = worker->now_ms;
        connection->patient = false;
        advance(connection, (size_t)taken);
        unsent -= (uint64_t)taken;
        if ((size_t)taken < size)
            break;
    }
    if (unsent == 0) {
        output_is_through(connection);
        if (connection->state == CONNECTION_CLOSING) {
            begin_linger(connection);
            return;
        }
    } else {
        compact_output(connection);
    }
    connection_update_interest(connection);
}

/* Copies what remains of pinned values, so that the cache gets its memory back. */
static void copy_pinned(struct connection *connection) {
    struct buf copy;
    buf_init(&copy, &memory_libc);
    uint64_t limit = SETTING(connection->worker->server, output_hard_bytes);
    uint64_t unsent = connection_unsent(connection);
    if ((limit && unsent > limit) || buf_reserve(&copy, unsent) != STATUS_OK) {
        connection->worker->counts.output_limit_cuts++;
        connection_close(connection);
        return;
    }
    while (connection_unsent(connection) > 0) {
        struct iovec piece;
        size_t size;
        (void)gather(connection, &piece, 1, &size);
        enum status status = buf_append(&copy, piece.iov_base, size);
        ASSERT(status == STATUS_OK);
        advance(connection, size);
    }
    buf_fini(&connection->out);
    buf_clear(&connection->foreign);
    connection->out = copy;
    connection->out_sent = 0;
    connection->foreign_at = connection->foreign_counted = 0;
}

/* -------------------------------------------------------------------- input */

static bool may_read(const struct connection *connection) {
    return connection->state == CONNECTION_LINGERING ||
           (connection->state == CONNECTION_OPEN && !connection->postponed && !connection->blocked &&
            !connection->choked && !connection->log_waits && !connection->input_ended);
}

void connection_update_interest(struct connection *connection) {
    if (connection->state == CONNECTION_DEAD)
        return;
    /* A disk answers soon: who has ended its sending meanwhile still gets its replies. */
    bool waits = (connection->blocked && !tiering_waits(connection)) || connection->log_waits;
    bool sends = connection->state != CONNECTION_LINGERING && !connection->log_waits && connection_unsent(connection);
    if (__builtin_expect(connection->tls != NULL, 0)) {
        sends |= tls_waits_to_write(connection->tls);
        if (may_read(connection) && tls_has_more(connection->tls))
            secure_list(connection);
    }
    uint32_t interest = (may_read(connection) ? LOOP_READ : 0u) | (waits ? LOOP_GONE : 0u) | (sends ? LOOP_WRITE : 0u);
    if (interest != connection->source.interest &&
        loop_change(connection->worker->loop, &connection->source, interest) != STATUS_OK)
        connection_close(connection);
}

/* Reads; answers whether bytes came. The end of the input, or an error, is dealt with here. */
static bool receive(struct connection *connection, void *room, size_t size, size_t *ret_size) {
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

/* Frees up at least `size` bytes of the worker's area. */
static uint8_t *area_room(struct worker *worker, size_t size) {
    if (READ_AREA_SIZE - worker->area_used < size)
        batch_finish(worker);
    return worker->area + worker->area_used;
}

static void fail_upload(struct connection *connection, enum status status) {
    uint64_t left = connection->upload.size - connection->upload.filled;
    connection_drop_upload(connection);
    connection->upload_status = status;
    connection->upload_discard = left;
}

/* Says for which key a large value is that is being received. `input` is what the connection has of the request. */
static enum status aim_upload(struct connection *connection, struct slice input) {
    struct worker *worker = connection->worker;
    struct resp_large large = resp_parser_large(&connection->parser, input);
    const struct cmd_spec *spec = cmd_lookup(large.arguments[0]);
    if (!spec || !spec->key_at || spec->key_at >= large.count)
        return STATUS_OK;
    struct cache_key key = cache_key(worker->server->cache, connection->client.db, large.arguments[spec->key_at]);
    return cache_upload_aim(worker->server->cache, &worker->actor, &connection->upload, &key);
}

/* Other rules may have come, by which its key belongs to another store. */
static void follow_stores(struct connection *connection) {
    const struct cache *cache = connection->worker->server->cache;
    if (connection->upload.filled == connection->upload.size || !cache_upload_is_astray(cache, &connection->upload))
        return;
    enum status status = aim_upload(connection, buf_slice(&connection->in));
    if (status != STATUS_OK)
        fail_upload(connection, status);
}

/* Receives a large value where it will stay. True when it is complete. */
static bool receive_large(struct connection *connection) {
    struct worker *worker = connection->worker;
    uint64_t budget = LARGE_PER_TURN;
    size_t size;
    follow_stores(connection);
    while (budget > 0 && connection->upload.filled < connection->upload.size) {
        void *room;
        uint64_t room_size;
        enum status status =
            cache_upload_room(worker->server->cache, &worker->actor, &connection->upload, &room, &room_size);
        if (status != STATUS_OK) {
            fail_upload(connection, status);
            break;
        }
        if (!receive(connection, room, room_size, &size))
            return false;
        cache_upload_filled(&connection->upload, size);
        budget -= size < budget ? size : budget;
        if (size < room_size)
            return false;
    }
    while (budget > 0 && connection->upload_discard > 0) {
        uint8_t *room = area_room(worker, READ_SIZE_MIN);
        size = READ_SIZE_MIN < connection->upload_discard ? READ_SIZE_MIN : (size_t)connection->upload_discard;
        if (!receive(connection, room, size, &size))
            return false;
        connection->upload_discard -= size;
        budget -= size < budget ? size : budget;
    }
    return connection->upload.filled == connection->upload.size && connection->upload_discard == 0;
}

static void receive_and_drop(struct connection *connection) {
    /* A few reads: who sends without an end must not keep the turn. */
    size_t size;
    for (int i = 0; i < DROPS_PER_TURN; i++) {
        if (!receive(connection, area_room(connection->worker, READ_SIZE_MIN), READ_SIZE_MIN, &size) ||
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
    if (!may_read(connection) || connection->touched)
        return;
    if ((connection->upload.filled < connection->upload.size || connection->upload_discard) &&
        !receive_large(connection))
        return;
    size_t room = connection->bulky ? READ_SIZE_MAX : READ_SIZE_MIN, size;
    if (connection->in.size == 0) {
        uint8_t *at = area_room(worker, room);
        if (!receive(connection, at, room, &size))
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
        if (!receive(connection, connection->in.data + connection->in.size, room, &size))
            return;
        connection->in.size += size;
        connection->turn_in = connection->in.data;
        connection->turn_in_size = connection->in.size;
    }
    connection->bulky = size == room;
    parse_input(connection);
}

void connection_resume(struct connection *connection) {
    if (!may_read(connection) || connection->touched)
        return;
    begin_input(connection);
    if (connection->turn_in)
        parse_input(connection);
    else
        connection_update_interest(connection);
}

static void begin_input(struct connection *connection) {
    connection->turn_in = connection->in.size ? connection->in.data : NULL;
    connection->turn_in_size = connection->in.size;
}

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

/* A large bulk string begins. If it is the value of a command that takes one so, its bytes go straight into the cache. */
static void begin_large(struct connection *connection) {
    struct worker *worker = connection->worker;
    struct server *server = worker->server;
    struct slice input = slice_make(connection->turn_in, connection->turn_in_size);
    struct resp_large large = resp_parser_large(&connection->parser, input);
    const struct cmd_spec *spec = cmd_lookup(large.arguments[0]);
    /* Of a value that is here already only the line end is missing: there is nothing left to receive in place. */
    bool wanted = input.size - large.begins_at < large.size && spec && spec->upload_at > 0 &&
                  (uint32_t)spec->upload_at == large.count && large.size >= cache_upload_size_min(server->cache) &&
                  !connection->client.in_multi && connection->upload.size == 0 &&
                  !clients_paused_until(server, worker->actor.now_ms) && !server_is_loading(server) &&
                  !tiering_refuses_upload(connection, spec, large.arguments, large.count);
    if (!wanted || cache_upload_begin(server->cache, large.size, &connection->upload) != STATUS_OK) {
        resp_parser_large_refused(&connection->parser);
        return;
    }
    enum status status = aim_upload(connection, input);
    resp_parser_large_taken(&connection->parser);
    struct slice received = slice_part(input, large.begins_at, SIZE_MAX);
    connection->turn_in_size = large.begins_at;
    if (connection->turn_in == connection->in.data)
        connection->in.size = large.begins_at;
    while (status == STATUS_OK && received.size > 0) {
        void *room;
        uint64_t size;
        status = cache_upload_room(server->cache, &worker->actor, &connection->upload, &room, &size);
        if (status != STATUS_OK)
            break;
        size = size < received.size ? size : received.size;
        memcpy(room, received.data, size);
        cache_upload_filled(&connection->upload, size);
        received = slice_part(received, size, SIZE_MAX);
    }
    if (status != STATUS_OK) {
        fail_upload(connection, status);
        connection->upload_discard -= received.size;
    }
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
    while (may_read(connection)) {
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
            if (may_read(connection))
                begin_large(connection);
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
        log_warning("Closing a client that reached the query buffer limit: id=%llu addr=%s",
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

/* ------------------------------------------------------------------- limits */

static void look_after_output(struct connection *connection) {
    struct worker *worker = connection->worker;
    uint64_t now_ms = worker->now_ms, unsent = connection_unsent(connection);
    if (unsent == 0)
        return;
    bool subscriber = connection->client.listener.count != 0;
    uint64_t soft =
        subscriber ? SETTING(worker->server, pubsub_soft_bytes) : SETTING(worker->server, output_soft_bytes);
    uint32_t soft_s = subscriber ? SETTING(worker->server, pubsub_soft_s) : SETTING(worker->server, output_soft_s);
    if (soft && (subscriber ? unsent : connection_waiting(connection)) > soft) {
        if (!connection->soft_since_ms)
            connection->soft_since_ms = now_ms;
        if (now_ms - connection->soft_since_ms > 1000ull * soft_s) {
            worker->counts.output_limit_cuts++;
            worker->counts.pubsub_cuts += subscriber;
            log_warning("Closing a client over its soft output limit: id=%llu addr=%s",
                        (unsigned long long)connection->client.id, connection->peer);
            connection_close(connection);
            return;
        }
    } else {
        connection->soft_since_ms = 0;
    }
    if (connection->foreign_bytes && now_ms - connection->foreign_since_ms > PIN_HOLD_MS_MAX) {
        copy_pinned(connection);
        if (connection->state == CONNECTION_DEAD)
            return;
    }
    if (connection->choked && now_ms - connection->progress_ms > OUTPUT_STALL_MS) {
        connection->choked = false;
        connection->patient = true;
        connection_resume(connection);
    }
}

void connection_look_after(struct connection *connection) {
    struct worker *worker = connection->worker;
    uint64_t now_ms = worker->now_ms;
    uint64_t timeout_ms = 1000ull * SETTING(worker->server, timeout_s);
    if (connection->state == CONNECTION_LINGERING) {
        if (now_ms - connection->progress_ms > LINGER_MS_MAX)
            connection_close(connection);
        return;
    }
    bool left = connection->state == CONNECTION_CLOSING && now_ms - connection->progress_ms > CLOSING_STALL_MS_MAX &&
                now_ms - connection->active_ms > CLOSING_STALL_MS_MAX;
    bool idle = timeout_ms && !connection->inside && !connection->client.monitor && !connection->postponed &&
                !connection->blocked && !connection->push_waits && !cmd_is_subscriber(&connection->client) &&
                now_ms - connection->active_ms > timeout_ms && now_ms - connection->progress_ms > timeout_ms;
    bool stuck = connection->upload.size && now_ms - connection->active_ms > PIN_HOLD_MS_MAX;
    if (connection->client.authenticated || !SETTING(worker->server, password_set))
        connection->known_ms = now_ms;
    bool unknown = !connection->client.authenticated && now_ms - connection->known_ms > AUTHENTICATE_MS_MAX;
    bool unshaken =
        connection->tls && !tls_is_ready(connection->tls) && now_ms - connection->born_ms > TLS_HANDSHAKE_MS_MAX;
    if (idle || unknown || stuck || left || unshaken) {
        log_verbose("Closing %s client: id=%llu addr=%s",
                    unknown    ? "unauthenticated"
                    : unshaken ? "unfinished TLS"
                               : "idle",
                    (unsigned long long)connection->client.id, connection->peer);
        connection_close(connection);
        return;
    }
    look_after_output(connection);
}

static void copy_text(char *ret_text, size_t size, struct slice text) {
    size_t length = text.size < size - 1 ? text.size : size - 1;
    if (length)
        memcpy(ret_text, text.data, length);
    ret_text[length] = 0;
}

void connection_view(const struct connection *connection, struct cmd_client_view *ret_view) {
    const struct cmd_client *client = &connection->client;
    uint64_t now_ms = connection->worker->now_ms;
    *ret_view = (struct cmd_client_view){
        .id = client->id,
        .descriptor = connection->source.fd,
        .db = client->db,
        .protocol = (uint32_t)client->protocol,
        .watched = cmd_watched_count(client),
        .multi = client->in_multi ? cmd_multi_count(client) : UINT32_MAX,
        .multi_bytes = client->multi_size_bytes,
        .age_s = (now_ms - connection->born_ms) / 1000,
        .idle_s = (now_ms - connection->active_ms) / 1000,
        .query_bytes = connection->in.size,
        .query_free_bytes = connection->in.capacity - connection->in.size,
        .output_bytes = connection_unsent(connection),
        .memory_bytes = sizeof *connection + connection->in.capacity + connection->out.capacity,
        .bytes_in = connection->bytes_in,
        .bytes_out = connection->bytes_out,
        .commands = connection->commands,
        .monitor = client->monitor,
        .no_evict = client->no_evict,
        .no_touch = client->no_touch,
        .tracking = client->tracking,
        .tracking_redirect = client->tracking_redirect,
        .unix_socket = connection->is_unix,
        .closing = connection->state != CONNECTION_OPEN || client->close_after_reply || connection->killed,
        .blocked = connection->postponed || connection->blocked,
        .user_id = client->user->id,
        .name_size = (uint32_t)client->name.size,
        .lib_name_size = (uint32_t)client->lib_name.size,
        .lib_version_size = (uint32_t)client->lib_version.size,
    };
    memcpy(ret_view->topics, client->listener.counts, sizeof ret_view->topics);
    memcpy(ret_view->address, connection->peer, sizeof connection->peer);
    memcpy(ret_view->local_address, connection->local, sizeof connection->local);
    snprintf(ret_view->user, sizeof ret_view->user, "%.*s", (int)client->user->name.size,
             (const char *)client->user->name.data);
    copy_text(ret_view->name, sizeof ret_view->name, buf_slice(&client->name));
    copy_text(ret_view->lib_name, sizeof ret_view->lib_name, buf_slice(&client->lib_name));
    copy_text(ret_view->service, sizeof ret_view->service, rights_service(client));
    copy_text(ret_view->lib_version, sizeof ret_view->lib_version, buf_slice(&client->lib_version));
    snprintf(ret_view->last_command, sizeof ret_view->last_command, "%s",
             client->last_command ? client->last_command->name : "NULL");
}
