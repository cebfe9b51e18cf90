/* base/terminal_text.h: texts of others as a terminal may be given them.
 *
 * What would move the cursor, change its title or colours, answer for who types, or show characters in another order than they stand in, is
 * written as \xHH: control characters of ASCII and Unicode, marks of direction, and bytes that are no UTF-8.
 *
 * Threads: no state.
 */
#ifndef STRATA_BASE_TERMINAL_TEXT_H
#define STRATA_BASE_TERMINAL_TEXT_H

#include "base/buf.h"

/* Appends the text. `lines`: ends of lines and tabs stay. */
MUST_CHECK enum status terminal_text_write(struct buf *to, struct slice text, bool lines);

/* As a string of one line, cut where there is no room for more of it. */
void terminal_text_copy(struct slice text, char *ret_text, size_t size);

#endif
