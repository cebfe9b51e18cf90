/* app/server/hot_keys.h: which keys are busy, for HOTKEYS and METRICS.
 *
 * Each worker has a sketch of its own, which is fed by the samples that class_stats takes anyway: so a command that is not looked at pays nothing. Of a
 * command with several keys, one is taken by chance.
 *
 * Threads: the worker's own; hot_keys_sum and hot_keys_reset visit all of them.
 */
#ifndef STRATA_APP_SERVER_HOT_KEYS_H
#define STRATA_APP_SERVER_HOT_KEYS_H

#include "app/cmd/server_api.h"
#include "core/obs/hot.h"

struct worker;

struct worker_hot {
    struct hot keys;
    uint32_t misses; /* seen */
};

/* What hits and writes since the last sample come to is put down to a key of this request. */
void hot_keys_used(struct worker *worker, const struct cmd_request *item, enum hot_use use, uint64_t weight);
void hot_keys_missed(struct worker *worker, uint32_t place, struct slice name);

/* For struct cmd_server_api. */
void hot_keys_sum(struct cmd_server *server, struct hot *ret_sum);
void hot_keys_reset(struct cmd_server *server);

#endif
