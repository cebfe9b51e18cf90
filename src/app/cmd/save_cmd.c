/* app/cmd/save_cmd.c: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, WAITAOF. */
#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"

static void reply_not_kept(struct cmd_call *call) {
    reply_error(call->reply, SLICE("ERR Nothing is kept on disk: start the server with appendonly yes"));
}

/* Answers whether a snapshot has been asked for, or is waited for; else the reply is written. */
static bool ask(struct cmd_call *call, bool waits, bool *ret_done) {
    struct cmd_server *server = call->env->server;
    enum status status = server->api->save(server, call->client, waits, ret_done);
    if (status == STATUS_OK)
        return true;
    if (status == STATUS_CLOSED)
        reply_not_kept(call);
    else if (status == STATUS_BUSY)
        reply_error(call->reply, SLICE("ERR Background save already in progress"));
    else
        reply_error(call->reply, SLICE("ERR The snapshot has failed, the log of the server says why"));
    return false;
}

void cmd_save(struct cmd_call *call) {
    bool done;
    if (!ask(call, true, &done))
        return;
    if (done)
        reply_ok(call->reply);
    else
        call->outcome = CMD_WAITS;
}

void cmd_bgsave(struct cmd_call *call) {
    bool done;
    if (call->argc > 2 || (call->argc == 2 && !cmd_is(call, 1, "schedule"))) {
        cmd_error_syntax(call);
        return;
    }
    if (ask(call, false, &done))
        reply_simple(call->reply, SLICE("Background saving started"));
}

void cmd_bgrewriteaof(struct cmd_call *call) {
    bool done;
    if (ask(call, false, &done))
        reply_simple(call->reply, SLICE("Background append only file rewriting started"));
}

void cmd_lastsave(struct cmd_call *call) {
    struct cmd_persistence facts;
    call->env->server->api->persistence(call->env->server, &facts);
    reply_integer(call->reply, (int64_t)(facts.saved_at_ms / 1000));
}

static bool read_wait(struct cmd_call *call, int64_t *ret_local, int64_t *ret_wait_ms) {
    int64_t replicas;
    if (!cmd_integer(call, 1, ret_local) || !cmd_integer(call, 2, &replicas) || !cmd_integer(call, 3, ret_wait_ms))
        return false;
    if (*ret_local < 0 || *ret_local > 1 || replicas < 0)
        reply_error(call->reply, SLICE("ERR value is out of range, must be positive"));
    else if (*ret_wait_ms < 0)
        reply_error(call->reply, SLICE("ERR timeout is negative"));
    else
        return true;
    return false;
}

/* There are no replicas: none has it. In a transaction nobody waits. */
void cmd_waitaof(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    int64_t local, wait_ms;
    bool done, flushed;
    if (!read_wait(call, &local, &wait_ms))
        return;
    struct cmd_persistence facts;
    server->api->persistence(server, &facts);
    if (local && !facts.enabled) {
        reply_error(call->reply, SLICE("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."));
        return;
    }
    bool waits = local && !call->client->in_exec;
    enum status status =
        waits ? server->api->wait_log(server, call->client, (uint64_t)wait_ms, &done, &flushed) : STATUS_OK;
    if (!waits)
        flushed = facts.enabled && facts.flushed_lsn >= facts.staged_lsn;
    if (waits && status == STATUS_OK && !done) {
        call->outcome = CMD_WAITS;
        return;
    }
    reply_array(call->reply, 2);
    reply_integer(call->reply, flushed);
    reply_integer(call->reply, 0);
}
