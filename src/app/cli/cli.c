#include "app/cli/cli.h"

#include <stdio.h>

#include "app/bench/command.h"
#include "app/config/config.h"
#include "app/shell/shell.h"
#include "app/top/top.h"
#include "base/bits.h"
#include "base/version.h"

const struct cli_command cli_commands[] = {
    {"server", "run the cache server", cli_server},
    {"bench", "measure a server, replay requests against it, measure the engine, or be a server that does nothing",
     bench_command},
    {"cli", "send commands to a server, at a prompt or from a script", shell_command},
    {"top", "show what a server is doing, live", top_command},
    {"check", "say what is wrong with a manifest, and what to do", cli_check},
    {"graph", "draw what a manifest's rules invalidate", cli_graph},
    {"doctor", "say whether a server would start with a directory's log and snapshots, and repair them", cli_doctor},
    {"snapshot", "take a snapshot of a running server, or write what it has as JSON lines and read such lines",
     cli_snapshot},
    {"audit", "say whether an audit log is as it was written, or show what is in it", cli_audit},
    {"cert", "make certificates for TLS in development and tests", cli_cert},
    {"version", "say which version this is", cli_version},
    {"help", "list the commands, or explain one: strata help server", cli_help},
    {0},
};

bool cli_flag_is(const char *word, const char *name) {
    size_t size = strlen(name);
    return strncmp(word, name, size) == 0 && (word[size] == 0 || word[size] == '=');
}

const char *cli_flag_value(int argc, char **argv, int *at) {
    const char *equals = strchr(argv[*at], '='), *value = equals ? equals + 1 : NULL;
    if (!equals && *at + 1 < argc)
        value = argv[++*at];
    return value && value[0] ? value : NULL;
}

static const struct cli_command *find(const char *name) {
    for (const struct cli_command *command = cli_commands; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

static int unknown(const char *name) {
    const char *names[COUNT_OF(cli_commands)];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        names[i] = cli_commands[i].name;
    const char *near = config_suggest_word(slice_from_string(name), names);
    if (near)
        fprintf(stderr, "strata: unknown command '%s': did you mean '%s'?\n", name, near);
    else
        fprintf(stderr, "strata: unknown command '%s': 'strata help' lists them\n", name);
    return 1;
}

/* It has no flags to explain. */
static bool is_plain(const struct cli_command *command) {
    return command->run == cli_help || command->run == cli_version;
}

int cli_run(int argc, char **argv) {
    if (argc < 2)
        return cli_help(0, NULL);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return cli_help(0, NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0)
        return cli_version(0, NULL);
    const struct cli_command *command = find(name);
    if (command && is_plain(command) && argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
        return cli_help(0, NULL);
    return command ? command->run(argc - 2, argv + 2) : unknown(name);
}

int cli_version(int argc, char **argv) {
    if (argc > 0) {
        fprintf(stderr, "strata version: takes no arguments, but was given '%s'\n", argv[0]);
        return 1;
    }
    printf("strata %s\n", STRATA_VERSION);
    return 0;
}

static int help_of(const char *name) {
    const struct cli_command *command = find(name);
    char flag[] = "--help", *flags[] = {flag, NULL};
    if (!command)
        return unknown(name);
    return is_plain(command) ? cli_help(0, NULL) : command->run(1, flags);
}

int cli_help(int argc, char **argv) {
    if (argc > 0)
        return help_of(argv[0]);
    printf("strata %s, a cache server that speaks the Redis protocol\n\n", STRATA_VERSION);
    printf("usage: strata COMMAND [flags]\n\n");
    for (const struct cli_command *command = cli_commands; command->name; command++)
        printf("  %-10s %s\n", command->name, command->summary);
    printf("\n'strata COMMAND --help' explains a command and its flags.\n");
    return 0;
}
