/* What only looks: whether the rules go together. */
#include <stdio.h>

#include "core/rules/internal.h"

static const struct rules_class *class_of(const struct build *build, uint32_t class) {
    return &build->rules->classes[class];
}

/* ------------------------------------------------------------------------------------------ one class */

enum { DURATION_SIZE = 32 };

static const char *duration(uint64_t ms, char text[DURATION_SIZE]) {
    static const struct {
        char name[4];
        uint64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    int unit = 0;
    while (ms % units[unit].ms)
        unit++;
    snprintf(text, DURATION_SIZE, "%llu%.2s", (unsigned long long)(ms / units[unit].ms), units[unit].name);
    return text;
}

static void tell_field(struct build *build, const struct rules_class *class, enum manifest_severity severity,
                       const char *code, enum manifest_field field, enum manifest_field other, const char *note,
                       const char *help, const char *message) {
    build_tell(build,
               &(struct manifest_problem){.severity = severity,
                                          .code = code,
                                          .place = class->places[field],
                                          .note_place = class->places[other],
                                          .note = note,
                                          .help = help},
               "%s", message);
}

static void check_times(struct build *build, const struct rules_class *class) {
    char text[128], a[32], b[32];
    bool has_ttl = class->ttl_default_ms || class->ttl_max_ms;
    uint64_t usual_ms = class->ttl_default_ms ? class->ttl_default_ms : class->ttl_max_ms;
    if (class->ttl_default_ms && class->ttl_max_ms && class->ttl_default_ms > class->ttl_max_ms) {
        snprintf(text, sizeof text, "the default TTL of %s is over the maximum of %s",
                 duration(class->ttl_default_ms, a), duration(class->ttl_max_ms, b));
        tell_field(build, class, MANIFEST_ERROR, "ttl-over-max", MANIFEST_TTL_DEFAULT, MANIFEST_TTL_MAX,
                   "the maximum is here", "lower 'default' or raise 'max'", text);
    }
    if (class->jitter_permille && !has_ttl)
        tell_field(build, class, MANIFEST_ERROR, "jitter-without-ttl", MANIFEST_TTL_JITTER, MANIFEST_TTL_JITTER, NULL,
                   "add 'default' to 'ttl', or leave 'jitter' out", "there is no TTL that this jitter could shorten");
    if (class->sliding && !class->ttl_default_ms)
        tell_field(build, class, MANIFEST_ERROR, "sliding-without-ttl", MANIFEST_TTL_SLIDING, MANIFEST_TTL_SLIDING,
                   NULL, "add 'default' to 'ttl', or leave 'sliding' out",
                   "a TTL that slides needs a default to slide by");
    if (class->refresh_permille && !has_ttl)
        tell_field(build, class, MANIFEST_ERROR, "refresh-without-ttl", MANIFEST_REFRESH, MANIFEST_REFRESH, NULL,
                   "add a 'ttl', or leave 'refresh' out", "early refresh is at a share of the TTL, and there is none");
    if (class->stale_ms && usual_ms && class->stale_ms > usual_ms)
        tell_field(build, class, MANIFEST_WARNING, "stale-over-ttl", MANIFEST_STALE,
                   class->ttl_default_ms ? MANIFEST_TTL_DEFAULT : MANIFEST_TTL_MAX, "the TTL is here",
                   "make 'stale' shorter than the TTL", "values may be served stale for longer than they are fresh");
    if (class->negative_ms && usual_ms && class->negative_ms > usual_ms)
        tell_field(build, class, MANIFEST_WARNING, "negative-over-ttl", MANIFEST_NEGATIVE,
                   class->ttl_default_ms ? MANIFEST_TTL_DEFAULT : MANIFEST_TTL_MAX, "the TTL is here",
                   "make 'negative' shorter: what was not there may have come meanwhile",
                   "that something is not there is remembered for longer than what is there");
}

/* What is kept and told, but the server does not go by it. */
static void check_force(struct build *build, const struct rules_class *class) {
    if (class->places[MANIFEST_CODEC].line && class->codec != MANIFEST_CODEC_NONE)
        tell_field(build, class, MANIFEST_WARNING, "not-in-force", MANIFEST_CODEC, MANIFEST_CODEC, NULL,
                   "RULES MATCH and EXPLAIN tell it to clients",
                   "the server packs no values: the codec is for clients to go by");
}

static void check_limits(struct build *build, const struct rules_class *class) {
    bool has_quota = class->quota_bytes || class->quota_permille;
    if (class->places[MANIFEST_ON_QUOTA].line && !has_quota)
        tell_field(build, class, MANIFEST_ERROR, "on-quota-without-quota", MANIFEST_ON_QUOTA, MANIFEST_ON_QUOTA, NULL,
                   "add a 'quota', or leave 'on_quota' out", "there is no quota that could be reached");
    if (class->evict == MANIFEST_EVICT_NEVER && has_quota && class->on_quota == MANIFEST_ON_QUOTA_EVICT)
        tell_field(build, class, MANIFEST_ERROR, "never-and-evict", MANIFEST_EVICT, MANIFEST_QUOTA,
                   "but the quota evicts when it is reached", "add 'on_quota: refuse'",
                   "entries of this class are never to be evicted");
    if (class->leased && !(class->layers & MANIFEST_LAYER_SERVER))
        tell_field(build, class, MANIFEST_ERROR, "lease-without-server", MANIFEST_WRITES, MANIFEST_LAYERS,
                   "the server holds none of them", "add 'server' to 'layers'", "leases are given by the server");
    if (class->places[MANIFEST_BORROWERS].line && !class->places[MANIFEST_OWNER].line)
        tell_field(build, class, MANIFEST_WARNING, "borrowers-without-owner", MANIFEST_BORROWERS, MANIFEST_BORROWERS,
                   NULL, "name the owner, or leave 'borrowers' out",
                   "without an owner everybody may write, so nobody borrows");
    if (class->store == RULES_NONE || !class->quota_permille)
        return;
    const struct rules_store *store = &build->rules->stores[class->store];
    if (store->share_permille && class->quota_permille > store->share_permille)
        build_tell(build,
                   &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                              .code = "quota-over-store",
                                              .place = class->places[MANIFEST_QUOTA],
                                              .note_place = store->place,
                                              .note = "which has less",
                                              .help = "make 'quota' smaller than the memory of the store"},
                   "the quota is larger than what the store '%.*s' has", SHOW(store->name));
}

/* ------------------------------------------------------------------------------------------ classes side by side */

static void check_pair(struct build *build, uint32_t first, uint32_t second, const struct rules_witness *witness) {
    const struct rules_class *a = class_of(build, first), *b = class_of(build, second);
    struct slice key = slice_make(witness->bytes, witness->size);
    char note[300];
    int order = rules_pattern_order(&a->pattern, &b->pattern);
    if (order == 0) {
        snprintf(note, sizeof note, "'%.*s' stands here", SHOW(a->pattern.text));
        build_tell(build,
                   &(struct manifest_problem){
                       .code = "ambiguous",
                       .place = b->place,
                       .note_place = a->place,
                       .note = note,
                       .help = "make one of them narrower, or declare a class for the keys that fit both"},
                   "'%.*s' and '%.*s' both take '%.*s', and neither is more specific", SHOW(a->pattern.text),
                   SHOW(b->pattern.text), SHOW(key));
    }
    if (a->owner == RULES_NONE || b->owner == RULES_NONE || a->owner == b->owner)
        return;
    const struct rules_class *inner = order > 0 ? b : a, *outer = order > 0 ? a : b;
    snprintf(note, sizeof note, "'%.*s' belongs to '%.*s'", SHOW(outer->pattern.text),
             SHOW(build->rules->services[outer->owner]));
    build_tell(build,
               &(struct manifest_problem){.code = "nested-owner",
                                          .place = inner->places[MANIFEST_OWNER],
                                          .note_place = outer->places[MANIFEST_OWNER],
                                          .note = note,
                                          .help = "give both the same owner, or make the outer pattern narrower"},
               "'%.*s' of '%.*s' has an owner inside of another's keys, such as '%.*s'", SHOW(inner->pattern.text),
               SHOW(build->rules->services[inner->owner]), SHOW(key));
}

static void tell_same(struct build *build, uint32_t first, uint32_t second) {
    const struct rules_class *a = class_of(build, first), *b = class_of(build, second);
    char note[300];
    snprintf(note, sizeof note, "'%.*s' stands here", SHOW(a->pattern.text));
    build_tell(build,
               &(struct manifest_problem){.code = "duplicate-class",
                                          .place = b->place,
                                          .note_place = a->place,
                                          .note = note,
                                          .help = "put both into one class; names of parts make no difference"},
               "'%.*s' takes the same keys as another class", SHOW(b->pattern.text));
}

/* Whether the classes that come before it leave nothing to this one. */
static enum status check_shadow(struct build *build, uint32_t class, const uint32_t *near, uint32_t near_count) {
    const struct rules_pattern *others[RULES_LANGUAGE_OTHERS_MAX], *own = &build->rules->patterns[class];
    struct rules_witness witness;
    uint32_t count = 0, last = 0;
    bool leaves_out = true;
    for (uint32_t i = 0; i < near_count && count < RULES_LANGUAGE_OTHERS_MAX; i++)
        if (rules_pattern_order(&build->rules->patterns[near[i]], own) < 0) {
            others[count++] = &build->rules->patterns[near[i]];
            last = near[i];
        }
    if (count == 0)
        return STATUS_OK;
    arena_reset(&build->scratch);
    enum status status = rules_leaves_out(own, others, count, &build->scratch, &leaves_out, &witness);
    if (status == STATUS_NO_MEMORY || leaves_out || status != STATUS_OK)
        return status == STATUS_NO_MEMORY ? status : STATUS_OK;
    char note[300];
    snprintf(note, sizeof note, "'%.*s' takes them%s", SHOW(build->rules->patterns[last].text),
             count > 1 ? ", and other classes the rest" : "");
    build_tell(build,
               &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                          .code = "unreachable",
                                          .place = class_of(build, class)->place,
                                          .note_place = class_of(build, last)->place,
                                          .note = note,
                                          .help = "remove the class, or one of those before it"},
               "no key falls into '%.*s': more specific classes take all of them", SHOW(own->text));
    return STATUS_OK;
}

/* What clashes is told at the one that stands later in the file. */
static enum status check_neighbours(struct build *build) {
    struct rules *rules = build->rules;
    uint32_t *near = build_take(build, rules->class_count, sizeof *near);
    bool *same = build_take(build, rules->class_count, sizeof *same);
    struct rules_witness witness;
    if (!near || !same)
        return STATUS_NO_MEMORY;
    for (uint32_t second = 0; second < rules->class_count; second++) {
        uint32_t near_count = 0;
        for (uint32_t first = 0; first < rules->class_count && !build->broken[second]; first++) {
            bool overlap = false;
            if (build->broken[first] || first == second || same[first] || same[second])
                continue;
            if (first < second && rules_pattern_same(&rules->patterns[first], &rules->patterns[second])) {
                tell_same(build, first, second);
                same[second] = true;
                continue;
            }
            arena_reset(&build->scratch);
            enum status status =
                rules_overlap(&rules->patterns[first], &rules->patterns[second], &build->scratch, &overlap, &witness);
            if (status == STATUS_NO_MEMORY)
                return status;
            if (!overlap || status != STATUS_OK)
                continue;
            near[near_count++] = first;
            if (first < second)
                check_pair(build, first, second, &witness);
        }
        if (!build->broken[second] && !same[second])
            TRY(check_shadow(build, second, near, near_count));
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ the graph */

/* Looks for ways that lead back to where they began, depth first. */
struct cycles {
    struct build *build;
    uint8_t *state; /* of a class: not yet seen, on the way, done */
    uint32_t *way;  /* edges that lead to the present class */
    uint32_t way_count;
};

enum { UNSEEN, ON_THE_WAY, DONE };

static void tell_cycle(struct cycles *cycles, uint32_t back_to) {
    const struct rules *rules = cycles->build->rules;
    uint32_t begin = cycles->way_count - 1;
    while (rules->edges[cycles->way[begin]].from != back_to)
        begin--;
    char way[600] = "";
    size_t used = 0;
    for (uint32_t i = begin; i < cycles->way_count && used < sizeof way - 200; i++)
        used += (size_t)snprintf(way + used, sizeof way - used, "'%.*s' -> ",
                                 SHOW(rules->patterns[rules->edges[cycles->way[i]].from].text));
    snprintf(way + used, sizeof way - used, "'%.*s'", SHOW(rules->patterns[back_to].text));
    const struct rules_edge *last = &rules->edges[cycles->way[cycles->way_count - 1]],
                            *first = &rules->edges[cycles->way[begin]];
    bool own = last == first;
    build_tell(cycles->build,
               &(struct manifest_problem){
                   .code = "cycle",
                   .place = last->place,
                   .note_place = first->place,
                   .note = own ? NULL : "it begins here",
                   .help = own ? "let the target leave out the class itself" : "remove one of the edges"},
               own ? "entries invalidate their own class: %s" : "invalidation runs in a circle: %s", way);
}

/* The last edge of the way leads from a class to `class`; bounded by the number of classes, for each is on the way once. */
static void visit(struct cycles *cycles, uint32_t class) {
    const struct rules_class *own = class_of(cycles->build, class);
    const struct rules *rules = cycles->build->rules;
    cycles->state[class] = ON_THE_WAY;
    for (uint32_t i = 0; i < own->edge_count; i++) {
        const struct rules_edge *edge = &rules->edges[own->edges[i]];
        cycles->way[cycles->way_count++] = own->edges[i];
        for (uint32_t t = 0; t < edge->target_count; t++)
            for (uint32_t r = 0; r < edge->targets[t].reached_count; r++) {
                uint32_t to = edge->targets[t].reached[r];
                if (cycles->state[to] == ON_THE_WAY)
                    tell_cycle(cycles, to);
                else if (cycles->state[to] == UNSEEN)
                    visit(cycles, to);
            }
        cycles->way_count--;
    }
    cycles->state[class] = DONE;
}

static enum status check_cycles(struct build *build) {
    uint32_t count = build->rules->class_count;
    struct cycles cycles = {.build = build};
    cycles.state = build_take(build, count, 1);
    cycles.way = build_take(build, count + 1, sizeof *cycles.way);
    if (!cycles.state || !cycles.way)
        return STATUS_NO_MEMORY;
    for (uint32_t class = 0; class < count; class ++)
        if (cycles.state[class] == UNSEEN)
            visit(&cycles, class);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ soft edges */

/* Of one list: at most MANIFEST_TARGETS_MAX. */
static void check_soft_and_hard(struct build *build, const struct manifest_target *list, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; list[i].soft && j < count; j++) {
            if (list[j].soft || list[i].kind != list[j].kind || !slice_equal(list[i].what.text, list[j].what.text))
                continue;
            build_tell(build,
                       &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                                  .code = "soft-and-hard",
                                                  .place = list[i].what.place,
                                                  .note_place = list[j].what.place,
                                                  .note = "it goes by this one",
                                                  .help = "remove one of them"},
                       "that '%.*s' is soft here has no effect", SHOW(list[i].what.text));
            break;
        }
}

/* What is stale is there for as long as its class says, or as it would have lived. */
static void check_soft_end(struct build *build, const struct rules_edge *edge) {
    for (uint32_t t = 0; t < edge->target_count; t++)
        for (uint32_t r = 0; r < edge->targets[t].reached_count; r++) {
            const struct rules_class *to = class_of(build, edge->targets[t].reached[r]);
            if (to->stale_ms || to->ttl_default_ms || to->ttl_max_ms)
                continue;
            build_tell(build,
                       &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                                  .code = "soft-without-end",
                                                  .place = edge->place,
                                                  .note_place = to->place,
                                                  .note = "this class has neither 'stale' nor 'ttl'",
                                                  .help = "say for how long values may be stale, as in 'stale: 1m'"},
                       "what goes softly of '%.*s' may be shown as stale without end", SHOW(to->pattern.text));
        }
}

static void check_soft(struct build *build) {
    const struct manifest *manifest = build->manifest;
    for (uint32_t i = 0; i < build->rules->edge_count; i++)
        if (build->rules->edges[i].soft)
            check_soft_end(build, &build->rules->edges[i]);
    for (uint32_t i = 0; i < manifest->class_count; i++) {
        check_soft_and_hard(build, manifest->classes[i].invalidates, manifest->classes[i].invalidate_count);
        check_soft_and_hard(build, manifest->classes[i].derives, manifest->classes[i].derive_count);
    }
    for (uint32_t i = 0; i < manifest->event_count; i++)
        check_soft_and_hard(build, manifest->events[i].targets, manifest->events[i].target_count);
}

/* ------------------------------------------------------------------------------------------ what is derived */

/* Expiry fires no edge, so what was made of an expired entry would stay. */
static void check_outliving(struct build *build, const struct rules_edge *edge, uint32_t derived) {
    const struct rules_class *source = class_of(build, edge->from), *to = class_of(build, derived);
    uint64_t source_ms = source->ttl_default_ms ? source->ttl_default_ms : source->ttl_max_ms;
    uint64_t own_ms = to->ttl_default_ms ? to->ttl_default_ms : to->ttl_max_ms;
    char note[300], own[32], other[32];
    if (source_ms == 0 || (own_ms && own_ms <= source_ms))
        return;
    snprintf(note, sizeof note, "'%.*s' lives for %s", SHOW(source->pattern.text), duration(source_ms, other));
    build_tell(
        build,
        &(struct manifest_problem){
            .severity = MANIFEST_WARNING,
            .code = "outlives-source",
            .place = own_ms ? to->places[to->ttl_default_ms ? MANIFEST_TTL_DEFAULT : MANIFEST_TTL_MAX] : to->place,
            .note_place = source->places[source->ttl_default_ms ? MANIFEST_TTL_DEFAULT : MANIFEST_TTL_MAX],
            .note = note,
            .help = "give it a TTL that is no longer than that of its source"},
        "'%.*s' outlives '%.*s', of which it is derived%s%s", SHOW(to->pattern.text), SHOW(source->pattern.text),
        own_ms ? ": " : ": it has no TTL", own_ms ? duration(own_ms, own) : "");
}

static bool event_reaches(const struct rules_event *event, uint32_t class) {
    for (uint32_t e = 0; e < event->edge_count; e++)
        for (uint32_t t = 0; t < event->edges[e].target_count; t++)
            for (uint32_t r = 0; r < event->edges[e].targets[t].reached_count; r++)
                if (event->edges[e].targets[t].reached[r] == class)
                    return true;
    return false;
}

static enum status check_derived_event(struct build *build, uint32_t class, const struct manifest_text *name) {
    struct rules_pattern wanted;
    struct rules_pattern_problem problem;
    struct rules_witness witness;
    const struct rules_event *named = NULL;
    struct slice copy;
    if (!arena_copy(&build->rules->arena, name->text, &copy))
        return STATUS_NO_MEMORY;
    enum status status = rules_pattern_parse(copy, RULES_SYNTAX_GLOB, &build->rules->arena, &wanted, &problem);
    if (status == STATUS_INVALID)
        build_tell(build, &(struct manifest_problem){.code = "pattern", .place = name->place, .help = problem.help},
                   "%s in '%.*s'", problem.what, SHOW(copy));
    if (status != STATUS_OK)
        return status == STATUS_INVALID ? STATUS_OK : status;
    for (uint32_t i = 0; i < build->rules->event_count; i++) {
        bool overlap = false;
        arena_reset(&build->scratch);
        if (rules_overlap(&wanted, &build->rules->events[i].name, &build->scratch, &overlap, &witness) ==
            STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        if (overlap && event_reaches(&build->rules->events[i], class))
            return STATUS_OK;
        if (overlap)
            named = &build->rules->events[i];
    }
    build_tell(build,
               &(struct manifest_problem){
                   .code = "derived-never-invalidated",
                   .place = name->place,
                   .note_place = named ? named->place : (struct manifest_place){0},
                   .note = named ? "this event invalidates other keys only" : NULL,
                   .help = named ? "add the class to what the event invalidates" : "describe the event under 'events'"},
               "'%.*s' is derived data, but no event like '%.*s' invalidates it",
               SHOW(build->rules->patterns[class].text), SHOW(copy));
    return STATUS_OK;
}

static enum status check_derived(struct build *build, uint32_t class) {
    const struct manifest_class *from = &build->manifest->classes[class];
    const struct rules *rules = build->rules;
    bool some = false, in_server = false, by_event = false;
    for (uint32_t i = 0; i < from->derive_count; i++)
        if (from->derives[i].kind == MANIFEST_TARGET_EVENT) {
            by_event = true;
            TRY(check_derived_event(build, class, &from->derives[i].what));
        }
    for (uint32_t e = 0; e < rules->edge_count; e++) {
        const struct rules_edge *edge = &rules->edges[e];
        if (!edge->derives || edge->target_count == 0 || edge->targets->reached[0] != class)
            continue;
        some = true;
        in_server |= (rules->classes[edge->from].layers & MANIFEST_LAYER_SERVER) != 0;
        check_outliving(build, edge, class);
    }
    if (some && !in_server && !by_event)
        tell_field(build, class_of(build, class), MANIFEST_ERROR, "derived-never-invalidated", MANIFEST_DERIVES,
                   MANIFEST_DERIVES, NULL,
                   "add 'server' to the layers of a source, or invalidate this class by an event",
                   "nothing invalidates this class: the server sees no write of what it is derived from");
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ the whole */

/* A store of sessions knows them by a key that names one; the default store takes keys that have none. */
static void check_sessions(struct build *build, uint32_t store, bool is_default) {
    const struct rules *rules = build->rules;
    bool headed = false;
    if (!slice_equal(rules->stores[store].eviction, SLICE("session")))
        return;
    for (uint32_t class = 0; class < rules->class_count && !headed; class ++) {
        const struct rules_pattern *pattern = &rules->classes[class].pattern;
        headed = rules->classes[class].store == store && pattern->star_count == 0 && pattern->field_count == 1 &&
                 pattern->set_count == 0;
    }
    if (is_default)
        build_tell(
            build,
            &(struct manifest_problem){.code = "session-default",
                                       .place = rules->stores[store].place,
                                       .help = "describe another store for sessions, and name it in their classes"},
            "the default store cannot be one of sessions");
    else if (!headed && build->errors == 0)
        build_tell(
            build,
            &(struct manifest_problem){.code = "session-without-head",
                                       .place = rules->stores[store].place,
                                       .help = "put a class such as 'session:{id}' there, with one part and no star"},
            "no class of the store '%.*s' names a session", SHOW(rules->stores[store].name));
}

static void check_stores(struct build *build) {
    const struct rules *rules = build->rules;
    uint32_t count = rules->store_count, own = 0;
    bool has_default = false;
    for (uint32_t i = 0; i < rules->store_count; i++) {
        bool is_default = slice_equal(rules->stores[i].name, SLICE("default")), used = is_default;
        has_default |= is_default;
        check_sessions(build, i, is_default);
        for (uint32_t class = 0; class < rules->class_count && !used; class ++)
            used = rules->classes[class].store == i;
        if (!used && build->errors == 0) /* else it may be a name that is misspelt */
            build_tell(build,
                       &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                                  .code = "unused-store",
                                                  .place = rules->stores[i].place,
                                                  .help = "name it in a class, as in 'store: NAME', or remove it"},
                       "no class is in the store '%.*s'", SHOW(rules->stores[i].name));
    }
    count += !has_default;
    const struct rules_class *first_over = NULL;
    for (uint32_t class = 0; class < rules->class_count; class ++)
        if (rules->classes[class].own_store) {
            own++;
            if (!first_over && count + own > MANIFEST_STORES_MAX)
                first_over = &rules->classes[class];
        }
    struct manifest_place place = first_over           ? first_over->place
                                  : rules->store_count ? rules->stores[rules->store_count - 1].place
                                                       : (struct manifest_place){0};
    if (count + own > MANIFEST_STORES_MAX)
        build_tell(build,
                   &(struct manifest_problem){.code = "too-many-stores",
                                              .place = place,
                                              .help = "a class with a quota, or with 'evict' other than normal, has a "
                                                      "store of its own: let some share one"},
                   "%u stores and %u classes with a store of their own are more than the %d there may be", count, own,
                   MANIFEST_STORES_MAX);
}

static void check_services(struct build *build) {
    const struct rules *rules = build->rules;
    for (uint32_t service = 0; service < rules->service_count && build->manifest->says_services && build->errors == 0;
         service++) {
        bool used = false;
        for (uint32_t i = 0; i < rules->class_count && !used; i++) {
            used = rules->classes[i].owner == service;
            for (uint32_t j = 0; j < rules->classes[i].borrower_count && !used; j++)
                used = rules->classes[i].borrowers[j] == service;
        }
        for (uint32_t i = 0; i < build->manifest->service_count && !used; i++)
            if (slice_equal(build->manifest->services[i].text, rules->services[service])) {
                build_tell(
                    build,
                    &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                               .code = "unused-service",
                                               .place = build->manifest->services[i].place,
                                               .help = "make it the owner or a borrower of a class, or remove it"},
                    "no class names the service '%.*s'", SHOW(rules->services[service]));
                break;
            }
    }
}

enum status build_check(struct build *build) {
    for (uint32_t class = 0; class < build->rules->class_count; class ++) {
        check_times(build, class_of(build, class));
        check_limits(build, class_of(build, class));
        check_force(build, class_of(build, class));
        if (!build->broken[class])
            TRY(check_derived(build, class));
    }
    check_soft(build);
    check_stores(build);
    check_services(build);
    TRY(check_neighbours(build));
    return check_cycles(build);
}
