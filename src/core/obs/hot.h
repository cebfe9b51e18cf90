/* core/obs/hot.h: which keys are busy at present, in room for a few (Space-Saving; A. Metwally et al., 2005, with weights that fade).
 *
 * A key that is not there takes the place of the lightest one, and its weight as an error: so its true weight is between weight - error and weight. Once a
 * second all weights lose as much that half of them is left after HOT_HALF_LIFE_S. What is left of a second's weight, summed up over all seconds, is `span`:
 * a weight divided by it is a rate, from the first second on.
 *
 *     rate of a key that is read r times a second:   (r + r f + r f f + ...) / (1 + f + f f + ...)   f: HOT_FADE
 *
 * Threads: one owner.
 * Memory:  in the struct, about 13 KiB.
 * Time:    handed in, in seconds; a comparison with each item, and once a second a multiplication of each.
 */
#ifndef STRATA_CORE_OBS_HOT_H
#define STRATA_CORE_OBS_HOT_H

#include "base/slice.h"

enum { HOT_ITEMS = 64, HOT_NAME_MAX = 128, HOT_HALF_LIFE_S = 30 };
#define HOT_FADE 0.97715996843424591 /* 2 to the power of -1 / HOT_HALF_LIFE_S */

enum hot_use { HOT_READ, HOT_WRITE, HOT_MISS, HOT_USES };

struct hot_item {
    uint64_t hash;
    uint32_t place; /* of the database, as the caller numbers them */
    uint32_t size;  /* of the name; of a longer one than HOT_NAME_MAX only so much is kept */
    double weight, error;
    double uses[HOT_USES]; /* of the weight, since it took its place */
    uint8_t name[HOT_NAME_MAX];
};

struct hot {
    uint64_t now_s; /* weights are as of this second; 0: nothing came yet */
    double span, total;
    uint32_t count;
    struct hot_item items[HOT_ITEMS];
};

struct hot_key {
    struct slice name;
    uint64_t hash; /* names of the same size and hash are taken for the same */
    uint32_t place;
};

/* The key was used so many times. */
void hot_add(struct hot *hot, const struct hot_key *key, enum hot_use use, double weight, uint64_t now_s);

/* Weights become those of this second. */
void hot_fade(struct hot *hot, uint64_t now_s);

/* Adds what another has seen; both are of the same second. */
void hot_merge(struct hot *into, const struct hot *from);

/* The heaviest first. */
void hot_sort(struct hot *hot);

/* A weight as so many a second. */
static inline double hot_rate(const struct hot *hot, double weight) { return hot->span > 0 ? weight / hot->span : 0; }

/* What there is to see of the name. */
static inline struct slice hot_name(const struct hot_item *item) {
    return slice_make(item->name, item->size < HOT_NAME_MAX ? item->size : HOT_NAME_MAX);
}

#endif
