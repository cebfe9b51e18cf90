/* What finding a key's class costs: `match_bench [ROUNDS]` prints nanoseconds a key for sets of patterns, `--check` runs a few rounds. Under
 * callgrind, `match_bench --count NAME` matches 100,000 keys with one set, so that instructions can be divided. */
#include <stdio.h>
#include <time.h>

#include "core/rules/match.h"
#include "core/rules/rules_fixture.h"

enum { KEYS = 1024, PATTERNS_MAX = 1000, COUNTED = 100000 };

struct set {
    const char *name;
    uint32_t count;
    const char *pattern, *key; /* of the n-th; "%u" is its number */
};

/* A manifest of a thousand classes as it might be, one in which all begin alike, and the worst: stars in front. */
static const struct set sets[] = {
    {"one", 1, "user:{id}", "user:%u"},
    {"services", 1000, "service%u:user:{id}:settings", "service%u:user:123456:settings"},
    {"siblings", 1000, "app:{tenant}:kind%u:{id}", "app:tenant7:kind%u:123456"},
    {"mixed", 1000, "app:{tenant}:k%u:*", "app:tenant7:k%u:123456:more:and:more"},
    {"misses", 1000, "service%u:user:{id}:settings", "elsewhere:%u:user"},
    {"suffixes", 1000, "*:suffix%u", "app:tenant7:some:key:suffix%u"},
};

struct bench {
    struct arena arena;
    const struct rules_matcher *matcher;
    struct rules_pattern patterns[PATTERNS_MAX];
    struct slice keys[KEYS];
};

static void text_of(struct arena *arena, const char *format, uint32_t number, struct slice *ret_text) {
    char text[256];
    int size = snprintf(text, sizeof text, format, number, number);
    bool copied = arena_copy(arena, slice_make(text, (size_t)size), ret_text);
    ASSERT(copied);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void bench_begin(struct bench *bench, const struct set *set) {
    struct rules_pattern_problem problem;
    arena_init(&bench->arena, &memory_libc, 1 << 16);
    for (uint32_t i = 0; i < set->count; i++) {
        struct slice text;
        text_of(&bench->arena, set->pattern, i, &text);
        enum status status = rules_pattern_parse(text, RULES_SYNTAX_KEYS, &bench->arena, &bench->patterns[i], &problem);
        ASSERT(status == STATUS_OK);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        text_of(&bench->arena, set->key, i * 7 % set->count, &bench->keys[i]);
    enum status status = rules_matcher_new(bench->patterns, set->count, &bench->arena, &bench->matcher);
    ASSERT(status == STATUS_OK);
}

/* Answers how many were found, so that nothing is left out. */
static uint32_t bench_run(const struct bench *bench, uint32_t count) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct rules_fields fields;
        found += rules_matcher_find(bench->matcher, bench->keys[i % KEYS], UINT32_MAX, &fields) != UINT32_MAX;
    }
    return found;
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv) {
    static struct bench bench;
    bool check = argc > 1 && strcmp(argv[1], "--check") == 0, count = argc > 2 && strcmp(argv[1], "--count") == 0;
    uint32_t rounds = check ? 1 : argc > 1 && !count ? (uint32_t)atoi(argv[1]) : 50;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (count && strcmp(argv[2], sets[i].name) != 0)
            continue;
        bench_begin(&bench, &sets[i]);
        double best_ns = 1e18;
        for (uint32_t round = 0; round < rounds && !count; round++) {
            uint32_t matches = check ? KEYS : 20 * KEYS;
            double begin = now_ns();
            uint32_t found = bench_run(&bench, matches);
            double ns = (now_ns() - begin) / matches;
            ASSERT(found == (strcmp(sets[i].name, "misses") == 0 ? 0 : matches));
            best_ns = ns < best_ns ? ns : best_ns;
        }
        if (count)
            printf("%u\n", bench_run(&bench, COUNTED));
        else
            printf("%-10s %4u patterns  %8.1f ns a key\n", sets[i].name, sets[i].count, best_ns);
        arena_fini(&bench.arena);
    }
    return 0;
}
