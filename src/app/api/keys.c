/* app/api/keys.c: GET, HEAD, PUT and DELETE of one key, and the list of keys. */
#include "app/api/api_inner.h"
#include "app/api/handlers.h"
#include "base/assert.h"
#include "base/number.h"
#include "core/http/http_text.h"

enum { READ_ROUNDS = 4, LIST_ROUNDS = 32, LIST_STEP = 1000 };

/* ------------------------------------------------------------------------------------------ versions as tags */

bool api_version_of_tag(struct slice tag, int64_t *ret_version, bool *ret_any) {
    *ret_any = slice_equal(tag, SLICE("*"));
    if (*ret_any)
        return true;
    if (slice_starts_with(tag, SLICE("W/")))
        tag = slice_part(tag, 2, SIZE_MAX);
    return tag.size > 2 && tag.data[0] == '"' && tag.data[tag.size - 1] == '"' &&
           number_parse_i64(slice_part(tag, 1, tag.size - 2), ret_version) && *ret_version != 0;
}

/* Whether a list of tags has this version. */
static bool list_has(struct slice list, int64_t version) {
    struct slice member;
    int64_t one;
    bool any;
    while (http_list_next(&list, &member))
        if (api_version_of_tag(member, &one, &any) && (any || one == version))
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------ GET */

/* What the replies of a read say, as far as whoever asks may know it. */
struct entry_view {
    struct slice value;
    int64_t version, ttl_ms;
    const struct resp_value *tags;  /* NULL: not known, or none */
    const struct resp_value *facts; /* of EXPLAIN; NULL: not asked for */
    bool whole;                     /* all of one moment */
    bool has_version, has_ttl;
};

enum { REPLY_VALUE, REPLY_TTL, REPLY_TAGS, REPLY_VERSION, REPLY_FACTS };

static void view_of(const struct resp_value *replies, uint32_t count, struct entry_view *ret_view) {
    const struct resp_value *hit = &replies[REPLY_VALUE];
    *ret_view = (struct entry_view){.value = hit->members[1].text, .version = hit->members[2].integer};
    ret_view->has_version = ret_view->version != 0;
    ret_view->whole =
        replies[REPLY_VERSION].type == RESP_INTEGER && replies[REPLY_VERSION].integer == ret_view->version;
    if (ret_view->whole && replies[REPLY_TTL].type == RESP_INTEGER) {
        ret_view->has_ttl = true;
        ret_view->ttl_ms = replies[REPLY_TTL].integer;
    }
    if (ret_view->whole && resp_type_has_members(replies[REPLY_TAGS].type))
        ret_view->tags = &replies[REPLY_TAGS];
    if (count > REPLY_FACTS && replies[REPLY_FACTS].type == RESP_MAP)
        ret_view->facts = &replies[REPLY_FACTS];
}

static const struct resp_value *fact_of(const struct resp_value *map, const char *name) {
    for (uint32_t i = 0; map && i + 1 < map->count; i += 2)
        if (api_is(&map->members[i], name))
            return &map->members[i + 1];
    return NULL;
}

static void answer_missing(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct buf json;
    (void)count;
    if (replies[0].type != RESP_MAP) {
        api_problem(call, 404, "NOTFOUND", "There is no such key.");
        return;
    }
    buf_init(&json, &memory_libc);
    struct json_out out = json_out(&json);
    json_put_reply(&out, &replies[0]);
    const struct resp_value *summary = fact_of(&replies[0], "summary");
    struct slice facts = out.status == STATUS_OK ? api_keep(call, buf_slice(&json)) : (struct slice){0};
    buf_fini(&json);
    api_problem_with(call, 404, "NOTFOUND", summary ? summary->text : SLICE("There is no such key."), "explain", facts);
}

static void ask_why_missing(struct api_call *call) {
    api_command(call, "EXPLAIN", call->name);
    api_go(call, answer_missing);
}

static void put_tags(struct api_call *call, const struct resp_value *tags) {
    struct buf spaces, commas;
    buf_init(&spaces, &memory_libc);
    buf_init(&commas, &memory_libc);
    enum status status = STATUS_OK;
    bool plain = true; /* a tag that such a field cannot say is left out of both */
    for (uint32_t i = 0; tags && i < tags->count && status == STATUS_OK; i++) {
        struct slice tag = tags->members[i].text;
        plain = http_is_value(tag) && !memchr(tag.data, ' ', tag.size) && !memchr(tag.data, ',', tag.size);
        if (!plain)
            continue;
        status = buf_append_slice(&spaces, spaces.size ? SLICE(" ") : SLICE(""));
        status = status == STATUS_OK ? buf_append_slice(&spaces, tag) : status;
        status = status == STATUS_OK ? buf_append_slice(&commas, commas.size ? SLICE(",") : SLICE("")) : status;
        status = status == STATUS_OK ? buf_append_slice(&commas, tag) : status;
    }
    if (status == STATUS_OK && spaces.size) {
        api_field(call, "surrogate-key", buf_slice(&spaces));
        api_field(call, "cache-tag", buf_slice(&commas));
    }
    buf_fini(&spaces);
    buf_fini(&commas);
}

static void put_view_fields(struct api_call *call, const struct entry_view *view) {
    if (view->has_version)
        api_field_format(call, "etag", "%s\"%lld\"", call->state ? "W/" : "", (long long)view->version);
    if (view->has_ttl && view->ttl_ms >= 0)
        api_field_format(call, "cache-control", "max-age=%lld", (long long)(view->ttl_ms / 1000));
    else
        api_field(call, "cache-control", SLICE("no-cache"));
    put_tags(call, view->tags);
    api_field(call, "vary", SLICE("Accept, Authorization"));
}

/* "bytes=0-99", "bytes=100-", "bytes=-5" of `size`. False: it is another form, which is not looked at. */
static bool read_range(struct slice text, uint64_t size, uint64_t *ret_from, uint64_t *ret_until, bool *ret_good) {
    if (!slice_starts_with(text, SLICE("bytes=")))
        return false;
    text = slice_part(text, 6, SIZE_MAX);
    const uint8_t *dash = text.size ? memchr(text.data, '-', text.size) : NULL;
    if (!dash)
        return false;
    struct slice first = slice_part(text, 0, (size_t)(dash - text.data));
    struct slice last = slice_part(text, first.size + 1, SIZE_MAX);
    uint64_t from = 0, until = size;
    if ((first.size && !number_parse_u64(first, &from)) || (last.size && !number_parse_u64(last, &until)))
        return false;
    if (!first.size && !last.size)
        return false;
    if (!first.size) {
        from = until < size ? size - until : 0;
        *ret_good = until > 0 && size > 0;
        until = size;
    } else {
        until = last.size && until < size ? until + 1 : size;
        *ret_good = from < size && from < until;
    }
    *ret_from = from;
    *ret_until = until;
    return true;
}

static void answer_bytes(struct api_call *call, const struct entry_view *view) {
    struct slice range, condition;
    uint64_t from, until;
    bool good;
    api_field(call, "accept-ranges", SLICE("bytes"));
    bool wanted = api_field_get(call, "range", &range) && read_range(range, view->value.size, &from, &until, &good);
    if (wanted && api_field_get(call, "if-range", &condition) && !list_has(condition, view->version))
        wanted = false;
    if (!wanted) {
        api_answer(call, 200, "application/octet-stream", view->value);
        return;
    }
    if (!good) {
        api_field_format(call, "content-range", "bytes */%zu", view->value.size);
        api_problem(call, 416, "RANGE", "The value has %zu bytes.", view->value.size);
        return;
    }
    api_field_format(call, "content-range", "bytes %llu-%llu/%zu", (unsigned long long)from,
                     (unsigned long long)until - 1, view->value.size);
    api_answer(call, 206, "application/octet-stream", slice_part(view->value, from, until - from));
}

static void put_member(struct json_out *out, const char *name, const struct resp_value *value) {
    if (!value)
        return;
    json_put_name(out, name);
    json_put_reply(out, value);
}

static void answer_as_json(struct api_call *call, const struct entry_view *view) {
    struct json_out *out = &call->json;
    json_put_open(out, '{');
    json_put_name(out, "key");
    json_put_bytes(out, call->name);
    json_put_name(out, "type");
    json_put_text(out, "string");
    json_put_name(out, "value");
    json_put_bytes(out, view->value);
    json_put_name(out, "size");
    json_put_number(out, (int64_t)view->value.size);
    if (view->has_ttl) {
        json_put_name(out, "ttl_ms");
        if (view->ttl_ms >= 0)
            json_put_number(out, view->ttl_ms);
        else
            json_put_null(out);
    }
    if (view->has_version) {
        json_put_name(out, "version");
        json_put_number(out, view->version);
    }
    put_member(out, "tags", view->tags);
    put_member(out, "class", fact_of(view->facts, "class"));
    put_member(out, "owner", fact_of(view->facts, "owner"));
    put_member(out, "store", fact_of(view->facts, "store"));
    json_put_close(out, '}');
    api_answer_json(call, 200);
}

static void got_value(struct api_call *call, const struct resp_value *replies, uint32_t count);

static void ask_value(struct api_call *call) {
    api_word_text(call, "CGET");
    api_word(call, call->name);
    api_word_text(call, "VERSION");
    api_command_end(call);
    api_command(call, "PTTL", call->name);
    api_command(call, "TAG OF", call->name);
    api_command(call, "CVERSION", call->name);
    if (call->state)
        api_command(call, "EXPLAIN", call->name);
    api_go(call, got_value);
}

static void got_value(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct entry_view view;
    struct slice tags;
    const struct resp_value *first = &replies[REPLY_VALUE];
    if (api_failed(call, first))
        return;
    if (first->count < 3 || !api_is(&first->members[0], "HIT")) {
        if (first->count && api_is(&first->members[0], "NEGATIVE"))
            api_problem(call, 404, "NEGATIVE", "It is cached that there is none.");
        else
            ask_why_missing(call);
        return;
    }
    view_of(replies, count, &view);
    bool changed = replies[REPLY_VERSION].type == RESP_INTEGER && !view.whole;
    if (changed && ++call->round < READ_ROUNDS) {
        ask_value(call);
        return;
    }
    put_view_fields(call, &view);
    if (api_field_get(call, "if-match", &tags) && !list_has(tags, view.version))
        api_problem(call, 412, "PRECONDITION", "The version is %lld.", (long long)view.version);
    else if (api_field_get(call, "if-none-match", &tags) && list_has(tags, view.version))
        api_answer_empty(call, 304);
    else if (call->state)
        answer_as_json(call, &view);
    else
        answer_bytes(call, &view);
}

void api_key_get(struct api_call *call) {
    static int wants_json;
    struct slice form;
    bool json = api_accepts(call, "application/json") ||
                (api_query_get(call, "form", &form) && slice_equal(form, SLICE("json")));
    call->state = json ? &wants_json : NULL;
    ask_value(call);
}

/* ------------------------------------------------------------------------------------------ PUT */

/* Of "name=60" or "name=\"60\"", the name in small or capital letters. */
static bool directive_number(struct slice directive, struct slice name, int64_t *ret_number) {
    struct slice value = slice_part(directive, name.size, SIZE_MAX);
    if (!slice_equal_nocase(slice_part(directive, 0, name.size), name))
        return false;
    if (value.size > 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
        value = slice_part(value, 1, value.size - 2);
    return number_parse_i64(value, ret_number);
}

/* Of all fields Cache-Control: s-maxage before max-age; 0 and words like no-cache are about other caches. 0: they say nothing. */
static int64_t max_age_ms(const struct api_call *call) {
    struct slice member;
    int64_t shared = 0, any = 0, seconds;
    for (uint32_t i = 0; i < call->request->field_count; i++) {
        struct slice directives = call->request->fields[i].value;
        if (!slice_equal(call->request->fields[i].name, SLICE("cache-control")))
            continue;
        while (http_list_next(&directives, &member))
            if (!directive_number(member, SLICE("s-maxage="), &shared))
                MAYBE(directive_number(member, SLICE("max-age="), &any));
    }
    seconds = shared > 0 ? shared : any;
    return seconds > 0 && seconds < INT64_MAX / 1000000 ? 1000 * seconds : 0;
}

/* False: it was answered. */
static bool put_expiry(struct api_call *call) {
    struct slice text;
    int64_t ms = 0;
    bool keeps = api_query_is(call, "keepttl");
    if (api_query_get(call, "ttl", &text)) {
        if (keeps || !api_duration_ms(text, &ms)) {
            api_problem(call, 400, "SYNTAX",
                        "'ttl' is a number of seconds, or like 500ms, 30s, 10m, 2h, 7d; and not "
                        "beside 'keepttl'.");
            return false;
        }
    } else if (!keeps) {
        ms = max_age_ms(call);
    }
    if (ms) {
        api_word_text(call, "PX");
        api_word_number(call, ms);
    } else if (keeps) {
        api_word_text(call, "KEEPTTL");
    }
    return true;
}

static bool put_condition(struct api_call *call, const char *field, bool wants, bool *ret_any) {
    struct slice tag;
    int64_t version;
    *ret_any = false;
    if (!api_field_get(call, field, &tag))
        return true;
    if (!api_version_of_tag(http_trim(tag), &version, ret_any) || (!wants && !*ret_any)) {
        api_problem(call, 400, "SYNTAX",
                    wants ? "If-Match has one version in quotation marks, as ETag shows it, or *."
                          : "If-None-Match of a write is *.");
        return false;
    }
    if (*ret_any) {
        api_word_text(call, wants ? "XX" : "NX");
    } else {
        api_word_text(call, "IFVERSION");
        api_word_number(call, version);
    }
    return true;
}

/* What the route remembers of a PUT. */
struct put_state {
    bool creates, replaces; /* by its condition */
    int64_t version;        /* that it gives; 0: none */
};

static bool put_versions(struct api_call *call, struct put_state *state) {
    int64_t newer = 0;
    if (!api_query_number(call, "version", 1, INT64_MAX, &state->version) ||
        !api_query_number(call, "newer", 1, INT64_MAX, &newer))
        return false;
    if (newer) {
        api_word_text(call, "IFNEWER");
        api_word_number(call, newer);
    }
    if (state->version) {
        api_word_text(call, "VERSION");
        api_word_number(call, state->version);
    }
    state->version = state->version ? state->version : newer;
    return true;
}

static void written(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    const struct put_state *state = call->state;
    (void)count;
    if (api_failed(call, &replies[1]))
        return;
    if (replies[1].type == RESP_NULL) {
        api_problem(call, 412, "PRECONDITION", "The condition does not hold, and nothing was written.");
        return;
    }
    bool was_there = replies[0].type != RESP_INTEGER || replies[0].integer != 0;
    bool created = state->creates || (!state->replaces && !was_there);
    if (state->version)
        api_field_format(call, "etag", "\"%lld\"", (long long)state->version);
    api_answer_empty(call, created ? 201 : 204);
}

void api_key_put(struct api_call *call) {
    struct slice tags[API_TAGS_MAX];
    uint32_t tag_count;
    struct put_state *state = arena_take(&call->arena, sizeof *state);
    if (!state) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the request.");
        return;
    }
    *state = (struct put_state){0};
    call->state = state;
    bool any;
    if (!api_tags_of_request(call, tags, API_TAGS_MAX, &tag_count))
        return;
    api_command(call, "EXISTS", call->name);
    api_word_text(call, "SET");
    api_word(call, call->name);
    api_word(call, call->request->body.data ? call->request->body : SLICE(""));
    size_t before = call->words.size;
    if (!put_condition(call, "if-match", true, &any))
        return;
    state->replaces = call->words.size > before;
    if (!put_condition(call, "if-none-match", false, &any))
        return;
    state->creates = any;
    if (!put_expiry(call) || !put_versions(call, state))
        return;
    if (tag_count) {
        api_word_text(call, "TAGS");
        api_word_number(call, tag_count);
    }
    for (uint32_t i = 0; i < tag_count; i++)
        api_word(call, tags[i]);
    api_command_end(call);
    api_go(call, written);
}

/* ------------------------------------------------------------------------------------------ DELETE */

static void deleted(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    if (replies[0].integer)
        api_answer_empty(call, 204);
    else
        api_problem(call, 404, "NOTFOUND", "There is no such key.");
}

static void deleted_in_exec(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    const struct resp_value *last = &replies[count - 1];
    if (api_failed(call, last))
        return;
    call->clean = true;
    if (last->type == RESP_NULL || last->count < 1)
        api_problem(call, 412, "PRECONDITION", "The key was written meanwhile.");
    else
        deleted(call, last->members, 1);
}

/* CVERSION, WATCH, CVERSION, MULTI: the first one makes up a version where there is none, which is a change. */
static void compared(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct slice tag = SLICE("");
    for (uint32_t i = 0; i < count; i++)
        if (api_failed(call, &replies[i]))
            return;
    bool has = api_field_get(call, "if-match", &tag);
    int64_t version = replies[2].integer;
    if (!has || version == 0 || !list_has(tag, version)) {
        api_problem(call, 412, "PRECONDITION", version ? "The version is %lld." : "There is no such key.",
                    (long long)version);
        return;
    }
    api_command(call, "DEL", call->name);
    api_command(call, "EXEC", (struct slice){0});
    api_go(call, deleted_in_exec);
}

void api_key_delete(struct api_call *call) {
    struct slice tag;
    if (!api_field_get(call, "if-match", &tag)) {
        api_command(call, "DEL", call->name);
        api_go(call, deleted);
        return;
    }
    api_hold(call);
    api_command(call, "CVERSION", call->name);
    api_command(call, "WATCH", call->name);
    api_command(call, "CVERSION", call->name);
    api_command(call, "MULTI", (struct slice){0});
    api_go(call, compared);
}

/* ------------------------------------------------------------------------------------------ the list */

struct list_state {
    struct slice pattern, cursor;
    int64_t limit;
    uint32_t found;
    struct buf *keys;
};

static void ask_list(struct api_call *call, struct list_state *state);

static void got_list(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct list_state *state = call->state;
    struct json_out *out = &call->json;
    (void)count;
    if (api_failed(call, &replies[0]) || replies[0].count != 2)
        return;
    const struct resp_value *keys = &replies[0].members[1];
    for (uint32_t i = 0; i < keys->count; i++)
        json_put_bytes(out, keys->members[i].text);
    state->found += keys->count;
    state->cursor = api_keep(call, replies[0].members[0].text);
    bool ended = slice_equal(state->cursor, SLICE("0"));
    if (!ended && state->found < state->limit && ++call->round < LIST_ROUNDS) {
        ask_list(call, state);
        return;
    }
    json_put_close(out, ']');
    json_put_name(out, "cursor");
    if (ended)
        json_put_null(out);
    else
        json_put_bytes(out, state->cursor);
    json_put_close(out, '}');
    api_answer_json(call, 200);
}

static void ask_list(struct api_call *call, struct list_state *state) {
    int64_t left = state->limit - state->found;
    api_word_text(call, "SCAN");
    api_word(call, state->cursor);
    if (state->pattern.data) {
        api_word_text(call, "MATCH");
        api_word(call, state->pattern);
    }
    api_word_text(call, "COUNT");
    api_word_number(call, state->pattern.data && left < LIST_STEP ? LIST_STEP : left);
    api_command_end(call);
    api_go(call, got_list);
}

/* The pattern of what begins so. */
static struct slice pattern_of_prefix(struct api_call *call, struct slice prefix) {
    uint8_t *text = arena_take(&call->arena, 2 * prefix.size + 1);
    size_t size = 0;
    if (!text) {
        call->status = STATUS_NO_MEMORY;
        return prefix;
    }
    for (size_t i = 0; i < prefix.size; i++) {
        if (memchr("*?[]\\^", prefix.data[i], 6))
            text[size++] = '\\';
        text[size++] = prefix.data[i];
    }
    text[size++] = '*';
    return slice_make(text, size);
}

void api_key_list(struct api_call *call) {
    struct slice prefix, cursor;
    uint64_t number;
    struct list_state *state = arena_take(&call->arena, sizeof *state);
    if (!state) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the request.");
        return;
    }
    *state = (struct list_state){.limit = 100, .cursor = SLICE("0")};
    call->state = state;
    if (!api_query_number(call, "limit", 1, 10000, &state->limit))
        return;
    bool matches = api_query_get(call, "match", &state->pattern);
    if (api_query_get(call, "prefix", &prefix)) {
        if (matches) {
            api_problem(call, 400, "SYNTAX", "'prefix' and 'match' do not go together.");
            return;
        }
        state->pattern = pattern_of_prefix(call, prefix);
    }
    if (api_query_get(call, "cursor", &cursor)) {
        if (!number_parse_u64(cursor, &number)) {
            api_problem(call, 400, "SYNTAX", "'cursor' is what the page before has as its cursor.");
            return;
        }
        state->cursor = cursor;
    }
    json_put_open(&call->json, '{');
    json_put_name(&call->json, "keys");
    json_put_open(&call->json, '[');
    ask_list(call, state);
}
