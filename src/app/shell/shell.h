/* app/shell/shell.h: `strata cli`, a client for people and scripts.
 *
 *     strata cli GET key        one command, or one after the other from standard input
 *     strata cli                typed at a prompt
 *     strata cli --scan ...     one of its modes
 *
 * Threads: one.
 * Errors:  told on standard error; exit codes are those of docs/cli.md.
 */
#ifndef STRATA_APP_SHELL_SHELL_H
#define STRATA_APP_SHELL_SHELL_H

#include "app/link/place_flags.h"
#include "app/shell/format.h"

enum { SHELL_GOOD = 0, SHELL_FAILED = 1 };

enum shell_mode {
    SHELL_COMMANDS,
    SHELL_PIPE,
    SHELL_SCAN,
    SHELL_BIG_KEYS,
    SHELL_MEMORY_KEYS,
    SHELL_HOT_KEYS,
    SHELL_STAT,
    SHELL_LATENCY,
    SHELL_LATENCY_HISTORY,
    SHELL_INTRINSIC_LATENCY
};

enum shell_pushes { SHELL_PUSHES_OF_TERMINAL, SHELL_PUSHES_SHOWN, SHELL_PUSHES_HIDDEN };

struct shell_options {
    struct place_flags server;
    struct format format;
    bool format_given;
    enum shell_mode mode;
    enum shell_pushes pushes;
    bool error_is_failure, last_from_input, quoted_input;
    const char *input_tag;         /* the word that standard input stands for; NULL: none does */
    int64_t repeat;                /* -1: without end; 0: not said */
    double interval_s;             /* 0: as the mode has it */
    const char *pattern, *type;    /* NULL: any */
    int64_t count, memory_samples; /* -1: as the server has it */
    int64_t pipe_timeout_s;        /* 0: none */
    bool help, version;
    int word_count;
    char **words;
};

/* False: told what is wrong. The options stay where they are. */
bool shell_options_read(int argc, char **argv, struct shell_options *ret_options);

void shell_print_help(const struct shell_options *options);

int shell_command(int argc, char **argv);

#endif
