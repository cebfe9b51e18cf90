/* core/cache/stale_readers_test.c: what has been told of as expired is read by nobody, whatever his clock says, though it stands where it stood.
 *
 * A writer writes generations under the same keys and lets them expire by its own clock. The readers' clocks stand still: by them nothing
 * ever expires.
 */
#include <pthread.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum { KEYS = 64, READERS = 3, LIMIT = 4 << 20, GENERATIONS = WORDS_TSAN ? 100 : 400, TTL_MS = 10, STALE_MS = 100000 };

struct scene {
    struct testing_cache t;
    uint64_t expired_count;   /* told of, by the writer */
    _Atomic uint64_t expired; /* the newest generation that has been told of as expired, all of it */
    _Atomic uint64_t checked, wrong;
    _Atomic uint32_t stop;
};

struct reader {
    struct scene *scene;
    struct testing_cache t; /* the same cache, with an actor of its own */
    uint32_t number;
    pthread_t thread;
};

static struct slice name_of(uint64_t number, char name[32]) {
    return slice_make(name, (size_t)snprintf(name, 32, "key:%u", (unsigned)number));
}

static void note(void *context, struct actor *actor, unsigned change, uint32_t db, struct slice name) {
    struct scene *scene = context;
    (void)actor, (void)db, (void)name;
    scene->expired_count += change == CACHE_EXPIRED;
}

static void *read_keys(void *context) {
    struct reader *reader = context;
    struct scene *scene = reader->scene;
    struct rng rng = rng_seeded(unit_seed() + reader->number);
    struct buf value;
    buf_init(&value, &memory_libc);
    while (!atomic_load(&scene->stop)) {
        uint64_t expired = atomic_load(&scene->expired), generation;
        char name[32];
        if (!testing_get(&reader->t, 0, name_of(rng_below(&rng, KEYS), name), &value, NULL))
            continue;
        assert_int_equal(value.size, sizeof generation);
        memcpy(&generation, value.data, sizeof generation);
        atomic_fetch_add(&scene->checked, 1);
        atomic_fetch_add(&scene->wrong, generation <= expired);
    }
    buf_fini(&value);
    return NULL;
}

static void write_and_expire(struct scene *scene, uint64_t generation) {
    struct testing_cache *t = &scene->t;
    uint64_t told = scene->expired_count;
    for (uint64_t i = 0; i < KEYS; i++) {
        struct cache_edit edit;
        char name[32];
        struct cache_key key = cache_key(t->cache, 0, name_of(i, name));
        cache_edit_begin(t->cache, &t->actor, &key, &edit);
        edit.set_stale_ms = STALE_MS;
        assert_int_equal(
            cache_edit_set(&edit, CACHE_STRING, slice_make(&generation, sizeof generation), t->actor.now_ms + TTL_MS),
            STATUS_OK);
        cache_edit_end(&edit);
    }
    for (t->actor.now_ms += TTL_MS; scene->expired_count < told + KEYS; t->actor.now_ms += TTL_MS)
        (void)cache_housekeep(t->cache, &t->actor);
    assert_int_equal(cache_count(t->cache, 0), KEYS);
    atomic_store(&scene->expired, generation);
}

static void what_was_told_is_read_by_no_clock(void **state) {
    (void)state;
    static struct scene scene;
    scene.t = testing_open_as((struct cache_options){
        .limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .changes = {note, &scene, 1 << CACHE_EXPIRED}});
    struct reader readers[READERS];
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.scene = &scene, .t = scene.t, .number = i};
        readers[i].t.actor = (struct actor){.id = 3 + i, .now_ms = scene.t.actor.now_ms};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_keys, &readers[i]), 0);
    }
    uint64_t generation = 0;
    while (generation < GENERATIONS || atomic_load(&scene.checked) == 0)
        write_and_expire(&scene, ++generation);
    atomic_store(&scene.stop, 1);
    for (uint32_t i = 0; i < READERS; i++)
        pthread_join(readers[i].thread, NULL);
    assert_int_equal(scene.wrong, 0);
    assert_int_equal(scene.expired_count, generation * KEYS);
    testing_close(&scene.t);
}

UNIT_TESTS(stale_readers, UNIT(what_was_told_is_read_by_no_clock));
