#include "app/cmd/invalidate_words.h"

#include "app/cmd/cause.h"
#include "app/cmd/server_api.h"
#include "app/cmd/words.h"

bool invalidate_words_begin(const struct cmd_call *call, uint32_t at) {
    return cmd_is(call, at, "dryrun") || cmd_is(call, at, "soft") || cmd_is(call, at, "sync") ||
           cmd_is(call, at, "reason");
}

uint32_t invalidate_words_find(const struct cmd_call *call, uint32_t from) {
    uint32_t at = call->argc;
    for (;;) {
        if (at >= from + 3 && (cmd_is(call, at - 2, "sync") || cmd_is(call, at - 2, "reason")))
            at -= 2;
        else if (at >= from + 2 && (cmd_is(call, at - 1, "soft") || cmd_is(call, at - 1, "dryrun")))
            at--;
        else
            return at;
    }
}

static bool read_sync(struct cmd_call *call, uint32_t at, struct invalidate_words *words) {
    int64_t value;
    if (words->sync)
        return words_refuse_which(call, at - 1, "stands there twice");
    if (!words_number(call, at, 0, INVALIDATE_SYNC_MS_MAX, " milliseconds", &value))
        return false;
    if (call->client->in_exec) {
        reply_error(call->reply, SLICE("ERR in a transaction nothing waits: SYNC is not possible"));
        return false;
    }
    words->sync = true;
    words->sync_ms = (uint32_t)value;
    return true;
}

static bool read_reason(struct cmd_call *call, uint32_t at, struct invalidate_words *words) {
    if (words->reason.size)
        return words_refuse_which(call, at - 1, "stands there twice");
    if (at >= call->argc)
        return words_refuse(call, at, "a text (quote it if it has spaces)");
    if (call->argv[at].size > CAUSE_REASON_MAX) {
        reply_errorf(call->reply, "ERR a reason has at most %d bytes", CAUSE_REASON_MAX);
        return false;
    }
    words->reason = call->argv[at];
    return true;
}

bool invalidate_words_read(struct cmd_call *call, uint32_t at, struct invalidate_words *ret_words) {
    *ret_words = (struct invalidate_words){.dry_run = false};
    while (at < call->argc) {
        bool is_sync = cmd_is(call, at, "sync"), is_reason = cmd_is(call, at, "reason");
        if (!is_sync && !is_reason) {
            bool *word = cmd_is(call, at, "dryrun") ? &ret_words->dry_run : &ret_words->soft;
            if (!invalidate_words_begin(call, at))
                return words_refuse(call, at, "SOFT, DRYRUN, SYNC or REASON");
            if (*word)
                return words_refuse_which(call, at, "stands there twice");
            *word = true;
            at++;
            continue;
        }
        if (is_sync ? !read_sync(call, at + 1, ret_words) : !read_reason(call, at + 1, ret_words))
            return false;
        at += 2;
    }
    if (ret_words->dry_run && ret_words->sync) {
        reply_error(call->reply, SLICE("ERR with DRYRUN nothing happens that SYNC could wait for"));
        return false;
    }
    return true;
}

static void reply_synced(struct cmd_call *call, const struct cmd_synced *synced) {
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {{"entries", synced->entries},
                   {"position", synced->position},
                   {"acknowledged", synced->acknowledged},
                   {"missing", synced->missing}};
    uint32_t shown = synced->missing < CMD_SYNCED_SHOWN_MAX ? (uint32_t)synced->missing : CMD_SYNCED_SHOWN_MAX;
    reply_map(call->reply, sizeof members / sizeof *members + 1);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        reply_bulk_string(call->reply, members[i].name);
        reply_integer(call->reply, (int64_t)members[i].value);
    }
    reply_bulk_string(call->reply, "missing_clients");
    reply_array(call->reply, shown);
    for (uint32_t i = 0; i < shown; i++)
        reply_integer(call->reply, (int64_t)synced->missing_clients[i]);
}

bool invalidate_words_resumed(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct cmd_synced synced;
    if (!call->client->sync_waited)
        return false;
    server->api->stream_synced(server, call->client, &synced);
    reply_synced(call, &synced);
    return true;
}

void invalidate_words_reply(struct cmd_call *call, const struct invalidate_words *words, uint64_t entries) {
    struct cmd_server *server = call->env->server;
    struct cmd_synced synced = {.entries = entries};
    bool done = true;
    if (!words->sync) {
        reply_integer(call->reply, (int64_t)entries);
        return;
    }
    enum status status =
        server ? server->api->stream_sync(server, call->client, entries, words->sync_ms, &synced, &done) : STATUS_OK;
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    else if (done)
        reply_synced(call, &synced);
    else
        call->outcome = CMD_WAITS;
}
