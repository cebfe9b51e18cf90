/* core/cache/reclass.c: what other rules would make of what is there. */
#include <string.h>

#include "core/cache/internal.h"
#include "core/store/claim.h"

enum {
    NAMES_BITS = 1 << 23,  /* of names of tags, to count different ones: as many as 100,000,000 */
    TAG_INDEX_CHARGE = 15, /* of a tag, beside its record (tag.h) */
};

/* What an entry bears, compared with what the rules say. */
struct comparison {
    const struct cache_terms *terms;
    const char *marks;
    uint64_t borne;         /* bits: which of the rules' tags it has */
    uint32_t others, stays; /* tags that rules put on before and do not now; of all others those that stay */
};
static_assert(CACHE_RULE_TAGS_MAX <= 64, "a bit for each tag");

static void compare(void *context, struct slice name) {
    struct comparison *comparison = context;
    for (uint32_t i = 0; i < comparison->terms->tag_count; i++)
        if (slice_equal(comparison->terms->tags[i], name)) {
            comparison->borne |= 1ull << i;
            return;
        }
    bool marked = comparison->marks && name.data[0] && strchr(comparison->marks, name.data[0]);
    comparison->others += marked;
    comparison->stays += !marked;
}

bool cache_edit_is_classed(const struct cache_edit *edit) {
    const struct cache_rules *rules = &edit->cache->rules;
    const struct entry *entry = &const_spot_of(edit)->entry;
    struct cache_terms terms = {.expires_at_ms = entry->expires_at_ms, .stale_ms = entry_stale_ms(entry->stale)};
    if (is_ruled(edit->cache) && rules->terms(rules->context, edit->actor, edit->key.name, &terms) != STATUS_OK)
        return false;
    struct comparison comparison = {.terms = &terms, .marks = rules->marks};
    cache_edit_tags(edit, compare, &comparison);
    return comparison.others == 0 && comparison.borne == (1ull << terms.tag_count) - 1 &&
           terms.expires_at_ms == entry->expires_at_ms;
}

/* ------------------------------------------------------------------------------------------ what it takes */

struct cache_forecast {
    struct cache *cache;
    struct cache_rules rules;
    int64_t growth; /* of entries that may not be evicted, in bytes */
    uint64_t names; /* bits that are set below: tags that nobody bears yet, */
    double records; /* and bytes that these take */
    uint64_t bits[NAMES_BITS / 64];
};

struct cache_forecast *cache_forecast_new(struct cache *cache, const struct cache_rules *rules) {
    struct cache_forecast *forecast = memory_take(cache->memory, sizeof *forecast);
    if (!forecast)
        return NULL;
    memset(forecast, 0, sizeof *forecast);
    forecast->cache = cache;
    forecast->rules = *rules;
    return forecast;
}

void cache_forecast_free(struct cache_forecast *forecast) {
    if (forecast)
        memory_give(forecast->cache->memory, forecast, sizeof *forecast);
}

/* A tag that nobody bears yet takes a record, however many will. Each that sets a bit stands for those, too, that meet one that is set. */
static void add_name(struct cache_forecast *forecast, struct actor *actor, struct slice name) {
    struct engine *engine = forecast->cache->engine;
    struct tag_facts facts;
    uint32_t number;
    if (tag_find(&engine->range, actor, engine->tags, name, &number, &facts))
        return;
    uint64_t bit = hash_bytes(name, engine->hash_seed) % NAMES_BITS, mask = 1ull << bit % 64;
    if (forecast->bits[bit / 64] & mask)
        return;
    forecast->bits[bit / 64] |= mask;
    forecast->records += (double)(bits_align_up(TAG_NAME_AT + name.size, TAG_SLOT_SIZE) + TAG_INDEX_CHARGE) *
                         NAMES_BITS / (double)(NAMES_BITS - forecast->names++);
}

static void add_entry(struct cache_forecast *forecast, const struct cache_edit *edit) {
    const struct cache *cache = forecast->cache;
    const struct segment *segments = cache->engine->range.segments;
    const struct store_spot *spot = const_spot_of(edit);
    struct entry now = spot->entry, then = now;
    struct cache_terms terms = {.expires_at_ms = now.expires_at_ms, .stale_ms = entry_stale_ms(now.stale)};
    if (forecast->rules.terms(forecast->rules.context, edit->actor, edit->key.name, &terms) != STATUS_OK)
        return;
    struct comparison comparison = {.terms = &terms, .marks = cache->rules.marks};
    cache_edit_tags(edit, compare, &comparison);
    for (uint32_t i = 0; i < terms.tag_count; i++)
        if (!(comparison.borne >> i & 1))
            add_name(forecast, edit->actor, terms.tags[i]);
    then.flags &= ENTRY_OWNS;
    then.expires_at_ms = terms.expires_at_ms;
    then.tag_count = comparison.stays + terms.tag_count;
    then.stamp = now.stamp || then.tag_count == 0 ? now.stamp : ENTRY_STAMP_FIRST;
    entry_plan(&then, segments[range_segment_of(&cache->engine->range, spot->location)].base_ms);
    if (!policy_gives_back(store_policy_of(cache->engine, &cache->engine->shards[edit->shard])))
        forecast->growth += (int64_t)then.size - (int64_t)now.size;
}

void cache_forecast_add(struct cache_forecast *forecast, struct actor *actor, uint32_t place, struct slice name) {
    struct cache_edit edit;
    cache_edit_begin_place(forecast->cache, actor, place, name, 0, &edit);
    if (edit.found)
        add_entry(forecast, &edit);
    cache_edit_end(&edit);
}

uint64_t cache_forecast_bytes(const struct cache_forecast *forecast) {
    double bytes = forecast->records + (double)forecast->growth;
    return bytes > 0 ? (uint64_t)bytes : 0;
}

uint64_t cache_room_for_tags(const struct cache *cache) { return claim_room_for_tags(cache->engine); }
