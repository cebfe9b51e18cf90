#include "core/classes/terms.h"

#include "base/assert.h"

/* A value that is new lives as its class says; one that is not is only bounded. */
static uint64_t expiry_by(const struct rules_class *class, bool created, uint64_t asked_at_ms, uint64_t now_ms,
                          uint64_t random) {
    uint64_t asked_ms = asked_at_ms > now_ms ? asked_at_ms - now_ms : asked_at_ms ? 1 : 0, ttl_ms;
    if (created)
        ttl_ms = rules_ttl_ms(class, asked_ms, random);
    else
        ttl_ms = class->ttl_max_ms && (asked_ms == 0 || asked_ms > class->ttl_max_ms) ? class->ttl_max_ms : asked_ms;
    if (ttl_ms == asked_ms)
        return asked_at_ms; /* which may be in the past */
    return ttl_ms ? now_ms + ttl_ms : 0;
}

uint32_t classes_terms(const struct rules *rules, struct slice name, uint64_t now_ms, uint64_t random, size_t name_max,
                       struct cache_terms *terms) {
    struct rules_fields fields;
    uint32_t number = rules_match(rules, name, &fields);
    if (number == RULES_NONE)
        return number;
    const struct rules_class *class = rules_class(rules, number);
    uint8_t *to = terms->names;
    bool own_ttl = terms->created && terms->expires_at_ms && class->refresh_permille;
    ASSERT(class->tag_count < CACHE_RULE_TAGS_MAX);
    terms->expires_at_ms = expiry_by(class, terms->created, terms->expires_at_ms, now_ms, random);
    if (terms->stale_ms == 0)
        terms->stale_ms = class->stale_ms;
    terms->tags[terms->tag_count] = classes_class_tag(class, name_max, to);
    to += terms->tags[terms->tag_count++].size;
    for (uint32_t i = 0; i < class->tag_count; i++) {
        struct slice tag = classes_tag_filled(&class->tags[i].template, name, &fields, name_max, to);
        if (tag.size == 0)
            continue;
        terms->tags[terms->tag_count++] = tag;
        to += tag.size;
    }
    if (own_ttl && terms->tag_count < CACHE_RULE_TAGS_MAX) /* a class may use up all of them */
        terms->tags[terms->tag_count++] = SLICE(CLASSES_OWN_TTL);
    return number;
}
