/* What a filter costs and saves: filter_bench [ENTRIES] [ROUNDS] | --check.
 *
 * Two caches of the same keys, one with a filter, take turns at looking up keys that are there and keys that are not, and at writing and
 * deleting. The least time of all rounds is printed. With a third argument only one thing is done, to be counted by
 * valgrind --tool=callgrind --toggle-collect=measure: `off-hit`, `on-hit`, `off-miss`, `on-miss`, `off-write`, `on-write`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/assert.h"
#include "base/rng.h"
#include "core/cache/cache.h"

enum { BATCH = 20000, ENTRIES_DEFAULT = 1000000, ROUNDS_DEFAULT = 40, KEY_SIZE = 16, VALUE_SIZE = 32 };
enum what { HIT, MISS, WRITE, WHAT_COUNT };

static const char *const what_names[] = {"hit", "miss", "write"};

struct subject {
    struct cache *cache;
    struct actor actor;
    void *range;
    uint64_t range_size;
    double least_ns[WHAT_COUNT];
};

static void wait_never(void *context, _Atomic uint32_t *word, uint32_t seen) { (void)context, (void)word, (void)seen; }
static void wake_nobody(void *context, _Atomic uint32_t *word) { (void)context, (void)word; }

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct slice name_of(uint64_t number, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (int i = KEY_SIZE; i-- > 0; number >>= 4)
        text[i] = digits[number & 15];
    return slice_make(text, KEY_SIZE);
}

static void put(struct subject *subject, uint64_t number) {
    static const uint8_t value[VALUE_SIZE];
    char text[KEY_SIZE];
    struct cache_key key = cache_key(subject->cache, 0, name_of(number, text));
    enum status status = cache_set(subject->cache, &subject->actor, &key, slice_make(value, sizeof value), 0);
    ASSERT(status == STATUS_OK);
}

static void set_up(struct subject *subject, uint64_t entries, bool filter) {
    *subject = (struct subject){.actor = {.id = 2, .now_ms = 1700000000000u}};
    uint64_t limit = entries * 160 + (8u << 20);
    subject->range_size = 2 * limit;
    subject->range =
        mmap(NULL, subject->range_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(subject->range != MAP_FAILED);
    struct cache_options options = {
        .range = subject->range,
        .range_size = subject->range_size,
        .limit_bytes = limit,
        .shards = 1,
        .policy = CACHE_NOEVICTION,
        .seed = 1,
        .waiting = {wait_never, wake_nobody, NULL},
        .memory = &memory_libc,
    };
    enum status status = cache_open(&options, &subject->cache);
    ASSERT(status == STATUS_OK);
    for (uint64_t i = 0; i < entries; i++)
        put(subject, i);
    status = cache_filter_set(subject->cache, &subject->actor, 0, filter, 0);
    ASSERT(status == STATUS_OK);
    while (cache_housekeep(subject->cache, &subject->actor))
        continue;
    for (int i = 0; i < WHAT_COUNT; i++)
        subject->least_ns[i] = 1e18;
}

static void tear_down(struct subject *subject) {
    cache_close(subject->cache);
    munmap(subject->range, subject->range_size);
}

/* The part that is measured: keys in random order. A write is a new key, and a deletion so that the number of keys stays. */
__attribute__((noinline)) static void measure(struct subject *subject, enum what what, uint64_t entries, uint64_t seed,
                                              uint32_t count) {
    struct rng rng = rng_seeded(seed);
    uint8_t value[CACHE_GLANCE_MAX];
    for (uint32_t i = 0; i < count; i++) {
        char text[KEY_SIZE];
        struct cache_sight sight;
        uint64_t number = rng_below(&rng, entries) + (what == HIT ? 0 : entries);
        if (what == WRITE)
            put(subject, number);
        struct cache_key key = cache_key(subject->cache, 0, name_of(number, text));
        if (what == WRITE)
            (void)cache_delete(subject->cache, &subject->actor, &key);
        else if (cache_glance(subject->cache, &subject->actor, &key, &sight) == CACHE_GLANCE_HIT)
            (void)cache_glance_copy(&subject->actor, &sight, value);
    }
}

static void time_round(struct subject *subject, enum what what, uint64_t entries, uint64_t seed, uint32_t count) {
    double begun = now_ns();
    measure(subject, what, entries, seed, count);
    double each = (now_ns() - begun) / count;
    if (each < subject->least_ns[what])
        subject->least_ns[what] = each;
}

static int run_one(const char *wanted, uint64_t entries) {
    bool filter = strncmp(wanted, "on-", 3) == 0;
    const char *dash = strchr(wanted, '-');
    for (int what = 0; what < WHAT_COUNT; what++) {
        if (!dash || strcmp(dash + 1, what_names[what]) != 0)
            continue;
        struct subject subject;
        set_up(&subject, entries, filter);
        measure(&subject, (enum what)what, entries, 7, BATCH);
        printf("%s: %d operations, %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " of these proven by the filter\n",
               wanted, BATCH, subject.actor.counts.hits, subject.actor.counts.misses, subject.actor.counts.filtered);
        tear_down(&subject);
        return 0;
    }
    fprintf(stderr, "off-hit, on-hit, off-miss, on-miss, off-write or on-write, not %s\n", wanted);
    return 2;
}

static void run_all(uint64_t entries, int rounds, uint32_t count) {
    struct subject subjects[2];
    for (int i = 0; i < 2; i++)
        set_up(&subjects[i], entries, i == 1);
    for (int round = 0; round < rounds; round++)
        for (int what = 0; what < WHAT_COUNT; what++)
            for (int i = 0; i < 2; i++)
                time_round(&subjects[i], (enum what)what, entries, (uint64_t)(round * 2 + 1), count);
    struct cache_filter_info info;
    enum status status = cache_filter_info(subjects[1].cache, &subjects[1].actor, 0, &info);
    const struct actor_counts *counts = &subjects[1].actor.counts;
    ASSERT(status == STATUS_OK && info.state == CACHE_FILTER_ON);
    ASSERT(subjects[0].actor.counts.hits == counts->hits && subjects[0].actor.counts.misses == counts->misses);
    double asked = (double)(counts->filtered + counts->unfiltered);
    printf("%" PRIu64 " entries: filter of %.2f bytes an entry, load %.2f, expected rate %.4f %%, measured %.4f %%\n",
           entries, (double)info.bytes / (double)entries, (double)info.entries / (double)info.slots,
           info.expected_rate * 100, (double)counts->unfiltered / asked * 100);
    for (int what = 0; what < WHAT_COUNT; what++)
        printf("%-6s off %7.1f ns   on %7.1f ns   %+6.1f %%\n", what_names[what], subjects[0].least_ns[what],
               subjects[1].least_ns[what], (subjects[1].least_ns[what] / subjects[0].least_ns[what] - 1) * 100);
    for (int i = 0; i < 2; i++)
        tear_down(&subjects[i]);
}

int main(int argc, char **argv) {
    bool check_only = argc > 1 && strcmp(argv[1], "--check") == 0;
    long long entries = check_only ? 2000 : argc > 1 ? atoll(argv[1]) : ENTRIES_DEFAULT;
    int rounds = check_only ? 2 : argc > 2 ? atoi(argv[2]) : ROUNDS_DEFAULT;
    if (entries < 1 || rounds < 1 || argc > 4) {
        fprintf(stderr, "usage: %s [ENTRIES [ROUNDS [off-hit|on-hit|off-miss|on-miss|off-write|on-write]]] | --check\n",
                argv[0]);
        return 2;
    }
    if (argc == 4)
        return run_one(argv[3], (uint64_t)entries);
    run_all((uint64_t)entries, rounds, check_only ? 200 : BATCH);
    return 0;
}
