#include "app/bench/requests.h"

#include "unit.h"

static struct requests_shape plain = {.protocol = REQUESTS_RESP,
                                      .key_count = 1000000,
                                      .key_size = 12,
                                      .value_size = 5,
                                      .batch_max = 3,
                                      .checkable = true};

static struct requests made(struct requests_shape shape) {
    struct requests requests;
    assert_int_equal(requests_init(&requests, &memory_libc, &shape), STATUS_OK);
    return requests;
}

static void expect_bytes(struct slice got, const char *wanted) {
    assert_int_equal(got.size, strlen(wanted));
    assert_memory_equal(got.data, wanted, got.size);
}

static void batches_of_gets_are_patched(void **state) {
    struct requests_shape shape = plain;
    shape.has_get = true;
    struct requests requests = made(shape);
    struct request list[] = {{7, false}, {999999, false}, {0, false}};
    expect_bytes(requests_write(&requests, list, 3),
                 "*2\r\n$3\r\nGET\r\n$12\r\nkey:00000007\r\n*2\r\n$3\r\nGET\r\n$12\r\nkey:00999999\r\n"
                 "*2\r\n$3\r\nGET\r\n$12\r\nkey:00000000\r\n");
    list[0].key = 123456;
    expect_bytes(requests_write(&requests, list, 1), "*2\r\n$3\r\nGET\r\n$12\r\nkey:00123456\r\n");
    requests_fini(&requests);
}

static void sets_carry_their_key_backwards(void **state) {
    struct requests_shape shape = plain;
    shape.has_set = true;
    shape.value_size = 14;
    struct requests requests = made(shape);
    struct request list[] = {{123456, true}, {7, true}};
    expect_bytes(requests_write(&requests, list, 2),
                 "*3\r\n$3\r\nSET\r\n$12\r\nkey:00123456\r\n$14\r\n65432100:yek65\r\n"
                 "*3\r\n$3\r\nSET\r\n$12\r\nkey:00000007\r\n$14\r\n70000000:yek70\r\n");
    requests_fini(&requests);
}

static void both_kinds_in_one_batch_for_memcached(void **state) {
    struct requests_shape shape = plain;
    shape.protocol = REQUESTS_MEMCACHED;
    shape.has_get = shape.has_set = true;
    struct requests requests = made(shape);
    struct request list[] = {{21, true}, {42, false}, {43, true}};
    expect_bytes(requests_write(&requests, list, 3),
                 "set key:00000021 0 0 5\r\n12000\r\nget key:00000042\r\nset key:00000043 0 0 5\r\n34000\r\n");
    assert_int_equal(requests_size(&requests, false), strlen("get key:00000042\r\n"));
    assert_int_equal(requests_size(&requests, true), strlen("set key:00000021 0 0 5\r\n12000\r\n"));
    requests_fini(&requests);
}

static void short_keys_keep_all_digits(void **state) {
    struct requests_shape shape = plain;
    shape.has_get = true;
    struct request last = {999999, false};
    static const char *const keys[] = {"999999", "k999999", "ke999999"};
    for (uint32_t i = 0; i < 3; i++) {
        char wanted[64];
        shape.key_size = 6 + i;
        struct requests requests = made(shape);
        snprintf(wanted, sizeof wanted, "*2\r\n$3\r\nGET\r\n$%u\r\n%s\r\n", shape.key_size, keys[i]);
        expect_bytes(requests_write(&requests, &last, 1), wanted);
        requests_fini(&requests);
    }
    struct requests requests;
    shape.key_size = 5;
    assert_int_equal(requests_init(&requests, &memory_libc, &shape), STATUS_INVALID);
}

static void every_wrong_byte_of_a_value_is_seen(void **state) {
    struct requests_shape shape = plain;
    static const uint32_t sizes[] = {1, 5, 12, 13, 24, 100};
    shape.has_set = true;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        shape.value_size = sizes[i];
        struct requests requests = made(shape);
        struct request list[] = {{123456, true}};
        struct slice bytes = requests_write(&requests, list, 1);
        uint8_t value[100];
        memcpy(value, bytes.data + bytes.size - 2 - sizes[i], sizes[i]);
        assert_true(requests_check(&requests, 123456, slice_make(value, sizes[i])));
        assert_false(requests_check(&requests, 123457, slice_make(value, sizes[i])));
        assert_false(requests_check(&requests, 123456, slice_make(value, sizes[i] - 1)));
        assert_false(requests_check(&requests, 123456, slice_make(NULL, sizes[i])));
        for (uint32_t at = 0; at < sizes[i]; at++) {
            value[at] ^= 1;
            assert_false(requests_check(&requests, 123456, slice_make(value, sizes[i])));
            value[at] ^= 1;
        }
        requests_fini(&requests);
    }
}

static void empty_values_are_written_and_checked(void **state) {
    struct requests_shape shape = plain;
    shape.value_size = 0;
    shape.has_set = true;
    struct requests requests = made(shape);
    struct request list[] = {{1, true}};
    expect_bytes(requests_write(&requests, list, 1), "*3\r\n$3\r\nSET\r\n$12\r\nkey:00000001\r\n$0\r\n\r\n");
    assert_true(requests_check(&requests, 1, slice_make(NULL, 0)));
    assert_false(requests_check(&requests, 1, SLICE("x")));
    requests_fini(&requests);
}

static void batches_beyond_the_limit_are_refused(void **state) {
    struct requests_shape shape = plain;
    struct requests requests;
    shape.has_set = true;
    shape.value_size = 1 << 20;
    shape.batch_max = 257;
    assert_int_equal(requests_init(&requests, &memory_libc, &shape), STATUS_TOO_LARGE);
}

static void *fails(void *context, void *old, size_t size_old, size_t size_new) {
    int *calls_left = context;
    return size_new && (*calls_left)-- == 0 ? NULL : memory_libc.resize(memory_libc.context, old, size_old, size_new);
}

static void without_memory_nothing_is_kept(void **state) {
    struct requests_shape shape = plain;
    struct requests requests;
    shape.has_get = shape.has_set = true;
    for (int i = 0; i < 3; i++) {
        int calls_left = i;
        struct memory memory = {fails, &calls_left};
        assert_int_equal(requests_init(&requests, &memory, &shape), STATUS_NO_MEMORY);
    }
}

static void digits_of_the_last_key(void **state) {
    static const uint64_t counts[][2] = {{1, 1},       {10, 1},      {11, 2},         {100, 2},
                                         {1000000, 6}, {1000001, 7}, {1ull << 32, 10}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        assert_int_equal(requests_digits(counts[i][0]), counts[i][1]);
}

UNIT_TESTS(requests, UNIT(batches_of_gets_are_patched), UNIT(sets_carry_their_key_backwards),
           UNIT(both_kinds_in_one_batch_for_memcached), UNIT(short_keys_keep_all_digits),
           UNIT(every_wrong_byte_of_a_value_is_seen), UNIT(empty_values_are_written_and_checked),
           UNIT(batches_beyond_the_limit_are_refused), UNIT(without_memory_nothing_is_kept),
           UNIT(digits_of_the_last_key));
