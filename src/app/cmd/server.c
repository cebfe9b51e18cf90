/* app/cmd/server.c: MONITOR, SHUTDOWN, TIME. */
#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"

void cmd_time(struct cmd_call *call) {
    uint64_t now_us = call->env->server->api->now_us(call->env->server);
    reply_array(call->reply, 2);
    reply_bulk_integer(call->reply, (int64_t)(now_us / 1000000));
    reply_bulk_integer(call->reply, (int64_t)(now_us % 1000000));
}

void cmd_monitor(struct cmd_call *call) {
    reply_ok(call->reply);
    if (!call->client->monitor)
        call->env->server->api->monitor(call->env->server, call->client);
}

struct shutdown_options {
    bool save, nosave, now, force, abort;
};

static bool shutdown_options_read(struct cmd_call *call, struct shutdown_options *options) {
    for (uint32_t at = 1; at < call->argc; at++) {
        if (cmd_is(call, at, "nosave"))
            options->nosave = true;
        else if (cmd_is(call, at, "save"))
            options->save = true;
        else if (cmd_is(call, at, "now"))
            options->now = true;
        else if (cmd_is(call, at, "force"))
            options->force = true;
        else if (cmd_is(call, at, "abort"))
            options->abort = true;
        else
            return false;
    }
    bool others = options->save || options->nosave || options->now || options->force;
    return !(options->abort && others) && !(options->save && options->nosave);
}

/* The log is closed in order, which keeps everything. Without one there is nothing to save, and SAVE asks for a promise that cannot be kept. */
void cmd_shutdown(struct cmd_call *call) {
    struct shutdown_options options = {0};
    if (!shutdown_options_read(call, &options)) {
        cmd_error_syntax(call);
        return;
    }
    struct cmd_persistence facts;
    call->env->server->api->persistence(call->env->server, &facts);
    if (options.save && !options.force && !facts.enabled) {
        reply_error(call->reply, SLICE("ERR Errors trying to SHUTDOWN. Check logs."));
        return;
    }
    struct cmd_server *server = call->env->server;
    enum cmd_save_last saves = options.save ? CMD_SAVE_YES : options.nosave ? CMD_SAVE_NO : CMD_SAVE_AS_SET;
    enum status status = server->api->shutdown(server, saves, options.now, options.force, options.abort);
    if (options.abort) {
        if (status == STATUS_OK)
            reply_ok(call->reply);
        else
            reply_error(call->reply, SLICE("ERR No shutdown in progress."));
        return;
    }
    if (status != STATUS_OK)
        reply_error(call->reply, SLICE("ERR Errors trying to SHUTDOWN. Check logs."));
}
