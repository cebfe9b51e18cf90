/* app/cmd/spec_docs.h: what the command table says to people and tools.
 *
 * The generated table defines one of these for each command; COMMAND, HELP and the command line client read them.
 *
 * Threads: constant data.
 */
#ifndef STRATA_APP_CMD_SPEC_DOCS_H
#define STRATA_APP_CMD_SPEC_DOCS_H

#include "app/cmd/spec.h"

enum cmd_argument_type {
    CMD_ARGUMENT_STRING,
    CMD_ARGUMENT_INTEGER,
    CMD_ARGUMENT_DOUBLE,
    CMD_ARGUMENT_KEY,
    CMD_ARGUMENT_PATTERN,
    CMD_ARGUMENT_UNIX_TIME,
    CMD_ARGUMENT_PURE_TOKEN,
    CMD_ARGUMENT_ONEOF, /* one of the children */
    CMD_ARGUMENT_BLOCK, /* all children, in order */
};

enum cmd_argument_flag {
    CMD_ARGUMENT_OPTIONAL = 1,
    CMD_ARGUMENT_MULTIPLE = 2,       /* may be repeated */
    CMD_ARGUMENT_MULTIPLE_TOKEN = 4, /* and its token each time with it */
};

struct cmd_argument {
    const char *name;
    const char *token; /* the word that stands before it, or NULL */
    enum cmd_argument_type type;
    uint32_t flags;
    int key_spec; /* of a key: its index in cmd_spec.keys; else -1 */
    const struct cmd_argument *children;
    uint32_t child_count;
};

struct cmd_docs {
    const char *summary, *since, *group, *complexity;
    const char *deprecated_since, *replaced_by; /* NULL: in use */
    const char *syntax;                         /* "SET key value [NX | XX] ..." */
    /* Each ends with NULL. */
    const char *const *flags;      /* as COMMAND INFO answers them */
    const char *const *categories; /* "@string", ... */
    const char *const *tips;
    int key_first, key_last, key_step; /* the old short form of the key positions */
    const struct cmd_argument *arguments;
    uint32_t argument_count;
};

#endif
