#include "app/server/server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/server/server_start_fixture.h"
#include "app/server/state.h"
#include "sys/os/log.h"
#include "unit.h"

static struct server *server_started(unsigned threads) {
    struct config config;
    testing_server_config(&config, threads);
    return testing_server_start(&config);
}

static struct server *server_of_stores(const char *text) {
    struct config_machine machine = {.memory_bytes = 1ull << 30, .cores = 2};
    struct config config;
    struct config_error error;
    config_defaults(&config, &machine);
    if (config_load_yaml(&config, slice_from_string(text), "test.yaml", &error) != STATUS_OK)
        fail_msg("%s", error.text);
    config.values.port = 0;
    config.values.loglevel = CONFIG_LOGLEVEL_WARNING;
    struct server *server = NULL;
    assert_int_equal(server_start(&config, &server), STATUS_OK);
    return server;
}

static int connected_to(const struct server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void hear(int fd, const char *expected) {
    char text[512];
    size_t size = 0, wanted = strlen(expected);
    assert_true(wanted < sizeof text);
    while (size < wanted) {
        ssize_t got = recv(fd, text + size, wanted - size, 0);
        assert_true(got > 0);
        size += (size_t)got;
    }
    text[size] = 0;
    assert_string_equal(text, expected);
}

static void requests_are_answered_in_order_and_counted(void **state) {
    struct server *server = server_started(2);
    int one = connected_to(server), two = connected_to(server);
    say(one, "SET a 1\r\nGET a\r\nGET\r\n");
    hear(one, "+OK\r\n$1\r\n1\r\n-ERR wrong number of arguments for 'get' command\r\n");
    say(two, "*1\r\n$4\r\nPI");
    say(one, "GET a\r\n");
    hear(one, "$1\r\n1\r\n");
    say(two, "NG\r\n");
    hear(two, "+PONG\r\n");

    struct cmd_server_counts counts;
    server->api.api->counts(&server->api, &counts);
    assert_int_equal(counts.connections_received, 2);
    assert_int_equal(counts.clients, 2);
    assert_int_equal(counts.commands, 5);
    assert_int_equal(counts.errors, 1);
    assert_int_equal(counts.hits, 2);
    struct cmd_command_counts get;
    server->api.api->command_counts(&server->api, cmd_lookup(SLICE("get"))->index, &get);
    assert_int_equal(get.calls, 2);
    assert_int_equal(get.rejected, 1);
    struct actor_counts of_store;
    server->api.api->store_counts(&server->api, 0, &of_store);
    assert_int_equal(of_store.hits, 2);
    server->api.api->reset_counts(&server->api);
    server->api.api->store_counts(&server->api, 0, &of_store);
    assert_int_equal(of_store.hits, 0);
    server->api.api->counts(&server->api, &counts);
    assert_int_equal(counts.commands, 0);
    close(one);
    close(two);
    server_free(server);
}

static void idle_connections_hold_no_buffer(void **state) {
    struct server *server = server_started(1);
    int one = connected_to(server);
    say(one, "*2\r\n$4\r\nECHO\r\n$3\r\na");
    struct cmd_server_counts counts;
    do
        server->api.api->counts(&server->api, &counts);
    while (counts.reads == 0);
    assert_true(counts.input_buffers_bytes > 0);
    say(one, "bc\r\n");
    hear(one, "$3\r\nabc\r\n");
    /* A second question is only answered after the turn of the first is over. */
    say(one, "PING\r\n");
    hear(one, "+PONG\r\n");
    server->api.api->counts(&server->api, &counts);
    assert_int_equal(counts.input_buffers_bytes, 0);
    assert_int_equal(counts.output_buffers_bytes, 0);
    close(one);
    server_free(server);
}

static void settings_change_while_running(void **state) {
    struct server *server = server_started(2);
    char error[256] = "";
    struct slice names[] = {SLICE("maxclients"), SLICE("timeout")}, values[] = {SLICE("77"), SLICE("never")};
    assert_false(server->api.api->config_set(&server->api, names, values, 2, error, sizeof error));
    assert_true(error[0]);
    assert_true(SETTING(server, clients_max) != 77);
    values[1] = SLICE("30");
    assert_true(server->api.api->config_set(&server->api, names, values, 2, error, sizeof error));
    assert_int_equal(SETTING(server, clients_max), 77);
    assert_int_equal(SETTING(server, timeout_s), 30);

    struct slice name = SLICE("requirepass"), password = SLICE("secret");
    assert_true(server->api.api->config_set(&server->api, &name, &password, 1, error, sizeof error));
    int one = connected_to(server);
    say(one, "GET a\r\nAUTH secreT\r\nAUTH secret\r\nGET a\r\n");
    hear(one,
         "-NOAUTH Authentication required.\r\n-WRONGPASS invalid username-password pair or user is "
         "disabled.\r\n+OK\r\n$-1\r\n");
    int two = connected_to(server);
    say(two, "GET a\r\n");
    hear(two, "-NOAUTH Authentication required.\r\n");
    password = SLICE("");
    assert_true(server->api.api->config_set(&server->api, &name, &password, 1, error, sizeof error));
    say(two, "GET a\r\n");
    hear(two, "$-1\r\n");
    close(two);
    close(one);
    server_free(server);
}

static struct cache_store_info store_named(const struct server *server, struct slice name, uint32_t *ret_number) {
    struct cache_store_info info;
    assert_true(cache_store_find(server->cache, name, ret_number));
    cache_store_info(server->cache, *ret_number, &info);
    return info;
}

static void stores_of_the_configuration_are_the_caches(void **state) {
    struct server *server = server_of_stores(
        "maxmemory: 32mb\nmaxmemory-policy: allkeys-lru\nmaxentries: 500\nthreads: 2\nstores:\n"
        "  q: { keys: ['q:*'], memory: 25%, policy: noeviction, entries: 99, ttl: 5s, filter: { kind: cuckoo, rate: 2% "
        "} }\n"
        "  r: { keys: ['r:*'], memory: 1mb }\n");
    uint32_t number;
    struct cache_store_info info = store_named(server, SLICE("q"), &number);
    assert_int_equal(info.policy, CACHE_NOEVICTION);
    assert_int_equal(info.guaranteed_bytes, (32 << 20) / 1000 * 250);
    assert_int_equal(info.entries_max, 99);
    assert_int_equal(info.ttl_ms, 5000);
    struct actor actor = {.id = 1000};
    struct cache_filter_info filter;
    assert_int_equal(cache_filter_info(server->cache, &actor, number, &filter), STATUS_OK);
    assert_int_not_equal(filter.state, CACHE_FILTER_OFF);
    assert_int_equal(filter.wanted_rate_ppm, 20000);
    info = store_named(server, SLICE("r"), &number);
    assert_int_equal(info.policy, CACHE_ALLKEYS_LRU);
    assert_int_equal(info.guaranteed_bytes, 1 << 20);
    assert_int_equal(info.entries_max, 0);
    assert_int_equal(cache_filter_info(server->cache, &actor, number, &filter), STATUS_OK);
    assert_int_equal(filter.state, CACHE_FILTER_OFF);
    info = store_named(server, SLICE("default"), &number);
    assert_int_equal(number, 0);
    assert_int_equal(info.entries_max, 500);
    int one = connected_to(server);
    say(one, "SET q:1 a\r\nGET q:2\r\nGET q:1\r\nGET x\r\n");
    hear(one, "+OK\r\n$-1\r\n$1\r\na\r\n$-1\r\n");
    struct actor_counts counts;
    (void)store_named(server, SLICE("q"), &number);
    server->api.api->store_counts(&server->api, number, &counts);
    assert_int_equal(counts.hits, 1);
    assert_int_equal(counts.misses, 1);
    close(one);
    server_free(server);
}

static void more_clients_than_open_files_are_refused(void **state) {
    enum { FILES_MAX = 20000, NOBODY = 65534 };
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_max = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    limit.rlim_cur = limit.rlim_cur < limit.rlim_max ? limit.rlim_cur : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct server *server = server_started(1);
    uint32_t before = SETTING(server, clients_max);
    char error[256] = "";
    struct slice name = SLICE("maxclients"), value = SLICE("1000000");
    /* Whoever is privileged may raise the limit as far as he likes. */
    uid_t user = geteuid();
    assert_true(user != 0 || seteuid(NOBODY) == 0);
    assert_false(server->api.api->config_set(&server->api, &name, &value, 1, error, sizeof error));
    static const char text[] =
        "CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not "
        "able to handle the specified number of clients, try with ";
    assert_memory_equal(error, text, sizeof text - 1);
    assert_int_equal(SETTING(server, clients_max), before);
    /* What it says works. */
    value = slice_from_string(error + sizeof text - 1);
    assert_true(server->api.api->config_set(&server->api, &name, &value, 1, error, sizeof error));
    assert_true(SETTING(server, clients_max) >= before && SETTING(server, clients_max) < limit.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur > SETTING(server, clients_max));
    assert_int_equal(seteuid(user), 0);
    server_free(server);
}

static void a_taken_port_is_refused(void **state) {
    struct server *server = server_started(1), *second = NULL;
    struct config config = server->config;
    config.values.port = server_port(server);
    log_level_set(LOG_NOTHING);
    config.values.loglevel = CONFIG_LOGLEVEL_WARNING;
    assert_int_equal(server_start(&config, &second), STATUS_BUSY);
    assert_null(second);
    int one = connected_to(server);
    say(one, "PING\r\n");
    hear(one, "+PONG\r\n");
    close(one);
    server_free(server);
}

static void a_signal_ends_the_wait(void **state) {
    struct server *server = server_started(2);
    int one = connected_to(server);
    say(one, "INCR n\r\nINCR n\r\n");
    kill(getpid(), SIGTERM);
    server_wait(server);
    server_free(server);
    hear(one, ":1\r\n:2\r\n");
    char byte;
    assert_int_equal(recv(one, &byte, 1, 0), 0);
    close(one);
}

UNIT_TESTS(server, UNIT(requests_are_answered_in_order_and_counted), UNIT(idle_connections_hold_no_buffer),
           UNIT(settings_change_while_running), UNIT(stores_of_the_configuration_are_the_caches),
           UNIT(more_clients_than_open_files_are_refused), UNIT(a_taken_port_is_refused), UNIT(a_signal_ends_the_wait));
