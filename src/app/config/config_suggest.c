#include "app/config/config.h"
#include "base/bits.h"

enum { WORD_MAX = 48 };

static unsigned lower(uint8_t c) {
    if (c == '_')
        return '-';
    return c >= 'A' && c <= 'Z' ? c | 0x20u : c;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

/* Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
static unsigned distance(struct slice a, struct slice b) {
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.size; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a.size; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.size; j++) {
            unsigned differ = lower(a.data[i - 1]) != lower(b.data[j - 1]);
            now[j] = least(least(now[j - 1] + 1, last[j] + 1), last[j - 1] + differ);
            if (i > 1 && j > 1 && lower(a.data[i - 1]) == lower(b.data[j - 2]) &&
                lower(a.data[i - 2]) == lower(b.data[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.size];
}

/* What two words may differ by and still be taken for one: a third of the letters, at most 3. */
static unsigned bearable(size_t size) { return least((unsigned)(size + 2) / 3, 3); }

struct search {
    struct slice word;
    const char *best;
    unsigned best_distance;
};

static void search_try(struct search *search, const char *candidate) {
    struct slice other = slice_from_string(candidate);
    if (other.size > WORD_MAX)
        return;
    unsigned d = distance(search->word, other);
    /* The beginning of a longer name is near too, but any likely misspelling is nearer. */
    if (search->word.size >= 4 && slice_equal_nocase(search->word, slice_part(other, 0, search->word.size)))
        d = least(d, bearable(search->word.size));
    if (d < search->best_distance) {
        search->best = candidate;
        search->best_distance = d;
    }
}

static bool search_begin(struct search *search, struct slice word) {
    *search = (struct search){.word = word, .best_distance = bearable(word.size) + 1};
    return word.size > 0 && word.size <= WORD_MAX;
}

const char *config_suggest_word(struct slice word, const char *const *words) {
    struct search search;
    if (!search_begin(&search, word))
        return NULL;
    for (; *words; words++)
        search_try(&search, *words);
    return search.best;
}

const char *config_suggest(struct slice name) {
    struct search search;
    if (!search_begin(&search, name))
        return NULL;
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        search_try(&search, config_keys[i].name);
        for (const char *const *also = config_keys[i].also; also && *also; also++)
            search_try(&search, *also);
    }
    return search.best;
}
