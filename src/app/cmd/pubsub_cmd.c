/* app/cmd/pubsub_cmd.c: SUBSCRIBE, PUBLISH and what is between them. */
#include "app/cmd/commands.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "app/cmd/stream_reply.h"
#include "base/assert.h"
#include "base/glob.h"

/* ------------------------------------------------------------- subscribing */

/* What a confirmation counts: shard channels by themselves. */
static uint32_t listened(const struct listener *listener, enum topic_kind kind) {
    return kind == TOPIC_SHARD_CHANNEL ? listener->counts[TOPIC_SHARD_CHANNEL]
                                       : listener->counts[TOPIC_CHANNEL] + listener->counts[TOPIC_PATTERN];
}

/* The channel of the stream is the stream: whoever listens to it as to others, with a library that knows no more, is told of everything from now
 * on, until he says by STREAM SUBSCRIBE what he wants. */
static bool is_stream(enum topic_kind kind, struct slice name) {
    return kind == TOPIC_CHANNEL && slice_equal(name, SLICE(CMD_STREAM_CHANNEL));
}

static enum status begin_stream(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    const struct cmd_stream_wish everything = {.greeting = STREAM_GREETING_HERE, .widens = true};
    uint64_t position;
    if (!call->client->streams || !call->client->stream_channel)
        TRY(server->api->stream_subscribe(server, call->client, &everything, &position));
    call->client->stream_channel = true;
    return STATUS_OK;
}

static void end_stream(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    if (call->client->streams && call->client->stream_channel)
        server->api->stream_unsubscribe(server, call->client);
    call->client->stream_channel = false;
}

static void subscribe(struct cmd_call *call, enum topic_kind kind, const char *word) {
    struct cmd_server *server = call->env->server;
    for (uint32_t at = 1; at < call->argc; at++) {
        enum status status = server->api->subscribe(server, call->client, kind, call->argv[at]);
        if (status == STATUS_OK && is_stream(kind, call->argv[at]) && (status = begin_stream(call)) != STATUS_OK)
            server->api->unsubscribe(server, call->client, kind, call->argv[at]);
        if (status == STATUS_CLOSED) {
            reply_error(call->reply, SLICE("ERR the stream is switched off (setting stream)"));
            return;
        }
        if (status == STATUS_FULL) {
            reply_errorf(call->reply, "ERR a connection may have at most %d subscriptions, with names of %d bytes",
                         TOPICS_LISTENER_MAX, TOPICS_LISTENER_NAMES_MAX);
            return;
        }
        if (status != STATUS_OK) {
            cmd_error_status(call, status);
            return;
        }
        reply_push(call->reply, 3);
        reply_bulk_string(call->reply, word);
        reply_bulk(call->reply, call->argv[at]);
        reply_integer(call->reply, listened(&call->client->listener, kind));
    }
}

/* The name may be the subscription's own, so it is written before that goes. */
static void unsubscribe_one(struct cmd_call *call, enum topic_kind kind, const char *word, struct slice name) {
    struct cmd_server *server = call->env->server;
    reply_push(call->reply, 3);
    reply_bulk_string(call->reply, word);
    reply_bulk(call->reply, name);
    if (is_stream(kind, name))
        end_stream(call);
    server->api->unsubscribe(server, call->client, kind, name);
    reply_integer(call->reply, listened(&call->client->listener, kind));
}

static void unsubscribe(struct cmd_call *call, enum topic_kind kind, const char *word) {
    struct listener *listener = &call->client->listener;
    for (uint32_t at = 1; at < call->argc; at++)
        unsubscribe_one(call, kind, word, call->argv[at]);
    if (call->argc > 1)
        return;
    if (!listener->first[kind]) {
        reply_push(call->reply, 3);
        reply_bulk_string(call->reply, word);
        reply_null(call->reply);
        reply_integer(call->reply, listened(listener, kind));
    }
    while (listener->first[kind])
        unsubscribe_one(call, kind, word, topic_name(listener->first[kind]->part->topic));
}

void cmd_subscribe(struct cmd_call *call) { subscribe(call, TOPIC_CHANNEL, "subscribe"); }
void cmd_psubscribe(struct cmd_call *call) { subscribe(call, TOPIC_PATTERN, "psubscribe"); }
void cmd_unsubscribe(struct cmd_call *call) { unsubscribe(call, TOPIC_CHANNEL, "unsubscribe"); }
void cmd_punsubscribe(struct cmd_call *call) { unsubscribe(call, TOPIC_PATTERN, "punsubscribe"); }
void cmd_sunsubscribe(struct cmd_call *call) { unsubscribe(call, TOPIC_SHARD_CHANNEL, "sunsubscribe"); }

void cmd_ssubscribe(struct cmd_call *call) {
    /* As in Redis, where only the older two keep their place in transactions. */
    if (call->client->in_exec)
        reply_error(call->reply, SLICE("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    else
        subscribe(call, TOPIC_SHARD_CHANNEL, "ssubscribe");
}

/* -------------------------------------------------------------- publishing */

static void publish(struct cmd_call *call, enum topic_kind kind) {
    struct cmd_server *server = call->env->server;
    uint64_t receivers;
    if (is_stream(kind, call->argv[1])) {
        reply_error(call->reply, SLICE("ERR nobody publishes to __stream__: it carries the invalidation stream"));
        return;
    }
    enum status status = server->api->publish(server, kind, call->argv[1], call->argv[2], &receivers);
    if (status == STATUS_OK)
        reply_integer(call->reply, (int64_t)receivers);
    else
        cmd_error_status(call, status);
}

void cmd_publish(struct cmd_call *call) { publish(call, TOPIC_CHANNEL); }
void cmd_spublish(struct cmd_call *call) { publish(call, TOPIC_SHARD_CHANNEL); }

/* ------------------------------------------------------------------ looking */

struct channels {
    struct buf replies; /* the names as bulk strings */
    struct reply reply;
    struct slice pattern;
    bool all;
    const struct cmd_client *client;
    enum topic_kind kind;
    size_t count;
};

static void add_channel(void *context, struct slice name) {
    struct channels *channels = context;
    if ((!channels->all && !glob_matches(channels->pattern, name, false)) ||
        !rights_hear(channels->client, channels->kind, name))
        return;
    reply_bulk(&channels->reply, name);
    channels->count++;
}

static void list_channels(struct cmd_call *call, enum topic_kind kind) {
    struct cmd_server *server = call->env->server;
    if (call->argc > 3) {
        cmd_error_subcommand(call, "PUBSUB");
        return;
    }
    struct channels channels = {
        .all = call->argc == 2, .client = call->client, .kind = kind, .pattern = call->argv[call->argc - 1]};
    buf_init(&channels.replies, call->arena->memory);
    reply_init(&channels.reply, &channels.replies, NULL, call->reply->protocol);
    server->api->each_topic(server, kind, add_channel, &channels);
    if (channels.reply.status == STATUS_OK) {
        reply_array(call->reply, channels.count);
        reply_raw(call->reply, buf_slice(&channels.replies));
    } else {
        cmd_error_status(call, channels.reply.status);
    }
    buf_fini(&channels.replies);
}

static void count_listeners(struct cmd_call *call, enum topic_kind kind) {
    struct cmd_server *server = call->env->server;
    reply_array(call->reply, 2 * (call->argc - 2));
    for (uint32_t at = 2; at < call->argc; at++) {
        reply_bulk(call->reply, call->argv[at]);
        reply_integer(call->reply, (int64_t)server->api->topic_listeners(server, kind, call->argv[at]));
    }
}

void cmd_pubsub_channels(struct cmd_call *call) { list_channels(call, TOPIC_CHANNEL); }
void cmd_pubsub_shardchannels(struct cmd_call *call) { list_channels(call, TOPIC_SHARD_CHANNEL); }
void cmd_pubsub_numsub(struct cmd_call *call) { count_listeners(call, TOPIC_CHANNEL); }
void cmd_pubsub_shardnumsub(struct cmd_call *call) { count_listeners(call, TOPIC_SHARD_CHANNEL); }

void cmd_pubsub_numpat(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    reply_integer(call->reply, (int64_t)server->api->topic_count(server, TOPIC_PATTERN));
}
