/* app/cmd/metrics.h: METRICS: the table of all metrics, made from spec/metrics.yaml, and what its values are read from.
 *
 * A metric has samples for each row of one kind: the server itself, a command, a store, ... Rows are collected once; the table says at which place of a row a
 * value stands. So a metric more is mostly a line in spec/metrics.yaml.
 *
 *     struct metric_rows ── command: {labels, facts} {labels, facts} ...
 *                        ── store:   {labels, of, counts} ...                   metric_table: name, type, each, offsets
 *
 * Threads: those of the call; the table is constant.
 * Memory:  rows and their texts stand in the arena of the call.
 */
#ifndef STRATA_APP_CMD_METRICS_H
#define STRATA_APP_CMD_METRICS_H

#include "app/cmd/server_api.h"
#include "core/cache/tier.h"
#include "core/obs/openmetrics.h"

enum metric_each {
    METRIC_EACH_SERVER,
    METRIC_EACH_COMMAND,
    METRIC_EACH_STORE,
    METRIC_EACH_CLASS,
    METRIC_EACH_DATABASE,
    METRIC_EACH_ERROR,
    METRIC_EACH_EVENT,
    METRIC_EACH_BUILD,
    METRIC_EACH_INSTANCE,
    METRIC_EACHES
};

/* Names of our own, and those of redis_exporter. */
enum metric_set { METRIC_SET_STRATA, METRIC_SET_REDIS, METRIC_SETS };

enum metric_kind { METRIC_ABSENT, METRIC_U64, METRIC_I64, METRIC_U32, METRIC_BOOL, METRIC_DOUBLE, METRIC_TIMES };

#define METRIC_KIND(value)                 \
    _Generic((value), uint64_t             \
             : METRIC_U64, int64_t         \
             : METRIC_I64, uint32_t        \
             : METRIC_U32, bool            \
             : METRIC_BOOL, double         \
             : METRIC_DOUBLE, struct times \
             : METRIC_TIMES)

/* A value in a row. */
struct metric_sample {
    const char *label; /* the value of the metric's own label, or NULL */
    enum metric_kind kind;
    size_t offset;
};

struct metric_spec {
    struct metric_family family;
    enum metric_each each;
    enum metric_set set;
    const char *label;         /* NULL: none beside those of the row */
    double divisor;            /* of values that are not in the unit of the metric; 0: they are */
    struct metric_sample when; /* ABSENT: always; else only in rows where this is not 0 */
    const struct metric_sample *samples;
    uint32_t sample_count; /* 0: an info */
};

extern const struct metric_spec metric_table[];
extern const uint32_t metric_table_count;

/* Every row begins with the labels of its samples, by set. */
struct metric_said {
    struct metric_labels labels[METRIC_SETS];
};

struct metric_command {
    struct metric_said said;
    struct cmd_command_facts facts;
};

struct metric_store {
    struct metric_said said;
    struct cache_store_info of;
    struct cache_filter_info filter;
    struct actor_counts counts;
};

struct metric_class {
    struct metric_said said;
    struct cmd_class_stats stats;
};

struct metric_database {
    struct metric_said said;
    uint64_t keys, expiring;
    double ttl_s;
};

struct metric_error {
    struct metric_said said;
    uint64_t count;
};

struct metric_event {
    struct metric_said said;
    uint32_t last_ms, highest_ms;
};

struct metric_facts {
    struct metric_said said; /* no labels */
    struct cmd_server_counts counts;
    struct cmd_process process;
    struct cache_stats cache;
    struct cache_bans bans;
    struct cmd_persistence persistence;
    struct cmd_secure_counts secure;
    struct cmd_audit_counts audit;
    struct cmd_http_counts http;
    struct cmd_rules_loads loads;
    struct cmd_tier_counts file;
    struct cache_tier_stats tier;
    struct {
        uint64_t not_owner, not_borrower, not_guarded, unknown_events, lost_entries;
    } rules;
    bool up, ready, tls, has_http, logs, save_ok, log_ok;
    uint64_t none;
    double started_s, uptime_s, saving_done, fragmentation, certificate_ends_s;
    uint64_t process_id, memory_peak_bytes, overhead_bytes, client_bytes, pressure;
    uint64_t heap_used_bytes, heap_free_bytes, heap_mapped_bytes;
    uint64_t large_requests, large_replies, slowlog_entries, slow_commands, slow_last_id, slow_last_us;
    uint64_t log_unflushed, log_error, tls_full, changes_unsaved;
    double hottest_rate, hottest_share;
};

struct metric_rows {
    struct buf of[METRIC_EACHES]; /* arrays of rows */
    size_t size[METRIC_EACHES];   /* of a row */
    enum status status;
};

/* STATUS_NO_MEMORY stands in the rows; metric_rows_fini gives back what there is. */
void metric_rows_collect(struct cmd_call *call, struct metric_rows *ret_rows);
void metric_rows_fini(struct metric_rows *rows);

#endif
