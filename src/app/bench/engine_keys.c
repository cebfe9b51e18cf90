#include "app/bench/engine_keys.h"

#include <string.h>

#include "app/bench/requests.h"
#include "base/assert.h"

static void put(struct engine_keys *keys, uint32_t at, uint32_t number) {
    memcpy(keys->bytes[at], "key:0000000000000000", ENGINE_KEY_SIZE);
    requests_patch(keys->bytes[at] + ENGINE_KEY_SIZE, REQUESTS_DIGITS_MAX, number);
    keys->numbers[at] = number;
    keys->numbers_sum += number;
}

void engine_keys_random(struct engine_keys *keys, uint32_t count, uint32_t first, uint32_t range, struct rng *rng) {
    ASSERT(count <= ENGINE_CHUNK);
    keys->count = count;
    keys->numbers_sum = 0;
    for (uint32_t i = 0; i < count; i++)
        put(keys, i, first + (uint32_t)rng_below(rng, range));
}

void engine_keys_stride(struct engine_keys *keys, uint32_t count, uint64_t start, uint64_t from, uint64_t stride,
                        uint32_t range) {
    ASSERT(count <= ENGINE_CHUNK);
    keys->count = count;
    keys->numbers_sum = 0;
    for (uint32_t i = 0; i < count; i++)
        put(keys, i, (uint32_t)((start + (from + i) % range * stride) % range));
}
