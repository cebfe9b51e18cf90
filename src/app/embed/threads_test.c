/* Many threads on one cache: nothing is lost, torn or counted twice. STRATA_THREAD_OPS says how many calls each makes. */
#include <pthread.h>

#include "app/embed/embed_fixture.h"
#include "base/bits.h"
#include "base/rng.h"
#include "core/store/words.h"

enum { THREADS = 6, KEYS = 2000, LARGE_EVERY = 10, LARGE = 200000 };

static uint64_t operations(void) {
    const char *text = getenv("STRATA_THREAD_OPS");
    return text ? strtoull(text, NULL, 0) : WORDS_TSAN ? 1500 : 15000;
}

struct team {
    struct strata_cache *cache, *counters; /* nothing is evicted from the second */
    _Atomic uint32_t failures;
    _Atomic int64_t added;
    _Atomic uint64_t events;
};

struct member {
    struct team *team;
    pthread_t thread;
    uint32_t number;
    bool shared; /* goes as if there were no number for it */
    struct rng rng;
    uint8_t *bytes;
};

#define CHECK(member, condition)                                                                 \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            atomic_fetch_add(&(member)->team->failures, 1);                                      \
            print_message("thread %u: %s in line %d\n", (member)->number, #condition, __LINE__); \
        }                                                                                        \
    } while (0)

/* A value says which key it is of, in every byte: a torn or foreign one shows. */
static size_t size_of(uint32_t key, uint64_t random) {
    return key % LARGE_EVERY == 0 ? LARGE + random % 1000 : 4 + random % 300;
}

static bool is_of(uint32_t key, const uint8_t *bytes, size_t size) {
    for (size_t i = 1; i < size; i++)
        if (bytes[i] != bytes[0])
            return false;
    return size >= 4 && bytes[0] % 64 == key % 64;
}

static void use_key(struct member *member, uint32_t key) {
    struct strata_cache *cache = member->team->cache;
    size_t size;
    enum strata_status status;
    struct strata_pinned pinned;
    uint64_t version;
    switch (rng_below(&member->rng, 8)) {
        case 0:
        case 1:
            size = size_of(key, rng_next(&member->rng));
            memset(member->bytes, (int)(key % 64 + 64 * rng_below(&member->rng, 4)), size);
            status = strata_set(cache, &key, sizeof key, member->bytes, size, NULL,
                                rng_below(&member->rng, 4) ? NULL : &version);
            CHECK(member, status == STRATA_OK || status == STRATA_FULL);
            break;
        case 2:
            status = strata_delete(cache, &key, sizeof key);
            CHECK(member, status == STRATA_OK || status == STRATA_MISS);
            break;
        case 3:
            if (strata_pin(cache, &key, sizeof key, &pinned) == STRATA_OK) {
                const void *piece;
                CHECK(member, strata_pinned_piece(cache, &pinned, 0, &piece, &size) == STRATA_OK);
                CHECK(member, is_of(key, piece, size));
                strata_unpin(cache, &pinned);
            }
            break;
        case 4:
            status = strata_get_versioned(cache, &key, sizeof key, member->bytes, 2 * LARGE, &size, &version);
            CHECK(member, status == STRATA_MISS || status == STRATA_FULL || is_of(key, member->bytes, size));
            break;
        default:
            status = strata_get(cache, &key, sizeof key, member->bytes, 2 * LARGE, &size);
            CHECK(member, status == STRATA_MISS || (status == STRATA_OK && is_of(key, member->bytes, size)));
    }
}

static void use_batch(struct member *member) {
    enum { BATCH = 40, ROOM = 304 };
    uint32_t keys[BATCH];
    struct strata_get_item items[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        keys[i] = (uint32_t)rng_below(&member->rng, KEYS);
        items[i] = (struct strata_get_item){.key = &keys[i],
                                            .key_size = sizeof keys[i],
                                            .buffer = member->bytes + (size_t)i * ROOM,
                                            .buffer_size = ROOM};
    }
    (void)strata_get_many(member->team->cache, items, BATCH);
    for (uint32_t i = 0; i < BATCH; i++)
        CHECK(member, items[i].status == STRATA_MISS || items[i].status == STRATA_TOO_SMALL ||
                          (items[i].status == STRATA_OK && is_of(keys[i], items[i].buffer, items[i].size)));
}

/* Two ways to count: in one call, and by comparing versions. */
static void count_up(struct member *member) {
    struct strata_cache *cache = member->team->counters;
    int64_t number;
    size_t size;
    CHECK(member, strata_increment(cache, "counter", 7, 2, NULL, NULL) == STRATA_OK);
    for (;;) {
        uint64_t version;
        struct strata_set_options options = {0};
        enum strata_status status =
            strata_get_versioned(cache, "compared", 8, &number, sizeof number, &size, &options.if_version);
        CHECK(member, status == STRATA_OK);
        number += 2;
        status = strata_set(cache, "compared", 8, &number, sizeof number, &options, &version);
        if (status == STRATA_OK)
            break;
        CHECK(member, status == STRATA_REFUSED);
        if (atomic_load(&member->team->failures))
            break;
    }
    atomic_fetch_add(&member->team->added, 2);
}

static void visit(void *context, const struct strata_entry *entry) { *(uint64_t *)context += entry->value_size; }

static void *work(void *context) {
    struct member *member = context;
    struct strata_cache *cache = member->team->cache;
    struct strata_statistics statistics;
    uint64_t bytes = 0, cursor = 0;
    if (member->shared)
        slot_number_now = SLOT_COUNT;
    for (uint64_t i = 0; i < operations() && !atomic_load(&member->team->failures); i++) {
        use_key(member, (uint32_t)rng_below(&member->rng, KEYS));
        if (i % 16 == 0)
            use_batch(member);
        if (i % 32 == 1)
            count_up(member);
        if (i % 64 == 2)
            CHECK(member, strata_scan(cache, &cursor, 10, visit, &bytes) == STRATA_OK);
        if (i % 128 == 3)
            CHECK(member, strata_stats(cache, &statistics) == STRATA_OK);
        if (i % 256 == 4)
            CHECK(member, strata_maintain(cache, 50) >= 0);
        if (i % 512 == 5)
            CHECK(member, strata_limit_set(cache, (16 + rng_below(&member->rng, 16)) << 20) == STRATA_OK);
    }
    return NULL;
}

static void count_event(void *context, const struct strata_event *event) {
    struct team *team = context;
    atomic_fetch_add(&team->events, event->reason != STRATA_REPLACED);
}

static void run_team(bool shared) {
    struct team team = {0};
    struct member members[THREADS];
    struct strata_options options = {
        .on_removed = count_event, .on_removed_context = &team, .seed = unit_seed() + 1, .shards = 4};
    assert_int_equal(strata_open("memory:24mb,max=32mb", &options, &team.cache), STRATA_OK);
    team.counters = testing_open("memory:2mb");
    int64_t zero = 0;
    assert_int_equal(strata_set(team.counters, "compared", 8, &zero, sizeof zero, NULL, NULL), STRATA_OK);
    for (uint32_t i = 0; i < THREADS; i++) {
        members[i] = (struct member){.team = &team,
                                     .number = i,
                                     .shared = shared && i % 2,
                                     .rng = rng_seeded(unit_seed() + i),
                                     .bytes = malloc(2 * LARGE)};
        assert_int_equal(pthread_create(&members[i].thread, NULL, work, &members[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(members[i].thread, NULL);
        free(members[i].bytes);
    }
    assert_int_equal(team.failures, 0);
    struct strata_statistics s = testing_stats(team.cache);
    assert_int_equal(s.pinned_bytes, 0);
    assert_int_equal(s.events_lost, 0);
    assert_true(s.evicted <= team.events);
    int64_t value, compared;
    size_t size;
    assert_int_equal(strata_increment(team.counters, "counter", 7, 0, NULL, &value), STRATA_OK);
    assert_int_equal(strata_get(team.counters, "compared", 8, &compared, sizeof compared, &size), STRATA_OK);
    assert_true(WORDS_TSAN || s.evicted > 0);
    print_message("%llu evicted, counters %lld and %lld of %lld\n", (unsigned long long)s.evicted, (long long)value,
                  (long long)compared, (long long)team.added);
    assert_true(compared == team.added && value == team.added);
    testing_close(team.counters);
    testing_close(team.cache);
}

static void threads_share_a_cache(void **state) {
    (void)state;
    run_team(false);
}

static void threads_without_a_number_share_a_slot(void **state) {
    (void)state;
    run_team(true);
}

static void *set_one(void *context) {
    struct member *member = context;
    CHECK(member, testing_set(member->team->cache, "k", "v") == STRATA_OK);
    CHECK(member, slot_number_now >= 1 && slot_number_now <= STRATA_THREADS_MAX);
    return NULL;
}

static void numbers_come_back(void **state) {
    (void)state;
    struct team team = {.cache = testing_open("memory:2mb")};
    struct member member = {.team = &team};
    uint32_t end = 0;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(pthread_create(&member.thread, NULL, set_one, &member), 0);
        pthread_join(member.thread, NULL);
        if (i == 0)
            end = slot_number_end();
    }
    assert_int_equal(team.failures, 0);
    assert_int_equal(slot_number_end(), end);
    assert_int_equal(testing_stats(team.cache).written, 50); /* counted in the slot that all of them had */
    testing_close(team.cache);
}

UNIT_TESTS(threads, UNIT(threads_share_a_cache), UNIT(threads_without_a_number_share_a_slot), UNIT(numbers_come_back));
