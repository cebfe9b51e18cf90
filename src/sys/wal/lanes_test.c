#include "sys/wal/lanes.h"

#include "base/rng.h"
#include "unit.h"

static uint64_t stage(struct lanes *lanes, unsigned lane, const char *text) {
    struct slice part = slice_from_string(text);
    uint64_t lsn = 0;
    assert_int_equal(lanes_stage(lanes, lane, &part, 1, &lsn), STATUS_OK);
    return lsn;
}

/* The same in place, with more room than it takes. */
static uint64_t put_in_place(struct lanes *lanes, unsigned lane, const char *text) {
    uint8_t *to;
    uint64_t lsn;
    bool half;
    size_t size = strlen(text);
    assert_int_equal(lanes_place_anyway(lanes, lane, size + 30, &to), STATUS_OK);
    memset(to, 'x', size + 30);
    memcpy(to, text, size);
    lanes_placed(lanes, lane, size, &lsn, &half);
    return lsn;
}

static void records_of_all_lanes_come_in_one_order(void **state) {
    struct lanes lanes;
    struct rng rng = rng_seeded(unit_seed());
    assert_int_equal(lanes_init(&lanes, &memory_libc, 5, 4096, 100), STATUS_OK);
    struct buf payload;
    buf_init(&payload, &memory_libc);
    uint64_t staged = 100, collected = 100;
    for (unsigned round = 0; round < 200; round++) {
        for (uint64_t n = rng_below(&rng, 40); n; n--) {
            char text[16];
            snprintf(text, sizeof text, "r%llu", (unsigned long long)staged);
            /* Runs of some length, and lanes that alternate. */
            unsigned lane = (unsigned)rng_below(&rng, round % 2 ? 5 : 1);
            assert_int_equal(rng_below(&rng, 3) ? stage(&lanes, lane, text) : put_in_place(&lanes, lane, text),
                             staged++);
        }
        size_t most = 1 + rng_below(&rng, 300);
        uint32_t count = 1;
        while (count) {
            buf_clear(&payload);
            assert_int_equal(lanes_collect(&lanes, most, &payload, &count), STATUS_OK);
            assert_true(payload.size <= most || count == 1);
            struct slice rest = buf_slice(&payload), record;
            for (uint32_t i = 0; i < count; i++) {
                char text[16];
                snprintf(text, sizeof text, "r%llu", (unsigned long long)collected++);
                assert_true(format_record_next(&rest, &record));
                assert_true(slice_equal(record, slice_from_string(text)));
            }
            assert_int_equal(rest.size, 0);
        }
        assert_int_equal(collected, staged);
    }
    buf_fini(&payload);
    lanes_fini(&lanes);
}

static void what_was_admitted_can_be_staged_whatever_is_collected_meanwhile(void **state) {
    struct lanes lanes;
    struct rng rng = rng_seeded(unit_seed());
    assert_int_equal(lanes_init(&lanes, &memory_libc, 1, 256, 1), STATUS_OK);
    struct buf payload;
    buf_init(&payload, &memory_libc);
    static char bytes[2000];
    for (unsigned round = 0; round < 5000; round++) {
        size_t size = rng_below(&rng, rng_below(&rng, 4) ? 200 : sizeof bytes);
        uint32_t count;
        bool half;
        enum status status = lanes_admit(&lanes, 0, size, &half);
        assert_true(status == STATUS_OK || status == STATUS_BUSY);
        if (rng_below(&rng, 2)) {
            buf_clear(&payload);
            assert_int_equal(lanes_collect(&lanes, 1 + rng_below(&rng, 400), &payload, &count), STATUS_OK);
        }
        struct slice part = slice_make(bytes, size);
        uint64_t lsn;
        if (status == STATUS_OK)
            assert_int_equal(lanes_stage(&lanes, 0, &part, 1, &lsn), STATUS_OK);
    }
    buf_fini(&payload);
    lanes_fini(&lanes);
}

static void failed_call_takes_no_number(void **state) {
    struct lanes lanes;
    assert_int_equal(lanes_init(&lanes, &memory_libc, 1, 64, 1), STATUS_OK);
    static char bytes[100];
    struct slice parts[3] = {slice_make(bytes, 50), slice_make(bytes, LOG_RECORD_SIZE_MAX),
                             slice_make(bytes, SIZE_MAX)};
    uint64_t lsn = 7;
    assert_int_equal(lanes_stage(&lanes, 0, parts, 1, &lsn), STATUS_OK);
    assert_int_equal(lsn, 1);
    assert_int_equal(lanes_stage(&lanes, 0, parts, 1, &lsn), STATUS_BUSY);
    assert_int_equal(lanes_stage(&lanes, 0, parts, 2, &lsn), STATUS_TOO_LARGE);
    assert_int_equal(lanes_stage(&lanes, 0, parts, 3, &lsn), STATUS_TOO_LARGE);
    struct buf payload;
    uint32_t count;
    buf_init(&payload, &memory_libc);
    assert_int_equal(lanes_collect(&lanes, 1000, &payload, &count), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(lanes_stage(&lanes, 0, parts, 1, &lsn), STATUS_OK);
    assert_int_equal(lsn, 2);
    buf_fini(&payload);
    lanes_fini(&lanes);
}

static void lane_of_who_cannot_be_refused_grows_until_it_is_collected(void **state) {
    struct lanes lanes;
    enum { LANE_SIZE = 256, RECORDS = 100 };
    assert_int_equal(lanes_init(&lanes, &memory_libc, 1, LANE_SIZE, 1), STATUS_OK);
    struct buf payload;
    buf_init(&payload, &memory_libc);
    const struct slice part = SLICE("a record of some bytes");
    for (int round = 0; round < 3; round++) {
        uint64_t lsn;
        uint32_t count;
        bool half = false;
        for (int i = 0; i < RECORDS; i++) {
            assert_int_equal(lanes_stage_anyway(&lanes, 0, &part, 1, &lsn, &half), STATUS_OK);
            assert_int_equal(
                half, sizeof(struct lane_run) + ((size_t)i + 1) * (LOG_RECORD_HEADER_SIZE + part.size) > LANE_SIZE / 2);
        }
        assert_int_equal(lanes_stage(&lanes, 0, &part, 1, &lsn), STATUS_BUSY);
        buf_clear(&payload);
        assert_int_equal(lanes_collect(&lanes, SIZE_MAX, &payload, &count), STATUS_OK);
        assert_int_equal(count, RECORDS);
        struct slice rest = buf_slice(&payload), record;
        while (format_record_next(&rest, &record))
            assert_true(slice_equal(record, SLICE("a record of some bytes")));
        assert_int_equal(rest.size, 0);
    }
    /* Both halves are small again when they have been read. */
    uint32_t count;
    assert_int_equal(lanes_collect(&lanes, SIZE_MAX, &payload, &count), STATUS_OK);
    assert_true(lanes.lanes[0].back.capacity <= 2 * LANE_SIZE);
    buf_fini(&payload);
    lanes_fini(&lanes);
}

UNIT_TESTS(lanes, UNIT(lane_of_who_cannot_be_refused_grows_until_it_is_collected),
           UNIT(records_of_all_lanes_come_in_one_order),
           UNIT(what_was_admitted_can_be_staged_whatever_is_collected_meanwhile), UNIT(failed_call_takes_no_number));
