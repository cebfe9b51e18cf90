/* app/cli/check_command.c: `strata check`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/cli/cli.h"
#include "app/rules/manifest_diagnose.h"
#include "app/rules/manifest_file.h"

enum { EXIT_GOOD = 0, EXIT_WRONG = 1, EXIT_UNREADABLE = 2 };

struct options {
    const char *path;
    enum diagnostics_form form;
    bool strict, help;
};

static void print_help(void) {
    printf(
        "usage: strata check [--strict] [--format text|json] MANIFEST\n\n"
        "Says what is wrong with a manifest, with file, line and what to do. '-' reads it from standard input.\n\n"
        "  --strict\n      Warnings count as errors.\n"
        "  --format text|json\n      As a compiler writes it (default), or one JSON object for editors and scripts.\n"
        "  --help\n      Print this.\n\n"
        "The exit code is 0 if the manifest is good, 1 if there are errors, 2 if it cannot be read.\n"
        "docs/manifest.md says what may stand in a manifest.\n");
}

/* False: told what is wrong. */
static bool read_options(int argc, char **argv, struct options *ret_options) {
    *ret_options = (struct options){.form = DIAGNOSTICS_TEXT};
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            ret_options->help = true;
        } else if (strcmp(word, "--strict") == 0) {
            ret_options->strict = true;
        } else if (strncmp(word, "--format", 8) == 0 && (word[8] == '=' || word[8] == 0)) {
            const char *form = word[8] ? word + 9 : i + 1 < argc ? argv[++i] : "";
            if (strcmp(form, "text") != 0 && strcmp(form, "json") != 0) {
                fprintf(stderr, "strata check: --format is text or json, not '%s'\n", form);
                return false;
            }
            ret_options->form = strcmp(form, "json") == 0 ? DIAGNOSTICS_JSON : DIAGNOSTICS_TEXT;
        } else if (word[0] == '-' && word[1]) {
            fprintf(stderr, "strata check: unknown flag '%s': 'strata check --help' lists them\n", word);
            return false;
        } else if (ret_options->path) {
            fprintf(stderr, "strata check: one manifest at a time, but was given '%s' too\n", word);
            return false;
        } else {
            ret_options->path = word;
        }
    }
    if (!ret_options->path && !ret_options->help)
        fprintf(stderr, "strata check: which manifest? 'strata check manifest.yaml'\n");
    return ret_options->path || ret_options->help;
}

static void print_good(const struct rules *rules, const char *name, uint32_t warnings) {
    uint32_t classes = rules_class_count(rules), edges = rules_edge_count(rules), events = rules_event_count(rules);
    printf("%s: good: %u class%s, %u edge%s, %u event%s", name, classes, classes == 1 ? "" : "es", edges,
           edges == 1 ? "" : "s", events, events == 1 ? "" : "s");
    if (warnings)
        printf(", %u warning%s", warnings, warnings == 1 ? "" : "s");
    putchar('\n');
}

static int check(const struct options *options, struct slice text, const char *name) {
    struct manifest_counts counts;
    struct rules *rules = NULL;
    struct buf out;
    buf_init(&out, &memory_libc);
    enum status status = manifest_diagnose(text, name, options->form, &out, &rules, &counts);
    int code = EXIT_UNREADABLE;
    if (status == STATUS_OK || status == STATUS_INVALID) {
        bool bad = status == STATUS_INVALID || (options->strict && counts.warnings);
        code = bad ? EXIT_WRONG : EXIT_GOOD;
        fwrite(out.data, 1, out.size, stdout);
        if (options->form == DIAGNOSTICS_TEXT && bad)
            printf("%s: %u error%s, %u warning%s\n", name, counts.errors, counts.errors == 1 ? "" : "s",
                   counts.warnings, counts.warnings == 1 ? "" : "s");
        else if (options->form == DIAGNOSTICS_TEXT)
            print_good(rules, name, counts.warnings);
    } else {
        fprintf(stderr, "strata check: %s: %s\n", name, status_text(status));
    }
    rules_free(rules);
    buf_fini(&out);
    return code;
}

int cli_check(int argc, char **argv) {
    struct options options;
    struct buf text;
    if (!read_options(argc, argv, &options))
        return EXIT_UNREADABLE;
    if (options.help) {
        print_help();
        return EXIT_GOOD;
    }
    buf_init(&text, &memory_libc);
    const char *name = strcmp(options.path, "-") == 0 ? "stdin" : options.path;
    int code = EXIT_UNREADABLE;
    if (manifest_file_read(options.path, &text))
        code = check(&options, buf_slice(&text), name);
    else
        fprintf(stderr, "strata check: %s: %s\n", name, strerror(errno));
    buf_fini(&text);
    if (fflush(stdout) != 0)
        code = EXIT_UNREADABLE;
    return code;
}
