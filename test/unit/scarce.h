/* test/unit/scarce.h: memory that runs out, for tests of what happens then.
 *
 *     struct scarce scarce;
 *     const struct memory *memory = scarce_begin(&scarce, n);   the request after n more fails, and all that follow
 *     ... scarce.failed, scarce.held
 *
 * For one thread.
 */
#ifndef STRATA_TEST_SCARCE_H
#define STRATA_TEST_SCARCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

#define SCARCE_NEVER UINT64_MAX

struct scarce {
    struct memory memory;
    uint64_t left;          /* requests that still succeed; SCARCE_NEVER: all do */
    bool once;              /* only one fails: the next ones succeed again */
    bool failed;            /* one has failed */
    int64_t held, held_max; /* bytes that are given out now, and at most so far */
};

static inline void *scarce_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct scarce *scarce = context;
    if (size_new && scarce->left == 0) {
        scarce->failed = true;
        scarce->left = scarce->once ? SCARCE_NEVER : 0;
        return NULL;
    }
    scarce->left -= size_new && scarce->left != SCARCE_NEVER;
    scarce->held += (int64_t)size_new - (int64_t)size_old;
    if (scarce->held > scarce->held_max)
        scarce->held_max = scarce->held;
    return memory_libc.resize(memory_libc.context, old, size_old, size_new);
}

static inline const struct memory *scarce_begin(struct scarce *scarce, uint64_t left) {
    *scarce = (struct scarce){.left = left};
    scarce->memory = (struct memory){scarce_resize, scarce};
    return &scarce->memory;
}

#endif
