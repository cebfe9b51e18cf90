#include "app/top/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "app/link/place_flags.h"
#include "app/top/screen.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/decimal.h"
#include "base/number.h"
#include "sys/os/clock.h"

enum { WIDTH_OF_TEXT = 100, PLACE_SIZE = 256, HELP_COLUMN = 27 };

struct top_options {
    struct place_flags server;
    double interval_s;
    bool once, json, help;
    int64_t view; /* from 1 */
};

struct top {
    const struct top_options *options;
    struct server_link link;
    bool is_open;
    struct reading readings[2];
    int current; /* the newest of the two */
    struct screen screen;
    struct buf out;
    char place[PLACE_SIZE], problem[READING_PROBLEM_SIZE];
};

/* ------------------------------------------------------------------------------------------ flags */

static const char usage_text[] =
    "usage: strata top [flags]\n\n"
    "Shows what a server is doing: commands, hits and misses with their causes, run times, memory, classes, hot "
    "keys.\n\n";

static const char help_text[] =
    "\n"
    "  --interval, -i SECONDS   between readings (1)\n"
    "  --view N                 begin with the overview (1), commands (2), memory (3), classes (4), hot keys (5)\n"
    "  --once                   print one screen and end\n"
    "  --json                   print the figures as one line of JSON and end\n"
    "  --help                   print this\n\n"
    "Keys: 1 to 5 show the views, s sorts by another column, space pauses, q ends.\n"
    "The exit code is 1 if there is no server, or it refuses METRICS.\n";

static bool wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("strata top: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n'strata top --help' lists the flags\n", stderr);
    va_end(arguments);
    return false;
}

enum kind { YES, SECONDS, VIEW };

#define AT(field) offsetof(struct top_options, field)
static const struct flag {
    const char *name, *other;
    enum kind kind;
    size_t at;
} flags[] = {
    {"--interval", "-i", SECONDS, AT(interval_s)},
    {"--view", NULL, VIEW, AT(view)},
    {"--once", NULL, YES, AT(once)},
    {"--json", NULL, YES, AT(json)},
    {"--help", NULL, YES, AT(help)},
};

static const struct flag *find_flag(const char *word, size_t size) {
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        const char *names[] = {flags[i].name, flags[i].other};
        for (size_t k = 0; k < 2; k++)
            if (names[k] && strlen(names[k]) == size && memcmp(names[k], word, size) == 0)
                return &flags[i];
    }
    return NULL;
}

static bool set(struct top_options *options, const struct flag *flag, const char *value) {
    switch (flag->kind) {
        case YES:
            *(bool *)(void *)((char *)options + flag->at) = true;
            return true;
        case SECONDS:
            return (decimal_parse(slice_from_string(value), &options->interval_s) && options->interval_s >= 0.05 &&
                    options->interval_s <= 3600) ||
                   wrong("%s takes seconds from 0.05 to 3600, not '%s'", flag->name, value);
        case VIEW:
            return (number_parse_i64(slice_from_string(value), &options->view) && options->view >= 1 &&
                    options->view <= VIEWS) ||
                   wrong("%s takes a number from 1 to %d, not '%s'", flag->name, VIEWS, value);
    }
    return false;
}

static bool read_flag(int argc, char **argv, int *at, struct top_options *options) {
    const char *word = argv[*at], *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    const struct flag *flag = find_flag(word, equals ? (size_t)(equals - word) : strlen(word));
    char problem[PLACE_FLAGS_PROBLEM_SIZE];
    if (!flag) {
        enum place_flags_result of_place = place_flags_read(&options->server, argc, argv, at, problem);
        if (of_place == PLACE_FLAGS_OTHER)
            return wrong("unknown flag '%s'", word);
        return of_place == PLACE_FLAGS_TAKEN || wrong("%s", problem);
    }
    if (flag->kind == YES)
        return equals ? wrong("%s takes no value", flag->name) : set(options, flag, NULL);
    if (!equals && *at + 1 >= argc)
        return wrong("%s takes a value", flag->name);
    return set(options, flag, equals ? equals + 1 : argv[++*at]);
}

static bool read_options(int argc, char **argv, struct top_options *ret_options) {
    char problem[PLACE_FLAGS_PROBLEM_SIZE];
    *ret_options = (struct top_options){.interval_s = 1, .view = 1};
    place_flags_init(&ret_options->server);
    ret_options->server.place.protocol = 3;
    ret_options->server.without_db = true; /* it is shown what all of them are doing */
    for (int i = 0; i < argc; i++)
        if (!read_flag(argc, argv, &i, ret_options))
            return false;
    return ret_options->help || place_flags_check(&ret_options->server, problem) || wrong("%s", problem);
}

/* ------------------------------------------------------------------------------------------ readings */

static bool take(struct top *top) {
    if (!top->is_open) {
        top->is_open = true;
        if (!server_link_open(&top->link, &top->options->server.place)) {
            snprintf(top->problem, sizeof top->problem, "%s", top->link.problem);
            server_link_close(&top->link);
            top->is_open = false;
            return false;
        }
    }
    int next = !top->current;
    if (!reading_take(&top->readings[next], &top->link, top->problem)) {
        server_link_close(&top->link);
        top->is_open = false;
        return false;
    }
    top->current = next;
    top->screen.now = &top->readings[next];
    top->screen.before = &top->readings[!next];
    top->problem[0] = 0;
    return true;
}

static void pause_for(double seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* ------------------------------------------------------------------------------------------ one screen */

static int print_once(struct top *top) {
    bool taken = take(top);
    if (taken) {
        pause_for(top->options->interval_s);
        taken = take(top);
    }
    if (!taken) {
        fprintf(stderr, "strata top: %s\n", top->problem);
        return 1;
    }
    top->screen.width = WIDTH_OF_TEXT;
    enum status status =
        top->options->json ? screen_write_json(&top->screen, &top->out) : screen_write(&top->screen, &top->out);
    if (status != STATUS_OK)
        return 1;
    fwrite(top->out.data, 1, top->out.size, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* ------------------------------------------------------------------------------------------ a live view */

static volatile sig_atomic_t is_over, is_to_stop;

static void end(int signal) {
    (void)signal;
    is_over = 1;
}

static void stop(int signal) {
    (void)signal;
    is_to_stop = 1;
}

static void ignore(int signal) { (void)signal; /* it only ends a wait */ }

static void watch_signals(void) {
    struct sigaction over = {.sa_handler = end}, resized = {.sa_handler = ignore};
    sigaction(SIGINT, &over, NULL);
    sigaction(SIGTERM, &over, NULL);
    sigaction(SIGHUP, &over, NULL);
    sigaction(SIGWINCH, &resized, NULL);
}

/* Keys without echo, and a screen of its own. */
static void take_terminal(const struct termios *raw) {
    tcsetattr(STDIN_FILENO, TCSADRAIN, raw);
    fputs("\x1b[?1049h\x1b[?25l", stdout);
    fflush(stdout);
}

static void give_terminal(const struct termios *before) {
    fputs("\x1b[?25h\x1b[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSADRAIN, before);
}

static void watch_for_stop(void) {
    struct sigaction stopped = {.sa_handler = stop};
    sigaction(SIGTSTP, &stopped, NULL);
}

/* Ctrl-Z: the shell has the terminal as it was, until the job goes on. */
static void rest(const struct termios *before, const struct termios *raw) {
    is_to_stop = 0;
    give_terminal(before);
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    watch_for_stop();
    take_terminal(raw);
}

static void write_all(const struct buf *out) {
    for (size_t at = 0; at < out->size;) {
        ssize_t size = write(STDOUT_FILENO, out->data + at, out->size - at);
        if (size < 0 && errno != EINTR) {
            is_over = 1;
            return;
        }
        at += size > 0 ? (size_t)size : 0;
    }
}

static const char keys_text[] = "1 to 5 views   s sorts   space pauses   q ends";

/* Each line is cleared behind its text, and what is below the last one: nothing flickers. */
static enum status compose(struct top *top, struct buf *screen) {
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
    top->screen.width = known ? size.ws_col - 1 : 79;
    top->screen.height = (known ? size.ws_row : 24) - 1;
    buf_clear(&top->out);
    if (top->screen.now)
        TRY(screen_write(&top->screen, &top->out));
    TRY(buf_printf(screen, "\x1b[H"));
    for (size_t from = 0; from < top->out.size;) {
        const uint8_t *line_end = memchr(top->out.data + from, '\n', top->out.size - from);
        size_t to = (size_t)(line_end - top->out.data);
        TRY(buf_append(screen, top->out.data + from, to - from));
        TRY(buf_printf(screen, "\x1b[K\r\n"));
        from = to + 1;
    }
    return buf_printf(screen, "\x1b[J%.*s", top->screen.width, top->problem[0] ? top->problem : keys_text);
}

static void draw(struct top *top) {
    struct buf screen;
    buf_init(&screen, &memory_libc);
    if (compose(top, &screen) == STATUS_OK)
        write_all(&screen);
    buf_fini(&screen);
}

static void press(struct top *top, uint8_t key) {
    if (key >= '1' && key < '1' + VIEWS)
        top->screen.view = (enum screen_view)(key - '1');
    else if (key == 's')
        top->screen.sort++;
    else if (key == ' ' || key == 'p')
        top->screen.paused = !top->screen.paused;
    else if (key == 'q' || key == 3)
        is_over = 1;
}

/* Until the next reading is due, a key was pressed, or a signal came. */
static void wait_for_key(struct top *top, uint64_t due_ms) {
    struct pollfd wanted = {.fd = STDIN_FILENO, .events = POLLIN};
    uint64_t now_ms = clock_steady_ms();
    uint8_t keys[64];
    if (poll(&wanted, 1, due_ms > now_ms ? (int)(due_ms - now_ms) : 0) <= 0)
        return;
    ssize_t size = read(STDIN_FILENO, keys, sizeof keys);
    if (size <= 0)
        is_over = 1;
    for (ssize_t i = 0; i < size; i++)
        press(top, keys[i]);
}

static int watch(struct top *top) {
    struct termios before, raw;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) {
        fprintf(stderr, "strata top: this is no terminal; --once and --json print one screen\n");
        return 1;
    }
    if (!take(top)) { /* a first one has to succeed: then there is something to go on with */
        fprintf(stderr, "strata top: %s\n", top->problem);
        return 1;
    }
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    watch_signals();
    watch_for_stop();
    take_terminal(&raw);
    uint64_t interval_ms = (uint64_t)(top->options->interval_s * 1000), due_ms = clock_steady_ms();
    while (!is_over) {
        if (is_to_stop)
            rest(&before, &raw);
        if (clock_steady_ms() >= due_ms) {
            due_ms = clock_steady_ms() + interval_ms;
            if (!top->screen.paused)
                MAYBE(!take(top));
        }
        draw(top);
        wait_for_key(top, due_ms);
    }
    give_terminal(&before);
    return 0;
}

int top_command(int argc, char **argv) {
    static struct top top;
    static struct top_options options; /* holds the password: not on the stack */
    if (!read_options(argc, argv, &options))
        return 1;
    if (options.help) {
        fputs(usage_text, stdout);
        place_flags_print(&options.server, HELP_COLUMN);
        fputs(help_text, stdout);
        return 0;
    }
    if (!place_flags_ask(&options.server))
        return 1;
    signal(SIGPIPE, SIG_IGN);
    top.options = &options;
    top.screen.view = (enum screen_view)(options.view - 1);
    top.screen.place = top.place;
    server_place_text(&options.server.place, top.place, sizeof top.place);
    buf_init(&top.out, &memory_libc);
    reading_init(&top.readings[0]);
    reading_init(&top.readings[1]);
    int code = options.once || options.json ? print_once(&top) : watch(&top);
    reading_fini(&top.readings[0]);
    reading_fini(&top.readings[1]);
    buf_fini(&top.out);
    if (top.is_open)
        server_link_close(&top.link);
    return code;
}
