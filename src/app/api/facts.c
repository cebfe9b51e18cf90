/* app/api/facts.c: what the server tells of itself: statistics, stores, classes, clients, settings, rules, snapshots. */
#include "app/api/api_inner.h"
#include "app/api/handlers.h"

enum { NAME_MAX_SIZE = 96, SLOWLOG_MAX = 1000, SETTINGS_MAX = 64 };

/* One command, whose reply is the answer. */
static void show_reply(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    json_put_reply(&call->json, &replies[0]);
    api_answer_json(call, 200);
}

static void show_pairs(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    json_put_reply_pairs(&call->json, &replies[0]);
    api_answer_json(call, 200);
}

static struct slice line_of(struct slice *text) {
    const uint8_t *end = text->size ? memchr(text->data, '\n', text->size) : NULL;
    struct slice line = slice_part(*text, 0, end ? (size_t)(end - text->data) : SIZE_MAX);
    *text = slice_part(*text, line.size + 1, SIZE_MAX);
    return line.size && line.data[line.size - 1] == '\r' ? slice_part(line, 0, line.size - 1) : line;
}

/* ------------------------------------------------------------------------------------------ INFO */

static void put_section(struct json_out *out, struct slice title, bool *open) {
    char name[NAME_MAX_SIZE];
    size_t size = 0;
    if (*open)
        json_put_close(out, '}');
    for (size_t i = 0; i < title.size && size < sizeof name; i++) {
        uint8_t byte = title.data[i];
        name[size++] = (char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte == ' ' ? '_' : byte);
    }
    json_put_name_bytes(out, slice_make(name, size));
    json_put_open(out, '{');
    *open = true;
}

static void got_info(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct json_out *out = &call->json;
    bool open = false;
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    json_put_open(out, '{');
    for (struct slice text = replies[0].text; text.size;) {
        struct slice line = line_of(&text);
        const uint8_t *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
        if (slice_starts_with(line, SLICE("# "))) {
            put_section(out, slice_part(line, 2, SIZE_MAX), &open);
        } else if (colon && open) {
            struct slice name = slice_part(line, 0, (size_t)(colon - line.data));
            json_put_name_bytes(out, name);
            json_put_digits_or_text(out, slice_part(line, name.size + 1, SIZE_MAX));
        }
    }
    if (open)
        json_put_close(out, '}');
    json_put_close(out, '}');
    api_answer_json(call, 200);
}

void api_info(struct api_call *call) {
    struct slice section;
    bool all = !api_query_get(call, "section", &section) || section.size == 0;
    api_command(call, "INFO", all ? SLICE("everything") : section);
    api_go(call, got_info);
}

void api_stats(struct api_call *call) {
    api_command(call, "INFO stats", (struct slice){0});
    api_go(call, got_info);
}

void api_classes(struct api_call *call) {
    struct slice pattern = {0};
    bool some = api_query_get(call, "match", &pattern);
    api_command(call, "STATS CLASS", some ? pattern : (struct slice){0});
    api_go(call, show_reply);
}

/* ------------------------------------------------------------------------------------------ stores, clients, slow log */

void api_stores(struct api_call *call) {
    api_command(call, "STORE LIST", (struct slice){0});
    api_go(call, show_reply);
}

static void got_store(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    if (resp_type_is_error(replies[0].type) && slice_starts_with(replies[0].text, SLICE("ERR no such store")))
        api_problem(call, 404, "NOTFOUND", "There is no such store.");
    else
        show_pairs(call, replies, count);
}

void api_store(struct api_call *call) {
    api_command(call, "STORE INFO", call->name);
    api_go(call, got_store);
}

/* "id=7 addr=10.0.0.1:4711 name= ..." */
static void put_client(struct json_out *out, struct slice line) {
    json_put_open(out, '{');
    for (size_t at = 0; at < line.size;) {
        struct slice rest = slice_part(line, at, SIZE_MAX);
        const uint8_t *space = memchr(rest.data, ' ', rest.size);
        struct slice word = slice_part(rest, 0, space ? (size_t)(space - rest.data) : SIZE_MAX);
        const uint8_t *equals = word.size ? memchr(word.data, '=', word.size) : NULL;
        if (equals) {
            struct slice name = slice_part(word, 0, (size_t)(equals - word.data));
            json_put_name_bytes(out, name);
            json_put_digits_or_text(out, slice_part(word, name.size + 1, SIZE_MAX));
        }
        at += word.size + 1;
    }
    json_put_close(out, '}');
}

static void got_clients(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    json_put_open(&call->json, '{');
    json_put_name(&call->json, "clients");
    json_put_open(&call->json, '[');
    for (struct slice text = replies[0].text; text.size;) {
        struct slice line = line_of(&text);
        if (line.size)
            put_client(&call->json, line);
    }
    json_put_close(&call->json, ']');
    json_put_close(&call->json, '}');
    api_answer_json(call, 200);
}

void api_clients(struct api_call *call) {
    api_command(call, "CLIENT LIST", (struct slice){0});
    api_go(call, got_clients);
}

static void got_slowlog(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    static const char *const names[] = {"id", "time", "duration_us", "command", "client", "name"};
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    json_put_open(&call->json, '{');
    json_put_name(&call->json, "entries");
    json_put_open(&call->json, '[');
    for (uint32_t i = 0; i < replies[0].count; i++) {
        const struct resp_value *entry = &replies[0].members[i];
        json_put_open(&call->json, '{');
        for (uint32_t j = 0; j < entry->count && j < sizeof names / sizeof *names; j++) {
            json_put_name(&call->json, names[j]);
            json_put_reply(&call->json, &entry->members[j]);
        }
        json_put_close(&call->json, '}');
    }
    json_put_close(&call->json, ']');
    json_put_close(&call->json, '}');
    api_answer_json(call, 200);
}

void api_slowlog(struct api_call *call) {
    int64_t limit = 100;
    if (!api_query_number(call, "limit", 1, SLOWLOG_MAX, &limit))
        return;
    api_word_text(call, "SLOWLOG");
    api_word_text(call, "GET");
    api_word_number(call, limit);
    api_command_end(call);
    api_go(call, got_slowlog);
}

/* ------------------------------------------------------------------------------------------ settings */

void api_config_get(struct api_call *call) {
    struct slice pattern;
    bool some = api_query_get(call, "match", &pattern);
    api_command(call, "CONFIG GET", some ? pattern : SLICE("*"));
    api_go(call, show_pairs);
}

static void configured(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (!api_failed(call, &replies[0]))
        api_answer_empty(call, 204);
}

void api_config_patch(struct api_call *call) {
    const char *name;
    json_t *value;
    if (!api_json_body(call, true))
        return;
    if (json_object_size(call->document) == 0 || json_object_size(call->document) > SETTINGS_MAX) {
        api_problem(call, 400, "SYNTAX", "The body names 1 to %d settings.", SETTINGS_MAX);
        return;
    }
    api_word_text(call, "CONFIG");
    api_word_text(call, "SET");
    json_object_foreach(call->document, name, value) {
        api_word_text(call, name);
        if (json_is_string(value))
            api_word(call, slice_make(json_string_value(value), json_string_length(value)));
        else if (json_is_integer(value))
            api_word_number(call, json_integer_value(value));
        else if (json_is_boolean(value))
            api_word_text(call, json_is_true(value) ? "yes" : "no");
        else {
            api_problem(call, 400, "SYNTAX", "A setting is a text, a whole number, or true or false.");
            return;
        }
    }
    api_command_end(call);
    api_go(call, configured);
}

/* ------------------------------------------------------------------------------------------ rules */

static void got_rules(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    if (api_accepts(call, "application/json") && !api_failed(call, &replies[1])) {
        json_put_reply_pairs(&call->json, &replies[1]);
        api_answer_json(call, 200);
    } else if (!api_accepts(call, "application/json")) {
        api_answer(call, 200, "application/yaml", replies[0].text);
    }
}

void api_rules_get(struct api_call *call) {
    api_command(call, "RULES GET", (struct slice){0});
    api_command(call, "RULES INFO", (struct slice){0});
    api_go(call, got_rules);
}

static void loaded(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (!resp_type_is_error(replies[0].type) || slice_starts_with(replies[0].text, SLICE("NO"))) {
        configured(call, replies, count);
        return;
    }
    struct slice text = replies[0].text;
    if (slice_starts_with(text, SLICE("ERR ")))
        text = slice_part(text, 4, SIZE_MAX);
    api_problem_with(call, 422, "RULES", api_keep(call, text), NULL, (struct slice){0});
}

void api_rules_put(struct api_call *call) {
    struct slice type;
    if (!api_field_get(call, "content-type", &type) ||
        !(slice_starts_with(type, SLICE("application/yaml")) || slice_starts_with(type, SLICE("application/x-yaml")) ||
          slice_starts_with(type, SLICE("application/json")))) {
        api_problem(call, 415, "TYPE", "Rules are application/yaml (or application/json, which is YAML as well).");
        return;
    }
    if (api_query_is(call, "dryrun")) {
        api_command(call, "RULES DIFF", call->request->body);
        api_go(call, show_reply);
        return;
    }
    api_command(call, "RULES LOAD", call->request->body.data ? call->request->body : SLICE(""));
    api_go(call, loaded);
}

/* ------------------------------------------------------------------------------------------ snapshots */

static void snapshot_begun(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (resp_type_is_error(replies[0].type) && slice_starts_with(replies[0].text, SLICE("ERR "))) {
        /* Nothing is kept, or one is under way. */
        api_problem_with(call, 409, "SNAPSHOT", api_keep(call, slice_part(replies[0].text, 4, SIZE_MAX)), NULL,
                         (struct slice){0});
        return;
    }
    if (api_failed(call, &replies[0]))
        return;
    api_field(call, "location", SLICE("/v1/snapshots"));
    json_put_open(&call->json, '{');
    json_put_name(&call->json, "status");
    json_put_bytes(&call->json, replies[0].text);
    json_put_close(&call->json, '}');
    api_answer_json(call, 202);
}

void api_snapshot_begin(struct api_call *call) {
    api_command(call, "BGSAVE", (struct slice){0});
    api_go(call, snapshot_begun);
}

static void got_snapshots(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct json_out *out = &call->json;
    (void)count;
    if (api_failed(call, &replies[0]) || api_failed(call, &replies[1]))
        return;
    json_put_open(out, '{');
    json_put_name(out, "last_saved");
    json_put_reply(out, &replies[1]);
    for (struct slice text = replies[0].text; text.size;) {
        struct slice line = line_of(&text);
        const uint8_t *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
        struct slice name = slice_part(line, 0, colon ? (size_t)(colon - line.data) : 0);
        bool wanted = slice_starts_with(name, SLICE("snapshot_")) || slice_starts_with(name, SLICE("rdb_"));
        if (!colon || !wanted)
            continue;
        json_put_name_bytes(out, name);
        json_put_digits_or_text(out, slice_part(line, name.size + 1, SIZE_MAX));
    }
    json_put_close(out, '}');
    api_answer_json(call, 200);
}

void api_snapshots(struct api_call *call) {
    api_command(call, "INFO persistence", (struct slice){0});
    api_command(call, "LASTSAVE", (struct slice){0});
    api_go(call, got_snapshots);
}
