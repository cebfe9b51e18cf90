/* app/cmd/server_api.h: what commands ask of the process that runs them.
 *
 * Commands about clients, configuration and statistics (CLIENT, CONFIG, INFO, SLOWLOG, LATENCY, MONITOR, SHUTDOWN) reach the
 * server through this table of calls, so that app/cmd needs no sockets and tests may run commands without any.
 *
 * Threads: every call may come from any worker.
 */
#ifndef STRATA_APP_CMD_SERVER_API_H
#define STRATA_APP_CMD_SERVER_API_H

#include "app/cmd/cause.h"
#include "app/cmd/class_stats.h"
#include "app/cmd/cmd.h"
#include "app/cmd/gone.h"
#include "core/lease/lease.h"
#include "core/obs/hot.h"
#include "core/obs/times.h"
#include "core/stream/stream.h"

/* A connection as CLIENT LIST, INFO and KILL see it; a snapshot. */
struct cmd_client_view {
    uint64_t id;
    char address[64], local_address[64]; /* "127.0.0.1:5000", "[::1]:5000", "/path:0" */
    int descriptor;
    char user[64];
    uint64_t user_id; /* 0: it has none */
    char name[64], service[64], lib_name[64], lib_version[32], last_command[48];
    uint32_t name_size, lib_name_size, lib_version_size; /* of what may be cut here */
    uint32_t db, protocol, watched, multi;               /* multi: queued commands, UINT32_MAX outside MULTI */
    uint32_t topics[TOPIC_KINDS];                        /* subscriptions */
    uint64_t age_s, idle_s;
    uint64_t query_bytes, query_free_bytes, output_bytes, memory_bytes;
    uint64_t multi_bytes; /* of the queued commands */
    uint64_t bytes_in, bytes_out, commands;
    bool monitor, no_evict, no_touch, unix_socket, closing, blocked;
    uint32_t tracking; /* enum cmd_tracking */
    uint64_t tracking_redirect;
};

/* What CLIENT TRACKING ON asks for. */
struct cmd_tracking_wish {
    uint32_t modes;    /* enum cmd_tracking, the modes of it */
    uint64_t redirect; /* 0: to itself */
    const struct slice *prefixes;
    uint32_t prefix_count;
};

/* The version of Redis whose commands these are, as HELLO and INFO tell clients. */
#define CMD_REDIS_VERSION "7.2.4"

struct cmd_lease_counts {
    uint64_t out, waiting, blocked, bytes; /* at present */
    uint64_t given, used, lost, released, expired, late, refused_sets, refused;
};

struct cmd_stream_counts {
    bool recording, writes; /* at present, as what follows up to `ackers` */
    uint64_t position, floor, bytes, subscribers, writers, ackers;
    uint64_t told, gaps;             /* records and gaps that subscribers were sent */
    uint64_t waiting;                /* commands with SYNC, at present */
    uint64_t synced, unacknowledged; /* that ended well; whose time was over */
};

/* Where rules in force came from, and since when they are. */
struct cmd_rules_origin {
    char source[256]; /* for people; a long path is cut */
    uint64_t hash;    /* of the text */
    uint64_t loaded_at_ms;
};

/* What came of loading rules, from whichever source. A load that only found another under way is none. */
struct cmd_rules_loads {
    bool failed;         /* the last one */
    uint64_t last_at_ms; /* 0: there was none */
    uint64_t failures;   /* since the start */
    char problem[400];   /* the first line of what was wrong with the last one; empty: nothing */
};

/* What a subscriber of the stream wants. */
struct cmd_stream_wish {
    struct stream_filter filter; /* words and texts are copied */
    bool acks;
    uint32_t heartbeat_ms; /* something is sent at least so often; 0: only what there is to tell */
    const char *greeting;  /* the kind of the message that tells first where it begins; NULL: none does */
    bool widens;           /* of a connection that listens already: it is told of no less, and acknowledges as before */
    bool from;             /* from a position on, and not from now */
    struct slice run;
    uint64_t after;
};

/* Who listens. */
struct cmd_stream_consumer {
    uint64_t client;
    const struct stream_filter *filter; /* lives during the visit */
    bool acks;
    uint32_t heartbeat_ms; /* 0: none */
    bool widened;          /* it has named classes, and others are in force since: it is told of everything */
    uint64_t told;         /* the last record that it was sent */
    uint64_t behind;       /* records that it has not been through, be they for it or not */
    uint64_t acknowledged; /* with acks, as what follows */
    uint64_t owes_ms; /* how long ago it was sent or has acknowledged something, if it owes something since; else 0 */
};

/* What came of SYNC. */
enum { CMD_SYNCED_SHOWN_MAX = 16 };
struct cmd_synced {
    uint64_t entries, position;
    uint64_t acknowledged, missing;                 /* subscribers with ACK */
    uint64_t missing_clients[CMD_SYNCED_SHOWN_MAX]; /* the first of them */
};

/* Summed over all workers at the time of the call. */
struct cmd_server_counts {
    uint64_t connections_received, connections_rejected, clients, clients_max, monitors;
    uint64_t commands, bytes_in, bytes_out, reads, writes, loop_turns;
    uint64_t loop_us, loop_command_us;
    uint64_t query_limit_cuts, output_limit_cuts, errors;
    uint64_t denied[4]; /* by enum auth_reason */
    uint64_t hits, misses, expired, evicted, invalidated, copied_bytes, retries;
    uint64_t misses_by[MISS_CAUSES]; /* their sum is `misses` */
    uint64_t changes;                /* since the start: reset_counts leaves it */
    uint64_t input_buffers_bytes, output_buffers_bytes, input_largest_bytes, output_largest_bytes;
    uint64_t topics[TOPIC_KINDS];         /* that somebody listens to: channels, patterns, shard channels */
    uint64_t pubsub_clients, pubsub_cuts; /* cuts: of listeners that lagged behind */
    uint64_t tracking_clients, tracked_keys, tracked_items, tracked_prefixes;
    struct cmd_lease_counts leases;
    struct cmd_stream_counts stream;
    double commands_per_s, input_kb_per_s, output_kb_per_s;
    uint64_t
        memory_peak_bytes; /* the largest cache_stats.occupied_bytes that housekeeping has seen; 0: not looked yet */
};

/* What CGET asks for. */
struct cmd_lease_ask {
    const struct cache_key *key; /* made under its lock */
    uint32_t lease_ms, wait_ms;  /* 0: none, not at all */
    bool bound;                  /* the lease ends with the connection */
    bool blocks;                 /* the connection waits: nothing is pushed */
    bool versions;               /* the value is to come with its version */
    bool there;                  /* the key is not absent */
    void *again;                 /* of cmd_lease_woken, if this has waited before: it goes on with that */
};

/* Why something that waited does not any more. */
struct cmd_lease_woken {
    enum lease_wake how;
    uint64_t token;
    void *again;
};

/* Why a token is refused, and by whom that came about. */
struct cmd_lease_lost {
    enum lease_end end;
    uint64_t client;  /* 0: by nobody, or that is forgotten */
    uint32_t command; /* its index; UINT32_MAX: none */
    uint32_t tag;     /* of LEASE_OF_TAG: which; as many as there are and more: that was found out before */
    uint64_t stamp;   /* of LEASE_OF_TAG: when the lease was given, as entries have it */
};

/* A lease that is out. */
struct cmd_lease_view {
    uint64_t client, age_ms, left_ms;
    uint32_t waiting;
    bool bound;
};

struct cmd_lease_given {
    uint64_t token;   /* LEASE_GIVEN */
    uint64_t left_ms; /* LEASE_BUSY */
    uint64_t id;      /* LEASE_WAITS */
};

/* Logs of commands that were slow, asked with many bytes, or answered with many; an entry's value is in microseconds or bytes. */
enum cmd_log { CMD_LOG_SLOW, CMD_LOG_LARGE_REQUEST, CMD_LOG_LARGE_REPLY, CMD_LOGS };

struct cmd_command_counts {
    uint64_t calls, usec, rejected, failed;
};

/* The same with how long the calls took. */
struct cmd_command_facts {
    uint64_t calls, rejected, failed;
    struct times times;
};

/* What is kept on disk. */
/* Whether a snapshot is taken at the end. */
enum cmd_save_last { CMD_SAVE_AS_SET, CMD_SAVE_YES, CMD_SAVE_NO };

struct cmd_persistence {
    bool enabled;
    bool loading; /* with it, of what follows only this: when it began (Unix time), and how far it is */
    uint64_t loading_since_ms, loading_bytes, loading_total;
    bool refuses, behind, saving;
    int error; /* errno of the log's last failure, 0: none */
    uint64_t saved_at_ms, saving_since_ms, saving_done, saving_total, saving_bytes;
    uint64_t saves, save_failures, save_ms_last;
    bool last_save_failed, last_backup_failed;
    uint64_t backed_up_at_ms; /* 0: not since the start */
    uint64_t loaded_records, loaded_lost, loaded_ms, cut_bytes;
    uint64_t saved_below,
        saved_below_left_out; /* entries of the warm tier: that the last snapshot lists, and that it has nothing of */
    uint64_t saved_lsn;       /* records up to here are in the last snapshot */
    uint64_t staged_lsn, written_lsn, flushed_lsn, log_bytes, snapshot_bytes, files;
    uint64_t flushes, flush_us_last, flush_us_max;
    bool disk_known;
    uint64_t disk_free_bytes; /* that can still be written in `dir` */
    /* The memory outlives the server; it has; how long it took to find that out; and why it has not. */
    bool in_file, attached;
    uint64_t attach_us;
    const char *why_not; /* lives as long as the server */
};

/* Of the warm tier's file (what the cache has there: core/cache/tier.h). */
struct cmd_tier_counts {
    bool enabled;              /* with it all that follows */
    bool direct;               /* past the page cache */
    const char *path, *reader; /* how it is read: "io_uring", "threads" */
    uint64_t size_bytes, used_bytes, retired_bytes;
    uint64_t written_bytes, added_bytes,
        kept_bytes; /* all of it; of entries that came; of those that were written again */
    uint64_t write_failures, lost;
    uint64_t reads, reads_buffered, reads_stale, reads_damaged, reads_failed;
    uint64_t waits;   /* of commands */
    uint64_t busy;    /* entries that were not read, because too much was being read */
    uint64_t reading; /* at present */
};

struct auth_users;
struct cmd_audit_counts;
struct cmd_process;
struct cmd_secure_counts;
struct cmd_http_counts;
struct cascade;
struct rules_plan;
struct stream_unsure;
struct histogram;
struct slowlog;
struct rules;
struct latency_monitor;

struct cmd_server_api {
    /* clients */
    /* Users, and the log of what was refused: under a lock from users_lock to users_unlock; in between no other call of this table is made. */
    struct auth_users *(*users_lock)(struct cmd_server *);
    void (*users_unlock)(struct cmd_server *);
    /* Users were changed: when this is over, every connection goes by what they are now. Those of users that are gone, or that listen to what
     * their user may not any more, are closed; the caller's own when its reply is sent. */
    void (*users_changed)(struct cmd_server *, struct cmd_client *);
    /* From and to the ACL file, as users_changed. False, and what is wrong appended (no error code): nothing has changed. */
    bool (*users_load)(struct cmd_server *, struct cmd_client *, struct buf *errors);
    bool (*users_save)(struct cmd_server *, struct buf *errors);
    /* Something was refused: counted, by enum auth_reason. */
    void (*denied)(struct cmd_server *, unsigned reason);
    void (*view_client)(struct cmd_server *, const struct cmd_client *, struct cmd_client_view *ret_view);
    void (*random)(struct cmd_server *, void *ret_bytes, size_t size);
    void (*each_client)(struct cmd_server *, void (*visit)(void *context, const struct cmd_client_view *),
                        void *context);
    /* Counts those that `matches` says are to be closed; it calls nothing of this table. */
    uint32_t (*kill_clients)(struct cmd_server *, bool (*matches)(void *context, const struct cmd_client_view *),
                             void *context);
    void (*pause)(struct cmd_server *, uint64_t until_ms, bool writes_only);
    void (*unpause)(struct cmd_server *);
    /* MONITOR: the connection gets a line for each command that any worker runs from now on. */
    void (*monitor)(struct cmd_server *, struct cmd_client *);
    /* Publish and subscribe. Listening twice is listening once; a client that does not listen may be told to stop. STATUS_FULL: the
     * client has as many subscriptions as it may. */
    enum status (*subscribe)(struct cmd_server *, struct cmd_client *, enum topic_kind, struct slice name);
    void (*unsubscribe)(struct cmd_server *, struct cmd_client *, enum topic_kind, struct slice name);
    void (*unsubscribe_all)(struct cmd_server *, struct cmd_client *);
    enum status (*publish)(struct cmd_server *, enum topic_kind, struct slice channel, struct slice message,
                           uint64_t *ret_receivers);
    /* `visit` is called under a lock: it calls nothing of this table. */
    void (*each_topic)(struct cmd_server *, enum topic_kind, void (*visit)(void *context, struct slice name),
                       void *context);
    uint64_t (*topic_listeners)(struct cmd_server *, enum topic_kind, struct slice name);
    uint64_t (*topic_count)(struct cmd_server *, enum topic_kind);
    /* Client-side caching. A client that tracks already gets other modes, and more prefixes. STATUS_CLOSED: nobody is there to redirect
     * to; nothing has changed then, nor with STATUS_NO_MEMORY or STATUS_FULL. */
    enum status (*track)(struct cmd_server *, struct cmd_client *, const struct cmd_tracking_wish *);
    void (*untrack)(struct cmd_server *, struct cmd_client *);
    void (*each_tracked_prefix)(struct cmd_server *, const struct cmd_client *,
                                void (*visit)(void *context, struct slice prefix), void *context);
    bool (*client_is_there)(struct cmd_server *, uint64_t id);
    /* Leases. The caller has the key's lock for the first three. */
    /* LEASE_WAITS: a client of RESP3 gets a push with `ret->id` later; the command of another one has to answer CMD_WAITS. */
    enum lease_answer (*lease_ask)(struct cmd_server *, struct cmd_client *, const struct cmd_lease_ask *,
                                   struct cmd_lease_given *ret);
    enum lease_end (*lease_begin_write)(struct cmd_server *, const struct cache_key *, uint64_t token,
                                        const struct slice *tags, uint32_t tag_count, uint64_t *ret_stamp,
                                        struct cmd_lease_lost *ret_lost);
    void (*lease_end_write)(struct cmd_server *, uint64_t token, bool done);
    /* False: nobody has a lease of the key. */
    bool (*lease_look_at)(struct cmd_server *, const struct cache_key *, struct cmd_lease_view *ret);
    bool (*lease_release)(struct cmd_server *, const struct cache_key *, uint64_t token);
    /* What the client's command waited for, when it runs again; lease_wait_end before it answers. */
    void (*lease_woken)(struct cmd_server *, struct cmd_client *, struct cmd_lease_woken *ret);
    void (*lease_wait_end)(struct cmd_server *, struct cmd_client *);
    /* Ends all its waiting for pushes, and the leases that are bound to it. */
    void (*lease_leave)(struct cmd_server *, struct cmd_client *);
    /* The invalidation stream. STATUS_CLOSED: it is switched off. */
    /* It is recorded from here on; what is changed after the command is over is in it. Answers the last position. */
    enum status (*stream_begin)(struct cmd_server *, struct cmd_client *, bool writes, uint64_t *ret_position);
    /* Who has subscribed already gets another filter, and keeps his place unless he says from where. Answers from where it goes on. */
    enum status (*stream_subscribe)(struct cmd_server *, struct cmd_client *, const struct cmd_stream_wish *,
                                    uint64_t *ret_position);
    void (*stream_unsubscribe)(struct cmd_server *, struct cmd_client *);
    /* STATUS_INVALID: nothing has that position yet; STATUS_CLOSED: the client is none that acknowledges. */
    enum status (*stream_ack)(struct cmd_server *, struct cmd_client *, uint64_t position);
    /* Copies the next records as stream_take does. With STREAM_GAP, what is unsure is filled in, unless it is NULL, and the cursor moved. */
    enum stream_result (*stream_next)(struct cmd_server *, struct stream_cursor *, const struct stream_filter *,
                                      size_t size_max, struct buf *out, struct stream_unsure *unsure);
    /* `visit` is called under a lock: it calls nothing of this table. */
    void (*stream_consumers)(struct cmd_server *, void (*visit)(void *context, const struct cmd_stream_consumer *),
                             void *context);
    void (*stream_counts)(struct cmd_server *, struct cmd_stream_counts *ret);
    /* All changes of the command so far are recorded. True: everybody who acknowledges has done so, or `wait_ms` is 0. False: the command
     * has to answer CMD_WAITS, and runs again with client->sync_waited; stream_synced then says what came of it. STATUS_BUSY: too many wait. */
    enum status (*stream_sync)(struct cmd_server *, struct cmd_client *, uint64_t entries, uint32_t wait_ms,
                               struct cmd_synced *ret, bool *ret_done);
    void (*stream_synced)(struct cmd_server *, struct cmd_client *, struct cmd_synced *ret);
    /* Begins an orderly stop. STATUS_OK: the connection will be closed without a reply. */
    enum status (*shutdown)(struct cmd_server *, enum cmd_save_last saves, bool now, bool force, bool abort);
    /* What is kept on disk. */
    void (*persistence)(struct cmd_server *, struct cmd_persistence *ret);
    /* Asks for a snapshot. With `waits` the command has to answer CMD_WAITS while `ret_done` is false, and comes again. STATUS_CLOSED: nothing is kept;
     * STATUS_BUSY: one is being made, and not `waits`; STATUS_IO: what was waited for has failed. */
    enum status (*save)(struct cmd_server *, struct cmd_client *, bool waits, bool *ret_done);
    /* WAITAOF: until all that the client has written is flushed, for at most `wait_ms` (0: for ever); answers whether it is when that is over. CMD_WAITS as above. */
    enum status (*wait_log)(struct cmd_server *, struct cmd_client *, uint64_t wait_ms, bool *ret_done,
                            bool *ret_flushed);
    /* The warm tier. */
    void (*tier)(struct cmd_server *, struct cmd_tier_counts *ret);
    /* statistics */
    void (*counts)(struct cmd_server *, struct cmd_server_counts *ret);
    /* Hits, misses (filtered and unfiltered ones too), expired and evicted entries of a named store (its number, as from cache_store_find); the rest is 0. */
    void (*store_counts)(struct cmd_server *, uint32_t store, struct actor_counts *ret);
    /* The plan is carried out from here to the end of the command, or after a crash at the next start. NULL: nothing lasts. */
    void (*plan_begins)(struct cmd_server *, struct cmd_client *, const struct cascade *, const struct rules_plan *);
    /* What holds of stores was changed, and is to be kept. NULL: nothing is. */
    void (*stores_changed)(struct cmd_server *, struct cmd_client *);
    void (*command_counts)(struct cmd_server *, uint32_t spec_index, struct cmd_command_counts *ret);
    /* Percentile in microseconds of a command's run time; 0 if it never ran. */
    double (*command_percentile)(struct cmd_server *, uint32_t spec_index, double percentile);
    /* Adds the run times (nanoseconds) of a command on all workers to `into`; false if it never ran. */
    bool (*command_histogram)(struct cmd_server *, uint32_t spec_index, struct histogram *into);
    /* All commands at once, by their index: cmd_index_count of them. */
    void (*all_commands)(struct cmd_server *, struct cmd_command_facts *ret_facts);
    void (*each_error)(struct cmd_server *, void (*visit)(void *context, const char *code, uint64_t count),
                       void *context);
    void (*reset_counts)(struct cmd_server *);
    uint64_t (*started_ms)(struct cmd_server *);
    const char *(*run_id)(struct cmd_server *); /* 40 hex digits */
    uint64_t (*now_us)(struct cmd_server *);    /* Unix time, read from the clock at the call */
    /* Resident bytes and such, from the system. */
    void (*process)(struct cmd_server *, struct cmd_process *ret);
    void (*secure_counts)(struct cmd_server *, struct cmd_secure_counts *ret); /* NULL: no TLS */
    /* The audit log. Whether what the client does with such a command is noted; what the log has; and its next file: false, there is no log. */
    bool (*audit_notes)(struct cmd_server *, struct cmd_client *, const struct cmd_spec *);
    void (*audit)(struct cmd_server *, struct cmd_audit_counts *ret);
    bool (*audit_rotate)(struct cmd_server *);
    void (*http_counts)(struct cmd_server *, struct cmd_http_counts *ret); /* NULL: no HTTP */
    /* configuration: names as in spec/config; values as text, some of which are secrets. CONFIG SET of several changes all or nothing. */
    void (*each_config)(struct cmd_server *,
                        void (*visit)(void *context, const char *name, const char *value, bool secret), void *context);
    /* False and a text in `ret_error` ("Unknown option..." style, without "ERR ") if any is refused; nothing is changed then. */
    bool (*config_set)(struct cmd_server *, const struct slice *names, const struct slice *values, uint32_t count,
                       char *ret_error, size_t error_size);
    bool (*config_rewrite)(struct cmd_server *, char *ret_error, size_t error_size);
    /* Logs of slow commands and latency spikes. Both have one mutex, held from logs_lock to logs_unlock; nothing is sent
     * and no other call of this table is made in between. */
    void (*logs_lock)(struct cmd_server *);
    void (*logs_unlock)(struct cmd_server *);
    struct slowlog *(*command_log)(struct cmd_server *, enum cmd_log);
    struct latency_monitor *(*latency)(struct cmd_server *);
    /* Rules. A load appends to `problems` what is wrong, also if it is only warnings. STATUS_INVALID: the old rules stay; STATUS_FULL: they are good, but
     * not while the server runs as it does (`problems` says why). STATUS_BUSY: another load is under way. The client's transaction holds no locks. */
    enum status (*rules_load)(struct cmd_server *, struct cmd_client *, struct slice text, struct buf *problems);
    /* Those in force for this client until its command is over, and as they were loaded; NULL: there are none. */
    const struct rules *(*rules_now)(struct cmd_server *, struct cmd_client *, struct slice *ret_text);
    /* Where these came from; there are some. */
    const struct cmd_rules_origin *(*rules_origin)(struct cmd_server *, struct cmd_client *);
    void (*rules_loads)(struct cmd_server *, struct cmd_rules_loads *ret_loads);
    /* A client has done what concerns everybody: a line in the log says what and who. */
    void (*tell_deed)(struct cmd_server *, struct cmd_client *, const char *what);
    /* Keys of a database in which a pattern is looked for; in larger ones what matches is banned. */
    uint64_t (*search_max)(const struct cmd_server *);
    /* A service has done what is another's by the rules: said once for each kind, class and service. */
    void (*rules_broken)(struct cmd_server *, unsigned kind, struct slice class, struct slice service,
                         const char *text);
    /* What a manifest would change of stores, a line each. */
    enum status (*rules_diff_stores)(struct cmd_server *, const struct rules *rules, struct buf *lines);
    /* History: what became of a key (by the place of its database), a tag, a database. False: nothing is known. */
    bool (*gone)(struct cmd_server *, uint32_t place, struct slice name, struct cmd_gone *ret);
    /* By a tag: an entry with that stamp, softly or not; 0: nobody knows which. */
    bool (*tag_gone)(struct cmd_server *, struct slice tag, uint64_t stamp, bool softly, struct cmd_gone *ret);
    /* What took away what was stale of a key that had gone softly. */
    bool (*stale_gone)(struct cmd_server *, uint32_t place, struct slice name, struct cmd_gone *ret);
    bool (*flushed)(struct cmd_server *, uint32_t place, struct slice name, struct cmd_gone *ret);
    /* The database has got its number since it was emptied; `ret_place`: which one had that number before. */
    bool (*swapped)(struct cmd_server *, uint32_t place, struct slice name, struct cmd_gone *ret, uint32_t *ret_place);
    bool (*last_miss)(struct cmd_server *, uint32_t place, struct slice name, struct cmd_miss *ret);
    /* Classes in the order of the manifest, busy prefixes, and all keys without a class. `walks`: keys are counted now, if they are few. STATUS_BUSY: other rules
     * have come into force meanwhile; nobody was visited. No call of this table is made in `visit`. */
    enum status (*each_class)(struct cmd_server *, struct cmd_client *, bool walks,
                              void (*visit)(void *context, const struct cmd_class_stats *), void *context);
    /* Busy keys, the heaviest first, and what they are divided by (core/obs/hot.h); the place is that of the database in the cache. */
    void (*hot_keys)(struct cmd_server *, struct hot *ret_sum);
    void (*hot_reset)(struct cmd_server *);
    /* What this client's command changes from now on follows from a plan, for that cause, until the end: edges are not followed again. Each step
     * is an action of the plan. */
    void (*cause_begin)(struct cmd_server *, struct cmd_client *, const struct cause *);
    void (*cause_step)(struct cmd_server *, struct cmd_client *, const struct rules_plan *,
                       const struct rules_action *);
    void (*cause_end)(struct cmd_server *, struct cmd_client *);
};

/* The audit log, since the start. */
struct cmd_audit_counts {
    bool enabled; /* with it all that follows */
    bool keyed, fails, refuses, holds;
    int error; /* errno of the last failure; 0: none */
    uint64_t written, lost, waiting, waiting_bytes, failures, bytes;
    uint64_t lines, file, file_bytes; /* of the whole log; the number and size of its file */
    char last_hash[65];
};

/* TLS, since the start. */
struct cmd_secure_counts {
    uint16_t port; /* 0: none */
    uint64_t handshakes, resumed, failed, loads, load_failures;
    int64_t certificate_ends_s; /* Unix time */
};

/* HTTP, since the start but for those marked. */
struct cmd_http_counts {
    uint16_t port, tls_port;            /* 0: none */
    uint64_t connections, held_bytes;   /* at present */
    uint64_t received, rejected;        /* connections; for which there was no room */
    uint64_t requests[3];               /* of HTTP/1.0, 1.1, 2 */
    uint64_t refused;                   /* that could not be read, or were addressed to somebody else */
    uint64_t timed_out, unread, calmed; /* cut: too slow; answers not taken; frames to no purpose */
    uint64_t bytes_in, bytes_out;
    uint64_t handshakes, handshakes_failed;
};

struct cmd_process {
    uint64_t resident_bytes, resident_peak_bytes, system_memory_bytes;
    double cpu_user_s, cpu_system_s, cpu_user_children_s, cpu_system_children_s;
    int process_id, tcp_port;
    const char *executable, *config_file, *os, *arch;
    uint64_t swapped_bytes;
    bool commits_strictly, no_huge_pages; /* settings of the system */
};

struct cmd_server {
    const struct cmd_server_api *api;
};

#endif
