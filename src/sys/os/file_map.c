#include "sys/os/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"

enum { SECOND_BITS = 16, SECONDS = (1 << SECOND_BITS) - 1 };

static enum status look_for_pages(struct file_map *map) {
    uint64_t pages = (map->size + map->page_size - 1) / map->page_size;
    map->seen_count = FILE_MAP_SEEN_MAX;
    while (map->seen_count / 2 >= pages)
        map->seen_count /= 2;
    if (pages / map->seen_count >> (32 - SECOND_BITS)) {
        errno = EFBIG;
        return STATUS_INVALID;
    }
    map->seen = memory_take(map->memory, map->seen_count * sizeof *map->seen);
    if (!map->seen)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < map->seen_count; i++)
        atomic_init(&map->seen[i], 0);
    return STATUS_OK;
}

enum status file_map_open(int file, uint64_t size, const struct memory *memory, struct file_map *ret_map) {
    struct file_map map = {.file = file, .size = size, .page_size = (uint32_t)sysconf(_SC_PAGESIZE), .memory = memory};
    *ret_map = (struct file_map){.bytes = NULL};
    if (size == 0 || size > SIZE_MAX / 2) {
        errno = EFBIG;
        return STATUS_INVALID;
    }
    void *bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED)
        return STATUS_INVALID;
    map.bytes = bytes;
    enum status status = look_for_pages(&map);
    if (status != STATUS_OK) {
        int error = errno;
        munmap(bytes, (size_t)size);
        errno = error;
        return status;
    }
    (void)madvise(bytes, (size_t)size, MADV_RANDOM);
    (void)posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
    (void)madvise(bytes, (size_t)size, MADV_DONTFORK);
    *ret_map = map;
    return STATUS_OK;
}

void file_map_close(struct file_map *map) {
    if (!map->bytes)
        return;
    munmap((void *)(uintptr_t)map->bytes, (size_t)map->size);
    memory_give(map->memory, (void *)map->seen, map->seen_count * sizeof *map->seen);
    map->bytes = NULL;
}

/* What stands in `seen` for a page that was read in this second; never 0. */
static uint32_t mark_of(const struct file_map *map, uint64_t page, uint64_t now_ms) {
    return (uint32_t)(page / map->seen_count) << SECOND_BITS | (uint32_t)(now_ms / FILE_MAP_TRUST_MS % SECONDS + 1);
}

static bool were_read(const struct file_map *map, uint64_t now_ms, uint64_t first, uint64_t end) {
    for (uint64_t page = first; page < end; page++)
        if (atomic_load_explicit(&map->seen[page % map->seen_count], memory_order_relaxed) !=
            mark_of(map, page, now_ms))
            return false;
    return true;
}

static enum status read_by_call(const struct file_map *map, uint64_t offset, uint8_t *to, size_t size) {
    while (size) {
        ssize_t got = pread(map->file, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return STATUS_IO;
        to += got, offset += (uint64_t)got, size -= (size_t)got;
    }
    return STATUS_OK;
}

enum status file_map_copy(const struct file_map *map, uint64_t now_ms, uint64_t offset, void *ret_bytes, size_t size) {
    ASSERT(offset <= map->size && size <= map->size - offset);
    uint64_t first = offset / map->page_size, end = (offset + size + map->page_size - 1) / map->page_size;
    if (were_read(map, now_ms, first, end)) {
        memcpy(ret_bytes, map->bytes + offset, size);
        return STATUS_OK;
    }
    TRY(read_by_call(map, offset, ret_bytes, size));
    for (uint64_t page = first; page < end; page++)
        atomic_store_explicit(&map->seen[page % map->seen_count], mark_of(map, page, now_ms), memory_order_relaxed);
    return STATUS_OK;
}

void file_map_ahead(const struct file_map *map, uint64_t now_ms, uint64_t offset, size_t size) {
    ASSERT(offset <= map->size && size <= map->size - offset);
    uint64_t first = offset / map->page_size, end = (offset + size + map->page_size - 1) / map->page_size;
    if (!were_read(map, now_ms, first, end))
        (void)posix_fadvise(map->file, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
}
