/* app/cmd/cmd_fixture.h: a cache, a client and a line to type commands on. For tests only.
 *
 *     struct cmd_fixture f;
 *     cmd_fixture_open(&f);
 *     EXPECT_REPLY(&f, "SET a \"two words\" EX 10", "+OK\r\n");
 *     f.client.protocol = 3;
 *     EXPECT_REPLY(&f, "GET b", "_\r\n");
 *     cmd_fixture_close(&f);
 *
 * A line is split at spaces; between double quotes stand spaces and \r \n \\ \" \xHH. Time is f.actor.now_ms, which only the
 * test moves. The client may do everything; set client.authenticated to false to see what a stranger sees.
 *
 * Threads: one.
 * Memory:  a reply lives until the next command.
 */
#ifndef STRATA_APP_CMD_CMD_FIXTURE_H
#define STRATA_APP_CMD_CMD_FIXTURE_H

#include "unit.h"

#include <sys/mman.h>

#include "app/cmd/cmd.h"

enum {
    FIXTURE_RANGE_SIZE = 64 << 20,
    FIXTURE_ARGUMENTS_MAX = 256,
    FIXTURE_NOW_MS_SECONDS = 1700000000, /* seconds of Unix time at which a test begins */
};

struct cmd_fixture {
    void *range;
    struct cache *cache;
    struct actor actor;
    struct cmd_env env;
    struct cmd_client client;
    struct cmd_client *sender; /* who sends the next command; `client` unless a test has more of them */
    struct arena arena;
    struct buf out, foreign, whole;
    enum cmd_outcome outcome;               /* of the last command */
    uint32_t errors;                        /* error replies of the last command */
    void (*closing)(struct cmd_fixture *f); /* called when the client is gone; NULL: nothing */
    void *closing_context;
};

/* Nobody waits in a test of one thread. */
static inline void cmd_fixture_wait(void *context, _Atomic uint32_t *word, uint32_t seen) {}
static inline void cmd_fixture_wake(void *context, _Atomic uint32_t *word) {}

/* With what `options` say of limit, shards, policy and stores; the rest is the fixture's. */
static inline void cmd_fixture_open_with(struct cmd_fixture *f, struct cache_options options) {
    memset(f, 0, sizeof *f);
    f->range =
        mmap(NULL, FIXTURE_RANGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(f->range != MAP_FAILED);
    options.range = f->range;
    options.range_size = FIXTURE_RANGE_SIZE;
    options.cores = 1;
    options.seed = unit_seed();
    options.waiting = (struct cache_waiting){cmd_fixture_wait, cmd_fixture_wake, NULL};
    options.memory = &memory_libc;
    assert_int_equal(cache_open(&options, &f->cache), STATUS_OK);
    f->actor = (struct actor){.id = 1, .now_ms = FIXTURE_NOW_MS_SECONDS * 1000ull};
    f->env.cache = f->cache;
    cmd_client_init(&f->client, 1, &memory_libc);
    f->client.authenticated = true;
    f->sender = &f->client;
    arena_init(&f->arena, &memory_libc, 64 << 10);
    buf_init(&f->out, &memory_libc);
    buf_init(&f->foreign, &memory_libc);
    buf_init(&f->whole, &memory_libc);
}

static inline void cmd_fixture_open_sized(struct cmd_fixture *f, uint64_t limit_bytes, enum cache_policy policy) {
    cmd_fixture_open_with(f, (struct cache_options){.limit_bytes = limit_bytes, .shards = 4, .policy = policy});
}

static inline void cmd_fixture_open(struct cmd_fixture *f) {
    cmd_fixture_open_sized(f, FIXTURE_RANGE_SIZE, CACHE_NOEVICTION);
}

static inline void cmd_fixture_close(struct cmd_fixture *f) {
    cmd_client_fini(&f->client, &f->env, &f->actor);
    if (f->closing)
        f->closing(f);
    cache_verify(f->cache, &f->actor);
    cache_close(f->cache);
    buf_fini(&f->whole);
    buf_fini(&f->foreign);
    buf_fini(&f->out);
    arena_fini(&f->arena);
    munmap(f->range, FIXTURE_RANGE_SIZE);
}

/* The reply as a client would receive it: pinned values copied to their places, and unpinned. */
static inline struct slice cmd_fixture_whole(struct cmd_fixture *f) {
    size_t from = 0;
    buf_clear(&f->whole);
    for (size_t at = 0; at < f->foreign.size; at += sizeof(struct reply_foreign)) {
        struct reply_foreign value;
        memcpy(&value, f->foreign.data + at, sizeof value);
        assert_int_equal(buf_append(&f->whole, f->out.data + from, value.at - from), STATUS_OK);
        from = value.at;
        struct cache_pin pin = {value.handle[0], value.handle[1]};
        for (uint64_t sent = 0; sent < value.size;) {
            struct slice piece = cache_pin_piece(f->cache, pin, value.offset + sent);
            piece = slice_part(piece, 0, value.size - sent);
            assert_true(piece.size > 0);
            assert_int_equal(buf_append_slice(&f->whole, piece), STATUS_OK);
            sent += piece.size;
        }
        cache_unpin(f->cache, &f->actor, pin);
    }
    assert_int_equal(buf_append_slice(&f->whole, slice_part(buf_slice(&f->out), from, SIZE_MAX)), STATUS_OK);
    return buf_slice(&f->whole);
}

/* Runs a command of ready arguments; answers the raw reply. */
static inline struct slice cmd_fixture_run_argv(struct cmd_fixture *f, const struct slice *argv, uint32_t argc) {
    struct reply reply;
    buf_clear(&f->out);
    buf_clear(&f->foreign);
    reply_init(&reply, &f->out, &f->foreign, f->sender->protocol);
    struct cmd_call call = {
        .env = &f->env,
        .client = f->sender,
        .actor = &f->actor,
        .arena = &f->arena,
        .argv = argv,
        .argc = argc,
        .reply = &reply,
    };
    cmd_run(&call);
    f->outcome = call.outcome;
    f->errors = reply.errors;
    assert_int_equal(reply.status, STATUS_OK);
    assert_false(cache_locked(&f->actor));
    arena_reset(&f->arena);
    return cmd_fixture_whole(f);
}

static inline int cmd_fixture_hex(char digit) {
    return digit >= '0' && digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* Splits a line in place; see above. */
static inline uint32_t cmd_fixture_split(char *line, struct slice *ret_argv) {
    uint32_t argc = 0;
    char *at = line, *to = line;
    for (;;) {
        while (*at == ' ')
            at++;
        if (!*at)
            return argc;
        assert_true(argc < FIXTURE_ARGUMENTS_MAX);
        char *begin = to;
        bool quoted = false;
        for (; *at && (quoted || *at != ' '); at++) {
            if (*at == '"') {
                quoted = !quoted;
            } else if (quoted && *at == '\\') {
                at++;
                if (*at == 'x') {
                    *to++ = (char)(cmd_fixture_hex(at[1]) << 4 | cmd_fixture_hex(at[2]));
                    at += 2;
                } else {
                    *to++ = *at == 'r' ? '\r' : *at == 'n' ? '\n' : *at;
                }
            } else {
                *to++ = *at;
            }
        }
        ret_argv[argc++] = slice_make(begin, (size_t)(to - begin));
    }
}

/* Runs a line; answers the raw reply. */
static inline struct slice cmd_fixture_run(struct cmd_fixture *f, const char *line) {
    struct slice argv[FIXTURE_ARGUMENTS_MAX];
    size_t size = strlen(line) + 1;
    char *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, line, size);
    struct slice reply = cmd_fixture_run_argv(f, argv, cmd_fixture_split(copy, argv));
    free(copy);
    return reply;
}

static inline void cmd_fixture_print(const char *label, struct slice bytes) {
    fprintf(stderr, "  %s: ", label);
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = bytes.data[i];
        if (byte == '\r' || byte == '\n')
            fprintf(stderr, byte == '\r' ? "\\r" : "\\n");
        else
            fprintf(stderr, byte >= ' ' && byte < 127 ? "%c" : "\\x%02x", byte);
    }
    fprintf(stderr, "\n");
}

static inline void cmd_fixture_expect(struct cmd_fixture *f, const char *line, struct slice expected, const char *file,
                                      int at) {
    struct slice reply = cmd_fixture_run(f, line);
    if (slice_equal(reply, expected))
        return;
    fprintf(stderr, "%s:%d: %s\n", file, at, line);
    cmd_fixture_print("expected", expected);
    cmd_fixture_print("received", reply);
    _fail(file, at);
}

/* The whole reply is `literal`, which may hold zero bytes. */
#define EXPECT_REPLY(fixture, line, literal) cmd_fixture_expect(fixture, line, SLICE(literal), __FILE__, __LINE__)

static inline bool cmd_fixture_contains(struct slice text, const char *part) {
    return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static inline void cmd_fixture_expect_part(struct cmd_fixture *f, const char *line, const char *part, const char *file,
                                           int at) {
    struct slice reply = cmd_fixture_run(f, line);
    if (cmd_fixture_contains(reply, part))
        return;
    fprintf(stderr, "%s:%d: no '%s' in the reply to %s\n", file, at, part, line);
    cmd_fixture_print("received", reply);
    _fail(file, at);
}

/* The text stands somewhere in the reply. */
#define EXPECT_PART(fixture, line, part) cmd_fixture_expect_part(fixture, line, part, __FILE__, __LINE__)

#endif
