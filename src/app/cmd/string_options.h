/* app/cmd/string_options.h: the option words of SET, GETEX, MSETEX and CSET, and the names of tags.
 *
 * Each word may stand once or more often, in any order and case; the last argument of a repeated word counts, as in Redis. Words
 * of one group exclude each other.
 *
 * Threads: those of the call.
 * Errors:  what is not allowed is answered with a syntax error.
 */
#ifndef STRATA_APP_CMD_STRING_OPTIONS_H
#define STRATA_APP_CMD_STRING_OPTIONS_H

#include "app/cmd/cmd.h"

enum string_option {
    OPTION_NX = 1 << 0,
    OPTION_XX = 1 << 1,
    OPTION_IFEQ = 1 << 2,
    OPTION_GET = 1 << 3,
    OPTION_KEEPTTL = 1 << 4,
    OPTION_PERSIST = 1 << 5,
    OPTION_EX = 1 << 6,
    OPTION_PX = 1 << 7,
    OPTION_EXAT = 1 << 8,
    OPTION_PXAT = 1 << 9,
    OPTION_TAGS = 1 << 10,
    OPTION_NEGATIVE = 1 << 11,
    OPTION_STALE = 1 << 12,
    OPTION_STALE_MS_MAX = 7 * 24 * 3600 * 1000,
    OPTION_VERSION = 1 << 13,
    OPTION_IFVERSION = 1 << 14,
    OPTION_IFNEWER = 1 << 15,
    OPTIONS_VERSION = OPTION_VERSION | OPTION_IFVERSION | OPTION_IFNEWER,
    OPTIONS_CONDITION = OPTION_NX | OPTION_XX | OPTION_IFEQ | OPTION_IFVERSION | OPTION_IFNEWER,
    OPTIONS_EXPIRY = OPTION_EX | OPTION_PX | OPTION_EXAT | OPTION_PXAT,
    OPTIONS_TIME = OPTIONS_EXPIRY | OPTION_KEEPTTL | OPTION_PERSIST,
};

struct string_options {
    uint32_t flags;
    uint32_t expiry_at;          /* argument with the time, if flags has one of OPTIONS_EXPIRY */
    uint32_t compare_at;         /* argument of IFEQ */
    uint32_t tags_at, tag_count; /* arguments of TAGS, if flags have it */
    uint32_t stale_ms;           /* for how long after its expiry the value is stale; 0: nothing is said */
    uint64_t row;                /* of VERSION or IFNEWER: what is written has it; 0: none */
    int64_t expected;            /* of IFVERSION */
};

/* Reads the arguments from `at` on; only the words in `allowed` are known. */
bool string_options_read(struct cmd_call *call, uint32_t at, uint32_t allowed, struct string_options *ret_options);

/* Whether IFVERSION and IFNEWER, if they are there, let the edit's entry be written over. */
bool string_options_guard(const struct string_options *options, const struct cache_edit *edit);

/* Whether the arguments from `at` on may be tags of one key. */
bool string_options_check_tags(struct cmd_call *call, uint32_t at, uint32_t count);

/* When the options say the value expires; 0 if they say nothing. */
bool string_options_expiry(struct cmd_call *call, const struct string_options *options, uint64_t *ret_expires_at_ms);

#endif
