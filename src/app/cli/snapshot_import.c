/* app/cli/snapshot_import.c: `strata snapshot import`: lines become writes of a running server.
 *
 *     a file           read through: is each line good, is no key there? ── from its beginning: batches of SET ── counted
 *     anything else                                                         the same, up to the first wrong line
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/cli/snapshot.h"
#include "app/lines/entry_line.h"
#include "app/lines/line_read.h"
#include "base/number.h"
#include "base/terminal_text.h"
#include "sys/os/clock.h"

enum {
    BATCH = 128,
    BATCH_BYTES = 1 << 20,
    WORDS_MAX = 10 + CACHE_TAGS_MAX,
    NUMBER_SIZE = 24,
    NO_DB = -1,
    ERROR_MAX = 300
};

/* A request under way. */
struct asked {
    uint64_t line; /* 0: it is about no entry */
};

struct importing {
    const struct snapshot_options *options;
    const char *name;
    FILE *in;
    struct line_read lines;
    struct entry_line_reader reader;
    struct entry_line entry;
    struct server_link link;
    struct asked asked[2 * BATCH];
    uint32_t asked_count;
    int db;       /* of the connection */
    bool looking; /* through the file first: nothing is written */
    uint64_t read, imported, skipped, expired;
    struct snapshot_progress progress;
};

static bool fail(const struct importing *importing, uint64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(const struct importing *importing, uint64_t line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, importing->progress.is_terminal ? "\r\033[Kstrata snapshot: %s" : "strata snapshot: %s",
            importing->name);
    if (line)
        fprintf(stderr, ":%" PRIu64, line);
    fputs(": ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ replies */

/* What is wrong with it, or NULL. */
static const char *why_wrong(const struct importing *importing, uint64_t line, const struct resp_value *reply) {
    if (resp_type_is_error(reply->type))
        return "the server answers: ";
    if (line && importing->looking && reply->integer)
        return "this key is there already, so nothing was imported: say --replace or --skip";
    if (line && reply->type == RESP_NULL && !importing->options->skip)
        return "this key is there already: say --replace or --skip";
    return NULL;
}

static void count(struct importing *importing, uint64_t line, const struct resp_value *reply) {
    if (line && !importing->looking)
        *(reply->type == RESP_NULL ? &importing->skipped : &importing->imported) += 1;
}

/* All replies are read, so that what was imported is counted although one is wrong. */
static const char *told(const struct resp_value *error) {
    static char text[ERROR_MAX];
    terminal_text_copy(error->text, text, sizeof text);
    return text;
}

static bool send_batch(struct importing *importing) {
    struct server_link *link = &importing->link;
    bool good = true;
    if (!server_link_send(link))
        return fail(importing, 0, "%s", link->problem);
    for (uint32_t i = 0; i < importing->asked_count; i++) {
        struct resp_value reply;
        if (!server_link_read(link, &reply))
            return fail(importing, 0, "%s", link->problem);
        uint64_t line = importing->asked[i].line;
        const char *why = why_wrong(importing, line, &reply);
        bool tells = resp_type_is_error(reply.type);
        if (!why)
            count(importing, line, &reply);
        else if (good)
            good = fail(importing, line, "%s%s", why, tells ? told(&reply) : "");
    }
    importing->asked_count = 0;
    snapshot_show(&importing->progress, false,
                  importing->looking ? "%" PRIu64 " lines looked at" : "%" PRIu64 " entries",
                  importing->looking ? importing->read : importing->imported);
    return good;
}

static bool add(struct importing *importing, const struct slice *words, size_t count, uint64_t line) {
    if (!server_link_add(&importing->link, words, count))
        return fail(importing, line, "%s", importing->link.problem);
    importing->asked[importing->asked_count++].line = line;
    return true;
}

/* ------------------------------------------------------------------------------------------ requests */

static struct slice digits(char text[NUMBER_SIZE], uint64_t number) {
    return slice_make(text, (size_t)snprintf(text, NUMBER_SIZE, "%" PRIu64, number));
}

static bool add_set(struct importing *importing, uint64_t line) {
    const struct entry_line *entry = &importing->entry;
    char expiry[NUMBER_SIZE], version[NUMBER_SIZE], tags[NUMBER_SIZE];
    struct slice words[WORDS_MAX] = {SLICE("SET"), entry->key, entry->value};
    size_t count = 3;
    if (!importing->options->replace)
        words[count++] = SLICE("NX");
    if (entry->expires_at_ms) {
        words[count++] = SLICE("PXAT");
        words[count++] = digits(expiry, entry->expires_at_ms);
    }
    if (entry->version) {
        words[count++] = SLICE("VERSION");
        words[count++] = digits(version, entry->version);
    }
    if (entry->tag_count) {
        words[count++] = SLICE("TAGS");
        words[count++] = digits(tags, entry->tag_count);
        for (uint32_t i = 0; i < entry->tag_count; i++)
            words[count++] = entry->tags[i];
    }
    return add(importing, words, count, line);
}

static bool add_entry(struct importing *importing, uint64_t line) {
    const struct entry_line *entry = &importing->entry;
    char text[NUMBER_SIZE];
    const struct slice select[] = {SLICE("SELECT"), digits(text, entry->db)}, exists[] = {SLICE("EXISTS"), entry->key};
    if (importing->db != (int)entry->db && !add(importing, select, 2, 0))
        return false;
    importing->db = (int)entry->db;
    if (importing->looking ? !add(importing, exists, 2, line) : !add_set(importing, line))
        return false;
    bool full = importing->asked_count + 2 > 2 * BATCH || importing->link.out.size > BATCH_BYTES;
    return !full || send_batch(importing);
}

/* ------------------------------------------------------------------------------------------ lines */

static bool asks_server(const struct importing *importing) {
    return !importing->looking ||
           !(importing->options->replace || importing->options->skip || importing->options->check);
}

static bool take_line(struct importing *importing, struct slice text) {
    uint64_t line = importing->lines.number;
    char problem[ENTRY_LINE_PROBLEM_SIZE];
    enum status status = entry_line_read(&importing->reader, text, &importing->entry, problem);
    if (status == STATUS_INVALID)
        return fail(importing, line, "%s", problem);
    if (status != STATUS_OK)
        return fail(importing, line, "%s", status_text(status));
    importing->read++;
    if (importing->options->db != SNAPSHOT_EVERY_DB && (uint32_t)importing->options->db != importing->entry.db)
        return true;
    if (importing->entry.expires_at_ms && importing->entry.expires_at_ms <= clock_unix_ms()) {
        importing->expired += !importing->looking;
        return true;
    }
    return !asks_server(importing) || add_entry(importing, line);
}

static bool take_all(struct importing *importing) {
    struct slice text;
    enum status status = STATUS_OK;
    bool good = true;
    importing->read = 0;
    importing->db = NO_DB;
    line_read_init(&importing->lines, importing->in, ENTRY_LINE_SIZE_MAX);
    while (good && (status = line_read_next(&importing->lines, &text)) == STATUS_OK)
        good = take_line(importing, text);
    if (good && status != STATUS_CLOSED)
        good = fail(importing, importing->lines.number + 1, "%s",
                    status == STATUS_IO ? strerror(errno) : status_text(status));
    line_read_fini(&importing->lines);
    /* What stands before a wrong line is written, as it would have been had it come earlier. */
    bool sent = !importing->asked_count || send_batch(importing);
    return good && sent;
}

static bool import_all(struct importing *importing) {
    struct stat found;
    bool is_file = fstat(fileno(importing->in), &found) == 0 && S_ISREG(found.st_mode);
    if (is_file || importing->options->check) {
        importing->looking = true;
        if (!take_all(importing))
            return false;
        importing->looking = false;
        rewind(importing->in);
    }
    return importing->options->check || take_all(importing);
}

static void tell(struct importing *importing, bool good) {
    struct snapshot_progress *progress = &importing->progress;
    if (importing->options->check && good)
        snapshot_show(progress, true, "%" PRIu64 " lines are good", importing->read);
    else if (!importing->options->check && (good || importing->imported))
        snapshot_show(progress, true,
                      "imported %" PRIu64 " entries%s, skipped %" PRIu64 " that were there, left out %" PRIu64
                      " that had expired",
                      importing->imported, good ? "" : " before that", importing->skipped, importing->expired);
}

int snapshot_import(const struct snapshot_options *options) {
    static struct importing importing;
    importing = (struct importing){.options = options, .name = options->file, .in = stdin, .link.wire.fd = -1};
    int code = SNAPSHOT_UNREADABLE;
    snapshot_progress_init(&importing.progress);
    if (strcmp(options->file, "-") == 0)
        importing.name = "standard input";
    else
        importing.in = fopen(options->file, "re");
    if (!importing.in) {
        fprintf(stderr, "strata snapshot: %s: %s\n", options->file, strerror(errno));
        return code;
    }
    entry_line_reader_init(&importing.reader);
    if (options->check || server_link_open(&importing.link, &options->server.place)) {
        bool good = import_all(&importing);
        tell(&importing, good);
        code = good ? SNAPSHOT_GOOD : SNAPSHOT_WRONG;
    } else {
        fprintf(stderr, "strata snapshot: %s\n", importing.link.problem);
    }
    if (!options->check)
        server_link_close(&importing.link);
    entry_line_reader_fini(&importing.reader);
    if (importing.in != stdin)
        fclose(importing.in);
    return code;
}
