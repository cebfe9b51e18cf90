/* Forks while other threads are inside calls: the child has its own copy, whole, and goes on at once. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/embed/embed_fixture.h"
#include "base/bits.h"
#include "base/rng.h"
#include "core/store/words.h"

enum { THREADS = 5, KEYS = 500, LARGE = 300000, CHILD_SECONDS_MAX = 60 };

struct storm {
    struct strata_cache *caches[2];
    pthread_rwlock_t pinning; /* held while something is pinned, which a child would inherit with nobody to unpin it */
    _Atomic bool stop;
    _Atomic uint32_t failures;
    _Atomic uint64_t calls;
};

struct member {
    struct storm *storm;
    pthread_t thread;
    uint32_t number;
};

/* Every value is of one byte repeated, by its key. */
static bool is_of(uint32_t key, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (uint8_t)key)
            return false;
    return true;
}

static void pin_and_unpin(struct storm *storm, struct strata_cache *cache, uint32_t key) {
    struct strata_pinned pinned;
    pthread_rwlock_rdlock(&storm->pinning);
    if (strata_pin(cache, &key, sizeof key, &pinned) == STRATA_OK)
        strata_unpin(cache, &pinned);
    pthread_rwlock_unlock(&storm->pinning);
}

static bool use(struct storm *storm, struct strata_cache *cache, struct rng *rng, uint8_t *bytes) {
    uint32_t key = (uint32_t)rng_below(rng, KEYS);
    size_t size = key % 25 == 0 ? LARGE : 100 + key % 400, got;
    enum strata_status status;
    switch (rng_below(rng, 6)) {
        case 0:
        case 1:
            memset(bytes, (int)key, size);
            status = strata_set(cache, &key, sizeof key, bytes, size, NULL, NULL);
            return status == STRATA_OK || status == STRATA_FULL;
        case 2:
            status = strata_append(cache, &key, sizeof key, (uint8_t[]){(uint8_t)key}, 1, NULL);
            return status == STRATA_OK || status == STRATA_FULL;
        case 3:
            pin_and_unpin(storm, cache, key);
            return true;
        case 4:
            return strata_delete(cache, &key, sizeof key) >= 0;
        default:
            status = strata_get(cache, &key, sizeof key, bytes, 2 * LARGE, &got);
            return status == STRATA_MISS || status == STRATA_TOO_SMALL || is_of(key, bytes, got);
    }
}

static void *rage(void *context) {
    struct member *member = context;
    struct rng rng = rng_seeded(unit_seed() + member->number);
    uint8_t *bytes = malloc(2 * LARGE);
    if (member->number == THREADS - 1)
        slot_number_now = SLOT_COUNT; /* one that shares a slot */
    while (!atomic_load(&member->storm->stop)) {
        for (int i = 0; i < 20; i++)
            if (!use(member->storm, member->storm->caches[i % 2], &rng, bytes))
                atomic_fetch_add(&member->storm->failures, 1);
        atomic_fetch_add(&member->storm->calls, 20);
    }
    free(bytes);
    return NULL;
}

/* What the child does; its status says what went wrong, 0: nothing. */
static int live_as_child(struct storm *storm) {
    struct rng rng = rng_seeded(unit_seed() + 99);
    struct actor actor = {.id = 1u << 29, .now_ms = clock_unix_ms()};
    uint8_t *bytes = malloc(2 * LARGE);
    for (int c = 0; c < 2; c++) {
        struct strata_cache *cache = storm->caches[c];
        cache_verify(cache->core, &actor);
        for (int i = 0; i < 200; i++)
            if (!use(storm, cache, &rng, bytes))
                return 10;
        struct strata_statistics statistics;
        if (strata_stats(cache, &statistics) != STRATA_OK || statistics.pinned_bytes != 0)
            return 11;
        if (strata_clear(cache) != STRATA_OK)
            return 12;
        /* With nothing in it, all its memory is free: nobody's half-done call holds any. */
        for (uint32_t key = 0; key < 30; key++) {
            memset(bytes, (int)key, LARGE);
            if (strata_set(cache, &key, sizeof key, bytes, LARGE, NULL, NULL) != STRATA_OK)
                return 13;
        }
        for (uint32_t key = 0; key < 30; key++)
            if (strata_exists(cache, &key, sizeof key) != STRATA_OK)
                return 14;
        cache_verify(cache->core, &actor);
        strata_close(cache);
    }
    struct strata_cache *own;
    if (strata_open("memory:2mb", NULL, &own) != STRATA_OK || testing_set(own, "k", "v") != STRATA_OK)
        return 15;
    strata_close(own);
    free(bytes);
    return 0;
}

static void fork_and_check(struct storm *storm) {
    fflush(NULL);
    pthread_rwlock_wrlock(&storm->pinning);
    pid_t child = fork();
    if (child == 0) {
        pthread_rwlock_init(&storm->pinning, NULL); /* the threads that wait for it are not here */
        alarm(CHILD_SECONDS_MAX);                   /* one that hangs is a failure, too */
        _exit(live_as_child(storm));
    }
    pthread_rwlock_unlock(&storm->pinning);
    assert_true(child > 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status %#x", (unsigned)status);
}

static void begin_storm(struct storm *storm, struct member *members) {
    for (uint32_t i = 0; i < THREADS; i++) {
        members[i] = (struct member){.storm = storm, .number = i};
        assert_int_equal(pthread_create(&members[i].thread, NULL, rage, &members[i]), 0);
    }
}

static void end_storm(struct storm *storm, struct member *members) {
    atomic_store(&storm->stop, true);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(members[i].thread, NULL);
    assert_int_equal(storm->failures, 0);
    for (int c = 0; c < 2; c++)
        testing_close(storm->caches[c]);
}

static void children_go_on_at_once(void **state) {
    (void)state;
    struct storm storm = {.pinning = PTHREAD_RWLOCK_INITIALIZER,
                          .caches = {testing_open("memory:16mb,shards=2"), testing_open("memory:20mb")}};
    struct member members[THREADS];
    begin_storm(&storm, members);
    const char *text = getenv("STRATA_FORKS");
    int forks = text ? atoi(text) : WORDS_TSAN ? 8 : 40;
    for (int i = 0; i < forks; i++) {
        uint64_t calls = atomic_load(&storm.calls);
        fork_and_check(&storm);
        while (atomic_load(&storm.calls) == calls) /* the parent's threads go on as well */
            assert_int_equal(atomic_load(&storm.failures), 0);
    }
    end_storm(&storm, members);
}

static void *fork_too(void *context) {
    struct member *member = context;
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        int status = 1;
        if (child == 0)
            _exit(strata_set(member->storm->caches[0], "c", 1, "v", 1, NULL, NULL) == STRATA_OK ? 0 : 1);
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            atomic_fetch_add(&member->storm->failures, 1);
    }
    return NULL;
}

static void several_threads_fork(void **state) {
    (void)state;
    struct storm storm = {.pinning = PTHREAD_RWLOCK_INITIALIZER,
                          .caches = {testing_open("memory:16mb"), testing_open("memory:16mb")}};
    struct member members[THREADS], forkers[3];
    begin_storm(&storm, members);
    for (uint32_t i = 0; i < COUNT_OF(forkers); i++) {
        forkers[i] = (struct member){.storm = &storm, .number = i};
        assert_int_equal(pthread_create(&forkers[i].thread, NULL, fork_too, &forkers[i]), 0);
    }
    for (uint32_t i = 0; i < COUNT_OF(forkers); i++)
        pthread_join(forkers[i].thread, NULL);
    end_storm(&storm, members);
}

static void fork_here(void *context, const struct strata_event *event) {
    int *statuses = context, status = 1;
    pid_t child = fork();
    if (child == 0)
        _exit(testing_set(event->cache, "in the child", "v") == STRATA_OK ? 0 : 1);
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        ++*statuses;
}

static void a_callback_may_fork(void **state) {
    (void)state;
    int good = 0;
    struct strata_cache *cache;
    struct strata_options options = {.on_removed = fork_here, .on_removed_context = &good};
    assert_int_equal(strata_open("memory:2mb", &options, &cache), STRATA_OK);
    assert_int_equal(testing_set(cache, "k", "1"), STRATA_OK);
    assert_int_equal(testing_set(cache, "k", "2"), STRATA_OK);
    assert_int_equal(strata_delete(cache, "k", 1), STRATA_OK);
    assert_int_equal(good, 2);
    testing_close(cache);
}

static _Atomic uint32_t *pretends;

static void pretend(void) {
    if (pretends)
        atomic_store(pretends, 1);
}
static void pretend_no_more(void) {
    if (pretends)
        atomic_store(pretends, 0);
}

/* Registered before the library's own, so that it runs after it. */
__attribute__((constructor)) static void watch_forks(void) { (void)pthread_atfork(pretend, pretend_no_more, NULL); }

static void *set_one_entry(void *context) { return testing_set(context, "k", "v") == STRATA_OK ? context : NULL; }

/* Who comes to the closed gate says for a moment that he is inside: the child may find that moment. */
static void a_caller_at_the_closed_gate_is_not_inside(void **state) {
    (void)state;
    struct strata_cache *cache = testing_open("memory:2mb");
    pthread_t thread;
    void *result;
    assert_int_equal(testing_set(cache, "mine", "v"), STRATA_OK);
    assert_int_equal(pthread_create(&thread, NULL, set_one_entry, cache), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    uint32_t other = slot_number_now == 1 ? 2 : 1;
    assert_true(other < slot_number_end());
    pretends = &cache->slots[other].inside;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        pretends = NULL;
        alarm(CHILD_SECONDS_MAX);
        pid_t grandchild = fork(); /* waits for all who are inside */
        int status = 1;
        if (grandchild == 0)
            _exit(testing_set(cache, "k", "w") == STRATA_OK ? 0 : 1);
        _exit(grandchild > 0 && waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 1);
    }
    pretends = NULL;
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    testing_close(cache);
}

UNIT_TESTS(fork, UNIT(a_caller_at_the_closed_gate_is_not_inside), UNIT(children_go_on_at_once),
           UNIT(several_threads_fork), UNIT(a_callback_may_fork));
