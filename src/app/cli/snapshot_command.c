/* app/cli/snapshot_command.c: `strata snapshot`: its flags. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/cli.h"
#include "app/cli/snapshot.h"
#include "base/bits.h"
#include "base/number.h"
#include "base/quantity.h"
#include "core/cache/cache.h"
#include "sys/os/clock.h"

enum { SHOW_EVERY_MS = 200, HELP_COLUMN = 27 };
enum form { FORM_SAVE = 1, FORM_EXPORT = 2, FORM_IMPORT = 4, FORM_ANY = 7 };

static void print_help(const struct snapshot_options *options) {
    printf(
        "usage: strata snapshot [save] [flags]\n"
        "       strata snapshot export [flags] FILE|-\n"
        "       strata snapshot import [flags] FILE|-\n\n"
        "'save' has a running server take a snapshot, shows how far it is, and waits for its end.\n"
        "'export' writes entries as lines of JSON, one entry a line: of a running server, or with --dir those that a\n"
        "directory keeps which no server uses (one that was stopped, or a backup; nothing is changed there).\n"
        "'import' writes such lines to a running server. '-' is standard output and input.\n\n"
        "A running server, for all three:\n");
    place_flags_print(&options->server, HELP_COLUMN);
    printf(
        "\n"
        "export:\n"
        "  --dir DIRECTORY          of a server that does not run, instead of a running one\n"
        "  --memory SIZE            memory to read it into (by the size of its files)\n"
        "  --match PATTERN          only keys like this, as with KEYS\n"
        "  --db N                   only of this database\n"
        "  --unsorted               as they come, at once; not in order of database and key, and perhaps twice while a "
        "server\n"
        "                           writes\n\n"
        "import:\n"
        "  --replace                over keys that are there\n"
        "  --skip                   beside keys that are there, which stay as they are\n"
        "  --db N                   only what is of this database\n"
        "  --check                  only says whether the lines are good; no server is asked\n"
        "Without --replace and --skip nothing may be there yet. A file is read through before anything is written: if "
        "a\n"
        "line is wrong, or a key is there, nothing is. Standard input is written as it comes, up to the wrong line.\n\n"
        "  --help                   print this\n\n"
        "The exit code is 0 if all was done, 1 if not (a wrong line, a key that is there, a server that refuses, a\n"
        "snapshot that failed), 2 if there is no server or file, or the flags are wrong. docs/export.md has "
        "examples.\n");
}

/* ------------------------------------------------------------------------------------------ flags */

static bool wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool wrong(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("strata snapshot: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n'strata snapshot --help' lists the flags\n", stderr);
    va_end(arguments);
    return false;
}

static bool set_number(struct snapshot_options *options, const char *flag, const char *value) {
    int64_t number;
    if (strcmp(flag, "--memory") == 0)
        return quantity_parse_bytes(slice_from_string(value), &options->limit_bytes) ||
               wrong("--memory is a size such as 2gb, not '%s'", value);
    if (!number_parse_i64(slice_from_string(value), &number) || number < 0 || number >= CACHE_DATABASES)
        return wrong("%s is a number from 0 to %d, not '%s'", flag, CACHE_DATABASES - 1, value);
    options->db = (int)number;
    return true;
}

struct flag {
    const char *name;
    unsigned forms;
    size_t at;       /* in the options; FLAG_NUMBER: set_number knows */
    bool takes_word; /* else it is a yes */
};

enum { FLAG_NUMBER = 1 << 20 };
#define WORD(name, forms, field) \
    { name, forms, offsetof(struct snapshot_options, field), true }
#define YES(name, forms, field) \
    { name, forms, offsetof(struct snapshot_options, field), false }
static const struct flag flags[] = {
    WORD("--dir", FORM_EXPORT, dir),          {"--memory", FORM_EXPORT, FLAG_NUMBER, true},
    WORD("--match", FORM_EXPORT, match),      {"--db", FORM_EXPORT | FORM_IMPORT, FLAG_NUMBER, true},
    YES("--unsorted", FORM_EXPORT, unsorted), YES("--replace", FORM_IMPORT, replace),
    YES("--skip", FORM_IMPORT, skip),         YES("--check", FORM_IMPORT, check),
};

static const struct flag *find_flag(const char *word, size_t size) {
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (strlen(flags[i].name) == size && strncmp(flags[i].name, word, size) == 0)
            return &flags[i];
    return NULL;
}

/* One flag, at `*at`, with its value there or in the next word. */
static bool read_flag(int argc, char **argv, int *at, unsigned form, struct snapshot_options *options) {
    const char *word = argv[*at], *equals = strchr(word, '=');
    const struct flag *flag = find_flag(word, equals ? (size_t)(equals - word) : strlen(word));
    char problem[PLACE_FLAGS_PROBLEM_SIZE];
    if (!flag) {
        enum place_flags_result of_place = place_flags_read(&options->server, argc, argv, at, problem);
        if (of_place == PLACE_FLAGS_OTHER)
            return wrong("unknown flag '%s'", word);
        return of_place == PLACE_FLAGS_TAKEN || wrong("%s", problem);
    }
    if (!(flag->forms & form))
        return wrong("%s is not for this form of the command", flag->name);
    if (!flag->takes_word) {
        if (equals)
            return wrong("%s takes no value", flag->name);
        *(bool *)(void *)((char *)options + flag->at) = true;
        return true;
    }
    if (!equals && *at + 1 >= argc)
        return wrong("%s takes a value", flag->name);
    const char *value = equals ? equals + 1 : argv[++*at];
    if (flag->at == FLAG_NUMBER)
        return set_number(options, flag->name, value);
    *(const char **)(void *)((char *)options + flag->at) = value;
    return true;
}

static bool is_complete(const struct snapshot_options *options, unsigned form) {
    const struct server_place *place = &options->server.place;
    bool named = place->host || place->port || place->socket;
    char problem[PLACE_FLAGS_PROBLEM_SIZE];
    if (form != FORM_SAVE && !options->file)
        return wrong("which file? '-' is standard %s", form == FORM_EXPORT ? "output" : "input");
    if (options->dir && named)
        return wrong("--dir or a running server, not both");
    if (options->limit_bytes && !options->dir)
        return wrong("--memory is for --dir");
    if (options->replace && options->skip)
        return wrong("--replace or --skip, not both");
    return place_flags_check(&options->server, problem) || wrong("%s", problem);
}

static bool read_options(int argc, char **argv, unsigned form, struct snapshot_options *ret_options) {
    *ret_options = (struct snapshot_options){.db = SNAPSHOT_EVERY_DB};
    place_flags_init(&ret_options->server);
    ret_options->server.taken = "h"; /* -h is help */
    ret_options->server.without_db = true;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            ret_options->help = true;
            return true;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            if (!read_flag(argc, argv, &i, form, ret_options))
                return false;
        } else if (form == FORM_SAVE) {
            return wrong("'%s' is neither save, export nor import", argv[i]);
        } else if (ret_options->file) {
            return wrong("one file at a time, but it was given '%s' too", argv[i]);
        } else {
            ret_options->file = argv[i];
        }
    }
    return is_complete(ret_options, form);
}

int cli_snapshot(int argc, char **argv) {
    static const struct {
        const char *name;
        enum form form;
        int (*run)(const struct snapshot_options *options);
    } forms[] = {{"save", FORM_SAVE, snapshot_save},
                 {"export", FORM_EXPORT, snapshot_export},
                 {"import", FORM_IMPORT, snapshot_import}};
    static struct snapshot_options options; /* holds the password: not on the stack */
    size_t which = 0;
    bool named = false;
    for (size_t i = 0; i < COUNT_OF(forms) && argc > 0 && !named; i++) {
        named = strcmp(argv[0], forms[i].name) == 0;
        which = named ? i : 0;
    }
    if (!read_options(argc - named, argv + named, forms[which].form, &options))
        return SNAPSHOT_UNREADABLE;
    if (options.help) {
        print_help(&options);
        return SNAPSHOT_GOOD;
    }
    bool asks_server = !options.dir && !options.check;
    if (asks_server && !place_flags_ask(&options.server))
        return SNAPSHOT_UNREADABLE;
    return forms[which].run(&options);
}

/* ------------------------------------------------------------------------------------------ progress */

void snapshot_progress_init(struct snapshot_progress *progress) {
    *progress = (struct snapshot_progress){.is_terminal = isatty(STDERR_FILENO)};
}

void snapshot_show(struct snapshot_progress *progress, bool ends, const char *format, ...) {
    va_list arguments;
    uint64_t now_ms = clock_steady_ms();
    if (!ends && (!progress->is_terminal || now_ms - progress->shown_ms < SHOW_EVERY_MS))
        return;
    progress->shown_ms = now_ms;
    if (progress->is_terminal)
        fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (ends)
        fputc('\n', stderr);
    fflush(stderr);
}
