/* sys/warm/take_test.c: what one process has listed another one takes, whatever was lost between them. */
#include "sys/warm/warm_fixture.h"

/* A list, as a snapshot has it. */
struct listed {
    uint64_t address, generation, version;
};

struct play {
    struct world world;
    struct listed list[WORLD_KEYS]; /* the last durable one */
    uint64_t taken, moved, lost;
    bool forgets_flush; /* faults: the list is taken for durable before the file is, or records are moved twice */
};

static void make_list(struct play *play) {
    struct world *world = &play->world;
    struct listed list[WORLD_KEYS] = {{0}};
    uint64_t position = warm_position(world->warm);
    for (uint64_t key = 0; key < WORLD_KEYS; key++) {
        const struct world_cell *cell = &world->cells[key];
        if (cell->address)
            list[key] = (struct listed){cell->address, warm_generation(world->warm, cell->address), cell->version};
    }
    if (!play->forgets_flush && warm_flush(world->warm) != STATUS_OK)
        return;
    if (disk_is_cut(world->disk))
        return;
    memcpy(play->list, list, sizeof list);
    warm_listed(world->warm, position - 1);
}

/* What was there when the life ended, and was listed, is found where taking says; nothing else is. */
static void take_list(struct play *play, const struct world_cell *before) {
    struct world *world = &play->world;
    for (uint64_t key = 0; key < WORLD_KEYS; key++) {
        const struct listed *listed = &play->list[key];
        struct buf bytes;
        enum warm_outcome outcome = WARM_STALE;
        struct warm_parts parts;
        uint64_t address, found_key, version;
        world->cells[key].address = 0;
        if (!listed->address)
            continue;
        buf_init(&bytes, &memory_libc);
        bool there = warm_take(world->warm, listed->address, listed->generation, &address);
        if (there)
            assert_int_equal(
                warm_read_here(world->warm, address, warm_generation(world->warm, address), &bytes, &outcome, &parts),
                STATUS_OK);
        if (outcome == WARM_FOUND) {
            world->wrong +=
                !world_is_true(world, &parts, &found_key, &version) || found_key != key || version != listed->version;
            world->cells[key].address = address;
            world->cells[key].version = listed->version;
            play->taken++;
            play->moved += address != listed->address;
        } else {
            play->lost += before[key].address && before[key].version == listed->version;
        }
        buf_fini(&bytes);
    }
    warm_taken(world->warm, true);
    warm_verify(world->warm);
}

static void live(struct play *play, uint64_t steps) {
    struct world *world = &play->world;
    for (uint64_t i = 0; i < steps && !disk_is_cut(world->disk); i++) {
        uint64_t key = rng_below(&world->rng, 8) ? WORLD_KEYS / 2 + rng_below(&world->rng, WORLD_KEYS / 2)
                                                 : rng_below(&world->rng, WORLD_KEYS);
        if (world_add(world, key) == STATUS_BUSY || rng_below(&world->rng, 30) == 0)
            warm_step(world->warm);
        if (rng_below(&world->rng, 300) == 0)
            make_list(play);
    }
}

/* Answers how many records were lost that should not have been. */
static uint64_t play_lives(uint64_t seed, bool forgets_flush, bool cuts, uint64_t *ret_taken, uint64_t *ret_moved) {
    static struct play play;
    static struct world_cell before[WORLD_KEYS];
    memset(&play, 0, sizeof play);
    struct world *world = &play.world;
    world_init(world, seed);
    world->options.size_bytes = (10 + rng_below(&world->rng, 14)) * WORLD_SEGMENT;
    world->options.lasting = true;
    world->keep_one_in = 2;
    play.forgets_flush = forgets_flush;
    for (int life = 0; life < 8; life++) {
        memcpy(before, world->cells, sizeof before);
        if (world_try_open(world) != STATUS_OK) {
            disk_restart(world->disk);
            continue;
        }
        take_list(&play, before);
        if (world->wrong)
            fail_msg("seed %llu, life %d: %llu wrong", (unsigned long long)seed, life,
                     (unsigned long long)world->wrong);
        make_list(&play);
        if (cuts)
            disk_cut_after(world->disk, 1 + rng_below(&world->rng, 150));
        live(&play, 1500);
        memcpy(before, world->cells, sizeof before);
        world_end_life(world);
        if (cuts)
            disk_restart(world->disk);
    }
    *ret_taken += play.taken;
    *ret_moved += play.moved;
    uint64_t lost = play.lost;
    world_fini(world);
    return lost;
}

static void what_was_listed_is_found_after_a_cut(void **state) {
    uint64_t taken = 0, moved = 0;
    (void)state;
    for (uint64_t seed = unit_seed(); seed < unit_seed() + 60; seed++) {
        uint64_t lost = play_lives(seed, false, true, &taken, &moved);
        if (lost)
            fail_msg("seed %llu: %llu lost", (unsigned long long)seed, (unsigned long long)lost);
    }
    assert_true(taken > 5000 && moved > 100);
}

static void so_after_a_kill(void **state) {
    uint64_t taken = 0, moved = 0;
    (void)state;
    for (uint64_t seed = unit_seed(); seed < unit_seed() + 10; seed++)
        assert_int_equal(play_lives(seed, false, false, &taken, &moved), 0);
    assert_true(taken > 1000 && moved > 20);
}

static void list_that_does_not_wait_for_the_file_is_noticed(void **state) {
    uint64_t taken = 0, moved = 0, lost = 0;
    (void)state;
    for (uint64_t seed = unit_seed(); seed < unit_seed() + 60; seed++)
        lost += play_lives(seed, true, true, &taken, &moved);
    assert_true(lost > 0);
}

static void nothing_taken_makes_room_at_once(void **state) {
    struct world world;
    struct warm_statistics statistics;
    uint64_t address;
    (void)state;
    world_init(&world, unit_seed());
    world.options.lasting = true;
    world.options.word = 77;
    world_open(&world);
    uint64_t id = warm_id(world.warm);
    for (uint64_t key = 0; key < 200; key++)
        if (world_add(&world, key) != STATUS_OK)
            warm_step(world.warm);
    uint64_t generation = warm_generation(world.warm, world.cells[3].address), old = world.cells[3].address;
    assert_int_equal(world_close(&world), STATUS_OK);
    world.options.word = 78; /* of a file that is begun, which this one is not */
    world_open(&world);
    assert_true(warm_id(world.warm) == id && warm_word(world.warm) == 77);
    assert_true(warm_take(world.warm, old, generation, &address) && address == old);
    assert_false(warm_take(world.warm, old, generation + 1000, &address));
    assert_true(warm_position(world.warm) > generation + 1000); /* nobody gives that number again */
    assert_false(warm_take(world.warm, (1ull << WARM_ADDRESS_BITS) - 1, generation, &address));
    warm_taken(world.warm, false);
    warm_statistics(world.warm, &statistics);
    assert_int_equal(statistics.segments_used, 0);
    assert_int_equal(statistics.records, 0);
    warm_verify(world.warm);
    world_fini(&world);
}

UNIT_TESTS(take, UNIT(what_was_listed_is_found_after_a_cut), UNIT(so_after_a_kill),
           UNIT(list_that_does_not_wait_for_the_file_is_noticed), UNIT(nothing_taken_makes_room_at_once));
