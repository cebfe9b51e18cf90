#include "sys/os/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

enum { MIB = 1 << 20 };

static void path_of(const char *folder, char path[64]) {
    snprintf(path, 64, "%s/strata-unit-%d", folder, (int)getpid());
}

static uint64_t blocks_of(const char *path) {
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    return (uint64_t)facts.st_blocks * 512;
}

static void what_was_written_is_there_again(void **state) {
    (void)state;
    struct memory_file file;
    struct stat facts;
    char path[64], word[6] = "";
    path_of("/dev/shm", path);
    assert_int_equal(memory_file_open(path, &file), STATUS_OK);
    assert_int_equal(memory_file_map(&file, 64 * MIB), STATUS_OK);
    assert_int_equal((uintptr_t)file.range % (2 * MIB), 0);
    uint8_t *bytes = file.range;
    assert_int_equal(bytes[5 * MIB], 0);
    memcpy(bytes + 5 * MIB, "hello", 6);
    assert_int_equal(memory_file_write(&file, MEMORY_FILE_RANGE_AT + 64 * MIB, "behind", 7), STATUS_OK);
    memory_file_close(&file);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_true(blocks_of(path) < MIB); /* it is sparse */

    assert_int_equal(memory_file_open(path, &file), STATUS_OK);
    assert_int_equal(memory_file_map(&file, 64 * MIB), STATUS_OK);
    assert_string_equal((char *)file.range + 5 * MIB, "hello");
    assert_int_equal(memory_file_read(&file, MEMORY_FILE_RANGE_AT + 64 * MIB, word, 6), STATUS_OK);
    assert_memory_equal(word, "behind", 6);
    assert_int_equal(memory_file_read(&file, MEMORY_FILE_RANGE_AT + 64 * MIB + 2, word, 6), STATUS_CORRUPT);
    memory_file_close(&file);
    unlink(path);
}

static void released_parts_are_zero_and_take_nothing(void **state) {
    (void)state;
    struct memory_file file;
    char path[64];
    path_of("/dev/shm", path);
    assert_int_equal(memory_file_open(path, &file), STATUS_OK);
    assert_int_equal(memory_file_map(&file, 8 * MIB), STATUS_OK);
    uint8_t *bytes = file.range;
    memset(bytes, 7, 4 * MIB);
    assert_true(blocks_of(path) >= 4 * MIB);
    uint64_t room = memory_file_room(&file);
    memory_file_release(bytes + MIB, 2 * MIB);
    assert_true(blocks_of(path) < 3 * MIB);
    assert_int_equal(bytes[MIB - 1], 7);
    assert_int_equal(bytes[MIB] | bytes[3 * MIB - 1], 0);
    assert_int_equal(bytes[3 * MIB], 7);
    assert_true(memory_file_room(&file) > 4 * MIB && room > 4 * MIB);
    memory_file_close(&file);
    assert_int_equal(memory_file_open(path, &file), STATUS_OK);
    assert_int_equal(memory_file_clear(&file), STATUS_OK);
    assert_int_equal(blocks_of(path), 0);
    assert_int_equal(memory_file_map(&file, 8 * MIB), STATUS_OK);
    assert_int_equal(((uint8_t *)file.range)[0], 0);
    memory_file_close(&file);
    unlink(path);
}

static void one_at_a_time_has_it(void **state) {
    (void)state;
    struct memory_file first, second;
    char path[64];
    path_of("/dev/shm", path);
    assert_int_equal(memory_file_open(path, &first), STATUS_OK);
    assert_int_equal(memory_file_write(&first, 0, "mine", 5), STATUS_OK);
    assert_int_equal(memory_file_open(path, &second), STATUS_BUSY);
    char word[5];
    assert_int_equal(memory_file_read(&second, 0, word, 5), STATUS_OK);
    assert_string_equal(word, "mine");
    memory_file_close(&second);
    memory_file_close(&first);
    assert_int_equal(memory_file_open(path, &second), STATUS_OK);
    memory_file_close(&second);
    unlink(path);
}

static void what_lies_on_a_disk_is_refused(void **state) {
    (void)state;
    struct memory_file file;
    char path[64];
    path_of("/var/tmp", path);
    assert_int_equal(memory_file_open(path, &file), STATUS_INVALID);
    assert_int_equal(file.fd, -1);
    assert_int_equal(access(path, F_OK), -1); /* nothing is left there */
    assert_int_equal(memory_file_open("/dev/shm", &file), STATUS_INVALID);
    assert_int_equal(memory_file_open("/dev/shm/no/such/folder", &file), STATUS_IO);
    assert_int_equal(errno, ENOENT);
    path_of("/dev/shm", path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(memory_file_open(path, &file), STATUS_IO);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(memory_file_open(path, &file), STATUS_INVALID);
    unlink(path);
}

UNIT_TESTS(memory_file, UNIT(what_was_written_is_there_again), UNIT(released_parts_are_zero_and_take_nothing),
           UNIT(one_at_a_time_has_it), UNIT(what_lies_on_a_disk_is_refused));
