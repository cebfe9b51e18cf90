/* base/little.h: numbers in files, whose bytes stand in little-endian order at any place.
 *
 * Threads: any; they touch nothing but what they are handed.
 */
#ifndef STRATA_BASE_LITTLE_H
#define STRATA_BASE_LITTLE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void little_put_u32(uint8_t *to, uint32_t value) {
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}
static inline void little_put_u64(uint8_t *to, uint64_t value) {
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}
static inline uint32_t little_u32(const uint8_t *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return le32toh(value);
}
static inline uint64_t little_u64(const uint8_t *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

#endif
