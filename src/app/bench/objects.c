#include "app/bench/objects.h"

#include <string.h>

#include "app/bench/requests.h"
#include "base/rng.h"

enum { SIZE_DIGITS = 8, HEAD_SIZE = OBJECTS_KEY_SIZE + 1 + SIZE_DIGITS + 1 };

void objects_init(struct objects *objects, bool tagged) {
    struct rng rng = rng_seeded(1);
    objects->tagged = tagged;
    for (size_t i = 0; i < sizeof objects->block; i += sizeof(uint64_t)) {
        uint64_t random = rng_next(&rng);
        memcpy(objects->block + i, &random, sizeof random);
    }
}

void objects_key(const struct objects *objects, uint32_t copy, uint32_t number, uint8_t ret_key[OBJECTS_KEY_SIZE]) {
    uint32_t prefix = objects->tagged ? 5 : 3;
    memcpy(ret_key, objects->tagged ? "{t}00:0000000000" : "t00:000000000000", OBJECTS_KEY_SIZE);
    requests_patch(ret_key + prefix, 2, copy);
    requests_patch(ret_key + OBJECTS_KEY_SIZE, REQUESTS_DIGITS_MAX, number);
}

static void write_head(const uint8_t *key, uint32_t size, uint8_t head[HEAD_SIZE]) {
    memset(head, ' ', HEAD_SIZE);
    memcpy(head, key, OBJECTS_KEY_SIZE);
    requests_patch(head + OBJECTS_KEY_SIZE + 1 + SIZE_DIGITS, SIZE_DIGITS, size);
}

static size_t first_offset(const uint8_t *key) {
    uint64_t ends[2];
    memcpy(ends, key, sizeof ends);
    struct rng rng = rng_seeded(ends[0] ^ ends[1] * 3);
    return rng_next(&rng) % OBJECTS_BLOCK_SIZE;
}

/* The next piece of the block behind `offset`: it is as long as what is wanted, or ends with the block. */
static size_t piece_size(size_t offset, size_t wanted) {
    return wanted < OBJECTS_BLOCK_SIZE - offset ? wanted : OBJECTS_BLOCK_SIZE - offset;
}

void objects_write(const struct objects *objects, const uint8_t key[OBJECTS_KEY_SIZE], uint32_t size,
                   uint8_t *ret_value) {
    uint8_t head[HEAD_SIZE];
    size_t at = size < HEAD_SIZE ? size : HEAD_SIZE, offset = first_offset(key);
    write_head(key, size, head);
    memcpy(ret_value, head, at);
    while (at < size) {
        size_t piece = piece_size(offset, size - at);
        memcpy(ret_value + at, objects->block + offset, piece);
        at += piece;
        offset = 0;
    }
}

bool objects_check(const struct objects *objects, const uint8_t key[OBJECTS_KEY_SIZE], uint32_t size,
                   struct slice value) {
    uint8_t head[HEAD_SIZE];
    size_t at = size < HEAD_SIZE ? size : HEAD_SIZE, offset = first_offset(key);
    if (!value.data || value.size != size)
        return false;
    write_head(key, size, head);
    if (memcmp(value.data, head, at) != 0)
        return false;
    while (at < size) {
        size_t piece = piece_size(offset, size - at);
        if (memcmp(value.data + at, objects->block + offset, piece) != 0)
            return false;
        at += piece;
        offset = 0;
    }
    return true;
}
