#include "app/server/monitor.h"

#include "app/config/config.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"

void monitor_begin(struct cmd_server *api, struct cmd_client *client) {
    struct connection *connection = client->connection;
    if (connection->monitoring)
        return;
    connection->monitoring = client->monitor = true;
    atomic_fetch_add(&connection->worker->monitors, 1);
    atomic_fetch_add(&server_of(api)->monitors, 1);
    atomic_fetch_add(&server_of(api)->observers, 1);
}

void monitor_end(struct connection *connection) {
    if (!connection->monitoring)
        return;
    connection->monitoring = connection->client.monitor = false;
    atomic_fetch_sub(&connection->worker->monitors, 1);
    atomic_fetch_sub(&connection->worker->server->monitors, 1);
    atomic_fetch_sub(&connection->worker->server->observers, 1);
}

/* `"like this\n"`: what a C programmer would type. */
static enum status append_quoted(struct buf *line, struct slice text) {
    static const char hex[] = "0123456789abcdef";
    TRY(buf_reserve(line, 4 * text.size + 2));
    uint8_t *at = line->data + line->size;
    *at++ = '"';
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        const char *named = byte == '\n'   ? "\\n"
                            : byte == '\r' ? "\\r"
                            : byte == '\t' ? "\\t"
                            : byte == '\a' ? "\\a"
                            : byte == '\b' ? "\\b"
                            : byte == '"'  ? "\\\""
                            : byte == '\\' ? "\\\\"
                                           : NULL;
        if (named) {
            *at++ = (uint8_t)named[0];
            *at++ = (uint8_t)named[1];
        } else if (byte < ' ' || byte > '~') {
            *at++ = '\\';
            *at++ = 'x';
            *at++ = (uint8_t)hex[byte >> 4];
            *at++ = (uint8_t)hex[byte & 15];
        } else {
            *at++ = byte;
        }
    }
    *at++ = '"';
    line->size = (size_t)(at - line->data);
    return STATUS_OK;
}

static bool begins(const struct cmd_call *call, const char *command, const char *subcommand) {
    return slice_equal_nocase(call->argv[0], slice_from_string(command)) &&
           slice_equal_nocase(call->argv[1], slice_from_string(subcommand));
}

/* AUTH user password, TOKEN AUTH token, ACL SETUSER name rules, HELLO 3 AUTH user password SETNAME name, CONFIG SET requirepass password;
 * of rules of roles, too, those that somebody took for a user's. */
static bool is_secret(const struct cmd_call *call, uint32_t at) {
    if (at == 0)
        return false;
    if (slice_equal_nocase(call->argv[0], SLICE("auth")))
        return true;
    if (at == 1)
        return false;
    if (begins(call, "acl", "setuser") || begins(call, "acl", "setrole") || begins(call, "token", "auth"))
        return true;
    if (slice_equal_nocase(call->argv[0], SLICE("hello")))
        return slice_equal_nocase(call->argv[at - 1], SLICE("auth")) ||
               (at > 2 && slice_equal_nocase(call->argv[at - 2], SLICE("auth")));
    enum config_key_id id = begins(call, "config", "set") ? config_find(call->argv[at - 1]) : CONFIG_KEY_COUNT;
    return id < CONFIG_KEY_COUNT && config_keys[id].secret;
}

struct slice monitor_shown(const struct cmd_call *call, uint32_t at) {
    struct slice argument = call->argv[at];
    if (is_secret(call, at))
        return SLICE("(redacted)");
    /* A large value was received into the cache: its bytes are not at hand. */
    return argument.data || argument.size == 0 ? argument : SLICE("(large value)");
}

static enum status format_line(struct buf *line, const struct cmd_call *call) {
    const struct connection *connection = call->client->connection;
    uint64_t now_us = clock_unix_us();
    TRY(buf_printf(line, "+%llu.%06llu [%u %s%s]", (unsigned long long)(now_us / 1000000),
                   (unsigned long long)(now_us % 1000000), call->client->db, connection->is_unix ? "unix:" : "",
                   connection->is_unix ? connection->worker->server->unix_path : connection->peer));
    for (uint32_t i = 0; i < call->argc; i++) {
        TRY(buf_append(line, " ", 1));
        TRY(append_quoted(line, monitor_shown(call, i)));
        if (line->size > MONITOR_QUEUE_SIZE_MAX)
            return STATUS_TOO_LARGE;
    }
    return buf_append(line, "\r\n", 2);
}

void monitor_feed(struct worker *worker, const struct cmd_call *call) {
    if (!call->spec || (call->spec->flags & (CMD_SKIP_MONITOR | CMD_ADMIN)))
        return;
    struct server *server = worker->server;
    struct buf line;
    buf_init(&line, &memory_libc);
    enum status status = format_line(&line, call);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *other = server->workers[i];
        if (atomic_load_explicit(&other->monitors, memory_order_relaxed) == 0)
            continue;
        pthread_mutex_lock(&other->monitor_lock);
        if (status != STATUS_OK || other->monitor_lines.size + line.size > MONITOR_QUEUE_SIZE_MAX ||
            buf_append_slice(&other->monitor_lines, buf_slice(&line)) != STATUS_OK)
            other->monitor_lost = true;
        pthread_mutex_unlock(&other->monitor_lock);
        loop_wake(other->loop);
    }
    buf_fini(&line);
}

void monitor_hand_out(struct worker *worker) {
    struct buf lines;
    buf_init(&lines, &memory_libc);
    pthread_mutex_lock(&worker->monitor_lock);
    struct buf filled = worker->monitor_lines;
    worker->monitor_lines = lines;
    bool lost = worker->monitor_lost;
    worker->monitor_lost = false;
    pthread_mutex_unlock(&worker->monitor_lock);
    lines = filled;

    uint64_t hard = SETTING(worker->server, output_hard_bytes);
    struct connection *older;
    for (struct connection *connection = worker->first; connection && (lines.size || lost); connection = older) {
        older = connection->older;
        if (!connection->monitoring || connection->state != CONNECTION_OPEN)
            continue;
        if (lost || (hard && connection_unsent(connection) + lines.size > hard)) {
            log_event(LOG_WARNING, "client_closed",
                      LOG_FIELDS(log_text("why", "monitor_lags"), log_number("client", connection->client.id),
                                 log_text("address", connection->peer)),
                      "Closing a monitor that lags behind: id=%llu", (unsigned long long)connection->client.id);
            worker->counts.output_limit_cuts++;
            connection_close(connection);
            continue;
        }
        if (!connection->out.data)
            connection->out = worker_take_buffer(worker);
        if (buf_append_slice(&connection->out, buf_slice(&lines)) != STATUS_OK)
            connection_close(connection);
        else
            connection_send(connection);
    }
    buf_fini(&lines);
}
