/* app/server/server_start_fixture.h: a real server on a free port of loopback, for the tests of this folder. */
#ifndef STRATA_APP_SERVER_START_FIXTURE_H
#define STRATA_APP_SERVER_START_FIXTURE_H

#include <string.h>

#include "app/server/server.h"
#include "unit.h"

static inline void testing_server_config(struct config *config, unsigned threads) {
    struct config_machine machine = {.memory_bytes = 1ull << 30, .cores = 2};
    config_defaults(config, &machine);
    config->values.port = 0;
    config->values.threads = threads;
    config->values.maxmemory_bytes = 32 << 20;
    config->values.loglevel = CONFIG_LOGLEVEL_WARNING;
    config->values.bind.count = 1;
    strcpy(config->values.bind.items[0], "127.0.0.1");
}

static inline struct server *testing_server_start(const struct config *config) {
    struct server *server = NULL;
    assert_int_equal(server_start(config, &server), STATUS_OK);
    assert_true(server_port(server) != 0);
    return server;
}

#endif
