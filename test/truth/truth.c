/* All players of a run, from begin to end, and what they counted. */
#include "truth.h"

#include <inttypes.h>

#include "unit.h"

static void truth_init(struct truth *truth, struct server *server, const struct truth_options *options) {
    *truth = (struct truth){.server = server,
                            .tickets_end = options->changes * kind_count,
                            .expires = options->expires,
                            .fills = options->fills,
                            .moving = options->moving,
                            .flushes = !options->fills};
    truth->rows = calloc(kind_count * ROWS_OF_KIND, sizeof *truth->rows);
    truth->counts = calloc(kind_count, sizeof *truth->counts);
    assert_non_null(truth->rows);
    assert_non_null(truth->counts);
    for (uint32_t i = 0; i < kind_count * ROWS_OF_KIND; i++)
        pthread_mutex_init(&truth->rows[i].alone, NULL);
    pthread_mutex_init(&truth->first_lock, NULL);
}

static void truth_fini(struct truth *truth) {
    for (uint32_t i = 0; i < kind_count * ROWS_OF_KIND; i++)
        pthread_mutex_destroy(&truth->rows[i].alone);
    pthread_mutex_destroy(&truth->first_lock);
    free(truth->rows);
    free(truth->counts);
}

static void player_begin(struct player *player, struct truth *truth, uint32_t number) {
    *player = (struct player){.truth = truth, .number = number, .rng = rng_seeded(unit_seed() * 1000 + number)};
    player->peer = malloc(sizeof *player->peer);
    ASSERT(player->peer);
    peer_connect(player->peer, truth->server);
    if (number % 2) {
        player->resp3 = true;
        player_addf(player, "HELLO 3");
        player_say(player);
        player_skip(player);
    }
}

static void player_end(struct player *player) {
    close(player->peer->fd);
    free(player->peer);
}

static uint64_t stale_so_far(const struct truth *truth) {
    uint64_t stale = 0;
    for (uint32_t kind = 0; kind < kind_count; kind++)
        stale += atomic_load(&truth->counts[kind].stale);
    return stale;
}

/* Until all changes are made, or a stale value is found if that is what it is about. */
static void play_all(struct truth *truth, bool until_stale) {
    static struct player players[PLAYERS];
    pthread_t threads[PLAYERS];
    for (uint32_t i = 0; i < PLAYERS; i++)
        player_begin(&players[i], truth, i);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        void *(*play)(void *) = i < WRITERS ? play_writer : i < WRITERS + FILLERS ? play_filler : play_reader;
        if (truth->moving && i == WRITERS)
            play = play_mover;
        assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]), 0);
    }
    while (until_stale && !stale_so_far(truth) && atomic_load(&truth->tickets) < truth->tickets_end)
        sched_yield();
    if (until_stale)
        atomic_store(&truth->over, true);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        if (i == WRITERS)
            atomic_store(&truth->over, true);
        pthread_join(threads[i], NULL);
    }
    for (uint32_t i = 0; i < PLAYERS; i++)
        player_end(&players[i]);
}

static void print_counts(const struct truth *truth) {
    printf("seed %" PRIu64 ", %d threads, %" PRIu64 " reads and loads, %" PRIu64 " refused for want of memory, %" PRIu64
           " moves, during which %" PRIu64 " changes were refused\n",
           unit_seed(), PLAYERS, truth->reads, truth->refused, truth->moves, truth->busy);
    printf("%-20s %10s %10s %10s %10s %10s %10s %10s %6s\n", "invalidated by", "changes", "hits", "nothings", "flagged",
           "loads", "lost", "written", "stale");
    for (uint32_t kind = 0; kind < kind_count; kind++) {
        const struct kind_counts *counts = &truth->counts[kind];
        printf("%-20s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
               " %6" PRIu64 "\n",
               kinds[kind].name, counts->changes, counts->hits, counts->nothings, counts->flagged, counts->loads,
               counts->lost, counts->wrote, counts->stale);
    }
    if (truth->first[0])
        printf("the first: %s\n", truth->first);
    fflush(stdout);
}

uint64_t truth_play(struct server *server, const struct truth_options *options) {
    struct truth truth;
    truth_init(&truth, server, options);
    play_all(&truth, options->until_stale);
    print_counts(&truth);
    uint64_t stale = stale_so_far(&truth);
    uint64_t flagged = 0;
    for (uint32_t kind = 0; !options->until_stale && kind < kind_count; kind++) {
        flagged += truth.counts[kind].flagged;
        assert_true(truth.counts[kind].hits && truth.counts[kind].loads && truth.counts[kind].lost);
    }
    assert_true(flagged || options->until_stale);
    assert_true(truth.moves > 1 || !options->moving);
    truth_fini(&truth);
    return stale;
}
