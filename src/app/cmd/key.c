/* app/cmd/key.c: keys as wholes: whether they are there, away with them, other names, other databases. */
#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"

enum {
    MOMENT_TRIES_MAX = 8,  /* reads of several keys at one moment before they are locked instead */
    TRANSFER_TRIES_MAX = 4 /* of a value that keeps growing while room is made for it */
};

/* ----------------------------------------------------------------- delete */

void cmd_del(struct cmd_call *call) {
    struct cache *cache = call->env->cache;
    if (call->argc == 2) {
        struct cache_key key = cmd_key(call, 1);
        reply_integer(call->reply, cache_delete(cache, call->actor, &key));
        return;
    }
    struct cache_key *keys;
    uint32_t count;
    if (!key_call_keys(call, 1, &keys, &count))
        return;
    bool lock_here = !cache_locked(call->actor);
    if (lock_here)
        cache_lock_keys(cache, call->actor, keys, count, 0);
    int64_t deleted = 0;
    for (uint32_t i = 0; i < count; i++)
        deleted += cache_delete(cache, call->actor, &keys[i]);
    if (lock_here)
        cache_unlock(cache, call->actor);
    reply_integer(call->reply, deleted);
}

void cmd_unlink(struct cmd_call *call) { cmd_del(call); }

/* ----------------------------------------------------------------- lookup */

static uint32_t count_present(struct cmd_call *call, const struct cache_key *keys, uint32_t count, bool *ret_there) {
    uint32_t present = 0;
    struct cache_info info;
    for (uint32_t i = 0; i < count; i++) {
        ret_there[i] = cache_find(call->env->cache, call->actor, &keys[i], false, &info);
        present += ret_there[i];
    }
    return present;
}

/* How many of the keys are there, and which, all looked at in one moment. */
static uint32_t count_present_at_once(struct cmd_call *call, const struct cache_key *keys, uint32_t count,
                                      bool *ret_there) {
    struct cache *cache = call->env->cache;
    if (count == 1 || cache_locked(call->actor))
        return count_present(call, keys, count, ret_there);
    for (int try = 0; try < MOMENT_TRIES_MAX; try++) {
        struct cache_moment moment = cache_moment_begin(cache, keys, count);
        uint32_t present = count_present(call, keys, count, ret_there);
        if (cache_moment_holds(cache, keys, count, moment))
            return present;
    }
    cache_lock_keys(cache, call->actor, keys, count, 0);
    uint32_t present = count_present(call, keys, count, ret_there);
    cache_unlock(cache, call->actor);
    return present;
}

static bool find_all(struct cmd_call *call, struct cache_key **ret_keys, bool **ret_there, uint32_t *ret_present) {
    uint32_t count;
    if (!key_call_keys(call, 1, ret_keys, &count))
        return false;
    *ret_there = arena_take(call->arena, count * sizeof **ret_there);
    if (!*ret_there) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    *ret_present = count_present_at_once(call, *ret_keys, count, *ret_there);
    return true;
}

void cmd_exists(struct cmd_call *call) {
    struct cache_key *keys;
    bool *there;
    uint32_t present;
    if (!find_all(call, &keys, &there, &present))
        return;
    for (uint32_t i = 0; i < call->argc - 1; i++)
        key_call_count(call, &keys[i], there[i]);
    reply_integer(call->reply, present);
}

void cmd_touch(struct cmd_call *call) {
    struct cache_key *keys;
    bool *there;
    uint32_t present;
    if (!find_all(call, &keys, &there, &present))
        return;
    struct cache_info info;
    for (uint32_t i = 0; i < call->argc - 1; i++)
        (void)cache_find(call->env->cache, call->actor, &keys[i], true, &info);
    reply_integer(call->reply, present);
}

void cmd_type(struct cmd_call *call) {
    struct cache_info info;
    bool found = key_call_ask(call, 1, &info);
    reply_simple(call->reply, slice_from_string(found ? key_call_type_name(info.type) : "none"));
}

/* --------------------------------------------------------------- transfer */

/* RENAME, COPY and MOVE: an entry goes to another name, with its expiry. */
struct transfer {
    struct cache_key keys[2]; /* from, to */
    bool replace, remove;
};

static bool same_key(const struct cache_key *a, const struct cache_key *b) {
    return a->db == b->db && slice_equal(a->name, b->name);
}

enum transfer_result { TRANSFER_DONE, TRANSFER_NO_SOURCE, TRANSFER_TARGET_EXISTS };

/* The shards of both keys are locked. `ret_size` is set in any case. */
static enum status transfer_locked(struct cmd_call *call, const struct transfer *transfer, uint64_t *ret_size,
                                   enum transfer_result *ret_result) {
    struct cache *cache = call->env->cache;
    const struct cache_key *from_key = &transfer->keys[0], *to_key = &transfer->keys[1];
    struct cache_edit from, to;
    enum status status = STATUS_OK;
    enum transfer_result result = TRANSFER_DONE;
    cache_edit_begin(cache, call->actor, to_key, &to);
    cache_edit_begin(cache, call->actor, from_key, &from);
    *ret_size = from.found ? from.size : 0;
    if (!from.found)
        result = TRANSFER_NO_SOURCE;
    else if (to.found && !transfer->replace)
        result = TRANSFER_TARGET_EXISTS;
    else if (!same_key(from_key, to_key))
        status = cache_edit_copy(&from, &to, from.expires_at_ms);
    /* A session ends with its head, but what the head is called from now on is written after that. */
    if (transfer->remove && status == STATUS_OK && result == TRANSFER_DONE && !same_key(from_key, to_key))
        cache_edit_delete_but(&from, &to);
    cache_edit_end(&from);
    cache_edit_end(&to);
    if (status != STATUS_OK)
        return status;
    *ret_result = result;
    return STATUS_OK;
}

/* False: the error is written. */
static bool transfer_run(struct cmd_call *call, const struct transfer *transfer, enum transfer_result *ret_result) {
    struct cache *cache = call->env->cache;
    bool lock_here = !cache_locked(call->actor);
    struct cache_info info = {0};
    bool reads = !transfer->remove, quiet = call->client->no_touch; /* only COPY reads */
    bool found = cache_find(cache, call->actor, &transfer->keys[0], reads && !quiet, &info);
    if (reads && quiet)
        key_call_count(call, &transfer->keys[0], found);
    enum status status;
    uint64_t size = info.size, size_expected;
    int tries = 0;
    do {
        size_expected = size;
        if (lock_here)
            cache_lock_keys(cache, call->actor, transfer->keys, 2, size_expected + transfer->keys[1].name.size);
        status = transfer_locked(call, transfer, &size, ret_result);
        if (lock_here)
            cache_unlock(cache, call->actor);
        /* The value has grown before the lock, beyond the room that was made for it. */
    } while (lock_here && status == STATUS_FULL && size > size_expected && ++tries < TRANSFER_TRIES_MAX);
    if (status == STATUS_INVALID)
        reply_errorf(call->reply, "ERR the key would have more than %d tags: those that it has, and those of its class",
                     CACHE_TAGS_MAX + CACHE_RULE_TAGS_MAX);
    else if (status != STATUS_OK)
        cmd_error_status(call, status);
    return status == STATUS_OK;
}

static void rename_key(struct cmd_call *call, bool only_if_new) {
    struct transfer transfer = {.keys = {cmd_key(call, 1), cmd_key(call, 2)}, .replace = !only_if_new, .remove = true};
    enum transfer_result result;
    if (!transfer_run(call, &transfer, &result))
        return;
    if (result == TRANSFER_NO_SOURCE)
        reply_error(call->reply, SLICE("ERR no such key"));
    else if (only_if_new)
        reply_integer(call->reply, result == TRANSFER_DONE);
    else
        reply_ok(call->reply);
}

void cmd_rename(struct cmd_call *call) { rename_key(call, false); }
void cmd_renamenx(struct cmd_call *call) { rename_key(call, true); }

static void transfer_other(struct cmd_call *call, const struct transfer *transfer) {
    const struct cache_key *from = &transfer->keys[0], *to = &transfer->keys[1];
    enum transfer_result result;
    if (same_key(from, to))
        reply_error(call->reply, SLICE("ERR source and destination objects are the same"));
    else if (transfer_run(call, transfer, &result))
        reply_integer(call->reply, result == TRANSFER_DONE);
}

void cmd_copy(struct cmd_call *call) {
    uint32_t db = call->client->db;
    bool replace = false;
    for (uint32_t i = 3; i < call->argc; i++) {
        if (cmd_is(call, i, "replace")) {
            replace = true;
        } else if (cmd_is(call, i, "db") && i + 1 < call->argc) {
            if (!key_call_database(call, ++i, &db))
                return;
        } else {
            cmd_error_syntax(call);
            return;
        }
    }
    struct transfer transfer = {.keys = {cmd_key(call, 1), cache_key(call->env->cache, db, call->argv[2])},
                                .replace = replace};
    transfer_other(call, &transfer);
}

void cmd_move(struct cmd_call *call) {
    uint32_t db;
    if (!key_call_database(call, 2, &db))
        return;
    struct transfer transfer = {.keys = {cmd_key(call, 1), cache_key(call->env->cache, db, call->argv[1])},
                                .remove = true};
    transfer_other(call, &transfer);
}
