/* core/store/pattern.h: which keys a named store takes.
 *
 *     session:{sid}        `{name}`: one or more bytes, up to a ':' or to the byte that follows in the pattern
 *     cart:{sid}:*         `*`: any bytes, also none
 *     report:daily         everything else stands for itself; `\` before a byte takes that byte literally
 *
 * Of several patterns that match, the one that fixes more bytes is meant (pattern_weight), and of two that fix as many the
 * one that was given first.
 *
 * Threads: no state.
 * Time:    without a `*` one pass over the name; with one at most (name size) x (pattern size) steps.
 * Errors:  pattern_check says what is wrong with a pattern; only patterns that passed may be matched.
 */
#ifndef STRATA_CORE_STORE_PATTERN_H
#define STRATA_CORE_STORE_PATTERN_H

#include "base/slice.h"

enum {
    STORE_PATTERN_SIZE_MAX = 255,
    STORE_PATTERN_PARTS_MAX = 8, /* `{}` and `*` together */
};

/* NULL, or what is wrong, for people; `*ret_at`: the byte where. */
const char *pattern_check(struct slice pattern, size_t *ret_at);

/* `ret_part`: what the first `{}` matched; empty if there is none. */
bool pattern_matches(struct slice pattern, struct slice name, struct slice *ret_part);

/* Bytes that stand for themselves. */
size_t pattern_weight(struct slice pattern);

/* Whether it has a `{}` and no `*`: with the first `{}` filled in, it names one key. */
bool pattern_names_one(struct slice pattern);

/* The name that such a pattern gives with its first `{}` filled in, cut to `size_max` bytes; answers its size. */
size_t pattern_fill(struct slice pattern, struct slice part, uint8_t *ret_name, size_t size_max);

/* Whether two patterns are the same but for the names of their parts and needless backslashes, and so take the same keys. */
bool pattern_same(struct slice a, struct slice b);

/* The bytes before the first `{}` or `*`, as long as they stand for themselves: a key without them cannot match. */
struct slice pattern_prefix(struct slice pattern);

#endif
