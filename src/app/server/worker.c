#include "app/server/worker.h"

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/server/clients.h"
#include "app/server/leases.h"
#include "app/server/manager.h"
#include "app/server/monitor.h"
#include "app/server/run.h"
#include "app/server/users.h"
#include "base/assert.h"
#include "base/bits.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/random.h"

enum {
    STOP_ROUNDS_MAX = 64,  /* reads of one connection's backlog at the end */
    STOP_RECENT_MS = 1000, /* a client that was active so recently may have sent more: its end is waited for */
    ACCEPT_AGAIN_MS = 100, /* when descriptors are short */
    ACCEPT_WARN_MS = 10000,
    HURRY_MS = 1,             /* between slices of housekeeping while there is more to do */
    CLOCK_OFFSET_WAIT_MS = 1, /* a pause ends at most so much late */
};

/* The worker whose turn this thread holds. */
static _Thread_local struct worker *current;

/* ------------------------------------------------------------ begin and end */

/* For all that may be made while it runs. */
static size_t store_counts_size(void) { return CACHE_STORES_MAX * sizeof(struct actor_counts); }

enum status worker_new(struct server *server, uint32_t index, struct worker **ret_worker) {
    struct worker *worker = memory_take(&memory_libc, sizeof *worker);
    if (!worker)
        return STATUS_NO_MEMORY;
    *worker = (struct worker){.server = server, .index = index, .actor = {.id = index + 1}, .listening = true};
    worker->call = (struct cmd_call){
        .env = &server->env, .actor = &worker->actor, .arena = &worker->arena, .reply = &worker->reply};
    pthread_mutex_init(&worker->turn, NULL);
    pthread_mutex_init(&worker->monitor_lock, NULL);
    inbox_init(&worker->inbox);
    buf_init(&worker->changes.notes, &memory_libc);
    buf_init(&worker->audit.body, &memory_libc);
    notify_init(&worker->notify, &memory_libc);
    kept_worker_init(worker);
    worker_streaming_init(&worker->streaming);
    rules_plan_init(&worker->rules.plan, NULL, &memory_libc, 0, 0);
    worker->classes.rng = rng_seeded(random_u64());
    class_stats_rules(worker, NULL, NULL);
    class_stats_reset(worker);
    resp_heads_init(&worker->heads);
    timers_init(&worker->timers, &memory_libc);
    arena_init(&worker->arena, &memory_libc, ARENA_CHUNK_SIZE);
    buf_init(&worker->monitor_lines, &memory_libc);
    worker->now_ms = clock_steady_ms();
    worker->actor.now_ms = clock_unix_ms();
    worker->batch = memory_take(&memory_libc, sizeof *worker->batch);
    worker->area = memory_take(&memory_libc, READ_AREA_SIZE);
    worker->commands = memory_take(&memory_libc, cmd_index_count * sizeof(struct command_stat));
    worker->actor.of_store = memory_take(&memory_libc, store_counts_size());
    enum status status = STATUS_NO_MEMORY;
    if (worker->commands) /* worker_free looks into it */
        memset(worker->commands, 0, cmd_index_count * sizeof(struct command_stat));
    if (worker->batch && worker->area && worker->commands && worker->actor.of_store) {
        memset(worker->actor.of_store, 0, store_counts_size());
        *worker->batch = (struct batch){0};
        status = loop_new(&memory_libc, &worker->loop);
    }
    enum status mailbox_status = mailbox_init(&worker->mailbox, server->worker_count);
    if (status == STATUS_OK)
        status = mailbox_status;
    if (status == STATUS_OK)
        status = timers_set(&worker->timers, &worker->tick, worker->now_ms + TICK_MS);
    /* Room for all timers there are, so that setting one cannot fail later. */
    if (status == STATUS_OK)
        status = timers_set(&worker->timers, &worker->pause_end, UINT64_MAX);
    if (status == STATUS_OK)
        status = timers_set(&worker->timers, &worker->accept_again, UINT64_MAX);
    if (status != STATUS_OK) {
        worker_free(worker);
        return status;
    }
    timers_clear(&worker->timers, &worker->pause_end);
    timers_clear(&worker->timers, &worker->accept_again);
    *ret_worker = worker;
    return STATUS_OK;
}

static void close_listeners(struct worker *worker) {
    for (uint32_t i = 0; i < worker->listener_count; i++) {
        if (worker->listening)
            loop_forget(worker->loop, &worker->listeners[i]);
        close(worker->listeners[i].fd);
    }
    worker->listener_count = 0;
    worker->listening = false;
}

void worker_free(struct worker *worker) {
    if (!worker)
        return;
    if (worker->loop) {
        close_listeners(worker);
        while (worker->first)
            connection_close(worker->first);
        connection_free_dead(worker);
    }
    secure_worker_ends(worker);
    leases_worker_ends(worker);
    persistence_worker_ends(worker);
    loop_free(worker->loop);
    timers_fini(&worker->timers);
    arena_fini(&worker->arena);
    buf_fini(&worker->monitor_lines);
    inbox_fini(&worker->inbox);
    mailbox_fini(&worker->mailbox, worker->server->worker_count);
    buf_fini(&worker->changes.notes);
    buf_fini(&worker->audit.body);
    notify_fini(&worker->notify);
    kept_worker_fini(worker);
    worker_streaming_fini(&worker->streaming);
    rules_plan_fini(&worker->rules.plan);
    class_stats_fini(worker);
    for (uint32_t i = 0; i < worker->buffer_count; i++)
        buf_fini(&worker->buffers[i]);
    if (worker->commands) {
        for (uint32_t i = 0; i < cmd_index_count; i++)
            histogram_fini(&worker->commands[i].run_times);
    }
    memory_give(&memory_libc, worker->actor.of_store, store_counts_size());
    memory_give(&memory_libc, worker->commands, cmd_index_count * sizeof(struct command_stat));
    memory_give(&memory_libc, worker->area, READ_AREA_SIZE);
    memory_give(&memory_libc, worker->batch, sizeof *worker->batch);
    pthread_mutex_destroy(&worker->monitor_lock);
    pthread_mutex_destroy(&worker->turn);
    memory_give(&memory_libc, worker, sizeof *worker);
}

struct buf worker_take_buffer(struct worker *worker) {
    if (worker->buffer_count > 0)
        return worker->buffers[--worker->buffer_count];
    struct buf buf;
    buf_init(&buf, &memory_libc);
    /* If there is no memory now, the first byte written will find out. */
    enum status status = buf_reserve(&buf, BUFFER_SIZE);
    MAYBE(status != STATUS_OK);
    return buf;
}

void worker_give_buffer(struct worker *worker, struct buf *buf) {
    if (!buf->data)
        return;
    if (buf->capacity <= BUFFER_KEPT_SIZE_MAX && worker->buffer_count < BUFFERS_KEPT) {
        buf_clear(buf);
        worker->buffers[worker->buffer_count++] = *buf;
        buf_init(buf, &memory_libc);
    } else {
        buf_fini(buf);
    }
}

/* -------------------------------------------------------------------- turns */

static void let_go(void) {
    if (!current)
        return;
    current->away = true;
    pthread_mutex_unlock(&current->turn);
}

static void take_again(void) {
    if (!current)
        return;
    pthread_mutex_lock(&current->turn);
    current->away = false;
}

void worker_visit(struct worker *worker) {
    if (worker == current)
        return;
    let_go();
    pthread_mutex_lock(&worker->turn);
}

void worker_leave(struct worker *worker) {
    if (worker == current)
        return;
    pthread_mutex_unlock(&worker->turn);
    take_again();
}

bool worker_is_between(struct worker *worker) {
    if (worker == current)
        return true;
    worker_visit(worker);
    bool between = !worker->away;
    worker_leave(worker);
    return between;
}

bool worker_is_current(const struct worker *worker) { return worker == current; }

struct worker *worker_current(void) {
    return current;
}

void worker_pause_turn(void) { let_go(); }
void worker_resume_turn(void) { take_again(); }

/* Takes all turns in ascending order; a thread that holds one waits for none. False, and none is held: a worker is away. */
static bool take_all(const struct worker *worker) {
    struct server *server = worker->server;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        pthread_mutex_lock(&server->workers[i]->turn);
        if (!server->workers[i]->away || server->workers[i] == worker)
            continue;
        do
            pthread_mutex_unlock(&server->workers[i]->turn);
        while (i-- > 0);
        return false;
    }
    return true;
}

enum status worker_stop_others(struct worker *worker) {
    enum { WAIT_MS = 1000 };
    ASSERT(worker == current);
    uint64_t until_ms = clock_steady_ms() + WAIT_MS;
    let_go();
    while (!take_all(worker)) {
        if (clock_steady_ms() > until_ms) {
            take_again();
            return STATUS_BUSY;
        }
        sched_yield();
    }
    worker->away = false;
    return STATUS_OK;
}

void worker_let_others_go(struct worker *worker) {
    for (uint32_t i = 0; i < worker->server->worker_count; i++)
        if (worker->server->workers[i] != worker)
            pthread_mutex_unlock(&worker->server->workers[i]->turn);
}

/* ---------------------------------------------------------------- accepting */

enum status worker_listen(struct worker *worker, int fd, enum source_kind kind) {
    ASSERT(worker->listener_count < COUNT_OF(worker->listeners));
    struct loop_source *source = &worker->listeners[worker->listener_count];
    *source = (struct loop_source){.fd = fd, .kind = kind};
    enum status status = loop_watch(worker->loop, source, LOOP_READ | (kind == SOURCE_LISTENER_UNIX ? LOOP_ALONE : 0u));
    if (status == STATUS_OK)
        worker->listener_count++;
    else
        close(fd);
    return status;
}

/* Looking at the listeners again and again would only burn the processor. */
static void rest_listeners(struct worker *worker) {
    for (uint32_t i = 0; i < worker->listener_count; i++)
        loop_forget(worker->loop, &worker->listeners[i]);
    worker->listening = false;
    enum status status = timers_set(&worker->timers, &worker->accept_again, worker->now_ms + ACCEPT_AGAIN_MS);
    ASSERT(status == STATUS_OK);
}

static void tell_no_descriptors(struct worker *worker) {
    if (worker->now_ms - worker->accept_warned_ms > ACCEPT_WARN_MS || !worker->accept_warned_ms) {
        log_event(LOG_WARNING, "no_descriptors", LOG_FIELDS(log_number("again_ms", ACCEPT_AGAIN_MS)),
                  "No descriptor or memory left for a new connection; trying again every %d ms", ACCEPT_AGAIN_MS);
        worker->accept_warned_ms = worker->now_ms;
    }
}

static void watch_listeners_again(struct worker *worker) {
    if (worker->listening || worker->stopping)
        return;
    for (uint32_t i = 0; i < worker->listener_count; i++) {
        struct loop_source *source = &worker->listeners[i];
        enum status status =
            loop_watch(worker->loop, source, LOOP_READ | (source->kind == SOURCE_LISTENER_UNIX ? LOOP_ALONE : 0u));
        if (status != STATUS_OK)
            log_warning("A listener is lost: %s", status_text(status));
    }
    worker->listening = true;
}

/* Whoever is turned away comes again, so one line stands for many. `text`: what it is told. */
static void tell_refused(struct worker *worker, int fd, enum connection_door door, const char *text) {
    char peer[SOCKET_TEXT_SIZE];
    worker->refused_untold++;
    if (worker->refused_told_ms && worker->now_ms - worker->refused_told_ms <= ACCEPT_WARN_MS)
        return;
    socket_peer_text(fd, peer);
    const char *address = door == DOOR_UNIX ? worker->server->unix_path : peer;
    bool is_protected = text[1] == 'D';
    log_event(LOG_WARNING, "client_refused",
              LOG_FIELDS(log_text("address", address), log_text("why", is_protected ? "protected_mode" : "maxclients"),
                         log_number("refused", worker->refused_untold)),
              "Turning away a client: addr=%s: %s (%u since the last such line)", address,
              is_protected ? "protected mode, and no password is set" : "maxclients is reached",
              worker->refused_untold);
    worker->refused_told_ms = worker->now_ms;
    worker->refused_untold = 0;
}

/* Over TLS nothing can be said before the handshake, which is not worth it. */
static void refuse(struct worker *worker, int fd, enum connection_door door, const char *text) {
    tell_refused(worker, fd, door, text);
    audit_turned_away(worker, fd, door, text[1] == 'D' ? "DENIED" : "ERR");
    if (door != DOOR_TLS) {
        ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        MAYBE(sent < 0);
    }
    close(fd);
    worker->counts.connections_rejected++;
}

static void admit(struct worker *worker, int fd, enum connection_door door) {
    bool is_unix = door == DOOR_UNIX;
    struct server *server = worker->server;
    worker->counts.connections_received++;
    if (SETTING(server, protected_mode) && !SETTING(server, password_set) && !is_unix && !socket_peer_is_local(fd)) {
        refuse(worker, fd, door,
               "-DENIED Strata is in protected mode and has no password, so it answers this machine only. Set "
               "requirepass, or switch protected-mode off.\r\n");
        return;
    }
    uint32_t may = SETTING(server, clients_max) + atomic_load_explicit(&server->insiders, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&server->clients, 1, memory_order_relaxed) >= may) {
        atomic_fetch_sub_explicit(&server->clients, 1, memory_order_relaxed);
        refuse(worker, fd, door, "-ERR max number of clients reached\r\n");
        return;
    }
    if (!is_unix)
        socket_tune_tcp(fd, SETTING(server, keepalive_s));
    if (!connection_open(worker, fd, door))
        atomic_fetch_sub_explicit(&server->clients, 1, memory_order_relaxed);
}

static enum connection_door door_of(const struct loop_source *listener) {
    return listener->kind == SOURCE_LISTENER_UNIX  ? DOOR_UNIX
           : listener->kind == SOURCE_LISTENER_TLS ? DOOR_TLS
                                                   : DOOR_TCP;
}

static void accept_from(struct worker *worker, const struct loop_source *listener) {
    if (audit_holds(worker->server) && worker->listening &&
        !worker->stopping) { /* whom it lets in, or not, may have to be noted */
        rest_listeners(worker);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN && worker->listening; i++) {
        int fd;
        enum status status = socket_accept(listener->fd, &fd);
        if (status == STATUS_AGAIN)
            return;
        if (status == STATUS_OK) {
            admit(worker, fd, door_of(listener));
        } else {
            tell_no_descriptors(worker);
            rest_listeners(worker);
        }
    }
}

/* ------------------------------------------------------------------- events */

static void connection_event(struct connection *connection, uint32_t ready) {
    if (connection->state == CONNECTION_DEAD)
        return;
    if (__builtin_expect(connection->tls != NULL, 0)) {
        if (secure_defers(connection)) /* the loop tells of it again */
            return;
        if (ready & LOOP_WRITABLE && tls_waits_to_write(connection->tls))
            secure_continue(connection);
    }
    if (ready & LOOP_WRITABLE) {
        connection_send(connection);
        if (connection->choked && connection->state == CONNECTION_OPEN &&
            connection_unsent(connection) < OUTPUT_CHOKE_BYTES / 2) {
            connection->choked = false;
            connection_resume(connection);
        }
    }
    if (connection->state == CONNECTION_DEAD)
        return;
    if ((ready & LOOP_BROKEN) && !(connection->source.interest & LOOP_READ))
        connection_close(connection);
    else if (ready & (LOOP_READABLE | LOOP_BROKEN))
        connection_receive(connection);
}

static void handle_events(struct worker *worker, const struct loop_event *events, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct loop_source *source = events[i].source;
        if (source->kind == SOURCE_CONNECTION)
            connection_event((struct connection *)source, events[i].ready);
        else if (source->kind == SOURCE_TIER)
            tiering_poll(worker);
        else
            accept_from(worker, source);
    }
    batch_finish(worker);
}

/* ------------------------------------------------------------- what others asked for */

static void close_killed(struct worker *worker) {
    if (worker->kills == 0)
        return;
    worker->kills = 0;
    struct connection *older;
    for (struct connection *connection = worker->first; connection; connection = older) {
        older = connection->older;
        if (connection->killed)
            connection_close(connection);
    }
}

/* Goes on with postponed clients when the pause is over, and sees to it that this is noticed. */
static void look_at_pause(struct worker *worker) {
    if (worker->postponed == 0)
        return;
    uint64_t until_ms = clients_paused_until(worker->server, worker->actor.now_ms);
    if (!until_ms) /* who waited for the end of a pause waits for these as well: it is not noted who waits for what */
        until_ms = clients_awaiting_rules_until(worker->server, worker->actor.now_ms);
    if (until_ms) {
        enum status status = timers_set(&worker->timers, &worker->pause_end,
                                        worker->now_ms + (until_ms - worker->actor.now_ms) + CLOCK_OFFSET_WAIT_MS);
        ASSERT(status == STATUS_OK);
        return;
    }
    timers_clear(&worker->timers, &worker->pause_end);
    /* Publishers wait for inboxes; whoever empties the last full one wakes all. */
    if (atomic_load(&worker->server->inboxes_full))
        return;
    struct connection *older;
    for (struct connection *connection = worker->first; connection; connection = older) {
        older = connection->older;
        if (!connection->postponed || connection->state == CONNECTION_DEAD)
            continue;
        connection->postponed = false;
        worker->postponed--;
        connection_resume(connection);
    }
    batch_finish(worker);
}

void worker_resume_later(struct worker *worker, struct connection *connection) {
    if (connection->resuming)
        return;
    connection->resuming = true;
    connection->resume_next = worker->resume;
    worker->resume = connection;
}

/* One round; who is choked and relieved again meanwhile has its turn next time, so that others have theirs. */
static void resume_relieved(struct worker *worker) {
    struct connection *list = worker->resume, *next;
    worker->resume = NULL;
    for (struct connection *connection = list; connection; connection = next) {
        next = connection->resume_next;
        connection->resuming = false;
        if (connection->state != CONNECTION_OPEN)
            continue;
        connection->choked = false;
        connection_resume(connection);
    }
    if (list)
        batch_finish(worker);
}

/* --------------------------------------------------------- what comes by itself */

/* Looks at a share of the connections, so that each is seen once in WALK_MS. */
static void walk_connections(struct worker *worker) {
    uint32_t share = worker->count / (WALK_MS / TICK_MS) + 1;
    for (uint32_t i = 0; i < share; i++) {
        struct connection *connection = worker->walk ? worker->walk : worker->first;
        if (!connection)
            break;
        worker->walk = connection->older;
        connection_look_after(connection);
    }
    batch_finish(worker);
}

static void tick(struct worker *worker) {
    struct worker_counts *counts = &worker->counts;
    rate_look(&counts->commands_rate, counts->commands, worker->now_ms);
    rate_look(&counts->input_rate, counts->bytes_in, worker->now_ms);
    rate_look(&counts->output_rate, counts->bytes_out, worker->now_ms);
    walk_connections(worker);
    bool loading = server_is_loading(worker->server);
    if (worker->index == 0)
        audit_tick(worker);
    if (!loading)
        tracking_tick(worker);
    if (worker->index == 0 && !loading) {
        streaming_tick(worker);
        stats_note_memory(worker->server);
        secure_look(worker);
        users_tick(worker->server, worker->actor.now_ms);
        rules_tick(worker->server);
        if (worker->server->persist)
            rules_settle(worker->server);
        class_stats_tick(worker);
    }
    enum status status = timers_set(&worker->timers, &worker->tick, worker->now_ms + TICK_MS);
    ASSERT(status == STATUS_OK);
}

static void run_timers(struct worker *worker) {
    struct timer *due;
    while ((due = timers_take_due(&worker->timers, worker->now_ms))) {
        if (due == &worker->tick)
            tick(worker);
        else if (due == &worker->accept_again)
            watch_listeners_again(worker);
        /* pause_end only ends the sleep: look_at_pause comes every turn */
    }
}

static uint64_t housekeeping_every_ms(const struct worker *worker) {
    uint64_t every_ms = SETTING(worker->server, housekeeping_ms);
    return worker->housekeeping_more && every_ms > HURRY_MS ? HURRY_MS : every_ms;
}

/* A slice of at most 500 us, usually 150, once in the interval, or while there is more to do every HURRY_MS, busy or idle: a million
 * entries that expire together are 500 slices. An idle worker that did nothing else would take a processor from whoever is about to
 * ask: with all workers at it, a client waited for 5 ms in a hundred requests. */
static void keep_house(struct worker *worker) {
    uint64_t every_ms = housekeeping_every_ms(worker);
    if (worker->now_ms - worker->housekept_ms < every_ms)
        return;
    if (server_is_loading(worker->server)) { /* which keeps house itself */
        worker->housekept_ms = worker->now_ms;
        return;
    }
    /* What it removes is told of, and those who listen are behind. Writers wait as well, so nobody needs room meanwhile. */
    if (atomic_load_explicit(&worker->server->inboxes_full, memory_order_relaxed) && notify_publishing(worker->server))
        return;
    worker->housekept_ms = worker->now_ms;
    worker->housekeeping_more = cache_housekeep(worker->server->cache, &worker->actor);
    if (worker->server->env.tier)
        worker->housekeeping_more |= tiering_keep_house(worker);
    if (__builtin_expect(worker->changes.waiting, 0))
        changes_hand_on(worker);
}

/* ----------------------------------------------------------------- stopping */

/* Answers what has been received, then lets every client take its replies. */
static void begin_stop(struct worker *worker) {
    worker->stopping = SERVER_STOPS;
    worker->stop_until_ms = worker->now_ms + 1000ull * SETTING(worker->server, shutdown_timeout_s);
    /* Whoever is connected already, as far as it knows, may have sent something. */
    for (uint32_t i = 0; i < worker->listener_count && worker->listening; i++)
        accept_from(worker, &worker->listeners[i]);
    close_listeners(worker);
    uint64_t received = UINT64_MAX;
    for (int round = 0; round < STOP_ROUNDS_MAX && received != worker->counts.bytes_in; round++) {
        received = worker->counts.bytes_in;
        struct connection *older;
        for (struct connection *connection = worker->first; connection; connection = older) {
            older = connection->older;
            if (round == 0 || connection->bulky)
                connection_receive(connection);
        }
        batch_finish(worker);
        tiering_wait(worker);
    }
    struct connection *older;
    for (struct connection *connection = worker->first; connection; connection = older) {
        older = connection->older;
        bool recent = worker->now_ms - connection->active_ms < STOP_RECENT_MS;
        if (connection->state == CONNECTION_DEAD)
            continue;
        if (connection_unsent(connection) == 0 && !recent) {
            connection_close(connection);
        } else {
            connection_close_after_output(connection);
            connection_send(connection);
        }
    }
}

/* True when the worker may end. */
static bool look_at_stop(struct worker *worker) {
    int stop = atomic_load(&worker->server->stop);
    if (stop == SERVER_RUNS)
        return false;
    if (!worker->stopping)
        begin_stop(worker);
    if (worker->count == 0)
        return true;
    if (stop != SERVER_STOPS_NOW && worker->now_ms < worker->stop_until_ms)
        return false;
    if (stop != SERVER_STOPS_NOW)
        log_event(LOG_WARNING, "clients_cut_at_the_end",
                  LOG_FIELDS(log_number("worker", worker->index), log_number("clients", worker->count)),
                  "Worker %u closes %u clients that did not take their replies in time", worker->index, worker->count);
    while (worker->first)
        connection_close(worker->first);
    return true;
}

/* ----------------------------------------------------------------- the loop */

/* Takes closed connections off the list before they are freed. */
static void forget_dead(struct worker *worker) {
    struct connection **at = &worker->resume;
    while (*at) {
        if ((*at)->state == CONNECTION_DEAD || worker->stopping)
            *at = (*at)->resume_next;
        else
            at = &(*at)->resume_next;
    }
    at = &worker->secure.more;
    while (*at) {
        if ((*at)->state == CONNECTION_DEAD)
            *at = (*at)->more_next;
        else
            at = &(*at)->more_next;
    }
}

static uint64_t sleep_ms(struct worker *worker) {
    if (worker->resume || worker->secure.more || worker->inbox.own || worker->inbox.taken.size ||
        worker->mailbox.taken.size || streaming_is_ready(worker) || worker->tier.ready.first)
        return 0;
    uint64_t since_ms = worker->now_ms - worker->housekept_ms, every_ms = housekeeping_every_ms(worker);
    uint64_t most_ms = since_ms < every_ms ? every_ms - since_ms : 0, due_ms = leases_due(worker);
    uint64_t sync_ms = streaming_due(worker);
    due_ms = sync_ms < due_ms ? sync_ms : due_ms;
    if (due_ms < worker->now_ms + most_ms)
        most_ms = due_ms > worker->now_ms ? due_ms - worker->now_ms : 0;
    if (worker->streaming.beats.count)
        most_ms = timers_wait_ms(&worker->streaming.beats, worker->now_ms, most_ms);
    return timers_wait_ms(&worker->timers, worker->now_ms, most_ms);
}

/* Not told to be done while another load is waited for. */
static void reload(struct worker *worker) {
    struct server *server = worker->server;
    rules_load_file(worker);
    if (atomic_load(&server->rules_asked_for)) /* another load is under way */
        return;
    struct cmd_rules_loads loads;
    rules_api_loads(&server->api, &loads);
    audit_reloaded(worker, !loads.failed);
    manager_tell_reloaded(server);
}

void worker_run(void *context) {
    struct worker *worker = context;
    struct loop_event events[EVENTS_MAX];
    pthread_mutex_lock(&worker->turn);
    current = worker;
    for (bool done = false; !done;) {
        uint64_t wait_ms = sleep_ms(worker);
        bool woken;
        pthread_mutex_unlock(&worker->turn);
        uint32_t count = loop_wait(worker->loop, wait_ms, events, EVENTS_MAX, &woken);
        pthread_mutex_lock(&worker->turn);

        uint64_t begin = clock_ticks();
        worker->now_ms = clock_steady_ms();
        worker->actor.now_ms = clock_unix_ms();
        worker->secure.shaken = 0;
        handle_events(worker, events, count);
        if (__builtin_expect(worker->secure.more != NULL, 0))
            secure_read_more(worker);
        run_timers(worker);
        if (woken)
            monitor_hand_out(worker);
        if (inbox_is_waiting(&worker->inbox) || mailbox_is_waiting(&worker->mailbox))
            pubsub_hand_out(worker);
        if (streaming_is_waiting(&worker->streaming))
            streaming_hand_out(worker);
        if (worker->streaming.beats.count)
            streaming_beat(worker);
        leases_look(worker);
        streaming_look(worker);
        if (worker->tier.ready.first)
            tiering_look(worker);
        if (worker->persistence.first)
            persistence_look(worker);
        close_killed(worker);
        look_at_pause(worker);
        if (worker->index == 0 && server_is_loading(worker->server))
            persistence_finish(worker);
        else if (worker->index == 0 && atomic_exchange(&worker->server->rules_asked_for, false))
            reload(worker);
        if (__builtin_expect(worker->changes.waiting, 0))
            changes_hand_on(worker);
        done = look_at_stop(worker);
        if (!worker->stopping)
            resume_relieved(worker);
        if (worker->inbox.outputs)
            pubsub_send(worker);
        forget_dead(worker);
        connection_free_dead(worker);
        tiering_submit(worker);
        keep_house(worker);
        worker->counts.loop_turns++;
        worker->counts.loop_ticks += clock_ticks() - begin;
    }
    connection_free_dead(worker);
    current = NULL;
    pthread_mutex_unlock(&worker->turn);
    atomic_fetch_add(&worker->server->ended, 1);
}
