/* base/utf8.h: characters of UTF-8 (RFC 3629), read strictly.
 *
 * Threads: no state.
 */
#ifndef STRATA_BASE_UTF8_H
#define STRATA_BASE_UTF8_H

#include "base/slice.h"

/* Bytes of the character at `at`, which it is; 0: there is none (cut, overlong, a surrogate, beyond the last). */
static inline size_t utf8_read(struct slice text, size_t at, uint32_t *ret_point) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text.data[at];
    size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (size == 0 || size > text.size - at)
        return 0;
    uint32_t point = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (text.data[at + i] >> 6 != 2)
            return 0;
        point = point << 6 | (text.data[at + i] & 63u);
    }
    bool surrogate = point >= 0xd800 && point < 0xe000;
    *ret_point = point;
    return point < least[size] || point > 0x10ffff || surrogate ? 0 : size;
}

#endif
