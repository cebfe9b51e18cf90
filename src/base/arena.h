/* base/arena.h: scraps of one request, given back together.
 *
 * Bytes are cut from chunks in sequence; arena_reset keeps the first chunk and gives the others
 * back, so a steady load allocates nothing.
 *
 * Threads: one owner at a time.
 * Memory:  what arena_take answers is aligned to 16 bytes, is not cleared, and lives until the next reset or fini.
 */
#ifndef STRATA_BASE_ARENA_H
#define STRATA_BASE_ARENA_H

#include "base/memory.h"
#include "base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *newest; /* linked to older ones */
    size_t used;                /* of the newest */
    size_t chunk_size;
    const struct memory *memory;
};

void arena_init(struct arena *arena, const struct memory *memory, size_t chunk_size);
void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena);

/* NULL when the allocator has nothing. */
void *arena_take(struct arena *arena, size_t size);

/* Copies the bytes into the arena; `ret_copy` stays untouched if there is no room (false). */
bool arena_copy(struct arena *arena, struct slice bytes, struct slice *ret_copy);

#endif
