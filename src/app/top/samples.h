/* app/top/samples.h: the text of METRICS as a list of samples.
 *
 *     strata_misses_total{cause="expired"} 12        name, labels, value
 *     # ...                                          left out
 *
 * Threads: no state.
 * Memory:  names and values of labels are cut from the arena or point into the text, which has to live as long.
 * Errors:  STATUS_INVALID: a line is not as the text format of OpenMetrics 1.0 and Prometheus has it (time stamps and exemplars are not taken);
 *          STATUS_TOO_LARGE: there are too many; STATUS_NO_MEMORY.
 */
#ifndef STRATA_APP_TOP_SAMPLES_H
#define STRATA_APP_TOP_SAMPLES_H

#include "base/arena.h"
#include "base/status.h"

enum { SAMPLES_MAX = 1 << 17, SAMPLE_LABELS_MAX = 4 };

struct sample_label {
    struct slice name, value;
};

struct sample {
    struct slice name;
    struct sample_label labels[SAMPLE_LABELS_MAX];
    uint32_t label_count;
    double value;
};

struct samples {
    const struct sample *list;
    size_t count;
};

MUST_CHECK enum status samples_parse(struct slice text, struct arena *arena, struct samples *ret_samples);

/* The label's value; data NULL: it has none of this name. */
struct slice sample_label(const struct sample *sample, const char *name);

/* The sum of the samples of this name, of those with this label if `label` is not NULL. */
double samples_sum(const struct samples *samples, const char *name, const char *label, const char *value);

#endif
