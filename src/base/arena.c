#include "base/arena.h"

#include "base/assert.h"
#include "base/bits.h"

enum { ALIGNMENT = 16 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of the bytes behind this header */
};

static const size_t header_size = (sizeof(struct arena_chunk) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

void arena_init(struct arena *arena, const struct memory *memory, size_t chunk_size) {
    ASSERT(chunk_size > 0);
    *arena = (struct arena){.chunk_size = chunk_size, .memory = memory};
}

static void release_down_to(struct arena *arena, const struct arena_chunk *last) {
    while (arena->newest != last) {
        struct arena_chunk *older = arena->newest->older;
        memory_give(arena->memory, arena->newest, header_size + arena->newest->size);
        arena->newest = older;
    }
}

void arena_fini(struct arena *arena) {
    if (!arena || !arena->memory)
        return;
    release_down_to(arena, NULL);
    arena->used = 0;
}

void arena_reset(struct arena *arena) {
    const struct arena_chunk *first = arena->newest;
    while (first && first->older)
        first = first->older;
    if (first && first->size > arena->chunk_size)
        first = NULL;
    release_down_to(arena, first);
    arena->used = 0;
}

void *arena_take(struct arena *arena, size_t size) {
    if (size > SIZE_MAX / 2)
        return NULL;
    size = bits_align_up(size, ALIGNMENT);
    if (!arena->newest || arena->newest->size - arena->used < size) {
        size_t chunk_size = size > arena->chunk_size ? size : arena->chunk_size;
        struct arena_chunk *chunk = memory_take(arena->memory, header_size + chunk_size);
        if (!chunk)
            return NULL;
        *chunk = (struct arena_chunk){.older = arena->newest, .size = chunk_size};
        arena->newest = chunk;
        arena->used = 0;
    }
    void *bytes = (uint8_t *)arena->newest + header_size + arena->used;
    arena->used += size;
    return bytes;
}

bool arena_copy(struct arena *arena, struct slice bytes, struct slice *ret_copy) {
    uint8_t *copy = arena_take(arena, bytes.size ? bytes.size : 1);
    if (!copy)
        return false;
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    *ret_copy = slice_make(copy, bytes.size);
    return true;
}
