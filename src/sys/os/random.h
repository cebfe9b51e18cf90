/* sys/os/random.h: unpredictable bytes from the kernel, for seeds and identities.
 *
 * Threads: any.
 */
#ifndef STRATA_SYS_OS_RANDOM_H
#define STRATA_SYS_OS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *ret_bytes, size_t size);

static inline uint64_t random_u64(void) {
    uint64_t value;
    random_bytes(&value, sizeof value);
    return value;
}

#endif
