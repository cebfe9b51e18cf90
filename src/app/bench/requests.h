/* app/bench/requests.h: requests written in bulk.
 *
 * Every request of a kind has the same size, so a batch is written once and later only the digits of its keys change:
 *
 *     *2 $3 GET $16 key:000000001234 | *2 $3 GET $16 key:000000005678 | ...
 *                            ^^^^^^^                         ^^^^^^^     patched in place
 *
 * A batch of both kinds is put together from one template each. A key is "key:" (as much of it as fits) and its number; a
 * checkable value is its key backwards, again and again, so that every byte can be checked and the digits come first.
 *
 * Threads: one owner at a time.
 * Memory:  two templates and one batch, taken in requests_init.
 */
#ifndef STRATA_APP_BENCH_REQUESTS_H
#define STRATA_APP_BENCH_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    REQUESTS_KEY_SIZE_MAX = 250,          /* what memcached allows */
    REQUESTS_BATCH_BYTES_MAX = 256 << 20, /* of one batch, all its values included */
    REQUESTS_DIGITS_MAX = 10              /* of a key number */
};

enum requests_protocol { REQUESTS_RESP, REQUESTS_MEMCACHED };

/* One request of a batch: the number of its key, and which kind it is. */
struct request {
    uint32_t key;
    bool is_set;
};

struct requests_shape {
    enum requests_protocol protocol;
    uint64_t key_count; /* key numbers are below it; at most 2^32 */
    uint32_t key_size;
    uint32_t value_size;
    uint32_t batch_max;
    bool checkable;        /* values tell their key; otherwise all are alike */
    bool has_get, has_set; /* the kinds that there will be */
};

struct requests_template {
    uint8_t *bytes;
    size_t size;
    size_t key_at, value_at;
};

struct requests {
    struct requests_shape shape;
    uint32_t digits;
    struct requests_template kinds[2]; /* get, set */
    uint8_t *batch;
    size_t batch_size;
    bool is_filled; /* there is only one kind, and the batch holds `batch_max` of it */
    uint8_t key[REQUESTS_KEY_SIZE_MAX], backwards[REQUESTS_KEY_SIZE_MAX];
    const struct memory *memory;
};

/* Decimal digits of the largest key number; the smallest key size there is. */
uint32_t requests_digits(uint64_t key_count);

/* STATUS_TOO_LARGE: a batch would exceed REQUESTS_BATCH_BYTES_MAX. STATUS_INVALID: the key size is too small for the numbers. */
MUST_CHECK enum status requests_init(struct requests *requests, const struct memory *memory,
                                     const struct requests_shape *shape);
void requests_fini(struct requests *requests);

/* The bytes of `count` requests, at most `batch_max`; they live until the next call. */
struct slice requests_write(struct requests *requests, const struct request *list, uint32_t count);

/* The bytes of one request of a kind. */
static inline size_t requests_size(const struct requests *requests, bool is_set) {
    return requests->kinds[is_set].size;
}

/* Whether the value is the one that belongs to the key. */
bool requests_check(struct requests *requests, uint32_t key, struct slice value);

/* Writes `number` into the `digits` bytes before `end`; the bytes are digits already and leading zeros stay. */
void requests_patch(uint8_t *end, uint32_t digits, uint32_t number);

#endif
