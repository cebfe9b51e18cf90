#include "app/shell/line_history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/shell/syntax.h"
#include "base/assert.h"

enum { FILE_SIZE_MAX = 4 << 20 };

static void find_path(struct line_history *history) {
    const char *given = getenv("STRATACLI_HISTFILE"), *home = getenv("HOME");
    int size = 0;
    if (given)
        size = snprintf(history->path, sizeof history->path, "%s", given);
    else if (home && home[0])
        size = snprintf(history->path, sizeof history->path, "%s/.stratacli_history", home);
    if (size < 0 || (size_t)size >= sizeof history->path)
        history->path[0] = 0;
}

static void write_line(int file, struct slice line) {
    struct buf text;
    buf_init(&text, &memory_libc);
    if (buf_append_slice(&text, line) == STATUS_OK && buf_append(&text, "\n", 1) == STATUS_OK)
        MAYBE(write(file, text.data, text.size) < 0);
    buf_fini(&text);
}

/* A file that has grown too long is written anew with what is remembered of it. */
static void shorten(const struct line_history *history, const struct editor *editor) {
    char other[sizeof history->path + 8];
    snprintf(other, sizeof other, "%s.new", history->path);
    int file = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return;
    for (size_t i = 0; i < editor->history_count; i++)
        write_line(file, buf_slice(&editor->history[i]));
    close(file);
    MAYBE(rename(other, history->path) != 0);
}

void line_history_load(struct line_history *history, struct editor *editor) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    struct stat about;
    *history = (struct line_history){.path = ""};
    find_path(history);
    int file = history->path[0] ? open(history->path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0 || fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        if (file >= 0)
            close(file);
        return;
    }
    FILE *lines = fdopen(file, "r");
    while (lines && (size = getline(&line, &capacity, lines)) > 0) {
        struct slice text = slice_make(line, (size_t)size - (line[size - 1] == '\n'));
        if (text.size && text.size <= EDITOR_LINE_MAX)
            editor_remember(editor, text);
    }
    free(line);
    if (lines)
        fclose(lines);
    if (about.st_size > FILE_SIZE_MAX)
        shorten(history, editor);
}

void line_history_add(const struct line_history *history, struct slice line) {
    if (!history->path[0] || syntax_is_secret(line) || memchr(line.data, '\n', line.size))
        return;
    int file = open(history->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return;
    write_line(file, line);
    close(file);
}
