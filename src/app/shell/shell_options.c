/* app/shell/shell_options.c: the flags of `strata cli`, which are those of redis-cli as far as they make sense here. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/shell/line_words.h"
#include "app/shell/shell.h"
#include "base/bits.h"
#include "base/decimal.h"
#include "base/number.h"

enum { HELP_COLUMN = 27 };

static const char usage_text[] =
    "usage: strata cli [flags] [COMMAND [argument]...]\n\n"
    "Sends one command and prints the reply; without one it reads commands, at a prompt or from standard input.\n\n";

static const char help_text[] =
    "\n"
    "  -2, -3                   RESP2 or RESP3\n"
    "  --raw                    replies as they are: what is done when the output is no terminal\n"
    "  --no-raw                 replies with types and numbers: what is done on a terminal\n"
    "  --csv                    replies as CSV\n"
    "  --json                   replies as JSON\n"
    "  --quoted-json            the same with ASCII only\n"
    "  -d TEXT, -D TEXT         between the members of a raw reply, and behind it (a line end)\n"
    "  --show-pushes yes|no     pushes of RESP3 (yes with --no-raw)\n"
    "\n"
    "  -e                       an error reply makes the exit code 1\n"
    "  -r N, -i SECONDS         N times (-1: until it is ended), with a pause\n"
    "  -x                       the last argument is read from standard input\n"
    "  -X TAG                   the argument TAG is\n"
    "  --quoted-input           arguments are written as at the prompt: \"\\x00\"\n"
    "\n"
    "  --pipe                   sends requests in RESP from standard input, fast, and counts errors\n"
    "  --pipe-timeout N         gives up when no reply came for so many seconds (30; 0: never)\n"
    "  --scan                   lists keys\n"
    "  --pattern P              only those like this\n"
    "  --quoted-pattern P       the same, written as at the prompt\n"
    "  --count N                so many in a step\n"
    "  --type TYPE              only of this type\n"
    "  --bigkeys                the largest key of each type, by elements or bytes\n"
    "  --memkeys                the same by memory\n"
    "  --memkeys-samples N      elements looked at in each key\n"
    "  --hotkeys                the busiest keys\n"
    "  --stat                   figures of the server, line after line, -i apart\n"
    "  --latency                round trips of PING, for -i seconds\n"
    "  --latency-history        the same range after range (15 seconds)\n"
    "  --intrinsic-latency S    how long this machine itself holds up a process, for so many seconds; asks no server\n"
    "\n"
    "  --version                says which version this is\n"
    "  --help                   prints this\n"
    "\nThe exit code is 0, or 1 if there is no server, the connection broke, or (with -e) a reply was an error.\n"
    "docs/cli.md tells more.\n";

void shell_print_help(const struct shell_options *options) {
    fputs(usage_text, stdout);
    place_flags_print(&options->server, HELP_COLUMN);
    fputs(help_text, stdout);
}

static bool wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("strata cli: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n'strata cli --help' lists the flags\n", stderr);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ flags */

enum kind { YES, WORD, NUMBER, SECONDS, MODE, FORM, SPECIAL };

struct flag {
    const char *name, *other;
    enum kind kind;
    size_t at;
    int64_t least, most; /* of numbers; `least` is the value of a mode or a form */
};

#define AT(field) offsetof(struct shell_options, field)
static const struct flag flags[] = {
    {"-e", NULL, YES, AT(error_is_failure), 0, 0},
    {"-x", NULL, YES, AT(last_from_input), 0, 0},
    {"-X", NULL, WORD, AT(input_tag), 0, 0},
    {"--quoted-input", NULL, YES, AT(quoted_input), 0, 0},
    {"--help", NULL, YES, AT(help), 0, 0},
    {"--version", "-v", YES, AT(version), 0, 0},
    {"-r", NULL, NUMBER, AT(repeat), -1, INT64_MAX},
    {"-i", NULL, SECONDS, 0, 0, 0},
    {"--pattern", NULL, WORD, AT(pattern), 0, 0},
    {"--type", NULL, WORD, AT(type), 0, 0},
    {"--count", NULL, NUMBER, AT(count), 1, INT32_MAX},
    {"--memkeys-samples", NULL, NUMBER, AT(memory_samples), 0, INT32_MAX},
    {"--pipe-timeout", NULL, NUMBER, AT(pipe_timeout_s), 0, INT32_MAX},
    {"--pipe", NULL, MODE, 0, SHELL_PIPE, 0},
    {"--scan", NULL, MODE, 0, SHELL_SCAN, 0},
    {"--bigkeys", NULL, MODE, 0, SHELL_BIG_KEYS, 0},
    {"--memkeys", NULL, MODE, 0, SHELL_MEMORY_KEYS, 0},
    {"--hotkeys", NULL, MODE, 0, SHELL_HOT_KEYS, 0},
    {"--stat", NULL, MODE, 0, SHELL_STAT, 0},
    {"--latency", NULL, MODE, 0, SHELL_LATENCY, 0},
    {"--latency-history", NULL, MODE, 0, SHELL_LATENCY_HISTORY, 0},
    {"--intrinsic-latency", NULL, SPECIAL, 'l', 0, 0},
    {"--raw", NULL, FORM, 0, FORMAT_RAW, 0},
    {"--no-raw", NULL, FORM, 0, FORMAT_STANDARD, 0},
    {"--csv", NULL, FORM, 0, FORMAT_CSV, 0},
    {"--json", NULL, FORM, 0, FORMAT_JSON, 0},
    {"--quoted-json", NULL, FORM, 0, FORMAT_JSON, 1},
    {"-2", NULL, SPECIAL, '2', 0, 0},
    {"-3", NULL, SPECIAL, '3', 0, 0},
    {"-d", NULL, SPECIAL, 'd', 0, 0},
    {"-D", NULL, SPECIAL, 'D', 0, 0},
    {"--show-pushes", NULL, SPECIAL, 's', 0, 0},
    {"--quoted-pattern", NULL, SPECIAL, 'q', 0, 0},
};

static const struct flag *find_flag(const char *word) {
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (strcmp(flags[i].name, word) == 0 || (flags[i].other && strcmp(flags[i].other, word) == 0))
            return &flags[i];
    return NULL;
}

static struct arena scraps; /* for a pattern in quotes: as long as the program lives */

static bool unquote(const char *flag, const char *value, const char **ret_text) {
    struct slice word;
    if (!scraps.memory)
        arena_init(&scraps, &memory_libc, 4096);
    if (line_words_unquote(slice_from_string(value), &scraps, &word) != STATUS_OK)
        return wrong("%s: '%s' is no word as it is written at the prompt", flag, value);
    char *text = arena_take(&scraps, word.size + 1);
    if (!text || memchr(word.data, 0, word.size))
        return wrong("%s: there can be no NUL in it", flag);
    memcpy(text, word.data, word.size);
    text[word.size] = 0;
    *ret_text = text;
    return true;
}

static bool set_mode(struct shell_options *options, const struct flag *flag, enum shell_mode mode) {
    if (options->mode != SHELL_COMMANDS && options->mode != mode)
        return wrong("%s does not go with another mode", flag->name);
    options->mode = mode;
    return true;
}

static bool set_seconds(struct shell_options *options, const struct flag *flag, const char *value) {
    double seconds;
    if (!decimal_parse(slice_from_string(value), &seconds) || !(seconds > 0 && seconds <= 86400))
        return wrong("%s takes seconds, as 0.5, not '%s'", flag->name, value);
    options->interval_s = seconds;
    return true;
}

static bool set_special(struct shell_options *options, const struct flag *flag, const char *value) {
    switch (flag->at) {
        case '2':
        case '3':
            options->server.place.protocol = (int)flag->at - '0';
            return true;
        case 'd':
            options->format.between = slice_from_string(value);
            return true;
        case 'D':
            options->format.behind = slice_from_string(value);
            return true;
        case 'l':
            return set_mode(options, flag, SHELL_INTRINSIC_LATENCY) && set_seconds(options, flag, value);
        case 'q':
            return unquote(flag->name, value, &options->pattern);
        default:
            if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
                return wrong("%s takes yes or no, not '%s'", flag->name, value);
            options->pushes = value[0] == 'y' ? SHELL_PUSHES_SHOWN : SHELL_PUSHES_HIDDEN;
            return true;
    }
}

static bool set_number(struct shell_options *options, const struct flag *flag, const char *value) {
    int64_t number;
    if (!number_parse_i64(slice_from_string(value), &number) || number < flag->least || number > flag->most)
        return wrong("%s takes a number from %lld on, not '%s'", flag->name, (long long)flag->least, value);
    *(int64_t *)(void *)((char *)options + flag->at) = number;
    return true;
}

static bool set(struct shell_options *options, const struct flag *flag, const char *value) {
    char *field = (char *)options + flag->at;
    switch (flag->kind) {
        case YES:
            *(bool *)(void *)field = true;
            return true;
        case WORD:
            *(const char **)(void *)field = value;
            return true;
        case NUMBER:
            return set_number(options, flag, value);
        case SECONDS:
            return set_seconds(options, flag, value);
        case MODE:
            return set_mode(options, flag, (enum shell_mode)flag->least);
        case FORM:
            options->format.kind = (enum format_kind)flag->least;
            options->format.ascii = flag->most == 1;
            options->format_given = true;
            return true;
        case SPECIAL:
            break;
    }
    return set_special(options, flag, value);
}

static bool takes_value(const struct flag *flag) {
    return flag->kind != YES && flag->kind != MODE && flag->kind != FORM &&
           !(flag->kind == SPECIAL && (flag->at == '2' || flag->at == '3'));
}

/* --NAME=VALUE and --NAME VALUE, -x VALUE. */
static bool read_flag(int argc, char **argv, int *at, struct shell_options *options) {
    char *word = argv[*at], *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    char name[32], problem[PLACE_FLAGS_PROBLEM_SIZE];
    enum place_flags_result of_place = place_flags_read(&options->server, argc, argv, at, problem);
    if (of_place != PLACE_FLAGS_OTHER)
        return of_place == PLACE_FLAGS_TAKEN || wrong("%s", problem);
    snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - word) : (int)strlen(word), word);
    const struct flag *flag = find_flag(name);
    if (!flag)
        return wrong("unknown flag '%s'", word);
    if (!takes_value(flag))
        return equals ? wrong("%s takes no value", name) : set(options, flag, NULL);
    if (!equals && *at + 1 >= argc)
        return wrong("%s takes a value", name);
    return set(options, flag, equals ? equals + 1 : argv[++*at]);
}

/* ------------------------------------------------------------------------------------------ together */

static bool is_complete(struct shell_options *options) {
    char problem[PLACE_FLAGS_PROBLEM_SIZE];
    if (options->mode != SHELL_COMMANDS && options->word_count > 0)
        return wrong("the command '%s' does not go with a mode", options->words[0]);
    if (options->last_from_input && options->input_tag)
        return wrong("-x or -X, not both");
    if ((options->last_from_input || options->input_tag) && options->word_count == 0)
        return wrong("-x and -X are for a command");
    if (!place_flags_check(&options->server, problem))
        return wrong("%s", problem);
    if (options->format.kind == FORMAT_JSON && options->server.place.protocol == 0)
        options->server.place.protocol = 3;
    return true;
}

bool shell_options_read(int argc, char **argv, struct shell_options *ret_options) {
    *ret_options = (struct shell_options){.count = -1, .memory_samples = -1, .pipe_timeout_s = 30};
    ret_options->format = (struct format){.between = SLICE("\n"), .behind = SLICE("\n")};
    place_flags_init(&ret_options->server);
    int at = 0;
    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++)
        if (!read_flag(argc, argv, &at, ret_options))
            return false;
    ret_options->words = argv + at;
    ret_options->word_count = argc - at;
    if (ret_options->help || ret_options->version)
        return true;
    ret_options->format.guarded = isatty(STDOUT_FILENO);
    if (!ret_options->format_given)
        ret_options->format.kind = ret_options->format.guarded ? FORMAT_STANDARD : FORMAT_RAW;
    return is_complete(ret_options);
}
