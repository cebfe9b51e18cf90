/* base/hex.h: digits to the base of sixteen.
 *
 * Threads: no state.
 */
#ifndef STRATA_BASE_HEX_H
#define STRATA_BASE_HEX_H

#include <stdint.h>

/* Of a digit, large or small letters; -1: it is none. */
static inline int hex_value(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

#endif
