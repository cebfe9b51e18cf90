#include "app/cmd/cmd_fixture.h"
#include "app/cmd/server_api.h"
#include "base/bits.h"

/* A server that knows counts and settings, and a cache with two named stores beside the default one. */
struct shop {
    struct cmd_server server; /* first */
    struct cache *cache;
    bool refuses_config;
    char policy[32], entries[32];
};

static struct shop *shop_of(struct cmd_server *server) { return (struct shop *)server; }

static void give_store(struct cmd_server *server, uint32_t store, struct actor_counts *ret) {
    *ret = (struct actor_counts){
        .hits = 30 + store, .misses = 10, .filtered = 6, .unfiltered = 2, .expired = 4, .evicted = 5};
}

static bool config_set(struct cmd_server *server, const struct slice *names, const struct slice *values, uint32_t count,
                       char *ret_error, size_t error_size) {
    struct shop *shop = shop_of(server);
    if (shop->refuses_config) {
        snprintf(ret_error, error_size, "refused");
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        bool policy = slice_equal(names[i], SLICE("maxmemory-policy"));
        assert_true(policy || slice_equal(names[i], SLICE("maxentries")));
        snprintf(policy ? shop->policy : shop->entries, 32, "%.*s", (int)values[i].size, (const char *)values[i].data);
    }
    return true;
}

static const struct cmd_server_api api = {.store_counts = give_store, .config_set = config_set};

static void shop_open(struct shop *shop, struct cmd_fixture *f) {
    static const struct slice queues[] = {{(const uint8_t *)"queue:*", 7}};
    static const struct slice sessions[] = {{(const uint8_t *)"session:{sid}", 13}};
    const struct cache_store stores[] = {
        {.name = SLICE("queues"), .patterns = queues, .pattern_count = 1, .guaranteed_bytes = 16 << 20, .ttl_ms = 5000},
        {.name = SLICE("sessions"),
         .patterns = sessions,
         .pattern_count = 1,
         .share_permille = 125,
         .policy = CACHE_SESSION},
    };
    cmd_fixture_open_with(f, (struct cache_options){.limit_bytes = FIXTURE_RANGE_SIZE,
                                                    .policy = CACHE_ALLKEYS_LFU,
                                                    .stores = stores,
                                                    .store_count = COUNT_OF(stores)});
    *shop = (struct shop){.server = {.api = &api}, .cache = f->cache};
    f->env.server = &shop->server;
}

static struct cache_store_info info_of(const struct cmd_fixture *f, uint32_t store) {
    struct cache_store_info info;
    cache_store_info(f->cache, store, &info);
    return info;
}

static void housekeep_to_the_end(struct cmd_fixture *f) {
    for (int i = 0; cache_housekeep(f->cache, &f->actor); i++)
        assert_true(i < 100000);
}

static void stores_are_listed_and_described(void **state) {
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    EXPECT_REPLY(&f, "STORE LIST", "*3\r\n$7\r\ndefault\r\n$6\r\nqueues\r\n$8\r\nsessions\r\n");
    EXPECT_REPLY(&f, "SET queue:1 x", "+OK\r\n");
    EXPECT_REPLY(&f, "SET user:1 x", "+OK\r\n");
    f.client.protocol = 3;
    EXPECT_PART(&f, "STORE INFO queues", "%14\r\n$4\r\nname\r\n$6\r\nqueues\r\n$6\r\npolicy\r\n$10\r\nnoeviction\r\n");
    EXPECT_PART(&f, "store info queues", "$16\r\nguaranteed_bytes\r\n:16777216\r\n");
    EXPECT_PART(&f, "STORE INFO queues", "$6\r\nttl_ms\r\n:5000\r\n");
    EXPECT_PART(&f, "STORE INFO queues", "$7\r\nentries\r\n:1\r\n$8\r\nexpiring\r\n:1\r\n");
    EXPECT_PART(&f, "STORE INFO sessions", "$6\r\nmethod\r\n$18\r\ns3-fifo-by-session\r\n");
    EXPECT_PART(&f, "STORE INFO sessions", "$14\r\nmemory_percent\r\n,12.5\r\n");
    EXPECT_PART(&f, "STORE INFO sessions", "$6\r\npolicy\r\n$7\r\nsession\r\n");
    EXPECT_PART(&f, "STORE INFO default", "$6\r\nfilter\r\n$3\r\noff\r\n$11\r\nfilter_rate\r\n,0\r\n");
    cmd_fixture_close(&f);
}

static void unknown_stores_are_named_in_the_error(void **state) {
    static const char *const lines[] = {"STORE INFO x",   "STORE FLUSH x", "STORE SET x TTL 5s", "HFILTER x on",
                                        "HFILTER x info", "HGET_FILTER x", "HSET_FILTER x off",  "HSTATS x"};
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        EXPECT_REPLY(&f, lines[i], "-ERR no such store 'x'\r\n");
    EXPECT_REPLY(&f, "STORE INFO \"a\\r\\nb\"", "-ERR no such store 'a  b'\r\n");
    EXPECT_PART(&f, "STORE INFO", "-ERR wrong number of arguments");
    EXPECT_PART(&f, "STORE GROW queues", "-ERR unknown subcommand");
    EXPECT_PART(&f, "STORE HELP", "+SET store ");
    cmd_fixture_close(&f);
}

static void flush_empties_one_store(void **state) {
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    EXPECT_REPLY(&f, "MSET queue:1 a queue:2 b user:1 c", "+OK\r\n");
    EXPECT_REPLY(&f, "SELECT 3", "+OK\r\n");
    EXPECT_REPLY(&f, "MSET queue:1 a user:1 c", "+OK\r\n");
    EXPECT_REPLY(&f, "STORE FLUSH queues", "+OK\r\n");
    EXPECT_REPLY(&f, "EXISTS queue:1 user:1", ":1\r\n");
    EXPECT_REPLY(&f, "SELECT 0", "+OK\r\n");
    EXPECT_REPLY(&f, "EXISTS queue:1 queue:2 user:1", ":1\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET queue:1 a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "STORE FLUSH queues", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "HFILTER queues on", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*3\r\n+OK\r\n+OK\r\n+OK\r\n");
    EXPECT_REPLY(&f, "EXISTS queue:1", ":0\r\n");
    cmd_fixture_close(&f);
}

static void settings_change_while_running(void **state) {
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    EXPECT_REPLY(&f, "STORE SET queues MEMORY 25% entries 500 policy allkeys-lru ttl 2h", "+OK\r\n");
    struct cache_store_info info = info_of(&f, 1);
    assert_int_equal(info.share_permille, 250);
    assert_int_equal(info.guaranteed_bytes, FIXTURE_RANGE_SIZE / 1000 * 250);
    assert_int_equal(info.entries_max, 500);
    assert_int_equal(info.policy, CACHE_ALLKEYS_LRU);
    assert_int_equal(info.ttl_ms, 7200000);
    EXPECT_REPLY(&f, "SET queue:1 x", "+OK\r\n");
    EXPECT_REPLY(&f, "TTL queue:1", ":7200\r\n");
    EXPECT_REPLY(&f, "STORE SET queues memory 1mb ttl 0 entries 0", "+OK\r\n");
    info = info_of(&f, 1);
    assert_true(info.share_permille == 0 && info.guaranteed_bytes == 1 << 20 && info.ttl_ms == 0 &&
                info.entries_max == 0);
    EXPECT_REPLY(&f, "STORE SET sessions policy SESSION", "+OK\r\n");
    cmd_fixture_close(&f);
}

static void settings_of_the_default_store_are_those_of_config(void **state) {
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    EXPECT_REPLY(&f, "STORE SET default policy volatile-ttl entries 99 memory 10% ttl 1d", "+OK\r\n");
    assert_string_equal(shop.policy, "volatile-ttl");
    assert_string_equal(shop.entries, "99");
    assert_int_equal(info_of(&f, 0).share_permille, 100);
    assert_int_equal(info_of(&f, 0).ttl_ms, 86400000);
    shop.refuses_config = true;
    EXPECT_REPLY(&f, "STORE SET default memory 20% ttl 5s policy allkeys-lru", "-ERR refused\r\n");
    assert_int_equal(info_of(&f, 0).share_permille, 100);
    assert_int_equal(info_of(&f, 0).ttl_ms, 86400000);
    EXPECT_REPLY(&f, "STORE SET default memory 20%", "+OK\r\n");
    cmd_fixture_close(&f);
}

static void wrong_settings_change_nothing(void **state) {
    static const struct {
        const char *line, *reply;
    } wrong[] = {
        {"STORE SET queues ttl 5s size 5", "-ERR unknown setting 'size': there are memory, entries, policy, ttl\r\n"},
        {"STORE SET queues ttl 5s memory", "-ERR 'memory' has no value\r\n"},
        {"STORE SET queues ttl 5s TTL 6s", "-ERR 'TTL' stands there twice\r\n"},
        {"STORE SET queues ttl 5s memory much",
         "-ERR memory: 'much' is neither a share nor a size, as in 20% or 64mb\r\n"},
        {"STORE SET queues ttl 5s memory 0%", "-ERR memory: '0%' is out of range: 0.1% to 100% of maxmemory\r\n"},
        {"STORE SET queues ttl 5s memory 101%", "-ERR memory: '101%' is out of range: 0.1% to 100% of maxmemory\r\n"},
        {"STORE SET queues ttl 5s memory 90%",
         "-ERR memory: more than maxmemory would be guaranteed to the stores together\r\n"},
        {"STORE SET queues ttl 5s entries 9", "-ERR entries: '9' is not a number from 10 on, or 0 for any number\r\n"},
        {"STORE SET queues ttl 5s entries -1",
         "-ERR entries: '-1' is not a number from 10 on, or 0 for any number\r\n"},
        {"STORE SET queues ttl 5s policy best", "-ERR policy: 'best' is not one, as allkeys-lfu is\r\n"},
        {"STORE SET queues ttl 5s policy session",
         "-ERR policy: a store has the policy session from the start or never\r\n"},
        {"STORE SET sessions ttl 5s policy allkeys-lfu",
         "-ERR policy: a store has the policy session from the start or never\r\n"},
        {"STORE SET queues memory 2mb ttl 5",
         "-ERR ttl: '5' is not a duration of up to 36500d, as in 500ms, 20s, 30m, 2h or 7d\r\n"},
        {"STORE SET queues memory 2mb ttl 36501d",
         "-ERR ttl: '36501d' is not a duration of up to 36500d, as in 500ms, 20s, 30m, 2h or 7d\r\n"},
    };
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct slice reply = cmd_fixture_run(&f, wrong[i].line);
        if (!slice_equal(reply, slice_from_string(wrong[i].reply))) {
            cmd_fixture_print(wrong[i].line, reply);
            fail();
        }
        assert_int_equal(info_of(&f, 1).ttl_ms, 5000);
        assert_int_equal(info_of(&f, 1).guaranteed_bytes, 16 << 20);
    }
    cmd_fixture_close(&f);
}

static void filters_are_switched_and_tell_what_they_are(void **state) {
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    f.client.protocol = 3;
    char line[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "SET queue:%d x", i);
        EXPECT_REPLY(&f, line, "+OK\r\n");
    }
    EXPECT_PART(&f, "HFILTER queues info",
                "%13\r\n$5\r\nstate\r\n$3\r\noff\r\n$13\r\nbuilt_percent\r\n,100\r\n$4\r\nrate\r\n,0\r\n");
    EXPECT_REPLY(&f, "HFILTER queues on", "+OK\r\n");
    EXPECT_PART(&f, "HFILTER queues INFO",
                "$5\r\nstate\r\n$8\r\nbuilding\r\n$13\r\nbuilt_percent\r\n,0\r\n$4\r\nrate\r\n,0.01\r\n");
    housekeep_to_the_end(&f);
    EXPECT_PART(&f, "HGET_FILTER queues", "$5\r\nstate\r\n$2\r\non\r\n");
    EXPECT_PART(&f, "HGET_FILTER queues", "$7\r\nentries\r\n:2000\r\n");
    EXPECT_PART(&f, "HGET_FILTER queues",
                "$13\r\nrate_measured\r\n,0.25\r\n$15\r\nmisses_filtered\r\n:6\r\n$13\r\nmisses_passed\r\n:2\r\n");
    EXPECT_PART(&f, "HGET_FILTER default", "$5\r\nstate\r\n$3\r\noff\r\n");
    EXPECT_REPLY(&f, "HSET_FILTER queues ENABLE 5%", "+OK\r\n");
    housekeep_to_the_end(&f);
    EXPECT_PART(&f, "HFILTER queues info", "$4\r\nrate\r\n,0.05\r\n");
    EXPECT_PART(&f, "STORE INFO queues", "$6\r\nfilter\r\n$2\r\non\r\n$11\r\nfilter_rate\r\n,0.05\r\n");
    EXPECT_REPLY(&f, "GET queue:7", "$1\r\nx\r\n");
    EXPECT_REPLY(&f, "GET queue:none", "_\r\n");
    EXPECT_REPLY(&f, "HFILTER queues disable", "+OK\r\n");
    EXPECT_PART(&f, "HFILTER queues info", "$5\r\nstate\r\n$3\r\noff\r\n");
    EXPECT_REPLY(&f, "HSET_FILTER queues off", "+OK\r\n");
    cmd_fixture_close(&f);
}

static void wrong_switches_are_refused(void **state) {
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    EXPECT_REPLY(&f, "HFILTER queues maybe", "-ERR HFILTER <store> on [rate] | off | info\r\n");
    EXPECT_REPLY(&f, "HFILTER queues off 1%", "-ERR HFILTER <store> on [rate] | off | info\r\n");
    EXPECT_REPLY(&f, "HFILTER queues on 1% 2%", "-ERR HFILTER <store> on [rate] | off | info\r\n");
    EXPECT_REPLY(&f, "HSET_FILTER queues info", "-ERR HSET_FILTER <store> on [rate] | off\r\n");
    EXPECT_REPLY(&f, "HFILTER queues on 60%", "-ERR rate: '60%' is not a percentage from 0.02% to 50%, as in 1%\r\n");
    EXPECT_REPLY(&f, "HFILTER queues on 0.01", "-ERR rate: '0.01' is not a percentage from 0.02% to 50%, as in 1%\r\n");
    EXPECT_PART(&f, "HFILTER queues", "-ERR wrong number of arguments");
    EXPECT_PART(&f, "HSTATS", "-ERR wrong number of arguments");
    struct cache_filter_info info;
    assert_int_equal(cache_filter_info(f.cache, &f.actor, 1, &info), STATUS_OK);
    assert_int_equal(info.state, CACHE_FILTER_OFF);
    cmd_fixture_close(&f);
}

static void stats_say_what_a_store_does_and_takes(void **state) {
    struct shop shop;
    struct cmd_fixture f;
    shop_open(&shop, &f);
    EXPECT_REPLY(&f, "MSET queue:1 a queue:2 b user:1 c", "+OK\r\n");
    EXPECT_REPLY(&f, "DEL queue:2", ":1\r\n");
    f.client.protocol = 3;
    EXPECT_PART(&f, "HSTATS queues", "%19\r\n$4\r\nhits\r\n:31\r\n$6\r\nmisses\r\n:10\r\n$8\r\nhit_rate\r\n,0.75");
    EXPECT_PART(&f, "HSTATS queues",
                "$7\r\nevicted\r\n:5\r\n$7\r\nexpired\r\n:4\r\n$11\r\ninvalidated\r\n:0\r\n$7\r\nentries\r\n:1\r\n");
    EXPECT_PART(&f, "HSTATS queues", "$6\r\nfilter\r\n%13\r\n$5\r\nstate\r\n$3\r\noff\r\n");
    f.client.protocol = 2;
    EXPECT_PART(&f, "HSTATS queues", "*38\r\n$4\r\nhits\r\n:31\r\n");
    EXPECT_PART(&f, "HSTATS queues", "$6\r\nfilter\r\n*26\r\n$5\r\nstate\r\n");
    char part[64];
    struct cache_store_info info = info_of(&f, 1);
    assert_true(info.live_bytes > 0);
    snprintf(part, sizeof part, "$10\r\nlive_bytes\r\n:%llu\r\n", (unsigned long long)info.live_bytes);
    EXPECT_PART(&f, "HSTATS queues", part);
    snprintf(part, sizeof part, "$10\r\ndead_bytes\r\n:%llu\r\n",
             (unsigned long long)(info.log_bytes - info.live_bytes));
    EXPECT_PART(&f, "HSTATS queues", part);
    cmd_fixture_close(&f);
}

UNIT_TESTS(store_cmd, UNIT(stores_are_listed_and_described), UNIT(unknown_stores_are_named_in_the_error),
           UNIT(flush_empties_one_store), UNIT(settings_change_while_running),
           UNIT(settings_of_the_default_store_are_those_of_config), UNIT(wrong_settings_change_nothing),
           UNIT(filters_are_switched_and_tell_what_they_are), UNIT(wrong_switches_are_refused),
           UNIT(stats_say_what_a_store_does_and_takes));
