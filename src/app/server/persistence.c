#include "app/server/persistence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/persist/persist.h"
#include "app/server/kept.h"
#include "app/server/manager.h"
#include "app/server/rules.h"
#include "app/server/run.h"
#include "app/server/tiering.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/service.h"
#include "sys/os/thread.h"
#include "sys/wal/lanes.h"

static enum wal_mode mode_of(const struct config_values *values) {
    static const enum wal_mode modes[] = {
        [CONFIG_APPENDFSYNC_ALWAYS] = WAL_ALWAYS,
        [CONFIG_APPENDFSYNC_EVERYSEC] = WAL_INTERVAL,
        [CONFIG_APPENDFSYNC_NO] = WAL_NO,
    };
    return modes[values->appendfsync];
}

/* ------------------------------------------------------------------------------------------ what the log tells */

static void wake_worker(void *context) { loop_wake(((struct worker *)context)->loop); }

static void wake_all(struct server *server) {
    for (uint32_t i = 0; i < server->worker_count; i++)
        loop_wake(server->workers[i]->loop);
}

static void on_staged(void *context, uint32_t actor, uint64_t lsn) {
    struct server *server = context;
    if (actor > server->worker_count)
        return;
    server->workers[actor - 1]->changes.waiting = true; /* so that it looks after the command */
    kept_staged(server->workers[actor - 1], lsn);
}

static void on_behind(void *context, bool waits) {
    struct server *server = context;
    atomic_store(&server->log_behind, waits);
    if (waits) {
        atomic_fetch_add(&server->inboxes_full, 1);
    } else {
        atomic_fetch_sub(&server->inboxes_full, 1);
        wake_all(server);
    }
}

/* What is asked before commands is settled by the first worker once a tick as well, should another have settled it meanwhile. */
static void on_refuses(void *context, bool refuses) {
    struct server *server = context;
    atomic_store(&server->log_refuses, refuses);
    if (refuses)
        atomic_fetch_or(&server->env.asked, CMD_ASK_LOG);
    else
        atomic_fetch_and(&server->env.asked, ~(uint32_t)CMD_ASK_LOG);
    if (refuses)
        log_event(LOG_WARNING, "writes_refused", NULL, "The log takes no writes: they are refused until it does again");
    else
        log_event(LOG_NOTICE, "writes_accepted", NULL, "The log takes writes again");
}

static void on_saved(void *context) { wake_all(context); }

static struct persist_pace pace_of(const struct config_values *values) {
    struct persist_pace pace = {.count = values->save.count, .bytes_per_second = values->snapshot_max_rate_bytes};
    static_assert((int)CONFIG_SAVE_POINTS_MAX == (int)PERSIST_POINTS_MAX, "all of them");
    snprintf(pace.backup_folder, sizeof pace.backup_folder, "%s", values->backup_dir);
    pace.backup_seconds = (uint64_t)values->backup_interval_s;
    pace.backups_kept = (uint32_t)values->backups_kept;
    for (uint32_t i = 0; i < pace.count; i++) {
        pace.points[i].seconds = (uint64_t)values->save.each[i].seconds;
        pace.points[i].changes = (uint64_t)values->save.each[i].changes;
    }
    return pace;
}

/* ------------------------------------------------------------------------------------------ begin and end */

static enum status lock_directory(struct server *server) {
    int owner = 0;
    enum status status = directory_open(".", false, &server->directory);
    if (status != STATUS_OK) {
        server->directory.fd = -1;
        log_warning("The directory of the log, `dir` %s, cannot be opened: %s", server->config.values.dir,
                    strerror(errno));
        return status;
    }
    status = directory_lock(&server->directory, &owner);
    if (status == STATUS_BUSY)
        log_warning("Another server keeps what it holds in this directory: process %d. Give this one another `dir`",
                    owner);
    else if (status != STATUS_OK)
        log_warning("The directory of the log, `dir` %s, cannot be written: %s", server->config.values.dir,
                    strerror(errno));
    return status;
}

static void tell_loaded(struct server *server) {
    struct persist_facts facts;
    uint64_t keys = 0;
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        keys += cache_count(server->cache, db);
    persist_facts(server->persist, &facts);
    log_event(LOG_NOTICE, "loaded",
              LOG_FIELDS(log_number("records", facts.loaded_records), log_number("ms", facts.loaded_ms),
                         log_number("keys", keys)),
              "Loaded %llu records in %llu ms: %llu keys", (unsigned long long)facts.loaded_records,
              (unsigned long long)facts.loaded_ms, (unsigned long long)keys);
    if (facts.loaded_below || facts.loaded_below_lost)
        log_event(LOG_NOTICE, "tier_loaded",
                  LOG_FIELDS(log_number("keys", facts.loaded_below), log_number("lost", facts.loaded_below_lost)),
                  "%llu keys are in the warm tier; %llu that were there are lost",
                  (unsigned long long)facts.loaded_below, (unsigned long long)facts.loaded_below_lost);
    if (facts.loaded_entries_lost)
        log_event(LOG_WARNING, "entries_lost", LOG_FIELDS(log_number("entries", facts.loaded_entries_lost)),
                  "%llu entries found no room in maxmemory", (unsigned long long)facts.loaded_entries_lost);
}

static void fail_to_load(struct server *server) {
    atomic_store(&server->load.state, SERVER_NOT_LOADED);
    server_request_stop(server, SERVER_STOPS_NOW);
}

static bool is_numbered(const char *name, const char *begin) {
    size_t size = strlen(begin);
    return strncmp(name, begin, size) == 0 && strlen(name) == size + 10 && strspn(name + size, "0123456789") == 10;
}

static enum status note_kept(void *visitor, const char *name) {
    bool *found = visitor;
    *found |= is_numbered(name, "log-") || is_numbered(name, "snapshot-");
    return STATUS_OK;
}

/* Whoever starts on a backup, or has lost a line of the configuration, would wonder why everything is gone. */
static void tell_unread(void) {
    struct directory directory;
    bool found = false;
    if (directory_open(".", false, &directory) != STATUS_OK)
        return;
    enum status status = directory.files.list(directory.files.context, note_kept, &found);
    directory_close(&directory);
    if (status == STATUS_OK && found)
        log_warning("There is a log or a snapshot in `dir`, of which nothing is read: that takes `appendonly yes`");
}

enum status persistence_lock(struct server *server) {
    if (!server->config.values.appendonly && server->config.values.save.count)
        log_warning("`save` does nothing without `appendonly yes`: nothing is kept on disk");
    if (!server->config.values.appendonly) {
        tell_unread();
        return STATUS_OK;
    }
    if (server->worker_count >= LANES_MAX) {
        log_warning("With appendonly there are %d threads at most", LANES_MAX - 1);
        return STATUS_INVALID;
    }
    return lock_directory(server);
}

enum status persistence_start(struct server *server) {
    if (!server->config.values.appendonly && !server->image.used)
        return STATUS_OK;
    server->load.begun_ms = clock_unix_ms();
    server->load.actor.id = server->worker_count + 1; /* that of whoever saves, later */
    atomic_store(&server->load.state, SERVER_LOADING);
    changes_hold(server, true); /* what is loaded is no change that anybody is to hear of */
    rules_settle(server);
    return STATUS_OK;
}

static void load(void *context) {
    struct server *server = context;
    const struct config_values *values = &server->config.values;
    const struct persist_options options = {
        .files = &server->directory.files,
        .cache = server->cache,
        .actor = &server->load.actor,
        .actors = server->worker_count,
        .mode = mode_of(values),
        .interval_ms = (uint32_t)values->appendfsync_interval_ms,
        .rewrite_min_bytes = values->auto_aof_rewrite_min_size_bytes,
        .rewrite_percent = (uint32_t)values->auto_aof_rewrite_percentage,
        .pace = pace_of(values),
        .user = {.staged = on_staged,
                 .behind = on_behind,
                 .refuses = on_refuses,
                 .saved = on_saved,
                 .note = kept_note,
                 .lay_in = kept_lay_in,
                 .beside = kept_beside,
                 .notes = kept_notes,
                 .settled = kept_settled,
                 .context = server},
        .tier = tiering_kept(server),
        .progress = &server->load.progress,
        .image = server->image.file.log,
    };
    char reason[PERSIST_REASON_SIZE];
    enum status status = persist_load(&options, &server->load.persist, reason);
    if (status == STATUS_OK) {
        atomic_store(&server->load.state, SERVER_TO_FINISH);
        loop_wake(server->workers[0]->loop);
        return;
    }
    if (atomic_load(&server->load.progress.ends)) /* it is to stop */
        return;
    log_event(LOG_WARNING, "load_failed", LOG_FIELDS(log_text("problem", reason)), "What was kept cannot be loaded: %s",
              reason);
    fail_to_load(server);
}

enum status persistence_load(struct server *server) {
    if (!server_is_loading(server))
        return STATUS_OK;
    if (!server->config.values.appendonly) {
        atomic_store(&server->load.state, SERVER_TO_FINISH);
        loop_wake(server->workers[0]->loop);
        return STATUS_OK;
    }
    if (!server->image.attached)
        log_notice("Loading what was kept");
    MAYBE(service_tell("STATUS=Loading what was kept") != STATUS_OK);
    server->image.untouched = false;
    TRY(thread_start(&server->load.thread, "strata-load", load, server));
    server->load.runs = true;
    return STATUS_OK;
}

/* The log is open. The other workers do nothing meanwhile. */
static enum status begin(struct server *server, struct worker *worker) {
    while (worker_stop_others(worker) == STATUS_BUSY) /* nobody stays away: no command that waits is run */
        ;
    server->image.untouched = false;
    server->persist = server->load.persist;
    server->load.persist = NULL;
    for (uint32_t i = 0; server->persist && i < server->worker_count; i++) {
        struct worker *each = server->workers[i];
        each->actor.noted.lsn = 0;
        each->persistence.watcher = (struct wal_watcher){.call = wake_worker, .context = each};
        wal_watch(persist_log(server->persist), &each->persistence.watcher);
    }
    kept_hold(server);
    enum status status = server->persist ? persist_begin(server->persist, &worker->actor) : STATUS_OK;
    if (status == STATUS_OK)
        persistence_settle(server); /* the configuration may have changed while it was loaded */
    changes_hold(server, false);
    if (status == STATUS_OK)
        status = tiering_begin(server, &worker->actor);
    if (status == STATUS_OK)
        status = server_rules_start(server);
    worker_let_others_go(worker);
    return status;
}

void persistence_finish(struct worker *worker) {
    struct server *server = worker->server;
    int state = atomic_load(&server->load.state);
    if ((state != SERVER_TO_FINISH && state != SERVER_SETTLING) || worker->stopping)
        return;
    if (state == SERVER_TO_FINISH) {
        if (begin(server, worker) != STATUS_OK) {
            fail_to_load(server);
            return;
        }
        rules_hold(worker);
        kept_start(server);
        if (server->persist)
            tell_loaded(server);
        atomic_store(&server->load.state, SERVER_SETTLING);
    }
    if (server->persist && persist_is_settling(server->persist)) /* whoever saves wakes all workers when that is over */
        return;
    atomic_store(&server->load.state, SERVER_LOADED);
    rules_settle(server);
    manager_tell_ready(server);
}

/* Snapshots are wanted, or SHUTDOWN has said so. Whoever stops at once does not wait for one. */
static bool is_saved_last(const struct server *server) {
    int saves = atomic_load(&server->saves_last);
    bool begun = !server_is_loading(server);
    return begun && (saves == CMD_SAVE_YES || (saves == CMD_SAVE_AS_SET && server->config.values.save.count &&
                                               atomic_load(&server->stop) == SERVER_STOPS));
}

static void end_loading(struct server *server) {
    struct server_load *load = &server->load;
    atomic_store(&load->progress.ends, true);
    if (load->runs)
        thread_join(&load->thread);
    load->runs = false;
    MAYBE(persist_close(load->persist, &load->actor) != STATUS_OK);
    load->persist = NULL;
}

void persistence_end(struct server *server) {
    end_loading(server);
    image_rest(server);
    if (server->persist) {
        for (uint32_t i = 0; i < server->worker_count; i++)
            wal_unwatch(persist_log(server->persist), &server->workers[i]->persistence.watcher);
        if (is_saved_last(server) && persist_save_last(server->persist) != STATUS_OK)
            log_warning("The snapshot at the end has failed; the log has everything");
        struct actor *actor = &server->workers[0]->actor;
        struct server_image *image = &server->image;
        if (image->keeps)
            image->spoiled = persist_image_mark(server->persist, actor, &image->file.log) != STATUS_OK;
        if (persist_close(server->persist, actor) != STATUS_OK) {
            log_warning("Not all of the log is on disk: the last records could not be flushed");
            image->spoiled = true;
        }
        server->persist = NULL;
    }
    if (server->directory.fd >= 0)
        directory_close(&server->directory);
    server->directory.fd = -1;
}

void persistence_worker_ends(struct worker *worker) {
    if (worker->server->cache)
        cache_journal_forget(worker->server->cache, &worker->actor);
}

void persistence_settle(struct server *server) {
    const struct config_values *values = &server->config.values;
    if (!server->persist)
        return;
    persist_mode_set(server->persist, mode_of(values), (uint32_t)values->appendfsync_interval_ms);
    persist_rewrite_set(server->persist, values->auto_aof_rewrite_min_size_bytes,
                        (uint32_t)values->auto_aof_rewrite_percentage);
    const struct persist_pace pace = pace_of(values);
    persist_pace_set(server->persist, &pace);
}

void persistence_stand_still(struct server *server) {
    if (server->persist)
        persist_stand_still(server->persist);
}

void persistence_go_on(struct server *server) {
    if (server->persist)
        persist_go_on(server->persist);
}

/* ------------------------------------------------------------------------------------------ who waits */

static void list(struct connection *connection) {
    struct worker_persistence *persistence = &connection->worker->persistence;
    if (connection->log_listed)
        return;
    connection->log_listed = true;
    connection->log_next = NULL;
    if (!persistence->first)
        persistence->last = &persistence->first;
    *persistence->last = connection;
    persistence->last = &connection->log_next;
}

static void take_off(struct worker *worker, struct connection **at) {
    struct connection *connection = *at;
    *at = connection->log_next;
    if (worker->persistence.last == &connection->log_next)
        worker->persistence.last = at;
    connection->log_listed = false;
}

void persistence_connection_ends(struct connection *connection) {
    struct connection **at = &connection->worker->persistence.first;
    if (!connection->log_listed)
        return;
    while (*at != connection)
        at = &(*at)->log_next;
    take_off(connection->worker, at);
}

void persistence_note(struct worker *worker) {
    const struct cmd_client *client = worker->call.client;
    if (!client)
        return;
    struct connection *connection = client->connection;
    connection->log_lsn = connection->log_written = worker->actor.noted.lsn;
    worker->actor.noted.lsn = 0;
}

static enum wal_point point_now(const struct wal *wal) {
    return wal_mode_now(wal) == WAL_ALWAYS ? WAL_FLUSHED : WAL_WRITTEN;
}

static uint64_t reached(const struct wal *wal) {
    return point_now(wal) == WAL_FLUSHED ? wal_flushed(wal) : wal_written(wal);
}

bool persistence_holds(struct connection *connection) {
    struct worker *worker = connection->worker;
    struct persist *persist = worker->server->persist;
    struct wal *wal = persist_log(persist);
    if (connection->log_waits)
        return true;
    enum wal_point point = point_now(wal);
    if (point == WAL_WRITTEN && wal_written(wal) < connection->log_lsn)
        persist_write_out(persist);
    if (wal_wish(wal, &worker->persistence.watcher, point, connection->log_lsn)) {
        connection->log_lsn = 0;
        return false;
    }
    connection->log_waits = true;
    list(connection);
    return true;
}

/* Its command runs again. */
static bool command_is_due(const struct worker *worker, const struct connection *connection, uint64_t turns) {
    uint64_t now = connection->log_saves ? turns : wal_flushed(persist_log(worker->server->persist));
    return connection->log_until &&
           (now >= connection->log_until || (connection->log_due_ms && worker->now_ms >= connection->log_due_ms));
}

static void release(struct connection *connection) {
    connection->log_waits = false;
    connection->log_lsn = 0;
    if (connection->touched)
        batch_finish(connection->worker);
    if (connection->state == CONNECTION_DEAD)
        return;
    connection_send(connection);
    if (connection->choked && connection_unsent(connection) < OUTPUT_CHOKE_BYTES / 2)
        connection->choked = false;
    if (connection->state == CONNECTION_OPEN)
        connection_resume(connection);
}

/* The first that need not wait any more, taken off the list; NULL: there is none, and the log is asked for the lowest number. */
static struct connection *take_one(struct worker *worker, uint64_t turns, bool *ret_command) {
    struct wal *wal = persist_log(worker->server->persist);
    uint64_t now = reached(wal), lowest = UINT64_MAX, until = UINT64_MAX;
    for (struct connection **at = &worker->persistence.first; *at; at = &(*at)->log_next) {
        struct connection *connection = *at;
        *ret_command = command_is_due(worker, connection, turns);
        if (*ret_command || (connection->log_waits && connection->log_lsn <= now)) {
            bool stays = *ret_command ? connection->log_waits : connection->log_until != 0;
            if (!stays)
                take_off(worker, at);
            return connection;
        }
        if (connection->log_waits && connection->log_lsn < lowest)
            lowest = connection->log_lsn;
        if (connection->log_until && !connection->log_saves && connection->log_until < until)
            until = connection->log_until;
    }
    /* What is reached just now is seen by the next turn, which the wish makes come. */
    if (lowest != UINT64_MAX && wal_wish(wal, &worker->persistence.watcher, point_now(wal), lowest))
        loop_wake(worker->loop);
    if (until != UINT64_MAX && wal_wish(wal, &worker->persistence.watcher, WAL_FLUSHED, until))
        loop_wake(worker->loop);
    return NULL;
}

void persistence_look(struct worker *worker) {
    struct connection *connection;
    uint64_t turns = persist_turns(worker->server->persist);
    bool command;
    while ((connection = take_one(worker, turns, &command))) {
        if (command) {
            connection->log_until = 0;
            if (connection->touched)
                batch_finish(worker);
            if (connection->state == CONNECTION_OPEN && connection->blocked)
                connection_unblock(connection);
        } else {
            release(connection);
        }
    }
    batch_finish(worker);
}

/* ------------------------------------------------------------------------------------------ what commands ask for */

static void facts_of_log(struct server *server, struct cmd_persistence *ret_facts) {
    *ret_facts = (struct cmd_persistence){.saved_at_ms = server->started_ms};
    if (server_is_loading(server)) {
        ret_facts->enabled = server->config.values.appendonly; /* not to be changed while it runs */
        ret_facts->loading = true;
        ret_facts->loading_since_ms = server->load.begun_ms;
        ret_facts->loading_bytes = atomic_load(&server->load.progress.loaded_bytes);
        ret_facts->loading_total = atomic_load(&server->load.progress.total_bytes);
        return;
    }
    if (!server->persist)
        return;
    struct persist_facts facts;
    persist_facts(server->persist, &facts);
    *ret_facts = (struct cmd_persistence){
        .enabled = true,
        .refuses = facts.refuses,
        .behind = facts.behind,
        .saving = facts.saving,
        .error = facts.log.error,
        .saved_at_ms = facts.saved_at_ms ? facts.saved_at_ms : server->started_ms,
        .saving_since_ms = facts.saving_since_ms,
        .saving_done = facts.saving_done,
        .saving_total = facts.saving_total,
        .saving_bytes = facts.saving_bytes,
        .backed_up_at_ms = facts.backed_up_at_ms,
        .last_backup_failed = facts.last_backup_failed,
        .saves = facts.saves,
        .save_failures = facts.save_failures,
        .save_ms_last = facts.save_ms_last,
        .last_save_failed = facts.last_save_failed,
        .loaded_records = facts.loaded_records,
        .loaded_lost = facts.loaded_entries_lost,
        .saved_below = facts.below,
        .saved_below_left_out = facts.below_left_out,
        .loaded_ms = facts.loaded_ms,
        .cut_bytes = facts.cut_bytes,
        .saved_lsn = facts.saved_lsn,
        .staged_lsn = facts.log.staged_lsn,
        .written_lsn = facts.log.written_lsn,
        .flushed_lsn = facts.log.flushed_lsn,
        .log_bytes = facts.log_bytes,
        .snapshot_bytes = facts.snapshot_bytes,
        .files = facts.log.files,
        .flushes = facts.log.flushes,
        .flush_us_last = facts.log.flush_ns_last / 1000,
        .flush_us_max = facts.log.flush_ns_max / 1000,
    };
}

void persistence_api_facts(struct cmd_server *api, struct cmd_persistence *ret_facts) {
    struct server *server = server_of(api);
    facts_of_log(server, ret_facts);
    ret_facts->in_file = server->image.used;
    ret_facts->attached = server->image.attached;
    ret_facts->attach_us = server->image.took_us;
    ret_facts->why_not = server->image.file.why_not;
    const struct files *files = &server->directory.files;
    ret_facts->disk_known =
        server->directory.fd >= 0 && files->room(files->context, &ret_facts->disk_free_bytes) == STATUS_OK;
}

static void wait_for(struct cmd_client *client, bool saves, uint64_t until, uint64_t due_ms) {
    struct connection *connection = client->connection;
    connection->log_saves = saves;
    connection->log_until = until;
    connection->log_due_ms = due_ms;
    client->log_waited = true;
    list(connection);
}

enum status persistence_api_save(struct cmd_server *api, struct cmd_client *client, bool waits, bool *ret_done) {
    struct server *server = server_of(api);
    struct persist_facts facts;
    *ret_done = true;
    if (!server->persist)
        return STATUS_CLOSED;
    persist_facts(server->persist, &facts);
    if (client->log_waited) {
        client->log_waited = false;
        return facts.last_save_failed ? STATUS_IO : STATUS_OK;
    }
    if (!waits && facts.saving)
        return STATUS_BUSY;
    uint64_t turn = persist_save(server->persist);
    if (!waits)
        return STATUS_OK;
    *ret_done = false;
    wait_for(client, true, turn, 0);
    return STATUS_OK;
}

enum status persistence_api_wait(struct cmd_server *api, struct cmd_client *client, uint64_t wait_ms, bool *ret_done,
                                 bool *ret_flushed) {
    struct server *server = server_of(api);
    struct connection *connection = client->connection;
    *ret_done = true;
    *ret_flushed = false;
    if (!server->persist)
        return STATUS_CLOSED;
    struct wal *wal = persist_log(server->persist);
    *ret_flushed = wal_flushed(wal) >= connection->log_written;
    if (*ret_flushed || client->log_waited) {
        client->log_waited = false;
        return STATUS_OK;
    }
    if (wal_mode_now(wal) == WAL_NO)
        wal_rotate(wal); /* which flushes */
    *ret_done = false;
    wait_for(client, false, connection->log_written, wait_ms ? connection->worker->now_ms + wait_ms : 0);
    return STATUS_OK;
}
