#include "core/rdb/crc64.h"

/* The checksum is linear: what a byte contributes is the sum (exclusive or) of what its bits contribute. So the eight
 * constants of a row give its 256 entries, and the tables are made by the compiler. Row n is for a byte that n more
 * bytes of the same step follow; in row 0, bit 7 contributes the polynomial itself, reflected. */
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                                                   \
    ((i)&1 ? b0 : 0ull) ^ ((i)&2 ? b1 : 0ull) ^ ((i)&4 ? b2 : 0ull) ^ ((i)&8 ? b3 : 0ull) ^ ((i)&16 ? b4 : 0ull) ^ \
        ((i)&32 ? b5 : 0ull) ^ ((i)&64 ? b6 : 0ull) ^ ((i)&128 ? b7 : 0ull)
#define ENTRIES_4(i, ...) \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), ENTRY((i) + 3, __VA_ARGS__)
#define ENTRIES_16(i, ...)                                                                       \
    ENTRIES_4(i, __VA_ARGS__), ENTRIES_4((i) + 4, __VA_ARGS__), ENTRIES_4((i) + 8, __VA_ARGS__), \
        ENTRIES_4((i) + 12, __VA_ARGS__)
#define ENTRIES_64(i, ...)                                                                            \
    ENTRIES_16(i, __VA_ARGS__), ENTRIES_16((i) + 16, __VA_ARGS__), ENTRIES_16((i) + 32, __VA_ARGS__), \
        ENTRIES_16((i) + 48, __VA_ARGS__)
#define ROW(...)                                                                               \
    {                                                                                          \
        ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__), \
            ENTRIES_64(192, __VA_ARGS__)                                                       \
    }

static const uint64_t rows[8][256] = {
    ROW(0x7ad870c830358979ull, 0xf5b0e190606b12f2ull, 0xc038e5739841b68full, 0xab28ecb46814fe75ull,
        0x7d08ff3b88be6f81ull, 0xfa11fe77117cdf02ull, 0xdf7adabd7a6e2d6full, 0x95ac9329ac4bc9b5ull),
    ROW(0x89e99ffd73bddf69ull, 0x388a19a9bfec2db9ull, 0x711433537fd85b72ull, 0xe22866a6ffb0b6e4ull,
        0xef09eb1ea7f6fea3ull, 0xf54af06e177a6e2dull, 0xc1ccc68f76634f31ull, 0xa8c0ab4db4510d09ull),
    ROW(0xf4125129ce4038beull, 0xc37d8400c417e217ull, 0xada22e52d0b85745ull, 0x701d7af6f9e73de1ull,
        0xe03af5edf3ce7bc2ull, 0xeb2ccd88bf0b64efull, 0xfd00bd4226815ab5ull, 0xd1585cd715952601ull),
    ROW(0x8ce168638c796306ull, 0x329bf69440655567ull, 0x6537ed2880caaaceull, 0xca6fda510195559cull,
        0xbf8692f15bbd3853ull, 0x545403b1efede3cdull, 0xa8a80763dfdbc79aull, 0x7a092894e7201c5full),
    ROW(0x3504e58b9ba6dd1eull, 0x6a09cb17374dba3cull, 0xd413962e6e9b7478ull, 0x837e0a0f85a17b9bull,
        0x2da5324c53d5645dull, 0x5b4a6498a7aac8baull, 0xb694c9314f559174ull, 0x4670b431c63cb183ull),
    ROW(0xe39d1389931b9354ull, 0xec6301407ea0b5c3ull, 0xf39f24d3a5d6f8edull, 0xcc676ff4133a62b1ull,
        0xb397f9bb7ee35609ull, 0x4c76d525a5513f79ull, 0x98edaa4b4aa27ef2ull, 0x1a8272c5cdd36e8full),
    ROW(0x62a95de6e302eff2ull, 0xc552bbcdc605dfe4ull, 0xa1fc51c8d49c2ca3ull, 0x68a185c2f1afca2dull,
        0xd1430b85e35f945aull, 0x89df31589e28bbdfull, 0x38e744e264c6e4d5ull, 0x71ce89c4c98dc9aaull),
    ROW(0x381d0015c96f4444ull, 0x703a002b92de8888ull, 0xe074005725bd1110ull, 0xebb126fd13edb14bull,
        0xfc3b6ba97f4cf1fdull, 0xd32ff101a60e7091ull, 0x8d06c450148b7249ull, 0x3154aef3718177f9ull),
};

static uint64_t load_u64(const uint8_t *bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

uint64_t crc64(uint64_t crc, struct slice bytes) {
    if (bytes.size == 0) /* perhaps a NULL pointer, to which nothing may be added */
        return crc;
    const uint8_t *at = bytes.data, *end = at + bytes.size;
    for (; end - at >= 8; at += 8) {
        uint64_t sum = crc ^ load_u64(at);
        crc = 0;
        for (unsigned i = 0; i < 8; i++)
            crc ^= rows[7 - i][(sum >> (8 * i)) & 0xff];
    }
    for (; at < end; at++)
        crc = rows[0][(crc ^ *at) & 0xff] ^ (crc >> 8);
    return crc;
}
