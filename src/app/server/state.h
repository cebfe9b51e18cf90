/* app/server/state.h: what all workers of one server share.
 *
 * Threads: fields of `settings` and those marked atomic may be touched by anyone; the rest is written before the workers
 *          start and read afterwards.
 * Memory:  one allocation, freed by server_free after all workers have ended.
 */
#ifndef STRATA_APP_SERVER_STATE_H
#define STRATA_APP_SERVER_STATE_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "app/cmd/cmd.h"
#include "app/cmd/server_api.h"
#include "app/config/config.h"
#include "app/server/changes.h"
#include "app/server/image.h"
#include "app/server/kept.h"
#include "app/server/stats.h"
#include "core/auth/users.h"
#include "core/obs/latency.h"
#include "core/obs/slowlog.h"
#include "sys/os/files.h"
#include "sys/os/socket.h"
#include "sys/os/thread.h"
#include "sys/os/watch.h"

enum {
    SERVER_WORKERS_MAX = 256,
    SERVER_BIND_MAX = 16,
    RULES_BROKEN_MAX = 256,
    RULES_BROKEN_INVENTED = 64,    /* of these are for names that clients make up */
    SERVER_DESCRIPTORS_SPARE = 64, /* beside clients: listeners, epoll, log, ... */
};

enum server_stop { SERVER_RUNS, SERVER_STOPS, SERVER_STOPS_NOW };

/* What may be changed while the server runs; read with relaxed loads. */
struct settings {
    _Atomic uint32_t leases_max, lease_waiters_max;
    _Atomic uint32_t clients_max, timeout_s, keepalive_s, output_soft_s, shutdown_timeout_s, housekeeping_ms;
    _Atomic uint32_t pubsub_soft_s, stream_retention_s;
    _Atomic uint32_t events;                               /* enum config_event: keyspace notifications */
    _Atomic uint32_t ownership;                            /* enum cmd_ownership */
    _Atomic uint32_t certificate_names;                    /* enum config_tls_auth_clients_user */
    _Atomic uint64_t pubsub_hard_bytes, pubsub_soft_bytes; /* of clients that have subscribed to anything */
    _Atomic uint64_t query_limit_bytes, output_hard_bytes, output_soft_bytes, bulk_size_max;
    _Atomic uint64_t history_bytes;
    _Atomic uint64_t tracked_keys_max; /* 0: any number */
    _Atomic uint64_t search_max;       /* keys of a database in which patterns are looked for */
    _Atomic uint64_t slow_ticks;       /* commands of at least so many ticks enter the slow log; UINT64_MAX: none */
    _Atomic uint64_t latency_ticks;    /* the same for LATENCY */
    _Atomic uint64_t large_request_bytes, large_reply_bytes; /* the same for logs of what is large */
    atomic_bool password_set, protected_mode;
};

/* Loading what was kept, beside the workers. */
enum server_loading { SERVER_LOADED, SERVER_LOADING, SERVER_TO_FINISH, SERVER_SETTLING, SERVER_NOT_LOADED };

struct server_load {
    _Atomic int
        state; /* enum server_loading. TO_FINISH: the first worker does the rest; SETTLING: and waits for a snapshot; NOT_LOADED: it has failed, the log says why */
    struct thread thread;
    bool runs; /* the thread */
    struct actor actor;
    struct persist *persist; /* until it is finished */
    struct persist_progress progress;
    uint64_t begun_ms; /* Unix time */
};

struct worker;
struct pubsub;
struct tracking;
struct server_leases;
struct server_streaming;
struct server_history;
struct class_walk;
struct rules_in_force;
struct placement;
struct persist;
struct server_tier;
struct server_secure;
struct server_audit;

struct server {
    struct cmd_server api; /* first: commands see only this part */
    struct cmd_env env;
    struct cache *cache;
    void *range;
    uint64_t range_size;
    struct settings settings;

    struct worker *workers[SERVER_WORKERS_MAX];
    uint32_t worker_count;

    _Atomic uint64_t client_id_last;
    _Atomic uint32_t clients;       /* connections open, of all workers */
    _Atomic uint32_t insiders;      /* of these, from within the process (inside.h) */
    _Atomic uint32_t insiders_ever; /* each worker gets one in its turn */
    _Atomic uint64_t users_version; /* counts changes of users */
    _Atomic uint32_t monitors;
    _Atomic uint32_t observers;      /* the same number, and bits of audit.h */
    _Atomic uint64_t pause_until_ms; /* 0: no pause */
    _Atomic uint32_t inboxes_full;   /* workers that are behind with messages: who publishes waits */
    atomic_bool pause_writes_only;
    _Atomic int stop;       /* enum server_stop */
    _Atomic int saves_last; /* enum cmd_save_last: a snapshot at the end */
    int stop_fd;            /* an eventfd on which server_wait sleeps */
    int signal_fd;
    sigset_t signals_before;
    bool signals_taken, unix_open, pid_written;
    uint32_t started_count; /* workers whose threads were started */
    _Atomic uint32_t ended; /* of these, how many have left their loop */

    uint16_t tcp_port, tls_port; /* 0: none */
    uint64_t started_ms;
    char run_id[41];
    double ticks_per_us;
    uint64_t timed_apart_ticks; /* TIMED_APART_US */

    struct auth_users users; /* under users_lock once the workers run (users.h) */
    pthread_mutex_t users_lock;
    char acl_path[1024]; /* empty: there is no file */

    struct pubsub *pubsub;
    struct tracking *tracking;

    struct rules_in_force *rules; /* under rules_lock once the workers run; workers have pointers of their own */
    struct placement *placement;  /* the same: which keys go to which stores; NULL: no rules have said so yet */
    pthread_mutex_t rules_lock;
    pthread_mutex_t rules_loads_lock;          /* of what follows; nothing else is done while it is held */
    struct cmd_rules_loads rules_loads;        /* what came of them */
    struct rules_in_force *rules_retired;      /* those before, until no command goes by them */
    _Atomic uint32_t asked;                    /* enum cmd_ask: by the rules in force, whatever the setting is */
    _Atomic uint64_t broken[RULES_BROKEN_MAX]; /* what the log has told of: class and service; 0: room */
    _Atomic bool rules_asked_for;              /* SIGHUP, or the file has changed: it is to be read again */
    atomic_bool reload_told;                   /* by SIGHUP, and the service manager waits to hear that it is done */
    struct watch rules_watch;                  /* fd -1: not watched */
    pthread_mutex_t changes_lock;
    uint32_t changes_wanted[CHANGES_WATCHERS]; /* under changes_lock */
    bool changes_held;                         /* the same: nobody is told of any */
    _Atomic uint32_t changes_to_leases;        /* the same */
    _Atomic uint32_t changes_noted;            /* what any watcher wants */

    struct server_image image;  /* the cache's memory, if that outlives the server */
    struct kept kept;           /* what is kept beside entries */
    struct persist *persist;    /* NULL: nothing is kept on disk */
    struct server_load load;    /* how that was, or is being, loaded */
    struct directory directory; /* in which it is kept; fd -1: none */
    atomic_bool log_refuses;    /* writes, at present */
    atomic_bool log_behind;     /* writers wait; counted in inboxes_full as well */

    struct server_tier *tier;                                                       /* NULL: there is none */
    uint64_t hash_seed;                                                             /* the cache's */
    struct server_secure *secure;                                                   /* NULL: no TLS */
    struct server_audit *audit;                                                     /* NULL: there is no audit log */
    void (*_Atomic http_counts)(void *context, struct cmd_http_counts *ret_counts); /* NULL: no HTTP */
    void *http_context;

    struct server_leases *leases;
    struct server_streaming *streaming;
    struct server_history *history;
    struct class_walk *class_walk;

    pthread_mutex_t config_lock;
    struct config config; /* under config_lock once the workers run */
    char config_file[CONFIG_PATH_MAX + 1], unix_path[108], rules_path[1024]; /* copies that need no lock */
    bool has_stores; /* described by the configuration; another such copy */
    char executable[1024], system[128];

    pthread_mutex_t logs_lock;
    struct slowlog command_logs[CMD_LOGS];
    struct latency_monitor latency;

    _Atomic uint64_t memory_peak_bytes;
    _Atomic uint64_t denied[4]; /* by enum auth_reason */
    pthread_mutex_t errors_lock;
    struct error_count errors[STATS_ERROR_CODES_MAX];
    uint32_t error_count;
};

static inline struct server *server_of(struct cmd_server *api) { return (struct server *)api; }

/* Rules, and what goes by them. While nobody else runs. */
MUST_CHECK enum status server_rules_start(struct server *server);
/* Begins the stop that the workers will see. Async-signal-safe. */
void server_request_stop(struct server *server, enum server_stop how);

/* What was kept is not there yet: nobody is served, and nothing is done to the cache beside loading. */
static inline bool server_is_loading(const struct server *server) {
    return __builtin_expect(atomic_load_explicit(&server->load.state, memory_order_acquire) != SERVER_LOADED, 0);
}

#define SETTING(server, name) atomic_load_explicit(&(server)->settings.name, memory_order_relaxed)

#endif
