/* Loaders with leases against a store of truth: after an acknowledged change no read finds an older value. */
#include <pthread.h>

#include "app/server/leases.h"
#include "app/server/peer_fixture.h"
#include "app/server/server_start_fixture.h"
#include "app/server/worker.h"
#include "base/rng.h"
#include "unit.h"

enum {
    KEYS = 3,
    LOADERS = 6,
    LOADERS_MAX = 62,
    WRITERS = 2,
    CHANGES = 1500,          /* of each writer */
    CHANGES_FAULTY = 200000, /* until the fault has to have been found */
    PINGS_MAX = 4,
};

/* What is true of each key is a number that only grows. `known`: a number whose change has been acknowledged. */
struct truth {
    struct server *server;
    _Atomic uint64_t now[KEYS], known[KEYS];
    _Atomic uint64_t stale, loads, hits, lost;
    atomic_bool over;
    _Atomic uint32_t writers; /* that are at it */
    uint32_t changes, loaders;
    bool flushes;
};

struct player {
    struct truth *truth;
    uint32_t number;
};

static void raise_to(_Atomic uint64_t *number, uint64_t to) {
    uint64_t seen = atomic_load(number);
    while (seen < to && !atomic_compare_exchange_weak(number, &seen, to))
        ;
}

/* The key of an even number is deleted, that of an odd one goes by its tag. */
static void change(struct truth *truth, struct peer *peer, struct rng *rng) {
    uint32_t key = (uint32_t)rng_below(rng, KEYS);
    char request[64];
    uint64_t number = atomic_fetch_add(&truth->now[key], 1) + 1;
    if (truth->flushes && rng_below(rng, 50) == 0)
        snprintf(request, sizeof request, rng_below(rng, 2) ? "FLUSHALL\r\n" : "FLUSHDB\r\n");
    else if (key % 2)
        snprintf(request, sizeof request, "TAG INVALIDATE t%u\r\n", key);
    else
        snprintf(request, sizeof request, "DEL k%u\r\n", key);
    peer_say(peer, request);
    const char *reply = peer_line(peer);
    ASSERT(reply && (reply[0] == ':' || reply[0] == '+'));
    raise_to(&truth->known[key], number);
}

static void *write_truth(void *context) {
    struct player *player = context;
    struct truth *truth = player->truth;
    struct rng rng = rng_seeded(unit_seed() * 1000 + player->number);
    struct peer *peer = malloc(sizeof *peer);
    ASSERT(peer);
    peer_connect(peer, truth->server);
    for (uint32_t i = 0; i < truth->changes && !atomic_load(&truth->over); i++) {
        change(truth, peer, &rng);
        for (uint64_t pings = rng_below(&rng, PINGS_MAX); pings; pings--) {
            peer_say(peer, "PING\r\n");
            ASSERT(peer_line(peer));
        }
    }
    atomic_fetch_sub(&truth->writers, 1);
    close(peer->fd);
    free(peer);
    return NULL;
}

static void check(struct truth *truth, uint64_t known, const char *value) {
    atomic_fetch_add(&truth->hits, 1);
    if (strtoull(value, NULL, 10) < known)
        atomic_fetch_add(&truth->stale, 1);
}

/* Reads what is true, dawdles for some messages, and writes what it has read. */
static void load(struct truth *truth, struct peer *peer, struct rng *rng, uint32_t key, const char *token) {
    char request[160];
    unsigned long long number = atomic_load(&truth->now[key]);
    for (uint64_t pings = rng_below(rng, PINGS_MAX); pings; pings--) {
        peer_say(peer, "PING\r\n");
        ASSERT(peer_line(peer));
    }
    if (key % 2)
        snprintf(request, sizeof request, "CSET k%u %llu TOKEN %s EX 100 TAGS 2 t%u other\r\n", key, number, token,
                 key);
    else
        snprintf(request, sizeof request, "CSET k%u %llu TOKEN %s\r\n", key, number, token);
    peer_say(peer, request);
    const char *reply = peer_line(peer);
    ASSERT(reply);
    bool lost = strncmp(reply, "-LEASELOST", 10) == 0;
    ASSERT(lost || strcmp(reply, "+OK") == 0);
    atomic_fetch_add(lost ? &truth->lost : &truth->loads, 1);
}

static void read_or_load(struct truth *truth, struct peer *peer, struct rng *rng) {
    uint32_t key = (uint32_t)rng_below(rng, KEYS), how = (uint32_t)rng_below(rng, 4);
    uint64_t known = atomic_load(&truth->known[key]);
    char request[64], words[5][64];
    if (how == 0) {
        snprintf(request, sizeof request, "GET k%u\r\n", key);
        peer_say(peer, request);
        const char *line = peer_line(peer);
        ASSERT(line && line[0] == '$');
        if (strcmp(line, "$-1") != 0) {
            line = peer_line(peer);
            ASSERT(line);
            check(truth, known, line);
        }
        return;
    }
    snprintf(request, sizeof request, "CGET k%u LEASE 60000%s%s\r\n", key, how == 1 ? " BOUND" : "",
             how == 2 ? " WAIT 50" : "");
    peer_say(peer, request);
    uint32_t count = peer_words(peer, words);
    if (strcmp(words[0], "HIT") == 0)
        check(truth, known, words[1]);
    else if (strcmp(words[0], "LOAD") == 0)
        load(truth, peer, rng, key, words[1]);
    else
        ASSERT(count && (strcmp(words[0], "BUSY") == 0 || strcmp(words[0], "MISS") == 0));
}

static void *read_and_load(void *context) {
    struct player *player = context;
    struct truth *truth = player->truth;
    struct rng rng = rng_seeded(unit_seed() * 1000 + 500 + player->number);
    struct peer *peer = malloc(sizeof *peer);
    ASSERT(peer);
    peer_connect(peer, truth->server);
    while (!atomic_load(&truth->over))
        read_or_load(truth, peer, &rng);
    close(peer->fd);
    free(peer);
    return NULL;
}

/* Until all changes are made, or with a fault until it is found. */
static void play(struct truth *truth, bool faulty) {
    struct player players[WRITERS + LOADERS_MAX];
    pthread_t threads[WRITERS + LOADERS_MAX];
    const uint32_t all = WRITERS + truth->loaders;
    atomic_store(&truth->writers, WRITERS);
    for (uint32_t i = 0; i < all; i++) {
        players[i] = (struct player){truth, i};
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_truth : read_and_load, &players[i]), 0);
    }
    while (faulty && !atomic_load(&truth->stale) && atomic_load(&truth->writers))
        sched_yield();
    if (faulty)
        atomic_store(&truth->over, true);
    for (uint32_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&truth->over, true);
    for (uint32_t i = WRITERS; i < all; i++)
        pthread_join(threads[i], NULL);
    printf("seed %llu: %llu hits, %llu loads, %llu refused, %llu stale\n", (unsigned long long)unit_seed(),
           (unsigned long long)truth->hits, (unsigned long long)truth->loads, (unsigned long long)truth->lost,
           (unsigned long long)truth->stale);
}

/* For the soak, which is this test for longer. */
static uint32_t from_environment(const char *name, uint32_t usual, uint32_t most) {
    const char *text = getenv(name);
    uint64_t number = text ? strtoull(text, NULL, 10) : usual;
    assert_true(number > 0 && number <= most);
    return (uint32_t)number;
}

static struct server *begin(void) {
    struct config config;
    testing_server_config(&config, 2);
    return testing_server_start(&config);
}

static void end(struct server *server) {
    server_stop(server);
    server_free(server);
}

static void no_stale_value_after_a_change(void **state) {
    (void)state;
    struct truth truth = {.server = begin(),
                          .changes = from_environment("STRATA_LEASES_CHANGES", CHANGES, UINT32_MAX),
                          .loaders = from_environment("STRATA_LEASES_LOADERS", LOADERS, LOADERS_MAX),
                          .flushes = true};
    play(&truth, false);
    assert_int_equal(truth.stale, 0);
    assert_true(truth.hits > 0 && truth.loads > 0 && truth.lost > 0);
    struct cmd_server_counts counts;
    truth.server->api.api->counts(&truth.server->api, &counts);
    assert_int_equal(counts.leases.refused_sets, truth.lost);
    assert_int_equal(counts.leases.used, truth.loads);
    assert_int_equal(counts.leases.waiting, 0);
    end(truth.server);
}

/* A server that forgets to tell leases of some change; one lease that is out all the time keeps it so. */
static void fault_is_found(enum cache_change forgotten) {
    struct truth truth = {.server = begin(), .changes = CHANGES_FAULTY, .loaders = LOADERS};
    static struct peer peer;
    char words[5][64];
    peer_connect(&peer, truth.server);
    peer_say(&peer, "CGET kept LEASE 3600000\r\n");
    assert_int_equal(peer_words(&peer, words), 2);
    changes_want_leases(truth.server, LEASES_CHANGES & ~(1u << forgotten));
    play(&truth, true);
    assert_true(truth.stale > 0);
    close(peer.fd);
    end(truth.server);
}

static void a_forgotten_deletion_is_found(void **state) {
    (void)state;
    fault_is_found(CACHE_NOTHING_DELETED);
}

static void a_forgotten_invalidation_is_found(void **state) {
    (void)state;
    fault_is_found(CACHE_TAG_GOING);
}

UNIT_TESTS(leases_threads, UNIT(no_stale_value_after_a_change), UNIT(a_forgotten_deletion_is_found),
           UNIT(a_forgotten_invalidation_is_found));
