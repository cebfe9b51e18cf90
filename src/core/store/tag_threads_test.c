/* core/store/tag_threads_test.c: readers ask without the lock while tags come and go. */
#include <pthread.h>

#include "base/rng.h"
#include "core/store/tag_fixture.h"

enum { WRITERS = 3, READERS = 2, SHARED = 8, HELD = 40 };

struct play {
    struct testing_tags table;
    uint32_t lasting;              /* a tag that stays */
    _Atomic uint64_t acknowledged; /* its last invalidation that has been answered */
    _Atomic uint32_t started, writing;
    _Atomic uint64_t asked, failures;
    uint64_t rounds;
};

struct player {
    struct play *play;
    struct actor actor;
    pthread_t thread;
};

/* Some names that all use, and many that one uses alone. */
static struct slice name_for(char *text, const struct player *player, struct rng *rng) {
    if (rng_below(rng, 2))
        return slice_make(text, (size_t)snprintf(text, 128, "shared%d", (int)rng_below(rng, SHARED)));
    int size = snprintf(text, 128, "of%u:%d:", player->actor.id, (int)rng_below(rng, 200));
    memset(text + size, 'x', 64);
    return slice_make(text, (size_t)size + (uint32_t)size % 8 * 8);
}

/* All begin together, or the first would be through before the last is there. */
static void wait_for_all(struct play *play) {
    atomic_fetch_add(&play->started, 1);
    while (atomic_load(&play->started) < WRITERS + READERS)
        sched_yield();
}

static void *write_tags(void *context) {
    struct player *player = context;
    struct testing_tags *table = &player->play->table;
    struct rng rng = rng_seeded(unit_seed() + player->actor.id);
    uint32_t numbers[HELD] = {0};
    uint64_t stamps[HELD] = {0};
    char text[128];
    wait_for_all(player->play);
    for (uint64_t i = 0; i < player->play->rounds; i++) {
        uint32_t at = (uint32_t)rng_below(&rng, HELD);
        struct slice name = name_for(text, player, &rng);
        if (numbers[at]) {
            tag_give(table->range, &player->actor, &table->tags, numbers[at], stamps[at]);
            numbers[at] = 0;
        } else if (tag_take(table->range, &player->actor, &table->tags, name, true, &numbers[at]) != STATUS_OK) {
            atomic_fetch_add(&player->play->failures, 1);
        } else {
            stamps[at] = rng_below(&rng, 4) ? testing_tags_next(table) : 0;
            if (stamps[at])
                tag_join(table->range, &player->actor, &table->tags, numbers[at], stamps[at]);
        }
        if (i % 5 == 0)
            tag_invalidate(table->range, &player->actor, &table->tags, name, i % 2, testing_tags_next, table);
        if (i % 16 == 0 && player->actor.id == 10) {
            struct tag_facts facts;
            uint32_t number;
            tag_invalidate(table->range, &player->actor, &table->tags, SLICE("lasting"), false, testing_tags_next,
                           table);
            if (!tag_find(table->range, &player->actor, &table->tags, SLICE("lasting"), &number, &facts) ||
                number != player->play->lasting)
                atomic_fetch_add(&player->play->failures, 1);
            atomic_store(&player->play->acknowledged, facts.invalidated);
        }
    }
    for (uint32_t i = 0; i < HELD; i++)
        if (numbers[i])
            tag_give(table->range, &player->actor, &table->tags, numbers[i], stamps[i]);
    atomic_fetch_sub(&player->play->writing, 1);
    return NULL;
}

/* What was acknowledged is seen, and never unseen; any other number may be asked. */
static void *ask(void *context) {
    struct player *player = context;
    struct play *play = player->play;
    const struct testing_tags *table = &play->table;
    struct rng rng = rng_seeded(unit_seed() + player->actor.id);
    uint64_t last = 0, asked = 0;
    wait_for_all(play);
    do {
        uint64_t acknowledged = atomic_load(&play->acknowledged);
        uint64_t seen = tag_invalidated(table->range, &table->tags, play->lasting);
        if (seen < acknowledged || seen < last)
            atomic_fetch_add(&play->failures, 1);
        last = seen;
        for (int i = 0; i < 8; i++) {
            uint64_t stamp = tag_invalidated(table->range, &table->tags, (uint32_t)rng_below(&rng, 4096));
            if (stamp >= ENTRY_STAMP_END)
                atomic_fetch_add(&play->failures, 1);
        }
        asked++;
    } while (atomic_load(&play->writing));
    atomic_fetch_add(&play->asked, asked);
    return NULL;
}

static void readers_ask_while_tags_come_and_go(void **state) {
    (void)state;
    struct play *play = aligned_alloc(64, sizeof *play);
    struct player players[WRITERS + READERS];
    memset(play, 0, sizeof *play);
    print_message("seed %llu\n", (unsigned long long)unit_seed());
    testing_tags_open(&play->table, 2u << 20); /* pages of 256 B, which come and go all the time */
    struct testing_tags *table = &play->table;
    play->rounds = WORDS_TSAN ? 50000 : 150000;
    play->writing = WRITERS;
    assert_int_equal(tag_take(table->range, &table->t.actor, &table->tags, SLICE("lasting"), true, &play->lasting),
                     STATUS_OK);
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        players[i] = (struct player){.play = play, .actor = {.id = 10 + i}};
        assert_int_equal(pthread_create(&players[i].thread, NULL, i < WRITERS ? write_tags : ask, &players[i]), 0);
    }
    for (uint32_t i = 0; i < WRITERS + READERS; i++)
        pthread_join(players[i].thread, NULL);
    assert_int_equal(play->failures, 0);
    assert_true(play->asked >= READERS && play->acknowledged > 0);
    assert_int_equal(table->tags.count, 1);
    tag_give(table->range, &table->t.actor, &table->tags, play->lasting, 0);
    testing_tags_verify(table);
    testing_tags_close(table);
    free(play);
}

UNIT_TESTS(tag_threads, UNIT(readers_ask_while_tags_come_and_go));
