/* sys/warm/warm_map_test.c: a file of the kernel whose records are read out of a mapping. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/warm/warm_fixture.h"

enum { SEGMENT = 16 * 1024, SEGMENTS = 12, KEYS = 300, STEPS = 6000, VALUE_MAX = 9000 };

struct place {
    char path[32];
    struct directory directory;
    struct warm *warm;
    uint64_t addresses[KEYS], versions[KEYS];
};

static size_t value_of(uint64_t key, uint64_t version, uint8_t *value) {
    struct rng rng = rng_seeded(key << 32 | version);
    size_t size = rng_below(&rng, key % 10 == 0 ? VALUE_MAX : 700);
    memset(value, (int)rng_next(&rng), size);
    return size;
}

static void gone(void *context, const struct warm_item *item, enum warm_cause cause) {
    struct place *place = context;
    (void)cause;
    if (place->addresses[item->hash] == item->address)
        place->addresses[item->hash] = 0;
}

static void begin(struct place *place, bool is_mapped) {
    *place = (struct place){.path = "/tmp/strata-mapped-XXXXXX"};
    struct warm_report report;
    const struct warm_options options = {.size_bytes = SEGMENTS * SEGMENT,
                                         .segment_bytes = SEGMENT,
                                         .mapped = is_mapped,
                                         .buffered = !is_mapped,
                                         .stepped = true,
                                         .hooks = {.gone = gone, .context = place}};
    struct warm_statistics statistics;
    assert_non_null(mkdtemp(place->path));
    assert_int_equal(directory_open(place->path, false, &place->directory), STATUS_OK);
    assert_int_equal(warm_open(&place->directory.files, &options, 0, NULL, &report, &place->warm), STATUS_OK);
    warm_statistics(place->warm, &statistics);
    assert_true(statistics.mapped == is_mapped && !statistics.direct);
}

static void end(struct place *place) {
    warm_free(place->warm);
    assert_int_equal(place->directory.files.remove(&place->directory, "warm"), STATUS_OK);
    directory_close(&place->directory);
    assert_int_equal(directory_remove(place->path), STATUS_OK);
}

static void add(struct place *place, uint64_t key) {
    uint8_t value[VALUE_MAX];
    size_t size = value_of(key, ++place->versions[key], value);
    struct warm_record record = {.hash = key,
                                 .parts = {.key = slice_make(&key, sizeof key), .value = slice_make(value, size)}};
    while (warm_add(place->warm, 0, &record, &place->addresses[key]) == STATUS_BUSY)
        warm_step(place->warm);
}

static enum warm_outcome read_one(struct place *place, uint64_t key) {
    uint8_t value[VALUE_MAX];
    struct buf bytes;
    struct warm_parts parts;
    enum warm_outcome outcome;
    uint64_t address = place->addresses[key];
    buf_init(&bytes, &memory_libc);
    assert_int_equal(
        warm_read_here(place->warm, address, warm_generation(place->warm, address), &bytes, &outcome, &parts),
        STATUS_OK);
    if (outcome == WARM_FOUND) {
        assert_true(slice_equal(parts.key, slice_make(&key, sizeof key)));
        assert_true(slice_equal(parts.value, slice_make(value, value_of(key, place->versions[key], value))));
    }
    buf_fini(&bytes);
    return outcome;
}

/* Segments are written over many times, through a descriptor, while the mapping stays. */
static void play(bool is_mapped) {
    struct place place;
    struct rng rng = rng_seeded(unit_seed());
    struct warm_statistics statistics;
    uint32_t found = 0;
    begin(&place, is_mapped);
    for (int i = 0; i < STEPS; i++) {
        uint64_t key = rng_below(&rng, KEYS);
        if (rng_below(&rng, 3) == 0)
            add(&place, key);
        else if (place.addresses[key]) {
            assert_int_equal(read_one(&place, key), WARM_FOUND);
            found++;
        }
    }
    warm_statistics(place.warm, &statistics);
    assert_true(found > STEPS / 4 && statistics.reclaimed_segments > 3 * SEGMENTS);
    assert_true(statistics.reads_buffered < found / 2);
    end(&place);
}

static void records_are_read_as_they_were_written_last(void **state) {
    (void)state;
    play(true);
    play(false);
}

static void fill(struct place *place) {
    for (uint64_t key = 0; key < KEYS; key++)
        add(place, key);
    warm_settle(place->warm);
}

static void what_was_damaged_or_cut_off_is_no_record(void **state) {
    struct place place;
    uint32_t outcomes[WARM_FAILED + 1] = {0}, there = 0;
    (void)state;
    begin(&place, true);
    fill(&place);
    int file = openat(place.directory.fd, "warm", O_RDWR);
    assert_true(file >= 0);
    for (uint64_t key = 0; key < KEYS; key++) /* a bit in the middle of each third record */
        if (key % 3 == 0 && place.addresses[key]) {
            off_t at = (off_t)(WARM_BLOCK_SIZE + warm_address_position(place.addresses[key]) + 40);
            uint8_t byte;
            assert_int_equal(pread(file, &byte, 1, at), 1);
            byte ^= 4;
            assert_int_equal(pwrite(file, &byte, 1, at), 1);
        }
    for (uint64_t key = 0; key < KEYS; key++)
        if (place.addresses[key]) {
            there++;
            assert_int_equal(read_one(&place, key), key % 3 == 0 ? WARM_DAMAGED : WARM_FOUND);
        }
    assert_true(there > KEYS / 4);
    assert_int_equal(close(file), 0);
    end(&place);

    begin(&place, true);
    fill(&place);
    file = openat(place.directory.fd, "warm", O_RDWR);
    assert_int_equal(ftruncate(file, SEGMENTS * SEGMENT / 2), 0);
    for (uint64_t key = 0; key < KEYS; key++)
        if (place.addresses[key])
            outcomes[read_one(&place, key)]++;
    assert_true(outcomes[WARM_FOUND] > 10 && outcomes[WARM_FAILED] > 10);
    close(file);
    end(&place);
}

static void other_files_than_the_kernel_s_are_read_by_calls(void **state) {
    struct world world;
    struct warm_statistics statistics;
    (void)state;
    world_init(&world, unit_seed());
    world.options.mapped = true;
    world_open(&world);
    for (uint64_t key = 0; key < 100; key++)
        while (world_add(&world, key) == STATUS_BUSY)
            warm_step(world.warm);
    warm_settle(world.warm);
    uint64_t read = world_read_all(&world);
    assert_int_equal(world.outcomes[WARM_FOUND], read);
    warm_statistics(world.warm, &statistics);
    assert_true(!statistics.mapped && !statistics.direct && world.wrong == 0 && world.outcomes[WARM_FOUND] > 10);
    world_fini(&world);
}

UNIT_TESTS(warm_map, UNIT(records_are_read_as_they_were_written_last), UNIT(what_was_damaged_or_cut_off_is_no_record),
           UNIT(other_files_than_the_kernel_s_are_read_by_calls));
