#include "app/top/screen.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bits.h"

enum { CELL_SIZE = 24, LINE_SIZE = 512, ORDER_MAX = 4096, NAME_COLUMNS = 24, HEAD_COMMANDS = 8 };

/* ------------------------------------------------------------------------------------------ amounts */

static const char *amount(double value, char cell[CELL_SIZE]) {
    static const char units[] = " kMGT";
    int unit = 0;
    for (; fabs(value) >= 99999.5 && units[unit + 1]; unit++)
        value /= 1000;
    if (unit || fabs(value) >= 100 || value == floor(value))
        snprintf(cell, CELL_SIZE, unit ? "%.0f%c" : "%.0f", value, units[unit]);
    else
        snprintf(cell, CELL_SIZE, "%.1f", value);
    return cell;
}

static const char *bytes(double value, char cell[CELL_SIZE]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < COUNT_OF(units); unit++)
        value /= 1024;
    snprintf(cell, CELL_SIZE, unit && value < 100 ? "%.1f%s" : "%.0f%s", value, units[unit]);
    return cell;
}

static const char *duration(double seconds, char cell[CELL_SIZE]) {
    if (seconds <= 0)
        snprintf(cell, CELL_SIZE, "-");
    else if (seconds < 1e-3)
        snprintf(cell, CELL_SIZE, "%.1fus", seconds * 1e6);
    else if (seconds < 1)
        snprintf(cell, CELL_SIZE, "%.1fms", seconds * 1e3);
    else
        snprintf(cell, CELL_SIZE, "%.2fs", seconds);
    return cell;
}

static const char *age(double seconds, char cell[CELL_SIZE]) {
    long long s = seconds > 0 ? (long long)seconds : 0;
    if (s < 120)
        snprintf(cell, CELL_SIZE, "%llds", s);
    else if (s < 7200)
        snprintf(cell, CELL_SIZE, "%lldm", s / 60);
    else if (s < 172800)
        snprintf(cell, CELL_SIZE, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(cell, CELL_SIZE, "%lldd%02lldh", s / 86400, s / 3600 % 24);
    return cell;
}

static const char *percent(double part, double whole, char cell[CELL_SIZE]) {
    if (whole > 0)
        snprintf(cell, CELL_SIZE, "%.1f%%", 100 * part / whole);
    else
        snprintf(cell, CELL_SIZE, "-");
    return cell;
}

/* ------------------------------------------------------------------------------------------ lines */

struct page {
    const struct screen *screen;
    struct buf *out;
    int lines;
    enum status status;
};

static bool has_room(const struct page *page) {
    return page->status == STATUS_OK && (page->screen->height == 0 || page->lines < page->screen->height);
}

static void line(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct page *page, const char *format, ...) {
    char text[LINE_SIZE];
    va_list arguments;
    if (!has_room(page))
        return;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size = size < (int)sizeof text ? size : (int)sizeof text - 1;
    size = size < page->screen->width ? size : page->screen->width;
    while (size > 0 && text[size - 1] == ' ')
        size--;
    page->lines++;
    page->status = buf_append(page->out, text, (size_t)size);
    if (page->status == STATUS_OK)
        page->status = buf_append(page->out, "\n", 1);
}

/* A name as ASCII, whatever bytes it has. */
static const char *shown_name(struct slice name, char *cell, size_t size) {
    size_t count = name.size < size - 1 ? name.size : size - 1;
    for (size_t i = 0; i < count; i++)
        cell[i] = name.data[i] >= ' ' && name.data[i] < 0x7f ? (char)name.data[i] : '?';
    cell[count] = 0;
    return cell;
}

static double now_sum(const struct page *page, const char *name, const char *label, const char *value) {
    return samples_sum(&page->screen->now->samples, name, label, value);
}

static double rate(const struct page *page, const char *name, const char *label, const char *value) {
    return reading_rate(page->screen->before, page->screen->now, name, label, value);
}

/* ------------------------------------------------------------------------------------------ tables */

static const struct reading *valid_before(const struct screen *screen) {
    return reading_goes_on(screen->before, screen->now) ? screen->before : NULL;
}

struct order {
    const struct reading_row *row;
    double weight;
};

static int compare(const void *a, const void *b) {
    const struct order *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return slice_compare(x->row->name, y->row->name);
}

/* What a table's column says of a row. */
typedef double weigh(const struct screen *screen, const struct reading_row *row);

static size_t sort_rows(const struct screen *screen, enum reading_table table, weigh *by, struct order *order) {
    const struct reading_rows *rows = &screen->now->tables[table];
    size_t count = rows->count < ORDER_MAX ? rows->count : ORDER_MAX;
    for (size_t i = 0; i < count; i++)
        order[i] = (struct order){&rows->list[i], by(screen, &rows->list[i])};
    qsort(order, count, sizeof *order, compare);
    return count;
}

static double per_second(const struct screen *screen, const struct reading_row *row, enum reading_table table,
                         uint32_t column) {
    return reading_change(valid_before(screen), row, table, column) / reading_seconds(screen->before, screen->now);
}

static double quantile(const struct screen *screen, const struct reading_row *row, enum reading_table table,
                       double share) {
    return reading_quantile(valid_before(screen), row, table, share);
}

static double command_rate(const struct screen *s, const struct reading_row *row) {
    return per_second(s, row, TABLE_COMMANDS, COMMAND_CALLS);
}
static double command_time(const struct screen *s, const struct reading_row *row) {
    return per_second(s, row, TABLE_COMMANDS, COMMAND_SECONDS);
}
static double command_p99(const struct screen *s, const struct reading_row *row) {
    return quantile(s, row, TABLE_COMMANDS, 0.99);
}
static double command_failed(const struct screen *s, const struct reading_row *row) {
    return per_second(s, row, TABLE_COMMANDS, COMMAND_FAILED);
}
static double class_reads(const struct screen *s, const struct reading_row *row) {
    return per_second(s, row, TABLE_CLASSES, CLASS_HITS) + per_second(s, row, TABLE_CLASSES, CLASS_MISSES);
}
static double class_misses(const struct screen *s, const struct reading_row *row) {
    return per_second(s, row, TABLE_CLASSES, CLASS_MISSES);
}
static double class_writes(const struct screen *s, const struct reading_row *row) {
    return per_second(s, row, TABLE_CLASSES, CLASS_WRITES);
}
static double class_bytes(const struct screen *s, const struct reading_row *row) { return row->values[CLASS_BYTES]; }
static double class_p99(const struct screen *s, const struct reading_row *row) {
    return quantile(s, row, TABLE_CLASSES, 0.99);
}
static double store_bytes(const struct screen *s, const struct reading_row *row) { return row->values[STORE_BYTES]; }
static double store_keys(const struct screen *s, const struct reading_row *row) { return row->values[STORE_KEYS]; }

static const struct {
    const char *name;
    weigh *by;
} sorts[VIEWS][5] = {
    [VIEW_COMMANDS] = {{"calls/s", command_rate},
                       {"time", command_time},
                       {"p99", command_p99},
                       {"failed/s", command_failed}},
    [VIEW_MEMORY] = {{"bytes", store_bytes}, {"keys", store_keys}},
    [VIEW_CLASSES] = {{"reads/s", class_reads},
                      {"misses/s", class_misses},
                      {"writes/s", class_writes},
                      {"bytes", class_bytes},
                      {"p99", class_p99}},
};

static uint32_t sort_of(const struct screen *screen) {
    uint32_t count = 0;
    while (count < COUNT_OF(sorts[0]) && sorts[screen->view][count].name)
        count++;
    return count ? screen->sort % count : 0;
}

static struct order order[ORDER_MAX]; /* one screen is drawn at a time */

static void commands(struct page *page, weigh *by, size_t most) {
    const struct screen *screen = page->screen;
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE], e[CELL_SIZE], f[CELL_SIZE], name[NAME_COLUMNS + 1];
    size_t count = sort_rows(screen, TABLE_COMMANDS, by, order);
    line(page, "%-*s %8s %8s %7s %8s %8s %8s", NAME_COLUMNS, "command", "calls/s", "failed/s", "busy", "p50", "p99",
         "p99.9");
    for (size_t i = 0; i < count && i < most; i++) {
        const struct reading_row *row = order[i].row;
        line(page, "%-*s %8s %8s %7s %8s %8s %8s", NAME_COLUMNS, shown_name(row->name, name, sizeof name),
             amount(command_rate(screen, row), a), amount(command_failed(screen, row), b),
             percent(command_time(screen, row), 1, c), duration(quantile(screen, row, TABLE_COMMANDS, 0.5), d),
             duration(command_p99(screen, row), e), duration(quantile(screen, row, TABLE_COMMANDS, 0.999), f));
    }
}

static void stores(struct page *page, weigh *by) {
    const struct screen *screen = page->screen;
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE], e[CELL_SIZE], f[CELL_SIZE], name[NAME_COLUMNS + 1];
    size_t count = sort_rows(screen, TABLE_STORES, by, order);
    line(page, "%-*s %8s %8s %8s %8s %8s %8s", NAME_COLUMNS, "store", "keys", "memory", "live", "promised", "hits",
         "gone/s");
    for (size_t i = 0; i < count; i++) {
        const struct reading_row *row = order[i].row;
        double hits = per_second(screen, row, TABLE_STORES, STORE_HITS),
               misses = per_second(screen, row, TABLE_STORES, STORE_MISSES);
        line(page, "%-*s %8s %8s %8s %8s %8s %8s", NAME_COLUMNS, shown_name(row->name, name, sizeof name),
             amount(row->values[STORE_KEYS], a), bytes(row->values[STORE_BYTES], b), bytes(row->values[STORE_LIVE], c),
             bytes(row->values[STORE_GUARANTEED], d), percent(hits, hits + misses, e),
             amount(per_second(screen, row, TABLE_STORES, STORE_REMOVED), f));
    }
}

static void classes(struct page *page, weigh *by) {
    const struct screen *screen = page->screen;
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE], e[CELL_SIZE], f[CELL_SIZE], name[NAME_COLUMNS + 1];
    size_t count = sort_rows(screen, TABLE_CLASSES, by, order);
    line(page, "%-*s %8s %8s %8s %8s %8s %8s", NAME_COLUMNS, "class", "reads/s", "hits", "writes/s", "keys", "bytes",
         "p99");
    for (size_t i = 0; i < count; i++) {
        const struct reading_row *row = order[i].row;
        double reads = class_reads(screen, row);
        line(page, "%-*s %8s %8s %8s %8s %8s %8s", NAME_COLUMNS, shown_name(row->name, name, sizeof name),
             amount(reads, a), percent(reads - class_misses(screen, row), reads, b),
             amount(class_writes(screen, row), c), amount(row->values[CLASS_KEYS], d),
             bytes(row->values[CLASS_BYTES], e), duration(class_p99(screen, row), f));
    }
}

static void hot_keys(struct page *page) {
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE], e[CELL_SIZE], name[256];
    line(page, "%8s %8s %8s %8s %7s %3s  %s", "uses/s", "reads/s", "writes/s", "misses/s", "share", "db", "key");
    for (size_t i = 0; i < page->screen->now->hot_count; i++) {
        const struct reading_hot *hot = &page->screen->now->hot[i];
        line(page, "%8s %8s %8s %8s %7s %3d  %s", amount(hot->rate, a), amount(hot->reads, b), amount(hot->writes, c),
             amount(hot->misses, d), percent(hot->share, 1, e), hot->database,
             shown_name(hot->name, name, sizeof name));
    }
}

/* ------------------------------------------------------------------------------------------ overview */

/* "  never_there 5  expired 1": the samples of a counter by a label, as rates. */
static void by_label(struct page *page, const char *head, const char *name, const char *label) {
    char text[LINE_SIZE], cell[CELL_SIZE], word[NAME_COLUMNS + 1];
    size_t at = (size_t)snprintf(text, sizeof text, "%-16s", head);
    const struct samples *samples = &page->screen->now->samples;
    for (size_t i = 0; i < samples->count; i++) {
        struct slice value = sample_label(&samples->list[i], label);
        if (!slice_equal(samples->list[i].name, slice_from_string(name)) || !value.data)
            continue;
        shown_name(value, word, sizeof word);
        double changes = rate(page, name, label, word);
        if (changes > 0 && at < sizeof text)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s %s  ", word, amount(changes, cell));
    }
    line(page, "%s%s", text, at == 16 ? "none" : "");
}

static void load(struct page *page) {
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE];
    const struct screen *screen = page->screen;
    const struct reading *before = valid_before(screen);
    double hits = rate(page, "strata_hits_total", NULL, NULL), misses = rate(page, "strata_misses_total", NULL, NULL);
    line(page, "%-16s%-12s hits %-10s misses %-10s hit ratio %s", "commands/s",
         amount(rate(page, "strata_commands_total", NULL, NULL), a), amount(hits, b), amount(misses, c),
         percent(hits, hits + misses, d));
    line(page, "%-16sp50 %-8s p99 %-8s p99.9 %s", "run times",
         duration(reading_quantile_all(before, screen->now, 0.5), a),
         duration(reading_quantile_all(before, screen->now, 0.99), b),
         duration(reading_quantile_all(before, screen->now, 0.999), c));
    by_label(page, "misses/s", "strata_misses_total", "cause");
    by_label(page, "removed/s", "strata_removed_total", "why");
    line(page, "%-16sreceived %-10s sent %-10s processor %s", "network/s",
         bytes(rate(page, "strata_network_bytes_total", "direction", "received"), a),
         bytes(rate(page, "strata_network_bytes_total", "direction", "sent"), b),
         percent(rate(page, "strata_cpu_seconds_total", NULL, NULL), 1, c));
    line(page, "%-16s%-12s of %-12s new/s %-8s rejected/s %s", "connections",
         amount(now_sum(page, "strata_connections", NULL, NULL), a),
         amount(now_sum(page, "strata_connections_limit", NULL, NULL), b),
         amount(rate(page, "strata_connections_received_total", NULL, NULL), c),
         amount(rate(page, "strata_connections_rejected_total", NULL, NULL), d));
}

static void memory(struct page *page) {
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE], e[CELL_SIZE];
    double used = now_sum(page, "strata_memory_used_bytes", NULL, NULL),
           limit = now_sum(page, "strata_memory_limit_bytes", NULL, NULL);
    double pressure = now_sum(page, "strata_memory_pressure", NULL, NULL);
    line(page, "%-16s%s of %s (%s)  live %s  resident %s%s", "memory", bytes(used, a), bytes(limit, b),
         percent(used, limit, c), bytes(now_sum(page, "strata_memory_live_bytes", NULL, NULL), d),
         bytes(now_sum(page, "strata_resident_memory_bytes", NULL, NULL), e), pressure > 0 ? "  UNDER PRESSURE" : "");
    line(page, "%-16s%s  expiring %s  dead %s", "keys", amount(now_sum(page, "strata_keys", NULL, NULL), a),
         amount(now_sum(page, "strata_keys_expiring", NULL, NULL), b),
         amount(now_sum(page, "strata_dead_keys", NULL, NULL), c));
}

/* The time of the last one is that of the start where there was none. */
static void snapshots(struct page *page) {
    char a[CELL_SIZE], b[CELL_SIZE];
    double saved = now_sum(page, "strata_snapshot_last_timestamp_seconds", NULL, NULL),
           running = now_sum(page, "strata_snapshot_running", NULL, NULL);
    bool is_any = saved - now_sum(page, "strata_start_time_seconds", NULL, NULL) > 1;
    line(page, "%-16s%s  %s%s%s", "snapshot",
         running > 0 ? percent(now_sum(page, "strata_snapshot_done_ratio", NULL, NULL), 1, a) : "idle",
         is_any ? age(page->screen->now->time_s - saved, b) : "none", is_any ? " ago" : " since the start",
         now_sum(page, "strata_snapshot_failed", NULL, NULL) > 0 ? "  FAILED" : "");
}

static void disk(struct page *page) {
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE];
    bool is_kept = now_sum(page, "strata_log_enabled", NULL, NULL) > 0;
    if (is_kept)
        line(page, "%-16s%s since the snapshot  unflushed %s  last flush %s%s", "log",
             bytes(now_sum(page, "strata_log_size_bytes", NULL, NULL), a),
             amount(now_sum(page, "strata_log_unflushed_records", NULL, NULL), b),
             duration(now_sum(page, "strata_log_flush_last_seconds", NULL, NULL), c),
             now_sum(page, "strata_log_refuses_writes", NULL, NULL) > 0 ? "  REFUSES WRITES" : "");
    else
        line(page, "%-16snone", "log");
    if (is_kept)
        snapshots(page);
    if (now_sum(page, "strata_tier_enabled", NULL, NULL) > 0)
        line(page, "%-16s%s keys  %s of %s  hits/s %s", "tier",
             amount(now_sum(page, "strata_tier_keys", NULL, NULL), a),
             bytes(now_sum(page, "strata_tier_file_used_bytes", NULL, NULL), b),
             bytes(now_sum(page, "strata_tier_file_size_bytes", NULL, NULL), c),
             amount(rate(page, "strata_tier_hits_total", NULL, NULL), d));
}

static void invalidations(struct page *page) {
    char a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE];
    line(page, "%-16ssubscribers %s  told/s %s  tracked keys %s  leases %s", "invalidation",
         amount(now_sum(page, "strata_stream_subscribers", NULL, NULL), a),
         amount(rate(page, "strata_stream_told_total", NULL, NULL), b),
         amount(now_sum(page, "strata_tracked_keys", NULL, NULL), c),
         amount(now_sum(page, "strata_leases", NULL, NULL), d));
}

/* ------------------------------------------------------------------------------------------ screens */

static void head(struct page *page) {
    static const char *const names[VIEWS] = {"overview", "commands", "memory", "classes", "hot keys"};
    const struct screen *screen = page->screen;
    char up[CELL_SIZE], clock[CELL_SIZE] = "", text[LINE_SIZE];
    time_t seconds = (time_t)screen->now->time_s;
    struct tm parts;
    if (localtime_r(&seconds, &parts))
        strftime(clock, sizeof clock, "%H:%M:%S", &parts);
    line(page, "strata top  %s  up %s  %s%s", screen->place, age(screen->now->time_s - screen->now->started_s, up),
         clock, screen->paused ? "  PAUSED" : "");
    size_t at = 0;
    for (int i = 0; i < VIEWS; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, i == (int)screen->view ? "[%d %s] " : " %d %s  ", i + 1,
                               names[i]);
    const char *sorted = sorts[screen->view][sort_of(screen)].name;
    line(page, "%s %s%s", text, sorted ? "by " : "", sorted ? sorted : "");
    line(page, "%s", "");
}

enum status screen_write(const struct screen *screen, struct buf *out) {
    struct page page = {.screen = screen, .out = out, .status = STATUS_OK};
    weigh *by = sorts[screen->view][sort_of(screen)].by;
    head(&page);
    switch (screen->view) {
        case VIEW_COMMANDS:
            commands(&page, by, ORDER_MAX);
            break;
        case VIEW_MEMORY:
            memory(&page);
            by_label(&page, "removed/s", "strata_removed_total", "why");
            line(&page, "%s", "");
            stores(&page, by);
            break;
        case VIEW_CLASSES:
            classes(&page, by);
            break;
        case VIEW_HOT_KEYS:
            hot_keys(&page);
            break;
        case VIEW_OVERVIEW:
        case VIEWS:
            load(&page);
            memory(&page);
            disk(&page);
            invalidations(&page);
            line(&page, "%s", "");
            commands(&page, command_rate, HEAD_COMMANDS);
            break;
    }
    return page.status;
}
