/* After an acknowledged invalidation no read returns an older value; and what would break that is found. */
#include <inttypes.h>

#include "app/server/server_start_fixture.h"
#include "app/server/worker.h"
#include "truth.h"

enum {
    THREADS = 3,
    CHANGES = UNIT_SANITIZED ? 150 : 500, /* of each kind */
    CHANGES_EXPIRING = UNIT_SANITIZED ? 80 : 300,
    CHANGES_PRESSED = 1000,  /* fewer would not fill it */
    CHANGES_FAULTY = 200000, /* until a fault has to have been found */
    PRESSED_BYTES = 1 << 20,
};

/* `bans`: patterns that are no class's are banned and not looked for. */
static struct server *begin(uint64_t limit_bytes, bool bans) {
    struct config config;
    testing_server_config(&config, THREADS);
    config.values.maxmemory_bytes = limit_bytes;
    config.values.pattern_search_max_keys = bans ? 0 : INT64_MAX;
    config.values.maxmemory_policy = CONFIG_MAXMEMORY_POLICY_ALLKEYS_LFU;
    return testing_server_start(&config);
}

static void load_rules(struct server *server) {
    struct peer *peer = malloc(sizeof *peer);
    char *manifest = kinds_manifest(false), *request = malloc(strlen(manifest) + 100);
    assert_non_null(peer);
    assert_non_null(request);
    sprintf(request, "*3\r\n$5\r\nRULES\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n", strlen(manifest), manifest);
    peer_connect(peer, server);
    peer_say(peer, request);
    assert_string_equal(peer_line(peer), "+OK");
    close(peer->fd);
    free(peer);
    free(manifest);
    free(request);
}

static void end(struct server *server) {
    server_stop(server);
    server_free(server);
}

/* For the soak, which is this test for longer. */
static uint64_t changes_wanted(uint64_t usual) {
    const char *text = getenv("STRATA_TRUTH_CHANGES");
    return text ? strtoull(text, NULL, 10) : usual;
}

static void no_read_is_older_than_what_was_acknowledged(void **state) {
    (void)state;
    struct server *server = begin(32 << 20, false);
    load_rules(server);
    const struct truth_options options = {.changes = changes_wanted(CHANGES)};
    assert_int_equal(truth_play(server, &options), 0);
    end(server);
}

static void nor_where_values_expire(void **state) {
    (void)state;
    struct server *server = begin(32 << 20, true);
    load_rules(server);
    const struct truth_options options = {.changes = changes_wanted(CHANGES_EXPIRING), .expires = true};
    assert_int_equal(truth_play(server, &options), 0);
    end(server);
}

static void nor_where_values_are_evicted(void **state) {
    (void)state;
    struct server *server = begin(PRESSED_BYTES, true);
    load_rules(server);
    const struct truth_options options = {.changes = changes_wanted(CHANGES_PRESSED), .fills = true};
    assert_int_equal(truth_play(server, &options), 0);
    struct cmd_server_counts counts;
    server->api.api->counts(&server->api, &counts);
    assert_true(counts.evicted > 0);
    end(server);
}

static void nor_while_stores_move(void **state) {
    (void)state;
    struct server *server = begin(32 << 20, true);
    load_rules(server);
    const struct truth_options options = {.changes = changes_wanted(CHANGES), .moving = true};
    assert_int_equal(truth_play(server, &options), 0);
    end(server);
}

/* Once is enough: a sanitizer has nothing to say about it. */
static void every_planted_fault_is_found(void **state) {
    (void)state;
    if (UNIT_SANITIZED)
        return;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
        if (fault == FAULT_RENEWED && !getenv("STRATA_TRUTH_CHANGES"))
            continue; /* a window of nanoseconds, found in a minute or two: in the soak */
        struct server *server = begin(32 << 20, fault == FAULT_BAN);
        load_rules(server);
        printf("forgotten: %s\n", fault_names[fault]);
        atomic_store(&fault_planted, (int)fault);
        const struct truth_options options = {.changes = CHANGES_FAULTY, .until_stale = true};
        uint64_t stale = truth_play(server, &options);
        atomic_store(&fault_planted, FAULT_NONE);
        end(server);
        assert_true(stale > 0);
    }
}

UNIT_TESTS(truth, UNIT(no_read_is_older_than_what_was_acknowledged), UNIT(nor_where_values_expire),
           UNIT(nor_where_values_are_evicted), UNIT(nor_while_stores_move), UNIT(every_planted_fault_is_found));
