#include "core/auth/token.h"

#include "base/number.h"
#include "core/auth/inner.h"

enum { CAPACITY_MIN = 16 };

#define BEGIN SLICE("strata_")
enum { BEGIN_SIZE = 7 };

void auth_tokens_init(struct auth_tokens *tokens, const struct memory *memory) {
    *tokens = (struct auth_tokens){.memory = memory, .earliest_ms = UINT64_MAX};
}

static size_t size_of(const struct auth_token *token) { return sizeof *token + token->user.size + token->name.size; }

void auth_tokens_fini(struct auth_tokens *tokens) {
    for (uint32_t i = 0; i < tokens->count; i++)
        memory_give(tokens->memory, tokens->list[i], size_of(tokens->list[i]));
    memory_give(tokens->memory, tokens->list, tokens->capacity * sizeof(struct auth_token *));
    auth_tokens_init(tokens, tokens->memory);
}

/* The first whose id is not smaller. */
static uint32_t place_of(const struct auth_tokens *tokens, uint64_t id) {
    uint32_t from = 0, to = tokens->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (tokens->list[middle]->id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const struct auth_token *auth_tokens_find(const struct auth_tokens *tokens, uint64_t id) {
    uint32_t at = place_of(tokens, id);
    return at < tokens->count && tokens->list[at]->id == id ? tokens->list[at] : NULL;
}

static enum status make_room(struct auth_tokens *tokens) {
    if (tokens->count < tokens->capacity)
        return STATUS_OK;
    if (tokens->count >= AUTH_TOKENS_MAX)
        return STATUS_FULL;
    uint32_t capacity = tokens->capacity ? tokens->capacity * 2 : CAPACITY_MIN;
    const struct memory *memory = tokens->memory;
    void *list = memory->resize(memory->context, tokens->list, tokens->capacity * sizeof *tokens->list,
                                capacity * sizeof *tokens->list);
    if (!list)
        return STATUS_NO_MEMORY;
    tokens->list = list;
    tokens->capacity = capacity;
    return STATUS_OK;
}

static void put_text(uint8_t **at, struct slice *text) {
    if (text->size)
        memcpy(*at, text->data, text->size);
    *text = slice_make(*at, text->size);
    *at += text->size;
}

enum status auth_tokens_add(struct auth_tokens *tokens, const struct auth_token *token) {
    uint32_t at = place_of(tokens, token->id);
    if (at < tokens->count && tokens->list[at]->id == token->id)
        return STATUS_INVALID;
    TRY(make_room(tokens));
    struct auth_token *copy = memory_take(tokens->memory, size_of(token));
    if (!copy)
        return STATUS_NO_MEMORY;
    *copy = *token;
    uint8_t *texts = (uint8_t *)(copy + 1);
    put_text(&texts, &copy->user);
    put_text(&texts, &copy->name);
    memmove(tokens->list + at + 1, tokens->list + at, (tokens->count - at) * sizeof *tokens->list);
    tokens->list[at] = copy;
    tokens->count++;
    if (copy->expires_ms && copy->expires_ms < tokens->earliest_ms)
        tokens->earliest_ms = copy->expires_ms;
    return STATUS_OK;
}

static void remove_at(struct auth_tokens *tokens, uint32_t at) {
    memory_give(tokens->memory, tokens->list[at], size_of(tokens->list[at]));
    tokens->count--;
    memmove(tokens->list + at, tokens->list + at + 1, (tokens->count - at) * sizeof *tokens->list);
}

bool auth_tokens_remove(struct auth_tokens *tokens, uint64_t id) {
    uint32_t at = place_of(tokens, id);
    if (at == tokens->count || tokens->list[at]->id != id)
        return false;
    remove_at(tokens, at);
    return true;
}

void auth_tokens_remove_of(struct auth_tokens *tokens, struct slice user) {
    for (uint32_t i = tokens->count; i-- > 0;)
        if (slice_equal(tokens->list[i]->user, user))
            remove_at(tokens, i);
}

static bool is_over(const struct auth_token *token, uint64_t now_ms) {
    return token->expires_ms && token->expires_ms <= now_ms;
}

uint32_t auth_tokens_expire(struct auth_tokens *tokens, uint64_t now_ms) {
    uint32_t before = tokens->count;
    if (now_ms < tokens->earliest_ms)
        return 0;
    tokens->earliest_ms = UINT64_MAX;
    for (uint32_t i = tokens->count; i-- > 0;) {
        uint64_t expires_ms = tokens->list[i]->expires_ms;
        if (is_over(tokens->list[i], now_ms))
            remove_at(tokens, i);
        else if (expires_ms && expires_ms < tokens->earliest_ms)
            tokens->earliest_ms = expires_ms;
    }
    return before - tokens->count;
}

/* -------------------------------------------------------------------- texts */

bool auth_token_name_is_good(struct slice name) {
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] <= ' ' || name.data[i] == 0x7f)
            return false;
    return name.size <= AUTH_TOKEN_NAME_MAX;
}

void auth_token_write_id(uint64_t id, char ret_text[AUTH_TOKEN_ID_SIZE]) {
    for (int i = AUTH_TOKEN_ID_SIZE; i-- > 0; id >>= 4)
        ret_text[i] = "0123456789abcdef"[id & 15];
}

void auth_token_write(uint64_t id, const uint8_t secret[AUTH_TOKEN_SECRET_SIZE / 2], char ret_text[AUTH_TOKEN_SIZE]) {
    memcpy(ret_text, BEGIN.data, BEGIN_SIZE);
    auth_token_write_id(id, ret_text + BEGIN_SIZE);
    char *at = ret_text + BEGIN_SIZE + AUTH_TOKEN_ID_SIZE;
    *at++ = '_';
    for (size_t i = 0; i < AUTH_TOKEN_SECRET_SIZE / 2; i++) {
        *at++ = "0123456789abcdef"[secret[i] >> 4];
        *at++ = "0123456789abcdef"[secret[i] & 15];
    }
}

bool auth_token_parse_id(struct slice text, uint64_t *ret_id) {
    uint64_t id = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        bool digit = byte >= '0' && byte <= '9', letter = byte >= 'a' && byte <= 'f';
        if (!digit && !letter)
            return false;
        id = id << 4 | (uint64_t)(byte - (digit ? '0' : 'a' - 10));
    }
    *ret_id = id;
    return text.size == AUTH_TOKEN_ID_SIZE && id != 0;
}

bool auth_token_split(struct slice text, uint64_t *ret_id, struct slice *ret_secret) {
    if (text.size != AUTH_TOKEN_SIZE || !slice_starts_with(text, BEGIN) ||
        text.data[BEGIN_SIZE + AUTH_TOKEN_ID_SIZE] != '_')
        return false;
    *ret_secret = slice_part(text, BEGIN_SIZE + AUTH_TOKEN_ID_SIZE + 1, SIZE_MAX);
    return auth_token_parse_id(slice_part(text, BEGIN_SIZE, AUTH_TOKEN_ID_SIZE), ret_id);
}

const struct auth_token *auth_tokens_check(const struct auth_tokens *tokens, const struct auth_setting *setting,
                                           struct slice text, uint64_t now_ms) {
    uint64_t id = 0;
    struct slice secret = SLICE("");
    char hash[AUTH_HASH_SIZE];
    bool split = auth_token_split(text, &id, &secret);
    const struct auth_token *token = split ? auth_tokens_find(tokens, id) : NULL;
    setting->hash(secret, hash);
    volatile uint8_t difference = 0;
    for (size_t at = 0; at < AUTH_HASH_SIZE; at++)
        difference |= (uint8_t)((token ? token->hash : hash)[at] ^ hash[at]);
    return token && difference == 0 && !is_over(token, now_ms) ? token : NULL;
}

enum status auth_token_describe(const struct auth_token *token, struct buf *out) {
    char id[AUTH_TOKEN_ID_SIZE];
    auth_token_write_id(token->id, id);
    TRY(buf_append(out, id, sizeof id));
    TRY(buf_append(out, " ", 1));
    TRY(buf_append_slice(out, token->user));
    TRY(buf_append(out, " #", 2));
    TRY(buf_append(out, token->hash, sizeof token->hash));
    TRY(buf_printf(out, " %llu %llu", (unsigned long long)token->created_ms, (unsigned long long)token->expires_ms));
    if (token->name.size == 0)
        return STATUS_OK;
    TRY(buf_append(out, " ", 1));
    return buf_append_slice(out, token->name);
}

static bool parse_time(struct slice word, uint64_t *ret_ms) {
    int64_t ms;
    if (!number_parse_i64(word, &ms) || ms < 0)
        return false;
    *ret_ms = (uint64_t)ms;
    return true;
}

bool auth_token_parse(const struct slice *words, uint32_t count, struct auth_token *ret_token) {
    enum { ID, USER, HASH, CREATED, EXPIRES, NAME };
    struct auth_token token = {.user = SLICE("")};
    if (count <= EXPIRES || count > NAME + 1 || !auth_token_parse_id(words[ID], &token.id) ||
        !auth_name_is_good(words[USER]) || words[HASH].data[0] != '#' ||
        !auth_is_hash(slice_part(words[HASH], 1, SIZE_MAX)) || !parse_time(words[CREATED], &token.created_ms) ||
        !parse_time(words[EXPIRES], &token.expires_ms))
        return false;
    token.user = words[USER];
    token.name = count > NAME ? words[NAME] : SLICE("");
    memcpy(token.hash, words[HASH].data + 1, AUTH_HASH_SIZE);
    *ret_token = token;
    return auth_token_name_is_good(token.name);
}
