/* core/cache/swap_readers_test.c: who means the data of one database gets at those, while databases are swapped all the time.
 *
 * Each player has a place in the engine and keys of his own there, under the same names as the other's: what he writes, scans and deletes by its place is there and
 * nowhere else.
 */
#include <pthread.h>
#include <stdio.h>

#include "core/cache/cache_fixture.h"

enum { PLAYERS = 2, KEYS = 20, LIMIT = 2 << 20, ROUNDS = WORDS_TSAN ? 300 : 3000 };

struct player {
    struct testing_cache t; /* the same cache, with an actor of its own */
    uint32_t place, seen;
    _Atomic uint32_t *playing;
    pthread_t thread;
};

static struct slice name_of(uint32_t number, char name[32]) {
    return slice_make(name, (size_t)snprintf(name, 32, "key:%u", number));
}

static void begin(struct player *player, uint32_t number, char name[32], struct cache_edit *edit) {
    cache_edit_begin_place(player->t.cache, &player->t.actor, player->place, name_of(number, name), 0, edit);
}

static void see(void *context, struct slice name, const struct cache_info *info) {
    struct player *player = context;
    assert_int_equal(info->size, sizeof(uint32_t) + player->place);
    (void)name;
    player->seen++;
}

static void *play(void *context) {
    struct player *player = context;
    struct cache *cache = player->t.cache;
    const uint8_t value[sizeof(uint32_t) + PLAYERS] = {0};
    char name[32];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct cache_edit edit;
        uint32_t db = cache_db_of(cache, player->place);
        assert_true(db < PLAYERS);
        for (uint32_t i = 0; i < KEYS; i++) {
            begin(player, i, name, &edit);
            assert_false(edit.found);
            assert_int_equal(
                cache_edit_set(&edit, CACHE_STRING, slice_make(value, sizeof(uint32_t) + player->place), 0), STATUS_OK);
            cache_edit_end(&edit);
        }
        assert_int_equal(cache_count_place(cache, player->place), KEYS);
        player->seen = 0;
        for (uint64_t cursor = 0, first = 1; cursor || first; first = 0)
            cursor = cache_scan_place(cache, &player->t.actor, player->place, cursor, 5, see, player);
        assert_int_equal(player->seen, KEYS);
        for (uint32_t i = 0; i < KEYS; i++) {
            begin(player, i, name, &edit);
            assert_true(edit.found);
            cache_edit_delete(&edit);
            cache_edit_end(&edit);
        }
    }
    atomic_fetch_sub(player->playing, 1);
    return NULL;
}

static void data_are_found_by_their_place(void **state) {
    (void)state;
    struct testing_cache t = testing_open(LIMIT, 2, CACHE_NOEVICTION);
    struct player players[PLAYERS];
    _Atomic uint32_t playing = PLAYERS;
    uint64_t swaps = 0;
    for (uint32_t i = 0; i < PLAYERS; i++) {
        players[i] = (struct player){.t = t, .place = i, .playing = &playing};
        players[i].t.actor.id = 10 + i;
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    for (; atomic_load(&playing); swaps++)
        cache_swap(t.cache, &t.actor, 0, 1);
    for (uint32_t i = 0; i < PLAYERS; i++)
        pthread_join(players[i].thread, NULL);
    assert_true(swaps > 10);
    testing_close(&t);
}

UNIT_TESTS(swap_readers, UNIT(data_are_found_by_their_place));
