/* app/cli/graph_command.c: `strata graph`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/cli/cli.h"
#include "app/rules/diagnostics.h"
#include "app/rules/graph.h"
#include "app/rules/manifest_file.h"
#include "app/rules/manifest_yaml.h"
#include "base/bits.h"

enum { EXIT_GOOD = 0, EXIT_WRONG = 1, EXIT_UNREADABLE = 2 };

static void print_help(void) {
    printf(
        "usage: strata graph [--format text|svg|dot] MANIFEST\n\n"
        "Draws what invalidates what. '-' reads the manifest from standard input.\n\n"
        "  --format text|svg|dot\n      For terminals (default), as a picture, or for programs that lay out graphs.\n"
        "  --help\n      Print this.\n\n"
        "A manifest with errors is not drawn: 'strata check' says what is wrong. The exit code is then 1, and 2 if it "
        "cannot be read.\n");
}

static int draw(struct slice text, const char *name, enum graph_form form) {
    struct diagnostics diagnostics;
    struct rules *rules = NULL;
    struct buf out;
    diagnostics_init(&diagnostics, &memory_libc);
    buf_init(&out, &memory_libc);
    struct manifest_sink sink = diagnostics_sink(&diagnostics);
    enum status status = manifest_compile(text, &memory_libc, &sink, &rules);
    int code = status == STATUS_OK ? EXIT_GOOD : status == STATUS_INVALID ? EXIT_WRONG : EXIT_UNREADABLE;
    if (status == STATUS_OK && graph_write(rules, form, &memory_libc, &out) != STATUS_OK)
        code = EXIT_UNREADABLE;
    if (code == EXIT_GOOD)
        fwrite(out.data, 1, out.size, stdout);
    else if (code == EXIT_WRONG)
        fprintf(stderr, "strata graph: %s has %u error%s: 'strata check' tells of them\n", name, diagnostics.errors,
                diagnostics.errors == 1 ? "" : "s");
    else
        fprintf(stderr, "strata graph: %s: %s\n", name, status_text(STATUS_NO_MEMORY));
    rules_free(rules);
    buf_fini(&out);
    diagnostics_fini(&diagnostics);
    return code;
}

/* The number of the form, or -1: told what is wrong. */
static int read_form(const char *word) {
    static const char *const forms[] = {"text", "svg", "dot"};
    for (int i = 0; i < (int)COUNT_OF(forms); i++)
        if (strcmp(word, forms[i]) == 0)
            return i;
    fprintf(stderr, "strata graph: --format is text, svg or dot, not '%s'\n", word);
    return -1;
}

int cli_graph(int argc, char **argv) {
    const char *path = NULL;
    int form = GRAPH_TEXT;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help();
            return EXIT_GOOD;
        }
        if (strncmp(word, "--format", 8) == 0 && (word[8] == '=' || word[8] == 0)) {
            form = read_form(word[8] ? word + 9 : i + 1 < argc ? argv[++i] : "");
            if (form < 0)
                return EXIT_UNREADABLE;
        } else if ((word[0] == '-' && word[1]) || path) {
            fprintf(stderr, "strata graph: '%s' is too much: 'strata graph --help'\n", word);
            return EXIT_UNREADABLE;
        } else {
            path = word;
        }
    }
    if (!path) {
        fprintf(stderr, "strata graph: which manifest? 'strata graph manifest.yaml'\n");
        return EXIT_UNREADABLE;
    }
    struct buf text;
    buf_init(&text, &memory_libc);
    const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
    int code = EXIT_UNREADABLE;
    if (manifest_file_read(path, &text))
        code = draw(buf_slice(&text), name, (enum graph_form)form);
    else
        fprintf(stderr, "strata graph: %s: %s\n", name, strerror(errno));
    buf_fini(&text);
    return fflush(stdout) == 0 ? code : EXIT_UNREADABLE;
}
