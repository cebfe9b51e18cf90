/* Patterns: the first byte says how many bytes are the pattern, the rest is the text. A star before a pattern never makes it
 * match less, a shortened pattern matches the same, and a text whose bytes are all escaped matches itself.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Copies of their own, so that the address sanitizer sees reads beyond either. */
static uint8_t *copy_of(struct slice bytes) {
    uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
    ASSERT(copy);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void check(struct slice pattern, struct slice text) {
    bool matches = glob_matches(pattern, text, false);
    (void)glob_matches(pattern, text, true); /* a range may match with case only: [Z-a] */
    uint8_t *starred = malloc(pattern.size + 1);
    ASSERT(starred);
    starred[0] = '*';
    if (pattern.size)
        memcpy(starred + 1, pattern.data, pattern.size);
    ASSERT(!matches || glob_matches(slice_make(starred, pattern.size + 1), text, false));
    free(starred);

    uint8_t *shortened = malloc(pattern.size + 1);
    ASSERT(shortened);
    size_t size = glob_shorten(pattern, shortened);
    ASSERT(size <= pattern.size && glob_matches(slice_make(shortened, size), text, false) == matches);
    free(shortened);

    uint8_t *escaped = malloc(2 * text.size + 1);
    ASSERT(escaped);
    for (size_t i = 0; i < text.size; i++) {
        escaped[2 * i] = '\\';
        escaped[2 * i + 1] = text.data[i];
    }
    ASSERT(glob_matches(slice_make(escaped, 2 * text.size), text, false));
    free(escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct slice rest = slice_make(data + 1, size - 1);
    /* Classes that are shortened have more than 255 bytes: the upper half of the sizes goes in steps of 8. */
    size_t pattern_size = data[0] < 128 ? data[0] : 8u * (data[0] - 127u);
    struct slice pattern = slice_part(rest, 0, pattern_size), text = slice_part(rest, pattern_size, rest.size);
    uint8_t *pattern_copy = copy_of(pattern), *text_copy = copy_of(text);
    check(slice_make(pattern_copy, pattern.size), slice_make(text_copy, text.size));
    free(pattern_copy);
    free(text_copy);
    return 0;
}
