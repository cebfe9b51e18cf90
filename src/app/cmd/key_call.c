#include "app/cmd/key_call.h"

#include "base/assert.h"
#include "base/number.h"

bool key_call_keys(struct cmd_call *call, uint32_t first, struct cache_key **ret_keys, uint32_t *ret_count) {
    ASSERT(first < call->argc);
    uint32_t count = call->argc - first;
    struct cache_key *keys = arena_take(call->arena, count * sizeof *keys);
    if (!keys) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        keys[i] = cmd_key(call, first + i);
    *ret_keys = keys;
    *ret_count = count;
    return true;
}

/* -------------------------------------------------------------- databases */

bool key_call_database_number(struct cmd_call *call, uint32_t at, const char *error_text, int64_t *ret_number) {
    int64_t number;
    bool parsed = number_parse_i64(call->argv[at], &number);
    if (parsed && number == (int32_t)number) {
        *ret_number = number;
        return true;
    }
    const char *text = parsed ? "ERR value is out of range, value must between -2147483648 and 2147483647"
                              : "ERR value is not an integer or out of range";
    reply_error(call->reply, slice_from_string(error_text ? error_text : text));
    return false;
}

bool key_call_database_check(struct cmd_call *call, int64_t number, uint32_t *ret_db) {
    if (number < 0 || number >= CACHE_DATABASES) {
        reply_error(call->reply, SLICE("ERR DB index is out of range"));
        return false;
    }
    *ret_db = (uint32_t)number;
    return true;
}

bool key_call_database(struct cmd_call *call, uint32_t at, uint32_t *ret_db) {
    int64_t number;
    return key_call_database_number(call, at, NULL, &number) && key_call_database_check(call, number, ret_db);
}

/* ---------------------------------------------------------------- lookups */

void key_call_count(struct cmd_call *call, const struct cache_key *key, bool found) {
    call->actor->counts.hits += found;
    call->actor->counts.misses += !found;
    if (!found)
        cache_tell_miss(call->env->cache, call->actor, key);
}

bool key_call_ask(struct cmd_call *call, uint32_t at, struct cache_info *ret_info) {
    struct cache_key key = cmd_key(call, at);
    bool found = cache_find(call->env->cache, call->actor, &key, false, ret_info);
    key_call_count(call, &key, found);
    return found;
}

static const char *const type_names[] = {
    [CACHE_STRING] = "string", [CACHE_LIST] = "list",     [CACHE_SET] = "set",       [CACHE_SORTED_SET] = "zset",
    [CACHE_HASH] = "hash",     [CACHE_STREAM] = "stream", [CACHE_OBJECT] = "object",
};

const char *key_call_type_name(enum cache_type type) { return type_names[type]; }

/* ----------------------------------------------------------------- arrays */

enum { ARRAY_HEAD_MAX = KEY_CALL_BEFORE_MAX + 1 + 20 + 2 };

void key_call_array_begin(struct cmd_call *call, struct key_call_array *array) {
    static const char room[ARRAY_HEAD_MAX];
    *array = (struct key_call_array){.mark = reply_mark(call->reply)};
    reply_raw(call->reply, slice_make(room, sizeof room));
}

void key_call_array_add(struct cmd_call *call, struct key_call_array *array, struct slice member) {
    reply_bulk(call->reply, member);
    array->count++;
}

/* The head is shorter than the room that was left for it: the members move up to it. */
void key_call_array_end(struct cmd_call *call, struct key_call_array *array, struct slice before) {
    ASSERT(before.size <= KEY_CALL_BEFORE_MAX);
    if (call->reply->status != STATUS_OK)
        return;
    struct buf *out = call->reply->out;
    char head[ARRAY_HEAD_MAX];
    if (before.size)
        memcpy(head, before.data, before.size);
    size_t size = before.size;
    head[size++] = '*';
    size += number_format_u64(array->count, head + size);
    head[size++] = '\r';
    head[size++] = '\n';
    ASSERT(out->size >= array->mark.out_size + ARRAY_HEAD_MAX);
    uint8_t *front = out->data + array->mark.out_size;
    memcpy(front, head, size);
    memmove(front + size, front + ARRAY_HEAD_MAX, out->size - array->mark.out_size - ARRAY_HEAD_MAX);
    out->size -= ARRAY_HEAD_MAX - size;
}
