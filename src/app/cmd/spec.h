/* app/cmd/spec.h: the command table, generated from spec/commands.
 *
 * One description of each command gives: arity, flags and key positions checked before it runs; the answers
 * of COMMAND; the reference page; the hints of the command line client.
 *
 * Threads: constant data.
 */
#ifndef STRATA_APP_CMD_SPEC_H
#define STRATA_APP_CMD_SPEC_H

#include "base/slice.h"
#include "core/audit/record.h"

struct cmd_call;
struct cmd_request;

enum cmd_flag {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2, /* refused when memory is full */
    CMD_ADMIN = 1 << 3,
    CMD_NOSCRIPT = 1 << 4,
    CMD_LOADING = 1 << 5,
    CMD_STALE = 1 << 6,
    CMD_FAST = 1 << 7,
    CMD_NO_AUTH = 1 << 8,       /* allowed before authentication */
    CMD_NO_MULTI = 1 << 9,      /* refused inside MULTI */
    CMD_MOVABLE_KEYS = 1 << 10, /* key positions depend on the arguments */
    CMD_SKIP_MONITOR = 1 << 11,
    CMD_SKIP_SLOWLOG = 1 << 12,
    CMD_ALL_SHARDS = 1 << 13,  /* inside EXEC it needs every shard locked (FLUSHALL, SCAN, DBSIZE, ...) */
    CMD_TXN_CONTROL = 1 << 14, /* EXEC, DISCARD, MULTI, WATCH, QUIT, RESET: run even while queueing */
    CMD_ALLOW_BUSY = 1 << 15,
    CMD_PUBSUB = 1 << 16,
    CMD_PUBLISHES = 1 << 17, /* publishes: held back by a pause of writes, and while subscribers' workers are behind */
    CMD_SUBSCRIBING =
        1 << 18, /* answers with pushes, which no CLIENT REPLY keeps back; allowed to a RESP2 subscriber */
    CMD_IN_SUBSCRIBER = 1 << 19,    /* what else is allowed to a RESP2 subscriber: PING, QUIT, RESET */
    CMD_UNOWNED = 1 << 20,          /* changes keys whoever owns them */
    CMD_NO_ASYNC_LOADING = 1 << 22, /* for clients to know: not while data are loaded beside those that are served */
    CMD_KEPT = 1 << 23,             /* what it changes is no key, and is in the log all the same */
    CMD_BLIND = 1 << 24,            /* whatever stands under its keys, and wherever, it does the same */
    /* For access control: it shows, or changes, keys that it does not name. */
    CMD_READS_ALL = 1 << 25,
    CMD_WRITES_ALL = 1 << 26,
    CMD_AWAITS_RULES = 1 << 21, /* goes by the rules and by the tags they give: waits while others come into force */
};

/* Where the keys stand. Arguments count from 0, which is the command's name; `last` below 0 counts from the end (-1: the last). */
struct cmd_key_spec {
    enum { CMD_KEYS_NONE, CMD_KEYS_RANGE, CMD_KEYS_COUNTED } kind;
    int first, last, step; /* range */
    int count_at;   /* counted: the argument that says how many keys follow; keys begin at `first`, every `step` */
    uint32_t flags; /* enum cmd_key_flag */
    /* CMD_KEY_VARIABLE: without any of these words from argument `words_from` on, the command does less. */
    const char *const *words; /* ends with NULL; or is NULL */
    int words_from;
    uint32_t flags_without;
};

enum cmd_key_flag {
    CMD_KEY_RO = 1,
    CMD_KEY_RW = 2,
    CMD_KEY_OW = 4,
    CMD_KEY_RM = 8,
    CMD_KEY_ACCESS = 16,
    CMD_KEY_UPDATE = 32,
    CMD_KEY_INSERT = 64,
    CMD_KEY_DELETE = 128,
    CMD_KEY_VARIABLE = 256,
    CMD_KEY_NOT_KEY = 512, /* stands where a key would, and routes the command like one */
};

struct cmd_spec {
    const char *name;                   /* lower case: "set"; of a subcommand "client|id" */
    struct slice last_name;             /* the part after the bar, or the whole */
    void (*run)(struct cmd_call *call); /* NULL for a container, whose subcommands run */
    /* Of a command that most of all requests are: see cmd_run_row. NULL: it runs one by one only. */
    uint32_t (*run_row)(struct cmd_call *call, const struct cmd_request *requests, uint32_t count);
    uint32_t row_argc; /* arguments of a request that may run in a row */
    uint32_t key_at;   /* the first key's argument, if it always stands there; else 0 */
    int arity;         /* as Redis: name included; below 0: at least -arity */
    uint32_t flags;
    uint32_t index; /* dense number for statistics, subcommands included */
    const struct cmd_key_spec *keys;
    uint32_t key_count;
    /* What keyspace notifications call the writes of this command, and the removal of its first key; empty: none, and `del`. */
    struct slice write_event, remove_event;
    char event_class;           /* of its writes, a letter of notify-keyspace-events; 0: it writes nothing */
    int channel_at, channel_to; /* arguments that name channels, as `first` and `last` of keys; 0: none do */
    bool channel_patterns;      /* these are patterns */
    /* Of the audit log: whether it is in any class, and in which; only with this word among its arguments (NULL: always); and which of them are names
     * that the log shows, as `first`, `last` and `step` of keys (0: none). */
    bool audited;
    enum audit_class audit;
    const char *audit_with;
    int audit_at, audit_to, audit_step;
    int upload_at;                      /* argument that may arrive as an upload (a large value), or 0 */
    const struct cmd_spec *subcommands; /* sorted as in spec/ */
    uint32_t subcommand_count;
    const struct cmd_docs *docs;
};

struct cmd_docs; /* for COMMAND, HELP and hints: app/cmd/spec_docs.h */

extern const struct cmd_spec cmd_table[]; /* sorted by name */
extern const uint32_t cmd_table_count;
extern const uint32_t cmd_index_count; /* dense numbers in use */

struct auth_commands;
/* The same commands as access control knows them, by their index. */
extern const struct auth_commands cmd_rights;

/* By name without case, in constant time; NULL if there is none. */
const struct cmd_spec *cmd_lookup(struct slice name);
/* The subcommand of a container, or NULL. */
const struct cmd_spec *cmd_lookup_sub(const struct cmd_spec *container, struct slice name);

/* Writes the argument indexes of all keys to `ret_at`, at most `max`; answers how many there are (0 also when the
 * arguments make no sense). */
uint32_t cmd_key_positions(const struct cmd_spec *spec, const struct slice *arguments, uint32_t count, uint32_t *ret_at,
                           uint32_t max);
/* The arguments from `first` to `last`, every `step`. False: they do not reach as far as they say. */
struct cmd_key_range {
    uint32_t first, last, step;
};
bool cmd_key_range(const struct cmd_key_spec *keys, const struct slice *arguments, uint32_t count,
                   struct cmd_key_range *ret_range);
/* What the command does to these keys with just these arguments (enum cmd_key_flag). */
uint32_t cmd_key_flags(const struct cmd_key_spec *keys, const struct slice *arguments, uint32_t count);
/* Calls for each key, with what the command does with it (enum cmd_key_flag), until one answers false; answers whether none did. */
bool cmd_each_key(const struct cmd_spec *spec, const struct slice *arguments, uint32_t count,
                  bool (*visit)(void *context, struct slice key, uint32_t flags), void *context);

#endif
