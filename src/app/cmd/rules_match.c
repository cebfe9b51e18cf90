/* app/cmd/rules_match.c: RULES MATCH: all that the rules say of a key, what it takes with it, and what takes it away.
 *
 * Only members that the manifest says are told. The key need not be there: what clients' own tags do to it is not known here. */
#include <stdarg.h>
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/edges.h"
#include "app/cmd/facts.h"
#include "app/cmd/server_api.h"
#include "core/classes/terms.h"

enum { EDGES_SHOWN_MAX = 256, EDGE_TEXT_MAX = RULES_PATTERN_SIZE_MAX + EDGE_LINE_MAX + 16 };

#define TEXT(s) (int)(s).size, (s).size ? (const char *)(s).data : ""

struct match {
    struct facts facts;
    const struct rules *rules;
    const struct rules_class *class;
    uint32_t number; /* of the class */
    struct slice key;
    struct cache_terms terms;
    struct slice *lines; /* EDGES_SHOWN_MAX and one more */
    uint32_t line_count;
    uint64_t more;
};

/* ------------------------------------------------------------------------------------------ members */

static bool says(const struct match *match, enum manifest_field field) { return match->class->places[field].line != 0; }

static void put_share(struct match *match, enum manifest_field field, const char *name, uint32_t permille) {
    if (!says(match, field))
        return;
    if (permille % 10)
        facts_format(&match->facts, name, "%u.%u%%", permille / 10, permille % 10);
    else
        facts_format(&match->facts, name, "%u%%", permille / 10);
}

static void put_ms(struct match *match, enum manifest_field field, const char *name, uint64_t ms) {
    if (says(match, field))
        facts_number(&match->facts, name, (int64_t)ms);
}

static void put_word(struct match *match, enum manifest_field field, const char *name, const char *word) {
    if (says(match, field))
        facts_text(&match->facts, name, slice_from_string(word));
}

static void put_services(struct match *match) {
    const struct rules_class *class = match->class;
    if (class->owner != RULES_NONE)
        facts_text(&match->facts, "owner", rules_service(match->rules, class->owner));
    if (!says(match, MANIFEST_BORROWERS))
        return;
    struct slice *names = arena_take(match->facts.call->arena, (class->borrower_count + 1) * sizeof *names);
    match->facts.failed = match->facts.failed || !names;
    for (uint32_t i = 0; names && i < class->borrower_count; i++)
        names[i] = rules_service(match->rules, class->borrowers[i]);
    facts_list(&match->facts, "borrowers", names, names ? class->borrower_count : 0);
}

static void put_layers(struct match *match) {
    static const char *const layers[] = {"server", "client", "edge"};
    uint32_t count = 0;
    if (!says(match, MANIFEST_LAYERS))
        return;
    struct slice *list = arena_take(match->facts.call->arena, sizeof layers / sizeof *layers * sizeof *list);
    match->facts.failed = match->facts.failed || !list;
    for (uint32_t i = 0; list && i < sizeof layers / sizeof *layers; i++)
        if (match->class->layers >> i & 1)
            list[count++] = slice_from_string(layers[i]);
    facts_list(&match->facts, "layers", list, count);
}

static void put_times(struct match *match) {
    const struct rules_class *class = match->class;
    put_ms(match, MANIFEST_TTL_DEFAULT, "ttl_default_ms", class->ttl_default_ms);
    put_ms(match, MANIFEST_TTL_MAX, "ttl_max_ms", class->ttl_max_ms);
    put_share(match, MANIFEST_TTL_JITTER, "ttl_jitter", class->jitter_permille);
    put_word(match, MANIFEST_TTL_SLIDING, "ttl_sliding", class->sliding ? "true" : "false");
    put_ms(match, MANIFEST_STALE, "stale_ms", class->stale_ms);
    put_ms(match, MANIFEST_NEGATIVE, "negative_ms", class->negative_ms);
    put_share(match, MANIFEST_REFRESH, "refresh", class->refresh_permille);
}

static void put_limits(struct match *match) {
    static const char *const evicts[] = {[MANIFEST_EVICT_NORMAL] = "normal",
                                         [MANIFEST_EVICT_NEVER] = "never",
                                         [MANIFEST_EVICT_LAST] = "last",
                                         [MANIFEST_EVICT_FIRST] = "first"};
    const struct rules_class *class = match->class;
    if (class->store != RULES_NONE)
        facts_text(&match->facts, "store", rules_store(match->rules, class->store)->name);
    facts_codec(&match->facts, class);
    if (class->quota_permille)
        put_share(match, MANIFEST_QUOTA, "quota", class->quota_permille);
    else if (says(match, MANIFEST_QUOTA))
        facts_number(&match->facts, "quota_bytes", (int64_t) class->quota_bytes);
    put_word(match, MANIFEST_ON_QUOTA, "on_quota", class->on_quota == MANIFEST_ON_QUOTA_REFUSE ? "refuse" : "evict");
    put_word(match, MANIFEST_EVICT, "evict", evicts[class->evict]);
    put_word(match, MANIFEST_WRITES, "writes", class->leased ? "leased" : "any");
}

/* Those that the manifest names, and those by which its edges reach the key. */
static void put_tags(struct match *match) {
    struct cache_terms *terms = &match->terms;
    struct slice *lists = arena_take(match->facts.call->arena, 2 * CACHE_RULE_TAGS_MAX * sizeof *lists);
    struct slice *marked = lists + CACHE_RULE_TAGS_MAX;
    uint32_t plain_count = 0, marked_count = 0;
    match->facts.failed = match->facts.failed || !lists;
    for (uint32_t i = 0; lists && i < terms->tag_count; i++) {
        struct slice tag = facts_copy(&match->facts, terms->tags[i]);
        if (classes_is_marked(tag))
            marked[marked_count++] = tag;
        else
            lists[plain_count++] = tag;
    }
    facts_list(&match->facts, "tags", lists, plain_count);
    facts_list(&match->facts, "rule_tags", marked, marked_count);
}

/* ------------------------------------------------------------------------------------------ edges */

/* Whether a text may be what the template comes to, if anything may stand in its parts. */
static bool may_come_to(const struct rules_template *template, struct slice text) {
    struct slice first = template->pieces[0], last = template->pieces[template->field_count];
    if (template->field_count == 0)
        return slice_equal(first, text);
    if (text.size < first.size + last.size || (first.size && memcmp(text.data, first.data, first.size) != 0) ||
        (last.size && memcmp(text.data + text.size - last.size, last.data, last.size) != 0))
        return false;
    struct slice middle = slice_part(text, first.size, text.size - first.size - last.size);
    for (uint32_t i = 1; i < template->field_count; i++) {
        struct slice piece = template->pieces[i];
        const uint8_t *found = piece.size ? memmem(middle.data, middle.size, piece.data, piece.size) : middle.data;
        if (piece.size && (!middle.size || !found))
            return false;
        if (piece.size)
            middle = slice_part(middle, (size_t)(found - middle.data) + piece.size, SIZE_MAX);
    }
    return true;
}

/* Whether a target can take the key, and not only others of its class. In doubt it does. */
static bool may_take(const struct match *match, const struct rules_target *target) {
    bool of_class = false;
    for (uint32_t i = 0; i < target->reached_count && !of_class; i++)
        of_class = target->reached[i] == match->number;
    if (!of_class || target->kind == RULES_TARGET_CLASS || target->kind == RULES_TARGET_PATTERN)
        return of_class;
    if (target->kind == RULES_TARGET_KEY)
        return may_come_to(&target->template, match->key);
    for (uint32_t i = 0; i < match->terms.tag_count; i++) {
        struct slice tag = match->terms.tags[i];
        bool is_hash = tag.size == CLASSES_LONG_SIZE && tag.data[1] == CLASSES_LONG_MARK;
        if (is_hash || may_come_to(&target->template, tag))
            return true;
    }
    return false;
}

__attribute__((format(printf, 2, 3))) static void add_line(struct match *match, const char *format, ...) {
    char text[EDGE_TEXT_MAX];
    va_list arguments;
    if (match->line_count == EDGES_SHOWN_MAX) {
        match->more++;
        return;
    }
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t used = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    match->lines[match->line_count++] = facts_copy(&match->facts, slice_make(text, used));
}

/* Begins a list of edges, and ends it. */
static bool begin_lines(struct match *match) {
    match->lines = arena_take(match->facts.call->arena, (EDGES_SHOWN_MAX + 1) * sizeof *match->lines);
    match->line_count = 0;
    match->more = 0;
    match->facts.failed = match->facts.failed || !match->lines;
    return match->lines != NULL;
}

static void end_lines(struct match *match, const char *name) {
    char text[64];
    if (match->more) {
        int size = snprintf(text, sizeof text, "... and %llu more", (unsigned long long)match->more);
        match->lines[match->line_count++] = facts_copy(&match->facts, slice_make(text, (size_t)size));
    }
    facts_list(&match->facts, name, match->lines, match->line_count);
}

static void put_invalidates(struct match *match) {
    if (!begin_lines(match))
        return;
    for (uint32_t i = 0; i < match->class->edge_count; i++) {
        const struct rules_edge *edge = rules_edge(match->rules, match->class->edges[i]);
        struct rules_fields fields;
        if (edge->own_fields && !rules_pattern_matches(&edge->when, match->key, &fields))
            continue;
        struct edge_line line = edge_line(match->rules, edge);
        add_line(match, "%s", line.text);
    }
    end_lines(match, "invalidates");
}

static bool edge_takes(const struct match *match, const struct rules_edge *edge) {
    for (uint32_t i = 0; i < edge->target_count; i++)
        if (may_take(match, &edge->targets[i]))
            return true;
    return false;
}

static void reached_by(struct match *match, const char *what, struct slice from, const struct rules_edge *edge) {
    if (!edge_takes(match, edge))
        return;
    struct edge_line line = edge_line(match->rules, edge);
    add_line(match, "%s %.*s -> %s", what, TEXT(from), line.text);
}

static void put_reached_by(struct match *match) {
    const struct rules *rules = match->rules;
    if (!begin_lines(match))
        return;
    for (uint32_t c = 0; c < rules_class_count(rules); c++) {
        const struct rules_class *from = rules_class(rules, c);
        for (uint32_t i = 0; i < from->edge_count; i++)
            reached_by(match, "class", from->pattern.text, rules_edge(rules, from->edges[i]));
    }
    for (uint32_t e = 0; e < rules_event_count(rules); e++) {
        const struct rules_event *event = rules_event(rules, e);
        for (uint32_t i = 0; i < event->edge_count; i++)
            reached_by(match, "event", event->name.text, &event->edges[i]);
    }
    end_lines(match, "reached_by");
}

void cmd_rules_match(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct match match = {.facts = {.call = call},
                          .rules = server ? server->api->rules_now(server, call->client, NULL) : NULL,
                          .key = call->argv[2],
                          .terms = {.created = true}};
    struct rules_fields fields;
    match.number = match.rules ? rules_match(match.rules, match.key, &fields) : RULES_NONE;
    if (match.number == RULES_NONE) {
        reply_null(call->reply);
        return;
    }
    match.class = rules_class(match.rules, match.number);
    classes_terms(match.rules, match.key, call->actor->now_ms, 0, cache_tag_name_max(call->env->cache), &match.terms);
    facts_text(&match.facts, "class", match.class->pattern.text);
    facts_number(&match.facts, "line", match.class->place.line);
    put_services(&match);
    put_layers(&match);
    put_times(&match);
    put_limits(&match);
    put_tags(&match);
    put_invalidates(&match);
    put_reached_by(&match);
    facts_reply(&match.facts);
}
