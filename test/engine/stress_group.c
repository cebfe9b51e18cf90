/* test/engine/stress_group.c: several keys at once: groups that are written and read as one, and copies. */
#include "stress.h"

enum { GROUP = 8 };

static void group_names(struct run *run, uint32_t group, char texts[GROUP][STRESS_NAME_SIZE],
                        struct cache_key *ret_names) {
    for (uint64_t i = 0; i < GROUP; i++)
        ret_names[i] = stress_key(run, 'g', group * GROUP + i, texts[i]);
}

void stress_write_group(struct worker *worker) {
    struct run *run = worker->run;
    char texts[GROUP][STRESS_NAME_SIZE];
    struct cache_key names[GROUP];
    group_names(run, worker->number, texts, names);
    uint64_t number = ++worker->group;
    bool whole = true;
    cache_lock_keys(run->world.cache, &worker->actor, names, GROUP, GROUP * 128);
    atomic_store(&run->groups[worker->number], 0);
    for (uint64_t i = 0; i < GROUP && whole; i++) {
        uint64_t value[3] = {worker->number, number, i};
        whole = cache_set(run->world.cache, &worker->actor, &names[i], slice_make(value, sizeof value), 0) == STATUS_OK;
    }
    for (uint64_t i = 0; i < GROUP && !whole; i++)
        cache_delete(run->world.cache, &worker->actor, &names[i]);
    cache_unlock(run->world.cache, &worker->actor);
    atomic_store(&run->groups[worker->number], whole ? number : 0);
    worker->tally.grouped++;
}

/* Reads the group; answers false if a value is not one of it. `ret_numbers`: 0 for those that are missing. */
static bool read_group_once(struct worker *worker, uint32_t group, const struct cache_key *names,
                            uint64_t *ret_numbers) {
    for (uint64_t i = 0; i < GROUP; i++) {
        struct cache_read read = {.size_max = UINT64_MAX, .reserve = stress_room, .context = worker};
        bool found;
        ret_numbers[i] = 0;
        if (cache_get(worker->run->world.cache, &worker->actor, &names[i], &read, &found) != STATUS_OK)
            return false;
        if (!found)
            continue;
        uint64_t value[3];
        if (read.size != sizeof value)
            return false;
        memcpy(value, worker->got, sizeof value);
        if (value[0] != group || value[2] != i)
            return false;
        ret_numbers[i] = value[1];
    }
    return true;
}

static void check_group(struct worker *worker, uint32_t group, uint64_t floor, const uint64_t *numbers) {
    uint64_t number = 0, found = 0;
    for (int i = 0; i < GROUP; i++) {
        if (numbers[i] && number && numbers[i] != number)
            return stress_wrong(worker, "group", "halves of two writes", group, numbers[i]);
        number = numbers[i] ? numbers[i] : number;
        found += numbers[i] != 0;
    }
    if (number && number < floor)
        stress_wrong(worker, "group", "older than what was acknowledged", group, number);
    if (worker->run->history.stores[0].losses == HISTORY_LOSES_NOTHING && found != 0 && found != GROUP)
        stress_wrong(worker, "group", "a part of it is missing", group, number);
}

void stress_read_group(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    char texts[GROUP][STRESS_NAME_SIZE];
    struct cache_key names[GROUP];
    uint64_t numbers[GROUP];
    uint32_t group = (uint32_t)rng_below(&worker->rng, run->threads);
    group_names(run, group, texts, names);
    uint64_t floor = atomic_load(&run->groups[group]);
    bool right = true, holds = false;
    for (int tries = 0; tries < 4 && !holds; tries++) {
        struct cache_moment moment = cache_moment_begin(cache, names, GROUP);
        right = read_group_once(worker, group, names, numbers);
        holds = cache_moment_holds(cache, names, GROUP, moment);
    }
    if (!holds) {
        cache_lock_keys(cache, &worker->actor, names, GROUP, 0);
        right = read_group_once(worker, group, names, numbers);
        cache_unlock(cache, &worker->actor);
    }
    if (!right)
        return stress_wrong(worker, "group", "not a value of the group", group, 0);
    check_group(worker, group, floor, numbers);
}

void stress_copy(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    char texts[2][STRESS_NAME_SIZE];
    uint64_t key = stress_own_key(worker) & ~15ull;
    struct cache_key names[2] = {stress_name(run, key, texts[0]), stress_key(run, 'c', worker->number, texts[1])};
    struct cache_edit from, to;
    cache_lock_keys(cache, &worker->actor, names, 2, 4096);
    cache_edit_begin(cache, &worker->actor, &names[0], &from);
    cache_edit_begin(cache, &worker->actor, &names[1], &to);
    if (to.found && to.size) {
        struct value_shape shape;
        uint64_t of;
        cache_edit_copy_out(&to, 0, worker->got, to.size);
        memcpy(&of, worker->got, sizeof of);
        const char *how = of < run->scene->keys ? value_check(worker->got, to.size, of, &shape) : "no key's value";
        if (how)
            stress_wrong(worker, "copy", how, of, 0);
    }
    if (from.found && cache_edit_copy(&from, &to, stress_draw_expiry(worker)) != STATUS_OK)
        worker->tally.full++;
    cache_edit_end(&from);
    cache_edit_end(&to);
    cache_unlock(cache, &worker->actor);
}
