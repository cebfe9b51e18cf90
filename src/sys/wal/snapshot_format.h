/* sys/wal/snapshot_format.h: how header, blocks and footer of a snapshot lie in its file.
 *
 * As in sys/wal/format.h; the seed of a block's and the footer's checksum is the snapshot's id and number, and the place.
 *
 * Threads: no state.
 */
#ifndef STRATA_SYS_WAL_SNAPSHOT_FORMAT_H
#define STRATA_SYS_WAL_SNAPSHOT_FORMAT_H

#include "base/little.h"
#include "sys/wal/snapshot.h"

struct snapshot_block {
    uint32_t payload_size, count;
    uint64_t index; /* of the block, from 0 */
    uint64_t payload_sum;
};

void snapshot_header_encode(const struct snapshot_facts *facts, uint8_t ret_bytes[SNAPSHOT_HEADER_SIZE]);
/* STATUS_CORRUPT; STATUS_INVALID with the version. Sets what the header knows. */
MUST_CHECK enum status snapshot_header_decode(const uint8_t bytes[SNAPSHOT_HEADER_SIZE], struct snapshot_facts *facts,
                                              uint32_t *ret_version);

void snapshot_block_encode(struct snapshot_block *block, uint64_t seed, struct slice payload,
                           uint8_t ret_bytes[SNAPSHOT_BLOCK_HEADER_SIZE]);
bool snapshot_block_decode(const uint8_t bytes[SNAPSHOT_BLOCK_HEADER_SIZE], uint64_t seed,
                           struct snapshot_block *ret_block);
bool snapshot_block_verify(const struct snapshot_block *block, uint64_t seed, struct slice payload);

/* `chain`: over the sums of all blocks, by snapshot_chain. */
void snapshot_footer_encode(const struct snapshot_facts *facts, uint64_t chain, uint64_t seed,
                            uint8_t ret_bytes[SNAPSHOT_FOOTER_SIZE]);
/* False also if it contradicts the header, whose facts are handed in. Sets what the footer knows. */
bool snapshot_footer_decode(const uint8_t bytes[SNAPSHOT_FOOTER_SIZE], uint64_t seed, struct snapshot_facts *facts,
                            uint64_t *ret_chain);

static inline uint64_t snapshot_chain(uint64_t chain, uint64_t payload_sum) {
    uint8_t bytes[8];
    little_put_u64(bytes, payload_sum);
    return hash_bytes(slice_make(bytes, sizeof bytes), chain);
}

#endif
