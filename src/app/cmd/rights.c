#include "app/cmd/rights.h"

#include <stdio.h>

#include "app/cmd/client_line.h"
#include "app/cmd/commands.h"
#include "app/cmd/stream_reply.h"
#include "base/assert.h"
#include "core/rules/rules.h"

enum { TOUCHES_HERE = 8 }; /* keys for which no scraps are taken */

void rights_bind(struct cmd_client *client, struct auth_user *user) {
    struct auth_user *before = client->user;
    client->user = auth_user_ref(user);
    client->restricted = !user->free;
    client->gate = (struct cmd_gate){.spec = NULL};
    auth_user_unref(before);
}

struct slice rights_service(const struct cmd_client *client) {
    bool bound = client->user && client->user->service.size;
    return bound ? client->user->service : buf_slice(&client->service);
}

/* ------------------------------------------------------ where keys belong */

static const struct rules *rules_of(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    return server ? server->api->rules_now(server, call->client, NULL) : NULL;
}

static bool is_of_class(struct cmd_call *call, struct slice key, struct slice name) {
    const struct rules *rules = rules_of(call);
    struct rules_fields fields;
    uint32_t class = rules ? rules_match(rules, key, &fields) : RULES_NONE;
    return class != RULES_NONE && slice_equal(rules_class(rules, class)->pattern.text, name);
}

static bool is_in_store(struct cmd_call *call, struct slice key, struct slice name) {
    const struct cache *cache = call->env->cache;
    uint32_t store;
    if (!cache_store_find(cache, name, &store))
        return false;
    struct cache_key hashed = cache_key(cache, call->client->db, key);
    return cache_store_of(cache, &hashed) == store;
}

static bool is_of(void *context, struct slice key, const struct auth_place *place) {
    return (place->kind == AUTH_CLASS ? is_of_class : is_in_store)(context, key, place->name);
}

/* ------------------------------------------------- what a request touches */

struct touches {
    const struct cmd_spec *spec;
    const struct slice *argv;
    uint32_t argc;
    const struct auth_where *where;
    struct auth_touch *list;
    uint32_t count, room; /* more than there is room for are counted only */
};

static void touch(struct touches *touches, struct auth_touch one) {
    if (touches->count < touches->room)
        touches->list[touches->count] = one;
    touches->count++;
}

static uint32_t access_of(uint32_t key_flags) {
    const uint32_t writes = CMD_KEY_INSERT | CMD_KEY_DELETE | CMD_KEY_UPDATE;
    return (key_flags & CMD_KEY_ACCESS ? AUTH_READ : 0u) | (key_flags & writes ? AUTH_WRITE : 0u);
}

static void touch_keys(struct touches *touches) {
    const struct cmd_spec *spec = touches->spec;
    for (uint32_t i = 0; i < spec->key_count; i++) {
        const struct cmd_key_spec *keys = &spec->keys[i];
        struct cmd_key_range range;
        if ((keys->flags & CMD_KEY_NOT_KEY) || !cmd_key_range(keys, touches->argv, touches->argc, &range))
            continue;
        uint32_t access = access_of(cmd_key_flags(keys, touches->argv, touches->argc));
        for (uint32_t at = range.first; at <= range.last; at += range.step)
            touch(touches,
                  (struct auth_touch){.name = touches->argv[at], .access = access, .at = at, .where = touches->where});
    }
}

static void touch_all(struct touches *touches, uint32_t access, uint32_t at) {
    touch(touches, (struct auth_touch){.name = SLICE(""), .access = access, .at = at, .prefix = true});
}

/* All keys that match the pattern begin with what stands before its first star. That of a class means the class, whose parts stand for anything. */
static void touch_pattern(struct touches *touches, uint32_t access, uint32_t at) {
    struct slice pattern = touches->argv[at];
    const struct rules *rules = rules_of(touches->where->context);
    bool is_class = rules && rules_class_named(rules, pattern) != RULES_NONE;
    pattern.size = auth_plain_size(pattern);
    const uint8_t *part = is_class && pattern.size ? memchr(pattern.data, '{', pattern.size) : NULL;
    if (part)
        pattern.size = (size_t)(part - pattern.data);
    touch(touches, (struct auth_touch){.name = pattern, .access = access, .at = at, .prefix = true});
}

/* CLIENT TRACKING ON BCAST is told of changes of all keys, or of those with its prefixes. */
static void touch_broadcast(struct touches *touches) {
    bool broadcast = false, prefixes = false;
    for (uint32_t at = 3; at < touches->argc; at++) {
        struct slice word = touches->argv[at];
        if (slice_equal_nocase(word, SLICE("bcast")))
            broadcast = true;
        at += slice_equal_nocase(word, SLICE("redirect")) || slice_equal_nocase(word, SLICE("prefix"));
        prefixes |= slice_equal_nocase(word, SLICE("prefix"));
    }
    if (broadcast && !prefixes)
        touch_all(touches, AUTH_READ, 2);
    for (uint32_t at = 3; broadcast && at + 1 < touches->argc; at++) {
        struct slice word = touches->argv[at];
        if (slice_equal_nocase(word, SLICE("prefix")))
            touch(touches, (struct auth_touch){
                               .name = touches->argv[at + 1], .access = AUTH_READ, .at = at + 1, .prefix = true});
        at += slice_equal_nocase(word, SLICE("redirect")) || slice_equal_nocase(word, SLICE("prefix"));
    }
}

static const struct slice telling[] = {
    {(const uint8_t *)"__keyspace@", 11}, {(const uint8_t *)"__keyevent@", 11}, {(const uint8_t *)"__stream__", 10}};

/* What the server itself publishes names keys: who listens reads them. Of "__keyspace@DB__:KEY" that is one key, or those that begin with it;
 * of all others that may be a channel of the server it is every key. `plain`: the bytes before the first star. */
static void touch_channel(struct touches *touches, struct slice channel, bool pattern, uint32_t at) {
    struct slice plain = channel;
    if (pattern)
        plain.size = auth_plain_size(channel);
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++) {
        bool may_be = slice_starts_with(plain, telling[i]) || (pattern && slice_starts_with(telling[i], plain));
        const uint8_t *end = plain.size ? memmem(plain.data, plain.size, "__:", 3) : NULL;
        if (!may_be)
            continue;
        if (i > 0 || !end || plain.size < telling[i].size) {
            touch_all(touches, AUTH_READ, at);
            return;
        }
        struct slice key = slice_part(plain, (size_t)(end - plain.data) + 3, SIZE_MAX);
        touch(touches, (struct auth_touch){.name = key, .access = AUTH_READ, .at = at, .prefix = pattern});
    }
}

static void touch_others(struct touches *touches, const struct auth_request *request) {
    const struct cmd_spec *spec = touches->spec;
    if (spec->flags & (CMD_READS_ALL | CMD_WRITES_ALL))
        touch_all(touches, spec->flags & CMD_WRITES_ALL ? AUTH_WRITE : AUTH_READ, 0);
    else if (spec->run == cmd_invalidate_pattern && touches->argc > 2)
        touch_pattern(touches, AUTH_WRITE, 2);
    else if (spec->run == cmd_client_tracking)
        touch_broadcast(touches);
    for (uint32_t at = request->channel_from; at < request->channel_until && spec->flags & CMD_SUBSCRIBING; at++)
        touch_channel(touches, touches->argv[at], request->channel_patterns, at);
}

static void name_channels(const struct cmd_spec *spec, uint32_t argc, struct auth_request *request) {
    if (!spec->channel_at)
        return;
    int64_t last = spec->channel_to < 0 ? (int64_t)argc + spec->channel_to : spec->channel_to;
    request->channel_from = (uint32_t)spec->channel_at;
    request->channel_until = last < argc ? (uint32_t)(last + 1) : argc;
    request->channel_patterns = spec->channel_patterns;
}

enum status rights_judge(struct cmd_call *call, const struct auth_user *user, const struct cmd_spec *spec,
                         const struct slice *argv, uint32_t argc, enum auth_verdict *ret_verdict, uint32_t *ret_at) {
    const struct auth_where where = {call, is_of};
    struct auth_touch here[TOUCHES_HERE];
    struct touches touches = {
        .spec = spec, .argv = argv, .argc = argc, .where = &where, .list = here, .room = TOUCHES_HERE};
    struct auth_request request = {
        .command = spec->index, .always = (spec->flags & CMD_NO_AUTH) != 0, .argv = argv, .argc = argc};
    name_channels(spec, argc, &request);
    for (;;) {
        touches.count = 0;
        touch_keys(&touches);
        touch_others(&touches, &request);
        if (touches.count <= touches.room)
            break;
        touches.list = arena_take(call->arena, touches.count * sizeof *touches.list);
        touches.room = touches.count;
        if (!touches.list)
            return STATUS_NO_MEMORY;
    }
    request.keys = touches.list;
    request.key_count = touches.count;
    *ret_verdict = auth_judge(user, &request, ret_at);
    return STATUS_OK;
}

/* ---------------------------------------------------------------- refusals */

static enum auth_reason reason_of(enum auth_verdict verdict) {
    return verdict == AUTH_NOT_KEY       ? AUTH_REASON_KEY
           : verdict == AUTH_NOT_CHANNEL ? AUTH_REASON_CHANNEL
                                         : AUTH_REASON_COMMAND;
}

static void note(struct cmd_call *call, enum auth_reason reason, bool multi, struct slice object, struct slice user) {
    struct cmd_server *server = call->env->server;
    struct cmd_client_view view;
    struct buf line;
    buf_init(&line, &memory_libc);
    server->api->view_client(server, call->client, &view);
    client_line_refresh(call, &view);
    enum status status = client_line_write(&line, &view);
    if (status == STATUS_OK && line.size)
        line.size--; /* its end */
    struct auth_users *users = server->api->users_lock(server);
    auth_log_note(users, reason, multi ? AUTH_CONTEXT_MULTI : AUTH_CONTEXT_TOP, object, user, buf_slice(&line),
                  call->actor->now_ms);
    server->api->users_unlock(server);
    server->api->denied(server, reason);
    buf_fini(&line);
}

void rights_denied(struct cmd_call *call, struct slice user) {
    note(call, AUTH_REASON_AUTH, call->client->in_multi, call->argv[0], user);
}

/* Answers whether it may run; if not, the refusal is logged. `ret_at` as rights_judge has it. */
static enum status ask(struct cmd_call *call, const struct cmd_spec *spec, bool multi, enum auth_verdict *ret_verdict,
                       uint32_t *ret_at) {
    TRY(rights_judge(call, call->client->user, spec, call->argv, call->argc, ret_verdict, ret_at));
    if (*ret_verdict == AUTH_PERMITTED)
        return STATUS_OK;
    struct slice object = *ret_verdict == AUTH_NOT_COMMAND ? slice_from_string(spec->name)
                          : *ret_at                        ? call->argv[*ret_at]
                                                           : SLICE("*");
    note(call, reason_of(*ret_verdict), multi, object, call->client->user->name);
    return STATUS_OK;
}

/* Its command had waited, and is not to go on. */
static void end_waiting(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    if (client->lease_waited)
        call->env->server->api->lease_wait_end(call->env->server, client);
    client->lease_waited = client->tier_waited = false;
}

bool rights_hold(struct cmd_call *call, const struct cmd_spec *spec, char ret_text[RIGHTS_TEXT_MAX]) {
    struct cmd_client *client = call->client;
    enum auth_verdict verdict;
    uint32_t at = 0;
    /* It has done its work already, and only its reply is due. */
    if (client->sync_waited || client->log_waited)
        return true;
    enum status status = ask(call, spec, client->in_multi, &verdict, &at);
    if (status == STATUS_OK && verdict == AUTH_PERMITTED)
        return true;
    end_waiting(call);
    if (status != STATUS_OK)
        snprintf(ret_text, RIGHTS_TEXT_MAX, "out of memory");
    else if (verdict == AUTH_NOT_COMMAND)
        snprintf(ret_text, RIGHTS_TEXT_MAX, "this user has no permissions to run the '%s' command", spec->name);
    else if (verdict == AUTH_NOT_KEY && at == 0)
        snprintf(ret_text, RIGHTS_TEXT_MAX, "this user has no permissions to access all keys, as '%s' may do",
                 spec->name);
    else
        snprintf(ret_text, RIGHTS_TEXT_MAX, "this user has no permissions to access one of the %s used as arguments",
                 verdict == AUTH_NOT_KEY ? "keys" : "channels");
    return false;
}

bool rights_hold_queued(struct cmd_call *call) {
    enum auth_verdict verdict;
    uint32_t at = 0;
    enum status status = ask(call, call->spec, true, &verdict, &at);
    if (status == STATUS_OK && verdict == AUTH_PERMITTED)
        return true;
    if (status != STATUS_OK) {
        cmd_error_status(call, status);
        return false;
    }
    reply_errorf(call->reply,
                 "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
                 "command is no longer allowed for the following reason: %s",
                 verdict == AUTH_NOT_COMMAND ? "no permission to execute the command or subcommand"
                 : verdict == AUTH_NOT_KEY   ? "no permission to touch the specified keys"
                                             : "no permission to access one of the channels used as arguments to the "
                                               "command");
    return false;
}

/* Of requests of a row, which touch one key each, at the same argument and for the same: the prefix with which it is permitted, if there is one. */
static const struct auth_pattern *gate_of(const struct cmd_request *request, uint32_t *ret_at) {
    const struct cmd_spec *spec = request->spec;
    const struct cmd_key_spec *keys = spec->keys;
    struct cmd_key_range range;
    if (spec->key_count != 1 || keys->kind != CMD_KEYS_RANGE || spec->flags & (CMD_READS_ALL | CMD_WRITES_ALL) ||
        spec->channel_at || (keys->words && (uint32_t)keys->words_from < request->argc) ||
        !cmd_key_range(keys, request->argv, request->argc, &range) || range.first != range.last)
        return NULL;
    *ret_at = range.first;
    return auth_gate(request->client->user, spec->index, access_of(cmd_key_flags(keys, request->argv, request->argc)));
}

/* Once for a user and a command: all rows of it are alike. */
__attribute__((noinline)) static void find_gate(const struct cmd_request *request) {
    struct cmd_gate gate = {.spec = request->spec};
    gate.pattern = gate_of(request, &gate.key_at);
    if (gate.pattern) {
        size_t size = gate.pattern->plain < sizeof gate.word ? gate.pattern->plain : sizeof gate.word;
        memcpy(&gate.word, gate.pattern->text.data, size);
        memset(&gate.mask, 0xff, size);
        gate.by_word = gate.pattern->plain <= sizeof gate.word;
    }
    request->client->gate = gate;
}

/* How many of the first requests the gate lets pass by their first word, which decides for most prefixes and names. With a gate of its own, so that
 * all of it stands in registers: 12 instructions a request. */
static inline uint32_t pass_by_word(const struct cmd_gate gate, const struct cmd_request *requests, uint32_t count) {
    const struct cmd_request *each = requests, *end = requests + count;
    for (; each < end; each++) {
        const struct slice *name = &each->argv[gate.key_at];
        uint64_t word;
        if (name->size < sizeof word)
            break;
        memcpy(&word, name->data, sizeof word);
        if ((word ^ gate.word) & gate.mask)
            break;
    }
    return (uint32_t)(each - requests);
}

/* Or by all of the prefix, or by whatever else the user may do. */
static bool passes(struct cmd_call *call, const struct cmd_request *request) {
    const struct cmd_gate *gate = &request->client->gate;
    enum auth_verdict verdict;
    uint32_t at;
    if (gate->pattern && auth_gate_passes(gate->pattern, request->argv[gate->key_at]))
        return true;
    return rights_judge(call, request->client->user, request->spec, request->argv, request->argc, &verdict, &at) ==
               STATUS_OK &&
           verdict == AUTH_PERMITTED;
}

/* Apart from where all requests pass by their first word. */
__attribute__((noinline)) static uint32_t pass_one_by_one(struct cmd_call *call, const struct cmd_request *requests,
                                                          uint32_t count) {
    const struct cmd_gate *gate = &requests->client->gate;
    if (gate->spec != requests->spec)
        find_gate(requests);
    call->client = requests->client;
    for (uint32_t i = 0;; i++) {
        i += gate->by_word ? pass_by_word(*gate, requests + i, count - i) : 0;
        if (i == count || !passes(call, &requests[i]))
            return i;
    }
}

/* Apart, so that it takes no room in what every row goes through. */
__attribute__((noinline)) uint32_t rights_row(struct cmd_call *call, const struct cmd_request *requests,
                                              uint32_t count) {
    const struct cmd_gate *gate = &requests->client->gate;
    if (gate->spec == requests->spec && gate->by_word && pass_by_word(*gate, requests, count) == count)
        return count;
    return pass_one_by_one(call, requests, count);
}

bool rights_see(const struct cmd_call *call, struct slice key) {
    const struct cmd_client *client = call->client;
    const struct auth_where where = {(void *)call, is_of};
    return !client->restricted ||
           auth_permits_key(client->user, call->spec->index,
                            (struct auth_touch){.name = key, .access = AUTH_READ, .where = &where});
}

bool rights_know(const struct cmd_call *call, struct slice key, bool prefix) {
    const struct cmd_client *client = call->client;
    const struct auth_where where = {(void *)call, is_of};
    return !client->restricted || auth_permits_key(client->user, call->spec->index,
                                                   (struct auth_touch){.name = key, .prefix = prefix, .where = &where});
}

bool rights_see_all(const struct cmd_call *call, struct slice prefix) {
    const struct cmd_client *client = call->client;
    return !client->restricted ||
           auth_permits_key(client->user, call->spec->index,
                            (struct auth_touch){.name = prefix, .access = AUTH_READ, .prefix = true});
}

/* --------------------------------------------------------------- listening */

bool rights_hear(const struct cmd_client *client, enum topic_kind kind, struct slice topic) {
    struct auth_touch here[TOUCHES_HERE];
    struct touches touches = {.list = here, .room = TOUCHES_HERE};
    if (!client->restricted || kind == TOPIC_SHARD_CHANNEL)
        return true;
    touch_channel(&touches, topic, kind == TOPIC_PATTERN, 0);
    const struct cmd_spec *spec = cmd_lookup(kind == TOPIC_PATTERN ? SLICE("psubscribe") : SLICE("subscribe"));
    for (uint32_t i = 0; i < touches.count; i++)
        if (!auth_permits_key(client->user, spec->index, here[i]))
            return false;
    return true;
}

static bool may_listen(const struct cmd_client *client, enum topic_kind kind, struct slice topic) {
    return auth_permits_channel(client->user, topic, kind == TOPIC_PATTERN) && rights_hear(client, kind, topic);
}

bool rights_hold_listening(const struct cmd_client *client) {
    const struct auth_touch everything = {.name = SLICE(""), .access = AUTH_READ, .prefix = true};
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        for (const struct subscription *each = client->listener.first[kind]; each; each = each->next)
            if (!may_listen(client, (enum topic_kind)kind, topic_name(each->part->topic)))
                return false;
    if (!client->streams && !client->monitor && !(client->tracking & CMD_TRACKS_BCAST))
        return true;
    const struct cmd_spec *spec = client->monitor   ? cmd_lookup(SLICE("monitor"))
                                  : client->streams ? cmd_lookup_sub(cmd_lookup(SLICE("stream")), SLICE("subscribe"))
                                                    : cmd_lookup_sub(cmd_lookup(SLICE("client")), SLICE("tracking"));
    return auth_permits_key(client->user, spec->index, everything);
}
