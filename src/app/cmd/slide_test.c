/* Reads that begin a TTL anew. */
#include "app/cmd/slide.h"

#include "app/cmd/ruled_fixture.h"
#include "base/bits.h"

static const char manifest[] =
    "version: 1\n"
    "keys:\n"
    "  \"s:{id}\": { ttl: { default: 80s, sliding: true } }\n"
    "  \"m:{id}\": { ttl: { default: 80s, max: 80s, sliding: true } }\n"
    "  \"f:{id}\": { ttl: 80s }\n";

static void open_sliding(struct ruled_fixture *ruled, struct cmd_fixture *f) {
    ruled_fixture_open(ruled, f, manifest, CMD_ASK_SLIDES);
}

/* Milliseconds that are left; 0: for ever. */
static uint64_t left_ms(struct cmd_fixture *f, const char *name) {
    struct cache_info info;
    struct cache_key key = cache_key(f->cache, 0, slice_from_string(name));
    assert_true(cache_find(f->cache, &f->actor, &key, false, &info));
    return info.expires_at_ms ? info.expires_at_ms - f->actor.now_ms : 0;
}

static void a_read_begins_anew_what_has_lost_an_eighth(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_sliding(&ruled, &f);
    EXPECT_REPLY(&f, "SET s:1 v EX 80", "+OK\r\n");
    f.actor.now_ms += 10000;
    EXPECT_REPLY(&f, "GET s:1", "$1\r\nv\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 70000);
    f.actor.now_ms += 1;
    EXPECT_REPLY(&f, "GET s:1", "$1\r\nv\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 80000);
    f.actor.now_ms += 79999;
    EXPECT_REPLY(&f, "GET s:1", "$1\r\nv\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 80000);
    f.actor.now_ms += 80000; /* what has expired does not come back */
    EXPECT_REPLY(&f, "GET s:1", "$-1\r\n");
    EXPECT_REPLY(&f, "EXISTS s:1", ":0\r\n");
    ruled_fixture_close(&ruled, &f);
}

static void what_lives_longer_is_left_alone(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_sliding(&ruled, &f);
    EXPECT_REPLY(&f, "SET s:1 v EX 1000", "+OK\r\n");
    EXPECT_REPLY(&f, "SET s:2 v", "+OK\r\n");
    EXPECT_REPLY(&f, "SET f:1 v EX 80", "+OK\r\n");
    EXPECT_REPLY(&f, "SET other v EX 80", "+OK\r\n");
    EXPECT_REPLY(&f, "SET m:1 v EX 80", "+OK\r\n");
    f.actor.now_ms += 50000;
    EXPECT_REPLY(&f, "MGET s:1 s:2 f:1 other m:1", "*5\r\n$1\r\nv\r\n$1\r\nv\r\n$1\r\nv\r\n$1\r\nv\r\n$1\r\nv\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 950000);
    assert_int_equal(left_ms(&f, "s:2"), 0);
    assert_int_equal(left_ms(&f, "f:1"), 30000);   /* its class does not slide */
    assert_int_equal(left_ms(&f, "other"), 30000); /* it has none */
    assert_int_equal(left_ms(&f, "m:1"), 80000);
    ruled_fixture_close(&ruled, &f);
}

/* Whoever only looks at a key does not use it; who writes has said himself how long it is to live. */
static void only_reads_of_values_count(void **state) {
    (void)state;
    static const struct {
        const char *line;
        bool slides;
    } cases[] = {
        {"GET s:1", true},           {"MGET nobody s:1", true}, {"GETRANGE s:1 0 0", true}, {"STRLEN s:1", false},
        {"GETBIT s:1 0", true},      {"DUMP s:1", true},        {"TOUCH s:1", true},        {"EXISTS s:1", false},
        {"TTL s:1", false},          {"TYPE s:1", false},       {"OBJECT FREQ s:1", false}, {"APPEND s:1 x", false},
        {"SETRANGE s:1 0 y", false}, {"KEYS *", false},         {"GET other", false},       {"PING", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ruled_fixture ruled;
        struct cmd_fixture f;
        open_sliding(&ruled, &f);
        EXPECT_REPLY(&f, "SET s:1 v EX 80", "+OK\r\n");
        f.actor.now_ms += 50000;
        (void)cmd_fixture_run(&f, cases[i].line);
        if (left_ms(&f, "s:1") != (cases[i].slides ? 80000 : 30000))
            fail_msg("%s: %llu ms are left", cases[i].line, (unsigned long long)left_ms(&f, "s:1"));
        ruled_fixture_close(&ruled, &f);
    }
}

static void each_read_of_a_transaction_counts(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_sliding(&ruled, &f);
    EXPECT_REPLY(&f, "SET s:1 v EX 80", "+OK\r\n");
    EXPECT_REPLY(&f, "SET s:2 v EX 80", "+OK\r\n");
    f.actor.now_ms += 50000;
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "GET s:1", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "TTL s:2", "+QUEUED\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 30000);
    EXPECT_REPLY(&f, "EXEC", "*2\r\n$1\r\nv\r\n:30\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 80000);
    assert_int_equal(left_ms(&f, "s:2"), 30000);
    ruled_fixture_close(&ruled, &f);
}

/* Rules in which nothing slides are not asked, and a server may have none. */
static void nobody_asks_when_nothing_slides(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_sliding(&ruled, &f);
    EXPECT_REPLY(&f, "SET s:1 v EX 80", "+OK\r\n");
    f.actor.now_ms += 50000;
    f.env.asked = 0;
    EXPECT_REPLY(&f, "GET s:1", "$1\r\nv\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 30000);
    f.env.asked = CMD_ASK_SLIDES;
    struct rules *rules = ruled.rules;
    ruled.rules = NULL;
    EXPECT_REPLY(&f, "GET s:1", "$1\r\nv\r\n");
    assert_int_equal(left_ms(&f, "s:1"), 30000);
    ruled.rules = rules;
    ruled_fixture_close(&ruled, &f);
}

UNIT_TESTS(slide, UNIT(a_read_begins_anew_what_has_lost_an_eighth), UNIT(what_lives_longer_is_left_alone),
           UNIT(only_reads_of_values_count), UNIT(each_read_of_a_transaction_counts),
           UNIT(nobody_asks_when_nothing_slides));
