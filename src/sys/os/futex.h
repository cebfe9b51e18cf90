/* sys/os/futex.h: sleeping on a word until another thread changes it.
 *
 * The two calls have the shape that the engine asks for (struct cache_waiting); `context` is not used.
 *
 * Threads: any; within one process.
 */
#ifndef STRATA_SYS_OS_FUTEX_H
#define STRATA_SYS_OS_FUTEX_H

#include <stdint.h>

/* Sleeps while *word == seen. May return early, so the caller looks again. */
void futex_wait(void *context, _Atomic uint32_t *word, uint32_t seen);
/* Wakes every sleeper. */
void futex_wake(void *context, _Atomic uint32_t *word);

#endif
