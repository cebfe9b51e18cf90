#include "app/top/reading.h"

#include <math.h>
#include <stdio.h>

#include "base/decimal.h"
#include "base/terminal_text.h"

enum { ARENA_CHUNK = 256 * 1024, ROWS_MAX = 4096 };

struct column {
    const char *sample;
    uint32_t at;
};

#define HISTOGRAM COLUMNS_MAX

static const struct {
    const char *label;
    struct column columns[COLUMNS_MAX + 1];
} tables[TABLES] = {
    [TABLE_COMMANDS] = {"command",
                        {{"strata_command_calls_total", COMMAND_CALLS},
                         {"strata_command_failed_total", COMMAND_FAILED},
                         {"strata_command_duration_seconds_sum", COMMAND_SECONDS},
                         {"strata_command_duration_seconds_bucket", HISTOGRAM}}},
    [TABLE_CLASSES] = {"class",
                       {{"strata_class_keys", CLASS_KEYS},
                        {"strata_class_bytes", CLASS_BYTES},
                        {"strata_class_hits_total", CLASS_HITS},
                        {"strata_class_misses_total", CLASS_MISSES},
                        {"strata_class_writes_total", CLASS_WRITES},
                        {"strata_class_removed_total", CLASS_REMOVED},
                        {"strata_class_command_duration_seconds_bucket", HISTOGRAM}}},
    [TABLE_STORES] = {"store",
                      {{"strata_store_keys", STORE_KEYS},
                       {"strata_store_bytes", STORE_BYTES},
                       {"strata_store_live_bytes", STORE_LIVE},
                       {"strata_store_guaranteed_bytes", STORE_GUARANTEED},
                       {"strata_store_hits_total", STORE_HITS},
                       {"strata_store_misses_total", STORE_MISSES},
                       {"strata_store_removed_total", STORE_REMOVED}}},
};

void reading_init(struct reading *reading) {
    *reading = (struct reading){.time_s = 0};
    arena_init(&reading->arena, &memory_libc, ARENA_CHUNK);
}

void reading_fini(struct reading *reading) { arena_fini(&reading->arena); }

/* ------------------------------------------------------------------------------------------ tables */

static struct reading_row *find_row(struct reading_rows *rows, struct slice name) {
    for (size_t i = rows->count; i-- > 0;) /* samples of one stand together */
        if (slice_equal(rows->list[i].name, name))
            return &rows->list[i];
    return NULL;
}

static struct reading_row *row_for(struct reading_rows *rows, struct slice name) {
    struct reading_row *row = find_row(rows, name);
    if (row || rows->count == ROWS_MAX)
        return row;
    row = &rows->list[rows->count++];
    *row = (struct reading_row){.name = name};
    return row;
}

static double edge_of(const struct sample *sample) {
    struct slice text = sample_label(sample, "le");
    double edge;
    return !slice_equal(text, SLICE("+Inf")) && decimal_parse(text, &edge) ? edge : HUGE_VAL;
}

static void add_sample(struct reading_row *row, uint32_t at, const struct sample *sample) {
    if (at != HISTOGRAM) {
        row->values[at] += sample->value;
    } else if (row->edge_count < READING_EDGES_MAX) {
        row->edges[row->edge_count] = edge_of(sample);
        row->counts[row->edge_count++] = sample->value;
    }
}

static enum status build_table(struct reading *reading, enum reading_table table) {
    struct reading_rows *rows = &reading->tables[table];
    size_t names = 0;
    for (size_t i = 0; i < reading->samples.count; i++)
        names += slice_equal(reading->samples.list[i].name, slice_from_string(tables[table].columns[0].sample));
    rows->count = 0;
    names = names < ROWS_MAX ? names : ROWS_MAX;
    rows->list = arena_take(&reading->arena, (names + 1) * sizeof *rows->list);
    if (!rows->list)
        return STATUS_NO_MEMORY;
    for (uint32_t k = 0; k <= COLUMNS_MAX && tables[table].columns[k].sample; k++) {
        const struct column *column = &tables[table].columns[k];
        for (size_t i = 0; i < reading->samples.count; i++) {
            const struct sample *sample = &reading->samples.list[i];
            if (!slice_equal(sample->name, slice_from_string(column->sample)))
                continue;
            struct slice name = sample_label(sample, tables[table].label);
            struct reading_row *row = k == 0 && rows->count < names ? row_for(rows, name) : find_row(rows, name);
            if (row)
                add_sample(row, column->at, sample);
        }
    }
    return STATUS_OK;
}

enum status reading_parse(struct reading *reading, struct slice text) {
    TRY(samples_parse(text, &reading->arena, &reading->samples));
    for (int i = 0; i < TABLES; i++)
        TRY(build_table(reading, (enum reading_table)i));
    reading->started_s = samples_sum(&reading->samples, "strata_start_time_seconds", NULL, NULL);
    reading->time_s = reading->started_s + samples_sum(&reading->samples, "strata_uptime_seconds", NULL, NULL);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ asking */

static double number_of(const struct resp_value *value) {
    return value->type == RESP_DOUBLE ? value->number : value->type == RESP_INTEGER ? (double)value->integer : 0;
}

static bool take_hot_key(struct reading *reading, const struct resp_value *map) {
    struct reading_hot *hot = &reading->hot[reading->hot_count];
    *hot = (struct reading_hot){.database = 0};
    for (uint32_t i = 0; i + 1 < map->count; i += 2) {
        struct slice name = map->members[i].text;
        const struct resp_value *value = &map->members[i + 1];
        if (slice_equal(name, SLICE("key")) && !arena_copy(&reading->arena, value->text, &hot->name))
            return false;
        if (slice_equal(name, SLICE("database")))
            hot->database = (int)number_of(value);
        if (slice_equal(name, SLICE("rate")))
            hot->rate = number_of(value);
        if (slice_equal(name, SLICE("reads")))
            hot->reads = number_of(value);
        if (slice_equal(name, SLICE("writes")))
            hot->writes = number_of(value);
        if (slice_equal(name, SLICE("misses")))
            hot->misses = number_of(value);
        if (slice_equal(name, SLICE("share")))
            hot->share = number_of(value);
    }
    reading->hot_count++;
    return true;
}

bool reading_take(struct reading *reading, struct server_link *link, char ret_problem[READING_PROBLEM_SIZE]) {
    struct resp_value reply;
    struct slice text = {NULL, 0};
    arena_reset(&reading->arena);
    reading->hot_count = 0;
    reading->time_s = 0;
    if (!server_link_ask(link, "METRICS STRATA", &reply)) {
        snprintf(ret_problem, READING_PROBLEM_SIZE, "%s", link->problem);
        return false;
    }
    if (resp_type_is_error(reply.type) || !arena_copy(&reading->arena, reply.text, &text)) {
        char shown[300];
        terminal_text_copy(reply.text, shown, sizeof shown);
        snprintf(ret_problem, READING_PROBLEM_SIZE, "METRICS answers: %s", shown);
        return false;
    }
    if (reading_parse(reading, text) != STATUS_OK) {
        snprintf(ret_problem, READING_PROBLEM_SIZE, "METRICS answers what is no text of metrics");
        return false;
    }
    if (!server_link_ask(link, "HOTKEYS GET 64", &reply)) {
        snprintf(ret_problem, READING_PROBLEM_SIZE, "%s", link->problem);
        return false;
    }
    for (uint32_t i = 0; reply.type == RESP_ARRAY && i < reply.count && reading->hot_count < READING_HOT_MAX; i++)
        if (!take_hot_key(reading, &reply.members[i]))
            break;
    return true;
}

/* ------------------------------------------------------------------------------------------ differences */

double reading_seconds(const struct reading *before, const struct reading *now) {
    double seconds = now->time_s - (reading_goes_on(before, now) ? before->time_s : now->started_s);
    return seconds > 0 ? seconds : 1;
}

double reading_rate(const struct reading *before, const struct reading *now, const char *name, const char *label,
                    const char *value) {
    double change = samples_sum(&now->samples, name, label, value);
    if (reading_goes_on(before, now))
        change -= samples_sum(&before->samples, name, label, value);
    return change > 0 ? change / reading_seconds(before, now) : 0;
}

const struct reading_row *reading_row(const struct reading *reading, enum reading_table table, struct slice name) {
    return find_row((struct reading_rows *)(uintptr_t)&reading->tables[table], name);
}

double reading_change(const struct reading *before, const struct reading_row *row, enum reading_table table,
                      uint32_t column) {
    const struct reading_row *old = before ? reading_row(before, table, row->name) : NULL;
    double change = row->values[column] - (old ? old->values[column] : 0);
    return change > 0 ? change : 0;
}

/* As Prometheus does it: evenly within a column, and the last edge that is a number for what lies beyond. */
static double quantile(const double *edges, const double *counts, uint32_t edge_count, double share) {
    double all = edge_count ? counts[edge_count - 1] : 0, wanted = share * all, below = 0, edge_before = 0;
    if (!(all > 0))
        return 0;
    for (uint32_t i = 0; i < edge_count; i++) {
        if (counts[i] >= wanted && counts[i] > below)
            return isinf(edges[i]) ? edge_before
                                   : edge_before + (edges[i] - edge_before) * (wanted - below) / (counts[i] - below);
        below = counts[i];
        edge_before = edges[i];
    }
    return edge_before;
}

static void add_counts(const struct reading *before, const struct reading_row *row, enum reading_table table,
                       double *counts) {
    const struct reading_row *old = before ? reading_row(before, table, row->name) : NULL;
    for (uint32_t i = 0; i < row->edge_count; i++)
        counts[i] += row->counts[i] - (old && old->edge_count == row->edge_count ? old->counts[i] : 0);
}

double reading_quantile(const struct reading *before, const struct reading_row *row, enum reading_table table,
                        double share) {
    double counts[READING_EDGES_MAX] = {0};
    add_counts(before, row, table, counts);
    return quantile(row->edges, counts, row->edge_count, share);
}

double reading_quantile_all(const struct reading *before, const struct reading *now, double share) {
    double counts[READING_EDGES_MAX] = {0};
    const struct reading_rows *rows = &now->tables[TABLE_COMMANDS];
    for (size_t i = 0; i < rows->count; i++)
        if (rows->list[i].edge_count == rows->list[0].edge_count)
            add_counts(before, &rows->list[i], TABLE_COMMANDS, counts);
    return rows->count ? quantile(rows->list[0].edges, counts, rows->list[0].edge_count, share) : 0;
}
