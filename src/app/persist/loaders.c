#include "app/persist/loaders.h"

#include <pthread.h>

#include "base/assert.h"
#include "sys/os/thread.h"

enum { AT_ONCE = 16 }; /* changes whose places in the index are asked for together */

/* A change in a round; its part follows, padded to 8 bytes. */
struct queued {
    uint64_t hash, size;
};

struct lane {
    struct loaders *loaders;
    struct thread thread;
    struct actor actor;
    struct cache_replay_lane replay;
    struct buf rounds[LOADERS_ROUNDS];
    uint64_t done; /* rounds; under the loaders' lock */
};

struct loaders {
    struct cache_replay *replay;
    uint32_t lanes, threads;           /* threads: 0, or one a lane */
    uint64_t round;                    /* which is being filled; the reader's, as the next two */
    uint64_t begun_ms[LOADERS_ROUNDS]; /* the replay's time when the round was begun */
    bool any;                          /* there are changes in it */

    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    uint64_t published; /* rounds below this one are the lanes' */
    uint64_t now_ms[LOADERS_ROUNDS];
    bool ends;
    enum status status; /* the first failure */

    struct lane lane[];
};

static struct buf *round_of(struct lane *lane, uint64_t round) { return &lane->rounds[round % LOADERS_ROUNDS]; }

/* ------------------------------------------------------------------------------------------ applying */

static size_t padded(uint64_t size) { return (size + 7) & ~(size_t)7; }

/* Takes up to AT_ONCE changes from `at` on; answers where the next one stands. */
static size_t take_some(const struct buf *from, size_t at, struct cache_replay_change *ret_changes,
                        uint32_t *ret_count) {
    *ret_count = 0;
    while (at < from->size && *ret_count < AT_ONCE) {
        struct queued queued;
        memcpy(&queued, from->data + at, sizeof queued);
        at += sizeof queued;
        ret_changes[(*ret_count)++] =
            (struct cache_replay_change){queued.hash, slice_make(from->data + at, queued.size)};
        at += padded(queued.size);
    }
    return at;
}

static enum status apply(struct cache_replay_lane *lane, const struct buf *changes, uint64_t now_ms) {
    for (size_t at = 0; at < changes->size;) {
        struct cache_replay_change some[AT_ONCE];
        uint32_t count;
        at = take_some(changes, at, some, &count);
        TRY(cache_replay_changes(lane, some, count, now_ms));
    }
    return STATUS_OK;
}

static void run_lane(void *context) {
    struct lane *lane = context;
    struct loaders *loaders = lane->loaders;
    pthread_mutex_lock(&loaders->lock);
    for (;;) {
        while (lane->done == loaders->published && !loaders->ends)
            pthread_cond_wait(&loaders->work, &loaders->lock);
        if (lane->done == loaders->published)
            break;
        enum status status = loaders->status;
        uint64_t now_ms = loaders->now_ms[lane->done % LOADERS_ROUNDS];
        pthread_mutex_unlock(&loaders->lock);
        if (status == STATUS_OK)
            status = apply(&lane->replay, round_of(lane, lane->done), now_ms);
        pthread_mutex_lock(&loaders->lock);
        lane->done++;
        if (loaders->status == STATUS_OK)
            loaders->status = status;
        pthread_cond_signal(&loaders->progress);
    }
    pthread_mutex_unlock(&loaders->lock);
}

/* ------------------------------------------------------------------------------------------ handing out */

/* Under the lock. */
static uint64_t done_by_all(const struct loaders *loaders) {
    uint64_t least = loaders->published;
    for (uint32_t i = 0; i < loaders->lanes; i++)
        if (loaders->lane[i].done < least)
            least = loaders->lane[i].done;
    return least;
}

static void begin_round(struct loaders *loaders) {
    for (uint32_t i = 0; i < loaders->lanes; i++)
        buf_clear(round_of(&loaders->lane[i], loaders->round));
    loaders->begun_ms[loaders->round % LOADERS_ROUNDS] = loaders->replay->actor->now_ms;
    loaders->any = false;
}

/* By the reader, while no thread of a lane works. */
static enum status apply_here(struct loaders *loaders) {
    uint64_t now_ms = loaders->begun_ms[loaders->round % LOADERS_ROUNDS];
    for (uint32_t i = 0; loaders->status == STATUS_OK && i < loaders->lanes; i++) {
        struct lane *lane = &loaders->lane[i];
        loaders->status = apply(&lane->replay, round_of(lane, loaders->round), now_ms);
    }
    begin_round(loaders);
    return loaders->status;
}

/* Hands the round to the lanes and begins the next one, when the lanes are through with what stands in its place. */
static enum status publish(struct loaders *loaders) {
    if (!loaders->threads)
        return apply_here(loaders);
    pthread_mutex_lock(&loaders->lock);
    /* The oldest round that may be under way with this one is the one that follows it in the ring. */
    loaders->now_ms[loaders->round % LOADERS_ROUNDS] = loaders->begun_ms[(loaders->round + 1) % LOADERS_ROUNDS];
    loaders->published = ++loaders->round;
    pthread_cond_broadcast(&loaders->work);
    while (done_by_all(loaders) + LOADERS_ROUNDS <= loaders->round)
        pthread_cond_wait(&loaders->progress, &loaders->lock);
    enum status status = loaders->status;
    pthread_mutex_unlock(&loaders->lock);
    begin_round(loaders);
    return status;
}

static enum status hand(void *context, uint32_t shard, const struct cache_replay_change *change) {
    struct loaders *loaders = context;
    struct buf *to = round_of(&loaders->lane[shard % loaders->lanes], loaders->round);
    struct queued queued = {change->hash, change->part.size};
    size_t room = padded(queued.size);
    if (to->size && to->size + sizeof queued + room > LOADERS_ROUND_SIZE) {
        TRY(publish(loaders));
        to = round_of(&loaders->lane[shard % loaders->lanes], loaders->round);
    }
    TRY(buf_reserve(to, sizeof queued + room));
    memcpy(to->data + to->size, &queued, sizeof queued);
    memcpy(to->data + to->size + sizeof queued, change->part.data, change->part.size);
    to->size += sizeof queued + room;
    loaders->any = true;
    return STATUS_OK;
}

static bool is_little(const struct loaders *loaders) {
    size_t size = 0;
    for (uint32_t i = 0; i < loaders->lanes; i++)
        size += loaders->lane[i].rounds[loaders->round % LOADERS_ROUNDS].size;
    return size <= LOADERS_FEW_SIZE;
}

static enum status settle(void *context) {
    struct loaders *loaders = context;
    if (loaders->any && !is_little(loaders))
        TRY(publish(loaders));
    pthread_mutex_lock(&loaders->lock);
    while (loaders->threads && done_by_all(loaders) < loaders->published)
        pthread_cond_wait(&loaders->progress, &loaders->lock);
    enum status status = loaders->status;
    pthread_mutex_unlock(&loaders->lock);
    TRY(status);
    return loaders->any ? apply_here(loaders) : STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ begin and end */

static void start_threads(struct loaders *loaders) {
    for (uint32_t i = 0; i < loaders->lanes; i++) {
        struct lane *lane = &loaders->lane[i];
        if (thread_start(&lane->thread, "strata-load", run_lane, lane) != STATUS_OK)
            break;
        loaders->threads++;
    }
    loaders->lanes = loaders->threads ? loaders->threads : 1;
}

static size_t size_of(uint32_t lanes) { return sizeof(struct loaders) + lanes * sizeof(struct lane); }

static void init(struct loaders *loaders, struct cache_replay *replay, uint32_t lanes, uint32_t first_id) {
    memset(loaders, 0, size_of(LOADERS_MAX));
    loaders->replay = replay;
    loaders->lanes = lanes;
    pthread_mutex_init(&loaders->lock, NULL);
    pthread_cond_init(&loaders->work, NULL);
    pthread_cond_init(&loaders->progress, NULL);
    for (uint32_t i = 0; i < lanes; i++) {
        struct lane *lane = &loaders->lane[i];
        lane->loaders = loaders;
        lane->actor.id = first_id + i;
        lane->replay = (struct cache_replay_lane){.replay = replay, .actor = &lane->actor};
        for (int round = 0; round < LOADERS_ROUNDS; round++)
            buf_init(&lane->rounds[round], &memory_libc);
    }
    begin_round(loaders);
}

enum status loaders_begin(struct cache_replay *replay, uint32_t lanes, uint32_t first_id,
                          struct loaders **ret_loaders) {
    ASSERT(lanes > 0 && lanes <= LOADERS_MAX);
    struct loaders *loaders = memory_take(&memory_libc, size_of(LOADERS_MAX));
    if (!loaders)
        return STATUS_NO_MEMORY;
    init(loaders, replay, lanes, first_id);
    if (lanes > 1)
        start_threads(loaders);
    replay->hand = hand;
    replay->settle = settle;
    replay->hand_context = loaders;
    *ret_loaders = loaders;
    return STATUS_OK;
}

enum status loaders_end(struct loaders *loaders) {
    if (!loaders)
        return STATUS_OK;
    enum status status = settle(loaders);
    pthread_mutex_lock(&loaders->lock);
    loaders->ends = true;
    pthread_cond_broadcast(&loaders->work);
    pthread_mutex_unlock(&loaders->lock);
    for (uint32_t i = 0; i < loaders->threads; i++)
        thread_join(&loaders->lane[i].thread);
    for (uint32_t i = 0; i < LOADERS_MAX; i++) {
        struct lane *lane = &loaders->lane[i];
        loaders->replay->lost += lane->replay.lost;
        loaders->replay->actor->counts.evicted += lane->actor.counts.evicted;
        for (int round = 0; lane->loaders && round < LOADERS_ROUNDS; round++)
            buf_fini(&lane->rounds[round]);
    }
    loaders->replay->hand = NULL;
    loaders->replay->settle = NULL;
    pthread_cond_destroy(&loaders->progress);
    pthread_cond_destroy(&loaders->work);
    pthread_mutex_destroy(&loaders->lock);
    memory_give(&memory_libc, loaders, size_of(LOADERS_MAX));
    return status;
}
