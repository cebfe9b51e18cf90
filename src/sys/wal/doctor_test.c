#include "sys/wal/doctor.h"

#include "base/little.h"
#include "sys/wal/log_fixture.h"

enum { KEYS = 50 };

/* A log of three files with twenty records each; with a snapshot that was begun at 30 and ended at 45, if `snapshot`. */
static void three_files(struct log_place *log, bool snapshot) {
    place_three_files(log);
    place_close(log);
    if (!snapshot)
        return;
    struct snapshot_facts facts = {.number = 4, .id = 9, .log_id = log->options.log_id, .start_lsn = 30};
    struct snapshot_writer *writer;
    assert_int_equal(snapshot_begin(log->files, &memory_libc, &facts, &writer), STATUS_OK);
    for (uint64_t i = 0; i < KEYS; i++) {
        struct slice part = slice_make(&i, sizeof i);
        assert_int_equal(snapshot_add(writer, &part, 1), STATUS_OK);
    }
    assert_int_equal(snapshot_finish(writer, 45, 60), STATUS_OK);
}

static void flip(struct log_place *log, const char *name, size_t at) {
    struct slice found = disk_contents(log->disk, name);
    assert_true(at < found.size);
    uint8_t *bytes = malloc(found.size);
    assert_non_null(bytes);
    memcpy(bytes, found.data, found.size);
    bytes[at] ^= 16;
    disk_put(log->disk, name, slice_make(bytes, found.size));
    free(bytes);
}

static void expect_text(const struct doctor *doctor, const char *text) {
    if (!memmem(doctor->text.data, doctor->text.size, text, strlen(text)))
        fail_msg("\"%.*s\" does not say \"%s\"", (int)doctor->text.size, (char *)doctor->text.data, text);
}

/* Opens what is there as a server does; answers the next record's number. All that is visited is right. */
static uint64_t opens(struct log_place *log) {
    struct doctor doctor;
    doctor_init(&doctor, log->files, &memory_libc);
    assert_int_equal(doctor_examine(&doctor), STATUS_OK);
    struct place_visit visit = {.last = doctor.need.from_lsn ? doctor.need.from_lsn - 1 : 0};
    struct wal_visitor visitor = {.record = place_visit, .context = &visit};
    struct wal_report report;
    if (wal_open(log->files, &log->options, &doctor.need, &visitor, &report, &log->wal) != STATUS_OK)
        fail_msg("refused: %s", report.reason);
    assert_int_equal(visit.wrong, 0);
    uint64_t next_lsn = report.next_lsn;
    wal_report_fini(&report);
    place_fill(log, 2, 1);
    assert_int_equal(wal_flushed(log->wal), next_lsn + 1);
    wal_free(log->wal);
    log->wal = NULL;
    doctor_fini(&doctor);
    return next_lsn;
}

static void good_directories_are_left_alone(void **state) {
    for (unsigned snapshot = 0; snapshot < 2; snapshot++) {
        struct log_place log;
        struct doctor doctor;
        three_files(&log, snapshot);
        uint64_t changes = disk_changes(log.disk);
        doctor_init(&doctor, log.files, &memory_libc);
        assert_int_equal(doctor_examine(&doctor), STATUS_OK);
        assert_int_equal(disk_changes(log.disk), changes);
        if (snapshot)
            expect_text(&doctor,
                        "snapshot-0000000004 is good: 50 records, 400 bytes; it needs the log from record 30 to 45\n");
        expect_text(
            &doctor,
            snapshot ? "the log is good: 31 records in 2 files, log-0000000002 to log-0000000003, the last is record "
                       "60; it was closed in order\n"
                     : "the log is good: 60 records in 3 files");
        doctor_fini(&doctor);
        place_fini(&log);
    }
    struct log_place empty;
    struct doctor doctor;
    place_init(&empty);
    doctor_init(&doctor, empty.files, &memory_libc);
    assert_int_equal(doctor_examine(&doctor), STATUS_OK);
    expect_text(&doctor, "there is no log\n");
    doctor_fini(&doctor);
    place_fini(&empty);
}

/* Examines, expects it to be damaged, repairs, and expects this text and this many records to be left. */
static void repair(struct log_place *log, const char *text, uint64_t next_lsn) {
    struct doctor doctor;
    doctor_init(&doctor, log->files, &memory_libc);
    assert_int_equal(doctor_examine(&doctor), STATUS_CORRUPT);
    enum status status = doctor_repair(&doctor);
    if (status != STATUS_OK)
        fail_msg("%s: %.*s", status_text(status), (int)doctor.text.size, (char *)doctor.text.data);
    expect_text(&doctor, text);
    doctor_fini(&doctor);
    assert_int_equal(opens(log), next_lsn);
}

static void damaged_file_is_cut_before_the_damage(void **state) {
    struct log_place log;
    three_files(&log, false);
    size_t size = disk_contents(log.disk, "log-0000000002").size;
    flip(&log, "log-0000000002", size / 2);
    repair(&log, "lost: records 31 to 60, as far as can be seen\n", 31);
    /* What was there is there, under another name. */
    assert_int_equal(disk_contents(log.disk, "log-0000000002.damaged").size, size);
    assert_true(disk_contents(log.disk, "log-0000000003.damaged").size > 0);
    place_fini(&log);
}

static void files_behind_a_missing_or_foreign_one_are_set_aside(void **state) {
    struct log_place log;
    three_files(&log, false);
    assert_int_equal(log.files->remove(log.files->context, "log-0000000002"), STATUS_OK);
    repair(&log, "lost: records 21 to 60, as far as can be seen\n", 21);
    place_fini(&log);

    three_files(&log, false);
    assert_int_equal(log.files->remove(log.files->context, "log-0000000003"), STATUS_OK);
    repair(&log, "lost: records from 41 on; how many there were is not known\n", 41);
    place_fini(&log);

    three_files(&log, false);
    flip(&log, "log-0000000003", 20);
    repair(&log, "log-0000000003 is now log-0000000003.damaged\n", 41);
    place_fini(&log);

    three_files(&log, false);
    assert_int_equal(log.files->remove(log.files->context, "log-0000000001"), STATUS_OK);
    repair(&log, "lost: records 1 to 60, as far as can be seen\n", 1);
    place_fini(&log);
}

static void damaged_snapshot_gives_way_to_an_older_one_or_the_log(void **state) {
    struct log_place log;
    three_files(&log, true);
    flip(&log, "snapshot-0000000004", 200);
    repair(&log, "snapshot-0000000004 is now snapshot-0000000004.damaged\n", 61);
    place_fini(&log);

    three_files(&log, true);
    disk_put(log.disk, "snapshot-0000000006", SLICE("not a snapshot"));
    disk_put(log.disk, "snapshot-0000000006.damaged", SLICE("an older one"));
    assert_int_equal(log.files->remove(log.files->context, "log-0000000001"), STATUS_OK);
    repair(&log, "snapshot-0000000006 is now snapshot-0000000006.damaged-2\n", 61);
    place_fini(&log);
}

static void snapshot_outlives_a_log_that_does_not_reach_it(void **state) {
    struct log_place log;
    three_files(&log, true);
    assert_int_equal(log.files->remove(log.files->context, "log-0000000003"), STATUS_OK);
    repair(&log, "snapshot-0000000005 is snapshot-0000000004 again, for a log that ends with record 40", 41);
    place_fini(&log);

    three_files(&log, true);
    flip(&log, "log-0000000002", 3);
    repair(&log, "lost: records 21 to 60, as far as can be seen\n", 21);
    place_fini(&log);

    three_files(&log, true);
    for (uint64_t number = 1; number <= 3; number++) {
        char name[LOG_NAME_SIZE];
        format_name(LOG_PREFIX, number, "", name);
        assert_int_equal(log.files->remove(log.files->context, name), STATUS_OK);
    }
    repair(&log, "lost: records from 30 on; how many there were is not known\n", 1);
    place_fini(&log);
}

static void newer_versions_and_failing_disks_are_left_alone(void **state) {
    struct log_place log;
    struct doctor doctor;
    three_files(&log, false);
    uint8_t bytes[LOG_HEADER_SIZE];
    memcpy(bytes, disk_contents(log.disk, "log-0000000003").data, sizeof bytes);
    bytes[8] = 2;
    little_put_u64(bytes + 56, hash_bytes(slice_make(bytes, 56), 0));
    disk_put(log.disk, "log-0000000003", slice_make(bytes, sizeof bytes));
    doctor_init(&doctor, log.files, &memory_libc);
    assert_int_equal(doctor_examine(&doctor), STATUS_INVALID);
    expect_text(&doctor, "log-0000000003 has version 2; this program reads version 1\n");
    faults_add(&log.faults, (struct fault){.calls = FAULT_READ, .kind = FAULT_BROKEN, .first = 1});
    assert_int_equal(doctor_examine(&doctor), STATUS_IO);
    doctor_fini(&doctor);
    place_fini(&log);
}

/* Each call of a repair fails, or the power goes with it: the next repair ends well, with the same records. */
static void repair_can_be_cut_short_anywhere(void **state) {
    for (unsigned way = 0; way < 2; way++) {
        for (uint64_t n = 1;; n++) {
            struct log_place log;
            struct doctor doctor;
            three_files(&log, n % 2);
            flip(&log, "log-0000000002", n % 2 ? 700 : 200);
            if (way)
                disk_cut_after(log.disk, n);
            else
                faults_add(&log.faults, (struct fault){.calls = FAULT_ANY & ~(unsigned)(FAULT_READ | FAULT_LIST),
                                                       .kind = FAULT_BROKEN,
                                                       .first = n,
                                                       .count = 1});
            doctor_init(&doctor, log.files, &memory_libc);
            enum status status = doctor_examine(&doctor);
            if (status == STATUS_CORRUPT)
                status = doctor_repair(&doctor);
            bool spoiled = disk_is_cut(log.disk) || faults_spoiled(&log.faults);
            doctor_fini(&doctor);
            faults_clear(&log.faults);
            if (disk_is_cut(log.disk))
                disk_restart(log.disk);
            disk_cut_after(log.disk, 0);
            doctor_init(&doctor, log.files, &memory_libc);
            if (doctor_examine(&doctor) != STATUS_OK)
                assert_int_equal(doctor_repair(&doctor), STATUS_OK);
            doctor_fini(&doctor);
            assert_true(opens(&log) <= 41);
            place_fini(&log);
            if (!spoiled) {
                assert_int_equal(status, STATUS_OK);
                assert_true(n > 8);
                break;
            }
        }
    }
}

/* Any files damaged anyhow: it always ends with a directory that a server starts with. */
static void whatever_happened_can_be_repaired(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    static const char *const names[] = {"log-0000000001", "log-0000000002", "log-0000000003", "snapshot-0000000004"};
    for (unsigned round = 0; round < 500; round++) {
        struct log_place log;
        struct doctor doctor;
        three_files(&log, rng_below(&rng, 2));
        for (uint64_t times = 1 + rng_below(&rng, 3); times; times--) {
            const char *name = names[rng_below(&rng, 4)];
            struct slice found = disk_contents(log.disk, name);
            uint64_t what = rng_below(&rng, 4);
            if (!found.size)
                continue;
            if (what == 0)
                assert_int_equal(log.files->remove(log.files->context, name), STATUS_OK);
            else if (what == 1)
                assert_int_equal(log.files->rename(log.files->context, name, names[rng_below(&rng, 4)]), STATUS_OK);
            else
                flip(&log, name, rng_below(&rng, found.size));
        }
        doctor_init(&doctor, log.files, &memory_libc);
        enum status status = doctor_examine(&doctor);
        if (status == STATUS_CORRUPT)
            status = doctor_repair(&doctor);
        if (status != STATUS_OK)
            fail_msg("round %u: %s: %.*s", round, status_text(status), (int)doctor.text.size, (char *)doctor.text.data);
        doctor_fini(&doctor);
        opens(&log);
        place_fini(&log);
    }
}

UNIT_TESTS(doctor, UNIT(good_directories_are_left_alone), UNIT(damaged_file_is_cut_before_the_damage),
           UNIT(files_behind_a_missing_or_foreign_one_are_set_aside),
           UNIT(damaged_snapshot_gives_way_to_an_older_one_or_the_log),
           UNIT(snapshot_outlives_a_log_that_does_not_reach_it), UNIT(newer_versions_and_failing_disks_are_left_alone),
           UNIT(repair_can_be_cut_short_anywhere), UNIT(whatever_happened_can_be_repaired));
