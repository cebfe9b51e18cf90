#include "app/server/stores.h"

#include <stdio.h>

#include "base/assert.h"

/* Policy and capacity of the default store are settings of their own. */
static enum cache_policy policy_of(const struct config *config, const struct config_store *store) {
    return store->policy == CONFIG_STORE_POLICY_UNSAID ? (enum cache_policy)config->values.maxmemory_policy
                                                       : (enum cache_policy)store->policy;
}

static uint64_t entries_of(const struct config *config, const struct config_store *store) {
    return config_store_is_default(store) ? (uint64_t)config->values.maxentries : store->entries_max;
}

void stores_wanted(const struct config *config, struct stores_wanted *ret_wanted) {
    ret_wanted->count = config->stores.count;
    for (uint32_t i = 0; i < config->stores.count; i++) {
        const struct config_store *store = &config->stores.each[i];
        for (uint32_t j = 0; j < store->pattern_count; j++)
            ret_wanted->patterns[i][j] = config_store_pattern(&config->stores, i, j);
        ret_wanted->stores[i] = (struct cache_store){
            .name = slice_from_string(store->name),
            .patterns = ret_wanted->patterns[i],
            .pattern_count = store->pattern_count,
            .share_permille = store->share_permille,
            .guaranteed_bytes = store->guaranteed_bytes,
            .entries_max = entries_of(config, store),
            .ttl_ms = store->ttl_ms,
            .policy = policy_of(config, store),
        };
    }
}

void stores_switch_filters(const struct config *config, struct cache *cache, struct actor *actor) {
    bool default_is_described = false;
    for (uint32_t i = 0; i < config->stores.count; i++) {
        const struct config_store *store = &config->stores.each[i];
        uint32_t number;
        bool found = cache_store_find(cache, slice_from_string(store->name), &number);
        ASSERT(found);
        enum status status =
            cache_filter_set(cache, actor, number, store->filter, store->filter ? store->filter_rate_ppm : 0);
        ASSERT(status == STATUS_OK); /* the rates that a file may name are the cache's own */
        default_is_described |= number == 0;
    }
    if (!default_is_described)
        MAYBE(cache_filter_set(cache, actor, 0, false, 0) != STATUS_OK);
}

bool stores_fit(const struct cache *cache, uint64_t limit_bytes) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < cache_store_count(cache); i++) {
        struct cache_store_info info;
        cache_store_info(cache, i, &info);
        bytes += info.share_permille ? limit_bytes / CACHE_SHARE_ALL * info.share_permille : info.guaranteed_bytes;
    }
    return bytes <= limit_bytes;
}

static bool set_limit(struct cache *cache, uint64_t limit_bytes, uint64_t range_size, char *ret_error,
                      size_t error_size) {
    static const char failed[] = "CONFIG SET failed (possibly related to argument 'maxmemory') - ";
    if (!stores_fit(cache, limit_bytes))
        snprintf(ret_error, error_size, "%smore than that is guaranteed to the stores", failed);
    else if (limit_bytes > range_size)
        snprintf(ret_error, error_size, "%sthe server was started with room for at most %llu bytes", failed,
                 (unsigned long long)range_size);
    else if (cache_limit_set(cache, limit_bytes) != STATUS_OK)
        snprintf(ret_error, error_size,
                 "%s%llu bytes are too few: the server was started to hold up to %llu bytes, and how it is cut up for "
                 "that takes more",
                 failed, (unsigned long long)limit_bytes, (unsigned long long)range_size);
    else
        return true;
    return false;
}

static bool set_policy(struct cache *cache, enum cache_policy policy, char *ret_error, size_t error_size) {
    enum status status = cache_policy_set(cache, policy);
    ASSERT(status == STATUS_OK || status == STATUS_FULL); /* no configuration opens the default store by sessions */
    if (status == STATUS_FULL)
        snprintf(ret_error, error_size,
                 "CONFIG SET failed (possibly related to argument 'maxmemory-policy') - the default store holds memory "
                 "that is "
                 "guaranteed to others, and could not give it back");
    return status == STATUS_OK;
}

/* First what can fail. */
bool stores_apply(struct cache *cache, uint64_t range_size, const struct config *now, const struct config *next,
                  char *ret_error, size_t error_size) {
    enum cache_policy before = cache_policy_now(cache);
    if (next->values.maxmemory_policy != now->values.maxmemory_policy &&
        !set_policy(cache, (enum cache_policy)next->values.maxmemory_policy, ret_error, error_size))
        return false;
    enum status status = STATUS_OK;
    if (next->values.maxmemory_bytes != now->values.maxmemory_bytes &&
        !set_limit(cache, next->values.maxmemory_bytes, range_size, ret_error, error_size)) {
        status = cache_policy_set(cache, before);
        MAYBE(status == STATUS_FULL); /* it has become too large for that in this moment */
        return false;
    }
    if (next->values.maxentries != now->values.maxentries)
        status = cache_store_entries_max_set(cache, 0, (uint64_t)next->values.maxentries);
    ASSERT(status == STATUS_OK); /* the range of the key is the cache's own */
    return true;
}
