/* app/cmd/scan.c: which keys there are. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "app/cmd/rights.h"
#include "app/cmd/scan.h"
#include "app/cmd/tier.h"
#include "base/assert.h"
#include "base/glob.h"
#include "base/hash.h"
#include "base/number.h"

enum {
    KEYS_STEP = 1024, /* entries that KEYS asks for at a time; locks are held for less */
};

/* -------------------------------------------------------------------- steps */

/* A step of a walk over memory and the warm tier. */
struct step {
    struct cmd_call *call;
    cache_visit visit;
    void *context;
    struct buf places; /* of struct cache_tier_place: where there is something that is not in memory */
    enum status status;
};

static void visit_in_memory(void *context, struct slice name, const struct cache_info *info) {
    struct step *step = context;
    step->visit(step->context, name, info);
}

/* Under a lock: only noted. */
static void note_place(void *context, const struct cache_tier_place *place) {
    struct step *step = context;
    if (step->status == STATUS_OK)
        step->status = buf_append(&step->places, place, sizeof *place);
}

/* Visits what has been read of these places; answers what the others need. */
static enum tier_name name_all(struct step *step) {
    const struct cmd_tier *tier = step->call->env->tier;
    enum tier_name needed = TIER_NAMED;
    for (size_t at = 0; at < step->places.size; at += sizeof(struct cache_tier_place)) {
        struct cache_tier_place place;
        struct cache_key key;
        struct cache_info info;
        memcpy(&place, step->places.data + at, sizeof place);
        enum tier_name what = tier->name(step->call, &place, &key, &info);
        if (what == TIER_NAMED)
            step->visit(step->context, key.name, &info);
        else if (what == TIER_WAITS || (what == TIER_ELSEWHERE && needed != TIER_WAITS))
            needed = what;
    }
    return needed;
}

/* The next cursor, as of cache_scan. False: the command has to answer CMD_WAITS, and begins this step again; some may have been visited. Under locks nobody waits: only
 * memory is walked. */
static bool scan_step(struct cmd_call *call, uint64_t *cursor, uint32_t count, cache_visit visit, void *context) {
    enum { TRIES_MAX = 8 };
    struct cache *cache = call->env->cache;
    const struct cmd_tier *tier = call->env->tier;
    uint32_t db = call->client->db;
    if (!tier || cache_locked(call->actor) || !cache_tier_holds_any(cache)) {
        *cursor = cache_scan(cache, call->actor, db, *cursor, count, visit, context);
        return true;
    }
    struct step step = {.call = call, .visit = visit, .context = context};
    enum tier_name needed = TIER_ELSEWHERE;
    uint64_t next = *cursor;
    buf_init(&step.places, &memory_libc);
    count = count < KEYS_STEP ? count : KEYS_STEP; /* as many reads at the same time */
    for (int i = 0; i < TRIES_MAX && needed == TIER_ELSEWHERE; i++) {
        buf_clear(&step.places);
        next = cache_tier_scan(cache, call->actor, db, *cursor, count, visit_in_memory, note_place, &step);
        needed = next == CACHE_SCAN_FAILED || step.status != STATUS_OK ? TIER_NAMED : name_all(&step);
    }
    buf_fini(&step.places);
    if (needed == TIER_WAITS && tier->wait(call))
        return false;
    tier->forget(call);
    *cursor = step.status == STATUS_OK ? next : CACHE_SCAN_FAILED;
    return true;
}

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
    if ((!scan->matches || glob_matches(scan->pattern, name, false)) && rights_see(scan->call, name))
        key_call_array_add(scan->call, &scan->names, name);
}

void cmd_scan(struct cmd_call *call) {
    struct scan scan = {.call = call, .count = SCAN_COUNT_DEFAULT};
    uint64_t cursor;
    if (!scan_cursor(call, 1, &cursor) || !scan_options(&scan) || !ready_pattern(call, &scan.pattern))
        return;
    uint32_t count = scan.count < UINT32_MAX ? (uint32_t)scan.count : UINT32_MAX;
    key_call_array_begin(call, &scan.names);
    if (scan_step(call, &cursor, count, scan_visit, &scan)) {
        scan_end(call, &scan.names, cursor);
        return;
    }
    reply_rewind(call->reply, scan.names.mark);
    call->outcome = CMD_WAITS;
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

/* What KEYS has found so far; of a client while it waits for the warm tier. */
struct keys {
    struct cmd_call *call;
    const struct memory *memory;
    struct buf text; /* the reply of `reply`, which the names are written to */
    struct reply reply;
    struct key_call_array names;
    struct slice pattern;
    bool all;
    struct seen seen;
    uint64_t cursor;
    enum status status;
};

static void keys_visit(void *context, struct slice name, const struct cache_info *info) {
    (void)info;
    struct keys *keys = context;
    struct seen *seen = &keys->seen;
    if (keys->status != STATUS_OK || keys->reply.status != STATUS_OK)
        return;
    if ((!keys->all && !glob_matches(keys->pattern, name, false)) || !rights_see(keys->call, name))
        return;
    if (seen->count >= seen->capacity / 4 * 3)
        keys->status = seen_grow(seen, &keys->text);
    if (keys->status != STATUS_OK)
        return;
    uint64_t hash = hash_bytes(name, 0), place = keys->text.size;
    uint64_t *slot = seen_slot(seen, &keys->text, name, hash);
    if (*slot)
        return;
    ASSERT(place > 0 && place <= SEEN_PLACE_MASK);
    *slot = (hash & ~SEEN_PLACE_MASK) | place;
    seen->count++;
    reply_bulk(&keys->reply, name);
    keys->names.count++;
}

static struct keys *keys_begin(struct cmd_call *call) {
    const struct memory *memory = call->arena->memory;
    struct keys *keys = memory_take(memory, sizeof *keys);
    if (!keys)
        return NULL;
    *keys = (struct keys){.memory = memory, .seen = {.memory = memory}};
    buf_init(&keys->text, memory);
    reply_init(&keys->reply, &keys->text, NULL, call->reply->protocol);
    struct cmd_call in_text = {.reply = &keys->reply};
    key_call_array_begin(&in_text, &keys->names);
    return keys;
}

static void keys_end(struct keys *keys) {
    memory_give(keys->memory, keys->seen.slots, keys->seen.capacity * sizeof *keys->seen.slots);
    buf_fini(&keys->text);
    memory_give(keys->memory, keys, sizeof *keys);
}

void scan_client_ends(struct cmd_client *client) {
    if (client->keys)
        keys_end(client->keys);
    client->keys = NULL;
}

/* False: it waits. */
static bool keys_walk(struct cmd_call *call, struct keys *keys) {
    do {
        if (!scan_step(call, &keys->cursor, KEYS_STEP, keys_visit, keys))
            return false;
        if (keys->cursor == CACHE_SCAN_FAILED && keys->status == STATUS_OK)
            keys->status = STATUS_NO_MEMORY;
        if (keys->reply.status != STATUS_OK)
            keys->status = keys->reply.status;
    } while (keys->cursor != 0 && keys->status == STATUS_OK);
    return true;
}

static void keys_reply(struct cmd_call *call, struct keys *keys) {
    struct cmd_call in_text = {.reply = &keys->reply};
    if (keys->status != STATUS_OK) {
        cmd_error_status(call, keys->status);
        return;
    }
    key_call_array_end(&in_text, &keys->names, SLICE(""));
    reply_raw(call->reply, buf_slice(&keys->text));
}

void cmd_keys(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    struct slice pattern = call->argv[1];
    if (!ready_pattern(call, &pattern))
        return;
    if (!client->keys && !(client->keys = keys_begin(call))) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    struct keys *keys = client->keys;
    keys->call = call;
    keys->pattern = pattern;
    keys->all = slice_equal(pattern, SLICE("*"));
    if (!keys_walk(call, keys)) {
        call->outcome = CMD_WAITS;
        return;
    }
    keys_reply(call, keys);
    scan_client_ends(client);
}
