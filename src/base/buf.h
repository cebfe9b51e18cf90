/* base/buf.h: owned bytes that grow at the end.
 *
 *     data            size                    capacity
 *      | bytes in use  | room for what comes   |
 *
 * Growth doubles up to 1 MiB and then adds an eighth, so a large reply does not take twice its size.
 *
 * Threads: one owner at a time.
 * Memory:  owns `data`; buf_fini gives it back. A buf that is all zero but for `memory` is empty and valid.
 */
#ifndef STRATA_BASE_BUF_H
#define STRATA_BASE_BUF_H

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

struct buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    const struct memory *memory;
};

static inline void buf_init(struct buf *buf, const struct memory *memory) { *buf = (struct buf){.memory = memory}; }

void buf_fini(struct buf *buf);

/* Makes room for `size` more bytes; `data + size` may then be written. */
MUST_CHECK enum status buf_grow(struct buf *buf, size_t size);

static inline enum status buf_reserve(struct buf *buf, size_t size) {
    return buf->capacity - buf->size >= size ? STATUS_OK : buf_grow(buf, size);
}

MUST_CHECK static inline enum status buf_append(struct buf *buf, const void *bytes, size_t size) {
    TRY(buf_reserve(buf, size));
    if (size)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    return STATUS_OK;
}

MUST_CHECK static inline enum status buf_append_slice(struct buf *buf, struct slice s) {
    return buf_append(buf, s.data, s.size);
}

MUST_CHECK enum status buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first `size` bytes; the rest moves to the front. */
void buf_consume(struct buf *buf, size_t size);

static inline void buf_clear(struct buf *buf) { buf->size = 0; }

static inline struct slice buf_slice(const struct buf *buf) { return slice_make(buf->data, buf->size); }

/* Gives back the capacity that is not in use, if it is over `keep` bytes. */
void buf_shrink(struct buf *buf, size_t keep);

#endif
