/* app/cli/cli.h: the subcommands of the program `strata`.
 *
 * A new one is a line in the table of cli.c and a function as below.
 *
 * Threads: one, until a command starts others.
 * Errors:  printed on standard error; the exit code is 1.
 */
#ifndef STRATA_APP_CLI_CLI_H
#define STRATA_APP_CLI_CLI_H

#include <stdbool.h>

struct cli_command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the first word behind the command; answers the exit code */
};

/* NULL-terminated by name. */
extern const struct cli_command cli_commands[];

int cli_run(int argc, char **argv);

/* Whether a word is this flag, with its value behind a '=' or without: "--days", "--days=7". */
bool cli_flag_is(const char *word, const char *name);
/* The value of the flag at argv[*at], behind its '=' or in the next word, which is passed over then. NULL: there is none, or nothing in it. */
const char *cli_flag_value(int argc, char **argv, int *at);

int cli_server(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_graph(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_snapshot(int argc, char **argv);
int cli_audit(int argc, char **argv);
int cli_cert(int argc, char **argv);
int cli_version(int argc, char **argv);
int cli_help(int argc, char **argv);

#endif
