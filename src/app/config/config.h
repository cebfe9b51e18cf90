/* app/config/config.h: what the server is told before and while it runs.
 *
 * Every key is described once, in spec/config.yaml; from there come the typed fields of config_keys.h, the
 * table below, the flags, the variables of the environment and docs/configuration.md.
 *
 *     defaults  ->  YAML file  ->  STRATA_... variables  ->  --flags  ->  config_check     (a later source wins)
 *
 * Errors:  a call that fails leaves the configuration as it was and says in `ret_error` where and why, with a suggestion
 *          where there is one: "strata.yaml:3:1: unknown key 'maxmemry': did you mean 'maxmemory'?".
 * Threads: no state; a configuration belongs to one owner at a time.
 * Memory:  `struct config` is plain data (about 65 KiB, most of it room for patterns of stores) and may be copied by assignment.
 */
#ifndef STRATA_APP_CONFIG_CONFIG_H
#define STRATA_APP_CONFIG_CONFIG_H

#include "app/config/config_keys.h"
#include "app/config/config_stores.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    CONFIG_ERROR_MAX = 512,
    CONFIG_FILE_SIZE_MAX = 1024 * 1024, /* bytes of a configuration file */
    CONFIG_FILE_DEPTH_MAX = 4,          /* nested lists and maps in it */
    CONFIG_FILE_NODES_MAX = 4096,       /* values in it */
    CONFIG_PATH_MAX = 1023,
    CONFIG_TEXT_MAX = CONFIG_LIST_MAX * (CONFIG_LIST_ITEM_MAX + 1), /* bytes of any value as text */
};

enum config_type {
    CONFIG_TYPE_INT,
    CONFIG_TYPE_OCTAL,
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_ENUM,
    CONFIG_TYPE_SIZE,
    CONFIG_TYPE_DURATION,
    CONFIG_TYPE_STRING,
    CONFIG_TYPE_LIST,
    CONFIG_TYPE_OUTPUT_LIMIT,
    CONFIG_TYPE_EVENTS, /* a bit for each, see config_events.h */
    CONFIG_TYPE_SAVE_POINTS,
    CONFIG_TYPE_FIXED, /* has no field: only its one value is accepted */
};

struct config_key {
    const char *name, *environment, *section, *description;
    enum config_type type;
    const char *unit; /* of durations: "s", "ms" or "us" */
    const char *default_text;
    int64_t min, max;
    const char *const *choices; /* NULL-terminated, of enums */
    const char *const *also;    /* NULL-terminated or NULL: further names accepted as input */
    const char *const *get;     /* further names answered by CONFIG GET, accepted as input too */
    const char *listed;         /* the choices in the order of Redis's error text, if that differs */
    bool running;               /* CONFIG SET may change it */
    bool zero;                  /* 0 is allowed beside min to max */
    bool percent;               /* a size may be a share of the machine's memory */
    bool auto_allowed;          /* "auto" means one for each core */
    bool secret;                /* never printed */
    size_t offset;              /* in struct config_values */
};

extern const struct config_key config_keys[CONFIG_KEY_COUNT];

/* What defaults and percentages are worked out from. */
struct config_machine {
    uint64_t memory_bytes; /* of the machine, or of the control group if that is less */
    unsigned cores;        /* that the process may use */
};

enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_ENVIRONMENT,
    CONFIG_FROM_FLAG,
    CONFIG_FROM_RUNNING
};

/* Where a value came from; line and column begin at 1 and are those of the value in the file. */
struct config_origin {
    enum config_source source;
    uint32_t line, column;
};

struct config {
    struct config_values values; /* config->values.maxmemory_bytes and so on */
    struct config_origin origins[CONFIG_KEY_COUNT];
    struct config_stores stores; /* of the file */
    struct config_store_place store_places[CACHE_STORES_MAX];
    struct config_machine machine;
    char file[CONFIG_PATH_MAX + 1]; /* that was read; empty: none */
};

struct config_error {
    char text[CONFIG_ERROR_MAX];
};

/* What `strata server` is asked for beside the keys. */
struct config_request {
    char file[CONFIG_PATH_MAX + 1]; /* --config, else STRATA_CONFIG; empty: none */
    bool check;                     /* --check-config */
    bool help;                      /* --help */
};

/* ------------------------------------------------------------ at the start */

void config_defaults(struct config *ret_config, const struct config_machine *machine);

/* All sources in their order, then config_check. `environment` as in main (NULL: none); argv[0] is the first flag. */
MUST_CHECK enum status config_load(struct config *ret_config, struct config_request *ret_request,
                                   const struct config_machine *machine, char *const *environment, int argc,
                                   char *const *argv, const struct memory *memory, struct config_error *ret_error);

/* The sources one by one. `name` stands in error messages. STATUS_NO_MEMORY is possible in all but the flags. */
MUST_CHECK enum status config_load_yaml(struct config *config, struct slice text, const char *name,
                                        struct config_error *ret_error);
MUST_CHECK enum status config_load_file(struct config *config, const char *path, const struct memory *memory,
                                        struct config_error *ret_error);
MUST_CHECK enum status config_load_environment(struct config *config, char *const *environment,
                                               struct config_error *ret_error);
MUST_CHECK enum status config_load_flags(struct config *config, int argc, char *const *argv,
                                         struct config_error *ret_error);

/* Finds --config, --check-config and --help among the flags; looks at no other. */
MUST_CHECK enum status config_find_request(struct config_request *ret_request, char *const *environment, int argc,
                                           char *const *argv, struct config_error *ret_error);

/* Refuses values that contradict each other, at the place of the one that was given last. */
MUST_CHECK enum status config_check(const struct config *config, struct config_error *ret_error);

/* Refuses stores to which more is guaranteed than maxmemory; a part of config_check. CONFIG SET leaves it out: the running stores count
 * there, and what is guaranteed to them may have changed since. */
MUST_CHECK enum status config_check_stores(const struct config *config, struct config_error *ret_error);

/* Refuses folders that are not there and files that cannot be written; asks the file system. */
MUST_CHECK enum status config_check_paths(const struct config *config, struct config_error *ret_error);

/* ------------------------------------------------------------------- while running */

/* CONFIG SET: all or nothing. `ret_changed` (CONFIG_KEY_COUNT flags, may be NULL) tells which keys were named. The
 * error is Redis's text without "ERR ". */
MUST_CHECK enum status config_set(struct config *config, const struct slice *names, const struct slice *values,
                                  uint32_t count, bool *ret_changed, struct config_error *ret_error);

/* Calls `visit` with every name and value that CONFIG GET knows. `secret`: not everybody may see the value. */
void config_each(const struct config *config,
                 void (*visit)(void *context, const char *name, const char *value, bool secret), void *context);

/* A value as CONFIG GET shows it: sizes in bytes, durations in the key's unit. Answers its length. */
size_t config_text(const struct config *config, enum config_key_id id, char *ret_text, size_t text_size);

/* CONFIG REWRITE: writes the values that differ from the file into it, in place; comments and order stay.
 * STATUS_INVALID without a file. */
MUST_CHECK enum status config_rewrite(const struct config *config, const struct memory *memory,
                                      struct config_error *ret_error);
/* The same from text to text. */
MUST_CHECK enum status config_rewrite_text(const struct config *config, struct slice old, struct buf *ret_text,
                                           struct config_error *ret_error);

/* --------------------------------------------------------------------------- about */

/* By any of its names, without case; CONFIG_KEY_COUNT if there is none. */
enum config_key_id config_find(struct slice name);

/* The nearest known name for a misspelt one, or NULL. */
const char *config_suggest(struct slice name);

/* The nearest of a NULL-terminated list of words, or NULL. */
const char *config_suggest_word(struct slice word, const char *const *words);

/* "1gb", "512mb", "1.5gb" for people; answers ret_text. */
const char *config_size_text(uint64_t bytes, char *ret_text, size_t text_size);

/* Is this an address that only this machine can reach? */
bool config_is_loopback(const char *address);

#endif
