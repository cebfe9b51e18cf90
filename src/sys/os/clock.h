/* sys/os/clock.h: what time it is.
 *
 * Three clocks: the calendar (expiry, logs), a steady one (timeouts, durations), and the processor's tick
 * counter, which costs about 20 cycles and so may be read around every command.
 *
 * Threads: any.
 * Time:    the calendar may jump; the steady clock and the ticks never go back on one processor.
 */
#ifndef STRATA_SYS_OS_CLOCK_H
#define STRATA_SYS_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Since 1970, UTC. */
static inline uint64_t clock_unix_us(void) { return clock_read_ns(CLOCK_REALTIME) / 1000; }
static inline uint64_t clock_unix_ms(void) { return clock_read_ns(CLOCK_REALTIME) / 1000000; }

/* The same as of the kernel's last tick, up to 10 ms ago, for a quarter of the price. */
static inline uint64_t clock_unix_coarse_ms(void) { return clock_read_ns(CLOCK_REALTIME_COARSE) / 1000000; }

/* Since some moment before the program's start. */
static inline uint64_t clock_steady_ns(void) { return clock_read_ns(CLOCK_MONOTONIC); }
static inline uint64_t clock_steady_ms(void) { return clock_read_ns(CLOCK_MONOTONIC) / 1000000; }
static inline uint64_t clock_steady_coarse_ms(void) { return clock_read_ns(CLOCK_MONOTONIC_COARSE) / 1000000; }

/* Processor time of the calling thread. */
static inline uint64_t clock_thread_cpu_ns(void) { return clock_read_ns(CLOCK_THREAD_CPUTIME_ID); }

/* Ticks of constant but unknown length; clock_ticks_per_us says how long. */
static inline uint64_t clock_ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return clock_steady_ns();
#endif
}

/* Measured against the steady clock during about `measure_us` (once, at start). At least 1. */
double clock_ticks_per_us(unsigned measure_us);

#endif
