/* sys/wal/log_fixture.h: what tests of the log share: a log on a disk in memory, driven step by step. */
#ifndef STRATA_SYS_WAL_LOG_FIXTURE_H
#define STRATA_SYS_WAL_LOG_FIXTURE_H

#include "base/rng.h"
#include "sys/fault/faults.h"
#include "sys/wal/wal.h"
#include "unit.h"

struct log_place {
    struct disk *disk;
    struct faults faults;
    const struct files *files;
    struct wal_options options;
    struct wal *wal;
    uint64_t now_ns;
};

static inline uint64_t place_now(void *context) { return ((struct log_place *)context)->now_ns; }

static inline void place_init(struct log_place *log) {
    memset(log, 0, sizeof *log);
    log->disk = disk_new(&memory_libc, unit_seed(), 0);
    faults_init(&log->faults, disk_files(log->disk), log->disk, unit_seed());
    log->files = &log->faults.files;
    log->now_ns = 1000000000;
    log->options = (struct wal_options){
        .mode = WAL_ALWAYS,
        .reserve_bytes = 1,
        .log_id = 0x1234567890abcdef,
        .stepped = true,
        .now_ns = place_now,
        .now_context = log,
    };
}

static inline void place_fini(struct log_place *log) {
    wal_free(log->wal);
    faults_fini(&log->faults);
    disk_free(log->disk);
}

static inline void place_open(struct log_place *log) {
    struct wal_need need = {0};
    struct wal_report report;
    enum status status = wal_open(log->files, &log->options, &need, NULL, &report, &log->wal);
    if (status != STATUS_OK)
        fail_msg("the log does not open: %s", report.reason);
    wal_report_fini(&report);
}

static inline void place_close(struct log_place *log) {
    enum status status = wal_close(log->wal);
    log->wal = NULL;
    assert_int_equal(status, STATUS_OK);
}

static inline uint64_t place_stage(struct log_place *log, const char *text) {
    struct slice part = slice_from_string(text);
    uint64_t lsn = 0;
    assert_int_equal(wal_stage(log->wal, 0, &part, 1, &lsn), STATUS_OK);
    return lsn;
}

/* Record n is its number, as often as it takes to fill up to 40 bytes. */
static inline size_t place_record(uint64_t lsn, char text[64]) {
    size_t size = 8 + lsn * 7 % 33;
    for (size_t i = 0; i < size; i++)
        text[i] = (char)(lsn >> i % 8 * 8);
    return size;
}

/* Stages the next records and has them written, `every` to a batch. */
static inline void place_fill(struct log_place *log, uint64_t count, uint64_t every) {
    for (uint64_t i = 0; i < count; i++) {
        char text[64];
        uint64_t lsn = 0;
        struct slice part = slice_make(text, place_record(wal_staged(log->wal) + 1, text));
        assert_int_equal(wal_stage(log->wal, 0, &part, 1, &lsn), STATUS_OK);
        if ((i + 1) % every == 0)
            wal_step(log->wal);
    }
    wal_step(log->wal);
}

/* Counts records and holds each against place_record. */
struct place_visit {
    uint64_t count, last, wrong;
};

static inline enum status place_visit(void *context, uint64_t lsn, struct slice record) {
    struct place_visit *visit = context;
    char text[64];
    visit->wrong += !slice_equal(record, slice_make(text, place_record(lsn, text))) || lsn != visit->last + 1;
    visit->last = lsn;
    visit->count++;
    return STATUS_OK;
}

/* Three files of some twenty records each; the last one is open. */
static inline void place_three_files(struct log_place *log) {
    place_init(log);
    place_open(log);
    for (unsigned i = 0; i < 3; i++) {
        if (i)
            wal_rotate(log->wal);
        wal_step(log->wal);
        place_fill(log, 20, 5);
    }
}

#endif
