#include "sys/audit/audit_log.h"

#include <errno.h>

#include "sys/audit/audit_fixture.h"

static struct place place;

static void put_many(uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        assert_true(place_put(&place, true));
}

static void reopen(void) {
    assert_int_equal(audit_log_close(place.log, place.now), STATUS_OK);
    place.log = NULL;
    place_open(&place);
}

static void expect_events(uint64_t count) {
    place_expect_good(&place);
    assert_true(place.in_order);
    assert_int_equal(place.verifier.events, count);
}

static void what_is_put_stands_there_and_a_restart_goes_on(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place_open(&place);
    put_many(10);
    (void)place_step(&place);
    expect_events(10);
    reopen();
    assert_string_equal(place.notice, "");
    put_many(10);
    (void)place_step(&place);
    expect_events(20);
    assert_int_equal(place.verifier.files, 1);
    assert_int_equal(place.kinds[AUDIT_NOT_STOPPED], 0);
    struct audit_log_facts facts;
    audit_log_facts(place.log, &facts);
    assert_int_equal(facts.lines, 20 + 1 + 1 + 2); /* file, stop, two starts */
    assert_int_equal(facts.written, 10);
    assert_int_equal(facts.waiting, 0);
    place_fini(&place);
}

static void files_follow_each_other_by_size_and_no_line_is_lost(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place.options.setting.file_bytes = 4096;
    place_open(&place);
    for (int round = 0; round < 20; round++) {
        put_many(7);
        (void)place_step(&place);
    }
    expect_events(140);
    assert_true(place.verifier.files > 5);
    reopen();
    put_many(100);
    (void)place_step(&place);
    expect_events(240);
    place_fini(&place);
}

static void files_follow_each_other_by_age_and_when_asked(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place.options.setting.file_ms = 60000;
    place_open(&place);
    put_many(1);
    assert_true(place_step(&place) <= 60000);
    place.now.steady_ms += 60000;
    (void)place_step(&place);
    expect_events(1);
    assert_int_equal(place.verifier.files, 2);
    audit_log_rotate(place.log);
    (void)place_step(&place);
    expect_events(1);
    assert_int_equal(place.verifier.files, 3);
    place_fini(&place);
}

static void old_files_go_and_lines_say_so(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place.options.setting.file_bytes = 2048;
    place.options.setting.keep = 3;
    place_open(&place);
    for (int i = 0; i < 30; i++) {
        put_many(5);
        (void)place_step(&place);
    }
    place_expect_good(&place);
    assert_int_equal(place.verifier.files, 3);
    assert_int_equal(place.kinds[AUDIT_FIRST_REMOVED], 1);
    place_fini(&place);
}

static void a_disk_that_is_full_costs_nothing_but_time(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place_open(&place);
    put_many(3);
    (void)place_step(&place);
    faults_add(&place.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_NO_ROOM, .first = 1});
    put_many(3);
    assert_int_equal(place_step(&place), AUDIT_RETRY_MS);
    assert_int_equal(place.fails, 1);
    struct audit_log_facts facts;
    audit_log_facts(place.log, &facts);
    assert_true(facts.fails);
    assert_int_equal(facts.error, ENOSPC);
    put_many(3);
    place.now.steady_ms += AUDIT_RETRY_MS;
    (void)place_step(&place);
    assert_int_equal(place.fails, 1); /* told once */
    assert_int_equal(place.mended, 0);
    faults_clear(&place.faults);
    place.now.steady_ms += AUDIT_RETRY_MS;
    (void)place_step(&place);
    assert_int_equal(place.mended, 1);
    expect_events(9);
    place_fini(&place);
}

/* Every call of a rotating log fails in turn, once and for a while. */
static void every_call_that_fails_is_made_again(void **state) {
    (void)state;
    for (uint64_t failing = 1; failing < 60; failing++) {
        for (int kind = 0; kind < 2; kind++) {
            place_init(&place, unit_seed() + failing);
            place.options.setting.file_bytes = 2048;
            place.options.setting.keep = 4;
            place_open(&place);
            faults_add(&place.faults,
                       (struct fault){.calls = FAULT_OPEN | FAULT_WRITE | FAULT_SYNC | FAULT_SYNC_DIRECTORY,
                                      .kind = kind ? FAULT_TORN : FAULT_BROKEN,
                                      .first = failing,
                                      .count = 1 + failing % 3});
            for (int i = 0; i < 12; i++) {
                put_many(3);
                (void)place_step(&place);
                place.now.steady_ms += AUDIT_RETRY_MS;
            }
            faults_clear(&place.faults);
            place.now.steady_ms += AUDIT_RETRY_MS;
            (void)place_step(&place);
            place_expect_good(&place);
            assert_int_equal(place.numbers_seen, 36);
            assert_int_equal(place.fails, place.mended);
            place_fini(&place);
        }
    }
}

/* What a failed flush has dropped is written again: it outlives a power cut after the next good one. */
static void lines_of_a_failed_flush_survive_a_power_cut(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 20; round++) {
        place_init(&place, unit_seed() + round);
        place_open(&place);
        put_many(5);
        (void)place_step(&place);
        faults_add(&place.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 1});
        put_many(5);
        (void)place_step(&place);
        assert_int_equal(place.fails, 1);
        place.now.steady_ms += AUDIT_RETRY_MS;
        (void)place_step(&place);
        assert_int_equal(place.mended, 1);
        disk_cut_after(place.disk, 1);
        assert_int_not_equal(audit_log_close(place.log, place.now), STATUS_OK);
        place.log = NULL;
        disk_restart(place.disk);
        expect_events(10);
        place_fini(&place);
    }
}

static void power_cuts_at_any_moment_leave_a_good_log_with_all_that_was_flushed(void **state) {
    (void)state;
    for (uint64_t cut = 1; cut < 40; cut++) {
        uint64_t flushed = 0;
        place_init(&place, unit_seed() + cut);
        place.options.setting.file_bytes = 3000;
        place_open(&place);
        (void)place_step(&place);
        disk_cut_after(place.disk, cut);
        for (int i = 0; i < 30 && !disk_is_cut(place.disk); i++) {
            put_many(4);
            const uint64_t put = place.put;
            (void)place_step(&place);
            if (!disk_is_cut(place.disk))
                flushed = put;
        }
        MAYBE(audit_log_close(place.log, place.now) != STATUS_OK);
        place.log = NULL;
        disk_restart(place.disk);
        place_open(&place);
        place.put = 0;
        (void)place_step(&place);
        place_verify(&place);
        /* Grains of a write that was not flushed may have arrived alone: that is told from what was flushed by where it stands. */
        assert_true(place.numbers_seen >= flushed || place.verifier.tampered);
        place_fini(&place);
    }
}

static void events_beyond_the_queue_are_counted_in_the_log(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place.options.setting.queue_bytes = 2048;
    place_open(&place);
    uint64_t refused = 0;
    for (int i = 0; i < 100; i++)
        refused += !place_put(&place, false);
    assert_true(refused > 50);
    assert_int_equal(place.fulls, 1);
    assert_true(audit_log_is_full(place.log));
    (void)place_step(&place);
    assert_int_equal(place.empties, 1);
    assert_false(audit_log_is_full(place.log));
    expect_events(100 - refused);
    assert_int_equal(place.verifier.lost, refused);
    struct audit_log_facts facts;
    audit_log_facts(place.log, &facts);
    assert_int_equal(facts.lost, refused);
    place_fini(&place);
}

static void what_must_be_kept_has_room_beyond_the_queue_and_not_without_end(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place.options.setting.queue_bytes = 2048;
    place_open(&place);
    while (place_put(&place, false))
        ;
    const uint64_t without = place.put;
    while (place_put(&place, true))
        ;
    assert_true(place.put > 3 * without && place.put < 5 * without);
    (void)place_step(&place);
    expect_events(place.put);
    assert_int_equal(place.verifier.lost, 2);
    place_fini(&place);
}

static void anchors_come_by_number_and_by_time(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place.options.setting.anchor_lines = 10;
    place.options.setting.anchor_ms = 5000;
    place_open(&place);
    put_many(10);
    (void)place_step(&place);
    assert_int_equal(place.anchors, 1);
    put_many(1);
    assert_int_equal(place_step(&place), 5000);
    assert_int_equal(place.anchors, 1);
    place.now.steady_ms += 5000;
    (void)place_step(&place);
    assert_int_equal(place.anchors, 2);
    place.now.steady_ms += 5000; /* nothing was written since */
    assert_int_equal(place_step(&place), UINT64_MAX);
    assert_int_equal(place.anchors, 2);
    struct audit_log_facts facts;
    audit_log_facts(place.log, &facts);
    assert_memory_equal(facts.last, place.anchor, AUDIT_HASH_SIZE);
    place_fini(&place);
}

static void another_key_begins_another_file(void **state) {
    (void)state;
    place_init(&place, unit_seed());
    place_open(&place);
    put_many(3);
    const struct audit_key other = {.hash = {.digits = place.key.hash.digits, .key_id = "0123456789abcdef"}};
    assert_int_equal(audit_log_close(place.log, place.now), STATUS_OK);
    place.log = NULL;
    place.key = other;
    place_open(&place);
    assert_non_null(strstr(place.notice, "the key is another one"));
    (void)place_step(&place);
    place_verify(&place);
    assert_int_equal(place.verifier.files, 2);
    assert_int_equal(place.verifier.tampered, 0);
    assert_true(place.verifier.unchecked > 0); /* the lines of the first file, of which this verifier has no key */
    place_fini(&place);
}

static void a_last_line_that_was_changed_is_not_gone_on_behind(void **state) {
    (void)state;
    const struct files *files;
    int file;
    place_init(&place, unit_seed());
    place_open(&place);
    put_many(3);
    assert_int_equal(audit_log_close(place.log, place.now), STATUS_OK);
    place.log = NULL;
    files = &place.faults.files;
    assert_int_equal(files->open(files->context, "audit-000001.jsonl", FILES_WRITE, &file), STATUS_OK);
    uint64_t size;
    assert_int_equal(files->size(files->context, file, &size), STATUS_OK);
    assert_int_equal(files_write(files, file, size - 180, "x", 1), STATUS_OK);
    files->close(files->context, file);
    place_open(&place);
    assert_non_null(strstr(place.notice, "does not end as it was written"));
    (void)place_step(&place);
    place_verify(&place);
    assert_int_equal(place.verifier.tampered, 1);
    assert_int_equal(place.kinds[AUDIT_CHANGED], 1);
    assert_int_equal(place.verifier.files, 2);
    place_fini(&place);
}

/* What somebody does to a file with two rounds of events in it while a third is awaited. */
enum deed { REMOVED, CUT, EMPTIED, AS_IT_WAS, ANOTHERS };

static void do_it(enum deed deed, struct slice before, struct slice other) {
    const struct files *files = &place.faults.files;
    const char *name = "audit-000002.jsonl";
    if (deed == REMOVED)
        assert_int_equal(files->remove(files->context, name), STATUS_OK);
    else
        disk_put(place.disk, name,
                 deed == CUT         ? slice_part(before, 0, before.size - 10)
                 : deed == EMPTIED   ? SLICE("")
                 : deed == AS_IT_WAS ? slice_part(before, 0, before.size / 2)
                                     : other);
}

static void copy_of(const char *name, struct buf *ret_bytes) {
    buf_init(ret_bytes, &memory_libc);
    assert_int_equal(buf_append_slice(ret_bytes, disk_contents(place.disk, name)), STATUS_OK);
}

/* Who takes the file away that is written would take all that comes later with it, and the end of a log is not missed. */
static void a_file_that_is_taken_away_while_it_is_written_is_missed(void **state) {
    (void)state;
    for (int sync = AUDIT_ALWAYS; sync <= AUDIT_NEVER; sync++) {
        for (enum deed deed = REMOVED; deed <= ANOTHERS; deed++) {
            struct buf before, other;
            place_init(&place, unit_seed());
            place.options.setting.sync = (enum audit_sync)sync;
            place_open(&place);
            put_many(40);
            (void)place_step(&place);
            audit_log_rotate(place.log);
            for (int round = 0; round < 2; round++) {
                (void)place_step(&place);
                put_many(10);
                place.now.steady_ms += AUDIT_FLUSH_MS;
            }
            (void)place_step(&place);
            assert_int_equal(place.taken, 0);
            copy_of("audit-000002.jsonl", &before);
            copy_of("audit-000001.jsonl", &other);
            do_it(deed, buf_slice(&before), buf_slice(&other));
            put_many(10);
            place.now.steady_ms += AUDIT_FLUSH_MS;
            (void)place_step(&place);
            assert_int_equal(place.taken, 1);
            put_many(10);
            place.now.steady_ms += AUDIT_FLUSH_MS;
            (void)place_step(&place);
            assert_int_equal(place.taken, 1);
            place_verify(&place);
            assert_true(place.verifier.tampered > 0);
            assert_int_equal(place.numbers_seen, place.put); /* what came later stands there */
            buf_fini(&before);
            buf_fini(&other);
            place_fini(&place);
        }
    }
}

UNIT_TESTS(audit_log, UNIT(what_is_put_stands_there_and_a_restart_goes_on),
           UNIT(files_follow_each_other_by_size_and_no_line_is_lost),
           UNIT(files_follow_each_other_by_age_and_when_asked), UNIT(old_files_go_and_lines_say_so),
           UNIT(a_disk_that_is_full_costs_nothing_but_time), UNIT(every_call_that_fails_is_made_again),
           UNIT(lines_of_a_failed_flush_survive_a_power_cut),
           UNIT(power_cuts_at_any_moment_leave_a_good_log_with_all_that_was_flushed),
           UNIT(events_beyond_the_queue_are_counted_in_the_log),
           UNIT(what_must_be_kept_has_room_beyond_the_queue_and_not_without_end),
           UNIT(anchors_come_by_number_and_by_time), UNIT(another_key_begins_another_file),
           UNIT(a_last_line_that_was_changed_is_not_gone_on_behind),
           UNIT(a_file_that_is_taken_away_while_it_is_written_is_missed));
