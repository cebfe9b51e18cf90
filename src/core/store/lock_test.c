#include "core/store/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

enum { THREADS = 8, SLEEP_SECONDS_MAX = 20 };

struct contest {
    struct lock lock;
    struct lock_waiting waiting;
    uint64_t rounds;
    uint64_t plain[8]; /* guarded by the lock: the thread sanitizer sees who does not hold it */
    _Atomic uint32_t inside;
    _Atomic uint64_t slept, woken, late, failures;
};

static void futex_wait(void *context, _Atomic uint32_t *word, uint32_t seen) {
    struct contest *contest = context;
    /* Nobody holds the lock for long: whoever sleeps that long has been forgotten. */
    struct timespec longest = {.tv_sec = SLEEP_SECONDS_MAX};
    atomic_fetch_add(&contest->slept, 1);
    if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &longest, NULL, 0) != 0 && errno == ETIMEDOUT)
        atomic_fetch_add(&contest->late, 1);
}

static void futex_wake(void *context, _Atomic uint32_t *word) {
    struct contest *contest = context;
    atomic_fetch_add(&contest->woken, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

struct contender {
    struct contest *contest;
    uint32_t owner;
    pthread_t thread;
};

static void *contend(void *context) {
    struct contender *contender = context;
    struct contest *contest = contender->contest;
    for (uint64_t i = 0; i < contest->rounds; i++) {
        if (i % 7 != 0 || !lock_try(&contest->lock, contender->owner))
            lock_take(&contest->lock, contender->owner, &contest->waiting);
        uint32_t word = atomic_load(&contest->lock.word) & ~(uint32_t)LOCK_WAITERS;
        if (atomic_fetch_add(&contest->inside, 1) != 0 || word != contender->owner ||
            !(atomic_load(&contest->lock.generation) & 1))
            atomic_fetch_add(&contest->failures, 1);
        for (int k = 0; k < 8; k++)
            contest->plain[k]++;
        if (i % 64 == 0) /* give the others the time to fall asleep */
            for (volatile int spin = 0; spin < 2000; spin++)
                continue;
        atomic_fetch_sub(&contest->inside, 1);
        lock_give(&contest->lock, &contest->waiting);
    }
    return NULL;
}

static void one_holds_it_at_a_time_and_no_wake_is_lost(void **state) {
    (void)state;
    struct contest contest = {.rounds = WORDS_TSAN ? 5000 : 30000};
    struct contender contenders[THREADS];
    contest.waiting = (struct lock_waiting){futex_wait, futex_wake, &contest};
    /* Held until all of them have gone to sleep on it once: how often they do so later is the scheduler's affair. */
    lock_take(&contest.lock, THREADS + 1, &contest.waiting);
    for (uint32_t i = 0; i < THREADS; i++) {
        contenders[i] = (struct contender){.contest = &contest, .owner = i + 1};
        assert_int_equal(pthread_create(&contenders[i].thread, NULL, contend, &contenders[i]), 0);
    }
    while (atomic_load(&contest.slept) < THREADS)
        sched_yield();
    lock_give(&contest.lock, &contest.waiting);
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(contenders[i].thread, NULL);
    assert_int_equal(contest.failures, 0);
    assert_int_equal(contest.late, 0);
    for (int k = 0; k < 8; k++)
        assert_int_equal(contest.plain[k], THREADS * contest.rounds);
    assert_int_equal(contest.lock.word, 0);
    assert_int_equal(contest.lock.generation, 2 * (THREADS * contest.rounds + 1));
    assert_true(contest.woken > 0);
}

/* One thread holds the lock until another is asleep on it; that one must come through. */
static void *take_once(void *context) {
    struct contender *contender = context;
    lock_take(&contender->contest->lock, contender->owner, &contender->contest->waiting);
    contender->contest->plain[0]++;
    lock_give(&contender->contest->lock, &contender->contest->waiting);
    return NULL;
}

static void sleeper_is_woken(void **state) {
    (void)state;
    struct contest contest = {.rounds = 0};
    contest.waiting = (struct lock_waiting){futex_wait, futex_wake, &contest};
    for (int round = 0; round < 50; round++) {
        uint64_t slept = atomic_load(&contest.slept);
        struct contender contender = {.contest = &contest, .owner = 9};
        lock_take(&contest.lock, 5, &contest.waiting);
        assert_int_equal(pthread_create(&contender.thread, NULL, take_once, &contender), 0);
        while (atomic_load(&contest.slept) == slept)
            sched_yield();
        lock_give(&contest.lock, &contest.waiting);
        pthread_join(contender.thread, NULL);
    }
    assert_int_equal(contest.plain[0], 50);
    assert_int_equal(contest.late, 0);
    assert_true(contest.woken >= 50);
}

static void generation_says_who_was_there(void **state) {
    (void)state;
    struct lock lock = {0};
    struct lock_waiting nobody = {0};
    assert_true(lock_try(&lock, 3));
    assert_false(lock_try(&lock, 4));
    assert_int_equal(lock.generation, 1);
    assert_int_equal(lock.word, 3);
    lock_give(&lock, &nobody);
    assert_int_equal(lock.generation, 2);
    lock_take(&lock, 4, &nobody);
    assert_int_equal(lock.generation, 3);
    lock_give(&lock, &nobody);
}

UNIT_TESTS(lock, UNIT(one_holds_it_at_a_time_and_no_wake_is_lost), UNIT(sleeper_is_woken),
           UNIT(generation_says_who_was_there));
