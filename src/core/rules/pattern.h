/* core/rules/pattern.h: patterns of keys, as the manifest writes them.
 *
 *     user:{id}       `{name}`: one or more bytes, none of them a ':' or one that what follows can begin with
 *     feed:{id}:*     `*`: any bytes, also none
 *     flag:[a-f0-9]   one byte of these; [^x] any byte but these
 *     price:\*        `\` takes the byte behind it literally; everything else stands for itself
 *
 * What a part matches ends where the pattern goes on, so the beginning of a part decides its end: only stars are ever tried again. Two parts or
 * stars never stand side by side, for nothing would say where the first one ends.
 *
 * Threads: no state; a parsed pattern is never changed.
 * Memory:  tokens lie in the arena that is handed in, names of parts in the text, which has to live as long.
 * Time:    a match takes one pass over the key without stars, at most (key size) x (pattern size) steps with them.
 * Errors:  rules_pattern_parse says what is wrong and at which byte.
 */
#ifndef STRATA_CORE_RULES_PATTERN_H
#define STRATA_CORE_RULES_PATTERN_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    RULES_PATTERN_SIZE_MAX = 255,
    RULES_FIELDS_MAX = 8, /* parts of one pattern */
    RULES_WILDS_MAX = 16, /* parts, stars and sets together */
    RULES_NO_SET = 0xff,
};

enum rules_syntax {
    RULES_SYNTAX_KEYS,     /* classes and targets; names of parts are words */
    RULES_SYNTAX_TEMPLATE, /* names of parts may be paths: {data.user.id}, {data.ids[]} */
    RULES_SYNTAX_GLOB,     /* as commands take them: `?` is any byte, braces stand for themselves */
};

enum rules_token_kind { RULES_BYTE, RULES_SET, RULES_PART, RULES_STAR };

struct rules_token {
    uint8_t kind;  /* enum rules_token_kind */
    uint8_t byte;  /* RULES_BYTE: itself; RULES_PART: a byte at which it ends, beside ':' */
    uint8_t set;   /* RULES_SET: its number; RULES_PART: a set at whose bytes it ends, or RULES_NO_SET */
    uint8_t field; /* RULES_PART: its number */
    uint16_t at;   /* where it begins in the text */
};

struct rules_set {
    uint64_t words[4]; /* a bit for each byte */
};

static inline bool rules_set_has(const struct rules_set *set, uint8_t byte) {
    return set->words[byte >> 6] >> (byte & 63) & 1;
}

struct rules_pattern {
    struct slice text;
    const struct rules_token *tokens;
    const struct rules_set *sets;
    const struct slice *fields; /* names of parts, in the order of the text */
    uint16_t token_count, set_count;
    uint8_t field_count, star_count;
};

/* What parts matched; offsets into the key. `count` is the number of the pattern's parts. */
struct rules_fields {
    struct {
        uint32_t begin, end;
    } at[RULES_FIELDS_MAX];
    uint32_t count;
};

static inline struct slice rules_field(const struct rules_fields *fields, struct slice key, uint32_t field) {
    return slice_make(key.data + fields->at[field].begin, fields->at[field].end - fields->at[field].begin);
}

struct rules_pattern_problem {
    size_t at, size; /* the bytes that are wrong */
    const char *what, *help;
};

/* STATUS_INVALID fills ret_problem, STATUS_NO_MEMORY does not. */
MUST_CHECK enum status rules_pattern_parse(struct slice text, enum rules_syntax syntax, struct arena *arena,
                                           struct rules_pattern *ret_pattern,
                                           struct rules_pattern_problem *ret_problem);

/* `ret_fields` may be NULL. A star takes as little as it can. */
bool rules_pattern_matches(const struct rules_pattern *pattern, struct slice key, struct rules_fields *ret_fields);

/* The same from a token on, for a key whose beginning the tokens before have matched already. */
bool rules_pattern_matches_from(const struct rules_pattern *pattern, uint32_t token, struct slice key, uint32_t key_at,
                                struct rules_fields *fields);

/* Which of two patterns is meant when both match a key: below 0 the first, above 0 the second, 0 neither. The order is total on patterns, and
 * a pattern whose keys another takes as well, and more, comes before that one. */
int rules_pattern_order(const struct rules_pattern *a, const struct rules_pattern *b);

/* Whether they are the same but for names of parts and needless escapes. */
bool rules_pattern_same(const struct rules_pattern *a, const struct rules_pattern *b);

/* Bytes that stand for themselves at its beginning; they are tokens 0 to count - 1. */
uint32_t rules_pattern_prefix(const struct rules_pattern *pattern);

/* Whether a part, or a set, takes the byte. */
bool rules_token_takes(const struct rules_pattern *pattern, const struct rules_token *token, uint8_t byte);

/* The number of the part with that name, or RULES_FIELDS_MAX. */
uint32_t rules_pattern_field(const struct rules_pattern *pattern, struct slice name);

#endif
