/* Patterns by lines, then an empty line, then a key: the tree of them finds what looking at all of them finds, matching agrees with the walk
 * through states that the checker uses, and no pattern reads beyond its end. */
#include "base/assert.h"
#include "core/rules/language.h"
#include "core/rules/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATTERNS_MAX = 12 };

struct input {
    struct arena arena;
    struct rules_pattern patterns[PATTERNS_MAX];
    uint32_t count;
    struct slice key;
};

static void add(struct input *input, struct slice line) {
    struct rules_pattern_problem problem;
    struct slice copy;
    struct rules_pattern *pattern = &input->patterns[input->count];
    bool copied = arena_copy(&input->arena, line, &copy);
    ASSERT(copied);
    if (rules_pattern_parse(copy, RULES_SYNTAX_KEYS, &input->arena, pattern, &problem) != STATUS_OK) {
        ASSERT(problem.what && problem.help && problem.size > 0 && problem.at <= line.size);
        return;
    }
    for (uint32_t i = 0; i < input->count; i++)
        if (rules_pattern_same(&input->patterns[i], pattern))
            return;
    input->count++;
}

static void read_input(struct input *input, struct slice text) {
    for (size_t at = 0; at <= text.size && input->count < PATTERNS_MAX;) {
        size_t end = at;
        while (end < text.size && text.data[end] != '\n')
            end++;
        struct slice line = slice_part(text, at, end - at);
        at = end + 1;
        if (line.size == 0)
            break;
        add(input, line);
        input->key = slice_part(text, at, text.size);
    }
}

/* A key as a pattern that takes only this one. */
static bool of_one_key(struct arena *arena, struct slice key, struct rules_pattern *ret_pattern) {
    uint8_t escaped[RULES_PATTERN_SIZE_MAX + 1];
    struct rules_pattern_problem problem;
    struct slice copy;
    if (key.size == 0 || 2 * key.size > RULES_PATTERN_SIZE_MAX)
        return false;
    for (size_t i = 0; i < key.size; i++) {
        escaped[2 * i] = '\\';
        escaped[2 * i + 1] = key.data[i];
    }
    return arena_copy(arena, slice_make(escaped, 2 * key.size), &copy) &&
           rules_pattern_parse(copy, RULES_SYNTAX_KEYS, arena, ret_pattern, &problem) == STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {.count = 0};
    struct rules_pattern one, glob;
    struct rules_pattern_problem problem;
    const struct rules_matcher *matcher;
    uint32_t best = UINT32_MAX;
    arena_init(&input.arena, &memory_libc, 4096);
    read_input(&input, slice_make(data, size));
    bool has_one = of_one_key(&input.arena, input.key, &one);
    for (uint32_t i = 0; i < input.count; i++) {
        bool matches = rules_pattern_matches(&input.patterns[i], input.key, NULL), overlap = false;
        struct rules_witness witness;
        if (matches && (best == UINT32_MAX || rules_pattern_order(&input.patterns[i], &input.patterns[best]) < 0))
            best = i;
        if (has_one && rules_overlap(&input.patterns[i], &one, &input.arena, &overlap, &witness) == STATUS_OK)
            ASSERT(overlap == matches);
    }
    enum status status = rules_matcher_new(input.patterns, input.count, &input.arena, &matcher);
    ASSERT(status == STATUS_OK);
    struct rules_fields fields, expected;
    uint32_t found = rules_matcher_find(matcher, input.key, UINT32_MAX, &fields);
    ASSERT(found == best);
    if (found != UINT32_MAX) {
        bool matches = rules_pattern_matches(&input.patterns[found], input.key, &expected);
        ASSERT(matches && fields.count == expected.count);
        for (uint32_t i = 0; i < fields.count; i++)
            ASSERT(fields.at[i].begin == expected.at[i].begin && fields.at[i].end == expected.at[i].end &&
                   fields.at[i].end <= input.key.size);
    }
    if (rules_pattern_parse(slice_part(slice_make(data, size), 0, RULES_PATTERN_SIZE_MAX), RULES_SYNTAX_GLOB,
                            &input.arena, &glob, &problem) == STATUS_OK)
        (void)rules_pattern_matches(&glob, input.key, NULL);
    arena_fini(&input.arena);
    return 0;
}
