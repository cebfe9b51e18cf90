#include "app/cmd/cmd_fixture.h"
#include "app/cmd/server_api.h"
#include "base/buf.h"
#include "core/obs/histogram.h"
#include "core/obs/latency.h"
#include "core/obs/slowlog.h"

/* A server that answers from these fields; what is asked of it is noted. */
struct reporter {
    struct cmd_server server; /* first */
    struct slowlog logs[CMD_LOGS];
    struct latency_monitor latency;
    struct cmd_server_counts counts;
    struct cmd_persistence persistence;
    unsigned locks, resets, monitors, stops;
    bool stopping, now, force;
    enum cmd_save_last saves;
    char timeout[16];
    uint64_t run_ns; /* of GET */
    bool bad_system;
};

static struct reporter *reporter_of(struct cmd_server *server) { return (struct reporter *)server; }

static void give_counts(struct cmd_server *server, struct cmd_server_counts *ret) {
    *ret = reporter_of(server)->counts;
}

static bool is_get(uint32_t index) { return cmd_lookup(SLICE("get"))->index == index; }

static void give_command(struct cmd_server *server, uint32_t index, struct cmd_command_counts *ret) {
    if (is_get(index))
        *ret = (struct cmd_command_counts){.calls = 4, .usec = 10, .rejected = 1, .failed = 2};
}

static void give_store(struct cmd_server *server, uint32_t store, struct actor_counts *ret) {
    assert_int_equal(store, 0);
    *ret = (struct actor_counts){.hits = 5, .misses = 6, .expired = 1, .evicted = 7};
}

static double give_percentile(struct cmd_server *server, uint32_t index, double percentile) {
    return is_get(index) ? percentile / 10 : 0;
}

static bool give_histogram(struct cmd_server *server, uint32_t index, struct histogram *into) {
    if (!is_get(index))
        return false;
    histogram_add_many(into, reporter_of(server)->run_ns, 3);
    histogram_add(into, 100000);
    return true;
}

static void give_errors(struct cmd_server *server, void (*visit)(void *, const char *, uint64_t), void *context) {
    visit(context, "ERR", 7);
    visit(context, "WRONGTYPE", 2);
}

static void reset_counts(struct cmd_server *server) { reporter_of(server)->resets++; }
static uint64_t started_ms(struct cmd_server *server) { return FIXTURE_NOW_MS_SECONDS * 1000ull - 90061000; }
static uint64_t now_us(struct cmd_server *server) { return FIXTURE_NOW_MS_SECONDS * 1000000ull + 123456; }
static const char *run_id(struct cmd_server *server) { return "0123456789012345678901234567890123456789"; }

static void give_process(struct cmd_server *server, struct cmd_process *ret) {
    *ret = (struct cmd_process){.resident_bytes = 50 << 20,
                                .system_memory_bytes = 1ull << 30,
                                .cpu_user_s = 1.5,
                                .process_id = 42,
                                .tcp_port = 7000,
                                .executable = "/bin/strata",
                                .config_file = "",
                                .os = "Linux",
                                .swapped_bytes = reporter_of(server)->bad_system ? 10 << 20 : 0,
                                .commits_strictly = reporter_of(server)->bad_system,
                                .no_huge_pages = reporter_of(server)->bad_system};
}

static void each_config(struct cmd_server *server, void (*visit)(void *, const char *, const char *, bool),
                        void *context) {
    visit(context, "timeout", reporter_of(server)->timeout, false);
    visit(context, "maxmemory", "1048576", false);
    visit(context, "maxmemory-policy", "noeviction", false);
    visit(context, "latency-monitor-threshold", "10", false);
}

static bool config_set(struct cmd_server *server, const struct slice *names, const struct slice *values, uint32_t count,
                       char *ret_error, size_t error_size) {
    for (uint32_t i = 0; i < count; i++) {
        if (!slice_equal(names[i], SLICE("timeout"))) {
            snprintf(ret_error, error_size, "refused '%.*s'", (int)names[i].size, (const char *)names[i].data);
            return false;
        }
    }
    snprintf(reporter_of(server)->timeout, 16, "%.*s", (int)values[count - 1].size,
             (const char *)values[count - 1].data);
    return true;
}

static bool config_rewrite(struct cmd_server *server, char *ret_error, size_t error_size) {
    snprintf(ret_error, error_size, "The server is running without a config file");
    return false;
}

static void monitor(struct cmd_server *server, struct cmd_client *client) {
    reporter_of(server)->monitors++;
    client->monitor = true;
}

static enum status stop(struct cmd_server *server, enum cmd_save_last saves, bool now, bool force, bool abort) {
    struct reporter *r = reporter_of(server);
    if (abort && !r->stopping)
        return STATUS_INVALID;
    r->stops += !abort;
    r->stopping = !abort;
    r->now = now;
    r->saves = saves;
    r->force = force;
    return STATUS_OK;
}

static void logs_lock(struct cmd_server *server) { assert_int_equal(reporter_of(server)->locks++, 0); }
static void logs_unlock(struct cmd_server *server) { assert_int_equal(--reporter_of(server)->locks, 0); }

static struct slowlog *give_log(struct cmd_server *server, enum cmd_log log) {
    assert_int_equal(reporter_of(server)->locks, 1);
    return &reporter_of(server)->logs[log];
}

static struct latency_monitor *give_latency(struct cmd_server *server) {
    assert_int_equal(reporter_of(server)->locks, 1);
    return &reporter_of(server)->latency;
}

static enum status no_class(struct cmd_server *server, struct cmd_client *client, bool walks,
                            void (*visit)(void *context, const struct cmd_class_stats *), void *context) {
    (void)server, (void)client, (void)walks, (void)visit, (void)context;
    return STATUS_OK;
}

static void give_persistence(struct cmd_server *server, struct cmd_persistence *ret_facts) {
    *ret_facts = reporter_of(server)->persistence;
}

static void give_loads(struct cmd_server *server, struct cmd_rules_loads *ret_loads) {
    (void)server;
    *ret_loads = (struct cmd_rules_loads){.failed = true, .last_at_ms = 77, .failures = 3, .problem = "line 1"};
}

static const struct cmd_server_api api = {
    .each_class = no_class,
    .persistence = give_persistence,
    .rules_loads = give_loads,
    .monitor = monitor,
    .shutdown = stop,
    .counts = give_counts,
    .store_counts = give_store,
    .command_counts = give_command,
    .command_percentile = give_percentile,
    .command_histogram = give_histogram,
    .each_error = give_errors,
    .reset_counts = reset_counts,
    .started_ms = started_ms,
    .run_id = run_id,
    .now_us = now_us,
    .process = give_process,
    .each_config = each_config,
    .config_set = config_set,
    .config_rewrite = config_rewrite,
    .logs_lock = logs_lock,
    .logs_unlock = logs_unlock,
    .command_log = give_log,
    .latency = give_latency,
};

static void open_both(struct reporter *r, struct cmd_fixture *f) {
    memset(r, 0, sizeof *r);
    r->server.api = &api;
    r->run_ns = 3000;
    snprintf(r->timeout, sizeof r->timeout, "0");
    for (int log = 0; log < CMD_LOGS; log++)
        slowlog_init(&r->logs[log], &memory_libc, 8);
    latency_init(&r->latency);
    cmd_fixture_open(f);
    f->env.server = &r->server;
}

static void close_both(struct reporter *r, struct cmd_fixture *f) {
    assert_int_equal(r->locks, 0);
    for (int log = 0; log < CMD_LOGS; log++)
        slowlog_fini(&r->logs[log]);
    cmd_fixture_close(f);
}

static void info_shows_what_the_server_counts(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    r.counts = (struct cmd_server_counts){.clients = 3,
                                          .clients_max = 100,
                                          .commands = 12,
                                          .hits = 5,
                                          .misses = 6,
                                          .evicted = 7,
                                          .errors = 9,
                                          .changes = 8};
    EXPECT_REPLY(&f, "SET a 1 PX 5000", "+OK\r\n");
    EXPECT_REPLY(&f, "SET b 1", "+OK\r\n");
    EXPECT_PART(&f, "INFO", "# Server\r\nredis_version:7.2.4\r\nserver_name:strata\r\n");
    EXPECT_PART(&f, "INFO", "\r\nuptime_in_seconds:90061\r\nuptime_in_days:1\r\n");
    EXPECT_PART(&f, "INFO server", "\r\nserver_time_usec:1700000000123456\r\n");
    EXPECT_PART(&f, "INFO", "\r\n\r\n# Clients\r\nconnected_clients:3\r\n");
    EXPECT_PART(&f, "INFO memory", "\r\nmaxmemory_policy:noeviction\r\n");
    EXPECT_PART(&f, "INFO memory", "\r\nused_memory_rss_human:50.00M\r\n");
    EXPECT_PART(&f, "INFO STATS", "\r\nkeyspace_hits:5\r\nkeyspace_misses:6\r\n");
    EXPECT_PART(&f, "INFO persistence", "\r\nrdb_changes_since_last_save:8\r\n");
    EXPECT_PART(&f, "INFO all",
                "\r\ncmdstat_get:calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,failed_calls=2\r\n");
    EXPECT_PART(&f, "INFO latencystats", "\r\nlatency_percentiles_usec_get:p50=5.000,p99=9.900,p99.9=9.990\r\n");
    EXPECT_PART(&f, "INFO errorstats", "# Errorstats\r\nerrorstat_ERR:count=7\r\nerrorstat_WRONGTYPE:count=2\r\n");
    EXPECT_REPLY(&f, "INFO keyspace", "$47\r\n# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=5000\r\n\r\n");
    EXPECT_PART(&f, "INFO", "\r\n\r\n# Stores\r\nstore_default:policy=noeviction,entries=2,bytes=");
    EXPECT_PART(&f, "INFO stores", ",guaranteed=0,hits=5,misses=6,expired=1,evicted=7\r\n");
    EXPECT_REPLY(&f, "INFO nothing", "$0\r\n\r\n");
    EXPECT_REPLY(&f, "INFO cluster MODULES", "$43\r\n# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n");
    assert_false(cmd_fixture_contains(cmd_fixture_run(&f, "INFO"), "cmdstat_"));
    assert_true(cmd_fixture_contains(cmd_fixture_run(&f, "INFO commandstats default"), "# Keyspace"));
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "INFO cluster", "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n");
    close_both(&r, &f);
}

static void info_guesses_how_long_loading_takes(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    r.persistence = (struct cmd_persistence){
        .loading = true, .loading_since_ms = f.actor.now_ms - 157, .loading_bytes = 22, .loading_total = 7402565};
    EXPECT_PART(&f, "INFO persistence", "\r\nloading_loaded_perc:0.00\r\nloading_eta_seconds:1\r\n");
    r.persistence.loading_bytes = 0;
    EXPECT_PART(&f, "INFO persistence", "\r\nloading_eta_seconds:1\r\n");
    r.persistence.loading_total = 100 * 1000 * 1000;
    EXPECT_PART(&f, "INFO persistence", "\r\nloading_eta_seconds:11\r\n");
    r.persistence.loading_bytes = 999999;
    EXPECT_PART(&f, "INFO persistence", "\r\nloading_eta_seconds:10\r\n");
    r.persistence.loading_bytes = 1000000;
    EXPECT_PART(&f, "INFO persistence", "\r\nloading_loaded_perc:1.00\r\nloading_eta_seconds:28\r\n");
    r.persistence.loading_bytes = 100 * 1000 * 1000;
    EXPECT_PART(&f, "INFO persistence", "\r\nloading_loaded_perc:100.00\r\nloading_eta_seconds:1\r\n");
    close_both(&r, &f);
}

static void info_answers_inside_a_transaction(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "SET a 1 PX 5000", "+OK\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET b 2 PX 7000", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "INFO keyspace", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*2\r\n+OK\r\n$47\r\n# Keyspace\r\ndb0:keys=2,expires=2,avg_ttl=6000\r\n\r\n");
    close_both(&r, &f);
}

static void config_get_matches_several_patterns_without_case(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "CONFIG GET TIME* timeout x", "*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n");
    EXPECT_REPLY(&f, "CONFIG GET TimeOut time*", "*2\r\n$7\r\nTimeOut\r\n$1\r\n0\r\n");
    EXPECT_REPLY(
        &f, "CONFIG GET maxmem* timeout",
        "*6\r\n$7\r\ntimeout\r\n$1\r\n0\r\n$9\r\nmaxmemory\r\n$7\r\n1048576\r\n$16\r\nmaxmemory-policy\r\n$10\r\n"
        "noeviction\r\n");
    EXPECT_REPLY(&f, "CONFIG GET nothing", "*0\r\n");
    EXPECT_REPLY(&f, "CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n");
    f.client.protocol = 3;
    EXPECT_REPLY(&f, "CONFIG GET timeout", "%1\r\n$7\r\ntimeout\r\n$1\r\n0\r\n");
    close_both(&r, &f);
}

static void config_set_passes_all_pairs_at_once(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "CONFIG SET timeout 5", "+OK\r\n");
    assert_string_equal(r.timeout, "5");
    EXPECT_REPLY(&f, "CONFIG SET timeout 6 port 7", "-ERR refused 'port'\r\n");
    assert_string_equal(r.timeout, "5");
    EXPECT_REPLY(&f, "CONFIG SET timeout", "-ERR wrong number of arguments for 'config|set' command\r\n");
    EXPECT_REPLY(&f, "CONFIG SET timeout 1 port", "-ERR wrong number of arguments for 'config|set' command\r\n");
    EXPECT_REPLY(&f, "CONFIG REWRITE", "-ERR The server is running without a config file\r\n");
    EXPECT_REPLY(&f, "CONFIG RESETSTAT", "+OK\r\n");
    assert_int_equal(r.resets, 1);
    EXPECT_REPLY(&f, "CONFIG foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n");
    close_both(&r, &f);
}

static void log_command(struct reporter *r, enum cmd_log log, const char *name, uint64_t value) {
    struct slice arguments[] = {slice_from_string(name), SLICE("key")};
    struct slowlog_event event = {.unix_s = 1700000000,
                                  .value = value,
                                  .arguments = arguments,
                                  .argument_count = 2,
                                  .client_address = SLICE("127.0.0.1:1"),
                                  .client_name = SLICE("me")};
    assert_int_equal(slowlog_add(&r->logs[log], &event), STATUS_OK);
}

static void slowlog_shows_the_newest_first(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "SLOWLOG GET", "*0\r\n");
    log_command(&r, CMD_LOG_SLOW, "get", 5);
    log_command(&r, CMD_LOG_SLOW, "set", 6);
    EXPECT_REPLY(&f, "SLOWLOG LEN", ":2\r\n");
    EXPECT_REPLY(
        &f, "SLOWLOG GET 1",
        "*1\r\n*6\r\n:1\r\n:1700000000\r\n:6\r\n*2\r\n$3\r\nset\r\n$3\r\nkey\r\n$11\r\n127.0.0.1:1\r\n$2\r\nme\r\n");
    assert_true(slice_starts_with(cmd_fixture_run(&f, "SLOWLOG GET -1"), SLICE("*2\r\n")));
    EXPECT_REPLY(&f, "SLOWLOG GET -2", "-ERR count should be greater than or equal to -1\r\n");
    EXPECT_REPLY(&f, "SLOWLOG GET x", "-ERR count should be greater than or equal to -1\r\n");
    EXPECT_REPLY(&f, "SLOWLOG GET 0 EX",
                 "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.\r\n");
    EXPECT_REPLY(&f, "SLOWLOG RESET", "+OK\r\n");
    EXPECT_REPLY(&f, "SLOWLOG LEN", ":0\r\n");
    EXPECT_REPLY(&f, "SLOWLOG", "-ERR wrong number of arguments for 'slowlog' command\r\n");
    close_both(&r, &f);
}

static void commandlog_has_three_logs(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    log_command(&r, CMD_LOG_SLOW, "get", 5);
    log_command(&r, CMD_LOG_LARGE_REQUEST, "set", 2000000);
    log_command(&r, CMD_LOG_LARGE_REPLY, "get", 3000000);
    log_command(&r, CMD_LOG_LARGE_REPLY, "lcs", 4000000);
    EXPECT_REPLY(&f, "COMMANDLOG LEN slow", ":1\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG LEN LARGE-REPLY", ":2\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG GET 1 large-reply",
                 "*1\r\n*6\r\n:1\r\n:1700000000\r\n:4000000\r\n*2\r\n$3\r\nlcs\r\n$3\r\nkey\r\n$11\r\n127.0.0.1:1\r\n$"
                 "2\r\nme\r\n");
    assert_true(slice_starts_with(cmd_fixture_run(&f, "COMMANDLOG GET -1 large-request"), SLICE("*1\r\n*6\r\n:0\r\n")));
    EXPECT_PART(&f, "INFO stats", "\r\ncommandlog_large_reply_len:2\r\ncommandlog_large_reply_total:2\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG RESET large-reply", "+OK\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG LEN large-reply", ":0\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG LEN large-request", ":1\r\n");
    EXPECT_PART(&f, "INFO stats", "\r\ncommandlog_large_reply_len:0\r\ncommandlog_large_reply_total:2\r\n");
    EXPECT_REPLY(&f, "SLOWLOG RESET", "+OK\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG LEN slow", ":0\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG LEN fast",
                 "-ERR type should be one of the following: slow, large-request, large-reply\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG GET -2 slow", "-ERR count should be greater than or equal to -1\r\n");
    EXPECT_REPLY(&f, "COMMANDLOG GET 1", "-ERR wrong number of arguments for 'commandlog|get' command\r\n");
    close_both(&r, &f);
}

static void latency_commands_tell_of_spikes(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "LATENCY LATEST", "*0\r\n");
    EXPECT_REPLY(&f, "LATENCY HISTORY command", "*0\r\n");
    EXPECT_REPLY(&f, "LATENCY GRAPH command", "-ERR No samples available for event 'command'\r\n");
    EXPECT_PART(&f, "LATENCY DOCTOR", "No event took 10 ms or longer");
    latency_add(&r.latency, "command", FIXTURE_NOW_MS_SECONDS - 60, 30);
    latency_add(&r.latency, "command", FIXTURE_NOW_MS_SECONDS - 5, 20);
    EXPECT_REPLY(&f, "LATENCY LATEST", "*1\r\n*4\r\n$7\r\ncommand\r\n:1699999995\r\n:20\r\n:30\r\n");
    EXPECT_REPLY(&f, "LATENCY HISTORY command", "*2\r\n*2\r\n:1699999940\r\n:30\r\n*2\r\n:1699999995\r\n:20\r\n");
    EXPECT_PART(&f, "LATENCY GRAPH command", "command - high 30 ms, low 20 ms (all time high 30 ms)\n-----");
    EXPECT_PART(&f, "LATENCY DOCTOR", "- command: 2 spikes in the last 60 seconds, 25 ms on average");
    EXPECT_REPLY(&f, "LATENCY RESET x", ":0\r\n");
    EXPECT_REPLY(&f, "LATENCY RESET command", ":1\r\n");
    EXPECT_REPLY(&f, "LATENCY RESET", ":0\r\n");
    close_both(&r, &f);
}

static void latency_histogram_counts_up(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(
        &f, "LATENCY HISTOGRAM get",
        "*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:4\r\n$14\r\nhistogram_usec\r\n*4\r\n:4\r\n:3\r\n:132\r\n:4\r\n");
    assert_true(slice_starts_with(cmd_fixture_run(&f, "LATENCY HISTOGRAM"), SLICE("*2\r\n$3\r\nget\r\n")));
    assert_true(slice_starts_with(cmd_fixture_run(&f, "LATENCY HISTOGRAM GET get set"), SLICE("*2\r\n$3\r\nget\r\n")));
    EXPECT_REPLY(&f, "LATENCY HISTOGRAM set foo config|get config|foo", "*0\r\n");
    r.run_ns = UINT64_MAX;
    EXPECT_PART(&f, "LATENCY HISTOGRAM get", ":132\r\n:1\r\n");
    EXPECT_PART(&f, "LATENCY HISTOGRAM get", "\r\n:4\r\n");
    close_both(&r, &f);
}

static void memory_commands_measure_entries(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "MEMORY USAGE a", "$-1\r\n");
    EXPECT_REPLY(&f, "SET a 1", "+OK\r\n");
    EXPECT_REPLY(&f, "SET b 0123456789012345678901234567890123456789", "+OK\r\n");
    int64_t small = atoll((const char *)cmd_fixture_run(&f, "MEMORY USAGE a").data + 1);
    int64_t large = atoll((const char *)cmd_fixture_run(&f, "MEMORY USAGE b SAMPLES 0").data + 1);
    assert_true(small > 2 && small < 64);
    assert_true(large >= small + 39 && large < small + 64);
    EXPECT_REPLY(&f, "MEMORY USAGE a samples", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "MEMORY USAGE a samples -1", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "MEMORY USAGE a foo 3", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "MEMORY USAGE a samples x", "-ERR value is not an integer or out of range\r\n");
    EXPECT_PART(&f, "MEMORY STATS", "$10\r\nkeys.count\r\n:2\r\n");
    assert_true(slice_starts_with(cmd_fixture_run(&f, "MEMORY STATS"), SLICE("*44\r\n")));
    EXPECT_PART(&f, "MEMORY DOCTOR", "so little in memory");
    EXPECT_PART(&f, "MEMORY MALLOC-STATS", "entries: ");
    EXPECT_REPLY(&f, "MEMORY PURGE", "+OK\r\n");
    close_both(&r, &f);
}

static void doctor_names_problems(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    r.counts = (struct cmd_server_counts){.clients = 2, .input_buffers_bytes = 1 << 20, .memory_peak_bytes = 100 << 20};
    struct slice argv[] = {SLICE("SET"), SLICE("big"), slice_make(calloc(1, 8 << 20), 8 << 20)};
    assert_true(slice_equal(cmd_fixture_run_argv(&f, argv, 3), SLICE("+OK\r\n")));
    free((void *)argv[2].data);
    EXPECT_PART(&f, "MEMORY DOCTOR", "The peak was much higher");
    EXPECT_PART(&f, "MEMORY DOCTOR", "times the memory in use");
    EXPECT_PART(&f, "MEMORY DOCTOR", "Clients have 524288 bytes of buffers each");
    assert_false(cmd_fixture_contains(cmd_fixture_run(&f, "MEMORY DOCTOR"), "swapped out"));
    r.bad_system = true;
    EXPECT_PART(&f, "MEMORY DOCTOR", "- 10485760 bytes of the process were swapped out");
    EXPECT_PART(&f, "MEMORY DOCTOR", "vm.overcommit_memory is 2");
    EXPECT_PART(&f, "MEMORY DOCTOR", "Huge pages are switched off");
    assert_false(cmd_fixture_contains(cmd_fixture_run(&f, "MEMORY DOCTOR"), "invalidated by tags"));
    close_both(&r, &f);
}

static void shutdown_takes_the_options_of_redis(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n");
    EXPECT_REPLY(&f, "SHUTDOWN foo", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "SHUTDOWN NOSAVE SAVE", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "SHUTDOWN ABORT NOW", "-ERR syntax error\r\n");
    EXPECT_REPLY(&f, "SHUTDOWN SAVE", "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    assert_int_equal(r.stops, 0);
    EXPECT_REPLY(&f, "SHUTDOWN nosave now force", "");
    assert_true(r.stops == 1 && r.now && r.force && r.saves == CMD_SAVE_NO);
    EXPECT_REPLY(&f, "SHUTDOWN ABORT", "+OK\r\n");
    assert_false(r.stopping);
    close_both(&r, &f);
}

static void time_and_monitor_answer(void **state) {
    struct reporter r;
    struct cmd_fixture f;
    open_both(&r, &f);
    EXPECT_REPLY(&f, "TIME", "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n");
    EXPECT_REPLY(&f, "MONITOR", "+OK\r\n");
    EXPECT_REPLY(&f, "MONITOR", "+OK\r\n");
    assert_int_equal(r.monitors, 1);
    close_both(&r, &f);
}

UNIT_TESTS(server, UNIT(info_shows_what_the_server_counts), UNIT(info_guesses_how_long_loading_takes),
           UNIT(info_answers_inside_a_transaction), UNIT(config_get_matches_several_patterns_without_case),
           UNIT(config_set_passes_all_pairs_at_once), UNIT(slowlog_shows_the_newest_first),
           UNIT(commandlog_has_three_logs), UNIT(latency_commands_tell_of_spikes), UNIT(latency_histogram_counts_up),
           UNIT(memory_commands_measure_entries), UNIT(doctor_names_problems),
           UNIT(shutdown_takes_the_options_of_redis), UNIT(time_and_monitor_answer));
