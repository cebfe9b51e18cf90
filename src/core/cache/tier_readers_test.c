/* core/cache/tier_readers_test.c: readers beside writers beside the tier's thread.
 *
 * Each key has one writer, who writes one generation after the other, deletes it, bans it or invalidates its tag, and notes the youngest generation that is over before
 * the next one begins. Readers read it wherever it is: what they are shown is no older than what was over when they began, and whole. Meanwhile others send keys
 * down, a thread moves records and lets them go, and housekeeping does what it does.
 */
#include <stdio.h>

#include "core/cache/tier_fixture.h"

enum {
    WRITERS = 2,
    READERS = 2,
    KEYS = 400, /* of each writer */
    WRITES = WORDS_TSAN ? 4000 : 40000,
    WRITES_MAX = 50 * WRITES, /* until everybody has had a turn */
    VALUE_MAX = 900,
    LIMIT = 768 << 10, /* so that much has to go down by itself */
};

struct scene {
    struct testing_cache t;
    struct keeper *keeper;
    _Atomic uint64_t over[WRITERS][KEYS]; /* generations up to this one are never to be seen again */
    _Atomic uint64_t begun[WRITERS][KEYS];
    _Atomic uint64_t shown, in_memory, wrong, turns, downs;
    _Atomic uint32_t writing;
};

struct player {
    struct scene *scene;
    struct testing_cache t; /* the same cache, with an actor of its own */
    uint32_t number;
    void (*play)(struct player *player, struct rng *rng);
    pthread_t thread;
    struct buf got;
};

static struct slice name_of(uint32_t writer, uint32_t key, char text[32]) {
    return slice_make(text, (size_t)snprintf(text, 32, "w%u:%u:", writer, key));
}

/* A value that tells its generation, and whether it is whole. */
static struct slice value_of(uint64_t generation, uint32_t size, uint8_t bytes[VALUE_MAX + 8]) {
    memcpy(bytes, &generation, sizeof generation);
    memset(bytes + sizeof generation, (int)(generation % 251), size);
    return slice_make(bytes, sizeof generation + size);
}

static bool is_whole(struct slice value, uint64_t *ret_generation) {
    if (value.size < sizeof *ret_generation)
        return false;
    memcpy(ret_generation, value.data, sizeof *ret_generation);
    for (size_t i = sizeof *ret_generation; i < value.size; i++)
        if (value.data[i] != *ret_generation % 251)
            return false;
    return true;
}

static void write_value(struct player *player, const struct cache_key *key, uint64_t generation, bool tagged,
                        struct rng *rng) {
    uint8_t bytes[VALUE_MAX + 8];
    char text[32];
    struct cache *cache = player->t.cache;
    struct slice value = value_of(generation, (uint32_t)rng_below(rng, VALUE_MAX), bytes), tag = name_of(9, 9, text);
    enum status status;
    if (!tagged) {
        status = cache_set(cache, &player->t.actor, key, value, 0);
    } else {
        struct cache_edit edit;
        cache_edit_begin(cache, &player->t.actor, key, &edit);
        tag = name_of(player->number + 10, (uint32_t)(key->hash % 7), text);
        edit.tags = &tag;
        edit.tag_count = 1;
        status = cache_edit_set(&edit, CACHE_STRING, value, 0);
        cache_edit_end(&edit);
    }
    assert_true(status == STATUS_OK || status == STATUS_FULL);
    if (status == STATUS_FULL)
        cache_delete(cache, &player->t.actor, key);
}

static void end_value(struct player *player, const struct cache_key *key, uint32_t which, struct rng *rng) {
    struct cache *cache = player->t.cache;
    char text[32];
    switch (rng_below(rng, 8)) {
        case 0:
            cache_delete(cache, &player->t.actor, key);
            break;
        case 1:
            (void)cache_tag_invalidate(cache, &player->t.actor,
                                       name_of(player->number + 10, (uint32_t)(key->hash % 7), text));
            cache_delete(cache, &player->t.actor, key); /* it may bear no tag */
            break;
        case 2:
            if (!cache_ban(cache, &player->t.actor, cache_place_of(cache, 0), name_of(player->number, which, text)))
                cache_delete(cache, &player->t.actor, key);
            break;
        default: /* the next write ends it */
            break;
    }
}

static bool all_had_a_turn(struct scene *scene) {
    return atomic_load(&scene->shown) > 50 && atomic_load(&scene->in_memory) > 50 && atomic_load(&scene->turns) > 50 &&
           atomic_load(&scene->downs) > 50;
}

static void play_writer(struct player *player, struct rng *rng) {
    struct scene *scene = player->scene;
    static _Atomic uint64_t last;
    for (uint64_t i = 0; i < WRITES || (i < WRITES_MAX && !all_had_a_turn(scene)); i++) {
        char text[32];
        uint32_t which = (uint32_t)rng_below(rng, KEYS);
        struct cache_key key = cache_key(player->t.cache, 0, name_of(player->number, which, text));
        uint64_t before = atomic_load(&scene->begun[player->number][which]), now = atomic_fetch_add(&last, 1) + 1;
        atomic_store(&scene->begun[player->number][which], now);
        end_value(player, &key, which, rng);
        write_value(player, &key, now, rng_below(rng, 3) == 0, rng);
        atomic_store(&scene->over[player->number][which], before);
    }
    atomic_fetch_sub(&scene->writing, 1);
}

static void play_reader(struct player *player, struct rng *rng) {
    struct scene *scene = player->scene;
    while (atomic_load(&scene->writing)) {
        char text[32];
        uint32_t writer = (uint32_t)rng_below(rng, WRITERS), which = (uint32_t)rng_below(rng, KEYS);
        uint64_t over = atomic_load(&scene->over[writer][which]), generation;
        struct cache_info info;
        enum fetched fetched = testing_fetch(&player->t, scene->keeper, 0, name_of(writer, which, text),
                                             rng_below(rng, 4) == 0, &player->got, &info);
        if (fetched == FETCHED_MISS)
            continue;
        atomic_fetch_add(fetched == FETCHED_SHOWN ? &scene->shown : &scene->in_memory, 1);
        bool right = is_whole(buf_slice(&player->got), &generation) && generation > over &&
                     generation <= atomic_load(&scene->begun[writer][which]);
        atomic_fetch_add(&scene->wrong, !right);
    }
}

/* Sends keys down, and walks. */
static void play_sender(struct player *player, struct rng *rng) {
    struct scene *scene = player->scene;
    while (atomic_load(&scene->writing)) {
        char text[32];
        struct cache_key key = cache_key(
            player->t.cache, 0, name_of((uint32_t)rng_below(rng, WRITERS), (uint32_t)rng_below(rng, KEYS), text));
        bool done;
        assert_int_equal(cache_tier_demote(player->t.cache, &player->t.actor, &key, &done), STATUS_OK);
        atomic_fetch_add(&scene->downs, done);
        if (rng_below(rng, 4) == 0)
            (void)cache_housekeep(player->t.cache, &player->t.actor);
        if (rng_below(rng, 50) == 0)
            (void)cache_tier_idle(player->t.cache, &player->t.actor, 0);
        if (rng_below(rng, 3000) == 0)
            cache_tier_clear_place(player->t.cache, &player->t.actor, 0);
        if (rng_below(rng, 3000) == 0)
            cache_flush(player->t.cache, &player->t.actor, 0);
    }
}

static void play_tier(struct player *player, struct rng *rng) {
    struct scene *scene = player->scene;
    while (atomic_load(&scene->writing)) {
        keeper_turn(scene->keeper, player->t.cache, &player->t.actor, rng_below(rng, 3) != 0);
        atomic_fetch_add(&scene->turns, 1);
        if (rng_below(rng, 4))
            sched_yield();
    }
}

static void *play(void *context) {
    struct player *player = context;
    struct rng rng = rng_seeded(unit_seed() * 100 + player->t.actor.id);
    player->play(player, &rng);
    return NULL;
}

static void nobody_sees_what_is_over(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    struct player players[WRITERS + READERS + 2];
    (void)state;
    scene->t = testing_open_as(
        (struct cache_options){.limit_bytes = LIMIT, .shards = 2, .policy = CACHE_ALLKEYS_LFU, .tiered = true});
    scene->keeper = keeper_new(unit_seed(), 2000);
    keeper_attach(scene->keeper, &scene->t, 1 << 20);
    scene->writing = WRITERS;
    for (uint32_t i = 0; i < COUNT_OF(players); i++) {
        struct player *player = &players[i];
        *player = (struct player){.scene = scene, .t = scene->t, .number = i};
        player->t.actor = (struct actor){.id = 10 + i, .now_ms = scene->t.actor.now_ms};
        player->play = i < WRITERS              ? play_writer
                       : i < WRITERS + READERS  ? play_reader
                       : i == WRITERS + READERS ? play_sender
                                                : play_tier;
        buf_init(&player->got, &memory_libc);
    }
    for (uint32_t i = 0; i < COUNT_OF(players); i++)
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    for (uint32_t i = 0; i < COUNT_OF(players); i++) {
        pthread_join(players[i].thread, NULL);
        buf_fini(&players[i].got);
    }
    if (scene->wrong)
        fail_msg("seed %llu: %llu wrong of %llu", (unsigned long long)unit_seed(), (unsigned long long)scene->wrong,
                 (unsigned long long)(scene->shown + scene->in_memory));
    assert_true(all_had_a_turn(scene));
    testing_close(&scene->t);
    keeper_free(scene->keeper);
    free(scene);
}

UNIT_TESTS(tier_readers, UNIT(nobody_sees_what_is_over));
