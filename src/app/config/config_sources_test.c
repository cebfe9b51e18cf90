#include <stdio.h>
#include <unistd.h>

#include "app/config/config.h"
#include "base/bits.h"
#include "unit.h"

static const struct config_machine machine = {.memory_bytes = 8ull << 30, .cores = 4};

enum { WORDS_MAX = 12 };

static const struct {
    const char *flags[WORDS_MAX], *error;
} wrong_flags[] = {
    {{"--prot", "1"}, "--prot: unknown flag: did you mean '--port'?"},
    {{"--max-memory=1gb"}, "--max-memory: unknown flag: did you mean '--maxmemory'?"},
    {{"--check"}, "--check: unknown flag: did you mean '--check-config'?"},
    {{"--zebra", "1"}, "--zebra: unknown flag: 'strata server --help' lists them all"},
    {{"--port"}, "--port: has no value"},
    {{"--port", "--bind", "127.0.0.1"}, "--port: has no value ('--bind' is the next flag)"},
    {{"--port=x"}, "--port: 'x' is not a whole number"},
    {{"--port", "1", "--port", "2"}, "--port: is given twice"},
    {{"--loglevel", "debug", "--log-level=debug"}, "--log-level: is given twice"},
    {{"-p", "1"}, "'-p': flags begin with two dashes, as in --port 7000"},
    {{"port", "1"}, "'port': flags begin with two dashes, as in --port 7000"},
    {{"strata.yaml"}, "'strata.yaml': flags begin with two dashes: did you mean '--config strata.yaml'?"},
    {{"--check-config=yes"}, "--check-config: takes no value"},
    {{"--config="}, "--config: names no file"},
    {{"--config", "a", "--config", "b"}, "--config: is given twice"},
    {{"--maxmemory", "10x"}, "--maxmemory: '10x' has the unknown unit 'x': use b, kb, mb, gb, tb or %"},
    {{"--bind", "*"},
     "--bind: * can be reached from other machines, and there is no password: set requirepass, or bind to 127.0.0.1 "
     "only, or say 'protected-mode: no' if the network is trusted"},
    {{"--unixsocketperm", "700"}, "--unixsocketperm: has no meaning without a unixsocket"},
    {{"--maxmemory", "9gb"}, "--maxmemory: 9gb is more than the 8gb of memory that there are"},
};

static int count_words(const char *const *words) {
    int count = 0;
    while (words[count])
        count++;
    return count;
}

static enum status load(struct config *config, struct config_request *request, const char *const *environment,
                        const char *const *flags, struct config_error *error) {
    error->text[0] = 0;
    return config_load(config, request, &machine, (char *const *)environment, flags ? count_words(flags) : 0,
                       (char *const *)flags, &memory_libc, error);
}

static void wrong_flags_are_refused_with_advice(void **state) {
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(wrong_flags); i++) {
        struct config config;
        struct config_request request;
        struct config_error error;
        memset(&config, 0x5a, sizeof config);
        enum status status = load(&config, &request, NULL, wrong_flags[i].flags, &error);
        if (status != STATUS_INVALID || strcmp(error.text, wrong_flags[i].error) != 0) {
            fprintf(stderr, "%s\n  expected %s\n  received %s\n", wrong_flags[i].flags[0], wrong_flags[i].error,
                    error.text);
            failed++;
        }
        for (size_t at = 0; at < sizeof config; at++)
            assert_int_equal(((const unsigned char *)&config)[at], 0x5a);
    }
    assert_int_equal(failed, 0);
}

static const struct {
    const char *environment[WORDS_MAX], *error;
} wrong_variables[] = {
    {{"STRATA_PROT=1"}, "STRATA_PROT: unknown key: did you mean 'STRATA_PORT'?"},
    {{"STRATA_MAX_MEMORY=1gb"}, "STRATA_MAX_MEMORY: unknown key: did you mean 'STRATA_MAXMEMORY'?"},
    {{"STRATA_PORT=x"}, "STRATA_PORT: 'x' is not a whole number"},
    {{"STRATA_PORT="}, "STRATA_PORT: '' is not a whole number"},
    {{"STRATA_PORT=tcp://10.0.0.1:6379"},
     "STRATA_PORT: 'tcp://10.0.0.1:6379' is not a whole number (Kubernetes sets this for a service named 'strata': "
     "rename the service, or set enableServiceLinks: false)"},
    {{"STRATA_LOGLEVEL=debug", "STRATA_LOG_LEVEL=debug"},
     "STRATA_LOG_LEVEL: 'loglevel' is given twice in the environment"},
    {{"STRATA_CONFIG="}, "STRATA_CONFIG: names no file"},
    {{"STRATA_TIMEOUT=5x"}, "STRATA_TIMEOUT: '5x' has the unknown unit 'x': use us, ms, s, m, h or d"},
    {{"STRATA_BIND=10.0.0.1"},
     "STRATA_BIND: 10.0.0.1 can be reached from other machines, and there is no password: set requirepass, or bind to "
     "127.0.0.1 only, or say 'protected-mode: no' if the network is trusted"},
};

static void wrong_variables_are_refused_with_advice(void **state) {
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(wrong_variables); i++) {
        struct config config;
        struct config_request request;
        struct config_error error;
        enum status status = load(&config, &request, wrong_variables[i].environment, NULL, &error);
        if (status == STATUS_INVALID && strcmp(error.text, wrong_variables[i].error) == 0)
            continue;
        fprintf(stderr, "%s\n  expected %s\n  received %s\n", wrong_variables[i].environment[0],
                wrong_variables[i].error, error.text);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static void foreign_variables_are_left_alone(void **state) {
    const char *environment[] = {"STRATA_PROGRAM=/x",
                                 "STRATA_SEED=7",
                                 "STRATA_SERVICE_HOST=10.0.0.1",
                                 "STRATA_PORT_6379_TCP=x",
                                 "PORT=1",
                                 "STRATAGEM=1",
                                 "STRATA_",
                                 NULL};
    struct config config;
    struct config_request request;
    struct config_error error;
    assert_int_equal(load(&config, &request, environment, NULL, &error), STATUS_OK);
    assert_int_equal(config.values.port, 6379);
}

static void later_sources_win(void **state) {
    char path[] = "/tmp/strata-config-XXXXXX", assignment[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "port: 1\ntcp-backlog: 1\nmaxclients: 1\n");
    close(fd);
    snprintf(assignment, sizeof assignment, "STRATA_CONFIG=%s", path);
    const char *environment[] = {assignment, "STRATA_TCP_BACKLOG=2", "STRATA_MAXCLIENTS=2", "STRATA_BIND=127.0.0.1,::1",
                                 NULL};
    const char *flags[] = {"--maxclients=3", "--requirepass=--odd", "--check-config", NULL};
    struct config config;
    struct config_request request;
    struct config_error error;
    assert_int_equal(load(&config, &request, environment, flags, &error), STATUS_OK);
    assert_int_equal(config.values.port, 1);
    assert_int_equal(config.values.tcp_backlog, 2);
    assert_int_equal(config.values.maxclients, 3);
    assert_int_equal(config.values.bind.count, 2);
    assert_string_equal(config.values.requirepass, "--odd");
    assert_true(request.check);
    assert_false(request.help);
    assert_string_equal(request.file, path);
    assert_int_equal(config.origins[CONFIG_PORT].source, CONFIG_FROM_FILE);
    assert_int_equal(config.origins[CONFIG_TCP_BACKLOG].source, CONFIG_FROM_ENVIRONMENT);
    assert_int_equal(config.origins[CONFIG_MAXCLIENTS].source, CONFIG_FROM_FLAG);
    unlink(path);
}

static void every_key_is_a_flag_and_a_variable(void **state) {
    char text[CONFIG_TEXT_MAX + 1], line[CONFIG_TEXT_MAX + 64], flag[CONFIG_TEXT_MAX + 64];
    struct config defaults;
    config_defaults(&defaults, &machine);
    snprintf(defaults.values.unixsocket, sizeof defaults.values.unixsocket, "/tmp/x");
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        config_text(&defaults, (enum config_key_id)i, text, sizeof text);
        snprintf(line, sizeof line, "%s=%s", config_keys[i].environment, text);
        snprintf(flag, sizeof flag, "--%s=%s", config_keys[i].name, text);
        char *environment[] = {line, NULL}, *flags[] = {flag};
        struct config config;
        struct config_error error;
        config_defaults(&config, &machine);
        assert_int_equal(config_load_environment(&config, environment, &error), STATUS_OK);
        assert_int_equal(config.origins[i].source, CONFIG_FROM_ENVIRONMENT);
        assert_int_equal(config_load_flags(&config, 1, flags, &error), STATUS_OK);
        assert_int_equal(config.origins[i].source, CONFIG_FROM_FLAG);
    }
}

UNIT_TESTS(config_sources, UNIT(wrong_flags_are_refused_with_advice), UNIT(wrong_variables_are_refused_with_advice),
           UNIT(foreign_variables_are_left_alone), UNIT(later_sources_win), UNIT(every_key_is_a_flag_and_a_variable));
