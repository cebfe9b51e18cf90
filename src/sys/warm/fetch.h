/* sys/warm/fetch.h: one read of a record: where it stands, the bytes, and what they are. Whoever waits for it, and how, is reader.c's.
 *
 *     place --> begin -- from the file --> fetch_now, or the ring --> judge --> outcome, parts
 *                 +----- still in memory, or gone already ------------^
 *
 * Threads: one at a time for each fetch.
 */
#ifndef STRATA_SYS_WARM_FETCH_H
#define STRATA_SYS_WARM_FETCH_H

#include "sys/warm/warm_inner.h"

struct warm_fetch {
    uint64_t address, generation;
    uint64_t seed;     /* of the segment */
    uint64_t position; /* of the bytes to read; past the page cache they are whole blocks */
    uint32_t size;     /* of them */
    uint32_t lead;     /* bytes of them before the record */
    uint32_t got;
    int error;      /* errno of a read that failed */
    bool is_copied; /* `bytes` begin with the record, from memory */
    bool is_stale;
    uint8_t *bytes; /* room for `size`, aligned to a block; the caller's */
};

/* All but `bytes`. */
void fetch_place(const struct warm *warm, uint64_t address, uint64_t generation, struct warm_fetch *ret_fetch);
/* With `bytes` set. True if the file has to be read; otherwise it can be judged. */
bool fetch_begin(struct warm *warm, struct warm_fetch *fetch);
/* Reads in this thread. */
void fetch_now(const struct warm *warm, struct warm_fetch *fetch);
/* What it came to; counted, and told if it is damaged or has failed. The parts lie in `bytes`. */
enum warm_outcome fetch_judge(struct warm *warm, const struct warm_fetch *fetch, struct warm_parts *ret_parts);

#endif
