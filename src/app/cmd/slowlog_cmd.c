/* app/cmd/slowlog_cmd.c: SLOWLOG and COMMANDLOG. */
#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "base/number.h"
#include "core/obs/slowlog.h"

enum { SLOWLOG_GET_DEFAULT = 10 };

static struct slowlog *slowlog_lock(struct cmd_call *call, enum cmd_log log) {
    struct cmd_server *server = call->env->server;
    server->api->logs_lock(server);
    return server->api->command_log(server, log);
}

static void slowlog_unlock(struct cmd_call *call) { call->env->server->api->logs_unlock(call->env->server); }

static void slowlog_reply_entry(struct reply *reply, const struct slowlog_entry *entry) {
    reply_array(reply, 6);
    reply_integer(reply, (int64_t)entry->id);
    reply_integer(reply, (int64_t)entry->unix_s);
    reply_integer(reply, (int64_t)entry->value);
    reply_array(reply, entry->argument_count);
    for (uint32_t i = 0; i < entry->argument_count; i++)
        reply_bulk(reply, entry->arguments[i]);
    reply_bulk(reply, entry->client_address);
    reply_bulk(reply, entry->client_name);
}

/* -1: all */
static bool read_count(struct cmd_call *call, int64_t *ret_count) {
    int64_t count;
    if (number_parse_i64(call->argv[2], &count) && count >= -1) {
        *ret_count = count;
        return true;
    }
    reply_error(call->reply, SLICE("ERR count should be greater than or equal to -1"));
    return false;
}

static void reply_newest(struct cmd_call *call, enum cmd_log which, int64_t wanted) {
    const struct slowlog *log = slowlog_lock(call, which);
    uint32_t count = wanted < 0 || wanted > log->count ? log->count : (uint32_t)wanted;
    const struct slowlog_entry *entry = slowlog_first(log);
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++, entry = entry->older)
        slowlog_reply_entry(call->reply, entry);
    slowlog_unlock(call);
}

static void reply_length(struct cmd_call *call, enum cmd_log which) {
    uint32_t count = slowlog_lock(call, which)->count;
    slowlog_unlock(call);
    reply_integer(call->reply, count);
}

static void empty(struct cmd_call *call, enum cmd_log which) {
    slowlog_clear(slowlog_lock(call, which));
    slowlog_unlock(call);
    reply_ok(call->reply);
}

void cmd_slowlog_get(struct cmd_call *call) {
    int64_t wanted = SLOWLOG_GET_DEFAULT;
    if (call->argc > 3)
        cmd_error_subcommand(call, "SLOWLOG");
    else if (call->argc < 3 || read_count(call, &wanted))
        reply_newest(call, CMD_LOG_SLOW, wanted);
}

void cmd_slowlog_len(struct cmd_call *call) { reply_length(call, CMD_LOG_SLOW); }

void cmd_slowlog_reset(struct cmd_call *call) { empty(call, CMD_LOG_SLOW); }

/* -------------------------------------------------------------------- COMMANDLOG */

static bool read_log(struct cmd_call *call, uint32_t at, enum cmd_log *ret_log) {
    static const char *const names[CMD_LOGS] = {
        [CMD_LOG_SLOW] = "slow", [CMD_LOG_LARGE_REQUEST] = "large-request", [CMD_LOG_LARGE_REPLY] = "large-reply"};
    for (int log = 0; log < CMD_LOGS; log++) {
        if (cmd_is(call, at, names[log])) {
            *ret_log = (enum cmd_log)log;
            return true;
        }
    }
    reply_error(call->reply, SLICE("ERR type should be one of the following: slow, large-request, large-reply"));
    return false;
}

void cmd_commandlog_get(struct cmd_call *call) {
    int64_t wanted;
    enum cmd_log log;
    if (read_count(call, &wanted) && read_log(call, 3, &log))
        reply_newest(call, log, wanted);
}

void cmd_commandlog_len(struct cmd_call *call) {
    enum cmd_log log;
    if (read_log(call, 2, &log))
        reply_length(call, log);
}

void cmd_commandlog_reset(struct cmd_call *call) {
    enum cmd_log log;
    if (read_log(call, 2, &log))
        empty(call, log);
}
