/* A memoised function: results that cost something are computed once and kept while there is memory.
 *
 *     cc memoise.c $(pkg-config --cflags --libs strata) && ./a.out
 */
#include <stdint.h>
#include <stdio.h>

#include <strata/strata.h>

static unsigned computed;

/* How many steps the Collatz walk takes from a number down to 1. */
static uint64_t steps_computed(uint64_t number) {
    uint64_t steps = 0;
    computed++;
    for (; number > 1; steps++)
        number = number % 2 ? 3 * number + 1 : number / 2;
    return steps;
}

static uint64_t steps(struct strata_cache *cache, uint64_t number) {
    uint64_t result;
    size_t size;
    if (strata_get(cache, &number, sizeof number, &result, sizeof result, &size) == STRATA_OK)
        return result;
    result = steps_computed(number);
    /* If it cannot be kept, it is computed again next time: nothing to handle. */
    (void)strata_set(cache, &number, sizeof number, &result, sizeof result, NULL, NULL);
    return result;
}

int main(void) {
    struct strata_cache *cache;
    struct strata_statistics statistics;
    uint64_t round, number, most = 0;
    if (strata_open("memory:4mb", NULL, &cache) != STRATA_OK)
        return 1;
    for (round = 0; round < 10; round++)
        for (number = 1; number <= 10000; number++) {
            uint64_t result = steps(cache, number);
            if (result > most)
                most = result;
        }
    if (strata_stats(cache, &statistics) != STRATA_OK)
        return 1;
    printf("at most %llu steps; computed %u times, taken from the cache %llu times\n", (unsigned long long)most,
           computed, (unsigned long long)statistics.hits);
    strata_close(cache);
    return 0;
}
