/* app/config/config_stores.h: the named stores of the configuration file.
 *
 *     stores:
 *       default:  { memory: 60%, policy: allkeys-lfu }
 *       sessions: { keys: ["session:{sid}", "cart:{sid}:*"], memory: 20%, policy: session, ttl: 30m }
 *
 * They stand in the file only: a list of patterns makes no good flag. `policy` and `entries` of the default store are the settings
 * maxmemory-policy and maxentries themselves, so a later source may overrule them. docs/stores.md says what the fields mean.
 *
 * Threads: no state.
 * Memory:  plain data of a fixed size, without pointers, so that a configuration may be copied by assignment.
 */
#ifndef STRATA_APP_CONFIG_CONFIG_STORES_H
#define STRATA_APP_CONFIG_CONFIG_STORES_H

#include "core/cache/cache.h"

enum {
    CONFIG_STORES_TEXT_MAX = 32 * 1024, /* bytes of all patterns together: 32 for each that there may be */
    CONFIG_STORE_POLICY_UNSAID = -1,
};

#define CONFIG_STORE_TTL_MAX_MS (36500 * 86400000ll) /* a hundred years: an expiry never overflows */

struct config_store {
    char name[CACHE_STORE_NAME_MAX + 1];
    uint32_t share_permille; /* guaranteed, of maxmemory; if 0: */
    uint64_t guaranteed_bytes;
    uint64_t entries_max; /* 0: any number, as for the default store, whose capacity is maxentries */
    uint64_t ttl_ms;      /* 0: entries stay */
    int32_t policy; /* enum cache_policy; CONFIG_STORE_POLICY_UNSAID: maxmemory-policy, as for the default store */
    bool filter;
    uint32_t filter_rate_ppm;
    uint32_t pattern_count;
    struct {
        uint16_t at, size; /* in the text of all patterns */
    } patterns[CACHE_STORE_PATTERNS_MAX];
};

struct config_stores {
    uint32_t count, text_size;
    struct config_store each[CACHE_STORES_MAX]; /* in the order of the file */
    uint8_t text[CONFIG_STORES_TEXT_MAX];
};

/* Where a store and what is guaranteed to it were written; lines and columns begin at 1. */
struct config_store_place {
    uint32_t line, column, memory_line, memory_column;
};

struct slice config_store_pattern(const struct config_stores *stores, uint32_t store, uint32_t pattern);

/* What is said of a store, for people: "memory 20%, policy session, ttl 30m". Answers ret_text. */
const char *config_store_text(const struct config_stores *stores, uint32_t store, char *ret_text, size_t text_size);

bool config_store_is_default(const struct config_store *store);

#endif
