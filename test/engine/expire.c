/* test/engine/expire.c: how long a slice of housekeeping lasts while a million entries expire in the same second.
 *
 * A slice of expiry is what a thread gives to the engine between two requests, so the longest one is the pause that somebody may have to wait for.
 * Rounds of one seed are the same slice by slice: the least time of each slice over some rounds is what the slice takes, without what
 * else the machine does. Three lives:
 *
 *     together    all entries expire within one second
 *     mixed       as many others live an hour in the same segments
 *     spread      TTLs from a second to an hour, all sizes: the worst for finding what is due
 *
 *     test_expire [KEYS [PAUSE_US]]     fails if a slice takes longer; without PAUSE_US no time is judged
 */
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "core/store/reclaim.h"
#include "world.h"

enum { ROUNDS = 5, TURN_MS = 2, SECOND_MS = 1000, HOUR_MS = 3600 * 1000, SLICES_MAX = 1 << 20, GONE_MS_MAX = 5000 };

enum mode { TOGETHER, MIXED, SPREAD, MODES };
static const char *const mode_names[MODES] = {"together", "mixed", "spread"};

struct round {
    struct world world;
    struct rng rng;
    enum mode mode;
    uint64_t keys, moment_ms;
    uint32_t slices, *slice_ns; /* the least of this and the rounds before */
    uint64_t gone_ms, most_expired, looked_ms;
};

static void set(struct round *round, const char *prefix, uint64_t number, uint64_t expires_at_ms) {
    static const uint8_t bytes[1024];
    char text[32];
    size_t size = (size_t)snprintf(text, sizeof text, "%s%llu", prefix, (unsigned long long)number);
    size_t value = round->mode == SPREAD ? rng_below(&round->rng, sizeof bytes) : 32;
    struct cache_key key = cache_key(round->world.cache, 0, slice_make(text, size));
    enum status status =
        cache_set(round->world.cache, &round->world.actor, &key, slice_make(bytes, value), expires_at_ms);
    if (status == STATUS_OK)
        return;
    printf("not ok %s: loading - %s\n", mode_names[round->mode], status_text(status));
    exit(1);
}

static void load(struct round *round) {
    for (uint64_t i = 0; i < round->keys; i++) {
        uint64_t at_ms = round->moment_ms + rng_below(&round->rng, SECOND_MS);
        if (round->mode == SPREAD)
            at_ms = round->world.actor.now_ms + SECOND_MS + rng_below(&round->rng, HOUR_MS);
        set(round, "x", i, at_ms);
        if (round->mode == MIXED)
            set(round, "y", i, round->moment_ms + HOUR_MS + rng_below(&round->rng, HOUR_MS));
    }
}

/* A turn of a busy server: one slice. */
static void turn(struct round *round) {
    uint64_t expired = round->world.actor.counts.expired, begin_ns = clock_thread_cpu_ns();
    bool worked = cache_housekeep(round->world.cache, &round->world.actor);
    uint64_t ns = clock_thread_cpu_ns() - begin_ns;
    expired = round->world.actor.counts.expired - expired;
    if (expired > round->most_expired)
        round->most_expired = expired;
    if (worked && round->world.actor.expired_last && round->slices < SLICES_MAX) {
        uint32_t *least_ns = &round->slice_ns[round->slices++];
        *least_ns = ns < *least_ns ? (uint32_t)ns : *least_ns;
    }
    round->world.actor.now_ms += TURN_MS;
}

static uint64_t stays(const struct round *round) { return round->mode == MIXED ? round->keys : 0; }

static void run(struct round *round) {
    uint64_t end_ms = round->moment_ms + SECOND_MS, now_ms;
    /* Up to the moment in larger steps: nothing is due but a look now and then. */
    while (round->mode != SPREAD && round->world.actor.now_ms + 100 < round->moment_ms) {
        turn(round);
        round->world.actor.now_ms += 98;
    }
    if (round->mode == SPREAD)
        end_ms = round->world.actor.now_ms + SECOND_MS + HOUR_MS / 60;
    while ((now_ms = round->world.actor.now_ms) < end_ms + GONE_MS_MAX) {
        turn(round);
        if (!round->gone_ms && cache_count(round->world.cache, 0) <= stays(round) + stays(round) / 100)
            round->gone_ms = now_ms < end_ms ? 1 : now_ms - end_ms;
    }
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void show(const struct round *round, uint64_t seed) {
    printf("# %s: seed %llu, %llu keys, %llu expired in %u slices of at most %llu entries; gone after %llu ms\n",
           mode_names[round->mode], (unsigned long long)seed, (unsigned long long)round->keys,
           (unsigned long long)round->world.actor.counts.expired, round->slices,
           (unsigned long long)round->most_expired, (unsigned long long)round->gone_ms);
}

/* One round; answers how many slices it had, 0 if something was wrong. */
static uint32_t play(enum mode mode, uint64_t keys, uint64_t seed, bool first, uint32_t *slice_ns) {
    struct round round = {.mode = mode, .keys = keys, .rng = rng_seeded(seed), .slice_ns = slice_ns};
    uint64_t limit = 64 * (keys + 65536) * (mode == SPREAD ? 12 : mode == MIXED ? 4 : 2);
    world_open(&round.world, &(struct world_options){
                                 .limit_bytes = limit, .range_bytes = limit, .policy = CACHE_NOEVICTION, .seed = seed});
    round.moment_ms = round.world.actor.now_ms + 100 * SECOND_MS;
    load(&round);
    run(&round);
    bool bounded = round.most_expired <= RECLAIM_SLICE_ENTRIES && round.slices > 0;
    bool gone = mode == SPREAD || (round.gone_ms && cache_count(round.world.cache, 0) >= stays(&round));
    if (first || !bounded || !gone) {
        show(&round, seed);
        printf("%s %s: no slice removes more than %d entries\n", bounded ? "ok" : "not ok", mode_names[mode],
               RECLAIM_SLICE_ENTRIES);
        printf("%s %s: gone within %d ms\n", gone ? "ok" : "not ok", mode_names[mode], GONE_MS_MAX);
    }
    cache_verify(round.world.cache, &round.world.actor);
    world_close(&round.world);
    return bounded && gone ? round.slices : 0;
}

static int judge(enum mode mode, uint32_t slices, uint32_t *slice_ns, uint64_t pause_us) {
    qsort(slice_ns, slices, sizeof *slice_ns, by_number);
    uint32_t longest = slice_ns[slices - 1];
    printf("# %s: slices take p50 %.0f us, p99 %.0f us, max %.0f us\n", mode_names[mode], slice_ns[slices / 2] / 1e3,
           slice_ns[slices * 99ull / 100] / 1e3, longest / 1e3);
    bool quick = longest <= pause_us * 1000;
    printf("%s %s: no pause above %llu us\n", quick ? "ok" : "not ok", mode_names[mode], (unsigned long long)pause_us);
    return !quick;
}

int main(int argc, char **argv) {
    uint64_t seed = world_seed(), keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    uint64_t pause_us = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    uint32_t *slice_ns = malloc(SLICES_MAX * sizeof *slice_ns);
    int failed = !slice_ns;
    for (enum mode mode = TOGETHER; mode < MODES && !failed; mode++) {
        uint32_t slices = 0;
        memset(slice_ns, 0xff, SLICES_MAX * sizeof *slice_ns);
        for (int i = 0; i < (pause_us ? ROUNDS : 1) && !failed; i++) {
            uint32_t count = play(mode, keys, seed, i == 0, slice_ns);
            failed += count == 0 || (i > 0 && count != slices);
            slices = count;
        }
        if (pause_us && !failed)
            failed += judge(mode, slices, slice_ns, pause_us);
        fflush(stdout);
    }
    free(slice_ns);
    return failed ? 1 : 0;
}
