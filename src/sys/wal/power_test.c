/* sys/wal/power_test.c: lives of a small store on a disk that loses power, each of them held against what was promised.
 *
 * The store is an array of values. Each change is a record of the log; now and then a snapshot is begun, walked through while changes go on, and
 * finished; then files of the log go. A life ends with a cut in the midst of any call to the disk, a kill, or in order. The next life
 * recovers (perhaps with another cut meanwhile), and must find a beginning of the history that has all that was acknowledged.
 *
 * STRATA_POWER_ROUNDS: how many worlds of LIVES lives (else as many as fit into a test run).
 */
#include "base/rng.h"
#include "sys/fault/faults.h"
#include "sys/wal/snapshot.h"
#include "sys/wal/wal.h"
#include "unit.h"

enum { KEYS = 24, HISTORY_MAX = 4096, LIVES = 6, STEPS = 120, LANES = 3, RECORD_MAX = 700, TEXT_SIZE = 512 };
enum { NEVER = 255 };

enum plant { SOUND, NO_SYNC, NO_DIRECTORY_SYNC, EARLY_REPLY, PLANTS };

struct change {
    uint8_t key; /* NEVER: lost in a hole that the log told of */
    uint32_t size;
    uint64_t value;
    uint64_t staged_ms;
};

struct world {
    uint64_t seed;
    enum plant plant;
    bool faulty;
    struct rng rng;
    struct disk *disk;
    struct faults faults;
    const struct files *files;
    struct wal_options options;
    struct wal *wal;
    uint64_t now_ns;
    /* What is true: change n made record n. */
    struct change history[HISTORY_MAX + 1];
    uint64_t count;
    uint64_t acknowledged; /* must survive a cut */
    uint64_t written;      /* must survive a kill */
    uint64_t state[KEYS];
    bool killed;  /* the last life ended with the power on */
    bool spoiled; /* a call failed in this life: the second of WAL_INTERVAL is not promised */
    /* The snapshot that is being made. */
    struct snapshot_writer *snapshot;
    uint64_t snapshot_number, snapshot_start, snapshot_end;
    uint8_t snapshot_key;
    /* While recovering. */
    uint64_t found[KEYS];
    uint64_t visited;
    /* Counts, to see that the test tests. */
    uint64_t recovered, cuts, holes, rotations, snapshots, anew;
    char failure[TEXT_SIZE]; /* what was found wrong; empty: nothing */
};

static uint64_t now_ns(void *context) { return ((struct world *)context)->now_ns; }

static void wrong(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct world *world, const char *format, ...) {
    va_list arguments;
    if (world->failure[0])
        return;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof world->failure, format, arguments);
    va_end(arguments);
}

/* --- records: key, value, and as many bytes that follow from the value --- */

static struct slice record_make(const struct change *change, uint8_t *bytes) {
    bytes[0] = change->key;
    memcpy(bytes + 1, &change->value, 8);
    for (uint32_t i = 0; i < change->size; i++)
        bytes[9 + i] = (uint8_t)(change->value >> i % 8 * 8);
    return slice_make(bytes, 9 + change->size);
}

static enum status visit(void *context, uint64_t lsn, struct slice record) {
    struct world *world = context;
    uint8_t bytes[RECORD_MAX + 16];
    if (lsn > world->count)
        wrong(world, "record %llu was found; only %llu were written", (unsigned long long)lsn,
              (unsigned long long)world->count);
    else if (world->history[lsn].key == NEVER)
        wrong(world, "record %llu was missing once and is there now", (unsigned long long)lsn);
    else if (!slice_equal(record, record_make(&world->history[lsn], bytes)))
        wrong(world, "record %llu is another than was written", (unsigned long long)lsn);
    if (world->failure[0])
        return STATUS_INVALID;
    world->found[world->history[lsn].key] = world->history[lsn].value;
    world->visited++;
    return STATUS_OK;
}

static enum status miss(void *context, uint64_t first, uint64_t last) {
    struct world *world = context;
    for (uint64_t lsn = first; lsn <= last && lsn <= world->count; lsn++) {
        if (lsn <= world->acknowledged && world->history[lsn].key != NEVER)
            wrong(world, "%llu was acknowledged and is in a hole", (unsigned long long)lsn);
        world->history[lsn].key = NEVER;
    }
    return STATUS_OK;
}

/* --- recovering --- */

/* The newest snapshot into `found`. False: it could not be read, `reason` says why. */
static bool load_snapshot(struct world *world, struct wal_need *need, char *reason) {
    struct buf numbers;
    buf_init(&numbers, &memory_libc);
    memset(world->found, 0, sizeof world->found);
    *need = (struct wal_need){0};
    enum status status = snapshot_list(world->files, &numbers);
    uint64_t newest = 0;
    if (status == STATUS_OK && numbers.size)
        memcpy(&newest, numbers.data + numbers.size - sizeof newest, sizeof newest);
    buf_fini(&numbers);
    if (status != STATUS_OK || !newest)
        return status == STATUS_OK;
    if (newest >= world->snapshot_number)
        world->snapshot_number = newest;
    struct snapshot_reader *reader;
    struct snapshot_facts facts;
    status = snapshot_open(world->files, &memory_libc, newest, &reader, &facts, reason);
    if (status != STATUS_OK)
        return false;
    struct slice record;
    while ((status = snapshot_next(reader, &record, reason)) == STATUS_OK)
        memcpy(&world->found[record.data[0]], record.data + 1, 8);
    snapshot_close(reader);
    *need = (struct wal_need){.log_id = facts.log_id, .from_lsn = facts.start_lsn, .to_lsn = facts.end_lsn};
    return status == STATUS_CLOSED;
}

/* What the history up to here makes of the store. */
static void play(struct world *world, uint64_t count, uint64_t *state) {
    memset(state, 0, KEYS * sizeof *state);
    for (uint64_t lsn = 1; lsn <= count; lsn++) {
        if (world->history[lsn].key != NEVER)
            state[world->history[lsn].key] = world->history[lsn].value;
    }
}

static void compare(struct world *world, const struct wal_report *report, uint64_t least) {
    uint64_t last = report->next_lsn - 1, expected[KEYS];
    if (last < least)
        return wrong(world, "%llu changes are left; %llu were promised, %llu flushed", (unsigned long long)last,
                     (unsigned long long)least, (unsigned long long)world->acknowledged);
    if (last > world->count)
        return wrong(world, "%llu changes are there; only %llu were made", (unsigned long long)last,
                     (unsigned long long)world->count);
    world->holes += report->missing > 0;
    play(world, last, expected);
    if (memcmp(expected, world->found, sizeof expected) != 0)
        return wrong(world, "the store is not what %llu changes make (%llu are missing)", (unsigned long long)last,
                     (unsigned long long)report->missing);
    memcpy(world->state, expected, sizeof expected);
    world->count = world->written = last;
    world->acknowledged = wal_flushed(world->wal);
    world->recovered++;
}

/* Opens until it works: the power may go again and again. Then no more than what was acknowledged must be there. */
static void recover(struct world *world, uint64_t least) {
    for (unsigned cuts = rng_below(&world->rng, 3) == 0 ? 1 + (unsigned)rng_below(&world->rng, 2) : 0;; cuts--) {
        struct wal_need need;
        struct wal_report report = {0};
        char reason[WAL_REASON_SIZE] = "";
        world->visited = 0;
        if (cuts)
            disk_cut_after(world->disk, 1 + rng_below(&world->rng, 12));
        enum status status = STATUS_IO;
        if (load_snapshot(world, &need, reason)) {
            struct wal_visitor visitor = {visit, miss, world};
            status = wal_open(world->files, &world->options, &need, &visitor, &report, &world->wal);
            memcpy(reason, report.reason, sizeof reason);
        }
        bool cut = disk_is_cut(world->disk);
        if (status == STATUS_OK) {
            compare(world, &report, least);
            wal_report_fini(&report);
            if (!cut)
                disk_cut_after(world->disk, 0);
            return;
        }
        wal_report_fini(&report);
        if (!cut)
            return wrong(world, "refused: %s", reason);
        disk_restart(world->disk);
        world->cuts++;
        if (world->killed && least > world->acknowledged)
            least = world->acknowledged;
        if (!cuts)
            return wrong(world, "cut without being asked");
    }
}

/* --- living --- */

static void make_change(struct world *world) {
    if (world->count == HISTORY_MAX)
        return;
    struct change change = {
        .key = (uint8_t)rng_below(&world->rng, KEYS),
        .size = (uint32_t)(rng_below(&world->rng, 8) ? rng_below(&world->rng, 40)
                                                     : rng_below(&world->rng, RECORD_MAX - 16)),
        .value = rng_next(&world->rng) | 1,
        .staged_ms = world->now_ns / 1000000,
    };
    uint8_t bytes[RECORD_MAX + 16];
    struct slice record = record_make(&change, bytes);
    size_t cut = rng_below(&world->rng, record.size + 1);
    struct slice parts[2] = {slice_part(record, 0, cut), slice_part(record, cut, SIZE_MAX)};
    unsigned lane = (unsigned)rng_below(&world->rng, LANES);
    uint64_t lsn = 0;
    if (wal_admit(world->wal, lane, record.size) != STATUS_OK)
        return;
    enum status status = wal_stage(world->wal, lane, parts, 2, &lsn);
    if (status != STATUS_OK || lsn != world->count + 1)
        return wrong(world, "what was admitted was not staged");
    world->history[lsn] = change;
    world->state[change.key] = change.value;
    world->count = lsn;
    if (world->plant == EARLY_REPLY && world->options.mode == WAL_ALWAYS)
        world->acknowledged = lsn;
}

static void look(struct world *world) {
    uint64_t flushed = wal_flushed(world->wal), written = wal_written(world->wal);
    if (flushed > world->acknowledged)
        world->acknowledged = flushed;
    if (written > world->written)
        world->written = written;
    if (flushed > written || written > world->count)
        wrong(world, "flushed %llu, written %llu, staged %llu", (unsigned long long)flushed,
              (unsigned long long)written, (unsigned long long)world->count);
}

static void drop_snapshot(struct world *world) {
    snapshot_cancel(world->snapshot);
    world->snapshot = NULL;
}

static void begin_snapshot(struct world *world) {
    struct wal_statistics statistics;
    wal_statistics(world->wal, &statistics);
    struct snapshot_facts facts = {
        .number = ++world->snapshot_number,
        .id = rng_next(&world->rng) | 1,
        .log_id = statistics.log_id,
        .start_lsn = world->count + 1,
    };
    if (rng_below(&world->rng, 2))
        wal_rotate(world->wal);
    world->snapshot_start = facts.start_lsn;
    world->snapshot_key = 0;
    if (snapshot_begin(world->files, &memory_libc, &facts, &world->snapshot) != STATUS_OK)
        world->snapshot = NULL;
}

static void end_snapshot(struct world *world) {
    enum status status = snapshot_finish(world->snapshot, world->snapshot_end, wal_flushed(world->wal));
    if (status == STATUS_AGAIN)
        return;
    if (status != STATUS_OK)
        return drop_snapshot(world);
    world->snapshot = NULL;
    world->snapshots++;
    if (rng_below(&world->rng, 8) &&
        snapshot_remove_before(world->files, &memory_libc, world->snapshot_number) == STATUS_OK &&
        wal_covered(world->wal, world->snapshot_start) == STATUS_OK)
        look(world);
}

static void walk_snapshot(struct world *world) {
    if (!world->snapshot)
        return begin_snapshot(world);
    for (unsigned few = 0; few < 5 && world->snapshot_key < KEYS; few++) {
        uint8_t key = world->snapshot_key++;
        struct slice parts[2] = {slice_make(&key, 1), slice_make(&world->state[key], 8)};
        if (snapshot_add(world->snapshot, parts, 2) != STATUS_OK)
            return drop_snapshot(world);
        if (world->snapshot_key == KEYS)
            world->snapshot_end = world->count;
    }
    if (world->snapshot_key == KEYS)
        end_snapshot(world);
}

/* What is planted is there while the store lives; its recovery is sound, so that it is not found at the first file already. */
static unsigned planted(const struct world *world) {
    return world->plant == NO_SYNC             ? DISK_NO_SYNC
           : world->plant == NO_DIRECTORY_SYNC ? DISK_NO_DIRECTORY_SYNC
                                               : DISK_SOUND;
}

static void live(struct world *world) {
    disk_plant(world->disk, planted(world));
    if (rng_below(&world->rng, 4))
        disk_cut_after(world->disk, 1 + rng_below(&world->rng, 300));
    world->spoiled = world->faulty && rng_below(&world->rng, 2);
    if (world->spoiled)
        faults_random(&world->faults, FAULT_ANY & ~(unsigned)FAULT_READ, 10 + (uint32_t)rng_below(&world->rng, 60));
    unsigned steps = (unsigned)rng_below(&world->rng, STEPS);
    for (unsigned i = 0; i < steps && !disk_is_cut(world->disk) && !world->failure[0]; i++) {
        for (unsigned n = (unsigned)rng_below(&world->rng, 6); n; n--)
            make_change(world);
        world->now_ns += rng_below(&world->rng, 200) * 1000000;
        if (i % 2 && rng_below(&world->rng, 4) == 0) {
            enum status status = wal_write_out(world->wal);
            (void)status; /* the state says it as well */
        } else {
            wal_step(world->wal);
        }
        if (wal_state(world->wal) == WAL_FAILED && !world->spoiled && !disk_is_cut(world->disk))
            wrong(world, "failed on a sound disk");
        if (wal_state(world->wal) == WAL_FAILED && rng_below(&world->rng, 3) == 0)
            wal_begin_anew(world->wal);
        look(world);
        if (rng_below(&world->rng, 3) == 0)
            walk_snapshot(world);
    }
    faults_clear(&world->faults);
    disk_plant(world->disk, DISK_SOUND);
}

/* What must be there after a cut, in WAL_INTERVAL: all that was staged an interval ago, and one turn of the loop above. */
static uint64_t second_ago(const struct world *world) {
    uint64_t lsn = world->acknowledged;
    while (lsn < world->count && world->history[lsn + 1].staged_ms + 1000 + 3 * 200 < world->now_ns / 1000000)
        lsn++;
    return lsn;
}

/* Ends the life; answers how much the next one must find. */
static uint64_t end_life(struct world *world) {
    struct wal_statistics statistics;
    wal_statistics(world->wal, &statistics);
    world->rotations += statistics.rotations;
    world->anew += statistics.begun_anew;
    if (rng_below(&world->rng, 2))
        drop_snapshot(world);
    snapshot_abandon(world->snapshot);
    world->snapshot = NULL;
    bool cut = disk_is_cut(world->disk);
    world->killed = false;
    bool timely = world->options.mode == WAL_INTERVAL && !world->spoiled && !cut && !wal_cover_needed(world->wal);
    uint64_t least = timely ? second_ago(world) : world->acknowledged;
    uint64_t end = rng_below(&world->rng, 4);
    if (!cut && end == 0) {
        uint64_t count = world->count;
        if (wal_close(world->wal) == STATUS_OK)
            least = count;
    } else {
        if (!cut && end == 1 && !world->spoiled)
            least = world->written; /* a kill: what the kernel has is not lost */
        world->killed = !cut && end == 1;
        wal_free(world->wal);
    }
    world->wal = NULL;
    if (disk_is_cut(world->disk) || end != 1) {
        disk_restart(world->disk);
        world->cuts++;
    }
    disk_cut_after(world->disk, 0);
    return least;
}

static void world_init(struct world *world, uint64_t seed, enum plant plant, bool faulty) {
    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->plant = plant;
    world->faulty = faulty;
    world->rng = rng_seeded(seed);
    world->disk = disk_new(&memory_libc, rng_next(&world->rng), 0);
    faults_init(&world->faults, disk_files(world->disk), world->disk, rng_next(&world->rng));
    world->files = &world->faults.files;
    world->now_ns = 1000000000;
    world->options = (struct wal_options){
        .mode = plant == EARLY_REPLY || rng_below(&world->rng, 2) ? WAL_ALWAYS : WAL_INTERVAL,
        .interval_ms = 1000,
        .lanes = LANES,
        .lane_bytes = 2048,
        .file_bytes = 500 + rng_below(&world->rng, 8000),
        .reserve_bytes = rng_below(&world->rng, 2) ? 1 : 4096,
        .kept_bytes = rng_below(&world->rng, 2) ? 300 : 1 << 20,
        .log_id = rng_next(&world->rng) | 1,
        .stepped = true,
        .now_ns = now_ns,
        .now_context = world,
    };
}

/* Plays a world to its end, or to what is wrong with it, which `failure` says. */
static void world_play(struct world *world, uint64_t seed, enum plant plant, bool faulty) {
    world_init(world, seed, plant, faulty);
    uint64_t least = 0;
    for (unsigned i = 0; i < LIVES && !world->failure[0]; i++) {
        recover(world, least);
        if (world->failure[0])
            break;
        live(world);
        least = end_life(world);
    }
    if (!world->failure[0])
        recover(world, least);
    snapshot_abandon(world->snapshot);
    wal_free(world->wal);
    faults_fini(&world->faults);
    disk_free(world->disk);
}

static uint64_t rounds(uint64_t usual) {
    const char *text = getenv("STRATA_POWER_ROUNDS");
    return text ? strtoull(text, NULL, 0) : usual;
}

static void play_many(bool faulty, uint64_t count) {
    static struct world world;
    struct world sum = {0};
    for (uint64_t round = 0; round < count; round++) {
        world_play(&world, unit_seed() * 1000003 + round, SOUND, faulty);
        if (world.failure[0])
            fail_msg("seed %llu, %s: %s", (unsigned long long)world.seed, faulty ? "with faults" : "sound",
                     world.failure);
        sum.recovered += world.recovered;
        sum.cuts += world.cuts;
        sum.holes += world.holes;
        sum.rotations += world.rotations;
        sum.snapshots += world.snapshots;
        sum.anew += world.anew;
    }
    printf("%llu recoveries, %llu cuts, %llu rotations, %llu snapshots, %llu files begun anew, %llu holes\n",
           (unsigned long long)sum.recovered, (unsigned long long)sum.cuts, (unsigned long long)sum.rotations,
           (unsigned long long)sum.snapshots, (unsigned long long)sum.anew, (unsigned long long)sum.holes);
    assert_true(sum.recovered > count * 2 && sum.cuts > count && sum.rotations > count && sum.snapshots > count);
    if (faulty && count >= 100)
        assert_true(sum.anew > 0 && sum.holes > 0);
}

static void power_cuts_lose_nothing_that_was_acknowledged(void **state) { play_many(false, rounds(1000)); }

static void faults_and_power_cuts_lose_nothing_that_was_acknowledged(void **state) { play_many(true, rounds(1000)); }

/* Each planted fault is found within so many worlds; usually in the first few. */
static void planted_faults_are_found(void **state) {
    static struct world world;
    for (enum plant plant = NO_SYNC; plant < PLANTS; plant++) {
        uint64_t round = 0;
        do
            world_play(&world, unit_seed() * 1000003 + round++, plant, false);
        while (!world.failure[0] && round < 200);
        printf("plant %d: world %llu: %s\n", plant, (unsigned long long)round, world.failure);
        assert_true(world.failure[0] != 0);
    }
}

UNIT_TESTS(power, UNIT(power_cuts_lose_nothing_that_was_acknowledged),
           UNIT(faults_and_power_cuts_lose_nothing_that_was_acknowledged), UNIT(planted_faults_are_found));
