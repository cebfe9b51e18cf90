/* core/rdb/crc64.h: the checksum at the end of RDB data.
 *
 * CRC-64 with the polynomial of Jones (0xad93d23594c935a9), bits reflected, starting at zero, without a final
 * inversion: "123456789" gives 0xe9c6d914c4b8d9ca. Eight bytes a step.
 *
 * Threads: no state.
 */
#ifndef STRATA_CORE_RDB_CRC64_H
#define STRATA_CORE_RDB_CRC64_H

#include "base/slice.h"

/* Goes on from `crc`, the checksum of what stands before `bytes`; 0 at the beginning. */
uint64_t crc64(uint64_t crc, struct slice bytes);

#endif
