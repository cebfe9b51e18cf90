/* Calls between folders of this program, wrapped by the linker so that they can be forgotten (test/meson.build). The server itself
 * knows nothing of it. */
#include <sched.h>
#include <string.h>

#include "core/cache/cache.h"
#include "core/lease/lease.h"
#include "core/rules/plan.h"
#include "core/store/tag.h"
#include "truth.h"

enum { FORGOTTEN_ONCE_IN = 16, SEARCH_SKIPS = 2 };

const char *const fault_names[FAULT_COUNT] = {
    [FAULT_NONE] = "none",
    [FAULT_KEY] = "a deletion",
    [FAULT_TAG] = "the invalidation of a tag",
    [FAULT_TAG_LATE] = "a tag that is invalidated late",
    [FAULT_CASCADE_KEY] = "a deletion that rules demand",
    [FAULT_SEARCH] = "keys in a search",
    [FAULT_EDGES] = "the edges of a change",
    [FAULT_BAN] = "the ban of a pattern",
    [FAULT_PATTERN_TOLD] = "to tell leases of a pattern",
    [FAULT_MATCHER_TOLD] = "to tell leases of an expression",
    [FAULT_SOFT_TAG] = "the soft invalidation of a tag",
    [FAULT_SOFT_KEY] = "the soft invalidation of a key",
    [FAULT_LEASE_CHECKED] = "to ask for a lease",
    [FAULT_RENEWED] = "that it was invalidated before it was changed",
    [FAULT_READ] = "the tags of what is read",
};
_Atomic int fault_planted;
static _Atomic uint64_t chances;

static bool forgets(enum fault fault) {
    return atomic_load_explicit(&fault_planted, memory_order_relaxed) == (int)fault &&
           atomic_fetch_add_explicit(&chances, 1, memory_order_relaxed) % FORGOTTEN_ONCE_IN == 0;
}

/* NAME is called as __wrap_NAME, and its own name is __real_NAME. */
#define WRAP(type, name, ...)        \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

WRAP(void, cache_edit_delete, struct cache_edit *edit) {
    if (!forgets(FAULT_KEY))
        __real_cache_edit_delete(edit);
}

WRAP(bool, cache_delete, struct cache *cache, struct actor *actor, const struct cache_key *key) {
    return forgets(FAULT_CASCADE_KEY) ? false : __real_cache_delete(cache, actor, key);
}

static struct {
    pthread_mutex_t lock;
    char name[CACHE_TAG_NAME_MAX];
    size_t size;
} late = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Puts off this tag and does the one that was put off before. */
WRAP(uint64_t, cache_tag_invalidate, struct cache *cache, struct actor *actor, struct slice tag) {
    char name[CACHE_TAG_NAME_MAX];
    size_t size = 0;
    if (forgets(FAULT_TAG))
        return 0;
    if (!forgets(FAULT_TAG_LATE))
        return __real_cache_tag_invalidate(cache, actor, tag);
    pthread_mutex_lock(&late.lock);
    memcpy(name, late.name, size = late.size);
    memcpy(late.name, tag.data, late.size = tag.size);
    pthread_mutex_unlock(&late.lock);
    return size ? __real_cache_tag_invalidate(cache, actor, slice_make((const uint8_t *)name, size)) : 0;
}

WRAP(uint64_t, cache_tag_soften, struct cache *cache, struct actor *actor, struct slice tag) {
    return forgets(FAULT_SOFT_TAG) ? 0 : __real_cache_tag_soften(cache, actor, tag);
}

WRAP(enum status, cache_edit_soften, struct cache_edit *edit) {
    return forgets(FAULT_SOFT_KEY) ? STATUS_OK : __real_cache_edit_soften(edit);
}

WRAP(bool, cache_ban, struct cache *cache, struct actor *actor, uint32_t place, struct slice pattern) {
    return forgets(FAULT_BAN) ? true : __real_cache_ban(cache, actor, place, pattern);
}

WRAP(void, cache_tell_pattern, struct cache *cache, struct actor *actor, uint32_t db, struct slice pattern) {
    if (!forgets(FAULT_PATTERN_TOLD))
        __real_cache_tell_pattern(cache, actor, db, pattern);
}

WRAP(void, cache_tell_matcher, struct cache *cache, struct actor *actor, uint32_t db,
     const struct cache_matcher *matcher) {
    if (!forgets(FAULT_MATCHER_TOLD))
        __real_cache_tell_matcher(cache, actor, db, matcher);
}

struct search {
    cache_visit visit;
    void *context;
    uint32_t skips;
};

static void visit_but(void *context, struct slice name, const struct cache_info *info) {
    struct search *search = context;
    if (search->skips)
        search->skips--;
    else
        search->visit(search->context, name, info);
}

WRAP(uint64_t, cache_scan_place, struct cache *cache, struct actor *actor, uint32_t place, uint64_t cursor,
     uint32_t count, cache_visit visit, void *context) {
    struct search search = {visit, context, SEARCH_SKIPS};
    if (forgets(FAULT_SEARCH))
        return __real_cache_scan_place(cache, actor, place, cursor, count, visit_but, &search);
    return __real_cache_scan_place(cache, actor, place, cursor, count, visit, context);
}

WRAP(enum status, rules_plan_changed, struct rules_plan *plan, struct slice key, uint32_t class,
     const struct rules_fields *fields) {
    return forgets(FAULT_EDGES) ? STATUS_OK : __real_rules_plan_changed(plan, key, class, fields);
}

/* A token that has been given holds for ever. */
WRAP(enum lease_end, leases_begin_write, struct leases *leases, const struct lease_key *key, uint64_t token,
     const uint64_t *tags, uint32_t tag_count, uint64_t now_ms, uint64_t *ret_stamp) {
    enum lease_end end = __real_leases_begin_write(leases, key, token, tags, tag_count, now_ms, ret_stamp);
    if (end == LEASE_HOLDS || end == LEASE_UNKNOWN || !forgets(FAULT_LEASE_CHECKED))
        return end;
    *ret_stamp = leases->options.stamp(leases->options.context);
    return LEASE_HOLDS;
}

WRAP(void, leases_end_write, struct leases *leases, uint64_t token, bool done) {
    if (atomic_load(&fault_planted) != FAULT_LEASE_CHECKED || leases_is_out(leases, token))
        __real_leases_end_write(leases, token, done);
}

/* The moment in which it matters is short: others get the time for it. */
WRAP(uint64_t, tag_renew, struct range *range, struct actor *actor, struct tags *tags, const uint32_t *numbers,
     uint32_t count, uint64_t stamp, uint64_t (*next)(void *context), void *context) {
    if (atomic_load_explicit(&fault_planted, memory_order_relaxed) != FAULT_RENEWED)
        return __real_tag_renew(range, actor, tags, numbers, count, stamp, next, context);
    sched_yield();
    return next(context);
}

WRAP(bool, tag_kills, const struct range *range, const struct tags *tags, uint32_t number, uint64_t stamp,
     bool softly) {
    return forgets(FAULT_READ) ? false : __real_tag_kills(range, tags, number, stamp, softly);
}
