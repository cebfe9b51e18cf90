#include "core/classes/cascade.h"

#include "core/cache/tier.h"

enum { SCAN_COUNT = 256, MATCH_ARENA_SIZE = 4096, SEARCH_PASSES = 4 };

/* What is stale goes, too, unless it is only to be made stale. */
static bool would_go(const struct cascade *cascade, uint32_t place, struct slice name) {
    struct cache *cache = cascade->cache;
    struct cache_key key = cache_key(cache, cache_db_of(cache, place), name);
    struct cache_info info;
    if (cache_find(cache, cascade->actor, &key, false, &info))
        return true;
    enum cache_gone gone = cache_look_gone(cache, cascade->actor, place, name);
    if (cascade->soft || gone == CACHE_GONE_ALL || gone == CACHE_GONE_NOTHING)
        return false;
    struct cache_edit edit;
    cache_edit_begin_place(cache, cascade->actor, place, name, 0, &edit);
    bool stale = edit.stale;
    cache_edit_end(&edit);
    return stale;
}

/* Where the data are, whatever number their database has by now. What cannot be made stale for want of room goes. */
static uint64_t delete_at(const struct cascade *cascade, uint32_t place, struct slice name) {
    struct cache *cache = cascade->cache;
    if (cascade->dry_run)
        return would_go(cascade, place, name);
    struct cache_edit edit;
    cache_edit_begin_place(cache, cascade->actor, place, name, cascade->soft ? name.size + 1 : 0, &edit);
    bool found = edit.found || (edit.stale && !cascade->soft); /* which might have been shown still */
    if (!cascade->soft || cache_edit_soften(&edit) != STATUS_OK)
        cache_edit_delete(&edit);
    cache_edit_end(&edit);
    return found;
}

static bool has_entries(const struct cascade *cascade, uint32_t place) {
    return cache_count_place(cascade->cache, place) != 0;
}

static uint64_t delete_key(const struct cascade *cascade, struct slice name) {
    uint64_t count = delete_at(cascade, cascade->place, name);
    for (uint32_t place = 0; cascade->everywhere && place < CACHE_DATABASES; place++)
        if (place != cascade->place && has_entries(cascade, place))
            count += delete_at(cascade, place, name);
    return count;
}

static uint64_t invalidate_tag(const struct cascade *cascade, struct slice tag) {
    if (cascade->dry_run)
        return cache_tag_count_seen(cascade->cache, cascade->actor, tag, false);
    return cascade->soft ? cache_tag_soften(cascade->cache, cascade->actor, tag)
                         : cache_tag_invalidate(cascade->cache, cascade->actor, tag);
}

static uint64_t invalidate_class(const struct cascade *cascade, const struct rules_class *class) {
    uint8_t bytes[CACHE_TAG_NAME_MAX];
    return invalidate_tag(cascade, classes_class_tag(class, cache_tag_name_max(cascade->cache), bytes));
}

struct search {
    const struct cascade *cascade;
    struct rules_pattern pattern;
    uint32_t place;
    uint64_t found;
};

static void look_at(void *context, struct slice name, const struct cache_info *info) {
    struct search *search = context;
    (void)info;
    if (rules_pattern_matches(&search->pattern, name, NULL))
        search->found += delete_at(search->cascade, search->place, name);
}

/* A swap may come between: then of both. */
static uint64_t flush(const struct cascade *cascade, uint32_t place) {
    uint64_t count = cache_count_place(cascade->cache, place);
    uint32_t db;
    do {
        db = cache_db_of(cascade->cache, place);
        cache_flush(cascade->cache, cascade->actor, db);
    } while (cache_db_of(cascade->cache, place) != db);
    return count;
}

/* What cannot be looked through for want of memory goes as a whole. */
static void look_no_further(struct search *search) {
    if (!search->cascade->dry_run)
        search->found += flush(search->cascade, search->place);
}

/* Ranges of bytes over 127 mean something else to rules than to bans, which read a pattern as KEYS does. */
static bool reads_alike(struct slice text) {
    bool ranges = text.size && memchr(text.data, '[', text.size);
    for (size_t i = 0; i < text.size; i++)
        if (ranges && text.data[i] > 127)
            return false;
    return true;
}

/* What stands in the tier is not looked through: what matches there is dead, softly asked for or not. */
static void ban_in_tier(const struct cascade *cascade, uint32_t place, struct slice text) {
    if (cascade->dry_run)
        return;
    if (!reads_alike(text) || cache_tier_ban(cascade->cache, cascade->actor, place, text) != STATUS_OK)
        cache_tier_clear_place(cascade->cache, cascade->actor, place);
}

static uint64_t search_place(const struct cascade *cascade, uint32_t place, struct slice text) {
    struct search search = {.cascade = cascade, .place = place};
    struct rules_pattern_problem problem;
    struct arena arena;
    arena_init(&arena, &memory_libc, MATCH_ARENA_SIZE);
    if (!cascade->dry_run)
        cache_tell_pattern(cascade->cache, cascade->actor, place, text);
    ban_in_tier(cascade, place, text);
    if (rules_pattern_parse(text, RULES_SYNTAX_GLOB, &arena, &search.pattern, &problem) == STATUS_OK) {
        uint64_t cursor = 0;
        do
            cursor = cache_scan_place(cascade->cache, cascade->actor, place, cursor, SCAN_COUNT, look_at, &search);
        while (cursor && cursor != CACHE_SCAN_FAILED);
        if (cursor == CACHE_SCAN_FAILED)
            look_no_further(&search);
    } else {
        look_no_further(&search); /* the pattern was read once before: this is want of memory */
    }
    arena_fini(&arena);
    ban_in_tier(cascade, place, text); /* and what has gone there meanwhile */
    return search.found;
}

struct matching {
    struct search search;
    const struct cache_matcher *matcher;
};

static void match_at(void *context, struct slice name, const struct cache_info *info) {
    struct matching *matching = context;
    (void)info;
    if (matching->matcher->matches(matching->matcher->context, name))
        matching->search.found += delete_at(matching->search.cascade, matching->search.place, name);
}

/* Nobody can compare names there with an expression. */
static void clear_tier(const struct cascade *cascade) {
    if (!cascade->dry_run)
        cache_tier_clear_place(cascade->cache, cascade->actor, cascade->place);
}

static uint64_t search_by_expression(const struct cascade *cascade, struct slice text) {
    (void)text;
    struct matching matching = {.search = {.cascade = cascade, .place = cascade->place},
                                .matcher = cascade->expression};
    uint64_t cursor = 0;
    if (!cascade->dry_run)
        cache_tell_matcher(cascade->cache, cascade->actor, cascade->place, matching.matcher);
    clear_tier(cascade);
    do
        cursor =
            cache_scan_place(cascade->cache, cascade->actor, cascade->place, cursor, SCAN_COUNT, match_at, &matching);
    while (cursor && cursor != CACHE_SCAN_FAILED);
    if (cursor == CACHE_SCAN_FAILED)
        look_no_further(&matching.search);
    clear_tier(cascade);
    return matching.search.found;
}

static uint64_t add(uint64_t a, uint64_t b) {
    return a == CASCADE_UNCOUNTED || b == CASCADE_UNCOUNTED ? CASCADE_UNCOUNTED : a + b;
}

static bool is_banned(const struct cascade *cascade, uint32_t place, struct slice text) {
    return reads_alike(text) && !cascade->dry_run && !cascade->soft &&
           (cache_count_place(cascade->cache, place) > cascade->search_max || cache_tier_holds_any(cascade->cache)) &&
           cache_ban(cascade->cache, cascade->actor, place, text);
}

static uint64_t take_place(const struct cascade *cascade, uint32_t place, struct slice text) {
    return is_banned(cascade, place, text) ? CASCADE_UNCOUNTED : search_place(cascade, place, text);
}

static uint64_t take_places(const struct cascade *cascade, struct slice text) {
    uint64_t found = take_place(cascade, cascade->place, text);
    for (uint32_t place = 0; cascade->everywhere && place < CACHE_DATABASES; place++)
        if (place != cascade->place && has_entries(cascade, place))
            found = add(found, take_place(cascade, place, text));
    return found;
}

/* Keys that are written meanwhile may be found or not: they are younger than the call. But an old value that is renamed, copied or moved may come
 * to stand where this has looked before: then it looks again, and in the end while nobody else does anything. */
static uint64_t search_all(const struct cascade *cascade, struct slice text,
                           uint64_t (*pass)(const struct cascade *cascade, struct slice text)) {
    uint64_t found = 0;
    for (int i = 0; i < SEARCH_PASSES; i++) {
        uint64_t before = cache_transfers(cascade->cache);
        found = add(found, pass(cascade, text));
        if (cascade->dry_run || cache_locked(cascade->actor) || cache_transfers(cascade->cache) == before)
            return found;
    }
    cache_lock_all(cascade->cache, cascade->actor, 0);
    found = add(found, pass(cascade, text));
    cache_unlock(cascade->cache, cascade->actor);
    return found;
}

static uint64_t act(const struct cascade *cascade, const struct rules_plan *plan, const struct rules_action *action) {
    uint8_t bytes[CACHE_TAG_NAME_MAX];
    switch (action->kind) {
        case RULES_TARGET_KEY:
            return cascade->everywhere ? search_all(cascade, action->text, delete_key)
                                       : delete_key(cascade, action->text);
        case RULES_TARGET_TAG:
            return invalidate_tag(cascade, classes_tag_name(action->text, cache_tag_name_max(cascade->cache), bytes));
        case RULES_TARGET_CLASS:
            return invalidate_class(cascade, rules_class(plan->rules, action->class));
        case RULES_TARGET_PATTERN:
            return search_all(cascade, action->text, take_places);
        case RULES_TARGET_EXPRESSION:
            return search_all(cascade, action->text, search_by_expression);
    }
    return 0;
}

uint64_t cascade_run(const struct cascade *cascade, const struct rules_plan *plan) {
    struct cascade now = *cascade;
    uint64_t entries = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        if (cascade->begins)
            cascade->begins(cascade->context, &plan->actions[i]);
        now.soft = plan->actions[i].soft;
        struct cascade_action action = {&plan->actions[i], act(&now, plan, &plan->actions[i])};
        entries = add(entries, action.entries);
        if (cascade->done)
            cascade->done(cascade->context, &action);
    }
    return entries;
}

uint64_t cascade_everything(const struct cascade *cascade, const struct rules *rules) {
    uint64_t entries = 0;
    for (uint32_t i = 0; i < rules_class_count(rules); i++)
        entries += invalidate_class(cascade, rules_class(rules, i));
    return entries;
}
