/* Every allocation of the process is counted; reading what is small, and missing, makes none. */
#include <stdio.h>
#include <stdlib.h>

#include <strata/strata.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static unsigned long allocations;

void *malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    allocations++;
    return __libc_realloc(old, size);
}

enum { KEYS = 1000, BATCH = 64 };

int main(void) {
    struct strata_cache *cache;
    static char buffers[BATCH][1000], value[1000];
    static unsigned keys[BATCH];
    struct strata_get_item items[BATCH];
    unsigned i, k, failures = 0;
    size_t size;
    if (strata_open("memory:8mb", NULL, &cache) != STRATA_OK)
        return 1;
    for (i = 0; i < KEYS; i++)
        failures += strata_set(cache, &i, sizeof i, value, i, NULL, NULL) != STRATA_OK;
    unsigned long before = allocations;
    if (before == 0)
        return 2; /* it counts nothing */
    for (i = 0; i < 2 * KEYS; i++)
        failures += strata_get(cache, &i, sizeof i, buffers[0], sizeof buffers[0], &size) !=
                    (i < KEYS ? STRATA_OK : STRATA_MISS);
    for (i = 0; i + BATCH < KEYS; i += BATCH) {
        for (k = 0; k < BATCH; k++) {
            keys[k] = i + k;
            items[k].key = &keys[k];
            items[k].key_size = sizeof keys[k];
            items[k].buffer = buffers[k];
            items[k].buffer_size = sizeof buffers[k];
        }
        failures += strata_get_many(cache, items, BATCH) != BATCH;
        failures += strata_exists(cache, &i, sizeof i) != STRATA_OK;
    }
    unsigned long made = allocations - before;
    strata_close(cache);
    printf("%lu allocations while reading, %u failures\n", made, failures);
    return made || failures;
}
