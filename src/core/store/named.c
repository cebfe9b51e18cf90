#include "core/store/named.h"
#include "core/store/claim.h"

#include <stdlib.h>

#include "base/assert.h"
#include "core/store/pattern.h"
#include "core/store/session.h"

enum { SHARD_BUDGET = 32 * 1024 * 1024, SHARDS_PER_CORE = 4 };

static bool is_default(const struct store_options *store) { return slice_equal(store->name, SLICE("default")); }

static const struct store_options *default_of(const struct engine_options *options) {
    for (uint32_t i = 0; i < options->store_count; i++)
        if (is_default(&options->stores[i]))
            return &options->stores[i];
    return NULL;
}

uint32_t named_count(const struct engine_options *options) {
    return options->store_count + (default_of(options) ? 0 : 1);
}

/* ------------------------------------------------------------------------------------------ checking */

static bool name_is_usable(struct slice name) {
    if (name.size == 0 || name.size > STORE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static uint64_t guarantee_bytes(uint32_t share_permille, uint64_t bytes, uint64_t limit_bytes) {
    return share_permille ? limit_bytes / STORE_SHARE_ALL * share_permille : bytes;
}

static bool store_is_usable(const struct store_options *store) {
    if (!name_is_usable(store->name) || store->pattern_count > STORE_PATTERNS_MAX ||
        store->policy >= STORE_POLICY_COUNT || store->share_permille > STORE_SHARE_ALL ||
        (store->entries_max && store->entries_max < STORE_ENTRIES_MAX_MIN))
        return false;
    if (is_default(store) != (store->pattern_count == 0))
        return false; /* one without patterns would never get a key */
    bool headed = false;
    for (uint32_t i = 0; i < store->pattern_count; i++) {
        size_t at;
        if (pattern_check(store->patterns[i], &at))
            return false;
        headed |= pattern_names_one(store->patterns[i]);
    }
    return headed || store->policy != STORE_SESSION;
}

enum status named_check(const struct engine_options *options) {
    if (options->store_count > STORES_MAX || options->policy == STORE_SESSION || named_count(options) > STORES_MAX)
        return STATUS_INVALID;
    uint64_t guaranteed = 0;
    for (uint32_t i = 0; i < options->store_count; i++) {
        const struct store_options *store = &options->stores[i];
        if (!store_is_usable(store))
            return STATUS_INVALID;
        for (uint32_t j = 0; j < i; j++)
            if (slice_equal(store->name, options->stores[j].name))
                return STATUS_INVALID;
        uint64_t bytes = guarantee_bytes(store->share_permille, store->guaranteed_bytes, options->limit_bytes);
        if (bytes > options->limit_bytes - guaranteed)
            return STATUS_INVALID;
        guaranteed += bytes;
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ layout */

/* The options of each store by its number: the default one is number 0. */
static const struct store_options *options_of(const struct engine_options *options, uint32_t number) {
    if (number == 0)
        return default_of(options);
    for (uint32_t i = 0, at = 0; i < options->store_count; i++)
        if (!is_default(&options->stores[i]) && ++at == number)
            return &options->stores[i];
    return NULL;
}

static uint32_t shards_for(uint64_t bytes, uint32_t cores) {
    uint64_t count = bytes / SHARD_BUDGET, most = SHARDS_PER_CORE * (cores ? cores : 1);
    if (count > most)
        count = most;
    return count < 1 ? 1 : (uint32_t)bits_floor_power_of_two(count);
}

/* A small capacity in entries is shared out badly among several shards: one gets more than its part, another less. */
static bool is_one_shard(uint64_t entries_max) {
    enum { ENTRIES_PER_SHARD = 65536 };
    return entries_max && entries_max < ENTRIES_PER_SHARD;
}

uint32_t named_count_shards(const struct engine_options *options, uint32_t ret_shards[STORES_MAX]) {
    uint32_t total = 0, stores = named_count(options);
    for (uint32_t i = 0; i < stores; i++) {
        const struct store_options *store = options_of(options, i);
        uint64_t bytes = !store ? options->limit_bytes
                                : guarantee_bytes(store->share_permille, store->guaranteed_bytes, options->limit_bytes);
        if (i == 0)
            bytes = options->limit_bytes;
        ret_shards[i] = i == 0 && options->shards ? (uint32_t)bits_floor_power_of_two(options->shards)
                                                  : shards_for(bytes, options->cores);
        if (is_one_shard(store ? store->entries_max : options->entries_max))
            ret_shards[i] = 1;
        total += ret_shards[i];
    }
    /* Very many cores: the largest stores share. */
    while (total > STORE_SHARDS_MAX) {
        uint32_t largest = 0;
        for (uint32_t i = 1; i < stores; i++)
            if (ret_shards[i] > ret_shards[largest])
                largest = i;
        if (ret_shards[largest] == 1)
            return 0;
        total -= ret_shards[largest] / 2;
        ret_shards[largest] /= 2;
    }
    return total;
}

static void describe(struct store *record, const struct engine_options *options, const struct store_options *store) {
    enum store_policy policy = store ? store->policy : options->policy;
    record->by_session = policy == STORE_SESSION;
    atomic_store_explicit(&record->policy, policy, memory_order_relaxed);
    atomic_store_explicit(&record->entries_max, store ? store->entries_max : options->entries_max,
                          memory_order_relaxed);
    atomic_store_explicit(&record->share_permille, store ? store->share_permille : 0, memory_order_relaxed);
    atomic_store_explicit(&record->guaranteed_bytes, store ? store->guaranteed_bytes : 0, memory_order_relaxed);
    atomic_store_explicit(&record->ttl_ms, store ? store->ttl_ms : 0, memory_order_relaxed);
    atomic_store_explicit(&record->rank, STORE_USUAL, memory_order_relaxed);
    atomic_store_explicit(&record->quota_permille, 0, memory_order_relaxed);
    atomic_store_explicit(&record->quota_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&record->refuses, 0, memory_order_relaxed);
}

static void write_record(struct store *record, const struct engine_options *options, uint32_t number) {
    const struct store_options *store = options_of(options, number);
    struct slice name = store ? store->name : SLICE("default");
    memcpy(record->name, name.data, name.size);
    describe(record, options, store);
}

enum store_policy named_default_policy(const struct engine_options *options) {
    const struct store_options *store = default_of(options);
    return store ? store->policy : options->policy;
}

void named_describe(struct engine *engine, const struct engine_options *options) {
    for (uint32_t i = 0; i < named_count(options); i++)
        describe(&engine->stores[i], options, options_of(options, i));
}

bool named_are(const struct engine *engine, const struct engine_options *options) {
    for (uint32_t i = 0; i < named_count(options); i++) {
        const struct store_options *store = options_of(options, i);
        const struct store *record = &engine->stores[i];
        bool sessions = store && store->policy == STORE_SESSION;
        if (!slice_equal(slice_from_string(record->name), store ? store->name : SLICE("default")) ||
            (record->by_session != 0) != sessions)
            return false;
    }
    return true;
}

uint64_t named_hash(const struct engine_options *options) {
    uint64_t hash = named_count(options);
    for (uint32_t i = 0; i < named_count(options); i++) {
        const struct store_options *store = options_of(options, i);
        if (!store)
            continue;
        uint64_t numbers[] = {store->name.size,        store->pattern_count, store->share_permille,
                              store->guaranteed_bytes, store->ttl_ms,        i ? store->entries_max : 0,
                              i ? store->policy : 0};
        hash = hash_bytes(slice_make((const uint8_t *)numbers, sizeof numbers), hash);
        hash = hash_bytes(store->name, hash);
        for (uint32_t j = 0; j < store->pattern_count; j++)
            hash = hash_bytes(store->patterns[j], hash + store->patterns[j].size);
    }
    return hash;
}

void named_lay_out(struct engine *engine, const struct engine_options *options) {
    uint32_t shards[STORES_MAX], first = 0;
    (void)named_count_shards(options, shards);
    for (uint32_t i = 0; i < engine->store_count; i++) {
        struct store *store = &engine->stores[i];
        write_record(store, options, i);
        engine->sessions |= store->by_session != 0;
        store->first_shard = first;
        store->shard_count = shards[i];
        store->shard_shift = shards[i] == 1 ? 0 : 64 - bits_log2(shards[i]);
        for (uint32_t j = 0; j < shards[i]; j++) {
            engine->shards[first + j].store = i;
            atomic_store_explicit(&engine->shards[first + j].aside, store->by_session ? STORE_BY_SESSION : 0,
                                  memory_order_relaxed);
        }
        first += shards[i];
    }
    ASSERT(first == engine->shard_count);
}

void named_limit_changed(struct engine *engine) {
    uint64_t limit_bytes = atomic_load_explicit(&engine->range.head->limit_bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < engine->store_count; i++) {
        struct store *store = &engine->stores[i];
        uint32_t share = atomic_load_explicit(&store->share_permille, memory_order_relaxed);
        if (share)
            atomic_store_explicit(&store->guaranteed_bytes, guarantee_bytes(share, 0, limit_bytes),
                                  memory_order_relaxed);
    }
}

enum status store_guarantee_set(struct engine *engine, uint32_t store, uint32_t share_permille, uint64_t bytes) {
    uint64_t limit_bytes = atomic_load_explicit(&engine->range.head->limit_bytes, memory_order_relaxed);
    if (store >= engine->store_count || share_permille > STORE_SHARE_ALL)
        return STATUS_INVALID;
    uint64_t wanted = guarantee_bytes(share_permille, bytes, limit_bytes), others = 0;
    for (uint32_t i = 0; i < engine->store_count; i++)
        if (i != store)
            others += atomic_load_explicit(&engine->stores[i].guaranteed_bytes, memory_order_relaxed);
    if (wanted > limit_bytes || others > limit_bytes - wanted)
        return STATUS_INVALID;
    uint64_t now = atomic_load_explicit(&engine->stores[store].guaranteed_bytes, memory_order_relaxed);
    for (uint32_t i = 0; wanted > now && i < engine->store_count; i++) {
        enum store_policy policy =
            (enum store_policy)atomic_load_explicit(&engine->stores[i].policy, memory_order_relaxed);
        if (i != store && !claim_fits(engine, i, policy, wanted - now))
            return STATUS_FULL;
    }
    atomic_store_explicit(&engine->stores[store].share_permille, share_permille, memory_order_relaxed);
    atomic_store_explicit(&engine->stores[store].guaranteed_bytes, wanted, memory_order_relaxed);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ routes */

static int by_weight(const void *a, const void *b) {
    size_t weight_a = pattern_weight(((const struct route *)a)->pattern),
           weight_b = pattern_weight(((const struct route *)b)->pattern);
    if (weight_a != weight_b)
        return weight_a > weight_b ? -1 : 1;
    /* As they were given: their bytes were copied in that order. */
    return ((const struct route *)a)->pattern.data < ((const struct route *)b)->pattern.data ? -1 : 1;
}

/* One allocation: the routes, and behind them the bytes of all patterns. */
static size_t routes_size(const struct engine_options *options, uint32_t *ret_count) {
    size_t size = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < options->store_count; i++)
        for (uint32_t j = 0; j < options->stores[i].pattern_count; j++, count++)
            size += sizeof(struct route) + options->stores[i].patterns[j].size;
    *ret_count = count;
    return size;
}

enum status named_take_routes(struct engine *engine, const struct engine_options *options) {
    engine->routes_size = routes_size(options, &engine->route_count);
    if (engine->route_count == 0)
        return STATUS_OK;
    engine->routed = true;
    engine->routes = memory_take(engine->memory, engine->routes_size);
    if (!engine->routes) {
        engine->route_count = 0;
        engine->routed = false;
        return STATUS_NO_MEMORY;
    }
    uint8_t *bytes = (uint8_t *)(engine->routes + engine->route_count);
    uint32_t at = 0;
    for (uint32_t number = 1; number < named_count(options); number++) {
        const struct store_options *store = options_of(options, number);
        for (uint32_t i = 0; i < store->pattern_count; i++) {
            struct slice pattern = store->patterns[i];
            memcpy(bytes, pattern.data, pattern.size);
            pattern.data = bytes;
            bytes += pattern.size;
            engine->routes[at++] = (struct route){pattern, pattern_prefix(pattern), number};
            if (store->policy == STORE_SESSION && !engine->heads[number].size && pattern_names_one(pattern))
                engine->heads[number] = pattern;
        }
    }
    qsort(engine->routes, engine->route_count, sizeof *engine->routes, by_weight);
    return STATUS_OK;
}

void named_give_routes(struct engine *engine) {
    memory_give(engine->memory, engine->routes, engine->routes_size);
    engine->routes = NULL;
    engine->route_count = 0;
}

enum status named_check_added(const struct engine *engine, const struct store_options *options) {
    uint64_t limit_bytes = atomic_load_explicit(&engine->range.head->limit_bytes, memory_order_relaxed), others = 0;
    if (options->name.size == 0 || options->name.size > STORE_NAME_MAX || options->policy >= STORE_POLICY_COUNT ||
        options->share_permille > STORE_SHARE_ALL ||
        (options->entries_max && options->entries_max < STORE_ENTRIES_MAX_MIN))
        return STATUS_INVALID;
    for (uint32_t i = 0; i < engine->store_count; i++) {
        if (slice_equal(slice_from_string(engine->stores[i].name), options->name))
            return STATUS_INVALID;
        others += atomic_load_explicit(&engine->stores[i].guaranteed_bytes, memory_order_relaxed);
    }
    uint64_t wanted = guarantee_bytes(options->share_permille, options->guaranteed_bytes, limit_bytes);
    return wanted > limit_bytes || others > limit_bytes - wanted ? STATUS_INVALID : STATUS_OK;
}

uint32_t named_shards_for(const struct engine *engine, const struct store_options *options) {
    uint64_t limit_bytes = atomic_load_explicit(&engine->range.head->limit_bytes, memory_order_relaxed);
    if (is_one_shard(options->entries_max))
        return 1;
    return shards_for(guarantee_bytes(options->share_permille, options->guaranteed_bytes, limit_bytes), engine->cores);
}

uint32_t named_given_up(const struct engine *engine) {
    for (uint32_t i = 1; i < engine->store_count; i++)
        if (store_is_given_up(&engine->stores[i]))
            return i;
    return 0;
}

void named_write(struct engine *engine, uint32_t number, const struct store_options *options) {
    struct store *record = &engine->stores[number];
    uint64_t limit_bytes = atomic_load_explicit(&engine->range.head->limit_bytes, memory_order_relaxed);
    memset(record->name, 0, sizeof record->name);
    if (options->name.size)
        memcpy(record->name, options->name.data, options->name.size);
    record->by_session = options->policy == STORE_SESSION;
    engine->sessions |= record->by_session != 0;
    for (uint32_t i = record->first_shard; i < record->first_shard + record->shard_count; i++)
        atomic_store_explicit(&engine->shards[i].aside,
                              record->by_session ? STORE_BY_SESSION
                              : engine->tier     ? STORE_TIERED
                                                 : 0,
                              memory_order_relaxed);
    atomic_store_explicit(&record->policy, options->policy, memory_order_relaxed);
    atomic_store_explicit(&record->entries_max, options->entries_max, memory_order_relaxed);
    atomic_store_explicit(&record->ttl_ms, options->ttl_ms, memory_order_relaxed);
    atomic_store_explicit(&record->share_permille, options->share_permille, memory_order_relaxed);
    atomic_store_explicit(&record->guaranteed_bytes,
                          guarantee_bytes(options->share_permille, options->guaranteed_bytes, limit_bytes),
                          memory_order_relaxed);
    store_bounds_set(engine, number, &(struct store_bounds){.rank = STORE_USUAL});
}

void engine_store_give_up(struct engine *engine, uint32_t store) {
    static const struct store_options nobody = {.policy = STORE_ALLKEYS_LFU};
    ASSERT(store > 0 && store < engine->store_count && store_entries(engine, store) == 0);
    named_write(engine, store, &nobody);
}

void store_bounds_set(struct engine *engine, uint32_t store, const struct store_bounds *bounds) {
    struct store *record = &engine->stores[store];
    atomic_store_explicit(&record->quota_permille, bounds->quota_permille, memory_order_relaxed);
    atomic_store_explicit(&record->quota_bytes, bounds->quota_bytes, memory_order_relaxed);
    atomic_store_explicit(&record->refuses, bounds->refuses, memory_order_relaxed);
    atomic_store_explicit(&record->rank, bounds->rank, memory_order_relaxed);
}

static bool begins_with(struct slice name, struct slice prefix) {
    return name.size >= prefix.size && (prefix.size == 0 || memcmp(name.data, prefix.data, prefix.size) == 0);
}

/* The store that takes the name, and what the first part of the pattern matched. */
static uint32_t find_route(const struct engine *engine, struct slice name, struct slice *ret_part) {
    if (engine->router.store)
        return engine->router.store(engine->router.context, name, ret_part);
    for (uint32_t i = 0; i < engine->route_count; i++) {
        const struct route *route = &engine->routes[i];
        if (begins_with(name, route->prefix) && pattern_matches(route->pattern, name, ret_part))
            return route->store;
    }
    return 0;
}

uint32_t store_route(const struct engine *engine, struct slice name) {
    struct slice part;
    return find_route(engine, name, &part);
}

struct slice store_session_id(const struct engine *engine, uint32_t store, struct slice name) {
    struct slice part = slice_make(NULL, 0);
    return find_route(engine, name, &part) == store && part.size <= STORE_SESSION_ID_MAX ? part : slice_make(NULL, 0);
}

uint64_t store_hash_in(const struct engine *engine, uint32_t store, uint32_t db, struct slice name) {
    const struct store *record = &engine->stores[store];
    struct slice id = __builtin_expect(record->by_session, 0) ? store_session_id(engine, store, name) : name;
    return store_hash_place(record, hash_bytes(id.size ? id : name, engine->hash_seed + db));
}

/* ------------------------------------------------------------------------------------------ figures */

uint64_t store_bytes(const struct engine *engine, uint32_t store) {
    const struct store *record = &engine->stores[store];
    uint64_t bytes = 0;
    for (uint32_t i = record->first_shard; i < record->first_shard + record->shard_count; i++)
        bytes += atomic_load_explicit(&engine->range.charges[i], memory_order_relaxed);
    return bytes;
}

uint64_t store_live_bytes(const struct engine *engine, uint32_t store) {
    const struct store *record = &engine->stores[store];
    uint64_t bytes = 0;
    for (uint32_t i = record->first_shard; i < record->first_shard + record->shard_count; i++) {
        const struct shard *shard = &engine->shards[i];
        bytes += atomic_load_explicit(&shard->live, memory_order_relaxed) +
                 atomic_load_explicit(&shard->extents_live, memory_order_relaxed) +
                 atomic_load_explicit(&shard->objects.live, memory_order_relaxed);
    }
    return bytes;
}

uint64_t store_entries(const struct engine *engine, uint32_t store) {
    const struct store *record = &engine->stores[store];
    uint64_t count = 0;
    for (uint32_t i = record->first_shard; i < record->first_shard + record->shard_count; i++)
        count += atomic_load_explicit(&engine->shards[i].index.entries, memory_order_relaxed);
    return count;
}
