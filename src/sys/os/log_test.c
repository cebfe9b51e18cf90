#include "sys/os/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
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

static struct slice take_back(int fd, char *text, size_t room) {
    ssize_t size = read(fd, text, room);
    assert_true(size >= 0);
    return slice_make(text, (size_t)size);
}

static bool holds(struct slice text, const char *part) {
    return text.size && memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static void a_message_is_one_line_whatever_it_contains(void **state) {
    char path[] = "/tmp/strata-log-XXXXXX", room[64 * 1024];
    int fd = mkstemp(path);
    assert_int_equal(log_open(path), STATUS_OK);
    log_level_set(LOG_NOTICE);
    log_notice("a\n1 2026-01-31T12:00:00.000Z warning forged\r\x7f \"q\" \\ \xff\xc3\xa4");
    struct slice text = take_back(fd, room, sizeof room);
    assert_true(
        holds(text, " notice a\\x0a1 2026-01-31T12:00:00.000Z warning forged\\x0d\\x7f \"q\" \\ \xff\xc3\xa4\n"));
    log_form_set(LOG_JSON);
    log_warning("a\nb\t\"q\" \\ \x7f \xff \xc3 \xc0\x80 \xed\xa0\x80 \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    text = take_back(fd, room, sizeof room);
    assert_true(slice_starts_with(text, SLICE("{\"time\":\"2")));
    assert_true(holds(text, "\",\"level\":\"warning\",\"pid\":"));
    assert_true(
        holds(text,
              "\"message\":\"a\\u000ab\\u0009\\\"q\\\" \\\\ \\u007f \xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd "
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}\n"));
    char worst[2 * LOG_LINE_SIZE_MAX];
    memset(worst, 1, sizeof worst);
    worst[sizeof worst - 1] = 0;
    log_warning("%s", worst);
    text = take_back(fd, room, sizeof room);
    assert_true(text.size > 6 * (LOG_LINE_SIZE_MAX - 1) && holds(text, "\\u0001\\u0001\"}\n"));
    log_form_set(LOG_TEXT);
    assert_int_equal(log_open(NULL), STATUS_OK);
    close(fd);
    unlink(path);
}

static void events_have_fields_beside_the_message(void **state) {
    char path[] = "/tmp/strata-log-XXXXXX", room[64 * 1024], worst[2 * LOG_FIELD_SIZE_MAX];
    int fd = mkstemp(path);
    assert_int_equal(log_open(path), STATUS_OK);
    log_level_set(LOG_NOTICE);
    memset(worst, 1, sizeof worst);
    log_event(LOG_NOTICE, "loaded", LOG_FIELDS(log_number("keys", 7)), "%d keys", 7);
    assert_true(holds(take_back(fd, room, sizeof room), " notice 7 keys\n")); /* people have the sentence */
    log_form_set(LOG_JSON);
    log_event(
        LOG_NOTICE, "loaded",
        LOG_FIELDS(log_number("keys", UINT64_MAX), log_text("path", "a \"b\"\n"), log_bytes("name", SLICE("x\0\xff"))),
        "%d keys", 7);
    assert_true(holds(take_back(fd, room, sizeof room),
                      "\"message\":\"7 keys\",\"event\":\"loaded\",\"keys\":18446744073709551615,"
                      "\"path\":\"a \\\"b\\\"\\u000a\",\"name\":\"x\\u0000\xef\xbf\xbd\"}\n"));
    log_event(LOG_WARNING, "ready", NULL, "ready");
    assert_true(holds(take_back(fd, room, sizeof room), "\"message\":\"ready\",\"event\":\"ready\"}\n"));
    log_event(LOG_VERBOSE, "hidden", NULL, "hidden");
    assert_int_equal(take_back(fd, room, sizeof room).size, 0);
    struct slice bad = slice_make(worst, sizeof worst);
    char long_message[2 * LOG_LINE_SIZE_MAX];
    memset(long_message, 1, sizeof long_message);
    long_message[sizeof long_message - 1] = 0;
    log_event(LOG_WARNING, "worst",
              LOG_FIELDS(log_bytes("a", bad), log_bytes("b", bad), log_bytes("c", bad), log_bytes("d", bad),
                         log_bytes("e", bad), log_bytes("f", bad), log_bytes("g", bad), log_number("last", 1)),
              "%s", long_message);
    struct slice text = take_back(fd, room, sizeof room);
    assert_true(text.size > 6 * (LOG_LINE_SIZE_MAX - 1 + 7 * LOG_FIELD_SIZE_MAX));
    assert_true(holds(text, "\\u0001\",\"last\":1}\n"));
    log_form_set(LOG_TEXT);
    assert_int_equal(log_open(NULL), STATUS_OK);
    close(fd);
    unlink(path);
}

static void a_file_that_was_moved_is_begun_anew(void **state) {
    char path[] = "/tmp/strata-log-XXXXXX", moved[64], room[1024];
    int fd = mkstemp(path);
    assert_int_equal(log_open(path), STATUS_OK);
    log_level_set(LOG_NOTICE);
    snprintf(moved, sizeof moved, "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    log_notice("before");
    assert_int_equal(log_reopen(), STATUS_OK);
    log_notice("after");
    int again = open(path, O_RDONLY);
    assert_true(holds(take_back(fd, room, sizeof room), " notice before\n"));
    assert_int_equal(take_back(fd, room, sizeof room).size, 0);
    assert_true(holds(take_back(again, room, sizeof room), " notice after\n"));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing that can be written to */
    assert_int_equal(log_reopen(), STATUS_IO);
    log_notice("goes on");
    assert_true(holds(take_back(again, room, sizeof room), " notice goes on\n"));
    rmdir(path);
    assert_int_equal(log_open(NULL), STATUS_OK);
    assert_int_equal(log_reopen(), STATUS_OK); /* standard output: there is nothing to do */
    close(fd);
    close(again);
    unlink(moved);
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

UNIT_TESTS(log, UNIT(lines_below_the_level_are_not_written), UNIT(a_message_is_one_line_whatever_it_contains),
           UNIT(events_have_fields_beside_the_message), UNIT(a_file_that_was_moved_is_begun_anew),
           UNIT(levels_have_names), UNIT(a_file_that_cannot_be_opened_is_an_error));
