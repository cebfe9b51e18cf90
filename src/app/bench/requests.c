#include "app/bench/requests.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum { HEAD_SIZE_MAX = 96 }; /* everything of a request but its key and its value */

static const char pairs[201] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

void requests_patch(uint8_t *end, uint32_t digits, uint32_t number) {
    for (; digits >= 2; digits -= 2, number /= 100)
        memcpy(end -= 2, &pairs[number % 100 * 2], 2);
    if (digits)
        end[-1] = (uint8_t)('0' + number % 10);
}

/* The same, last digit first, from `at` on. */
static void patch_backwards(uint8_t *at, uint32_t digits, uint32_t number) {
    for (; digits > 0; digits--, number /= 10)
        *at++ = (uint8_t)('0' + number % 10);
}

uint32_t requests_digits(uint64_t key_count) {
    uint32_t digits = 1;
    for (uint64_t above = 10; above < key_count; above *= 10)
        digits++;
    return digits;
}

static void init_keys(struct requests *requests) {
    static const char prefix[] = "key:";
    uint32_t size = requests->shape.key_size, room = size - requests->digits;
    memset(requests->key, '0', size);
    memcpy(requests->key, prefix, room < sizeof prefix - 1 ? room : sizeof prefix - 1);
    for (uint32_t i = 0; i < size; i++)
        requests->backwards[i] = requests->key[size - 1 - i];
}

/* What is not checkable is some text that does not compress to nothing. */
static void fill_filler(uint8_t *value, uint32_t size) {
    uint32_t state = 1;
    for (uint32_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        value[i] = (uint8_t)('a' + (state >> 24) % 26);
    }
}

/* What stands before the key, and between it and the value. */
static void write_heads(const struct requests_shape *shape, bool is_set, char before[HEAD_SIZE_MAX],
                        char between[HEAD_SIZE_MAX]) {
    snprintf(between, HEAD_SIZE_MAX, "\r\n");
    if (shape->protocol == REQUESTS_MEMCACHED) {
        snprintf(before, HEAD_SIZE_MAX, "%s ", is_set ? "set" : "get");
        if (is_set)
            snprintf(between, HEAD_SIZE_MAX, " 0 0 %u\r\n", shape->value_size);
        return;
    }
    snprintf(before, HEAD_SIZE_MAX, "*%d\r\n$3\r\n%s\r\n$%u\r\n", is_set ? 3 : 2, is_set ? "SET" : "GET",
             shape->key_size);
    if (is_set)
        snprintf(between, HEAD_SIZE_MAX, "\r\n$%u\r\n", shape->value_size);
}

static enum status init_template(struct requests *requests, bool is_set) {
    const struct requests_shape *shape = &requests->shape;
    struct requests_template *made = &requests->kinds[is_set];
    char before[HEAD_SIZE_MAX], between[HEAD_SIZE_MAX];
    write_heads(shape, is_set, before, between);
    made->key_at = strlen(before);
    made->value_at = made->key_at + shape->key_size + strlen(between);
    made->size = made->value_at + (is_set ? shape->value_size + 2 : 0);
    made->bytes = memory_take(requests->memory, made->size);
    if (!made->bytes)
        return STATUS_NO_MEMORY;
    memcpy(made->bytes, before, made->key_at);
    memcpy(made->bytes + made->key_at, requests->key, shape->key_size);
    memcpy(made->bytes + made->key_at + shape->key_size, between, strlen(between));
    if (is_set) {
        fill_filler(made->bytes + made->value_at, shape->value_size);
        memcpy(made->bytes + made->size - 2, "\r\n", 2);
    }
    return STATUS_OK;
}

static enum status init_batch(struct requests *requests) {
    const struct requests_shape *shape = &requests->shape;
    size_t get = requests->kinds[false].size, set = requests->kinds[true].size, largest = get > set ? get : set;
    if (largest > REQUESTS_BATCH_BYTES_MAX / shape->batch_max)
        return STATUS_TOO_LARGE;
    requests->batch_size = largest * shape->batch_max;
    requests->batch = memory_take(requests->memory, requests->batch_size);
    if (!requests->batch)
        return STATUS_NO_MEMORY;
    requests->is_filled = shape->has_get != shape->has_set;
    for (uint32_t i = 0; requests->is_filled && i < shape->batch_max; i++)
        memcpy(requests->batch + i * largest, requests->kinds[shape->has_set].bytes, largest);
    return STATUS_OK;
}

enum status requests_init(struct requests *requests, const struct memory *memory, const struct requests_shape *shape) {
    ASSERT(shape->batch_max > 0 && shape->key_count > 0 && shape->key_count <= 1ull << 32);
    ASSERT(shape->key_size <= REQUESTS_KEY_SIZE_MAX && (shape->has_get || shape->has_set));
    uint32_t digits = requests_digits(shape->key_count);
    if (digits > shape->key_size)
        return STATUS_INVALID;
    *requests = (struct requests){.shape = *shape, .digits = digits, .memory = memory};
    init_keys(requests);
    enum status status = shape->has_get ? init_template(requests, false) : STATUS_OK;
    if (status == STATUS_OK && shape->has_set)
        status = init_template(requests, true);
    if (status == STATUS_OK)
        status = init_batch(requests);
    if (status != STATUS_OK)
        requests_fini(requests);
    return status;
}

void requests_fini(struct requests *requests) {
    for (int i = 0; i < 2; i++)
        memory_give(requests->memory, requests->kinds[i].bytes, requests->kinds[i].size);
    memory_give(requests->memory, requests->batch, requests->batch_size);
    *requests = (struct requests){.memory = requests->memory};
}

static void fill_value(struct requests *requests, uint8_t *value, uint32_t key) {
    size_t size = requests->shape.value_size, done = requests->shape.key_size;
    patch_backwards(requests->backwards, requests->digits, key);
    memcpy(value, requests->backwards, done < size ? done : size);
    for (; done < size; done *= 2)
        memcpy(value + done, value, done < size - done ? done : size - done);
}

bool requests_check(struct requests *requests, uint32_t key, struct slice value) {
    size_t size = requests->shape.value_size, period = requests->shape.key_size;
    if (value.size != size || !value.data)
        return value.size == size && size == 0;
    patch_backwards(requests->backwards, requests->digits, key);
    if (size <= period)
        return memcmp(value.data, requests->backwards, size) == 0;
    return memcmp(value.data, requests->backwards, period) == 0 &&
           memcmp(value.data + period, value.data, size - period) == 0;
}

struct slice requests_write(struct requests *requests, const struct request *list, uint32_t count) {
    uint8_t *at = requests->batch;
    ASSERT(count <= requests->shape.batch_max);
    for (uint32_t i = 0; i < count; i++) {
        const struct requests_template *kind = &requests->kinds[list[i].is_set];
        if (!requests->is_filled)
            memcpy(at, kind->bytes, kind->size);
        requests_patch(at + kind->key_at + requests->shape.key_size, requests->digits, list[i].key);
        if (list[i].is_set && requests->shape.checkable)
            fill_value(requests, at + kind->value_at, list[i].key);
        at += kind->size;
    }
    return slice_make(requests->batch, (size_t)(at - requests->batch));
}
