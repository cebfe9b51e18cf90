#include "core/audit/verify.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

const char *audit_finding_name(enum audit_finding_kind kind) {
    static const char names[AUDIT_FINDINGS][16] = {
        [AUDIT_CHANGED] = "changed",
        [AUDIT_NOT_A_LINE] = "not-a-line",
        [AUDIT_MISSING] = "missing",
        [AUDIT_OUT_OF_ORDER] = "out-of-order",
        [AUDIT_DOUBLED] = "doubled",
        [AUDIT_INSERTED] = "inserted",
        [AUDIT_FILE_MISSING] = "file-missing",
        [AUDIT_FILE_SWAPPED] = "file-swapped",
        [AUDIT_UNKEYED] = "no-key",
        [AUDIT_UNEXPECTED] = "cut-off",
        [AUDIT_TORN] = "torn",
        [AUDIT_MENDED] = "torn-and-mended",
        [AUDIT_EVENTS_LOST] = "lost",
        [AUDIT_NOT_STOPPED] = "not-stopped",
        [AUDIT_GOES_ON] = "goes-on",
        [AUDIT_FIRST_REMOVED] = "first-removed",
    };
    return names[kind];
}

static void tell(struct audit_verifier *verifier, enum audit_finding_kind kind, uint64_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(struct audit_verifier *verifier, enum audit_finding_kind kind, uint64_t line, const char *format,
                 ...) {
    struct audit_finding finding = {.kind = kind, .file = verifier->name, .line = line};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding.text, sizeof finding.text, format, arguments);
    va_end(arguments);
    if (kind < AUDIT_NOTES)
        verifier->tampered++;
    else
        verifier->notes++;
    if (verifier->wish.tell)
        verifier->wish.tell(verifier->wish.context, &finding);
}

void audit_verify_begin(struct audit_verifier *verifier, const struct audit_wish *wish) {
    ASSERT(wish->hash_count && wish->hash_count <= AUDIT_HASHES_MAX);
    memset(verifier, 0, sizeof *verifier);
    verifier->wish = *wish;
    verifier->name = "";
    verifier->hash = &wish->hashes[0];
    verifier->expected_seen = wish->expected.size == 0;
}

/* ------------------------------------------------------------------ hashes */

static bool is_at(const char digits[AUDIT_HASH_SIZE], struct slice hash) {
    return hash.size == AUDIT_HASH_SIZE && memcmp(digits, hash.data, AUDIT_HASH_SIZE) == 0;
}

/* Whether the line's hash is that of its bytes; of a key that is not known it is taken to be. */
static bool is_genuine(struct audit_verifier *verifier, const struct audit_line *line, char ret_hash[AUDIT_HASH_SIZE]) {
    if (!verifier->hash) {
        memcpy(ret_hash, line->hash.data, AUDIT_HASH_SIZE);
        return true;
    }
    verifier->hash->digits(verifier->hash->context, line->covered, ret_hash);
    return is_at(ret_hash, line->hash);
}

/* The first line of a file says which key it is hashed with. */
static void choose_hash(struct audit_verifier *verifier, struct slice bytes) {
    const struct audit_wish *wish = &verifier->wish;
    struct slice id = SLICE("");
    bool keyed = audit_line_field(bytes, "key", &id), key_given = false;
    id = slice_part(id, 0, AUDIT_KEY_ID_SIZE);
    verifier->hash = NULL;
    for (uint32_t i = 0; i < wish->hash_count; i++) {
        key_given |= wish->hashes[i].key_id[0] != 0;
        if (slice_equal(id, slice_from_string(wish->hashes[i].key_id)))
            verifier->hash = &wish->hashes[i];
    }
    if (!keyed && verifier->keyed && key_given)
        tell(verifier, AUDIT_UNKEYED, 1, "is hashed without a key, and the files before it are hashed with one");
    verifier->keyed |= keyed;
    verifier->key_changed = verifier->files > 1 && !slice_equal(id, slice_from_string(verifier->key_id));
    memset(verifier->key_id, 0, sizeof verifier->key_id);
    if (id.size)
        memcpy(verifier->key_id, id.data, id.size);
}

/* The line behind the first ones of a file that names another key than the file before. */
static void look_at_key(struct audit_verifier *verifier, const struct audit_line *line) {
    if (!verifier->key_changed || slice_equal(line->kind, SLICE("file")) || slice_equal(line->kind, SLICE("removed")))
        return;
    verifier->key_changed = false;
    if (!slice_equal(line->kind, SLICE("start")))
        tell(verifier, AUDIT_CHANGED, 1, "names another key than the file before, and no server has begun there");
}

/* ---------------------------------------------------------- order of lines */

static uint64_t begin_of(struct slice hash) {
    uint64_t begin;
    memcpy(&begin, hash.data, sizeof begin);
    return begin;
}

static void note_gap(struct audit_verifier *verifier, uint64_t from, uint64_t until) {
    if (verifier->gap_count < AUDIT_GAPS_MAX)
        verifier->gaps[verifier->gap_count++] = (struct audit_gap){from, until};
}

static bool was_missing(const struct audit_verifier *verifier, uint64_t seq) {
    for (uint32_t i = 0; i < verifier->gap_count; i++)
        if (seq >= verifier->gaps[i].from && seq < verifier->gaps[i].until)
            return true;
    return false;
}

/* A line with a number that has been passed. */
static void tell_old(struct audit_verifier *verifier, const struct audit_line *line) {
    const uint64_t place = line->seq % AUDIT_SEEN_MAX;
    const bool twice = verifier->seen_seq[place] == line->seq && verifier->seen[place] == begin_of(line->hash);
    const unsigned long long seq = (unsigned long long)line->seq;
    if (verifier->file_swapped) /* which explains all of its lines */
        return;
    if (was_missing(verifier, line->seq))
        tell(verifier, AUDIT_OUT_OF_ORDER, verifier->line,
             "line number %llu of the log stands here and not where it belongs", seq);
    else if (twice)
        tell(verifier, AUDIT_DOUBLED, verifier->line, "line number %llu of the log stands here a second time", seq);
    else
        tell(verifier, AUDIT_INSERTED, verifier->line, "does not belong here: line number %llu of the log came before",
             seq);
}

static void go_on_behind(struct audit_verifier *verifier, const struct audit_line *line) {
    verifier->seq_next = line->seq + 1;
    memcpy(verifier->prev, line->hash.data, AUDIT_HASH_SIZE);
    verifier->has_prev = true;
    verifier->seen[line->seq % AUDIT_SEEN_MAX] = begin_of(line->hash);
    verifier->seen_seq[line->seq % AUDIT_SEEN_MAX] = line->seq;
}

/* Whether it stands where it belongs. The line is genuine. */
static void look_at_place(struct audit_verifier *verifier, const struct audit_line *line) {
    const bool follows = !verifier->has_prev || is_at(verifier->prev, line->prev);
    const uint64_t next = verifier->seq_next;
    if (next && line->seq < next) {
        tell_old(verifier, line);
        return;
    }
    if (verifier->file_told) {
        verifier->file_told = false;
        if (next && line->seq > next)
            note_gap(verifier, next, line->seq);
    } else if (next && line->seq > next) {
        note_gap(verifier, next, line->seq);
        tell(verifier, AUDIT_MISSING, verifier->line,
             "before it %llu lines of the log are missing: numbers %llu to %llu",
             (unsigned long long)(line->seq - next), (unsigned long long)next, (unsigned long long)(line->seq - 1));
    } else if (!follows) {
        tell(verifier, AUDIT_INSERTED, verifier->line,
             "does not follow from the line before it: one of the two was written anew, or taken from elsewhere");
    }
    go_on_behind(verifier, line);
}

/* The number of a changed line may be what was changed: it is taken for the one that is due. What the line after it holds to is not known. */
static void go_on_behind_changed(struct audit_verifier *verifier, const struct audit_line *line) {
    struct audit_line due = *line;
    due.seq = verifier->seq_next ? verifier->seq_next : line->seq;
    go_on_behind(verifier, &due);
    verifier->has_prev = verifier->file_told = false;
}

/* ------------------------------------------------------------ what it says */

static void look_at_number(struct audit_verifier *verifier, uint64_t number) {
    const unsigned long long shown = (unsigned long long)number, last = (unsigned long long)verifier->file_last;
    verifier->file_swapped = true;
    if (verifier->name_number && number != verifier->name_number) {
        tell(verifier, AUDIT_FILE_SWAPPED, 0, "is file number %llu of the log under another's name", shown);
    } else if (verifier->file_last && number <= verifier->file_last) {
        tell(verifier, AUDIT_FILE_SWAPPED, 0, "is file number %llu of the log and stands behind number %llu", shown,
             last);
    } else {
        verifier->file_swapped = false;
        if (verifier->file_last && number > verifier->file_last + 1) {
            tell(verifier, AUDIT_FILE_MISSING, 0, "before it %llu files are missing: numbers %llu to %llu",
                 shown - last - 1, last + 1, shown - 1);
            verifier->file_told = true;
        }
    }
    verifier->file_told |= verifier->file_swapped;
}

/* The first line of a file: `file`, if nobody has touched it. */
static void look_at_first(struct audit_verifier *verifier, const struct audit_line *line, struct slice bytes) {
    uint64_t number = verifier->name_number;
    if (slice_equal(line->kind, SLICE("file")) && audit_line_number(bytes, "file", &number))
        look_at_number(verifier, number);
    if (!verifier->file_first)
        verifier->file_first = number;
    if (number > verifier->file_last)
        verifier->file_last = number;
}

static void look_at_own(struct audit_verifier *verifier, const struct audit_line *line, struct slice bytes) {
    uint64_t number = 0;
    if (slice_equal(line->kind, SLICE("lost")) && audit_line_number(bytes, "lost", &number)) {
        verifier->lost += number;
        tell(verifier, AUDIT_EVENTS_LOST, verifier->line, "%llu events found no room and are not in the log",
             (unsigned long long)number);
    } else if (slice_equal(line->kind, SLICE("removed")) && audit_line_number(bytes, "file", &number)) {
        verifier->removed_until = number > verifier->removed_until ? number : verifier->removed_until;
    } else if (slice_equal(line->kind, SLICE("start")) && verifier->lines > 2 && !verifier->stopped) {
        tell(verifier, AUDIT_NOT_STOPPED, verifier->line,
             "a server begins here, and the one before has not ended in order: it was killed, or lines at its end were "
             "taken away");
    }
    if (slice_equal(line->kind, SLICE("stop")))
        verifier->stopped = true;
    else if (!slice_equal(line->kind, SLICE("file")) && !slice_equal(line->kind, SLICE("removed")))
        verifier->stopped = false;
    verifier->events += slice_equal(line->kind, SLICE("event"));
}

/* ------------------------------------------------------------- torn lines */

static void drop_suspect(struct audit_verifier *verifier) {
    if (verifier->suspect)
        tell(verifier, AUDIT_NOT_A_LINE, verifier->suspect_line, "is no line of an audit log: it was changed, or cut");
    verifier->suspect = false;
}

static void suspect(struct audit_verifier *verifier, struct slice bytes) {
    drop_suspect(verifier);
    verifier->suspect = true;
    verifier->suspect_line = verifier->line;
    verifier->suspect_size = bytes.size;
    if (verifier->hash)
        verifier->hash->digits(verifier->hash->context, bytes, verifier->suspect_hash);
}

/* A genuine line behind bytes that are none. */
static void settle_suspect(struct audit_verifier *verifier, const struct audit_line *line, struct slice bytes) {
    uint64_t size = 0;
    struct slice hash;
    if (!slice_equal(line->kind, SLICE("recovered")) || !audit_line_number(bytes, "bytes", &size) ||
        !audit_line_field(bytes, "torn", &hash) || size != verifier->suspect_size ||
        (verifier->hash && !is_at(verifier->suspect_hash, hash))) {
        drop_suspect(verifier);
        return;
    }
    verifier->suspect = false;
    tell(verifier, AUDIT_MENDED, verifier->suspect_line,
         "was torn by a crash: %llu bytes, which the line after it accounts for", (unsigned long long)size);
}

/* Whether a whole line stands at the beginning: then these bytes are not what a crash leaves. */
static bool begins_with_line(struct audit_verifier *verifier, struct slice bytes) {
    struct slice mark = SLICE(",\"hash\":\"");
    const size_t rest = AUDIT_HASH_SIZE + 2;
    struct audit_line line;
    char hash[AUDIT_HASH_SIZE];
    for (size_t at = 0; at + mark.size + rest <= bytes.size; at++) {
        if (bytes.data[at] == ',' && slice_equal(slice_part(bytes, at, mark.size), mark) &&
            audit_line_read(slice_part(bytes, 0, at + mark.size + rest), &line) && is_genuine(verifier, &line, hash))
            return true;
    }
    return false;
}

static void look_at_last(struct audit_verifier *verifier, struct slice bytes) {
    if (begins_with_line(verifier, bytes))
        tell(verifier, AUDIT_CHANGED, verifier->line, "has bytes behind its end");
    else
        verifier->torn = true;
}

/* `last`: nothing comes behind it, so a crash may have left it so. */
static void end_file(struct audit_verifier *verifier, bool last) {
    drop_suspect(verifier);
    if (verifier->files && verifier->line == 0)
        tell(verifier, last ? AUDIT_TORN : AUDIT_FILE_MISSING, 0, "is empty");
    else if (verifier->torn && last)
        tell(verifier, AUDIT_TORN, verifier->line,
             "is cut off in its middle, as a crash leaves it: the server accounts for it when it starts again");
    else if (verifier->torn)
        tell(verifier, AUDIT_NOT_A_LINE, verifier->line,
             "is cut off in its middle, and the log goes on in another file");
    verifier->torn = false;
}

/* ------------------------------------------------------------------- calls */

void audit_verify_file(struct audit_verifier *verifier, const char *name, uint64_t number) {
    end_file(verifier, false);
    verifier->name = name;
    verifier->name_number = number;
    verifier->line = 0;
    verifier->file_told = verifier->file_swapped = false;
    verifier->files++;
    if (verifier->files == 1 && number == 1) {
        verifier->seq_next = 1;
        verifier->has_prev = true;
        memset(verifier->prev, '0', AUDIT_HASH_SIZE);
    }
}

void audit_verify_line(struct audit_verifier *verifier, struct slice bytes, bool ended) {
    struct audit_line line;
    char hash[AUDIT_HASH_SIZE];
    verifier->line++;
    if (bytes.size > AUDIT_LINE_SIZE_MAX || !audit_line_read(bytes, &line)) {
        if (ended)
            suspect(verifier, bytes);
        else
            look_at_last(verifier, bytes);
        return;
    }
    if (verifier->line == 1 && slice_equal(line.kind, SLICE("file")))
        choose_hash(verifier, bytes);
    verifier->lines++;
    verifier->unchecked += !verifier->hash;
    if (!is_genuine(verifier, &line, hash)) {
        drop_suspect(verifier);
        tell(verifier, AUDIT_CHANGED, verifier->line, "was changed: its hash is not that of its bytes");
        if (verifier->line == 1 && verifier->name_number > verifier->file_last)
            verifier->file_last = verifier->name_number;
        go_on_behind_changed(verifier, &line);
        return;
    }
    if (verifier->suspect)
        settle_suspect(verifier, &line, bytes);
    if (verifier->line == 1)
        look_at_first(verifier, &line, bytes);
    look_at_place(verifier, &line);
    look_at_key(verifier, &line);
    look_at_own(verifier, &line, bytes);
    verifier->expected_seen |= slice_equal(line.hash, verifier->wish.expected);
}

void audit_verify_bytes(struct audit_verifier *verifier, struct slice bytes) {
    while (bytes.size) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
        const size_t size = end ? (size_t)(end - bytes.data) : bytes.size;
        audit_verify_line(verifier, slice_part(bytes, 0, size), end != NULL);
        bytes = slice_part(bytes, size + (end != NULL), SIZE_MAX);
    }
}

static void look_at_first_file(struct audit_verifier *verifier) {
    const uint64_t first = verifier->file_first;
    if (first < 2)
        return;
    if (!verifier->wish.whole || verifier->removed_until + 1 >= first)
        tell(verifier, AUDIT_FIRST_REMOVED, 0, "the files before number %llu are not looked at",
             (unsigned long long)first);
    else
        tell(verifier, AUDIT_FILE_MISSING, 0,
             "the log begins with file number %llu, and nothing in it says that those before were removed (audit-keep)",
             (unsigned long long)first);
}

void audit_verify_end(struct audit_verifier *verifier) {
    const struct audit_wish *wish = &verifier->wish;
    bool key_given = false;
    end_file(verifier, true);
    for (uint32_t i = 0; i < wish->hash_count; i++)
        key_given |= wish->hashes[i].key_id[0] != 0;
    if (key_given && !verifier->keyed && verifier->lines)
        tell(verifier, AUDIT_UNKEYED, 0, "no file is hashed with a key, though one was given");
    look_at_first_file(verifier);
    if (!verifier->expected_seen)
        tell(verifier, AUDIT_UNEXPECTED, 0,
             "no line has the hash that was expected: the end was cut off, or this is another log");
    if (wish->lines_min && (verifier->seq_next ? verifier->seq_next - 1 : 0) < wish->lines_min)
        tell(verifier, AUDIT_UNEXPECTED, 0, "the last line is number %llu, and there were %llu: the end was cut off",
             (unsigned long long)(verifier->seq_next ? verifier->seq_next - 1 : 0),
             (unsigned long long)wish->lines_min);
    if (verifier->lines && !verifier->stopped)
        tell(verifier, AUDIT_GOES_ON, 0,
             "the log does not end with a stop: a server writes it, was killed, or lines at the end were taken away");
}
