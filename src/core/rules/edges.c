/* Edges and tags: what a target of the manifest comes to.
 *
 * A key whose parts are all known is a key. A pattern that takes a whole class is that class. One that fixes the beginning of a class's keys, as
 * `feed:{id}:*` of `feed:{user}:{page}`, is a tag that the class's entries bear from then on: the beginning of their key. The rest would be a ban. */
#include <stdio.h>

#include "base/assert.h"
#include "core/rules/internal.h"

enum { IMPLICIT_TAGS_MAX = 8 };

/* A tag that a class is to bear. */
struct pending {
    struct pending *next;
    uint32_t class;
    struct rules_tag tag;
    struct rules_pattern pattern; /* of explicit ones: which tags they may be */
};

struct edges {
    struct build *build;
    struct pending *tags, **tags_end;
    uint32_t *found; /* classes that the present target reaches */
    uint32_t found_count;
    struct rules_edge *list;
    uint32_t count, capacity;
    const struct rules_pattern *keys; /* whose parts fill templates in; NULL: data of an event */
    const char *whose;                /* for people: where those parts come from */
};

/* ------------------------------------------------------------------------------------------ templates */

/* Bytes of one template while it is made. */
struct maker {
    struct slice pieces[RULES_FIELDS_MAX + 1];
    uint8_t fields[RULES_FIELDS_MAX], bytes[2 * RULES_PATTERN_SIZE_MAX + 4];
    size_t begin, size;
    uint32_t count;
};

static void maker_byte(struct maker *maker, uint8_t byte) {
    ASSERT(maker->size < sizeof maker->bytes);
    maker->bytes[maker->size++] = byte;
}

static void maker_piece(struct maker *maker) {
    maker->pieces[maker->count] = slice_make(maker->bytes + maker->begin, maker->size - maker->begin);
    maker->begin = maker->size;
}

enum shape { SHAPE_PLAIN, SHAPE_BEGINNING, SHAPE_SOURCE, SHAPE_PATTERN };

static void maker_token(struct maker *maker, const struct rules_pattern *pattern, uint32_t t, enum shape shape,
                        const uint8_t *fields) {
    const struct rules_token *token = &pattern->tokens[t];
    if (token->kind == RULES_PART) {
        maker_piece(maker);
        maker->fields[maker->count++] = fields[token->field];
    } else if (token->kind == RULES_STAR) {
        maker_byte(maker, '*');
    } else if (token->kind == RULES_SET) {
        size_t end = t + 1 < pattern->token_count ? pattern->tokens[t + 1].at : pattern->text.size;
        for (size_t at = token->at; at < end; at++)
            maker_byte(maker, pattern->text.data[at]);
    } else {
        if (shape == SHAPE_PATTERN && memchr("*?[]\\", token->byte, 5))
            maker_byte(maker, '\\');
        maker_byte(maker, token->byte);
    }
}

/* The first `count` tokens of a pattern as a template; `fields` says which part of the source each part is. */
static enum status make_template(struct build *build, const struct rules_pattern *pattern, uint32_t count,
                                 enum shape shape, const uint8_t *fields, struct rules_template *ret_template) {
    struct maker maker = {.size = 0};
    struct arena *arena = &build->rules->arena;
    struct slice bytes, numbers;
    if (shape == SHAPE_BEGINNING || shape == SHAPE_SOURCE)
        maker_byte(&maker, shape == SHAPE_SOURCE ? RULES_SOURCE_MARK : RULES_BEGINNING_MARK);
    for (uint32_t t = 0; t < count; t++)
        maker_token(&maker, pattern, t, shape, fields);
    if (count < pattern->token_count)
        maker_byte(&maker, '*');
    maker_piece(&maker);
    struct slice *pieces = arena_take(arena, (maker.count + 1) * sizeof *pieces);
    if (!pieces || !arena_copy(arena, slice_make(maker.bytes, maker.size), &bytes) ||
        !arena_copy(arena, slice_make(maker.fields, maker.count), &numbers))
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i <= maker.count; i++)
        pieces[i] = slice_part(bytes, (size_t)(maker.pieces[i].data - maker.bytes), maker.pieces[i].size);
    *ret_template = (struct rules_template){pattern->text, pieces, numbers.data, (uint8_t)maker.count};
    return STATUS_OK;
}

static bool same_template(const struct rules_template *a, const struct rules_template *b) {
    if (a->field_count != b->field_count || (a->field_count && memcmp(a->fields, b->fields, a->field_count) != 0))
        return false;
    for (uint32_t i = 0; i <= a->field_count; i++)
        if (!slice_equal(a->pieces[i], b->pieces[i]))
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------ parts by name */

static void tell_unknown_field(struct edges *edges, const struct rules_pattern *target, uint32_t field,
                               const struct manifest_text *text) {
    struct slice name = target->fields[field];
    size_t at = (size_t)(name.data - target->text.data);
    const char *words[RULES_FIELDS_MAX + 1] = {NULL}, *near = NULL;
    char names[RULES_FIELDS_MAX][64], help[256];
    struct build *build = edges->build;
    if (!edges->keys) {
        snprintf(help, sizeof help, "write {data.%.*s}", SHOW(name));
    } else {
        for (uint32_t i = 0; i < edges->keys->field_count; i++) {
            snprintf(names[i], sizeof names[i], "%.*s", SHOW(edges->keys->fields[i]));
            words[i] = names[i];
        }
        if (build->sink->suggest && words[0])
            near = build->sink->suggest(name, words);
        if (near)
            snprintf(help, sizeof help, "did you mean {%s}?", near);
        else
            snprintf(help, sizeof help, "'%.*s' has %s%s%s; write '*' for any", SHOW(edges->keys->text),
                     words[0] ? "{" : "no parts", words[0] ? words[0] : "",
                     words[0] ? words[1] ? "} and others" : "}" : "");
    }
    build_tell(
        build,
        &(struct manifest_problem){
            .code = "unknown-field", .place = build_place_in(text, at ? at - 1 : 0, name.size + 2), .help = help},
        "%s no part {%.*s}", edges->whose, SHOW(name));
}

/* Which part of the source each part of the target is. */
static bool find_fields(struct edges *edges, const struct rules_pattern *target, const struct manifest_text *text,
                        uint8_t ret_fields[RULES_FIELDS_MAX]) {
    bool good = true;
    for (uint32_t i = 0; i < target->field_count; i++) {
        bool is_known;
        if (edges->keys) {
            ret_fields[i] = (uint8_t)rules_pattern_field(edges->keys, target->fields[i]);
            is_known = ret_fields[i] != RULES_FIELDS_MAX;
        } else {
            ret_fields[i] = (uint8_t)i;
            is_known = slice_starts_with(target->fields[i], SLICE("data.")) && target->fields[i].size > 5;
        }
        if (!is_known)
            tell_unknown_field(edges, target, i, text);
        good &= is_known;
    }
    return good;
}

/* Reads a target; false: told what is wrong. */
static enum status parse_target(struct edges *edges, const struct manifest_text *text, enum rules_syntax syntax,
                                struct rules_pattern *ret_pattern, bool *ret_good) {
    struct rules_pattern_problem problem;
    struct slice copy;
    if (!arena_copy(&edges->build->rules->arena, text->text, &copy))
        return STATUS_NO_MEMORY;
    enum status status = rules_pattern_parse(copy, syntax, &edges->build->rules->arena, ret_pattern, &problem);
    *ret_good = status == STATUS_OK;
    if (status != STATUS_INVALID)
        return status;
    build_tell(edges->build,
               &(struct manifest_problem){
                   .code = "pattern", .place = build_place_in(text, problem.at, problem.size), .help = problem.help},
               "%s in '%.*s'", problem.what, SHOW(copy));
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ tags of classes */

/* A tag says what a part was if the part could not hold the byte at which it ends in the tag; otherwise only what it looks like is known. */
static bool tells(const struct rules_template *template, const struct rules_pattern *class) {
    for (uint32_t i = 0; i < template->field_count; i++) {
        uint8_t behind = template->pieces[i + 1].size ? template->pieces[i + 1].data[0] : ':';
        uint32_t t = 0;
        while (class->tokens[t].kind != RULES_PART || class->tokens[t].field != template->fields[i])
            t++;
        if (behind != ':' && behind != class->tokens[t].byte)
            return false;
    }
    return true;
}

static enum status form_of(struct build *build, const struct rules_pattern *class, struct rules_tag *tag) {
    const struct rules_template *template = &tag->template;
    size_t count = template->field_count;
    for (uint32_t i = 0; i <= template->field_count; i++)
        count += template->pieces[i].size;
    struct rules_token *tokens = build_take(build, count, sizeof *tokens);
    if (!tokens)
        return STATUS_NO_MEMORY;
    tag->tells = tells(template, class);
    tag->form_fields = template->fields;
    tag->form = (struct rules_pattern){.text = template->text, .tokens = tokens, .token_count = (uint16_t)count};
    count = 0;
    for (uint32_t i = 0; i <= template->field_count; i++) {
        for (size_t j = 0; j < template->pieces[i].size; j++)
            tokens[count++] =
                (struct rules_token){.kind = RULES_BYTE, .byte = template->pieces[i].data[j], .set = RULES_NO_SET};
        if (i == template->field_count)
            break;
        uint8_t behind = template->pieces[i + 1].size ? template->pieces[i + 1].data[0] : ':';
        tokens[count++] = (struct rules_token){
            .kind = tag->tells ? RULES_PART : RULES_STAR, .byte = behind, .set = RULES_NO_SET, .field = (uint8_t)i};
    }
    *(tag->tells ? &tag->form.field_count : &tag->form.star_count) = template->field_count;
    return STATUS_OK;
}

static enum status add_tag(struct edges *edges, uint32_t class, const struct rules_tag *tag,
                           const struct rules_pattern *pattern) {
    uint32_t implicit = 0;
    for (const struct pending *other = edges->tags; other; other = other->next) {
        if (other->class != class || other->tag.implicit != tag->implicit)
            continue;
        implicit += other->tag.implicit;
        if (!same_template(&other->tag.template, &tag->template))
            continue;
        if (!tag->implicit)
            build_tell(edges->build,
                       &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                                  .code = "duplicate-tag",
                                                  .place = tag->place,
                                                  .note_place = other->tag.place,
                                                  .note = "it is there already",
                                                  .help = "remove one of them"},
                       "the tag '%.*s' is listed twice", SHOW(tag->template.text));
        return STATUS_OK;
    }
    if (tag->implicit && implicit == IMPLICIT_TAGS_MAX) {
        build_tell(edges->build,
                   &(struct manifest_problem){.code = "too-many-tags",
                                              .place = tag->place,
                                              .note_place = edges->build->rules->classes[class].place,
                                              .note = "of this class",
                                              .help = "let edges share a beginning of the key, such as feed:{id}:*"},
                   "edges would put more than %d tags on every entry of '%.*s'", IMPLICIT_TAGS_MAX,
                   SHOW(edges->build->rules->classes[class].pattern.text));
        return STATUS_OK;
    }
    struct pending *pending = arena_take(&edges->build->rules->arena, sizeof *pending);
    if (!pending)
        return STATUS_NO_MEMORY;
    *pending = (struct pending){.class = class, .tag = *tag};
    TRY(form_of(edges->build, &edges->build->rules->patterns[class], &pending->tag));
    if (pattern)
        pending->pattern = *pattern;
    *edges->tags_end = pending;
    edges->tags_end = &pending->next;
    return STATUS_OK;
}

static bool is_plain(const struct rules_pattern *pattern) {
    return pattern->star_count == 0 && pattern->set_count == 0;
}

static void tell_not_plain(struct edges *edges, const struct manifest_text *text) {
    build_tell(edges->build,
               &(struct manifest_problem){
                   .code = "tag-pattern",
                   .place = text->place,
                   .help = "a tag is one name: fill it with parts such as {id}, or write \\* for a star"},
               "a tag cannot be a pattern: '%.*s'", SHOW(text->text));
}

static enum status add_explicit_tag(struct edges *edges, uint32_t class, const struct manifest_text *text) {
    struct rules_pattern pattern;
    struct rules_tag tag = {.place = text->place};
    uint8_t fields[RULES_FIELDS_MAX];
    bool good;
    edges->keys = &edges->build->rules->classes[class].pattern;
    edges->whose = "the pattern of this class has";
    TRY(parse_target(edges, text, RULES_SYNTAX_TEMPLATE, &pattern, &good));
    if (!good || !find_fields(edges, &pattern, text, fields))
        return STATUS_OK;
    if (!is_plain(&pattern)) {
        tell_not_plain(edges, text);
        return STATUS_OK;
    }
    if (pattern.tokens[0].kind == RULES_BYTE &&
        (pattern.tokens[0].byte == RULES_BEGINNING_MARK || pattern.tokens[0].byte == RULES_SOURCE_MARK))
        build_tell(
            edges->build,
            &(struct manifest_problem){.code = "tag-mark", .place = text->place, .help = "begin it with another byte"},
            "tags that begin with '~' or '^' are those of edges");
    TRY(make_template(edges->build, &pattern, pattern.token_count, SHAPE_PLAIN, fields, &tag.template));
    return add_tag(edges, class, &tag, &pattern);
}

static enum status collect_tags(struct edges *edges) {
    struct rules *rules = edges->build->rules;
    for (uint32_t class = 0; class < rules->class_count; class ++) {
        struct rules_class *own = &rules->classes[class];
        uint32_t count = 0;
        for (const struct pending *tag = edges->tags; tag; tag = tag->next)
            count += tag->class == class;
        struct rules_tag *tags = build_take(edges->build, count, sizeof *tags);
        if (!tags)
            return STATUS_NO_MEMORY;
        own->tags = tags;
        for (const struct pending *tag = edges->tags; tag; tag = tag->next)
            if (tag->class == class)
                tags[own->tag_count++] = tag->tag;
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ what a target reaches */

/* Classes that share keys with the pattern, but for those before which a class comes that takes all keys of the pattern. */
static enum status find_reached(struct edges *edges, const struct rules_pattern *pattern) {
    struct build *build = edges->build;
    const struct rules *rules = build->rules;
    struct rules_witness witness;
    edges->found_count = 0;
    for (uint32_t class = 0; class < rules->class_count; class ++) {
        bool overlap = false;
        if (build->broken[class])
            continue;
        arena_reset(&build->scratch);
        enum status status = rules_overlap(pattern, &rules->patterns[class], &build->scratch, &overlap, &witness);
        if (status == STATUS_NO_MEMORY)
            return status;
        if (overlap || status == STATUS_TOO_LARGE)
            edges->found[edges->found_count++] = class;
    }
    for (uint32_t i = 0; i < edges->found_count; i++) {
        const struct rules_pattern *whole = &rules->patterns[edges->found[i]];
        bool leaves_out = true;
        arena_reset(&build->scratch);
        if (rules_leaves_out(pattern, &whole, 1, &build->scratch, &leaves_out, &witness) == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        uint32_t kept = 0, self = edges->found[i];
        for (uint32_t j = 0; j < edges->found_count; j++)
            if (leaves_out || rules_pattern_order(whole, &rules->patterns[edges->found[j]]) >= 0)
                edges->found[kept++] = edges->found[j];
        edges->found_count = kept;
        while (i < kept && edges->found[i] != self)
            i--; /* those before it have moved up */
    }
    return STATUS_OK;
}

static enum status keep_found(struct edges *edges, struct rules_target *target) {
    struct slice copy;
    if (!arena_copy(&edges->build->rules->arena, slice_make(edges->found, edges->found_count * sizeof *edges->found),
                    &copy))
        return STATUS_NO_MEMORY;
    target->reached = (const uint32_t *)(const void *)copy.data;
    target->reached_count = edges->found_count;
    return STATUS_OK;
}

/* Walks a target and a class's pattern side by side, up to the target's star. A part of one takes bytes of the other as long as it could in a
 * key. Answers the tokens of the class's pattern that stand before the star, or 0: it is not the beginning that is fixed. */
static uint32_t fixed_beginning(const struct rules_pattern *target, const struct rules_pattern *class) {
    uint32_t t = 0, c = 0;
    while (target->tokens[t].kind != RULES_STAR) {
        const struct rules_token *x = &target->tokens[t];
        if (c == class->token_count)
            return 0;
        const struct rules_token *y = &class->tokens[c];
        if (x->kind == RULES_SET || y->kind == RULES_SET || y->kind == RULES_STAR)
            return 0;
        if (x->kind == RULES_PART && y->kind == RULES_PART) {
            if (x->byte != y->byte || x->set != RULES_NO_SET || y->set != RULES_NO_SET)
                return 0;
            t++, c++;
        } else if (y->kind == RULES_PART) {
            uint32_t begin = t;
            while (target->tokens[t].kind == RULES_BYTE && rules_token_takes(class, y, target->tokens[t].byte))
                t++;
            if (t == begin || target->tokens[t].kind != RULES_BYTE)
                return 0;
            c++;
        } else if (x->kind == RULES_PART) {
            uint32_t begin = c;
            while (c < class->token_count && class->tokens[c].kind == RULES_BYTE &&
                   rules_token_takes(target, x, class->tokens[c].byte))
                c++;
            if (c == begin || (c < class->token_count && class->tokens[c].kind != RULES_BYTE))
                return 0;
            t++;
        } else if (x->byte != y->byte) {
            return 0;
        } else {
            t++, c++;
        }
    }
    return c;
}

static bool ends_with_only_star(const struct rules_pattern *pattern) {
    return pattern->star_count == 1 && pattern->set_count == 0 &&
           pattern->tokens[pattern->token_count - 1].kind == RULES_STAR;
}

static void identity(uint8_t fields[RULES_FIELDS_MAX]) {
    for (uint8_t i = 0; i < RULES_FIELDS_MAX; i++)
        fields[i] = i;
}

/* Whether every key of the class is one of the target's. */
static enum status takes_whole_class(struct edges *edges, const struct rules_pattern *target, uint32_t class,
                                     bool *ret_whole) {
    struct rules_witness witness;
    bool leaves_out = true;
    arena_reset(&edges->build->scratch);
    enum status status = rules_leaves_out(&edges->build->rules->patterns[class], &target, 1, &edges->build->scratch,
                                          &leaves_out, &witness);
    *ret_whole = status == STATUS_OK && !leaves_out && target->field_count == 0;
    return status == STATUS_TOO_LARGE ? STATUS_OK : status;
}

static enum status tag_beginning(struct edges *edges, uint32_t class, uint32_t tokens,
                                 const struct manifest_text *text) {
    struct rules_tag tag = {.implicit = true, .place = text->place};
    uint8_t fields[RULES_FIELDS_MAX];
    identity(fields);
    struct rules_pattern longer = edges->build->rules->patterns[class];
    longer.token_count = (uint16_t)(tokens + 1); /* the name says '*' even if the class ends there */
    TRY(make_template(edges->build, &longer, tokens, SHAPE_BEGINNING, fields, &tag.template));
    return add_tag(edges, class, &tag, NULL);
}

static void tell_ban(struct edges *edges, const struct manifest_text *text, uint32_t class) {
    char note[200];
    const struct rules_class *own = &edges->build->rules->classes[class];
    snprintf(note, sizeof note, "it takes a part of '%.*s' that no beginning of the key fixes",
             SHOW(own->pattern.text));
    build_tell(
        edges->build,
        &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                   .code = "ban",
                                   .place = text->place,
                                   .note_place = own->place,
                                   .note = note,
                                   .help = "declare a class whose keys begin with what is fixed, or invalidate a tag"},
        "every time '%.*s' fires, readers have to compare keys with it", SHOW(text->text));
}

/* Leaves out classes that take all keys of the target and more, such as a catch-all '*', if there is one that does not: that is the one meant. */
static enum status leave_wide_out(struct edges *edges, const struct rules_pattern *target) {
    struct build *build = edges->build;
    struct rules_witness witness;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < edges->found_count; i++) {
        const struct rules_pattern *class = &build->rules->patterns[edges->found[i]];
        bool beyond = true, within = true;
        arena_reset(&build->scratch);
        if (rules_leaves_out(target, &class, 1, &build->scratch, &beyond, &witness) == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        arena_reset(&build->scratch);
        if (rules_leaves_out(class, &target, 1, &build->scratch, &within, &witness) == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        if (beyond || !within)
            edges->found[kept++] = edges->found[i];
    }
    if (kept)
        edges->found_count = kept;
    return STATUS_OK;
}

/* A target with stars or sets: whole classes, a tag, or a ban. */
static enum status spread(struct edges *edges, const struct rules_pattern *target, const struct manifest_text *text,
                          const uint8_t *fields, struct rules_target *ret_targets, uint32_t *ret_count) {
    struct build *build = edges->build;
    uint32_t *tagged = arena_take(&build->rules->arena, (edges->found_count + 1) * sizeof *tagged), tag_count = 0;
    uint32_t *banned = arena_take(&build->rules->arena, (edges->found_count + 1) * sizeof *banned), ban_count = 0;
    if (!tagged || !banned)
        return STATUS_NO_MEMORY;
    *ret_count = 0;
    for (uint32_t i = 0; i < edges->found_count; i++) {
        uint32_t class = edges->found[i], tokens = 0;
        bool whole;
        TRY(takes_whole_class(edges, target, class, &whole));
        if (!whole && ends_with_only_star(target))
            tokens = fixed_beginning(target, &build->rules->patterns[class]);
        if (whole) {
            uint32_t *self = arena_take(&build->rules->arena, sizeof *self);
            if (!self)
                return STATUS_NO_MEMORY;
            *self = class;
            ret_targets[(*ret_count)++] =
                (struct rules_target){.kind = RULES_TARGET_CLASS, .class = class, .reached = self, .reached_count = 1};
        } else if (tokens) {
            TRY(tag_beginning(edges, class, tokens, text));
            tagged[tag_count++] = class;
        } else {
            tell_ban(edges, text, class);
            banned[ban_count++] = class;
        }
    }
    if (tag_count) {
        struct rules_target *to = &ret_targets[(*ret_count)++];
        *to = (struct rules_target){
            .kind = RULES_TARGET_TAG, .class = RULES_NONE, .reached = tagged, .reached_count = tag_count};
        TRY(make_template(build, target, target->token_count, SHAPE_BEGINNING, fields, &to->template));
        TRY(make_template(build, target, target->token_count, SHAPE_PATTERN, fields, &to->instead));
    }
    if (ban_count) {
        struct rules_target *to = &ret_targets[(*ret_count)++];
        *to = (struct rules_target){
            .kind = RULES_TARGET_PATTERN, .class = RULES_NONE, .reached = banned, .reached_count = ban_count};
        TRY(make_template(build, target, target->token_count, SHAPE_PATTERN, fields, &to->template));
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ edges */

static struct rules_edge *add_edge(struct edges *edges, const struct manifest_target *target) {
    if (edges->count == edges->capacity) {
        uint32_t capacity = edges->capacity ? edges->capacity * 2 : 64;
        struct rules_edge *list = arena_take(&edges->build->rules->arena, capacity * sizeof *list);
        if (!list)
            return NULL;
        if (edges->count)
            memcpy(list, edges->list, edges->count * sizeof *list);
        edges->list = list;
        edges->capacity = capacity;
    }
    struct rules_edge *edge = &edges->list[edges->count];
    *edge = (struct rules_edge){.from = RULES_NONE, .soft = target->soft, .place = target->what.place};
    if (!arena_copy(&edges->build->rules->arena, target->what.text, &edge->text))
        return NULL;
    edges->count++;
    return edge;
}

static void tell_nothing(struct edges *edges, const struct manifest_text *text, bool derives) {
    build_tell(edges->build,
               &(struct manifest_problem){.code = "edge-to-nothing",
                                          .place = text->place,
                                          .help = "declare the class under 'keys', or correct the pattern"},
               derives ? "'%.*s' is derived from keys of no class" : "'%.*s' fits keys of no class", SHOW(text->text));
}

static enum status tag_target(struct edges *edges, const struct rules_pattern *pattern,
                              const struct manifest_text *text, const uint8_t *fields, struct rules_target *target) {
    struct build *build = edges->build;
    struct rules_witness witness;
    if (!is_plain(pattern)) {
        tell_not_plain(edges, text);
        return STATUS_OK;
    }
    edges->found_count = 0;
    for (const struct pending *tag = edges->tags; tag; tag = tag->next) {
        bool overlap = false;
        if (tag->tag.implicit)
            continue;
        arena_reset(&build->scratch);
        if (rules_overlap(pattern, &tag->pattern, &build->scratch, &overlap, &witness) == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        bool again = edges->found_count && edges->found[edges->found_count - 1] == tag->class;
        if (overlap && !again)
            edges->found[edges->found_count++] = tag->class;
    }
    if (edges->found_count == 0)
        build_tell(
            build,
            &(struct manifest_problem){.severity = MANIFEST_WARNING,
                                       .code = "tag-of-nothing",
                                       .place = text->place,
                                       .help = "add it to 'tags' of a class, unless clients put it on their entries"},
            "no class has a tag like '%.*s'", SHOW(text->text));
    *target = (struct rules_target){.kind = RULES_TARGET_TAG, .class = RULES_NONE};
    TRY(keep_found(edges, target));
    return make_template(build, pattern, pattern->token_count, SHAPE_PLAIN, fields, &target->template);
}

/* The targets of one line of `invalidates`, or of an event. */
static enum status add_target(struct edges *edges, uint32_t from, const struct manifest_target *target) {
    struct build *build = edges->build;
    struct rules_pattern pattern;
    uint8_t fields[RULES_FIELDS_MAX];
    bool good;
    TRY(parse_target(edges, &target->what, RULES_SYNTAX_TEMPLATE, &pattern, &good));
    if (!good || !find_fields(edges, &pattern, &target->what, fields))
        return STATUS_OK;
    struct rules_edge *edge = add_edge(edges, target);
    if (!edge)
        return STATUS_NO_MEMORY;
    edge->from = from;
    edge->own_fields = from == RULES_NONE;
    if (from == RULES_NONE)
        edge->when = pattern;
    if (target->kind == MANIFEST_TARGET_TAG) {
        struct rules_target *only = build_take(build, 1, sizeof *only);
        if (!only)
            return STATUS_NO_MEMORY;
        edge->targets = only;
        TRY(tag_target(edges, &pattern, &target->what, fields, only));
        edge->target_count = only->template.pieces ? 1 : 0;
        return STATUS_OK;
    }
    TRY(find_reached(edges, &pattern));
    if (edges->found_count == 0) {
        tell_nothing(edges, &target->what, false);
        return STATUS_OK;
    }
    struct rules_target *targets = build_take(build, edges->found_count + 2, sizeof *targets);
    if (!targets)
        return STATUS_NO_MEMORY;
    edge->targets = targets;
    if (!is_plain(&pattern)) {
        TRY(leave_wide_out(edges, &pattern));
        return spread(edges, &pattern, &target->what, fields, targets, &edge->target_count);
    }
    edge->target_count = 1;
    *targets = (struct rules_target){.kind = RULES_TARGET_KEY, .class = RULES_NONE};
    TRY(keep_found(edges, targets));
    return make_template(build, &pattern, pattern.token_count, SHAPE_PLAIN, fields, &targets->template);
}

/* What changes of a source invalidate of the derived class: one key, the entries that bear its name as a tag, or all. */
static enum status derived_target(struct edges *edges, uint32_t derived, const struct rules_pattern *source,
                                  const uint8_t *fields, const struct manifest_text *text,
                                  struct rules_target *target) {
    struct build *build = edges->build;
    const struct rules_pattern *own = &build->rules->patterns[derived];
    uint8_t numbers[RULES_FIELDS_MAX];
    uint32_t *self = build_take(build, 1, sizeof *self), known = 0;
    if (!self)
        return STATUS_NO_MEMORY;
    *self = derived;
    *target = (struct rules_target){.class = RULES_NONE, .reached = self, .reached_count = 1};
    for (uint32_t i = 0; i < own->field_count; i++) {
        numbers[i] = (uint8_t)rules_pattern_field(source, own->fields[i]);
        known += numbers[i] != RULES_FIELDS_MAX;
    }
    if (known == own->field_count && is_plain(own)) {
        target->kind = RULES_TARGET_KEY;
        return make_template(build, own, own->token_count, SHAPE_PLAIN, numbers, &target->template);
    }
    if (source->field_count == 0) {
        target->kind = RULES_TARGET_CLASS;
        target->class = derived;
        return STATUS_OK;
    }
    struct rules_tag tag = {.implicit = true, .place = text->place};
    TRY(make_template(build, source, source->token_count, SHAPE_SOURCE, fields, &tag.template));
    TRY(add_tag(edges, derived, &tag, NULL));
    identity(numbers);
    target->kind = RULES_TARGET_TAG;
    return make_template(build, source, source->token_count, SHAPE_SOURCE, numbers, &target->template);
}

static enum status add_derives(struct edges *edges, uint32_t derived, const struct manifest_target *from) {
    struct build *build = edges->build;
    const struct manifest_text *text = &from->what;
    struct rules_pattern source;
    uint8_t fields[RULES_FIELDS_MAX];
    bool good;
    TRY(parse_target(edges, text, RULES_SYNTAX_KEYS, &source, &good));
    if (!good || !find_fields(edges, &source, text, fields))
        return STATUS_OK;
    TRY(find_reached(edges, &source));
    if (edges->found_count == 0) {
        tell_nothing(edges, text, true);
        return STATUS_OK;
    }
    if (!is_plain(&source))
        TRY(leave_wide_out(edges, &source));
    struct rules_target *target = build_take(build, 1, sizeof *target);
    if (!target)
        return STATUS_NO_MEMORY;
    TRY(derived_target(edges, derived, &source, fields, text, target));
    for (uint32_t i = 0; i < edges->found_count; i++) {
        struct rules_edge *edge = add_edge(edges, from);
        if (!edge)
            return STATUS_NO_MEMORY;
        edge->from = edges->found[i];
        edge->derives = true;
        edge->own_fields = !rules_pattern_same(&source, &build->rules->patterns[edge->from]);
        edge->when = source;
        edge->targets = target;
        edge->target_count = 1;
    }
    return STATUS_OK;
}

static enum status edges_of_class(struct edges *edges, uint32_t class) {
    const struct manifest_class *from = &edges->build->manifest->classes[class];
    edges->keys = &edges->build->rules->patterns[class];
    edges->whose = "the pattern of this class has";
    for (uint32_t i = 0; i < from->invalidate_count; i++)
        TRY(add_target(edges, class, &from->invalidates[i]));
    for (uint32_t i = 0; i < from->derive_count; i++)
        if (from->derives[i].kind == MANIFEST_TARGET_KEYS)
            TRY(add_derives(edges, class, &from->derives[i]));
    return STATUS_OK;
}

static enum status edges_of_event(struct edges *edges, uint32_t event) {
    const struct manifest_event *from = &edges->build->manifest->events[event];
    struct rules_event *to = &edges->build->rules->events[event];
    bool good;
    to->place = from->name.place;
    TRY(parse_target(edges, &from->name, RULES_SYNTAX_GLOB, &to->name, &good));
    edges->keys = NULL;
    edges->whose = "events have";
    uint32_t first = edges->count;
    for (uint32_t i = 0; i < from->target_count; i++)
        TRY(add_target(edges, RULES_NONE, &from->targets[i]));
    to->edge_count = edges->count - first;
    return STATUS_OK;
}

/* Gives each class its edges, by their numbers. */
static enum status hand_out(struct edges *edges) {
    struct rules *rules = edges->build->rules;
    uint32_t *counts = build_take(edges->build, rules->class_count, sizeof *counts);
    uint32_t *numbers = build_take(edges->build, edges->count, sizeof *numbers), used = 0;
    if (!counts || !numbers)
        return STATUS_NO_MEMORY;
    rules->edges = edges->list;
    rules->edge_count = edges->count;
    for (uint32_t i = 0; i < edges->count; i++)
        if (edges->list[i].from != RULES_NONE)
            rules->classes[edges->list[i].from].edge_count++;
    for (uint32_t i = 0; i < rules->class_count; i++) {
        rules->classes[i].edges = numbers + used;
        used += rules->classes[i].edge_count;
    }
    for (uint32_t i = 0; i < edges->count; i++) {
        uint32_t from = edges->list[i].from;
        if (from != RULES_NONE)
            numbers[(size_t)(rules->classes[from].edges - numbers) + counts[from]++] = i;
    }
    return STATUS_OK;
}

enum status build_edges(struct build *build) {
    struct rules *rules = build->rules;
    struct edges edges = {.build = build};
    edges.tags_end = &edges.tags;
    edges.found = build_take(build, rules->class_count, sizeof *edges.found);
    rules->events = build_take(build, build->manifest->event_count, sizeof *rules->events);
    uint32_t *first = build_take(build, build->manifest->event_count, sizeof *first);
    if (!edges.found || !rules->events || !first)
        return STATUS_NO_MEMORY;
    rules->event_count = build->manifest->event_count;
    for (uint32_t class = 0; class < rules->class_count; class ++)
        for (uint32_t i = 0; i < build->manifest->classes[class].tag_count && !build->broken[class]; i++)
            TRY(add_explicit_tag(&edges, class, &build->manifest->classes[class].tags[i]));
    for (uint32_t class = 0; class < rules->class_count; class ++)
        if (!build->broken[class])
            TRY(edges_of_class(&edges, class));
    for (uint32_t event = 0; event < rules->event_count; event++) {
        first[event] = edges.count;
        TRY(edges_of_event(&edges, event));
    }
    TRY(hand_out(&edges));
    for (uint32_t event = 0; event < rules->event_count; event++)
        rules->events[event].edges = rules->edges ? rules->edges + first[event] : NULL;
    return collect_tags(&edges);
}
