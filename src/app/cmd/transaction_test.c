#include "app/cmd/cmd_fixture.h"
#include "scarce.h"

static void queued_commands_run_at_exec(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "multi", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a 1", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "INCR a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "GET nothing", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "APPEND a x", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "INCR a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "GET a", "+QUEUED\r\n");
    assert_int_equal(cmd_multi_count(&f.client), 6);
    EXPECT_REPLY(&f, "EXEC",
                 "*6\r\n+OK\r\n:2\r\n$-1\r\n:2\r\n-ERR value is not an integer or out of range\r\n$2\r\n2x\r\n");
    assert_int_equal(cmd_multi_count(&f.client), 0);
    EXPECT_REPLY(&f, "EXEC", "-ERR EXEC without MULTI\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "EXEC", "*0\r\n");
    cmd_fixture_close(&f);
}

static void transaction_control_answers_as_redis_does(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "DISCARD", "-ERR DISCARD without MULTI\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "MULTI", "-ERR MULTI calls can not be nested\r\n");
    EXPECT_REPLY(&f, "WATCH a", "-ERR WATCH inside MULTI is not allowed\r\n");
    EXPECT_REPLY(&f, "UNWATCH", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*1\r\n+OK\r\n"); /* neither error above spoils it */
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a 1", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "DISCARD", "+OK\r\n");
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    cmd_fixture_close(&f);
}

static void rejected_command_spoils_the_transaction(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    static const char *const wrong[] = {"foo", "GET", "COMMAND foo", "DISCARD x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
        EXPECT_REPLY(&f, "SET a 1", "+QUEUED\r\n");
        cmd_fixture_run(&f, wrong[i]);
        assert_int_equal(f.errors, 1);
        EXPECT_REPLY(&f, "SET a 2", "+QUEUED\r\n");
        EXPECT_REPLY(&f, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    }
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "EXEC a",
                 "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n");
    EXPECT_REPLY(&f, "EXEC", "-ERR EXEC without MULTI\r\n");
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    cmd_fixture_close(&f);
}

static void open_other(struct cmd_client *other) {
    cmd_client_init(other, 2, &memory_libc);
    other->authenticated = true;
}

/* Runs a line as another client. */
static void other_runs(struct cmd_fixture *f, const char *line) {
    struct cmd_client other;
    open_other(&other);
    f->sender = &other;
    cmd_fixture_run(f, line);
    assert_int_equal(f->errors, 0);
    f->sender = &f->client;
    cmd_client_fini(&other, &f->env, &f->actor);
}

static void watched_keys_stop_the_transaction(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    /* what happens between WATCH and EXEC, and whether EXEC goes on */
    static const struct {
        const char *before, *between;
        bool runs;
    } cases[] = {
        {"SET w 1", "SET w 2", false}, {"SET w 1", "DEL w", false},      {"DEL w", "SET w 1", false},
        {"SET w 1", "GET w", true},    {"SET w 1", "SET other 1", true}, {"DEL w", "DEL w", true},
        {"SET w 1", "INCR w", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmd_fixture_run(&f, cases[i].before);
        EXPECT_REPLY(&f, "WATCH x w", "+OK\r\n");
        assert_int_equal(cmd_watched_count(&f.client), 2);
        other_runs(&f, cases[i].between);
        EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
        EXPECT_REPLY(&f, "SET done 1", "+QUEUED\r\n");
        if (cases[i].runs)
            EXPECT_REPLY(&f, "EXEC", "*1\r\n+OK\r\n");
        else
            EXPECT_REPLY(&f, "EXEC", "*-1\r\n");
        assert_int_equal(cmd_watched_count(&f.client), 0);
        cmd_fixture_expect(&f, "DEL done", cases[i].runs ? SLICE(":1\r\n") : SLICE(":0\r\n"), __FILE__, __LINE__);
    }
    cmd_fixture_close(&f);
}

static void own_writes_count_as_changes_too(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    f.client.protocol = 3;
    cmd_fixture_run(&f, "WATCH w");
    cmd_fixture_run(&f, "SET w 1");
    cmd_fixture_run(&f, "MULTI");
    EXPECT_REPLY(&f, "EXEC", "_\r\n");
    cmd_fixture_close(&f);
}

static void expiry_of_a_watched_key_stops_the_transaction(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "SET w 1 PX 100");
    cmd_fixture_run(&f, "WATCH w");
    f.actor.now_ms += 100;
    cmd_fixture_run(&f, "MULTI");
    EXPECT_REPLY(&f, "EXEC", "*-1\r\n");
    cmd_fixture_close(&f);
}

static void unwatch_and_discard_forget_keys(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "WATCH w");
    cmd_fixture_run(&f, "SET w 1");
    EXPECT_REPLY(&f, "UNWATCH", "+OK\r\n");
    assert_int_equal(cmd_watched_count(&f.client), 0);
    cmd_fixture_run(&f, "MULTI");
    EXPECT_REPLY(&f, "EXEC", "*0\r\n");
    cmd_fixture_run(&f, "WATCH w w w");
    assert_int_equal(cmd_watched_count(&f.client), 1);
    cmd_fixture_run(&f, "MULTI");
    cmd_fixture_run(&f, "SET w 2");
    cmd_fixture_run(&f, "DISCARD");
    assert_int_equal(cmd_watched_count(&f.client), 0);
    cmd_fixture_close(&f);
}

static void watches_are_of_one_database(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "WATCH w");
    f.client.db = 1;
    cmd_fixture_run(&f, "SET w 1");
    f.client.db = 0;
    cmd_fixture_run(&f, "MULTI");
    EXPECT_REPLY(&f, "EXEC", "*0\r\n");
    cmd_fixture_close(&f);
}

static void select_inside_changes_the_database_of_what_follows(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "MULTI");
    cmd_fixture_run(&f, "SET a zero");
    cmd_fixture_run(&f, "SELECT 2");
    cmd_fixture_run(&f, "SET a two");
    cmd_fixture_run(&f, "GET a");
    EXPECT_REPLY(&f, "EXEC", "*4\r\n+OK\r\n+OK\r\n+OK\r\n$3\r\ntwo\r\n");
    EXPECT_REPLY(&f, "GET a", "$3\r\ntwo\r\n");
    f.client.db = 0;
    EXPECT_REPLY(&f, "GET a", "$4\r\nzero\r\n");
    cmd_fixture_close(&f);
}

static void commands_of_all_shards_and_of_many_keys_run_inside(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "MULTI");
    cmd_fixture_run(&f, "MSET a 1 b 2 c 3 d 4 e 5");
    cmd_fixture_run(&f, "MGET a b c d e");
    cmd_fixture_run(&f, "RENAME a z");
    cmd_fixture_run(&f, "BITOP AND x b c");
    cmd_fixture_run(&f, "COMMAND COUNT");
    cmd_fixture_run(&f, "EXEC");
    assert_int_equal(f.errors, 0);
    cmd_fixture_run(&f, "MULTI");
    cmd_fixture_run(&f, "DBSIZE");
    cmd_fixture_run(&f, "FLUSHALL");
    cmd_fixture_run(&f, "DBSIZE");
    EXPECT_REPLY(&f, "EXEC", "*3\r\n:6\r\n+OK\r\n:0\r\n");
    cmd_fixture_close(&f);
}

static void swapped_databases_stop_the_transaction_and_may_be_part_of_one(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "SET w 1");
    cmd_fixture_run(&f, "WATCH w");
    other_runs(&f, "SWAPDB 0 1");
    cmd_fixture_run(&f, "MULTI");
    EXPECT_REPLY(&f, "EXEC", "*-1\r\n");
    cmd_fixture_run(&f, "MULTI");
    cmd_fixture_run(&f, "EXISTS w");
    cmd_fixture_run(&f, "SWAPDB 0 1");
    cmd_fixture_run(&f, "EXISTS w");
    cmd_fixture_run(&f, "MOVE w 2");
    EXPECT_REPLY(&f, "EXEC", "*4\r\n:0\r\n+OK\r\n:1\r\n:1\r\n");
    cmd_fixture_close(&f);
}

static void queue_has_a_limit(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    cmd_fixture_run(&f, "MULTI");
    f.client.multi_size_bytes = CMD_MULTI_SIZE_MAX - 100; /* as if that much stood in it */
    EXPECT_REPLY(&f, "SET a 1", "-ERR transaction exceeds 268435456 bytes of queued arguments\r\n");
    assert_int_equal(f.outcome, CMD_REJECTED);
    EXPECT_REPLY(&f, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_int_equal(f.client.multi_size_bytes, 0);
    cmd_fixture_close(&f);
}

static void watches_have_a_limit(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    for (int i = 0; i < CMD_WATCHED_MAX; i++) {
        char line[32];
        snprintf(line, sizeof line, "WATCH %d", i);
        EXPECT_REPLY(&f, line, "+OK\r\n");
    }
    EXPECT_REPLY(&f, "WATCH more", "-ERR a connection may watch at most 16384 keys\r\n");
    EXPECT_REPLY(&f, "WATCH 7", "+OK\r\n"); /* watched already */
    cmd_fixture_close(&f);
}

/* Queues SET key with a value that was uploaded, as the server does with large ones. */
static void queue_upload(struct cmd_fixture *f, const char *key, uint64_t size) {
    struct cache_upload upload;
    assert_int_equal(cache_upload_begin(f->cache, size, &upload), STATUS_OK);
    while (upload.filled < size) {
        void *room;
        uint64_t room_size;
        assert_int_equal(cache_upload_room(f->cache, &f->actor, &upload, &room, &room_size), STATUS_OK);
        room_size = room_size < size - upload.filled ? room_size : size - upload.filled;
        memset(room, 'u', room_size);
        cache_upload_filled(&upload, room_size);
    }
    struct slice argv[] = {SLICE("SET"), slice_from_string(key), slice_make(NULL, size)};
    struct reply reply;
    reply_init(&reply, &f->out, &f->foreign, 2);
    struct cmd_call call = {.env = &f->env,
                            .client = &f->client,
                            .actor = &f->actor,
                            .arena = &f->arena,
                            .argv = argv,
                            .argc = 3,
                            .upload = &upload,
                            .reply = &reply};
    buf_clear(&f->out);
    cmd_run(&call);
    assert_true(slice_equal(buf_slice(&f->out), SLICE("+QUEUED\r\n")));
    assert_int_equal(upload.size, 0); /* it is the queue's now */
}

static void uploaded_values_wait_in_the_queue(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    uint64_t size = 2 * cache_upload_size_min(f.cache) + 17;
    cmd_fixture_run(&f, "MULTI");
    queue_upload(&f, "a", size);
    cmd_fixture_run(&f, "STRLEN a");
    char expected[64];
    snprintf(expected, sizeof expected, "*2\r\n+OK\r\n:%llu\r\n", (unsigned long long)size);
    assert_true(slice_equal(cmd_fixture_run(&f, "EXEC"), slice_from_string(expected)));
    cmd_fixture_run(&f, "MULTI");
    queue_upload(&f, "a", size);
    EXPECT_REPLY(&f, "DISCARD", "+OK\r\n");
    cmd_fixture_run(&f, "MULTI");
    queue_upload(&f, "b", size); /* the client goes away */
    cmd_fixture_close(&f);
}

static void running_out_of_memory_spoils_only_the_transaction(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    bool spoilt = true;
    int failed = 0;
    for (unsigned allowed = 0; spoilt; allowed++) {
        struct scarce scarce;
        struct cmd_client client;
        cmd_client_init(&client, 3, scarce_begin(&scarce, allowed));
        client.authenticated = true;
        f.sender = &client;
        cmd_fixture_run(&f, "WATCH w");
        cmd_fixture_run(&f, "MULTI");
        for (int i = 0; i < 200; i++)
            cmd_fixture_run(&f, "SET some-key some-value-of-some-size");
        spoilt = client.multi_failed;
        cmd_fixture_run(&f, "EXEC");
        assert_int_equal(f.errors, spoilt ? 1 : 0);
        failed += spoilt;
        cmd_client_fini(&client, &f.env, &f.actor);
    }
    assert_true(failed > 5);
    f.sender = &f.client;
    cmd_fixture_close(&f);
}

static uint32_t hooked;
static void hook(struct cmd_call *call) {
    hooked++;
    assert_true(call->client->in_exec);
    call->spec->run(call);
}

static void server_sees_each_command_that_exec_runs(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    f.env.run_queued = hook;
    hooked = 0;
    cmd_fixture_run(&f, "MULTI");
    cmd_fixture_run(&f, "SET a 1");
    cmd_fixture_run(&f, "GET a");
    EXPECT_REPLY(&f, "EXEC", "*2\r\n+OK\r\n$1\r\n1\r\n");
    assert_int_equal(hooked, 2);
    cmd_fixture_close(&f);
}

static void begin_load(struct cmd_call *call) {
    atomic_store(&call->env->loading_rules, true);
    call->spec->run(call);
}

static void change_rules(struct cmd_call *call) {
    call->client->exec_rules = call;
    begin_load(call);
}

/* Invalidations that are refused would leave half of the transaction done. What has begun before the load is done as a whole. */
static void what_goes_by_rules_is_not_run_by_half_while_others_are_loaded(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    EXPECT_REPLY(&f, "SET a old TAGS 1 t", "+OK\r\n");
    atomic_store(&f.env.loading_rules, true);
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET a new", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY b", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "-EXECABORT Transaction discarded because of: BUSY rules are being loaded; try again\r\n");
    EXPECT_REPLY(&f, "EXEC", "-ERR EXEC without MULTI\r\n");
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "GET a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*1\r\n$3\r\nold\r\n");
    atomic_store(&f.env.loading_rules, false);
    f.env.run_queued = begin_load;
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "SET b new", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "INVALIDATE TAG t", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "GET a", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*3\r\n+OK\r\n:1\r\n$-1\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY b", "-BUSY rules are being loaded; try again\r\n");
    /* Unless a command in it lets others put theirs into its thread: then nobody says that something has gone. */
    f.env.run_queued = change_rules;
    atomic_store(&f.env.loading_rules, false);
    EXPECT_REPLY(&f, "MULTI", "+OK\r\n");
    EXPECT_REPLY(&f, "INVALIDATE KEY b", "+QUEUED\r\n");
    EXPECT_REPLY(&f, "EXEC", "*1\r\n-BUSY rules are being loaded; try again\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(transaction, UNIT(queued_commands_run_at_exec), UNIT(transaction_control_answers_as_redis_does),
           UNIT(rejected_command_spoils_the_transaction), UNIT(watched_keys_stop_the_transaction),
           UNIT(own_writes_count_as_changes_too), UNIT(expiry_of_a_watched_key_stops_the_transaction),
           UNIT(unwatch_and_discard_forget_keys), UNIT(watches_are_of_one_database),
           UNIT(select_inside_changes_the_database_of_what_follows),
           UNIT(commands_of_all_shards_and_of_many_keys_run_inside),
           UNIT(swapped_databases_stop_the_transaction_and_may_be_part_of_one), UNIT(queue_has_a_limit),
           UNIT(watches_have_a_limit), UNIT(uploaded_values_wait_in_the_queue),
           UNIT(running_out_of_memory_spoils_only_the_transaction), UNIT(server_sees_each_command_that_exec_runs),
           UNIT(what_goes_by_rules_is_not_run_by_half_while_others_are_loaded));
