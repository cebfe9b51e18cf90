#include "sys/os/whole_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char folder[32], path[64];

static int make_folder(void **state) {
    snprintf(folder, sizeof folder, "%s", "/tmp/strata-whole-XXXXXX");
    snprintf(path, sizeof path, "%s", mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state) {
    unlink(path);
    return rmdir(folder); /* which fails if anything is left beside the file */
}

static mode_t mode_of(void) {
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    return facts.st_mode & 0777;
}

static void what_was_written_is_read(void **state) {
    struct buf bytes;
    buf_init(&bytes, &memory_libc);
    assert_true(whole_file_write(path, SLICE("first"), 0));
    assert_int_equal(mode_of(), 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(whole_file_write(path, SLICE("another"), 0));
    assert_int_equal(mode_of(), 0640);
    assert_true(whole_file_write(path, SLICE("another"), 0600));
    assert_int_equal(mode_of(), 0600);
    assert_true(whole_file_read(path, 7, &bytes));
    assert_true(slice_equal(buf_slice(&bytes), SLICE("another")));
    buf_fini(&bytes);
}

static void what_comes_by_a_pipe_is_read_to_its_end(void **state) {
    struct buf bytes;
    int ends[2];
    for (size_t size_max = 6; size_max <= 7; size_max++) {
        buf_init(&bytes, &memory_libc);
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], "another", 7), 7);
        close(ends[1]);
        errno = 0;
        assert_int_equal(whole_file_read_open(ends[0], size_max, &bytes), size_max == 7);
        assert_int_equal(errno, size_max == 7 ? 0 : EFBIG);
        if (size_max == 7)
            assert_true(slice_equal(buf_slice(&bytes), SLICE("another")));
        close(ends[0]);
        buf_fini(&bytes);
    }
}

static void what_is_refused_says_why_and_changes_nothing(void **state) {
    struct buf bytes;
    buf_init(&bytes, &memory_libc);
    assert_true(whole_file_write(path, SLICE("another"), 0));
    assert_false(whole_file_read(path, 6, &bytes));
    assert_int_equal(errno, EFBIG);
    assert_false(whole_file_read(folder, 100, &bytes));
    assert_int_equal(errno, EISDIR);
    assert_false(whole_file_read("/dev/zero", 100, &bytes));
    assert_int_equal(errno, EINVAL);
    assert_false(whole_file_read("/tmp/strata-nowhere/x", 100, &bytes));
    assert_int_equal(errno, ENOENT);
    assert_false(whole_file_write("/tmp/strata-nowhere/x", SLICE("x"), 0));
    assert_int_equal(errno, ENOENT);
    assert_false(whole_file_write(folder, SLICE("x"), 0)); /* a folder stands there */
    assert_int_equal(errno, EISDIR);
    buf_fini(&bytes);
}

#define WITH_FOLDER(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

UNIT_TESTS(whole_file, WITH_FOLDER(what_was_written_is_read), cmocka_unit_test(what_comes_by_a_pipe_is_read_to_its_end),
           WITH_FOLDER(what_is_refused_says_why_and_changes_nothing));
