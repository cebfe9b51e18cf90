/* base/number_fuzz.c: a text is either refused or comes back letter by letter when its number is written again. */
#include "base/assert.h"
#include "base/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_make(data, size);
    char again[NUMBER_TEXT_MAX];
    int64_t integer;
    if (number_parse_i64(text, &integer))
        ASSERT(slice_equal(text, slice_make(again, number_format_i64(integer, again))));
    uint64_t natural;
    if (number_parse_u64(text, &natural))
        ASSERT(slice_equal(text, slice_make(again, number_format_u64(natural, again))));
    return 0;
}
