/* Paths into the data of events. */
#include "app/rules/event_data.h"

#include "unit.h"

static struct arena arena;

static const char *found(const char *json, const char *path, uint32_t index) {
    static char text[64];
    char problem[EVENT_DATA_PROBLEM_MAX];
    struct event_data event;
    struct slice value;
    arena_init(&arena, &memory_libc, 1024);
    assert_int_equal(event_data_open(&event, slice_from_string(json), &arena, problem), STATUS_OK);
    bool there = event.data.lookup(event.data.context, slice_from_string(path), index, &value);
    if (there) {
        assert_true(value.size < sizeof text);
        memcpy(text, value.data, value.size);
        text[value.size] = 0;
    }
    event_data_close(&event);
    arena_fini(&arena);
    return there ? text : "(nothing)";
}

static void values_are_found_by_their_path(void **state) {
    (void)state;
    const char *json =
        "{\"id\": 7, \"user\": {\"id\": \"a b\", \"deep\": {\"x\": true}}, \"ids\": [1, \"two\", 9007199254740993], "
        "\"nothing\": null, \"share\": 0.5, \"a.b\": 1}";
    assert_string_equal(found(json, "id", 0), "7");
    assert_string_equal(found(json, "user.id", 0), "a b");
    assert_string_equal(found(json, "user.deep.x", 0), "(nothing)");
    assert_string_equal(found(json, "id", RULES_DATA_SINGLE), "7");
    assert_string_equal(found(json, "ids", RULES_DATA_SINGLE), "(nothing)");
    assert_string_equal(found(json, "share", 0), "0.5");
    assert_string_equal(found(json, "ids", 0), "1");
    assert_string_equal(found(json, "ids", 1), "two");
    assert_string_equal(found(json, "ids", 2), "9007199254740993");
    assert_string_equal(found(json, "ids", 3), "(nothing)");
    assert_string_equal(found(json, "id", 1), "(nothing)");
    assert_string_equal(found(json, "nothing", 0), "(nothing)");
    assert_string_equal(found(json, "user", 0), "(nothing)");
    assert_string_equal(found(json, "a.b", 0), "(nothing)");
    assert_string_equal(found(json, "id.x", 0), "(nothing)");
    assert_string_equal(found("", "id", 0), "(nothing)");
    assert_string_equal(found("{}", "", 0), "(nothing)");
}

static void what_is_no_object_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"[1]",          "7",     "{\"a\":", "{\"a\": 1, \"a\": 2}",
                                        "{\"a\": 1} x", "\"x\"", "{'a': 1}"};
    char problem[EVENT_DATA_PROBLEM_MAX];
    struct event_data event;
    arena_init(&arena, &memory_libc, 1024);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        problem[0] = 0;
        assert_int_equal(event_data_open(&event, slice_from_string(wrong[i]), &arena, problem), STATUS_INVALID);
        assert_true(strlen(problem) > 10);
    }
    arena_fini(&arena);
}

UNIT_TESTS(event_data, UNIT(values_are_found_by_their_path), UNIT(what_is_no_object_is_refused));
