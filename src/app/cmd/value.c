#include "app/cmd/value.h"

#include "app/cmd/tier.h"
#include "base/assert.h"

/* ------------------------------------------------------------------ reads */

struct reply_room {
    struct reply *reply;
    struct reply_mark mark;
    bool used;
};

/* A read that is repeated asks again: the room of the try before is given back first. */
static void *reserve_in_reply(void *context, uint64_t size) {
    struct reply_room *room = context;
    if (__builtin_expect(room->used, 0))
        reply_rewind(room->reply, room->mark);
    room->used = true;
    return reply_bulk_reserve(room->reply, size);
}

/* Hands the pin to whoever sends the reply; a reply that has failed takes nothing. */
static void reply_pin(struct cmd_call *call, struct cache_pin pin, uint64_t offset, uint64_t size) {
    const uint64_t handle[2] = {pin.first, pin.size};
    reply_bulk_foreign(call->reply, size, offset, handle);
    if (call->reply->status != STATUS_OK)
        cache_unpin(call->env->cache, call->actor, pin);
}

/* What memory does not have and the tier may; the read is settled then. True: the value is written. */
__attribute__((noinline)) static bool shown_from_tier(struct cmd_call *call, const struct cache_key *key,
                                                      struct cache_read *read) {
    const struct cmd_tier *tier = call->env->tier;
    struct slice value;
    struct cache_info info;
    read->settled = true;
    if (!tier || !tier->show(call, key, &value, &info))
        return false;
    reply_bulk(call->reply, slice_part(slice_part(value, read->offset, SIZE_MAX), 0, read->size_max));
    return true;
}

static inline enum value_result part_to_reply(struct cmd_call *call, const struct cache_key *key, uint64_t offset,
                                              uint64_t size_max, bool *ret_nothing) {
    struct reply *reply = call->reply;
    struct reply_room room = {.reply = reply, .mark = reply_mark(reply)};
    struct cache_read read = {
        .offset = offset,
        .size_max = size_max,
        .pin_min = reply->foreign ? VALUE_PIN_MIN : 0,
        .reserve = reserve_in_reply,
        .context = &room,
    };
    bool found = false;
    enum status status = cache_get(call->env->cache, call->actor, key, &read, &found);
    if (__builtin_expect(status == STATUS_OK && !found && read.tiered, 0)) {
        reply_rewind(reply, room.mark);
        if (shown_from_tier(call, key, &read))
            return reply->status == STATUS_OK ? VALUE_FOUND : VALUE_FAILED;
        room.used = false;
        status = cache_get(call->env->cache, call->actor, key, &read, &found);
    }
    if (status == STATUS_OK && found && read.info.type == CACHE_STRING) {
        if (read.pin.first) {
            reply_rewind(reply, room.mark);
            reply_pin(call, read.pin, offset, read.size);
        }
        return reply->status == STATUS_OK ? VALUE_FOUND : VALUE_FAILED;
    }
    reply_rewind(reply, room.mark);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return VALUE_FAILED;
    }
    *ret_nothing = read.nothing;
    if (!found)
        return VALUE_MISSING;
    if (read.pin.first)
        cache_unpin(call->env->cache, call->actor, read.pin);
    return VALUE_WRONG_TYPE;
}

enum value_result value_to_reply(struct cmd_call *call, const struct cache_key *key, uint64_t offset,
                                 uint64_t size_max) {
    bool nothing;
    return part_to_reply(call, key, offset, size_max, &nothing);
}

enum value_result value_or_nothing_to_reply(struct cmd_call *call, const struct cache_key *key, bool *ret_nothing) {
    return part_to_reply(call, key, 0, UINT64_MAX, ret_nothing);
}

struct arena_room {
    struct arena *arena;
    void *bytes;
    uint64_t size;
};

static void *reserve_in_arena(void *context, uint64_t size) {
    struct arena_room *room = context;
    if (!room->bytes || room->size < size) {
        room->bytes = arena_take(room->arena, size ? size : 1);
        room->size = size;
    }
    return room->bytes;
}

static enum status view_read(struct cmd_call *call, const struct cache_key *key, bool quiet, struct cache_read *read,
                             struct value_view *ret_view, bool *ret_found) {
    struct arena_room room = {.arena = call->arena};
    *read = (struct cache_read){
        .size_max = UINT64_MAX,
        .pin_min = VALUE_PIN_MIN,
        .quiet = quiet,
        .reserve = reserve_in_arena,
        .context = &room,
    };
    bool found = false;
    TRY(cache_get(call->env->cache, call->actor, key, read, &found));
    *ret_found = found;
    if (found) {
        struct slice bytes = read->pin.first ? slice_make(NULL, 0) : slice_make(room.bytes, read->size);
        *ret_view = (struct value_view){.size = read->size, .bytes = bytes, .pin = read->pin};
    }
    return STATUS_OK;
}

enum value_result value_view(struct cmd_call *call, const struct cache_key *key, bool quiet,
                             struct value_view *ret_view) {
    struct cache_read read;
    struct value_view view = {0};
    bool found;
    enum status status = view_read(call, key, quiet, &read, &view, &found);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return VALUE_FAILED;
    }
    if (!found)
        return VALUE_MISSING;
    if (read.info.type != CACHE_STRING) {
        value_release(call, &view);
        return VALUE_WRONG_TYPE;
    }
    *ret_view = view;
    return VALUE_FOUND;
}

enum status value_view_any(struct cmd_call *call, const struct cache_key *key, struct value_view *ret_view) {
    struct cache_read read;
    bool found;
    TRY(view_read(call, key, true, &read, ret_view, &found));
    ASSERT(found);
    return STATUS_OK;
}

void value_release(struct cmd_call *call, const struct value_view *view) {
    if (view->pin.first)
        cache_unpin(call->env->cache, call->actor, view->pin);
}

struct slice value_piece(const struct cmd_call *call, const struct value_view *view, uint64_t offset) {
    if (offset >= view->size)
        return slice_make(NULL, 0);
    if (view->pin.first)
        return cache_pin_piece(call->env->cache, view->pin, offset);
    return slice_part(view->bytes, offset, view->size);
}

void value_copy(const struct cmd_call *call, const struct value_view *view, uint64_t offset, void *ret_bytes,
                uint64_t size) {
    ASSERT(offset <= view->size && size <= view->size - offset);
    uint8_t *to = ret_bytes;
    while (size) {
        struct slice piece = slice_part(value_piece(call, view, offset), 0, size);
        ASSERT(piece.size);
        memcpy(to, piece.data, piece.size);
        to += piece.size;
        offset += piece.size;
        size -= piece.size;
    }
}

void value_part_to_reply(struct cmd_call *call, const struct value_view *view, uint64_t offset, uint64_t size) {
    if (view->pin.first && size >= VALUE_PIN_MIN && call->reply->foreign) {
        reply_pin(call, view->pin, offset, size);
        return;
    }
    void *to = reply_bulk_reserve(call->reply, size);
    if (to)
        value_copy(call, view, offset, to, size);
    value_release(call, view);
}

/* ------------------------------------------------------------------ locks */

bool value_lock(struct cmd_call *call, const struct cache_key *keys, size_t count, uint64_t write_bytes) {
    if (cache_locked(call->actor))
        return false;
    cache_lock_keys(call->env->cache, call->actor, keys, count, write_bytes);
    return true;
}

void value_unlock(struct cmd_call *call, bool locked) {
    if (locked)
        cache_unlock(call->env->cache, call->actor);
}

struct cache_key *value_keys(struct cmd_call *call, uint32_t at, uint32_t step, uint32_t count) {
    struct cache_key *keys = arena_take(call->arena, count * sizeof *keys);
    for (uint32_t i = 0; keys && i < count; i++)
        keys[i] = cmd_key(call, at + i * step);
    return keys;
}

/* ----------------------------------------------------------------- writes */

void value_edit_begin(struct cmd_call *call, const struct cache_key *key, uint64_t write_bytes,
                      struct cache_edit *ret_edit) {
    if (write_bytes >= VALUE_PREPARE_MIN)
        cache_prepare(call->env->cache, call->actor, key, write_bytes);
    cache_edit_begin(call->env->cache, call->actor, key, ret_edit);
}

bool value_is_string(struct cmd_call *call, const struct cache_edit *edit) {
    if (!edit->found || edit->type == CACHE_STRING)
        return true;
    cmd_error_wrong_type(call);
    return false;
}

bool value_size_allowed(struct cmd_call *call, uint64_t offset, uint64_t size) {
    if (offset <= CACHE_VALUE_SIZE_MAX && size <= CACHE_VALUE_SIZE_MAX - offset)
        return true;
    reply_error(call->reply, SLICE("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    return false;
}

bool value_equals(const struct cache_edit *edit, struct slice bytes) {
    if (edit->size != bytes.size)
        return false;
    for (uint64_t at = 0; at < edit->size;) {
        struct slice piece = cache_edit_piece(edit, at);
        ASSERT(piece.size);
        if (!slice_equal(piece, slice_part(bytes, at, piece.size)))
            return false;
        at += piece.size;
    }
    return true;
}

bool value_expiry(struct cmd_call *call, uint32_t at, bool seconds, bool relative, uint64_t *ret_expires_at_ms) {
    int64_t value;
    if (!cmd_integer(call, at, &value))
        return false;
    bool valid = value > 0 && !(seconds && __builtin_mul_overflow(value, 1000, &value)) &&
                 !(relative && __builtin_add_overflow(value, (int64_t)call->actor->now_ms, &value));
    if (valid)
        *ret_expires_at_ms = (uint64_t)value;
    else
        reply_errorf(call->reply, "ERR invalid expire time in '%s' command", call->spec->name);
    return valid;
}

enum status value_write(struct cmd_call *call, struct cache_edit *edit, struct slice bytes, uint64_t expires_at_ms) {
    if (expires_at_ms && expires_at_ms <= call->actor->now_ms) {
        cache_edit_delete(edit);
        return STATUS_OK;
    }
    if (call->upload)
        return cache_edit_set_upload(edit, call->upload, expires_at_ms);
    return cache_edit_set(edit, CACHE_STRING, bytes, expires_at_ms);
}

enum status value_expire(struct cmd_call *call, struct cache_edit *edit, uint64_t expires_at_ms) {
    call->change = expires_at_ms ? CMD_CHANGE_EXPIRES : CMD_CHANGE_PLAIN;
    enum status status = cache_edit_expire(edit, expires_at_ms);
    call->change = CMD_CHANGE_PLAIN;
    return status;
}
