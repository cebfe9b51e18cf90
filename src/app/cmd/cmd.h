/* app/cmd/cmd.h: how a command runs.
 *
 * One file a family (string.c, bit.c, key.c, transaction.c, connection.c, server.c, ...). A command is
 * `void cmd_NAME(struct cmd_call *call)`: arguments in, neutral reply out. Arity, flags, authentication and
 * transaction state have been checked by cmd_run before it is called. Errors are texts of Redis, letter by letter.
 *
 * Threads: a call runs on one worker with that worker's actor. `env` is shared: what changes in it is atomic or behind `server`.
 * Memory:  arguments belong to the input buffer and live during the call only; scraps go to `arena`.
 */
#ifndef STRATA_APP_CMD_CMD_H
#define STRATA_APP_CMD_CMD_H

#include "app/cmd/spec.h"
#include "base/arena.h"
#include "core/cache/cache.h"
#include "core/proto/reply.h"
#include "core/pubsub/topics.h"

struct auth_pattern;
struct auth_user;
struct cmd_call;
struct cmd_client;
struct cmd_server;
struct cmd_tier;
struct keys;

enum {
    CMD_MULTI_SIZE_MAX = 256 * 1024 * 1024, /* bytes of all queued arguments of a transaction, tables included */
    CMD_WATCHED_MAX = 16 * 1024,            /* keys that a connection watches */
    CMD_HUSHED_SIZE = 32,
};

/* Client-side caching: what CLIENT TRACKING has said of a connection, a bit each. */
enum cmd_tracking {
    CMD_TRACKS = 1 << 0,
    CMD_TRACKS_BCAST = 1 << 1,
    CMD_TRACKS_OPTIN = 1 << 2,
    CMD_TRACKS_OPTOUT = 1 << 3,
    CMD_TRACKS_NOLOOP = 1 << 4,
    CMD_TRACKS_CACHING = 1 << 5,  /* CLIENT CACHING: the next command is not as OPTIN or OPTOUT say */
    CMD_TRACKS_BROKEN = 1 << 6,   /* whom it redirects to has gone */
    CMD_TRACKING_TARGET = 1 << 7, /* others have redirected to it, once at least */
};

/* What becomes of writes by another service than the owner of the key's class. */
enum cmd_ownership { CMD_OWNERSHIP_OFF, CMD_OWNERSHIP_WARN, CMD_OWNERSHIP_ENFORCE };

/* What is asked before a command runs: only what some rule in force could refuse. */
enum cmd_ask {
    CMD_ASK_WRITES = 1,
    CMD_ASK_READS = 2,
    CMD_ASK_VALUES = 4 /* leased, or not held by the server */,
    CMD_ASK_SLIDES = 8 /* reads begin TTLs anew */,
    CMD_ASK_QUOTA = 16,  /* what is beyond one is refused */
    CMD_ASK_LOG = 32,    /* of no rule: the log takes no writes at present */
    CMD_ASK_LOADED = 64, /* of no rule either: what was kept is being loaded */
    CMD_ASK_AUDIT = 128  /* nor this: the audit log cannot be written, and what it has to note is refused */
};

/* Shared by all workers of one server. */
struct cmd_env {
    struct cache *cache;
    struct cmd_server *server; /* what the process offers: clients, configuration, statistics (app/cmd/server_api.h) */
    atomic_bool loading_rules; /* others come into force, and entries are not yet under them */
    _Atomic uint64_t
        rules_awaited_until_ms; /* for so long what needs them waits, then it is refused; 0: they are not being loaded */
    atomic_bool follows;        /* something follows from writes, before the next one runs: they do not run in rows */
    _Atomic uint32_t ownership;      /* enum cmd_ownership */
    _Atomic uint32_t asked;          /* enum cmd_ask */
    _Atomic uint64_t lost_to_rules;  /* entries that found no room when rules were loaded */
    _Atomic uint64_t not_owner;      /* writes by others than the owner, allowed or not */
    _Atomic uint64_t not_borrower;   /* the same of reads */
    _Atomic uint64_t not_guarded;    /* values refused by classes that are leased, or not held here */
    _Atomic uint64_t unknown_events; /* emitted, and named by no rule */
    /* Runs a command that EXEC takes from the queue: calls call->spec->run and does what the server does around
     * commands (statistics, slow log, MONITOR). NULL: just runs it. */
    void (*run_queued)(struct cmd_call *call);
    /* Instead of that, for one that EXEC does not run because its user may not any more; its error stands at that place of the reply. NULL: nobody asks. */
    void (*refuse_queued)(struct cmd_call *call, size_t reply_begins_at);
    /* The client tracks the keys that this command is about to read. */
    void (*note_keys)(struct cmd_call *call);
    const struct cmd_tier
        *tier; /* what may stand in the warm tier is read before commands run (tier.h). NULL: there is none */
};

/* A queued command of MULTI: arguments copied. */
struct cmd_queued {
    const struct cmd_spec *spec;
    struct slice *arguments;
    uint32_t count;
    bool uploaded; /* the value stands in `upload` */
    struct cache_upload upload;
};

struct cmd_watched {
    struct cache_watch watch;
    uint32_t db;
    struct slice name;
};

/* Of a user who may not do everything: what most keys of his requests begin with, for requests of one command (rights_row). */
struct cmd_gate {
    const struct cmd_spec *spec;        /* NULL: not looked for yet */
    const struct auth_pattern *pattern; /* NULL: there is none */
    uint32_t key_at;                    /* the argument that is the key */
    bool by_word;                       /* its first word decides for most names */
    uint64_t word, mask;                /* its first bytes, and which bits of them are meant */
};

/* What commands know of a connection. The server embeds it in its own. */
struct cmd_client {
    uint64_t id;
    uint32_t db;
    int protocol; /* 2 or 3 */
    bool authenticated;
    bool restricted; /* its user may not do everything: requests are judged (rights.h) */
    bool close_after_reply;
    bool reply_off, reply_skip, reply_skip_next; /* CLIENT REPLY */
    bool no_evict, no_touch, monitor;
    bool in_multi, multi_failed, in_exec;
    bool lease_waited;      /* its command is one that has waited (server_api.h, lease_woken) */
    bool streams;           /* it has subscribed to the invalidation stream; changed through server_api.h only */
    bool stream_channel;    /* by SUBSCRIBE: it is sent messages of a channel, in RESP3 too */
    bool sync_waited;       /* its command has done its work, and waited for those who acknowledge */
    bool log_waited;        /* its command is one that has waited for the disk (server_api.h, save and wait_log) */
    bool tier_waited;       /* its command is one that has waited for the warm tier */
    bool has_leases;        /* it waits for pushes, or leases are bound to it */
    struct auth_user *user; /* whose rights it has; NULL: nobody's, it may do everything */
    uint64_t token;         /* the id of the token by which it is that user; 0: by none */
    struct cmd_gate gate;
    struct buf name, lib_name, lib_version;
    struct buf service;        /* as which it writes (CLIENT SERVICE), unless its user says so (rights_service) */
    struct arena multi_arena;  /* queued arguments; reset by EXEC and DISCARD */
    uint64_t multi_size_bytes; /* of what is queued */
    struct buf multi;          /* array of struct cmd_queued */
    struct buf watched;        /* array of struct cmd_watched; names from memory_libc */
    const struct cmd_spec *last_command;
    struct listener listener;   /* what it has subscribed to; changed through server_api.h only */
    uint32_t tracking;          /* enum cmd_tracking; 0: client-side caching does not concern it. As `listener` */
    uint32_t tracker;           /* the server's number for that, 0: none yet */
    uint64_t tracking_redirect; /* the id of another client, 0: none */
    uint64_t random_draws;      /* by RANDOMKEY, so that no two are alike */
    struct keys *keys;          /* of a KEYS that waits (scan.c); NULL: none does */
    const void *exec_rules;     /* in EXEC: those in force when it took its locks, if something in it goes by them */
    void *connection;           /* the server's */
};

/* A request that waits to run: read, its command found, its first key hashed. */
struct cmd_request {
    const struct cmd_spec *spec; /* NULL: unknown command */
    struct cmd_client *client;
    const struct slice *argv;
    uint32_t argc;
    bool uploaded;         /* the argument at spec->upload_at was received into the cache (or failed to be) */
    struct cache_key *key; /* of the argument at spec->key_at; NULL: it has none */
    size_t begins_at;      /* the server's: where in the connection's input of this turn */
};

/* What cmd_run did with a command. */
enum cmd_outcome {
    CMD_REJECTED, /* answered with an error before it ran */
    CMD_QUEUED,   /* for EXEC */
    CMD_RAN,
    CMD_WAITS, /* it has replied nothing: it runs again from its beginning when there is something to say */
};

/* What a command says of a change that it makes, to those who are told of changes (struct cache_changes). */
enum cmd_change {
    CMD_CHANGE_PLAIN,
    CMD_CHANGE_EXPIRES, /* it gives an expiry that the client asked for */
    CMD_CHANGE_NOTHING, /* it says that there is nothing: of what was there it is a removal */
    CMD_CHANGE_UNTOLD,  /* nobody is told: it is none to whom it could matter */
};

struct cmd_call {
    struct cmd_env *env;
    struct cmd_client *client;
    struct actor *actor;
    struct arena *arena;
    const struct cmd_spec *spec;
    const struct slice *argv; /* argv[0] is the name as the client wrote it */
    uint32_t argc;
    struct cache_upload *upload;       /* the value at spec->upload_at, if it was received into the cache; else NULL */
    enum status upload_status;         /* not STATUS_OK: it could not be received, and the command fails for that */
    const struct cache_key *first_key; /* hashed ahead by the server, or NULL */
    struct reply *reply;
    enum cmd_outcome outcome;     /* out */
    enum cmd_change change;       /* of what is being changed; CMD_CHANGE_PLAIN before and after */
    bool found_no_room;           /* it was refused for that, and has changed nothing */
    char hushed[CMD_HUSHED_SIZE]; /* how the error began that the client is not told of, since it wants no replies */
};

/* Of RESP2, such a client expects messages and nothing else. */
static inline bool cmd_is_subscriber(const struct cmd_client *client) {
    return client->listener.count != 0 || client->streams;
}

void cmd_client_init(struct cmd_client *client, uint64_t id, const struct memory *memory);
/* Ends its transaction and watches. Its subscriptions have ended before. */
void cmd_client_fini(struct cmd_client *client, struct cmd_env *env, struct actor *actor);

/* Ends the transaction and the watches of a client: DISCARD, RESET. */
void cmd_multi_drop(struct cmd_client *client, struct cmd_env *env, struct actor *actor);
void cmd_unwatch_all(struct cmd_client *client, struct cmd_env *env);

/* Commands queued and keys watched. */
uint32_t cmd_multi_count(const struct cmd_client *client);
uint32_t cmd_watched_count(const struct cmd_client *client);

/* Finds, checks and runs (or queues) the command in call->argv; always writes exactly one reply, unless
 * CLIENT REPLY says otherwise. call->spec may be preset by the server after cmd_lookup. */
void cmd_run(struct cmd_call *call);

/* Runs the first requests of a row (one client, one command with `run_row`, as many arguments as it wants, nothing uploaded) as far
 * as each of them is of the plainest kind; answers how many were run and have a reply, which is none of an error. The next one, if
 * there is any, goes to cmd_run. Of the call, the client's and the request's part are not looked at. */
uint32_t cmd_run_row(struct cmd_call *call, const struct cmd_request *requests, uint32_t count);

/* Before a command runs, also one of EXEC, whose client has `tracking`: notes its keys if they are to be. */
void cmd_track(struct cmd_call *call);

/* The key at argument `at`, in the client's database. */
struct cache_key cmd_key(const struct cmd_call *call, uint32_t at);

/* Takes back what was replied since the mark, and unpins what that held. */
void cmd_reply_rewind(struct cmd_call *call, struct reply_mark mark);

/* Case-insensitive test of an option word. */
static inline bool cmd_is(const struct cmd_call *call, uint32_t at, const char *word) {
    return slice_equal_nocase(call->argv[at], slice_from_string(word));
}

/* Each writes the error reply and answers false when the argument is not what it should be. */
bool cmd_integer(struct cmd_call *call, uint32_t at,
                 int64_t *ret_value); /* "ERR value is not an integer or out of range" */
bool cmd_float(struct cmd_call *call, uint32_t at, long double *ret_value); /* "ERR value is not a valid float" */

void cmd_error_syntax(struct cmd_call *call); /* "ERR syntax error" */
/* "ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP."; the container in capitals */
void cmd_error_subcommand(struct cmd_call *call, const char *container);
void cmd_error_wrong_type(
    struct cmd_call *call); /* "WRONGTYPE Operation against a key holding the wrong kind of value" */
void cmd_error_status(
    struct cmd_call *call,
    enum status status); /* STATUS_FULL: "OOM command not allowed when used memory > 'maxmemory'." ... */

#endif
