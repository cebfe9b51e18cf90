#include "app/lines/line_sort.h"

#include "base/rng.h"
#include "unit.h"

enum { KEYS = 5000, LINE_MAX_SIZE = 100000 };

/* Every line says which key it has and that it was the last one of it, whatever memory there is. */
static void sort_and_look(size_t memory_bytes) {
    struct rng rng = rng_seeded(unit_seed());
    static uint32_t last[KEYS];
    static char line[LINE_MAX_SIZE + 64];
    struct line_sort *sort;
    uint64_t count, keys = 0;
    FILE *out = tmpfile();
    assert_non_null(out);
    memset(last, 0, sizeof last);
    assert_int_equal(line_sort_new("/tmp", memory_bytes, &sort), STATUS_OK);
    for (uint32_t i = 1; i <= 3 * KEYS; i++) {
        char key[16];
        uint32_t number = (uint32_t)rng_below(&rng, KEYS);
        size_t more = i % 500 ? rng_below(&rng, 60) : rng_below(&rng, LINE_MAX_SIZE);
        int key_size = snprintf(key, sizeof key, "%05u", number), size = snprintf(line, 32, "%05u %u ", number, i);
        memset(line + size, 'x', more);
        line[(size_t)size + more] = '\n';
        keys += last[number] == 0;
        last[number] = i;
        assert_int_equal(
            line_sort_add(sort, slice_make(key, (size_t)key_size), slice_make(line, (size_t)size + more + 1)),
            STATUS_OK);
    }
    assert_int_equal(line_sort_finish(sort, out, &count), STATUS_OK);
    assert_int_equal(count, keys);
    rewind(out);
    for (uint32_t number = 0; number < KEYS; number++) {
        uint32_t found, at;
        if (!last[number])
            continue;
        assert_non_null(fgets(line, sizeof line, out));
        assert_int_equal(sscanf(line, "%05u %u", &found, &at), 2);
        assert_true(found == number && at == last[number]);
    }
    assert_null(fgets(line, sizeof line, out));
    line_sort_free(sort);
    fclose(out);
}

static void lines_are_in_order_and_the_last_one_stays(void **state) {
    (void)state;
    sort_and_look(64 << 20);
    sort_and_look(1 << 20);
    sort_and_look(20000);
}

static void nothing_is_nothing(void **state) {
    (void)state;
    struct line_sort *sort;
    uint64_t count = 1;
    FILE *out = tmpfile();
    assert_non_null(out);
    assert_int_equal(line_sort_new("/nowhere", 100, &sort), STATUS_OK);
    assert_int_equal(line_sort_finish(sort, out, &count), STATUS_OK);
    assert_int_equal(count, 0);
    line_sort_free(sort);
    assert_int_equal(line_sort_new("/nowhere", 10, &sort), STATUS_OK);
    assert_int_equal(line_sort_add(sort, SLICE("key"), SLICE("line\n")), STATUS_IO);
    line_sort_free(sort);
    fclose(out);
}

static void empty_and_binary_keys_have_their_order(void **state) {
    (void)state;
    struct line_sort *sort;
    char read[32];
    uint64_t count;
    FILE *out = tmpfile();
    assert_non_null(out);
    for (size_t memory = 1; memory < 1000; memory += 998) {
        rewind(out);
        assert_int_equal(line_sort_new("/tmp", memory, &sort), STATUS_OK);
        assert_int_equal(line_sort_add(sort, SLICE("\xff"), SLICE("4\n")), STATUS_OK);
        assert_int_equal(line_sort_add(sort, SLICE("a"), SLICE("3\n")), STATUS_OK);
        assert_int_equal(line_sort_add(sort, SLICE(""), SLICE("1\n")), STATUS_OK);
        assert_int_equal(line_sort_add(sort, slice_make("\0", 1), SLICE("2\n")), STATUS_OK);
        assert_int_equal(line_sort_finish(sort, out, &count), STATUS_OK);
        rewind(out);
        assert_int_equal(fread(read, 1, sizeof read, out), 8);
        assert_memory_equal(read, "1\n2\n3\n4\n", 8);
        line_sort_free(sort);
    }
    fclose(out);
}

UNIT_TESTS(line_sort, UNIT(lines_are_in_order_and_the_last_one_stays), UNIT(nothing_is_nothing),
           UNIT(empty_and_binary_keys_have_their_order));
