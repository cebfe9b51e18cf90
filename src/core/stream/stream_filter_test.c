#include "core/stream/filter.h"

#include "unit.h"

static struct slice text(const char *bytes) { return slice_from_string(bytes); }

static bool takes(enum stream_word_kind word, const char *of_word, enum stream_kind kind, const char *name,
                  const char *class) {
    const struct stream_word words[] = {{word, text(of_word)}};
    const struct stream_filter filter = {.words = words, .count = 1, .writes = true};
    struct stream_record record = {.kind = kind};
    record.texts[STREAM_NAME] = text(name);
    record.texts[STREAM_OF_CLASS] = text(class);
    return stream_filter_takes(&filter, &record);
}

static void prefix_takes_keys_that_begin_with_it(void **state) {
    (void)state;
    assert_true(takes(STREAM_WORD_PREFIX, "user:", STREAM_DELETED, "user:7", ""));
    assert_false(takes(STREAM_WORD_PREFIX, "user:", STREAM_DELETED, "use", ""));
    assert_false(takes(STREAM_WORD_PREFIX, "user:", STREAM_REPLACED, "item:7", ""));
    assert_true(takes(STREAM_WORD_PREFIX, "", STREAM_EVICTED, "item:7", ""));
}

static void tags_concern_any_prefix_and_class(void **state) {
    (void)state;
    assert_true(takes(STREAM_WORD_PREFIX, "user:", STREAM_TAG, "t", ""));
    assert_true(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_TAG, "t", ""));
    assert_true(takes(STREAM_WORD_TAG, "t", STREAM_TAG, "t", ""));
    assert_false(takes(STREAM_WORD_TAG, "t", STREAM_TAG, "t2", ""));
}

static void classes_and_patterns_are_held_against_beginnings(void **state) {
    (void)state;
    assert_true(takes(STREAM_WORD_PREFIX, "user:", STREAM_CLASS, "user:{id}", ""));
    assert_true(takes(STREAM_WORD_PREFIX, "user:7", STREAM_CLASS, "user:{id}", ""));
    assert_true(takes(STREAM_WORD_PREFIX, "user:", STREAM_CLASS, "{kind}:{id}", ""));
    assert_false(takes(STREAM_WORD_PREFIX, "user:", STREAM_CLASS, "item:{id}", ""));
    assert_true(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_CLASS, "user:{id}", ""));
    assert_false(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_CLASS, "user:{id}:cart", ""));
    assert_true(takes(STREAM_WORD_PREFIX, "user:", STREAM_PATTERN, "us*", ""));
    assert_true(takes(STREAM_WORD_PREFIX, "user:", STREAM_PATTERN, "user:7[ab]", ""));
    assert_true(takes(STREAM_WORD_PREFIX, "user:", STREAM_PATTERN, "user\\:7", ""));
    assert_false(takes(STREAM_WORD_PREFIX, "user:", STREAM_PATTERN, "item?", ""));
    assert_true(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_PATTERN, "u*", ""));
    assert_false(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_PATTERN, "i*", ""));
    assert_true(takes(STREAM_WORD_TAG, "t", STREAM_PATTERN, "i*", ""));
    assert_true(takes(STREAM_WORD_TAG, "t", STREAM_CLASS, "item:{id}", ""));
}

static void keys_of_a_class_are_told_by_their_class(void **state) {
    (void)state;
    assert_true(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_DELETED, "user:7", "user:{id}"));
    assert_false(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_DELETED, "user:7", ""));
    assert_false(takes(STREAM_WORD_CLASS, "user:{id}", STREAM_DELETED, "user:7", "user:{name}"));
    /* It may have borne any tag. */
    assert_true(takes(STREAM_WORD_TAG, "t", STREAM_DELETED, "user:7", "user:{id}"));
}

static void what_has_no_name_is_told_to_all(void **state) {
    (void)state;
    static const enum stream_kind kinds[] = {STREAM_FLUSHED, STREAM_SWAPPED, STREAM_RULES, STREAM_LOST, STREAM_BEGAN};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int word = 0; word < STREAM_WORDS; word++)
            assert_true(takes((enum stream_word_kind)word, "x", kinds[i], "", ""));
}

static void writes_and_keys_have_to_be_wanted(void **state) {
    (void)state;
    struct stream_filter filter = {.writes = false};
    struct stream_record record = {.kind = STREAM_REPLACED};
    assert_false(stream_filter_takes(&filter, &record));
    filter.writes = true;
    assert_true(stream_filter_takes(&filter, &record));
    filter.groups = true;
    assert_false(stream_filter_takes(&filter, &record));
    record.kind = STREAM_DELETED;
    assert_false(stream_filter_takes(&filter, &record));
    record.kind = STREAM_TAG;
    assert_true(stream_filter_takes(&filter, &record));
    filter.groups = filter.writes = false;
    record.kind = STREAM_WRITES_BEGAN;
    assert_false(stream_filter_takes(&filter, &record));
    assert_false(stream_filter_takes_part(&filter, STREAM_PART_WRITTEN, text("u")));
    assert_true(stream_filter_takes_part(&filter, STREAM_PART_KEYS, text("u")));
}

static void one_word_of_several_is_enough(void **state) {
    (void)state;
    const struct stream_word words[] = {{STREAM_WORD_PREFIX, text("a:")}, {STREAM_WORD_PREFIX, text("b:")}};
    const struct stream_filter filter = {.words = words, .count = 2};
    struct stream_record record = {.kind = STREAM_DELETED};
    record.texts[STREAM_NAME] = text("b:1");
    assert_true(stream_filter_takes(&filter, &record));
    record.texts[STREAM_NAME] = text("c:1");
    assert_false(stream_filter_takes(&filter, &record));
    assert_true(stream_filter_takes_part(&filter, STREAM_PART_KEYS, text("b:")));
    assert_false(stream_filter_takes_part(&filter, STREAM_PART_KEYS, text("c:")));
}

UNIT_TESTS(stream_filter, UNIT(prefix_takes_keys_that_begin_with_it), UNIT(tags_concern_any_prefix_and_class),
           UNIT(classes_and_patterns_are_held_against_beginnings), UNIT(keys_of_a_class_are_told_by_their_class),
           UNIT(what_has_no_name_is_told_to_all), UNIT(writes_and_keys_have_to_be_wanted),
           UNIT(one_word_of_several_is_enough));
