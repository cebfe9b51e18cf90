/* sys/warm/warm_map_test.c: a file of the kernel, whose records are read out of a mapping, and several at once. */
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

enum access { DIRECT, BUFFERED, MAPPED };

static void begin(struct place *place, enum access access) {
    bool is_mapped = access == MAPPED;
    *place = (struct place){.path = "/tmp/strata-mapped-XXXXXX"};
    struct warm_report report;
    const struct warm_options options = {.size_bytes = SEGMENTS * SEGMENT,
                                         .segment_bytes = SEGMENT,
                                         .mapped = is_mapped,
                                         .buffered = access == BUFFERED,
                                         .stepped = true,
                                         .hooks = {.gone = gone, .context = place}};
    struct warm_statistics statistics;
    assert_non_null(mkdtemp(place->path));
    assert_int_equal(directory_open(place->path, false, &place->directory), STATUS_OK);
    assert_int_equal(warm_open(&place->directory.files, &options, 0, NULL, &report, &place->warm), STATUS_OK);
    warm_statistics(place->warm, &statistics);
    assert_true(statistics.mapped == is_mapped && (access == DIRECT || !statistics.direct));
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

static void expect_record(const struct place *place, uint64_t key, const struct warm_parts *parts) {
    uint8_t value[VALUE_MAX];
    assert_true(slice_equal(parts->key, slice_make(&key, sizeof key)));
    assert_true(slice_equal(parts->value, slice_make(value, value_of(key, place->versions[key], value))));
}

static enum warm_outcome read_one(struct place *place, uint64_t key) {
    struct buf bytes;
    struct warm_parts parts;
    enum warm_outcome outcome;
    uint64_t address = place->addresses[key];
    buf_init(&bytes, &memory_libc);
    assert_int_equal(
        warm_read_here(place->warm, address, warm_generation(place->warm, address), &bytes, &outcome, &parts),
        STATUS_OK);
    if (outcome == WARM_FOUND)
        expect_record(place, key, &parts);
    buf_fini(&bytes);
    return outcome;
}

/* Segments are written over many times, through a descriptor, while the mapping stays. */
static void play(enum access access) {
    struct place place;
    struct rng rng = rng_seeded(unit_seed());
    struct warm_statistics statistics;
    uint32_t found = 0;
    begin(&place, access);
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
    play(MAPPED);
    play(BUFFERED);
    play(DIRECT);
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
    begin(&place, MAPPED);
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

    begin(&place, MAPPED);
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

/* Places of some keys; the last one is none. */
static uint32_t choose(struct place *place, struct rng *rng, struct warm_place *places, uint64_t *keys) {
    uint32_t count = 0, wanted = 2 + (uint32_t)rng_below(rng, WARM_AHEAD_MAX - 2);
    while (count < wanted) {
        keys[count] = rng_below(rng, KEYS);
        uint64_t address = place->addresses[keys[count]];
        if (address)
            places[count++] = (struct warm_place){address, warm_generation(place->warm, address)};
    }
    places[count - 1] = (struct warm_place){.address = UINT64_MAX, .generation = 1};
    return count - 1;
}

/* What has been written over since is stale, and never something else. Answers how many were read ahead. */
static uint32_t read_ahead(struct place *place, struct rng *rng, bool changes) {
    struct warm_place places[WARM_AHEAD_MAX];
    uint64_t keys[WARM_AHEAD_MAX];
    struct warm_ahead ahead = {.count = 99};
    uint32_t count = choose(place, rng, places, keys), ahead_count = 0;
    buf_init(&ahead.bytes, &memory_libc);
    warm_read_ahead(place->warm, places, count + 1, &ahead);
    for (uint32_t i = 0; changes && i < KEYS; i++)
        add(place, rng_below(rng, KEYS));
    for (uint32_t i = 0; i < count; i++) {
        enum warm_outcome outcome;
        struct warm_parts parts;
        bool still = places[i].address == place->addresses[keys[i]] &&
                     places[i].generation == warm_generation(place->warm, places[i].address);
        if (!warm_ahead_take(place->warm, &ahead, places[i].address, places[i].generation, &outcome, &parts))
            continue;
        ahead_count++;
        assert_true(outcome == WARM_FOUND || (outcome == WARM_STALE && !still));
        if (still)
            expect_record(place, keys[i], &parts);
    }
    assert_int_equal(ahead_count, ahead.count ? count : 0); /* together they are not too large */
    buf_fini(&ahead.bytes);
    return ahead_count;
}

static void several_are_read_at_once(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    for (enum access access = DIRECT; access <= MAPPED; access++) {
        struct place place;
        struct warm_statistics statistics;
        uint32_t taken = 0;
        begin(&place, access);
        fill(&place);
        warm_statistics(place.warm, &statistics);
        for (int round = 0; round < 100; round++) {
            taken += read_ahead(&place, &rng, round % 4 == 3);
            if (round == 50)
                warm_settle(place.warm);
        }
        assert_true(statistics.direct ? taken > 1000 : taken == 0); /* else they are read one by one */
        warm_verify(place.warm);
        end(&place);
    }
}

static void one_of_several_that_is_damaged_is_no_record(void **state) {
    struct place place;
    struct warm_statistics statistics;
    struct warm_place places[WARM_AHEAD_MAX];
    uint64_t keys[WARM_AHEAD_MAX];
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    begin(&place, DIRECT);
    fill(&place);
    uint32_t count = choose(&place, &rng, places, keys), damaged = 0;
    int file = openat(place.directory.fd, "warm", O_RDWR);
    assert_true(file >= 0);
    off_t at = (off_t)(WARM_BLOCK_SIZE + warm_address_position(places[0].address));
    assert_int_equal(pwrite(file, "damaged", 7, at + 20), 7);
    assert_int_equal(close(file), 0);
    struct warm_ahead ahead = {.count = 0};
    buf_init(&ahead.bytes, &memory_libc);
    warm_read_ahead(place.warm, places, count, &ahead);
    for (uint32_t i = 0; i < ahead.count; i++) {
        enum warm_outcome outcome;
        struct warm_parts parts;
        assert_true(warm_ahead_take(place.warm, &ahead, places[i].address, places[i].generation, &outcome, &parts));
        assert_int_equal(outcome, keys[i] == keys[0] ? WARM_DAMAGED : WARM_FOUND);
        damaged += outcome == WARM_DAMAGED;
    }
    warm_statistics(place.warm, &statistics);
    assert_int_equal(statistics.reads_damaged, damaged);
    buf_fini(&ahead.bytes);
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
           UNIT(several_are_read_at_once), UNIT(one_of_several_that_is_damaged_is_no_record),
           UNIT(other_files_than_the_kernel_s_are_read_by_calls));
