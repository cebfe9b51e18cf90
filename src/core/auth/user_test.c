#include "core/auth/auth.h"

#include <stdlib.h>

#include "core/auth/auth_fixture.h"
#include "unit.h"

static struct auth_setting setting;

static struct auth_user *make(void) {
    setting = fixture_setting(&memory_libc);
    struct auth_user *user = auth_user_new(&setting, SLICE("joe"));
    assert_non_null(user);
    return user;
}

static enum auth_fault apply(struct auth_user *user, const char *rule) {
    return auth_user_apply(user, slice_from_string(rule));
}

static void expect_described(const struct auth_user *user, const char *text) {
    struct buf out;
    buf_init(&out, &memory_libc);
    assert_int_equal(auth_user_describe(user, &out), STATUS_OK);
    assert_int_equal(buf_append(&out, "", 1), STATUS_OK);
    assert_string_equal((const char *)out.data, text);
    buf_fini(&out);
}

/* Rules in one line, a selector as one word between bars; and what comes of them. */
static void expect_user(const char *rules, const char *text) {
    struct auth_user *user = make();
    char copy[512];
    assert_true(strlen(rules) < sizeof copy);
    strcpy(copy, rules);
    for (char *rest = copy, *word; (word = strsep(&rest, ";"));) {
        if (apply(user, word) != AUTH_FINE)
            fail_msg("'%s' of '%s' is refused", word, rules);
    }
    expect_described(user, text);
    struct auth_user *again = auth_user_copy(user);
    assert_non_null(again);
    expect_described(again, text);
    assert_int_equal(user->free, again->free);
    auth_user_unref(again);
    auth_user_unref(user);
}

static void users_are_described_by_words_that_make_them(void **state) {
    (void)state;
    expect_user("off", "off resetchannels -@all");
    expect_user("on;nopass;~*;&*;+@all", "on nopass ~* &* +@all");
    expect_user("ON;AllKeys;allchannels;ALLCOMMANDS", "on ~* &* +@all");
    expect_user("~a*;%R~b;%w~c;%RW~d;%R~c", "off ~a* %R~b ~c ~d resetchannels -@all");
    expect_user("%R~*;%W~*;~x", "off %RW~* ~x resetchannels -@all");
    expect_user("~a;%Rclass=user:{id};store=s;%wclass=user:{id};%Wstore=t",
                "off ~a class=user:{id} store=s %Wstore=t resetchannels -@all");
    expect_user("class=c;resetkeys;(%Rstore=s +get)", "off resetchannels -@all (%Rstore=s resetchannels -@all +get)");
    expect_user("role=a;role=b;service=shop;role=a;-role=b", "off service=shop role=a resetchannels -@all");
    expect_user("role=a;service=shop;reset;service=x;service=", "off sanitize-payload resetchannels -@all");
    expect_user("&a;&b*;+GET", "off resetchannels &a &b* -@all +get");
    expect_user("+@read;+set;-set;+@write", "off resetchannels -@all +@read -set +@write");
    expect_user("+config;-config|get;+config", "off resetchannels -@all +config");
    expect_user("+config|get;-config", "off resetchannels -@all -config");
    expect_user("+get;+select|0;+@all;-get", "off resetchannels +@all -get");
    expect_user(
        "skip-sanitize-payload;(~x +get);( %R~y &z +set )",
        "off skip-sanitize-payload resetchannels -@all (~x resetchannels -@all +get) (%R~y resetchannels &z -@all "
        "+set)");
    expect_user("(+get);();clearselectors;(+set)", "off resetchannels -@all (resetchannels -@all +set)");
    expect_user("on;>x;~*;+@all;(+get);reset", "off sanitize-payload resetchannels -@all");
    expect_user("skip-sanitize-payload;sanitize-payload", "off sanitize-payload resetchannels -@all");
    expect_user(">a;>a;>b;<a",
                "off #6200000000000000000000000000000000000000000000000000000000000000 resetchannels -@all");
    expect_user("nopass;>a;nopass", "off nopass resetchannels -@all");
    expect_user("nopass;resetpass", "off resetchannels -@all");
}

static void wrong_places_and_roles_are_refused(void **state) {
    (void)state;
    static const char cases[][16] = {"class=",  "%class=a", "%Rclass=a b", "%Rrclass=a",    "%Rother=a", "role=",
                                     "role=a)", "-role=a",  "service=a b", "(service=a b)", "(role=a)",  "(service=a)"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_user *user = make();
        enum auth_fault fault = apply(user, cases[i]);
        assert_int_equal(fault, strcmp(cases[i], "-role=a") == 0 ? AUTH_NO_SUCH_ROLE : AUTH_SYNTAX);
        auth_user_unref(user);
    }
}

static void wrong_rules_are_refused_with_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *rule;
        enum auth_fault fault;
    } cases[] = {
        {"", AUTH_FINE},
        {"foo", AUTH_SYNTAX},
        {" on", AUTH_SYNTAX},
        {"+", AUTH_UNKNOWN_COMMAND},
        {"+nosuch", AUTH_UNKNOWN_COMMAND},
        {"-nosuch|x", AUTH_UNKNOWN_COMMAND},
        {"+@nosuch", AUTH_UNKNOWN_COMMAND},
        {"+@", AUTH_UNKNOWN_COMMAND},
        {"+config|nosuch", AUTH_UNKNOWN_COMMAND},
        {"-config|nosuch", AUTH_UNKNOWN_COMMAND},
        {"-get|x", AUTH_UNKNOWN_COMMAND},
        {"+config|get|x", AUTH_FIRST_OF_SUB},
        {"+config|", AUTH_SYNTAX},
        {"+get|", AUTH_SYNTAX},
        {"+get|a\nuser eve", AUTH_SYNTAX},
        {"%~x", AUTH_SYNTAX},
        {"%RR~x", AUTH_SYNTAX},
        {"%X~x", AUTH_SYNTAX},
        {"%R", AUTH_FINE},
        {"~a b", AUTH_SYNTAX},
        {"&a\tb", AUTH_SYNTAX},
        {"<unknown", AUTH_NO_SUCH_PASSWORD},
        {"#abc", AUTH_BAD_HASH},
        {"#A000000000000000000000000000000000000000000000000000000000000000", AUTH_BAD_HASH},
        {"!0000000000000000000000000000000000000000000000000000000000000000", AUTH_NO_SUCH_PASSWORD},
        {"(on)", AUTH_SYNTAX},
        {"(+get  +set)", AUTH_FINE},
        {"((+get))", AUTH_SYNTAX},
        {"(~x) +get)", AUTH_SYNTAX},
        {"(+select|0))", AUTH_SYNTAX},
        {"(", AUTH_SYNTAX},
        {"(+nosuch)", AUTH_UNKNOWN_COMMAND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_user *user = make();
        if (apply(user, cases[i].rule) != cases[i].fault)
            fail_msg("'%s' answers %d", cases[i].rule, (int)apply(user, cases[i].rule));
        auth_user_unref(user);
    }
    struct auth_user *user = make();
    assert_int_equal(apply(user, "~*"), AUTH_FINE);
    assert_int_equal(apply(user, "~x"), AUTH_KEYS_AFTER_ALL);
    assert_int_equal(apply(user, "&*"), AUTH_FINE);
    assert_int_equal(apply(user, "&x"), AUTH_CHANNELS_AFTER_ALL);
    auth_user_unref(user);
}

static enum auth_verdict judge(const struct auth_user *user, uint32_t command, const char *key, uint32_t access,
                               const char *argument) {
    struct slice argv[] = {SLICE("name"), slice_from_string(argument)};
    struct auth_touch touch = {.name = slice_from_string(key), .access = access, .at = 1};
    struct auth_request request = {.command = command, .argv = argv, .argc = 2, .keys = &touch, .key_count = *key != 0};
    uint32_t at;
    return auth_judge(user, &request, &at);
}

static void requests_need_command_and_keys_of_one_selector(void **state) {
    (void)state;
    struct auth_user *user = make();
    assert_int_equal(judge(user, FIXTURE_GET, "", 0, ""), AUTH_NOT_COMMAND);
    assert_int_equal(apply(user, "+get"), AUTH_FINE);
    assert_int_equal(apply(user, "~app:*"), AUTH_FINE);
    assert_int_equal(apply(user, "%R~one"), AUTH_FINE);
    assert_int_equal(apply(user, "(%W~w[12] +set +get)"), AUTH_FINE);
    assert_int_equal(judge(user, FIXTURE_GET, "app:", AUTH_READ, ""), AUTH_PERMITTED);
    assert_int_equal(judge(user, FIXTURE_GET, "app", AUTH_READ, ""), AUTH_NOT_KEY);
    assert_int_equal(judge(user, FIXTURE_GET, "one", AUTH_READ, ""), AUTH_PERMITTED);
    assert_int_equal(judge(user, FIXTURE_GET, "one", AUTH_READ_WRITE, ""), AUTH_NOT_KEY);
    assert_int_equal(judge(user, FIXTURE_GET, "w1", AUTH_READ, ""), AUTH_NOT_KEY);
    assert_int_equal(judge(user, FIXTURE_GET, "w1", 0, ""), AUTH_PERMITTED);
    assert_int_equal(judge(user, FIXTURE_SET, "w2", AUTH_WRITE, ""), AUTH_PERMITTED);
    assert_int_equal(judge(user, FIXTURE_SET, "w3", AUTH_WRITE, ""), AUTH_NOT_KEY);
    assert_int_equal(judge(user, FIXTURE_SET, "app:1", AUTH_WRITE, ""), AUTH_NOT_KEY);
    assert_int_equal(judge(user, FIXTURE_PUBLISH, "", 0, ""), AUTH_NOT_COMMAND);
    auth_user_unref(user);
}

static void all_keys_that_begin_so_need_a_shorter_prefix(void **state) {
    (void)state;
    struct auth_user *user = make();
    assert_int_equal(apply(user, "%R~app:*"), AUTH_FINE);
    assert_int_equal(apply(user, "~b?*"), AUTH_FINE);
    assert_int_equal(apply(user, "+get"), AUTH_FINE);
    struct auth_touch touch = {.name = SLICE("app:x"), .access = AUTH_READ, .prefix = true};
    assert_true(auth_permits_key(user, FIXTURE_GET, touch));
    assert_false(auth_permits_key(user, FIXTURE_SET, touch));
    touch.access = AUTH_WRITE;
    assert_false(auth_permits_key(user, FIXTURE_GET, touch));
    touch = (struct auth_touch){.name = SLICE("app"), .access = AUTH_READ, .prefix = true};
    assert_false(auth_permits_key(user, FIXTURE_GET, touch));
    touch.name = SLICE("bxx");
    assert_false(auth_permits_key(user, FIXTURE_GET, touch));
    touch.name = SLICE("");
    assert_false(auth_permits_key(user, FIXTURE_GET, touch));
    assert_int_equal(apply(user, "allkeys"), AUTH_FINE);
    assert_true(auth_permits_key(user, FIXTURE_GET, touch));
    auth_user_unref(user);
}

static void first_arguments_and_categories_permit_what_they_name(void **state) {
    (void)state;
    struct auth_user *user = make();
    assert_int_equal(apply(user, "+select|0"), AUTH_FINE);
    assert_int_equal(judge(user, FIXTURE_SELECT, "", 0, "0"), AUTH_PERMITTED);
    assert_int_equal(judge(user, FIXTURE_SELECT, "", 0, "1"), AUTH_NOT_COMMAND);
    assert_int_equal(apply(user, "-select"), AUTH_FINE);
    assert_int_equal(judge(user, FIXTURE_SELECT, "", 0, "0"), AUTH_NOT_COMMAND);
    assert_int_equal(apply(user, "+@admin"), AUTH_FINE);
    assert_int_equal(judge(user, FIXTURE_CONFIG_SET, "", 0, ""), AUTH_PERMITTED);
    assert_int_equal(apply(user, "-config"), AUTH_FINE);
    assert_int_equal(judge(user, FIXTURE_CONFIG_SET, "", 0, ""), AUTH_NOT_COMMAND);
    assert_int_equal(apply(user, "+@slow"), AUTH_FINE); /* a container brings its subcommands */
    assert_int_equal(judge(user, FIXTURE_CONFIG_SET, "", 0, ""), AUTH_PERMITTED);
    assert_int_equal(apply(user, "+@all"), AUTH_FINE);
    assert_int_equal(apply(user, "-config|get"), AUTH_FINE);
    assert_int_equal(judge(user, FIXTURE_CONFIG_GET, "", 0, ""), AUTH_NOT_COMMAND);
    assert_int_equal(judge(user, FIXTURE_CONFIG_SET, "", 0, ""), AUTH_PERMITTED);
    assert_false(user->free);
    auth_user_unref(user);
}

static void channels_match_and_patterns_must_stand_there(void **state) {
    (void)state;
    struct auth_user *user = make();
    assert_int_equal(apply(user, "&news.*"), AUTH_FINE);
    assert_int_equal(apply(user, "+publish"), AUTH_FINE);
    assert_true(auth_permits_channel(user, SLICE("news.1"), false));
    assert_false(auth_permits_channel(user, SLICE("new"), false));
    assert_true(auth_permits_channel(user, SLICE("news.*"), true));
    assert_false(auth_permits_channel(user, SLICE("news.1*"), true));
    struct slice argv[] = {SLICE("publish"), SLICE("old"), SLICE("news.1")};
    struct auth_request request = {
        .command = FIXTURE_PUBLISH, .argv = argv, .argc = 3, .channel_from = 1, .channel_until = 3};
    uint32_t at = 0;
    assert_int_equal(auth_judge(user, &request, &at), AUTH_NOT_CHANNEL);
    assert_int_equal(at, 1);
    request.channel_from = 2;
    assert_int_equal(auth_judge(user, &request, &at), AUTH_PERMITTED);
    auth_user_unref(user);
}

static void only_the_passwords_of_a_user_are_known(void **state) {
    (void)state;
    struct auth_user *user = make();
    char hash[AUTH_HASH_SIZE];
    fixture_hash(SLICE("a"), hash);
    assert_false(auth_user_knows(user, hash));
    assert_int_equal(apply(user, ">b"), AUTH_FINE);
    assert_false(auth_user_knows(user, hash));
    assert_int_equal(apply(user, ">a"), AUTH_FINE);
    assert_true(auth_user_knows(user, hash));
    assert_int_equal(apply(user, "resetpass"), AUTH_FINE);
    assert_false(auth_user_knows(user, hash));
    assert_int_equal(apply(user, "nopass"), AUTH_FINE);
    assert_true(auth_user_knows(user, hash));
    auth_user_unref(user);
}

static void a_user_has_a_largest_size(void **state) {
    (void)state;
    struct auth_user *user = make();
    static char rule[1 << 20];
    memset(rule, 'x', sizeof rule - 1);
    rule[0] = '~';
    enum auth_fault fault = AUTH_FINE;
    for (int i = 0; i < 16 && fault == AUTH_FINE; i++) {
        rule[1] = (char)('a' + i);
        fault = apply(user, rule);
    }
    assert_int_equal(fault, AUTH_TOO_LARGE);
    auth_user_unref(user);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    bool done = false;
    for (uint32_t i = 0; !done; i++) {
        struct failing failing = {.left = i};
        struct memory memory = {.resize = failing_resize, .context = &failing};
        struct auth_setting poor = fixture_setting(&memory);
        struct auth_user *user = auth_user_new(&poor, SLICE("joe")), *copy = NULL;
        static const char *const rules[] = {">a",   "~k*",  "&c",   "+get",    "+select|1", "(~x +set)", "(~y)",
                                            "(~z)", "(~q)", "(~w)", "class=c", "role=r",    "service=s"};
        enum auth_fault fault = AUTH_FINE;
        for (size_t r = 0; user && r < sizeof rules / sizeof *rules && fault == AUTH_FINE; r++)
            fault = auth_user_apply(user, slice_from_string(rules[r]));
        assert_true(fault == AUTH_FINE || fault == AUTH_NO_MEMORY);
        if (user && fault == AUTH_FINE)
            copy = auth_user_copy(user);
        done = copy != NULL;
        auth_user_unref(copy);
        auth_user_unref(user);
    }
}

/* Keys that begin with "u" are of the class "user", all of them of the store "s". */
static bool belongs(void *context, struct slice key, const struct auth_place *place) {
    (*(uint32_t *)context)++;
    return place->kind == AUTH_STORE ? slice_equal(place->name, SLICE("s"))
                                     : slice_equal(place->name, SLICE("user")) && key.size && key.data[0] == 'u';
}

static void classes_and_stores_permit_their_keys(void **state) {
    (void)state;
    struct auth_user *user = make();
    uint32_t asked = 0, at;
    const struct auth_where where = {&asked, belongs};
    const struct auth_touch touches[] = {
        {.name = SLICE("u1"), .access = AUTH_READ, .at = 1, .where = &where},
        {.name = SLICE("u1"), .access = AUTH_WRITE, .at = 1, .where = &where},
        {.name = SLICE("x1"), .access = AUTH_READ, .at = 1, .where = &where},
        {.name = SLICE("u"), .access = AUTH_READ, .at = 1, .where = &where, .prefix = true},
        {.name = SLICE("u1"), .access = AUTH_READ, .at = 1},
    };
    const enum auth_verdict by_class[] = {AUTH_PERMITTED, AUTH_NOT_KEY, AUTH_NOT_KEY, AUTH_NOT_KEY, AUTH_NOT_KEY};
    const enum auth_verdict by_store[] = {AUTH_PERMITTED, AUTH_NOT_KEY, AUTH_PERMITTED, AUTH_NOT_KEY, AUTH_NOT_KEY};
    assert_int_equal(apply(user, "+get"), AUTH_FINE);
    assert_int_equal(apply(user, "%Rclass=user"), AUTH_FINE);
    for (size_t i = 0; i < 5; i++) {
        struct auth_request request = {.command = FIXTURE_GET, .keys = &touches[i], .key_count = 1};
        assert_int_equal(auth_judge(user, &request, &at), by_class[i]);
    }
    assert_int_equal(apply(user, "resetkeys"), AUTH_FINE);
    assert_int_equal(apply(user, "%Rstore=s"), AUTH_FINE);
    for (size_t i = 0; i < 5; i++) {
        struct auth_request request = {.command = FIXTURE_GET, .keys = &touches[i], .key_count = 1};
        assert_int_equal(auth_judge(user, &request, &at), by_store[i]);
        assert_int_equal(auth_permits_key(user, FIXTURE_GET, touches[i]), by_store[i] == AUTH_PERMITTED);
    }
    asked = 0;
    assert_int_equal(apply(user, "%R~u*"), AUTH_FINE);
    struct auth_request request = {.command = FIXTURE_GET, .keys = &touches[0], .key_count = 1};
    assert_int_equal(auth_judge(user, &request, &at), AUTH_PERMITTED);
    assert_int_equal(asked, 0); /* a pattern had said so */
    auth_user_unref(user);
}

UNIT_TESTS(user, UNIT(wrong_places_and_roles_are_refused), UNIT(classes_and_stores_permit_their_keys),
           UNIT(users_are_described_by_words_that_make_them), UNIT(wrong_rules_are_refused_with_what_is_wrong),
           UNIT(requests_need_command_and_keys_of_one_selector), UNIT(all_keys_that_begin_so_need_a_shorter_prefix),
           UNIT(first_arguments_and_categories_permit_what_they_name),
           UNIT(channels_match_and_patterns_must_stand_there), UNIT(only_the_passwords_of_a_user_are_known),
           UNIT(a_user_has_a_largest_size), UNIT(every_allocation_may_fail));
