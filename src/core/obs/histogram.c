#include "core/obs/histogram.h"

#include <string.h>

#include "base/assert.h"

enum status histogram_init(struct histogram *histogram, const struct memory *memory, unsigned sub_bits) {
    ASSERT(sub_bits <= HISTOGRAM_SUB_BITS_MAX);
    uint32_t column_count = histogram_columns(sub_bits);
    uint64_t *columns = memory_take(memory, column_count * sizeof *columns);
    if (!columns)
        return STATUS_NO_MEMORY;
    *histogram =
        (struct histogram){.columns = columns, .column_count = column_count, .sub_bits = sub_bits, .memory = memory};
    histogram_clear(histogram);
    return STATUS_OK;
}

void histogram_fini(struct histogram *histogram) {
    if (!histogram || !histogram->columns)
        return;
    memory_give(histogram->memory, histogram->columns, histogram->column_count * sizeof *histogram->columns);
    histogram->columns = NULL;
}

void histogram_clear(struct histogram *histogram) {
    memset(histogram->columns, 0, histogram->column_count * sizeof *histogram->columns);
    histogram->count = histogram->total = histogram->highest = 0;
}

uint64_t histogram_column_top(const struct histogram *histogram, uint32_t column) {
    unsigned bits = histogram->sub_bits;
    uint32_t octave = column >> bits;
    if (octave == 0)
        return column;
    uint64_t lead = (1ull << bits) + (column & ((1u << bits) - 1));
    return ((lead + 1) << (octave - 1)) - 1;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (uint32_t i = 0; i < from->column_count; i++) {
        if (from->columns[i])
            into->columns[histogram_column(into, histogram_column_top(from, i))] += from->columns[i];
    }
    into->count += from->count;
    into->total += from->total;
    if (from->highest > into->highest)
        into->highest = from->highest;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percentile) {
    if (histogram->count == 0)
        return 0;
    double wanted = percentile / 100.0 * (double)histogram->count;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < histogram->column_count; i++) {
        seen += histogram->columns[i];
        if (histogram->columns[i] && (double)seen >= wanted) {
            uint64_t top = histogram_column_top(histogram, i);
            return top < histogram->highest && i + 1 < histogram->column_count ? top : histogram->highest;
        }
    }
    return histogram->highest;
}

uint64_t histogram_count_to(const struct histogram *histogram, uint64_t limit) {
    uint64_t seen = 0;
    for (uint32_t i = 0; i < histogram->column_count && histogram_column_top(histogram, i) <= limit; i++)
        seen += histogram->columns[i];
    return seen;
}
