/* core/obs/sketch.h: the heaviest of many names, in room for a few (Space-Saving; A. Metwally et al., 2005).
 *
 * A name that is not there takes the place of the lightest one, and its weight as an error. So a name with more than 1 / SKETCH_ITEMS of all weight is
 * there for sure, and its true weight is between weight - error and weight. What else is counted for a name counts since it took its place.
 *
 * Threads: one owner.
 * Memory:  in the struct, about 7 KiB.
 * Time:    a comparison with each item.
 */
#ifndef STRATA_CORE_OBS_SKETCH_H
#define STRATA_CORE_OBS_SKETCH_H

#include "base/slice.h"

enum { SKETCH_ITEMS = 64, SKETCH_NAME_MAX = 31, SKETCH_COUNTS = 8 };

struct sketch_item {
    uint64_t weight, error;
    uint64_t counts[SKETCH_COUNTS]; /* the caller's */
    uint8_t size;
    uint8_t name[SKETCH_NAME_MAX];
};

struct sketch {
    uint32_t count;
    struct sketch_item items[SKETCH_ITEMS];
};

/* The item of a name (cut to SKETCH_NAME_MAX), with so much more weight; its counts are 0 if it is new. */
struct sketch_item *sketch_add(struct sketch *sketch, struct slice name, uint64_t weight);

/* The beginning that groups a key with its likes: up to the last ':' (or '/', '.', '|') before the first digit, at most SKETCH_NAME_MAX bytes. Empty:
 * it has none. */
struct slice sketch_prefix(struct slice key);

#endif
