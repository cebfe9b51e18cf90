#include "core/rules/plan.h"

#include "base/assert.h"
#include "base/hash.h"
#include "core/rules/internal.h"

/* What is known of the parts of a class's keys, or of an event. */
struct known {
    struct slice values[RULES_FIELDS_MAX];
    bool has[RULES_FIELDS_MAX];
};

void rules_plan_init(struct rules_plan *plan, const struct rules *rules, const struct memory *memory,
                     uint32_t actions_max, uint32_t depth_max) {
    *plan = (struct rules_plan){.rules = rules,
                                .actions_max = actions_max ? actions_max : RULES_PLAN_ACTIONS_MAX,
                                .depth_max = depth_max ? depth_max : RULES_PLAN_DEPTH_MAX,
                                .again = RULES_NONE};
    arena_init(&plan->arena, memory, 8192);
}

void rules_plan_fini(struct rules_plan *plan) { arena_fini(&plan->arena); }

void rules_plan_reset(struct rules_plan *plan) {
    arena_reset(&plan->arena);
    plan->actions = NULL;
    plan->table = NULL;
    plan->count = plan->capacity = plan->table_size = 0;
    plan->again = RULES_NONE;
    plan->limited = false;
}

/* ------------------------------------------------------------------------------------------ actions */

static uint64_t action_hash(const struct rules_action *action) {
    return hash_bytes(action->text, (uint64_t)action->kind + 1);
}

static bool same_action(const struct rules_action *a, const struct rules_action *b) {
    return a->kind == b->kind && slice_equal(a->text, b->text);
}

static bool grow(struct rules_plan *plan) {
    uint32_t capacity = plan->capacity ? plan->capacity * 2 : 16, size = capacity * 2;
    struct rules_action *actions = arena_take(&plan->arena, capacity * sizeof *actions);
    uint32_t *table = arena_take(&plan->arena, size * sizeof *table);
    if (!actions || !table)
        return false;
    memset(table, 0, size * sizeof *table);
    if (plan->count)
        memcpy(actions, plan->actions, plan->count * sizeof *actions);
    for (uint32_t i = 0; i < plan->count; i++) {
        uint64_t at = action_hash(&actions[i]);
        while (table[at & (size - 1)])
            at++;
        table[at & (size - 1)] = i + 1;
    }
    plan->actions = actions;
    plan->table = table;
    plan->capacity = capacity;
    plan->table_size = size;
    return true;
}

static struct rules_action *find_planned(const struct rules_plan *plan, const struct rules_action *action) {
    if (plan->table_size == 0)
        return NULL;
    for (uint64_t at = action_hash(action);; at++) {
        uint32_t other = plan->table[at & (plan->table_size - 1)];
        if (other == 0)
            return NULL;
        if (same_action(&plan->actions[other - 1], action))
            return &plan->actions[other - 1];
    }
}

/* Whether it is planned already. What was soft and is reached by a hard way is hard from now on, by that way, and is followed again. */
static bool is_planned(struct rules_plan *plan, const struct rules_action *action) {
    struct rules_action *planned = find_planned(plan, action);
    if (planned && planned->soft && !action->soft) {
        uint32_t number = (uint32_t)(planned - plan->actions);
        planned->soft = false;
        planned->edge = action->edge;
        planned->from = action->from;
        planned->depth = action->depth;
        planned->again = plan->again;
        plan->again = number;
    }
    return planned != NULL;
}

/* The text is copied unless it is that of a class. */
static enum status put(struct rules_plan *plan, const struct rules_action *action) {
    struct rules_action kept = *action;
    if (is_planned(plan, action))
        return STATUS_OK;
    if (plan->count == plan->capacity && !grow(plan))
        return STATUS_NO_MEMORY;
    if (kept.kind != RULES_TARGET_CLASS && !arena_copy(&plan->arena, action->text, &kept.text))
        return STATUS_NO_MEMORY;
    uint64_t at = action_hash(&kept);
    while (plan->table[at & (plan->table_size - 1)])
        at++;
    plan->actions[plan->count] = kept;
    plan->table[at & (plan->table_size - 1)] = ++plan->count;
    return STATUS_OK;
}

/* A whole class, because of an edge of `like`; its other members are taken over. */
static enum status put_class(struct rules_plan *plan, struct rules_action like, uint32_t class, bool widened) {
    like.kind = RULES_TARGET_CLASS;
    like.class = class;
    like.text = plan->rules->patterns[class].text;
    like.widened = widened;
    return put(plan, &like);
}

/* Everything that can follow from the classes that the target reaches, as whole classes: at most as many actions as there are classes. */
static enum status put_all_that_follows(struct rules_plan *plan, struct rules_action like,
                                        const struct rules_target *target) {
    const struct rules *rules = plan->rules;
    uint32_t first = plan->count;
    plan->limited = true;
    for (uint32_t i = 0; i < target->reached_count; i++)
        TRY(put_class(plan, like, target->reached[i], true));
    for (uint32_t i = first; i < plan->count; i++) {
        const struct rules_class *class = &rules->classes[plan->actions[i].class];
        for (uint32_t e = 0; e < class->edge_count; e++) {
            const struct rules_edge *edge = &rules->edges[class->edges[e]];
            struct rules_action next = {.edge = class->edges[e],
                                        .from = i,
                                        .depth = plan->actions[i].depth + 1,
                                        .soft = edge->soft || plan->actions[i].soft};
            for (uint32_t t = 0; t < edge->target_count; t++)
                for (uint32_t r = 0; r < edge->targets[t].reached_count; r++)
                    TRY(put_class(plan, next, edge->targets[t].reached[r], true));
        }
    }
    return STATUS_OK;
}

static enum status put_or_widen(struct rules_plan *plan, const struct rules_action *action) {
    if (is_planned(plan, action))
        return STATUS_OK;
    bool has_room = action->depth <= plan->depth_max && plan->count < plan->actions_max;
    bool is_last = action->kind == RULES_TARGET_KEY && action->class == RULES_NONE;
    /* A tag may be on entries of no class too. Neither of the two leads on without room. */
    if (has_room || is_last || action->kind == RULES_TARGET_TAG)
        TRY(put(plan, action));
    if (has_room || is_last)
        return STATUS_OK;
    return put_all_that_follows(plan, *action, action->target);
}

/* ------------------------------------------------------------------------------------------ targets */

static enum status append_escaped(struct buf *text, struct slice value) {
    for (size_t i = 0; i < value.size; i++) {
        if (memchr("*?[]\\", value.data[i], 5))
            TRY(buf_append(text, "\\", 1));
        TRY(buf_append(text, &value.data[i], 1));
    }
    return STATUS_OK;
}

static enum status fill(const struct rules_template *template, const struct known *known, bool as_pattern,
                        struct buf *text) {
    for (uint32_t i = 0; i <= template->field_count; i++) {
        TRY(buf_append_slice(text, template->pieces[i]));
        if (i < template->field_count && as_pattern)
            TRY(append_escaped(text, known->values[template->fields[i]]));
        else if (i < template->field_count)
            TRY(buf_append_slice(text, known->values[template->fields[i]]));
    }
    return STATUS_OK;
}

static bool is_known(const struct rules_template *template, const struct known *known) {
    for (uint32_t i = 0; i < template->field_count; i++)
        if (!known->has[template->fields[i]])
            return false;
    return true;
}

/* Whether a part of a tag for the beginning of keys could not stand in such a key: then the tag is not on the entries that are meant. */
static bool is_misfit(const struct rules_target *target, const struct known *known) {
    for (uint32_t i = 0; target->instead.pieces && i < target->template.field_count; i++) {
        struct slice value = known->values[target->template.fields[i]];
        uint8_t behind = target->template.pieces[i + 1].data[0];
        if (value.size == 0 || memchr(value.data, ':', value.size) || memchr(value.data, behind, value.size))
            return true;
    }
    return false;
}

static enum status fire_target(struct rules_plan *plan, struct rules_action like, const struct rules_target *target,
                               const struct known *known) {
    like.target = target;
    if (target->kind == RULES_TARGET_CLASS) {
        like.kind = RULES_TARGET_CLASS;
        like.class = target->class;
        like.text = plan->rules->patterns[target->class].text;
        return put_or_widen(plan, &like);
    }
    if (!is_known(&target->template, known)) {
        for (uint32_t i = 0; i < target->reached_count; i++)
            TRY(put_class(plan, like, target->reached[i], true));
        return STATUS_OK;
    }
    struct buf text;
    struct rules_fields fields;
    bool misfit = target->kind == RULES_TARGET_TAG && is_misfit(target, known);
    buf_init(&text, plan->arena.memory);
    like.kind = misfit ? RULES_TARGET_PATTERN : target->kind;
    enum status status =
        fill(misfit ? &target->instead : &target->template, known, like.kind == RULES_TARGET_PATTERN, &text);
    like.text = buf_slice(&text);
    like.class = RULES_NONE;
    if (status == STATUS_OK && like.kind == RULES_TARGET_KEY)
        like.class = rules_match(plan->rules, like.text, &fields);
    if (status == STATUS_OK)
        status = put_or_widen(plan, &like);
    buf_fini(&text);
    return status;
}

/* ------------------------------------------------------------------------------------------ changes */

/* What is known of the parts of the edge's own pattern: those that stand in the same place of the class's. */
static void translate(const struct rules_edge *edge, const struct rules_pattern *class, const struct known *known,
                      struct known *ret_known) {
    *ret_known = (struct known){0};
    for (uint32_t t = 0; t < edge->when.token_count && t < class->token_count; t++) {
        const struct rules_token *x = &edge->when.tokens[t], *y = &class->tokens[t];
        bool is_same = x->kind == y->kind && (x->kind == RULES_BYTE || x->kind == RULES_PART) && x->byte == y->byte;
        if (!is_same || (x->kind == RULES_PART && (x->set != RULES_NO_SET || y->set != RULES_NO_SET)))
            return;
        if (x->kind == RULES_PART) {
            ret_known->values[x->field] = known->values[y->field];
            ret_known->has[x->field] = known->has[y->field];
        }
    }
}

static void know_fields(struct slice key, const struct rules_fields *fields, struct known *ret_known) {
    *ret_known = (struct known){0};
    for (uint32_t i = 0; i < fields->count; i++) {
        ret_known->values[i] = rules_field(fields, key, i);
        ret_known->has[i] = true;
    }
}

/* `key`: the one that changed; without data, it is a change of several of which only `known` is known. */
static enum status fire_class(struct rules_plan *plan, uint32_t from, uint32_t class, struct slice key,
                              const struct known *known) {
    const struct rules *rules = plan->rules;
    const struct rules_class *own = &rules->classes[class];
    uint32_t depth = from == RULES_NONE ? 1 : plan->actions[from].depth + 1;
    bool soft = from == RULES_NONE ? plan->soft : plan->actions[from].soft;
    for (uint32_t e = 0; e < own->edge_count; e++) {
        const struct rules_edge *edge = &rules->edges[own->edges[e]];
        struct rules_action like = {
            .edge = own->edges[e], .from = from, .depth = depth, .class = RULES_NONE, .soft = soft || edge->soft};
        struct known other;
        struct rules_fields fields;
        if (edge->own_fields && key.data) {
            if (!rules_pattern_matches(&edge->when, key, &fields))
                continue;
            know_fields(key, &fields, &other);
        } else if (edge->own_fields) {
            translate(edge, &own->pattern, known, &other);
        }
        for (uint32_t t = 0; t < edge->target_count; t++)
            TRY(fire_target(plan, like, &edge->targets[t], edge->own_fields ? &other : known));
    }
    return STATUS_OK;
}

/* Changes of a class's entries that bear a tag: what the tag says of the parts of their keys. */
static enum status fire_tagged(struct rules_plan *plan, uint32_t from, uint32_t class, struct slice tag) {
    const struct rules_class *own = &plan->rules->classes[class];
    for (uint32_t i = 0; i < own->tag_count; i++) {
        const struct rules_tag *other = &own->tags[i];
        struct rules_fields fields;
        struct known known = {.has = {false}};
        if (!rules_pattern_matches(&other->form, tag, &fields))
            continue;
        for (uint32_t f = 0; f < fields.count && other->tells; f++) {
            known.values[other->form_fields[f]] = rules_field(&fields, tag, f);
            known.has[other->form_fields[f]] = true;
        }
        TRY(fire_class(plan, from, class, slice_make(NULL, 0), &known));
    }
    return STATUS_OK;
}

/* Whatever the edge was meant for: every entry that bears the tag goes. */
static enum status follow_tag(struct rules_plan *plan, uint32_t number) {
    struct slice tag = plan->actions[number].text;
    for (uint32_t class = 0; class < plan->rules->class_count; class ++)
        if (plan->rules->classes[class].edge_count)
            TRY(fire_tagged(plan, number, class, tag));
    return STATUS_OK;
}

static enum status follow(struct rules_plan *plan, uint32_t number) {
    const struct rules_action action = plan->actions[number]; /* the list may move */
    struct known nothing = {.has = {false}}, known;
    struct rules_fields fields;
    switch (action.kind) {
        case RULES_TARGET_KEY:
            if (rules_match(plan->rules, action.text, &fields) == RULES_NONE)
                return STATUS_OK;
            know_fields(action.text, &fields, &known);
            return fire_class(plan, number, action.class, action.text, &known);
        case RULES_TARGET_CLASS:
            return fire_class(plan, number, action.class, slice_make(NULL, 0), &nothing);
        case RULES_TARGET_TAG:
            return follow_tag(plan, number);
        case RULES_TARGET_PATTERN:
        case RULES_TARGET_EXPRESSION:
            for (uint32_t i = 0; action.target && i < action.target->reached_count; i++)
                TRY(fire_class(plan, number, action.target->reached[i], slice_make(NULL, 0), &nothing));
            return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status follow_all(struct rules_plan *plan, uint32_t first) {
    while (first < plan->count || plan->again != RULES_NONE) {
        uint32_t number = plan->again == RULES_NONE ? first++ : plan->again;
        if (number == plan->again)
            plan->again = plan->actions[number].again;
        TRY(follow(plan, number));
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ beginnings */

enum status rules_plan_changed(struct rules_plan *plan, struct slice key, uint32_t class,
                               const struct rules_fields *fields) {
    struct known known;
    if (class == RULES_NONE || plan->rules->classes[class].edge_count == 0)
        return STATUS_OK;
    uint32_t first = plan->count;
    know_fields(key, fields, &known);
    TRY(fire_class(plan, RULES_NONE, class, key, &known));
    return follow_all(plan, first);
}

static enum status begin(struct rules_plan *plan, enum rules_target_kind kind, struct slice text, uint32_t class) {
    uint32_t first = plan->count;
    TRY(put(
        plan,
        &(struct rules_action){
            .kind = kind, .text = text, .class = class, .edge = RULES_NONE, .from = RULES_NONE, .soft = plan->soft}));
    return follow_all(plan, first);
}

enum status rules_plan_key(struct rules_plan *plan, struct slice key) {
    struct rules_fields fields;
    return begin(plan, RULES_TARGET_KEY, key, rules_match(plan->rules, key, &fields));
}

enum status rules_plan_tag(struct rules_plan *plan, struct slice tag) {
    return begin(plan, RULES_TARGET_TAG, tag, RULES_NONE);
}

enum status rules_plan_class(struct rules_plan *plan, uint32_t class) {
    ASSERT(class < plan->rules->class_count);
    return begin(plan, RULES_TARGET_CLASS, plan->rules->patterns[class].text, class);
}

/* How the pattern and a class stand to each other. When that takes too long to find out, it counts as a part. */
static enum status relation(const struct rules_pattern *pattern, const struct rules_pattern *class,
                            struct arena *scratch, bool *ret_shares, bool *ret_whole) {
    struct rules_witness witness;
    bool leaves_out = true;
    arena_reset(scratch);
    *ret_shares = true;
    if (rules_overlap(pattern, class, scratch, ret_shares, &witness) == STATUS_NO_MEMORY)
        return STATUS_NO_MEMORY;
    arena_reset(scratch);
    if (*ret_shares && rules_leaves_out(class, &pattern, 1, scratch, &leaves_out, &witness) == STATUS_NO_MEMORY)
        return STATUS_NO_MEMORY;
    *ret_whole = *ret_shares && !leaves_out;
    return STATUS_OK;
}

static enum status plan_pattern(struct rules_plan *plan, const struct rules_pattern *pattern, struct arena *scratch) {
    const struct rules *rules = plan->rules;
    uint32_t first = plan->count, exact = 0;
    uint32_t *parts = arena_take(&plan->arena, (rules->class_count + 1) * sizeof *parts), part_count = 0;
    struct rules_action like = {.edge = RULES_NONE, .from = RULES_NONE, .soft = plan->soft};
    if (!parts)
        return STATUS_NO_MEMORY;
    for (uint32_t class = 0; class < rules->class_count; class ++) {
        bool shares, whole;
        TRY(relation(pattern, &rules->patterns[class], scratch, &shares, &whole));
        if (whole)
            TRY(put_class(plan, like, class, false));
        else if (shares)
            parts[part_count++] = class;
        if (whole && rules_pattern_order(pattern, &rules->patterns[class]) == 0)
            exact++;
    }
    /* The pattern of one class and no other is that class; else keys of no class, or a part of one, may match too. */
    if (exact != 1 || part_count) {
        struct rules_target *target = arena_take(&plan->arena, sizeof *target);
        if (!target)
            return STATUS_NO_MEMORY;
        *target = (struct rules_target){
            .kind = RULES_TARGET_PATTERN, .class = RULES_NONE, .reached = parts, .reached_count = part_count};
        like.kind = RULES_TARGET_PATTERN;
        like.class = RULES_NONE;
        like.text = pattern->text;
        like.target = target;
        TRY(put(plan, &like));
    }
    return follow_all(plan, first);
}

enum status rules_plan_pattern(struct rules_plan *plan, struct slice pattern) {
    struct rules_pattern parsed;
    struct rules_pattern_problem problem;
    struct arena scratch;
    arena_init(&scratch, plan->arena.memory, 4096);
    enum status status = rules_pattern_parse(pattern, RULES_SYNTAX_GLOB, &plan->arena, &parsed, &problem);
    if (status == STATUS_OK)
        status = plan_pattern(plan, &parsed, &scratch);
    arena_fini(&scratch);
    return status;
}

/* Any class whose keys the pattern may match has perhaps changed. */
static enum status plan_expression(struct rules_plan *plan, struct slice expression, const struct rules_pattern *around,
                                   struct arena *scratch) {
    const struct rules *rules = plan->rules;
    uint32_t *parts = arena_take(&plan->arena, (rules->class_count + 1) * sizeof *parts), part_count = 0;
    struct rules_target *target = arena_take(&plan->arena, sizeof *target);
    if (!parts || !target)
        return STATUS_NO_MEMORY;
    for (uint32_t class = 0; class < rules->class_count; class ++) {
        bool shares, whole;
        TRY(relation(around, &rules->patterns[class], scratch, &shares, &whole));
        if (shares)
            parts[part_count++] = class;
    }
    *target = (struct rules_target){
        .kind = RULES_TARGET_EXPRESSION, .class = RULES_NONE, .reached = parts, .reached_count = part_count};
    TRY(put(plan, &(struct rules_action){.kind = RULES_TARGET_EXPRESSION,
                                         .text = expression,
                                         .class = RULES_NONE,
                                         .edge = RULES_NONE,
                                         .from = RULES_NONE,
                                         .soft = plan->soft,
                                         .target = target}));
    return follow_all(plan, plan->count - 1);
}

enum status rules_plan_expression(struct rules_plan *plan, struct slice expression, struct slice around) {
    struct rules_pattern parsed;
    struct rules_pattern_problem problem;
    struct arena scratch;
    arena_init(&scratch, plan->arena.memory, 4096);
    enum status status = rules_pattern_parse(around, RULES_SYNTAX_GLOB, &plan->arena, &parsed, &problem);
    if (status == STATUS_OK)
        status = plan_expression(plan, expression, &parsed, &scratch);
    arena_fini(&scratch);
    return status;
}

/* ------------------------------------------------------------------------------------------ events */

static bool is_list(struct slice name) {
    return name.size > 2 && slice_equal(slice_part(name, name.size - 2, 2), SLICE("[]"));
}

/* Fills in the data. Of lists the members with number `index`; false there: there are no more. */
static enum status know_data(const struct rules_edge *edge, const struct rules_data *data, uint32_t index,
                             struct known *ret_known, bool *ret_more, struct slice *ret_missing) {
    *ret_known = (struct known){0};
    *ret_more = index == 0;
    for (uint32_t i = 0; i < edge->when.field_count; i++) {
        struct slice name = edge->when.fields[i], path = slice_part(name, 5, name.size); /* behind "data." */
        bool list = is_list(name);
        if (list)
            path.size -= 2;
        if (!data->lookup(data->context, path, list ? index : RULES_DATA_SINGLE, &ret_known->values[i])) {
            if (list) {
                *ret_more = false;
                return STATUS_OK;
            }
            *ret_missing = path;
            return STATUS_INVALID;
        }
        if (ret_known->values[i].size == 0) {
            *ret_missing = path;
            return STATUS_INVALID;
        }
        ret_known->has[i] = true;
        *ret_more |= list;
    }
    return STATUS_OK;
}

static enum status fire_event_edge(struct rules_plan *plan, const struct rules_edge *edge,
                                   const struct rules_data *data, struct slice *ret_missing) {
    struct rules_action like = {.edge = (uint32_t)(edge - plan->rules->edges),
                                .from = RULES_NONE,
                                .depth = 1,
                                .class = RULES_NONE,
                                .soft = plan->soft || edge->soft};
    for (uint32_t index = 0;; index++) {
        struct known known;
        bool more;
        TRY(know_data(edge, data, index, &known, &more, ret_missing));
        if (!more)
            return STATUS_OK;
        for (uint32_t t = 0; t < edge->target_count; t++)
            TRY(fire_target(plan, like, &edge->targets[t], &known));
    }
}

enum status rules_plan_event(struct rules_plan *plan, struct slice name, const struct rules_data *data,
                             struct slice *ret_missing) {
    uint32_t first = plan->count;
    for (uint32_t i = 0; i < plan->rules->event_count; i++) {
        const struct rules_event *event = &plan->rules->events[i];
        if (!rules_pattern_matches(&event->name, name, NULL))
            continue;
        for (uint32_t e = 0; e < event->edge_count; e++)
            TRY(fire_event_edge(plan, &event->edges[e], data, ret_missing));
    }
    return follow_all(plan, first);
}
