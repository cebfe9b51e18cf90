#include "app/shell/line_words.h"

#include "base/hex.h"
#include "core/proto/resp_escape.h"

static bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == 0; }

/* From behind the opening quote; answers where the closing one stands, or the line's size. `word` grows. */
static size_t read_quoted(struct slice line, size_t at, uint8_t quote, uint8_t *word, size_t *size) {
    for (; at < line.size && line.data[at] != quote; at++) {
        uint8_t byte = line.data[at];
        size_t left = line.size - at - 1;
        if (byte == '\\' && quote == '"' && left >= 3 && line.data[at + 1] == 'x' &&
            hex_value(line.data[at + 2]) >= 0 && hex_value(line.data[at + 3]) >= 0) {
            byte = (uint8_t)(hex_value(line.data[at + 2]) << 4 | hex_value(line.data[at + 3]));
            at += 3;
        } else if (byte == '\\' && quote == '"' && left >= 1) {
            byte = resp_unescape(line.data[++at]);
        } else if (byte == '\\' && quote == '\'' && left >= 1 && line.data[at + 1] == '\'') {
            byte = line.data[++at];
        }
        word[(*size)++] = byte;
    }
    return at;
}

/* One word that begins at `*at`, to `word`: it is not longer than as it is typed. */
static enum status read_word(struct slice line, size_t *at, uint8_t *word, struct slice *ret_word) {
    size_t size = 0;
    while (*at < line.size && !is_space(line.data[*at])) {
        uint8_t byte = line.data[*at];
        if (byte != '"' && byte != '\'') {
            word[size++] = byte;
            (*at)++;
            continue;
        }
        *at = read_quoted(line, *at + 1, byte, word, &size);
        if (*at == line.size)
            return STATUS_INVALID;
        (*at)++;
        if (*at < line.size && !is_space(line.data[*at]))
            return STATUS_INVALID;
    }
    *ret_word = slice_make(word, size);
    return STATUS_OK;
}

static size_t skip_spaces(struct slice line, size_t at) {
    while (at < line.size && is_space(line.data[at]))
        at++;
    return at;
}

/* Not fewer than there are words. */
static size_t words_most(struct slice line) {
    size_t count = 0;
    for (size_t i = 0; i < line.size; i++)
        count += !is_space(line.data[i]) && (i == 0 || is_space(line.data[i - 1]));
    return count;
}

enum status line_words_split(struct slice line, struct arena *arena, struct line_words *ret_words) {
    size_t most = words_most(line), count = 0;
    if (most > LINE_WORDS_MAX)
        return STATUS_TOO_LARGE;
    struct slice *list = arena_take(arena, (most ? most : 1) * sizeof *list);
    uint8_t *room = arena_take(arena, line.size ? line.size : 1);
    if (!list || !room)
        return STATUS_NO_MEMORY;
    for (size_t at = skip_spaces(line, 0); at < line.size; at = skip_spaces(line, at)) {
        TRY(read_word(line, &at, room, &list[count]));
        room += list[count++].size;
    }
    *ret_words = (struct line_words){list, count};
    return STATUS_OK;
}

enum status line_words_unquote(struct slice text, struct arena *arena, struct slice *ret_word) {
    struct line_words words;
    TRY(line_words_split(text, arena, &words));
    if (words.count != 1)
        return STATUS_INVALID;
    *ret_word = words.list[0];
    return STATUS_OK;
}
