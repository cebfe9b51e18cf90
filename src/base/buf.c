#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

enum { CAPACITY_MIN = 64, DOUBLING_MAX = 1 << 20 };

void buf_fini(struct buf *buf) {
    if (!buf || !buf->data)
        return;
    memory_give(buf->memory, buf->data, buf->capacity);
    *buf = (struct buf){.memory = buf->memory};
}

enum status buf_grow(struct buf *buf, size_t size) {
    ASSERT(buf->memory);
    if (size > SIZE_MAX / 2 - buf->size)
        return STATUS_TOO_LARGE;
    size_t needed = buf->size + size;
    size_t step = buf->capacity < DOUBLING_MAX ? buf->capacity : buf->capacity / 8;
    size_t capacity = buf->capacity + step;
    if (capacity < needed)
        capacity = needed;
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    void *data = buf->memory->resize(buf->memory->context, buf->data, buf->capacity, capacity);
    if (!data)
        return STATUS_NO_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return STATUS_OK;
}

enum status buf_printf(struct buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    enum status status = size < 0 ? STATUS_INVALID : buf_reserve(buf, (size_t)size + 1);
    if (status == STATUS_OK) {
        vsnprintf((char *)buf->data + buf->size, (size_t)size + 1, format, again);
        buf->size += (size_t)size;
    }
    va_end(again);
    return status;
}

void buf_consume(struct buf *buf, size_t size) {
    ASSERT(size <= buf->size);
    buf->size -= size;
    if (buf->size && size)
        memmove(buf->data, buf->data + size, buf->size);
}

void buf_shrink(struct buf *buf, size_t keep) {
    size_t target = buf->size > keep ? buf->size : keep;
    if (buf->capacity <= target)
        return;
    void *data = buf->memory->resize(buf->memory->context, buf->data, buf->capacity, target);
    if (target == 0) {
        buf->data = NULL;
        buf->capacity = 0;
    } else if (data) {
        buf->data = data;
        buf->capacity = target;
    }
}
