/* The calls one by one, at their boundaries. */
#include "app/embed/embed_fixture.h"

static void what_is_set_is_got(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:8mb");
    assert_string_equal(testing_get(cache, "a"), "-");
    assert_int_equal(testing_set(cache, "a", "one"), STRATA_OK);
    assert_string_equal(testing_get(cache, "a"), "one");
    assert_int_equal(testing_set(cache, "a", ""), STRATA_OK);
    assert_string_equal(testing_get(cache, "a"), "");
    assert_int_equal(testing_set(cache, "", "of the empty key"), STRATA_OK);
    assert_string_equal(testing_get(cache, ""), "of the empty key");
    assert_int_equal(strata_delete(cache, "a", 1), STRATA_OK);
    assert_int_equal(strata_delete(cache, "a", 1), STRATA_MISS);
    assert_string_equal(testing_get(cache, "a"), "-");
    struct strata_statistics s = testing_stats(cache);
    assert_int_equal(s.hits, 3);
    assert_int_equal(s.misses, 2);
    assert_int_equal(s.written, 4);
    assert_int_equal(s.entries, 1);
    testing_close(cache);
}

UNIT_TESTS(embed, UNIT(what_is_set_is_got));
