#include "app/cmd/owner.h"

#include <stdio.h>

#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "base/number.h"
#include "core/rules/rules.h"

#define SHOW(text) (int)((text).size < 64 ? (text).size : 64), (text).size ? (const char *)(text).data : ""

/* What a command is about to do with a key. */
enum doing { READS = 1, WRITES = 2, BRINGS_VALUE = 4 };

struct asking {
    struct cmd_call *call;
    const struct cmd_spec *spec;
    const struct rules *rules;
    uint32_t service;
    enum doing always; /* beside what the keys say */
    bool guarded;      /* by a lease or a version */
    struct owner_refusal *refusal;
};

/* ------------------------------------------------------------------------------------------ what is wrong */

static void one_line(char *text) {
    for (; *text; text++)
        if ((uint8_t)*text < ' ')
            *text = '?';
}

/* "users-api, web and billing" */
static void name_readers(const struct rules *rules, const struct rules_class *class, char text[160]) {
    struct slice owner = rules_service(rules, class->owner);
    int size = snprintf(text, 160, "%.*s", SHOW(owner));
    for (uint32_t i = 0; i < class->borrower_count && size < 160; i++) {
        struct slice name = rules_service(rules, class->borrowers[i]);
        size += snprintf(text + size, 160 - (size_t)size, "%s%.*s", i + 1 == class->borrower_count ? " and " : ", ",
                         SHOW(name));
    }
}

static void name_self(const struct asking *asking, char *text, size_t size) {
    struct slice own = rights_service(asking->call->client);
    if (own.size)
        snprintf(text, size, "is %.*s", SHOW(own));
    else
        snprintf(text, size, "has not said CLIENT SERVICE");
}

static bool refuse(const struct asking *asking, enum owner_why why, struct slice key, const struct rules_class *class) {
    static const char *const codes[] = {[OWNER_NOT_OWNER] = "NOTOWNER",
                                        [OWNER_NOT_BORROWER] = "NOTBORROWER",
                                        [OWNER_NOT_LEASED] = "NOTLEASED",
                                        [OWNER_NOT_SERVED] = "NOTSERVED"};
    struct owner_refusal *refusal = asking->refusal;
    struct slice owner = class->owner == RULES_NONE ? SLICE("") : rules_service(asking->rules, class->owner);
    char who[160], self[96];
    name_self(asking, self, sizeof self);
    refusal->why = why;
    refusal->code = codes[why];
    refusal->class = class;
    switch (why) {
        case OWNER_NOT_OWNER:
            snprintf(refusal->text, sizeof refusal->text,
                     "key '%.*s' is written by %.*s only (class %.*s, line %u), and this connection %s", SHOW(key),
                     SHOW(owner), SHOW(class->pattern.text), class->place.line, self);
            break;
        case OWNER_NOT_BORROWER:
            name_readers(asking->rules, class, who);
            snprintf(refusal->text, sizeof refusal->text,
                     "key '%.*s' is read by %s only (class %.*s, line %u), and this connection %s", SHOW(key), who,
                     SHOW(class->pattern.text), class->place.line, self);
            break;
        case OWNER_NOT_LEASED:
            snprintf(
                refusal->text, sizeof refusal->text,
                "key '%.*s' is written with a lease or a version only (class %.*s, line %u): CGET with LEASE gives a "
                "token for CSET",
                SHOW(key), SHOW(class->pattern.text), class->places[MANIFEST_WRITES].line);
            break;
        case OWNER_UNKNOWN_SERVICE: /* of no key, */
        case OWNER_UNKNOWN_EVENT:   /* nor is this */
        case OWNER_NOT_SERVED:
            snprintf(refusal->text, sizeof refusal->text,
                     "key '%.*s' is of a class that the server holds no entries of (class %.*s, line %u)", SHOW(key),
                     SHOW(class->pattern.text), class->places[MANIFEST_LAYERS].line);
            break;
    }
    one_line(refusal->text);
    return false;
}

/* ------------------------------------------------------------------------------------------ asking */

/* A key that is overwritten gets a value. One that is changed does if the command may need memory; tags are no values. */
static enum doing doing_of(const struct asking *asking, uint32_t flags) {
    enum doing doing = asking->always;
    bool changes = (flags & (CMD_KEY_RW | CMD_KEY_OW | CMD_KEY_RM)) != 0;
    bool grows =
        (asking->spec->flags & CMD_DENYOOM) && (flags & CMD_KEY_RW) && strncmp(asking->spec->name, "tag|", 4) != 0;
    if (changes && asking->spec->flags & CMD_WRITE)
        doing |= WRITES | ((flags & CMD_KEY_OW) || grows ? BRINGS_VALUE : 0);
    if (flags & (CMD_KEY_RO | CMD_KEY_RW) && asking->spec->flags & (CMD_READONLY | CMD_WRITE))
        doing |= READS;
    return doing;
}

/* What holds whatever `ownership` says: asked of all keys first, as a mode that only warns lets the rest pass. */
static bool can(void *context, struct slice key, uint32_t flags) {
    const struct asking *asking = context;
    struct rules_fields fields;
    uint32_t number = rules_match(asking->rules, key, &fields);
    if (number == RULES_NONE || !(doing_of(asking, flags) & BRINGS_VALUE))
        return true;
    const struct rules_class *class = rules_class(asking->rules, number);
    if (!(class->layers & MANIFEST_LAYER_SERVER))
        return refuse(asking, OWNER_NOT_SERVED, key, class);
    if (class->leased && !asking->guarded)
        return refuse(asking, OWNER_NOT_LEASED, key, class);
    return true;
}

static bool may(void *context, struct slice key, uint32_t flags) {
    const struct asking *asking = context;
    struct rules_fields fields;
    uint32_t number = rules_match(asking->rules, key, &fields);
    if (number == RULES_NONE)
        return true;
    const struct rules_class *class = rules_class(asking->rules, number);
    enum doing doing = doing_of(asking, flags);
    uint32_t asked = atomic_load_explicit(&asking->call->env->asked, memory_order_relaxed);
    if (doing & WRITES && asked & CMD_ASK_WRITES && !rules_may_write(asking->rules, number, asking->service))
        return refuse(asking, OWNER_NOT_OWNER, key, class);
    if (doing & READS && asked & CMD_ASK_READS && !rules_may_read(asking->rules, number, asking->service))
        return refuse(asking, OWNER_NOT_BORROWER, key, class);
    return true;
}

/* One of the words among the options from `from` on, and not an argument of one: a tag or a value may be called like it. */
static bool has_word(const struct cmd_call *call, uint32_t from, const char *word) {
    for (uint32_t i = from; i < call->argc; i++) {
        int64_t tags;
        if (slice_equal_nocase(call->argv[i], slice_from_string(word)))
            return true;
        if (slice_equal_nocase(call->argv[i], SLICE("ifeq")))
            i++;
        else if (slice_equal_nocase(call->argv[i], SLICE("tags")) && i + 1 < call->argc &&
                 number_parse_i64(call->argv[i + 1], &tags) && tags > 0 && tags < call->argc)
            i += 1 + (uint32_t)tags;
    }
    return false;
}

/* CSET has a token; SET may say which version it replaces. */
static bool is_guarded(const struct cmd_call *call, const struct cmd_spec *spec) {
    enum { SET_OPTIONS_AT = 3 };
    if (slice_equal(spec->last_name, SLICE("cset")))
        return true;
    return slice_equal(spec->last_name, SLICE("set")) &&
           (has_word(call, SET_OPTIONS_AT, "ifversion") || has_word(call, SET_OPTIONS_AT, "ifnewer"));
}

/* Who is given a lease is to write. */
static bool asks_for_lease(const struct cmd_call *call, const struct cmd_spec *spec) {
    enum { CGET_OPTIONS_AT = 2 };
    return slice_equal(spec->last_name, SLICE("cget")) && has_word(call, CGET_OPTIONS_AT, "lease");
}

bool owner_agrees(struct cmd_call *call, const struct cmd_spec *spec, struct owner_refusal *ret_refusal) {
    struct cmd_server *server = call->env->server;
    struct cmd_env *env = call->env;
    uint32_t asked = atomic_load_explicit(&env->asked, memory_order_relaxed);
    if ((spec->flags & CMD_UNOWNED) || spec->key_count == 0 || !server ||
        !(asked & (CMD_ASK_WRITES | CMD_ASK_READS | CMD_ASK_VALUES)))
        return true;
    bool loads = !(spec->flags & CMD_WRITE) && asks_for_lease(call, spec);
    if (!(spec->flags & CMD_WRITE) && !(asked & CMD_ASK_READS) && !loads)
        return true;
    struct asking asking = {.call = call,
                            .spec = spec,
                            .rules = server->api->rules_now(server, call->client, NULL),
                            .always = loads ? WRITES | BRINGS_VALUE : 0,
                            .guarded = loads || is_guarded(call, spec),
                            .refusal = ret_refusal};
    if (!asking.rules)
        return true;
    struct slice name = rights_service(call->client);
    asking.service = name.size ? rules_service_named(asking.rules, name) : RULES_NONE;
    if (asked & CMD_ASK_VALUES && !cmd_each_key(spec, call->argv, call->argc, can, &asking)) {
        atomic_fetch_add_explicit(&env->not_guarded, 1, memory_order_relaxed);
        return false;
    }
    bool enforced = atomic_load_explicit(&env->ownership, memory_order_relaxed) == CMD_OWNERSHIP_ENFORCE;
    if (call->client->in_exec && !enforced) /* it was counted when it was queued */
        return true;
    if (cmd_each_key(spec, call->argv, call->argc, may, &asking))
        return true;
    atomic_fetch_add_explicit(ret_refusal->why == OWNER_NOT_OWNER ? &env->not_owner : &env->not_borrower, 1,
                              memory_order_relaxed);
    server->api->rules_broken(server, ret_refusal->why, ret_refusal->class->pattern.text, name, ret_refusal->text);
    return !enforced;
}

/* ------------------------------------------------------------------------------------------ quotas */

/* A store that has this part of its quota is one that refuses; the rest are segments that are being filled. */
enum { QUOTA_NEAR_PERCENT = 75 };

static bool is_within_quota(void *context, struct slice name, uint32_t flags) {
    const struct asking *asking = context;
    struct cmd_call *call = asking->call;
    struct rules_fields fields;
    uint32_t number = rules_match(asking->rules, name, &fields);
    const struct rules_class *class = number == RULES_NONE ? NULL : rules_class(asking->rules, number);
    if (!class || class->on_quota != MANIFEST_ON_QUOTA_REFUSE || !(class->quota_bytes || class->quota_permille) ||
        !(flags & (CMD_KEY_RW | CMD_KEY_OW)))
        return true;
    struct cache_key key = cache_key(call->env->cache, call->client->db, name);
    struct cache_store_info info;
    cache_store_info(call->env->cache, cache_store_of(call->env->cache, &key), &info);
    uint64_t quota = class->quota_permille ? cache_limit(call->env->cache) / MANIFEST_SHARE_ALL * class->quota_permille
                                           : class->quota_bytes;
    uint64_t value_size = call->spec->upload_at ? call->argv[call->spec->upload_at].size : 0;
    if (info.bytes + info.reserved_bytes + value_size < quota / 100 * QUOTA_NEAR_PERCENT)
        return true;
    if (value_size > quota) {
        reply_errorf(call->reply,
                     "QUOTA class %.*s (line %u) has a quota of %llu bytes, and never takes a value of %llu",
                     SHOW(class->pattern.text), class->places[MANIFEST_QUOTA].line, (unsigned long long)quota,
                     (unsigned long long)value_size);
        return false;
    }
    reply_errorf(call->reply, "QUOTA class %.*s (line %u) has used its quota of %llu bytes, and refuses what is beyond",
                 SHOW(class->pattern.text), class->places[MANIFEST_QUOTA].line, (unsigned long long)quota);
    return false;
}

bool owner_explains_full(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    uint32_t asked = atomic_load_explicit(&call->env->asked, memory_order_relaxed);
    if (!server || !(asked & CMD_ASK_QUOTA) || call->spec->key_count == 0)
        return false;
    struct asking asking = {.call = call, .rules = server->api->rules_now(server, call->client, NULL)};
    return asking.rules && !cmd_each_key(call->spec, call->argv, call->argc, is_within_quota, &asking);
}
