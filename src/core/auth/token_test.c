#include "core/auth/token.h"

#include "core/auth/auth_fixture.h"
#include "unit.h"

static struct auth_token make(uint64_t id, const char *user, uint64_t expires_ms) {
    struct auth_token token = {.id = id, .user = slice_from_string(user), .expires_ms = expires_ms};
    memset(token.hash, 'a', sizeof token.hash);
    return token;
}

static void tokens_are_found_and_end(void **state) {
    (void)state;
    struct auth_tokens tokens;
    auth_tokens_init(&tokens, &memory_libc);
    for (uint64_t id = 40; id > 0; id--) {
        struct auth_token token = make(id * 7, id % 2 ? "odd" : "even", id % 4 == 0 ? id * 100 : 0);
        assert_int_equal(auth_tokens_add(&tokens, &token), STATUS_OK);
        assert_int_equal(auth_tokens_add(&tokens, &token), STATUS_INVALID);
    }
    assert_int_equal(tokens.count, 40);
    assert_int_equal(tokens.earliest_ms, 400);
    assert_true(slice_equal(auth_tokens_find(&tokens, 14)->user, SLICE("even")));
    assert_null(auth_tokens_find(&tokens, 15));
    assert_null(auth_tokens_find(&tokens, 1000));
    assert_int_equal(auth_tokens_expire(&tokens, 399), 0);
    assert_int_equal(auth_tokens_expire(&tokens, 800), 2);
    assert_int_equal(tokens.earliest_ms, 1200);
    assert_null(auth_tokens_find(&tokens, 28));
    assert_true(auth_tokens_remove(&tokens, 7));
    assert_false(auth_tokens_remove(&tokens, 7));
    auth_tokens_remove_of(&tokens, SLICE("odd"));
    assert_int_equal(tokens.count, 18);
    auth_tokens_fini(&tokens);
}

static void a_token_is_checked_by_its_secret_and_time(void **state) {
    (void)state;
    struct auth_setting setting = fixture_setting(&memory_libc);
    struct auth_tokens tokens;
    struct auth_token token = make(0xabc, "joe", 1000);
    const uint8_t secret[AUTH_TOKEN_SECRET_SIZE / 2] = {1, 2, 0xfe};
    char text[AUTH_TOKEN_SIZE];
    auth_tokens_init(&tokens, &memory_libc);
    auth_token_write(token.id, secret, text);
    assert_memory_equal(text, "strata_0000000000000abc_0102fe00", 32);
    setting.hash(slice_make(text + AUTH_TOKEN_SIZE - AUTH_TOKEN_SECRET_SIZE, AUTH_TOKEN_SECRET_SIZE), token.hash);
    assert_int_equal(auth_tokens_add(&tokens, &token), STATUS_OK);
    const struct auth_token *found = auth_tokens_check(&tokens, &setting, slice_make(text, sizeof text), 999);
    assert_non_null(found);
    assert_true(slice_equal(found->user, SLICE("joe")));
    assert_null(auth_tokens_check(&tokens, &setting, slice_make(text, sizeof text), 1000));
    assert_null(auth_tokens_check(&tokens, &setting, slice_make(text, sizeof text - 1), 0));
    assert_null(auth_tokens_check(&tokens, &setting, SLICE(""), 0));
    for (size_t i = 0; i < 40; i++) { /* the fixture's hash looks at the first 32 bytes of the secret */
        char other[AUTH_TOKEN_SIZE];
        memcpy(other, text, sizeof other);
        other[i] = other[i] == 'x' ? 'y' : 'x';
        assert_null(auth_tokens_check(&tokens, &setting, slice_make(other, sizeof other), 0));
    }
    auth_tokens_fini(&tokens);
}

static void expect_parsed(const char *line, bool good) {
    struct slice words[AUTH_TOKEN_WORDS];
    uint32_t count = 0;
    char copy[512];
    struct auth_token token;
    struct buf out;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *rest = copy, *word; (word = strsep(&rest, " ")) && count < AUTH_TOKEN_WORDS;)
        words[count++] = slice_from_string(word);
    assert_int_equal(auth_token_parse(words, count, &token), good);
    if (!good)
        return;
    buf_init(&out, &memory_libc);
    assert_int_equal(auth_token_describe(&token, &out), STATUS_OK);
    assert_int_equal(out.size, strlen(line));
    assert_memory_equal(out.data, line, out.size);
    buf_fini(&out);
}

#define HASH "#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void lines_are_read_as_they_were_written(void **state) {
    (void)state;
    expect_parsed("00000000000000ff joe " HASH " 1 0", true);
    expect_parsed("00000000000000ff joe " HASH " 1 1795365000000 ci-runner", true);
    expect_parsed("00000000000000ff joe " HASH " 1", false);
    expect_parsed("00000000000000ff joe " HASH " 1 0 a b", false);
    expect_parsed("00000000000000fg joe " HASH " 1 0", false);
    expect_parsed("0000000000000000 joe " HASH " 1 0", false);
    expect_parsed("ff joe " HASH " 1 0", false);
    expect_parsed("00000000000000ff joe " HASH "a 1 0", false);
    expect_parsed("00000000000000ff joe aaaa 1 0", false);
    expect_parsed("00000000000000ff joe " HASH " -1 0", false);
    expect_parsed("00000000000000ff joe " HASH " 1 x", false);
}

UNIT_TESTS(token, UNIT(tokens_are_found_and_end), UNIT(a_token_is_checked_by_its_secret_and_time),
           UNIT(lines_are_read_as_they_were_written));
