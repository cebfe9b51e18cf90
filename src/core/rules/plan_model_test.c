/* Random manifests over short keys: whatever has to go by the meaning of the edges, found by looking at every key, is taken by some action of the plan; by a
 * hard one if some way there has no soft edge. */
#include "base/glob.h"
#include "core/rules/plan.h"
#include "core/rules/rules_fixture.h"
#include "unit.h"

static const char *const patterns[] = {"a:{p}", "b:{p}", "a:{p}:{q}", "b:{q}:{p}", "c:{p}:*", "c{p}-{q}",
                                       "{p}:c", "c",     "a:b:{q}",   "b:*",       "c:{q}",   "*"};
#define BOTH(text) text, text, "soft " text
static const char *const targets[] = {BOTH("a:{p}"), BOTH("b:{p}"),   BOTH("a:{p}:*"),   BOTH("b:{p}:*"),
                                      BOTH("b:*"),   BOTH("c:{p}:*"), BOTH("a:{p}:{q}"), BOTH("c{p}-*"),
                                      BOTH("c"),     BOTH("a:b:*"),   BOTH("b:*:{p}"),   BOTH("{p}:c"),
                                      "tag t{p}",    "soft tag t{p}", "tag {p}-{q}",     "soft tag {p}-{q}"};
static const char *const sources[] = {BOTH("a:{p}"), BOTH("b:{p}:*"), BOTH("a:*"),  BOTH("a:{q}:{p}"),
                                      BOTH("b:{p}"), BOTH("c:{p}:*"), BOTH("*:{p}")};
static const char *const tags[] = {"t{p}", "{p}-{q}", "t{q}", "t"};

#define PICK(rng, list) (list)[rng_below(rng, sizeof(list) / sizeof *(list))]

struct world {
    const struct rules *rules;
    uint8_t bytes[FIXTURE_KEYS][8];
    struct slice keys[FIXTURE_KEYS];
    uint32_t classes[FIXTURE_KEYS];
    struct rules_fields fields[FIXTURE_KEYS];
    bool gone[FIXTURE_KEYS]; /* has to be, by the meaning of the edges; stale is gone too */
    bool hard[FIXTURE_KEYS]; /* gone by a way on which no edge is soft */
};

static bool compiles(const struct fixture_class *classes) {
    struct fixture_told told;
    struct rules *rules;
    if (fixture_compile(classes, NULL, &memory_libc, &told, &rules) != STATUS_OK)
        return false;
    rules_free(rules);
    return true;
}

/* Classes first, then what is said of them, each only if the manifest stays good with it. */
static void random_classes(struct rng *rng, struct fixture_class classes[8]) {
    uint32_t count = 0;
    memset(classes, 0, 8 * sizeof *classes);
    for (int i = 0; i < 6; i++) {
        classes[count].pattern = PICK(rng, patterns);
        if (compiles(classes))
            count++;
        else
            classes[count].pattern = NULL;
    }
    for (int i = 0; i < 40; i++) {
        struct fixture_class *class = &classes[rng_below(rng, count)], before = *class;
        uint64_t what = rng_below(rng, 5);
        if (what == 0)
            class->tags[0] = PICK(rng, tags);
        else if (what == 1)
            class->derives[0] = PICK(rng, sources);
        else
            class->invalidates[class->invalidates[0] ? 1 : 0] = PICK(rng, targets);
        if (!compiles(classes))
            *class = before;
    }
}

/* Letters of keys stand for more than themselves here: '-' is wanted, and c comes often enough as a first letter. */
static void world_begin(struct world *world, const struct rules *rules) {
    world->rules = rules;
    for (uint32_t n = 0; n < FIXTURE_KEYS; n++) {
        size_t size = fixture_key(n, world->bytes[n]);
        for (size_t i = 2; i < size && n % 3 == 0; i++)
            if (world->bytes[n][i] == 'b')
                world->bytes[n][i] = '-';
        world->keys[n] = slice_make(world->bytes[n], size);
        world->classes[n] = rules_match(rules, world->keys[n], &world->fields[n]);
        world->gone[n] = false;
    }
}

static bool is_reached(const struct rules_edge *edge, uint32_t class) {
    for (uint32_t t = 0; t < edge->target_count; t++)
        for (uint32_t r = 0; r < edge->targets[t].reached_count; r++)
            if (edge->targets[t].reached[r] == class)
                return true;
    return false;
}

/* Whether parts of the same name matched the same. */
static bool agree(const struct rules_pattern *a, struct slice key_a, const struct rules_fields *x,
                  const struct rules_pattern *b, struct slice key_b, const struct rules_fields *y) {
    for (uint32_t i = 0; i < a->field_count; i++) {
        uint32_t j = rules_pattern_field(b, a->fields[i]);
        if (j != RULES_FIELDS_MAX && !slice_equal(rules_field(x, key_a, i), rules_field(y, key_b, j)))
            return false;
    }
    return true;
}

/* Whether the tag that a target says, filled from a key, is one that another bears. */
static bool bears(const struct world *world, uint32_t bearer, const struct rules_template *template, uint32_t from) {
    const struct rules_class *class = rules_class(world->rules, world->classes[bearer]);
    struct buf fired, own;
    bool found = false;
    buf_init(&fired, &memory_libc);
    buf_init(&own, &memory_libc);
    assert_int_equal(rules_template_fill(template, world->keys[from], &world->fields[from], &fired), STATUS_OK);
    for (uint32_t t = 0; t < class->tag_count && !found; t++) {
        buf_clear(&own);
        assert_int_equal(
            rules_template_fill(&class->tags[t].template, world->keys[bearer], &world->fields[bearer], &own),
            STATUS_OK);
        found = !class->tags[t].implicit && slice_equal(buf_slice(&own), buf_slice(&fired));
    }
    buf_fini(&fired);
    buf_fini(&own);
    return found;
}

/* Whether a change of the key `from` means that the key `to` goes, by what is written in the manifest. */
static bool means(struct world *world, const struct rules_edge *edge, bool is_tag, const struct rules_pattern *said,
                  uint32_t from, uint32_t to) {
    const struct rules_class *own = rules_class(world->rules, edge->from);
    struct rules_fields fields;
    if (world->classes[to] == RULES_NONE || !is_reached(edge, world->classes[to]))
        return false;
    if (is_tag)
        return bears(world, to, &edge->targets[0].template, from);
    if (edge->derives)
        return rules_pattern_matches(said, world->keys[from], &fields) &&
               agree(said, world->keys[from], &fields, &rules_class(world->rules, world->classes[to])->pattern,
                     world->keys[to], &world->fields[to]);
    return rules_pattern_matches(said, world->keys[to], &fields) &&
           agree(said, world->keys[to], &fields, &own->pattern, world->keys[from], &world->fields[from]);
}

/* Everything that has to go after the key has changed, or what is reached without soft edges. */
static void follow_meaning(struct world *world, uint32_t key, struct arena *arena, bool softly,
                           bool gone[FIXTURE_KEYS]) {
    static uint32_t queue[FIXTURE_KEYS + 1];
    uint32_t count = 0;
    queue[count++] = key;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t from = queue[at];
        if (world->classes[from] == RULES_NONE)
            continue;
        const struct rules_class *class = rules_class(world->rules, world->classes[from]);
        for (uint32_t e = 0; e < class->edge_count; e++) {
            const struct rules_edge *edge = rules_edge(world->rules, class->edges[e]);
            if (edge->soft && !softly)
                continue;
            struct rules_pattern said;
            struct rules_pattern_problem problem;
            assert_int_equal(rules_pattern_parse(edge->text, RULES_SYNTAX_TEMPLATE, arena, &said, &problem), STATUS_OK);
            bool is_tag = !edge->derives && edge->targets[0].kind == RULES_TARGET_TAG &&
                          edge->targets[0].template.pieces[0].data[0] != RULES_BEGINNING_MARK;
            for (uint32_t to = 0; to < FIXTURE_KEYS; to++)
                if (!gone[to] && means(world, edge, is_tag, &said, from, to)) {
                    gone[to] = true;
                    queue[count++] = to;
                }
        }
    }
}

static bool takes(const struct world *world, const struct rules_action *action, uint32_t key) {
    const struct rules_class *class = rules_class(world->rules, world->classes[key]);
    bool found = false;
    if (action->kind == RULES_TARGET_KEY)
        return slice_equal(action->text, world->keys[key]);
    if (action->kind == RULES_TARGET_CLASS)
        return action->class == world->classes[key];
    if (action->kind == RULES_TARGET_PATTERN)
        return glob_matches(action->text, world->keys[key], false);
    for (uint32_t t = 0; t < class->tag_count && !found; t++) {
        struct buf own;
        buf_init(&own, &memory_libc);
        assert_int_equal(rules_template_fill(&class->tags[t].template, world->keys[key], &world->fields[key], &own),
                         STATUS_OK);
        found = slice_equal(buf_slice(&own), action->text);
        buf_fini(&own);
    }
    return found;
}

static uint32_t check_change(struct world *world, uint32_t key, struct rules_plan *plan, uint64_t seed,
                             const struct fixture_class *classes, uint32_t *stale) {
    struct arena arena;
    uint32_t gone = 0;
    arena_init(&arena, &memory_libc, 4096);
    memset(world->gone, 0, sizeof world->gone);
    memset(world->hard, 0, sizeof world->hard);
    follow_meaning(world, key, &arena, true, world->gone);
    follow_meaning(world, key, &arena, false, world->hard);
    arena_fini(&arena);
    rules_plan_reset(plan);
    assert_int_equal(rules_plan_changed(plan, world->keys[key], world->classes[key], &world->fields[key]), STATUS_OK);
    for (uint32_t to = 0; to < FIXTURE_KEYS; to++) {
        bool softly = false, hard = false;
        if (!world->gone[to])
            continue;
        gone++;
        for (uint32_t i = 0; i < plan->count && !hard; i++)
            *(plan->actions[i].soft ? &softly : &hard) |= takes(world, &plan->actions[i], to);
        *stale += softly && !hard;
        if (hard || (softly && !world->hard[to]))
            continue;
        for (uint32_t i = 0; classes[i].pattern; i++)
            printf("  %s tags %s invalidates %s, %s derives %s\n", classes[i].pattern,
                   classes[i].tags[0] ? classes[i].tags[0] : "-",
                   classes[i].invalidates[0] ? classes[i].invalidates[0] : "-",
                   classes[i].invalidates[1] ? classes[i].invalidates[1] : "-",
                   classes[i].derives[0] ? classes[i].derives[0] : "-");
        fail_msg("seed %llu: after '%.*s' has changed '%.*s' stays%s", (unsigned long long)seed,
                 (int)world->keys[key].size, (const char *)world->keys[key].data, (int)world->keys[to].size,
                 (const char *)world->keys[to].data, world->hard[to] ? ", or is stale only" : "");
    }
    return gone;
}

static void nothing_that_has_to_go_stays(void **state) {
    static struct world world;
    uint64_t seed = unit_seed();
    struct rng rng = rng_seeded(seed);
    uint32_t gone = 0, stale = 0;
    for (int round = 0; round < 40; round++) {
        struct fixture_class classes[8];
        struct fixture_told told;
        struct rules *rules;
        struct rules_plan plan;
        random_classes(&rng, classes);
        assert_int_equal(fixture_compile(classes, NULL, &memory_libc, &told, &rules), STATUS_OK);
        world_begin(&world, rules);
        /* small limits in some rounds, so that cascades are cut short */
        rules_plan_init(&plan, rules, &memory_libc, rng_below(&rng, 4) ? 0 : 1, rng_below(&rng, 4) ? 0 : 1);
        for (int i = 0; i < 25; i++) {
            uint32_t key = (uint32_t)rng_below(&rng, FIXTURE_KEYS);
            if (world.classes[key] != RULES_NONE && rules_class(rules, world.classes[key])->edge_count)
                gone += check_change(&world, key, &plan, seed, classes, &stale);
        }
        rules_plan_fini(&plan);
        rules_free(rules);
    }
    assert_true(gone > 200 && stale > 20 && stale < gone);
}

UNIT_TESTS(plan_model, UNIT(nothing_that_has_to_go_stays));
