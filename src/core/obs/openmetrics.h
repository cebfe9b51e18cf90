/* core/obs/openmetrics.h: metrics as text, in the form that Prometheus and its likes collect.
 *
 *     # TYPE strata_commands counter
 *     # HELP strata_commands Commands that ran.
 *     strata_commands_total{command="get"} 5
 *     # EOF
 *
 * A family is begun once; its samples follow it. Of the two forms, OpenMetrics 1.0 is the one to send to who asks for it; the older Prometheus text form
 * (version 0.0.4) says the same to everybody else: there counters are described under the name of their samples, and units and the end are not said.
 *
 * Names are as given: spec/metrics.yaml has them, and its generator checks them. Label values may be any bytes: what is not UTF-8, and control characters,
 * come out as `\x0d`.
 *
 * Threads: one owner.
 * Memory:  the text grows in the buf that is handed in.
 * Errors:  without memory the rest is left out, and openmetrics_end says so.
 */
#ifndef STRATA_CORE_OBS_OPENMETRICS_H
#define STRATA_CORE_OBS_OPENMETRICS_H

#include "base/buf.h"
#include "core/obs/times.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_INFO };

struct metric_family {
    const char *name; /* without `_total` or `_info` */
    const char *unit; /* "seconds", "bytes", "ratio"; "": none. The name ends with it */
    const char *help;
    enum metric_type type;
};

struct metric_label {
    const char *name;
    struct slice value;
};

struct metric_labels {
    const struct metric_label *list;
    uint32_t count;
};

enum metric_form { METRIC_FORM_OPENMETRICS, METRIC_FORM_PROMETHEUS };

struct openmetrics {
    struct buf *out;
    enum metric_form form;
    const struct metric_family *family; /* the last one begun */
    enum status status;
};

static inline void openmetrics_begin(struct openmetrics *metrics, struct buf *out, enum metric_form form) {
    *metrics = (struct openmetrics){.out = out, .form = form, .status = STATUS_OK};
}

void openmetrics_family(struct openmetrics *metrics, const struct metric_family *family);

/* Samples of the family. That of an info is 1, and says something by its labels. */
void openmetrics_count(struct openmetrics *metrics, struct metric_labels labels, uint64_t value);
void openmetrics_value(struct openmetrics *metrics, struct metric_labels labels, double value);
void openmetrics_times(struct openmetrics *metrics, struct metric_labels labels, const struct times *times);

MUST_CHECK enum status openmetrics_end(struct openmetrics *metrics);

#endif
