#include "app/embed/slot.h"

#include <pthread.h>

#include "base/assert.h"

__thread uint32_t slot_number_now;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;
static uint64_t taken[SLOT_COUNT / 64] = {1}; /* number 0 is not for threads */
static _Atomic uint32_t end = 1;

static_assert(SLOT_COUNT % 64 == 0, "whole words of numbers");

/* At a thread's end. If it calls a cache in a later destructor it simply gets a number again. */
static void give(void *context) {
    (void)context;
    uint32_t number = slot_number_now;
    slot_number_now = 0;
    if (number == 0 || number > STRATA_THREADS_MAX)
        return;
    pthread_mutex_lock(&lock);
    taken[number / 64] &= ~(1ull << number % 64);
    pthread_mutex_unlock(&lock);
}

static void make_key(void) { have_key = pthread_key_create(&key, give) == 0; }

static uint32_t lowest_free(void) {
    for (uint32_t word = 0; word < SLOT_COUNT / 64; word++)
        if (~taken[word])
            return word * 64 + (uint32_t)__builtin_ctzll(~taken[word]);
    return SLOT_SHARED;
}

uint32_t slot_number_take(void) {
    if (slot_number_now)
        return slot_number_now > STRATA_THREADS_MAX ? SLOT_SHARED : slot_number_now;
    pthread_once(&once, make_key);
    /* A number that would not come back is not handed out. */
    if (!have_key || pthread_setspecific(key, &slot_number_now) != 0) {
        slot_number_now = SLOT_COUNT;
        return SLOT_SHARED;
    }
    pthread_mutex_lock(&lock);
    uint32_t number = lowest_free();
    taken[number / 64] |= 1ull << number % 64;
    if (number >= atomic_load(&end))
        atomic_store(&end, number + 1);
    pthread_mutex_unlock(&lock);
    slot_number_now = number == SLOT_SHARED ? SLOT_COUNT : number;
    return number;
}

uint32_t slot_number_end(void) { return atomic_load(&end); }

void slot_fork_prepare(void) { pthread_mutex_lock(&lock); }

void slot_fork_parent(void) { pthread_mutex_unlock(&lock); }

void slot_fork_child(void) {
    uint32_t own = slot_number_now <= STRATA_THREADS_MAX ? slot_number_now : 0;
    for (uint32_t word = 0; word < SLOT_COUNT / 64; word++)
        taken[word] = 0;
    taken[0] = 1;
    taken[own / 64] |= 1ull << own % 64;
    pthread_mutex_unlock(&lock);
}
