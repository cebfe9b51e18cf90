/* app/cmd/spec_table.h: how the generated table finds a command by name. For spec.c only.
 *
 * A name of up to 16 bytes becomes two words that overlap in short names; one multiplication of both
 * gives a slot that no other name has. The table is built so; the names are then compared word by word.
 *
 * Threads: constant data.
 */
#ifndef STRATA_APP_CMD_SPEC_TABLE_H
#define STRATA_APP_CMD_SPEC_TABLE_H

#include <stdint.h>

enum { CMD_NAME_SIZE_MAX = 16 };

struct cmd_name {
    uint64_t front, back;           /* lower case */
    uint64_t front_case, back_case; /* 0x20 in the bytes that are letters: the client may leave it out */
    uint32_t size;
};

extern const struct cmd_name cmd_names[]; /* in the order of cmd_table; behind them one that equals nothing */
extern const uint16_t cmd_hash_slots[];   /* index in cmd_names */
extern const uint64_t cmd_hash_seed;
extern const unsigned cmd_hash_shift;

#endif
