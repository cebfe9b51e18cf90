/* app/persist/twin_test.c: snapshots that are taken while memory runs out and everything changes, and the log behind them, against a naive twin.
 *
 * Threads write, delete, invalidate and let expire in a cache that has no room for it, so that evictions and reclaim never stop, while one snapshot after the other is taken. The
 * disk holds the snapshots up so that much happens during each. Then the disk's power goes: in the midst of a random call, or when all is flushed, or the server is
 * stopped. What snapshot and log make of another cache is held against the twin (naive_fixture.h), which has read every record that the log ever had and no snapshot: each key is
 * as it says, and what it says is there and was not evicted is there. What had been flushed is there, and where nothing was cut the cache that went on, its
 * writers and the twin agree as well.
 *
 * Then it lives on, from there, in little room again: what the loading finds no place for is gone for good.
 *
 * Seeds: STRATA_SEED and those that follow it, STRATA_TWIN_SEEDS of them.
 */
#include <errno.h>
#include <inttypes.h>

#include "app/persist/persist.h"
#include "app/persist/work_fixture.h"
#include "sys/fault/faults.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/thread.h"

enum {
    SEEDS = 25,
    WORKERS = 2,
    LIVES = 3,
    STEPS = 1500, /* of each worker in each life, at most */
    LIMIT_MIN = 160 << 10,
    LIMIT_MORE = 480 << 10,
    LIMIT_AGAIN = 64 << 20, /* where it is made again there is room, so nothing is lost */
    VALUE_MAX = 2000,
    LARGE_ONE_IN = 60,
    EXPIRES_WITHIN_MS = 150,
    HELD_STEPS_MAX = 300, /* so much happens before a write to a snapshot goes on, and not much more */
    STAND_ONE_IN = 12,
    CHANGES_MAX = 2000, /* of the disk, before its power is cut */
    FLUSH_WITHIN_MS = 60000,
};

#define WRONG(world, ...) (snprintf((world)->text, sizeof(world)->text, __VA_ARGS__), false)

enum ending { END_CUT, END_FLUSHED, END_STOPPED, ENDINGS };

struct world {
    struct faults faults; /* first: its calls are handed on with this address */
    struct files files;   /* what the program under test is given */
    struct disk *disk;
    uint64_t seed;
    struct rng rng, holding; /* holding: of whoever saves, as the next */
    bool is_snapshot[DISK_FILES_MAX];
    struct testing_cache t;
    struct persist *persist;
    struct naive naive;
    struct worker {
        struct world *world;
        struct work work;
        struct thread thread;
    } workers[WORKERS];
    _Atomic uint64_t steps,
        steps_until; /* of all workers: done, and how many there may be before whoever saves comes on */
    _Atomic unsigned working;
    atomic_bool refuses;
    uint64_t saves, losses, entries, evicted, cuts; /* what happened */
    char text[PERSIST_REASON_SIZE + 64];            /* what was found wrong; empty: nothing */
};

/* ------------------------------------------------------------------------------------------ the disk */

/* A file of the log that goes: the twin has to have read it. */
static enum status remove_file(void *context, const char *name) {
    struct world *world = context;
    if (strncmp(name, LOG_PREFIX, sizeof LOG_PREFIX - 1) == 0)
        MAYBE(naive_walk(disk_contents(world->disk, name), &world->naive, NULL) == 0);
    return world->faults.files.remove(context, name);
}

static enum status open_file(void *context, const char *name, enum files_how how, int *ret_file) {
    struct world *world = context;
    enum status status = world->faults.files.open(context, name, how, ret_file);
    if (status == STATUS_OK && how == FILES_NEW)
        world->is_snapshot[*ret_file] = strncmp(name, SNAPSHOT_PREFIX, sizeof SNAPSHOT_PREFIX - 1) == 0;
    return status;
}

/* Returns when others have done some work. */
static void let_work(struct world *world, struct rng *rng) {
    uint64_t until = atomic_load(&world->steps) + rng_below(rng, HELD_STEPS_MAX);
    if (atomic_load(&world->steps_until) < until + HELD_STEPS_MAX)
        atomic_store(&world->steps_until, until + HELD_STEPS_MAX);
    while (atomic_load(&world->steps) < until && atomic_load(&world->working))
        sched_yield();
}

/* Writes to snapshots wait for that. */
static enum status write_file(void *context, int file, uint64_t offset, const void *bytes, size_t size,
                              size_t *ret_size) {
    struct world *world = context;
    if (world->is_snapshot[file])
        let_work(world, &world->holding);
    return world->faults.files.write(context, file, offset, bytes, size, ret_size);
}

/* ------------------------------------------------------------------------------------------ a life */

static void on_staged(void *context, uint32_t actor, uint64_t lsn) { (void)context, (void)actor, (void)lsn; }
static void on_behind(void *context, bool waits) { (void)context, (void)waits; }
static void on_refuses(void *context, bool refuses) { atomic_store(&((struct world *)context)->refuses, refuses); }
static void on_saved(void *context) {
    struct world *world = context;
    atomic_store(&world->steps_until, atomic_load(&world->steps) + HELD_STEPS_MAX);
}

/* False: it is refused. */
static bool load(struct world *world, uint64_t limit_bytes) {
    static const enum cache_policy kinds[] = {CACHE_ALLKEYS_LRU, CACHE_ALLKEYS_LFU, CACHE_ALLKEYS_RANDOM};
    static const enum wal_mode modes[] = {WAL_ALWAYS, WAL_INTERVAL, WAL_NO};
    char reason[PERSIST_REASON_SIZE];
    world->t = testing_open(limit_bytes, 1 + (uint32_t)rng_below(&world->rng, 2),
                            kinds[rng_below(&world->rng, sizeof kinds / sizeof *kinds)]);
    world->t.actor = (struct actor){.id = WORKERS + 1, .now_ms = clock_unix_ms()};
    const struct persist_options options = {
        .files = &world->files,
        .cache = world->t.cache,
        .actor = &world->t.actor,
        .actors = WORKERS + 1,
        .mode = modes[rng_below(&world->rng, sizeof modes / sizeof *modes)],
        .interval_ms = 1,
        .user = {.staged = on_staged, .behind = on_behind, .refuses = on_refuses, .saved = on_saved, .context = world},
    };
    world->persist = NULL;
    if (persist_load(&options, &world->persist, reason) == STATUS_OK)
        return true;
    snprintf(world->text, sizeof world->text, "it cannot be loaded: %s", reason);
    return false;
}

static void unload(struct world *world) {
    MAYBE(persist_close(world->persist, &world->t.actor) != STATUS_OK);
    cache_journal_forget(world->t.cache, &world->t.actor);
    testing_close(&world->t);
}

static void work_all(void *context) {
    struct worker *worker = context;
    struct world *world = worker->world;
    for (int i = 0; i < STEPS && !atomic_load(&world->refuses); i++) {
        worker->work.actor.now_ms = clock_unix_ms();
        work_step(&worker->work);
        uint64_t done = atomic_fetch_add(&world->steps, 1);
        while (done > atomic_load(&world->steps_until) && !atomic_load(&world->refuses))
            sched_yield();
    }
    cache_journal_forget(world->t.cache, &worker->work.actor);
    atomic_fetch_sub(&world->working, 1);
}

static void begin_work(struct world *world) {
    atomic_store(&world->working, WORKERS);
    atomic_store(&world->steps_until, atomic_load(&world->steps) + HELD_STEPS_MAX);
    for (uint32_t i = 0; i < WORKERS; i++) {
        struct worker *worker = &world->workers[i];
        worker->work.cache = world->t.cache;
        worker->work.actor = (struct actor){.id = i + 1};
        assert_int_equal(thread_start(&worker->thread, "worker", work_all, worker), STATUS_OK);
    }
}

/* One snapshot after the other, held up between its slices as well; and what a server does for its memory, until all have worked. */
static void work_beside(struct world *world) {
    uint64_t turn = persist_save(world->persist);
    while (atomic_load(&world->working)) {
        world->t.actor.now_ms = clock_unix_ms();
        MAYBE(cache_housekeep(world->t.cache, &world->t.actor));
        if (persist_turns(world->persist) >= turn && !atomic_load(&world->refuses))
            turn = persist_save(world->persist);
        if (rng_below(&world->rng, STAND_ONE_IN) == 0) {
            persist_stand_still(world->persist);
            let_work(world, &world->rng);
            persist_go_on(world->persist);
        }
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        thread_join(&world->workers[i].thread);
        world->evicted += world->workers[i].work.actor.counts.evicted;
    }
}

/* ------------------------------------------------------------------------------------------ the end of one */

static void read_log(struct world *world) {
    struct buf list;
    struct wal_report report;
    MAYBE(wal_read(&world->files, &memory_libc, &(struct wal_need){0}, NULL, &report) != STATUS_OK);
    list = report.list;
    for (size_t i = 0; i < wal_list_count(&list); i++) {
        char name[LOG_NAME_SIZE];
        format_name(LOG_PREFIX, wal_list_at(&list, i).number, "", name);
        MAYBE(naive_walk(disk_contents(world->disk, name), &world->naive, NULL) == 0);
    }
    wal_report_fini(&report);
}

/* The cache that went on, those who wrote to it, and the twin. */
static bool agree(struct world *world) {
    char text[160];
    naive_go(&world->naive, naive_count(&world->naive));
    if (naive_differs(&world->naive, &world->t, text))
        return WRONG(world, "the log does not say what the cache had: %s", text);
    for (uint32_t i = 0; i < WORKERS; i++)
        if (work_differs(&world->workers[i].work, &world->t, text))
            return WRONG(world, "worker %u: %s", i, text);
    return true;
}

/* Answers whether all that the caches had is on disk; `ret_least`: so many records at least. */
static bool end_life(struct world *world, enum ending ending, uint64_t *ret_least, bool *ret_good) {
    struct wal *wal = persist_log(world->persist);
    struct persist_facts facts;
    bool whole = ending != END_CUT && !disk_is_cut(world->disk);
    if (whole && ending == END_FLUSHED) {
        wal_rotate(wal); /* which flushes */
        whole = wal_wait(wal, WAL_FLUSHED, wal_staged(wal), FLUSH_WITHIN_MS) == STATUS_OK;
    }
    persist_facts(world->persist, &facts);
    world->saves += facts.saves;
    *ret_least = whole ? wal_staged(wal) : wal_flushed(wal);
    if (ending != END_STOPPED && !disk_is_cut(world->disk))
        disk_cut_after(world->disk, 1);
    if (persist_close(world->persist, &world->t.actor) != STATUS_OK)
        whole = whole && ending == END_FLUSHED;
    world->persist = NULL;
    world->cuts += disk_is_cut(world->disk);
    disk_restart(world->disk);
    read_log(world);
    world->t.actor.now_ms = clock_unix_ms();
    /* Whoever looks with edits has room made for them, which nobody would be told of any more. */
    assert_int_equal(cache_limit_set(world->t.cache, world->t.range_size), STATUS_OK);
    *ret_good = !whole || agree(world);
    cache_journal_forget(world->t.cache, &world->t.actor);
    testing_close(&world->t);
    return whole;
}

/* Made again where there is room. */
static bool is_recovered(struct world *world, uint64_t least, bool whole) {
    struct persist_facts facts;
    char text[160];
    uint64_t found = 0;
    if (!load(world, LIMIT_AGAIN))
        return false;
    uint64_t lsn = wal_staged(persist_log(world->persist));
    persist_facts(world->persist, &facts);
    bool good = lsn >= least && lsn == naive_count(&world->naive) && facts.loaded_entries_lost == 0;
    if (!good)
        MAYBE(WRONG(world,
                    "records to %" PRIu64 " came back, at least %" PRIu64 " had to, the log has %" PRIu64 "; %" PRIu64
                    " lost",
                    lsn, least, naive_count(&world->naive), facts.loaded_entries_lost));
    naive_go(&world->naive, naive_count(&world->naive));
    if (good && naive_differs(&world->naive, &world->t, text))
        good = WRONG(world, "%s", text);
    for (uint32_t i = 0; i < NAIVE_DATABASES * NAIVE_KEYS; i++)
        found += naive_finds(&world->naive, i / NAIVE_KEYS, i % NAIVE_KEYS, world->t.actor.now_ms);
    world->entries += found;
    /* Who wrote has to know what is there. */
    for (uint32_t i = 0; i < NAIVE_DATABASES * NAIVE_KEYS && !whole; i++) {
        struct seen seen;
        char name[16];
        uint32_t db = i / NAIVE_KEYS, key = i % NAIVE_KEYS;
        buf_init(&seen.value, &memory_libc);
        testing_see(&world->t, db, naive_key(key, name), &seen);
        world->workers[key % WORKERS].work.truth[db][key] = seen.found ? little_u64(seen.value.data) : 0;
        buf_fini(&seen.value);
    }
    unload(world);
    return good;
}

/* What is not there in little room is gone, as soon as a snapshot says so. */
static bool lose_some(struct world *world) {
    struct seen mine, found;
    while (persist_is_settling(world->persist))
        sched_yield();
    struct persist_facts facts;
    persist_facts(world->persist, &facts);
    if (facts.last_save_failed)
        return true;
    naive_go(&world->naive, naive_count(&world->naive));
    world->losses += facts.loaded_entries_lost;
    buf_init(&found.value, &memory_libc);
    for (uint32_t i = 0; i < NAIVE_DATABASES * NAIVE_KEYS && facts.loaded_entries_lost; i++) {
        char name[16];
        uint32_t db = i / NAIVE_KEYS, key = i % NAIVE_KEYS;
        naive_see(&world->naive, db, key, world->t.actor.now_ms, &mine);
        testing_see(&world->t, db, naive_key(key, name), &found);
        if (mine.found && !found.found)
            naive_lose(&world->naive, db, key);
    }
    buf_fini(&found.value);
    return true;
}

static bool live(struct world *world, bool first) {
    enum ending ending = (enum ending)rng_below(&world->rng, ENDINGS);
    uint64_t least;
    bool good, whole;
    if (!load(world, LIMIT_MIN + rng_below(&world->rng, LIMIT_MORE)))
        return false;
    atomic_store(&world->refuses, false);
    assert_int_equal(persist_begin(world->persist, &world->t.actor), STATUS_OK);
    if (!first && !lose_some(world))
        return false;
    if (ending == END_CUT)
        disk_cut_after(world->disk, 1 + rng_below(&world->rng, CHANGES_MAX));
    begin_work(world);
    work_beside(world);
    whole = end_life(world, ending, &least, &good);
    return good && is_recovered(world, least, whole);
}

static bool run(struct world *world, uint64_t seed) {
    bool good = true;
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->rng = rng_seeded(seed * 2);
    world->holding = rng_seeded(seed * 2 + 1);
    world->disk = disk_new(&memory_libc, seed, 0);
    faults_init(&world->faults, disk_files(world->disk), world->disk, seed);
    world->files = world->faults.files;
    world->files.remove = remove_file;
    world->files.open = open_file;
    world->files.write = write_file;
    naive_init(&world->naive);
    for (uint32_t i = 0; i < WORKERS; i++) {
        struct work *work = &world->workers[i].work;
        work_init(work, NULL, seed, i, WORKERS);
        work->size_max = VALUE_MAX;
        work->large_one_in = LARGE_ONE_IN;
        work->expires_within_ms = EXPIRES_WITHIN_MS;
        world->workers[i].world = world;
    }
    for (int lives = 0; lives < LIVES && good; lives++)
        good = live(world, lives == 0);
    naive_fini(&world->naive);
    faults_fini(&world->faults);
    disk_free(world->disk);
    return good;
}

static void snapshots_and_log_make_what_the_twin_has(void **state) {
    (void)state;
    static struct world world;
    const char *text = getenv("STRATA_TWIN_SEEDS");
    uint64_t seeds = text ? strtoull(text, NULL, 10) : SEEDS, sums[5] = {0};
    log_level_set(LOG_NOTHING);
    for (uint64_t i = 0; i < seeds; i++) {
        if (!run(&world, unit_seed() + i))
            fail_msg("seed %" PRIu64 ": %s", unit_seed() + i, world.text);
        sums[0] += world.saves;
        sums[1] += world.evicted;
        sums[2] += world.cuts;
        sums[3] += world.entries;
        sums[4] += world.losses;
    }
    print_message("%" PRIu64 " seeds of %d lives: %" PRIu64 " snapshots, %" PRIu64 " evictions, %" PRIu64
                  " power cuts; %" PRIu64 " entries came back and were the twin's, %" PRIu64
                  " found no room in the next life\n",
                  seeds, LIVES, sums[0], sums[1], sums[2], sums[3], sums[4]);
    assert_true(sums[0] > seeds && sums[1] > seeds * 100 && sums[2] > seeds / 2 && sums[3] > seeds * 20);
}

UNIT_TESTS(twin, UNIT(snapshots_and_log_make_what_the_twin_has));
