/* app/persist/image.c: whether a cache that is in memory still, and a log, belong together. */
#include <inttypes.h>
#include <stdio.h>

#include "app/persist/persist_inner.h"
#include "core/record/record.h"
#include "sys/os/random.h"

enum status persist_image_mark(struct persist *persist, struct actor *actor, struct persist_image *ret_image) {
    struct persist_image image = {.lsn = 0};
    if (atomic_load(&persist->lost_some)) /* the next start has to take the snapshot that this one could not */
        return STATUS_BUSY;
    random_bytes(image.token, sizeof image.token);
    TRY(cache_journal_note(persist->options.cache, actor, SLICE(PERSIST_NOTE_IMAGE),
                           slice_make(image.token, sizeof image.token)));
    image.lsn = actor->noted.lsn;
    *ret_image = image;
    return STATUS_OK;
}

struct checking {
    struct persist_image *image;
    bool found;
};

static bool is_note(const struct persist_image *image, struct slice record) {
    struct record_reader reader;
    struct record_part part;
    if (record_open(record, &reader) != STATUS_OK)
        return false;
    while (record_next(&reader, &part) == STATUS_OK)
        if (part.kind == RECORD_NOTE && slice_equal(part.name, SLICE(PERSIST_NOTE_IMAGE)))
            return slice_equal(part.value, slice_make(image->token, sizeof image->token));
    return false;
}

static enum status look(void *context, uint64_t lsn, struct slice record) {
    struct checking *checking = context;
    if (lsn == checking->image->lsn)
        checking->found = is_note(checking->image, record);
    else
        checking->image->behind++;
    return STATUS_OK;
}

enum status persist_image_check(const struct files *files, struct persist_image *image,
                                char ret_reason[PERSIST_REASON_SIZE]) {
    struct checking checking = {.image = image};
    const struct wal_need need = {.from_lsn = image->lsn, .to_lsn = image->lsn};
    const struct wal_visitor visitor = {.record = look, .context = &checking};
    struct wal_report report;
    image->behind = 0;
    enum status status = wal_read(files, &memory_libc, &need, &visitor, &report);
    if (status != STATUS_OK)
        snprintf(ret_reason, PERSIST_REASON_SIZE, "%s", report.reason);
    else if (!checking.found)
        snprintf(ret_reason, PERSIST_REASON_SIZE, "the log has another record %" PRIu64, image->lsn);
    wal_report_fini(&report);
    return status == STATUS_OK && !checking.found ? STATUS_CORRUPT : status;
}
