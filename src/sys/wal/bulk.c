#include "sys/wal/bulk.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"

enum status bulk_begin(struct bulk *bulk, const struct files *files, const struct memory *memory, const char *name,
                       int file) {
    *bulk = (struct bulk){.files = files, .name = name, .file = file, .direct = -1};
    buf_init(&bulk->room, memory);
    TRY(buf_reserve(&bulk->room, BULK_SIZE + BULK_ALIGN));
    bulk->bytes = (uint8_t *)bits_align_up((uintptr_t)bulk->room.data, BULK_ALIGN);
    return STATUS_OK;
}

void bulk_end(struct bulk *bulk) {
    if (!bulk->files)
        return;
    if (bulk->direct >= 0)
        bulk->files->close(bulk->files->context, bulk->direct);
    buf_fini(&bulk->room);
    *bulk = (struct bulk){0};
}

/* STATUS_INVALID: the file system cannot do that; it says so when the file is opened, or at a write. */
static enum status write_past(struct bulk *bulk) {
    const struct files *files = bulk->files;
    enum status status = STATUS_OK;
    if (bulk->direct < 0)
        status = files->open(files->context, bulk->name, FILES_DIRECT, &bulk->direct);
    if (status == STATUS_OK)
        status = files_write(files, bulk->direct, bulk->offset, bulk->bytes, bulk->size);
    bulk->refused = status == STATUS_IO && errno == EINVAL;
    return bulk->refused ? STATUS_INVALID : status;
}

static enum status write_part(struct bulk *bulk) {
    enum status status = STATUS_INVALID;
    if (bulk->size == BULK_SIZE && !bulk->refused)
        status = write_past(bulk);
    if (status == STATUS_INVALID)
        status = files_write(bulk->files, bulk->file, bulk->offset, bulk->bytes, bulk->size);
    TRY(status);
    bulk->offset += bulk->size;
    bulk->size = 0;
    return STATUS_OK;
}

enum status bulk_write(struct bulk *bulk, const void *bytes, size_t size) {
    const uint8_t *from = bytes;
    while (size) {
        size_t part = BULK_SIZE - bulk->size;
        if (part > size)
            part = size;
        memcpy(bulk->bytes + bulk->size, from, part);
        bulk->size += part;
        from += part;
        size -= part;
        if (bulk->size == BULK_SIZE)
            TRY(write_part(bulk));
    }
    return STATUS_OK;
}

enum status bulk_finish(struct bulk *bulk) { return bulk->size ? write_part(bulk) : STATUS_OK; }
