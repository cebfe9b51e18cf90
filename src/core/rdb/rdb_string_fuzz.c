/* core/rdb/rdb_string_fuzz.c: RESTORE's payload under random bytes.
 *
 * The parser gets the input both as a payload and, since a fuzzer seldom hits a checksum, with the footer merely cut off. A
 * compressed value read in small pieces must be the one read whole; a plain one must survive being written again.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "core/rdb/rdb_string.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNPACKED_MAX = 1 << 20 };

static void check_compressed(struct rdb_string *string, struct slice body) {
    if (string->size == 0 || string->size > UNPACKED_MAX)
        return;
    uint8_t *whole = malloc(string->size), *pieces = malloc(string->size);
    bool whole_read = rdb_string_read(string, whole, string->size), pieces_read = true;
    ASSERT(rdb_string_open(string, body) && string->compressed);
    for (size_t done = 0, step = 1; done < string->size && pieces_read; step = step * 3 % 1021) {
        size_t count = step < string->size - done ? step : string->size - done;
        pieces_read = rdb_string_read(string, pieces + done, count);
        done += count;
    }
    ASSERT(whole_read == pieces_read);
    ASSERT(!whole_read || memcmp(whole, pieces, string->size) == 0);
    free(whole);
    free(pieces);
}

static void check_plain(struct slice value) {
    static struct rdb_string again;
    uint8_t *payload = malloc(value.size + RDB_HEAD_SIZE_MAX + RDB_FOOTER_SIZE);
    size_t size = rdb_string_integer(value, payload);
    if (size == 0) {
        size = rdb_string_head(value.size, payload);
        if (value.size)
            memcpy(payload + size, value.data, value.size);
        size += value.size;
    }
    rdb_footer(slice_make(payload, size), payload + size);
    struct slice body;
    ASSERT(rdb_payload_body(slice_make(payload, size + RDB_FOOTER_SIZE), &body));
    ASSERT(rdb_string_open(&again, body) && !again.compressed && slice_equal(again.plain, value));
    free(payload);
}

static void check_body(struct slice body) {
    static struct rdb_string string;
    if (!rdb_string_open(&string, body))
        return;
    if (string.compressed)
        check_compressed(&string, body);
    else
        check_plain(string.plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size), body;
    if (rdb_payload_body(input, &body))
        check_body(body);
    check_body(slice_part(input, 0, size < RDB_FOOTER_SIZE ? 0 : size - RDB_FOOTER_SIZE));
    check_body(input);
    return 0;
}
