/* test/engine/stress_read.c: reads by every way there is, and large values that are held for a while. */
#include "stress.h"

enum { BATCH = 8 };

void *stress_room(void *context, uint64_t size) {
    struct worker *worker = context;
    worker->got_size = size;
    return size <= VALUE_SIZE_MAX ? worker->got : NULL;
}

static void check_hit(struct worker *worker, const char *what, uint64_t key, struct history_note note,
                      const uint8_t *bytes, uint64_t size, const struct cache_info *info) {
    struct run *run = worker->run;
    struct value_shape shape = {0};
    worker->tally.hits++;
    const char *how = value_check(bytes, size, key, &shape);
    uint64_t version = value_version(&shape);
    if (!how && info && info->expires_at_ms != 0 && info->expires_at_ms <= worker->actor.now_ms)
        how = "served after its time";
    if (!how && info)
        how = history_check_hit(&run->history, key, note, version, info->expires_at_ms);
    if (!how && version < worker->seen[key])
        how = "older than this thread has seen before";
    if (how)
        return stress_wrong(worker, what, how, key, version);
    worker->seen[key] = version;
}

void stress_check_miss(struct worker *worker, const char *what, uint64_t key, struct history_note note) {
    struct run *run = worker->run;
    worker->tally.misses++;
    const char *how = history_check_miss(&run->history, key, note, world_now_ms(&run->world));
    if (how)
        stress_wrong(worker, what, how, key, 0);
}

void stress_get(struct worker *worker, const struct cache_key *name, uint64_t key) {
    struct run *run = worker->run;
    struct cache_read read = {.size_max = UINT64_MAX, .reserve = stress_room, .context = worker};
    bool found;
    struct history_note note = history_before(&run->history, key);
    if (cache_get(run->world.cache, &worker->actor, name, &read, &found) != STATUS_OK)
        return stress_wrong(worker, "get", "larger than any value", key, 0);
    if (found)
        check_hit(worker, "get", key, note, worker->got, read.size, &read.info);
    else
        stress_check_miss(worker, "get", key, note);
}

static void glance(struct worker *worker, const struct cache_key *name, uint64_t key) {
    struct run *run = worker->run;
    struct cache_sight sight;
    struct history_note note = history_before(&run->history, key);
    switch (cache_glance(run->world.cache, &worker->actor, name, &sight)) {
        case CACHE_GLANCE_HIT: /* says nothing of the expiry */
            if (cache_glance_copy(&worker->actor, &sight, worker->got))
                check_hit(worker, "glance", key, note, worker->got, sight.size, NULL);
            else
                stress_get(worker, name, key);
            break;
        case CACHE_GLANCE_MISS:
            stress_check_miss(worker, "glance", key, note);
            break;
        case CACHE_GLANCE_UNSURE:
            stress_get(worker, name, key);
    }
}

void stress_read(struct worker *worker) {
    char text[STRESS_NAME_SIZE];
    uint64_t key = stress_any_key(worker);
    struct cache_key name = stress_name(worker->run, key, text);
    if (rng_below(&worker->rng, 3))
        glance(worker, &name, key);
    else
        stress_get(worker, &name, key);
}

void stress_read_batch(struct worker *worker) {
    char texts[BATCH][STRESS_NAME_SIZE];
    struct cache_key names[BATCH];
    uint64_t keys[BATCH];
    for (int i = 0; i < BATCH; i++) {
        keys[i] = stress_any_key(worker);
        names[i] = stress_name(worker->run, keys[i], texts[i]);
    }
    cache_keys_ahead(worker->run->world.cache, names, BATCH);
    cache_entries_ahead(worker->run->world.cache, names, BATCH);
    for (int i = 0; i < BATCH; i++)
        glance(worker, &names[i], keys[i]);
}

/* --------------------------------------------------------------------------------- pins, held a while */

void stress_unpin(struct worker *worker, struct pinned *pinned) {
    struct cache *cache = worker->run->world.cache;
    struct value_shape shape;
    uint64_t size = 0;
    while (size < pinned->pin.size) {
        struct slice piece = cache_pin_piece(cache, pinned->pin, size);
        memcpy(worker->got + size, piece.data, piece.size);
        size += piece.size;
    }
    const char *how = value_check(worker->got, size, pinned->key, &shape);
    if (!how && value_version(&shape) != value_version(&pinned->shape))
        how = "changed while it was held";
    if (how)
        stress_wrong(worker, "pin", how, pinned->key, value_version(&shape));
    cache_unpin(cache, &worker->actor, pinned->pin);
    *pinned = (struct pinned){0};
}

void stress_pin_or_unpin(struct worker *worker) {
    struct run *run = worker->run;
    char text[STRESS_NAME_SIZE];
    struct pinned *pinned = &worker->pins[rng_below(&worker->rng, STRESS_PINS_MAX)];
    if (pinned->pin.first)
        return stress_unpin(worker, pinned);
    uint64_t key = stress_any_key(worker) & ~15ull;
    struct cache_key name = stress_name(run, key, text);
    struct cache_read read = {.size_max = UINT64_MAX, .pin_min = 1, .reserve = stress_room, .context = worker};
    bool found;
    struct history_note note = history_before(&run->history, key);
    if (cache_get(run->world.cache, &worker->actor, &name, &read, &found) != STATUS_OK)
        return stress_wrong(worker, "pin", "larger than any value", key, 0);
    if (!found)
        return stress_check_miss(worker, "pin", key, note);
    if (!read.pin.first)
        return check_hit(worker, "pin", key, note, worker->got, read.size, &read.info);
    worker->tally.pinned++;
    for (uint64_t at = 0; at < read.pin.size;) {
        struct slice piece = cache_pin_piece(run->world.cache, read.pin, at);
        memcpy(worker->got + at, piece.data, piece.size);
        at += piece.size;
    }
    *pinned = (struct pinned){.pin = read.pin, .key = key};
    check_hit(worker, "pin", key, note, worker->got, read.pin.size, &read.info);
    (void)value_check(worker->got, read.pin.size, key, &pinned->shape);
}
