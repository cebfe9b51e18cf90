#include "app/bench/boundary.h"

#include "base/buf.h"
#include "base/rng.h"
#include "core/proto/resp_reply.h"
#include "unit.h"

static uint64_t count_in_pieces(struct slice input, size_t piece, enum status *ret_status) {
    struct boundary boundary = {0};
    uint64_t total = 0, count = 0;
    *ret_status = STATUS_OK;
    for (size_t at = 0; at < input.size && *ret_status == STATUS_OK; at += piece) {
        *ret_status = boundary_count(&boundary, slice_part(input, at, piece), &count);
        total += *ret_status == STATUS_OK ? count : 0;
    }
    return total;
}

static void random_requests_are_counted_whatever_the_cuts(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    uint8_t filler[300];
    memset(filler, '\r', sizeof filler);
    for (int round = 0; round < 200; round++) {
        struct buf bytes;
        buf_init(&bytes, &memory_libc);
        uint64_t count = rng_below(&rng, 20);
        for (uint64_t i = 0; i < count; i++) {
            struct slice arguments[8];
            size_t argument_count = 1 + rng_below(&rng, 8);
            for (size_t j = 0; j < argument_count; j++)
                arguments[j] = slice_make(filler, rng_below(&rng, sizeof filler));
            assert_int_equal(resp_request_write(&bytes, arguments, argument_count), STATUS_OK);
        }
        for (size_t piece = 1; piece <= 64; piece += 1 + rng_below(&rng, 9)) {
            enum status status;
            uint64_t got = count_in_pieces(slice_make(bytes.data, bytes.size), piece, &status);
            if (got != count || status != STATUS_OK)
                fail_msg("%llu requests instead of %llu, seed %llu", (unsigned long long)got, (unsigned long long)count,
                         (unsigned long long)unit_seed());
        }
        buf_fini(&bytes);
    }
}

static void what_is_no_array_of_strings_is_refused(void **state) {
    static const char *const bad[] = {
        "PING\r\n", "*1\n",        "*\r\n",       "*-1\r\n",         "*1\r\n:1\r\n",
        "*1\r\r",   "*1\r\n$\r\n", "*1\r\n$-1\r", "*9999999999\r\n", "*1\r\n$99999999999\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct boundary boundary = {0};
        uint64_t count = 77;
        assert_int_equal(boundary_count(&boundary, slice_from_string(bad[i]), &count), STATUS_INVALID);
        assert_int_equal(boundary_count(&boundary, SLICE("*1\r\n$1\r\na\r\n"), &count), STATUS_INVALID);
        assert_int_equal(count, 77);
    }
}

static void empty_arrays_count(void **state) {
    struct boundary boundary = {0};
    uint64_t count;
    assert_int_equal(boundary_count(&boundary, SLICE("*0\r\n*1\r\n$0\r\n\r\n"), &count), STATUS_OK);
    assert_int_equal(count, 2);
}

UNIT_TESTS(boundary, UNIT(random_requests_are_counted_whatever_the_cuts), UNIT(what_is_no_array_of_strings_is_refused),
           UNIT(empty_arrays_count));
