/* Commands that read whole values: GET GETDEL GETEX MGET STRLEN. */
#include "app/cmd/commands.h"
#include "app/cmd/string_options.h"
#include "app/cmd/value.h"
#include "core/cache/glance.h"

enum { MGET_TRIES = 3 }; /* without a lock */

/* Writes the rest of a GET; tells whether a value was found. */
static bool get_finish(struct cmd_call *call, enum value_result result) {
    if (result == VALUE_MISSING)
        reply_null(call->reply);
    else if (result == VALUE_WRONG_TYPE)
        cmd_error_wrong_type(call);
    return result == VALUE_FOUND;
}

void cmd_get(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    (void)get_finish(call, value_to_reply(call, &key, 0, UINT64_MAX));
}

/* Writes the value that was seen; false if it has changed meanwhile. */
static inline bool get_seen(struct cmd_call *call, const struct cache_sight *sight) {
    uint8_t *to = reply_bulk_small(call->reply, sight->size);
    if (!to || !glance_copy(call->actor, sight, to))
        return false;
    reply_bulk_done(call->reply, to, sight->size);
    return true;
}

/* Small values: one look each, straight into the reply. */
uint32_t cmd_get_row(struct cmd_call *call, const struct cmd_request *requests, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const struct cache_key *key = requests[i].key;
        struct cache_sight sight;
        if (key->db != call->client->db)
            return i;
        enum cache_glance seen = glance(call->env->cache, call->actor, key, &sight);
        if (seen == CACHE_GLANCE_MISS)
            reply_null(call->reply);
        else if (seen == CACHE_GLANCE_UNSURE || !get_seen(call, &sight))
            return i;
    }
    return count;
}

void cmd_getdel(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    bool locked = value_lock(call, &key, 1, 0);
    enum value_result result = value_to_reply(call, &key, 0, UINT64_MAX);
    /* Of what is not there, too: who loads it has to hear of it. */
    if (get_finish(call, result) || result == VALUE_MISSING)
        (void)cache_delete(call->env->cache, call->actor, &key);
    value_unlock(call, locked);
}

/* Gives the entry its new expiry; a time that is over removes it. */
static enum status getex_expire(struct cmd_call *call, const struct cache_key *key, uint64_t expires_at_ms) {
    struct cache_edit edit;
    enum status status = STATUS_OK;
    cache_edit_begin(call->env->cache, call->actor, key, &edit);
    if (expires_at_ms && expires_at_ms <= call->actor->now_ms)
        cache_edit_delete(&edit);
    else if (edit.found && edit.expires_at_ms != expires_at_ms)
        status = cache_edit_expire(&edit, expires_at_ms);
    cache_edit_end(&edit);
    return status;
}

/* The key is locked. A time that makes no sense is complained of only when there is a string to give it to. */
static void getex_locked(struct cmd_call *call, const struct cache_key *key, const struct string_options *options) {
    struct cache_info info;
    uint64_t expires_at_ms = 0;
    if (cache_find(call->env->cache, call->actor, key, false, &info) && info.type == CACHE_STRING &&
        !string_options_expiry(call, options, &expires_at_ms))
        return;
    struct reply_mark mark = reply_mark(call->reply);
    if (!get_finish(call, value_to_reply(call, key, 0, UINT64_MAX)))
        return;
    enum status status = getex_expire(call, key, expires_at_ms);
    if (status != STATUS_OK) {
        cmd_reply_rewind(call, mark);
        cmd_error_status(call, status);
    }
}

void cmd_getex(struct cmd_call *call) {
    struct string_options options;
    if (!string_options_read(call, 2, OPTIONS_EXPIRY | OPTION_PERSIST, &options))
        return;
    if (!options.flags) {
        cmd_get(call);
        return;
    }
    struct cache_key key = cmd_key(call, 1);
    bool locked = value_lock(call, &key, 1, key.name.size);
    getex_locked(call, &key, &options);
    value_unlock(call, locked);
}

/* False when a read failed: its error is the whole reply. */
static bool mget_read(struct cmd_call *call, const struct cache_key *keys, uint32_t count) {
    struct reply_mark mark = reply_mark(call->reply);
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        enum value_result result = value_to_reply(call, &keys[i], 0, UINT64_MAX);
        if (result == VALUE_FAILED) {
            cmd_reply_rewind(call, mark);
            cmd_error_status(call, STATUS_NO_MEMORY);
            return false;
        }
        if (result != VALUE_FOUND)
            reply_null(call->reply);
    }
    return true;
}

void cmd_mget(struct cmd_call *call) {
    struct cache *cache = call->env->cache;
    uint32_t count = call->argc - 1;
    struct cache_key *keys = value_keys(call, 1, 1, count);
    if (!keys) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    if (count == 1 || cache_locked(call->actor)) {
        (void)mget_read(call, keys, count);
        return;
    }
    struct reply_mark mark = reply_mark(call->reply);
    for (int tries = 0; tries < MGET_TRIES; tries++) {
        struct cache_moment moment = cache_moment_begin(cache, keys, count);
        if (!mget_read(call, keys, count) || cache_moment_holds(cache, keys, count, moment))
            return;
        cmd_reply_rewind(call, mark);
    }
    cache_lock_keys(cache, call->actor, keys, count, 0);
    (void)mget_read(call, keys, count);
    cache_unlock(cache, call->actor);
}

void cmd_strlen(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_info info;
    if (!cache_find(call->env->cache, call->actor, &key, true, &info))
        reply_integer(call->reply, 0);
    else if (info.type == CACHE_STRING)
        reply_integer(call->reply, (int64_t)info.size);
    else
        cmd_error_wrong_type(call);
}
