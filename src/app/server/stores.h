/* app/server/stores.h: the configured stores, as the cache wants them.
 *
 * Threads: no state.
 * Errors:  as CONFIG SET answers them, without "ERR ".
 */
#ifndef STRATA_APP_SERVER_STORES_H
#define STRATA_APP_SERVER_STORES_H

#include "app/config/config.h"

/* What cache_open is told of the stores; it may be forgotten afterwards. */
struct stores_wanted {
    struct cache_store stores[CACHE_STORES_MAX];
    struct slice patterns[CACHE_STORES_MAX][CACHE_STORE_PATTERNS_MAX];
    uint32_t count;
};

/* The slices point into `config`. */
void stores_wanted(const struct config *config, struct stores_wanted *ret_wanted);

/* Switches the filters on that the configuration asks for, and others off that a cache from before may have, before anybody else works on the cache; they are built by housekeeping. */
void stores_switch_filters(const struct config *config, struct cache *cache, struct actor *actor);

/* Whether what is guaranteed to the running stores would fit into another limit. */
bool stores_fit(const struct cache *cache, uint64_t limit_bytes);

/* Takes over from `next` what concerns the cache and differs from `now`: all of it, or nothing and an error. `range_size` is what the
 * limit may be raised to. */
bool stores_apply(struct cache *cache, uint64_t range_size, const struct config *now, const struct config *next,
                  char *ret_error, size_t error_size);

#endif
