#include "core/rules/language.h"

#include "core/rules/rules_fixture.h"
#include "unit.h"

static void pairs_agree_with_trying_every_short_key(void **state) {
    uint64_t seed = unit_seed();
    uint32_t overlaps = 0, contained = 0;
    struct rng rng = rng_seeded(seed);
    for (int round = 0; round < 4000; round++) {
        struct fixture_patterns patterns = {.count = 0};
        char a[64], b[64], c[64];
        arena_init(&patterns.arena, &memory_libc, 4096);
        fixture_random_pattern(&rng, a);
        fixture_random_pattern(&rng, b);
        fixture_random_pattern(&rng, c);
        if (fixture_add(&patterns, a) && fixture_add(&patterns, b) && fixture_add(&patterns, c)) {
            const struct rules_pattern *x = &patterns.list[0], *others[] = {&patterns.list[1], &patterns.list[2]};
            struct rules_witness both, left;
            bool overlap = false, leaves_out = false, seen_both = false, seen_left = false;
            assert_int_equal(rules_overlap(x, others[0], &patterns.arena, &overlap, &both), STATUS_OK);
            assert_int_equal(rules_leaves_out(x, others, 2, &patterns.arena, &leaves_out, &left), STATUS_OK);
            for (uint32_t n = 0; n < FIXTURE_KEYS; n++) {
                uint8_t bytes[8];
                struct slice key = slice_make(bytes, fixture_key(n, bytes));
                bool in_x = rules_pattern_matches(x, key, NULL), in_b = rules_pattern_matches(others[0], key, NULL);
                seen_both |= in_x && in_b;
                seen_left |= in_x && !in_b && !rules_pattern_matches(others[1], key, NULL);
            }
            if ((seen_both && !overlap) || (seen_left && !leaves_out))
                fail_msg("seed %llu: '%s', '%s', '%s': a key was overlooked", (unsigned long long)seed, a, b, c);
            /* an answer yes has to be proven by its witness */
            struct slice witness = slice_make(both.bytes, both.size), evidence = slice_make(left.bytes, left.size);
            if (overlap && !(fixture_takes(x, 0, witness, 0) && fixture_takes(others[0], 0, witness, 0)))
                fail_msg("seed %llu: '%s' and '%s': a wrong witness", (unsigned long long)seed, a, b);
            if (leaves_out && (!fixture_takes(x, 0, evidence, 0) || fixture_takes(others[0], 0, evidence, 0) ||
                               fixture_takes(others[1], 0, evidence, 0)))
                fail_msg("seed %llu: '%s', '%s', '%s': a wrong witness", (unsigned long long)seed, a, b, c);
            overlaps += overlap;
            contained += !leaves_out;
        }
        arena_fini(&patterns.arena);
    }
    assert_true(overlaps > 100 && contained > 100);
}

#define ANY_FOURTEEN "[ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab][ab]"

/* Whether the fifteenth byte from the end was an a has to be remembered of each of the last bytes. */
static void questions_without_end_are_given_up(void **state) {
    struct fixture_patterns patterns = {.count = 0};
    struct rules_witness witness;
    bool leaves_out = false;
    arena_init(&patterns.arena, &memory_libc, 1 << 20);
    assert_true(fixture_add(&patterns, "*[ab]" ANY_FOURTEEN));
    assert_true(fixture_add(&patterns, "*a" ANY_FOURTEEN));
    assert_true(fixture_add(&patterns, "*b" ANY_FOURTEEN));
    const struct rules_pattern *others[] = {&patterns.list[1], &patterns.list[2]};
    assert_int_equal(rules_leaves_out(&patterns.list[0], others, 2, &patterns.arena, &leaves_out, &witness),
                     STATUS_TOO_LARGE);
    arena_fini(&patterns.arena);
}

UNIT_TESTS(language, UNIT(pairs_agree_with_trying_every_short_key), UNIT(questions_without_end_are_given_up));
