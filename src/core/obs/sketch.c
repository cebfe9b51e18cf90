#include "core/obs/sketch.h"

static struct slice name_of(const struct sketch_item *item) { return slice_make(item->name, item->size); }

struct sketch_item *sketch_add(struct sketch *sketch, struct slice name, uint64_t weight) {
    struct slice kept = slice_part(name, 0, SKETCH_NAME_MAX);
    struct sketch_item *lightest = sketch->items;
    for (uint32_t i = 0; i < sketch->count; i++) {
        struct sketch_item *item = &sketch->items[i];
        if (slice_equal(name_of(item), kept)) {
            item->weight += weight;
            return item;
        }
        if (item->weight < lightest->weight)
            lightest = item;
    }
    struct sketch_item *item = lightest;
    uint64_t before = lightest->weight;
    if (sketch->count < SKETCH_ITEMS) {
        item = &sketch->items[sketch->count++];
        before = 0;
    }
    *item = (struct sketch_item){.weight = before + weight, .error = before, .size = (uint8_t)kept.size};
    if (kept.size)
        memcpy(item->name, kept.data, kept.size);
    return item;
}

struct slice sketch_prefix(struct slice key) {
    size_t end = 0;
    for (size_t i = 0; i < key.size && i < SKETCH_NAME_MAX; i++) {
        uint8_t c = key.data[i];
        if (c >= '0' && c <= '9')
            break;
        if (c == ':' || c == '/' || c == '.' || c == '|')
            end = i + 1;
    }
    return slice_make(key.data, end);
}
