/* sys/warm/warm_format.h: how the warm tier lies in its file, byte by byte (docs/format-warm.md).
 *
 *     file      [header, 4096][segment 0][segment 1] ...
 *     segment   [header 64][record][record] ...  free ...  [index entry n-1] ... [index entry 1][index entry 0]
 *     entry     | hash 8 | word 8 | place 4 | size 4 | from 8 |      from: of a record that was written again, where it stood before
 *     record    [checksum 8 | value size 4 | key size 20 bits, meta size 12 bits][meta][key][value]      begins at a multiple of 32
 *     address   | place 35 | class 4 |       place: in units of 32 bytes from the first segment; a read of 512 << class bytes has all of it
 *
 * Numbers are little-endian. Checksums are XXH3 with 64 bits. A segment is written whole, with a salt that is drawn for this one write; the sums of
 * all that lies in it have their seed from file, generation, salt and place. So nothing of an older, torn or misplaced write passes.
 *
 * Threads: no state.
 * Errors:  bytes that fail their check are an answer here (false, STATUS_CORRUPT), never an assertion.
 */
#ifndef STRATA_SYS_WARM_WARM_FORMAT_H
#define STRATA_SYS_WARM_WARM_FORMAT_H

#include <stdbool.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    WARM_VERSION = 2,
    WARM_BLOCK_SIZE =
        4096, /* the unit of reading and writing past the page cache; the file's header has one for itself */
    WARM_HEADER_SIZE = 64,
    WARM_SEGMENT_HEADER_SIZE = 64,
    WARM_SEGMENT_SIZE_MIN = 16 * 1024,
    WARM_SEGMENT_SIZE_MAX = 16 * 1024 * 1024,
    WARM_INDEX_ENTRY_SIZE = 32,
    WARM_RECORD_HEADER_SIZE = 16,
    WARM_RECORD_ALIGNMENT = 32, /* 16 B a record are lost on average */
    WARM_META_SIZE_MAX = (1 << 12) - 1,
    WARM_KEY_SIZE_MAX = (1 << 20) - 1,
    WARM_PLACE_BITS = 35,
    WARM_CLASS_BITS = 4,
    WARM_CLASS_SIZE_MIN = 512,
    WARM_ADDRESS_BITS = WARM_PLACE_BITS + WARM_CLASS_BITS, /* what a cell of the index has room for */
    WARM_BACK_BITS = 64 - WARM_ADDRESS_BITS,               /* of how many generations a record was moved by */
};

#define WARM_MAGIC "STRATAWM"
#define WARM_SEGMENT_MARK 0x53575253u                                      /* "SRWS" in the file */
#define WARM_SIZE_MAX ((uint64_t)WARM_RECORD_ALIGNMENT << WARM_PLACE_BITS) /* 1 TiB */

static_assert(WARM_CLASS_SIZE_MIN << ((1 << WARM_CLASS_BITS) - 1) == WARM_SEGMENT_SIZE_MAX, "a class for each record");

struct warm_file_header {
    uint64_t id;   /* drawn when the file was begun; not 0 */
    uint64_t word; /* the caller's */
    uint32_t segment_size;
};

struct warm_segment_header {
    uint64_t generation; /* 1, 2, 3, ... in the order in which segments were begun */
    uint64_t salt;
    uint32_t count;        /* of records */
    uint32_t records_size; /* from the segment's beginning to the end of the last record */
    uint64_t index_sum;
};

/* Of one record, in the index of its segment. */
struct warm_index_entry {
    uint64_t hash;
    uint64_t word;   /* the caller's */
    uint32_t offset; /* of the record, in its segment */
    uint32_t size;   /* of the record, without what fills it up to the next */
    uint64_t from;   /* 0: it was written here first; else warm_from */
};

/* The parts of a record. */
struct warm_parts {
    struct slice meta, key, value;
};

/* `position`: in bytes from the first segment. */
static inline uint64_t warm_address(uint64_t position, uint32_t size) {
    uint64_t steps = (size + WARM_CLASS_SIZE_MIN - 1u) / WARM_CLASS_SIZE_MIN;
    return position / WARM_RECORD_ALIGNMENT << WARM_CLASS_BITS | bits_log2(bits_ceil_power_of_two(steps));
}
static inline uint64_t warm_address_position(uint64_t address) {
    return (address >> WARM_CLASS_BITS) * WARM_RECORD_ALIGNMENT;
}
/* The record has at most as many bytes. */
static inline uint32_t warm_address_size(uint64_t address) {
    return (uint32_t)WARM_CLASS_SIZE_MIN << (address & ((1u << WARM_CLASS_BITS) - 1));
}

/* Where a record stood before: its address, and how many generations lower. */
static inline uint64_t warm_from(uint64_t address, uint64_t back) { return back << WARM_ADDRESS_BITS | address; }
static inline uint64_t warm_from_address(uint64_t from) { return from & ((1ull << WARM_ADDRESS_BITS) - 1); }
static inline uint64_t warm_from_back(uint64_t from) { return from >> WARM_ADDRESS_BITS; }

void warm_file_header_encode(const struct warm_file_header *header, uint8_t ret_bytes[WARM_HEADER_SIZE]);
/* STATUS_CORRUPT; STATUS_INVALID: whole, but of a version that this program does not know, which ret_version says. */
MUST_CHECK enum status warm_file_header_decode(const uint8_t bytes[WARM_HEADER_SIZE],
                                               struct warm_file_header *ret_header, uint32_t *ret_version);

/* The seed of the sums in one write of the segment that begins at `position`. */
uint64_t warm_segment_seed(uint64_t id, uint64_t position, uint64_t generation, uint64_t salt);

void warm_segment_header_encode(const struct warm_segment_header *header, uint64_t id, uint64_t position,
                                uint8_t ret_bytes[WARM_SEGMENT_HEADER_SIZE]);
/* False: none of this place, or none that can be. */
bool warm_segment_header_decode(const uint8_t bytes[WARM_SEGMENT_HEADER_SIZE], uint64_t id, uint64_t position,
                                uint32_t segment_size, struct warm_segment_header *ret_header);

/* Where entry `number` begins, from the end of the segment back. */
static inline uint32_t warm_index_back(uint32_t number) { return (number + 1) * WARM_INDEX_ENTRY_SIZE; }
void warm_index_entry_encode(const struct warm_index_entry *entry, uint8_t ret_bytes[WARM_INDEX_ENTRY_SIZE]);
void warm_index_entry_decode(const uint8_t bytes[WARM_INDEX_ENTRY_SIZE], struct warm_index_entry *ret_entry);
/* Whether the entries, the last one first, are those that were written, and lead to records one after another inside the segment. */
bool warm_index_verify(const struct warm_segment_header *header, uint64_t seed, struct slice index);

static inline uint64_t warm_record_size(const struct warm_parts *parts) {
    return (uint64_t)WARM_RECORD_HEADER_SIZE + parts->meta.size + parts->key.size + parts->value.size;
}
/* Everything but the sum. Room for warm_record_size; the sizes are within their limits. A part without `data` is left out: the last bytes are the value's. */
void warm_record_encode(const struct warm_parts *parts, uint8_t *ret_bytes);
void warm_record_seal(uint8_t *bytes, uint32_t size, uint64_t segment_seed, uint32_t offset);
/* `bytes` begin with the record and may go on behind it. Of one that has not been sealed `is_sealed` is false. */
bool warm_record_decode(struct slice bytes, bool is_sealed, uint64_t segment_seed, uint32_t offset,
                        struct warm_parts *ret_parts);

#endif
