#include "app/shell/editor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/assert.h"

enum { COLUMNS_DEFAULT = 80, ESCAPE_MS = 50, WORD_COLUMN = 22, SEARCH_MAX = 200 };
#undef CTRL /* of termios.h */
#define CTRL(letter) ((enum key)((letter)-0x40))

/* Bytes are keys of their own. */
enum key {
    KEY_ESCAPE = 27,
    KEY_DELETE = 127,
    KEY_BYTES = 256,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE_RIGHT,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_WORD_DELETE,
    KEY_NONE,
    KEY_OVER
};

void editor_init(struct editor *editor, const struct editor_hooks *hooks) {
    *editor = (struct editor){.hooks = *hooks};
    struct buf *bufs[] = {&editor->line, &editor->hint, &editor->draft, &editor->screen, &editor->cut};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_init(bufs[i], &memory_libc);
}

void editor_fini(struct editor *editor) {
    struct buf *bufs[] = {&editor->line, &editor->hint, &editor->draft, &editor->screen, &editor->cut};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_fini(bufs[i]);
    for (size_t i = 0; i < editor->history_count; i++)
        buf_fini(&editor->history[i]);
}

/* ------------------------------------------------------------------------------------------ characters */

static size_t char_size(struct slice line, size_t at) {
    size_t size = 1;
    while (at + size < line.size && (line.data[at + size] & 0xc0) == 0x80)
        size++;
    return size;
}

static size_t char_before(struct slice line, size_t at) {
    do
        at--;
    while (at > 0 && (line.data[at] & 0xc0) == 0x80);
    return at;
}

/* Columns of one character; what cannot be shown is a question mark. */
static int char_columns(struct slice line, size_t at, size_t size) {
    wchar_t wide;
    mbstate_t state = {0};
    if (mbrtowc(&wide, (const char *)line.data + at, size, &state) != size)
        return 1;
    int columns = wcwidth(wide);
    return columns < 0 ? 1 : columns;
}

static bool is_shown(struct slice line, size_t at, size_t size) {
    wchar_t wide;
    mbstate_t state = {0};
    return mbrtowc(&wide, (const char *)line.data + at, size, &state) == size && wcwidth(wide) >= 0;
}

/* ------------------------------------------------------------------------------------------ screen */

static int columns_of_terminal(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : COLUMNS_DEFAULT;
}

static void put_text(struct buf *screen, const char *text) {
    MAYBE(STATUS_OK != buf_append(screen, text, strlen(text)));
}

static void write_screen(struct buf *screen) {
    size_t written = 0;
    while (written < screen->size) {
        ssize_t size = write(STDOUT_FILENO, screen->data + written, screen->size - written);
        if (size < 0 && errno != EINTR && errno != EAGAIN)
            break;
        written += size > 0 ? (size_t)size : 0;
    }
    buf_clear(screen);
}

/* Characters from `from` on while they fit into so many columns; answers how many were used. */
static int put_chars(struct buf *screen, struct slice line, size_t from, int columns) {
    int used = 0;
    for (size_t size; from < line.size; from += size) {
        size = char_size(line, from);
        int wide = char_columns(line, from, size);
        if (used + wide > columns)
            break;
        if (is_shown(line, from, size))
            MAYBE(STATUS_OK != buf_append(screen, line.data + from, size));
        else
            put_text(screen, "?");
        used += wide;
    }
    return used;
}

/* Where to begin so that the cursor is inside of so many columns. */
static size_t visible_from(struct slice line, size_t at, int columns, int *ret_cursor) {
    int used = 0;
    size_t from = at;
    while (from > 0) {
        size_t before = char_before(line, from);
        int wide = char_columns(line, before, from - before);
        if (used + wide > columns)
            break;
        used += wide;
        from = before;
    }
    *ret_cursor = used;
    return from;
}

static void draw(struct editor *editor, const char *prompt, bool with_hint) {
    struct slice line = buf_slice(&editor->line);
    int prompt_columns = (int)strlen(prompt), room = columns_of_terminal() - prompt_columns - 1, cursor;
    if (room < 10)
        room = 10;
    size_t from = visible_from(line, editor->at, room, &cursor);
    put_text(&editor->screen, "\r");
    put_text(&editor->screen, prompt);
    int used = put_chars(&editor->screen, line, from, room);
    buf_clear(&editor->hint);
    if (with_hint && editor->at == line.size && line.size &&
        editor->hooks.hint(editor->hooks.context, line, &editor->hint) == STATUS_OK && editor->hint.size) {
        put_text(&editor->screen, "\x1b[90m");
        put_chars(&editor->screen, buf_slice(&editor->hint), 0, room - used);
        put_text(&editor->screen, "\x1b[0m");
    }
    MAYBE(STATUS_OK != buf_printf(&editor->screen, "\x1b[K\r\x1b[%dC", prompt_columns + cursor));
    write_screen(&editor->screen);
}

static void refresh(struct editor *editor) { draw(editor, editor->prompt, true); }

/* The line as it is left: without a hint, the cursor below. */
static void leave(struct editor *editor, const char *behind) {
    editor->at = editor->line.size;
    draw(editor, editor->prompt, false);
    put_text(&editor->screen, behind);
    put_text(&editor->screen, "\n");
    write_screen(&editor->screen);
}

/* ------------------------------------------------------------------------------------------ keys */

/* Output stays as it is always: who prints meanwhile need not know. */
static bool make_raw(struct editor *editor) {
    if (tcgetattr(STDIN_FILENO, &editor->shown) != 0)
        return false;
    struct termios raw = editor->shown;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_cflag |= CS8;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static bool fill(struct editor *editor) {
    for (;;) {
        ssize_t size = read(STDIN_FILENO, editor->input, sizeof editor->input);
        if (size < 0 && errno == EINTR)
            continue;
        editor->input_at = 0;
        editor->input_size = size > 0 ? (size_t)size : 0;
        return size > 0;
    }
}

/* Lets what comes elsewhere be printed above the line. False: the terminal is gone. */
static bool wait_for_keys(struct editor *editor) {
    for (;;) {
        struct pollfd wanted[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                   {.fd = editor->hooks.other(editor->hooks.context), .events = POLLIN}};
        int ready = poll(wanted, 2, -1);
        if (ready < 0 && errno != EINTR)
            return false;
        if (ready > 0 && wanted[1].revents) {
            put_text(&editor->screen, "\r\x1b[K");
            write_screen(&editor->screen);
            editor->hooks.other_ready(editor->hooks.context);
            refresh(editor);
        }
        if (ready > 0 && wanted[0].revents)
            return fill(editor);
    }
}

/* -1: nothing more. `within_ms` -1: waits. */
static int next_byte(struct editor *editor, int within_ms) {
    if (editor->input_at == editor->input_size) {
        struct pollfd wanted = {.fd = STDIN_FILENO, .events = POLLIN};
        bool there = within_ms < 0 ? wait_for_keys(editor) : poll(&wanted, 1, within_ms) > 0 && fill(editor);
        if (!there)
            return -1;
    }
    return editor->input[editor->input_at++];
}

static enum key key_of_letter(int letter, bool with_control) {
    switch (letter) {
        case 'A':
            return KEY_UP;
        case 'B':
            return KEY_DOWN;
        case 'C':
            return with_control ? KEY_WORD_RIGHT : KEY_RIGHT;
        case 'D':
            return with_control ? KEY_WORD_LEFT : KEY_LEFT;
        case 'H':
            return KEY_HOME;
        case 'F':
            return KEY_END;
        default:
            return KEY_NONE;
    }
}

/* Behind ESC [ : numbers, then a letter or ~. */
static enum key read_sequence(struct editor *editor) {
    int first = 0, number = 0, byte;
    while ((byte = next_byte(editor, ESCAPE_MS)) >= 0 && ((byte >= '0' && byte <= '9') || byte == ';')) {
        if (byte == ';') {
            first = number;
            number = 0;
        } else if (number < 1000) {
            number = number * 10 + (byte - '0');
        }
    }
    if (byte != '~')
        return byte < 0 ? KEY_NONE : key_of_letter(byte, first && (number == 5 || number == 3));
    switch (first ? first : number) {
        case 1:
        case 7:
            return KEY_HOME;
        case 3:
            return KEY_DELETE_RIGHT;
        case 4:
        case 8:
            return KEY_END;
        default:
            return KEY_NONE;
    }
}

static enum key read_escape(struct editor *editor) {
    int byte = next_byte(editor, ESCAPE_MS);
    switch (byte) {
        case '[':
            return read_sequence(editor);
        case 'O':
            byte = next_byte(editor, ESCAPE_MS);
            return byte < 0 ? KEY_NONE : key_of_letter(byte, false);
        case 'b':
            return KEY_WORD_LEFT;
        case 'f':
            return KEY_WORD_RIGHT;
        case 'd':
            return KEY_WORD_DELETE;
        default:
            return KEY_NONE;
    }
}

static enum key read_key(struct editor *editor) {
    int byte = next_byte(editor, -1);
    if (byte < 0)
        return KEY_OVER;
    return byte == KEY_ESCAPE ? read_escape(editor) : (enum key)byte;
}

/* ------------------------------------------------------------------------------------------ changes */

static void insert(struct editor *editor, const void *bytes, size_t size) {
    if (editor->line.size + size > EDITOR_LINE_MAX || buf_reserve(&editor->line, size) != STATUS_OK)
        return;
    memmove(editor->line.data + editor->at + size, editor->line.data + editor->at, editor->line.size - editor->at);
    memcpy(editor->line.data + editor->at, bytes, size);
    editor->line.size += size;
    editor->at += size;
}

static void remove_range(struct editor *editor, size_t from, size_t to, bool keep) {
    if (keep && to > from) {
        buf_clear(&editor->cut);
        MAYBE(STATUS_OK != buf_append(&editor->cut, editor->line.data + from, to - from));
    }
    if (to < editor->line.size)
        memmove(editor->line.data + from, editor->line.data + to, editor->line.size - to);
    editor->line.size -= to - from;
    editor->at = from;
}

static void replace(struct editor *editor, struct slice line) {
    buf_clear(&editor->line);
    MAYBE(STATUS_OK != buf_append_slice(&editor->line, line));
    editor->at = editor->line.size;
}

static bool is_space_at(const struct editor *editor, size_t at) { return editor->line.data[at] == ' '; }

static size_t word_left(const struct editor *editor) {
    size_t at = editor->at;
    while (at > 0 && is_space_at(editor, at - 1))
        at--;
    while (at > 0 && !is_space_at(editor, at - 1))
        at--;
    return at;
}

static size_t word_right(const struct editor *editor) {
    size_t at = editor->at;
    while (at < editor->line.size && is_space_at(editor, at))
        at++;
    while (at < editor->line.size && !is_space_at(editor, at))
        at++;
    return at;
}

static void swap_chars(struct editor *editor) {
    if (editor->at == 0 || editor->line.size < 2)
        return;
    if (editor->at == editor->line.size)
        editor->at = char_before(buf_slice(&editor->line), editor->at);
    if (editor->at == 0)
        return;
    size_t before = char_before(buf_slice(&editor->line), editor->at),
           size = char_size(buf_slice(&editor->line), editor->at);
    uint8_t bytes[8];
    if (size > sizeof bytes)
        return;
    memcpy(bytes, editor->line.data + editor->at, size);
    remove_range(editor, editor->at, editor->at + size, false);
    editor->at = before;
    size_t end = before + size + char_size(buf_slice(&editor->line), before);
    insert(editor, bytes, size);
    editor->at = end;
}

/* ------------------------------------------------------------------------------------------ history */

void editor_remember(struct editor *editor, struct slice line) {
    size_t count = editor->history_count;
    if (count && slice_equal(buf_slice(&editor->history[count - 1]), line))
        return;
    struct buf copy;
    buf_init(&copy, &memory_libc);
    if (buf_append_slice(&copy, line) != STATUS_OK)
        return;
    if (count == EDITOR_HISTORY_MAX) {
        buf_fini(&editor->history[0]);
        memmove(editor->history, editor->history + 1, (count - 1) * sizeof *editor->history);
        count--;
    }
    editor->history[count] = copy;
    editor->history_count = count + 1;
}

/* The line that was being typed stands behind the newest. */
static void walk_history(struct editor *editor, int step) {
    size_t to = editor->history_at + (size_t)step;
    if (to > editor->history_count) /* also below 0 */
        return;
    if (editor->history_at == editor->history_count) {
        buf_clear(&editor->draft);
        MAYBE(STATUS_OK != buf_append_slice(&editor->draft, buf_slice(&editor->line)));
    }
    editor->history_at = to;
    replace(editor, buf_slice(to == editor->history_count ? &editor->draft : &editor->history[to]));
}

static bool contains(struct slice line, struct slice part) {
    for (size_t at = 0; at + part.size <= line.size; at++)
        if (memcmp(line.data + at, part.data, part.size) == 0)
            return true;
    return false;
}

/* The newest below `below` that has the text in it. */
static bool find_in_history(struct editor *editor, struct slice text, size_t below) {
    while (below-- > 0) {
        if (!contains(buf_slice(&editor->history[below]), text))
            continue;
        replace(editor, buf_slice(&editor->history[below]));
        editor->history_at = below;
        return true;
    }
    return false;
}

/* Ctrl-R. Answers the key that ended it, which then does what it always does. */
static enum key search(struct editor *editor) {
    char text[SEARCH_MAX + 1] = "", prompt[SEARCH_MAX + 32];
    size_t size = 0;
    for (;;) {
        snprintf(prompt, sizeof prompt, "(search)'%s': ", text);
        draw(editor, prompt, false);
        enum key key = read_key(editor);
        if (key == CTRL('R')) {
            find_in_history(editor, slice_make(text, size), editor->history_at);
        } else if (key == KEY_DELETE || key == CTRL('H')) {
            size -= size > 0;
            text[size] = 0;
        } else if (key >= ' ' && key < KEY_BYTES && size < SEARCH_MAX) {
            text[size++] = (char)key;
            text[size] = 0;
            find_in_history(editor, slice_make(text, size), editor->history_count);
        } else {
            return key == CTRL('G') ? KEY_NONE : key;
        }
    }
}

/* ------------------------------------------------------------------------------------------ completion */

static size_t common_size(const struct editor_words *words) {
    size_t size = strlen(words->list[0]);
    for (size_t i = 1; i < words->count; i++) {
        size_t same = 0;
        while (same < size && words->list[i][same] == words->list[0][same])
            same++;
        size = same;
    }
    return size;
}

static void show_words(struct editor *editor, const struct editor_words *words) {
    size_t across = (size_t)(columns_of_terminal() / WORD_COLUMN);
    leave(editor, "");
    for (size_t i = 0; i < words->count; i++) {
        bool is_last = (i + 1) % across == 0 || i + 1 == words->count;
        MAYBE(STATUS_OK !=
              buf_printf(&editor->screen, "%-*s%s", is_last ? 0 : WORD_COLUMN, words->list[i], is_last ? "\n" : ""));
    }
    write_screen(&editor->screen);
}

static void complete(struct editor *editor) {
    struct editor_words words = {.count = 0};
    if (editor->at != editor->line.size)
        return;
    editor->hooks.complete(editor->hooks.context, buf_slice(&editor->line), &words);
    if (words.count == 0)
        return;
    size_t size = common_size(&words);
    if (size > words.typed || words.count == 1) {
        size_t from = editor->line.size - words.typed;
        remove_range(editor, from, editor->line.size, false);
        for (size_t i = 0; i < size; i++) {
            char letter = words.list[0][i];
            bool upper = letter >= 'A' && letter <= 'Z';
            letter = (char)(words.is_lower && upper ? letter | 0x20 : letter);
            insert(editor, &letter, 1);
        }
        if (words.count == 1)
            insert(editor, " ", 1);
    } else if (editor->tab_before) {
        show_words(editor, &words);
    }
}

/* ------------------------------------------------------------------------------------------ a line */

static void move(struct editor *editor, enum key key) {
    struct slice line = buf_slice(&editor->line);
    switch ((int)key) {
        case CTRL('B'):
        case KEY_LEFT:
            editor->at = editor->at ? char_before(line, editor->at) : 0;
            break;
        case CTRL('F'):
        case KEY_RIGHT:
            editor->at += editor->at < line.size ? char_size(line, editor->at) : 0;
            break;
        case CTRL('A'):
        case KEY_HOME:
            editor->at = 0;
            break;
        case CTRL('E'):
        case KEY_END:
            editor->at = line.size;
            break;
        case KEY_WORD_LEFT:
            editor->at = word_left(editor);
            break;
        case KEY_WORD_RIGHT:
            editor->at = word_right(editor);
            break;
        case CTRL('P'):
        case KEY_UP:
            walk_history(editor, -1);
            break;
        case CTRL('N'):
        case KEY_DOWN:
            walk_history(editor, 1);
            break;
        default:
            break;
    }
}

static void change(struct editor *editor, enum key key) {
    struct slice line = buf_slice(&editor->line);
    uint8_t byte = (uint8_t)key;
    switch ((int)key) {
        case KEY_DELETE:
        case CTRL('H'):
            if (editor->at)
                remove_range(editor, char_before(line, editor->at), editor->at, false);
            break;
        case CTRL('D'):
        case KEY_DELETE_RIGHT:
            if (editor->at < line.size)
                remove_range(editor, editor->at, editor->at + char_size(line, editor->at), false);
            break;
        case CTRL('K'):
            remove_range(editor, editor->at, line.size, true);
            break;
        case CTRL('U'):
            remove_range(editor, 0, editor->at, true);
            break;
        case CTRL('W'):
            remove_range(editor, word_left(editor), editor->at, true);
            break;
        case KEY_WORD_DELETE:
            remove_range(editor, editor->at, word_right(editor), true);
            break;
        case CTRL('Y'):
            insert(editor, editor->cut.data, editor->cut.size);
            break;
        case CTRL('T'):
            swap_chars(editor);
            break;
        case CTRL('L'):
            put_text(&editor->screen, "\x1b[H\x1b[2J");
            break;
        case CTRL('I'):
            complete(editor);
            break;
        default:
            if (key >= ' ' && key < KEY_BYTES)
                insert(editor, &byte, 1);
            else
                move(editor, key);
    }
}

/* False: the line is at its end. */
static bool take_key(struct editor *editor, enum key key, enum editor_result *ret_result) {
    if (key == CTRL('R')) {
        editor->history_at = editor->history_count;
        key = search(editor);
    }
    switch ((int)key) {
        case CTRL('M'):
        case CTRL('J'):
            *ret_result = EDITOR_LINE;
            return false;
        case CTRL('C'):
            *ret_result = EDITOR_CANCELLED;
            return false;
        case KEY_OVER:
            *ret_result = EDITOR_END;
            return false;
        case CTRL('D'):
            if (editor->line.size == 0) {
                *ret_result = EDITOR_END;
                return false;
            }
            break;
        default:
            break;
    }
    change(editor, key);
    editor->tab_before = key == CTRL('I');
    return true;
}

enum editor_result editor_read(struct editor *editor, const char *prompt, struct slice *ret_line) {
    enum editor_result result = EDITOR_END;
    buf_clear(&editor->line);
    editor->at = 0;
    editor->prompt = prompt;
    editor->history_at = editor->history_count;
    editor->tab_before = false;
    if (!make_raw(editor))
        return EDITOR_END;
    refresh(editor);
    while (take_key(editor, read_key(editor), &result))
        if (editor->input_at == editor->input_size) /* what was pasted is shown at once */
            refresh(editor);
    leave(editor, result == EDITOR_CANCELLED ? "^C" : "");
    tcsetattr(STDIN_FILENO, TCSADRAIN, &editor->shown);
    *ret_line = buf_slice(&editor->line);
    return result;
}
