/* core/cache/readers_test.c: readers without locks against writers, with a checker of histories.
 *
 * Every value says whose it is, its version, and is filled with a pattern made of both. Writers own keys of their own and write
 * growing versions; readers keep the highest version that they have seen of each key. A read is wrong if the value is torn
 * (pattern), foreign (another key's), or older than one that this reader has seen, or than the version whose write had returned
 * before the read began. Memory is small, so that segments are reclaimed and used again all the time.
 */
#include <pthread.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { KEYS_MAX = 4096, VALUE_MAX = 200000, THREADS_MAX = 16, MANY_EVERY = 16 };

struct arena_of_test {
    struct testing_cache t;
    uint32_t keys, writers, readers;
    uint64_t operations;                /* per thread */
    uint32_t large_every;               /* one key in so many has values of up to VALUE_MAX bytes */
    _Atomic uint64_t written[KEYS_MAX]; /* versions whose write has returned */
    _Atomic uint64_t checked, hits;
    _Atomic uint32_t failures;
    _Atomic uint32_t stop;
};

struct stamp {
    uint64_t key, version, size, check;
};

struct worker {
    struct arena_of_test *test;
    struct actor actor;
    uint32_t number;
    struct buf value;
    uint64_t seen[KEYS_MAX];
    pthread_t thread;
};

static struct cache_key key_number(struct arena_of_test *test, uint64_t number, char *text) {
    size_t size = (size_t)sprintf(text, "k%llu", (unsigned long long)number);
    return cache_key(test->t.cache, 0, slice_make(text, size));
}

static uint64_t size_of(const struct arena_of_test *test, uint64_t key, uint64_t version) {
    uint64_t most = test->large_every && key % test->large_every == 0 ? VALUE_MAX : 300;
    return sizeof(struct stamp) + (key * 7919 + version * 104729) % most;
}

static uint8_t pattern(uint64_t key, uint64_t version, uint64_t at) {
    return (uint8_t)(key * 31 + version * 17 + at / 61);
}

static struct slice make_value(struct worker *worker, uint64_t key, uint64_t version) {
    uint64_t size = size_of(worker->test, key, version);
    struct stamp stamp = {key, version, size, key ^ version * 0x9e3779b97f4a7c15u};
    memcpy(worker->value.data, &stamp, sizeof stamp);
    for (uint64_t at = sizeof stamp; at < size; at++)
        worker->value.data[at] = pattern(key, version, at);
    return slice_make(worker->value.data, size);
}

static void found_wrong(struct arena_of_test *test, const char *what, uint64_t key, const struct stamp *stamp,
                        uint64_t floor) {
    if (atomic_fetch_add(&test->failures, 1) < 5)
        fprintf(stderr, "%s: key %llu holds key %llu version %llu size %llu; at least version %llu expected\n", what,
                (unsigned long long)key, (unsigned long long)stamp->key, (unsigned long long)stamp->version,
                (unsigned long long)stamp->size, (unsigned long long)floor);
    atomic_store(&test->stop, 1);
}

static void check_value(struct worker *worker, uint64_t key, uint64_t floor) {
    struct arena_of_test *test = worker->test;
    struct stamp stamp = {0};
    if (worker->value.size >= sizeof stamp)
        memcpy(&stamp, worker->value.data, sizeof stamp);
    if (stamp.key != key || stamp.check != (key ^ stamp.version * 0x9e3779b97f4a7c15u))
        return found_wrong(test, "foreign or torn", key, &stamp, floor);
    if (stamp.size != worker->value.size || stamp.size != size_of(test, key, stamp.version))
        return found_wrong(test, "wrong size", key, &stamp, floor);
    for (uint64_t at = sizeof stamp; at < stamp.size; at++)
        if (worker->value.data[at] != pattern(key, stamp.version, at))
            return found_wrong(test, "torn", key, &stamp, floor);
    if (stamp.version < floor || stamp.version < worker->seen[key])
        return found_wrong(test, "older than before", key, &stamp,
                           floor > worker->seen[key] ? floor : worker->seen[key]);
    worker->seen[key] = stamp.version;
}

/* A batch: every value that it answers must be as whole and as fresh as one that is read alone. */
static void read_many(struct worker *worker, struct rng *rng) {
    struct arena_of_test *test = worker->test;
    struct cache_wish wishes[CACHE_MANY_MAX];
    uint64_t numbers[CACHE_MANY_MAX], floors[CACHE_MANY_MAX];
    static _Thread_local char texts[CACHE_MANY_MAX][32];
    static _Thread_local uint8_t values[CACHE_MANY_MAX][CACHE_GLANCE_MAX];
    uint32_t count = 1 + (uint32_t)rng_below(rng, CACHE_MANY_MAX);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = rng_below(rng, test->keys);
        floors[i] = atomic_load(&test->written[numbers[i]]);
        struct cache_key key = key_number(test, numbers[i], texts[i]);
        wishes[i] = (struct cache_wish){.name = key.name, .to = values[i], .room = CACHE_GLANCE_MAX};
    }
    cache_glance_many(test->t.cache, &worker->actor, 0, wishes, count);
    for (uint32_t i = 0; i < count; i++) {
        if (wishes[i].answer != CACHE_GLANCE_HIT)
            continue;
        worker->value.size = 0;
        if (buf_append(&worker->value, wishes[i].to, wishes[i].size) != STATUS_OK)
            atomic_store(&test->stop, 1);
        uint64_t seen = worker->seen[numbers[i]];
        check_value(worker, numbers[i], floors[i]);
        /* The keys of a batch are read in any order: the same key may be there twice. */
        worker->seen[numbers[i]] = seen;
        atomic_fetch_add_explicit(&test->hits, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&test->checked, count, memory_order_relaxed);
}

static void *read_all_the_time(void *context) {
    struct worker *worker = context;
    struct arena_of_test *test = worker->test;
    struct rng rng = rng_seeded(unit_seed() * 1000 + worker->number);
    for (uint64_t i = 0; i < test->operations && !atomic_load(&test->stop); i++) {
        char text[32];
        if (rng_below(&rng, MANY_EVERY) == 0) {
            read_many(worker, &rng);
            continue;
        }
        uint64_t number = rng_below(&rng, test->keys);
        struct cache_key key = key_number(test, number, text);
        uint64_t floor = atomic_load(&test->written[number]);
        struct cache_read read = {.size_max = UINT64_MAX, .reserve = testing_reserve, .context = &worker->value};
        bool found;
        if (cache_get(test->t.cache, &worker->actor, &key, &read, &found) != STATUS_OK)
            atomic_store(&test->stop, 1);
        if (found)
            check_value(worker, number, floor);
        atomic_fetch_add_explicit(&test->checked, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&test->hits, found, memory_order_relaxed);
    }
    return NULL;
}

static void *write_all_the_time(void *context) {
    struct worker *worker = context;
    struct arena_of_test *test = worker->test;
    struct rng rng = rng_seeded(unit_seed() * 2000 + worker->number);
    uint64_t *versions = worker->seen; /* a writer's own */
    for (uint64_t i = 0; i < test->operations && !atomic_load(&test->stop); i++) {
        char text[32];
        /* Keys are divided among the writers by remainder. */
        uint64_t number = rng_below(&rng, test->keys / test->writers) * test->writers + worker->number % test->writers;
        struct cache_key key = key_number(test, number, text);
        switch (rng_below(&rng, 16)) {
            case 0:
                cache_delete(test->t.cache, &worker->actor, &key);
                break;
            case 1:
                (void)cache_housekeep(test->t.cache, &worker->actor);
                break;
            default: {
                uint64_t version = ++versions[number];
                uint64_t expires = rng_below(&rng, 8) ? 0 : worker->actor.now_ms + 1000000;
                enum status status =
                    cache_set(test->t.cache, &worker->actor, &key, make_value(worker, number, version), expires);
                if (status == STATUS_OK)
                    atomic_store(&test->written[number], version);
                else if (status != STATUS_FULL)
                    atomic_store(&test->stop, 1);
            }
        }
    }
    return NULL;
}

static void run_threads(struct arena_of_test *test) {
    struct worker *workers = calloc(THREADS_MAX, sizeof *workers);
    assert_non_null(workers);
    uint32_t count = test->writers + test->readers;
    assert_true(count <= THREADS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        workers[i] =
            (struct worker){.test = test, .number = i, .actor = {.id = 10 + i, .now_ms = test->t.actor.now_ms}};
        buf_init(&workers[i].value, &memory_libc);
        assert_int_equal(buf_reserve(&workers[i].value, VALUE_MAX + 1000), STATUS_OK);
        assert_int_equal(pthread_create(&workers[i].thread, NULL,
                                        i < test->writers ? write_all_the_time : read_all_the_time, &workers[i]),
                         0);
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        buf_fini(&workers[i].value);
    }
    free(workers);
    print_message("%llu reads checked, %llu hits\n", (unsigned long long)test->checked, (unsigned long long)test->hits);
    assert_int_equal(test->failures, 0);
    assert_int_equal(test->stop, 0);
}

static uint64_t operations(void) {
    const char *text = getenv("STRATA_READER_OPS");
    return text ? strtoull(text, NULL, 0) : WORDS_TSAN ? 4000 : 20000;
}

static struct arena_of_test *new_test(uint32_t keys, uint32_t writers, uint32_t readers, uint32_t large_every) {
    struct arena_of_test *test = calloc(1, sizeof *test);
    assert_non_null(test);
    *test = (struct arena_of_test){
        .keys = keys, .writers = writers, .readers = readers, .large_every = large_every, .operations = operations()};
    return test;
}

static void readers_of_small_values_see_whole_fresh_values(void **state) {
    (void)state;
    struct arena_of_test *test = new_test(256, 2, 6, 0);
    test->t = testing_open(4u << 20, 2, CACHE_ALLKEYS_LFU);
    run_threads(test);
    testing_close(&test->t);
    free(test);
}

static void readers_survive_splits_and_reclaim(void **state) {
    (void)state;
    struct arena_of_test *test = new_test(KEYS_MAX, 4, 4, 0);
    test->t = testing_open(1u << 20, 1, CACHE_ALLKEYS_LFU);
    run_threads(test);
    testing_close(&test->t);
    free(test);
}

static void readers_of_large_values_see_whole_fresh_values(void **state) {
    (void)state;
    struct arena_of_test *test = new_test(64, 2, 6, 4);
    test->operations /= 4;
    test->t = testing_open(16u << 20, 2, CACHE_ALLKEYS_LFU);
    run_threads(test);
    testing_close(&test->t);
    free(test);
}

/* Writers move two keys of different shards together; readers at one moment never see them apart. */
static void *move_pairs(void *context) {
    struct worker *worker = context;
    struct arena_of_test *test = worker->test;
    for (uint64_t i = 1; i <= test->operations && !atomic_load(&test->stop); i++) {
        char texts[8][32];
        struct cache_key keys[8];
        for (uint64_t k = 0; k < 8; k++)
            keys[k] = key_number(test, k, texts[k]);
        cache_lock_keys(test->t.cache, &worker->actor, keys, 8, 1024);
        uint64_t value[2] = {worker->number, i};
        for (uint64_t k = 0; k < 8; k++)
            if (cache_set(test->t.cache, &worker->actor, &keys[k], slice_make(value, sizeof value), 0) != STATUS_OK)
                atomic_store(&test->stop, 1);
        cache_unlock(test->t.cache, &worker->actor);
    }
    return NULL;
}

static bool read_pairs_once(struct worker *worker, const struct cache_key *keys, uint64_t values[8][2]) {
    for (uint64_t k = 0; k < 8; k++) {
        struct cache_read read = {.size_max = UINT64_MAX, .reserve = testing_reserve, .context = &worker->value};
        bool found;
        values[k][0] = values[k][1] = 0;
        if (cache_get(worker->test->t.cache, &worker->actor, &keys[k], &read, &found) != STATUS_OK)
            return false;
        if (found)
            memcpy(values[k], worker->value.data, 16);
    }
    return true;
}

static void *watch_pairs(void *context) {
    struct worker *worker = context;
    struct arena_of_test *test = worker->test;
    char texts[8][32];
    struct cache_key keys[8];
    for (uint64_t k = 0; k < 8; k++)
        keys[k] = key_number(test, k, texts[k]);
    for (uint64_t i = 0; i < test->operations && !atomic_load(&test->stop); i++) {
        uint64_t values[8][2];
        bool whole = false;
        for (int tries = 0; tries < 8 && !whole; tries++) {
            struct cache_moment moment = cache_moment_begin(test->t.cache, keys, 8);
            if (!read_pairs_once(worker, keys, values))
                atomic_store(&test->stop, 1);
            whole = cache_moment_holds(test->t.cache, keys, 8, moment);
        }
        if (!whole) {
            cache_lock_keys(test->t.cache, &worker->actor, keys, 8, 0);
            if (!read_pairs_once(worker, keys, values))
                atomic_store(&test->stop, 1);
            cache_unlock(test->t.cache, &worker->actor);
        }
        for (uint64_t k = 1; k < 8; k++)
            if (values[k][0] != values[0][0] || values[k][1] != values[0][1]) {
                atomic_fetch_add(&test->failures, 1);
                atomic_store(&test->stop, 1);
            }
        atomic_fetch_add_explicit(&test->checked, 1, memory_order_relaxed);
    }
    return NULL;
}

static void several_keys_are_read_at_one_moment(void **state) {
    (void)state;
    struct arena_of_test *test = new_test(8, 3, 3, 0);
    test->operations /= 4;
    test->t = testing_open(64u << 20, 8, CACHE_NOEVICTION);
    struct worker *workers = calloc(6, sizeof *workers);
    for (uint32_t i = 0; i < 6; i++) {
        workers[i] =
            (struct worker){.test = test, .number = i, .actor = {.id = 10 + i, .now_ms = test->t.actor.now_ms}};
        buf_init(&workers[i].value, &memory_libc);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, i < 3 ? move_pairs : watch_pairs, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < 6; i++) {
        pthread_join(workers[i].thread, NULL);
        buf_fini(&workers[i].value);
    }
    free(workers);
    assert_int_equal(test->failures, 0);
    assert_int_equal(test->stop, 0);
    testing_close(&test->t);
    free(test);
}

UNIT_TESTS(readers, UNIT(readers_of_small_values_see_whole_fresh_values), UNIT(readers_survive_splits_and_reclaim),
           UNIT(readers_of_large_values_see_whole_fresh_values), UNIT(several_keys_are_read_at_one_moment));
