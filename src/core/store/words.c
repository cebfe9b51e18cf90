#include "core/store/words.h"

/* From this size on the processor's own block copy is faster than words: 32 B a cycle after about 35 cycles of
 * start-up, against 8 B a cycle. */
enum { BLOCK_COPY_MIN = 512 };

#if defined(__x86_64__) && !WORDS_TSAN
/* The last piece overlaps the one before, so sizes from 16 on take size / 16 + 1 pieces and no tail. False: too small. */
static inline bool block_copy(uint8_t *to, const uint8_t *from, size_t size) {
    if (size < WORDS_PIECE)
        return false;
    if (size >= BLOCK_COPY_MIN) {
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
        return true;
    }
    for (; size > WORDS_PIECE; to += WORDS_PIECE, from += WORDS_PIECE, size -= WORDS_PIECE) {
        words_copy_piece(to, from);
        if (size < 2 * WORDS_PIECE) {
            words_copy_piece(to + size - WORDS_PIECE, from + size - WORDS_PIECE);
            return true;
        }
    }
    words_copy_piece(to, from);
    return true;
}
#else
static inline bool block_copy(uint8_t *to, const uint8_t *from, size_t size) {
    (void)to, (void)from, (void)size;
    return false;
}
#endif

#define LOAD(type, at) __atomic_load_n((const type *)(at), __ATOMIC_RELAXED)
#define STORE(type, at, value) __atomic_store_n((type *)(at), value, __ATOMIC_RELAXED)

/* One step of `type` from shared to private bytes. */
#define READ_STEP(type)                                                 \
    do {                                                                \
        type value = LOAD(type, from);                                  \
        memcpy(to, &value, sizeof value);                               \
        to += sizeof value, from += sizeof value, size -= sizeof value; \
    } while (0)

void words_read(void *private_bytes, const void *shared, size_t size) {
    uint8_t *to = private_bytes;
    const uint8_t *from = shared;
    if (block_copy(to, from, size))
        return;
    if (((uintptr_t)from & 1) && size >= 1)
        READ_STEP(uint8_t);
    if (((uintptr_t)from & 2) && size >= 2)
        READ_STEP(word16);
    if (((uintptr_t)from & 4) && size >= 4)
        READ_STEP(word32);
    if (((uintptr_t)from & 7) == 0)
        while (size >= 8)
            READ_STEP(word64);
    if (((uintptr_t)from & 3) == 0 && size >= 4)
        READ_STEP(word32);
    if (((uintptr_t)from & 1) == 0 && size >= 2)
        READ_STEP(word16);
    while (size)
        READ_STEP(uint8_t);
}

#define WRITE_STEP(type)                                                \
    do {                                                                \
        type value;                                                     \
        memcpy(&value, from, sizeof value);                             \
        STORE(type, to, value);                                         \
        to += sizeof value, from += sizeof value, size -= sizeof value; \
    } while (0)

void words_write(void *shared, const void *private_bytes, size_t size) {
    uint8_t *to = shared;
    const uint8_t *from = private_bytes;
    if (block_copy(to, from, size))
        return;
    if (((uintptr_t)to & 1) && size >= 1)
        WRITE_STEP(uint8_t);
    if (((uintptr_t)to & 2) && size >= 2)
        WRITE_STEP(word16);
    if (((uintptr_t)to & 4) && size >= 4)
        WRITE_STEP(word32);
    if (((uintptr_t)to & 7) == 0)
        while (size >= 8)
            WRITE_STEP(word64);
    if (((uintptr_t)to & 3) == 0 && size >= 4)
        WRITE_STEP(word32);
    if (((uintptr_t)to & 1) == 0 && size >= 2)
        WRITE_STEP(word16);
    while (size)
        WRITE_STEP(uint8_t);
}

void words_move(void *shared_to, const void *shared_from, size_t size) {
    uint8_t scratch[256];
    uint8_t *to = shared_to;
    const uint8_t *from = shared_from;
    if (block_copy(to, from, size))
        return;
    while (size) {
        size_t part = size < sizeof scratch ? size : sizeof scratch;
        words_read(scratch, from, part);
        words_write(to, scratch, part);
        to += part, from += part, size -= part;
    }
}

void words_zero(void *shared, size_t size) {
    static const uint8_t zeros[256];
    uint8_t *to = shared;
    while (size) {
        size_t part = size < sizeof zeros ? size : sizeof zeros;
        words_write(to, zeros, part);
        to += part, size -= part;
    }
}
