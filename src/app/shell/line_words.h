/* app/shell/line_words.h: a line that was typed, as words.
 *
 *     SET "a key" 'it''s'       words are parted by spaces
 *     "\x00\n\""                between double quotes: \n \r \t \b \a \\ \" \xHH, and any other character for itself
 *     'it\'s'                   between single quotes: \' only
 *
 * Behind a closing quote the word ends. The same as redis-cli's.
 *
 * Threads: no state.
 * Memory:  words are cut from the arena.
 * Errors:  STATUS_INVALID: a quote is not closed, or something stands right behind it. STATUS_TOO_LARGE: too many words. STATUS_NO_MEMORY.
 */
#ifndef STRATA_APP_SHELL_LINE_WORDS_H
#define STRATA_APP_SHELL_LINE_WORDS_H

#include "base/arena.h"
#include "base/status.h"

enum { LINE_WORDS_MAX = 1 << 16 };

struct line_words {
    struct slice *list;
    size_t count;
};

MUST_CHECK enum status line_words_split(struct slice line, struct arena *arena, struct line_words *ret_words);

/* One word as it would be typed between quotes, or bare: for --quoted-input. */
MUST_CHECK enum status line_words_unquote(struct slice text, struct arena *arena, struct slice *ret_word);

#endif
