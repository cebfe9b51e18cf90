#include "app/config/config.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "unit.h"

static const struct config_machine machine = {.memory_bytes = 8ull << 30, .cores = 4};

static enum status set(struct config *config, bool *changed, struct config_error *error, uint32_t count,
                       const char *const *words) {
    struct slice names[8], values[8];
    for (uint32_t i = 0; i < count; i++) {
        names[i] = slice_from_string(words[2 * i]);
        values[i] = slice_from_string(words[2 * i + 1]);
    }
    return config_set(config, names, values, count, changed, error);
}

static const struct {
    uint32_t count;
    const char *words[6], *error;
} wrong_sets[] = {
    {1, {"foo", "1"}, "Unknown option or number of arguments for CONFIG SET - 'foo'"},
    {1,
     {"maxmemory", "abc"},
     "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"},
    {1,
     {"maxmemory", "-1"},
     "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"},
    {1,
     {"maxmemory-policy", "x"},
     "CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the following: "
     "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction"},
    {1,
     {"loglevel", "x"},
     "CONFIG SET failed (possibly related to argument 'loglevel') - argument(s) must be one of the following: debug, "
     "verbose, notice, warning"},
    {1, {"port", "1"}, "CONFIG SET failed (possibly related to argument 'port') - can't set immutable config"},
    {1,
     {"databases", "3"},
     "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"},
    {1,
     {"maxclients", "x"},
     "CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer"},
    {1,
     {"timeout", "-1"},
     "CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 "
     "inclusive"},
    {1,
     {"slowlog-log-slower-than", "-2"},
     "CONFIG SET failed (possibly related to argument 'slowlog-log-slower-than') - argument must be between -1 and "
     "9223372036854775807 inclusive"},
    {1,
     {"protected-mode", "x"},
     "CONFIG SET failed (possibly related to argument 'protected-mode') - argument must be 'yes' or 'no'"},
    {2,
     {"timeout", "1", "timeout", "2"},
     "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"},
    {2,
     {"timeout", "1", "slowlog-max-len", "x"},
     "CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument couldn't be parsed into an "
     "integer"},
    {1,
     {"client-output-buffer-limit", "normal 1 1"},
     "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Wrong number of arguments in "
     "buffer limit configuration."},
    {1,
     {"client-output-buffer-limit", "normal 1 1 1 pubsub 1 1"},
     "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Wrong number of arguments in "
     "buffer limit configuration."},
    {1,
     {"client-output-buffer-limit", "replica 1 1 1"},
     "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Invalid client class specified "
     "in "
     "buffer limit configuration."},
    {1,
     {"client-output-buffer-limit", "normal 1 1 x"},
     "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Error in hard, soft or "
     "soft_seconds setting in buffer limit configuration."},
    {1,
     {"maxmemory", "20gb"},
     "CONFIG SET failed (possibly related to argument 'maxmemory') - maxmemory: 20gb is more than the 8gb of memory "
     "that "
     "there are"},
};

static void wrong_sets_are_refused_as_redis_does_and_change_nothing(void **state) {
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(wrong_sets); i++) {
        struct config config, before;
        struct config_error error = {""};
        bool changed[CONFIG_KEY_COUNT] = {false}, none[CONFIG_KEY_COUNT] = {false};
        config_defaults(&config, &machine);
        before = config;
        enum status status = set(&config, changed, &error, wrong_sets[i].count, wrong_sets[i].words);
        assert_memory_equal(&config, &before, sizeof config);
        assert_memory_equal(changed, none, sizeof changed);
        if (status == STATUS_INVALID && strcmp(error.text, wrong_sets[i].error) == 0)
            continue;
        fprintf(stderr, "  expected %s\n  received %s\n", wrong_sets[i].error, error.text);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static void several_keys_are_set_at_once(void **state) {
    struct config config;
    struct config_error error;
    bool changed[CONFIG_KEY_COUNT];
    config_defaults(&config, &machine);
    const char *words[] = {"MaxMemory", "100mb", "maxmemory-policy", "VOLATILE-TTL", "save", ""};
    assert_int_equal(set(&config, changed, &error, 3, words), STATUS_OK);
    assert_int_equal(config.values.maxmemory_bytes, 100 << 20);
    assert_int_equal(config.values.maxmemory_policy, CONFIG_MAXMEMORY_POLICY_VOLATILE_TTL);
    assert_true(changed[CONFIG_MAXMEMORY] && changed[CONFIG_MAXMEMORY_POLICY] && changed[CONFIG_SAVE]);
    assert_false(changed[CONFIG_TIMEOUT]);
}

static void classes_of_output_limits_are_set_apart(void **state) {
    struct config config;
    struct config_error error;
    char text[CONFIG_TEXT_MAX + 1];
    config_defaults(&config, &machine);
    const char *words[] = {"client-output-buffer-limit", "PubSub 2mb 1mb 7"};
    assert_int_equal(set(&config, NULL, &error, 1, words), STATUS_OK);
    config_text(&config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT, text, sizeof text);
    assert_string_equal(text, "normal 268435456 67108864 60 pubsub 2097152 1048576 7");
    words[1] = "3mb 0 0";
    assert_int_equal(set(&config, NULL, &error, 1, words), STATUS_OK);
    config_text(&config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT, text, sizeof text);
    assert_string_equal(text, "normal 3145728 0 0 pubsub 2097152 1048576 7");
    words[1] = "pubsub 0 0 0 normal 1 1 1";
    assert_int_equal(set(&config, NULL, &error, 1, words), STATUS_OK);
    config_text(&config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT, text, sizeof text);
    assert_string_equal(text, "normal 1 1 1 pubsub 0 0 0");
}

static void password_is_not_taken_away_while_strangers_can_connect(void **state) {
    struct config config;
    struct config_error error;
    config_defaults(&config, &machine);
    assert_int_equal(config_load_yaml(&config, SLICE("bind: '*'\nrequirepass: x\n"), "s.yaml", &error), STATUS_OK);
    const char *words[] = {"requirepass", ""};
    assert_int_equal(set(&config, NULL, &error, 1, words), STATUS_INVALID);
    assert_string_equal(config.values.requirepass, "x");
}

/* A default, shown as text, read again, is the same: no key is lost on the way. */
static void texts_of_all_values_can_be_read_again(void **state) {
    struct config config;
    char text[CONFIG_TEXT_MAX + 1], again[CONFIG_TEXT_MAX + 1];
    config_defaults(&config, &machine);
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        config_text(&config, (enum config_key_id)i, text, sizeof text);
        char flag[CONFIG_TEXT_MAX + 64], *flags[] = {flag};
        struct config_error error;
        struct config other;
        snprintf(flag, sizeof flag, "--%s=%s", config_keys[i].name, text);
        config_defaults(&other, &machine);
        assert_int_equal(config_load_flags(&other, 1, flags, &error), STATUS_OK);
        config_text(&other, (enum config_key_id)i, again, sizeof again);
        assert_string_equal(text, again);
    }
}

struct listing {
    unsigned count, secrets;
    char io_threads[16], slave_read_only[16];
};

static void list(void *context, const char *name, const char *value, bool secret) {
    struct listing *listing = context;
    listing->count++;
    listing->secrets += secret;
    assert_int_equal(secret, strcmp(name, "requirepass") == 0 || strcmp(name, "users") == 0 ||
                                 strcmp(name, "tls-key-file-pass") == 0);
    if (strcmp(name, "io-threads") == 0)
        snprintf(listing->io_threads, sizeof listing->io_threads, "%s", value);
    if (strcmp(name, "slave-read-only") == 0)
        snprintf(listing->slave_read_only, sizeof listing->slave_read_only, "%s", value);
}

static void all_names_are_listed(void **state) {
    struct config config;
    struct listing listing = {0};
    config_defaults(&config, &machine);
    config_each(&config, list, &listing);
    assert_true(listing.count > CONFIG_KEY_COUNT);
    assert_int_equal(listing.secrets, 3);
    assert_string_equal(listing.io_threads, "4");
    assert_string_equal(listing.slave_read_only, "yes");
}

static void loopback_addresses_are_known(void **state) {
    static const char *const loopback[] = {"127.0.0.1", "127.8.9.10", "::1", "-::1", "localhost", "::ffff:127.0.0.1"};
    static const char *const others[] = {"0.0.0.0", "*", "::", "::*", "10.0.0.1", "128.0.0.1", "fe80::1", "::2"};
    for (size_t i = 0; i < COUNT_OF(loopback); i++)
        assert_true(config_is_loopback(loopback[i]));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(config_is_loopback(others[i]));
}

static void expect_rewritten(const char *old, const char *expected) {
    struct config config;
    struct config_error error = {""};
    struct buf text;
    buf_init(&text, &memory_libc);
    config_defaults(&config, &machine);
    assert_int_equal(config_load_yaml(&config, slice_from_string(old), "s.yaml", &error), STATUS_OK);
    const char *words[] = {"maxmemory", "100mb", "timeout", "30", "requirepass", "a \"b\" \xc3\xa4"};
    assert_int_equal(set(&config, NULL, &error, 3, words), STATUS_OK);
    assert_int_equal(config_rewrite_text(&config, slice_from_string(old), &text, &error), STATUS_OK);
    assert_int_equal(buf_append(&text, "", 1), STATUS_OK);
    assert_string_equal((const char *)text.data, expected);
    struct config again;
    config_defaults(&again, &machine);
    assert_int_equal(config_load_yaml(&again, slice_make(text.data, text.size - 1), "s.yaml", &error), STATUS_OK);
    assert_memory_equal(&again.values, &config.values, sizeof again.values);
    buf_fini(&text);
}

static void rewriting_keeps_comments_and_order(void **state) {
    expect_rewritten("", "requirepass: \"a \\\"b\\\" \xc3\xa4\"\ntimeout: 30\nmaxmemory: 100mb\n");
    expect_rewritten("# \xc3\xa4\xe2\x82\xac mine\nmaxmemory:   1gb   # a lot\nport: 7000",
                     "# \xc3\xa4\xe2\x82\xac mine\nmaxmemory: 100mb   # a lot\nport: 7000\nrequirepass: \"a \\\"b\\\" "
                     "\xc3\xa4\"\ntimeout: 30\n");
    expect_rewritten("timeout: 10\nrequirepass: 'x'\n# between\nbind:\n- 127.0.0.1\n# end\nmaxmemory: 50%\n",
                     "timeout: 30\nrequirepass: \"a \\\"b\\\" \xc3\xa4\"\n# between\nbind:\n- 127.0.0.1\n# end\n"
                     "maxmemory: 100mb\n");
}

static void rewriting_replaces_lists(void **state) {
    struct config config;
    struct config_error error = {""};
    struct buf text;
    const char *old = "bind: # where\n  - 127.0.0.1\n  - ::1\n# end\nport: 1\n";
    buf_init(&text, &memory_libc);
    config_defaults(&config, &machine);
    assert_int_equal(config_load_yaml(&config, slice_from_string(old), "s.yaml", &error), STATUS_OK);
    char *flags[] = {"--bind=127.0.0.2"};
    assert_int_equal(config_load_flags(&config, 1, flags, &error), STATUS_OK);
    assert_int_equal(config_rewrite_text(&config, slice_from_string(old), &text, &error), STATUS_OK);
    assert_true(slice_equal(buf_slice(&text), SLICE("bind: [\"127.0.0.2\"]\n# end\nport: 1\n")));
    buf_fini(&text);
}

static void rewriting_refuses_what_it_would_spoil(void **state) {
    static const char *const texts[] = {"{port: 1}\n", ">\n", "timeout: >-\n  10\nport: 1\n...\n"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct config config;
        struct config_error error = {""};
        struct buf text;
        buf_init(&text, &memory_libc);
        config_defaults(&config, &machine);
        assert_int_equal(config_load_yaml(&config, slice_from_string(texts[i]), "s.yaml", &error), STATUS_OK);
        const char *words[] = {"tcp-keepalive", "30"};
        assert_int_equal(set(&config, NULL, &error, 1, words), STATUS_OK);
        assert_int_equal(config_rewrite_text(&config, slice_from_string(texts[i]), &text, &error), STATUS_INVALID);
        assert_string_equal(error.text, "s.yaml: is written in a way that cannot be changed here: edit it by hand");
        assert_int_equal(text.size, 0);
        buf_fini(&text);
    }
}

static void rewriting_replaces_the_file(void **state) {
    char path[] = "/tmp/strata-config-XXXXXX", text[64] = "";
    struct config config;
    struct config_error error;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    dprintf(fd, "timeout: 1 # short\n");
    assert_int_equal(fchmod(fd, 0640), 0);
    close(fd);
    config_defaults(&config, &machine);
    assert_int_equal(config_rewrite(&config, &memory_libc, &error), STATUS_INVALID);
    assert_string_equal(error.text, "The server is running without a config file");
    assert_int_equal(config_load_file(&config, path, &memory_libc, &error), STATUS_OK);
    const char *words[] = {"timeout", "99"};
    assert_int_equal(set(&config, NULL, &error, 1, words), STATUS_OK);
    assert_int_equal(config_rewrite(&config, &memory_libc, &error), STATUS_OK);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "timeout: 99 # short\n");
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640);
    unlink(path);
    assert_int_equal(config_rewrite(&config, &memory_libc, &error), STATUS_IO);
}

static void missing_folders_are_named(void **state) {
    struct config config;
    struct config_error error;
    config_defaults(&config, &machine);
    assert_int_equal(config_check_paths(&config, &error), STATUS_OK);
    char *flags[] = {"--logfile=/nowhere/at/all/log"};
    assert_int_equal(config_load_flags(&config, 1, flags, &error), STATUS_OK);
    assert_int_equal(config_check_paths(&config, &error), STATUS_INVALID);
    assert_string_equal(error.text, "--logfile: folder /nowhere/at/all: No such file or directory");
    char *dir[] = {"--dir=/nowhere"};
    assert_int_equal(config_load_flags(&config, 1, dir, &error), STATUS_OK);
    assert_int_equal(config_check_paths(&config, &error), STATUS_INVALID);
    assert_string_equal(error.text, "--dir: folder /nowhere: No such file or directory");
}

UNIT_TESTS(config, UNIT(wrong_sets_are_refused_as_redis_does_and_change_nothing), UNIT(several_keys_are_set_at_once),
           UNIT(classes_of_output_limits_are_set_apart), UNIT(password_is_not_taken_away_while_strangers_can_connect),
           UNIT(texts_of_all_values_can_be_read_again), UNIT(all_names_are_listed), UNIT(loopback_addresses_are_known),
           UNIT(rewriting_keeps_comments_and_order), UNIT(rewriting_replaces_lists),
           UNIT(rewriting_refuses_what_it_would_spoil), UNIT(rewriting_replaces_the_file),
           UNIT(missing_folders_are_named));
