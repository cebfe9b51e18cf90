/* app/api/invalidate.c: PURGE as edges send it, invalidations, tags, explanations. */
#include "app/api/api_inner.h"
#include "app/api/handlers.h"
#include "base/assert.h"

#include <stdlib.h>

enum { REASON_SIZE_MAX = 255, TAG_PAGE = 100 };

/* ------------------------------------------------------------------------------------------ what is common */

/* The sum of what INVALIDATE and TAG INVALIDATE answer; false: one was an error, and it was answered. */
static bool sum_up(struct api_call *call, const struct resp_value *replies, uint32_t count, int64_t *ret_sum) {
    *ret_sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (api_failed(call, &replies[i]))
            return false;
        if (replies[i].type == RESP_INTEGER)
            *ret_sum += replies[i].integer;
    }
    return true;
}

static bool is_soft(const struct api_call *call) {
    struct slice value;
    return api_query_is(call, "soft") ||
           (api_field_get(call, "fastly-soft-purge", &value) && slice_equal(value, SLICE("1"))) ||
           (api_field_get(call, "x-soft-purge", &value) && slice_equal(value, SLICE("1")));
}

/* ------------------------------------------------------------------------------------------ PURGE */

static void purged(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    int64_t sum;
    if (!sum_up(call, replies, count, &sum))
        return;
    json_put_open(&call->json, '{');
    json_put_name(&call->json, "status");
    json_put_text(&call->json, "ok");
    json_put_name(&call->json, "entries");
    json_put_number(&call->json, sum);
    json_put_close(&call->json, '}');
    api_answer_json(call, 200);
}

static void purge(struct api_call *call, const char *what, struct slice name) {
    api_word_text(call, "INVALIDATE");
    api_word_text(call, what);
    api_word(call, name);
    if (is_soft(call))
        api_word_text(call, "SOFT");
    api_command_end(call);
}

void api_key_purge(struct api_call *call) {
    purge(call, "KEY", call->name);
    api_go(call, purged);
}

void api_tag_purge(struct api_call *call) {
    purge(call, "TAG", call->name);
    api_go(call, purged);
}

/* Any other path: tags that fields name, or else the path is the key. */
void api_purge(struct api_call *call) {
    struct slice *tags = arena_take(&call->arena, API_BATCH_MAX * sizeof *tags);
    uint32_t count;
    if (!tags) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the request.");
        return;
    }
    if (!api_tags_of_request(call, tags, API_BATCH_MAX, &count))
        return;
    bool root = slice_equal(call->name, SLICE("/"));
    if (count == 0 && root) {
        api_problem(call, 400, "SYNTAX", "PURGE of / names tags in Surrogate-Key or Cache-Tag.");
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        purge(call, "TAG", tags[i]);
    if (count == 0)
        purge(call, "KEY", call->name);
    api_go(call, purged);
}

/* ------------------------------------------------------------------------------------------ POST /v1/invalidations */

struct wish {
    bool soft, dry;
    struct slice reason;
    int64_t sync_ms; /* -1: it is not waited for */
};

static void put_invalidation(struct api_call *call, const struct wish *wish, const char *kind, struct slice name,
                             struct slice data) {
    api_word_text(call, "INVALIDATE");
    api_word_text(call, kind);
    api_word(call, name);
    if (data.data)
        api_word(call, data);
    if (wish->soft)
        api_word_text(call, "SOFT");
    if (wish->dry)
        api_word_text(call, "DRYRUN");
    if (wish->sync_ms >= 0) {
        api_word_text(call, "SYNC");
        api_word_number(call, wish->sync_ms);
    }
    if (wish->reason.size) {
        api_word_text(call, "REASON");
        api_word(call, wish->reason);
    }
    api_command_end(call);
}

/* False: it was answered. */
static bool put_names(struct api_call *call, const struct wish *wish, const char *member, const char *kind) {
    const json_t *list = json_object_get(call->document, member);
    struct slice name;
    if (list && !json_is_array(list)) {
        api_problem(call, 400, "SYNTAX", "'%s' is an array.", member);
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!api_json_bytes(call, json_array_get(list, i), &name) || call->ask.expected == API_BATCH_MAX) {
            api_problem(call, 400, "SYNTAX", "'%s' has texts, or {\"base64\": \"...\"}; %d of all at most.", member,
                        API_BATCH_MAX);
            return false;
        }
        put_invalidation(call, wish, kind, name, (struct slice){0});
    }
    return true;
}

static bool read_wish(struct api_call *call, struct wish *ret_wish) {
    static const char *const known[] = {"keys", "tags", "classes", "patterns", "pattern", "regex", "event",
                                        "data", "soft", "dryrun",  "reason",   "sync_ms", NULL};
    const char *name;
    json_t *value;
    json_object_foreach(call->document, name, value) {
        bool good = false;
        for (const char *const *at = known; *at; at++)
            good |= strcmp(*at, name) == 0;
        if (!good) {
            api_problem(call, 400, "SYNTAX", "Nobody knows what '%.40s' means here.", name);
            return false;
        }
    }
    *ret_wish = (struct wish){.sync_ms = -1};
    if (!api_json_is(call, "soft", &ret_wish->soft) || !api_json_is(call, "dryrun", &ret_wish->dry))
        return false;
    ret_wish->soft |= api_query_is(call, "soft");
    ret_wish->dry |= api_query_is(call, "dryrun");
    const json_t *reason = json_object_get(call->document, "reason"),
                 *sync = json_object_get(call->document, "sync_ms");
    bool good =
        !reason || (api_json_bytes(call, reason, &ret_wish->reason) && ret_wish->reason.size <= REASON_SIZE_MAX);
    if (sync) {
        good &= json_is_integer(sync) && json_integer_value(sync) >= 0 && json_integer_value(sync) <= ASK_MS_MAX / 2;
        ret_wish->sync_ms = json_integer_value(sync);
    }
    if (!good)
        api_problem(call, 400, "SYNTAX", "'reason' is a text of at most %d bytes, 'sync_ms' a number of at most %d.",
                    REASON_SIZE_MAX, ASK_MS_MAX / 2);
    return good;
}

static void invalidated(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    int64_t sum;
    bool plain = true;
    if (!sum_up(call, replies, count, &sum))
        return;
    for (uint32_t i = 0; i < count; i++)
        plain &= replies[i].type == RESP_INTEGER;
    json_put_open(&call->json, '{');
    if (plain) {
        json_put_name(&call->json, "entries");
        json_put_number(&call->json, sum);
    } else { /* plans, or who has heard of it */
        json_put_name(&call->json, "results");
        json_put_open(&call->json, '[');
        for (uint32_t i = 0; i < count; i++)
            json_put_reply_pairs(&call->json, &replies[i]);
        json_put_close(&call->json, ']');
    }
    json_put_close(&call->json, '}');
    api_answer_json(call, 200);
}

static bool put_one(struct api_call *call, const struct wish *wish, const char *member, const char *kind) {
    const json_t *value = json_object_get(call->document, member);
    struct slice name;
    if (!value)
        return true;
    if (!api_json_bytes(call, value, &name)) {
        api_problem(call, 400, "SYNTAX", "'%s' is a text.", member);
        return false;
    }
    put_invalidation(call, wish, kind, name, (struct slice){0});
    return true;
}

static bool put_event(struct api_call *call, const struct wish *wish) {
    const json_t *event = json_object_get(call->document, "event"), *data = json_object_get(call->document, "data");
    struct slice name, text = {0};
    if (!event && !data)
        return true;
    if (!api_json_bytes(call, event, &name) || (data && !json_is_object(data))) {
        api_problem(call, 400, "SYNTAX", "'event' is a text, and 'data' an object.");
        return false;
    }
    if (data) {
        char *dumped = json_dumps(data, JSON_COMPACT);
        if (!dumped)
            call->status = STATUS_NO_MEMORY;
        text = api_keep(call, dumped ? slice_from_string(dumped) : SLICE("{}"));
        free(dumped);
    }
    put_invalidation(call, wish, "EVENT", name, text);
    return true;
}

void api_invalidate(struct api_call *call) {
    struct wish wish;
    if (!api_json_body(call, true) || !read_wish(call, &wish))
        return;
    if (!put_names(call, &wish, "keys", "KEY") || !put_names(call, &wish, "tags", "TAG") ||
        !put_names(call, &wish, "classes", "CLASS") || !put_names(call, &wish, "patterns", "PATTERN") ||
        !put_one(call, &wish, "pattern", "PATTERN") || !put_one(call, &wish, "regex", "REGEX") ||
        !put_event(call, &wish))
        return;
    if (call->ask.expected == 0)
        api_problem(call, 400, "SYNTAX",
                    "The body names nothing: 'keys', 'tags', 'classes', 'patterns', 'pattern', 'regex' or 'event'.");
    else
        api_go(call, invalidated);
}

/* ------------------------------------------------------------------------------------------ GET /v1/tags/{tag} */

static void got_tag(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct json_out *out = &call->json;
    (void)count;
    if (api_failed(call, &replies[0]) || api_failed(call, &replies[1]))
        return;
    const struct resp_value *page = &replies[1];
    json_put_open(out, '{');
    json_put_name(out, "tag");
    json_put_bytes(out, call->name);
    json_put_name(out, "count");
    json_put_reply(out, &replies[0]);
    json_put_name(out, "keys");
    json_put_reply(out, &page->members[1]);
    json_put_name(out, "cursor");
    if (api_is(&page->members[0], "0"))
        json_put_null(out);
    else
        json_put_reply(out, &page->members[0]);
    json_put_close(out, '}');
    api_answer_json(call, 200);
}

void api_tag_get(struct api_call *call) {
    struct slice cursor = SLICE("0");
    int64_t limit = TAG_PAGE;
    if (!api_query_number(call, "limit", 1, 10000, &limit))
        return;
    MAYBE(api_query_get(call, "cursor", &cursor));
    api_word_text(call, "TAG");
    api_word_text(call, "COUNT");
    api_word(call, call->name);
    api_command_end(call);
    api_word_text(call, "TAG");
    api_word_text(call, "KEYS");
    api_word(call, call->name);
    api_word(call, cursor);
    api_word_text(call, "COUNT");
    api_word_number(call, limit);
    api_command_end(call);
    api_go(call, got_tag);
}

/* ------------------------------------------------------------------------------------------ GET /v1/explain/{key} */

static void explained(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    json_put_reply_pairs(&call->json, &replies[0]);
    api_answer_json(call, 200);
}

void api_explain(struct api_call *call) {
    api_command(call, "EXPLAIN", call->name);
    api_go(call, explained);
}
