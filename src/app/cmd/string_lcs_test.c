#include "app/cmd/cmd_fixture.h"
#include "base/rng.h"

static void lcs_answers_as_redis(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "MSET a ohmytext b mynewtext", "+OK\r\n");
    EXPECT_REPLY(&f, "LCS a b", "$6\r\nmytext\r\n");
    EXPECT_REPLY(&f, "LCS a b LEN", ":6\r\n");
    EXPECT_REPLY(&f, "LCS a b IDX",
                 "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n"
                 "*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "LCS a b idx minmatchlen 4 withmatchlen",
                 "%2\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n");
    EXPECT_REPLY(&f, "LCS nothing b IDX", "%2\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n");
    EXPECT_REPLY(&f, "LCS nothing neither", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX.\r\n");
    EXPECT_REPLY(&f, "LCS a b foo", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "LCS a b MINMATCHLEN", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range\r\n");
    struct cache_key key = cache_key(f.cache, 0, SLICE("object"));
    struct cache_edit edit;
    cache_edit_begin(f.cache, &f.actor, &key, &edit);
    assert_int_equal(cache_edit_set(&edit, CACHE_OBJECT, SLICE("thing"), 0), STATUS_OK);
    cache_edit_end(&edit);
    EXPECT_REPLY(&f, "LCS a object foo", "-ERR The specified keys must contain string values\r\n");
    cmd_fixture_close(&f);
}

/* (11585 + 1)^2 cells of 4 bytes are just over 512 MiB. */
static void lcs_bounds_its_table(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SETRANGE a 11584 x", ":11585\r\n");
    EXPECT_REPLY(&f, "SETRANGE b 11584 y", ":11585\r\n");
    EXPECT_REPLY(&f, "LCS a b LEN",
                 "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n");
    EXPECT_REPLY(&f, "SETRANGE c 1048575 x", ":1048576\r\n");
    EXPECT_REPLY(&f, "SET d \"\\x00x\"", "+OK\r\n");
    EXPECT_REPLY(&f, "LCS c d", "$2\r\n\0x\r\n");
    EXPECT_REPLY(&f, "LCS d c LEN", ":2\r\n");
    cmd_fixture_close(&f);
}

/* The whole table, as a reader would write it first. */
static size_t naive_lcs(const char *a, const char *b, char *ret_text) {
    enum { MAX = 48 };
    size_t n = strlen(a), m = strlen(b), table[MAX][MAX] = {{0}};
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++)
            table[i][j] = a[i - 1] == b[j - 1]                ? table[i - 1][j - 1] + 1
                          : table[i - 1][j] > table[i][j - 1] ? table[i - 1][j]
                                                              : table[i][j - 1];
    size_t i = n, j = m, at = table[n][m];
    while (i && j) {
        if (a[i - 1] == b[j - 1])
            ret_text[--at] = a[--i], j--;
        else if (table[i - 1][j] > table[i][j - 1])
            i--;
        else
            j--;
    }
    return table[n][m];
}

static void random_text(struct rng *rng, char text[41]) {
    size_t size = rng_below(rng, 41);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + rng_below(rng, 3));
    text[size] = 0;
}

static void lcs_equals_the_naive_table(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct rng rng = rng_seeded(unit_seed());
    print_message("seed %llu\n", (unsigned long long)unit_seed());
    for (int round = 0; round < 2000; round++) {
        char a[41], b[41], line[128], expected[64], text[48];
        random_text(&rng, a);
        random_text(&rng, b);
        snprintf(line, sizeof line, "MSET a \"%s\" b \"%s\"", a, b);
        EXPECT_REPLY(&f, line, "+OK\r\n");
        size_t size = naive_lcs(a, b, text);
        snprintf(expected, sizeof expected, "$%zu\r\n%.*s\r\n", size, (int)size, text);
        cmd_fixture_expect(&f, "LCS a b", slice_from_string(expected), __FILE__, __LINE__);
        snprintf(expected, sizeof expected, ":%zu\r\n", size);
        cmd_fixture_expect(&f, "LCS a b LEN", slice_from_string(expected), __FILE__, __LINE__);
    }
    cmd_fixture_close(&f);
}

UNIT_TESTS(string_lcs, UNIT(lcs_answers_as_redis), UNIT(lcs_bounds_its_table), UNIT(lcs_equals_the_naive_table));
