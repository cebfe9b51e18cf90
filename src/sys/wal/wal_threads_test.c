/* sys/wal/wal_threads_test.c: threads stage, wait and write out while the committer writes, rotates, fails and begins anew. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "sys/os/futex.h"
#include "sys/wal/log_fixture.h"

enum { STAGERS = 4, RECORDS = 400, SHARDS = 3 };

struct play {
    struct disk *disk;
    struct faults faults;
    struct wal_options options;
    struct wal *wal;
    pthread_mutex_t shards[SHARDS];
    uint64_t shard_count[SHARDS]; /* under the shard's lock */
    _Atomic uint32_t running;
    _Atomic uint64_t wrong;
    bool rough;
    /* While reading. */
    uint64_t last_of_stager[STAGERS], last_of_shard[SHARDS], count;
};

struct record {
    uint64_t stager, of_stager, shard, of_shard;
};

struct stager {
    struct play *play;
    unsigned number;
    pthread_t thread;
    uint64_t acknowledged; /* the last of its records that it was told to be flushed */
    struct wal_watcher watcher;
    _Atomic uint32_t called;
};

static void called(void *context) {
    struct stager *stager = context;
    atomic_fetch_add(&stager->called, 1);
    futex_wake(NULL, &stager->called);
}

/* Sleeps on a word as an event loop does on its descriptor: a call that does not come is a test that does not end. */
static bool await(struct stager *stager, uint64_t lsn) {
    struct wal *wal = stager->play->wal;
    for (;;) {
        uint32_t seen = atomic_load(&stager->called);
        if (wal_wish(wal, &stager->watcher, WAL_FLUSHED, lsn))
            return true;
        if (wal_state(wal) != WAL_RUNNING || wal_cover_needed(wal))
            return false;
        futex_wait(NULL, &stager->called, seen);
    }
}

static void admit(struct stager *stager, size_t size) {
    struct wal *wal = stager->play->wal;
    enum status status;
    while ((status = wal_admit_wait(wal, stager->number, size, 1000)) != STATUS_OK) {
        if (!stager->play->rough)
            atomic_fetch_add(&stager->play->wrong, status != STATUS_AGAIN);
        sched_yield();
    }
}

static uint64_t stage(struct stager *stager, uint64_t n, struct rng *rng) {
    struct play *play = stager->play;
    static const uint8_t filling[600];
    unsigned shard = (unsigned)rng_below(rng, SHARDS);
    struct record record = {.stager = stager->number, .of_stager = n, .shard = shard};
    struct slice parts[2] = {slice_make(&record, sizeof record), slice_make(filling, rng_below(rng, sizeof filling))};
    uint64_t lsn = 0;
    admit(stager, parts[0].size + parts[1].size);
    pthread_mutex_lock(&play->shards[shard]);
    record.of_shard = ++play->shard_count[shard];
    enum status status = wal_stage(play->wal, stager->number, parts, 2, &lsn);
    pthread_mutex_unlock(&play->shards[shard]);
    atomic_fetch_add(&play->wrong, status != STATUS_OK);
    return lsn;
}

static void *run_stager(void *context) {
    struct stager *stager = context;
    struct play *play = stager->play;
    struct rng rng = rng_seeded(unit_seed() + stager->number);
    wal_watch(play->wal, &stager->watcher);
    for (uint64_t n = 1; n <= RECORDS; n++) {
        uint64_t lsn = stage(stager, n, &rng);
        switch (rng_below(&rng, 4)) {
            case 0:
                if (wal_wait(play->wal, WAL_FLUSHED, lsn, play->rough ? 20 : 20000) == STATUS_OK)
                    stager->acknowledged = n;
                else
                    atomic_fetch_add(&play->wrong, !play->rough);
                break;
            case 1:
                if (await(stager, lsn))
                    stager->acknowledged = n;
                else
                    atomic_fetch_add(&play->wrong, !play->rough);
                break;
            case 2:
                if (wal_write_out(play->wal) == STATUS_OK)
                    atomic_fetch_add(&play->wrong, wal_written(play->wal) < lsn);
                break;
            default:
                break;
        }
    }
    wal_unwatch(play->wal, &stager->watcher);
    atomic_fetch_sub(&play->running, 1);
    return NULL;
}

/* Whatever an operator and a bad disk may do meanwhile. */
static void disturb(struct play *play) {
    struct rng rng = rng_seeded(unit_seed() + 99);
    struct wal_statistics statistics;
    while (atomic_load(&play->running)) {
        uint64_t what = rng_below(&rng, 40);
        if (what == 0)
            wal_rotate(play->wal);
        if (what == 1)
            wal_mode_set(play->wal, (enum wal_mode)rng_below(&rng, 2), 5);
        if (what == 2)
            wal_statistics(play->wal, &statistics);
        if (play->rough && what == 3)
            faults_random(&play->faults, FAULT_WRITE | FAULT_SYNC | FAULT_RENAME | FAULT_RESERVE, 30);
        if (play->rough && what > 35)
            faults_clear(&play->faults);
        if (play->rough && wal_state(play->wal) == WAL_FAILED)
            wal_begin_anew(play->wal);
        sched_yield();
    }
    faults_clear(&play->faults);
}

static enum status hold(void *context, uint64_t lsn, struct slice bytes) {
    struct play *play = context;
    struct record record;
    memcpy(&record, bytes.data, sizeof record);
    uint64_t *stager = &play->last_of_stager[record.stager], *shard = &play->last_of_shard[record.shard];
    /* The order of a thread and the order of a shard are the order of the log; in a log that has lost nothing, without a gap. */
    play->wrong += record.of_stager <= *stager || record.of_shard <= *shard;
    play->wrong += !play->rough && (record.of_stager != *stager + 1 || record.of_shard != *shard + 1);
    *stager = record.of_stager;
    *shard = record.of_shard;
    play->count++;
    return STATUS_OK;
}

static void play_init(struct play *play, bool rough) {
    *play = (struct play){.rough = rough, .running = STAGERS};
    play->disk = disk_new(&memory_libc, unit_seed(), 0);
    faults_init(&play->faults, disk_files(play->disk), play->disk, unit_seed());
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_init(&play->shards[i], NULL);
    play->options = (struct wal_options){
        .mode = WAL_ALWAYS,
        .interval_ms = 20,
        .lanes = STAGERS,
        .lane_bytes = 4096,
        .file_bytes = 30000,
        .reserve_bytes = 65536,
        .kept_bytes = rough ? 20000 : 0,
        .log_id = 5,
    };
    struct wal_need need = {0};
    struct wal_report report;
    assert_int_equal(wal_open(&play->faults.files, &play->options, &need, NULL, &report, &play->wal), STATUS_OK);
    wal_report_fini(&report);
}

static void play_fini(struct play *play) {
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&play->shards[i]);
    faults_fini(&play->faults);
    disk_free(play->disk);
}

static void play_all(struct play *play, struct stager *stagers) {
    for (unsigned i = 0; i < STAGERS; i++) {
        stagers[i] = (struct stager){.play = play, .number = i};
        stagers[i].watcher = (struct wal_watcher){.call = called, .context = &stagers[i]};
        assert_int_equal(pthread_create(&stagers[i].thread, NULL, run_stager, &stagers[i]), 0);
    }
    disturb(play);
    for (unsigned i = 0; i < STAGERS; i++)
        pthread_join(stagers[i].thread, NULL);
}

static void read_back(struct play *play) {
    struct wal_need need = {0};
    struct wal_visitor visitor = {.record = hold, .context = play};
    struct wal_report report;
    enum status status = wal_read(disk_files(play->disk), &memory_libc, &need, &visitor, &report);
    if (status != STATUS_OK)
        fail_msg("refused: %s", report.reason);
    wal_report_fini(&report);
}

static void all_records_are_there_in_order(void **state) {
    struct play play;
    struct stager stagers[STAGERS];
    play_init(&play, false);
    play_all(&play, stagers);
    assert_int_equal(wal_close(play.wal), STATUS_OK);
    disk_restart(play.disk);
    read_back(&play);
    assert_int_equal(play.count, STAGERS * RECORDS);
    assert_int_equal(play.wrong, 0);
    play_fini(&play);
}

static void what_was_acknowledged_survives_faults_and_a_cut(void **state) {
    struct play play;
    struct stager stagers[STAGERS];
    play_init(&play, true);
    play_all(&play, stagers);
    wal_free(play.wal);
    disk_restart(play.disk);
    read_back(&play);
    assert_int_equal(play.wrong, 0);
    for (unsigned i = 0; i < STAGERS; i++)
        assert_true(play.last_of_stager[i] >= stagers[i].acknowledged);
    play_fini(&play);
}

/* A directory of the kernel: the same calls on a real disk. */
static void log_of_a_real_directory_comes_back(void **state) {
    char path[] = "/tmp/strata-wal-XXXXXX";
    assert_non_null(mkdtemp(path));
    struct directory directory;
    assert_int_equal(directory_open(path, false, &directory), STATUS_OK);
    struct wal_options options = {.mode = WAL_ALWAYS, .log_id = 5, .file_bytes = 2000};
    struct wal_need need = {0};
    struct wal_report report;
    struct wal *wal;
    uint64_t lsn = 0;
    for (unsigned life = 0; life < 3; life++) {
        struct place_visit visit = {0};
        struct wal_visitor visitor = {.record = place_visit, .context = &visit};
        assert_int_equal(wal_open(&directory.files, &options, &need, &visitor, &report, &wal), STATUS_OK);
        wal_report_fini(&report);
        assert_int_equal(visit.count, lsn);
        assert_int_equal(visit.wrong, 0);
        for (unsigned i = 0; i < 100; i++) {
            char text[64];
            struct slice part = slice_make(text, place_record(lsn + 1, text));
            assert_int_equal(wal_stage(wal, 0, &part, 1, &lsn), STATUS_OK);
            if (i % 10 == 0)
                assert_int_equal(wal_wait(wal, WAL_FLUSHED, lsn, 20000), STATUS_OK);
        }
        if (life == 1) {
            assert_int_equal(wal_write_out(wal), STATUS_OK);
            wal_free(wal);
        } else {
            assert_int_equal(wal_close(wal), STATUS_OK);
        }
    }
    assert_int_equal(wal_open(&directory.files, &options, &need, NULL, &report, &wal), STATUS_OK);
    assert_int_equal(report.next_lsn, 301);
    wal_rotate(wal);
    struct slice part = SLICE("x");
    assert_int_equal(wal_stage(wal, 0, &part, 1, &lsn), STATUS_OK);
    assert_int_equal(wal_wait(wal, WAL_FLUSHED, lsn, 20000), STATUS_OK);
    assert_int_equal(wal_close(wal), STATUS_OK);
    for (size_t i = 0; i < wal_list_count(&report.list) + 2; i++) {
        char name[LOG_NAME_SIZE];
        format_name(LOG_PREFIX, i + 1, "", name);
        (void)directory.files.remove(directory.files.context, name);
    }
    wal_report_fini(&report);
    directory_close(&directory);
    assert_int_equal(remove(path), 0);
}

static void count_call(void *context) { atomic_fetch_add((_Atomic uint32_t *)context, 1); }

/* Who waits for a full disk sleeps, and the committer looks for room ten times a second. */
static void waiting_for_room_keeps_nobody_busy(void **state) {
    struct log_place log;
    uint64_t lsn;
    _Atomic uint32_t calls = 0;
    struct wal_watcher watcher = {.call = count_call, .context = &calls};
    static const uint8_t bytes[2000];
    struct slice part = slice_make(bytes, sizeof bytes);
    (void)state;
    place_init(&log);
    log.options.stepped = false;
    log.options.now_ns = NULL;
    place_open(&log);
    wal_watch(log.wal, &watcher);
    disk_capacity_set(log.disk, 1000);
    assert_int_equal(wal_stage(log.wal, 0, &part, 1, &lsn), STATUS_OK);
    assert_int_equal(wal_write_out(log.wal), STATUS_FULL);
    assert_int_equal(wal_wait(log.wal, WAL_FLUSHED, lsn, 500), STATUS_AGAIN);
    assert_true(atomic_load(&calls) < 100);
    disk_capacity_set(log.disk, 0);
    while (wal_wait(log.wal, WAL_FLUSHED, lsn, 1000) != STATUS_OK)
        ;
    wal_unwatch(log.wal, &watcher);
    place_fini(&log);
}

UNIT_TESTS(wal_threads, UNIT(waiting_for_room_keeps_nobody_busy), UNIT(all_records_are_there_in_order),
           UNIT(what_was_acknowledged_survives_faults_and_a_cut), UNIT(log_of_a_real_directory_comes_back));
