/* app/cmd/hot_cmd.c: HOTKEYS. */
#include "app/cmd/commands.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "base/number.h"
#include "core/obs/hot.h"
#include "core/rules/rules.h"

enum { KEYS_SHOWN = 16, FACTS_OF_KEY = 10 };

/* A long name is not known to its end, so nobody can say which patterns it falls under. */
static bool is_shown(const struct cmd_call *call, const struct hot_item *item) {
    if (item->size > HOT_NAME_MAX)
        return !call->client->restricted;
    return rights_see(call, hot_name(item));
}

static void put_rate(struct reply *reply, const char *name, const struct hot *hot, double weight) {
    reply_bulk_string(reply, name);
    reply_double(reply, hot_rate(hot, weight));
}

static void put_class(struct cmd_call *call, const struct rules *rules, struct slice name) {
    struct rules_fields fields;
    uint32_t class = rules ? rules_match(rules, name, &fields) : RULES_NONE;
    reply_bulk_string(call->reply, "class");
    if (class == RULES_NONE)
        reply_null(call->reply);
    else
        reply_bulk(call->reply, rules_class(rules, class)->pattern.text);
}

static void reply_key(struct cmd_call *call, const struct rules *rules, const struct hot *hot,
                      const struct hot_item *item) {
    struct reply *reply = call->reply;
    reply_map(reply, FACTS_OF_KEY);
    reply_bulk_string(reply, "key");
    reply_bulk(reply, hot_name(item));
    reply_bulk_string(reply, "size");
    reply_integer(reply, item->size);
    reply_bulk_string(reply, "database");
    reply_integer(reply, cache_db_of(call->env->cache, item->place));
    put_class(call, rules, hot_name(item));
    put_rate(reply, "rate", hot, item->weight);
    put_rate(reply, "reads", hot, item->uses[HOT_READ]);
    put_rate(reply, "writes", hot, item->uses[HOT_WRITE]);
    put_rate(reply, "misses", hot, item->uses[HOT_MISS]);
    put_rate(reply, "error", hot, item->error);
    reply_bulk_string(reply, "share");
    if (call->client->restricted) /* it would tell how busy others are */
        reply_null(reply);
    else
        reply_double(reply, hot->total > 0 ? item->weight / hot->total : 0);
}

void cmd_hotkeys_get(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    int64_t wanted = KEYS_SHOWN;
    if (call->argc > 3) {
        cmd_error_subcommand(call, "HOTKEYS");
        return;
    }
    if (call->argc == 3 && (!number_parse_i64(call->argv[2], &wanted) || wanted < 1)) {
        reply_error(call->reply, SLICE("ERR count should be greater than 0"));
        return;
    }
    struct hot *hot = arena_take(call->arena, sizeof *hot);
    if (!hot) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    server->api->hot_keys(server, hot);
    const struct rules *rules = server->api->rules_now(server, call->client, NULL);
    uint32_t shown = 0;
    for (uint32_t i = 0; i < hot->count; i++) /* those that are told come to the front */
        if (shown < (uint64_t)wanted && is_shown(call, &hot->items[i]))
            hot->items[shown++] = hot->items[i];
    reply_array(call->reply, shown);
    for (uint32_t i = 0; i < shown; i++)
        reply_key(call, rules, hot, &hot->items[i]);
}

void cmd_hotkeys_reset(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    server->api->hot_reset(server);
    reply_ok(call->reply);
}
