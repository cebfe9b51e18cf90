#include "app/lines/line_read.h"

#include "unit.h"

static void lines_of_any_bytes_and_sizes(void **state) {
    (void)state;
    enum { LARGE = 700000 };
    FILE *file = tmpfile();
    struct line_read lines;
    struct slice line;
    assert_non_null(file);
    fwrite("one\n\n\0two\n", 1, 10, file);
    for (int i = 0; i < LARGE; i++)
        fputc('x', file);
    fputs("\nlast", file);
    rewind(file);
    line_read_init(&lines, file, LARGE);
    const struct slice wanted[] = {SLICE("one"), SLICE(""), slice_make("\0two", 4)};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(line_read_next(&lines, &line), STATUS_OK);
        assert_true(slice_equal(line, wanted[i]));
    }
    assert_int_equal(line_read_next(&lines, &line), STATUS_OK);
    assert_int_equal(line.size, LARGE);
    assert_int_equal(line_read_next(&lines, &line), STATUS_OK);
    assert_true(slice_equal(line, SLICE("last")));
    assert_int_equal(lines.number, 5);
    assert_int_equal(line_read_next(&lines, &line), STATUS_CLOSED);
    line_read_fini(&lines);
    fclose(file);
}

static void line_that_does_not_end_is_too_large(void **state) {
    (void)state;
    FILE *file = fopen("/dev/zero", "r");
    struct line_read lines;
    struct slice line;
    assert_non_null(file);
    line_read_init(&lines, file, 1 << 20);
    assert_int_equal(line_read_next(&lines, &line), STATUS_TOO_LARGE);
    assert_true(lines.bytes.capacity < 4 << 20);
    line_read_fini(&lines);
    fclose(file);
}

static void empty_file_has_no_line(void **state) {
    (void)state;
    FILE *file = fopen("/dev/null", "r");
    struct line_read lines;
    struct slice line;
    assert_non_null(file);
    line_read_init(&lines, file, 100);
    assert_int_equal(line_read_next(&lines, &line), STATUS_CLOSED);
    assert_int_equal(line_read_next(&lines, &line), STATUS_CLOSED);
    line_read_fini(&lines);
    fclose(file);
}

UNIT_TESTS(line_read, UNIT(lines_of_any_bytes_and_sizes), UNIT(line_that_does_not_end_is_too_large),
           UNIT(empty_file_has_no_line));
