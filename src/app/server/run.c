#include "app/server/run.h"

#include "app/server/clients.h"
#include "app/server/monitor.h"
#include "app/server/notify.h"
#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"

static inline void run_item(struct worker *worker, struct cmd_request *item);
static inline uint32_t run_row(struct worker *worker, const struct cmd_request *items, uint32_t count);
static void close_timed(struct worker *worker);

/* ------------------------------------------------------------------ batches */

/* Makes the next item a request that is filled in but for its key. */
static inline void add_item(struct batch *batch, struct cmd_request *item) {
    const struct cmd_spec *spec = item->spec;
    item->key = NULL;
    if (spec && spec->key_at && spec->key_at < item->argc) {
        item->key = &batch->keys[batch->key_count++];
        item->key->name = item->argv[spec->key_at];
        item->key->db = item->client->db;
    }
    batch->keys_until[batch->count++ / BATCH_BLOCK] = batch->key_count;
}

void batch_add(struct worker *worker, struct connection *connection, const struct resp_request *request, bool alone) {
    struct batch *batch = worker->batch;
    alone |= request->count > BATCH_ARGUMENTS_MAX;
    if (batch->count == BATCH_REQUESTS_MAX || (!alone && batch->argument_count + request->count > BATCH_ARGUMENTS_MAX))
        batch_run(worker);
    struct cmd_request *item = &batch->items[batch->count];
    item->client = &connection->client;
    item->spec = cmd_lookup(request->arguments[0]);
    item->argc = request->count;
    item->argv = request->arguments;
    item->begins_at = request->begins_at;
    item->uploaded = request->large_index >= 0;
    if (!alone) {
        struct slice *arguments = batch->arguments + batch->argument_count;
        for (uint32_t i = 0; i < request->count; i++)
            arguments[i] = request->arguments[i];
        batch->argument_count += request->count;
        item->argv = arguments;
    }
    add_item(batch, item);
    if (alone)
        batch_run(worker);
}

/* Not inlined: it needs all registers for itself. */
__attribute__((noinline)) bool batch_add_short(struct worker *worker, struct connection *connection, struct slice input,
                                               const struct resp_limits *limits) {
    struct batch *batch = worker->batch;
    while (batch->count < BATCH_REQUESTS_MAX &&
           batch->argument_count + RESP_SHORT_ARGUMENTS_MAX <= BATCH_ARGUMENTS_MAX) {
        struct slice *arguments = batch->arguments + batch->argument_count;
        struct resp_request request;
        if (!resp_parse_short(&connection->parser, input, limits, &worker->heads, arguments, &request))
            return false;
        if (__builtin_expect(!request.head->meaning, 0))
            request.head->meaning = cmd_lookup(arguments[0]);
        struct cmd_request *item = &batch->items[batch->count];
        batch->argument_count += request.count;
        item->client = &connection->client;
        item->spec = request.head->meaning;
        item->argc = request.count;
        item->argv = arguments;
        item->begins_at = request.begins_at;
        item->uploaded = false;
        add_item(batch, item);
    }
    return true;
}

/* How many requests from here on one client sent for one command, with as many arguments. */
static inline uint32_t row_length(const struct cmd_request *first, uint32_t count_max) {
    uint32_t count = 1;
    while (count < count_max && first[count].spec == first->spec && first[count].client == first->client &&
           first[count].argc == first->argc && !first[count].uploaded)
        count++;
    return count;
}

static void run_block(struct worker *worker, uint32_t from, uint32_t until) {
    struct batch *batch = worker->batch;
    while (from < until) {
        struct cmd_request *item = &batch->items[from];
        uint32_t done = 0;
        if (item->spec && item->spec->run_row && item->argc == item->spec->row_argc && !item->uploaded)
            done = run_row(worker, item, row_length(item, until - from));
        if (!done) {
            run_item(worker, item);
            done = 1;
        }
        from += done;
    }
}

/* While one block waits for its place in the index, the block before it waits for its entries, and the one before that runs:
 *
 *     keys      0   1   2   3
 *     entries       0   1   2   3
 *     run               0   1   2   3
 */
static void run_blocks(struct worker *worker) {
    struct cache *cache = worker->server->cache;
    struct batch *batch = worker->batch;
    uint32_t blocks = (batch->count + BATCH_BLOCK - 1) / BATCH_BLOCK;
    if (server_is_loading(worker->server)) { /* nobody reads a key */
        run_block(worker, 0, batch->count);
        return;
    }
    for (uint32_t step = 0; step < blocks + 2; step++) {
        if (step < blocks) {
            uint32_t from = step ? batch->keys_until[step - 1] : 0;
            cache_keys_ahead(cache, batch->keys + from, batch->keys_until[step] - from);
        }
        if (step - 1 < blocks) {
            uint32_t from = step > 1 ? batch->keys_until[step - 2] : 0;
            cache_entries_ahead(cache, batch->keys + from, batch->keys_until[step - 1] - from);
        }
        if (step > 1) {
            uint32_t from = (step - 2) * BATCH_BLOCK, until = from + BATCH_BLOCK;
            run_block(worker, from, until < batch->count ? until : batch->count);
        }
    }
}

void batch_run(struct worker *worker) {
    struct batch *batch = worker->batch;
    if (batch->count == 0)
        return;
    uint64_t begin = clock_ticks();
    worker->turn_ticks = begin;
    uint64_t request = SETTING(worker->server, large_request_bytes), reply = SETTING(worker->server, large_reply_bytes);
    worker->large_bytes = request < reply ? request : reply;
    bool apart = SETTING(worker->server, slow_ticks) < worker->server->timed_apart_ticks;
    worker->timed_max = apart || worker->large_bytes < LARGE_APART_BYTES ? 1 : TIMED_TOGETHER_MAX;
    run_blocks(worker);
    close_timed(worker);
    worker->call.client = NULL;
    worker->counts.command_ticks += worker->turn_ticks - begin;
    batch->count = batch->key_count = batch->argument_count = 0;
}

/* The turn may be that of no batch at all. */
void batch_keys_anew(struct worker *worker) {
    cache_keys_ahead(worker->server->cache, worker->batch->keys, worker->batch->key_count);
}

void batch_touch(struct worker *worker, struct connection *connection) {
    struct batch *batch = worker->batch;
    ASSERT(!connection->touched && batch->touched_count < EVENTS_MAX);
    connection->touched = true;
    batch->touched[batch->touched_count++] = connection;
    if (batch->touched_count == EVENTS_MAX)
        batch_finish(worker);
}

void batch_finish(struct worker *worker) {
    struct batch *batch = worker->batch;
    batch_run(worker);
    /* Finishing one connection may put others on the list again (a choked one that goes on). */
    uint32_t count = batch->touched_count;
    batch->touched_count = 0;
    for (uint32_t i = 0; i < count; i++)
        connection_finish_turn(batch->touched[i]);
    worker->area_used = 0;
}

/* --------------------------------------------------------------- statistics */

static void note_failure(struct worker *worker, const struct cmd_call *call, size_t reply_begins_at) {
    struct slice reply = slice_part(buf_slice(call->reply->out), reply_begins_at, SIZE_MAX);
    stats_error(worker, reply);
}

static void note_first(struct command_stat *stat, uint64_t ticks, uint32_t count) {
    if (histogram_init(&stat->run_times, &memory_libc, RUN_TIMES_SUB_BITS) == STATUS_OK)
        histogram_add_many(&stat->run_times, ticks, count);
}

static void note_slow(struct worker *worker, const struct cmd_call *call, uint64_t ticks) {
    uint64_t us = (uint64_t)((double)ticks / worker->server->ticks_per_us);
    stats_slow(worker, call, us, ticks >= SETTING(worker->server, slow_ticks),
               ticks >= SETTING(worker->server, latency_ticks));
}

static inline void note_run_times(struct command_stat *stat, uint64_t ticks, uint32_t count) {
    stat->calls += count;
    stat->ticks += ticks;
    if (stat->run_times.columns)
        histogram_add_many(&stat->run_times, ticks / count, count);
    else
        note_first(stat, ticks / count, count);
}

static inline bool is_slow(const struct worker *worker, uint64_t ticks) {
    return ticks >= SETTING(worker->server, slow_ticks) || ticks >= SETTING(worker->server, latency_ticks);
}

/* Reads the clock for what ran since the last reading: worker->timed_count commands of one kind. */
static void close_timed(struct worker *worker) {
    uint64_t now = clock_ticks(), ticks = now - worker->turn_ticks;
    worker->turn_ticks = now;
    uint32_t count = worker->timed_count;
    worker->timed_count = 0;
    if (count == 0)
        return;
    note_run_times(&worker->commands[worker->timed_spec->index], ticks, count);
    if (__builtin_expect(worker->classes.timed != NULL, 0))
        class_stats_time(worker, ticks, count);
    if (__builtin_expect(is_slow(worker, ticks), 0)) {
        const struct cmd_request *last = worker->timed_last;
        struct cmd_call call = {
            .spec = worker->timed_spec, .argv = last->argv, .argc = last->argc, .client = last->client};
        note_slow(worker, &call, ticks);
    }
}

void run_close_timed(struct worker *worker) { close_timed(worker); }

/* A command has run. Fast ones share a reading of the clock, see stats.h. */
static inline void note_command(struct worker *worker, const struct cmd_request *item, const struct cmd_call *call,
                                uint32_t errors) {
    const struct cmd_spec *spec = call->spec;
    if (__builtin_expect(call->outcome != CMD_RAN, 0)) {
        worker->commands[spec->index].rejected += call->outcome == CMD_REJECTED;
        return;
    }
    worker->timed_spec = spec;
    worker->timed_last = item;
    worker->timed_count++;
    if (errors)
        worker->commands[spec->index].failed++;
    if (__builtin_expect(worker->tier.waited_ticks != 0, 0)) {
        worker->turn_ticks -= worker->tier.waited_ticks;
        worker->tier.waited_ticks = 0;
        close_timed(worker);
    }
    if (!(spec->flags & CMD_FAST) || worker->timed_count >= worker->timed_max)
        close_timed(worker);
}

/* Bytes of values that a reply has from elsewhere, from so many bytes of the table of these on. */
static uint64_t foreign_since(const struct connection *connection, size_t table_size) {
    const struct reply_foreign *values = (const struct reply_foreign *)connection->foreign.data;
    uint64_t sum = 0;
    for (size_t i = table_size / sizeof *values; i < connection->foreign.size / sizeof *values; i++)
        sum += values[i].size;
    return sum;
}

/* As RESP has a number, an array's size or that of a text. */
static uint64_t head_size(uint64_t number) {
    enum { MARK_AND_LINE_END = 3 };
    uint64_t size = MARK_AND_LINE_END + 1;
    for (; number > 9; number /= 10)
        size++;
    return size;
}

/* Of a request in RESP, received elsewhere or not. */
static uint64_t request_size(const struct cmd_request *item) {
    uint64_t size = head_size(item->argc);
    for (uint32_t i = 0; i < item->argc; i++)
        size += head_size(item->argv[i].size) + item->argv[i].size + 2;
    return size;
}

/* What is queued has asked; its reply comes with EXEC. */
static void note_large(struct worker *worker, const struct cmd_request *item, const struct cmd_call *call,
                       size_t replied) {
    const struct connection *connection = item->client->connection;
    uint64_t answered = 0;
    if (call->outcome == CMD_RAN)
        answered = replied + foreign_since(connection, connection->foreign_counted * sizeof(struct reply_foreign));
    if (call->outcome != CMD_REJECTED)
        stats_large(worker, call, request_size(item), answered);
}

enum { REQUEST_HEADS_MAX = 64 }; /* before the name and behind the last argument */

static inline void large_look(struct worker *worker, const struct cmd_request *item, const struct cmd_call *call,
                              size_t replied) {
    const struct connection *connection = item->client->connection;
    /* Arguments stand one behind the other, in the input or where an inline command was unpacked. */
    const struct slice *last = &item->argv[item->argc - 1];
    uint64_t asked = (uintptr_t)last->data - (uintptr_t)item->argv[0].data + last->size + REQUEST_HEADS_MAX;
    bool large = (asked >= worker->large_bytes) | (replied >= worker->large_bytes) | (connection->foreign.size != 0) |
                 item->uploaded;
    if (__builtin_expect(large, 0) && call->spec)
        note_large(worker, item, call, replied);
}

/* ---------------------------------------------------------------- execution */

/* Browsers can be made to send requests to a cache. They begin with a line that is no command of ours. */
static bool is_web_request(struct slice name) {
    return slice_equal_nocase(name, SLICE("post")) || slice_equal_nocase(name, SLICE("host:"));
}

/* Whether a queued command has one of these flags. */
static bool transaction_has(const struct cmd_client *client, uint32_t flags) {
    const struct cmd_queued *queued = (const struct cmd_queued *)client->multi.data;
    for (uint32_t i = 0; i < cmd_multi_count(client); i++) {
        if (queued[i].spec->flags & flags)
            return true;
    }
    return false;
}

/* Whether the command itself, or the transaction that it ends, has one of these flags. Of a container its subcommands have them. */
static bool will_do(const struct cmd_request *item, uint32_t flags) {
    if (!item->client->in_multi) {
        const struct cmd_spec *sub = NULL;
        if (item->spec->subcommand_count && item->argc > 1)
            sub = cmd_lookup_sub(item->spec, item->argv[1]);
        return ((sub ? sub : item->spec)->flags & flags) != 0;
    }
    return slice_equal(item->spec->last_name, SLICE("exec")) && transaction_has(item->client, flags);
}

/* Whether anything holds anybody back at present. */
static inline bool may_be_paused(const struct server *server) {
    return (atomic_load_explicit(&server->pause_until_ms, memory_order_relaxed) |
            atomic_load_explicit(&server->inboxes_full, memory_order_relaxed) |
            atomic_load_explicit(&server->env.rules_awaited_until_ms, memory_order_relaxed)) != 0;
}

/* A command whose value was received elsewhere cannot be read again later. */
static bool is_paused(struct worker *worker, const struct cmd_request *item) {
    struct server *server = worker->server;
    const struct cmd_spec *spec = item->spec;
    if (!spec || item->uploaded)
        return false;
    if (audit_postpones(worker, item))
        return true;
    if (atomic_load_explicit(&server->inboxes_full, memory_order_relaxed) &&
        will_do(item, CMD_PUBLISHES | notify_publishing(server) | persistence_behind(server)))
        return true;
    if (clients_awaiting_rules_until(server, worker->actor.now_ms) && will_do(item, CMD_AWAITS_RULES))
        return true;
    if (!clients_paused_until(server, worker->actor.now_ms))
        return false;
    if (atomic_load_explicit(&server->pause_writes_only, memory_order_relaxed))
        return will_do(item, CMD_WRITE | CMD_PUBLISHES);
    /* Whoever may administrate must be able to end the pause. */
    return !(spec->flags & CMD_ADMIN) && !slice_equal(spec->last_name, SLICE("client"));
}

void run_limit_output(struct worker *worker, struct connection *connection) {
    const struct cmd_client *client = &connection->client;
    uint64_t hard = !client->authenticated   ? UNAUTHENTICATED_OUTPUT_MAX
                    : client->listener.count ? SETTING(worker->server, pubsub_hard_bytes)
                                             : SETTING(worker->server, output_hard_bytes);
    if (!hard || connection_waiting(connection) <= hard)
        return;
    worker->counts.output_limit_cuts++;
    log_event(LOG_WARNING, "client_closed",
              LOG_FIELDS(log_text("why", "output_limit"), log_number("client", client->id),
                         log_text("address", connection->peer)),
              "Closing a client that reached its output buffer limit: id=%llu addr=%s", (unsigned long long)client->id,
              connection->peer);
    connection_close(connection);
}

static void after_command(struct worker *worker, struct connection *connection, const struct cmd_call *call) {
    struct cmd_client *client = &connection->client;
    if (connection->foreign.size)
        connection_count_foreign(connection);
    if (call->reply->status != STATUS_OK) {
        connection_close(connection); /* no memory for the reply */
        return;
    }
    if (connection->monitoring != client->monitor)
        monitor_end(connection);
    run_limit_output(worker, connection);
    if (client->close_after_reply)
        connection_close_after_output(connection);
}

/* More waits for the client than it should. Sends; if that does not help, the rest of its requests waits. */
static bool hold_output(struct connection *connection, const struct cmd_request *item) {
    if (connection->patient || item->uploaded)
        return false;
    connection_send(connection);
    if (connection->state == CONNECTION_OPEN && connection_unsent(connection) <= OUTPUT_CHOKE_BYTES)
        return false;
    connection->choked = true;
    connection_hold(connection, item->begins_at);
    return true;
}

/* Some of the commands are looked at, for what their classes do. */
static inline void classes_look(struct worker *worker, const struct cmd_request *items, uint32_t count) {
    const struct actor_counts *counts = &worker->actor.counts;
    const struct worker_classes *classes = &worker->classes;
    if (__builtin_expect((counts->hits >= classes->hits_next) | (counts->changes >= classes->changes_next), 0))
        class_stats_sample(worker, items, count);
}

/* What has been changed is told of, while no lock is held. */
static inline void changes_look(struct worker *worker) {
    if (__builtin_expect(worker->changes.waiting, 0))
        changes_hand_on(worker);
}

static void catch_up(struct worker *worker) {
    if (inbox_is_waiting(&worker->inbox) || mailbox_is_waiting(&worker->mailbox))
        pubsub_catch_up(worker);
    if (streaming_is_waiting(&worker->streaming))
        streaming_hand_out(worker);
}

/* What a command has used. */
static inline void tidy(struct worker *worker, struct connection *connection, const struct cmd_request *item) {
    if (__builtin_expect(item->uploaded, 0))
        connection_drop_upload(connection);
    if (worker->arena.used)
        arena_reset(&worker->arena);
}

/* Monitors and the audit log are told of it. */
__attribute__((noinline)) static void observe(struct worker *worker, struct cmd_call *call, size_t reply_begins_at,
                                              uint64_t begin_ticks) {
    const struct server *server = worker->server;
    if (atomic_load_explicit(&server->observers, memory_order_relaxed) & OBSERVED_BY_AUDIT)
        audit_command(worker, call, reply_begins_at, begin_ticks);
    if (atomic_load_explicit(&server->monitors, memory_order_relaxed) && call->outcome != CMD_REJECTED)
        monitor_feed(worker, call);
}

/* It waits, and runs again later. */
static void put_back(struct worker *worker, struct connection *connection, const struct cmd_request *item) {
    connection_block(connection, item->begins_at);
    tidy(worker, connection, item);
}

__attribute__((noinline)) static void tell_web_request(const struct connection *connection) {
    log_event(LOG_WARNING, "client_closed",
              LOG_FIELDS(log_text("why", "other_protocol"), log_number("client", connection->client.id),
                         log_text("address", connection->peer)),
              "Possible cross-protocol request from %s: connection closed", connection->peer);
}

/* Inlined into the batch's loop; everything unusual is elsewhere. */
static inline void run_item(struct worker *worker, struct cmd_request *item) {
    struct cmd_client *client = item->client;
    struct connection *connection = client->connection;
    struct server *server = worker->server;
    /* What was published or changed before this request comes before its reply. */
    if (__builtin_expect((client->listener.count | client->tracking | client->streams) != 0, 0))
        catch_up(worker);
    if (connection->state != CONNECTION_OPEN || connection->held || connection->killed)
        return;
    if (__builtin_expect(connection_unsent(connection) > OUTPUT_CHOKE_BYTES, 0) && hold_output(connection, item))
        return;
    if (__builtin_expect(may_be_paused(server), 0) && is_paused(worker, item)) {
        connection_postpone(connection, item->begins_at);
        return;
    }
    if (!item->spec && is_web_request(item->argv[0])) {
        tell_web_request(connection);
        connection_close(connection);
        return;
    }
    if (!connection->out.data)
        connection->out = worker_take_buffer(worker);
    size_t reply_begins_at = connection->out.size;
    if (item->key && item->key->db != client->db)
        *item->key = cache_key(server->cache, client->db, item->key->name);
    if (worker->timed_count && worker->timed_spec != item->spec)
        close_timed(worker);
    /* What is the same for every command stands in the worker's call already. */
    struct reply *reply = &worker->reply;
    reply_init(reply, &connection->out, &connection->foreign, client->protocol);
    struct cmd_call *call = &worker->call;
    call->client = client;
    call->spec = item->spec;
    call->argv = item->argv;
    call->argc = item->argc;
    call->upload = item->uploaded ? &connection->upload : NULL;
    call->first_key = item->key;
    call->upload_status = item->uploaded ? connection->upload_status : STATUS_OK;
    const uint64_t begin_ticks = worker->turn_ticks;
    cmd_run(call);
    changes_look(worker);
    classes_look(worker, item, 1);
    if (__builtin_expect(call->outcome == CMD_WAITS, 0))
        return put_back(worker, connection, item);
    worker->counts.commands++;
    connection->commands++;
    if (call->spec)
        note_command(worker, item, call, reply->errors);
    large_look(worker, item, call, connection->out.size - reply_begins_at);
    if (__builtin_expect(reply->errors != 0, 0))
        note_failure(worker, call, reply_begins_at);
    if (__builtin_expect(atomic_load_explicit(&server->observers, memory_order_relaxed) != 0, 0))
        observe(worker, call, reply_begins_at, begin_ticks);
    tidy(worker, connection, item);
    after_command(worker, connection, call);
    /* After the reply, so that who publishes to itself gets it first. */
    if (__builtin_expect(worker->inbox.own, 0))
        pubsub_hand_out(worker);
}

/* Nothing but commands happens: nobody watches or waits, and not even the largest replies of such a row reach a limit of output. */
static inline bool row_may_run(const struct worker *worker, const struct connection *connection) {
    const struct server *server = worker->server;
    enum { OUTPUT_MAX = BATCH_BLOCK * (CACHE_GLANCE_MAX + 16) };
    uint64_t hard = SETTING(server, output_hard_bytes);
    uint64_t limit = hard && hard < OUTPUT_CHOKE_BYTES ? hard : OUTPUT_CHOKE_BYTES;
    return connection->state == CONNECTION_OPEN && !connection->held && !connection->killed &&
           connection_unsent(connection) + OUTPUT_MAX <= limit &&
           !atomic_load_explicit(&server->pause_until_ms, memory_order_relaxed) &&
           !atomic_load_explicit(&server->inboxes_full, memory_order_relaxed) &&
           !(atomic_load_explicit(&server->observers, memory_order_relaxed) & ~OBSERVED_BY_AUDIT);
}

/* Runs the first of these alike requests as one; answers how many. What is looked after around every single command is looked
 * after once, as far as there is nothing to see. They count and are timed like fast commands in a row. */
static inline uint32_t run_row(struct worker *worker, const struct cmd_request *items, uint32_t count) {
    struct connection *connection = items->client->connection;
    if (worker->timed_max == 1 || !row_may_run(worker, connection))
        return 0;
    if (!connection->out.data)
        connection->out = worker_take_buffer(worker);
    if (worker->timed_count)
        close_timed(worker);
    reply_init(&worker->reply, &connection->out, &connection->foreign, items->client->protocol);
    uint32_t done = cmd_run_row(&worker->call, items, count);
    changes_look(worker);
    if (done == 0)
        return 0;
    classes_look(worker, items, done);
    worker->counts.commands += done;
    connection->commands += done;
    worker->timed_spec = items->spec;
    worker->timed_last = &items[done - 1];
    worker->timed_count = done;
    if (worker->reply.status != STATUS_OK)
        connection_close(connection); /* no memory for the reply */
    return done;
}

void run_queued(struct cmd_call *call) {
    struct connection *connection = call->client->connection;
    struct worker *worker = connection->worker;
    uint32_t errors_before = call->reply->errors;
    size_t reply_begins_at = call->reply->out->size, foreign_size = connection->foreign.size;
    uint64_t begin = clock_ticks();
    call->outcome = CMD_RAN;
    if (__builtin_expect(call->client->tracking != 0, 0))
        cmd_track(call);
    worker->changes.queued = call;
    call->spec->run(call);
    worker->changes.queued = NULL;
    uint64_t ticks = clock_ticks() - begin;
    uint32_t errors = call->reply->errors - errors_before;
    struct command_stat *stat = &worker->commands[call->spec->index];
    note_run_times(stat, ticks, 1);
    stat->failed += errors != 0;
    if (is_slow(worker, ticks))
        note_slow(worker, call, ticks);
    if (errors)
        note_failure(worker, call, reply_begins_at);
    /* Its request was looked at when it was queued. */
    stats_large(worker, call, 0, call->reply->out->size - reply_begins_at + foreign_since(connection, foreign_size));
    worker->counts.commands++;
    /* MONITOR shows transactions as they are sent, so these were shown when they were queued. */
    if (__builtin_expect(atomic_load_explicit(&worker->server->observers, memory_order_relaxed) & OBSERVED_BY_AUDIT, 0))
        audit_queued(call, reply_begins_at, ticks);
}
