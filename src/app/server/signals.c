#include "app/server/signals.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/server/audit.h"
#include "app/server/manager.h"
#include "app/server/rules.h"
#include "app/server/worker.h"
#include "sys/os/log.h"

enum status signals_take(struct server *server) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, &server->signals_before);
    signal(SIGPIPE, SIG_IGN);
    server->signals_taken = true;
    server->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    server->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return server->signal_fd >= 0 && server->stop_fd >= 0 ? STATUS_OK : STATUS_IO;
}

void signals_watch_rules(struct server *server) {
    const struct config_values *values = &server->config.values;
    if (values->rules_watch && values->rules[0] && watch_open(values->rules, &server->rules_watch) != STATUS_OK)
        log_warning("Cannot watch the rules in %s: %s", values->rules, strerror(errno));
}

static void ask_for_rules(struct server *server) {
    atomic_store(&server->rules_asked_for, true);
    loop_wake(server->workers[0]->loop);
}

/* Something has happened in the folder of the watched file. */
static void look_at_file(struct server *server) {
    bool was_gone = server->rules_watch.gone;
    if (watch_look(&server->rules_watch))
        ask_for_rules(server);
    else if (!was_gone && server->rules_watch.gone)
        rules_file_gone(server);
}

/* Whoever rotates logs has moved the file away. */
static void reopen_log(void) {
    if (log_reopen() != STATUS_OK)
        log_warning("Cannot open the log again, and go on with the one before: %s", strerror(errno));
}

static void take_signal(struct server *server) {
    struct signalfd_siginfo signal_info;
    if (read(server->signal_fd, &signal_info, sizeof signal_info) != sizeof signal_info)
        return;
    if (signal_info.ssi_signo == SIGHUP) {
        reopen_log();
        manager_tell_reloading(server);
        ask_for_rules(server);
        return;
    }
    bool again = atomic_load(&server->stop) != SERVER_RUNS;
    if (again && signal_info.ssi_signo == SIGINT) {
        log_warning("Second interrupt: stopping at once");
        _exit(1);
    }
    const char *name = signal_info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
    audit_signal(server, name);
    log_event(LOG_NOTICE, "stopping", LOG_FIELDS(log_text("cause", name)), "Received %s, stopping", name);
    server_request_stop(server, SERVER_STOPS);
}

void signals_wait(struct server *server) {
    struct pollfd ready[3] = {{.fd = server->signal_fd, .events = POLLIN},
                              {.fd = server->stop_fd, .events = POLLIN},
                              {.fd = server->rules_watch.fd, .events = POLLIN}};
    if (poll(ready, 3, -1) <= 0)
        return;
    if (ready[0].revents)
        take_signal(server);
    if (ready[2].revents)
        look_at_file(server);
}

void signals_look(struct server *server, int wait_ms) {
    struct pollfd ready = {.fd = server->signal_fd, .events = POLLIN};
    if (poll(&ready, 1, wait_ms) > 0)
        take_signal(server);
}

void signals_give_back(struct server *server) {
    watch_close(&server->rules_watch);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    if (server->signal_fd >= 0)
        close(server->signal_fd);
    if (server->signals_taken)
        pthread_sigmask(SIG_SETMASK, &server->signals_before, NULL);
}
