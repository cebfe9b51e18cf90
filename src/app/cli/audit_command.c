/* app/cli/audit_command.c: `strata audit`, and `strata audit verify`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/audit_files.h"
#include "app/cli/audit_show.h"
#include "app/cli/cli.h"
#include "base/json_text.h"
#include "base/number.h"
#include "core/audit/verify.h"
#include "sys/audit/audit_key.h"

enum { EXIT_GOOD = 0, EXIT_TAMPERED = 1, EXIT_UNREADABLE = 2, KEYS_MAX = AUDIT_HASHES_MAX - 1 };

struct options {
    struct audit_key keys[KEYS_MAX];
    uint32_t key_count;
    const char *expected;
    uint64_t lines_min;
    bool json;
    char **paths;
    uint32_t path_count;
};

struct printing {
    struct audit_verifier verifier;
    const struct options *options;
    struct buf json;
    enum status status;
};

static void print_help(void) {
    printf(
        "usage: strata audit verify [flags] DIRECTORY | FILE...\n"
        "       strata audit show [flags] DIRECTORY | FILE...\n\n"
        "verify says whether an audit log is as it was written: which lines or files were changed, taken away, "
        "doubled, exchanged\n"
        "or written in between.\n\n"
        "  --key-file FILE\n      The key of audit-key-file; several times if it has changed. Without it, who can "
        "write the files can write the log anew.\n"
        "  --expect-last HASH\n      The hash of a line, noted elsewhere (INFO audit, the anchors in the server's "
        "log), has to be there: shows that the\n"
        "      end was cut off, or everything replaced.\n"
        "  --expect-lines N\n      So many lines have to be there.\n"
        "  --json\n      Print one object of JSON.\n\n"
        "show prints events, from all files in their order.\n\n"
        "  --user NAME\n  --class NAME\n  --result ok|denied|failed\n  --action NAME\n      Only such. An action is a "
        "command, subcommands included: CONFIG, or 'CONFIG SET'.\n"
        "  --since TIME\n  --until TIME\n      UTC, as much of it as you like: 2026-01-31, 2026-01-31T12:00.\n"
        "  --json\n      Print the lines as they stand.\n\n"
        "The exit code is 0 if the log is good, 1 if it is not, 2 if it cannot be read, or not be checked without its "
        "key.\n");
}

/* ----------------------------------------------------------------- findings */

static void print_finding(void *context, const struct audit_finding *finding) {
    struct printing *printing = context;
    const bool tampered = finding->kind < AUDIT_NOTES;
    if (!printing->options->json) {
        if (finding->line)
            printf("%s: %s line %llu: %s\n", tampered ? "TAMPERED" : "note", finding->file,
                   (unsigned long long)finding->line, finding->text);
        else
            printf("%s: %s: %s\n", tampered ? "TAMPERED" : "note", finding->file, finding->text);
        return;
    }
    struct buf *json = &printing->json;
    if (printing->status == STATUS_OK)
        printing->status = buf_printf(
            json, "%s{\"finding\":\"%s\",\"tampered\":%s,\"line\":%llu,\"file\":", json->size ? "," : "",
            audit_finding_name(finding->kind), tampered ? "true" : "false", (unsigned long long)finding->line);
    if (printing->status == STATUS_OK)
        printing->status = json_text_write(json, slice_from_string(finding->file));
    if (printing->status == STATUS_OK)
        printing->status = buf_append_slice(json, SLICE(",\"text\":"));
    if (printing->status == STATUS_OK)
        printing->status = json_text_write(json, slice_from_string(finding->text));
    if (printing->status == STATUS_OK)
        printing->status = buf_append_slice(json, SLICE("}"));
}

static void visit_line(void *context, struct slice line, bool ended) {
    struct printing *printing = context;
    audit_verify_line(&printing->verifier, line, ended);
}

static void print_result(const struct printing *printing, int code) {
    const struct audit_verifier *verifier = &printing->verifier;
    const unsigned long long files = (unsigned long long)verifier->files, lines = (unsigned long long)verifier->lines;
    if (printing->options->json) {
        printf(
            "{\"good\":%s,\"files\":%llu,\"lines\":%llu,\"events\":%llu,\"lost\":%llu,\"unchecked\":%llu,\"last_hash\":"
            "\"%.*s\",\"findings\":[%.*s]}\n",
            code == EXIT_GOOD ? "true" : "false", files, lines, (unsigned long long)verifier->events,
            (unsigned long long)verifier->lost, (unsigned long long)verifier->unchecked,
            verifier->has_prev ? AUDIT_HASH_SIZE : 0, verifier->prev, (int)printing->json.size,
            printing->json.size ? (const char *)printing->json.data : "");
        return;
    }
    if (code == EXIT_TAMPERED)
        printf("TAMPERED: %llu findings in %llu lines of %llu files\n", (unsigned long long)verifier->tampered, lines,
               files);
    else if (code == EXIT_UNREADABLE)
        printf(
            "not checked: %llu of %llu lines are hashed with a key that was not given (--key-file); their order is "
            "good\n",
            (unsigned long long)verifier->unchecked, lines);
    else
        printf("good: %llu lines in %llu files, %llu events; the last line's hash is %.*s\n", lines, files,
               (unsigned long long)verifier->events, verifier->has_prev ? AUDIT_HASH_SIZE : 0, verifier->prev);
}

static int look(const struct options *options, const struct audit_files *files, struct printing *printing) {
    struct audit_hash hashes[AUDIT_HASHES_MAX];
    struct audit_key none;
    audit_key_none(&none);
    hashes[0] = none.hash;
    for (uint32_t i = 0; i < options->key_count; i++)
        hashes[i + 1] = options->keys[i].hash;
    audit_verify_begin(&printing->verifier,
                       &(struct audit_wish){.hashes = hashes,
                                            .hash_count = 1 + options->key_count,
                                            .expected = slice_from_string(options->expected ? options->expected : ""),
                                            .lines_min = options->lines_min,
                                            .whole = files->whole,
                                            .tell = print_finding,
                                            .context = printing});
    for (uint32_t i = 0; i < files->count; i++) {
        audit_verify_file(&printing->verifier, files->list[i].path, files->list[i].number);
        if (!audit_files_read(&files->list[i], "verify", visit_line, printing))
            return EXIT_UNREADABLE;
    }
    audit_verify_end(&printing->verifier);
    const int code = printing->verifier.tampered    ? EXIT_TAMPERED
                     : printing->verifier.unchecked ? EXIT_UNREADABLE
                                                    : EXIT_GOOD;
    print_result(printing, printing->status == STATUS_OK ? code : EXIT_UNREADABLE);
    return printing->status == STATUS_OK ? code : EXIT_UNREADABLE;
}

/* ------------------------------------------------------------------ options */

static bool complain(const char *what, const char *word) {
    fprintf(stderr, "strata audit verify: %s'%s': 'strata audit --help' says more\n", what, word);
    return false;
}

static bool add_key(struct options *options, const char *path) {
    char reason[AUDIT_KEY_REASON_SIZE];
    if (options->key_count == KEYS_MAX)
        return complain("too many keys: ", path);
    if (audit_key_load(&options->keys[options->key_count], path, reason) == STATUS_OK) {
        options->key_count++;
        return true;
    }
    fprintf(stderr, "strata audit verify: --key-file: %s\n", reason);
    return false;
}

/* False: told what is wrong. */
static bool read_options(int argc, char **argv, struct options *options) {
    for (int i = 0; i < argc; i++) {
        char *word = argv[i];
        const bool takes = cli_flag_is(word, "--key-file") || cli_flag_is(word, "--expect-last") ||
                           cli_flag_is(word, "--expect-lines");
        const char *value = takes ? cli_flag_value(argc, argv, &i) : NULL;
        if (takes && !value)
            return complain("a value is missing behind ", word);
        if (strcmp(word, "--json") == 0) {
            options->json = true;
        } else if (cli_flag_is(word, "--key-file")) {
            if (!add_key(options, value))
                return false;
        } else if (cli_flag_is(word, "--expect-last")) {
            options->expected = value;
            if (strlen(value) != AUDIT_HASH_SIZE)
                return complain("a hash has 64 digits, not as in ", value);
        } else if (cli_flag_is(word, "--expect-lines")) {
            if (!number_parse_u64(slice_from_string(value), &options->lines_min))
                return complain("no number: ", value);
        } else if (word[0] == '-') {
            return complain("unknown flag ", word);
        } else {
            options->paths[options->path_count++] = word;
        }
    }
    if (!options->path_count)
        fprintf(stderr, "strata audit verify: which directory? 'strata audit verify DIRECTORY'\n");
    return options->path_count > 0;
}

static int verify(int argc, char **argv) {
    static struct options options;
    static struct printing printing;
    struct audit_files files = {0};
    options.paths = argv; /* what was read of them makes room for those that are kept */
    printing.options = &options;
    buf_init(&printing.json, &memory_libc);
    int code = EXIT_UNREADABLE;
    if (read_options(argc, argv, &options) && audit_files_find(&files, options.paths, options.path_count, "verify"))
        code = look(&options, &files, &printing);
    audit_files_fini(&files);
    buf_fini(&printing.json);
    for (uint32_t i = 0; i < options.key_count; i++)
        audit_key_clear(&options.keys[i]);
    return fflush(stdout) == 0 ? code : EXIT_UNREADABLE;
}

int cli_audit(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return EXIT_GOOD;
        }
    }
    if (argc && strcmp(argv[0], "verify") == 0)
        return verify(argc - 1, argv + 1);
    if (argc && strcmp(argv[0], "show") == 0)
        return audit_show(argc - 1, argv + 1);
    fprintf(stderr, "strata audit: verify or show? 'strata audit --help' says more\n");
    return EXIT_UNREADABLE;
}
