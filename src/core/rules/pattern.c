#include "core/rules/pattern.h"

#include "base/assert.h"

struct parser {
    struct slice text;
    enum rules_syntax syntax;
    size_t at;
    struct rules_token tokens[RULES_PATTERN_SIZE_MAX];
    struct rules_set sets[RULES_WILDS_MAX];
    struct slice fields[RULES_FIELDS_MAX];
    uint32_t token_count, set_count, field_count, star_count, wild_count;
    struct rules_pattern_problem problem;
};

static bool wrong(struct parser *parser, size_t at, size_t size, const char *what, const char *help) {
    parser->problem = (struct rules_pattern_problem){at, size ? size : 1, what, help};
    return false;
}

static bool is_name_byte(const struct parser *parser, uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '-' || (parser->syntax == RULES_SYNTAX_TEMPLATE && byte == '.');
}

static bool add_token(struct parser *parser, struct rules_token token) {
    if (token.kind != RULES_BYTE && ++parser->wild_count > RULES_WILDS_MAX)
        return wrong(parser, token.at, 1, "more than 16 parts, stars and sets", "write a shorter pattern");
    ASSERT(parser->token_count < RULES_PATTERN_SIZE_MAX);
    parser->tokens[parser->token_count++] = token;
    return true;
}

static bool follows_open_end(const struct parser *parser) {
    return parser->token_count && (parser->tokens[parser->token_count - 1].kind == RULES_PART ||
                                   parser->tokens[parser->token_count - 1].kind == RULES_STAR);
}

static bool take_part(struct parser *parser) {
    size_t begin = parser->at++, name = parser->at;
    const struct slice text = parser->text;
    while (parser->at < text.size && is_name_byte(parser, text.data[parser->at]))
        parser->at++;
    size_t end = parser->at;
    if (parser->syntax == RULES_SYNTAX_TEMPLATE && end > name && slice_equal(slice_part(text, end, 2), SLICE("[]")))
        end = parser->at += 2;
    if (parser->at == text.size)
        return wrong(parser, begin, text.size - begin, "a '{' without its '}'",
                     "close the part, as in {id}, or write \\{");
    if (text.data[parser->at] != '}')
        return wrong(parser, parser->at, 1, "this byte may not stand in the name of a part",
                     "names of parts are made of letters, digits, '_' and '-', as in {id}");
    if (end == name)
        return wrong(parser, begin, 2, "a part without a name", "name it, as in {id}");
    parser->at++;
    if (follows_open_end(parser))
        return wrong(parser, begin, parser->at - begin, "nothing says where the one ends and the other begins",
                     "put a byte between them, as in {a}:{b}");
    if (parser->field_count == RULES_FIELDS_MAX)
        return wrong(parser, begin, parser->at - begin, "more than 8 parts", "use '*' for what is not needed by name");
    struct slice field = slice_part(text, name, end - name);
    for (uint32_t i = 0; i < parser->field_count && parser->syntax == RULES_SYNTAX_KEYS; i++)
        if (slice_equal(parser->fields[i], field))
            return wrong(parser, begin, parser->at - begin, "a second part with this name",
                         "give each part a name of its own");
    parser->fields[parser->field_count] = field;
    return add_token(parser, (struct rules_token){.kind = RULES_PART,
                                                  .set = RULES_NO_SET,
                                                  .byte = ':',
                                                  .field = (uint8_t)parser->field_count++,
                                                  .at = (uint16_t)begin});
}

static bool take_star(struct parser *parser) {
    size_t begin = parser->at++;
    if (parser->syntax == RULES_SYNTAX_GLOB && follows_open_end(parser))
        return true;
    if (follows_open_end(parser))
        return wrong(parser, begin, 1, "nothing says where the one ends and the other begins",
                     "leave one of them out, or put a byte between them, as in {id}:*");
    parser->star_count++;
    return add_token(parser, (struct rules_token){.kind = RULES_STAR, .set = RULES_NO_SET, .at = (uint16_t)begin});
}

static void set_add(struct rules_set *set, unsigned from, unsigned to) {
    for (unsigned byte = from; byte <= to; byte++)
        set->words[byte >> 6] |= 1ull << (byte & 63);
}

static unsigned set_size(const struct rules_set *set) {
    unsigned size = 0;
    for (int i = 0; i < 4; i++)
        size += (unsigned)__builtin_popcountll(set->words[i]);
    return size;
}

static bool set_byte(struct parser *parser, uint8_t *ret_byte) {
    if (parser->at < parser->text.size && parser->text.data[parser->at] == '\\')
        parser->at++;
    if (parser->at >= parser->text.size)
        return false;
    *ret_byte = parser->text.data[parser->at++];
    return true;
}

/* The bytes up to the ']'. */
static bool set_body(struct parser *parser, size_t begin, struct rules_set *set) {
    const struct slice text = parser->text;
    while (parser->at < text.size && text.data[parser->at] != ']') {
        size_t from_at = parser->at;
        uint8_t from, to;
        if (!set_byte(parser, &from))
            break;
        to = from;
        if (parser->at + 1 < text.size && text.data[parser->at] == '-' && text.data[parser->at + 1] != ']') {
            parser->at++;
            if (!set_byte(parser, &to))
                break;
        }
        if (to < from)
            return wrong(parser, from_at, parser->at - from_at, "a range that runs backwards",
                         "write the smaller byte first, as in [a-z]");
        set_add(set, from, to);
    }
    if (parser->at >= text.size)
        return wrong(parser, begin, text.size - begin, "a '[' without its ']'",
                     "close the set, as in [a-z], or write \\[");
    parser->at++;
    return true;
}

static bool add_set(struct parser *parser, size_t begin, const struct rules_set *set) {
    unsigned size = set_size(set);
    if (size == 0)
        return wrong(parser, begin, parser->at - begin, "a set without bytes", "write what it may be, as in [a-z]");
    if (size == 256 && parser->syntax != RULES_SYNTAX_GLOB)
        return wrong(parser, begin, parser->at - begin, "a set of all bytes", "use '*' or a part such as {id}");
    if (size == 1) {
        uint8_t byte = 0;
        while (!rules_set_has(set, byte))
            byte++;
        return add_token(parser, (struct rules_token){.kind = RULES_BYTE, .byte = byte, .at = (uint16_t)begin});
    }
    if (parser->set_count == RULES_WILDS_MAX)
        return wrong(parser, begin, 1, "more than 16 parts, stars and sets", "write a shorter pattern");
    parser->sets[parser->set_count] = *set;
    return add_token(
        parser, (struct rules_token){.kind = RULES_SET, .set = (uint8_t)parser->set_count++, .at = (uint16_t)begin});
}

static bool take_set(struct parser *parser) {
    struct rules_set set = {{0}};
    size_t begin = parser->at++;
    bool negated = parser->at < parser->text.size && parser->text.data[parser->at] == '^';
    parser->at += negated;
    if (!set_body(parser, begin, &set))
        return false;
    for (int i = 0; negated && i < 4; i++)
        set.words[i] = ~set.words[i];
    return add_set(parser, begin, &set);
}

static bool take_any(struct parser *parser) {
    struct rules_set set;
    memset(&set, 0xff, sizeof set);
    return add_set(parser, parser->at++, &set);
}

static bool take_byte(struct parser *parser) {
    size_t begin = parser->at;
    uint8_t byte = parser->text.data[parser->at++];
    if (byte == '\\') {
        if (parser->at == parser->text.size)
            return wrong(parser, begin, 1, "a '\\' at the end", "write \\\\ for a backslash");
        byte = parser->text.data[parser->at++];
    } else if (byte == '}' && parser->syntax != RULES_SYNTAX_GLOB) {
        return wrong(parser, begin, 1, "a '}' without its '{'", "write \\} for a brace");
    } else if (byte == ']' && parser->syntax != RULES_SYNTAX_GLOB) {
        return wrong(parser, begin, 1, "a ']' without its '['", "write \\] for a bracket");
    }
    return add_token(parser, (struct rules_token){.kind = RULES_BYTE, .byte = byte, .at = (uint16_t)begin});
}

static bool take_tokens(struct parser *parser) {
    while (parser->at < parser->text.size) {
        uint8_t byte = parser->text.data[parser->at];
        bool is_glob = parser->syntax == RULES_SYNTAX_GLOB;
        bool good = byte == '*'               ? take_star(parser)
                    : byte == '['             ? take_set(parser)
                    : byte == '{' && !is_glob ? take_part(parser)
                    : byte == '?' && is_glob  ? take_any(parser)
                                              : take_byte(parser);
        if (!good)
            return false;
    }
    for (uint32_t i = 0; i + 1 < parser->token_count; i++) {
        const struct rules_token *next = &parser->tokens[i + 1];
        if (parser->tokens[i].kind == RULES_PART && next->kind == RULES_BYTE)
            parser->tokens[i].byte = next->byte;
        else if (parser->tokens[i].kind == RULES_PART && next->kind == RULES_SET)
            parser->tokens[i].set = next->set;
        /* A part that hardly anything is left for would be a byte in disguise, and the order of patterns could not see it. */
        if (parser->tokens[i].kind == RULES_PART && next->kind == RULES_SET && set_size(&parser->sets[next->set]) > 127)
            return wrong(parser, next->at, 1, "a part ends where this begins, and this begins with nearly any byte",
                         "put a byte between them");
    }
    return true;
}

/* A copy in the arena; `ret_copy` gets a pointer that is not NULL even for nothing. */
static bool keep(struct arena *arena, const void *bytes, size_t size, const void *ret_copy) {
    struct slice copy;
    if (!arena_copy(arena, slice_make(bytes, size), &copy))
        return false;
    memcpy((void *)(uintptr_t)ret_copy, &copy.data, sizeof copy.data);
    return true;
}

enum status rules_pattern_parse(struct slice text, enum rules_syntax syntax, struct arena *arena,
                                struct rules_pattern *ret_pattern, struct rules_pattern_problem *ret_problem) {
    struct parser parser = {.text = text, .syntax = syntax};
    bool good = text.size == 0 ? wrong(&parser, 0, 1, "an empty pattern", "write '*' for all keys")
                : text.size > RULES_PATTERN_SIZE_MAX
                    ? wrong(&parser, RULES_PATTERN_SIZE_MAX, 1, "a pattern of more than 255 bytes", "shorten it")
                    : take_tokens(&parser);
    if (!good) {
        *ret_problem = parser.problem;
        return STATUS_INVALID;
    }
    struct rules_pattern pattern = {.text = text,
                                    .token_count = (uint16_t)parser.token_count,
                                    .set_count = (uint16_t)parser.set_count,
                                    .field_count = (uint8_t)parser.field_count,
                                    .star_count = (uint8_t)parser.star_count};
    if (!keep(arena, parser.tokens, parser.token_count * sizeof *parser.tokens, &pattern.tokens) ||
        !keep(arena, parser.sets, parser.set_count * sizeof *parser.sets, &pattern.sets) ||
        !keep(arena, parser.fields, parser.field_count * sizeof *parser.fields, &pattern.fields))
        return STATUS_NO_MEMORY;
    *ret_pattern = pattern;
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ matching */

bool rules_token_takes(const struct rules_pattern *pattern, const struct rules_token *token, uint8_t byte) {
    if (token->kind == RULES_SET)
        return rules_set_has(&pattern->sets[token->set], byte);
    return byte != ':' && byte != token->byte &&
           (token->set == RULES_NO_SET || !rules_set_has(&pattern->sets[token->set], byte));
}

/* Where a match stands. */
struct place {
    uint32_t token, key;
};

/* Matches up to the next star or the end. */
static bool match_piece(const struct rules_pattern *pattern, struct slice key, struct place *at,
                        struct rules_fields *fields) {
    for (; at->token < pattern->token_count; at->token++) {
        const struct rules_token *token = &pattern->tokens[at->token];
        if (token->kind == RULES_STAR)
            return true;
        if (token->kind == RULES_PART) {
            uint32_t begin = at->key;
            while (at->key < key.size && rules_token_takes(pattern, token, key.data[at->key]))
                at->key++;
            if (at->key == begin)
                return false;
            fields->at[token->field].begin = begin;
            fields->at[token->field].end = at->key;
        } else if (at->key == key.size ||
                   (token->kind == RULES_BYTE ? key.data[at->key] != token->byte
                                              : !rules_token_takes(pattern, token, key.data[at->key]))) {
            return false;
        } else {
            at->key++;
        }
    }
    return at->key == key.size;
}

/* Behind a star the earliest match of what follows leaves most of the key for the rest, and a later beginning never ends earlier; so only the
 * last star is ever stretched. */
bool rules_pattern_matches_from(const struct rules_pattern *pattern, uint32_t token, struct slice key, uint32_t key_at,
                                struct rules_fields *fields) {
    struct place at = {token, key_at}, star = {0, 0};
    bool starred = false;
    for (;;) {
        if (match_piece(pattern, key, &at, fields)) {
            if (at.token == pattern->token_count)
                break;
            star = (struct place){at.token + 1, at.key};
            starred = true;
            if (star.token == pattern->token_count)
                break;
        } else {
            if (!starred || star.key == key.size)
                return false;
            star.key++;
        }
        at = star;
    }
    fields->count = pattern->field_count;
    return true;
}

bool rules_pattern_matches(const struct rules_pattern *pattern, struct slice key, struct rules_fields *ret_fields) {
    struct rules_fields fields;
    if (key.size > UINT32_MAX || !rules_pattern_matches_from(pattern, 0, key, 0, &fields))
        return false;
    if (ret_fields)
        *ret_fields = fields;
    return true;
}

/* ------------------------------------------------------------------------------------------ order */

/* Byte `byte` of the range of what a token takes at one place. */
static unsigned takes_count(const struct rules_pattern *pattern, const struct rules_token *token) {
    if (token->kind == RULES_BYTE)
        return 1;
    if (token->kind == RULES_SET)
        return set_size(&pattern->sets[token->set]);
    unsigned count = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        count += rules_token_takes(pattern, token, (uint8_t)byte);
    return count;
}

/* What is compared, one after the other; the smaller comes first. */
struct rank {
    int place[5];
};

static struct rank rank_of(const struct rules_pattern *pattern) {
    int bytes = 0, fixed = 0, freedom = 0;
    for (uint32_t i = 0; i < pattern->token_count; i++) {
        const struct rules_token *token = &pattern->tokens[i];
        if (token->kind == RULES_STAR)
            continue;
        bytes += token->kind == RULES_BYTE;
        fixed++;
        freedom += (int)takes_count(pattern, token);
    }
    return (struct rank){{-bytes, -fixed, freedom, pattern->star_count, pattern->field_count}};
}

int rules_pattern_order(const struct rules_pattern *a, const struct rules_pattern *b) {
    struct rank x = rank_of(a), y = rank_of(b);
    for (int i = 0; i < 5; i++)
        if (x.place[i] != y.place[i])
            return x.place[i] < y.place[i] ? -1 : 1;
    return 0;
}

bool rules_pattern_same(const struct rules_pattern *a, const struct rules_pattern *b) {
    if (a->token_count != b->token_count)
        return false;
    for (uint32_t i = 0; i < a->token_count; i++) {
        const struct rules_token *x = &a->tokens[i], *y = &b->tokens[i];
        if (x->kind != y->kind || (x->kind == RULES_BYTE && x->byte != y->byte) ||
            (x->kind == RULES_SET && memcmp(&a->sets[x->set], &b->sets[y->set], sizeof *a->sets) != 0))
            return false;
    }
    return true;
}

uint32_t rules_pattern_prefix(const struct rules_pattern *pattern) {
    uint32_t count = 0;
    while (count < pattern->token_count && pattern->tokens[count].kind == RULES_BYTE)
        count++;
    return count;
}

uint32_t rules_pattern_field(const struct rules_pattern *pattern, struct slice name) {
    for (uint32_t i = 0; i < pattern->field_count; i++)
        if (slice_equal(pattern->fields[i], name))
            return i;
    return RULES_FIELDS_MAX;
}
