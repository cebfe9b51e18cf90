/* app/shell/line_history.h: lines that were typed, in a file that only its owner reads.
 *
 * The file is ~/.stratacli_history, or what STRATACLI_HISTFILE names ("": none). Lines in which a secret may stand are not written.
 *
 * Threads: one.
 * Errors:  a file that cannot be read or written is done without.
 */
#ifndef STRATA_APP_SHELL_LINE_HISTORY_H
#define STRATA_APP_SHELL_LINE_HISTORY_H

#include "app/shell/editor.h"

struct line_history {
    char path[4096]; /* empty: none */
};

void line_history_load(struct line_history *history, struct editor *editor);
void line_history_add(const struct line_history *history, struct slice line);

#endif
