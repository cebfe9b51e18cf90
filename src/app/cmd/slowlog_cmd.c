/* app/cmd/slowlog_cmd.c: SLOWLOG. */
#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "base/number.h"
#include "core/obs/slowlog.h"

enum { SLOWLOG_GET_DEFAULT = 10 };

static struct slowlog *slowlog_lock(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    server->api->logs_lock(server);
    return server->api->slowlog(server);
}

static void slowlog_unlock(struct cmd_call *call) { call->env->server->api->logs_unlock(call->env->server); }

static void slowlog_reply_entry(struct reply *reply, const struct slowlog_entry *entry) {
    reply_array(reply, 6);
    reply_integer(reply, (int64_t)entry->id);
    reply_integer(reply, (int64_t)entry->unix_s);
    reply_integer(reply, (int64_t)entry->duration_us);
    reply_array(reply, entry->argument_count);
    for (uint32_t i = 0; i < entry->argument_count; i++)
        reply_bulk(reply, entry->arguments[i]);
    reply_bulk(reply, entry->client_address);
    reply_bulk(reply, entry->client_name);
}

void cmd_slowlog_get(struct cmd_call *call) {
    int64_t wanted = SLOWLOG_GET_DEFAULT;
    if (call->argc > 3) {
        cmd_error_subcommand(call, "SLOWLOG");
        return;
    }
    if (call->argc == 3 && (!number_parse_i64(call->argv[2], &wanted) || wanted < -1)) {
        reply_error(call->reply, SLICE("ERR count should be greater than or equal to -1"));
        return;
    }
    const struct slowlog *log = slowlog_lock(call);
    uint32_t count = wanted < 0 || wanted > log->count ? log->count : (uint32_t)wanted;
    const struct slowlog_entry *entry = slowlog_first(log);
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++, entry = entry->older)
        slowlog_reply_entry(call->reply, entry);
    slowlog_unlock(call);
}

void cmd_slowlog_len(struct cmd_call *call) {
    uint32_t count = slowlog_lock(call)->count;
    slowlog_unlock(call);
    reply_integer(call->reply, count);
}

void cmd_slowlog_reset(struct cmd_call *call) {
    slowlog_clear(slowlog_lock(call));
    slowlog_unlock(call);
    reply_ok(call->reply);
}
