#include "core/auth/users.h"

#include "core/auth/auth_fixture.h"
#include "unit.h"

static void open_users(struct auth_users *users) {
    struct auth_setting setting = fixture_setting(&memory_libc);
    assert_int_equal(auth_users_init(users, &setting), STATUS_OK);
}

static struct auth_user *add(struct auth_users *users, const char *name) {
    struct auth_user *user = auth_user_new(&users->setting, slice_from_string(name));
    assert_non_null(user);
    assert_int_equal(auth_users_put(users, user), STATUS_OK);
    return user;
}

static void expect_saved(const struct auth_users *users, const char *text) {
    struct buf out;
    buf_init(&out, &memory_libc);
    assert_int_equal(auth_users_save(users, &out), STATUS_OK);
    assert_int_equal(buf_append(&out, "", 1), STATUS_OK);
    assert_string_equal((const char *)out.data, text);
    buf_fini(&out);
}

static void users_are_ordered_found_and_replaced(void **state) {
    (void)state;
    struct auth_users users;
    open_users(&users);
    add(&users, "zoe");
    add(&users, "abe");
    expect_saved(&users,
                 "user abe off resetchannels -@all\nuser default on nopass ~* &* +@all\nuser zoe off "
                 "resetchannels -@all\n");
    uint64_t id = auth_users_find(&users, SLICE("zoe"))->id;
    struct auth_user *kept = auth_user_ref(auth_users_find(&users, SLICE("zoe")));
    add(&users, "zoe");
    assert_ptr_not_equal(auth_users_find(&users, SLICE("zoe")), kept);
    assert_int_equal(auth_users_find(&users, SLICE("zoe"))->id, id);
    assert_int_equal(users.users.count, 3);
    assert_true(auth_users_remove(&users, SLICE("zoe")));
    assert_false(auth_users_remove(&users, SLICE("zoe")));
    assert_null(auth_users_find(&users, SLICE("zoe")));
    add(&users, "zoe");
    assert_int_not_equal(auth_users_find(&users, SLICE("zoe"))->id, id);
    assert_true(slice_equal(kept->name, SLICE("zoe")));
    auth_user_unref(kept);
    auth_users_fini(&users);
}

static void a_file_takes_the_place_of_all_users_or_changes_nothing(void **state) {
    (void)state;
    struct auth_users users;
    struct buf errors;
    open_users(&users);
    buf_init(&errors, &memory_libc);
    add(&users, "old");
    uint64_t default_id = auth_users_find(&users, SLICE("default"))->id;
    struct slice bad = SLICE(
        "user a on\n\n# a comment\nuser b foo\nuser a off\nnothing\nuser c (+get\nuser d >x +nosuch\n"
        "user\n");
    assert_int_equal(auth_users_load(&users, bad, "f.acl", &errors), STATUS_INVALID);
    assert_int_equal(buf_append(&errors, "", 1), STATUS_OK);
    assert_string_equal(
        (const char *)errors.data,
        "f.acl:4: Error in user declaration 'foo': Syntax error. "
        "f.acl:5: Error in user declaration 'a': Duplicate user found. A user can only be defined once in "
        "config files. "
        "f.acl:6: line should start with user keyword followed by the username. "
        "f.acl:7: Unmatched parenthesis in selector definition. "
        "f.acl:8: Error in user declaration '+nosuch': Unknown command or category name in ACL. "
        "f.acl:9: line should start with user keyword followed by the username. ");
    expect_saved(&users, "user default on nopass ~* &* +@all\nuser old off resetchannels -@all\n");
    buf_clear(&errors);
    struct slice good = SLICE("user old on ~k  (+get ~x) \r\nuser (x on\nuser new (~a)b* +get) +set");
    assert_int_equal(auth_users_load(&users, good, "f.acl", &errors), STATUS_OK);
    expect_saved(&users,
                 "user (x on resetchannels -@all\nuser default on nopass ~* &* +@all\nuser new off resetchannels -@all "
                 "+set (~a)b* resetchannels "
                 "-@all +get)\nuser old on ~k resetchannels -@all (~x resetchannels -@all +get)\n");
    assert_int_equal(auth_users_find(&users, SLICE("default"))->id, default_id);
    buf_fini(&errors);
    auth_users_fini(&users);
}

static void refusals_that_are_alike_count_as_one_for_a_minute(void **state) {
    (void)state;
    struct auth_users users;
    open_users(&users);
    auth_log_limit(&users, 3);
    auth_log_note(&users, AUTH_REASON_KEY, AUTH_CONTEXT_TOP, SLICE("k"), SLICE("joe"), SLICE("c1"), 1000);
    auth_log_note(&users, AUTH_REASON_COMMAND, AUTH_CONTEXT_TOP, SLICE("get"), SLICE("joe"), SLICE("c1"), 2000);
    auth_log_note(&users, AUTH_REASON_KEY, AUTH_CONTEXT_TOP, SLICE("k"), SLICE("joe"), SLICE("c2"), 61000);
    assert_int_equal(users.log_count, 2);
    assert_int_equal(users.newest->count, 2);
    assert_int_equal(users.newest->id, 0);
    assert_int_equal(users.newest->first_ms, 1000);
    assert_true(slice_equal(users.newest->client, SLICE("c2")));
    auth_log_note(&users, AUTH_REASON_KEY, AUTH_CONTEXT_MULTI, SLICE("k"), SLICE("joe"), SLICE("c2"), 61000);
    auth_log_note(&users, AUTH_REASON_KEY, AUTH_CONTEXT_TOP, SLICE("k"), SLICE("joe"), SLICE("c2"), 200000);
    assert_int_equal(users.log_count, 3);
    assert_int_equal(users.newest->count, 1);
    auth_log_limit(&users, 1);
    assert_int_equal(users.log_count, 1);
    assert_int_equal(users.newest->last_ms, 200000);
    auth_log_clear(&users);
    assert_null(users.newest);
    auth_log_note(&users, AUTH_REASON_AUTH, AUTH_CONTEXT_TOP, SLICE("auth"), SLICE("joe"), SLICE("c1"), 1000);
    assert_int_equal(users.log_count, 1);
    auth_users_fini(&users);
}

static struct auth_user *with_rules(struct auth_users *users, const char *name, const char *rules, bool role) {
    struct auth_user *user = auth_user_new(&users->setting, slice_from_string(name));
    char copy[256];
    snprintf(copy, sizeof copy, "%s", rules);
    for (char *rest = copy, *word; (word = strsep(&rest, ";"));)
        assert_int_equal((role ? auth_role_apply : auth_user_apply)(user, slice_from_string(word)), AUTH_FINE);
    return user;
}

static bool may_get(const struct auth_users *users, const char *name, struct slice key) {
    return auth_permits_key(auth_users_find(users, slice_from_string(name)), FIXTURE_GET,
                            (struct auth_touch){.name = key, .access = AUTH_READ});
}

static void who_has_a_role_may_what_it_permits_now(void **state) {
    (void)state;
    struct auth_users users;
    open_users(&users);
    struct auth_user *early = with_rules(&users, "early", "role=reader", false);
    assert_int_equal(auth_users_put(&users, early), STATUS_INVALID);
    auth_user_unref(early);
    assert_int_equal(auth_roles_put(&users, with_rules(&users, "reader", "+get;~a*", true)), STATUS_OK);
    assert_int_equal(auth_users_put(&users, with_rules(&users, "joe", "on;role=reader;+set;~b*", false)), STATUS_OK);
    assert_int_equal(auth_users_put(&users, with_rules(&users, "eve", "on;+get;~b*", false)), STATUS_OK);
    assert_true(may_get(&users, "joe", SLICE("a1")) && !may_get(&users, "joe", SLICE("b1")));
    assert_non_null(auth_gate(auth_users_find(&users, SLICE("joe")), FIXTURE_GET, AUTH_READ));
    struct auth_user *kept = auth_user_ref(auth_users_find(&users, SLICE("joe")));
    const uint64_t id = kept->id;
    assert_int_equal(auth_roles_put(&users, with_rules(&users, "reader", "(+get ~c*)", true)), STATUS_OK);
    assert_true(may_get(&users, "joe", SLICE("c1")) && !may_get(&users, "joe", SLICE("a1")));
    assert_true(auth_permits_key(kept, FIXTURE_GET, (struct auth_touch){.name = SLICE("a1"), .access = AUTH_READ}));
    assert_int_equal(auth_users_find(&users, SLICE("joe"))->id, id);
    auth_user_unref(kept);
    assert_int_equal(auth_roles_holders(&users, SLICE("reader")), 1);
    expect_saved(&users,
                 "role reader resetchannels -@all (~c* resetchannels -@all +get)\n"
                 "user default on nopass ~* &* +@all\n"
                 "user eve on ~b* resetchannels -@all +get\n"
                 "user joe on role=reader ~b* resetchannels -@all +set\n");
    assert_true(auth_users_remove(&users, SLICE("joe")));
    assert_int_equal(auth_roles_holders(&users, SLICE("reader")), 0);
    assert_true(auth_roles_remove(&users, SLICE("reader")));
    assert_false(auth_roles_remove(&users, SLICE("reader")));
    auth_users_fini(&users);
}

static const char file_of_roles[] =
    "role reader ~c* resetchannels -@all +get\n"
    "user default on nopass ~* &* +@all\n"
    "user joe on service=shop role=reader resetchannels -@all\n"
    "token 00000000000000ff joe #aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1 0 ci\n";

static void roles_and_tokens_stand_in_files(void **state) {
    (void)state;
    struct auth_users users;
    struct buf errors;
    open_users(&users);
    buf_init(&errors, &memory_libc);
    for (int i = 0; i < 2; i++) { /* the second time over the first */
        assert_int_equal(auth_users_load(&users, slice_from_string(file_of_roles), "f", &errors), STATUS_OK);
        expect_saved(&users, file_of_roles);
    }
    struct slice bad = SLICE(
        "user a role=late\nrole late +get\nrole late +get\nrole x on\nrole\ntoken 1 a\n"
        "token 00000000000000ff joe #aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 1 0\n");
    assert_int_equal(auth_users_load(&users, bad, "f", &errors), STATUS_INVALID);
    assert_int_equal(buf_append(&errors, "", 1), STATUS_OK);
    assert_string_equal((const char *)errors.data,
                        "f:1: Error in user declaration 'role=late': There is no such role before this line. "
                        "f:3: Error in role declaration 'late': A role can only be defined once. "
                        "f:4: Error in role declaration 'on': Syntax error. f:5: role without a name. "
                        "f:6: token is not followed by ID USER #HASH CREATED EXPIRES [NAME]. "
                        "f:7: Error in token declaration 'joe': There is no such user before this line. ");
    expect_saved(&users, file_of_roles);
    assert_true(auth_users_remove(&users, SLICE("joe")));
    assert_int_equal(users.tokens.count, 0); /* it ends with its user */
    buf_fini(&errors);
    auth_users_fini(&users);
}

/* What fails for want of memory changes nothing. */
static void a_role_changes_for_all_or_for_none(void **state) {
    (void)state;
    bool done = false;
    for (uint32_t i = 0; !done; i++) {
        struct failing failing = {.left = 1000};
        struct memory memory = {.resize = failing_resize, .context = &failing};
        struct auth_setting setting = fixture_setting(&memory);
        struct auth_users users;
        struct buf errors;
        assert_int_equal(auth_users_init(&users, &setting), STATUS_OK);
        buf_init(&errors, &memory_libc);
        assert_int_equal(auth_users_load(&users, slice_from_string(file_of_roles), "f", &errors), STATUS_OK);
        struct auth_user *role = with_rules(&users, "reader", "+set;~d*", true);
        failing.left = i;
        enum status status = auth_roles_put(&users, role);
        failing.left = 1000;
        done = status == STATUS_OK;
        assert_int_equal(may_get(&users, "joe", SLICE("c1")), status != STATUS_OK);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_MEMORY);
            expect_saved(&users, file_of_roles);
            auth_user_unref(role);
        }
        auth_users_fini(&users);
        buf_fini(&errors);
    }
}

UNIT_TESTS(users, UNIT(who_has_a_role_may_what_it_permits_now), UNIT(roles_and_tokens_stand_in_files),
           UNIT(a_role_changes_for_all_or_for_none), UNIT(users_are_ordered_found_and_replaced),
           UNIT(a_file_takes_the_place_of_all_users_or_changes_nothing),
           UNIT(refusals_that_are_alike_count_as_one_for_a_minute));
