/* app/shell/syntax.h: what the table of commands says to who types one: words that could follow, and what is still to come.
 *
 *     SET k v E|        EX, EXAT             syntax_complete
 *     SET k v |         [NX | XX | ...] [GET] [EX seconds | ...] ...      syntax_hint
 *
 * Threads: constant data.
 * Memory:  words found live as long as the program.
 */
#ifndef STRATA_APP_SHELL_SYNTAX_H
#define STRATA_APP_SHELL_SYNTAX_H

#include "app/shell/editor.h"

void syntax_complete(struct slice line, struct editor_words *ret_words);
MUST_CHECK enum status syntax_hint(struct slice line, struct buf *out);

/* What `help WORDS` says; without words, how to use it. */
MUST_CHECK enum status syntax_help(const struct slice *words, size_t count, struct buf *out);

/* Whether a line should not be kept in a file, because of what may stand in it. */
bool syntax_is_secret(struct slice line);

#endif
