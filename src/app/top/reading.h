/* app/top/reading.h: what a server's metrics say at one moment, and what has happened between two.
 *
 *     reading (before) ── interval, by the server's own clock ── reading (now)         rates: differences by seconds
 *
 * A server that has started anew in between counts from 0: `before` is then of no use, and rates are those since its start.
 *
 * Threads: one.
 * Memory:  a reading owns its text and what was made of it.
 * Errors:  false, with a sentence.
 */
#ifndef STRATA_APP_TOP_READING_H
#define STRATA_APP_TOP_READING_H

#include "app/link/server_link.h"
#include "app/top/samples.h"

enum { READING_EDGES_MAX = 32, READING_HOT_MAX = 64, READING_PROBLEM_SIZE = SERVER_PROBLEM_SIZE };

/* Commands, classes or stores. */
enum reading_table { TABLE_COMMANDS, TABLE_CLASSES, TABLE_STORES, TABLES };
enum command_column { COMMAND_CALLS, COMMAND_FAILED, COMMAND_SECONDS, COMMAND_COLUMNS };
enum class_column { CLASS_KEYS, CLASS_BYTES, CLASS_HITS, CLASS_MISSES, CLASS_WRITES, CLASS_REMOVED, CLASS_COLUMNS };
enum store_column {
    STORE_KEYS,
    STORE_BYTES,
    STORE_LIVE,
    STORE_GUARANTEED,
    STORE_HITS,
    STORE_MISSES,
    STORE_REMOVED,
    STORE_COLUMNS
};
enum { COLUMNS_MAX = STORE_COLUMNS };

struct reading_row {
    struct slice name;
    double values[COLUMNS_MAX];
    double edges[READING_EDGES_MAX], counts[READING_EDGES_MAX]; /* of a histogram: counts up to each edge, in seconds */
    uint32_t edge_count;
};

struct reading_rows {
    struct reading_row *list;
    size_t count;
};

struct reading_hot {
    struct slice name;
    int database;
    double rate, reads, writes, misses, share;
};

struct reading {
    struct arena arena;
    struct samples samples;
    double started_s, time_s; /* Unix time, by the server */
    struct reading_rows tables[TABLES];
    struct reading_hot hot[READING_HOT_MAX];
    size_t hot_count;
};

void reading_init(struct reading *reading);
void reading_fini(struct reading *reading);

/* Over RESP3. What was in it before is gone. */
MUST_CHECK bool reading_take(struct reading *reading, struct server_link *link, char ret_problem[READING_PROBLEM_SIZE]);
/* The same of a text of METRICS. */
MUST_CHECK enum status reading_parse(struct reading *reading, struct slice text);

/* `before` may be NULL or of an earlier life of the server. */
double reading_seconds(const struct reading *before, const struct reading *now);
double reading_rate(const struct reading *before, const struct reading *now, const char *name, const char *label,
                    const char *value);

/* The row of this name, or NULL. */
const struct reading_row *reading_row(const struct reading *reading, enum reading_table table, struct slice name);
/* How much of a column came in between. */
double reading_change(const struct reading *before, const struct reading_row *row, enum reading_table table,
                      uint32_t column);
/* The time that a share of what ran in between did not exceed, in seconds, within the bounds of the histogram's columns; 0 if nothing ran. */
double reading_quantile(const struct reading *before, const struct reading_row *row, enum reading_table table,
                        double share);
/* Of all commands. */
double reading_quantile_all(const struct reading *before, const struct reading *now, double share);

static inline bool reading_goes_on(const struct reading *before, const struct reading *now) {
    return before && before->time_s > 0 && before->time_s < now->time_s && before->started_s > now->started_s - 0.5;
}

#endif
