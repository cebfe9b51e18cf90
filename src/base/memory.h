/* base/memory.h: where growing things get their bytes.
 *
 * An allocator is handed in, so that an embedding program brings its own and tests make
 * the n-th allocation fail. Sizes are handed back on release: an allocator may count exactly.
 *
 * Threads: as the allocator says; `memory_libc` may be used by any thread.
 */
#ifndef STRATA_BASE_MEMORY_H
#define STRATA_BASE_MEMORY_H

#include <stddef.h>

struct memory {
    /* Like realloc with the old size: size_new 0 frees and answers NULL. NULL on failure, with
     * the old bytes untouched. */
    void *(*resize)(void *context, void *old, size_t size_old, size_t size_new);
    void *context;
};

extern const struct memory memory_libc;

static inline void *memory_take(const struct memory *memory, size_t size) {
    return memory->resize(memory->context, NULL, 0, size);
}

static inline void memory_give(const struct memory *memory, void *bytes, size_t size) {
    if (bytes)
        (void)memory->resize(memory->context, bytes, size, 0);
}

#endif
