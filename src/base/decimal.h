/* base/decimal.h: numbers with a fraction, from text and back, as the Redis protocol means them.
 *
 * Parsing accepts what C calls a number (hexadecimal and "inf" too) and nothing around it. The point is always ".",
 * whatever the locale of the embedding program.
 *
 * Threads: no state.
 * Time:    formatting costs microseconds (the C library does the exact arithmetic); integers take a short way.
 */
#ifndef STRATA_BASE_DECIMAL_H
#define STRATA_BASE_DECIMAL_H

#include "base/slice.h"

enum {
    DECIMAL_TEXT_MAX =
        5120, /* longest text that is parsed or that decimal_format_plain writes: 4,933 digits and a fraction */
    DECIMAL_SHORT_MAX = 32, /* longest text that decimal_format_short writes */
};

/* Refuses empty text, spaces, anything behind the number, NaN, and what is too large or, not being zero, too small to be told
 * from zero. "inf" and "-inf" are numbers here, as in Redis; the caller looks at the result of the arithmetic. */
bool decimal_parse_long(struct slice text, long double *ret_value);
bool decimal_parse(struct slice text, double *ret_value);

/* Without exponent, at most 17 digits behind the point, no zeros at the end: "3.14", "10", "-0.5", "0", "inf". What
 * INCRBYFLOAT stores. Answers the size, without terminator; room for DECIMAL_TEXT_MAX bytes. */
size_t decimal_format_plain(long double value, char *ret_text);

/* The fewest digits, in the manner of "%g", that read back as the same value: "0.1", "1e+300", "inf", "-inf", "nan".
 * Room for DECIMAL_SHORT_MAX bytes. */
size_t decimal_format_short(double value, char *ret_text);

#endif
