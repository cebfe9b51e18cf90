#include "app/server/hot_keys.h"

#include "app/server/worker.h"
#include "base/hash.h"

enum {
    KEYS_MAX = 64,      /* of a command, of which one is taken */
    MISSES_FIRST = 256, /* that are all looked at */
    MISSES_EVERY = 16,  /* and of how many one is later */
    MS_PER_S = 1000,
};

static uint64_t now_s(const struct worker *worker) { return 1 + worker->now_ms / MS_PER_S; }

static void add(struct worker *worker, uint32_t place, struct slice name, enum hot_use use, uint64_t weight) {
    const struct hot_key key = {.name = name, .hash = hash_bytes(name, 0), .place = place};
    hot_add(&worker->hot.keys, &key, use, (double)weight, now_s(worker));
}

void hot_keys_used(struct worker *worker, const struct cmd_request *item, enum hot_use use, uint64_t weight) {
    uint32_t at[KEYS_MAX], count = item->spec ? cmd_key_positions(item->spec, item->argv, item->argc, at, KEYS_MAX) : 0;
    if (weight == 0)
        return;
    if (count == 0) { /* EXEC: nobody knows which of its keys */
        hot_fade(&worker->hot.keys, now_s(worker));
        worker->hot.keys.total += (double)weight;
        return;
    }
    count = count < KEYS_MAX ? count : KEYS_MAX;
    struct slice name = item->argv[at[count > 1 ? rng_below(&worker->classes.rng, count) : 0]];
    add(worker, cache_place_of(worker->server->cache, item->client->db), name, use, weight);
}

void hot_keys_missed(struct worker *worker, uint32_t place, struct slice name) {
    uint32_t number = worker->hot.misses++;
    bool first = number < MISSES_FIRST;
    if (first || number % MISSES_EVERY == 0)
        add(worker, place, name, HOT_MISS, first ? 1 : MISSES_EVERY);
}

void hot_keys_sum(struct cmd_server *api, struct hot *ret_sum) {
    struct server *server = server_of(api);
    *ret_sum = (struct hot){.now_s = 0};
    for (uint32_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[i];
        worker_visit(worker);
        if (worker->hot.keys.now_s) {
            hot_fade(&worker->hot.keys, now_s(worker));
            hot_merge(ret_sum, &worker->hot.keys);
        }
        worker_leave(worker);
    }
    hot_sort(ret_sum);
}

void hot_keys_reset(struct cmd_server *api) {
    struct server *server = server_of(api);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        server->workers[i]->hot = (struct worker_hot){.misses = 0};
        worker_leave(server->workers[i]);
    }
}
