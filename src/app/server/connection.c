#include "app/server/connection_inner.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/cmd/rights.h"
#include "app/server/audit.h"
#include "app/server/leases.h"
#include "app/server/monitor.h"
#include "app/server/persistence.h"
#include "app/server/pubsub.h"
#include "app/server/secure.h"
#include "app/server/streaming.h"
#include "app/server/tiering.h"
#include "app/server/tracking.h"
#include "app/server/users.h"
#include "base/assert.h"
#include "sys/os/log.h"
#include "sys/os/socket.h"

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

void connection_free_dead(struct worker *worker) {
    while (worker->dead) {
        struct connection *connection = worker->dead;
        ASSERT(connection->state == CONNECTION_DEAD && !connection->touched);
        worker->dead = connection->dead_next;
        connection_drop_upload(connection);
        connection_drop_output(connection);
        tls_free(connection->tls);
        buf_fini(&connection->foreign);
        worker_give_buffer(worker, &connection->in);
        worker_give_buffer(worker, &connection->out);
        resp_parser_fini(&connection->parser);
        cmd_client_fini(&connection->client, &worker->server->env, &worker->actor);
        memory_give(&memory_libc, connection, sizeof *connection);
    }
}

void connection_linger(struct connection *connection) {
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

void connection_update_interest(struct connection *connection) {
    if (connection->state == CONNECTION_DEAD)
        return;
    /* A disk answers soon: who has ended its sending meanwhile still gets its replies. */
    bool waits = (connection->blocked && !tiering_waits(connection)) || connection->log_waits;
    bool sends = connection->state != CONNECTION_LINGERING && !connection->log_waits && connection_unsent(connection);
    if (__builtin_expect(connection->tls != NULL, 0)) {
        sends |= tls_waits_to_write(connection->tls);
        if (connection_may_read(connection) && tls_has_more(connection->tls))
            secure_list(connection);
    }
    uint32_t interest =
        (connection_may_read(connection) ? LOOP_READ : 0u) | (waits ? LOOP_GONE : 0u) | (sends ? LOOP_WRITE : 0u);
    if (interest != connection->source.interest &&
        loop_change(connection->worker->loop, &connection->source, interest) != STATUS_OK)
        connection_close(connection);
}

/* ------------------------------------------------------------------- limits */

static void tell_over_limit(const struct connection *connection) {
    log_event(LOG_WARNING, "client_closed",
              LOG_FIELDS(log_text("why", "soft_output_limit"), log_number("client", connection->client.id),
                         log_text("address", connection->peer)),
              "Closing a client over its soft output limit: id=%llu addr=%s", (unsigned long long)connection->client.id,
              connection->peer);
}

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
            tell_over_limit(connection);
            connection_close(connection);
            return;
        }
    } else {
        connection->soft_since_ms = 0;
    }
    if (connection->foreign_bytes && now_ms - connection->foreign_since_ms > PIN_HOLD_MS_MAX) {
        connection_copy_pinned(connection);
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
