/* app/cmd/client_filter.h: which connections CLIENT LIST and CLIENT KILL are about: `NAME me NOT-TYPE pubsub IDLE 60`.
 *
 * Every word may stand with NOT- in front, but for SKIPME, MAXAGE and IDLE; a connection has to match all of them. Of a word that is said twice the last one
 * counts (KILL), or it is an error (LIST). Names and versions of libraries of more than 63 bytes (of versions, 31) match no word.
 *
 * Threads: those of the call; a filter that is read may be asked by any thread.
 * Memory:  in the arena of the call, and in its arguments.
 */
#ifndef STRATA_APP_CMD_CLIENT_FILTER_H
#define STRATA_APP_CMD_CLIENT_FILTER_H

#include "app/cmd/server_api.h"

enum client_filter_word {
    FILTER_ID,
    FILTER_TYPE,
    FILTER_USER,
    FILTER_ADDRESS,
    FILTER_LOCAL_ADDRESS,
    FILTER_IP,
    FILTER_NAME,
    FILTER_LIB_NAME,
    FILTER_LIB_VERSION,
    FILTER_FLAGS,
    FILTER_DB,
    FILTER_AGE,
    FILTER_IDLE,
    FILTER_WORDS
};

struct client_condition {
    bool said;
    struct slice text;
    uint64_t number;         /* also the id of a user, a type, a database */
    const uint64_t *numbers; /* ids */
    uint32_t count;
};

struct client_filter {
    struct client_condition of[FILTER_WORDS][2]; /* as it stands, and with NOT- */
    bool skips_me, skip_said;
    bool repeats; /* a word was said twice */
};

/* From argument `at` to the last. False: the error is replied. */
bool client_filter_read(struct cmd_call *call, uint32_t at, struct client_filter *ret_filter);

/* Whether a word of a filter is called so. */
bool client_filter_is_word(struct slice name);

bool client_filter_matches(const struct client_filter *filter, const struct cmd_client_view *view);

#endif
