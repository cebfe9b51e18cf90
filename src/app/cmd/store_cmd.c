/* app/cmd/store_cmd.c: STORE, HFILTER and HSTATS: named stores and their filters. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "base/assert.h"
#include "base/number.h"
#include "base/quantity.h"

/* Text of an argument in an error, cut at a length that no honest one has. */
#define SHOW(text) (int)((text).size < 128 ? (text).size : 128), (const char *)(text).data

static const uint64_t TTL_MAX_MS = 36500ull * 86400000; /* a hundred years: an expiry never overflows */

/* The store that the argument names; writes the error if there is none. */
static bool find_store(struct cmd_call *call, uint32_t at, uint32_t *ret_store) {
    if (cache_store_find(call->env->cache, call->argv[at], ret_store))
        return true;
    reply_errorf(call->reply, "ERR no such store '%.*s'", SHOW(call->argv[at]));
    return false;
}

/* ------------------------------------------------------------------------------------------ members of maps */

static void put_integer(struct reply *reply, const char *name, uint64_t value) {
    reply_bulk_string(reply, name);
    reply_integer(reply, (int64_t)value);
}

static void put_double(struct reply *reply, const char *name, double value) {
    reply_bulk_string(reply, name);
    reply_double(reply, value);
}

static void put_text(struct reply *reply, const char *name, const char *value) {
    reply_bulk_string(reply, name);
    reply_bulk_string(reply, value);
}

static double share(uint64_t part, uint64_t whole) { return whole ? (double)part / (double)whole : 0; }

static const char *state_name(enum cache_filter_state state) {
    static const char *const names[] = {
        [CACHE_FILTER_OFF] = "off",
        [CACHE_FILTER_BUILDING] = "building",
        [CACHE_FILTER_ON] = "on",
        [CACHE_FILTER_SATURATED] = "saturated",
    };
    return names[state];
}

/* ------------------------------------------------------------------------------------------ STORE */

void cmd_store_list(struct cmd_call *call) {
    uint32_t count = cache_store_count(call->env->cache), there = 0;
    for (uint32_t store = 0; store < count; store++)
        there += cache_store_is_there(call->env->cache, store);
    reply_array(call->reply, there);
    for (uint32_t store = 0; store < count; store++) {
        struct cache_store_info info;
        if (!cache_store_is_there(call->env->cache, store))
            continue;
        cache_store_info(call->env->cache, store, &info);
        reply_bulk_string(call->reply, info.name);
    }
}

void cmd_store_info(struct cmd_call *call) {
    uint32_t store;
    struct cache_store_info info;
    struct cache_filter_info filter;
    if (!find_store(call, 2, &store))
        return;
    cache_store_info(call->env->cache, store, &info);
    enum status status = cache_filter_info(call->env->cache, call->actor, store, &filter);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return;
    }
    struct reply *reply = call->reply;
    reply_map(reply, 14);
    put_text(reply, "name", info.name);
    put_text(reply, "policy", cache_policy_name(info.policy));
    put_text(reply, "method", cache_policy_method(info.policy));
    put_double(reply, "memory_percent", info.share_permille / 10.0);
    put_integer(reply, "guaranteed_bytes", info.guaranteed_bytes);
    put_integer(reply, "entries_max", info.entries_max);
    put_integer(reply, "ttl_ms", info.ttl_ms);
    put_integer(reply, "shards", info.shards);
    put_integer(reply, "entries", info.entries);
    put_integer(reply, "expiring", info.expiring);
    put_integer(reply, "bytes", info.bytes);
    put_integer(reply, "live_bytes", info.live_bytes);
    put_text(reply, "filter", state_name(filter.state));
    put_double(reply, "filter_rate", filter.wanted_rate_ppm / 1e6);
}

/* For the log: whose keys have gone will ask. */
static void tell_flush(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    char what[64];
    if (!server || !server->api->tell_deed)
        return;
    snprintf(what, sizeof what, "STORE FLUSH of %.*s", SHOW(call->argv[2]));
    server->api->tell_deed(server, call->client, what);
}

void cmd_store_flush(struct cmd_call *call) {
    uint32_t store;
    if (!find_store(call, 2, &store))
        return;
    cache_store_flush(call->env->cache, call->actor, store);
    tell_flush(call);
    reply_ok(call->reply);
}

/* It lasts, where anything does. */
static void note_change(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    if (server && server->api->stores_changed)
        server->api->stores_changed(server, call->client);
}

/* What STORE SET was asked for. */
struct wish {
    bool memory, entries, policy, ttl;
    uint32_t share_permille, entries_at, policy_at; /* the last two: arguments with the values */
    uint64_t guaranteed_bytes, entries_max, ttl_ms;
    enum cache_policy policy_wanted;
};

static bool take_memory(struct cmd_call *call, uint32_t at, struct wish *wish) {
    struct slice text = call->argv[at];
    uint64_t permille = 0;
    wish->share_permille = 0;
    wish->guaranteed_bytes = 0;
    if (quantity_parse_percent(text, 1, &permille)) {
        if (permille >= 1 && permille <= CACHE_SHARE_ALL) {
            wish->share_permille = (uint32_t)permille;
            return true;
        }
        reply_errorf(call->reply, "ERR memory: '%.*s' is out of range: 0.1%% to 100%% of maxmemory", SHOW(text));
        return false;
    }
    if (quantity_parse_bytes(text, &wish->guaranteed_bytes))
        return true;
    reply_errorf(call->reply, "ERR memory: '%.*s' is neither a share nor a size, as in 20%% or 64mb", SHOW(text));
    return false;
}

static bool take_entries(struct cmd_call *call, uint32_t at, struct wish *wish) {
    wish->entries_at = at;
    if (number_parse_u64(call->argv[at], &wish->entries_max) && wish->entries_max <= INT64_MAX &&
        (wish->entries_max == 0 || wish->entries_max >= CACHE_ENTRIES_MAX_MIN))
        return true;
    reply_errorf(call->reply, "ERR entries: '%.*s' is not a number from %d on, or 0 for any number",
                 SHOW(call->argv[at]), CACHE_ENTRIES_MAX_MIN);
    return false;
}

static bool take_policy(struct cmd_call *call, uint32_t at, enum cache_policy now, struct wish *wish) {
    uint32_t policy = 0;
    wish->policy_at = at;
    while (policy < CACHE_POLICY_COUNT && !cmd_is(call, at, cache_policy_name((enum cache_policy)policy)))
        policy++;
    if (policy == CACHE_POLICY_COUNT) {
        reply_errorf(call->reply, "ERR policy: '%.*s' is not one, as allkeys-lfu is", SHOW(call->argv[at]));
        return false;
    }
    if ((policy == CACHE_SESSION) != (now == CACHE_SESSION)) {
        reply_error(call->reply, SLICE("ERR policy: a store has the policy session from the start or never"));
        return false;
    }
    wish->policy_wanted = (enum cache_policy)policy;
    return true;
}

static bool take_ttl(struct cmd_call *call, uint32_t at, struct wish *wish) {
    if (quantity_parse_ms(call->argv[at], &wish->ttl_ms) && wish->ttl_ms <= TTL_MAX_MS)
        return true;
    reply_errorf(call->reply, "ERR ttl: '%.*s' is not a duration of up to 36500d, as in 500ms, 20s, 30m, 2h or 7d",
                 SHOW(call->argv[at]));
    return false;
}

/* Reads pairs of a setting and its value; a setting may stand there once. */
static bool take_wishes(struct cmd_call *call, const struct cache_store_info *now, struct wish *wish) {
    for (uint32_t at = 3; at < call->argc; at += 2) {
        bool *named = cmd_is(call, at, "memory")    ? &wish->memory
                      : cmd_is(call, at, "entries") ? &wish->entries
                      : cmd_is(call, at, "policy")  ? &wish->policy
                      : cmd_is(call, at, "ttl")     ? &wish->ttl
                                                    : NULL;
        if (!named) {
            reply_errorf(call->reply, "ERR unknown setting '%.*s': there are memory, entries, policy, ttl",
                         SHOW(call->argv[at]));
            return false;
        }
        if (*named || at + 1 == call->argc) {
            reply_errorf(call->reply, "ERR '%.*s' %s", SHOW(call->argv[at]),
                         *named ? "stands there twice" : "has no value");
            return false;
        }
        *named = true;
        bool taken = named == &wish->memory    ? take_memory(call, at + 1, wish)
                     : named == &wish->entries ? take_entries(call, at + 1, wish)
                     : named == &wish->policy  ? take_policy(call, at + 1, now->policy, wish)
                                               : take_ttl(call, at + 1, wish);
        if (!taken)
            return false;
    }
    return true;
}

/* Policy and capacity of the default store are the settings maxmemory-policy and maxentries, which CONFIG GET tells as well. */
static bool set_as_config(struct cmd_call *call, const struct wish *wish) {
    struct cmd_server *server = call->env->server;
    struct slice names[2], values[2];
    char error[320];
    uint32_t count = 0;
    if (wish->policy) {
        names[count] = SLICE("maxmemory-policy");
        values[count++] = call->argv[wish->policy_at];
    }
    if (wish->entries) {
        names[count] = SLICE("maxentries");
        values[count++] = call->argv[wish->entries_at];
    }
    if (count == 0 || server->api->config_set(server, names, values, count, error, sizeof error))
        return true;
    reply_errorf(call->reply, "ERR %s", error);
    return false;
}

static bool set_directly(struct cmd_call *call, uint32_t store, const struct wish *wish) {
    struct cache *cache = call->env->cache;
    enum status status = STATUS_OK;
    if (wish->policy)
        status = cache_store_policy_set(cache, store, wish->policy_wanted);
    if (status == STATUS_FULL) {
        reply_error(call->reply, SLICE("ERR policy: the store holds memory that is guaranteed to others, and could not "
                                       "give it back: delete first"));
        return false;
    }
    if (status == STATUS_OK && wish->entries)
        status = cache_store_entries_max_set(cache, store, wish->entries_max);
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    return status == STATUS_OK;
}

void cmd_store_set(struct cmd_call *call) {
    uint32_t store;
    struct cache *cache = call->env->cache;
    struct cache_store_info now;
    struct wish wish = {0};
    if (!find_store(call, 2, &store))
        return;
    cache_store_info(cache, store, &now);
    if (!take_wishes(call, &now, &wish))
        return;
    if (wish.memory) {
        enum status status = cache_store_guarantee_set(cache, store, wish.share_permille, wish.guaranteed_bytes);
        if (status != STATUS_OK) {
            reply_error(call->reply,
                        status == STATUS_FULL
                            ? SLICE("ERR memory: another store holds some of it and its policy lets nothing go: delete "
                                    "there first")
                            : SLICE("ERR memory: more than maxmemory would be guaranteed to the stores together"));
            return;
        }
    }
    if (store == 0 ? !set_as_config(call, &wish) : !set_directly(call, store, &wish)) {
        /* Back to what it was; the error is written. It fits, unless somebody else was guaranteed more meanwhile. */
        if (wish.memory) {
            enum status status = cache_store_guarantee_set(cache, store, now.share_permille, now.guaranteed_bytes);
            MAYBE(status == STATUS_INVALID);
        }
        return;
    }
    if (wish.ttl)
        cache_store_ttl_set(cache, store, wish.ttl_ms);
    note_change(call);
    reply_ok(call->reply);
}

/* ------------------------------------------------------------------------------------------ HFILTER */

enum { FILTER_MEMBERS = 13 };

static void put_filter(struct cmd_call *call, uint32_t store, const struct cache_filter_info *info) {
    struct reply *reply = call->reply;
    struct actor_counts counts = {0};
    call->env->server->api->store_counts(call->env->server, store, &counts);
    put_text(reply, "state", state_name(info->state));
    put_double(reply, "built_percent", info->progress * 100);
    put_double(reply, "rate", info->wanted_rate_ppm / 1e6);
    put_double(reply, "rate_expected", info->state == CACHE_FILTER_OFF ? 0 : info->expected_rate);
    put_double(reply, "rate_measured", share(counts.unfiltered, counts.filtered + counts.unfiltered));
    put_integer(reply, "misses_filtered", counts.filtered);
    put_integer(reply, "misses_passed", counts.unfiltered);
    put_integer(reply, "entries", info->entries);
    put_integer(reply, "slots", info->slots);
    put_integer(reply, "bytes", info->bytes);
    put_integer(reply, "fingerprint_bits", info->state == CACHE_FILTER_OFF ? 0 : info->mark_bits);
    put_integer(reply, "short_of_memory", info->short_of_memory);
    put_integer(reply, "hopeless", info->hopeless);
}

/* The rate at an argument, in parts of a million; writes the error if it is none. */
static bool take_rate(struct cmd_call *call, uint32_t at, uint32_t *ret_ppm) {
    uint64_t ppm;
    if (quantity_parse_percent(call->argv[at], 4, &ppm) && ppm >= CACHE_FILTER_RATE_PPM_MIN &&
        ppm <= CACHE_FILTER_RATE_PPM_MAX) {
        *ret_ppm = (uint32_t)ppm;
        return true;
    }
    reply_errorf(call->reply, "ERR rate: '%.*s' is not a percentage from %g%% to %g%%, as in 1%%", SHOW(call->argv[at]),
                 CACHE_FILTER_RATE_PPM_MIN / 1e4, CACHE_FILTER_RATE_PPM_MAX / 1e4);
    return false;
}

/* `on [rate]` and `off` from argument 2 on, of a store that is there. */
static void switch_filter(struct cmd_call *call, uint32_t store, const char *usage) {
    bool on = cmd_is(call, 2, "on") || cmd_is(call, 2, "enable");
    bool off = cmd_is(call, 2, "off") || cmd_is(call, 2, "disable");
    uint32_t rate_ppm = CACHE_FILTER_RATE_PPM_DEFAULT;
    if ((!on && !off) || call->argc > (on ? 4u : 3u)) {
        reply_errorf(call->reply, "ERR %s", usage);
        return;
    }
    if (call->argc == 4 && !take_rate(call, 3, &rate_ppm))
        return;
    enum status status = cache_filter_set(call->env->cache, call->actor, store, on, rate_ppm);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return;
    }
    note_change(call);
    reply_ok(call->reply);
}

static void tell_filter(struct cmd_call *call, uint32_t store) {
    struct cache_filter_info info;
    enum status status = cache_filter_info(call->env->cache, call->actor, store, &info);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return;
    }
    reply_map(call->reply, FILTER_MEMBERS);
    put_filter(call, store, &info);
}

void cmd_hfilter(struct cmd_call *call) {
    uint32_t store;
    if (!find_store(call, 1, &store))
        return;
    if (call->argc == 3 && cmd_is(call, 2, "info"))
        tell_filter(call, store);
    else
        switch_filter(call, store, "HFILTER <store> on [rate] | off | info");
}

void cmd_hget_filter(struct cmd_call *call) {
    uint32_t store;
    if (find_store(call, 1, &store))
        tell_filter(call, store);
}

void cmd_hset_filter(struct cmd_call *call) {
    uint32_t store;
    if (find_store(call, 1, &store))
        switch_filter(call, store, "HSET_FILTER <store> on [rate] | off");
}

/* ------------------------------------------------------------------------------------------ HSTATS */

void cmd_hstats(struct cmd_call *call) {
    uint32_t store;
    struct cache_store_info info;
    struct cache_filter_info filter;
    struct actor_counts counts = {0};
    if (!find_store(call, 1, &store))
        return;
    enum status status = cache_filter_info(call->env->cache, call->actor, store, &filter);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return;
    }
    cache_store_info(call->env->cache, store, &info);
    call->env->server->api->store_counts(call->env->server, store, &counts);
    uint64_t values = info.log_bytes + info.object_bytes + info.large_bytes;
    struct reply *reply = call->reply;
    reply_map(reply, 19);
    put_integer(reply, "hits", counts.hits);
    put_integer(reply, "misses", counts.misses);
    put_double(reply, "hit_rate", share(counts.hits, counts.hits + counts.misses));
    put_integer(reply, "evicted", counts.evicted);
    put_integer(reply, "expired", counts.expired);
    put_integer(reply, "invalidated", counts.invalidated);
    put_integer(reply, "entries", info.entries);
    put_integer(reply, "expiring", info.expiring);
    put_integer(reply, "bytes", info.bytes);
    put_integer(reply, "live_bytes", info.live_bytes);
    put_integer(reply, "reserved_bytes", info.reserved_bytes);
    put_integer(reply, "dead_bytes", values > info.live_bytes ? values - info.live_bytes : 0);
    put_integer(reply, "log_bytes", info.log_bytes);
    put_integer(reply, "object_bytes", info.object_bytes);
    put_integer(reply, "large_bytes", info.large_bytes);
    put_integer(reply, "index_bytes", info.index_bytes);
    put_integer(reply, "ghost_bytes", info.ghost_bytes);
    put_integer(reply, "filter_bytes", info.filter_bytes);
    reply_bulk_string(reply, "filter");
    reply_map(reply, FILTER_MEMBERS);
    put_filter(call, store, &filter);
}
