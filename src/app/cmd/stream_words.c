#include "app/cmd/stream_words.h"

#include "app/cmd/words.h"
#include "base/number.h"

struct reading {
    struct cmd_call *call;
    struct stream_words *words;
    struct stream_word *filter; /* room for all arguments */
    uint32_t at, takes;
};

/* The word at `at` that is followed by texts, or STREAM_WORDS. */
static enum stream_word_kind word_at(const struct cmd_call *call, uint32_t at) {
    if (cmd_is(call, at, "prefix"))
        return STREAM_WORD_PREFIX;
    if (cmd_is(call, at, "class"))
        return STREAM_WORD_CLASS;
    return cmd_is(call, at, "tag") ? STREAM_WORD_TAG : STREAM_WORDS;
}

static bool is_word(const struct cmd_call *call, uint32_t at) {
    static const char *const others[] = {"from", "writes", "groups", "ack", "heartbeat", "count"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (cmd_is(call, at, others[i]))
            return true;
    return word_at(call, at) != STREAM_WORDS;
}

static bool read_texts(struct reading *reading, enum stream_word_kind kind) {
    struct cmd_call *call = reading->call;
    struct stream_filter *filter = &reading->words->wish.filter;
    uint32_t first = ++reading->at;
    for (; reading->at < call->argc && (reading->at == first || !is_word(call, reading->at)); reading->at++) {
        if (filter->count == STREAM_WORDS_MAX) {
            reply_errorf(call->reply, "ERR a filter has at most %d words", STREAM_WORDS_MAX);
            return false;
        }
        if (call->argv[reading->at].size > CACHE_KEY_SIZE_MAX) {
            reply_errorf(call->reply, "ERR a word of a filter has at most %d bytes", CACHE_KEY_SIZE_MAX);
            return false;
        }
        reading->filter[filter->count++] = (struct stream_word){kind, call->argv[reading->at]};
    }
    return reading->at > first || words_refuse(call, first, "what the copies are of");
}

static bool read_from(struct reading *reading) {
    struct cmd_call *call = reading->call;
    struct cmd_stream_wish *wish = &reading->words->wish;
    int64_t position;
    if (wish->from)
        return words_refuse_which(call, reading->at, "stands there twice");
    if (reading->at + 2 >= call->argc)
        return words_refuse(call, call->argc, "a run and a position, as STREAM POSITION answers them");
    if (!number_parse_i64(call->argv[reading->at + 2], &position) || position < 0)
        return words_refuse(call, reading->at + 2, "a position, which is a number from 0 on, behind FROM and the run");
    wish->from = true;
    wish->run = call->argv[reading->at + 1];
    wish->after = (uint64_t)position;
    reading->at += 3;
    return true;
}

static bool read_count(struct reading *reading) {
    struct cmd_call *call = reading->call;
    int64_t count;
    if (!words_number(call, reading->at + 1, 1, STREAM_COUNT_MAX, "", &count))
        return false;
    reading->words->count = (uint32_t)count;
    reading->at += 2;
    return true;
}

static bool read_heartbeat(struct reading *reading) {
    struct cmd_call *call = reading->call;
    int64_t every_ms;
    if (reading->words->wish.heartbeat_ms)
        return words_refuse_which(call, reading->at, "stands there twice");
    if (!words_number(call, reading->at + 1, STREAM_HEARTBEAT_MS_MIN, STREAM_HEARTBEAT_MS_MAX, " milliseconds",
                      &every_ms))
        return false;
    reading->words->wish.heartbeat_ms = (uint32_t)every_ms;
    reading->at += 2;
    return true;
}

/* Most often a text without its word. */
static bool refuse_word(struct reading *reading) {
    return words_refuse(
        reading->call, reading->at,
        reading->takes & STREAM_TAKES_LISTENING
            ? "FROM, PREFIX, CLASS, TAG, WRITES, GROUPS, ACK or HEARTBEAT (a text stands behind PREFIX, CLASS or TAG)"
            : "FROM, PREFIX, CLASS, TAG, WRITES, GROUPS or COUNT (a text stands behind PREFIX, CLASS or TAG)");
}

static bool read_one(struct reading *reading) {
    struct cmd_call *call = reading->call;
    struct cmd_stream_wish *wish = &reading->words->wish;
    enum stream_word_kind kind = word_at(call, reading->at);
    if (kind != STREAM_WORDS)
        return read_texts(reading, kind);
    if (cmd_is(call, reading->at, "from"))
        return read_from(reading);
    if (reading->takes & STREAM_TAKES_COUNT && cmd_is(call, reading->at, "count"))
        return read_count(reading);
    if (reading->takes & STREAM_TAKES_LISTENING && cmd_is(call, reading->at, "heartbeat"))
        return read_heartbeat(reading);
    if (cmd_is(call, reading->at, "writes"))
        wish->filter.writes = true;
    else if (cmd_is(call, reading->at, "groups"))
        wish->filter.groups = true;
    else if (reading->takes & STREAM_TAKES_LISTENING && cmd_is(call, reading->at, "ack"))
        wish->acks = true;
    else
        return refuse_word(reading);
    reading->at++;
    return true;
}

bool stream_words_read(struct cmd_call *call, uint32_t at, uint32_t takes, struct stream_words *ret_words) {
    struct reading reading = {.call = call, .words = ret_words, .at = at, .takes = takes};
    *ret_words = (struct stream_words){.count = STREAM_COUNT_DEFAULT};
    uint32_t most = call->argc - at < STREAM_WORDS_MAX ? call->argc - at : STREAM_WORDS_MAX;
    reading.filter = arena_take(call->arena, (most + 1) * sizeof *reading.filter);
    if (!reading.filter) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    ret_words->wish.filter.words = reading.filter;
    while (reading.at < call->argc)
        if (!read_one(&reading))
            return false;
    if (ret_words->wish.filter.groups && ret_words->wish.filter.writes) {
        reply_error(call->reply, SLICE("ERR writes are those of single keys, and GROUPS leaves these out"));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------ what can never match */

static const struct rules *rules_of(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    return server ? server->api->rules_now(server, call->client, NULL) : NULL;
}

/* A class is named by its pattern, as the manifest has it. */
static bool check_class(struct cmd_call *call, const struct rules *rules, struct slice text) {
    struct rules_fields fields;
    if (rules && rules_class_named(rules, text) != RULES_NONE)
        return true;
    int size = text.size < RULES_PATTERN_SIZE_MAX ? (int)text.size : RULES_PATTERN_SIZE_MAX;
    const char *shown = size ? (const char *)text.data : "";
    uint32_t class = rules ? rules_match(rules, text, &fields) : RULES_NONE;
    if (!rules || rules_class_count(rules) == 0)
        reply_errorf(call->reply, "ERR no rules are in force, so nothing is of the class '%.*s'; PREFIX needs none",
                     size, shown);
    else if (class != RULES_NONE)
        reply_errorf(call->reply, "ERR no class has the pattern '%.*s'; write CLASS %.*s, of which this is a key", size,
                     shown, (int)rules_class(rules, class)->pattern.text.size,
                     (const char *)rules_class(rules, class)->pattern.text.data);
    else
        reply_errorf(
            call->reply,
            "ERR no class has the pattern '%.*s' (as the manifest writes it); RULES MATCH key tells that of a key",
            size, shown);
    return false;
}

static bool is_beginning_of_class(const struct rules *rules, struct slice text) {
    for (uint32_t i = 0; rules && i < rules_class_count(rules); i++) {
        struct slice pattern = rules_class(rules, i)->pattern.text;
        if (pattern.size >= text.size && memcmp(pattern.data, text.data, text.size) == 0)
            return true;
    }
    return false;
}

/* The beginning of keys, byte by byte: a star at the end, and what only a manifest writes, are meant as a pattern. */
static bool check_prefix(struct cmd_call *call, const struct rules *rules, struct slice text) {
    const uint8_t *brace = text.size ? memchr(text.data, '{', text.size) : NULL;
    size_t literal = text.size; /* before what looks like a pattern */
    if (text.size && text.data[text.size - 1] == '*')
        literal--;
    if (brace && is_beginning_of_class(rules, slice_part(text, 0, literal)))
        literal = (size_t)(brace - text.data);
    if (literal == text.size)
        return true;
    int most = text.size < RULES_PATTERN_SIZE_MAX ? (int)text.size : RULES_PATTERN_SIZE_MAX;
    reply_errorf(call->reply, "ERR a prefix is how keys begin, byte by byte, and '%.*s' looks like a pattern; %s%.*s%s",
                 most, (const char *)text.data, literal ? "write PREFIX " : "leave PREFIX out",
                 (int)literal < most ? (int)literal : most, (const char *)text.data, literal ? "" : ", for all keys");
    return false;
}

bool stream_words_check(struct cmd_call *call, const struct stream_words *words) {
    const struct stream_filter *filter = &words->wish.filter;
    const struct rules *rules = rules_of(call);
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct stream_word *word = &filter->words[i];
        if (word->kind == STREAM_WORD_CLASS && !check_class(call, rules, word->text))
            return false;
        if (word->kind == STREAM_WORD_PREFIX && !check_prefix(call, rules, word->text))
            return false;
    }
    return true;
}
