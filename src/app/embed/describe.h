/* app/embed/describe.h: the description of a cache, as a text.
 *
 *     memory[:SIZE][,NAME=VALUE]... [file:PATH:SIZE[,NAME=VALUE]...]
 *
 *     NAME of memory: entries, max, ttl, policy, shards, dir, fsync, memory-file; of file: promote, idle, rate, access
 *
 * Threads: no state.
 * Errors:  STATUS_INVALID with a sentence that says where and what.
 */
#ifndef STRATA_APP_EMBED_DESCRIBE_H
#define STRATA_APP_EMBED_DESCRIBE_H

#include <strata/strata.h>
#include "base/slice.h"
#include "base/status.h"

enum { DESCRIBE_PATH_MAX = 4095 };

struct description {
    uint64_t limit_bytes, limit_max_bytes, entries_max, ttl_ms; /* 0: not said */
    uint32_t shards;
    bool policy_said;
    enum strata_policy policy;
    enum strata_fsync fsync;        /* STRATA_FSYNC_DEFAULT: not said */
    struct slice directory;         /* in the text; empty: not said */
    struct slice file, memory_file; /* the same */
    uint64_t file_bytes, file_idle_ms, file_rate_bytes;
    uint32_t file_promote_hits;
    bool file_access_said;
    enum strata_file_access file_access;
};

/* `text` may be anything. `problem` has room for STRATA_ERROR_TEXT_SIZE bytes and is terminated on failure. */
MUST_CHECK enum status describe_parse(struct slice text, char *problem, struct description *ret_description);

#endif
