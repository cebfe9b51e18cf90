#include <string.h>

#include "app/server/clients.h"
#include "app/server/connection_inner.h"
#include "app/server/tiering.h"

enum { LARGE_PER_TURN = 4 * 1024 * 1024 }; /* bytes of large values taken from one connection in a turn */

void connection_drop_upload(struct connection *connection) {
    if (connection->upload.size)
        cache_upload_drop(connection->worker->server->cache, &connection->worker->actor, &connection->upload);
    connection->upload = (struct cache_upload){0};
    connection->upload_discard = 0;
    connection->upload_status = STATUS_OK;
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

bool connection_receive_upload(struct connection *connection) {
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
        if (!connection_take(connection, room, room_size, &size))
            return false;
        cache_upload_filled(&connection->upload, size);
        budget -= size < budget ? size : budget;
        if (size < room_size)
            return false;
    }
    while (budget > 0 && connection->upload_discard > 0) {
        uint8_t *room = connection_area(worker, READ_SIZE_MIN);
        size = READ_SIZE_MIN < connection->upload_discard ? READ_SIZE_MIN : (size_t)connection->upload_discard;
        if (!connection_take(connection, room, size, &size))
            return false;
        connection->upload_discard -= size;
        budget -= size < budget ? size : budget;
    }
    return connection->upload.filled == connection->upload.size && connection->upload_discard == 0;
}

void connection_begin_upload(struct connection *connection) {
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
