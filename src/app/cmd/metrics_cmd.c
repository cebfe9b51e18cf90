/* app/cmd/metrics_cmd.c: METRICS. */
#include "app/cmd/commands.h"
#include "app/cmd/metrics.h"
#include "app/cmd/words.h"
#include "base/assert.h"

enum { LABELS_MAX = 12 };

/* Which sets, in which form. */
struct wish {
    bool sets[METRIC_SETS];
    enum metric_form form;
};

static double number_at(const void *row, const struct metric_sample *sample) {
    const void *at = (const uint8_t *)row + sample->offset;
    switch (sample->kind) {
        case METRIC_U64:
            return (double)*(const uint64_t *)at;
        case METRIC_I64:
            return (double)*(const int64_t *)at;
        case METRIC_U32:
            return *(const uint32_t *)at;
        case METRIC_BOOL:
            return *(const bool *)at;
        case METRIC_DOUBLE:
            return *(const double *)at;
        case METRIC_ABSENT:
        case METRIC_TIMES:
            break;
    }
    return 1;
}

static void write_sample(struct openmetrics *out, const struct metric_spec *spec, const void *row,
                         struct metric_labels labels, const struct metric_sample *sample) {
    const void *at = (const uint8_t *)row + sample->offset;
    if (sample->kind == METRIC_TIMES)
        openmetrics_times(out, labels, at);
    else if (sample->kind == METRIC_U64 && spec->divisor == 0)
        openmetrics_count(out, labels, *(const uint64_t *)at); /* exactly */
    else
        openmetrics_value(out, labels, number_at(row, sample) / (spec->divisor != 0 ? spec->divisor : 1));
}

static void write_row(struct openmetrics *out, const struct metric_spec *spec, const void *row) {
    const struct metric_said *said = row;
    struct metric_label list[LABELS_MAX + 1];
    struct metric_labels labels = said->labels[spec->set];
    ASSERT(labels.count <= LABELS_MAX);
    if (spec->sample_count == 0)
        openmetrics_count(out, labels, 1);
    for (uint32_t i = 0; i < labels.count; i++)
        list[i] = labels.list[i];
    if (spec->label)
        labels = (struct metric_labels){list, labels.count + 1};
    for (uint32_t i = 0; i < spec->sample_count; i++) {
        if (spec->label)
            list[labels.count - 1] = (struct metric_label){spec->label, slice_from_string(spec->samples[i].label)};
        write_sample(out, spec, row, labels, &spec->samples[i]);
    }
}

static void write_family(struct openmetrics *out, const struct metric_spec *spec, const struct metric_rows *rows) {
    const struct buf *of = &rows->of[spec->each];
    size_t size = rows->size[spec->each];
    bool begun = false;
    for (size_t at = 0; at < of->size; at += size) {
        const void *row = of->data + at;
        if (number_at(row, &spec->when) == 0)
            continue;
        if (!begun)
            openmetrics_family(out, &spec->family);
        begun = true;
        write_row(out, spec, row);
    }
}

static bool read_wish(struct cmd_call *call, struct wish *wish) {
    *wish = (struct wish){.sets = {true, true}, .form = METRIC_FORM_OPENMETRICS};
    uint32_t at = 1;
    if (at < call->argc && (cmd_is(call, at, "strata") || cmd_is(call, at, "redis"))) {
        wish->sets[METRIC_SET_STRATA] = cmd_is(call, at, "strata");
        wish->sets[METRIC_SET_REDIS] = !wish->sets[METRIC_SET_STRATA];
        at++;
    }
    if (at < call->argc && (cmd_is(call, at, "openmetrics") || cmd_is(call, at, "prometheus"))) {
        if (cmd_is(call, at, "prometheus"))
            wish->form = METRIC_FORM_PROMETHEUS;
        at++;
    }
    if (at == call->argc)
        return true;
    cmd_error_syntax(call);
    return false;
}

void cmd_metrics(struct cmd_call *call) {
    struct wish wish;
    struct metric_rows rows;
    struct openmetrics out;
    struct buf text;
    if (!read_wish(call, &wish))
        return;
    buf_init(&text, &memory_libc);
    metric_rows_collect(call, &rows);
    openmetrics_begin(&out, &text, wish.form);
    for (uint32_t i = 0; rows.status == STATUS_OK && i < metric_table_count; i++)
        if (wish.sets[metric_table[i].set])
            write_family(&out, &metric_table[i], &rows);
    enum status written = openmetrics_end(&out);
    enum status status = rows.status == STATUS_OK ? written : rows.status;
    if (status == STATUS_OK)
        reply_verbatim(call->reply, "txt", buf_slice(&text));
    else
        cmd_error_status(call, status);
    metric_rows_fini(&rows);
    buf_fini(&text);
}
