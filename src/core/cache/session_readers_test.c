/* core/cache/session_readers_test.c: a session ends at one moment, for readers without locks too.
 *
 * A writer begins one session after the other under the same keys, each of a generation, and ends each by removing its head. A reader that
 * misses a member of a complete generation has seen its end, and one that sees a generation has seen the end of those before: from then on
 * no other member may show them.
 */
#include <pthread.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { MEMBERS = 150, READERS = 3, LIMIT = 16 << 20, GENERATIONS = WORDS_TSAN ? 150 : 500 };

struct scene {
    struct testing_cache t;
    _Atomic uint64_t written; /* the newest generation of which all is written */
    _Atomic uint64_t ended;   /* the newest whose end has been answered */
    _Atomic uint64_t checked, wrong;
    _Atomic uint32_t stop;
};

struct reader {
    struct scene *scene;
    struct testing_cache t; /* the same cache, with an actor of its own */
    uint32_t number;
    pthread_t thread;
};

static struct slice member(uint64_t number, char name[32]) {
    return slice_make(name, (size_t)snprintf(name, 32, "cart:7:%u", (unsigned)number));
}

/* The generation that a member shows; 0: it is not there. */
static uint64_t generation_of(struct testing_cache *t, uint64_t number, struct buf *value) {
    char name[32];
    uint64_t generation = 0;
    if (!testing_get(t, 0, member(number, name), value, NULL))
        return 0;
    assert_int_equal(value->size, sizeof generation);
    memcpy(&generation, value->data, sizeof generation);
    return generation;
}

static void *read_members(void *context) {
    struct reader *reader = context;
    struct scene *scene = reader->scene;
    struct rng rng = rng_seeded(unit_seed() + reader->number);
    struct buf value;
    buf_init(&value, &memory_libc);
    while (!atomic_load(&scene->stop)) {
        uint64_t over = atomic_load(&scene->ended), written = atomic_load(&scene->written);
        for (int i = 0; i < 4; i++) {
            uint64_t seen = generation_of(&reader->t, rng_below(&rng, MEMBERS), &value);
            atomic_fetch_add(&scene->checked, seen != 0);
            atomic_fetch_add(&scene->wrong, seen != 0 && seen <= over);
            uint64_t least = seen ? seen - 1 : written;
            over = least > over ? least : over;
        }
    }
    buf_fini(&value);
    return NULL;
}

static void write_and_end(struct scene *scene, uint64_t generation) {
    struct testing_cache *t = &scene->t;
    struct slice value = slice_make(&generation, sizeof generation);
    char name[32];
    assert_int_equal(testing_set(t, 0, SLICE("session:7"), value, 0), STATUS_OK);
    for (uint64_t i = 0; i < MEMBERS; i++)
        assert_int_equal(testing_set(t, 0, member(i, name), value, 0), STATUS_OK);
    atomic_store(&scene->written, generation);
    struct cache_key head = cache_key(t->cache, 0, SLICE("session:7"));
    assert_true(cache_delete(t->cache, &t->actor, &head));
    atomic_store(&scene->ended, generation);
}

static void a_session_ends_at_one_moment(void **state) {
    (void)state;
    static const struct slice patterns[] = {{(const uint8_t *)"session:{sid}", 13},
                                            {(const uint8_t *)"cart:{sid}:*", 12}};
    const struct cache_store store = {
        .name = SLICE("sessions"), .patterns = patterns, .pattern_count = COUNT_OF(patterns), .policy = CACHE_SESSION};
    struct scene scene = {.t = {.actor = {.id = 1, .now_ms = 1700000000000u}, .range_size = 2 * LIMIT}};
    scene.t.range =
        mmap(NULL, scene.t.range_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(scene.t.range != MAP_FAILED);
    struct cache_options options = {.range = scene.t.range,
                                    .range_size = scene.t.range_size,
                                    .limit_bytes = LIMIT,
                                    .policy = CACHE_ALLKEYS_LFU,
                                    .seed = unit_seed(),
                                    .waiting = {testing_wait, testing_wake, NULL},
                                    .memory = &memory_libc,
                                    .stores = &store,
                                    .store_count = 1};
    assert_int_equal(cache_open(&options, &scene.t.cache), STATUS_OK);
    struct reader readers[READERS];
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.scene = &scene, .t = scene.t, .number = i};
        readers[i].t.actor = (struct actor){.id = 2 + i, .now_ms = scene.t.actor.now_ms};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_members, &readers[i]), 0);
    }
    uint64_t generation = 0;
    while (generation < GENERATIONS || atomic_load(&scene.checked) == 0)
        write_and_end(&scene, ++generation);
    atomic_store(&scene.stop, 1);
    for (uint32_t i = 0; i < READERS; i++)
        pthread_join(readers[i].thread, NULL);
    assert_int_equal(scene.wrong, 0);
    assert_int_equal(cache_count(scene.t.cache, 0), 0);
    testing_close(&scene.t);
}

UNIT_TESTS(session_readers, UNIT(a_session_ends_at_one_moment));
