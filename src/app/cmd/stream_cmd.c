/* app/cmd/stream_cmd.c: STREAM: what was invalidated, in one order, to listen to or to read. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/stream_reply.h"
#include "app/cmd/stream_words.h"
#include "app/cmd/words.h"
#include "base/number.h"

enum { READ_SIZE_MAX = 64 * 1024 /* copied at a time */ };

static bool has_server(struct cmd_call *call) {
    if (!call->env->server)
        reply_error(call->reply, SLICE("ERR there is no stream here"));
    return call->env->server != NULL;
}

static void refuse(struct cmd_call *call, enum status status) {
    if (status == STATUS_CLOSED)
        reply_error(call->reply, SLICE("ERR the stream is switched off (setting stream)"));
    else
        cmd_error_status(call, status);
}

/* Run and position, as a map, or as clients of RESP2 that listen expect it: like the confirmation of a subscription. */
static void confirm(struct cmd_call *call, uint64_t position) {
    struct cmd_server *server = call->env->server;
    const char *run = server->api->run_id(server);
    if (call->client->protocol == 3) {
        reply_map(call->reply, 2);
        reply_bulk_string(call->reply, "run");
        reply_bulk_string(call->reply, run);
        reply_bulk_string(call->reply, "position");
        reply_integer(call->reply, (int64_t)position);
        return;
    }
    char text[128];
    snprintf(text, sizeof text, "{\"run\":\"%s\",\"position\":%llu}", run, (unsigned long long)position);
    reply_array(call->reply, 3);
    reply_bulk_string(call->reply, "subscribe");
    reply_bulk_string(call->reply, CMD_STREAM_CHANNEL);
    reply_bulk_string(call->reply, text);
}

void cmd_stream_subscribe(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct stream_words words;
    uint64_t position;
    if (!has_server(call) || !stream_words_read(call, 2, STREAM_TAKES_LISTENING, &words) ||
        !stream_words_check(call, &words))
        return;
    words.wish.greeting = call->client->stream_channel ? STREAM_GREETING_FROM : NULL;
    enum status status = server->api->stream_subscribe(server, call->client, &words.wish, &position);
    if (status == STATUS_OK)
        confirm(call, position);
    else
        refuse(call, status);
}

void cmd_stream_unsubscribe(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    if (!has_server(call))
        return;
    if (call->client->streams)
        server->api->stream_unsubscribe(server, call->client);
    if (call->client->protocol == 3) {
        reply_ok(call->reply);
        return;
    }
    reply_array(call->reply, 3);
    reply_bulk_string(call->reply, "unsubscribe");
    reply_bulk_string(call->reply, CMD_STREAM_CHANNEL);
    reply_integer(call->reply, 0);
}

void cmd_stream_position(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    uint64_t position;
    if (!has_server(call))
        return;
    bool writes = call->argc == 3 && cmd_is(call, 2, "writes");
    if (call->argc > 2 && !writes) {
        (void)words_refuse(call, 2, "WRITES or nothing");
        return;
    }
    enum status status = server->api->stream_begin(server, call->client, writes, &position);
    if (status != STATUS_OK) {
        refuse(call, status);
        return;
    }
    reply_array(call->reply, 2);
    reply_bulk_string(call->reply, server->api->run_id(server));
    reply_integer(call->reply, (int64_t)position);
}

/* Libraries of RESP2 expect nothing but arrays of three on a connection that listens to a channel. */
static void confirm_ack(struct cmd_call *call, uint64_t position) {
    if (call->client->protocol == 3 || !call->client->stream_channel) {
        reply_ok(call->reply);
        return;
    }
    reply_array(call->reply, 3);
    reply_bulk_string(call->reply, "ack");
    reply_bulk_string(call->reply, CMD_STREAM_CHANNEL);
    reply_integer(call->reply, (int64_t)position);
}

void cmd_stream_ack(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    int64_t position;
    if (!has_server(call) || !words_number(call, 2, 0, INT64_MAX, "", &position))
        return;
    switch (server->api->stream_ack(server, call->client, (uint64_t)position)) {
        case STATUS_OK:
            confirm_ack(call, (uint64_t)position);
            return;
        case STATUS_INVALID:
            reply_error(call->reply, SLICE("ERR nothing has that position yet; STREAM POSITION tells the last one"));
            return;
        default:
            reply_error(call->reply, SLICE("ERR this connection has not subscribed with ACK"));
    }
}

/* ------------------------------------------------------------------------------------------ READ */

struct read {
    struct cmd_call *call;
    const struct stream_words *words;
    struct stream_cursor cursor;
    struct stream_unsure unsure;
    bool gap;
    struct buf replies; /* the records */
    struct reply reply;
    uint32_t count;
};

/* Those of the bytes that the filter takes. */
static void read_bytes(struct read *read, struct slice bytes) {
    struct stream_record record;
    size_t at = 0;
    while (stream_decode(bytes, &at, &record)) {
        if (!stream_filter_takes(&read->words->wish.filter, &record))
            continue;
        stream_reply_record(&read->reply, &record);
        if (++read->count == read->words->count) {
            read->cursor = (struct stream_cursor){.after = record.position};
            return;
        }
    }
}

static void read_all(struct read *read) {
    struct cmd_server *server = read->call->env->server;
    struct buf bytes;
    enum stream_result result = STREAM_RECORDS;
    buf_init(&bytes, &memory_libc);
    /* A second gap: records leave faster than they are read. What was told of the first does not hold for more. */
    while (result == STREAM_RECORDS && read->count < read->words->count && read->reply.status == STATUS_OK) {
        buf_clear(&bytes);
        result = server->api->stream_next(server, &read->cursor, &read->words->wish.filter, READ_SIZE_MAX, &bytes,
                                          read->gap || read->count ? NULL : &read->unsure);
        if (result == STREAM_GAP && !read->gap && !read->count) {
            read->gap = true;
            result = STREAM_RECORDS;
            continue;
        }
        read_bytes(read, buf_slice(&bytes));
    }
    buf_fini(&bytes);
}

static void reply_read(struct read *read) {
    struct cmd_call *call = read->call;
    struct cmd_server *server = call->env->server;
    struct reply *reply = call->reply;
    if (read->reply.status != STATUS_OK) {
        cmd_error_status(call, read->reply.status);
        return;
    }
    reply_map(reply, 4);
    reply_bulk_string(reply, "run");
    reply_bulk_string(reply, server->api->run_id(server));
    reply_bulk_string(reply, "position");
    reply_integer(reply, (int64_t)read->cursor.after);
    reply_bulk_string(reply, "unsure");
    stream_reply_unsure(reply, &read->unsure);
    reply_bulk_string(reply, "records");
    reply_array(reply, read->count);
    reply_raw(reply, buf_slice(&read->replies));
}

void cmd_stream_read(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct stream_words words;
    uint64_t position;
    if (!has_server(call) || !stream_words_read(call, 2, STREAM_TAKES_COUNT, &words) ||
        !stream_words_check(call, &words))
        return;
    if (!words.wish.from) {
        reply_error(call->reply, SLICE("ERR STREAM READ needs FROM run position, as STREAM POSITION tells them"));
        return;
    }
    enum status status = server->api->stream_begin(server, call->client, words.wish.filter.writes, &position);
    if (status != STATUS_OK) {
        refuse(call, status);
        return;
    }
    struct read read = {.call = call, .words = &words, .cursor = {.after = words.wish.after}};
    stream_unsure_init(&read.unsure, &memory_libc);
    buf_init(&read.replies, &memory_libc);
    reply_init(&read.reply, &read.replies, NULL, call->reply->protocol);
    if (words.wish.after > position || !slice_equal(words.wish.run, slice_from_string(server->api->run_id(server)))) {
        read.unsure.anything = true;
        read.cursor.after = position;
    } else {
        read_all(&read);
    }
    reply_read(&read);
    buf_fini(&read.replies);
    stream_unsure_fini(&read.unsure);
}

/* ------------------------------------------------------------------------------------------ INFO */

static void reply_number(struct cmd_call *call, const char *name, uint64_t value) {
    reply_bulk_string(call->reply, name);
    reply_integer(call->reply, (int64_t)value);
}

/* With the names of INFO, without "stream_". */
void cmd_stream_info(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct cmd_stream_counts counts;
    if (!has_server(call))
        return;
    server->api->stream_counts(server, &counts);
    reply_map(call->reply, 14);
    reply_bulk_string(call->reply, "run");
    reply_bulk_string(call->reply, server->api->run_id(server));
    reply_number(call, "recording", counts.recording);
    reply_number(call, "recording_writes", counts.writes);
    reply_number(call, "position", counts.position);
    reply_number(call, "first", counts.position > counts.floor ? counts.floor + 1 : 0);
    reply_number(call, "bytes", counts.bytes);
    reply_number(call, "subscribers", counts.subscribers);
    reply_number(call, "subscribers_writes", counts.writers);
    reply_number(call, "subscribers_ack", counts.ackers);
    reply_number(call, "told", counts.told);
    reply_number(call, "gaps", counts.gaps);
    reply_number(call, "sync_waiting", counts.waiting);
    reply_number(call, "sync_complete", counts.synced);
    reply_number(call, "sync_incomplete", counts.unacknowledged);
}
