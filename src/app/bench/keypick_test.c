#include "app/bench/keypick.h"

#include <math.h>

#include "unit.h"

enum { DRAWS = 2000000, KEYS = 100000 };

static void expect_near(double got, double wanted, double tolerance, const char *what, double theta) {
    if (fabs(got - wanted) > tolerance)
        fail_msg("%s: %g instead of %g (+- %g), theta %g, seed %llu", what, got, wanted, tolerance, theta,
                 (unsigned long long)unit_seed());
}

/* Shares of the draws that fall on the most popular 1, 10, ... ranks, against sums of the law itself. */
static void expect_law(double theta) {
    struct keypick pick;
    struct rng rng = rng_seeded(unit_seed());
    double *sums = calloc(KEYS + 1, sizeof *sums);
    uint32_t *drawn = calloc(KEYS, sizeof *drawn);
    assert_int_equal(keypick_init(&pick, &memory_libc, KEYS, theta), STATUS_OK);
    for (int i = 0; i < KEYS; i++)
        sums[i + 1] = sums[i] + pow(i + 1, -theta);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t rank = keypick_rank(&pick, &rng);
        assert_true(rank < KEYS);
        drawn[rank]++;
    }
    uint64_t so_far = 0;
    for (int rank = 0, next = 1; rank < KEYS; rank++) {
        so_far += drawn[rank];
        if (rank + 1 != next)
            continue;
        double share = sums[next] / sums[KEYS], got = (double)so_far / DRAWS;
        expect_near(got, share, 6 * sqrt(share * (1 - share) / DRAWS) + 1e-4, "share of the first ranks", theta);
        next *= 10;
    }
    assert_int_equal(so_far, DRAWS);
    keypick_fini(&pick);
    free(sums);
    free(drawn);
}

static void popularity_follows_the_law_of_zipf(void **state) {
    static const double thetas[] = {0.5, 0.99, 1, 1.2, 2};
    for (size_t i = 0; i < sizeof thetas / sizeof *thetas; i++)
        expect_law(thetas[i]);
}

static void uniform_draws_reach_all_keys_alike(void **state) {
    enum { FEW = 1000 };
    struct keypick pick;
    struct rng rng = rng_seeded(unit_seed());
    uint32_t drawn[FEW] = {0};
    assert_int_equal(keypick_init(&pick, &memory_libc, FEW, 0), STATUS_OK);
    for (int i = 0; i < DRAWS; i++)
        drawn[keypick_next(&pick, &rng)]++;
    for (int i = 0; i < FEW; i++)
        expect_near(drawn[i], DRAWS / FEW, 6 * sqrt(DRAWS / FEW), "draws of a key", 0);
    keypick_fini(&pick);
}

static void every_rank_has_a_key_of_its_own(void **state) {
    static const uint64_t counts[] = {1, 2, 3, 10, 1000, 4096, 9240, 99991};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct keypick pick;
        uint8_t *seen = calloc(counts[i], 1);
        assert_int_equal(keypick_init(&pick, &memory_libc, counts[i], 1), STATUS_OK);
        for (uint64_t rank = 0; rank < counts[i]; rank++) {
            uint64_t key = (uint64_t)((unsigned __int128)rank * pick.stride % pick.key_count);
            assert_int_equal(seen[key], 0);
            seen[key] = 1;
        }
        keypick_fini(&pick);
        free(seen);
    }
}

static void the_largest_key_space_is_no_trouble(void **state) {
    struct keypick pick;
    struct rng rng = rng_seeded(unit_seed());
    assert_int_equal(keypick_init(&pick, &memory_libc, 1ull << 32, 0.8), STATUS_OK);
    assert_true(pick.class_count * sizeof *pick.classes <= 200 * 1024);
    for (int i = 0; i < 100000; i++)
        assert_true(keypick_next(&pick, &rng) < 1ull << 32);
    keypick_fini(&pick);
}

UNIT_TESTS(keypick, UNIT(popularity_follows_the_law_of_zipf), UNIT(uniform_draws_reach_all_keys_alike),
           UNIT(every_rank_has_a_key_of_its_own), UNIT(the_largest_key_space_is_no_trouble));
