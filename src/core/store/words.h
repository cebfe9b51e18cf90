/* core/store/words.h: bytes that other threads may be writing.
 *
 * Readers take no lock: they copy bytes that may change under them and check afterwards whether they did. In C that is only
 * defined for atomic accesses, so every such byte is loaded and stored here, as relaxed atomic words of natural
 * alignment: a head of 1, 2 and 4 bytes up to the next multiple of 8, then whole words, then a tail.
 * Fewer than seven small accesses a call; a whole word costs what a plain load costs.
 *
 * Threads: any. Whether the bytes were stable is the caller's to find out (index.h).
 */
#ifndef STRATA_CORE_STORE_WORDS_H
#define STRATA_CORE_STORE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__SANITIZE_THREAD__)
#define WORDS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WORDS_TSAN 1
#endif
#endif
#ifndef WORDS_TSAN
#define WORDS_TSAN 0
#endif

typedef uint16_t __attribute__((may_alias)) word16;
typedef uint32_t __attribute__((may_alias)) word32;
typedef uint64_t __attribute__((may_alias)) word64;

/* The two halves of a sequence-number protocol (writer: number odd, fence, change, number even with release; reader:
 * number with acquire, copy, check). The thread sanitizer does not model fences, so there the check is an atomic
 * read-modify-write, which orders by itself. */
static inline void words_fence_write(void) {
#if !WORDS_TSAN
    __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

static inline uint32_t words_check32(const void *at) {
#if WORDS_TSAN
    return __atomic_fetch_add((word32 *)(uintptr_t)at, 0, __ATOMIC_ACQ_REL);
#else
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n((const word32 *)at, __ATOMIC_RELAXED);
#endif
}

static inline uint64_t words_check64(const void *at) {
#if WORDS_TSAN
    return __atomic_fetch_add((word64 *)(uintptr_t)at, 0, __ATOMIC_ACQ_REL);
#else
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n((const word64 *)at, __ATOMIC_RELAXED);
#endif
}

static inline uint32_t words_load32(const void *at) { return __atomic_load_n((const word32 *)at, __ATOMIC_RELAXED); }
static inline uint64_t words_load64(const void *at) { return __atomic_load_n((const word64 *)at, __ATOMIC_RELAXED); }
static inline void words_store32(void *at, uint32_t value) { __atomic_store_n((word32 *)at, value, __ATOMIC_RELAXED); }
static inline void words_store64(void *at, uint64_t value) { __atomic_store_n((word64 *)at, value, __ATOMIC_RELAXED); }

/* From shared bytes to private ones. */
void words_read(void *private_bytes, const void *shared, size_t size);

/* The same for a size that is most often 16 to some hundred: without a call then. */
static inline void words_read_short(void *private_bytes, const void *shared, size_t size);

/* From private bytes to shared ones. */
void words_write(void *shared, const void *private_bytes, size_t size);

/* Between two shared places that do not overlap. */
void words_move(void *shared_to, const void *shared_from, size_t size);

void words_zero(void *shared, size_t size);

#if defined(__x86_64__) && !WORDS_TSAN
/* Sixteen bytes in the processor's own terms, whatever the alignment: to the compiler an opaque write, in which no byte is read twice or
 * torn apart. The thread sanitizer does not see any of it, so it is for other builds. */
enum { WORDS_PIECE = 16 };
static inline void words_copy_piece(uint8_t *to, const uint8_t *from) {
    __asm__ volatile("movdqu (%1), %%xmm0\n\tmovdqu %%xmm0, (%0)" : : "r"(to), "r"(from) : "xmm0", "memory");
}

/* The same for a piece that is to stay in a register, of which the compiler knows that nothing else changes. */
static inline __m128i words_load_piece(const uint8_t *shared) {
    __m128i piece;
    __asm__("movdqu %1, %0" : "=x"(piece) : "m"(*(const uint8_t(*)[WORDS_PIECE])shared));
    return piece;
}

static inline void words_read_short(void *private_bytes, const void *shared, size_t size) {
    uint8_t *to = private_bytes;
    const uint8_t *from = shared;
    if (__builtin_expect(size - WORDS_PIECE <= WORDS_PIECE, 1)) { /* two pieces, which overlap unless it is 32 */
        __m128i first = words_load_piece(from), last = words_load_piece(from + size - WORDS_PIECE);
        _mm_storeu_si128((__m128i_u *)(void *)to, first);
        _mm_storeu_si128((__m128i_u *)(void *)(to + size - WORDS_PIECE), last);
        return;
    }
    if (size < WORDS_PIECE) {
        words_read(to, from, size);
        return;
    }
    size_t last = size - WORDS_PIECE;
    for (size_t at = 0; at < last; at += WORDS_PIECE)
        words_copy_piece(to + at, from + at);
    words_copy_piece(to + last, from + last);
}

/* Words of any alignment, read in the processor's own terms as in words.c: once, and the compiler does not look inside. */
static inline bool words_equal64(const uint8_t *shared, const uint8_t *private_bytes) {
    uint64_t a, b;
    __asm__("movq %1, %0" : "=r"(a) : "m"(*(const uint8_t(*)[8])shared));
    memcpy(&b, private_bytes, sizeof b);
    return a == b;
}
static inline bool words_equal32(const uint8_t *shared, const uint8_t *private_bytes) {
    uint32_t a, b;
    __asm__("movl %1, %0" : "=r"(a) : "m"(*(const uint8_t(*)[4])shared));
    memcpy(&b, private_bytes, sizeof b);
    return a == b;
}

/* Compares shared bytes, which begin at a multiple of 4, with private ones. The last word overlaps the one before, so that there
 * is no tail. */
static inline bool words_equal(const void *shared, const void *private_bytes, size_t size) {
    const uint8_t *s = shared, *p = private_bytes;
    if (__builtin_expect(size - WORDS_PIECE <= WORDS_PIECE,
                         1)) { /* most keys: two pieces, which overlap unless it is 32 */
        const size_t second = size - WORDS_PIECE;
        __m128i first = _mm_cmpeq_epi8(words_load_piece(s), _mm_loadu_si128((const __m128i_u *)(const void *)p));
        __m128i last = _mm_cmpeq_epi8(words_load_piece(s + second),
                                      _mm_loadu_si128((const __m128i_u *)(const void *)(p + second)));
        return _mm_movemask_epi8(_mm_and_si128(first, last)) == 0xffff;
    }
    if (size >= 8) {
        const uint8_t *s_last = s + size - 8, *p_last = p + size - 8;
        for (; s < s_last; s += 8, p += 8) {
            if (!words_equal64(s, p))
                return false;
        }
        return words_equal64(s_last, p_last);
    }
    if (size >= 4)
        return words_equal32(s, p) && words_equal32(s + size - 4, p + size - 4);
    for (; size; s++, p++, size--) {
        if (__atomic_load_n(s, __ATOMIC_RELAXED) != *p)
            return false;
    }
    return true;
}
#else
static inline void words_read_short(void *private_bytes, const void *shared, size_t size) {
    words_read(private_bytes, shared, size);
}

/* Compares shared bytes, which begin at a multiple of 4, with private ones. */
static inline bool words_equal(const void *shared, const void *private_bytes, size_t size) {
    const uint8_t *s = shared, *p = private_bytes;
#if defined(__SSE2__) && !WORDS_TSAN
    if (size >= 16 && size <= 32) { /* most keys: two pieces, which may overlap */
        const size_t second = size - 16;
        __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i_u *)s), _mm_loadu_si128((const __m128i_u *)p));
        __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i_u *)(s + second)),
                                      _mm_loadu_si128((const __m128i_u *)(p + second)));
        return _mm_movemask_epi8(_mm_and_si128(low, high)) == 0xffff;
    }
#endif
    if (size >= 4 && ((uintptr_t)s & 4)) {
        uint32_t b;
        memcpy(&b, p, 4);
        if (words_load32(s) != b)
            return false;
        s += 4, p += 4, size -= 4;
    }
    for (; size >= 8; s += 8, p += 8, size -= 8) {
        uint64_t b;
        memcpy(&b, p, 8);
        if (words_load64(s) != b)
            return false;
    }
    if (size >= 4) {
        uint32_t b;
        memcpy(&b, p, 4);
        if (words_load32(s) != b)
            return false;
        s += 4, p += 4, size -= 4;
    }
    for (; size; s++, p++, size--)
        if (__atomic_load_n(s, __ATOMIC_RELAXED) != *p)
            return false;
    return true;
}
#endif

#endif
