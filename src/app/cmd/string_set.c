/* Commands that write one key whole: SET SETNX SETEX PSETEX GETSET DELIFEQ. */
#include "app/cmd/commands.h"
#include "app/cmd/string_options.h"
#include "app/cmd/value.h"

struct set_plan {
    uint32_t value_at;
    struct string_options options;
    uint64_t expires_at_ms;
};

/* Whether the options let the write happen: VALUE_FOUND if so, VALUE_MISSING if not. */
static enum value_result set_condition(struct cmd_call *call, const struct string_options *options,
                                       const struct cache_edit *edit) {
    if (((options->flags & OPTION_NX) && edit->found) || !string_options_guard(options, edit))
        return VALUE_MISSING;
    if ((options->flags & (OPTION_XX | OPTION_IFEQ)) && !edit->found)
        return VALUE_MISSING;
    if (!(options->flags & OPTION_IFEQ))
        return VALUE_FOUND;
    if (edit->type != CACHE_STRING)
        return VALUE_WRONG_TYPE;
    return value_equals(edit, call->argv[options->compare_at]) ? VALUE_FOUND : VALUE_MISSING;
}

/* Writes if the condition holds (the answer says so); replies nothing. */
static enum value_result set_write(struct cmd_call *call, const struct set_plan *plan, const struct cache_key *key,
                                   enum status *ret_status) {
    struct cache_edit edit;
    value_edit_begin(call, key, call->upload ? 0 : call->argv[plan->value_at].size, &edit);
    enum value_result answer = set_condition(call, &plan->options, &edit);
    enum status status = STATUS_OK;
    if (answer == VALUE_FOUND) {
        edit.tags = call->argv + plan->options.tags_at;
        edit.tag_count = plan->options.tag_count;
        edit.set_row = plan->options.row;
        bool keeps = edit.keeps_time = (plan->options.flags & OPTION_KEEPTTL) && edit.found;
        call->change = plan->expires_at_ms ? CMD_CHANGE_EXPIRES : CMD_CHANGE_PLAIN;
        status = value_write(call, &edit, call->argv[plan->value_at], keeps ? edit.expires_at_ms : plan->expires_at_ms);
        call->change = CMD_CHANGE_PLAIN;
    }
    cache_edit_end(&edit);
    *ret_status = status;
    return answer;
}

static void set(struct cmd_call *call, const struct set_plan *plan) {
    struct cache_key key = cmd_key(call, 1);
    enum status status;
    enum value_result answer = set_write(call, plan, &key, &status);
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    else if (answer == VALUE_FOUND)
        reply_ok(call->reply);
    else if (answer == VALUE_MISSING)
        reply_null(call->reply);
    else
        cmd_error_wrong_type(call);
}

/* The old value goes into the reply first, under a lock that lasts until the new one is written. */
static void set_and_get(struct cmd_call *call, const struct set_plan *plan) {
    struct cache_key key = cmd_key(call, 1);
    struct reply_mark mark = reply_mark(call->reply);
    bool locked = value_lock(call, &key, 1, key.name.size + call->argv[plan->value_at].size);
    enum value_result old = value_to_reply(call, &key, 0, UINT64_MAX);
    if (old == VALUE_WRONG_TYPE)
        cmd_error_wrong_type(call);
    else if (old == VALUE_MISSING)
        reply_null(call->reply);
    if (old == VALUE_FOUND || old == VALUE_MISSING) {
        enum status status;
        (void)set_write(call, plan, &key, &status);
        if (status != STATUS_OK) {
            cmd_reply_rewind(call, mark);
            cmd_error_status(call, status);
        }
    }
    value_unlock(call, locked);
}

/* SET key value without options: most of all writes. */
static void set_plain(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    enum status status = cache_set(call->env->cache, call->actor, &key, call->argv[2], 0);
    if (status == STATUS_OK)
        reply_ok(call->reply);
    else
        cmd_error_status(call, status);
}

void cmd_set(struct cmd_call *call) {
    if (call->argc == 3 && !call->upload) {
        set_plain(call);
        return;
    }
    struct set_plan plan = {.value_at = 2};
    uint32_t allowed = OPTIONS_CONDITION | OPTIONS_EXPIRY | OPTION_KEEPTTL | OPTION_GET | OPTION_TAGS | OPTION_VERSION;
    if (!string_options_read(call, 3, allowed, &plan.options) ||
        !string_options_expiry(call, &plan.options, &plan.expires_at_ms))
        return;
    if (plan.options.flags & OPTION_GET)
        set_and_get(call, &plan);
    else
        set(call, &plan);
}

/* A write that fails has changed nothing: it is tried again as a single one, which says why. */
uint32_t cmd_set_row(struct cmd_call *call, const struct cmd_request *requests, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const struct cmd_request *request = &requests[i];
        if (request->key->db != call->client->db ||
            cache_set(call->env->cache, call->actor, request->key, request->argv[2], 0) != STATUS_OK)
            return i;
        reply_ok(call->reply);
    }
    return count;
}

void cmd_getset(struct cmd_call *call) {
    struct set_plan plan = {.value_at = 2, .options = {.flags = OPTION_GET}};
    set_and_get(call, &plan);
}

void cmd_setnx(struct cmd_call *call) {
    struct set_plan plan = {.value_at = 2, .options = {.flags = OPTION_NX}};
    struct cache_key key = cmd_key(call, 1);
    enum status status;
    enum value_result answer = set_write(call, &plan, &key, &status);
    if (status == STATUS_OK)
        reply_integer(call->reply, answer == VALUE_FOUND);
    else
        cmd_error_status(call, status);
}

static void set_expiring(struct cmd_call *call, bool seconds) {
    struct set_plan plan = {.value_at = 3};
    if (value_expiry(call, 2, seconds, true, &plan.expires_at_ms))
        set(call, &plan);
}

void cmd_setex(struct cmd_call *call) { set_expiring(call, true); }

void cmd_psetex(struct cmd_call *call) { set_expiring(call, false); }

void cmd_delifeq(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    if (value_is_string(call, &edit)) {
        bool equal = edit.found && value_equals(&edit, call->argv[2]);
        if (equal || !edit.found) /* of what is not there, too: who loads it has to hear of it */
            cache_edit_delete(&edit);
        reply_integer(call->reply, equal);
    }
    cache_edit_end(&edit);
}
