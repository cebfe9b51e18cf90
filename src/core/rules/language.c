#include "core/rules/language.h"

#include "base/assert.h"
#include "base/hash.h"

/* A state of a pattern: 2 x token stands before the token, 2 x token + 1 inside of a part that has begun. The state behind the last token, and
 * one inside of a last part, accept; stars, and parts that have begun, may be left without a byte. */

/* The bytes that may come in an order that makes good examples: a first. */
static uint8_t example_byte(unsigned number) {
    static const char nice[] = "a1bcdefghijklmnopqrstuvwxyz0:23456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_./";
    if (number < sizeof nice - 1)
        return (uint8_t)nice[number];
    unsigned byte = 0;
    for (unsigned left = number - (sizeof nice - 1);; byte++)
        if ((byte == 0 || !strchr(nice, (int)byte)) && left-- == 0)
            return (uint8_t)byte;
}

/* One byte of each kind: bytes that no token of the patterns tells apart are one kind. */
struct alphabet {
    uint8_t bytes[256];
    uint32_t count;
};

static uint64_t signature(const struct rules_pattern *const *patterns, uint32_t count, uint8_t byte) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t t = 0; t < patterns[i]->token_count; t++) {
            const struct rules_token *token = &patterns[i]->tokens[t];
            bool takes =
                token->kind == RULES_STAR ||
                (token->kind == RULES_BYTE ? token->byte == byte : rules_token_takes(patterns[i], token, byte));
            sum = sum * 0x9e3779b97f4a7c15ull + takes + 1;
            sum ^= sum >> 29;
        }
    return sum;
}

static void alphabet_of(const struct rules_pattern *const *patterns, uint32_t count, struct alphabet *ret_alphabet) {
    uint64_t seen[256];
    ret_alphabet->count = 0;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t byte = example_byte(i);
        uint64_t own = signature(patterns, count, byte);
        uint32_t at = 0;
        while (at < ret_alphabet->count && seen[at] != own)
            at++;
        if (at < ret_alphabet->count)
            continue;
        seen[at] = own;
        ret_alphabet->bytes[ret_alphabet->count++] = byte;
    }
}

enum { STATES_MAX = 2 * RULES_PATTERN_SIZE_MAX + 2, SET_WORDS = STATES_MAX / 64 + 1 };

/* Adds a state and those that are reached from it without a byte. */
static void add_state(const struct rules_pattern *pattern, uint32_t state, uint64_t *set) {
    for (;;) {
        set[state >> 6] |= 1ull << (state & 63);
        uint32_t token = state >> 1;
        bool inside = state & 1;
        if (!inside && (token == pattern->token_count || pattern->tokens[token].kind != RULES_STAR))
            return;
        state = 2 * (token + 1);
    }
}

/* The states behind one more byte. */
static void step(const struct rules_pattern *pattern, const uint64_t *from, uint8_t byte, uint64_t *ret_to) {
    uint32_t words = (2u * pattern->token_count + 1) / 64 + 1;
    memset(ret_to, 0, words * sizeof *ret_to);
    for (uint32_t word = 0; word < words; word++)
        for (uint64_t bits = from[word]; bits; bits &= bits - 1) {
            uint32_t state = word * 64 + (uint32_t)__builtin_ctzll(bits), at = state >> 1;
            if (at == pattern->token_count)
                continue;
            const struct rules_token *token = &pattern->tokens[at];
            if (token->kind == RULES_STAR)
                add_state(pattern, 2 * at, ret_to);
            else if (token->kind == RULES_BYTE ? token->byte == byte : rules_token_takes(pattern, token, byte))
                add_state(pattern, token->kind == RULES_PART ? 2 * at + 1 : 2 * (at + 1), ret_to);
        }
}

static bool accepts(const struct rules_pattern *pattern, const uint64_t *set) {
    uint32_t end = 2u * pattern->token_count;
    return set[end >> 6] >> (end & 63) & 1;
}

static bool is_empty(const struct rules_pattern *pattern, const uint64_t *set) {
    uint64_t any = 0;
    for (uint32_t word = 0; word < (2u * pattern->token_count + 1) / 64 + 1; word++)
        any |= set[word];
    return any == 0;
}

/* ------------------------------------------------------------------------------------------ walking together */

/* Sets of states of all patterns, side by side, as they are after some key; found breadth first, so a shortest key comes first. */
struct node {
    uint32_t parent;
    uint8_t byte;
};

struct walk {
    const struct rules_pattern *patterns[RULES_LANGUAGE_OTHERS_MAX + 1];
    uint32_t at[RULES_LANGUAGE_OTHERS_MAX + 1]; /* first word of a pattern's set */
    uint32_t count, words;
    struct alphabet alphabet;
    uint64_t *sets; /* of node n from n x words on */
    struct node *nodes;
    uint32_t *table; /* node + 1 by hash, 0: free */
    uint32_t used, capacity, table_size;
};

static bool walk_grow(struct walk *walk, struct arena *scratch) {
    uint32_t capacity = walk->capacity ? walk->capacity * 2 : 64, size = capacity * 4;
    uint64_t *sets = arena_take(scratch, (size_t)capacity * walk->words * sizeof *sets);
    struct node *nodes = arena_take(scratch, capacity * sizeof *nodes);
    uint32_t *table = arena_take(scratch, size * sizeof *table);
    if (!sets || !nodes || !table)
        return false;
    memset(table, 0, size * sizeof *table);
    if (walk->used) {
        memcpy(sets, walk->sets, (size_t)walk->used * walk->words * sizeof *sets);
        memcpy(nodes, walk->nodes, walk->used * sizeof *nodes);
    }
    for (uint32_t i = 0; i < walk->used; i++) {
        uint64_t hash = hash_bytes(slice_make(sets + (size_t)i * walk->words, walk->words * sizeof *sets), 0);
        while (table[hash & (size - 1)])
            hash++;
        table[hash & (size - 1)] = i + 1;
    }
    walk->sets = sets;
    walk->nodes = nodes;
    walk->table = table;
    walk->capacity = capacity;
    walk->table_size = size;
    return true;
}

/* Takes the sets that stand behind the last node as a new one, unless they have been seen. */
static void walk_keep(struct walk *walk, uint32_t parent, uint8_t byte) {
    const uint64_t *sets = walk->sets + (size_t)walk->used * walk->words;
    size_t size = walk->words * sizeof *sets;
    uint64_t hash = hash_bytes(slice_make(sets, size), 0);
    for (;; hash++) {
        uint32_t other = walk->table[hash & (walk->table_size - 1)];
        if (other == 0)
            break;
        if (memcmp(walk->sets + (size_t)(other - 1) * walk->words, sets, size) == 0)
            return;
    }
    walk->nodes[walk->used] = (struct node){parent, byte};
    walk->table[hash & (walk->table_size - 1)] = ++walk->used;
}

static void witness_of(const struct walk *walk, uint32_t node, struct rules_witness *ret_witness) {
    size_t size = 0, at;
    for (uint32_t i = node; i; i = walk->nodes[i].parent)
        size++;
    at = size;
    ret_witness->size = size < RULES_WITNESS_MAX ? size : RULES_WITNESS_MAX;
    for (uint32_t i = node; i; i = walk->nodes[i].parent)
        if (--at < RULES_WITNESS_MAX)
            ret_witness->bytes[at] = walk->nodes[i].byte;
}

static bool walk_begin(struct walk *walk, struct arena *scratch) {
    walk->words = 0;
    for (uint32_t i = 0; i < walk->count; i++) {
        walk->at[i] = walk->words;
        walk->words += (2u * walk->patterns[i]->token_count + 1) / 64 + 1;
    }
    walk->used = walk->capacity = 0;
    alphabet_of(walk->patterns, walk->count, &walk->alphabet);
    if (!walk_grow(walk, scratch))
        return false;
    memset(walk->sets, 0, walk->words * sizeof *walk->sets);
    for (uint32_t i = 0; i < walk->count; i++)
        add_state(walk->patterns[i], 0, walk->sets + walk->at[i]);
    walk_keep(walk, 0, 0);
    return true;
}

/* The first pattern must accept; the others must all (`want` true) or none of them. */
static bool is_found(const struct walk *walk, const uint64_t *sets, bool want) {
    for (uint32_t i = 0; i < walk->count; i++)
        if (accepts(walk->patterns[i], sets + walk->at[i]) != (i == 0 || want))
            return false;
    return true;
}

/* Whether no key that begins like this can be what is looked for. */
static bool is_hopeless(const struct walk *walk, const uint64_t *sets, bool want) {
    for (uint32_t i = 0; i < (want ? walk->count : 1); i++)
        if (is_empty(walk->patterns[i], sets + walk->at[i]))
            return true;
    return false;
}

static enum status walk_search(struct walk *walk, bool want, struct arena *scratch, bool *ret_found,
                               struct rules_witness *ret_witness) {
    if (!walk_begin(walk, scratch))
        return STATUS_NO_MEMORY;
    for (uint32_t node = 0; node < walk->used; node++) {
        if (is_found(walk, walk->sets + (size_t)node * walk->words, want)) {
            witness_of(walk, node, ret_witness);
            *ret_found = true;
            return STATUS_OK;
        }
        for (uint32_t i = 0; i < walk->alphabet.count; i++) {
            if (walk->used >= RULES_LANGUAGE_STATES_MAX)
                return STATUS_TOO_LARGE;
            if (walk->used == walk->capacity && !walk_grow(walk, scratch))
                return STATUS_NO_MEMORY;
            const uint64_t *from = walk->sets + (size_t)node * walk->words;
            uint64_t *to = walk->sets + (size_t)walk->used * walk->words;
            for (uint32_t j = 0; j < walk->count; j++)
                step(walk->patterns[j], from + walk->at[j], walk->alphabet.bytes[i], to + walk->at[j]);
            if (!is_hopeless(walk, to, want))
                walk_keep(walk, node, walk->alphabet.bytes[i]);
        }
    }
    *ret_found = false;
    return STATUS_OK;
}

/* Bytes at the beginning or the end that stand for themselves in both and differ: then they have nothing in common. */
static bool differ_in_bytes(const struct rules_pattern *a, const struct rules_pattern *b) {
    for (uint32_t i = 0; i < a->token_count && i < b->token_count; i++) {
        if (a->tokens[i].kind != RULES_BYTE || b->tokens[i].kind != RULES_BYTE)
            break;
        if (a->tokens[i].byte != b->tokens[i].byte)
            return true;
    }
    for (uint32_t i = 1; i <= a->token_count && i <= b->token_count; i++) {
        const struct rules_token *x = &a->tokens[a->token_count - i], *y = &b->tokens[b->token_count - i];
        if (x->kind != RULES_BYTE || y->kind != RULES_BYTE)
            break;
        if (x->byte != y->byte)
            return true;
    }
    return false;
}

enum status rules_overlap(const struct rules_pattern *a, const struct rules_pattern *b, struct arena *scratch,
                          bool *ret_overlap, struct rules_witness *ret_witness) {
    if (differ_in_bytes(a, b)) {
        *ret_overlap = false;
        return STATUS_OK;
    }
    struct walk walk = {.patterns = {a, b}, .count = 2};
    return walk_search(&walk, true, scratch, ret_overlap, ret_witness);
}

enum status rules_leaves_out(const struct rules_pattern *pattern, const struct rules_pattern *const *others,
                             uint32_t other_count, struct arena *scratch, bool *ret_leaves_out,
                             struct rules_witness *ret_witness) {
    struct walk walk = {.patterns = {pattern}, .count = 1};
    for (uint32_t i = 0; i < other_count; i++) {
        if (differ_in_bytes(pattern, others[i]))
            continue;
        if (walk.count > RULES_LANGUAGE_OTHERS_MAX)
            return STATUS_TOO_LARGE;
        walk.patterns[walk.count++] = others[i];
    }
    return walk_search(&walk, false, scratch, ret_leaves_out, ret_witness);
}
