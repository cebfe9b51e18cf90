#include "base/memory.h"

#include <stdlib.h>

static void *libc_resize(void *context, void *old, size_t size_old, size_t size_new) {
    (void)context;
    (void)size_old;
    if (size_new == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size_new);
}

const struct memory memory_libc = {.resize = libc_resize, .context = NULL};
