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

#include "app/link/server_link.h"
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
    SHELL_LATENCY_HISTORY
};

enum shell_pushes { SHELL_PUSHES_OF_TERMINAL, SHELL_PUSHES_SHOWN, SHELL_PUSHES_HIDDEN };

struct shell_options {
    struct server_place place;
    struct format format;
    bool format_given;
    enum shell_mode mode;
    enum shell_pushes pushes;
    bool error_is_failure, last_from_input, quoted_input, ask_password, no_password_warning, password_shown;
    const char *input_tag;         /* the word that standard input stands for; NULL: none does */
    int64_t repeat;                /* -1: without end; 0: not said */
    double interval_s;             /* 0: as the mode has it */
    const char *pattern, *type;    /* NULL: any */
    int64_t count, memory_samples; /* -1: as the server has it */
    int64_t pipe_timeout_s;        /* 0: none */
    bool help, version;
    int word_count;
    char **words;
    /* What --user, -a and -u say, taken off the command line, which other users of the machine see. */
    char uri[1024], password[512];
};

/* False: told what is wrong. */
bool shell_options_read(int argc, char **argv, struct shell_options *ret_options);

/* "redis://user:password@host:port/db", or rediss:// for TLS. `text` is changed and holds what the place then points to. */
bool shell_read_uri(char *text, struct server_place *place);
void shell_print_help(void);

int shell_command(int argc, char **argv);

#endif
