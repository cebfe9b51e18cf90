#include "app/cmd/commands.h"
#include "app/cmd/owner.h"
#include "app/cmd/queue.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "app/cmd/slide.h"
#include "app/cmd/tier.h"
#include "base/memory.h"

enum { QUEUE_KEEP_SIZE = 4096 }; /* bytes of tables that a connection keeps between transactions */

/* ------------------------------------------------------------------ queue */

static struct cmd_queued *queued(const struct cmd_client *client) { return (struct cmd_queued *)client->multi.data; }

uint32_t cmd_multi_count(const struct cmd_client *client) {
    return (uint32_t)(client->multi.size / sizeof(struct cmd_queued));
}

static uint64_t queued_size(const struct cmd_call *call) {
    uint64_t size = sizeof(struct cmd_queued) + call->argc * sizeof(struct slice);
    for (uint32_t i = 0; i < call->argc; i++)
        if (!call->upload || (int)i != call->spec->upload_at)
            size += call->argv[i].size;
    return size;
}

static enum status copy_arguments(struct cmd_call *call, struct cmd_queued *ret_entry) {
    struct arena *arena = &call->client->multi_arena;
    struct slice *copies = arena_take(arena, call->argc * sizeof *copies);
    if (!copies)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < call->argc; i++) {
        if (call->upload && (int)i == call->spec->upload_at)
            copies[i] = call->argv[i];
        else if (!arena_copy(arena, call->argv[i], &copies[i]))
            return STATUS_NO_MEMORY;
    }
    *ret_entry = (struct cmd_queued){.spec = call->spec, .arguments = copies, .count = call->argc};
    return STATUS_OK;
}

bool queue_command(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    uint64_t size = queued_size(call);
    /* A transaction that has failed runs nothing: what comes after the failure needs no room. */
    if (client->multi_failed) {
        reply_simple(call->reply, SLICE("QUEUED"));
        return true;
    }
    if (client->multi_size_bytes + size > CMD_MULTI_SIZE_MAX) {
        client->multi_failed = true;
        reply_errorf(call->reply, "ERR transaction exceeds %d bytes of queued arguments", CMD_MULTI_SIZE_MAX);
        return false;
    }
    struct cmd_queued entry;
    enum status status = copy_arguments(call, &entry);
    if (status == STATUS_OK)
        status = buf_append(&client->multi, &entry, sizeof entry);
    if (status != STATUS_OK) {
        client->multi_failed = true;
        cmd_error_status(call, status);
        return false;
    }
    if (call->upload) {
        struct cmd_queued *last = &queued(client)[cmd_multi_count(client) - 1];
        last->uploaded = true;
        last->upload = *call->upload;
        *call->upload = (struct cache_upload){0};
    }
    client->multi_size_bytes += size;
    reply_simple(call->reply, SLICE("QUEUED"));
    return true;
}

void cmd_multi_drop(struct cmd_client *client, struct cmd_env *env, struct actor *actor) {
    for (uint32_t i = 0, count = cmd_multi_count(client); i < count; i++)
        if (queued(client)[i].uploaded)
            cache_upload_drop(env->cache, actor, &queued(client)[i].upload);
    buf_clear(&client->multi);
    buf_shrink(&client->multi, QUEUE_KEEP_SIZE);
    arena_reset(&client->multi_arena);
    client->multi_size_bytes = 0;
    client->in_multi = client->multi_failed = false;
}

/* ---------------------------------------------------------------- watches */

static struct cmd_watched *watched(const struct cmd_client *client) {
    return (struct cmd_watched *)client->watched.data;
}

uint32_t cmd_watched_count(const struct cmd_client *client) {
    return (uint32_t)(client->watched.size / sizeof(struct cmd_watched));
}

void cmd_unwatch_all(struct cmd_client *client, struct cmd_env *env) {
    for (uint32_t i = 0, count = cmd_watched_count(client); i < count; i++) {
        struct slice name = watched(client)[i].name;
        memory_give(&memory_libc, (void *)name.data, name.size);
        cache_watch_end(env->cache);
    }
    buf_clear(&client->watched);
    buf_shrink(&client->watched, QUEUE_KEEP_SIZE);
}

static bool is_watched(const struct cmd_client *client, struct slice name) {
    for (uint32_t i = 0, count = cmd_watched_count(client); i < count; i++)
        if (watched(client)[i].db == client->db && slice_equal(watched(client)[i].name, name))
            return true;
    return false;
}

static enum status watch_key(struct cmd_call *call, uint32_t at) {
    struct cmd_client *client = call->client;
    struct slice name = call->argv[at];
    TRY(buf_reserve(&client->watched, sizeof(struct cmd_watched)));
    uint8_t *copy = NULL;
    if (name.size) {
        copy = memory_take(&memory_libc, name.size);
        if (!copy)
            return STATUS_NO_MEMORY;
        memcpy(copy, name.data, name.size);
    }
    struct cache_key key = cmd_key(call, at);
    struct cmd_watched entry = {.db = client->db, .name = slice_make(copy, name.size)};
    entry.watch = cache_watch_begin(call->env->cache, call->actor, &key);
    return buf_append(&client->watched, &entry, sizeof entry);
}

void cmd_watch(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    if (client->in_multi) {
        reply_error(call->reply, SLICE("ERR WATCH inside MULTI is not allowed"));
        return;
    }
    for (uint32_t at = 1; at < call->argc; at++) {
        if (is_watched(client, call->argv[at]))
            continue;
        if (cmd_watched_count(client) >= CMD_WATCHED_MAX) {
            reply_errorf(call->reply, "ERR a connection may watch at most %d keys", CMD_WATCHED_MAX);
            return;
        }
        enum status status = watch_key(call, at);
        if (status != STATUS_OK) {
            cmd_error_status(call, status);
            return;
        }
    }
    reply_ok(call->reply);
}

void cmd_unwatch(struct cmd_call *call) {
    /* Inside EXEC the watches have served already, and it ends them itself. */
    if (!call->client->in_exec)
        cmd_unwatch_all(call->client, call->env);
    reply_ok(call->reply);
}

/* --------------------------------------------------- MULTI, DISCARD, EXEC */

void cmd_multi(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    if (client->in_multi) {
        reply_error(call->reply, SLICE("ERR MULTI calls can not be nested"));
        return;
    }
    client->in_multi = true;
    client->multi_failed = false;
    reply_ok(call->reply);
}

void cmd_discard(struct cmd_call *call) {
    if (!call->client->in_multi) {
        reply_error(call->reply, SLICE("ERR DISCARD without MULTI"));
        return;
    }
    cmd_multi_drop(call->client, call->env, call->actor);
    cmd_unwatch_all(call->client, call->env);
    reply_ok(call->reply);
}

/* What a transaction is about to touch. */
struct reach {
    struct cache_key *keys;
    uint32_t count;
    bool all_shards;
    uint64_t write_bytes;
    struct cache_key database; /* the empty key: its hash changes when SWAPDB gives the client another database */
};

static struct cache_key empty_key(const struct cmd_call *call) {
    return cache_key(call->env->cache, call->client->db, slice_make(NULL, 0));
}

static uint64_t size_of_arguments(const struct cmd_queued *command) {
    uint64_t size = command->uploaded ? command->upload.size : 0;
    for (uint32_t i = 1; i < command->count; i++)
        size += command->arguments[i].data ? command->arguments[i].size : 0;
    return size;
}

/* The keys of the queued commands, in the database chosen now: a queued SELECT has the flag CMD_ALL_SHARDS. */
static enum status reach_find(const struct cmd_call *call, struct reach *ret_reach) {
    const struct cmd_client *client = call->client;
    struct reach reach = {.database = empty_key(call)};
    uint32_t commands = cmd_multi_count(client), watches = cmd_watched_count(client);
    uint64_t key_max = watches;
    uint32_t argument_max = 0;
    for (uint32_t i = 0; i < commands; i++) {
        const struct cmd_queued *command = &queued(client)[i];
        key_max += command->spec->key_count ? command->count : 0;
        argument_max = command->count > argument_max ? command->count : argument_max;
        reach.all_shards |= (command->spec->flags & CMD_ALL_SHARDS) != 0;
        if (command->spec->flags & CMD_WRITE)
            reach.write_bytes += size_of_arguments(command);
    }
    reach.keys = arena_take(call->arena, key_max * sizeof *reach.keys);
    uint32_t *at = arena_take(call->arena, argument_max * sizeof *at);
    if (!reach.keys || !at)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < watches; i++)
        reach.keys[reach.count++] = cache_key(call->env->cache, watched(client)[i].db, watched(client)[i].name);
    for (uint32_t i = 0; i < commands; i++) {
        const struct cmd_queued *command = &queued(client)[i];
        uint32_t found = cmd_key_positions(command->spec, command->arguments, command->count, at, argument_max);
        for (uint32_t k = 0; k < found; k++)
            reach.keys[reach.count++] = cache_key(call->env->cache, client->db, command->arguments[at[k]]);
    }
    *ret_reach = reach;
    return STATUS_OK;
}

/* The first keys of the reach are the watched ones, in their order. */
static bool watches_hold(const struct cmd_call *call, const struct reach *reach) {
    const struct cmd_client *client = call->client;
    for (uint32_t i = 0, count = cmd_watched_count(client); i < count; i++)
        if (!cache_watch_holds(call->env->cache, call->actor, &reach->keys[i], watched(client)[i].watch))
            return false;
    return true;
}

/* Rights, or the rules, may have changed since it was queued. */
__attribute__((noinline)) static bool may_still_run(struct cmd_call *call) {
    struct owner_refusal refusal;
    if (call->client->restricted && !rights_hold_queued(call))
        return false;
    if (!owner_is_asked(call->env) || owner_agrees(call, call->spec, &refusal))
        return true;
    reply_errorf(call->reply, "%s %s", refusal.code, refusal.text);
    return false;
}

static void run_queued(struct cmd_call *call) {
    const struct cmd_client *client = call->client;
    uint32_t count = cmd_multi_count(client);
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        struct cmd_queued *command = &queued(client)[i];
        struct cmd_call inner = *call;
        inner.spec = command->spec;
        inner.argv = command->arguments;
        inner.argc = command->count;
        inner.upload = command->uploaded ? &command->upload : NULL;
        inner.first_key = NULL;
        inner.outcome = CMD_RAN;
        const size_t reply_begins_at = call->reply->out->size;
        if (__builtin_expect(client->restricted || owner_is_asked(call->env), 0) && !may_still_run(&inner)) {
            if (call->env->refuse_queued)
                call->env->refuse_queued(&inner, reply_begins_at);
            continue;
        }
        if (call->env->run_queued)
            call->env->run_queued(&inner);
        else
            command->spec->run(&inner);
        if (slide_is_asked(call->env)) {
            call->change = CMD_CHANGE_UNTOLD; /* what is changed between two commands is EXEC's */
            slide_read(&inner);
            call->change = CMD_CHANGE_PLAIN;
        }
    }
}

static void unlock(const struct cmd_call *call) {
    if (cache_locked(call->actor))
        cache_unlock(call->env->cache, call->actor);
}

/* Locks everything that the transaction and its watches reach. Keys are hashed before there is a lock, so a SWAPDB
 * may come between; then the locks would be those of other keys, and it is done again. */
static enum status lock_reach(const struct cmd_call *call, struct reach *ret_reach) {
    struct cache *cache = call->env->cache;
    for (;;) {
        struct reach reach;
        TRY(reach_find(call, &reach));
        if (reach.all_shards)
            cache_lock_all(cache, call->actor, reach.write_bytes);
        else if (reach.count)
            cache_lock_keys(cache, call->actor, reach.keys, reach.count, reach.write_bytes);
        if (reach.all_shards || empty_key(call).hash == reach.database.hash) {
            *ret_reach = reach;
            return STATUS_OK;
        }
        unlock(call);
    }
}

static bool goes_by_rules(const struct cmd_client *client) {
    for (uint32_t i = 0, count = cmd_multi_count(client); i < count; i++)
        if (queued(client)[i].spec->flags & CMD_AWAITS_RULES)
            return true;
    return false;
}

/* Whether others come into force than those by which something queued goes: half of a transaction is worse than none. Under its locks, which are all
 * then: what is not being loaded yet finds every entry as the rules in force have it, whatever begins meanwhile. */
static bool waits_for_rules(const struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    if (!goes_by_rules(call->client))
        return false;
    call->client->exec_rules = server ? server->api->rules_now(server, call->client, NULL) : NULL;
    return atomic_load_explicit(&call->env->loading_rules, memory_order_acquire);
}

/* With what it reaches in memory, as far as another thread has not put it into the warm tier again. False: it is being read, and EXEC has to wait. */
static bool lock_with_tier(struct cmd_call *call, struct reach *ret_reach, enum status *ret_status) {
    const struct cmd_tier *tier = call->env->tier;
    *ret_status = lock_reach(call, ret_reach);
    if (__builtin_expect(!tier, 1) || *ret_status != STATUS_OK || !tier->lacks(call))
        return true;
    unlock(call);
    if (tier->fetch(call, true))
        return false;
    *ret_status = lock_reach(call, ret_reach);
    return true;
}

/* False: nothing has been done, and it has to wait. */
static bool run_locked(struct cmd_call *call) {
    struct reach reach;
    enum status status;
    if (!lock_with_tier(call, &reach, &status))
        return false;
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return true;
    }
    if (waits_for_rules(call)) {
        reply_error(call->reply,
                    SLICE("EXECABORT Transaction discarded because of: BUSY rules are being loaded; try again"));
    } else if (watches_hold(call, &reach)) {
        call->client->in_exec = true;
        run_queued(call);
        call->client->in_exec = false;
    } else {
        reply_null_array(call->reply);
    }
    unlock(call);
    return true;
}

void cmd_exec(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    if (!client->in_multi) {
        reply_error(call->reply, SLICE("ERR EXEC without MULTI"));
        return;
    }
    if (client->multi_failed) {
        reply_error(call->reply, SLICE("EXECABORT Transaction discarded because of previous errors."));
    } else if (!run_locked(call)) {
        call->outcome = CMD_WAITS;
        return;
    }
    cmd_multi_drop(client, call->env, call->actor);
    cmd_unwatch_all(client, call->env);
}
