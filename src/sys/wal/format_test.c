#include "sys/wal/format.h"

#include "base/little.h"
#include "unit.h"

/* As docs/format-log.md says, byte by byte; a change here is a new version. */
static void bytes_are_those_of_the_page(void **state) {
    uint8_t header[LOG_HEADER_SIZE], batch_header[LOG_BATCH_HEADER_SIZE];
    struct log_header file = {.log_id = 0x1122334455667788, .number = 3, .first_lsn = 100, .proven_lsn = 99}, again;
    uint32_t version;
    log_header_encode(&file, header);
    static const uint8_t expected[56] = {'S', 'T', 'R',  'A',  'T',  'A',  'L',  'G',  1,    0,    0, 0, 64, 0,
                                         0,   0,   0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 3, 0, 0,  0,
                                         0,   0,   0,    0,    100,  0,    0,    0,    0,    0,    0, 0, 99, 0,
                                         0,   0,   0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0,  0};
    assert_memory_equal(header, expected, sizeof expected);
    assert_int_equal(little_u64(header + 56), XXH3_64bits(header, 56));
    assert_int_equal(log_header_decode(header, &again, &version), STATUS_OK);
    assert_memory_equal(&again, &file, sizeof file);

    struct slice payload = SLICE("\3\0\0\0abc\1\0\0\0d");
    struct log_batch batch = {.payload_size = 12, .count = 2, .flags = 1, .first_lsn = 100, .flushed_lsn = 98}, found;
    uint64_t seed = format_seed(file.log_id, 3, 64);
    uint8_t place[24];
    little_put_u64(place, file.log_id);
    little_put_u64(place + 8, 3);
    little_put_u64(place + 16, 64);
    assert_int_equal(seed, XXH3_64bits(place, sizeof place));
    log_batch_encode(&batch, seed, payload, batch_header);
    static const uint8_t expected_batch[32] = {'S', 'R', 'A', 'B', 12, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0,
                                               2,   0,   0,   0,   1,  0, 0, 0, 98,  0, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(batch_header, expected_batch, sizeof expected_batch);
    assert_int_equal(little_u64(batch_header + 32), XXH3_64bits_withSeed(payload.data, payload.size, seed));
    assert_int_equal(little_u64(batch_header + 40), XXH3_64bits_withSeed(batch_header, 40, seed));
    assert_true(log_batch_decode(batch_header, seed, &found));
    assert_true(log_batch_verify(&found, seed, payload));
    assert_false(log_batch_decode(batch_header, seed + 1, &found));
}

/* With a right sum, but lengths that do not add up. */
static void batch_of_wrong_lengths_is_none(void **state) {
    static const struct {
        const char *bytes;
        uint32_t size, count;
        bool good;
    } cases[] = {
        {"\1\0\0\0a", 5, 1, true},          {"", 0, 0, true},
        {"\1\0\0\0a", 5, 2, false},         {"\1\0\0\0a", 5, 0, false},
        {"\2\0\0\0a", 5, 1, false},         {"\1\0\0\0ab", 6, 1, false},
        {"\377\377\377\377a", 5, 1, false}, {"\0\0\0\0\0\0\0\0", 8, 2, true},
        {"\0\0\0\0\0\0\0", 7, 1, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t header[LOG_BATCH_HEADER_SIZE];
        struct slice payload = slice_make(cases[i].bytes, cases[i].size);
        struct log_batch batch = {.payload_size = cases[i].size, .count = cases[i].count, .first_lsn = 1};
        log_batch_encode(&batch, 5, payload, header);
        assert_true(log_batch_decode(header, 5, &batch));
        assert_int_equal(log_batch_verify(&batch, 5, payload), cases[i].good);
    }
}

static void names_are_read_strictly(void **state) {
    char name[LOG_NAME_SIZE];
    uint64_t number = 0;
    format_name(LOG_PREFIX, 42, "", name);
    assert_string_equal(name, "log-0000000042");
    assert_true(format_name_parse(name, LOG_PREFIX, "", &number));
    assert_int_equal(number, 42);
    format_name(SNAPSHOT_PREFIX, 9999999999, FORMAT_NEW_SUFFIX, name);
    assert_string_equal(name, "snapshot-9999999999.new");
    assert_true(format_name_parse(name, SNAPSHOT_PREFIX, FORMAT_NEW_SUFFIX, &number));
    static const char *const wrong[] = {
        "log-", "log-1", "log-00000000420",   "log-000000004x", "log-0000000042~", "Log-0000000042", "log-0000000000",
        "",     "lock",  "log-0000000042.new"};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(format_name_parse(wrong[i], LOG_PREFIX, "", &number));
}

UNIT_TESTS(format, UNIT(bytes_are_those_of_the_page), UNIT(batch_of_wrong_lengths_is_none),
           UNIT(names_are_read_strictly));
