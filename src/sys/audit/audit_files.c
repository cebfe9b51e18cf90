#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "sys/audit/audit_inner.h"

enum {
    TAIL_SIZE = 8 * 1024 * 1024, /* of a file that is looked at: more than a power cut can leave unfinished */
    HEAD_SIZE = 4096,
    REMOVED_MAX = 64, /* files in one go; their lines are at most 30 KiB */
    FIRST_LINES_SIZE = 64 * 1024,
};

/* ----------------------------------------------------------------- writing */

enum status audit_files_write(struct audit_log *log) {
    const struct files *files = log->options.files;
    if (log->written == log->out.size)
        return STATUS_OK;
    TRY(files_write(files, log->file, log->base + log->written, log->out.data + log->written,
                    log->out.size - log->written));
    log->written = log->out.size;
    return STATUS_OK;
}

enum status audit_files_flush(struct audit_log *log) {
    const struct files *files = log->options.files;
    TRY(audit_files_write(log));
    if (log->directory_changed)
        TRY(files->sync_directory(files->context));
    log->directory_changed = false;
    enum status status = files->sync(files->context, log->file);
    if (status != STATUS_OK) {
        log->written = 0; /* the kernel may have dropped what it could not write */
        return status;
    }
    log->base += log->out.size;
    buf_clear(&log->out);
    log->written = 0;
    audit_files_remove(log);
    return STATUS_OK;
}

void audit_files_remove(struct audit_log *log) {
    const struct files *files = log->options.files;
    char name[AUDIT_FILE_NAME_SIZE];
    for (; log->remove_until && log->first <= log->remove_until; log->first++) {
        audit_file_name(log->first, name);
        MAYBE(files->remove(files->context, name) != STATUS_OK); /* somebody else was quicker, or it stays */
        log->directory_changed = true;
    }
    log->remove_until = 0;
}

/* Lines that say which files go. */
static enum status say_removed(struct audit_log *log, struct audit_now now) {
    const uint32_t keep = log->setting.keep;
    if (!keep || log->number <= keep || log->number - keep < log->first)
        return STATUS_OK;
    uint64_t last = log->number - keep;
    last = last - log->first < REMOVED_MAX ? last : log->first + REMOVED_MAX - 1;
    for (uint64_t file = log->first; file <= last; file++)
        TRY(audit_chain_removed(&log->chain, now.unix_us, file, &log->out));
    log->remove_until = last;
    return STATUS_OK;
}

/* In a file that is empty. */
static enum status begin_file(struct audit_log *log, struct audit_now now) {
    TRY(buf_reserve(&log->out, FIRST_LINES_SIZE));
    TRY(audit_chain_file(&log->chain, now.unix_us, log->options.node, log->number, &log->out));
    return say_removed(log, now);
}

enum status audit_files_next(struct audit_log *log, struct audit_now now) {
    const struct files *files = log->options.files;
    char name[AUDIT_FILE_NAME_SIZE];
    int file;
    if (log->number >= AUDIT_FILE_NUMBER_MAX) {
        errno = EOVERFLOW;
        return STATUS_TOO_LARGE;
    }
    TRY(buf_reserve(&log->out, FIRST_LINES_SIZE)); /* nothing fails any more when the file is there */
    if (log->file >= 0)
        TRY(audit_files_flush(log));
    audit_file_name(log->number + 1, name);
    TRY(files->open(files->context, name, FILES_NEW, &file));
    if (log->file >= 0)
        files->close(files->context, log->file);
    ASSERT(log->out.size == 0);
    log->file = file;
    log->number++;
    log->first = log->first ? log->first : log->number;
    log->base = 0;
    log->directory_changed = true;
    log->opened_ms = now.steady_ms;
    return begin_file(log, now);
}

/* By the hash of the last line and what is behind it, which no other file has there. */
bool audit_files_is_taken(const struct audit_log *log) {
    enum { END_SIZE = AUDIT_HASH_SIZE + 3 };
    const struct files *files = log->options.files;
    const uint64_t size = log->base + log->written;
    char name[AUDIT_FILE_NAME_SIZE], end[END_SIZE];
    size_t got = 0;
    int file;
    if (log->written != log->out.size || size < END_SIZE)
        return false;
    audit_file_name(log->number, name);
    if (files->open(files->context, name, FILES_READ, &file) != STATUS_OK)
        return files_cause(errno) == FILES_ABSENT;
    const enum status status = files->read(files->context, file, size - END_SIZE, end, END_SIZE, &got);
    files->close(files->context, file);
    return status == STATUS_OK && (got != END_SIZE || memcmp(end, log->chain.last, AUDIT_HASH_SIZE) != 0);
}

/* ---------------------------------------------------------------- recovery */

struct listing {
    uint64_t first, last;
};

static enum status visit(void *visitor, const char *name) {
    struct listing *listing = visitor;
    const uint64_t number = audit_file_number(slice_from_string(name));
    if (number && (number < listing->first || !listing->first))
        listing->first = number;
    if (number > listing->last)
        listing->last = number;
    return STATUS_OK;
}

/* How a file ends. */
struct end {
    uint64_t size;
    struct buf bytes; /* the end of it */
    struct slice torn;
    bool any;   /* a line stands there */
    bool whole; /* and it is what it says */
    uint64_t seq;
    char hash[AUDIT_HASH_SIZE];
};

static bool is_genuine(const struct audit_log *log, const struct audit_line *line) {
    char hash[AUDIT_HASH_SIZE];
    log->options.hash->digits(log->options.hash->context, line->covered, hash);
    return slice_equal(slice_make(hash, sizeof hash), line->hash);
}

/* The last line that can be read, and how many stand behind it. */
static void find_last(const struct audit_log *log, struct slice lines, struct end *end) {
    struct audit_line line;
    for (uint64_t behind = 0; lines.size; behind++) {
        const uint8_t *before = memrchr(lines.data, '\n', lines.size - 1);
        const size_t from = before ? (size_t)(before - lines.data) + 1 : 0;
        end->any = true;
        if (audit_line_read(slice_part(lines, from, lines.size - 1 - from), &line)) {
            end->whole = behind == 0 && is_genuine(log, &line);
            end->seq = line.seq + behind;
            memcpy(end->hash, line.hash.data, AUDIT_HASH_SIZE);
            return;
        }
        lines.size = from;
    }
}

static enum status read_end(struct audit_log *log, int file, struct end *end) {
    const struct files *files = log->options.files;
    TRY(files->size(files->context, file, &end->size));
    const uint64_t from = end->size > TAIL_SIZE ? end->size - TAIL_SIZE : 0;
    const size_t size = (size_t)(end->size - from);
    TRY(buf_reserve(&end->bytes, size + 1));
    TRY(files_read(files, file, from, end->bytes.data, size));
    end->bytes.size = size;
    const uint8_t *last = size ? memrchr(end->bytes.data, '\n', size) : NULL;
    const size_t lines = last ? (size_t)(last - end->bytes.data) + 1 : 0;
    end->torn = slice_part(buf_slice(&end->bytes), lines, SIZE_MAX);
    if (lines)
        find_last(log, slice_make(end->bytes.data, lines), end);
    else
        end->any = from > 0;
    return STATUS_OK;
}

/* Whether the file is hashed as we hash. */
static enum status has_our_key(struct audit_log *log, int file, bool *ret_ours) {
    const struct files *files = log->options.files;
    uint8_t head[HEAD_SIZE];
    size_t size = 0;
    struct slice key = SLICE("");
    TRY(files->read(files->context, file, 0, head, sizeof head, &size));
    const uint8_t *end = size ? memchr(head, '\n', size) : NULL;
    if (end)
        MAYBE(!audit_line_field(slice_make(head, (size_t)(end - head)), "key", &key));
    *ret_ours = slice_equal(key, slice_from_string(log->options.hash->key_id));
    return STATUS_OK;
}

static void follow(struct audit_log *log, const struct end *end) {
    log->chain.seq = end->seq;
    if (end->seq)
        memcpy(log->chain.last, end->hash, AUDIT_HASH_SIZE);
}

/* A file of which not even the first line is whole: what came before is in the one before it. */
static enum status begin_again(struct audit_log *log, struct audit_now now, uint64_t first) {
    const struct files *files = log->options.files;
    char name[AUDIT_FILE_NAME_SIZE];
    struct end end = {0};
    int file;
    enum status status = STATUS_OK;
    buf_init(&end.bytes, log->options.memory);
    if (log->number > first) {
        audit_file_name(log->number - 1, name);
        TRY(files->open(files->context, name, FILES_READ, &file));
        status = read_end(log, file, &end);
        files->close(files->context, file);
        follow(log, &end);
    }
    buf_fini(&end.bytes);
    TRY(status);
    TRY(files->truncate(files->context, log->file, 0));
    log->directory_changed = true;
    return begin_file(log, now);
}

/* The last line is torn, or lacks only its end. */
static enum status mend(struct audit_log *log, struct audit_now now, const struct end *end,
                        char ret_notice[AUDIT_REASON_SIZE]) {
    struct audit_line line;
    TRY(buf_append(&log->out, "\n", 1));
    if (audit_line_read(end->torn, &line) && is_genuine(log, &line)) {
        log->chain.seq = line.seq;
        memcpy(log->chain.last, line.hash.data, AUDIT_HASH_SIZE);
        return STATUS_OK;
    }
    snprintf(ret_notice, AUDIT_REASON_SIZE, "its last line was torn by a crash: %zu bytes, for which a line accounts",
             end->torn.size);
    return audit_chain_recovered(&log->chain, now.unix_us, end->torn, &log->out);
}

static enum status go_on(struct audit_log *log, struct audit_now now, uint64_t first, struct end *end,
                         char ret_notice[AUDIT_REASON_SIZE]) {
    const struct files *files = log->options.files;
    bool ours;
    TRY(read_end(log, log->file, end));
    if (!end->any) {
        snprintf(ret_notice, AUDIT_REASON_SIZE, "file %llu had no whole line, and is begun anew",
                 (unsigned long long)log->number);
        return begin_again(log, now, first);
    }
    TRY(has_our_key(log, log->file, &ours));
    follow(log, end);
    log->base = end->size;
    if (ours && end->whole)
        return end->torn.size ? mend(log, now, end, ret_notice) : STATUS_OK;
    if (ours) {
        snprintf(ret_notice, AUDIT_REASON_SIZE,
                 "file %llu does not end as it was written; 'strata audit verify' says more. The log goes on in the "
                 "next file",
                 (unsigned long long)log->number);
    } else {
        snprintf(ret_notice, AUDIT_REASON_SIZE,
                 "the key is another one than that of file %llu: the log goes on in the next file",
                 (unsigned long long)log->number);
        /* No line with our key can account for what is torn. */
        log->base -= end->torn.size;
        TRY(files->truncate(files->context, log->file, log->base));
    }
    return audit_files_next(log, now);
}

static enum status open_last(struct audit_log *log, struct audit_now now, const struct listing *listing,
                             char ret_notice[AUDIT_REASON_SIZE]) {
    const struct files *files = log->options.files;
    char name[AUDIT_FILE_NAME_SIZE];
    struct end end = {0};
    buf_init(&end.bytes, log->options.memory);
    log->number = listing->last;
    log->first = listing->first;
    audit_file_name(listing->last, name);
    TRY(files->open(files->context, name, FILES_WRITE, &log->file));
    enum status status = go_on(log, now, listing->first, &end, ret_notice);
    buf_fini(&end.bytes);
    return status;
}

enum status audit_files_open(struct audit_log *log, struct audit_now now, char ret_reason[AUDIT_REASON_SIZE],
                             char ret_notice[AUDIT_REASON_SIZE]) {
    const struct files *files = log->options.files;
    struct listing listing = {0};
    enum status status = files->list(files->context, visit, &listing);
    if (status == STATUS_OK)
        status = listing.last ? open_last(log, now, &listing, ret_notice) : audit_files_next(log, now);
    if (status != STATUS_OK)
        snprintf(ret_reason, AUDIT_REASON_SIZE, "%s",
                 status == STATUS_IO || status == STATUS_FULL ? strerror(errno) : status_text(status));
    return status;
}
