#include "app/cmd/cmd_fixture.h"
#include "app/cmd/invalidate_words.h"
#include "app/cmd/stream_reply.h"
#include "app/cmd/stream_words.h"
#include "base/rng.h"
#include "scarce.h"

enum { ROUNDS = 20000, ARGUMENTS = 14 };

static const char *const words[] = {"from",      "PREFIX", "class",  "Tag",  "writes", "GROUPS",
                                    "ack",       "count",  "dryrun", "sync", "REASON", "soft",
                                    "a",         "",       "-1",     "0",    "17",     "9999999999999999999",
                                    "Heartbeat", "250"};

/* A command of random words. */
struct random_call {
    struct cmd_fixture f;
    struct slice argv[ARGUMENTS];
    struct reply reply;
    struct cmd_call call;
};

static void draw(struct random_call *one, struct rng *rng) {
    uint32_t count = 2 + (uint32_t)rng_below(rng, ARGUMENTS - 2);
    for (uint32_t i = 0; i < count; i++)
        one->argv[i] = slice_from_string(words[rng_below(rng, sizeof words / sizeof *words)]);
    buf_clear(&one->f.out);
    arena_reset(&one->f.arena);
    reply_init(&one->reply, &one->f.out, &one->f.foreign, 3);
    one->call = (struct cmd_call){.env = &one->f.env,
                                  .client = &one->f.client,
                                  .arena = &one->f.arena,
                                  .argv = one->argv,
                                  .argc = count,
                                  .reply = &one->reply};
}

/* What is understood, written down again in the usual order, is understood as the same. */
static void expect_read_again(struct random_call *one, const struct stream_words *understood) {
    const struct cmd_stream_wish *wish = &understood->wish;
    static const char *const names[] = {"prefix", "class", "tag"};
    struct slice again[2 + 3 + 2 + 3 + 2 + 2 * ARGUMENTS];
    char position[24], count[24], heartbeat[24];
    uint32_t argc = 2;
    snprintf(position, sizeof position, "%llu", (unsigned long long)wish->after);
    snprintf(count, sizeof count, "%u", understood->count);
    again[0] = again[1] = SLICE("x");
    for (uint32_t i = 0; i < wish->filter.count; i++) {
        again[argc++] = slice_from_string(names[wish->filter.words[i].kind]);
        again[argc++] = wish->filter.words[i].text;
    }
    const struct slice from[] = {SLICE("FROM"), wish->run, slice_from_string(position)};
    for (int i = 0; wish->from && i < 3; i++)
        again[argc++] = from[i];
    if (wish->filter.writes)
        again[argc++] = SLICE("WRITES");
    if (wish->filter.groups)
        again[argc++] = SLICE("GROUPS");
    if (wish->acks)
        again[argc++] = SLICE("ACK");
    snprintf(heartbeat, sizeof heartbeat, "%u", wish->heartbeat_ms);
    if (wish->heartbeat_ms) {
        again[argc++] = SLICE("HEARTBEAT");
        again[argc++] = slice_from_string(heartbeat);
    }
    again[argc++] = SLICE("COUNT");
    again[argc++] = slice_from_string(count);
    struct cmd_call call = one->call;
    struct stream_words twice;
    call.argv = again;
    call.argc = argc;
    assert_true(stream_words_read(&call, 2, STREAM_TAKES_LISTENING | STREAM_TAKES_COUNT, &twice));
    assert_int_equal(twice.wish.filter.count, wish->filter.count);
    for (uint32_t i = 0; i < wish->filter.count; i++)
        assert_true(twice.wish.filter.words[i].kind == wish->filter.words[i].kind &&
                    slice_equal(twice.wish.filter.words[i].text, wish->filter.words[i].text));
    assert_true(twice.wish.from == wish->from && twice.wish.after == wish->after && twice.wish.acks == wish->acks &&
                twice.wish.heartbeat_ms == wish->heartbeat_ms && twice.wish.filter.writes == wish->filter.writes &&
                twice.wish.filter.groups == wish->filter.groups && twice.count == understood->count);
}

static void words_of_the_stream_are_understood_or_refused(void **state) {
    struct random_call one;
    struct rng rng = rng_seeded(unit_seed());
    uint32_t understood = 0, filters = 0;
    (void)state;
    printf("seed %llu\n", (unsigned long long)unit_seed());
    cmd_fixture_open(&one.f);
    for (int round = 0; round < ROUNDS; round++) {
        struct stream_words read;
        draw(&one, &rng);
        bool done = stream_words_read(&one.call, 2, STREAM_TAKES_LISTENING | STREAM_TAKES_COUNT, &read);
        assert_int_equal(one.reply.errors, !done);
        assert_int_equal(one.f.out.size != 0, !done);
        if (done)
            expect_read_again(&one, &read);
        understood += done;
        filters += done && read.wish.filter.count > 1;
    }
    assert_true(understood > ROUNDS / 100 && filters > 20);
    cmd_fixture_close(&one.f);
}

static void words_of_an_invalidation_are_understood_or_refused(void **state) {
    struct random_call one;
    struct rng rng = rng_seeded(unit_seed());
    uint32_t understood = 0;
    (void)state;
    printf("seed %llu\n", (unsigned long long)unit_seed());
    cmd_fixture_open(&one.f);
    for (int round = 0; round < ROUNDS; round++) {
        struct invalidate_words read;
        draw(&one, &rng);
        one.f.client.in_exec = rng_below(&rng, 2);
        uint32_t at = invalidate_words_find(&one.call, 1);
        assert_in_range(at, 2, one.call.argc);
        bool done = invalidate_words_read(&one.call, at, &read);
        assert_int_equal(one.reply.errors, !done);
        assert_false(done && read.sync && (read.dry_run || one.f.client.in_exec));
        for (uint32_t i = at; done && i < one.call.argc; i++)
            if (!invalidate_words_begin(&one.call, i))
                assert_true(cmd_is(&one.call, i - 1, "sync") || cmd_is(&one.call, i - 1, "reason"));
        understood += done && at < one.call.argc;
    }
    assert_true(understood > ROUNDS / 200);
    cmd_fixture_close(&one.f);
}

static void a_record_of_which_everything_is_known_fits(void **state) {
    (void)state;
    static const char map[] = "%13\r\n$8\r\nposition\r\n";
    static const char json[] =
        "{\"position\":1,\"kind\":\"invalidated\",\"name\":\"t\",\"db\":15,\"soft\":1,\"time\":2,\"client\":3,"
        "\"class\":"
        "\"t\",\"command\":\"t\",\"actor\":\"t\",\"trigger\":\"t\",\"path\":\"t\",\"reason\":\"t\"}";
    struct stream_record record = {
        .position = 1, .kind = STREAM_INVALIDATED, .db = 15, .soft = true, .at_ms = 2, .client = 3};
    for (int i = 0; i < STREAM_TEXTS; i++)
        record.texts[i] = SLICE("t");
    struct buf out;
    struct reply reply;
    buf_init(&out, &memory_libc);
    reply_init(&reply, &out, NULL, 3);
    stream_reply_record(&reply, &record);
    assert_true(slice_starts_with(buf_slice(&out), slice_from_string(map)));
    buf_clear(&out);
    reply_init(&reply, &out, NULL, 2);
    stream_push_record(&reply, &record, false);
    assert_non_null(memmem(out.data, out.size, json, sizeof json - 1));
    buf_fini(&out);
}

static void without_memory_anything_is_unsure_and_no_record_is_half(void **state) {
    (void)state;
    struct stream_record record = {.position = 1, .kind = STREAM_DELETED};
    record.texts[STREAM_NAME] = SLICE("a key with a name");
    bool done = false;
    for (size_t n = 0; !done; n++) {
        struct scarce scarce;
        const struct memory *memory = scarce_begin(&scarce, n);
        struct buf out;
        struct reply reply;
        struct stream_unsure unsure;
        buf_init(&out, memory);
        reply_init(&reply, &out, NULL, n % 2 ? 2 : 3);
        stream_unsure_init(&unsure, memory);
        for (int i = 0; i < 100; i++)
            stream_unsure_note(&unsure, STREAM_PART_TAG, SLICE("a tag with a name"), 1);
        assert_true(unsure.anything ? unsure.count == 0 : unsure.count == 100);
        stream_push_greeting(&reply, STREAM_GREETING_HERE, "run", 1);
        stream_push_record(&reply, &record, n / 2 % 2);
        stream_push_gap(&reply, &unsure, n / 2 % 2);
        done = n > 8 && !scarce.failed && reply.status == STATUS_OK && !unsure.anything;
        assert_true(reply.status == STATUS_OK || reply.status == STATUS_NO_MEMORY);
        assert_true(n > 0 || (unsure.anything && reply.status == STATUS_NO_MEMORY));
        stream_unsure_fini(&unsure);
        buf_fini(&out);
    }
}

UNIT_TESTS(stream_cmd, UNIT(words_of_the_stream_are_understood_or_refused),
           UNIT(words_of_an_invalidation_are_understood_or_refused), UNIT(a_record_of_which_everything_is_known_fits),
           UNIT(without_memory_anything_is_unsure_and_no_record_is_half));
