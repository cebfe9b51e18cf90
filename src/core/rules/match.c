#include "core/rules/match.h"

#include "base/assert.h"

/* A branch that takes a byte of a set, or a part. */
struct wild {
    const struct rules_pattern *pattern; /* whose token it is; others that share it take the same bytes */
    const struct rules_token *token;
    uint32_t node;
};

/* What is left of a pattern behind a star. */
struct tail {
    uint32_t rank, token;
    uint32_t
        last_size; /* bytes that stand for themselves at the end of the pattern: most keys are told apart by them */
    uint32_t least_size; /* of what stands behind the node */
    const uint8_t *last_bytes;
};

struct node {
    uint32_t best;                  /* the smallest rank in the tree below, this node included */
    uint32_t end, open;             /* rank of the pattern that ends here, or whose last star stands here; NONE */
    uint32_t label, label_size;     /* bytes that stand for themselves on the way into this node */
    uint32_t children, child_count; /* whose labels begin with different bytes: first in the list of numbers */
    uint32_t wilds, wild_count;     /* by ascending best */
    uint32_t tails, tail_count;     /* by ascending rank */
};

struct rules_matcher {
    const struct rules_pattern *patterns;
    const uint32_t *by_rank; /* numbers of patterns, the best first */
    const struct node *nodes;
    const uint8_t *labels;
    const uint32_t *children;   /* numbers of nodes */
    const uint8_t *child_bytes; /* first bytes of their labels */
    const struct wild *wilds;
    const struct tail *tails;
    uint32_t count;
};

enum { NONE = UINT32_MAX };

/* ------------------------------------------------------------------------------------------ building */

/* The patterns are sorted by their tokens, so that those with a common beginning stand together; nodes are made of runs of them. */
struct builder {
    const struct rules_pattern *patterns;
    uint32_t *order; /* numbers of patterns by their tokens */
    uint32_t *ranks; /* of a pattern */
    struct node *nodes;
    uint8_t *labels, *child_bytes;
    uint32_t *children;
    struct wild *wilds;
    struct tail *tails;
    uint32_t node_max, node_count, label_count, child_count, wild_count, tail_count;
};

/* Orders tokens so that the same ones meet; bytes come first. */
static int compare_tokens(const struct rules_pattern *a, const struct rules_token *x, const struct rules_pattern *b,
                          const struct rules_token *y) {
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->kind == RULES_STAR)
        return 0;
    if (x->kind != RULES_SET && x->byte != y->byte)
        return x->byte < y->byte ? -1 : 1;
    if (x->kind == RULES_BYTE || (x->set == RULES_NO_SET && y->set == RULES_NO_SET))
        return 0;
    if (x->set == RULES_NO_SET || y->set == RULES_NO_SET)
        return x->set == RULES_NO_SET ? -1 : 1;
    return memcmp(&a->sets[x->set], &b->sets[y->set], sizeof *a->sets);
}

/* Behind a star nothing is shared any more. */
static int compare_patterns(const struct rules_pattern *a, const struct rules_pattern *b) {
    for (uint32_t i = 0; i < a->token_count && i < b->token_count; i++) {
        int order = compare_tokens(a, &a->tokens[i], b, &b->tokens[i]);
        if (order || a->tokens[i].kind == RULES_STAR)
            return order;
    }
    return (a->token_count > b->token_count) - (a->token_count < b->token_count);
}

typedef int (*comparison)(const struct rules_pattern *a, const struct rules_pattern *b);

/* Merge sort by insertion of halves: stable, and without a context that qsort could not carry. */
static void sort(const struct rules_pattern *patterns, uint32_t *numbers, uint32_t *spare, uint32_t count,
                 comparison compare) {
    if (count < 2)
        return;
    uint32_t half = count / 2, left = 0, right = half, to = 0;
    sort(patterns, numbers, spare, half, compare);
    sort(patterns, numbers + half, spare, count - half, compare);
    while (left < half && right < count)
        spare[to++] =
            compare(&patterns[numbers[left]], &patterns[numbers[right]]) <= 0 ? numbers[left++] : numbers[right++];
    while (left < half)
        spare[to++] = numbers[left++];
    memcpy(numbers, spare, to * sizeof *numbers);
}

static const struct rules_token *token_of(const struct builder *builder, uint32_t at, uint32_t depth) {
    const struct rules_pattern *pattern = &builder->patterns[builder->order[at]];
    return depth < pattern->token_count ? &pattern->tokens[depth] : NULL;
}

/* The end of the run of patterns from `from` on that share the token at `depth`. */
static uint32_t run_end(const struct builder *builder, uint32_t from, uint32_t end, uint32_t depth) {
    const struct rules_pattern *first = &builder->patterns[builder->order[from]];
    const struct rules_token *token = &first->tokens[depth];
    uint32_t at = from + 1;
    while (at < end &&
           compare_tokens(first, token, &builder->patterns[builder->order[at]], token_of(builder, at, depth)) == 0)
        at++;
    return at;
}

static uint32_t build_node(struct builder *builder, uint32_t from, uint32_t end, uint32_t depth, bool has_label);

static struct tail tail_of(struct builder *builder, uint32_t rank, uint32_t at, uint32_t depth) {
    const struct rules_pattern *pattern = &builder->patterns[builder->order[at]];
    struct tail tail = {.rank = rank, .token = depth};
    uint32_t begin = pattern->token_count;
    while (begin > depth && pattern->tokens[begin - 1].kind == RULES_BYTE)
        begin--;
    tail.last_bytes = builder->labels + builder->label_count;
    tail.last_size = pattern->token_count - begin;
    for (uint32_t i = begin; i < pattern->token_count; i++)
        builder->labels[builder->label_count++] = pattern->tokens[i].byte;
    for (uint32_t i = depth; i < pattern->token_count; i++)
        tail.least_size += pattern->tokens[i].kind != RULES_STAR;
    return tail;
}

static void build_tails(struct builder *builder, struct node *node, uint32_t from, uint32_t end, uint32_t depth) {
    node->tails = builder->tail_count;
    for (uint32_t at = from; at < end; at++) {
        uint32_t rank = builder->ranks[builder->order[at]];
        if (rank < node->best)
            node->best = rank;
        if (builder->patterns[builder->order[at]].token_count == depth + 1) {
            node->open = rank < node->open ? rank : node->open;
            continue;
        }
        uint32_t to = builder->tail_count++;
        for (; to > node->tails && builder->tails[to - 1].rank > rank; to--)
            builder->tails[to] = builder->tails[to - 1];
        builder->tails[to] = tail_of(builder, rank, at, depth);
    }
    node->tail_count = builder->tail_count - node->tails;
}

/* Counts the runs of each kind, so that a node's branches stand side by side however deep the trees below are. */
static void reserve_branches(struct builder *builder, struct node *node, uint32_t from, uint32_t end, uint32_t depth) {
    node->children = builder->child_count;
    node->wilds = builder->wild_count;
    for (uint32_t at = from; at < end;) {
        uint8_t kind = token_of(builder, at, depth)->kind;
        node->child_count += kind == RULES_BYTE;
        node->wild_count += kind == RULES_SET || kind == RULES_PART;
        at = run_end(builder, at, end, depth);
    }
    builder->child_count += node->child_count;
    builder->wild_count += node->wild_count;
    node->child_count = node->wild_count = 0;
}

static void add_wild(struct builder *builder, struct node *node, struct wild wild) {
    uint32_t to = node->wilds + node->wild_count++;
    for (; to > node->wilds && builder->nodes[builder->wilds[to - 1].node].best > builder->nodes[wild.node].best; to--)
        builder->wilds[to] = builder->wilds[to - 1];
    builder->wilds[to] = wild;
}

static void build_branches(struct builder *builder, struct node *node, uint32_t from, uint32_t end, uint32_t depth) {
    reserve_branches(builder, node, from, end, depth);
    for (uint32_t at = from; at < end;) {
        const struct rules_pattern *pattern = &builder->patterns[builder->order[at]];
        const struct rules_token *token = &pattern->tokens[depth];
        uint32_t to = run_end(builder, at, end, depth), child;
        if (token->kind == RULES_STAR) {
            build_tails(builder, node, at, to, depth);
            at = to;
            continue;
        }
        child = build_node(builder, at, to, token->kind == RULES_BYTE ? depth : depth + 1, token->kind == RULES_BYTE);
        if (builder->nodes[child].best < node->best)
            node->best = builder->nodes[child].best;
        if (token->kind == RULES_BYTE) {
            builder->child_bytes[node->children + node->child_count] = token->byte;
            builder->children[node->children + node->child_count++] = child;
        } else {
            add_wild(builder, node, (struct wild){pattern, token, child});
        }
        at = to;
    }
}

/* Bytes that all patterns of the run share. */
static uint32_t take_label(struct builder *builder, struct node *node, uint32_t from, uint32_t end, uint32_t depth) {
    node->label = builder->label_count;
    for (;; depth++) {
        const struct rules_token *token = from < end ? token_of(builder, from, depth) : NULL;
        if (!token || token->kind != RULES_BYTE || run_end(builder, from, end, depth) != end)
            break;
        builder->labels[builder->label_count++] = token->byte;
    }
    node->label_size = builder->label_count - node->label;
    return depth;
}

static uint32_t build_node(struct builder *builder, uint32_t from, uint32_t end, uint32_t depth, bool has_label) {
    ASSERT(builder->node_count < builder->node_max);
    uint32_t number = builder->node_count++;
    struct node node = {.best = NONE, .end = NONE, .open = NONE};
    if (has_label)
        depth = take_label(builder, &node, from, end, depth);
    while (from < end && !token_of(builder, from, depth)) {
        uint32_t rank = builder->ranks[builder->order[from++]];
        node.end = rank < node.end ? rank : node.end;
        node.best = rank < node.best ? rank : node.best;
    }
    build_branches(builder, &node, from, end, depth);
    builder->nodes[number] = node;
    return number;
}

static bool builder_take(struct builder *builder, uint32_t count, struct arena *arena) {
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < count; i++)
        tokens += builder->patterns[i].token_count;
    uint32_t nodes =
        1 +
        2 * count; /* a node where patterns part and where each ends, one behind each wild token, and one for the bytes behind that */
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t t = 0; t < builder->patterns[i].token_count; t++)
            nodes += builder->patterns[i].tokens[t].kind != RULES_BYTE ? 2 : 0;
    builder->node_max = nodes;
    builder->order = arena_take(arena, (count + 1) * sizeof *builder->order);
    builder->ranks = arena_take(arena, (count + 1) * sizeof *builder->ranks);
    builder->nodes = arena_take(arena, nodes * sizeof *builder->nodes);
    builder->labels = arena_take(arena, tokens + 1);
    builder->child_bytes = arena_take(arena, nodes);
    builder->children = arena_take(arena, nodes * sizeof *builder->children);
    builder->wilds = arena_take(arena, nodes * sizeof *builder->wilds);
    builder->tails = arena_take(arena, (count + 1) * sizeof *builder->tails);
    return builder->order && builder->ranks && builder->nodes && builder->labels && builder->child_bytes &&
           builder->children && builder->wilds && builder->tails;
}

enum status rules_matcher_new(const struct rules_pattern *patterns, uint32_t count, struct arena *arena,
                              const struct rules_matcher **ret_matcher) {
    struct builder builder = {.patterns = patterns};
    struct rules_matcher *matcher = arena_take(arena, sizeof *matcher);
    uint32_t *by_rank = arena_take(arena, (count + 1) * sizeof *by_rank);
    uint32_t *spare = arena_take(arena, (count + 1) * sizeof *spare);
    if (!matcher || !by_rank || !spare || !builder_take(&builder, count, arena))
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        builder.order[i] = by_rank[i] = i;
    sort(patterns, by_rank, spare, count, rules_pattern_order);
    sort(patterns, builder.order, spare, count, compare_patterns);
    for (uint32_t i = 0; i < count; i++)
        builder.ranks[by_rank[i]] = i;
    (void)build_node(&builder, 0, count, 0, true);
    *matcher = (struct rules_matcher){.patterns = patterns,
                                      .by_rank = by_rank,
                                      .nodes = builder.nodes,
                                      .labels = builder.labels,
                                      .children = builder.children,
                                      .child_bytes = builder.child_bytes,
                                      .wilds = builder.wilds,
                                      .tails = builder.tails,
                                      .count = count};
    *ret_matcher = matcher;
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ finding */

struct search {
    const struct rules_matcher *matcher;
    struct slice key;
    struct rules_fields *ret_fields;
    uint32_t best;
    struct rules_fields fields; /* of the way to the present node */
};

static void search_take(struct search *search, uint32_t rank) {
    search->best = rank;
    *search->ret_fields = search->fields;
}

static void search_tails(struct search *search, const struct node *node, uint32_t at) {
    const struct rules_matcher *matcher = search->matcher;
    for (uint32_t i = 0; i < node->tail_count; i++) {
        const struct tail *tail = &matcher->tails[node->tails + i];
        if (tail->rank >= search->best)
            return;
        if (search->key.size - at < tail->least_size ||
            memcmp(search->key.data + search->key.size - tail->last_size, tail->last_bytes, tail->last_size) != 0)
            continue;
        struct rules_fields fields = search->fields;
        if (rules_pattern_matches_from(&matcher->patterns[matcher->by_rank[tail->rank]], tail->token, search->key, at,
                                       &fields)) {
            search->best = tail->rank;
            *search->ret_fields = fields;
            return;
        }
    }
}

/* The child that begins with the byte; children stand in the order of their bytes. */
static uint32_t find_child(const struct rules_matcher *matcher, const struct node *node, uint8_t byte) {
    const uint8_t *bytes = matcher->child_bytes + node->children;
    uint32_t low = 0, high = node->child_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (bytes[middle] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low < node->child_count && bytes[low] == byte ? matcher->children[node->children + low] : NONE;
}

/* Where the part that begins at `at` ends. */
static uint32_t part_end(const struct wild *wild, struct slice key, uint32_t at) {
    if (wild->token->set == RULES_NO_SET) {
        uint8_t stop = wild->token->byte;
        while (at < key.size && key.data[at] != ':' && key.data[at] != stop)
            at++;
        return at;
    }
    while (at < key.size && rules_token_takes(wild->pattern, wild->token, key.data[at]))
        at++;
    return at;
}

static void search_node(struct search *search, uint32_t number, uint32_t at);

static void search_wild(struct search *search, const struct wild *wild, uint32_t at) {
    if (wild->token->kind == RULES_SET) {
        if (rules_token_takes(wild->pattern, wild->token, search->key.data[at]))
            search_node(search, wild->node, at + 1);
        return;
    }
    uint32_t end = part_end(wild, search->key, at);
    if (end == at)
        return;
    uint32_t field = search->fields.count++;
    search->fields.at[field].begin = at;
    search->fields.at[field].end = end;
    search_node(search, wild->node, end);
    search->fields.count--;
}

/* As deep as a pattern has parts and sets; runs of bytes are followed without going deeper where nothing else is open. */
static void search_node(struct search *search, uint32_t number, uint32_t at) {
    const struct rules_matcher *matcher = search->matcher;
    for (;;) {
        const struct node *node = &matcher->nodes[number];
        if (node->best >= search->best || search->key.size - at < node->label_size ||
            (node->label_size && memcmp(matcher->labels + node->label, search->key.data + at, node->label_size) != 0))
            return;
        at += node->label_size;
        uint32_t child = NONE;
        if (at == search->key.size) {
            if (node->end < search->best)
                search_take(search, node->end);
        } else {
            child = find_child(matcher, node, search->key.data[at]);
            if (child != NONE && node->wild_count + node->tail_count == 0 && node->open == NONE) {
                number = child;
                continue;
            }
            if (child != NONE)
                search_node(search, child, at);
            for (uint32_t i = 0; i < node->wild_count; i++)
                search_wild(search, &matcher->wilds[node->wilds + i], at);
        }
        search_tails(search, node, at);
        if (node->open < search->best)
            search_take(search, node->open);
        return;
    }
}

uint32_t rules_matcher_find(const struct rules_matcher *matcher, struct slice key, uint32_t none,
                            struct rules_fields *ret_fields) {
    struct search search = {.matcher = matcher, .key = key, .ret_fields = ret_fields, .best = NONE};
    search.fields.count = 0;
    if (key.size > UINT32_MAX || matcher->count == 0)
        return none;
    search_node(&search, 0, 0);
    return search.best == NONE ? none : matcher->by_rank[search.best];
}
