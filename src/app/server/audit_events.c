#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/server/audit_inner.h"
#include "app/server/rules.h"
#include "app/server/run.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/json_text.h"
#include "base/number.h"
#include "core/auth/auth.h"
#include "core/rules/match.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/socket.h"

/* A record with room for what its names are made of. */
struct note {
    struct audit_record record;
    struct server_audit *audit;
    struct worker *worker;
    const struct rules *rules;
    char texts[AUDIT_NAMES_MAX][AUDIT_NAME_SIZE_MAX];
    char action[64];
};

/* ------------------------------------------------------------------ names */

static void add_name(struct note *note, struct slice name) {
    struct audit_record *record = &note->record;
    record->touched++;
    if (record->name_count < AUDIT_NAMES_MAX)
        record->names[record->name_count++] = name;
}

/* A key, or what else names keys, as the setting wants it. `family`: what is said of it with `class`. */
static void add_key(struct note *note, struct slice key, bool family) {
    struct audit_record *record = &note->record;
    const uint32_t at = record->name_count;
    const uint32_t how = atomic_load_explicit(&note->audit->keys, memory_order_relaxed);
    char digits[AUDIT_HASH_SIZE];
    struct rules_fields fields;
    if (at == AUDIT_NAMES_MAX || how == AUDIT_KEYS_NONE || (!key.data && key.size)) {
        record->touched++;
    } else if (how == AUDIT_KEYS_FULL || (how == AUDIT_KEYS_CLASS && !family)) {
        add_name(note, key);
    } else if (how == AUDIT_KEYS_PREFIX) {
        add_name(note, slice_part(key, 0, AUDIT_PREFIX_SIZE));
    } else if (how == AUDIT_KEYS_HASH) {
        note->audit->key.hash.digits(note->audit->key.hash.context, key, digits);
        memcpy(note->texts[at], digits, AUDIT_HASH_SIZE / 2);
        add_name(note, slice_make(note->texts[at], AUDIT_HASH_SIZE / 2));
    } else {
        const uint32_t class = note->rules ? rules_match(note->rules, key, &fields) : RULES_NONE;
        add_name(note, class == RULES_NONE ? audit_key_family(key, note->texts[at])
                                           : rules_class(note->rules, class)->pattern.text);
    }
}

static bool visit_key(void *context, struct slice key, uint32_t flags) {
    MAYBE(flags == 0);
    add_key(context, key, true);
    return true;
}

/* Behind these words stands a text of the client's. */
static bool ends_names(struct slice word) {
    return slice_equal_nocase(word, SLICE("soft")) || slice_equal_nocase(word, SLICE("dryrun")) ||
           slice_equal_nocase(word, SLICE("sync")) || slice_equal_nocase(word, SLICE("reason"));
}

/* Arguments that are names by the description of the command. A setting that there is none of may be anything, a password in the wrong place too. */
static void add_shown(struct note *note, const struct cmd_call *call) {
    const struct cmd_spec *spec = call->spec;
    const bool settings = spec->run == cmd_config_set || spec->run == cmd_config_get;
    const bool keys = spec->audit == AUDIT_INVALIDATION;
    const int64_t last = spec->audit_to < 0 ? (int64_t)call->argc + spec->audit_to : spec->audit_to;
    for (int64_t at = spec->audit_at; at && at <= last && at < call->argc; at += spec->audit_step) {
        const struct slice name = call->argv[at];
        if (keys && at > spec->audit_at && ends_names(name))
            return;
        if (keys)
            add_key(note, name, false);
        else if (!settings || config_find(name) < CONFIG_KEY_COUNT || (name.size == 1 && name.data[0] == '*'))
            add_name(note, name);
        else
            add_name(note, SLICE("(unknown)"));
    }
}

static void add_names(struct note *note, const struct cmd_call *call) {
    if (call->spec->audit_at)
        add_shown(note, call);
    else
        MAYBE(!cmd_each_key(call->spec, call->argv, call->argc, visit_key, note));
}

/* ----------------------------------------------------------------- who, how */

static struct slice user_of(const struct cmd_client *client) {
    return client->user ? client->user->name : SLICE("default");
}

/* Whom the client wanted to be. */
static struct slice tried_user(const struct cmd_call *call) {
    if (call->spec->run == cmd_auth)
        return call->argc == 3 ? call->argv[1] : SLICE("default");
    if (call->spec->run == cmd_hello) {
        for (uint32_t i = 2; i + 2 < call->argc; i++)
            if (slice_equal_nocase(call->argv[i], SLICE("auth")))
                return call->argv[i + 1];
    }
    return call->spec->run == cmd_token_auth ? SLICE("(token)") : user_of(call->client);
}

/* "config|set" as people write it. */
static struct slice action_of(struct note *note, const char *name) {
    size_t size = 0;
    for (; name[size] && size < sizeof note->action; size++) {
        const char letter = name[size];
        note->action[size] = (char)(letter == '|' ? ' ' : letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
    }
    return slice_make(note->action, size);
}

static void begin(struct note *note, struct worker *worker, enum audit_class class, enum audit_result result) {
    note->worker = worker;
    note->audit = worker->server->audit;
    note->rules = NULL;
    note->record = (struct audit_record){.time_us = clock_unix_us(),
                                         .node = slice_from_string(note->audit->node),
                                         .class = class,
                                         .transport = AUDIT_OVER_NOTHING,
                                         .result = result};
}

static void name_connection(struct note *note, const struct connection *connection) {
    struct audit_record *record = &note->record;
    record->client = connection->is_unix ? slice_from_string(connection->worker->server->unix_path)
                                         : slice_from_string(connection->peer);
    record->client_id = connection->client.id;
    record->transport = connection->inside    ? AUDIT_OVER_HTTP
                        : connection->is_unix ? AUDIT_OVER_UNIX
                        : connection->tls     ? AUDIT_OVER_TLS
                                              : AUDIT_OVER_TCP;
    record->user = user_of(&connection->client);
}

static void finish(struct note *note) {
    struct buf *body = &note->worker->audit.body;
    buf_clear(body);
    if (audit_record_write(&note->record, body) == STATUS_OK)
        audit_put(note->audit, buf_slice(body));
    else
        log_warning("No memory to note something in the audit log");
}

/* A line about who has not said who he is; if there were enough of them in this second, it is counted only. */
static bool is_left_out(struct server_audit *audit, uint64_t now_ms) {
    const uint64_t count_mask = ((uint64_t)1 << AUDIT_STRANGER_BITS) - 1;
    const uint64_t second = now_ms / 1000 << AUDIT_STRANGER_BITS;
    uint64_t state = atomic_load_explicit(&audit->strangers, memory_order_relaxed), next;
    do {
        next = state >= second ? state + 1 : second + 1;
        if ((next & count_mask) > AUDIT_STRANGERS_PER_S) {
            atomic_fetch_add_explicit(&audit->left_out, 1, memory_order_relaxed);
            return true;
        }
    } while (!atomic_compare_exchange_weak(&audit->strangers, &state, next));
    return false;
}

static void finish_of_stranger(struct note *note) {
    if (!is_left_out(note->audit, note->worker->now_ms))
        finish(note);
}

static void finish_of(struct note *note, const struct cmd_client *client) {
    if (client->authenticated)
        finish(note);
    else
        finish_of_stranger(note);
}

/* ---------------------------------------------------------------- commands */

/* The first word of the error, or of why a transaction was discarded. Empty: it was none. */
static struct slice error_of(const struct cmd_call *call, size_t reply_begins_at) {
    const struct slice because = SLICE("-EXECABORT Transaction discarded because of: ");
    struct slice reply = slice_part(buf_slice(call->reply->out), reply_begins_at, SIZE_MAX);
    if (reply.size == 0 && call->reply->errors) /* the client wants no replies */
        reply = slice_from_string(call->hushed);
    if (reply.size == 0 || reply.data[0] != '-')
        return SLICE("");
    const size_t from = slice_starts_with(reply, because) ? because.size : 1;
    size_t size = 0;
    while (from + size < reply.size && reply.data[from + size] >= 'A' && reply.data[from + size] <= 'Z')
        size++;
    return slice_part(reply, from, size);
}

static bool is_denial(struct slice error) {
    static const char *const codes[] = {"NOPERM", "NOAUTH", "WRONGPASS", "NOTOWNER", "NOTBORROWER", "DENIED"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (slice_equal(error, slice_from_string(codes[i])))
            return true;
    return false;
}

static bool has_word(const struct cmd_call *call, const char *word) {
    for (uint32_t i = 1; i < call->argc; i++)
        if (cmd_is(call, i, word))
            return true;
    return false;
}

/* Under which class it is noted; AUDIT_CLASSES: under none. What is refused is of the class of what is refused, if that is on; but passwords are not. */
static enum audit_class class_of(const struct server_audit *audit, const struct cmd_call *call, bool denied) {
    const struct cmd_spec *spec = call->spec;
    const bool of_class = spec && spec->audited && audit_is_on(audit, spec->audit) &&
                          (!spec->audit_with || has_word(call, spec->audit_with));
    if (denied && audit_is_on(audit, AUDIT_DENIED) && !(of_class && spec->audit == AUDIT_AUTHENTICATION))
        return AUDIT_DENIED;
    return of_class && (denied || call->outcome == CMD_RAN) ? spec->audit : AUDIT_CLASSES;
}

/* ":5" of what invalidates. */
static void count_removed(struct audit_record *record, const struct cmd_call *call, size_t reply_begins_at) {
    struct slice reply = slice_part(buf_slice(call->reply->out), reply_begins_at, SIZE_MAX);
    if (record->class != AUDIT_INVALIDATION || reply.size < 4 || reply.data[0] != ':')
        return;
    const uint8_t *end = memchr(reply.data, '\r', reply.size);
    record->counted = end && number_parse_u64(slice_part(reply, 1, (size_t)(end - reply.data) - 1), &record->removed);
}

static void write_note(struct worker *worker, struct cmd_call *call, enum audit_class class, struct slice error,
                       size_t reply_begins_at, uint64_t us) {
    struct note note;
    const bool denied = is_denial(error);
    begin(&note, worker, class, denied ? AUDIT_REFUSED : error.size ? AUDIT_FAILED : AUDIT_OK);
    struct audit_record *record = &note.record;
    note.rules = rules_api_now(&worker->server->api, call->client, NULL);
    name_connection(&note, call->client->connection);
    record->action = call->spec ? action_of(&note, call->spec->name) : SLICE("(unknown)");
    record->multi = call->client->in_multi || call->client->in_exec;
    record->error = error;
    if (class == AUDIT_AUTHENTICATION && error.size)
        record->user = tried_user(call);
    if (call->outcome == CMD_RAN) {
        record->timed = true;
        record->us = us;
        count_removed(record, call, reply_begins_at);
    }
    if (call->spec)
        add_names(&note, call);
    if (audit_passes(note.audit, call->spec, record->user))
        finish_of(&note, call->client);
}

void audit_queued(struct cmd_call *call, size_t reply_begins_at, uint64_t ticks) {
    struct worker *worker = ((struct connection *)call->client->connection)->worker;
    const struct server_audit *audit = worker->server->audit;
    if (!audit || call->outcome == CMD_QUEUED)
        return;
    const struct slice error = call->reply->errors ? error_of(call, reply_begins_at) : SLICE("");
    const enum audit_class class = class_of(audit, call, is_denial(error));
    if (class != AUDIT_CLASSES)
        write_note(worker, call, class, error, reply_begins_at,
                   (uint64_t)((double)ticks / worker->server->ticks_per_us));
}

void audit_command(struct worker *worker, struct cmd_call *call, size_t reply_begins_at, uint64_t begin_ticks) {
    const struct server_audit *audit = worker->server->audit;
    const struct cmd_spec *spec = call->spec;
    if (!audit || (!call->reply->errors && !(spec && spec->audited && audit_is_on(audit, spec->audit))))
        return;
    run_close_timed(worker); /* so that nothing else is in its time */
    audit_queued(call, reply_begins_at, worker->turn_ticks > begin_ticks ? worker->turn_ticks - begin_ticks : 0);
}

void audit_refused_queued(struct cmd_call *call, size_t reply_begins_at) {
    call->outcome = CMD_REJECTED;
    audit_queued(call, reply_begins_at, 0);
}

/* Whether what EXEC would run is noted. */
static bool transaction_is_noted(struct server *server, struct cmd_client *client) {
    const struct cmd_queued *queued = (const struct cmd_queued *)client->multi.data;
    for (uint32_t i = 0; i < cmd_multi_count(client); i++)
        if (audit_api_notes(&server->api, client, queued[i].spec))
            return true;
    return false;
}

bool audit_postpones(const struct worker *worker, const struct cmd_request *item) {
    struct server *server = worker->server;
    struct cmd_client *client = item->client;
    if (!audit_holds(server))
        return false;
    if ((client->restricted || !client->authenticated) && audit_is_on(server->audit, AUDIT_DENIED))
        return true;
    const struct cmd_spec *spec = item->spec;
    if (spec->subcommand_count && item->argc > 1 && cmd_lookup_sub(spec, item->argv[1]))
        spec = cmd_lookup_sub(spec, item->argv[1]);
    return spec->run == cmd_exec ? transaction_is_noted(server, client) : audit_api_notes(&server->api, client, spec);
}

/* ------------------------------------------------------------- connections */

static void note_connection(struct connection *connection, enum audit_class class, enum audit_result result,
                            const char *action, const char *error) {
    struct note note;
    const struct server_audit *audit = connection->worker->server->audit;
    if (!audit || !audit_is_on(audit, class))
        return;
    begin(&note, connection->worker, class, result);
    name_connection(&note, connection);
    note.record.action = slice_from_string(action);
    note.record.error = slice_from_string(error);
    if (audit_passes(note.audit, NULL, note.record.user))
        finish(&note);
}

void audit_opened(struct connection *connection) {
    note_connection(connection, AUDIT_CONNECTION, AUDIT_OK, "OPENED", "");
}

void audit_closed(struct connection *connection) {
    note_connection(connection, AUDIT_CONNECTION, AUDIT_OK, "CLOSED", "");
}

void audit_unshaken(struct connection *connection, const char *reason) {
    struct note note;
    const struct server_audit *audit = connection->worker->server->audit;
    if (!audit || !audit_is_on(audit, AUDIT_DENIED))
        return;
    begin(&note, connection->worker, AUDIT_DENIED, AUDIT_FAILED);
    name_connection(&note, connection);
    note.record.action = SLICE("TLS HANDSHAKE");
    note.record.error = slice_from_string(reason);
    if (audit_passes(note.audit, NULL, note.record.user))
        finish_of_stranger(&note);
}

void audit_certificate(struct connection *connection, struct slice name, bool known) {
    struct note note;
    const struct server_audit *audit = connection->worker->server->audit;
    if (!audit || !audit_is_on(audit, AUDIT_AUTHENTICATION))
        return;
    begin(&note, connection->worker, AUDIT_AUTHENTICATION, known ? AUDIT_OK : AUDIT_REFUSED);
    name_connection(&note, connection);
    note.record.action = SLICE("TLS CERTIFICATE");
    note.record.user = name;
    if (audit_passes(note.audit, NULL, note.record.user))
        finish(&note);
}

void audit_turned_away(struct worker *worker, int fd, enum connection_door door, const char *code) {
    struct note note;
    char peer[SOCKET_TEXT_SIZE];
    const struct server_audit *audit = worker->server->audit;
    if (!audit || !audit_is_on(audit, AUDIT_DENIED))
        return;
    begin(&note, worker, AUDIT_DENIED, AUDIT_REFUSED);
    socket_peer_text(fd, peer);
    note.record.client = door == DOOR_UNIX ? slice_from_string(worker->server->unix_path) : slice_from_string(peer);
    note.record.transport = door == DOOR_UNIX ? AUDIT_OVER_UNIX : door == DOOR_TLS ? AUDIT_OVER_TLS : AUDIT_OVER_TCP;
    note.record.action = SLICE("CONNECT");
    note.record.error = slice_from_string(code);
    finish_of_stranger(&note);
}

/* ---------------------------------------------------------- of the server */

void audit_reloaded(struct worker *worker, bool done) {
    struct note note;
    const struct server_audit *audit = worker->server->audit;
    if (!audit || !audit_is_on(audit, AUDIT_RULES))
        return;
    begin(&note, worker, AUDIT_RULES, done ? AUDIT_OK : AUDIT_FAILED);
    note.record.action = SLICE("RULES RELOAD");
    add_name(&note, slice_from_string(worker->server->rules_path));
    finish(&note);
}

/* By a thread that is no worker. */
static void put_alone(struct server_audit *audit, struct audit_record *record) {
    struct buf body;
    record->time_us = clock_unix_us();
    record->node = slice_from_string(audit->node);
    buf_init(&body, &memory_libc);
    if (audit_record_write(record, &body) == STATUS_OK)
        audit_put(audit, buf_slice(&body));
    buf_fini(&body);
}

void audit_tell_left_out(struct server_audit *audit) {
    struct audit_record record = {.class = AUDIT_DENIED,
                                  .result = AUDIT_REFUSED,
                                  .action = SLICE("(unauthenticated)"),
                                  .transport = AUDIT_OVER_NOTHING,
                                  .left_out = atomic_exchange(&audit->left_out, 0)};
    if (record.left_out)
        put_alone(audit, &record);
}

void audit_tick(struct worker *worker) {
    struct server_audit *audit = worker->server->audit;
    if (!audit || worker->now_ms - audit->told_ms < 1000)
        return;
    audit->told_ms = worker->now_ms;
    audit_tell_left_out(audit);
}

void audit_signal(struct server *server, const char *name) {
    struct audit_record record = {.class = AUDIT_ADMINISTRATION,
                                  .action = SLICE("SHUTDOWN"),
                                  .transport = AUDIT_OVER_NOTHING,
                                  .names = {slice_from_string(name)},
                                  .name_count = 1,
                                  .touched = 1};
    if (server->audit && audit_is_on(server->audit, AUDIT_ADMINISTRATION))
        put_alone(server->audit, &record);
}

void audit_kept_out(struct server *server, const char *address, const char *code) {
    struct audit_record record = {.class = AUDIT_DENIED,
                                  .result = AUDIT_REFUSED,
                                  .action = SLICE("CONNECT"),
                                  .client = slice_from_string(address),
                                  .transport = AUDIT_OVER_HTTP,
                                  .error = slice_from_string(code)};
    if (server->audit && audit_is_on(server->audit, AUDIT_DENIED) && !is_left_out(server->audit, clock_steady_ms()))
        put_alone(server->audit, &record);
}

static enum status write_settings(struct server_audit *audit, const struct cmd_client *client,
                                  const struct slice *names, const struct slice *values, uint32_t count,
                                  struct buf *body) {
    bool any = false;
    TRY(audit_time_write(clock_unix_us(), body));
    TRY(buf_printf(body, ",\"kind\":\"settings\",\"node\":\"%s\"", audit->node));
    if (client) {
        const struct connection *connection = client->connection;
        TRY(buf_append_slice(body, SLICE(",\"user\":")));
        TRY(json_text_write(body, slice_part(user_of(client), 0, AUDIT_USER_SIZE_MAX)));
        TRY(buf_printf(body, ",\"client\":\"%s\",\"id\":%llu", connection->is_unix ? "unix" : connection->peer,
                       (unsigned long long)client->id));
    }
    TRY(buf_append_slice(body, SLICE(",\"set\":{")));
    for (uint32_t i = 0; i < count; i++) {
        const enum config_key_id id = config_find(names[i]);
        if (id >= CONFIG_KEY_COUNT || strncmp(config_keys[id].name, "audit-", 6) != 0)
            continue;
        TRY(buf_printf(body, "%s\"%s\":", any ? "," : "", config_keys[id].name));
        TRY(json_text_write(body, slice_part(values[i], 0, AUDIT_NAME_SIZE_MAX)));
        any = true;
    }
    TRY(buf_append_slice(body, SLICE("}")));
    return any ? STATUS_OK : STATUS_INVALID;
}

void audit_settings(struct server *server, const struct cmd_client *client, const struct slice *names,
                    const struct slice *values, uint32_t count) {
    struct buf body;
    if (!server->audit)
        return;
    buf_init(&body, &memory_libc);
    if (write_settings(server->audit, client, names, values, count, &body) == STATUS_OK)
        audit_put(server->audit, buf_slice(&body));
    buf_fini(&body);
}
