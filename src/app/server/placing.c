#include "app/server/placing.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/server/history.h"
#include "app/server/leases.h"
#include "app/server/persistence.h"
#include "app/server/run.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "sys/os/log.h"

/* Appends to the problem; without memory for it there is a shorter one. */
__attribute__((format(printf, 2, 3))) static void say(struct buf *problem, const char *format, ...) {
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    MAYBE(buf_append_slice(problem, slice_from_string(text)) != STATUS_OK);
}

static enum cache_policy usual_policy(struct server *server) {
    pthread_mutex_lock(&server->config_lock);
    enum cache_policy policy = (enum cache_policy)server->config.values.maxmemory_policy;
    pthread_mutex_unlock(&server->config_lock);
    return policy;
}

static enum status wanted(struct server *server, const struct rules *rules, struct buf *problem,
                          struct placement **ret_next) {
    enum status status = placement_new(rules, usual_policy(server), &memory_libc, ret_next);
    if (status == STATUS_FULL)
        say(problem, "more than %d stores", CACHE_STORES_MAX);
    return status;
}

/* ------------------------------------------------------------------------------------------ what is in the way */

static uint64_t guaranteed(const struct placement_store *store, uint64_t limit_bytes) {
    return store->share_permille ? limit_bytes / CACHE_SHARE_ALL * store->share_permille : store->guaranteed_bytes;
}

static bool fits(struct server *server, struct placement *next, struct buf *problem) {
    uint64_t limit_bytes = cache_limit(server->cache), left = limit_bytes;
    for (uint32_t i = 0; i < placement_store_count(next); i++) {
        const struct placement_store *store = placement_store(next, i);
        uint64_t bytes = guaranteed(store, limit_bytes);
        if (bytes > left) {
            say(problem, "%u: the stores up to '%s' are guaranteed more than maxmemory, which is %llu bytes",
                store->line, store->name, (unsigned long long)limit_bytes);
            return false;
        }
        left -= bytes;
    }
    return true;
}

/* Stores are described in one place. */
static bool is_free_to_place(struct server *server, struct placement *next, struct buf *problem) {
    const struct placement_store *first = placement_store(next, 0);
    uint32_t line = first->line ? first->line : placement_store_count(next) > 1 ? placement_store(next, 1)->line : 0;
    if (!line || !server->has_stores)
        return true;
    say(problem, "%u: this needs stores, and the configuration describes stores as well: describe all in the manifest",
        line);
    return false;
}

static bool can_move(const struct placement *now, const struct placement *next, struct buf *problem) {
    if (!placement_has_sessions(now) && !placement_has_sessions(next))
        return true;
    say(problem,
        "stores of sessions are settled at the start: name the manifest as 'rules' in the configuration and start "
        "again");
    return false;
}

/* ------------------------------------------------------------------------------------------ numbers */

/* What changes at once. A guarantee that cannot be given is missing, and the log says so. */
static void apply_numbers(struct server *server, struct actor *actor, struct placement *next) {
    struct cache *cache = server->cache;
    for (int raise = 0; raise < 2; raise++) /* first those that become smaller */
        for (uint32_t i = 0; i < placement_store_count(next); i++) {
            const struct placement_store *store = placement_store(next, i);
            struct cache_store_info info;
            cache_store_info(cache, store->number, &info);
            bool larger = guaranteed(store, cache_limit(cache)) > info.guaranteed_bytes;
            if ((i == 0 && !store->line && !info.guaranteed_bytes) || larger != (raise != 0) ||
                (i == 0 && server->has_stores))
                continue;
            if (cache_store_guarantee_set(cache, store->number, store->share_permille, store->guaranteed_bytes) !=
                STATUS_OK)
                log_warning("Nothing is guaranteed to the store %s: others hold memory that they cannot give back",
                            store->name);
        }
    for (uint32_t i = 1; i < placement_store_count(next); i++) {
        const struct placement_store *store = placement_store(next, i);
        cache_store_bounds_set(cache, store->number, &store->bounds);
        enum status status = cache_store_entries_max_set(cache, store->number, store->entries_max);
        ASSERT(status == STATUS_OK); /* the reader of manifests knows the bounds */
        if (cache_store_policy_set(cache, store->number, store->policy) != STATUS_OK)
            log_warning("The store %s keeps its eviction: it holds memory that is guaranteed to others", store->name);
        status =
            cache_filter_set(cache, actor, store->number, store->filter, store->filter ? store->filter_rate_ppm : 0);
        ASSERT(status == STATUS_OK);
    }
}

/* Policy and capacity of the default store are settings, and CONFIG GET says what holds. */
static void apply_default(struct server *server, struct actor *actor, struct placement *next) {
    const struct placement_store *store = placement_store(next, 0);
    if (!store->line)
        return;
    pthread_mutex_lock(&server->config_lock);
    if (store->says_policy && cache_policy_set(server->cache, store->policy) == STATUS_OK)
        server->config.values.maxmemory_policy = (int)store->policy;
    if (store->entries_max && cache_store_entries_max_set(server->cache, 0, store->entries_max) == STATUS_OK)
        server->config.values.maxentries = (int64_t)store->entries_max;
    pthread_mutex_unlock(&server->config_lock);
    if (store->filter)
        MAYBE(cache_filter_set(server->cache, actor, 0, true, store->filter_rate_ppm) != STATUS_OK);
}

/* ------------------------------------------------------------------------------------------ stores */

static void forget_counts(struct server *server, uint32_t number) {
    for (uint32_t i = 0; i < server->worker_count; i++)
        server->workers[i]->actor.of_store[number] = (struct actor_counts){0};
    history_forget_store(server, number);
}

/* Finds the stores that are there, and makes the others. All of them, or none. */
static enum status make_stores(struct server *server, struct actor *actor, struct placement *next,
                               struct buf *problem) {
    bool added[CACHE_STORES_MAX] = {false};
    for (uint32_t i = 1; i < placement_store_count(next); i++) {
        struct placement_store *store = placement_store(next, i);
        if (cache_store_find(server->cache, slice_from_string(store->name), &store->number))
            continue;
        const struct cache_store options = {
            .name = slice_from_string(store->name), .entries_max = store->entries_max, .policy = store->policy};
        enum status status = cache_store_add(server->cache, actor, &options, &store->number);
        added[i] = status == STATUS_OK;
        if (added[i]) {
            forget_counts(server, store->number);
            cache_store_head_set(server->cache, store->number, store->head);
            continue;
        }
        say(problem,
            "%u: there is no memory for the tables of the store '%s'; raise maxmemory, or let fewer classes have "
            "stores of "
            "their own",
            store->line, store->name);
        while (i-- > 1)
            if (added[i])
                cache_store_give_up(server->cache, actor, placement_store(next, i)->number);
        return STATUS_FULL;
    }
    return STATUS_OK;
}

static void give_up_stores(struct server *server, struct actor *actor, struct placement *next) {
    for (uint32_t i = 1; i < cache_store_count(server->cache); i++) {
        struct cache_store_info info;
        if (!cache_store_is_there(server->cache, i))
            continue;
        cache_store_info(server->cache, i, &info);
        if (!placement_store_named(next, info.name))
            cache_store_give_up(server->cache, actor, i);
    }
}

/* With all workers stopped. */
static enum status move(struct server *server, struct worker *worker, struct actor *actor, struct placement *next,
                        struct buf *problem) {
    struct cache_rerouted counts;
    TRY(make_stores(server, actor, next, problem));
    bool routed = placement_store_count(next) > 1;
    cache_reroute(server->cache, actor,
                  &(struct cache_router){.store = routed ? placement_route : NULL, .context = next}, &counts);
    if (!server->has_stores)
        give_up_stores(server, actor, next);
    if (worker) {
        leases_rerouted(worker);
        batch_keys_anew(worker);
    }
    atomic_fetch_add_explicit(&server->env.lost_to_rules, counts.lost, memory_order_relaxed);
    if (counts.moved || counts.lost)
        log_notice("%llu entries have moved to another store, %llu did not fit and are gone",
                   (unsigned long long)counts.moved, (unsigned long long)counts.lost);
    return STATUS_OK;
}

/* Where the memory has outlived the server, and these are the rules of then: all stores are there, and all keys where they belong. */
static void stay(struct server *server, struct placement *next) {
    for (uint32_t i = 1; i < placement_store_count(next); i++) {
        struct placement_store *store = placement_store(next, i);
        bool found = cache_store_find(server->cache, slice_from_string(store->name), &store->number);
        ASSERT(found);
        cache_store_head_set(server->cache, store->number, store->head);
    }
    cache_reroute_again(server->cache, &(struct cache_router){.store = placement_route, .context = next});
    server->image.placed = false;
}

/* ------------------------------------------------------------------------------------------ all of it */

static enum status take_over(struct server *server, struct worker *worker, struct placement *next,
                             const struct placing_note *note, struct buf *problem) {
    struct actor *actor = worker ? &worker->actor : &server->workers[0]->actor;
    struct placement *now = server->placement;
    bool same = now ? placement_same_routes(now, next) : placement_store_count(next) == 1;
    if (!is_free_to_place(server, next, problem) || !fits(server, next, problem) ||
        (worker && !same && now && !can_move(now, next, problem)) ||
        (worker && !same && !now && !can_move(next, next, problem)))
        return STATUS_FULL;
    if (server->image.placed) {
        stay(server, next);
    } else if (same && now) {
        /* Keys go on being sent by the one that they are sent by. */
        for (uint32_t i = 0; i < placement_store_count(next); i++)
            placement_store(next, i)->number = placement_store(now, i)->number;
    } else if (!same) {
        if (worker)
            TRY(worker_stop_others(worker));
        persistence_stand_still(server);
        enum status status = move(server, worker, actor, next, problem);
        if (status == STATUS_OK)
            note->call(note->context, actor);
        persistence_go_on(server);
        if (worker)
            worker_let_others_go(worker);
        TRY(status);
    }
    if (!server->has_stores)
        apply_numbers(server, actor, next);
    apply_default(server, actor, next);
    note->call(note->context, actor);
    if (same && now)
        placement_keep_numbers(now, next);
    else
        server->placement = next;
    placement_free(same && now ? next : now);
    return STATUS_OK;
}

enum status placing_apply(struct server *server, struct worker *worker, const struct rules *rules,
                          const struct placing_note *note, struct buf *problem) {
    struct placement *next;
    TRY(wanted(server, rules, problem, &next));
    enum status status = take_over(server, worker, next, note, problem);
    if (status != STATUS_OK)
        placement_free(next);
    return status;
}

void placing_stop(struct server *server) {
    placement_free(server->placement);
    server->placement = NULL;
}

static bool differs(const struct placement_store *a, const struct placement_store *b) {
    return a->share_permille != b->share_permille || a->guaranteed_bytes != b->guaranteed_bytes ||
           a->entries_max != b->entries_max || a->policy != b->policy || a->filter != b->filter ||
           a->filter_rate_ppm != b->filter_rate_ppm || a->bounds.quota_permille != b->bounds.quota_permille ||
           a->bounds.quota_bytes != b->bounds.quota_bytes || a->bounds.refuses != b->bounds.refuses ||
           a->bounds.rank != b->bounds.rank;
}

enum status placing_diff(struct server *server, const struct rules *rules, struct buf *lines) {
    struct placement *next, *now;
    TRY(wanted(server, rules, lines, &next));
    if (pthread_mutex_trylock(&server->rules_lock) != 0) {
        placement_free(next);
        return STATUS_BUSY;
    }
    now = server->placement;
    for (uint32_t i = 0; i < placement_store_count(next); i++) {
        const struct placement_store *store = placement_store(next, i),
                                     *before = now ? placement_store_named(now, store->name) : NULL;
        if (!before ? i > 0 || store->line : differs(before, store))
            say(lines, "%c store %s\n", before || i == 0 ? '~' : '+', store->name);
    }
    for (uint32_t i = 1; now && i < placement_store_count(now); i++)
        if (!placement_store_named(next, placement_store(now, i)->name))
            say(lines, "- store %s\n", placement_store(now, i)->name);
    pthread_mutex_unlock(&server->rules_lock);
    placement_free(next);
    return STATUS_OK;
}
