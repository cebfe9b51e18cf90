/* Whatever the server has no memory for is refused or told of: nothing is half done, forgotten in silence, or lost. */
#include "scarce.h"
#include "app/server/server_start_fixture.h"

static const char rules[] =
    "version: 1\n"
    "keys:\n"
    "  \"user:{id}\": { ttl: 1h, stale: 10m, invalidates: [\"page:{id}\", \"feed:{id}:*\"] }\n"
    "  \"page:{id}\": { ttl: 1h, tags: [\"author:{id}\"] }\n"
    "  \"feed:{id}:{n}\": {}\n"
    "events:\n"
    "  user.gone: { invalidate: [\"user:{data.id}\"] }\n"
    "  users.gone: { invalidate: [\"user:{data.ids[]}\"] }\n";

static const char stores[] =
    "version: 1\n"
    "stores:\n"
    "  pages: { memory: 2mb }\n"
    "keys:\n"
    "  \"user:{id}\": { store: pages, ttl: 1h, invalidates: [\"page:{id}\"] }\n"
    "  \"page:{id}\": { quota: 1mb }\n";

#define PREPARED                                                                                      \
    .manifest = rules,                                                                                \
    .prepare = {"FLUSHALL",       "RULES LOAD @",          "SET user:1 a", "SET page:1 p TAGS 2 t u", \
                "SET feed:1:1 f", "SET other:1 o TAGS 1 t"}
#define ALL_THERE \
    {"GET page:1", NULL, "p"}, {"GET feed:1:1", NULL, "f"}, { "GET other:1", NULL, "o" }

static const struct scene invalidations[] = {
    {.name = "a key and what follows",
     PREPARED,
     .act = {"INVALIDATE KEY user:1 REASON why"},
     .judge = {{"GET page:1", "nil", "p"}, {"GET feed:1:1", "nil", "f"}, {"GET user:1", "nil", "a"}}},
    {.name = "softly",
     PREPARED,
     .act = {"INVALIDATE KEY user:1 SOFT"},
     .judge = {{"GET page:1", "nil", "p"}, {"GET feed:1:1", "nil", "f"}, {"GET user:1", "nil", "a"}}},
    {.name = "a tag",
     PREPARED,
     .act = {"TAG INVALIDATE t nobody"},
     .judge = {{"GET page:1", "nil", "p"}, {"GET other:1", "nil", "o"}, {"GET feed:1:1", "f", "f"}}},
    {.name = "a class",
     PREPARED,
     .act = {"INVALIDATE CLASS page:{id}"},
     .judge = {{"GET page:1", "nil", "p"}, {"GET other:1", "o", "o"}}},
    {.name = "a pattern",
     PREPARED,
     .act = {"INVALIDATE PATTERN *r:1"},
     .judge = {{"GET other:1", "nil", "o"}, {"GET user:1", "nil", "a"}, {"GET page:1", "nil", "p"}}},
    {.name = "a pattern in a large database",
     .manifest = rules,
     .prepare = {"FLUSHALL", "RULES LOAD @", "CONFIG SET pattern-search-max-keys 0", "SET user:1 a", "SET page:1 p",
                 "SET other:1 o"},
     .act = {"INVALIDATE PATTERN *r:1"},
     .judge = {{"GET other:1", "nil", "o"},
               {"GET user:1", "nil", "a"},
               {"GET page:1", "nil", "p"},
               {"CONFIG SET pattern-search-max-keys 10000", "+OK", "+OK"}}},
    {.name = "an expression",
     PREPARED,
     .act = {"INVALIDATE REGEX ^(user|other):[0-9]$"},
     .judge = {{"GET other:1", "nil", "o"}, {"GET user:1", "nil", "a"}, {"GET page:1", "nil", "p"}}},
    {.name = "an event",
     PREPARED,
     .act = {"EVENT EMIT user.gone {\"id\":1}"},
     .judge = {{"GET user:1", "nil", "a"}, {"GET page:1", "nil", "p"}, {"GET feed:1:1", "nil", "f"}}},
    {.name = "an event with a list",
     PREPARED,
     .act = {"EVENT EMIT users.gone {\"ids\":[3,1,2]}"},
     .judge = {{"GET user:1", "nil", "a"}, {"GET page:1", "nil", "p"}}},
    {.name = "a try",
     PREPARED,
     .act = {"INVALIDATE KEY user:1 DRYRUN"},
     .judge = {{"GET page:1", "p", "p"}, {"GET user:1", "a", "a"}}},
    {.name = "a write and what follows",
     PREPARED,
     .act = {"SET user:1 b"},
     .judge = {{"GET user:1", "b|nil", "a"}, {"GET page:1", "nil", "p"}, {"GET feed:1:1", "nil", "f"}}},
    {.name = "several writes",
     PREPARED,
     .act = {"MSET user:1 b user:2 c other:2 d"},
     .judge = {{"GET user:1", "b|nil", "a"}, {"GET other:2", "d", "nil"}, {"GET page:1", "nil", "p"}}},
    {.name = "a transaction",
     PREPARED,
     .act = {"MULTI", "SET user:1 b", "DEL other:1", "EXEC"},
     .may_refuse = true,
     .judge = {{"GET user:1", "b|nil", "a"}, {"GET other:1", "nil", "o"}, {"GET page:1", "nil", "p"}}},
    {.name = "tags of a key",
     PREPARED,
     .act = {"TAG ADD other:1 v"},
     .judge = {{"TAG COUNT v", ":1", ":0"}, {"GET other:1", "o", "o"}}},
};

static const struct scene loads[] = {
    {.name = "rules",
     .manifest = rules,
     .prepare = {"FLUSHALL", "RULES LOAD version:\t1", "SET page:1 p", "SET other:1 o"},
     .act = {"RULES LOAD @"},
     .judge = {{"RULES INFO", "* classes :3", "* classes :0"},
               {"GET other:1", "o|nil", "o"},
               {"INVALIDATE CLASS page:{id}", ":1|:0", "-ERR no class"},
               {"GET page:1", "nil", "p"}}},
    {.name = "rules with stores",
     .manifest = stores,
     .prepare = {"FLUSHALL", "RULES LOAD version:\t1", "SET user:1 a", "SET page:1 p", "SET other:1 o"},
     .act = {"RULES LOAD @"},
     .may_refuse = true,
     .judge = {{"RULES INFO", "* classes :2", "* classes :0"},
               {"STORE LIST", "* default pages", "* default "},
               {"GET user:1", "a|nil", "a"},
               {"GET other:1", "o|nil", "o"},
               {"INVALIDATE KEY user:1", ":", ":"},
               {"GET page:1", "nil", "p"},
               {"GET user:1", "nil", "nil"},
               {"DEL page:1 other:1", ":", ":"},
               {"DBSIZE", ":0", ":0"}}},
    {.name = "rules without the stores",
     .manifest = stores,
     .prepare = {"FLUSHALL", "RULES LOAD @", "SET user:1 a", "SET page:1 p"},
     .act = {"RULES LOAD version:\t1"},
     .may_refuse = true,
     .judge = {{"RULES INFO", "* classes :0", "* classes :2"},
               {"GET user:1", "a|nil", "a"},
               {"GET page:1", "p|nil", "p"},
               {"DEL user:1 page:1", ":", ":"},
               {"DBSIZE", ":0", ":0"}}},
    {.name = "a check", .manifest = rules, .act = {"RULES CHECK @"}, .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "a difference",
     .manifest = stores,
     .prepare = {"RULES LOAD version:\t1"},
     .act = {"RULES DIFF @"},
     .judge = {{"PING", "+PONG", "+PONG"}}},
};

static const struct scene leases[] = {
    {.name = "a lease",
     PREPARED,
     .act = {"CGET miss LEASE 50000"},
     .may_refuse = true,
     .judge = {{"CGET miss LEASE 50000", "* BUSY", "* LOAD"}}},
    {.name = "a bound lease",
     PREPARED,
     .act = {"CGET miss LEASE 50000 BOUND"},
     .may_refuse = true,
     .judge = {{"CGET miss LEASE 50000", "* BUSY", "* LOAD"}}},
    {.name = "a load",
     PREPARED,
     .act = {"CGET miss LEASE 50000", "CSET miss v TOKEN $ EX 100 STALE 1000 TAGS 2 t u"},
     .may_refuse = true,
     .judge = {{"GET miss", "v", "nil"}, {"TAG COUNT t", ":3", ":2"}}},
    {.name = "a load of nothing",
     PREPARED,
     .act = {"CGET miss LEASE 50000", "CSET miss _ TOKEN $ NEGATIVE EX 100 TAGS 1 t"},
     .may_refuse = true,
     .judge = {{"CGET miss", "* NEGATIVE", "* MISS"}}},
    {.name = "a waiter of RESP3",
     PREPARED,
     .listen = {"CGET user:9 LEASE 50000"},
     .act = {"CGET user:9 WAIT 50"},
     .resp3 = true,
     .may_refuse = true,
     .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "a waiter",
     PREPARED,
     .listen = {"CGET user:9 LEASE 50000"},
     .act = {"CGET user:9 WAIT 1"},
     .may_refuse = true,
     .judge = {{"INFO clients", NULL, NULL}}},
};

static const struct scene streams[] = {
    {.name = "a record",
     PREPARED,
     .listen = {"STREAM SUBSCRIBE"},
     .act = {"DEL other:1"},
     .resp3 = true,
     .heard = {"other:1", "gap", "lost"},
     .judge = {{"GET other:1", "nil", "o"}}},
    {.name = "a record for RESP2",
     PREPARED,
     .listen = {"STREAM SUBSCRIBE WRITES"},
     .act = {"SET other:1 x"},
     .heard = {"other:1", "gap", "lost"},
     .judge = {{"GET other:1", "x", "o"}}},
    {.name = "records of an invalidation",
     PREPARED,
     .listen = {"STREAM SUBSCRIBE PREFIX page:"},
     .act = {"INVALIDATE KEY user:1"},
     .resp3 = true,
     .heard = {"page:1", "gap", "lost"},
     .judge = {{"GET page:1", "nil", "p"}}},
    {.name = "records of an expression",
     PREPARED,
     .listen = {"STREAM SUBSCRIBE PREFIX other:"},
     .act = {"INVALIDATE REGEX ^other"},
     .resp3 = true,
     .may_refuse = true,
     .heard = {"other:1", "gap", "lost", "flushed"},
     .judge = {{"GET other:1", "nil", "o"}}},
    {.name = "a subscription",
     PREPARED,
     .act = {"STREAM SUBSCRIBE PREFIX a: CLASS page:{id} TAG t ACK"},
     .resp3 = true,
     .judge = {{"INFO stream", NULL, NULL}, {"DEL a:1", ":0", ":0"}}},
    {.name = "reading",
     PREPARED,
     .act = {"STREAM POSITION", "DEL a", "STREAM READ FROM x 0 WRITES PREFIX a"},
     .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "waiting for acknowledgements",
     PREPARED,
     .listen = {"STREAM SUBSCRIBE ACK"},
     .act = {"INVALIDATE KEY other:1 SYNC 1"},
     .resp3 = true,
     .may_refuse = true,
     .judge = {{"PING", "+PONG", "+PONG"}, {"GET other:1", "nil", NULL}}},
};

static const struct scene tracked[] = {
    {.name = "a change of what was read",
     PREPARED,
     .listen = {"CLIENT TRACKING on", "GET other:1"},
     .act = {"SET other:1 x"},
     .resp3 = true,
     .heard = {"other:1", "invalidate nil"},
     .judge = {{"GET other:1", "x", "o"}}},
    {.name = "a tag of what was read",
     PREPARED,
     .listen = {"CLIENT TRACKING on", "GET other:1"},
     .act = {"TAG INVALIDATE t"},
     .resp3 = true,
     .heard = {"other:1", "invalidate nil"},
     .judge = {{"GET other:1", "nil", "o"}}},
    {.name = "a change by prefix",
     PREPARED,
     .listen = {"CLIENT TRACKING on BCAST PREFIX oth"},
     .act = {"SET other:1 x"},
     .resp3 = true,
     .heard = {"other:1", "invalidate nil"},
     .judge = {{"GET other:1", "x", "o"}}},
    {.name = "what follows from a change",
     PREPARED,
     .listen = {"CLIENT TRACKING on", "GET page:1", "GET feed:1:1"},
     .act = {"DEL user:1"},
     .resp3 = true,
     .heard = {"page:1", "invalidate nil"},
     .judge = {{"GET page:1", "nil", "p"}}},
    {.name = "tracking begins",
     PREPARED,
     .act = {"CLIENT TRACKING on BCAST PREFIX a PREFIX b"},
     .resp3 = true,
     .judge = {{"SET a 1", "+OK", "+OK"}}},
    {.name = "tracking",
     PREPARED,
     .act = {"CLIENT TRACKING on", "GET other:1", "MGET user:1 page:1"},
     .resp3 = true,
     .judge = {{"SET other:1 1", "+OK", "+OK"}}},
};

static const struct scene looks[] = {
    {.name = "an explanation",
     PREPARED,
     .act = {"CLIENT SETNAME me", "DEL other:1", "EXPLAIN other:1"},
     .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "an explanation of what is there",
     PREPARED,
     .act = {"EXPLAIN page:1"},
     .judge = {{"GET page:1", "p", "p"}}},
    {.name = "classes", PREPARED, .act = {"STATS CLASS"}, .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "figures", PREPARED, .act = {"INFO all"}, .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "bearers", PREPARED, .act = {"TAG KEYS t 0"}, .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "a class of a key", PREPARED, .act = {"RULES MATCH user:1"}, .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "another history",
     .prepare = {"CONFIG SET history-max-bytes 65536"},
     .act = {"CONFIG SET history-max-bytes 8388608"},
     .may_refuse = true,
     .judge = {{"DEL x", ":0", ":0"}, {"EXPLAIN x", "* state absent", "* state absent"}}},
    {.name = "a smaller ring",
     .act = {"CONFIG SET stream-max-bytes 1048576", "CONFIG SET stream-max-bytes 16777216"},
     .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "clients", .act = {"CLIENT LIST"}, .judge = {{"PING", "+PONG", "+PONG"}}},
    {.name = "stores", .act = {"STORE LIST", "STORE INFO default"}, .judge = {{"PING", "+PONG", "+PONG"}}},
};

static void play(const struct scene *scenes, size_t count) {
    struct config config;
    testing_server_config(&config, 1);
    struct server *server = testing_server_start(&config);
    uint64_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct scarce_counts counts = {0};
        scarce_play(server, &scenes[i], &counts);
        printf("%-34s %4llu allocations failed: %4llu times it was done all the same, %4llu refused, %4llu cut\n",
               scenes[i].name, (unsigned long long)counts.rounds, (unsigned long long)counts.done,
               (unsigned long long)counts.refused, (unsigned long long)counts.cut);
        fflush(stdout);
        wrong += counts.wrong;
    }
    server_stop(server);
    server_free(server);
    assert_int_equal(wrong, 0);
}

/* What is left behind is found by the sanitizer of leaks. */
static void a_server_starts_as_a_whole_or_not_at_all(void **state) {
    (void)state;
    char path[] = "/tmp/strata-scarce-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, stores, sizeof stores - 1), (ssize_t)sizeof stores - 1);
    close(fd);
    uint64_t started = 0, n = 0;
    bool has_failed = true;
    for (; has_failed; n++) {
        struct config config;
        struct server *server = NULL;
        testing_server_config(&config, 2);
        strcpy(config.values.rules, path);
        scarce_fail_from(n, false);
        enum status status = server_start(&config, &server);
        has_failed = scarce_fail_no_more();
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY || status == STATUS_IO); /* IO: of the file */
        assert_true(has_failed || status == STATUS_OK);
        assert_true((server != NULL) == (status == STATUS_OK));
        started += status == STATUS_OK;
        if (server)
            server_free(server);
    }
    unlink(path);
    printf("%llu starts, %llu of them well\n", (unsigned long long)n, (unsigned long long)started);
    assert_true(started > 0 && started < n);
}

#define CASE(name, scenes)                              \
    static void name(void **state) {                    \
        (void)state;                                    \
        play(scenes, sizeof scenes / sizeof *(scenes)); \
    }

CASE(invalidations_are_done_or_refused, invalidations)
CASE(rules_are_those_from_before_or_those_from_now_on, loads)
CASE(leases_are_given_or_not, leases)
CASE(the_stream_leaves_nothing_out, streams)
CASE(clients_forget_what_they_cannot_be_told_of, tracked)
CASE(questions_are_answered_or_refused, looks)

UNIT_TESTS(scarce, UNIT(invalidations_are_done_or_refused), UNIT(rules_are_those_from_before_or_those_from_now_on),
           UNIT(leases_are_given_or_not), UNIT(the_stream_leaves_nothing_out),
           UNIT(clients_forget_what_they_cannot_be_told_of), UNIT(questions_are_answered_or_refused),
           UNIT(a_server_starts_as_a_whole_or_not_at_all));
