/* test/engine/stress_scan.c: watches that must not hold through a change, scans that must not leave out what stays, random keys. */
#include "stress.h"

enum { ANCHORS = 4, SCAN_COUNT = 64 };

void stress_watch(struct worker *worker) {
    struct run *run = worker->run;
    char text[STRESS_NAME_SIZE];
    uint64_t key = stress_any_key(worker);
    struct history_key *history = &run->history.keys[key];
    struct cache_key name = stress_name(run, key, text);
    struct cache_watch watch = cache_watch_begin(run->world.cache, &worker->actor, &name);
    uint64_t begun = atomic_load(&history->begun);
    for (uint64_t i = rng_below(&worker->rng, 4); i > 0; i--)
        stress_read(worker);
    /* What began after the watch and was acknowledged before this line has changed the key: steps that failed changed nothing, and a step
     * that only says that the key is gone was no change of the owner's. */
    uint64_t acknowledged = atomic_load(&history->acknowledged), changed = 0;
    for (uint64_t at = begun + 1; at <= acknowledged && acknowledged - begun < HISTORY_RING / 2; at++) {
        uint64_t version = atomic_load(&history->ring[at % HISTORY_RING].version);
        uint64_t before = atomic_load(&history->ring[(at - 1) % HISTORY_RING].version);
        changed = version > before && version ? version : changed;
    }
    /* A version may have been announced and refused; then the step after it repeats the one before it. */
    uint64_t expires_at_ms, now = history_now(&run->history, key, &expires_at_ms);
    if (changed && now == changed && atomic_load(&history->acknowledged) == acknowledged &&
        cache_watch_holds(run->world.cache, &worker->actor, &name, watch) &&
        atomic_load(&history->begun) == acknowledged)
        stress_wrong(worker, "watch", "held through a change", key, changed);
    cache_watch_end(run->world.cache);
    worker->tally.watched++;
}

static void visit(void *context, struct slice name, const struct cache_info *info) {
    struct worker *worker = context;
    char text[STRESS_NAME_SIZE] = {0};
    worker->tally.scanned++;
    if (name.size == 0 || name.size >= sizeof text || !memchr("klmgca", name.data[0], 6))
        return stress_wrong(worker, "scan", "a name that nobody gave", 0, name.size);
    if (info->expires_at_ms != 0 && info->expires_at_ms <= worker->actor.now_ms)
        stress_wrong(worker, "scan", "shown after its time", 0, info->expires_at_ms);
    memcpy(text, name.data, name.size);
    uint64_t number = strtoull(text + 1, NULL, 10);
    if (text[0] == 'a' && number / ANCHORS == worker->number)
        worker->anchors_seen |= 1u << number % ANCHORS;
}

/* Keys that stay while a whole scan runs must come. */
void stress_scan(struct worker *worker) {
    struct run *run = worker->run;
    if (!worker->scanning) {
        worker->scan_flushes = atomic_load(&run->history.stores[0].flushes_done);
        worker->anchored = true;
        for (uint64_t i = 0; i < ANCHORS; i++) {
            char text[STRESS_NAME_SIZE];
            struct cache_key name = stress_key(run, 'a', worker->number * ANCHORS + i, text);
            worker->anchored &= cache_set(run->world.cache, &worker->actor, &name, slice_make(text, 8), 0) == STATUS_OK;
        }
        worker->scanning = true;
        worker->cursor = worker->anchors_seen = 0;
    }
    worker->cursor = cache_scan(run->world.cache, &worker->actor, 0, worker->cursor, SCAN_COUNT, visit, worker);
    if (worker->cursor != 0)
        return;
    worker->scanning = false;
    if (worker->anchored && run->history.stores[0].losses == HISTORY_LOSES_NOTHING &&
        atomic_load(&run->history.stores[0].flushes_begun) == worker->scan_flushes &&
        worker->anchors_seen != (1u << ANCHORS) - 1)
        stress_wrong(worker, "scan", "left out what was there all the time", 0, worker->anchors_seen);
}

void stress_random_key(struct worker *worker) {
    static _Thread_local uint8_t name[CACHE_KEY_SIZE_MAX];
    size_t size = 0;
    if (cache_random_key(worker->run->world.cache, &worker->actor, 0, rng_next(&worker->rng), name, &size) &&
        (size == 0 || !memchr("klmgca", name[0], 6)))
        stress_wrong(worker, "random key", "a name that nobody gave", 0, size);
}
