#include "sys/fault/disk.h"

#include <errno.h>

#include "base/rng.h"
#include "unit.h"

enum { ROUNDS = 400 };

static int opened(const struct files *files, const char *name, enum files_how how) {
    int file = -1;
    assert_int_equal(files->open(files->context, name, how, &file), STATUS_OK);
    return file;
}

static void put(const struct files *files, int file, uint64_t offset, char letter, size_t size) {
    char bytes[4096];
    assert_true(size <= sizeof bytes);
    memset(bytes, letter, size);
    assert_int_equal(files_write(files, file, offset, bytes, size), STATUS_OK);
}

static void what_is_flushed_survives_every_cut(void **state) {
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct disk *disk = disk_new(&memory_libc, unit_seed() + round, 0);
        const struct files *files = disk_files(disk);
        int file = opened(files, "a", FILES_NEW);
        put(files, file, 0, 'x', 1500);
        assert_int_equal(files->sync(files->context, file), STATUS_OK);
        assert_int_equal(files->sync_directory(files->context), STATUS_OK);
        put(files, file, 1500, 'y', 1000);
        disk_restart(disk);
        struct slice found = disk_contents(disk, "a");
        assert_true(found.size >= 1500 && found.size <= 2500);
        for (size_t i = 0; i < 1500; i++)
            assert_int_equal(found.data[i], 'x');
        disk_free(disk);
    }
}

/* Counts what the cuts have left of a write of two grains over two others, and of its name. */
static void what_is_not_flushed_survives_in_any_part(void **state) {
    unsigned kinds[4] = {0}, gone = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct disk *disk = disk_new(&memory_libc, unit_seed() + round, 0);
        const struct files *files = disk_files(disk);
        int file = opened(files, "a", FILES_NEW);
        put(files, file, 0, 'o', 1024);
        assert_int_equal(files->sync(files->context, file), STATUS_OK);
        put(files, file, 0, 'n', 1024);
        disk_restart(disk);
        struct slice found = disk_contents(disk, "a");
        if (!found.size) {
            gone++;
        } else {
            assert_int_equal(found.size, 1024);
            assert_memory_equal(found.data, found.data + 1, 511);
            assert_memory_equal(found.data + 512, found.data + 513, 511);
            kinds[(found.data[0] == 'n') + 2 * (found.data[512] == 'n')]++;
        }
        disk_free(disk);
    }
    assert_true(gone > ROUNDS / 8);
    for (unsigned i = 0; i < 4; i++)
        assert_true(kinds[i] > 0);
}

/* A name written under another name is both of the names or one of them; never none once the first was durable. */
static void rename_is_whole_and_each_name_goes_by_itself(void **state) {
    unsigned old = 0, new = 0, early = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct disk *disk = disk_new(&memory_libc, unit_seed() + round, 0);
        const struct files *files = disk_files(disk);
        int file = opened(files, "old", FILES_NEW);
        put(files, file, 0, 'x', 10);
        assert_int_equal(files->sync(files->context, file), STATUS_OK);
        assert_int_equal(files->sync_directory(files->context), STATUS_OK);
        assert_int_equal(files->rename(files->context, "old", "new"), STATUS_OK);
        int later = opened(files, "later", FILES_NEW);
        put(files, later, 0, 'y', 10);
        assert_int_equal(files->sync(files->context, later), STATUS_OK);
        disk_restart(disk);
        bool is_old = disk_contents(disk, "old").size == 10, is_new = disk_contents(disk, "new").size == 10;
        assert_true(is_old != is_new);
        old += is_old;
        new += is_new;
        early += is_old && disk_contents(disk, "later").size == 10;
        disk_free(disk);
    }
    assert_true(old > 0 && new > 0);
    assert_true(early > 0); /* the later change without the earlier one */
}

static void removed_file_may_come_back_until_the_directory_is_flushed(void **state) {
    unsigned back = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct disk *disk = disk_new(&memory_libc, unit_seed() + round, 0);
        const struct files *files = disk_files(disk);
        disk_put(disk, "a", SLICE("kept"));
        disk_put(disk, "b", SLICE("kept"));
        assert_int_equal(files->remove(files->context, "b"), STATUS_OK);
        assert_int_equal(files->sync_directory(files->context), STATUS_OK);
        assert_int_equal(files->remove(files->context, "a"), STATUS_OK);
        disk_restart(disk);
        assert_int_equal(disk_contents(disk, "b").size, 0);
        back += disk_contents(disk, "a").size == 4;
        disk_free(disk);
    }
    assert_true(back > 0 && back < ROUNDS);
}

static void nothing_happens_without_power(void **state) {
    struct disk *disk = disk_new(&memory_libc, unit_seed(), 0);
    const struct files *files = disk_files(disk);
    int file = opened(files, "a", FILES_NEW);
    disk_cut_after(disk, 2);
    put(files, file, 0, 'x', 5);
    assert_false(disk_is_cut(disk));
    size_t written;
    uint64_t size;
    assert_int_equal(files->write(files->context, file, 5, "y", 1, &written), STATUS_IO);
    assert_int_equal(errno, EIO);
    assert_true(disk_is_cut(disk));
    uint64_t changes = disk_changes(disk);
    assert_int_equal(files->sync(files->context, file), STATUS_IO);
    assert_int_equal(files->size(files->context, file, &size), STATUS_IO);
    assert_int_equal(files->open(files->context, "a", FILES_READ, &file), STATUS_IO);
    assert_int_equal(files->sync_directory(files->context), STATUS_IO);
    assert_int_equal(disk_changes(disk), changes);
    disk_restart(disk);
    assert_false(disk_is_cut(disk));
    assert_int_equal(files->sync_directory(files->context), STATUS_OK);
    disk_free(disk);
}

static void planted_faults_lose_what_should_be_durable(void **state) {
    unsigned lost_bytes = 0, lost_names = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned plant = DISK_NO_SYNC; plant <= DISK_NO_DIRECTORY_SYNC; plant++) {
            struct disk *disk = disk_new(&memory_libc, unit_seed() + round, 0);
            const struct files *files = disk_files(disk);
            disk_plant(disk, plant);
            int file = opened(files, "a", FILES_NEW);
            put(files, file, 0, 'x', 10);
            assert_int_equal(files->sync(files->context, file), STATUS_OK);
            assert_int_equal(files->sync_directory(files->context), STATUS_OK);
            disk_restart(disk);
            lost_bytes += plant == DISK_NO_SYNC && disk_contents(disk, "a").size == 0;
            lost_names += plant == DISK_NO_DIRECTORY_SYNC && disk_contents(disk, "a").size == 0;
            disk_free(disk);
        }
    }
    assert_true(lost_bytes > 0 && lost_names > 0);
}

static void full_disk_takes_what_fits_and_what_was_reserved(void **state) {
    struct disk *disk = disk_new(&memory_libc, unit_seed(), 1000);
    const struct files *files = disk_files(disk);
    int file = opened(files, "a", FILES_NEW), other = opened(files, "b", FILES_NEW);
    size_t written = 0;
    uint64_t room = 0;
    char bytes[1200] = {0};
    assert_int_equal(files->reserve(files->context, file, 600), STATUS_OK);
    assert_int_equal(files->reserve(files->context, file, 1001), STATUS_FULL);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(files->write(files->context, other, 0, bytes, sizeof bytes, &written), STATUS_OK);
    assert_int_equal(written, 400);
    assert_int_equal(files->write(files->context, other, 400, bytes, 1, &written), STATUS_FULL);
    assert_int_equal(files_write(files, file, 0, bytes, 600), STATUS_OK);
    assert_int_equal(files_write(files, file, 600, bytes, 1), STATUS_FULL);
    disk_capacity_set(disk, 1001);
    assert_int_equal(files_write(files, file, 600, bytes, 1), STATUS_OK);
    files->close(files->context, other);
    assert_int_equal(files->remove(files->context, "b"), STATUS_OK);
    assert_int_equal(files->room(files->context, &room), STATUS_OK);
    assert_int_equal(room, 400);
    disk_free(disk);
}

static void bytes_that_a_failed_flush_lost_are_never_durable(void **state) {
    for (uint64_t round = 0; round < 32; round++) {
        struct disk *disk = disk_new(&memory_libc, unit_seed() + round, 0);
        const struct files *files = disk_files(disk);
        disk_put(disk, "a", SLICE(""));
        int file = opened(files, "a", FILES_WRITE);
        put(files, file, 0, 'x', 10);
        disk_lose_unsynced(disk, file);
        assert_int_equal(disk_contents(disk, "a").size, 10);
        assert_int_equal(files->sync(files->context, file), STATUS_OK);
        disk_restart(disk);
        assert_int_equal(disk_contents(disk, "a").size, 0);
        disk_free(disk);
    }
}

UNIT_TESTS(disk, UNIT(what_is_flushed_survives_every_cut), UNIT(what_is_not_flushed_survives_in_any_part),
           UNIT(rename_is_whole_and_each_name_goes_by_itself),
           UNIT(removed_file_may_come_back_until_the_directory_is_flushed), UNIT(nothing_happens_without_power),
           UNIT(planted_faults_lose_what_should_be_durable), UNIT(full_disk_takes_what_fits_and_what_was_reserved),
           UNIT(bytes_that_a_failed_flush_lost_are_never_durable));
