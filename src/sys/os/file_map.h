/* sys/os/file_map.h: a file as memory that is only read, through the page cache.
 *
 *     copy    were all of its pages read by a call within the last second?  yes -> copied out of the mapping, without a call
 *                                                                           no  -> read by a call
 *
 * Whoever touches a page that the disk cannot read, or that a shorter file has not any more, is killed by SIGBUS; a call that reads it answers with an error. So pages are
 * touched only when a call has read them within a second. What is left of the danger: a page that the kernel has taken from memory in that second, and the disk cannot read any
 * more, or that somebody has cut off in that second.
 *
 * Threads: any may copy. Opening and closing while nobody does.
 * Memory:  4 bytes for each page of the file, at most FILE_MAP_SEEN_MAX pages; the mapping is address space. A child of a fork does not have it.
 * Time:    handed in.
 * Errors:  STATUS_INVALID: the file system or the address space cannot do it; errno says what. STATUS_IO: cannot be read; errno says why, EIO: the file ends before.
 */
#ifndef STRATA_SYS_OS_FILE_MAP_H
#define STRATA_SYS_OS_FILE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

enum { FILE_MAP_SEEN_MAX = 1 << 18, FILE_MAP_TRUST_MS = 1000 };

struct file_map {
    const uint8_t *bytes; /* NULL: not open */
    int file;
    uint64_t size;
    uint32_t page_size, seen_count;
    _Atomic uint32_t *seen; /* by the number of the page: which one it is, and in which second a call has read it */
    const struct memory *memory;
};

/* The first `size` bytes of a descriptor that can be read, which stays open for as long, or longer. From here on the system reads nothing ahead for it. */
MUST_CHECK enum status file_map_open(int file, uint64_t size, const struct memory *memory, struct file_map *ret_map);
/* Nothing if it is not open. */
void file_map_close(struct file_map *map);

/* Exactly so many bytes from `offset` on, which lie within the mapped size. `now_ms`: of a clock that does not go back. */
MUST_CHECK enum status file_map_copy(const struct file_map *map, uint64_t now_ms, uint64_t offset, void *ret_bytes,
                                     size_t size);
/* Those bytes will be wanted: the disk reads them while this goes on. */
void file_map_ahead(const struct file_map *map, uint64_t now_ms, uint64_t offset, size_t size);

#endif
