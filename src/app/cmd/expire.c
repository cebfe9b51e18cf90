/* app/cmd/expire.c: when keys end. */
#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "base/assert.h"

/* ------------------------------------------------------------------ EXPIRE */

enum { EXPIRE_OPTION_SHOWN_MAX = 128 }; /* bytes of an unknown option that the error repeats */

struct expire_conditions {
    bool nx, xx, gt, lt;
};

static bool conditions_parse(struct cmd_call *call, uint32_t first, struct expire_conditions *ret) {
    struct expire_conditions c = {0};
    for (uint32_t i = first; i < call->argc; i++) {
        if (cmd_is(call, i, "nx")) {
            c.nx = true;
        } else if (cmd_is(call, i, "xx")) {
            c.xx = true;
        } else if (cmd_is(call, i, "gt")) {
            c.gt = true;
        } else if (cmd_is(call, i, "lt")) {
            c.lt = true;
        } else {
            reply_errorf(call->reply, "ERR Unsupported option %.*s",
                         (int)slice_part(call->argv[i], 0, EXPIRE_OPTION_SHOWN_MAX).size,
                         call->argv[i].size ? (const char *)call->argv[i].data : "");
            return false;
        }
    }
    if (c.nx && (c.xx || c.gt || c.lt)) {
        reply_error(call->reply, SLICE("ERR NX and XX, GT or LT options at the same time are not compatible"));
        return false;
    }
    if (c.gt && c.lt) {
        reply_error(call->reply, SLICE("ERR GT and LT options at the same time are not compatible"));
        return false;
    }
    *ret = c;
    return true;
}

/* A key without expiry never ends, so nothing is later than that, and everything is earlier. */
static bool conditions_hold(const struct expire_conditions *c, uint64_t expires_at_ms, int64_t when_ms) {
    bool expires = expires_at_ms != 0;
    bool later = expires && when_ms > 0 && (uint64_t)when_ms > expires_at_ms;
    bool earlier = !expires || when_ms < 0 || (uint64_t)when_ms < expires_at_ms;
    return !(c->nx && expires) && !(c->xx && !expires) && !(c->gt && !later) && !(c->lt && !earlier);
}

/* Argument 2 as Unix time in milliseconds; it may lie in the past, even before 1970. */
static bool when_parse(struct cmd_call *call, int64_t unit_ms, int64_t base_ms, int64_t *ret_when_ms) {
    int64_t value, when_ms;
    if (!cmd_integer(call, 2, &value))
        return false;
    if (__builtin_mul_overflow(value, unit_ms, &when_ms) || __builtin_add_overflow(when_ms, base_ms, &when_ms)) {
        reply_errorf(call->reply, "ERR invalid expire time in '%s' command", call->spec->name);
        return false;
    }
    *ret_when_ms = when_ms;
    return true;
}

static void expire(struct cmd_call *call, int64_t unit_ms, int64_t base_ms) {
    struct expire_conditions conditions;
    int64_t when_ms;
    if (!conditions_parse(call, 3, &conditions) || !when_parse(call, unit_ms, base_ms, &when_ms))
        return;
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    enum status status = STATUS_OK;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    bool changes = edit.found && conditions_hold(&conditions, edit.expires_at_ms, when_ms);
    if ((changes || !edit.found) && when_ms <= (int64_t)call->actor->now_ms)
        cache_edit_delete(&edit); /* of what is not there, too: who loads it has to hear of it */
    else if (changes)
        status = cache_edit_expire(&edit, (uint64_t)when_ms);
    cache_edit_end(&edit);
    if (status == STATUS_OK)
        reply_integer(call->reply, changes);
    else
        cmd_error_status(call, status);
}

void cmd_expire(struct cmd_call *call) { expire(call, 1000, (int64_t)call->actor->now_ms); }
void cmd_pexpire(struct cmd_call *call) { expire(call, 1, (int64_t)call->actor->now_ms); }
void cmd_expireat(struct cmd_call *call) { expire(call, 1000, 0); }
void cmd_pexpireat(struct cmd_call *call) { expire(call, 1, 0); }

void cmd_persist(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    enum status status = STATUS_OK;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    bool changes = edit.found && edit.expires_at_ms != 0;
    if (changes)
        status = cache_edit_expire(&edit, 0);
    cache_edit_end(&edit);
    if (status == STATUS_OK)
        reply_integer(call->reply, changes);
    else
        cmd_error_status(call, status);
}

/* --------------------------------------------------------------------- TTL */

enum { TTL_NO_KEY = -2, TTL_NO_EXPIRY = -1 };

/* `base_ms` is taken off. Seconds are rounded to the nearest. */
static void reply_expiry(struct cmd_call *call, uint64_t base_ms, bool seconds) {
    struct cache_info info;
    if (!key_call_ask(call, 1, &info)) {
        reply_integer(call->reply, TTL_NO_KEY);
        return;
    }
    if (info.expires_at_ms == 0) {
        reply_integer(call->reply, TTL_NO_EXPIRY);
        return;
    }
    ASSERT(info.expires_at_ms > base_ms);
    uint64_t left_ms = info.expires_at_ms - base_ms;
    reply_integer(call->reply, (int64_t)(seconds ? (left_ms + 500) / 1000 : left_ms));
}

void cmd_ttl(struct cmd_call *call) { reply_expiry(call, call->actor->now_ms, true); }
void cmd_pttl(struct cmd_call *call) { reply_expiry(call, call->actor->now_ms, false); }
void cmd_expiretime(struct cmd_call *call) { reply_expiry(call, 0, true); }
void cmd_pexpiretime(struct cmd_call *call) { reply_expiry(call, 0, false); }
