#include "core/rdb/rdb_string.h"

#include "base/assert.h"
#include "core/rdb/crc64.h"

enum { TYPE_STRING = 0 };

/* The two high bits of a length's first byte say how it goes on. */
enum { LENGTH_6 = 0x00, LENGTH_14 = 0x40, LENGTH_32 = 0x80, LENGTH_64 = 0x81, SPECIAL = 0xc0 };

/* Under SPECIAL no length follows, but a value. */
enum { SPECIAL_INT8 = 0xc0, SPECIAL_INT16 = 0xc1, SPECIAL_INT32 = 0xc2, SPECIAL_LZF = 0xc3 };

static void store_big(uint8_t *bytes, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static void store_little(uint8_t *bytes, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t load_big(const uint8_t *bytes, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static uint64_t load_little(const uint8_t *bytes, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

size_t rdb_string_head(uint64_t value_size, uint8_t ret_head[RDB_HEAD_SIZE_MAX]) {
    ret_head[0] = TYPE_STRING;
    if (value_size < 1 << 6) {
        ret_head[1] = (uint8_t)(LENGTH_6 | value_size);
        return 2;
    }
    if (value_size < 1 << 14) {
        store_big(ret_head + 1, (uint64_t)LENGTH_14 << 8 | value_size, 2);
        return 3;
    }
    bool wide = value_size > UINT32_MAX;
    ret_head[1] = wide ? LENGTH_64 : LENGTH_32;
    store_big(ret_head + 2, value_size, wide ? 8 : 4);
    return wide ? 10 : 6;
}

size_t rdb_string_integer(struct slice value, uint8_t ret_body[RDB_HEAD_SIZE_MAX]) {
    int64_t number;
    if (value.size > RDB_INTEGER_TEXT_MAX || !number_parse_i64(value, &number) || number != (int32_t)number)
        return 0;
    unsigned size = number == (int8_t)number ? 1 : number == (int16_t)number ? 2 : 4;
    ret_body[0] = TYPE_STRING;
    ret_body[1] = size == 1 ? SPECIAL_INT8 : size == 2 ? SPECIAL_INT16 : SPECIAL_INT32;
    store_little(ret_body + 2, (uint64_t)number, size);
    return 2 + size;
}

void rdb_footer(struct slice body, uint8_t ret_footer[RDB_FOOTER_SIZE]) {
    store_little(ret_footer, RDB_VERSION_WRITTEN, 2);
    uint64_t crc = crc64(crc64(0, body), slice_make(ret_footer, 2));
    store_little(ret_footer + 2, crc, 8);
}

bool rdb_payload_body(struct slice payload, struct slice *ret_body) {
    if (payload.size < RDB_FOOTER_SIZE)
        return false;
    struct slice body = slice_part(payload, 0, payload.size - RDB_FOOTER_SIZE);
    const uint8_t *footer = payload.data + body.size;
    if (load_little(footer, 2) > RDB_VERSION_READ_MAX)
        return false;
    if (crc64(0, slice_part(payload, 0, body.size + 2)) != load_little(footer + 2, 8))
        return false;
    *ret_body = body;
    return true;
}

/* Takes a length off the front. */
static bool length_take(struct slice *input, uint64_t *ret_length) {
    if (input->size == 0)
        return false;
    uint8_t first = input->data[0];
    unsigned size = first < LENGTH_14 ? 1 : first < LENGTH_32 ? 2 : first == LENGTH_32 ? 5 : 9;
    if (first > LENGTH_64 || input->size < size)
        return false;
    if (size <= 2)
        *ret_length = load_big(input->data, size) & ((1u << (8 * size - 2)) - 1);
    else
        *ret_length = load_big(input->data + 1, size - 1);
    *input = slice_part(*input, size, input->size);
    return true;
}

static bool integer_open(struct rdb_string *string, struct slice input, unsigned size) {
    if (input.size < size)
        return false;
    uint64_t bits = load_little(input.data, size);
    int64_t value = size == 1 ? (int8_t)bits : size == 2 ? (int16_t)bits : (int32_t)bits;
    string->plain = slice_make(string->digits, number_format_i64(value, string->digits));
    return true;
}

static bool compressed_open(struct rdb_string *string, struct slice input) {
    uint64_t stored, size;
    if (!length_take(&input, &stored) || !length_take(&input, &size))
        return false;
    if (stored > input.size || size > RDB_VALUE_SIZE_MAX)
        return false;
    /* More than the input can yield: found out before anybody makes room for it. */
    if (size > (stored + LZF_RUN_MAX_STORED) / LZF_RUN_MAX_STORED * LZF_RUN_MAX)
        return false;
    string->compressed = true;
    string->size = size;
    lzf_reader_init(&string->lzf, slice_part(input, 0, stored));
    return size > 0 || stored == 0;
}

bool rdb_string_open(struct rdb_string *string, struct slice body) {
    string->compressed = false;
    if (body.size < 2 || body.data[0] != TYPE_STRING)
        return false;
    struct slice input = slice_part(body, 1, body.size);
    uint8_t first = input.data[0];
    if (first >= SPECIAL) {
        input = slice_part(input, 1, input.size);
        if (first == SPECIAL_LZF)
            return compressed_open(string, input);
        if (first > SPECIAL_LZF || !integer_open(string, input, 1u << (first - SPECIAL_INT8)))
            return false;
    } else {
        uint64_t size;
        if (!length_take(&input, &size) || size > input.size || size > RDB_VALUE_SIZE_MAX)
            return false;
        string->plain = slice_part(input, 0, size);
    }
    string->size = string->plain.size;
    return true;
}

bool rdb_string_read(struct rdb_string *string, uint8_t *ret_bytes, size_t size) {
    ASSERT(string->compressed && size <= string->size - string->lzf.produced);
    if (!lzf_read(&string->lzf, ret_bytes, size))
        return false;
    return string->lzf.produced < string->size || lzf_finished(&string->lzf);
}
