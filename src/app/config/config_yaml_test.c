#include <stdio.h>
#include <unistd.h>

#include "app/config/config.h"
#include "base/bits.h"
#include "scarce.h"
#include "unit.h"

static const struct config_machine machine = {.memory_bytes = 8ull << 30, .cores = 4};

static enum status load(struct config *config, const char *text, struct config_error *error) {
    config_defaults(config, &machine);
    error->text[0] = 0;
    enum status status = config_load_yaml(config, slice_from_string(text), "s.yaml", error);
    return status == STATUS_OK ? config_check(config, error) : status;
}

static const struct {
    const char *text, *error;
} wrong[] = {
    {"maxmemry: 1gb\n", "s.yaml:1:1: unknown key 'maxmemry': did you mean 'maxmemory'?"},
    {"port: 1\nmax-memory: 1gb\n", "s.yaml:2:1: unknown key 'max-memory': did you mean 'maxmemory'?"},
    {"potr: 1\n", "s.yaml:1:1: unknown key 'potr': did you mean 'port'?"},
    {"maxmem: 1gb\n", "s.yaml:1:1: unknown key 'maxmem': did you mean 'maxmemory'?"},
    {"zebra: 1\n", "s.yaml:1:1: unknown key 'zebra'"},
    {"port: 70000\n", "s.yaml:1:7: port: '70000' is out of range: 0 to 65535"},
    {"port: -1\n", "s.yaml:1:7: port: '-1' is out of range: 0 to 65535"},
    {"port: eighty\n", "s.yaml:1:7: port: 'eighty' is not a whole number"},
    {"port: 7.5\n", "s.yaml:1:7: port: '7.5' is not a whole number"},
    {"port:\n", "s.yaml:1:6: port: has no value (an empty text is written \"\")"},
    {"port: [1, 2]\n", "s.yaml:1:7: port: takes one value, not a list"},
    {"port: {a: 1}\n", "s.yaml:1:7: port: takes one value, not further keys"},
    {"# first\nport: 1\n\nport: 2\n", "s.yaml:4:1: 'port' stands there twice, first in line 2"},
    {"loglevel: debug\nlog-level: debug\n", "s.yaml:2:1: 'loglevel' stands there twice, first in line 1"},
    {"threads: many\n", "s.yaml:1:10: threads: 'many' is not a whole number (or auto)"},
    {"threads: 0\n", "s.yaml:1:10: threads: '0' is out of range: 1 to 256"},
    {"maxmemory: lots\n", "s.yaml:1:12: maxmemory: 'lots' is not a size, as in 512mb or 70%"},
    {"maxmemory: 10 potatoes\n",
     "s.yaml:1:12: maxmemory: '10 potatoes' has the unknown unit ' potatoes': use b, kb, mb, gb, tb or %"},
    {"maxmemory: 512mib\n", "s.yaml:1:12: maxmemory: '512mib' has the unknown unit 'mib': use b, kb, mb, gb, tb or %"},
    {"maxmemory: 63kb\n", "s.yaml:1:12: maxmemory: '63kb' is out of range: 64kb to 1tb"},
    {"maxmemory: 99999999tb\n", "s.yaml:1:12: maxmemory: '99999999tb' is out of range: 64kb to 1tb"},
    {"maxmemory: 130%\n", "s.yaml:1:12: maxmemory: '130%' is out of range: 1% to 100% of the machine's memory"},
    {"maxmemory: 16gb\n", "s.yaml:1:12: maxmemory: 16gb is more than the 8gb of memory that there are"},
    {"proto-max-bulk-len: 70%\n",
     "s.yaml:1:21: proto-max-bulk-len: '70%' has the unknown unit '%': use b, kb, mb, gb, tb"},
    {"proto-max-bulk-len: 1gb\n", "s.yaml:1:21: proto-max-bulk-len: '1gb' is out of range: 1mb to 512mb"},
    {"maxmemory-policy: allkeys-lfuu\n",
     "s.yaml:1:19: maxmemory-policy: 'allkeys-lfuu' is not known: did you mean 'allkeys-lfu'?"},
    {"maxmemory-policy: fifo\n",
     "s.yaml:1:19: maxmemory-policy: 'fifo' is not one of noeviction, allkeys-lru, allkeys-lfu, allkeys-random, "
     "volatile-lru, volatile-lfu, volatile-random, volatile-ttl"},
    {"protected-mode: maybe\n", "s.yaml:1:17: protected-mode: 'maybe' is neither yes nor no"},
    {"timeout: 5 minutes\n",
     "s.yaml:1:10: timeout: '5 minutes' has the unknown unit ' minutes': use us, ms, s, m, h or d"},
    {"timeout: 1500ms\n", "s.yaml:1:10: timeout: '1500ms' is finer than this key's unit, s"},
    {"timeout: soon\n", "s.yaml:1:10: timeout: 'soon' is not a duration, as in 300ms, 20s or 5m"},
    {"timeout: -1\n", "s.yaml:1:10: timeout: '-1' is out of range: 0 to 2147483647s"},
    {"housekeeping-interval: 1m\n", "s.yaml:1:24: housekeeping-interval: '1m' is out of range: 1 to 1000ms"},
    {"unixsocketperm: 999\n", "s.yaml:1:17: unixsocketperm: '999' is not made of octal digits, as in 770"},
    {"unixsocket: /tmp/x\nunixsocketperm: 1777\n", "s.yaml:2:17: unixsocketperm: '1777' is out of range: 0 to 777"},
    {"unixsocketperm: 770\n", "s.yaml:1:17: unixsocketperm: has no meaning without a unixsocket"},
    {"bind: [127.0.0.1, 300.1.1.1]\n",
     "s.yaml:1:19: bind: '300.1.1.1' is not an IP address (127.0.0.1, ::1), '*' or '::*'"},
    {"bind:\n  - 127.0.0.1\n  - {a: 1}\n", "s.yaml:3:5: bind: a member must be a single value"},
    {"bind: [127.0.0.1, 127.0.0.1]\n", "s.yaml:1:7: bind: 127.0.0.1 stands there twice"},
    {"bind: ['*', 127.0.0.1]\nprotected-mode: no\n", "s.yaml:1:7: bind: 127.0.0.1 is already part of *"},
    {"bind: \"\"\n", "s.yaml:1:7: bind: there is nothing to listen on: give an address or a unixsocket"},
    {"bind: 0.0.0.0\n",
     "s.yaml:1:7: bind: 0.0.0.0 can be reached from other machines, and there is no password: set requirepass, or bind "
     "to 127.0.0.1 only, or say 'protected-mode: no' if the network is trusted"},
    {"pidfile: a\nlogfile: a\n", "s.yaml:2:10: logfile: is the same file as pidfile: a"},
    {"client-output-buffer-limit: 1gb\n",
     "s.yaml:1:29: client-output-buffer-limit: '1gb' is not of the form 'normal HARD SOFT SECONDS pubsub HARD SOFT "
     "SECONDS'"},
    {"client-output-buffer-limit: replica 1gb 1mb 1\n",
     "s.yaml:1:29: client-output-buffer-limit: there is no class of clients 'replica', only 'normal' and 'pubsub'"},
    {"client-output-buffer-limit: normal 1mb 1gb 10\n",
     "s.yaml:1:29: client-output-buffer-limit: the soft limit 1gb is above the hard limit 1mb"},
    {"databases: 32\n", "s.yaml:1:12: databases: can only be '16' here: Databases that SELECT reaches."},
    {"- port\n", "s.yaml:1:1: expected lines of the form 'key: value'"},
    {"just words\n", "s.yaml:1:1: expected lines of the form 'key: value'"},
    {"port 7000\nbind 127.0.0.1\n", "s.yaml:1:1: expected lines of the form 'key: value'"},
    {"[port]: 1\n", "s.yaml:1:1: a key must be a plain word"},
    {"port: [1\n", "s.yaml:2:1: not valid YAML: did not find expected ',' or ']'"},
    {"port: \"1\n", "s.yaml:2:1: not valid YAML: found unexpected end of stream"},
    {"port: 1\n\tbind: x\n", "s.yaml:2:1: not valid YAML: found a tab character that violates indentation"},
    {"port: &a 1\ntcp-backlog: *a\n", "s.yaml:1:7: anchors (&) and aliases (*) are not allowed here"},
    {"bind: *\n",
     "s.yaml:1:8: not valid YAML: did not find expected alphabetic or numeric character: quote a value that begins "
     "with '*'"},
    {"port: 1\n---\nport: 2\n", "s.yaml:2:1: a second document: one file holds one"},
    {"bind: [[[[[[1]]]]]]\n", "s.yaml:1:10: nested deeper than 4"},
    {"requirepass: \"a\\0b\"\n", "s.yaml:1:14: requirepass: contains a null byte"},
    {"port: \xff\n", "s.yaml: byte 6: invalid leading UTF-8 octet"},
};

static void wrong_files_are_refused_with_place_and_advice(void **state) {
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct config config;
        struct config_error error;
        enum status status = load(&config, wrong[i].text, &error);
        if (status == STATUS_INVALID && strcmp(error.text, wrong[i].error) == 0)
            continue;
        fprintf(stderr, "%s  expected %s\n  received %s\n", wrong[i].text, wrong[i].error, error.text);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static void refused_file_changes_nothing(void **state) {
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct config config, before;
        struct config_error error;
        config_defaults(&config, &machine);
        config.values.port = 1234;
        before = config;
        char text[512];
        snprintf(text, sizeof text, "tcp-backlog: 77\nhousekeeping-interval: 20ms\n%s", wrong[i].text);
        if (config_load_yaml(&config, slice_from_string(text), "s.yaml", &error) != STATUS_OK)
            assert_memory_equal(&config, &before, sizeof config);
    }
}

static void every_kind_of_value_arrives_in_its_field(void **state) {
    struct config config;
    struct config_error error;
    enum status status = load(&config,
                              "port: 7000\nbind: [127.0.0.1, -::1]\nunixsocket: /tmp/s.sock\nunixsocketperm: 770\n"
                              "threads: auto\nmaxmemory: 50%\nmaxmemory-policy: noeviction\nrequirepass: '0123'\n"
                              "timeout: 5m\nslowlog-log-slower-than: 2ms\nlatency-monitor-threshold: 1s\n"
                              "protected-mode: off\nclient-output-buffer-limit: normal 1gb 1mb 30s\n"
                              "proto-max-bulk-len: 2M\nsave: \"\"\nappendonly: no\n",
                              &error);
    assert_string_equal(error.text, "");
    assert_int_equal(status, STATUS_OK);
    const struct config_values *values = &config.values;
    assert_int_equal(values->port, 7000);
    assert_int_equal(values->bind.count, 2);
    assert_string_equal(values->bind.items[1], "-::1");
    assert_string_equal(values->unixsocket, "/tmp/s.sock");
    assert_int_equal(values->unixsocketperm, 0770);
    assert_int_equal(values->threads, 4);
    assert_int_equal(values->maxmemory_bytes, (8ull << 30) / 100 * 50);
    assert_int_equal(values->maxmemory_policy, CONFIG_MAXMEMORY_POLICY_NOEVICTION);
    assert_string_equal(values->requirepass, "0123");
    assert_int_equal(values->timeout_s, 300);
    assert_int_equal(values->slowlog_log_slower_than_us, 2000);
    assert_int_equal(values->latency_monitor_threshold_ms, 1000);
    assert_false(values->protected_mode);
    assert_int_equal(values->client_output_buffer_limit.normal.hard_bytes, 1 << 30);
    assert_int_equal(values->client_output_buffer_limit.normal.soft_bytes, 1 << 20);
    assert_int_equal(values->client_output_buffer_limit.normal.soft_s, 30);
    assert_int_equal(values->client_output_buffer_limit.pubsub.hard_bytes, 32 << 20);
    assert_int_equal(values->client_output_buffer_limit.pubsub.soft_bytes, 8 << 20);
    assert_int_equal(values->proto_max_bulk_len_bytes, 2000000);
    assert_string_equal(config.file, "s.yaml");
    assert_int_equal(config.origins[CONFIG_TIMEOUT].line, 9);
    assert_int_equal(config.origins[CONFIG_TIMEOUT].column, 10);
}

static void empty_files_mean_defaults(void **state) {
    static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "{}\n", "\xef\xbb\xbf# mark\n"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct config config;
        struct config_error error;
        assert_int_equal(load(&config, texts[i], &error), STATUS_OK);
        assert_int_equal(config.values.port, 6379);
    }
}

static void huge_files_are_refused(void **state) {
    struct config config;
    struct config_error error;
    size_t size = CONFIG_FILE_SIZE_MAX + 1;
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, '#', size);
    text[size] = 0;
    assert_int_equal(load(&config, text, &error), STATUS_INVALID);
    assert_string_equal(error.text, "s.yaml: larger than 1048576 bytes");
    for (size_t i = 0; i + 2 < size; i += 2)
        memcpy(text + i, "[,", 2);
    memset(text, '[', 100000);
    text[100000] = 0;
    assert_int_equal(load(&config, text, &error), STATUS_INVALID);
    assert_string_equal(error.text, "s.yaml:1:5: nested deeper than 4");
    size_t at = (size_t)sprintf(text, "bind: [");
    while (at < 20000)
        at += (size_t)sprintf(text + at, "1,");
    strcpy(text + at, "]\n");
    assert_int_equal(load(&config, text, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "more than 4096 values"));
    free(text);
}

static void file_is_read_or_the_lack_of_memory_reported(void **state) {
    char path[] = "/tmp/strata-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "port: 7001\n");
    for (int i = 0; i < 200; i++)
        dprintf(fd, "# a line that only makes the file longer than one block of the reader, number %d\n", i);
    close(fd);
    for (unsigned allowed = 0;; allowed++) {
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, allowed);
        struct config config;
        struct config_error error;
        config_defaults(&config, &machine);
        enum status status = config_load_file(&config, path, memory, &error);
        if (status == STATUS_OK) {
            assert_int_equal(config.values.port, 7001);
            assert_true(allowed > 1);
            break;
        }
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_non_null(strstr(error.text, "there is no memory to read it"));
        assert_int_equal(config.values.port, 6379);
    }
    unlink(path);
    struct config config;
    struct config_error error;
    config_defaults(&config, &machine);
    assert_int_equal(config_load_file(&config, path, &memory_libc, &error), STATUS_IO);
    assert_non_null(strstr(error.text, ": No such file or directory"));
    assert_int_equal(config_load_file(&config, "/", &memory_libc, &error), STATUS_IO);
    assert_string_equal(error.text, "/: Is a directory");
}

UNIT_TESTS(config_yaml, UNIT(wrong_files_are_refused_with_place_and_advice), UNIT(refused_file_changes_nothing),
           UNIT(every_kind_of_value_arrives_in_its_field), UNIT(empty_files_mean_defaults),
           UNIT(huge_files_are_refused), UNIT(file_is_read_or_the_lack_of_memory_reported));
