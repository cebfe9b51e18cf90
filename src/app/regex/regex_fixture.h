/* app/regex/regex_fixture.h: memory that fails from a certain allocation on, and knows what is still taken. */
#ifndef STRATA_APP_REGEX_FIXTURE_H
#define STRATA_APP_REGEX_FIXTURE_H

#include <stdbool.h>

#include "base/memory.h"

struct fixture_memory {
    long left; /* allocations that succeed */
    long live; /* bytes */
    bool failed;
};

static void *fixture_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct fixture_memory *memory = context;
    if (size_new && memory->left-- <= 0) {
        memory->failed = true;
        return NULL;
    }
    memory->live += (long)size_new - (long)size_old;
    return memory_libc.resize(memory_libc.context, old, size_old, size_new);
}

static inline struct memory fixture_memory(struct fixture_memory *memory) {
    return (struct memory){fixture_resize, memory};
}

#endif
