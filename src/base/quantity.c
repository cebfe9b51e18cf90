#include "base/quantity.h"

#include "base/bits.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {"", 1},          {"b", 1},          {"k", 1000},      {"kb", 1 << 10},      {"m", 1000000},
    {"mb", 1 << 20},  {"g", 1000000000}, {"gb", 1 << 30},  {"t", 1000000000000}, {"tb", 1ull << 40},
    {"kib", 1 << 10}, {"mib", 1 << 20},  {"gib", 1 << 30}, {"tib", 1ull << 40}};

static const struct unit times[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

static bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

/* Appends a decimal digit. */
static bool add_digit(uint64_t *number, uint8_t digit) {
    return !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_add_overflow(*number, (uint64_t)(digit - '0'), number);
}

static bool parse(struct slice text, const struct unit *units, size_t unit_count, uint64_t *ret_amount) {
    uint64_t number = 0, amount;
    size_t digits = 0;
    for (; digits < text.size && is_digit(text.data[digits]); digits++)
        if (!add_digit(&number, text.data[digits]))
            return false;
    if (digits == 0)
        return false;
    for (size_t i = 0; i < unit_count; i++) {
        if (!slice_equal_nocase(slice_part(text, digits, text.size), slice_from_string(units[i].name)))
            continue;
        if (__builtin_mul_overflow(number, units[i].factor, &amount))
            return false;
        *ret_amount = amount;
        return true;
    }
    return false;
}

bool quantity_parse_bytes(struct slice text, uint64_t *ret_bytes) {
    return parse(text, sizes, COUNT_OF(sizes), ret_bytes);
}

bool quantity_parse_ms(struct slice text, uint64_t *ret_ms) {
    if (!slice_equal(text, SLICE("0")))
        return parse(text, times, COUNT_OF(times), ret_ms);
    *ret_ms = 0;
    return true;
}

bool quantity_parse_percent(struct slice text, uint32_t decimals, uint64_t *ret_scaled) {
    uint64_t scaled = 0;
    size_t at = 0, behind = 0;
    if (text.size < 2 || text.data[text.size - 1] != '%' || !is_digit(text.data[0]))
        return false;
    for (; at + 1 < text.size && is_digit(text.data[at]); at++)
        if (!add_digit(&scaled, text.data[at]))
            return false;
    if (text.data[at] == '.') {
        for (at++; at + 1 < text.size && is_digit(text.data[at]); at++, behind++)
            if (behind == decimals || !add_digit(&scaled, text.data[at]))
                return false;
        if (behind == 0)
            return false;
    }
    if (at + 1 != text.size)
        return false;
    for (; behind < decimals; behind++)
        if (!add_digit(&scaled, '0'))
            return false;
    *ret_scaled = scaled;
    return true;
}
