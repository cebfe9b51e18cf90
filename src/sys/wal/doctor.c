#include "sys/wal/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "sys/wal/scan.h"

enum { STEPS_MAX = 10000, COPY_SIZE = 64 * 1024, TEXT_SIZE = 512 };

#define ASIDE_SUFFIX ".damaged"

static void say(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line that finds no memory is not said. */
static void say(struct doctor *doctor, const char *format, ...) {
    char line[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    enum status status = buf_printf(&doctor->text, "%s\n", line);
    MAYBE(status != STATUS_OK);
}

static enum status failed(struct doctor *doctor, enum status status, const char *what, const char *name) {
    say(doctor, "%s %s: %s", what, name, status == STATUS_NO_MEMORY ? status_text(status) : strerror(errno));
    return status;
}

void doctor_init(struct doctor *doctor, const struct files *files, const struct memory *memory) {
    *doctor = (struct doctor){.files = files, .memory = memory};
    buf_init(&doctor->text, memory);
}

void doctor_fini(struct doctor *doctor) { buf_fini(&doctor->text); }

/* --- examining --- */

/* Reads all of it. STATUS_OK if it is good. */
static enum status examine_snapshot(struct doctor *doctor, uint64_t number, struct snapshot_facts *ret_facts) {
    struct snapshot_reader *reader;
    struct slice record;
    char reason[WAL_REASON_SIZE];
    enum status status = snapshot_open(doctor->files, doctor->memory, number, &reader, ret_facts, reason);
    if (status == STATUS_OK) {
        do
            status = snapshot_next(reader, &record, reason);
        while (status == STATUS_OK);
        snapshot_close(reader);
    }
    if (status != STATUS_CLOSED) {
        say(doctor, "%s", reason);
        return status;
    }
    char needs[80] = "it needs no record of the log";
    if (ret_facts->start_lsn <= ret_facts->end_lsn)
        snprintf(needs, sizeof needs, "it needs the log from record %" PRIu64 " to %" PRIu64, ret_facts->start_lsn,
                 ret_facts->end_lsn);
    say(doctor, "snapshot-%010" PRIu64 " is good: %" PRIu64 " records, %" PRIu64 " bytes; %s", number,
        ret_facts->records, ret_facts->bytes, needs);
    return STATUS_OK;
}

/* From the newest back to the first that is good. */
static enum status examine_snapshots(struct doctor *doctor) {
    struct buf numbers;
    buf_init(&numbers, doctor->memory);
    enum status status = snapshot_list(doctor->files, &numbers);
    if (status != STATUS_OK)
        (void)failed(doctor, status, "cannot list", "the directory");
    for (size_t at = numbers.size; status == STATUS_OK && at > 0 && !doctor->snapshot; at -= sizeof(uint64_t)) {
        uint64_t number;
        memcpy(&number, numbers.data + at - sizeof number, sizeof number);
        status = examine_snapshot(doctor, number, &doctor->facts);
        if (status == STATUS_OK)
            doctor->snapshot = number;
        else if (status == STATUS_CORRUPT && !doctor->snapshot_wrong)
            doctor->snapshot_wrong = number;
        if (status == STATUS_CORRUPT)
            status = STATUS_OK;
    }
    buf_fini(&numbers);
    return status;
}

static void tell_log(struct doctor *doctor, const struct wal_report *report) {
    if (!report->last.number)
        return say(doctor, "there is no log");
    say(doctor,
        "the log is good: %" PRIu64 " records in %" PRIu64 " files, log-%010" PRIu64 " to log-%010" PRIu64
        ", the last is record %" PRIu64 "%s",
        report->records, report->files, report->first_number, report->last.number, report->next_lsn - 1,
        report->closed ? "; it was closed in order" : "");
    if (report->cut_bytes)
        say(doctor,
            "log-%010" PRIu64 " ends with %" PRIu64 " bytes of a write that was under way; a server cuts them off",
            report->last.number, report->cut_bytes);
    if (report->missing)
        say(doctor,
            "%" PRIu64 " records are missing: a flush of them had failed, and they were not acknowledged as durable",
            report->missing);
    if (report->unproven_first)
        say(doctor,
            "records %" PRIu64 " to %" PRIu64 " can be read, but a flush of them had failed; a server makes a snapshot",
            report->unproven_first, report->unproven_last);
}

static enum status examine_log(struct doctor *doctor) {
    struct wal_report report;
    enum status status = wal_read(doctor->files, doctor->memory, &doctor->need, NULL, &report);
    doctor->damage = report.damage;
    doctor->damage_number = report.damage_number;
    doctor->damage_offset = report.damage_offset;
    doctor->damage_lsn = report.damage_lsn;
    doctor->next_lsn = report.next_lsn;
    if (status == STATUS_OK)
        tell_log(doctor, &report);
    else
        say(doctor, "%s", report.reason);
    wal_report_fini(&report);
    return status;
}

enum status doctor_examine(struct doctor *doctor) {
    doctor->snapshot = doctor->snapshot_wrong = 0;
    doctor->need = (struct wal_need){0};
    TRY(examine_snapshots(doctor));
    if (doctor->snapshot)
        doctor->need = (struct wal_need){
            .log_id = doctor->facts.log_id,
            .from_lsn = doctor->facts.log_id ? doctor->facts.start_lsn : 0,
            .to_lsn = doctor->facts.log_id ? doctor->facts.end_lsn : 0,
        };
    TRY(examine_log(doctor));
    return doctor->snapshot_wrong ? STATUS_CORRUPT : STATUS_OK;
}

/* --- repairing --- */

struct names {
    struct buf *bytes; /* names, each with its end */
    const char *prefix;
    uint64_t from;
};

static enum status note_name(void *context, const char *name) {
    struct names *names = context;
    uint64_t number;
    if (!format_name_parse(name, names->prefix, "", &number) || number < names->from)
        return STATUS_OK;
    return buf_append(names->bytes, name, strlen(name) + 1);
}

static bool is_there(const struct files *files, const char *name) {
    int file;
    if (files->open(files->context, name, FILES_READ, &file) != STATUS_OK)
        return files_cause(errno) != FILES_ABSENT;
    files->close(files->context, file);
    return true;
}

/* log-0000000007.damaged, or .damaged-2 if there is one already, ... */
static void name_aside(const struct files *files, const char *name, char ret_aside[FILES_NAME_MAX + 1]) {
    snprintf(ret_aside, FILES_NAME_MAX + 1, "%s" ASIDE_SUFFIX, name);
    for (unsigned n = 2; is_there(files, ret_aside) && n < STEPS_MAX; n++)
        snprintf(ret_aside, FILES_NAME_MAX + 1, "%s" ASIDE_SUFFIX "-%u", name, n);
}

/* The highest number that any batch of the file holds, for the account of what is lost. */
static void note_lost(struct doctor *doctor, const char *name, uint64_t number, uint64_t offset) {
    struct scan scan;
    uint32_t version;
    uint64_t flushed, last;
    if (scan_open(&scan, doctor->files, doctor->memory, name, &version) != STATUS_OK)
        return;
    if (offset)
        scan.offset = offset;
    if (scan_proof(&scan, &flushed, &last) == STATUS_OK && last > doctor->lost_last && scan.header.number == number)
        doctor->lost_last = last;
    scan_close(&scan);
}

static enum status set_aside(struct doctor *doctor, const char *name) {
    const struct files *files = doctor->files;
    char aside[FILES_NAME_MAX + 1];
    name_aside(files, name, aside);
    enum status status = files->rename(files->context, name, aside);
    if (status != STATUS_OK)
        return failed(doctor, status, "cannot rename", name);
    say(doctor, "%s is now %s", name, aside);
    doctor->set_aside++;
    return STATUS_OK;
}

static enum status sync_names(struct doctor *doctor) {
    enum status status = doctor->files->sync_directory(doctor->files->context);
    return status == STATUS_OK ? STATUS_OK : failed(doctor, status, "cannot flush", "the directory");
}

/* From this number on. Ascending: what is cut short leaves a log that is shorter, not one with a hole in the middle that is not there. */
static enum status set_log_aside(struct doctor *doctor, uint64_t from) {
    struct buf bytes;
    buf_init(&bytes, doctor->memory);
    struct names names = {&bytes, LOG_PREFIX, from};
    enum status status = doctor->files->list(doctor->files->context, note_name, &names);
    if (status != STATUS_OK)
        (void)failed(doctor, status, "cannot list", "the directory");
    for (size_t at = 0; status == STATUS_OK && at < bytes.size; at += strlen((char *)bytes.data + at) + 1) {
        const char *name = (char *)bytes.data + at;
        uint64_t number = 0;
        ASSERT(format_name_parse(name, LOG_PREFIX, "", &number));
        note_lost(doctor, name, number, 0);
        doctor->log_shortened = true;
        status = set_aside(doctor, name);
    }
    buf_fini(&bytes);
    TRY(status);
    return sync_names(doctor);
}

static enum status copy_bytes(const struct files *files, int from, int to, uint64_t size) {
    uint8_t bytes[COPY_SIZE];
    for (uint64_t at = 0; at < size;) {
        size_t part = size - at < sizeof bytes ? (size_t)(size - at) : sizeof bytes;
        TRY(files_read(files, from, at, bytes, part));
        TRY(files_write(files, to, at, bytes, part));
        at += part;
    }
    return files->sync(files->context, to);
}

/* The first `size` bytes (UINT64_MAX: all) into a new file, durably. */
static enum status copy(struct doctor *doctor, const char *name, uint64_t size, const char *copy_name) {
    const struct files *files = doctor->files;
    int from, to;
    uint64_t whole;
    enum status status = files->open(files->context, name, FILES_READ, &from);
    if (status != STATUS_OK)
        return failed(doctor, status, "cannot read", name);
    status = files->size(files->context, from, &whole);
    if (status == STATUS_OK)
        status = files->open(files->context, copy_name, FILES_NEW, &to);
    if (status == STATUS_OK) {
        status = copy_bytes(files, from, to, size < whole ? size : whole);
        files->close(files->context, to);
    }
    if (status != STATUS_OK)
        (void)failed(doctor, status, "cannot write", copy_name);
    int error = errno;
    files->close(files->context, from);
    errno = error;
    return status;
}

/* The file without what stands from `offset` on. It has its name at every moment. */
static enum status cut(struct doctor *doctor, uint64_t number, uint64_t offset, bool keep_copy) {
    const struct files *files = doctor->files;
    char name[LOG_NAME_SIZE], name_new[LOG_NAME_SIZE], aside[FILES_NAME_MAX + 1];
    format_name(LOG_PREFIX, number, "", name);
    format_name(LOG_PREFIX, number, FORMAT_NEW_SUFFIX, name_new);
    if (keep_copy) {
        note_lost(doctor, name, number, offset);
        name_aside(files, name, aside);
        TRY(copy(doctor, name, UINT64_MAX, aside));
        say(doctor, "%s is a copy of %s", aside, name);
        doctor->set_aside++;
    }
    if (is_there(files, name_new) && files->remove(files->context, name_new) != STATUS_OK)
        return failed(doctor, STATUS_IO, "cannot remove", name_new);
    TRY(copy(doctor, name, offset, name_new));
    TRY(sync_names(doctor));
    enum status status = files->rename(files->context, name_new, name);
    if (status != STATUS_OK)
        return failed(doctor, status, "cannot rename", name_new);
    say(doctor, "%s is cut at offset %" PRIu64, name, offset);
    return sync_names(doctor);
}

/* The same records, from a snapshot that needs the log up to `end_lsn` only; or none (`log_id` 0). */
static enum status write_again(struct doctor *doctor, uint64_t log_id, uint64_t end_lsn) {
    struct snapshot_reader *reader;
    struct snapshot_writer *writer;
    struct snapshot_facts facts, old;
    struct slice record;
    char reason[WAL_REASON_SIZE];
    TRY(snapshot_open(doctor->files, doctor->memory, doctor->snapshot, &reader, &old, reason));
    facts = old;
    facts.number = doctor->snapshot + 1;
    facts.id = old.id + 1 ? old.id + 1 : 1;
    facts.log_id = log_id;
    facts.start_lsn = !log_id ? 1 : end_lsn + 1 < old.start_lsn ? end_lsn + 1 : old.start_lsn;
    enum status status = snapshot_begin(doctor->files, doctor->memory, &facts, &writer);
    if (status == STATUS_OK) {
        while ((status = snapshot_next(reader, &record, reason)) == STATUS_OK) {
            status = snapshot_add(writer, &record, 1);
            if (status != STATUS_OK)
                break;
        }
        if (status == STATUS_CLOSED)
            status = snapshot_finish(writer, end_lsn, end_lsn);
        if (status != STATUS_OK)
            snapshot_cancel(writer);
    }
    snapshot_close(reader);
    if (status != STATUS_OK)
        return failed(doctor, status, "cannot write", "another snapshot");
    say(doctor,
        "snapshot-%010" PRIu64 " is snapshot-%010" PRIu64 " again, for a log that ends with record %" PRIu64
        "; of the changes after that it has some",
        facts.number, doctor->snapshot, end_lsn);
    return STATUS_OK;
}

static void note_loss(struct doctor *doctor, uint64_t first_lsn) {
    if (first_lsn && (!doctor->lost_first || first_lsn < doctor->lost_first))
        doctor->lost_first = first_lsn;
}

/* One thing that brings the directory nearer to one that a server starts with. */
static enum status repair_step(struct doctor *doctor) {
    char name[LOG_NAME_SIZE];
    if (doctor->snapshot_wrong) {
        format_name(SNAPSHOT_PREFIX, doctor->snapshot_wrong, "", name);
        TRY(set_aside(doctor, name));
        return sync_names(doctor);
    }
    switch (doctor->damage) {
        case WAL_DAMAGED:
            note_loss(doctor, doctor->damage_lsn);
            TRY(set_log_aside(doctor, doctor->damage_number + 1));
            return cut(doctor, doctor->damage_number, doctor->damage_offset, true);
        case WAL_MISSING:
            if (doctor->damage_offset) {
                note_loss(doctor, doctor->damage_lsn);
                return cut(doctor, doctor->damage_number - 1, doctor->damage_offset, false);
            }
            return set_log_aside(doctor, doctor->damage_number);
        case WAL_HEADER:
            return set_log_aside(doctor, doctor->damage_number);
        case WAL_BEGINNING:
            note_loss(doctor, doctor->need.from_lsn ? doctor->need.from_lsn : 1);
            return set_log_aside(doctor, 1);
        case WAL_SHORT:
            note_loss(doctor, doctor->damage_lsn);
            return write_again(doctor, doctor->need.log_id, doctor->damage_lsn - 1);
        case WAL_NONE:
            note_loss(doctor, doctor->need.from_lsn);
            return write_again(doctor, 0, 0);
        default:
            return STATUS_CORRUPT;
    }
}

enum status doctor_repair(struct doctor *doctor) {
    enum status status = STATUS_CORRUPT;
    for (unsigned step = 0; status == STATUS_CORRUPT && step < STEPS_MAX; step++) {
        TRY(repair_step(doctor));
        status = doctor_examine(doctor);
    }
    TRY(status);
    if (doctor->log_shortened)
        note_loss(doctor, doctor->next_lsn);
    if (doctor->lost_last >= doctor->lost_first && doctor->lost_first)
        say(doctor, "lost: records %" PRIu64 " to %" PRIu64 ", as far as can be seen", doctor->lost_first,
            doctor->lost_last);
    else if (doctor->lost_first)
        say(doctor, "lost: records from %" PRIu64 " on; how many there were is not known", doctor->lost_first);
    return STATUS_OK;
}
