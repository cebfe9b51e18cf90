#include "app/config/config_stores.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/config/config_value.h"
#include "base/assert.h"
#include "base/bits.h"

static_assert((int)CONFIG_MAXMEMORY_POLICY_COUNT == (int)CACHE_SESSION,
              "policies have the numbers that the cache gives them");
static_assert(CONFIG_STORES_TEXT_MAX <= UINT16_MAX, "places in the text fit");

bool config_store_is_default(const struct config_store *store) { return strcmp(store->name, "default") == 0; }

struct slice config_store_pattern(const struct config_stores *stores, uint32_t store, uint32_t pattern) {
    ASSERT(store < stores->count && pattern < stores->each[store].pattern_count);
    return slice_make(stores->text + stores->each[store].patterns[pattern].at,
                      stores->each[store].patterns[pattern].size);
}

/* ------------------------------------------------------------------------------------------ as text */

struct line {
    char *text;
    size_t size, used;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One more member of the list; what does not fit is cut. */
static void add(struct line *line, const char *format, ...) {
    char part[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    if (line->used < line->size)
        line->used +=
            (size_t)snprintf(line->text + line->used, line->size - line->used, "%s%s", line->used ? ", " : "", part);
}

static void add_duration(struct line *line, const char *name, uint64_t ms) {
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t unit = 0;
    while (ms % units[unit].ms)
        unit++;
    add(line, "%s %llu%s", name, (unsigned long long)(ms / units[unit].ms), units[unit].name);
}

const char *config_store_text(const struct config_stores *stores, uint32_t store, char *ret_text, size_t text_size) {
    const struct config_store *of = &stores->each[store];
    struct line line = {ret_text, text_size, 0};
    char size[32];
    ret_text[0] = 0;
    if (of->share_permille)
        add(&line, "memory %g%%", of->share_permille / 10.0);
    else if (of->guaranteed_bytes)
        add(&line, "memory %s", config_size_text(of->guaranteed_bytes, size, sizeof size));
    if (of->policy != CONFIG_STORE_POLICY_UNSAID)
        add(&line, "policy %s", config_store_policies[of->policy]);
    if (of->ttl_ms)
        add_duration(&line, "ttl", of->ttl_ms);
    if (of->entries_max)
        add(&line, "entries %llu", (unsigned long long)of->entries_max);
    if (of->filter)
        add(&line, "filter cuckoo %g%%", of->filter_rate_ppm / 1e4);
    return ret_text;
}

/* ------------------------------------------------------------------------------------------ guarantees */

static enum status refuse_memory(const struct config *config, uint32_t store, struct config_error *ret_error,
                                 const char *what) {
    const struct config_store_place *place = &config->store_places[store];
    return config_refuse(ret_error, "%.100s:%u:%u: stores.%s.memory: %s", config->file, place->memory_line,
                         place->memory_column, config->stores.each[store].name, what);
}

enum status config_check_stores(const struct config *config, struct config_error *ret_error) {
    uint64_t limit_bytes = config->values.maxmemory_bytes, bytes = 0;
    uint32_t permille = 0;
    char what[160], sum[32], limit[32];
    for (uint32_t i = 0; i < config->stores.count; i++) {
        const struct config_store *store = &config->stores.each[i];
        permille += store->share_permille;
        bytes +=
            store->share_permille ? limit_bytes / CACHE_SHARE_ALL * store->share_permille : store->guaranteed_bytes;
        if (permille > CACHE_SHARE_ALL) {
            snprintf(what, sizeof what, "the shares of the stores up to here come to %g%% of maxmemory",
                     permille / 10.0);
            return refuse_memory(config, i, ret_error, what);
        }
        if (bytes > limit_bytes) {
            snprintf(what, sizeof what, "up to here %s are guaranteed, more than the %s of maxmemory",
                     config_size_text(bytes, sum, sizeof sum), config_size_text(limit_bytes, limit, sizeof limit));
            return refuse_memory(config, i, ret_error, what);
        }
    }
    return STATUS_OK;
}
