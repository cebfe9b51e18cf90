/* Who may do what with which keys. */
#include "app/cmd/owner.h"

#include "app/cmd/ruled_fixture.h"

static const char manifest[] =
    "version: 1\n"
    "services: [users, web, other]\n"
    "keys:\n"
    "  \"user:{id}\":  { owner: users, borrowers: [web] }\n"
    "  \"loose:{id}\": { owner: users }\n"
    "  \"lock:{id}\":  { writes: leased }\n"
    "  \"local:{id}\": { layers: [client] }\n";

static void open_owned(struct ruled_fixture *ruled, struct cmd_fixture *f) {
    ruled_fixture_open(ruled, f, manifest, CMD_ASK_WRITES | CMD_ASK_READS | CMD_ASK_VALUES);
}

static void become(struct cmd_fixture *f, const char *service) {
    buf_clear(&f->client.service);
    assert_int_equal(buf_append(&f->client.service, service, strlen(service)), STATUS_OK);
}

static void owners_write_and_borrowers_read(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_owned(&ruled, &f);
    become(&f, "users");
    EXPECT_REPLY(&f, "SET user:1 Ada", "+OK\r\n");
    EXPECT_REPLY(&f, "GET user:1", "$3\r\nAda\r\n");
    become(&f, "web");
    EXPECT_REPLY(&f, "GET user:1", "$3\r\nAda\r\n");
    EXPECT_REPLY(
        &f, "SET user:1 Bob",
        "-NOTOWNER key 'user:1' is written by users only (class user:{id}, line 4), and this connection is web\r\n");
    assert_int_equal(ruled.broken, 1);
    assert_int_equal(ruled.broken_why, OWNER_NOT_OWNER);
    EXPECT_PART(&f, "DEL user:1", "-NOTOWNER ");
    EXPECT_PART(&f, "EXPIRE user:1 10", "-NOTOWNER ");
    become(&f, "other");
    EXPECT_REPLY(&f, "GET user:1",
                 "-NOTBORROWER key 'user:1' is read by users and web only (class user:{id}, line 4), and this "
                 "connection is other\r\n");
    become(&f, "");
    EXPECT_PART(&f, "GET user:1", "and this connection has not said CLIENT SERVICE");
    assert_int_equal(f.env.not_owner, 3);
    assert_int_equal(f.env.not_borrower, 2);
    assert_int_equal(ruled.broken, 5);
    become(&f, "users");
    EXPECT_REPLY(&f, "GET user:1", "$3\r\nAda\r\n"); /* nothing has changed */
    ruled_fixture_close(&ruled, &f);
}

static void one_foreign_key_refuses_the_command(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_owned(&ruled, &f);
    become(&f, "other");
    EXPECT_REPLY(&f, "MSET free 1 anybody 2", "+OK\r\n");
    EXPECT_PART(&f, "MSET free 3 user:1 4 anybody 5", "-NOTOWNER key 'user:1' ");
    EXPECT_REPLY(&f, "MGET free anybody", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    EXPECT_PART(&f, "MGET free user:1", "-NOTBORROWER ");
    EXPECT_PART(&f, "COPY free user:1", "-NOTOWNER ");
    EXPECT_REPLY(&f, "GET loose:1", "$-1\r\n"); /* without borrowers everybody reads */
    EXPECT_PART(&f, "SET user:\"\\n\" v", "-NOTOWNER key 'user:?' ");
    ruled_fixture_close(&ruled, &f);
}

static void a_warning_lets_all_pass(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_owned(&ruled, &f);
    f.env.ownership = CMD_OWNERSHIP_WARN;
    become(&f, "other");
    EXPECT_REPLY(&f, "SET user:1 v", "+OK\r\n");
    EXPECT_REPLY(&f, "GET user:1", "$1\r\nv\r\n");
    assert_int_equal(f.env.not_owner, 1);
    assert_int_equal(f.env.not_borrower, 1);
    assert_int_equal(ruled.broken, 2);
    EXPECT_PART(&f, "SET lock:1 v", "-NOTLEASED "); /* which is no matter of who one is */
    f.env.asked = 0;
    EXPECT_REPLY(&f, "SET user:1 w", "+OK\r\n");
    assert_int_equal(ruled.broken, 2);
    ruled_fixture_close(&ruled, &f);
}

static void leased_values_need_a_lease_or_a_version(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_owned(&ruled, &f);
    EXPECT_REPLY(
        &f, "SET lock:1 v",
        "-NOTLEASED key 'lock:1' is written with a lease or a version only (class lock:{id}, line 6): CGET with "
        "LEASE gives a token for CSET\r\n");
    EXPECT_PART(&f, "APPEND lock:1 v", "-NOTLEASED ");
    EXPECT_PART(&f, "MSET free 1 lock:1 2", "-NOTLEASED ");
    EXPECT_PART(&f, "SET lock:1 v TAGS 1 ifversion", "-NOTLEASED "); /* a tag's name */
    EXPECT_PART(&f, "SET lock:1 v IFEQ ifnewer", "-NOTLEASED ");     /* a value */
    assert_int_equal(f.env.not_guarded, 5);
    EXPECT_REPLY(&f, "SET lock:1 v IFNEWER 3", "+OK\r\n");
    EXPECT_REPLY(&f, "GET lock:1", "$1\r\nv\r\n");
    EXPECT_REPLY(&f, "EXPIRE lock:1 10", ":1\r\n"); /* brings no value */
    EXPECT_REPLY(&f, "DEL lock:1", ":1\r\n");
    EXPECT_REPLY(
        &f, "SET local:1 v",
        "-NOTSERVED key 'local:1' is of a class that the server holds no entries of (class local:{id}, line 7)\r\n");
    EXPECT_PART(&f, "SET local:1 v IFNEWER 1", "-NOTSERVED ");
    EXPECT_REPLY(&f, "GET local:1", "$-1\r\n");
    assert_int_equal(ruled.broken, 0);
    ruled_fixture_close(&ruled, &f);
}

static void what_was_queued_goes_by_what_is_in_force_at_exec(void **state) {
    (void)state;
    struct ruled_fixture ruled;
    struct cmd_fixture f;
    open_owned(&ruled, &f);
    become(&f, "users");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET user:1 v", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "SET free v", "+QUEUED\r\n");
    become(&f, "other");
    EXPECT_PART(&f, "EXEC", "*2\r\n-NOTOWNER key 'user:1' ");
    EXPECT_REPLY(&f, "MGET free", "*1\r\n$1\r\nv\r\n");
    become(&f, "users");
    EXPECT_REPLY(&f, "GET user:1", "$-1\r\n");
    assert_int_equal(f.env.not_owner, 1);
    f.env.ownership = CMD_OWNERSHIP_WARN;
    become(&f, "other");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET user:1 v", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*1\r\n+OK\r\n");
    assert_int_equal(f.env.not_owner, 2); /* once, and not again by EXEC */
    ruled_fixture_close(&ruled, &f);
}

UNIT_TESTS(owner, UNIT(owners_write_and_borrowers_read), UNIT(one_foreign_key_refuses_the_command),
           UNIT(a_warning_lets_all_pass), UNIT(leased_values_need_a_lease_or_a_version),
           UNIT(what_was_queued_goes_by_what_is_in_force_at_exec));
