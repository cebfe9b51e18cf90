#include "core/obs/hot.h"

#include <stdlib.h>

enum { FADED_AWAY_S = 40 * HOT_HALF_LIFE_S }; /* nothing that counts is left after so long */

/* NULL: it is not there; `ret_lightest` then is, if there is any. */
static struct hot_item *find(struct hot *hot, uint64_t hash, uint32_t place, uint32_t size,
                             struct hot_item **ret_lightest) {
    struct hot_item *least = hot->items;
    for (struct hot_item *item = hot->items; item < hot->items + hot->count; item++) {
        if (item->hash == hash && item->place == place && item->size == size)
            return item;
        if (item->weight < least->weight)
            least = item;
    }
    *ret_lightest = least;
    return NULL;
}

/* A place for a key that has none. */
static struct hot_item *place_for(struct hot *hot, struct hot_item *lightest) {
    double before = 0;
    if (hot->count < HOT_ITEMS)
        lightest = &hot->items[hot->count++];
    else
        before = lightest->weight;
    lightest->weight = lightest->error = before;
    for (int use = 0; use < HOT_USES; use++)
        lightest->uses[use] = 0;
    return lightest;
}

void hot_fade(struct hot *hot, uint64_t now_s) {
    if (hot->now_s == 0) {
        hot->now_s = now_s;
        hot->span = 1;
    }
    if (now_s <= hot->now_s)
        return;
    uint64_t steps = now_s - hot->now_s;
    double factor = 1;
    for (uint64_t i = 0; i < steps && i < FADED_AWAY_S; i++)
        factor *= HOT_FADE;
    hot->now_s = now_s;
    hot->span = hot->span * factor + (1 - factor) / (1 - HOT_FADE);
    hot->total *= factor;
    if (steps >= FADED_AWAY_S) {
        hot->count = 0;
        hot->total = 0;
    }
    for (uint32_t i = 0; i < hot->count; i++) {
        struct hot_item *item = &hot->items[i];
        item->weight *= factor;
        item->error *= factor;
        for (int use = 0; use < HOT_USES; use++)
            item->uses[use] *= factor;
    }
}

void hot_add(struct hot *hot, const struct hot_key *key, enum hot_use use, double weight, uint64_t now_s) {
    hot_fade(hot, now_s);
    struct hot_item *lightest, *item = find(hot, key->hash, key->place, (uint32_t)key->name.size, &lightest);
    if (!item) {
        item = place_for(hot, lightest);
        item->hash = key->hash;
        item->place = key->place;
        item->size = (uint32_t)key->name.size;
        struct slice kept = slice_part(key->name, 0, HOT_NAME_MAX);
        if (kept.size)
            memcpy(item->name, kept.data, kept.size);
    }
    item->weight += weight;
    item->uses[use] += weight;
    hot->total += weight;
}

/* What is in neither of the full sketches weighs at most what their lightest does; so does what is in one only, in the other. */
void hot_merge(struct hot *into, const struct hot *from) {
    if (from->now_s && (into->now_s == 0 || from->span > into->span)) {
        into->now_s = from->now_s;
        into->span = from->span;
    }
    into->total += from->total;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct hot_item *item = &from->items[i];
        struct hot_item *lightest, *to = find(into, item->hash, item->place, item->size, &lightest);
        if (!to) {
            if (into->count < HOT_ITEMS)
                into->items[into->count++] = *item;
            else if (lightest->weight < item->weight)
                *lightest = *item;
            continue;
        }
        to->weight += item->weight;
        to->error += item->error;
        for (int use = 0; use < HOT_USES; use++)
            to->uses[use] += item->uses[use];
    }
}

static int heavier(const void *a, const void *b) {
    double x = ((const struct hot_item *)a)->weight, y = ((const struct hot_item *)b)->weight;
    return (x < y) - (x > y);
}

void hot_sort(struct hot *hot) { qsort(hot->items, hot->count, sizeof *hot->items, heavier); }
