#include "core/rdb/rdb_string.h"

#include "base/rng.h"
#include "core/rdb/crc64.h"
#include "unit.h"

/* The payload of a value, as DUMP puts it together; answers its size. */
static size_t payload_write(struct slice value, uint8_t *ret_payload) {
    size_t size = rdb_string_integer(value, ret_payload);
    if (size == 0) {
        size = rdb_string_head(value.size, ret_payload);
        if (value.size)
            memcpy(ret_payload + size, value.data, value.size);
        size += value.size;
    }
    rdb_footer(slice_make(ret_payload, size), ret_payload + size);
    return size + RDB_FOOTER_SIZE;
}

static void check_payload(struct slice value, struct slice wanted) {
    uint8_t payload[200];
    size_t size = payload_write(value, payload);
    assert_int_equal(size, wanted.size);
    assert_memory_equal(payload, wanted.data, size);
}

static void writes_the_bytes_that_redis_writes(void **state) {
    (void)state;
    check_payload(SLICE(""), SLICE("\x00\x00\n\x00]\x9b\\@\x0f\x7f\xa2\xda"));
    check_payload(SLICE("1"), SLICE("\x00\xc0\x01\n\x00&x\xe7\xb6\xd1\x01\x11\xfc"));
    check_payload(SLICE("-128"), SLICE("\x00\xc0\x80\n\x00\x99"
                                       "f2m/\x0c[\xd9"));
    check_payload(SLICE("-129"), SLICE("\x00\xc1\x7f\xff\n\x00\x17`\x82(T\x80\x84\x80"));
    check_payload(SLICE("2147483647"), SLICE("\x00\xc2\xff\xff\xff\x7f\n\x00,t\xe5\x9e\xe0.\xad\xa1"));
    check_payload(SLICE("2147483648"), SLICE("\x00\n2147483648\n\x00\xe7\xb1)\xa3L\x1dv\xee"));
    check_payload(SLICE("hello world"), SLICE("\x00\x0bhello world\n\x00\x0b\xfcI\xb9\xa6\xc7\xa0"
                                              "4"));
}

static void only_canonical_integers_are_stored_as_integers(void **state) {
    (void)state;
    uint8_t body[RDB_HEAD_SIZE_MAX];
    assert_int_equal(rdb_string_integer(SLICE("-2147483648"), body), 6);
    assert_int_equal(rdb_string_integer(SLICE("-2147483649"), body), 0);
    assert_int_equal(rdb_string_integer(SLICE("01"), body), 0);
    assert_int_equal(rdb_string_integer(SLICE("-0"), body), 0);
    assert_int_equal(rdb_string_integer(SLICE("+1"), body), 0);
    assert_int_equal(rdb_string_integer(SLICE(" 1"), body), 0);
    assert_int_equal(rdb_string_integer(SLICE(""), body), 0);
}

/* Reads a body whole; false if it is refused. */
static bool value_read(struct slice body, uint8_t *ret_value, size_t value_max, size_t *ret_size) {
    static struct rdb_string string;
    if (!rdb_string_open(&string, body))
        return false;
    assert_true(string.size <= value_max);
    if (string.compressed && !(string.size == 0 || rdb_string_read(&string, ret_value, string.size)))
        return false;
    if (!string.compressed && string.size)
        memcpy(ret_value, string.plain.data, string.size);
    *ret_size = string.size;
    return true;
}

static void check_value(struct slice body, struct slice wanted) {
    uint8_t value[1000];
    size_t size;
    assert_true(value_read(body, value, sizeof value, &size));
    assert_int_equal(size, wanted.size);
    assert_memory_equal(value, wanted.data, size);
}

static void check_refused(struct slice body) {
    uint8_t value[1000];
    size_t size;
    assert_false(value_read(body, value, sizeof value, &size));
}

static void values_of_every_length_class_come_back(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    static const size_t sizes[] = {0, 1, 11, 12, 63, 64, 65, 16383, 16384, 16385, 70000};
    static uint8_t value[70000], payload[70000 + RDB_HEAD_SIZE_MAX + RDB_FOOTER_SIZE], back[70000];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            value[at] = (uint8_t)rng_next(&rng);
        struct slice body;
        size_t size = payload_write(slice_make(value, sizes[i]), payload), back_size = 0;
        assert_true(rdb_payload_body(slice_make(payload, size), &body));
        assert_true(value_read(body, back, sizeof back, &back_size));
        assert_int_equal(back_size, sizes[i]);
        assert_memory_equal(back, value, back_size);
    }
}

static void integers_come_back_as_their_digits(void **state) {
    (void)state;
    static const char *const numbers[] = {"0", "-1", "127", "128", "-32768", "32768", "-2147483648", "2147483647"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint8_t body[RDB_HEAD_SIZE_MAX];
        size_t size = rdb_string_integer(slice_from_string(numbers[i]), body);
        assert_true(size > 0);
        check_value(slice_make(body, size), slice_from_string(numbers[i]));
    }
}

static void compressed_values_are_read(void **state) {
    (void)state;
    uint8_t wanted[100];
    memset(wanted, 'a', sizeof wanted);
    check_value(SLICE("\x00\xc3\x09\x40\x64\x01"
                      "aa\xe0\x57\x00\x01"
                      "aa"),
                slice_make(wanted, sizeof wanted));
    check_value(SLICE("\x00\xc3\x00\x00"), SLICE(""));
}

static void lengths_may_be_longer_than_needed(void **state) {
    (void)state;
    check_value(SLICE("\x00\x40\x01"
                      "a"),
                SLICE("a"));
    check_value(SLICE("\x00\x80\x00\x00\x00\x01"
                      "a"),
                SLICE("a"));
    check_value(SLICE("\x00\x81\x00\x00\x00\x00\x00\x00\x00\x01"
                      "a and more"),
                SLICE("a"));
}

static void malformed_bodies_are_refused(void **state) {
    (void)state;
    check_refused(SLICE(""));
    check_refused(SLICE("\x00"));
    check_refused(
        SLICE("\x01\x01"
              "a"));
    check_refused(
        SLICE("\x00\x05"
              "abc"));
    check_refused(SLICE("\x00\x40"));
    check_refused(SLICE("\x00\x80\x00\x00\x00"));
    check_refused(
        SLICE("\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff"
              "a"));
    check_refused(
        SLICE("\x00\x82\x00\x00\x00\x01"
              "a"));
    check_refused(SLICE("\x00\xc0"));
    check_refused(SLICE("\x00\xc2\x01\x02\x03"));
    check_refused(
        SLICE("\x00\xc4\x01\x01"
              "a"));
    check_refused(
        SLICE("\x00\xc3\x02\x02\x00"
              "a")); /* yields less than announced */
    check_refused(
        SLICE("\x00\xc3\x04\x01\x00"
              "a\x00"
              "b")); /* yields more */
    check_refused(
        SLICE("\x00\xc3\x02\x80\x20\x00\x00\x00\x00"
              "a")); /* cannot yield as much */
    check_refused(
        SLICE("\x00\xc3\x09\x01\x00"
              "a"));
    check_refused(
        SLICE("\x00\xc3\x02\x00\x00"
              "a"));
}

static void damaged_payloads_are_refused(void **state) {
    (void)state;
    uint8_t payload[100];
    size_t size = payload_write(SLICE("a value that is dumped"), payload);
    struct slice body = SLICE("untouched");
    for (size_t cut = 0; cut < size; cut++)
        assert_false(rdb_payload_body(slice_make(payload, cut), &body));
    for (size_t bit = 0; bit < size * 8; bit++) {
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(rdb_payload_body(slice_make(payload, size), &body));
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(slice_equal(body, SLICE("untouched")));
    assert_true(rdb_payload_body(slice_make(payload, size), &body));
}

static void versions_up_to_the_newest_known_are_read(void **state) {
    (void)state;
    for (unsigned version = 0; version <= RDB_VERSION_READ_MAX + 1; version++) {
        uint8_t payload[] = {0, 1, 'a', (uint8_t)version, 0, 0, 0, 0, 0, 0, 0, 0, 0};
        uint64_t crc = crc64(0, slice_make(payload, 5));
        for (unsigned i = 0; i < 8; i++)
            payload[5 + i] = (uint8_t)(crc >> (8 * i));
        struct slice body;
        assert_int_equal(rdb_payload_body(slice_make(payload, sizeof payload), &body), version <= RDB_VERSION_READ_MAX);
    }
}

UNIT_TESTS(rdb_string, UNIT(writes_the_bytes_that_redis_writes), UNIT(only_canonical_integers_are_stored_as_integers),
           UNIT(values_of_every_length_class_come_back), UNIT(integers_come_back_as_their_digits),
           UNIT(compressed_values_are_read), UNIT(lengths_may_be_longer_than_needed),
           UNIT(malformed_bodies_are_refused), UNIT(damaged_payloads_are_refused),
           UNIT(versions_up_to_the_newest_known_are_read));
