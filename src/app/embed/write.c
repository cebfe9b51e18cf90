/* app/embed/write.c: writing, deleting, counting. */
#include "app/embed/call.h"
#include "app/embed/filing.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/number.h"

enum { SET_FLAGS = STRATA_IF_ABSENT | STRATA_IF_PRESENT | STRATA_KEEP_TTL | STRATA_NO_TTL };

static bool options_are_valid(const struct strata_set_options *options) {
    uint64_t reserved = options->reserved_flags;
    for (size_t i = 0; i < COUNT_OF(options->reserved); i++)
        reserved |= options->reserved[i];
    uint32_t flags = options->flags;
    bool both = (flags & STRATA_IF_ABSENT) && ((flags & STRATA_IF_PRESENT) || options->if_version);
    bool times = (options->ttl_ms != 0) + (options->expires_at_ms != 0) + !!(flags & STRATA_NO_TTL) > 1;
    return !reserved && !both && !times && !(flags & ~(uint32_t)SET_FLAGS);
}

/* The moment that a time to live ends; one beyond all time is never. */
static uint64_t after(const struct slot *slot, uint64_t ttl_ms) {
    uint64_t at_ms;
    return __builtin_add_overflow(slot->actor.now_ms, ttl_ms, &at_ms) ? 0 : at_ms;
}

/* When a write expires. Sets the time of the actor, exactly if it matters. */
static uint64_t expiry_of(struct strata_cache *cache, struct slot *slot, const struct strata_set_options *options) {
    uint64_t ttl_ms = options->ttl_ms;
    if (!ttl_ms && !options->expires_at_ms && !(options->flags & STRATA_NO_TTL))
        ttl_ms = cache->default_ttl_ms;
    if (!ttl_ms && !options->expires_at_ms) {
        call_time_to_write(cache, slot);
        return 0;
    }
    call_time_exact(cache, slot);
    return ttl_ms ? after(slot, ttl_ms) : options->expires_at_ms;
}

/* Whether the write may go on, as far as the entry that is there decides. */
static enum strata_status condition(const struct cache_edit *edit, const struct strata_set_options *options) {
    if (edit->found)
        return (options->flags & STRATA_IF_ABSENT) || (options->if_version && options->if_version != edit->version)
                   ? STRATA_REFUSED
                   : STRATA_OK;
    return (options->flags & STRATA_IF_PRESENT) || options->if_version ? STRATA_MISS : STRATA_OK;
}

static enum strata_status set_with_edit(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                                        struct slice value, const struct strata_set_options *options,
                                        uint64_t expires_at_ms, uint64_t *ret_version) {
    struct cache_edit edit;
    enum strata_status answer = filing_fetch(cache, slot, key);
    if (answer != STRATA_OK)
        return answer;
    cache_prepare(cache->core, &slot->actor, key, value.size);
    cache_edit_begin(cache->core, &slot->actor, key, &edit);
    answer = condition(&edit, options);
    if (answer == STRATA_OK) {
        if (edit.found && (options->flags & STRATA_KEEP_TTL))
            expires_at_ms = edit.expires_at_ms;
        edit.versioned = ret_version != NULL;
        if (expires_at_ms && expires_at_ms <= slot->actor.now_ms)
            cache_edit_delete(&edit);
        else
            answer = status_out(cache_edit_set(&edit, CACHE_STRING, value, expires_at_ms));
        if (answer == STRATA_OK && ret_version)
            *ret_version = edit.found ? edit.version : 0;
    }
    cache_edit_end(&edit);
    return answer;
}

/* A set in the middle of a call. */
static enum strata_status set_one(struct strata_cache *cache, struct slot *slot, const struct cache_key *key,
                                  struct slice value, const struct strata_set_options *options, uint64_t expires_at_ms,
                                  uint64_t *ret_version) {
    bool plain = !(options->flags & ~(uint32_t)STRATA_NO_TTL) && !options->if_version && !ret_version;
    bool past = expires_at_ms && expires_at_ms <= slot->actor.now_ms;
    if (__builtin_expect(plain && !past, 1))
        return status_out(cache_set(cache->core, &slot->actor, key, value, expires_at_ms));
    return set_with_edit(cache, slot, key, value, options, expires_at_ms, ret_version);
}

static const struct strata_set_options no_options;

/* What a call answers that has done its work, and waited for the disk if it was to. */
static inline enum strata_status ended(enum strata_status on_disk, enum strata_status answer) {
    return on_disk == STRATA_OK || answer != STRATA_OK ? answer : on_disk;
}

enum strata_status strata_set(struct strata_cache *cache, const void *key, size_t key_size, const void *value,
                              size_t value_size, const struct strata_set_options *options, uint64_t *ret_version) {
    if (!cache || !is_key(key, key_size) || !is_key(value, value_size) || (options && !options_are_valid(options)))
        return STRATA_INVALID;
    if (!options)
        options = &no_options;
    struct slot *slot = call_begin_writes(cache);
    if (!slot)
        return STRATA_IO;
    struct cache_key wanted = key_of(cache, key, key_size);
    uint64_t expires_at_ms = expiry_of(cache, slot, options);
    enum strata_status answer =
        set_one(cache, slot, &wanted, slice_make(value, value_size), options, expires_at_ms, ret_version);
    return ended(call_end_writes(cache, slot, 1), answer);
}

/* ------------------------------------------------------------------------------------------ batches */

/* Answers STRATA_OK, or what each item that was done, or would have been, answers instead. */
static enum strata_status set_items(struct strata_cache *cache, struct strata_set_item *items,
                                    struct cache_key keys[CALL_GROUP], uint32_t count,
                                    const struct strata_set_options *options) {
    struct slot *slot = call_begin_writes(cache);
    if (!slot)
        return STRATA_IO;
    uint64_t expires_at_ms = expiry_of(cache, slot, options);
    for (uint32_t i = 0; i < count; i++)
        if (items[i].status == STRATA_OK)
            items[i].status = set_one(cache, slot, &keys[i], slice_make(items[i].value, items[i].value_size), options,
                                      expires_at_ms, NULL);
    return call_end_writes(cache, slot, count);
}

static uint32_t set_group(struct strata_cache *cache, struct strata_set_item *items, uint32_t count,
                          const struct strata_set_options *options) {
    struct cache_key keys[CALL_GROUP];
    uint32_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool valid = is_key(items[i].key, items[i].key_size) && is_key(items[i].value, items[i].value_size);
        items[i].status = valid ? STRATA_OK : STRATA_INVALID;
        keys[i].name = name_of_key(valid ? items[i].key : NULL, valid ? items[i].key_size : 0);
        keys[i].db = 0;
    }
    cache_keys_ahead(cache->core, keys, count);
    cache_entries_ahead(cache->core, keys, count);
    enum strata_status on_disk = set_items(cache, items, keys, count, options);
    for (uint32_t i = 0; i < count; i++) {
        items[i].status = ended(on_disk, items[i].status);
        written += items[i].status == STRATA_OK;
    }
    return written;
}

size_t strata_set_many(struct strata_cache *cache, struct strata_set_item *items, size_t count,
                       const struct strata_set_options *options) {
    if (!cache || !items)
        return 0;
    if (options && (options->if_version || !options_are_valid(options))) {
        for (size_t i = 0; i < count; i++)
            items[i].status = STRATA_INVALID;
        return 0;
    }
    size_t written = 0;
    for (size_t at = 0; at < count; at += CALL_GROUP)
        written += set_group(cache, items + at, count - at < CALL_GROUP ? (uint32_t)(count - at) : CALL_GROUP,
                             options ? options : &no_options);
    return written;
}

static enum strata_status delete_one(struct strata_cache *cache, struct slot *slot, const struct cache_key *key) {
    struct cache_info info;
    /* Where it finds no room in memory it goes from the file, and nobody is told of it. */
    bool in_file = filing_fetch(cache, slot, key) != STRATA_OK && filing_find(cache, slot, key, &info);
    return cache_delete(cache->core, &slot->actor, key) || in_file ? STRATA_OK : STRATA_MISS;
}

static enum strata_status delete_items(struct strata_cache *cache, struct strata_delete_item *items,
                                       struct cache_key keys[CALL_GROUP], uint32_t count) {
    struct slot *slot = call_begin_writes(cache);
    if (!slot)
        return STRATA_IO;
    call_time_to_write(cache, slot);
    for (uint32_t i = 0; i < count; i++)
        if (items[i].status == STRATA_OK)
            items[i].status = delete_one(cache, slot, &keys[i]);
    return call_end_writes(cache, slot, count);
}

static uint32_t delete_group(struct strata_cache *cache, struct strata_delete_item *items, uint32_t count) {
    struct cache_key keys[CALL_GROUP];
    uint32_t removed = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool valid = is_key(items[i].key, items[i].key_size);
        items[i].status = valid ? STRATA_OK : STRATA_INVALID;
        keys[i].name = name_of_key(valid ? items[i].key : NULL, valid ? items[i].key_size : 0);
        keys[i].db = 0;
    }
    cache_keys_ahead(cache->core, keys, count);
    cache_entries_ahead(cache->core, keys, count);
    enum strata_status on_disk = delete_items(cache, items, keys, count);
    for (uint32_t i = 0; i < count; i++) {
        items[i].status = ended(on_disk, items[i].status);
        removed += items[i].status == STRATA_OK;
    }
    return removed;
}

size_t strata_delete_many(struct strata_cache *cache, struct strata_delete_item *items, size_t count) {
    if (!cache || !items)
        return 0;
    size_t removed = 0;
    for (size_t at = 0; at < count; at += CALL_GROUP)
        removed += delete_group(cache, items + at, count - at < CALL_GROUP ? (uint32_t)(count - at) : CALL_GROUP);
    return removed;
}

/* ------------------------------------------------------------------------------------- other writes */

/* An edit in the middle of a call: what strata_append and the like begin and end with. */
struct editing {
    struct slot *slot;
    struct cache_key key;
    struct cache_edit edit;
};

/* `added_bytes`: what is going to be written behind the value that is there. What is not STRATA_OK is the call's answer. */
static enum strata_status edit_begin(struct strata_cache *cache, const void *key, size_t key_size, uint64_t added_bytes,
                                     uint64_t ttl_ms, struct editing *ret_editing) {
    ret_editing->slot = call_begin_writes(cache);
    if (!ret_editing->slot)
        return STRATA_IO;
    struct actor *actor = &ret_editing->slot->actor;
    ret_editing->key = key_of(cache, key, key_size);
    if (ttl_ms)
        call_time_exact(cache, ret_editing->slot);
    else
        call_time_to_write(cache, ret_editing->slot);
    enum strata_status answer = filing_fetch(cache, ret_editing->slot, &ret_editing->key);
    if (answer != STRATA_OK) {
        MAYBE(call_end_writes(cache, ret_editing->slot, 0) != STRATA_OK);
        return answer;
    }
    /* The value may have to be copied with what is added, so there must be room for all of it. If another writer makes it longer after
     * this look, the write may be refused. */
    struct cache_info info;
    if (added_bytes && cache_find(cache->core, actor, &ret_editing->key, false, &info))
        added_bytes += info.size;
    cache_prepare(cache->core, actor, &ret_editing->key, added_bytes);
    cache_edit_begin(cache->core, actor, &ret_editing->key, &ret_editing->edit);
    return STRATA_OK;
}

static enum strata_status edit_end(struct strata_cache *cache, struct editing *editing, enum strata_status answer) {
    cache_edit_end(&editing->edit);
    return ended(call_end_writes(cache, editing->slot, 1), answer);
}

enum strata_status strata_append(struct strata_cache *cache, const void *key, size_t key_size, const void *bytes,
                                 size_t size, uint64_t *ret_size) {
    if (!cache || !is_key(key, key_size) || !is_key(bytes, size))
        return STRATA_INVALID;
    struct editing editing;
    struct slice added = slice_make(bytes, size);
    enum strata_status answer = edit_begin(cache, key, key_size, size, cache->default_ttl_ms, &editing);
    if (answer != STRATA_OK)
        return answer;
    if (editing.edit.found)
        answer = status_out(cache_edit_patch(&editing.edit, editing.edit.size, added));
    else
        answer = status_out(cache_edit_set(&editing.edit, CACHE_STRING, added,
                                           cache->default_ttl_ms ? after(editing.slot, cache->default_ttl_ms) : 0));
    uint64_t total = editing.edit.size;
    answer = edit_end(cache, &editing, answer);
    if (answer == STRATA_OK && ret_size)
        *ret_size = total;
    return answer;
}

/* The number that an entry holds. */
static enum strata_status read_number(const struct cache_edit *edit, int64_t *ret_number) {
    char text[NUMBER_TEXT_MAX];
    if (edit->size >= sizeof text)
        return STRATA_NOT_NUMBER;
    cache_edit_copy_out(edit, 0, text, edit->size);
    return number_parse_i64(slice_make(text, edit->size), ret_number) ? STRATA_OK : STRATA_NOT_NUMBER;
}

enum strata_status strata_increment(struct strata_cache *cache, const void *key, size_t key_size, int64_t delta,
                                    const struct strata_increment_options *options, int64_t *ret_value) {
    static const struct strata_increment_options none;
    options = options ? options : &none;
    if (!cache || !is_key(key, key_size) || options->reserved[0] || options->reserved[1] || options->reserved[2] ||
        options->reserved[3])
        return STRATA_INVALID;
    uint64_t ttl_ms = options->ttl_ms ? options->ttl_ms : cache->default_ttl_ms;
    struct editing editing;
    enum strata_status answer = edit_begin(cache, key, key_size, 0, ttl_ms, &editing);
    if (answer != STRATA_OK)
        return answer;
    struct cache_edit *edit = &editing.edit;
    int64_t number = options->initial;
    answer = edit->found ? read_number(edit, &number) : STRATA_OK;
    if (answer == STRATA_OK && __builtin_add_overflow(number, delta, &number))
        answer = STRATA_OVERFLOW;
    if (answer == STRATA_OK) {
        char text[NUMBER_TEXT_MAX];
        uint64_t created_ms = ttl_ms ? after(editing.slot, ttl_ms) : 0;
        struct slice digits = slice_make(text, number_format_i64(number, text));
        answer = status_out(edit->found ? cache_edit_change(edit, digits)
                                        : cache_edit_set(edit, CACHE_STRING, digits, created_ms));
    }
    answer = edit_end(cache, &editing, answer);
    if (answer == STRATA_OK && ret_value)
        *ret_value = number;
    return answer;
}

enum strata_status strata_touch(struct strata_cache *cache, const void *key, size_t key_size, uint64_t ttl_ms) {
    if (!cache || !is_key(key, key_size))
        return STRATA_INVALID;
    struct editing editing;
    enum strata_status answer = edit_begin(cache, key, key_size, 0, ttl_ms, &editing);
    if (answer != STRATA_OK)
        return answer;
    answer = STRATA_MISS;
    if (editing.edit.found)
        answer = status_out(cache_edit_expire(&editing.edit, ttl_ms ? after(editing.slot, ttl_ms) : 0));
    return edit_end(cache, &editing, answer);
}

enum strata_status strata_delete(struct strata_cache *cache, const void *key, size_t key_size) {
    if (!cache || !is_key(key, key_size))
        return STRATA_INVALID;
    struct slot *slot = call_begin_writes(cache);
    if (!slot)
        return STRATA_IO;
    struct cache_key wanted = key_of(cache, key, key_size);
    call_time_to_write(cache, slot);
    enum strata_status answer = delete_one(cache, slot, &wanted);
    return ended(call_end_writes(cache, slot, 1), answer);
}

enum strata_status strata_delete_version(struct strata_cache *cache, const void *key, size_t key_size,
                                         uint64_t version) {
    if (!cache || !is_key(key, key_size) || version == 0)
        return STRATA_INVALID;
    struct editing editing;
    enum strata_status answer = edit_begin(cache, key, key_size, 0, 0, &editing);
    if (answer != STRATA_OK)
        return answer;
    answer = STRATA_MISS;
    if (editing.edit.found) {
        answer = editing.edit.version == version ? STRATA_OK : STRATA_REFUSED;
        if (answer == STRATA_OK)
            cache_edit_delete(&editing.edit);
    }
    return edit_end(cache, &editing, answer);
}
