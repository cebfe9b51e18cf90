#include "app/lines/entry_line.h"

#include "base/bits.h"
#include "base/rng.h"
#include "unit.h"

static struct slice text(const char *string) { return slice_from_string(string); }

static void expect_line(struct entry_line *entry, const char *wanted) {
    struct buf line;
    buf_init(&line, &memory_libc);
    assert_int_equal(entry_line_write(entry, &line), STATUS_OK);
    if (!slice_equal(buf_slice(&line), text(wanted)))
        fail_msg("%.*s and not %s", (int)line.size, (const char *)line.data, wanted);
    buf_fini(&line);
}

static void entry_is_always_the_same_line(void **state) {
    (void)state;
    struct entry_line plain = {.key = text("user:7"), .value = text("Ada")};
    struct entry_line all = {
        .db = 3,
        .key = SLICE("\xff"),
        .value = text("a \"b\"\n"),
        .expires_at_ms = 1767225600000,
        .version = 42,
        .tag_count = 3,
        .tags = {text("b"), text("ab"), text("a")},
    };
    expect_line(&plain, "{\"db\":0,\"key\":\"user:7\",\"type\":\"string\",\"value\":\"Ada\"}\n");
    expect_line(&all,
                "{\"db\":3,\"key\":{\"base64\":\"/w==\"},\"type\":\"string\",\"value\":\"a \\\"b\\\"\\u000a\","
                "\"expires_at_ms\":1767225600000,\"version\":42,\"tags\":[\"a\",\"ab\",\"b\"]}\n");
}

static void any_entry_comes_back(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    struct entry_line_reader reader;
    struct buf line;
    static uint8_t bytes[200000];
    entry_line_reader_init(&reader);
    buf_init(&line, &memory_libc);
    for (int i = 0; i < 400; i++) {
        struct entry_line entry = {.db = (uint32_t)rng_below(&rng, 16)}, back;
        char problem[ENTRY_LINE_PROBLEM_SIZE], names[CACHE_TAGS_MAX][8];
        bool is_text = rng_below(&rng, 2);
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes[at] = is_text ? (uint8_t)rng_below(&rng, 128) : (uint8_t)rng_next(&rng);
        entry.key = slice_make(bytes, rng_below(&rng, 300));
        entry.value = slice_make(bytes + 300, rng_below(&rng, i % 20 ? 300 : sizeof bytes - 300));
        entry.expires_at_ms = rng_below(&rng, 2) ? 0 : rng_next(&rng) >> 1;
        entry.version = rng_below(&rng, 2) ? 0 : rng_next(&rng) >> 1;
        entry.tag_count = (uint32_t)rng_below(&rng, CACHE_TAGS_MAX + 1);
        for (uint32_t tag = 0; tag < entry.tag_count; tag++)
            entry.tags[tag] = slice_make(names[tag], (size_t)snprintf(names[tag], 8, "t%u", tag * 7 % 16));
        buf_clear(&line);
        assert_int_equal(entry_line_write(&entry, &line), STATUS_OK);
        assert_true(line.size < 2 * (entry.key.size + entry.value.size) * 3 + 600);
        assert_int_equal(entry_line_read(&reader, slice_part(buf_slice(&line), 0, line.size - 1), &back, problem),
                         STATUS_OK);
        assert_true(back.db == entry.db && slice_equal(back.key, entry.key) && slice_equal(back.value, entry.value));
        assert_true(back.expires_at_ms == entry.expires_at_ms && back.version == entry.version);
        assert_int_equal(back.tag_count, entry.tag_count);
        for (uint32_t tag = 0; tag < back.tag_count; tag++)
            assert_true(slice_equal(back.tags[tag], entry.tags[tag]));
    }
    buf_fini(&line);
    entry_line_reader_fini(&reader);
}

/* Large values whose text would be long are base64: so there is a bound for lines. */
static void large_value_takes_at_most_twice_its_size(void **state) {
    (void)state;
    static uint8_t zeros[ENTRY_LINE_BASE64_MIN];
    struct entry_line entry = {.key = text("k"), .value = slice_make(zeros, sizeof zeros)};
    struct buf line;
    buf_init(&line, &memory_libc);
    assert_int_equal(entry_line_write(&entry, &line), STATUS_OK);
    assert_true(line.size < sizeof zeros * 3 / 2);
    buf_fini(&line);
}

static void wrong_lines_are_refused_in_words(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"", "not JSON"},
        {"{\"key\":\"k\"", "not JSON"},
        {"{\"key\":\"k\",\"value\":\"v\"} x", "not JSON"},
        {"{\"key\":\"k\",\"value\":\"\xff\"}", "not JSON"},
        {"{\"key\":\"k\",\"value\":\"v\",\"value\":\"w\"}", "duplicate"},
        {"[]", "not an object"},
        {"{\"value\":\"v\"}", "\"key\" is missing"},
        {"{\"key\":\"k\"}", "\"value\" is missing"},
        {"{\"key\":1,\"value\":\"v\"}", "\"key\" is neither"},
        {"{\"key\":{\"base64\":\"x\"},\"value\":\"v\"}", "\"key\" is not base64"},
        {"{\"key\":{\"hex\":\"00\"},\"value\":\"v\"}", "\"key\" is neither"},
        {"{\"key\":\"k\",\"value\":null}", "\"value\" is neither"},
        {"{\"key\":\"k\",\"value\":\"v\",\"db\":16}", "\"db\" is not a number from 0 to 15"},
        {"{\"key\":\"k\",\"value\":\"v\",\"db\":-1}", "\"db\""},
        {"{\"key\":\"k\",\"value\":\"v\",\"type\":\"list\"}", "\"type\" is not \"string\""},
        {"{\"key\":\"k\",\"value\":\"v\",\"type\":\"string\\u0000s\"}", "\"type\" is not \"string\""},
        {"{\"key\":\"k\",\"value\":\"v\",\"type\":1}", "\"type\" is not \"string\""},
        {"{\"key\":\"k\",\"value\":\"v\",\"expires_at_ms\":0}", "\"expires_at_ms\" is not a number"},
        {"{\"key\":\"k\",\"value\":\"v\",\"expires_at_ms\":1.5}", "\"expires_at_ms\""},
        {"{\"key\":\"k\",\"value\":\"v\",\"expires_at_ms\":99999999999999999999}", "not JSON"},
        {"{\"key\":\"k\",\"value\":\"v\",\"version\":\"1\"}", "\"version\""},
        {"{\"key\":\"k\",\"value\":\"v\",\"tags\":\"t\"}", "\"tags\" is not an array"},
        {"{\"key\":\"k\",\"value\":\"v\",\"tags\":[\"\"]}", "a tag is not empty"},
        {"{\"key\":\"k\",\"value\":\"v\",\"tags\":[\"=class\"]}", "does not begin with"},
        {"{\"key\":\"k\",\"value\":\"v\",\"tags\":[\"a\",\"a\"]}", "twice"},
        {"{\"key\":\"k\",\"value\":\"v\",\"ttl\":5}", "nobody knows what \"ttl\" means"},
    };
    struct entry_line_reader reader;
    struct entry_line entry;
    entry_line_reader_init(&reader);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char problem[ENTRY_LINE_PROBLEM_SIZE] = "";
        enum status status = entry_line_read(&reader, text(wrong[i][0]), &entry, problem);
        if (status != STATUS_INVALID || !strstr(problem, wrong[i][1]))
            fail_msg("%s: %s, %s", wrong[i][0], status_text(status), problem);
    }
    entry_line_reader_fini(&reader);
}

static void sizes_end_where_those_of_the_cache_do(void **state) {
    (void)state;
    struct entry_line_reader reader;
    struct entry_line entry;
    struct buf line;
    char problem[ENTRY_LINE_PROBLEM_SIZE];
    static uint8_t key[CACHE_KEY_SIZE_MAX + 1];
    entry_line_reader_init(&reader);
    memset(key, 'k', sizeof key);
    for (size_t size = CACHE_KEY_SIZE_MAX; size <= sizeof key; size++) {
        struct entry_line large = {.key = slice_make(key, size), .value = text("v")};
        buf_init(&line, &memory_libc);
        assert_int_equal(entry_line_write(&large, &line), STATUS_OK);
        enum status status = entry_line_read(&reader, slice_part(buf_slice(&line), 0, line.size - 1), &entry, problem);
        assert_int_equal(status, size > CACHE_KEY_SIZE_MAX ? STATUS_INVALID : STATUS_OK);
        buf_fini(&line);
    }
    entry_line_reader_fini(&reader);
}

UNIT_TESTS(entry_line, UNIT(entry_is_always_the_same_line), UNIT(any_entry_comes_back),
           UNIT(large_value_takes_at_most_twice_its_size), UNIT(wrong_lines_are_refused_in_words),
           UNIT(sizes_end_where_those_of_the_cache_do));
