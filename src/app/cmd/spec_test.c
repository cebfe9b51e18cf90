#include "unit.h"

#include "app/cmd/cmd.h"
#include "app/cmd/spec_docs.h"
#include "base/rng.h"

static const struct cmd_spec *naive_lookup(struct slice name) {
    for (uint32_t i = 0; i < cmd_table_count; i++)
        if (slice_equal_nocase(slice_from_string(cmd_table[i].name), name))
            return &cmd_table[i];
    return NULL;
}

static void every_command_is_found_in_any_case(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        size_t size = strlen(cmd_table[i].name);
        for (int round = 0; round < 100; round++) {
            char name[32];
            for (size_t k = 0; k < size; k++) {
                char c = cmd_table[i].name[k];
                name[k] = c >= 'a' && c <= 'z' && rng_below(&rng, 2) ? (char)(c & ~0x20) : c;
            }
            assert_ptr_equal(cmd_lookup(slice_make(name, size)), &cmd_table[i]);
        }
    }
}

static void what_is_almost_a_name_is_not_one(void **state) {
    char name[40];
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        size_t size = strlen(cmd_table[i].name);
        for (size_t k = 0; k < size; k++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(name, cmd_table[i].name, size);
                name[k] = (char)byte;
                struct slice almost = slice_make(name, size);
                assert_ptr_equal(cmd_lookup(almost), naive_lookup(almost));
            }
        }
        memcpy(name, cmd_table[i].name, size + 1);
        for (size_t k = 0; k <= size + 1; k++)
            assert_ptr_equal(cmd_lookup(slice_make(name, k)), naive_lookup(slice_make(name, k)));
    }
    memset(name, 'a', sizeof name);
    for (size_t k = 0; k <= sizeof name; k++)
        assert_null(cmd_lookup(slice_make(name, k)));
    assert_null(cmd_lookup(slice_make(NULL, 0)));
}

static void check_spec(const struct cmd_spec *spec, const struct cmd_spec *container, uint8_t *seen) {
    assert_true(spec->index < cmd_index_count);
    assert_int_equal(seen[spec->index]++, 0);
    assert_true(spec->run || spec->subcommand_count);
    assert_non_null(spec->docs);
    if (container) {
        assert_ptr_equal(cmd_lookup_sub(container, spec->last_name), spec);
        assert_memory_equal(spec->name, container->name, strlen(container->name));
    }
    for (uint32_t i = 0; i < spec->subcommand_count; i++)
        check_spec(&spec->subcommands[i], spec, seen);
}

static void table_is_sorted_and_indexes_are_dense(void **state) {
    uint8_t *seen = calloc(cmd_index_count, 1);
    assert_non_null(seen);
    for (uint32_t i = 0; i < cmd_table_count; i++) {
        if (i)
            assert_true(strcmp(cmd_table[i - 1].name, cmd_table[i].name) < 0);
        check_spec(&cmd_table[i], NULL, seen);
    }
    for (uint32_t i = 0; i < cmd_index_count; i++)
        assert_int_equal(seen[i], 1);
    free(seen);
}

/* The key positions of `count` arguments "x", of which argument 1 is `first`. */
static uint32_t positions(const struct cmd_key_spec *keys, uint32_t key_count, const char *first, uint32_t count,
                          uint32_t *ret_at, uint32_t max) {
    struct slice arguments[16];
    struct cmd_spec spec = {.name = "test", .keys = keys, .key_count = key_count};
    for (uint32_t i = 0; i < count; i++)
        arguments[i] = slice_from_string(i == 1 ? first : "x");
    return cmd_key_positions(&spec, arguments, count, ret_at, max);
}

static void ranges_of_keys_are_found(void **state) {
    uint32_t at[16];
    static const struct cmd_key_spec one = {.kind = CMD_KEYS_RANGE, .first = 1, .last = 1, .step = 1};
    assert_int_equal(positions(&one, 1, "x", 4, at, 16), 1);
    assert_int_equal(at[0], 1);
    assert_int_equal(positions(&one, 1, "x", 1, at, 16), 0);
    static const struct cmd_key_spec pairs = {.kind = CMD_KEYS_RANGE, .first = 1, .last = -1, .step = 2};
    assert_int_equal(positions(&pairs, 1, "x", 7, at, 16), 3);
    assert_int_equal(at[2], 5);
    assert_int_equal(positions(&pairs, 1, "x", 7, at, 1), 3); /* counts what it does not write */
    static const struct cmd_key_spec two[] = {{.kind = CMD_KEYS_RANGE, .first = 2, .last = 2, .step = 1},
                                              {.kind = CMD_KEYS_RANGE, .first = 3, .last = -1, .step = 1}};
    assert_int_equal(positions(two, 2, "x", 6, at, 16), 4);
    assert_int_equal(at[0], 2);
    assert_int_equal(at[3], 5);
}

static void counted_keys_are_found(void **state) {
    uint32_t at[16];
    static const struct cmd_key_spec keys = {.kind = CMD_KEYS_COUNTED, .count_at = 1, .first = 2, .step = 2};
    assert_int_equal(positions(&keys, 1, "2", 6, at, 16), 2);
    assert_int_equal(at[0], 2);
    assert_int_equal(at[1], 4);
    assert_int_equal(positions(&keys, 1, "2", 8, at, 16), 2);
    static const char *const bad[] = {"0", "-1", "x", "", "3", "4", "9223372036854775807", "4294967297", "1e1", "99"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(positions(&keys, 1, bad[i], 6, at, 16), 0);
    assert_int_equal(positions(&keys, 1, "1", 1, at, 16), 0);
}

/* Whatever the arguments are, positions stay inside them. */
static void positions_stay_inside_the_arguments(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    for (int round = 0; round < 20000; round++) {
        const struct cmd_spec *spec = &cmd_table[rng_below(&rng, cmd_table_count)];
        if (spec->subcommand_count)
            spec = &spec->subcommands[rng_below(&rng, spec->subcommand_count)];
        struct slice arguments[12];
        uint32_t at[12], count = 1 + (uint32_t)rng_below(&rng, 12);
        static const char *const words[] = {"1", "2", "-1", "11", "k", ""};
        for (uint32_t i = 0; i < count; i++)
            arguments[i] = slice_from_string(words[rng_below(&rng, 6)]);
        uint32_t found = cmd_key_positions(spec, arguments, count, at, count);
        if (found > count)
            fail_msg("seed %llu: %s has %u keys in %u arguments", (unsigned long long)unit_seed(), spec->name, found,
                     count);
        for (uint32_t i = 0; i < found; i++)
            assert_true(at[i] >= 1 && at[i] < count);
    }
}

UNIT_TESTS(spec, UNIT(every_command_is_found_in_any_case), UNIT(what_is_almost_a_name_is_not_one),
           UNIT(table_is_sorted_and_indexes_are_dense), UNIT(ranges_of_keys_are_found), UNIT(counted_keys_are_found),
           UNIT(positions_stay_inside_the_arguments));
