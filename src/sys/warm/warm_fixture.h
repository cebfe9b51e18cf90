/* sys/warm/warm_fixture.h: what tests of the warm tier share: a store on a disk in memory, and a naive twin that knows what each key has.
 *
 * Key n is the number n; its version v has bytes that follow from both. The twin is what an index would be: a place for each key, which hooks
 * change.
 */
#ifndef STRATA_SYS_WARM_WARM_FIXTURE_H
#define STRATA_SYS_WARM_WARM_FIXTURE_H

#include "base/little.h"
#include "base/rng.h"
#include "sys/fault/faults.h"
#include "sys/warm/reader.h"
#include "unit.h"

enum { WORLD_KEYS = 400, WORLD_SEGMENT = 16 * 1024, WORLD_VALUE_MAX = WORLD_SEGMENT - 200 };

struct world_cell {
    uint64_t address; /* 0: none */
    uint64_t version; /* of the record there */
    uint64_t written; /* versions that were ever added */
};

struct world {
    uint64_t seed;
    struct rng rng;
    struct disk *disk;
    struct faults faults;
    struct warm_options options;
    struct warm *warm;
    struct warm_reader *reader;
    struct warm_report report;
    uint64_t now_ns;
    struct world_cell cells[WORLD_KEYS];
    uint32_t keep_one_in; /* 0: nothing is kept */
    uint64_t told_gone, told_lost, told_moved, told_all, troubles;
    struct warm_trouble trouble; /* the last */
    /* Of the last reads. */
    uint64_t outcomes[WARM_FAILED + 1];
    uint64_t
        wrong; /* records that were found and are none that was ever added, or of another version than the twin's */
};

/* --- records --- */

static inline size_t world_value_size(uint64_t key, uint64_t version) {
    uint64_t draw = (key * 31 + version * 7) % 64;
    return draw == 0 ? WORLD_VALUE_MAX - key % 50 : draw < 8 ? 2000 + draw * 500 : (key * 13 + version * 5) % 700;
}

static inline struct warm_record world_record(uint64_t key, uint64_t version, uint8_t *bytes) {
    size_t meta_size = key % 3 ? 16 : 8, size = world_value_size(key, version);
    uint8_t *value = bytes + 32;
    little_put_u64(bytes, version);
    little_put_u64(bytes + 8, key ^ 0x55);
    little_put_u64(bytes + 16, key);
    for (size_t i = 0; i < size; i++)
        value[i] = (uint8_t)(key * 3 + version * 11 + i);
    return (struct warm_record){
        .hash = key,
        .word = version,
        .parts = {slice_make(bytes, meta_size), slice_make(bytes + 16, 8), slice_make(value, size)},
    };
}

/* Whether these parts are those of a record that was added; ret_key, ret_version: which. */
static inline bool world_is_true(const struct world *world, const struct warm_parts *parts, uint64_t *ret_key,
                                 uint64_t *ret_version) {
    static uint8_t bytes[WORLD_SEGMENT];
    if (parts->key.size != 8 || parts->meta.size < 8)
        return false;
    uint64_t key = little_u64(parts->key.data), version = little_u64(parts->meta.data);
    if (key >= WORLD_KEYS || version == 0 || version > world->cells[key].written)
        return false;
    struct warm_record record = world_record(key, version, bytes);
    *ret_key = key;
    *ret_version = version;
    return slice_equal(record.parts.meta, parts->meta) && slice_equal(record.parts.value, parts->value);
}

/* --- hooks --- */

static inline bool world_keep(void *context, const struct warm_item *item) {
    struct world *world = context;
    return world->cells[item->hash].address == item->address && world->keep_one_in &&
           rng_below(&world->rng, world->keep_one_in) == 0;
}

static inline void world_moved(void *context, const struct warm_item *item, uint64_t address) {
    struct world *world = context;
    world->told_moved++;
    if (world->cells[item->hash].address == item->address)
        world->cells[item->hash].address = address;
}

static inline void world_gone(void *context, const struct warm_item *item, enum warm_cause cause) {
    struct world *world = context;
    world->told_gone += cause == WARM_RECLAIMED;
    world->told_lost += cause == WARM_LOST;
    if (world->cells[item->hash].address == item->address)
        world->cells[item->hash].address = 0;
}

static inline void world_gone_all(void *context, uint64_t first, uint64_t end) {
    struct world *world = context;
    world->told_all++;
    for (unsigned i = 0; i < WORLD_KEYS; i++) {
        uint64_t position = warm_address_position(world->cells[i].address);
        if (position >= first && position < end)
            world->cells[i].address = 0;
    }
}

static inline void world_trouble(void *context, const struct warm_trouble *trouble) {
    struct world *world = context;
    world->troubles++;
    world->trouble = *trouble;
}

/* --- lives --- */

static inline void world_init(struct world *world, uint64_t seed) {
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->rng = rng_seeded(seed);
    world->disk = disk_new(&memory_libc, seed, 0);
    faults_init(&world->faults, disk_files(world->disk), world->disk, seed);
    world->now_ns = 1000000000;
    world->options = (struct warm_options){
        .size_bytes = 10 * WORLD_SEGMENT,
        .segment_bytes = WORLD_SEGMENT,
        .keep_percent = 50,
        .stepped = true,
        .hooks = {world_keep, world_moved, world_gone, world_gone_all, world_trouble, world},
    };
}

static inline void world_end_life(struct world *world) {
    warm_reader_free(world->reader);
    warm_free(world->warm);
    world->reader = NULL;
    world->warm = NULL;
}

static inline void world_fini(struct world *world) {
    world_end_life(world);
    faults_fini(&world->faults);
    disk_free(world->disk);
}

static inline enum status world_found(void *context, const struct warm_item *item) {
    struct world *world = context;
    if (item->hash >= WORLD_KEYS || item->word == 0 || item->word > world->cells[item->hash].written) {
        world->wrong++;
        return STATUS_OK;
    }
    world->cells[item->hash].address = item->address;
    world->cells[item->hash].version = item->word;
    return STATUS_OK;
}

/* The places that the twin knows are those that the opening finds. Salts are others in each life. */
static inline enum status world_try_open(struct world *world) {
    struct warm_visitor visitor = {.found = world_found, .context = world};
    struct warm_reader_options options = {.depth_max = 32};
    for (unsigned i = 0; i < WORLD_KEYS; i++)
        world->cells[i].address = 0;
    world->options.seed = rng_next(&world->rng) | 1;
    enum status status =
        warm_open(&world->faults.files, &world->options, world->now_ns, &visitor, &world->report, &world->warm);
    if (status != STATUS_OK)
        return status;
    status = warm_reader_new(world->warm, &options, &world->reader);
    if (status != STATUS_OK)
        world_end_life(world);
    return status;
}

static inline void world_open(struct world *world) {
    if (world_try_open(world) != STATUS_OK)
        fail_msg("the store does not open: %s", world->report.reason);
}

static inline enum status world_close(struct world *world) {
    warm_reader_free(world->reader);
    enum status status = warm_close(world->warm);
    world->reader = NULL;
    world->warm = NULL;
    return status;
}

static inline enum status world_add(struct world *world, uint64_t key) {
    static uint8_t bytes[WORLD_SEGMENT];
    struct world_cell *cell = &world->cells[key];
    struct warm_record record = world_record(key, cell->written + 1, bytes);
    uint64_t address;
    struct slice value = record.parts.value, pieces[3];
    if (key % 2) { /* from several places */
        pieces[0] = slice_part(value, 0, value.size / 3);
        pieces[1] = slice_part(value, pieces[0].size, 0);
        pieces[2] = slice_part(value, pieces[0].size, SIZE_MAX);
        record.pieces = pieces;
        record.piece_count = 3;
        record.parts.value.data = NULL;
    }
    enum status status = warm_add(world->warm, world->now_ns, &record, &address);
    if (status == STATUS_OK) {
        cell->version = ++cell->written;
        cell->address = address;
    }
    return status;
}

/* --- reading --- */

struct world_read {
    struct world *world;
    uint64_t key;
};

static inline void world_done(void *context, enum warm_outcome outcome, const struct warm_parts *parts) {
    struct world_read *read = context;
    uint64_t key, version;
    read->world->outcomes[outcome]++;
    if (outcome == WARM_FOUND)
        read->world->wrong += !world_is_true(read->world, parts, &key, &version) || key != read->key ||
                              version != read->world->cells[key].version;
}

/* Reads all that the twin has a place for; answers how many. */
static inline uint64_t world_read_all(struct world *world) {
    struct world_read reads[WORLD_KEYS];
    uint64_t count = 0;
    memset(world->outcomes, 0, sizeof world->outcomes);
    for (uint64_t key = 0; key < WORLD_KEYS; key++) {
        uint64_t address = world->cells[key].address;
        if (!address)
            continue;
        struct warm_request request = {address, warm_generation(world->warm, address), world_done, &reads[key]};
        reads[key] = (struct world_read){world, key};
        while (warm_read(world->reader, &request) != STATUS_OK)
            assert_true(warm_reader_poll(world->reader) > 0);
        count++;
    }
    warm_reader_submit(world->reader);
    while (warm_reader_pending(world->reader))
        (void)warm_reader_poll(world->reader);
    return count;
}

#endif
