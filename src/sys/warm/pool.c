/* Threads that read where there is no io_uring. */
#include <errno.h>

#include "base/assert.h"
#include "sys/warm/reader_inner.h"

struct warm_pool {
    const struct memory *memory;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t idle; /* a reader has nothing running any more */
    struct read_list queue;
    bool stopping;
    struct thread threads[WARM_READER_THREADS];
    unsigned started;
};

static void run(void *context) {
    struct warm_pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct read_slot *slot = read_list_pop(&pool->queue);
        if (!slot && pool->stopping)
            break;
        if (!slot) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        fetch_now(slot->reader->warm, &slot->fetch);
        pthread_mutex_lock(&pool->lock);
        struct warm_reader *reader = slot->reader;
        read_list_push(&reader->finished, slot);
        /* Under the lock: once nothing runs, the reader may go. */
        reader_wake(reader);
        if (--reader->running == 0)
            pthread_cond_broadcast(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void warm_pool_free(struct warm_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        thread_join(&pool->threads[i]);
    ASSERT(!pool->queue.first);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->idle);
    pthread_mutex_destroy(&pool->lock);
    memory_give(pool->memory, pool, sizeof *pool);
}

enum status warm_pool_start(struct warm *warm) {
    if (warm->pool)
        return STATUS_OK;
    struct warm_pool *pool = memory_take(warm->memory, sizeof *pool);
    if (!pool)
        return STATUS_NO_MEMORY;
    *pool = (struct warm_pool){.memory = warm->memory};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    while (pool->started < WARM_READER_THREADS &&
           thread_start(&pool->threads[pool->started], "strata-warm-rd", run, pool) == STATUS_OK)
        pool->started++;
    if (!pool->started) {
        warm_pool_free(pool);
        return STATUS_IO;
    }
    warm->pool = pool;
    warm->pool_free = warm_pool_free;
    return STATUS_OK;
}

void pool_add(struct warm_pool *pool, struct read_slot *slot) {
    pthread_mutex_lock(&pool->lock);
    read_list_push(&pool->queue, slot);
    slot->reader->running++;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

struct read_list pool_finished(struct warm_pool *pool, struct warm_reader *reader) {
    pthread_mutex_lock(&pool->lock);
    struct read_list finished = reader->finished;
    reader->finished = (struct read_list){0};
    pthread_mutex_unlock(&pool->lock);
    return finished;
}

void pool_drain(struct warm_pool *pool, struct warm_reader *reader) {
    pthread_mutex_lock(&pool->lock);
    while (reader->running)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
