#include "core/store/pattern.h"

/* One step of a pattern: a byte, a part or a star. */
enum token { TOKEN_END, TOKEN_BYTE, TOKEN_PART, TOKEN_STAR };

static enum token next_token(struct slice pattern, size_t *at, uint8_t *ret_byte) {
    if (*at >= pattern.size)
        return TOKEN_END;
    uint8_t byte = pattern.data[(*at)++];
    if (byte == '*')
        return TOKEN_STAR;
    if (byte == '{') {
        while (pattern.data[(*at)++] != '}')
            continue;
        return TOKEN_PART;
    }
    if (byte == '\\')
        byte = pattern.data[(*at)++];
    *ret_byte = byte;
    return TOKEN_BYTE;
}

static bool is_part_name(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '.' || byte == '-';
}

/* The byte behind a part's `}`, or what is wrong. */
static const char *check_part(struct slice pattern, size_t *at) {
    size_t begin = *at;
    while (*at < pattern.size && is_part_name(pattern.data[*at]))
        ++*at;
    if (*at == pattern.size)
        return "a '{' without its '}'";
    if (pattern.data[*at] != '}')
        return "a part's name is made of letters, digits, '_', '.' and '-'";
    if (*at == begin)
        return "a part needs a name, as in {id}";
    ++*at;
    return NULL;
}

const char *pattern_check(struct slice pattern, size_t *ret_at) {
    size_t parts = 0, at = 0;
    bool after_wild = false;
    if (pattern.size == 0)
        return *ret_at = 0, "an empty pattern";
    if (pattern.size > STORE_PATTERN_SIZE_MAX)
        return *ret_at = STORE_PATTERN_SIZE_MAX, "a pattern of more than 255 bytes";
    while (at < pattern.size) {
        *ret_at = at;
        uint8_t byte = pattern.data[at++];
        bool wild = byte == '*' || byte == '{';
        const char *wrong = byte == '{' ? check_part(pattern, &at) : NULL;
        if (wrong)
            return wrong;
        if (wild && after_wild)
            return "two of '{}' and '*' side by side: nothing says where one ends";
        if (wild && ++parts > STORE_PATTERN_PARTS_MAX)
            return "more than 8 of '{}' and '*'";
        if (byte == '}')
            return "a '}' without its '{'";
        if (byte == '\\' && at++ == pattern.size)
            return "a '\\' at the end";
        after_wild = wild;
    }
    return NULL;
}

/* Where a match stands. */
struct place {
    size_t pattern_at, name_at;
};

/* A part ends where the pattern goes on, so where it begins decides where it ends: nothing has to be tried. */
static bool take_part(struct slice pattern, struct slice name, struct place *at, struct slice *first) {
    size_t begin = at->name_at, behind = at->pattern_at;
    uint8_t stop = ':';
    (void)next_token(pattern, &behind, &stop);
    while (at->name_at < name.size && name.data[at->name_at] != ':' && name.data[at->name_at] != stop)
        at->name_at++;
    if (!first->data)
        *first = slice_part(name, begin, at->name_at - begin);
    return at->name_at > begin;
}

/* Matches up to the next star or the end; `*ret_star` says which. */
static bool match_piece(struct slice pattern, struct slice name, struct place *at, struct slice *first,
                        bool *ret_star) {
    for (;;) {
        uint8_t byte = 0;
        switch (next_token(pattern, &at->pattern_at, &byte)) {
            case TOKEN_END:
                *ret_star = false;
                return at->name_at == name.size;
            case TOKEN_STAR:
                *ret_star = true;
                return true;
            case TOKEN_PART:
                if (!take_part(pattern, name, at, first))
                    return false;
                break;
            case TOKEN_BYTE:
                if (at->name_at == name.size || name.data[at->name_at++] != byte)
                    return false;
        }
    }
}

/* Behind a star the earliest match of what follows leaves most of the name for the rest, and a later beginning never ends
 * earlier; so only the last star is ever stretched. */
bool pattern_matches(struct slice pattern, struct slice name, struct slice *ret_part) {
    struct place at = {0, 0}, star = {0, 0};
    struct slice first = slice_make(NULL, 0), before = first;
    bool starred = false;
    for (;;) {
        bool at_star;
        if (match_piece(pattern, name, &at, &first, &at_star)) {
            if (!at_star)
                break;
            star = at;
            before = first;
            starred = true;
            continue;
        }
        if (!starred || star.name_at == name.size)
            return false;
        star.name_at++;
        at = star;
        first = before;
    }
    *ret_part = first;
    return true;
}

size_t pattern_weight(struct slice pattern) {
    size_t at = 0, weight = 0;
    uint8_t byte;
    for (enum token token; (token = next_token(pattern, &at, &byte)) != TOKEN_END;)
        weight += token == TOKEN_BYTE;
    return weight;
}

bool pattern_names_one(struct slice pattern) {
    size_t at = 0, parts = 0;
    uint8_t byte;
    for (enum token token; (token = next_token(pattern, &at, &byte)) != TOKEN_END;) {
        if (token == TOKEN_STAR)
            return false;
        parts += token == TOKEN_PART;
    }
    return parts == 1;
}

bool pattern_same(struct slice a, struct slice b) {
    size_t at_a = 0, at_b = 0;
    for (;;) {
        uint8_t byte_a = 0, byte_b = 0;
        enum token token = next_token(a, &at_a, &byte_a);
        if (token != next_token(b, &at_b, &byte_b) || byte_a != byte_b)
            return false;
        if (token == TOKEN_END)
            return true;
    }
}

struct slice pattern_prefix(struct slice pattern) {
    size_t size = 0;
    while (size < pattern.size && !memchr("*{\\", pattern.data[size], 3))
        size++;
    return slice_part(pattern, 0, size);
}

size_t pattern_fill(struct slice pattern, struct slice part, uint8_t *ret_name, size_t size_max) {
    size_t at = 0, size = 0;
    uint8_t byte;
    for (enum token token; (token = next_token(pattern, &at, &byte)) != TOKEN_END;) {
        struct slice piece = token == TOKEN_BYTE ? slice_make(&byte, 1) : part;
        piece = slice_part(piece, 0, size_max - size);
        memcpy(ret_name + size, piece.data, piece.size);
        size += piece.size;
    }
    return size;
}
