#include "sys/warm/warm.h"

#include "base/assert.h"
#include "sys/warm/warm_fixture.h"

static void settle_and_read_all(struct world *world) {
    warm_settle(world->warm);
    uint64_t count = world_read_all(world);
    assert_int_equal(world->outcomes[WARM_FOUND], count);
    assert_int_equal(world->wrong, 0);
}

static void what_was_added_is_read(void **state) {
    struct world world;
    world_init(&world, unit_seed());
    world_open(&world);
    for (uint64_t key = 0; key < 60; key++) {
        while (world_add(&world, key) == STATUS_BUSY)
            warm_step(world.warm);
    }
    assert_int_equal(world_read_all(&world), 60);
    assert_int_equal(world.outcomes[WARM_FOUND], 60);
    struct warm_statistics statistics;
    warm_statistics(world.warm, &statistics);
    assert_true(statistics.reads_buffered > 0);
    settle_and_read_all(&world);
    warm_verify(world.warm);
    assert_int_equal(world.wrong, 0);
    assert_int_equal(world.troubles, 0);
    world_fini(&world);
}

static void largest_record_fits_and_a_larger_one_is_refused(void **state) {
    struct world world;
    struct warm_statistics before, after;
    uint64_t address = 7, bytes_size = WORLD_SEGMENT;
    uint8_t *bytes = calloc(1, bytes_size);
    world_init(&world, unit_seed());
    world_open(&world);
    struct warm_record record = {.hash = 1, .word = 1, .parts.value = slice_make(bytes, 0)};
    record.parts.value.size = warm_record_size_max(WORLD_SEGMENT) - WARM_RECORD_HEADER_SIZE;
    assert_int_equal(warm_add(world.warm, 0, &record, &address), STATUS_OK);
    warm_settle(world.warm);
    warm_statistics(world.warm, &before);
    record.parts.value.size++;
    assert_int_equal(warm_add(world.warm, 0, &record, &address), STATUS_TOO_LARGE);
    record.parts = (struct warm_parts){.meta = slice_make(bytes, WARM_META_SIZE_MAX + 1)};
    assert_int_equal(warm_add(world.warm, 0, &record, &address), STATUS_TOO_LARGE);
    warm_statistics(world.warm, &after);
    assert_memory_equal(&before, &after, sizeof before);
    free(bytes);
    world_fini(&world);
}

static void full_buffers_refuse_and_change_nothing(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world.options.buffers = 2;
    world_open(&world);
    uint64_t key = 0;
    while (world_add(&world, key % WORLD_KEYS) == STATUS_OK)
        key++;
    uint64_t version = world.cells[key % WORLD_KEYS].version;
    assert_int_equal(world_add(&world, key % WORLD_KEYS), STATUS_BUSY);
    assert_int_equal(world.cells[key % WORLD_KEYS].version, version);
    warm_verify(world.warm);
    warm_statistics(world.warm, &statistics);
    assert_int_equal(statistics.refused_busy, 2);
    assert_int_equal(statistics.added, key);
    warm_step(world.warm);
    assert_int_equal(world_add(&world, key % WORLD_KEYS), STATUS_OK);
    settle_and_read_all(&world);
    world_fini(&world);
}

static void write_budget_refuses_what_is_over_it(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world.options.write_rate_bytes = 1000;
    world_open(&world);
    uint64_t taken = 0, refused = 0;
    for (int i = 0; i < 400; i++) {
        warm_step(world.warm);
        enum status status = world_add(&world, (uint64_t)i);
        assert_true(status == STATUS_OK || status == STATUS_AGAIN);
        taken += status == STATUS_OK;
        refused += status == STATUS_AGAIN;
    }
    warm_statistics(world.warm, &statistics);
    assert_true(statistics.added_bytes <= WORLD_SEGMENT && statistics.added_bytes > WORLD_SEGMENT / 2);
    assert_int_equal(statistics.refused_budget, refused);
    assert_int_equal(statistics.added, taken);
    world.now_ns += 30000000000;
    assert_int_equal(world_add(&world, 1), STATUS_OK);
    warm_write_rate_set(world.warm, 0);
    for (uint64_t key = 0; key < 20; key++) {
        warm_step(world.warm);
        assert_int_equal(world_add(&world, key), STATUS_OK);
    }
    settle_and_read_all(&world);
    world_fini(&world);
}

/* --- against the twin --- */

static void any_steps(struct world *world, uint64_t steps, bool must_find) {
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t draw = rng_below(&world->rng, 100);
        uint64_t key = rng_below(&world->rng, WORLD_KEYS);
        world->now_ns += 1000000 * rng_below(&world->rng, 20);
        if (draw < 80)
            (void)!world_add(world, key);
        else if (draw < 83)
            world->cells[key].address = 0;
        else if (draw < 96)
            warm_step(world->warm);
        else if (draw < 97)
            warm_settle(world->warm);
        if (i % 50)
            continue;
        uint64_t count = world_read_all(world);
        warm_verify(world->warm);
        if (world->wrong || (must_find && world->outcomes[WARM_FOUND] != count))
            fail_msg("seed %llu, step %llu: %llu of %llu found, %llu wrong", (unsigned long long)world->seed,
                     (unsigned long long)i, (unsigned long long)world->outcomes[WARM_FOUND], (unsigned long long)count,
                     (unsigned long long)world->wrong);
    }
}

static void store_agrees_with_a_naive_twin(void **state) {
    for (uint64_t seed = unit_seed(); seed < unit_seed() + 12; seed++) {
        struct world world;
        world_init(&world, seed);
        world.keep_one_in = (uint32_t)(seed % 4);
        world.options.buffers = 2 + (uint32_t)(seed % 5);
        world.options.write_rate_bytes = seed % 3 == 0 ? 400000 : 0;
        world.options.keep_percent = (uint32_t)(seed % 51);
        world_open(&world);
        any_steps(&world, 4000, true);
        struct warm_statistics statistics;
        warm_statistics(world.warm, &statistics);
        assert_true(world.told_gone > 100 && statistics.gone == world.told_gone);
        assert_true(statistics.kept == world.told_moved &&
                    (!world.keep_one_in || !world.options.keep_percent || statistics.kept));
        assert_int_equal(world.troubles, 0);
        world_fini(&world);
    }
}

/* The same on a disk whose calls fail: what is found is right, and what is not there has been told. */
static void failing_calls_give_no_wrong_value(void **state) {
    uint64_t lost = 0, failed = 0;
    for (uint64_t seed = unit_seed(); seed < unit_seed() + 12; seed++) {
        struct world world;
        world_init(&world, seed);
        world.keep_one_in = (uint32_t)(seed % 4);
        world_open(&world);
        faults_random(&world.faults, FAULT_READ | FAULT_WRITE, 20);
        any_steps(&world, 3000, false);
        struct warm_statistics statistics;
        warm_statistics(world.warm, &statistics);
        assert_int_equal(statistics.lost, world.told_lost);
        lost += statistics.lost;
        failed += statistics.reads_failed;
        assert_int_equal(statistics.reads_damaged, 0);
        faults_clear(&world.faults);
        world_end_life(&world);
        world_open(&world);
        any_steps(&world, 500, false);
        world_fini(&world);
    }
    assert_true(lost > 0 && failed > 0);
}

static void writes_of_seven_bytes_only_cost_time(void **state) {
    struct world world;
    world_init(&world, unit_seed());
    world_open(&world);
    faults_add(&world.faults, (struct fault){FAULT_WRITE, FAULT_SHORT, 1, 0, 7});
    any_steps(&world, 400, true);
    assert_int_equal(world.troubles, 0);
    world_fini(&world);
}

/* --- reclaiming --- */

/* Adds until the key has gone round the file once. */
static void fill(struct world *world, uint64_t records) {
    for (uint64_t i = 0; i < records; i++) {
        enum status status;
        while ((status = world_add(world, i % WORLD_KEYS)) == STATUS_BUSY)
            warm_step(world->warm);
        assert_int_equal(status, STATUS_OK);
    }
}

static bool keep_all(void *context, const struct warm_item *item) { return true; }

/* Whatever is asked for, at most the share is kept: adding always comes to an end. */
static void not_more_than_the_share_is_kept(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world.options.hooks.keep = keep_all;
    world.options.keep_percent = 25;
    world_open(&world);
    fill(&world, 3000);
    settle_and_read_all(&world);
    warm_statistics(world.warm, &statistics);
    assert_true(statistics.kept_bytes > 0);
    assert_true(statistics.kept_bytes <= statistics.reclaimed_segments * WORLD_SEGMENT / 4);
    assert_true(statistics.kept == world.told_moved && statistics.gone == world.told_gone);
    world_fini(&world);
}

static void nothing_is_kept_over_the_budget(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world.options.hooks.keep = keep_all;
    world_open(&world);
    fill(&world, 1000);
    warm_step(world.warm);
    warm_write_rate_set(world.warm, 1);
    warm_statistics(world.warm, &statistics);
    uint64_t kept = statistics.kept_bytes;
    while (world_add(&world, 1) != STATUS_AGAIN)
        warm_step(world.warm);
    warm_statistics(world.warm, &statistics);
    assert_true(statistics.kept_bytes - kept <= WORLD_SEGMENT);
    world_fini(&world);
}

static void read_of_what_made_room_is_stale(void **state) {
    struct world world;
    world_init(&world, unit_seed());
    world_open(&world);
    fill(&world, 30);
    warm_settle(world.warm);
    uint64_t address = world.cells[0].address;
    struct world_read read = {&world, 0};
    struct warm_request request = {address, warm_generation(world.warm, address), world_done, &read};
    /* Under way while its segment is written anew; and begun when that has happened. */
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    fill(&world, 3000);
    warm_settle(world.warm);
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_true(warm_generation(world.warm, address) != request.generation);
    memset(world.outcomes, 0, sizeof world.outcomes);
    while (warm_reader_pending(world.reader))
        (void)warm_reader_poll(world.reader);
    assert_int_equal(world.outcomes[WARM_STALE], 2);
    assert_int_equal(world.troubles, 0);
    world_fini(&world);
}

/* An index that cannot be read: its addresses are told as a range, and its room is used again. */
static void segment_with_a_damaged_index_makes_room(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world_open(&world);
    fill(&world, 60);
    warm_settle(world.warm);
    const struct files *files = disk_files(world.disk);
    uint64_t offset = WARM_BLOCK_SIZE + WORLD_SEGMENT - 10;
    uint8_t wrong = 0xa5;
    int file;
    assert_int_equal(files->open(files->context, "warm", FILES_WRITE, &file), STATUS_OK);
    assert_int_equal(files_write(files, file, offset, &wrong, 1), STATUS_OK);
    fill(&world, 1000);
    settle_and_read_all(&world);
    warm_verify(world.warm);
    warm_statistics(world.warm, &statistics);
    assert_int_equal(statistics.reclaimed_blind, 1);
    assert_int_equal(world.told_all, 1);
    assert_int_equal(world.trouble.kind, WARM_INDEX_DAMAGED);
    assert_int_equal(world.trouble.offset, WARM_BLOCK_SIZE);
    assert_string_equal(world.trouble.name, "warm");
    world_fini(&world);
}

/* --- writes that fail --- */

static void failed_write_loses_its_records_and_is_tried_again_later(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world_open(&world);
    fill(&world, 40);
    faults_add(&world.faults, (struct fault){FAULT_WRITE, FAULT_NO_ROOM, 1, 1, 0});
    warm_settle(world.warm);
    warm_statistics(world.warm, &statistics);
    assert_int_equal(statistics.write_failures, 1);
    assert_true(world.told_lost > 0 && statistics.lost == world.told_lost);
    assert_int_equal(world.trouble.kind, WARM_WRITE_FAILED);
    assert_int_equal(world.trouble.error, 28); /* ENOSPC */
    settle_and_read_all(&world);
    assert_int_equal(world_add(&world, 0), STATUS_AGAIN);
    world.now_ns += 999999999;
    assert_int_equal(world_add(&world, 0), STATUS_AGAIN);
    world.now_ns += 1;
    assert_int_equal(world_add(&world, 0), STATUS_OK);
    fill(&world, 500);
    settle_and_read_all(&world);
    warm_verify(world.warm);
    warm_statistics(world.warm, &statistics);
    assert_int_equal(statistics.refused_held, 2);
    world_fini(&world);
}

/* A disk that takes nothing for an hour is asked less and less, and serves again when it can, with most of its segments. */
static void disk_that_fails_for_long_is_used_again(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world.options.size_bytes = 400 * WORLD_SEGMENT;
    world_open(&world);
    faults_add(&world.faults, (struct fault){FAULT_WRITE, FAULT_BROKEN, 1, 0, 0});
    for (uint64_t i = 0; i < 3600 * 4; i++) {
        (void)!world_add(&world, i % WORLD_KEYS);
        warm_step(world.warm);
        world.now_ns += 250000000;
    }
    warm_statistics(world.warm, &statistics);
    assert_true(statistics.write_failures < 400 && statistics.write_failures >= 50);
    faults_clear(&world.faults);
    world.now_ns += 64000000000;
    fill(&world, 3000);
    settle_and_read_all(&world);
    warm_verify(world.warm);
    warm_statistics(world.warm, &statistics);
    assert_true(statistics.segments_retired < 200);
    world_fini(&world);
}

/* The time for which the disk is left alone begins with the first record that is refused. */
static enum status add_after_hold(struct world *world) {
    enum status status = world_add(world, 1);
    world->now_ns += 64000000000;
    return status == STATUS_AGAIN ? world_add(world, 1) : status;
}

static void place_that_always_fails_is_retired(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world_open(&world);
    faults_add(&world.faults, (struct fault){FAULT_WRITE, FAULT_TORN, 1, 0, 0});
    for (int i = 0; i < 3 * 10; i++) {
        assert_int_equal(add_after_hold(&world), STATUS_OK);
        warm_settle(world.warm);
    }
    warm_statistics(world.warm, &statistics);
    assert_int_equal(statistics.segments_retired, 10);
    faults_clear(&world.faults);
    assert_int_equal(add_after_hold(&world), STATUS_BUSY);
    warm_verify(world.warm);
    world_end_life(&world);
    world_open(&world);
    fill(&world, 200);
    settle_and_read_all(&world);
    world_fini(&world);
}

UNIT_TESTS(warm, UNIT(what_was_added_is_read), UNIT(largest_record_fits_and_a_larger_one_is_refused),
           UNIT(full_buffers_refuse_and_change_nothing), UNIT(write_budget_refuses_what_is_over_it),
           UNIT(store_agrees_with_a_naive_twin), UNIT(failing_calls_give_no_wrong_value),
           UNIT(writes_of_seven_bytes_only_cost_time), UNIT(not_more_than_the_share_is_kept),
           UNIT(nothing_is_kept_over_the_budget), UNIT(read_of_what_made_room_is_stale),
           UNIT(segment_with_a_damaged_index_makes_room), UNIT(failed_write_loses_its_records_and_is_tried_again_later),
           UNIT(disk_that_fails_for_long_is_used_again), UNIT(place_that_always_fails_is_retired));
