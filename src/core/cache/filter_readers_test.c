/* core/cache/filter_readers_test.c: lookups through filters while keys come and go and filters are built, grow and are switched.
 *
 * Some keys stand for the whole test: no reader may ever miss one. Writers own the others by remainder and know what became of each;
 * they read what they have just written, and must find exactly that.
 */
#include <pthread.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum {
    STANDING = 3000,
    MOVING = 12000,
    WRITERS = 2,
    READERS = 2,
    THREADS = WRITERS + READERS + 1,
    OPERATIONS_FACTOR = 50
};

struct arena_of_test {
    struct testing_cache t;
    uint64_t operations;
    _Atomic bool filtered; /* a reader has been told by a filter that a key is not there */
    _Atomic uint32_t missed, wrong, refused, stop;
};

struct worker {
    struct arena_of_test *test;
    struct actor actor;
    uint32_t number;
    pthread_t thread;
};

static struct cache_key key_number(struct arena_of_test *test, uint64_t number, char *text) {
    return cache_key(test->t.cache, 0, slice_make(text, (size_t)sprintf(text, "key:%llu", (unsigned long long)number)));
}

/* Whether the key is there with its own number as value. */
static bool is_there(struct worker *worker, uint64_t number, bool long_way) {
    char text[32];
    uint8_t value[CACHE_GLANCE_MAX];
    struct cache_sight sight;
    struct cache_key key = key_number(worker->test, number, text);
    enum cache_glance glance =
        long_way ? CACHE_GLANCE_UNSURE : cache_glance(worker->test->t.cache, &worker->actor, &key, &sight);
    if (glance == CACHE_GLANCE_UNSURE ||
        (glance == CACHE_GLANCE_HIT && !cache_glance_copy(&worker->actor, &sight, value))) {
        struct cache_info info;
        return cache_find(worker->test->t.cache, &worker->actor, &key, true, &info);
    }
    if (glance == CACHE_GLANCE_MISS)
        return false;
    uint64_t is;
    memcpy(&is, value, sizeof is);
    if (sight.size != sizeof is || is != number)
        atomic_fetch_add(&worker->test->wrong, 1);
    return true;
}

static void *read_all_the_time(void *context) {
    struct worker *worker = context;
    struct rng rng = rng_seeded(unit_seed() * 1000 + worker->number);
    while (!atomic_load(&worker->test->stop)) {
        uint64_t number = rng_below(&rng, STANDING);
        if (!is_there(worker, number, rng_below(&rng, 4) == 0))
            atomic_fetch_add(&worker->test->missed, 1);
        /* Absent for ever: what the filter says of it is seen in the counts. */
        if (is_there(worker, STANDING + MOVING + number, false))
            atomic_fetch_add(&worker->test->wrong, 1);
        if (worker->actor.counts.filtered)
            atomic_store(&worker->test->filtered, true);
    }
    return NULL;
}

/* All operations, and more until a filter has been in use: how soon that is depends on who gets to run. */
static bool goes_on(struct arena_of_test *test, uint64_t done) {
    return done < test->operations || (done < OPERATIONS_FACTOR * test->operations && !atomic_load(&test->filtered));
}

static void *write_all_the_time(void *context) {
    struct worker *worker = context;
    struct arena_of_test *test = worker->test;
    struct rng rng = rng_seeded(unit_seed() * 2000 + worker->number);
    uint64_t share = MOVING / WRITERS;
    bool *there = calloc(share, sizeof *there);
    for (uint64_t i = 0; goes_on(test, i); i++) {
        char text[32];
        uint64_t mine = rng_below(&rng, share), number = STANDING + mine * WRITERS + worker->number;
        struct cache_key key = key_number(test, number, text);
        if (rng_below(&rng, 10) < (i / 4000 % 2 ? 7 : 3)) {
            enum status status = cache_set(test->t.cache, &worker->actor, &key, slice_make(&number, sizeof number), 0);
            atomic_fetch_add(&test->refused, status != STATUS_OK);
            there[mine] = status == STATUS_OK;
        } else {
            cache_delete(test->t.cache, &worker->actor, &key);
            there[mine] = false;
        }
        if (is_there(worker, number, i % 8 == 0) != there[mine])
            atomic_fetch_add(&test->missed, 1);
        uint64_t other = rng_below(&rng, share);
        if (is_there(worker, STANDING + other * WRITERS + worker->number, i % 8 == 0) != there[other])
            atomic_fetch_add(&test->missed, 1);
        if (i % 16 == 0)
            (void)cache_housekeep(test->t.cache, &worker->actor);
    }
    free(there);
    return NULL;
}

static void *switch_all_the_time(void *context) {
    static const uint32_t rates_ppm[] = {100000, 30000, 10000, 200};
    struct worker *worker = context;
    struct rng rng = rng_seeded(unit_seed() * 3000);
    while (!atomic_load(&worker->test->stop)) {
        struct cache_filter_info info;
        enum status status = cache_filter_set(worker->test->t.cache, &worker->actor, 0, rng_below(&rng, 6) != 0,
                                              rates_ppm[rng_below(&rng, COUNT_OF(rates_ppm))]);
        if (status != STATUS_OK)
            atomic_fetch_add(&worker->test->wrong, 1);
        /* Long enough for most tables to be built and used; no clock says when. */
        for (uint64_t turns = rng_below(&rng, 300); turns > 0; turns--) {
            (void)cache_housekeep(worker->test->t.cache, &worker->actor);
            sched_yield();
        }
        if (cache_filter_info(worker->test->t.cache, &worker->actor, 0, &info) != STATUS_OK ||
            info.entries > STANDING + MOVING)
            atomic_fetch_add(&worker->test->wrong, 1);
    }
    return NULL;
}

static void run_threads(uint64_t limit_bytes, uint32_t shards) {
    struct arena_of_test *test = calloc(1, sizeof *test);
    struct worker *workers = calloc(THREADS, sizeof *workers);
    const char *text = getenv("STRATA_READER_OPS");
    test->operations = text ? strtoull(text, NULL, 0) : WORDS_TSAN ? 20000 : 100000;
    test->t = testing_open(limit_bytes, shards, CACHE_NOEVICTION);
    for (uint64_t i = 0; i < STANDING; i++) {
        char name[32];
        struct cache_key key = key_number(test, i, name);
        assert_int_equal(cache_set(test->t.cache, &test->t.actor, &key, slice_make(&i, sizeof i), 0), STATUS_OK);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] =
            (struct worker){.test = test, .number = i, .actor = {.id = 10 + i, .now_ms = test->t.actor.now_ms}};
        void *(*run)(void *) = i < WRITERS             ? write_all_the_time
                               : i < WRITERS + READERS ? read_all_the_time
                                                       : switch_all_the_time;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    uint64_t filtered = 0, unfiltered = 0, hits = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        if (i + 1 == WRITERS)
            atomic_store(&test->stop, 1);
        filtered += workers[i].actor.counts.filtered;
        unfiltered += workers[i].actor.counts.unfiltered;
        hits += workers[i].actor.counts.hits;
    }
    print_message("%llu hits, %llu misses proven, %llu let pass\n", (unsigned long long)hits,
                  (unsigned long long)filtered, (unsigned long long)unfiltered);
    assert_int_equal(test->missed, 0);
    assert_int_equal(test->wrong, 0);
    assert_int_equal(test->refused, 0);
    assert_true(filtered > 0);
    testing_close(&test->t);
    free(workers);
    free(test);
}

static void no_reader_misses_a_key_that_is_there(void **state) {
    (void)state;
    run_threads(4u << 20, 1);
    run_threads(16u << 20, 4);
}

UNIT_TESTS(filter_readers, UNIT(no_reader_misses_a_key_that_is_there));
