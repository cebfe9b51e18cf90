#include "app/embed/gate.h"

#include <sched.h>

#include "app/embed/filing.h"
#include "app/embed/image.h"
#include "app/embed/persistence.h"
#include "base/assert.h"
#include "sys/os/futex.h"

/* Taken before everything else: the list of caches, and the right to close gates. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct strata_cache *caches;
static bool handlers;

void gate_wait_open(struct strata_cache *cache) {
    while (atomic_load(&cache->closed))
        futex_wait(NULL, &cache->closed, 1);
}

void gate_wait(struct strata_cache *cache, struct slot *slot) {
    do {
        atomic_store(&slot->inside, 0);
        gate_wait_open(cache);
        atomic_store(&slot->inside, 1);
    } while (atomic_load(&cache->closed));
}

static void close_one(struct strata_cache *cache) { atomic_store(&cache->closed, 1); }

/* Those inside are running and hold nothing that the caller has, so they will come out. */
static void wait_until_empty(struct strata_cache *cache) {
    uint32_t end = slot_number_end();
    for (uint32_t number = 0; number < end; number++)
        while (atomic_load(&cache->slots[number].inside))
            sched_yield();
}

static void open_one(struct strata_cache *cache) {
    atomic_store(&cache->closed, 0);
    futex_wake(NULL, &cache->closed);
}

void gate_close(struct strata_cache *cache) {
    pthread_mutex_lock(&lock);
    close_one(cache);
    wait_until_empty(cache);
}

void gate_open(struct strata_cache *cache) {
    open_one(cache);
    pthread_mutex_unlock(&lock);
}

/* -------------------------------------------------------------------------------------------- forks */

static void prepare(void) {
    pthread_mutex_lock(&lock);
    for (struct strata_cache *cache = caches; cache; cache = cache->next)
        close_one(cache);
    for (struct strata_cache *cache = caches; cache; cache = cache->next) {
        wait_until_empty(cache);
        pthread_mutex_lock(&cache->shared);
        persistence_fork_prepare(cache);
        filing_fork_prepare(cache);
    }
    slot_fork_prepare();
}

static void reopen(void) {
    for (struct strata_cache *cache = caches; cache; cache = cache->next) {
        pthread_mutex_unlock(&cache->shared);
        open_one(cache);
    }
    pthread_mutex_unlock(&lock);
}

static void in_parent(void) {
    slot_fork_parent();
    for (struct strata_cache *cache = caches; cache; cache = cache->next) {
        filing_fork_parent(cache);
        persistence_fork_parent(cache);
    }
    reopen();
}

/* The other threads are gone; what their slots counted stays counted, what they were about to tell is told by nobody: the parent
 * tells it. */
static void in_child(void) {
    slot_fork_child();
    for (struct strata_cache *cache = caches; cache; cache = cache->next) {
        persistence_fork_child(cache);
        filing_fork_child(cache);
        image_fork_child(cache);
        for (uint32_t number = 0; number < slot_number_end(); number++) {
            struct slot *slot = &cache->slots[number];
            ASSERT(!slot->actor.promised);
            /* A caller who came to the closed gate may have been about to say that he is not inside. */
            atomic_store(&slot->inside, 0);
            if (number == slot_number_now)
                continue;
            slot->delivering = false;
            buf_clear(&slot->events);
        }
    }
    reopen();
}

static void add_handlers(void) { handlers = pthread_atfork(prepare, in_parent, in_child) == 0; }

/* ---------------------------------------------------------------------------------------------- list */

enum status gate_add(struct strata_cache *cache) {
    pthread_once(&once, add_handlers);
    if (!handlers)
        return STATUS_NO_MEMORY;
    pthread_mutex_lock(&lock);
    cache->previous = NULL;
    cache->next = caches;
    if (caches)
        caches->previous = cache;
    caches = cache;
    pthread_mutex_unlock(&lock);
    return STATUS_OK;
}

void gate_remove(struct strata_cache *cache) {
    pthread_mutex_lock(&lock);
    if (cache->previous)
        cache->previous->next = cache->next;
    else
        caches = cache->next;
    if (cache->next)
        cache->next->previous = cache->previous;
    pthread_mutex_unlock(&lock);
}
