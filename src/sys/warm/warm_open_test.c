/* sys/warm/warm_open_test.c: what a restart finds, after an orderly end, damage, and power cuts. */
#include <errno.h>

#include "base/assert.h"
#include "base/little.h"
#include "scarce.h"
#include "sys/warm/warm_fixture.h"

static void fill(struct world *world, uint64_t first, uint64_t end) {
    for (uint64_t key = first; key < end; key++) {
        while (world_add(world, key % WORLD_KEYS) == STATUS_BUSY)
            warm_step(world->warm);
    }
}

static void read_all_and_find_them(struct world *world) {
    uint64_t count = world_read_all(world);
    assert_int_equal(world->outcomes[WARM_FOUND], count);
    assert_int_equal(world->wrong, 0);
}

static void orderly_restart_finds_all_of_it(void **state) {
    struct world world;
    static struct world_cell before[WORLD_KEYS];
    world_init(&world, unit_seed());
    world.keep_one_in = 3;
    for (int life = 0; life < 5; life++) {
        world_open(&world);
        if (life) {
            /* Addresses and versions are those of the end: the youngest of a key is listed last. */
            for (unsigned key = 0; key < WORLD_KEYS; key++) {
                if (before[key].address)
                    assert_memory_equal(&before[key], &world.cells[key], sizeof before[key]);
            }
            assert_int_equal(world.report.segments_skipped, 0);
        }
        warm_verify(world.warm);
        read_all_and_find_them(&world);
        fill(&world, 0, 150 + 200 * (uint64_t)life);
        /* So that the last step of closing changes no place behind our back. */
        warm_settle(world.warm);
        memcpy(before, world.cells, sizeof before);
        assert_int_equal(world_close(&world), STATUS_OK);
        disk_restart(world.disk);
    }
    world_fini(&world);
}

static void size_may_grow_and_shrink(void **state) {
    static const uint64_t sizes[] = {10, 14, 8, 40, 9};
    struct world world;
    world_init(&world, unit_seed());
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct warm_statistics statistics;
        world.options.size_bytes = sizes[i] * WORLD_SEGMENT + 100;
        world_open(&world);
        read_all_and_find_them(&world);
        warm_step(world.warm);
        fill(&world, 0, 300);
        warm_settle(world.warm);
        read_all_and_find_them(&world);
        warm_verify(world.warm);
        warm_statistics(world.warm, &statistics);
        assert_int_equal(statistics.segments, sizes[i]);
        assert_int_equal(world_close(&world), STATUS_OK);
        assert_true(disk_contents(world.disk, "warm").size == WARM_BLOCK_SIZE + sizes[i] * WORLD_SEGMENT);
    }
    world_fini(&world);
}

/* --- refusing --- */

static void expect_refusal(struct world *world, enum status status, const char *reason) {
    assert_int_equal(world_try_open(world), status);
    assert_string_equal(world->report.reason, reason);
    assert_null(world->warm);
}

static void file_that_is_none_is_refused_unless_told(void **state) {
    struct world world;
    uint8_t header[WARM_BLOCK_SIZE] = {0};
    world_init(&world, unit_seed());
    disk_put(world.disk, "warm", slice_make(header, 0));
    expect_refusal(&world, STATUS_CORRUPT, "warm: offset 0: this is no header of a warm tier, or it is damaged");
    disk_put(world.disk, "warm", slice_make(header, sizeof header));
    expect_refusal(&world, STATUS_CORRUPT, "warm: offset 0: this is no header of a warm tier, or it is damaged");
    struct warm_file_header right = {.id = 1, .segment_size = 2 * WORLD_SEGMENT};
    warm_file_header_encode(&right, header);
    disk_put(world.disk, "warm", slice_make(header, sizeof header));
    expect_refusal(&world, STATUS_INVALID, "warm: offset 24: its segments have 32768 bytes, not 16384");
    little_put_u32(header + 8, 3);
    little_put_u64(header + 56, hash_bytes(slice_make(header, 56), 0));
    disk_put(world.disk, "warm", slice_make(header, sizeof header));
    expect_refusal(&world, STATUS_INVALID, "warm: offset 8: version 3, and this program knows 2");
    world.options.begin_anew = true;
    world_open(&world);
    fill(&world, 0, 100);
    assert_int_equal(world_close(&world), STATUS_OK);
    world.options.begin_anew = false;
    world_open(&world);
    assert_true(world.report.records > 0);
    read_all_and_find_them(&world);
    world_fini(&world);
}

static void options_that_cannot_be_are_refused(void **state) {
    static const struct warm_options wrong[] = {
        {.size_bytes = 7 * WORLD_SEGMENT, .segment_bytes = WORLD_SEGMENT},
        {.size_bytes = 1 << 20, .segment_bytes = 8192},
        {.size_bytes = 1 << 20, .segment_bytes = 20000},
        {.size_bytes = 1ull << 40, .segment_bytes = 32 << 20},
        {.size_bytes = WARM_SIZE_MAX + 1},
        {.size_bytes = 1 << 20, .segment_bytes = WORLD_SEGMENT, .keep_percent = 51},
        {.size_bytes = 1 << 20, .segment_bytes = WORLD_SEGMENT, .buffers = 1},
        {.size_bytes = 1 << 20, .segment_bytes = WORLD_SEGMENT, .buffers = 65},
        {.size_bytes = 1 << 20, .segment_bytes = WORLD_SEGMENT, .name = "a/b"},
    };
    struct world world;
    world_init(&world, unit_seed());
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct warm *warm = NULL;
        assert_int_equal(warm_open(&world.faults.files, &wrong[i], 0, NULL, &world.report, &warm), STATUS_INVALID);
        assert_true(world.report.reason[0] && !warm);
    }
    world_fini(&world);
}

static void no_room_is_said_at_the_start(void **state) {
    struct world world;
    world_init(&world, unit_seed());
    disk_capacity_set(world.disk, 10 * WORLD_SEGMENT);
    expect_refusal(&world, STATUS_FULL, "warm: setting its room aside: no room");
    disk_capacity_set(world.disk, 11 * WORLD_SEGMENT);
    world_open(&world);
    fill(&world, 0, 300);
    warm_settle(world.warm);
    assert_int_equal(world.troubles, 0);
    world_fini(&world);
}

static enum status refuse(void *context, const struct warm_item *item) { return STATUS_FULL; }

static void visitor_ends_the_opening(void **state) {
    struct world world;
    struct warm *warm = NULL;
    struct warm_visitor visitor = {.found = refuse};
    world_init(&world, unit_seed());
    world_open(&world);
    fill(&world, 0, 100);
    assert_int_equal(world_close(&world), STATUS_OK);
    assert_int_equal(warm_open(&world.faults.files, &world.options, 0, &visitor, &world.report, &warm), STATUS_FULL);
    assert_null(warm);
    world_fini(&world);
}

/* --- damage --- */

static void put(struct world *world, uint64_t offset, const void *bytes, size_t size) {
    const struct files *files = disk_files(world->disk);
    int file;
    assert_int_equal(files->open(files->context, "warm", FILES_WRITE, &file), STATUS_OK);
    assert_int_equal(files_write(files, file, offset, bytes, size), STATUS_OK);
    assert_int_equal(files->sync(files->context, file), STATUS_OK);
    files->close(files->context, file);
}

/* One bit of each byte that means anything, and some of those that do not. Never a wrong value, and hardly anything else is missing. */
static void any_flipped_bit_gives_no_wrong_value(void **state) {
    struct world world;
    world_init(&world, unit_seed());
    world.options.size_bytes = 8 * WORLD_SEGMENT;
    world_open(&world);
    fill(&world, 1, 24);
    assert_int_equal(world_close(&world), STATUS_OK);
    struct slice now = disk_contents(world.disk, "warm");
    uint8_t *image = malloc(now.size);
    size_t size = now.size;
    memcpy(image, now.data, size);
    uint64_t tried = 0, missed = 0, refused = 0;
    for (size_t at = 0; at < size; at++) {
        uint8_t flipped = image[at] ^ (uint8_t)(1u << rng_below(&world.rng, 8));
        if (!image[at] && at % 101)
            continue;
        put(&world, at, &flipped, 1);
        tried++;
        if (world_try_open(&world) == STATUS_OK) {
            uint64_t count = world_read_all(&world);
            missed += count - world.outcomes[WARM_FOUND] + world.report.segments_skipped;
            world_end_life(&world);
        } else {
            assert_true(at < WARM_HEADER_SIZE && world.report.reason[0]);
            refused++;
        }
        if (world.wrong)
            fail_msg("a wrong value after a flip at %zu, seed %llu", at, (unsigned long long)world.seed);
        put(&world, at, &image[at], 1);
    }
    free(image);
    assert_true(tried > 10000 && refused > 20 && missed > tried / 2);
    world_fini(&world);
}

/* Bytes of one place at another: of this file and of another one, segments and blocks. */
static void misplaced_bytes_are_not_taken(void **state) {
    struct world world, other;
    world_init(&world, unit_seed());
    world_init(&other, unit_seed() + 1);
    for (uint64_t i = 0; i < 2; i++) {
        struct world *each = i ? &other : &world;
        world_open(each);
        fill(each, i, 250 + i);
        assert_int_equal(world_close(each), STATUS_OK);
    }
    for (int round = 0; round < 300; round++) {
        struct world *from = rng_below(&world.rng, 2) ? &world : &other;
        size_t part = rng_below(&world.rng, 2) ? WARM_BLOCK_SIZE : WORLD_SEGMENT;
        uint64_t blocks = (disk_contents(world.disk, "warm").size - WARM_BLOCK_SIZE) / part;
        uint64_t to = WARM_BLOCK_SIZE + rng_below(&world.rng, blocks) * part;
        uint64_t source = WARM_BLOCK_SIZE + rng_below(&world.rng, blocks) * part;
        uint8_t was[WORLD_SEGMENT], moved[WORLD_SEGMENT];
        memcpy(was, disk_contents(world.disk, "warm").data + to, part);
        memcpy(moved, disk_contents(from->disk, "warm").data + source, part);
        put(&world, to, moved, part);
        world_open(&world);
        (void)world_read_all(&world);
        assert_int_equal(world.wrong, 0);
        world_end_life(&world);
        put(&world, to, was, part);
    }
    world_fini(&other);
    world_fini(&world);
}

/* Two lives begin the same segment with the same generation, since nothing of the first one's was found; then sectors of the first come up
 * in the second. They are whole, of this place and this generation: only the salt tells them apart. */
static void older_write_of_the_same_generation_is_not_taken(void **state) {
    struct world world;
    static uint8_t first[WORLD_SEGMENT];
    static const uint8_t nothing[WARM_BLOCK_SIZE];
    world_init(&world, unit_seed());
    world_open(&world);
    uint64_t generation = 0;
    for (int life = 0; life < 2; life++) {
        static uint8_t bytes[WORLD_SEGMENT];
        uint64_t address;
        for (uint64_t i = 0; i < 8; i++) {
            world.cells[1].written = i == 0 && life ? 100 : world.cells[1].written;
            struct warm_record record = world_record(1, ++world.cells[1].written, bytes);
            record.parts.value.size = 1000;
            assert_int_equal(warm_add(world.warm, world.now_ns, &record, &address), STATUS_OK);
        }
        assert_true(!generation || generation == warm_generation(world.warm, address));
        generation = warm_generation(world.warm, address);
        assert_int_equal(world_close(&world), STATUS_OK);
        if (life == 0) {
            memcpy(first, disk_contents(world.disk, "warm").data + WARM_BLOCK_SIZE, sizeof first);
            put(&world, WARM_BLOCK_SIZE, nothing, sizeof nothing);
            world_open(&world);
        }
    }
    put(&world, WARM_BLOCK_SIZE + 4096, first + 4096, 4096);
    world_open(&world);
    assert_int_equal(world.report.records, 8);
    uint64_t found = 0, damaged = 0;
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t address = warm_address(64 + i * bits_align_up(16 + 16 + 8 + 1000, 32), 1040);
        struct world_read read = {&world, 1};
        struct warm_request request = {address, warm_generation(world.warm, address), world_done, &read};
        memset(world.outcomes, 0, sizeof world.outcomes);
        assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
        (void)warm_reader_poll(world.reader);
        found += world.outcomes[WARM_FOUND];
        damaged += world.outcomes[WARM_DAMAGED];
    }
    assert_true(damaged >= 3 && found >= 2 && found + damaged == 8);
    world_fini(&world);
}

/* --- cuts and failing calls --- */

static enum status cut_found(void *context, const struct warm_item *item) {
    struct world *world = context;
    struct world_cell *cell = &world->cells[item->hash];
    world->wrong += item->hash >= WORLD_KEYS || item->word > cell->written;
    world->wrong += cell->address && item->word < cell->version; /* the youngest comes last */
    return world_found(context, item);
}

/* Life after life on one disk, each ended by a cut in the midst of any call: what is found was added, whole and of its place, and comes in order. */
static void power_cuts_leave_whole_records_only(void **state) {
    uint64_t found = 0, damaged = 0, skipped = 0;
    for (uint64_t seed = unit_seed(); seed < unit_seed() + 40; seed++) {
        struct world world;
        world_init(&world, seed);
        world.keep_one_in = 4;
        for (int life = 0; life < 8; life++) {
            if (rng_below(&world.rng, 4) == 0)
                disk_cut_after(world.disk, 1 + rng_below(&world.rng, 6));
            if (world_try_open(&world) != STATUS_OK) {
                assert_true(disk_is_cut(world.disk));
                disk_restart(world.disk);
                continue;
            }
            skipped += world.report.segments_skipped;
            (void)world_read_all(&world);
            found += world.outcomes[WARM_FOUND];
            damaged += world.outcomes[WARM_DAMAGED];
            warm_step(world.warm);
            disk_cut_after(world.disk, 1 + rng_below(&world.rng, 40));
            for (uint64_t i = 0; i < 1500 && !disk_is_cut(world.disk); i++) {
                if (world_add(&world, rng_below(&world.rng, WORLD_KEYS)) == STATUS_BUSY ||
                    rng_below(&world.rng, 50) == 0)
                    warm_step(world.warm);
            }
            if (rng_below(&world.rng, 3) == 0)
                (void)!world_close(&world);
            world_end_life(&world);
            disk_restart(world.disk);
            if (world.wrong)
                fail_msg("seed %llu, life %d: %llu wrong", (unsigned long long)seed, life,
                         (unsigned long long)world.wrong);
        }
        world_fini(&world);
    }
    assert_true(found > 1000 && damaged > 10 && skipped > 10);
}

static void list_is_in_the_order_of_writing(void **state) {
    struct world world;
    struct warm_visitor visitor = {.found = cut_found, .context = &world};
    world_init(&world, unit_seed());
    world_open(&world);
    fill(&world, 0, 1000);
    assert_int_equal(world_close(&world), STATUS_OK);
    for (unsigned i = 0; i < WORLD_KEYS; i++)
        world.cells[i].address = 0;
    assert_int_equal(warm_open(disk_files(world.disk), &world.options, 0, &visitor, &world.report, &world.warm),
                     STATUS_OK);
    assert_int_equal(world.wrong, 0);
    world_fini(&world);
}

/* The n-th call fails, for n = 1, 2, ..., until none does. */
static void each_failing_call_is_an_answer(void **state) {
    bool spoiled = true;
    uint64_t opened = 0;
    for (uint64_t n = 1; spoiled; n++) {
        struct world world;
        world_init(&world, unit_seed());
        faults_add(&world.faults, (struct fault){FAULT_ANY, n % 2 ? FAULT_BROKEN : FAULT_NO_ROOM, n, 1, 0});
        for (int life = 0; life < 2; life++) {
            enum status status = world_try_open(&world);
            if (status != STATUS_OK) {
                assert_true(world.report.reason[0] && (status == STATUS_IO || status == STATUS_FULL));
                continue;
            }
            opened++;
            fill(&world, 0, 120);
            (void)world_read_all(&world);
            (void)!world_close(&world);
        }
        spoiled = faults_spoiled(&world.faults) > 0;
        assert_int_equal(world.wrong, 0);
        faults_clear(&world.faults);
        world_open(&world);
        (void)world_read_all(&world);
        assert_int_equal(world.wrong, 0);
        world_fini(&world);
        assert_true(n < 500);
    }
    assert_true(opened > 10);
}

static void each_failing_allocation_is_an_answer(void **state) {
    struct world world;
    bool failed = true;
    world_init(&world, unit_seed());
    for (uint64_t n = 0; failed; n++) {
        struct scarce scarce;
        world.options.memory = scarce_begin(&scarce, n);
        enum status status = world_try_open(&world);
        failed = status != STATUS_OK;
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        if (failed) {
            assert_true(scarce.failed && scarce.held == 0);
            continue;
        }
        fill(&world, 0, 200);
        warm_settle(world.warm);
        /* A record that is too large for the reader's own buffers. */
        scarce.left = 0;
        uint64_t key = 0;
        while (!world.cells[key].address || warm_address_size(world.cells[key].address) <= WARM_READER_BUFFER_SIZE)
            key++;
        struct world_read read = {&world, key};
        struct warm_request request = {world.cells[key].address, warm_generation(world.warm, world.cells[key].address),
                                       world_done, &read};
        assert_int_equal(warm_read(world.reader, &request), STATUS_NO_MEMORY);
        assert_int_equal(warm_reader_pending(world.reader), 0);
        scarce.left = SCARCE_NEVER;
        read_all_and_find_them(&world);
        world_end_life(&world);
        assert_true(n > 3 && scarce.held == 0);
    }
    world.options.memory = NULL;
    world_fini(&world);
}

UNIT_TESTS(warm_open, UNIT(orderly_restart_finds_all_of_it), UNIT(size_may_grow_and_shrink),
           UNIT(file_that_is_none_is_refused_unless_told), UNIT(options_that_cannot_be_are_refused),
           UNIT(no_room_is_said_at_the_start), UNIT(visitor_ends_the_opening),
           UNIT(any_flipped_bit_gives_no_wrong_value), UNIT(misplaced_bytes_are_not_taken),
           UNIT(older_write_of_the_same_generation_is_not_taken), UNIT(power_cuts_leave_whole_records_only),
           UNIT(list_is_in_the_order_of_writing), UNIT(each_failing_call_is_an_answer),
           UNIT(each_failing_allocation_is_an_answer));
