#include "sys/wal/read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "sys/wal/scan.h"
#include "sys/wal/writer.h"

struct reading {
    const struct files *files;
    const struct memory *memory;
    const struct wal_visitor *visitor;
    struct wal_report *report;
    uint64_t from_lsn;
    uint64_t log_id;
    bool keep_tail;
    uint64_t claimed_lsn; /* the highest flushed LSN that the last file names */
    struct buf places;    /* struct place, ascending */
    size_t first_needed;  /* place in the list */
    char name[LOG_NAME_SIZE];
};

static enum status refuse(struct reading *reading, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status refuse(struct reading *reading, enum status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->report->reason, sizeof reading->report->reason, format, arguments);
    va_end(arguments);
    return status;
}

static void blame(struct reading *reading, enum wal_damage damage, uint64_t number, uint64_t offset, uint64_t lsn) {
    struct wal_report *report = reading->report;
    report->damage = damage;
    report->damage_number = number;
    report->damage_offset = offset;
    report->damage_lsn = lsn;
}

/* --- which files there are --- */

static enum status note_name(void *context, const char *name) {
    struct reading *reading = context;
    struct wal_file file = {0};
    return format_name_parse(name, LOG_PREFIX, "", &file.number)
               ? buf_append(&reading->report->list, &file, sizeof file)
               : STATUS_OK;
}

static int compare(const void *a, const void *b) {
    const struct wal_file *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

struct wal_file wal_list_at(const struct buf *list, size_t at) {
    struct wal_file file;
    ASSERT(at < wal_list_count(list));
    memcpy(&file, list->data + at * sizeof file, sizeof file);
    return file;
}

static uint64_t number_at(const struct reading *reading, size_t at) {
    return wal_list_at(&reading->report->list, at).number;
}

static enum status list(struct reading *reading) {
    enum status status = reading->files->list(reading->files->context, note_name, reading);
    if (status == STATUS_NO_MEMORY)
        return refuse(reading, status, "no memory to list the files");
    if (status != STATUS_OK)
        return refuse(reading, status, "the directory cannot be read: %s", strerror(errno));
    struct buf *found = &reading->report->list;
    if (found->size)
        qsort(found->data, wal_list_count(found), sizeof(struct wal_file), compare);
    return STATUS_OK;
}

/* --- opening, with what is wrong said --- */

static enum status open_file(struct reading *reading, uint64_t number, struct scan *scan) {
    uint32_t version = 0;
    format_name(LOG_PREFIX, number, "", reading->name);
    enum status status = scan_open(scan, reading->files, reading->memory, reading->name, &version);
    if (status != STATUS_OK)
        blame(reading, status == STATUS_CORRUPT ? WAL_HEADER : WAL_UNREADABLE, number, 0, 0);
    if (status == STATUS_INVALID)
        return refuse(reading, status, "%s has version %" PRIu32 "; this program reads version %d", reading->name,
                      version, LOG_VERSION);
    if (status == STATUS_CORRUPT)
        return refuse(reading, status, "%s: the header at offset 0 is damaged or missing", reading->name);
    if (status == STATUS_NO_MEMORY)
        return refuse(reading, status, "no memory to read %s", reading->name);
    if (status != STATUS_OK)
        return refuse(reading, status, "%s cannot be read: %s", reading->name, strerror(errno));
    if (scan->header.number != number)
        status = refuse(reading, STATUS_CORRUPT, "%s says that it is number %" PRIu64 "; it has been renamed",
                        reading->name, scan->header.number);
    else if (reading->log_id && scan->header.log_id != reading->log_id)
        status = refuse(reading, STATUS_CORRUPT, "%s belongs to log %016" PRIx64 ", not to %016" PRIx64, reading->name,
                        scan->header.log_id, reading->log_id);
    if (status != STATUS_OK) {
        blame(reading, WAL_HEADER, number, 0, 0);
        scan_close(scan);
    }
    return status;
}

/* From the newest file back to the one in which the first record that is needed would stand. What is older does not matter any more, and may be half removed. */
static enum status find_needed(struct reading *reading) {
    size_t at = wal_list_count(&reading->report->list);
    uint64_t first_lsn = 0;
    while (at > 0) {
        struct scan scan;
        uint64_t number = number_at(reading, at - 1);
        if (at < wal_list_count(&reading->report->list) && number + 1 != number_at(reading, at)) {
            blame(reading, WAL_MISSING, number + 1, 0, 0);
            return refuse(reading, STATUS_CORRUPT,
                          "log-%010" PRIu64 " is missing: records before %" PRIu64 " are needed, and " LOG_PREFIX
                          "%010" PRIu64 " begins with that",
                          number_at(reading, at) - 1, first_lsn, number_at(reading, at));
        }
        TRY(open_file(reading, number, &scan));
        if (first_lsn && scan.header.first_lsn > first_lsn) {
            scan_close(&scan);
            blame(reading, WAL_HEADER, number, 0, 0);
            return refuse(reading, STATUS_CORRUPT, "%s begins behind the file that follows it", reading->name);
        }
        first_lsn = scan.header.first_lsn;
        uint64_t size_bytes = scan.size_bytes;
        reading->log_id = scan.header.log_id;
        scan_close(&scan);
        at--;
        struct wal_file file = {number, first_lsn, size_bytes};
        memcpy(reading->report->list.data + at * sizeof file, &file, sizeof file);
        if (first_lsn <= reading->from_lsn)
            break;
    }
    if (first_lsn > reading->from_lsn) {
        blame(reading, WAL_BEGINNING, number_at(reading, 0), 0, first_lsn);
        return refuse(reading, STATUS_CORRUPT,
                      "records %" PRIu64 " to %" PRIu64 " are missing: the oldest file of the log is log-%010" PRIu64
                      ", and no snapshot holds them",
                      reading->from_lsn, first_lsn - 1, number_at(reading, 0));
    }
    reading->first_needed = at;
    return STATUS_OK;
}

/* --- records --- */

static enum status visit(struct reading *reading, uint64_t lsn, struct slice payload, uint64_t limit) {
    struct slice record;
    while (format_record_next(&payload, &record)) {
        uint64_t mine = lsn++;
        if (mine < reading->from_lsn || mine > limit)
            continue;
        reading->report->records++;
        reading->report->bytes += record.size;
        enum status status =
            reading->visitor ? reading->visitor->record(reading->visitor->context, mine, record) : STATUS_OK;
        if (status != STATUS_OK)
            return refuse(reading, status, "record %" PRIu64 " in %s: %s", mine, reading->name, status_text(status));
    }
    return STATUS_OK;
}

static enum status cannot_read(struct reading *reading, const struct scan *scan, enum status status) {
    blame(reading, WAL_UNREADABLE, scan->header.number, scan->offset, scan->next_lsn);
    return refuse(reading, status, "%s cannot be read at offset %" PRIu64 ": %s", reading->name, scan->offset,
                  status == STATUS_IO ? strerror(errno) : status_text(status));
}

static enum status damaged(struct reading *reading, const struct scan *scan, uint64_t proven_lsn) {
    blame(reading, WAL_DAMAGED, scan->header.number, scan->offset, scan->next_lsn);
    return refuse(reading, STATUS_CORRUPT,
                  "%s is damaged at offset %" PRIu64 ": record %" PRIu64 " stood there, and records up to %" PRIu64
                  " are known to have been flushed",
                  reading->name, scan->offset, scan->next_lsn, proven_lsn);
}

/* Where a batch of the last file ends, as long as no flush is known to have covered it. */
struct place {
    uint64_t last_lsn, end_offset;
};

/* What no flush is known to have covered is kept, up to the batch that knows more. A flush covers whole batches: of one that is said to be flushed in
 * part, nothing is proven. */
static enum status note_tail(struct reading *reading, const struct log_batch *batch, struct slice payload,
                             uint64_t end_offset) {
    struct wal_report *report = reading->report;
    struct place place = {batch->first_lsn + batch->count - 1, end_offset};
    if (batch->flushed_lsn > reading->claimed_lsn)
        reading->claimed_lsn = batch->flushed_lsn;
    TRY(buf_append(&reading->places, &place, sizeof place));
    size_t proven = 0;
    for (; proven < reading->places.size; proven += sizeof place) {
        memcpy(&place, reading->places.data + proven, sizeof place);
        if (place.last_lsn > reading->claimed_lsn)
            break;
        if (place.last_lsn > report->proven_lsn)
            report->proven_lsn = place.last_lsn;
        report->tail_offset = place.end_offset;
    }
    buf_consume(&reading->places, proven);
    if (!reading->keep_tail)
        return STATUS_OK;
    writer_keep_after(&report->tail, report->proven_lsn);
    return batch->count ? writer_keep(&report->tail, batch, payload) : STATUS_OK;
}

/* Batches up to the limit or to what is not in order, which `ret_end` says: STATUS_OK (the limit), STATUS_CLOSED, STATUS_CORRUPT. */
static enum status read_batches(struct reading *reading, struct scan *scan, uint64_t limit, uint32_t *ret_flags,
                                enum status *ret_end) {
    struct log_batch batch;
    struct slice payload;
    *ret_flags = 0;
    while (scan->next_lsn <= limit) {
        uint64_t offset = scan->offset;
        enum status status = scan_next(scan, &batch, &payload);
        if (status == STATUS_CLOSED || status == STATUS_CORRUPT) {
            *ret_end = status;
            return STATUS_OK;
        }
        if (status == STATUS_OK && limit == UINT64_MAX)
            status = note_tail(reading, &batch, payload, scan->offset);
        if (status != STATUS_OK)
            return cannot_read(reading, scan, status);
        *ret_flags = batch.flags;
        if (batch.flags & LOG_BATCH_CONTINUED)
            reading->report->damage_offset = offset; /* what it promises may be missing */
        TRY(visit(reading, batch.first_lsn, payload, limit));
    }
    *ret_end = STATUS_OK;
    return STATUS_OK;
}

static enum status note_missing(struct reading *reading, uint64_t first, uint64_t last) {
    const struct wal_visitor *visitor = reading->visitor;
    if (first < reading->from_lsn)
        first = reading->from_lsn;
    if (first > last)
        return STATUS_OK;
    reading->report->missing += last - first + 1;
    return visitor && visitor->missing ? visitor->missing(visitor->context, first, last) : STATUS_OK;
}

static void note_unproven(struct reading *reading, uint64_t first, uint64_t last) {
    struct wal_report *report = reading->report;
    if (first < reading->from_lsn)
        first = reading->from_lsn;
    if (first > last)
        return;
    if (!report->unproven_first)
        report->unproven_first = first;
    report->unproven_last = last;
}

/* A file that another follows: all of its records up to the first of the next must be there, but for those that the next one's writer did not
 * know to be flushed. */
static enum status read_inner(struct reading *reading, struct scan *scan, const struct log_header *next) {
    uint32_t flags;
    enum status end;
    TRY(read_batches(reading, scan, next->first_lsn - 1, &flags, &end));
    uint64_t found = scan->next_lsn < next->first_lsn ? scan->next_lsn : next->first_lsn;
    if (found <= next->proven_lsn)
        return damaged(reading, scan, next->proven_lsn);
    note_unproven(reading, next->proven_lsn + 1, found - 1);
    return note_missing(reading, found, next->first_lsn - 1);
}

static enum status read_last(struct reading *reading, struct scan *scan) {
    struct wal_report *report = reading->report;
    uint32_t flags;
    enum status end;
    report->last = scan->header;
    report->proven_lsn = scan->header.proven_lsn;
    report->tail_offset = scan->offset;
    TRY(read_batches(reading, scan, UINT64_MAX, &flags, &end));
    if (flags & LOG_BATCH_CONTINUED) {
        blame(reading, WAL_MISSING, scan->header.number + 1, report->damage_offset, scan->next_lsn);
        return refuse(reading, STATUS_CORRUPT, "log-%010" PRIu64 " is missing: %s ends with the word that it follows",
                      scan->header.number + 1, reading->name);
    }
    if (end == STATUS_CORRUPT) {
        uint64_t proven = 0, last = 0;
        enum status status = scan_proof(scan, &proven, &last);
        if (status != STATUS_OK)
            return cannot_read(reading, scan, status);
        if (proven >= scan->next_lsn)
            return damaged(reading, scan, proven);
        report->cut_offset = scan->offset;
        report->cut_bytes = scan->size_bytes - scan->offset;
    }
    report->closed = end == STATUS_CLOSED && (flags & LOG_BATCH_CLOSED);
    report->next_lsn = scan->next_lsn;
    return STATUS_OK;
}

static enum status read_files(struct reading *reading) {
    struct wal_report *report = reading->report;
    struct scan scan, next;
    uint64_t number = number_at(reading, reading->first_needed),
             last = number_at(reading, wal_list_count(&report->list) - 1);
    report->log_id = reading->log_id;
    report->first_number = number;
    TRY(open_file(reading, number, &scan));
    for (; number < last; number++) {
        enum status status = open_file(reading, number + 1, &next);
        format_name(LOG_PREFIX, number, "", reading->name);
        if (status == STATUS_OK) {
            status = read_inner(reading, &scan, &next.header);
            if (status != STATUS_OK)
                scan_close(&next);
        }
        scan_close(&scan);
        TRY(status);
        report->files++;
        scan = next;
    }
    format_name(LOG_PREFIX, number, "", reading->name);
    enum status status = read_last(reading, &scan);
    scan_close(&scan);
    report->files++;
    return status;
}

static enum status read_all(struct reading *reading, const struct wal_need *need) {
    struct wal_report *report = reading->report;
    TRY(list(reading));
    report->next_lsn = reading->from_lsn;
    if (wal_list_count(&report->list) == 0) {
        if (need->log_id) {
            blame(reading, WAL_NONE, 0, 0, reading->from_lsn);
            return refuse(reading, STATUS_CORRUPT,
                          "there is no log, but a snapshot of log %016" PRIx64 " needs it from record %" PRIu64 " on",
                          need->log_id, reading->from_lsn);
        }
        return STATUS_OK;
    }
    TRY(find_needed(reading));
    TRY(read_files(reading));
    uint64_t least = need->to_lsn + 1 > reading->from_lsn ? need->to_lsn + 1 : reading->from_lsn;
    if (report->next_lsn < least) {
        blame(reading, WAL_SHORT, report->last.number, 0, report->next_lsn);
        return refuse(reading, STATUS_CORRUPT,
                      "the log ends with record %" PRIu64
                      ", but the snapshot was made when there were records up to %" PRIu64,
                      report->next_lsn - 1, least - 1);
    }
    return STATUS_OK;
}

enum status wal_read(const struct files *files, const struct memory *memory, const struct wal_need *need,
                     const struct wal_visitor *visitor, struct wal_report *ret_report) {
    memset(ret_report, 0, sizeof *ret_report);
    struct reading reading = {
        .files = files,
        .memory = memory,
        .visitor = visitor,
        .report = ret_report,
        .from_lsn = need->from_lsn ? need->from_lsn : 1,
        .log_id = need->log_id,
        .keep_tail = need->keep_tail,
    };
    buf_init(&ret_report->list, memory);
    buf_init(&ret_report->tail, memory);
    buf_init(&reading.places, memory);
    enum status status = read_all(&reading, need);
    buf_fini(&reading.places);
    return status;
}

void wal_report_fini(struct wal_report *report) {
    buf_fini(&report->list);
    buf_fini(&report->tail);
}
