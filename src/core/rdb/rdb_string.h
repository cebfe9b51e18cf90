/* core/rdb/rdb_string.h: strings as DUMP writes and RESTORE reads them.
 *
 *     | 0 | length | value bytes | version, 2 bytes | CRC-64, 8 bytes |    little endian both
 *      type                        \____ footer; the checksum covers all before it ____/
 *
 * A canonical integer of up to 32 bits is stored as one, anything else as it is; Redis may also compress (lzf.h), which
 * is read but not written. Lengths are 6, 14, 32 or 64 bits, big endian.
 *
 * Writing is head, value, footer, so that the caller can put a large value between them from wherever it stands.
 *
 * Threads: no state.
 * Memory:  slices point into what was handed in; nothing is allocated.
 * Errors:  reading is safe for any bytes, whatever the checksum said.
 */
#ifndef STRATA_CORE_RDB_RDB_STRING_H
#define STRATA_CORE_RDB_RDB_STRING_H

#include "base/number.h"
#include "base/slice.h"
#include "core/rdb/lzf.h"

enum {
    RDB_VERSION_WRITTEN = 10,  /* of Redis 7.0, so that 7.0 and later read it */
    RDB_VERSION_READ_MAX = 12, /* of Redis 8.0: strings have not changed up to it */
    RDB_HEAD_SIZE_MAX = 1 + 9,
    RDB_INTEGER_TEXT_MAX = 11, /* "-2147483648"; longer values are never stored as integers */
    RDB_FOOTER_SIZE = 2 + 8,
    RDB_VALUE_SIZE_MAX = 512 * 1024 * 1024,
};

/* Type and length of a value that is stored as it is; answers their size. */
size_t rdb_string_head(uint64_t value_size, uint8_t ret_head[RDB_HEAD_SIZE_MAX]);

/* Type and value of a canonical integer of 8, 16 or 32 bits; answers their size, or 0 if the value is no such integer. */
size_t rdb_string_integer(struct slice value, uint8_t ret_body[RDB_HEAD_SIZE_MAX]);

/* The footer for a body (all before the footer). */
void rdb_footer(struct slice body, uint8_t ret_footer[RDB_FOOTER_SIZE]);

/* Checks and cuts off the footer: false if the version is newer than what is read here or the checksum is wrong. */
bool rdb_payload_body(struct slice payload, struct slice *ret_body);

struct rdb_string {
    uint64_t size;      /* value bytes */
    bool compressed;    /* then read with rdb_string_read, else the value is `plain` */
    struct slice plain; /* if not compressed; points into the body or at `digits` */
    char digits[NUMBER_TEXT_MAX];
    struct lzf_reader lzf;
};

/* False if the body is not a string of at most RDB_VALUE_SIZE_MAX bytes. `string` may not be moved afterwards. What
 * follows the string in the body is not looked at, as in Redis. */
bool rdb_string_open(struct rdb_string *string, struct slice body);

/* The next bytes of a compressed value, `size` in all calls together; false if it is malformed, in the last call also if
 * it holds more than was announced. */
bool rdb_string_read(struct rdb_string *string, uint8_t *ret_bytes, size_t size);

#endif
