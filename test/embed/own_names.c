/* A program whose functions are called as those inside the library are: each keeps its own. */
#include <stdio.h>
#include <string.h>

#include <strata/strata.h>

int cache_open(void);
int buf_grow(void);
int memory_libc = 42;
int words_read(void);
int engine_open(void);
int slot_number_take(void);
int assert_failed(void);

int cache_open(void) { return 1; }
int buf_grow(void) { return 2; }
int words_read(void) { return 3; }
int engine_open(void) { return 4; }
int slot_number_take(void) { return 5; }
int assert_failed(void) { return 6; }

int main(void) {
    struct strata_cache *cache;
    static char value[100000], got[sizeof value];
    size_t size;
    memset(value, 'v', sizeof value);
    if (strata_open("memory:4mb", NULL, &cache) != STRATA_OK ||
        strata_set(cache, "k", 1, value, sizeof value, NULL, NULL) != STRATA_OK ||
        strata_append(cache, "k", 1, "w", 0, NULL) != STRATA_OK ||
        strata_get(cache, "k", 1, got, sizeof got, &size) != STRATA_OK || size != sizeof value ||
        memcmp(value, got, size) != 0)
        return 1;
    strata_close(cache);
    printf("%d\n", memory_libc + cache_open() + buf_grow() + words_read() + engine_open() + slot_number_take() +
                       assert_failed());
    return 0;
}
