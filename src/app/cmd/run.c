#include "app/cmd/cmd.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/cmd/commands.h"
#include "app/cmd/owner.h"
#include "app/cmd/queue.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "app/cmd/slide.h"
#include "app/cmd/tier.h"
#include "app/cmd/users.h"
#include "app/cmd/words.h"
#include "base/assert.h"
#include "base/number.h"

enum {
    ERROR_NAME_MAX = 128,      /* bytes of a name that an error text repeats */
    ERROR_ARGUMENTS_MAX = 128, /* and of the arguments after it */
    USAGE_SIZE_MAX = 896,      /* of how a command is written */
    TRIES_FOR_ROOM = 8,
    FLOAT_TEXT_MAX = 5 * 1024, /* as much as the longest double takes when written out */
};

/* ----------------------------------------------------------------- errors */

/* As much of the text as an error repeats: to the first zero byte. */
static int shown(struct slice text, size_t max) {
    size_t size = text.size < max ? text.size : max;
    const uint8_t *end = size ? memchr(text.data, 0, size) : NULL;
    return (int)(end ? (size_t)(end - text.data) : size);
}

static void error_unknown(struct cmd_call *call) {
    char arguments[ERROR_ARGUMENTS_MAX + 8];
    size_t size = 0;
    for (uint32_t i = 1; i < call->argc && size < ERROR_ARGUMENTS_MAX; i++) {
        int part = shown(call->argv[i], ERROR_ARGUMENTS_MAX - size);
        size += (size_t)snprintf(arguments + size, sizeof arguments - size, "'%.*s' ", part,
                                 part ? (const char *)call->argv[i].data : "");
    }
    int name = shown(call->argv[0], ERROR_NAME_MAX);
    reply_errorf(call->reply, "ERR unknown command '%.*s', with args beginning with: %.*s", name,
                 name ? (const char *)call->argv[0].data : "", (int)size, arguments);
}

/* ", expected ADD, OF or KEYS", of a container of Strata's own; else empty. */
static void subcommands_of(const struct cmd_spec *container, char *text, size_t room) {
    uint32_t count = container->subcommand_count;
    size_t size = 0;
    *text = 0;
    for (uint32_t i = 0; words_usage(container).size && i < count && size < room; i++) {
        const char *before = i == 0 ? ", expected " : i + 1 < count ? ", " : " or ";
        size += (size_t)snprintf(text + size, room - size, "%s", before);
        struct slice name = container->subcommands[i].last_name;
        for (size_t at = 0; at < name.size && size + 1 < room; at++)
            text[size++] =
                (char)(name.data[at] >= 'a' && name.data[at] <= 'z' ? name.data[at] - 'a' + 'A' : name.data[at]);
        text[size < room ? size : room - 1] = 0;
    }
}

static void error_unknown_sub(struct cmd_call *call, const struct cmd_spec *container) {
    char name[32];
    size_t size = container->last_name.size;
    for (size_t i = 0; i < size; i++)
        name[i] = (char)(container->last_name.data[i] & ~0x20);
    int part = shown(call->argv[1], ERROR_NAME_MAX);
    char list[USAGE_SIZE_MAX];
    subcommands_of(container, list, sizeof list);
    reply_errorf(call->reply, "ERR unknown subcommand '%.*s'%s. Try %.*s HELP.", part,
                 part ? (const char *)call->argv[1].data : "", list, (int)size, name);
}

void cmd_error_subcommand(struct cmd_call *call, const char *container) {
    int part = shown(call->argv[1], ERROR_NAME_MAX);
    reply_errorf(call->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.", part,
                 part ? (const char *)call->argv[1].data : "", container);
}

void cmd_error_syntax(struct cmd_call *call) { reply_error(call->reply, SLICE("ERR syntax error")); }

void cmd_error_wrong_type(struct cmd_call *call) {
    reply_error(call->reply, SLICE("WRONGTYPE Operation against a key holding the wrong kind of value"));
}

void cmd_error_status(struct cmd_call *call, enum status status) {
    switch (status) {
        case STATUS_FULL:
            if (owner_is_asked(call->env) && owner_explains_full(call))
                return;
            call->found_no_room = true;
            reply_error(call->reply, SLICE("OOM command not allowed when used memory > 'maxmemory'."));
            return;
        case STATUS_TOO_LARGE:
            reply_error(call->reply, SLICE("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
            return;
        case STATUS_NO_MEMORY:
            reply_error(call->reply, SLICE("ERR out of memory"));
            return;
        default:
            reply_errorf(call->reply, "ERR %s", status_text(status));
    }
}

/* -------------------------------------------------------------- arguments */

struct cache_key cmd_key(const struct cmd_call *call, uint32_t at) {
    const struct cache_key *ready = call->first_key;
    if (ready && ready->name.data == call->argv[at].data && ready->name.size == call->argv[at].size &&
        ready->db == call->client->db)
        return *ready;
    return cache_key(call->env->cache, call->client->db, call->argv[at]);
}

bool cmd_integer(struct cmd_call *call, uint32_t at, int64_t *ret_value) {
    if (number_parse_i64(call->argv[at], ret_value))
        return true;
    reply_error(call->reply, SLICE("ERR value is not an integer or out of range"));
    return false;
}

/* What strtold takes, the whole text, without spaces before it; no "nan". */
static bool parse_float(struct slice text, long double *ret_value) {
    char copy[FLOAT_TEXT_MAX];
    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    if (copy[0] == ' ' || (copy[0] >= '\t' && copy[0] <= '\r'))
        return false;
    char *end;
    errno = 0;
    long double value = strtold(copy, &end);
    bool range = errno == ERANGE && (isinf(value) || value == 0);
    if (end != copy + text.size || range || errno == EINVAL || isnan(value))
        return false;
    *ret_value = value;
    return true;
}

bool cmd_float(struct cmd_call *call, uint32_t at, long double *ret_value) {
    if (parse_float(call->argv[at], ret_value))
        return true;
    reply_error(call->reply, SLICE("ERR value is not a valid float"));
    return false;
}

void cmd_reply_rewind(struct cmd_call *call, struct reply_mark mark) {
    const struct buf *foreign = call->reply->foreign;
    for (size_t at = mark.foreign_size; foreign && at < foreign->size; at += sizeof(struct reply_foreign)) {
        struct reply_foreign value;
        memcpy(&value, foreign->data + at, sizeof value);
        cache_unpin(call->env->cache, call->actor, (struct cache_pin){value.handle[0], value.handle[1]});
    }
    reply_rewind(call->reply, mark);
}

/* -------------------------------------------------------------------- run */

static bool arity_holds(const struct cmd_spec *spec, uint32_t argc) {
    return spec->arity > 0 ? argc == (uint32_t)spec->arity : argc >= (uint32_t)-spec->arity;
}

/* The command that the arguments name, subcommands included; NULL when the error is written. */
static const struct cmd_spec *find(struct cmd_call *call) {
    const struct cmd_spec *spec = call->spec ? call->spec : cmd_lookup(call->argv[0]);
    if (!spec) {
        error_unknown(call);
        return NULL;
    }
    if (spec->subcommand_count && call->argc > 1) {
        const struct cmd_spec *container = spec;
        spec = cmd_lookup_sub(container, call->argv[1]);
        if (!spec)
            error_unknown_sub(call, container);
    }
    return spec;
}

/* An EXEC that may not run ends its transaction, and says so. */
static void reject(struct cmd_call *call, const struct cmd_spec *spec, const char *code, const char *text) {
    if (spec->run != cmd_exec) {
        reply_errorf(call->reply, "%s %s", code, text);
        return;
    }
    cmd_multi_drop(call->client, call->env, call->actor);
    cmd_unwatch_all(call->client, call->env);
    bool plain = strcmp(code, "ERR") == 0;
    reply_errorf(call->reply, "EXECABORT Transaction discarded because of: %s%s%s", plain ? "" : code, plain ? "" : " ",
                 text);
}

/* The password that the client was to give may have been taken away since. */
static bool password_is_gone(struct cmd_call *call) {
    bool gone = call->env->server && users_default_is_open(call->env->server);
    call->client->authenticated |= gone;
    return gone;
}

/* Apart from what every command goes through: a client that has not said who it is, or whose user may not do everything. */
__attribute__((noinline)) static bool admitted(struct cmd_call *call, const struct cmd_spec *spec) {
    const struct cmd_client *client = call->client;
    char text[RIGHTS_TEXT_MAX];
    if (!client->authenticated && !password_is_gone(call) && !(spec->flags & CMD_NO_AUTH)) {
        reject(call, spec, "NOAUTH", "Authentication required.");
        return false;
    }
    if (!client->restricted || (client->in_multi && spec->flags & CMD_NO_MULTI) || rights_hold(call, spec, text))
        return true;
    reject(call, spec, "NOPERM", text);
    return false;
}

/* Apart, so that it takes no room in what every command goes through. */
__attribute__((noinline)) static void refuse_subscriber(struct cmd_call *call, const struct cmd_spec *spec) {
    char text[224];
    snprintf(text, sizeof text,
             "Can't execute '%s': only %s(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
             "context%s",
             spec->name, call->client->streams ? "STREAM / " : "",
             call->client->streams ? "; after HELLO 3 all are" : "");
    reject(call, spec, "ERR", text);
}

/* Apart for the same reason. */
__attribute__((noinline)) static void refuse_arity(struct cmd_call *call, const struct cmd_spec *spec) {
    char text[USAGE_SIZE_MAX];
    struct slice usage = words_usage(spec);
    if (spec->subcommand_count && call->argc == 1) {
        char list[USAGE_SIZE_MAX - 128];
        subcommands_of(spec, list, sizeof list);
        snprintf(text, sizeof text, "wrong number of arguments for '%s' command%s", spec->name, list);
        reject(call, spec, "ERR", text);
        return;
    }
    snprintf(text, sizeof text, "wrong number of arguments for '%s' command%s%.*s", spec->name, usage.size ? ": " : "",
             (int)usage.size, usage.size ? (const char *)usage.data : "");
    reject(call, spec, "ERR", text);
}

/* Whether it writes, or is the EXEC of something that does. */
static bool will_write(const struct cmd_call *call, const struct cmd_spec *spec) {
    if (spec->run != cmd_exec)
        return spec->flags & (CMD_WRITE | CMD_KEPT);
    const struct cmd_queued *queued = (const struct cmd_queued *)call->client->multi.data;
    for (uint32_t i = 0; i < cmd_multi_count(call->client); i++) {
        if (queued[i].spec->flags & (CMD_WRITE | CMD_KEPT))
            return true;
    }
    return false;
}

/* What cannot be logged is not begun. */
static bool is_logged(struct cmd_call *call, const struct cmd_spec *spec) {
    struct cmd_server *server = call->env->server;
    if (!(atomic_load_explicit(&call->env->asked, memory_order_relaxed) & CMD_ASK_LOG) || !server ||
        !will_write(call, spec))
        return true;
    struct cmd_persistence facts;
    char text[160];
    server->api->persistence(server, &facts);
    snprintf(text, sizeof text, "Errors writing to the AOF file: %s", strerror(facts.error ? facts.error : EIO));
    reject(call, spec, "MISCONF", text);
    return false;
}

static bool is_noted(struct cmd_call *call, const struct cmd_spec *spec) {
    struct cmd_server *server = call->env->server;
    if (spec->run != cmd_exec)
        return server->api->audit_notes(server, call->client, spec);
    const struct cmd_queued *queued = (const struct cmd_queued *)call->client->multi.data;
    for (uint32_t i = 0; i < cmd_multi_count(call->client); i++) {
        if (server->api->audit_notes(server, call->client, queued[i].spec))
            return true;
    }
    return false;
}

/* What has to be noted, and cannot be, is not begun. */
static bool is_audited(struct cmd_call *call, const struct cmd_spec *spec) {
    struct cmd_audit_counts counts;
    char text[160];
    if (!(atomic_load_explicit(&call->env->asked, memory_order_relaxed) & CMD_ASK_AUDIT) || !call->env->server ||
        !is_noted(call, spec))
        return true;
    call->env->server->api->audit(call->env->server, &counts);
    snprintf(text, sizeof text, "The audit log cannot be written, so this is not done: %s",
             strerror(counts.error ? counts.error : EIO));
    reject(call, spec, "AUDITFAIL", text);
    return false;
}

/* Apart for the same reason. */
__attribute__((noinline)) static bool is_owned(struct cmd_call *call, const struct cmd_spec *spec) {
    struct owner_refusal refusal;
    if (atomic_load_explicit(&call->env->asked, memory_order_relaxed) & CMD_ASK_LOADED &&
        !(spec->flags & CMD_LOADING)) {
        reject(call, spec, "LOADING", "Strata is loading the dataset in memory");
        return false;
    }
    if (!is_logged(call, spec) || !is_audited(call, spec))
        return false;
    if (owner_agrees(call, spec, &refusal))
        return true;
    reject(call, spec, refusal.code, refusal.text);
    return false;
}

/* It runs again because it has waited: it was permitted when it began, and has to end what it began whatever is in force by now. */
static bool goes_on(const struct cmd_client *client) {
    return client->lease_waited || client->sync_waited || client->log_waited || client->tier_waited;
}

/* False when the command may not run now; the error is written. */
static bool permitted(struct cmd_call *call, const struct cmd_spec *spec) {
    const struct cmd_client *client = call->client;
    if (!arity_holds(spec, call->argc)) {
        refuse_arity(call, spec);
        return false;
    }
    if (__builtin_expect(!client->authenticated | client->restricted, 0) && !admitted(call, spec))
        return false;
    if (__builtin_expect(cmd_is_subscriber(client), 0) && client->protocol == 2 &&
        !(spec->flags & (CMD_SUBSCRIBING | CMD_IN_SUBSCRIBER))) {
        refuse_subscriber(call, spec);
        return false;
    }
    if (client->in_multi && spec->flags & CMD_NO_MULTI) {
        reject(call, spec, "ERR", "Command not allowed inside a transaction");
        return false;
    }
    return !owner_is_asked(call->env) || goes_on(client) || is_owned(call, spec);
}

/* CLIENT REPLY OFF and SKIP. The reply is made and taken back: what a command does must not depend on who listens. */
static void hush(struct cmd_call *call, struct reply_mark mark) {
    struct cmd_client *client = call->client;
    /* Confirmations of subscriptions are pushes, which are not kept back. */
    bool pushes = call->outcome == CMD_RAN && call->spec->flags & CMD_SUBSCRIBING;
    if ((client->reply_off || client->reply_skip) && !pushes) {
        uint32_t errors = call->reply->errors;
        const struct buf *out = call->reply->out;
        call->hushed[0] = 0;
        if (errors != mark.errors && call->reply->status == STATUS_OK && out->size > mark.out_size)
            snprintf(call->hushed, sizeof call->hushed, "%.*s", (int)(out->size - mark.out_size),
                     (const char *)out->data + mark.out_size);
        cmd_reply_rewind(call, mark);
        call->reply->errors = errors;
    }
    client->reply_skip = client->reply_skip_next;
    client->reply_skip_next = false;
}

/* Apart, as refuse_subscriber. */
__attribute__((noinline)) static void run_tracked(struct cmd_call *call) {
    cmd_track(call);
    call->spec->run(call);
}

/* What CLIENT CACHING says is for the next command that is not CLIENT, or for a whole transaction; and for all of it, however often it waits. */
__attribute__((noinline)) static void end_tracked(struct cmd_call *call) {
    if (!call->client->in_multi && strncmp(call->spec->name, "client|", 7) != 0)
        call->client->tracking &= ~(uint32_t)CMD_TRACKS_CACHING;
}

/* A write that fails has changed nothing. Where others took the room that had been made for it, it is made once more; in a transaction that is
 * not possible, which the locks held by then say. What has changed something all the same is not run again, which might do it twice: the
 * changes that this thread had made `before` say so. */
__attribute__((noinline)) static void run_again(struct cmd_call *call, struct reply_mark mark, uint64_t before) {
    uint32_t at;
    if (!(call->spec->flags & CMD_WRITE) || !cmd_key_positions(call->spec, call->argv, call->argc, &at, 1))
        return;
    const struct cache_key key = cmd_key(call, at);
    for (uint32_t i = 0; call->found_no_room && i < TRIES_FOR_ROOM && call->actor->counts.changes == before; i++) {
        if (!cache_make_room(call->env->cache, call->actor, &key, i))
            return;
        call->found_no_room = false;
        cmd_reply_rewind(call, mark);
        call->spec->run(call);
    }
}

/* What the command needs of the warm tier is not here yet. What has done its work and waits for others to hear of it is not held up. */
static bool waits_for_tier(struct cmd_call *call) {
    const struct cmd_client *client = call->client;
    if (client->sync_waited || client->log_waited || !call->env->tier->fetch(call, false))
        return false;
    call->outcome = CMD_WAITS;
    return true;
}

/* What a read has not found went there, or came back from there, meanwhile. */
static bool waits_again(struct cmd_call *call, struct reply_mark mark) {
    if (!(call->spec->flags & CMD_READONLY) || call->spec->key_count == 0 || call->outcome == CMD_WAITS ||
        !call->env->tier->fetch(call, true))
        return false;
    cmd_reply_rewind(call, mark);
    call->outcome = CMD_WAITS;
    return true;
}

void cmd_run(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    struct reply_mark mark = reply_mark(call->reply);
    const struct cmd_spec *spec = find(call);
    call->spec = spec;
    call->outcome = CMD_REJECTED;
    if (!spec || !permitted(call, spec)) {
        client->multi_failed |= client->in_multi;
        client->tracking &= client->in_multi ? UINT32_MAX : ~(uint32_t)CMD_TRACKS_CACHING;
    } else if (__builtin_expect(call->upload_status != STATUS_OK, 0)) {
        client->multi_failed |= client->in_multi;
        cmd_error_status(call, call->upload_status);
    } else if (client->in_multi && !(spec->flags & CMD_TXN_CONTROL)) {
        client->last_command = spec;
        call->outcome = queue_command(call) ? CMD_QUEUED : CMD_REJECTED;
    } else {
        client->last_command = spec;
        call->outcome = CMD_RAN;
        call->found_no_room = false;
        if (__builtin_expect(call->env->tier != NULL, 0) && waits_for_tier(call))
            return;
        const uint64_t changes = call->actor->counts.changes;
        if (__builtin_expect(client->tracking != 0, 0))
            run_tracked(call);
        else
            spec->run(call);
        if (__builtin_expect(call->found_no_room, 0) && !call->upload)
            run_again(call, mark, changes);
        if (__builtin_expect(call->env->tier != NULL, 0) && waits_again(call, mark))
            return;
        if (__builtin_expect(call->outcome == CMD_WAITS, 0))
            return;
        client->tier_waited = false;
        if (__builtin_expect(client->tracking != 0, 0))
            end_tracked(call);
        if (slide_is_asked(call->env))
            slide_read(call);
    }
    if (__builtin_expect(client->reply_off | client->reply_skip | client->reply_skip_next, 0))
        hush(call, mark);
}

/* What follows from a write happens before the next one; and each may be refused. */
static inline bool writes_run_alone(const struct cmd_env *env) {
    return __builtin_expect((atomic_load_explicit(&env->asked, memory_order_relaxed) &
                             (uint32_t)(CMD_ASK_WRITES | CMD_ASK_VALUES | CMD_ASK_LOG | CMD_ASK_LOADED)) != 0,
                            0) ||
           __builtin_expect(atomic_load_explicit(&env->follows, memory_order_relaxed), 0);
}

static inline bool reads_run_alone(const struct cmd_env *env) {
    return __builtin_expect((atomic_load_explicit(&env->asked, memory_order_relaxed) &
                             (CMD_ASK_READS | CMD_ASK_SLIDES | CMD_ASK_LOADED)) != 0,
                            0);
}

uint32_t cmd_run_row(struct cmd_call *call, const struct cmd_request *requests, uint32_t count) {
    struct cmd_client *client = requests->client;
    const struct cmd_spec *spec = requests->spec;
    ASSERT(spec->run_row && requests->argc == spec->row_argc);
    if (!client->authenticated || client->in_multi || client->reply_off || client->reply_skip ||
        client->reply_skip_next || cmd_is_subscriber(client) || client->tracking ||
        (spec->flags & CMD_WRITE ? writes_run_alone(call->env) : reads_run_alone(call->env)))
        return 0;
    if (__builtin_expect(client->restricted, 0) && (count = rights_row(call, requests, count)) == 0)
        return 0;
    call->client = client;
    call->spec = spec;
    uint32_t done = spec->run_row(call, requests, count);
    ASSERT(done <= count);
    if (done)
        client->last_command = spec;
    return done;
}
