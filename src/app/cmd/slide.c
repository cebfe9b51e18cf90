#include "app/cmd/slide.h"

#include <string.h>

#include "app/cmd/server_api.h"
#include "app/cmd/spec_docs.h"
#include "base/assert.h"
#include "core/rules/rules.h"

struct sliding {
    struct cmd_call *call;
    const struct rules *rules;
};

/* Whether the entry is to get `ttl_ms` more. One that lives longer, or without end, is left alone. */
static bool is_due(const struct cmd_call *call, uint64_t expires_at_ms, uint64_t ttl_ms) {
    uint64_t now_ms = call->actor->now_ms;
    return expires_at_ms > now_ms && expires_at_ms - now_ms < ttl_ms - ttl_ms / SLIDE_SHARE;
}

static void slide(struct cmd_call *call, const struct cache_key *key, uint64_t ttl_ms) {
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, key, &edit);
    /* Somebody else may have done it, or written another value. */
    if (edit.found && is_due(call, edit.expires_at_ms, ttl_ms)) {
        enum cmd_change before = call->change;
        call->change = CMD_CHANGE_UNTOLD;
        MAYBE(cache_edit_expire(&edit, call->actor->now_ms + ttl_ms) != STATUS_OK);
        call->change = before;
    }
    cache_edit_end(&edit);
}

/* It answers nothing of the value, but is said to use the key. */
static bool is_use_alone(const struct cmd_spec *spec) { return strcmp(spec->name, "touch") == 0; }

static bool look(void *context, struct slice name, uint32_t flags) {
    const struct sliding *sliding = context;
    struct cmd_call *call = sliding->call;
    struct rules_fields fields;
    bool uses = flags & CMD_KEY_ACCESS || is_use_alone(call->spec);
    uint32_t number = uses ? rules_match(sliding->rules, name, &fields) : RULES_NONE;
    const struct rules_class *class = number == RULES_NONE ? NULL : rules_class(sliding->rules, number);
    if (!class || !class->sliding)
        return true;
    uint64_t ttl_ms = class->ttl_default_ms;
    if (class->ttl_max_ms && class->ttl_max_ms < ttl_ms)
        ttl_ms = class->ttl_max_ms;
    struct cache_info info;
    struct cache_key key = cache_key(call->env->cache, call->client->db, name);
    if (cache_find(call->env->cache, call->actor, &key, false, &info) && is_due(call, info.expires_at_ms, ttl_ms))
        slide(call, &key, ttl_ms);
    return true;
}

/* Whether it reads values. What only looks at a key (TTL, EXISTS, TYPE, OBJECT, EXPLAIN) is no use of it. */
static bool reads_values(const struct cmd_spec *spec) {
    static const char *const others[] = {"cget", "dump"};
    if (!(spec->flags & CMD_READONLY) || spec->key_count == 0)
        return false;
    if (strcmp(spec->docs->group, "generic") != 0 || is_use_alone(spec))
        return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(spec->name, others[i]) == 0)
            return true;
    return false;
}

void slide_read(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    if (!server || !reads_values(call->spec))
        return;
    struct sliding sliding = {call, server->api->rules_now(server, call->client, NULL)};
    if (sliding.rules)
        MAYBE(cmd_each_key(call->spec, call->argv, call->argc, look, &sliding));
}
