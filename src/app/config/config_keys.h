/* app/config/config_keys.h: the configuration as typed fields, one for each key.
 *
 * Generated from spec/config.yaml by tools/gen_config.py: change that file instead.
 */
#ifndef STRATA_APP_CONFIG_CONFIG_KEYS_H
#define STRATA_APP_CONFIG_CONFIG_KEYS_H

#include <stdbool.h>
#include <stdint.h>

enum { CONFIG_LIST_MAX = 16, CONFIG_LIST_ITEM_MAX = 63, CONFIG_STRING_MAX = 16383 };

struct config_list {
    uint32_t count;
    char items[CONFIG_LIST_MAX][CONFIG_LIST_ITEM_MAX + 1];
};

/* A client is cut when more than `hard_bytes` of replies wait, or more than `soft_bytes` for `soft_s`. 0: no limit. */
struct config_output_limit {
    uint64_t hard_bytes, soft_bytes;
    int64_t soft_s;
};

/* Of clients that have subscribed to something, and of all others. */
struct config_output_limits {
    struct config_output_limit normal, pubsub;
};

/* A snapshot is due `seconds` after the last one, if there were so many changes. */
struct config_save_point {
    int64_t seconds, changes;
};

enum { CONFIG_SAVE_POINTS_MAX = 8 };

struct config_save_points {
    uint32_t count;
    struct config_save_point each[CONFIG_SAVE_POINTS_MAX];
};

enum config_key_id {
    CONFIG_PORT,
    CONFIG_BIND,
    CONFIG_UNIXSOCKET,
    CONFIG_UNIXSOCKETPERM,
    CONFIG_PROTECTED_MODE,
    CONFIG_REQUIREPASS,
    CONFIG_ACLFILE,
    CONFIG_USERS,
    CONFIG_ACLLOG_MAX_LEN,
    CONFIG_ACL_PUBSUB_DEFAULT,
    CONFIG_MAXCLIENTS,
    CONFIG_TIMEOUT,
    CONFIG_TCP_KEEPALIVE,
    CONFIG_TCP_BACKLOG,
    CONFIG_TLS_PORT,
    CONFIG_TLS_CERT_FILE,
    CONFIG_TLS_KEY_FILE,
    CONFIG_TLS_KEY_FILE_PASS,
    CONFIG_TLS_CA_CERT_FILE,
    CONFIG_TLS_CA_CERT_DIR,
    CONFIG_TLS_AUTH_CLIENTS,
    CONFIG_TLS_AUTH_CLIENTS_USER,
    CONFIG_TLS_PROTOCOLS,
    CONFIG_TLS_CIPHERS,
    CONFIG_TLS_CIPHERSUITES,
    CONFIG_TLS_PREFER_SERVER_CIPHERS,
    CONFIG_AUDIT_DIR,
    CONFIG_AUDIT_KEY_FILE,
    CONFIG_AUDIT_CLASSES,
    CONFIG_AUDIT_USERS,
    CONFIG_AUDIT_USERS_EXCEPT,
    CONFIG_AUDIT_COMMANDS,
    CONFIG_AUDIT_KEYS,
    CONFIG_AUDIT_SYNC,
    CONFIG_AUDIT_MAX_SIZE,
    CONFIG_AUDIT_MAX_AGE,
    CONFIG_AUDIT_KEEP,
    CONFIG_AUDIT_ANCHOR_LINES,
    CONFIG_AUDIT_ANCHOR_INTERVAL,
    CONFIG_AUDIT_QUEUE_SIZE,
    CONFIG_AUDIT_BACK_PRESSURE,
    CONFIG_AUDIT_ON_FAILURE,
    CONFIG_HTTP_PORT,
    CONFIG_HTTP_TLS_PORT,
    CONFIG_HTTP_BIND,
    CONFIG_HTTP_HOSTS,
    CONFIG_HTTP_ALLOWED_ORIGINS,
    CONFIG_HTTP_MAX_CONNECTIONS,
    CONFIG_HTTP_MAX_BODY,
    CONFIG_HTTP_MAX_MEMORY,
    CONFIG_MAXMEMORY,
    CONFIG_MAXMEMORY_POLICY,
    CONFIG_MAXENTRIES,
    CONFIG_CLIENT_QUERY_BUFFER_LIMIT,
    CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT,
    CONFIG_TRACKING_TABLE_MAX_KEYS,
    CONFIG_PATTERN_SEARCH_MAX_KEYS,
    CONFIG_PROTO_MAX_BULK_LEN,
    CONFIG_LEASE_MAX,
    CONFIG_LEASE_WAITERS_MAX,
    CONFIG_STREAM,
    CONFIG_STREAM_MAX_BYTES,
    CONFIG_STREAM_RETENTION,
    CONFIG_HISTORY_MAX_BYTES,
    CONFIG_THREADS,
    CONFIG_SHARDS,
    CONFIG_DIR,
    CONFIG_PIDFILE,
    CONFIG_LOGFILE,
    CONFIG_LOG_FORMAT,
    CONFIG_LOGLEVEL,
    CONFIG_RULES,
    CONFIG_RULES_WATCH,
    CONFIG_OWNERSHIP,
    CONFIG_HOUSEKEEPING_INTERVAL,
    CONFIG_SHUTDOWN_TIMEOUT,
    CONFIG_APPENDONLY,
    CONFIG_APPENDFSYNC,
    CONFIG_APPENDFSYNC_INTERVAL,
    CONFIG_AUTO_AOF_REWRITE_PERCENTAGE,
    CONFIG_AUTO_AOF_REWRITE_MIN_SIZE,
    CONFIG_SAVE,
    CONFIG_SNAPSHOT_MAX_RATE,
    CONFIG_BACKUP_DIR,
    CONFIG_BACKUP_INTERVAL,
    CONFIG_BACKUPS_KEPT,
    CONFIG_MEMORY_FILE,
    CONFIG_WARM_FILE,
    CONFIG_WARM_SIZE,
    CONFIG_WARM_PROMOTE_HITS,
    CONFIG_WARM_DEMOTE_IDLE,
    CONFIG_WARM_MAINTENANCE_INTERVAL,
    CONFIG_WARM_WRITE_RATE,
    CONFIG_WARM_KEEP_PERCENT,
    CONFIG_SLOWLOG_LOG_SLOWER_THAN,
    CONFIG_SLOWLOG_MAX_LEN,
    CONFIG_COMMANDLOG_REQUEST_LARGER_THAN,
    CONFIG_COMMANDLOG_LARGE_REQUEST_MAX_LEN,
    CONFIG_COMMANDLOG_REPLY_LARGER_THAN,
    CONFIG_COMMANDLOG_LARGE_REPLY_MAX_LEN,
    CONFIG_LATENCY_MONITOR_THRESHOLD,
    CONFIG_NOTIFY_KEYSPACE_EVENTS,
    CONFIG_DATABASES,
    CONFIG_DAEMONIZE,
    CONFIG_CLUSTER_ENABLED,
    CONFIG_REPLICA_READ_ONLY,
    CONFIG_REPLICAOF,
    CONFIG_LATENCY_TRACKING,
    CONFIG_LATENCY_TRACKING_INFO_PERCENTILES,
    CONFIG_KEY_COUNT
};

enum config_acl_pubsub_default {
    CONFIG_ACL_PUBSUB_DEFAULT_RESETCHANNELS,
    CONFIG_ACL_PUBSUB_DEFAULT_ALLCHANNELS,
    CONFIG_ACL_PUBSUB_DEFAULT_COUNT
};

enum config_tls_auth_clients {
    CONFIG_TLS_AUTH_CLIENTS_NO,
    CONFIG_TLS_AUTH_CLIENTS_OPTIONAL,
    CONFIG_TLS_AUTH_CLIENTS_YES,
    CONFIG_TLS_AUTH_CLIENTS_COUNT
};

enum config_tls_auth_clients_user {
    CONFIG_TLS_AUTH_CLIENTS_USER_OFF,
    CONFIG_TLS_AUTH_CLIENTS_USER_CN,
    CONFIG_TLS_AUTH_CLIENTS_USER_URI,
    CONFIG_TLS_AUTH_CLIENTS_USER_COUNT
};

enum config_audit_keys {
    CONFIG_AUDIT_KEYS_CLASS,
    CONFIG_AUDIT_KEYS_FULL,
    CONFIG_AUDIT_KEYS_PREFIX,
    CONFIG_AUDIT_KEYS_HASH,
    CONFIG_AUDIT_KEYS_NONE,
    CONFIG_AUDIT_KEYS_COUNT
};

enum config_audit_sync {
    CONFIG_AUDIT_SYNC_ALWAYS,
    CONFIG_AUDIT_SYNC_EVERYSEC,
    CONFIG_AUDIT_SYNC_NO,
    CONFIG_AUDIT_SYNC_COUNT
};

enum config_audit_back_pressure {
    CONFIG_AUDIT_BACK_PRESSURE_WAIT,
    CONFIG_AUDIT_BACK_PRESSURE_DROP,
    CONFIG_AUDIT_BACK_PRESSURE_COUNT
};

enum config_audit_on_failure {
    CONFIG_AUDIT_ON_FAILURE_REFUSE,
    CONFIG_AUDIT_ON_FAILURE_CONTINUE,
    CONFIG_AUDIT_ON_FAILURE_COUNT
};

enum config_maxmemory_policy {
    CONFIG_MAXMEMORY_POLICY_NOEVICTION,
    CONFIG_MAXMEMORY_POLICY_ALLKEYS_LRU,
    CONFIG_MAXMEMORY_POLICY_ALLKEYS_LFU,
    CONFIG_MAXMEMORY_POLICY_ALLKEYS_RANDOM,
    CONFIG_MAXMEMORY_POLICY_VOLATILE_LRU,
    CONFIG_MAXMEMORY_POLICY_VOLATILE_LFU,
    CONFIG_MAXMEMORY_POLICY_VOLATILE_RANDOM,
    CONFIG_MAXMEMORY_POLICY_VOLATILE_TTL,
    CONFIG_MAXMEMORY_POLICY_COUNT
};

enum config_stream { CONFIG_STREAM_NO, CONFIG_STREAM_AUTO, CONFIG_STREAM_YES, CONFIG_STREAM_COUNT };

enum config_log_format { CONFIG_LOG_FORMAT_TEXT, CONFIG_LOG_FORMAT_JSON, CONFIG_LOG_FORMAT_COUNT };

enum config_loglevel {
    CONFIG_LOGLEVEL_DEBUG,
    CONFIG_LOGLEVEL_VERBOSE,
    CONFIG_LOGLEVEL_NOTICE,
    CONFIG_LOGLEVEL_WARNING,
    CONFIG_LOGLEVEL_COUNT
};

enum config_ownership { CONFIG_OWNERSHIP_OFF, CONFIG_OWNERSHIP_WARN, CONFIG_OWNERSHIP_ENFORCE, CONFIG_OWNERSHIP_COUNT };

enum config_appendfsync {
    CONFIG_APPENDFSYNC_ALWAYS,
    CONFIG_APPENDFSYNC_EVERYSEC,
    CONFIG_APPENDFSYNC_NO,
    CONFIG_APPENDFSYNC_COUNT
};

/* Plain data: may be copied by assignment. Made by config_defaults and the config_load functions only. */
struct config_values {
    int64_t port;
    struct config_list bind;
    char unixsocket[108];
    int64_t unixsocketperm;
    bool protected_mode;
    char requirepass[513];
    char aclfile[1024];
    char users[16384];
    int64_t acllog_max_len;
    enum config_acl_pubsub_default acl_pubsub_default;
    int64_t maxclients;
    int64_t timeout_s;
    int64_t tcp_keepalive_s;
    int64_t tcp_backlog;
    int64_t tls_port;
    char tls_cert_file[1024];
    char tls_key_file[1024];
    char tls_key_file_pass[1024];
    char tls_ca_cert_file[1024];
    char tls_ca_cert_dir[1024];
    enum config_tls_auth_clients tls_auth_clients;
    enum config_tls_auth_clients_user tls_auth_clients_user;
    char tls_protocols[32];
    char tls_ciphers[1024];
    char tls_ciphersuites[1024];
    bool tls_prefer_server_ciphers;
    char audit_dir[1024];
    char audit_key_file[1024];
    char audit_classes[256];
    char audit_users[1024];
    char audit_users_except[1024];
    char audit_commands[4096];
    enum config_audit_keys audit_keys;
    enum config_audit_sync audit_sync;
    uint64_t audit_max_size_bytes;
    int64_t audit_max_age_s;
    int64_t audit_keep;
    int64_t audit_anchor_lines;
    int64_t audit_anchor_interval_s;
    uint64_t audit_queue_size_bytes;
    enum config_audit_back_pressure audit_back_pressure;
    enum config_audit_on_failure audit_on_failure;
    int64_t http_port;
    int64_t http_tls_port;
    struct config_list http_bind;
    char http_hosts[1024];
    char http_allowed_origins[1024];
    int64_t http_max_connections;
    uint64_t http_max_body_bytes;
    uint64_t http_max_memory_bytes;
    uint64_t maxmemory_bytes;
    enum config_maxmemory_policy maxmemory_policy;
    int64_t maxentries;
    uint64_t client_query_buffer_limit_bytes;
    struct config_output_limits client_output_buffer_limit;
    int64_t tracking_table_max_keys;
    int64_t pattern_search_max_keys;
    uint64_t proto_max_bulk_len_bytes;
    int64_t lease_max;
    int64_t lease_waiters_max;
    enum config_stream stream;
    uint64_t stream_max_bytes_bytes;
    int64_t stream_retention;
    uint64_t history_max_bytes_bytes;
    int64_t threads;
    int64_t shards;
    char dir[1024];
    char pidfile[1024];
    char logfile[1024];
    enum config_log_format log_format;
    enum config_loglevel loglevel;
    char rules[1024];
    bool rules_watch;
    enum config_ownership ownership;
    int64_t housekeeping_interval_ms;
    int64_t shutdown_timeout_s;
    bool appendonly;
    enum config_appendfsync appendfsync;
    int64_t appendfsync_interval_ms;
    int64_t auto_aof_rewrite_percentage;
    uint64_t auto_aof_rewrite_min_size_bytes;
    struct config_save_points save;
    uint64_t snapshot_max_rate_bytes;
    char backup_dir[1024];
    int64_t backup_interval_s;
    int64_t backups_kept;
    char memory_file[1024];
    char warm_file[1024];
    uint64_t warm_size_bytes;
    int64_t warm_promote_hits;
    int64_t warm_demote_idle_s;
    int64_t warm_maintenance_interval_s;
    uint64_t warm_write_rate_bytes;
    int64_t warm_keep_percent;
    int64_t slowlog_log_slower_than_us;
    int64_t slowlog_max_len;
    int64_t commandlog_request_larger_than;
    int64_t commandlog_large_request_max_len;
    int64_t commandlog_reply_larger_than;
    int64_t commandlog_large_reply_max_len;
    int64_t latency_monitor_threshold_ms;
    uint32_t notify_keyspace_events;
};

#endif
