#include "app/bench/options.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "app/bench/engine.h"
#include "app/bench/objects.h"
#include "app/bench/trace.h"
#include "app/config/config.h"
#include "base/bits.h"
#include "base/decimal.h"
#include "base/number.h"

enum flag_type { FLAG_SWITCH, FLAG_TEXT, FLAG_COUNT, FLAG_NUMBER, FLAG_PROTOCOL, FLAG_MIX };

struct flag {
    const char *name, *takes;
    enum flag_type type;
    size_t offset;
    double least, most; /* of counts and numbers */
    const char *help;
};

struct table {
    const struct flag *flags;
    size_t count;
    struct place_flags *server; /* NULL: the command asks none */
};

enum {
    FLAGS_MAX = 32,
    NAMES_MAX = FLAGS_MAX + 32,
    HELP_COLUMN = 27,
    NO_REPLY_SIZE_MAX = 1 << 20,
    MEMCACHED_PORT = 11211
};

#define AT(member) offsetof(struct bench_options, member)

static const struct flag flags[] = {
    {"--protocol", "NAME", FLAG_PROTOCOL, AT(protocol), 0, 0,
     "resp (Redis and its kin) or memcached (text; port 11211)"},
    {"--clients", "N", FLAG_COUNT, AT(clients), 1, OPTIONS_CLIENTS_MAX, "connections (50)"},
    {"--threads", "N", FLAG_COUNT, AT(threads), 1, OPTIONS_THREADS_MAX, "threads that share the connections (1)"},
    {"--pipeline", "N", FLAG_COUNT, AT(pipeline), 1, OPTIONS_PIPELINE_MAX,
     "requests in a batch: a connection sends so many and waits for all replies (1)"},
    {"--requests", "N", FLAG_COUNT, AT(requests), 1, 1e15, "end after so many"},
    {"--seconds", "S", FLAG_NUMBER, AT(seconds), 0.01, 1e6, "end after this time (5, unless --requests is given)"},
    {"--warmup", "S", FLAG_NUMBER, AT(warmup_s), 0, 1e6, "run for this time first, uncounted (0)"},
    {"--stall", "S", FLAG_NUMBER, AT(stall_s), 0.01, 1e6, "give up when no reply has come for this time (10)"},
    {"--keys", "N", FLAG_COUNT, AT(keys), 1, 4294967296.0, "different keys (1000000)"},
    {"--key-size", "N", FLAG_COUNT, AT(key_size), 1, REQUESTS_KEY_SIZE_MAX, "bytes of a key (16)"},
    {"--value-size", "N", FLAG_COUNT, AT(value_size), 0, OPTIONS_VALUE_SIZE_MAX, "bytes of a value (32)"},
    {"--mix", "MIX", FLAG_MIX, AT(set_share), 0, 0, "get, set, or gets to sets such as 90/10 (get)"},
    {"--zipf", "THETA", FLAG_NUMBER, AT(zipf), 0, 10, "popularity of keys: rank to the power of -THETA (0: all alike)"},
    {"--rate", "R", FLAG_NUMBER, AT(rate), 0.001, 1e9,
     "open loop: R requests a second whatever the server does, latency from the time a request was due"},
    {"--relaxed", NULL, FLAG_SWITCH, AT(relaxed), 0, 0,
     "with --rate: sleep between requests, which makes latencies up to 2 ms longer, and leaves the processor to "
     "others"},
    {"--load", NULL, FLAG_SWITCH, AT(load), 0, 0, "set every key once, in order, and end"},
    {"--verify", NULL, FLAG_SWITCH, AT(verify), 0, 0, "values tell their key; check every value that is read"},
    {"--seed", "N", FLAG_COUNT, AT(seed), 0, 1e18, "of the random choices (1)"},
    {"--server-process", "PID", FLAG_COUNT, AT(server_process), 1, 4194304,
     "report the processor time that this process took meanwhile"},
    {"--json", NULL, FLAG_SWITCH, AT(json), 0, 0, "print the result as one line of JSON"},
    {"--progress", NULL, FLAG_SWITCH, AT(progress), 0, 0, "show how it goes, if standard error is a terminal"},
    {"--help", NULL, FLAG_SWITCH, AT(help), 0, 0, "print this"},
};

static const struct flag null_flags[] = {
    {"--port", "N", FLAG_COUNT, offsetof(struct null_options, port), 0, 65535,
     "port on 127.0.0.1 (0: any that is free)"},
    {"--reply-size", "N", FLAG_COUNT, offsetof(struct null_options, reply_size), 0, NO_REPLY_SIZE_MAX,
     "answer a value of so many bytes (without: +OK)"},
    {"--help", NULL, FLAG_SWITCH, offsetof(struct null_options, help), 0, 0, "print this"},
};

#define REPLAY_AT(member) offsetof(struct replay_options, member)

static const struct flag replay_flags[] = {
    {"--trace", "FILE", FLAG_TEXT, REPLAY_AT(trace), 0, 0,
     "what to replay: a line a request, NUMBER or NUMBER SIZE of its object (-: standard input)"},
    {"--protocol", "NAME", FLAG_PROTOCOL, REPLAY_AT(protocol), 0, 0,
     "resp (Redis and its kin) or memcached (text; port 11211)"},
    {"--batch", "N", FLAG_COUNT, REPLAY_AT(batch), 1, OPTIONS_REPLAY_BATCH_MAX,
     "GETs that are sent together at most; the SETs of those that missed follow (32)"},
    {"--copies", "N", FLAG_COUNT, REPLAY_AT(copies), 1, OBJECTS_COPIES_MAX,
     "replay so many copies with keys of their own, a request of each in turn (1)"},
    {"--median", "BYTES", FLAG_NUMBER, REPLAY_AT(median), 1, TRACE_SIZE_MAX,
     "of the log-normal sizes that are drawn where the trace has none (230)"},
    {"--sigma", "S", FLAG_NUMBER, REPLAY_AT(sigma), 0, 4, "of their logarithm (1)"},
    {"--seed", "N", FLAG_COUNT, REPLAY_AT(seed), 0, 1e18, "of the drawing (1)"},
    {"--hash-tag", NULL, FLAG_SWITCH, REPLAY_AT(hash_tag), 0, 0, "all keys share a hash tag"},
    {"--stall", "S", FLAG_NUMBER, REPLAY_AT(stall_s), 0.01, 1e6, "give up when no reply has come for this time (10)"},
    {"--simulate", "BYTES", FLAG_COUNT, REPLAY_AT(simulate), 1, 1e15,
     "ask no server, but an LRU of so many bytes that pays for keys and values only"},
    {"--describe", NULL, FLAG_SWITCH, REPLAY_AT(describe), 0, 0, "only count what is in the trace"},
    {"--json", NULL, FLAG_SWITCH, REPLAY_AT(json), 0, 0, "print the result as one line of JSON"},
    {"--help", NULL, FLAG_SWITCH, REPLAY_AT(help), 0, 0, "print this"},
};

#define ENGINE_AT(member) offsetof(struct engine_options, member)

static const struct flag engine_flags[] = {
    {"--entries", "N", FLAG_COUNT, ENGINE_AT(entries), 1, 1e8, "in the cache (1000000)"},
    {"--operations", "N", FLAG_COUNT, ENGINE_AT(operations), 1, 1e9, "in a measurement (200000)"},
    {"--rounds", "N", FLAG_COUNT, ENGINE_AT(rounds), 1, ENGINE_ROUNDS_MAX, "in which everything has its turn (5)"},
    {"--threads", "N", FLAG_COUNT, ENGINE_AT(threads), 0, ENGINE_THREADS_MAX,
     "up to so many read together: 1, 2, 4, 16 (16)"},
    {"--shards", "N", FLAG_COUNT, ENGINE_AT(shards), 0, 256, "of the cache (0: as many as its size calls for)"},
    {"--seed", "N", FLAG_COUNT, ENGINE_AT(seed), 0, 1e18, "of the random keys (1)"},
    {"--json", NULL, FLAG_SWITCH, ENGINE_AT(json), 0, 0, "print the result as one line of JSON"},
    {"--help", NULL, FLAG_SWITCH, ENGINE_AT(help), 0, 0, "print this"},
};

/* What redis-benchmark calls them. */
static const char *const aliases[][2] = {
    {"-c", "--clients"}, {"-n", "--requests"}, {"-P", "--pipeline"}, {"-d", "--value-size"}, {"-r", "--keys"},
};

static enum status refuse(char *ret_error, const struct flag *flag, const char *value, const char *wanted) {
    snprintf(ret_error, OPTIONS_ERROR_SIZE, "%s %.60s: must be %s", flag->name, value, wanted);
    return STATUS_INVALID;
}

static enum status refuse_range(char *ret_error, const struct flag *flag, const char *value, const char *kind) {
    char wanted[80];
    snprintf(wanted, sizeof wanted, "%s from %.15g to %.15g", kind, flag->least, flag->most);
    return refuse(ret_error, flag, value, wanted);
}

/* "get", "set" or "A/B". */
static bool parse_mix(struct slice text, double *ret_set_share) {
    uint64_t gets, sets;
    if (slice_equal_nocase(text, SLICE("get")) || slice_equal_nocase(text, SLICE("set"))) {
        *ret_set_share = slice_equal_nocase(text, SLICE("set"));
        return true;
    }
    const uint8_t *slash = text.size ? memchr(text.data, '/', text.size) : NULL;
    if (!slash)
        return false;
    size_t at = (size_t)(slash - text.data);
    if (!number_parse_u64(slice_part(text, 0, at), &gets) ||
        !number_parse_u64(slice_part(text, at + 1, text.size), &sets) || gets > 1000000 || sets > 1000000 ||
        gets + sets == 0)
        return false;
    *ret_set_share = (double)sets / (double)(gets + sets);
    return true;
}

static enum status set_flag(const struct flag *flag, const char *value, void *options, char *ret_error) {
    void *place = (char *)options + flag->offset;
    struct slice text = value ? slice_from_string(value) : slice_make(NULL, 0);
    uint64_t count;
    double number;
    switch (flag->type) {
        case FLAG_SWITCH:
            *(bool *)place = true;
            break;
        case FLAG_TEXT:
            if (!*value)
                return refuse(ret_error, flag, "''", "a name that is not empty");
            *(const char **)place = value;
            break;
        case FLAG_COUNT:
            if (!number_parse_u64(text, &count) || (double)count < flag->least || (double)count > flag->most)
                return refuse_range(ret_error, flag, value, "a whole number");
            *(uint64_t *)place = count;
            break;
        case FLAG_NUMBER:
            if (!decimal_parse(text, &number) || number < flag->least || number > flag->most)
                return refuse_range(ret_error, flag, value, "a number");
            *(double *)place = number;
            break;
        case FLAG_PROTOCOL:
            if (!slice_equal(text, SLICE("resp")) && !slice_equal(text, SLICE("memcached")))
                return refuse(ret_error, flag, value, "resp or memcached");
            *(enum requests_protocol *)place = *value == 'r' ? REQUESTS_RESP : REQUESTS_MEMCACHED;
            break;
        case FLAG_MIX:
            if (!parse_mix(text, place))
                return refuse(ret_error, flag, value, "get, set, or a share such as 90/10");
            break;
    }
    return STATUS_OK;
}

static enum status refuse_unknown(const char *word, const struct table *table, char *ret_error) {
    const char *names[NAMES_MAX + 1] = {NULL};
    size_t count = 0;
    for (; count < table->count; count++)
        names[count] = table->flags[count].name;
    for (size_t i = 0; table->server && count < NAMES_MAX && place_flags_name(i); i++)
        names[count++] = place_flags_name(i);
    const char *near = config_suggest_word(slice_from_string(word), names);
    if (near)
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "unknown flag '%.60s': did you mean '%s'?", word, near);
    else
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "unknown flag '%.60s': --help lists them", word);
    return STATUS_INVALID;
}

static const struct flag *find_flag(const struct table *table, const char *word, size_t size) {
    if (table->flags == flags)
        for (size_t i = 0; i < COUNT_OF(aliases); i++)
            if (strcmp(aliases[i][0], word) == 0)
                return find_flag(table, aliases[i][1], strlen(aliases[i][1]));
    for (size_t i = 0; i < table->count; i++)
        if (strlen(table->flags[i].name) == size && memcmp(table->flags[i].name, word, size) == 0)
            return &table->flags[i];
    return NULL;
}

/* Both "--flag value" and "--flag=value". `given` has a bit for each flag of the table. */
static enum status parse(int argc, char **argv, const struct table *table, void *options, uint64_t *given,
                         char *ret_error) {
    static_assert((int)OPTIONS_ERROR_SIZE >= (int)PLACE_FLAGS_PROBLEM_SIZE, "it may be about the server");
    static_assert(
        COUNT_OF(flags) <= FLAGS_MAX && COUNT_OF(null_flags) <= FLAGS_MAX && COUNT_OF(replay_flags) <= FLAGS_MAX,
        "bits of `given`, and see NAMES_MAX");
    for (int i = 0; i < argc; i++) {
        size_t name_size = strcspn(argv[i], "=");
        const struct flag *flag = find_flag(table, argv[i], name_size);
        if (!flag) {
            enum place_flags_result of_place =
                table->server ? place_flags_read(table->server, argc, argv, &i, ret_error) : PLACE_FLAGS_OTHER;
            if (of_place == PLACE_FLAGS_TAKEN)
                continue;
            return of_place == PLACE_FLAGS_WRONG ? STATUS_INVALID : refuse_unknown(argv[i], table, ret_error);
        }
        const char *value = argv[i][name_size] == '=' ? argv[i] + name_size + 1 : NULL;
        if (flag->type == FLAG_SWITCH && value)
            return refuse(ret_error, flag, value, "given without a value");
        if (flag->type != FLAG_SWITCH && !value && (value = argv[++i]) == NULL) {
            snprintf(ret_error, OPTIONS_ERROR_SIZE, "%s: a value is missing (%s)", flag->name, flag->takes);
            return STATUS_INVALID;
        }
        TRY(set_flag(flag, value, options, ret_error));
        *given |= 1ull << (flag - table->flags);
    }
    return STATUS_OK;
}

static bool is_given(uint64_t given, const char *name) {
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (strcmp(flags[i].name, name) == 0)
            return given >> i & 1;
    }
    return false;
}

/* The port that is meant where none is said, too. */
static enum status settle_server(struct place_flags *server, enum requests_protocol protocol, char *ret_error) {
    struct server_place *place = &server->place;
    const char *other = place->host ? "--host" : place->port ? "--port" : NULL;
    if (place->socket && other) {
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "--unix and %s exclude each other", other);
        return STATUS_INVALID;
    }
    if (protocol == REQUESTS_MEMCACHED &&
        (place->user || place->service || place->db || server->asks_password || server->password_shown)) {
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "users, services and databases are not of --protocol memcached");
        return STATUS_INVALID;
    }
    if (!place->port)
        place->port = protocol == REQUESTS_MEMCACHED ? MEMCACHED_PORT : SERVER_PORT;
    return place_flags_check(server, ret_error) ? STATUS_OK : STATUS_INVALID;
}

/* Flags that contradict each other. */
static enum status check(const struct bench_options *options, uint64_t given, char *ret_error) {
    static const char *const pairs[][2] = {
        {"--load", "--mix"},  {"--load", "--requests"}, {"--load", "--seconds"},     {"--load", "--zipf"},
        {"--load", "--rate"}, {"--load", "--warmup"},   {"--requests", "--seconds"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (!is_given(given, pairs[i][0]) || !is_given(given, pairs[i][1]))
            continue;
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "%s and %s exclude each other", pairs[i][0], pairs[i][1]);
        return STATUS_INVALID;
    }
    if (options->relaxed && options->rate == 0) {
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "--relaxed is of a fixed rate: --rate is missing");
        return STATUS_INVALID;
    }
    uint32_t digits = requests_digits(options->keys);
    if (digits > options->key_size) {
        snprintf(ret_error, OPTIONS_ERROR_SIZE,
                 "--key-size %u is too small for %llu keys: their numbers have %u digits", (unsigned)options->key_size,
                 (unsigned long long)options->keys, digits);
        return STATUS_INVALID;
    }
    if (options->threads > options->clients) {
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "--threads %u is more than --clients %u", (unsigned)options->threads,
                 (unsigned)options->clients);
        return STATUS_INVALID;
    }
    if ((options->value_size + options->key_size + 128) * options->pipeline > REQUESTS_BATCH_BYTES_MAX) {
        snprintf(ret_error, OPTIONS_ERROR_SIZE,
                 "--pipeline %u with values of %u bytes: a batch may have %d MiB at most", (unsigned)options->pipeline,
                 (unsigned)options->value_size, REQUESTS_BATCH_BYTES_MAX >> 20);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status options_parse(int argc, char **argv, struct bench_options *ret_options,
                          char ret_error[OPTIONS_ERROR_SIZE]) {
    uint64_t given = 0;
    struct bench_options *options = ret_options;
    *options = (struct bench_options){.clients = 50,
                                      .threads = 1,
                                      .pipeline = 1,
                                      .stall_s = 10,
                                      .keys = 1000000,
                                      .key_size = 16,
                                      .value_size = 32,
                                      .seed = 1};
    const struct table table = {flags, COUNT_OF(flags), &options->server};
    place_flags_init(&options->server);
    options->server.taken = "n";
    TRY(parse(argc, argv, &table, options, &given, ret_error));
    if (options->help)
        return STATUS_OK;
    TRY(check(options, given, ret_error));
    TRY(settle_server(&options->server, options->protocol, ret_error));
    if (options->load) {
        options->set_share = 1;
        options->requests = options->keys;
    }
    if (!options->requests && options->seconds == 0)
        options->seconds = 5;
    return STATUS_OK;
}

enum status options_parse_null(int argc, char **argv, struct null_options *ret_options,
                               char ret_error[OPTIONS_ERROR_SIZE]) {
    uint64_t given = 0;
    *ret_options = (struct null_options){.reply_size = UINT64_MAX};
    const struct table table = {null_flags, COUNT_OF(null_flags), NULL};
    return parse(argc, argv, &table, ret_options, &given, ret_error);
}

enum status options_parse_replay(int argc, char **argv, struct replay_options *ret_options,
                                 char ret_error[OPTIONS_ERROR_SIZE]) {
    uint64_t given = 0;
    struct replay_options *options = ret_options;
    const struct table table = {replay_flags, COUNT_OF(replay_flags), &options->server};
    *options = (struct replay_options){.batch = 32, .copies = 1, .median = 230, .sigma = 1, .seed = 1, .stall_s = 10};
    place_flags_init(&options->server);
    TRY(parse(argc, argv, &table, options, &given, ret_error));
    if (options->help)
        return STATUS_OK;
    if (!options->trace) {
        snprintf(ret_error, OPTIONS_ERROR_SIZE, "--trace FILE is missing");
        return STATUS_INVALID;
    }
    return settle_server(&options->server, options->protocol, ret_error);
}

enum status options_parse_engine(int argc, char **argv, struct engine_options *ret_options,
                                 char ret_error[OPTIONS_ERROR_SIZE]) {
    uint64_t given = 0;
    *ret_options = (struct engine_options){
        .entries = 1000000, .operations = 200000, .rounds = 5, .threads = ENGINE_THREADS_MAX, .seed = 1};
    const struct table table = {engine_flags, COUNT_OF(engine_flags), NULL};
    return parse(argc, argv, &table, ret_options, &given, ret_error);
}

static const char *alias_of(const struct flag *table, const struct flag *flag) {
    for (size_t i = 0; i < COUNT_OF(aliases) && table == flags; i++)
        if (strcmp(aliases[i][1], flag->name) == 0)
            return aliases[i][0];
    return NULL;
}

static void print_flags(const struct flag *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *alias = alias_of(table, &table[i]);
        char text[64];
        snprintf(text, sizeof text, "%s%s%s%s%s", table[i].name, alias ? ", " : "", alias ? alias : "",
                 table[i].takes ? " " : "", table[i].takes ? table[i].takes : "");
        printf("  %-*s %s\n", HELP_COLUMN - 3, text, table[i].help);
    }
}

void options_print_help(const struct bench_options *options) {
    printf(
        "usage: strata bench [flags]\n"
        "       strata bench null [flags]\n"
        "       strata bench replay --trace FILE [flags]\n"
        "       strata bench engine [flags]\n\n"
        "Measures a server: how many requests a second, and how long they take. Any server of the Redis protocol will\n"
        "do, and memcached. Each connection waits for its replies before it sends again, unless --rate is given. The\n"
        "exit code is 1 if there were errors or wrong values. 'bench null' is a server that does nothing: the "
        "limit.\n"
        "'bench replay' plays recorded requests against a server and counts how often it had the object.\n"
        "'bench engine' measures the cache inside this process.\n\n");
    place_flags_print(&options->server, HELP_COLUMN);
    printf("\n");
    print_flags(flags, COUNT_OF(flags));
}

void options_print_null_help(void) {
    printf(
        "usage: strata bench null [flags]\n\n"
        "A server that does nothing: it counts requests of the Redis protocol as they come in and answers each with "
        "the\n"
        "same reply. What 'strata bench' measures against it is the limit that the network of this machine sets.\n\n");
    print_flags(null_flags, COUNT_OF(null_flags));
}

void options_print_replay_help(const struct replay_options *options) {
    printf(
        "usage: strata bench replay --trace FILE [flags]\n\n"
        "Plays recorded requests against a server the way a program with a cache in front of its data does: GET, and "
        "on a\n"
        "miss SET. Says how often the object was there. Values are checked to the last byte; the exit code is 1 if one "
        "was\n"
        "wrong.\n\n");
    place_flags_print(&options->server, HELP_COLUMN);
    printf("\n");
    print_flags(replay_flags, COUNT_OF(replay_flags));
}

void options_print_engine_help(void) {
    printf(
        "usage: strata bench engine [flags]\n\n"
        "Measures the calls of the cache inside this process, on keys of 20 bytes and values of 32, beside what a "
        "lookup\n"
        "costs at least here: the hash of the key and two cache misses, one after the other.\n\n");
    print_flags(engine_flags, COUNT_OF(engine_flags));
}
