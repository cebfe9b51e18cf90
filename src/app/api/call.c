#include "app/api/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "app/api/api_inner.h"
#include "base/json_text.h"
#include "base/number.h"
#include "core/http/http_answer.h"

enum { TEXT_MAX = 1024, RETRY_AFTER_S = 1 };

static void note(struct api_call *call, enum status status) {
    if (call->status == STATUS_OK)
        call->status = status;
}

/* ------------------------------------------------------------------------------------------ asking */

void api_word(struct api_call *call, struct slice word) { note(call, buf_append(&call->words, &word, sizeof word)); }

void api_word_text(struct api_call *call, const char *word) { api_word(call, slice_from_string(word)); }

void api_word_number(struct api_call *call, int64_t number) {
    char text[NUMBER_TEXT_MAX];
    api_word(call, api_keep(call, slice_make(text, number_format_i64(number, text))));
}

void api_command_end(struct api_call *call) {
    const struct slice *words = (const struct slice *)(const void *)call->words.data;
    if (call->status == STATUS_OK)
        note(call, resp_request_write(&call->ask.commands, words, call->words.size / sizeof *words));
    buf_clear(&call->words);
    call->ask.expected++;
}

void api_command(struct api_call *call, const char *words, struct slice more) {
    for (const char *at = words; *at;) {
        size_t size = strcspn(at, " ");
        api_word(call, slice_make(at, size));
        at += size + (at[size] == ' ');
    }
    if (more.data)
        api_word(call, more);
    api_command_end(call);
}

static void answer_unasked(struct api_call *call, enum ask_outcome outcome) {
    switch (outcome) {
        case ASK_LATE:
            api_problem(call, 504, "TIMEOUT", "There was no answer in %d seconds.", ASK_MS_MAX / 1000);
            break;
        case ASK_FULL:
            api_problem(call, 503, "BUSY", "Too many requests are under way, or too large ones.");
            break;
        case ASK_SHARE:
            api_problem(call, 429, "SHARE",
                        "%d requests of this identity wait for a connection within the server; no more of them may.",
                        ASKS_WAITING_OF_ONE_MAX);
            break;
        case ASK_LARGE:
            api_problem(call, 422, "TOOLARGE",
                        "The answer is larger than http-max-memory allows; over the protocol of Redis it can be had.");
            break;
        case ASK_FAR:
            api_problem(call, 403, "DENIED",
                        "Strata is in protected mode and has no password, so it answers this machine only.");
            break;
        case ASK_REFUSED:
            api_problem(call, 401, "WRONGPASS", "What the request says of who sends it is not taken here.");
            break;
        default:
            api_problem(call, 503, "CLOSED", "The server stops, or has closed the connection of this request.");
            break;
    }
}

/* Who was cut off hears whether that is for who he is: a token that was revoked, a user who was switched off. */
static void answer_cut(struct api_call *call, enum ask_outcome outcome, const struct resp_value *reply) {
    bool unknown = reply && resp_type_is_error(reply->type) && api_status_of(reply->text) == 401;
    if (outcome == ASK_REFUSED || unknown)
        api_problem(call, 401, call->identity.kind == LINK_NOBODY ? "NOAUTH" : "WRONGPASS",
                    "Who sends this request is not let in any more since it was sent. It may have been carried out, "
                    "or not.");
    else
        answer_unasked(call, ASK_LOST);
}

/* Whoever may do anything may do this; and who may nothing is told so, but let in. */
static void look_why(struct api_call *call) {
    call->cut = true;
    call->ask.holds = call->ask.patient = false;
    call->ask.grace_ms = 0;
    call->ask.push = NULL;
    buf_clear(&call->ask.commands);
    call->ask.expected = 0;
    api_command(call, "ECHO", SLICE("x"));
    api_go(call, call->next);
}

static void is_done(struct ask *ask, enum ask_outcome outcome, const struct resp_value *replies, uint32_t count) {
    struct api_call *call = ask->owner;
    if (call->started)
        api_cut(call);
    else if (call->cut)
        answer_cut(call, outcome, count ? &replies[0] : NULL);
    else if (outcome == ASK_CUT)
        look_why(call);
    else if (outcome == ASK_ANSWERED)
        call->next(call, replies, count);
    else if (outcome == ASK_REFUSED && count && api_status_of(replies[0].text) != 400)
        api_problem_reply(call, &replies[0]);
    else
        answer_unasked(call, outcome);
}

void api_go(struct api_call *call, api_step *next) {
    if (call->status != STATUS_OK) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the request.");
        return;
    }
    call->next = next;
    call->ask.owner = call;
    call->ask.done = is_done;
    enum ask_outcome outcome = links_ask(call->api->links, &call->identity, &call->ask);
    if (outcome == ASK_UNDER_WAY)
        return;
    if (call->cut)
        answer_cut(call, outcome, NULL);
    else
        answer_unasked(call, outcome);
}

void api_hold(struct api_call *call) { call->ask.holds = true; }

/* ------------------------------------------------------------------------------------------ the request */

struct slice api_keep(struct api_call *call, struct slice bytes) {
    struct slice copy = SLICE("");
    if (!arena_copy(&call->arena, bytes, &copy))
        note(call, STATUS_NO_MEMORY);
    return copy;
}

bool api_query_get(const struct api_call *call, const char *name, struct slice *ret_value) {
    for (uint32_t i = 0; i < call->query_count; i++)
        if (slice_equal(call->query[i].name, slice_from_string(name))) {
            *ret_value = call->query[i].value;
            return true;
        }
    return false;
}

bool api_query_number(struct api_call *call, const char *name, int64_t least, int64_t most, int64_t *number) {
    struct slice text;
    int64_t value;
    if (!api_query_get(call, name, &text))
        return true;
    if (number_parse_i64(text, &value) && value >= least && value <= most) {
        *number = value;
        return true;
    }
    api_problem(call, 400, "SYNTAX", "'%s' is a number from %lld to %lld.", name, (long long)least, (long long)most);
    return false;
}

bool api_query_is(const struct api_call *call, const char *name) {
    struct slice text;
    return api_query_get(call, name, &text) && (text.size == 0 || slice_equal(text, SLICE("true")) ||
                                                slice_equal(text, SLICE("yes")) || slice_equal(text, SLICE("1")));
}

bool api_field_get(const struct api_call *call, const char *name, struct slice *ret_value) {
    return http_field_get(call->request, name, ret_value);
}

bool api_accepts(const struct api_call *call, const char *type) {
    struct slice list, member;
    if (!api_field_get(call, "accept", &list))
        return false;
    while (http_list_next(&list, &member)) {
        const uint8_t *semicolon = member.size ? memchr(member.data, ';', member.size) : NULL;
        struct slice name = http_trim(slice_part(member, 0, semicolon ? (size_t)(semicolon - member.data) : SIZE_MAX));
        if (slice_equal_nocase(name, slice_from_string(type)))
            return true;
    }
    return false;
}

bool api_json_body(struct api_call *call, bool object) {
    json_error_t error;
    struct slice body = call->request->body;
    if (body.size > API_JSON_SIZE_MAX) {
        api_problem(call, 413, "TOOLARGE", "A body of JSON has at most %d bytes.", API_JSON_SIZE_MAX);
        return false;
    }
    call->document = json_loadb(body.size ? (const char *)body.data : "", body.size,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!call->document) {
        api_problem(call, 400, "SYNTAX", "The body is not JSON: %.200s (line %d, column %d).", error.text, error.line,
                    error.column);
        return false;
    }
    if (object ? json_is_object(call->document) : json_is_array(call->document))
        return true;
    api_problem(call, 400, "SYNTAX", "The body is not %s.", object ? "an object" : "an array");
    return false;
}

bool api_json_is(struct api_call *call, const char *name, bool *ret_is) {
    const json_t *value = json_object_get(call->document, name);
    *ret_is = json_is_true(value);
    if (!value || json_is_boolean(value))
        return true;
    api_problem(call, 400, "SYNTAX", "'%s' is true or false.", name);
    return false;
}

bool api_json_bytes(struct api_call *call, const json_t *value, struct slice *ret_bytes) {
    const json_t *inner =
        json_is_object(value) && json_object_size(value) == 1 ? json_object_get(value, "base64") : NULL;
    const json_t *text = inner ? inner : value;
    if (!json_is_string(text))
        return false;
    struct slice bytes = slice_make(json_string_value(text), json_string_length(text));
    if (inner) {
        struct buf decoded;
        buf_init(&decoded, &memory_libc);
        enum status status = json_base64_read(bytes, &decoded);
        bytes = api_keep(call, buf_slice(&decoded));
        buf_fini(&decoded);
        if (status != STATUS_OK)
            return false;
    }
    *ret_bytes = bytes;
    return true;
}

bool api_duration_ms(struct slice text, int64_t *ret_ms) {
    int64_t seconds;
    if (number_parse_i64(text, &seconds)) {
        if (seconds < 1 || seconds > INT64_MAX / 1000000)
            return false;
        *ret_ms = 1000 * seconds;
        return true;
    }
    size_t digits = 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    if (!number_parse_i64(slice_part(text, 0, digits), &seconds))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (slice_equal(slice_part(text, digits, SIZE_MAX), slice_from_string(units[i].name)) && seconds > 0 &&
            seconds < INT64_MAX / 1000 / units[i].ms) {
            *ret_ms = seconds * units[i].ms;
            return true;
        }
    return false;
}

/* ------------------------------------------------------------------------------------------ the answer */

void api_field(struct api_call *call, const char *name, struct slice value) {
    if (call->field_count < API_FIELDS_MAX)
        call->fields[call->field_count++] =
            (struct http_field){.name = slice_from_string(name), .value = api_keep(call, value)};
}

void api_field_format(struct api_call *call, const char *name, const char *format, ...) {
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    api_field(call, name, slice_make(text, size < TEXT_MAX ? (size_t)size : TEXT_MAX - 1));
}

void api_answer(struct api_call *call, uint16_t status, const char *type, struct slice body) {
    if (type)
        api_field(call, "content-type", slice_from_string(type));
    api_call_cross_origin(call);
    http_respond(call->exchange, status, call->fields, call->field_count, body);
    api_call_end(call);
}

void api_answer_empty(struct api_call *call, uint16_t status) { api_answer(call, status, NULL, SLICE("")); }

void api_answer_json(struct api_call *call, uint16_t status) {
    if (call->json.status == STATUS_TOO_LARGE) {
        api_problem(call, 422, "TOOLARGE", "The answer would be larger as JSON than http-max-memory allows.");
        return;
    }
    if (call->status != STATUS_OK || call->json.status != STATUS_OK) {
        api_problem(call, 503, "NOMEMORY", "There is not enough memory for the answer.");
        return;
    }
    api_answer(call, status, "application/json", buf_slice(&call->body));
}

/* What cannot be taken however often it is sent. */
static bool is_of_size(struct slice error) {
    return slice_starts_with(error, SLICE("ERR string exceeds maximum allowed size")) ||
           slice_starts_with(error, SLICE("ERR Protocol error: invalid bulk length"));
}

uint16_t api_status_of(struct slice error) {
    static const struct {
        const char *code;
        uint16_t status;
    } codes[] = {{"NOAUTH", 401},    {"WRONGPASS", 401}, {"NOPERM", 403},    {"DENIED", 403},
                 {"WRONGTYPE", 409}, {"LOADING", 503},   {"BUSY", 503},      {"TRYAGAIN", 503},
                 {"MISCONF", 503},   {"OOM", 507},       {"NOTOWNER", 403},  {"NOTBORROWER", 403},
                 {"LEASELOST", 409}, {"EXECABORT", 409}, {"AUDITFAIL", 503}, {"NOSTORE", 404}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t size = strlen(codes[i].code);
        if (slice_starts_with(error, slice_make(codes[i].code, size)) &&
            (error.size == size || error.data[size] == ' '))
            return codes[i].status;
    }
    return is_of_size(error) ? 413 : 400;
}

/* How long a value may be kept says nothing of an answer that it is not: the transport's no-store takes that place. */
static void forget_freshness(struct api_call *call) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < call->field_count; i++)
        if (!slice_equal(call->fields[i].name, SLICE("cache-control")))
            call->fields[kept++] = call->fields[i];
    call->field_count = kept;
}

/* A script of a page asks, and shows the answer itself. Browsers say so over TLS, and to this machine. */
static bool is_script(const struct api_call *call) {
    struct slice destination;
    return api_field_get(call, "sec-fetch-dest", &destination) && slice_equal(destination, SLICE("empty"));
}

/* What every answer of a status has. At the word Basic a browser asks its visitor for a password by itself, in front of the page that would ask him. */
static void put_fields_of(struct api_call *call, uint16_t status) {
    forget_freshness(call);
    if (status == 503 || status == 429)
        api_field_format(call, "retry-after", "%d", RETRY_AFTER_S);
    if (status != 401)
        return;
    if (!is_script(call))
        api_field(call, "www-authenticate", SLICE("Basic realm=\"strata\", charset=\"UTF-8\""));
    api_field(call, "www-authenticate", SLICE("Bearer realm=\"strata\""));
}

/* A text in any case: an error may name bytes that are none, or end within a character. */
static void put_detail(struct api_call *call, struct slice detail) {
    uint8_t *bytes = json_string_size(detail) ? NULL : arena_take(&call->arena, detail.size + 1);
    for (size_t i = 0; bytes && i < detail.size; i++)
        bytes[i] = detail.data[i] < 0x80 ? detail.data[i] : '?';
    json_put_bytes(&call->json, bytes ? slice_make(bytes, detail.size) : detail);
}

void api_problem_with(struct api_call *call, uint16_t status, const char *code, struct slice detail, const char *name,
                      struct slice json) {
    buf_clear(&call->body);
    call->json = json_out(&call->body);
    struct json_out *out = &call->json;
    json_put_open(out, '{');
    json_put_name(out, "type");
    json_put_text(out, "about:blank");
    json_put_name(out, "title");
    json_put_text(out, http_reason(status));
    json_put_name(out, "status");
    json_put_number(out, status);
    json_put_name(out, "detail");
    put_detail(call, detail);
    json_put_name(out, "code");
    json_put_text(out, code);
    if (json.data) {
        json_put_name(out, name);
        json_put_raw(out, json);
    }
    json_put_close(out, '}');
    put_fields_of(call, status);
    api_answer(call, status, "application/problem+json",
               out->status == STATUS_OK ? buf_slice(&call->body) : SLICE("{}"));
}

void api_problem(struct api_call *call, uint16_t status, const char *code, const char *format, ...) {
    char text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    api_problem_with(call, status, code, slice_make(text, size < TEXT_MAX ? (size_t)size : TEXT_MAX - 1), NULL,
                     (struct slice){0});
}

void api_problem_reply(struct api_call *call, const struct resp_value *error) {
    struct slice text = error->text;
    char code[32];
    size_t size = 0;
    while (size < text.size && size < sizeof code - 1 && text.data[size] >= 'A' && text.data[size] <= 'Z')
        size++;
    bool word = size > 0 && (size == text.size || text.data[size] == ' ');
    snprintf(code, sizeof code, "%.*s", word ? (int)size : 3, word ? (const char *)text.data : "ERR");
    struct slice detail = word ? http_trim(slice_part(text, size, SIZE_MAX)) : text;
    if (slice_starts_with(text, SLICE("NOAUTH "))) /* its words are about AUTH and HELLO, which nobody sends here */
        detail = SLICE("Say who you are: Authorization with Basic, a user and password, or with Bearer and a token.");
    api_problem_with(call, api_status_of(text), code, api_keep(call, detail), NULL, (struct slice){0});
}

void api_cut(struct api_call *call) {
    struct http_exchange *exchange = call->exchange;
    api_call_end(call);
    http_abort(exchange);
}

bool api_failed(struct api_call *call, const struct resp_value *reply) {
    if (!resp_type_is_error(reply->type))
        return false;
    api_problem_reply(call, reply);
    return true;
}
