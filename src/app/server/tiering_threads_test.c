/* Several clients on a server in this process, whose entries go to the warm tier and come back all the time: nobody is shown what had been overwritten or deleted when he asked. */
#include <pthread.h>
#include <stdatomic.h>

#include "app/server/peer_fixture.h"
#include "app/server/server_start_fixture.h"
#include "app/server/worker.h"
#include "base/rng.h"
#include "unit.h"

enum {
    KEYS = 40, /* of each writer */
    WRITERS = 2,
    READERS = 3,
    ROUNDS = 10000, /* of each writer */
    PADDING = 6000,
};

/* The value of a key is a number that only grows. `least`: nothing older may be shown. */
struct play {
    struct server *server;
    _Atomic uint64_t least[WRITERS][KEYS];
    _Atomic uint64_t old, shown;
    _Atomic uint32_t writers; /* that are at it */
};

struct player {
    struct play *play;
    uint32_t number;
};

static struct peer *begin_peer(const struct play *play) {
    struct peer *peer = malloc(sizeof *peer);
    ASSERT(peer);
    peer_connect(peer, play->server);
    return peer;
}

static void end_peer(struct peer *peer) {
    close(peer->fd);
    free(peer);
}

static void expect_reply(struct peer *peer, const char *request, char kind) {
    peer_say(peer, request);
    const char *reply = peer_line(peer);
    ASSERT(reply && reply[0] == kind);
}

static void set(struct peer *peer, uint32_t writer, uint32_t key, uint64_t number, uint64_t padding) {
    static _Thread_local char request[PADDING + 256];
    int size = snprintf(request, sizeof request, "SET w%u:%u %llu:", writer, key, (unsigned long long)number);
    memset(request + size, 'x', padding);
    snprintf(request + size + padding, sizeof request - (size_t)size - padding, " TAGS 1 t%u\r\n", key % 4);
    expect_reply(peer, request, '+');
}

static void *write_values(void *context) {
    const struct player *player = context;
    struct play *play = player->play;
    struct rng rng = rng_seeded(unit_seed() * 100 + player->number);
    struct peer *peer = begin_peer(play);
    uint64_t written[KEYS] = {0};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t key = (uint32_t)rng_below(&rng, KEYS), what = (uint32_t)rng_below(&rng, 10);
        char request[64];
        uint64_t least = written[key];
        if (what < 5) {
            least = ++written[key];
            set(peer, player->number, key, least, rng_below(&rng, PADDING));
        } else if (what < 6) {
            snprintf(request, sizeof request, "DEL w%u:%u\r\n", player->number, key);
            expect_reply(peer, request, ':');
            least++;
        } else if (what < 7) {
            snprintf(request, sizeof request, "TAG INVALIDATE t%u\r\n", key % 4);
            expect_reply(peer, request, ':');
            least++;
        } else {
            snprintf(request, sizeof request, "TIER %s w%u:%u\r\n", what < 9 ? "DEMOTE" : "PROMOTE", player->number,
                     (uint32_t)rng_below(&rng, KEYS));
            expect_reply(peer, request, ':');
            continue;
        }
        atomic_store(&play->least[player->number][key], least);
    }
    atomic_fetch_sub(&play->writers, 1);
    end_peer(peer);
    return NULL;
}

static void *read_values(void *context) {
    const struct player *player = context;
    struct play *play = player->play;
    struct rng rng = rng_seeded(unit_seed() * 200 + player->number);
    struct peer *peer = begin_peer(play);
    while (atomic_load(&play->writers)) {
        char request[64];
        uint32_t writer = (uint32_t)rng_below(&rng, WRITERS), key = (uint32_t)rng_below(&rng, KEYS);
        uint64_t least = atomic_load(&play->least[writer][key]);
        /* GET leaves it where it is, GETEX brings it into memory. */
        snprintf(request, sizeof request, "%s w%u:%u\r\n", rng_below(&rng, 4) ? "GET" : "GETEX", writer, key);
        peer_say(peer, request);
        const char *reply = peer_line(peer);
        ASSERT(reply && reply[0] == '$');
        if (strcmp(reply, "$-1") == 0)
            continue;
        reply = peer_line(peer);
        ASSERT(reply);
        atomic_fetch_add(&play->shown, 1);
        if (strtoull(reply, NULL, 10) < least)
            atomic_fetch_add(&play->old, 1);
    }
    end_peer(peer);
    return NULL;
}

static uint64_t figure(struct peer *peer, const char *name) {
    uint64_t found = UINT64_MAX;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%s:", name);
    peer_say(peer, "INFO tier\r\n");
    for (const char *line = peer_line(peer); line && strncmp(line, "tier_past", 9) != 0; line = peer_line(peer))
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            found = strtoull(line + strlen(wanted), NULL, 10);
    ASSERT(peer_line(peer));
    return found;
}

static void play_all(struct play *play) {
    pthread_t threads[WRITERS + READERS];
    struct player players[WRITERS + READERS];
    atomic_store(&play->writers, WRITERS);
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        players[i] = (struct player){play, i < WRITERS ? i : i - WRITERS};
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_values : read_values, &players[i]), 0);
    }
    for (uint32_t i = 0; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
}

static void nobody_is_shown_an_old_value(void **state) {
    (void)state;
    char folder[] = "/tmp/strata-tier-XXXXXX", file[64];
    struct play play = {.old = 0};
    static struct peer peer;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/warm", folder);
    struct config config;
    testing_server_config(&config, 3);
    config.values.maxmemory_bytes = 2 << 20;
    config.values.warm_size_bytes = 16 << 20;
    strcpy(config.values.warm_file, file);
    play.server = testing_server_start(&config);
    play_all(&play);
    peer_connect(&peer, play.server);
    uint64_t demoted = figure(&peer, "tier_demoted"), reads = figure(&peer, "tier_reads");
    close(peer.fd);
    server_stop(play.server);
    server_free(play.server);
    unlink(file);
    snprintf(file, sizeof file, "%s/lock", folder);
    unlink(file);
    rmdir(folder);
    if (play.old || demoted < 200 || reads < 100)
        fail_msg("seed %llu: %llu of %llu values were old; %llu went down, %llu were read",
                 (unsigned long long)unit_seed(), (unsigned long long)play.old, (unsigned long long)play.shown,
                 (unsigned long long)demoted, (unsigned long long)reads);
    assert_true(play.shown > 100);
}

UNIT_TESTS(tiering_threads, UNIT(nobody_is_shown_an_old_value));
