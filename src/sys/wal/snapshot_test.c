#include "sys/wal/snapshot.h"

#include "base/little.h"
#include "scarce.h"
#include "sys/wal/log_fixture.h"
#include "sys/wal/snapshot_format.h"

enum { RECORDS = 3000 };

static const char name[] = "snapshot-0000000007", name_new[] = "snapshot-0000000007.new";

static struct snapshot_facts some_facts(void) {
    return (struct snapshot_facts){.number = 7, .id = 99, .log_id = 5, .start_lsn = 40, .created_ms = 1700000000000};
}

static enum status add(struct snapshot_writer *writer, uint64_t n) {
    char text[64];
    struct slice record = slice_make(text, place_record(n, text));
    struct slice parts[2] = {slice_part(record, 0, 5), slice_part(record, 5, SIZE_MAX)};
    return snapshot_add(writer, parts, 2);
}

static enum status write_all(const struct files *files, const struct memory *memory, uint64_t records,
                             uint64_t flushed_lsn) {
    struct snapshot_facts facts = some_facts();
    struct snapshot_writer *writer;
    TRY(snapshot_begin(files, memory, &facts, &writer));
    enum status status = STATUS_OK;
    for (uint64_t n = 1; n <= records && status == STATUS_OK; n++)
        status = add(writer, n);
    if (status == STATUS_OK)
        status = snapshot_finish(writer, 60, flushed_lsn);
    if (status != STATUS_OK)
        snapshot_cancel(writer);
    return status;
}

/* Counts the records, which must be 1, 2, ... in order; the answer is how it ended: STATUS_CLOSED if all is well. */
static enum status read_all(const struct files *files, uint64_t *ret_count, struct snapshot_facts *ret_facts,
                            char *reason) {
    struct snapshot_reader *reader;
    *ret_count = 0;
    TRY(snapshot_open(files, &memory_libc, 7, &reader, ret_facts, reason));
    struct slice record;
    enum status status;
    while ((status = snapshot_next(reader, &record, reason)) == STATUS_OK) {
        char text[64];
        assert_true(slice_equal(record, slice_make(text, place_record(++*ret_count, text))));
    }
    snapshot_close(reader);
    return status;
}

static void records_come_back_with_the_facts(void **state) {
    struct log_place place;
    struct snapshot_facts facts;
    char reason[WAL_REASON_SIZE];
    uint64_t count;
    for (uint64_t records = 0; records <= 30000; records = records * 10 + 3) {
        place_init(&place);
        assert_int_equal(write_all(place.files, &memory_libc, records, 60), STATUS_OK);
        assert_int_equal(read_all(place.files, &count, &facts, reason), STATUS_CLOSED);
        assert_int_equal(count, records);
        assert_int_equal(facts.records, records);
        assert_int_equal(facts.number, 7);
        assert_int_equal(facts.id, 99);
        assert_int_equal(facts.log_id, 5);
        assert_int_equal(facts.start_lsn, 40);
        assert_int_equal(facts.end_lsn, 60);
        assert_int_equal(facts.created_ms, 1700000000000);
        assert_int_equal(facts.file_bytes, disk_contents(place.disk, name).size);
        assert_true(records < 30000 || facts.blocks > 2);
        assert_int_equal(disk_contents(place.disk, name_new).size, 0);
        place_fini(&place);
    }
}

static void large_record_has_a_block_of_its_own(void **state) {
    struct log_place place;
    place_init(&place);
    size_t size = 3 * SNAPSHOT_BLOCK_SIZE + 11;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31);
    struct snapshot_facts facts = some_facts();
    struct snapshot_writer *writer;
    struct slice large = slice_make(bytes, size), small = SLICE("small"), record;
    assert_int_equal(snapshot_begin(place.files, &memory_libc, &facts, &writer), STATUS_OK);
    assert_int_equal(snapshot_add(writer, &large, 1), STATUS_OK);
    assert_int_equal(snapshot_add(writer, &small, 1), STATUS_OK);
    struct slice twice[2] = {slice_make(bytes, LOG_RECORD_SIZE_MAX), small};
    assert_int_equal(snapshot_add(writer, twice, 2), STATUS_TOO_LARGE);
    assert_int_equal(snapshot_finish(writer, 39, 39), STATUS_OK);
    struct snapshot_reader *reader;
    char reason[WAL_REASON_SIZE];
    assert_int_equal(snapshot_open(place.files, &memory_libc, 7, &reader, &facts, reason), STATUS_OK);
    assert_int_equal(facts.blocks, 2);
    assert_int_equal(snapshot_next(reader, &record, reason), STATUS_OK);
    assert_true(slice_equal(record, large));
    assert_int_equal(snapshot_next(reader, &record, reason), STATUS_OK);
    assert_true(slice_equal(record, small));
    assert_int_equal(snapshot_next(reader, &record, reason), STATUS_CLOSED);
    snapshot_close(reader);
    free(bytes);
    place_fini(&place);
}

static void every_cut_and_flip_is_refused(void **state) {
    struct log_place place;
    struct snapshot_facts facts;
    char reason[WAL_REASON_SIZE];
    uint64_t count;
    place_init(&place);
    assert_int_equal(write_all(place.files, &memory_libc, 300, 60), STATUS_OK);
    struct slice found = disk_contents(place.disk, name);
    uint8_t *bytes = malloc(found.size);
    assert_non_null(bytes);
    memcpy(bytes, found.data, found.size);
    struct slice whole = slice_make(bytes, found.size);
    for (size_t size = 0; size < whole.size; size++) {
        disk_put(place.disk, name, slice_part(whole, 0, size));
        assert_int_equal(read_all(place.files, &count, &facts, reason), STATUS_CORRUPT);
        assert_non_null(strstr(reason, name));
        assert_non_null(strstr(reason, "offset"));
    }
    struct rng rng = rng_seeded(unit_seed());
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t bit = i < 1000 ? i : rng_below(&rng, whole.size * 8);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        disk_put(place.disk, name, whole);
        assert_int_equal(read_all(place.files, &count, &facts, reason), STATUS_CORRUPT);
        assert_non_null(strstr(reason, "offset"));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    disk_put(place.disk, name, whole);
    assert_int_equal(read_all(place.files, &count, &facts, reason), STATUS_CLOSED);
    /* Under another name, and of a later version. */
    disk_put(place.disk, "snapshot-0000000008", whole);
    struct snapshot_reader *reader;
    assert_int_equal(snapshot_open(place.files, &memory_libc, 8, &reader, &facts, reason), STATUS_CORRUPT);
    assert_non_null(strstr(reason, "says that it is number 7; it has been renamed"));
    assert_int_equal(snapshot_open(place.files, &memory_libc, 9, &reader, &facts, reason), STATUS_IO);
    assert_non_null(strstr(reason, "snapshot-0000000009 cannot be read"));
    bytes[8] = 2;
    little_put_u64(bytes + 56, hash_bytes(slice_make(bytes, 56), 0));
    disk_put(place.disk, name, whole);
    assert_int_equal(read_all(place.files, &count, &facts, reason), STATUS_INVALID);
    assert_non_null(strstr(reason, "has version 2; this program reads version 1"));
    free(bytes);
    place_fini(&place);
}

static void snapshot_waits_for_its_log(void **state) {
    struct log_place place;
    struct snapshot_facts facts = some_facts();
    struct snapshot_writer *writer;
    place_init(&place);
    assert_int_equal(snapshot_begin(place.files, &memory_libc, &facts, &writer), STATUS_OK);
    assert_int_equal(add(writer, 1), STATUS_OK);
    assert_int_equal(snapshot_finish(writer, 60, 59), STATUS_AGAIN);
    assert_int_equal(disk_contents(place.disk, name).size, 0);
    assert_int_equal(snapshot_finish(writer, 60, 60), STATUS_OK);
    assert_true(disk_contents(place.disk, name).size > 0);
    place_fini(&place);
}

/* The n-th call fails, for n = 1, 2, ...: there is a whole snapshot or none, also after a cut, and no half of one is left. */
static void failing_calls_leave_none(void **state) {
    for (uint64_t n = 1;; n++) {
        struct log_place place;
        struct snapshot_facts facts;
        char reason[WAL_REASON_SIZE];
        uint64_t count;
        place_init(&place);
        faults_add(
            &place.faults,
            (struct fault){.calls = FAULT_ANY & ~(unsigned)FAULT_REMOVE, .kind = FAULT_BROKEN, .first = n, .count = 1});
        enum status status = write_all(place.files, &memory_libc, RECORDS, 60);
        bool spoiled = faults_spoiled(&place.faults) > 0;
        assert_int_equal(status, spoiled ? STATUS_IO : STATUS_OK);
        faults_clear(&place.faults);
        if (spoiled) {
            assert_int_equal(disk_contents(place.disk, name).size, 0);
            assert_int_equal(disk_contents(place.disk, name_new).size, 0);
        }
        disk_restart(place.disk);
        if (disk_contents(place.disk, name).size)
            assert_int_equal(read_all(place.files, &count, &facts, reason), STATUS_CLOSED);
        else
            assert_true(spoiled);
        place_fini(&place);
        if (!spoiled) {
            assert_true(n > 4);
            return;
        }
    }
}

static void failing_allocations_leave_none(void **state) {
    for (uint64_t n = 0;; n++) {
        struct log_place place;
        struct scarce scarce;
        place_init(&place);
        enum status status = write_all(place.files, scarce_begin(&scarce, n), 300, 60);
        assert_int_equal(status, scarce.failed ? STATUS_NO_MEMORY : STATUS_OK);
        assert_int_equal(disk_contents(place.disk, name).size > 0, !scarce.failed);
        assert_int_equal(disk_contents(place.disk, name_new).size, 0);
        place_fini(&place);
        if (!scarce.failed) {
            assert_true(n > 2);
            return;
        }
    }
}

static void old_ones_and_halves_go(void **state) {
    struct log_place place;
    struct buf numbers;
    place_init(&place);
    buf_init(&numbers, &memory_libc);
    assert_int_equal(snapshot_list(place.files, &numbers), STATUS_OK);
    assert_int_equal(numbers.size, 0);
    static const char *const names[] = {"snapshot-0000000003", "snapshot-0000000012",     "snapshot-0000000007",
                                        "snapshot-12",         "snapshot-0000000013.new", "log-0000000001",
                                        "snapshot-0000000000", "snapshot-00000000012"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        disk_put(place.disk, names[i], SLICE("x"));
    uint64_t expected[] = {3, 7, 12};
    assert_int_equal(snapshot_list(place.files, &numbers), STATUS_OK);
    assert_int_equal(numbers.size, sizeof expected);
    assert_memory_equal(numbers.data, expected, sizeof expected);
    assert_int_equal(snapshot_remove_before(place.files, &memory_libc, 12), STATUS_OK);
    assert_int_equal(snapshot_list(place.files, &numbers), STATUS_OK);
    assert_int_equal(numbers.size, 8);
    assert_int_equal(disk_contents(place.disk, "snapshot-0000000013.new").size, 0);
    assert_int_equal(disk_contents(place.disk, "snapshot-12").size, 1);
    assert_int_equal(disk_contents(place.disk, "log-0000000001").size, 1);
    buf_fini(&numbers);
    place_fini(&place);
}

static void rate_is_kept(void **state) {
    struct log_place place;
    struct snapshot_facts facts = some_facts();
    struct snapshot_writer *writer;
    place_init(&place);
    assert_int_equal(snapshot_begin(place.files, &memory_libc, &facts, &writer), STATUS_OK);
    uint64_t now_ns = 5000000000, begun_ns = now_ns, rate = 1 << 20;
    static char bytes[10000];
    struct slice part = slice_make(bytes, sizeof bytes);
    assert_int_equal(snapshot_wait_ns(writer, now_ns, 0), 0);
    for (unsigned i = 0; i < 500; i++) {
        now_ns += snapshot_wait_ns(writer, now_ns, rate);
        assert_int_equal(snapshot_add(writer, &part, 1), STATUS_OK);
    }
    snapshot_progress(writer, &facts);
    assert_int_equal(facts.records, 500);
    assert_int_equal(facts.bytes, 5000000);
    assert_true(facts.file_bytes > 5000000);
    double seconds = (double)(now_ns - begun_ns) / 1e9, least = (5000000.0 - 2 * SNAPSHOT_BLOCK_SIZE) / (double)rate;
    assert_true(seconds > least && seconds < 5000000.0 / (double)rate);
    /* Another rate counts from now on. */
    assert_int_equal(snapshot_wait_ns(writer, now_ns, rate * 100), 0);
    snapshot_cancel(writer);
    assert_int_equal(disk_contents(place.disk, name_new).size, 0);
    place_fini(&place);
}

UNIT_TESTS(snapshot, UNIT(records_come_back_with_the_facts), UNIT(large_record_has_a_block_of_its_own),
           UNIT(every_cut_and_flip_is_refused), UNIT(snapshot_waits_for_its_log), UNIT(failing_calls_leave_none),
           UNIT(failing_allocations_leave_none), UNIT(old_ones_and_halves_go), UNIT(rate_is_kept));
