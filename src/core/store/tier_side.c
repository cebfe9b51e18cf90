#include "core/store/tier_side.h"

#include <string.h>

#include "base/assert.h"
#include "base/bits.h"

enum { LOAD = 2, DIRECTORY_SIZE = TIER_SIDE_CHUNKS_MAX * sizeof(struct tier_side **) };
enum { CHUNK_SIZE = TIER_SIDE_CHUNK * sizeof(struct tier_side *) };

static size_t side_size(uint32_t tag_count) { return sizeof(struct tier_side) + tag_count * sizeof(uint32_t); }

static void *take(struct tier_sides *sides, size_t size) {
    void *bytes = memory_take(sides->memory, size);
    if (bytes) {
        memset(bytes, 0, size);
        sides->bytes += size;
    }
    return bytes;
}

static void give(struct tier_sides *sides, void *bytes, size_t size) {
    memory_give(sides->memory, bytes, size);
    sides->bytes -= size;
}

static struct tier_side **list_at(const struct tier_sides *sides, uint32_t list) {
    return &(*sides->chunks)[list / TIER_SIDE_CHUNK][list % TIER_SIDE_CHUNK];
}

static struct tier_side **list_of(const struct tier_sides *sides, uint64_t address) {
    uint32_t hash = (uint32_t)((address * 0x9e3779b97f4a7c15u) >> 32), half = 1u << bits_log2(sides->lists);
    uint32_t list = hash & (2 * half - 1);
    return list_at(sides, list < sides->lists ? list : hash & (half - 1));
}

/* The table with its first lists. */
static bool begin(struct tier_sides *sides) {
    if (sides->chunks)
        return true;
    sides->chunks = take(sides, DIRECTORY_SIZE);
    if (!sides->chunks)
        return false;
    (*sides->chunks)[0] = take(sides, CHUNK_SIZE);
    if (!(*sides->chunks)[0]) {
        give(sides, sides->chunks, DIRECTORY_SIZE);
        sides->chunks = NULL;
        return false;
    }
    sides->lists = 1;
    return true;
}

struct tier_side *tier_side_new(struct tier_sides *sides, uint32_t tag_count) {
    struct tier_side *side = begin(sides) ? take(sides, side_size(tag_count)) : NULL;
    if (side)
        side->count = tag_count;
    return side;
}

void tier_side_free(struct tier_sides *sides, struct tier_side *side) { give(sides, side, side_size(side->count)); }

/* One list more, which takes its part of another; not without memory, or when the directory is full: lists only become longer then. */
static void grow(struct tier_sides *sides) {
    uint32_t list = sides->lists;
    if (sides->count <= (uint64_t)list * LOAD || list == TIER_SIDE_CHUNK * TIER_SIDE_CHUNKS_MAX)
        return;
    struct tier_side ***chunk = &(*sides->chunks)[list / TIER_SIDE_CHUNK];
    if (!*chunk)
        *chunk = take(sides, CHUNK_SIZE);
    if (!*chunk)
        return;
    struct tier_side **from = list_at(sides, list - (1u << bits_log2(list))), *side = *from;
    *from = NULL;
    sides->lists++;
    while (side) {
        struct tier_side *next = side->next, **to = list_of(sides, side->address);
        side->next = *to;
        *to = side;
        side = next;
    }
}

void tier_side_enter(struct tier_sides *sides, struct tier_side *side) {
    struct tier_side **list = list_of(sides, side->address);
    side->next = *list;
    *list = side;
    sides->count++;
    grow(sides);
}

struct tier_side *tier_side_find(const struct tier_sides *sides, uint64_t address) {
    struct tier_side *side = sides->chunks ? *list_of(sides, address) : NULL;
    while (side && side->address != address)
        side = side->next;
    return side;
}

struct tier_side *tier_side_leave(struct tier_sides *sides, uint64_t address) {
    if (!sides->chunks)
        return NULL;
    for (struct tier_side **at = list_of(sides, address), *side; (side = *at); at = &side->next)
        if (side->address == address) {
            *at = side->next;
            sides->count--;
            return side;
        }
    return NULL;
}

void tier_side_each(const struct tier_sides *sides, void (*visit)(void *context, const struct tier_side *side),
                    void *context) {
    for (uint32_t list = 0; list < sides->lists; list++)
        for (const struct tier_side *side = *list_at(sides, list); side; side = side->next)
            visit(context, side);
}

void tier_side_clear(struct tier_sides *sides) {
    if (!sides->chunks)
        return;
    for (uint32_t list = 0; list < sides->lists; list++)
        for (struct tier_side *side = *list_at(sides, list), *next; side; side = next) {
            next = side->next;
            tier_side_free(sides, side);
        }
    for (uint32_t chunk = 0; chunk < TIER_SIDE_CHUNKS_MAX && (*sides->chunks)[chunk]; chunk++)
        give(sides, (*sides->chunks)[chunk], CHUNK_SIZE);
    give(sides, sides->chunks, DIRECTORY_SIZE);
    ASSERT(sides->bytes == 0);
    *sides = (struct tier_sides){.memory = sides->memory};
}
