/* app/bench/objects.h: keys and values of a trace's objects.
 *
 * A value tells which object it is and how large, so that a wrong one is always seen, and then goes on with bytes that do not
 * compress:
 *
 *     t00:000000012345 00000230 <bytes of a fixed random block, from an offset that depends on the key>
 *     '---- key -----' ' size '
 *
 * A trace may be replayed in several copies with objects of their own: the copy's number is in the key. Tagged keys share one hash
 * tag ("{t}"), which puts all of them on one shard.
 *
 * Threads: does not change after objects_init.
 * Memory:  the block lies inside.
 */
#ifndef STRATA_APP_BENCH_OBJECTS_H
#define STRATA_APP_BENCH_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

enum { OBJECTS_KEY_SIZE = 16, OBJECTS_COPIES_MAX = 99, OBJECTS_BLOCK_SIZE = 1 << 16 };

struct objects {
    bool tagged;
    uint8_t block[OBJECTS_BLOCK_SIZE];
};

void objects_init(struct objects *objects, bool tagged);

void objects_key(const struct objects *objects, uint32_t copy, uint32_t number, uint8_t ret_key[OBJECTS_KEY_SIZE]);

/* Writes the `size` bytes of a key's value. */
void objects_write(const struct objects *objects, const uint8_t key[OBJECTS_KEY_SIZE], uint32_t size,
                   uint8_t *ret_value);

/* Whether this is, to the last byte, what objects_write writes. */
bool objects_check(const struct objects *objects, const uint8_t key[OBJECTS_KEY_SIZE], uint32_t size,
                   struct slice value);

#endif
