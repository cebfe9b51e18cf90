#include "sys/wal/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/little.h"
#include "sys/wal/bulk.h"
#include "sys/wal/snapshot_format.h"

struct snapshot_writer {
    const struct files *files;
    const struct memory *memory;
    struct snapshot_facts facts;
    char name[LOG_NAME_SIZE], name_new[LOG_NAME_SIZE];
    int file;
    struct bulk bulk;
    bool sealed; /* the footer is written */
    uint64_t offset, synced;
    uint64_t chain;
    struct snapshot_block block;                 /* the one in the making */
    struct buf bytes;                            /* its header's room and its payload */
    uint64_t paced_ns, paced_offset, paced_rate; /* since when, from where, and how fast it is to be written */
};

/* --- writing --- */

/* One of this name may be left over from a process that died. */
static enum status open_new(const struct files *files, const char *name, int *ret_file) {
    enum status status = files->open(files->context, name, FILES_NEW, ret_file);
    if (status != STATUS_IO || files_cause(errno) != FILES_EXISTS)
        return status;
    TRY(files->remove(files->context, name));
    return files->open(files->context, name, FILES_NEW, ret_file);
}

static enum status put(struct snapshot_writer *writer, const void *bytes, size_t size) {
    TRY(bulk_write(&writer->bulk, bytes, size));
    writer->offset += size;
    if (writer->offset - writer->synced >= SNAPSHOT_SYNC_SIZE) {
        TRY(writer->files->sync(writer->files->context, writer->file));
        writer->synced = writer->offset;
    }
    return STATUS_OK;
}

static enum status block_begin(struct snapshot_writer *writer) {
    buf_clear(&writer->bytes);
    buf_shrink(&writer->bytes, 2 * SNAPSHOT_BLOCK_SIZE);
    TRY(buf_reserve(&writer->bytes, SNAPSHOT_BLOCK_HEADER_SIZE));
    writer->bytes.size = SNAPSHOT_BLOCK_HEADER_SIZE;
    writer->block = (struct snapshot_block){.index = writer->facts.blocks};
    return STATUS_OK;
}

static enum status block_end(struct snapshot_writer *writer) {
    if (writer->block.count == 0)
        return STATUS_OK;
    struct slice payload = slice_part(buf_slice(&writer->bytes), SNAPSHOT_BLOCK_HEADER_SIZE, SIZE_MAX);
    snapshot_block_encode(&writer->block, format_seed(writer->facts.id, writer->facts.number, writer->offset), payload,
                          writer->bytes.data);
    TRY(put(writer, writer->bytes.data, writer->bytes.size));
    writer->chain = snapshot_chain(writer->chain, writer->block.payload_sum);
    writer->facts.blocks++;
    return block_begin(writer);
}

static void writer_drop(struct snapshot_writer *writer) {
    bulk_end(&writer->bulk);
    if (writer->file >= 0)
        writer->files->close(writer->files->context, writer->file);
    buf_fini(&writer->bytes);
    memory_give(writer->memory, writer, sizeof *writer);
}

enum status snapshot_begin(const struct files *files, const struct memory *memory, const struct snapshot_facts *facts,
                           struct snapshot_writer **ret_writer) {
    struct snapshot_writer *writer = memory_take(memory, sizeof *writer);
    if (!writer)
        return STATUS_NO_MEMORY;
    *writer = (struct snapshot_writer){.files = files, .memory = memory, .file = -1};
    writer->facts = (struct snapshot_facts){
        .number = facts->number,
        .id = facts->id,
        .log_id = facts->log_id,
        .start_lsn = facts->start_lsn,
        .created_ms = facts->created_ms,
    };
    buf_init(&writer->bytes, memory);
    format_name(SNAPSHOT_PREFIX, facts->number, "", writer->name);
    format_name(SNAPSHOT_PREFIX, facts->number, FORMAT_NEW_SUFFIX, writer->name_new);
    uint8_t header[SNAPSHOT_HEADER_SIZE];
    snapshot_header_encode(&writer->facts, header);
    enum status status = open_new(files, writer->name_new, &writer->file);
    if (status == STATUS_OK)
        status = bulk_begin(&writer->bulk, files, memory, writer->name_new, writer->file);
    if (status == STATUS_OK)
        status = put(writer, header, sizeof header);
    if (status == STATUS_OK)
        status = block_begin(writer);
    if (status == STATUS_OK)
        *ret_writer = writer;
    else
        snapshot_cancel(writer);
    return status;
}

enum status snapshot_add(struct snapshot_writer *writer, const struct slice *parts, unsigned count) {
    ASSERT(!writer->sealed);
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size > LOG_RECORD_SIZE_MAX - size)
            return STATUS_TOO_LARGE;
        size += parts[i].size;
    }
    uint8_t length[LOG_RECORD_HEADER_SIZE];
    little_put_u32(length, (uint32_t)size);
    TRY(buf_reserve(&writer->bytes, sizeof length + size));
    TRY(buf_append(&writer->bytes, length, sizeof length));
    for (unsigned i = 0; i < count; i++)
        TRY(buf_append_slice(&writer->bytes, parts[i]));
    writer->block.count++;
    writer->facts.records++;
    writer->facts.bytes += size;
    return writer->bytes.size >= SNAPSHOT_BLOCK_SIZE ? block_end(writer) : STATUS_OK;
}

uint64_t snapshot_wait_ns(struct snapshot_writer *writer, uint64_t now_ns, uint64_t bytes_per_second) {
    if (!bytes_per_second)
        return 0;
    uint64_t offset = writer->offset + writer->bytes.size;
    if (writer->paced_rate != bytes_per_second) {
        writer->paced_rate = bytes_per_second;
        writer->paced_ns = now_ns;
        writer->paced_offset = offset;
    }
    /* A block may always go ahead of its time: they are written whole. */
    uint64_t written = offset - writer->paced_offset;
    if (written <= SNAPSHOT_BLOCK_SIZE)
        return 0;
    uint64_t due_ns = (uint64_t)((double)(written - SNAPSHOT_BLOCK_SIZE) * 1e9 / (double)bytes_per_second);
    uint64_t gone_ns = now_ns - writer->paced_ns;
    return due_ns > gone_ns ? due_ns - gone_ns : 0;
}

void snapshot_progress(const struct snapshot_writer *writer, struct snapshot_facts *ret_facts) {
    *ret_facts = writer->facts;
    ret_facts->file_bytes = writer->offset + writer->bytes.size;
}

static enum status seal(struct snapshot_writer *writer, uint64_t end_lsn) {
    uint8_t footer[SNAPSHOT_FOOTER_SIZE];
    TRY(block_end(writer));
    writer->facts.end_lsn = end_lsn;
    snapshot_footer_encode(&writer->facts, writer->chain,
                           format_seed(writer->facts.id, writer->facts.number, writer->offset), footer);
    TRY(put(writer, footer, sizeof footer));
    TRY(bulk_finish(&writer->bulk));
    TRY(writer->files->sync(writer->files->context, writer->file));
    writer->sealed = true;
    return STATUS_OK;
}

enum status snapshot_finish(struct snapshot_writer *writer, uint64_t end_lsn, uint64_t flushed_lsn) {
    const struct files *files = writer->files;
    ASSERT(end_lsn + 1 >= writer->facts.start_lsn);
    if (writer->facts.log_id && flushed_lsn < end_lsn)
        return STATUS_AGAIN;
    TRY(seal(writer, end_lsn));
    TRY(files->rename(files->context, writer->name_new, writer->name));
    TRY(files->sync_directory(files->context));
    writer_drop(writer);
    return STATUS_OK;
}

/* The name may be the final one already, if only making it durable failed: nobody may rely on that one either. */
void snapshot_cancel(struct snapshot_writer *writer) {
    if (!writer)
        return;
    int error = errno;
    enum status status = writer->files->remove(writer->files->context, writer->name_new);
    if (status != STATUS_OK && writer->sealed)
        status = writer->files->remove(writer->files->context, writer->name);
    MAYBE(status != STATUS_OK); /* snapshot_remove_before does it later */
    writer_drop(writer);
    errno = error;
}

void snapshot_abandon(struct snapshot_writer *writer) {
    if (writer)
        writer_drop(writer);
}

/* --- which there are --- */

struct listing {
    struct buf *numbers;
    const char *suffix;
};

static enum status note_name(void *context, const char *name) {
    struct listing *listing = context;
    uint64_t number;
    if (!format_name_parse(name, SNAPSHOT_PREFIX, listing->suffix, &number))
        return STATUS_OK;
    return buf_append(listing->numbers, &number, sizeof number);
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static enum status list(const struct files *files, const char *suffix, struct buf *numbers) {
    struct listing listing = {numbers, suffix};
    buf_clear(numbers);
    TRY(files->list(files->context, note_name, &listing));
    if (numbers->size)
        qsort(numbers->data, numbers->size / sizeof(uint64_t), sizeof(uint64_t), compare);
    return STATUS_OK;
}

enum status snapshot_list(const struct files *files, struct buf *numbers) { return list(files, "", numbers); }

static enum status remove_all(const struct files *files, const struct buf *numbers, const char *suffix,
                              uint64_t before) {
    for (size_t at = 0; at < numbers->size; at += sizeof(uint64_t)) {
        char name[LOG_NAME_SIZE];
        uint64_t number;
        memcpy(&number, numbers->data + at, sizeof number);
        if (number >= before)
            break;
        format_name(SNAPSHOT_PREFIX, number, suffix, name);
        TRY(files->remove(files->context, name));
    }
    return STATUS_OK;
}

enum status snapshot_remove_before(const struct files *files, const struct memory *memory, uint64_t number) {
    struct buf numbers;
    buf_init(&numbers, memory);
    enum status status = list(files, "", &numbers);
    if (status == STATUS_OK)
        status = remove_all(files, &numbers, "", number);
    if (status == STATUS_OK)
        status = list(files, FORMAT_NEW_SUFFIX, &numbers);
    if (status == STATUS_OK)
        status = remove_all(files, &numbers, FORMAT_NEW_SUFFIX, UINT64_MAX);
    buf_fini(&numbers);
    TRY(status);
    return files->sync_directory(files->context);
}
