/* app/cmd/bit.h: what the commands of bits and bit fields share.
 *
 * Bits count from the most significant bit of the first byte.
 *
 * Threads: no state.
 */
#ifndef STRATA_APP_CMD_BIT_H
#define STRATA_APP_CMD_BIT_H

#include "app/cmd/cmd.h"

/* Bits set in the bytes. */
uint64_t bit_count(struct slice bytes);

/* Position of the first bit of that value in the bytes, or UINT64_MAX. */
uint64_t bit_find(struct slice bytes, bool bit);

/* The bit offset in an argument; "#3" counts units of `unit_bits` (0: not allowed). Writes the error when it is none, or
 * lies behind the largest value. */
bool bit_offset(struct cmd_call *call, uint32_t at, uint32_t unit_bits, uint64_t *ret_offset);

#endif
