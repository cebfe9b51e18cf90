#include "app/cmd/owner.h"

#include <stdio.h>

#include "app/cmd/server_api.h"
#include "core/rules/rules.h"

#define SHOW(text) (int)((text).size < 64 ? (text).size : 64), (text).size ? (const char *)(text).data : ""

struct asking {
    struct cmd_call *call;
    const struct rules *rules;
    uint32_t service;
    char *text;
};

static void explain(const struct asking *asking, struct slice key, const struct rules_class *class) {
    struct slice owner = rules_service(asking->rules, class->owner), own = buf_slice(&asking->call->client->service);
    int size = snprintf(asking->text, OWNER_TEXT_MAX,
                        "key '%.*s' is written by %.*s only (class %.*s, line %u), and this connection ", SHOW(key),
                        SHOW(owner), SHOW(class->pattern.text), class->place.line);
    if (own.size)
        snprintf(asking->text + size, OWNER_TEXT_MAX - (size_t)size, "is %.*s", SHOW(own));
    else
        snprintf(asking->text + size, OWNER_TEXT_MAX - (size_t)size, "has not said CLIENT SERVICE");
    for (char *at = asking->text; *at; at++) /* an error is one line */
        if ((uint8_t)*at < ' ')
            *at = '?';
}

static bool may_write(void *context, struct slice key) {
    const struct asking *asking = context;
    struct rules_fields fields;
    uint32_t class = rules_match(asking->rules, key, &fields);
    if (rules_may_write(asking->rules, class, asking->service))
        return true;
    explain(asking, key, rules_class(asking->rules, class));
    return false;
}

bool owner_agrees(struct cmd_call *call, const struct cmd_spec *spec, char ret_text[OWNER_TEXT_MAX]) {
    struct cmd_server *server = call->env->server;
    if (!(spec->flags & CMD_WRITE) || (spec->flags & CMD_UNOWNED) || spec->key_count == 0 || !server)
        return true;
    struct asking asking = {
        .call = call, .rules = server->api->rules_now(server, call->client, NULL), .text = ret_text};
    if (!asking.rules)
        return true;
    struct slice name = buf_slice(&call->client->service);
    asking.service = name.size ? rules_service_named(asking.rules, name) : RULES_NONE;
    if (cmd_each_written(spec, call->argv, call->argc, may_write, &asking))
        return true;
    atomic_fetch_add_explicit(&call->env->not_owner, 1, memory_order_relaxed);
    return atomic_load_explicit(&call->env->ownership, memory_order_relaxed) != CMD_OWNERSHIP_ENFORCE;
}
