/* app/cmd/object.c: how an entry is kept. */
#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "base/number.h"

enum {
    INTEGER_TEXT_MAX = 20, /* longer strings are no integers of 64 bits */
    EMBEDDED_SIZE_MAX = 44 /* up to here Redis keeps a string beside its header, and says "embstr" */
};

struct encoding_room {
    char text[INTEGER_TEXT_MAX];
};

static void *encoding_reserve(void *context, uint64_t size) {
    (void)size; /* cache_read.size_max bounds it */
    struct encoding_room *room = context;
    return room->text;
}

/* What Redis would say of a string that was SET. Strata keeps all strings alike. */
void cmd_object_encoding(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 2);
    struct encoding_room room;
    struct cache_read read = {
        .size_max = INTEGER_TEXT_MAX, .quiet = true, .reserve = encoding_reserve, .context = &room};
    bool found;
    enum status status = cache_get(call->env->cache, call->actor, &key, &read, &found);
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return;
    }
    if (!found) {
        reply_null(call->reply);
        return;
    }
    int64_t number;
    bool whole = read.info.size <= INTEGER_TEXT_MAX && read.size == read.info.size;
    if (whole && number_parse_i64(slice_make(room.text, read.size), &number))
        reply_bulk_string(call->reply, "int");
    else
        reply_bulk_string(call->reply, read.info.size <= EMBEDDED_SIZE_MAX ? "embstr" : "raw");
}

/* The entry at argument 2, or a null reply. */
static bool object_find(struct cmd_call *call, struct cache_info *ret_info) {
    struct cache_key key = cmd_key(call, 2);
    bool found = cache_find(call->env->cache, call->actor, &key, false, ret_info);
    call->actor->counts.hits += found;
    call->actor->counts.misses += !found; /* which is told to nobody, as in Redis */
    if (found)
        return true;
    reply_null(call->reply);
    return false;
}

void cmd_object_refcount(struct cmd_call *call) {
    struct cache_info info;
    if (object_find(call, &info))
        reply_integer(call->reply, 1);
}

/* By the policy of the key's own store. */
static bool policy_counts_uses(struct cmd_call *call) {
    struct cache_key key = cache_key(call->env->cache, call->client->db, call->argv[2]);
    struct cache_store_info info;
    cache_store_info(call->env->cache, cache_store_of(call->env->cache, &key), &info);
    return info.policy == CACHE_ALLKEYS_LFU || info.policy == CACHE_VOLATILE_LFU || info.policy == CACHE_SESSION;
}

void cmd_object_freq(struct cmd_call *call) {
    struct cache_info info;
    if (!object_find(call, &info))
        return;
    if (policy_counts_uses(call))
        reply_integer(call->reply, info.use_count);
    else
        reply_error(call->reply, SLICE("ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                                       "Please note that when switching between policies at runtime LRU and LFU "
                                       "data will take some time to adjust."));
}

void cmd_object_idletime(struct cmd_call *call) {
    struct cache_info info;
    if (!object_find(call, &info))
        return;
    if (policy_counts_uses(call))
        reply_error(call->reply, SLICE("ERR An LFU maxmemory policy is selected, idle time not tracked. "
                                       "Please note that when switching between policies at runtime LRU and LFU "
                                       "data will take some time to adjust."));
    else
        reply_integer(call->reply, (int64_t)(info.idle_ms / 1000));
}
