#include "app/bench/engine_floor.h"

#include "base/bits.h"
#include "base/hash.h"
#include "sys/os/pages.h"

static enum status take(uint64_t bytes, uint8_t **ret_area, uint64_t *ret_lines) {
    void *area;
    TRY(pages_take(bytes, &area));
    uint64_t size = bits_align_up(bytes, PAGES_HUGE_SIZE);
    if (bytes >= PAGES_HUGE_SIZE)
        pages_dense(area, size, false);
    struct rng rng = rng_seeded(bytes);
    *ret_area = area;
    *ret_lines = bytes / FLOOR_LINE_SIZE;
    for (uint64_t i = 0; i < *ret_lines; i++)
        *(uint64_t *)(void *)(*ret_area + i * FLOOR_LINE_SIZE) = rng_next(&rng);
    return STATUS_OK;
}

enum status floor_init(struct floor *floor, uint64_t first_bytes, uint64_t second_bytes) {
    *floor = (struct floor){0};
    if (first_bytes < FLOOR_LINE_SIZE || second_bytes < FLOOR_LINE_SIZE)
        return STATUS_INVALID;
    enum status status = take(first_bytes, &floor->first, &floor->first_lines);
    if (status == STATUS_OK)
        status = take(second_bytes, &floor->second, &floor->second_lines);
    if (status != STATUS_OK)
        floor_fini(floor);
    return status;
}

void floor_fini(struct floor *floor) {
    pages_give(floor->first, floor->first_lines * FLOOR_LINE_SIZE);
    pages_give(floor->second, floor->second_lines * FLOOR_LINE_SIZE);
    *floor = (struct floor){0};
}

static inline const uint64_t *line_of(const uint8_t *area, uint64_t lines, uint64_t random) {
    uint64_t line = (uint64_t)((unsigned __int128)random * lines >> 64);
    return (const uint64_t *)(const void *)(area + line * FLOOR_LINE_SIZE);
}

static inline const uint64_t *first_of(const struct floor *floor, uint64_t hash) {
    return line_of(floor->first, floor->first_lines, hash);
}

/* Of the bits that did not choose the first line, turned to the top, and what that line says. */
static inline const uint64_t *second_of(const struct floor *floor, uint64_t hash, uint64_t word) {
    return line_of(floor->second, floor->second_lines, (hash << 32 | hash >> 32) ^ word);
}

uint64_t floor_alone(const struct floor *floor, const struct engine_keys *keys) {
    uint64_t zero = engine_zero(), last = 0, sum = 0;
    for (uint64_t i = 0; i < keys->count; i++) {
        uint64_t hash = hash_bytes(engine_key(keys, i ^ (last & zero)), 0);
        last = *second_of(floor, hash, *first_of(floor, hash));
        sum += last;
    }
    return sum;
}

uint64_t floor_row(const struct floor *floor, const struct engine_keys *keys) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < keys->count; i++) {
        uint64_t hash = hash_bytes(engine_key(keys, i), 0);
        sum += *second_of(floor, hash, *first_of(floor, hash));
    }
    return sum;
}

uint64_t floor_batch(const struct floor *floor, const struct engine_keys *keys) {
    uint64_t hashes[ENGINE_BATCH], sum = 0;
    for (uint64_t from = 0; from < keys->count; from += ENGINE_BATCH) {
        uint64_t count = keys->count - from < ENGINE_BATCH ? keys->count - from : ENGINE_BATCH;
        for (uint64_t i = 0; i < count; i++) {
            hashes[i] = hash_bytes(engine_key(keys, from + i), 0);
            __builtin_prefetch(first_of(floor, hashes[i]));
        }
        const uint64_t *seconds[ENGINE_BATCH];
        for (uint64_t i = 0; i < count; i++) {
            seconds[i] = second_of(floor, hashes[i], *first_of(floor, hashes[i]));
            __builtin_prefetch(seconds[i]);
        }
        for (uint64_t i = 0; i < count; i++)
            sum += *seconds[i];
    }
    return sum;
}
