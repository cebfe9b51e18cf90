/* app/cli/snapshot_export.c: `strata snapshot export`: entries of a server or a directory as lines, in order. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/snapshot.h"
#include "app/lines/entry_line.h"
#include "app/lines/line_sort.h"
#include "base/terminal_text.h"

enum { SORT_MEMORY = 64 << 20, SCAN_COUNT = 512, BATCH = 64, ENTRY_MEMBERS = 5, KEEP = 1 << 20, WORDS_MAX = 6 };

struct exporting {
    const struct snapshot_options *options;
    char part[PATH_MAX]; /* the file gets its name when it is complete; empty: standard output */
    FILE *out;
    struct line_sort *sort; /* NULL: as they come */
    struct buf line, key;
    uint64_t entries, left_out; /* left_out: of a type that lines do not know */
    struct snapshot_progress progress;
    struct server_link link;
    struct buf names; /* of a piece of the scan: size 4, bytes */
};

static bool fail(const char *what, const char *why) {
    fprintf(stderr, "strata snapshot: %s: %s\n", what, why);
    return false;
}

/* ------------------------------------------------------------------------------------------ the file */

static const char *sort_folder(const struct exporting *exporting, char path[PATH_MAX]) {
    const char *temporary = getenv("TMPDIR");
    if (!exporting->part[0])
        return temporary && temporary[0] ? temporary : "/tmp";
    snprintf(path, PATH_MAX, "%s", exporting->part);
    return dirname(path);
}

static bool open_out(struct exporting *exporting) {
    const char *file = exporting->options->file;
    char path[PATH_MAX];
    exporting->out = stdout;
    if (strcmp(file, "-") != 0) {
        int size = snprintf(exporting->part, sizeof exporting->part, "%s.part", file);
        exporting->out = size < PATH_MAX ? fopen(exporting->part, "we") : NULL;
        if (!exporting->out)
            return fail(file, strerror(size < PATH_MAX ? errno : ENAMETOOLONG));
    }
    if (exporting->options->unsorted)
        return true;
    return line_sort_new(sort_folder(exporting, path), SORT_MEMORY, &exporting->sort) == STATUS_OK ||
           fail(file, "there is not enough memory");
}

/* The whole file or none. */
static bool close_out(struct exporting *exporting, bool good) {
    const char *file = exporting->options->file;
    if (!exporting->out)
        return false;
    if (good && exporting->sort && line_sort_finish(exporting->sort, exporting->out, &exporting->entries) != STATUS_OK)
        good = fail(file, strerror(errno));
    bool is_file = exporting->part[0] != 0;
    if (good && (fflush(exporting->out) != 0 || (is_file && fsync(fileno(exporting->out)) != 0)))
        good = fail(file, strerror(errno));
    if (is_file && fclose(exporting->out) != 0 && good)
        good = fail(file, strerror(errno));
    if (is_file && good && rename(exporting->part, file) != 0)
        good = fail(file, strerror(errno));
    if (is_file && !good)
        unlink(exporting->part);
    return good;
}

static enum status add_line(struct exporting *exporting, struct entry_line *entry) {
    uint8_t db = (uint8_t)entry->db;
    buf_clear(&exporting->line);
    TRY(entry_line_write(entry, &exporting->line));
    struct slice line = buf_slice(&exporting->line);
    if (!exporting->sort)
        return fwrite(line.data, 1, line.size, exporting->out) == line.size ? STATUS_OK : STATUS_IO;
    buf_clear(&exporting->key);
    TRY(buf_append(&exporting->key, &db, 1));
    TRY(buf_append_slice(&exporting->key, entry->key));
    return line_sort_add(exporting->sort, buf_slice(&exporting->key), line);
}

static bool put_entry(void *context, struct entry_line *entry) {
    struct exporting *exporting = context;
    enum status status = add_line(exporting, entry);
    if (status != STATUS_OK)
        return fail(exporting->options->file, status == STATUS_IO ? strerror(errno) : status_text(status));
    buf_shrink(&exporting->line, KEEP);
    exporting->entries++;
    snapshot_show(&exporting->progress, false, "%llu entries", (unsigned long long)exporting->entries);
    return true;
}

/* ------------------------------------------------------------------------------------------ a server's entries */

static bool is_wrong(struct exporting *exporting, const struct resp_value *reply) {
    if (!resp_type_is_error(reply->type))
        return fail("the server", "its answer is none of a Strata server");
    terminal_text_copy(reply->text, exporting->link.problem, sizeof exporting->link.problem);
    return fail("the server answers", exporting->link.problem);
}

static bool take_entry(struct exporting *exporting, struct entry_line *entry, const struct resp_value *reply) {
    if (reply->type == RESP_NULL) /* gone meanwhile */
        return true;
    if (reply->type != RESP_ARRAY || reply->count != ENTRY_MEMBERS)
        return is_wrong(exporting, reply);
    const struct resp_value *type = &reply->members[0], *value = &reply->members[1], *expires = &reply->members[2],
                            *version = &reply->members[3], *tags = &reply->members[4];
    if (!slice_equal(type->text, SLICE("string"))) {
        exporting->left_out++;
        return true;
    }
    if (tags->count > CACHE_TAGS_MAX)
        return is_wrong(exporting, tags);
    entry->value = value->text;
    entry->expires_at_ms = expires->integer > 0 ? (uint64_t)expires->integer : 0;
    entry->version = version->integer > 0 ? (uint64_t)version->integer : 0;
    for (entry->tag_count = 0; entry->tag_count < tags->count; entry->tag_count++)
        entry->tags[entry->tag_count] = tags->members[entry->tag_count].text;
    return put_entry(exporting, entry);
}

static struct slice next_name(struct slice *names) {
    uint32_t size;
    memcpy(&size, names->data, sizeof size);
    struct slice name = slice_make(names->data + sizeof size, size);
    *names = slice_part(*names, sizeof size + size, SIZE_MAX);
    return name;
}

/* Some at a time: the replies to come are as large as they are. */
static bool export_names(struct exporting *exporting, uint32_t db) {
    struct server_link *link = &exporting->link;
    struct slice asked = buf_slice(&exporting->names), answered = asked;
    while (answered.size) {
        uint32_t count = 0;
        for (; count < BATCH && asked.size; count++) {
            const struct slice words[] = {SLICE("ENTRY"), next_name(&asked)};
            if (!server_link_add(link, words, 2))
                return fail("the server", link->problem);
        }
        if (!server_link_send(link))
            return fail("the server", link->problem);
        for (; count; count--) {
            struct entry_line entry = {.db = db, .key = next_name(&answered)};
            struct resp_value reply;
            if (!server_link_read(link, &reply))
                return fail("the server", link->problem);
            if (!take_entry(exporting, &entry, &reply))
                return false;
        }
    }
    return true;
}

static bool keep_names(struct exporting *exporting, const struct resp_value *names) {
    buf_clear(&exporting->names);
    for (uint32_t i = 0; i < names->count; i++) {
        struct slice name = names->members[i].text;
        uint32_t size = (uint32_t)name.size;
        if (buf_append(&exporting->names, &size, sizeof size) != STATUS_OK ||
            buf_append_slice(&exporting->names, name) != STATUS_OK)
            return fail("the server", "there is not enough memory");
    }
    return true;
}

static bool export_database(struct exporting *exporting, uint32_t db) {
    struct server_link *link = &exporting->link;
    struct resp_value reply;
    char text[32], count[16], cursor[32] = "0";
    snprintf(text, sizeof text, "SELECT %u", db);
    snprintf(count, sizeof count, "%d", SCAN_COUNT);
    if (!server_link_ask(link, text, &reply))
        return fail("the server", link->problem);
    if (resp_type_is_error(reply.type))
        return is_wrong(exporting, &reply);
    do {
        struct slice words[WORDS_MAX] = {SLICE("SCAN"), slice_from_string(cursor), SLICE("COUNT"),
                                         slice_from_string(count), SLICE("MATCH")};
        words[5] = slice_from_string(exporting->options->match ? exporting->options->match : "");
        if (!server_link_add(link, words, exporting->options->match ? 6 : 4) || !server_link_send(link) ||
            !server_link_read(link, &reply))
            return fail("the server", link->problem);
        if (reply.type != RESP_ARRAY || reply.count != 2 || reply.members[0].text.size >= sizeof cursor)
            return is_wrong(exporting, &reply);
        snprintf(cursor, sizeof cursor, "%.*s", (int)reply.members[0].text.size,
                 (const char *)reply.members[0].text.data);
        if (!keep_names(exporting, &reply.members[1]) || !export_names(exporting, db))
            return false;
    } while (strcmp(cursor, "0") != 0);
    return true;
}

static int export_server(struct exporting *exporting) {
    int code = SNAPSHOT_UNREADABLE;
    if (server_link_open(&exporting->link, &exporting->options->server.place)) {
        bool good = true;
        for (int db = 0; db < CACHE_DATABASES && good; db++)
            if (exporting->options->db == SNAPSHOT_EVERY_DB || exporting->options->db == db)
                good = export_database(exporting, (uint32_t)db);
        code = good ? SNAPSHOT_GOOD : SNAPSHOT_WRONG;
    } else {
        fprintf(stderr, "strata snapshot: %s\n", exporting->link.problem);
    }
    server_link_close(&exporting->link);
    return code;
}

int snapshot_export(const struct snapshot_options *options) {
    struct exporting exporting = {.options = options, .link.wire.fd = -1};
    int code = SNAPSHOT_UNREADABLE;
    buf_init(&exporting.line, &memory_libc);
    buf_init(&exporting.key, &memory_libc);
    buf_init(&exporting.names, &memory_libc);
    snapshot_progress_init(&exporting.progress);
    if (open_out(&exporting))
        code = options->dir ? snapshot_directory(options, put_entry, &exporting) : export_server(&exporting);
    if (!close_out(&exporting, code == SNAPSHOT_GOOD) && code == SNAPSHOT_GOOD)
        code = SNAPSHOT_UNREADABLE;
    if (code == SNAPSHOT_GOOD && exporting.left_out)
        snapshot_show(&exporting.progress, true, "exported %llu entries; %llu that are no strings were left out",
                      (unsigned long long)exporting.entries, (unsigned long long)exporting.left_out);
    else if (code == SNAPSHOT_GOOD)
        snapshot_show(&exporting.progress, true, "exported %llu entries", (unsigned long long)exporting.entries);
    line_sort_free(exporting.sort);
    buf_fini(&exporting.line);
    buf_fini(&exporting.key);
    buf_fini(&exporting.names);
    return code;
}
