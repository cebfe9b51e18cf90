#include "app/shell/shell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "app/shell/interactive.h"
#include "app/shell/line_words.h"
#include "app/shell/modes.h"
#include "app/shell/session.h"
#include "base/assert.h"
#include "base/number.h"
#include "base/version.h"

enum { INPUT_MAX = 512 << 20, PIECE = 64 * 1024 };

/* ------------------------------------------------------------------------------------------ input */

/* All of standard input. False: told. */
static bool read_input(struct buf *into) {
    for (;;) {
        if (into->size > INPUT_MAX || buf_reserve(into, PIECE) != STATUS_OK) {
            fprintf(stderr, "strata cli: standard input is larger than a value may be\n");
            return false;
        }
        size_t size = fread(into->data + into->size, 1, into->capacity - into->size, stdin);
        into->size += size;
        if (size == 0)
            return true;
    }
}

/* ------------------------------------------------------------------------------------------ commands */

static void pause_for(double seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        continue;
}

static enum session_result repeat(struct session *session, const struct slice *words, size_t count, int64_t times) {
    enum session_result result = SESSION_DONE;
    for (int64_t i = 0; times < 0 || i < (times ? times : 1); i++) {
        if (i && session->options->interval_s > 0)
            pause_for(session->options->interval_s);
        result = session_run(session, words, count);
        if (result == SESSION_BROKEN || (result == SESSION_ERROR_REPLY && session->options->error_is_failure))
            break;
    }
    return result;
}

static int exit_code(const struct session *session, enum session_result result) {
    return result == SESSION_BROKEN || (result == SESSION_ERROR_REPLY && session->options->error_is_failure)
               ? SHELL_FAILED
               : SHELL_GOOD;
}

/* The words of the command line, with what -x, -X and --quoted-input make of them. */
static bool take_words(const struct shell_options *options, struct arena *arena, struct buf *input,
                       struct line_words *ret_words) {
    size_t count = (size_t)options->word_count;
    struct slice *words = arena_take(arena, (count + 1) * sizeof *words);
    bool tagged = false;
    if (!words)
        return false;
    if ((options->last_from_input || options->input_tag) && !read_input(input))
        return false;
    for (size_t i = 0; i < count; i++) {
        words[i] = slice_from_string(options->words[i]);
        if (options->quoted_input && line_words_unquote(words[i], arena, &words[i]) != STATUS_OK) {
            fprintf(stderr, "strata cli: '%s' is no word as it is written at the prompt\n", options->words[i]);
            return false;
        }
        if (!options->input_tag || strcmp(options->words[i], options->input_tag) != 0)
            continue;
        words[i] = buf_slice(input);
        tagged = true;
    }
    if (options->input_tag && !tagged) {
        fprintf(stderr, "strata cli: no argument is '%s', which standard input was to stand for\n", options->input_tag);
        return false;
    }
    if (options->last_from_input)
        words[count++] = buf_slice(input);
    *ret_words = (struct line_words){words, count};
    return true;
}

static int run_words(struct session *session) {
    struct arena arena;
    struct buf input;
    struct line_words words;
    int code = SHELL_FAILED;
    arena_init(&arena, &memory_libc, PIECE);
    buf_init(&input, &memory_libc);
    if (take_words(session->options, &arena, &input, &words))
        code = exit_code(session, repeat(session, words.list, words.count, session->options->repeat));
    buf_fini(&input);
    arena_fini(&arena);
    return code;
}

/* "3 PING" is PING three times. */
static enum session_result run_line(struct session *session, struct line_words words) {
    int64_t times = session->options->repeat;
    if (words.count > 1 && number_parse_i64(words.list[0], &times)) {
        words.list++;
        words.count--;
    }
    return repeat(session, words.list, words.count, times);
}

static int run_input(struct session *session) {
    struct arena arena;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int code = SHELL_GOOD;
    arena_init(&arena, &memory_libc, PIECE);
    while (code == SHELL_GOOD && (size = getline(&line, &capacity, stdin)) >= 0) {
        struct line_words words;
        arena_reset(&arena);
        if (line_words_split(slice_make(line, (size_t)size), &arena, &words) != STATUS_OK) {
            printf("Invalid argument(s)\n");
            continue;
        }
        if (words.count == 0)
            continue;
        if (words.count == 1 &&
            (slice_equal_nocase(words.list[0], SLICE("quit")) || slice_equal_nocase(words.list[0], SLICE("exit"))))
            break;
        code = exit_code(session, run_line(session, words));
    }
    free(line);
    arena_fini(&arena);
    return code;
}

static int run_mode(struct session *session) {
    switch (session->options->mode) {
        case SHELL_COMMANDS:
            if (session->options->word_count > 0)
                return run_words(session);
            return isatty(STDIN_FILENO) && !session->options->last_from_input ? interactive_run(session)
                                                                              : run_input(session);
        case SHELL_PIPE:
            return modes_pipe(session);
        case SHELL_SCAN:
            return modes_scan(session);
        case SHELL_BIG_KEYS:
        case SHELL_MEMORY_KEYS:
            return modes_largest(session);
        case SHELL_HOT_KEYS:
            return modes_hot(session);
        case SHELL_STAT:
            return modes_stat(session);
        case SHELL_LATENCY:
        case SHELL_LATENCY_HISTORY:
            return modes_latency(session);
        case SHELL_INTRINSIC_LATENCY:
            break; /* without a session */
    }
    return SHELL_FAILED;
}

int shell_command(int argc, char **argv) {
    static struct shell_options options; /* holds the password: not on the stack */
    struct session session;
    if (!shell_options_read(argc, argv, &options))
        return SHELL_FAILED;
    if (options.help)
        shell_print_help(&options);
    if (options.version)
        printf("strata %s\n", STRATA_VERSION);
    if (options.help || options.version)
        return SHELL_GOOD;
    if (options.mode == SHELL_INTRINSIC_LATENCY)
        return modes_intrinsic_latency(&options);
    if (!place_flags_ask(&options.server))
        return SHELL_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    session_init(&session, &options);
    int code = run_mode(&session);
    session_fini(&session);
    if (fflush(stdout) != 0)
        code = SHELL_FAILED;
    return code;
}
