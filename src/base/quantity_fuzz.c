/* base/quantity_fuzz.c: a text is either refused or is what it says: digits, a unit, and no more than fits. */
#include <stdio.h>

#include "base/assert.h"
#include "base/quantity.h"

static uint64_t leading_digits(const uint8_t *data, size_t size, size_t *ret_count) {
    uint64_t number = 0;
    *ret_count = 0;
    for (size_t i = 0; i < size && data[i] >= '0' && data[i] <= '9'; i++, ++*ret_count)
        number = number * 10 + (uint64_t)(data[i] - '0');
    return number;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_make(data, size);
    size_t digits;
    uint64_t number = leading_digits(data, size, &digits), value = 0;
    if (quantity_parse_bytes(text, &value)) {
        ASSERT(digits > 0 && size - digits <= 3 && value >= number); /* "kib" */
        ASSERT(number == 0 ? value == 0 : value % number == 0);
        ASSERT(size != digits || value == number);
    }
    if (quantity_parse_ms(text, &value))
        ASSERT(digits > 0 && size - digits <= 2 && value >= number && (size > digits || value == 0));
    for (uint32_t decimals = 0; decimals < 5; decimals++)
        if (quantity_parse_percent(text, decimals, &value)) {
            uint64_t scale = 1, finer;
            for (uint32_t i = 0; i < decimals; i++)
                scale *= 10;
            ASSERT(digits > 0 && data[size - 1] == '%' && value / scale == number);
            /* With one decimal more it is ten times that, unless that is too much. */
            ASSERT(!quantity_parse_percent(text, decimals + 1, &finer) || finer == value * 10);
        }
    return 0;
}
