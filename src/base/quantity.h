/* base/quantity.h: amounts as people write them: "64mb", "30m", "12.5%".
 *
 * A whole number and a unit, in any case, with nothing around or between them.
 *
 * Threads: no state, no locale.
 * Errors:  false for anything else, and for what does not fit; the result stays untouched.
 */
#ifndef STRATA_BASE_QUANTITY_H
#define STRATA_BASE_QUANTITY_H

#include "base/slice.h"

/* Bytes: without a unit or b; kb, mb, gb, tb (or kib and so on) by 1024; k, m, g, t by 1000, as in Redis. */
bool quantity_parse_bytes(struct slice text, uint64_t *ret_bytes);

/* Milliseconds: ms, s, m, h, d; "0" needs no unit. */
bool quantity_parse_ms(struct slice text, uint64_t *ret_ms);

/* A number with at most so many decimals (0 to 9) and "%", times 10^decimals: "12.5%" with 1 is 125. */
bool quantity_parse_percent(struct slice text, uint32_t decimals, uint64_t *ret_scaled);

#endif
