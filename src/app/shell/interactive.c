#include "app/shell/interactive.h"

#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "app/shell/editor.h"
#include "app/shell/line_history.h"
#include "app/shell/line_words.h"
#include "app/shell/syntax.h"
#include "base/assert.h"
#include "base/number.h"

enum { PROMPT_SIZE = 320, PLACE_SIZE = 256, ARENA_CHUNK = 64 * 1024, HOST_MAX = 255 };

struct interactive {
    struct session *session;
    struct editor editor;
    struct line_history history;
    struct arena arena;
    char host[HOST_MAX + 1]; /* given to `connect` */
    char prompt[PROMPT_SIZE];
};

/* ------------------------------------------------------------------------------------------ hooks */

static void complete(void *context, struct slice line, struct editor_words *ret_words) {
    (void)context;
    syntax_complete(line, ret_words);
}

static enum status hint(void *context, struct slice line, struct buf *out) {
    (void)context;
    return syntax_hint(line, out);
}

static void write_prompt(const struct session *session, char *prompt) {
    char place[PLACE_SIZE], db[24] = "";
    server_place_text(&session->place, place, sizeof place);
    if (session->place.db)
        snprintf(db, sizeof db, "[%d]", session->place.db);
    if (session->is_open)
        snprintf(prompt, PROMPT_SIZE, "%s%s%s> ", place, db, session->in_transaction ? "(TX)" : "");
    else
        snprintf(prompt, PROMPT_SIZE, "not connected> ");
}

static int other(void *context) {
    const struct interactive *interactive = context;
    return interactive->session->is_open ? interactive->session->link.wire.fd : -1;
}

static void other_ready(void *context) {
    struct interactive *interactive = context;
    if (!session_print_pushes(interactive->session))
        write_prompt(interactive->session, interactive->prompt);
}

/* ------------------------------------------------------------------------------------------ lines */

static void interrupt(int signal) {
    (void)signal;
    session_interrupt = 1;
}

static void run_times(struct session *session, const struct slice *words, size_t count, int64_t times) {
    struct sigaction action = {.sa_handler = interrupt}, before;
    session_interrupt = 0;
    sigaction(SIGINT, &action, &before);
    for (int64_t i = 0; i < times && !session_interrupt; i++)
        if (session_run(session, words, count) == SESSION_BROKEN)
            break;
    sigaction(SIGINT, &before, NULL);
    fflush(stdout);
    if (!session_interrupt)
        return;
    fputs("\n", stdout);
    fflush(stdout);
    MAYBE(!session_connect(session)); /* without what was left unfinished */
}

static void help(struct interactive *interactive, struct line_words words) {
    struct buf *out = &interactive->session->out;
    buf_clear(out);
    if (syntax_help(words.list + 1, words.count - 1, out) == STATUS_OK)
        fwrite(out->data, 1, out->size, stdout);
    fflush(stdout);
}

static void connect_to(struct interactive *interactive, struct line_words words) {
    struct session *session = interactive->session;
    int64_t port = SERVER_PORT;
    if (words.count < 2 || words.count > 3 || words.list[1].size > HOST_MAX ||
        (words.count == 3 && (!number_parse_i64(words.list[2], &port) || port < 1 || port > SERVER_PORT_MAX))) {
        puts("connect takes a host and a port");
        return;
    }
    memcpy(interactive->host, words.list[1].data, words.list[1].size);
    interactive->host[words.list[1].size] = 0;
    session_disconnect(session);
    session->place.host = interactive->host;
    session->place.port = (uint16_t)port;
    session->place.socket = NULL;
    MAYBE(!session_connect(session));
}

static bool is(struct slice word, const char *text) { return slice_equal_nocase(word, slice_from_string(text)); }

/* False: it was the last. */
static bool run_line(struct interactive *interactive, struct line_words words) {
    int64_t times = 1;
    if (words.count == 0)
        return true;
    if (words.count == 1 && (is(words.list[0], "exit") || is(words.list[0], "quit")))
        return false;
    if (is(words.list[0], "help") || is(words.list[0], "?")) {
        help(interactive, words);
    } else if (words.count == 1 && is(words.list[0], "clear")) {
        fputs("\x1b[H\x1b[2J", stdout);
        fflush(stdout);
    } else if (is(words.list[0], "connect")) {
        connect_to(interactive, words);
    } else if (words.count > 1 && number_parse_i64(words.list[0], &times) && times > 0) {
        run_times(interactive->session, words.list + 1, words.count - 1, times);
    } else {
        run_times(interactive->session, words.list, words.count, 1);
    }
    return true;
}

static bool take_line(struct interactive *interactive) {
    struct slice line;
    struct line_words words;
    write_prompt(interactive->session, interactive->prompt);
    enum editor_result result = editor_read(&interactive->editor, interactive->prompt, &line);
    if (result != EDITOR_LINE)
        return result == EDITOR_CANCELLED;
    arena_reset(&interactive->arena);
    if (line_words_split(line, &interactive->arena, &words) != STATUS_OK) {
        puts("Invalid argument(s)");
        words.count = 0;
    }
    if (line.size) {
        editor_remember(&interactive->editor, line);
        line_history_add(&interactive->history, line);
    }
    return run_line(interactive, words);
}

int interactive_run(struct session *session) {
    static struct interactive interactive; /* with a thousand lines of history: not on the stack */
    const struct editor_hooks hooks = {&interactive, complete, hint, other, other_ready};
    interactive.session = session;
    setlocale(LC_CTYPE, "");
    session->at_prompt = true;
    arena_init(&interactive.arena, &memory_libc, ARENA_CHUNK);
    editor_init(&interactive.editor, &hooks);
    line_history_load(&interactive.history, &interactive.editor);
    bool refused = !session_connect(session) && session->link.refused;
    while (!refused && take_line(&interactive))
        continue;
    editor_fini(&interactive.editor);
    arena_fini(&interactive.arena);
    return refused ? SHELL_FAILED : SHELL_GOOD;
}
