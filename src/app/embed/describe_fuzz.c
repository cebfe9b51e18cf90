/* Any text: refused with a sentence that is terminated, or taken, and then the same again when it is written out. */
#include <stdio.h>
#include <stdlib.h>

#include "app/embed/describe.h"
#include "base/assert.h"
#include "base/bits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char problem[STRATA_ERROR_TEXT_SIZE];
    struct description first, second;
    memset(problem, 'x', sizeof problem);
    if (describe_parse(slice_make(data, size), problem, &first) != STATUS_OK) {
        ASSERT(memchr(problem, 0, sizeof problem));
        return 0;
    }
    ASSERT(first.entries_max == 0 || first.entries_max >= STRATA_ENTRIES_MAX_MIN);
    ASSERT((first.shards & (first.shards - 1)) == 0);
    char text[256];
    int length = snprintf(text, sizeof text, "memory");
    if (first.limit_bytes)
        length += snprintf(text + length, sizeof text - (size_t)length, ":%llu", (unsigned long long)first.limit_bytes);
    if (first.entries_max)
        length += snprintf(text + length, sizeof text - (size_t)length, ",entries=%llu",
                           (unsigned long long)first.entries_max);
    if (first.limit_max_bytes)
        length += snprintf(text + length, sizeof text - (size_t)length, ",max=%llub",
                           (unsigned long long)first.limit_max_bytes);
    if (first.ttl_ms)
        length +=
            snprintf(text + length, sizeof text - (size_t)length, ",ttl=%llums", (unsigned long long)first.ttl_ms);
    if (first.shards)
        length += snprintf(text + length, sizeof text - (size_t)length, ",shards=%u", first.shards);
    ASSERT(describe_parse(slice_make(text, (size_t)length), problem, &second) == STATUS_OK);
    ASSERT(first.limit_bytes == second.limit_bytes && first.limit_max_bytes == second.limit_max_bytes &&
           first.entries_max == second.entries_max && first.ttl_ms == second.ttl_ms && first.shards == second.shards);
    return 0;
}
