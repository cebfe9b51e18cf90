#include "sys/fault/faults.h"

#include <errno.h>

#include "sys/os/clock.h"
#include "unit.h"

struct place {
    struct disk *disk;
    struct faults faults;
    const struct files *files;
    int file;
};

static void place_make(struct place *place) {
    place->disk = disk_new(&memory_libc, unit_seed(), 0);
    faults_init(&place->faults, disk_files(place->disk), place->disk, unit_seed());
    place->files = &place->faults.files;
    assert_int_equal(place->files->open(place->files->context, "a", FILES_NEW, &place->file), STATUS_OK);
}

static void place_remove(struct place *place) {
    faults_fini(&place->faults);
    disk_free(place->disk);
}

static void planned_call_fails_and_the_next_does_not(void **state) {
    struct place place;
    place_make(&place);
    faults_add(&place.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_NO_ROOM, .first = 2, .count = 2});
    enum status expected[] = {STATUS_OK, STATUS_FULL, STATUS_FULL, STATUS_OK};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(files_write(place.files, place.file, i, "x", 1), expected[i]);
    assert_int_equal(faults_spoiled(&place.faults), 2);
    faults_add(&place.faults, (struct fault){.calls = FAULT_ANY, .kind = FAULT_BROKEN, .first = 1});
    assert_int_equal(files_write(place.files, place.file, 0, "x", 1), STATUS_IO);
    assert_int_equal(errno, EIO);
    assert_int_equal(place.files->sync_directory(place.files->context), STATUS_IO);
    assert_int_equal(place.files->rename(place.files->context, "a", "b"), STATUS_IO);
    assert_int_equal(place.files->remove(place.files->context, "a"), STATUS_IO);
    assert_int_equal(place.files->truncate(place.files->context, place.file, 0), STATUS_IO);
    assert_int_equal(place.files->reserve(place.files->context, place.file, 9), STATUS_IO);
    faults_clear(&place.faults);
    assert_int_equal(place.files->remove(place.files->context, "a"), STATUS_OK);
    place_remove(&place);
}

static void short_write_is_completed_and_torn_one_is_half(void **state) {
    struct place place;
    place_make(&place);
    faults_add(&place.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_SHORT, .first = 1, .amount = 3});
    assert_int_equal(files_write(place.files, place.file, 0, "0123456789", 10), STATUS_OK);
    assert_int_equal(faults_calls(&place.faults), 1 + 4);
    assert_true(slice_equal(disk_contents(place.disk, "a"), SLICE("0123456789")));
    faults_clear(&place.faults);
    faults_add(&place.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_TORN, .first = 1});
    assert_int_equal(files_write(place.files, place.file, 0, "ABCDEFGHIJ", 10), STATUS_IO);
    assert_true(slice_equal(disk_contents(place.disk, "a"), SLICE("ABCDE56789")));
    place_remove(&place);
}

static unsigned bits_apart(const uint8_t *a, const uint8_t *b, size_t size) {
    unsigned bits = 0;
    for (size_t i = 0; i < size; i++)
        bits += (unsigned)__builtin_popcount(a[i] ^ b[i]);
    return bits;
}

static void flipped_bit_is_one_bit(void **state) {
    struct place place;
    place_make(&place);
    uint8_t bytes[1000] = {0}, found[1000];
    faults_add(&place.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_FLIPPED, .first = 1, .count = 1});
    assert_int_equal(files_write(place.files, place.file, 0, bytes, sizeof bytes), STATUS_OK);
    assert_int_equal(bits_apart(disk_contents(place.disk, "a").data, bytes, sizeof bytes), 1);
    assert_int_equal(files_write(place.files, place.file, 0, bytes, sizeof bytes), STATUS_OK);
    assert_int_equal(bits_apart(disk_contents(place.disk, "a").data, bytes, sizeof bytes), 0);
    faults_add(&place.faults, (struct fault){.calls = FAULT_READ, .kind = FAULT_FLIPPED, .first = 1, .count = 1});
    assert_int_equal(files_read(place.files, place.file, 0, found, sizeof found), STATUS_OK);
    assert_int_equal(bits_apart(found, bytes, sizeof bytes), 1);
    place_remove(&place);
}

static void failed_flush_marks_its_bytes_clean(void **state) {
    struct place place;
    place_make(&place);
    assert_int_equal(place.files->sync_directory(place.files->context), STATUS_OK);
    assert_int_equal(files_write(place.files, place.file, 0, "x", 1), STATUS_OK);
    faults_add(&place.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 1});
    assert_int_equal(place.files->sync(place.files->context, place.file), STATUS_IO);
    assert_int_equal(place.files->sync(place.files->context, place.file), STATUS_OK);
    disk_restart(place.disk);
    assert_int_equal(disk_contents(place.disk, "a").size, 0);
    place_remove(&place);
}

static void slow_call_takes_its_time_and_works(void **state) {
    struct place place;
    place_make(&place);
    faults_add(&place.faults,
               (struct fault){.calls = FAULT_SYNC, .kind = FAULT_SLOW, .first = 1, .count = 1, .amount = 20});
    uint64_t begun_ns = clock_steady_ns();
    assert_int_equal(place.files->sync(place.files->context, place.file), STATUS_OK);
    assert_true(clock_steady_ns() - begun_ns >= 20000000);
    place_remove(&place);
}

static void seed_spoils_about_as_many_as_asked_for(void **state) {
    struct place place;
    place_make(&place);
    faults_random(&place.faults, FAULT_WRITE | FAULT_SYNC, 10);
    unsigned failed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        failed += files_write(place.files, place.file, 0, "x", 1) != STATUS_OK;
        assert_int_equal(place.files->reserve(place.files->context, place.file, 10), STATUS_OK);
    }
    assert_true(failed > 20 && failed < 200);
    assert_true(faults_spoiled(&place.faults) >= failed);
    place_remove(&place);
}

UNIT_TESTS(faults, UNIT(planned_call_fails_and_the_next_does_not), UNIT(short_write_is_completed_and_torn_one_is_half),
           UNIT(flipped_bit_is_one_bit), UNIT(failed_flush_marks_its_bytes_clean),
           UNIT(slow_call_takes_its_time_and_works), UNIT(seed_spoils_about_as_many_as_asked_for));
