#include "sys/os/log.h"

#include <unistd.h>

#include "unit.h"

static void lines_below_the_level_are_not_written(void **state) {
    char path[] = "/tmp/strata-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(log_open(path), STATUS_OK);
    log_level_set(LOG_NOTICE);
    log_verbose("hidden");
    log_notice("shown %d", 7);
    char long_text[2 * LOG_LINE_SIZE_MAX];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    log_warning("%s", long_text);
    assert_int_equal(log_open(NULL), STATUS_OK);

    char text[3 * LOG_LINE_SIZE_MAX] = {0};
    ssize_t size = read(fd, text, sizeof text - 1);
    assert_true(size > 0 && size <= 2 * LOG_LINE_SIZE_MAX);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, " notice shown 7\n"));
    assert_int_equal(atoi(text), getpid());
    assert_int_equal(text[size - 1], '\n');
    close(fd);
    unlink(path);
}

static void levels_have_names(void **state) {
    enum log_level level = LOG_DEBUG;
    assert_true(log_level_named("warning", &level));
    assert_int_equal(level, LOG_WARNING);
    assert_false(log_level_named("loud", &level));
    assert_int_equal(level, LOG_WARNING);
    assert_string_equal(log_level_name(LOG_VERBOSE), "verbose");
}

static void a_file_that_cannot_be_opened_is_an_error(void **state) {
    assert_int_equal(log_open("/nonexistent/strata.log"), STATUS_IO);
}

UNIT_TESTS(log, UNIT(lines_below_the_level_are_not_written), UNIT(levels_have_names),
           UNIT(a_file_that_cannot_be_opened_is_an_error));
