/* test/engine/stress.c: many threads do everything that core/cache can at once, and every answer is held against the history.
 *
 * Each thread owns a part of the keys and changes those, by every way there is; all threads read all keys by every way there is. Beside
 * that some thread now and then moves the limit, the policy and the clock, flushes, verifies the whole engine or holds all locks. The run
 * is cut into scenes, each with a cache of its own: policy, shards, limit. A scene ends with a look at every key and cache_verify.
 *
 *     test_stress [SECONDS [THREADS [FAULT]]]     the seed is STRATA_SEED, else 1
 *
 * FAULT plants a bug to prove that it is found: `old` writes an older value again, `torn` a wrong byte, `lost` acknowledges a write that
 * was not made. Without a FAULT the run begins with all of these, each of which must be found.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "stress.h"

enum { STUCK_S = 120 }; /* without any operation: the threads wait for each other */

static const char *const fault_names[FAULT_COUNT] = {"none", "old", "torn", "lost"};

static const struct scene scenes[] = {
    {"lfu, 4 shards", CACHE_ALLKEYS_LFU, 4, 2048, 3 << 20, true, false, false, {0}},
    {"noeviction, room for all", CACHE_NOEVICTION, 2, 1024, 64 << 20, false, false, false, {0}},
    {"lru, one shard, smallest", CACHE_ALLKEYS_LRU, 1, 1024, 1 << 20, false, false, false, {0}},
    {"volatile-ttl", CACHE_VOLATILE_TTL, 4, 2048, 3 << 20, false, false, false, {0}},
    {"noeviction, full", CACHE_NOEVICTION, 4, 4096, 6 << 20, true, false, false, {0}},
    {"policies change", CACHE_ALLKEYS_RANDOM, 8, 4096, 6 << 20, true, true, false, {0}},
    {"stores are resized",
     CACHE_ALLKEYS_LFU,
     4,
     4096,
     6 << 20,
     true,
     false,
     true,
     {0, CACHE_NOEVICTION, CACHE_VOLATILE_LRU}},
    {"stores and sessions",
     CACHE_NOEVICTION,
     2,
     4096,
     5 << 20,
     false,
     false,
     true,
     {0, CACHE_ALLKEYS_LRU, CACHE_SESSION}},
};

/* --------------------------------------------------------------------------------------- the threads */

static void operate(struct worker *worker) {
    uint64_t dice = rng_below(&worker->rng, 1000);
    struct {
        uint32_t upto;
        void (*what)(struct worker *);
    } const table[] = {{400, stress_read},       {450, stress_read_batch}, {480, stress_pin_or_unpin},
                       {680, stress_set},        {820, stress_edit},       {840, stress_edit_twice},
                       {870, stress_erase},      {900, stress_upload},     {920, stress_write_group},
                       {950, stress_read_group}, {960, stress_copy},       {975, stress_watch},
                       {997, stress_scan},       {1000, stress_rarely}};
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (dice < table[i].upto)
            return table[i].what(worker);
}

static void *work(void *context) {
    struct worker *worker = context;
    struct run *run = worker->run;
    for (uint64_t i = 0; !atomic_load(&run->stop); i++) {
        if (i % 64 == 0) {
            atomic_fetch_add(&run->operations, 64);
            atomic_fetch_add(&run->world.clock_ms, 1);
            if (clock_steady_ms() >= run->deadline_ms)
                break;
        }
        worker->actor.now_ms = world_now_ms(&run->world);
        operate(worker);
        if (rng_below(&worker->rng, 16) == 0)
            (void)cache_housekeep(run->world.cache, &worker->actor);
        worker->tally.operations++;
    }
    for (int i = 0; i < STRESS_PINS_MAX; i++)
        if (worker->pins[i].pin.first)
            stress_unpin(worker, &worker->pins[i]);
    return NULL;
}

static void join_or_die(struct run *run, pthread_t thread) {
    uint64_t seen = atomic_load(&run->operations);
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += STUCK_S;
        int error = pthread_timedjoin_np(thread, NULL, &until);
        if (error != ETIMEDOUT)
            return;
        uint64_t now = atomic_load(&run->operations);
        if (now == seen) {
            printf("not ok %s - nothing moves any more, seed %llu\n", run->scene->name, (unsigned long long)run->seed);
            fflush(stdout);
            abort();
        }
        seen = now;
    }
}

static void add_up(struct tally *total, const struct worker *worker) {
    const uint64_t *from = (const uint64_t *)&worker->tally;
    for (size_t i = 0; i < sizeof *total / 8; i++)
        ((uint64_t *)total)[i] += from[i];
    total->filtered += worker->actor.counts.filtered;
    total->evicted += worker->actor.counts.evicted;
    total->expired += worker->actor.counts.expired;
    total->retries += worker->actor.counts.retries;
}

/* With all threads gone, every key must show its last state. */
static void check_all(struct run *run, struct worker *worker) {
    worker->actor.now_ms = world_now_ms(&run->world);
    for (uint64_t key = 0; key < run->scene->keys && !run->failures; key++) {
        char text[STRESS_NAME_SIZE];
        struct cache_key name = stress_name(run, key, text);
        stress_get(worker, &name, key);
    }
}

static enum history_losses losses_of(enum cache_policy policy) {
    return policy == CACHE_NOEVICTION     ? HISTORY_LOSES_NOTHING
           : policy == CACHE_SESSION      ? HISTORY_LOSES_SESSIONS
           : policy >= CACHE_VOLATILE_LRU ? HISTORY_LOSES_EXPIRING
                                          : HISTORY_LOSES_ANY;
}

static void open_world(struct run *run) {
    const struct scene *scene = run->scene;
    const struct slice left[] = {SLICE("l*")}, right[] = {SLICE("m{sid}"), SLICE("m{sid}:*")};
    struct cache_store stores[] = {{.name = SLICE("left"), .patterns = left, .pattern_count = COUNT_OF(left)},
                                   {.name = SLICE("right"), .patterns = right, .pattern_count = COUNT_OF(right)}};
    struct world_options options = {.limit_bytes = scene->limit_bytes,
                                    .range_bytes = 2 * scene->limit_bytes,
                                    .shards = scene->shards,
                                    .policy = scene->policy,
                                    .seed = run->seed,
                                    .stores = stores};
    /* Where nothing is evicted nobody need be told: there are shorter ways to write then. */
    if (scene->policy != CACHE_NOEVICTION || scene->resizes)
        options.changes = (struct cache_changes){stress_removed, run, CACHE_REMOVALS};
    run->history.store_count = 1;
    run->history.stores[0].losses = scene->changes_policy ? HISTORY_LOSES_ANY : losses_of(scene->policy);
    for (uint32_t i = 1; scene->resizes && i < HISTORY_STORES_MAX; i++) {
        stores[i - 1].policy = scene->policies[i];
        run->history.stores[i].losses = losses_of(scene->policies[i]);
        options.store_count++;
        run->history.store_count++;
    }
    world_open(&run->world, &options);
}

static struct worker *new_workers(struct run *run) {
    struct worker *workers = calloc(run->threads, sizeof *workers);
    for (uint32_t i = 0; workers && i < run->threads; i++) {
        struct worker *worker = &workers[i];
        *worker = (struct worker){.run = run, .number = i, .actor = {.id = 10 + i}};
        worker->rng = rng_seeded(run->seed * 1000 + i);
        worker->value = malloc(VALUE_SIZE_MAX);
        worker->got = malloc(VALUE_SIZE_MAX);
        if (!worker->value || !worker->got)
            return NULL;
    }
    return workers;
}

/* One scene; answers how many wrong things were seen. */
static uint32_t play(const struct scene *scene, uint32_t threads, uint64_t seed, uint64_t milliseconds,
                     enum fault fault, struct tally *total) {
    struct run *run = calloc(1, sizeof *run);
    struct worker *workers = NULL;
    if (run) {
        *run = (struct run){.scene = scene, .threads = threads, .seed = seed, .fault = fault};
        run->deadline_ms = clock_steady_ms() + milliseconds;
        workers = new_workers(run);
    }
    if (!workers)
        return printf("not ok %s - no memory for the test itself\n", scene->name), 1;
    open_world(run);
    for (uint32_t i = 0; i < threads; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            exit(1);
    for (uint32_t i = 0; i < threads; i++)
        join_or_die(run, workers[i].thread);
    check_all(run, &workers[0]);
    cache_verify(run->world.cache, &run->world.actor);
    for (uint32_t i = 0; i < threads; i++) {
        add_up(total, &workers[i]);
        free(workers[i].value);
        free(workers[i].got);
    }
    uint32_t failures = run->failures;
    world_close(&run->world);
    free(workers);
    free(run);
    return failures;
}

static void show(const char *name, const struct tally *t, uint64_t seed) {
    const struct {
        const char *what;
        uint64_t count;
    } figures[] = {
        {"operations", t->operations}, {"hits", t->hits},       {"misses", t->misses},   {"filtered", t->filtered},
        {"writes", t->writes},         {"full", t->full},       {"patched", t->patched}, {"appended", t->appended},
        {"uploaded", t->uploaded},     {"pinned", t->pinned},   {"scanned", t->scanned}, {"watched", t->watched},
        {"groups", t->grouped},        {"limits", t->limits},   {"flushes", t->flushes}, {"resized", t->resized},
        {"toggled", t->toggled},       {"evicted", t->evicted}, {"expired", t->expired}, {"retries", t->retries}};
    printf("# %s: seed %llu", name, (unsigned long long)seed);
    for (size_t i = 0; i < COUNT_OF(figures); i++)
        printf(", %llu %s", (unsigned long long)figures[i].count, figures[i].what);
    printf("\n");
}

/* A checker that finds nothing in a cache with planted bugs would prove nothing. */
static int find_planted(uint32_t threads, uint64_t seed, enum fault only) {
    int failed = 0;
    for (enum fault fault = FAULT_OLD; fault < FAULT_COUNT; fault++) {
        struct tally total = {0};
        if (only != FAULT_NONE && fault != only)
            continue;
        bool found = play(&scenes[1], threads, seed, 20000, fault, &total) != 0;
        printf("%s a planted fault is found: %s\n", found ? "ok" : "not ok", fault_names[fault]);
        failed += !found;
    }
    return failed;
}

int main(int argc, char **argv) {
    uint64_t seed = world_seed(), milliseconds = argc > 1 ? (uint64_t)(atof(argv[1]) * 1000) : 6000;
    uint32_t threads = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 16;
    enum fault only = FAULT_NONE;
    for (enum fault fault = FAULT_OLD; argc > 3 && fault < FAULT_COUNT; fault++)
        only = strcmp(argv[3], fault_names[fault]) == 0 ? fault : only;
    if (threads < 1 || threads > STRESS_THREADS_MAX || (argc > 3 && !only))
        return fprintf(stderr, "usage: test_stress [SECONDS [THREADS [old|torn|lost]]]\n"), 2;
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was said must not be lost when the program aborts */
    printf("# %u threads, seed %llu\n", threads, (unsigned long long)seed);
    int failed = find_planted(threads, seed, only);
    /* A long run plays the scenes again and again, each time with another seed. */
    enum { SCENE_MS_MAX = 20000 };
    uint64_t started = clock_steady_ms(), round_ms = milliseconds / COUNT_OF(scenes);
    if (round_ms > SCENE_MS_MAX)
        round_ms = SCENE_MS_MAX;
    do {
        for (size_t i = 0; i < COUNT_OF(scenes) && !failed && !only; i++, seed += 1) {
            struct tally total = {0};
            uint32_t failures = play(&scenes[i], threads, seed, round_ms, FAULT_NONE, &total);
            show(scenes[i].name, &total, seed);
            bool vacuous = total.hits == 0 || total.writes == 0 || total.expired == 0;
            printf("%s %s%s\n", failures || vacuous ? "not ok" : "ok", scenes[i].name,
                   failures  ? " - the history has holes"
                   : vacuous ? " - hardly anything happened"
                             : "");
            fflush(stdout);
            failed += failures || vacuous;
        }
    } while (!failed && !only && clock_steady_ms() - started + round_ms < milliseconds);
    return failed ? 1 : 0;
}
