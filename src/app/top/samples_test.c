#include "app/top/samples.h"

#include <math.h>

#include "unit.h"

static struct arena arena;
static struct samples samples;

static enum status parse(const char *text) { return samples_parse(slice_from_string(text), &arena, &samples); }

static void samples_have_names_labels_and_values(void **state) {
    (void)state;
    arena_init(&arena, &memory_libc, 4096);
    assert_int_equal(
        parse("# TYPE a counter\na_total 5\n\nb{x=\"1\",y=\"a\\\"b\\\\c\\nd\"} 1.5e-07\nc{} +Inf\nd NaN\n# EOF\n"),
        STATUS_OK);
    assert_int_equal(samples.count, 4);
    assert_true(slice_equal(samples.list[0].name, SLICE("a_total")));
    assert_true(samples.list[0].value == 5);
    assert_true(slice_equal(sample_label(&samples.list[1], "y"), SLICE("a\"b\\c\nd")));
    assert_true(samples.list[1].value == 1.5e-07);
    assert_null(sample_label(&samples.list[1], "z").data);
    assert_true(isinf(samples.list[2].value) && isnan(samples.list[3].value));
    assert_int_equal(parse(""), STATUS_OK);
    assert_int_equal(parse("a 1"), STATUS_OK); /* the last line end may be missing */
    arena_fini(&arena);
}

static void sums_go_by_labels(void **state) {
    (void)state;
    arena_init(&arena, &memory_libc, 4096);
    assert_int_equal(parse("a{x=\"1\"} 1\na{x=\"2\"} 2\nb 4\n"), STATUS_OK);
    assert_true(samples_sum(&samples, "a", NULL, NULL) == 3);
    assert_true(samples_sum(&samples, "a", "x", "2") == 2);
    assert_true(samples_sum(&samples, "a", "y", "2") == 0);
    assert_true(samples_sum(&samples, "c", NULL, NULL) == 0);
    arena_fini(&arena);
}

static void other_lines_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"a",
                                        "a ",
                                        "a  1",
                                        " a 1",
                                        "1a 1",
                                        "a x",
                                        "a 1 2",
                                        "a 0x10",
                                        "a{ 1",
                                        "a{x=1} 1",
                                        "a{x=\"1} 1",
                                        "a{x=\"1\"}1",
                                        "a{=\"1\"} 1",
                                        "a{x=\"\\q\"} 1",
                                        "a{x=\"1\",} 1",
                                        "a{x=\"1\" } 1",
                                        "a{x=\"\\",
                                        "a 1\r"};
    arena_init(&arena, &memory_libc, 4096);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(parse(wrong[i]), STATUS_INVALID);
    assert_int_equal(parse("a{b=\"\",c=\"\",d=\"\",e=\"\",f=\"\"} 1"), STATUS_TOO_LARGE);
    arena_fini(&arena);
}

UNIT_TESTS(samples, UNIT(samples_have_names_labels_and_values), UNIT(sums_go_by_labels), UNIT(other_lines_are_refused));
