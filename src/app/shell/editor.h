/* app/shell/editor.h: a line that is typed at a terminal.
 *
 *     127.0.0.1:6379> GET k|ey [hint]       one row; a longer line is shown in part, around the cursor
 *
 * Keys are those of other shells: arrows, Home, End, Delete, Ctrl-A B C D E F H K L N P R T U W Y, Alt-B D F, Tab. While it waits for keys it watches one more
 * descriptor, and what comes there is printed above the line. The terminal is raw only while a line is read.
 *
 * Threads: one.
 * Memory:  the line is the editor's, until the next.
 * Errors:  without memory a key does nothing.
 */
#ifndef STRATA_APP_SHELL_EDITOR_H
#define STRATA_APP_SHELL_EDITOR_H

#include <termios.h>

#include "base/buf.h"

enum { EDITOR_HISTORY_MAX = 1000, EDITOR_LINE_MAX = 1 << 20, EDITOR_INPUT_SIZE = 4096, EDITOR_WORDS_MAX = 512 };

enum editor_result { EDITOR_LINE, EDITOR_CANCELLED, EDITOR_END };

/* Words that could stand where the last one is. */
struct editor_words {
    const char *list[EDITOR_WORDS_MAX];
    size_t count;
    size_t typed;  /* bytes of the last word that are there */
    bool is_lower; /* they are put in lower case */
};

struct editor_hooks {
    void *context;
    void (*complete)(void *context, struct slice line, struct editor_words *ret_words);
    /* What would go behind the line. */
    enum status (*hint)(void *context, struct slice line, struct buf *out);
    int (*other)(void *context);        /* the descriptor, or -1 */
    void (*other_ready)(void *context); /* prints what is there */
};

struct editor {
    struct editor_hooks hooks;
    struct buf line, hint, draft, screen, cut;
    const char *prompt;
    size_t at; /* the cursor, in bytes */
    struct buf history[EDITOR_HISTORY_MAX];
    size_t history_count, history_at;
    uint8_t input[EDITOR_INPUT_SIZE]; /* read and not used, also from behind the line's end */
    size_t input_size, input_at;
    bool tab_before, ended;
    struct termios shown;
};

void editor_init(struct editor *editor, const struct editor_hooks *hooks);
void editor_fini(struct editor *editor);

enum editor_result editor_read(struct editor *editor, const char *prompt, struct slice *ret_line);

/* The newest. The same line twice in a row is one. */
void editor_remember(struct editor *editor, struct slice line);

#endif
