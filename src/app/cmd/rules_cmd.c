/* app/cmd/rules_cmd.c: RULES: the manifest in force. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "app/rules/graph.h"
#include "app/rules/manifest_diagnose.h"

enum { DIFFERENCES_MAX = 2 * MANIFEST_CLASSES_MAX, PROBLEM_SHOWN_MAX = 400 };

static const struct rules *rules_now(struct cmd_call *call, struct slice *ret_text) {
    struct cmd_server *server = call->env->server;
    return server ? server->api->rules_now(server, call->client, ret_text) : NULL;
}

/* The first line of the reason, which says where. */
static void refuse_with(struct cmd_call *call, const struct buf *problems, const char *what, const char *help) {
    struct slice text = manifest_first_error(buf_slice(problems), "manifest");
    const uint8_t *end = text.size ? memchr(text.data, '\n', text.size) : NULL;
    size_t size = end ? (size_t)(end - text.data) : text.size;
    size = size < PROBLEM_SHOWN_MAX ? size : PROBLEM_SHOWN_MAX;
    reply_errorf(call->reply, "ERR the manifest %s, and nothing has changed: %.*s%s", what, (int)size,
                 text.size ? (const char *)text.data : "", help);
}

static void refuse_manifest(struct cmd_call *call, const struct buf *problems) {
    refuse_with(call, problems, "is wrong", "; RULES CHECK tells all");
}

/* The rules are in force, but what is said has come of it. */
static void answer_loaded(struct cmd_call *call, struct slice said) {
    char text[PROBLEM_SHOWN_MAX];
    if (said.size == 0) {
        reply_ok(call->reply);
        return;
    }
    int size = snprintf(text, sizeof text, "OK, but %.*s", (int)said.size, (const char *)said.data);
    size = size < (int)sizeof text ? size : (int)sizeof text - 1;
    reply_simple(call->reply, slice_make((const uint8_t *)text, (size_t)size));
}

void cmd_rules_load(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct buf problems;
    buf_init(&problems, &memory_libc);
    enum status status = server->api->rules_load(server, call->client, call->argv[2], &problems);
    if (status == STATUS_INVALID)
        refuse_manifest(call, &problems);
    else if (status == STATUS_FULL)
        refuse_with(call, &problems, "cannot come into force now", "");
    else if (status == STATUS_BUSY)
        reply_error(call->reply, SLICE("BUSY another manifest is being loaded"));
    else if (status != STATUS_OK)
        cmd_error_status(call, status);
    else
        answer_loaded(call, buf_slice(&problems));
    buf_fini(&problems);
}

void cmd_rules_get(struct cmd_call *call) {
    struct slice text;
    if (rules_now(call, &text))
        reply_bulk(call->reply, text);
    else
        reply_null(call->reply);
}

/* Compiles an argument; what is wrong with it stands in `problems`. */
static enum status compile(struct cmd_call *call, struct buf *problems, struct rules **ret_rules) {
    return manifest_diagnose(call->argv[2], "manifest", DIAGNOSTICS_TEXT, problems, ret_rules, NULL);
}

void cmd_rules_check(struct cmd_call *call) {
    struct rules *rules = NULL;
    struct buf problems;
    buf_init(&problems, &memory_libc);
    enum status status = compile(call, &problems, &rules);
    if (status == STATUS_OK || status == STATUS_INVALID)
        reply_bulk(call->reply, buf_slice(&problems));
    else
        cmd_error_status(call, status);
    if (status == STATUS_OK)
        rules_free(rules);
    buf_fini(&problems);
}

static void reply_difference(struct cmd_call *call, const struct rules *before, const struct rules *after,
                             const struct rules_difference *difference) {
    char text[RULES_PATTERN_SIZE_MAX + 24 * MANIFEST_FIELD_COUNT];
    static const char marks[] = {[RULES_ADDED] = '+', [RULES_REMOVED] = '-', [RULES_CHANGED] = '~'};
    const struct rules_class *class = difference->change == RULES_ADDED ? rules_class(after, difference->class_after)
                                                                        : rules_class(before, difference->class_before);
    int size = snprintf(text, sizeof text, "%c %.*s", marks[difference->change], (int)class->pattern.text.size,
                        (const char *)class->pattern.text.data);
    const char *between = ": ";
    for (int field = 0; field < MANIFEST_FIELD_COUNT; field++) {
        if (!(difference->fields >> field & 1))
            continue;
        size += snprintf(text + size, sizeof text - (size_t)size, "%s%s", between,
                         rules_field_name((enum manifest_field)field));
        between = ", ";
    }
    reply_bulk(call->reply, slice_make((const uint8_t *)text, (size_t)size));
}

static uint32_t lines_in(const struct buf *text) {
    uint32_t count = 0;
    for (size_t i = 0; i < text->size; i++)
        count += text->data[i] == '\n';
    return count;
}

static void reply_lines(struct cmd_call *call, const struct buf *text) {
    for (size_t at = 0, end; at < text->size; at = end + 1) {
        end = (size_t)((const uint8_t *)memchr(text->data + at, '\n', text->size - at) - text->data);
        reply_bulk(call->reply, slice_make(text->data + at, end - at));
    }
}

static enum status say_change(struct buf *lines, char mark, const char *what, struct slice name) {
    return buf_printf(lines, "%c %s %.*s\n", mark, what, (int)name.size, (const char *)name.data);
}

static const struct rules_event *event_named(const struct rules *rules, struct slice name) {
    for (uint32_t i = 0; rules && i < rules_event_count(rules); i++)
        if (slice_equal(rules_event(rules, i)->name.text, name))
            return rules_event(rules, i);
    return NULL;
}

static bool same_event(const struct rules_event *a, const struct rules_event *b) {
    bool same = a->edge_count == b->edge_count;
    for (uint32_t i = 0; same && i < a->edge_count; i++)
        same = slice_equal(a->edges[i].text, b->edges[i].text) && a->edges[i].soft == b->edges[i].soft;
    return same;
}

/* A line for each. Without rules in force, `before` is NULL. */
static enum status diff_events(const struct rules *before, const struct rules *after, struct buf *lines) {
    for (uint32_t i = 0; before && i < rules_event_count(before); i++) {
        const struct rules_event *event = rules_event(before, i), *now = event_named(after, event->name.text);
        if (!now || !same_event(event, now))
            TRY(say_change(lines, now ? '~' : '-', "event", event->name.text));
    }
    for (uint32_t i = 0; i < rules_event_count(after); i++)
        if (!event_named(before, rules_event(after, i)->name.text))
            TRY(say_change(lines, '+', "event", rules_event(after, i)->name.text));
    return STATUS_OK;
}

static enum status diff_services(const struct rules *before, const struct rules *after, struct buf *lines) {
    for (uint32_t i = 0; before && i < rules_service_count(before); i++)
        if (rules_service_named(after, rules_service(before, i)) == RULES_NONE)
            TRY(say_change(lines, '-', "service", rules_service(before, i)));
    for (uint32_t i = 0; i < rules_service_count(after); i++)
        if (!before || rules_service_named(before, rules_service(after, i)) == RULES_NONE)
            TRY(say_change(lines, '+', "service", rules_service(after, i)));
    return STATUS_OK;
}

/* Without rules in force, all classes are new. */
static void reply_diff(struct cmd_call *call, const struct rules *before, const struct rules *after) {
    static const size_t size = DIFFERENCES_MAX * sizeof(struct rules_difference);
    struct rules_difference *differences = memory_take(&memory_libc, size);
    if (!differences) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    uint32_t count = 0;
    if (before)
        count = rules_diff(before, after, differences, DIFFERENCES_MAX);
    else
        for (; count < rules_class_count(after); count++)
            differences[count] = (struct rules_difference){RULES_ADDED, RULES_NONE, count, 0};
    struct buf lines;
    buf_init(&lines, &memory_libc);
    struct cmd_server *server = call->env->server;
    enum status status = diff_events(before, after, &lines);
    if (status == STATUS_OK)
        status = diff_services(before, after, &lines);
    if (status == STATUS_OK)
        status = server->api->rules_diff_stores(server, after, &lines);
    if (status == STATUS_OK) {
        reply_array(call->reply, count + lines_in(&lines));
        for (uint32_t i = 0; i < count; i++)
            reply_difference(call, before, after, &differences[i]);
        reply_lines(call, &lines);
    } else if (status == STATUS_BUSY) {
        reply_error(call->reply, SLICE("BUSY another manifest is being loaded"));
    } else {
        cmd_error_status(call, status);
    }
    buf_fini(&lines);
    memory_give(&memory_libc, differences, size);
}

void cmd_rules_diff(struct cmd_call *call) {
    struct rules *after = NULL;
    struct buf problems;
    buf_init(&problems, &memory_libc);
    enum status status = compile(call, &problems, &after);
    if (status == STATUS_OK) {
        reply_diff(call, rules_now(call, NULL), after);
        rules_free(after);
    } else if (status == STATUS_INVALID) {
        refuse_manifest(call, &problems);
    } else {
        cmd_error_status(call, status);
    }
    buf_fini(&problems);
}

static void reply_count(struct cmd_call *call, const char *name, uint64_t count) {
    reply_bulk_string(call->reply, name);
    reply_integer(call->reply, (int64_t)count);
}

static void reply_origin(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    const struct cmd_rules_origin *origin = server->api->rules_origin(server, call->client);
    char hash[32];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)origin->hash);
    reply_bulk_string(call->reply, "source");
    reply_bulk_string(call->reply, origin->source);
    reply_bulk_string(call->reply, "time");
    reply_integer(call->reply, (int64_t)origin->loaded_at_ms);
    reply_bulk_string(call->reply, "hash");
    reply_bulk_string(call->reply, hash);
}

/* What came of the last load, also where it changed nothing. */
static void reply_last_load(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct cmd_rules_loads loads = {.failures = 0};
    if (server)
        server->api->rules_loads(server, &loads);
    reply_bulk_string(call->reply, "last_load_status");
    reply_bulk_string(call->reply, loads.failed ? "err" : "ok");
    reply_bulk_string(call->reply, "last_load_time");
    reply_integer(call->reply, (int64_t)loads.last_at_ms);
    reply_bulk_string(call->reply, "last_load_error");
    reply_bulk_string(call->reply, loads.problem);
    reply_count(call, "failed_loads", loads.failures);
}

void cmd_rules_info(struct cmd_call *call) {
    const struct rules *rules = rules_now(call, NULL);
    reply_map(call->reply, rules ? 11 : 8);
    reply_count(call, "classes", rules ? rules_class_count(rules) : 0);
    reply_count(call, "edges", rules ? rules_edge_count(rules) : 0);
    reply_count(call, "events", rules ? rules_event_count(rules) : 0);
    reply_count(call, "services", rules ? rules_service_count(rules) : 0);
    if (rules)
        reply_origin(call);
    reply_last_load(call);
}

static bool read_form(struct slice word, enum graph_form *ret_form) {
    static const char *const names[] = {[GRAPH_TEXT] = "text", [GRAPH_SVG] = "svg", [GRAPH_DOT] = "dot"};
    for (int form = 0; form < (int)(sizeof names / sizeof *names); form++) {
        if (slice_equal_nocase(word, slice_from_string(names[form]))) {
            *ret_form = (enum graph_form)form;
            return true;
        }
    }
    return false;
}

void cmd_rules_graph(struct cmd_call *call) {
    enum graph_form form = GRAPH_TEXT;
    if (call->argc > 3 || (call->argc == 3 && !read_form(call->argv[2], &form))) {
        cmd_error_syntax(call);
        return;
    }
    const struct rules *rules = rules_now(call, NULL);
    if (!rules) {
        reply_null(call->reply);
        return;
    }
    struct buf drawn;
    buf_init(&drawn, &memory_libc);
    enum status status = graph_write(rules, form, &memory_libc, &drawn);
    if (status == STATUS_OK)
        reply_bulk(call->reply, buf_slice(&drawn));
    else
        cmd_error_status(call, status);
    buf_fini(&drawn);
}
