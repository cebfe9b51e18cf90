#include <stdio.h>

#include "app/config/config.h"
#include "base/bits.h"
#include "core/store/range.h"
#include "unit.h"

static const struct config_machine machine = {.memory_bytes = 1ull << 30, .cores = 2};

static enum status load(struct config *config, struct slice text, struct config_error *error) {
    config_defaults(config, &machine);
    error->text[0] = 0;
    enum status status = config_load_yaml(config, text, "s.yaml", error);
    return status == STATUS_OK ? config_check(config, error) : status;
}

static const struct {
    const char *text, *error;
} wrong[] = {
    {"stores:\n", "s.yaml:1:8: stores: expected names of stores, each with its fields"},
    {"stores: [a]\n", "s.yaml:1:9: stores: expected names of stores, each with its fields"},
    {"stors: {}\n", "s.yaml:1:1: unknown key 'stors': did you mean 'stores'?"},
    {"stores: {}\nport: 1\nStores: {}\n", "s.yaml:3:1: 'stores' stands there twice, first in line 1"},
    {"stores:\n  a b: { keys: [x] }\n",
     "s.yaml:2:3: stores: a store's name is made of 1 to 31 letters, digits, '_' and '-'"},
    {"stores:\n  a-name-of-thirty-two-characters-: {}\n",
     "s.yaml:2:3: stores: a store's name is made of 1 to 31 letters, digits, '_' and '-'"},
    {"stores:\n  [a]: {}\n", "s.yaml:2:3: stores: a store's name is made of 1 to 31 letters, digits, '_' and '-'"},
    {"stores:\n  q: { keys: [q] }\n  q: { keys: [r] }\n",
     "s.yaml:3:3: stores: 'q' stands there twice, first in line 2"},
    {"stores:\n  default: 60%\n",
     "s.yaml:2:12: stores.default: expected fields, as in { keys: [\"queue:*\"], memory: 20% }"},
    {"stores:\n  default:\n",
     "s.yaml:2:11: stores.default: expected fields, as in { keys: [\"queue:*\"], memory: 20% }"},
    {"stores:\n  q:\n    memory: 1mb\n", "s.yaml:2:3: stores.q: has no 'keys', so no key would ever be in it"},
    {"stores:\n  q: { keys: [] }\n", "s.yaml:2:14: stores.q.keys: the list is empty"},
    {"stores:\n  q:\n    keys:\n", "s.yaml:3:10: stores.q.keys: has no value"},
    {"stores:\n  default: { keys: [a] }\n",
     "s.yaml:2:20: stores.default.keys: the default store takes the keys that no other store takes, so it has no "
     "patterns"},
    {"stores:\n  q: { key: [a] }\n", "s.yaml:2:8: stores.q: unknown field 'key': did you mean 'keys'?"},
    {"stores:\n  q: { colour: red }\n",
     "s.yaml:2:8: stores.q: unknown field 'colour': there are keys, memory, policy, ttl, entries, filter"},
    {"stores:\n  q: { [keys]: 1 }\n", "s.yaml:2:8: stores.q: a field must be a plain word"},
    {"stores:\n  q:\n    ttl: 1s\n    TTL: 2s\n", "s.yaml:4:5: stores.q: 'ttl' stands there twice, first in line 3"},
    {"stores:\n  q: { keys: [session:{sid}] }\n",
     "s.yaml:2:22: not valid YAML: found unexpected ':': quote a value that has one in it"},
    {"stores:\n  q: { keys: [\"session:{sid\"] }\n",
     "s.yaml:2:24: stores.q.keys: 'session:{sid': a '{' without its '}'"},
    {"stores:\n  q:\n    keys:\n      - q:*{x}\n",
     "s.yaml:4:12: stores.q.keys: 'q:*{x}': two of '{}' and '*' side by side: nothing says where one ends"},
    {"stores:\n  q: { keys: ['\xc3\xa4\xe2\x82\xac}'] }\n",
     "s.yaml:2:18: stores.q.keys: '\xc3\xa4\xe2\x82\xac}': a '}' without its '{'"},
    {"stores:\n  q: { keys: [\"\\x61\\x62}\"] }\n", "s.yaml:2:15: stores.q.keys: 'ab}': a '}' without its '{'"},
    {"stores:\n  q: { keys: \"\" }\n", "s.yaml:2:15: stores.q.keys: '': an empty pattern"},
    {"stores:\n  q: { keys: [a, a] }\n",
     "s.yaml:2:18: stores.q.keys: 'a' takes the same keys as a pattern of 'q' in line 2"},
    {"stores:\n  q: { keys: [\"q:{a}\"] }\n  r: { keys: [b, \"q:{b}\"] }\n",
     "s.yaml:3:18: stores.r.keys: 'q:{b}' takes the same keys as a pattern of 'q' in line 2"},
    {"stores:\n  q: { keys: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q] }\n",
     "s.yaml:2:47: stores.q.keys: more than 16 patterns"},
    {"stores:\n  q: { keys: [a], memory: lots }\n",
     "s.yaml:2:27: stores.q.memory: 'lots' is not a size, as in 512mb or 70%"},
    {"stores:\n  q: { keys: [a], memory: 6 % }\n",
     "s.yaml:2:27: stores.q.memory: '6 %' is not a share, as in 20% or 12.5%"},
    {"stores:\n  q: { keys: [a], memory: 12.25% }\n",
     "s.yaml:2:27: stores.q.memory: '12.25%' is not a share, as in 20% or 12.5%"},
    {"stores:\n  q: { keys: [a], memory: 0% }\n",
     "s.yaml:2:27: stores.q.memory: '0%' is out of range: 0.1% to 100% of maxmemory"},
    {"stores:\n  q: { keys: [a], memory: 100.1% }\n",
     "s.yaml:2:27: stores.q.memory: '100.1%' is out of range: 0.1% to 100% of maxmemory"},
    {"stores:\n  q: { keys: [a], memory: 99999999999999999999% }\n",
     "s.yaml:2:27: stores.q.memory: '99999999999999999999%' is not a share, as in 20% or 12.5%"},
    {"stores:\n  q: { keys: [a], memory: 1gib }\n",
     "s.yaml:2:27: stores.q.memory: '1gib' has the unknown unit 'gib': use b, kb, mb, gb, tb or %"},
    {"stores:\n  q: { keys: [a], memory: [1mb] }\n", "s.yaml:2:27: stores.q.memory: takes one value, not a list"},
    {"stores:\n  q: { keys: [a], memory: {a: b} }\n",
     "s.yaml:2:27: stores.q.memory: takes one value, not further keys"},
    {"stores:\n  q: { keys: [a], memory: 60% }\n  r:\n    keys: b\n    memory: 40.1%\n",
     "s.yaml:5:13: stores.r.memory: the shares of the stores up to here come to 100.1% of maxmemory"},
    {"maxmemory: 100mb\nstores:\n  default: { memory: 50% }\n  q: { keys: [a], memory: 51mb }\n",
     "s.yaml:4:27: stores.q.memory: up to here 101.0mb are guaranteed, more than the 100mb of maxmemory"},
    {"stores:\n  q: { keys: [a], policy: allkeys-lfuu }\n",
     "s.yaml:2:27: stores.q.policy: 'allkeys-lfuu' is not known: did you mean 'allkeys-lfu'?"},
    {"stores:\n  q: { keys: [a], policy: fifo }\n",
     "s.yaml:2:27: stores.q.policy: 'fifo' is not one of noeviction, allkeys-lru, allkeys-lfu, allkeys-random, "
     "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, session"},
    {"stores:\n  q: { keys: [\"q:{id}:*\"], policy: session }\n",
     "s.yaml:2:3: stores.q: the policy 'session' needs a pattern with one {part} and no '*', such as session:{id}"},
    {"stores:\n  default: { policy: session }\n",
     "s.yaml:2:22: stores.default.policy: 'session' is for stores with a pattern such as session:{id}, which says what "
     "a session is"},
    {"maxmemory-policy: noeviction\nstores:\n  default: { policy: allkeys-lru }\n",
     "s.yaml:3:22: stores.default.policy: means 'maxmemory-policy', which is given in line 1"},
    {"stores:\n  default: { entries: 10 }\nmaxentries: 20\n",
     "s.yaml:3:1: 'maxentries' stands there twice, first in line 2"},
    {"stores:\n  default: { entries: 9 }\n",
     "s.yaml:2:23: stores.default.entries: '9' is out of range: 0, or 10 to 1099511627776"},
    {"maxentries: 9\n", "s.yaml:1:13: maxentries: '9' is out of range: 0, or 10 to 1099511627776"},
    {"stores:\n  q: { keys: [a], entries: many }\n", "s.yaml:2:28: stores.q.entries: 'many' is not a whole number"},
    {"stores:\n  q: { keys: [a], entries: 1 }\n",
     "s.yaml:2:28: stores.q.entries: '1' is out of range: 0, or 10 to 1099511627776"},
    {"stores:\n  q: { keys: [a], ttl: 30 }\n", "s.yaml:2:24: stores.q.ttl: '30' has no unit: use ms, s, m, h or d"},
    {"stores:\n  q: { keys: [a], ttl: 10us }\n", "s.yaml:2:24: stores.q.ttl: '10us' is finer than this key's unit, ms"},
    {"stores:\n  q: { keys: [a], ttl: soon }\n",
     "s.yaml:2:24: stores.q.ttl: 'soon' is not a duration, as in 300ms, 20s or 5m"},
    {"stores:\n  q: { keys: [a], ttl: 36501d }\n",
     "s.yaml:2:24: stores.q.ttl: '36501d' is out of range: 0 to 3153600000000ms"},
    {"stores:\n  q: { keys: [a], ttl: -1s }\n",
     "s.yaml:2:24: stores.q.ttl: '-1s' is out of range: 0 to 3153600000000ms"},
    {"stores:\n  q: { keys: [a], filter: bloom }\n", "s.yaml:2:27: stores.q.filter: 'bloom' is not one of off, cuckoo"},
    {"stores:\n  q: { keys: [a], filter: { kind: cuckoo, rate: 1 } }\n",
     "s.yaml:2:49: stores.q.filter.rate: '1' is not a rate, as in 1% or 0.5%"},
    {"stores:\n  q: { keys: [a], filter: { kind: cuckoo, rate: 0.01% } }\n",
     "s.yaml:2:49: stores.q.filter.rate: '0.01%' is out of range: 0.02% to 50%"},
    {"stores:\n  q: { keys: [a], filter: { rate: 1% } }\n",
     "s.yaml:2:27: stores.q.filter: a rate without a filter: say { kind: cuckoo, rate: 1% }"},
    {"stores:\n  q: { keys: [a], filter: { sort: cuckoo } }\n",
     "s.yaml:2:29: stores.q.filter: unknown field 'sort': there are kind, rate"},
    {"stores: { q: { keys: {a: b} } }\n",
     "s.yaml:1:22: stores.q.keys: a pattern is one text: put it in quotes, as in \"session:{id}\""},
    {"stores: { q: { keys: [[a]] } }\n", "s.yaml:1:23: nested deeper than 4"},
    {"stores: { q: { keys: [*] } }\n",
     "s.yaml:1:24: not valid YAML: did not find expected alphabetic or numeric character: quote a value that begins "
     "with '*'"},
};

static void wrong_stores_are_refused_with_place_and_advice(void **state) {
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct config config;
        struct config_error error;
        enum status status = load(&config, slice_from_string(wrong[i].text), &error);
        if (status == STATUS_INVALID && strcmp(error.text, wrong[i].error) == 0)
            continue;
        fprintf(stderr, "%s  expected %s\n  received %s\n", wrong[i].text, wrong[i].error, error.text);
        failed++;
    }
    assert_int_equal(failed, 0);
}

static void refused_stores_change_nothing(void **state) {
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct config config, before;
        struct config_error error;
        config_defaults(&config, &machine);
        before = config;
        if (config_load_yaml(&config, slice_from_string(wrong[i].text), "s.yaml", &error) != STATUS_OK)
            assert_memory_equal(&config, &before, sizeof config);
    }
}

static void every_field_arrives(void **state) {
    struct config config;
    struct config_error error;
    char text[256];
    enum status status = load(
        &config,
        SLICE("stores:\n"
              "  default:  { memory: 60%, policy: allkeys-lru, entries: 5000 }\n"
              "  sessions: { keys: [\"session:{sid}\", \"cart:{sid}:*\"], memory: 12.5%, policy: session, ttl: 30m }\n"
              "  queues:   { keys: queue:*, memory: 64mb, policy: noeviction, entries: 100000, filter: cuckoo }\n"
              "  rest:\n    keys:\n    - \"*:x\"\n    filter:\n      kind: cuckoo\n      rate: 0.0625%\n"
              "  last: { keys: [l], policy: VOLATILE-ttl, ttl: 0, filter: off, memory: 0 }\n"),
        &error);
    assert_string_equal(error.text, "");
    assert_int_equal(status, STATUS_OK);
    const struct config_stores *stores = &config.stores;
    assert_int_equal(stores->count, 5);
    assert_string_equal(stores->each[0].name, "default");
    assert_int_equal(stores->each[0].share_permille, 600);
    assert_int_equal(stores->each[0].policy, CONFIG_STORE_POLICY_UNSAID);
    assert_int_equal(stores->each[0].entries_max, 0);
    assert_int_equal(config.values.maxmemory_policy, CONFIG_MAXMEMORY_POLICY_ALLKEYS_LRU);
    assert_int_equal(config.values.maxentries, 5000);
    assert_int_equal(config.origins[CONFIG_MAXENTRIES].line, 2);
    assert_int_equal(config.origins[CONFIG_MAXENTRIES].column, 58);
    assert_int_equal(stores->each[1].pattern_count, 2);
    assert_true(slice_equal(config_store_pattern(stores, 1, 0), SLICE("session:{sid}")));
    assert_true(slice_equal(config_store_pattern(stores, 1, 1), SLICE("cart:{sid}:*")));
    assert_int_equal(stores->each[1].share_permille, 125);
    assert_int_equal(stores->each[1].policy, CACHE_SESSION);
    assert_int_equal(stores->each[1].ttl_ms, 1800000);
    assert_true(slice_equal(config_store_pattern(stores, 2, 0), SLICE("queue:*")));
    assert_int_equal(stores->each[2].guaranteed_bytes, 64 << 20);
    assert_int_equal(stores->each[2].entries_max, 100000);
    assert_int_equal(stores->each[2].policy, CACHE_NOEVICTION);
    assert_true(stores->each[2].filter);
    assert_int_equal(stores->each[2].filter_rate_ppm, 10000);
    assert_int_equal(stores->each[3].filter_rate_ppm, 625);
    assert_int_equal(stores->each[3].policy, CONFIG_STORE_POLICY_UNSAID);
    assert_int_equal(stores->each[4].policy, CACHE_VOLATILE_TTL);
    assert_false(stores->each[4].filter);
    assert_int_equal(config.store_places[3].line, 5);
    assert_int_equal(config.store_places[3].column, 3);
    assert_string_equal(config_store_text(stores, 0, text, sizeof text), "memory 60%");
    assert_string_equal(config_store_text(stores, 1, text, sizeof text), "memory 12.5%, policy session, ttl 30m");
    assert_string_equal(config_store_text(stores, 2, text, sizeof text),
                        "memory 64mb, policy noeviction, entries 100000, filter cuckoo 1%");
    assert_string_equal(config_store_text(stores, 3, text, sizeof text), "filter cuckoo 0.0625%");
    assert_string_equal(config_store_text(stores, 1, text, 16), "memory 12.5%, p");
}

/* Later sources win over the file, also where the file says a setting in the section of stores. */
static void flags_overrule_the_default_stores_fields(void **state) {
    struct config config;
    struct config_error error;
    char *flags[] = {"--maxmemory-policy=volatile-lru", "--maxentries=0", "--maxmemory=100mb"};
    struct slice text =
        SLICE("stores: { default: { policy: noeviction, entries: 10 }, q: { keys: q, memory: 90mb } }\n");
    assert_int_equal(load(&config, text, &error), STATUS_OK);
    assert_int_equal(config.values.maxmemory_policy, CONFIG_MAXMEMORY_POLICY_NOEVICTION);
    assert_int_equal(config_load_flags(&config, 3, flags, &error), STATUS_OK);
    assert_int_equal(config.values.maxmemory_policy, CONFIG_MAXMEMORY_POLICY_VOLATILE_LRU);
    assert_int_equal(config.values.maxentries, 0);
    assert_int_equal(config_check(&config, &error), STATUS_OK);
    config.values.maxmemory_bytes = 89 << 20;
    assert_int_equal(config_check(&config, &error), STATUS_INVALID);
    assert_string_equal(
        error.text, "s.yaml:1:79: stores.q.memory: up to here 90mb are guaranteed, more than the 89mb of maxmemory");
}

static void stores_are_given_in_the_file_only(void **state) {
    struct config config;
    struct config_error error;
    char *flags[] = {"--stores", "a"}, *environment[] = {"STRATA_STORES=a", NULL};
    config_defaults(&config, &machine);
    assert_int_equal(config_load_flags(&config, 2, flags, &error), STATUS_INVALID);
    assert_string_equal(error.text, "--stores: stores can be described in the file only");
    assert_int_equal(config_load_environment(&config, environment, &error), STATUS_INVALID);
    assert_string_equal(error.text, "STRATA_STORES: stores can be described in the file only");
}

static void limits_hold(void **state) {
    struct config config;
    struct config_error error;
    struct buf text;
    buf_init(&text, &memory_libc);
    /* 63 stores and the default one; every pattern as long as there is room for. */
    assert_int_equal(buf_printf(&text, "stores:\n"), STATUS_OK);
    for (int i = 0; i < CACHE_STORES_MAX - 1; i++)
        assert_int_equal(buf_printf(&text, "  s%02d: { keys: [\"a%02d:%0250d\"] }\n", i, i, 0), STATUS_OK);
    size_t before = text.size;
    assert_int_equal(load(&config, buf_slice(&text), &error), STATUS_OK);
    assert_int_equal(config.stores.count, 63);
    assert_int_equal(buf_printf(&text, "  more: { keys: [b] }\n"), STATUS_OK);
    assert_int_equal(load(&config, buf_slice(&text), &error), STATUS_INVALID);
    assert_string_equal(error.text, "s.yaml:65:3: stores: more than 64 stores, the default one included");
    text.size = before;
    assert_int_equal(buf_printf(&text, "  default: { ttl: 1s }\n"), STATUS_OK);
    assert_int_equal(load(&config, buf_slice(&text), &error), STATUS_OK);
    assert_int_equal(config.stores.count, 64);
    assert_int_equal(buf_printf(&text, "  more: { keys: [b] }\n"), STATUS_OK);
    assert_int_equal(load(&config, buf_slice(&text), &error), STATUS_INVALID);
    assert_string_equal(error.text, "s.yaml:66:3: stores: more than 64 stores, the default one included");

    buf_clear(&text);
    assert_int_equal(buf_printf(&text, "stores:\n"), STATUS_OK);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(buf_printf(&text, "  s%d:\n    keys:\n", i), STATUS_OK);
        for (int j = 0; j < CACHE_STORE_PATTERNS_MAX; j++)
            assert_int_equal(buf_printf(&text, "    - a%d-%02d:%0249d\n", i, j, 0), STATUS_OK);
    }
    assert_int_equal(load(&config, buf_slice(&text), &error), STATUS_INVALID);
    assert_string_equal(error.text,
                        "s.yaml:148:7: stores.s8.keys: the patterns of all stores have more than 32768 bytes together");
    buf_fini(&text);
}

/* ------------------------------------------------------------------------------------------ CONFIG REWRITE */

static enum status set(struct config *config, uint32_t count, const char *const *words, struct config_error *error) {
    struct slice names[8], values[8];
    for (uint32_t i = 0; i < count; i++) {
        names[i] = slice_from_string(words[2 * i]);
        values[i] = slice_from_string(words[2 * i + 1]);
    }
    return config_set(config, names, values, count, NULL, error);
}

static void expect_rewritten(const char *old, const char *expected) {
    static const char *const words[] = {"maxmemory-policy", "volatile-ttl", "timeout", "30", "maxentries", "77"};
    struct config config, again;
    struct config_error error;
    struct buf text;
    buf_init(&text, &memory_libc);
    assert_int_equal(load(&config, slice_from_string(old), &error), STATUS_OK);
    assert_int_equal(set(&config, 3, words, &error), STATUS_OK);
    assert_int_equal(config_rewrite_text(&config, slice_from_string(old), &text, &error), STATUS_OK);
    assert_int_equal(load(&again, buf_slice(&text), &error), STATUS_OK);
    assert_memory_equal(&again.values, &config.values, sizeof again.values);
    assert_memory_equal(&again.stores, &config.stores, sizeof again.stores);
    assert_int_equal(buf_append(&text, "", 1), STATUS_OK);
    assert_string_equal((const char *)text.data, expected);
    buf_fini(&text);
}

static void rewriting_keeps_the_stores_as_they_stand(void **state) {
    expect_rewritten("timeout: 1\nstores: # mine\n  q: { keys: [\"q:*\"],   memory: 10% }\n  # end\n",
                     "timeout: 30\nstores: # mine\n  q: { keys: [\"q:*\"],   memory: 10% }\n  # end\n"
                     "maxmemory-policy: volatile-ttl\nmaxentries: 77\n");
    expect_rewritten("stores:\n  q:\n    keys:\n    - q:*\n    ttl: 5s",
                     "stores:\n  q:\n    keys:\n    - q:*\n    ttl: 5s\ntimeout: 30\nmaxmemory-policy: volatile-ttl\n"
                     "maxentries: 77\n");
    /* What the default store says of the two settings is where they are written. */
    expect_rewritten(
        "stores:\n  q: { keys: q }\n  default: { entries: 10, memory: 5%, policy: noeviction } # all\nport: 1\n",
        "stores:\n  q: { keys: q }\n  default: { entries: 77, memory: 5%, policy: volatile-ttl } # all\n"
        "port: 1\ntimeout: 30\n");
}

static void rewriting_refuses_a_file_that_would_not_load(void **state) {
    static const char *const words[] = {"maxmemory", "50mb"};
    struct config config;
    struct config_error error;
    struct buf text;
    struct slice old = SLICE("maxmemory: 100mb\nstores: { q: { keys: q, memory: 60mb } }\n");
    buf_init(&text, &memory_libc);
    assert_int_equal(load(&config, old, &error), STATUS_OK);
    assert_int_equal(set(&config, 1, words, &error), STATUS_OK);
    assert_int_equal(config_rewrite_text(&config, old, &text, &error), STATUS_INVALID);
    assert_string_equal(
        error.text, "s.yaml:2:33: stores.q.memory: up to here 60mb are guaranteed, more than the 50mb of maxmemory");
    assert_int_equal(text.size, 0);
    buf_fini(&text);
}

static void limits_are_the_engines(void **state) {
    const struct config_key *maxmemory = &config_keys[CONFIG_MAXMEMORY], *entries = &config_keys[CONFIG_MAXENTRIES];
    if (maxmemory->min != RANGE_LIMIT_MIN)
        fail_msg("min of maxmemory in spec/config.yaml is not RANGE_LIMIT_MIN, %lld", (long long)RANGE_LIMIT_MIN);
    assert_int_equal(entries->min, CACHE_ENTRIES_MAX_MIN);
}

UNIT_TESTS(config_stores, UNIT(wrong_stores_are_refused_with_place_and_advice), UNIT(refused_stores_change_nothing),
           UNIT(every_field_arrives), UNIT(flags_overrule_the_default_stores_fields),
           UNIT(stores_are_given_in_the_file_only), UNIT(limits_hold), UNIT(limits_are_the_engines),
           UNIT(rewriting_keeps_the_stores_as_they_stand), UNIT(rewriting_refuses_a_file_that_would_not_load));
