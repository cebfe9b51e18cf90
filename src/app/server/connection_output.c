#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "app/server/connection_inner.h"
#include "app/server/persistence.h"
#include "app/server/pubsub.h"
#include "app/server/secure.h"
#include "base/assert.h"

/* ---------------------------------------------------------- values in place */

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

void connection_drop_output(struct connection *connection) {
    const struct reply_foreign *values = (const struct reply_foreign *)connection->foreign.data;
    uint32_t count = (uint32_t)(connection->foreign.size / sizeof *values);
    for (uint32_t i = connection->foreign_at; i < count; i++)
        let_go(connection, &values[i]);
    buf_clear(&connection->foreign);
    connection->foreign_at = connection->foreign_counted = 0;
    connection->foreign_sent = connection->foreign_bytes = 0;
}

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

/* --------------------------------------------------------------------- send */

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
            connection_linger(connection);
            return;
        }
    } else {
        compact_output(connection);
    }
    connection_update_interest(connection);
}

void connection_copy_pinned(struct connection *connection) {
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
