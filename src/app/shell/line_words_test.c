#include "app/shell/line_words.h"

#include "unit.h"

static struct arena arena;

static void expect_words(const char *line, size_t size, const char *const *wanted, size_t count) {
    struct line_words words;
    assert_int_equal(line_words_split(slice_make(line, size), &arena, &words), STATUS_OK);
    assert_int_equal(words.count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(slice_equal(words.list[i], slice_from_string(wanted[i])));
}

#define EXPECT(line, ...)                                                             \
    do {                                                                              \
        const char *const wanted[] = {__VA_ARGS__};                                   \
        expect_words(line, sizeof(line) - 1, wanted, sizeof wanted / sizeof *wanted); \
    } while (0)

static void expect_refused(const char *line) {
    struct line_words words;
    assert_int_equal(line_words_split(slice_from_string(line), &arena, &words), STATUS_INVALID);
}

static void words_are_parted_by_spaces(void **state) {
    (void)state;
    arena_init(&arena, &memory_libc, 4096);
    EXPECT("GET key", "GET", "key");
    EXPECT("  GET\tkey\r\n", "GET", "key");
    expect_words(" \t", 2, NULL, 0);
    expect_words("", 0, NULL, 0);
    arena_fini(&arena);
}

static void quotes_hold_spaces_and_bytes(void **state) {
    (void)state;
    struct line_words words;
    arena_init(&arena, &memory_libc, 4096);
    EXPECT("SET \"a b\" 'c d'", "SET", "a b", "c d");
    EXPECT("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\"", "\n\r\t\b\a\\\"q");
    EXPECT("'it\\'s' 'a\\nb'", "it's", "a\\nb");
    EXPECT("\"\\x41\\x4g\" \"\" a\"b\"", "Ax4g", "", "ab");
    assert_int_equal(line_words_split(SLICE("\"\\x00\\xff\""), &arena, &words), STATUS_OK);
    assert_true(slice_equal(words.list[0], SLICE("\x00\xff")));
    arena_fini(&arena);
}

static void open_quotes_are_refused(void **state) {
    (void)state;
    arena_init(&arena, &memory_libc, 4096);
    expect_refused("\"a");
    expect_refused("'a");
    expect_refused("\"a\"b");
    expect_refused("GET 'a'\"b\"");
    expect_refused("\"a\\\"");
    expect_refused("\"\\");
    arena_fini(&arena);
}

UNIT_TESTS(line_words, UNIT(words_are_parted_by_spaces), UNIT(quotes_hold_spaces_and_bytes),
           UNIT(open_quotes_are_refused));
