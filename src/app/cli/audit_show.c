#include "app/cli/audit_show.h"

#include <stdio.h>
#include <string.h>

#include "app/cli/audit_files.h"
#include "app/cli/cli.h"
#include "base/bits.h"
#include "base/json_text.h"
#include "base/terminal_text.h"
#include "core/audit/line.h"
#include "core/audit/record.h"

enum { EXIT_GOOD = 0, EXIT_UNREADABLE = 2 };

struct show {
    const char *user, *class, *action, *since, *until, *result;
    bool json;
    struct buf user_text; /* as it stands in a line */
};

/* The field as it stands there; empty: there is none. */
static struct slice field(struct slice line, const char *name) {
    struct slice value = SLICE("");
    return audit_line_field(line, name, &value) ? value : SLICE("");
}

static bool is(struct slice line, const char *name, const char *wanted) {
    return !wanted || slice_equal_nocase(field(line, name), slice_from_string(wanted));
}

/* "CONFIG" is "CONFIG SET" as well. */
static bool is_action(struct slice line, const char *wanted) {
    if (!wanted)
        return true;
    const struct slice action = field(line, "action"), name = slice_from_string(wanted);
    return slice_equal_nocase(slice_part(action, 0, name.size), name) &&
           (action.size == name.size || action.data[name.size] == ' ');
}

/* Times compare as texts, as far as they are given. */
static bool is_between(struct slice line, const char *since, const char *until) {
    const struct slice time = field(line, "time"), from = slice_from_string(since ? since : ""),
                       to = slice_from_string(until ? until : "");
    return slice_compare(slice_part(time, 0, from.size), from) >= 0 &&
           (!until || slice_compare(slice_part(time, 0, to.size), to) <= 0);
}

static bool is_user(const struct show *show, struct slice line) {
    return !show->user || slice_equal(field(line, "user"), buf_slice(&show->user_text));
}

/* Whoever may try to log in chooses what stands in these lines, and the files may be anybody's: nothing of it does anything in a terminal. A space in a
 * `word` is written, so that none of them looks like several. */
static void print_text(const char *before, struct slice text, bool word) {
    struct buf shown;
    buf_init(&shown, &memory_libc);
    fputs(before, stdout);
    if (terminal_text_write(&shown, text, false) != STATUS_OK)
        buf_clear(&shown);
    for (size_t i = 0; i < shown.size; i++)
        if (word && shown.data[i] == ' ')
            fputs("\\x20", stdout);
        else
            putchar(shown.data[i]);
    buf_fini(&shown);
}

/* In a column of so many characters; of what the server itself writes. */
static void print_cell(const char *before, struct slice text, int width) {
    char shown[32];
    terminal_text_copy(text, shown, sizeof shown);
    printf("%s%-*s", before, width, shown);
}

static void print_name(void *context, struct slice text) {
    (void)context;
    print_text(" ", text, true);
}

static void print_line(struct slice line) {
    const struct slice time = field(line, "time"), kind = field(line, "kind"), user = field(line, "user"),
                       client = field(line, "client"), names = field(line, "names"), error = field(line, "error");
    const bool event = slice_equal(kind, SLICE("event"));
    const struct slice class = event ? field(line, "class") : kind, action = field(line, "action"),
                       result = field(line, "result");
    print_cell("", time, 0);
    print_cell("  ", class, 14);
    print_cell(" ", result, 6);
    if (user.size || client.size) {
        print_text("  ", user, true);
        print_text("@", client, true);
        putchar(' ');
    }
    if (action.size)
        print_text(" ", action, false);
    if (names.size)
        audit_line_each(names, print_name, NULL);
    const struct slice set = field(line, "set"), lost = field(line, "lost"), left = field(line, "left_out");
    if (set.size)
        print_text(" ", set, false);
    if (lost.size) {
        print_text(" ", lost, false);
        fputs(" events", stdout);
    }
    if (left.size) {
        print_text(" ", left, false);
        fputs(" more", stdout);
    }
    if (error.size) {
        print_text("  (", error, false);
        putchar(')');
    }
    putchar('\n');
}

static void visit(void *context, struct slice bytes, bool ended) {
    const struct show *show = context;
    struct audit_line line;
    (void)ended;
    if (!audit_line_read(bytes, &line))
        return;
    const bool filtered = show->user || show->class || show->action || show->result;
    const bool own = !slice_equal(line.kind, SLICE("event")) && !slice_equal(line.kind, SLICE("settings")) &&
                     !slice_equal(line.kind, SLICE("lost"));
    if ((own && (filtered || !show->json)) || !is_user(show, bytes) || !is(bytes, "class", show->class) ||
        !is(bytes, "result", show->result) || !is_action(bytes, show->action) ||
        !is_between(bytes, show->since, show->until))
        return;
    if (show->json)
        printf("%.*s\n", (int)bytes.size, (const char *)bytes.data);
    else
        print_line(bytes);
}

static bool complain(const char *what, const char *word) {
    fprintf(stderr, "strata audit show: %s '%s': 'strata audit --help' says more\n", what, word);
    return false;
}

/* The beginning of a time as lines have it, as much of it as there is. */
static bool is_time(const char *text) {
    static const char form[] = "0000-00-00T00:00:00.000000Z";
    for (size_t i = 0; text[i]; i++)
        if (i + 1 >= sizeof form || (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]))
            return false;
    return true;
}

/* What no line can have would look as if nothing had happened. False: told what is wrong. */
static bool is_sensible(const struct show *show) {
    const char *times[] = {show->since, show->until};
    bool found = !show->result;
    for (uint32_t i = 0; i < AUDIT_RESULTS && !found; i++)
        found = slice_equal_nocase(slice_from_string(show->result), slice_from_string(audit_result_name(i)));
    if (!found)
        return complain("--result is ok, denied or failed, not", show->result);
    if (show->class && audit_class_find(slice_from_string(show->class)) == AUDIT_CLASSES)
        return complain("there is no class", show->class);
    for (size_t i = 0; i < COUNT_OF(times); i++)
        if (times[i] && !is_time(times[i]))
            return complain("a time is as much as you like of 2026-01-31T12:00:00, in UTC, and not", times[i]);
    return true;
}

/* What is left of argv are the paths. False: told what is wrong. */
static bool read_options(int argc, char **argv, struct show *show, uint32_t *ret_paths) {
    const struct {
        const char *name, **value;
    } flags[] = {{"--user", &show->user},   {"--class", &show->class}, {"--action", &show->action},
                 {"--since", &show->since}, {"--until", &show->until}, {"--result", &show->result}};
    uint32_t paths = 0;
    for (int i = 0; i < argc; i++) {
        size_t flag = 0;
        char *word = argv[i];
        while (flag < COUNT_OF(flags) && !cli_flag_is(word, flags[flag].name))
            flag++;
        if (flag < COUNT_OF(flags)) {
            *flags[flag].value = cli_flag_value(argc, argv, &i);
            if (!*flags[flag].value)
                return complain("a value is missing behind", word);
        } else if (strcmp(word, "--json") == 0) {
            show->json = true;
        } else if (word[0] == '-') {
            return complain("unknown flag", word);
        } else {
            argv[paths++] = argv[i];
        }
    }
    if (!paths)
        fprintf(stderr, "strata audit show: which directory? 'strata audit show DIRECTORY'\n");
    *ret_paths = paths;
    return paths > 0 && is_sensible(show);
}

/* Without its quotes. */
static bool make_user(struct show *show) {
    if (!show->user)
        return true;
    if (json_text_write(&show->user_text, slice_from_string(show->user)) != STATUS_OK)
        return false;
    if (show->user_text.data[0] == '"') {
        show->user_text.size--;
        buf_consume(&show->user_text, 1);
    }
    return true;
}

int audit_show(int argc, char **argv) {
    struct show show = {0};
    struct audit_files files = {0};
    uint32_t paths;
    int code = EXIT_UNREADABLE;
    buf_init(&show.user_text, &memory_libc);
    if (read_options(argc, argv, &show, &paths) && make_user(&show) && audit_files_find(&files, argv, paths, "show")) {
        code = EXIT_GOOD;
        for (uint32_t i = 0; i < files.count; i++)
            if (!audit_files_read(&files.list[i], "show", visit, &show))
                code = EXIT_UNREADABLE;
    }
    audit_files_fini(&files);
    buf_fini(&show.user_text);
    return fflush(stdout) == 0 ? code : EXIT_UNREADABLE;
}
