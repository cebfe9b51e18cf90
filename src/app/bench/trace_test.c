#include "app/bench/trace.h"

#include <math.h>

#include "app/bench/lru_model.h"
#include "base/buf.h"
#include "base/rng.h"
#include "scarce.h"
#include "unit.h"

static enum status parse(const char *text, struct trace *ret_trace, char *ret_error) {
    return trace_parse(ret_trace, &memory_libc, slice_from_string(text), ret_error);
}

static void lines_are_requests(void **state) {
    struct trace trace;
    char error[TRACE_ERROR_SIZE];
    assert_int_equal(parse("# a header\n3\n1\r\n3\n\n5000", &trace, error), STATUS_OK);
    assert_int_equal(trace.request_count, 4);
    assert_int_equal(trace.object_count, 3);
    assert_int_equal(trace.number_max, 5000);
    assert_false(trace.has_sizes);
    assert_int_equal(trace.requests[1], 1);
    assert_int_equal(trace.requests[3], 5000);
    trace_fini(&trace);
    assert_int_equal(parse("1 10\n2 0\n1 10\n", &trace, error), STATUS_OK);
    assert_true(trace.has_sizes);
    assert_int_equal(trace.sizes[1], 10);
    assert_int_equal(trace.sizes[2], 0);
    assert_int_equal(trace_object_bytes(&trace, 16), 42);
    trace_fini(&trace);
}

static void wrong_lines_are_named(void **state) {
    static const char number[] = "a request begins with an object's number, 1 to 16777216";
    static const char size[] = "behind the number stands nothing, or one space and a size of at most 67108864";
    static const struct {
        const char *text;
        int line;
        const char *why;
    } wrong[] = {
        {"1\n0\n", 2, number},
        {"16777217\n", 1, number},
        {"#\n\nabc\n", 3, number},
        {" 1\n", 1, number},
        {"-1\n", 1, number},
        {"1 \n", 1, size},
        {"1  5\n", 1, size},
        {"1 5 \n", 1, size},
        {"1 67108865\n", 1, size},
        {"1 5\n2\n", 2, "either every request has a size, or none"},
        {"1\n2 5\n", 2, "either every request has a size, or none"},
        {"1 5\n2 5\n1 6\n", 3, "the object had another size before"},
        {"# nothing\n", 1, "there is no request in it"},
        {"", 1, "there is no request in it"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct trace trace;
        char error[TRACE_ERROR_SIZE], wanted[TRACE_ERROR_SIZE];
        snprintf(wanted, sizeof wanted, "line %d: %s", wrong[i].line, wrong[i].why);
        assert_int_equal(parse(wrong[i].text, &trace, error), STATUS_INVALID);
        assert_string_equal(error, wanted);
        assert_null(trace.requests);
        assert_null(trace.sizes);
    }
}

static void any_allocation_may_fail(void **state) {
    for (unsigned allowed = 0;; allowed++) {
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, allowed);
        struct trace trace;
        char error[TRACE_ERROR_SIZE];
        enum status status = trace_parse(&trace, memory, SLICE("1\n9999\n70000\n"), error);
        uint64_t hits = 0;
        if (status == STATUS_OK)
            status = lru_model_run(&trace, 1, 0, 1, memory, &hits);
        else
            assert_string_equal(error, "out of memory");
        trace_fini(&trace);
        assert_int_equal(scarce.held, 0);
        if (status == STATUS_OK)
            return;
        assert_int_equal(status, STATUS_NO_MEMORY);
    }
}

static void drawn_sizes_follow_the_law(void **state) {
    enum { OBJECTS = 20000 };
    struct buf text;
    struct trace trace, again;
    char error[TRACE_ERROR_SIZE];
    buf_init(&text, &memory_libc);
    for (int i = 1; i <= OBJECTS; i++)
        assert_int_equal(buf_printf(&text, "%d\n", i), STATUS_OK);
    assert_int_equal(trace_parse(&trace, &memory_libc, buf_slice(&text), error), STATUS_OK);
    assert_int_equal(trace_parse(&again, &memory_libc, buf_slice(&text), error), STATUS_OK);
    buf_fini(&text);
    trace_draw_sizes(&trace, 230, 1, unit_seed());
    trace_draw_sizes(&again, 230, 1, unit_seed());
    assert_memory_equal(trace.sizes, again.sizes, (OBJECTS + 1) * sizeof *trace.sizes);
    double below_median = 0, within_sigma = 0, sum = 0;
    for (int i = 1; i <= OBJECTS; i++) {
        below_median += trace.sizes[i] < 230;
        within_sigma += fabs(log(trace.sizes[i] / 230.0)) < 1;
        sum += trace.sizes[i];
    }
    assert_true(fabs(below_median / OBJECTS - 0.5) < 0.02);
    assert_true(fabs(within_sigma / OBJECTS - 0.6827) < 0.02);
    assert_true(fabs(sum / OBJECTS / (230 * exp(0.5)) - 1) < 0.06);
    trace_draw_sizes(&trace, 230, 1, unit_seed() + 1);
    assert_memory_not_equal(trace.sizes, again.sizes, (OBJECTS + 1) * sizeof *trace.sizes);
    trace_draw_sizes(&trace, 230, 0, 1);
    assert_int_equal(trace.sizes[1], 230);
    trace_fini(&trace);
    trace_fini(&again);
}

/* The same by brute force: when each object was used last. */
static uint64_t naive_hits(const struct trace *trace, uint32_t copies, uint64_t limit_bytes) {
    uint64_t cells = (uint64_t)(trace->number_max + 1) * copies, used = 0, hits = 0, now = 0;
    uint64_t *last = calloc(cells, sizeof *last);
    for (uint64_t i = 0; i < trace->request_count; i++) {
        for (uint32_t copy = 0; copy < copies; copy++) {
            uint64_t cell = (uint64_t)trace->requests[i] * copies + copy, size = trace->sizes[trace->requests[i]] + 16;
            hits += last[cell] != 0;
            if (!last[cell] && size > limit_bytes)
                continue;
            used += last[cell] ? 0 : size;
            last[cell] = ++now;
            while (used > limit_bytes) {
                uint64_t oldest = cell;
                for (uint64_t j = 0; j < cells; j++)
                    oldest = last[j] && last[j] < last[oldest] ? j : oldest;
                last[oldest] = 0;
                used -= trace->sizes[oldest / copies] + 16;
            }
        }
    }
    free(last);
    return hits;
}

static void the_simulated_lru_is_an_lru(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    for (uint64_t limit = 100; limit <= 10000; limit *= 10) {
        for (uint32_t copies = 1; copies <= 3; copies++) {
            struct buf text;
            struct trace trace;
            char error[TRACE_ERROR_SIZE];
            uint64_t hits;
            buf_init(&text, &memory_libc);
            for (int i = 0; i < 600; i++) {
                uint64_t number = 1 + rng_below(&rng, 40);
                assert_int_equal(buf_printf(&text, "%llu %llu\n", (unsigned long long)number,
                                            (unsigned long long)(number * 37 % 120)),
                                 STATUS_OK);
            }
            assert_int_equal(trace_parse(&trace, &memory_libc, buf_slice(&text), error), STATUS_OK);
            assert_int_equal(lru_model_run(&trace, copies, 16, limit, &memory_libc, &hits), STATUS_OK);
            assert_int_equal(hits, naive_hits(&trace, copies, limit));
            buf_fini(&text);
            trace_fini(&trace);
        }
    }
}

UNIT_TESTS(trace, UNIT(lines_are_requests), UNIT(wrong_lines_are_named), UNIT(any_allocation_may_fail),
           UNIT(drawn_sizes_follow_the_law), UNIT(the_simulated_lru_is_an_lru));
