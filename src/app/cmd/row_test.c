/* Rows of plain GETs and SETs: what they answer, and what they leave to cmd_run. */
#include "app/cmd/cmd_fixture.h"

#include "app/cmd/commands.h"
#include "base/rng.h"

enum { ROW_MAX = 16, ROUNDS = 4000, NAMES = 24 };

struct row {
    struct cmd_request requests[ROW_MAX];
    struct cache_key keys[ROW_MAX];
    struct slice argv[ROW_MAX][3];
    uint32_t count;
};

/* Adds GET name, or SET name value. */
static void row_add(struct cmd_fixture *f, struct row *row, struct slice name, const char *value) {
    assert_true(row->count < ROW_MAX);
    struct slice *argv = row->argv[row->count];
    struct cache_key *key = &row->keys[row->count];
    argv[0] = value ? SLICE("SET") : SLICE("GET");
    argv[1] = name;
    argv[2] = value ? slice_from_string(value) : SLICE("");
    *key = (struct cache_key){.name = name, .db = f->sender->db};
    row->requests[row->count++] = (struct cmd_request){
        .spec = cmd_lookup(argv[0]), .client = f->sender, .argv = argv, .argc = value ? 3 : 2, .key = key};
}

static void row_look_ahead(struct cmd_fixture *f, struct row *row) {
    cache_keys_ahead(f->cache, row->keys, row->count);
    cache_entries_ahead(f->cache, row->keys, row->count);
}

/* Runs the row; answers how many, their replies in f->out. */
static uint32_t row_run(struct cmd_fixture *f, struct row *row) {
    struct reply reply;
    buf_clear(&f->out);
    buf_clear(&f->foreign);
    reply_init(&reply, &f->out, &f->foreign, f->sender->protocol);
    struct cmd_call call = {.env = &f->env, .actor = &f->actor, .arena = &f->arena, .reply = &reply};
    uint32_t done = cmd_run_row(&call, row->requests, row->count);
    assert_int_equal(reply.status, STATUS_OK);
    assert_int_equal(reply.errors, 0);
    assert_int_equal(f->foreign.size, 0);
    return done;
}

static void expect_row(struct cmd_fixture *f, struct row *row, uint32_t count, const char *replies) {
    assert_int_equal(row_run(f, row), count);
    assert_string_equal((buf_append(&f->out, "", 1) == STATUS_OK ? (char *)f->out.data : "no memory"), replies);
    row->count = 0;
}

static void plain_reads_and_writes_run_in_rows(void **state) {
    struct cmd_fixture f;
    struct row row = {0};
    cmd_fixture_open(&f);
    row_add(&f, &row, SLICE("a"), "1");
    row_add(&f, &row, SLICE("a"), "two");
    row_add(&f, &row, SLICE(""), "empty name");
    row_add(&f, &row, SLICE("b"), "");
    row_look_ahead(&f, &row);
    expect_row(&f, &row, 4, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    row_add(&f, &row, SLICE("a"), NULL);
    row_add(&f, &row, SLICE("nothing"), NULL);
    row_add(&f, &row, SLICE(""), NULL);
    row_add(&f, &row, SLICE("b"), NULL);
    row_look_ahead(&f, &row);
    expect_row(&f, &row, 4, "$3\r\ntwo\r\n$-1\r\n$10\r\nempty name\r\n$0\r\n\r\n");
    assert_true(f.actor.counts.hits == 3 && f.actor.counts.misses == 1 && f.actor.counts.changes == 4);
    assert_true(f.client.last_command == cmd_lookup(SLICE("get")));
    f.client.protocol = 3;
    row_add(&f, &row, SLICE("nothing"), NULL);
    row_look_ahead(&f, &row);
    expect_row(&f, &row, 1, "_\r\n");
    cmd_fixture_close(&f);
}

/* Another type, a value over CACHE_GLANCE_MAX, a write that finds no memory, another database: the row ends before. */
static void rows_end_before_what_is_not_plain(void **state) {
    struct cmd_fixture f;
    struct row row = {0};
    static char large[2000];
    memset(large, 'x', sizeof large - 1);
    cmd_fixture_open_sized(&f, 1 << 20, CACHE_NOEVICTION);
    row_add(&f, &row, SLICE("a"), "1");
    row_add(&f, &row, SLICE("large"), large);
    row_look_ahead(&f, &row);
    expect_row(&f, &row, 2, "+OK\r\n+OK\r\n");
    row_add(&f, &row, SLICE("a"), NULL);
    row_add(&f, &row, SLICE("large"), NULL);
    row_add(&f, &row, SLICE("a"), NULL);
    row_look_ahead(&f, &row);
    expect_row(&f, &row, 1, "$1\r\n1\r\n");
    row_add(&f, &row, SLICE("a"), NULL);
    row_look_ahead(&f, &row);
    f.client.db = 2;
    expect_row(&f, &row, 0, "");
    f.client.db = 0;
    for (uint32_t i = 0, done = 4; done == 4; i++) {
        char names[4][16];
        for (int n = 0; n < 4; n++) {
            snprintf(names[n], sizeof names[n], "%u.%d", i, n);
            row_add(&f, &row, slice_from_string(names[n]), large);
        }
        row_look_ahead(&f, &row);
        done = row_run(&f, &row);
        assert_int_equal(f.out.size, 5 * done);
        row.count = 0;
        assert_true(i < 1000);
    }
    cmd_fixture_close(&f);
}

/* In each of these states every single command has something about it. */
static void rows_are_for_ordinary_clients(void **state) {
    struct cmd_fixture f;
    struct row row = {0};
    cmd_fixture_open(&f);
    bool *const flags[] = {&f.client.in_multi, &f.client.reply_off, &f.client.reply_skip, &f.client.reply_skip_next};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        *flags[i] = true;
        row_add(&f, &row, SLICE("a"), "1");
        row_look_ahead(&f, &row);
        expect_row(&f, &row, 0, "");
        *flags[i] = false;
    }
    f.client.authenticated = false;
    row_add(&f, &row, SLICE("a"), "1");
    row_look_ahead(&f, &row);
    expect_row(&f, &row, 0, "");
    assert_null(f.client.last_command);
    f.client.authenticated = true;
    EXPECT_REPLY(&f, "GET a", "$-1\r\n");
    cmd_fixture_close(&f);
}

/* Between the look ahead and the row anything may happen to the keys; a row then answers what the same commands do one by one. */
static void rows_agree_with_single_commands(void **state) {
    struct cmd_fixture f;
    struct rng rng = rng_seeded(unit_seed());
    cmd_fixture_open(&f);
    for (int round = 0; round < ROUNDS; round++) {
        struct row row = {0};
        char names[ROW_MAX][8], line[64], value[40];
        bool writes = rng_below(&rng, 2);
        memset(value, 'a' + round % 26, sizeof value);
        value[rng_below(&rng, sizeof value)] = 0;
        for (uint32_t i = 1 + rng_below(&rng, ROW_MAX); i > 0; i--) {
            char *name = names[i - 1];
            snprintf(name, sizeof names[0], "k%u", (unsigned)rng_below(&rng, NAMES));
            row_add(&f, &row, slice_from_string(name), writes ? value : NULL);
        }
        row_look_ahead(&f, &row);
        for (uint32_t i = rng_below(&rng, 4); i > 0; i--) {
            static const char *const lines[] = {"DEL k%u",        "SET k%u other",     "EXPIRE k%u 100",
                                                "SET k%u 1 PX 1", "APPEND k%u longer", "FLUSHDB",
                                                "SWAPDB 0 %u",    "SETRANGE k%u 600 x"};
            snprintf(line, sizeof line, lines[rng_below(&rng, sizeof lines / sizeof *lines)],
                     (unsigned)rng_below(&rng, 16));
            (void)cmd_fixture_run(&f, line);
        }
        f.actor.now_ms += rng_below(&rng, 2);
        for (uint32_t begin = 0; begin < row.count;) {
            struct row rest = row;
            memmove(rest.requests, row.requests + begin, (row.count - begin) * sizeof *row.requests);
            rest.count = row.count - begin;
            uint32_t done = row_run(&f, &rest);
            char *replies = strndup(f.out.size ? (char *)f.out.data : "", f.out.size);
            size_t at = 0;
            for (uint32_t i = begin; i < begin + done; i++) {
                struct slice single = cmd_fixture_run_argv(&f, row.argv[i], row.requests[i].argc);
                if (memcmp(replies + at, single.data, single.size) != 0)
                    fail_msg("round %d, request %u: another reply than alone", round, i);
                at += single.size;
            }
            free(replies);
            if (begin + done < row.count) /* as the server goes on */
                (void)cmd_fixture_run_argv(&f, row.argv[begin + done], row.requests[begin + done].argc);
            begin += done + 1;
        }
    }
    cmd_fixture_close(&f);
}

UNIT_TESTS(row, UNIT(plain_reads_and_writes_run_in_rows), UNIT(rows_end_before_what_is_not_plain),
           UNIT(rows_are_for_ordinary_clients), UNIT(rows_agree_with_single_commands));
