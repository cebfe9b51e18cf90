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
    assert_int_equal(users.count, 3);
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

UNIT_TESTS(users, UNIT(users_are_ordered_found_and_replaced),
           UNIT(a_file_takes_the_place_of_all_users_or_changes_nothing),
           UNIT(refusals_that_are_alike_count_as_one_for_a_minute));
