#include "sys/wal/writer.h"

#include <errno.h>

#include "base/assert.h"

void writer_init(struct writer *writer, const struct files *files, const struct memory *memory, uint64_t log_id) {
    *writer = (struct writer){.files = files, .log_id = log_id, .file = -1};
    buf_init(&writer->batch, memory);
}

void writer_fini(struct writer *writer) {
    if (writer->file >= 0)
        writer->files->close(writer->files->context, writer->file);
    writer->file = -1;
    buf_fini(&writer->batch);
}

enum status writer_prepare(struct writer *writer) {
    buf_clear(&writer->batch);
    TRY(buf_reserve(&writer->batch, LOG_BATCH_HEADER_SIZE));
    memset(writer->batch.data, 0, LOG_BATCH_HEADER_SIZE);
    writer->batch.size = LOG_BATCH_HEADER_SIZE;
    return STATUS_OK;
}

enum status writer_write(struct writer *writer, struct log_batch *batch) {
    ASSERT(writer->file >= 0 && writer->batch.size >= LOG_BATCH_HEADER_SIZE);
    struct slice payload = slice_part(buf_slice(&writer->batch), LOG_BATCH_HEADER_SIZE, SIZE_MAX);
    batch->payload_size = (uint32_t)payload.size;
    log_batch_encode(batch, format_seed(writer->log_id, writer->number, writer->offset), payload, writer->batch.data);
    TRY(files_write(writer->files, writer->file, writer->offset, writer->batch.data, writer->batch.size));
    writer->offset += writer->batch.size;
    writer->told_lsn = batch->flushed_lsn;
    return STATUS_OK;
}

enum status writer_keep(struct buf *kept, const struct log_batch *batch, struct slice payload) {
    ASSERT(payload.size == batch->payload_size);
    TRY(buf_reserve(kept, sizeof *batch + payload.size));
    TRY(buf_append(kept, batch, sizeof *batch));
    return buf_append_slice(kept, payload);
}

void writer_keep_after(struct buf *kept, uint64_t lsn) {
    size_t at = 0;
    while (at < kept->size) {
        struct log_batch batch;
        memcpy(&batch, kept->data + at, sizeof batch);
        if (batch.first_lsn + batch.count - 1 > lsn)
            break;
        at += sizeof batch + batch.payload_size;
    }
    buf_consume(kept, at);
}

enum status writer_reserve(struct writer *writer, uint64_t least, uint64_t wanted) {
    if (writer->reserved >= writer->offset + least)
        return STATUS_OK;
    /* Where there is too little the file system may have set aside a part of it, which `least` then finds. */
    const struct files *files = writer->files;
    enum status status = files->reserve(files->context, writer->file, writer->offset + wanted);
    if (status == STATUS_FULL && least < wanted) {
        wanted = least;
        status = files->reserve(files->context, writer->file, writer->offset + wanted);
    }
    if (status == STATUS_OK)
        writer->reserved = writer->offset + wanted;
    return status;
}

enum status writer_sync(const struct writer *writer, int file) {
    return writer->files->sync(writer->files->context, file);
}

void writer_close(struct writer *writer) {
    if (writer->file < 0)
        return;
    if (writer->reserved > writer->offset) {
        enum status status = writer->files->truncate(writer->files->context, writer->file, writer->offset);
        MAYBE(status != STATUS_OK); /* then it keeps room that it does not need */
    }
    writer->files->close(writer->files->context, writer->file);
    writer->file = -1;
}

/* The kept batches, made anew for their new place. `kept` is only read; each header is worked out beside it. */
static enum status write_kept(const struct writer *writer, int file, uint64_t number, const struct buf *kept,
                              uint64_t *offset, uint64_t flushed_lsn) {
    for (size_t at = 0; kept && at < kept->size;) {
        struct log_batch batch;
        uint8_t header[LOG_BATCH_HEADER_SIZE];
        memcpy(&batch, kept->data + at, sizeof batch);
        struct slice payload = slice_make(kept->data + at + sizeof batch, batch.payload_size);
        batch.flushed_lsn = flushed_lsn;
        batch.flags = 0;
        log_batch_encode(&batch, format_seed(writer->log_id, number, *offset), payload, header);
        TRY(files_write(writer->files, file, *offset, header, sizeof header));
        TRY(files_write(writer->files, file, *offset + sizeof header, payload.data, payload.size));
        *offset += sizeof header + payload.size;
        at += sizeof batch + batch.payload_size;
    }
    return STATUS_OK;
}

/* A file of this name may be left over from an attempt that failed, or from a power cut. */
static enum status open_anew(const struct files *files, const char *name, int *ret_file) {
    enum status status = files->open(files->context, name, FILES_NEW, ret_file);
    if (status != STATUS_IO || files_cause(errno) != FILES_EXISTS)
        return status;
    TRY(files->remove(files->context, name));
    return files->open(files->context, name, FILES_NEW, ret_file);
}

static enum status fill(const struct writer *writer, int file, const struct log_header *header, const struct buf *kept,
                        uint64_t *ret_offset) {
    uint8_t bytes[LOG_HEADER_SIZE];
    uint64_t offset = LOG_HEADER_SIZE;
    log_header_encode(header, bytes);
    TRY(files_write(writer->files, file, 0, bytes, sizeof bytes));
    TRY(write_kept(writer, file, header->number, kept, &offset, header->proven_lsn));
    TRY(writer->files->sync(writer->files->context, file));
    *ret_offset = offset;
    return STATUS_OK;
}

/* Not needed for anything that was acknowledged, so what fails here fails unheard: the file has been flushed and is not written to again. */
static void seal_old(struct writer *writer, uint64_t next_lsn) {
    struct log_batch last = {.flags = LOG_BATCH_CONTINUED, .first_lsn = next_lsn, .flushed_lsn = next_lsn - 1};
    if (writer_prepare(writer) == STATUS_OK) {
        enum status status = writer_write(writer, &last);
        MAYBE(status != STATUS_OK);
    }
}

enum status writer_start(struct writer *writer, const struct log_header *header, const struct buf *kept, bool seal) {
    const struct files *files = writer->files;
    char name[LOG_NAME_SIZE], name_new[LOG_NAME_SIZE];
    format_name(LOG_PREFIX, header->number, "", name);
    format_name(LOG_PREFIX, header->number, FORMAT_NEW_SUFFIX, name_new);
    int file;
    uint64_t offset = 0;
    TRY(open_anew(files, name_new, &file));
    enum status status = fill(writer, file, header, kept, &offset);
    if (status == STATUS_OK)
        status = files->rename(files->context, name_new, name);
    if (status != STATUS_OK) {
        int error = errno;
        files->close(files->context, file);
        enum status removed = files->remove(files->context, name_new);
        MAYBE(removed != STATUS_OK); /* the next attempt does */
        errno = error;
        return status;
    }
    /* From here on the new name may be what a power cut leaves, so there is no way back to the old file. */
    if (files->sync_directory(files->context) != STATUS_OK) {
        int error = errno;
        files->close(files->context, file);
        errno = error;
        return STATUS_IO;
    }
    if (seal && writer->file >= 0)
        seal_old(writer, header->first_lsn);
    writer_close(writer);
    writer->number = header->number;
    writer->first_lsn = header->first_lsn;
    writer->offset = offset;
    writer->reserved = 0;
    writer->told_lsn = header->proven_lsn;
    writer->file = file;
    return STATUS_OK;
}
