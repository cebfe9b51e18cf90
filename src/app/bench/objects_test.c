#include "app/bench/objects.h"

#include "app/bench/engine_keys.h"
#include "unit.h"

static struct objects plain, tagged;

static void set_up(void) {
    objects_init(&plain, false);
    objects_init(&tagged, true);
}

static void keys_tell_copy_and_number(void **state) {
    uint8_t key[OBJECTS_KEY_SIZE];
    set_up();
    objects_key(&plain, 0, 1, key);
    assert_memory_equal(key, "t00:000000000001", OBJECTS_KEY_SIZE);
    objects_key(&plain, 98, 16777216, key);
    assert_memory_equal(key, "t98:000016777216", OBJECTS_KEY_SIZE);
    objects_key(&tagged, 7, 4294967295u, key);
    assert_memory_equal(key, "{t}07:4294967295", OBJECTS_KEY_SIZE);
}

static void every_wrong_byte_is_seen(void **state) {
    static const uint32_t sizes[] = {0, 1, 15, 16, 25, 26, 27, 300, OBJECTS_BLOCK_SIZE, 3 * OBJECTS_BLOCK_SIZE + 5};
    static uint8_t value[4 * OBJECTS_BLOCK_SIZE];
    uint8_t key[OBJECTS_KEY_SIZE], other[OBJECTS_KEY_SIZE];
    set_up();
    objects_key(&plain, 1, 12345, key);
    objects_key(&plain, 2, 12345, other);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t size = sizes[i];
        objects_write(&plain, key, size, value);
        assert_true(objects_check(&plain, key, size, slice_make(value, size)));
        assert_false(objects_check(&plain, key, size + 1, slice_make(value, size)));
        assert_false(objects_check(&plain, key, size, slice_make(NULL, size)));
        if (size >= OBJECTS_KEY_SIZE)
            assert_false(objects_check(&plain, other, size, slice_make(value, size)));
        for (uint32_t at = 0; at<size; at += size> 1000 ? 997 : 1) {
            value[at] ^= 1;
            assert_false(objects_check(&plain, key, size, slice_make(value, size)));
            value[at] ^= 1;
        }
    }
    objects_write(&plain, key, 40, value);
    assert_memory_equal(value, "t01:000000012345 00000040 ", 26);
}

static void strides_visit_every_key_once(void **state) {
    enum { RANGE = 10007 };
    static struct engine_keys keys;
    uint8_t *seen = calloc(RANGE, 1);
    for (uint32_t from = 0; from < RANGE; from += keys.count) {
        uint32_t rest = RANGE - from;
        engine_keys_stride(&keys, rest < ENGINE_CHUNK ? rest : ENGINE_CHUNK, 77, from, 1000003, RANGE);
        for (uint32_t i = 0; i < keys.count; i++) {
            char text[ENGINE_KEY_SIZE + 1];
            snprintf(text, sizeof text, "key:%016u", keys.numbers[i]);
            assert_memory_equal(engine_key(&keys, i).data, text, ENGINE_KEY_SIZE);
            assert_int_equal(seen[keys.numbers[i]]++, 0);
        }
    }
    free(seen);
}

UNIT_TESTS(objects, UNIT(keys_tell_copy_and_number), UNIT(every_wrong_byte_is_seen),
           UNIT(strides_visit_every_key_once));
