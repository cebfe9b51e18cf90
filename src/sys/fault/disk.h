/* sys/fault/disk.h: a disk in memory whose power can be cut, behind the calls of sys/os/files.h.
 *
 * What programs read is what was written. What survives a cut is less: all that a completed sync covers, and of everything since then
 * a random subset, drawn from the seed:
 *
 *     a write          each grain of 512 bytes by itself, in any order; a grain written twice may keep the first
 *     a file's size    follows from the writes and truncations that were kept; what lies between them reads as zeros
 *     new, renamed,    each by itself, as long as no sync of the directory covers it; a rename is one change: both names or neither
 *     removed names
 *
 * That is more than one file system does, and no less than the sum of what they may do.
 *
 * Threads: any; one lock around each call.
 * Memory:  from the allocator handed in. An allocation of the disk's own that fails ends the program: it belongs to a test.
 * Errors:  as of struct files. With the power off, every call is STATUS_IO with EIO.
 */
#ifndef STRATA_SYS_FAULT_DISK_H
#define STRATA_SYS_FAULT_DISK_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/slice.h"
#include "sys/os/files.h"

enum { DISK_GRAIN_SIZE = 512, DISK_FILES_MAX = 256 };

/* Faults that the program above is to have, in its place: its calls do nothing and answer STATUS_OK. */
enum disk_plant { DISK_SOUND = 0, DISK_NO_SYNC = 1, DISK_NO_DIRECTORY_SYNC = 2 };

struct disk;

/* `capacity_bytes` 0: as much as there is memory. */
struct disk *disk_new(const struct memory *memory, uint64_t seed, uint64_t capacity_bytes);
void disk_free(struct disk *disk);

/* Lives as long as the disk. */
const struct files *disk_files(struct disk *disk);

void disk_plant(struct disk *disk, unsigned plants);
void disk_capacity_set(struct disk *disk, uint64_t capacity_bytes);

/* The power goes during the `changes`-th call from now that would change or flush something (1: the next one). Its effect is one of those that a
 * cut may keep or lose. 0: never. */
void disk_cut_after(struct disk *disk, uint64_t changes);
bool disk_is_cut(struct disk *disk);
/* Changing and flushing calls since disk_new. */
uint64_t disk_changes(struct disk *disk);

/* Cuts the power if it is on, draws what survives, and switches on again. No file is open afterwards. */
void disk_restart(struct disk *disk);

/* A failed flush: what it should have made durable is taken for clean. Reads go on seeing it, no later sync covers it. */
void disk_lose_unsynced(struct disk *disk, int file);

/* What is read under this name now; empty if there is no such file. Valid until the next change. */
struct slice disk_contents(struct disk *disk, const char *name);
/* Makes or replaces a file, durably. */
void disk_put(struct disk *disk, const char *name, struct slice bytes);

#endif
