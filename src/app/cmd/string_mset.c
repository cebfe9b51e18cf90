/* Commands that write several keys at one moment: MSET MSETNX MSETEX.
 *
 * Large values are brought into memory before the first key is written, so that what does not fit is refused while nothing has changed and
 * nobody has been told anything. What may still fail after that, a small value for which there is no room, is undone.
 */
#include "app/cmd/commands.h"
#include "app/cmd/string_options.h"
#include "app/cmd/value.h"
#include "base/assert.h"
#include "base/number.h"

enum { ORDER_LOOKS_MAX = 1 << 20 };

/* Keys and values alternate from argument `at` on. */
struct mset_plan {
    uint32_t at, count;
    struct cache_key *keys;
    struct string_options options;
    uint64_t expires_at_ms;
    struct cache_upload *uploads; /* one for each key; those of small values have no size. NULL: there are none */
    uint32_t *order;              /* in which they are written */
};

/* What a key held before it was written. */
struct mset_saved {
    bool existed;
    enum cache_type type;
    uint64_t expires_at_ms;
    struct value_view view;
    struct cache_kept_tags *tags; /* NULL: none */
};

static struct slice mset_value(const struct cmd_call *call, const struct mset_plan *plan, uint32_t index) {
    return call->argv[plan->at + 2 * index + 1];
}

/* Short values are copied from the edit that is open anyway; long ones are pinned and cost no copy. */
static enum status mset_save(struct cmd_call *call, const struct cache_edit *edit, struct mset_saved *saved) {
    if (!edit->found)
        return STATUS_OK;
    saved->existed = true;
    saved->type = edit->type;
    saved->expires_at_ms = edit->expires_at_ms;
    struct cache_kept_tags tags;
    if (cache_edit_keep_tags(edit, &tags)) {
        saved->tags = arena_take(call->arena, sizeof tags);
        if (!saved->tags) {
            cache_give_tags(call->env->cache, call->actor, &tags);
            return STATUS_NO_MEMORY;
        }
        *saved->tags = tags;
    }
    if (edit->size >= VALUE_PIN_MIN)
        return value_view_any(call, &edit->key, &saved->view);
    void *bytes = arena_take(call->arena, edit->size ? edit->size : 1);
    if (!bytes)
        return STATUS_NO_MEMORY;
    cache_edit_copy_out(edit, 0, bytes, edit->size);
    saved->view = (struct value_view){.size = edit->size, .bytes = slice_make(bytes, edit->size)};
    return STATUS_OK;
}

/* Brings a view into memory that no key refers to yet. */
static enum status mset_bring(struct cmd_call *call, const struct cache_key *key, const struct value_view *view,
                              struct cache_upload *upload) {
    struct cache *cache = call->env->cache;
    TRY(cache_upload_begin(cache, view->size, upload));
    TRY(cache_upload_aim(cache, call->actor, upload, key));
    for (uint64_t at = 0, size; at < view->size; at += size) {
        void *to;
        TRY(cache_upload_room(cache, call->actor, upload, &to, &size));
        value_copy(call, view, at, to, size);
        cache_upload_filled(upload, size);
    }
    return STATUS_OK;
}

static enum status mset_put_back_large(struct cmd_call *call, struct cache_edit *edit, const struct mset_saved *saved) {
    struct cache_upload upload = {.size = 0};
    enum status status = mset_bring(call, &edit->key, &saved->view, &upload);
    if (status == STATUS_OK)
        status = cache_edit_set_upload(edit, &upload, saved->expires_at_ms);
    cache_upload_drop(call->env->cache, call->actor, &upload);
    return status;
}

static enum status mset_put_back(struct cmd_call *call, struct cache_edit *edit, const struct mset_saved *saved) {
    struct slice piece = value_piece(call, &saved->view, 0);
    bool large = saved->type == CACHE_STRING && saved->view.size >= cache_upload_size_min(call->env->cache);
    edit->kept = saved->tags;
    TRY(large ? mset_put_back_large(call, edit, saved)
              : cache_edit_set(edit, saved->type, piece, saved->expires_at_ms));
    for (uint64_t at = piece.size; !large && at < saved->view.size; at += piece.size) {
        piece = value_piece(call, &saved->view, at);
        TRY(cache_edit_patch(edit, at, piece));
    }
    /* Its store may give an expiry to what it takes for new. */
    return edit->expires_at_ms == saved->expires_at_ms ? STATUS_OK : cache_edit_expire(edit, saved->expires_at_ms);
}

/* Undoes the newest write first, so that a key that stands there twice ends as it began. An old value is put over the new one, which
 * leaves the rest of a session alone; should it find no room, its key goes, as if it were evicted. */
static void mset_undo(struct cmd_call *call, const struct mset_plan *plan, const struct mset_saved *saved,
                      uint32_t count) {
    struct cache_edit edit;
    for (uint32_t i = count; i-- > 0;) {
        cache_edit_begin(call->env->cache, call->actor, &plan->keys[plan->order[i]], &edit);
        if (!saved[i].existed)
            cache_edit_undo(&edit);
        else if (mset_put_back(call, &edit, &saved[i]) != STATUS_OK)
            cache_edit_delete(&edit);
        cache_edit_end(&edit);
    }
}

static bool is_past(const struct cmd_call *call, uint64_t expires_at_ms) {
    return expires_at_ms && expires_at_ms <= call->actor->now_ms;
}

static enum status mset_write_one(struct cmd_call *call, const struct mset_plan *plan, uint32_t index,
                                  struct mset_saved *saved) {
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &plan->keys[index], &edit);
    bool keeps = edit.keeps_time = (plan->options.flags & OPTION_KEEPTTL) && edit.found;
    uint64_t expires_at_ms = keeps ? edit.expires_at_ms : plan->expires_at_ms;
    /* Where all keys go because their time is over, nothing can fail, and nothing could put a session together again. */
    bool past = is_past(call, expires_at_ms), large = plan->uploads && plan->uploads[index].size;
    enum status status = past ? STATUS_OK : mset_save(call, &edit, saved);
    call->change = plan->expires_at_ms ? CMD_CHANGE_EXPIRES : CMD_CHANGE_PLAIN;
    if (status == STATUS_OK)
        status = large ? cache_edit_set_upload(&edit, &plan->uploads[index], expires_at_ms)
                       : value_write(call, &edit, mset_value(call, plan, index), expires_at_ms);
    call->change = CMD_CHANGE_PLAIN;
    cache_edit_end(&edit);
    return status;
}

static bool mset_is_large(struct cmd_call *call, const struct mset_plan *plan, uint32_t index) {
    return mset_value(call, plan, index).size >= cache_upload_size_min(call->env->cache);
}

/* What fails leaves uploads behind that mset_drop lets go of. */
static enum status mset_bring_all(struct cmd_call *call, struct mset_plan *plan) {
    uint32_t first = 0;
    while (first < plan->count && !mset_is_large(call, plan, first))
        first++;
    if (first == plan->count || is_past(call, plan->expires_at_ms))
        return STATUS_OK;
    plan->uploads = arena_take(call->arena, plan->count * sizeof *plan->uploads);
    if (!plan->uploads)
        return STATUS_NO_MEMORY;
    memset(plan->uploads, 0, plan->count * sizeof *plan->uploads);
    for (uint32_t i = first; i < plan->count; i++) {
        struct slice value = mset_value(call, plan, i);
        struct value_view view = {.size = value.size, .bytes = value};
        if (mset_is_large(call, plan, i))
            TRY(mset_bring(call, &plan->keys[i], &view, &plan->uploads[i]));
    }
    return STATUS_OK;
}

static void mset_drop(struct cmd_call *call, const struct mset_plan *plan) {
    for (uint32_t i = 0; plan->uploads && i < plan->count; i++)
        cache_upload_drop(call->env->cache, call->actor, &plan->uploads[i]);
}

/* Whether the key of a large value stands there once more. Where that would be long to find out, it may. */
static bool mset_repeats_large(const struct mset_plan *plan) {
    uint64_t looks = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        if (!plan->uploads[i].size)
            continue;
        looks += plan->count;
        for (uint32_t j = 0; looks <= ORDER_LOOKS_MAX && j < plan->count; j++)
            if (j != i && plan->keys[i].hash == plan->keys[j].hash)
                return true;
    }
    return looks > ORDER_LOOKS_MAX;
}

/* Large values first, which need the most room: the order matters to keys only that stand there twice. */
static enum status mset_plan_order(struct cmd_call *call, struct mset_plan *plan) {
    plan->order = arena_take(call->arena, plan->count * sizeof *plan->order);
    if (!plan->order)
        return STATUS_NO_MEMORY;
    bool sorted = plan->uploads && !mset_repeats_large(plan);
    uint32_t at = 0;
    for (uint32_t i = 0; sorted && i < plan->count; i++)
        if (plan->uploads[i].size)
            plan->order[at++] = i;
    for (uint32_t i = 0; i < plan->count; i++)
        if (!sorted || !plan->uploads[i].size)
            plan->order[at++] = i;
    ASSERT(at == plan->count);
    return STATUS_OK;
}

/* Writes all or nothing; the keys are locked. */
static enum status mset_write(struct cmd_call *call, const struct mset_plan *plan) {
    struct mset_saved *saved = arena_take(call->arena, plan->count * sizeof *saved);
    if (!saved)
        return STATUS_NO_MEMORY;
    const uint64_t changes = call->actor->counts.changes;
    enum status status = STATUS_OK;
    uint32_t done = 0, touched = 0;
    while (done < plan->count) {
        saved[touched++] = (struct mset_saved){0};
        status = mset_write_one(call, plan, plan->order[done], &saved[done]);
        if (status != STATUS_OK)
            break;
        done++;
    }
    if (status != STATUS_OK) {
        mset_drop(call, plan); /* before, for it takes the room of what is put back */
        mset_undo(call, plan, saved, done);
        /* It may be tried once more (cmd_run): whole values are written, so nothing would be done twice. */
        call->actor->counts.changes = changes;
    }
    for (uint32_t i = 0; i < touched; i++) {
        value_release(call, &saved[i].view);
        if (saved[i].tags)
            cache_give_tags(call->env->cache, call->actor, saved[i].tags);
    }
    return status;
}

static bool mset_condition(struct cmd_call *call, const struct mset_plan *plan) {
    uint32_t flags = plan->options.flags;
    for (uint32_t i = 0; (flags & (OPTION_NX | OPTION_XX)) && i < plan->count; i++) {
        struct cache_info info;
        bool found = cache_find(call->env->cache, call->actor, &plan->keys[i], false, &info);
        if (found ? (flags & OPTION_NX) : (flags & OPTION_XX))
            return false;
    }
    return true;
}

/* Answers whether the keys were written; `ret_status` says if that failed. */
static bool mset_run(struct cmd_call *call, struct mset_plan *plan, enum status *ret_status) {
    *ret_status = STATUS_OK;
    plan->keys = value_keys(call, plan->at, 2, plan->count);
    if (!plan->keys) {
        *ret_status = STATUS_NO_MEMORY;
        return false;
    }
    uint64_t write_bytes = 0;
    for (uint32_t i = 0; i < plan->count; i++)
        write_bytes += plan->keys[i].name.size + mset_value(call, plan, i).size;
    bool locked = value_lock(call, plan->keys, plan->count, write_bytes);
    bool writes = mset_condition(call, plan);
    if (writes)
        *ret_status = mset_bring_all(call, plan);
    if (writes && *ret_status == STATUS_OK)
        *ret_status = mset_plan_order(call, plan);
    if (writes && *ret_status == STATUS_OK)
        *ret_status = mset_write(call, plan);
    mset_drop(call, plan);
    value_unlock(call, locked);
    return writes;
}

/* Whether all arguments are pairs. */
static bool mset_pairs(struct cmd_call *call, struct mset_plan *plan) {
    if (call->argc < 3 || call->argc % 2 == 0) {
        reply_errorf(call->reply, "ERR wrong number of arguments for '%s' command", call->spec->name);
        return false;
    }
    *plan = (struct mset_plan){.at = 1, .count = (call->argc - 1) / 2};
    return true;
}

void cmd_mset(struct cmd_call *call) {
    struct mset_plan plan;
    enum status status;
    if (!mset_pairs(call, &plan))
        return;
    (void)mset_run(call, &plan, &status);
    if (status == STATUS_OK)
        reply_ok(call->reply);
    else
        cmd_error_status(call, status);
}

static void mset_run_conditional(struct cmd_call *call, struct mset_plan *plan) {
    enum status status;
    bool written = mset_run(call, plan, &status);
    if (status == STATUS_OK)
        reply_integer(call->reply, written);
    else
        cmd_error_status(call, status);
}

void cmd_msetnx(struct cmd_call *call) {
    struct mset_plan plan;
    if (!mset_pairs(call, &plan))
        return;
    plan.options.flags = OPTION_NX;
    mset_run_conditional(call, &plan);
}

void cmd_msetex(struct cmd_call *call) {
    int64_t count;
    if (!number_parse_i64(call->argv[1], &count) || count < 1 || count > INT32_MAX) {
        reply_error(call->reply, SLICE("ERR invalid numkeys value"));
        return;
    }
    if (call->argc < 2 || (uint64_t)count * 2 > call->argc - 2) {
        reply_error(call->reply, SLICE("ERR wrong number of key-value pairs"));
        return;
    }
    struct mset_plan plan = {.at = 2, .count = (uint32_t)count};
    uint32_t allowed = OPTION_NX | OPTION_XX | OPTIONS_EXPIRY | OPTION_KEEPTTL;
    if (!string_options_read(call, 2 + 2 * plan.count, allowed, &plan.options) ||
        !string_options_expiry(call, &plan.options, &plan.expires_at_ms))
        return;
    mset_run_conditional(call, &plan);
}
