#include "base/number.h"

bool number_parse_u64(struct slice text, uint64_t *ret_value) {
    if (text.size == 0 || text.size > 20 || (text.size > 1 && text.data[0] == '0'))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = text.data[i] - (unsigned)'0';
        if (digit > 9 || value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

bool number_parse_i64(struct slice text, int64_t *ret_value) {
    bool negative = text.size > 0 && text.data[0] == '-';
    uint64_t magnitude;
    if (!number_parse_u64(negative ? slice_part(text, 1, text.size) : text, &magnitude))
        return false;
    if (magnitude > (uint64_t)INT64_MAX + negative || (negative && magnitude == 0))
        return false;
    *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

size_t number_format_u64(uint64_t value, char *ret_text) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < count; i++)
        ret_text[i] = digits[count - 1 - i];
    return count;
}

size_t number_format_i64(int64_t value, char *ret_text) {
    if (value >= 0)
        return number_format_u64((uint64_t)value, ret_text);
    ret_text[0] = '-';
    return 1 + number_format_u64(0 - (uint64_t)value, ret_text + 1);
}
