#include "base/decimal.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/number.h"

enum {
    FRACTION_DIGITS = 17,
    DIGITS_ALWAYS_KEPT = 15, /* any decimal of 15 digits survives a normal double */
    DIGITS_ALWAYS_ENOUGH = 17,
};

/* strtod and strtold read the point of a locale; the "C" locale object is static in the C libraries we know, so taking it
 * allocates nothing. */
static bool parse(struct slice text, long double *ret_value, long double (*read)(const char *, char **, locale_t)) {
    char copy[DECIMAL_TEXT_MAX];
    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    uint8_t first = text.data[0];
    if (first == ' ' || (first >= '\t' && first <= '\r'))
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale)
        return false;
    char *end;
    errno = 0;
    long double value = read(copy, &end, c_locale);
    int error = errno;
    freelocale(c_locale);
    bool out_of_range = error == ERANGE && (isinf(value) || value == 0);
    if (end != copy + text.size || out_of_range || isnan(value))
        return false;
    *ret_value = value;
    return true;
}

static long double read_double(const char *text, char **ret_end, locale_t locale) {
    return (long double)strtod_l(text, ret_end, locale);
}

bool decimal_parse_long(struct slice text, long double *ret_value) { return parse(text, ret_value, strtold_l); }

bool decimal_parse(struct slice text, double *ret_value) {
    long double value;
    if (!parse(text, &value, read_double))
        return false;
    *ret_value = (double)value;
    return true;
}

static size_t write_text(const char *text, char *ret_text) {
    size_t size = strlen(text);
    memcpy(ret_text, text, size);
    return size;
}

/* printf writes the locale's point, which may be several bytes: what belongs to no number becomes one ".". */
static size_t normalize_point(char *text, size_t size) {
    size_t kept = 0;
    for (size_t i = 0; i < size; i++) {
        bool plain = (text[i] >= '0' && text[i] <= '9') || text[i] == '-' || text[i] == '+' || text[i] == 'e';
        if (plain)
            text[kept++] = text[i];
        else if (kept == 0 || text[kept - 1] != '.')
            text[kept++] = '.';
    }
    return kept;
}

size_t decimal_format_plain(long double value, char *ret_text) {
    if (isnan(value))
        return write_text("nan", ret_text);
    if (isinf(value))
        return write_text(value < 0 ? "-inf" : "inf", ret_text);
    int written = snprintf(ret_text, DECIMAL_TEXT_MAX, "%.*Lf", (int)FRACTION_DIGITS, value);
    ASSERT(written > FRACTION_DIGITS && written < DECIMAL_TEXT_MAX);
    size_t size = normalize_point(ret_text, (size_t)written);
    while (ret_text[size - 1] == '0')
        size--;
    if (ret_text[size - 1] == '.')
        size--;
    return size == 2 && memcmp(ret_text, "-0", 2) == 0 ? write_text("0", ret_text) : size;
}

size_t decimal_format_short(double value, char *ret_text) {
    if (isnan(value))
        return write_text("nan", ret_text);
    if (isinf(value))
        return write_text(value < 0 ? "-inf" : "inf", ret_text);
    if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value)))
        return number_format_i64((int64_t)value, ret_text);
    /* Numbers near zero have fewer than 15 good digits. */
    int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : DIGITS_ALWAYS_KEPT;
    for (;; digits++) {
        int written = snprintf(ret_text, DECIMAL_SHORT_MAX, "%.*g", digits, value);
        ASSERT(written > 0 && written < DECIMAL_SHORT_MAX);
        size_t size = normalize_point(ret_text, (size_t)written);
        double again;
        if (digits == DIGITS_ALWAYS_ENOUGH || (decimal_parse(slice_make(ret_text, size), &again) && again == value))
            return size;
    }
}
