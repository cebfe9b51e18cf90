#include "core/obs/openmetrics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/number.h"

static void put(struct openmetrics *metrics, struct slice text) {
    if (metrics->status == STATUS_OK)
        metrics->status = buf_append_slice(metrics->out, text);
}

static void put_text(struct openmetrics *metrics, const char *text) { put(metrics, slice_from_string(text)); }

/* ---------------------------------------------------------------------------------------- texts */

/* Bytes of the character that begins there, or 0: it is none of UTF-8. */
static size_t utf8_size(struct slice text) {
    static const struct {
        uint8_t mask, begin;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t more = 0; more < 4; more++) {
        if ((text.data[0] & forms[more].mask) != forms[more].begin)
            continue;
        if (text.size <= more)
            return 0;
        uint32_t code = text.data[0] & (uint8_t)~forms[more].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((text.data[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text.data[i] & 0x3f);
        }
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < forms[more].least || code > 0x10ffff || surrogate ? 0 : more + 1;
    }
    return 0;
}

static void put_escaped(struct openmetrics *metrics, struct slice text) {
    while (text.size && metrics->status == STATUS_OK) {
        uint8_t c = text.data[0];
        size_t size = utf8_size(text);
        if (c == '\\' || c == '"') {
            const char pair[] = {'\\', (char)c};
            put(metrics, slice_make(pair, sizeof pair));
        } else if (c == '\n') {
            put(metrics, SLICE("\\n"));
        } else if (size == 0 || c < ' ' || c == 0x7f) {
            char hex[8];
            snprintf(hex, sizeof hex, "\\\\x%02x", c);
            put_text(metrics, hex);
            size = 1;
        } else {
            put(metrics, slice_part(text, 0, size));
        }
        text = slice_part(text, size ? size : 1, SIZE_MAX);
    }
}

static void put_double(struct openmetrics *metrics, double value) {
    char text[DECIMAL_SHORT_MAX];
    if (isnan(value) || isinf(value))
        put_text(metrics, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    else
        put(metrics, slice_make(text, decimal_format_short(value, text)));
}

/* ---------------------------------------------------------------------------------------- families */

static const char *suffix_of(const struct metric_family *family) {
    static const char suffixes[][8] = {
        [METRIC_GAUGE] = "", [METRIC_COUNTER] = "_total", [METRIC_HISTOGRAM] = "", [METRIC_INFO] = "_info"};
    return suffixes[family->type];
}

/* The older form knows no infos, and no name for a family that its samples do not have. */
static void describe(struct openmetrics *metrics, const char *what) {
    put_text(metrics, what);
    put_text(metrics, metrics->family->name);
    if (metrics->form == METRIC_FORM_PROMETHEUS)
        put_text(metrics, suffix_of(metrics->family));
    put_text(metrics, " ");
}

void openmetrics_family(struct openmetrics *metrics, const struct metric_family *family) {
    static const char types[][12] = {[METRIC_GAUGE] = "gauge",
                                     [METRIC_COUNTER] = "counter",
                                     [METRIC_HISTOGRAM] = "histogram",
                                     [METRIC_INFO] = "info"};
    bool older = metrics->form == METRIC_FORM_PROMETHEUS;
    metrics->family = family;
    describe(metrics, "# TYPE ");
    put_text(metrics, older && family->type == METRIC_INFO ? "gauge" : types[family->type]);
    put_text(metrics, "\n");
    if (family->unit[0] && !older) {
        describe(metrics, "# UNIT ");
        put_text(metrics, family->unit);
        put_text(metrics, "\n");
    }
    describe(metrics, "# HELP ");
    if (older)
        put_text(metrics, family->help); /* the generator refuses what would have to be escaped */
    else
        put_escaped(metrics, slice_from_string(family->help));
    put_text(metrics, "\n");
}

static void put_label(struct openmetrics *metrics, const struct metric_label *label, bool first) {
    put_text(metrics, first ? "{" : ",");
    put_text(metrics, label->name);
    put_text(metrics, "=\"");
    put_escaped(metrics, label->value);
    put_text(metrics, "\"");
}

/* Up to the value. `edge`: one more label, or NULL. */
static void put_name(struct openmetrics *metrics, const char *suffix, struct metric_labels labels,
                     const struct metric_label *edge) {
    ASSERT(metrics->family);
    put_text(metrics, metrics->family->name);
    put_text(metrics, suffix);
    for (uint32_t i = 0; i < labels.count; i++)
        put_label(metrics, &labels.list[i], i == 0);
    if (edge)
        put_label(metrics, edge, labels.count == 0);
    put_text(metrics, labels.count || edge ? "} " : " ");
}

static void put_count(struct openmetrics *metrics, const char *suffix, struct metric_labels labels,
                      const struct metric_label *edge, uint64_t value) {
    char text[NUMBER_TEXT_MAX];
    put_name(metrics, suffix, labels, edge);
    put(metrics, slice_make(text, number_format_u64(value, text)));
    put_text(metrics, "\n");
}

static void put_value(struct openmetrics *metrics, const char *suffix, struct metric_labels labels, double value) {
    put_name(metrics, suffix, labels, NULL);
    put_double(metrics, value);
    put_text(metrics, "\n");
}

void openmetrics_count(struct openmetrics *metrics, struct metric_labels labels, uint64_t value) {
    put_count(metrics, suffix_of(metrics->family), labels, NULL, value);
}

void openmetrics_value(struct openmetrics *metrics, struct metric_labels labels, double value) {
    put_value(metrics, suffix_of(metrics->family), labels, value);
}

void openmetrics_times(struct openmetrics *metrics, struct metric_labels labels, const struct times *times) {
    ASSERT(metrics->family->type == METRIC_HISTOGRAM);
    static const char edges[][8] = {"1e-07", "2.5e-07", "5e-07",   "1e-06",  "2.5e-06", "5e-06",  "1e-05", "2.5e-05",
                                    "5e-05", "0.0001",  "0.00025", "0.0005", "0.001",   "0.0025", "0.005", "0.01",
                                    "0.025", "0.05",    "0.1",     "0.25",   "0.5",     "1.0",    "10.0",  "+Inf"};
    static_assert(sizeof edges / sizeof *edges == TIMES_EDGES + 1, "a text for each");
    uint64_t count = 0;
    for (uint32_t i = 0; i <= TIMES_EDGES; i++) {
        const struct metric_label edge = {"le", slice_from_string(edges[i])};
        count += times->counts[i];
        put_count(metrics, "_bucket", labels, &edge, count);
    }
    put_count(metrics, "_count", labels, NULL, count);
    put_value(metrics, "_sum", labels, times->seconds);
}

enum status openmetrics_end(struct openmetrics *metrics) {
    if (metrics->form == METRIC_FORM_OPENMETRICS)
        put_text(metrics, "# EOF\n");
    return metrics->status;
}
