#include "sys/wal/read.h"

#include "base/little.h"
#include "sys/wal/log_fixture.h"

enum { RECORDS = 1000 };

static const char first_name[] = "log-0000000001", second_name[] = "log-0000000002", third_name[] = "log-0000000003";

/* Reads the whole directory. */
static enum status read_log(struct log_place *log, struct place_visit *visit, struct wal_report *report) {
    struct wal_need need = {0};
    struct wal_visitor visitor = {.record = place_visit, .context = visit};
    *visit = (struct place_visit){0};
    enum status status = wal_read(log->files, &memory_libc, &need, &visitor, report);
    wal_report_fini(report);
    return status;
}

static struct slice copy_of(struct log_place *log, const char *name, uint8_t **ret_bytes) {
    struct slice found = disk_contents(log->disk, name);
    *ret_bytes = malloc(found.size + 1);
    assert_non_null(*ret_bytes);
    memcpy(*ret_bytes, found.data, found.size);
    return slice_make(*ret_bytes, found.size);
}

static void log_of_a_thousand(struct log_place *log, uint64_t every, bool close) {
    place_init(log);
    place_open(log);
    place_fill(log, RECORDS, every);
    if (close)
        place_close(log);
}

static void records_come_back_in_order(void **state) {
    for (uint64_t every = 1; every <= RECORDS; every *= 10) {
        struct log_place log;
        struct place_visit visit;
        struct wal_report report;
        log_of_a_thousand(&log, every, true);
        assert_int_equal(read_log(&log, &visit, &report), STATUS_OK);
        assert_int_equal(visit.count, RECORDS);
        assert_int_equal(visit.wrong, 0);
        assert_int_equal(report.next_lsn, RECORDS + 1);
        assert_int_equal(report.cut_bytes, 0);
        assert_true(report.closed);
        assert_int_equal(report.log_id, log.options.log_id);
        place_fini(&log);
    }
}

/* A file that is cut anywhere holds a whole number of batches before the cut, nothing invented, and the header is needed. */
static void log_cut_at_every_byte_is_a_beginning_of_it(void **state) {
    struct log_place log;
    struct place_visit visit;
    struct wal_report report;
    log_of_a_thousand(&log, 7, false);
    uint8_t *bytes;
    struct slice whole = copy_of(&log, first_name, &bytes);
    uint64_t before = 0;
    for (size_t size = 0; size <= whole.size; size++) {
        disk_put(log.disk, first_name, slice_part(whole, 0, size));
        enum status status = read_log(&log, &visit, &report);
        if (size < LOG_HEADER_SIZE) {
            assert_int_equal(status, STATUS_CORRUPT);
            assert_non_null(strstr(report.reason, "log-0000000001: the header at offset 0"));
            continue;
        }
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(visit.wrong, 0);
        assert_true(visit.count >= before && visit.count <= before + 7);
        assert_true(visit.count % 7 == 0 || visit.count == RECORDS);
        if (report.cut_bytes)
            assert_int_equal(report.cut_offset + report.cut_bytes, size);
        before = visit.count;
    }
    assert_int_equal(before, RECORDS);
    free(bytes);
    place_fini(&log);
}

/* Each flip of a log that was closed in order is either told with file and place, or harmless. */
static void flipped_bits_are_refused_or_harmless(void **state) {
    struct log_place log;
    struct place_visit visit;
    struct wal_report report;
    log_of_a_thousand(&log, 3, true);
    uint8_t *bytes;
    struct slice whole = copy_of(&log, first_name, &bytes);
    struct rng rng = rng_seeded(unit_seed());
    unsigned refused = 0, harmless = 0;
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t bit = rng_below(&rng, whole.size * 8);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        disk_put(log.disk, first_name, whole);
        enum status status = read_log(&log, &visit, &report);
        assert_int_equal(visit.wrong, 0);
        if (status == STATUS_OK) {
            assert_int_equal(visit.count, RECORDS);
            harmless++;
        } else {
            assert_true(status == STATUS_CORRUPT || status == STATUS_INVALID);
            assert_non_null(strstr(report.reason, first_name));
            assert_true(strstr(report.reason, "offset") || status == STATUS_INVALID);
            refused++;
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* Only the last batch, which says that nothing follows, can be missed. */
    assert_true(refused > 9900 && harmless < 100);
    free(bytes);
    place_fini(&log);
}

/* Without the last word, damage behind the last flush that is known is a tail, cut and counted; before it, it is a loss. */
static void damage_behind_the_last_proof_is_the_tail(void **state) {
    struct log_place log;
    struct place_visit visit;
    struct wal_report report;
    place_init(&log);
    log.options.mode = WAL_NO;
    place_open(&log);
    place_fill(&log, 10, 10);
    wal_mode_set(log.wal, WAL_ALWAYS, 0);
    place_fill(&log, 10, 10);
    wal_mode_set(log.wal, WAL_NO, 0);
    place_fill(&log, 10, 10); /* says that 20 were flushed */
    uint64_t third = disk_contents(log.disk, first_name).size;
    place_fill(&log, 10, 10);
    uint8_t *bytes;
    struct slice whole = copy_of(&log, first_name, &bytes);
    bytes[third + 60] ^= 1; /* in the payload of 31 to 40 */
    disk_put(log.disk, first_name, whole);
    assert_int_equal(read_log(&log, &visit, &report), STATUS_OK);
    assert_int_equal(visit.count, 30);
    assert_int_equal(report.cut_offset, third);
    assert_int_equal(report.cut_bytes, whole.size - third);
    assert_int_equal(report.proven_lsn, 20);
    bytes[LOG_HEADER_SIZE + 60] ^= 1; /* in that of 1 to 10 */
    disk_put(log.disk, first_name, whole);
    assert_int_equal(read_log(&log, &visit, &report), STATUS_CORRUPT);
    assert_int_equal(visit.count, 0);
    assert_string_equal(report.reason,
                        "log-0000000001 is damaged at offset 64: record 1 stood there, and records up to 20 are "
                        "known to have been flushed");
    free(bytes);
    place_fini(&log);
}

/* A log that nobody closed knows as much, as soon as the committer has had nothing to do for a turn. */
static void last_flush_is_proven_when_nothing_more_comes(void **state) {
    struct log_place log;
    struct place_visit visit;
    struct wal_report report;
    uint8_t *bytes;
    place_init(&log);
    place_open(&log);
    place_fill(&log, 10, 10);
    size_t size = disk_contents(log.disk, first_name).size;
    for (unsigned i = 0; i < 3; i++)
        wal_step(log.wal);
    assert_int_equal(disk_contents(log.disk, first_name).size, size); /* one is enough */
    struct slice whole = copy_of(&log, first_name, &bytes);
    bytes[LOG_HEADER_SIZE + 60] ^= 1;
    disk_put(log.disk, first_name, whole);
    assert_int_equal(read_log(&log, &visit, &report), STATUS_CORRUPT);
    assert_non_null(strstr(report.reason, "records up to 10 are known to have been flushed"));
    free(bytes);
    place_fini(&log);
}

static void three_files(struct log_place *log) {
    place_three_files(log);
    assert_true(disk_contents(log->disk, third_name).size > LOG_HEADER_SIZE);
}

static void expect_refusal(struct log_place *log, enum status expected, const char *text) {
    struct place_visit visit;
    struct wal_report report;
    assert_int_equal(read_log(log, &visit, &report), expected);
    assert_int_equal(visit.wrong, 0);
    if (!strstr(report.reason, text))
        fail_msg("\"%s\" does not say \"%s\"", report.reason, text);
}

static void remove_file(struct log_place *log, const char *name) {
    assert_int_equal(log->files->remove(log->files->context, name), STATUS_OK);
}

/* In files that others follow, nothing is a tail. */
static void flipped_bit_before_the_last_file_is_a_loss(void **state) {
    struct log_place log;
    struct place_visit visit;
    struct wal_report report;
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *bytes;
    three_files(&log);
    struct slice whole = copy_of(&log, second_name, &bytes);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t bit = rng_below(&rng, whole.size * 8);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        disk_put(log.disk, second_name, whole);
        enum status status = read_log(&log, &visit, &report);
        assert_int_equal(visit.wrong, 0);
        if (bit / 8 < whole.size - 2 * LOG_BATCH_HEADER_SIZE) /* but for the batches without records at its end */
            assert_int_equal(status, STATUS_CORRUPT);
        if (status == STATUS_OK)
            assert_int_equal(visit.count, 60);
        else
            assert_non_null(strstr(report.reason, second_name));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
    place_fini(&log);
}

static void missing_files_are_told(void **state) {
    const struct {
        const char *name, *text;
    } cases[] = {
        {first_name, "records 1 to 20 are missing: the oldest file of the log is log-0000000002"},
        {second_name, "log-0000000002 is missing"},
        {third_name, "log-0000000003 is missing: log-0000000002 ends with the word that it follows"},
    };
    for (unsigned i = 0; i < 3; i++) {
        struct log_place log;
        three_files(&log);
        remove_file(&log, cases[i].name);
        expect_refusal(&log, STATUS_CORRUPT, cases[i].text);
        place_fini(&log);
    }
}

static void file_of_another_log_is_refused(void **state) {
    struct log_place log, other;
    uint8_t *bytes;
    three_files(&log);
    place_init(&other);
    other.options.log_id = 77;
    place_open(&other);
    wal_rotate(other.wal);
    place_fill(&other, 20, 5);
    wal_step(other.wal);
    struct slice foreign = copy_of(&other, second_name, &bytes);
    assert_true(foreign.size > 0);
    disk_put(log.disk, second_name, foreign);
    expect_refusal(&log, STATUS_CORRUPT, "log-0000000002 belongs to log 000000000000004d, not to 1234567890abcdef");
    free(bytes);
    place_fini(&other);
    place_fini(&log);
}

static void renamed_swapped_empty_and_newer_files_are_refused(void **state) {
    struct log_place log;
    uint8_t *bytes;
    three_files(&log);
    struct slice second = copy_of(&log, second_name, &bytes);
    disk_put(log.disk, third_name, second);
    expect_refusal(&log, STATUS_CORRUPT, "log-0000000003 says that it is number 2; it has been renamed");
    disk_put(log.disk, third_name, SLICE(""));
    expect_refusal(&log, STATUS_CORRUPT, "log-0000000003: the header at offset 0 is damaged or missing");
    bytes[8] = 9;
    uint64_t sum = hash_bytes(slice_make(bytes, 56), 0);
    little_put_u64(bytes + 56, sum);
    disk_put(log.disk, second_name, second);
    remove_file(&log, third_name);
    expect_refusal(&log, STATUS_INVALID, "log-0000000002 has version 9; this program reads version 1");
    free(bytes);
    place_fini(&log);
}

/* A batch that was written to the place of another, by a disk that mistook the place, is no batch there. */
static void batch_at_another_place_is_no_batch(void **state) {
    struct log_place log;
    uint8_t *bytes;
    place_init(&log);
    place_open(&log);
    for (unsigned i = 0; i < 4; i++) {
        place_stage(&log, "0123456789");
        wal_step(log.wal);
    }
    struct slice whole = copy_of(&log, first_name, &bytes);
    size_t batch = LOG_BATCH_HEADER_SIZE + LOG_RECORD_HEADER_SIZE + 10;
    memcpy(bytes + LOG_HEADER_SIZE + batch, bytes + LOG_HEADER_SIZE, batch);
    disk_put(log.disk, first_name, whole);
    struct wal_need need = {0};
    struct wal_report report;
    assert_int_equal(wal_read(log.files, &memory_libc, &need, NULL, &report), STATUS_CORRUPT);
    assert_non_null(strstr(report.reason, "is damaged at offset 126: record 2 stood there"));
    wal_report_fini(&report);
    free(bytes);
    place_fini(&log);
}

static void only_what_a_snapshot_lacks_is_needed(void **state) {
    struct log_place log;
    struct wal_report report;
    struct place_visit visit = {.last = 29};
    struct wal_visitor visitor = {.record = place_visit, .context = &visit};
    three_files(&log);
    remove_file(&log, first_name);
    struct wal_need need = {.log_id = log.options.log_id, .from_lsn = 30, .to_lsn = 45};
    assert_int_equal(wal_read(log.files, &memory_libc, &need, &visitor, &report), STATUS_OK);
    assert_int_equal(visit.count, 31);
    assert_int_equal(visit.wrong, 0);
    assert_int_equal(report.first_number, 2);
    wal_report_fini(&report);
    need.from_lsn = 61; /* the next one to come */
    need.to_lsn = 60;
    assert_int_equal(wal_read(log.files, &memory_libc, &need, NULL, &report), STATUS_OK);
    wal_report_fini(&report);
    need.to_lsn = 61;
    assert_int_equal(wal_read(log.files, &memory_libc, &need, NULL, &report), STATUS_CORRUPT);
    assert_non_null(strstr(report.reason,
                           "the log ends with record 60, but the snapshot was made when there were records up to 61"));
    wal_report_fini(&report);
    need.log_id = 5;
    assert_int_equal(wal_read(log.files, &memory_libc, &need, NULL, &report), STATUS_CORRUPT);
    assert_non_null(strstr(report.reason, "not to 0000000000000005"));
    wal_report_fini(&report);
    place_fini(&log);
}

static void empty_directory_is_a_log_that_begins_unless_one_is_needed(void **state) {
    struct log_place log;
    struct wal_report report;
    place_init(&log);
    struct wal_need need = {0};
    assert_int_equal(wal_read(log.files, &memory_libc, &need, NULL, &report), STATUS_OK);
    assert_int_equal(report.next_lsn, 1);
    wal_report_fini(&report);
    need.log_id = 9;
    need.from_lsn = 5;
    assert_int_equal(wal_read(log.files, &memory_libc, &need, NULL, &report), STATUS_CORRUPT);
    assert_non_null(strstr(report.reason, "there is no log"));
    wal_report_fini(&report);
    place_fini(&log);
}

static enum status stop_at_ten(void *context, uint64_t lsn, struct slice record) {
    return lsn == 10 ? STATUS_FULL : STATUS_OK;
}

static void visitor_ends_the_reading(void **state) {
    struct log_place log;
    struct wal_report report;
    struct wal_need need = {0};
    struct wal_visitor visitor = {.record = stop_at_ten};
    three_files(&log);
    assert_int_equal(wal_read(log.files, &memory_libc, &need, &visitor, &report), STATUS_FULL);
    assert_non_null(strstr(report.reason, "record 10 in log-0000000001"));
    wal_report_fini(&report);
    place_fini(&log);
}

/* Each read in turn fails; then each allocation. */
static void every_failing_call_is_passed_up(void **state) {
    struct log_place log;
    struct place_visit visit;
    struct wal_report report;
    three_files(&log);
    for (uint64_t n = 1;; n++) {
        faults_add(&log.faults, (struct fault){.calls = FAULT_ANY, .kind = FAULT_BROKEN, .first = n, .count = 1});
        uint64_t spoiled = faults_spoiled(&log.faults);
        enum status status = read_log(&log, &visit, &report);
        faults_clear(&log.faults);
        if (faults_spoiled(&log.faults) == spoiled) {
            assert_int_equal(status, STATUS_OK);
            assert_true(n > 5);
            break;
        }
        assert_int_equal(status, STATUS_IO);
        assert_non_null(strstr(report.reason, "cannot be read"));
    }
    place_fini(&log);
}

UNIT_TESTS(read, UNIT(records_come_back_in_order), UNIT(log_cut_at_every_byte_is_a_beginning_of_it),
           UNIT(flipped_bits_are_refused_or_harmless), UNIT(damage_behind_the_last_proof_is_the_tail),
           UNIT(last_flush_is_proven_when_nothing_more_comes), UNIT(flipped_bit_before_the_last_file_is_a_loss),
           UNIT(missing_files_are_told), UNIT(file_of_another_log_is_refused),
           UNIT(renamed_swapped_empty_and_newer_files_are_refused), UNIT(batch_at_another_place_is_no_batch),
           UNIT(only_what_a_snapshot_lacks_is_needed), UNIT(empty_directory_is_a_log_that_begins_unless_one_is_needed),
           UNIT(visitor_ends_the_reading), UNIT(every_failing_call_is_passed_up));
