/* app/api/keys.c: GET, HEAD, PUT and DELETE of one key, and the list of keys. */
#include <stdio.h>

#include "app/api/api_inner.h"
#include "app/api/handlers.h"
#include "base/assert.h"
#include "base/number.h"
#include "core/http/http_text.h"

enum { READ_ROUNDS = 4, LIST_ROUNDS = 32, LIST_STEP = 1000 };

/* ------------------------------------------------------------------------------------------ versions as tags */

enum { OPAQUE_MAX = 40 };

/* Without its quotation marks; W/ may stand before it. False: it is not one. */
static bool read_tag(struct slice tag, struct slice *ret_opaque, bool *ret_weak) {
    *ret_weak = slice_starts_with(tag, SLICE("W/"));
    if (*ret_weak)
        tag = slice_part(tag, 2, SIZE_MAX);
    if (tag.size < 2 || tag.data[0] != '"' || tag.data[tag.size - 1] != '"')
        return false;
    *ret_opaque = slice_part(tag, 1, tag.size - 2);
    return ret_opaque->size == 0 || !memchr(ret_opaque->data, '"', ret_opaque->size);
}

enum api_tag api_tag_read(struct slice tag, int64_t *ret_version) {
    struct slice opaque;
    bool weak;
    *ret_version = 0;
    tag = http_trim(tag);
    if (slice_equal(tag, SLICE("*")))
        return API_TAG_ANY;
    if (!read_tag(tag, &opaque, &weak))
        return API_TAG_WRONG;
    if (weak || !number_parse_i64(opaque, ret_version) || *ret_version == 0) {
        *ret_version = 0;
        return API_TAG_OTHER;
    }
    return API_TAG_VERSION;
}

/* The form as JSON has a tag of its own: its bytes are others, and they change with what is left of the TTL. */
static struct slice opaque_of(int64_t version, bool json, char ret_text[OPAQUE_MAX]) {
    return slice_make(ret_text,
                      (size_t)snprintf(ret_text, OPAQUE_MAX, json ? "%lld-json" : "%lld", (long long)version));
}

/* `strong`: weak tags match nothing. */
static bool is_tag(struct slice tag, struct slice opaque, bool strong) {
    struct slice other;
    bool weak;
    return opaque.size && read_tag(tag, &other, &weak) && !(weak && strong) && slice_equal(other, opaque);
}

/* Whether a list of tags has this one, or is `*`. */
static bool list_has(struct slice list, struct slice opaque, bool strong) {
    struct slice member;
    if (slice_equal(http_trim(list), SLICE("*")))
        return true;
    while (http_list_next(&list, &member))
        if (is_tag(member, opaque, strong))
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------ GET */

/* What the replies of a read say, as far as whoever asks may know it. */
struct entry_view {
    struct slice value;
    struct slice opaque; /* of the ETag, weak if it is JSON; empty: it has none */
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
        api_field_format(call, "etag", "%s\"%.*s\"", call->state ? "W/" : "", (int)view->opaque.size,
                         (const char *)view->opaque.data);
    if (view->has_ttl && view->ttl_ms >= 0)
        api_field_format(call, "cache-control", "max-age=%lld", (long long)(view->ttl_ms / 1000));
    else
        api_field(call, "cache-control", SLICE("no-cache"));
    put_tags(call, view->tags);
    api_field(call, "vary", SLICE("Accept, Authorization"));
}

/* Digits only; what is larger than any size is the largest number. */
static bool read_digits(struct slice text, uint64_t *ret_number) {
    uint64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        uint64_t digit = text.data[i] - (uint64_t)'0';
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    *ret_number = number;
    return text.size > 0;
}

enum range { RANGE_NONE, RANGE_GOOD, RANGE_BEYOND };

/* "bytes=0-99", "bytes=100-", "bytes=-5" of `size`. RANGE_NONE: it is another form, several, or none that makes sense (RFC 9110, 14.2: as if it were
 * not there). RANGE_BEYOND: nothing of it is there. */
static enum range read_range(struct slice text, uint64_t size, uint64_t *ret_from, uint64_t *ret_until) {
    if (!slice_equal_nocase(slice_part(text, 0, 6), SLICE("bytes=")))
        return RANGE_NONE;
    text = http_trim(slice_part(text, 6, SIZE_MAX));
    const uint8_t *dash = text.size ? memchr(text.data, '-', text.size) : NULL;
    if (!dash)
        return RANGE_NONE;
    struct slice first = slice_part(text, 0, (size_t)(dash - text.data));
    struct slice last = slice_part(text, first.size + 1, SIZE_MAX);
    uint64_t from = 0, end = UINT64_MAX;
    if ((first.size && !read_digits(first, &from)) || (last.size && !read_digits(last, &end)) ||
        (!first.size && !last.size))
        return RANGE_NONE;
    if (!first.size) {
        *ret_from = end < size ? size - end : 0;
        *ret_until = size;
        return end == 0 ? RANGE_BEYOND : size ? RANGE_GOOD : RANGE_NONE;
    }
    if (end < from)
        return RANGE_NONE;
    *ret_from = from;
    *ret_until = end < size ? end + 1 : size;
    return from < size ? RANGE_GOOD : RANGE_BEYOND;
}

/* What is asked for of the value: of a GET, and with If-Range only if it is still the same. */
static enum range wanted_range(const struct api_call *call, const struct entry_view *view, uint64_t *ret_from,
                               uint64_t *ret_until) {
    struct slice range, condition;
    if (!slice_equal(call->request->method, SLICE("GET")) || !api_field_get(call, "range", &range))
        return RANGE_NONE;
    if (api_field_get(call, "if-range", &condition) && !is_tag(http_trim(condition), view->opaque, true))
        return RANGE_NONE;
    return read_range(range, view->value.size, ret_from, ret_until);
}

static void answer_bytes(struct api_call *call, const struct entry_view *view) {
    uint64_t from = 0, until = 0;
    api_field(call, "accept-ranges", SLICE("bytes"));
    switch (wanted_range(call, view, &from, &until)) {
        case RANGE_NONE:
            api_answer(call, 200, "application/octet-stream", view->value);
            break;
        case RANGE_BEYOND:
            api_field_format(call, "content-range", "bytes */%zu", view->value.size);
            api_problem(call, 416, "RANGE", "The value has %zu bytes.", view->value.size);
            break;
        case RANGE_GOOD:
            api_field_format(call, "content-range", "bytes %llu-%llu/%zu", (unsigned long long)from,
                             (unsigned long long)until - 1, view->value.size);
            api_answer(call, 206, "application/octet-stream", slice_part(view->value, from, until - from));
            break;
    }
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

/* Its own tag is weak as JSON, so nothing but `*` matches it there. */
static bool is_match(const struct api_call *call, struct slice tags, const struct entry_view *view) {
    return list_has(tags, call->state ? SLICE("") : view->opaque, true);
}

static void got_value(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct entry_view view;
    struct slice tags;
    char opaque[OPAQUE_MAX];
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
    view.opaque = view.has_version ? opaque_of(view.version, call->state != NULL, opaque) : SLICE("");
    put_view_fields(call, &view);
    if (api_field_get(call, "if-match", &tags) && !is_match(call, tags, &view))
        api_problem(call, 412, "PRECONDITION", "The version is %lld.", (long long)view.version);
    else if (api_field_get(call, "if-none-match", &tags) && list_has(tags, view.opaque, false))
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

/* What the route remembers of a PUT. */
struct put_state {
    bool creates, replaces; /* by its condition */
    bool never;             /* its condition cannot hold, whatever is there */
    int64_t version;        /* that it gives; 0: none */
};

/* False: it was answered. */
static bool put_if_match(struct api_call *call, struct put_state *state) {
    struct slice tag;
    int64_t version;
    state->replaces = api_field_get(call, "if-match", &tag);
    switch (state->replaces ? api_tag_read(tag, &version) : API_TAG_OTHER) {
        case API_TAG_VERSION:
            api_word_text(call, "IFVERSION");
            api_word_number(call, version);
            return true;
        case API_TAG_ANY:
            api_word_text(call, "XX");
            return true;
        case API_TAG_OTHER:
            state->never = state->replaces;
            return true;
        case API_TAG_WRONG:
            break;
    }
    api_problem(call, 400, "SYNTAX", "If-Match has one version in quotation marks, as ETag shows it, or *.");
    return false;
}

static bool put_if_none_match(struct api_call *call, struct put_state *state) {
    struct slice tag;
    state->creates = api_field_get(call, "if-none-match", &tag);
    if (!state->creates)
        return true;
    if (!slice_equal(http_trim(tag), SLICE("*"))) {
        api_problem(call, 400, "SYNTAX", "If-None-Match of a write is *.");
        return false;
    }
    api_word_text(call, "NX");
    return true;
}

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

static void refuse_condition(struct api_call *call) {
    api_problem(call, 412, "PRECONDITION", "The condition does not hold, and nothing was written.");
}

static void written(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    const struct put_state *state = call->state;
    (void)count;
    if (api_failed(call, &replies[1]))
        return;
    if (replies[1].type == RESP_NULL) {
        refuse_condition(call);
        return;
    }
    bool was_there = replies[0].type != RESP_INTEGER || replies[0].integer != 0;
    bool created = state->creates || (!state->replaces && !was_there);
    if (state->version)
        api_field_format(call, "etag", "\"%lld\"", (long long)state->version);
    api_answer_empty(call, created ? 201 : 204);
}

/* The EXISTS before a write that does not come: whoever is not known hears of that first. */
static void refused(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (resp_type_is_error(replies[0].type) && api_status_of(replies[0].text) != 403)
        api_problem_reply(call, &replies[0]);
    else
        refuse_condition(call);
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
    if (!api_tags_of_request(call, tags, API_TAGS_MAX, &tag_count))
        return;
    api_command(call, "EXISTS", call->name);
    api_word_text(call, "SET");
    api_word(call, call->name);
    api_word(call, call->request->body.data ? call->request->body : SLICE(""));
    if (!put_if_match(call, state) || !put_if_none_match(call, state) || !put_expiry(call) ||
        !put_versions(call, state))
        return;
    if (state->never) {
        buf_clear(&call->words);
        api_go(call, refused);
        return;
    }
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
    char opaque[OPAQUE_MAX];
    bool has = api_field_get(call, "if-match", &tag);
    int64_t version = replies[2].integer;
    if (!has || version == 0 || !list_has(tag, opaque_of(version, false, opaque), true)) {
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
