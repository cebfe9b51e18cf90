#include "core/classes/cascade.h"

enum { SCAN_COUNT = 256, MATCH_ARENA_SIZE = 4096 };

static uint64_t delete_key(const struct cascade *cascade, struct slice name) {
    struct cache_key key = cache_key(cascade->cache, cascade->db, name);
    struct cache_info info;
    if (cascade->dry_run)
        return cache_find(cascade->cache, cascade->actor, &key, false, &info);
    return cache_delete(cascade->cache, cascade->actor, &key);
}

static uint64_t invalidate_tag(const struct cascade *cascade, struct slice tag) {
    return cascade->dry_run ? cache_tag_count(cascade->cache, cascade->actor, tag)
                            : cache_tag_invalidate(cascade->cache, cascade->actor, tag);
}

static uint64_t invalidate_class(const struct cascade *cascade, const struct rules_class *class) {
    uint8_t bytes[CACHE_TAG_NAME_MAX];
    return invalidate_tag(cascade, classes_class_tag(class, cache_tag_name_max(cascade->cache), bytes));
}

struct search {
    const struct cascade *cascade;
    struct rules_pattern pattern;
    uint64_t found;
};

static void look_at(void *context, struct slice name, const struct cache_info *info) {
    struct search *search = context;
    (void)info;
    if (rules_pattern_matches(&search->pattern, name, NULL))
        search->found += delete_key(search->cascade, name);
}

/* Keys that are written meanwhile may be found or not: they are younger than the call. */
static uint64_t search_keys(const struct cascade *cascade, struct slice text) {
    struct search search = {.cascade = cascade};
    struct rules_pattern_problem problem;
    struct arena arena;
    arena_init(&arena, &memory_libc, MATCH_ARENA_SIZE);
    if (rules_pattern_parse(text, RULES_SYNTAX_GLOB, &arena, &search.pattern, &problem) == STATUS_OK) {
        uint64_t cursor = 0;
        if (!cascade->dry_run) /* of those that are not there, somebody may be about to write an older value */
            cache_tell_pattern(cascade->cache, cascade->actor, cascade->db, text);
        do
            cursor = cache_scan(cascade->cache, cascade->actor, cascade->db, cursor, SCAN_COUNT, look_at, &search);
        while (cursor);
    } else if (!cascade->dry_run) {
        /* It was read once before: this is want of memory. */
        search.found = cache_count(cascade->cache, cascade->db);
        cache_flush(cascade->cache, cascade->actor, cascade->db);
    }
    arena_fini(&arena);
    return search.found;
}

static uint64_t act(const struct cascade *cascade, const struct rules_plan *plan, const struct rules_action *action) {
    uint8_t bytes[CACHE_TAG_NAME_MAX];
    switch (action->kind) {
        case RULES_TARGET_KEY:
            return delete_key(cascade, action->text);
        case RULES_TARGET_TAG:
            return invalidate_tag(cascade, classes_tag_name(action->text, cache_tag_name_max(cascade->cache), bytes));
        case RULES_TARGET_CLASS:
            return invalidate_class(cascade, rules_class(plan->rules, action->class));
        case RULES_TARGET_PATTERN:
            return search_keys(cascade, action->text);
    }
    return 0;
}

uint64_t cascade_run(const struct cascade *cascade, const struct rules_plan *plan) {
    uint64_t entries = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        struct cascade_action action = {&plan->actions[i], act(cascade, plan, &plan->actions[i])};
        entries += action.entries;
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
