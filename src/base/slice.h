/* base/slice.h: borrowed bytes, passed by value.
 *
 * A slice owns nothing; whoever made it says how long its bytes live. The bytes are not
 * terminated. An empty slice may have a NULL pointer.
 */
#ifndef STRATA_BASE_SLICE_H
#define STRATA_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t size;
};

static inline struct slice slice_make(const void *data, size_t size) {
    return (struct slice){(const uint8_t *)data, size};
}

static inline struct slice slice_from_string(const char *text) { return slice_make(text, strlen(text)); }

/* For string literals: SLICE("abc") has size 3. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ASCII letters compare without case; other bytes as they are. */
static inline bool slice_equal_nocase(struct slice a, struct slice b) {
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        uint8_t x = a.data[i], y = b.data[i];
        if (x >= 'A' && x <= 'Z')
            x |= 0x20;
        if (y >= 'A' && y <= 'Z')
            y |= 0x20;
        if (x != y)
            return false;
    }
    return true;
}

/* Orders by bytes, a prefix before what it begins. */
static inline int slice_compare(struct slice a, struct slice b) {
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* The part from `from`, at most `size` bytes, clamped to what is there. */
static inline struct slice slice_part(struct slice s, size_t from, size_t size) {
    if (from > s.size)
        from = s.size;
    if (size > s.size - from)
        size = s.size - from;
    return slice_make(s.data ? s.data + from : NULL, size);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix) {
    return s.size >= prefix.size && slice_equal(slice_part(s, 0, prefix.size), prefix);
}

#endif
