/* app/cmd/tier_keys.c: what a command has to know before it runs. */
#include "app/cmd/commands.h"
#include "app/cmd/slide.h"
#include "app/cmd/tier.h"
#include "base/number.h"

struct tier_walk {
    const struct cmd_call *call;
    const struct cmd_spec *spec;
    const struct slice *argv;
    uint32_t argc, db;
    bool (*visit)(void *context, const struct cache_key *key);
    void *context;
};

static bool has_word(const struct slice *argv, uint32_t from, uint32_t argc, const char *const *words) {
    for (uint32_t i = from; i < argc; i++)
        for (uint32_t at = 0; words[at]; at++)
            if (argv[i].data && slice_equal_nocase(argv[i], slice_from_string(words[at])))
                return true;
    return false;
}

/* Whether what stands under a key of these flags changes what the command does. A value that is one of the words costs a read in vain. */
static bool looks_at(const struct cmd_spec *spec, const struct slice *argv, uint32_t argc, uint32_t flags) {
    static const char *const conditions[] = {"NX", "XX", "IFEQ", "IFVERSION", "IFNEWER", "GET", "KEEPTTL", NULL};
    static const char *const replace[] = {"REPLACE", NULL};
    if (spec->flags & CMD_BLIND)
        return false;
    bool variable = (flags & CMD_KEY_VARIABLE) && spec->run == cmd_set;
    bool overwrites = (flags & CMD_KEY_OW) && (flags & CMD_KEY_UPDATE);
    /* Without a source the target stays what it is. */
    if ((!variable && !overwrites) || spec->run == cmd_rename || spec->run == cmd_copy)
        return true;
    if (spec->run == cmd_restore)
        return !has_word(argv, 4, argc, replace);
    return has_word(argv, 2, argc, conditions);
}

static bool look(void *context, struct slice name, uint32_t flags) {
    const struct tier_walk *walk = context;
    if (!looks_at(walk->spec, walk->argv, walk->argc, flags))
        return true;
    const struct cache_key *ready = walk->call->first_key;
    if (ready && ready->name.data == name.data && ready->name.size == name.size && ready->db == walk->db)
        return walk->visit(walk->context, ready);
    struct cache_key key = cache_key(walk->call->env->cache, walk->db, name);
    return walk->visit(walk->context, &key);
}

/* MOVE and COPY into another database: what stands there decides as well, and is no key of the table. */
static void visit_target(const struct tier_walk *walk) {
    const bool moves = walk->spec->run == cmd_move;
    int64_t db;
    uint32_t at = moves ? 2 : 3;
    while (!moves && at < walk->argc && !slice_equal_nocase(walk->argv[at], SLICE("db")))
        at++;
    at += !moves;
    if ((!moves && walk->spec->run != cmd_copy) || at >= walk->argc || !number_parse_i64(walk->argv[at], &db) ||
        db < 0 || db >= CACHE_DATABASES)
        return;
    struct cache_key key = cache_key(walk->call->env->cache, (uint32_t)db, walk->argv[moves ? 1 : 2]);
    (void)walk->visit(walk->context, &key);
}

static void visit_queued(struct tier_walk *walk) {
    const struct cmd_client *client = walk->call->client;
    const struct cmd_queued *queued = (const struct cmd_queued *)(const void *)client->multi.data;
    const struct cmd_watched *watched = (const struct cmd_watched *)(const void *)client->watched.data;
    for (uint32_t i = 0; i < cmd_watched_count(client); i++) {
        struct cache_key key = cache_key(walk->call->env->cache, watched[i].db, watched[i].name);
        if (!walk->visit(walk->context, &key))
            return;
    }
    for (uint32_t i = 0; i < cmd_multi_count(client); i++) {
        int64_t db;
        walk->spec = queued[i].spec;
        walk->argv = queued[i].arguments;
        walk->argc = queued[i].count;
        if (walk->spec->run == cmd_select && number_parse_i64(walk->argv[1], &db) && db >= 0 && db < CACHE_DATABASES)
            walk->db = (uint32_t)db;
        if (!cmd_each_key(walk->spec, walk->argv, walk->argc, look, walk))
            return;
        visit_target(walk);
    }
}

void tier_each_key(const struct cmd_call *call, bool (*visit)(void *context, const struct cache_key *key),
                   void *context) {
    struct tier_walk walk = {.call = call,
                             .spec = call->spec,
                             .argv = call->argv,
                             .argc = call->argc,
                             .db = call->client->db,
                             .visit = visit,
                             .context = context};
    if (call->spec->run == cmd_exec)
        visit_queued(&walk);
    else if (cmd_each_key(call->spec, call->argv, call->argc, look, &walk))
        visit_target(&walk);
}

/* Not where the read is to have consequences for the entry, or for what the client is told of it later. */
bool tier_is_shown(const struct cmd_call *call) {
    bool plain = !call->client->tracking && !slide_is_asked(call->env);
    return call->spec->run == cmd_explain || (plain && (call->spec->run == cmd_get || call->spec->run == cmd_mget));
}

/* Of SET, the words stand behind the value. */
bool tier_asks_first(const struct cmd_spec *spec, const struct slice *argv, uint32_t argc) {
    return spec->key_count > 0 &&
           (spec->keys[0].flags & CMD_KEY_VARIABLE || looks_at(spec, argv, argc, spec->keys[0].flags));
}
