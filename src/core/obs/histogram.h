/* core/obs/histogram.h: how values are spread, in fixed memory.
 *
 * Columns get wider with the values: each power of two is cut into 2^sub_bits columns, so a percentile is too high by at
 * most one part in 2^sub_bits.
 *
 *     sub_bits 6   64 columns an octave, 1.6 % off, 17.5 KiB up to 2^40
 *     sub_bits 3    8 columns an octave, 12.5 % off, 2.4 KiB
 *
 * The unit of the values is the caller's; in nanoseconds 2^40 is 18 minutes, and more counts as that.
 *
 * Threads: one owner at a time.
 * Memory:  the columns come from `memory`, once, in histogram_init.
 */
#ifndef STRATA_CORE_OBS_HISTOGRAM_H
#define STRATA_CORE_OBS_HISTOGRAM_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { HISTOGRAM_OCTAVES = 40, HISTOGRAM_SUB_BITS_MAX = 6 };

struct histogram {
    uint64_t count;   /* values recorded */
    uint64_t total;   /* their sum */
    uint64_t highest; /* exactly */
    uint64_t *columns;
    uint32_t column_count;
    uint32_t sub_bits;
    const struct memory *memory;
};

MUST_CHECK enum status histogram_init(struct histogram *histogram, const struct memory *memory, unsigned sub_bits);
void histogram_fini(struct histogram *histogram);
void histogram_clear(struct histogram *histogram);

/* Columns that a histogram of this fineness has. */
static inline uint32_t histogram_columns(unsigned sub_bits) { return (HISTOGRAM_OCTAVES - sub_bits + 1) << sub_bits; }

/* Values below 2^sub_bits have a column each; above, the leading sub_bits + 1 bits choose it. */
static inline uint32_t histogram_column(const struct histogram *histogram, uint64_t value) {
    unsigned bits = histogram->sub_bits;
    if (value >> bits == 0)
        return (uint32_t)value;
    unsigned octave = 63u - (unsigned)__builtin_clzll(value);
    uint32_t column = (uint32_t)(((octave - bits) << bits) + (value >> (octave - bits)));
    return column < histogram->column_count ? column : histogram->column_count - 1;
}

/* The largest value that falls into the column. */
uint64_t histogram_column_top(const struct histogram *histogram, uint32_t column);

static inline void histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t count) {
    histogram->columns[histogram_column(histogram, value)] += count;
    histogram->count += count;
    histogram->total += value * count;
    if (count && value > histogram->highest)
        histogram->highest = value;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value) {
    histogram_add_many(histogram, value, 1);
}

/* Adds what `from` holds. If they differ in fineness, a value may move up by the width of its column in `from`. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that `percentile` per cent of those recorded do not exceed (0 to 100); 0 if none is recorded. */
uint64_t histogram_percentile(const struct histogram *histogram, double percentile);

/* How many recorded values stand in columns that end at or below `limit`. */
uint64_t histogram_count_to(const struct histogram *histogram, uint64_t limit);

#endif
