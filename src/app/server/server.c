#include "app/server/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/server/audit.h"
#include "app/server/calls.h"
#include "app/server/class_stats.h"
#include "app/server/history.h"
#include "app/server/image.h"
#include "app/server/kept.h"
#include "app/server/leases.h"
#include "app/server/listeners.h"
#include "app/server/manager.h"
#include "app/server/persistence.h"
#include "app/server/placing.h"
#include "app/server/pubsub.h"
#include "app/server/rules.h"
#include "app/server/run.h"
#include "app/server/secure.h"
#include "app/server/server_cache.h"
#include "app/server/settings.h"
#include "app/server/signals.h"
#include "app/server/streaming.h"
#include "app/server/tiering.h"
#include "app/server/tracking.h"
#include "app/server/users.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/process.h"
#include "sys/os/random.h"

enum { TICKS_MEASURE_US = 10000 };

/* -------------------------------------------------------------------- start */

static void make_run_id(char ret_id[41]) {
    uint8_t bytes[20];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(ret_id + 2 * i, 3, "%02x", bytes[i]);
}

static struct server *make_server(const struct config *config) {
    struct server *server = memory_take(&memory_libc, sizeof *server);
    if (!server)
        return NULL;
    memset(server, 0, sizeof *server);
    server->pubsub = pubsub_new(random_u64());
    server->leases = leases_new(server, random_u64());
    server->tracking = tracking_new(random_u64());
    server->streaming = streaming_new(server);
    if (!server->pubsub || !server->leases || !server->tracking || !server->streaming ||
        history_start(server) != STATUS_OK || class_stats_start(server) != STATUS_OK) {
        class_stats_stop(server);
        history_stop(server);
        streaming_free(server->streaming);
        pubsub_free(server->pubsub);
        leases_free(server->leases);
        tracking_free(server->tracking);
        memory_give(&memory_libc, server, sizeof *server);
        return NULL;
    }
    server->api.api = &server_calls;
    server->config = *config;
    snprintf(server->config_file, sizeof server->config_file, "%s", config->file);
    snprintf(server->unix_path, sizeof server->unix_path, "%s", config->values.unixsocket);
    server->has_stores = config->stores.count > 0;
    snprintf(server->acl_path, sizeof server->acl_path, "%s", config->values.aclfile);
    snprintf(server->rules_path, sizeof server->rules_path, "%s", config->values.rules);
    image_init(server);
    server->stop_fd = server->signal_fd = server->rules_watch.fd = server->directory.fd = -1;
    pthread_mutex_init(&server->config_lock, NULL);
    pthread_mutex_init(&server->users_lock, NULL);
    pthread_mutex_init(&server->logs_lock, NULL);
    pthread_mutex_init(&server->errors_lock, NULL);
    pthread_mutex_init(&server->changes_lock, NULL);
    pthread_mutex_init(&server->rules_lock, NULL);
    pthread_mutex_init(&server->rules_loads_lock, NULL);
    kept_init(server);
    for (int log = 0; log < CMD_LOGS; log++) /* their limits come by settings_settle */
        slowlog_init(&server->command_logs[log], &memory_libc, 0);
    latency_init(&server->latency);
    server->worker_count = (uint32_t)config->values.threads;
    server->started_ms = clock_unix_ms();
    server->ticks_per_us = clock_ticks_per_us(TICKS_MEASURE_US);
    server->timed_apart_ticks = settings_ticks(server, TIMED_APART_US);
    make_run_id(server->run_id);
    process_executable(server->executable, sizeof server->executable);
    process_system_name(server->system, sizeof server->system);
    return server;
}

enum status server_rules_start(struct server *server) {
    TRY(rules_start(server));
    streaming_start(server);
    return STATUS_OK;
}

static enum status start_all(struct server *server) {
    if (server->worker_count == 0 || server->worker_count > SERVER_WORKERS_MAX)
        return STATUS_INVALID;
    TRY(signals_take(server));
    TRY(users_start(server));
    settings_settle(server);
    settings_allow_clients(server);
    TRY(secure_start(server));
    TRY(audit_start(server));
    TRY(persistence_lock(server));
    TRY(server_cache_open(server));
    server->env = (struct cmd_env){.cache = server->cache,
                                   .server = &server->api,
                                   .run_queued = run_queued,
                                   .refuse_queued = audit_refused_queued,
                                   .note_keys = tracking_note};
    for (uint32_t i = 0; i < server->worker_count; i++)
        TRY(worker_new(server, i, &server->workers[i]));
    TRY(persistence_start(server));
    TRY(tiering_open(server));
    if (!server_is_loading(server))
        TRY(tiering_begin(server, &server->workers[0]->actor));
    signals_watch_rules(server); /* before they are read: a change in between is read again */
    TRY(server_is_loading(server) ? rules_look(server) : server_rules_start(server));
    TRY(listeners_open(server));
    const char *pid_path = server->config.values.pidfile;
    if (pid_path[0]) {
        if (process_id_file_write(pid_path) != STATUS_OK) {
            log_warning("Cannot write the pid file %s: %s", pid_path, strerror(errno));
            return STATUS_IO;
        }
        server->pid_written = true;
    }
    for (uint32_t i = 0; i < server->worker_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "worker-%u", i);
        TRY(thread_start(&server->workers[i]->thread, name, worker_run, server->workers[i]));
        server->started_count++;
    }
    return persistence_load(server);
}

enum status server_start(const struct config *config, struct server **ret_server) {
    struct server *server = make_server(config);
    if (!server)
        return STATUS_NO_MEMORY;
    enum status status = start_all(server);
    if (status != STATUS_OK) {
        server_free(server);
        return status;
    }
    if (!config->values.appendonly && !config->values.memory_file[0]) /* else when all is there */
        manager_tell_ready(server);
    *ret_server = server;
    return STATUS_OK;
}

bool server_check(const struct config *config, struct buf *reason) {
    char text[TLS_REASON_SIZE];
    if (!users_check(&config->values, reason) || !audit_check(&config->values, reason))
        return false;
    if (secure_check(&config->values, text))
        return true;
    MAYBE(buf_printf(reason, "%s", text) != STATUS_OK);
    return false;
}

bool server_is_whole(const struct server *server) { return atomic_load(&server->load.state) != SERVER_NOT_LOADED; }

uint16_t server_port(const struct server *server) { return server->tcp_port; }

uint16_t server_tls_port(const struct server *server) { return server->tls_port; }

/* --------------------------------------------------------------------- stop */

void server_request_stop(struct server *server, enum server_stop how) {
    int before = SERVER_RUNS;
    /* Only ever towards a quicker stop. */
    while (before < (int)how && !atomic_compare_exchange_weak(&server->stop, &before, (int)how))
        ;
    uint64_t one = 1;
    ssize_t written = write(server->stop_fd, &one, sizeof one);
    MAYBE(written < 0);
    for (uint32_t i = 0; i < server->worker_count; i++)
        loop_wake(server->workers[i]->loop);
}

void server_stop(struct server *server) { server_request_stop(server, SERVER_STOPS); }

void server_wait(struct server *server) {
    while (atomic_load(&server->stop) == SERVER_RUNS)
        signals_wait(server);
    manager_tell_stopping();
}

/* Waits for the workers, still listening for a second interrupt. */
static void join_workers(struct server *server) {
    enum { LOOK_MS = 10 };
    server_request_stop(server, SERVER_STOPS);
    while (atomic_load(&server->ended) < server->started_count)
        signals_look(server, LOOK_MS);
    for (uint32_t i = 0; i < server->started_count; i++)
        thread_join(&server->workers[i]->thread);
    server->started_count = 0;
}

void server_free(struct server *server) {
    if (!server)
        return;
    bool ran = server->started_count > 0;
    if (ran)
        join_workers(server);
    persistence_end(server);
    tiering_end(server); /* nobody else is in the cache */
    for (uint32_t i = 0; i < server->worker_count; i++)
        worker_free(server->workers[i]);
    audit_stop(server);
    users_stop(server);
    secure_stop(server);
    rules_stop(server);
    placing_stop(server);
    pubsub_free(server->pubsub);
    tracking_free(server->tracking);
    leases_free(server->leases);
    class_stats_stop(server);
    streaming_free(server->streaming);
    history_stop(server);
    if (server->unix_open)
        unlink(server->config.values.unixsocket);
    if (server->pid_written)
        unlink(server->config.values.pidfile);
    image_close(server);
    for (int log = 0; log < CMD_LOGS; log++)
        slowlog_fini(&server->command_logs[log]);
    pthread_mutex_destroy(&server->config_lock);
    pthread_mutex_destroy(&server->users_lock);
    pthread_mutex_destroy(&server->logs_lock);
    pthread_mutex_destroy(&server->errors_lock);
    pthread_mutex_destroy(&server->changes_lock);
    pthread_mutex_destroy(&server->rules_lock);
    pthread_mutex_destroy(&server->rules_loads_lock);
    kept_fini(server);
    signals_give_back(server);
    memory_give(&memory_libc, server, sizeof *server);
    if (ran)
        log_event(LOG_NOTICE, "stopped", NULL, "Strata has stopped");
}
