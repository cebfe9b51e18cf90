/* app/persist/damage_test.c: damaged logs and snapshots, through all that a start of the server reads.
 *
 * A cache is worked on until its log has so many records; what a kill would leave on disk is damaged, a cut or a flipped bit at a time, and a cache is made
 * of it. Either it is refused, and the reason names the damaged file and the offset, or the cache is exactly what the undamaged log says after some record:
 * the last one, or for what no flush covers an earlier one. What the log itself proves to have been flushed is never passed over.
 *
 * STRATA_DAMAGE_CUTS, STRATA_DAMAGE_FLIPS, STRATA_DAMAGE_SECTORS: how many, else a sample; cuts 0: at every byte. The seed is STRATA_SEED.
 */
#include <errno.h>
#include <inttypes.h>

#include "app/persist/persist.h"
#include "app/persist/work_fixture.h"
#include "sys/fault/disk.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"

enum {
    RECORDS = 1000,
    CUTS = 400,
    FLIPS = 400,
    SECTORS = 200,
    SECTOR = 512,
    FILES_MAX = 16,
    BATCH_MAX = 8,
    LIMIT = 4 << 20
};

/* What the directory is when it is damaged. */
enum kind {
    KIND_LOG,      /* one file of the log, of a server that was killed */
    KIND_CLOSED,   /* and that was stopped */
    KIND_FILES,    /* several files, killed */
    KIND_SNAPSHOT, /* a snapshot, and the log behind it; killed */
    KIND_SAVED,    /* the snapshot was the last thing; stopped */
    KINDS
};

struct world {
    uint64_t seed;
    enum kind kind;
    struct disk *disk;
    const struct files *files;
    struct testing_cache t;
    struct persist *persist;
    struct work work;
    struct naive naive;
    uint64_t now_ms; /* whoever saves has the true time, so this is about that */
    uint64_t proven; /* the last record that the log itself says was flushed */
    struct image {
        char name[FILES_NAME_MAX + 1];
        struct buf bytes;
    } images[FILES_MAX];
    unsigned image_count;
    struct buf bytes; /* of a damaged file */
    char reason[PERSIST_REASON_SIZE];
    uint64_t whole, shorter, refused; /* how it ended */
};

/* ------------------------------------------------------------------------------------------ opening */

static void on_staged(void *context, uint32_t actor, uint64_t lsn) { (void)context, (void)actor, (void)lsn; }
static void on_change(void *context, bool now) { (void)context, (void)now; }
static void on_saved(void *context) { (void)context; }

static enum status load(struct world *world) {
    world->t = testing_open(LIMIT, 2, CACHE_ALLKEYS_LRU);
    world->t.actor.now_ms = world->now_ms;
    const struct persist_options options = {
        .files = world->files,
        .cache = world->t.cache,
        .actor = &world->t.actor,
        .actors = 2,
        .mode = WAL_INTERVAL,
        .interval_ms = 2,
        .user = {.staged = on_staged, .behind = on_change, .refuses = on_change, .saved = on_saved},
    };
    world->persist = NULL;
    return persist_load(&options, &world->persist, world->reason);
}

static void unload(struct world *world) {
    MAYBE(persist_close(world->persist, &world->t.actor) != STATUS_OK);
    cache_journal_forget(world->t.cache, &world->t.actor);
    testing_close(&world->t);
}

/* ------------------------------------------------------------------------------------------ the undamaged one */

/* Some records to a batch, so that a cut takes several or one; now and then a flush, which later batches prove. */
static void work_until(struct world *world, uint64_t lsn) {
    struct wal *wal = persist_log(world->persist);
    char text[160];
    world->work.actor.now_ms = world->t.actor.now_ms;
    while (wal_staged(wal) < lsn) {
        for (uint32_t i = 1 + work_below(&world->work, BATCH_MAX); i > 0 && wal_staged(wal) < lsn; i--)
            work_step(&world->work);
        assert_int_equal(wal_write_out(wal), STATUS_OK);
        if (work_below(&world->work, 20) == 0)
            assert_int_equal(wal_wait(wal, WAL_FLUSHED, wal_staged(wal), 60000), STATUS_OK);
    }
    if (work_differs(&world->work, &world->t, text))
        fail_msg("%s", text);
}

static void save(struct world *world) {
    struct persist_facts facts;
    uint64_t turn = persist_save(world->persist);
    while (persist_turns(world->persist) < turn)
        sched_yield();
    persist_facts(world->persist, &facts);
    assert_false(facts.last_save_failed);
}

static enum status take_image(void *context, const char *name) {
    struct world *world = context;
    assert_true(world->image_count < FILES_MAX);
    snprintf(world->images[world->image_count++].name, FILES_NAME_MAX + 1, "%s", name);
    return STATUS_OK;
}

static void take_images(struct world *world) {
    assert_int_equal(world->files->list(world->files->context, take_image, world), STATUS_OK);
    for (unsigned i = 0; i < world->image_count; i++) {
        buf_init(&world->images[i].bytes, &memory_libc);
        struct slice bytes = disk_contents(world->disk, world->images[i].name);
        assert_int_equal(buf_append_slice(&world->images[i].bytes, bytes), STATUS_OK);
    }
}

static void read_log(struct world *world) {
    for (uint64_t number = 1; number < FILES_MAX; number++) {
        char name[LOG_NAME_SIZE];
        format_name(LOG_PREFIX, number, "", name);
        MAYBE(naive_walk(disk_contents(world->disk, name), &world->naive, &world->proven) == 0);
    }
}

static void rotate(struct world *world) {
    wal_rotate(persist_log(world->persist));
    assert_int_equal(wal_wait(persist_log(world->persist), WAL_FLUSHED, wal_staged(persist_log(world->persist)), 60000),
                     STATUS_OK);
}

static void make_directory(struct world *world) {
    work_until(world, RECORDS / 3);
    if (world->kind == KIND_FILES || world->kind == KIND_SNAPSHOT)
        rotate(world);
    work_until(world, RECORDS / 2);
    read_log(world); /* before files go */
    if (world->kind == KIND_SNAPSHOT)
        save(world);
    work_until(world, RECORDS - RECORDS / 5);
    if (world->kind == KIND_FILES || world->kind == KIND_SNAPSHOT)
        rotate(world);
    work_until(world, RECORDS);
    read_log(world);
    if (world->kind == KIND_SAVED)
        save(world);
}

static void begin(struct world *world, enum kind kind, uint64_t seed) {
    char text[160];
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->kind = kind;
    world->now_ms = clock_unix_ms();
    log_level_set(LOG_NOTHING);
    world->disk = disk_new(&memory_libc, seed, 0);
    world->files = disk_files(world->disk);
    naive_init(&world->naive);
    buf_init(&world->bytes, &memory_libc);
    assert_int_equal(load(world), STATUS_OK);
    assert_int_equal(persist_begin(world->persist, &world->t.actor), STATUS_OK);
    work_init(&world->work, world->t.cache, seed, 0, 1);
    world->work.actor.id = 1;
    make_directory(world);
    naive_go(&world->naive, naive_count(&world->naive));
    if (naive_count(&world->naive) < RECORDS || naive_differs(&world->naive, &world->t, text))
        fail_msg("seed %" PRIu64 ": the log does not say what the cache has: %s", seed, text);
    bool stopped = kind == KIND_CLOSED || kind == KIND_SAVED;
    if (!stopped)
        take_images(world);
    cache_journal_forget(world->t.cache, &world->work.actor);
    unload(world);
    if (stopped)
        take_images(world);
    for (unsigned i = 0; i < world->image_count && stopped; i++)
        MAYBE(naive_walk(buf_slice(&world->images[i].bytes), NULL, &world->proven) == 0);
}

static void end(struct world *world) {
    print_message("  %s: %" PRIu64 " recovered whole, %" PRIu64 " without the end that no flush covers, %" PRIu64
                  " refused\n",
                  (const char *const[]){"log of a killed server", "log of a stopped server", "log of three files",
                                        "snapshot and log", "snapshot of a stopped server"}[world->kind],
                  world->whole, world->shorter, world->refused);
    for (unsigned i = 0; i < world->image_count; i++)
        buf_fini(&world->images[i].bytes);
    naive_fini(&world->naive);
    buf_fini(&world->bytes);
    disk_free(world->disk);
}

/* ------------------------------------------------------------------------------------------ damage */

static enum status drop_file(void *context, const char *name) {
    struct world *world = context;
    assert_true(world->image_count < FILES_MAX);
    snprintf(world->images[world->image_count].name, FILES_NAME_MAX + 1, "%s", name);
    return STATUS_CLOSED;
}

static void empty_disk(struct world *world) {
    while (world->files->list(world->files->context, drop_file, world) == STATUS_CLOSED)
        assert_int_equal(world->files->remove(world->files->context, world->images[world->image_count].name),
                         STATUS_OK);
    assert_int_equal(world->files->sync_directory(world->files->context), STATUS_OK);
}

/* Opens what is there when `bytes` stand in the place of an image. At least `least` records have to be there, or a reason. */
static void try_damaged(struct world *world, unsigned damaged, struct slice bytes, uint64_t least, const char *what) {
    const char *name = world->images[damaged].name;
    char text[160] = "";
    empty_disk(world);
    for (unsigned i = 0; i < world->image_count; i++)
        disk_put(world->disk, world->images[i].name, i == damaged ? bytes : buf_slice(&world->images[i].bytes));
    enum status status = load(world);
    if (status == STATUS_OK) {
        uint64_t lsn = wal_staged(persist_log(world->persist));
        naive_go(&world->naive, lsn <= RECORDS * 2 && lsn <= naive_count(&world->naive) ? lsn : 0);
        if (lsn < least || lsn > naive_count(&world->naive))
            fail_msg("seed %" PRIu64 ", %s of %s: %" PRIu64 " records are there and not at least %" PRIu64, world->seed,
                     what, name, lsn, least);
        if (naive_differs(&world->naive, &world->t, text))
            fail_msg("seed %" PRIu64 ", %s of %s: %s", world->seed, what, name, text);
        *(lsn == naive_count(&world->naive) ? &world->whole : &world->shorter) += 1;
    } else {
        bool tells = strstr(world->reason, " offset ") || strstr(world->reason, "it has been renamed");
        if ((status != STATUS_CORRUPT && status != STATUS_INVALID) || !strstr(world->reason, name) || !tells)
            fail_msg("seed %" PRIu64 ", %s of %s: refused (%s) with the words: %s", world->seed, what, name,
                     status_text(status), world->reason);
        world->refused++;
    }
    unload(world);
}

static uint64_t wanted(const char *name, uint64_t usual) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : usual;
}

/* What is left of a log that is cut there is the tail of a write, and all before it is there. */
static void cut(struct world *world, uint64_t size) {
    struct slice bytes = slice_part(buf_slice(&world->images[0].bytes), 0, size);
    char what[64];
    snprintf(what, sizeof what, "the first %" PRIu64 " bytes", size);
    uint64_t refused = world->refused, least = naive_walk(bytes, NULL, NULL);
    try_damaged(world, 0, bytes, least, what);
    if (world->refused != refused && size >= LOG_HEADER_SIZE)
        fail_msg("seed %" PRIu64 ", %s: refused: %s", world->seed, what, world->reason);
    if (world->refused == refused && world->naive.at != least)
        fail_msg("seed %" PRIu64 ", %s: %" PRIu64 " records came back and not %" PRIu64, world->seed, what,
                 world->naive.at, least);
}

static void log_cut_anywhere_is_a_beginning_of_it(void **state) {
    (void)state;
    static struct world world;
    begin(&world, KIND_LOG, unit_seed());
    uint64_t size = world.images[0].bytes.size, cuts = wanted("STRATA_DAMAGE_CUTS", CUTS);
    if (cuts == 0 || cuts > size)
        cuts = size;
    print_message("a log of %" PRIu64 " records, %" PRIu64 " bytes, cut in %" PRIu64 " places\n",
                  naive_count(&world.naive), size, cuts);
    for (uint64_t i = 0; i < cuts; i++)
        cut(&world, cuts == size ? i : i < 2 * LOG_HEADER_SIZE ? i : rng_below(&world.work.rng, size));
    end(&world);
}

/* Any byte of all files, equally likely; a copy of its file is made, to be damaged. Answers the place of the byte. */
static uint64_t any_byte(struct world *world, unsigned *ret_which) {
    uint64_t total = 0, at;
    unsigned which = 0;
    for (unsigned i = 0; i < world->image_count; i++)
        total += world->images[i].bytes.size;
    for (at = rng_below(&world->work.rng, total); at >= world->images[which].bytes.size; which++)
        at -= world->images[which].bytes.size;
    buf_clear(&world->bytes);
    assert_int_equal(buf_append_slice(&world->bytes, buf_slice(&world->images[which].bytes)), STATUS_OK);
    *ret_which = which;
    return at;
}

static void flip(struct world *world) {
    unsigned which;
    char what[64];
    uint64_t at = any_byte(world, &which);
    uint32_t bit = work_below(&world->work, 8);
    world->bytes.data[at] ^= (uint8_t)(1u << bit);
    snprintf(what, sizeof what, "bit %u of byte %" PRIu64, bit, at);
    try_damaged(world, which, buf_slice(&world->bytes), world->proven, what);
}

static void flipped_bit_is_refused_or_harmless(void **state) {
    (void)state;
    static struct world world;
    uint64_t flips = wanted("STRATA_DAMAGE_FLIPS", FLIPS);
    print_message("%" PRIu64 " flipped bits\n", flips);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        begin(&world, kind, unit_seed() + kind);
        for (uint64_t i = 0; i < (flips + KINDS - 1) / KINDS; i++)
            flip(&world);
        end(&world);
    }
}

/* A sector that reads as zeros, or as another one of the files, or behind which nothing stands. It may take with it what proves that others were flushed, so any
 * beginning of the log is right; but nothing that never was. */
static void spoil_sector(struct world *world) {
    unsigned which, other = work_below(&world->work, world->image_count);
    char what[64];
    uint64_t at = any_byte(world, &which) / SECTOR * SECTOR, size = world->bytes.size - at;
    struct slice from = buf_slice(&world->images[other].bytes);
    uint32_t how = work_below(&world->work, 3);
    size = size < SECTOR ? size : SECTOR;
    if (how == 0) {
        memset(world->bytes.data + at, 0, size);
    } else if (how == 1) {
        world->bytes.size = at;
    } else {
        uint64_t place = from.size / SECTOR ? rng_below(&world->work.rng, from.size / SECTOR) * SECTOR : 0;
        memcpy(world->bytes.data + at, from.data + place, size < from.size - place ? size : from.size - place);
    }
    snprintf(what, sizeof what, "sector %" PRIu64 " (%s)", at / SECTOR,
             (const char *const[]){"zeros", "the end", "another one"}[how]);
    try_damaged(world, which, buf_slice(&world->bytes), 0, what);
}

static void spoiled_sector_is_refused_or_ends_the_log(void **state) {
    (void)state;
    static struct world world;
    uint64_t sectors = wanted("STRATA_DAMAGE_SECTORS", SECTORS);
    print_message("%" PRIu64 " spoiled sectors\n", sectors);
    for (enum kind kind = 0; kind < KINDS; kind++) {
        begin(&world, kind, unit_seed() + KINDS + kind);
        for (uint64_t i = 0; i < (sectors + KINDS - 1) / KINDS; i++)
            spoil_sector(&world);
        end(&world);
    }
}

UNIT_TESTS(damage, UNIT(log_cut_anywhere_is_a_beginning_of_it), UNIT(flipped_bit_is_refused_or_harmless),
           UNIT(spoiled_sector_is_refused_or_ends_the_log));
