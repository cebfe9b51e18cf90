#include "core/rules/rules.h"

#include "base/assert.h"
#include "core/rules/internal.h"

uint32_t rules_match(const struct rules *rules, struct slice key, struct rules_fields *ret_fields) {
    return rules_matcher_find(rules->matcher, key, RULES_NONE, ret_fields);
}

uint32_t rules_class_count(const struct rules *rules) { return rules->class_count; }
uint32_t rules_service_count(const struct rules *rules) { return rules->service_count; }
uint32_t rules_store_count(const struct rules *rules) { return rules->store_count; }
uint32_t rules_edge_count(const struct rules *rules) { return rules->edge_count; }
uint32_t rules_event_count(const struct rules *rules) { return rules->event_count; }

const struct rules_class *rules_class(const struct rules *rules, uint32_t class) {
    ASSERT(class < rules->class_count);
    return &rules->classes[class];
}

struct slice rules_service(const struct rules *rules, uint32_t service) {
    ASSERT(service < rules->service_count);
    return rules->services[service];
}

const struct rules_store *rules_store(const struct rules *rules, uint32_t store) {
    ASSERT(store < rules->store_count);
    return &rules->stores[store];
}

const struct rules_edge *rules_edge(const struct rules *rules, uint32_t edge) {
    ASSERT(edge < rules->edge_count);
    return &rules->edges[edge];
}

const struct rules_event *rules_event(const struct rules *rules, uint32_t event) {
    ASSERT(event < rules->event_count);
    return &rules->events[event];
}

uint32_t rules_class_named(const struct rules *rules, struct slice pattern) {
    for (uint32_t i = 0; i < rules->class_count; i++)
        if (slice_equal(rules->patterns[i].text, pattern))
            return i;
    return RULES_NONE;
}

uint32_t rules_service_named(const struct rules *rules, struct slice name) {
    for (uint32_t i = 0; i < rules->service_count; i++)
        if (slice_equal(rules->services[i], name))
            return i;
    return RULES_NONE;
}

/* ------------------------------------------------------------------------------------------ questions */

bool rules_may_write(const struct rules *rules, uint32_t class, uint32_t service) {
    if (class == RULES_NONE)
        return true;
    const struct rules_class *own = rules_class(rules, class);
    return own->owner == RULES_NONE || own->owner == service;
}

bool rules_may_read(const struct rules *rules, uint32_t class, uint32_t service) {
    if (rules_may_write(rules, class, service))
        return true;
    const struct rules_class *own = rules_class(rules, class);
    if (own->places[MANIFEST_BORROWERS].line == 0)
        return true; /* an owner alone says who writes, not who reads */
    for (uint32_t i = 0; i < own->borrower_count; i++)
        if (own->borrowers[i] == service)
            return true;
    return false;
}

/* In parts, so that nothing overflows. */
static uint64_t share_of(uint64_t ms, uint32_t permille) {
    return ms / MANIFEST_SHARE_ALL * permille + ms % MANIFEST_SHARE_ALL * permille / MANIFEST_SHARE_ALL;
}

/* By how much a TTL, which is not 0, may be shortened: at most by `jitter`, never down to nothing. */
static uint64_t jitter_most_ms(const struct rules_class *class, uint64_t ttl_ms) {
    uint64_t most_ms = share_of(ttl_ms, class->jitter_permille);
    return most_ms < ttl_ms ? most_ms : ttl_ms - 1;
}

uint64_t rules_ttl_ms(const struct rules_class *class, uint64_t asked_ms, uint64_t random) {
    uint64_t ttl_ms = asked_ms ? asked_ms : class->ttl_default_ms;
    if (class->ttl_max_ms && (ttl_ms == 0 || ttl_ms > class->ttl_max_ms))
        ttl_ms = class->ttl_max_ms;
    if (ttl_ms == 0 || class->jitter_permille == 0)
        return ttl_ms;
    return ttl_ms - random % (jitter_most_ms(class, ttl_ms) + 1);
}

uint64_t rules_early_ms(const struct rules_class *class) {
    uint64_t ttl_ms = class->ttl_default_ms ? class->ttl_default_ms : class->ttl_max_ms;
    if (ttl_ms == 0 || class->refresh_permille == 0)
        return 0;
    uint64_t least_ms = ttl_ms - jitter_most_ms(class, ttl_ms);
    return least_ms - share_of(least_ms, class->refresh_permille);
}

enum status rules_template_fill(const struct rules_template *template, struct slice key,
                                const struct rules_fields *fields, struct buf *text) {
    for (uint32_t i = 0; i < template->field_count; i++) {
        ASSERT(template->fields[i] < fields->count);
        TRY(buf_append_slice(text, template->pieces[i]));
        TRY(buf_append_slice(text, rules_field(fields, key, template->fields[i])));
    }
    return buf_append_slice(text, template->pieces[template->field_count]);
}

/* ------------------------------------------------------------------------------------------ differences */

const char *rules_field_name(enum manifest_field field) {
    static const char names[][16] = {"owner",      "borrowers",   "layers",      "ttl.default", "ttl.max",
                                     "ttl.jitter", "ttl.sliding", "stale",       "negative",    "refresh",
                                     "tags",       "store",       "codec",       "quota",       "on_quota",
                                     "evict",      "writes",      "invalidates", "derives"};
    _Static_assert(sizeof names / sizeof *names == MANIFEST_FIELD_COUNT, "each has a name");
    return names[field];
}

static bool same_service(const struct rules *a, uint32_t x, const struct rules *b, uint32_t y) {
    if (x == RULES_NONE || y == RULES_NONE)
        return x == y;
    return slice_equal(a->services[x], b->services[y]);
}

/* The order of borrowers means nothing. */
static bool same_borrowers(const struct rules *a, const struct rules_class *x, const struct rules *b,
                           const struct rules_class *y) {
    if (x->borrower_count != y->borrower_count)
        return false;
    for (uint32_t i = 0; i < x->borrower_count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < y->borrower_count; j++)
            found |= same_service(a, x->borrowers[i], b, y->borrowers[j]);
        if (!found)
            return false;
    }
    return true;
}

static bool same_tags(const struct rules_class *x, const struct rules_class *y) {
    uint32_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < x->tag_count && x->tags[i].implicit)
            i++;
        while (j < y->tag_count && y->tags[j].implicit)
            j++;
        if (i == x->tag_count || j == y->tag_count)
            return i == x->tag_count && j == y->tag_count;
        if (!slice_equal(x->tags[i].template.text, y->tags[j].template.text))
            return false;
    }
}

static bool same_store(const struct rules *a, uint32_t x, const struct rules *b, uint32_t y) {
    if (x == RULES_NONE || y == RULES_NONE)
        return x == y;
    return slice_equal(a->stores[x].name, b->stores[y].name);
}

/* Whether the n-th line of `invalidates` or `derives` is the same for each n. */
static bool same_edges(const struct rules *a, uint32_t class_a, const struct rules *b, uint32_t class_b, bool derives) {
    uint32_t i = 0, j = 0;
    for (;; i++, j++) {
        uint32_t in_a = RULES_NONE, in_b = RULES_NONE;
        for (; i < a->edge_count && in_a == RULES_NONE; i++)
            if (a->edges[i].derives == derives &&
                (derives ? a->edges[i].target_count && a->edges[i].targets->reached[0] == class_a
                         : a->edges[i].from == class_a))
                in_a = i;
        for (; j < b->edge_count && in_b == RULES_NONE; j++)
            if (b->edges[j].derives == derives &&
                (derives ? b->edges[j].target_count && b->edges[j].targets->reached[0] == class_b
                         : b->edges[j].from == class_b))
                in_b = j;
        if (in_a == RULES_NONE || in_b == RULES_NONE)
            return in_a == in_b;
        if (!slice_equal(a->edges[in_a].text, b->edges[in_b].text) || a->edges[in_a].soft != b->edges[in_b].soft)
            return false;
        i--, j--; /* the loops have gone one too far */
    }
}

static uint32_t fields_that_differ(const struct rules *a, uint32_t class_a, const struct rules *b, uint32_t class_b) {
    const struct rules_class *x = &a->classes[class_a], *y = &b->classes[class_b];
    const bool differ[MANIFEST_FIELD_COUNT] = {
        [MANIFEST_OWNER] = !same_service(a, x->owner, b, y->owner),
        [MANIFEST_BORROWERS] = !same_borrowers(a, x, b, y),
        [MANIFEST_LAYERS] = x->layers != y->layers,
        [MANIFEST_TTL_DEFAULT] = x->ttl_default_ms != y->ttl_default_ms,
        [MANIFEST_TTL_MAX] = x->ttl_max_ms != y->ttl_max_ms,
        [MANIFEST_TTL_JITTER] = x->jitter_permille != y->jitter_permille,
        [MANIFEST_TTL_SLIDING] = x->sliding != y->sliding,
        [MANIFEST_STALE] = x->stale_ms != y->stale_ms,
        [MANIFEST_NEGATIVE] = x->negative_ms != y->negative_ms,
        [MANIFEST_REFRESH] = x->refresh_permille != y->refresh_permille,
        [MANIFEST_TAGS] = !same_tags(x, y),
        [MANIFEST_STORE] = !same_store(a, x->store, b, y->store),
        [MANIFEST_CODEC] = x->codec != y->codec,
        [MANIFEST_QUOTA] = x->quota_bytes != y->quota_bytes || x->quota_permille != y->quota_permille,
        [MANIFEST_ON_QUOTA] = x->on_quota != y->on_quota,
        [MANIFEST_EVICT] = x->evict != y->evict,
        [MANIFEST_WRITES] = x->leased != y->leased,
        [MANIFEST_INVALIDATES] = !same_edges(a, class_a, b, class_b, false),
        [MANIFEST_DERIVES] = !same_edges(a, class_a, b, class_b, true),
    };
    uint32_t fields = 0;
    for (int i = 0; i < MANIFEST_FIELD_COUNT; i++)
        fields |= (uint32_t)differ[i] << i;
    return fields;
}

static uint32_t class_like(const struct rules *rules, const struct rules_pattern *pattern) {
    for (uint32_t i = 0; i < rules->class_count; i++)
        if (rules_pattern_same(&rules->patterns[i], pattern))
            return i;
    return RULES_NONE;
}

uint32_t rules_diff(const struct rules *before, const struct rules *after, struct rules_difference *ret_differences,
                    uint32_t difference_max) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < before->class_count; i++) {
        uint32_t now = class_like(after, &before->patterns[i]);
        uint32_t fields = now == RULES_NONE ? 0 : fields_that_differ(before, i, after, now);
        if (now != RULES_NONE && fields == 0)
            continue;
        if (count < difference_max)
            ret_differences[count] =
                (struct rules_difference){now == RULES_NONE ? RULES_REMOVED : RULES_CHANGED, i, now, fields};
        count++;
    }
    for (uint32_t i = 0; i < after->class_count; i++) {
        if (class_like(before, &after->patterns[i]) != RULES_NONE)
            continue;
        if (count < difference_max)
            ret_differences[count] = (struct rules_difference){RULES_ADDED, RULES_NONE, i, 0};
        count++;
    }
    return count;
}
