/* core/store/pressure.h: how short of free segments the range is, and how many are kept for what.
 *
 *     limit   | used ............................ | room for writers ...... | ahead ...... | reserve ........ |
 *     level                                         calm                      tight          critical
 *
 *     calm      nothing to do
 *     tight     housekeeping reclaims, and writers do a slice of it now and then, so that nobody ever waits for a whole segment
 *     critical  a writer reclaims before it writes; what is left is for reclaim to copy to
 *
 * Arithmetic: a walk over a segment copies at most its live bytes to one log, so it takes at most one new segment before it gives one
 * back. Walks under way are as many as threads reclaim at one moment, which is one or two: four segments of reserve are
 * plenty, and with fewer than 768 in all it is 1/192 of them, at least one. As many are reclaimed ahead, so that 1 % at most lies
 * idle; a range of under 192 segments, which is soon reclaimed, keeps nothing ahead.
 */
#ifndef STRATA_CORE_STORE_PRESSURE_H
#define STRATA_CORE_STORE_PRESSURE_H

#include <stdint.h>

enum pressure { PRESSURE_CALM, PRESSURE_TIGHT, PRESSURE_CRITICAL };

enum {
    PRESSURE_SHARE = 192,
    PRESSURE_SEGMENTS_MAX = 4,
    PRESSURE_PACE = 256, /* writes to one slice of reclaim when it is tight: a segment is walked before it is filled */
};

/* Segments reclaimed ahead of need, of `limit` in all. */
static inline uint32_t pressure_ahead(uint32_t limit) {
    uint32_t share = limit / PRESSURE_SHARE;
    return share < PRESSURE_SEGMENTS_MAX ? share : PRESSURE_SEGMENTS_MAX;
}

/* Segments that writers leave alone. */
static inline uint32_t pressure_reserve(uint32_t limit) {
    uint32_t ahead = pressure_ahead(limit);
    return ahead ? ahead : 1;
}

/* With so much room for writers. */
static inline enum pressure pressure_level(uint32_t room, uint32_t limit) {
    if (room == 0)
        return PRESSURE_CRITICAL;
    return room <= pressure_ahead(limit) ? PRESSURE_TIGHT : PRESSURE_CALM;
}

#endif
