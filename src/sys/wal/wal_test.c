#include "sys/wal/wal.h"
#include "sys/wal/lanes.h"

#include <errno.h>

#include "scarce.h"
#include "sys/wal/log_fixture.h"

static const char first_name[] = "log-0000000001", second_name[] = "log-0000000002", third_name[] = "log-0000000003";

/* Forgets the process, perhaps cuts the power, and opens again; answers how many records are there, all of them right. */
static uint64_t reopen(struct log_place *log, bool cut) {
    struct place_visit visit = {0};
    struct wal_visitor visitor = {.record = place_visit, .context = &visit};
    struct wal_need need = {0};
    struct wal_report report;
    wal_free(log->wal);
    log->wal = NULL;
    if (cut)
        disk_restart(log->disk);
    if (wal_open(log->files, &log->options, &need, &visitor, &report, &log->wal) != STATUS_OK)
        fail_msg("refused: %s", report.reason);
    wal_report_fini(&report);
    assert_int_equal(visit.wrong, 0);
    return visit.count;
}

static void always_flushes_what_was_staged(void **state) {
    struct log_place log;
    place_init(&log);
    place_open(&log);
    uint64_t lsn = place_stage(&log, "one");
    assert_int_equal(lsn, 1);
    assert_int_equal(wal_staged(log.wal), 1);
    assert_int_equal(wal_written(log.wal), 0);
    assert_int_equal(wal_wait(log.wal, WAL_FLUSHED, 1, 0), STATUS_AGAIN);
    wal_step(log.wal);
    assert_int_equal(wal_flushed(log.wal), 1);
    assert_int_equal(wal_wait(log.wal, WAL_FLUSHED, 1, 0), STATUS_OK);
    struct wal_statistics statistics;
    wal_statistics(log.wal, &statistics);
    assert_int_equal(statistics.flushes, 1);
    assert_int_equal(statistics.batches, 1);
    assert_int_equal(statistics.records, 1);
    assert_int_equal(statistics.files, 1);
    place_fini(&log);
}

static void interval_flushes_once_an_interval(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.mode = WAL_INTERVAL;
    log.options.interval_ms = 1000;
    place_open(&log);
    place_fill(&log, 1, 1); /* the first is due at once */
    assert_int_equal(wal_flushed(log.wal), 1);
    log.now_ns += 400000000;
    place_fill(&log, 1, 1);
    assert_int_equal(wal_written(log.wal), 2);
    assert_int_equal(wal_flushed(log.wal), 1);
    assert_int_equal(wal_step(log.wal), 600000000);
    log.now_ns += 600000000;
    wal_step(log.wal);
    assert_int_equal(wal_flushed(log.wal), 2);
    wal_mode_set(log.wal, WAL_NO, 0);
    log.now_ns += 5000000000;
    place_fill(&log, 1, 1);
    assert_int_equal(wal_written(log.wal), 3);
    assert_int_equal(wal_flushed(log.wal), 2);
    place_close(&log);
    assert_int_equal(reopen(&log, true), 3);
    place_fini(&log);
}

static void killed_process_loses_nothing_that_was_written_out(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.mode = WAL_NO;
    place_open(&log);
    place_fill(&log, 20, 3);
    char text[64];
    uint64_t lsn;
    struct slice part = slice_make(text, place_record(21, text));
    assert_int_equal(wal_stage(log.wal, 0, &part, 1, &lsn), STATUS_OK);
    assert_int_equal(wal_write_out(log.wal), STATUS_OK);
    assert_int_equal(wal_written(log.wal), 21);
    assert_int_equal(reopen(&log, false), 21);
    /* What has been read is durable now, though nobody had flushed it before. */
    assert_int_equal(wal_flushed(log.wal), 21);
    assert_int_equal(reopen(&log, true), 21);
    place_fini(&log);
}

static void files_follow_each_other_and_go_when_covered(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.file_bytes = 1000;
    place_open(&log);
    place_fill(&log, 100, 2);
    struct wal_statistics statistics;
    wal_statistics(log.wal, &statistics);
    assert_true(statistics.files > 3 && statistics.rotations == statistics.files - 1);
    uint64_t least = (statistics.files - 1) * 1000 + statistics.file_bytes;
    assert_true(statistics.log_bytes >= least && statistics.log_bytes < least + statistics.files * 200);
    uint64_t log_bytes = statistics.log_bytes;
    assert_int_equal(reopen(&log, true), 100);
    wal_statistics(log.wal, &statistics);
    assert_true(statistics.log_bytes > log_bytes && statistics.log_bytes < log_bytes + 500);
    wal_rotate(log.wal);
    place_fill(&log, 1, 1);
    wal_rotate(log.wal);
    wal_step(log.wal);
    wal_statistics(log.wal, &statistics);
    uint64_t files = statistics.files;
    assert_int_equal(wal_covered(log.wal, 0), STATUS_OK);
    wal_statistics(log.wal, &statistics);
    assert_int_equal(statistics.files, files);
    /* One that cannot be removed goes with the next call. */
    faults_add(&log.faults, (struct fault){.calls = FAULT_REMOVE, .kind = FAULT_BROKEN, .first = 2, .count = 1});
    assert_int_equal(wal_covered(log.wal, 102), STATUS_IO);
    assert_int_equal(wal_covered(log.wal, 102), STATUS_OK);
    wal_statistics(log.wal, &statistics);
    assert_int_equal(statistics.files, 1);
    assert_int_equal(statistics.log_bytes, statistics.file_bytes);
    assert_int_equal(disk_contents(log.disk, first_name).size, 0);
    place_fini(&log);
}

/* --- a full disk --- */

static void full_disk_refuses_and_goes_on_when_there_is_room(void **state) {
    struct log_place log;
    place_init(&log);
    place_open(&log);
    place_fill(&log, 5, 1);
    disk_capacity_set(log.disk, disk_contents(log.disk, first_name).size + 20);
    place_fill(&log, 3, 3); /* has no room but for its first 20 bytes */
    assert_int_equal(wal_state(log.wal), WAL_FULL);
    assert_int_equal(wal_flushed(log.wal), 5);
    assert_int_equal(wal_admit(log.wal, 0, 10), STATUS_FULL);
    assert_int_equal(wal_write_out(log.wal), STATUS_FULL);
    assert_int_equal(wal_wait(log.wal, WAL_FLUSHED, 8, 0), STATUS_AGAIN);
    struct wal_statistics statistics;
    wal_statistics(log.wal, &statistics);
    assert_int_equal(statistics.error, ENOSPC);
    assert_int_equal(statistics.fulls, 1);
    /* Tried again in its time, in vain; then with success. */
    uint64_t calls = faults_calls(&log.faults);
    assert_int_equal(wal_step(log.wal), (uint64_t)WAL_RETRY_MS * 1000000);
    assert_int_equal(faults_calls(&log.faults), calls);
    log.now_ns += (uint64_t)WAL_RETRY_MS * 1000000;
    wal_step(log.wal);
    assert_int_equal(wal_state(log.wal), WAL_FULL);
    disk_capacity_set(log.disk, 0);
    log.now_ns += (uint64_t)WAL_RETRY_MS * 1000000;
    wal_step(log.wal);
    assert_int_equal(wal_state(log.wal), WAL_RUNNING);
    assert_int_equal(wal_flushed(log.wal), 8);
    assert_int_equal(wal_admit(log.wal, 0, 10), STATUS_OK);
    place_fill(&log, 1, 1);
    wal_statistics(log.wal, &statistics);
    assert_int_equal(statistics.fulls, 1);
    assert_int_equal(reopen(&log, true), 9);
    place_fini(&log);
}

static void what_was_admitted_has_room_on_a_disk_that_is_full(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.reserve_bytes = 8192;
    log.options.lane_bytes = 1024;
    place_open(&log);
    uint64_t room;
    assert_int_equal(log.files->room(log.files->context, &room), STATUS_OK);
    disk_capacity_set(log.disk, 8192 + LOG_HEADER_SIZE); /* nothing beyond what is set aside */
    unsigned admitted = 0;
    while (wal_admit(log.wal, 0, 40) == STATUS_OK) {
        place_fill(&log, 1, 1);
        admitted++;
    }
    assert_int_equal(wal_state(log.wal), WAL_FULL);
    assert_int_equal(wal_flushed(log.wal), admitted);
    assert_true(admitted > 20);
    disk_capacity_set(log.disk, 100000);
    log.now_ns += (uint64_t)WAL_RETRY_MS * 1000000;
    wal_step(log.wal);
    assert_int_equal(wal_admit(log.wal, 0, 40), STATUS_OK);
    place_fini(&log);
}

/* Lanes filled to the brim, at the moment when the disk runs full. */
static void all_that_lanes_hold_has_room(void **state) {
    struct log_place log;
    static char bytes[1000];
    struct slice part = slice_make(bytes, sizeof bytes);
    place_init(&log);
    log.options.reserve_bytes = 0;
    log.options.lane_bytes = 100000;
    log.options.lanes = 40;
    place_open(&log);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned lane = 0; lane < (round ? 40 : 20); lane++) {
            uint64_t lsn;
            while (wal_admit(log.wal, lane, part.size) == STATUS_OK)
                assert_int_equal(wal_stage(log.wal, lane, &part, 1, &lsn), STATUS_OK);
        }
        if (round == 1)
            disk_capacity_set(log.disk, 1); /* nothing is left but what is set aside */
        wal_step(log.wal);
        assert_int_equal(wal_flushed(log.wal), wal_staged(log.wal));
    }
    for (unsigned i = 0; i < 100 && wal_admit(log.wal, 0, part.size) == STATUS_OK; i++) {
        uint64_t lsn;
        assert_int_equal(wal_stage(log.wal, 0, &part, 1, &lsn), STATUS_OK);
        wal_step(log.wal);
    }
    assert_int_equal(wal_flushed(log.wal), wal_staged(log.wal));
    place_fini(&log);
}

/* Another thread stages what it was admitted for at the moment when no more room can be set aside. */
static void stage_late(void *context, enum fault_call call) {
    struct log_place *log = context;
    if (call != FAULT_RESERVE || wal_staged(log->wal) == 0)
        return;
    log->faults.before = NULL;
    place_stage(log, "admitted before, staged now");
}

static void what_was_admitted_is_written_when_the_disk_is_found_full(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.reserve_bytes = 8192;
    place_open(&log);
    disk_capacity_set(log.disk, 8192 + LOG_HEADER_SIZE);
    log.faults.before_context = &log;
    log.faults.before = stage_late;
    for (unsigned i = 0; i < 1000 && wal_admit(log.wal, 0, 40) == STATUS_OK; i++)
        place_fill(&log, 1, 1);
    assert_int_equal(wal_state(log.wal), WAL_FULL);
    assert_null(log.faults.before);
    assert_int_equal(wal_flushed(log.wal), wal_staged(log.wal));
    assert_int_equal(wal_admit(log.wal, 0, 40), STATUS_FULL);
    place_fini(&log);
}

/* Half of what is wanted will do. */
static void log_runs_with_the_least_that_is_to_be_set_aside(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.reserve_bytes = 8192;
    disk_capacity_set(log.disk, 5000);
    place_open(&log);
    assert_int_equal(wal_state(log.wal), WAL_RUNNING);
    place_fill(&log, 1, 1);
    wal_rotate(log.wal);
    wal_step(log.wal);
    assert_int_equal(wal_state(log.wal), WAL_RUNNING);
    assert_int_equal(wal_admit(log.wal, 0, 40), STATUS_OK);
    place_fini(&log);
}

static void log_opens_on_a_disk_that_is_nearly_full(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.reserve_bytes = 8192;
    disk_capacity_set(log.disk, 500);
    place_open(&log);
    assert_int_equal(wal_state(log.wal), WAL_FULL);
    disk_capacity_set(log.disk, 50000);
    log.now_ns += (uint64_t)WAL_RETRY_MS * 1000000;
    wal_step(log.wal);
    assert_int_equal(wal_state(log.wal), WAL_RUNNING);
    place_fini(&log);
}

static void file_grows_on_when_there_is_no_room_for_another(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.file_bytes = 300;
    place_open(&log);
    faults_add(&log.faults, (struct fault){.calls = FAULT_OPEN, .kind = FAULT_NO_ROOM, .first = 1, .count = 2});
    place_fill(&log, 30, 1);
    struct wal_statistics statistics;
    wal_statistics(log.wal, &statistics);
    assert_int_equal(statistics.state, WAL_RUNNING);
    assert_true(statistics.rotations > 1);
    assert_int_equal(reopen(&log, true), 30);
    place_fini(&log);
}

/* --- a disk that fails --- */

static uint64_t syncs;
static void count_syncs(void *context, enum fault_call call) { syncs += call == FAULT_SYNC; }

static void failed_flush_is_never_repeated_on_its_file(void **state) {
    struct log_place log;
    place_init(&log);
    place_open(&log);
    place_fill(&log, 5, 1);
    faults_add(&log.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 1});
    place_fill(&log, 3, 3);
    assert_int_equal(wal_state(log.wal), WAL_FAILED);
    assert_int_equal(wal_flushed(log.wal), 5);
    assert_int_equal(wal_wait(log.wal, WAL_FLUSHED, 8, 1000), STATUS_IO);
    assert_int_equal(wal_admit(log.wal, 0, 1), STATUS_IO);
    syncs = 0;
    log.faults.before = count_syncs;
    for (unsigned i = 0; i < 5; i++) {
        log.now_ns += 10000000000;
        wal_step(log.wal);
    }
    assert_int_equal(syncs, 0);
    assert_int_equal(wal_flushed(log.wal), 5);
    log.faults.before = NULL;
    /* All that was not flushed is in memory, and goes to a file that can be. */
    wal_begin_anew(log.wal);
    wal_step(log.wal);
    assert_int_equal(wal_state(log.wal), WAL_RUNNING);
    assert_int_equal(wal_flushed(log.wal), 8);
    assert_int_equal(wal_cover_needed(log.wal), 0);
    place_fill(&log, 2, 1);
    struct wal_statistics statistics;
    wal_statistics(log.wal, &statistics);
    assert_int_equal(statistics.begun_anew, 1);
    assert_int_equal(statistics.failures, 1);
    assert_non_null(strstr(statistics.error_text, "flushing the end of log-0000000001"));
    assert_int_equal(reopen(&log, true), 10);
    place_fini(&log);
}

/* With more unflushed than is kept, nothing behind the hole counts as flushed before a snapshot covers it. */
static void hole_waits_for_a_snapshot(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.kept_bytes = 100;
    place_open(&log);
    place_fill(&log, 5, 1);
    wal_mode_set(log.wal, WAL_NO, 0);
    place_fill(&log, 20, 2);
    faults_add(&log.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 1});
    wal_mode_set(log.wal, WAL_ALWAYS, 0);
    place_fill(&log, 1, 1);
    assert_int_equal(wal_state(log.wal), WAL_FAILED);
    wal_begin_anew(log.wal);
    wal_step(log.wal);
    place_fill(&log, 4, 1);
    assert_int_equal(wal_state(log.wal), WAL_RUNNING);
    assert_int_equal(wal_written(log.wal), 30);
    assert_int_equal(wal_flushed(log.wal), 5);
    assert_int_equal(wal_cover_needed(log.wal), 27);
    assert_int_equal(wal_covered(log.wal, 26), STATUS_OK);
    assert_int_equal(wal_flushed(log.wal), 5);
    assert_int_equal(wal_covered(log.wal, 27), STATUS_OK);
    assert_int_equal(wal_flushed(log.wal), 30);
    assert_int_equal(wal_cover_needed(log.wal), 0);
    assert_int_equal(disk_contents(log.disk, first_name).size, 0);
    place_fini(&log);
}

static enum status count_missing(void *context, uint64_t first, uint64_t last) {
    *(uint64_t *)context += last - first + 1;
    return STATUS_OK;
}

static enum status take(void *context, uint64_t lsn, struct slice record) { return STATUS_OK; }

static void hole_is_told_when_the_log_is_read(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.kept_bytes = 1;
    log.options.mode = WAL_INTERVAL;
    place_open(&log);
    place_fill(&log, 5, 5);
    log.now_ns += 1000000000;
    faults_add(&log.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 1});
    place_fill(&log, 4, 4);
    wal_begin_anew(log.wal);
    wal_step(log.wal);
    log.now_ns += 1000000000;
    place_fill(&log, 3, 3);
    /* Killed: the kernel has them all, but nobody knows whether the disk has. */
    assert_int_equal(reopen(&log, false), 12);
    assert_int_equal(wal_flushed(log.wal), 5);
    assert_int_equal(wal_cover_needed(log.wal), 10);
    /* Cut: it has not. */
    wal_free(log.wal);
    log.wal = NULL;
    disk_restart(log.disk);
    uint64_t missing = 0;
    struct wal_visitor visitor = {.record = take, .missing = count_missing, .context = &missing};
    struct wal_need need = {0};
    struct wal_report report;
    assert_int_equal(wal_read(log.files, &memory_libc, &need, &visitor, &report), STATUS_OK);
    assert_int_equal(missing, 4);
    assert_int_equal(report.missing, 4);
    assert_int_equal(report.records, 8);
    assert_int_equal(report.next_lsn, 13);
    wal_report_fini(&report);
    place_fini(&log);
}

static void failed_write_loses_nothing(void **state) {
    struct log_place log;
    place_init(&log);
    place_open(&log);
    place_fill(&log, 5, 1);
    faults_add(&log.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_TORN, .first = 1, .count = 1});
    place_fill(&log, 3, 3);
    assert_int_equal(wal_state(log.wal), WAL_FAILED);
    for (unsigned i = 0; i < 3; i++) { /* and beginning anew fails as well, for a while */
        faults_add(&log.faults, (struct fault){.calls = i == 0   ? FAULT_OPEN
                                                        : i == 1 ? FAULT_RENAME
                                                                 : FAULT_SYNC_DIRECTORY,
                                               .kind = FAULT_BROKEN,
                                               .first = 1,
                                               .count = 1});
        wal_begin_anew(log.wal);
        wal_step(log.wal);
        assert_int_equal(wal_state(log.wal), WAL_FAILED);
    }
    wal_begin_anew(log.wal);
    wal_step(log.wal);
    assert_int_equal(wal_state(log.wal), WAL_RUNNING);
    assert_int_equal(wal_flushed(log.wal), 8);
    assert_int_equal(reopen(&log, true), 8);
    place_fini(&log);
}

static void closing_a_failed_log_says_so(void **state) {
    struct log_place log;
    place_init(&log);
    place_open(&log);
    faults_add(&log.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 0});
    place_stage(&log, "lost");
    assert_int_equal(wal_close(log.wal), STATUS_IO);
    log.wal = NULL;
    place_fini(&log);
}

/* The n-th changing call of a life fails, for n = 1, 2, ... until none does; after a cut all that was acknowledged is there. */
static void life_under_failing_call(enum fault_kind kind, uint64_t count, unsigned calls) {
    for (uint64_t n = 1;; n++) {
        struct log_place log;
        place_init(&log);
        log.options.file_bytes = 400;
        log.options.reserve_bytes = 1024;
        faults_add(&log.faults, (struct fault){.calls = calls, .kind = kind, .first = n, .count = count});
        struct wal_need need = {0};
        struct wal_report report;
        enum status status = wal_open(log.files, &log.options, &need, NULL, &report, &log.wal);
        wal_report_fini(&report);
        uint64_t flushed = 0;
        if (status == STATUS_OK) {
            for (unsigned i = 0; i < 12; i++) {
                place_fill(&log, 2, 2);
                log.now_ns += (uint64_t)WAL_RETRY_MS * 1000000;
                wal_begin_anew(log.wal);
                wal_step(log.wal);
            }
            flushed = wal_flushed(log.wal);
            if (count == 1)
                assert_int_equal(flushed, 24); /* it runs again by itself */
        } else {
            log.wal = NULL;
        }
        bool spoiled = faults_spoiled(&log.faults) > 0;
        faults_clear(&log.faults);
        assert_true(reopen(&log, true) >= flushed);
        place_fini(&log);
        if (!spoiled) {
            assert_true(n > 10);
            return;
        }
    }
}

static void every_call_may_fail_once_or_for_ever(void **state) {
    unsigned calls = FAULT_ANY & ~(unsigned)(FAULT_READ | FAULT_LIST);
    life_under_failing_call(FAULT_BROKEN, 1, calls);
    life_under_failing_call(FAULT_BROKEN, 0, calls);
    life_under_failing_call(FAULT_NO_ROOM, 1, FAULT_WRITE | FAULT_OPEN | FAULT_RESERVE | FAULT_RENAME);
    life_under_failing_call(FAULT_NO_ROOM, 0, FAULT_WRITE | FAULT_OPEN | FAULT_RESERVE | FAULT_RENAME);
    life_under_failing_call(FAULT_TORN, 1, FAULT_WRITE);
}

static void writes_of_seven_bytes_change_nothing(void **state) {
    struct log_place log;
    place_init(&log);
    faults_add(&log.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_SHORT, .first = 1, .amount = 7});
    place_open(&log);
    place_fill(&log, 50, 5);
    assert_int_equal(wal_flushed(log.wal), 50);
    assert_int_equal(reopen(&log, true), 50);
    place_fini(&log);
}

/* --- memory --- */

/* The n-th allocation and all after it fail, in opening, running and recovering. */
static bool life_with_allocations(uint64_t count) {
    struct log_place log;
    place_init(&log);
    place_open(&log);
    place_fill(&log, 20, 4);
    wal_free(log.wal);
    log.wal = NULL;
    struct scarce scarce;
    struct wal_options options = log.options;
    options.memory = scarce_begin(&scarce, count);
    struct wal_need need = {0};
    struct wal_report report;
    struct wal *wal = NULL;
    enum status status = wal_open(log.files, &options, &need, NULL, &report, &wal);
    wal_report_fini(&report);
    if (status == STATUS_OK) {
        struct slice part = SLICE("a record");
        uint64_t lsn;
        assert_int_equal(wal_stage(wal, 0, &part, 1, &lsn), STATUS_OK);
        wal_step(wal);
        assert_true(wal_state(wal) == WAL_RUNNING || wal_state(wal) == WAL_FULL);
        scarce.left = UINT64_MAX; /* there is some again */
        log.now_ns += (uint64_t)WAL_RETRY_MS * 1000000;
        wal_step(wal);
        assert_int_equal(wal_flushed(wal), lsn);
    } else {
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_true(report.reason[0] != 0);
    }
    wal_free(wal);
    place_fini(&log);
    return scarce.failed;
}

static void every_allocation_may_fail(void **state) {
    uint64_t count = 0;
    while (life_with_allocations(count))
        count++;
    assert_true(count > 8);
}

/* --- lanes and waiting --- */

/* What another thread would do during the first flush. */
struct writing_beside {
    struct log_place *log;
    bool wrote;
};

static void write_during_flush(void *context, enum fault_call call) {
    struct writing_beside *beside = context;
    if (call != FAULT_SYNC)
        return;
    beside->log->faults.before = NULL;
    place_stage(beside->log, "while a file is about to end");
    beside->wrote = wal_try_write_out(beside->log->wal);
}

/* A file of many megabytes takes a while to be flushed, and the next one proves that it was. */
static void nobody_waits_for_the_flush_before_a_new_file(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.mode = WAL_NO;
    log.options.file_bytes = 1024;
    place_open(&log);
    struct wal_statistics before, after;
    wal_statistics(log.wal, &before);
    for (int i = 0; i < 60; i++)
        place_stage(&log, "so many bytes that the file ends");
    struct writing_beside beside = {.log = &log};
    log.faults.before_context = &beside;
    log.faults.before = write_during_flush;
    wal_step(log.wal);
    wal_statistics(log.wal, &after);
    assert_true(beside.wrote);
    assert_int_equal(after.rotations, before.rotations + 1);
    assert_int_equal(wal_flushed(log.wal), 61);
    place_close(&log);
    place_fini(&log);
}

static void full_lane_waits_for_the_committer(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.lane_bytes = 256;
    log.options.lanes = 2;
    place_open(&log);
    unsigned count = 0;
    while (wal_admit(log.wal, 0, 20) == STATUS_OK) {
        place_stage(&log, "twenty letters......");
        count++;
    }
    /* Each may begin a run, but only the first one does. */
    enum { RECORD_SIZE = LOG_RECORD_HEADER_SIZE + 20, RUN_SIZE = sizeof(struct lane_run) };
    assert_int_equal(count, 1 + (256 - RUN_SIZE - RECORD_SIZE - RUN_SIZE) / RECORD_SIZE);
    assert_int_equal(wal_admit(log.wal, 0, 20), STATUS_AGAIN);
    assert_int_equal(wal_admit_wait(log.wal, 0, 20, 1), STATUS_AGAIN);
    struct slice part = slice_from_string("twenty letters......");
    uint64_t lsn;
    assert_int_equal(wal_stage(log.wal, 0, &part, 1, &lsn), STATUS_BUSY);
    assert_int_equal(wal_admit(log.wal, 1, 20), STATUS_OK);
    wal_step(log.wal);
    assert_int_equal(wal_admit(log.wal, 0, 20), STATUS_OK);
    /* One that is larger than a lane has it for itself. */
    char large[5000] = "large";
    assert_int_equal(wal_admit(log.wal, 0, sizeof large), STATUS_OK);
    part = slice_make(large, sizeof large);
    assert_int_equal(wal_stage(log.wal, 0, &part, 1, &lsn), STATUS_OK);
    assert_int_equal(wal_admit(log.wal, 0, 1), STATUS_AGAIN);
    wal_step(log.wal);
    assert_int_equal(wal_flushed(log.wal), lsn);
    assert_int_equal(wal_admit(log.wal, 0, (size_t)LOG_RECORD_SIZE_MAX + 1), STATUS_TOO_LARGE);
    place_fini(&log);
}

struct watched {
    struct log_place log;
    bool pressure_early, pressure_late;
    enum status admitted;
};

/* A flush that takes 2.1 s: looked at after 1.9 and then. */
static void slow_flush(void *context, enum fault_call call) {
    struct watched *watched = context;
    if (call != FAULT_SYNC)
        return;
    watched->log.now_ns += 1900000000;
    watched->pressure_early = wal_pressure(watched->log.wal);
    watched->log.now_ns += 200000000;
    watched->pressure_late = wal_pressure(watched->log.wal);
    watched->admitted = wal_admit(watched->log.wal, 0, 1);
}

static void writers_wait_while_a_flush_is_slow(void **state) {
    for (enum wal_mode mode = WAL_ALWAYS; mode <= WAL_INTERVAL; mode++) {
        struct watched watched = {.admitted = STATUS_CLOSED};
        place_init(&watched.log);
        watched.log.options.mode = mode;
        place_open(&watched.log);
        watched.log.faults.before = slow_flush;
        watched.log.faults.before_context = &watched;
        place_fill(&watched.log, 1, 1);
        assert_false(watched.pressure_early);
        /* Who waits for the flush anyway need not wait twice. */
        assert_int_equal(watched.pressure_late, mode == WAL_INTERVAL);
        assert_int_equal(watched.admitted, mode == WAL_INTERVAL ? STATUS_AGAIN : STATUS_OK);
        assert_false(wal_pressure(watched.log.wal));
        place_fini(&watched.log);
    }
}

static void count_call(void *context) { ++*(unsigned *)context; }

static void watcher_is_called_when_its_wish_is_fulfilled(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.mode = WAL_INTERVAL;
    place_open(&log);
    place_fill(&log, 1, 1);
    unsigned calls = 0;
    struct wal_watcher watcher = {.call = count_call, .context = &calls};
    wal_watch(log.wal, &watcher);
    assert_true(wal_wish(log.wal, &watcher, WAL_FLUSHED, 1));
    place_stage(&log, "a");
    place_stage(&log, "b");
    assert_false(wal_wish(log.wal, &watcher, WAL_WRITTEN, 3));
    assert_false(wal_wish(log.wal, &watcher, WAL_FLUSHED, 3));
    assert_false(wal_wish(log.wal, &watcher, WAL_FLUSHED, 2));
    wal_step(log.wal);
    assert_int_equal(calls, 1); /* written */
    log.now_ns += 1000000000;
    wal_step(log.wal);
    assert_int_equal(calls, 2); /* flushed */
    wal_step(log.wal);
    assert_int_equal(calls, 2);
    wal_wish_room(log.wal, &watcher);
    wal_step(log.wal);
    assert_int_equal(calls, 3);
    faults_add(&log.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_BROKEN, .first = 1, .count = 1});
    place_stage(&log, "c");
    wal_step(log.wal);
    assert_true(calls > 3); /* failed: everybody looks */
    calls = 0;
    wal_unwatch(log.wal, &watcher);
    wal_begin_anew(log.wal);
    wal_step(log.wal);
    assert_int_equal(calls, 0);
    place_fini(&log);
}

/* Another thread, which stages a record and wants it flushed between the committer's write and his flush. */
static void stage_and_hurry(void *context) {
    struct log_place *log = context;
    place_stage(log, "behind what is being written");
    wal_hurry(log->wal);
}

static void flush_that_comes_too_early_leaves_the_wish_for_one(void **state) {
    struct log_place log;
    place_init(&log);
    log.options.mode = WAL_NO;
    place_open(&log);
    struct wal_watcher watcher = {.call = stage_and_hurry, .context = &log};
    wal_watch(log.wal, &watcher);
    place_stage(&log, "first");
    assert_false(wal_wish(log.wal, &watcher, WAL_WRITTEN, 1));
    wal_hurry(log.wal);
    wal_step(log.wal);
    wal_unwatch(log.wal, &watcher);
    assert_int_equal(wal_staged(log.wal), 2);
    assert_int_equal(wal_flushed(log.wal), 1);
    wal_step(log.wal);
    assert_int_equal(wal_flushed(log.wal), 2);
    place_stage(&log, "nobody wants it flushed");
    wal_step(log.wal);
    assert_int_equal(wal_written(log.wal), 3);
    assert_int_equal(wal_flushed(log.wal), 2);
    place_fini(&log);
}

/* Else whoever waits would wake the committer with his next wish, and the committer him. */
static void watcher_hears_once_that_the_log_does_not_run(void **state) {
    struct log_place log;
    unsigned calls = 0;
    for (enum fault_kind kind = FAULT_BROKEN; kind <= FAULT_NO_ROOM; kind++) {
        place_init(&log);
        place_open(&log);
        struct wal_watcher watcher = {.call = count_call, .context = &calls};
        wal_watch(log.wal, &watcher);
        place_stage(&log, "no room");
        faults_add(&log.faults, (struct fault){.calls = FAULT_WRITE, .kind = kind, .first = 1, .count = 1});
        calls = 0;
        for (unsigned i = 0; i < 10; i++) {
            assert_false(wal_wish(log.wal, &watcher, WAL_WRITTEN, 1));
            wal_step(log.wal);
            assert_int_equal(wal_state(log.wal), kind == FAULT_BROKEN ? WAL_FAILED : WAL_FULL);
            assert_int_equal(calls, 1);
        }
        log.now_ns += (uint64_t)WAL_RETRY_MS * 1000000;
        wal_begin_anew(log.wal);
        wal_step(log.wal);
        assert_int_equal(wal_state(log.wal), WAL_RUNNING);
        assert_true(calls > 1);
        wal_unwatch(log.wal, &watcher);
        place_close(&log);
        place_fini(&log);
    }
}

static void second_file_takes_the_place_of_an_empty_one(void **state) {
    struct log_place log;
    place_init(&log);
    place_open(&log);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(reopen(&log, i % 2), 0);
    assert_int_equal(disk_contents(log.disk, second_name).size, 0);
    place_fill(&log, 3, 3);
    assert_int_equal(reopen(&log, true), 3);
    assert_true(disk_contents(log.disk, second_name).size + disk_contents(log.disk, first_name).size > 0);
    assert_int_equal(reopen(&log, true), 3);
    assert_int_equal(disk_contents(log.disk, third_name).size > LOG_HEADER_SIZE + 3 * 60, false);
    place_fini(&log);
}

UNIT_TESTS(wal, UNIT(always_flushes_what_was_staged), UNIT(interval_flushes_once_an_interval),
           UNIT(killed_process_loses_nothing_that_was_written_out), UNIT(files_follow_each_other_and_go_when_covered),
           UNIT(full_disk_refuses_and_goes_on_when_there_is_room),
           UNIT(what_was_admitted_has_room_on_a_disk_that_is_full), UNIT(all_that_lanes_hold_has_room),
           UNIT(what_was_admitted_is_written_when_the_disk_is_found_full),
           UNIT(log_runs_with_the_least_that_is_to_be_set_aside), UNIT(log_opens_on_a_disk_that_is_nearly_full),
           UNIT(file_grows_on_when_there_is_no_room_for_another), UNIT(failed_flush_is_never_repeated_on_its_file),
           UNIT(hole_waits_for_a_snapshot), UNIT(hole_is_told_when_the_log_is_read), UNIT(failed_write_loses_nothing),
           UNIT(closing_a_failed_log_says_so), UNIT(every_call_may_fail_once_or_for_ever),
           UNIT(writes_of_seven_bytes_change_nothing), UNIT(every_allocation_may_fail),
           UNIT(nobody_waits_for_the_flush_before_a_new_file), UNIT(full_lane_waits_for_the_committer),
           UNIT(writers_wait_while_a_flush_is_slow), UNIT(watcher_is_called_when_its_wish_is_fulfilled),
           UNIT(watcher_hears_once_that_the_log_does_not_run), UNIT(flush_that_comes_too_early_leaves_the_wish_for_one),
           UNIT(second_file_takes_the_place_of_an_empty_one));
