/* test/engine/stress_keys.c: keys and their names, what the engine tells of them, and what is said when one is wrong. */
#include "stress.h"

enum { FAILURES_SHOWN = 5 };

void stress_wrong_in(struct run *run, uint32_t thread, const char *what, const char *how, uint64_t key,
                     uint64_t version) {
    atomic_store(&run->stop, 1);
    if (atomic_fetch_add(&run->failures, 1) >= FAILURES_SHOWN || run->fault != FAULT_NONE)
        return;
    uint64_t expires_at_ms, now = history_now(&run->history, key, &expires_at_ms);
    printf("# %s: %s (scene %s, thread %u, key %llu version %llu; acknowledged %llu, expires %llu, clock %llu)\n", what,
           how, run->scene->name, thread, (unsigned long long)key, (unsigned long long)version, (unsigned long long)now,
           (unsigned long long)expires_at_ms, (unsigned long long)world_now_ms(&run->world));
}

void stress_wrong(struct worker *worker, const char *what, const char *how, uint64_t key, uint64_t version) {
    stress_wrong_in(worker->run, worker->number, what, how, key, version);
}

/* 'g' groups, 'c' copies and 'a' anchors belong to the default store, as do the keys of kind 'k'. */
struct cache_key stress_key(struct run *run, char kind, uint64_t number, char text[STRESS_NAME_SIZE]) {
    size_t size = (size_t)snprintf(text, STRESS_NAME_SIZE, "%c%llu", kind, (unsigned long long)number);
    return cache_key(run->world.cache, 0, slice_make(text, size));
}

/* One of the keys with a history, in the store that its number says. Every eighth of the third store is a session's head. */
struct cache_key stress_name(struct run *run, uint64_t number, char text[STRESS_NAME_SIZE]) {
    uint32_t store = history_store_of(&run->history, number);
    if (store < 2)
        return stress_key(run, store ? 'l' : 'k', number, text);
    if (number % 8 == 0)
        return stress_key(run, 'm', number, text);
    size_t size = (size_t)snprintf(text, STRESS_NAME_SIZE, "m%llu:%llu", (unsigned long long)(number / 8 * 8),
                                   (unsigned long long)number);
    return cache_key(run->world.cache, 0, slice_make(text, size));
}

/* The number in such a name; UINT64_MAX for another one. */
static uint64_t number_of(struct slice name) {
    char text[STRESS_NAME_SIZE] = {0};
    if (name.size == 0 || name.size >= sizeof text || !memchr("klm", name.data[0], 3))
        return UINT64_MAX;
    memcpy(text, name.data, name.size);
    const char *colon = strchr(text, ':');
    return strtoull(colon ? colon + 1 : text + 1, NULL, 10);
}

/* What the engine tells while it does it, under the lock of the key's shard. */
void stress_removed(void *context, struct actor *actor, unsigned reason, uint32_t db, struct slice name) {
    struct run *run = context;
    uint64_t key = number_of(name);
    const char *how = NULL;
    if (key >= run->scene->keys)
        return;
    if (reason == CACHE_EVICTED)
        how = history_check_evicted(&run->history, key);
    else if (reason == CACHE_EXPIRED)
        how = history_check_expired(&run->history, key, actor->now_ms);
    if (how)
        stress_wrong_in(run, actor->id, "removed", how, key, db);
}

uint64_t stress_any_key(struct worker *worker) {
    uint64_t keys = worker->run->scene->keys;
    return rng_below(&worker->rng, 2) ? rng_below(&worker->rng, keys) : rng_below(&worker->rng, keys < 64 ? keys : 64);
}

/* One of the worker's own: those with its number as remainder. */
uint64_t stress_own_key(struct worker *worker) {
    uint64_t threads = worker->run->threads, key = stress_any_key(worker);
    key = key / threads * threads + worker->number;
    return key < worker->run->scene->keys ? key : worker->number;
}
