/* sys/os/thread.h: threads, and facts about processors.
 *
 * Threads: any.
 * Errors:  STATUS_NO_MEMORY when the kernel has no thread to give.
 */
#ifndef STRATA_SYS_OS_THREAD_H
#define STRATA_SYS_OS_THREAD_H

#include <pthread.h>

#include "base/status.h"

struct thread {
    pthread_t id;
    void (*run)(void *context);
    void *context;
};

/* It takes no signals but those that it raises itself. `thread` must stay where it is until thread_join. `name`: at most 15 characters are kept. */
MUST_CHECK enum status thread_start(struct thread *thread, const char *name, void (*run)(void *context), void *context);
void thread_join(struct thread *thread);

/* Whoever else is ready on this processor runs first. */
void thread_yield(void);

/* Processors this process may use: its affinity mask, and the cgroup's share rounded up. At least 1. */
unsigned thread_cores(void);

#endif
