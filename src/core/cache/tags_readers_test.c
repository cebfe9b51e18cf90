/* core/cache/tags_readers_test.c: what was invalidated does not come back, whoever changes it meanwhile.
 *
 * One thread writes all keys of a tag in one generation after the other, and invalidates the tag after each, or bans its keys: once that has been answered,
 * no read may show that generation. Others patch, expire, copy and retag the same keys as they find them, and housekeeping moves them. One
 * looks for what bears a tag; now and then all is flushed.
 */
#include <pthread.h>
#include <stdio.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"

enum {
    TAGS = 2,
    KEYS = 12,
    READERS = 2,
    CHANGERS = 2,
    COUNTERS = 1,
    LIMIT = 2 << 20,
    GENERATIONS = WORDS_TSAN ? 150 : 2000,
    GENERATIONS_MAX = 100 * GENERATIONS, /* until everybody has had a turn, on a machine that has others to run */
    FLUSH_EVERY = 20,                    /* generations */
};

struct scene {
    struct testing_cache t;
    _Atomic uint64_t over[TAGS]; /* the newest generation whose invalidation has been answered */
    _Atomic uint64_t checked, changed, banned, counted, wrong;
    _Atomic uint32_t writing;
};

struct player {
    struct scene *scene;
    struct testing_cache t; /* the same cache, with an actor of its own */
    uint32_t number;
    void (*play)(struct player *player, struct rng *rng);
    pthread_t thread;
};

static struct slice name_of(uint32_t tag, uint64_t key, char name[32]) {
    return slice_make(name, (size_t)snprintf(name, 32, "of%u:%u", tag, (unsigned)key));
}
static struct slice tag_of(uint32_t tag, char name[32]) {
    return slice_make(name, (size_t)snprintf(name, 32, "tag%u", tag));
}

/* The same by a pattern. False: there are too many at the time. */
static bool ban_all(struct player *player) {
    struct cache *cache = player->t.cache;
    char text[32];
    struct slice pattern = slice_make(text, (size_t)snprintf(text, sizeof text, "of%u:*", player->number));
    bool banned = cache_ban(cache, &player->t.actor, cache_place_of(cache, 0), pattern);
    atomic_fetch_add(&player->scene->banned, banned);
    return banned;
}

static bool all_had_a_turn(struct scene *scene) {
    return atomic_load(&scene->checked) && atomic_load(&scene->changed) && atomic_load(&scene->banned) &&
           atomic_load(&scene->counted);
}

static void write_generations(struct player *player, struct rng *rng) {
    struct testing_cache *t = &player->t;
    char name[32], tag_name[32];
    struct slice tag = tag_of(player->number, tag_name);
    for (uint64_t generation = 1;
         generation <= GENERATIONS || (generation <= GENERATIONS_MAX && !all_had_a_turn(player->scene)); generation++) {
        uint64_t value[1 + 300 / 8] = {generation};
        for (uint64_t i = 0; i < KEYS; i++) {
            struct cache_key key = cache_key(t->cache, 0, name_of(player->number, i, name));
            struct cache_edit edit;
            cache_edit_begin(t->cache, &t->actor, &key, &edit);
            edit.tags = &tag;
            edit.tag_count = 1;
            uint64_t size = 8 + rng_below(rng, sizeof value - 7);
            assert_int_equal(cache_edit_set(&edit, CACHE_STRING, slice_make(value, size), 0), STATUS_OK);
            cache_edit_end(&edit);
        }
        if (!(rng_below(rng, 2) && ban_all(player)))
            (void)cache_tag_invalidate(t->cache, &t->actor, tag);
        if (rng_below(rng, FLUSH_EVERY) == 0)
            cache_flush_all(t->cache, &t->actor);
        atomic_store(&player->scene->over[player->number], generation);
        (void)cache_housekeep(t->cache, &t->actor);
    }
    atomic_fetch_sub(&player->scene->writing, 1);
}

/* False: it is not there. */
static bool read_key(struct player *player, struct slice name, struct rng *rng, uint64_t *ret_seen) {
    uint8_t bytes[CACHE_GLANCE_MAX];
    struct cache_wish wish = {.name = name, .to = bytes, .room = sizeof bytes, .answer = CACHE_GLANCE_UNSURE};
    if (rng_below(rng, 2))
        cache_glance_many(player->t.cache, &player->t.actor, 0, &wish, 1);
    bool found = wish.answer == CACHE_GLANCE_HIT;
    if (found)
        memcpy(ret_seen, bytes, sizeof *ret_seen);
    if (wish.answer != CACHE_GLANCE_UNSURE)
        return found;
    struct buf value;
    buf_init(&value, &memory_libc);
    found = testing_get(&player->t, 0, name, &value, NULL);
    if (found)
        memcpy(ret_seen, value.data, sizeof *ret_seen);
    buf_fini(&value);
    return found;
}

static void read_once(struct player *player, struct rng *rng) {
    char name[32];
    uint32_t tag = (uint32_t)rng_below(rng, TAGS);
    uint64_t over = atomic_load(&player->scene->over[tag]), seen;
    if (!read_key(player, name_of(tag, rng_below(rng, KEYS + 1), name), rng, &seen))
        return;
    atomic_fetch_add(&player->scene->checked, 1);
    atomic_fetch_add(&player->scene->wrong, seen <= over);
}

static void read_all(struct player *player, struct rng *rng) {
    while (atomic_load(&player->scene->writing))
        read_once(player, rng);
}

/* The copy goes to a key that nobody else writes. */
static void change_once(struct player *player, struct rng *rng, uint32_t tag) {
    struct testing_cache *t = &player->t;
    char name[32], copy_name[32], tag_names[2][32];
    struct slice tags[] = {tag_of(tag, tag_names[0]), slice_make(tag_names[1], 0)};
    struct cache_key keys[] = {cache_key(t->cache, 0, name_of(tag, rng_below(rng, KEYS), name)),
                               cache_key(t->cache, 0, name_of(tag, KEYS, copy_name))};
    struct cache_edit edit, copy;
    cache_lock_keys(t->cache, &t->actor, keys, 2, 1000);
    cache_edit_begin(t->cache, &t->actor, &keys[0], &edit);
    cache_edit_begin(t->cache, &t->actor, &keys[1], &copy);
    tags[1].size = (size_t)snprintf(tag_names[1], sizeof tag_names[1], "other%d", (int)rng_below(rng, 5));
    enum status status = STATUS_OK;
    if (rng_below(rng, 2))
        sched_yield(); /* what has been found may be invalidated now */
    if (edit.found)
        switch (rng_below(rng, 4)) {
            case 0:
                status = cache_edit_patch(&edit, 8 + rng_below(rng, 100), SLICE("changed"));
                break;
            case 1:
                status = cache_edit_expire(&edit, t->actor.now_ms + 1000);
                break;
            case 2:
                status = cache_edit_copy(&edit, &copy, 0);
                break;
            default:
                status = cache_edit_retag(&edit, tags, 2);
        }
    assert_int_equal(status, STATUS_OK);
    atomic_fetch_add(&player->scene->changed, edit.found);
    cache_edit_end(&copy);
    cache_edit_end(&edit);
    cache_unlock(t->cache, &t->actor);
}

static void change_all(struct player *player, struct rng *rng) {
    while (atomic_load(&player->scene->writing))
        change_once(player, rng, (uint32_t)rng_below(rng, TAGS));
}

static void count_key(void *context, struct slice name, const struct cache_info *info) {
    struct scene *scene = context;
    (void)info;
    atomic_fetch_add(&scene->counted, 1);
    atomic_fetch_add(&scene->wrong, name.size < 3 || memcmp(name.data, "of", 2) != 0);
}

/* Looks for all that bears a tag, while the table of tags is emptied under it. */
static void count_all(struct player *player, struct rng *rng) {
    struct testing_cache *t = &player->t;
    char name[32];
    while (atomic_load(&player->scene->writing)) {
        struct slice tag = tag_of((uint32_t)rng_below(rng, TAGS), name);
        (void)cache_tag_count_seen(t->cache, &t->actor, tag, true);
        uint64_t cursor = 0;
        do
            cursor = cache_scan_tag(t->cache, &t->actor, 0, tag, cursor, 10, count_key, player->scene);
        while (cursor && cursor != CACHE_SCAN_FAILED);
    }
}

static void *play(void *context) {
    struct player *player = context;
    struct rng rng = rng_seeded(unit_seed() + player->t.actor.id);
    player->play(player, &rng);
    return NULL;
}

static void what_was_invalidated_does_not_come_back(void **state) {
    (void)state;
    struct scene scene = {.t = testing_open(LIMIT, 2, CACHE_ALLKEYS_LFU), .writing = TAGS};
    struct player players[TAGS + READERS + CHANGERS + COUNTERS];
    for (uint32_t i = 0; i < COUNT_OF(players); i++) {
        players[i] = (struct player){.scene = &scene, .t = scene.t, .number = i};
        players[i].play = i < TAGS                        ? write_generations
                          : i < TAGS + READERS            ? read_all
                          : i < TAGS + READERS + CHANGERS ? change_all
                                                          : count_all;
        players[i].t.actor = (struct actor){.id = 3 + i, .now_ms = scene.t.actor.now_ms};
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    for (uint32_t i = 0; i < COUNT_OF(players); i++)
        pthread_join(players[i].thread, NULL);
    assert_int_equal(scene.wrong, 0);
    assert_true(all_had_a_turn(&scene));
    testing_close(&scene.t);
}

UNIT_TESTS(tags_readers, UNIT(what_was_invalidated_does_not_come_back));
