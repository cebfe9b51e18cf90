/* What the calls cost: nanoseconds each, the least of several rounds, for a number of entries.
 *
 *     embed_bench [ENTRIES [ROUNDS]]        1,000,000 and 5 unless told
 *     embed_bench --check                   tiny; only that it works
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <strata/strata.h>

#include "base/rng.h"
#include "sys/os/clock.h"

enum { KEY = 20, VALUE = 32, BATCH = 64, BUFFER = 512, OPERATIONS = 1 << 18 };

struct bench {
    struct strata_cache *cache;
    uint64_t entries, operations;
    struct rng rng;
    char (*keys)[KEY]; /* of the operations, in random order */
    char buffers[BATCH][BUFFER];
    uint64_t failures;
};

static void make_key(uint64_t number, char *ret_key) {
    char text[KEY + 12];
    snprintf(text, sizeof text, "key:%016llx", (unsigned long long)(number * 0x9e3779b97f4a7c15u));
    memcpy(ret_key, text, KEY);
}

static void choose(struct bench *b, bool hits) {
    for (uint64_t i = 0; i < b->operations; i++)
        make_key(rng_below(&b->rng, b->entries) + (hits ? 0 : b->entries), b->keys[i]);
}

static void get_single(struct bench *b) {
    size_t size;
    for (uint64_t i = 0; i < b->operations; i++)
        b->failures += strata_get(b->cache, b->keys[i], KEY, b->buffers[0], BUFFER, &size) != STRATA_OK;
}

static void get_missing(struct bench *b) {
    size_t size;
    for (uint64_t i = 0; i < b->operations; i++)
        b->failures += strata_get(b->cache, b->keys[i], KEY, b->buffers[0], BUFFER, &size) != STRATA_MISS;
}

static void get_batches_sized(struct bench *b, size_t buffer) {
    struct strata_get_item items[BATCH];
    for (uint64_t i = 0; i < b->operations; i += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++)
            items[k] = (struct strata_get_item){
                .key = b->keys[i + k], .key_size = KEY, .buffer = b->buffers[k], .buffer_size = buffer};
        b->failures += BATCH - strata_get_many(b->cache, items, BATCH);
    }
}
static void get_batches(struct bench *b) { get_batches_sized(b, BUFFER); }
static void get_batches_tight(struct bench *b) { get_batches_sized(b, VALUE); }

static void set_single(struct bench *b) {
    for (uint64_t i = 0; i < b->operations; i++)
        b->failures += strata_set(b->cache, b->keys[i], KEY, b->buffers[0], VALUE, NULL, NULL) != STRATA_OK;
}

static void set_batches(struct bench *b) {
    struct strata_set_item items[BATCH];
    for (uint64_t i = 0; i < b->operations; i += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++)
            items[k] = (struct strata_set_item){
                .key = b->keys[i + k], .key_size = KEY, .value = b->buffers[0], .value_size = VALUE};
        b->failures += BATCH - strata_set_many(b->cache, items, BATCH, NULL);
    }
}

static void increment(struct bench *b) {
    for (uint64_t i = 0; i < b->operations; i++)
        b->failures += strata_increment(b->cache, "counter", 7, 1, NULL, NULL) != STRATA_OK;
}

static const struct {
    const char *name;
    void (*run)(struct bench *b);
    bool hits;
} cases[] = {
    {"get hit", get_single, true},
    {"get hit, batches of 64", get_batches, true},
    {"get hit, batches of 64, tight buffers", get_batches_tight, true},
    {"get miss", get_missing, false},
    {"overwrite", set_single, true},
    {"overwrite, batches of 64", set_batches, true},
    {"increment of one counter", increment, true},
};

static void fill(struct bench *b) {
    char keys[BATCH][KEY];
    struct strata_set_item items[BATCH];
    for (uint64_t i = 0; i < b->entries; i += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++) {
            make_key(i + k, keys[k]);
            items[k] =
                (struct strata_set_item){.key = keys[k], .key_size = KEY, .value = b->buffers[k], .value_size = VALUE};
        }
        b->failures += BATCH - strata_set_many(b->cache, items, BATCH, NULL);
    }
}

int main(int argc, char **argv) {
    bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
    struct bench b = {.entries = check ? 1 << 10 : 1 << 20, .operations = check ? 1 << 10 : OPERATIONS};
    if (argc > 1 && !check)
        b.entries = strtoull(argv[1], NULL, 0) / BATCH * BATCH;
    int rounds = check ? 1 : argc > 2 ? atoi(argv[2]) : 5;
    struct strata_options options = {.limit_bytes = b.entries * 120 + (16 << 20)};
    if (strata_open("memory", &options, &b.cache) != STRATA_OK)
        return 1;
    b.rng = rng_seeded(1);
    b.keys = calloc(b.operations, KEY);
    if (!b.keys)
        return 1;
    fill(&b);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        double best = 1e9;
        for (int round = 0; round < rounds; round++) {
            choose(&b, cases[c].hits);
            uint64_t begin = clock_thread_cpu_ns();
            cases[c].run(&b);
            double ns = (double)(clock_thread_cpu_ns() - begin) / (double)b.operations;
            best = ns < best ? ns : best;
        }
        printf("%-40s %8.1f ns\n", cases[c].name, best);
    }
    free(b.keys);
    strata_close(b.cache);
    if (b.failures)
        fprintf(stderr, "%llu calls did not answer as they should\n", (unsigned long long)b.failures);
    return b.failures != 0;
}
