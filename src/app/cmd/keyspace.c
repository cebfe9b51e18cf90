/* app/cmd/keyspace.c: databases as wholes. */
#include <stdarg.h>
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "app/cmd/server_api.h"
#include "app/cmd/tier.h"
#include "base/hash.h"

void cmd_select(struct cmd_call *call) {
    uint32_t db;
    if (!key_call_database(call, 1, &db))
        return;
    call->client->db = db;
    reply_ok(call->reply);
}

/* For the log: what was done, to which database. */
__attribute__((format(printf, 2, 3))) static void tell(struct cmd_call *call, const char *format, ...) {
    char what[64];
    struct cmd_server *server = call->env->server;
    va_list arguments;
    if (!server || !server->api->tell_deed)
        return;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    server->api->tell_deed(server, call->client, what);
}

void cmd_swapdb(struct cmd_call *call) {
    int64_t first, second;
    uint32_t a, b;
    if (!key_call_database_number(call, 1, "ERR invalid first DB index", &first) ||
        !key_call_database_number(call, 2, "ERR invalid second DB index", &second) ||
        !key_call_database_check(call, first, &a) || !key_call_database_check(call, second, &b))
        return;
    cache_swap(call->env->cache, call->actor, a, b);
    tell(call, "SWAPDB %u %u", a, b);
    reply_ok(call->reply);
}

void cmd_dbsize(struct cmd_call *call) {
    reply_integer(call->reply, (int64_t)cache_count(call->env->cache, call->client->db));
}

/* ASYNC and SYNC mean the same here: a flush takes the memory back in slices, and nobody sees the entries meanwhile. */
static bool flush_mode_holds(struct cmd_call *call) {
    if (call->argc == 1 || (call->argc == 2 && (cmd_is(call, 1, "async") || cmd_is(call, 1, "sync"))))
        return true;
    cmd_error_syntax(call);
    return false;
}

void cmd_flushdb(struct cmd_call *call) {
    if (!flush_mode_holds(call))
        return;
    cache_flush(call->env->cache, call->actor, call->client->db);
    tell(call, "FLUSHDB of database %u", call->client->db);
    reply_ok(call->reply);
}

void cmd_flushall(struct cmd_call *call) {
    if (!flush_mode_holds(call))
        return;
    cache_flush_all(call->env->cache, call->actor);
    tell(call, "FLUSHALL");
    reply_ok(call->reply);
}

/* Differs from call to call and from client to client; nothing depends on it. The same if the command runs again because it has waited. */
static uint64_t random_draw(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    client->random_draws += !client->tier_waited;
    const uint64_t seed[] = {client->id, client->random_draws, call->env->tier ? 0 : call->actor->now_ms,
                             call->actor->id};
    return hash_bytes(slice_make(seed, sizeof seed), 0);
}

/* As often as there are keys in the warm tier, one of those: true if it is replied, or waited for. */
static bool reply_tiered(struct cmd_call *call, uint64_t random) {
    enum { TRIES_MAX = 64 }; /* in vain, where there are few */
    struct cache *cache = call->env->cache;
    const struct cmd_tier *tier = call->env->tier;
    uint64_t all = cache_count(cache, call->client->db), tiered = cache_tier_count(cache, call->client->db);
    if (tiered == 0 || cache_locked(call->actor) || (random >> 16) % all >= tiered)
        return false;
    for (uint64_t i = 0; i < TRIES_MAX; i++) {
        struct cache_tier_place place;
        struct cache_key key;
        struct cache_info info;
        if (!cache_tier_random(cache, call->actor, call->client->db, random + (i << 32) + i, &place))
            continue;
        enum tier_name what = tier->name(call, &place, &key, &info);
        if (what == TIER_NAMED) {
            reply_bulk(call->reply, key.name);
            return true;
        }
        if (what == TIER_WAITS && tier->wait(call)) {
            call->outcome = CMD_WAITS;
            return true;
        }
    }
    return false;
}

void cmd_randomkey(struct cmd_call *call) {
    uint64_t random = random_draw(call);
    size_t size;
    if (call->env->tier && reply_tiered(call, random))
        return;
    uint8_t *name = arena_take(call->arena, CACHE_KEY_SIZE_MAX);
    if (!name)
        cmd_error_status(call, STATUS_NO_MEMORY);
    else if (cache_random_key(call->env->cache, call->actor, call->client->db, random, name, &size))
        reply_bulk(call->reply, slice_make(name, size));
    else
        reply_null(call->reply);
}
