/* app/api/command.c: any command, as an array of its words. Its link is its own, and closed behind it: whatever the command made of the connection ends there.
 *
 * A request has one answer. So CGET with WAIT waits as with BLOCK, also where it would be told of the value by a push. */
#include "app/api/api_inner.h"
#include "app/api/handlers.h"
#include "base/number.h"

enum { WORDS_MAX = 100000, WAIT_MS_MAX = 3600000 };

/* What speaks of the connection itself, or answers more than once. */
static bool is_refused(struct slice first, struct slice second) {
    static const char *const whole[] = {"auth",         "hello",      "reset",      "quit",        "monitor",
                                        "multi",        "exec",       "discard",    "watch",       "unwatch",
                                        "subscribe",    "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe",
                                        "sunsubscribe", "select",     NULL};
    static const char *const of_client[] = {"reply",   "tracking", "caching",  "setname", "setinfo",
                                            "service", "no-evict", "no-touch", NULL};
    static const char *const of_stream[] = {"subscribe", "unsubscribe", "ack", NULL};
    static const char *const of_token[] = {"auth", NULL};
    for (const char *const *at = whole; *at; at++)
        if (slice_equal_nocase(first, slice_from_string(*at)))
            return true;
    bool client = slice_equal_nocase(first, SLICE("client")), stream = slice_equal_nocase(first, SLICE("stream"));
    const char *const *of = client                                      ? of_client
                            : stream                                    ? of_stream
                            : slice_equal_nocase(first, SLICE("token")) ? of_token
                                                                        : NULL;
    for (const char *const *at = of; at && *at; at++)
        if (slice_equal_nocase(second, slice_from_string(*at)))
            return true;
    return false;
}

static void replied(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    if (api_failed(call, &replies[0]))
        return;
    json_put_open(&call->json, '{');
    json_put_name(&call->json, "reply");
    json_put_reply(&call->json, &replies[0]);
    json_put_close(&call->json, '}');
    api_answer_json(call, 200);
}

static bool put_word(struct api_call *call, const json_t *value) {
    struct slice word;
    if (json_is_integer(value))
        api_word_number(call, json_integer_value(value));
    else if (api_json_bytes(call, value, &word))
        api_word(call, word);
    else
        return false;
    return true;
}

/* Where `WAIT milliseconds` stands in a CGET: nothing but numbers stands behind other words of it. 0: nowhere. */
static size_t place_of_wait(const struct slice *words, size_t count, int64_t *ret_ms) {
    if (!slice_equal_nocase(words[0], SLICE("cget")))
        return 0;
    for (size_t i = 2; i + 1 < count; i++)
        if (slice_equal_nocase(words[i], SLICE("wait")) && number_parse_i64(words[i + 1], ret_ms) && *ret_ms > 0 &&
            *ret_ms <= WAIT_MS_MAX)
            return i;
    return 0;
}

/* The link waits; so long more than any answer may take. */
static void wait_for_value(struct api_call *call) {
    int64_t ms;
    const struct slice *words = (const struct slice *)(const void *)call->words.data;
    size_t count = call->words.size / sizeof *words;
    size_t at = call->status == STATUS_OK ? place_of_wait(words, count, &ms) : 0;
    if (!at)
        return;
    call->ask.grace_ms = (uint32_t)ms;
    if (at + 2 < count && slice_equal_nocase(words[at + 2], SLICE("block")))
        return;
    api_word_text(call, "BLOCK");
    if (call->status != STATUS_OK)
        return;
    struct slice *all = (struct slice *)(void *)call->words.data, block = all[count];
    memmove(&all[at + 3], &all[at + 2], (count - at - 2) * sizeof *all);
    all[at + 2] = block;
}

void api_command_post(struct api_call *call) {
    if (!api_json_body(call, false))
        return;
    size_t count = json_array_size(call->document);
    for (size_t i = 0; i < count && count <= WORDS_MAX; i++)
        if (!put_word(call, json_array_get(call->document, i)))
            count = 0;
    if (count == 0 || count > WORDS_MAX) {
        api_problem(call, 400, "SYNTAX",
                    "The body is an array of 1 to %d words: texts, {\"base64\": \"...\"}, or whole numbers.",
                    WORDS_MAX);
        return;
    }
    const struct slice *words = (const struct slice *)(const void *)call->words.data;
    if (call->status == STATUS_OK && is_refused(words[0], count > 1 ? words[1] : SLICE(""))) {
        api_problem(call, 422, "NOTHERE",
                    "This command speaks of a connection, and over HTTP there is none to speak of.");
        return;
    }
    wait_for_value(call);
    api_command_end(call);
    api_hold(call);
    api_go(call, replied);
}
