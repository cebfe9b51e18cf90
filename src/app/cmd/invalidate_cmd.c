/* app/cmd/invalidate_cmd.c: INVALIDATE and EVENT: what goes, and what follows from it by the rules.
 *
 * Without rules a plan has one action. Each makes its plan first: if that cannot be done, nothing has changed. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/event_cmd.h"
#include "app/cmd/invalidate.h"
#include "app/cmd/invalidate_words.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "app/regex/regex.h"
#include "app/rules/event_data.h"
#include "core/classes/cascade.h"

/* A command's plan and what became of it. */
struct errand {
    struct cmd_call *call;
    const struct rules *rules;
    struct rules *none; /* stands in for rules, where there are none */
    struct rules_plan plan;
    const struct cache_matcher *expression;
    struct cause cause; /* without a name, each action that was asked for is one */
    struct invalidate_words words;
    bool everywhere;
    uint64_t told; /* entries that went, of those of which the client may know */
};

static void no_problem(void *context, const struct manifest_problem *problem) { (void)context, (void)problem; }

/* False, with the error written: there is no memory, or rules are being loaded, and what they name could not be found yet. EXEC has asked that under all
 * locks, and what it runs is done by the rules in force then, unless others have come into force for its thread as well. */
static bool errand_begin(struct errand *errand, struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    const struct cmd_client *client = call->client;
    *errand = (struct errand){.call = call};
    errand->rules = server ? server->api->rules_now(server, call->client, NULL) : NULL;
    if (atomic_load_explicit(&call->env->loading_rules, memory_order_acquire) &&
        (!client->in_exec || client->exec_rules != errand->rules)) {
        reply_error(call->reply, SLICE("BUSY rules are being loaded; try again"));
        return false;
    }
    if (!errand->rules) {
        const struct manifest empty = {0};
        const struct manifest_sink sink = {no_problem, NULL, NULL};
        if (rules_compile(&empty, &memory_libc, &sink, &errand->none) != STATUS_OK) {
            cmd_error_status(call, STATUS_NO_MEMORY);
            return false;
        }
        errand->rules = errand->none;
    }
    rules_plan_init(&errand->plan, errand->rules, &memory_libc, 0, 0);
    return true;
}

static void errand_end(struct errand *errand) {
    rules_plan_fini(&errand->plan);
    rules_free(errand->none);
}

/* ------------------------------------------------------------------------------------------ replies */

/* Rules may take what is of others, with a key that the user may invalidate; then he is not told whether it was there. */
static bool is_told(const struct errand *errand, const struct rules_action *action) {
    bool is_key = action->kind == RULES_TARGET_KEY;
    return action->edge == RULES_NONE || rights_know(errand->call, is_key ? action->text : SLICE(""), !is_key);
}

static void reply_entries(struct errand *errand, const struct cascade_action *done) {
    if (is_told(errand, done->action))
        reply_integer(errand->call->reply, (int64_t)done->entries);
    else
        reply_null(errand->call->reply);
}

static void count_told(struct errand *errand, const struct cascade_action *done) {
    if (done->entries == CASCADE_UNCOUNTED)
        errand->told = CASCADE_UNCOUNTED;
    else if (errand->told != CASCADE_UNCOUNTED && is_told(errand, done->action))
        errand->told += done->entries;
}

/* What an action is about, which edge led to it, and from where. */
static void reply_action(void *context, const struct cascade_action *done) {
    static const char *const kinds[] = {[RULES_TARGET_KEY] = "key",
                                        [RULES_TARGET_TAG] = "tag",
                                        [RULES_TARGET_CLASS] = "class",
                                        [RULES_TARGET_PATTERN] = "pattern",
                                        [RULES_TARGET_EXPRESSION] = "regex"};
    struct errand *errand = context;
    const struct rules_action *action = done->action;
    struct reply *reply = errand->call->reply;
    bool is_rule_tag = action->kind == RULES_TARGET_TAG && classes_is_marked(action->text);
    count_told(errand, done);
    if (!errand->words.dry_run)
        return;
    reply_map(reply, 7);
    reply_bulk_string(reply, "kind");
    reply_bulk_string(reply, is_rule_tag ? "rule_tag" : kinds[action->kind]);
    reply_bulk_string(reply, "what");
    reply_bulk(reply, action->text);
    reply_bulk_string(reply, "entries");
    reply_entries(errand, done);
    reply_bulk_string(reply, "from");
    reply_integer(reply, action->from == RULES_NONE ? -1 : (int64_t)action->from);
    reply_bulk_string(reply, "line");
    reply_integer(reply, action->edge == RULES_NONE ? 0 : rules_edge(errand->rules, action->edge)->place.line);
    reply_bulk_string(reply, "because");
    if (action->edge == RULES_NONE)
        reply_null(reply);
    else
        reply_bulk(reply, rules_edge(errand->rules, action->edge)->text);
    reply_bulk_string(reply, "soft");
    reply_integer(reply, action->soft);
}

static void begin_action(void *context, const struct rules_action *action) {
    const struct errand *errand = context;
    struct cmd_server *server = errand->call->env->server;
    if (server)
        server->api->cause_step(server, errand->call->client, &errand->plan, action);
}

/* Replies how many entries went, or what would go. */
static void errand_run(struct errand *errand) {
    struct cmd_call *call = errand->call;
    struct cmd_server *server = call->env->server;
    const struct cascade cascade = {.cache = call->env->cache,
                                    .actor = call->actor,
                                    .place = cache_key(call->env->cache, call->client->db, SLICE("")).place,
                                    .everywhere = errand->everywhere,
                                    .dry_run = errand->words.dry_run,
                                    .search_max = server ? server->api->search_max(server) : UINT64_MAX,
                                    .expression = errand->expression,
                                    .begins = begin_action,
                                    .done = reply_action,
                                    .context = errand};
    if (errand->words.dry_run)
        reply_array(call->reply, errand->plan.count);
    errand->cause.soft = errand->words.soft;
    if (server)
        server->api->cause_begin(server, call->client, &errand->cause);
    if (server && server->api->plan_begins && !errand->words.dry_run)
        server->api->plan_begins(server, call->client, &cascade, &errand->plan);
    (void)cascade_run(&cascade, &errand->plan); /* each action was counted by itself */
    if (server)
        server->api->cause_end(server, call->client);
    if (!errand->words.dry_run)
        invalidate_words_reply(call, &errand->words, errand->told);
}

/* ------------------------------------------------------------------------------------------ commands */

typedef enum status (*make_plan)(struct rules_plan *plan, struct slice what);

static void invalidate(struct cmd_call *call, enum cause_trigger trigger, make_plan make, const char *invalid) {
    struct errand errand;
    if (invalidate_words_resumed(call) || !errand_begin(&errand, call))
        return;
    errand.everywhere = trigger == CAUSE_TAG || trigger == CAUSE_CLASS;
    if (invalidate_words_read(call, 3, &errand.words)) {
        errand.plan.soft = errand.words.soft;
        errand.cause = (struct cause){.trigger = trigger, .name = call->argv[2], .reason = errand.words.reason};
        enum status status = make(&errand.plan, call->argv[2]);
        if (status == STATUS_OK)
            errand_run(&errand);
        else if (status == STATUS_INVALID)
            reply_errorf(call->reply, "ERR %s", invalid);
        else
            cmd_error_status(call, status);
    }
    errand_end(&errand);
}

static enum status plan_class(struct rules_plan *plan, struct slice pattern) {
    uint32_t class = rules_class_named(plan->rules, pattern);
    return class == RULES_NONE ? STATUS_INVALID : rules_plan_class(plan, class);
}

/* A pattern as KEYS takes it, or a class's own, which means that. */
static enum status plan_pattern(struct rules_plan *plan, struct slice pattern) {
    uint32_t class = rules_class_named(plan->rules, pattern);
    return class == RULES_NONE ? rules_plan_pattern(plan, pattern) : rules_plan_class(plan, class);
}

static enum status plan_tag(struct rules_plan *plan, struct slice tag) {
    return tag.size ? rules_plan_tag(plan, tag) : STATUS_INVALID;
}

void cmd_invalidate_key(struct cmd_call *call) { invalidate(call, CAUSE_KEY, rules_plan_key, "that is no key"); }
void cmd_invalidate_tag(struct cmd_call *call) { invalidate(call, CAUSE_TAG, plan_tag, "a tag has 1 to 255 bytes"); }
void cmd_invalidate_class(struct cmd_call *call) {
    invalidate(call, CAUSE_CLASS, plan_class, "no class has this pattern; RULES MATCH key tells that of a key");
}
void cmd_invalidate_pattern(struct cmd_call *call) {
    invalidate(call, CAUSE_PATTERN, plan_pattern, "that is no pattern, or has more than 255 bytes or 16 wildcards");
}

/* ------------------------------------------------------------------------------------------ regular expressions */

enum { PROBE_SCAN_COUNT = 256, PROBE_SHOWN_MAX = 64 };

/* A key for which it takes too long to find out, or more memory than there is, counts as one that matches: it was written since all were looked at. */
static bool may_match(void *context, struct slice name) { return regex_match(context, name) != REGEX_NO; }

struct probe {
    struct regex *regex;
    bool gave_up, no_memory;
    size_t shown;
    char key[PROBE_SHOWN_MAX + 1]; /* for which it gave up */
};

static void probe_key(void *context, struct slice name, const struct cache_info *info) {
    struct probe *probe = context;
    (void)info;
    if (probe->gave_up || probe->no_memory)
        return;
    enum regex_answer answer = regex_match(probe->regex, name);
    probe->no_memory = answer == REGEX_NO_MEMORY;
    probe->gave_up = answer == REGEX_GAVE_UP;
    if (!probe->gave_up)
        return;
    probe->shown = name.size < PROBE_SHOWN_MAX ? name.size : PROBE_SHOWN_MAX;
    for (size_t i = 0; i < probe->shown; i++)
        probe->key[i] = (char)(name.data[i] < ' ' ? '?' : name.data[i]);
}

/* In a transaction everybody waits while it looks at all keys: at no more than a pattern may. Writes the error. */
static bool may_look_at_all(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    uint64_t most = server ? server->api->search_max(server) : UINT64_MAX;
    if (!call->client->in_exec || cache_count(call->env->cache, call->client->db) <= most)
        return true;
    reply_errorf(
        call->reply,
        "ERR in a transaction nobody looks at more than %llu keys (pattern-search-max-keys), as others would wait",
        (unsigned long long)most);
    return false;
}

/* Whether the expression can be decided for every key that is there: before anything is changed. Writes the error. */
static bool is_bounded(struct cmd_call *call, struct regex *regex) {
    struct cache *cache = call->env->cache;
    struct probe probe = {.regex = regex};
    uint32_t place = cache_key(cache, call->client->db, SLICE("")).place;
    uint64_t cursor = 0;
    do
        cursor = cache_scan_place(cache, call->actor, place, cursor, PROBE_SCAN_COUNT, probe_key, &probe);
    while (cursor && cursor != CACHE_SCAN_FAILED && !probe.gave_up && !probe.no_memory);
    probe.no_memory |= cursor == CACHE_SCAN_FAILED;
    if (probe.no_memory)
        cmd_error_status(call, STATUS_NO_MEMORY);
    else if (probe.gave_up)
        reply_errorf(call->reply, "ERR the expression takes too many steps for key '%.*s'; nothing has changed",
                     (int)probe.shown, probe.key);
    return !probe.gave_up && !probe.no_memory;
}

static void invalidate_expression(struct errand *errand, struct regex *regex) {
    struct cmd_call *call = errand->call;
    const struct cache_matcher matcher = {may_match, regex};
    uint8_t around[REGEX_GLOB_MAX];
    size_t around_size = regex_around(call->argv[2], around);
    errand->expression = &matcher;
    errand->plan.soft = errand->words.soft;
    errand->cause = (struct cause){.trigger = CAUSE_EXPRESSION, .name = call->argv[2], .reason = errand->words.reason};
    enum status status = rules_plan_expression(&errand->plan, call->argv[2], slice_make(around, around_size));
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    else
        errand_run(errand);
}

void cmd_invalidate_regex(struct cmd_call *call) {
    struct errand errand;
    struct invalidate_words words;
    struct regex *regex = NULL;
    struct regex_problem problem;
    if (invalidate_words_resumed(call) || !may_look_at_all(call))
        return;
    enum status status = regex_new(call->argv[2], &memory_libc, &regex, &problem);
    if (status == STATUS_INVALID)
        reply_errorf(call->reply, "ERR that is no regular expression, at byte %zu: %s", problem.at, problem.text);
    else if (status != STATUS_OK)
        cmd_error_status(call, status);
    else if (invalidate_words_read(call, 3, &words) && is_bounded(call, regex) && errand_begin(&errand, call)) {
        /* Only now: while it looks at keys it may sleep, and other rules may come into force. */
        errand.words = words;
        invalidate_expression(&errand, regex);
        errand_end(&errand);
    }
    regex_free(regex);
}

bool invalidate_by_rules(struct cmd_call *call, uint32_t from, uint32_t until, const struct invalidate_words *words) {
    struct cmd_server *server = call->env->server;
    struct errand errand;
    bool plain = !words->sync && !words->reason.size && !words->dry_run;
    if (plain && (!server || !server->api->rules_now(server, call->client, NULL)))
        return false;
    if (!errand_begin(&errand, call))
        return true;
    errand.everywhere = true;
    errand.words = *words;
    errand.plan.soft = words->soft;
    errand.cause.reason = words->reason;
    enum status status = STATUS_OK;
    for (uint32_t i = from; i < until && status == STATUS_OK; i++)
        status = rules_plan_tag(&errand.plan, call->argv[i]);
    if (status == STATUS_OK)
        errand_run(&errand);
    else
        cmd_error_status(call, status);
    errand_end(&errand);
    return true;
}

/* ------------------------------------------------------------------------------------------ events */

static void emit_planned(struct errand *errand) {
    if (!errand->words.dry_run)
        event_note(errand->call, errand->call->argv[2]);
    errand_run(errand);
}

/* Arguments 2 and 3 are the event and its data, if there are any. */
static void emit(struct cmd_call *call) {
    struct errand errand;
    struct event_data event;
    struct slice missing = slice_make(NULL, 0), text = slice_make(NULL, 0);
    char problem[EVENT_DATA_PROBLEM_MAX];
    uint32_t at = 3;
    if (invalidate_words_resumed(call))
        return;
    if (call->argc > 3 && !invalidate_words_begin(call, 3))
        text = call->argv[at++];
    if (event_data_open(&event, text, call->arena, problem) != STATUS_OK) {
        reply_errorf(call->reply, "ERR %s", problem);
        return;
    }
    if (errand_begin(&errand, call)) {
        enum status status = STATUS_OK;
        bool understood = invalidate_words_read(call, at, &errand.words);
        errand.plan.soft = errand.words.soft;
        errand.cause = (struct cause){.trigger = CAUSE_EVENT, .name = call->argv[2], .reason = errand.words.reason};
        if (understood)
            status = rules_plan_event(&errand.plan, call->argv[2], &event.data, &missing);
        if (event.no_memory)
            status = STATUS_NO_MEMORY;
        if (status == STATUS_INVALID)
            reply_errorf(call->reply, "ERR the rules for this event need '%.*s' in its data, as a text or number",
                         (int)missing.size, missing.size ? (const char *)missing.data : "");
        else if (status != STATUS_OK)
            cmd_error_status(call, status);
        else if (understood)
            emit_planned(&errand);
        errand_end(&errand);
    }
    event_data_close(&event);
}

void cmd_invalidate_event(struct cmd_call *call) { emit(call); }
void cmd_event_emit(struct cmd_call *call) { emit(call); }
