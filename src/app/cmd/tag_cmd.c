/* app/cmd/tag_cmd.c: TAG: names by which keys are invalidated together. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/invalidate.h"
#include "app/cmd/key_call.h"
#include "app/cmd/scan.h"
#include "app/cmd/string_options.h"
#include "app/cmd/tag_cmd.h"
#include "app/cmd/words.h"
#include "base/number.h"
#include "core/classes/names.h"

/* The tags that a key is to have: copies in the arena, or arguments. */
struct wanted {
    struct cmd_call *call;
    struct slice tags[CACHE_TAGS_MAX + CACHE_RULE_TAGS_MAX + 1]; /* an entry has no more */
    uint32_t count;
    bool own_ttl; /* its time is its writer's: a mark of the server's, which is not counted */
    bool failed;  /* no memory for a copy */
};

static uint32_t find(const struct wanted *wanted, struct slice tag) {
    uint32_t at = 0;
    while (at < wanted->count && !slice_equal(wanted->tags[at], tag))
        at++;
    return at;
}

static void note_tag(void *context, struct slice tag) {
    struct wanted *wanted = context;
    wanted->own_ttl |= slice_equal(tag, SLICE(CLASSES_OWN_TTL));
    if (classes_is_marked(tag)) /* the rules' own, which a change puts on again */
        return;
    uint8_t *copy = arena_take(wanted->call->arena, tag.size);
    wanted->failed = wanted->failed || !copy;
    if (!copy)
        return;
    memcpy(copy, tag.data, tag.size);
    wanted->tags[wanted->count++] = slice_make(copy, tag.size);
}

/* One argument's change; false, with the error written, if that would be too many. */
static bool add(struct wanted *wanted, struct slice tag, uint32_t *changes) {
    if (find(wanted, tag) < wanted->count)
        return true;
    if (wanted->count >= CACHE_TAGS_MAX) {
        reply_errorf(wanted->call->reply, "ERR a key has at most %d tags", CACHE_TAGS_MAX);
        return false;
    }
    wanted->tags[wanted->count++] = tag;
    ++*changes;
    return true;
}

static bool take_away(struct wanted *wanted, struct slice tag, uint32_t *changes) {
    uint32_t at = find(wanted, tag);
    if (at == wanted->count)
        return true;
    wanted->tags[at] = wanted->tags[--wanted->count];
    ++*changes;
    return true;
}

/* The mark stays where it was, unless the class leaves no room for it. */
static enum status retag(struct cache_edit *edit, struct wanted *wanted) {
    enum status status = STATUS_INVALID;
    wanted->tags[wanted->count] = SLICE(CLASSES_OWN_TTL);
    if (wanted->own_ttl)
        status = cache_edit_retag(edit, wanted->tags, wanted->count + 1);
    return status == STATUS_INVALID ? cache_edit_retag(edit, wanted->tags, wanted->count) : status;
}

typedef bool (*tag_change)(struct wanted *wanted, struct slice tag, uint32_t *changes);

/* Writes the reply. */
static void change_found(struct cmd_call *call, struct cache_edit *edit, tag_change change) {
    struct wanted wanted = {.call = call};
    uint32_t changes = 0;
    cache_edit_tags(edit, note_tag, &wanted);
    enum status status = wanted.failed ? STATUS_NO_MEMORY : STATUS_OK;
    for (uint32_t i = 3; i < call->argc && status == STATUS_OK; i++)
        if (!change(&wanted, call->argv[i], &changes))
            return;
    if (status == STATUS_OK && changes)
        status = retag(edit, &wanted);
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    else
        reply_integer(call->reply, edit->found ? changes : 0);
}

static void change_tags(struct cmd_call *call, tag_change change) {
    if (!string_options_check_tags(call, 3, call->argc - 3))
        return;
    struct cache_key key = cmd_key(call, 2);
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    if (edit.found)
        change_found(call, &edit, change);
    else
        reply_integer(call->reply, 0);
    cache_edit_end(&edit);
}

void cmd_tag_add(struct cmd_call *call) { change_tags(call, add); }
void cmd_tag_remove(struct cmd_call *call) { change_tags(call, take_away); }

static void reply_tag(void *context, struct slice tag) {
    struct wanted *wanted = context;
    if (!classes_is_marked(tag))
        reply_bulk(wanted->call->reply, tag);
}

static void count_tag(void *context, struct slice tag) { *(uint32_t *)context += !classes_is_marked(tag); }

void tag_cmd_reply(struct cmd_call *call, const struct cache_edit *edit) {
    struct wanted wanted = {.call = call};
    uint32_t count = 0;
    if (edit->found)
        cache_edit_tags(edit, count_tag, &count);
    reply_set(call->reply, count);
    if (edit->found)
        cache_edit_tags(edit, reply_tag, &wanted);
}

void cmd_tag_of(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 2);
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    tag_cmd_reply(call, &edit);
    cache_edit_end(&edit);
}

/* The tag that the argument at `at` means; `bytes` has room for a name. */
static struct slice asked(const struct cmd_call *call, uint32_t at, uint8_t *bytes) {
    return classes_tag_asked(call->argv[at], cache_tag_name_max(call->env->cache), bytes);
}

void cmd_tag_count(struct cmd_call *call) {
    uint8_t bytes[CACHE_TAG_NAME_MAX];
    bool exact = call->argc == 4 && cmd_is(call, 3, "exact");
    if (call->argc > 3 && !exact)
        cmd_error_syntax(call);
    else if (exact && call->client->in_exec)
        reply_error(call->reply, SLICE("ERR in a transaction nobody looks at all keys, as others would wait: EXACT is "
                                       "not possible"));
    else
        reply_integer(call->reply,
                      (int64_t)cache_tag_count_seen(call->env->cache, call->actor, asked(call, 2, bytes), exact));
}

/* A word among the tags is one of an option that is not complete, or not at the end: who relies on it must hear of that. */
static bool are_tags(struct cmd_call *call, uint32_t from, uint32_t until) {
    for (uint32_t i = from + 1; i < until; i++)
        if (invalidate_words_begin(call, i))
            return words_refuse_which(call, i,
                                      "is no tag: SOFT, DRYRUN, SYNC milliseconds and REASON text stand behind the "
                                      "tags; INVALIDATE TAG takes a tag that is called like one of them");
    return true;
}

/* Words may stand behind the first tag, and are no tags then. */
void cmd_tag_invalidate(struct cmd_call *call) {
    const uint32_t until = invalidate_words_find(call, 2);
    struct cache *cache = call->env->cache;
    struct invalidate_words words;
    uint8_t bytes[CACHE_TAG_NAME_MAX];
    uint64_t count = 0;
    if (invalidate_words_resumed(call) || !are_tags(call, 2, until) || !invalidate_words_read(call, until, &words) ||
        invalidate_by_rules(call, 2, until, &words))
        return;
    for (uint32_t i = 2; i < until; i++)
        count += (words.soft ? cache_tag_soften : cache_tag_invalidate)(cache, call->actor, asked(call, i, bytes));
    reply_integer(call->reply, (int64_t)count);
}

/* ------------------------------------------------------------------------------------------ KEYS */

struct listed {
    struct cmd_call *call;
    struct key_call_array names;
};

static void list_key(void *context, struct slice name, const struct cache_info *info) {
    struct listed *listed = context;
    (void)info;
    key_call_array_add(listed->call, &listed->names, name);
}

void cmd_tag_keys(struct cmd_call *call) {
    struct listed listed = {.call = call};
    uint64_t cursor;
    int64_t count = SCAN_COUNT_DEFAULT;
    uint8_t bytes[CACHE_TAG_NAME_MAX];
    if (!scan_cursor(call, 3, &cursor))
        return;
    if (call->argc > 4 && !cmd_is(call, 4, "count")) {
        (void)words_refuse(call, 4, "COUNT");
        return;
    }
    if (call->argc > 4 && !words_number(call, 5, 1, INT64_MAX, "", &count))
        return;
    if (call->argc > 6) {
        (void)words_refuse(call, 6, "nothing more");
        return;
    }
    key_call_array_begin(call, &listed.names);
    cursor = cache_scan_tag(call->env->cache, call->actor, call->client->db, asked(call, 2, bytes), cursor,
                            count < UINT32_MAX ? (uint32_t)count : UINT32_MAX, list_key, &listed);
    scan_end(call, &listed.names, cursor);
}
