/* app/cmd/scan.c: which keys there are. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "app/cmd/scan.h"
#include "base/assert.h"
#include "base/glob.h"
#include "base/hash.h"
#include "base/number.h"

enum {
    KEYS_STEP = 1024, /* entries that KEYS asks for at a time; locks are held for less */
};

/* -------------------------------------------------------------------- SCAN */

/* What strtoul takes and Redis does: a sign is allowed, spaces are not, and nothing means zero. */
static bool cursor_parse(struct slice text, uint64_t *ret_cursor) {
    bool negative = text.size > 0 && text.data[0] == '-', sign = negative || (text.size > 0 && text.data[0] == '+');
    if (sign && text.size == 1)
        return false;
    uint64_t cursor = 0;
    for (size_t i = sign; i < text.size; i++) {
        unsigned digit = text.data[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(cursor, 10u, &cursor) || __builtin_add_overflow(cursor, digit, &cursor))
            return false;
    }
    *ret_cursor = negative ? 0 - cursor : cursor;
    return true;
}

bool scan_cursor(struct cmd_call *call, uint32_t at, uint64_t *ret_cursor) {
    if (cursor_parse(call->argv[at], ret_cursor))
        return true;
    reply_error(call->reply, SLICE("ERR invalid cursor"));
    return false;
}

void scan_end(struct cmd_call *call, struct key_call_array *names, uint64_t cursor) {
    char digits[NUMBER_TEXT_MAX], before[KEY_CALL_BEFORE_MAX];
    if (cursor == CACHE_SCAN_FAILED) {
        reply_rewind(call->reply, names->mark);
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    size_t digit_count = number_format_u64(cursor, digits);
    int size = snprintf(before, sizeof before, "*2\r\n$%zu\r\n%.*s\r\n", digit_count, (int)digit_count, digits);
    key_call_array_end(call, names, slice_make(before, (size_t)size));
}

struct scan {
    struct cmd_call *call;
    struct key_call_array names;
    bool matches, typed;
    struct slice pattern, type;
    int64_t count;
};

static bool scan_options(struct scan *scan) {
    struct cmd_call *call = scan->call;
    for (uint32_t i = 2; i < call->argc; i += 2) {
        bool value = i + 1 < call->argc;
        if (value && cmd_is(call, i, "count")) {
            if (!cmd_integer(call, i + 1, &scan->count))
                return false;
            value = scan->count >= 1;
        } else if (value && cmd_is(call, i, "match")) {
            scan->matches = true;
            scan->pattern = call->argv[i + 1];
        } else if (value && cmd_is(call, i, "type")) {
            scan->typed = true;
            scan->type = call->argv[i + 1];
        } else {
            value = false;
        }
        if (!value) {
            cmd_error_syntax(call);
            return false;
        }
    }
    return true;
}

/* A long pattern is matched against every key: its classes are made short once. False, with the error written: no memory. */
static bool ready_pattern(struct cmd_call *call, struct slice *pattern) {
    if (pattern->size <= GLOB_CLASS_MAX)
        return true;
    uint8_t *shortened = arena_take(call->arena, pattern->size);
    if (!shortened) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    *pattern = slice_make(shortened, glob_shorten(*pattern, shortened));
    return true;
}

static void scan_visit(void *context, struct slice name, const struct cache_info *info) {
    struct scan *scan = context;
    if (scan->typed && !slice_equal_nocase(scan->type, slice_from_string(key_call_type_name(info->type))))
        return;
    if (!scan->matches || glob_matches(scan->pattern, name, false))
        key_call_array_add(scan->call, &scan->names, name);
}

void cmd_scan(struct cmd_call *call) {
    struct scan scan = {.call = call, .count = SCAN_COUNT_DEFAULT};
    uint64_t cursor;
    if (!scan_cursor(call, 1, &cursor) || !scan_options(&scan) || !ready_pattern(call, &scan.pattern))
        return;
    uint32_t count = scan.count < UINT32_MAX ? (uint32_t)scan.count : UINT32_MAX;
    key_call_array_begin(call, &scan.names);
    cursor = cache_scan(call->env->cache, call->actor, call->client->db, cursor, count, scan_visit, &scan);
    scan_end(call, &scan.names, cursor);
}

/* -------------------------------------------------------------------- KEYS */

/* The names that are in the reply already: cache_scan may show an entry twice, KEYS may not. Open addressing over 8
 * bytes a name: the place of its bulk string in the reply, and some bits of its hash. */
struct seen {
    const struct memory *memory;
    uint64_t *slots; /* 0: free */
    uint64_t capacity, count;
};

enum { SEEN_PLACE_BITS = 40, SEEN_CAPACITY_MIN = 1024 };
#define SEEN_PLACE_MASK ((1ull << SEEN_PLACE_BITS) - 1)

static struct slice bulk_at(const struct buf *out, uint64_t place) {
    const uint8_t *at = out->data + place;
    size_t size = 0;
    ASSERT(*at == '$');
    for (at++; *at != '\r'; at++)
        size = size * 10 + (*at - (unsigned)'0');
    return slice_make(at + 2, size);
}

/* The slot of the name, or the free one where it belongs. */
static uint64_t *seen_slot(const struct seen *seen, const struct buf *out, struct slice name, uint64_t hash) {
    for (uint64_t i = hash;; i++) {
        uint64_t *slot = &seen->slots[i & (seen->capacity - 1)];
        if (*slot == 0)
            return slot;
        if ((*slot ^ hash) >> SEEN_PLACE_BITS == 0 && slice_equal(bulk_at(out, *slot & SEEN_PLACE_MASK), name))
            return slot;
    }
}

static enum status seen_grow(struct seen *seen, const struct buf *out) {
    struct seen larger = *seen;
    larger.capacity = seen->capacity ? seen->capacity * 2 : SEEN_CAPACITY_MIN;
    larger.slots = memory_take(seen->memory, larger.capacity * sizeof *larger.slots);
    if (!larger.slots)
        return STATUS_NO_MEMORY;
    memset(larger.slots, 0, larger.capacity * sizeof *larger.slots);
    for (uint64_t i = 0; i < seen->capacity; i++)
        if (seen->slots[i]) {
            struct slice name = bulk_at(out, seen->slots[i] & SEEN_PLACE_MASK);
            *seen_slot(&larger, out, name, hash_bytes(name, 0)) = seen->slots[i];
        }
    memory_give(seen->memory, seen->slots, seen->capacity * sizeof *seen->slots);
    *seen = larger;
    return STATUS_OK;
}

struct keys {
    struct cmd_call *call;
    struct key_call_array names;
    struct slice pattern;
    bool all;
    struct seen seen;
    enum status status;
};

static void keys_visit(void *context, struct slice name, const struct cache_info *info) {
    (void)info;
    struct keys *keys = context;
    struct seen *seen = &keys->seen;
    struct reply *reply = keys->call->reply;
    if (keys->status != STATUS_OK || reply->status != STATUS_OK)
        return;
    if (!keys->all && !glob_matches(keys->pattern, name, false))
        return;
    if (seen->count >= seen->capacity / 4 * 3)
        keys->status = seen_grow(seen, reply->out);
    if (keys->status != STATUS_OK)
        return;
    uint64_t hash = hash_bytes(name, 0), place = reply->out->size;
    uint64_t *slot = seen_slot(seen, reply->out, name, hash);
    if (*slot)
        return;
    ASSERT(place > 0 && place <= SEEN_PLACE_MASK);
    *slot = (hash & ~SEEN_PLACE_MASK) | place;
    seen->count++;
    key_call_array_add(keys->call, &keys->names, name);
}

void cmd_keys(struct cmd_call *call) {
    struct keys keys = {.call = call, .pattern = call->argv[1], .seen = {.memory = call->arena->memory}};
    if (!ready_pattern(call, &keys.pattern))
        return;
    keys.all = slice_equal(keys.pattern, SLICE("*"));
    key_call_array_begin(call, &keys.names);
    uint64_t cursor = 0;
    do {
        cursor = cache_scan(call->env->cache, call->actor, call->client->db, cursor, KEYS_STEP, keys_visit, &keys);
        if (cursor == CACHE_SCAN_FAILED && keys.status == STATUS_OK)
            keys.status = STATUS_NO_MEMORY;
    } while (cursor != 0 && keys.status == STATUS_OK && call->reply->status == STATUS_OK);
    memory_give(keys.seen.memory, keys.seen.slots, keys.seen.capacity * sizeof *keys.seen.slots);
    if (keys.status == STATUS_OK) {
        key_call_array_end(call, &keys.names, SLICE(""));
    } else {
        reply_rewind(call->reply, keys.names.mark);
        cmd_error_status(call, keys.status);
    }
}
