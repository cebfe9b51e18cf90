/* base/number.h: numbers from text and back, as the Redis protocol means them.
 *
 * Threads: no state, no locale.
 */
#ifndef STRATA_BASE_NUMBER_H
#define STRATA_BASE_NUMBER_H

#include "base/slice.h"

enum { NUMBER_TEXT_MAX = 21 }; /* "-9223372036854775808" and a terminator */

/* The canonical decimal form only: no spaces, no plus sign, no leading zeros, "-0" is refused. */
bool number_parse_i64(struct slice text, int64_t *ret_value);

/* As above, for 0 to 2^64 - 1. */
bool number_parse_u64(struct slice text, uint64_t *ret_value);

/* Writes the decimal form without terminator; answers its size, at most NUMBER_TEXT_MAX - 1. */
size_t number_format_i64(int64_t value, char *ret_text);
size_t number_format_u64(uint64_t value, char *ret_text);

#endif
