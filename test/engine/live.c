/* test/engine/live.c: live data that fills a given share of the limit, for a long time.
 *
 * Entries are overwritten with other sizes, deleted, and expire, while what lives stays at the wanted share of the limit, keys and values
 * counted alone. At 70 % nothing may be evicted although the policy would allow it; with noeviction at 85 % nothing may be refused, and
 * for each byte written at most eight may be copied. Every entry is known: what is read must be the last that was written.
 *
 *     test_live [SECONDS [CASE]]     all cases share the seconds, but each writes its limit some times over; the seed is STRATA_SEED, else 1
 *
 * Without SECONDS the caches are small and each case ends after those rounds.
 *
 * Time moves with the operations, so that TTLs mean the same on any machine.
 */
#include <math.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "world.h"

enum {
    OPERATIONS_A_MS = 20,
    TTL_MS_MAX = 60 * 1000,
    HOUSEKEEP_EVERY = 64, /* operations: a turn of a server's loop */
    READ_EVERY = 8,
    SWEEP_KEYS = 8, /* looked at after each operation for what has expired */
    COPIED_MAX = 8, /* bytes for each written one */
    ROUNDS_MIN = 3, /* times the limit that must be written, or the run says nothing */
    SHORT_PART = 2, /* of the limits, in a run without SECONDS */
    SIZE_MAX_BYTES = 1 << 20,
    NAME_SIZE = 12,
};

struct shape {
    const char *name;
    uint64_t (*draw)(struct rng *rng);
    uint32_t mean;
};

static uint64_t draw_fixed(struct rng *rng) { return (void)rng, 500; }
static uint64_t draw_uniform(struct rng *rng) { return 100 + rng_below(rng, 901); }
/* Lognormal, the median at 230 B. */
static uint64_t draw_mixed(struct rng *rng) {
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += rng_unit(rng);
    double size = 230 * exp(sum - 6);
    return size > 65536 ? 65536 : (uint64_t)size + 1;
}
/* Every octave from 1 B to 1 MiB as often as any other. */
static uint64_t draw_wide(struct rng *rng) { return (uint64_t)exp2(20 * rng_unit(rng)); }

static const struct shape fixed = {"fixed", draw_fixed, 500}, uniform = {"uniform", draw_uniform, 550},
                          mixed = {"mixed", draw_mixed, 380}, wide = {"wide", draw_wide, 75000};

struct life {
    const char *name;
    const struct shape *shape;
    enum cache_policy policy;
    uint32_t share_percent;
    uint64_t limit_bytes;
    uint32_t ttl_percent; /* of the writes */
};

static const struct life lives[] = {
    {"70 % live, allkeys-lfu, 100 to 1000 B", &uniform, CACHE_ALLKEYS_LFU, 70, 64 << 20, 25},
    {"70 % live, allkeys-lru, mixed sizes", &mixed, CACHE_ALLKEYS_LRU, 70, 64 << 20, 25},
    {"70 % live, allkeys-lfu, 1 B to 1 MiB", &wide, CACHE_ALLKEYS_LFU, 70, 256 << 20, 25},
    {"85 % live, noeviction, 100 to 1000 B", &uniform, CACHE_NOEVICTION, 85, 64 << 20, 0},
    {"85 % live, noeviction, fixed size", &fixed, CACHE_NOEVICTION, 85, 64 << 20, 0},
    {"85 % live, noeviction, mixed sizes", &mixed, CACHE_NOEVICTION, 85, 64 << 20, 10},
    {"85 % live, noeviction, 1 B to 1 MiB", &wide, CACHE_NOEVICTION, 85, 256 << 20, 10},
};

struct item {
    uint64_t expires_at_ms;
    uint32_t number; /* of the last write; 0: absent */
    uint32_t size;
};

struct run {
    const struct life *life;
    uint64_t limit_bytes;
    struct world world;
    struct rng rng;
    struct item *items;
    uint64_t keys, swept;
    uint64_t live, live_max; /* bytes of keys and values */
    uint64_t operations, written, deleted, expired, refused, wrong, read, sum,
        samples; /* sum: of live, over the samples */
    uint8_t *value, *got;
};

static struct cache_key name_of(struct run *run, uint64_t key, char text[NAME_SIZE + 1]) {
    snprintf(text, NAME_SIZE + 1, "key:%08llx", (unsigned long long)key);
    return cache_key(run->world.cache, 0, slice_make(text, NAME_SIZE));
}

/* A value is a word made of key and number, over and over. */
static void fill(uint8_t *bytes, uint64_t size, uint64_t key, uint32_t number) {
    uint64_t word = (key << 32 | number) * 0x9e3779b97f4a7c15u;
    for (; size >= 8; size -= 8, bytes += 8)
        memcpy(bytes, &word, 8);
    memcpy(bytes, &word, size);
}

static void forget(struct run *run, struct item *item) {
    run->live -= item->size + NAME_SIZE;
    *item = (struct item){0};
}

static bool is_gone(const struct run *run, const struct item *item) {
    return item->number && item->expires_at_ms && item->expires_at_ms <= run->world.actor.now_ms;
}

static void sweep(struct run *run) {
    for (int i = 0; i < SWEEP_KEYS; i++) {
        struct item *item = &run->items[run->swept++ % run->keys];
        if (is_gone(run, item)) {
            forget(run, item);
            run->expired++;
        }
    }
}

static void write_item(struct run *run, uint64_t key, struct item *item, uint64_t size) {
    char text[NAME_SIZE + 1];
    struct cache_key name = name_of(run, key, text);
    uint32_t number = (uint32_t)rng_next(&run->rng) | 1;
    bool expires = rng_below(&run->rng, 100) < run->life->ttl_percent;
    uint64_t expires_at_ms = expires ? run->world.actor.now_ms + 1 + rng_below(&run->rng, TTL_MS_MAX) : 0;
    fill(run->value, size, key, number);
    if (cache_set(run->world.cache, &run->world.actor, &name, slice_make(run->value, size), expires_at_ms) !=
        STATUS_OK) {
        run->refused++;
        return;
    }
    if (item->number)
        forget(run, item);
    *item = (struct item){expires_at_ms, number, (uint32_t)size};
    run->live += size + NAME_SIZE;
    run->written += size + NAME_SIZE;
}

static void delete_item(struct run *run, uint64_t key, struct item *item) {
    char text[NAME_SIZE + 1];
    struct cache_key name = name_of(run, key, text);
    if (!cache_delete(run->world.cache, &run->world.actor, &name))
        run->wrong++;
    forget(run, item);
    run->deleted++;
}

static void *room_to_read(void *context, uint64_t size) {
    struct run *run = context;
    return size <= SIZE_MAX_BYTES ? run->got : NULL;
}

static void read_item(struct run *run, uint64_t key) {
    char text[NAME_SIZE + 1];
    struct cache_key name = name_of(run, key, text);
    const struct item *item = &run->items[key];
    struct cache_read read = {.size_max = UINT64_MAX, .reserve = room_to_read, .context = run};
    bool found, wanted = item->number && !is_gone(run, item);
    enum status status = cache_get(run->world.cache, &run->world.actor, &name, &read, &found);
    run->read++;
    if (status != STATUS_OK || found != wanted) {
        run->wrong++;
        return;
    }
    if (!wanted)
        return;
    fill(run->value, item->size, key, item->number);
    run->wrong += read.size != item->size || memcmp(run->value, run->got, item->size) != 0 ||
                  read.info.expires_at_ms != item->expires_at_ms;
}

/* Overwrites a key or makes it; when that would be too much, something is deleted instead. */
static void operate(struct run *run) {
    uint64_t key = rng_below(&run->rng, run->keys), size = run->life->shape->draw(&run->rng);
    struct item *item = &run->items[key];
    if (is_gone(run, item)) {
        forget(run, item);
        run->expired++;
    }
    uint64_t after = run->live - (item->number ? item->size + NAME_SIZE : 0) + size + NAME_SIZE;
    if (after <= run->live_max && (!item->number || rng_below(&run->rng, 16)))
        write_item(run, key, item, size);
    else if (item->number)
        delete_item(run, key, item);
    sweep(run);
    if (rng_below(&run->rng, READ_EVERY) == 0)
        read_item(run, rng_below(&run->rng, run->keys));
    if (++run->operations % OPERATIONS_A_MS == 0)
        run->world.actor.now_ms++;
    if (run->operations % HOUSEKEEP_EVERY == 0) {
        (void)cache_housekeep(run->world.cache, &run->world.actor);
        run->sum += run->live;
        run->samples++;
    }
}

static bool start(struct run *run, const struct life *life, uint64_t seed, bool is_short) {
    *run = (struct run){.life = life, .rng = rng_seeded(seed)};
    run->limit_bytes = is_short ? life->limit_bytes / SHORT_PART : life->limit_bytes;
    run->live_max = run->limit_bytes / 100 * life->share_percent;
    /* A third more keys than fit, so that most are there. */
    run->keys = run->live_max / life->shape->mean * 4 / 3;
    run->items = calloc(run->keys, sizeof *run->items);
    run->value = malloc(SIZE_MAX_BYTES);
    run->got = malloc(SIZE_MAX_BYTES);
    if (!run->items || !run->value || !run->got)
        return false;
    world_open(
        &run->world,
        &(struct world_options){
            .limit_bytes = run->limit_bytes, .range_bytes = run->limit_bytes, .policy = life->policy, .seed = seed});
    return true;
}

static int expect(const struct life *life, const char *what, bool right) {
    printf("%s %s: %s\n", right ? "ok" : "not ok", life->name, what);
    return !right;
}

static int judge(struct run *run) {
    const struct life *life = run->life;
    const struct actor_counts *counts = &run->world.actor.counts;
    struct cache_stats stats;
    cache_stats(run->world.cache, &stats);
    double copied = run->written ? (double)counts->copied_bytes / (double)run->written : 0;
    double share = run->samples ? (double)run->sum / (double)run->samples / (double)run->limit_bytes * 100 : 0;
    printf(
        "# %s: %llu operations, %llu MiB written, %llu deleted, %llu expired, %llu read; live %.1f %% of the limit on "
        "average, engine "
        "%llu live %llu occupied of %llu; %.2f bytes copied a byte, %llu evicted, %llu refused\n",
        life->name, (unsigned long long)run->operations, (unsigned long long)run->written >> 20,
        (unsigned long long)run->deleted, (unsigned long long)counts->expired, (unsigned long long)run->read, share,
        (unsigned long long)stats.live_bytes, (unsigned long long)stats.occupied_bytes,
        (unsigned long long)stats.limit_bytes, copied, (unsigned long long)counts->evicted,
        (unsigned long long)run->refused);
    int failed = expect(life, "what is read is what was written last", run->wrong == 0);
    failed += expect(life, "nothing is evicted", counts->evicted == 0);
    failed += expect(life, "nothing is refused", run->refused == 0);
    if (life->policy == CACHE_NOEVICTION)
        failed += expect(life, "at most 8 bytes are copied for each written", copied <= COPIED_MAX);
    failed += expect(life, "it was full enough", share > 0.95 * life->share_percent);
    return failed;
}

static int live(const struct life *life, uint64_t seed, uint64_t milliseconds) {
    struct run run;
    if (!start(&run, life, seed, milliseconds == 0))
        return printf("not ok %s - no memory for the test itself\n", life->name), 1;
    /* What it was before the share was reached for the first time says nothing. */
    while (run.live < run.live_max / 100 * 98 && run.wrong + run.refused == 0)
        operate(&run);
    run.world.actor.counts.copied_bytes = run.written = run.sum = run.samples = 0;
    uint64_t started = clock_steady_ms();
    while (run.wrong + run.refused == 0 &&
           (clock_steady_ms() - started < milliseconds || run.written < ROUNDS_MIN * run.limit_bytes))
        for (int i = 0; i < 1000; i++)
            operate(&run);
    for (uint64_t key = 0; key < run.keys; key++)
        read_item(&run, key);
    cache_verify(run.world.cache, &run.world.actor);
    int failed = judge(&run);
    fflush(stdout);
    world_close(&run.world);
    free(run.items);
    free(run.value);
    free(run.got);
    return failed;
}

int main(int argc, char **argv) {
    uint64_t seed = world_seed(), milliseconds = argc > 1 ? (uint64_t)(atof(argv[1]) * 1000) : 0;
    const char *wanted = argc > 2 ? argv[2] : "";
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(lives); i++)
        count += strstr(lives[i].name, wanted) != NULL;
    if (count == 0)
        return fprintf(stderr, "usage: test_live [SECONDS [CASE]]\n"), 2;
    printf("# seed %llu\n", (unsigned long long)seed);
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(lives); i++)
        if (strstr(lives[i].name, wanted))
            failed += live(&lives[i], seed + i, milliseconds / count);
    return failed ? 1 : 0;
}
