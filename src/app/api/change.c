/* app/api/change.c: PATCH of one key, and many keys at once. */
#include "app/api/api_inner.h"
#include "app/api/handlers.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"

enum { PATCH_TRIES = 16, PATCH_PARTS = 6 };

/* ------------------------------------------------------------------------------------------ what JSON says of times */

/* A number of seconds, or a text as `ttl` of queries. */
static bool json_ttl_ms(const json_t *value, int64_t *ret_ms) {
    if (json_is_string(value))
        return api_duration_ms(slice_make(json_string_value(value), json_string_length(value)), ret_ms);
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > INT64_MAX / 1000000)
        return false;
    *ret_ms = 1000 * json_integer_value(value);
    return true;
}

/* Members that nobody knows are an error: they may be misspelt ones that matter. */
static bool knows_all(struct api_call *call, json_t *object, const char *const *names) {
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        bool known = false;
        for (const char *const *at = names; *at; at++)
            known |= strcmp(*at, name) == 0;
        if (!known) {
            api_problem(call, 400, "SYNTAX", "Nobody knows what '%.40s' means here.", name);
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------------ PATCH */

/* The parts of a change, in the order in which they are made. */
struct patch {
    struct slice append, number; /* data NULL: not asked for */
    bool number_is_whole, persist, create, has_version;
    int64_t ttl_ms, version;
    bool any_version;
    struct slice add[API_TAGS_MAX], remove[API_TAGS_MAX];
    uint32_t add_count, remove_count;
    const char *names[PATCH_PARTS]; /* of the replies in EXEC */
    uint32_t name_count;
    uint32_t tries;
};

/* The shortest digits that are this number: 0.1 is not to become 0.10000000000000001. */
static void write_real(double value, char *ret_text, size_t size) {
    for (int digits = DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(ret_text, size, "%.*g", digits, value);
        if (strtod(ret_text, NULL) == value)
            break;
    }
}

static bool read_number(struct api_call *call, const json_t *value, struct patch *patch) {
    char text[64];
    if (!value)
        return true;
    if (!json_is_number(value)) {
        api_problem(call, 400, "SYNTAX", "'increment' is a number.");
        return false;
    }
    patch->number_is_whole = json_is_integer(value);
    if (patch->number_is_whole)
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    else
        write_real(json_real_value(value), text, sizeof text);
    for (char *at = text; *at; at++) /* a locale's comma */
        *at = *at == ',' ? '.' : *at;
    patch->number = api_keep(call, slice_from_string(text));
    return true;
}

static bool read_patch(struct api_call *call, struct patch *patch) {
    static const char *const names[] = {"ttl", "persist", "tags", "increment", "append", "create", NULL};
    static const char *const tag_names[] = {"add", "remove", NULL};
    json_t *document = call->document, *tags = json_object_get(document, "tags");
    const json_t *ttl = json_object_get(document, "ttl"), *append = json_object_get(document, "append");
    if (!knows_all(call, document, names) || (tags && json_is_object(tags) && !knows_all(call, tags, tag_names)))
        return false;
    if (!api_json_is(call, "persist", &patch->persist) || !api_json_is(call, "create", &patch->create))
        return false;
    bool good = (!ttl || (json_ttl_ms(ttl, &patch->ttl_ms) && !patch->persist)) && (!tags || json_is_object(tags)) &&
                (!append || api_json_bytes(call, append, &patch->append));
    if (!good) {
        api_problem(call, 400, "SYNTAX",
                    "'ttl' is seconds or like \"30s\", and not beside 'persist'; 'tags' is an object "
                    "of 'add' and 'remove'; 'append' is a text.");
        return false;
    }
    return read_number(call, json_object_get(document, "increment"), patch) &&
           api_tags_of_json(call, json_object_get(tags, "add"), "add", API_TAGS_MAX, patch->add, &patch->add_count) &&
           api_tags_of_json(call, json_object_get(tags, "remove"), "remove", API_TAGS_MAX, patch->remove,
                            &patch->remove_count);
}

static void name_reply(struct patch *patch, const char *name) { patch->names[patch->name_count++] = name; }

static void put_tag_command(struct api_call *call, const char *verb, const struct slice *tags, uint32_t count) {
    api_word_text(call, "TAG");
    api_word_text(call, verb);
    api_word(call, call->name);
    for (uint32_t i = 0; i < count; i++)
        api_word(call, tags[i]);
    api_command_end(call);
}

static void put_commands(struct api_call *call, struct patch *patch) {
    patch->name_count = 0;
    if (patch->number.data) {
        api_word_text(call, patch->number_is_whole ? "INCRBY" : "INCRBYFLOAT");
        api_word(call, call->name);
        api_word(call, patch->number);
        api_command_end(call);
        name_reply(patch, "value");
    }
    if (patch->append.data) {
        api_word_text(call, "APPEND");
        api_word(call, call->name);
        api_word(call, patch->append);
        api_command_end(call);
        name_reply(patch, "size");
    }
    if (patch->add_count) {
        put_tag_command(call, "ADD", patch->add, patch->add_count);
        name_reply(patch, "tags_added");
    }
    if (patch->remove_count) {
        put_tag_command(call, "REMOVE", patch->remove, patch->remove_count);
        name_reply(patch, "tags_removed");
    }
    if (patch->ttl_ms) {
        api_word_text(call, "PEXPIRE");
        api_word(call, call->name);
        api_word_number(call, patch->ttl_ms);
        api_command_end(call);
        name_reply(patch, "ttl_set");
    }
    if (patch->persist) {
        api_command(call, "PERSIST", call->name);
        name_reply(patch, "ttl_removed");
    }
}

static void begin_patch(struct api_call *call);

static void patched(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct patch *patch = call->state;
    const struct resp_value *last = &replies[count - 1];
    for (uint32_t i = 0; i < count; i++)
        if (api_failed(call, &replies[i]))
            return;
    if (last->type == RESP_NULL && ++patch->tries < PATCH_TRIES) { /* written by somebody meanwhile */
        begin_patch(call);
        return;
    }
    call->clean = true;
    if (last->type == RESP_NULL || last->count != patch->name_count) {
        api_problem(call, 409, "CONFLICT", "Others write this key all the time.");
        return;
    }
    for (uint32_t i = 0; i < last->count; i++) /* one may fail by what it finds: a text that is no number */
        if (api_failed(call, &last->members[i]))
            return;
    json_put_open(&call->json, '{');
    for (uint32_t i = 0; i < last->count; i++) {
        const struct resp_value *value = &last->members[i];
        json_put_name(&call->json, patch->names[i]);
        if (value->type == RESP_BULK && patch->number.data && i == 0)
            json_put_digits_or_text(&call->json, value->text);
        else
            json_put_reply(&call->json, value);
    }
    json_put_close(&call->json, '}');
    api_answer_json(call, 200);
}

/* What stands there is a number that takes the increment; then all of the change will be made, and else none of it. */
static bool can_add(const struct patch *patch, const struct resp_value *value) {
    int64_t number = 0, increment, sum;
    if (!patch->number.data || !patch->number_is_whole)
        return true;
    return (value->type == RESP_NULL || number_parse_i64(value->text, &number)) &&
           number_parse_i64(patch->number, &increment) && !__builtin_add_overflow(number, increment, &sum);
}

/* CVERSION, WATCH, CVERSION, EXISTS, GET, MULTI. */
static void looked(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    struct patch *patch = call->state;
    for (uint32_t i = 0; i < count; i++)
        if (api_failed(call, &replies[i]))
            return;
    int64_t version = replies[2].integer;
    bool there = replies[3].integer != 0;
    if (patch->has_version && (!there || (!patch->any_version && version != patch->version))) {
        api_problem(call, 412, "PRECONDITION", there ? "The version is %lld." : "There is no such key.",
                    (long long)version);
        return;
    }
    if (!there && !patch->create) {
        api_problem(call, 404, "NOTFOUND", "There is no such key; with \"create\": true it would be made.");
        return;
    }
    if (!can_add(patch, &replies[4])) {
        api_problem(call, 409, "NUMBER", "The value is not an integer, or would be out of range; nothing was changed.");
        return;
    }
    put_commands(call, patch);
    api_command(call, "EXEC", (struct slice){0});
    api_go(call, patched);
}

static void begin_patch(struct api_call *call) {
    api_command(call, "CVERSION", call->name);
    api_command(call, "WATCH", call->name);
    api_command(call, "CVERSION", call->name);
    api_command(call, "EXISTS", call->name);
    api_command(call, "GET", call->name);
    api_command(call, "MULTI", (struct slice){0});
    api_go(call, looked);
}

void api_key_patch(struct api_call *call) {
    struct slice tag;
    struct patch *patch = arena_take(&call->arena, sizeof *patch);
    if (!patch) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the request.");
        return;
    }
    *patch = (struct patch){0};
    call->state = patch;
    if (!api_json_body(call, true) || !read_patch(call, patch))
        return;
    patch->has_version = api_field_get(call, "if-match", &tag);
    enum api_tag kind = patch->has_version ? api_tag_read(tag, &patch->version) : API_TAG_ANY;
    patch->any_version = kind == API_TAG_ANY;
    if (kind == API_TAG_WRONG) {
        api_problem(call, 400, "SYNTAX", "If-Match has one version in quotation marks, as ETag shows it, or *.");
        return;
    }
    bool alone = patch->append.data || (patch->number.data && !patch->number_is_whole);
    uint32_t others = patch->add_count + patch->remove_count + patch->persist + (patch->ttl_ms != 0);
    if (alone && (others || (patch->append.data && patch->number.data))) {
        api_problem(call, 400, "SYNTAX", "'append', and an 'increment' that is no integer, stand alone.");
        return;
    }
    if (!patch->number.data && !patch->append.data && !patch->add_count && !patch->remove_count && !patch->ttl_ms &&
        !patch->persist) {
        api_problem(call, 400, "SYNTAX", "The body asks for no change.");
        return;
    }
    api_hold(call);
    begin_patch(call);
}

/* ------------------------------------------------------------------------------------------ many keys */

enum operation { OPERATION_GET, OPERATION_SET, OPERATION_DELETE };

struct batch {
    enum operation *operations;
    uint32_t count;
    bool atomic;
};

static bool refuse_operation(struct api_call *call, size_t at) {
    api_problem(call, 400, "SYNTAX",
                "Operation %zu is not like {\"op\": \"get\", \"key\": \"...\"}, with op get, set or delete; set has "
                "'value' and "
                "may have 'ttl', 'tags', 'if' (\"absent\", \"present\" or a version) and 'version'.",
                at);
    return false;
}

static bool put_set_condition(struct api_call *call, const json_t *condition) {
    struct slice text = slice_make(json_string_value(condition), json_string_length(condition));
    if (json_is_integer(condition) && json_integer_value(condition) != 0) {
        api_word_text(call, "IFVERSION");
        api_word_number(call, json_integer_value(condition));
        return true;
    }
    bool absent = slice_equal(text, SLICE("absent"));
    if (condition && !absent && !slice_equal(text, SLICE("present")))
        return false;
    if (condition)
        api_word_text(call, absent ? "NX" : "XX");
    return true;
}

/* 1: good; 0: it is to be refused; -1: it was answered. */
static int put_set(struct api_call *call, const json_t *operation, struct slice key) {
    struct slice value, tags[API_TAGS_MAX];
    uint32_t tag_count;
    int64_t ms;
    const json_t *ttl = json_object_get(operation, "ttl"), *version = json_object_get(operation, "version");
    if (!api_json_bytes(call, json_object_get(operation, "value"), &value))
        return 0;
    api_word_text(call, "SET");
    api_word(call, key);
    api_word(call, value);
    if (!put_set_condition(call, json_object_get(operation, "if")))
        return 0;
    if (ttl && !json_ttl_ms(ttl, &ms))
        return 0;
    if (ttl) {
        api_word_text(call, "PX");
        api_word_number(call, ms);
    }
    if (version && (!json_is_integer(version) || json_integer_value(version) < 1))
        return 0;
    if (version) {
        api_word_text(call, "VERSION");
        api_word_number(call, json_integer_value(version));
    }
    if (!api_tags_of_json(call, json_object_get(operation, "tags"), "tags", API_TAGS_MAX, tags, &tag_count))
        return -1;
    if (tag_count) {
        api_word_text(call, "TAGS");
        api_word_number(call, tag_count);
    }
    for (uint32_t i = 0; i < tag_count; i++)
        api_word(call, tags[i]);
    api_command_end(call);
    return 1;
}

static bool put_operation(struct api_call *call, json_t *operation, size_t at, enum operation *ret_operation) {
    static const char *const names[] = {"op", "key", "value", "ttl", "tags", "if", "version", NULL};
    struct slice key, verb;
    const json_t *op = json_object_get(operation, "op");
    if (!json_is_object(operation) || !json_is_string(op) ||
        !api_json_bytes(call, json_object_get(operation, "key"), &key))
        return refuse_operation(call, at);
    if (!knows_all(call, operation, names))
        return false;
    verb = slice_make(json_string_value(op), json_string_length(op));
    if (slice_equal(verb, SLICE("set"))) {
        int good = put_set(call, operation, key);
        *ret_operation = OPERATION_SET;
        return good > 0 || (good == 0 && refuse_operation(call, at));
    }
    bool gets = slice_equal(verb, SLICE("get"));
    if ((!gets && !slice_equal(verb, SLICE("delete"))) || json_object_size(operation) != 2)
        return refuse_operation(call, at);
    *ret_operation = gets ? OPERATION_GET : OPERATION_DELETE;
    api_word_text(call, gets ? "CGET" : "DEL");
    api_word(call, key);
    if (gets)
        api_word_text(call, "VERSION");
    api_command_end(call);
    return true;
}

static void put_status(struct json_out *out, uint16_t status) {
    json_put_name(out, "status");
    json_put_number(out, status);
}

static void put_result(struct json_out *out, enum operation operation, const struct resp_value *reply) {
    json_put_open(out, '{');
    if (resp_type_is_error(reply->type)) {
        put_status(out, api_status_of(reply->text));
        json_put_name(out, "error");
        json_put_bytes(out, reply->text);
    } else if (operation == OPERATION_SET) {
        put_status(out, reply->type == RESP_NULL ? 412 : 204);
    } else if (operation == OPERATION_DELETE) {
        put_status(out, reply->integer ? 204 : 404);
    } else if (reply->count == 3 && api_is(&reply->members[0], "HIT")) {
        put_status(out, 200);
        json_put_name(out, "value");
        json_put_bytes(out, reply->members[1].text);
        json_put_name(out, "version");
        json_put_number(out, reply->members[2].integer);
    } else {
        put_status(out, 404);
    }
    json_put_close(out, '}');
}

static void answer_batch(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    const struct batch *batch = call->state;
    json_put_open(&call->json, '{');
    json_put_name(&call->json, "results");
    json_put_open(&call->json, '[');
    for (uint32_t i = 0; i < count && i < batch->count; i++)
        put_result(&call->json, batch->operations[i], &replies[i]);
    json_put_close(&call->json, ']');
    json_put_close(&call->json, '}');
    api_answer_json(call, 200);
}

static void executed(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (api_failed(call, &replies[i]))
            return;
    call->clean = true;
    answer_batch(call, replies[count - 1].members, replies[count - 1].count);
}

/* Once MULTI is known to be granted: what is behind it would run by itself else. */
static void began(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    const struct batch *batch = call->state;
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    const json_t *list = json_object_get(call->document, "operations");
    for (uint32_t i = 0; i < batch->count; i++)
        if (!put_operation(call, json_array_get(list, i), i, &batch->operations[i]))
            return;
    api_command(call, "EXEC", (struct slice){0});
    api_go(call, executed);
}

void api_key_batch(struct api_call *call) {
    static const char *const names[] = {"operations", "atomic", NULL};
    struct batch *batch = arena_take(&call->arena, sizeof *batch);
    bool atomic;
    if (!api_json_body(call, true) || !knows_all(call, call->document, names) || !api_json_is(call, "atomic", &atomic))
        return;
    const json_t *list = json_object_get(call->document, "operations");
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > API_BATCH_MAX) {
        api_problem(call, 400, "SYNTAX", "'operations' is an array of 1 to %d.", API_BATCH_MAX);
        return;
    }
    enum operation *operations = arena_take(&call->arena, count * sizeof *operations);
    if (!batch || !operations) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the request.");
        return;
    }
    *batch = (struct batch){.operations = operations, .count = (uint32_t)count, .atomic = atomic};
    call->state = batch;
    for (uint32_t i = 0; i < count; i++) /* also to refuse what is wrong before anything is done */
        if (!put_operation(call, json_array_get(list, i), i, &operations[i]))
            return;
    if (!batch->atomic) {
        api_go(call, answer_batch);
        return;
    }
    buf_clear(&call->ask.commands);
    call->ask.expected = 0;
    api_hold(call);
    api_command(call, "MULTI", (struct slice){0});
    api_go(call, began);
}
