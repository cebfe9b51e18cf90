#include "sys/os/clock.h"

double clock_ticks_per_us(unsigned measure_us) {
#if defined(__aarch64__)
    uint64_t per_second;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(per_second));
    return (double)per_second / 1e6 > 1 ? (double)per_second / 1e6 : 1;
#else
    uint64_t begin_ns = clock_steady_ns(), begin = clock_ticks(), end_ns, end;
    do {
        end_ns = clock_steady_ns();
        end = clock_ticks();
    } while (end_ns - begin_ns < (uint64_t)measure_us * 1000);
    double rate = (double)(end - begin) * 1000 / (double)(end_ns - begin_ns);
    return rate > 1 ? rate : 1;
#endif
}
