#include "core/obs/openmetrics.h"

#include <locale.h>

#include "base/rng.h"
#include "unit.h"

static const struct metric_family counter = {"strata_things", "", "Things.", METRIC_COUNTER};
static const struct metric_family gauge = {"strata_room_bytes", "bytes", "Room.", METRIC_GAUGE};
static const struct metric_family times = {"strata_wait_seconds", "seconds", "Waits.", METRIC_HISTOGRAM};
static const struct metric_family info = {"strata_build", "", "Version.", METRIC_INFO};
static const struct metric_labels none = {NULL, 0};

struct written {
    struct openmetrics metrics;
    struct buf text;
};

static void begin(struct written *written, enum metric_form form) {
    buf_init(&written->text, &memory_libc);
    openmetrics_begin(&written->metrics, &written->text, form);
}

static void expect_end(struct written *written, const char *wanted) {
    assert_int_equal(openmetrics_end(&written->metrics), STATUS_OK);
    assert_int_equal(buf_append(&written->text, "", 1), STATUS_OK);
    assert_string_equal((const char *)written->text.data, wanted);
    buf_fini(&written->text);
}

static void openmetrics_are_written(void **state) {
    (void)state;
    struct written w;
    const struct metric_label labels[] = {{"command", SLICE("get")}, {"why", SLICE("x")}};
    begin(&w, METRIC_FORM_OPENMETRICS);
    openmetrics_family(&w.metrics, &counter);
    openmetrics_count(&w.metrics, (struct metric_labels){labels, 2}, UINT64_MAX);
    openmetrics_count(&w.metrics, none, 7);
    openmetrics_family(&w.metrics, &gauge);
    openmetrics_value(&w.metrics, none, 0.5);
    openmetrics_family(&w.metrics, &info);
    openmetrics_count(&w.metrics, (struct metric_labels){labels, 1}, 1);
    expect_end(&w,
               "# TYPE strata_things counter\n# HELP strata_things Things.\n"
               "strata_things_total{command=\"get\",why=\"x\"} 18446744073709551615\nstrata_things_total 7\n"
               "# TYPE strata_room_bytes gauge\n# UNIT strata_room_bytes bytes\n# HELP strata_room_bytes Room.\n"
               "strata_room_bytes 0.5\n"
               "# TYPE strata_build info\n# HELP strata_build Version.\nstrata_build_info{command=\"get\"} 1\n# EOF\n");
}

static void the_older_form_names_what_its_samples_are_called(void **state) {
    (void)state;
    struct written w;
    begin(&w, METRIC_FORM_PROMETHEUS);
    openmetrics_family(&w.metrics, &counter);
    openmetrics_count(&w.metrics, none, 7);
    openmetrics_family(&w.metrics, &gauge);
    openmetrics_value(&w.metrics, none, 1e300);
    openmetrics_family(&w.metrics, &info);
    openmetrics_count(&w.metrics, none, 1);
    expect_end(&w,
               "# TYPE strata_things_total counter\n# HELP strata_things_total Things.\nstrata_things_total 7\n"
               "# TYPE strata_room_bytes gauge\n# HELP strata_room_bytes Room.\nstrata_room_bytes 1e+300\n"
               "# TYPE strata_build_info gauge\n# HELP strata_build_info Version.\nstrata_build_info 1\n");
}

static void label_values_may_be_any_bytes(void **state) {
    (void)state;
    struct written w;
    const struct metric_label labels[] = {{"a", SLICE("q\"b\\s\nx\r\x01\x7f")},
                                          {"b", SLICE("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")},
                                          {"c", SLICE("\xff\xc3\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82")},
                                          {"d", SLICE("")}};
    begin(&w, METRIC_FORM_OPENMETRICS);
    openmetrics_family(&w.metrics, &counter);
    openmetrics_count(&w.metrics, (struct metric_labels){labels, 4}, 0);
    expect_end(
        &w,
        "# TYPE strata_things counter\n# HELP strata_things Things.\n"
        "strata_things_total{a=\"q\\\"b\\\\s\\nx\\\\x0d\\\\x01\\\\x7f\",b=\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\","
        "c=\"\\\\xff\\\\xc3\\\\xc0\\\\x80\\\\xed\\\\xa0\\\\x80\\\\xf4\\\\x90\\\\x80\\\\x80\\\\xe2\\\\x82\",d=\"\"} "
        "0\n# EOF\n");
}

static void numbers_have_a_point_in_every_locale(void **state) {
    (void)state;
    struct written w;
    assert_non_null(setlocale(LC_ALL, "de_DE.UTF-8"));
    begin(&w, METRIC_FORM_PROMETHEUS);
    openmetrics_family(&w.metrics, &gauge);
    openmetrics_value(&w.metrics, none, 1234567.125);
    openmetrics_value(&w.metrics, none, -1.0 / 0.0);
    openmetrics_value(&w.metrics, none, 1.0 / 0.0);
    openmetrics_value(&w.metrics, none, 0.0 / 0.0);
    setlocale(LC_ALL, "C");
    expect_end(&w,
               "# TYPE strata_room_bytes gauge\n# HELP strata_room_bytes Room.\nstrata_room_bytes 1234567.125\n"
               "strata_room_bytes -Inf\nstrata_room_bytes +Inf\nstrata_room_bytes NaN\n");
}

static void a_time_stands_in_the_first_column_whose_edge_it_does_not_exceed(void **state) {
    (void)state;
    for (uint32_t i = 0; i < TIMES_EDGES; i++) {
        assert_int_equal(times_column(times_edges_ns[i]), i);
        assert_int_equal(times_column(times_edges_ns[i] + 1), i + 1);
        assert_true(i == 0 || times_edges_ns[i] > times_edges_ns[i - 1]);
    }
    assert_int_equal(times_column(0), 0);
    assert_int_equal(times_column(UINT64_MAX), TIMES_EDGES);
}

/* What a collector reads: columns count up, the last one is the count, and the edges are those of times.h. */
static void histograms_count_up_to_their_count(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    for (int round = 0; round < 50; round++) {
        struct written w;
        struct times added = {.seconds = 0};
        uint64_t count = 0, before = 0;
        for (uint64_t i = rng_below(&rng, 200); i > 0; i--) {
            uint64_t many = rng_below(&rng, 3);
            times_add(&added, rng_below(&rng, 1ull << rng_below(&rng, 40)), many);
            count += many;
        }
        begin(&w, METRIC_FORM_OPENMETRICS);
        openmetrics_family(&w.metrics, &times);
        openmetrics_times(&w.metrics, none, &added);
        assert_int_equal(openmetrics_end(&w.metrics), STATUS_OK);
        assert_int_equal(buf_append(&w.text, "", 1), STATUS_OK);
        const char *at = (const char *)w.text.data;
        for (uint32_t i = 0; i <= TIMES_EDGES; i++) {
            double edge;
            unsigned long long here;
            at = strstr(at, "_bucket{le=\"");
            assert_non_null(at);
            at += strlen("_bucket{le=\"");
            if (i < TIMES_EDGES) {
                assert_int_equal(sscanf(at, "%lf\"} %llu", &edge, &here), 2);
                assert_int_equal((uint64_t)(edge * 1e9 + 0.5), times_edges_ns[i]);
            } else {
                assert_int_equal(sscanf(at, "+Inf\"} %llu", &here), 1);
                assert_int_equal(here, count);
            }
            assert_true(here >= before);
            assert_int_equal(here - before, added.counts[i]);
            before = here;
        }
        assert_non_null(strstr(at, "strata_wait_seconds_count "));
        assert_non_null(strstr(at, "strata_wait_seconds_sum "));
        buf_fini(&w.text);
    }
}

/* Any labels at all: what is written can be read back to the same bytes where they are text, and no line is broken by them. */
static void no_label_breaks_a_line(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    for (int round = 0; round < 2000; round++) {
        uint8_t bytes[24];
        size_t size = rng_below(&rng, sizeof bytes + 1), lines = 0;
        for (size_t i = 0; i < size; i++)
            bytes[i] = rng_below(&rng, 2) ? (uint8_t)rng_below(&rng, 256)
                                          : (uint8_t) "\"\\\n}{,=#\xc3\xa4 "[rng_below(&rng, 11)];
        const struct metric_label label = {"l", slice_make(bytes, size)};
        struct written w;
        begin(&w, METRIC_FORM_PROMETHEUS);
        openmetrics_family(&w.metrics, &info);
        size_t described = w.text.size;
        openmetrics_count(&w.metrics, (struct metric_labels){&label, 1}, 1);
        struct slice text = slice_part(buf_slice(&w.text), described, SIZE_MAX);
        bool escaped = false;
        size_t quotes = 0;
        for (size_t i = 0; i < text.size; i++) {
            lines += text.data[i] == '\n';
            assert_true(text.data[i] >= ' ' || i + 1 == text.size);
            quotes += text.data[i] == '"' && !escaped;
            escaped = text.data[i] == '\\' && !escaped;
        }
        assert_int_equal(lines, 1);
        assert_int_equal(quotes, 2);
        buf_fini(&w.text);
    }
}

static void *nothing(void *context, void *old, size_t size_old, size_t size_new) {
    (void)context, (void)old, (void)size_old, (void)size_new;
    return NULL;
}

static void without_memory_the_end_says_so(void **state) {
    (void)state;
    static const struct memory memory_none = {nothing, NULL};
    uint8_t room[64];
    struct openmetrics metrics;
    struct buf small = {.data = room, .capacity = sizeof room, .memory = &memory_none};
    openmetrics_begin(&metrics, &small, METRIC_FORM_OPENMETRICS);
    openmetrics_family(&metrics, &counter);
    openmetrics_count(&metrics, none, 1);
    assert_int_equal(openmetrics_end(&metrics), STATUS_NO_MEMORY);
}

UNIT_TESTS(openmetrics, UNIT(openmetrics_are_written), UNIT(the_older_form_names_what_its_samples_are_called),
           UNIT(label_values_may_be_any_bytes), UNIT(numbers_have_a_point_in_every_locale),
           UNIT(a_time_stands_in_the_first_column_whose_edge_it_does_not_exceed),
           UNIT(histograms_count_up_to_their_count), UNIT(no_label_breaks_a_line),
           UNIT(without_memory_the_end_says_so));
