#include "app/bench/options.h"

#include "unit.h"

enum { WORDS_MAX = 16 };

static enum status parse(const char *line, struct bench_options *ret_options, char *ret_error) {
    static char copy[300];
    char *words[WORDS_MAX + 1] = {NULL};
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        words[count++] = word;
    return options_parse(count, words, ret_options, ret_error);
}

static void flags_are_read(void **state) {
    struct bench_options options;
    char error[OPTIONS_ERROR_SIZE];
    assert_int_equal(parse("", &options, error), STATUS_OK);
    assert_int_equal(options.server.place.port, 6379);
    assert_int_equal(options.clients, 50);
    assert_int_equal(options.requests, 0);
    assert_true(options.seconds == 5 && options.set_share == 0);
    assert_int_equal(
        parse("--protocol memcached --mix=90/10 --pipeline 16 --zipf 0.99 --verify --requests=100", &options, error),
        STATUS_OK);
    assert_int_equal(options.server.place.port, 11211);
    assert_int_equal(options.pipeline, 16);
    assert_true(options.verify && options.seconds == 0 && options.zipf == 0.99);
    assert_true(options.set_share > 0.0999 && options.set_share < 0.1001);
    assert_int_equal(parse("--load --keys 77", &options, error), STATUS_OK);
    assert_int_equal(options.requests, 77);
    assert_true(options.set_share == 1);
}

static void a_server_is_named_as_elsewhere(void **state) {
    struct bench_options options;
    char error[OPTIONS_ERROR_SIZE];
    assert_int_equal(parse("-h cache.example -p 7000 --tls --cacert=ca.pem --db 3 -c 4 -n 77", &options, error),
                     STATUS_OK);
    assert_string_equal(options.server.place.host, "cache.example");
    assert_string_equal(options.server.place.tls.authorities, "ca.pem");
    assert_true(options.server.place.port == 7000 && options.server.place.tls.used && options.server.place.db == 3);
    assert_true(options.clients == 4 && options.requests == 77); /* as redis-benchmark calls them */
    assert_int_equal(parse("-u rediss://me:secret@h/5 -P 16 -d 100 -r 9", &options, error), STATUS_OK);
    assert_string_equal(options.server.place.password, "secret");
    assert_true(options.server.place.db == 5 && options.server.place.tls.used);
    assert_true(options.pipeline == 16 && options.value_size == 100 && options.keys == 9);
}

static void wrong_flags_are_named(void **state) {
    static const char *const wrong[][2] = {
        {"--pipelin 3", "unknown flag '--pipelin': did you mean '--pipeline'?"},
        {"--nonsense", "unknown flag '--nonsense': --help lists them"},
        {"--clients", "--clients: a value is missing (N)"},
        {"--clients 0", "--clients 0: must be a whole number from 1 to 10000"},
        {"--clients 10x", "--clients 10x: must be a whole number from 1 to 10000"},
        {"--seconds -1", "--seconds -1: must be a number from 0.01 to 1000000"},
        {"--zipf nan", "--zipf nan: must be a number from 0 to 10"},
        {"--mix 10", "--mix 10: must be get, set, or a share such as 90/10"},
        {"--mix 0/0", "--mix 0/0: must be get, set, or a share such as 90/10"},
        {"--protocol http", "--protocol http: must be resp or memcached"},
        {"--json=yes", "--json yes: must be given without a value"},
        {"--port x", "--port takes a number from 1 to 65535, not 'x'"},
        {"--cacertt x", "unknown flag '--cacertt': did you mean '--cacert'?"},
        {"--protocol memcached --db 3", "users, services and databases are not of --protocol memcached"},
        {"--cert x", "--cert and --key go together"},
        {"--unix /x --host y", "--unix and --host exclude each other"},
        {"--load --seconds 3", "--load and --seconds exclude each other"},
        {"--unix /x --port 3", "--unix and --port exclude each other"},
        {"--keys 1000 --key-size 2", "--key-size 2 is too small for 1000 keys: their numbers have 3 digits"},
        {"--clients 2 --threads 3", "--threads 3 is more than --clients 2"},
        {"--value-size 1048576 --pipeline 300",
         "--pipeline 300 with values of 1048576 bytes: a batch may have 256 MiB at most"},
        {"--relaxed", "--relaxed is of a fixed rate: --rate is missing"},
    };
    struct bench_options options;
    char error[OPTIONS_ERROR_SIZE];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(parse(wrong[i][0], &options, error), STATUS_INVALID);
        assert_string_equal(error, wrong[i][1]);
    }
}

static void flags_of_the_null_server(void **state) {
    char port[] = "--port", number[] = "0", size[] = "--reply-size=32", wrong[] = "--clients=1";
    char *words[] = {port, number, size, NULL}, *others[] = {wrong, NULL};
    struct null_options options;
    char error[OPTIONS_ERROR_SIZE];
    assert_int_equal(options_parse_null(3, words, &options, error), STATUS_OK);
    assert_int_equal(options.reply_size, 32);
    assert_int_equal(options_parse_null(1, others, &options, error), STATUS_INVALID);
}

static void flags_of_replay(void **state) {
    char trace[] = "--trace", path[] = "file", protocol[] = "--protocol=memcached", copies[] = "--copies=7",
         tag[] = "--hash-tag", wrong[] = "--copies=100";
    char *words[] = {trace, path, protocol, copies, tag, NULL}, *none[] = {copies, NULL},
         *others[] = {trace, path, wrong, NULL};
    struct replay_options options;
    char error[OPTIONS_ERROR_SIZE];
    assert_int_equal(options_parse_replay(5, words, &options, error), STATUS_OK);
    assert_string_equal(options.trace, "file");
    assert_true(options.server.place.port == 11211 && options.copies == 7 && options.hash_tag && options.batch == 32);
    assert_true(options.median == 230 && options.sigma == 1 && options.simulate == 0);
    assert_int_equal(options_parse_replay(1, none, &options, error), STATUS_INVALID);
    assert_string_equal(error, "--trace FILE is missing");
    assert_int_equal(options_parse_replay(3, others, &options, error), STATUS_INVALID);
    assert_string_equal(error, "--copies 100: must be a whole number from 1 to 99");
}

static void flags_of_engine(void **state) {
    char entries[] = "--entries=1000", threads[] = "--threads=0", wrong[] = "--threads=17";
    char *words[] = {entries, threads, NULL}, *others[] = {wrong, NULL};
    struct engine_options options;
    char error[OPTIONS_ERROR_SIZE];
    assert_int_equal(options_parse_engine(2, words, &options, error), STATUS_OK);
    assert_true(options.entries == 1000 && options.threads == 0 && options.rounds == 5);
    assert_int_equal(options_parse_engine(1, others, &options, error), STATUS_INVALID);
    assert_string_equal(error, "--threads 17: must be a whole number from 0 to 16");
}

UNIT_TESTS(options, UNIT(flags_are_read), UNIT(a_server_is_named_as_elsewhere), UNIT(wrong_flags_are_named),
           UNIT(flags_of_the_null_server), UNIT(flags_of_replay), UNIT(flags_of_engine));
