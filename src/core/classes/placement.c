#include "core/classes/placement.h"

#include <stdio.h>

#include "base/assert.h"
#include "core/rules/language.h"
#include "core/rules/match.h"

enum { ARENA_CHUNK = 4 * 1024 };

struct placement {
    struct arena arena;
    const struct memory *memory;
    struct placement_store stores[CACHE_STORES_MAX];
    uint32_t store_count;
    const struct rules_matcher *matcher; /* NULL: all keys are the default store's */
    struct rules_pattern *patterns;
    uint32_t *targets; /* the store of each pattern */
    uint32_t pattern_count;
};

uint32_t placement_store_count(const struct placement *placement) { return placement->store_count; }

struct placement_store *placement_store(struct placement *placement, uint32_t store) {
    ASSERT(store < placement->store_count);
    return &placement->stores[store];
}

struct placement_store *placement_store_named(struct placement *placement, const char *name) {
    for (uint32_t i = 0; i < placement->store_count; i++)
        if (strcmp(placement->stores[i].name, name) == 0)
            return &placement->stores[i];
    return NULL;
}

bool placement_has_sessions(const struct placement *placement) {
    for (uint32_t i = 0; i < placement->store_count; i++)
        if (placement->stores[i].policy == CACHE_SESSION)
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------ stores */

static enum cache_policy policy_named(struct slice name, enum cache_policy usual) {
    if (slice_equal(name, SLICE("s3-fifo")))
        return CACHE_ALLKEYS_LFU;
    for (int i = 0; i < CACHE_POLICY_COUNT; i++)
        if (slice_equal(name, slice_from_string(cache_policy_name((enum cache_policy)i))))
            return (enum cache_policy)i;
    return usual;
}

static bool is_default(const struct rules_store *store) { return slice_equal(store->name, SLICE("default")); }

static struct placement_store *add_store(struct placement *placement, const struct rules_store *from,
                                         enum cache_policy usual) {
    if (placement->store_count == CACHE_STORES_MAX)
        return NULL;
    struct placement_store *to = &placement->stores[placement->store_count++];
    *to = (struct placement_store){.policy = usual, .bounds = {.rank = CACHE_RANK_USUAL}};
    if (!from)
        return to;
    snprintf(to->name, sizeof to->name, "%.*s", (int)from->name.size, (const char *)from->name.data);
    to->line = from->place.line;
    to->share_permille = from->share_permille;
    to->guaranteed_bytes = from->guaranteed_bytes;
    to->entries_max = from->entries_max;
    to->policy = policy_named(from->eviction, usual);
    to->says_policy = from->eviction.size != 0;
    to->filter = from->filter;
    to->filter_rate_ppm = from->filter_rate_ppm;
    return to;
}

/* The limits of a class become those of a store. */
static void limit(struct placement_store *store, const struct rules_class *class) {
    static const enum cache_rank ranks[] = {[MANIFEST_EVICT_NORMAL] = CACHE_RANK_USUAL,
                                            [MANIFEST_EVICT_NEVER] = CACHE_RANK_LAST,
                                            [MANIFEST_EVICT_LAST] = CACHE_RANK_LAST,
                                            [MANIFEST_EVICT_FIRST] = CACHE_RANK_FIRST};
    store->bounds = (struct cache_bounds){
        .quota_permille = class->quota_permille,
        .quota_bytes = class->quota_bytes,
        .refuses = class->on_quota == MANIFEST_ON_QUOTA_REFUSE && (class->quota_permille || class->quota_bytes),
        .rank = ranks[class->evict]};
    if (class->evict == MANIFEST_EVICT_NEVER)
        store->policy = CACHE_NOEVICTION;
}

/* A name that no named store can have: "@job-id" of "job:{id}". */
static void name_after(struct placement *placement, struct placement_store *store, struct slice pattern) {
    char name[CACHE_STORE_NAME_MAX + 1] = "@";
    size_t size = 1;
    for (size_t i = 0; i < pattern.size && size < CACHE_STORE_NAME_MAX - 4; i++) {
        uint8_t c = pattern.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (plain)
            name[size++] = (char)c;
        else if (size > 1 && name[size - 1] != '-')
            name[size++] = '-';
    }
    while (size > 1 && name[size - 1] == '-')
        size--;
    for (unsigned again = 1;; again++) {
        if (again == 1)
            name[size] = 0;
        else
            snprintf(name + size, sizeof name - size, "-%u", again % 100);
        if (!placement_store_named(placement, name))
            break;
    }
    memcpy(store->name, name, sizeof name);
}

static uint32_t classes_in(const struct rules *rules, uint32_t store) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < rules_class_count(rules); i++)
        count += rules_class(rules, i)->store == store;
    return count;
}

/* Stores of the manifest, the default one first, then those of classes with limits. `targets`: of each class. */
static enum status make_stores(struct placement *placement, const struct rules *rules, enum cache_policy usual,
                               uint32_t *targets) {
    uint32_t own[CACHE_STORES_MAX] = {0};
    struct placement_store *store = add_store(placement, NULL, usual);
    snprintf(store->name, sizeof store->name, "default");
    for (uint32_t i = 0; i < rules_store_count(rules); i++) {
        const struct rules_store *from = rules_store(rules, i);
        if (is_default(from)) {
            placement->store_count = 0;
            store = add_store(placement, from, usual);
            placement->store_count = placement->store_count > 1 ? placement->store_count : 1;
        }
    }
    for (uint32_t i = 0; i < rules_store_count(rules); i++) {
        if (is_default(rules_store(rules, i)))
            continue;
        own[i] = placement->store_count;
        if (!add_store(placement, rules_store(rules, i), usual))
            return STATUS_FULL;
    }
    for (uint32_t i = 0; i < rules_class_count(rules); i++) {
        const struct rules_class *class = rules_class(rules, i);
        targets[i] = class->store == RULES_NONE ? 0 : own[class->store];
        store = &placement->stores[targets[i]];
        if (!class->own_store)
            continue;
        if (targets[i] && classes_in(rules, class->store) == 1) {
            limit(store, class);
            continue;
        }
        enum cache_policy policy = store->policy == CACHE_SESSION ? CACHE_ALLKEYS_LFU : store->policy;
        targets[i] = placement->store_count;
        store = add_store(placement, NULL, policy);
        if (!store)
            return STATUS_FULL;
        name_after(placement, store, class->pattern.text);
        store->line = class->place.line;
        limit(store, class);
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ routes */

/* Whether a byte that both fix says that no key falls under both: of most pairs it does, and nothing else need be looked at. */
static bool begin_otherwise(const struct rules_pattern *a, const struct rules_pattern *b) {
    for (uint32_t i = 0; i < a->token_count && i < b->token_count; i++) {
        if (a->tokens[i].kind != RULES_BYTE || b->tokens[i].kind != RULES_BYTE)
            return false;
        if (a->tokens[i].byte != b->tokens[i].byte)
            return true;
    }
    return false;
}

/* Whether the class decides where keys go that another one in a store would take, too. */
static bool is_asked(const struct rules *rules, const uint32_t *targets, uint32_t class, struct arena *scratch) {
    if (targets[class])
        return true;
    for (uint32_t i = 0; i < rules_class_count(rules); i++) {
        struct rules_witness witness;
        bool overlap = true;
        if (!targets[i] || begin_otherwise(&rules_class(rules, class)->pattern, &rules_class(rules, i)->pattern) ||
            rules_pattern_order(&rules_class(rules, class)->pattern, &rules_class(rules, i)->pattern) > 0)
            continue;
        arena_reset(scratch);
        enum status status = rules_overlap(&rules_class(rules, class)->pattern, &rules_class(rules, i)->pattern,
                                           scratch, &overlap, &witness);
        if (status != STATUS_OK || overlap) /* asked in vain, if it does not */
            return true;
    }
    return false;
}

/* A head names one key with its first part filled in, so it has no stars, no sets and no second part. */
static bool is_head(const struct rules_pattern *pattern) {
    return pattern->star_count == 0 && pattern->field_count == 1 && pattern->set_count == 0;
}

static enum status add_pattern(struct placement *placement, const struct rules_class *class, uint32_t target) {
    struct rules_pattern *pattern = &placement->patterns[placement->pattern_count];
    struct rules_pattern_problem problem;
    struct slice text;
    if (!arena_copy(&placement->arena, class->pattern.text, &text))
        return STATUS_NO_MEMORY;
    TRY(rules_pattern_parse(text, RULES_SYNTAX_KEYS, &placement->arena, pattern, &problem));
    placement->targets[placement->pattern_count++] = target;
    struct placement_store *store = &placement->stores[target];
    if (store->policy == CACHE_SESSION && !store->head.size && is_head(pattern))
        store->head = text;
    return STATUS_OK;
}

static enum status make_routes(struct placement *placement, const struct rules *rules, const uint32_t *targets,
                               struct arena *scratch) {
    uint32_t count = rules_class_count(rules);
    placement->patterns = arena_take(&placement->arena, (count + 1) * sizeof *placement->patterns);
    placement->targets = arena_take(&placement->arena, (count + 1) * sizeof *placement->targets);
    if (!placement->patterns || !placement->targets)
        return STATUS_NO_MEMORY;
    if (placement->store_count == 1)
        return STATUS_OK;
    for (uint32_t i = 0; i < count; i++)
        if (is_asked(rules, targets, i, scratch))
            TRY(add_pattern(placement, rules_class(rules, i), targets[i]));
    /* Without a key that names the session there are none. */
    for (uint32_t i = 1; i < placement->store_count; i++)
        if (placement->stores[i].policy == CACHE_SESSION && !placement->stores[i].head.size)
            placement->stores[i].policy = CACHE_ALLKEYS_LFU;
    if (placement->pattern_count == 0)
        return STATUS_OK;
    return rules_matcher_new(placement->patterns, placement->pattern_count, &placement->arena, &placement->matcher);
}

enum status placement_new(const struct rules *rules, enum cache_policy usual, const struct memory *memory,
                          struct placement **ret_placement) {
    struct placement *placement = memory_take(memory, sizeof *placement);
    uint32_t count = rules_class_count(rules);
    if (!placement)
        return STATUS_NO_MEMORY;
    *placement = (struct placement){.memory = memory};
    arena_init(&placement->arena, memory, ARENA_CHUNK);
    struct arena scratch;
    arena_init(&scratch, memory, ARENA_CHUNK);
    uint32_t *targets = memory_take(memory, (count + 1) * sizeof *targets);
    enum status status = targets ? make_stores(placement, rules, usual, targets) : STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = make_routes(placement, rules, targets, &scratch);
    if (targets)
        memory_give(memory, targets, (count + 1) * sizeof *targets);
    arena_fini(&scratch);
    if (status == STATUS_OK)
        *ret_placement = placement;
    else
        placement_free(placement);
    return status;
}

void placement_free(struct placement *placement) {
    if (!placement)
        return;
    arena_fini(&placement->arena);
    memory_give(placement->memory, placement, sizeof *placement);
}

bool placement_same_routes(const struct placement *a, const struct placement *b) {
    if (a->pattern_count != b->pattern_count || a->store_count != b->store_count)
        return false;
    for (uint32_t i = 0; i < a->store_count; i++) {
        bool sessions = a->stores[i].policy == CACHE_SESSION;
        if (strcmp(a->stores[i].name, b->stores[i].name) != 0 || sessions != (b->stores[i].policy == CACHE_SESSION))
            return false;
    }
    for (uint32_t i = 0; i < a->pattern_count; i++)
        if (!slice_equal(a->patterns[i].text, b->patterns[i].text) || a->targets[i] != b->targets[i])
            return false;
    return true;
}

void placement_keep_numbers(struct placement *placement, const struct placement *from) {
    ASSERT(placement_same_routes(placement, from));
    for (uint32_t i = 0; i < placement->store_count; i++) {
        struct placement_store *to = &placement->stores[i];
        const struct placement_store *now = &from->stores[i];
        /* Neither name, number nor head differ, which are what readers look at. */
        to->line = now->line;
        to->share_permille = now->share_permille;
        to->guaranteed_bytes = now->guaranteed_bytes;
        to->entries_max = now->entries_max;
        if (to->policy != CACHE_SESSION)
            to->policy = now->policy;
        to->says_policy = now->says_policy;
        to->filter = now->filter;
        to->filter_rate_ppm = now->filter_rate_ppm;
        to->bounds = now->bounds;
    }
}

uint32_t placement_route(const void *context, struct slice name, struct slice *ret_part) {
    const struct placement *placement = context;
    struct rules_fields fields;
    *ret_part = slice_make(NULL, 0);
    if (!placement->matcher)
        return 0;
    uint32_t found = rules_matcher_find(placement->matcher, name, RULES_NONE, &fields);
    if (found == RULES_NONE)
        return 0;
    const struct placement_store *store = &placement->stores[placement->targets[found]];
    if (__builtin_expect(store->head.size != 0, 0) && fields.count)
        *ret_part = rules_field(&fields, name, 0);
    return store->number;
}
