#include "app/cmd/value.h"

#include "app/cmd/cmd_fixture.h"
#include "scarce.h"

/* What commands do when there is no room: in the cache, in the arena, in the reply. */

#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

static struct slice value_of(struct cmd_fixture *f, const char *name) {
    char line[64];
    snprintf(line, sizeof line, "GET %s", name);
    return cmd_fixture_run(f, line);
}

/* Sets keys until the cache takes no more. */
static void fill(struct cmd_fixture *f) {
    static char value[4000], line[4100];
    memset(value, 'x', sizeof value - 1);
    for (int i = 0; i < 100000; i++) {
        snprintf(line, sizeof line, "SET fill%d %s", i, value);
        struct slice reply = cmd_fixture_run(f, line);
        if (reply.data[0] == '-') {
            assert_true(slice_equal(reply, SLICE(OOM)));
            return;
        }
    }
    fail_msg("the cache never filled");
}

static void full_cache_keeps_old_values(void **state) {
    struct cmd_fixture f;
    cmd_fixture_open_sized(&f, 4 << 20, CACHE_NOEVICTION);
    static char text[300000];
    memset(text, 'y', sizeof text);
    EXPECT_REPLY(&f, "MSET a old b 41 c old", "+OK\r\n");
    fill(&f);
    struct slice large = slice_make(text, sizeof text);
    struct slice set[] = {SLICE("SET"), SLICE("a"), large}, append[] = {SLICE("APPEND"), SLICE("a"), large};
    struct slice set_get[] = {SLICE("SET"), SLICE("a"), large, SLICE("GET")};
    struct slice mset[] = {SLICE("MSET"), SLICE("a"), SLICE("new"), SLICE("n"), SLICE("new"), SLICE("b"),
                           SLICE("x"),    SLICE("a"), SLICE("2"),   SLICE("c"), large};
    assert_true(slice_equal(cmd_fixture_run_argv(&f, set, 3), SLICE(OOM)));
    assert_true(slice_equal(cmd_fixture_run_argv(&f, append, 3), SLICE(OOM)));
    assert_true(slice_equal(cmd_fixture_run_argv(&f, set_get, 4), SLICE(OOM)));
    assert_true(slice_equal(cmd_fixture_run_argv(&f, mset, 11), SLICE(OOM)));
    EXPECT_REPLY(&f, "SETRANGE a 300000 x", OOM);
    EXPECT_REPLY(&f, "SETBIT a 3000000 1", OOM);
    EXPECT_REPLY(&f, "BITFIELD a SET u8 3000000 1", OOM);
    EXPECT_REPLY(&f, "MGET a b c n", "*4\r\n$3\r\nold\r\n$2\r\n41\r\n$3\r\nold\r\n$-1\r\n");
    cache_verify(f.cache, &f.actor);
    cmd_fixture_close(&f);
}

/* Every command either answers "out of memory" and changes nothing, or does all it should. */
static void arena_without_memory_changes_nothing(void **state) {
    static const char *const lines[] = {"MSET a 1 b 2 c 3", "MSETNX n 1 m 2",        "MSETEX 2 a 1 b 2",
                                        "BITOP NOT a b",    "BITFIELD a SET u8 0 1", "LCS a b",
                                        "BITCOUNT a",       "GETRANGE a -2 -1"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (uint64_t allowed = 0; allowed < 19; allowed++) {
            struct cmd_fixture f;
            cmd_fixture_open(&f);
            EXPECT_REPLY(&f, "MSET a old b older", "+OK\r\n");
            struct scarce scarce;
            const struct memory *memory = scarce_begin(&scarce, allowed);
            scarce.once = true;
            arena_fini(&f.arena);
            arena_init(&f.arena, memory, 64); /* small chunks: nearly every scrap is an allocation */
            bool failed = slice_equal(cmd_fixture_run(&f, lines[i]), SLICE("-ERR out of memory\r\n"));
            bool reached = scarce.failed;
            scarce.left = SCARCE_NEVER;
            assert_int_equal(failed, reached);
            if (failed)
                EXPECT_REPLY(&f, "MGET a b c n m", "*5\r\n$3\r\nold\r\n$5\r\nolder\r\n$-1\r\n$-1\r\n$-1\r\n");
            arena_fini(&f.arena);
            arena_init(&f.arena, &memory_libc, 4096);
            cmd_fixture_close(&f);
            if (!reached)
                break;
            assert_true(allowed + 1 < 19);
        }
    }
}

/* A command whose reply cannot be built must not take away what the reply should have told. */
static void lost_reply_takes_nothing_away(void **state) {
    static const char *const names[] = {"GETDEL", "GETSET"};
    for (int i = 0; i < 2; i++) {
        struct cmd_fixture f;
        cmd_fixture_open(&f);
        EXPECT_REPLY(&f, "SET a old", "+OK\r\n");
        struct scarce scarce;
        struct buf out, foreign;
        buf_init(&out, scarce_begin(&scarce, 0));
        buf_init(&foreign, &memory_libc);
        struct reply reply;
        reply_init(&reply, &out, &foreign, 2);
        struct slice argv[] = {slice_from_string(names[i]), SLICE("a"), SLICE("new")};
        struct cmd_call call = {.env = &f.env,
                                .client = &f.client,
                                .actor = &f.actor,
                                .arena = &f.arena,
                                .argv = argv,
                                .argc = 2 + (uint32_t)i,
                                .reply = &reply};
        cmd_run(&call);
        assert_int_equal(reply.status, STATUS_NO_MEMORY);
        assert_true(slice_equal(value_of(&f, "a"), SLICE("$3\r\nold\r\n")));
        buf_fini(&out);
        buf_fini(&foreign);
        cmd_fixture_close(&f);
    }
}

/* Receives a value as the server does and runs the command with it; answers whether the upload was used. */
static bool run_upload(struct cmd_fixture *f, struct slice *argv, uint32_t argc, uint64_t size, const char *expected) {
    struct cache_upload upload;
    assert_int_equal(cache_upload_begin(f->cache, size, &upload), STATUS_OK);
    while (upload.filled < size) {
        void *bytes;
        uint64_t room;
        assert_int_equal(cache_upload_room(f->cache, &f->actor, &upload, &bytes, &room), STATUS_OK);
        memset(bytes, 'u', room);
        cache_upload_filled(&upload, room);
    }
    struct reply reply;
    buf_clear(&f->out);
    buf_clear(&f->foreign);
    reply_init(&reply, &f->out, &f->foreign, 2);
    struct cmd_call call = {.env = &f->env,
                            .client = &f->client,
                            .actor = &f->actor,
                            .arena = &f->arena,
                            .argv = argv,
                            .argc = argc,
                            .upload = &upload,
                            .reply = &reply};
    cmd_run(&call);
    struct slice whole = cmd_fixture_whole(f);
    assert_true(slice_equal(whole, slice_from_string(expected)));
    bool used = upload.size == 0;
    if (!used)
        cache_upload_drop(f->cache, &f->actor, &upload);
    return used;
}

static void uploads_become_values(void **state) {
    enum { SIZE = 500000 };
    struct cmd_fixture f;
    cmd_fixture_open(&f);
    struct slice nothing = slice_make(NULL, 0);
    struct slice set[] = {SLICE("SET"), SLICE("a"), nothing, SLICE("XX"), SLICE("GET")};
    struct slice setex[] = {SLICE("SETEX"), SLICE("b"), SLICE("10"), nothing};
    struct slice setnx[] = {SLICE("SETNX"), SLICE("a"), nothing}, getset[] = {SLICE("GETSET"), SLICE("c"), nothing};
    struct slice past[] = {SLICE("SET"), SLICE("c"), nothing, SLICE("EXAT"), SLICE("1")};
    assert_false(run_upload(&f, set, 4, SIZE, "$-1\r\n"));
    assert_true(run_upload(&f, set, 3, SIZE, "+OK\r\n"));
    EXPECT_REPLY(&f, "STRLEN a", ":500000\r\n");
    EXPECT_REPLY(&f, "GETRANGE a 499998 500001", "$2\r\nuu\r\n");
    assert_false(run_upload(&f, setnx, 3, SIZE, ":0\r\n"));
    EXPECT_REPLY(&f, "SET a 1", "+OK\r\n");
    assert_true(run_upload(&f, set, 5, SIZE, "$1\r\n1\r\n"));
    assert_true(run_upload(&f, setex, 4, SIZE, "+OK\r\n"));
    assert_true(run_upload(&f, getset, 3, SIZE, "$-1\r\n"));
    assert_false(run_upload(&f, past, 5, SIZE, "+OK\r\n"));
    EXPECT_REPLY(&f, "STRLEN c", ":0\r\n");
    f.actor.now_ms += 10000;
    EXPECT_REPLY(&f, "STRLEN b", ":0\r\n");
    EXPECT_REPLY(&f, "STRLEN a", ":500000\r\n");
    cmd_fixture_close(&f);
}

UNIT_TESTS(value, UNIT(full_cache_keeps_old_values), UNIT(arena_without_memory_changes_nothing),
           UNIT(lost_reply_takes_nothing_away), UNIT(uploads_become_values));
