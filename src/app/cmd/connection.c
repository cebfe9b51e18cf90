/* app/cmd/connection.c: what concerns the connection itself: greeting, password, farewell. */
#include "app/cmd/client_name.h"
#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "app/cmd/users.h"
#include "base/assert.h"
#include "base/number.h"

/* ---------------------------------------------------------------- password */

void cmd_auth(struct cmd_call *call) {
    if (call->argc > 3) {
        cmd_error_syntax(call);
        return;
    }
    if (call->argc == 2 && users_default_needs_none(call->env->server)) {
        reply_error(call->reply,
                    SLICE("ERR AUTH <password> called without any password configured for the default user. "
                          "Are you sure your configuration is correct?"));
        return;
    }
    struct slice user = call->argc == 3 ? call->argv[1] : SLICE("default");
    if (users_authenticate(call, user, call->argv[call->argc - 1]))
        reply_ok(call->reply);
}

/* ------------------------------------------------------------------- HELLO */

struct hello {
    int64_t protocol; /* 0: keep it */
    bool authenticates, names;
    struct slice user, password, name;
};

static bool hello_parse(struct cmd_call *call, struct hello *hello) {
    if (call->argc > 1) {
        if (!number_parse_i64(call->argv[1], &hello->protocol)) {
            reply_error(call->reply, SLICE("ERR Protocol version is not an integer or out of range"));
            return false;
        }
        if (hello->protocol != 2 && hello->protocol != 3) {
            reply_error(call->reply, SLICE("NOPROTO unsupported protocol version"));
            return false;
        }
    }
    for (uint32_t i = 2; i < call->argc; i++) {
        uint32_t more = call->argc - 1 - i;
        if (cmd_is(call, i, "auth") && more >= 2) {
            hello->authenticates = true;
            hello->user = call->argv[++i];
            hello->password = call->argv[++i];
        } else if (cmd_is(call, i, "setname") && more >= 1) {
            hello->names = true;
            hello->name = call->argv[++i];
            if (!client_name_check(call, "Client names", hello->name))
                return false;
        } else {
            struct slice shown = slice_part(call->argv[i], 0, 128);
            reply_errorf(call->reply, "ERR Syntax error in HELLO option '%.*s'", (int)shown.size,
                         shown.size ? (const char *)shown.data : "");
            return false;
        }
    }
    return true;
}

static void hello_reply(struct cmd_call *call) {
    struct reply *reply = call->reply;
    reply_map(reply, 7);
    reply_bulk_string(reply, "server");
    reply_bulk_string(reply, "redis");
    reply_bulk_string(reply, "version");
    reply_bulk_string(reply, CMD_REDIS_VERSION);
    reply_bulk_string(reply, "proto");
    reply_integer(reply, call->client->protocol);
    reply_bulk_string(reply, "id");
    reply_integer(reply, (int64_t)call->client->id);
    reply_bulk_string(reply, "mode");
    reply_bulk_string(reply, "standalone");
    reply_bulk_string(reply, "role");
    reply_bulk_string(reply, "master");
    reply_bulk_string(reply, "modules");
    reply_array(reply, 0);
}

static void protocol_set(struct cmd_call *call, int protocol) {
    ASSERT(protocol == 2 || protocol == 3);
    call->client->protocol = protocol;
    call->reply->protocol = protocol;
}

void cmd_hello(struct cmd_call *call) {
    struct hello hello = {0};
    if (!hello_parse(call, &hello))
        return;
    if (hello.authenticates && !users_authenticate(call, hello.user, hello.password))
        return;
    if (!call->client->authenticated) {
        reply_error(call->reply,
                    SLICE("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
                          "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
                          "version at the same time"));
        return;
    }
    if (hello.names && !client_name_set(call, &call->client->name, hello.name))
        return;
    if (hello.protocol)
        protocol_set(call, (int)hello.protocol);
    hello_reply(call);
}

/* ---------------------------------------------------------- small and last */

/* Looks like a message, because a RESP2 subscriber expects nothing else. */
static void ping_subscriber(struct cmd_call *call) {
    reply_array(call->reply, 2);
    reply_bulk_string(call->reply, "pong");
    reply_bulk(call->reply, call->argc == 2 ? call->argv[1] : SLICE(""));
}

void cmd_ping(struct cmd_call *call) {
    if (call->argc > 2)
        reply_error(call->reply, SLICE("ERR wrong number of arguments for 'ping' command"));
    else if (cmd_is_subscriber(call->client) && call->client->protocol == 2)
        ping_subscriber(call);
    else if (call->argc == 2)
        reply_bulk(call->reply, call->argv[1]);
    else
        reply_simple(call->reply, SLICE("PONG"));
}

void cmd_echo(struct cmd_call *call) { reply_bulk(call->reply, call->argv[1]); }

void cmd_quit(struct cmd_call *call) {
    call->client->close_after_reply = true;
    reply_ok(call->reply);
}

void cmd_reset(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    cmd_multi_drop(client, call->env, call->actor);
    cmd_unwatch_all(client, call->env);
    struct cmd_server *server = call->env->server;
    if (client->listener.count)
        server->api->unsubscribe_all(server, client);
    if (client->streams)
        server->api->stream_unsubscribe(server, client);
    client->stream_channel = false;
    if (client->tracking & CMD_TRACKS)
        server->api->untrack(server, client);
    if (client->has_leases)
        server->api->lease_leave(server, client);
    client->db = 0;
    client->monitor = client->no_evict = client->no_touch = false;
    client->reply_off = client->reply_skip = client->reply_skip_next = false;
    users_be_default(call);
    buf_clear(&client->name);
    buf_clear(&client->service);
    protocol_set(call, 2);
    reply_simple(call->reply, SLICE("RESET"));
}
