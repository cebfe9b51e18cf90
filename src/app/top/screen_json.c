/* app/top/screen_json.c: the figures of all views as one JSON object. */
#include "app/top/screen.h"
#include "base/json_text.h"

struct figure {
    const char *name, *sample, *label, *value;
};

static const struct figure rates[] = {
    {"commands_per_second", "strata_commands_total", NULL, NULL},
    {"hits_per_second", "strata_hits_total", NULL, NULL},
    {"misses_per_second", "strata_misses_total", NULL, NULL},
    {"expired_per_second", "strata_removed_total", "why", "expired"},
    {"evicted_per_second", "strata_removed_total", "why", "evicted"},
    {"invalidated_per_second", "strata_removed_total", "why", "invalidated"},
    {"received_bytes_per_second", "strata_network_bytes_total", "direction", "received"},
    {"sent_bytes_per_second", "strata_network_bytes_total", "direction", "sent"},
    {"processor_seconds_per_second", "strata_cpu_seconds_total", NULL, NULL},
    {"connections_per_second", "strata_connections_received_total", NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

static const struct figure levels[] = {
    {"connections", "strata_connections", NULL, NULL},
    {"keys", "strata_keys", NULL, NULL},
    {"memory_used_bytes", "strata_memory_used_bytes", NULL, NULL},
    {"memory_limit_bytes", "strata_memory_limit_bytes", NULL, NULL},
    {"memory_live_bytes", "strata_memory_live_bytes", NULL, NULL},
    {"resident_bytes", "strata_resident_memory_bytes", NULL, NULL},
    {"log_size_bytes", "strata_log_size_bytes", NULL, NULL},
    {"snapshot_last_timestamp_seconds", "strata_snapshot_last_timestamp_seconds", NULL, NULL},
    {"tier_keys", "strata_tier_keys", NULL, NULL},
    {"stream_subscribers", "strata_stream_subscribers", NULL, NULL},
    {"leases", "strata_leases", NULL, NULL},
    {NULL, NULL, NULL, NULL},
};

static enum status put_number(struct buf *out, const char *name, double value) {
    return buf_printf(out, ",\"%s\":%.15g", name, value);
}

static enum status put_rows(const struct screen *screen, struct buf *out, enum reading_table table, const char *title,
                            const char *const *levels_of, const char *const *rates_of) {
    const struct reading_rows *rows = &screen->now->tables[table];
    const struct reading *before = reading_goes_on(screen->before, screen->now) ? screen->before : NULL;
    double seconds = reading_seconds(screen->before, screen->now);
    TRY(buf_printf(out, ",\"%s\":[", title));
    for (size_t i = 0; i < rows->count; i++) {
        const struct reading_row *row = &rows->list[i];
        TRY(buf_printf(out, i ? ",{\"name\":" : "{\"name\":"));
        TRY(json_text_write(out, row->name));
        for (uint32_t k = 0; k < COLUMNS_MAX; k++) {
            if (levels_of[k])
                TRY(put_number(out, levels_of[k], row->values[k]));
            if (rates_of[k])
                TRY(put_number(out, rates_of[k], reading_change(before, row, table, k) / seconds));
        }
        if (row->edge_count) {
            TRY(put_number(out, "p50_seconds", reading_quantile(before, row, table, 0.5)));
            TRY(put_number(out, "p99_seconds", reading_quantile(before, row, table, 0.99)));
            TRY(put_number(out, "p999_seconds", reading_quantile(before, row, table, 0.999)));
        }
        TRY(buf_append(out, "}", 1));
    }
    return buf_append(out, "]", 1);
}

static enum status put_hot(const struct reading *reading, struct buf *out) {
    TRY(buf_printf(out, ",\"hot_keys\":["));
    for (size_t i = 0; i < reading->hot_count; i++) {
        const struct reading_hot *hot = &reading->hot[i];
        TRY(buf_printf(out, i ? ",{\"key\":" : "{\"key\":"));
        TRY(json_text_write(out, hot->name));
        TRY(buf_printf(out, ",\"database\":%d", hot->database));
        TRY(put_number(out, "uses_per_second", hot->rate));
        TRY(put_number(out, "reads_per_second", hot->reads));
        TRY(put_number(out, "writes_per_second", hot->writes));
        TRY(put_number(out, "misses_per_second", hot->misses));
        TRY(put_number(out, "share", hot->share));
        TRY(buf_append(out, "}", 1));
    }
    return buf_append(out, "]", 1);
}

static enum status put_misses(const struct screen *screen, struct buf *out) {
    bool first = true;
    TRY(buf_printf(out, ",\"misses_by_cause_per_second\":{"));
    for (size_t i = 0; i < screen->now->samples.count; i++) {
        const struct sample *sample = &screen->now->samples.list[i];
        struct slice cause = sample_label(sample, "cause");
        char name[64];
        if (!slice_equal(sample->name, SLICE("strata_misses_total")) || cause.size >= sizeof name || !cause.data ||
            !json_string_size(cause))
            continue;
        memcpy(name, cause.data, cause.size);
        name[cause.size] = 0;
        TRY(buf_append(out, ",", first ? 0 : 1));
        TRY(json_text_write(out, cause));
        TRY(buf_printf(out, ":%.15g", reading_rate(screen->before, screen->now, "strata_misses_total", "cause", name)));
        first = false;
    }
    return buf_append(out, "}", 1);
}

enum status screen_write_json(const struct screen *screen, struct buf *out) {
    static const char *const none[COLUMNS_MAX] = {NULL};
    static const char *const command_rates[COLUMNS_MAX] = {"calls_per_second", "failed_per_second",
                                                           "seconds_per_second"};
    static const char *const class_levels[COLUMNS_MAX] = {"keys", "bytes"};
    static const char *const class_rates[COLUMNS_MAX] = {
        NULL, NULL, "hits_per_second", "misses_per_second", "writes_per_second", "removed_per_second"};
    static const char *const store_levels[COLUMNS_MAX] = {"keys", "bytes", "live_bytes", "guaranteed_bytes"};
    static const char *const store_rates[COLUMNS_MAX] = {
        NULL, NULL, NULL, NULL, "hits_per_second", "misses_per_second", "removed_per_second"};
    const struct reading *now = screen->now, *before = reading_goes_on(screen->before, now) ? screen->before : NULL;
    TRY(buf_printf(out, "{\"time\":%.3f,\"started\":%.3f,\"interval_seconds\":%.3f", now->time_s, now->started_s,
                   reading_seconds(screen->before, now)));
    for (const struct figure *figure = rates; figure->name; figure++)
        TRY(put_number(out, figure->name,
                       reading_rate(screen->before, now, figure->sample, figure->label, figure->value)));
    for (const struct figure *figure = levels; figure->name; figure++)
        TRY(put_number(out, figure->name, samples_sum(&now->samples, figure->sample, figure->label, figure->value)));
    TRY(put_number(out, "p50_seconds", reading_quantile_all(before, now, 0.5)));
    TRY(put_number(out, "p99_seconds", reading_quantile_all(before, now, 0.99)));
    TRY(put_number(out, "p999_seconds", reading_quantile_all(before, now, 0.999)));
    TRY(put_misses(screen, out));
    TRY(put_rows(screen, out, TABLE_COMMANDS, "commands", none, command_rates));
    TRY(put_rows(screen, out, TABLE_CLASSES, "classes", class_levels, class_rates));
    TRY(put_rows(screen, out, TABLE_STORES, "stores", store_levels, store_rates));
    TRY(put_hot(now, out));
    return buf_append(out, "}\n", 2);
}
