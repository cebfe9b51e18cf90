/* core/proto/resp_put.h: the smallest pieces of RESP, written to memory that has room. For this folder's sources only.
 *
 * Threads: no state.
 * Memory:  the caller has reserved it; each call answers where the next one writes.
 */
#ifndef STRATA_CORE_PROTO_RESP_PUT_H
#define STRATA_CORE_PROTO_RESP_PUT_H

#include <endian.h>

#include "base/number.h"
#include "base/slice.h"

enum {
    RESP_HEAD_SIZE_MAX = 1 + 20 + 2, /* "$18446744073709551615\r\n" */
    RESP_LINE_END_SIZE = 2,
};

static inline uint8_t *resp_put_line_end(uint8_t *at) {
    at[0] = '\r';
    at[1] = '\n';
    return at + RESP_LINE_END_SIZE;
}

/* Most sizes and counts have one or two digits. */
static inline uint8_t *resp_put_number(uint8_t *at, uint64_t value) {
    if (value < 10) {
        *at = (uint8_t)('0' + value);
        return at + 1;
    }
    if (value < 100) {
        at[0] = (uint8_t)('0' + value / 10);
        at[1] = (uint8_t)('0' + value % 10);
        return at + 2;
    }
    return at + number_format_u64(value, (char *)at);
}

static inline uint8_t *resp_put_head(uint8_t *at, char type, uint64_t number) {
    *at = (uint8_t)type;
    return resp_put_line_end(resp_put_number(at + 1, number));
}

/* The same for up to 999, where 8 bytes may be written: the usual one of two digits is a single store. */
static inline uint8_t *resp_put_small_head(uint8_t *at, char type, uint32_t number) {
    if (__builtin_expect(number - 10 >= 90, 0))
        return resp_put_head(at, type, number);
    uint32_t tens = number / 10, units = number - 10 * tens;
    uint64_t head = htole64((uint64_t)(uint8_t)type | ('0' + tens) << 8 | ('0' + units) << 16 | (uint64_t)'\r' << 24 |
                            (uint64_t)'\n'
                                << 32);
    memcpy(at, &head, sizeof head);
    return at + 5;
}

static inline uint8_t *resp_put_bytes(uint8_t *at, struct slice bytes) {
    if (bytes.size)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

#endif
